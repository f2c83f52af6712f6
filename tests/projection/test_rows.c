/*
 * test_rows.c: cached states: when they are served, when they are carried on, and everything that makes them be left alone.
 */
#include "projection/folding.h"

typedef struct fixture {
    bpt_world world;
    bp_store *store;
    bp_error error;
    bp_projection tally;
    bpt_cache cache;
    bp_project_options options;
    bp_projected result;
    bp_log_hook hook;
    unsigned warnings;
    unsigned ignored;
    char said[256]; /* the reason of the last one */
} fixture;

static void hear(void *context, bp_log_level level, const char *target, const char *name, const bp_log_field *fields,
                 size_t field_count)
{
    fixture *f = context;
    if (strcmp(target, "cache") == 0) {
        f->warnings += level == BP_LOG_WARN;
        f->ignored += strcmp(name, "ignored") == 0;
        assert_int_equal(field_count, 3);
        (void)snprintf(f->said, sizeof f->said, "%s", fields[2].text);
    }
}

static void open_store(fixture *f, bool incremental)
{
    if (f->store != NULL) {
        bpt_close(f->store);
    }
    f->world.options.log = &f->hook;
    f->world.options.incremental_projection = incremental;
    f->store = bpt_open(&f->world);
}

static int setup(void **state)
{
    fixture *f = calloc(1, sizeof *f);
    assert_non_null(f);
    bpt_world_memory(&f->world);
    f->hook = (bp_log_hook){.size = sizeof f->hook, .context = f, .level = BP_LOG_INFO, .write = hear};
    open_store(f, true);
    f->tally = bpt_tally_projection("tally", true);
    bpt_cache_init(&f->cache);
    bp_project_options_init(&f->options);
    f->options.cache = &f->cache.table;
    bpt_note("%s", "");
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    fixture *f = *state;
    if (f->store != NULL) {
        bpt_close(f->store);
    }
    bpt_world_end(&f->world);
    free(f);
    return 0;
}

static void put(fixture *f, const char *entity, unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        (void)bpt_put(f->store, entity, "some bytes");
    }
}

/* Projects "a" through the cache; the answer must be that of the fold by hand. */
static void project(fixture *f)
{
    bp_region region = bp_region_stream("a");
    bpt_tally got;
    CHECK_OK(bp_project(f->store, &f->tally, "a", &f->options, &got, &f->result, &f->error), &f->error);
    bpt_tally want =
        bpt_tally_by_hand(f->store, &region, f->tally.kinds, f->tally.kind_count, f->result.position.next - 1);
    bpt_check_tally(&got, &want, "cached");
}

static void expect(fixture *f, bool cached, uint64_t applied)
{
    project(f);
    CHECK(f->result.cached == cached && f->result.applied == applied, "cached %d, applied %llu, not %d, %llu (%s)",
          f->result.cached, (unsigned long long)f->result.applied, cached, (unsigned long long)applied, f->said);
}

static void a_fresh_state_is_served(void **state)
{
    fixture *f = *state;
    put(f, "a", 5);
    expect(f, false, 5);
    expect(f, true, 0);
    put(f, "b", 3);
    expect(f, true, 0);
    assert_int_equal(f->result.position.next, 8);
    assert_int_equal(f->cache.puts, 1);
    assert_int_equal(f->warnings + f->ignored, 0);
}

static void an_incremental_state_is_carried_on(void **state)
{
    fixture *f = *state;
    put(f, "a", 5);
    expect(f, false, 5);
    put(f, "a", 2);
    expect(f, true, 2);
    expect(f, true, 0);
    assert_int_equal(f->cache.puts, 2);
}

static void without_type_or_option_all_is_folded_anew(void **state)
{
    fixture *f = *state;
    put(f, "a", 5);
    f->tally.incremental = false;
    expect(f, false, 5);
    put(f, "a", 1);
    expect(f, false, 6);
    expect(f, true, 0);
    f->tally.incremental = true;
    open_store(f, false);
    put(f, "a", 1);
    expect(f, false, 7);
    expect(f, true, 0);
}

static void an_old_position_moves_on(void **state)
{
    fixture *f = *state;
    put(f, "a", 1);
    expect(f, false, 1);
    put(f, "b", 5000);
    expect(f, true, 0);
    assert_int_equal(f->cache.puts, 2);
    expect(f, true, 0);
    assert_int_equal(f->cache.puts, 2);
}

static void a_stale_state_will_do_for_so_long(void **state)
{
    fixture *f = *state;
    atomic_store(&f->world.clock.step_us, 0);
    put(f, "a", 3);
    f->options.max_stale_ms = 50;
    expect(f, false, 3);
    put(f, "a", 2);
    atomic_fetch_add(&f->world.clock.now_us, 50000);
    expect(f, true, 0);
    assert_int_equal(f->result.position.next, 3);
    atomic_fetch_add(&f->world.clock.now_us, 1);
    expect(f, true, 2);
    assert_int_equal(f->result.position.next, 5);
    /* A clock that was set back proves nothing: it is looked at anew. */
    put(f, "a", 1);
    atomic_fetch_sub(&f->world.clock.now_us, 10000000);
    expect(f, true, 1);
    f->options.max_stale_ms = 0;
    put(f, "a", 1);
    expect(f, true, 1);
    /* And a stale one that the log does not know is not served. */
    f->options.max_stale_ms = 1000000;
    f->cache.value[33] ^= 1;
    expect(f, false, 7);
}

static void the_past_is_not_put_but_may_begin_from_a_row(void **state)
{
    fixture *f = *state;
    put(f, "a", 10);
    f->options.as_of = BP_AS_OF_SEQUENCE;
    f->options.as_of_sequence = 5;
    expect(f, false, 6);
    assert_int_equal(f->cache.puts, 0);
    f->options.as_of = BP_AS_OF_NOW;
    expect(f, false, 10);
    f->options.as_of = BP_AS_OF_SEQUENCE;
    expect(f, false, 6); /* the row is behind that moment */
    f->options.as_of_sequence = 9;
    expect(f, true, 0);
    put(f, "a", 5);
    f->options.as_of_sequence = 12;
    expect(f, true, 3);
    const bp_event *event = NULL;
    CHECK_OK(bp_get_sequence(f->store, 12, &event, &f->error), &f->error);
    f->options.as_of = BP_AS_OF_COMMITTED;
    f->options.as_of_committed = event->hlc;
    bp_event_release(event);
    expect(f, true, 3);
    assert_int_equal(f->cache.puts, 1);
}

/* ---- rows that are left alone ---- */

static void expect_ignored(fixture *f, uint64_t applied, const char *reason)
{
    f->ignored = 0;
    expect(f, false, applied);
    assert_int_equal(f->ignored, 1);
    assert_string_equal(f->said, reason);
}

static void another_version_type_kinds_or_size(void **state)
{
    fixture *f = *state;
    static const bp_kind_code kinds[] = {0xF001, 0xF002};
    put(f, "a", 4);
    expect(f, false, 4);
    f->tally.version = 2; /* the code has changed */
    expect_ignored(f, 4, "another version's");
    f->tally.kinds = kinds;
    f->tally.kind_count = 2;
    expect_ignored(f, 4, "of other kinds");
    expect(f, true, 0);
    f->tally.kind_count = 1;
    expect_ignored(f, 4, "of other kinds");
    f->tally.type = "tally2"; /* the test's cache has one value for all keys */
    expect_ignored(f, 4, "another type's");
    f->tally.state_size++;
    union {
        bpt_tally tally;
        uint8_t room[sizeof(bpt_tally) + 8];
    } larger;
    CHECK_OK(bp_project(f->store, &f->tally, "a", &f->options, &larger, &f->result, &f->error), &f->error);
    assert_false(f->result.cached);
    assert_string_equal(f->said, "another type's");
}

static void another_regions_row(void **state)
{
    fixture *f = *state;
    bpt_tally got;
    put(f, "a", 4);
    put(f, "b", 1);
    CHECK_OK(bp_project(f->store, &f->tally, "b", &f->options, &got, NULL, &f->error), &f->error);
    expect_ignored(f, 4, "another region's");
}

static void damaged_rows_of_every_kind(void **state)
{
    fixture *f = *state;
    uint8_t whole[4096];
    put(f, "a", 3);
    expect(f, false, 3);
    size_t size = f->cache.size;
    memcpy(whole, f->cache.value, size);
    for (size_t cut = 0; cut < size; cut++) {
        memcpy(f->cache.value, whole, size);
        f->cache.size = cut;
        bpt_note("cut to %zu", cut);
        expect_ignored(f, 3, "damaged");
    }
    for (size_t at = 0; at < size; at++) {
        memcpy(f->cache.value, whole, size);
        f->cache.value[at] ^= 0x10;
        f->cache.size = size;
        bpt_note("flipped at %zu", at);
        expect_ignored(f, 3, "damaged");
    }
    memcpy(f->cache.value, whole, size);
    f->cache.value[size] = 0;
    f->cache.size = size + 1;
    expect_ignored(f, 3, "damaged");
}

/* A row that is right in itself, of a log that is longer than this one. */
static void a_row_from_the_future(void **state)
{
    fixture *f = *state;
    put(f, "a", 8);
    expect(f, false, 8);
    bpt_close(f->store);
    f->store = NULL;
    bpt_world_end(&f->world);
    bpt_world_memory(&f->world);
    open_store(f, true); /* equal clock, equal random bytes: the same store over again, store id too */
    put(f, "a", 5);
    expect_ignored(f, 5, "of another history");
}

/* Buffered events, seen by a projection, are lost with the power; the log grows up again with others. */
static void a_history_that_a_power_cut_took_back(void **state)
{
    fixture *f = *state;
    bpt_close(f->store);
    f->store = NULL;
    bpt_world_end(&f->world);
    bpt_world_fault(&f->world);
    f->world.options.durability = BP_BUFFERED;
    open_store(f, true);
    put(f, "a", 4);
    CHECK_OK(bp_sync(f->store, &f->error), &f->error);
    put(f, "a", 4);
    expect(f, false, 8);
    bpt_power_cut(&f->world, BPT_KEEP_NONE, 0);
    (void)bp_close(f->store, NULL);
    f->store = NULL;
    open_store(f, true);
    uint64_t left = bp_store_frontiers(f->store).published;
    assert_true(left >= 4 && left < 8);
    for (unsigned i = 0; i < 7; i++) {
        (void)bpt_put(f->store, "a", "other bytes");
    }
    expect_ignored(f, left + 7, "of another history"); /* the log has grown beyond the row again, with others */
    put(f, "a", 4);
    expect(f, true, 4); /* the row put just now is of this history */
}

static void two_stores_do_not_share_rows(void **state)
{
    fixture *f = *state;
    bp_cache *cache = NULL;
    bpt_world other;
    bpt_tally got;
    CHECK_OK(bp_cache_memory(0, NULL, &cache, &f->error), &f->error);
    f->options.cache = cache;
    put(f, "a", 4);
    expect(f, false, 4);
    bpt_world_disk(&other);
    bp_store *store = bpt_open(&other);
    for (int i = 0; i < 6; i++) {
        (void)bpt_put(store, "a", "x");
    }
    CHECK_OK(bp_project(store, &f->tally, "a", &f->options, &got, &f->result, &f->error), &f->error);
    assert_int_equal(got.count, 6);
    assert_false(f->result.cached);
    expect(f, true, 0); /* and neither has pushed the other out */
    bpt_close(store);
    bpt_world_end(&other);
    bp_cache_close(cache);
}

/* ---- failures ---- */

static void a_cache_that_fails_warns_and_is_passed_by(void **state)
{
    fixture *f = *state;
    put(f, "a", 3);
    f->cache.fail_put = true;
    expect(f, false, 3);
    assert_int_equal(f->warnings, 1);
    assert_non_null(strstr(f->said, "the cache is full"));
    f->cache.fail_put = false;
    expect(f, false, 3);
    f->cache.fail_get = true;
    expect(f, false, 3);
    assert_int_equal(f->warnings, 2);
    assert_non_null(strstr(f->said, "broken"));
}

typedef struct codec {
    bool decode_fails;
    bool encode_fails;
    unsigned alive;
} codec;

static bp_status codec_init(void *context, void *state, bp_error *error)
{
    (void)error;
    ((codec *)context)->alive++;
    memset(state, 0, sizeof(bpt_tally));
    return BP_OK;
}

static bp_status codec_encode(void *context, const void *state, bp_output *output, bp_error *error)
{
    const codec *how = context;
    if (how->encode_fails) {
        return bp_error_set(error, BP_ERR_TOO_LARGE, "cannot write it");
    }
    return bp_output_append(output, state, sizeof(bpt_tally)) ? BP_OK : BP_ERR_NO_MEMORY;
}

static bp_status codec_decode(void *context, void *state, const void *data, size_t size, bp_error *error)
{
    codec *how = context;
    if (how->decode_fails || size != sizeof(bpt_tally)) {
        return bp_error_set(error, BP_ERR_FORMAT, "cannot read it");
    }
    how->alive++;
    memcpy(state, data, size);
    return BP_OK;
}

static void codec_fini(void *context, void *state)
{
    (void)state;
    ((codec *)context)->alive--;
}

static void what_decode_answers_surfaces(void **state)
{
    fixture *f = *state;
    codec how = {0};
    bpt_tally states[2];
    f->tally.flat = false;
    f->tally.context = &how;
    f->tally.init = codec_init;
    f->tally.encode = codec_encode;
    f->tally.decode = codec_decode;
    f->tally.fini = codec_fini;
    put(f, "a", 3);
    how.encode_fails = true; /* the answer is right: only keeping it is not possible */
    expect(f, false, 3);
    assert_int_equal(f->warnings, 1);
    how.encode_fails = false;
    expect(f, false, 3);
    expect(f, true, 0);
    put(f, "a", 1);
    assert_int_equal(how.alive, 3);
    how.alive = 0;
    how.decode_fails = true;
    CHECK_STATUS(BP_ERR_FORMAT, bp_project(f->store, &f->tally, "a", &f->options, states, NULL, &f->error), &f->error);
    CHECK_SAYS(&f->error, "projection tally: a cached state: cannot read it");
    bp_region region = bp_region_stream("a");
    bp_projected result;
    CHECK_STATUS(BP_ERR_FORMAT,
                 bp_project_if_changed(f->store, &f->tally, &region, NULL, &f->options, states, &result, &f->error),
                 &f->error);
    f->options.max_stale_ms = 1000000;
    CHECK_STATUS(BP_ERR_FORMAT, bp_project(f->store, &f->tally, "a", &f->options, states, NULL, &f->error), &f->error);
    f->options.max_stale_ms = 0;
    bp_projection_item items[] = {{.projection = &f->tally, .state = &states[0]},
                                  {.projection = &f->tally, .state = &states[1]}};
    CHECK_STATUS(BP_ERR_FORMAT, bp_project_fused(f->store, &region, items, 2, &f->options, &f->error), &f->error);
    assert_int_equal(how.alive, 0);
    how.decode_fails = false;
    expect(f, true, 1);
}

static void prefetch_hands_every_key_to_the_cache(void **state)
{
    fixture *f = *state;
    const char *entities[40];
    for (size_t i = 0; i < 40; i++) {
        entities[i] = i % 2 == 0 ? "a" : "b";
    }
    bp_project_prefetch(f->store, &f->tally, entities, 40, &f->cache.table);
    assert_int_equal(f->cache.prefetched, 40);
    bp_project_prefetch(f->store, &f->tally, entities, 40, NULL);
    bp_project_prefetch(f->store, NULL, entities, 40, &f->cache.table);
    bp_project_prefetch(NULL, &f->tally, entities, 40, &f->cache.table);
    f->cache.table.capabilities = 0;
    bp_project_prefetch(f->store, &f->tally, entities, 40, &f->cache.table);
    assert_int_equal(f->cache.prefetched, 40);
}

/* ---- no memory ---- */

typedef struct scarce {
    bp_allocator table;
    unsigned left;
} scarce;

static void *scarce_allocate(void *context, size_t size)
{
    scarce *s = context;
    return s->left == 0 ? NULL : (s->left--, malloc(size));
}

static void *scarce_resize(void *context, void *memory, size_t old_size, size_t size)
{
    scarce *s = context;
    (void)old_size;
    return s->left == 0 ? NULL : (s->left--, realloc(memory, size));
}

static void scarce_release(void *context, void *memory, size_t size)
{
    (void)context;
    (void)size;
    free(memory);
}

static void no_memory_anywhere_is_an_error_or_no_matter(void **state)
{
    fixture *f = *state;
    scarce memory = {.left = UINT32_MAX};
    bool done = false;
    memory.table = (bp_allocator){.size = sizeof memory.table,
                                  .context = &memory,
                                  .allocate = scarce_allocate,
                                  .resize = scarce_resize,
                                  .release = scarce_release};
    f->world.options.allocator = &memory.table;
    open_store(f, true);
    put(f, "a", 3);
    for (unsigned allowed = 0; !done; allowed++) {
        bpt_tally states[2];
        bp_projection other = f->tally;
        bp_kind_code kind = 0xF001;
        other.kinds = &kind;
        other.kind_count = 1;
        bp_projection_item items[] = {{.projection = &f->tally, .state = &states[0]},
                                      {.projection = &other, .state = &states[1]}};
        f->cache.has = false;
        memory.left = allowed;
        bp_status status = bp_project_fused(f->store, NULL, items, 2, &f->options, &f->error);
        done = memory.left > 0;
        memory.left = UINT32_MAX;
        if (status == BP_OK) {
            assert_int_equal(states[0].count, 3);
            assert_int_equal(states[1].count, 3);
        } else {
            CHECK_STATUS(BP_ERR_NO_MEMORY, status, &f->error);
        }
        assert_true(status == BP_OK || !done);
    }
    bpt_close(f->store);
    f->store = NULL;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_fresh_state_is_served, setup, teardown),
        cmocka_unit_test_setup_teardown(an_incremental_state_is_carried_on, setup, teardown),
        cmocka_unit_test_setup_teardown(without_type_or_option_all_is_folded_anew, setup, teardown),
        cmocka_unit_test_setup_teardown(an_old_position_moves_on, setup, teardown),
        cmocka_unit_test_setup_teardown(a_stale_state_will_do_for_so_long, setup, teardown),
        cmocka_unit_test_setup_teardown(the_past_is_not_put_but_may_begin_from_a_row, setup, teardown),
        cmocka_unit_test_setup_teardown(another_version_type_kinds_or_size, setup, teardown),
        cmocka_unit_test_setup_teardown(another_regions_row, setup, teardown),
        cmocka_unit_test_setup_teardown(damaged_rows_of_every_kind, setup, teardown),
        cmocka_unit_test_setup_teardown(a_row_from_the_future, setup, teardown),
        cmocka_unit_test_setup_teardown(a_history_that_a_power_cut_took_back, setup, teardown),
        cmocka_unit_test_setup_teardown(two_stores_do_not_share_rows, setup, teardown),
        cmocka_unit_test_setup_teardown(a_cache_that_fails_warns_and_is_passed_by, setup, teardown),
        cmocka_unit_test_setup_teardown(what_decode_answers_surfaces, setup, teardown),
        cmocka_unit_test_setup_teardown(prefetch_hands_every_key_to_the_cache, setup, teardown),
        cmocka_unit_test_setup_teardown(no_memory_anywhere_is_an_error_or_no_matter, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
