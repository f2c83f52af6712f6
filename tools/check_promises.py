#!/usr/bin/env python3
"""check_promises.py SOURCE: the tests that docs/promises.md names are there, and each mistake has one.

In the tables of that page `folder/name` is a test program (tests/folder/test_name.c, folder/name.sh, folder/name.py), `words_like_these` are
cases of the programs named before them in the cell, which must define them and list them as tests. Each row under "Mistakes of
others" names a case of a program in C, or a script (which has no cases). Prints one line for each offender and exits 1 if there is one.
--self-test plants each kind of offender and looks for it.
"""

import pathlib
import re
import sys
import tempfile

PAGE = "docs/promises.md"
MISTAKES = "## Mistakes of others"
TOKEN = re.compile(r"`([^`]+)`")
PROGRAM = re.compile(r"[a-z]+/[a-z_*-]+")
CASE = re.compile(r"(?!bp_)[a-z0-9]+(?:_[a-z0-9]+)+")


def test_file(root, name):
    """The file of a program, or None."""
    folder, base = name.split("/")
    for path in (f"tests/{folder}/test_{base}.c", f"tests/{folder}/{base}.sh", f"tests/{folder}/{base}.py",
                 f"tests/{folder}/{base}.c", f"tests/{folder}/check.sh", f"tests/fuzz/fuzz_{base}.c"):
        if folder in path and (root / path).is_file():
            return root / path
    return None


def has_case(path, case):
    """A C file defines it and names it once more, in its list; a Python file defines it."""
    text = path.read_text(encoding="utf-8")
    if path.suffix == ".c":
        return bool(re.search(rf"^static void {case}\(", text, re.M)) and len(re.findall(rf"\b{case}\b", text)) > 1
    return bool(re.search(rf"def {case}\(", text))


def check_row(root, line, needs_test):
    """What is wrong with the names of one row."""
    programs, fresh, shown = [], False, False
    for token in TOKEN.findall(line):
        if PROGRAM.fullmatch(token) and (root / "tests" / token.split("/")[0]).is_dir():
            path = None if token.endswith("*") else test_file(root, token)
            if path is None and not token.endswith("*"):
                yield f"the test {token} is not there"
            programs = (programs if fresh else []) + ([path] if path else [])
            fresh = True
            shown = shown or (path is not None and path.suffix != ".c")
        elif CASE.fullmatch(token):
            fresh = False
            if not any(has_case(path, token) for path in programs):
                yield f"no test of that name: {token} (in {', '.join(path.name for path in programs) or 'no program'})"
            shown = True
    if needs_test and not shown:
        yield "no case and no script is named"


def check(root):
    """Every offender, as one line of text."""
    root = pathlib.Path(root).resolve()
    faults = []
    mistakes = False
    lines = (root / PAGE).read_text(encoding="utf-8").split("\n")
    for number, line in enumerate(lines, 1):
        if line.startswith("## "):
            mistakes = line.startswith(MISTAKES)
        header = line.startswith("|---") or (number < len(lines) and lines[number].startswith("|---"))
        if not line.startswith("| ") or header:
            continue
        faults += [f"{PAGE}:{number}: {fault}" for fault in check_row(root, line, mistakes)]
    return faults


def self_test():
    c = "static void it_holds(void **state)\n{\n}\nint main(void) { run(it_holds); }\nstatic void unlisted_case(void **s)\n"
    head = "# Promises\n\n| test | shows |\n|---|---|\n"
    table = f"{MISTAKES}, and so on\n\n| mistake | kept out by |\n|---|---|\n"
    good = [
        head + "| `log/a` | it: `it_holds` |\n| `log/a`, `log/b` | `it_holds`, `other_case` and `bp_open` |\n| `cli/x` | y |\n",
        table + "| m | `log/a`: `it_holds`; `log/b` |\n| n | `cli/x` greps |\n",
    ]
    bad = [
        (head + "| `log/none` | what |\n", "log/none is not there"),
        (head + "| `log/a` | `other_case` |\n", "other_case (in test_a.c)"),
        (head + "| `log/a` | `unlisted_case` |\n", "unlisted_case"),
        (head + "| `log/b` | `other_case`; `log/a`: `other_case` |\n", "other_case (in test_a.c)"),
        (table + "| m | `log/a` |\n", "no case and no script"),
        (table + "| m | frames carry salts |\n", "no case and no script"),
        (table + "| m | `it_holds` |\n", "it_holds (in no program)"),
    ]
    with tempfile.TemporaryDirectory() as folder:
        root = pathlib.Path(folder)
        for name, text in (("log/test_a.c", c), ("log/test_b.c", c.replace("it_holds", "other_case")), ("cli/x.sh", "")):
            (root / "tests" / name).parent.mkdir(parents=True, exist_ok=True)
            (root / "tests" / name).write_text(text)
        (root / "docs").mkdir()
        for text in good:
            (root / PAGE).write_text(text)
            assert check(folder) == [], (text, check(folder))
        for text, words in bad:
            (root / PAGE).write_text(text)
            faults = check(folder)
            assert len(faults) == 1 and words in faults[0], (text, faults)
    print(f"{len(bad)} planted offenders found, {len(good)} good pages passed")


def main():
    if sys.argv[1:] == ["--self-test"]:
        self_test()
        return 0
    if len(sys.argv) != 2:
        print(__doc__, file=sys.stderr)
        return 2
    faults = check(sys.argv[1])
    for fault in faults:
        print(fault)
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
