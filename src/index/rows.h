/*
 * rows.h: the rows of a block, in chunks that never move.
 *
 * One writer fills rows in ascending order; what it has filled is read by others once they were told so with acquire
 * order (the published sequence). Rows are shared by a block and what it becomes when it is sealed.
 *
 * Behind the rows of a chunk lies a bitmap of those, by number, that are the first of their commit (BPI_ROW_FIRST once
 * more), so that the ends of a large commit are found 64 rows at a time. A word of it has bits of rows that are read and
 * of rows that are being written: a reader looks at no bit beyond what it was told of.
 */
#ifndef BPI_INDEX_ROWS_H
#define BPI_INDEX_ROWS_H

#include <stdatomic.h>

#include <batpak/io.h>

#include "index/layout.h"
#include "index/pages.h"

_Static_assert(sizeof(_Atomic uint64_t) == 8 && BPI_CHUNK_SIZE % 8 == 0, "the bitmap's words follow the rows");

/* Between which times the rows of a chunk (by number, not by place) lie. Never narrower than what may be read. */
typedef struct bpi_zone {
    _Atomic int64_t least;
    _Atomic int64_t greatest;
} bpi_zone;

enum { BPI_FIRSTS_WORDS = BPI_CHUNK_ROWS / 64, BPI_CHUNK_ROOM = BPI_CHUNK_SIZE + BPI_FIRSTS_WORDS * 8 };

typedef struct bpi_rows {
    const bp_allocator *allocator;
    _Atomic uint32_t references;
    unsigned shift;           /* the layout */
    uint32_t allocated;       /* chunks that are there; the writer's */
    uint32_t capacity;        /* chunks there may be */
    const uint32_t *places;   /* grouped rows: where row i lies; NULL: at i */
    uint32_t count;           /* of an image: rows there are */
    bool borrowed;            /* of an image: chunks, places, zones and firsts are the image's */
    bpi_pages *pages;         /* of a mapped image: to be asked before any of its bytes; else NULL */
    _Atomic uint64_t *firsts; /* of an image: the bitmap of all rows; NULL: it lies behind each chunk */
    bpi_zone *zones;          /* one for each chunk there may be */
    uint8_t *chunks[];        /* BPI_CHUNK_ROOM bytes each; from the ninth on ten come as one piece of memory */
} bpi_rows;

/* What is read where a page is not right. */
extern const uint64_t bpi_nothing[64];

/* What is stored of an event: the fields as layout.h has them. */
typedef struct bpi_fields {
    uint64_t hlc;
    int64_t time_us;
    uint64_t distance; /* to the previous event of the entity; 0 = genesis */
    uint32_t clock;
    uint32_t offset;
    uint32_t entity;
    uint32_t scope;
    uint32_t correlation;
    uint32_t cause;
    uint16_t kind;
    uint8_t bits;
} bpi_fields;

bpi_rows *bpi_rows_new(const bp_allocator *allocator, bp_layout layout, size_t max_rows); /* NULL: no memory */
bpi_rows *bpi_rows_hold(bpi_rows *rows);
void bpi_rows_drop(bpi_rows *rows);
/* Makes room for rows [0, count). False: no memory, or beyond max_rows. */
bool bpi_rows_reserve(bpi_rows *rows, size_t count);
void bpi_rows_put(bpi_rows *rows, uint32_t row, const bpi_fields *fields);
void bpi_rows_get(const bpi_rows *rows, uint32_t row, bpi_fields *fields_out);
/* The same where all pages were verified before. */
void bpi_rows_get_seen(const bpi_rows *rows, uint32_t row, bpi_fields *fields_out);
/* One field of rows [first, first + count), one value behind another; zeros where a page is not right. */
void bpi_rows_column(const bpi_rows *rows, uint32_t first, uint32_t count, unsigned offset, unsigned size, void *out);

/* The first row of the commit of `row`. */
uint32_t bpi_rows_commit_first(const bpi_rows *rows, uint32_t row);
/* One past the last row of the commit of `row`, or `end` where it goes on beyond; row < end. */
uint32_t bpi_rows_commit_end(const bpi_rows *rows, uint32_t row, uint32_t end);

/* The rows [0, count) once more. NULL: no memory. */
bpi_rows *bpi_rows_copy(const bpi_rows *rows, uint32_t count);

/* Puts the fields of one row into a chunk of tiles of 2^shift rows. */
void bpi_rows_store(uint8_t *chunk, unsigned shift, uint32_t at, const bpi_fields *fields);

/* The rows of an image: chunks lie one behind another from `base` on; the last may be cut to the tiles that it has. */
bpi_rows *bpi_rows_borrow(const bp_allocator *allocator, unsigned shift, uint32_t count, const uint8_t *base);

/* The writer: a row with this time will be there. */
static inline void bpi_rows_widen(bpi_rows *rows, uint32_t row, int64_t time_us)
{
    bpi_zone *zone = &rows->zones[row >> BPI_CHUNK_SHIFT];
    if (time_us < atomic_load_explicit(&zone->least, memory_order_relaxed)) {
        atomic_store_explicit(&zone->least, time_us, memory_order_relaxed);
    }
    if (time_us > atomic_load_explicit(&zone->greatest, memory_order_relaxed)) {
        atomic_store_explicit(&zone->greatest, time_us, memory_order_relaxed);
    }
}

/* Can a row of the chunk of `row` have a time within [least, greatest]? */
static inline bool bpi_rows_overlap(const bpi_rows *rows, uint32_t row, int64_t least, int64_t greatest)
{
    const bpi_zone *zone = &rows->zones[row >> BPI_CHUNK_SHIFT];
    return !bpi_see(rows->pages, zone, sizeof *zone) ||
           (atomic_load_explicit(&zone->least, memory_order_relaxed) <= greatest &&
            atomic_load_explicit(&zone->greatest, memory_order_relaxed) >= least);
}

/* Where a row lies. */
static inline uint32_t bpi_rows_place(const bpi_rows *rows, uint32_t row)
{
    if (BPI_LIKELY(rows->places == NULL)) {
        return row;
    }
    uint32_t place = bpi_see(rows->pages, &rows->places[row], sizeof(uint32_t)) ? rows->places[row] : 0;
    if (BPI_UNLIKELY(place >= rows->count)) {
        bpi_disbelieve(rows->pages);
        return 0;
    }
    return place;
}

static inline const void *bpi_rows_at(const bpi_rows *rows, uint32_t row, unsigned offset, unsigned size)
{
    uint32_t place = bpi_rows_place(rows, row);
    const uint8_t *at =
        rows->chunks[place >> BPI_CHUNK_SHIFT] + bpi_layout_at(rows->shift, place & (BPI_CHUNK_ROWS - 1), offset, size);
    return bpi_see(rows->pages, at, size) ? (const void *)at : bpi_nothing;
}

/* Asks the memory for a field that will be looked at. */
static inline void bpi_rows_prefetch(const bpi_rows *rows, uint32_t row, unsigned offset, unsigned size)
{
    uint32_t place = bpi_rows_place(rows, row);
    BPI_PREFETCH(rows->chunks[place >> BPI_CHUNK_SHIFT] +
                 bpi_layout_at(rows->shift, place & (BPI_CHUNK_ROWS - 1), offset, size));
}

/* The word of the bitmap with the bit of a row, which is its bit row % 64. */
static inline _Atomic uint64_t *bpi_rows_firsts(const bpi_rows *rows, uint32_t row)
{
    if (rows->firsts != NULL) {
        return &rows->firsts[row >> 6];
    }
    _Atomic uint64_t *words = (_Atomic uint64_t *)(void *)(rows->chunks[row >> BPI_CHUNK_SHIFT] + BPI_CHUNK_SIZE);
    return &words[(row & (BPI_CHUNK_ROWS - 1)) >> 6];
}

static inline uint64_t bpi_row_u64(const bpi_rows *rows, uint32_t row, unsigned offset)
{
    return *(const uint64_t *)bpi_rows_at(rows, row, offset, 8);
}

static inline int64_t bpi_row_time(const bpi_rows *rows, uint32_t row)
{
    return *(const int64_t *)bpi_rows_at(rows, row, BPI_ROW_TIME, 8);
}

static inline uint32_t bpi_row_u32(const bpi_rows *rows, uint32_t row, unsigned offset)
{
    return *(const uint32_t *)bpi_rows_at(rows, row, offset, 4);
}

static inline uint16_t bpi_row_kind(const bpi_rows *rows, uint32_t row)
{
    return *(const uint16_t *)bpi_rows_at(rows, row, BPI_ROW_KIND, 2);
}

static inline uint8_t bpi_row_u8(const bpi_rows *rows, uint32_t row, unsigned offset)
{
    return *(const uint8_t *)bpi_rows_at(rows, row, offset, 1);
}

static inline uint64_t bpi_row_distance(const bpi_rows *rows, uint32_t row)
{
    return (uint64_t)bpi_row_u8(rows, row, BPI_ROW_FAR) << 32 | bpi_row_u32(rows, row, BPI_ROW_PREVIOUS);
}

#endif
