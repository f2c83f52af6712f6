/*
 * test_dropped.c: what retention took away is not handed out by cursors and subscriptions, whether they look at every event or
 * scan.
 */
#include "support/world.h"

static bool is_small(void *context, const bp_event *event)
{
    (void)context;
    return event->payload_size == 3;
}

/* Drops all of three bytes. */
static void drop(bp_store *store, uint64_t wanted)
{
    bp_error error = {0};
    bp_compact_options options;
    bp_compact_report report;
    bp_compact_options_init(&options);
    options.drop_if = is_small;
    CHECK_OK(bp_seal(store, &error), &error);
    CHECK_OK(bp_compact(store, &options, &report, &error), &error);
    assert_int_equal(report.events_dropped, wanted);
}

static void expect(bp_subscription *subscription, uint64_t sequence)
{
    bp_error error = {0};
    bp_delivery delivery;
    CHECK_OK(bp_subscription_next(subscription, 0, &delivery, &error), &error);
    assert_int_equal(delivery.event.sequence, sequence);
    assert_false(delivery.event.dropped);
}

static void subscriptions_pass_it_over(void **state)
{
    bpt_world world;
    bp_error error = {0};
    bp_delivery delivery;
    bp_subscription *subscription = NULL;
    bp_subscription_options options;
    (void)state;
    bpt_world_memory(&world);
    bp_store *store = bpt_open(&world);
    bpt_put(store, "a", "first");
    bpt_put(store, "a", "two");
    bpt_put(store, "a", "third");
    drop(store, 1);
    bp_subscription_options_init(&options);
    options.replay = true;
    CHECK_OK(bp_subscribe(store, NULL, &options, &subscription, &error), &error);
    expect(subscription, 0);
    expect(subscription, 2);
    CHECK_STATUS(BP_ERR_TIMEOUT, bp_subscription_next(subscription, 0, &delivery, &error), &error);
    bp_subscription_close(subscription);
    bpt_close(store);
    bpt_world_end(&world);
}

/* How many a cursor hands out of a region. */
static unsigned seen_of(bp_store *store, const char *region_text)
{
    bp_error error = {0};
    bp_region region;
    bp_region_text *owner = NULL;
    bp_cursor *cursor = NULL;
    const bp_event *event = NULL;
    unsigned seen = 0;
    bp_status status;
    CHECK_OK(bp_region_parse(store, region_text, &region, &owner, &error), &error);
    CHECK_OK(bp_cursor_open(store, &region, NULL, &cursor, &error), &error);
    while ((status = bp_cursor_next(cursor, &event, &error)) == BP_OK) {
        assert_false(event->dropped);
        seen++;
    }
    CHECK_STATUS(BP_END, status, &error);
    bp_cursor_close(cursor);
    bp_region_text_free(owner);
    return seen;
}

/* With few events and with so many that all but prefixes are scanned. */
static void cursors_pass_it_over_whatever_the_region(void **state)
{
    static const char *const regions[] = {"", "entity=e:*", "entity=e:1", "scope=scope", "sequence=0..1000"};
    static const unsigned events[] = {40, 400};
    (void)state;
    for (size_t e = 0; e < sizeof events / sizeof events[0]; e++) {
        bpt_world world;
        bpt_world_memory(&world);
        bp_store *store = bpt_open(&world);
        for (unsigned i = 0; i < events[e]; i++) {
            bpt_put(store, "e:1", i % 4 == 1 ? "two" : "another");
        }
        drop(store, events[e] / 4);
        for (size_t i = 0; i < sizeof regions / sizeof regions[0]; i++) {
            bpt_note("%u events, region '%s'", events[e], regions[i]);
            assert_int_equal(seen_of(store, regions[i]), events[e] / 4 * 3);
        }
        bpt_close(store);
        bpt_world_end(&world);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(subscriptions_pass_it_over),
        cmocka_unit_test(cursors_pass_it_over_whatever_the_region),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
