/*
 * test_erased.c: behind an erasure no cache has states made of what was erased: not of a fold that was under way, not in the
 * bytes of its files, and not one that was open meanwhile.
 */
#include <batpak/erase.h>

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
    bpt_note("%s", "");
    *state = f;
    return 0;
}

static int in_memory(void **state)
{
    return begin(state, false);
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_fold_under_way_puts_nothing_back, in_memory, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
