/*
 * move.h: rows whose records a recovery in the process writes once more, in another segment.
 */
#ifndef BPI_INDEX_MOVE_H
#define BPI_INDEX_MOVE_H

#include "index/index.h"

/* What is made beside that which readers use. */
typedef struct bpi_move {
    struct bpi_blocks *old;  /* held */
    struct bpi_blocks *made; /* held; its room for blocks is filled at the end */
    bpi_block *cut;          /* what stays of the block in which the moved rows begin; NULL: nothing */
    bpi_block *block;        /* the moved rows */
} bpi_move;

/*
 * The rows from `first` on, at least one, will be in a block of that segment, which holds at most max_rows. The writer; until the end or
 * giving up no row is appended, and no block is begun, sealed or merged. BP_ERR_NO_MEMORY, BP_ERR_FAILED: nothing is to be given up.
 */
bp_status bpi_index_move_begin(bpi_index *index, uint64_t first, bpi_segment *segment, size_t max_rows,
                               bpi_move *move_out, bp_error *error);
/* Where the record of the next one lies: all of them, in order. `previous` is known. Cannot fail. */
void bpi_index_move_row(bpi_move *move, uint64_t sequence, const bpi_row *row);
/* Puts it in its place; the block is the active one. Cannot fail. */
void bpi_index_move_end(bpi_index *index, bpi_move *move);
/* Nothing has changed. */
void bpi_index_move_give_up(bpi_move *move);

#endif
