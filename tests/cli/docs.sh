#!/bin/bash
# The pages keep up: links lead somewhere, every status and option is explained, tests that promises.md names exist.
set -eu
shopt -s extglob
cd "$BATPAK_SOURCE"
wrong=0

complain() {
    echo "WRONG: $*" >&2
    wrong=$((wrong + 1))
}

# Relative links of all pages.
for page in README.md CHANGELOG.md docs/*.md docs/decisions/*.md docs/guide/*.md; do
    [ -e "$page" ] || continue
    while read -r target; do
        target=${target%%#*}
        [ -z "$target" ] || [ -e "$(dirname "$page")/$target" ] || complain "$page links to $target, which is not there"
    done < <(grep -oP '\]\(\K(?!https?:)[^)]*(?=\))' "$page")
done

# Paths in backquotes that begin with a folder of ours; globs, placeholders and build/ are left alone.
# shellcheck disable=SC2016
while IFS=: read -r page path; do
    [ -e "$path" ] || complain "$page speaks of $path, which is not there"
done < <(grep -oHP '`\K(include|src|cli|tests|bench|examples|docs|tools)/[A-Za-z0-9_./-]*(?=`)' README.md docs/*.md |
    grep -vE 'src/(follow|projection|policy)$|^docs/promises.md:cli/' | sort -u)

while read -r status; do
    grep -q "^| \`$status\` " docs/errors.md || complain "docs/errors.md has no row for $status"
done < <(grep -oP '^    \KBP_(OK|END|ERR_[A-Z_]+)(?= = )' include/batpak/status.h)

while read -r option; do
    grep -qE "^\| .*\`$option\`" docs/tuning.md || complain "docs/tuning.md has no row for the option $option"
done < <(sed -n '/^typedef struct bp_options {/,/^} bp_options;/p' include/batpak/store.h |
    grep -oP '^    [a-z].*?\K[a-z_]+(?=;)' | grep -v '^size$')

# Tests by their ctest names: `folder/name`, one or more in a cell.
if [ -e docs/promises.md ]; then # shellcheck disable=SC2016
    while read -r name; do
        folder=${name%%/*}
        file=${name#*/}
        [ -e "tests/$folder/test_$file.c" ] || [ -e "tests/$folder/$file.sh" ] || [ -e "tests/$folder/$file.py" ] ||
            [ -e "tools/check_${file%-self-test}.py" ] ||
            complain "docs/promises.md names the test $name, which is not there"
    done < <(grep -oP '`\K(base|io|format|log|index|store|follow|policy|crash|cli|python|install|tools)/[a-z_-]+(?=`)' docs/promises.md | sort -u)
    # shellcheck disable=SC2016
    while read -r name; do
        grep -rqE "void $name\(|def $name\(" tests || complain "docs/promises.md names the case $name, which is not there"
    done < <(grep -oP '`\K[a-z0-9]+(_[a-z0-9]+)+(?=`)' docs/promises.md | grep -v '^bp_' | sort -u)
fi

[ "$wrong" -eq 0 ] || exit 1
echo "the pages keep up"
