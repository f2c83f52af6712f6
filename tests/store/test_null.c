/*
 * test_null.c: NULL in every place of every function where it is not allowed. What returns a status says
 * BP_ERR_ARGUMENT; what does not, does nothing and returns what harms nobody. Run under the sanitizers too.
 */
#include <stdio.h>
#include <string.h>

#include "support/world.h"

#define REFUSED(call) CHECK_STATUS(BP_ERR_ARGUMENT, call, NULL)

static const bp_id some_id = {{1}};

static void types(void **state)
{
    char text[64] = "x";
    bp_id id = some_id;
    bp_hash hash = {{1}};
    bp_kind_code kind = 7;
    (void)state;
    assert_int_equal(bp_text_of(NULL).size, 0);
    assert_true(bp_text_equal(bp_text_of(NULL), bp_text_of("")));
    assert_int_equal(bp_at(NULL, NULL).entity.size, 0);
    assert_int_equal(bp_json(NULL).size, 0);
    assert_true(bp_id_is_nil(NULL));
    assert_false(bp_id_equal(NULL, &id) || bp_id_equal(&id, NULL));
    assert_true(bp_id_equal(NULL, NULL));
    assert_int_equal(bp_id_compare(NULL, NULL), 0);
    assert_true(bp_id_compare(NULL, &id) < 0 && bp_id_compare(&id, NULL) > 0);
    bp_id empty = bp_id_from("", "", 0);
    bp_id nothing = bp_id_from(NULL, NULL, 0);
    assert_true(bp_id_equal(&empty, &nothing));
    bp_id_print(NULL, text);
    assert_string_equal(text, "00000000-0000-0000-0000-000000000000");
    bp_id_print(&id, NULL);
    assert_false(bp_id_parse(NULL, 32, &id) || bp_id_parse(text, strlen(text), NULL));
    bp_hash_print(NULL, NULL);
    bp_hash_print(&hash, NULL);
    assert_false(bp_hash_parse(NULL, 64, &hash) || bp_hash_parse(text, 36, NULL));
    assert_false(bp_hash_equal(NULL, &hash) || bp_hash_equal(&hash, NULL));
    assert_true(bp_hash_equal(NULL, NULL));
    assert_false(bp_kind_name_valid(NULL, 3));
    assert_false(bp_kind_parse_number(NULL, 6, &kind) || bp_kind_parse_number("0xF001", 6, NULL));
    assert_int_equal(kind, 7);
    bp_kind_print(1, NULL);
    bp_hash plain = bp_hash_bytes("", 0);
    bp_hash of_nothing = bp_hash_bytes(NULL, 0);
    assert_true(bp_hash_equal(&plain, &of_nothing));
}

static void errors(void **state)
{
    char text[8] = "x";
    bp_error error = {0};
    (void)state;
    (void)bp_error_format(NULL, text, sizeof text);
    assert_non_null(memchr(text, '\0', sizeof text));
    (void)bp_error_format(&error, NULL, 0);
    assert_int_equal(bp_error_set(NULL, BP_ERR_KIND, "x"), BP_ERR_KIND);
    assert_int_equal(bp_error_set(&error, BP_ERR_KIND, NULL), BP_ERR_KIND);
    (void)bp_print_error(NULL, &error);
    (void)bp_print_error(NULL, NULL);
}

static void events(void **state)
{
    bp_event event = {.correlation = some_id};
    const uint8_t *value = NULL;
    size_t size = 1;
    (void)state;
    assert_int_equal(bp_event_age_us(NULL, 1), 0);
    assert_false(bp_event_is_genesis(NULL) || bp_event_is_correlated(NULL) || bp_event_is_caused_by(NULL, &some_id) ||
                 bp_event_is_caused_by(&event, NULL) || bp_event_is_root_cause(NULL));
    assert_false(bp_event_extension(NULL, 1, &value, &size));
    assert_true(value == NULL && size == 0);
    assert_false(bp_event_extension(&event, 1, NULL, NULL));
    bp_hash nothing = {{0}};
    bp_hash content = bp_event_content_hash(NULL);
    bp_hash hash = bp_event_compute_hash(NULL, NULL);
    assert_true(bp_hash_equal(&content, &nothing) && bp_hash_equal(&hash, &nothing));
    assert_false(bp_chain_verify(NULL, NULL) || bp_chain_verify(NULL, &event));
    assert_true(bp_place_is_root(bp_place_of(NULL)));
    bp_place_print(bp_place_root(0), NULL);
    bp_event_release(NULL);
}

static void regions(void **state)
{
    char text[8] = "x";
    bp_region region = bp_region_all();
    bp_region_text *owner = NULL;
    bp_event event = {0};
    (void)state;
    bp_region_default(NULL, sizeof region);
    region = bp_region_stream(NULL);
    region = bp_region_by_scope(NULL);
    region = bp_region_by_correlation(NULL);
    region = bp_region_effects_of(NULL);
    bp_region_set_entity(NULL, bp_text_of("x"));
    bp_region_set_prefix(NULL, bp_text_of("x"));
    bp_region_set_scope(NULL, bp_text_of("x"));
    bp_region_set_kind(NULL, 1);
    bp_region_set_category(NULL, 1);
    bp_region_set_lane(NULL, 1);
    bp_region_set_clock(NULL, 1, 2);
    bp_region_set_sequence(NULL, 1, 2);
    bp_region_set_time_us(NULL, 1, 2);
    bp_region_set_committed(NULL, 1, 2);
    bp_region_set_correlation(NULL, &some_id);
    bp_region_set_correlation(&region, NULL);
    bp_region_set_cause(NULL, &some_id);
    bp_region_set_cause(&region, NULL);
    bp_region_set_system(NULL, true);
    assert_true(bp_region_matches(NULL, &event)); /* as in a query, NULL is everything */
    assert_false(bp_region_matches(&region, NULL));
    REFUSED(bp_region_parse(NULL, NULL, &region, &owner, NULL));
    REFUSED(bp_region_parse(NULL, "", NULL, &owner, NULL));
    REFUSED(bp_region_parse(NULL, "", &region, NULL, NULL));
    bp_region_text_free(NULL);
    assert_int_equal(bp_region_format(NULL, text, sizeof text), 0);
    assert_string_equal(text, "");
    (void)bp_region_format(&region, NULL, 0);
}

static int see_nothing(void *argument, bp_kind_code kind, const char *name, uint64_t count)
{
    (void)argument;
    (void)kind;
    (void)name;
    (void)count;
    return 0;
}

static int see_segment(void *argument, const bp_segment_info *info)
{
    (void)argument;
    (void)info;
    return 0;
}

static void no_store(void **state)
{
    bp_payload payload = bp_raw("x", 1);
    bp_batch_item item = {bp_at("e", "s"), 0xf001, payload, NULL};
    bp_event event = {0};
    const bp_event *found = NULL;
    bp_iterator *iterator = NULL;
    bp_position position = {0};
    bp_stats stats;
    bp_kind_code kind = 0;
    bp_walk *walk = NULL;
    uint64_t count = 0;
    (void)state;
    REFUSED(bp_append(NULL, item.at, item.kind, payload, NULL, NULL, NULL));
    REFUSED(bp_append_reaction(NULL, item.at, item.kind, payload, &some_id, &some_id, 1, NULL, NULL, NULL));
    REFUSED(bp_append_batch(NULL, &item, 1, NULL, NULL, NULL));
    REFUSED(bp_append_exact(NULL, &event, 1, NULL));
    REFUSED(bp_kind_define(NULL, 0x1001, "x", NULL));
    REFUSED(bp_kind_find(NULL, "x", &kind, NULL));
    REFUSED(bp_kind_next_free(NULL, &kind, NULL));
    assert_null(bp_kind_name(NULL, 0x1001));
    REFUSED(bp_kinds(NULL, see_nothing, NULL, NULL));
    REFUSED(bp_get(NULL, &some_id, &found, NULL));
    REFUSED(bp_get_sequence(NULL, 0, &found, NULL));
    REFUSED(bp_newest(NULL, NULL, &found, NULL));
    REFUSED(bp_query(NULL, NULL, NULL, &iterator, NULL));
    REFUSED(bp_stream(NULL, "e", NULL, &iterator, NULL));
    REFUSED(bp_count(NULL, NULL, &count, NULL));
    assert_int_equal(bp_close(NULL, NULL), BP_OK);
    REFUSED(bp_sync(NULL, NULL));
    REFUSED(bp_wait_durable(NULL, 0, 1, NULL));
    assert_int_equal(bp_store_frontiers(NULL).published, 0);
    REFUSED(bp_seal(NULL, NULL));
    REFUSED(bp_store_position(NULL, &position, NULL));
    REFUSED(bp_position_check(NULL, &position, NULL));
    REFUSED(bp_store_stats(NULL, &stats, NULL));
    assert_non_null(bp_store_path(NULL));
    REFUSED(bp_segments(NULL, see_segment, NULL, NULL));
    REFUSED(bp_metrics_write(NULL, stdout, NULL));
    REFUSED(bp_walk_begin(NULL, &some_id, NULL, &walk, NULL));
    bp_options_default(NULL, sizeof(bp_options));
    bp_append_options_default(NULL, sizeof(bp_append_options));
    bp_batch_options_default(NULL, sizeof(bp_batch_options));
    bp_query_options_default(NULL, sizeof(bp_query_options));
    bp_walk_options_default(NULL, sizeof(bp_walk_options));
    bp_verify_options_default(NULL, sizeof(bp_verify_options));
}

static void no_arguments(void **state)
{
    bpt_world world;
    (void)state;
    bpt_world_memory(&world);
    bp_store *store = bpt_open(&world);
    bp_store *other = NULL;
    bp_batch_item item = {{{NULL, 3}, bp_text_of("s")}, 0xf001, bp_raw("x", 1), NULL};
    bp_iterator *iterator = NULL;
    bp_event event = {0};
    (void)bpt_put(store, "e", "x");
    CHECK(bp_append(store, item.at, 0xf001, bp_raw("x", 1), NULL, NULL, NULL) != BP_OK, "a name that is NULL");
    CHECK(bp_append(store, bp_at(NULL, "s"), 0xf001, bp_raw("x", 1), NULL, NULL, NULL) != BP_OK, "no name");
    REFUSED(bp_append(store, bp_at("e", "s"), 0xf001, bp_raw(NULL, 5), NULL, NULL, NULL));
    REFUSED(bp_append_reaction(store, bp_at("e", "s"), 0xf001, bp_raw("x", 1), NULL, NULL, 1, NULL, NULL, NULL));
    REFUSED(bp_append_batch(store, NULL, 1, NULL, NULL, NULL));
    CHECK(bp_append_batch(store, &item, 1, NULL, NULL, NULL) != BP_OK, "a name that is NULL in a batch");
    REFUSED(bp_append_exact(store, NULL, 1, NULL));
    CHECK(bp_append_exact(store, &event, 1, NULL) != BP_OK, "an event of nothing");
    CHECK(bp_kind_define(store, 0x1001, NULL, NULL) == BP_ERR_NAME, "a kind's name that is NULL");
    REFUSED(bp_kind_find(store, NULL, &(bp_kind_code){0}, NULL));
    REFUSED(bp_kind_find(store, "x", NULL, NULL));
    REFUSED(bp_kinds(store, NULL, NULL, NULL));
    REFUSED(bp_get(store, NULL, &(const bp_event *){NULL}, NULL));
    REFUSED(bp_get(store, &some_id, NULL, NULL));
    REFUSED(bp_get_sequence(store, 0, NULL, NULL));
    REFUSED(bp_newest(store, NULL, NULL, NULL));
    REFUSED(bp_query(store, NULL, NULL, NULL, NULL));
    CHECK(bp_stream(store, NULL, NULL, &iterator, NULL) != BP_OK, "a stream of nobody");
    REFUSED(bp_stream(store, "e", NULL, NULL, NULL));
    REFUSED(bp_count(store, NULL, NULL, NULL));
    REFUSED(bp_store_position(store, NULL, NULL));
    REFUSED(bp_position_check(store, NULL, NULL));
    REFUSED(bp_store_stats(store, NULL, NULL));
    REFUSED(bp_segments(store, NULL, NULL, NULL));
    REFUSED(bp_metrics_write(store, NULL, NULL));
    REFUSED(bp_walk_begin(store, NULL, NULL, &(bp_walk *){NULL}, NULL));
    REFUSED(bp_walk_begin(store, &some_id, NULL, NULL, NULL));
    REFUSED(bp_open(NULL, &world.options, &other, NULL));
    REFUSED(bp_open("store", &world.options, NULL, NULL));
    REFUSED(bp_open_reader(NULL, &world.options, &other, NULL));
    REFUSED(bp_open_reader("store", &world.options, NULL, NULL));
    REFUSED(bp_verify(NULL, NULL, NULL, NULL));
    bpt_close(store);
    bpt_world_end(&world);
}

static void iterators_and_walks(void **state)
{
    bpt_world world;
    bp_iterator *iterator = NULL;
    bp_walk *walk = NULL;
    const bp_event *event = NULL;
    uint64_t sequence = 0;
    bp_position position;
    (void)state;
    bpt_world_memory(&world);
    bp_store *store = bpt_open(&world);
    bp_receipt receipt = bpt_put(store, "e", "x");
    CHECK_OK(bp_query(store, NULL, NULL, &iterator, NULL), NULL);
    REFUSED(bp_next(NULL, &event, NULL));
    REFUSED(bp_next(iterator, NULL, NULL));
    REFUSED(bp_next_sequence(NULL, &sequence, NULL));
    REFUSED(bp_next_sequence(iterator, NULL, NULL));
    REFUSED(bp_iterator_position(NULL, &position, NULL));
    REFUSED(bp_iterator_position(iterator, NULL, NULL));
    CHECK_OK(bp_walk_begin(store, &receipt.id, NULL, &walk, NULL), NULL);
    REFUSED(bp_walk_next(NULL, &event, NULL, NULL));
    REFUSED(bp_walk_next(walk, NULL, NULL, NULL));
    CHECK_OK(bp_walk_next(walk, &event, NULL, NULL), NULL);
    assert_int_equal(bp_walk_reason(NULL), BP_WALK_DONE);
    bp_walk_end(NULL);
    bp_walk_end(walk);
    bp_iterator_close(NULL);
    bp_iterator_close(iterator);
    bpt_close(store);
    bpt_world_end(&world);
}

static void tools(void **state)
{
    char name[BP_SEGMENT_NAME_SIZE];
    uint8_t bytes[BP_FRAME_HEADER_SIZE] = {0};
    uint32_t number = 0;
    bp_frame frame = {0};
    bp_event event;
    size_t length = 0;
    (void)state;
    bp_segment_name(1, 1, NULL);
    bp_segment_name(1, 1, name);
    assert_false(bp_segment_name_parse(NULL, &number, &number));
    assert_true(bp_segment_name_parse(name, NULL, NULL));
    REFUSED(bp_frame_decode(NULL, 64, &frame, NULL));
    REFUSED(bp_frame_decode(bytes, sizeof bytes, NULL, NULL));
    bp_frame_encode(NULL, bytes);
    bp_frame_encode(&frame, NULL);
    REFUSED(bp_record_decode(NULL, 200, &some_id, &event, &length, NULL));
    REFUSED(bp_record_decode(bytes, sizeof bytes, NULL, &event, &length, NULL));
    REFUSED(bp_record_decode(bytes, sizeof bytes, &some_id, NULL, &length, NULL));
    REFUSED(bp_dump_file(NULL, "MANIFEST", NULL, NULL, NULL, NULL));
    REFUSED(bp_dump_file("store", NULL, NULL, NULL, NULL, NULL));
    bp_io_memory_free(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(types),
        cmocka_unit_test(errors),
        cmocka_unit_test(events),
        cmocka_unit_test(regions),
        cmocka_unit_test(no_store),
        cmocka_unit_test(no_arguments),
        cmocka_unit_test(iterators_and_walks),
        cmocka_unit_test(tools),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
