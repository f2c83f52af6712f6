/*
 * bytes.h: little-endian numbers in byte arrays at any alignment, and small arithmetic on sizes.
 */
#ifndef BPI_BASE_BYTES_H
#define BPI_BASE_BYTES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

static inline uint16_t bpi_get16(const uint8_t *bytes)
{
    return (uint16_t)(bytes[0] | (uint16_t)(bytes[1] << 8));
}

static inline uint32_t bpi_get32(const uint8_t *bytes)
{
    return (uint32_t)bytes[0] | (uint32_t)bytes[1] << 8 | (uint32_t)bytes[2] << 16 | (uint32_t)bytes[3] << 24;
}

static inline uint64_t bpi_get64(const uint8_t *bytes)
{
    return (uint64_t)bpi_get32(bytes) | (uint64_t)bpi_get32(bytes + 4) << 32;
}

static inline void bpi_put16(uint8_t *bytes, uint16_t value)
{
    bytes[0] = (uint8_t)value;
    bytes[1] = (uint8_t)(value >> 8);
}

static inline void bpi_put32(uint8_t *bytes, uint32_t value)
{
    bytes[0] = (uint8_t)value;
    bytes[1] = (uint8_t)(value >> 8);
    bytes[2] = (uint8_t)(value >> 16);
    bytes[3] = (uint8_t)(value >> 24);
}

static inline void bpi_put64(uint8_t *bytes, uint64_t value)
{
    bpi_put32(bytes, (uint32_t)value);
    bpi_put32(bytes + 4, (uint32_t)(value >> 32));
}

/* Rounds up to a multiple of a power of two. The caller knows that it does not overflow. */
static inline uint64_t bpi_round_up(uint64_t value, uint64_t multiple)
{
    return (value + multiple - 1) & ~(multiple - 1);
}

static inline bool bpi_all_zero(const uint8_t *bytes, size_t size)
{
    return size == 0 || (bytes[0] == 0 && memcmp(bytes, bytes + 1, size - 1) == 0);
}

/* memcpy that allows NULL with size 0. */
static inline void bpi_copy(void *to, const void *from, size_t size)
{
    if (size != 0) {
        memcpy(to, from, size);
    }
}

#endif
