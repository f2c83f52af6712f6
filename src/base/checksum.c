/*
 * checksum.c: CRC32C by ISA-L, which takes and gives the register as it is; the inversions of RFC 3720 are done here.
 */
#include "base/checksum.h"

#include <isa-l/crc.h>
#ifdef __x86_64__
#include <immintrin.h>
#endif

/* ISA-L counts in int. */
enum { PIECE_MAX = 1 << 30 };

/*
 * ISA-L 2.30 comes back with the upper parts of the vector registers in use: there is no vzeroupper in it. On Intel's
 * processors every SSE instruction behind that has to keep the upper part of the register it writes, until something clears
 * them: what we compile, and what calls us, then takes two to three times as long.
 */
#ifdef __x86_64__
__attribute__((target("avx"))) static void clear_upper_parts(void)
{
    _mm256_zeroupper();
}

static void leave_registers(void)
{
    if (__builtin_cpu_supports("avx")) {
        clear_upper_parts();
    }
}
#else
static void leave_registers(void)
{
}
#endif

uint32_t bpi_crc32c(uint32_t crc, const void *data, size_t size)
{
    /* ISA-L only reads, though its parameter is not const. */
    unsigned char *bytes = (unsigned char *)(uintptr_t)data;
    uint32_t state = ~crc;
    while (size > PIECE_MAX) {
        state = crc32_iscsi(bytes, PIECE_MAX, state);
        bytes += PIECE_MAX;
        size -= PIECE_MAX;
    }
    if (size != 0) {
        state = crc32_iscsi(bytes, (int)size, state);
    }
    leave_registers();
    return ~state;
}
