/*
 * test_failed_keeper.c: a sync of the store's own threads fails, and forgets what was dirty: of space made ahead, of a finished
 * segment, of a list, of what was written for a while. What was said to be durable is there after a power cut in any case.
 */
#include "support/world.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <time.h>

enum { EVENTS = 150, BYTES = 1500, SEGMENT = 64 << 10, SYNCS = 24 };

static const bp_durability modes[] = {BP_DURABLE, BP_PERIODIC, BP_BUFFERED};

typedef struct aim {
    bpi_fault *fault;
    pthread_t caller;
    atomic_uint left; /* syncs of other threads until then */
    atomic_bool hit;
} aim;

static void drop_a_sync(void *argument, const bpi_fault_step *step)
{
    aim *at = argument;
    if (pthread_equal(pthread_self(), at->caller) != 0 || strcmp(step->what, "sync") != 0 ||
        atomic_load(&at->left) == 0) {
        return;
    }
    if (step->done && atomic_load(&at->hit)) {
        atomic_store(&at->left, 0);
        bpi_fault_set_plan(at->fault, &(bpi_fault_plan){0});
    } else if (!step->done && atomic_fetch_sub(&at->left, 1) == 1) {
        bpi_fault_plan plan = {.kind = BPI_FAULT_SYNC_DROPS, .step = step->number, .os_error = EIO};
        bpi_fault_set_plan(at->fault, &plan);
        atomic_store(&at->left, 1);
        atomic_store(&at->hit, true);
    }
}

static bool may_be(bp_status status)
{
    return status == BP_OK || status == BP_ERR_IO || status == BP_ERR_FAILED || status == BP_ERR_NO_SPACE;
}

/* Lazy appends and others in turn; how many events are durable, as far as it was said. */
static uint64_t work(bp_store *store)
{
    static char text[BYTES];
    uint64_t durable = 0;
    memset(text, 'x', sizeof text);
    for (unsigned i = 0; i < EVENTS; i++) {
        bp_error error = {0};
        bp_receipt receipt = {0};
        bp_append_options options;
        bp_append_options_init(&options);
        options.durability = i % 5 == 4 ? BP_DURABLE : BP_BUFFERED;
        bp_status status = bp_append(store, bp_at("e", "s"), 0xf001, bp_raw(text, BYTES), &options, &receipt, &error);
        CHECK(may_be(status), "an append says %s: %s", bp_status_name(status), error.message);
        if (status == BP_OK && receipt.durable) {
            durable = receipt.sequence + 1;
        }
        if (i % 16 == 15) {
            status = bp_sync(store, &error);
            CHECK(may_be(status), "a sync says %s: %s", bp_status_name(status), error.message);
        }
        uint64_t said = bp_store_frontiers(store).durable;
        durable = said > durable ? said : durable;
        if (i % 8 == 7) {
            (void)nanosleep(&(struct timespec){.tv_nsec = 300000}, NULL);
        }
    }
    return durable;
}

/* True: there was such a sync. */
static bool fails_at(unsigned which, bp_durability mode, uint32_t attempts)
{
    bpt_world world;
    uint64_t count = 0;
    bp_error error = {0};
    bpt_note("sync %u, mode %d, %u recoveries", which, (int)mode, attempts);
    bpt_world_fault(&world);
    world.options.keeper = BP_KEEPER_THREAD;
    world.options.durability = mode;
    world.options.segment_size = SEGMENT;
    world.options.recovery_attempts = attempts;
    world.options.sync_every_events = 7;
    world.options.sync_every_ms = 1;
    bp_store *store = bpt_open(&world);
    aim at = {.fault = world.fault, .caller = pthread_self(), .left = which};
    bpi_fault_watch(world.fault, drop_a_sync, &at);
    uint64_t durable = work(store);
    atomic_store(&at.left, 0); /* it watches on: the store's threads are at work */
    uint64_t published = bp_store_frontiers(store).published;
    CHECK_OK(bp_count(store, NULL, &count, &error), &error);
    assert_int_equal(count, published);
    bpi_fault_set_plan(world.fault, &(bpi_fault_plan){.kind = BPI_FAULT_CRASH, .step = 1});
    (void)bp_close(store, NULL);
    (void)bpt_power_cut(&world, BPT_KEEP_NONE, 0);
    store = bpt_open(&world);
    CHECK(bp_store_frontiers(store).published >= durable, "%llu were durable, %llu are there",
          (unsigned long long)durable, (unsigned long long)bp_store_frontiers(store).published);
    bpt_close(store);
    (void)bpt_verify(&world);
    bpt_world_end(&world);
    return atomic_load(&at.hit);
}

static void any_sync_of_its_threads_may_fail(void **state)
{
    unsigned hits = 0;
    (void)state;
    for (unsigned which = 1; which <= SYNCS; which++) {
        for (unsigned i = 0; i < sizeof modes / sizeof *modes; i++) {
            hits += fails_at(which, modes[i], 0);
            hits += fails_at(which, modes[i], 1);
        }
    }
    assert_true(hits > SYNCS);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(any_sync_of_its_threads_may_fail),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
