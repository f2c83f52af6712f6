/*
 * cache_sqlite.c: a cache in an SQLite file: one table of keys and values.
 *
 * Nothing is synced but by bp_cache_sync: what a power cut leaves is either whole or found damaged by SQLite. A file that is
 * damaged is removed and made anew, while the caller is told once that his value could not be had.
 *
 * Threads: `lock` guards the connection and its statements.
 */
#include <batpak/cache.h>

#ifdef BPI_HAVE_SQLITE

#include <pthread.h>

#include "base/error.h"
#include "io/lock.h"
#include "projection/place.h"
#include "projection/sqlite.h"

enum { BUSY_MS = 1000, PAUSE_MS = 10 };

#define FILE_NAME "states.sqlite"

enum { GET, PUT, DELETE, STATEMENTS };

static const char *const statement_texts[STATEMENTS] = {
    [GET] = "SELECT value FROM state WHERE key = ?1",
    [PUT] = "INSERT OR REPLACE INTO state(key, value) VALUES (?1, ?2)",
    [DELETE] = "DELETE FROM state WHERE ?1 = x'' OR substr(key, 1, length(?1)) = ?1",
};

typedef struct sqlite_cache {
    bp_cache table;
    bpi_place place;
    pthread_mutex_t lock;
    sqlite3 *db; /* NULL: it could not be opened again */
    sqlite3_stmt *statements[STATEMENTS];
    uint64_t fork_generation;
} sqlite_cache;

/* ---- the file ---- */

static void shut(sqlite_cache *cache)
{
    for (int i = 0; i < STATEMENTS; i++) {
        (void)sqlite3_finalize(cache->statements[i]);
        cache->statements[i] = NULL;
    }
    (void)sqlite3_close(cache->db);
    cache->db = NULL;
}

/* Made by us, so that nobody else may read it. */
static bp_status make_file(const bpi_place *place, bp_error *error)
{
    bp_file *file = NULL;
    int code = place->io->file_open(place->io->context, place->dir, FILE_NAME, BP_OPEN_WRITE | BP_OPEN_CREATE, &file);
    if (code != 0) {
        return bpi_error_system(error, code, "cannot make a cache's file");
    }
    place->io->file_close(place->io->context, file);
    return BP_OK;
}

/* SQLite does not wait where two that want to write could wait for each other, as when two processes make the file at once. */
static int set_up(sqlite3 *db)
{
    int code = SQLITE_BUSY;
    (void)sqlite3_busy_timeout(db, PAUSE_MS);
    for (int waited = 0; (code & 0xff) == SQLITE_BUSY && waited <= BUSY_MS; waited += PAUSE_MS) {
        if (waited > 0) {
            (void)sqlite3_sleep(PAUSE_MS);
        }
        code =
            sqlite3_exec(db,
                         "PRAGMA journal_mode = WAL; PRAGMA synchronous = OFF;"
                         "CREATE TABLE IF NOT EXISTS state(key BLOB PRIMARY KEY, value BLOB NOT NULL) WITHOUT ROWID;",
                         NULL, NULL, NULL);
    }
    (void)sqlite3_busy_timeout(db, BUSY_MS);
    return code;
}

static int open_db(sqlite_cache *cache, const char *path)
{
    int code =
        sqlite3_open_v2(path, &cache->db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_NOFOLLOW, NULL);
    if (code != SQLITE_OK) {
        return code;
    }
    code = set_up(cache->db);
    for (int i = 0; i < STATEMENTS && code == SQLITE_OK; i++) {
        code = sqlite3_prepare_v3(cache->db, statement_texts[i], -1, SQLITE_PREPARE_PERSISTENT, &cache->statements[i],
                                  NULL);
    }
    return code;
}

static bool is_damage(int code)
{
    return (code & 0xff) == SQLITE_CORRUPT || (code & 0xff) == SQLITE_NOTADB;
}

static bp_status remove_files(const bpi_place *place, bp_error *error)
{
    static const char *const files[] = {FILE_NAME, FILE_NAME "-wal", FILE_NAME "-shm"};
    bp_status status = BP_OK;
    for (size_t i = 0; status == BP_OK && i < 3; i++) {
        status = bpi_place_remove(place, files[i], error);
    }
    return status;
}

/* Opens the file; a damaged one, or one that holds something else, is made anew. */
static bp_status open_file(sqlite_cache *cache, const bp_store *store, bp_error *error)
{
    size_t size = 0;
    char *path = bpi_place_join(&cache->place, FILE_NAME, &size);
    bp_status status = path == NULL ? bpi_error_set(error, BP_ERR_NO_MEMORY, "no memory for a cache") : BP_OK;
    for (int tries = 0; status == BP_OK && tries < 2; tries++) {
        status = make_file(&cache->place, error);
        int code = status == BP_OK ? open_db(cache, path) : SQLITE_OK;
        if (code == SQLITE_OK) {
            break;
        }
        status = bpi_sqlite_status(cache->db, code, "cannot open a cache", error);
        shut(cache);
        if (tries == 0 && (is_damage(code) || (code & 0xff) == SQLITE_ERROR)) {
            bpi_place_say(store, &cache->place, "emptied", "SQLite finds its file damaged");
            status = remove_files(&cache->place, error);
        }
    }
    bpi_release(bp_allocator_system(), path, size);
    return status;
}

/* What SQLite answered, as ours; a damaged file is left behind. The lock is held. */
static bp_status answer(sqlite_cache *cache, int code, const char *what, bp_error *error)
{
    bp_status status = bpi_sqlite_status(cache->db, code, what, error);
    if (is_damage(code)) {
        shut(cache);
        if (remove_files(&cache->place, NULL) == BP_OK) {
            (void)open_file(cache, NULL, NULL);
        }
    }
    return status;
}

/* ---- the table ---- */

/* An erasure removes the files of cache/ without knowing who has them open: what was in them is not to be served any more. */
static bool has_lost_its_file(const sqlite_cache *cache)
{
    int moved = 0;
    return cache->db != NULL && sqlite3_file_control(cache->db, "main", SQLITE_FCNTL_HAS_MOVED, &moved) == SQLITE_OK &&
           moved != 0;
}

/* The statement with its key bound, or NULL: there is no file. */
static sqlite3_stmt *prepare(sqlite_cache *cache, int which, const void *key, size_t key_size, bp_error *error)
{
    if (cache->fork_generation != bpi_fork_generation()) {
        bpi_error_set(error, BP_ERR_FORKED, "the cache was opened before a fork");
        return NULL;
    }
    if (has_lost_its_file(cache)) {
        shut(cache);
    }
    if (cache->db == NULL && open_file(cache, NULL, error) != BP_OK) {
        return NULL;
    }
    sqlite3_stmt *statement = cache->statements[which];
    (void)sqlite3_reset(statement);
    /* A NULL pointer would bind NULL, which is no key. */
    (void)sqlite3_bind_blob64(statement, 1, key_size == 0 ? "" : key, key_size, SQLITE_STATIC);
    return statement;
}

static bp_status sqlite_get(void *context, const void *key, size_t key_size, bp_output *value, bp_error *error)
{
    sqlite_cache *cache = context;
    bp_status status = BP_ERR_IO;
    (void)pthread_mutex_lock(&cache->lock);
    sqlite3_stmt *statement = prepare(cache, GET, key, key_size, error);
    if (statement != NULL) {
        int code = sqlite3_step(statement);
        if (code == SQLITE_ROW) {
            const void *bytes = sqlite3_column_blob(statement, 0);
            status = bp_output_append(value, bytes, (size_t)sqlite3_column_bytes(statement, 0))
                         ? BP_OK
                         : bpi_error_set(error, BP_ERR_NO_MEMORY, "no memory for a cached value");
        } else {
            status = code == SQLITE_DONE ? BP_ERR_NOT_FOUND : BP_OK;
        }
        (void)sqlite3_reset(statement);
        if (code != SQLITE_ROW && code != SQLITE_DONE) {
            status = answer(cache, code, "cannot read", error);
        }
    }
    (void)pthread_mutex_unlock(&cache->lock);
    return status;
}

/* Runs a statement that writes, to its end. */
static bp_status run(sqlite_cache *cache, sqlite3_stmt *statement, const char *what, uint64_t *changed_out,
                     bp_error *error)
{
    int code = sqlite3_step(statement);
    (void)sqlite3_reset(statement);
    (void)sqlite3_clear_bindings(statement);
    if (changed_out != NULL && code == SQLITE_DONE) {
        *changed_out = (uint64_t)sqlite3_changes64(cache->db);
    }
    return answer(cache, code, what, error);
}

static bp_status sqlite_put(void *context, const void *key, size_t key_size, const void *value, size_t value_size,
                            bp_error *error)
{
    sqlite_cache *cache = context;
    bp_status status = BP_ERR_IO;
    (void)pthread_mutex_lock(&cache->lock);
    sqlite3_stmt *statement = prepare(cache, PUT, key, key_size, error);
    if (statement != NULL) {
        int code = sqlite3_bind_blob64(statement, 2, value_size == 0 ? "" : value, value_size, SQLITE_STATIC);
        status = code == SQLITE_OK ? run(cache, statement, "cannot write", NULL, error)
                                   : bpi_sqlite_status(cache->db, code, "cannot write", error);
    }
    (void)pthread_mutex_unlock(&cache->lock);
    return status;
}

/* Runs a pragma that brings the log into the file; that somebody kept it from doing all is a row of its, and no error. */
static bp_status checkpoint(sqlite_cache *cache, const char *pragma, const char *what, bp_error *error)
{
    sqlite3_stmt *statement = NULL;
    int code = sqlite3_prepare_v2(cache->db, pragma, -1, &statement, NULL);
    code = code == SQLITE_OK ? sqlite3_step(statement) : code;
    bool busy = code == SQLITE_ROW && sqlite3_column_int(statement, 0) != 0;
    (void)sqlite3_finalize(statement);
    if (busy) {
        bpi_error_set(error, BP_ERR_LOCKED, "SQLite: %s: another connection is using the cache", what);
        bpi_error_hint(error, "try again");
        return BP_ERR_LOCKED;
    }
    return answer(cache, code, what, error);
}

/* Deleted values stay in pages that are free, and in the log: both are given back. */
static bp_status give_back(sqlite_cache *cache, bp_error *error)
{
    bp_status status = answer(cache, sqlite3_exec(cache->db, "VACUUM", NULL, NULL, NULL), "cannot shrink", error);
    return status == BP_OK ? checkpoint(cache, "PRAGMA wal_checkpoint(TRUNCATE)", "cannot shrink", error) : status;
}

static bp_status sqlite_delete_prefix(void *context, const void *prefix, size_t prefix_size, uint64_t *deleted_out,
                                      bp_error *error)
{
    sqlite_cache *cache = context;
    bp_status status = BP_ERR_IO;
    *deleted_out = 0;
    (void)pthread_mutex_lock(&cache->lock);
    sqlite3_stmt *statement = prepare(cache, DELETE, prefix, prefix_size, error);
    if (statement != NULL) {
        status = run(cache, statement, "cannot delete", deleted_out, error);
        if (status == BP_OK && prefix_size == 0) {
            status = give_back(cache, error);
        }
    }
    (void)pthread_mutex_unlock(&cache->lock);
    return status;
}

static void sqlite_prefetch(void *context, const void *const *keys, const size_t *key_sizes, size_t count)
{
    (void)context;
    (void)keys;
    (void)key_sizes;
    (void)count;
}

static bp_status sqlite_sync(void *context, bp_error *error)
{
    sqlite_cache *cache = context;
    bp_status status = BP_OK;
    (void)pthread_mutex_lock(&cache->lock);
    if (cache->db != NULL) {
        /* The log into the file, and the file synced. */
        int code = sqlite3_exec(cache->db, "PRAGMA synchronous = FULL;", NULL, NULL, NULL);
        status = answer(cache, code, "cannot sync", error);
        status = status == BP_OK ? checkpoint(cache, "PRAGMA wal_checkpoint(FULL)", "cannot sync", error) : status;
        if (cache->db != NULL) {
            (void)sqlite3_exec(cache->db, "PRAGMA synchronous = OFF;", NULL, NULL, NULL);
        }
    }
    (void)pthread_mutex_unlock(&cache->lock);
    return status;
}

static void sqlite_close(void *context)
{
    sqlite_cache *cache = context;
    if (cache->fork_generation == bpi_fork_generation()) {
        shut(cache);
    } /* else the connection is the parent's: closing it here would take its locks away */
    bpi_place_close(&cache->place);
    (void)pthread_mutex_destroy(&cache->lock);
    bpi_release(bp_allocator_system(), cache, sizeof *cache);
}

bp_status bp_cache_sqlite(bp_store *store, const char *directory, bp_cache **cache_out, bp_error *error)
{
    if (cache_out == NULL) {
        return bpi_error_set(error, BP_ERR_ARGUMENT, "cache_out is NULL");
    }
    *cache_out = NULL;
    sqlite_cache *cache = bpi_allocate_zero(bp_allocator_system(), sizeof *cache);
    if (cache == NULL) {
        return bpi_error_set(error, BP_ERR_NO_MEMORY, "no memory for a cache");
    }
    (void)pthread_mutex_init(&cache->lock, NULL);
    cache->fork_generation = bpi_fork_generation();
    bp_status status = bpi_place_open(&cache->place, store, directory, "sqlite", error);
    status = status == BP_OK ? open_file(cache, store, error) : status;
    if (status != BP_OK) {
        sqlite_close(cache);
        return status;
    }
    cache->table = (bp_cache){.size = sizeof(bp_cache),
                              .name = "SQLite",
                              .capabilities = BP_CACHE_PERSISTENT | BP_CACHE_SHARED,
                              .context = cache,
                              .prefetch = sqlite_prefetch,
                              .get = sqlite_get,
                              .put = sqlite_put,
                              .delete_prefix = sqlite_delete_prefix,
                              .sync = sqlite_sync,
                              .close = sqlite_close};
    *cache_out = &cache->table;
    return BP_OK;
}

#else

#include "base/error.h"

bp_status bp_cache_sqlite(bp_store *store, const char *directory, bp_cache **cache_out, bp_error *error)
{
    (void)store;
    (void)directory;
    if (cache_out != NULL) {
        *cache_out = NULL;
    }
    bpi_error_set(error, BP_ERR_UNSUPPORTED, "this library was built without SQLite");
    bpi_error_hint(error, "another cache, or a build with libsqlite3-dev");
    return BP_ERR_UNSUPPORTED;
}

#endif
