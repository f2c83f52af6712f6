#!/bin/bash
# oss_fuzz.sh [SANITIZER...]: build oss-fuzz/ as OSS-Fuzz does, without its container, and run each target on its corpus.
#
# Default: address undefined. What is built lies in build/oss-fuzz/<sanitizer>/out. Each target runs BATPAK_SECONDS (default 5).
# The flags are those of OSS-Fuzz's base-builder, so that a flag which this project's own build does not know is met here.
set -eu
cd "$(dirname "$0")/.."
root=$PWD
seconds=${BATPAK_SECONDS:-5}
for program in clang clang++ patchelf zip unzip; do
    command -v "$program" >/dev/null || { echo "oss_fuzz.sh: no $program (apt-get install clang patchelf zip unzip)" >&2; exit 2; }
done

flags() { # SANITIZER
    local checks=array-bounds,bool,builtin,enum,function,integer-divide-by-zero,null,object-size,return
    checks=$checks,returns-nonnull-attribute,shift,signed-integer-overflow,unreachable,vla-bound,vptr
    echo -O1 -fno-omit-frame-pointer -gline-tables-only -DFUZZING_BUILD_MODE_UNSAFE_FOR_PRODUCTION
    case $1 in
        address) echo -fsanitize=address -fsanitize-address-use-after-scope ;;
        undefined) echo "-fsanitize=$checks" "-fno-sanitize-recover=$checks" ;;
        *) echo "oss_fuzz.sh: no sanitizer '$1'; there are address, undefined" >&2; return 2 ;;
    esac
    echo -fsanitize=fuzzer-no-link
}

build() { # SANITIZER
    local base=$root/build/oss-fuzz/$1 given
    given=$(flags "$1" | tr '\n' ' ')
    rm -rf "$base/out"
    mkdir -p "$base/src" "$base/work" "$base/out"
    ln -sfn "$root" "$base/src/batpak"
    CC=clang CXX=clang++ CFLAGS=$given CXXFLAGS=$given LIB_FUZZING_ENGINE=-fsanitize=fuzzer FUZZING_ENGINE=libfuzzer \
        SANITIZER=$1 SRC=$base/src WORK=$base/work OUT=$base/out bash "$root/oss-fuzz/build.sh" >"$base/build.log" 2>&1 ||
        { tail -n 20 "$base/build.log" >&2; return 1; }
}

run() { # SANITIZER PROGRAM
    local out=$root/build/oss-fuzz/$1/out name dictionary=() seeds
    name=$(basename "$2")
    seeds=$root/build/oss-fuzz/$1/seeds/$name
    rm -rf "$seeds"
    mkdir -p "$seeds" "$root/build/oss-fuzz/$1/found/$name"
    unzip -q "$out/${name}_seed_corpus.zip" -d "$seeds"
    if [ -f "$out/$name.dict" ]; then dictionary=("-dict=$out/$name.dict"); fi
    if (cd "$out" && CMOCKA_TEST_ABORT=1 "./$name" -max_total_time="$seconds" -timeout=120 -rss_limit_mb=2560 -max_len=65536 \
        "${dictionary[@]}" -artifact_prefix="$root/build/oss-fuzz/$1/" -print_final_stats=1 \
        "$root/build/oss-fuzz/$1/found/$name" "$seeds") >"$root/build/oss-fuzz/$1/$name.log" 2>&1; then
        printf '%-10s %-16s %10s runs, clean\n' "$1" "$name" \
            "$(sed -n 's/^stat::number_of_executed_units: *//p' "$root/build/oss-fuzz/$1/$name.log")"
    else
        printf '%-10s %-16s FAILED, see build/oss-fuzz/%s/%s.log\n' "$1" "$name" "$1" "$name"
        return 1
    fi
}

failed=0
if [ $# -eq 0 ]; then set -- address undefined; fi
for sanitizer in "$@"; do
    flags "$sanitizer" >/dev/null
    build "$sanitizer" || { echo "$sanitizer: it does not build"; failed=1; continue; }
    built=0
    for program in build/oss-fuzz/"$sanitizer"/out/fuzz_*; do
        [ -x "$program" ] && [ ! -d "$program" ] || continue
        case $program in *.zip | *.dict | *.options) continue ;; esac
        built=$((built + 1))
        run "$sanitizer" "$program" || failed=1
    done
    expected=$(find tests/fuzz -name 'fuzz_*.c' | wc -l)
    if [ "$built" -ne "$expected" ]; then
        echo "$sanitizer: $built of $expected targets were built"
        failed=1
    fi
done
exit "$failed"
