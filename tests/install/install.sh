#!/bin/bash
# ctest: labels=slow timeout=600
# Installs into an empty prefix and uses it as a stranger would: pkg-config (shared, static), find_package,
# every public header alone in C17 and C++17. Checks too that the shared library exports what the headers
# declare and nothing else.
set -eu

if [ -n "${BATPAK_INSTRUMENTED:-}" ]; then
    echo "skipped: an instrumented library is not what gets installed"
    exit 77
fi
first=$BATPAK_SOURCE/tests/install/first.c
prefix=$PWD/prefix
cc=${BATPAK_CC:-cc}

fail() {
    echo "FAIL: $*" >&2
    exit 1
}

# Twice in one folder: the store is made, then found again.
runs() { # program
    local dir
    dir=$(mktemp -d)
    for expected in "sequence 0" "sequence 1"; do
        got=$(cd "$dir" && "$1") || fail "$1 ended with $?"
        [ "$got" = "$expected" ] || fail "$1 printed '$got', not '$expected'"
    done
}

needs_shared() { # program
    readelf -d "$1" | grep -q 'NEEDED.*\[libbatpak\.so\.0\]'
}

cmake --install "$BATPAK_BUILD" --prefix "$prefix" >install.log || fail "install: $(cat install.log)"
pc=$(find "$prefix" -name batpak.pc)
[ -n "$pc" ] || fail "no batpak.pc"
lib=$(dirname "$(dirname "$pc")")
export PKG_CONFIG_PATH=$lib/pkgconfig
unset PKG_CONFIG_LIBDIR PKG_CONFIG_SYSROOT_DIR
export LD_LIBRARY_PATH=$lib

for file in "$lib/libbatpak.a" "$lib/libbatpak.so" "$lib/libbatpak.so.0" "$prefix/include/batpak/batpak.h"; do
    [ -e "$file" ] || fail "not installed: $file"
done
if [ -n "${BATPAK:-}" ]; then
    "$prefix/bin/batpak" --version >/dev/null || fail "the installed command does not run"
fi
for file in $(grep -rlF -e "$BATPAK_SOURCE" -e "$prefix" "$pc" "$lib/cmake"); do
    fail "$file names a folder of this machine"
done

# The library's face.
readelf -d "$lib/libbatpak.so" | grep -q 'SONAME.*\[libbatpak\.so\.0\]' || fail "SONAME is not libbatpak.so.0"
nm -D --defined-only "$lib/libbatpak.so" | awk '$2 != "A" { sub(/@.*/, "", $3); print $3 }' | sort >exported
if grep -v '^bp_' exported; then
    fail "exported, but not bp_*"
fi
cat "$prefix"/include/batpak/*.h >all.h
"$cc" -std=c17 -fpreprocessed -dD -E -P all.h | tr '\n' ' ' |
    grep -oP 'BP_API[^;{}()]*?\b\Kbp_\w+(?=\s*\()' | sort -u >declared
[ -s declared ] || fail "no function declared with BP_API found in the headers"
diff declared exported || fail "declared (<) and exported (>) functions differ"

# Each header alone.
for header in "$prefix"/include/batpak/*.h; do
    echo "#include <batpak/$(basename "$header")>" >alone.c
    echo "typedef int not_empty;" >>alone.c
    cp alone.c alone.cpp
    for compiler in "$cc" gcc clang; do
        command -v "$compiler" >/dev/null || continue
        "$compiler" -std=c17 -Wall -Wextra -Wpedantic -Wstrict-prototypes -Werror -fsyntax-only \
            -I"$prefix/include" alone.c || fail "$header alone, in C17 ($compiler)"
    done
    for compiler in g++ clang++; do
        command -v "$compiler" >/dev/null || continue
        "$compiler" -std=c++17 -Wall -Wextra -Wpedantic -Werror -fsyntax-only \
            -I"$prefix/include" alone.cpp || fail "$header alone, in C++17 ($compiler)"
    done
done

# The first program, as the README prints it.
awk '/^```c$/ { inside = 1; text = ""; next }
     /^```$/ { if (inside && text ~ /int main/) { printf "%s", text; exit } inside = 0 }
     inside { text = text $0 "\n" }' "$BATPAK_SOURCE/README.md" >readme.c
diff "$first" readme.c || fail "the first program of README.md is not tests/install/first.c"

# By pkg-config. Both libraries lie side by side, so the static one is named in full.
flags="-std=c17 -Wall -Wextra -Wpedantic -Werror"
# shellcheck disable=SC2046,SC2086
"$cc" $flags readme.c $(pkg-config --cflags --libs batpak) -o pc_shared || fail "pkg-config, shared"
needs_shared pc_shared || fail "pc_shared does not use libbatpak.so.0"
runs "$PWD/pc_shared"
# shellcheck disable=SC2046,SC2086
"$cc" $flags readme.c $(pkg-config --cflags batpak) -L"$lib" -l:libbatpak.a -Wl,--as-needed \
    $(pkg-config --static --libs batpak) -o pc_static || fail "pkg-config, static"
! needs_shared pc_static || fail "pc_static uses libbatpak.so.0"
runs "$PWD/pc_static"

# By find_package.
cmake -S "$BATPAK_SOURCE/tests/install/consumer" -B consumer -G Ninja -DCMAKE_PREFIX_PATH="$prefix" \
    -DCMAKE_C_COMPILER="$cc" -DFIRST="$PWD/readme.c" >consumer.log 2>&1 || fail "$(cat consumer.log)"
cmake --build consumer >>consumer.log 2>&1 || fail "$(cat consumer.log)"
needs_shared consumer/by_shared || fail "by_shared does not use libbatpak.so.0"
! needs_shared consumer/by_static || fail "by_static uses libbatpak.so.0"
runs "$PWD/consumer/by_shared"
runs "$PWD/consumer/by_static"
echo "installed, found and used"
