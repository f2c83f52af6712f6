/*
 * commit.h: which rows were committed together.
 */
#ifndef BPI_INDEX_COMMIT_H
#define BPI_INDEX_COMMIT_H

#include "index/block.h"

typedef struct bpi_commit {
    const bpi_block *block; /* NULL: none */
    uint32_t first;         /* rows [first, end) of it */
    uint32_t end;
} bpi_commit;

/* The commit of a row; rows below `end` may be looked at. */
void bpi_commit_of(const bpi_block *block, uint32_t row, uint32_t end, bpi_commit *commit_out);

#endif
