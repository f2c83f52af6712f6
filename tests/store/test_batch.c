/*
 * test_batch.c: bp_append_batch: all or none, order, causes inside, expectations item by item, limits at the edge.
 */
#include "support/model.h"
#include "support/world.h"

typedef struct fixture {
    bpt_world world;
    bp_store *store;
    bp_error error;
    bpt_request request;
    bp_receipt receipts[BPT_ITEMS];
} fixture;

static int setup(void **state)
{
    fixture *f = calloc(1, sizeof *f);
    assert_non_null(f);
    bpt_world_memory(&f->world);
    f->world.options.segment_size = 1 << 20;
    f->store = bpt_open(&f->world);
    f->request.batch = true;
    bpt_note("%s", "");
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    fixture *f = *state;
    bpt_close(f->store);
    (void)bpt_verify(&f->world);
    bpt_world_end(&f->world);
    free(f);
    return 0;
}

static uint64_t published(const fixture *f)
{
    return bp_store_frontiers(f->store).published;
}

static void clear(fixture *f)
{
    bpt_request_clear(&f->request);
    f->request.batch = true;
    memset(&f->error, 0, sizeof f->error);
}

static void accepted(fixture *f)
{
    CHECK_OK(bpt_request_send(f->store, &f->request, f->receipts, &f->error), &f->error);
}

static void refused(fixture *f, bp_status want, size_t index)
{
    uint64_t before = published(f);
    memset(&f->error, 0, sizeof f->error);
    CHECK_STATUS(want, bpt_request_send(f->store, &f->request, f->receipts, &f->error), &f->error);
    assert_int_equal(f->error.status, want);
    CHECK(f->error.has_index && f->error.index == index, "the error names item %zu (%d), not %zu", f->error.index,
          f->error.has_index, index);
    assert_int_equal(published(f), before);
}

static void a_batch_is_one_commit_in_order(void **state)
{
    fixture *f = *state;
    bpt_put(f->store, "b", "before");
    (void)bpt_request_add(&f->request, "a", "s", 0xf001);
    (void)bpt_request_add(&f->request, "b", "s", 0xf002);
    (void)bpt_request_add(&f->request, "a", "t", 0xf003);
    accepted(f);
    static const uint64_t clocks[] = {0, 1, 1};
    for (size_t index = 0; index < 3; index++) {
        const bp_event *event = NULL;
        assert_int_equal(f->receipts[index].sequence, index + 1);
        assert_int_equal(f->receipts[index].clock, clocks[index]);
        assert_true(f->receipts[index].durable);
        CHECK_OK(bp_get(f->store, &f->receipts[index].id, &event, &f->error), &f->error);
        assert_int_equal(event->batch, 1);
        assert_int_equal(event->batch_count, 3);
        assert_int_equal(event->kind, 0xf001 + index);
        bp_event_release(event);
    }
}

static void receipts_and_options_may_be_null(void **state)
{
    fixture *f = *state;
    bp_batch_item items[2] = {{bp_at("a", "s"), 0xf001, bp_raw("x", 1), NULL},
                              {bp_at("a", "s"), 0xf001, bp_raw(NULL, 0), NULL}};
    CHECK_OK(bp_append_batch(f->store, items, 2, NULL, NULL, &f->error), &f->error);
    assert_int_equal(published(f), 2);
}

static void causes_inside_the_batch(void **state)
{
    fixture *f = *state;
    const bp_event *event = NULL;
    bp_receipt outside = bpt_put(f->store, "o", "x");
    (void)bpt_request_add(&f->request, "a", "s", 0xf001);
    (void)bpt_request_add(&f->request, "b", "s", 0xf001);
    bpt_request_cause_item(&f->request, 0);
    (void)bpt_request_add(&f->request, "c", "s", 0xf001);
    bpt_request_cause(&f->request, &outside.id);
    bpt_request_cause_item(&f->request, 1);
    bpt_request_cause_item(&f->request, 0);
    accepted(f);
    CHECK_OK(bp_get(f->store, &f->receipts[2].id, &event, &f->error), &f->error);
    assert_int_equal(event->cause_count, 3);
    assert_true(bp_id_equal(&event->causes[0], &outside.id));
    assert_true(bp_id_equal(&event->causes[1], &f->receipts[1].id));
    assert_true(bp_id_equal(&event->causes[2], &f->receipts[0].id));
    bp_event_release(event);
}

static void a_cause_must_be_an_earlier_item(void **state)
{
    fixture *f = *state;
    static const uint32_t bad[] = {1, 2, 3, UINT32_MAX};
    for (size_t index = 0; index < 4; index++) {
        clear(f);
        (void)bpt_request_add(&f->request, "a", "s", 0xf001);
        (void)bpt_request_add(&f->request, "b", "s", 0xf001);
        bpt_request_cause_item(&f->request, bad[index]);
        (void)bpt_request_add(&f->request, "c", "s", 0xf001);
        refused(f, BP_ERR_ARGUMENT, 1);
    }
}

static void an_unknown_cause_refuses_the_batch_whole(void **state)
{
    fixture *f = *state;
    bp_id nowhere = bp_id_from("nowhere", "", 0);
    (void)bpt_request_add(&f->request, "a", "s", 0xf001);
    (void)bpt_request_add(&f->request, "b", "s", 0xf001);
    bpt_request_cause(&f->request, &nowhere);
    refused(f, BP_ERR_CAUSE, 1);
}

static void expectations_see_the_items_before(void **state)
{
    fixture *f = *state;
    bp_append_options *options = bpt_request_add(&f->request, "a", "s", 0xf001);
    options->expect.kind = BP_EXPECT_NONE;
    (void)bpt_request_add(&f->request, "b", "s", 0xf001);
    options = bpt_request_add(&f->request, "a", "s", 0xf001);
    options->expect = (bp_expectation){BP_EXPECT_AT, 0};
    options = bpt_request_add(&f->request, "a", "s", 0xf001);
    options->expect = (bp_expectation){BP_EXPECT_AT, 1};
    accepted(f);
    assert_int_equal(f->receipts[3].clock, 2);

    clear(f);
    options = bpt_request_add(&f->request, "a", "s", 0xf001);
    options->expect = (bp_expectation){BP_EXPECT_AT, 2};
    options = bpt_request_add(&f->request, "a", "s", 0xf001);
    options->expect = (bp_expectation){BP_EXPECT_AT, 2}; /* the item before has made it 3 */
    refused(f, BP_ERR_CONFLICT, 1);
    assert_int_equal(f->error.expected, 2);
    assert_int_equal(f->error.actual, 3);

    clear(f);
    (void)bpt_request_add(&f->request, "new", "s", 0xf001);
    options = bpt_request_add(&f->request, "new", "s", 0xf001);
    options->expect.kind = BP_EXPECT_NONE;
    refused(f, BP_ERR_CONFLICT, 1);
    assert_int_equal(f->error.expected, BP_NONE);
    assert_int_equal(f->error.actual, 0);
    assert_int_equal(published(f), 4);
}

static void a_bad_item_is_named(void **state)
{
    fixture *f = *state;
    for (size_t which = 0; which < 4; which++) {
        static const bp_status statuses[] = {BP_ERR_NAME, BP_ERR_KIND, BP_ERR_ARGUMENT, BP_ERR_TOO_LARGE};
        clear(f);
        (void)bpt_request_add(&f->request, "a", "s", 0xf001);
        (void)bpt_request_add(&f->request, "a", "s", 0xf001);
        bp_append_options *options = bpt_request_add(&f->request, which == 0 ? "a\n" : "a", "s", 0xf001);
        f->request.items[2].kind = which == 1 ? 0x0001 : 0xf001;
        options->flags = which == 2 ? 4 : 0;
        f->request.items[2].payload.data = "x";
        f->request.items[2].payload.size = which == 3 ? BP_PAYLOAD_DEFAULT_MAX + 1 : 1;
        refused(f, statuses[which], 2);
    }
}

static void an_item_has_no_durability_of_its_own_beyond_the_batch(void **state)
{
    fixture *f = *state;
    (void)bpt_request_add(&f->request, "a", "s", 0xf001);
    f->request.durability = (bp_durability)55;
    CHECK_STATUS(BP_ERR_ARGUMENT, bpt_request_send(f->store, &f->request, f->receipts, &f->error), &f->error);
    f->request.durability = BP_BUFFERED;
    accepted(f);
}

static bp_status send_many(fixture *f, size_t count, bp_receipt *receipts)
{
    bp_batch_item *items = calloc(count, sizeof *items);
    assert_non_null(items);
    for (size_t index = 0; index < count; index++) {
        items[index] = (bp_batch_item){bp_at("many", "s"), 0xf001, bp_raw(&items[index], 8), NULL};
        items[index].payload.data = "12345678";
    }
    bp_status status = bp_append_batch(f->store, items, count, NULL, receipts, &f->error);
    free(items);
    return status;
}

static void batches_of_4096_and_one_more(void **state)
{
    fixture *f = *state;
    bp_receipt *receipts = calloc(4096, sizeof *receipts);
    const bp_event *event = NULL;
    assert_non_null(receipts);
    CHECK_STATUS(BP_ERR_TOO_LARGE, send_many(f, 4097, NULL), &f->error);
    CHECK_SAYS(&f->error, "4096");
    assert_int_equal(published(f), 0);
    CHECK_OK(send_many(f, 4096, receipts), &f->error);
    assert_int_equal(published(f), 4096);
    assert_int_equal(receipts[4095].clock, 4095);
    CHECK_OK(bp_get(f->store, &receipts[4095].id, &event, &f->error), &f->error);
    assert_int_equal(event->batch_count, 4096);
    bp_event_release(event);
    free(receipts);
}

static void a_frame_has_a_limit(void **state)
{
    fixture *f = *state;
    enum { COUNT = 17 };
    bp_batch_item items[COUNT];
    uint8_t *bytes = calloc(1, BP_PAYLOAD_DEFAULT_MAX);
    assert_non_null(bytes);
    for (size_t index = 0; index < COUNT; index++) {
        items[index] = (bp_batch_item){bp_at("big", "s"), 0xf001, bp_raw(bytes, BP_PAYLOAD_DEFAULT_MAX), NULL};
    }
    CHECK_STATUS(BP_ERR_TOO_LARGE, bp_append_batch(f->store, items, COUNT, NULL, NULL, &f->error), &f->error);
    assert_int_equal(published(f), 0);
    free(bytes);
    bpt_put(f->store, "after", "x");
}

static void a_batch_larger_than_a_segment_is_whole(void **state)
{
    fixture *f = *state;
    bp_batch_item items[40];
    char *bytes = malloc(60000);
    assert_non_null(bytes);
    memset(bytes, 'b', 60000);
    for (size_t index = 0; index < 40; index++) {
        items[index] = (bp_batch_item){bp_at("big", "s"), 0xf001, bp_raw(bytes, 60000), NULL};
    }
    bpt_put(f->store, "before", "x");
    CHECK_OK(bp_append_batch(f->store, items, 40, NULL, NULL, &f->error), &f->error);
    bpt_put(f->store, "after", "x");
    bpt_close(f->store);
    f->store = bpt_open(&f->world);
    assert_int_equal(published(f), 42);
    for (uint64_t sequence = 1; sequence < 41; sequence++) {
        const bp_event *event = NULL;
        CHECK_OK(bp_get_sequence(f->store, sequence, &event, &f->error), &f->error);
        assert_int_equal(event->batch, 1);
        assert_int_equal(event->batch_count, 40);
        assert_int_equal(event->payload_size, 60000);
        assert_memory_equal(event->payload, bytes, 60000);
        bp_event_release(event);
    }
    free(bytes);
}

static void the_same_id_twice_in_a_batch_is_refused(void **state)
{
    fixture *f = *state;
    bpt_request_add(&f->request, "a", "s", 0xf001)->id = bp_id_from("x", "1", 1);
    bpt_request_add(&f->request, "b", "s", 0xf001)->id = bp_id_from("x", "1", 1);
    bp_status status = bpt_request_send(f->store, &f->request, f->receipts, &f->error);
    assert_true(status == BP_ERR_IDEMPOTENCY || status == BP_ERR_ARGUMENT);
    assert_int_equal(published(f), 0);
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        CASE(a_batch_is_one_commit_in_order),
        CASE(receipts_and_options_may_be_null),
        CASE(causes_inside_the_batch),
        CASE(a_cause_must_be_an_earlier_item),
        CASE(an_unknown_cause_refuses_the_batch_whole),
        CASE(expectations_see_the_items_before),
        CASE(a_bad_item_is_named),
        CASE(an_item_has_no_durability_of_its_own_beyond_the_batch),
        CASE(batches_of_4096_and_one_more),
        CASE(a_frame_has_a_limit),
        CASE(a_batch_larger_than_a_segment_is_whole),
        CASE(the_same_id_twice_in_a_batch_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
