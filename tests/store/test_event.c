/*
 * test_event.c: questions about one event, its hashes and chain, places.
 */
#include "support/world.h"

static void ages_are_never_negative(void **state)
{
    (void)state;
    bp_event event = {.time_us = 100};
    assert_int_equal(bp_event_age_us(&event, 150), 50);
    assert_int_equal(bp_event_age_us(&event, 50), 0);
    event.time_us = INT64_MIN;
    assert_true(bp_event_age_us(&event, INT64_MAX) == UINT64_MAX);
}

static void causes_and_correlation(void **state)
{
    (void)state;
    const bp_id causes[] = {{{1}}, {{2}}};
    bp_id other = {{3}};
    bp_event event = {.id = {{9}}, .correlation = {{9}}, .causes = causes, .cause_count = 2};
    assert_true(bp_event_is_genesis(&event));
    assert_false(bp_event_is_correlated(&event));
    assert_true(bp_event_is_caused_by(&event, &causes[1]));
    assert_false(bp_event_is_caused_by(&event, &other));
    assert_false(bp_event_is_caused_by(&event, NULL));
    assert_false(bp_event_is_root_cause(&event));
    event.cause_count = 0;
    event.correlation.bytes[0] = 8;
    event.clock = 1;
    assert_true(bp_event_is_root_cause(&event));
    assert_true(bp_event_is_correlated(&event));
    assert_false(bp_event_is_genesis(&event));
}

static void extensions_are_found_by_tag(void **state)
{
    (void)state;
    static const uint8_t bytes[] = {4, 0, 4, 0, 7, 0, 0, 0, 1, 0x80, 2, 0, 'n', 'o'};
    bp_event event = {.extensions = bytes, .public_extensions_size = 8, .private_extensions_size = 6};
    const uint8_t *value = NULL;
    size_t size = 0;
    assert_true(bp_event_extension(&event, BP_TAG_HOPS, &value, &size));
    assert_int_equal(size, 4);
    assert_int_equal(value[0], 7);
    assert_true(bp_event_extension(&event, BP_TAG_BYPASS, &value, &size));
    assert_int_equal(size, 2);
    assert_memory_equal(value, "no", 2);
    assert_false(bp_event_extension(&event, BP_TAG_LANE, NULL, NULL));
    event.extensions = NULL;
    assert_false(bp_event_extension(&event, BP_TAG_HOPS, &value, &size));
}

static void a_chain_is_verified_from_its_events_alone(void **state)
{
    (void)state;
    bpt_world world;
    bp_error error = {0};
    const bp_event *first = NULL;
    const bp_event *second = NULL;
    const bp_event *foreign = NULL;
    bpt_world_memory(&world);
    bp_store *store = bpt_open(&world);
    char large[5000];
    memset(large, 'x', sizeof large - 1);
    large[sizeof large - 1] = '\0';
    (void)bpt_put(store, "a", "one");
    (void)bpt_put(store, "b", "two");
    (void)bpt_put(store, "a", large);
    CHECK_OK(bp_get_sequence(store, 0, &first, &error), &error);
    CHECK_OK(bp_get_sequence(store, 1, &foreign, &error), &error);
    CHECK_OK(bp_get_sequence(store, 2, &second, &error), &error);
    assert_true(bp_chain_verify(first, NULL));
    assert_true(bp_chain_verify(second, first));
    assert_false(bp_chain_verify(second, NULL));
    assert_false(bp_chain_verify(second, foreign));
    assert_false(bp_chain_verify(first, second));
    bp_event changed = *second;
    bp_hash content = bp_event_content_hash(second);
    changed.payload = "another";
    changed.payload_size = 7;
    assert_false(bp_chain_verify(&changed, first));
    changed.payload_absent = true; /* a stub: its content hash stands for what is gone */
    changed.payload_size = 0;
    changed.content_hash = content;
    assert_true(bp_chain_verify(&changed, first));
    changed.content_hash.bytes[5] ^= 1;
    assert_false(bp_chain_verify(&changed, first));
    changed = *second;
    changed.time_us++;
    assert_false(bp_chain_verify(&changed, first));
    bp_event_release(first);
    bp_event_release(second);
    bp_event_release(foreign);
    bpt_close(store);
    bpt_world_end(&world);
}

static void sizes_beyond_all_limits_give_no_hash(void **state)
{
    (void)state;
    bp_event event = {.entity = {"x", 5000}, .scope = {"x", 1}};
    bp_hash zero = {{0}};
    bp_hash hash = bp_event_compute_hash(&event, NULL);
    assert_true(bp_hash_equal(&hash, &zero));
}

static void bytes_hash_as_blake3(void **state)
{
    (void)state;
    char text[BP_HASH_TEXT_SIZE];
    bp_hash hash = bp_hash_bytes("", 0);
    bp_hash_print(&hash, text);
    assert_string_equal(text, "af1349b9f5f9a1a6a0404dea36dcc9499bcb25c9adc112b7cc9a93cae41f3262");
}

static void places_compare_within_a_lane(void **state)
{
    (void)state;
    bp_place root = bp_place_root(BP_HLC_MIN_OF_MS(5) + 2);
    bp_place child = bp_place_child(root, BP_HLC_MIN_OF_MS(6));
    bp_place fork = bp_place_fork(child, 7, BP_HLC_MIN_OF_MS(8));
    char text[BP_PLACE_TEXT_SIZE];
    assert_true(bp_place_is_root(root));
    assert_false(bp_place_is_root(child));
    assert_false(bp_place_is_root(fork));
    assert_true(bp_place_is_ancestor_of(root, child));
    assert_false(bp_place_is_ancestor_of(child, root));
    assert_false(bp_place_is_ancestor_of(root, fork));
    assert_int_equal(bp_place_compare(root, child), BP_LESS);
    assert_int_equal(bp_place_compare(child, root), BP_GREATER);
    assert_int_equal(bp_place_compare(child, child), BP_EQUAL);
    assert_int_equal(bp_place_compare(root, fork), BP_INCOMPARABLE);
    bp_place_print(bp_place_child(fork, BP_HLC_MIN_OF_MS(9) + 3), text);
    assert_string_equal(text, "1:7:1@9.3");
    bp_event event = {.hlc = 1, .clock = 2, .lane = 3, .depth = 4};
    bp_place place = bp_place_of(&event);
    assert_true(place.hlc == 1 && place.clock == 2 && place.lane == 3 && place.depth == 4);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ages_are_never_negative),
        cmocka_unit_test(causes_and_correlation),
        cmocka_unit_test(extensions_are_found_by_tag),
        cmocka_unit_test(a_chain_is_verified_from_its_events_alone),
        cmocka_unit_test(sizes_beyond_all_limits_give_no_hash),
        cmocka_unit_test(bytes_hash_as_blake3),
        cmocka_unit_test(places_compare_within_a_lane),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
