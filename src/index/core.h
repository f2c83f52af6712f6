/*
 * core.h: the index itself and views, as the files of this folder share them.
 *
 * Who may touch what: `allocator` to `scopes` are set once. `current` is replaced under the lock, by the writer and by
 * the keeper; a reader takes it under the lock and holds it. `published` goes up without the lock and down (truncate)
 * with it. `mine`, `active` belong to the writer.
 *
 * The struct lives as long as any array of blocks, so that a view outlives bpi_index_free; names live with it.
 */
#ifndef BPI_INDEX_CORE_H
#define BPI_INDEX_CORE_H

#include <pthread.h>

#include "index/block.h"
#include "index/names.h"

struct bpi_index {
    const bp_allocator *base; /* what the struct itself came from */
    bp_allocator allocator;   /* the same, counting into `bytes` */
    bp_layout layout;
    uint64_t key;
    bpi_names entities;
    bpi_names scopes;
    _Atomic uint32_t references; /* the owner, and every array of blocks */
    _Atomic uint64_t bytes;
    _Atomic uint64_t used_entities; /* with at least one event */
    _Atomic uint32_t generation;    /* raised by truncate */
    _Atomic uint64_t published;
    _Atomic uint64_t next;
    pthread_mutex_t lock;
    _Atomic(bpi_blocks *) current;
    bpi_blocks *mine;       /* an array the writer holds, to look at without the lock */
    bpi_block *active;      /* held */
    bpi_entity *last_scope; /* the one asked for last */
    uint32_t system;        /* number of the system's entity, or BPI_NO_NUMBER; the writer's */
};

struct bpi_view {
    _Atomic uint32_t references;
    bpi_blocks *blocks; /* held */
    uint64_t end;
    uint32_t generation;
};

/* Frees the struct when nothing needs it any more. */
void bpi_index_release(bpi_index *index);

/* A new array of the first `count` blocks of `from`, held, with room for `more`. NULL: no memory. */
bpi_blocks *bpi_blocks_new(bpi_index *index, const bpi_blocks *from, size_t count, size_t more);
/* Makes it the current one; the lock is held. Returns the array it replaces, to be dropped without the lock. */
bpi_blocks *bpi_index_swap(bpi_index *index, bpi_blocks *blocks);
/* The current array, held. */
bpi_blocks *bpi_index_blocks(bpi_index *index);
/* The current array for the writer; not held for it beyond its next question. */
const bpi_blocks *bpi_index_mine(bpi_index *index);

/* The sealed form of rows [0, count) of a block. NULL: no memory. Postings may be missing in it. */
bpi_block *bpi_block_sealed(bpi_index *index, const bpi_block *block, uint32_t count);

#endif
