/*
 * test_revive.c: a recovery in the process (P6): what it leaves behind, and what is shown while it goes wrong.
 */
#include <errno.h>

#include "io/fault.h"
#include "support/world.h"

enum { EVENTS = 12 };

typedef struct scene {
    bpt_world world;
    bp_store *store;
    uint64_t count;
} scene;

static void put(scene *s, bp_durability durability)
{
    bp_append_options options;
    bp_append_options_init(&options);
    options.durability = durability;
    bpt_put_with(s->store, s->count % 3 == 0 ? "a" : "b", "some words", &options);
    s->count++;
}

static void begin_with(scene *s, const bp_allocator *allocator)
{
    memset(s, 0, sizeof *s);
    bpt_world_fault(&s->world);
    s->world.options.recovery_attempts = 3;
    s->world.options.allocator = allocator;
    s->store = bpt_open(&s->world);
}

static void begin(scene *s)
{
    begin_with(s, NULL);
}

static void fail_sync(scene *s)
{
    bpi_fault_set_plan(s->world.fault,
                       &(bpi_fault_plan){.kind = BPI_FAULT_ERROR, .step = 1, .persistent = true, .os_error = EIO});
    assert_true(bp_sync(s->store, NULL) != BP_OK);
    bpi_fault_set_plan(s->world.fault, &(bpi_fault_plan){0});
    assert_true(bp_store_frontiers(s->store).failed);
}

/* Behind the listed length of the old segment lies what was moved. It was never synced, and nobody needs it. */
static void what_was_moved_away_may_be_lost_in_its_old_place(void **state)
{
    static const bpt_keep keeps[] = {BPT_KEEP_NONE, BPT_KEEP_ALL, BPT_KEEP_RANDOM, BPT_KEEP_RANDOM, BPT_KEEP_RANDOM};
    static const char first[] = "store/log/0000000000-1.seg";
    (void)state;
    for (unsigned durable = 0; durable < 2; durable++) {
        for (size_t keep = 0; keep < sizeof keeps / sizeof keeps[0]; keep++) {
            scene s;
            begin(&s);
            for (unsigned i = 0; i < durable * EVENTS; i++) {
                put(&s, BP_DURABLE);
            }
            uint64_t end = bp_store_frontiers(s.store).durable_lsn;
            for (unsigned i = 0; i < EVENTS; i++) {
                put(&s, BP_BUFFERED);
            }
            fail_sync(&s);
            put(&s, BP_DURABLE); /* recovers */
            CHECK_OK(bp_seal(s.store, NULL), NULL);
            put(&s, BP_DURABLE);
            assert_int_equal(bp_store_frontiers(s.store).published_lsn >> 32, 2);
            assert_true(bpi_fault_unsynced(s.world.fault, first) > 0);
            assert_int_equal(bpi_fault_unsynced_below(s.world.fault, first, end), 0);
            (void)bpt_power_cut(&s.world, keeps[keep], keep);
            (void)bp_close(s.store, NULL);
            s.store = bpt_open(&s.world);
            assert_int_equal(bp_store_frontiers(s.store).published, s.count);
            bpt_close(s.store);
            assert_int_equal(bpt_verify(&s.world), s.count);
            bpt_world_end(&s.world);
        }
    }
}

/* Larger than a segment: the first frame of one of its own. A write or sync on the way fails, and it is tried again. */
static void a_large_event_is_tried_again(void **state)
{
    enum { LARGE = 100000, STEPS = 60 };
    static uint8_t large[LARGE];
    unsigned failures = 0;
    (void)state;
    for (uint64_t step = 1; step <= STEPS; step++) {
        scene s;
        bp_error error = {0};
        bpt_note("step %llu", (unsigned long long)step);
        begin(&s);
        for (unsigned i = 0; i < 3; i++) {
            put(&s, BP_DURABLE);
        }
        bpi_fault_set_plan(s.world.fault, &(bpi_fault_plan){.kind = BPI_FAULT_ERROR, .step = step, .os_error = EIO});
        bp_status status = bp_seal(s.store, &error);
        bool sealed = status == BP_OK;
        for (unsigned tries = 0; tries < 2; tries++) {
            status = bp_append(s.store, bp_at("a", "s"), 0xf001, bp_raw(large, LARGE), NULL, NULL, &error);
            failures += status != BP_OK;
            s.count += status == BP_OK;
            bpi_fault_set_plan(s.world.fault, &(bpi_fault_plan){0});
            if (status == BP_OK && !(sealed && tries == 0)) {
                break;
            }
        }
        CHECK_OK(status, &error);
        put(&s, BP_DURABLE);
        CHECK_OK(bp_seal(s.store, &error), &error);
        put(&s, BP_DURABLE);
        bpt_close(s.store);
        s.store = bpt_open(&s.world);
        assert_true(bp_store_frontiers(s.store).published >= s.count);
        bpt_close(s.store);
        (void)bpt_verify(&s.world);
        bpt_world_end(&s.world);
    }
    assert_true(failures > 0);
}

/* ---- while it goes wrong ---- */

static struct {
    uint64_t left; /* allocations until one gives nothing; 0: none does */
    bool persistent;
    bool hit;
} starving;

static bool is_starved(void)
{
    if (starving.left == 0 || --starving.left != 0) {
        return false;
    }
    starving.left = starving.persistent ? 1 : 0;
    starving.hit = true;
    return true;
}

static void *starving_allocate(void *context, size_t size)
{
    (void)context;
    return is_starved() ? NULL : malloc(size);
}

static void *starving_resize(void *context, void *memory, size_t old_size, size_t size)
{
    (void)context;
    (void)old_size;
    return is_starved() ? NULL : realloc(memory, size);
}

static void starving_release(void *context, void *memory, size_t size)
{
    (void)context;
    (void)size;
    free(memory);
}

static const bp_allocator starving_memory = {sizeof(bp_allocator), NULL, starving_allocate, starving_resize,
                                             starving_release};

static void all_is_shown(const scene *s, bp_store *store)
{
    bp_error error = {0};
    uint64_t of_a = 0;
    uint64_t a_count = 0;
    bp_region region = bp_region_stream("a");
    assert_true(bp_store_frontiers(store).published >= s->count);
    for (uint64_t sequence = 0; sequence < s->count; sequence++) {
        const bp_event *event = NULL;
        const bp_event *again = NULL;
        CHECK_OK(bp_get_sequence(store, sequence, &event, &error), &error);
        CHECK_OK(bp_get(store, &event->id, &again, &error), &error);
        assert_true(bp_hash_equal(&again->event_hash, &event->event_hash) && again->sequence == sequence);
        assert_true(bp_text_equal(event->entity, bp_text_of(sequence % 3 == 0 ? "a" : "b")));
        of_a += sequence % 3 == 0;
        bp_event_release(again);
        bp_event_release(event);
    }
    CHECK_OK(bp_count(store, &region, &a_count, &error), &error);
    assert_true(a_count >= of_a && a_count <= of_a + 1);
}

/* The n-th allocation of a recovery gives nothing. True: there was one. */
static bool starve(uint64_t nth, unsigned durable, bool persistent, bool seals, uint64_t *failures)
{
    scene s;
    begin_with(&s, &starving_memory);
    for (unsigned i = 0; i < durable; i++) {
        put(&s, BP_DURABLE);
    }
    for (unsigned i = 0; i < EVENTS; i++) {
        put(&s, BP_BUFFERED);
    }
    bp_store *reader = bpt_reader(&s.world);
    fail_sync(&s);
    starving.persistent = persistent;
    starving.hit = false;
    starving.left = nth;
    bp_status status = bp_append(s.store, bp_at("c", "s"), 0xf001, bp_raw("x", 1), NULL, NULL, NULL);
    starving.left = 0;
    bool hit = starving.hit;
    *failures += status != BP_OK;
    all_is_shown(&s, s.store);
    all_is_shown(&s, reader);
    /* Tried again it recovers, if it has not. */
    bp_error error = {0};
    CHECK_OK(bp_append(s.store, bp_at("c", "s"), 0xf001, bp_raw("x", 1), NULL, NULL, &error), &error);
    if (seals) {
        CHECK_OK(bp_seal(s.store, &error), &error);
    }
    all_is_shown(&s, s.store);
    all_is_shown(&s, reader);
    uint64_t published = bp_store_frontiers(s.store).published;
    assert_int_equal(published, s.count + 1 + (status == BP_OK));
    bpt_close(reader);
    bpt_close(s.store);
    assert_int_equal(bpt_verify(&s.world), published);
    s.store = bpt_open(&s.world);
    assert_int_equal(bp_store_frontiers(s.store).published, published);
    all_is_shown(&s, s.store);
    bpt_close(s.store);
    bpt_world_end(&s.world);
    return hit;
}

static void a_recovery_without_memory_takes_nothing_away(void **state)
{
    static const unsigned durables[] = {0, 1, EVENTS};
    (void)state;
    for (unsigned kind = 0; kind < 6; kind++) {
        uint64_t nth = 1;
        uint64_t failures = 0;
        while (starve(nth, durables[kind / 2], kind % 2 == 1, kind > 2, &failures)) {
            nth++;
        }
        assert_true(nth > 10 && failures > 5);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_was_moved_away_may_be_lost_in_its_old_place),
        cmocka_unit_test(a_large_event_is_tried_again),
        cmocka_unit_test(a_recovery_without_memory_takes_nothing_away),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
