#!/bin/sh
# Builds the binaries in a Debian 11 root, so that sites with an old glibc can run them: dist/baseline/edge-agent.
#
#   sudo sh packaging/baseline/build.sh      (make binary-baseline)
#
# Needs root, mmdebstrap, and Debian's archive: the one that this machine's apt uses, or DEBIAN_ARCHIVE. Python and OpenSSL are built from the upstream sources in Debian 12, for
# Debian 11 has neither version; Debian's own fixes are not in them. The root is kept in build/baseline and used again.
set -eu
here=$(cd "$(dirname "$0")/../.." && pwd)
work=$here/build/baseline
root=$work/root
archive=${DEBIAN_ARCHIVE:-$(apt-get indextargets --format '$(REPO_URI)' 'Origin: Debian' | grep -v security | head -n 1)}

[ "$(id -u)" -eq 0 ] || { echo "A root file system is made by root only: type it with sudo." >&2; exit 2; }
command -v mmdebstrap >/dev/null || { echo "mmdebstrap is missing: install the package of that name." >&2; exit 2; }
[ -n "$archive" ] || { echo "No archive of Debian is known here: set DEBIAN_ARCHIVE to its address." >&2; exit 2; }
mkdir -p "$work"

if [ ! -e "$root/.made" ]; then
    rm -rf "$root"
    mmdebstrap --quiet --variant=apt --include="ca-certificates gcc make libc6-dev zlib1g-dev libffi-dev \
libsqlite3-dev libbz2-dev liblzma-dev uuid-dev libncursesw5-dev perl binutils xz-utils" bullseye "$root" "$archive"
    touch "$root/.made"
fi
cp /etc/resolv.conf "$root/etc/resolv.conf"
# The builder's own certificate authorities, for its package index.
cp /etc/ssl/certs/ca-certificates.crt "$root/etc/ssl/certs/"

if [ ! -x "$root/opt/python/bin/python3.11" ]; then
    echo "deb-src $archive bookworm main" >"$root/etc/apt/sources.list.d/bookworm-sources.list"
    rm -rf "$root/src/python"
    mkdir -p "$root/src/python"
    cp "$here/packaging/baseline/python.sh" "$root/src/python/"
    chroot "$root" sh /src/python/python.sh
fi

rm -rf "$root/src/leasehold"
mkdir -p "$root/src/leasehold"
(cd "$here" && git ls-files -z | tar --null -cf - -T -) | tar -xf - -C "$root/src/leasehold"
cat >"$root/src/build.sh" <<'EOF'
set -eu
cd /src/leasehold
python=/src/venv/bin/python
[ -x $python ] || /opt/python/bin/python3.11 -m venv /src/venv
$python -m pip install --quiet --require-hashes -r requirements/uv.txt
/src/venv/bin/uv pip install --quiet --require-hashes --python $python -r requirements/dev.txt
/src/venv/bin/uv pip install --quiet --no-deps --no-build-isolation --python $python -e sdk/python -e api -e edge_agent
$python packaging/build.py
EOF
authorities=/etc/ssl/certs/ca-certificates.crt
chroot "$root" env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LANG=C.UTF-8 \
    PIP_CERT=$authorities SSL_CERT_FILE=$authorities sh /src/build.sh

mkdir -p "$here/dist/baseline"
rm -rf "$here/dist/baseline/edge-agent"
cp -a "$root/src/leasehold/dist/edge-agent" "$here/dist/baseline/edge-agent"
sed -n 's/.*"glibc": "\(.*\)".*/dist\/baseline\/edge-agent runs with glibc \1 or newer/p' \
    "$here/dist/baseline/edge-agent/_internal/about/build.json"
