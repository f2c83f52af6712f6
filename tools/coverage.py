#!/usr/bin/env python3
"""coverage.py BUILD [--missing [FILE ...]] [--least LINES BRANCHES]: what of src/ the tests of a coverage build ran.

Reads gcov's JSON of every object of the library (make coverage, or the preset coverage and ctest). A line of a header counts as
run if it ran anywhere. Not counted as branches: those of assertions, of which one side is there to be never taken (docs/testing.md).
With --missing the lines and branches that nothing took are listed, of all files or those whose name contains FILE. The exit code
is 1 when less than LINES or BRANCHES per cent were run.
"""
import argparse
import collections
import gzip
import json
import os
import re
import subprocess
import sys
import tempfile

ASSERTION = re.compile(r"\bBPI_(DEBUG_)?ASSERT\(|\bbpi_must\(")
# The reference sources of BLAKE3 and the like are not ours; the fault layer is a test tool.
LEFT_OUT = ("src/io/fault",)


def objects(build):
    for folder, _, names in os.walk(os.path.join(build, "CMakeFiles", "batpak_objects.dir")):
        for name in names:
            if name.endswith(".gcda"):
                yield os.path.join(folder, name)


def gcov_json(path):
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run(["gcov", "--json-format", "--branch-probabilities", os.path.abspath(path)], cwd=folder, check=True,
                       stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        for name in os.listdir(folder):
            with gzip.open(os.path.join(folder, name), "rt", encoding="utf-8") as stream:
                yield json.load(stream)


class File:
    def __init__(self, path):
        self.lines = {}
        self.branches = collections.defaultdict(dict)
        with open(path, encoding="utf-8") as stream:
            self.text = stream.read().split("\n")

    def add(self, line):
        number = line["line_number"]
        # Counters of threads may run over when they are not atomic: whatever is not zero was run.
        self.lines[number] = self.lines.get(number, False) or line["count"] != 0
        if number > len(self.text) or ASSERTION.search(self.text[number - 1]):
            return
        taken = self.branches[number]
        for index, branch in enumerate(line["branches"]):
            taken[index] = taken.get(index, False) or branch["count"] != 0

    def line_counts(self):
        return sum(self.lines.values()), len(self.lines)

    def branch_counts(self):
        all_of = [taken for of_line in self.branches.values() for taken in of_line.values()]
        return sum(all_of), len(all_of)


def collect(build, source):
    files = {}
    for path in objects(build):
        for report in gcov_json(path):
            for entry in report["files"]:
                where = os.path.normpath(os.path.join(report["current_working_directory"], entry["file"]))
                name = os.path.relpath(where, source)
                if not name.startswith("src/") or name.startswith(LEFT_OUT) or not os.path.exists(where):
                    continue
                if name not in files:
                    files[name] = File(where)
                for line in entry["lines"]:
                    files[name].add(line)
    return files


def share(pair):
    return 100.0 * pair[0] / pair[1] if pair[1] else 100.0


def show(files):
    lines = [0, 0]
    branches = [0, 0]
    print(f"{'file':40} {'lines':>12} {'':>6} {'branches':>12}")
    for name in sorted(files):
        of_lines, of_branches = files[name].line_counts(), files[name].branch_counts()
        for total, part in ((lines, of_lines), (branches, of_branches)):
            total[0] += part[0]
            total[1] += part[1]
        print(f"{name:40} {of_lines[0]:5} / {of_lines[1]:4} {share(of_lines):5.1f}% "
              f"{of_branches[0]:5} / {of_branches[1]:4} {share(of_branches):5.1f}%")
    print(f"{'all':40} {lines[0]:5} /{lines[1]:5} {share(lines):5.1f}% "
          f"{branches[0]:5} /{branches[1]:5} {share(branches):5.1f}%")
    return share(lines), share(branches)


def show_missing(files, wanted):
    for name in sorted(files):
        if wanted and not any(part in name for part in wanted):
            continue
        file = files[name]
        for number in sorted(file.lines):
            missing = [index for index, taken in sorted(file.branches.get(number, {}).items()) if not taken]
            if not file.lines[number]:
                print(f"{name}:{number}: not run: {file.text[number - 1].strip()}")
            elif missing:
                print(f"{name}:{number}: branches {missing} of {len(file.branches[number])}: "
                      f"{file.text[number - 1].strip()}")


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("build")
    parser.add_argument("--missing", nargs="*", metavar="FILE")
    parser.add_argument("--least", nargs=2, type=float, default=(0.0, 0.0), metavar=("LINES", "BRANCHES"))
    given = parser.parse_args()
    source = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    files = collect(given.build, source)
    if not files:
        print("no counters there: build the preset coverage and run its tests", file=sys.stderr)
        return 1
    if given.missing is not None:
        show_missing(files, given.missing)
        return 0
    lines, branches = show(files)
    return 0 if lines >= given.least[0] and branches >= given.least[1] else 1


if __name__ == "__main__":
    sys.exit(main())
