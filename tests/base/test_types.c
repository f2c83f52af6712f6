/*
 * test_types.c: texts, coordinates, payloads and kinds.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include <batpak/types.h>

static void texts_have_a_size(void **state)
{
    (void)state;
    bp_text text = bp_text_of("hello");
    assert_int_equal(text.size, 5);
    assert_memory_equal(text.data, "hello", 5);
    assert_int_equal(bp_text_of(NULL).size, 0);
    assert_non_null(bp_text_of(NULL).data);
    assert_true(bp_text_equal(text, (bp_text){.data = "hello!", .size = 5}));
    assert_false(bp_text_equal(text, bp_text_of("hellO")));
    assert_false(bp_text_equal(text, bp_text_of("hell")));
    assert_true(bp_text_equal(bp_text_of(""), (bp_text){.data = NULL, .size = 0}));
}

static void coordinates_are_who_and_where(void **state)
{
    (void)state;
    bp_coordinate a = bp_at("order:1", "shop");
    bp_coordinate b = bp_at_bytes("order:1xxx", 7, "shopping", 4);
    assert_true(bp_text_equal(a.entity, b.entity));
    assert_true(bp_text_equal(a.scope, b.scope));
}

static void payloads_carry_type_and_version(void **state)
{
    (void)state;
    bp_payload payload = bp_json("{}");
    assert_int_equal(payload.type, BP_PAYLOAD_JSON);
    assert_int_equal(payload.size, 2);
    assert_int_equal(payload.version, 0);
    payload = bp_payload_versioned(payload, 7);
    assert_int_equal(payload.version, 7);
    assert_int_equal(payload.size, 2);
    assert_int_equal(bp_json_bytes("{}", 2).type, BP_PAYLOAD_JSON);
    assert_int_equal(bp_raw("abc", 3).type, BP_PAYLOAD_RAW);
    assert_int_equal(bp_raw(NULL, 0).size, 0);
    assert_int_equal(bp_msgpack("\xc0", 1).type, BP_PAYLOAD_MSGPACK);
}

static void kinds_are_category_and_type(void **state)
{
    (void)state;
    assert_int_equal(bp_kind(0xf, 1), 0xf001);
    assert_int_equal(bp_kind(0x1f, 0x1fff), 0xffff);
    assert_int_equal(BP_KIND(0xf, 1), bp_kind(0xf, 1));
    for (unsigned kind = 0; kind <= 0xffff; kind++) {
        bp_kind_code code = (bp_kind_code)kind;
        assert_int_equal(bp_kind(bp_kind_category(code), bp_kind_type(code)), kind);
        assert_int_equal(bp_kind_is_system(code), kind < 0x1000);
        assert_int_equal(bp_kind_is_effect(code), kind >> 12 == 0xd);
    }
}

static void reserved_kinds_are_closed(void **state)
{
    unsigned open_system = 0;
    unsigned open_effects = 0;
    unsigned open_others = 0;
    (void)state;
    for (unsigned kind = 0; kind <= 0xffff; kind++) {
        bool open = bp_kind_is_open((bp_kind_code)kind);
        open_system += open && kind >> 12 == 0;
        open_effects += open && kind >> 12 == 0xd;
        open_others += open && kind >> 12 != 0 && kind >> 12 != 0xd;
    }
    assert_int_equal(open_system, 1);
    assert_int_equal(open_effects, 6);
    assert_int_equal(open_others, 14 * 4096);
    assert_true(bp_kind_is_open(BP_KIND_DATA));
    assert_true(bp_kind_is_open(BP_KIND_CONFLICT));
    assert_false(bp_kind_is_open(0xd003));
    assert_false(bp_kind_is_open(BP_KIND_TOMBSTONE));
}

static void the_version_is_the_headers(void **state)
{
    (void)state;
    assert_string_equal(bp_version(), BP_VERSION);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(texts_have_a_size),
        cmocka_unit_test(coordinates_are_who_and_where),
        cmocka_unit_test(payloads_carry_type_and_version),
        cmocka_unit_test(kinds_are_category_and_type),
        cmocka_unit_test(reserved_kinds_are_closed),
        cmocka_unit_test(the_version_is_the_headers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
