/*
 * layout.h: where the fields of a row lie.
 *
 * Rows lie in tiles of N: field f of row i lies at `tile(i / N) + N * offset(f) + (i mod N) * size(f)`. N = 1 is an
 * array of structs, N = the rows of a chunk a structure of arrays, 8, 16 and 64 lie between. N is a power of two, and
 * the offsets fall from large fields to small ones, so that every field of every layout is aligned. A chunk is a run
 * of BPI_CHUNK_ROWS rows without a pointer in it: what is in memory can lie in a file as it is.
 *
 * Only what a query filters by is in a row. What would need 128 bits is a fingerprint, what is usually small is cut,
 * and the record has the last word:
 *
 *   clock     BPI_CLOCK_BIG stands for itself and everything above
 *   previous  distance to the entity's previous event, low 32 of 40 bits; 0 = genesis
 *   cause     fingerprint of the one cause, 0 when there is none; with BPI_ROW_MANY_CAUSES a set of marks (two a cause)
 *   bits      BPI_ROW_...; a lane is only known to be there
 */
#ifndef BPI_INDEX_LAYOUT_H
#define BPI_INDEX_LAYOUT_H

#include <batpak/store.h>

enum {
    BPI_ROW_HLC = 0,          /* 8 */
    BPI_ROW_TIME = 8,         /* 8 */
    BPI_ROW_CLOCK = 16,       /* 4 */
    BPI_ROW_PREVIOUS = 20,    /* 4 */
    BPI_ROW_OFFSET = 24,      /* 4 */
    BPI_ROW_ENTITY = 28,      /* 4 */
    BPI_ROW_SCOPE = 32,       /* 4 */
    BPI_ROW_CORRELATION = 36, /* 4 */
    BPI_ROW_CAUSE = 40,       /* 4 */
    BPI_ROW_KIND = 44,        /* 2 */
    BPI_ROW_BITS = 46,        /* 1 */
    BPI_ROW_FAR = 47,         /* 1: high 8 bits of `previous` */
    BPI_ROW_SIZE = 48,

    BPI_CHUNK_SHIFT = 12,
    BPI_CHUNK_ROWS = 1 << BPI_CHUNK_SHIFT,
    BPI_CHUNK_SIZE = BPI_CHUNK_ROWS * BPI_ROW_SIZE
};

enum {
    BPI_ROW_FIRST = 1,       /* the first of its commit */
    BPI_ROW_LANE = 2,        /* its lane is not 0 */
    BPI_ROW_MANY_CAUSES = 4, /* more than one */
    BPI_ROW_CORRELATED = 8,  /* its correlation is not its own id */
    BPI_ROW_SYSTEM = 16,     /* of the system's entity */
    BPI_ROW_FOLDED = 32      /* retention took the event away: its place leads to a fold entry */
};

/* In the place of a folded row's kind, which is not known any more. No event has it. */
#define BPI_KIND_FOLDED 0x0FFF

#define BPI_CLOCK_BIG UINT32_MAX
#define BPI_DISTANCE_END (UINT64_C(1) << 40)

_Static_assert(BPI_ROW_FAR + 1 == BPI_ROW_SIZE && BPI_ROW_SIZE % 8 == 0, "rows keep the alignment");

/* log2 of N */
static inline unsigned bpi_layout_shift(bp_layout layout)
{
    switch (layout) {
    case BP_LAYOUT_AOS:
        return 0;
    case BP_LAYOUT_AOSOA8:
        return 3;
    case BP_LAYOUT_AOSOA16:
        return 4;
    case BP_LAYOUT_AOSOA64:
        return 6;
    case BP_LAYOUT_DEFAULT:
    case BP_LAYOUT_SOA:
    case BP_LAYOUT_SOAOS:
    default:
        return BPI_CHUNK_SHIFT;
    }
}

/* Byte offset in a chunk of a field of the chunk's row `row` (< BPI_CHUNK_ROWS). */
static inline size_t bpi_layout_at(unsigned shift, uint32_t row, unsigned offset, unsigned size)
{
    uint32_t within = row & ((1u << shift) - 1);
    return (size_t)(row - within) * BPI_ROW_SIZE + ((size_t)offset << shift) + (size_t)within * size;
}

#endif
