/*
 * scan.h: a scan over a view, as the files that plan it and run it share it.
 *
 * Blocks are visited one after another, in the scan's direction. On entering one, `bpi_plan_block` chooses where its
 * rows come from and what is left to test; then rows are drawn from there into a batch, which goes on over as many
 * blocks as it takes to have enough records to ask for at once.
 */
#ifndef BPI_INDEX_SCAN_H
#define BPI_INDEX_SCAN_H

#include "index/commit.h"
#include "index/core.h"
#include "index/match.h"

enum { BPI_BATCH = 64, BPI_BATCH_ROOM = 2 * BPI_BATCH };

typedef enum bpi_source {
    BPI_SOURCE_NOTHING, /* no row of the block is in the region */
    BPI_SOURCE_COLUMNS, /* all rows of [low, high) */
    BPI_SOURCE_SPAN,    /* a posting's, and `extra` */
    BPI_SOURCE_BITS,    /* those whose bit is set, within [low, high) */
    BPI_SOURCE_CHAIN,   /* backward along the entity's chain from `chain` */
    BPI_SOURCE_LIST     /* the chain as collected, from its end */
} bpi_source;

struct bpi_scan {
    bpi_view *view; /* held */
    const bp_allocator *allocator;
    bpi_query query;
    uint64_t low, high; /* sequences [low, high) */
    char *names;        /* the query's, owned */
    size_t names_size;
    uint64_t left; /* of the limit */
    bool backward;
    bool ended;
    bool confirms; /* what a file tells of is held against its record, also where that is not wanted */

    size_t block_index;
    bool begun;          /* block_index has been chosen */
    const bpi_block *at; /* it, or its replacement; NULL: it is still to be entered */
    uint32_t passed;     /* its rows below (backward: from here on) are drawn */
    uint32_t rows;       /* of it in the view */
    bpi_source source;
    uint32_t tests;             /* what the source does not answer */
    uint32_t low_row, high_row; /* not looked at yet */
    bpi_span span;
    uint32_t extra; /* a row beside the span; BPI_TABLE_END: none */
    uint64_t *bits; /* room for bit_words words */
    size_t bit_words;
    uint32_t *found; /* rows of a cause, for the span; room for found_capacity */
    size_t found_capacity;

    bool chained; /* `chain` (backward) or `list` (forward) is good for blocks from chain_block on */
    size_t chain_block;
    uint64_t chain; /* the next sequence down the chain; BP_NONE: at its end */
    uint64_t *list; /* descending; [0, list_count) still to come */
    size_t list_count;
    size_t list_capacity;

    uint32_t batch[BPI_BATCH_ROOM];       /* rows */
    uint32_t batch_block[BPI_BATCH_ROOM]; /* whose */
    uint32_t count;
    uint32_t taken;
    uint32_t target; /* rows a batch should have */
    bpi_commit commit;
};

/* Prepares the chain of the query's entity; NULL: it is not in memory. */
void bpi_plan_chain(bpi_scan *scan, const bpi_entity *entity);
/* Sets what the block's rows come from: source, tests, low_row, high_row. */
void bpi_plan_block(bpi_scan *scan);
/* Draws more rows of the block into the batch, up to the target or a little beyond; false: it has no more. */
bool bpi_draw(bpi_scan *scan);

/* How many rows the source still has, when no test is left; UINT32_MAX: it must be drawn. */
uint32_t bpi_source_count(const bpi_scan *scan);

#endif
