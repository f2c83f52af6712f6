/*
 * view.c: from a sequence in a view to its event.
 *
 * Holds: only rows below the view's end are looked at.
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

/* The block and row of a sequence, and how many rows of the block are in the view; NULL when it is not in the view. */
static const bpi_block *locate(const bpi_view *view, uint64_t sequence, uint32_t *row_out, uint32_t *rows_out)
{
    const bpi_blocks *blocks = view->blocks;
    if (sequence >= view->end || blocks->count == 0 || sequence < blocks->block[0]->first) {
        return NULL;
    }
    size_t i = bpi_blocks_find(blocks, sequence);
    *row_out = (uint32_t)(sequence - blocks->block[i]->first);
    *rows_out = bpi_blocks_rows(blocks, i, view->end);
    return blocks->block[i];
}

bp_status bpi_view_event(const bpi_view *view, uint64_t sequence, bp_event *event_out, bp_error *error)
{
    uint32_t row = 0;
    uint32_t rows = 0;
    const bpi_block *block = locate(view, sequence, &row, &rows);
    if (block == NULL) {
        return bpi_error_set(error, BP_ERR_NOT_FOUND, "no event with sequence %" PRIu64, sequence);
    }
    bp_status status = bpi_block_event(block, row, event_out, error);
    if (status == BP_OK) {
        bpi_commit commit;
        bpi_commit_of(block, row, rows, &commit);
        event_out->batch = block->first + commit.first;
        event_out->batch_count = commit.end - commit.first;
    }
    return status;
}

uint64_t bpi_view_below(const bpi_view *view, uint32_t ordinal, uint32_t offset)
{
    const bpi_blocks *blocks = view->blocks;
    size_t i = 0;
    while (i < blocks->count && blocks->block[i]->segment->ordinal < ordinal) {
        i++;
    }
    if (i == blocks->count) {
        return view->end;
    }
    const bpi_block *block = blocks->block[i];
    uint32_t low = 0;
    uint32_t high = block->first < view->end ? bpi_blocks_rows(blocks, i, view->end) : 0;
    if (block->segment->ordinal > ordinal) {
        high = 0;
    }
    while (low < high) { /* records lie in the order of their sequences */
        uint32_t middle = low + (high - low) / 2;
        if (bpi_row_u32(block->rows, middle, BPI_ROW_OFFSET) < offset) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    uint64_t below = block->first + low;
    return below < view->end ? below : view->end;
}

uint64_t bpi_view_previous(const bpi_view *view, uint64_t sequence)
{
    uint32_t row = 0;
    uint32_t rows = 0;
    const bpi_block *block = locate(view, sequence, &row, &rows);
    uint64_t distance = block == NULL ? 0 : bpi_row_distance(block->rows, row);
    return distance == 0 ? BP_NONE : sequence - distance;
}

void bpi_view_prefetch(const bpi_view *view, uint64_t sequence)
{
    uint32_t row = 0;
    uint32_t rows = 0;
    const bpi_block *block = locate(view, sequence, &row, &rows);
    if (block != NULL) {
        bpi_block_prefetch(block, row, rows);
    }
}

void bpi_view_blame(const bpi_view *view, uint64_t sequence, bp_error *error)
{
    uint32_t row = 0;
    uint32_t rows = 0;
    const bpi_block *block = locate(view, sequence, &row, &rows);
    if (block != NULL) {
        bpi_block_blame(block, row, error);
    }
}
