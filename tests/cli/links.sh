#!/bin/bash
# What the command reads and writes while somebody moves the store away and puts a link in its place: all goes on where it was begun, and
# nothing lands where the link leads.
source "$BATPAK_SOURCE/tests/cli/lib.bash"

lines_of() { # from, to
    for ((i = $1; i <= $2; i++)); do
        printf '{"entity":"e","scope":"s","id":"urn:x:%d","payload":{"n":%d}}\n' "$i" "$i"
    done
}

await() {
    for ((try = 0; try < 200; try++)); do
        "$@" && return
        sleep 0.05
    done
    fail "not within ten seconds: $*"
}

# An import that waits for lines; each --ack says that it went on.
run 0 init ./s --segment-size 64K
mkdir victim
mkfifo pipe
"$BATPAK" import ./s --ack --durable <pipe >acked 2>err &
import=$!
exec 3>pipe
lines_of 1 5 >&3
await grep -q '"ack":4' acked
mv s moved
ln -s victim s
lines_of 6 400 >&3
exec 3>&-
wait "$import" || fail "the import ended with $?: $(cat err)"
[ -z "$(ls -A victim)" ] || fail "something was written where the link leads: $(ls -A victim)"
run 0 verify ./moved
run 0 query ./moved --json
lines 400

# An export that is read slowly: more than a pipe holds.
rm s
mv moved s
"$BATPAK" export ./s 2>err | {
    IFS= read -r line # no byte more
    printf '%s\n' "$line" >first
    mv s moved
    ln -s victim s
    cat >rest
} || fail "the export ended badly: $(cat err)"
[ "$(cat first rest | wc -l)" -eq 400 ] || fail "$(cat first rest | wc -l) lines are exported"
[ -z "$(ls -A victim)" ] || fail "something was written where the link leads: $(ls -A victim)"

# Targets: the last part is no link, to a directory or to nowhere.
rm s
mv moved s
for target in victim nowhere; do
    ln -s "$target" link
    run 1 snapshot ./s ./link
    says "symbolic link"
    run 0 snapshot ./s ./copy
    run 1 restore ./copy ./link
    says "symbolic link"
    run 1 repair ./s ./link
    says "symbolic link"
    mv link link.repairing
    run 1 repair ./s ./link
    says "symbolic link"
    rm link.repairing
    rm -r copy
done
[ -z "$(ls -A victim)" ] || fail "something was written where a link leads: $(ls -A victim)"
[ ! -e nowhere ] || fail "something was made where a link leads"
echo "followed nowhere"
