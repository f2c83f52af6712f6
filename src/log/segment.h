/*
 * segment.h: one open segment file and its mapping, shared by everybody who reads it.
 *
 * A segment is reference counted: the log, each index block, each view and so each iterator that needs its bytes
 * holds it, so that the mapping outlives rotation, compaction and bp_close as long as somebody reads. The address
 * never changes. Bytes below what is published never change either.
 *
 * A *lazy* segment is a sealed one that nobody has read yet: its file is opened and mapped by the first who asks
 * (bpi_segment_open), so that a store of thousands of segments opens none of them. A mapping needs no descriptor: that
 * of a sealed segment is given back once it is mapped.
 */
#ifndef BPI_LOG_SEGMENT_H
#define BPI_LOG_SEGMENT_H

#include <stdatomic.h>

#include <batpak/io.h>
#include <batpak/tools.h>

#include "format/manifest.h"

/* How lazy segments are opened: the directory, which is kept open by all that may need it. */
typedef struct bpi_opener bpi_opener;

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
    bpi_opener *opener;     /* held; NULL: not lazy */
    _Atomic bool opened;    /* address, writable, file and map_size are there */
    uint64_t length;        /* lazy: as listed */
    _Atomic uint32_t users; /* of the descriptor, off the commit lock; and what is to become of it (segment.c) */
} bpi_segment;

bpi_segment *bpi_segment_hold(bpi_segment *segment);
void bpi_segment_drop(bpi_segment *segment); /* NULL is allowed; the last one unmaps and closes */

/* Maps a lazy segment, which is checked against its entry as an opening would. BP_ERR_CORRUPT: it is missing, too short or
 * not the listed one. BP_OK at once for all others. Any thread. */
bp_status bpi_segment_map(bpi_segment *segment, bp_error *error);
static inline bp_status bpi_segment_open(bpi_segment *segment, bp_error *error)
{
    return atomic_load_explicit(&segment->opened, memory_order_acquire) ? BP_OK : bpi_segment_map(segment, error);
}

#endif
