#!/bin/bash
# ctest: labels=campaign
# import --ack: what was acknowledged is there after a SIGKILL at any moment, whole batches only, and a repeat with
# ids doubles nothing.
source "$BATPAK_SOURCE/tests/cli/lib.bash"

# A producer that waits for its acknowledgement is not kept waiting for the next line.
run 0 init ./s
mkfifo in acks
"$BATPAK" import ./s --ack <in >acks 2>err &
importer=$!
exec 3>in 4<acks
for n in 1 2 3; do
    echo "{\"entity\":\"a\",\"scope\":\"b\",\"id\":\"urn:w:$n\"}" >&3
    IFS= read -r -t 10 line <&4 || fail "no acknowledgement for line $n: $(cat err)"
    echo "$line" >out
    is 'o[0]["ack"]' $((n - 1))
    run 0 stats ./s --json
    is "o[0]['frontiers']['durable'] >= $n" True
done
echo '{"entity":"a","scope":"b","id":"urn:w:2"}' >&3
IFS= read -r -t 10 line <&4 || fail "no acknowledgement for a duplicate"
echo "$line" >out
is 'o[0]["ack"], o[0]["duplicate"]' '(1, True)'
exec 3>&-
exec 4<&-
wait "$importer" || fail "import ended with $?: $(cat err)"

# Each way of committing acknowledges every line, in order.
seq 2500 | sed 's/.*/{"entity":"e:&","scope":"x","id":"urn:a:&"}/' >events.jsonl
for options in "" "--durable" "--batch 64" "--batch 64 --durable"; do
    rm -rf ./s
    run 0 init ./s
    # shellcheck disable=SC2086
    run 0 import ./s events.jsonl --ack $options
    json_lines
    is '[e["ack"] for e in o] == list(range(2500))' True
    # shellcheck disable=SC2086
    run 0 import ./s events.jsonl --ack $options
    is '[e["ack"] for e in o if e["duplicate"]] == list(range(2500))' True
done

# Killed at any moment. Half of the lines come in batches of seven.
awk '{ if (NR % 14 < 7) sub(/}$/, ",\"batch\":" int(NR / 14) "}"); print }' events.jsonl >killed.jsonl
rounds=25
[ -z "${BATPAK_INSTRUMENTED:-}" ] || rounds=9
[ -z "${BATPAK_CAMPAIGN:-}" ] || rounds=1000
for round in $(seq "$rounds"); do
    rm -rf ./k
    run 0 init ./k --segment-size 64K
    options=("" "--durable" "--batch 20")
    # shellcheck disable=SC2086
    "$BATPAK" import ./k --ack ${options[round % 3]} <killed.jsonl >acked 2>err &
    importer=$!
    sleep "0.0$((RANDOM % 40 + 10))"
    kill -KILL "$importer" 2>kill.err || true
    wait "$importer" 2>wait.err || true
    run 0 verify ./k
    run 0 export ./k
    python3 - "$round" <<'END' || fail "round $round: something acknowledged is not there, or a part of a batch is"
import json
there = {e["id"]: e for e in map(json.loads, open("out"))}
text = open("acked").read()
for line in text[:text.rfind("\n") + 1].splitlines():
    ack = json.loads(line)
    assert there[ack["id"]]["sequence"] == ack["ack"], ack
entities = {e["entity"] for e in there.values()}
runs = {}
for line in open("killed.jsonl"):
    e = json.loads(line)
    if "batch" in e:
        runs.setdefault(e["batch"], []).append(e["entity"] in entities)
assert all(len(set(r)) == 1 for r in runs.values()), runs
END
    # shellcheck disable=SC2086
    run 0 import ./k killed.jsonl ${options[round % 3]}
    run 0 query ./k --count
    [ "$(cat out)" = 2500 ] || fail "round $round: after the repeat there are $(cat out) events"
done
