/*
 * block.h: the rows of one segment, or of several that follow one another, with what finds them, and the arrays of blocks
 * that views are made of.
 *
 * A block is *open* while rows are appended to it, and afterwards until it is sealed. Sealing makes another block of
 * the same rows, an image with postings, that takes its place in the next array; a view that has the open one keeps
 * it. Later a file takes the place of an image on the heap, and a merged file that of several. A sealed block never
 * changes. An array of blocks never changes either.
 *
 * A block whose file turns out not to be right is *broken*: it has a replacement, rebuilt from the log, and whoever
 * asked it asks that one again (bpi_blocks_good).
 */
#ifndef BPI_INDEX_BLOCK_H
#define BPI_INDEX_BLOCK_H

#include "index/book.h"
#include "index/causes.h"
#include "index/image.h"
#include "index/index.h"
#include "index/postings.h"
#include "index/rows.h"
#include "index/table.h"

typedef struct bpi_blocks bpi_blocks;

/* The rows of one segment within a block. */
typedef struct bpi_part {
    bpi_segment *segment; /* held */
    uint32_t first_row;
} bpi_part;

struct bpi_block {
    const bp_allocator *allocator;
    _Atomic uint32_t references;
    bpi_part one; /* when there is one segment */
    bpi_part *parts;
    uint32_t part_count;
    uint64_t first; /* sequence of row 0 */
    uint64_t key;   /* of all fingerprints */
    bpi_rows *rows;
    bpi_image *image;      /* NULL: open */
    bpi_table ids;         /* open */
    bpi_causes causes;     /* open */
    bpi_id_range id_range; /* open; the writer's until it is sealed */
    uint32_t first_entity; /* numbers below were given before */
    uint32_t first_scope;
    _Atomic uint32_t system; /* rows of the system's entity so far */
    _Atomic uint32_t folded; /* rows of events that retention took away so far */
    _Atomic(bpi_block *) replacement;
    char file[BPI_INDEX_NAME_SIZE]; /* in index/; empty: none */
};

/* In order of sequence. */
struct bpi_blocks {
    bpi_index *index; /* held */
    bpi_books *books; /* held: names of which images need not know */
    _Atomic uint32_t references;
    uint64_t
        epoch; /* mappings that were let go of in it or later stay while this is held (log/segment.h); UINT64_MAX: of none */
    bpi_blocks *before; /* [ages] of all arrays, the one made before it */
    bpi_blocks *behind;
    bpi_blocks *left; /* the writer's: the one that he left before this one */
    size_t count;
    size_t capacity;
    bpi_block *block[];
};

/* What an id table keeps of an id; also what a row keeps of a correlation and a cause. */
uint32_t bpi_fingerprint(const bp_id *id, uint64_t key);

/* A cause's fingerprint is never 0, which says that there is none. */
static inline uint32_t bpi_cause_key(uint32_t fingerprint)
{
    return fingerprint == 0 ? 1 : fingerprint;
}

/* Two of 32 marks for a cause of several. */
static inline uint32_t bpi_cause_marks(uint32_t key)
{
    return UINT32_C(1) << (key & 31) | UINT32_C(1) << (key >> 5 & 31);
}

/* An open block. Takes over the rows. NULL: no memory; the rows are dropped. */
bpi_block *bpi_block_new(const bp_allocator *allocator, bpi_segment *segment, uint64_t first, uint64_t key,
                         bpi_rows *rows);
/* A sealed block of `count` segments, which are held, as parts of a block of the same rows. Takes over the image, also when
 * it fails. */
bpi_block *bpi_block_of_image(const bp_allocator *allocator, const bpi_part *parts, uint32_t count, bpi_image *image);
bpi_block *bpi_block_hold(bpi_block *block);
void bpi_block_drop(bpi_block *block);

/* Did something in the block's file turn out wrong? What was found in it since it was last asked is worth nothing. */
static inline bool bpi_block_broken(const bpi_block *block)
{
    return block->image != NULL && bpi_pages_broken(block->image->pages);
}

/* ---- what a file says wrong: src/index/doubt.c ---- */

/* The record of that row cannot be read. If the log has it whole in another place, the block's file is not believed any more. */
void bpi_block_doubt(const bpi_block *block, uint32_t row);
/* The file's word was held against the log and does not hold. False: there is no file to blame, or it was blamed before. */
bool bpi_block_disbelieve(const bpi_block *block);
/* The same for the file below `end` in which the entity of that number is new. */
bool bpi_blocks_disbelieve_namer(const bpi_blocks *blocks, size_t end, uint32_t number);
/* The same for all of them. */
bool bpi_blocks_disbelieve_all(const bpi_blocks *blocks, size_t end);

/* The block, or what replaces it. */
static inline const bpi_block *bpi_block_now(const bpi_block *block)
{
    const bpi_block *replacement = atomic_load_explicit(&block->replacement, memory_order_acquire);
    return replacement != NULL ? replacement : block;
}

/* The part that has a row. */
const bpi_part *bpi_block_part(const bpi_block *block, uint32_t row);

/* Looks for an id among the rows below `end`; the record has confirmed it. A damaged record counts as found: whoever
 * reads it sees the damage, where "not there" would be a guess. */
bool bpi_block_find(const bpi_block *block, const bpi_wanted *wanted, uint32_t end, uint32_t *row_out);

/* BP_ERR_CORRUPT: what the log says of the block's events cannot all be so. */
bp_status bpi_block_contradicts(const bpi_block *block, const char *what, bp_error *error);

/* Reads the record of a row; batch and batch_count are not set. */
bp_status bpi_block_event(const bpi_block *block, uint32_t row, bp_event *event_out, bp_error *error);

/* The bytes of a row's record and how many there can be at most; NULL when the row points beyond the file. */
const uint8_t *bpi_block_bytes(const bpi_block *block, uint32_t row, size_t *available_out);

/* Asks the memory for the record of a row; rows below `end` may be looked at. */
void bpi_block_prefetch(const bpi_block *block, uint32_t row, uint32_t end);
/* Writes into an error where the record of a row lies. */
void bpi_block_blame(const bpi_block *block, uint32_t row, bp_error *error);

/* Block i, or its replacement, which is made from the log when it is needed. An error: it cannot be. */
bp_status bpi_blocks_repair(const bpi_blocks *blocks, size_t i, const bpi_block **block_out, bp_error *error);
static inline bp_status bpi_blocks_good(const bpi_blocks *blocks, size_t i, const bpi_block **block_out,
                                        bp_error *error)
{
    *block_out = blocks->block[i];
    return BPI_LIKELY(!bpi_block_broken(blocks->block[i])) ? BP_OK : bpi_blocks_repair(blocks, i, block_out, error);
}

/* The block that has a sequence: the last one that begins at or before it. count > 0 and block[0] begins there. */
size_t bpi_blocks_find(const bpi_blocks *blocks, uint64_t sequence);
/* How many rows of block i lie below `end`. */
uint32_t bpi_blocks_rows(const bpi_blocks *blocks, size_t i, uint64_t end);
/* Looks among the rows below `end`, newest block first. BP_ERR_NOT_FOUND (the error is not filled in for that); anything else:
 * a block cannot be asked. */
bp_status bpi_blocks_find_id(const bpi_blocks *blocks, const bp_id *id, uint64_t end, uint64_t *sequence_out,
                             bp_error *error);

bpi_blocks *bpi_blocks_hold(bpi_blocks *blocks);
void bpi_blocks_drop(bpi_blocks *blocks);

#endif
