/*
 * compiler.h: the only place, beside the BP_API of the public headers, where compiler extensions are named.
 */
#ifndef BPI_BASE_COMPILER_H
#define BPI_BASE_COMPILER_H

#if defined(__GNUC__) || defined(__clang__)
#define BPI_PRINTF(format, first) __attribute__((format(printf, format, first)))
#define BPI_LIKELY(condition) __builtin_expect(!!(condition), 1)
#define BPI_UNLIKELY(condition) __builtin_expect(!!(condition), 0)
#define BPI_PREFETCH(address) __builtin_prefetch(address)
#define BPI_ALIGNED(bytes) __attribute__((aligned(bytes)))
#else
#define BPI_PRINTF(format, first)
#define BPI_LIKELY(condition) (condition)
#define BPI_UNLIKELY(condition) (condition)
#define BPI_PREFETCH(address) ((void)(address))
#define BPI_ALIGNED(bytes)
#endif

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
