#!/bin/bash
# The command line itself: what is shown without arguments, help, and every way of getting it wrong.
source "$BATPAK_SOURCE/tests/cli/lib.bash"

verbs="init append import export get query stream tail walk kinds verify stats dump seal inspect-recovery repair reindex consumers bench policy why snapshot restore compact erase tombstone"

# Alone: five commands to copy, and they work as they stand.
run 0
silent
[ "$(grep -c '^  batpak ' out)" -eq 5 ] || fail "not five commands to copy"
grep '^  batpak ' out | grep -v 'tail -f' >commands
PATH=$(dirname "$BATPAK"):$PATH bash -e commands >log 2>&1 || fail "a command to copy does not work: $(cat log)"
grep -q 'order:1@eu' log || fail "the commands to copy do not show their event: $(cat log)"

run 0 --version
grep -qE '^batpak [0-9]+\.[0-9]+\.[0-9]+$' out || fail "--version shows $(cat out)"

# Help: of the command and of each verb, in three ways.
run 0 --help
cp out help
run 0 help
cmp -s out help || fail "help and --help differ"
[ "$(sed -n '/^Verbs:/,/^$/p' out | grep -c '^  ')" -eq "$(wc -w <<<"$verbs")" ] || fail "other verbs: $(cat out)"
for verb in $verbs; do
    grep -qE "^  $verb +[a-z]" help || fail "--help does not list $verb"
    run 0 "$verb" --help
    silent
    shows "Usage: batpak $verb "
    shows "Options:"
    shows "  -h, --help"
    shows "Examples:"
    shows "  batpak $verb"
    shows "Exit codes:"
    [ "$(wc -L <out)" -le 110 ] || fail "help of $verb is wider than 110 columns"
    cp out help.verb
    run 0 help "$verb"
    cmp -s out help.verb || fail "help $verb and $verb --help differ"
    run 0 "$verb" some where -h
    cmp -s out help.verb || fail "$verb ... -h shows something else"
done

# Wrong command lines: exit code 2, nothing on stdout, and a word on how to go on.
usage() { # WHAT-IT-SAYS ARGUMENT...
    local text=$1
    shift
    run 2 "$@"
    empty
    says "$text"
    says "; try: batpak"
}
usage "batpak: no verb 'qery'; did you mean 'query'?" qery ./s
usage "did you mean 'verify'?" verfiy ./s
usage "no verb 'xyzzy'; try: batpak --help" xyzzy
usage "did you mean 'get'?" help gte
usage "the verb comes first" --json query ./s
usage "batpak query: no option --limt; did you mean --limit?; try: batpak query --help" query ./s --limt 3
usage "no option --frobnicate" query ./s --frobnicate
usage "no option -Z" query ./s -Z
usage "--limit wants a number, not 'many'" query ./s --limit many
usage "--limit wants a number, not '-1'" query ./s --limit -1
usage "--limit wants a number, not '18446744073709551616'" query ./s --limit 18446744073709551616
usage "--limit wants N" query ./s --limit
usage "-n wants N" query ./s -n
usage "--json takes no value" query ./s --json=yes
usage "wants DIR" query
usage "wants DIR ID..." get ./s
usage "wants DIR ENTITY" stream ./s
usage "does not know what to do with 'more'; it wants DIR" verify ./s more
usage "--layout is one of aos, aosoa8, aosoa16, aosoa64, soa, soaos, not 'rows'" init ./t --layout rows
usage "--segment-size wants a number of bytes such as 65536, 64K or 16M, not 'big'" init ./t --segment-size big
usage "--segment-size is at most 1G" init ./t --segment-size 2G
usage "wants --entity and --scope" append ./s
usage "either --durable or --buffered" append ./s -e a -s b --durable --buffered
usage "--batch is 1 to 4096" import ./s --batch 5000
usage "--batch is 1 to 4096" import ./s --batch 0
usage "--exact takes commits and kinds as they were" import ./s --exact --on-error skip
usage "--on-error is one of stop, skip, not 'ignore'" import ./s --on-error ignore
usage "one of --chain, --causes, --effects, --correlation" walk ./s 0 --chain --effects
usage "either --dot or --json" walk ./s 0 --dot --json
usage "--verify goes with --chain" walk ./s 0 --verify
usage "--count counts the whole region" query ./s --count --limit 3
usage "--after wants a sequence, not 'x'" query ./s --after x
usage "--prometheus stands alone" stats ./s --prometheus --json
usage "--all is everything" export ./s --all --entity order:1
usage "--events is 100 to" bench --events 1

# Ways to write the same.
for words in "--limit 1" "--limit=1" "-n 1" "-n1" "-bn1" "-b -n 1"; do
    # shellcheck disable=SC2086
    run 0 query ./s $words
    lines 2
done
run 0 query --limit=1 ./s
lines 2
run 0 query -- ./s
lines 2
