#!/bin/sh
# Builds the binaries in a Debian 11 root, so that sites with an old glibc can run them: dist/baseline/edge-agent.
#
#   sudo sh packaging/baseline/build.sh      (make binary-baseline)
set -eu
here=$(cd "$(dirname "$0")/../.." && pwd)
. "$here/packaging/baseline/root.sh"

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
