# Sourced by those who build for old systems: a Debian 11 root in $root with a Python and OpenSSL in /opt/python.
#
# Needs root, mmdebstrap, and Debian's archive: the one that this machine's apt uses, or DEBIAN_ARCHIVE. Python and OpenSSL are built from the upstream sources in Debian 12, for
# Debian 11 has neither version; Debian's own fixes are not in them. The root is kept in build/baseline and used again.
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

# What is in git, as it is here.
rm -rf "$root/src/leasehold"
mkdir -p "$root/src/leasehold"
(cd "$here" && git ls-files -z | tar --null -cf - -T -) | tar -xf - -C "$root/src/leasehold"
