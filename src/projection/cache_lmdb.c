/*
 * cache_lmdb.c: a cache in an LMDB file.
 *
 * LMDB maps its file and believes what it finds there, so what it is given must be what it wrote. The file MARK beside it
 * says which of two things is so:
 *   closed   it was closed whole; size and CRC-32C of the data are in the mark and are compared at opening
 *   open     it is in use, or its process died; believed if the machine has not been started anew since (boot id and
 *            mount), since what a process wrote into the page cache is all there
 * In every other case (no mark, a mark that is damaged, another boot, another CRC) the cache is emptied. Nothing is ever
 * synced for safety: a power cut costs the cache, and no answer.
 *
 * Threads: the map may only be resized while no transaction is under way: transactions hold `lock` shared, growing holds it
 * alone. LOCK keeps other handles out, so that nobody else's map is too small.
 *
 * MARK, little-endian: magic 4 · CRC-32C of all behind it 4 · state 4 · CRC of the data 4 · size of the data 8 · mount 8 · boot
 * id 16.
 */
#include <batpak/cache.h>

#ifdef BPI_HAVE_LMDB

#include <errno.h>
#include <lmdb.h>
#include <pthread.h>
#include <string.h>

#include "base/bytes.h"
#include "base/checksum.h"
#include "base/error.h"
#include "io/lock.h"
#include "io/optional.h"
#include "projection/place.h"
#include "store/read.h"

enum {
    MARK_SIZE = 48,
    MARK_OPEN = 1,
    MARK_CLOSED = 2,
    CHUNK = 1 << 20,
    READERS = 510,
    TRIES = 40 /* doublings and one emptying */
};

#define MARK_MAGIC UINT32_C(0x314d7062) /* "bpM1" */
#define MAP_LEAST ((uint64_t)64 << 10)
#define MAP_MOST ((uint64_t)1 << 42)

typedef struct lmdb_cache {
    bp_cache table;
    bpi_place place;
    bp_file *lock_file;
    pthread_rwlock_t lock;
    MDB_env *env;
    MDB_dbi dbi;
    bp_file *data_file;    /* [lock] data.mdb, to see whether it is there still */
    uint64_t map_size;     /* [lock] */
    uint64_t map_size_max; /* of the options */
    uint64_t fork_generation;
} lmdb_cache;

static bp_status failed(bp_error *error, int code, const char *what)
{
    if (code > 0) {
        return bpi_error_system(error, code, "LMDB: %s", what);
    }
    bp_status status = code == MDB_MAP_FULL ? BP_ERR_NO_SPACE : BP_ERR_IO;
    return bpi_error_set(error, status, "LMDB: %s: %s", what, mdb_strerror(code));
}

/* ---- the mark ---- */

typedef struct mark {
    uint32_t state;
    uint32_t data_crc;
    uint64_t data_size;
    bp_io_place where;
} mark;

/* Size and CRC of data.mdb; size 0 when there is none. */
static int measure(const bpi_place *place, uint64_t *size_out, uint32_t *crc_out)
{
    const bp_io *io = place->io;
    bp_file *file = NULL;
    *size_out = 0;
    *crc_out = 0;
    int code = io->file_open(io->context, place->dir, "data.mdb", BP_OPEN_READ, &file);
    if (code != 0) {
        return code == ENOENT ? 0 : code;
    }
    uint8_t *chunk = bpi_allocate(bp_allocator_system(), CHUNK);
    code = chunk == NULL ? ENOMEM : 0;
    for (size_t got = CHUNK; code == 0 && got == CHUNK;) {
        code = io->file_read(io->context, file, *size_out, chunk, CHUNK, &got);
        if (code == 0) {
            *crc_out = bpi_crc32c(*crc_out, chunk, got);
            *size_out += got;
        }
    }
    bpi_release(bp_allocator_system(), chunk, CHUNK);
    io->file_close(io->context, file);
    return code;
}

static bool read_mark(const bpi_place *place, mark *mark_out)
{
    const bp_io *io = place->io;
    uint8_t bytes[MARK_SIZE];
    bp_file *file = NULL;
    size_t got = 0;
    if (io->file_open(io->context, place->dir, "MARK", BP_OPEN_READ, &file) != 0) {
        return false;
    }
    int code = io->file_read(io->context, file, 0, bytes, sizeof bytes, &got);
    io->file_close(io->context, file);
    if (code != 0 || got != sizeof bytes || bpi_get32(bytes) != MARK_MAGIC ||
        bpi_get32(bytes + 4) != bpi_crc32c(0, bytes + 8, sizeof bytes - 8)) {
        return false;
    }
    mark_out->state = bpi_get32(bytes + 8);
    mark_out->data_crc = bpi_get32(bytes + 12);
    mark_out->data_size = bpi_get64(bytes + 16);
    mark_out->where.mount = bpi_get64(bytes + 24);
    memcpy(mark_out->where.boot, bytes + 32, sizeof mark_out->where.boot);
    return true;
}

static int write_mark(const bpi_place *place, const mark *m)
{
    const bp_io *io = place->io;
    uint8_t bytes[MARK_SIZE];
    bp_file *file = NULL;
    bpi_put32(bytes, MARK_MAGIC);
    bpi_put32(bytes + 8, m->state);
    bpi_put32(bytes + 12, m->data_crc);
    bpi_put64(bytes + 16, m->data_size);
    bpi_put64(bytes + 24, m->where.mount);
    memcpy(bytes + 32, m->where.boot, sizeof m->where.boot);
    bpi_put32(bytes + 4, bpi_crc32c(0, bytes + 8, sizeof bytes - 8));
    int code = io->file_open(io->context, place->dir, "MARK", BP_OPEN_WRITE | BP_OPEN_CREATE, &file);
    if (code == 0) {
        code = io->file_write(io->context, file, 0, bytes, sizeof bytes);
        io->file_close(io->context, file);
    }
    return code;
}

/* NULL: the data may be given to LMDB; else why not. */
static const char *judge(const bpi_place *place, const bp_io_place *where)
{
    mark m;
    uint64_t size = 0;
    uint32_t crc = 0;
    if (!read_mark(place, &m)) {
        return "its mark is missing or damaged";
    }
    if (m.state == MARK_OPEN) {
        bool same = memcmp(m.where.boot, where->boot, sizeof where->boot) == 0 && m.where.mount == where->mount &&
                    where->mount != 0;
        return same ? NULL : "the machine went down while it was open";
    }
    if (m.state != MARK_CLOSED || measure(place, &size, &crc) != 0 || size != m.data_size || crc != m.data_crc) {
        return "it is not as it was closed";
    }
    return NULL;
}

/* ---- the environment ---- */

/* A file that ends before the pages it tells of: LMDB would read beyond its end, which is a signal and no error. */
static int check_length(const lmdb_cache *cache, const MDB_envinfo *info)
{
    const bp_io *io = cache->place.io;
    bp_file *file = NULL;
    MDB_stat stat;
    uint64_t size = 0;
    int code = mdb_env_stat(cache->env, &stat);
    code = code == 0 ? io->file_open(io->context, cache->place.dir, "data.mdb", BP_OPEN_READ, &file) : code;
    if (code == 0) {
        code = io->file_size(io->context, file, &size);
        io->file_close(io->context, file);
    }
    return code == 0 && size / stat.ms_psize <= info->me_last_pgno ? MDB_CORRUPTED : code;
}

/* Made by us, so that nobody else may read them whatever the umask, and no link is followed. Empty ones are new ones to LMDB. */
static int make_files(const bpi_place *place)
{
    static const char *const files[] = {"data.mdb", "lock.mdb"};
    int code = 0;
    for (size_t i = 0; code == 0 && i < 2; i++) {
        bp_file *file = NULL;
        code = place->io->file_open(place->io->context, place->dir, files[i], BP_OPEN_WRITE | BP_OPEN_CREATE, &file);
        place->io->file_close(place->io->context, file);
    }
    return code;
}

static void shut(lmdb_cache *cache)
{
    mdb_env_close(cache->env);
    cache->env = NULL;
    if (cache->data_file != NULL) {
        cache->place.io->file_close(cache->place.io->context, cache->data_file);
    }
    cache->data_file = NULL;
}

static int open_env(lmdb_cache *cache)
{
    const bp_io *io = cache->place.io;
    MDB_txn *txn = NULL;
    MDB_envinfo info;
    int code = make_files(&cache->place);
    if (code == 0) {
        code = io->file_open(io->context, cache->place.dir, "data.mdb", BP_OPEN_READ, &cache->data_file);
    }
    code = code == 0 ? mdb_env_create(&cache->env) : code;
    code = code == 0 ? mdb_env_set_mapsize(cache->env, (size_t)cache->map_size) : code;
    code = code == 0 ? mdb_env_set_maxreaders(cache->env, READERS) : code;
    code = code == 0 ? mdb_env_open(cache->env, cache->place.path, MDB_NOSYNC | MDB_NOTLS, 0600) : code;
    code = code == 0 ? mdb_env_info(cache->env, &info) : code;
    code = code == 0 ? check_length(cache, &info) : code;
    if (code == 0) {
        cache->map_size = info.me_mapsize; /* as large as it was left */
        code = mdb_txn_begin(cache->env, NULL, 0, &txn);
    }
    if (code == 0) {
        code = mdb_dbi_open(txn, NULL, 0, &cache->dbi);
        if (code == 0) {
            code = mdb_txn_commit(txn);
        } else {
            mdb_txn_abort(txn);
        }
    }
    return code;
}

/* Begins a transaction; the lock is held, shared. */
static int begin(lmdb_cache *cache, unsigned flags, MDB_txn **txn_out)
{
    bool usable = cache->env != NULL && cache->fork_generation == bpi_fork_generation();
    return !usable ? EIO : mdb_txn_begin(cache->env, NULL, flags, txn_out);
}

/* A full map has no room to free its own pages in: another file is begun. */
static int empty(lmdb_cache *cache)
{
    shut(cache);
    if (bpi_place_remove(&cache->place, "data.mdb", NULL) != BP_OK ||
        bpi_place_remove(&cache->place, "lock.mdb", NULL) != BP_OK) {
        return EIO;
    }
    int code = open_env(cache);
    if (code != 0) {
        shut(cache);
    }
    return code;
}

/* An erasure removes the files of cache/ without knowing who has them open. */
static bool has_lost_its_file(const lmdb_cache *cache)
{
    uint64_t names = 0;
    return cache->env != NULL && cache->fork_generation == bpi_fork_generation() &&
           bpi_io_links(cache->place.io, cache->data_file, &names) == 0 && names == 0;
}

/* What was in the file is not to be served any more: another is begun. */
static void look_for_file(lmdb_cache *cache)
{
    (void)pthread_rwlock_rdlock(&cache->lock);
    bool lost = has_lost_its_file(cache);
    (void)pthread_rwlock_unlock(&cache->lock);
    if (lost) {
        (void)pthread_rwlock_wrlock(&cache->lock);
        if (has_lost_its_file(cache)) {
            (void)empty(cache);
        }
        (void)pthread_rwlock_unlock(&cache->lock);
    }
}

/* Twice the map, or an empty one when it is as large as it may be. */
static bp_status make_room(lmdb_cache *cache, uint64_t seen, bp_error *error)
{
    int code = 0;
    (void)pthread_rwlock_wrlock(&cache->lock);
    if (cache->env == NULL) {
        code = EIO;
    } else if (cache->map_size == seen && seen < cache->map_size_max) {
        uint64_t size = seen * 2 < cache->map_size_max ? seen * 2 : cache->map_size_max;
        code = mdb_env_set_mapsize(cache->env, (size_t)size);
        cache->map_size = code == 0 ? size : seen;
    } else if (cache->map_size == seen) {
        code = empty(cache);
    }
    (void)pthread_rwlock_unlock(&cache->lock);
    return code == 0 ? BP_OK : failed(error, code, "cannot make room");
}

/* A transaction that writes; again with more room as long as it has too little. */
static bp_status write_all(lmdb_cache *cache, int (*work)(MDB_txn *txn, MDB_dbi dbi, void *argument), void *argument,
                           bp_error *error)
{
    look_for_file(cache);
    for (int tries = 0; tries < TRIES; tries++) {
        MDB_txn *txn = NULL;
        (void)pthread_rwlock_rdlock(&cache->lock);
        uint64_t seen = cache->map_size;
        int code = begin(cache, 0, &txn);
        if (code == 0) {
            code = work(txn, cache->dbi, argument);
            if (code == 0) {
                code = mdb_txn_commit(txn);
            } else {
                mdb_txn_abort(txn);
            }
        }
        (void)pthread_rwlock_unlock(&cache->lock);
        if (code != MDB_MAP_FULL) {
            return code == 0 ? BP_OK : failed(error, code, "cannot write");
        }
        bp_status status = make_room(cache, seen, error);
        if (status != BP_OK) {
            return status;
        }
    }
    return failed(error, MDB_MAP_FULL, "the value is larger than the cache");
}

/* ---- the table ---- */

static bp_status lmdb_get(void *context, const void *key, size_t key_size, bp_output *value, bp_error *error)
{
    lmdb_cache *cache = context;
    MDB_val asked = {.mv_size = key_size, .mv_data = (void *)(uintptr_t)key};
    MDB_val found;
    MDB_txn *txn = NULL;
    bp_status status = BP_OK;
    look_for_file(cache);
    (void)pthread_rwlock_rdlock(&cache->lock);
    int code = begin(cache, MDB_RDONLY, &txn);
    if (code == 0) {
        code = mdb_get(txn, cache->dbi, &asked, &found);
        if (code == 0 && !bp_output_append(value, found.mv_data, found.mv_size)) {
            status = bpi_error_set(error, BP_ERR_NO_MEMORY, "no memory for a cached value");
        }
        mdb_txn_abort(txn);
    }
    (void)pthread_rwlock_unlock(&cache->lock);
    if (code == MDB_NOTFOUND) {
        return BP_ERR_NOT_FOUND;
    }
    return code == 0 ? status : failed(error, code, "cannot read");
}

static void lmdb_prefetch(void *context, const void *const *keys, const size_t *key_sizes, size_t count)
{
    enum { PAGE = 4096 };
    lmdb_cache *cache = context;
    MDB_txn *txn = NULL;
    (void)pthread_rwlock_rdlock(&cache->lock);
    if (begin(cache, MDB_RDONLY, &txn) == 0) {
        for (size_t i = 0; i < count; i++) {
            MDB_val asked = {.mv_size = key_sizes[i], .mv_data = (void *)(uintptr_t)keys[i]};
            MDB_val found;
            if (mdb_get(txn, cache->dbi, &asked, &found) == 0) {
                const volatile uint8_t *bytes = found.mv_data;
                for (size_t at = 0; at < found.mv_size; at += PAGE) {
                    (void)bytes[at]; /* a look brings the page in */
                }
            }
        }
        mdb_txn_abort(txn);
    }
    (void)pthread_rwlock_unlock(&cache->lock);
}

typedef struct pair {
    MDB_val key;
    MDB_val value;
} pair;

static int put_pair(MDB_txn *txn, MDB_dbi dbi, void *argument)
{
    pair *p = argument;
    return mdb_put(txn, dbi, &p->key, &p->value, 0);
}

static bp_status lmdb_put(void *context, const void *key, size_t key_size, const void *value, size_t value_size,
                          bp_error *error)
{
    pair p = {.key = {.mv_size = key_size, .mv_data = (void *)(uintptr_t)key},
              .value = {.mv_size = value_size, .mv_data = (void *)(uintptr_t)value}};
    return write_all(context, put_pair, &p, error);
}

typedef struct deletion {
    const void *prefix;
    size_t prefix_size;
    uint64_t deleted;
} deletion;

static int delete_all(MDB_txn *txn, MDB_dbi dbi, void *argument)
{
    deletion *d = argument;
    MDB_cursor *cursor = NULL;
    MDB_val key = {.mv_size = d->prefix_size, .mv_data = (void *)(uintptr_t)d->prefix};
    MDB_val value;
    d->deleted = 0;
    int code = mdb_cursor_open(txn, dbi, &cursor);
    if (code != 0) {
        return code;
    }
    code = mdb_cursor_get(cursor, &key, &value, MDB_SET_RANGE);
    while (code == 0 && key.mv_size >= d->prefix_size && memcmp(key.mv_data, d->prefix, d->prefix_size) == 0) {
        code = mdb_cursor_del(cursor, 0);
        if (code == 0) {
            d->deleted++;
            code = mdb_cursor_get(cursor, &key, &value, MDB_NEXT);
        }
    }
    mdb_cursor_close(cursor);
    return code == MDB_NOTFOUND ? 0 : code;
}

/* Deleted values stay in pages that are free: nothing is to be left in the file, so that another one is begun. */
static bp_status delete_file(lmdb_cache *cache, uint64_t *deleted_out, bp_error *error)
{
    MDB_stat stat = {0};
    (void)pthread_rwlock_wrlock(&cache->lock);
    int code = cache->fork_generation == bpi_fork_generation() ? 0 : EIO;
    if (code == 0 && cache->env != NULL) {
        code = mdb_env_stat(cache->env, &stat);
    }
    if (code == 0) {
        code = empty(cache);
    }
    (void)pthread_rwlock_unlock(&cache->lock);
    *deleted_out = code == 0 ? stat.ms_entries : 0;
    return code == 0 ? BP_OK : failed(error, code, "cannot delete everything");
}

static bp_status lmdb_delete_prefix(void *context, const void *prefix, size_t prefix_size, uint64_t *deleted_out,
                                    bp_error *error)
{
    if (prefix_size == 0) {
        return delete_file(context, deleted_out, error);
    }
    deletion d = {.prefix = prefix, .prefix_size = prefix_size};
    bp_status status = write_all(context, delete_all, &d, error);
    *deleted_out = status == BP_OK ? d.deleted : 0;
    return status;
}

static bp_status lmdb_sync(void *context, bp_error *error)
{
    lmdb_cache *cache = context;
    (void)pthread_rwlock_rdlock(&cache->lock);
    int code = cache->env == NULL ? EIO : mdb_env_sync(cache->env, 1);
    (void)pthread_rwlock_unlock(&cache->lock);
    return code == 0 ? BP_OK : failed(error, code, "cannot sync");
}

/* ---- opening and closing ---- */

static void release(lmdb_cache *cache)
{
    const bp_io *io = cache->place.io;
    shut(cache);
    if (cache->lock_file != NULL) {
        io->file_close(io->context, cache->lock_file);
    }
    bpi_place_close(&cache->place);
    (void)pthread_rwlock_destroy(&cache->lock);
    bpi_release(bp_allocator_system(), cache, sizeof *cache);
}

static void lmdb_close(void *context)
{
    lmdb_cache *cache = context;
    mark m = {.state = MARK_CLOSED};
    bool ours = cache->fork_generation == bpi_fork_generation();
    bool whole = cache->env != NULL && ours;
    if (!ours) {
        cache->env = NULL; /* the parent has it open: LMDB is not told, and the mark stays */
    }
    if (whole) {
        shut(cache);
    }
    if (whole && measure(&cache->place, &m.data_size, &m.data_crc) == 0) {
        (void)write_mark(&cache->place, &m);
    }
    release(cache);
}

static bp_status take_lock(lmdb_cache *cache, bp_error *error)
{
    const bp_io *io = cache->place.io;
    uint64_t holder = 0;
    int code = io->file_open(io->context, cache->place.dir, "LOCK", BP_OPEN_WRITE | BP_OPEN_CREATE, &cache->lock_file);
    if (code == 0) {
        code = io->file_lock(io->context, cache->lock_file, &holder);
    }
    if (code == EAGAIN) {
        bpi_error_set(error, BP_ERR_LOCKED, "another handle has this cache open (process %llu)",
                      (unsigned long long)holder);
        bpi_error_file(error, "%s", cache->place.path);
        bpi_error_hint(error, "give this one a directory of its own");
        return BP_ERR_LOCKED;
    }
    return code == 0 ? BP_OK : bpi_error_system(error, code, "cannot lock a cache");
}

/* What must not be given to LMDB goes. */
static bp_status prepare(lmdb_cache *cache, const bp_store *store, bp_error *error)
{
    const bp_io *io = cache->place.io;
    mark m = {.state = MARK_OPEN};
    bp_status status = BP_OK;
    int code = io->dir_place(io->context, cache->place.dir, &m.where);
    if (code != 0) {
        return bpi_error_system(error, code, "cannot look where a cache lies");
    }
    const char *why = judge(&cache->place, &m.where);
    if (why != NULL) {
        static const char *const files[] = {"MARK", "data.mdb", "lock.mdb"};
        bpi_place_say(store, &cache->place, "emptied", why);
        for (size_t i = 0; status == BP_OK && i < 3; i++) {
            status = bpi_place_remove(&cache->place, files[i], error);
        }
    }
    if (status == BP_OK) {
        code = write_mark(&cache->place, &m);
        status = code == 0 ? BP_OK : bpi_error_system(error, code, "cannot mark a cache");
    }
    return status;
}

static bp_status take_options(const bp_cache_lmdb_options *given, bp_cache_lmdb_options *options, bp_error *error)
{
    bp_cache_lmdb_options_init(options);
    bp_status status =
        bpi_options_take(given, sizeof *options, options, sizeof *options, "bp_cache_lmdb_options", error);
    if (status == BP_OK && (options->map_size < MAP_LEAST || options->map_size > options->map_size_max ||
                            options->map_size_max > MAP_MOST)) {
        status = bpi_error_set(error, BP_ERR_ARGUMENT,
                               "bp_cache_lmdb_options: map_size is 64 KiB at least and map_size_max 4 TiB at most");
    }
    return status;
}

bp_status bp_cache_lmdb(bp_store *store, const bp_cache_lmdb_options *options, bp_cache **cache_out, bp_error *error)
{
    bp_cache_lmdb_options taken;
    if (cache_out == NULL) {
        return bpi_error_set(error, BP_ERR_ARGUMENT, "cache_out is NULL");
    }
    *cache_out = NULL;
    bp_status status = take_options(options, &taken, error);
    if (status != BP_OK) {
        return status;
    }
    lmdb_cache *cache = bpi_allocate_zero(bp_allocator_system(), sizeof *cache);
    if (cache == NULL) {
        return bpi_error_set(error, BP_ERR_NO_MEMORY, "no memory for a cache");
    }
    (void)pthread_rwlock_init(&cache->lock, NULL);
    cache->fork_generation = bpi_fork_generation();
    cache->map_size = taken.map_size;
    cache->map_size_max = taken.map_size_max;
    status = bpi_place_open(&cache->place, store, taken.directory, "lmdb", error);
    status = status == BP_OK ? take_lock(cache, error) : status;
    status = status == BP_OK ? prepare(cache, store, error) : status;
    if (status == BP_OK) {
        int code = open_env(cache);
        if (code == MDB_CORRUPTED) {
            bpi_place_say(store, &cache->place, "emptied", "its file was cut");
            code = empty(cache);
        }
        status = code == 0 ? BP_OK : failed(error, code, "cannot open");
    }
    if (status != BP_OK) {
        release(cache);
        return status;
    }
    cache->table = (bp_cache){.size = sizeof(bp_cache),
                              .name = "LMDB",
                              .capabilities = BP_CACHE_PREFETCHES | BP_CACHE_PERSISTENT,
                              .context = cache,
                              .prefetch = lmdb_prefetch,
                              .get = lmdb_get,
                              .put = lmdb_put,
                              .delete_prefix = lmdb_delete_prefix,
                              .sync = lmdb_sync,
                              .close = lmdb_close};
    *cache_out = &cache->table;
    return BP_OK;
}

#else

#include "base/error.h"

bp_status bp_cache_lmdb(bp_store *store, const bp_cache_lmdb_options *options, bp_cache **cache_out, bp_error *error)
{
    (void)store;
    (void)options;
    if (cache_out != NULL) {
        *cache_out = NULL;
    }
    bpi_error_set(error, BP_ERR_UNSUPPORTED, "this library was built without LMDB");
    bpi_error_hint(error, "another cache, or a build with liblmdb-dev");
    return BP_ERR_UNSUPPORTED;
}

#endif
