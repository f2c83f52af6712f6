/*
 * engines.c: which engines this build has, in the order of the tables.
 */
#include "bench.h"

extern const struct engine engine_batpak;
extern const struct engine engine_sqlite;
extern const struct engine engine_lmdb;
extern const struct engine engine_rocksdb;
extern const struct engine engine_leveldb;

const struct engine *const engines[] = {
    &engine_batpak,
#ifdef BENCH_HAVE_SQLITE
    &engine_sqlite,
#endif
#ifdef BENCH_HAVE_LMDB
    &engine_lmdb,
#endif
#ifdef BENCH_HAVE_ROCKSDB
    &engine_rocksdb,
#endif
#ifdef BENCH_HAVE_LEVELDB
    &engine_leveldb,
#endif
    NULL,
};
