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

static void begin(scene *s)
{
    memset(s, 0, sizeof *s);
    bpt_world_fault(&s->world);
    s->world.options.recovery_attempts = 200;
    s->store = bpt_open(&s->world);
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_was_moved_away_may_be_lost_in_its_old_place),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
