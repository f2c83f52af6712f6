#!/bin/bash
# export --all | import --exact gives an equal store: the same hashes, the same export, byte for byte. What was changed
# on the way is found.
source "$BATPAK_SOURCE/tests/cli/lib.bash"

run 0 init ./s --segment-size 64K
small_store ./t
python3 - >events.jsonl <<'END'
import base64, json, random
random.seed(5)
for n in range(3000):
    e = {"entity": random.choice(["order:%d", "user:%d", "Zoë-%d@x", "漢字:%d"]) % random.randrange(40), "scope": "s%d" % (n % 5)}
    e["kind"] = random.choice(["order.placed", "order.shipped", "0xF001", 12289, "2:7"])
    e["id"] = "urn:n:%d" % n
    p = n % 6
    if p == 0: e["payload"] = {"n": n, "text": "é\n\"\\" * 3, "list": [1.5, None, True, -1, 1e300]}
    if p == 1: e["payload_base64"] = base64.b64encode(random.randbytes(n % 97)).decode()
    if p == 2: e["payload"] = {"k": [n, -n, 2.25, "x" * (n % 70), False]}; e["payload_type"] = "msgpack"
    if p == 3: e["payload_base64"] = base64.b64encode(b' { "spaced" : 1 } ').decode(); e["payload_type"] = "json"
    if p == 4: e["payload_base64"] = base64.b64encode(b"\xca\x3f\x80\x00\x00").decode(); e["payload_type"] = "msgpack"
    if n % 7 == 0: e["time"] = (n - 1500) * 10**9 * 3600
    if n % 11 == 0 and n: e["causes"] = ["urn:n:%d" % random.randrange(n) for _ in range(random.randrange(1, 5))]
    if n % 13 == 0: e["correlation"] = "urn:n:%d" % (n // 2)
    if n % 17 == 0: e["lane"] = n; e["depth"] = 1
    if n % 19 == 0: e["flags"] = 9
    if n % 23 == 0: e["external"] = True; e["causes"] = ["urn:elsewhere:%d" % n]
    if n % 29 < 9: e["batch"] = n // 29
    if n % 31 == 0: e["payload_version"] = 65535
    print(json.dumps(e, ensure_ascii=n % 2 == 0))
END
run 0 import ./s events.jsonl
run 0 seal ./s

run 0 export ./s --all
silent
json_lines
cp out all.jsonl
is 'len(o), [e["sequence"] for e in o] == list(range(len(o)))' '(3002, True)'
is 'len({e["id"] for e in o}), min(len(e["event_hash"]) for e in o)' '(3002, 64)'
is 'sum("payload" in e for e in o if e["payload_type"] == "json")' "$(grep -c '"payload": {"n"' events.jsonl)"
is '[e["kind_name"] for e in o if e["kind"] == "0x1001"][0]' "$(head -n 1 all.jsonl | python3 -c 'import json,sys,base64; e=json.loads(sys.stdin.readline()); print(base64.b64decode(e["payload_base64"])[2:].decode())')"
is 'list(o[-1])[:5]' "['sequence', 'id', 'entity', 'scope', 'kind']"
# prev_hash is the event hash of the entity's event before.
is 'all(e["prev_hash"] == h.get(e["entity"]) and not h.update({e["entity"]: e["event_hash"]}) for h in [{}] for e in o)' True

run 0 init ./copy
run 0 import ./copy --exact all.jsonl
says "3,002 events appended"
run 0 export ./copy --all
cmp out all.jsonl || fail "the copy's export is another"
run 0 verify ./copy
cp err verified
run 0 verify ./s
[ "$(grep root verified)" = "$(grep root err)" ] || fail "the roots differ"

# In a pipe, and through a store of other segments.
run 0 init ./pipe --segment-size 1M
"$BATPAK" export ./copy --all | "$BATPAK" import ./pipe --exact --ack >acks 2>err || fail "pipe: $(cat err)"
[ "$(wc -l <acks)" -eq 3002 ] || fail "acknowledgements: $(wc -l <acks)"
run 0 export ./pipe --all
cmp out all.jsonl || fail "the export after the pipe is another"

# The copy goes on as the original would.
run 0 append ./copy -e order:1 -s s1 -k order.placed -p '{}'
run 0 verify ./copy

# Only into an empty store.
run 1 import ./copy --exact all.jsonl
says "needs an empty one"
run 1 import ./t --exact all.jsonl

# A change of any field is found, with the line's number.
tampered() { # LINE SED-PROGRAM
    sed "$1$2" all.jsonl >tampered.jsonl
    ! cmp -s tampered.jsonl all.jsonl || fail "nothing was tampered with: $2"
    rm -rf ./x
    run 0 init ./x
    local code=0
    "$BATPAK" import ./x --exact tampered.jsonl >out 2>err || code=$?
    [ "$code" -eq 3 ] || [ "$code" -eq 1 ] || fail "tampered line $1 $2: exit $code, $(cat err)"
    says "line "
    run 0 verify ./x
}
tampered 20 's/"scope":"s/"scope":"t/'
tampered 20 's/"entity":"/"entity":"x/'
tampered 20 's/"kind":"0x/"kind":"15:9","kind_name":"0x/'
tampered 20 's/"time":/"time":1/'
tampered 20 's/"payload_version":/"payload_version":1/'
tampered 20 's/"flags":0/"flags":1/'
tampered 20 's/"lane":/"lane":1/'
tampered 20 's/"clock":/"clock":1/'
tampered 20 's/"hlc":"1/"hlc":"2/'
tampered 20 's/"salt":"......../"salt":"00000000/'
tampered 20 's/"event_hash":"......../"event_hash":"00000000/'
tampered 20 's/"correlation":"......../"correlation":"00000000/'
tampered 20 's/"id":"......../"id":"00000000/'
tampered 200 's/"prev_hash":"......../"prev_hash":"00000000/'
tampered 20 's/"prev_hash":[^,]*/"prev_hash":"0000000000000000000000000000000000000000000000000000000000000001"/'
tampered 100 d
tampered 100 p
tampered 20 's/"salt":"[0-9a-f]*",//'
tampered 20 's/"sequence":19,//'
tampered 2000 's/"payload\(_base64\|\)":\("[^"]*"\|[^}]*}\)/"payload_base64":"AAAA"/'
run 0 init ./x2
sed '5s/"event_hash":"......../"event_hash":"00000000/' all.jsonl >tampered.jsonl
run 3 import ./x2 --exact tampered.jsonl
says "batpak import: line 5: "

# A region goes into any store: what the store assigns is assigned anew, what was given stays, and names keep their kinds.
run 0 export ./s --prefix order
json_lines
! grep -q batpak:system out || fail "a region shows system events unasked"
cp out region.jsonl
is 'len(o) > 500 and all(e["entity"].startswith("order:") for e in o)' True
run 0 init ./other
run 0 kinds ./other order.shipped 3:3
sed 's/"causes":\["[^]]*\]/&,"external":true/; s/,"external":true\(.*,"external":true\)/\1/' region.jsonl >given.jsonl
run 0 import ./other given.jsonl --batch 50
run 0 export ./other
python3 - <<'END' || fail "a region came out different"
import json
old = [json.loads(l) for l in open("region.jsonl")]
new = [json.loads(l) for l in open("out")]
assert len(old) == len(new)
for a, b in zip(old, new):
    for key in ("id", "entity", "scope", "payload", "payload_base64", "payload_type", "payload_version", "time", "correlation", "causes", "lane", "depth", "flags"):
        assert a.get(key) == b.get(key), (key, a, b)
    assert a.get("kind_name") == b.get("kind_name") and ("kind_name" in a or a["kind"] == b["kind"])
    assert b.get("kind_name") != "order.shipped" or b["kind"] == "0x3003"
END
run 0 import ./other given.jsonl
says "0 events appended"
