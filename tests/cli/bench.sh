#!/bin/bash
# ctest: labels=slow
# batpak-bench runs through with every engine of this build, checks what each answers, tells people and machines the
# same, draws a picture, and leaves no store behind. (Its own check of answers is why this test means something: a store
# that finds too much or too little, or other payload bytes, ends it.)
set -eu
bench=$BATPAK_BUILD/batpak-bench
[ -x "$bench" ] || { echo "skipped: built without BATPAK_BENCH"; exit 77; }

fail() {
    echo "FAIL: $*" >&2
    exit 1
}

printf 'before\n<!-- bench:begin -->\nold\n<!-- bench:end -->\nafter\n' >page.md
"$bench" --smoke --dir "$PWD/bench" --json results.json --page page.md --picture picture.svg >out 2>err ||
    fail "it ended with $?: $(tail -n 3 err)"

python3 - "$BATPAK_BUILD" <<'PYTHON' || fail "results.json or picture.svg"
import json, pathlib, sys
import xml.etree.ElementTree as xml

results = json.load(open("results.json"))
cases = {(r["group"], r["case"], r["engine"]): r for r in results["results"]}
assert len(cases) == len(results["results"]), "a case twice"

# An engine for each program that was built, and each of them in every group where engines are compared.
engines = {p.name.removeprefix("batpak-probe-") for p in pathlib.Path(sys.argv[1]).glob("batpak-probe-*")}
assert "batpak" in engines and engines == set(results["engines"]), (engines, results["engines"])
everywhere = [("append buffered", "one by one"), ("append buffered", "4096 bytes, in batches of 100"),
              ("append durable", "8 threads, one by one"), ("open", "exec to the first answer"),
              ("open", "after a kill, exec to answer"), ("size", "resident after the first answer"),
              ("read", "get by id, absent"), ("read", "by prefix, 0.5 %"), ("read", "by time, 1 %"),
              ("read", "full scan"), ("read", "walk of 1000 ancestors")]
for group, case in everywhere:
    for engine in engines:
        assert cases[group, case, engine]["median"] > 0, (group, case, engine)
for group, case in [("read", "streams of 1000 events"), ("append durable", "one by one"), ("open", "exec to the first answer")]:
    assert cases[group, case, "limit"]["median"] > 0, (group, case)
for layout in ["aos", "aosoa8", "aosoa16", "aosoa64", "soa", "soaos"]:
    assert cases["layouts", "by kind, sequences only", layout]["median"] > 0, layout
for size in ["2.0 k", "4.0 k", "10 k", "20 k"]:
    assert cases["growth", "get by id, present", size]["median"] > 0, size
assert cases["open", "without derived files, exec to answer", "batpak"]["median"] > 0

one = cases["append durable", "one by one", "batpak"]
assert 0 < one["p50_us"] <= one["p99_us"] <= one["p999_us"], one
assert cases["size", "disk for an event, one by one", "batpak"]["median"] > 256

picture = xml.parse("picture.svg").getroot()
texts = [text.text for text in picture.iter("{http://www.w3.org/2000/svg}text")]
assert picture.tag == "{http://www.w3.org/2000/svg}svg" and "streams of 1000 events" in texts, texts
assert (" x sqlite" in " ".join(map(str, texts))) <= ("sqlite" in engines)
PYTHON

{ [ "$(head -n 1 page.md)" = before ] && [ "$(tail -n 1 page.md)" = after ]; } || fail "the page around the marks"
! grep -q '^old$' page.md || fail "the tables were not replaced"
grep -q '^| one by one | events/s | [0-9.]' page.md || fail "no table in the page: $(cat page.md)"
[ "$(ls bench)" = "" ] || fail "left behind: $(ls bench)"

# One group, one engine: quick enough to ask for the page that has no marks.
small=(--smoke --dir "$PWD/bench" --only limits)
printf 'no marks\n' >bare.md
! "$bench" "${small[@]}" --page bare.md >out 2>err || fail "a page without marks is an error"
grep -q 'marks' err || fail "and is explained: $(tail -n 1 err)"
[ "$(cat bare.md)" = "no marks" ] || fail "and is left alone"

! "$bench" "${small[@]}" --engine none >out 2>err || fail "an unknown engine is an error"
grep -q 'no engine none' err || fail "and is named: $(cat err)"
for wrong in --events=7 --runs=0 --growth=3000 --nonsense extra; do
    ! "$bench" "${small[@]}" "$wrong" >out 2>err || fail "$wrong is an error"
    [ -s err ] || fail "$wrong is explained"
done
