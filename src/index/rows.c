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

void bpi_rows_drop(bpi_rows *rows)
{
    if (rows == NULL || atomic_fetch_sub_explicit(&rows->references, 1, memory_order_acq_rel) != 1) {
        return;
    }
    for (uint32_t i = 0; i < rows->allocated; i++) {
        bpi_release(rows->allocator, rows->chunks[i], BPI_CHUNK_ROOM);
    }
    bpi_release(rows->allocator, rows->zones, rows->capacity * sizeof rows->zones[0]);
    bpi_release(rows->allocator, rows->places, rows->place_count * sizeof(uint32_t));
    bpi_release(rows->allocator, rows, size_of(rows->capacity));
}

bool bpi_rows_reserve(bpi_rows *rows, size_t count)
{
    if (count > (size_t)rows->capacity * BPI_CHUNK_ROWS) {
        return false;
    }
    while ((size_t)rows->allocated * BPI_CHUNK_ROWS < count) {
        uint8_t *chunk = bpi_allocate(rows->allocator, BPI_CHUNK_ROOM);
        if (chunk == NULL) {
            return false;
        }
        memset(chunk + BPI_CHUNK_SIZE, 0, BPI_CHUNK_ROOM - BPI_CHUNK_SIZE);
        rows->chunks[rows->allocated++] = chunk;
    }
    return true;
}

static void put_fields(bpi_rows *rows, uint32_t place, const bpi_fields *fields)
{
    uint8_t *chunk = rows->chunks[place >> BPI_CHUNK_SHIFT];
    uint32_t at = place & (BPI_CHUNK_ROWS - 1);
    unsigned shift = rows->shift;
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
    put_fields(rows, row, fields);
    put_first(rows, row, fields->bits);
}

uint32_t bpi_rows_commit_first(const bpi_rows *rows, uint32_t row)
{
    uint32_t start = row & ~UINT32_C(63);
    uint64_t word = atomic_load_explicit(bpi_rows_firsts(rows, row), memory_order_relaxed);
    word &= UINT64_MAX >> (63 - (row & 63));
    while (word == 0 && start > 0) {
        start -= 64;
        word = atomic_load_explicit(bpi_rows_firsts(rows, start), memory_order_relaxed);
    }
    return word == 0 ? 0 : start + bpi_highest_bit(word);
}

uint32_t bpi_rows_commit_end(const bpi_rows *rows, uint32_t row, uint32_t end)
{
    uint32_t start = row & ~UINT32_C(63);
    uint64_t word = atomic_load_explicit(bpi_rows_firsts(rows, row), memory_order_relaxed);
    word &= ~(UINT64_MAX >> (63 - (row & 63)));
    while (word == 0 && end - start > 64) {
        start += 64;
        word = atomic_load_explicit(bpi_rows_firsts(rows, start), memory_order_relaxed);
    }
    uint32_t next = word == 0 ? end : start + bpi_lowest_bit(word);
    return next < end ? next : end;
}

void bpi_rows_get(const bpi_rows *rows, uint32_t row, bpi_fields *fields_out)
{
    *fields_out = (bpi_fields){
        .hlc = bpi_row_u64(rows, row, BPI_ROW_HLC),
        .time_us = bpi_row_time(rows, row),
        .distance = bpi_row_distance(rows, row),
        .clock = bpi_row_u32(rows, row, BPI_ROW_CLOCK),
        .offset = bpi_row_u32(rows, row, BPI_ROW_OFFSET),
        .entity = bpi_row_u32(rows, row, BPI_ROW_ENTITY),
        .scope = bpi_row_u32(rows, row, BPI_ROW_SCOPE),
        .correlation = bpi_row_u32(rows, row, BPI_ROW_CORRELATION),
        .cause = bpi_row_u32(rows, row, BPI_ROW_CAUSE),
        .kind = bpi_row_kind(rows, row),
        .bits = bpi_row_u8(rows, row, BPI_ROW_BITS),
    };
}

bpi_rows *bpi_rows_copy(const bpi_rows *rows, uint32_t count, const uint32_t *order)
{
    bpi_rows *copy = bpi_rows_new(rows->allocator, BP_LAYOUT_SOA, count);
    if (copy == NULL) {
        return NULL;
    }
    copy->shift = rows->shift;
    if (order != NULL && count > 0) {
        copy->places = bpi_allocate(rows->allocator, count * sizeof(uint32_t));
        copy->place_count = copy->places == NULL ? 0 : count;
    }
    if ((order != NULL && count > 0 && copy->places == NULL) || !bpi_rows_reserve(copy, count)) {
        bpi_rows_drop(copy);
        return NULL;
    }
    for (uint32_t place = 0; place < count; place++) {
        bpi_fields fields;
        uint32_t row = order == NULL ? place : order[place];
        bpi_rows_get(rows, row, &fields);
        put_fields(copy, place, &fields);
        put_first(copy, row, fields.bits);
        bpi_rows_widen(copy, row, fields.time_us);
        if (order != NULL) {
            copy->places[row] = place;
        }
    }
    return copy;
}
