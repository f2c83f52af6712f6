/*
 * test_query.c: get, newest, iterators and counts through the public calls: what they promise beside what the index's
 * own tests show.
 */
#include "support/world.h"

typedef struct fixture {
    bpt_world world;
    bp_store *store;
    bp_error error;
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

static void fill(fixture *f, int count)
{
    char text[32];
    for (int i = 0; i < count; i++) {
        (void)snprintf(text, sizeof text, "%d", i);
        (void)bpt_put(f->store, i % 3 == 0 ? "order:1" : "order:10", text);
    }
}

static void an_event_is_got_by_id_and_by_sequence(void **state)
{
    fixture *f = *state;
    const bp_event *event = NULL;
    fill(f, 5);
    bp_receipt receipt = bpt_put(f->store, "x", "hello");
    CHECK_OK(bp_get(f->store, &receipt.id, &event, &f->error), &f->error);
    assert_int_equal(event->sequence, 5);
    assert_memory_equal(event->payload, "hello", 5);
    assert_int_equal(event->position, receipt.position);
    assert_int_equal(event->batch, 5);
    assert_int_equal(event->batch_count, 1);
    bp_event_release(event);
    CHECK_OK(bp_get_sequence(f->store, 4, &event, &f->error), &f->error);
    assert_memory_equal(event->payload, "4", 1);
    bp_event_release(event);
    bp_event_release(NULL);
}

static void what_is_not_there_is_not_found(void **state)
{
    fixture *f = *state;
    const bp_event *event = NULL;
    bp_id id = bp_id_from("test", "nothing", 7);
    CHECK_STATUS(BP_ERR_NOT_FOUND, bp_get(f->store, &id, &event, &f->error), &f->error);
    assert_null(event);
    assert_true(f->error.has_id && bp_id_equal(&f->error.id, &id));
    CHECK_STATUS(BP_ERR_NOT_FOUND, bp_get_sequence(f->store, 0, &event, &f->error), &f->error);
    CHECK_STATUS(BP_ERR_NOT_FOUND, bp_newest(f->store, NULL, &event, &f->error), &f->error);
    assert_int_equal(bp_get(f->store, &id, &event, NULL), BP_ERR_NOT_FOUND);
}

static void the_newest_of_a_region(void **state)
{
    fixture *f = *state;
    const bp_event *event = NULL;
    fill(f, 20);
    bp_region region = bp_region_stream("order:1");
    CHECK_OK(bp_newest(f->store, &region, &event, &f->error), &f->error);
    assert_int_equal(event->sequence, 18);
    bp_event_release(event);
    CHECK_OK(bp_newest(f->store, NULL, &event, &f->error), &f->error);
    assert_int_equal(event->sequence, 19);
    bp_event_release(event);
}

static uint64_t expect(fixture *f, bp_iterator *iterator, const uint64_t *sequences, size_t count)
{
    const bp_event *event = NULL;
    for (size_t i = 0; i < count; i++) {
        CHECK_OK(bp_next(iterator, &event, &f->error), &f->error);
        assert_int_equal(event->sequence, sequences[i]);
    }
    assert_int_equal(bp_next(iterator, &event, &f->error), BP_END);
    assert_null(event);
    assert_int_equal(bp_next(iterator, &event, &f->error), BP_END);
    return count;
}

static void a_stream_is_one_entity_and_not_its_namesakes(void **state)
{
    fixture *f = *state;
    bp_iterator *iterator = NULL;
    fill(f, 10);
    CHECK_OK(bp_stream(f->store, "order:1", NULL, &iterator, &f->error), &f->error);
    expect(f, iterator, (const uint64_t[]){0, 3, 6, 9}, 4);
    bp_iterator_close(iterator);
    bp_query_options options;
    bp_query_options_init(&options);
    options.backward = true;
    options.limit = 2;
    options.resume = true;
    options.resume_after = 9;
    CHECK_OK(bp_stream(f->store, "order:1", &options, &iterator, &f->error), &f->error);
    expect(f, iterator, (const uint64_t[]){6, 3}, 2);
    bp_iterator_close(iterator);
    uint64_t count = 0;
    bp_region region = bp_region_all();
    bp_region_set_prefix(&region, bp_text_of("order:1"));
    CHECK_OK(bp_count(f->store, &region, &count, &f->error), &f->error);
    assert_int_equal(count, 4);
    bp_region_set_prefix(&region, bp_text_of("order"));
    CHECK_OK(bp_count(f->store, &region, &count, &f->error), &f->error);
    assert_int_equal(count, 10);
}

static void a_query_sees_what_was_published_when_it_began(void **state)
{
    fixture *f = *state;
    bp_iterator *iterator = NULL;
    fill(f, 2);
    CHECK_OK(bp_query(f->store, NULL, NULL, &iterator, &f->error), &f->error);
    fill(f, 10);
    expect(f, iterator, (const uint64_t[]){0, 1}, 2);
    bp_iterator_close(iterator);
}

static void iterators_and_events_outlive_the_store(void **state)
{
    fixture *f = *state;
    bp_iterator *iterator = NULL;
    const bp_event *event = NULL;
    bp_walk *walk = NULL;
    bp_walk_options options;
    bp_walk_options_init(&options);
    options.kind = BP_WALK_EFFECTS;
    fill(f, 3);
    CHECK_OK(bp_query(f->store, NULL, NULL, &iterator, &f->error), &f->error);
    CHECK_OK(bp_get_sequence(f->store, 1, &event, &f->error), &f->error);
    CHECK_OK(bp_walk_begin(f->store, &event->id, &options, &walk, &f->error), &f->error);
    bpt_close(f->store);
    f->store = NULL;
    assert_memory_equal(event->payload, "1", 1);
    expect(f, iterator, (const uint64_t[]){0, 1, 2}, 3);
    const bp_event *first = NULL;
    CHECK_OK(bp_walk_next(walk, &first, NULL, &f->error), &f->error);
    assert_int_equal(first->sequence, 1);
    assert_int_equal(bp_walk_next(walk, &first, NULL, &f->error), BP_END);
    bp_walk_end(walk);
    bp_iterator_close(iterator);
    bp_event_release(event);
}

static void system_events_only_when_asked(void **state)
{
    fixture *f = *state;
    bp_iterator *iterator = NULL;
    CHECK_OK(bp_kind_define(f->store, BP_KIND(2, 1), "order.placed", &f->error), &f->error);
    fill(f, 2);
    CHECK_OK(bp_query(f->store, NULL, NULL, &iterator, &f->error), &f->error);
    expect(f, iterator, (const uint64_t[]){1, 2}, 2);
    bp_iterator_close(iterator);
    bp_region region = bp_region_all();
    bp_region_set_system(&region, true);
    CHECK_OK(bp_query(f->store, &region, NULL, &iterator, &f->error), &f->error);
    expect(f, iterator, (const uint64_t[]){0, 1, 2}, 3);
    bp_iterator_close(iterator);
}

static void kinds_are_read_by_name(void **state)
{
    fixture *f = *state;
    bp_region region;
    bp_region_text *owner = NULL;
    CHECK_OK(bp_kind_define(f->store, BP_KIND(2, 1), "order.placed", &f->error), &f->error);
    CHECK_OK(bp_region_parse(f->store, "kind=order.placed", &region, &owner, &f->error), &f->error);
    assert_int_equal(region.kind, BP_KIND(2, 1));
    bp_region_text_free(owner);
    CHECK_STATUS(BP_ERR_FORMAT, bp_region_parse(f->store, "kind=order.gone", &region, &owner, &f->error), &f->error);
    assert_string_equal(f->error.message, "region, column 6: kind: no such kind");
}

static void batches_are_told_with_their_bounds(void **state)
{
    fixture *f = *state;
    bp_batch_item items[3];
    const bp_event *event = NULL;
    for (size_t i = 0; i < 3; i++) {
        items[i] = (bp_batch_item){.at = bp_at("a", "b"), .kind = BP_KIND(1, 1), .payload = bp_raw("x", 1)};
    }
    fill(f, 2);
    CHECK_OK(bp_append_batch(f->store, items, 3, NULL, NULL, &f->error), &f->error);
    fill(f, 1);
    for (uint64_t sequence = 0; sequence < 6; sequence++) {
        bool batch = sequence >= 2 && sequence < 5;
        CHECK_OK(bp_get_sequence(f->store, sequence, &event, &f->error), &f->error);
        assert_int_equal(event->batch, batch ? 2 : sequence);
        assert_int_equal(event->batch_count, batch ? 3 : 1);
        bp_event_release(event);
    }
}

static void hostile_arguments_are_refused(void **state)
{
    fixture *f = *state;
    bp_iterator *iterator = NULL;
    const bp_event *event = NULL;
    uint64_t count = 0;
    bp_region region = {0};
    bp_query_options options = {0};
    bp_id id = {{0}};
    assert_int_equal(bp_query(NULL, NULL, NULL, &iterator, NULL), BP_ERR_ARGUMENT);
    assert_int_equal(bp_query(f->store, NULL, NULL, NULL, NULL), BP_ERR_ARGUMENT);
    assert_int_equal(bp_query(f->store, &region, NULL, &iterator, NULL), BP_ERR_ARGUMENT);
    assert_int_equal(bp_query(f->store, NULL, &options, &iterator, NULL), BP_ERR_ARGUMENT);
    assert_null(iterator);
    region = bp_region_all();
    region.fields = BP_REGION_PREFIX;
    assert_int_equal(bp_count(f->store, &region, &count, NULL), BP_ERR_ARGUMENT);
    region.fields = 1u << 25;
    assert_int_equal(bp_newest(f->store, &region, &event, NULL), BP_ERR_ARGUMENT);
    region = bp_region_all();
    bp_region_set_prefix(&region, bp_text_of("")); /* its text form would be none */
    assert_int_equal(bp_count(f->store, &region, &count, NULL), BP_ERR_ARGUMENT);
    region = bp_region_all();
    bp_region_set_entity(&region, (bp_text){NULL, 5});
    assert_int_equal(bp_query(f->store, &region, NULL, &iterator, NULL), BP_ERR_ARGUMENT);
    assert_int_equal(bp_count(f->store, NULL, NULL, NULL), BP_ERR_ARGUMENT);
    assert_int_equal(bp_stream(f->store, NULL, NULL, &iterator, NULL), BP_ERR_ARGUMENT);
    assert_int_equal(bp_get(NULL, &id, &event, NULL), BP_ERR_ARGUMENT);
    assert_int_equal(bp_get(f->store, NULL, &event, NULL), BP_ERR_ARGUMENT);
    assert_int_equal(bp_get(f->store, &id, NULL, NULL), BP_ERR_ARGUMENT);
    assert_int_equal(bp_get(f->store, &id, &event, NULL), BP_ERR_NOT_FOUND);
    assert_int_equal(bp_get_sequence(f->store, UINT64_MAX, &event, NULL), BP_ERR_NOT_FOUND);
    assert_int_equal(bp_next(NULL, &event, NULL), BP_ERR_ARGUMENT);
    assert_int_equal(bp_next_sequence(NULL, &count, NULL), BP_ERR_ARGUMENT);
    bp_iterator_close(NULL);
}

static void every_layout_is_there(void **state)
{
    (void)state;
    for (bp_layout layout = BP_LAYOUT_AOS; layout <= BP_LAYOUT_SOAOS; layout++) {
        fixture f;
        memset(&f, 0, sizeof f);
        bpt_world_memory(&f.world);
        f.world.options.layout = layout;
        f.world.options.segment_size = BP_SEGMENT_MIN;
        f.store = bpt_open(&f.world);
        fill(&f, 2000); /* several segments, sealed on the way */
        uint64_t count = 0;
        bp_region region = bp_region_stream("order:1");
        CHECK_OK(bp_count(f.store, &region, &count, &f.error), &f.error);
        assert_int_equal(count, 667);
        bp_iterator *iterator = NULL;
        const bp_event *event = NULL;
        CHECK_OK(bp_query(f.store, &region, NULL, &iterator, &f.error), &f.error);
        for (uint64_t clock = 0; clock < count; clock++) {
            CHECK_OK(bp_next(iterator, &event, &f.error), &f.error);
            assert_int_equal(event->clock, clock);
            assert_int_equal(event->sequence, clock * 3);
        }
        bp_iterator_close(iterator);
        bpt_close(f.store);
        bpt_world_end(&f.world);
    }
}

/* Events of so many entities in turn: of 400, two are under "few", a third under "some", all under "p". */
enum { PREFIX_ENTITIES = 400, PREFIX_EVENTS = 1200 };

static const char *family_of(int entity)
{
    return entity == 77 || entity == 301 ? "few" : entity % 3 == 0 ? "some" : "many";
}

/* Both ways a prefix is found in a sealed block: its entities looked up, or the block's asked; and by columns. */
static void check_prefix(fixture *f, const char *prefix, const char *family)
{
    bp_iterator *iterator = NULL;
    uint64_t sequence = 0;
    uint64_t count = 0;
    uint64_t wanted = 0;
    bp_region region = bp_region_all();
    bp_region_set_prefix(&region, bp_text_of(prefix));
    CHECK_OK(bp_query(f->store, &region, NULL, &iterator, &f->error), &f->error);
    for (uint64_t number = 0; number < PREFIX_EVENTS; number++) {
        if (family == NULL || strcmp(family_of((int)(number % PREFIX_ENTITIES)), family) == 0) {
            CHECK_OK(bp_next_sequence(iterator, &sequence, &f->error), &f->error);
            assert_int_equal(sequence, number);
            wanted++;
        }
    }
    assert_int_equal(bp_next_sequence(iterator, &sequence, &f->error), BP_END);
    bp_iterator_close(iterator);
    CHECK_OK(bp_count(f->store, &region, &count, &f->error), &f->error);
    assert_int_equal(count, wanted);
}

static void a_prefix_of_few_some_or_all_entities(void **state)
{
    fixture *f = *state;
    char entity[64];
    for (int number = 0; number < PREFIX_EVENTS; number++) {
        int which = number % PREFIX_ENTITIES;
        (void)snprintf(entity, sizeof entity, "p:%s:%d", family_of(which), which);
        (void)bpt_put(f->store, entity, "x");
    }
    for (int sealed = 0; sealed < 2; sealed++) {
        check_prefix(f, "p:few", "few");
        check_prefix(f, "p:some", "some");
        check_prefix(f, "p:many", "many");
        check_prefix(f, "p", NULL);
        check_prefix(f, "p:fe", "nobody");
        CHECK_OK(bp_seal(f->store, &f->error), &f->error);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(an_event_is_got_by_id_and_by_sequence, setup, teardown),
        cmocka_unit_test_setup_teardown(what_is_not_there_is_not_found, setup, teardown),
        cmocka_unit_test_setup_teardown(the_newest_of_a_region, setup, teardown),
        cmocka_unit_test_setup_teardown(a_stream_is_one_entity_and_not_its_namesakes, setup, teardown),
        cmocka_unit_test_setup_teardown(a_query_sees_what_was_published_when_it_began, setup, teardown),
        cmocka_unit_test_setup_teardown(iterators_and_events_outlive_the_store, setup, teardown),
        cmocka_unit_test_setup_teardown(system_events_only_when_asked, setup, teardown),
        cmocka_unit_test_setup_teardown(kinds_are_read_by_name, setup, teardown),
        cmocka_unit_test_setup_teardown(batches_are_told_with_their_bounds, setup, teardown),
        cmocka_unit_test_setup_teardown(hostile_arguments_are_refused, setup, teardown),
        cmocka_unit_test_setup_teardown(a_prefix_of_few_some_or_all_entities, setup, teardown),
        cmocka_unit_test(every_layout_is_there),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
