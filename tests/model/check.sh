#!/bin/bash
# check.sh: the model checker spin over commit.pml, in every state: the right model holds, each broken variant is refuted, and
# by the promise that it breaks. In a campaign larger logs and more crashes too.
#
# ctest: labels=slow,campaign timeout=7200
set -eu
command -v spin >/dev/null && command -v cc >/dev/null || { echo "spin is not installed"; exit 77; }
model=${BATPAK_SOURCE:-$(cd "$(dirname "$0")/../.." && pwd)}/tests/model/commit.pml
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
failed=0
optimise=-O1

search() { # DEFINES...: leaves what the search says in ./said
    spin -a "$@" "$model" >spin.log
    cc "$optimise" -w -DSAFETY -DCOLLAPSE -DVECTORSZ=1024 -o pan pan.c
    ./pan -m1000000 -w22 >said 2>&1 || true
    grep -q 'State-vector' said || { cat spin.log said; exit 1; }
}

states() { sed -n 's/^ *\([0-9.e+]*\) states, stored.*/\1/p' said; }

holds() { # NAME DEFINES...
    local name=$1
    shift
    search "$@"
    if grep -q 'errors: 0' said && ! grep -q 'Search not completed\|max search depth too small' said; then
        echo "holds    $name: $(states) states"
    else
        echo "REFUTED  $name: $(grep -m1 'pan:1:' said)"
        failed=1
    fi
}

refuted() { # ASSERTION DEFINES...: the assertion that fails contains that text
    local part=$1
    shift
    search -DSLOTS=1 "$@"
    if grep -F 'assertion violated' said | grep -qF "$part"; then
        echo "refuted  $*: $(grep -m1 -o 'assertion violated.*' said)"
    else
        echo "NOT REFUTED AS IT SHOULD BE  $*: $(grep -m1 -o 'pan:1:.*' said || states)"
        failed=1
    fi
}

holds "the model" -DSLOTS=1 -DSEGMENTS=3 -DWRITES=5
optimise=-O0 # compiling takes longer than searching from here on
holds "without zeros, with epochs" -DSLOTS=1 -DWRITES=4 -DNO_ZEROS
holds "with zeros, without epochs" -DSLOTS=1 -DWRITES=4 -DNO_EPOCH
refuted 'cut_away' -DWRITES=4 -DNO_ZEROS -DNO_EPOCH
refuted 'cut_away' -DWRITES=4 -DNO_ZEROS_SYNC -DNO_EPOCH
refuted 'said_durable' -DWRITES=4 -DEARLY_ANSWER
refuted 'said_durable' -DWRITES=4 -DLAST_SEGMENT_ONLY
refuted 'memory[i]!=0' -DWRITES=4 -DEARLY_PUBLISH
refuted 'cut>=vouched' -DWRITES=4 -DNO_TAIL_SYNC
if [ "${BATPAK_CAMPAIGN:-0}" = 1 ]; then
    optimise=-O2
    holds "three crashes" -DSLOTS=1 -DSEGMENTS=2 -DWRITES=5 -DCRASHES=3
    holds "two frames a segment" -DSLOTS=2 -DSEGMENTS=2 -DWRITES=6
    holds "two frames a segment, three crashes" -DSLOTS=2 -DSEGMENTS=2 -DWRITES=5 -DCRASHES=3
fi
exit "$failed"
