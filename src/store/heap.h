/*
 * heap.h: the store's allocator: the caller's table, counted. It outlives bp_close as long as something that came from
 * it (an iterator, a view, a segment) is still held, and then frees itself.
 */
#ifndef BPI_STORE_HEAP_H
#define BPI_STORE_HEAP_H

#include <stdatomic.h>

#include <batpak/io.h>

typedef struct bpi_heap {
    bp_allocator table; /* what everybody allocates through */
    const bp_allocator *base;
    _Atomic uint64_t bytes;       /* in use, and one for the store */
    void (*last)(void *argument); /* NULL: nothing; what goes with the heap */
    void *last_argument;
} bpi_heap;

bpi_heap *bpi_heap_new(const bp_allocator *base); /* NULL: no memory */
/* The store lets go; the last release of memory frees the heap. */
void bpi_heap_leave(bpi_heap *heap);
uint64_t bpi_heap_bytes(const bpi_heap *heap);

#endif
