/*
 * test_dump_intent.c: the fields of ERASING-<id>, what breaks them, and that a dump and an opening judge alike.
 */
#include "store/dump_seen.h"

#include "base/bytes.h"
#include "base/checksum.h"
#include "log/home.h"
#include "store/intent.h"

#define NAME "ERASING-00000000000000000000000000000007"

static const bp_id record = {{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 7}};

static void sum(uint8_t *data, size_t size)
{
    bpi_put32(data + 12, bpi_crc32c(0, data + 16, size - 16));
}

/* Written from the table in docs/format.md. */
static size_t some_intent(uint8_t *data, uint32_t kind, const void *body, size_t size)
{
    memcpy(data, "BPERASE", 8);
    bpi_put32(data + 8, 1);
    memcpy(data + 16, record.bytes, 16);
    bpi_put64(data + 32, 500);
    bpi_put32(data + 40, kind);
    bpi_put32(data + 44, (uint32_t)size);
    memcpy(data + 48, body, size);
    sum(data, 48 + size);
    return 48 + size;
}

static void each_kind_names_its_fields(void **state)
{
    (void)state;
    uint8_t data[256];
    dump(NAME, data, some_intent(data, 1, "0123456789abcdef0123456789ABCDEF", 32));
    assert_int_equal(seen.bad, 0);
    assert_int_equal(seen.count, 7 + 2);
    says("intent", "version", "1");
    says("intent", "erasure record", "00000000-0000-0000-0000-000000000007");
    says("intent", "below", "500");
    says("intent", "kind", "1 ids");
    says("intent", "size", "32");
    assert_non_null(strstr(find("intent", "crc")->value, "(right)"));
    says("what is erased", "id 0", "30313233-3435-3637-3839-616263646566");
    says("what is erased", "id 1", "30313233-3435-3637-3839-414243444546");
    dump(NAME, data, some_intent(data, 2, "entity=order:7", 14));
    assert_int_equal(seen.bad, 0);
    says("what is erased", "region", "entity=order:7");
    dump(NAME, data, some_intent(data, 3, "anna\x01", 5));
    assert_int_equal(seen.bad, 0);
    says("what is erased", "subject", "escaped: anna\\x01");
}

static void each_field_out_of_range_is_marked(void **state)
{
    (void)state;
    static const struct {
        size_t offset;
        const char *name;
        uint8_t value;
    } changes[] = {{0, "magic", 'b'}, {8, "version", 2}, {31, "erasure record", 8}, {40, "kind", 0}, {44, "size", 13}};
    uint8_t data[256];
    for (size_t i = 0; i < sizeof changes / sizeof changes[0]; i++) {
        size_t size = some_intent(data, 2, "entity=order:7", 14);
        data[changes[i].offset] = changes[i].value;
        sum(data, size);
        dump(NAME, data, size);
        only_bad("intent", changes[i].name, "(");
    }
    size_t size = some_intent(data, 2, "entity=order:7", 14);
    data[50] ^= 1;
    dump(NAME, data, size);
    only_bad("intent", "crc", "wrong");
    size = some_intent(data, 9, "entity=order:7", 14);
    dump(NAME, data, size);
    only_bad("intent", "kind", "unknown");
    says("what is erased", "bytes", "entity=order:7");
    dump(NAME, data, some_intent(data, 1, "0123456789abcdef01234", 21));
    only_bad("what is erased", "id 1", "3031323334 (ends within an id)");
    dump(NAME, data, some_intent(data, 3, "", 0));
    only_bad("intent", "size", "out of range");
}

static void any_length_is_covered(void **state)
{
    (void)state;
    uint8_t data[256];
    size_t size = some_intent(data, 1, "0123456789abcdef0123456789ABCDEF", 32);
    for (size_t length = 0; length < size; length++) {
        dump(NAME, data, length);
        assert_true(seen.bad > 0);
    }
    enum { MOST = 4096 * 16 };
    static uint8_t large[48 + MOST + 1];
    static uint8_t zeros[MOST + 1];
    dump(NAME, large, some_intent(large, 1, zeros, MOST));
    assert_int_equal(seen.bad, 0);
    dump(NAME, large, some_intent(large, 3, zeros, MOST + 1));
    only_bad("intent", "size", "out of range");
    seen.stop_at = 3;
    bp_error error;
    CHECK_OK(dump_status(NAME, &error), &error);
    assert_int_equal(seen.count, seen.stop_at);
    seen.stop_at = 0;
}

static bp_status take_intent(void *argument, const bpi_intent *intent, bp_error *error)
{
    (void)error;
    *(bpi_intent_kind *)argument = intent->kind;
    return BP_OK;
}

/* What an opening takes for whole has no bad field, and what it takes for torn has one. */
static void a_dump_and_an_opening_judge_alike(void **state)
{
    (void)state;
    static const bp_id ids[2] = {{{1}}, {{2}}};
    bpi_intent intent = {.record = record, .below = 9, .kind = BPI_INTENT_IDS, .ids = ids, .id_count = 2};
    bpi_home home = {.io = bpi_fault_io(world), .allocator = bp_allocator_system()};
    bp_error error;
    CHECK_OK(bpi_home_open(&home, "s", false, &error), &error);
    CHECK_OK(bpi_intent_put(&home, &intent, &error), &error);
    bpi_home_close(&home);
    CHECK_OK(dump_status(NAME, &error), &error);
    assert_int_equal(seen.bad, 0);
    uint8_t whole[256];
    size_t size = some_intent(whole, 1, ids, sizeof ids);
    bpi_put64(whole + 32, 9);
    sum(whole, size);
    for (size_t at = 0; at < size; at++) {
        uint8_t data[256];
        memcpy(data, whole, size);
        data[at] ^= 1;
        if (at >= 16) {
            sum(data, size);
        }
        dump(NAME, data, size);
        bpi_intent_kind kind = BPI_INTENT_TORN;
        CHECK_OK(bpi_home_open(&home, "s", false, &error), &error);
        bp_status status = bpi_intents(&home, take_intent, &kind, &error);
        bpi_home_close(&home);
        CHECK((status == BP_OK && kind != BPI_INTENT_TORN) == (seen.bad == 0), "byte %zu: %zu bad, kind %d, %s", at,
              seen.bad, (int)kind, bp_status_name(status));
    }
}

static void names_of_intents(void **state)
{
    (void)state;
    static const char *const wrong[] = {"ERASING-", "ERASING-7", "ERASING-0000000000000000000000000000000g",
                                        "ERASING-000000000000000000000000000000070",
                                        "log/ERASING-00000000000000000000000000000007"};
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        bp_error error;
        CHECK_STATUS(BP_ERR_FORMAT, dump_status(wrong[i], &error), &error);
    }
    bp_error error;
    CHECK_STATUS(BP_ERR_NOT_FOUND, dump_status(NAME, &error), &error);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(each_kind_names_its_fields), TEST(each_field_out_of_range_is_marked),
        TEST(any_length_is_covered),      TEST(a_dump_and_an_opening_judge_alike),
        TEST(names_of_intents),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
