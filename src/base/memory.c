/*
 * memory.c: allocation through a table, and the growing byte buffer.
 *
 * Holds: the size given back on release is the size that was asked for; a failed growth leaves everything as it was.
 */
#include "base/memory.h"

#include <string.h>

#include "base/bytes.h"

enum { BUFFER_MIN = 256 };

void *bpi_allocate(const bp_allocator *allocator, size_t size)
{
    return size == 0 ? NULL : allocator->allocate(allocator->context, size);
}

void *bpi_allocate_zero(const bp_allocator *allocator, size_t size)
{
    void *memory = bpi_allocate(allocator, size);
    if (memory != NULL) {
        memset(memory, 0, size);
    }
    return memory;
}

void *bpi_allocate_array(const bp_allocator *allocator, size_t count, size_t size)
{
    if (size != 0 && count > SIZE_MAX / size) {
        return NULL;
    }
    return bpi_allocate_zero(allocator, count * size);
}

void *bpi_resize(const bp_allocator *allocator, void *memory, size_t old_size, size_t size)
{
    if (size == 0) {
        bpi_release(allocator, memory, old_size);
        return NULL;
    }
    return allocator->resize(allocator->context, memory, old_size, size);
}

void bpi_release(const bp_allocator *allocator, void *memory, size_t size)
{
    if (memory != NULL) {
        allocator->release(allocator->context, memory, size);
    }
}

void bpi_buffer_init(bpi_buffer *buffer, const bp_allocator *allocator)
{
    *buffer = (bpi_buffer){.allocator = allocator, .data = NULL, .size = 0, .capacity = 0};
}

void bpi_buffer_fini(bpi_buffer *buffer)
{
    if (buffer->allocator != NULL) {
        bpi_release(buffer->allocator, buffer->data, buffer->capacity);
    }
    buffer->data = NULL;
    buffer->size = 0;
    buffer->capacity = 0;
}

bool bpi_buffer_reserve(bpi_buffer *buffer, size_t more)
{
    if (more <= buffer->capacity - buffer->size) {
        return true;
    }
    if (more > SIZE_MAX / 2 - buffer->size) {
        return false;
    }
    size_t need = buffer->size + more;
    size_t capacity = buffer->capacity < BUFFER_MIN ? BUFFER_MIN : buffer->capacity;
    while (capacity < need) {
        capacity *= 2;
    }
    uint8_t *data = bpi_resize(buffer->allocator, buffer->data, buffer->capacity, capacity);
    if (data == NULL) {
        return false;
    }
    buffer->data = data;
    buffer->capacity = capacity;
    return true;
}

bool bpi_buffer_append(bpi_buffer *buffer, const void *data, size_t size)
{
    if (!bpi_buffer_reserve(buffer, size)) {
        return false;
    }
    if (size != 0) {
        bpi_copy(buffer->data + buffer->size, data, size);
        buffer->size += size;
    }
    return true;
}
