/*
 * test_disk.c: what needs this machine's files, the caches of LMDB and SQLite and the read models, with every allocation
 * of the library failing (support/exhaust.h). After each the tables are brought to the events, each once.
 *
 * ctest: labels=exhaust wrap=bp_allocator_system
 */
#include "projection/folding.h"
#include "support/exhaust.h"

#ifdef BPT_HAVE_SQLITE

#include <sqlite3.h>

/* A store on disk beside the harness's own world; x->thing: 0 the world, 1 the store, 2 cache or database, 3 the handle. */
static void prepare_disk(bpt_exhaust *x)
{
    bpt_world *world = calloc(1, sizeof *world);
    assert_non_null(world);
    bpt_world_disk(world);
    world->options.durability = BP_BUFFERED;
    world->options.keeper = BP_KEEPER_INLINE;
    world->options.allocator = bpt_exhaust_allocator();
    x->thing[0] = world;
    x->thing[1] = bpt_open(world);
    for (unsigned index = 0; index < 5; index++) {
        bpt_put(x->thing[1], index % 2 == 0 ? "order:1" : "order:2", "an event");
    }
}

static void finish_disk(bpt_exhaust *x)
{
    bpt_close(x->thing[1]);
    (void)bpt_verify(x->thing[0]);
    bpt_world_end(x->thing[0]);
    free(x->thing[0]);
}

static void finish_cache(bpt_exhaust *x)
{
    bp_cache_close(x->thing[2]);
    finish_disk(x);
}

static bp_status act_cache_lmdb(bpt_exhaust *x)
{
    bp_cache *cache = NULL;
    bp_status status = bp_cache_lmdb(x->thing[1], NULL, &cache, &x->error);
    x->thing[2] = cache;
    return status;
}

static bp_status act_cache_sqlite(bpt_exhaust *x)
{
    bp_cache *cache = NULL;
    bp_status status = bp_cache_sqlite(x->thing[1], NULL, &cache, &x->error);
    x->thing[2] = cache;
    return status;
}

/* ---- read models ---- */

static const char *const tables[] = {"seen"};
static const char *const statements[] = {"INSERT INTO {seen}(sequence) VALUES (?1)"};

static bp_status apply(void *context, const bp_read_step *step, bp_error *error)
{
    (void)context;
    sqlite3_bind_int64(step->statements[0], 1, (sqlite3_int64)step->event->sequence);
    return bp_read_run(step, 0, error);
}

static const bp_read_model model = {.size = sizeof(bp_read_model),
                                    .name = "watched",
                                    .version = 1,
                                    .tables = tables,
                                    .table_count = 1,
                                    .schema = "CREATE TABLE {seen}(sequence INTEGER PRIMARY KEY)",
                                    .statements = statements,
                                    .statement_count = 1,
                                    .apply = apply};

static bp_status act_model_open(bpt_exhaust *x)
{
    bp_read_handle *handle = NULL;
    bp_status status = bp_read_model_open(x->thing[1], x->thing[2], &model, &handle, &x->error);
    x->thing[3] = handle;
    return status;
}

static void prepare_database(bpt_exhaust *x)
{
    char path[700];
    sqlite3 *db = NULL;
    prepare_disk(x);
    (void)snprintf(path, sizeof path, "%s/tables.sqlite", ((bpt_world *)x->thing[0])->root);
    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db, "PRAGMA synchronous = OFF", NULL, NULL, NULL), SQLITE_OK);
    x->thing[2] = db;
}

static void prepare_model(bpt_exhaust *x)
{
    prepare_database(x);
    CHECK_OK(act_model_open(x), &x->error);
}

static bp_status update(bpt_exhaust *x)
{
    bp_read_options options;
    bp_read_options_init(&options);
    options.published = true;
    options.transaction_events = 2;
    return bp_read_model_update(x->thing[3], &options, NULL, &x->error);
}

static void prepare_updated(bpt_exhaust *x)
{
    prepare_model(x);
    CHECK_OK(update(x), &x->error);
}

static bp_status act_rebuild(bpt_exhaust *x)
{
    return bp_read_model_rebuild(x->thing[3], &x->error);
}

static uint64_t rows_of(sqlite3 *db)
{
    sqlite3_stmt *statement = NULL;
    assert_int_equal(sqlite3_prepare_v2(db, "SELECT count(*) FROM seen", -1, &statement, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_step(statement), SQLITE_ROW);
    uint64_t count = (uint64_t)sqlite3_column_int64(statement, 0);
    assert_int_equal(sqlite3_finalize(statement), SQLITE_OK);
    return count;
}

/* Whatever was answered: the next update brings the tables to the five events, each once. */
static void finish_model(bpt_exhaust *x)
{
    if (x->thing[3] == NULL) {
        CHECK_OK(act_model_open(x), &x->error);
    }
    CHECK_OK(update(x), &x->error);
    assert_int_equal(rows_of(x->thing[2]), 5);
    bp_read_model_close(x->thing[3]);
    assert_int_equal(sqlite3_close(x->thing[2]), SQLITE_OK);
    finish_disk(x);
}

enum { ALONE = BPT_EXHAUST_NO_IO | BPT_EXHAUST_CLOSED };

static const bpt_exhaust_row rows[] = {
    {"bp_cache_lmdb", ALONE, 0, 0, prepare_disk, act_cache_lmdb, finish_cache},
    {"bp_cache_sqlite", ALONE, 0, 0, prepare_disk, act_cache_sqlite, finish_cache},
    {"bp_read_model_open", ALONE, 0, 0, prepare_database, act_model_open, finish_model},
    {"bp_read_model_update", ALONE, 0, 0, prepare_model, update, finish_model},
    {"bp_read_model_rebuild", ALONE, 0, 0, prepare_updated, act_rebuild, finish_model},
    {"bp_read_run", ALONE, 0, 0, prepare_model, update, finish_model},
};

static void every_call_with_every_failure(void **state)
{
    (void)state;
    bpt_exhaust_rows("disk", rows, sizeof rows / sizeof *rows);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_call_with_every_failure),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

#else

int main(void)
{
    return 77;
}

#endif
