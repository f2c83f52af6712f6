/*
 * test_refused.c: each call of LMDB and of SQLite that a cache or a read model makes fails, the nth once and for good, with each
 * kind of answer: what is handed out is right or an error with words, and afterwards everything goes on.
 *
 * ctest: wrap=mdb_env_create,mdb_env_set_mapsize,mdb_env_set_maxreaders,mdb_env_open,mdb_env_info,mdb_env_stat,mdb_env_sync,mdb_txn_begin,mdb_dbi_open,mdb_get,mdb_put,mdb_cursor_open,mdb_cursor_get,mdb_cursor_del,mdb_txn_commit,sqlite3_exec,sqlite3_prepare_v2,sqlite3_prepare_v3,sqlite3_step,sqlite3_bind_blob64,sqlite3_bind_text,sqlite3_open_v2
 */
#include "projection/folding.h"
#include "support/world.h"

#if defined(BPT_HAVE_SQLITE) && defined(BPT_HAVE_LMDB)

#include <errno.h>

#include <lmdb.h>
#include <sqlite3.h>

#include "base/output.h"

/* ---- what fails ---- */

static struct {
    unsigned nth; /* the number of the call concerned, from 1; 0: none */
    bool for_good;
    int code;
    unsigned calls;
} plan;

static int refused(void)
{
    plan.calls++;
    bool now = plan.nth != 0 && (plan.for_good ? plan.calls >= plan.nth : plan.calls == plan.nth);
    return now ? plan.code : 0;
}

static void refuse(unsigned nth, bool for_good, int code)
{
    plan.nth = nth;
    plan.for_good = for_good;
    plan.code = code;
    plan.calls = 0;
}

int __real_mdb_env_create(MDB_env **env);
int __wrap_mdb_env_create(MDB_env **env);
int __wrap_mdb_env_create(MDB_env **env)
{
    int code = refused();
    return code != 0 ? code : __real_mdb_env_create(env);
}

int __real_mdb_env_set_mapsize(MDB_env *env, size_t size);
int __wrap_mdb_env_set_mapsize(MDB_env *env, size_t size);
int __wrap_mdb_env_set_mapsize(MDB_env *env, size_t size)
{
    int code = refused();
    return code != 0 ? code : __real_mdb_env_set_mapsize(env, size);
}

int __real_mdb_env_set_maxreaders(MDB_env *env, unsigned readers);
int __wrap_mdb_env_set_maxreaders(MDB_env *env, unsigned readers);
int __wrap_mdb_env_set_maxreaders(MDB_env *env, unsigned readers)
{
    int code = refused();
    return code != 0 ? code : __real_mdb_env_set_maxreaders(env, readers);
}

int __real_mdb_env_open(MDB_env *env, const char *path, unsigned flags, mdb_mode_t mode);
int __wrap_mdb_env_open(MDB_env *env, const char *path, unsigned flags, mdb_mode_t mode);
int __wrap_mdb_env_open(MDB_env *env, const char *path, unsigned flags, mdb_mode_t mode)
{
    int code = refused();
    return code != 0 ? code : __real_mdb_env_open(env, path, flags, mode);
}

int __real_mdb_env_info(MDB_env *env, MDB_envinfo *info);
int __wrap_mdb_env_info(MDB_env *env, MDB_envinfo *info);
int __wrap_mdb_env_info(MDB_env *env, MDB_envinfo *info)
{
    int code = refused();
    return code != 0 ? code : __real_mdb_env_info(env, info);
}

int __real_mdb_env_stat(MDB_env *env, MDB_stat *about);
int __wrap_mdb_env_stat(MDB_env *env, MDB_stat *about);
int __wrap_mdb_env_stat(MDB_env *env, MDB_stat *about)
{
    int code = refused();
    return code != 0 ? code : __real_mdb_env_stat(env, about);
}

int __real_mdb_env_sync(MDB_env *env, int force);
int __wrap_mdb_env_sync(MDB_env *env, int force);
int __wrap_mdb_env_sync(MDB_env *env, int force)
{
    int code = refused();
    return code != 0 ? code : __real_mdb_env_sync(env, force);
}

int __real_mdb_txn_begin(MDB_env *env, MDB_txn *parent, unsigned flags, MDB_txn **txn);
int __wrap_mdb_txn_begin(MDB_env *env, MDB_txn *parent, unsigned flags, MDB_txn **txn);
int __wrap_mdb_txn_begin(MDB_env *env, MDB_txn *parent, unsigned flags, MDB_txn **txn)
{
    int code = refused();
    return code != 0 ? code : __real_mdb_txn_begin(env, parent, flags, txn);
}

int __real_mdb_dbi_open(MDB_txn *txn, const char *name, unsigned flags, MDB_dbi *dbi);
int __wrap_mdb_dbi_open(MDB_txn *txn, const char *name, unsigned flags, MDB_dbi *dbi);
int __wrap_mdb_dbi_open(MDB_txn *txn, const char *name, unsigned flags, MDB_dbi *dbi)
{
    int code = refused();
    return code != 0 ? code : __real_mdb_dbi_open(txn, name, flags, dbi);
}

int __real_mdb_get(MDB_txn *txn, MDB_dbi dbi, MDB_val *key, MDB_val *value);
int __wrap_mdb_get(MDB_txn *txn, MDB_dbi dbi, MDB_val *key, MDB_val *value);
int __wrap_mdb_get(MDB_txn *txn, MDB_dbi dbi, MDB_val *key, MDB_val *value)
{
    int code = refused();
    return code != 0 ? code : __real_mdb_get(txn, dbi, key, value);
}

int __real_mdb_put(MDB_txn *txn, MDB_dbi dbi, MDB_val *key, MDB_val *value, unsigned flags);
int __wrap_mdb_put(MDB_txn *txn, MDB_dbi dbi, MDB_val *key, MDB_val *value, unsigned flags);
int __wrap_mdb_put(MDB_txn *txn, MDB_dbi dbi, MDB_val *key, MDB_val *value, unsigned flags)
{
    int code = refused();
    return code != 0 ? code : __real_mdb_put(txn, dbi, key, value, flags);
}

int __real_mdb_cursor_open(MDB_txn *txn, MDB_dbi dbi, MDB_cursor **cursor);
int __wrap_mdb_cursor_open(MDB_txn *txn, MDB_dbi dbi, MDB_cursor **cursor);
int __wrap_mdb_cursor_open(MDB_txn *txn, MDB_dbi dbi, MDB_cursor **cursor)
{
    int code = refused();
    return code != 0 ? code : __real_mdb_cursor_open(txn, dbi, cursor);
}

int __real_mdb_cursor_get(MDB_cursor *cursor, MDB_val *key, MDB_val *value, MDB_cursor_op op);
int __wrap_mdb_cursor_get(MDB_cursor *cursor, MDB_val *key, MDB_val *value, MDB_cursor_op op);
int __wrap_mdb_cursor_get(MDB_cursor *cursor, MDB_val *key, MDB_val *value, MDB_cursor_op op)
{
    int code = refused();
    return code != 0 ? code : __real_mdb_cursor_get(cursor, key, value, op);
}

int __real_mdb_cursor_del(MDB_cursor *cursor, unsigned flags);
int __wrap_mdb_cursor_del(MDB_cursor *cursor, unsigned flags);
int __wrap_mdb_cursor_del(MDB_cursor *cursor, unsigned flags)
{
    int code = refused();
    return code != 0 ? code : __real_mdb_cursor_del(cursor, flags);
}

int __real_mdb_txn_commit(MDB_txn *txn);
int __wrap_mdb_txn_commit(MDB_txn *txn);
int __wrap_mdb_txn_commit(MDB_txn *txn)
{
    int code = refused();
    if (code != 0) {
        mdb_txn_abort(txn); /* a commit that fails ends its transaction, too */
        return code;
    }
    return __real_mdb_txn_commit(txn);
}

int __real_sqlite3_exec(sqlite3 *db, const char *sql, int (*each)(void *, int, char **, char **), void *argument,
                        char **words);
int __wrap_sqlite3_exec(sqlite3 *db, const char *sql, int (*each)(void *, int, char **, char **), void *argument,
                        char **words);
int __wrap_sqlite3_exec(sqlite3 *db, const char *sql, int (*each)(void *, int, char **, char **), void *argument,
                        char **words)
{
    int code = refused();
    return code != 0 ? code : __real_sqlite3_exec(db, sql, each, argument, words);
}

int __real_sqlite3_prepare_v2(sqlite3 *db, const char *sql, int size, sqlite3_stmt **statement, const char **tail);
int __wrap_sqlite3_prepare_v2(sqlite3 *db, const char *sql, int size, sqlite3_stmt **statement, const char **tail);
int __wrap_sqlite3_prepare_v2(sqlite3 *db, const char *sql, int size, sqlite3_stmt **statement, const char **tail)
{
    int code = refused();
    return code != 0 ? code : __real_sqlite3_prepare_v2(db, sql, size, statement, tail);
}

int __real_sqlite3_prepare_v3(sqlite3 *db, const char *sql, int size, unsigned flags, sqlite3_stmt **statement,
                              const char **tail);
int __wrap_sqlite3_prepare_v3(sqlite3 *db, const char *sql, int size, unsigned flags, sqlite3_stmt **statement,
                              const char **tail);
int __wrap_sqlite3_prepare_v3(sqlite3 *db, const char *sql, int size, unsigned flags, sqlite3_stmt **statement,
                              const char **tail)
{
    int code = refused();
    return code != 0 ? code : __real_sqlite3_prepare_v3(db, sql, size, flags, statement, tail);
}

int __real_sqlite3_step(sqlite3_stmt *statement);
int __wrap_sqlite3_step(sqlite3_stmt *statement);
int __wrap_sqlite3_step(sqlite3_stmt *statement)
{
    int code = refused();
    return code != 0 ? code : __real_sqlite3_step(statement);
}

int __real_sqlite3_bind_blob64(sqlite3_stmt *statement, int at, const void *bytes, sqlite3_uint64 size,
                               void (*release)(void *));
int __wrap_sqlite3_bind_blob64(sqlite3_stmt *statement, int at, const void *bytes, sqlite3_uint64 size,
                               void (*release)(void *));
int __wrap_sqlite3_bind_blob64(sqlite3_stmt *statement, int at, const void *bytes, sqlite3_uint64 size,
                               void (*release)(void *))
{
    int code = refused();
    return code != 0 ? code : __real_sqlite3_bind_blob64(statement, at, bytes, size, release);
}

int __real_sqlite3_bind_text(sqlite3_stmt *statement, int at, const char *bytes, int size, void (*release)(void *));
int __wrap_sqlite3_bind_text(sqlite3_stmt *statement, int at, const char *bytes, int size, void (*release)(void *));
int __wrap_sqlite3_bind_text(sqlite3_stmt *statement, int at, const char *bytes, int size, void (*release)(void *))
{
    int code = refused();
    return code != 0 ? code : __real_sqlite3_bind_text(statement, at, bytes, size, release);
}

int __real_sqlite3_open_v2(const char *path, sqlite3 **db, int flags, const char *vfs);
int __wrap_sqlite3_open_v2(const char *path, sqlite3 **db, int flags, const char *vfs);
int __wrap_sqlite3_open_v2(const char *path, sqlite3 **db, int flags, const char *vfs)
{
    int code = refused();
    *db = NULL;
    return code != 0 ? code : __real_sqlite3_open_v2(path, db, flags, vfs);
}

/* ---- caches ---- */

typedef struct scene {
    bpt_world world;
    bp_store *store;
    char directory[600];
    bool lmdb;
    bp_cache *cache;
    bp_output output;
    bp_error error;
} scene;

static bp_status open_cache(scene *s)
{
    bp_cache_lmdb_options options;
    bp_cache_lmdb_options_init(&options);
    options.directory = s->directory;
    bp_status status = s->lmdb ? bp_cache_lmdb(s->store, &options, &s->cache, &s->error)
                               : bp_cache_sqlite(s->store, s->directory, &s->cache, &s->error);
    return status == BP_OK && s->cache == NULL ? BP_ERR_ARGUMENT : status;
}

/* BP_OK, or an error with words. */
static bool told(scene *s, bp_status status)
{
    CHECK(status == BP_OK || s->error.message[0] != '\0', "%s without words", bp_status_name(status));
    CHECK(status != BP_ERR_FAILED && status != BP_ERR_DIVERGED, "%s", bp_status_name(status));
    return status == BP_OK;
}

static void put(scene *s, const char *key, const char *value)
{
    CHECK(s->cache != NULL, "no cache is open");
    (void)told(s, s->cache->put(s->cache->context, key, strlen(key), value, strlen(value), &s->error));
}

/* There and right, not there, or an error: never another value. */
static bool get(scene *s, const char *key, const char *value)
{
    CHECK(s->cache != NULL, "no cache is open");
    s->output.buffer.size = 0;
    bp_status status = s->cache->get(s->cache->context, key, strlen(key), &s->output, &s->error);
    if (status == BP_ERR_NOT_FOUND || !told(s, status)) {
        return false;
    }
    CHECK(bp_output_size(&s->output) == strlen(value) && memcmp(s->output.buffer.data, value, strlen(value)) == 0,
          "another value of %s", key);
    return true;
}

static void use(scene *s, bool syncs)
{
    CHECK(s->cache != NULL, "no cache is open");
    static const void *const keys[] = {"a1", "none"};
    static const size_t sizes[] = {2, 4};
    uint64_t deleted = 0;
    put(s, "a1", "one");
    put(s, "a2", "two");
    put(s, "b", "three");
    (void)get(s, "a1", "one");
    s->cache->prefetch(s->cache->context, keys, sizes, 2);
    (void)told(s, s->cache->delete_prefix(s->cache->context, "a", 1, &deleted, &s->error));
    CHECK(deleted <= 2, "%u deleted", (unsigned)deleted);
    (void)told(s, syncs ? bp_cache_sync(s->cache, &s->error) : BP_OK);
    (void)get(s, "b", "three");
}

/* Everything that a cache is asked, twice over its closing. */
static void run_cache(scene *s)
{
    for (unsigned round = 0; round < 2; round++) {
        s->cache = NULL;
        if (told(s, open_cache(s))) {
            use(s, round == 0);
        }
        bp_cache_close(s->cache);
    }
}

static void begin(scene *s, bool lmdb)
{
    memset(s, 0, sizeof *s);
    s->lmdb = lmdb;
    refuse(0, false, 0);
    bpt_world_disk(&s->world);
    s->world.options.durability = BP_BUFFERED;
    s->world.options.keeper = BP_KEEPER_INLINE;
    s->store = bpt_open(&s->world);
    bpi_output_init(&s->output, bp_allocator_system());
    (void)snprintf(s->directory, sizeof s->directory, "%s/a-cache", s->world.root);
}

static void end(scene *s)
{
    bpi_output_fini(&s->output);
    bpt_close(s->store);
    bpt_world_end(&s->world);
}

static void caches_answer_right_or_say_why(bool lmdb, const int *codes, size_t count)
{
    scene s;
    begin(&s, lmdb);
    for (size_t c = 0; c < count; c++) {
        refuse(0, false, 0);
        run_cache(&s);
        unsigned calls = plan.calls;
        assert_true(calls > 20);
        for (unsigned n = 1; n <= calls; n++) {
            for (int for_good = 0; for_good < 2; for_good++) {
                bpt_note("code %d, call %u%s", codes[c], n, for_good != 0 ? " and all behind it" : "");
                refuse(n, for_good != 0, codes[c]);
                run_cache(&s);
                refuse(0, false, 0);
                CHECK_OK(open_cache(&s), &s.error);
                put(&s, "b", "four");
                assert_true(get(&s, "b", "four"));
                CHECK_OK(bp_cache_forget(s.cache, NULL, NULL, &s.error), &s.error);
                bp_cache_close(s.cache);
            }
        }
    }
    end(&s);
}

static void lmdb_refuses(void **state)
{
    (void)state;
    static const int codes[] = {EIO, MDB_CORRUPTED};
    caches_answer_right_or_say_why(true, codes, sizeof codes / sizeof *codes);
}

static void sqlite_refuses(void **state)
{
    (void)state;
    static const int codes[] = {SQLITE_NOMEM, SQLITE_CORRUPT};
    caches_answer_right_or_say_why(false, codes, sizeof codes / sizeof *codes);
}

static void each_answer_of_sqlite_has_a_status(void **state)
{
    (void)state;
    static const struct {
        int code;
        bp_status status;
    } all[] = {
        {SQLITE_BUSY, BP_ERR_LOCKED},        {SQLITE_LOCKED, BP_ERR_LOCKED},    {SQLITE_NOMEM, BP_ERR_NO_MEMORY},
        {SQLITE_FULL, BP_ERR_NO_SPACE},      {SQLITE_CORRUPT, BP_ERR_CORRUPT},  {SQLITE_NOTADB, BP_ERR_CORRUPT},
        {SQLITE_READONLY, BP_ERR_READ_ONLY}, {SQLITE_TOOBIG, BP_ERR_TOO_LARGE}, {SQLITE_CONSTRAINT, BP_ERR_CONFLICT},
        {SQLITE_MISUSE, BP_ERR_ARGUMENT},    {SQLITE_RANGE, BP_ERR_ARGUMENT},   {SQLITE_IOERR, BP_ERR_IO},
        {SQLITE_INTERRUPT, BP_ERR_IO}};
    scene s;
    begin(&s, false);
    CHECK_OK(open_cache(&s), &s.error);
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        refuse(1, true, all[i].code);
        CHECK_STATUS(all[i].status, s.cache->put(s.cache->context, "k", 1, "v", 1, &s.error), &s.error);
        CHECK(strstr(s.error.message, "SQLite: ") != NULL, "%s", s.error.message);
        refuse(0, false, 0);
        put(&s, "k", "v");
        assert_true(get(&s, "k", "v"));
    }
    bp_cache_close(s.cache);
    end(&s);
}

/* ---- read models ---- */

enum { EVENTS = 5 };

static bp_status apply(void *context, const bp_read_step *step, bp_error *error)
{
    (void)context;
    sqlite3_bind_int64(step->statements[0], 1, (sqlite3_int64)step->event->sequence);
    return bp_read_run(step, 0, error);
}

static const char *const tables[] = {"seen"};
static const char *const statements[] = {"INSERT INTO {seen}(sequence) VALUES (?1)"};
static const bp_read_model model = {.size = sizeof(bp_read_model),
                                    .name = "watched",
                                    .version = 1,
                                    .tables = tables,
                                    .table_count = 1,
                                    .schema = "CREATE TABLE {seen}(sequence INTEGER PRIMARY KEY)",
                                    .statements = statements,
                                    .statement_count = 1,
                                    .apply = apply};

static bp_status update(scene *s, bp_read_handle *handle)
{
    bp_read_options options;
    bp_read_options_init(&options);
    options.published = true;
    options.transaction_events = 2;
    return bp_read_model_update(handle, &options, NULL, &s->error);
}

static void use_model(scene *s, sqlite3 *db, const bp_read_model *as)
{
    bp_read_handle *handle = NULL;
    if (told(s, bp_read_model_open(s->store, db, as, &handle, &s->error))) {
        (void)told(s, update(s, handle));
        (void)told(s, bp_read_model_rebuild(handle, &s->error));
        (void)told(s, update(s, handle));
    }
    bp_read_model_close(handle);
}

static int count_rows(void *argument, int columns, char **values, char **names)
{
    (void)columns;
    (void)names;
    *(unsigned *)argument = (unsigned)strtoul(values[0], NULL, 10);
    return 0;
}

static void a_read_model_goes_on_behind_every_refusal(void **state)
{
    (void)state;
    scene s;
    char path[700];
    begin(&s, false);
    for (unsigned i = 0; i < EVENTS; i++) {
        bpt_put(s.store, "e", "x");
    }
    (void)snprintf(path, sizeof path, "%s/tables.sqlite", s.world.root);
    bp_read_model newer = model;
    unsigned calls = 0; /* of a run in which nothing is refused: n == 0 */
    for (unsigned n = 0; n <= calls; n++) {
        for (int for_good = 0; for_good < 2; for_good++) {
            sqlite3 *db = NULL;
            unsigned rows = 0;
            bpt_note("call %u%s", n, for_good != 0 ? " and all behind it" : "");
            assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
            assert_int_equal(__real_sqlite3_exec(db, "PRAGMA synchronous = OFF", NULL, NULL, NULL), SQLITE_OK);
            newer.version++; /* a second generation is made beside the first */
            refuse(n, for_good != 0, n % 2 == 0 ? SQLITE_IOERR : SQLITE_NOMEM);
            use_model(&s, db, &newer);
            calls = n == 0 ? plan.calls : calls;
            refuse(0, false, 0);
            (void)__real_sqlite3_exec(db, "ROLLBACK", NULL, NULL, NULL); /* where undoing was refused, too */
            bp_read_handle *handle = NULL;
            CHECK_OK(bp_read_model_open(s.store, db, &newer, &handle, &s.error), &s.error);
            CHECK_OK(update(&s, handle), &s.error);
            assert_int_equal(__real_sqlite3_exec(db, "SELECT count(*) FROM seen", count_rows, &rows, NULL), SQLITE_OK);
            assert_int_equal(rows, EVENTS);
            bp_read_model_close(handle);
            assert_int_equal(sqlite3_close(db), SQLITE_OK);
        }
    }
    assert_true(calls > 20);
    end(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lmdb_refuses),
        cmocka_unit_test(sqlite_refuses),
        cmocka_unit_test(each_answer_of_sqlite_has_a_status),
        cmocka_unit_test(a_read_model_goes_on_behind_every_refusal),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

#else

int main(void)
{
    return 77;
}

#endif
