/*
 * heads.c: where all entities stand in a view, from the columns alone.
 */
#include "index/core.h"

#include <string.h>

#include "base/error.h"
#include "base/memory.h"

bp_status bpi_view_entity(const bpi_view *view, uint64_t sequence, uint32_t *number_out, bp_error *error)
{
    const bpi_blocks *blocks = view->blocks;
    *number_out = BPI_NO_NUMBER;
    if (sequence >= view->end || blocks->count == 0 || sequence < blocks->block[0]->first) {
        return BP_OK;
    }
    size_t i = bpi_blocks_find(blocks, sequence);
    const bpi_block *block = NULL;
    do {
        bp_status status = bpi_blocks_good(blocks, i, &block, error);
        if (status != BP_OK) {
            return status;
        }
        *number_out = bpi_row_u32(block->rows, (uint32_t)(sequence - block->first), BPI_ROW_ENTITY);
    } while (bpi_block_broken(block));
    return BP_OK;
}

static void take_block(const bpi_block *block, uint32_t rows, uint64_t *heads, size_t count)
{
    for (uint32_t row = 0; row < rows; row++) {
        uint32_t number = bpi_row_u32(block->rows, row, BPI_ROW_ENTITY);
        uint32_t clock = bpi_row_u32(block->rows, row, BPI_ROW_CLOCK);
        if (number < count && clock >= heads[number]) {
            heads[number] = (uint64_t)clock + 1;
        }
    }
}

bp_status bpi_view_heads(const bpi_view *view, const bp_allocator *allocator, uint64_t **heads_out, size_t *count_out,
                         bp_error *error)
{
    const bpi_blocks *blocks = view->blocks;
    size_t count = (size_t)atomic_load_explicit(&blocks->index->entity_mark, memory_order_acquire) + 1;
    uint64_t *heads = bpi_allocate_array(allocator, count, sizeof *heads);
    *heads_out = heads;
    *count_out = heads == NULL ? 0 : count;
    if (heads == NULL) {
        return bpi_error_set(error, BP_ERR_NO_MEMORY, "no memory for the heads of all entities");
    }
    for (size_t i = 0; i < blocks->count; i++) {
        const bpi_block *block = NULL;
        bp_status status = bpi_blocks_good(blocks, i, &block, error);
        if (status != BP_OK) {
            return status;
        }
        take_block(block, bpi_blocks_rows(blocks, i, view->end), heads, count);
        if (bpi_block_broken(
                block)) { /* what was taken from it may be anything: all of it once more, with what replaces it */
            memset(heads, 0, count * sizeof *heads);
            i = SIZE_MAX;
        }
    }
    return BP_OK;
}
