#!/bin/bash
# test.sh: everything that must hold before a change goes in.
#
# Builds release, asan and tsan and runs their tests (asan without label slow, tsan only label threads), and beside
# them, in what time they leave, clang-tidy and the format check, which count as one test each. A build that fails
# counts as one failed test. The last line is "N passed, N failed"; the exit code is 0 only without failures.
set -u
cd "$(dirname "$0")/.." || exit 2
jobs=$(nproc)
passed=0
failed=0
skipped=0
broken=()

say() { printf '\n== %s (%d s)\n' "$1" "$SECONDS"; }

count() { # what exit-code
    if [ "$2" -eq 0 ]; then
        passed=$((passed + 1))
    else
        failed=$((failed + 1))
        broken+=("$1")
    fi
}

number() { # attribute junit-file
    sed -n "/<testsuite/,/>/s/.*[[:space:]]$1=\"\([0-9]*\)\".*/\1/p" "$2" | head -n 1
}

# Under address space randomisation of 32 bits the thread sanitizer of GCC 12 finds its shadow taken.
plain_addresses() {
    if setarch -R true 2>/dev/null; then setarch -R "$@"; else "$@"; fi
}

run_preset() { # preset target
    local preset=$1 target=$2 junit=build/$1/junit.xml log=build/$1/build.log tests failures off
    say "$preset: build"
    mkdir -p "build/$preset"
    if ! { cmake --preset "$preset" && cmake --build --preset "$preset" -j "$jobs" --target "$target"; } >"$log" 2>&1; then
        grep -nE ' (error|warning): |undefined reference|^FAILED|^CMake Error' "$log" | head -n 40
        echo "the whole text is in $log"
        count "$preset build" 1
        return
    fi
    say "$preset: tests"
    rm -f "$junit"
    plain_addresses ctest --preset "$preset" -j "$jobs" --output-junit "$PWD/$junit" 2>&1 |
        grep -vE '^ *(Start +[0-9]+:|Test project|$)'
    if [ ! -s "$junit" ]; then
        count "$preset tests" 1
        return
    fi
    tests=$(number tests "$junit")
    failures=$(number failures "$junit")
    off=$(($(number skipped "$junit") + $(number disabled "$junit")))
    passed=$((passed + tests - failures - off))
    failed=$((failed + failures))
    skipped=$((skipped + off))
    [ "$failures" -eq 0 ] || broken+=("$failures of $preset")
}

# Both checks as nice as can be: the builds and tests have the cores first. lint.sh asks the release build's compile
# commands, so that is configured before they begin, and not by two at once.
start_checks() {
    mkdir -p build/checks
    cmake --preset release >build/checks/configure.log 2>&1
    for check in format tidy; do
        (BATPAK_CONFIGURED=1 nice -n 19 tools/lint.sh "$check" >"build/checks/$check.log" 2>&1
            echo $? >"build/checks/$check.code") &
    done
}

rm -rf build/checks
start_checks
run_preset release all
run_preset asan all
run_preset tsan batpak_thread_tests

say "format and clang-tidy"
wait
for check in format tidy; do
    cat "build/checks/$check.log"
    count "$check" "$(cat "build/checks/$check.code" 2>/dev/null || echo 1)"
done

printf '\n%d s, %d skipped\n' "$SECONDS" "$skipped"
for what in "${broken[@]}"; do
    echo "failed: $what"
done
echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ] && [ "$passed" -gt 0 ]
