/*
 * test_idempotency.c: "retry is safe" (P7), sentence by sentence. Each case runs on the store as it is and once more
 * after a reopening, since the keys live in the log.
 */
#include <errno.h>

#include "io/fault_memory.h"
#include "support/model.h"
#include "support/world.h"

typedef struct fixture {
    bpt_world world;
    bp_store *store;
    bp_error error;
    bpt_request request;
    bp_receipt first[BPT_ITEMS];
    bp_receipt again[BPT_ITEMS];
    bp_id cause;
} fixture;

static int setup(void **state)
{
    fixture *f = calloc(1, sizeof *f);
    assert_non_null(f);
    bpt_world_memory(&f->world);
    f->store = bpt_open(&f->world);
    f->cause = bpt_put(f->store, "cause", "x").id;
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

static bp_id key(const char *text)
{
    return bp_id_from("test", text, strlen(text));
}

static uint64_t published(const fixture *f)
{
    return bp_store_frontiers(f->store).published;
}

static void reopen(fixture *f)
{
    bpt_close(f->store);
    f->store = bpt_open(&f->world);
}

static void fill(fixture *f, const char *entity, const char *id)
{
    bp_append_options *options = bpt_request_add(&f->request, entity, "scope", 0xf001);
    memcpy(bpt_request_payload(&f->request, 5, BP_PAYLOAD_RAW, 1), "hello", 5);
    bpt_request_cause(&f->request, &f->cause);
    options->correlation = key("correlation");
    options->flags = BP_FLAG_TRANSACTIONAL;
    options->lane = 1;
    options->depth = 2;
    if (id != NULL) {
        options->id = key(id);
    }
}

static void send_first(fixture *f)
{
    CHECK_OK(bpt_request_send(f->store, &f->request, f->first, &f->error), &f->error);
    assert_false(f->first[0].duplicate);
}

/* The request answers the first receipts and writes nothing. */
static void is_duplicate(fixture *f)
{
    uint64_t before = published(f);
    CHECK_OK(bpt_request_send(f->store, &f->request, f->again, &f->error), &f->error);
    assert_int_equal(published(f), before);
    for (size_t index = 0; index < f->request.count; index++) {
        assert_true(f->again[index].duplicate);
        assert_false(f->again[index].unverifiable);
        assert_int_equal(f->again[index].sequence, f->first[index].sequence);
        assert_int_equal(f->again[index].clock, f->first[index].clock);
        assert_int_equal(f->again[index].hlc, f->first[index].hlc);
        assert_int_equal(f->again[index].position, f->first[index].position);
        assert_int_equal(f->again[index].kind, f->first[index].kind);
        assert_true(bp_id_equal(&f->again[index].id, &f->first[index].id));
        assert_true(bp_hash_equal(&f->again[index].event_hash, &f->first[index].event_hash));
    }
}

static void is_refused(fixture *f, const char *what)
{
    uint64_t before = published(f);
    bpt_note("altered: %s", what);
    memset(&f->error, 0, sizeof f->error);
    CHECK_STATUS(BP_ERR_IDEMPOTENCY, bpt_request_send(f->store, &f->request, f->again, &f->error), &f->error);
    assert_int_equal(published(f), before);
    assert_true(f->error.has_id);
    bpt_note("%s", "");
}

static void same_id_and_request_answers_the_first_receipt(void **state)
{
    fixture *f = *state;
    fill(f, "e", "k");
    send_first(f);
    is_duplicate(f);
    bpt_put(f->store, "e", "more");
    is_duplicate(f);
    reopen(f);
    is_duplicate(f);
}

static void expectation_time_and_durability_are_not_the_request(void **state)
{
    fixture *f = *state;
    fill(f, "e", "k");
    f->request.options[0].expect.kind = BP_EXPECT_NONE;
    send_first(f);
    is_duplicate(f); /* the expectation no longer holds: a duplicate is looked for before it */
    f->request.options[0].expect = (bp_expectation){BP_EXPECT_AT, 17};
    f->request.options[0].has_time = true;
    f->request.options[0].time_us = 99;
    for (int durability = 0; durability <= BP_PERIODIC; durability++) {
        f->request.durability = (bp_durability)durability;
        is_duplicate(f);
    }
}

/* Each part of the request, altered. `how` counts from 0; false behind the last. */
static bool alter(fixture *f, unsigned how)
{
    bp_batch_item *item = &f->request.items[0];
    bp_append_options *options = &f->request.options[0];
    switch (how) {
    case 0:
        item->at.entity = bp_text_of("other");
        return true;
    case 1:
        item->at.scope = bp_text_of("other");
        return true;
    case 2:
        item->kind = 0xf002;
        return true;
    case 3:
        item->payload.data = "hellO";
        return true;
    case 4:
        item->payload.size = 4;
        return true;
    case 5:
        item->payload.type = BP_PAYLOAD_JSON;
        return true;
    case 6:
        item->payload.version = 2;
        return true;
    case 7:
        memset(&options->correlation, 0, 16);
        return true;
    case 8:
        options->correlation = key("another");
        return true;
    case 9:
        options->cause_count = 0;
        return true;
    case 10:
        bpt_request_cause(&f->request, &f->cause);
        return true;
    case 11:
        options->flags = 0;
        return true;
    case 12:
        options->lane = 0;
        return true;
    case 13:
        options->depth = 3;
        return true;
    default:
        return false;
    }
}

static void same_id_and_other_request_is_refused(void **state)
{
    fixture *f = *state;
    fill(f, "e", "k");
    send_first(f);
    for (int round = 0; round < 2; round++) {
        for (unsigned how = 0; how < 14; how++) {
            char what[32];
            bpt_request_clear(&f->request);
            fill(f, "e", "k");
            assert_true(alter(f, how));
            (void)snprintf(what, sizeof what, "number %u", how);
            is_refused(f, what);
        }
        bpt_request_clear(&f->request);
        fill(f, "e", "k");
        is_duplicate(f);
        reopen(f);
    }
}

static void a_refused_append_does_not_take_its_id(void **state)
{
    fixture *f = *state;
    fill(f, "e", "k");
    f->request.options[0].expect = (bp_expectation){BP_EXPECT_AT, 5};
    CHECK_STATUS(BP_ERR_CONFLICT, bpt_request_send(f->store, &f->request, f->first, &f->error), &f->error);
    f->request.options[0].expect.kind = BP_EXPECT_ANY;
    f->request.items[0].payload.version = 9; /* and may come as another request */
    send_first(f);
}

static void a_durable_retry_of_a_buffered_append_waits_for_its_sync(void **state)
{
    fixture *f = *state;
    fill(f, "e", "k");
    f->request.durability = BP_BUFFERED;
    send_first(f);
    assert_true(bp_store_frontiers(f->store).durable <= f->first[0].sequence);
    f->request.durability = BP_DURABLE;
    is_duplicate(f);
    assert_true(f->again[0].durable);
    assert_true(bp_store_frontiers(f->store).durable > f->first[0].sequence);
}

static void the_id_of_any_event_is_a_key(void **state)
{
    fixture *f = *state;
    fill(f, "e", NULL); /* the store makes the id */
    send_first(f);
    f->request.options[0].id = f->first[0].id;
    is_duplicate(f);
}

static void missing_ids_of_a_batch_follow_from_the_first_given(void **state)
{
    fixture *f = *state;
    f->request.batch = true;
    fill(f, "a", NULL);
    fill(f, "b", "k");
    fill(f, "c", NULL);
    bpt_request_cause_item(&f->request, 0);
    send_first(f);
    is_duplicate(f);
    reopen(f);
    is_duplicate(f);
    for (size_t index = 0; index < 3; index++) { /* naming the derived ones is the same */
        f->request.options[index].id = f->first[index].id;
    }
    is_duplicate(f);
}

static void derived_ids_differ_with_the_key(void **state)
{
    fixture *f = *state;
    f->request.batch = true;
    fill(f, "a", "k1");
    fill(f, "b", NULL);
    send_first(f);
    bpt_request_clear(&f->request);
    f->request.batch = true;
    fill(f, "a", "k2");
    fill(f, "b", NULL);
    CHECK_OK(bpt_request_send(f->store, &f->request, f->again, &f->error), &f->error);
    assert_false(bp_id_equal(&f->first[1].id, &f->again[1].id));
    assert_false(f->again[1].duplicate);
}

static void a_batch_without_ids_is_never_a_duplicate(void **state)
{
    fixture *f = *state;
    f->request.batch = true;
    fill(f, "a", NULL);
    fill(f, "b", NULL);
    send_first(f);
    CHECK_OK(bpt_request_send(f->store, &f->request, f->again, &f->error), &f->error);
    assert_false(f->again[0].duplicate || f->again[1].duplicate);
    assert_int_equal(published(f), 5);
}

static void a_mix_of_known_and_new_ids_is_refused_whole(void **state)
{
    fixture *f = *state;
    f->request.batch = true;
    fill(f, "a", "1");
    fill(f, "b", "2");
    send_first(f);
    bpt_request_clear(&f->request);
    f->request.batch = true;
    fill(f, "a", "1");
    fill(f, "b", "2");
    fill(f, "c", "3");
    is_refused(f, "a third item");
    bpt_request_clear(&f->request);
    f->request.batch = true;
    fill(f, "n", "new");
    fill(f, "b", "2");
    is_refused(f, "a new first item");
    bpt_request_clear(&f->request);
    f->request.batch = true;
    fill(f, "a", "1");
    fill(f, "n", NULL);
    fill(f, "m", NULL);
    is_refused(f, "derived ids that are new");
}

static void a_batch_of_two_commits_is_refused(void **state)
{
    fixture *f = *state;
    fill(f, "a", "1");
    send_first(f);
    bpt_request_clear(&f->request);
    fill(f, "b", "2");
    send_first(f);
    bpt_request_clear(&f->request);
    f->request.batch = true;
    fill(f, "a", "1");
    fill(f, "b", "2");
    is_refused(f, "two commits in one batch");
}

static void another_order_is_another_batch(void **state)
{
    fixture *f = *state;
    f->request.batch = true;
    fill(f, "a", "1");
    fill(f, "b", "2");
    send_first(f);
    bpt_request_clear(&f->request);
    f->request.batch = true;
    fill(f, "b", "2");
    fill(f, "a", "1");
    is_refused(f, "another order");
}

static void an_altered_item_refuses_the_batch(void **state)
{
    fixture *f = *state;
    f->request.batch = true;
    fill(f, "a", "1");
    fill(f, "b", "2");
    send_first(f);
    f->request.items[1].payload.data = "HELLO";
    is_refused(f, "a payload");
}

static void a_batch_that_is_known_ignores_expectations(void **state)
{
    fixture *f = *state;
    f->request.batch = true;
    fill(f, "a", "1");
    fill(f, "a", NULL);
    f->request.options[0].expect.kind = BP_EXPECT_NONE;
    f->request.options[1].expect = (bp_expectation){BP_EXPECT_AT, 0};
    send_first(f);
    is_duplicate(f);
}

static void retries_over_many_segments(void **state)
{
    fixture *f = *state;
    fill(f, "e", "k");
    send_first(f);
    for (int index = 0; index < 60; index++) {
        bpt_put_sized(f->store, "filler", 5000);
    }
    is_duplicate(f);
    reopen(f);
    is_duplicate(f);
    f->request.options[0].flags = 0;
    is_refused(f, "flags");
}

static bp_status put_batch(bp_store *store, bp_receipt receipts[3], bp_error *error)
{
    bp_append_options options;
    bp_append_options_init(&options);
    options.id = key("a batch");
    bp_batch_item items[3];
    for (size_t i = 0; i < 3; i++) {
        items[i] = (bp_batch_item){bp_at("doubted", "s"), 0xf003, bp_raw("said", 4), i == 0 ? &options : NULL};
    }
    return bp_append_batch(store, items, 3, NULL, receipts, error);
}

/* While memory runs out or a read fails: a retry is the first answer, or that failure; never another request. */
static void a_batch_that_cannot_be_compared_is_no_other_one(void **state)
{
    (void)state;
    enum { CALLS = 40 };
    bpt_world world;
    bpi_fault_memory memory;
    bp_receipt first[3];
    bp_error error = {0};
    bpt_world_fault(&world);
    bpi_fault_memory_init(&memory);
    world.options.allocator = &memory.table;
    bp_store *store = bpt_open(&world);
    CHECK_OK(put_batch(store, first, &error), &error);
    CHECK_OK(bp_seal(store, &error), &error);
    bpt_close(store);
    for (uint64_t nth = 1; nth <= 2 * CALLS; nth++) {
        store = bpt_open(&world);
        memory.fails_at = nth <= CALLS ? memory.calls + nth : 0;
        uint64_t reads = bpi_fault_reads(world.fault);
        bpi_fault_set_plan(world.fault,
                           &(bpi_fault_plan){.read_call = nth > CALLS ? reads + nth - CALLS : 0, .os_error = EIO});
        bp_receipt again[3];
        bp_status status = put_batch(store, again, &error);
        CHECK(status == BP_OK || status == (nth <= CALLS ? BP_ERR_NO_MEMORY : BP_ERR_IO), "failure %u says %s: %s",
              (unsigned)nth, bp_status_name(status), error.message);
        memory.fails_at = 0;
        bpi_fault_set_plan(world.fault, &(bpi_fault_plan){0});
        CHECK_OK(put_batch(store, again, &error), &error);
        assert_true(again[2].duplicate && again[2].sequence == first[2].sequence);
        bpt_close(store);
    }
    bpt_world_end(&world);
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        CASE(same_id_and_request_answers_the_first_receipt),
        cmocka_unit_test(a_batch_that_cannot_be_compared_is_no_other_one),
        CASE(expectation_time_and_durability_are_not_the_request),
        CASE(same_id_and_other_request_is_refused),
        CASE(a_refused_append_does_not_take_its_id),
        CASE(a_durable_retry_of_a_buffered_append_waits_for_its_sync),
        CASE(the_id_of_any_event_is_a_key),
        CASE(missing_ids_of_a_batch_follow_from_the_first_given),
        CASE(derived_ids_differ_with_the_key),
        CASE(a_batch_without_ids_is_never_a_duplicate),
        CASE(a_mix_of_known_and_new_ids_is_refused_whole),
        CASE(a_batch_of_two_commits_is_refused),
        CASE(another_order_is_another_batch),
        CASE(an_altered_item_refuses_the_batch),
        CASE(a_batch_that_is_known_ignores_expectations),
        CASE(retries_over_many_segments),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
