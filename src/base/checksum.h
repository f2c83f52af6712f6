/*
 * checksum.h: CRC32C (Castagnoli), as in RFC 3720. Chainable: crc(a || b) == bpi_crc32c(bpi_crc32c(0, a), b).
 */
#ifndef BPI_BASE_CHECKSUM_H
#define BPI_BASE_CHECKSUM_H

#include <stddef.h>
#include <stdint.h>

uint32_t bpi_crc32c(uint32_t crc, const void *data, size_t size);

#endif
