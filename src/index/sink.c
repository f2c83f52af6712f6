/*
 * sink.c: index files, front to back.
 *
 * Holds: the header is written last, so that a file that was not finished is none.
 */
#include "index/sink.h"

#include <errno.h>
#include <string.h>

#include "base/bytes.h"
#include "base/checksum.h"
#include "io/pace.h"

/* What one write brings the page cache may keep as one large page: a look at an id then costs one walk of page tables less. */
enum { WRITE_SIZE = 512 * BPI_PAGE_SIZE };

static uint64_t position(const bpi_sink *sink)
{
    return sink->written + sink->bytes.size;
}

static void zeros(bpi_sink *sink, size_t size)
{
    static const uint8_t nothing[BPI_PAGE_SIZE];
    bpi_sink_put(sink, nothing, size);
}

void bpi_sink_init(bpi_sink *sink, const bp_allocator *allocator, const bp_io *io, bp_file *file)
{
    memset(sink, 0, sizeof *sink);
    sink->allocator = allocator;
    sink->io = io;
    sink->file = file;
    bpi_buffer_init(&sink->bytes, allocator);
    bpi_buffer_init(&sink->sums, allocator);
    zeros(sink, BPI_PAGE_SIZE);
}

void bpi_sink_fini(bpi_sink *sink)
{
    bpi_buffer_fini(&sink->bytes);
    bpi_buffer_fini(&sink->sums);
}

/* Writes `size` bytes of whole pages and notes their CRCs. */
static void flush(bpi_sink *sink, size_t size)
{
    for (size_t at = 0; at < size && sink->code == 0; at += BPI_PAGE_SIZE) {
        uint8_t sum[4];
        bpi_put32(sum, bpi_crc32c(0, sink->bytes.data + at, BPI_PAGE_SIZE));
        if (sink->written + at != 0 && !bpi_buffer_append(&sink->sums, sum, sizeof sum)) {
            sink->code = ENOMEM;
        }
    }
    if (sink->code == 0 && sink->given_up != NULL && atomic_load_explicit(sink->given_up, memory_order_relaxed)) {
        sink->code = ECANCELED;
    }
    if (sink->code == 0 && size > 0) {
        sink->code = sink->io->file_write(sink->io->context, sink->file, sink->written, sink->bytes.data, size);
    }
    sink->written += size;
    sink->bytes.size -= size;
    memmove(sink->bytes.data, sink->bytes.data + size, sink->bytes.size);
}

void bpi_sink_put(bpi_sink *sink, const void *data, size_t size)
{
    const uint8_t *at = data;
    bpi_pace_point();
    while (size > 0 && sink->code == 0) {
        size_t part = size;
        if (sink->file != NULL && part > WRITE_SIZE - sink->bytes.size) {
            part = WRITE_SIZE - sink->bytes.size;
        }
        if (!bpi_buffer_append(&sink->bytes, at, part)) {
            sink->code = ENOMEM;
            return;
        }
        at += part;
        size -= part;
        if (sink->file != NULL && sink->bytes.size == WRITE_SIZE) {
            flush(sink, WRITE_SIZE);
        }
    }
}

void bpi_sink_begin(bpi_sink *sink, bpi_index_header *header, unsigned section)
{
    zeros(sink, (size_t)(bpi_round_up(position(sink), BPI_INDEX_SECTION_ALIGN) - position(sink)));
    header->sections[section].offset = position(sink);
}

void bpi_sink_end(bpi_sink *sink, bpi_index_header *header, unsigned section)
{
    header->sections[section].size = position(sink) - header->sections[section].offset;
}

static int write_end(bpi_sink *sink, const bpi_index_header *header)
{
    const bp_io *io = sink->io;
    uint8_t page[BPI_PAGE_SIZE];
    bpi_index_header_put(header, page);
    int code = io->file_write(io->context, sink->file, sink->written, sink->sums.data, sink->sums.size);
    if (code == 0) {
        code = io->file_write(io->context, sink->file, 0, page, sizeof page);
    }
    return code == 0 && !sink->unsynced ? io->file_sync(io->context, sink->file, BP_SYNC_ALL) : code;
}

/* CRCs of an image in memory: as those of a file, though nobody asks for them there. */
static void sum_memory(bpi_sink *sink, const bpi_index_header *header)
{
    for (uint64_t at = BPI_PAGE_SIZE; at < header->sums_offset && sink->code == 0; at += BPI_PAGE_SIZE) {
        static const uint8_t sum[4];
        bpi_sink_put(sink, sum, sizeof sum);
    }
}

int bpi_sink_finish(bpi_sink *sink, bpi_index_header *header)
{
    zeros(sink, (size_t)(bpi_round_up(position(sink), BPI_PAGE_SIZE) - position(sink)));
    header->sums_offset = position(sink);
    if (sink->file == NULL) {
        sum_memory(sink, header);
        if (sink->code == 0) {
            bpi_index_header_put(header, sink->bytes.data);
        }
        return sink->code;
    }
    if (sink->code == 0) {
        flush(sink, sink->bytes.size);
    }
    if (sink->code == 0) {
        header->sums_crc = bpi_crc32c(0, sink->sums.data, sink->sums.size);
        sink->code = write_end(sink, header);
    }
    return sink->code;
}

uint8_t *bpi_sink_take(bpi_sink *sink, size_t *size_out)
{
    size_t size = sink->bytes.size;
    uint8_t *bytes = bpi_resize(sink->allocator, sink->bytes.data, sink->bytes.capacity, size);
    if (bytes == NULL) {
        return NULL;
    }
    bpi_buffer_init(&sink->bytes, sink->allocator);
    *size_out = size;
    return bytes;
}
