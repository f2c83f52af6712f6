#!/bin/bash
# demo.sh: the main job on real data of this machine, watched step by step. `make demo` builds first, then runs this.
#
# Facts come from the Debian package log and from the git history of the checkout. What is claimed is checked:
# the first claim that does not hold ends the demo with exit code 1. Everything it makes lies in build/demo.
#
#   BATPAK    the command (build/release/batpak)
#   LIBBATPAK the static library beside it
#   DEMO_DIR  where to work (build/demo)
#   DPKG_LOG  the package log (/var/log/dpkg.log), with its older parts DPKG_LOG.*
set -euo pipefail
cd "$(dirname "$0")/.."
export LC_ALL=C.UTF-8 GIT_CONFIG_GLOBAL=/dev/null
batpak=$(realpath "${BATPAK:-build/release/batpak}")
library=${LIBBATPAK:-$(dirname "$batpak")/libbatpak.a}
work=${DEMO_DIR:-build/demo}
package_log=${DPKG_LOG:-/var/log/dpkg.log}
store=$work/history.batpak
claims=0

# ---- telling ----

if [ -t 1 ] && [ -z "${NO_COLOR:-}" ] && [ "${TERM:-dumb}" != dumb ]; then
    bold=$'\e[1m' dim=$'\e[2m' green=$'\e[32m' red=$'\e[31m' plain=$'\e[0m'
else
    bold='' dim='' green='' red='' plain=''
fi

chapter() { printf '\n%s== %s%s\n' "$bold" "$*" "$plain"; }

words() { printf '%s\n' "$*"; }

holds() { # claim; said after it was checked
    claims=$((claims + 1))
    printf '%s  ok%s  %s\n' "$green" "$plain" "$*"
}

broken() {
    printf '%sNOT SO%s  %s\n' "$red" "$plain" "$*" >&2
    printf 'The demo ends here; what it made is in %s\n' "$work" >&2
    exit 1
}

check() { # claim, then a test
    local claim=$1
    shift
    if "$@"; then holds "$claim"; else broken "$claim"; fi
}

shown() { # prints the command as a user would type it, and runs it
    printf '%s$ batpak' "$dim"
    printf ' %s' "${@@Q}" | sed "s/'\([A-Za-z0-9_.:/=,-]*\)'/\1/g"
    printf '%s\n' "$plain"
    "$batpak" "$@" 2>&1
}

cut_after() { # lines; the rest is counted
    awk -v most="$1" 'NR <= most { print } END { if (NR > most) print "  ... and " NR - most " lines more" }'
}

field() { # name; the value of a field of one line of JSON on stdin
    sed -n "s/.*\"$1\":\"\{0,1\}\([^,\"}]*\).*/\1/p"
}

stat_of() { # store field
    "$batpak" stats "$1" --json | field "$2"
}

seconds_since() { # start, in microseconds
    awk -v took=$((${EPOCHREALTIME/[.,]/} - $1)) 'BEGIN { printf "%.2f", took / 1e6 }'
}

rate_since() { # start events
    awk -v took=$((${EPOCHREALTIME/[.,]/} - $1)) -v events="$2" 'BEGIN {
        rate = events / (took > 0 ? took : 1) * 1e6
        if (rate >= 1e6) printf "%.2f million", rate / 1e6; else if (rate >= 1e4) printf "%d thousand", rate / 1e3
        else printf "%d", rate }'
}

now() { printf '%s' "${EPOCHREALTIME/[.,]/}"; }

# ---- facts ----

make_converter() {
    local libraries
    read -ra libraries < <(pkg-config --libs libisal)
    "${CC:-cc}" -std=c17 -O2 -Iinclude tools/demo/facts.c "$library" "${libraries[@]}" -lpthread -o "$work/facts" ||
        broken "the converter of facts builds"
}

package_lines() { # all parts of the log, oldest first
    local part
    printf '%s\n' "$package_log" "$package_log".* | sort -rV | while read -r part; do
        [ -r "$part" ] || continue
        case $part in
            *.gz) gzip -dc "$part" ;;
            *) cat "$part" ;;
        esac
    done
}

gather_packages() {
    package_lines >"$work/dpkg.log" 2>/dev/null || true
    "$work/facts" packages <"$work/dpkg.log" >"$work/packages.jsonl"
    package_source="$package_log*"
    if [ ! -s "$work/packages.jsonl" ]; then
        package_source=examples/data/dpkg-sample.log
        words "There is no readable package log at $package_log*; the sample $package_source stands in for it."
        cp "$package_source" "$work/dpkg.log"
        "$work/facts" packages <"$work/dpkg.log" >"$work/packages.jsonl"
    fi
}

in_git() { git -c safe.directory='*' "$@"; }

commits_of() { # folder name
    in_git -C "$1" log -z --reverse --topo-order --no-renames --numstat --diff-merges=first-parent \
        --format='%H%x00%P%x00%an%x00%at%x00%s' | "$work/facts" commits "$2"
}

# A repository with two branches that meet twice, always the same.
make_scratch() {
    local repo=$work/scratch-repository step=0
    git init -q -b main "$repo"
    commit() { # message file
        step=$((step + 1))
        echo "$1" >>"$repo/$2"
        git -C "$repo" add "$2"
        GIT_AUTHOR_DATE="2026-01-0$step 12:00 +0000" GIT_COMMITTER_DATE="2026-01-0$step 12:00 +0000" \
            git -C "$repo" -c user.name="${3:-Ada}" -c user.email=demo@example.org commit -q -m "$1"
    }
    merge() { # branch message
        step=$((step + 1))
        GIT_AUTHOR_DATE="2026-01-0$step 12:00 +0000" GIT_COMMITTER_DATE="2026-01-0$step 12:00 +0000" \
            git -C "$repo" -c user.name=Ada -c user.email=demo@example.org merge -q --no-ff -m "$2" "$1"
    }
    commit "A kettle" kettle
    git -C "$repo" switch -q -c lid
    commit "A lid for it" lid Grace
    commit "The lid has a \"knob\"" lid Grace
    git -C "$repo" switch -q main
    commit "A spout" kettle
    merge lid "Merge the lid"
    git -C "$repo" switch -q -c whistle lid
    commit "A whistle" whistle Linus
    git -C "$repo" switch -q main
    commit "A handle" kettle
    merge whistle "Merge the whistle: the kettle sings"
}

gather_commits() {
    merge_repo=
    : >"$work/commits.jsonl"
    if [ -e .git ] && in_git rev-parse -q --verify HEAD >/dev/null 2>&1; then
        commits_of . batpak >"$work/commits.jsonl"
        [ -z "$(in_git rev-list --merges -n 1 HEAD)" ] || merge_repo=.
    else
        words "This folder has no git history; a small repository made on the spot stands in for it."
    fi
    if [ -z "$merge_repo" ]; then
        [ ! -s "$work/commits.jsonl" ] ||
            words "The history of this checkout has no merge yet; a small repository made on the spot supplies one."
        make_scratch
        merge_repo=$work/scratch-repository
        commits_of "$merge_repo" scratch >>"$work/commits.jsonl"
    fi
}

# ---- the chapters ----

import_everything() {
    local start facts
    chapter "Facts that this machine wrote down anyway"
    gather_packages
    gather_commits
    facts=$(cat "$work/packages.jsonl" "$work/commits.jsonl" | wc -l)
    words "$(wc -l <"$work/packages.jsonl") steps of the package manager ($package_source)," \
        "$(wc -l <"$work/commits.jsonl") commits of git. One of them:"
    printf '%s' "$dim"
    grep -m 1 '"causes"' "$work/packages.jsonl"
    printf '%s' "$plain"
    shown init "$store"
    start=$(now)
    shown import "$store" "$work/packages.jsonl"
    shown import "$store" "$work/commits.jsonl"
    import_figure="$facts facts, made durable as they went: $(seconds_since "$start") s, $(rate_since "$start" "$facts") a second"
    check "every line became an event: $facts" [ "$(($(stat_of "$store" events) - $(stat_of "$store" system_events)))" = "$facts" ]
}

show_statistics() {
    chapter "What is in it now"
    shown stats "$store"
    shown kinds "$store"
}

# A package that went through most kinds of steps, with not too many of them.
pick_package() {
    sed -n 's/^{"id":"[^"]*","entity":"\(package:[^"\\]*\)".*"kind":"\([^"]*\)".*/\1 \2/p' "$work/packages.jsonl" |
        awk '{ steps[$1]++; if (!(($1, $2) in seen)) { seen[$1, $2] = 1; kinds[$1]++ } }
            END { for (name in steps) if (steps[name] <= 17) print kinds[name], steps[name], name }' |
        sort -k1,1nr -k2,2nr -k3,3 | sed -n '1s/.* //p'
}

show_package() {
    local package steps last
    package=$(pick_package)
    chapter "One package's life: $package"
    shown stream "$store" "$package"
    steps=$(grep -cF "\"entity\":\"$package\"" "$work/packages.jsonl")
    check "all $steps of its steps are there, in their order" \
        [ "$("$batpak" stream "$store" "$package" --json | field clock | tr '\n' ' ')" = "$(seq -s ' ' 0 $((steps - 1))) " ]
    last=$("$batpak" stream "$store" "$package" --backward --limit 1 --json | event_ids)
    words "Why did its last step happen? Back along the causes, to the line that started the package manager:"
    shown walk "$store" "$last" --causes --limit 12
}

event_ids() { awk 'match($0, /"id":"[^"]*"/) { print substr($0, RSTART + 6, RLENGTH - 7) }'; }

show_merge() {
    local line id hash ancestors
    chapter "The causal walk of a merge"
    line=$(grep '"kind":"git.merge"' "$work/commits.jsonl" | tail -n 1)
    id=$(field id <<<"$line")
    hash=$(field hash <<<"$line")
    words "Commit ${hash:0:12}: $(sed -nE 's/.*"subject":"(([^"\\]|\\.)*)".*/\1/p' <<<"$line")"
    shown walk "$store" "$id" --causes --depth 4 --limit 12
    ancestors=$("$batpak" walk "$store" "$id" --causes --json 2>/dev/null | event_ids | sort -u | wc -l)
    check "its ancestors by batpak and by git rev-list are as many: $ancestors" \
        [ "$ancestors" = "$(in_git -C "$merge_repo" rev-list --count "$hash")" ]
    printf '%s$ batpak walk %s --causes --depth 6 --limit 40 --dot >%s%s\n' "$dim" "$store $id" "$work/merge.dot" "$plain"
    "$batpak" walk "$store" "$id" --causes --depth 6 --limit 40 --dot >"$work/merge.dot" 2>"$work/words"
    check "the picture has its two parents" [ "$(grep -c -- '->' "$work/merge.dot")" -ge 2 ]
    if command -v dot >/dev/null && dot -Tsvg "$work/merge.dot" >"$work/merge.svg"; then
        words "The picture: $work/merge.svg"
    else
        words "The picture, for graphviz: $work/merge.dot"
    fi
    some_hash=$hash
}

show_retry() {
    local before after root
    chapter "A retry changes nothing"
    before=$(stat_of "$store" published)
    root=$("$batpak" verify "$store" --json 2>/dev/null | field root)
    [ -n "$root" ] || broken "verify tells a root"
    shown import "$store" "$work/packages.jsonl"
    shown import "$store" "$work/commits.jsonl"
    after=$(stat_of "$store" published)
    check "the same facts once more: $((after - before)) new events" [ "$after" = "$before" ]
    check "the root over all event hashes is what it was: ${root:0:16}..." \
        [ "$root" = "$("$batpak" verify "$store" --json 2>/dev/null | field root)" ]
}

flip_bit() { # file offset
    local byte
    byte=$(od -An -tu1 -j "$2" -N 1 "$1" | tr -d ' ')
    printf '%b' "\\x$(printf %02x $((byte ^ 1)))" | dd of="$1" bs=1 seek="$2" conv=notrunc status=none
}

exit_of() { # a command; its exit code, its words in $work/words
    local code=0
    "$@" >"$work/words" 2>&1 || code=$?
    printf '%s' "$code"
}

show_tampering() {
    local copy=$work/tampered.batpak found file offset code
    chapter "Tampering is found"
    shown verify "$store"
    cp -r "$store" "$copy"
    found=$(grep -abo -m 1 "$some_hash" "$copy"/log/*.seg /dev/null | head -n 1)
    file=${found%%:*}
    offset=${found#*:}
    offset=${offset%%:*}
    words "On a copy, one bit of one commit's payload is turned: ${file#"$work"/}, byte $offset."
    flip_bit "$file" "$offset"
    code=$(exit_of "$batpak" verify "$copy")
    printf '%s$ batpak verify %s%s\n' "$dim" "$copy" "$plain"
    cut_after 6 <"$work/words"
    check "verify names the damage and ends with 3" [ "$code" = 3 ]
    check "the file it names is the one that was touched" grep -q "log/$(basename "$file")" "$work/words"
    code=$(exit_of "$batpak" append "$copy" --entity thief --scope night --payload '{}')
    printf '%s$ batpak append %s --entity thief --scope night --payload {}%s\n' "$dim" "$copy" "$plain"
    cut_after 6 <"$work/words"
    check "nothing is written on top of it: opening is refused with 3" [ "$code" = 3 ]
    check "the original is as it was" [ "$(exit_of "$batpak" verify "$store")" = 0 ]
}

# Kills an import once some acknowledgements have been seen; false if it was done before that.
kill_import() { # target facts wanted
    local target=$1 wanted=$3 importer
    : >"$work/acknowledged"
    "$batpak" import "$target" "$2" --ack >"$work/acknowledged" 2>"$work/words" &
    importer=$!
    while kill -0 "$importer" 2>/dev/null && [ "$(wc -l <"$work/acknowledged")" -lt "$wanted" ]; do
        sleep 0.01
    done
    kill -9 "$importer" 2>/dev/null || true
    ! wait "$importer" 2>/dev/null
}

show_kill() {
    local target=$work/killed.batpak round=0 lines acknowledged found lost total start
    chapter "kill -9 in the middle of an import"
    : >"$work/many.jsonl"
    while [ "$(wc -l <"$work/many.jsonl")" -lt 60000 ]; do
        round=$((round + 1))
        "$work/facts" packages "$round" <"$work/dpkg.log" 2>/dev/null >>"$work/many.jsonl"
    done
    lines=$(wc -l <"$work/many.jsonl")
    words "The package log, $round times over: $lines facts. Once a fifth is acknowledged, the importer is killed."
    printf '%s$ batpak import %s %s --ack >%s &  kill -9 $!%s\n' "$dim" "$target" "$work/many.jsonl" "$work/acknowledged" "$plain"
    "$batpak" init "$target" >"$work/words" 2>&1
    kill_import "$target" "$work/many.jsonl" $((lines / 5)) || broken "the importer was killed before it was done"
    sed -n 's/^{"ack":[^,]*,"id":"\([^"]*\)"}$/\1/p' "$work/acknowledged" | sort >"$work/acknowledged.ids"
    acknowledged=$(wc -l <"$work/acknowledged.ids")
    check "it was killed in the middle: $acknowledged of $lines acknowledged" \
        [ $((acknowledged * (lines - acknowledged))) -gt 0 ]
    "$batpak" query "$target" --json | event_ids | sort >"$work/found.ids"
    found=$(wc -l <"$work/found.ids")
    lost=$(comm -23 "$work/acknowledged.ids" "$work/found.ids" | wc -l)
    check "every acknowledged event is there: $lost lost, $found found" [ "$lost" = 0 ]
    shown verify "$target" || broken "verify is clean after the kill"
    words "The same import again, from its beginning:"
    start=$(now)
    shown import "$target" "$work/many.jsonl"
    resume_figure="$lines facts, of them $found known before: $(seconds_since "$start") s, $(rate_since "$start" "$lines") a second"
    total=$(($(stat_of "$target" events) - $(stat_of "$target" system_events)))
    check "the rest came in and nothing twice: $total of $lines" [ "$total" = "$lines" ]
    "$batpak" verify "$target" >"$work/words" 2>&1 || broken "verify is clean at the end"
    holds "verify is clean"
}

show_figures() {
    local start events target=$work/killed.batpak
    chapter "The figures of it, all with the command: JSON read or written, hashed, checked"
    words "import     $import_figure"
    words "import     $resume_figure"
    events=$(stat_of "$target" published)
    start=$(now)
    "$batpak" verify "$target" >/dev/null 2>&1
    words "verify     $events events, every checksum, hash and chain: $(seconds_since "$start") s, $(rate_since "$start" "$events") a second"
    start=$(now)
    "$batpak" export "$target" >"$work/export.jsonl"
    words "export     $(wc -l <"$work/export.jsonl") lines: $(seconds_since "$start") s, $(rate_since "$start" "$events") a second"
    start=$(now)
    "$batpak" stream "$target" machine:dpkg --backward --limit 1 >/dev/null
    words "one answer exec to exit, opened anew: $(seconds_since "$start") s"
    words "on disk    $(stat_of "$target" log_bytes | awk -v events="$events" '{ printf "%.1f MB of log, %d bytes an event", $1 / 1e6, $1 / events }')"
    words "What the library does without the command around it: make bench"
}

# ---- the run ----

begun=$(now)
[ -x "$batpak" ] || { echo "demo.sh: no command at $batpak; make demo builds it" >&2; exit 1; }
rm -rf "$work"
mkdir -p "$work"
"$batpak" --version
make_converter
import_everything
show_statistics
show_package
show_merge
show_retry
show_tampering
show_kill
show_figures
chapter "All $claims claims held, in $(seconds_since "$begun") s"
words "The store is in $store. Go on with it:"
words "    $batpak tail $store"
words "    $batpak query $store 'kind=package.upgrade'"
words "    $batpak help"
