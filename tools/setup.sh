#!/bin/sh
# setup.sh [--check] GROUP...: see that the Debian packages of each group are installed.
#
# What is missing is installed when we are root or sudo asks for no password; else the one line to run is
# printed and the exit code is 1. --check only looks. Groups:
#
#   demo    what the library and the command need to be built, and git
#   test    what the tests and checks need beyond that
#   bench   the stores that batpak-bench compares with
#
# librust-blake3-dev is there for the C sources of BLAKE3 inside it. It draws in 27 more source packages of
# Rust, no compiler: measured on a bare Debian 12, 1 MB to fetch and 10 MB on disk, beside 103 MB and 600 MB
# for the compiler and CMake. That is too little to unpack the one package by hand.
set -eu

demo="gcc libc6-dev cmake ninja-build make pkg-config git
    librust-blake3-dev libisal-dev libjansson-dev libmsgpack-dev liblmdb-dev libsqlite3-dev libsodium-dev"
test="libcmocka-dev clang clang-format clang-tidy libclang-rt-14-dev python3 g++ valgrind spin
    strace xfsprogs e2fsprogs patchelf zip unzip"
bench="librocksdb-dev libleveldb-dev"

check=no
wanted=
for argument in "$@"; do
    case $argument in
        --check) check=yes ;;
        demo) wanted="$wanted $demo" ;;
        test) wanted="$wanted $demo $test" ;;
        bench) wanted="$wanted $demo $bench" ;;
        *) echo "setup.sh: no group '$argument'; there are demo, test, bench" >&2; exit 2 ;;
    esac
done

if ! command -v dpkg-query >/dev/null; then
    echo "setup.sh: not a Debian system, so packages are not looked at; docs/dependencies.md lists what is needed" >&2
    exit 0
fi

missing=
for package in $wanted; do
    case " $missing " in *" $package "*) continue ;; esac
    state=$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null || true)
    [ "$state" = installed ] || missing="$missing $package"
done
missing=${missing# }
[ -n "$missing" ] || exit 0

if [ "$check" = yes ]; then
    echo "missing: $missing"
    exit 1
fi
if [ "$(id -u)" -eq 0 ]; then
    sudo=
elif command -v sudo >/dev/null && sudo -n true 2>/dev/null; then
    sudo="sudo -n"
else
    echo "These packages are missing. Install them, then come back:" >&2
    echo >&2
    echo "    sudo apt-get update && sudo apt-get install --no-install-recommends $missing" >&2
    echo >&2
    exit 1
fi

echo "Installing: $missing"
log=$(mktemp)
trap 'rm -f "$log"' EXIT
# apt's own words are of interest only when it fails.
apt() {
    if ! $sudo env DEBIAN_FRONTEND=noninteractive apt-get -qq -o Dpkg::Use-Pty=0 "$@" >"$log" 2>&1 </dev/null; then
        cat "$log" >&2
        echo "setup.sh: apt-get $1 failed" >&2
        exit 1
    fi
}
apt update
# shellcheck disable=SC2086
apt install -y --no-install-recommends $missing
