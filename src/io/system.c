/*
 * system.c: this machine's clocks, random bytes and memory, as the tables that stand in when none are given.
 */
#include <errno.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/types.h>
#include <time.h>

#include <batpak/io.h>

#include "base/bytes.h"

enum { LARGE_PAGE = 2 << 20, LARGE_LEAST = LARGE_PAGE / 8 * 5 };

static int64_t clock_now_us(void *context)
{
    (void)context;
    struct timespec now = {0};
    (void)clock_gettime(CLOCK_REALTIME, &now);
    return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

static uint64_t clock_steady_ns(void *context)
{
    (void)context;
    struct timespec now = {0};
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static void clock_sleep_ns(void *context, uint64_t duration_ns)
{
    (void)context;
    struct timespec left = {
        .tv_sec = (time_t)(duration_ns / 1000000000u),
        .tv_nsec = (long)(duration_ns % 1000000000u),
    };
    while (clock_nanosleep(CLOCK_MONOTONIC, 0, &left, &left) == EINTR) {
    }
}

const bp_clock *bp_clock_system(void)
{
    static const bp_clock clock = {
        .size = sizeof(bp_clock),
        .context = NULL,
        .now_us = clock_now_us,
        .steady_ns = clock_steady_ns,
        .sleep_ns = clock_sleep_ns,
    };
    return &clock;
}

static int random_fill(void *context, void *buffer, size_t size)
{
    (void)context;
    uint8_t *to = buffer;
    while (size != 0) {
        ssize_t got = getrandom(to, size, 0);
        if (got > 0) {
            to += got;
            size -= (size_t)got;
        } else if (got < 0 && errno != EINTR) {
            return errno;
        }
    }
    return 0;
}

const bp_random *bp_random_system(void)
{
    static const bp_random random = {.size = sizeof(bp_random), .context = NULL, .fill = random_fill};
    return &random;
}

/*
 * What is so large is a table that is looked at anywhere, or many rows that come one behind another. In small pages each look would miss
 * what the processor knows of addresses, which costs as much as the look itself, more in a virtual machine; and each page
 * would be given by the system one by one.
 */
static void *in_large_pages(void *memory, size_t size)
{
#ifdef MADV_HUGEPAGE
    if (memory != NULL && size >= LARGE_LEAST) {
        uintptr_t from = (uintptr_t)bpi_round_up((uintptr_t)memory, LARGE_PAGE);
        uintptr_t end = ((uintptr_t)memory + size) / LARGE_PAGE * LARGE_PAGE;
        if (end > from) {
            (void)madvise((uint8_t *)memory + (from - (uintptr_t)memory), end - from, MADV_HUGEPAGE);
        }
    }
#else
    (void)size;
#endif
    return memory;
}

static void *memory_allocate(void *context, size_t size)
{
    (void)context;
    if (size < LARGE_LEAST || size > SIZE_MAX - LARGE_PAGE) {
        return malloc(size);
    }
    size_t pages = (size_t)bpi_round_up(size, LARGE_PAGE);
    return in_large_pages(aligned_alloc(LARGE_PAGE, pages), pages);
}

static void *memory_resize(void *context, void *memory, size_t old_size, size_t size)
{
    (void)context;
    (void)old_size;
    return in_large_pages(realloc(memory, size), size);
}

static void memory_release(void *context, void *memory, size_t size)
{
    (void)context;
    (void)size;
    free(memory);
}

const bp_allocator *bp_allocator_system(void)
{
    static const bp_allocator allocator = {
        .size = sizeof(bp_allocator),
        .context = NULL,
        .allocate = memory_allocate,
        .resize = memory_resize,
        .release = memory_release,
    };
    return &allocator;
}
