#!/bin/bash
# The pages keep up: links lead somewhere, every status and option is explained. (Tests that promises.md names: tools/check_promises.py.)
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

[ "$wrong" -eq 0 ] || exit 1
echo "the pages keep up"
