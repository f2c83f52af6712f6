#!/bin/bash
# Policies of the command line, and why an event is there, or is not.
. "$(dirname "$0")/lib.bash"

cat >orders.policy <<'END'
# what an order may do
record gates
record denials

gate flow {
    on entity=order:*
    step start -> order.placed
    step order.placed -> order.shipped
}
gate total {
    on kind=order.placed
    field total number
}
gate number {
    on kind=order.placed
    unique number in ordernumber
}
END
printf 'gate x {\n    sise 5\n}\n' >bad.policy
cat >events.jsonl <<'END'
{"entity":"order:1","scope":"eu","kind":"order.placed","payload":{"total":1,"number":"A1"}}
{"entity":"order:1","scope":"eu","kind":"order.placed","payload":{"total":1,"number":"A2"}}
{"entity":"order:2","scope":"eu","kind":"order.placed","payload":{"number":"A3"}}
{"entity":"order:3","scope":"eu","kind":"order.placed","payload":{"total":1,"number":"A1"}}
{"entity":"order:1","scope":"eu","kind":"order.shipped"}
END

# check: mistakes by line and column.
run 0 policy check orders.policy
shows '3 gates, no mistakes'
run 1 policy check bad.policy
says 'line 2, column 5: a rule is expected'
run 4 policy check missing.policy
run 2 policy check
run 2 policy nonsense orders.policy

# test: every line that would be refused, and no store touched.
run 1 policy test orders.policy events.jsonl
says 'line 2: [flow]'
says 'line 3: [total] field total is missing'
says 'line 4: "ordernumber:A1" is taken'
says '2 events appended, 3 lines left out'
head -n 1 events.jsonl >good.jsonl
run 0 policy test orders.policy good.jsonl

# append and import under a file.
run 0 init ./s
run 0 append ./s --policy orders.policy -e order:1 -s eu -k order.placed -p '{"total":1,"number":"A1"}' --id urn:order:1
run 0 append ./s --policy orders.policy -e order:1 -s eu -k order.placed -p '{"total":1,"number":"A1"}' --id urn:order:1
shows duplicate
run 1 append ./s --policy orders.policy -e order:1 -s eu -k order.placed -p '{"total":1,"number":"A9"}' --id urn:order:9
says '[flow]'
run 1 append ./s --policy orders.policy -e order:5 -s eu -k order.placed -p '{"total":1,"number":"A1"}'
says 'is taken'
run 2 append ./s --policy bad.policy -e order:1 -s eu
says 'line 2, column 5'
run 0 append ./s -e order:8 -s eu -k order.shipped # nobody asked for the policy
tail -n 2 events.jsonl >rest.jsonl
run 1 import ./s rest.jsonl --policy orders.policy
says 'line 1: "ordernumber:A1" is taken'
run 0 import ./s rest.jsonl --policy orders.policy --on-error skip
says '1 event appended, 1 line left out'
run 2 import ./s rest.jsonl --policy orders.policy --exact

# A policy that the store carries needs no option.
run 1 policy show ./s
says 'carries no policy'
run 0 policy set ./s orders.policy
run 0 policy show ./s
diff out orders.policy || fail "the policy shown differs"
run 1 append ./s -e order:9 -s eu -k order.shipped
says '[flow]'
run 1 append ./s -e order:9 -s eu -k order.shipped --policy orders.policy # the same policy twice is once
says '[flow]'
run 2 policy set ./s bad.policy
run 0 verify ./s
run 0 policy clear ./s
run 1 policy show ./s
run 0 append ./s -e order:9 -s eu -k order.shipped

# why: gates, chain, causes; denials of what never was.
run 0 why ./s urn:order:1
shows 'gates passed: flow, total, number'
shows 'causes: none'
shows 'chain: the first event of its entity; its hash holds'
run 0 append ./s -e order:1 -s eu -k note --cause urn:order:1 --id urn:note:1
run 0 why ./s urn:note:1
shows 'causes:'
shows 'order.placed'
run 0 why ./s urn:order:1 --json
python3 -c '
import json
story = json.load(open("out"))
assert story["gates"] == ["flow", "total", "number"], story
assert story["event"]["entity"] == "order:1" and story["chain"]["holds"] is True, story'
run 1 why ./s urn:order:9
says 'it was denied'
shows '"gate":"flow","code":"TRANSITION"'
run 1 why ./s urn:order:9 --json # the denial is not the first event of the system's entity
python3 -c 'import json; assert json.load(open("out"))["denials"][0]["prev_hash"]'
run 1 why ./s urn:order:10
says 'no denial of it on record'
run 1 why ./s urn:order:10 --json
python3 -c 'import json; assert json.load(open("out")) == {}'
run 2 why ./s nonsense
echo ok
