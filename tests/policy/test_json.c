/*
 * test_json.c: looking into payloads: what JSON is, members by path, hostile bytes.
 */
#include "policy/json.h"
#include "support/check.h"

static const char *check(const char *text, bpi_json_value *value)
{
    bpi_json_value own;
    return bpi_json_check(text, strlen(text), value != NULL ? value : &own);
}

static void json_is_told_from_what_is_none(void **state)
{
    (void)state;
    const char *const good[] = {"0",
                                "-0",
                                "1.5e+10",
                                "[]",
                                "{}",
                                " [1 , {\"a\" : [ ] } ,\tnull ] ",
                                "\"\\ud83d\\ude00\"",
                                "true",
                                "{\"a\":{\"b\":[{},{}]},\"c\":\"\"}",
                                "\"\xc2\x80\xe2\x82\xac\""};
    const char *const bad[] = {"",           " ",     "01",  "1.",       "-",  "[1,]",     "{\"a\"}",
                               "{\"a\":1,}", "[1 2]", "tru", "nulll",    "\"", "\"\\x\"",  "\"\n\"",
                               "{a:1}",      "]",     "[}",  "{\"a\":}", "1e", "\"\xff\"", "\"\\u12\"",
                               "[[]",        "{}{}",  "+1",  "\"\xc3\""};
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        const char *wrong = check(good[i], NULL);
        CHECK(wrong == NULL, "%s: %s", good[i], wrong);
    }
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        CHECK(check(bad[i], NULL) != NULL, "%s was taken", bad[i]);
    }
}

static void nesting_ends_at_64(void **state)
{
    (void)state;
    char text[131];
    memset(text, '[', 65);
    memset(text + 65, ']', 65);
    text[130] = '\0';
    assert_non_null(check(text, NULL));
    text[129] = '\0';
    assert_null(check(text + 1, NULL));
}

static void members_are_found_by_path(void **state)
{
    (void)state;
    bpi_json_value object;
    bpi_json_value value;
    char text[32];
    size_t size = 0;
    assert_null(check("{ \"a\" : 1 , \"b\":{\"c\":{\"d\":\"x\\n\\u20ac\"} , \"e\":[1,2] }, \"\\u0061b\":true,"
                      "\"twice\":1,\"twice\":2 }",
                      &object));
    assert_int_equal(bpi_json_find(&object, "a", &value), 1);
    assert_int_equal(value.type, BPI_JSON_INTEGER);
    assert_int_equal(value.size, 1);
    assert_int_equal(bpi_json_find(&object, "b.c.d", &value), 1);
    assert_true(bpi_json_string(&value, text, sizeof text, &size));
    assert_int_equal(size, 5);
    assert_memory_equal(text, "x\n\xe2\x82\xac", 5);
    assert_false(bpi_json_string(&value, text, 3, &size));
    assert_int_equal(bpi_json_find(&object, "b.e", &value), 1);
    assert_int_equal(value.type, BPI_JSON_ARRAY);
    assert_int_equal(bpi_json_find(&object, "b.e.0", &value), 0);
    assert_int_equal(bpi_json_find(&object, "ab", &value), 1);
    assert_int_equal(value.type, BPI_JSON_BOOLEAN);
    assert_int_equal(bpi_json_find(&object, "twice", &value), 2);
    assert_int_equal(bpi_json_find(&object, "missing", &value), 0);
    assert_int_equal(bpi_json_find(&object, "", &value), 0);
    assert_null(check("\"\\ud800x\"", &value));
    assert_false(bpi_json_string(&value, text, sizeof text, &size)); /* half of a pair is no character */
}

/* Any bytes, cut anywhere: an answer, and nothing read outside (the address sanitizer looks on). */
static void any_bytes_are_only_bytes(void **state)
{
    (void)state;
    static const char seedling[] =
        "{\"a\":[1,-2.5e3,\"x\\u0041\\ud83d\\ude00\",{\"b\":null}],\"c\":true,\"d\":\"\xe2\x82\xac\"}";
    bpt_random random = {bpt_seed(5)};
    for (unsigned round = 0; round < 20000; round++) {
        size_t size = (size_t)bpt_random_below(&random, sizeof seedling);
        char *bytes = malloc(size + 1);
        assert_non_null(bytes);
        memcpy(bytes, seedling, size);
        for (uint64_t flips = bpt_random_below(&random, 4); flips > 0 && size > 0; flips--) {
            bytes[bpt_random_below(&random, size)] = (char)bpt_random_next(&random);
        }
        char *exact = realloc(bytes, size == 0 ? 1 : size);
        bpi_json_value value;
        bpi_json_value member;
        char text[64];
        size_t length = 0;
        if (bpi_json_check(exact, size, &value) == NULL && bpi_json_find(&value, "a", &member) != 0) {
            (void)bpi_json_string(&member, text, sizeof text, &length);
        }
        free(exact);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(json_is_told_from_what_is_none),
        cmocka_unit_test(nesting_ends_at_64),
        cmocka_unit_test(members_are_found_by_path),
        cmocka_unit_test(any_bytes_are_only_bytes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
