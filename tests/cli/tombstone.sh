#!/bin/bash
# batpak tombstone: by id and region; how the other verbs show it, leave it out, take it away; what is refused.
. "$(dirname "$0")/lib.bash"

run 0 init ./s
for text in one two three; do
    run 0 append ./s -e order:7 -s eu --raw -p "$text"
done
run 0 append ./s -e order:8 -s eu --raw -p "other"

run 2 tombstone ./s --id 0
says "wants --reason and --by"
run 2 tombstone ./s --reason x --by y
says "wants one of --id and --region"
run 2 tombstone ./s --region '' --reason x --by y
says "is no region"
run 1 tombstone ./s --id 00000000-0000-7000-8000-000000000001 --reason x --by y
says "nothing was tombstoned"
run 1 tombstone ./none --id 0 --reason x --by y
[ ! -e none ] || fail "a store was made"

run 0 tombstone ./s --region entity=order:7 --dry-run
shows "would tombstone 3 events"
run 0 query ./s tombstoned=yes
empty
run 0 tombstone ./s --id 1 --reason 'entered twice' --by 'clerk 7'
shows "on record as event 4"
run 0 tombstone ./s --id 1 --reason 'entered twice' --by 'clerk 7' --json
is 'o[0]["found"], o[0]["before"], o[0]["tombstoned"]' '(0, 1, 0)'

run 0 query ./s
shows "(tombstoned) two"
run 0 get ./s 1
shows "tombstoned"
run 0 query ./s tombstoned=no --json
is '[e["sequence"] for e in o]' '[0, 2, 3]'
run 0 query ./s tombstoned=yes --json
is 'o[0]["sequence"], o[0]["state"]' '(1, 2)'
run 0 stats ./s --json
is 'o[0]["tombstoned"]' '1'
run 0 walk ./s 1 --effects --json
is 'o[1]["kind_name"], o[1]["payload"]["sequences"], o[1]["payload"]["by"]' "('TOMBSTONE', [1], 'clerk 7')"
run 2 query ./s tombstoned=maybe
says "neither yes nor no"

# Rebuilt, it is the same; brought in anew it has to be left out.
"$BATPAK" export ./s --all >all.jsonl
run 0 init ./c
run 0 import ./c --exact all.jsonl
run 0 verify ./c
run 0 query ./c tombstoned=yes --json
is '[e["sequence"] for e in o]' '[1]'
"$BATPAK" export ./s tombstoned=no >left.jsonl
run 0 init ./n
run 0 import ./n left.jsonl
run 0 query ./n --json
is 'len(o)' '3'

# Its payload goes, then the event.
run 0 seal ./s
grep -rq two ./s/log || fail "the payload is gone already"
run 0 compact ./s --stub-tombstoned --dry-run
shows "would take the payloads of 1 tombstoned ones"
run 0 compact ./s --stub-tombstoned --json
is 'o[0]["events_stubbed"], o[0]["events_dropped"]' '(1, 0)'
! grep -rq two ./s/log || fail "the payload is still in $(grep -rl two ./s/log)"
run 0 query ./s
shows "(tombstoned) (erased)"
run 0 verify ./s
run 0 compact ./s --drop tombstoned=yes --json
is 'o[0]["events_stubbed"], o[0]["events_dropped"]' '(0, 1)'
run 0 query ./s --json
is '[e["sequence"] for e in o]' '[0, 2, 3]'
run 1 tombstone ./s --id 1 --reason x --by y
run 0 verify ./s
echo "tombstoned"
