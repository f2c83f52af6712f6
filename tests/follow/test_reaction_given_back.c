/*
 * test_reaction_given_back.c: an input whose outputs could not be appended goes to another worker that waits.
 *
 * ctest: labels=threads
 */
#include <pthread.h>
#include <unistd.h>

#include "io/fault_memory.h"
#include "support/world.h"

enum { FOLLOWED = 0xf010 };

typedef struct filling {
    bpt_world world;
    bpi_fault_memory memory;
    bp_reaction *reaction;
    pthread_t thread;
    unsigned calls;
    bp_status other;
} filling;

static void *other_worker(void *argument)
{
    filling *f = argument;
    f->other = bp_reaction_next(f->reaction, 1, 10000, NULL);
    return NULL;
}

/* While the first call has the input, the other worker begins to wait; then there is no memory for the append, once. */
static bp_status follow(void *context, const bp_event *event, bp_outputs *outputs, bp_error *error)
{
    filling *f = context;
    bp_payload payload = bp_raw(event->payload, event->payload_size);
    bp_status status = bp_outputs_add(outputs, bp_at("out", "s"), FOLLOWED, payload, NULL, error);
    if (f->calls++ == 0) {
        assert_int_equal(pthread_create(&f->thread, NULL, other_worker, f), 0);
        (void)usleep(100000);
        f->memory.fails_at = atomic_load(&f->memory.calls) + 1;
    }
    return status;
}

static void another_worker_gets_what_was_given_back(void **state)
{
    filling f = {.calls = 0};
    bp_error error = {0};
    bp_consumer_options options;
    bp_region region = bp_region_stream("in");
    (void)state;
    bpt_world_memory(&f.world);
    bpi_fault_memory_init(&f.memory);
    f.world.options.allocator = &f.memory.table;
    bp_store *store = bpt_open(&f.world);
    bp_consumer_options_init(&options);
    options.workers = 2;
    options.published = true;
    bpt_put(store, "in", "x");
    CHECK_OK(bp_reaction_open(store, "filler", &region, follow, &f, &options, &f.reaction, &error), &error);
    double start = bpt_seconds();
    CHECK_STATUS(BP_ERR_NO_MEMORY, bp_reaction_next(f.reaction, 0, 0, &error), &error);
    assert_int_equal(pthread_join(f.thread, NULL), 0);
    assert_int_equal(f.other, BP_OK);
    CHECK(bpt_seconds() - start < 5, "it waited %f s", bpt_seconds() - start);
    assert_int_equal(f.calls, 2);
    CHECK_OK(bp_reaction_close(f.reaction, &error), &error);
    bpt_close(store);
    bpt_world_end(&f.world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(another_worker_gets_what_was_given_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
