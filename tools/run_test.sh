#!/bin/sh
# run_test.sh SCRATCH NAME COMMAND...: run a test in a fresh folder below SCRATCH. The folder goes when the
# test passes and stays when it fails, so that what it left behind can be looked at.
set -eu
scratch=$1
name=$(printf %s "$2" | tr / -)
shift 2

mkdir -p "$scratch"
dir=$(mktemp -d "$scratch/$name.XXXXXX")
cd "$dir"
TMPDIR=$dir
export TMPDIR

status=0
"$@" || status=$?
cd "$scratch"
if [ "$status" -eq 0 ] || [ "$status" -eq 77 ]; then
    rm -rf "$dir"
else
    echo "run_test.sh: $name ended with $status; its files are in $dir" >&2
fi
exit "$status"
