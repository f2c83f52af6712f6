/*
 * core.h: the index itself and views, as the files of this folder share them.
 *
 * Who may touch what: `allocator` to `key` are set once. `hot` is replaced by the writer. `current` is replaced under the lock, by the writer and by
 * the keeper; a reader takes it under the lock and holds it. `published` goes up without the lock, but with it while there
 * is a `kept`, which is set and taken away with it. `mine`, `active` belong to the writer.
 *
 * The struct lives as long as any array of blocks, so that a view outlives bpi_index_free; names live with it.
 */
#ifndef BPI_INDEX_CORE_H
#define BPI_INDEX_CORE_H

#include <pthread.h>

#include "index/block.h"
#include "index/buried.h"
#include "index/names.h"
#include "log/segment_file.h"

struct bpi_index {
    const bp_allocator *base; /* what the struct itself came from */
    bp_allocator allocator;   /* the same, counting into `bytes` */
    bp_layout layout;
    uint64_t key;
    /* The book being written, held. Whoever looks into it without a view counts himself among the lookers meanwhile: a book
     * that was replaced is let go when there are none (retired). */
    _Atomic(bpi_book *) hot;
    _Atomic uint32_t lookers;
    bpi_book *retired;
    bool one_book;               /* no other is begun */
    _Atomic uint32_t references; /* the owner, and every array of blocks */
    _Atomic uint64_t bytes;
    _Atomic uint32_t entity_mark; /* numbers below are given */
    _Atomic uint32_t scope_mark;
    _Atomic uint32_t generation; /* raised by truncate */
    _Atomic uint64_t published;
    _Atomic uint64_t next;
    pthread_mutex_t lock;
    _Atomic(bpi_blocks *) current;
    bpi_blocks *mine; /* an array the writer holds, to look at without the lock */
    bpi_blocks *left; /* those that he held before, within one commit: what they led him to he may still look at */
    bpi_blocks *kept; /* taken by views in the place of `current`, from a truncate to the next publishing */
    uint32_t kept_generation;       /* of those views */
    _Atomic uint32_t kept_entities; /* the greatest marks that views had when rows were taken back */
    _Atomic uint32_t kept_scopes;
    bpi_block *active;         /* held */
    bpi_entity *last_scope;    /* the one asked for last */
    pthread_mutex_t repairing; /* one replacement is made at a time; recursive, since it may ask another block */
    _Atomic uint64_t repairs;
    pthread_mutex_t ages; /* of the arrays below; a leaf */
    bpi_blocks *oldest;   /* all that there are, in the order in which they were made */
    bpi_blocks *newest;
    _Atomic uint64_t epoch; /* of arrays that are made now (log/segment.h); raised with `ages` */
    bpi_buried buried;      /* lives with the struct, so that a view may ask it when the store is closed */
};

/* Frees the struct when nothing needs it any more. */
void bpi_index_release(bpi_index *index);

/* A new array of the first `count` blocks of `from`, held, and its books, with room for `more`. NULL: no memory. */
bpi_blocks *bpi_blocks_new(bpi_index *index, const bpi_blocks *from, size_t count, size_t more);
/* The same blocks with others in the place of `count` from `at` on. NULL: no memory. */
bpi_blocks *bpi_blocks_spliced(bpi_index *index, const bpi_blocks *from, size_t at, size_t count,
                               bpi_block *const *others, size_t other_count);
/* Was the array made in an epoch that is over? */
static inline bool bpi_blocks_is_old(const bpi_blocks *blocks)
{
    return blocks->epoch != atomic_load_explicit(&blocks->index->epoch, memory_order_relaxed);
}
/* Puts a block in the place of those from i on in an array that was seen, if they still are there. */
bool bpi_index_replace(bpi_index *index, const bpi_blocks *seen, size_t i, size_t count, bpi_block *block);
/* The same with several blocks, which are held for it, in the place of those. */
bool bpi_index_replace_many(bpi_index *index, const bpi_blocks *seen, size_t i, size_t count, bpi_block *const *blocks,
                            size_t block_count);
/* Puts other books beside the blocks. False: no memory. The writer. */
bool bpi_index_set_books(bpi_index *index, bpi_books *books);
/* A block of at most max_rows rows begins: begins a book with it when the newest one is large; then what is known of names by
 * address is not to be appended to any more. False: no memory, nothing changed. */
bool bpi_index_turn(bpi_index *index, size_t max_rows);
/* Lets go of books that were replaced, if nobody looks into them. */
void bpi_index_release_retired(bpi_index *index);

static inline bpi_book *bpi_index_hot(const bpi_index *index)
{
    return atomic_load_explicit(&index->hot, memory_order_relaxed);
}

/* Makes it the current one; the lock is held. Returns the array it replaces, to be dropped without the lock. */
bpi_blocks *bpi_index_swap(bpi_index *index, bpi_blocks *blocks);
/* The current array, held. */
bpi_blocks *bpi_index_blocks(bpi_index *index);
/* A copy of it, for who may be about it for long; NULL: no memory. When he reads no more records by it, mappings need not stay for it. */
bpi_blocks *bpi_index_own_blocks(bpi_index *index);
void bpi_blocks_read_no_more(bpi_blocks *blocks);
/* The current array for the writer; held for him until he publishes or follows. */
const bpi_blocks *bpi_index_mine(bpi_index *index);
/* Lets go of arrays that the writer held before. */
void bpi_index_drop_left(bpi_index *index);

/* The sealed form of rows [0, count) of an open block, in memory. Errors as bpi_input_of_block. */
bp_status bpi_block_sealed(bpi_index *index, const bpi_block *block, uint32_t count, bpi_block **block_out,
                           bp_error *error);

/* Rows [0, count) of a block, which lie in its first segment, as an open block of their own. NULL: no memory. */
bpi_block *bpi_block_shortened(bpi_index *index, const bpi_block *block, uint32_t count);
/* The numbers of names below these are given in its rows [0, count) and in blocks below. */
void bpi_block_marks(const bpi_block *block, uint32_t count, uint32_t *entities_out, uint32_t *scopes_out);

/* What a block is to be made of. */
typedef struct bpi_plot {
    const bpi_part *parts;
    uint32_t part_count;
    uint64_t first; /* sequence of its first row */
    uint32_t rows;
    uint64_t key;
    uint32_t first_entity;
    uint32_t first_scope;
} bpi_plot;
/* Makes it from its segments, as an image in memory; names are looked up among the blocks below `end`. BP_ERR_CORRUPT: a record is
 * damaged, or the segments do not hold these events. */
bp_status bpi_blocks_build(const bpi_blocks *blocks, size_t end, const bpi_plot *plot, bpi_block **block_out,
                           bp_error *error);

/* Would a block with that header come next? An index without blocks takes over the file's key. */
bool bpi_index_fits(bpi_index *index, const bpi_index_header *header);
/* What the header of its image says of a block of `rows` rows from sequence `first` on, but for what bpi_emit_plan fills in. */
void bpi_header_of(const bpi_index *index, const bpi_part *parts, uint32_t part_count, uint64_t first, uint32_t rows,
                   bpi_index_header *header);

/* ---- what sealed blocks know of names (index/entity.c) ---- */

/* The number of an entity or scope, from the images among the blocks below `end`. BP_ERR_NOT_FOUND; others: cannot say. */
bp_status bpi_blocks_find_name(const bpi_blocks *blocks, size_t end, bp_text name, bool entity, uint32_t *number_out,
                               bp_error *error);
/* The newest event of an entity in the images among the blocks below `end`, and its clock plus 1. BP_ERR_NOT_FOUND (without words in the
 * error): there is none. */
bp_status bpi_blocks_find_head(const bpi_blocks *blocks, size_t end, uint32_t number, bpi_head *head_out,
                               bp_error *error);
/* Number and head of an entity by its name. A file that names it and has no event of it is not believed any more. */
bp_status bpi_blocks_find_entity(const bpi_blocks *blocks, size_t end, bp_text name, uint32_t *number_out,
                                 bpi_head *head_out, bp_error *error);

/* Appends a row to an open block: what bpi_index_append does but for what belongs to the index. */
typedef struct bpi_numbers {
    uint32_t entity;
    uint32_t scope;
    bool system;
} bpi_numbers;
/* What is stored of a row. */
void bpi_fields_of(bpi_fields *fields, uint64_t sequence, uint64_t key, const bpi_numbers *numbers, const bpi_row *row);
void bpi_block_append(bpi_block *block, uint32_t number, const bpi_numbers *numbers, const bpi_row *row);

/* Reads the record of a sequence, which one of the blocks has; batch fields are not set. */
bp_status bpi_blocks_event(const bpi_blocks *blocks, uint64_t sequence, bp_event *event_out, bp_error *error);

#endif
