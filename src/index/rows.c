/*
 * rows.c: the rows of a block.
 *
 * Holds: a chunk is there before a row of it is put; nothing is ever read that was not put.
 */
#include "index/rows.h"

#include <string.h>

#include "base/assert.h"
#include "base/compiler.h"
#include "base/memory.h"

const uint64_t bpi_nothing[64] = {0};

/* The chunks of a small block come one by one; those of a large one together, a little less than a large page. */
enum { ALONE = 8, TOGETHER = 10 };

static size_t size_of(uint32_t capacity)
{
    return sizeof(bpi_rows) + (size_t)capacity * sizeof(uint8_t *);
}

bpi_rows *bpi_rows_new(const bp_allocator *allocator, bp_layout layout, size_t max_rows)
{
    if (max_rows >= UINT32_MAX) {
        return NULL;
    }
    uint32_t capacity = (uint32_t)((max_rows + BPI_CHUNK_ROWS - 1) / BPI_CHUNK_ROWS);
    bpi_rows *rows = bpi_allocate_zero(allocator, size_of(capacity));
    bpi_zone *zones = bpi_allocate(allocator, capacity * sizeof *zones);
    if (rows == NULL || (zones == NULL && capacity > 0)) {
        bpi_release(allocator, rows, size_of(capacity));
        bpi_release(allocator, zones, capacity * sizeof *zones);
        return NULL;
    }
    for (uint32_t i = 0; i < capacity; i++) {
        atomic_init(&zones[i].least, INT64_MAX);
        atomic_init(&zones[i].greatest, INT64_MIN);
    }
    rows->allocator = allocator;
    atomic_init(&rows->references, 1);
    rows->shift = bpi_layout_shift(layout);
    rows->capacity = capacity;
    rows->zones = zones;
    return rows;
}

bpi_rows *bpi_rows_hold(bpi_rows *rows)
{
    atomic_fetch_add_explicit(&rows->references, 1, memory_order_relaxed);
    return rows;
}

/* Chunks of the piece that begins with this one. */
static uint32_t chunks_of_piece(const bpi_rows *rows, uint32_t first)
{
    uint32_t left = rows->capacity - first;
    return first < ALONE ? 1 : left < TOGETHER ? left : TOGETHER;
}

void bpi_rows_drop(bpi_rows *rows)
{
    if (rows == NULL || atomic_fetch_sub_explicit(&rows->references, 1, memory_order_acq_rel) != 1) {
        return;
    }
    for (uint32_t i = 0, piece; i < rows->allocated; i += piece) {
        piece = chunks_of_piece(rows, i);
        bpi_release(rows->allocator, rows->chunks[i], (size_t)piece * BPI_CHUNK_ROOM);
    }
    if (!rows->borrowed) {
        bpi_release(rows->allocator, rows->zones, rows->capacity * sizeof rows->zones[0]);
    }
    bpi_release(rows->allocator, rows, size_of(rows->capacity));
}

bool bpi_rows_reserve(bpi_rows *rows, size_t count)
{
    if (count > (size_t)rows->capacity * BPI_CHUNK_ROWS) {
        return false;
    }
    while ((size_t)rows->allocated * BPI_CHUNK_ROWS < count) {
        uint32_t piece = chunks_of_piece(rows, rows->allocated);
        uint8_t *chunk = bpi_allocate(rows->allocator, (size_t)piece * BPI_CHUNK_ROOM);
        if (chunk == NULL) {
            return false;
        }
        for (; piece > 0; piece--, chunk += BPI_CHUNK_ROOM) {
            memset(chunk + BPI_CHUNK_SIZE, 0, BPI_CHUNK_ROOM - BPI_CHUNK_SIZE);
            rows->chunks[rows->allocated++] = chunk;
        }
    }
    return true;
}

void bpi_rows_store(uint8_t *chunk, unsigned shift, uint32_t at, const bpi_fields *fields)
{
    BPI_ASSERT(fields->distance < BPI_DISTANCE_END);
    *(uint64_t *)(void *)(chunk + bpi_layout_at(shift, at, BPI_ROW_HLC, 8)) = fields->hlc;
    *(int64_t *)(void *)(chunk + bpi_layout_at(shift, at, BPI_ROW_TIME, 8)) = fields->time_us;
    *(uint32_t *)(void *)(chunk + bpi_layout_at(shift, at, BPI_ROW_CLOCK, 4)) = fields->clock;
    *(uint32_t *)(void *)(chunk + bpi_layout_at(shift, at, BPI_ROW_PREVIOUS, 4)) = (uint32_t)fields->distance;
    *(uint32_t *)(void *)(chunk + bpi_layout_at(shift, at, BPI_ROW_OFFSET, 4)) = fields->offset;
    *(uint32_t *)(void *)(chunk + bpi_layout_at(shift, at, BPI_ROW_ENTITY, 4)) = fields->entity;
    *(uint32_t *)(void *)(chunk + bpi_layout_at(shift, at, BPI_ROW_SCOPE, 4)) = fields->scope;
    *(uint32_t *)(void *)(chunk + bpi_layout_at(shift, at, BPI_ROW_CORRELATION, 4)) = fields->correlation;
    *(uint32_t *)(void *)(chunk + bpi_layout_at(shift, at, BPI_ROW_CAUSE, 4)) = fields->cause;
    *(uint16_t *)(void *)(chunk + bpi_layout_at(shift, at, BPI_ROW_KIND, 2)) = fields->kind;
    chunk[bpi_layout_at(shift, at, BPI_ROW_BITS, 1)] = fields->bits;
    chunk[bpi_layout_at(shift, at, BPI_ROW_FAR, 1)] = (uint8_t)(fields->distance >> 32);
}

static void put_first(bpi_rows *rows, uint32_t row, uint8_t bits)
{
    if (bits & BPI_ROW_FIRST) {
        _Atomic uint64_t *word = bpi_rows_firsts(rows, row);
        uint64_t before = atomic_load_explicit(word, memory_order_relaxed);
        atomic_store_explicit(word, before | UINT64_C(1) << (row & 63), memory_order_relaxed); /* one writer */
    }
}

void bpi_rows_put(bpi_rows *rows, uint32_t row, const bpi_fields *fields)
{
    bpi_rows_store(rows->chunks[row >> BPI_CHUNK_SHIFT], rows->shift, row & (BPI_CHUNK_ROWS - 1), fields);
    put_first(rows, row, fields->bits);
}

/* A word of the bitmap; all ones, which end every search, where the page is not right. */
static uint64_t firsts_at(const bpi_rows *rows, uint32_t row)
{
    const _Atomic uint64_t *word = bpi_rows_firsts(rows, row);
    return bpi_see(rows->pages, word, sizeof *word) ? atomic_load_explicit(word, memory_order_relaxed) : UINT64_MAX;
}

uint32_t bpi_rows_commit_first(const bpi_rows *rows, uint32_t row)
{
    uint32_t start = row & ~UINT32_C(63);
    uint64_t word = firsts_at(rows, row) & UINT64_MAX >> (63 - (row & 63));
    while (word == 0 && start > 0) {
        start -= 64;
        word = firsts_at(rows, start);
    }
    return word == 0 ? 0 : start + bpi_highest_bit(word);
}

uint32_t bpi_rows_commit_end(const bpi_rows *rows, uint32_t row, uint32_t end)
{
    uint32_t start = row & ~UINT32_C(63);
    uint64_t word = firsts_at(rows, row) & ~(UINT64_MAX >> (63 - (row & 63)));
    while (word == 0 && end - start > 64) {
        start += 64;
        word = firsts_at(rows, start);
    }
    uint32_t next = word == 0 ? end : start + bpi_lowest_bit(word);
    return next < end ? next : end;
}

/* All fields lie in one chunk: where a row lies is asked once. */
typedef struct spot {
    bpi_pages *pages; /* NULL: nothing need be asked */
    const uint8_t *chunk;
    uint32_t at;
    unsigned shift;
} spot;

static inline const void *field(const spot *here, unsigned offset, unsigned size)
{
    const uint8_t *at = here->chunk + bpi_layout_at(here->shift, here->at, offset, size);
    return bpi_see(here->pages, at, size) ? (const void *)at : bpi_nothing;
}

static inline uint32_t field32(const spot *here, unsigned offset)
{
    return *(const uint32_t *)field(here, offset, 4);
}

static inline void get(const bpi_rows *rows, uint32_t row, bpi_pages *pages, bpi_fields *fields_out)
{
    uint32_t place = bpi_rows_place(rows, row);
    spot here = {pages, rows->chunks[place >> BPI_CHUNK_SHIFT], place & (BPI_CHUNK_ROWS - 1), rows->shift};
    uint64_t far = *(const uint8_t *)field(&here, BPI_ROW_FAR, 1);
    *fields_out = (bpi_fields){
        .hlc = *(const uint64_t *)field(&here, BPI_ROW_HLC, 8),
        .time_us = *(const int64_t *)field(&here, BPI_ROW_TIME, 8),
        .distance = far << 32 | field32(&here, BPI_ROW_PREVIOUS),
        .clock = field32(&here, BPI_ROW_CLOCK),
        .offset = field32(&here, BPI_ROW_OFFSET),
        .entity = field32(&here, BPI_ROW_ENTITY),
        .scope = field32(&here, BPI_ROW_SCOPE),
        .correlation = field32(&here, BPI_ROW_CORRELATION),
        .cause = field32(&here, BPI_ROW_CAUSE),
        .kind = *(const uint16_t *)field(&here, BPI_ROW_KIND, 2),
        .bits = *(const uint8_t *)field(&here, BPI_ROW_BITS, 1),
    };
}

void bpi_rows_get(const bpi_rows *rows, uint32_t row, bpi_fields *fields_out)
{
    get(rows, row, rows->pages, fields_out);
}

void bpi_rows_get_seen(const bpi_rows *rows, uint32_t row, bpi_fields *fields_out)
{
    get(rows, row, NULL, fields_out);
}

void bpi_rows_column(const bpi_rows *rows, uint32_t first, uint32_t count, unsigned offset, unsigned size, void *out)
{
    uint8_t *to = out;
    uint32_t tile = UINT32_C(1) << rows->shift;
    while (count > 0) {
        uint32_t run = rows->places != NULL ? 1 : tile - (first & (tile - 1));
        run = run < count ? run : count;
        uint32_t place = bpi_rows_place(rows, first);
        const uint8_t *from = rows->chunks[place >> BPI_CHUNK_SHIFT] +
                              bpi_layout_at(rows->shift, place & (BPI_CHUNK_ROWS - 1), offset, size);
        size_t bytes = (size_t)run * size;
        if (bpi_see(rows->pages, from, bytes)) {
            memcpy(to, from, bytes);
        } else {
            memset(to, 0, bytes);
        }
        to += bytes;
        first += run;
        count -= run;
    }
}

bpi_rows *bpi_rows_copy(const bpi_rows *rows, uint32_t count)
{
    bpi_rows *copy = bpi_rows_new(rows->allocator, BP_LAYOUT_SOA, count);
    if (copy == NULL) {
        return NULL;
    }
    copy->shift = rows->shift;
    if (!bpi_rows_reserve(copy, count)) {
        bpi_rows_drop(copy);
        return NULL;
    }
    for (uint32_t row = 0; row < count; row++) {
        bpi_fields fields;
        bpi_rows_get(rows, row, &fields);
        bpi_rows_put(copy, row, &fields);
        bpi_rows_widen(copy, row, fields.time_us);
    }
    return copy;
}

bpi_rows *bpi_rows_borrow(const bp_allocator *allocator, unsigned shift, uint32_t count, const uint8_t *base)
{
    uint32_t capacity = (uint32_t)(((uint64_t)count + BPI_CHUNK_ROWS - 1) / BPI_CHUNK_ROWS);
    bpi_rows *rows = bpi_allocate_zero(allocator, size_of(capacity));
    if (rows == NULL) {
        return NULL;
    }
    rows->allocator = allocator;
    atomic_init(&rows->references, 1);
    rows->shift = shift;
    rows->capacity = capacity;
    rows->count = count;
    rows->borrowed = true;
    for (uint32_t i = 0; i < capacity; i++) {
        /* never stored to: rows are put by those who allocated their chunk */
        union {
            const uint8_t *bytes;
            uint8_t *chunk;
        } at = {.bytes = base + (size_t)i * BPI_CHUNK_SIZE};
        rows->chunks[i] = at.chunk;
    }
    return rows;
}
