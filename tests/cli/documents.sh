#!/bin/bash
# The manual page and the completions list exactly the verbs and options that the command's help lists.
source "$BATPAK_SOURCE/tests/cli/lib.bash"

page=$BATPAK_SOURCE/docs/man/batpak.1
bash=$BATPAK_SOURCE/cli/completions/batpak.bash
zsh=$BATPAK_SOURCE/cli/completions/_batpak
fish=$BATPAK_SOURCE/cli/completions/batpak.fish

bash -n "$bash" || fail "the completion for bash does not parse"
if command -v zsh >/dev/null; then zsh -n "$zsh" || fail "the completion for zsh does not parse"; fi
if command -v fish >/dev/null; then fish -n "$fish" || fail "the completion for fish does not parse"; fi

if command -v groff >/dev/null; then
    groff -ww -man -Tutf8 -Kutf8 "$page" >rendered 2>err || fail "groff: $(cat err)"
    [ ! -s err ] || fail "the manual page has warnings: $(cat err)"
fi
if command -v man >/dev/null; then
    MANROFFSEQ='' man --warnings -l "$page" >rendered 2>err || fail "man: $(cat err)"
    [ ! -s err ] || fail "the manual page has warnings: $(cat err)"
fi

python3 - "$BATPAK" "$page" "$bash" "$zsh" "$fish" <<'END' || fail "the documents and the help differ"
import re, subprocess, sys

command, page, bash, zsh, fish = sys.argv[1:]
page, bash, zsh, fish = (open(name, encoding="utf-8").read() for name in (page, bash, zsh, fish))


def ask(*arguments):
    return subprocess.run([command, *arguments], stdout=subprocess.PIPE, check=True, encoding="utf-8").stdout


def options(text):
    """(letter, name, takes a value) for each option of a help text."""
    found = re.findall(r"^  (?:-(\w), |    )--([a-z-]+)( [A-Z.]+)?(?:  |$)", text, re.MULTILINE)
    return {(letter, name, bool(value)) for letter, name, value in found} - {("h", "help", False)}


def same(what, documented, real):
    if documented != real:
        sys.exit(f"{what}: only there {sorted(documented - real)}, only in the help {sorted(real - documented)}")


verbs = re.findall(r"^  ([a-z-]+) +\S", ask("--help").split("Verbs:\n")[1].split("\n\n")[0], re.MULTILINE)
own, region = {}, {}
for verb in verbs:
    parts = ask(verb, "--help").split("\nThe region: ")
    own[verb] = options(parts[0])
    region[verb] = options(parts[1]) if len(parts) > 1 else set()
regions = set().union(*region.values())
assert len(verbs) >= 20 and all(r in (set(), regions) for r in region.values()) and len(regions) == 12

# The manual page: a .SS for each verb, a .TP for each option.
def page_options(text):
    text = text.replace("\\-", "-")
    found = re.findall(r"^\.TP\n(?:\\fB-(\w)\\fR, )?\\fB--([a-z-]+)\\fR( \\fI)?", text, re.MULTILINE)
    return {(letter, name, bool(value)) for letter, name, value in found}

sections = re.split(r"^\.SH ", page, flags=re.MULTILINE)
body = next(s for s in sections if s.startswith("VERBS"))
parts = re.split(r"^\.SS batpak ([a-z-]+)", body, flags=re.MULTILINE)
same("verbs of the manual page", set(parts[1::2]), set(verbs))
for verb, text in zip(parts[1::2], parts[2::2]):
    same(f"{verb} in the manual page", page_options(text), own[verb])
    usage = ask(verb, "--help").split("\n")[0].removeprefix("Usage: batpak ").removesuffix(" [OPTION...]")
    assert usage in (verb + text.split("\n")[0]).replace("\\-", "-"), usage
same("regions in the manual page", page_options(next(s for s in sections if s.startswith("REGIONS"))), regions)

# bash: names only.
same("verbs for bash", set(re.search(r'verbs="([^"]*)"', bash).group(1).split()), set(verbs))
for verb in verbs:
    words = re.search(rf'^ +{verb}\) options="([^"]*)" ;;', bash, re.MULTILINE).group(1).split()
    same(f"{verb} for bash", {w for w in words if w != "$region"}, {"--" + name for _, name, _ in own[verb]})
    assert ("$region" in words) == bool(region[verb]), verb
same("regions for bash", set(re.search(r'region="([^"]*)"', bash).group(1).split()), {"--" + n for _, n, _ in regions})

# zsh: '(-x --name)'{-x+,--name=}'[...' or '--name=[...'.
def zsh_options(text):
    long = re.findall(r"^ +'\*?--([a-z-]+)(=?)\[", text, re.MULTILINE)
    both = re.findall(r"^ +'[^']*'\{-(\w)\+?,--([a-z-]+)(=?)\}", text, re.MULTILINE)
    return {("", n, e == "=") for n, e in long} | {(l, n, e == "=") for l, n, e in both} - {("h", "help", False)}

same("verbs for zsh", set(re.findall(r"^        '([a-z-]+):", zsh, re.MULTILINE)) - {"help"}, set(verbs))
for verb in verbs:
    text = re.search(rf"^    {verb}\)\n(.*?)^        ;;", zsh, re.MULTILINE | re.DOTALL).group(1)
    same(f"{verb} for zsh", zsh_options(text), own[verb])
    assert ("$region" in text) == bool(region[verb]), verb
same("regions for zsh", zsh_options(re.search(r"region=\((.*?)^    \)", zsh, re.MULTILINE | re.DOTALL).group(1)), regions)

# fish.
same("verbs for fish", set(re.findall(r"^complete -c batpak -n __fish_use_subcommand -a ([a-z-]+)", fish, re.MULTILINE)) - {"help"}, set(verbs))
real = {}
for condition, name, rest in re.findall(r"^complete -c batpak -n '__fish_seen_subcommand_from ([a-z -]+)' -l ([a-z-]+)(.*)", fish, re.MULTILINE):
    letter = re.match(r" -s (\w)", rest)
    real.setdefault(condition, set()).add((letter.group(1) if letter else "", name, " -r" in rest.split(" -d ")[0]))
for verb in verbs:
    same(f"{verb} for fish", real.get(verb, set()), own[verb])
same("regions for fish", real[" ".join(sorted(v for v in verbs if region[v]))], regions)
END

# What the last line of verify and of inspect-recovery holds is in the manual page.
run 0 init ./s
for verb in verify inspect-recovery; do
    run 0 "$verb" ./s --json
    tail -n 1 out | python3 -c 'import json, sys; print("\n".join(json.load(sys.stdin)))' >fields
    [ -s fields ] || fail "$verb has no fields"
    while read -r field; do
        sed -n '/^\.SH JSON LINES/,/^\.SH EXIT/p' "$page" | grep -qw "$field" || fail "$field of $verb is not in the manual page"
    done <fields
done

# The completion for bash completes.
completes() { # EXPECTED WORD...
    local expected=$1
    shift
    (
        source "$bash"
        COMP_WORDS=("$@")
        COMP_CWORD=$(($# - 1))
        _batpak
        printf '%s ' "${COMPREPLY[@]}"
    ) >completed
    [ "$(tr ' ' '\n' <completed | sort | tr '\n' ' ')" = "$expected" ] || fail "completion of '$*' is '$(cat completed)'"
}
completes "verify " batpak verif
completes "--payload --payload-type --payload-version " batpak append ./s --payl
completes "--committed --correlation --count " batpak query ./s --co
completes "skip " batpak import ./s --on-error sk
completes "soa soaos " batpak init ./s --layout soa
