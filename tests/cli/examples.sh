#!/bin/bash
# ctest: timeout=300
# The examples do what they say, and the app to copy builds as a stranger would build it.
set -eu
examples=$BATPAK_BUILD/examples
source=$BATPAK_SOURCE/examples
[ -d "$examples" ] || { echo "skipped: built without BATPAK_EXAMPLES"; exit 77; }

fail() {
    echo "FAIL: $*" >&2
    exit 1
}

same() { # what expected got
    [ "$2" = "$3" ] || fail "$1: expected '$2', got '$3'"
}

exits() { # code command...
    local code=0 wanted=$1
    shift
    "$@" >exits.out 2>&1 || code=$?
    [ "$code" = "$wanted" ] || fail "$* ended with $code, not $wanted: $(cat exits.out)"
}

for file in "$source"/*.c "$source"/minimal-app/main.c; do
    if grep -n '#include [<"]batpak/' "$file" | grep -v '<batpak/batpak.h>'; then
        fail "$file includes more than <batpak/batpak.h>"
    fi
    [ "$(wc -l <"$file")" -le 150 ] || fail "$file has more than 150 lines"
done

# quickstart is the first program, as the README prints it.
grep -v '^/\*' "$source/quickstart.c" | diff - "$BATPAK_SOURCE/tests/install/first.c" || fail "quickstart.c differs"
same quickstart "sequence 0" "$("$examples/quickstart")"
same "quickstart again" "sequence 1" "$("$examples/quickstart")"
same "its entity" 2 "$("$BATPAK" stream ./data player:alice --json | grep -c '"entity":"player:alice"')"

# counter folds what was added, refuses to go below zero.
counter() { "$examples/counter" ./counter.batpak "$@"; }
same counter "visits is 5" "$(counter visits add 5)"
same counter "visits is 3" "$(counter visits add -2)"
exits 1 counter visits add -4
grep -q 'below zero' exits.out || fail "counter: $(cat exits.out)"
same counter "visits is 3" "$(counter visits show | tail -n 1)"
same "counter, its steps" 3 "$(counter visits show | wc -l)"
exits 2 counter visits

# ledger: both sides or none, retries, proof.
ledger() { "$examples/ledger" ./ledger.batpak "$@"; }
ledger open account:a 1000
ledger open account:b 0
exits 1 ledger open account:a 5
same ledger "done" "$(ledger transfer rent-may account:a account:b 300 | cut -d: -f1)"
same "ledger again" "was done before" "$(ledger transfer rent-may account:a account:b 300 | cut -d: -f1)"
exits 1 ledger transfer rent-june account:a account:b 701
exits 1 ledger transfer rent-may account:a account:b 200
grep -qi 'id' exits.out || fail "another transfer under the same id: $(cat exits.out)"
same "balance a" 700 "$(ledger balance account:a)"
same "balance b" 300 "$(ledger balance account:b)"
ledger audit | grep -q 'proven, root [0-9a-f]\{64\}$' || fail "audit: $(ledger audit)"

# causes: both ways through the graph.
"$examples/causes" ./causes.batpak >causes.out
same "steps before the shipment" "shipment.sent payment.received picking.done order.placed" \
    "$(sed -n '/^Why/,/^  (/p' causes.out | sed -n 's/^ *\([a-z]*\.[a-z]*\).*/\1/p' | tr '\n' ' ' | sed 's/ $//')"
same "steps behind the payment" "payment.received shipment.sent order.closed" \
    "$(sed -n '/^What/,/^  (/p' causes.out | sed -n 's/^ *\([a-z]*\.[a-z]*\).*/\1/p' | tr '\n' ' ' | sed 's/ $//')"
same "the whole order" 5 "$(sed -n '/^The whole/,/^  (/p' causes.out | grep -c '\.')"

# doors: a machine's states as types, walked through twice; the same machine as a table.
doors() { "$examples/doors" ./doors.batpak "$@"; }
doors door:1 >doors.out
same "a new door" "door:1 is closed" "$(head -n 1 doors.out)"
same "its moves" "0 pushed open 1 shut 2 locked" "$(sed -n '2,4p' doors.out | xargs)"
same "an old state" "the same door once more: BP_ERR_CONFLICT" "$(tail -n 1 doors.out)"
same "a door from its history" "door:1 is locked" "$(doors door:1 | head -n 1)"
exits 1 doors door:1 push
grep -q "'push' of 'door' does not start in the state 'locked'" exits.out || fail "doors: $(cat exits.out)"
same "a move by name" "door:1 is closed" "$(doors door:1 unlock)"
exits 1 doors door:1 kick

# reader: sees what another process writes while it looks.
"$BATPAK" init ./followed.batpak >init.out 2>&1
"$examples/reader" ./followed.batpak "entity=order:*" 20 >reader.out &
reader=$!
for number in $(seq 1 20); do
    "$BATPAK" append ./followed.batpak --entity "order:$number" --scope eu --kind order.placed --payload '{}' >append.out
    "$BATPAK" append ./followed.batpak --entity "other:$number" --scope eu --payload '{}' >append.out
done
wait "$reader" || fail "reader ended with $?"
same "what the reader saw" "$(seq -f 'order:%g' 1 20)" "$(awk '{ print $2 }' reader.out)"

# read_model: tables from events, asked by SQL, folded anew behind the back of queries.
if [ -x "$examples/read_model" ]; then
    shop() { "$examples/read_model" ./shop "$@"; }
    shop place order:1 ann 500
    shop place order:2 bob 700
    shop place order:3 ann 300
    exits 1 shop place order:1 ann 500
    same "read model" "3 events applied ann 2 orders 800 cents bob 1 orders 700 cents" \
        "$(shop report | tr -s ' \n' ' ' | sed 's/ $//')"
    shop cancel order:3
    same "read model goes on" "1 events applied bob 1 orders 700 cents ann 1 orders 500 cents" \
        "$(shop report | tr -s ' \n' ' ' | sed 's/ $//')"
    same "read model anew" "4 events applied, switched" "$(shop rebuild | head -n 1)"
    same "read model has nothing to do" "0 events applied" "$(shop report | head -n 1)"
    rm ./shop/shop.sqlite*
    same "read model from nothing" "4 events applied bob 1 orders 700 cents ann 1 orders 500 cents" \
        "$(shop report | tr -s ' \n' ' ' | sed 's/ $//')"
    exits 2 shop nonsense
fi

# Gates in front of a commit; every reason at once; the names of the gates stay with the event.
gates() { "$examples/policy_gates" ./payments "$@"; }
same "a payment" "paid, sequence 0" "$(gates 10 DE)"
same "its gates" "gates passed: positive, limit, country" "$("$BATPAK" why ./payments 0 | grep gates)"
exits 1 gates 2000 XX
same "every reason" "[limit] 2000 is over the limit of 1000 [country] there is no paying to XX " "$(tr '\n' ' ' <exits.out)"
exits 2 gates 1

# A bypass is on record with name and reason.
frozen() { "$examples/audit_bypass" ./config "$@"; }
exits 1 frozen change "new rate"
grep -qF '[freeze] nothing is changed' exits.out || fail "freeze: $(cat exits.out)"
same "a bypass" "changed, sequence 0" "$(frozen bypass "new rate" on-call "ticket 4711, rate was wrong")"
exits 1 frozen bypass "new rate" on-call ""
same "the audit" "0 on-call: ticket 4711, rate was wrong" "$(frozen audit)"
same "why" "gates bypassed: on-call: ticket 4711, rate was wrong" "$("$BATPAK" why ./config 0 | grep bypassed)"

# Eight threads that try to break a rule.
same "course seats" "0 rules broken" "$("$examples/course_seats" ./courses 2>seats.err | tail -n 1)"
same "seats of a course" "course:0: 12 of 12 seats" "$("$BATPAK" query ./courses scope=course:0 --count | tail -n 1 |
    sed 's/^/course:0: /; s/$/ of 12 seats/')"
same "bank transfer" "sum 500" "$("$examples/bank_transfer" ./bank 2>bank.err | tail -n 1)"
same "unique names" "25 users, 0 names given twice, 0 not given" "$("$examples/unique_name" ./names 2>names.err)"
for store in payments config courses bank names; do
    "$BATPAK" verify "./$store" >verify.out 2>&1 || fail "$store: $(cat verify.out)"
done

# chat: two processes watch while a third keeps the room; all see the same.
printf 'hello\nis anybody here\n' | "$examples/chat" ./chat.batpak keep ann
for number in 1 2; do
    "$examples/chat" ./chat.batpak watch room:lobby 4 >"chat.$number" &
    chatters[number]=$!
done
printf 'yes\nhello ann\n' | "$examples/chat" ./chat.batpak keep bob
for number in 1 2; do
    wait "${chatters[number]}" || fail "chat ended with $?"
    same "what watcher $number saw" "ann: hello|ann: is anybody here|bob: yes|bob: hello ann|" "$(tr '\n' '|' <"chat.$number")"
done

# workflow: each order goes its way once, however often it is run.
workflow() { "$examples/workflow" ./workflow.batpak "$@"; }
workflow place order:1 40
workflow place order:2 4000
exits 1 workflow place order:1 40
for _ in 1 2 3; do
    workflow run
done
kinds() { "$BATPAK" stream ./workflow.batpak "$1" --json | sed 's/.*"kind":"\([^"]*\)".*/\1/' | tr '\n' ' '; }
same "the way of order 1" "0x3001 0x3002 0x3004 0x3005 " "$(kinds order:1)"
same "the way of order 2" "0x3001 0x3003 " "$(kinds order:2)"
same "the warehouse" "0x3004 " "$(kinds warehouse)"
same "its consumers" "0 0 0" "$("$BATPAK" consumers ./workflow.batpak --json | sed 's/.*"behind":\([0-9]*\).*/\1/' | xargs)"

# outbox: each mail is sent, a bad one is parked and holds nothing up.
outbox() { "$examples/outbox" ./outbox.batpak "$@"; }
outbox send ann@example.org one >outbox.out
outbox send nobody two >outbox.out
outbox send bob@example.org three >outbox.out
same "the mails" "to ann@example.org: one to bob@example.org: three" \
    "$(outbox deliver | sed 's/ (.*//' | xargs)"
same "again" "" "$(outbox deliver)"
"$BATPAK" consumers ./outbox.batpak outbox --parked | grep -q 'the address has no @' || fail "nothing is parked"
exits 2 outbox

# The app to copy, by its own Makefile and by its CMakeLists.txt, against an installed library.
if [ -n "${BATPAK_INSTRUMENTED:-}" ]; then
    echo "examples hold; an instrumented library is not installed"
    exit 0
fi
cmake --install "$BATPAK_BUILD" --prefix "$PWD/prefix" >install.log 2>&1 || fail "$(cat install.log)"
lib=$(dirname "$(dirname "$(find "$PWD/prefix" -name batpak.pc)")")
cp -r "$source/minimal-app" app
(cd app && make -s CC="${BATPAK_CC:-cc}" CFLAGS=-Werror PKG_CONFIG_PATH="$lib/pkgconfig") || fail "make of the app"
cmake -S app -B app/build -DCMAKE_PREFIX_PATH="$PWD/prefix" -DCMAKE_C_COMPILER="${BATPAK_CC:-cc}" >cmake.log 2>&1 ||
    fail "$(cat cmake.log)"
cmake --build app/build >cmake.log 2>&1 || fail "$(cat cmake.log)"
export LD_LIBRARY_PATH=$lib
for notes in "$PWD/app/notes" "$PWD/app/build/notes"; do
    rm -rf run && mkdir run
    (cd run && "$notes" write "first" "second one" && "$notes" list >list.out)
    same "$notes" "  1  first   2  second one " "$(tr '\n' ' ' <run/list.out)"
done
echo "the examples do what they say"
