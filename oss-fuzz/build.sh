#!/bin/bash
# build.sh: as OSS-Fuzz calls it: CC, CFLAGS, LIB_FUZZING_ENGINE, SRC, WORK and OUT are set. Leaves in OUT, for each target: the
# program, its corpus, its dictionary and its options; and in OUT/lib the shared libraries that the runner does not have.
set -eu # OSS-Fuzz calls it as an argument of bash
blake3=()
if [ -d "$SRC/blake3/c" ]; then
    blake3=("-DBATPAK_BLAKE3_DIR=$SRC/blake3/c")
fi
cmake -S "$SRC/batpak" -B "$WORK/build" -G Ninja -DCMAKE_BUILD_TYPE=Debug -DBATPAK_FUZZ=ON \
    -DBATPAK_FUZZ_ENGINE="$LIB_FUZZING_ENGINE" -DBATPAK_DEBUG=ON -DBATPAK_CLI=OFF -DBATPAK_TESTS=OFF \
    -DBATPAK_LMDB=OFF -DBATPAK_SQLITE=OFF -DBATPAK_LIBSODIUM=OFF "${blake3[@]}"
cmake --build "$WORK/build"

mkdir -p "$OUT/lib"
for program in "$WORK"/build/fuzz/fuzz_*; do
    target=$(basename "$program")
    name=${target#fuzz_}
    tests=$SRC/batpak/tests/fuzz
    cp "$program" "$OUT/"
    ldd "$program" | awk '/=> \// { print $3 }' |
        grep -E '/lib(isal|cmocka|jansson|msgpack)' | xargs -r -I{} cp -L {} "$OUT/lib/"
    patchelf --set-rpath "\$ORIGIN/lib" "$OUT/$target"
    (cd "$tests/corpus/$name" && zip -q -r "$OUT/${target}_seed_corpus.zip" .)
    if [ -f "$tests/dictionaries/$name.dict" ]; then
        cp "$tests/dictionaries/$name.dict" "$OUT/$target.dict"
    fi
    printf '[libfuzzer]\nmax_len = 65536\nmalloc_limit_mb = 512\n' >"$OUT/$target.options"
done
