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
