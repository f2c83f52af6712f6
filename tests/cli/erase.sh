#!/bin/bash
# batpak erase: by id, region and subject; grep finds nothing; stubs are shown as such; what is refused.
. "$(dirname "$0")/lib.bash"

secret="the text that must be gone for ever"
run 0 init ./s
run 0 append ./s -e person:7 -s eu --raw -p "$secret"
run 0 append ./s -e person:8 -s eu --raw -p "stays"
run 0 append ./s -e person:7:notes -s eu --raw -p "$secret, again"
grep -rq "$secret" ./s || fail "the secret is not there to begin with"

run 2 erase ./s --id 0
says "wants --reason and --by"
run 2 erase ./s --reason x --by y
says "wants one of --id, --region and --subject"
run 1 erase ./s --id 00000000-0000-7000-8000-000000000001 --reason x --by y
says "nothing was erased"

# A variable that is empty must not erase everything.
for nothing in '' ' '; do
    run 2 erase ./s --region "$nothing" --reason x --by y
    says "is no region; to mean every event write sequence=0.."
done
run 2 erase ./s --subject "$(printf 'a\001b')" --reason x --by y
says "control character"
grep -rq "$secret" ./s || fail "what was refused erased"

run 0 erase ./s --region 'entity=person:7:*' --dry-run
grep -q "would erase 2 events" out || fail "it says $(cat out)"
grep -rq "$secret" ./s || fail "a dry run erased"
run 0 erase ./s --region 'entity=person:7:*' --reason 'request 12' --by 'privacy office' --json
is 'o[0]["found"], o[0]["erased"], o[0]["record"]' '(2, 2, 3)'
! grep -rq "$secret" ./s || fail "the secret is still in $(grep -rl "$secret" ./s)"
run 0 verify ./s
run 0 query ./s
grep -q "(erased)" out || fail "stubs are not shown as such: $(cat out)"
grep -q "stays" out || fail "what was to stay is gone"
run 0 erase ./s --region 'entity=person:7:*' --reason 'request 12' --by 'privacy office'
grep -q "erased 0 events, 2 were erased before" out || fail "it says $(cat out)"
run 0 erase ./s --id 1 --reason 'request 13' --by 'privacy office'
grep -q "on record as event 4" out || fail "it says $(cat out)"

# A rebuilt store has the stubs.
"$BATPAK" export ./s --all >all.jsonl
run 0 init ./c
run 0 import ./c --exact all.jsonl
run 0 verify ./c

if "$BATPAK" append ./s -e order:1 -s eu --raw -p "$secret" --subject customer-4711 >out 2>err; then
    ! grep -rq "$secret" ./s || fail "an encrypted payload lies there in clear"
    "$BATPAK" query ./s >out
    grep -q "$secret" out || fail "the encrypted payload is not shown: $(cat out)"
    run 0 erase ./s --subject customer-4711 --reason 'request 14' --by 'privacy office'
    grep -q "the subject's key destroyed" out || fail "it says $(cat out)"
    ! grep -rq customer-4711 ./s || fail "the subject's name is in $(grep -rl customer-4711 ./s)"
    run 0 append ./s -e order:1 -s eu --raw -p "$secret" --subject customer-4712
    run 0 erase ./s --subject customer-4712 --reason 'request 15' --by 'privacy office' --json
    is 'o[0]["key_destroyed"], o[0]["record"] - o[0]["key_record"], o[0]["finished"]' "(True, 1, True)"
    record=$(field 'o[0]["key_record"]')
    run 0 get ./s "$record" --json
    is 'o[0]["payload"]["what"]' key
    run 0 verify ./s
else
    grep -q "built without libsodium" err || fail "it says $(cat err)"
fi
# What has another name is named, and snapshots are, however often it is asked.
run 0 init ./t
run 0 append ./t -e person:7 -s eu --raw -p "$secret"
run 0 snapshot ./t ./copy
run 0 erase ./t --id 0 --reason 'request 16' --by 'privacy office'
says "the snapshot $PWD/copy may still hold the bytes"
run 0 erase ./t --id 0 --reason 'request 16' --by 'privacy office' --json
is 'o[0]["erased"], o[0]["snapshots"]' "(0, ['$PWD/copy'])"
grep -rq "$secret" ./copy || fail "the snapshot lost it"
# A hard link is, too.
run 0 init ./h
run 0 append ./h -e person:7 -s eu --raw -p "$secret"
run 0 seal ./h
ln ./h/log/0000000000-1.seg kept.seg
run 0 erase ./h --id 0 --reason 'request 15' --by 'privacy office'
says "1 old segments have other names"
! grep -rq "$secret" ./h || fail "the secret is still there"
grep -q "$secret" kept.seg || fail "the hard link lost it"
echo "erased"
