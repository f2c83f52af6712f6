/*
 * checksum.c: CRC32C by ISA-L, which takes and gives the register as it is; the inversions of RFC 3720 are done here.
 */
#include "base/checksum.h"

#include <isa-l/crc.h>

/* ISA-L counts in int. */
enum { PIECE_MAX = 1 << 30 };

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
    return ~state;
}
