/*
 * test_text.c: which bytes are a name, and what is said about those that are none.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "base/text.h"

static bool valid(const char *bytes, size_t size)
{
    bp_error error = {0};
    bp_text name = {.data = bytes, .size = size};
    bp_status status = bpi_name_check(name, "entity", BP_NAME_MAX, &error);
    bool same = bpi_name_valid((const uint8_t *)bytes, size, BP_NAME_MAX);
    assert_int_equal(status == BP_OK, same);
    assert_true(status == BP_OK || (status == BP_ERR_NAME && error.status == BP_ERR_NAME));
    assert_int_equal(bpi_name_check(name, "entity", BP_NAME_MAX, NULL), status);
    return same;
}

static void ordinary_names_are_fine(void **state)
{
    static const char *const names[] = {
        "a",
        "order:1",
        "a b",
        "~",
        "user@example.org",
        "\xc2\xa0",
        "Gr\xc3\xbc\xc3\x9fgott",
        "\xe2\x82\xac",
        "\xf0\x9f\xa6\x87",
        "\xed\x9f\xbf",
        "\xee\x80\x80",
        "\xf4\x8f\xbf\xbf",
        "\xe0\xa0\x80",
        "\xf0\x90\x80\x80",
        "12345678",
        "123456789abcdef",
    };
    (void)state;
    for (size_t index = 0; index < sizeof(names) / sizeof(names[0]); index++) {
        assert_true(valid(names[index], strlen(names[index])));
    }
}

static void length_is_bounded(void **state)
{
    char name[BP_NAME_MAX + 1];
    (void)state;
    memset(name, 'x', sizeof(name));
    assert_false(valid(name, 0));
    assert_false(valid(NULL, 0));
    assert_true(valid(name, BP_NAME_MAX));
    assert_false(valid(name, BP_NAME_MAX + 1));
    assert_true(bpi_name_valid((const uint8_t *)name, 255, 255));
    assert_false(bpi_name_valid((const uint8_t *)name, 256, 255));
}

/* At every place of a name, in the eight-at-once part and beside it. */
static void every_control_character_is_refused_everywhere(void **state)
{
    (void)state;
    for (unsigned value = 0; value < 128; value++) {
        for (size_t place = 0; place < 20; place++) {
            char name[20];
            memset(name, 'x', sizeof(name));
            name[place] = (char)value;
            assert_int_equal(valid(name, sizeof(name)), value >= 0x20 && value != 0x7f);
        }
    }
    for (unsigned value = 0x80; value < 0xc0; value++) {
        char name[4] = {'x', (char)0xc2, (char)value, 'x'};
        assert_int_equal(valid(name, sizeof(name)), value >= 0xa0);
    }
}

static void what_is_not_utf8_is_refused(void **state)
{
    static const char *const names[] = {
        "\x80",
        "\xbf",
        "\xc0\x80",
        "\xc1\xbf",
        "\xc3",
        "x\xc3",
        "\xc3x",
        "\xe2\x82",
        "\xe2\x28\xa1",
        "\xe0\x80\x80",
        "\xe0\x9f\xbf",
        "\xed\xa0\x80",
        "\xed\xbf\xbf",
        "\xf0\x80\x80\x80",
        "\xf0\x8f\xbf\xbf",
        "\xf4\x90\x80\x80",
        "\xf5\x80\x80\x80",
        "\xf0\x9f\xa6",
        "\xff",
        "\xfe",
        "12345678\x80",
        "1234567\xe2\x82",
    };
    (void)state;
    for (size_t index = 0; index < sizeof(names) / sizeof(names[0]); index++) {
        assert_false(valid(names[index], strlen(names[index])));
    }
}

/* Encodes a number by the rules of UTF-8 without asking whether it may be. */
static size_t encode(uint32_t code, char bytes_out[4])
{
    if (code < 0x80) {
        bytes_out[0] = (char)code;
        return 1;
    }
    if (code < 0x800) {
        bytes_out[0] = (char)(0xc0 | code >> 6);
        bytes_out[1] = (char)(0x80 | (code & 0x3f));
        return 2;
    }
    if (code < 0x10000) {
        bytes_out[0] = (char)(0xe0 | code >> 12);
        bytes_out[1] = (char)(0x80 | (code >> 6 & 0x3f));
        bytes_out[2] = (char)(0x80 | (code & 0x3f));
        return 3;
    }
    bytes_out[0] = (char)(0xf0 | code >> 18);
    bytes_out[1] = (char)(0x80 | (code >> 12 & 0x3f));
    bytes_out[2] = (char)(0x80 | (code >> 6 & 0x3f));
    bytes_out[3] = (char)(0x80 | (code & 0x3f));
    return 4;
}

static void every_code_point_is_judged_rightly(void **state)
{
    (void)state;
    for (uint32_t code = 0; code < 0x1fffff; code++) {
        char bytes[4];
        bool control = code < 0x20 || (code >= 0x7f && code < 0xa0);
        bool surrogate = code >= 0xd800 && code < 0xe000;
        size_t size = encode(code, bytes);
        bool right = !control && !surrogate && code <= 0x10ffff;
        if (bpi_name_valid((const uint8_t *)bytes, size, BP_NAME_MAX) != right) {
            fail_msg("U+%04X", code);
        }
    }
}

static const char *complaint(const char *bytes, size_t size)
{
    static bp_error error;
    (void)bpi_name_check((bp_text){.data = bytes, .size = size}, "scope", 16, &error);
    return error.message;
}

static void the_message_says_what_and_where(void **state)
{
    (void)state;
    assert_string_equal(complaint("", 0), "scope is empty");
    assert_string_equal(complaint("12345678901234567", 17), "scope has 17 bytes, at most 16 are allowed");
    assert_string_equal(complaint("ab\nc", 4), "scope has a control character at byte 2");
    assert_string_equal(complaint("abc\xff", 4), "scope is not UTF-8 at byte 3 (0xff)");
    assert_string_equal(complaint(NULL, 3), "scope is a null pointer with size 3");
}

static bool utf8(const char *bytes, size_t size)
{
    return bpi_utf8_valid((const uint8_t *)bytes, size);
}

static void any_text_may_have_control_characters(void **state)
{
    (void)state;
    assert_true(utf8("", 0));
    assert_true(utf8("\0\x01\x1f\x7f\n", 5));
    assert_true(utf8("\xc2\x80\xc2\x9f\xc2\xa0", 6));
    assert_true(utf8("a\xe2\x82\xac\xf0\x9f\xa6\x87", 8));
    assert_false(utf8("\x80", 1));
    assert_false(utf8("\xc2", 1));
    assert_false(utf8("\xc0\x80", 2));
    assert_false(utf8("\xed\xa0\x80", 3));
    assert_false(utf8("\xf4\x90\x80\x80", 4));
    assert_false(utf8("a\xff", 2));
    assert_true(utf8("a\xff", 1));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ordinary_names_are_fine),
        cmocka_unit_test(length_is_bounded),
        cmocka_unit_test(every_control_character_is_refused_everywhere),
        cmocka_unit_test(what_is_not_utf8_is_refused),
        cmocka_unit_test(every_code_point_is_judged_rightly),
        cmocka_unit_test(the_message_says_what_and_where),
        cmocka_unit_test(any_text_may_have_control_characters),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
