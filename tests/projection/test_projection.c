/*
 * test_projection.c: what a fold gives, what it is told, and what it says when a projection fails; caches are in test_rows.
 */
#include <batpak/tombstone.h>
#include <unistd.h>

#include "projection/folding.h"

typedef struct fixture {
    bpt_world world;
    bp_store *store;
    bp_error error;
    bp_projection tally;
} fixture;

static int setup(void **state)
{
    fixture *f = calloc(1, sizeof *f);
    assert_non_null(f);
    bpt_world_memory(&f->world);
    f->store = bpt_open(&f->world);
    f->tally = bpt_tally_projection("tally", false);
    bpt_note("%s", "");
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    fixture *f = *state;
    bpt_close(f->store);
    bpt_world_end(&f->world);
    free(f);
    return 0;
}

static void put(fixture *f, const char *entity, bp_kind_code kind, const char *text)
{
    CHECK_OK(bp_append(f->store, bp_at(entity, "s"), kind, bp_raw(text, strlen(text)), NULL, NULL, &f->error),
             &f->error);
}

static bpt_tally project(fixture *f, const char *entity, const bp_project_options *options, bp_projected *result)
{
    bpt_tally got;
    CHECK_OK(bp_project(f->store, &f->tally, entity, options, &got, result, &f->error), &f->error);
    return got;
}

static void a_fold_has_every_event_of_the_entity_in_order(void **state)
{
    fixture *f = *state;
    bp_projected result;
    bp_position position;
    for (int i = 0; i < 50; i++) {
        put(f, i % 3 == 0 ? "a" : "b", 0xF001, i % 2 == 0 ? "x" : "yz");
    }
    bpt_tally got = project(f, "a", NULL, &result);
    bp_region region = bp_region_stream("a");
    bpt_tally want = bpt_tally_by_hand(f->store, &region, NULL, 0, UINT64_MAX);
    assert_int_equal(want.count, 17);
    bpt_check_tally(&got, &want, "fold");
    assert_true(result.present && result.changed && !result.cached);
    assert_int_equal(result.applied, 17);
    CHECK_OK(bp_store_position(f->store, &position, &f->error), &f->error);
    assert_int_equal(result.position.next, 50);
    assert_memory_equal(&result.position.event_hash, &position.event_hash, sizeof position.event_hash);
    region = bp_region_all();
    CHECK_OK(bp_project_region(f->store, &f->tally, NULL, NULL, &got, NULL, &f->error), &f->error);
    want = bpt_tally_by_hand(f->store, &region, NULL, 0, UINT64_MAX);
    bpt_check_tally(&got, &want, "all");
}

static void without_relevant_events_it_is_absent(void **state)
{
    fixture *f = *state;
    bpt_tally got = {.count = 77};
    bp_projected result;
    bp_kind_code kind = 0xF007;
    CHECK_STATUS(BP_ERR_NOT_FOUND, bp_project(f->store, &f->tally, "a", NULL, &got, &result, &f->error), &f->error);
    assert_false(result.present);
    assert_int_equal(result.position.next, 0);
    put(f, "a", 0xF001, "x");
    f->tally.kinds = &kind;
    f->tally.kind_count = 1;
    CHECK_STATUS(BP_ERR_NOT_FOUND, bp_project(f->store, &f->tally, "a", NULL, &got, &result, &f->error), &f->error);
    CHECK_SAYS(&f->error, "tally: no event yet");
    assert_string_equal(f->error.entity, "a");
    assert_int_equal(result.position.next, 1);
    assert_int_equal(got.count, 77); /* nothing was made */
    put(f, "a", kind, "x");
    assert_int_equal(project(f, "a", NULL, NULL).count, 1);
}

static void only_relevant_kinds_are_applied(void **state)
{
    fixture *f = *state;
    static const bp_kind_code kinds[] = {0xF001, 0xF009, 0xF003};
    bp_region region = bp_region_stream("a");
    for (unsigned i = 0; i < 100; i++) {
        put(f, "a", (bp_kind_code)(0xF000 + i % 10), "x");
    }
    f->tally.kinds = kinds;
    for (size_t count = 1; count <= 3; count++) {
        f->tally.kind_count = count;
        bpt_tally got = project(f, "a", NULL, NULL);
        bpt_tally want = bpt_tally_by_hand(f->store, &region, kinds, count, UINT64_MAX);
        assert_int_equal(want.count, count * 10);
        bpt_check_tally(&got, &want, "kinds");
    }
}

static void state_as_of_a_sequence_and_a_time(void **state)
{
    fixture *f = *state;
    bp_project_options options;
    bp_projected result;
    bp_region region = bp_region_stream("a");
    bp_hlc times[20];
    for (unsigned i = 0; i < 20; i++) {
        const bp_event *event = NULL;
        put(f, i % 2 == 0 ? "a" : "b", 0xF001, "x");
        CHECK_OK(bp_get_sequence(f->store, i, &event, &f->error), &f->error);
        times[i] = event->hlc;
        bp_event_release(event);
    }
    for (unsigned i = 0; i < 20; i++) {
        bpt_tally want = bpt_tally_by_hand(f->store, &region, NULL, 0, i);
        bp_project_options_init(&options);
        options.as_of = BP_AS_OF_SEQUENCE;
        options.as_of_sequence = i;
        bpt_tally got = project(f, "a", &options, &result);
        bpt_check_tally(&got, &want, "as of a sequence");
        assert_int_equal(result.position.next, want.last + 1);
        options.as_of = BP_AS_OF_COMMITTED;
        options.as_of_committed = times[i];
        got = project(f, "a", &options, NULL);
        bpt_check_tally(&got, &want, "as of a commit time");
    }
    bpt_tally none;
    options.as_of_committed = times[0] - 1;
    CHECK_STATUS(BP_ERR_NOT_FOUND, bp_project(f->store, &f->tally, "a", &options, &none, &result, &f->error), NULL);
    /* A region that has bounds itself keeps them. */
    bp_region_set_sequence(&region, 5, 11);
    options.as_of = BP_AS_OF_SEQUENCE;
    options.as_of_sequence = 8;
    bpt_tally got;
    CHECK_OK(bp_project_region(f->store, &f->tally, &region, &options, &got, NULL, &f->error), &f->error);
    bpt_tally want = bpt_tally_by_hand(f->store, &region, NULL, 0, 8);
    assert_int_equal(want.count, 2);
    bpt_check_tally(&got, &want, "bounds");
}

/* ---- failures ---- */

typedef struct failing {
    uint64_t at; /* the sequence that apply refuses */
    bp_status with;
    bool silent;
    bool init_fails;
    int alive; /* states made and not yet released */
} failing;

static bp_status failing_init(void *context, void *state, bp_error *error)
{
    failing *how = context;
    memset(state, 0, sizeof(bpt_tally));
    if (how->init_fails) {
        return bp_error_set(error, BP_ERR_NO_MEMORY, "no room for it");
    }
    how->alive++;
    return BP_OK;
}

static bp_status failing_apply(void *context, void *state, const bp_event *event, bp_error *error)
{
    failing *how = context;
    (void)bpt_tally_apply(NULL, state, event, error);
    if (event->sequence != how->at) {
        return BP_OK;
    }
    return how->silent ? how->with : bp_error_set(error, how->with, "cannot read a %u", (unsigned)event->kind);
}

static void failing_fini(void *context, void *state)
{
    failing *how = context;
    (void)state;
    how->alive--;
}

static void what_apply_answers_surfaces(void **state)
{
    fixture *f = *state;
    failing how = {.at = 2, .with = BP_ERR_FORMAT};
    bp_projection p = f->tally;
    bpt_tally got;
    p.context = &how;
    p.init = failing_init;
    p.apply = failing_apply;
    p.fini = failing_fini;
    for (int i = 0; i < 4; i++) {
        put(f, "a", 0xF001, "x");
    }
    CHECK_STATUS(BP_ERR_FORMAT, bp_project(f->store, &p, "a", NULL, &got, NULL, &f->error), &f->error);
    CHECK_SAYS(&f->error, "projection tally, event 2: cannot read a 61441");
    assert_int_equal(f->error.sequence, 2);
    assert_string_equal(f->error.entity, "a");
    assert_int_equal(how.alive, 0);
    how.silent = true;
    how.with = BP_ERR_IO;
    CHECK_STATUS(BP_ERR_IO, bp_project(f->store, &p, "a", NULL, &got, NULL, &f->error), &f->error);
    CHECK_SAYS(&f->error, "apply refused");
    how.with = BP_END; /* an end that is none */
    CHECK_STATUS(BP_ERR_FORMAT, bp_project(f->store, &p, "a", NULL, &got, NULL, &f->error), &f->error);
    how.with = (bp_status)4711;
    CHECK_STATUS(BP_ERR_FORMAT, bp_project(f->store, &p, "a", NULL, &got, NULL, NULL), NULL);
    how.init_fails = true;
    CHECK_STATUS(BP_ERR_NO_MEMORY, bp_project(f->store, &p, "a", NULL, &got, NULL, &f->error), &f->error);
    CHECK_SAYS(&f->error, "no room for it");
    assert_int_equal(how.alive, 0);
    how = (failing){.at = BP_NONE};
    CHECK_OK(bp_project(f->store, &p, "a", NULL, &got, NULL, &f->error), &f->error);
    assert_int_equal(how.alive, 1); /* the caller's to release */
}

static void one_of_several_that_fails_leaves_no_state(void **state)
{
    fixture *f = *state;
    failing how = {.at = 2, .with = BP_ERR_FORMAT};
    bpt_tally states[2];
    bp_projection p = f->tally;
    p.context = &how;
    p.init = failing_init;
    p.apply = failing_apply;
    p.fini = failing_fini;
    bp_projection_item items[] = {{.projection = &f->tally, .state = &states[0]},
                                  {.projection = &p, .state = &states[1]}};
    for (int i = 0; i < 4; i++) {
        put(f, "a", 0xF001, "x");
    }
    CHECK_STATUS(BP_ERR_FORMAT, bp_project_fused(f->store, NULL, items, 2, NULL, &f->error), &f->error);
    assert_false(items[0].result.present || items[1].result.present);
    assert_int_equal(how.alive, 0);
}

/* In a file under a mapping, as a failing medium would. */
static void damage(const bpt_world *disk, const bp_receipt *receipt)
{
    char path[1100];
    (void)snprintf(path, sizeof path, "%s/log/%010u-1.seg", disk->path, (unsigned)(receipt->position >> 32));
    FILE *stream = fopen(path, "r+be");
    assert_non_null(stream);
    assert_int_equal(fseek(stream, (long)(receipt->position & UINT32_MAX) + 40, SEEK_SET), 0);
    int byte = fgetc(stream);
    assert_int_equal(fseek(stream, -1, SEEK_CUR), 0);
    assert_int_equal(fputc(byte ^ 1, stream), byte ^ 1);
    assert_int_equal(fclose(stream), 0);
}

static void damage_in_an_event_surfaces(void **state)
{
    fixture *f = *state;
    bpt_world disk;
    bpt_tally got;
    bpt_world_disk(&disk);
    bp_store *store = bpt_open(&disk);
    bp_receipt receipt = bpt_put(store, "a", "hello");
    (void)bpt_put(store, "b", "x");
    damage(&disk, &receipt);
    CHECK_STATUS(BP_ERR_CORRUPT, bp_project(store, &f->tally, "a", NULL, &got, NULL, &f->error), &f->error);
    CHECK_OK(bp_project(store, &f->tally, "b", NULL, &got, NULL, &f->error), &f->error);
    assert_int_equal(got.count, 1);
    bpt_close(store);
    bpt_world_end(&disk);
}

/* Projections of two kinds over everything, the first from a cache that is complete up to event 11, the other from the log. */
static void fold_two(fixture *f, bp_store *store, const bp_project_options *options, bp_projected *first_out)
{
    static const bp_kind_code kinds[] = {0xF001, 0xF002};
    bp_projection projections[2];
    bpt_tally states[2];
    bp_projection_item items[2] = {{.projection = &projections[0], .state = &states[0]},
                                   {.projection = &projections[1], .state = &states[1]}};
    for (size_t i = 0; i < 2; i++) {
        projections[i] = bpt_tally_projection(i == 0 ? "first" : "second", true);
        projections[i].kinds = &kinds[i];
        projections[i].kind_count = 1;
    }
    if (first_out->position.next == 0) {
        CHECK_OK(bp_project_fused(store, NULL, items, 1, options, &f->error), &f->error);
        assert_int_equal(items[0].result.position.next, 12);
    } else {
        CHECK_OK(bp_project_fused(store, NULL, items, 2, options, &f->error), &f->error);
        assert_int_equal(states[0].count, first_out->applied);
        assert_int_equal(states[1].count, 1);
        assert_int_equal(items[0].result.position.next, items[1].result.position.next);
    }
    *first_out = items[0].result;
}

/* Event 3 is the second's, event 8 the first's, the others nobody's. */
static void put_for_two(fixture *f, bp_store *store, unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        bp_kind_code kind = i == 3 ? 0xF002 : i == 8 ? 0xF001 : 0xF003;
        CHECK_OK(bp_append(store, bp_at("a", "s"), kind, bp_raw("x", 1), NULL, NULL, &f->error), &f->error);
    }
}

static void a_position_never_goes_back_behind_a_cached_one(void **state)
{
    fixture *f = *state;
    bp_project_options options;
    bp_projected first = {0};
    bp_project_options_init(&options);
    bp_cache *cache = NULL;
    CHECK_OK(bp_cache_memory(0, NULL, &cache, &f->error), &f->error);
    options.cache = cache;
    put_for_two(f, f->store, 12);
    fold_two(f, f->store, &options, &first);
    put_for_two(f, f->store, 3);
    options.as_of = BP_AS_OF_SEQUENCE;
    options.as_of_sequence = 13;
    first.applied = 1;
    fold_two(f, f->store, &options, &first);
    assert_int_equal(first.position.next, 12);
    CHECK_OK(bp_position_check(f->store, &first.position, &f->error), &f->error);
    bp_cache_close(cache);
}

/* The newest event, which is nobody's, cannot be read: the row that is put anew keeps its position. */
static void a_row_that_is_put_anew_keeps_its_events(void **state)
{
    fixture *f = *state;
    bpt_world disk;
    bp_project_options options;
    bp_projected first = {0};
    bp_cache *cache = NULL;
    bp_project_options_init(&options);
    bpt_world_disk(&disk);
    disk.options.incremental_projection = true;
    bp_store *store = bpt_open(&disk);
    CHECK_OK(bp_cache_memory(0, NULL, &cache, &f->error), &f->error);
    options.cache = cache;
    put_for_two(f, store, 12);
    fold_two(f, store, &options, &first);
    bp_receipt newest;
    CHECK_OK(bp_append(store, bp_at("a", "s"), 0xF003, bp_raw("x", 1), NULL, &newest, &f->error), &f->error);
    damage(&disk, &newest);
    options.max_stale_ms = 1; /* what is older is put anew */
    (void)usleep(5000);
    first.applied = 1;
    fold_two(f, store, &options, &first);
    assert_int_equal(first.position.next, 12);
    options.max_stale_ms = 0;
    first.applied = 1;
    fold_two(f, store, &options, &first);
    bp_cache_close(cache);
    bpt_close(store);
    bpt_world_end(&disk);
}

/* Events that were read and are not of the region leave no trace in the position. */
static void a_position_is_that_of_the_last_event_applied(void **state)
{
    fixture *f = *state;
    bp_tombstone_options bury;
    bp_project_options options;
    bp_projected result;
    bpt_tally got;
    bp_region region = bp_region_stream("a");
    bp_region buried = bp_region_stream("a");
    put(f, "a", 0xF001, "x");
    put(f, "a", 0xF001, "y");
    bp_region_set_sequence(&buried, 1, 1);
    bp_tombstone_options_init(&bury);
    bury.region = &buried;
    bury.reason = "a mistake";
    bury.by = "officer 7";
    CHECK_OK(bp_tombstone(f->store, &bury, NULL, &f->error), &f->error);
    bp_region_set_tombstoned(&region, false);
    bp_project_options_init(&options);
    options.as_of = BP_AS_OF_SEQUENCE;
    options.as_of_sequence = 1;
    CHECK_OK(bp_project_region(f->store, &f->tally, &region, &options, &got, &result, &f->error), &f->error);
    assert_int_equal(got.count, 1);
    assert_int_equal(result.position.next, 1);
    CHECK_OK(bp_position_check(f->store, &result.position, &f->error), &f->error);
}

static void hostile_arguments_are_refused(void **state)
{
    fixture *f = *state;
    bpt_tally got;
    bp_projected result;
    bp_project_options options;
    bp_projection p = f->tally;
    char type[300];
    put(f, "a", 0xF001, "x");
    CHECK_STATUS(BP_ERR_ARGUMENT, bp_project(NULL, &p, "a", NULL, &got, NULL, &f->error), &f->error);
    CHECK_STATUS(BP_ERR_ARGUMENT, bp_project(f->store, NULL, "a", NULL, &got, NULL, &f->error), &f->error);
    CHECK_STATUS(BP_ERR_ARGUMENT, bp_project(f->store, &p, NULL, NULL, &got, NULL, &f->error), &f->error);
    CHECK_STATUS(BP_ERR_ARGUMENT, bp_project(f->store, &p, "a", NULL, NULL, NULL, &f->error), &f->error);
    CHECK_STATUS(BP_ERR_ARGUMENT, bp_project_if_changed(f->store, &p, NULL, NULL, NULL, &got, NULL, NULL), NULL);
    CHECK_STATUS(BP_ERR_ARGUMENT, bp_project_fused(f->store, NULL, NULL, 1, NULL, &f->error), &f->error);
    memset(type, 'x', sizeof type);
    type[sizeof type - 1] = '\0';
    p.type = type;
    CHECK_STATUS(BP_ERR_ARGUMENT, bp_project(f->store, &p, "a", NULL, &got, NULL, &f->error), &f->error);
    p.type = "";
    CHECK_STATUS(BP_ERR_ARGUMENT, bp_project(f->store, &p, "a", NULL, &got, NULL, &f->error), &f->error);
    p = f->tally;
    p.apply = NULL;
    CHECK_STATUS(BP_ERR_ARGUMENT, bp_project(f->store, &p, "a", NULL, &got, NULL, &f->error), &f->error);
    p = f->tally;
    p.kind_count = 1;
    CHECK_STATUS(BP_ERR_ARGUMENT, bp_project(f->store, &p, "a", NULL, &got, NULL, &f->error), &f->error);
    p = f->tally;
    p.size = 8;
    CHECK_STATUS(BP_ERR_ARGUMENT, bp_project(f->store, &p, "a", NULL, &got, NULL, &f->error), &f->error);
    bpt_cache cache;
    bpt_cache_init(&cache);
    bp_project_options_init(&options);
    options.cache = &cache.table;
    p = f->tally;
    p.flat = false;
    CHECK_STATUS(BP_ERR_ARGUMENT, bp_project(f->store, &p, "a", &options, &got, NULL, &f->error), &f->error);
    CHECK_SAYS(&f->error, "cannot be cached");
    options.as_of = (bp_as_of)9;
    CHECK_STATUS(BP_ERR_ARGUMENT, bp_project(f->store, &f->tally, "a", &options, &got, NULL, &f->error), &f->error);
    bp_project_options_init(&options);
    options.max_stale_ms = 5;
    CHECK_STATUS(BP_ERR_ARGUMENT,
                 bp_project_if_changed(f->store, &f->tally, NULL, NULL, &options, &got, &result, &f->error), &f->error);
    options.size = 4;
    CHECK_STATUS(BP_ERR_ARGUMENT, bp_project(f->store, &f->tally, "a", &options, &got, NULL, &f->error), &f->error);
}

/* ---- if changed ---- */

static void only_what_has_changed_is_projected(void **state)
{
    fixture *f = *state;
    bp_region region = bp_region_stream("a");
    bp_projected result;
    bpt_tally got;
    CHECK_OK(bp_project_if_changed(f->store, &f->tally, &region, NULL, NULL, &got, &result, &f->error), &f->error);
    assert_false(result.changed || result.present);
    put(f, "a", 0xF001, "x");
    CHECK_OK(bp_project_if_changed(f->store, &f->tally, &region, &result.position, NULL, &got, &result, &f->error),
             &f->error);
    assert_true(result.changed && result.present);
    assert_int_equal(got.count, 1);
    put(f, "b", 0xF001, "x");
    bp_position seen = result.position;
    CHECK_OK(bp_project_if_changed(f->store, &f->tally, &region, &seen, NULL, &got, &result, &f->error), &f->error);
    assert_false(result.changed);
    assert_int_equal(result.position.next, 2); /* b's event has been looked at */
    put(f, "a", 0xF001, "x");
    seen = result.position;
    CHECK_OK(bp_project_if_changed(f->store, &f->tally, &region, &seen, NULL, &got, &result, &f->error), &f->error);
    assert_true(result.changed);
    assert_int_equal(got.count, 2);
    seen.event_hash.bytes[0] ^= 1;
    CHECK_STATUS(BP_ERR_DIVERGED,
                 bp_project_if_changed(f->store, &f->tally, &region, &seen, NULL, &got, &result, &f->error), &f->error);
    CHECK_SAYS(&f->error, "not in this store's history");
    seen = result.position;
    seen.next = 900;
    CHECK_STATUS(BP_ERR_DIVERGED,
                 bp_project_if_changed(f->store, &f->tally, &region, &seen, NULL, &got, &result, &f->error), &f->error);
}

/* ---- through converters ---- */

static bp_status doubled(void *context, const bp_event *event, bp_output *payload, bp_error *error)
{
    bool good = true;
    (void)context;
    (void)error;
    for (int i = 0; i < 2; i++) {
        good = good && bp_output_append(payload, event->payload, event->payload_size);
    }
    return good ? BP_OK : BP_ERR_NO_MEMORY;
}

static void a_projection_sees_converted_payloads(void **state)
{
    fixture *f = *state;
    bp_upcast upcast = {.kind = 0xF001, .from = 0, .convert = doubled};
    bp_region region = bp_region_stream("a");
    put(f, "a", 0xF001, "x");
    put(f, "a", 0xF002, "y");
    put(f, "a", 0xF001, "z");
    bpt_tally before = project(f, "a", NULL, NULL);
    CHECK_OK(bp_upcast_register(f->store, &upcast, 1, &f->error), &f->error);
    bpt_tally got = project(f, "a", NULL, NULL);
    bpt_tally want = bpt_tally_by_hand(f->store, &region, NULL, 0, UINT64_MAX);
    bpt_check_tally(&got, &want, "converted");
    assert_true(got.digest != before.digest);
    CHECK_OK(
        bp_append(f->store, bp_at("a", "s"), 0xF001, bp_payload_versioned(bp_raw("q", 1), 9), NULL, NULL, &f->error),
        &f->error);
    CHECK_STATUS(BP_ERR_VERSION, bp_project(f->store, &f->tally, "a", NULL, &got, NULL, &f->error), &f->error);
}

static void a_reader_projects_what_is_published(void **state)
{
    fixture *f = *state;
    put(f, "a", 0xF001, "x");
    bp_store *reader = bpt_reader(&f->world);
    bpt_tally got;
    put(f, "a", 0xF001, "y");
    CHECK_OK(bp_project(reader, &f->tally, "a", NULL, &got, NULL, &f->error), &f->error);
    assert_int_equal(got.count, 2);
    bpt_close(reader);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_fold_has_every_event_of_the_entity_in_order, setup, teardown),
        cmocka_unit_test_setup_teardown(without_relevant_events_it_is_absent, setup, teardown),
        cmocka_unit_test_setup_teardown(only_relevant_kinds_are_applied, setup, teardown),
        cmocka_unit_test_setup_teardown(state_as_of_a_sequence_and_a_time, setup, teardown),
        cmocka_unit_test_setup_teardown(what_apply_answers_surfaces, setup, teardown),
        cmocka_unit_test_setup_teardown(one_of_several_that_fails_leaves_no_state, setup, teardown),
        cmocka_unit_test_setup_teardown(damage_in_an_event_surfaces, setup, teardown),
        cmocka_unit_test_setup_teardown(a_position_never_goes_back_behind_a_cached_one, setup, teardown),
        cmocka_unit_test_setup_teardown(a_row_that_is_put_anew_keeps_its_events, setup, teardown),
        cmocka_unit_test_setup_teardown(a_position_is_that_of_the_last_event_applied, setup, teardown),
        cmocka_unit_test_setup_teardown(hostile_arguments_are_refused, setup, teardown),
        cmocka_unit_test_setup_teardown(only_what_has_changed_is_projected, setup, teardown),
        cmocka_unit_test_setup_teardown(a_projection_sees_converted_payloads, setup, teardown),
        cmocka_unit_test_setup_teardown(a_reader_projects_what_is_published, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
