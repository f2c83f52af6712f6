/*
 * test_outcome_read.c: numbers, texts, ids and bytes of JSON and MessagePack as the readers of outcomes take them: what is one, what
 * is none, and what does not fit.
 */
#include "policy/outcome_read.h"

#include "support/check.h"

/* In memory that ends where the text ends, for the sanitizers; judged before it is looked at. */
static bpi_reader reader_of(const void *bytes, size_t size, bool msgpack)
{
    uint8_t *copy = malloc(size);
    assert_non_null(copy);
    memcpy(copy, bytes, size);
    bpi_reader reader = {copy, size, msgpack};
    size_t at = 0;
    const char *wrong = NULL;
    CHECK(bpi_read_skip(&reader, &at, BPI_READ_DEPTH, &wrong) && at == size, "%s at %zu", wrong, at);
    return reader;
}

static void done(bpi_reader reader)
{
    free((void *)(uintptr_t)reader.data);
}

static void whole_numbers(void **state)
{
    (void)state;
    static const struct {
        const char *bytes;
        size_t size;
        bool msgpack;
        bool good;
        uint64_t number;
    } cases[] = {
        {"0", 1, false, true, 0},
        {"7", 1, false, true, 7},
        {"\"7\"", 3, false, true, 7},
        {"\"18446744073709551615\"", 22, false, true, UINT64_MAX},
        {"18446744073709551615", 20, false, true, UINT64_MAX},
        {"\"18446744073709551616\"", 22, false, false, 0},
        {"99999999999999999999", 20, false, false, 0},
        {"\"\"", 2, false, false, 0},
        {"\"0x7\"", 5, false, false, 0},
        {"\"7 \"", 4, false, false, 0},
        {"\"000000000000000000000000000007\"", 32, false, false, 0},
        {"-7", 2, false, false, 0},
        {"7.0", 3, false, false, 0},
        {"7e0", 3, false, false, 0},
        {"true", 4, false, false, 0},
        {"null", 4, false, false, 0},
        {"[7]", 3, false, false, 0},
        {"{}", 2, false, false, 0},
        {"\x07", 1, true, true, 7},
        {"\xff", 1, true, false, 0}, /* -1 */
        {"\xcc\xff", 2, true, true, 255},
        {"\xcd\x01\x00", 3, true, true, 256},
        {"\xd0\x7f", 2, true, true, 127},
        {"\xd0\x80", 2, true, false, 0},
        {"\xd1\x7f\xff", 3, true, true, 32767},
        {"\xd1\x80\x00", 3, true, false, 0},
        {"\xd3\x80\x00\x00\x00\x00\x00\x00\x00", 9, true, false, 0},
        {"\xcf\xff\xff\xff\xff\xff\xff\xff\xff", 9, true, true, UINT64_MAX},
        {"\xca\x00\x00\x00\x00", 5, true, false, 0}, /* 0.0 */
        {"\xa1\x37", 2, true, false, 0},             /* "7" */
        {"\xc0", 1, true, false, 0},
        {"\xc3", 1, true, false, 0},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        uint64_t number = 0;
        bpi_reader reader = reader_of(cases[i].bytes, cases[i].size, cases[i].msgpack);
        bool good = bpi_read_uint(&reader, 0, UINT64_MAX, &number);
        CHECK(good == cases[i].good && (!good || number == cases[i].number), "case %zu: %d, %llu", i, good,
              (unsigned long long)number);
        CHECK(!bpi_read_uint(&reader, 0, cases[i].number - 1, &number) || cases[i].number == 0, "case %zu has a limit",
              i);
        done(reader);
    }
}

static void texts_and_ids(void **state)
{
    (void)state;
    static const struct {
        const char *bytes;
        size_t size;
        bool msgpack;
        bool text; /* of at most 4 bytes */
        bool id;
    } cases[] = {
        {"\"abcd\"", 6, false, true, false},
        {"\"abcde\"", 7, false, false, false},
        {"\"\\u00e4\\u00e4\"", 14, false, true, false},
        {"7", 1, false, false, false},
        {"\"019b76da-a800-7708-890a-0b0c0d0e0f10\"", 38, false, false, true},
        {"\"019b76da-a800-7708-890a-0b0c0d0e0f1\"", 37, false, false, false},
        {"\"019b76da-a800-7708-890a-0b0c0d0e0f1000\"", 40, false, false, false},
        {"null", 4, false, false, false},
        {"\xa4"
         "abcd",
         5, true, true, false},
        {"\xa5"
         "abcde",
         6, true, false, false},
        {"\xd9\x02\xc3\xa4", 4, true, true, false},
        {"\xd9\x02\xc3\x28", 4, true, false, false}, /* no UTF-8 */
        {"\xc4\x02"
         "ab",
         4, true, false, false},
        {"\xc4\x10"
         "0123456789abcdef",
         18, true, false, true},
        {"\xc4\x0f"
         "0123456789abcde",
         17, true, false, false},
        {"\xd8\x01"
         "0123456789abcdef",
         18, true, false, false}, /* an extension is no id */
        {"\xb0"
         "0123456789abcdef",
         17, true, false, false},
        {"\x90", 1, true, false, false},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char text[4];
        bp_id id;
        size_t size = 0;
        bpi_reader reader = reader_of(cases[i].bytes, cases[i].size, cases[i].msgpack);
        CHECK(bpi_read_text(&reader, 0, text, sizeof text, &size) == cases[i].text, "case %zu as text", i);
        CHECK(bpi_read_id(&reader, 0, &id) == cases[i].id, "case %zu as id", i);
        done(reader);
    }
}

static void bytes_have_one_way_of_writing(void **state)
{
    (void)state;
    static const struct {
        const char *bytes;
        size_t size;
        bool msgpack;
        const char *is; /* NULL: none */
    } cases[] = {
        {"\"\"", 2, false, ""},
        {"\"YQ==\"", 6, false, "a"},
        {"\"YWI=\"", 6, false, "ab"},
        {"\"YWJj\"", 6, false, "abc"},
        {"\"+/+/\"", 6, false, "\xfb\xff\xbf"},
        {"\"YQ\"", 4, false, NULL},
        {"\"YQ=\"", 5, false, NULL},
        {"\"YR==\"", 6, false, NULL}, /* bits that are nowhere */
        {"\"YWJ=\"", 6, false, NULL},
        {"\"Y===\"", 6, false, NULL},
        {"\"YQ==YQ==\"", 10, false, NULL},
        {"\"YQ=a\"", 6, false, NULL},
        {"\"Y{==\"", 6, false, NULL},
        {"\"Y[aa\"", 6, false, NULL},
        {"\"Y@aa\"", 6, false, NULL},
        {"\"Y:aa\"", 6, false, NULL},
        {"\"Y-aa\"", 6, false, NULL},
        {"\"YWJjYWJjYWJjYWJjYWJj\"", 22, false, NULL}, /* more than there is room for */
        {"7", 1, false, NULL},
        {"\xc4\x03"
         "abc",
         5, true, "abc"},
        {"\xc4\x00", 2, true, ""},
        {"\xc4\x11"
         "0123456789abcdefg",
         19, true, NULL},
        {"\xa3"
         "abc",
         4, true, NULL},
        {"\xd4\x01"
         "a",
         3, true, NULL},
        {"\xc7\x01\x01"
         "a",
         4, true, NULL},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        uint8_t out[16];
        size_t size = 0;
        bpi_reader reader = reader_of(cases[i].bytes, cases[i].size, cases[i].msgpack);
        bool good = bpi_read_bytes(&reader, 0, out, sizeof out, &size);
        CHECK(good == (cases[i].is != NULL), "case %zu: %d", i, good);
        CHECK(!good || (size == strlen(cases[i].is) && memcmp(out, cases[i].is, size) == 0), "case %zu is another", i);
        done(reader);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(whole_numbers),
        cmocka_unit_test(texts_and_ids),
        cmocka_unit_test(bytes_have_one_way_of_writing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
