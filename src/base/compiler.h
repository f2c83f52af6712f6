/*
 * compiler.h: the only place, beside the BP_API of the public headers, where compiler extensions are named.
 */
#ifndef BPI_BASE_COMPILER_H
#define BPI_BASE_COMPILER_H

#include <stdint.h>

#if defined(__GNUC__) || defined(__clang__)
#define BPI_PRINTF(text, first) __attribute__((format(printf, text, first)))
#define BPI_LIKELY(condition) __builtin_expect(!!(condition), 1)
#define BPI_UNLIKELY(condition) __builtin_expect(!!(condition), 0)
#define BPI_PREFETCH(address) __builtin_prefetch(address)
#define BPI_PREFETCH_TO_WRITE(address) __builtin_prefetch(address, 1)
#define BPI_ALIGNED(bytes) __attribute__((aligned(bytes)))
#else
#define BPI_PRINTF(text, first)
#define BPI_LIKELY(condition) (condition)
#define BPI_UNLIKELY(condition) (condition)
#define BPI_PREFETCH(address) ((void)(address))
#define BPI_PREFETCH_TO_WRITE(address) ((void)(address))
#define BPI_ALIGNED(bytes)
#endif

/* The 128-bit product of two numbers: returns its low half, the high half goes to *high_out. */
static inline uint64_t bpi_multiply(uint64_t a, uint64_t b, uint64_t *high_out)
{
#if defined(__SIZEOF_INT128__)
    __extension__ typedef unsigned __int128 wide;
    wide product = (wide)a * b;
    *high_out = (uint64_t)(product >> 64);
    return (uint64_t)product;
#else
    uint64_t a0 = a & 0xffffffffu, a1 = a >> 32, b0 = b & 0xffffffffu, b1 = b >> 32;
    uint64_t middle = a1 * b0 + (a0 * b0 >> 32);
    uint64_t other = a0 * b1 + (middle & 0xffffffffu);
    *high_out = a1 * b1 + (middle >> 32) + (other >> 32);
    return a * b;
#endif
}

/* The number of the lowest set bit; `bits` is not 0. */
static inline unsigned bpi_lowest_bit(uint64_t bits)
{
#if defined(__GNUC__) || defined(__clang__)
    return (unsigned)__builtin_ctzll(bits);
#else
    unsigned number = 0;
    while ((bits >> number & 1) == 0) {
        number++;
    }
    return number;
#endif
}

/* The number of the highest set bit; `bits` is not 0. */
static inline unsigned bpi_highest_bit(uint64_t bits)
{
#if defined(__GNUC__) || defined(__clang__)
    return 63 - (unsigned)__builtin_clzll(bits);
#else
    unsigned number = 63;
    while ((bits >> number & 1) == 0) {
        number--;
    }
    return number;
#endif
}

/* An inner loop's hint that it is waiting for another processor. */
static inline void bpi_cpu_relax(void)
{
#if defined(__x86_64__) || defined(__i386__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ __volatile__("yield");
#endif
}

#endif
