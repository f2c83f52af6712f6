/*
 * test_region.c: regions: what they match, their text form, and what is said of texts that are none.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <batpak/batpak.h>

/* Parses and prints again. */
static void same(const char *text, const char *canonical)
{
    bp_region region;
    bp_region_text *owner = NULL;
    bp_error error;
    char printed[512];
    if (bp_region_parse(NULL, text, &region, &owner, &error) != BP_OK) {
        fail_msg("%s: %s", text, error.message);
    }
    size_t size = bp_region_format(&region, printed, sizeof printed);
    assert_int_equal(size, strlen(printed));
    assert_string_equal(printed, canonical);
    bp_region_text_free(owner);
}

static void refused(const char *text, const char *message)
{
    bp_region region;
    bp_region_text *owner = NULL;
    bp_error error;
    assert_int_equal(bp_region_parse(NULL, text, &region, &owner, &error), BP_ERR_FORMAT);
    assert_null(owner);
    assert_string_equal(error.message, message);
}

static void every_field_reads_and_prints(void **state)
{
    (void)state;
    same("", "");
    same("  ", "");
    same("entity=order:1", "entity=order:1");
    same("entity=order:*", "entity=order:*");
    same("scope=eu entity=x", "entity=x scope=eu");
    same("kind=0xF001", "kind=0xF001");
    same("kind=15:1", "kind=0xF001");
    same("kind=DATA", "kind=0x0000");
    same("category=15", "category=0xF");
    same("category=0xd", "category=0xD");
    same("clock=3..5 sequence=7.. lane=4", "clock=3..5 sequence=7.. lane=4");
    same("clock=0..5 sequence=9", "clock=..5 sequence=9");
    same("clock=0..18446744073709551615", "");
    same("system=yes", "system=yes");
    same("system=no", "");
    same("tombstoned=yes", "tombstoned=yes");
    same("tombstoned=no system=yes", "system=yes tombstoned=no");
    same("correlation=0192F0C1-0000-7000-8000-000000000001", "correlation=0192f0c1-0000-7000-8000-000000000001");
    same("cause=order:0192f0c1000070008000000000000001", "cause=0192f0c1-0000-7000-8000-000000000001");
}

static void names_are_quoted_only_where_they_must_be(void **state)
{
    (void)state;
    same("entity=\"a b\"", "entity=\"a b\"");
    same("entity=\"ab\"", "entity=ab");
    same("entity=\"a b:*\"", "entity=\"a b:*\"");
    same("entity=\"a:\\*\"", "entity=\"a:\\*\"");
    same("entity=\"a\\\"b\\\\c\"", "entity=\"a\\\"b\\\\c\"");
    same("entity=a\\b", "entity=a\\b");
    same("entity=\xc3\xa9t\xc3\xa9:*", "entity=\xc3\xa9t\xc3\xa9:*");
    same("scope=a:*", "scope=a:*");
    same("entity=a=b", "entity=a=b");
}

static void times_are_iso_and_as_short_as_they_can_be(void **state)
{
    (void)state;
    same("time=2026-01-31", "time=2026-01-31");
    same("time=2026-01-31..2026-02-01", "time=2026-01-31..2026-02-01");
    same("time=2026-01-31T00:00:00Z..", "time=2026-01-31..");
    same("time=2026-01-31T12:00:00Z", "time=2026-01-31T12:00:00Z");
    same("time=2026-01-31T12:00:00.000000Z", "time=2026-01-31T12:00:00.0Z");
    same("time=2026-01-31T12:00:00.999999Z", "time=2026-01-31T12:00:00.999999Z");
    same("time=2026-01-31T12:00:00.120Z..2026-01-31T23:59:59Z", "time=2026-01-31T12:00:00.12Z..2026-01-31");
    same("time=..1970-01-01T00:00:00.5Z", "time=..1970-01-01T00:00:00.5Z");
    same("time=0", "time=1970-01-01T00:00:00.0Z");
    same("time=-1..0", "time=1969-12-31T23:59:59.999999Z..1970-01-01T00:00:00.0Z");
    same("time=2024-02-29", "time=2024-02-29");
    same("time=0001-01-01..9999-12-31", "time=0001-01-01..9999-12-31");
    same("time=-9223372036854775808..5000000000000000000", "time=..5000000000000000000");
    same("committed=2026-01-31", "committed=2026-01-31");
    same("committed=1500..2999", "committed=1970-01-01T00:00:01.5Z..1970-01-01T00:00:02Z");
    same("committed=1500", "committed=1970-01-01T00:00:01.5Z");
    same("committed=1500.3..1500.9", "committed=1500.3..1500.9");
    same("committed=1500.3", "committed=1500.3");
    same("committed=281474976710655..", "committed=281474976710655");
}

static void a_day_or_a_second_as_upper_end_is_its_last_instant(void **state)
{
    (void)state;
    bp_region region;
    bp_region_text *owner = NULL;
    assert_int_equal(
        bp_region_parse(NULL, "time=1970-01-01..1970-01-02 committed=1970-01-01T00:00:01Z", &region, &owner, NULL),
        BP_OK);
    assert_int_equal(region.time_min_us, 0);
    assert_int_equal(region.time_max_us, INT64_C(2) * 86400 * 1000000 - 1);
    assert_int_equal(region.committed_min, BP_HLC_MIN_OF_MS(1000));
    assert_int_equal(region.committed_max, BP_HLC_MAX_OF_MS(1999));
    bp_region_text_free(owner);
}

static void what_is_wrong_is_told_by_field_and_column(void **state)
{
    (void)state;
    refused("entity=a colour=red", "region, column 10: colour: no such field");
    refused("entity", "region, column 1: entity: has no value");
    refused("  clock=", "region, column 9: clock: has no value");
    refused("clock=3-5", "region, column 7: clock: not a range of numbers, like 3..5");
    refused("clock=..", "region, column 7: clock: a range needs an end");
    refused("clock=1..2..3", "region, column 7: clock: not a range of numbers, like 3..5");
    refused("sequence=18446744073709551616", "region, column 10: sequence: not a range of numbers, like 3..5");
    refused("entity=a entity=b", "region, column 10: entity: is there twice");
    refused("entity=\"a", "region, column 8: entity: the quotes are not closed");
    refused("entity=a\"b", "region, column 8: entity: quotes begin in the middle; put the whole value into them");
    refused("entity=\"a\"b", "region, column 8: entity: something follows the closing quotes");
    refused("entity=\"a\\n\"", "region, column 8: entity: a backslash in quotes stands before \", \\ or * only");
    refused("entity=:*", "region, column 8: entity: not a name (1 to 1024 bytes of UTF-8 without control characters)");
    refused("clock=\"\"", "region, column 7: clock: has no value");
    refused("sequence=\"\"", "region, column 10: sequence: has no value");
    refused("time=\"\"", "region, column 6: time: has no value");
    refused("committed=\"\"", "region, column 11: committed: has no value");
    refused("scope=\"\"", "region, column 7: scope: has no value");
    refused("kind=order.placed", "region, column 6: kind: not a kind's number, 0xF001 or 15:1");
    refused("category=16", "region, column 10: category: not a category, 0x0 to 0xF or 0 to 15");
    refused("lane=4294967296", "region, column 6: lane: not a number up to 4294967295");
    refused("correlation=abc", "region, column 13: correlation: not an id");
    refused("system=1", "region, column 8: system: neither yes nor no");
    refused("=x", "region, column 1: a field's name is missing before =");
    refused("category=0x", "region, column 10: category: not a category, 0x0 to 0xF or 0 to 15");
    refused("category=0xg", "region, column 10: category: not a category, 0x0 to 0xF or 0 to 15");
    refused("category=1x5", "region, column 10: category: not a category, 0x0 to 0xF or 0 to 15");
    refused("lane=first", "region, column 6: lane: not a number up to 4294967295");
    refused("system=on", "region, column 8: system: neither yes nor no");
    refused("system=\"\"", "region, column 8: system: has no value");
    refused("time=1..never", "region, column 6: time: not a range of times, like "
                             "2026-01-31..2026-02-01T12:00:00Z, or microseconds");
    refused("entity=*", "region, column 8: entity: a star alone makes no prefix");
    /* What is shown of a long word ends with a whole character. */
    refused("a\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4"
            "\xc3\xa4\xc3\xa4\xc3\xa4=1",
            "region, column 1: "
            "a\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4"
            "\xc3\xa4\xc3\xa4: no such field");
    refused("\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4"
            "\xc3\xa4\xc3\xa4\xc3\xa4=1",
            "region, column 1: "
            "\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4"
            "\xc3\xa4\xc3\xa4: no such field");
    static const char *const times[] = {"time=2026-02-29",
                                        "time=2026-1-1",
                                        "time=2026-01-01T00:00Z",
                                        "time=2026-01-01T24:00:00Z",
                                        "time=2026-01-01T00:00:00",
                                        "time=0000-01-01",
                                        "time=2026-01-01T00:00:00.Z",
                                        "time=2026-01-01T00:00:00.1234567Z"};
    for (size_t i = 0; i < sizeof times / sizeof times[0]; i++) {
        refused(times[i], "region, column 6: time: not a range of times, like "
                          "2026-01-31..2026-02-01T12:00:00Z, or microseconds");
    }
    refused("committed=1960-01-01", "region, column 11: committed: not a range of times since 1970, like "
                                    "2026-01-31..2026-02-01T12:00:00Z, or milliseconds");
}

static void arguments_that_are_null_are_refused(void **state)
{
    (void)state;
    bp_region region;
    bp_region_text *owner = NULL;
    assert_int_equal(bp_region_parse(NULL, NULL, &region, &owner, NULL), BP_ERR_ARGUMENT);
    assert_int_equal(bp_region_parse(NULL, "", NULL, &owner, NULL), BP_ERR_ARGUMENT);
    assert_int_equal(bp_region_parse(NULL, "", &region, NULL, NULL), BP_ERR_ARGUMENT);
    bp_region_text_free(NULL);
    assert_int_equal(bp_region_format(NULL, NULL, 0), 0);
}

static void a_text_is_cut_to_the_buffer(void **state)
{
    (void)state;
    char buffer[8];
    bp_region region = bp_region_stream("order:1");
    assert_int_equal(bp_region_format(&region, buffer, sizeof buffer), 14);
    assert_string_equal(buffer, "entity=");
    assert_int_equal(bp_region_format(&region, NULL, 0), 14);
}

static uint64_t roll(uint64_t *seed)
{
    *seed ^= *seed << 13;
    *seed ^= *seed >> 7;
    *seed ^= *seed << 17;
    return *seed;
}

/* Numbers of all sizes, ends of days and seconds among them. */
static uint64_t some(uint64_t *seed)
{
    uint64_t number = roll(seed) >> (roll(seed) % 64);
    switch (roll(seed) % 6) {
    case 0:
        return number / 1000000 * 1000000;
    case 1:
        return number / 1000000 * 1000000 + 999999;
    case 2:
        return number / UINT64_C(86400000000) * UINT64_C(86400000000);
    case 3:
        return number / UINT64_C(86400000000) * UINT64_C(86400000000) + UINT64_C(86399999999);
    default:
        return number;
    }
}

static void any_range_comes_back(void **state)
{
    (void)state;
    const char *given = getenv("BATPAK_SEED");
    uint64_t seed = given != NULL ? strtoull(given, NULL, 0) : 88172645463325252u;
    printf("BATPAK_SEED=%llu\n", (unsigned long long)seed);
    for (int i = 0; i < 20000; i++) {
        bp_region region = bp_region_all();
        int64_t low = (int64_t)some(&seed);
        uint64_t hlc = some(&seed);
        bp_region_set_time_us(&region, low, roll(&seed) % 3 == 0 ? low : (int64_t)some(&seed));
        bp_region_set_committed(&region, hlc, roll(&seed) % 3 == 0 ? hlc | 0xffff : some(&seed));
        bp_region_set_clock(&region, some(&seed), some(&seed));
        char text[256];
        char again[256];
        (void)bp_region_format(&region, text, sizeof text);
        bp_region back;
        bp_region_text *owner = NULL;
        assert_int_equal(bp_region_parse(NULL, text, &back, &owner, NULL), BP_OK);
        bp_region_text_free(owner);
        assert_int_equal(back.time_min_us, region.time_min_us);
        assert_int_equal(back.time_max_us, region.time_max_us);
        assert_int_equal(back.committed_min, region.committed_min);
        assert_int_equal(back.committed_max, region.committed_max);
        assert_int_equal(back.clock_min, region.clock_min);
        assert_int_equal(back.clock_max, region.clock_max);
        (void)bp_region_format(&back, again, sizeof again);
        assert_string_equal(text, again);
    }
}

static bp_event example(void)
{
    static const bp_id causes[] = {{{1}}, {{2}}};
    return (bp_event){
        .sequence = 7,
        .id = {{9}},
        .correlation = {{8}},
        .hlc = BP_HLC_MIN_OF_MS(1000) + 3,
        .time_us = 5000,
        .clock = 4,
        .kind = BP_KIND(3, 1),
        .lane = 2,
        .cause_count = 2,
        .causes = causes,
        .entity = bp_text_of("order:1"),
        .scope = bp_text_of("eu"),
    };
}

static bool matches(const char *text)
{
    bp_event event = example();
    bp_region region;
    bp_region_text *owner = NULL;
    assert_int_equal(bp_region_parse(NULL, text, &region, &owner, NULL), BP_OK);
    bool matched = bp_region_matches(&region, &event);
    bp_region_text_free(owner);
    return matched;
}

static void hinted(const char *text, const char *hint)
{
    bp_region region;
    bp_region_text *owner = NULL;
    bp_error error;
    assert_int_equal(bp_region_parse(NULL, text, &region, &owner, &error), BP_ERR_FORMAT);
    if (strstr(error.hint, hint) == NULL) {
        fail_msg("%s: the hint is %s", text, error.hint);
    }
}

static void each_field_says_how_it_is_written(void **state)
{
    (void)state;
    hinted("foo", "fields are entity scope");
    hinted("entity=e*", "entity=order:*");
    hinted("kind=zz", "15:1");
    hinted("time=2026..", "time=2026-01-01..2026-12-31");
    hinted("time=..2026", "time=2026-01-01..2026-12-31");
    hinted("committed=2026..", "ms.counter");
    hinted("clock=x", "3..5");
    hinted("category=99", "0xF");
    hinted("cause=1", "an id");
    hinted("lane=", "lane=0");
    hinted("scope=", "scope=eu");
    hinted("system=maybe", "system=yes");
    hinted("tombstoned=maybe", "tombstoned=no");
}

/* A star alone is no prefix: said where it stands bare, a part of the name where it is quoted. */
static void a_star_without_a_colon_is_asked_about(void **state)
{
    (void)state;
    refused("entity=e*", "region, column 8: entity: a star alone makes no prefix");
    refused("time=2026..2027", "region, column 6: time: a year alone is no time");
    same("entity=\"e*\"", "entity=\"e*\"");
    same("entity=\"e:\\*\"", "entity=\"e:\\*\"");
    same("entity=e:*", "entity=e:*");
    same("committed=2026.5", "committed=2026.5");
    assert_false(matches("entity=\"order:1*\""));
}

static void every_field_is_applied(void **state)
{
    (void)state;
    static const char *const good[] = {"",
                                       "entity=order:1",
                                       "entity=order:*",
                                       "entity=order:1:*",
                                       "scope=eu",
                                       "kind=3:1",
                                       "category=3",
                                       "clock=4",
                                       "clock=..4",
                                       "sequence=7..",
                                       "lane=2",
                                       "time=5000",
                                       "committed=1000",
                                       "committed=1000.3",
                                       "correlation=08000000000000000000000000000000",
                                       "cause=02000000000000000000000000000000"};
    static const char *const bad[] = {"entity=order",
                                      "entity=order:10",
                                      "entity=ord:*",
                                      "entity=order:1x:*",
                                      "scope=eu:*",
                                      "kind=3:2",
                                      "category=4",
                                      "clock=5..",
                                      "sequence=..6",
                                      "lane=0",
                                      "time=5001..",
                                      "committed=1000.4..",
                                      "committed=..999",
                                      "correlation=09000000000000000000000000000000",
                                      "cause=03000000000000000000000000000000"};
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        assert_true(matches(good[i]));
    }
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        assert_false(matches(bad[i]));
    }
}

static void system_events_only_when_asked(void **state)
{
    (void)state;
    bp_event event = example();
    event.entity = bp_text_of(BP_SYSTEM_ENTITY);
    bp_region region = bp_region_all();
    assert_false(bp_region_matches(&region, &event));
    assert_false(bp_region_matches(NULL, &event));
    bp_region_set_system(&region, true);
    assert_true(bp_region_matches(&region, &event));
    region = bp_region_stream(BP_SYSTEM_ENTITY);
    assert_true(bp_region_matches(&region, &event));
}

static void a_region_that_was_not_made_matches_nothing(void **state)
{
    (void)state;
    bp_event event = example();
    bp_region region = {0};
    assert_false(bp_region_matches(&region, &event));
    region = bp_region_all();
    region.fields = 1u << 20;
    assert_false(bp_region_matches(&region, &event));
}

/* Every character of a time at its place, and every number within its bounds. */
static void every_mistake_in_a_time_is_found(void **state)
{
    static const char *const wrong[] = {
        "time=20x6-01-01",
        "time=2026/01-01",
        "time=2026-x1-01",
        "time=2026-01/01",
        "time=2026-01-0x",
        "time=0000-01-01",
        "time=2026-00-01",
        "time=2026-13-01",
        "time=2026-01-00",
        "time=2026-04-31",
        "time=2025-02-29",
        "time=1900-02-29",
        "time=2026-01-01t00:00:00Z",
        "time=2026-01-01T00:00:00z",
        "time=2026-01-01Tx0:00:00Z",
        "time=2026-01-01T00.00:00Z",
        "time=2026-01-01T00:x0:00Z",
        "time=2026-01-01T00:00.00Z",
        "time=2026-01-01T00:00:x0Z",
        "time=2026-01-01T24:00:00Z",
        "time=2026-01-01T00:60:00Z",
        "time=2026-01-01T00:00:60Z",
        "time=2026-01-01T00:00:00,5Z",
        "time=2026-01-01T00:00:00.Z",
        "time=2026-01-01T00:00:00.1234567Z",
        "time=2026-01-01T00:00:00.12x4Z",
        "time=2026-01-01T",
        "time=-",
        "time=--5",
        "time=9223372036854775808",
        "time=-9223372036854775809",
        "committed=1767225600000.",
        "committed=1767225600000.x",
        "committed=1767225600000.65536",
        "committed=.5",
        "committed=281474976710656",
    };
    bp_region region;
    (void)state;
    for (size_t index = 0; index < sizeof wrong / sizeof *wrong; index++) {
        bp_error error = {0};
        bp_region_text *owner = NULL;
        bp_status status = bp_region_parse(NULL, wrong[index], &region, &owner, &error);
        if (status != BP_ERR_FORMAT || owner != NULL || error.message[0] == '\0') {
            fail_msg("%s is answered %s: %s", wrong[index], bp_status_name(status), error.message);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_mistake_in_a_time_is_found),
        cmocka_unit_test(every_field_reads_and_prints),
        cmocka_unit_test(names_are_quoted_only_where_they_must_be),
        cmocka_unit_test(times_are_iso_and_as_short_as_they_can_be),
        cmocka_unit_test(a_day_or_a_second_as_upper_end_is_its_last_instant),
        cmocka_unit_test(what_is_wrong_is_told_by_field_and_column),
        cmocka_unit_test(arguments_that_are_null_are_refused),
        cmocka_unit_test(a_text_is_cut_to_the_buffer),
        cmocka_unit_test(any_range_comes_back),
        cmocka_unit_test(each_field_says_how_it_is_written),
        cmocka_unit_test(a_star_without_a_colon_is_asked_about),
        cmocka_unit_test(every_field_is_applied),
        cmocka_unit_test(system_events_only_when_asked),
        cmocka_unit_test(a_region_that_was_not_made_matches_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
