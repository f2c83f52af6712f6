/*
 * test_cache_disk.c: LMDB and SQLite: what comes back, what survives a close and a kill, and that no state of their files
 * does more than empty the cache.
 *
 * ctest: labels=threads
 */
#include <pthread.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/checksum.h"
#include "base/output.h"
#include "projection/folding.h"
#include "support/forge.h"

typedef enum kind { LMDB, SQLITE } kind;

typedef struct fixture {
    kind engine;
    bpt_world world; /* on disk */
    bp_store *store;
    char directory[600];
    bp_cache *cache;
    bp_output output;
    bp_error error;
    bp_log_hook hook;
    unsigned emptied;
} fixture;

static void hear(void *context, bp_log_level level, const char *target, const char *name, const bp_log_field *fields,
                 size_t field_count)
{
    fixture *f = context;
    (void)level;
    (void)fields;
    (void)field_count;
    f->emptied += strcmp(target, "cache") == 0 && strcmp(name, "emptied") == 0;
}

static bp_status open_at(fixture *f, const char *directory, bp_cache **cache_out)
{
    bp_cache_lmdb_options options;
    bp_cache_lmdb_options_init(&options);
    options.directory = directory;
    return f->engine == LMDB ? bp_cache_lmdb(f->store, &options, cache_out, &f->error)
                             : bp_cache_sqlite(f->store, directory, cache_out, &f->error);
}

static void open_cache(fixture *f)
{
    f->emptied = 0;
    CHECK_OK(open_at(f, f->directory, &f->cache), &f->error);
}

static void close_cache(fixture *f)
{
    bp_cache_close(f->cache);
    f->cache = NULL;
}

static fixture *begin(kind engine, void **state)
{
    fixture *f = calloc(1, sizeof *f);
    assert_non_null(f);
    f->engine = engine;
    f->hook = (bp_log_hook){.size = sizeof f->hook, .context = f, .level = BP_LOG_INFO, .write = hear};
    bpt_world_disk(&f->world);
    f->world.options.log = &f->hook;
    f->world.options.incremental_projection = true;
    f->world.options.durability = BP_BUFFERED;
    f->store = bpt_open(&f->world);
    bpi_output_init(&f->output, bp_allocator_system());
    (void)snprintf(f->directory, sizeof f->directory, "%s/a-cache", f->world.root);
    bpt_note("%s", "");
    *state = f;
    return f;
}

static int with_lmdb(void **state)
{
    bp_cache *cache = NULL;
    fixture *f = begin(LMDB, state);
    bp_status status = open_at(f, f->directory, &cache);
    bp_cache_close(cache);
    return status == BP_OK || status == BP_ERR_UNSUPPORTED ? 0 : -1;
}

static int with_sqlite(void **state)
{
    bp_cache *cache = NULL;
    fixture *f = begin(SQLITE, state);
    bp_status status = open_at(f, f->directory, &cache);
    bp_cache_close(cache);
    return status == BP_OK || status == BP_ERR_UNSUPPORTED ? 0 : -1;
}

static int teardown(void **state)
{
    fixture *f = *state;
    bp_cache_close(f->cache);
    bpt_close(f->store);
    bpi_output_fini(&f->output);
    bpt_world_end(&f->world);
    free(f);
    return 0;
}

static void put(fixture *f, const char *key, const void *value, size_t size)
{
    CHECK(f->cache != NULL, "no cache is open");
    CHECK_OK(f->cache->put(f->cache->context, key, strlen(key), value, size, &f->error), &f->error);
}

static bool has(fixture *f, const char *key, const char *value)
{
    bp_output_clear(&f->output);
    bp_status status = f->cache->get(f->cache->context, key, strlen(key), &f->output, &f->error);
    if (status == BP_OK) {
        assert_int_equal(bp_output_size(&f->output), strlen(value));
        assert_memory_equal(bp_output_data(&f->output), value, strlen(value));
    } else {
        CHECK_STATUS(BP_ERR_NOT_FOUND, status, &f->error);
    }
    return status == BP_OK;
}

static void values_come_back_after_closing(void **state)
{
    fixture *f = *state;
    open_cache(f);
    assert_false(has(f, "a", ""));
    put(f, "a", "one", 3);
    put(f, "a", "another", 7);
    put(f, "b", "", 0);
    assert_true(has(f, "a", "another"));
    assert_true(has(f, "b", ""));
    CHECK_OK(bp_cache_sync(f->cache, &f->error), &f->error);
    assert_true((f->cache->capabilities & BP_CACHE_PERSISTENT) != 0);
    close_cache(f);
    open_cache(f);
    assert_int_equal(f->emptied, 0);
    assert_true(has(f, "a", "another"));
    assert_true(has(f, "b", ""));
    const char *entities[] = {"x", "y"};
    bp_projection tally = bpt_tally_projection("tally", true);
    bp_project_prefetch(f->store, &tally, entities, 2, f->cache);
}

static void a_type_is_forgotten_and_no_other(void **state)
{
    fixture *f = *state;
    uint64_t deleted = 0;
    open_cache(f);
    for (unsigned i = 0; i < 300; i++) {
        char key[32] = {0};
        int size = snprintf(key, sizeof key, "%s", i % 3 == 0 ? "m" : i % 3 == 1 ? "ma" : "n");
        (void)snprintf(key + size + 1, sizeof key - (size_t)size - 1, "%03u", i);
        CHECK_OK(f->cache->put(f->cache->context, key, (size_t)size + 4, "v", 1, &f->error), &f->error);
    }
    CHECK_OK(bp_cache_forget(f->cache, "ma", &deleted, &f->error), &f->error);
    assert_int_equal(deleted, 100);
    CHECK_OK(bp_cache_forget(f->cache, "a", &deleted, &f->error), &f->error);
    assert_int_equal(deleted, 0);
    CHECK_OK(bp_cache_forget(f->cache, NULL, &deleted, &f->error), &f->error);
    assert_int_equal(deleted, 200);
    CHECK_OK(bp_cache_forget(f->cache, NULL, &deleted, &f->error), &f->error);
    assert_int_equal(deleted, 0);
}

static void project(fixture *f, uint64_t count, bool cached, uint64_t applied)
{
    bp_projection tally = bpt_tally_projection("tally", true);
    bp_project_options options;
    bp_projected result;
    bpt_tally got;
    bp_region region = bp_region_stream("a");
    bp_project_options_init(&options);
    options.cache = f->cache;
    CHECK_OK(bp_project(f->store, &tally, "a", &options, &got, &result, &f->error), &f->error);
    bpt_tally want = bpt_tally_by_hand(f->store, &region, NULL, 0, UINT64_MAX);
    bpt_check_tally(&got, &want, "disk");
    assert_int_equal(got.count, count);
    assert_int_equal(result.cached, cached);
    assert_int_equal(result.applied, applied);
}

static void a_projection_goes_on_in_the_next_process(void **state)
{
    fixture *f = *state;
    CHECK_OK(open_at(f, NULL, &f->cache), &f->error); /* cache/ of the store */
    for (int i = 0; i < 20; i++) {
        (void)bpt_put(f->store, "a", "x");
    }
    project(f, 20, false, 20);
    close_cache(f);
    bpt_close(f->store);
    f->store = bpt_open(&f->world); /* a store with a cache in it opens */
    CHECK_OK(open_at(f, NULL, &f->cache), &f->error);
    (void)bpt_put(f->store, "a", "x");
    project(f, 21, true, 1);
    project(f, 21, true, 0);
    close_cache(f);
    bpt_close(f->store);
    assert_int_equal(bpt_verify(&f->world), 21);
    f->store = bpt_open(&f->world);
}

/* ---- files in any state ---- */

static const char *data_file(const fixture *f, char path[700])
{
    (void)snprintf(path, 700, "%s/%s", f->directory, f->engine == LMDB ? "data.mdb" : "states.sqlite");
    return path;
}

static void fill(fixture *f)
{
    char key[16];
    char value[600];
    memset(value, 'v', sizeof value);
    open_cache(f);
    for (unsigned i = 0; i < 50; i++) {
        (void)snprintf(key, sizeof key, "key %u", i);
        put(f, key, value, sizeof value);
    }
    close_cache(f);
}

/* Whatever the file is: opening works, and what comes back, if anything, is the value or a clean failure. */
static void check_survives(fixture *f, const char *what)
{
    bpt_note("%s", what);
    CHECK_OK(open_at(f, f->directory, &f->cache), &f->error);
    for (unsigned i = 0; i < 50; i += 7) {
        char key[16];
        (void)snprintf(key, sizeof key, "key %u", i);
        bp_output_clear(&f->output);
        bp_status status = f->cache->get(f->cache->context, key, strlen(key), &f->output, &f->error);
        CHECK(status == BP_OK || status == BP_ERR_NOT_FOUND || status == BP_ERR_CORRUPT || status == BP_ERR_IO ||
                  status == BP_ERR_ARGUMENT,
              "get: %s", bp_status_name(status));
    }
    (void)f->cache->put(f->cache->context, "new", 3, "v", 1, &f->error);
    CHECK_OK(f->cache->put(f->cache->context, "new", 3, "v", 1, &f->error), &f->error); /* healed at the latest now */
    assert_true(has(f, "new", "v"));
    close_cache(f);
}

static void damaged_files_empty_the_cache(void **state)
{
    fixture *f = *state;
    char path[700];
    char note[64];
    bpt_random random = {.state = bpt_seed(31)};
    for (unsigned round = 0; round < (bpt_instrumented() ? 14u : 40u); round++) {
        fill(f);
        struct stat about;
        assert_int_equal(stat(data_file(f, path), &about), 0);
        if (round == 0) {
            assert_int_equal(truncate(path, 0), 0);
        } else if (round < 10) {
            assert_int_equal(truncate(path, (off_t)bpt_random_below(&random, (uint64_t)about.st_size)), 0);
        } else {
            FILE *stream = fopen(path, "r+be");
            assert_non_null(stream);
            for (uint64_t flips = 1 + bpt_random_below(&random, 4000); flips > 0; flips--) {
                assert_int_equal(fseek(stream, (long)bpt_random_below(&random, (uint64_t)about.st_size), SEEK_SET), 0);
                (void)fputc((int)bpt_random_below(&random, 256), stream);
            }
            assert_int_equal(fclose(stream), 0);
        }
        (void)snprintf(note, sizeof note, "round %u", round);
        check_survives(f, note);
    }
}

static void foreign_files_are_replaced(void **state)
{
    fixture *f = *state;
    char path[700];
    open_cache(f);
    close_cache(f);
    FILE *stream = fopen(data_file(f, path), "wbe");
    assert_non_null(stream);
    for (unsigned i = 0; i < 10000; i++) {
        (void)fputs("this is no such file ", stream);
    }
    assert_int_equal(fclose(stream), 0);
    check_survives(f, "foreign");
}

/* A process that dies with the cache open: what it put is there, or nothing; never a wrong value. */
static void a_killed_process_costs_nothing_wrong(void **state)
{
    fixture *f = *state;
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        f->store = NULL; /* it came through the fork */
        bool good = open_at(f, f->directory, &f->cache) == BP_OK &&
                    f->cache->put(f->cache->context, "a", 1, "from the child", 14, &f->error) == BP_OK;
        _exit(good ? 0 : 1);
    }
    int how = 0;
    assert_int_equal(waitpid(child, &how, 0), child);
    assert_int_equal(how, 0);
    open_cache(f);
    assert_int_equal(f->emptied, 0);
    assert_true(has(f, "a", "from the child"));
}

/* A child that closes what it inherited changes nothing for the parent. */
/* LMDB would read beyond the end, and that is a SIGBUS. */
static void a_killed_process_and_a_cut_file_empty_it(void **state)
{
    fixture *f = *state;
    char path[700];
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        f->store = NULL; /* it came through the fork */
        bool good = open_at(f, f->directory, &f->cache) == BP_OK &&
                    f->cache->put(f->cache->context, "a", 1, "from the child", 14, &f->error) == BP_OK;
        _exit(good ? 0 : 1);
    }
    int how = 0;
    assert_int_equal(waitpid(child, &how, 0), child);
    assert_int_equal(how, 0);
    assert_int_equal(truncate(data_file(f, path), 5000), 0);
    open_cache(f);
    assert_int_equal(f->emptied, 1);
    assert_false(has(f, "a", "from the child"));
    put(f, "a", "again", 5);
    assert_true(has(f, "a", "again"));
}

static void a_forked_child_leaves_it_alone(void **state)
{
    fixture *f = *state;
    open_cache(f);
    put(f, "a", "v", 1);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        bp_output output;
        bpi_output_init(&output, bp_allocator_system());
        bool refused = f->cache->get(f->cache->context, "a", 1, &output, &f->error) != BP_OK;
        bp_cache_close(f->cache);
        _exit(refused ? 0 : 1);
    }
    int how = 0;
    assert_int_equal(waitpid(child, &how, 0), child);
    assert_int_equal(how, 0);
    assert_true(has(f, "a", "v"));
    put(f, "b", "w", 1);
    close_cache(f);
    open_cache(f);
    assert_int_equal(f->emptied, 0);
    assert_true(has(f, "b", "w"));
}

static void places_that_cannot_be_are_refused(void **state)
{
    fixture *f = *state;
    bp_cache *cache = NULL;
    bpt_world memory;
    bp_store *disk = f->store;
    CHECK_STATUS(BP_ERR_NOT_FOUND, open_at(f, "/nowhere/at/all", &cache), &f->error);
    assert_null(cache);
    f->store = NULL;
    CHECK_STATUS(BP_ERR_ARGUMENT, open_at(f, NULL, &cache), &f->error);
    bpt_world_memory(&memory);
    f->store = bpt_open(&memory);
    CHECK_STATUS(BP_ERR_UNSUPPORTED, open_at(f, NULL, &cache), &f->error);
    CHECK_SAYS(&f->error, "give the cache a directory");
    CHECK_OK(open_at(f, f->directory, &cache), &f->error);
    bp_cache_close(cache);
    bpt_close(f->store);
    bpt_world_end(&memory);
    f->store = disk;
    CHECK_STATUS(BP_ERR_ARGUMENT, bp_cache_sqlite(disk, f->directory, NULL, &f->error), &f->error);
    CHECK_STATUS(BP_ERR_ARGUMENT, bp_cache_lmdb(disk, NULL, NULL, &f->error), &f->error);
}

/* ---- LMDB alone ---- */

static void the_map_grows_and_is_emptied_at_its_most(void **state)
{
    fixture *f = *state;
    bp_cache_lmdb_options options;
    char key[16];
    static char value[50000];
    bp_cache_lmdb_options_init(&options);
    options.directory = f->directory;
    options.map_size = 128 << 10;
    options.map_size_max = 2 << 20;
    CHECK_OK(bp_cache_lmdb(f->store, &options, &f->cache, &f->error), &f->error);
    memset(value, 'v', sizeof value - 1);
    for (unsigned i = 0; i < 200; i++) {
        (void)snprintf(key, sizeof key, "key %u", i);
        put(f, key, value, sizeof value - 1);
        assert_true(has(f, key, value));
    }
    assert_false(has(f, "key 0", value)); /* 10 MB do not fit into 2 */
    static char large[3 << 20];
    CHECK_STATUS(BP_ERR_NO_SPACE, f->cache->put(f->cache->context, "large", 5, large, sizeof large, &f->error),
                 &f->error);
    CHECK_SAYS(&f->error, "larger than the cache");
    put(f, "small", "v", 1);
    assert_true(has(f, "small", "v"));
    close_cache(f);
    options.map_size = 100;
    CHECK_STATUS(BP_ERR_ARGUMENT, bp_cache_lmdb(f->store, &options, &f->cache, &f->error), &f->error);
    options.size = 1;
    CHECK_STATUS(BP_ERR_ARGUMENT, bp_cache_lmdb(f->store, &options, &f->cache, &f->error), &f->error);
}

static void a_second_handle_is_refused(void **state)
{
    fixture *f = *state;
    bp_cache *other = NULL;
    open_cache(f);
    CHECK_STATUS(BP_ERR_LOCKED, open_at(f, f->directory, &other), &f->error);
    CHECK_SAYS(&f->error, "directory of its own");
    put(f, "a", "v", 1);
    assert_true(has(f, "a", "v"));
}

/* The mark of an open cache, with its boot id changed: once with a checksum that holds, once without. */
static void a_mark_of_another_boot_empties_it(void **state)
{
    fixture *f = *state;
    char path[700];
    uint8_t mark[48];
    (void)snprintf(path, sizeof path, "%s/MARK", f->directory);
    for (int round = 0; round < 2; round++) {
        open_cache(f);
        put(f, "a", "v", 1);
        FILE *stream = fopen(path, "rbe");
        assert_non_null(stream);
        assert_int_equal(fread(mark, 1, sizeof mark, stream), sizeof mark);
        assert_int_equal(fclose(stream), 0);
        close_cache(f);
        mark[40] ^= 1;
        if (round == 0) {
            bpt_set32(mark + 4, bpi_crc32c(0, mark + 8, sizeof mark - 8));
        }
        stream = fopen(path, "wbe");
        assert_non_null(stream);
        assert_int_equal(fwrite(mark, 1, sizeof mark, stream), sizeof mark);
        assert_int_equal(fclose(stream), 0);
        open_cache(f);
        assert_int_equal(f->emptied, 1);
        assert_false(has(f, "a", "v"));
        close_cache(f);
    }
}

/* ---- threads ---- */

typedef struct worker {
    fixture *f;
    unsigned number;
    bool failed;
} worker;

static void *work(void *argument)
{
    worker *w = argument;
    bp_error error = {0};
    bp_output output;
    bpi_output_init(&output, bp_allocator_system());
    for (unsigned i = 0; i < 120 && !w->failed; i++) {
        char key[16];
        uint8_t value[2000];
        int size = snprintf(key, sizeof key, "%u", i % 20);
        memset(value, (int)(i % 20), sizeof value);
        const bp_cache *cache = w->f->cache;
        bp_output_clear(&output);
        bp_status status = w->number % 2 == 0
                               ? cache->put(cache->context, key, (size_t)size, value, sizeof value, &error)
                               : cache->get(cache->context, key, (size_t)size, &output, &error);
        bool right = bp_output_size(&output) == 0 ||
                     (bp_output_size(&output) == sizeof value && memcmp(bp_output_data(&output), value, 2000) == 0);
        w->failed = (status != BP_OK && status != BP_ERR_NOT_FOUND) || !right;
    }
    bpi_output_fini(&output);
    return NULL;
}

static void threads_share_a_cache(void **state)
{
    fixture *f = *state;
    pthread_t threads[4];
    worker workers[4];
    bp_cache_lmdb_options options;
    bp_cache_lmdb_options_init(&options);
    options.directory = f->directory;
    options.map_size = 64 << 10; /* it grows under them */
    if (f->engine == LMDB) {
        CHECK_OK(bp_cache_lmdb(f->store, &options, &f->cache, &f->error), &f->error);
    } else {
        open_cache(f);
    }
    for (unsigned i = 0; i < 4; i++) {
        workers[i] = (worker){.f = f, .number = i};
        assert_int_equal(pthread_create(&threads[i], NULL, work, &workers[i]), 0);
    }
    for (unsigned i = 0; i < 4; i++) {
        assert_int_equal(pthread_join(threads[i], NULL), 0);
        assert_false(workers[i].failed);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(values_come_back_after_closing, with_lmdb, teardown),
        cmocka_unit_test_setup_teardown(values_come_back_after_closing, with_sqlite, teardown),
        cmocka_unit_test_setup_teardown(a_type_is_forgotten_and_no_other, with_lmdb, teardown),
        cmocka_unit_test_setup_teardown(a_type_is_forgotten_and_no_other, with_sqlite, teardown),
        cmocka_unit_test_setup_teardown(a_projection_goes_on_in_the_next_process, with_lmdb, teardown),
        cmocka_unit_test_setup_teardown(a_projection_goes_on_in_the_next_process, with_sqlite, teardown),
        cmocka_unit_test_setup_teardown(damaged_files_empty_the_cache, with_lmdb, teardown),
        cmocka_unit_test_setup_teardown(damaged_files_empty_the_cache, with_sqlite, teardown),
        cmocka_unit_test_setup_teardown(foreign_files_are_replaced, with_lmdb, teardown),
        cmocka_unit_test_setup_teardown(foreign_files_are_replaced, with_sqlite, teardown),
        cmocka_unit_test_setup_teardown(a_killed_process_costs_nothing_wrong, with_lmdb, teardown),
        cmocka_unit_test_setup_teardown(a_killed_process_costs_nothing_wrong, with_sqlite, teardown),
        cmocka_unit_test_setup_teardown(a_killed_process_and_a_cut_file_empty_it, with_lmdb, teardown),
        cmocka_unit_test_setup_teardown(a_forked_child_leaves_it_alone, with_lmdb, teardown),
        cmocka_unit_test_setup_teardown(a_forked_child_leaves_it_alone, with_sqlite, teardown),
        cmocka_unit_test_setup_teardown(places_that_cannot_be_are_refused, with_lmdb, teardown),
        cmocka_unit_test_setup_teardown(places_that_cannot_be_are_refused, with_sqlite, teardown),
        cmocka_unit_test_setup_teardown(the_map_grows_and_is_emptied_at_its_most, with_lmdb, teardown),
        cmocka_unit_test_setup_teardown(a_second_handle_is_refused, with_lmdb, teardown),
        cmocka_unit_test_setup_teardown(a_mark_of_another_boot_empties_it, with_lmdb, teardown),
        cmocka_unit_test_setup_teardown(threads_share_a_cache, with_lmdb, teardown),
        cmocka_unit_test_setup_teardown(threads_share_a_cache, with_sqlite, teardown),
    };
    bp_error error;
    bp_cache *cache = NULL;
    if (bp_cache_sqlite(NULL, NULL, &cache, &error) == BP_ERR_UNSUPPORTED ||
        bp_cache_lmdb(NULL, NULL, &cache, &error) == BP_ERR_UNSUPPORTED) {
        print_message("built without LMDB or SQLite\n");
        return 77;
    }
    return cmocka_run_group_tests(tests, NULL, NULL);
}
