#!/bin/bash
# batpak compact: what it drops, merges, plans and refuses; and what the other verbs make of a store that was compacted.
source "$BATPAK_SOURCE/tests/cli/lib.bash"

run 0 init ./s --segment-size 64K
run 0 compact ./s
says "no segment is sealed yet"
for scope in a b a; do
    seq 1 400 | sed "s/.*/{\"entity\":\"e:&\",\"scope\":\"$scope\",\"kind\":\"DATA\",\"payload\":{\"n\":\"0123456789012345678901234567890123456789\"}}/" >lines
    run 0 import ./s lines
done
run 0 seal ./s
run 0 seal ./s

# What makes no sense.
run 2 compact
run 2 compact ./s --drop ''
says "is no region"
run 2 compact ./s --drop 'entity=e:*' --drop 'colour=red'
run 2 compact ./s --keep-last 0
run 2 compact ./s --min-segments 1
for when in 0d 12x yesterday 5y 99999999w -3d; do
    run 2 compact ./s --older-than "$when" --drop entity=none
done
run 1 compact ./none
[ ! -e none ] || fail "a store was made"

# A plan changes nothing, and says what is done afterwards.
find ./s/log -type f -exec md5sum {} + | sort >before
run 0 compact ./s --drop entity=e:7 --drop entity=e:8 --keep-last 1 --dry-run --json
json_lines
is 'o[0]["done"], o[0]["events_dropped"], o[0]["events_kept"]' '(False, 4, 1196)'
planned=$(field 'o[0]["bytes_after"]')
find ./s/log -type f -exec md5sum {} + | sort >after
cmp before after || fail "a plan changed the log"
run 0 compact ./s --drop entity=e:7 --drop entity=e:8 --keep-last 1 --json
json_lines
is 'o[0]["done"], o[0]["events_dropped"], o[0]["events_kept"]' '(True, 4, 1196)'
[ "$(field 'o[0]["bytes_after"]')" = "$planned" ] || fail "planned were $planned bytes: $(cat out)"
says "may still hold what was taken away"
run 0 compact ./s --drop entity=e:7 --drop entity=e:8 --keep-last 1
shows "dropped 0 of 1,196 events in sealed segments, 4 had been dropped before"
silent

# Spans and times.
run 0 compact ./s --older-than 1d
shows "dropped 0 of"
run 0 compact ./s --older-than 2020-01-01
shows "dropped 0 of"
run 0 compact ./s --drop scope=b --older-than 2100-01-01
shows "dropped 398 of 1,196 events"
run 0 compact ./s
run 0 compact ./s
shows "no segment is to be rewritten"

# The other verbs.
run 0 verify ./s
says "402 of them were dropped by retention"
run 0 query ./s --count
shows 798
run 0 query ./s entity=e:9 --json
json_lines
is '[("prev_hash" in e, e["clock"]) for e in o]' '[(True, 0), (False, 2)]'
is 'o[0]["prev_hash"]' None
run 1 get ./s 6
run 0 get ./s 808
run 0 export ./s --all
lines 798
says "402 events were dropped by retention"
run 0 export ./s entity=e:9
silent
for file in MANIFEST $(cd s && ls -d SEGMENTS-* log/*.seg); do
    run 0 dump ./s "$file"
done
run 0 repair ./s --dry-run --json
is 'o[-1]["dropped"], o[-1]["lost"]' '(402, 0)'
run 0 repair ./s ./repaired
says "402 that retention had dropped keep their place"
run 0 verify ./repaired
run 0 query ./repaired --json
lines 798
run 0 inspect-recovery ./s
run 0 append ./s -e e:7 -s a --json
json_lines
is 'o[0]["clock"]' 3
run 0 snapshot ./s ./snap
run 0 restore ./snap ./back
run 0 verify ./back
says "402 of them were dropped by retention"
# Old segments that somebody else has too are counted.
run 0 append ./s -e e:7 -s a
run 0 seal ./s
run 0 snapshot ./s ./shared
run 0 compact ./s --drop entity=e:9 --json
json_lines
is 'o[0]["linked"] >= 1, o[0]["linked"] <= o[0]["rewritten"]' '(True, True)'
says "which keep the bytes"
run 0 verify ./shared
run 0 query ./shared entity=e:9 --count
shows 2
echo "compacted"
