#!/bin/bash
# lint.sh [format|tidy]: clang-format in check mode and clang-tidy over our C, both at zero findings.
# Without an argument both; exits 1 if one finds something.
set -uo pipefail
cd "$(dirname "$0")/.." || exit 2
jobs=$(nproc)
what=${1:-all}
failed=0

mapfile -t files < <(find include src cli tests bench examples -name '*.[ch]' -not -path '*/golden/*' 2>/dev/null | sort)

if [ "$what" != tidy ] && [ ${#files[@]} -gt 0 ]; then
    mapfile -t wrong < <(for file in "${files[@]}"; do
        clang-format --dry-run -Werror "$file" 2>&1 | sed -n '/ error: /{p;q}'
    done)
    if [ ${#wrong[@]} -eq 0 ]; then
        echo "clang-format: ${#files[@]} files as they should be"
    else
        printf '%s\n' "${wrong[@]}"
        echo "clang-format: ${#wrong[@]} of ${#files[@]} files differ, first place of each above; make format mends them"
        failed=1
    fi
fi

if [ "$what" != format ]; then
    # The compile commands of the release build, where everything but the fuzzers is in.
    [ -n "${BATPAK_CONFIGURED:-}" ] || cmake --preset release >/dev/null || exit 1
    log=build/release/clang-tidy.log
    if run-clang-tidy -quiet -j "$jobs" -p build/release "^$PWD/(src|cli|tests|bench|examples)/" 2>&1 |
        sed 's/\x1b\[[0-9;]*m//g' >"$log"; then
        echo "clang-tidy: clean"
    else
        grep -vE '^(clang-tidy[-0-9]* |[0-9]+ warnings? generated|Suppressed |Use -header-filter)' "$log"
        echo "clang-tidy: see above, whole text in $log"
        failed=1
    fi
fi
exit $failed
