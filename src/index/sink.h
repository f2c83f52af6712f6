/*
 * sink.h: where an index file is written to, front to back: memory, or a file with a CRC for each page.
 */
#ifndef BPI_INDEX_SINK_H
#define BPI_INDEX_SINK_H

#include <stdatomic.h>

#include "base/memory.h"
#include "format/index_file.h"

typedef struct bpi_sink {
    const bp_allocator *allocator;
    bpi_buffer bytes; /* memory: all of it; a file: what is not written yet */
    uint64_t written; /* to the file, before `bytes` */
    const bp_io *io;
    bp_file *file;                /* NULL: memory */
    bpi_buffer sums;              /* a file's pages: 4 bytes each */
    bool unsynced;                /* a file that may be lost */
    const _Atomic bool *given_up; /* NULL; true: the file is not wanted any more, ECANCELED */
    int code;                     /* errno of the first failure; ENOMEM */
} bpi_sink;

/* file NULL: memory. The header's page comes first, as zeros. */
void bpi_sink_init(bpi_sink *sink, const bp_allocator *allocator, const bp_io *io, bp_file *file);
void bpi_sink_fini(bpi_sink *sink);

/* After a failure these do nothing. */
void bpi_sink_put(bpi_sink *sink, const void *data, size_t size);
/* Begins and ends a section, noting in the header where it lies. */
void bpi_sink_begin(bpi_sink *sink, bpi_index_header *header, unsigned section);
void bpi_sink_end(bpi_sink *sink, bpi_index_header *header, unsigned section);
/* Ends the last page, writes the CRCs and the header, and syncs a file, unless `unsynced`. 0 or errno. */
int bpi_sink_finish(bpi_sink *sink, bpi_index_header *header);
/* After finish, of memory: the bytes are the caller's. */
uint8_t *bpi_sink_take(bpi_sink *sink, size_t *size_out);

#endif
