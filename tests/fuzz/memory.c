/* memory.c: copies of inputs, checksums, and an allocator with a bound. */
#include "fuzz/fuzz.h"

#include "support/world.h"

uint8_t *fuzz_copy(const void *data, size_t size)
{
    uint8_t *copy = malloc(size == 0 ? 1 : size);
    CHECK(copy != NULL, "no memory for an input");
    if (size > 0) {
        memcpy(copy, data, size);
    }
    return copy;
}

void fuzz_put_crc(uint8_t *bytes, size_t size, size_t at)
{
    if (at + 4 <= size) {
        bpt_put_crc(bytes, size, at);
    }
}

static _Atomic size_t held;
static size_t most;

static void *allocate(void *context, size_t size)
{
    (void)context;
    CHECK(size <= most && atomic_load(&held) <= most - size, "%zu bytes are asked for, %zu are held", size,
          atomic_load(&held));
    void *memory = malloc(size);
    if (memory != NULL) {
        (void)atomic_fetch_add(&held, size);
    }
    return memory;
}

static void release(void *context, void *memory, size_t size)
{
    (void)context;
    if (memory != NULL) {
        (void)atomic_fetch_sub(&held, size);
        free(memory);
    }
}

static void *resize(void *context, void *memory, size_t old_size, size_t size)
{
    void *moved = allocate(context, size);
    if (moved != NULL && memory != NULL) {
        memcpy(moved, memory, old_size < size ? old_size : size);
        release(context, memory, old_size);
    }
    return moved;
}

const bp_allocator *fuzz_allocator(size_t bound)
{
    static const bp_allocator table = {sizeof table, NULL, allocate, resize, release};
    most = bound;
    return &table;
}

void fuzz_allocator_end(void)
{
    size_t left = atomic_load(&held);
    CHECK(left == 0, "%zu bytes were not given back", left);
}
