#!/bin/bash
# verify: silent about what holds, a line for each fault, exit code 3; and what reading verbs say of damage.
source "$BATPAK_SOURCE/tests/cli/lib.bash"

small_store ./s
run 0 verify ./s
empty
says "everything holds: 3 events of 2 entities"
says "root "
run 0 verify ./s --json
json_lines
lines 1
is 'o[0]["ok"], o[0]["faults"], o[0]["events"], len(o[0]["root"])' '(True, 0, 3, 64)'

# One byte of a payload.
run 0 seal ./s
cp -r ./s ./bad
segment=$(cd ./bad && ls log/*.seg | head -n 1)
offset=$(grep -abo hello "./bad/$segment" | head -n 1 | cut -d: -f1)
printf 'J' | dd of="./bad/$segment" bs=1 seek="$offset" conv=notrunc 2>dd.err
run 3 verify ./bad
grep -qE "^$segment:[0-9]+: .*sequence 1" out || fail "no such line: $(cat out)"
says "fault"
run 3 verify ./bad --json
json_lines
is 'o[-1]["ok"], o[-1]["faults"] == len(o) - 1, o[0]["file"]' "(False, True, '$segment')"
run 3 get ./bad 1
says "$segment"
run 3 query ./bad
says "$segment"
run 3 export ./bad --all
# Sealed, and an index file answers for it: what does not touch it goes on.
run 3 append ./bad -e user:1 -s us
says "$segment"
run 0 append ./bad -e a -s b
rm -r ./bad/index
run 3 append ./bad -e a -s b
run 3 import ./bad

# A missing file, a newer version, no store at all.
cp -r ./s ./missing
rm "./missing/$segment"
run 3 verify ./missing
run 3 query ./missing
run 1 verify ./not-there
says "no store at ./not-there; try: batpak init ./not-there"
mkdir empty
run 1 verify ./empty
