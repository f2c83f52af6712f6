/*
 * test_null.c: NULL and values out of range in every place of cursors, subscriptions, consumers, reactions and watches; each
 * names what is wrong, and nothing is done. Forgotten error pointers harm nobody.
 */
#include "projection/folding.h"
#include "support/world.h"

static bpt_world world;
static bp_store *store;
static bp_error error;

static int setup(void **state)
{
    (void)state;
    error = (bp_error){0};
    bpt_world_memory(&world);
    store = bpt_open(&world);
    bpt_put(store, "a", "one");
    bpt_put(store, "b", "two");
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    bpt_close(store);
    (void)bpt_verify(&world);
    bpt_world_end(&world);
    return 0;
}

#define REFUSED(call, part)                                              \
    do {                                                                 \
        CHECK_STATUS(BP_ERR_ARGUMENT, call, &error);                     \
        CHECK(strstr(error.message, part) != NULL, "%s", error.message); \
    } while (0)

static void cursors(void **state)
{
    (void)state;
    bp_cursor *cursor = NULL;
    bp_position position;
    bp_lag lag;
    const bp_event *event = NULL;
    bp_cursor_options options;
    bp_cursor_options_default(NULL, sizeof options);
    bp_cursor_options_default(&options, 1);
    bp_cursor_options_init(&options);
    REFUSED(bp_cursor_open(store, NULL, NULL, NULL, &error), "cursor_out");
    options.kind_count = 2;
    REFUSED(bp_cursor_open(store, NULL, &options, &cursor, &error), "kind");
    options.kind_count = 70000;
    options.kinds = (const bp_kind_code *)(const void *)&world;
    REFUSED(bp_cursor_open(store, NULL, &options, &cursor, &error), "kind");
    bp_cursor_options_init(&options);
    options.system = true;
    CHECK_OK(bp_cursor_open(store, NULL, &options, &cursor, &error), &error);
    REFUSED(bp_cursor_next(NULL, &event, &error), "NULL");
    REFUSED(bp_cursor_next(cursor, NULL, &error), "NULL");
    REFUSED(bp_cursor_position(NULL, &position, &error), "cursor");
    REFUSED(bp_cursor_position(cursor, NULL, &error), "position_out");
    REFUSED(bp_cursor_seek(NULL, &position, &error), "cursor");
    REFUSED(bp_cursor_seek(cursor, NULL, &error), "position");
    REFUSED(bp_cursor_lag(NULL, &lag, &error), "cursor");
    REFUSED(bp_cursor_lag(cursor, NULL, &error), "lag_out");
    CHECK_OK(bp_cursor_next(cursor, &event, &error), &error);
    bp_cursor_close(cursor);
    bp_cursor_close(NULL);
    assert_int_equal(bp_cursor_open(NULL, NULL, NULL, &cursor, NULL), BP_ERR_ARGUMENT);
}

static void subscriptions(void **state)
{
    (void)state;
    bp_subscription *subscription = NULL;
    bp_delivery delivery;
    bp_lag lag;
    int descriptor = -1;
    bp_subscription_options options;
    bp_subscription_options_default(NULL, sizeof options);
    bp_subscription_options_default(&options, 1);
    bp_subscription_options_init(&options);
    REFUSED(bp_subscribe(store, NULL, NULL, NULL, &error), "subscription_out");
    REFUSED(bp_subscribe(NULL, NULL, NULL, &subscription, &error), "store");
    CHECK_OK(bp_subscribe(store, NULL, NULL, &subscription, &error), &error);
    REFUSED(bp_subscription_next(NULL, 0, &delivery, &error), "needed");
    REFUSED(bp_subscription_next(subscription, 0, NULL, &error), "needed");
    REFUSED(bp_subscription_descriptor(subscription, NULL, &error), "");
    REFUSED(bp_subscription_descriptor(NULL, &descriptor, &error), "");
    REFUSED(bp_subscription_lag(NULL, &lag, &error), "");
    assert_int_equal(bp_subscription_next(NULL, 0, &delivery, NULL), BP_ERR_ARGUMENT);
    bp_subscription_stop(NULL);
    bp_subscription_close(NULL);
    bp_subscription_close(subscription);
}

static int see_none(void *argument, const bp_consumer_info *info)
{
    (void)argument;
    (void)info;
    return 0;
}

static void consumer_options(void)
{
    bp_consumer *consumer = NULL;
    bp_consumer_options options;
    bp_consumer_options_default(NULL, sizeof options);
    bp_consumer_options_default(&options, 1);
    bp_consumer_options_init(&options);
    options.partitions = 0;
    REFUSED(bp_consumer_open(store, "c", NULL, &options, &consumer, &error), "partition");
    options.partitions = 65537;
    REFUSED(bp_consumer_open(store, "c", NULL, &options, &consumer, &error), "partition");
    options.partitions = 2;
    options.partition = 2;
    REFUSED(bp_consumer_open(store, "c", NULL, &options, &consumer, &error), "partition");
    bp_consumer_options_init(&options);
    options.on_failure = (bp_on_failure)77;
    REFUSED(bp_consumer_open(store, "c", NULL, &options, &consumer, &error), "on_failure");
    assert_int_equal(bp_consumer_open(store, "c", NULL, &options, &consumer, NULL), BP_ERR_ARGUMENT);
    assert_null(consumer);
}

static void consumers(void **state)
{
    (void)state;
    bp_consumer *consumer = NULL;
    const bp_event *event = NULL;
    consumer_options();
    REFUSED(bp_consumer_open(store, "c", NULL, NULL, NULL, &error), "consumer_out");
    REFUSED(bp_consumers(store, NULL, NULL, &error), "function");
    assert_int_equal(bp_consumers(NULL, see_none, NULL, &error), BP_ERR_ARGUMENT);
    CHECK_OK(bp_consumers(store, see_none, NULL, NULL), NULL);
    CHECK_OK(bp_consumer_open(store, "c", NULL, NULL, &consumer, &error), &error);
    REFUSED(bp_consumer_next(NULL, 0, 0, &event, &error), "needed");
    REFUSED(bp_consumer_next(consumer, 0, 0, NULL, &error), "needed");
    REFUSED(bp_consumer_save(NULL, &error), "NULL");
    REFUSED(bp_consumer_retry(NULL, 0, &error), "NULL");
    REFUSED(bp_consumer_run(NULL, 0, NULL, NULL, &error), "NULL");
    REFUSED(bp_consumer_run(consumer, 0, NULL, NULL, &error), "NULL");
    assert_int_equal(bp_consumer_ack(NULL, 0, &error), BP_ERR_ARGUMENT);
    assert_int_equal(bp_consumer_fail(NULL, 0, "why", &error), BP_ERR_ARGUMENT);
    assert_int_equal(bp_consumer_forget(store, NULL, 0, &error), BP_ERR_ARGUMENT);
    assert_int_equal(bp_consumer_retry_later(store, NULL, 0, 0, NULL), BP_ERR_ARGUMENT);
    CHECK_OK(bp_consumer_next(consumer, 0, 0, &event, &error), &error);
    CHECK_OK(bp_consumer_fail(consumer, event->sequence, NULL, &error), &error); /* a reason is not needed */
    bp_consumer_stop(NULL);
    CHECK_OK(bp_consumer_close(consumer, &error), &error);
    CHECK_OK(bp_consumer_close(NULL, &error), &error);
}

/* ---- what a reaction may not give ---- */

typedef struct outputs_asked {
    unsigned refused;
} outputs_asked;

static bp_status react(void *context, const bp_event *input, bp_outputs *outputs, bp_error *told)
{
    outputs_asked *asked = context;
    static const bp_id some = {{1}};
    static const bp_id causes[BP_CAUSES_MAX + 1];
    bp_append_options options;
    bp_status status[10];
    size_t n = 0;
    (void)told;
    for (unsigned which = 0; which < 6; which++) {
        bp_append_options_init(&options);
        options.id = which == 0 ? some : options.id;
        options.correlation = which == 1 ? some : options.correlation;
        options.hops = which == 2 ? 1 : 0;
        options.durability = which == 3 ? BP_BUFFERED : BP_DURABILITY_DEFAULT;
        options.cause_count = which == 4 ? 1 : which == 5 ? BP_CAUSES_MAX : 0;
        options.causes = which == 5 ? causes : NULL;
        status[n++] = bp_outputs_add(outputs, bp_at("out", "s"), 0xf001, bp_raw("x", 1), &options, NULL);
    }
    status[n++] = bp_outputs_add(NULL, bp_at("out", "s"), 0xf001, bp_raw("x", 1), NULL, NULL);
    status[n++] = bp_outputs_add(outputs, bp_at("out", "s"), 0xf001, (bp_payload){NULL, 1, 0, 0}, NULL, NULL);
    status[n++] = bp_outputs_add(outputs, (bp_coordinate){{NULL, 1}, {"s", 1}}, 0xf001, bp_raw("x", 1), NULL, NULL);
    status[n++] = bp_outputs_add(outputs, (bp_coordinate){{"e", 1}, {NULL, 1}}, 0xf001, bp_raw("x", 1), NULL, NULL);
    for (size_t i = 0; i < n; i++) {
        asked->refused += status[i] == (i == 5 ? BP_ERR_TOO_LARGE : BP_ERR_ARGUMENT);
    }
    bp_append_options_init(&options);
    options.kind_name = "reacted.to";
    return input->sequence == 0 ? bp_outputs_add(outputs, bp_at("out", "s"), 0, bp_raw("x", 1), &options, told) : BP_OK;
}

static void reactions(void **state)
{
    (void)state;
    outputs_asked asked = {0};
    bp_reaction *reaction = NULL;
    bp_region region = bp_region_all();
    bp_consumer_options options;
    bp_consumer_options_init(&options);
    options.published = true;
    bp_region_set_entity(&region, bp_text_of("a"));
    REFUSED(bp_reaction_open(store, "r", &region, NULL, NULL, &options, &reaction, &error), "react is NULL");
    REFUSED(bp_reaction_open(store, "r", &region, react, &asked, &options, NULL, &error), "reaction_out is NULL");
    CHECK_OK(bp_reaction_open(store, "r", &region, react, &asked, &options, &reaction, &error), &error);
    CHECK_STATUS(BP_ERR_ARGUMENT, bp_reaction_next(NULL, 0, 0, &error), &error);
    CHECK_OK(bp_reaction_next(reaction, 0, 0, &error), &error);
    assert_int_equal(asked.refused, 10);
    bp_kind_code kind = 0;
    CHECK_OK(bp_kind_find(store, "reacted.to", &kind, &error), &error);
    assert_null(bp_reaction_consumer(NULL));
    assert_non_null(bp_reaction_consumer(reaction));
    bp_reaction_stop(NULL);
    CHECK_OK(bp_reaction_close(reaction, &error), &error);
    CHECK_OK(bp_reaction_close(NULL, &error), &error);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(cursors),
        CASE(subscriptions),
        CASE(consumers),
        CASE(reactions),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
