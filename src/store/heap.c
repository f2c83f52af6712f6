/*
 * heap.c: counting allocations.
 */
#include "store/heap.h"

static void *heap_allocate(void *context, size_t size)
{
    bpi_heap *heap = context;
    void *memory = heap->base->allocate(heap->base->context, size);
    if (memory != NULL) {
        atomic_fetch_add_explicit(&heap->bytes, size, memory_order_relaxed);
    }
    return memory;
}

static void *heap_resize(void *context, void *memory, size_t old_size, size_t size)
{
    bpi_heap *heap = context;
    void *resized = heap->base->resize(heap->base->context, memory, old_size, size);
    if (resized != NULL) {
        atomic_fetch_add_explicit(&heap->bytes, size, memory_order_relaxed);
        atomic_fetch_sub_explicit(&heap->bytes, memory == NULL ? 0 : old_size, memory_order_relaxed);
    }
    return resized;
}

static void give_back(bpi_heap *heap, size_t size)
{
    if (atomic_fetch_sub_explicit(&heap->bytes, size, memory_order_acq_rel) == size) {
        const bp_allocator *base = heap->base;
        if (heap->last != NULL) {
            heap->last(heap->last_argument);
        }
        base->release(base->context, heap, sizeof *heap);
    }
}

static void heap_release(void *context, void *memory, size_t size)
{
    bpi_heap *heap = context;
    if (memory != NULL) {
        heap->base->release(heap->base->context, memory, size);
        give_back(heap, size);
    }
}

bpi_heap *bpi_heap_new(const bp_allocator *base)
{
    bpi_heap *heap = base->allocate(base->context, sizeof *heap);
    if (heap != NULL) {
        heap->table = (bp_allocator){sizeof(bp_allocator), heap, heap_allocate, heap_resize, heap_release};
        heap->base = base;
        heap->last = NULL;
        atomic_init(&heap->bytes, 1);
    }
    return heap;
}

void bpi_heap_leave(bpi_heap *heap)
{
    give_back(heap, 1);
}

uint64_t bpi_heap_bytes(const bpi_heap *heap)
{
    return atomic_load_explicit(&heap->bytes, memory_order_relaxed) - 1;
}
