#!/bin/bash
# ctest: labels=slow timeout=600 serial
# The demo holds on this machine's data and on the samples, and it can fail: against commands that lie it ends with 1.
set -eu

if [ -n "${BATPAK_INSTRUMENTED:-}" ]; then
    echo "skipped: the demo's converter links the plain library"
    exit 77
fi
command -v git >/dev/null || { echo "skipped: no git"; exit 77; }
real=$BATPAK
export LIBBATPAK=$BATPAK_BUILD/libbatpak.a CC=${BATPAK_CC:-cc}

fail() {
    echo "FAIL: $*" >&2
    exit 1
}

demo() { # name; output in name.out
    DEMO_DIR=$PWD/$1 "$BATPAK_SOURCE/tools/demo.sh" >"$1.out" 2>&1
}

demo here || fail "on this machine's data: $(tail -n 20 here.out)"
grep -q 'claims held' here.out || fail "the last line is missing: $(tail -n 3 here.out)"
[ -s here/merge.dot ] || fail "no picture"

DPKG_LOG=$PWD/nowhere/dpkg.log demo sample || fail "on the sample: $(tail -n 20 sample.out)"
grep -q 'dpkg-sample.log stands in' sample.out || fail "the missing source is not named: $(cat sample.out)"

# A command that gives the right answers but for one.
liar() { # name, what goes before the real command
    {
        echo '#!/bin/bash'
        echo "$2"
        printf 'exec %q "$@"\n' "$real"
    } >"$1"
    chmod +x "$1"
    if BATPAK=$PWD/$1 DPKG_LOG=$PWD/nowhere/dpkg.log demo "$1.dir"; then
        fail "the demo believed $1"
    fi
    grep -q '^NOT SO' "$1.dir.out" || fail "$1: the claim is not named: $(tail -n 5 "$1.dir.out")"
}

# shellcheck disable=SC2016
liar blind_verify 'if [ "$1" = verify ] && [[ $2 = *tampered* ]]; then exit 0; fi'
# shellcheck disable=SC2016
liar blind_append 'if [ "$1" = append ] && [[ $2 = *tampered* ]]; then exit 0; fi'
# shellcheck disable=SC2016
liar short_walk 'if [ "$1" = walk ] && [[ "$*" = *--causes*--json* ]]; then exec '"$real"' "$@" --limit 2; fi'
# shellcheck disable=SC2016
liar short_query 'if [ "$1" = query ]; then '"$real"' "$@" | sed 10d; exit 0; fi'
# shellcheck disable=SC2016
liar lost_line 'if [ "$1" = import ] && [[ "$*" = *packages.jsonl* ]]; then sed 5d "$3" | '"$real"' "$1" "$2"; exit 0; fi'
echo "the demo holds, and can fail"
