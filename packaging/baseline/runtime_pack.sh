#!/bin/sh
# Makes a runtime pack that old systems can run, of the Python in a Debian 11 root: dist/baseline/python3.11.
#
#   sudo sh packaging/baseline/runtime_pack.sh
set -eu
here=$(cd "$(dirname "$0")/../.." && pwd)
. "$here/packaging/baseline/root.sh"

# A program that looks for its libraries beside itself finds itself by /proc.
trap 'umount "$root/proc"' EXIT
mount -t proc proc "$root/proc"
rm -rf "$root/src/packs.new"
chroot "$root" env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LANG=C.UTF-8 \
    PYTHONPATH=/src/leasehold/edge_agent:/src/leasehold/sdk/python PYTHONDONTWRITEBYTECODE=1 \
    /opt/python/bin/python3.11 /src/leasehold/packaging/make_runtime_pack.py /opt/python/bin/python3.11 --output /src/packs.new
rm -rf "$here/dist/baseline/python3.11"
mkdir -p "$here/dist/baseline"
mv "$root/src/packs.new/python3.11" "$here/dist/baseline/python3.11"
echo "dist/baseline/python3.11 runs with glibc $(sed -n 's/.*"glibc": "\([^"]*\)".*/\1/p' "$here/dist/baseline/python3.11/pack.json") or newer"
