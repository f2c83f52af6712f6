/*
 * entity.c: what the images of sealed blocks know of names.
 *
 * A name stands in the block in which it is new, with its number; its events are found by the number, in any block.
 */
#include "base/compiler.h"
#include "base/error.h"
#include "index/core.h"

enum { AHEAD = 16 };

static const bpi_hashed *hashes_of(const bpi_blocks *blocks, size_t i, bool entity)
{
    const bpi_image *image = blocks->block[i]->image;
    const bpi_name_table *table = image == NULL ? NULL : entity ? &image->entity_names : &image->scope_names;
    return table == NULL || table->count == 0 ? NULL : &table->hashes;
}

/* Asks the memory for what the blocks [i - AHEAD, i) will be looked at for: most have not the name, and say so by one look
 * into a bucket each, which lies anywhere. */
static void prefetch_names(const bpi_blocks *blocks, size_t i, uint32_t fingerprint, bool entity)
{
    size_t low = i < AHEAD ? 0 : i - AHEAD;
    for (size_t at = i; at > low; at--) {
        const bpi_hashed *hashes = hashes_of(blocks, at - 1, entity);
        if (hashes != NULL) {
            BPI_PREFETCH(&hashes->starts[bpi_bucket_of(hashes->buckets, fingerprint)]);
        }
    }
    for (size_t at = i; at > low; at--) {
        const bpi_hashed *hashes = hashes_of(blocks, at - 1, entity);
        uint32_t from = 0;
        uint32_t to = 0;
        if (hashes != NULL) {
            bpi_hashed_bucket(hashes, fingerprint, &from, &to);
            if (from < to) {
                BPI_PREFETCH(&hashes->pairs.pairs[from]);
            }
        }
    }
}

bp_status bpi_blocks_find_name(const bpi_blocks *blocks, size_t end, bp_text name, bool entity, uint32_t *number_out,
                               bp_error *error)
{
    if (end == 0) {
        return BP_ERR_NOT_FOUND;
    }
    uint32_t fingerprint = bpi_name_fingerprint(name, blocks->block[0]->key);
    for (size_t i = end; i > 0; i--) {
        if ((end - i) % AHEAD == 0) {
            prefetch_names(blocks, i, fingerprint, entity);
        }
        const bpi_block *block = NULL;
        bool found = false;
        do {
            bp_status status = bpi_blocks_good(blocks, i - 1, &block, error);
            if (status != BP_OK) {
                return status;
            }
            const bpi_image *image = block->image;
            found = image != NULL && bpi_name_table_find(entity ? &image->entity_names : &image->scope_names, name,
                                                         fingerprint, number_out);
        } while (bpi_block_broken(block));
        if (found) {
            return BP_OK;
        }
    }
    return BP_ERR_NOT_FOUND;
}

/* The clock of a row; of very great ones the record knows more. */
static bp_status clock_of(const bpi_block *block, uint32_t row, uint64_t *clock_out, bp_error *error)
{
    bp_event event;
    *clock_out = bpi_row_u32(block->rows, row, BPI_ROW_CLOCK);
    if (*clock_out != BPI_CLOCK_BIG) {
        return BP_OK;
    }
    bp_status status = bpi_block_event(block, row, &event, error);
    *clock_out = event.clock;
    return status;
}

bp_status bpi_blocks_find_head(const bpi_blocks *blocks, size_t end, uint32_t number, bpi_head *head_out,
                               bp_error *error)
{
    *head_out = (bpi_head){.events = 0, .last = BP_NONE};
    for (size_t i = end; i > 0; i--) {
        const bpi_block *block = NULL;
        bool found = false;
        uint32_t row = 0;
        uint64_t clock = 0;
        bp_status status = BP_OK;
        do {
            status = bpi_blocks_good(blocks, i - 1, &block, error);
            if (status != BP_OK) {
                return status;
            }
            found = block->image != NULL && bpi_list_last(&block->image->entities, number, &row) &&
                    row < block->image->header.rows;
            status = found ? clock_of(block, row, &clock, error) : BP_OK;
        } while (bpi_block_broken(block));
        if (found) {
            *head_out = (bpi_head){.events = clock + 1, .last = block->first + row};
            return status;
        }
    }
    return BP_ERR_NOT_FOUND;
}

bp_status bpi_blocks_find_entity(const bpi_blocks *blocks, size_t end, bp_text name, uint32_t *number_out,
                                 bpi_head *head_out, bp_error *error)
{
    for (;;) {
        bp_status status = bpi_blocks_find_name(blocks, end, name, true, number_out, error);
        if (status != BP_OK) {
            return status;
        }
        status = bpi_blocks_find_head(blocks, end, *number_out, head_out, error);
        if (status != BP_ERR_NOT_FOUND) {
            return status;
        }
        if (!bpi_blocks_disbelieve_namer(blocks, end, *number_out)) {
            return bpi_error_set(error, BP_ERR_CORRUPT, "an entity that the index names has no event in it");
        }
    }
}
