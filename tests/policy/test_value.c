/*
 * test_value.c: values of a program's own types, alone and in lists: what can be copied and written, and what is said where it cannot.
 */
#include <batpak/outcome.h>

#include "support/check.h"

static int one = 1;

static void *same(const void *data)
{
    return data == &one ? &one : NULL;
}

static void *no_room(const void *data)
{
    (void)data;
    return NULL;
}

static const bp_value_type plain = {.size = sizeof(bp_value_type), .name = "plain"};
static const bp_value_type nameless = {.size = sizeof(bp_value_type)};
static const bp_value_type copied = {.size = sizeof(bp_value_type), .name = "copied", .copy = same};
static const bp_value_type unlucky = {.size = sizeof(bp_value_type), .name = "unlucky", .copy = no_room};

static bp_status write_list(const bp_value *values, size_t count, bp_payload_type form, const char *expected,
                            size_t size, bp_error *error)
{
    bp_output *output = bp_output_new(NULL);
    bp_outcome *outcome = bp_outcome_ok(bp_value_list(values, count));
    bp_status status = bp_outcome_encode(outcome, form, output, error);
    if (status == BP_OK) {
        CHECK(bp_output_size(output) >= size, "%zu bytes", bp_output_size(output));
        const uint8_t *end = (const uint8_t *)bp_output_data(output) + bp_output_size(output) - size;
        CHECK(memcmp(end, expected, size) == 0, "the list is written as something else: %.*s",
              (int)bp_output_size(output), (const char *)bp_output_data(output));
    }
    bp_outcome_free(outcome);
    bp_output_free(output);
    return status;
}

static void lists_are_written_with_what_is_not_there(void **state)
{
    (void)state;
    bp_error error = {0};
    bp_value values[2] = {bp_value_none(), bp_value_none()};
    CHECK_OK(write_list(values, 2, BP_PAYLOAD_JSON, "[null,null]}", 12, &error), &error);
    CHECK_OK(write_list(values, 2, BP_PAYLOAD_MSGPACK, "\xdd\x00\x00\x00\x02\xc0\xc0", 7, &error), &error);
    CHECK_OK(write_list(NULL, 0, BP_PAYLOAD_JSON, "[]}", 3, &error), &error);
    CHECK_OK(write_list(NULL, 0, BP_PAYLOAD_MSGPACK, "\xdd\x00\x00\x00\x00", 5, &error), &error);
}

static void what_has_no_written_form_is_named(void **state)
{
    (void)state;
    bp_error error = {0};
    bp_value values[3] = {bp_value_none(), bp_value_of(&plain, &one), bp_value_none()};
    CHECK_STATUS(BP_ERR_UNSUPPORTED, write_list(values, 3, BP_PAYLOAD_JSON, "", 0, &error), &error);
    CHECK_SAYS(&error, "plain");
    values[1] = bp_value_of(&nameless, &one);
    CHECK_STATUS(BP_ERR_UNSUPPORTED, write_list(values, 3, BP_PAYLOAD_MSGPACK, "", 0, &error), &error);
    CHECK_SAYS(&error, "'?'");
}

static void copies(void **state)
{
    (void)state;
    bp_error error = {0};
    bp_value copy = bp_value_none();
    bp_value value = bp_value_of(&copied, &one);
    CHECK_OK(bp_value_copy(&value, &copy, &error), &error);
    assert_ptr_equal(bp_value_data(&copy, &copied), &one);
    assert_null(bp_value_data(&copy, &plain));
    value = bp_value_none();
    CHECK_OK(bp_value_copy(&value, &copy, &error), &error);
    assert_null(copy.type);
    value = bp_value_of(&plain, &one);
    CHECK_STATUS(BP_ERR_UNSUPPORTED, bp_value_copy(&value, &copy, &error), &error);
    CHECK_SAYS(&error, "plain");
    value = bp_value_of(&nameless, &one);
    CHECK_STATUS(BP_ERR_UNSUPPORTED, bp_value_copy(&value, &copy, &error), &error);
    CHECK_SAYS(&error, "'?'");
    value = bp_value_of(&unlucky, &one);
    CHECK_STATUS(BP_ERR_NO_MEMORY, bp_value_copy(&value, &copy, &error), &error);
    assert_null(copy.type);
    static const char bytes[] = "x";
    value = bp_value_of_payload((bp_payload){.data = bytes, .size = SIZE_MAX / 2 + 1, .type = BP_PAYLOAD_RAW});
    assert_null(bp_value_payload(&value)); /* bytes that no memory holds are not looked at */
    bp_value_destroy(value);
}

static void a_list_is_copied_whole_or_not(void **state)
{
    (void)state;
    bp_error error = {0};
    bp_value copy = bp_value_none();
    bp_value values[3] = {bp_value_of(&copied, &one), bp_value_none(), bp_value_of(&unlucky, &one)};
    bp_value list = bp_value_list(values, 2);
    CHECK_OK(bp_value_copy(&list, &copy, &error), &error);
    assert_int_equal(bp_value_list_count(&copy), 2);
    assert_ptr_equal(bp_value_data(bp_value_list_at(&copy, 0), &copied), &one);
    assert_null(bp_value_list_at(&copy, 2));
    bp_value_destroy(copy);
    bp_value_destroy(list);
    list = bp_value_list(values, 3);
    CHECK_STATUS(BP_ERR_NO_MEMORY, bp_value_copy(&list, &copy, &error), &error);
    assert_null(copy.type);
    bp_value_destroy(list);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lists_are_written_with_what_is_not_there),
        cmocka_unit_test(what_has_no_written_form_is_named),
        cmocka_unit_test(copies),
        cmocka_unit_test(a_list_is_copied_whole_or_not),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
