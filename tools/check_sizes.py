#!/usr/bin/env python3
"""check_sizes.py SOURCE: files of at most 700 lines, C functions of at most 70.

A function is counted from its opening brace to its closing one, both included. Prints one line for each
offender and exits 1 if there is one. --self-test plants each kind of offender and looks for it.
"""

import pathlib
import re
import sys
import tempfile

from csource import code_only, without_directives

FILE_LINES = 700
FUNCTION_LINES = 70
FOLDERS = ["include", "src", "cli", "tests", "bench", "examples", "tools", "cmake"]
SUFFIXES = {".c", ".h", ".py", ".sh", ".cmake"}
EXTERN_C = re.compile(r'\bextern\s*"[^"\n]*"\s*\{')
NAME = re.compile(r"(\w+)\s*\((?:[^()]|\([^()]*\))*\)\s*$")


def functions(text):
    """Name, first line and number of lines of every function body."""
    text = without_directives(code_only(text))
    text = EXTERN_C.sub(lambda m: re.sub(r"\S", " ", m.group()), text)
    depth = 0
    start = None
    line = 1
    column = 0
    head = []
    for character in text:
        if character == "\n":
            line += 1
            column = 0
            head.append(" ")
            continue
        if character == "{":
            # A brace in column 0 begins a body whatever #if branches did to the count before it.
            depth = 1 if column == 0 else depth + 1
            if depth == 1:
                match = NAME.search("".join(head))
                start = (match.group(1), line) if match else None
        elif character == "}":
            depth = 0 if column == 0 else max(0, depth - 1)
            if depth == 0:
                if start:
                    yield start[0], start[1], line - start[1] + 1
                start = None
                head = []
        elif depth == 0:
            if character == ";":
                head = []
            else:
                head.append(character)
        column += 1


def check(root):
    """Every offender of the tree, as one line of text."""
    root = pathlib.Path(root).resolve()
    faults = []
    for folder in FOLDERS:
        for path in sorted((root / folder).rglob("*")):
            if path.suffix not in SUFFIXES or not path.is_file():
                continue
            relative = path.relative_to(root)
            text = path.read_text(encoding="utf-8")
            lines = text.count("\n")
            if lines > FILE_LINES:
                faults.append(f"{relative}: {lines} lines, {FILE_LINES} at most")
            if path.suffix in (".c", ".h"):
                for name, start, count in functions(text):
                    if count > FUNCTION_LINES:
                        faults.append(f"{relative}:{start}: {name} has {count} lines, {FUNCTION_LINES} at most")
    return faults


def body(lines):
    """A function body of that many lines, with what could mislead the count."""
    inner = ['    x("}{", \'}\'); /* } */', "    if (y) {", "    }"]
    return "{\n" + "\n".join((inner * lines)[: (lines - 2) // 3 * 3] + ["    ;"] * ((lines - 2) % 3)) + "\n}\n"


def self_test():
    longest = body(FUNCTION_LINES)
    too_long = body(FUNCTION_LINES + 1)
    good = {
        "longest": "static int f(int (*g)(void), int y)\n" + longest,
        "table": "static const int t[] = {\n" + "    1,\n" * 100 + "};\nint f(void)\n" + longest,
        "branches": "#ifdef A\nint f(void)\n{\n    if (a) {\n#else\nint f(int b)\n{\n    if (b) {\n#endif\n    }\n}\n"
        + "int g(void)\n" + longest,
        "file": "int x;\n" * FILE_LINES,
    }
    bad = {
        "own line": ("int f(int a,\n      int b)\n" + too_long, "f has 71"),
        "same line": ("int f(void) " + too_long, "f has 71"),
        "second": ("int f(void)\n" + longest + "void *g(void)\n" + too_long, "g has 71"),
        "extern C": ('#ifdef X\nextern "C" {\n#endif\nint f(void) ' + too_long + "#ifdef X\n}\n#endif\n", "f has 71"),
        "macro": ("#define M(x) \\\n    do { \\\n        x\nint f(void)\n" + too_long, "f has 71"),
        "file": ("int x;\n" * (FILE_LINES + 1), "701 lines"),
    }
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder) / "src" / "base" / "x.c"
        path.parent.mkdir(parents=True)
        for name, text in good.items():
            path.write_text(text)
            assert check(folder) == [], (name, check(folder))
        for name, (text, words) in bad.items():
            path.write_text(text)
            faults = check(folder)
            assert len(faults) == 1 and words in faults[0], (name, faults)
    print(f"{len(bad)} planted offenders found, {len(good)} good files passed")


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
