#!/bin/bash
# import: every field, batches, and what becomes of bad lines.
source "$BATPAK_SOURCE/tests/cli/lib.bash"

run 1 import ./s
says "no store at ./s; try: batpak init ./s"
run 0 init ./s
run 0 import ./s
says "batpak import: 0 events appended"
empty
run 4 import ./s not-there.jsonl
says "cannot open not-there.jsonl"

# Fields.
feed '{"entity":"order:1","scope":"eu","kind":"order.placed","payload":{"total":42},"time":"2026-01-31T12:00:00Z"}' \
    '' \
    '  {"scope" : "eu", "entity" : "order:1", "payload" : { "b" : 1.10, "a" : [ ] , "t" : " x " } , "kind" : "order.placed"}  ' \
    '{"entity":"Zo\u00eb\ud83d\ude00\t","scope":"e","kind":null,"payload":null}' \
    '{"entity":"k","scope":"x","kind":61441,"payload":18446744073709551616}'
run 1 import ./s
says "line 4: " # a tab is no part of a name
says "order.placed is new and names kind 0x1001 from now on"
run 0 query ./s --json
is 'len(o)' 2
is 'o[0]["time"]' 1769860800000000
is 'o[0]["kind"], o[0]["kind_name"]' "('0x1001', 'order.placed')"
grep -qF '"payload":{"b":1.10,"a":[],"t":" x "}' out || fail "payload is not as it was written: $(cat out)"

feed '{"entity":"Zo\u00eb\ud83d\ude00","scope":"e","kind":null,"payload":null,"flags":9,"lane":3,"depth":"1"}' \
    '{"entity":"k","scope":"x","kind":61441,"payload":18446744073709551616,"payload_version":3}' \
    '{"entity":"k","scope":"x","kind":"15:2","payload_base64":"AP8="}' \
    '{"entity":"k","scope":"x","payload":{"n":[1,-5,2.5,"é",true,null]},"payload_type":"msgpack"}' \
    '{"entity":"k","scope":"x","payload_base64":"e30=","payload_type":200,"time":-5}' \
    '{"entity":"k","scope":"x","payload":"\u0000\ud83d\ude00","id":"urn:t:1"}' \
    '{"entity":"k","scope":"x","correlation":"urn:t:1","causes":["urn:t:1"],"external":false}' \
    '{"entity":"k","scope":"x","causes":["urn:elsewhere:1","urn:t:1"],"external":true}'
run 0 import ./s --json
json_lines
is 'o[0]["events"], o[0]["duplicates"], o[0]["skipped"], o[0]["lines"], o[0]["complete"]' '(8, 0, 0, 8, True)'
run 0 query ./s sequence=3.. --json
json_lines
is 'o[0]["entity"], o[0]["payload"], o[0]["flags"], o[0]["lane"], o[0]["depth"]' "('Zoë😀', None, 9, 3, 1)"
is 'o[1]["kind"], o[1]["payload"], o[1]["payload_version"]' "('0xF001', 18446744073709551616, 3)"
is 'o[2]["kind"], o[2]["payload_base64"], o[2]["payload_type"]' "('0xF002', 'AP8=', 'raw')"
is 'o[3]["payload"], o[3]["payload_type"]' "({'n': [1, -5, 2.5, 'é', True, None]}, 'msgpack')"
is 'o[4]["payload_base64"], o[4]["payload_type"], o[4]["time"]' "('e30=', '200', -5)"
grep -qF '"payload":"\u0000\ud83d\ude00"' out || fail "escapes did not stay: $(cat out)"
is 'o[6]["correlation"] == o[5]["id"], o[6]["causes"] == [o[5]["id"]]' '(True, True)'
is 'o[7]["external"], len(o[7]["causes"])' '(True, 2)'

# With ids it is safe to do it again.
seq 100 | sed 's/.*/{"entity":"r:&","scope":"x","id":"urn:r:&","payload":{"n":&}}/' >retry.jsonl
run 0 import ./s retry.jsonl
run 0 import ./s retry.jsonl --json
is 'o[0]["events"], o[0]["duplicates"]' '(0, 100)'
run 0 import ./s retry.jsonl --batch 33
says "0 events appended, 100 were there already"
run 0 query ./s --prefix r --count
[ "$(cat out)" = 100 ] || fail "a retry doubled"

# What is wrong with a line is said with its number, and the column where there is one; the import stops there.
good='{"entity":"before","scope":"x","payload":1}'
bad() { # WHAT-IT-SAYS LINE
    run 0 query ./s --entity before --count
    local before after
    before=$(cat out)
    feed "$good" "$2" '{"entity":"behind","scope":"x"}'
    run 1 import ./s
    says "$1"
    says "batpak import: 1 event appended, then stopped, in "
    run 0 query ./s --entity before --count
    after=$(cat out)
    [ "$after" -eq $((before + 1)) ] || fail "what went before is not there"
    run 0 query ./s --entity behind --count
    [ "$(cat out)" = 0 ] || fail "what stands behind a bad line was appended"
}
bad "line 2, column 16: expected ',' or '}'" '{"entity":"a"  "scope":"b"}'
bad "line 2, column 1: expected an object" 'null'
bad "line 2, column 1: expected an object" 'hello'
bad "line 2, column 13: the text ends too early" '{"entity":1,'
bad "line 2, column 26: something stands behind the value" '{"entity":"","scope":""} {}'
bad "line 2, column 12: not UTF-8" "$(printf '{"entity":"\377"}')"
bad "line 2, column 16: expected a name in quotes" '{"entity":"ä", x}'
bad "line 2: entity is missing" '{"scope":"x"}'
bad "line 2: scope is missing" '{"entity":"x"}'
bad "line 2: scope is missing" '{"entity":"x","scope":null}'
bad "line 2, column 27: no field 'correlaton'; did you mean 'correlation'?" '{"entity":"x","scope":"y","correlaton":"urn:a:b"}'
bad "stands there twice" '{"entity":"x","scope":"y","entity":"z"}'
bad "entity wants a string" '{"entity":7,"scope":"y"}'
bad "id wants an id" '{"entity":"x","scope":"y","id":"seven"}'
bad "causes wants an array of ids" '{"entity":"x","scope":"y","causes":"urn:a:b"}'
bad "causes wants an array of ids" '{"entity":"x","scope":"y","causes":[12]}'
bad "causes has more than 64 causes" "{\"entity\":\"x\",\"scope\":\"y\",\"external\":true,\"causes\":[$(seq 65 | sed 's/.*/"urn:c:&"/' | paste -sd,)]}"
bad "kind wants a name, 0xF001, 15:1 or a number" '{"entity":"x","scope":"y","kind":"no name"}'
bad "kind wants a name, 0xF001, 15:1 or a number" '{"entity":"x","scope":"y","kind":65536}'
bad "time wants microseconds" '{"entity":"x","scope":"y","time":"noon"}'
bad "flags wants a number up to 65535" '{"entity":"x","scope":"y","flags":"all"}'
bad "lane wants a number" '{"entity":"x","scope":"y","lane":-1}'
bad "external wants true or false" '{"entity":"x","scope":"y","external":1}'
bad 'expect wants "none", "any" or a clock' '{"entity":"x","scope":"y","expect":"first"}'
bad "payload_base64 wants base64" '{"entity":"x","scope":"y","payload_base64":"???"}'
bad "payload_base64 stands beside payload" '{"entity":"x","scope":"y","payload_base64":"","payload":1}'
bad "payload goes with payload_type json or msgpack" '{"entity":"x","scope":"y","payload":"1","payload_type":"raw"}'
bad 'payload_type wants "json"' '{"entity":"x","scope":"y","payload_type":"xml"}'
bad "state says that the event was erased" '{"entity":"x","scope":"y","state":1}'
bad "line 2: " '{"entity":"","scope":"y"}'
bad "line 2: " '{"entity":"x","scope":"y","kind":"0x0001"}'
bad "line 2: " '{"entity":"before","scope":"y","expect":"none"}'
bad "line 2: " '{"entity":"before","scope":"y","expect":70000}'
bad "line 2: " '{"entity":"x","scope":"y","causes":["urn:not:there"]}'
bad "line 2: " '{"entity":"r:1","scope":"x","id":"urn:r:1","payload":{"n":2}}'
bad "line 2: " '{"entity":"batpak:system","scope":"batpak:system"}'
bad "line 2: " '{"entity":"a\u0000b","scope":"y"}'

# Or it is left out.
feed "$good" 'x' '{"entity":"before","scope":"y","expect":"none"}' '{"entity":"skip","scope":"y"}'
run 0 import ./s --on-error skip --json
says "line 2, column 1: expected an object; left out"
says "line 3: "
is 'o[0]["events"], o[0]["skipped"]' '(2, 2)'
run 0 query ./s --entity skip --count
[ "$(cat out)" = 1 ] || fail "what stands behind a line left out is missing"

# --strict-kinds.
feed '{"entity":"k","scope":"x","kind":"never.heard"}'
run 1 import ./s --strict-kinds
says "line 1: "
says "never.heard"

# Several new names in one commit.
feed '{"entity":"n","scope":"n","kind":"new.one","batch":1}' '{"entity":"n","scope":"n","kind":"new.two","batch":1}' \
    '{"entity":"n","scope":"n","kind":"new.one","batch":1}' '{"entity":"n","scope":"n","kind":"new.three"}'
run 0 import ./s
says "new.one is new and names kind 0x1002 from now on"
says "new.two is new and names kind 0x1003 from now on"
[ "$(grep -c 'is new' err)" -eq 3 ] || fail "names said: $(cat err)"
run 0 query ./s scope=n --json
is '[e["kind_name"] for e in o]' "['new.one', 'new.two', 'new.one', 'new.three']"
is 'len({e["batch"] for e in o})' 2

# Lines with the same batch are one commit or none.
batches() { # of the events on stdout
    field '[sum(1 for e in o if e["batch"] == b) for b in sorted({e["batch"] for e in o})]'
}
feed '{"entity":"b","scope":"1","batch":"a"}' '{"entity":"b","scope":"1","batch":"a"}' \
    '{"entity":"b","scope":"1","batch":7}' '{"entity":"b","scope":"1","batch":"a"}' \
    '{"entity":"b","scope":"1"}' '{"entity":"b","scope":"1"}' \
    '{"entity":"b","scope":"1","batch":[1, 2]}' '{"entity":"b","scope":"1","batch":[1, 2]}'
run 0 import ./s
run 0 query ./s scope=1 --json
[ "$(batches)" = "[2, 1, 1, 1, 1, 2]" ] || fail "batches: $(batches)"
for bad in 'x' '{"entity":"b","scope":"2","batch":"a","expect":"none"}' '{"entity":"b","batch":"a"}'; do
    feed '{"entity":"b","scope":"2","batch":"first"}' '{"entity":"b","scope":"2","batch":"a"}' "$bad" \
        '{"entity":"b","scope":"2","batch":"a"}' '{"entity":"b","scope":"2","batch":"last"}'
    run 1 import ./s
    says "line 3"
    run 0 query ./s scope=2 --json
    is 'len(o)' 1
    feed '{"entity":"b","scope":"3","batch":"first"}' '{"entity":"b","scope":"3","batch":"a"}' "$bad" \
        '{"entity":"b","scope":"3","batch":"a"}' '{"entity":"b","scope":"3","batch":"last"}'
    run 0 import ./s --on-error skip --json
    is 'o[0]["events"], o[0]["skipped"]' '(2, 3)'
    run 0 query ./s scope=3 --json
    is 'len(o)' 2
    run 0 init ./t
    rm -r ./s
    mv ./t ./s
done

# --batch groups; only what is bad is left out of a group.
seq 250 | sed 's/.*/{"entity":"g:&","scope":"g"}/' >group.jsonl
run 0 import ./s group.jsonl --batch 100
run 0 query ./s scope=g --json
[ "$(batches)" = "[100, 100, 50]" ] || fail "groups: $(batches)"
sed 's/"scope":"g"/"scope":"h"/; 120s/}/,"expect":"none"}/; 130s/$/,/' group.jsonl >holes.jsonl
run 0 import ./s holes.jsonl --batch 100 --on-error skip
says "line 120: "
says "line 130, column "
says "248 events appended, 2 lines left out"
run 1 import ./s holes.jsonl --batch 100
says "119 events appended, then stopped, in "
! grep -q "line 130" err || fail "a line behind the one that stopped the import is reported"
seq 300 | sed 's/.*/{"entity":"m:&","scope":"m","batch":&}/; s/:\(29[0-9]\)}/:"last"}/' >mixed.jsonl
run 0 import ./s mixed.jsonl --batch 100
run 0 query ./s scope=m --json
[ "$(batches)" = "[100, 100, 100]" ] || fail "groups of batches: $(batches)"

# A repeat may group otherwise; what is there already is compared line by line.
seq 120 | awk '{ printf "{\"entity\":\"i\",\"scope\":\"i\",\"id\":\"urn:i:%d\",\"batch\":%d}\n", $1, $1 / 4 }' >again.jsonl
run 0 import ./s again.jsonl --batch 50
for options in "" "--batch 20" "--batch 4096" "--durable"; do
    # shellcheck disable=SC2086
    run 0 import ./s again.jsonl $options --json
    is 'o[0]["events"], o[0]["duplicates"]' '(0, 120)'
done
sed 's/"batch":30/"batch":30,"flags":1/' again.jsonl >other.jsonl
run 1 import ./s other.jsonl
says "line 120: "
# A batch of which only a part is there is refused whole.
{ tail -n 1 again.jsonl; echo '{"entity":"i","scope":"i","id":"urn:i:new","batch":30}'; } >part.jsonl
run 1 import ./s part.jsonl
run 0 query ./s scope=i --count
[ "$(cat out)" = 120 ] || fail "a part of a batch was appended"

# A batch has its limit, and says so.
seq 4097 | sed 's/.*/{"entity":"l","scope":"l","batch":1}/' >large.jsonl
run 1 import ./s large.jsonl
says "line 4097: a batch has at most 4096 lines"
run 0 query ./s scope=l --count
[ "$(cat out)" = 0 ] || fail "a part of a batch was appended"
head -n 4096 large.jsonl >most.jsonl
run 0 import ./s most.jsonl --durable
run 0 query ./s scope=l --count
[ "$(cat out)" = 4096 ] || fail "the largest batch is not whole"

# A last line without its end, and ends of lines from other systems.
printf '{"entity":"e","scope":"e"}\r\n{"entity":"e","scope":"e"}' >ends.jsonl
run 0 import ./s ends.jsonl
run 0 query ./s scope=e --count
[ "$(cat out)" = 2 ] || fail "ends of lines"
run 0 verify ./s

# The whole range of times, the earliest instant of all included.
rm -rf ./t
run 0 init ./t
feed '{"entity":"x","scope":"y","time":-9223372036854775808}' '{"entity":"x","scope":"y","time":9223372036854775807}'
run 0 import ./t
run 0 query ./t --json
is '[int(e["time"]) for e in o]' '[-9223372036854775808, 9223372036854775807]'
run 0 query ./t
run 0 export ./t --all
mv out times.jsonl
run 0 init ./t2
run 0 import ./t2 --exact times.jsonl
feed '{"entity":"x","scope":"y","time":-9223372036854775809}'
run 1 import ./t
says "time wants microseconds"
