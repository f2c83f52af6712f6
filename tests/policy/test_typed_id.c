/*
 * test_typed_id.c: ids with a type: new ones, as numbers, as text. (That mixing types does not compile is shown by
 * tests/cli/wrong_types.sh.)
 */
#include <errno.h>

#include "support/world.h"

BP_TYPED_ID(order_id, "order");
BP_TYPED_ID(customer_id, "customer");

static void new_ids_are_of_version_7_and_differ(void **state)
{
    (void)state;
    bp_error error = {0};
    order_id ids[64];
    for (size_t index = 0; index < 64; index++) {
        CHECK_OK(order_id_new(&ids[index], &error), &error);
        assert_int_equal(ids[index].id.bytes[6] >> 4, 7);
        assert_int_equal(ids[index].id.bytes[8] >> 6, 2);
        for (size_t other = 0; other < index; other++) {
            assert_false(order_id_equal(ids[index], ids[other]));
        }
    }
}

static void a_new_id_carries_the_clock_it_is_given(void **state)
{
    (void)state;
    bpt_clock clock;
    bpt_entropy entropy;
    bp_error error = {0};
    bp_id id;
    bpt_clock_init(&clock);
    bpt_entropy_init(&entropy, 1);
    atomic_store(&clock.step_us, 0);
    atomic_store(&clock.now_us, 0x123456789abcLL * 1000 + 999);
    CHECK_OK(bp_id_new(&clock.table, &entropy.table, &id, &error), &error);
    assert_memory_equal(id.bytes, "\x12\x34\x56\x78\x9a\xbc", 6);
    atomic_store(&clock.now_us, -5);
    CHECK_OK(bp_id_new(&clock.table, &entropy.table, &id, &error), &error);
    assert_memory_equal(id.bytes, "\0\0\0\0\0\0", 6);
    CHECK_STATUS(BP_ERR_ARGUMENT, bp_id_new(NULL, NULL, NULL, &error), &error);
}

static int dry(void *context, void *buffer, size_t size)
{
    (void)context;
    (void)buffer;
    (void)size;
    return EIO;
}

static void without_random_bytes_there_is_no_id(void **state)
{
    (void)state;
    const bp_random source = {.size = sizeof source, .context = NULL, .fill = dry};
    bp_error error = {0};
    bp_id id = bp_id_from_parts(1, 2);
    CHECK_STATUS(BP_ERR_IO, bp_id_new(NULL, &source, &id, &error), &error);
    CHECK_SAYS(&error, "random");
    assert_true(bp_id_high(&id) == 1 && bp_id_low(&id) == 2);
}

static void numbers_go_in_and_come_out(void **state)
{
    (void)state;
    order_id id = order_id_from_parts(0x0011223344556677u, 0x8899aabbccddeeffu);
    assert_memory_equal(id.id.bytes, "\x00\x11\x22\x33\x44\x55\x66\x77\x88\x99\xaa\xbb\xcc\xdd\xee\xff", 16);
    assert_true(order_id_high(id) == 0x0011223344556677u && order_id_low(id) == 0x8899aabbccddeeffu);
    assert_true(order_id_is_nil(order_id_nil()) && !order_id_is_nil(id));
    bp_id plain = order_id_plain(id);
    assert_true(order_id_equal(order_id_of(plain), id));
    assert_true(order_id_compare(order_id_nil(), id) < 0 && order_id_compare(id, id) == 0);
}

static void text_has_the_name_and_may_leave_it_out(void **state)
{
    static const char *const good[] = {"order:00112233445566778899aabbccddeeff",
                                       "order:00112233-4455-6677-8899-AABBCCDDEEFF", "00112233445566778899aabbccddeeff",
                                       "00112233-4455-6677-8899-aabbccddeeff"};
    static const char *const bad[] = {"customer:00112233445566778899aabbccddeeff",
                                      "orders:00112233445566778899aabbccddeeff",
                                      "orde:00112233445566778899aabbccddeeff",
                                      ":00112233445566778899aabbccddeeff",
                                      "order:order:00112233445566778899aabbccddeeff",
                                      "order:00112233445566778899aabbccddeefg",
                                      "order:00112233445566778899aabbccddeef",
                                      "order:",
                                      "order",
                                      ""};
    (void)state;
    char text[64];
    order_id id = order_id_from_parts(0x0011223344556677u, 0x8899aabbccddeeffu);
    assert_int_equal(order_id_print(id, text, sizeof text), strlen(good[0]));
    assert_string_equal(text, good[0]);
    assert_int_equal(order_id_print(id, text, 10), strlen(good[0]));
    assert_string_equal(text, "order:001");
    assert_int_equal(order_id_print(id, NULL, 0), strlen(good[0]));
    for (size_t index = 0; index < sizeof good / sizeof *good; index++) {
        order_id got = order_id_nil();
        CHECK(order_id_parse(good[index], strlen(good[index]), &got), "%s", good[index]);
        assert_true(order_id_equal(got, id));
    }
    for (size_t index = 0; index < sizeof bad / sizeof *bad; index++) {
        order_id got = id;
        CHECK(!order_id_parse(bad[index], strlen(bad[index]), &got), "%s", bad[index]);
        assert_true(order_id_equal(got, id));
    }
    assert_false(order_id_parse(NULL, 0, &id));
    customer_id other;
    assert_false(customer_id_parse(good[0], strlen(good[0]), &other));
}

static void an_event_has_an_id_of_its_own_type(void **state)
{
    (void)state;
    char text[64];
    bp_event_id id = bp_event_id_from_parts(0, 1);
    (void)bp_event_id_print(id, text, sizeof text);
    assert_string_equal(text, "event:00000000000000000000000000000001");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(new_ids_are_of_version_7_and_differ),
        cmocka_unit_test(a_new_id_carries_the_clock_it_is_given),
        cmocka_unit_test(without_random_bytes_there_is_no_id),
        cmocka_unit_test(numbers_go_in_and_come_out),
        cmocka_unit_test(text_has_the_name_and_may_leave_it_out),
        cmocka_unit_test(an_event_has_an_id_of_its_own_type),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
