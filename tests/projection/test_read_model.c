/*
 * test_read_model.c: tables folded into SQLite are always those of exactly the events below their position: after a close, a
 * kill, a failure, a rebuild, a new version, beside another process, and after a power cut that took events back.
 */
#include "projection/folding.h"

#ifdef BPT_HAVE_SQLITE

#include <signal.h>
#include <sqlite3.h>
#include <sys/wait.h>
#include <unistd.h>

typedef struct fixture {
    bpt_world world; /* on disk, unless a test takes another */
    bp_store *store;
    sqlite3 *db;
    char path[700];
    bp_error error;
    bp_read_model model;
    bp_read_handle *handle;
    bp_read_progress progress;
    uint64_t refuse; /* apply refuses this sequence; BP_NONE */
    bp_status refuse_with;
    unsigned delay_us;
} fixture;

static const char *const tables[] = {"seen", "totals"};
static const char *const statements[] = {
    "INSERT INTO {seen}(sequence, entity) VALUES (?1, ?2)",
    "INSERT INTO {totals}(entity, events) VALUES (?1, 1) ON CONFLICT(entity) DO UPDATE SET events = events + 1",
};

static bp_status apply(void *context, const bp_read_step *step, bp_error *error)
{
    fixture *f = context;
    const bp_event *event = step->event;
    assert_int_equal(step->statement_count, 2);
    if (f->delay_us > 0) {
        (void)usleep(f->delay_us);
    }
    sqlite3_bind_int64(step->statements[0], 1, (sqlite3_int64)event->sequence);
    sqlite3_bind_text(step->statements[0], 2, event->entity.data, (int)event->entity.size, SQLITE_STATIC);
    sqlite3_bind_text(step->statements[1], 1, event->entity.data, (int)event->entity.size, SQLITE_STATIC);
    bp_status status = bp_read_run(step, 0, error);
    if (status == BP_OK) {
        status = bp_read_run(step, 1, error);
    }
    if (status == BP_OK && event->sequence == f->refuse) {
        return f->refuse_with == BP_END ? BP_END : bp_error_set(error, f->refuse_with, "will not have it");
    }
    return status;
}

static sqlite3 *connect_to(const fixture *f)
{
    sqlite3 *db = NULL;
    assert_int_equal(sqlite3_open(f->path, &db), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db, "PRAGMA journal_mode = WAL; PRAGMA synchronous = OFF", NULL, NULL, NULL),
                     SQLITE_OK);
    return db;
}

static int setup(void **state)
{
    fixture *f = calloc(1, sizeof *f);
    assert_non_null(f);
    bpt_world_disk(&f->world);
    f->world.options.durability = BP_BUFFERED;
    f->store = bpt_open(&f->world);
    (void)snprintf(f->path, sizeof f->path, "%s/tables.sqlite", f->world.root);
    f->db = connect_to(f);
    f->refuse = BP_NONE;
    f->model = (bp_read_model){.size = sizeof f->model,
                               .name = "watched",
                               .version = 1,
                               .tables = tables,
                               .table_count = 2,
                               .schema = "CREATE TABLE {seen}(sequence INTEGER PRIMARY KEY, entity TEXT);"
                                         "CREATE TABLE {totals}(entity TEXT PRIMARY KEY, events INTEGER, "
                                         "note TEXT DEFAULT '{\"a\": {b}}');"
                                         "CREATE INDEX {by_entity} ON {seen}(entity)",
                               .statements = statements,
                               .statement_count = 2,
                               .context = f,
                               .apply = apply};
    bpt_note("%s", "");
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    fixture *f = *state;
    bp_read_model_close(f->handle);
    assert_int_equal(sqlite3_close(f->db), SQLITE_OK); /* no statement was left behind */
    if (f->store != NULL) {
        bpt_close(f->store);
    }
    bpt_world_end(&f->world);
    free(f);
    return 0;
}

static void put(fixture *f, unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        (void)bpt_put(f->store, i % 3 == 0 ? "a" : "b", "x");
    }
}

static void open_model(fixture *f)
{
    bp_read_model_close(f->handle);
    f->handle = NULL;
    CHECK_OK(bp_read_model_open(f->store, f->db, &f->model, &f->handle, &f->error), &f->error);
}

static bp_status update(fixture *f, uint64_t max_events)
{
    bp_read_options options;
    bp_read_options_init(&options);
    options.max_events = max_events;
    options.transaction_events = 7;
    options.published = true;
    return bp_read_model_update(f->handle, &options, &f->progress, &f->error);
}

/* One number; -1: there is no such thing. */
static int64_t ask(sqlite3 *db, const char *sql)
{
    sqlite3_stmt *statement = NULL;
    int64_t number = -1;
    if (sqlite3_prepare_v2(db, sql, -1, &statement, NULL) == SQLITE_OK && sqlite3_step(statement) == SQLITE_ROW) {
        number = sqlite3_column_int64(statement, 0);
    }
    (void)sqlite3_finalize(statement);
    return number;
}

/* The views are those of the events [0, next) and no other. */
static void check_tables(const fixture *f, int64_t next)
{
    int64_t counted = ask(f->db, "SELECT count(*) FROM seen");
    CHECK(counted == next && ask(f->db, "SELECT coalesce(sum(events), 0) FROM totals") == next &&
              ask(f->db, "SELECT coalesce(max(sequence) + 1, 0) FROM seen") == next,
          "%lld rows, %lld counted, to %lld; wanted %lld", (long long)counted,
          (long long)ask(f->db, "SELECT coalesce(sum(events), 0) FROM totals"),
          (long long)ask(f->db, "SELECT coalesce(max(sequence) + 1, 0) FROM seen"), (long long)next);
}

static void rows_and_position_go_together(void **state)
{
    fixture *f = *state;
    put(f, 20);
    open_model(f);
    check_tables(f, 0); /* the views are there from the beginning */
    CHECK_OK(update(f, 9), &f->error);
    assert_int_equal(f->progress.applied, 9);
    assert_false(f->progress.caught_up || f->progress.building);
    assert_int_equal(f->progress.position.next, 9);
    check_tables(f, 9);
    CHECK_OK(update(f, 0), &f->error);
    assert_true(f->progress.caught_up);
    assert_int_equal(f->progress.applied, 11);
    check_tables(f, 20);
    CHECK_OK(update(f, 0), &f->error);
    assert_int_equal(f->progress.applied, 0);
    put(f, 3);
    open_model(f); /* it goes on where it was */
    CHECK_OK(update(f, 0), &f->error);
    assert_int_equal(f->progress.applied, 3);
    check_tables(f, 23);
    assert_int_equal(ask(f->db, "SELECT count(*) FROM totals WHERE note = '{\"a\": watched_1_b}'"), 2);
}

static void what_fails_leaves_nothing_behind(void **state)
{
    fixture *f = *state;
    put(f, 20);
    open_model(f);
    f->refuse = 10;
    f->refuse_with = BP_ERR_FORMAT;
    CHECK_STATUS(BP_ERR_FORMAT, update(f, 0), &f->error);
    CHECK_SAYS(&f->error, "read model watched, event 10: will not have it");
    assert_int_equal(f->error.sequence, 10);
    check_tables(f, 7); /* whole transactions of 7 */
    assert_int_equal(f->progress.applied, 7);
    assert_true(sqlite3_get_autocommit(f->db) != 0);
    f->refuse_with = BP_END;
    CHECK_STATUS(BP_ERR_FORMAT, update(f, 0), &f->error);
    f->refuse = BP_NONE;
    CHECK_OK(update(f, 0), &f->error);
    check_tables(f, 20);
    /* What SQLite refuses is undone and told too. */
    put(f, 1);
    assert_int_equal(sqlite3_exec(f->db, "INSERT INTO watched_1_seen VALUES (20, 'x')", NULL, NULL, NULL), SQLITE_OK);
    CHECK_STATUS(BP_ERR_CONFLICT, update(f, 0), &f->error);
    CHECK_SAYS(&f->error, "UNIQUE");
    assert_int_equal(ask(f->db, "SELECT sum(events) FROM totals"), 20);
}

static void a_rebuild_is_seen_when_it_is_whole(void **state)
{
    fixture *f = *state;
    put(f, 20);
    open_model(f);
    CHECK_OK(update(f, 0), &f->error);
    CHECK_OK(bp_read_model_rebuild(f->handle, &f->error), &f->error);
    put(f, 2);
    sqlite3 *reader = connect_to(f);
    for (unsigned done = 0; done < 22; done += 5) {
        CHECK_OK(update(f, 5), &f->error);
        check_tables(f, f->progress.switched ? 22 : 20);
        assert_int_equal(ask(reader, "SELECT count(*) FROM seen"), f->progress.switched ? 22 : 20);
        assert_int_equal(f->progress.building, !f->progress.switched);
        if (done == 10) {
            open_model(f); /* a process that dies in between goes on building */
        }
    }
    assert_true(f->progress.switched && f->progress.caught_up);
    assert_int_equal(ask(f->db, "SELECT count(*) FROM sqlite_master WHERE name LIKE 'watched_1_%'"), 0);
    assert_int_equal(ask(f->db, "SELECT generation FROM batpak_read_models"), 2);
    assert_int_equal(sqlite3_close(reader), SQLITE_OK);
    put(f, 1);
    open_model(f);
    CHECK_OK(update(f, 0), &f->error);
    check_tables(f, 23);
}

static void a_new_version_is_folded_beside_the_old(void **state)
{
    fixture *f = *state;
    bp_read_handle *old = NULL;
    put(f, 10);
    open_model(f);
    CHECK_OK(update(f, 0), &f->error);
    bp_read_model newer = f->model;
    newer.version = 2;
    newer.schema = "CREATE TABLE {seen}(sequence INTEGER PRIMARY KEY, entity TEXT, more TEXT DEFAULT 'm');"
                   "CREATE TABLE {totals}(entity TEXT PRIMARY KEY, events INTEGER)";
    old = f->handle;
    f->handle = NULL;
    CHECK_OK(bp_read_model_open(f->store, f->db, &newer, &f->handle, &f->error), &f->error);
    CHECK_OK(update(f, 4), &f->error);
    assert_true(f->progress.building);
    put(f, 1);
    bp_read_progress progress;
    bp_read_options options;
    bp_read_options_init(&options);
    options.published = true;
    CHECK_OK(bp_read_model_update(old, &options, &progress, &f->error), &f->error); /* and the old program goes on */
    assert_int_equal(progress.applied, 1);
    check_tables(f, 11);
    bp_read_model_close(old);
    CHECK_OK(bp_read_model_open(f->store, f->db, &f->model, &old, &f->error), &f->error);
    assert_int_equal(ask(f->db, "SELECT count(more) FROM seen"), -1);
    CHECK_OK(update(f, 0), &f->error);
    assert_true(f->progress.switched);
    check_tables(f, 11);
    assert_int_equal(ask(f->db, "SELECT count(more) FROM seen"), 11);
    CHECK_STATUS(BP_ERR_CONFLICT, bp_read_model_update(old, &options, &progress, &f->error), &f->error);
    CHECK_SAYS(&f->error, "open the model again");
    bp_read_model_close(old);
    old = NULL;
    CHECK_STATUS(BP_ERR_VERSION, bp_read_model_open(f->store, f->db, &f->model, &old, &f->error), &f->error);
    CHECK_SAYS(&f->error, "newer than 1");
    assert_null(old);
}

static void another_region_or_other_kinds_are_folded_anew(void **state)
{
    fixture *f = *state;
    static const bp_kind_code kinds[] = {0xF001, 0xF005};
    put(f, 9);
    (void)bpt_put_sized(f->store, "a", 3); /* of kind 0xF002 */
    open_model(f);
    CHECK_OK(update(f, 0), &f->error);
    check_tables(f, 10);
    bp_region region = bp_region_stream("a");
    f->model.region = &region;
    open_model(f);
    CHECK_OK(update(f, 0), &f->error);
    assert_true(f->progress.switched);
    assert_int_equal(ask(f->db, "SELECT count(*) FROM seen"), 4);
    f->model.kinds = kinds;
    f->model.kind_count = 2;
    open_model(f);
    CHECK_OK(update(f, 0), &f->error);
    assert_int_equal(ask(f->db, "SELECT count(*) FROM seen"), 3);
    open_model(f);
    CHECK_OK(update(f, 0), &f->error);
    assert_false(f->progress.switched);
    assert_int_equal(ask(f->db, "SELECT generation FROM batpak_read_models"), 3);
}

/* A child folds, slowly, from a store that is read beside this process, and is killed somewhere. */
static void kills_cost_whole_transactions_only(void **state)
{
    fixture *f = *state;
    bpt_random random = {.state = bpt_seed(41)};
    put(f, 200);
    CHECK_OK(bp_sync(f->store, &f->error), &f->error);
    open_model(f);
    for (unsigned round = 0; round < 8; round++) {
        pid_t child = fork();
        assert_true(child >= 0);
        if (child == 0) {
            fixture *mine = calloc(1, sizeof *mine);
            *mine = *f;
            mine->model.context = mine;
            mine->delay_us = 100;
            mine->handle = NULL;
            mine->db = connect_to(f);
            bool good = bp_open_reader(f->world.path, NULL, &mine->store, &mine->error) == BP_OK &&
                        bp_read_model_open(mine->store, mine->db, &mine->model, &mine->handle, &mine->error) == BP_OK &&
                        update(mine, 0) == BP_OK;
            _exit(good ? 0 : 1);
        }
        (void)usleep((useconds_t)bpt_random_below(&random, 12000));
        assert_int_equal(kill(child, SIGKILL), 0);
        assert_int_equal(waitpid(child, NULL, 0), child);
        int64_t next = ask(f->db, "SELECT next FROM batpak_read_models");
        bpt_note("killed after %lld", (long long)next);
        assert_true(next % 7 == 0 || next == 200);
        check_tables(f, next);
    }
    CHECK_OK(update(f, 0), &f->error); /* the child's position is taken up */
    check_tables(f, 200);
}

static void a_history_that_was_taken_back_is_told(void **state)
{
    fixture *f = *state;
    bpt_close(f->store);
    f->store = NULL;
    bpt_world faulty;
    bpt_world_fault(&faulty);
    faulty.options.durability = BP_BUFFERED;
    f->store = bpt_open(&faulty);
    put(f, 5);
    CHECK_OK(bp_sync(f->store, &f->error), &f->error);
    put(f, 5);
    open_model(f);
    bp_read_options options;
    bp_read_options_init(&options);
    CHECK_OK(bp_read_model_update(f->handle, &options, &f->progress, &f->error), &f->error);
    check_tables(f, 5); /* durable events only, unless it is told otherwise */
    CHECK_OK(update(f, 0), &f->error);
    check_tables(f, 10);
    bp_read_model_close(f->handle);
    f->handle = NULL;
    bpt_power_cut(&faulty, BPT_KEEP_NONE, 0);
    (void)bp_close(f->store, NULL);
    f->store = bpt_open(&faulty);
    uint64_t left = bp_store_frontiers(f->store).published;
    assert_true(left < 10);
    put(f, 10);
    open_model(f);
    CHECK_STATUS(BP_ERR_DIVERGED, update(f, 0), &f->error);
    CHECK_SAYS(&f->error, "bp_read_model_rebuild");
    check_tables(f, 10);
    CHECK_OK(bp_read_model_rebuild(f->handle, &f->error), &f->error);
    CHECK_OK(update(f, 0), &f->error);
    check_tables(f, (int64_t)left + 10);
    bp_read_model_close(f->handle);
    f->handle = NULL;
    bpt_close(f->store);
    f->store = NULL;
    bpt_world_end(&faulty);
}

static void a_busy_database_is_said(void **state)
{
    fixture *f = *state;
    put(f, 5);
    open_model(f);
    sqlite3 *other = connect_to(f);
    assert_int_equal(sqlite3_exec(other, "BEGIN IMMEDIATE", NULL, NULL, NULL), SQLITE_OK);
    CHECK_STATUS(BP_ERR_LOCKED, update(f, 0), &f->error);
    assert_int_equal(sqlite3_exec(other, "COMMIT", NULL, NULL, NULL), SQLITE_OK);
    CHECK_OK(update(f, 0), &f->error);
    check_tables(f, 5);
    assert_int_equal(sqlite3_close(other), SQLITE_OK);
    assert_int_equal(sqlite3_exec(f->db, "BEGIN", NULL, NULL, NULL), SQLITE_OK);
    CHECK_STATUS(BP_ERR_ARGUMENT, update(f, 0), &f->error);
    CHECK_SAYS(&f->error, "inside a transaction");
    assert_int_equal(sqlite3_exec(f->db, "ROLLBACK", NULL, NULL, NULL), SQLITE_OK);
}

static void a_store_that_was_closed_is_said(void **state)
{
    fixture *f = *state;
    put(f, 5);
    open_model(f);
    CHECK_OK(update(f, 3), &f->error);
    bpt_close(f->store);
    f->store = NULL;
    CHECK_STATUS(BP_ERR_CLOSED, update(f, 0), &f->error);
    check_tables(f, 3);
    f->store = bpt_open(&f->world);
    open_model(f);
    CHECK_OK(update(f, 0), &f->error);
    check_tables(f, 5);
}

static void refused(fixture *f, const bp_read_model *model, const char *words)
{
    bp_read_handle *handle = (bp_read_handle *)f;
    CHECK_STATUS(BP_ERR_ARGUMENT, bp_read_model_open(f->store, f->db, model, &handle, &f->error), &f->error);
    CHECK_SAYS(&f->error, words);
    assert_null(handle);
    assert_int_equal(ask(f->db, "SELECT count(*) FROM sqlite_master"), 0); /* nothing is left of it */
}

static void hostile_models_are_refused(void **state)
{
    fixture *f = *state;
    static const char *const bad_names[] = {"x; DROP TABLE y", "", "9lives", "na\xc3\xafve", "a b"};
    char name[80];
    bp_read_model model = f->model;
    for (size_t i = 0; i < 5; i++) {
        model.name = bad_names[i];
        refused(f, &model, "name is 1 to 60");
        model = f->model;
        model.tables = &bad_names[i];
        model.table_count = 1;
        refused(f, &model, "table's name");
        model = f->model;
    }
    memset(name, 'n', sizeof name);
    name[61] = '\0';
    model.name = name;
    refused(f, &model, "name is 1 to 60");
    model = f->model;
    model.schema = "CREATE TABEL {x}(y)";
    refused(f, &model, "TABEL");
    static const char *const bad_sql[] = {"INSERT INTO {nothing} VALUES (1)", ""};
    model = f->model;
    model.statements = bad_sql;
    refused(f, &model, "no such table");
    model.statements = bad_sql + 1;
    model.statement_count = 1;
    refused(f, &model, "is empty");
    model = f->model;
    model.statement_count = 0;
    model.tables = NULL;
    refused(f, &model, "an array is NULL");
    model = f->model;
    model.apply = NULL;
    refused(f, &model, "apply function");
    bp_read_handle *handle = NULL;
    CHECK_STATUS(BP_ERR_ARGUMENT, bp_read_model_open(f->store, f->db, NULL, &handle, NULL), NULL);
    CHECK_STATUS(BP_ERR_ARGUMENT, bp_read_model_open(f->store, NULL, &f->model, &handle, NULL), NULL);
    CHECK_STATUS(BP_ERR_ARGUMENT, bp_read_model_open(f->store, f->db, &f->model, NULL, NULL), NULL);
    CHECK_STATUS(BP_ERR_ARGUMENT, bp_read_model_open(NULL, f->db, &f->model, &handle, NULL), NULL);
    CHECK_STATUS(BP_ERR_ARGUMENT, bp_read_model_update(NULL, NULL, NULL, NULL), NULL);
    CHECK_STATUS(BP_ERR_ARGUMENT, bp_read_model_rebuild(NULL, NULL), NULL);
    CHECK_STATUS(BP_ERR_ARGUMENT, bp_read_run(NULL, 0, NULL), NULL);
    bp_read_model_close(NULL);
    /* A view's name that is taken. */
    assert_int_equal(sqlite3_exec(f->db, "CREATE TABLE totals(x)", NULL, NULL, NULL), SQLITE_OK);
    CHECK_STATUS(BP_ERR_ARGUMENT, bp_read_model_open(f->store, f->db, &f->model, &handle, &f->error), &f->error);
    CHECK_SAYS(&f->error, "totals");
    assert_int_equal(ask(f->db, "SELECT count(*) FROM sqlite_master"), 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(rows_and_position_go_together, setup, teardown),
        cmocka_unit_test_setup_teardown(what_fails_leaves_nothing_behind, setup, teardown),
        cmocka_unit_test_setup_teardown(a_rebuild_is_seen_when_it_is_whole, setup, teardown),
        cmocka_unit_test_setup_teardown(a_new_version_is_folded_beside_the_old, setup, teardown),
        cmocka_unit_test_setup_teardown(another_region_or_other_kinds_are_folded_anew, setup, teardown),
        cmocka_unit_test_setup_teardown(kills_cost_whole_transactions_only, setup, teardown),
        cmocka_unit_test_setup_teardown(a_history_that_was_taken_back_is_told, setup, teardown),
        cmocka_unit_test_setup_teardown(a_busy_database_is_said, setup, teardown),
        cmocka_unit_test_setup_teardown(a_store_that_was_closed_is_said, setup, teardown),
        cmocka_unit_test_setup_teardown(hostile_models_are_refused, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

#else

int main(void)
{
    return 77; /* built without SQLite */
}

#endif
