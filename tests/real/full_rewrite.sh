#!/bin/bash
# ctest: labels=slow timeout=120
# A full disk refuses a compaction and stops an erasure: both say how much room they need and what became of what was asked for; with
# room the next opening finishes the erasure. Needs root to mount.
source "$BATPAK_SOURCE/tests/cli/lib.bash"

skip() {
    echo "SKIPPED: $*"
    exit 77
}
[ "$(id -u)" -eq 0 ] || skip "mounting a tmpfs needs root"
mkdir m
mount -t tmpfs -o size=2M none m 2>mount.log || skip "mount: $(cat mount.log)"
trap 'umount m 2>/dev/null || umount -l m || true' EXIT

secret=what-must-go
awk -v secret="$secret" 'BEGIN { for (i = 0; i < 600; i++) printf "{\"entity\":\"%s\",\"scope\":\"x\",\"payload\":{\"t\":\"%s %0600d\"}}\n", i % 20 ? "stays" : "goes", i % 20 ? "kept" : secret, 0 }' >events.jsonl
run 0 init m/s --segment-size 64K
run 0 import m/s events.jsonl
run 0 seal m/s
run 0 verify m/s

fill() { # leaves so many KiB
    rm -f m/ballast
    local free
    free=$(df --output=avail -k m | tail -1)
    head -c $(((free - $1) * 1024)) /dev/zero >m/ballast
}

fill 24
run 4 compact m/s --drop 'entity=goes'
grep -Eq 'make room for [0-9]{5,} bytes' err || fail "it says $(cat err)"
says "No space left"
run 0 verify m/s
run 4 erase m/s --region entity=goes --reason 'request 1' --by 'privacy office' --json
grep -Eq 'make room for [0-9]{5,} bytes' err || fail "it says $(cat err)"
is 'o[0]["finished"], o[0]["found"], o[0]["erased"] < 30, o[0]["record"]' "(False, 30, True, 600)"
says "of 30 events are erased; the rest is on record as event 600 and is erased by the next opening"
grep -rq "$secret" m/s || fail "nothing was left to do"
run 0 verify m/s
run 0 query m/s 'entity=stays' --limit 1

# Until there is room nobody writes; then whoever opens finishes it.
run 4 append m/s -e stays -s x -p '{}'
grep -Eq 'make room for [0-9]{5,} bytes' err || fail "it says $(cat err)"
rm m/ballast
run 0 append m/s -e stays -s x -p '{}'
! grep -rq "$secret" m/s || fail "$secret is still in $(grep -rl "$secret" m/s)"
run 0 verify m/s
run 0 erase m/s --region entity=goes --reason 'request 1' --by 'privacy office' --json
is 'o[0]["finished"], o[0]["before"], o[0]["erased"]' "(True, 30, 0)"
echo "refused, stopped and finished"
