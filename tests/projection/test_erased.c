/*
 * test_erased.c: behind an erasure no cache has states made of what was erased: not of a fold that was under way, not in the
 * bytes of its files, and not one that was open meanwhile.
 */
#include <batpak/erase.h>
#include <dirent.h>
#include <sys/stat.h>

#include "projection/folding.h"

#define SECRET "the text that must be gone for ever"

typedef struct last_text {
    char text[64];
} last_text;

typedef struct fixture {
    bpt_world world;
    bp_store *store;
    bp_error error;
    bp_projection last;
    bp_projected result;
    bpt_cache cache;
    bool in_get; /* the next get erases */
    bool in_apply;
    bool in_put;
} fixture;

static void erase(fixture *f, bp_cache *cache)
{
    bp_erase_options options;
    bp_region region = bp_region_stream("a");
    bp_erase_options_init(&options);
    options.region = &region;
    options.reason = "asked to";
    options.by = "officer 7";
    options.caches = &cache;
    options.cache_count = cache != NULL;
    CHECK_OK(bp_erase(f->store, &options, NULL, &f->error), &f->error);
}

static bp_status take_last(void *context, void *state, const bp_event *event, bp_error *error)
{
    fixture *f = context;
    last_text *last = state;
    (void)error;
    memset(last, 0, sizeof *last);
    memcpy(last->text, event->payload, event->payload_size);
    if (f->in_apply) {
        f->in_apply = false;
        erase(f, &f->cache.table);
    }
    return BP_OK;
}

static bp_status erasing_get(void *context, const void *key, size_t key_size, bp_output *value, bp_error *error)
{
    fixture *f = (fixture *)(void *)((uint8_t *)context - offsetof(fixture, cache));
    if (f->in_get) {
        f->in_get = false;
        erase(f, &f->cache.table);
    }
    return bpt_cache_get(context, key, key_size, value, error);
}

static bp_status erasing_put(void *context, const void *key, size_t key_size, const void *value, size_t value_size,
                             bp_error *error)
{
    fixture *f = (fixture *)(void *)((uint8_t *)context - offsetof(fixture, cache));
    if (f->in_put) {
        f->in_put = false;
        erase(f, &f->cache.table);
    }
    return bpt_cache_put(context, key, key_size, value, value_size, error);
}

static int begin(void **state, bool disk)
{
    fixture *f = calloc(1, sizeof *f);
    assert_non_null(f);
    if (disk) {
        bpt_world_disk(&f->world);
    } else {
        bpt_world_memory(&f->world);
    }
    f->world.options.incremental_projection = true;
    f->store = bpt_open(&f->world);
    f->last = (bp_projection){.size = sizeof f->last,
                              .type = "last",
                              .version = 1,
                              .incremental = true,
                              .flat = true,
                              .state_size = sizeof(last_text),
                              .context = f,
                              .apply = take_last};
    bpt_cache_init(&f->cache);
    f->cache.table.get = erasing_get;
    f->cache.table.put = erasing_put;
    bpt_note("%s", "");
    *state = f;
    return 0;
}

static int in_memory(void **state)
{
    return begin(state, false);
}

static int on_disk(void **state)
{
    return begin(state, true);
}

static int teardown(void **state)
{
    fixture *f = *state;
    bpt_close(f->store);
    bpt_world_end(&f->world);
    free(f);
    return 0;
}

static last_text project(fixture *f, const bp_cache *cache)
{
    bp_project_options options;
    last_text got;
    bp_project_options_init(&options);
    options.cache = cache;
    CHECK_OK(bp_project(f->store, &f->last, "a", &options, &got, &f->result, &f->error), &f->error);
    return got;
}

static bool holds(const void *data, size_t size, const char *text)
{
    return size > 0 && memmem(data, size, text, strlen(text)) != NULL;
}

/* An erasure while a fold asks its cache, or between asking and putting, which is to be no different from one beside it. */
static void a_fold_under_way_puts_nothing_back(void **state)
{
    fixture *f = *state;
    for (unsigned way = 0; way < 3; way++) {
        (void)bpt_put(f->store, "a", SECRET);
        if (way == 1) {
            (void)project(f, &f->cache.table); /* there is a row to go on from, or to be served */
            (void)bpt_put(f->store, "a", SECRET);
        }
        f->in_get = way == 0;
        f->in_apply = way != 0;
        unsigned puts = f->cache.puts;
        last_text got = project(f, &f->cache.table);
        assert_string_equal(got.text, SECRET); /* it began before */
        assert_false(f->in_get || f->in_apply);
        assert_int_equal(f->cache.puts, puts);
        assert_false(f->cache.has);
        got = project(f, &f->cache.table); /* and the next one goes on as ever */
        assert_string_equal(got.text, "");
        assert_int_equal(f->cache.puts, puts + 1);
        assert_false(holds(f->cache.value, f->cache.size, SECRET));
    }
}

static void project_at(fixture *f, bp_store *store, last_text *got_out)
{
    bp_project_options options;
    bp_project_options_init(&options);
    options.cache = &f->cache.table;
    CHECK_OK(bp_project(store, &f->last, "a", &options, got_out, &f->result, &f->error), &f->error);
}

/* The same with a fold at a reader's handle, which shares nothing with the writer's but the cache. */
static void a_readers_fold_under_way_puts_nothing_back(void **state)
{
    fixture *f = *state;
    bp_store *reader = bpt_reader(&f->world);
    for (unsigned way = 0; way < 4; way++) {
        last_text got;
        (void)bpt_put(f->store, "a", SECRET);
        if (way == 1) {
            project_at(f, reader, &got);
            (void)bpt_put(f->store, "a", SECRET);
        }
        f->in_get = way == 0;
        f->in_apply = way == 1 || way == 2;
        f->in_put = way == 3; /* what was not put yet is not emptied either */
        project_at(f, reader, &got);
        assert_string_equal(got.text, SECRET);
        assert_false(f->in_get || f->in_apply || f->in_put);
        assert_false(f->cache.has && holds(f->cache.value, f->cache.size, SECRET));
        project_at(f, reader, &got);
        assert_string_equal(got.text, "");
        assert_true(f->cache.has);
        assert_false(holds(f->cache.value, f->cache.size, SECRET));
    }
    bpt_close(reader);
}

/* ---- caches on disk ---- */

typedef enum engine { LMDB, SQLITE } engine;

/* NULL: built without. directory NULL: in cache/ of the store. */
static bp_cache *open_disk(fixture *f, engine which, const char *directory)
{
    bp_cache_lmdb_options options;
    bp_cache *cache = NULL;
    bp_cache_lmdb_options_init(&options);
    options.directory = directory;
    bp_status status = which == LMDB ? bp_cache_lmdb(f->store, &options, &cache, &f->error)
                                     : bp_cache_sqlite(f->store, directory, &cache, &f->error);
    if (status != BP_ERR_UNSUPPORTED) {
        CHECK_OK(status, &f->error);
    }
    return cache;
}

/* How many files of the directory have the text in them. */
static unsigned files_with(const char *directory, const char *text)
{
    unsigned count = 0;
    char path[1100];
    DIR *dir = opendir(directory);
    assert_non_null(dir);
    for (const struct dirent *entry = NULL; (entry = readdir(dir)) != NULL;) {
        struct stat about;
        (void)snprintf(path, sizeof path, "%s/%s", directory, entry->d_name);
        assert_int_equal(stat(path, &about), 0);
        if (S_ISREG(about.st_mode) && about.st_size > 0) {
            char *bytes = malloc((size_t)about.st_size);
            FILE *stream = fopen(path, "re");
            assert_true(bytes != NULL && stream != NULL);
            count += holds(bytes, fread(bytes, 1, (size_t)about.st_size, stream), text);
            (void)fclose(stream);
            free(bytes);
        }
    }
    (void)closedir(dir);
    return count;
}

/* Values of all sizes, some replaced, some forgotten: they leave pages behind that are free. */
static void fill(fixture *f, const bp_cache *cache)
{
    enum { LARGE = 20000 };
    char key[32];
    uint64_t deleted = 0;
    char *value = malloc(LARGE);
    assert_non_null(value);
    for (size_t at = 0; at < LARGE; at++) {
        value[at] = SECRET[at % (sizeof SECRET - 1)];
    }
    for (unsigned i = 0; i < 200; i++) {
        int size = snprintf(key, sizeof key, "%s%c%u", i % 2 == 0 ? "even" : "odd", 0, i % 50);
        CHECK_OK(cache->put(cache->context, key, (size_t)size, value, 40 + i * 90, &f->error), &f->error);
    }
    free(value);
    CHECK_OK(bp_cache_forget(cache, "even", &deleted, &f->error), &f->error);
    assert_int_equal(deleted, 25);
    CHECK_OK(bp_cache_sync(cache, &f->error), &f->error);
}

static void its_files_have_it_no_more(fixture *f, engine which)
{
    char directory[600];
    (void)snprintf(directory, sizeof directory, "%s/a-cache", f->world.root);
    bp_cache *cache = open_disk(f, which, directory);
    if (cache == NULL) {
        skip();
    }
    (void)bpt_put(f->store, "a", SECRET);
    (void)project(f, cache);
    fill(f, cache);
    (void)project(f, cache);
    assert_true(files_with(directory, SECRET) > 0);
    erase(f, cache);
    assert_int_equal(files_with(directory, SECRET), 0);
    assert_string_equal(project(f, cache).text, "");
    (void)project(f, cache);
    assert_true(f->result.cached);
    bp_cache_close(cache);
    assert_int_equal(files_with(directory, SECRET), 0);
}

static void files_of_lmdb_have_it_no_more(void **state)
{
    its_files_have_it_no_more(*state, LMDB);
}

static void files_of_sqlite_have_it_no_more(void **state)
{
    its_files_have_it_no_more(*state, SQLITE);
}

/* Named to no erasure, but in cache/, whose files go. */
static void an_open_one_is_emptied(fixture *f, engine which)
{
    char directory[600];
    bp_cache *cache = open_disk(f, which, NULL);
    bp_cache *second = NULL;
    if (cache == NULL) {
        skip();
    }
    (void)snprintf(directory, sizeof directory, "%s/cache/%s", f->world.path, which == LMDB ? "lmdb" : "sqlite");
    for (unsigned round = 0; round < 3; round++) {
        (void)bpt_put(f->store, "a", SECRET);
        assert_string_equal(project(f, cache).text, SECRET);
        assert_string_equal(project(f, cache).text, SECRET);
        assert_true(f->result.cached);
        erase(f, NULL);
        if (round == 1) {
            (void)bpt_put(f->store, "b", "x"); /* the first to come is a put */
            CHECK_OK(cache->put(cache->context, "k", 1, "v", 1, &f->error), &f->error);
        }
        assert_string_equal(project(f, cache).text, "");
        assert_false(f->result.cached);
        assert_string_equal(project(f, cache).text, "");
        assert_true(f->result.cached);
        if (which == LMDB) {
            CHECK_STATUS(BP_ERR_LOCKED, bp_cache_lmdb(f->store, NULL, &second, &f->error), &f->error);
        }
        assert_int_equal(files_with(directory, SECRET), 0);
    }
    bp_cache_close(cache);
    cache = open_disk(f, which, NULL);
    assert_string_equal(project(f, cache).text, "");
    assert_true(f->result.cached);
    bp_cache_close(cache);
}

static void an_open_lmdb_cache_is_emptied(void **state)
{
    an_open_one_is_emptied(*state, LMDB);
}

static void an_open_sqlite_cache_is_emptied(void **state)
{
    an_open_one_is_emptied(*state, SQLITE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_fold_under_way_puts_nothing_back, in_memory, teardown),
        cmocka_unit_test_setup_teardown(a_readers_fold_under_way_puts_nothing_back, in_memory, teardown),
        cmocka_unit_test_setup_teardown(files_of_lmdb_have_it_no_more, on_disk, teardown),
        cmocka_unit_test_setup_teardown(files_of_sqlite_have_it_no_more, on_disk, teardown),
        cmocka_unit_test_setup_teardown(an_open_lmdb_cache_is_emptied, on_disk, teardown),
        cmocka_unit_test_setup_teardown(an_open_sqlite_cache_is_emptied, on_disk, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
