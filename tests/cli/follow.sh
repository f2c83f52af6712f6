#!/bin/bash
# ctest: timeout=120
# tail -f, consumers, and looking at history: as of, between, step by step.
. "$BATPAK_SOURCE/tests/cli/lib.bash"

wait_for() { # lines file
    for _ in $(seq 1 200); do
        [ "$(wc -l <"$2")" -ge "$1" ] && return 0
        sleep 0.05
    done
    fail "$2 has $(wc -l <"$2") lines, not $1: $(cat "$2")"
}

small_store ./s

# tail -f: what is there, then what comes, each once; ends when interrupted.
"$BATPAK" tail -f ./s --json -n 2 entity=order:1 >followed &
follower=$!
wait_for 2 followed
for number in 1 2 3 4 5; do
    run 0 append ./s -e order:1 -s eu -k 0x2003 -p "$number"
    run 0 append ./s -e other -s eu -k 0x2003 -p "$number"
done
wait_for 7 followed
kill -INT "$follower"
wait "$follower" || fail "tail -f ended with $?"
cp followed out
is '[e["sequence"] for e in o]' '[0, 2, 3, 5, 7, 9, 11]'

# It ends when nobody reads, without waiting for an event that never comes.
("$BATPAK" tail -f ./s -n 1 --json | head -n 1) >head.out
wait_for 1 head.out

# Nothing of the past, and from now on.
"$BATPAK" tail -n 0 -f ./s --json >followed &
follower=$!
sleep 0.5
run 0 append ./s -e late -s eu -p '1'
wait_for 1 followed
kill -TERM "$follower"
wait "$follower" || fail "tail -f ended with $?"
grep -q '"entity":"late"' followed || fail "tail -n 0 -f: $(cat followed)"

# As of a sequence, and of a time of commit.
run 0 stream ./s order:1 --json
lines 7
run 0 stream ./s order:1 --as-of 4 --json
is '[e["sequence"] for e in o]' '[0, 2, 3]'
run 0 stream ./s order:1 --as-of 2000-01-01 --json
empty
run 0 stream ./s order:1 --as-of 2999-12-31 --json
lines 7
run 0 stream ./s order:1 --diff 2 7 --json
is '[e["sequence"] for e in o]' '[3, 5, 7]'
run 0 stream ./s order:1 --diff 7 2 --json
empty
run 0 stream ./s order:1 --diff 2000-01-01 2999-12-31 --json
lines 7
run 2 stream ./s order:1 --diff 2
says "--diff wants two points"
run 2 stream ./s order:1 3 5
run 2 stream ./s order:1 --as-of soon
says "'soon' is no point in time"
run 2 stream ./s order:1 --as-of 1 --diff 2 3

# Step by step: forward, back, to the end, and no further.
feed 'nnpGnq'
run 0 stream ./s order:1 --step
[ "$(grep -o '^[0-9] of 7' out | tr '\n' ' ')" = "1 of 7 2 of 7 3 of 7 2 of 7 7 of 7 " ] ||
    fail "steps: $(grep 'of 7' out)"
shows '"total": 42'
feed 'n'
run 0 stream ./s order:1 --step --as-of 2
[ "$(grep -c 'of 2' out)" = 2 ] || fail "steps: $(cat out)"
run 2 stream ./s order:1 --step --json
run 0 stream ./s nobody --step
empty

# Consumers: none yet; one that a program made.
run 0 consumers ./s
empty
run 1 consumers ./s nobody
says 'no consumer "nobody"'
run 1 consumers ./s --forget nobody
says 'no consumer "nobody"'
run 1 consumers ./s --retry nobody
run 2 consumers ./s --retry a --forget b
run 2 consumers ./s a --retry b
run 2 consumers ./s --sequence 3
run 2 consumers ./s --forget a --sequence 3
run 2 consumers ./s --partition 1
outbox=$BATPAK_BUILD/examples/outbox
if [ -x "$outbox" ]; then
    run 0 init ./o
    "$outbox" ./o send ann@example.org "first" >sent
    "$outbox" ./o send "no address" "second" >>sent
    "$outbox" ./o deliver >delivered
    run 0 consumers ./o --json
    is 'o[0]["consumer"]' 'outbox'
    is 'o[0]["parked"]' '1'
    is 'o[0]["behind"]' '0'
    run 0 consumers ./o
    shows outbox
    run 0 consumers ./o outbox --parked
    shows "no @"
    run 0 consumers ./o outbox --parked --json
    is 'o[0]["sequence"]' "$(field 'o[0]["sequence"]')"
    run 1 consumers ./o nobody --json
    says 'no consumer "nobody"'
    run 1 consumers ./o --retry outbox --sequence 99
    says "not parked"
    run 0 consumers ./o --retry outbox
    run 0 consumers ./o outbox --parked --json
    is 'o[0]["retry"]' 'True'
    file=$(ls ./o/consumers/*.pos)
    cp "$file" kept
    printf 'X' | dd of="$file" bs=1 seek=40 conv=notrunc 2>dd.err
    run 3 consumers ./o
    cp kept "$file"
    run 0 consumers ./o --forget outbox
    run 0 consumers ./o
    empty
fi
echo "following, history and consumers do what they say"
