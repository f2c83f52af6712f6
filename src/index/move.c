/*
 * move.c: rows whose records a recovery in the process writes once more, in another segment.
 *
 * Holds: of a row nothing changes but where its record lies; numbers, names, heads and links stay. So all that needs memory is
 * made beside what readers use before the records are moved, and putting it in its place cannot fail: what was published is shown at
 * every moment (P6).
 */
#include "index/move.h"

#include <string.h>

#include "base/assert.h"
#include "base/error.h"
#include "index/core.h"

enum { IDS_LEAST = 1024 };

/* As many blocks as there can be of the same rows, and the two that are made. */
static size_t room_for(const bpi_blocks *blocks)
{
    size_t parts = 2;
    for (size_t i = 0; i < blocks->count; i++) {
        parts += blocks->block[i]->part_count;
    }
    return parts;
}

/* What an image knows of names is not in memory; but what is not durable is in no image. */
static bool is_open_from(const bpi_blocks *blocks, size_t i)
{
    while (i < blocks->count && blocks->block[i]->image == NULL) {
        i++;
    }
    return i == blocks->count;
}

static bool make_block(bpi_index *index, const bpi_block *whole, uint64_t first, bpi_segment *segment, size_t max_rows,
                       bpi_move *move)
{
    size_t count = (size_t)(bpi_index_next(index) - first);
    uint32_t rest = (uint32_t)(first - whole->first);
    bpi_rows *rows = bpi_rows_new(&index->allocator, index->layout, max_rows);
    move->block = rows == NULL ? NULL : bpi_block_new(&index->allocator, segment, first, index->key, rows);
    if (move->block == NULL || !bpi_rows_reserve(rows, count) ||
        !bpi_table_reserve(&move->block->ids, count < IDS_LEAST && IDS_LEAST < max_rows ? IDS_LEAST : count)) {
        return false;
    }
    bpi_block_marks(whole, rest, &move->block->first_entity, &move->block->first_scope);
    move->cut = rest == 0 ? NULL : bpi_block_shortened(index, whole, rest);
    return rest == 0 || move->cut != NULL;
}

bp_status bpi_index_move_begin(bpi_index *index, uint64_t first, bpi_segment *segment, size_t max_rows,
                               bpi_move *move_out, bp_error *error)
{
    *move_out = (bpi_move){.old = bpi_index_blocks(index)};
    size_t at = bpi_blocks_find(move_out->old, first);
    bp_status status = BP_OK;
    BPI_ASSERT(first < bpi_index_next(index) && first >= move_out->old->block[at]->first);
    if (!is_open_from(move_out->old, at)) {
        status = bpi_error_set(error, BP_ERR_FAILED, "events that are not durable are in a sealed part of the index");
        bpi_error_hint(error, "close the store and open it again");
    } else {
        move_out->made = bpi_blocks_new(index, move_out->old, 0, room_for(move_out->old));
        if (move_out->made == NULL ||
            !make_block(index, move_out->old->block[at], first, segment, max_rows, move_out)) {
            status = bpi_error_set(error, BP_ERR_NO_MEMORY, "no memory to recover");
        }
    }
    if (status != BP_OK) {
        bpi_index_move_give_up(move_out);
    }
    return status;
}

void bpi_index_move_row(bpi_move *move, uint64_t sequence, const bpi_row *row)
{
    const bpi_block *old = move->old->block[bpi_blocks_find(move->old, sequence)];
    bpi_row moved = *row;
    bpi_fields fields;
    bpi_rows_get(old->rows, (uint32_t)(sequence - old->first), &fields);
    moved.previous = fields.distance == 0 ? BP_NONE : sequence - fields.distance;
    bpi_numbers numbers = {fields.entity, fields.scope, (fields.bits & BPI_ROW_SYSTEM) != 0};
    bpi_block_append(move->block, (uint32_t)(sequence - move->block->first), &numbers, &moved);
}

void bpi_index_move_end(bpi_index *index, bpi_move *move)
{
    bpi_blocks *made = move->made;
    pthread_mutex_lock(&index->lock);
    /* Not what was seen: a file that is not believed any more may have been replaced meanwhile. */
    const bpi_blocks *now = atomic_load_explicit(&index->current, memory_order_relaxed);
    size_t below = bpi_blocks_find(now, move->block->first);
    BPI_ASSERT(below + 2 <= made->capacity);
    for (size_t i = 0; i < below; i++) {
        made->block[made->count++] = bpi_block_hold(now->block[i]);
    }
    if (move->cut != NULL) {
        made->block[made->count++] = move->cut;
    }
    made->block[made->count++] = bpi_block_hold(move->block);
    bpi_blocks *replaced = bpi_index_swap(index, made);
    pthread_mutex_unlock(&index->lock);
    bpi_blocks_drop(replaced);
    bpi_block_drop(index->active);
    index->active = move->block;
    bpi_index_follow(index);
    bpi_blocks_drop(move->old);
    *move = (bpi_move){.old = NULL};
}

void bpi_index_move_give_up(bpi_move *move)
{
    bpi_block_drop(move->cut);
    bpi_block_drop(move->block);
    bpi_blocks_drop(move->made);
    bpi_blocks_drop(move->old);
    *move = (bpi_move){.old = NULL};
}
