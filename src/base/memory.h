/*
 * memory.h: allocation through the store's table, and a growing byte buffer. Sizes are given back on release, so that
 * a table may count. Nothing here aborts: NULL or false means BP_ERR_NO_MEMORY.
 */
#ifndef BPI_BASE_MEMORY_H
#define BPI_BASE_MEMORY_H

#include <batpak/io.h>

void *bpi_allocate(const bp_allocator *allocator, size_t size);      /* size 0 gives NULL */
void *bpi_allocate_zero(const bp_allocator *allocator, size_t size); /* zeroed */
/* count * size, NULL on overflow; zeroed */
void *bpi_allocate_array(const bp_allocator *allocator, size_t count, size_t size);
void *bpi_resize(const bp_allocator *allocator, void *memory, size_t old_size, size_t size);
void bpi_release(const bp_allocator *allocator, void *memory, size_t size);

typedef struct bpi_buffer {
    const bp_allocator *allocator;
    uint8_t *data;
    size_t size;
    size_t capacity;
} bpi_buffer;

void bpi_buffer_init(bpi_buffer *buffer, const bp_allocator *allocator);
void bpi_buffer_fini(bpi_buffer *buffer);
/* Makes room for `more` bytes behind size; grows by doubling. False when there is no memory; the content stays. */
bool bpi_buffer_reserve(bpi_buffer *buffer, size_t more);
bool bpi_buffer_append(bpi_buffer *buffer, const void *data, size_t size);

#endif
