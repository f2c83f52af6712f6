#!/bin/bash
# get, query, stream, tail: what they show, in which order, as tables and as JSON; never writing.
source "$BATPAK_SOURCE/tests/cli/lib.bash"

for verb in "get ./s 0" "query ./s" "stream ./s x" "tail ./s" "export ./s" "walk ./s 0" "kinds ./s" "stats ./s" "verify ./s"; do
    # shellcheck disable=SC2086
    run 1 $verb
    says "no store at ./s; try: batpak init ./s"
    empty
done
run 0 init ./s
for verb in "query ./s" "stream ./s x" "tail ./s" "export ./s" "query ./s entity=none"; do
    # shellcheck disable=SC2086
    run 0 $verb
    silent
    empty
done
rm -r ./s
small_store ./s
find ./s -type f -exec sha256sum {} + | sort >before

# get.
run 0 get ./s 0
silent
shows "sequence     0"
shows "entity       order:1"
shows "kind         0x2001"
shows 'payload      {"total":42}'
shows "(its own)"
run 0 get ./s '#2' --json
lines 1
is 'o[0]["sequence"]' 2
is 'list(o[0])[:8]' "['sequence', 'id', 'entity', 'scope', 'kind', 'payload', 'payload_type', 'payload_version']"
is 'o[0]["payload"]' '[1, 2]'
is 'len(o[0]["causes"])' 2
id=$(field 'o[0]["id"]')
previous=$(field 'o[0]["prev_hash"]')
run 0 get ./s "$id" --json
is 'o[0]["sequence"]' 2
run 0 get ./s "${id//-/}" 0 1 --json
is '[e["sequence"] for e in o]' '[2, 0, 1]'
run 0 get ./s 0 --json
is 'o[0]["event_hash"]' "$previous"
is 'o[0]["prev_hash"]' None
run 0 get ./s 1 --payload
[ "$(cat out)" = '"hello"' ] || fail "payload"
run 1 get ./s 3
run 1 get ./s 018f0000-0000-7000-8000-000000000000
says "batpak get: "
run 2 get ./s zzz

# A word without anything in it is a variable that was not set, not a wish for everything.
for verb in query export tail; do
    run 2 "$verb" ./s ''
    says "leave it out to ask for everything"
done
run 2 query ./s ' '
run 2 query ./s 'entity=order*'
says "entity=order:*"

# query: the words, the options and both.
sequences() { # EXPECTED ARGUMENT...
    local expected=$1
    shift
    run 0 "$@" --json
    json_lines
    is '[e["sequence"] for e in o]' "$expected"
}
sequences '[0, 1, 2]' query ./s
sequences '[0, 2]' query ./s entity=order:1
sequences '[0, 2]' query ./s 'entity=order:*'
sequences '[0, 2]' query ./s --entity 'order:*'
sequences '[0, 2]' query ./s --prefix order
sequences '[0, 2]' query ./s --region 'entity=order:1 scope=eu'
sequences '[1]' query ./s scope=us
sequences '[1]' query ./s -s us
sequences '[2]' query ./s entity=order:1 kind=0x2003
sequences '[2]' query ./s -e order:1 -k 2:3
sequences '[0, 1, 2]' query ./s --category 0x2
sequences '[2]' query ./s --cause 0
sequences '[1]' query ./s --correlation 1
sequences '[0, 1]' query ./s sequence=..1
sequences '[2, 1, 0]' query ./s --backward
sequences '[2]' query ./s -b -n 1
sequences '[1, 2]' query ./s --after 0
sequences '[0]' query ./s --after 1 --backward
sequences '[]' query ./s --until 2001-01-01
sequences '[0, 1, 2]' query ./s --since 2001-01-01
sequences '[0, 1, 2]' query ./s --since 2001-01-01 --until 2999-12-31
sequences '[0, 1, 2]' query ./s --committed 2001-01-01..
sequences '[]' query ./s --entity order
sequences '[]' query ./s --entity 'no such "name"'
run 0 query ./s --count
[ "$(cat out)" = 3 ] || fail "count"
run 0 query ./s -c entity=order:1 --json
is 'o[0]["count"]' 2
run 2 query ./s colour=red
says "batpak query: "
run 2 query ./s kind=never.heard
run 2 query ./s --since yesterday
run 1 query ./s --cause 99

# A table for people: aligned, with a head, times in UTC, names of kinds.
run 0 kinds ./s order.shipped 0x2003
run 0 query ./s
silent
lines 4
head -n 1 out | grep -qE '^SEQUENCE  TIME \(UTC\) +ENTITY@SCOPE  KIND +PAYLOAD$' || fail "head: $(head -n 1 out)"
shows "order:1@eu"
shows "order.shipped"
! grep -q $'\033' out || fail "colours in a pipe"
at=$(head -n 1 out | awk '{ print index($0, "PAYLOAD") }')
[ "$(sed -n 2p out | cut -c "$at"-)" = '{"total":42}' ] || fail "columns do not stand below one another"
run 0 query ./s --system --json
is 'len(o)' 4
run 0 query ./s system=yes --json
is 'len(o)' 4
run 0 query ./s kind=order.shipped --json
is '[e["kind_name"] for e in o]' "['order.shipped']"

# What a terminal could take for a command does not reach it.
printf '\033[31m\033]0;x\007\r\n' >nasty
run 0 append ./s -e nasty -s x --raw --file nasty
run 0 query ./s -e nasty
! grep -q $'\033\|\007\|\r' out || fail "control characters in a table"
run 0 get ./s 4
! grep -q $'\033\|\007\|\r' out || fail "control characters in get"

# stream.
sequences '[0, 2]' stream ./s order:1
sequences '[2, 0]' stream ./s order:1 --backward
sequences '[2]' stream ./s order:1 -b -n 1
sequences '[2]' stream ./s order:1 --after 0
sequences '[]' stream ./s 'order:*'

# tail.
sequences '[0, 1, 2, 4]' tail ./s
sequences '[2, 4]' tail ./s -n 2
sequences '[0, 2]' tail ./s -n 2 entity=order:1
sequences '[]' tail ./s -n 0
"$BATPAK" tail -n 1 -f ./s --json >followed 2>err &
follower=$!
for number in 1 2 3; do
    sleep 0.1
    "$BATPAK" append ./s -e live -s x -p "$number" >/dev/null
done
for _ in $(seq 250); do
    [ "$(wc -l <followed)" -lt 4 ] || break
    sleep 0.02
done
kill -INT "$follower"
wait "$follower" || fail "tail -f ended with $? on SIGINT"
cp followed out
is '[e["payload"] for e in o[1:]]' '[1, 2, 3]'
[ ! -s err ] || fail "tail -f says $(cat err)"

# Reading changed nothing (the kinds and the appends above did; so a copy is looked at).
small_store ./r
find ./r -type f ! -name live -exec sha256sum {} + | sort >before
chmod -R a-w ./r
for verb in "get ./r 0" "query ./r" "stream ./r order:1" "tail ./r" "export ./r --all" "walk ./r 2" "kinds ./r" "stats ./r" "verify ./r" "dump ./r MANIFEST"; do
    # shellcheck disable=SC2086
    run 0 $verb
done
chmod -R u+w ./r
find ./r -type f ! -name live -exec sha256sum {} + | sort >after
cmp before after || fail "a reading verb wrote"
