#!/bin/bash
# fuzz.sh seeds                     write what each corpus began from into build/fuzz/seeds/<target>
# fuzz.sh run SECONDS [TARGET...]   run libFuzzer on each target for so long, one after the other (default: all)
# fuzz.sh shrink [TARGET...]        add some of what was found to tests/fuzz/corpus/<target>: what reaches more
# fuzz.sh ledger                    what all runs came to: processor time, executions, findings
#
# New inputs are gathered in build/fuzz/found/<target>, crashes in build/fuzz/crashes/<target>-*; logs beside them.
# BATPAK_FUZZ_KIB (16) and BATPAK_FUZZ_INPUTS (40) bound what one shrink adds to a target's corpus.
set -eu
cd "$(dirname "$0")/.."
build=build/fuzz
what=${1:-}
shift || true

configure() { # BATPAK_CONFIGURED: it is built
    [ -z "${BATPAK_CONFIGURED:-}" ] || return 0
    cmake --preset fuzz >/dev/null
    cmake --build --preset fuzz >/dev/null
}

targets() { # [TARGET...]
    if [ $# -gt 0 ]; then printf '%s\n' "$@"; return; fi
    for source in tests/fuzz/fuzz_*.c; do
        name=$(basename "$source" .c)
        echo "${name#fuzz_}"
    done
}

options() { # TARGET
    local dictionary=tests/fuzz/dictionaries/$1.dict
    echo -max_len=65536 -timeout=120 -rss_limit_mb=2560 -malloc_limit_mb=512 -verbosity=1 -print_final_stats=1
    if [ -f "$dictionary" ]; then echo "-dict=$dictionary"; fi
}

run() { # SECONDS TARGET
    local found=$build/found/$2 seeds=$build/seeds/$2
    mkdir -p "$found" "$build/crashes" "$build/logs" "tests/fuzz/corpus/$2" "$seeds"
    local used
    TIMEFORMAT='%U %S'
    # shellcheck disable=SC2046
    used=$({ time CMOCKA_TEST_ABORT=1 "$build/fuzz/fuzz_$2" $(options "$2") -max_total_time="$1" \
        -artifact_prefix="$build/crashes/$2-" "$found" "tests/fuzz/corpus/$2" "$seeds" \
        >"$build/logs/$2.log" 2>&1; } 2>&1) && code=0 || code=$?
    runs=$(sed -n 's/^stat::number_of_executed_units: *//p' "$build/logs/$2.log")
    printf '%s\t%s\t%s\t%s\t%s\t%s\n' "$2" "$(echo "$used" | awk '{ print $1 + $2 }')" "${runs:-0}" "$((code != 0))" \
        "$(git rev-parse --short HEAD 2>/dev/null || echo -)" "$(date +%FT%T)" >>"$build/ledger.tsv"
    printf '%-10s %12s runs in %s s, %s\n' "$2" "${runs:-?}" "$1" \
        "$([ "$code" -eq 0 ] && echo clean || echo "CRASH, see $build/logs/$2.log")"
    return "$code"
}

# What is new there, small and large ones evenly: the smallest alone would say little.
candidates() { # FOLDER CORPUS
    find "$1" -type f -size -13 -printf '%s %f\n' | sort -n | while read -r _ name; do
        [ -e "$2/$name" ] || echo "$1/$name"
    done | awk -v most="${BATPAK_FUZZ_INPUTS:-40}" '{ all[NR] = $0 }
        END { count = NR < most ? NR : most; for (i = 0; i < count; i++) print all[int(i * NR / count) + 1] }'
}

shrink() { # TARGET
    local corpus=tests/fuzz/corpus/$1 small=$build/small/$1 kib=${BATPAK_FUZZ_KIB:-16} used=0 added=0 size
    rm -rf "$small"
    mkdir -p "$small" "$corpus" "$build/found/$1" "$build/seeds/$1" "$build/logs"
    find "$corpus" -type f -exec cp {} "$small/" \;
    # shellcheck disable=SC2046
    CMOCKA_TEST_ABORT=1 "$build/fuzz/fuzz_$1" $(options "$1") -merge=1 "$small" "$build/seeds/$1" "$build/found/$1" \
        >"$build/logs/$1.merge.log" 2>&1
    for file in $(candidates "$small" "$corpus"); do
        size=$(stat -c %s "$file")
        if [ $((used + size)) -gt $((kib * 1024)) ]; then continue; fi
        used=$((used + size))
        added=$((added + 1))
        cp "$file" "$corpus/$(b2sum -l 64 "$file" | cut -d' ' -f1)"
    done
    echo "$1: $added new inputs, $((used / 1024)) KiB; $(find "$corpus" -type f | wc -l) in all"
}

ledger() {
    printf '%-10s %12s %14s %9s  %s\n' target 'CPU minutes' executions findings commits
    awk -F'\t' '{ cpu[$1] += $2; runs[$1] += $3; bad[$1] += $4; if (!index(at[$1] " ", " " $5 " ")) at[$1] = at[$1] " " $5 }
        END { for (t in cpu) printf "%-10s %12.1f %14d %9d %s\n", t, cpu[t] / 60, runs[t], bad[t], at[t] }' \
        "$build/ledger.tsv" | sort
}

case $what in
seeds)
    cmake --preset release >/dev/null
    for target in $(targets "$@"); do
        cmake --build --preset release --target "fuzz_$target" >/dev/null
        mkdir -p "$build/seeds/$target"
        "build/release/fuzz/fuzz_$target" --seeds "$build/seeds/$target"
    done
    ;;
run)
    seconds=${1:?seconds}
    shift
    configure
    failed=0
    for target in $(targets "$@"); do
        run "$seconds" "$target" || failed=1
    done
    exit "$failed"
    ;;
ledger)
    ledger
    ;;
shrink)
    configure
    for target in $(targets "$@"); do
        shrink "$target"
    done
    ;;
*)
    sed -n '2,9s/^# //p' "$0" >&2
    exit 2
    ;;
esac
