#!/bin/bash
# append: receipts, payloads, what is refused and how, retries.
source "$BATPAK_SOURCE/tests/cli/lib.bash"

run 1 append ./s -e a -s b
says "batpak append: no store at ./s; try: batpak init ./s"
[ ! -e ./s ] || fail "append made a store"

run 0 init ./s
run 0 append ./s --entity order:1 --scope eu --kind order.placed --payload '{"total":42}'
says "batpak append: order.placed is new and names kind 0x1001 from now on"
lines 1
shows "clock 0  kind 0x1001 order.placed  id "
shows "  durable"
run 0 append ./s -e order:1 -s eu -k order.placed -p 'null' --json
silent
json_lines
is 'o[0]["clock"]' 1
is 'o[0]["kind"], o[0]["kind_name"]' "('0x1001', 'order.placed')"
is 'o[0]["entity"], o[0]["scope"]' "('order:1', 'eu')"
is 'o[0]["durable"], o[0]["duplicate"]' "(True, False)"
is 'len(o[0]["event_hash"])' 64
first=$(field 'o[0]["sequence"]')

# Kinds.
run 0 append ./s -e k -s x -k 15:1 --json
is 'o[0]["kind"]' 0xF001
run 0 append ./s -e k -s x -k 0xd001 --json
is 'o[0]["kind"]' 0xD001
run 0 append ./s -e k -s x --json
is 'o[0]["kind"]' 0x0000
run 2 append ./s -e k -s x -k never.heard --strict-kinds
says "never.heard"
run 0 kinds ./s --json
! grep -q never.heard out || fail "--strict-kinds named a kind"
run 2 append ./s -e k -s x -k 0x0001
run 2 append ./s -e k -s x -k 0xd003
run 2 append ./s -e k -s x -k 'no name'

# Payloads, byte for byte.
payload_is() { # what `get --payload` gives for the last event
    local sequence
    sequence=$(field 'o[0]["sequence"]')
    run 0 get ./s "$sequence" --payload
    printf "$1" | cmp - out || fail "payload is $(od -c out | head)"
}
run 0 append ./s -e p -s x -p ' { "a" : 1.10, "a": 2 } ' --json
payload_is ' { "a" : 1.10, "a": 2 } '
run 0 append ./s -e p -s x --json
payload_is ''
printf '{"file":true}\n' >payload.json
run 0 append ./s -e p -s x --file payload.json --json
payload_is '{"file":true}\n'
printf 'a\0\377b' >payload.bin
run 0 append ./s -e p -s x --file payload.bin --raw --json
payload_is 'a\0\377b'
feed '{"stdin":1}'
run 0 append ./s -e p -s x - --json
payload_is '{"stdin":1}\n'
feed 'no json'
run 0 append ./s -e p -s x --file - --payload-type 200 --payload-version 7 --json
payload_is 'no json\n'
run 0 append ./s -e p -s x --payload-type msgpack -p '{"k":[1,-1,"x",null,true,2.5]}' --json
payload_is '\x81\xa1k\x96\x01\xff\xa1x\xc0\xc3\xcb\x40\x04\x00\x00\x00\x00\x00\x00'
run 0 query ./s --entity p --backward --limit 1
shows '{"k":[1,-1,"x",null,true,2.5]}'
run 2 append ./s -e p -s x -p '{"a":}'
says "the payload is not JSON: expected a value at column 6 (--raw stores any bytes)"
run 2 append ./s -e p -s x -p ''
says "the payload is not JSON: the text ends too early at column 1"
run 2 append ./s -e p -s x -p '{}' --file payload.json
run 2 append ./s -e p -s x -p '{}' --payload-type xml
run 2 append ./s -e p -s x -p '{}' --payload-version 65536
run 2 append ./s -e p -s x -p '{"a":1,"a":2}' --payload-type msgpack
says "cannot become MessagePack"
run 4 append ./s -e p -s x --file not-there.json
says "cannot open not-there.json: No such file or directory"
truncate -s 65M large
run 2 append ./s -e p -s x --raw --file large
says "larger than 64 MiB, the most a payload can be"
rm large

# Names.
run 2 append ./s -e '' -s x
run 2 append ./s -e x -s ''
run 2 append ./s -e $'a\nb' -s x
run 2 append ./s -e $'\xff' -s x
run 2 append ./s -e "$(head -c 1025 /dev/zero | tr '\0' x)" -s x
run 0 append ./s -e "$(head -c 1024 /dev/zero | tr '\0' x)" -s x
run 0 append ./s -e 'Zoë/../@ 漢字' -s '..' -p '{}'
run 2 append ./s -e batpak:system -s batpak:system
[ ! -e ./漢字 ] || fail "a name became a path"

# Expectations.
run 1 append ./s -e new -s x --expect 0
says "batpak append: "
says "; "
run 0 append ./s -e new -s x --expect none
run 1 append ./s -e new -s x --expect none
run 0 append ./s -e new -s x --expect 0
run 1 append ./s -e new -s x --expect 0
run 0 append ./s -e new -s x --expect any
run 2 append ./s -e new -s x --expect maybe

# A retry changes nothing, before any expectation; another request with the same id is refused.
run 0 append ./s -e retry -s x --id urn:test:1 -p '{"n":1}' --expect none --json
is 'o[0]["duplicate"]' False
cp out receipt
run 0 append ./s -e retry -s x --id urn:test:1 -p '{"n":1}' --expect none --json
is 'o[0]["duplicate"]' True
[ "$(field 'o[0]["sequence"], o[0]["event_hash"]')" = \
    "$(cp receipt out && field 'o[0]["sequence"], o[0]["event_hash"]')" ] || fail "another receipt"
run 0 append ./s -e retry -s x --id urn:test:1 -p '{"n":1}'
shows "  duplicate"
run 1 append ./s -e retry -s x --id urn:test:1 -p '{"n":2}'
run 0 query ./s --entity retry --count
[ "$(cat out)" = 1 ] || fail "a retry doubled"
id=$(cp receipt out && field 'o[0]["id"]')
run 0 append ./s -e retry -s x --id "$id" -p '{"n":1}' --json
is 'o[0]["duplicate"]' True
run 0 append ./s -e retry -s x --id "urn:uuid:${id^^}" -p '{"n":1}' --json
is 'o[0]["duplicate"]' True
run 2 append ./s -e retry -s x --id 12
run 2 append ./s -e retry -s x --id 00000000-0000-0000-0000-000000000000

# Causes, correlation and the rest.
run 0 append ./s -e c -s x --cause "$first" --cause "$id" --correlation "$id" --lane 2 --depth 1 \
    --flag requires-ack --flag replay --time 2026-01-31T12:00:00.5Z --json
run 0 get ./s "$(field 'o[0]["sequence"]')" --json
is 'len(o[0]["causes"]), o[0]["causes"][1]' "(2, '$id')"
is 'o[0]["correlation"]' "$id"
is 'o[0]["lane"], o[0]["depth"], o[0]["flags"], o[0]["time"]' "(2, 1, 9, 1769860800500000)"
run 1 append ./s -e c -s x --cause urn:not:there
run 1 append ./s -e c -s x --cause 4000000
run 0 append ./s -e c -s x --cause urn:not:there --external --json
run 0 get ./s "$(field 'o[0]["sequence"]')" --json
is 'o[0]["external"]' True
run 2 append ./s -e c -s x --cause nonsense
says "'nonsense' is no id: a UUID, urn:NAMESPACE:TEXT or a sequence"
run 2 append ./s -e c -s x --flag 4
run 2 append ./s -e c -s x --time yesterday
run 0 append ./s -e c -s x --buffered --json
json_lines

# Another process writes.
hold() {
    "$BATPAK" import ./s >held.out 2>held.err < <(exec sleep 20 2>/dev/null) &
    writer=$!
    sleep 0.5
}
hold
for _ in $(seq 100); do
    run_code=0
    kill -0 "$writer" 2>/dev/null || hold # an append below was there first
    "$BATPAK" append ./s -e l -s x >out 2>err || run_code=$?
    [ "$run_code" -eq 0 ] || break
    sleep 0.02
done
[ "$run_code" -eq 4 ] || fail "two writers: $run_code"
says "$writer"
kill "$writer"
wait "$writer" || true
run 0 verify ./s
