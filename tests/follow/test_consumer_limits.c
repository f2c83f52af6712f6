/*
 * test_consumer_limits.c: where a consumer's options meet what its file says, and where counting ends.
 */
#include "follow/consumer_world.h"

static void fewer_may_be_parked_than_are(void **state)
{
    (void)state;
    bpt_world world;
    bp_error error = {0};
    bp_consumer_options options = published();
    options.on_failure = BP_ON_FAILURE_PARK;
    bpt_world_memory(&world);
    bp_store *store = bpt_open(&world);
    (void)bpt_put(store, "a", "one");
    (void)bpt_put(store, "b", "two");
    bp_consumer *consumer = open_consumer(store, &options);
    fail_it(consumer, next_of(consumer, 0, "one"));
    fail_it(consumer, next_of(consumer, 0, "two"));
    close_consumer(consumer);
    options.parked_max = 1;
    consumer = NULL;
    CHECK_STATUS(BP_ERR_ARGUMENT, bp_consumer_open(store, "mailer", NULL, &options, &consumer, &error), &error);
    CHECK_SAYS(&error, "parked_max");
    assert_null(consumer);
    options.parked_max = 2;
    consumer = open_consumer(store, &options);
    nothing_for(consumer, 0);
    close_consumer(consumer);
    bpt_close(store);
    bpt_world_end(&world);
}

static void find_file(void *argument, const char *name, const uint8_t *data, size_t size)
{
    (void)data;
    (void)size;
    if (strncmp(name, "consumers/", 10) == 0 && strstr(name, ".pos") != NULL) {
        (void)snprintf(argument, 200, "%s", name);
    }
}

static void a_position_of_another_store_is_none(void **state)
{
    (void)state;
    bpt_world worlds[2];
    bp_error error = {0};
    bp_consumer_options options = published();
    size_t size = 0;
    uint8_t *file = NULL;
    char name[200] = "";
    for (int i = 0; i < 2; i++) {
        bpt_world_fault(&worlds[i]);
        bpt_entropy_init(&worlds[i].entropy, UINT64_C(100) + (uint64_t)i);
        bp_store *store = bpt_open(&worlds[i]);
        (void)bpt_put(store, "a", "one");
        bp_consumer *consumer = open_consumer(store, &options);
        ack(consumer, next_of(consumer, 0, "one"));
        close_consumer(consumer);
        bpt_close(store);
        if (i == 0) {
            bpt_file_each(&worlds[0], find_file, name);
            file = bpt_file_read(&worlds[0], name, &size);
            assert_non_null(file);
        } else {
            bpt_file_write(&worlds[1], name, file, size);
        }
    }
    bp_store *store = bpt_open(&worlds[1]);
    bp_consumer *consumer = NULL;
    CHECK_STATUS(BP_ERR_DIVERGED, bp_consumer_open(store, "mailer", NULL, &options, &consumer, &error), &error);
    CHECK_SAYS(&error, "another store");
    assert_null(consumer);
    bpt_close(store);
    free(file);
    bpt_world_end(&worlds[0]);
    bpt_world_end(&worlds[1]);
}

static void who_tries_for_ever_parks_nothing(void **state)
{
    (void)state;
    bpt_world world;
    bp_consumer_options options = published();
    options.retries = UINT32_MAX;
    options.backoff_ms = 0;
    options.on_failure = BP_ON_FAILURE_PARK;
    bpt_world_memory(&world);
    bp_store *store = bpt_open(&world);
    (void)bpt_put(store, "a", "one");
    bp_consumer *consumer = open_consumer(store, &options);
    for (int i = 0; i < 40; i++) {
        fail_it(consumer, next_of(consumer, 0, "one"));
    }
    ack(consumer, next_of(consumer, 0, "one"));
    nothing_for(consumer, 0);
    close_consumer(consumer);
    bpt_close(store);
    bpt_world_end(&world);
}

enum { KIND = 0xf020 };

static bp_status as_it_is(void *context, const bp_event *event, bp_output *payload, bp_error *error)
{
    (void)context;
    (void)error;
    return bp_output_append(payload, event->payload, event->payload_size) ? BP_OK : BP_ERR_NO_MEMORY;
}

static void put_newer(bp_store *store, const char *entity)
{
    bp_error error = {0};
    bp_payload newer = bp_payload_versioned(bp_raw("new", 3), 3);
    CHECK_OK(bp_append(store, bp_at(entity, "s"), KIND, newer, NULL, NULL, &error), &error);
}

static void pass(bpt_world *world, unsigned ms)
{
    (void)atomic_fetch_add(&world->clock.steady_ns, ms * UINT64_C(1000000));
}

static int see_parked(void *argument, const bp_consumer_info *info)
{
    *(size_t *)argument = info->parked_count;
    return 0;
}

/* An event that is newer than the converters know is tried again like one that fails, each time later, and then parked; of so many
 * that may be parked. */
static void what_cannot_be_converted_is_tried_again(void **state)
{
    (void)state;
    bpt_world world;
    bp_error error = {0};
    const bp_event *event = NULL;
    bp_consumer_options options = published();
    bp_upcast step = {.kind = KIND, .from = 1, .convert = as_it_is};
    bpt_world_memory(&world);
    bp_store *store = bpt_open(&world);
    CHECK_OK(bp_upcast_register(store, &step, 1, &error), &error);
    put_newer(store, "a");
    (void)bpt_put(store, "a", "behind");
    put_newer(store, "b");
    options.on_failure = BP_ON_FAILURE_PARK;
    options.retries = 2;
    options.backoff_ms = 100;
    options.backoff_max_ms = 150;
    options.parked_max = 1;
    options.window = 2;
    bp_consumer *consumer = open_consumer(store, &options);
    nothing_for(consumer, 0);
    pass(&world, 90);
    nothing_for(consumer, 0);
    pass(&world, 20);
    nothing_for(consumer, 0); /* the second time; the next is no more than 150 ms away */
    pass(&world, 140);
    nothing_for(consumer, 0);
    pass(&world, 20);
    ack(consumer, next_of(consumer, 0, "behind"));
    nothing_for(consumer, 0); /* the one of b, for the first time */
    pass(&world, 110);
    nothing_for(consumer, 0);
    pass(&world, 160);
    CHECK_STATUS(BP_ERR_VERSION, bp_consumer_next(consumer, 0, 0, &event, &error), &error); /* one is parked already */
    close_consumer(consumer);
    size_t parked = 0;
    CHECK_OK(bp_consumers(store, see_parked, &parked, &error), &error);
    assert_int_equal(parked, 1);
    bpt_close(store);
    bpt_world_end(&world);
}

/* With no pause between the times it does not end in trying it; what is of others is delivered. */
static void what_is_tried_for_ever_holds_nobody_up(void **state)
{
    (void)state;
    for (int most = 0; most < 2; most++) {
        bpt_world world;
        bp_error error = {0};
        bp_consumer_options options = published();
        bp_upcast step = {.kind = KIND, .from = 1, .convert = as_it_is};
        bpt_world_disk(&world); /* its clock goes on */
        bp_store *store = bpt_open(&world);
        CHECK_OK(bp_upcast_register(store, &step, 1, &error), &error);
        put_newer(store, "a");
        put_newer(store, "b");
        (void)bpt_put(store, "c", "one");
        options.retries = UINT32_MAX;
        options.backoff_ms = most == 0 ? 0 : 100;
        options.backoff_max_ms = most == 0 ? 10000 : 0;
        bp_consumer *consumer = open_consumer(store, &options);
        ack(consumer, next_of(consumer, 0, "one"));
        nothing_for(consumer, 0);
        close_consumer(consumer);
        bpt_close(store);
        bpt_world_end(&world);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(fewer_may_be_parked_than_are),
        cmocka_unit_test(a_position_of_another_store_is_none),
        cmocka_unit_test(who_tries_for_ever_parks_nothing),
        cmocka_unit_test(what_cannot_be_converted_is_tried_again),
        cmocka_unit_test(what_is_tried_for_ever_holds_nobody_up),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
