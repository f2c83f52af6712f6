#!/bin/bash
# stdout that closes early, that is full, and input that ends in the middle.
source "$BATPAK_SOURCE/tests/cli/lib.bash"

run 0 init ./s
seq 20000 | sed 's/.*/{"entity":"e:&","scope":"x","correlation":"urn:p:1","payload":{"n":&}}/' >events.jsonl
run 0 import ./s events.jsonl --batch 1000

# A reader that has had enough ends the verb quietly.
for verb in "query ./s" "query ./s --json" "export ./s" "tail ./s -n 20000" "walk ./s 0 --correlation" "dump ./s/log/0000000000-1.seg"; do
    code=0
    # shellcheck disable=SC2086
    { "$BATPAK" $verb 2>err || echo $? >code; } | head -n 1 >out
    [ ! -e code ] || fail "$verb | head ended with $(cat code)"
    silent
    lines 1
done

# tail -f notices it even when nothing comes.
"$BATPAK" tail -n 1 -f ./s 2>err | head -n 2 >out &
pipeline=$!
for _ in $(seq 100); do
    kill -0 "$pipeline" 2>kill.err || break
    sleep 0.05
done
wait "$pipeline" || fail "tail -f | head ended with $?"
silent

# An import whose acknowledgements nobody hears stops, and says so by its exit code only.
code=0
{ "$BATPAK" import ./s events.jsonl --ack 2>err || echo $? >code; } | head -n 1 >out
[ "$(cat code)" = 4 ] || fail "import --ack | head ended with $(cat code)"
rm code
run 0 verify ./s

# A full medium is an error.
if [ -c /dev/full ]; then
    for verb in "query ./s" "export ./s" "stats ./s" "kinds ./s" "--help" "query --help" "" "get ./s 0"; do
        code=0
        # shellcheck disable=SC2086
        "$BATPAK" $verb >/dev/full 2>err || code=$?
        [ "$code" -eq 4 ] || fail "batpak $verb >/dev/full ended with $code"
        says "cannot write the answer: No space left on device"
    done
    code=0
    "$BATPAK" stats ./s --prometheus >/dev/full 2>err || code=$?
    [ "$code" -eq 4 ] || fail "stats --prometheus >/dev/full ended with $code"
fi

# stdin that cannot be read.
code=0
"$BATPAK" import ./s <. >out 2>err || code=$?
[ "$code" -eq 4 ] || fail "import of a folder ended with $code"
says "cannot read the input: Is a directory"
