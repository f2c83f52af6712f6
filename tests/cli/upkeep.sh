#!/bin/bash
# init, kinds, stats, dump, seal, bench.
source "$BATPAK_SOURCE/tests/cli/lib.bash"

# init.
run 0 init ./s --segment-size 128K --layout soa --json
json_lines
is 'o[0]["segment_size"], len(o[0]["store_id"])' '(131072, 36)'
run 1 init ./s
says "batpak init: "
mkdir other
touch other/file
run 1 init ./other
says "batpak init: "
[ "$(ls other)" = file ] || fail "init wrote among other files"
run 2 init ./t --segment-size 1000
says "segment_size"
run 0 init ./words
shows "made ./words, store "
shows "segments of 64.0 MiB"

# kinds.
run 0 kinds ./s
run 0 kinds ./s order.placed
[ "$(cat out)" = "0x1001 order.placed" ] || fail "kinds: $(cat out)"
run 0 kinds ./s order.placed
[ "$(cat out)" = "0x1001 order.placed" ] || fail "asked again: $(cat out)"
run 0 kinds ./s order.shipped 15:1 --json
is 'o[0]["kind"], o[0]["kind_name"]' "('0xF001', 'order.shipped')"
run 0 kinds ./s order.paid
[ "$(cat out)" = "0x1002 order.paid" ] || fail "next free: $(cat out)"
run 1 kinds ./s order.placed 0x2001
run 1 kinds ./s other.name 0x1001
run 2 kinds ./s 'no name'
run 2 kinds ./s a.name order
says "'order' is no number of a kind"
run 2 kinds ./s reserved 0x0001
for n in 1 2 3; do run 0 append ./s -e e:$n -s x -k order.paid -p "$n"; done
run 0 append ./s -e e:1 -s y -k 0x3001
run 0 kinds ./s --json
json_lines
is '[(e["kind"], e.get("kind_name"), e["events"]) for e in o if e["kind"] >= "0x1"]' \
    "[('0x1001', 'order.placed', 0), ('0x1002', 'order.paid', 3), ('0x3001', None, 1), ('0xF001', 'order.shipped', 0)]"
run 0 kinds ./s
head -n 1 out | grep -qE '^KIND +NAME +EVENTS$' || fail "head: $(head -n 1 out)"

# stats.
run 0 stats ./s --json
json_lines
is 'o[0]["events"], o[0]["system_events"], o[0]["segment_size"], o[0]["frontiers"]["durable"]' '(7, 3, 131072, 7)'
is 'o[0]["scopes"] >= 2, o[0]["entities"] >= 3' '(True, True)'
run 0 stats ./s
shows "events      7, of them 3 of the system"
run 0 seal ./s
grep -qE '^sealed log/0000000000-[0-9]+\.seg: 7 events from sequence 0, root [0-9a-f]{64}$' out || fail "seal: $(cat out)"
root=$(grep -oE '[0-9a-f]{64}' out)
run 0 seal ./s
says "the active segment is empty, there is nothing to seal"
empty
run 0 seal ./s --json
is 'o[0]["sealed"], o[0]["root"]' "(False, '$root')"
run 0 stats ./s --segments --json
is 'o[0]["segment_list"][0]["sealed"], o[0]["segment_list"][0]["root"]' "(True, '$root')"
is 'o[0]["sealed_segments"]' 1
run 0 stats ./s --segments
shows "SEGMENT"
shows "sealed"
shows "${root:0:16}"
run 0 stats ./s --prometheus
grep -qE '^batpak_[a-z_]+(\{[^}]*\})? [0-9]' out || fail "no metrics: $(cat out)"
! grep -vE '^(#.*|[a-z_]+(\{[^}]*\})? [0-9.e+-]+|)$' out || fail "no Prometheus text"

# dump: each kind of file, named in both ways.
segment=$(cd ./s && ls log/*.seg | head -n 1)
list=$(cd ./s && ls -d SEGMENTS-* | head -n 1)
for file in MANIFEST "$list" "$segment"; do
    run 0 dump ./s "$file"
    silent
    head -n 1 out | grep -qE '^OFFSET  SIZE +OF +FIELD +VALUE' || fail "head: $(head -n 1 out)"
    cp out named
    run 0 dump "./s/$file"
    cmp -s out named || fail "the two ways to name $file differ"
    run 0 dump "./s/$file" --json
    json_lines
    is 'len(o) > 5 and o[0]["offset"] == 0' True
done
run 0 dump "./s/$segment"
(cd ./s/log && "$BATPAK" dump "${segment#log/}") >within || fail "a segment named from within log/"
cmp -s out within || fail "a segment named from within log/ shows something else"
(cd ./s && "$BATPAK" dump "$segment") >within || fail "a segment named from within the store"
cmp -s out within || fail "a segment named from within the store shows something else"
run 1 dump ./s log/0000000099-1.seg
echo "hello" >text
run 2 dump text
cp -r ./s ./bad
printf '\xff' | dd of="./bad/$segment" bs=1 seek=90 conv=notrunc 2>dd.err
run 3 dump ./bad "$segment"
says "break the format"
run 3 dump ./bad "$segment" --bad
lines 2

# bench, small: every figure, and nothing left behind.
mkdir tmp
run 0 bench ./tmp --events 2000
silent
for work in "append, buffered, one by one" "append, buffered, batches of 100" "append, durable, 1 thread" "append, durable, 8 threads" "get by id" "stream of an entity" "scan of everything"; do
    shows "$work"
done
run 0 bench ./tmp --events 2000 --json
json_lines
is 'len(o), all(e["least"] <= e["per_second"] <= e["most"] and e["per_second"] > 0 for e in o)' '(7, True)'
[ -z "$(ls tmp)" ] || fail "bench left $(ls tmp)"
run 4 bench ./not-there
says "cannot make a folder in ./not-there"

# The index is derived: thrown away and made anew, or just thrown away, nothing changes.
rm -rf ./i
run 0 init ./i
for n in 1 2 3; do
    run 0 append ./i -e "a:$n" -s eu -k 0x2001 -p "{\"n\":$n}"
    run 0 seal ./i
done
run 0 query ./i --json
cp out before
run 0 reindex ./i
grep -q "indexed 3 events: 3 files of" out || fail "it says $(cat out)"
run 0 reindex ./i --json
is 'o[0]["events"], o[0]["files"], o[0]["bytes"] > 0' '(3, 3, True)'
run 0 query ./i --json
cmp -s out before || fail "other answers after reindex"
rm -r ./i/index
run 0 query ./i --json
cmp -s out before || fail "other answers without index files"
run 1 reindex ./not-there
run 2 reindex
