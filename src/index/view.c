/*
 * view.c: from a sequence in a view to its event.
 *
 * Holds: only rows below the view's end are looked at; what a broken block said is asked again of its replacement.
 */
#include "index/core.h"

#include <inttypes.h>

#include "base/error.h"
#include "index/commit.h"

void bpi_commit_of(const bpi_block *block, uint32_t row, uint32_t end, bpi_commit *commit_out)
{
    *commit_out = (bpi_commit){
        .block = block,
        .first = bpi_rows_commit_first(block->rows, row),
        .end = bpi_rows_commit_end(block->rows, row, end),
    };
}

bp_status bpi_blocks_event(const bpi_blocks *blocks, uint64_t sequence, bp_event *event_out, bp_error *error)
{
    size_t i = bpi_blocks_find(blocks, sequence);
    const bpi_block *block = NULL;
    bp_status status = BP_OK;
    do {
        status = bpi_blocks_good(blocks, i, &block, error);
        if (status == BP_OK) {
            status = bpi_block_event(block, (uint32_t)(sequence - block->first), event_out, error);
        }
    } while (block != NULL && bpi_block_broken(block));
    return status;
}

/* Which block has a sequence; false when it is not in the view. */
static bool locate(const bpi_view *view, uint64_t sequence, size_t *i_out)
{
    const bpi_blocks *blocks = view->blocks;
    if (sequence >= view->end || blocks->count == 0 || sequence < blocks->block[0]->first) {
        return false;
    }
    *i_out = bpi_blocks_find(blocks, sequence);
    return true;
}

bp_status bpi_view_event(const bpi_view *view, uint64_t sequence, bp_event *event_out, bp_error *error)
{
    size_t i = 0;
    if (!locate(view, sequence, &i)) {
        return bpi_error_set(error, BP_ERR_NOT_FOUND, "no event with sequence %" PRIu64, sequence);
    }
    const bpi_block *block = NULL;
    bp_status status = BP_OK;
    do {
        status = bpi_blocks_good(view->blocks, i, &block, error);
        if (status != BP_OK) {
            return status;
        }
        uint32_t row = (uint32_t)(sequence - block->first);
        status = bpi_block_event(block, row, event_out, error);
        if (status == BP_OK) {
            bpi_commit commit;
            bpi_commit_of(block, row, bpi_blocks_rows(view->blocks, i, view->end), &commit);
            event_out->batch = block->first + commit.first;
            event_out->batch_count = commit.end - commit.first;
            event_out->tombstoned = event_out->tombstoned || bpi_view_buried(view, sequence);
        }
    } while (bpi_block_broken(block));
    return status;
}

/* The block that holds the first record at or behind a place in the log; count when there is none. */
static size_t block_at(const bpi_blocks *blocks, uint32_t ordinal)
{
    size_t low = 0;
    size_t high = blocks->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        const bpi_block *block = blocks->block[middle];
        if (block->parts[block->part_count - 1].segment->ordinal < ordinal) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

/* The first row below `rows` whose record lies at or behind a place. Records lie in the order of their sequences. */
static uint32_t row_at(const bpi_block *block, uint32_t rows, uint32_t ordinal, uint32_t offset)
{
    uint32_t part = 0;
    while (part + 1 < block->part_count && block->parts[part].segment->ordinal < ordinal) {
        part++;
    }
    uint32_t low = block->parts[part].first_row;
    uint32_t high = part + 1 < block->part_count ? block->parts[part + 1].first_row : rows;
    high = high < rows ? high : rows;
    if (block->parts[part].segment->ordinal > ordinal) {
        return low < rows ? low : rows;
    }
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (bpi_row_u32(block->rows, middle, BPI_ROW_OFFSET) < offset) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low < rows ? low : rows;
}

bp_status bpi_view_below(const bpi_view *view, uint32_t ordinal, uint32_t offset, uint64_t *below_out)
{
    const bpi_blocks *blocks = view->blocks;
    size_t i = block_at(blocks, ordinal);
    *below_out = view->end;
    if (i == blocks->count || blocks->block[i]->first >= view->end) {
        return BP_OK;
    }
    const bpi_block *block = NULL;
    uint32_t row = 0;
    do {
        bp_status status = bpi_blocks_good(blocks, i, &block, NULL);
        if (status != BP_OK) {
            *below_out = blocks->block[i]->first; /* what cannot be read is not said to lie below */
            return status;
        }
        row = row_at(block, bpi_blocks_rows(blocks, i, view->end), ordinal, offset);
        if (row == bpi_blocks_rows(blocks, i, view->end) && i + 1 < blocks->count && !bpi_block_broken(block)) {
            block = blocks->block[++i]; /* it may go on in the same segment */
            row = UINT32_MAX;
        }
    } while (row == UINT32_MAX || bpi_block_broken(block));
    *below_out = block->first + row < view->end ? block->first + row : view->end;
    return BP_OK;
}

bp_status bpi_view_previous(const bpi_view *view, uint64_t sequence, uint64_t *previous_out, bp_error *error)
{
    size_t i = 0;
    *previous_out = BP_NONE;
    if (!locate(view, sequence, &i)) {
        return BP_OK;
    }
    const bpi_block *block = NULL;
    uint64_t distance = 0;
    do {
        bp_status status = bpi_blocks_good(view->blocks, i, &block, error);
        if (status != BP_OK) {
            return status;
        }
        distance = bpi_row_distance(block->rows, (uint32_t)(sequence - block->first));
    } while (bpi_block_broken(block));
    *previous_out = distance == 0 || distance > sequence ? BP_NONE : sequence - distance;
    return BP_OK;
}

void bpi_view_prefetch(const bpi_view *view, uint64_t sequence)
{
    size_t i = 0;
    if (locate(view, sequence, &i)) {
        const bpi_block *block = bpi_block_now(view->blocks->block[i]);
        bpi_block_prefetch(block, (uint32_t)(sequence - block->first), bpi_blocks_rows(view->blocks, i, view->end));
    }
}

void bpi_view_blame(const bpi_view *view, uint64_t sequence, bp_error *error)
{
    size_t i = 0;
    if (locate(view, sequence, &i)) {
        const bpi_block *block = bpi_block_now(view->blocks->block[i]);
        bpi_block_blame(block, (uint32_t)(sequence - block->first), error);
    }
}
