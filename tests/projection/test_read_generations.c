/*
 * test_read_generations.c: a generation that goes takes its own tables along and no others; and a handle writes into none that
 * another version has made in the meantime.
 */
#include "projection/folding.h"

#ifdef BPT_HAVE_SQLITE

#include <sqlite3.h>

typedef struct fixture {
    bpt_world world;
    bp_store *store;
    sqlite3 *db;
    bp_error error;
    bp_read_progress progress;
} fixture;

static const char *const items[] = {"items"};
static const char *const orders[] = {"orders"};
static const char *const into_items[] = {"INSERT INTO {items} VALUES (?1)"};
static const char *const into_orders[] = {"INSERT INTO {orders} VALUES (?1)"};

/* Writes the sequence; with a context, that number instead. */
static bp_status apply(void *context, const bp_read_step *step, bp_error *error)
{
    const int64_t *number = context;
    (void)sqlite3_bind_int64(step->statements[0], 1, number != NULL ? *number : (sqlite3_int64)step->event->sequence);
    return bp_read_run(step, 0, error);
}

static bp_status apply_both(void *context, const bp_read_step *step, bp_error *error)
{
    bp_status status = apply(context, step, error);
    return status == BP_OK ? bp_read_run(step, 1, error) : status;
}

static bp_read_model of_orders(const char *name, uint32_t version)
{
    return (bp_read_model){.size = sizeof(bp_read_model),
                           .name = name,
                           .version = version,
                           .tables = orders,
                           .table_count = 1,
                           .schema = "CREATE TABLE {orders}(id INTEGER PRIMARY KEY)",
                           .statements = into_orders,
                           .statement_count = 1,
                           .apply = apply};
}

static bp_read_model of_items(const char *name, uint32_t version)
{
    bp_read_model model = of_orders(name, version);
    model.tables = items;
    model.schema = "CREATE TABLE {items}(id INTEGER PRIMARY KEY)";
    model.statements = into_items;
    return model;
}

static int setup(void **state)
{
    fixture *f = calloc(1, sizeof *f);
    assert_non_null(f);
    bpt_world_memory(&f->world);
    f->store = bpt_open(&f->world);
    assert_int_equal(sqlite3_open(":memory:", &f->db), SQLITE_OK);
    for (unsigned i = 0; i < 5; i++) {
        (void)bpt_put(f->store, "a", "x");
    }
    bpt_note("%s", "");
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    fixture *f = *state;
    assert_int_equal(sqlite3_close(f->db), SQLITE_OK);
    bpt_close(f->store);
    bpt_world_end(&f->world);
    free(f);
    return 0;
}

static bp_read_handle *open_model(fixture *f, const bp_read_model *model)
{
    bp_read_handle *handle = NULL;
    CHECK_OK(bp_read_model_open(f->store, f->db, model, &handle, &f->error), &f->error);
    return handle;
}

static bp_status update(fixture *f, bp_read_handle *handle)
{
    return bp_read_model_update(handle, NULL, &f->progress, &f->error);
}

static void fold(fixture *f, const bp_read_model *model)
{
    bp_read_handle *handle = open_model(f, model);
    CHECK_OK(update(f, handle), &f->error);
    bp_read_model_close(handle);
}

static void run(const fixture *f, const char *sql)
{
    CHECK(sqlite3_exec(f->db, sql, NULL, NULL, NULL) == SQLITE_OK, "%s: %s", sql, sqlite3_errmsg(f->db));
}

/* One number; -1: there is no such thing. */
static int64_t ask(const fixture *f, const char *sql)
{
    sqlite3_stmt *statement = NULL;
    int64_t number = -1;
    if (sqlite3_prepare_v2(f->db, sql, -1, &statement, NULL) == SQLITE_OK && sqlite3_step(statement) == SQLITE_ROW) {
        number = sqlite3_column_int64(statement, 0);
    }
    (void)sqlite3_finalize(statement);
    return number;
}

static void names_that_begin_alike_are_kept_apart(void **state)
{
    fixture *f = *state;
    bp_read_model shop = of_orders("shop", 1);
    bp_read_model numbered = of_items("shop_1", 1);
    bp_read_model longer = of_items("shop_1_x", 1);
    longer.tables = NULL; /* the view is the other's */
    longer.table_count = 0;
    run(f, "CREATE TABLE shop_1_earlier(y)");
    fold(f, &shop);
    fold(f, &numbered);
    fold(f, &longer);
    run(f, "CREATE TABLE shop_1_archive(y)");
    shop.version = 2;
    fold(f, &shop);
    assert_true(f->progress.switched);
    assert_int_equal(ask(f, "SELECT count(*) FROM shop_1_1_items"), 5);
    assert_int_equal(ask(f, "SELECT count(*) FROM shop_1_x_1_items"), 5);
    assert_int_equal(ask(f, "SELECT count(*) FROM shop_1_archive"), 0);
    assert_int_equal(ask(f, "SELECT count(*) FROM shop_1_earlier"), 0);
    assert_int_equal(ask(f, "SELECT count(*) FROM shop_1_orders"), -1);
    assert_int_equal(ask(f, "SELECT count(*) FROM orders"), 5);
    assert_int_equal(ask(f, "SELECT count(*) FROM items"), 5);
}

/* A database of a library that did not note which tables it made. */
static void tables_that_were_not_noted_go_by_their_names(void **state)
{
    fixture *f = *state;
    bp_read_model shop = of_orders("shop", 1);
    bp_read_model numbered = of_items("shop_1", 1);
    bp_read_model longer = of_items("shop_1_x", 1);
    longer.tables = NULL;
    longer.table_count = 0;
    fold(f, &shop);
    fold(f, &numbered);
    fold(f, &longer);
    run(f, "DROP TABLE IF EXISTS batpak_read_tables");
    shop.version = 2;
    fold(f, &shop);
    assert_int_equal(ask(f, "SELECT count(*) FROM shop_1_1_items"), 5);
    assert_int_equal(ask(f, "SELECT count(*) FROM shop_1_x_1_items"), 5);
    assert_int_equal(ask(f, "SELECT count(*) FROM shop_1_orders"), -1);
    numbered.version = 2;
    fold(f, &numbered);
    assert_int_equal(ask(f, "SELECT count(*) FROM shop_1_1_items"), -1);
    assert_int_equal(ask(f, "SELECT count(*) FROM batpak_read_tables"), 2);
}

/* The number of a generation that was given up is taken again by the next. */
static void a_handle_writes_into_no_other_versions_tables(void **state)
{
    fixture *f = *state;
    static int64_t seven = 7;
    bp_read_model first = of_orders("shop", 1);
    bp_read_model second = of_orders("shop", 2);
    second.context = &seven;
    fold(f, &first);
    bp_read_handle *old = open_model(f, &first);
    CHECK_OK(bp_read_model_rebuild(old, &f->error), &f->error);
    bp_read_handle *new = open_model(f, &second); /* makes generation 2 anew */
    CHECK_STATUS(BP_ERR_CONFLICT, update(f, old), &f->error);
    CHECK_SAYS(&f->error, "open the model again");
    assert_int_equal(ask(f, "SELECT count(*) FROM shop_2_orders"), 0);
    assert_int_equal(ask(f, "SELECT generation FROM batpak_read_models WHERE live"), 1);
    bp_read_model_close(old);
    bp_read_model_close(new);
}

/* Parents are made first, and their rows are referred to while they go. */
static void tables_that_refer_to_each_other_go_together(void **state)
{
    fixture *f = *state;
    static const char *const both[] = {"INSERT INTO {orders} VALUES (?1)",
                                       "INSERT INTO {lines} VALUES (last_insert_rowid())"};
    bp_read_model model = of_orders("shop", 1);
    model.schema = "CREATE TABLE {orders}(id INTEGER PRIMARY KEY);"
                   "CREATE TABLE {lines}(id REFERENCES {orders}(id) ON DELETE RESTRICT)";
    model.statements = both;
    model.statement_count = 2;
    model.apply = apply_both;
    run(f, "PRAGMA foreign_keys = ON");
    fold(f, &model);
    model.version = 2;
    fold(f, &model);
    assert_true(f->progress.switched);
    assert_int_equal(ask(f, "SELECT count(*) FROM shop_2_lines"), 5);
    assert_int_equal(ask(f, "SELECT count(*) FROM sqlite_master WHERE name LIKE 'shop_1_%'"), 0);
    assert_int_equal(ask(f, "PRAGMA defer_foreign_keys"), 0);
}

/* A virtual table takes tables of its own along. */
static void a_virtual_table_goes_with_what_is_below_it(void **state)
{
    fixture *f = *state;
    bp_read_model model = of_orders("shop", 1);
    if (sqlite3_compileoption_used("ENABLE_FTS5") == 0) {
        skip();
    }
    model.schema = "CREATE VIRTUAL TABLE {orders} USING fts5(id)";
    fold(f, &model);
    model.version = 2;
    fold(f, &model);
    assert_true(f->progress.switched);
    assert_int_equal(ask(f, "SELECT count(*) FROM orders"), 5);
    assert_int_equal(ask(f, "SELECT count(*) FROM sqlite_master WHERE name LIKE 'shop_1_%'"), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(names_that_begin_alike_are_kept_apart, setup, teardown),
        cmocka_unit_test_setup_teardown(tables_that_were_not_noted_go_by_their_names, setup, teardown),
        cmocka_unit_test_setup_teardown(a_handle_writes_into_no_other_versions_tables, setup, teardown),
        cmocka_unit_test_setup_teardown(tables_that_refer_to_each_other_go_together, setup, teardown),
        cmocka_unit_test_setup_teardown(a_virtual_table_goes_with_what_is_below_it, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

#else

int main(void)
{
    return 77; /* built without SQLite */
}

#endif
