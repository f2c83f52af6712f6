/*
 * test_follow.c: cursors, subscriptions, consumers and reactions with every failure (support/exhaust.h).
 *
 * ctest: labels=exhaust wrap=bp_allocator_system timeout=600
 */
#include "support/exhaust.h"

/* ---- cursors ---- */

static void prepare_cursor(bpt_exhaust *x)
{
    bp_cursor *cursor = NULL;
    bp_region region = bp_region_by_scope("eu");
    CHECK_OK(bp_cursor_open(x->store, &region, NULL, &cursor, &x->error), &x->error);
    x->thing[0] = cursor;
}

static void finish_cursor(bpt_exhaust *x)
{
    bp_cursor_close(x->thing[0]);
}

static bp_status act_cursor_open(bpt_exhaust *x)
{
    bp_cursor *cursor = NULL;
    bp_cursor_options options;
    bp_kind_code kinds[2] = {0xf001, 0x1000};
    bp_cursor_options_init(&options);
    options.from = &x->position;
    options.kinds = kinds;
    options.kind_count = 2;
    bp_region region = bp_region_by_scope("eu");
    bp_status status = bp_cursor_open(x->store, &region, &options, &cursor, &x->error);
    bp_cursor_close(cursor);
    return status;
}

static void prepare_position(bpt_exhaust *x)
{
    CHECK_OK(bp_store_position(x->store, &x->position, &x->error), &x->error);
}

static bp_status act_cursor_next(bpt_exhaust *x)
{
    const bp_event *event = NULL;
    bp_status status;
    uint64_t count = 0;
    while ((status = bp_cursor_next(x->thing[0], &event, &x->error)) == BP_OK) {
        count++;
    }
    CHECK(status != BP_END || count == 6, "%llu events of six", (unsigned long long)count);
    return status == BP_END ? BP_OK : status;
}

static bp_status act_cursor_position(bpt_exhaust *x)
{
    const bp_event *event = NULL;
    bp_status status = bp_cursor_next(x->thing[0], &event, &x->error);
    return status == BP_OK ? bp_cursor_position(x->thing[0], &x->position, &x->error) : status;
}

static bp_status act_cursor_seek(bpt_exhaust *x)
{
    return bp_cursor_seek(x->thing[0], &x->position, &x->error);
}

static void prepare_seek(bpt_exhaust *x)
{
    prepare_position(x);
    prepare_cursor(x);
}

static bp_status act_cursor_lag(bpt_exhaust *x)
{
    bp_lag lag;
    bp_status status = bp_cursor_lag(x->thing[0], &lag, &x->error);
    CHECK(status != BP_OK || lag.events == 6, "%llu events behind", (unsigned long long)lag.events);
    return status;
}

/* ---- subscriptions ---- */

static void prepare_subscription(bpt_exhaust *x)
{
    bp_subscription *subscription = NULL;
    bp_subscription_options options;
    bp_subscription_options_init(&options);
    options.replay = true;
    CHECK_OK(bp_subscribe(x->store, NULL, &options, &subscription, &x->error), &x->error);
    x->thing[0] = subscription;
}

static void finish_subscription(bpt_exhaust *x)
{
    bp_subscription_close(x->thing[0]);
}

static bp_status act_subscribe(bpt_exhaust *x)
{
    bp_subscription *subscription = NULL;
    bp_region region = bp_region_stream("order:1");
    bp_status status = bp_subscribe(x->store, &region, NULL, &subscription, &x->error);
    bp_subscription_close(subscription);
    return status;
}

static bp_status act_subscription_next(bpt_exhaust *x)
{
    bp_delivery delivery;
    bp_status status;
    uint64_t count = 0;
    while ((status = bp_subscription_next(x->thing[0], 0, &delivery, &x->error)) == BP_OK) {
        count++;
    }
    CHECK(status != BP_ERR_TIMEOUT || count == 13, "%llu events of 13", (unsigned long long)count);
    return status == BP_ERR_TIMEOUT ? BP_OK : status;
}

static bp_status act_subscription_next_many(bpt_exhaust *x)
{
    bp_delivery deliveries[4];
    size_t count = 0;
    bp_status status = bp_subscription_next_many(x->thing[0], 0, deliveries, 4, &count, &x->error);
    if (status == BP_OK && count < 4) { /* an error behind the first is told by the next call */
        status = bp_subscription_next_many(x->thing[0], 0, deliveries, 4, &count, &x->error);
    }
    return status;
}

static bp_status act_subscription_descriptor(bpt_exhaust *x)
{
    int descriptor = -1;
    bp_status status = bp_subscription_descriptor(x->thing[0], &descriptor, &x->error);
    CHECK(status != BP_OK || descriptor >= 0, "no descriptor");
    return status;
}

static bp_status act_subscription_lag(bpt_exhaust *x)
{
    bp_lag lag;
    return bp_subscription_lag(x->thing[0], &lag, &x->error);
}

static bp_status act_subscription_position(bpt_exhaust *x)
{
    return bp_subscription_position(x->thing[0], &x->position, &x->error);
}

/* ---- consumers ---- */

static bp_status open_consumer(bpt_exhaust *x, bp_on_failure on_failure)
{
    bp_consumer *consumer = NULL;
    bp_consumer_options options;
    bp_consumer_options_init(&options);
    options.on_failure = on_failure;
    options.save_every = 1;
    bp_status status = bp_consumer_open(x->store, "mailer", NULL, &options, &consumer, &x->error);
    x->thing[0] = consumer;
    return status;
}

static void prepare_consumer(bpt_exhaust *x)
{
    CHECK_OK(open_consumer(x, BP_ON_FAILURE_PARK), &x->error);
}

static void prepare_delivered(bpt_exhaust *x)
{
    const bp_event *event = NULL;
    prepare_consumer(x);
    CHECK_OK(bp_consumer_next(x->thing[0], 0, 0, &event, &x->error), &x->error);
    x->position.next = event->sequence;
}

static void prepare_parked(bpt_exhaust *x)
{
    prepare_delivered(x);
    CHECK_OK(bp_consumer_fail(x->thing[0], x->position.next, "it hurts", &x->error), &x->error);
}

static void prepare_parked_closed(bpt_exhaust *x)
{
    prepare_parked(x);
    CHECK_OK(bp_consumer_close(x->thing[0], &x->error), &x->error);
    x->thing[0] = NULL;
}

/* Whatever was answered, the consumer can be opened again and what was not acknowledged comes. */
static void finish_consumer(bpt_exhaust *x)
{
    bp_error error = {0};
    const bp_event *event = NULL;
    CHECK_OK(bp_consumer_close(x->thing[0], &error), &error);
    CHECK_OK(open_consumer(x, BP_ON_FAILURE_PARK), &x->error);
    CHECK_OK(bp_consumer_next(x->thing[0], 0, 0, &event, &error), &error);
    CHECK_OK(bp_consumer_close(x->thing[0], &error), &error);
}

static bp_status act_consumer_open(bpt_exhaust *x)
{
    return open_consumer(x, BP_ON_FAILURE_STOP);
}

static bp_status act_consumer_next(bpt_exhaust *x)
{
    const bp_event *event = NULL;
    bp_status status = BP_OK;
    for (unsigned index = 0; index < 3 && status == BP_OK; index++) {
        status = bp_consumer_next(x->thing[0], 0, 0, &event, &x->error);
    }
    return status;
}

static bp_status act_consumer_ack(bpt_exhaust *x)
{
    return bp_consumer_ack(x->thing[0], x->position.next, &x->error);
}

static bp_status act_consumer_fail(bpt_exhaust *x)
{
    return bp_consumer_fail(x->thing[0], x->position.next, "it hurts", &x->error);
}

static bp_status consume(void *context, const bp_event *event, bp_error *error)
{
    bpt_exhaust *x = context;
    (void)error;
    if (event->sequence >= 5) {
        bp_consumer_stop(x->thing[0]);
    }
    return BP_OK;
}

static bp_status act_consumer_run(bpt_exhaust *x)
{
    return bp_consumer_run(x->thing[0], 0, consume, x, &x->error);
}

static bp_status act_consumer_save(bpt_exhaust *x)
{
    return bp_consumer_save(x->thing[0], &x->error);
}

static bp_status act_consumer_retry(bpt_exhaust *x)
{
    return bp_consumer_retry(x->thing[0], x->position.next, &x->error);
}

static bp_status act_consumer_close(bpt_exhaust *x)
{
    bp_consumer *consumer = x->thing[0];
    x->thing[0] = NULL;
    return bp_consumer_close(consumer, &x->error);
}

static int visit_consumer(void *argument, const bp_consumer_info *info)
{
    ++*(unsigned *)argument;
    CHECK(bp_text_equal(info->name, bp_text_of("mailer")), "a consumer of another name");
    return 0;
}

static bp_status act_consumers(bpt_exhaust *x)
{
    unsigned count = 0;
    bp_status status = bp_consumers(x->store, visit_consumer, &count, &x->error);
    CHECK(status != BP_OK || count == 1, "%u consumers of one", count);
    return status;
}

static bp_status act_consumer_retry_later(bpt_exhaust *x)
{
    return bp_consumer_retry_later(x->store, "mailer", 0, BP_NONE, &x->error);
}

static bp_status act_consumer_forget(bpt_exhaust *x)
{
    return bp_consumer_forget(x->store, "mailer", 0, &x->error);
}

/* ---- reactions ---- */

static bp_status react(void *context, const bp_event *event, bp_outputs *outputs, bp_error *error)
{
    bp_status status = BP_OK;
    (void)context;
    for (unsigned index = 0; index < 2 && status == BP_OK; index++) {
        status = bp_outputs_add(outputs, bp_at_bytes(event->entity.data, event->entity.size, "out", 3), 0xf009,
                                bp_raw("an output", 9), NULL, error);
    }
    return status;
}

static bp_status open_reaction(bpt_exhaust *x)
{
    bp_reaction *reaction = NULL;
    bp_consumer_options options;
    bp_consumer_options_init(&options);
    options.retries = 3;
    options.backoff_ms = 1;
    bp_region region = bp_region_stream("stock");
    bp_status status = bp_reaction_open(x->store, "echo", &region, react, NULL, &options, &reaction, &x->error);
    x->thing[0] = reaction;
    return status;
}

static void prepare_reaction(bpt_exhaust *x)
{
    CHECK_OK(open_reaction(x), &x->error);
}

static void finish_reaction(bpt_exhaust *x)
{
    bp_error error = {0};
    bp_status status = bp_reaction_close(x->thing[0], &error);
    CHECK(status == BP_OK || status == BP_ERR_FAILED, "closing a reaction is %s", bp_status_name(status));
}

/* An input that failed is dealt with as its options say: what was appended tells. */
static bp_status react_once(bpt_exhaust *x)
{
    uint64_t before = bp_store_frontiers(x->store).published;
    bp_status status = bp_reaction_next(x->thing[0], 0, 0, &x->error);
    return bpt_exhaust_acked(x, status, bp_store_frontiers(x->store).published - before);
}

static bp_status act_reaction_next(bpt_exhaust *x)
{
    return react_once(x);
}

static bp_status react_and_stop(void *context, const bp_event *event, bp_outputs *outputs, bp_error *error)
{
    bpt_exhaust *x = context;
    bp_status status = react(NULL, event, outputs, error);
    bp_reaction_stop(x->thing[0]);
    return status;
}

static void prepare_running(bpt_exhaust *x)
{
    bp_reaction *reaction = NULL;
    bp_region region = bp_region_stream("stock");
    CHECK_OK(bp_reaction_open(x->store, "echo", &region, react_and_stop, x, NULL, &reaction, &x->error), &x->error);
    x->thing[0] = reaction;
}

static bp_status act_reaction_run(bpt_exhaust *x)
{
    uint64_t before = bp_store_frontiers(x->store).published;
    bp_status status = bp_reaction_run(x->thing[0], 0, &x->error);
    return bpt_exhaust_acked(x, status, bp_store_frontiers(x->store).published - before);
}

static bp_status act_reaction_close(bpt_exhaust *x)
{
    bp_reaction *reaction = x->thing[0];
    x->thing[0] = NULL;
    return bp_reaction_close(reaction, &x->error);
}

enum { BOTH = BPT_EXHAUST_READER, DURABLE = BPT_EXHAUST_DURABLE };

static const bpt_exhaust_row rows[] = {
    {"bp_cursor_open", BOTH, 0, 0, prepare_position, act_cursor_open, NULL},
    {"bp_cursor_next", BOTH, 0, 0, prepare_cursor, act_cursor_next, finish_cursor},
    {"bp_cursor_position", BOTH, 0, 0, prepare_cursor, act_cursor_position, finish_cursor},
    {"bp_cursor_seek", BOTH, 0, 0, prepare_seek, act_cursor_seek, finish_cursor},
    {"bp_cursor_lag", BOTH, 0, 0, prepare_cursor, act_cursor_lag, finish_cursor},
    {"bp_subscribe", BOTH, 0, 0, NULL, act_subscribe, NULL},
    {"bp_subscription_next", BOTH, 0, 0, prepare_subscription, act_subscription_next, finish_subscription},
    {"bp_subscription_next_many", BOTH, 0, 0, prepare_subscription, act_subscription_next_many, finish_subscription},
    {"bp_subscription_descriptor", 0, 0, 0, prepare_subscription, act_subscription_descriptor, finish_subscription},
    {"bp_subscription_lag", BOTH, 0, 0, prepare_subscription, act_subscription_lag, finish_subscription},
    {"bp_subscription_position", BOTH, 0, 0, prepare_subscription, act_subscription_position, finish_subscription},
    {"bp_consumer_open", BOTH, 0, 0, NULL, act_consumer_open, finish_consumer},
    {"bp_consumer_next", BOTH, 0, 0, prepare_consumer, act_consumer_next, finish_consumer},
    {"bp_consumer_ack", BOTH, 0, 0, prepare_delivered, act_consumer_ack, finish_consumer},
    {"bp_consumer_fail", BOTH, 0, 0, prepare_delivered, act_consumer_fail, finish_consumer},
    {"bp_consumer_run", BOTH, 0, 0, prepare_consumer, act_consumer_run, finish_consumer},
    {"bp_consumer_save", BOTH, 0, 0, prepare_delivered, act_consumer_save, finish_consumer},
    {"bp_consumer_retry", BOTH, 0, 0, prepare_parked, act_consumer_retry, finish_consumer},
    {"bp_consumer_close", BOTH, 0, 0, prepare_delivered, act_consumer_close, finish_consumer},
    {"bp_consumers", BOTH, 0, 0, prepare_parked_closed, act_consumers, finish_consumer},
    {"bp_consumer_retry_later", BOTH, 0, 0, prepare_parked_closed, act_consumer_retry_later, finish_consumer},
    {"bp_consumer_forget", BOTH, 0, 0, prepare_parked_closed, act_consumer_forget, finish_consumer},
    {"bp_reaction_open", 0, 0, 0, NULL, open_reaction, finish_reaction},
    {"bp_reaction_next", DURABLE, 2, 0, prepare_reaction, act_reaction_next, finish_reaction},
    {"bp_outputs_add", 0, 2, 0, prepare_reaction, act_reaction_next, finish_reaction},
    {"bp_reaction_run", DURABLE, 2, BPT_ALSO(BP_ERR_FAILED), prepare_running, act_reaction_run, finish_reaction},
    {"bp_reaction_close", 0, 0, 0, prepare_reaction, act_reaction_close, finish_reaction},
};

static void every_call_with_every_failure(void **state)
{
    (void)state;
    bpt_exhaust_rows("follow", rows, sizeof rows / sizeof *rows);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_call_with_every_failure),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
