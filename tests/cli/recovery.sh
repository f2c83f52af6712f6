#!/bin/bash
# inspect-recovery: what it says of a closed store, a killed one, a torn one, a damaged one, and that it writes nothing.
source "$BATPAK_SOURCE/tests/cli/lib.bash"

# Names, sizes, times and bytes of everything in a folder.
picture() {
    (cd "$1" && find . -printf '%p %s %T@ %C@ %m\n' | sort && find . -type f -exec sha256sum {} + | sort)
}

inspect() { # CODE DIR ARGUMENT...
    local code=$1 dir=$2
    shift 2
    picture "$dir" >before
    run "$code" inspect-recovery "$dir" "$@"
    picture "$dir" >after
    cmp -s before after || fail "inspect-recovery changed the store: $(diff before after)"
}

run 1 inspect-recovery ./none
says "no store at ./none; try: batpak init ./none"
run 1 inspect-recovery ./none --json
is 'o[-1]["verdict"], o[-1]["status"]' "('refuse', 'BP_ERR_NOT_FOUND')"
[ ! -e none ] || fail "it made a store"

# Closed.
small_store ./s
inspect 0 ./s
says "it was closed cleanly and opens as it is: 3 events, epoch 1"
shows "log/0000000000-1.seg: replayed from offset 64: "
inspect 0 ./s --json
json_lines
is 'o[-1]["verdict"], o[-1]["events"], o[-1]["writer"], o[0]["step"], o[0]["events"]' "('nothing', 3, 0, 'replay', 3)"

# Killed while it was open: the page says who had it, and opening finds what was said.
mkfifo in
"$BATPAK" import ./s --ack <in >acks 2>import.err &
importer=$!
exec 3>in
echo '{"entity":"a","scope":"b"}' >&3
for _ in $(seq 100); do
    [ ! -s acks ] || break
    sleep 0.05
done
inspect 0 ./s --json
is 'o[-1]["writer"]' "$importer"
{ kill -KILL "$importer" && wait "$importer"; } 2>wait.err || true
exec 3>&-
inspect 0 ./s
says "it was not closed; all of it counts: 4 events, claimed under epoch 2"
says "process $importer had it open when it was last heard of"
run 0 seal ./s
inspect 0 ./s --json
is 'o[-1]["verdict"], o[-1]["epoch"], o[-1]["sealed"], o[-1]["indexed"]' "('nothing', 2, 1, 1)"

# Loose bytes behind the end are cut, as it says.
size=$(stat -c %s ./s/log/0000000001-1.seg)
printf 'left behind by a crash' | dd of=./s/log/0000000001-1.seg bs=1 seek=$((size / 2)) conv=notrunc 2>dd.err
inspect 0 ./s --json
is 'o[-1]["verdict"], o[-1]["cut_files"], o[-2]["step"]' "('cut', 1, 'cut')"
cut=$(field 'o[-1]["cut_bytes"]')
inspect 0 ./s
says "and $cut bytes that nothing vouches for are set aside"
run 0 append ./s -e a -s b
[ "$(stat -c %s ./s/log/*.torn)" -eq "$cut" ] || fail "another cut than said: $(ls -l ./s/log)"

# Damage is refused in the same words.
cp -a ./s ./d
rm ./d/log/0000000000-1.seg
inspect 3 ./d
says "a segment that the list names is missing; log/0000000000-1.seg at offset 0"
cp err said
run 3 append ./d -e a -s b
cmp <(sed -n 's/^batpak inspect-recovery: the/the/p' said) <(sed 's/^batpak append: //' err) || fail "opening says: $(cat err)"
inspect 3 ./d --json
is 'o[-1]["verdict"], o[-1]["status"], o[-1]["file"]' "('refuse', 'BP_ERR_CORRUPT', 'log/0000000000-1.seg')"
run 2 inspect-recovery

# repair: a whole store comes out the same, and is not touched.
mend() { # CODE DIR ARGUMENT...
    local code=$1 dir=$2
    shift 2
    picture "$dir" >before
    run "$code" repair "$dir" "$@"
    picture "$dir" >after
    cmp -s before after || fail "repair changed the old store: $(diff before after)"
}
rm -rf s && run 0 init ./s --segment-size 64K
seq 900 | sed 's/.*/{"entity":"e:&","scope":"x","id":"urn:a:&","payload":{"n":&}}/; s/"e:[0-9]*\([0-9]\)"/"e:\1"/' |
    "$BATPAK" import ./s >/dev/null 2>&1
run 0 export ./s --all
cp out exported
mend 0 ./s ./same
says "900 events of 10 entities saved in ./same, which verifies; nothing is lost, and every hash is the same"
run 0 export ./same --all
cmp -s out exported || fail "another export after a repair without loss"

# A segment and the manifest are gone.
rm -f s/log/0000000001-1.seg s/MANIFEST
run 3 verify ./s
mend 3 ./s --dry-run --json
json_lines
cp out dry
lost=$(field 'o[-1]["lost"]')
[ "$lost" -gt 50 ] || fail "a whole segment holds $lost events"
is 'sum(e["last"] - e["first"] + 1 for e in o if e.get("finding") == "lost")' "$lost"
is 'sum(e["last"] - e["first"] + 1 for e in o if e.get("finding") == "run")' $((900 - lost))
is '{e["proof"] for e in o if e.get("finding") == "run" and e["first"] == 0}' "{'chain'}"
mend 3 ./s ./saved
shows "file      MANIFEST: it is missing"
shows "file      log/0000000001-1.seg: a segment that the list names is missing"
shows "saved     sequences 0 to "
shows ", proven by hash"
shows "lost      sequences "
shows "of its events are lost"
says " events of 10 entities saved in ./saved, which verifies; $lost lost, 10 entities known to be affected"
run 0 verify ./saved
run 0 query ./saved --count
[ "$(cat out)" = $((900 - lost)) ] || fail "a query counts $(cat out) events"
run 0 export ./saved --all
python3 - "$lost" <<'END' || fail "what the new store says of itself is not so"
import json, sys
lost = int(sys.argv[1])
old = [json.loads(line) for line in open("exported")]
new = [json.loads(line) for line in open("out")]
assert [e["sequence"] for e in new] == list(range(901))
system = [e for e in new if e["entity"] == "batpak:system"]
assert all(e["kind"] == "0x0001" for e in system) and len(system) == lost + 1, len(system)
told = new[900]["payload"]["salvage"]
assert told["lost"] == lost and told["events"] == 900 - lost
gone = {s for first, last in told["ranges"] for s in range(first, last + 1)}
assert gone == {e["sequence"] for e in system[:-1]}
for a, b in zip(old, new):
    if a["sequence"] not in gone:
        for field in ("id", "entity", "scope", "payload", "hlc", "time", "salt"):
            assert a[field] == b[field], field
END
run 0 append ./saved -e e:1 -s x
run 1 repair ./s ./saved
says "./saved is there and not empty"
run 1 repair ./none ./new
[ ! -e new ] || fail "something was made without a source"
run 2 repair ./s
says "wants DIR NEW, or --dry-run"
run 2 repair ./s ./new --lost-max 3
says "lost_max"
[ ! -e new ] || fail "a refused repair left a store"
rm -rf new.repairing

# The second reader agrees that the new store is right.
python3 -B "$BATPAK_SOURCE/tools/read_format.py" verify ./saved >readers 2>&1 || fail "the second reader: $(cat readers)"
