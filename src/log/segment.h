/*
 * segment.h: one open segment file and its mapping, shared by everybody who reads it.
 *
 * A segment is reference counted: the log, each index block, each view and so each iterator that needs its bytes
 * holds it, so that the mapping outlives rotation, compaction and bp_close as long as somebody reads. The address
 * never changes. Bytes below what is published never change either.
 */
#ifndef BPI_LOG_SEGMENT_H
#define BPI_LOG_SEGMENT_H

#include <stdatomic.h>

#include <batpak/io.h>
#include <batpak/tools.h>

typedef struct bpi_segment {
    const bp_io *io;
    const bp_allocator *allocator;
    bp_file *file;
    const uint8_t *address; /* the mapping, [0, map_size) */
    void *writable;         /* the same address, for map_store */
    size_t map_size;        /* the most the file will ever be */
    bool writable_map;      /* the mapping may be stored to */
    uint32_t ordinal;
    uint32_t generation;
    uint64_t salt;
    uint32_t seed;         /* record CRC seed of the store */
    _Atomic uint64_t size; /* bytes of file that exist: reads stay below */
    _Atomic uint32_t references;
} bpi_segment;

bpi_segment *bpi_segment_hold(bpi_segment *segment);
void bpi_segment_drop(bpi_segment *segment); /* NULL is allowed; the last one unmaps and closes */

#endif
