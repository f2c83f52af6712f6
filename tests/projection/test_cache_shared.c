/*
 * test_cache_shared.c: an SQLite cache whose file others use at the same time: what waits, and what is said when waiting does not
 * help.
 *
 * ctest: labels=threads
 */
#include "projection/folding.h"

#ifdef BPT_HAVE_SQLITE

#include <pthread.h>
#include <sqlite3.h>
#include <sys/stat.h>
#include <unistd.h>

typedef struct fixture {
    bpt_world world;
    char directory[600];
    char path[640];
    sqlite3 *other;
    bp_cache *cache;
    bp_error error;
} fixture;

static int setup(void **state)
{
    fixture *f = calloc(1, sizeof *f);
    assert_non_null(f);
    bpt_world_disk(&f->world);
    (void)snprintf(f->directory, sizeof f->directory, "%s/a-cache", f->world.root);
    (void)snprintf(f->path, sizeof f->path, "%s/states.sqlite", f->directory);
    assert_int_equal(mkdir(f->directory, 0700), 0);
    bpt_note("%s", "");
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    fixture *f = *state;
    bp_cache_close(f->cache);
    assert_int_equal(sqlite3_close(f->other), SQLITE_OK);
    bpt_world_end(&f->world);
    free(f);
    return 0;
}

static void run(const fixture *f, const char *sql)
{
    CHECK(sqlite3_exec(f->other, sql, NULL, NULL, NULL) == SQLITE_OK, "%s: %s", sql, sqlite3_errmsg(f->other));
}

static void *commit_soon(void *argument)
{
    fixture *f = argument;
    (void)usleep(100000);
    run(f, "COMMIT");
    return NULL;
}

/* Another process is about to make the file, too: it writes, and has not said yet how the file is to be kept. */
static void two_that_make_it_at_once_both_have_it(void **state)
{
    fixture *f = *state;
    pthread_t thread;
    assert_int_equal(sqlite3_open(f->path, &f->other), SQLITE_OK);
    run(f, "CREATE TABLE t(x); BEGIN IMMEDIATE; INSERT INTO t VALUES (1)");
    assert_int_equal(pthread_create(&thread, NULL, commit_soon, f), 0);
    bp_status status = bp_cache_sqlite(NULL, f->directory, &f->cache, &f->error);
    assert_int_equal(pthread_join(thread, NULL), 0);
    CHECK_OK(status, &f->error);
    CHECK_OK(f->cache->put(f->cache->context, "k", 1, "v", 1, &f->error), &f->error);
}

static void one_that_stays_locked_is_said(void **state)
{
    fixture *f = *state;
    assert_int_equal(sqlite3_open(f->path, &f->other), SQLITE_OK);
    run(f, "CREATE TABLE t(x); BEGIN IMMEDIATE; INSERT INTO t VALUES (1)");
    CHECK_STATUS(BP_ERR_LOCKED, bp_cache_sqlite(NULL, f->directory, &f->cache, &f->error), &f->error);
    run(f, "COMMIT");
}

/* A reader keeps the log from being brought into the file, or from being cut. */
static void what_could_not_be_done_is_said(void **state)
{
    fixture *f = *state;
    uint64_t deleted = 0;
    CHECK_OK(bp_cache_sqlite(NULL, f->directory, &f->cache, &f->error), &f->error);
    CHECK_OK(f->cache->put(f->cache->context, "k", 1, "v", 1, &f->error), &f->error);
    assert_int_equal(sqlite3_open(f->path, &f->other), SQLITE_OK);
    run(f, "BEGIN; SELECT count(*) FROM state");
    CHECK_OK(f->cache->put(f->cache->context, "l", 1, "v", 1, &f->error), &f->error);
    CHECK_STATUS(BP_ERR_LOCKED, bp_cache_sync(f->cache, &f->error), &f->error);
    CHECK_SAYS(&f->error, "another connection");
    CHECK_STATUS(BP_ERR_LOCKED, bp_cache_forget(f->cache, NULL, &deleted, &f->error), &f->error);
    CHECK_SAYS(&f->error, "another connection");
    assert_int_equal(deleted, 2);
    run(f, "COMMIT");
    CHECK_OK(bp_cache_sync(f->cache, &f->error), &f->error);
    CHECK_OK(bp_cache_forget(f->cache, NULL, NULL, &f->error), &f->error);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(two_that_make_it_at_once_both_have_it, setup, teardown),
        cmocka_unit_test_setup_teardown(one_that_stays_locked_is_said, setup, teardown),
        cmocka_unit_test_setup_teardown(what_could_not_be_done_is_said, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

#else

int main(void)
{
    return 77; /* built without SQLite */
}

#endif
