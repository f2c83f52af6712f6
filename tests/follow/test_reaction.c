/*
 * test_reaction.c: events that follow from events: what they carry, that they come once, how it fails, how it ends.
 *
 * ctest: labels=threads
 */
#include <pthread.h>
#include <unistd.h>

#include "support/world.h"

enum { DOUBLED = 0xf010 };

typedef struct doubling {
    unsigned calls;
    unsigned outputs;
    uint16_t version; /* of them; 0: none */
    bp_status fail;
    bool conflict;
    bp_store *close;
} doubling;

static bp_status twice(void *context, const bp_event *event, bp_outputs *outputs, bp_error *error)
{
    doubling *d = context;
    bp_append_options options;
    d->calls++;
    bp_append_options_init(&options);
    if (d->close != NULL) {
        CHECK_STATUS(BP_ERR_REENTRANT, bp_close(d->close, error), error);
    }
    if (d->conflict) {
        options.expect.kind = BP_EXPECT_NONE;
    }
    for (unsigned i = 0; i < d->outputs; i++) {
        char entity[16]; /* is copied */
        (void)snprintf(entity, sizeof entity, "out:%u", i);
        bp_payload payload = bp_raw(event->payload, event->payload_size);
        payload = d->version != 0 ? bp_payload_versioned(payload, d->version) : payload;
        bp_status status = bp_outputs_add(outputs, bp_at(entity, "s"), DOUBLED, payload, &options, error);
        if (status != BP_OK) {
            return status;
        }
    }
    if (d->fail != BP_OK) {
        error->status = d->fail;
        (void)snprintf(error->message, sizeof error->message, "no");
    }
    return d->fail;
}

static bp_reaction *open_reaction(bp_store *store, doubling *d, const bp_consumer_options *options)
{
    bp_error error = {0};
    bp_reaction *reaction = NULL;
    bp_region region = bp_region_stream("in");
    CHECK_OK(bp_reaction_open(store, "doubler", &region, twice, d, options, &reaction, &error), &error);
    return reaction;
}

static void step(bp_reaction *reaction, bp_status want)
{
    bp_error error = {0};
    CHECK_STATUS(want, bp_reaction_next(reaction, 0, 0, &error), &error);
}

static uint64_t count_of(bp_store *store, bp_kind_code kind)
{
    bp_error error = {0};
    uint64_t count = 0;
    bp_region region = bp_region_by_kind(kind);
    CHECK_OK(bp_count(store, &region, &count, &error), &error);
    return count;
}

static void outputs_carry_where_they_come_from(void **state)
{
    bpt_world world;
    bp_error error = {0};
    bp_append_options options;
    const bp_event *event = NULL;
    doubling d = {.outputs = 2};
    (void)state;
    bpt_world_memory(&world);
    bp_store *store = bpt_open(&world);
    bp_append_options_init(&options);
    options.correlation = bp_id_from("test", "workflow", 8);
    bp_receipt input = bpt_put_with(store, "in", "x", &options);
    bp_reaction *reaction = open_reaction(store, &d, NULL);
    step(reaction, BP_OK);
    step(reaction, BP_ERR_TIMEOUT);
    CHECK_OK(bp_reaction_close(reaction, &error), &error);
    assert_int_equal(count_of(store, DOUBLED), 2);
    for (uint64_t s = 1; s <= 2; s++) {
        CHECK_OK(bp_get_sequence(store, s, &event, &error), &error);
        assert_true(bp_id_equal(&event->correlation, &options.correlation));
        assert_int_equal(event->cause_count, 1);
        assert_true(bp_id_equal(&event->causes[0], &input.id));
        assert_int_equal(bp_event_hops(event), 1);
        assert_int_equal(event->batch, 1);
        assert_int_equal(event->batch_count, 2);
        assert_memory_equal(event->entity.data, s == 1 ? "out:0" : "out:1", 5);
        bp_event_release(event);
    }
    bpt_close(store);
    (void)bpt_verify(&world);
    bpt_world_end(&world);
}

/* The position is behind, as after a crash between the append and the position: the function is not even asked. */
static void outputs_that_are_there_are_not_made_again(void **state)
{
    bpt_world world;
    bp_error error = {0};
    doubling d = {.outputs = 3};
    (void)state;
    bpt_world_memory(&world);
    bp_store *store = bpt_open(&world);
    bpt_put(store, "in", "x");
    bpt_put(store, "in", "y");
    for (int again = 0; again < 3; again++) {
        bp_reaction *reaction = open_reaction(store, &d, NULL);
        step(reaction, BP_OK);
        step(reaction, BP_OK);
        step(reaction, BP_ERR_TIMEOUT);
        CHECK_OK(bp_reaction_close(reaction, &error), &error);
        CHECK_OK(bp_consumer_forget(store, "doubler", 0, &error), &error);
    }
    assert_int_equal(d.calls, 2);
    assert_int_equal(count_of(store, DOUBLED), 6);
    bpt_close(store);
    bpt_world_end(&world);
}

static bp_status as_it_is(void *context, const bp_event *event, bp_output *payload, bp_error *error)
{
    (void)context;
    (void)error;
    return bp_output_append(payload, event->payload, event->payload_size) ? BP_OK : BP_ERR_NO_MEMORY;
}

/* A program that is older than the outputs asks whether they are there, not what they say. */
static void outputs_that_cannot_be_converted_are_there(void **state)
{
    bpt_world world;
    bp_error error = {0};
    doubling d = {.outputs = 2, .version = 3};
    bp_upcast older = {.kind = DOUBLED, .from = 1, .convert = as_it_is};
    (void)state;
    bpt_world_memory(&world);
    bp_store *store = bpt_open(&world);
    bpt_put(store, "in", "x");
    bp_reaction *reaction = open_reaction(store, &d, NULL);
    step(reaction, BP_OK);
    CHECK_OK(bp_reaction_close(reaction, &error), &error);
    CHECK_OK(bp_consumer_forget(store, "doubler", 0, &error), &error);
    bpt_close(store);
    store = bpt_open(&world);
    CHECK_OK(bp_upcast_register(store, &older, 1, &error), &error);
    reaction = open_reaction(store, &d, NULL);
    step(reaction, BP_OK);
    step(reaction, BP_ERR_TIMEOUT);
    CHECK_OK(bp_reaction_close(reaction, &error), &error);
    assert_int_equal(d.calls, 1);
    assert_int_equal(count_of(store, DOUBLED), 2);
    bpt_close(store);
    bpt_world_end(&world);
}

static bool is_doubled(void *context, const bp_event *event)
{
    (void)context;
    return event->kind == DOUBLED;
}

/* The position is behind, and retention took the outputs: they were made. */
static void outputs_that_were_dropped_are_not_made_again(void **state)
{
    bpt_world world;
    bp_error error = {0};
    bp_compact_options retention;
    bp_compact_report report;
    doubling d = {.outputs = 2};
    (void)state;
    bpt_world_memory(&world);
    bp_store *store = bpt_open(&world);
    bpt_put(store, "in", "x");
    bp_reaction *reaction = open_reaction(store, &d, NULL);
    step(reaction, BP_OK);
    CHECK_OK(bp_reaction_close(reaction, &error), &error);
    CHECK_OK(bp_consumer_forget(store, "doubler", 0, &error), &error);
    bp_compact_options_init(&retention);
    retention.drop_if = is_doubled;
    CHECK_OK(bp_seal(store, &error), &error);
    CHECK_OK(bp_compact(store, &retention, &report, &error), &error);
    assert_int_equal(report.events_dropped, 2);
    reaction = open_reaction(store, &d, NULL);
    step(reaction, BP_OK);
    step(reaction, BP_ERR_TIMEOUT);
    CHECK_OK(bp_reaction_close(reaction, &error), &error);
    assert_int_equal(d.calls, 1);
    assert_int_equal(count_of(store, DOUBLED), 0);
    bpt_close(store);
    bpt_world_end(&world);
}

static void no_output_is_an_answer(void **state)
{
    bpt_world world;
    bp_error error = {0};
    doubling d = {0};
    (void)state;
    bpt_world_memory(&world);
    bp_store *store = bpt_open(&world);
    bpt_put(store, "in", "x");
    bp_reaction *reaction = open_reaction(store, &d, NULL);
    step(reaction, BP_OK);
    step(reaction, BP_ERR_TIMEOUT);
    CHECK_OK(bp_reaction_close(reaction, &error), &error);
    reaction = open_reaction(store, &d, NULL);
    step(reaction, BP_ERR_TIMEOUT);
    assert_int_equal(d.calls, 1);
    CHECK_OK(bp_reaction_close(reaction, &error), &error);
    bpt_close(store);
    bpt_world_end(&world);
}

static void failures_are_the_inputs(void **state)
{
    bpt_world world;
    bp_error error = {0};
    bp_consumer_options options;
    doubling d = {.outputs = 1, .fail = BP_ERR_IO};
    (void)state;
    bpt_world_memory(&world);
    bp_store *store = bpt_open(&world);
    bpt_put(store, "in", "x");
    bp_consumer_options_init(&options);
    options.on_failure = BP_ON_FAILURE_PARK;
    bp_reaction *reaction = open_reaction(store, &d, &options);
    step(reaction, BP_OK);
    assert_int_equal(count_of(store, DOUBLED), 0); /* nothing of a failed input */
    step(reaction, BP_ERR_TIMEOUT);
    d.fail = BP_OK;
    CHECK_OK(bp_consumer_retry(bp_reaction_consumer(reaction), 0, &error), &error);
    step(reaction, BP_OK);
    assert_int_equal(count_of(store, DOUBLED), 1);
    d.conflict = true; /* the entity has an event now */
    bpt_put(store, "in", "y");
    step(reaction, BP_OK);
    assert_int_equal(count_of(store, DOUBLED), 1);
    CHECK_OK(bp_reaction_close(reaction, &error), &error);
    bpt_close(store);
    bpt_world_end(&world);
}

/* One input's outputs are one batch: there may be as many as that holds, and no more. */
static void outputs_are_as_many_as_a_batch_holds(void **state)
{
    bpt_world world;
    bp_error error = {0};
    bp_consumer_options options;
    doubling d = {.outputs = BP_BATCH_MAX + 1};
    (void)state;
    bpt_world_memory(&world);
    world.options.segment_size = 4u << 20;
    bp_store *store = bpt_open(&world);
    bpt_put(store, "in", "x");
    bp_consumer_options_init(&options);
    options.on_failure = BP_ON_FAILURE_PARK;
    bp_reaction *reaction = open_reaction(store, &d, &options);
    step(reaction, BP_OK);
    assert_int_equal(count_of(store, DOUBLED), 0);
    d.outputs = BP_BATCH_MAX;
    CHECK_OK(bp_consumer_retry(bp_reaction_consumer(reaction), 0, &error), &error);
    step(reaction, BP_OK);
    assert_int_equal(count_of(store, DOUBLED), BP_BATCH_MAX);
    CHECK_OK(bp_reaction_close(reaction, &error), &error);
    bpt_close(store);
    bpt_world_end(&world);
}

static void a_failure_that_stops_ends_the_run(void **state)
{
    bpt_world world;
    bp_error error = {0};
    doubling d = {.outputs = 1, .fail = BP_ERR_FORMAT};
    (void)state;
    bpt_world_memory(&world);
    bp_store *store = bpt_open(&world);
    bpt_put(store, "in", "x");
    bp_reaction *reaction = open_reaction(store, &d, NULL);
    CHECK_STATUS(BP_ERR_FAILED, bp_reaction_run(reaction, 0, &error), &error);
    assert_non_null(strstr(error.message, "doubler"));
    CHECK_OK(bp_reaction_close(reaction, &error), &error);
    d.fail = BP_OK;
    reaction = open_reaction(store, &d, NULL);
    step(reaction, BP_OK);
    assert_int_equal(count_of(store, DOUBLED), 1);
    bp_reaction_stop(reaction);
    CHECK_OK(bp_reaction_run(reaction, 0, &error), &error);
    CHECK_OK(bp_reaction_close(reaction, &error), &error);
    bpt_close(store);
    bpt_world_end(&world);
}

static bp_status say_nothing(void *context, const bp_event *event, bp_outputs *outputs, bp_error *error)
{
    (void)event;
    (void)outputs;
    assert_int_equal(error->message[0], '\0'); /* nothing is left in it from what the library looked for */
    return *(const bp_status *)context;
}

static void a_failure_without_a_message_tells_what_was_answered(void **state)
{
    static const bp_status answers[] = {BP_ERR_DENIED, BP_END, BP_ERR_CLOSED};
    bpt_world world;
    bp_error error = {0};
    (void)state;
    bpt_world_memory(&world);
    bp_store *store = bpt_open(&world);
    bpt_put(store, "in", "x");
    for (size_t i = 0; i < sizeof answers / sizeof *answers; i++) {
        bp_status answered = answers[i];
        bp_reaction *reaction = NULL;
        CHECK_OK(bp_reaction_open(store, "mute", NULL, say_nothing, &answered, NULL, &reaction, &error), &error);
        CHECK_STATUS(BP_ERR_FAILED, bp_reaction_run(reaction, 0, &error), &error);
        CHECK_SAYS(&error, bp_status_name(answered));
        CHECK_OK(bp_reaction_close(reaction, &error), &error);
    }
    bpt_close(store);
    bpt_world_end(&world);
}

static bp_status meddle(void *context, const bp_event *event, bp_outputs *outputs, bp_error *error)
{
    bp_consumer *own = bp_reaction_consumer(*(bp_reaction **)context);
    CHECK_STATUS(BP_ERR_REENTRANT, bp_consumer_ack(own, event->sequence, error), error);
    CHECK_STATUS(BP_ERR_REENTRANT, bp_consumer_fail(own, event->sequence, "no", error), error);
    return bp_outputs_add(outputs, bp_at("out", "s"), DOUBLED, bp_raw(event->payload, event->payload_size), NULL,
                          error);
}

static void its_own_input_is_not_the_functions_to_acknowledge(void **state)
{
    bpt_world world;
    bp_error error = {0};
    bp_reaction *reaction = NULL;
    bp_region region = bp_region_stream("in");
    (void)state;
    bpt_world_memory(&world);
    bp_store *store = bpt_open(&world);
    bpt_put(store, "in", "x");
    CHECK_OK(bp_reaction_open(store, "meddler", &region, meddle, (void *)&reaction, NULL, &reaction, &error), &error);
    step(reaction, BP_OK);
    step(reaction, BP_ERR_TIMEOUT);
    assert_int_equal(count_of(store, DOUBLED), 1);
    CHECK_OK(bp_reaction_close(reaction, &error), &error);
    bpt_close(store);
    bpt_world_end(&world);
}

static bp_status answer(void *context, const bp_event *event, bp_outputs *outputs, bp_error *error)
{
    (void)context;
    return bp_outputs_add(outputs, bp_at("loop", "s"), DOUBLED, bp_raw(event->payload, event->payload_size), NULL,
                          error);
}

static void a_loop_ends_at_64_hops(void **state)
{
    bpt_world world;
    bp_error error = {0};
    bp_reaction *reaction = NULL;
    bp_region region = bp_region_stream("loop");
    (void)state;
    bpt_world_memory(&world);
    bp_store *store = bpt_open(&world);
    CHECK_OK(bp_reaction_open(store, "echo", &region, answer, NULL, NULL, &reaction, &error), &error);
    bpt_put(store, "loop", "x");
    CHECK_STATUS(BP_ERR_FAILED, bp_reaction_run(reaction, 0, &error), &error);
    assert_non_null(strstr(error.message, "64"));
    assert_int_equal(count_of(store, DOUBLED), BP_HOPS_MAX);
    CHECK_OK(bp_reaction_close(reaction, &error), &error);
    bpt_close(store);
    bpt_world_end(&world);
}

/* The position may not be durable before what it stands behind. */
static void outputs_are_durable_before_the_position(void **state)
{
    bpt_world world;
    bp_error error = {0};
    bp_consumer_options options;
    doubling d = {.outputs = 1};
    (void)state;
    bpt_world_fault(&world);
    world.options.durability = BP_BUFFERED;
    bp_store *store = bpt_open(&world);
    bpt_put(store, "in", "x");
    CHECK_OK(bp_sync(store, &error), &error);
    bp_consumer_options_init(&options);
    options.save_every = 1;
    bp_reaction *reaction = open_reaction(store, &d, &options);
    step(reaction, BP_OK); /* and the position is written */
    (void)bpt_power_cut(&world, BPT_KEEP_NONE, 0);
    (void)bp_close(store, NULL);
    (void)bp_reaction_close(reaction, NULL);
    store = bpt_open(&world);
    reaction = open_reaction(store, &d, &options);
    step(reaction, BP_ERR_TIMEOUT);
    assert_int_equal(count_of(store, DOUBLED), 1);
    CHECK_OK(bp_reaction_close(reaction, &error), &error);
    bpt_close(store);
    bpt_world_end(&world);
}

static void what_is_the_reactions_is_refused(void **state)
{
    bpt_world world;
    bp_error error = {0};
    bp_reaction *reaction = NULL;
    doubling d = {.outputs = 1};
    (void)state;
    bpt_world_memory(&world);
    bp_store *store = bpt_open(&world);
    bp_store *reader = bpt_reader(&world);
    CHECK_STATUS(BP_ERR_READ_ONLY, bp_reaction_open(reader, "a", NULL, twice, &d, NULL, &reaction, &error), &error);
    CHECK_STATUS(BP_ERR_ARGUMENT, bp_reaction_open(store, "a", NULL, NULL, &d, NULL, &reaction, &error), &error);
    CHECK_STATUS(BP_ERR_ARGUMENT, bp_outputs_add(NULL, bp_at("a", "b"), DOUBLED, bp_raw("", 0), NULL, &error), &error);
    CHECK_STATUS(BP_ERR_ARGUMENT, bp_reaction_next(NULL, 0, 0, &error), &error);
    d.close = store;
    bpt_put(store, "in", "x");
    reaction = open_reaction(store, &d, NULL);
    step(reaction, BP_OK); /* the function tried to close the store */
    assert_int_equal(count_of(store, DOUBLED), 1);
    CHECK_OK(bp_reaction_close(reaction, &error), &error);
    CHECK_OK(bp_reaction_close(NULL, &error), &error);
    bpt_close(reader);
    bpt_close(store);
    bpt_world_end(&world);
}

/* ---- threads ---- */

typedef struct running {
    bp_reaction *reaction;
    uint32_t worker;
    bp_status status;
} running;

static void *run(void *argument)
{
    running *r = argument;
    r->status = bp_reaction_run(r->reaction, r->worker, NULL);
    return NULL;
}

static bp_status halve(void *context, const bp_event *event, bp_outputs *outputs, bp_error *error)
{
    (void)context;
    return event->kind == DOUBLED ? BP_OK
                                  : bp_outputs_add(outputs, (bp_coordinate){event->entity, event->scope}, DOUBLED,
                                                   bp_raw(NULL, 0), NULL, error);
}

static void the_store_closes_under_running_workers(void **state)
{
    enum { WORKERS = 3, EVENTS = 300 };
    bpt_world world;
    bp_error error = {0};
    bp_consumer_options options;
    (void)state;
    bpt_world_disk(&world);
    world.options.durability = BP_BUFFERED;
    bp_consumer_options_init(&options);
    options.workers = WORKERS;
    options.published = true;
    for (int round = 0; round < 3; round++) {
        running runs[WORKERS];
        pthread_t threads[WORKERS];
        bp_reaction *reaction = NULL;
        bp_store *store = bpt_open(&world);
        CHECK_OK(bp_reaction_open(store, "halver", NULL, halve, NULL, &options, &reaction, &error), &error);
        for (uint32_t i = 0; i < WORKERS; i++) {
            runs[i] = (running){reaction, i, BP_OK};
            assert_int_equal(pthread_create(&threads[i], NULL, run, &runs[i]), 0);
        }
        for (int i = 0; i < EVENTS; i++) {
            char entity[8];
            (void)snprintf(entity, sizeof entity, "%d", i % 7);
            bpt_put(store, entity, "x");
        }
        bpt_close(store);
        for (int i = 0; i < WORKERS; i++) {
            assert_int_equal(pthread_join(threads[i], NULL), 0);
            assert_int_equal(runs[i].status, BP_ERR_CLOSED);
        }
        CHECK_OK(bp_reaction_close(reaction, &error), &error);
    }
    bp_store *store = bpt_open(&world);
    bp_reaction *reaction = NULL;
    CHECK_OK(bp_sync(store, &error), &error);
    CHECK_OK(bp_reaction_open(store, "halver", NULL, halve, NULL, &options, &reaction, &error), &error);
    bp_status status;
    while ((status = bp_reaction_next(reaction, 0, 0, &error)) == BP_OK) {
    }
    assert_int_equal(status, BP_ERR_TIMEOUT);
    assert_int_equal(count_of(store, DOUBLED), 3 * EVENTS);
    CHECK_OK(bp_reaction_close(reaction, &error), &error);
    bpt_close(store);
    bpt_world_end(&world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(outputs_carry_where_they_come_from),
        cmocka_unit_test(outputs_that_are_there_are_not_made_again),
        cmocka_unit_test(outputs_that_cannot_be_converted_are_there),
        cmocka_unit_test(outputs_that_were_dropped_are_not_made_again),
        cmocka_unit_test(no_output_is_an_answer),
        cmocka_unit_test(failures_are_the_inputs),
        cmocka_unit_test(outputs_are_as_many_as_a_batch_holds),
        cmocka_unit_test(a_failure_that_stops_ends_the_run),
        cmocka_unit_test(a_failure_without_a_message_tells_what_was_answered),
        cmocka_unit_test(its_own_input_is_not_the_functions_to_acknowledge),
        cmocka_unit_test(a_loop_ends_at_64_hops),
        cmocka_unit_test(outputs_are_durable_before_the_position),
        cmocka_unit_test(what_is_the_reactions_is_refused),
        cmocka_unit_test(the_store_closes_under_running_workers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
