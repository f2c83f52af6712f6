#!/bin/bash
# snapshot and restore.
source "$BATPAK_SOURCE/tests/cli/lib.bash"

run 0 init ./s --segment-size 64K
for n in 1 2 3; do
    seq 1 200 | sed 's/.*/{"entity":"e:&","scope":"x","kind":"DATA","payload":{"n":"0123456789012345678901234567890123456789"}}/' >lines
    run 0 import ./s lines
done
run 0 snapshot ./s ./monday --json
json_lines
is 'o[0]["events"], o[0]["recorded"], o[0]["linked"] >= 2, o[0]["copied"] >= 1' '(600, True, True, True)'
run 0 append ./s -e e:1 -s x
run 0 snapshot ./s ./tuesday --since ./monday --copy --json
json_lines
is 'o[0]["events"], o[0]["reused"] >= 2, o[0]["linked"]' '(601, True, 0)'
run 0 verify ./monday
run 0 query ./monday --count
shows 600
run 1 snapshot ./s ./monday
says "is not empty"
run 1 snapshot ./none ./x
run 2 snapshot ./s
run 2 snapshot ./s ./x --list
run 2 snapshot ./s ./s/inside
says "inside of"
[ ! -e s/inside ] || fail "something was made inside of the store"
run 0 snapshot ./s --list
[ "$(wc -l <out)" = 2 ] || fail "list: $(cat out)"
grep -q "$PWD/monday  shares files$" out || fail "list: $(cat out)"
rm -r monday
run 0 snapshot ./s --list --json
json_lines
is '[(e["present"], e["shares"]) for e in o]' '[(False, True), (True, True)]'
id=$(python3 -c 'import json; print(json.loads(open("out").readline())["id"])')
run 0 snapshot ./s --forget "$id"
run 1 snapshot ./s --forget "$id"
run 2 snapshot ./s --forget nonsense

run 0 restore ./tuesday ./back --json
json_lines
is 'o[0]["events"], o[0]["linked"], "id" in o[0]' '(601, 0, False)'
[ -z "$(find back -type f -links +1)" ] || fail "a restored file has several names"
run 0 append ./back -e e:1 -s x
run 0 verify ./back
run 1 restore ./none ./x
run 1 restore ./tuesday ./back

# The second reader thinks the same of a snapshot, and of one that is not complete.
python3 "$BATPAK_SOURCE/tools/read_format.py" verify ./tuesday >second || fail "the second reader: $(cat second)"
touch tuesday/INCOMPLETE
run 3 verify ./tuesday
shows "unfinished copy"
run 3 restore ./tuesday ./x
if python3 "$BATPAK_SOURCE/tools/read_format.py" verify ./tuesday >second 2>&1; then fail "the second reader reads it"; fi
rm tuesday/INCOMPLETE

printf X | dd of="$(ls tuesday/log/*.seg | head -n 1)" bs=1 seek=5000 conv=notrunc 2>/dev/null
run 3 restore ./tuesday ./x
says "cannot be restored"
[ ! -e x ] || fail "something was made of a damaged snapshot"
