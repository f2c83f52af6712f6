/*
 * test_checksum.c: CRC32C against published values and against a bit-by-bit second implementation.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>
#ifdef __x86_64__
#include <cpuid.h>
#endif

#include "base/checksum.h"

static uint32_t bit_by_bit(uint32_t crc, const uint8_t *bytes, size_t size)
{
    crc = ~crc;
    for (size_t index = 0; index < size; index++) {
        crc ^= bytes[index];
        for (unsigned bit = 0; bit < 8; bit++) {
            crc = crc >> 1 ^ ((crc & 1u) != 0 ? 0x82f63b78u : 0u);
        }
    }
    return ~crc;
}

static void published_values(void **state)
{
    uint8_t bytes[32];
    (void)state;
    assert_int_equal(bpi_crc32c(0, "123456789", 9), 0xe3069283u);
    /* RFC 3720, B.4 */
    memset(bytes, 0, sizeof(bytes));
    assert_int_equal(bpi_crc32c(0, bytes, sizeof(bytes)), 0x8a9136aau);
    memset(bytes, 0xff, sizeof(bytes));
    assert_int_equal(bpi_crc32c(0, bytes, sizeof(bytes)), 0x62a8ab43u);
    for (size_t index = 0; index < sizeof(bytes); index++) {
        bytes[index] = (uint8_t)index;
    }
    assert_int_equal(bpi_crc32c(0, bytes, sizeof(bytes)), 0x46dd794eu);
}

static void every_size_and_alignment(void **state)
{
    uint8_t bytes[1100];
    (void)state;
    for (size_t index = 0; index < sizeof(bytes); index++) {
        bytes[index] = (uint8_t)(index * 7 + index / 256);
    }
    for (size_t size = 0; size < 1024; size++) {
        size_t shift = size % 17;
        assert_int_equal(bpi_crc32c(0, bytes + shift, size), bit_by_bit(0, bytes + shift, size));
    }
}

static void it_can_be_continued(void **state)
{
    const uint8_t text[] = "the crc of two pieces is the crc of the whole";
    (void)state;
    for (size_t cut = 0; cut < sizeof(text); cut++) {
        uint32_t first = bpi_crc32c(0, text, cut);
        assert_int_equal(bpi_crc32c(first, text + cut, sizeof(text) - cut), bpi_crc32c(0, text, sizeof(text)));
    }
}

static void nothing_changes_nothing(void **state)
{
    (void)state;
    assert_int_equal(bpi_crc32c(0, NULL, 0), 0);
    assert_int_equal(bpi_crc32c(0x12345678u, NULL, 0), 0x12345678u);
}

/*
 * Whether the upper parts of the vector registers are in use, as the processor says it; -1 where it does not. While they
 * are, Intel's processors run the SSE code of the whole program at half its speed or less.
 */
#ifdef __x86_64__
__attribute__((target("avx"))) static void clear_upper_parts(void)
{
    __asm__ volatile("vzeroupper" ::: "memory");
}

static unsigned components_in_use(void)
{
    unsigned low;
    unsigned high;
    __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(1));
    return low;
}

static int upper_parts_in_use(void)
{
    enum { OSXSAVE = 1 << 27, EXTENDED_STATE = 0xd, XGETBV_IN_USE = 1 << 2, UPPER = 1 << 2 | 1 << 6 };
    unsigned a;
    unsigned b;
    unsigned c;
    unsigned d;
    if (!__builtin_cpu_supports("avx") || __get_cpuid(1, &a, &b, &c, &d) == 0 || (c & OSXSAVE) == 0 ||
        __get_cpuid_count(EXTENDED_STATE, 1, &a, &b, &c, &d) == 0 || (a & XGETBV_IN_USE) == 0) {
        return -1;
    }
    unsigned now = components_in_use();
    clear_upper_parts();
    return (components_in_use() & UPPER) != 0 ? -1 : (now & UPPER) != 0;
}
#else
static int upper_parts_in_use(void)
{
    return -1;
}
#endif

static void vector_registers_are_left_as_sse_code_wants_them(void **state)
{
    static uint8_t bytes[65536];
    (void)state;
    if (upper_parts_in_use() < 0) {
        skip();
    }
    for (size_t size = 1; size <= sizeof(bytes); size *= 2) {
        uint32_t sum = bpi_crc32c(0, bytes, size);
        assert_int_equal(upper_parts_in_use(), 0);
        assert_int_equal(bpi_crc32c(0, bytes, size), sum);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(published_values),
        cmocka_unit_test(every_size_and_alignment),
        cmocka_unit_test(it_can_be_continued),
        cmocka_unit_test(nothing_changes_nothing),
        cmocka_unit_test(vector_registers_are_left_as_sse_code_wants_them),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
