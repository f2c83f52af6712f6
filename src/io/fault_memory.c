/*
 * fault_memory.c: the allocator that runs dry.
 */
#include "io/fault_memory.h"

#include <stdlib.h>

static bool takes(bpi_fault_memory *memory)
{
    uint64_t call = atomic_fetch_add(&memory->calls, 1) + 1;
    return memory->fails_at == 0 || (memory->persistent ? call < memory->fails_at : call != memory->fails_at);
}

static void *fault_allocate(void *context, size_t size)
{
    bpi_fault_memory *memory = context;
    void *bytes = takes(memory) ? malloc(size) : NULL;
    if (bytes != NULL) {
        atomic_fetch_add(&memory->bytes, size);
    }
    return bytes;
}

static void *fault_resize(void *context, void *old, size_t old_size, size_t size)
{
    bpi_fault_memory *memory = context;
    void *bytes = takes(memory) ? realloc(old, size) : NULL;
    if (bytes != NULL) {
        atomic_fetch_add(&memory->bytes, size);
        atomic_fetch_sub(&memory->bytes, old == NULL ? 0 : old_size);
    }
    return bytes;
}

static void fault_release(void *context, void *old, size_t size)
{
    bpi_fault_memory *memory = context;
    if (old != NULL) {
        atomic_fetch_sub(&memory->bytes, size);
    }
    free(old);
}

void bpi_fault_memory_init(bpi_fault_memory *memory)
{
    *memory = (bpi_fault_memory){
        .table = {sizeof(bp_allocator), memory, fault_allocate, fault_resize, fault_release},
    };
}
