/*
 * test_memory.c: allocation through a table that counts and fails, the growing buffer, numbers in bytes.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "base/compiler.h"
#include "base/memory.h"

typedef struct counter {
    size_t bytes; /* out now */
    int left;     /* calls that still succeed; negative: all do */
} counter;

static bool spend(counter *count)
{
    if (count->left == 0) {
        return false;
    }
    count->left -= count->left > 0;
    return true;
}

static void *count_allocate(void *context, size_t size)
{
    counter *count = context;
    if (!spend(count)) {
        return NULL;
    }
    count->bytes += size;
    return malloc(size);
}

static void *count_resize(void *context, void *memory, size_t old_size, size_t size)
{
    counter *count = context;
    if (!spend(count)) {
        return NULL;
    }
    count->bytes += size - old_size;
    return realloc(memory, size);
}

static void count_release(void *context, void *memory, size_t size)
{
    counter *count = context;
    count->bytes -= size;
    free(memory);
}

static counter count;
static const bp_allocator counting = {
    .size = sizeof(bp_allocator),
    .context = &count,
    .allocate = count_allocate,
    .resize = count_resize,
    .release = count_release,
};

static int setup(void **state)
{
    (void)state;
    count = (counter){.bytes = 0, .left = -1};
    return 0;
}

static void what_is_taken_is_given_back(void **state)
{
    (void)state;
    void *memory = bpi_allocate(&counting, 100);
    assert_int_equal(count.bytes, 100);
    memory = bpi_resize(&counting, memory, 100, 250);
    assert_int_equal(count.bytes, 250);
    bpi_release(&counting, memory, 250);
    assert_int_equal(count.bytes, 0);
    bpi_release(&counting, NULL, 77);
    assert_int_equal(count.bytes, 0);
}

static void nothing_is_null(void **state)
{
    (void)state;
    assert_null(bpi_allocate(&counting, 0));
    assert_null(bpi_allocate_zero(&counting, 0));
    assert_null(bpi_allocate_array(&counting, 0, 8));
    void *memory = bpi_allocate(&counting, 10);
    assert_null(bpi_resize(&counting, memory, 10, 0));
    assert_int_equal(count.bytes, 0);
}

static void zeroed_means_zeros(void **state)
{
    (void)state;
    uint8_t *memory = bpi_allocate_zero(&counting, 1000);
    assert_true(bpi_all_zero(memory, 1000));
    memset(memory, 1, 1000);
    bpi_release(&counting, memory, 1000);
    memory = bpi_allocate_array(&counting, 100, 10);
    assert_true(bpi_all_zero(memory, 1000));
    bpi_release(&counting, memory, 1000);
}

static void an_array_that_overflows_is_refused(void **state)
{
    (void)state;
    assert_null(bpi_allocate_array(&counting, SIZE_MAX / 2, 3));
    assert_null(bpi_allocate_array(&counting, (size_t)1 << 33, (size_t)1 << 33));
    assert_int_equal(count.bytes, 0);
}

static void failure_is_null_and_changes_nothing(void **state)
{
    bpi_buffer buffer;
    (void)state;
    count.left = 0;
    assert_null(bpi_allocate(&counting, 10));
    assert_null(bpi_allocate_zero(&counting, 10));
    bpi_buffer_init(&buffer, &counting);
    assert_false(bpi_buffer_append(&buffer, "x", 1));
    count.left = 1;
    assert_true(bpi_buffer_append(&buffer, "hello", 5));
    assert_false(bpi_buffer_reserve(&buffer, 100000));
    assert_false(bpi_buffer_reserve(&buffer, SIZE_MAX));
    assert_false(bpi_buffer_reserve(&buffer, SIZE_MAX / 2));
    assert_int_equal(buffer.size, 5);
    assert_memory_equal(buffer.data, "hello", 5);
    bpi_buffer_fini(&buffer);
    assert_int_equal(count.bytes, 0);
}

static void a_buffer_holds_what_is_appended(void **state)
{
    bpi_buffer buffer;
    (void)state;
    bpi_buffer_init(&buffer, &counting);
    assert_true(bpi_buffer_append(&buffer, NULL, 0));
    for (unsigned index = 0; index < 10000; index++) {
        uint8_t bytes[4];
        bpi_put32(bytes, index);
        assert_true(bpi_buffer_append(&buffer, bytes, sizeof(bytes)));
    }
    assert_int_equal(buffer.size, 40000);
    assert_true(buffer.capacity < 2 * 65536);
    for (unsigned index = 0; index < 10000; index++) {
        assert_int_equal(bpi_get32(buffer.data + (size_t)4 * index), index);
    }
    bpi_buffer_fini(&buffer);
    bpi_buffer_fini(&buffer);
    assert_int_equal(count.bytes, 0);
}

static void the_system_allocator_works(void **state)
{
    const bp_allocator *system = bp_allocator_system();
    (void)state;
    uint8_t *memory = bpi_allocate(system, 100);
    assert_non_null(memory);
    memset(memory, 7, 100);
    memory = bpi_resize(system, memory, 100, 100000);
    assert_int_equal(memory[99], 7);
    bpi_release(system, memory, 100000);
}

static void numbers_are_little_endian_anywhere(void **state)
{
    uint8_t bytes[16] = {0};
    (void)state;
    bpi_put64(bytes + 1, UINT64_C(0x8877665544332211));
    assert_memory_equal(bytes, "\x00\x11\x22\x33\x44\x55\x66\x77\x88\x00", 10);
    assert_true(bpi_get64(bytes + 1) == UINT64_C(0x8877665544332211));
    assert_true(bpi_get32(bytes + 5) == 0x88776655u);
    assert_int_equal(bpi_get16(bytes + 7), 0x8877);
    bpi_put16(bytes + 3, 0xfedc);
    assert_int_equal(bpi_get16(bytes + 3), 0xfedc);
    assert_int_equal(bpi_round_up(0, 64), 0);
    assert_int_equal(bpi_round_up(1, 64), 64);
    assert_int_equal(bpi_round_up(64, 64), 64);
}

static void products_are_whole(void **state)
{
    uint64_t high;
    (void)state;
    uint64_t low = bpi_multiply(UINT64_MAX, UINT64_MAX, &high);
    assert_true(low == 1 && high == UINT64_MAX - 1);
    low = bpi_multiply(UINT64_C(1) << 40, UINT64_C(3) << 40, &high);
    assert_true(low == 0 && high == UINT64_C(3) << 16);
    low = bpi_multiply(UINT64_C(0x123456789abcdef0), UINT64_C(0xfedcba9876543210), &high);
    assert_true(low == UINT64_C(0x236d88fe5618cf00) && high == UINT64_C(0x121fa00ad77d7422));
}

static void all_zero_sees_every_byte(void **state)
{
    uint8_t bytes[100] = {0};
    (void)state;
    assert_true(bpi_all_zero(bytes, 0));
    assert_true(bpi_all_zero(bytes, 100));
    for (size_t index = 0; index < 100; index++) {
        bytes[index] = 1;
        assert_false(bpi_all_zero(bytes, 100));
        bytes[index] = 0;
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(what_is_taken_is_given_back, setup),
        cmocka_unit_test_setup(nothing_is_null, setup),
        cmocka_unit_test_setup(zeroed_means_zeros, setup),
        cmocka_unit_test_setup(an_array_that_overflows_is_refused, setup),
        cmocka_unit_test_setup(failure_is_null_and_changes_nothing, setup),
        cmocka_unit_test_setup(a_buffer_holds_what_is_appended, setup),
        cmocka_unit_test(the_system_allocator_works),
        cmocka_unit_test(numbers_are_little_endian_anywhere),
        cmocka_unit_test(products_are_whole),
        cmocka_unit_test(all_zero_sees_every_byte),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
