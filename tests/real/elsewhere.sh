#!/bin/bash
# ctest: timeout=120
# A reader in a mount namespace of its own, as in a container or a unit with PrivateTmp, follows a writer outside of it; and the other
# way around. Needs the right to make one, and says so if it has not.
source "$BATPAK_SOURCE/tests/cli/lib.bash"

if ! unshare -m true 2>/dev/null; then
    echo "skipped: no right to make a mount namespace"
    exit 0
fi

wait_for() { # lines file
    for _ in $(seq 1 200); do
        [ "$(wc -l <"$2")" -ge "$1" ] && return 0
        sleep 0.05
    done
    fail "$2 has $(wc -l <"$2") lines, not $1"
}

line() { # number
    printf '{"entity":"e","scope":"x","payload":{"n":%d}}\n' "$1"
}

follow() { # what the writer runs under, what the reader runs under
    rm -rf ./s lines
    run 0 init ./s
    mkfifo lines
    $1 "$BATPAK" import ./s --ack - <lines >acked &
    writer=$!
    exec 9>lines
    line 0 >&9
    wait_for 1 acked
    $2 "$BATPAK" tail -f ./s --json >followed 9>&- &
    reader=$!
    wait_for 1 followed
    for number in $(seq 1 20); do
        line "$number" >&9
        wait_for $((number + 1)) followed
    done
    exec 9>&-
    wait "$writer" || fail "the import ended with $?"
    run 0 append ./s -e e -s x -p 1
    wait_for 22 followed
    kill -INT "$reader"
    wait "$reader" || fail "tail -f ended with $?"
}

follow "" "unshare -m"
follow "unshare -m" ""
