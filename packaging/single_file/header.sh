#!/bin/sh
# edge-agent @VERSION@ for Linux on @ARCHITECTURE@, with all it needs. It installs itself:
#
#   sudo sh edge-agent-@VERSION@-@ARCHITECTURE@ install --system
#   sh edge-agent-@VERSION@-@ARCHITECTURE@ install --user
#
# Needs sh, tail, tar, gzip and glibc @GLIBC@; no Python. It unpacks beside the place it installs to, never in /tmp.
set -eu
umask 022
version=@VERSION@ architecture=@ARCHITECTURE@ glibc=@GLIBC@ first_line=@FIRST_LINE@ bytes=@BYTES@ room_kb=@ROOM_KB@
sha256=@SHA256@
file=$0

fail() {
    printf 'edge-agent: %s\n%s\n' "$1" "$2" >&2
    exit 14
}

usage() {
    cat <<EOF
edge-agent $version for Linux on $architecture (glibc $glibc or newer), as a file that installs itself.

  install [--user | --system] [--prefix DIR] [--no-service]   put it in place and define its service
  install --help                                              all of that
  install --print-unit systemd | launchd | windows            only print the definition of a service
  extract DIR                                                 only unpack it, into DIR/edge-agent
  --version | --help

example: sh $file install --user
EOF
}

payload() {
    tail -n "+$first_line" "$file"
}

older() { # whether version $1 is older than $2: two numbers each
    [ "${1%%.*}" -lt "${2%%.*}" ] || { [ "${1%%.*}" -eq "${2%%.*}" ] && [ "${1#*.}" -lt "${2#*.}" ]; }
}

check_machine() {
    if [ "$(uname -s)" != Linux ] || [ "$(uname -m)" != "$architecture" ]; then
        fail "This file is for Linux on $architecture, and this machine is $(uname -s) on $(uname -m)." \
            "Take the file for this machine: edge-agent-$version-$(uname -m)."
    fi
    here=$(getconf GNU_LIBC_VERSION 2>/dev/null) || here=
    here=$(printf %s "$here" | sed -n 's/^glibc \([0-9]*\.[0-9]*\).*/\1/p')
    [ -n "$here" ] || fail "This system has no GNU C library (glibc); the agent needs $glibc or newer." \
        "Use a system with glibc, or install the agent with pip into a Python of this machine."
    if older "$here" "$glibc"; then
        fail "This system has glibc $here, and this file needs $glibc or newer." \
            "Take the file that is built for older systems, or install the agent with pip into a Python of this machine."
    fi
}

check_file() {
    [ "$(payload | wc -c)" -eq "$bytes" ] || fail "This file is not whole: it was cut off, or changed on its way." \
        "Fetch it again."
    if command -v sha256sum >/dev/null 2>&1; then
        [ "$(payload | sha256sum | cut -d' ' -f1)" = "$sha256" ] || fail "This file was changed on its way." \
            "Fetch it again, and compare it with SHA256SUMS."
    fi
}

unpack() { # into folder $1, which is there
    free_kb=$(df -Pk "$1" | awk 'NR == 2 { print $4 }')
    if [ "${free_kb:-$room_kb}" -lt "$room_kb" ]; then
        fail "There is no room in $1: $((room_kb / 1024)) MiB are needed, $((free_kb / 1024)) are free." \
            "Make room, or name another place: --prefix DIR. What was installed before is as it was."
    fi
    payload | gzip -dc | tar -xof - -C "$1" || fail "It can't be unpacked into $1." \
        "The lines above say why. What was installed before is as it was."
    # Its own say in what it is: with noexec, or a foreign library in the way, it does not come to that.
    "$1/edge-agent/edge-agent" --version >/dev/null || fail "The program does not start from $1." \
        "Is that file system mounted noexec? Name another place: --prefix DIR."
}

place() { # prints the prefix that the arguments mean
    prefix='' scope=''
    while [ $# -gt 0 ]; do
        case $1 in
            --prefix) prefix=${2-}; [ $# -lt 2 ] || shift ;;
            --prefix=*) prefix=${1#--prefix=} ;;
            --user | --system) scope=$1 ;;
        esac
        shift
    done
    if [ -n "$prefix" ]; then
        printf %s "$prefix"
    elif [ "$scope" = --system ] || { [ -z "$scope" ] && [ "$(id -u)" -eq 0 ]; }; then
        printf %s /usr/local
    elif [ -d "${HOME-}" ]; then
        printf %s "$HOME/.local"
    fi
}

install() {
    check_machine
    check_file
    prefix=$(place "$@")
    [ -n "$prefix" ] || fail "There is no place for it: this user has no home directory." \
        "Name one with --prefix DIR, or install for the machine as root: --system."
    folder=$prefix/lib/leasehold
    mkdir -p "$folder" || fail "$folder can't be made; the line above says why." \
        "Install for yourself with --user, for the machine as root, or name another place: --prefix DIR."
    for left in "$folder"/.unpacked-*; do # of one that was killed
        [ ! -d "$left" ] || kill -0 "${left##*-}" 2>/dev/null || rm -rf "$left"
    done
    unpacked=$folder/.unpacked-$$
    trap 'rm -rf "$unpacked"; rmdir "$folder" 2>/dev/null || :' EXIT
    trap 'exit 130' INT
    trap 'exit 143' TERM HUP
    mkdir "$unpacked" || fail "$folder can't be written; the line above says why." \
        "Install for yourself with --user, for the machine as root, or name another place: --prefix DIR."
    unpack "$unpacked"
    "$unpacked/edge-agent/edge-agent" install --unpacked "$@"
}

case ${1-} in
    install)
        shift
        install "$@"
        ;;
    extract)
        [ -n "${2-}" ] || fail "extract needs a folder." "Name one: sh $file extract DIR"
        check_machine
        check_file
        mkdir -p "$2"
        unpack "$2"
        ;;
    --version) echo "edge-agent $version" ;;
    '' | -h | --help) usage ;;
    *) fail "'$1' is nothing this file can do: it only installs the agent." "Type: sh $file install --help" ;;
esac
exit
