/*
 * trouble.c: memory for simulated stores, and what fails or lies.
 */
#include <errno.h>

#include "sim/sim.h"

enum { SPARES = 16, SPARE_LEAST = 64 << 10 };

/* ---- memory ---- */

/* Great blocks are kept: an opening asks for windows of a megabyte, and paging them in is most of its time. */
static struct {
    void *memory;
    size_t size;
} spares[SPARES];

static void *sim_allocate(void *context, size_t size)
{
    (void)context;
    for (size_t index = 0; size >= SPARE_LEAST && index < SPARES; index++) {
        if (spares[index].size == size) {
            void *memory = spares[index].memory;
            spares[index].size = 0;
            return memory;
        }
    }
    return malloc(size);
}

static void sim_release(void *context, void *memory, size_t size)
{
    (void)context;
    for (size_t index = 0; memory != NULL && size >= SPARE_LEAST && index < SPARES; index++) {
        if (spares[index].size == 0) {
            spares[index].memory = memory;
            spares[index].size = size;
            return;
        }
    }
    free(memory);
}

static void *sim_resize(void *context, void *memory, size_t old_size, size_t size)
{
    if (old_size < SPARE_LEAST && size < SPARE_LEAST) {
        return realloc(memory, size);
    }
    void *moved = sim_allocate(context, size);
    if (moved != NULL && memory != NULL) {
        memcpy(moved, memory, old_size < size ? old_size : size);
        sim_release(context, memory, old_size);
    }
    return moved;
}

const bp_allocator *sim_allocator(void)
{
    static const bp_allocator table = {sizeof(bp_allocator), NULL, sim_allocate, sim_resize, sim_release};
    return &table;
}
