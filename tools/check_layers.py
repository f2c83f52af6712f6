#!/usr/bin/env python3
"""check_layers.py SOURCE: do the includes point the way docs/architecture.md says?

1. A file of src/<layer>/ includes its own layer, lower ones and the public headers.
2. cli/ and examples/ include public headers and their own folder.
3. A public header includes public headers and ISO C.
4. Outside src/base nothing includes BLAKE3 or ISA-L; outside src/base and src/io nothing in src/ includes
   the headers of files, directories, mapping: src/io is the one seam to the world.
5. Compiler extensions stand in src/base and in include/batpak only.

Prints one line for each fault and exits 1 if there is one. --self-test plants each fault and looks for it.
"""

import pathlib
import re
import sys
import tempfile

from csource import code_only, without_comments

LAYERS = ["base", "io", "format", "log", "index", "store", "follow", "projection", "policy"]
OPEN_FOLDERS = ["cli", "examples"]
ISO_C = set(
    "assert complex ctype errno fenv float inttypes iso646 limits locale math setjmp signal stdalign stdarg "
    "stdatomic stdbool stddef stdint stdio stdlib stdnoreturn string tgmath threads time uchar wchar wctype".split()
)
SEAM = re.compile(r"(unistd|fcntl|dirent|poll|sys/\w+|linux/\w+)\.h")
HASHING = re.compile(r"blake3.*\.h|isa-l\.h|isa-l/.*|crc(64)?\.h")
INTRINSICS = re.compile(r"(\w+intrin|arm_\w+|cpuid)\.h")
INCLUDE = re.compile(r'^[ \t]*#[ \t]*include[ \t]*(<[^>\n]+>|"[^"\n]+"|\w+)', re.MULTILINE)
EXTENSION = re.compile(
    r"\b__attribute__|\b__builtin_\w+|\b__extension__|\b__typeof__|\btypeof\b|\b__asm__|\basm\b|\b__int128\b"
    r"|\b__sync_\w+|\b__atomic_\w+|\b__thread\b|\b_mm\d*_\w+|\b__declspec|#[ \t]*pragma[ \t]+(?:GCC|clang)|\(\{"
)


def includes(text):
    for match in INCLUDE.finditer(without_comments(text)):
        yield text.count("\n", 0, match.start()) + 1, match.group(1)


def resolve(root, path, name):
    """The file a quoted name means, relative to the root, or None."""
    for base in (path.parent, root / "src", root / "include"):
        candidate = (base / name).resolve()
        if candidate.is_file() and candidate.is_relative_to(root):
            return candidate.relative_to(root)
    return None


def fault_of_include(root, path, target):
    """What is wrong with one include of one file, or None."""
    relative = path.relative_to(root)
    top = relative.parts[0]
    layer = relative.parts[1] if top == "src" else None
    if target[0] not in '<"':
        return f"include of a macro ({target}) hides where it points"
    name = target[1:-1]

    if target[0] == "<":
        if name.startswith("batpak/"):
            return None if (root / "include" / name).is_file() else f"no public header {target}"
        if top == "include":
            return None if name.removesuffix(".h") in ISO_C else f"a public header includes {target}"
        if (root / "src" / name).is_file():
            return f"private header in angle brackets: {target}"
        if layer != "base" and HASHING.fullmatch(name):
            return f"{target} belongs to src/base"
        if layer != "base" and INTRINSICS.fullmatch(name):
            return f"{target} belongs to src/base"
        if top == "src" and layer not in ("base", "io") and SEAM.fullmatch(name):
            return f"{target} goes past src/io, the seam to the world"
        return None

    found = resolve(root, path, name)
    if found is None and HASHING.fullmatch(name):
        return None if layer == "base" else f"{target} belongs to src/base"
    if found is None:
        return f"cannot find {target}"
    if found.parts[0] == "include":
        return None
    if top == "src":
        if found.parts[0] != "src":
            return f"src/ includes {found}"
        if LAYERS.index(found.parts[1]) > LAYERS.index(layer):
            return f"{layer} includes the higher layer {found.parts[1]} ({found})"
    elif found.parts[0] != top:
        return f"{top}/ includes {found}; public headers only"
    return None


def check(root):
    """Every fault of the tree, as (path, line, text)."""
    root = pathlib.Path(root).resolve()
    faults = []
    for folder in ["src", "include"] + OPEN_FOLDERS:
        for path in sorted((root / folder).rglob("*.[ch]")):
            relative = path.relative_to(root)
            if folder == "src" and (len(relative.parts) < 3 or relative.parts[1] not in LAYERS):
                faults.append((relative, 1, "lies in no layer"))
                continue
            text = path.read_text(encoding="utf-8")
            for line, target in includes(text):
                fault = fault_of_include(root, path, target)
                if fault:
                    faults.append((relative, line, fault))
            if relative.parts[:2] in (("src", "base"), ("include", "batpak")):
                continue
            for number, line in enumerate(code_only(text).split("\n"), 1):
                match = EXTENSION.search(line)
                if match:
                    faults.append((relative, number, f"compiler extension outside src/base: {match.group()}"))
    return faults


PLANTED = {
    "src/io/up.c": ('#include "store/store.h"\n', "higher layer"),
    "src/log/seam.c": ("#include <unistd.h>\n", "seam"),
    "src/log/hash.c": ("#include <blake3.h>\n", "belongs to src/base"),
    "src/store/crc.c": ("#include <isa-l/crc.h>\n", "belongs to src/base"),
    "src/store/extension.c": ("int f(void) __attribute__((cold));\n", "compiler extension"),
    "src/index/simd.c": ("#include <immintrin.h>\n", "belongs to src/base"),
    "src/follow/gone.c": ('#include "log/gone.h"\n', "cannot find"),
    "src/stray.c": ("int stray;\n", "no layer"),
    "cli/private.c": ('#include "../src/base/base.h"\n', "public headers only"),
    "cli/angle.c": ("#include <base/base.h>\n", "angle brackets"),
    "examples/private.c": ('#include "base/base.h"\n', "public headers only"),
    "include/batpak/posix.h": ("#include <pthread.h>\n", "public header includes"),
}
CLEAN = {
    "include/batpak/batpak.h": "#include <stdint.h>\n#define BP_API __attribute__((visibility(\"default\")))\n",
    "src/base/base.h": "#include <batpak/batpak.h>\n#include <blake3.h>\n",
    "src/io/io.c": '#include "base/base.h"\n#include <unistd.h>\n',
    "src/store/store.h": '#include "base/base.h"\n// __attribute__ in words\n/* #include "policy/x.h" */\n',
    "cli/main.c": '#include <batpak/batpak.h>\nstatic const char *s = "__builtin_x";\n',
}


def self_test():
    with tempfile.TemporaryDirectory() as folder:
        root = pathlib.Path(folder)
        for name, text in CLEAN.items():
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            (root / name).write_text(text)
        assert check(root) == [], f"faults in the clean tree: {check(root)}"
        for name, (text, words) in PLANTED.items():
            path = root / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
            faults = check(root)
            assert len(faults) == 1 and str(faults[0][0]) == name and words in faults[0][2], (name, faults)
            path.unlink()
    print(f"{len(PLANTED)} planted faults found")


def main():
    if sys.argv[1:] == ["--self-test"]:
        self_test()
        return 0
    if len(sys.argv) != 2:
        print(__doc__, file=sys.stderr)
        return 2
    faults = check(sys.argv[1])
    for path, line, text in faults:
        print(f"{path}:{line}: {text}")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
