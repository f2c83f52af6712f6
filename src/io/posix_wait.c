/*
 * posix_wait.c: sleeping on a word of a mapping, woken from any process: a futex.
 *
 * The word is the page cache's, not an address's, so that writer and readers need not map it at the same place. Waiting
 * is never trusted to be the only way to learn something: callers look again after every return.
 */
#include <errno.h>
#include <limits.h>
#include <linux/futex.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "io/posix.h"

int bpi_posix_map_wait(void *context, bp_file *file, void *address, uint64_t offset, uint32_t expected, uint32_t bits,
                       uint64_t timeout_ns)
{
    (void)context;
    (void)file;
    struct timespec until = {0};
    (void)clock_gettime(CLOCK_MONOTONIC, &until); /* FUTEX_WAIT_BITSET takes a moment, not a duration */
    uint64_t ns = (uint64_t)until.tv_nsec + timeout_ns % 1000000000u;
    until.tv_sec += (time_t)(timeout_ns / 1000000000u + ns / 1000000000u);
    until.tv_nsec = (long)(ns % 1000000000u);
    long result = syscall(SYS_futex, (uint8_t *)address + offset, FUTEX_WAIT_BITSET, expected, &until, NULL, bits);
    return result != 0 && errno == ETIMEDOUT ? ETIMEDOUT : 0;
}

void bpi_posix_map_wake(void *context, bp_file *file, void *address, uint64_t offset, uint32_t bits)
{
    (void)context;
    (void)file;
    (void)syscall(SYS_futex, (uint8_t *)address + offset, FUTEX_WAKE_BITSET, INT_MAX, NULL, NULL, bits);
}
