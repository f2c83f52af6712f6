/*
 * test_error.c: how errors are filled in, wrapped, cut and told.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/error.h"

static void a_set_error_holds_nothing_of_the_one_before(void **state)
{
    bp_error error;
    (void)state;
    memset(&error, 0x5a, sizeof(error));
    assert_int_equal(bpi_error_set(&error, BP_ERR_CONFLICT, "clock is %d", 7), BP_ERR_CONFLICT);
    assert_int_equal(error.status, BP_ERR_CONFLICT);
    assert_string_equal(error.message, "clock is 7");
    assert_string_equal(error.file, "");
    assert_string_equal(error.hint, "");
    assert_string_equal(error.entity, "");
    assert_int_equal(error.os_error, 0);
    assert_false(error.has_offset || error.has_id || error.has_index || error.has_sequence);
}

static void no_error_is_needed(void **state)
{
    (void)state;
    assert_int_equal(bpi_error_set(NULL, BP_ERR_KIND, "x"), BP_ERR_KIND);
    assert_int_equal(bpi_error_system(NULL, ENOSPC, "x"), BP_ERR_NO_SPACE);
    assert_int_equal(bpi_error_wrap(NULL, BP_ERR_IO, "x"), BP_ERR_IO);
    bpi_error_file(NULL, "x");
    bpi_error_at(NULL, 1, "x");
    bpi_error_hint(NULL, "x");
    bpi_error_entity(NULL, bp_text_of("x"));
}

static void system_errors_map_to_statuses(void **state)
{
    static const struct {
        int os_error;
        bp_status status;
    } cases[] = {
        {ENOSPC, BP_ERR_NO_SPACE},  {EDQUOT, BP_ERR_NO_SPACE}, {ENOMEM, BP_ERR_NO_MEMORY},
        {ENOENT, BP_ERR_NOT_FOUND}, {EACCES, BP_ERR_IO},       {99999, BP_ERR_IO},
    };
    bp_error error;
    (void)state;
    for (size_t index = 0; index < sizeof(cases) / sizeof(cases[0]); index++) {
        bp_status status = bpi_error_system(&error, cases[index].os_error, "cannot open %s", "log");
        assert_int_equal(status, cases[index].status);
        assert_int_equal(error.status, status);
        assert_int_equal(error.os_error, cases[index].os_error);
        assert_memory_equal(error.message, "cannot open log: ", 17);
        assert_true(strlen(error.message) > 17);
    }
}

static void wrapping_keeps_everything_else(void **state)
{
    bp_error error;
    (void)state;
    (void)bpi_error_system(&error, EIO, "read failed");
    bpi_error_at(&error, 4096, "log/%04d.seg", 1);
    bpi_error_hint(&error, "batpak verify %s", "DIR");
    assert_int_equal(bpi_error_wrap(&error, BP_ERR_CORRUPT, "opening store '%s'", "x"), BP_ERR_CORRUPT);
    assert_int_equal(error.status, BP_ERR_CORRUPT);
    assert_int_equal(error.os_error, EIO);
    assert_int_equal(error.offset, 4096);
    assert_true(error.has_offset);
    assert_string_equal(error.file, "log/0001.seg");
    assert_string_equal(error.hint, "batpak verify DIR");
    assert_memory_equal(error.message, "opening store 'x': read failed: ", 32);
}

static void a_format_may_use_the_error_itself(void **state)
{
    bp_error error;
    (void)state;
    (void)bpi_error_set(&error, BP_ERR_IO, "first");
    (void)bpi_error_set(&error, BP_ERR_IO, "again: %s", error.message);
    assert_string_equal(error.message, "again: first");
    bpi_error_file(&error, "a");
    bpi_error_file(&error, "%s/b", error.file);
    assert_string_equal(error.file, "a/b");
}

static void wrapping_an_empty_message_tells_the_status(void **state)
{
    bp_error error = {.status = BP_ERR_CLOSED};
    (void)state;
    (void)bpi_error_wrap(&error, BP_ERR_CLOSED, "append");
    assert_string_equal(error.message, "append: closed");
}

static void long_texts_are_cut_between_characters(void **state)
{
    char text[2 * BP_ERROR_MESSAGE_SIZE];
    (void)state;
    for (size_t shift = 0; shift < 4; shift++) {
        bp_error error;
        memset(text, 'x', shift);
        for (size_t at = shift; at + 4 < sizeof(text); at += 3) {
            memcpy(text + at, "\xe2\x82\xac", 4); /* the euro sign, three bytes */
        }
        (void)bpi_error_set(&error, BP_ERR_NAME, "%s", text);
        bpi_error_entity(&error, bp_text_of(text));
        size_t length = strlen(error.message);
        size_t entity = strlen(error.entity);
        assert_true(length <= BP_ERROR_MESSAGE_SIZE - 1 && length > BP_ERROR_MESSAGE_SIZE - 5);
        assert_int_equal((length - shift) % 3, 0);
        assert_true(entity <= BP_ERROR_ENTITY_SIZE - 1 && entity > BP_ERROR_ENTITY_SIZE - 5);
        assert_int_equal((entity - shift) % 3, 0);
        (void)bpi_error_wrap(&error, BP_ERR_NAME, "wrapped");
        assert_int_equal((strlen(error.message) - shift) % 3, 0); /* "wrapped: " has nine */
    }
}

static void an_error_is_one_line(void **state)
{
    char line[256];
    bp_error error;
    (void)state;
    (void)bpi_error_set(&error, BP_ERR_CORRUPT, "frame header is damaged");
    assert_int_equal(bp_error_format(&error, line, sizeof(line)), strlen("frame header is damaged"));
    assert_string_equal(line, "frame header is damaged");
    bpi_error_at(&error, 4096, "log/0001.seg");
    bpi_error_hint(&error, "batpak repair DIR");
    size_t size = bp_error_format(&error, line, sizeof(line));
    static const char *const whole = "frame header is damaged; log/0001.seg at offset 4096; try: batpak repair DIR";
    assert_string_equal(line, whole);
    assert_int_equal(size, strlen(whole));
    bpi_error_file(&error, "MANIFEST");
    (void)bp_error_format(&error, line, sizeof(line));
    assert_string_equal(line, "frame header is damaged; MANIFEST; try: batpak repair DIR");
}

static void formatting_is_cut_like_snprintf(void **state)
{
    char line[300];
    bp_error error;
    (void)state;
    (void)bpi_error_set(&error, BP_ERR_CORRUPT, "message");
    bpi_error_at(&error, 1, "file");
    bpi_error_hint(&error, "hint");
    size_t whole = bp_error_format(&error, NULL, 0);
    assert_int_equal(whole, strlen("message; file at offset 1; try: hint"));
    for (size_t size = 1; size <= whole + 2; size++) {
        memset(line, 'Z', sizeof(line));
        assert_int_equal(bp_error_format(&error, line, size), whole);
        assert_int_equal(strlen(line), size - 1 < whole ? size - 1 : whole);
        assert_int_equal(line[size], 'Z');
    }
}

static void an_error_without_words_tells_its_status(void **state)
{
    char line[64];
    bp_error error = {.status = BP_ERR_TIMEOUT};
    (void)state;
    (void)bp_error_format(&error, line, sizeof(line));
    assert_string_equal(line, "timed out");
    (void)bp_error_format(NULL, line, sizeof(line));
    assert_string_equal(line, "done");
}

static void printing_returns_one(void **state)
{
    char line[64] = "";
    bp_error error;
    (void)state;
    FILE *stream = tmpfile();
    assert_non_null(stream);
    (void)bpi_error_set(&error, BP_ERR_IO, "oh");
    assert_int_equal(bp_print_error(stream, &error), 1);
    rewind(stream);
    assert_non_null(fgets(line, sizeof(line), stream));
    assert_string_equal(line, "oh\n");
    (void)fclose(stream);
}

static void every_status_has_a_name_and_a_text(void **state)
{
    (void)state;
    for (int status = BP_OK; status <= BP_ERR_DROPPED; status++) {
        const char *name = bp_status_name((bp_status)status);
        assert_memory_equal(name, status < BP_ERR_ARGUMENT ? "BP_" : "BP_ERR_", status < BP_ERR_ARGUMENT ? 3 : 7);
        assert_string_not_equal(name, "BP_ERR_?");
        assert_true(strlen(bp_status_text((bp_status)status)) > 0);
        for (int other = BP_OK; other < status; other++) {
            assert_string_not_equal(name, bp_status_name((bp_status)other));
        }
    }
    assert_string_equal(bp_status_name(BP_ERR_CONFLICT), "BP_ERR_CONFLICT");
    assert_string_equal(bp_status_name((bp_status)(BP_ERR_DROPPED + 1)), "BP_ERR_?");
    assert_string_equal(bp_status_name((bp_status)-1), "BP_ERR_?");
    assert_non_null(bp_status_text((bp_status)12345));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_set_error_holds_nothing_of_the_one_before),
        cmocka_unit_test(no_error_is_needed),
        cmocka_unit_test(system_errors_map_to_statuses),
        cmocka_unit_test(wrapping_keeps_everything_else),
        cmocka_unit_test(a_format_may_use_the_error_itself),
        cmocka_unit_test(wrapping_an_empty_message_tells_the_status),
        cmocka_unit_test(long_texts_are_cut_between_characters),
        cmocka_unit_test(an_error_is_one_line),
        cmocka_unit_test(formatting_is_cut_like_snprintf),
        cmocka_unit_test(an_error_without_words_tells_its_status),
        cmocka_unit_test(printing_returns_one),
        cmocka_unit_test(every_status_has_a_name_and_a_text),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
