# Inside the root: OpenSSL and CPython, from the sources that Debian 12 has them built from.
set -eu
cd /src/python
apt-get -qq update
apt-get -qq source --download-only python3.11 openssl
for archive in *.orig.tar.?z; do
    tar xf "$archive"
done

cd /src/python/openssl-*
./Configure --prefix=/opt/python --libdir=lib --openssldir=/etc/ssl shared no-tests >/src/python/openssl.log 2>&1
make -j"$(nproc)" >>/src/python/openssl.log 2>&1
make install_sw >>/src/python/openssl.log 2>&1
mkdir -p /opt/python/share/licences
cp LICENSE.txt /opt/python/share/licences/OpenSSL.txt

cd /src/python/Python-3.11*
./configure -q --prefix=/opt/python --enable-shared --with-openssl=/opt/python \
    LDFLAGS=-Wl,-rpath,/opt/python/lib >/src/python/python.log 2>&1
make -j"$(nproc)" >>/src/python/python.log 2>&1
make install >>/src/python/python.log 2>&1
