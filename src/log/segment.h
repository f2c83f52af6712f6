/*
 * segment.h: one open segment file and its mapping, shared by everybody who reads it.
 *
 * A segment is reference counted: the log, each index block, each view and so each iterator that needs its bytes
 * holds it, so that it outlives rotation, compaction and bp_close as long as somebody reads. Bytes below what is published
 * never change.
 *
 * A *lazy* segment is a sealed one that nobody has read yet: its file is opened and mapped by the first who asks
 * (bpi_segment_at), so that a store of thousands of segments opens none of them. A mapping needs no descriptor: that
 * of a sealed segment is given back once it is mapped.
 *
 * Mappings come and go (log/budget.c): when many segments are mapped, some that nobody asked for lately are *let go of*. What
 * somebody was told stays where it is for as long as he keeps the array of blocks that led him there: each array is of an
 * *epoch*, and a mapping is given back when all arrays are of later ones than that in which it was let go of. Who comes again before
 * that finds the same mapping.
 */
#ifndef BPI_LOG_SEGMENT_H
#define BPI_LOG_SEGMENT_H

#include <stdatomic.h>

#include <batpak/io.h>
#include <batpak/tools.h>

#include "base/compiler.h"
#include "format/manifest.h"

/* How lazy segments are opened: the directory, which is kept open by all that may need it. */
typedef struct bpi_opener bpi_opener;

typedef struct bpi_segment {
    const bp_io *io;
    const bp_allocator *allocator;
    bp_file *file;
    _Atomic(const uint8_t *) bytes; /* the mapping; NULL: bpi_segment_map says where it is */
    const uint8_t
        *address;    /* the same, [0, map_size), for whoever writes or seals it, and of the opener's lock afterwards */
    void *writable;  /* the same address, for map_store */
    size_t map_size; /* the most the file will ever be */
    bool writable_map; /* the mapping may be stored to */
    uint32_t ordinal;
    uint32_t generation;
    uint64_t salt;
    uint32_t seed;         /* record CRC seed of the store */
    _Atomic uint64_t size; /* bytes of file that exist: reads stay below */
    _Atomic uint32_t references;
    bpi_opener *opener;         /* held; NULL: not lazy, and not at rest in a writer */
    _Atomic uint64_t length;    /* lazy, or at rest: as listed */
    _Atomic uint32_t users;     /* of the descriptor, off the commit lock; and what is to become of it (segment.c) */
    uint64_t let_go;            /* [opener] the epoch in which it was let go of; 0: it was not */
    _Atomic bool kept;          /* its file may be gone: it stays mapped */
    _Atomic bool mapped;        /* for counts */
    bool in_ring;               /* [opener] it is among those that can be let go of */
    struct bpi_segment *before; /* [opener] there */
    struct bpi_segment *behind;
} bpi_segment;

bpi_segment *bpi_segment_hold(bpi_segment *segment);
void bpi_segment_drop(bpi_segment *segment); /* NULL is allowed; the last one unmaps and closes */

/* Where the bytes of a segment are: good as long as an array of blocks is held that the caller had before he asked. A lazy one is mapped, and
 * checked against its entry as an opening would. BP_ERR_CORRUPT: it is missing, too short or not the listed one. BP_ERR_NO_MEMORY: no
 * more mappings. Any thread. */
bp_status bpi_segment_map(bpi_segment *segment, const uint8_t **bytes_out, bp_error *error);
static inline bp_status bpi_segment_at(bpi_segment *segment, const uint8_t **bytes_out, bp_error *error)
{
    *bytes_out = atomic_load_explicit(&segment->bytes, memory_order_acquire);
    return BPI_LIKELY(*bytes_out != NULL) ? BP_OK : bpi_segment_map(segment, bytes_out, error);
}
/* Maps it for as long as it is held: its file is going to be removed. Errors as above. */
bp_status bpi_segment_keep(bpi_segment *segment, bp_error *error);

#endif
