#!/bin/bash
# walk: each direction, its bounds, why it ended, and the picture.
source "$BATPAK_SOURCE/tests/cli/lib.bash"

run 0 init ./s
feed '{"entity":"a","scope":"x","kind":"fact.first","id":"urn:w:a","payload":1}' \
    '{"entity":"b","scope":"x","kind":"fact.left","id":"urn:w:b","causes":["urn:w:a"],"correlation":"urn:w:a"}' \
    '{"entity":"c","scope":"x","kind":"fact.right","id":"urn:w:c","causes":["urn:w:a"],"correlation":"urn:w:a"}' \
    '{"entity":"say \"d\" \\ now","scope":"x","kind":"fact.merge","id":"urn:w:d","causes":["urn:w:b","urn:w:c"],"correlation":"urn:w:a"}' \
    '{"entity":"a","scope":"x","kind":"fact.second","id":"urn:w:e","causes":["urn:elsewhere:1","urn:w:d"],"external":true}'
run 0 import ./s

walks() { # EXPECTED-ENTITIES-AND-STEPS ARGUMENT...
    local expected=$1
    shift
    run 0 walk ./s "$@" --json
    json_lines
    is '" ".join(e["entity"][:3] + str(e["step"]) for e in o)' "$expected"
}
walks 'say0 b1 c1 a2' urn:w:d
walks 'say0 b1 c1 a2' urn:w:d --causes
says "4 events, that is all"
walks 'say0 b1 c1' urn:w:d --causes --depth 1
says "3 events, stopped at --depth: there is more below"
walks 'say0 b1' urn:w:d --causes --limit 2
says "2 events, stopped at --limit: there may be more"
walks 'a0 say1 b2 c2 a3' urn:w:e
says "5 events; some causes are not in this store"
walks 'a0 b1 c1 say2 a3' urn:w:a --effects
walks 'a0 a1' urn:w:e --chain
walks 'a0 a1' urn:w:e --chain --verify
says "2 events, that is all, every link holds"
run 0 walk ./s urn:w:b --correlation --json
is 'sorted(e["entity"][:1] for e in o)' "['a', 'b', 'c', 's']"

run 0 walk ./s urn:w:d
head -n 1 out | grep -qE '^STEP +SEQUENCE +TIME \(UTC\)' || fail "head: $(head -n 1 out)"
lines 5
shows "fact.merge"
run 1 walk ./s urn:w:nothing
run 1 walk ./s 99
run 2 walk ./s here

# The picture: boxes with kind and entity, arrows from cause to effect, between what is shown only.
run 0 walk ./s urn:w:e --causes --dot
shows "digraph batpak {"
shows 'fact.merge\nsay \"d\" \\ now\n#'
[ "$(grep -c ' \[label=' out)" -eq 5 ] || fail "boxes: $(cat out)"
[ "$(grep -c ' -> ' out)" -eq 5 ] || fail "arrows: $(cat out)"
run 0 get ./s urn:w:b --json
b=$(field 'o[0]["id"]')
run 0 get ./s urn:w:d --json
d=$(field 'o[0]["id"]')
run 0 walk ./s urn:w:d --dot
grep -qF "\"$b\" -> \"$d\";" out || fail "no arrow from cause to effect: $(cat out)"
if command -v dot >/dev/null; then
    dot -Tsvg out >picture.svg 2>err || fail "dot does not take it: $(cat err)"
    grep -q 'fact.merge' picture.svg || fail "no label in the picture"
fi
run 0 walk ./s urn:w:e --chain --dot
[ "$(grep -c 'style=dashed' out)" -eq 1 ] || fail "the chain is not drawn: $(cat out)"
