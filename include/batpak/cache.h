/*
 * cache.h: where projections keep encoded states, so that an answer need not be folded again. A table of functions that
 * anybody may write; memory, LMDB and SQLite are built in.
 *
 * A cache is derived: it may be emptied, deleted or lost at any time and no answer changes. What comes back from one is
 * believed only if its checksum, type, version, kinds and position hold against the log; anything else is as if it were
 * not there. A cache that fails is reported through the log hook (warn, target "cache") and passed by.
 */
#ifndef BATPAK_CACHE_H
#define BATPAK_CACHE_H

#include <batpak/output.h>
#include <batpak/status.h>
#include <batpak/store.h>

#ifdef __cplusplus
extern "C" {
#endif

enum {
    BP_CACHE_PREFETCHES = 1, /* prefetch does something */
    BP_CACHE_PERSISTENT = 2, /* what was put is there in the next process */
    BP_CACHE_SHARED = 4      /* several processes may use it at once */
};

#define BP_CACHE_KEY_MAX 400u /* bytes; a projection's keys begin with its type id and a NUL */

/*
 * The functions may be called from any thread, several at a time, except that `close` comes last. Keys and values are
 * bytes. `error` is never NULL and is to be set (bp_error_set) with every status but BP_OK and BP_ERR_NOT_FOUND. An erasure
 * waits for `put`, which must not ask for one (bp_erase).
 */
typedef struct bp_cache {
    size_t size;      /* sizeof(bp_cache) */
    const char *name; /* for people: "memory" */
    uint32_t capabilities;
    void *context;
    /* A hint that these keys will be asked for soon. */
    void (*prefetch)(void *context, const void *const *keys, const size_t *key_sizes, size_t count);
    /* Appends the value. BP_ERR_NOT_FOUND: there is none. */
    bp_status (*get)(void *context, const void *key, size_t key_size, bp_output *value, bp_error *error);
    bp_status (*put)(void *context, const void *key, size_t key_size, const void *value, size_t value_size,
                     bp_error *error);
    /* Deletes all whose key begins so; size 0 deletes everything, and the bytes are to be gone (bp_erase counts on it).
     * *deleted_out: how many, never NULL. */
    bp_status (*delete_prefix)(void *context, const void *prefix, size_t prefix_size, uint64_t *deleted_out,
                               bp_error *error);
    /* Puts on the medium what was put; BP_OK where there is nothing to do. */
    bp_status (*sync)(void *context, bp_error *error);
    void (*close)(void *context);
} bp_cache;

/* Closes and frees a cache that one of the functions below made; NULL is allowed. No projection may be using it. */
BP_API void bp_cache_close(bp_cache *cache);

/*
 * Deletes what projections of that type id keep in it; NULL: everything, and then nothing is left of it in the files of LMDB and
 * SQLite either (of a type, the bytes may lie there in free pages). deleted_out may be NULL. BP_ERR_LOCKED: all is deleted, but
 * another connection is using the SQLite file, which keeps some of it until somebody asks again.
 */
BP_API BP_MUST_USE bp_status bp_cache_forget(const bp_cache *cache, const char *type, uint64_t *deleted_out,
                                             bp_error *error);

/* Puts on the medium what was put. BP_ERR_LOCKED: not all of it, since another connection is using the SQLite file. */
BP_API BP_MUST_USE bp_status bp_cache_sync(const bp_cache *cache, bp_error *error);

/*
 * In memory. What was used longest ago goes when more than `bytes_max` are held (0: 64 MiB); a value larger than that is not
 * kept. allocator NULL: the system's. BP_ERR_NO_MEMORY.
 */
BP_API BP_MUST_USE bp_status bp_cache_memory(size_t bytes_max, const bp_allocator *allocator, bp_cache **cache_out,
                                             bp_error *error);

/*
 * On disk. Both are left out of a library that was built without LMDB or SQLite: BP_ERR_UNSUPPORTED then, and nothing else
 * is different. `directory` NULL is cache/lmdb, cache/sqlite in the store's own directory, which `store` says then; any other
 * path is made (its last part) with mode 0700 and should hold nothing else. `store` may be NULL when a directory is given;
 * its log hook is told what becomes of the files. The cache must be closed before the store's directory goes. It does not
 * survive fork(): in the child only bp_cache_close may be called, which releases nothing but memory. bp_erase removes the files
 * in cache/: a cache that is open there, in any process, notices at its next get or put and begins anew, empty.
 *
 *   BP_ERR_ARGUMENT     neither a store nor a directory; a size out of range
 *   BP_ERR_UNSUPPORTED  built without; or `directory` is NULL and the store does not lie on this machine's files
 *   BP_ERR_LOCKED       another handle, in this process or another, has the LMDB cache there open; somebody
 *                       writes to the SQLite file, for longer than a second
 *   BP_ERR_IO, BP_ERR_NO_SPACE, BP_ERR_NO_MEMORY, BP_ERR_FORKED, BP_ERR_CLOSED
 */

typedef struct bp_cache_lmdb_options {
    size_t size;
    const char *directory;
    uint64_t map_size;     /* bytes to begin with; default 16 MiB. Doubled whenever it is full ... */
    uint64_t map_size_max; /* ... up to this; then the cache is emptied. Default 1 GiB */
} bp_cache_lmdb_options;

BP_API void bp_cache_lmdb_options_default(bp_cache_lmdb_options *options, size_t size);
static inline void bp_cache_lmdb_options_init(bp_cache_lmdb_options *options)
{
    bp_cache_lmdb_options_default(options, sizeof *options);
}

/*
 * LMDB: the fastest on disk; one handle at a time. Nothing is synced but by bp_cache_sync. LMDB believes its file, so that
 * the file is only used again if it was closed whole (its checksum is kept, and reading it is the price of opening), or if its
 * process died while the machine ran on; else it is emptied.
 */
BP_API BP_MUST_USE bp_status bp_cache_lmdb(bp_store *store, const bp_cache_lmdb_options *options, bp_cache **cache_out,
                                           bp_error *error);

/* SQLite: any number of processes may share it. A file that SQLite finds damaged is removed and made anew. */
BP_API BP_MUST_USE bp_status bp_cache_sqlite(bp_store *store, const char *directory, bp_cache **cache_out,
                                             bp_error *error);

#ifdef __cplusplus
}
#endif

#endif
