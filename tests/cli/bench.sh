#!/bin/bash
# ctest: labels=slow
# batpak-bench runs through, checks what it is answered, tells people and machines the same, and leaves no store behind.
set -eu
bench=$BATPAK_BUILD/batpak-bench
[ -x "$bench" ] || { echo "skipped: built without BATPAK_BENCH"; exit 77; }

fail() {
    echo "FAIL: $*" >&2
    exit 1
}

printf 'before\n<!-- bench:begin -->\nold\n<!-- bench:end -->\nafter\n' >page.md
"$bench" --quick --events 20000 --runs 1 --dir "$PWD/bench" --json results.json --page page.md >out 2>err ||
    fail "it ended with $?: $(tail -n 3 err)"

python3 - <<'PYTHON' || fail "results.json"
import json
results = json.load(open("results.json"))
cases = {(r["group"], r["case"], r["engine"]): r for r in results["results"]}
assert len(cases) == len(results["results"]), "a case twice"
for group, case in (("append buffered", "one by one"), ("append durable", "8 threads, one by one"), ("read", "full scan")):
    for engine in ("batpak", "limit"):
        assert cases[group, case, engine]["median"] > 0, (group, case, engine)
one = cases["append durable", "one by one", "batpak"]
assert 0 < one["p50_us"] <= one["p99_us"] <= one["p999_us"], one
assert cases["size", "on the medium for each event, written one by one", "batpak"]["median"] > 256
PYTHON

{ [ "$(head -n 1 page.md)" = before ] && [ "$(tail -n 1 page.md)" = after ]; } || fail "the page around the marks"
! grep -q '^old$' page.md || fail "the tables were not replaced"
grep -q '^| one by one | events/s | [0-9.]' page.md || fail "no table in the page: $(cat page.md)"
[ "$(ls bench)" = "" ] || fail "left behind: $(ls bench)"

printf 'no marks\n' >bare.md
! "$bench" --quick --events 10000 --runs 1 --dir "$PWD/bench" --page bare.md >out 2>err || fail "a page without marks is an error"
grep -q 'bench:begin' err || fail "and is explained: $(tail -n 1 err)"
[ "$(cat bare.md)" = "no marks" ] || fail "and is left alone"

for wrong in --events=7 --runs=0 --engine=none --nonsense extra; do
    ! "$bench" "$wrong" >out 2>&1 || fail "$wrong was taken"
done
echo "the benchmark runs"
