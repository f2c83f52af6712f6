/*
 * output.c: bytes from functions that callers wrote.
 */
#include "base/output.h"

#include "base/bytes.h"

void bpi_output_init(bp_output *output, const bp_allocator *allocator)
{
    bpi_buffer_init(&output->buffer, allocator);
    output->failed = false;
}

void bpi_output_fini(bp_output *output)
{
    bpi_buffer_fini(&output->buffer);
}

void *bp_output_extend(bp_output *output, size_t size)
{
    bpi_buffer *buffer = &output->buffer;
    if (size > BP_OUTPUT_MAX - buffer->size || !bpi_buffer_reserve(buffer, size == 0 ? 1 : size)) {
        output->failed = true;
        return NULL;
    }
    uint8_t *at = buffer->data + buffer->size;
    buffer->size += size;
    return at;
}

bool bp_output_append(bp_output *output, const void *data, size_t size)
{
    void *at = bp_output_extend(output, size);
    if (at != NULL) {
        bpi_copy(at, data, size);
    }
    return at != NULL;
}

const void *bp_output_data(const bp_output *output)
{
    return output->buffer.data;
}

size_t bp_output_size(const bp_output *output)
{
    return output->buffer.size;
}

void bp_output_clear(bp_output *output)
{
    output->buffer.size = 0;
    output->failed = false;
}
