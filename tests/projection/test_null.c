/*
 * test_null.c: NULL and values that cannot be meant, in every place of projections and read models; each names what is wrong.
 * And all functions that fill in options, with room for nothing.
 */
#include "projection/folding.h"
#include "support/world.h"

#ifdef BPT_HAVE_SQLITE
#include <sqlite3.h>
#endif

static bpt_world world;
static bp_store *store;
static bp_error error;

#define REFUSED(call, part)                                              \
    do {                                                                 \
        CHECK_STATUS(BP_ERR_ARGUMENT, call, &error);                     \
        CHECK(strstr(error.message, part) != NULL, "%s", error.message); \
    } while (0)

static int setup(void **state)
{
    (void)state;
    error = (bp_error){0};
    bpt_world_memory(&world);
    store = bpt_open(&world);
    bpt_put(store, "a", "one");
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    bpt_close(store);
    bpt_world_end(&world);
    return 0;
}

static void projections(void **state)
{
    (void)state;
    static const bp_kind_code kinds[] = {0xf001};
    bp_projection good = bpt_tally_projection("t", false);
    bpt_tally tally = {0};
    bp_project_options options;
    const bp_region all = bp_region_all();
    bp_projection bad = good;
    REFUSED(bp_project(store, NULL, "a", NULL, &tally, NULL, &error), "apply");
    bad.apply = NULL;
    REFUSED(bp_project(store, &bad, "a", NULL, &tally, NULL, &error), "apply");
    bad = good;
    bad.type = NULL;
    REFUSED(bp_project(store, &bad, "a", NULL, &tally, NULL, &error), "type id");
    bad.type = "";
    REFUSED(bp_project(store, &bad, "a", NULL, &tally, NULL, &error), "type id");
    bad = good;
    bad.state_size = 0;
    REFUSED(bp_project(store, &bad, "a", NULL, &tally, NULL, &error), "no place");
    REFUSED(bp_project(store, &good, "a", NULL, NULL, NULL, &error), "no place");
    bad = good;
    bad.kind_count = 1;
    REFUSED(bp_project(store, &bad, "a", NULL, &tally, NULL, &error), "kinds is NULL");
    bad.kinds = kinds;
    CHECK_OK(bp_project(store, &bad, "a", NULL, &tally, NULL, &error), &error);
    bp_project_options_init(&options);
    bp_cache nothing = {0};
    options.cache = &nothing;
    REFUSED(bp_project(store, &good, "a", &options, &tally, NULL, &error), "cache is no table");
    bp_project_options_init(&options);
    options.as_of = (bp_as_of)77;
    REFUSED(bp_project(store, &good, "a", &options, &tally, NULL, &error), "as_of");
    bp_projection_item items[2] = {{.projection = &good, .state = &tally}, {.projection = NULL}};
    REFUSED(bp_project_fused(store, &all, NULL, 1, NULL, &error), "items");
    REFUSED(bp_project_fused(store, &all, items, 0, NULL, &error), "items");
    REFUSED(bp_project_fused(store, &all, items, BP_FUSED_MAX + 1, NULL, &error), "items");
    REFUSED(bp_project_fused(store, &all, items, 2, NULL, &error), "apply");
    assert_true(error.has_index && error.index == 1);
    assert_int_equal(bp_project_fused(store, &all, items, 2, NULL, NULL), BP_ERR_ARGUMENT);
    CHECK_OK(bp_project_fused(store, &all, items, 1, NULL, &error), &error);
    bp_position seen = {0};
    bp_projected result;
    bp_project_options_init(&options);
    options.max_stale_ms = 5;
    REFUSED(bp_project_if_changed(store, &good, &all, &seen, &options, &tally, &result, &error), "max_stale_ms");
    options.max_stale_ms = 0;
    options.as_of = BP_AS_OF_SEQUENCE;
    REFUSED(bp_project_if_changed(store, &good, &all, &seen, &options, &tally, &result, &error), "as_of");
    bp_watch *watch = NULL;
    REFUSED(bp_watch_open(store, &good, &all, &options, &watch, &error), "as_of");
    assert_null(watch);
}

#ifdef BPT_HAVE_SQLITE

static bp_status apply_none(void *context, const bp_read_step *step, bp_error *told)
{
    (void)context;
    assert_int_equal(bp_read_run(NULL, 0, told), BP_ERR_ARGUMENT);
    assert_int_equal(bp_read_run(step, 1, told), BP_ERR_ARGUMENT);
    return BP_OK;
}

static bp_status apply_commits(void *context, const bp_read_step *step, bp_error *told)
{
    (void)context;
    (void)told;
    assert_int_equal(sqlite3_exec(step->db, "COMMIT", NULL, NULL, NULL), SQLITE_OK);
    return BP_OK;
}

static void read_models(void **state)
{
    (void)state;
    static const char *const tables[] = {"seen", "no good name"};
    static const char *const statements[] = {"DELETE FROM {seen}", NULL};
    sqlite3 *db = NULL;
    bp_read_handle *handle = NULL;
    bp_read_options options;
    const bp_read_model good = {.size = sizeof good,
                                .name = "watched",
                                .version = 1,
                                .tables = tables,
                                .table_count = 1,
                                .schema = "CREATE TABLE {seen}(sequence INTEGER PRIMARY KEY)",
                                .statements = statements,
                                .statement_count = 1,
                                .apply = apply_none};
    assert_int_equal(sqlite3_open(":memory:", &db), SQLITE_OK);
    bp_read_model bad = good;
    REFUSED(bp_read_model_open(store, db, NULL, &handle, &error), "schema");
    bad.apply = NULL;
    REFUSED(bp_read_model_open(store, db, &bad, &handle, &error), "apply");
    bad = good;
    bad.schema = NULL;
    REFUSED(bp_read_model_open(store, db, &bad, &handle, &error), "schema");
    bad = good;
    bad.tables = NULL;
    REFUSED(bp_read_model_open(store, db, &bad, &handle, &error), "an array is NULL");
    bad = good;
    bad.statements = NULL;
    REFUSED(bp_read_model_open(store, db, &bad, &handle, &error), "an array is NULL");
    bad = good;
    bad.kind_count = 1;
    REFUSED(bp_read_model_open(store, db, &bad, &handle, &error), "an array is NULL");
    bad = good;
    bad.table_count = 2;
    REFUSED(bp_read_model_open(store, db, &bad, &handle, &error), "a table's name");
    bad = good;
    bad.statement_count = 2;
    REFUSED(bp_read_model_open(store, db, &bad, &handle, &error), "a statement is NULL");
    bad = good;
    bad.name = NULL;
    REFUSED(bp_read_model_open(store, db, &bad, &handle, &error), "name");
    CHECK_OK(bp_read_model_open(store, db, &good, &handle, &error), &error);
    bp_read_options_init(&options);
    options.published = true;
    options.transaction_events = 0;
    REFUSED(bp_read_model_update(handle, &options, NULL, &error), "transaction_events");
    options.transaction_events = 10;
    CHECK_OK(bp_read_model_update(handle, &options, NULL, &error), &error);
    bp_read_model_close(handle);
    bad = good;
    bad.version = 2;
    bad.apply = apply_commits;
    CHECK_OK(bp_read_model_open(store, db, &bad, &handle, &error), &error);
    REFUSED(bp_read_model_update(handle, &options, NULL, &error), "apply has ended the transaction");
    assert_int_equal(bp_read_model_update(handle, &options, NULL, NULL), BP_ERR_ARGUMENT);
    bp_read_model_close(handle);
    bp_read_model_close(NULL);
    assert_int_equal(sqlite3_close(db), SQLITE_OK);
}

#endif

/* NULL, and a size in which not even the size fits: nothing is written. */
static void options_without_room(void **state)
{
    (void)state;
    static uint64_t room[200];
    static uint64_t untouched[200];
    memset(room, 0xaa, sizeof room);
    memset(untouched, 0xaa, sizeof untouched);
    for (unsigned i = 0; i < 2; i++) {
        void *at = i == 0 ? NULL : room;
        size_t size = i == 0 ? sizeof room : 1;
        bp_append_options_default(at, size);
        bp_batch_options_default(at, size);
        bp_bind_options_default(at, size);
        bp_cache_lmdb_options_default(at, size);
        bp_compact_options_default(at, size);
        bp_consumer_options_default(at, size);
        bp_cursor_options_default(at, size);
        bp_erase_options_default(at, size);
        bp_key_options_default(at, size);
        bp_project_options_default(at, size);
        bp_query_options_default(at, size);
        bp_read_options_default(at, size);
        bp_region_default(at, size);
        bp_repair_options_default(at, size);
        bp_snapshot_options_default(at, size);
        bp_restore_options_default(at, size);
        bp_options_default(at, size);
        bp_subscription_options_default(at, size);
        bp_tombstone_options_default(at, size);
        bp_verify_options_default(at, size);
        bp_walk_options_default(at, size);
        assert_memory_equal(room, untouched, sizeof room);
    }
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(projections),
#ifdef BPT_HAVE_SQLITE
        CASE(read_models),
#endif
        CASE(options_without_room),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
