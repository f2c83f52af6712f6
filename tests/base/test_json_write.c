/*
 * test_json_write.c: JSON that the library writes of names and reasons: any bytes come out as valid text, and a lack of memory at
 * any place is told.
 */
#include "base/json_write.h"
#include "support/check.h"

typedef struct scarce {
    unsigned left; /* allocations that are still given */
} scarce;

static void *give(void *context, size_t size)
{
    scarce *s = context;
    return s->left > 0 && s->left-- > 0 ? malloc(size) : NULL;
}

static void *give_more(void *context, void *memory, size_t old_size, size_t size)
{
    scarce *s = context;
    (void)old_size;
    return s->left > 0 && s->left-- > 0 ? realloc(memory, size) : NULL;
}

static void take_back(void *context, void *memory, size_t size)
{
    (void)context;
    (void)size;
    free(memory);
}

static void any_bytes_come_out_as_text(void **state)
{
    (void)state;
    static const struct {
        const char *bytes;
        const char *json;
    } cases[] = {
        {"", "\"\""},
        {"plain", "\"plain\""},
        {"\"quoted\" \\ back", "\"\\\"quoted\\\" \\\\ back\""},
        {"\x01\n\x1f\x7f", "\"\\u0001\\u000a\\u001f\\u007f\""},
        {"\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80", "\"\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80\""},
        {"\xc2\x85", "\"\xc2\x85\""},
        {"\xff", "\"\xef\xbf\xbd\""},
        {"\xc3", "\"\xef\xbf\xbd\""},
        {"\xc2 ", "\"\xef\xbf\xbd \""},
        {"\xc2", "\"\xef\xbf\xbd\""},
        {"\xe2\x82", "\"\xef\xbf\xbd\xef\xbf\xbd\""},
        {"\xed\xa0\x80", "\"\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\""},
        {"\xf0\x9f\x98", "\"\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\""},
        {"a\x80z", "\"a\xef\xbf\xbdz\""},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        bpi_buffer buffer;
        bpt_note("case %zu", i);
        bpi_buffer_init(&buffer, bp_allocator_system());
        assert_true(bpi_json_put_string(&buffer, bp_text_of(cases[i].bytes)));
        assert_int_equal(buffer.size, strlen(cases[i].json));
        assert_memory_equal(buffer.data, cases[i].json, buffer.size);
        bpi_buffer_fini(&buffer);
    }
}

static bool write_all(bpi_buffer *buffer)
{
    char text[600];
    memset(text, 'x', sizeof text);
    text[100] = '"';
    text[300] = '\n';
    text[500] = '\xff';
    return bpi_json_put_raw(buffer, "{") && bpi_json_put_field(buffer, "first", (bp_text){text, sizeof text}) &&
           bpi_json_put_number(buffer, "number", UINT64_MAX) &&
           bpi_json_put_field(buffer, "last", (bp_text){text, sizeof text}) && bpi_json_put_raw(buffer, "}");
}

static void a_lack_of_memory_is_told_wherever_it_comes(void **state)
{
    (void)state;
    bool done = false;
    unsigned given = 0;
    for (; !done; given++) {
        scarce s = {.left = given};
        const bp_allocator allocator = {sizeof allocator, &s, give, give_more, take_back};
        bpi_buffer buffer;
        bpi_buffer_init(&buffer, &allocator);
        done = write_all(&buffer);
        assert_true(done || s.left == 0);
        bpi_buffer_fini(&buffer);
    }
    assert_true(given > 2);
    bpi_buffer buffer;
    bpi_buffer_init(&buffer, bp_allocator_system());
    assert_true(write_all(&buffer));
    assert_memory_equal(buffer.data, "{\"first\":\"x", 11);
    assert_non_null(memmem(buffer.data, buffer.size, ",\"number\":18446744073709551615,\"last\":", 38));
    assert_int_equal(buffer.data[buffer.size - 1], '}');
    bpi_buffer_fini(&buffer);
}

/* Each byte of room is asked for by itself: every append of the writer may be the one that fails. */
static void every_append_may_fail(void **state)
{
    (void)state;
    static uint8_t room[4096];
    for (size_t capacity = 0; capacity < 1300; capacity++) {
        scarce none = {0};
        const bp_allocator allocator = {sizeof allocator, &none, give, give_more, take_back};
        bpi_buffer buffer;
        bpi_buffer_init(&buffer, &allocator);
        buffer.data = room;
        buffer.capacity = capacity;
        assert_false(write_all(&buffer) && capacity < 1200);
        assert_true(buffer.size <= capacity);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(any_bytes_come_out_as_text),
        cmocka_unit_test(a_lack_of_memory_is_told_wherever_it_comes),
        cmocka_unit_test(every_append_may_fail),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
