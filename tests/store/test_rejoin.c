/*
 * test_rejoin.c: a reader that has seen more than was durable, while the writer recovers from a failed sync or write and so
 * moves that to a new segment: the reader goes on, with the same events, and never with fewer (P6, P8).
 */
#include <errno.h>

#include "io/fault_memory.h"
#include "store/bell.h"
#include "support/world.h"

enum { SHOWN_MAX = 64 };

typedef struct shown {
    bp_hash hashes[SHOWN_MAX];
    uint64_t count;
} shown;

typedef struct scene {
    bpt_world world;
    bp_store *store;
    bp_store *reader;
    bpi_fault_memory memory; /* the reader's */
    shown shown;
} scene;

static void begin(scene *s)
{
    memset(s, 0, sizeof *s);
    bpt_world_fault(&s->world);
    s->world.options.recovery_attempts = 8;
    s->store = bpt_open(&s->world);
    bpt_put(s->store, "e", "durable");
    CHECK_OK(bp_sync(s->store, NULL), NULL);
    bpi_fault_memory_init(&s->memory);
    s->world.options.allocator = &s->memory.table;
    s->reader = bpt_reader(&s->world);
    s->world.options.allocator = NULL;
}

static void end(scene *s)
{
    bpt_close(s->reader);
    bpt_close(s->store);
    (void)bpt_verify(&s->world);
    bpt_world_end(&s->world);
}

static void put(scene *s, const char *entity, const char *name)
{
    bp_error error = {0};
    bp_append_options options;
    bp_append_options_init(&options);
    options.durability = BP_BUFFERED;
    options.kind_name = name;
    CHECK_OK(bp_append(s->store, bp_at(entity, "s"), name == NULL ? 0xf001 : 0, bp_raw("x", 1), &options, NULL, &error),
             &error);
}

/* The reader shows all that is published; what it showed before is the same. */
static void look(scene *s)
{
    bp_error error = {0};
    uint64_t ignored = 0;
    CHECK_OK(bp_count(s->reader, NULL, &ignored, &error), &error);
    uint64_t count = bp_store_frontiers(s->reader).published;
    assert_int_equal(count, bp_store_frontiers(s->store).published);
    assert_true(count >= s->shown.count && count <= SHOWN_MAX);
    for (uint64_t sequence = 0; sequence < count; sequence++) {
        const bp_event *event = NULL;
        CHECK_OK(bp_get_sequence(s->reader, sequence, &event, &error), &error);
        if (sequence < s->shown.count) {
            assert_true(bp_hash_equal(&event->event_hash, &s->shown.hashes[sequence]));
        }
        s->shown.hashes[sequence] = event->event_hash;
        bp_event_release(event);
    }
    s->shown.count = count;
    bp_stats of_reader = {.size = sizeof of_reader};
    bp_stats of_writer = {.size = sizeof of_writer};
    CHECK_OK(bp_store_stats(s->reader, &of_reader, &error), &error);
    CHECK_OK(bp_store_stats(s->store, &of_writer, &error), &error);
    assert_int_equal(of_reader.entities, of_writer.entities);
    assert_int_equal(of_reader.system_events, of_writer.system_events);
}

static void fail_sync(scene *s, bpi_fault_kind kind)
{
    bpi_fault_set_plan(s->world.fault, &(bpi_fault_plan){.kind = kind, .step = 1, .os_error = EIO});
    assert_true(bp_sync(s->store, NULL) != BP_OK);
    assert_true(bp_store_frontiers(s->store).failed);
}

static void goes_on(bpi_fault_kind kind, unsigned unsynced, bool looks_between)
{
    scene s;
    begin(&s);
    look(&s);
    for (unsigned round = 0; round < 3; round++) {
        for (unsigned i = 0; i < unsynced; i++) {
            put(&s, i % 2 == 0 ? "e" : "f", i == 1 ? "named" : NULL);
        }
        look(&s);
        fail_sync(&s, kind);
        look(&s);
        put(&s, "g", NULL); /* recovers */
        if (looks_between) {
            look(&s);
        }
        put(&s, "e", NULL);
        CHECK_OK(bp_sync(s.store, NULL), NULL);
        look(&s);
        assert_int_equal(bp_store_frontiers(s.reader).durable, s.shown.count);
    }
    bp_stats stats = {.size = sizeof stats};
    CHECK_OK(bp_store_stats(s.store, &stats, NULL), NULL);
    assert_int_equal(stats.recoveries, 3);
    end(&s);
}

static void a_reader_goes_on_behind_a_recovery(void **state)
{
    (void)state;
    for (unsigned unsynced = 1; unsynced < 5; unsynced++) {
        goes_on(BPI_FAULT_ERROR, unsynced, false);
        goes_on(BPI_FAULT_ERROR, unsynced, true);
        goes_on(BPI_FAULT_SYNC_DROPS, unsynced, false);
        goes_on(BPI_FAULT_SYNC_DROPS, unsynced, true);
    }
}

/* The new segment was filled and sealed before the reader looked again. */
static void a_reader_that_looks_late_goes_on(void **state)
{
    scene s;
    (void)state;
    begin(&s);
    put(&s, "e", NULL);
    put(&s, "f", NULL);
    look(&s);
    fail_sync(&s, BPI_FAULT_ERROR);
    put(&s, "g", NULL);
    CHECK_OK(bp_seal(s.store, NULL), NULL);
    put(&s, "e", NULL);
    CHECK_OK(bp_seal(s.store, NULL), NULL);
    put(&s, "f", NULL);
    look(&s);
    end(&s);
}

/* Nobody leads when the reader looks: it shows what it has shown. */
static void a_reader_goes_on_when_the_writer_has_gone(void **state)
{
    scene s;
    bp_error error = {0};
    uint64_t ignored = 0;
    (void)state;
    begin(&s);
    for (unsigned i = 0; i < 5; i++) {
        put(&s, "e", NULL);
    }
    look(&s);
    fail_sync(&s, BPI_FAULT_ERROR);
    put(&s, "g", NULL);
    bpt_close(s.store);
    static const uint8_t nothing[4096];
    bpt_file_write(&s.world, "live", nothing, sizeof nothing);
    CHECK_OK(bp_count(s.reader, NULL, &ignored, &error), &error);
    assert_true(bp_store_frontiers(s.reader).published >= s.shown.count);
    s.store = bpt_open(&s.world);
    look(&s);
    end(&s);
}

/* Iterators keep the view that they began with. */
static void an_iterator_reads_to_its_end(void **state)
{
    scene s;
    bp_error error = {0};
    bp_iterator *iterator = NULL;
    const bp_event *event = NULL;
    uint64_t seen = 0;
    (void)state;
    begin(&s);
    put(&s, "e", NULL);
    put(&s, "f", NULL);
    look(&s);
    CHECK_OK(bp_query(s.reader, NULL, NULL, &iterator, &error), &error);
    CHECK_OK(bp_next(iterator, &event, &error), &error);
    fail_sync(&s, BPI_FAULT_ERROR);
    put(&s, "g", NULL);
    look(&s);
    bp_status status = BP_OK;
    for (seen = 1; (status = bp_next(iterator, &event, &error)) == BP_OK; seen++) {
        assert_true(bp_hash_equal(&event->event_hash, &s.shown.hashes[event->sequence]));
    }
    CHECK_STATUS(BP_END, status, &error);
    assert_true(seen >= 3);
    bp_iterator_close(iterator);
    end(&s);
}

/* While it rejoins the list cannot be read: it keeps what it has, says why, and goes on the next time. */
static void a_reader_that_cannot_read_the_new_segment_tries_again(void **state)
{
    bool failed = false;
    (void)state;
    for (uint64_t call = 1; call < 30; call++) {
        scene s;
        bp_error error = {0};
        uint64_t ignored = 0;
        begin(&s);
        put(&s, "e", NULL);
        put(&s, "f", "named");
        look(&s);
        fail_sync(&s, BPI_FAULT_ERROR);
        put(&s, "g", NULL);
        bpi_fault_set_plan(s.world.fault, &(bpi_fault_plan){.read_call = call, .os_error = EIO});
        bp_status status = bp_count(s.reader, NULL, &ignored, &error);
        bpi_fault_set_plan(s.world.fault, &(bpi_fault_plan){0});
        failed = failed || status != BP_OK;
        assert_true(bp_store_frontiers(s.reader).published >= s.shown.count);
        look(&s);
        end(&s);
    }
    assert_true(failed);
}

/* The same without memory, at each allocation in turn: half way through it shows what it has shown. */
static void a_reader_without_memory_shows_no_less(void **state)
{
    enum { EVENTS = 40 };
    unsigned failures = 0;
    bool failed = true;
    (void)state;
    for (uint64_t nth = 1; failed; nth++) {
        scene s;
        bp_error error = {0};
        uint64_t ignored = 0;
        begin(&s);
        for (unsigned i = 0; i < EVENTS; i++) {
            put(&s, i % 3 == 0 ? "e" : "f", i % 7 == 2 ? "named" : NULL);
        }
        look(&s);
        fail_sync(&s, BPI_FAULT_ERROR);
        put(&s, "g", NULL);
        s.memory.fails_at = s.memory.calls + nth;
        bp_status status = bp_count(s.reader, NULL, &ignored, &error);
        failed = s.memory.calls >= s.memory.fails_at;
        failures += status != BP_OK;
        s.memory.fails_at = 0;
        assert_true(status == BP_OK || status == BP_ERR_NO_MEMORY);
        assert_true(bp_store_frontiers(s.reader).published >= s.shown.count);
        look(&s);
        end(&s);
    }
    assert_true(failures > 5);
}

typedef struct onlooker {
    scene *scene;
    uint64_t count;
    uint64_t later; /* steps until it begins to look */
    uint64_t looks;
} onlooker;

/* A bpi_fault_watch_fn: the reader looks at every step of the writer, from one on. */
static void look_at_step(void *argument, const bpi_fault_step *step)
{
    onlooker *at = argument;
    bp_error error = {0};
    uint64_t count = 0;
    (void)step;
    if (at->later > 0) {
        at->later--;
        return;
    }
    CHECK_OK(bp_count(at->scene->reader, NULL, &count, &error), &error);
    CHECK(count >= at->count, "%llu events are shown after %llu, at step %llu", (unsigned long long)count,
          (unsigned long long)at->count, (unsigned long long)at->looks);
    at->count = count;
    assert_true(bp_store_frontiers(at->scene->reader).published >= at->scene->shown.count);
    at->looks++;
}

/* A list that the reader has not read yet makes it look for the next one before the live page tells of what that has. */
static void a_reader_that_looks_at_any_step_of_a_recovery_sees_no_less(void **state)
{
    bool looked = true;
    (void)state;
    for (uint64_t later = 0; looked; later++) {
        scene s;
        bp_error error = {0};
        begin(&s);
        CHECK_OK(bp_seal(s.store, &error), &error);
        put(&s, "e", "named");
        CHECK_OK(bp_seal(s.store, &error), &error);
        for (unsigned i = 0; i < 5; i++) {
            put(&s, i % 2 == 0 ? "e" : "f", NULL);
        }
        look(&s);
        onlooker at = {.scene = &s, .later = later};
        CHECK_OK(bp_count(s.reader, NULL, &at.count, &error), &error);
        CHECK_OK(bp_compact(s.store, NULL, NULL, &error), &error);
        fail_sync(&s, BPI_FAULT_ERROR);
        bpi_fault_watch(s.world.fault, look_at_step, &at);
        put(&s, "g", NULL);
        bpi_fault_watch(s.world.fault, NULL, NULL);
        looked = at.looks > 0;
        assert_true(looked || later > 4);
        look(&s);
        end(&s);
    }
}

/* A frame of which a part is in the index when memory runs out is not told twice. */
static void a_reader_without_memory_within_a_batch_goes_on(void **state)
{
    enum { ITEMS = 6 };
    unsigned failures = 0;
    bool failed = true;
    (void)state;
    for (uint64_t nth = 1; failed; nth++) {
        scene s;
        bp_error error = {0};
        uint64_t ignored = 0;
        char names[ITEMS][16];
        bp_append_options options[ITEMS];
        bp_batch_item items[ITEMS];
        begin(&s);
        look(&s);
        for (unsigned i = 0; i < ITEMS; i++) {
            (void)snprintf(names[i], sizeof names[i], "e%u", i);
            bp_append_options_init(&options[i]);
            options[i].kind_name = i % 2 == 0 ? names[i] : NULL;
            items[i] = (bp_batch_item){bp_at(names[i], names[i]), i % 2 == 0 ? 0 : 0xf001, bp_raw("x", 1), &options[i]};
        }
        CHECK_OK(bp_append_batch(s.store, items, ITEMS, NULL, NULL, &error), &error);
        s.memory.fails_at = s.memory.calls + nth;
        bp_status status = bp_count(s.reader, NULL, &ignored, &error);
        failed = s.memory.calls >= s.memory.fails_at;
        failures += status != BP_OK;
        s.memory.fails_at = 0;
        look(&s);
        end(&s);
    }
    assert_true(failures > 5);
}

/* What it has read when memory runs out, and not shown yet, is in the way of nothing. */
static void a_reader_that_had_read_more_than_it_showed_goes_on(void **state)
{
    unsigned failures = 0;
    bool failed = true;
    (void)state;
    for (uint64_t nth = 1; failed; nth++) {
        scene s;
        bp_error error = {0};
        uint64_t ignored = 0;
        char name[16];
        begin(&s);
        look(&s);
        for (unsigned i = 0; i < 20; i++) {
            (void)snprintf(name, sizeof name, "e%u", i);
            put(&s, name, i % 7 == 2 ? name : NULL);
        }
        s.memory.fails_at = s.memory.calls + nth;
        bp_status status = bp_count(s.reader, NULL, &ignored, &error);
        failed = s.memory.calls >= s.memory.fails_at;
        failures += status != BP_OK;
        s.memory.fails_at = 0;
        fail_sync(&s, BPI_FAULT_ERROR);
        put(&s, "g", NULL);
        look(&s);
        end(&s);
    }
    assert_true(failures > 5);
}

/* What became durable is told of by every look that went well, however little memory there was for it. */
static void a_reader_without_memory_knows_what_is_durable(void **state)
{
    bool failed = true;
    (void)state;
    for (uint64_t nth = 1; failed; nth++) {
        scene s;
        bp_error error = {0};
        uint64_t ignored = 0;
        begin(&s);
        put(&s, "e", NULL);
        look(&s);
        CHECK_OK(bp_sync(s.store, &error), &error);
        s.memory.fails_at = s.memory.calls + nth;
        bp_status status = bp_count(s.reader, NULL, &ignored, &error);
        failed = s.memory.calls >= s.memory.fails_at;
        s.memory.fails_at = 0;
        if (status == BP_OK) {
            assert_int_equal(bp_store_frontiers(s.reader).durable, s.shown.count);
        }
        look(&s);
        assert_int_equal(bp_store_frontiers(s.reader).durable, s.shown.count);
        end(&s);
    }
}

/* A sync may cover a frame that is not published yet. And a page that a new writer fills says less for a moment. */
static void what_is_durable_lies_within_what_is_shown(void **state)
{
    enum { FRAME = 512 };
    scene s;
    (void)state;
    begin(&s);
    put(&s, "e", NULL);
    CHECK_OK(bp_sync(s.store, NULL), NULL);
    look(&s);
    bpi_live *live = s.store->log.live;
    uint64_t durable = atomic_load(&live->durable);
    bpi_tide before = bpi_bell_tide(s.reader);
    atomic_store(&live->durable, atomic_load(&live->published) + FRAME);
    assert_int_equal(bpi_bell_tide(s.reader).durable, atomic_load(&live->published));
    look(&s);
    bp_frontiers frontiers = bp_store_frontiers(s.reader);
    assert_int_equal(frontiers.durable_lsn, frontiers.published_lsn);
    assert_int_equal(frontiers.durable, frontiers.published);
    atomic_store(&live->durable, 0);
    look(&s);
    assert_int_equal(bp_store_frontiers(s.reader).durable, s.shown.count);
    atomic_store(&live->durable, durable);
    look(&s);
    assert_false(bpi_tide_differs(before, bpi_bell_tide(s.reader), BPI_WAKE_ANY));
    end(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_reader_goes_on_behind_a_recovery),
        cmocka_unit_test(a_reader_that_looks_late_goes_on),
        cmocka_unit_test(a_reader_goes_on_when_the_writer_has_gone),
        cmocka_unit_test(an_iterator_reads_to_its_end),
        cmocka_unit_test(a_reader_that_cannot_read_the_new_segment_tries_again),
        cmocka_unit_test(a_reader_without_memory_shows_no_less),
        cmocka_unit_test(a_reader_that_looks_at_any_step_of_a_recovery_sees_no_less),
        cmocka_unit_test(a_reader_without_memory_within_a_batch_goes_on),
        cmocka_unit_test(a_reader_that_had_read_more_than_it_showed_goes_on),
        cmocka_unit_test(a_reader_without_memory_knows_what_is_durable),
        cmocka_unit_test(what_is_durable_lies_within_what_is_shown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
