#!/bin/bash
# ctest: labels=slow timeout=600
# The library can be configured and compiled without LMDB, SQLite and libsodium, and then asks for none of them.
set -eu

fail() {
    echo "FAIL: $*" >&2
    exit 1
}

if [ -n "${BATPAK_INSTRUMENTED:-}" ]; then
    echo "skipped: once is enough"
    exit 77
fi
cmake -S "$BATPAK_SOURCE" -B without -G Ninja -DCMAKE_BUILD_TYPE=Debug -DBATPAK_WERROR=ON -DBATPAK_CLI=OFF \
    -DBATPAK_LMDB=OFF -DBATPAK_SQLITE=OFF -DBATPAK_LIBSODIUM=OFF >configure.log 2>&1 || fail "$(cat configure.log)"
grep -q 'without lmdb' configure.log || fail "configure found lmdb: $(cat configure.log)"
grep -q 'without sqlite3' configure.log || fail "configure found sqlite3: $(cat configure.log)"
grep -q '^Requires.private: libisal$' without/batpak.pc || fail "batpak.pc: $(cat without/batpak.pc)"
grep -q 'without libsodium' configure.log || fail "configure found libsodium: $(cat configure.log)"
! grep -q 'BPI_HAVE' without/compile_commands.json || fail "a definition says that something is there"
objects=$(cd without && ninja -t targets all | sed -n 's#^\(CMakeFiles/batpak_objects.dir/src/\(projection\|base/cipher\).*\.o\):.*#\1#p')
[ -n "$objects" ] || fail "no objects of src/projection"
# shellcheck disable=SC2086
ninja -C without $objects >build.log 2>&1 || fail "$(cat build.log)"
echo "built without LMDB, SQLite and libsodium"
