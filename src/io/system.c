/*
 * system.c: this machine's clocks, random bytes and memory, as the tables that stand in when none are given.
 */
#include <errno.h>
#include <stdlib.h>
#include <sys/random.h>
#include <sys/types.h>
#include <time.h>

#include <batpak/io.h>

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

static void *memory_allocate(void *context, size_t size)
{
    (void)context;
    return malloc(size);
}

static void *memory_resize(void *context, void *memory, size_t old_size, size_t size)
{
    (void)context;
    (void)old_size;
    return realloc(memory, size);
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
