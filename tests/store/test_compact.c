/*
 * test_compact.c: compaction: what is dropped is gone and what is kept is as it was, byte for byte; heads, ids, positions, proofs go
 * on; hostile options; a crash at every step leaves the old or the new.
 *
 * ctest: timeout=300
 */
#include "support/world.h"

enum { EVENTS = 600, ENTITIES = 7, PAYLOAD = 900 };

typedef struct kept {
    bp_id id;
    bp_hash hash;
    bp_hlc hlc;
    uint64_t clock;
    uint64_t batch;
    uint32_t batch_count;
    char entity[32];
} kept;

typedef struct fixture {
    bpt_world world;
    bp_store *store;
    kept events[EVENTS];
    uint64_t count;
} fixture;

static bool odd(void *context, const bp_event *event)
{
    (void)context;
    return event->sequence % 2 == 1;
}

static bool not_third(void *context, const bp_event *event)
{
    (void)context;
    return event->sequence % 3 != 0;
}

/* Singles and batches of several entities, over several segments. */
static void fill(fixture *f, uint64_t count)
{
    static const char payload[PAYLOAD] = "{";
    bp_error error = {0};
    while (f->count < count) {
        bp_batch_item items[3];
        bp_receipt receipts[3];
        size_t n = f->count % 5 == 0 ? 3 : 1;
        for (size_t i = 0; i < n; i++) {
            kept *event = &f->events[f->count + i];
            (void)snprintf(event->entity, sizeof event->entity, "entity:%u", (unsigned)((f->count + i * 2) % ENTITIES));
            items[i] = (bp_batch_item){.at = bp_at(event->entity, i == 1 ? "scope:b" : "scope:a"),
                                       .kind = bp_kind(1, (unsigned)(1 + f->count % 3)),
                                       .payload = bp_raw(payload, (f->count * 37) % sizeof payload)};
        }
        CHECK_OK(bp_append_batch(f->store, items, n, NULL, receipts, &error), &error);
        for (size_t i = 0; i < n; i++) {
            kept *event = &f->events[f->count + i];
            event->id = receipts[i].id;
            event->hash = receipts[i].event_hash;
            event->hlc = receipts[i].hlc;
            event->clock = receipts[i].clock;
            event->batch = f->count;
            event->batch_count = (uint32_t)n;
        }
        f->count += n;
    }
}

static void begin(fixture *f)
{
    memset(f, 0, sizeof *f);
    bpt_world_fault(&f->world);
    f->world.options.durability = BP_BUFFERED;
    atomic_store(&f->world.clock.step_us, 1000);
    f->store = bpt_open(&f->world);
    fill(f, EVENTS - 100);
    bp_error error = {0};
    CHECK_OK(bp_seal(f->store, &error), &error);
}

static void end(fixture *f)
{
    bpt_close(f->store);
    bpt_world_end(&f->world);
}

/* All that were not dropped are there as they were; the others say so; and so does every way of asking. */
static void check(fixture *f, bp_store *store, bp_drop_fn dropped, uint64_t below)
{
    bp_error error = {0};
    uint64_t there = 0;
    for (uint64_t s = 0; s < f->count; s++) {
        const kept *want = &f->events[s];
        const bp_event *event = NULL;
        const bp_event probe = {.sequence = s};
        bool gone = dropped != NULL && s < below && dropped(NULL, &probe);
        bpt_note("event %llu", (unsigned long long)s);
        bp_status status = bp_get(store, &want->id, &event, &error);
        if (gone) {
            CHECK_STATUS(BP_ERR_DROPPED, status, &error);
            assert_true(error.has_sequence && error.sequence == s);
            CHECK_STATUS(BP_ERR_DROPPED, bp_get_sequence(store, s, &event, &error), &error);
            continue;
        }
        CHECK_OK(status, &error);
        assert_true(event->sequence == s && event->clock == want->clock && event->hlc == want->hlc);
        assert_true(bp_hash_equal(&event->event_hash, &want->hash));
        assert_true(event->batch == want->batch && event->batch_count == want->batch_count);
        assert_true(event->payload_size == (want->batch * 37) % PAYLOAD);
        bp_event_release(event);
        there++;
    }
    uint64_t counted = 0;
    CHECK_OK(bp_count(store, NULL, &counted, &error), &error);
    assert_int_equal(counted, there);
    bp_iterator *iterator = NULL;
    const bp_event *event = NULL;
    uint64_t seen = 0;
    uint64_t last = 0;
    CHECK_OK(bp_query(store, NULL, NULL, &iterator, &error), &error);
    while (bp_next(iterator, &event, &error) == BP_OK) {
        assert_true(seen == 0 || event->sequence > last);
        last = event->sequence;
        seen++;
    }
    bp_iterator_close(iterator);
    assert_int_equal(seen, there);
}

static uint64_t sealed_of(bp_store *store)
{
    bp_stats stats = {.size = sizeof stats};
    assert_int_equal(bp_store_stats(store, &stats, NULL), BP_OK);
    return stats.sealed_segments;
}

static bp_compact_report compact(bp_store *store, bp_drop_fn drop, bool merge)
{
    bp_compact_options options;
    bp_compact_report report;
    bp_error error = {0};
    bp_compact_options_init(&options);
    options.drop_if = drop;
    options.merge = merge;
    CHECK_OK(bp_compact(store, &options, &report, &error), &error);
    return report;
}

static void sum_log(void *argument, const char *name, const uint8_t *data, size_t size)
{
    (void)data;
    *(uint64_t *)argument += strncmp(name, "log/", 4) == 0 ? size : 0;
}

static void dropped_events_are_gone_and_the_rest_is_as_it_was(void **state)
{
    (void)state;
    fixture f;
    begin(&f);
    uint64_t before = 0;
    uint64_t after = 0;
    uint64_t segments = sealed_of(f.store);
    bpt_file_each(&f.world, sum_log, &before);
    bp_compact_report report = compact(f.store, odd, false);
    bpt_file_each(&f.world, sum_log, &after);
    assert_int_equal(report.events_dropped, f.count / 2);
    assert_true(report.rewritten == segments && report.written == segments && report.bytes_after < report.bytes_before);
    assert_true(before - after >= report.bytes_before - report.bytes_after); /* files are as long as their frames now */
    check(&f, f.store, odd, f.count);
    assert_int_equal(bpt_verify(&f.world), f.count);
    bpt_close(f.store);
    f.store = bpt_open(&f.world);
    check(&f, f.store, odd, f.count);
    bp_store *reader = bpt_reader(&f.world);
    check(&f, reader, odd, f.count);
    bpt_close(reader);
    end(&f);
}

static void a_second_compaction_goes_on_from_the_first(void **state)
{
    (void)state;
    fixture f;
    begin(&f);
    (void)compact(f.store, not_third, false);
    uint64_t sealed = f.count;
    fill(&f, EVENTS - 10);
    bp_compact_report report = compact(f.store, NULL, true);
    CHECK(report.written < report.rewritten && report.events_gone == sealed - (sealed + 2) / 3 &&
              report.events_dropped == 0,
          "%d of %d, %d gone of %d, %d dropped", (int)report.written, (int)report.rewritten, (int)report.events_gone,
          (int)sealed, (int)report.events_dropped);
    check(&f, f.store, not_third, sealed);
    report = compact(f.store, NULL, true);
    assert_true(report.rewritten == 0 && report.written == 0);
    assert_int_equal(bpt_verify(&f.world), f.count);
    bpt_close(f.store);
    f.store = bpt_open(&f.world);
    check(&f, f.store, not_third, sealed);
    end(&f);
}

static void heads_ids_and_positions_outlive_their_events(void **state)
{
    (void)state;
    fixture f;
    begin(&f);
    bp_error error = {0};
    bp_position position;
    bp_iterator *iterator = NULL;
    const bp_event *event = NULL;
    CHECK_OK(bp_query(f.store, NULL, NULL, &iterator, &error), &error);
    CHECK_OK(bp_iterator_position(iterator, &position, &error), &error);
    (void)compact(f.store, not_third, true);
    /* The iterator was opened before: it still shows everything. */
    uint64_t seen = 0;
    while (bp_next(iterator, &event, &error) == BP_OK) {
        seen++;
    }
    bp_iterator_close(iterator);
    assert_int_equal(seen, f.count);
    bpt_close(f.store);
    f.store = bpt_open(&f.world);
    for (unsigned e = 0; e < ENTITIES; e++) {
        char entity[32];
        uint64_t next = 0;
        (void)snprintf(entity, sizeof entity, "entity:%u", e);
        for (uint64_t s = 0; s < f.count; s++) {
            next = strcmp(f.events[s].entity, entity) == 0 ? f.events[s].clock + 1 : next;
        }
        assert_int_equal(bpt_put(f.store, entity, "{}").clock, next);
    }
    /* A retry of what is gone: the first receipt, a duplicate that cannot be compared. */
    bp_append_options options;
    bp_append_options_init(&options);
    options.id = f.events[1].id;
    bp_receipt receipt;
    CHECK_OK(bp_append(f.store, bp_at(f.events[1].entity, "scope:b"), bp_kind(1, 1), bp_raw("other", 5), &options,
                       &receipt, &error),
             &error);
    assert_true(receipt.duplicate && receipt.unverifiable && receipt.sequence == 1);
    assert_true(bp_hash_equal(&receipt.event_hash, &f.events[1].hash) && receipt.clock == f.events[1].clock);
    assert_int_equal(bpt_verify(&f.world), f.count + ENTITIES);
    end(&f);
}

static void a_chain_stops_with_a_reason(void **state)
{
    (void)state;
    fixture f;
    begin(&f);
    bp_error error = {0};
    bp_walk *walk = NULL;
    bp_walk_options options;
    const bp_event *event = NULL;
    (void)compact(f.store, odd, true);
    bp_walk_options_init(&options);
    options.verify = true;
    uint64_t s = f.count - 2 + f.count % 2;
    CHECK_OK(bp_walk_begin(f.store, &f.events[s].id, &options, &walk, &error), &error);
    bp_status status = BP_OK;
    while ((status = bp_walk_next(walk, &event, NULL, &error)) == BP_OK) {
        assert_int_equal(event->sequence % 2, 0);
    }
    CHECK_STATUS(BP_END, status, &error);
    assert_int_equal(bp_walk_reason(walk), BP_WALK_DROPPED);
    bp_walk_end(walk);
    CHECK_STATUS(BP_ERR_DROPPED, bp_walk_begin(f.store, &f.events[1].id, &options, &walk, &error), &error);
    end(&f);
}

static void rules_are_met_together(void **state)
{
    (void)state;
    fixture f;
    begin(&f);
    bp_error error = {0};
    bp_compact_options options;
    bp_compact_report report;
    bp_region region = bp_region_stream("entity:3");
    uint64_t events = 0;
    CHECK_OK(bp_count(f.store, &region, &events, &error), &error);
    bp_compact_options_init(&options);
    options.drop = &region;
    options.drop_count = 1;
    options.keep_last = 5;
    options.plan_only = true;
    CHECK_OK(bp_compact(f.store, &options, &report, &error), &error);
    assert_int_equal(report.events_dropped, events - 5);
    check(&f, f.store, NULL, 0);
    options.plan_only = false;
    bp_compact_report done;
    CHECK_OK(bp_compact(f.store, &options, &done, &error), &error);
    assert_memory_equal(&done, &report, sizeof done);
    uint64_t left = 0;
    CHECK_OK(bp_count(f.store, &region, &left, &error), &error);
    assert_int_equal(left, 5);
    options.drop_count = 0;
    options.keep_last = 0;
    options.committed_before_us = (int64_t)(f.events[100].hlc >> 16) * 1000;
    CHECK_OK(bp_compact(f.store, &options, &done, &error), &error);
    const bp_event *event = NULL;
    CHECK_STATUS(BP_ERR_DROPPED, bp_get_sequence(f.store, 0, &event, &error), &error);
    end(&f);
}

static void a_reader_that_was_open_goes_on(void **state)
{
    (void)state;
    fixture f;
    begin(&f);
    uint64_t sealed = f.count;
    bp_store *reader = bpt_reader(&f.world);
    fill(&f, sealed + 3);
    uint64_t counted = 0;
    bp_error error = {0};
    CHECK_OK(bp_count(reader, NULL, &counted, &error), &error); /* it stands in the open segment now */
    (void)compact(f.store, odd, true);
    check(&f, reader, odd, sealed);
    fill(&f, sealed + 6);
    check(&f, reader, odd, sealed);
    bpt_close(reader);
    end(&f);
}

static void a_reader_whose_segment_was_rewritten_goes_on(void **state)
{
    (void)state;
    fixture f;
    begin(&f);
    fill(&f, EVENTS - 90);
    bp_store *reader = bpt_reader(&f.world);
    bp_error error = {0};
    fill(&f, EVENTS - 50);
    uint64_t sealed = f.count;
    CHECK_OK(bp_seal(f.store, &error), &error);
    (void)compact(f.store, odd, true);
    fill(&f, EVENTS - 40);
    check(&f, reader, odd, sealed);
    bpt_close(reader);
    end(&f);
}

static void hostile_options_are_refused(void **state)
{
    (void)state;
    fixture f;
    begin(&f);
    bp_error error = {0};
    bp_compact_options options;
    CHECK_STATUS(BP_ERR_ARGUMENT, bp_compact(NULL, NULL, NULL, &error), &error);
    bp_compact_options_init(&options);
    options.min_segments = 1;
    CHECK_STATUS(BP_ERR_ARGUMENT, bp_compact(f.store, &options, NULL, &error), &error);
    CHECK_SAYS(&error, "min_segments");
    bp_compact_options_init(&options);
    options.drop_count = 1;
    CHECK_STATUS(BP_ERR_ARGUMENT, bp_compact(f.store, &options, NULL, &error), &error);
    bp_compact_options_init(&options);
    options.size = 3;
    CHECK_STATUS(BP_ERR_ARGUMENT, bp_compact(f.store, &options, NULL, &error), &error);
    bp_store *reader = bpt_reader(&f.world);
    CHECK_STATUS(BP_ERR_READ_ONLY, bp_compact(reader, NULL, NULL, &error), &error);
    bpt_close(reader);
    check(&f, f.store, NULL, 0);
    end(&f);
}

static void a_source_that_is_not_whole_stops_the_compaction(void **state)
{
    (void)state;
    fixture f;
    begin(&f);
    bp_error error = {0};
    size_t size = 0;
    uint8_t *data = bpt_file_read(&f.world, "log/0000000001-1.seg", &size);
    assert_non_null(data);
    data[5000] ^= 1;
    bpt_file_write(&f.world, "log/0000000001-1.seg", data, size);
    bp_compact_options options;
    bp_compact_options_init(&options);
    options.drop_if = odd;
    CHECK_STATUS(BP_ERR_CORRUPT, bp_compact(f.store, &options, NULL, &error), &error);
    CHECK_SAYS(&error, "nothing was rewritten");
    data[5000] ^= 1;
    bpt_file_write(&f.world, "log/0000000001-1.seg", data, size);
    free(data);
    check(&f, f.store, NULL, 0);
    end(&f);
}

/* One compaction that crashes at a step; then what a restart finds: each segment old or new. */
static bool crash_at(fixture *f, uint64_t step, bpt_keep keep, uint64_t which)
{
    bp_error error = {0};
    bpt_world world;
    bpt_world_adopt(&world, bpi_fault_clone(f->world.fault));
    world.options.durability = BP_BUFFERED;
    bp_store *store = bpt_open(&world);
    bpi_fault_plan plan = {.kind = BPI_FAULT_CRASH, .step = step};
    bpi_fault_set_plan(world.fault, &plan);
    bp_compact_options options;
    bp_compact_options_init(&options);
    options.drop_if = odd;
    bp_status status = bp_compact(store, &options, NULL, &error);
    bool crashed = bpi_fault_crashed(world.fault);
    assert_true(crashed || status == BP_OK);
    (void)bp_close(store, NULL);
    bpt_note("step %llu keep %d", (unsigned long long)step, (int)keep);
    (void)bpt_power_cut(&world, keep, which);
    bpi_fault_set_plan(world.fault, &(bpi_fault_plan){0});
    store = bpt_open(&world);
    uint64_t gone = 0;
    for (uint64_t s = 0; s < f->count; s++) {
        const bp_event *event = NULL;
        status = bp_get(store, &f->events[s].id, &event, &error);
        assert_true(status == BP_OK || (status == BP_ERR_DROPPED && s % 2 == 1));
        gone += status == BP_ERR_DROPPED;
        bp_event_release(status == BP_OK ? event : NULL);
    }
    assert_int_equal(bpt_verify(&world), f->count);
    /* Doing it again finishes it. */
    bp_compact_report report = compact(store, odd, true);
    assert_int_equal(report.events_dropped + gone, f->count / 2);
    check(f, store, odd, f->count);
    assert_int_equal(bpt_verify(&world), f->count);
    bpt_close(store);
    bpt_world_end(&world);
    return crashed;
}

static bp_repair_report repair(fixture *f, const char *target, bp_status expected, bp_error *error)
{
    bp_repair_options options;
    bp_repair_report report;
    bp_repair_options_init(&options);
    options.io = f->world.io;
    options.clock = f->world.options.clock;
    options.random = f->world.options.random;
    options.dry_run = target == NULL;
    CHECK_STATUS(expected, bp_repair(f->world.path, target, &options, &report, error), error);
    return report;
}

static void remove_lists(void *argument, const char *name, const uint8_t *data, size_t size)
{
    (void)data;
    (void)size;
    if (strncmp(name, "SEGMENTS", 8) == 0) {
        bpt_file_remove(argument, name);
    }
}

static void what_recovery_would_do_is_told_of_a_compacted_store(void **state)
{
    (void)state;
    fixture f;
    bp_inspection found;
    bp_error error = {0};
    begin(&f);
    (void)compact(f.store, odd, true);
    bpt_close(f.store);
    CHECK_OK(bp_inspect_recovery(f.world.path, &f.world.options, NULL, NULL, &found, &error), &error);
    assert_true(found.verdict == BP_RECOVERY_NOTHING && found.events == f.count);
    for (unsigned i = 0; i < 2; i++) {
        bp_repair_report report = repair(&f, i == 1 ? "repaired" : NULL, BP_OK, &error);
        assert_true(report.lost == 0 && report.dropped > 0 && report.events + report.dropped == f.count);
    }
    bpt_world_end(&f.world);
}

/* Where nothing was dropped, one segment out of many is one like any other. */
static void a_repair_takes_over_what_was_merged(void **state)
{
    (void)state;
    fixture f;
    bp_error error = {0};
    begin(&f);
    for (unsigned i = 0; i < 4; i++) {
        fill(&f, f.count + 8);
        CHECK_OK(bp_seal(f.store, &error), &error);
    }
    assert_true(compact(f.store, NULL, true).rewritten > 0);
    fill(&f, f.count + 8);
    bpt_close(f.store);
    for (unsigned i = 0; i < 2; i++) {
        bp_repair_report report = repair(&f, NULL, BP_OK, &error);
        CHECK(report.lost == 0 && report.unchanged == f.count && report.events == f.count && report.damages == 0,
              "%d of %d, %d lost, %d damages", (int)report.unchanged, (int)f.count, (int)report.lost,
              (int)report.damages);
        bpt_file_each(&f.world, remove_lists, &f.world);
    }
    bpt_world_end(&f.world);
}

static void a_crash_at_any_step_leaves_old_or_new(void **state)
{
    (void)state;
    static const bpt_keep keeps[] = {BPT_KEEP_NONE, BPT_KEEP_ALL, BPT_KEEP_RANDOM};
    fixture f;
    begin(&f);
    bpt_close(f.store);
    uint64_t seed = bpt_seed(11);
    uint64_t stride = bpt_instrumented() ? 7 : 1;
    for (size_t k = 0; k < sizeof keeps / sizeof keeps[0]; k++) {
        for (uint64_t step = 1 + k % stride; crash_at(&f, step, keeps[k], seed + step); step += stride) {
        }
    }
    f.store = bpt_open(&f.world);
    end(&f);
}

/* A recovery in the process leaves a segment without frames; it is merged with what comes before it. */
static void an_empty_segment_is_merged(void **state)
{
    bpt_world world;
    bp_error error = {0};
    bp_compact_report report;
    (void)state;
    bpt_world_fault(&world);
    world.options.durability = BP_BUFFERED;
    world.options.recovery_attempts = 2;
    bp_store *store = bpt_open(&world);
    bpt_put(store, "a", "one");
    CHECK_OK(bp_seal(store, &error), &error);
    bpt_put(store, "a", "two");
    bpi_fault_plan plan = {.kind = BPI_FAULT_ERROR, .step = 1, .os_error = 5};
    bpi_fault_set_plan(world.fault, &plan);
    CHECK_STATUS(BP_ERR_FAILED, bp_sync(store, &error), &error);
    bpt_put(store, "a", "three");
    CHECK_OK(bp_compact(store, NULL, &report, &error), &error);
    assert_int_equal(report.rewritten, 2);
    assert_int_equal(report.written, 1);
    bpt_close(store);
    assert_int_equal(bpt_verify(&world), 3);
    store = bpt_open(&world);
    bpt_put(store, "a", "four");
    bpt_close(store);
    assert_int_equal(bpt_verify(&world), 4);
    bpt_world_end(&world);
}

#define WORDS "words that go with what is dropped"

static void count_words(void *argument, const char *name, const uint8_t *data, size_t size)
{
    (void)name;
    *(size_t *)argument += memmem(data, size, WORDS, sizeof WORDS - 1) != NULL;
}

static size_t files_with_words(bpt_world *world)
{
    size_t files = 0;
    bpt_file_each(world, count_words, &files);
    return files;
}

/* A recovery in the process leaves a copy behind the end of the old segment: it goes, too. */
static void what_a_recovery_moved_is_dropped_in_both_places(void **state)
{
    bpt_world world;
    bp_error error = {0};
    bp_region region = bp_region_stream("moved");
    bp_compact_options options;
    (void)state;
    bpt_world_fault(&world);
    world.options.durability = BP_BUFFERED;
    world.options.recovery_attempts = 2;
    bp_store *store = bpt_open(&world);
    bpt_put(store, "stays", "before");
    bpt_put(store, "moved", WORDS);
    bpi_fault_set_plan(world.fault, &(bpi_fault_plan){.kind = BPI_FAULT_ERROR, .step = 1, .os_error = 5});
    CHECK_STATUS(BP_ERR_FAILED, bp_sync(store, &error), &error);
    bpt_put(store, "stays", "behind");
    CHECK_OK(bp_seal(store, &error), &error);
    assert_true(files_with_words(&world) > 1);
    bp_compact_options_init(&options);
    options.drop = &region;
    options.drop_count = 1;
    options.merge = false;
    CHECK_OK(bp_compact(store, &options, NULL, &error), &error);
    assert_int_equal(files_with_words(&world), 0);
    bpt_close(store);
    (void)bpt_verify(&world);
    bpt_world_end(&world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(dropped_events_are_gone_and_the_rest_is_as_it_was),
        cmocka_unit_test(a_second_compaction_goes_on_from_the_first),
        cmocka_unit_test(what_a_recovery_moved_is_dropped_in_both_places),
        cmocka_unit_test(heads_ids_and_positions_outlive_their_events),
        cmocka_unit_test(a_chain_stops_with_a_reason),
        cmocka_unit_test(rules_are_met_together),
        cmocka_unit_test(a_reader_that_was_open_goes_on),
        cmocka_unit_test(a_reader_whose_segment_was_rewritten_goes_on),
        cmocka_unit_test(hostile_options_are_refused),
        cmocka_unit_test(a_source_that_is_not_whole_stops_the_compaction),
        cmocka_unit_test(what_recovery_would_do_is_told_of_a_compacted_store),
        cmocka_unit_test(a_repair_takes_over_what_was_merged),
        cmocka_unit_test(a_crash_at_any_step_leaves_old_or_new),
        cmocka_unit_test(an_empty_segment_is_merged),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
