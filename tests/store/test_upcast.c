/*
 * test_upcast.c: payloads of old versions come out in today's form on every way out, and nowhere else; what cannot be
 * converted is an error and not a guess.
 */
#include "support/world.h"

enum { KIND = 0xF001, OTHER = 0xF002 };

typedef struct fixture {
    bpt_world world;
    bp_store *store;
    bp_error error;
    unsigned calls;
} fixture;

static int setup(void **state)
{
    fixture *f = calloc(1, sizeof *f);
    assert_non_null(f);
    bpt_world_memory(&f->world);
    f->store = bpt_open(&f->world);
    bpt_note("%s", "");
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    fixture *f = *state;
    if (f->store != NULL) {
        bpt_close(f->store);
    }
    bpt_world_end(&f->world);
    free(f);
    return 0;
}

static bp_receipt put(fixture *f, bp_kind_code kind, uint16_t version, const char *text)
{
    bp_receipt receipt;
    CHECK_OK(bp_append(f->store, bp_at("e", "s"), kind, bp_payload_versioned(bp_json(text), version), NULL, &receipt,
                       &f->error),
             &f->error);
    return receipt;
}

/* Writes "<what was there>+<from>". */
static bp_status grow(void *context, const bp_event *event, bp_output *payload, bp_error *error)
{
    fixture *f = context;
    char text[16];
    (void)error;
    f->calls++;
    (void)snprintf(text, sizeof text, "+%u", (unsigned)event->payload_version);
    return bp_output_append(payload, event->payload, event->payload_size) &&
                   bp_output_append(payload, text, strlen(text))
               ? BP_OK
               : BP_ERR_NO_MEMORY;
}

static bp_status refuse(void *context, const bp_event *event, bp_output *payload, bp_error *error)
{
    (void)context;
    (void)payload;
    return event->payload_size == 3 ? BP_END : bp_error_set(error, BP_ERR_FORMAT, "no number in it");
}

static bp_upcast step(fixture *f, bp_kind_code kind, uint16_t from)
{
    return (bp_upcast){.kind = kind, .from = from, .payload_type = BP_PAYLOAD_RAW, .convert = grow, .context = f};
}

static void add(fixture *f, bp_kind_code kind, uint16_t from)
{
    bp_upcast one = step(f, kind, from);
    CHECK_OK(bp_upcast_register(f->store, &one, 1, &f->error), &f->error);
}

static void check_event(const bp_event *event, const char *text, unsigned version)
{
    CHECK(event->payload_size == strlen(text) && memcmp(event->payload, text, strlen(text)) == 0,
          "payload is %.*s, not %s", (int)event->payload_size, (const char *)event->payload, text);
    assert_int_equal(event->payload_version, version);
}

static void every_way_out_converts(void **state)
{
    fixture *f = *state;
    const bp_event *event = NULL;
    bp_iterator *iterator = NULL;
    bp_walk *walk = NULL;
    bp_receipt old = put(f, KIND, 1, "a");
    (void)put(f, KIND, 2, "b");
    (void)put(f, KIND, 3, "c");
    (void)put(f, OTHER, 1, "d");
    bp_upcast both[] = {step(f, KIND, 2), step(f, KIND, 1)};
    CHECK_OK(bp_upcast_register(f->store, both, 2, &f->error), &f->error);
    static const char *const texts[] = {"a+1+2", "b+2", "c", "d"};

    CHECK_OK(bp_stream(f->store, "e", NULL, &iterator, &f->error), &f->error);
    for (unsigned i = 0; i < 4; i++) {
        CHECK_OK(bp_next(iterator, &event, &f->error), &f->error);
        check_event(event, texts[i], i == 3 ? 1 : 3);
        assert_int_equal(event->converted, i < 2);
        assert_int_equal(event->payload_type, i < 2 ? BP_PAYLOAD_RAW : BP_PAYLOAD_JSON);
    }
    bp_iterator_close(iterator);
    CHECK_OK(bp_get(f->store, &old.id, &event, &f->error), &f->error);
    check_event(event, "a+1+2", 3);
    assert_true(bp_hash_equal(&event->event_hash, &old.event_hash));
    bp_event_release(event);
    CHECK_OK(bp_get_sequence(f->store, 1, &event, &f->error), &f->error);
    check_event(event, "b+2", 3);
    bp_event_release(event);
    bp_region region = bp_region_by_kind(KIND);
    CHECK_OK(bp_newest(f->store, &region, &event, &f->error), &f->error);
    check_event(event, "c", 3);
    bp_event_release(event);

    bp_walk_options options;
    bp_walk_options_init(&options);
    options.kind = BP_WALK_CHAIN;
    options.verify = true; /* judged by what is stored */
    bp_receipt last = put(f, KIND, 1, "e");
    CHECK_OK(bp_walk_begin(f->store, &last.id, &options, &walk, &f->error), &f->error);
    CHECK_OK(bp_walk_next(walk, &event, NULL, &f->error), &f->error);
    check_event(event, "e+1+2", 3);
    unsigned more = 0;
    while (bp_walk_next(walk, &event, NULL, &f->error) == BP_OK) {
        more++;
    }
    assert_int_equal(more, 4);
    assert_int_equal(bp_walk_reason(walk), BP_WALK_DONE);
    bp_walk_end(walk);
}

/* Those who follow see what those who ask see. */
static void followers_see_converted_payloads_too(void **state)
{
    fixture *f = *state;
    const bp_event *event = NULL;
    bp_cursor *cursor = NULL;
    bp_subscription *subscription = NULL;
    bp_delivery delivery;
    bp_subscription_options options;
    bp_subscription_options_init(&options);
    options.replay = true;
    add(f, KIND, 1);
    CHECK_OK(bp_cursor_open(f->store, NULL, NULL, &cursor, &f->error), &f->error);
    CHECK_OK(bp_subscribe(f->store, NULL, &options, &subscription, &f->error), &f->error);
    (void)put(f, KIND, 1, "a");
    (void)put(f, KIND, 9, "b");
    CHECK_OK(bp_cursor_next(cursor, &event, &f->error), &f->error);
    check_event(event, "a+1", 2);
    CHECK_STATUS(BP_ERR_VERSION, bp_cursor_next(cursor, &event, &f->error), &f->error);
    CHECK_OK(bp_subscription_next(subscription, 0, &delivery, &f->error), &f->error);
    check_event(&delivery.event, "a+1", 2);
    CHECK_STATUS(BP_ERR_VERSION, bp_subscription_next(subscription, 0, &delivery, &f->error), &f->error);
    bp_cursor_close(cursor);
    bp_subscription_close(subscription);
}

static void what_is_stored_stays_as_it_is(void **state)
{
    fixture *f = *state;
    const bp_event *event = NULL;
    bp_iterator *iterator = NULL;
    bp_query_options options;
    (void)put(f, KIND, 1, "a");
    add(f, KIND, 1);
    bp_query_options_init(&options);
    options.stored = true;
    CHECK_OK(bp_query(f->store, NULL, &options, &iterator, &f->error), &f->error);
    CHECK_OK(bp_next(iterator, &event, &f->error), &f->error);
    check_event(event, "a", 1);
    assert_false(event->converted);
    assert_true(bp_chain_verify(event, NULL));
    bp_iterator_close(iterator);
    bp_store *reader = bpt_reader(&f->world);
    CHECK_OK(bp_get_sequence(reader, 0, &event, &f->error), &f->error);
    check_event(event, "a", 1);
    bp_event_release(event);
    bpt_close(reader);
    bpt_close(f->store);
    f->store = NULL;
    assert_int_equal(bpt_verify(&f->world), 1);
}

static void a_version_from_the_future_is_an_error(void **state)
{
    fixture *f = *state;
    const bp_event *event = NULL;
    bp_iterator *iterator = NULL;
    (void)put(f, KIND, 7, "a");
    (void)put(f, KIND, 0, "b");
    (void)put(f, KIND, 2, "c");
    add(f, KIND, 1);
    CHECK_STATUS(BP_ERR_VERSION, bp_get_sequence(f->store, 0, &event, &f->error), &f->error);
    CHECK_SAYS(&f->error, "version 7");
    assert_null(event);
    CHECK_STATUS(BP_ERR_VERSION, bp_get_sequence(f->store, 1, &event, &f->error), &f->error);
    CHECK_SAYS(&f->error, "begin at 1");
    CHECK_OK(bp_query(f->store, NULL, NULL, &iterator, &f->error), &f->error);
    CHECK_STATUS(BP_ERR_VERSION, bp_next(iterator, &event, &f->error), &f->error);
    assert_int_equal(f->error.sequence, 0);
    CHECK_STATUS(BP_ERR_VERSION, bp_next(iterator, &event, &f->error), &f->error);
    CHECK_OK(bp_next(iterator, &event, &f->error), &f->error);
    check_event(event, "c", 2);
    bp_iterator_close(iterator);
}

static void a_converter_that_refuses_is_the_answer(void **state)
{
    fixture *f = *state;
    const bp_event *event = NULL;
    bp_upcast one = {.kind = KIND, .from = 0, .convert = refuse};
    (void)put(f, KIND, 0, "no");
    (void)put(f, KIND, 0, "end");
    CHECK_OK(bp_upcast_register(f->store, &one, 1, &f->error), &f->error);
    CHECK_STATUS(BP_ERR_FORMAT, bp_get_sequence(f->store, 0, &event, &f->error), &f->error);
    CHECK_SAYS(&f->error, "event 0, kind 0xF001 from version 0: no number in it");
    CHECK_STATUS(BP_ERR_FORMAT, bp_get_sequence(f->store, 1, &event, NULL), NULL);
    CHECK_STATUS(BP_ERR_FORMAT, bp_get_sequence(f->store, 1, &event, &f->error), &f->error);
    CHECK_SAYS(&f->error, "refused");
}

static void gaps_and_doubles_are_refused_whole(void **state)
{
    fixture *f = *state;
    const bp_event *event = NULL;
    (void)put(f, KIND, 1, "a");
    bp_upcast gap[] = {step(f, OTHER, 1), step(f, KIND, 1), step(f, KIND, 3)};
    CHECK_STATUS(BP_ERR_ARGUMENT, bp_upcast_register(f->store, gap, 3, &f->error), &f->error);
    CHECK_SAYS(&f->error, "nothing converts from version 2");
    bp_upcast twice[] = {step(f, KIND, 1), step(f, KIND, 1)};
    CHECK_STATUS(BP_ERR_ARGUMENT, bp_upcast_register(f->store, twice, 2, &f->error), &f->error);
    bp_upcast last = step(f, KIND, UINT16_MAX);
    CHECK_STATUS(BP_ERR_ARGUMENT, bp_upcast_register(f->store, &last, 1, &f->error), &f->error);
    last = (bp_upcast){.kind = KIND};
    CHECK_STATUS(BP_ERR_ARGUMENT, bp_upcast_register(f->store, &last, 1, &f->error), &f->error);
    CHECK_STATUS(BP_ERR_ARGUMENT, bp_upcast_register(f->store, NULL, 1, &f->error), &f->error);
    CHECK_STATUS(BP_ERR_ARGUMENT, bp_upcast_register(NULL, &last, 1, &f->error), &f->error);
    CHECK_OK(bp_get_sequence(f->store, 0, &event, &f->error), &f->error);
    check_event(event, "a", 1);
    bp_event_release(event);
    assert_int_equal(f->calls, 0);

    add(f, KIND, 1);
    add(f, KIND, 2);
    CHECK_STATUS(BP_ERR_EXISTS, bp_upcast_register(f->store, &twice[0], 1, &f->error), &f->error);
    last = step(f, KIND, 5);
    CHECK_STATUS(BP_ERR_ARGUMENT, bp_upcast_register(f->store, &last, 1, &f->error), &f->error);
    CHECK_OK(bp_get_sequence(f->store, 0, &event, &f->error), &f->error);
    check_event(event, "a+1+2", 3);
    bp_event_release(event);
}

static void reads_that_have_begun_go_on_as_they_began(void **state)
{
    fixture *f = *state;
    const bp_event *event = NULL;
    const bp_event *held = NULL;
    bp_iterator *before = NULL;
    bp_iterator *after = NULL;
    (void)put(f, KIND, 1, "a");
    (void)put(f, KIND, 1, "b");
    CHECK_OK(bp_query(f->store, NULL, NULL, &before, &f->error), &f->error);
    add(f, KIND, 1);
    CHECK_OK(bp_query(f->store, NULL, NULL, &after, &f->error), &f->error);
    CHECK_OK(bp_get_sequence(f->store, 0, &held, &f->error), &f->error);
    add(f, KIND, 2);
    bpt_close(f->store); /* what was handed out outlives the store */
    f->store = NULL;
    CHECK_OK(bp_next(before, &event, &f->error), &f->error);
    check_event(event, "a", 1);
    CHECK_OK(bp_next(after, &event, &f->error), &f->error);
    check_event(event, "a+1", 2);
    CHECK_OK(bp_next(after, &event, &f->error), &f->error);
    check_event(event, "b+1", 2);
    check_event(held, "a+1", 2);
    bp_iterator_close(before);
    bp_iterator_close(after);
    bp_event_release(held);
}

static bool has(const bp_kind_code *kinds, size_t count, bp_kind_code kind)
{
    bool found = false;
    for (size_t i = 0; i < count; i++) {
        found = found || kinds[i] == kind;
    }
    return found;
}

/* The query with kinds, against the one without and a look at each event. */
static void check_kinds(fixture *f, const bp_region *region, const bp_query_options *options)
{
    bp_query_options plain = *options;
    bp_iterator *all = NULL;
    bp_iterator *some = NULL;
    const bp_event *event = NULL;
    const bp_event *found = NULL;
    plain.kind_count = 0;
    CHECK_OK(bp_query(f->store, region, &plain, &all, &f->error), &f->error);
    CHECK_OK(bp_query(f->store, region, options, &some, &f->error), &f->error);
    while (bp_next(all, &event, &f->error) == BP_OK) {
        if (has(options->kinds, options->kind_count, event->kind)) {
            CHECK_OK(bp_next(some, &found, &f->error), &f->error);
            assert_int_equal(found->sequence, event->sequence);
        }
    }
    CHECK_STATUS(BP_END, bp_next(some, &found, &f->error), &f->error);
    bp_iterator_close(all);
    bp_iterator_close(some);
}

/* In open and sealed blocks, with and without a region that has a kind itself. */
static void kinds_of_a_query_are_found_by_the_index(void **state)
{
    fixture *f = *state;
    bpt_random random = {.state = bpt_seed(11)};
    for (unsigned i = 0; i < 900; i++) {
        (void)put(f, (bp_kind_code)(0xF000 + bpt_random_below(&random, 90)), 0, "x");
        if (i == 300 || i == 600) {
            CHECK_OK(bp_seal(f->store, &f->error), &f->error);
        }
    }
    for (unsigned round = 0; round < 60; round++) {
        bp_kind_code kinds[40];
        bp_query_options options;
        bp_query_options_init(&options);
        options.kinds = kinds;
        options.kind_count = 1 + bpt_random_below(&random, round % 3 == 0 ? 4 : 40); /* few: by postings */
        options.backward = bpt_random_chance(&random, 50);
        for (size_t i = 0; i < options.kind_count; i++) {
            kinds[i] = (bp_kind_code)(0xF000 + bpt_random_below(&random, 95));
        }
        bp_region regions[] = {bp_region_all(), bp_region_stream("e"), bp_region_by_kind(kinds[0]),
                               bp_region_by_kind(0xF000 + 91)};
        for (size_t i = 0; i < 4; i++) {
            check_kinds(f, &regions[i], &options);
        }
    }
    bp_iterator *iterator = NULL;
    bp_query_options options;
    bp_query_options_init(&options);
    options.kind_count = 1;
    CHECK_STATUS(BP_ERR_ARGUMENT, bp_query(f->store, NULL, &options, &iterator, &f->error), &f->error);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(every_way_out_converts, setup, teardown),
        cmocka_unit_test_setup_teardown(followers_see_converted_payloads_too, setup, teardown),
        cmocka_unit_test_setup_teardown(what_is_stored_stays_as_it_is, setup, teardown),
        cmocka_unit_test_setup_teardown(a_version_from_the_future_is_an_error, setup, teardown),
        cmocka_unit_test_setup_teardown(a_converter_that_refuses_is_the_answer, setup, teardown),
        cmocka_unit_test_setup_teardown(gaps_and_doubles_are_refused_whole, setup, teardown),
        cmocka_unit_test_setup_teardown(reads_that_have_begun_go_on_as_they_began, setup, teardown),
        cmocka_unit_test_setup_teardown(kinds_of_a_query_are_found_by_the_index, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
