/*
 * draw.c: drawing rows from a block's source, tested, in the scan's direction, many at a time.
 *
 * Holds: a batch ascends (forward) or descends (backward), and goes on where the last one of the block ended.
 */
#include "index/scan.h"

#include <string.h>

#include "base/compiler.h"

/* Adds the rows of a mask, 64 at most, in the scan's direction. */
static void add_mask(bpi_scan *scan, uint32_t start, uint64_t mask)
{
    uint32_t from = scan->count;
    if (mask == UINT64_MAX) {
        for (uint32_t i = 0; i < 64; i++) {
            scan->batch[from + i] = start + i;
        }
        scan->count += 64;
    } else {
        while (mask != 0) {
            scan->batch[scan->count++] = start + bpi_lowest_bit(mask);
            mask &= mask - 1;
        }
    }
    if (scan->backward) {
        for (uint32_t a = from, b = scan->count; a + 1 < b; a++, b--) {
            uint32_t row = scan->batch[a];
            scan->batch[a] = scan->batch[b - 1];
            scan->batch[b - 1] = row;
        }
    }
}

/* Bits [low, high) of the word of rows that begins at start. */
static uint64_t within(uint32_t start, uint32_t low, uint32_t high)
{
    uint64_t mask = UINT64_MAX;
    if (low > start) {
        mask <<= low - start;
    }
    if (high - start < 64) {
        mask &= (UINT64_C(1) << (high - start)) - 1;
    }
    return mask;
}

/* The next 64 rows of [low_row, high_row), which are then behind; false when there are none. */
static bool step(bpi_scan *scan, uint32_t *start_out, uint64_t *mask_out)
{
    if (scan->low_row >= scan->high_row) {
        return false;
    }
    uint32_t start = (scan->backward ? scan->high_row - 1 : scan->low_row) & ~UINT32_C(63);
    *start_out = start;
    *mask_out = within(start, scan->low_row, scan->high_row);
    if (scan->backward) {
        scan->high_row = start;
    } else {
        scan->low_row = start + 64;
    }
    return true;
}

/* Passes over the chunk of the next row when no time in it can match. */
static bool skip_chunk(bpi_scan *scan)
{
    if ((scan->tests & BP_REGION_TIME) == 0 || scan->low_row >= scan->high_row) {
        return false;
    }
    uint32_t row = scan->backward ? scan->high_row - 1 : scan->low_row;
    if (bpi_rows_overlap(scan->at->rows, row, scan->query.time_min, scan->query.time_max)) {
        return false;
    }
    uint32_t start = row & ~(uint32_t)(BPI_CHUNK_ROWS - 1);
    if (scan->backward) {
        scan->high_row = start;
    } else {
        scan->low_row = start + BPI_CHUNK_ROWS;
    }
    return true;
}

static void draw_columns(bpi_scan *scan)
{
    uint32_t start = 0;
    uint64_t mask = 0;
    while (scan->count < scan->target) {
        if (skip_chunk(scan)) {
            continue;
        }
        if (!step(scan, &start, &mask)) {
            return;
        }
        if (scan->tests != 0) {
            uint32_t there = scan->rows - start < 64 ? scan->rows - start : 64;
            mask &= bpi_match_rows(&scan->query, scan->tests, scan->at->rows, start, there);
        }
        add_mask(scan, start, mask);
    }
}

static void draw_bits(bpi_scan *scan)
{
    uint32_t start = 0;
    uint64_t mask = 0;
    while (scan->count < scan->target && step(scan, &start, &mask)) {
        mask &= scan->bits[start >> 6];
        for (uint64_t rest = scan->tests == 0 ? 0 : mask; rest != 0; rest &= rest - 1) {
            if (!bpi_match_row(&scan->query, scan->tests, scan->at->rows, start + bpi_lowest_bit(rest))) {
                mask &= ~(rest & (~rest + 1));
            }
        }
        add_mask(scan, start, mask);
    }
}

/* Takes the next row off the span or the row beside it. */
static bool take_span(bpi_scan *scan, uint32_t *row_out)
{
    bpi_span *span = &scan->span;
    uint32_t row = 0;
    if (span->count == 0) {
        *row_out = scan->extra;
        scan->extra = BPI_TABLE_END;
        return *row_out != BPI_TABLE_END;
    }
    row = bpi_span_row(span, scan->backward ? span->count - 1 : 0);
    if (scan->extra != BPI_TABLE_END && (scan->backward ? scan->extra > row : scan->extra < row)) {
        *row_out = scan->extra;
        scan->extra = BPI_TABLE_END;
        return true;
    }
    if (!scan->backward) {
        span->rows += span->stride;
    }
    span->count--;
    *row_out = row;
    return true;
}

static void draw_span(bpi_scan *scan)
{
    uint32_t row = 0;
    while (scan->count < scan->target && take_span(scan, &row)) {
        if (row < scan->rows && bpi_match_row(&scan->query, scan->tests, scan->at->rows, row)) {
            scan->batch[scan->count++] = row;
        }
    }
}

static void draw_chain(bpi_scan *scan)
{
    const bpi_block *block = scan->at;
    while (scan->count < scan->target && scan->chain != BP_NONE && scan->chain >= block->first) {
        uint32_t row = (uint32_t)(scan->chain - block->first);
        if (row < scan->low_row) {
            return;
        }
        uint64_t distance = bpi_row_distance(block->rows, row);
        scan->chain = distance == 0 ? BP_NONE : scan->chain - distance;
        if (bpi_match_row(&scan->query, scan->tests, block->rows, row)) {
            scan->batch[scan->count++] = row;
        }
    }
}

static void draw_list(bpi_scan *scan)
{
    const bpi_block *block = scan->at;
    while (scan->count < scan->target && scan->list_count > 0) {
        uint64_t sequence = scan->list[scan->list_count - 1];
        if (sequence - block->first >= scan->rows) {
            return;
        }
        scan->list_count--;
        uint32_t row = (uint32_t)(sequence - block->first);
        if (bpi_match_row(&scan->query, scan->tests, block->rows, row)) {
            scan->batch[scan->count++] = row;
        }
    }
}

static void draw(bpi_scan *scan)
{
    switch (scan->source) {
    case BPI_SOURCE_COLUMNS:
        draw_columns(scan);
        return;
    case BPI_SOURCE_SPAN:
        draw_span(scan);
        return;
    case BPI_SOURCE_BITS:
        draw_bits(scan);
        return;
    case BPI_SOURCE_CHAIN:
        draw_chain(scan);
        return;
    case BPI_SOURCE_LIST:
        draw_list(scan);
        return;
    case BPI_SOURCE_NOTHING:
    default:
        return;
    }
}

bool bpi_draw(bpi_scan *scan)
{
    uint32_t before = scan->count;
    draw(scan);
    for (uint32_t i = before; i < scan->count; i++) {
        scan->batch_block[i] = (uint32_t)scan->block_index;
    }
    return scan->count > before;
}

uint32_t bpi_source_count(const bpi_scan *scan)
{
    if (scan->source == BPI_SOURCE_NOTHING) {
        return 0;
    }
    if (scan->tests == 0 && scan->source == BPI_SOURCE_COLUMNS) {
        return scan->high_row > scan->low_row ? scan->high_row - scan->low_row : 0;
    }
    if (scan->tests == 0 && scan->source == BPI_SOURCE_SPAN) {
        return scan->span.count + (scan->extra != BPI_TABLE_END);
    }
    return UINT32_MAX;
}
