/*
 * test_causes.c: the effects of a cause in the block that grows: found along a chain, or by columns where the chain is
 * too long or memory ran out; nothing kept for events without causes.
 */
#include "index/block.h"
#include "index/core.h"
#include "index/world.h"

enum { EVENTS = 5000 };

static const model_event *append(world *w, const bp_id *cause, unsigned times)
{
    uint64_t sequence = bpi_index_next(w->index);
    model_event event = {.id = world_id(sequence), .entity = "e", .scope = "s", .kind = BP_KIND(1, 1)};
    event.correlation = event.id;
    event.batch = sequence;
    event.batch_count = 1;
    event.hlc = sequence + 1;
    event.cause_count = (uint16_t)times;
    for (unsigned i = 0; i < times; i++) {
        event.causes[i] = *cause;
    }
    const model_event *appended = world_append(w, event);
    bpi_index_publish(w->index, bpi_index_next(w->index));
    return appended;
}

static size_t effects(bpi_view *view, const bp_id *cause, uint64_t *first_out)
{
    bp_region region = bp_region_effects_of(cause);
    bpi_scan *scan = NULL;
    uint64_t sequence = 0;
    uint64_t before = 0;
    size_t count = 0;
    assert_int_equal(bpi_scan_begin(view, &region, NULL, &scan, NULL), BP_OK);
    while (bpi_scan_next(scan, &sequence, NULL, NULL) == BP_OK) {
        assert_true(count == 0 || sequence > before);
        *first_out = count == 0 ? sequence : *first_out;
        before = sequence;
        count++;
    }
    bpi_scan_end(scan);
    return count;
}

/* Each event is the cause of the next; every one of them is the effect of the first, too. */
static void a_chain_below_a_hub_is_found_whole(void **state)
{
    (void)state;
    world w;
    world_begin(&w, BP_LAYOUT_SOA);
    assert_true(world_rotate(&w));
    bp_id hub = append(&w, NULL, 0)->id;
    for (unsigned i = 1; i < EVENTS; i++) {
        model_event event = {.id = world_id(i), .entity = "e", .scope = "s", .kind = BP_KIND(1, 1)};
        event.correlation = event.id;
        event.batch = i;
        event.hlc = i + 1;
        event.cause_count = 2;
        event.causes[0] = hub;
        event.causes[1] = world_id(i - 1);
        world_append(&w, event);
    }
    bpi_index_publish(w.index, EVENTS - 10);
    bpi_view *view = bpi_view_pin(w.index);
    uint64_t first = 0;
    assert_int_equal(effects(view, &hub, &first), EVENTS - 11);
    assert_int_equal(first, 1);
    for (unsigned i = 1; i < EVENTS; i++) {
        bp_id id = world_id(i);
        size_t wanted = i + 1 < EVENTS - 10 ? 1 : 0;
        assert_int_equal(effects(view, &id, &first), wanted);
        assert_true(wanted == 0 || first == i + 1);
    }
    bpi_view_drop(view);
    world_end(&w);
}

static void a_cause_named_many_times_is_one(void **state)
{
    (void)state;
    world w;
    world_begin(&w, BP_LAYOUT_AOSOA16);
    assert_true(world_rotate(&w));
    bp_id cause = append(&w, NULL, 0)->id;
    (void)append(&w, &cause, WORLD_CAUSES);
    (void)append(&w, &cause, WORLD_CAUSES);
    bpi_view *view = bpi_view_pin(w.index);
    uint64_t first = 0;
    assert_int_equal(effects(view, &cause, &first), 2);
    assert_int_equal(first, 1);
    bpi_view_drop(view);
    world_end(&w);
}

static void events_without_causes_cost_nothing(void **state)
{
    (void)state;
    world w;
    world_begin(&w, BP_LAYOUT_SOA);
    assert_true(world_rotate(&w));
    for (unsigned i = 0; i < 100; i++) {
        (void)append(&w, NULL, 0);
    }
    const bpi_cause_link *link = NULL;
    bp_id id = world_id(5);
    long before = atomic_load(&w.meter.balance);
    assert_true(bpi_causes_find(&w.index->active->causes, 7, &link));
    assert_null(link);
    assert_null(atomic_load(&w.index->active->causes.chains));
    (void)append(&w, &id, 1);
    assert_non_null(atomic_load(&w.index->active->causes.chains));
    assert_true(atomic_load(&w.meter.balance) > before);
    world_end(&w);
}

/* Appending cannot fail: where memory for the chains runs out the columns answer. */
static void without_memory_the_columns_answer(void **state)
{
    (void)state;
    for (long fail_at = 0; fail_at < 6; fail_at++) {
        world w;
        world_begin(&w, BP_LAYOUT_SOA);
        assert_true(world_rotate(&w));
        bp_id cause = append(&w, NULL, 0)->id;
        assert_true(bpi_index_reserve(w.index, EVENTS));
        atomic_store(&w.meter.fail_at, fail_at);
        for (unsigned i = 0; i < EVENTS - 1; i++) {
            (void)append(&w, &cause, i % 2);
        }
        atomic_store(&w.meter.fail_at, -1);
        bpi_view *view = bpi_view_pin(w.index);
        uint64_t first = 0;
        assert_int_equal(effects(view, &cause, &first), (EVENTS - 1) / 2);
        assert_int_equal(first, 2);
        const bpi_cause_link *link = NULL;
        /* The chains, and three arrays of links: the fourth failure did not happen. */
        assert_int_equal(bpi_causes_find(&w.index->active->causes, 1, &link), fail_at > 3);
        bpi_view_drop(view);
        world_end(&w);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_chain_below_a_hub_is_found_whole),
        cmocka_unit_test(a_cause_named_many_times_is_one),
        cmocka_unit_test(events_without_causes_cost_nothing),
        cmocka_unit_test(without_memory_the_columns_answer),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
