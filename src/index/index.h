/*
 * index.h: finding events without reading the log: rows in blocks, ids, names, heads, postings, views.
 *
 * A *block* has the rows of one segment, or of several that follow one another, in sequence order. Blocks are dense: each
 * begins where the one before ends. The last one is *active* and grows; a *sealed* block is an image with postings, in
 * memory or in a file. Sequence s is row s - first of its block.
 *
 * One writer at a time changes the index (the caller's commit lock says who); any number of threads read it
 * meanwhile. Everything a reader may touch is either immutable, or written before `bpi_index_publish` raises the
 * published sequence with release order; readers load it first, with acquire order, then pin a view, and look at no
 * row at or above it. Rows, chunks, entities never move once they are there.
 */
#ifndef BPI_INDEX_INDEX_H
#define BPI_INDEX_INDEX_H

#include <batpak/query.h>
#include <batpak/walk.h>

#include "log/segment.h"

typedef struct bpi_index bpi_index;
typedef struct bpi_block bpi_block;

/* The head of an entity's chain: what the next event of it builds upon. The writer's. */
typedef struct bpi_head {
    uint64_t events; /* = clock of the next event */
    uint64_t last;   /* sequence of the newest event; BP_NONE */
    bp_hash hash;    /* its event hash */
} bpi_head;

typedef struct bpi_entity {
    bp_text name; /* owned by the index */
    _Atomic uint32_t
        number;     /* dense from 0 in order of first appearance in the log; BPI_NO_NUMBER before its first event */
    uint32_t place; /* among the names that are in memory */
    bool system;    /* the system's entity */
    bpi_head head;  /* writer only */
    _Atomic uint64_t last; /* head.last for readers: where a chain begins; may be above what is published */
} bpi_entity;

/* One event as the index keeps it. */
typedef struct bpi_row {
    bp_id id;
    bp_id correlation;
    const bp_id *causes;
    size_t cause_count;
    uint64_t clock;
    bp_hlc hlc;
    int64_t time_us;
    uint64_t previous; /* sequence of the entity's previous event, BP_NONE at genesis */
    uint32_t offset;   /* of the record in its segment */
    uint32_t lane;
    bp_kind_code kind;
    bool first_of_commit;
    bool dropped;
} bpi_row;

#define BPI_NO_NUMBER UINT32_MAX

/* key: the store's own random number, seeds the hash tables. NULL: no memory. */
bpi_index *bpi_index_new(const bp_allocator *allocator, bp_layout layout, uint64_t key);
/* Of an index that has no rows yet. */
void bpi_index_set_layout(bpi_index *index, bp_layout layout);
/* The same; names and blocks take it. */
void bpi_index_set_key(bpi_index *index, uint64_t key);
/* Drops the index's own references; blocks that views hold live on. */
void bpi_index_free(bpi_index *index);

/* ---- names: the writer ---- */

/*
 * The entity of a name, for events that will be appended to the active block: known, or found in sealed blocks, or new (with
 * no events). `added`: it was not in memory before, and bpi_index_undo_entity takes it out again while it has got no
 * event. What a sealed block says of its head is held against the record there, hash included, when `confirm` is set;
 * without, head.hash is unset for an entity that was found so. BP_ERR_NO_MEMORY, BP_ERR_CORRUPT.
 */
bp_status bpi_index_take_entity(bpi_index *index, bp_text name, uint32_t expected, bool confirm,
                                bpi_entity **entity_out, bool *added_out, bp_error *error);
/*
 * The log says that the next event of an entity that was just added has another clock than its head. If a file told of that head it is
 * held against the log, and at last no file is believed any more; what the head is then, the log itself says.
 */
bp_status bpi_index_doubt_entity(bpi_index *index, bp_text name, uint32_t expected, uint64_t clock, bpi_entity **entity,
                                 bp_error *error);
/* Takes out what take_entity added last. Undo in reverse order of adding. */
void bpi_index_undo_entity(bpi_index *index, bpi_entity *entity);
/* A scope, known or new; of its head only `last` means something: no event of it lies behind, unless it is BP_NONE. */
bp_status bpi_index_take_scope(bpi_index *index, bp_text name, bpi_entity **scope_out, bp_error *error);
/* Among those in memory; NULL: not there. */
bpi_entity *bpi_index_find_entity(bpi_index *index, bp_text name);
/* What sealed blocks say of one that is not there, held against the log. BP_ERR_NOT_FOUND, BP_ERR_CORRUPT. */
bp_status bpi_index_sealed_head(bpi_index *index, bp_text name, bpi_head *head_out, bp_error *error);

/*
 * ---- asking ahead ----
 *
 * Names and ids lie anywhere in memory, and a look at memory that is not near costs more than all else in an append. Told
 * early, the index fetches what will be needed while its caller hashes.
 */

/* Any thread, no lock: the names to ask ahead of, in the two steps of index/names.h, until `end`. The fingerprints are what
 * bpi_index_take_entity wants to be told. */
const struct bpi_names *bpi_index_expect_begin(bpi_index *index);
void bpi_index_expect_end(bpi_index *index);
/* The writer: an event with this id will be appended to the active block. */
void bpi_index_expect_id(bpi_index *index, const bp_id *id);

/* ---- rows: the writer ---- */

/* Begins a block for a segment, which it holds; it becomes the active one, in a new view. max_rows: how many records the
 * segment can have at most. Entities and scopes that were taken before are to be taken anew, and not to be undone. False: no
 * memory, nothing changed. */
bool bpi_index_begin_block(bpi_index *index, bpi_segment *segment, uint64_t first_sequence, size_t max_rows);
/* Puts a sealed block behind all others, from a file (index/folder.h); takes it over. False: no memory. */
bool bpi_index_attach(bpi_index *index, bpi_block *block);
/* Names that only sealed blocks need are forgotten: `all` of them, or what there is no room for. With the writer's lock. False:
 * no memory to do it. */
bool bpi_index_shed(bpi_index *index, bool all);
/* While the log is read: nothing is forgotten. */
void bpi_index_one_book(bpi_index *index, bool one);
/* Makes sure that `rows` appends to the active block cannot fail. */
bool bpi_index_reserve(bpi_index *index, size_t rows);
/* Appends the next row to the active block, and its id; sets the entity's `last`, and gives numbers to names that have none
 * yet. Not visible before publish. */
void bpi_index_append(bpi_index *index, bpi_entity *entity, bpi_entity *scope, const bpi_row *row);
/* Everything below `next_sequence` may be read. */
void bpi_index_publish(bpi_index *index, uint64_t next_sequence);
uint64_t bpi_index_published(const bpi_index *index);
/* One past the last row appended, published or not. */
uint64_t bpi_index_next(const bpi_index *index);

/* Looks an id up among all rows, unpublished ones too. The writer's question before a commit. BP_ERR_NOT_FOUND (without
 * words in the error), BP_ERR_CORRUPT. */
bp_status bpi_index_find_id(bpi_index *index, const bp_id *id, uint64_t *sequence_out, bp_error *error);
/* Reads the record of a sequence, published or not; batch fields are not set. Good while the caller keeps the commit lock. */
bp_status bpi_index_event(bpi_index *index, uint64_t sequence, bp_event *event_out, bp_error *error);
/* A sequence that no event of the scope lies behind, published or not; BP_NONE: not known. The writer's. */
uint64_t bpi_index_scope_newest(bpi_index *index, bp_text name);
/* Where the active block begins: a name without an event at or behind it may be unknown in memory, any other is known. */
uint64_t bpi_index_active_first(const bpi_index *index);
/* The kind of a row that is there, published or not; the writer's. BP_ERR_DROPPED: retention took it away. */
bp_status bpi_index_kind(bpi_index *index, uint64_t sequence, bp_kind_code *kind_out, bp_error *error);
/* Where a row's record is, in an open block. The segment is not held: good while the caller keeps the commit lock. */
bool bpi_index_locate(bpi_index *index, uint64_t sequence, bpi_segment **segment_out, uint32_t *offset_out);

/* ---- tombstones ---- */

/* Makes sure that so many more bpi_index_bury cannot fail. The writer. */
bool bpi_index_bury_reserve(bpi_index *index, size_t more);
/* The event is tombstoned by the one at `by`: views in which that lies say so. The writer. */
void bpi_index_bury(bpi_index *index, uint64_t sequence, uint64_t by);
/* Is it tombstoned by an event below `end`? Any thread. */
bool bpi_index_buried_below(const bpi_index *index, uint64_t sequence, uint64_t end);
/* How many there are. */
uint64_t bpi_index_buried(const bpi_index *index);

/* ---- sealing: the keeper, beside the writer and readers ---- */

/* Makes an image of the block of that segment ordinal, which gets no more rows. False: no memory (queries scan). */
bool bpi_index_seal_block(bpi_index *index, uint32_t ordinal);
/* The segment ordinal of the first open block whose ordinal is not below `from`; false: there is none. */
bool bpi_index_find_open(bpi_index *index, uint32_t from, uint32_t *ordinal_out);
/* The number of rows of that block; for sealing. */
size_t bpi_index_block_rows(bpi_index *index, uint32_t ordinal);

/* Replaces the rows from `sequence` on: they are forgotten (the heads of their entities too, which the caller sets anew by
 * appending again after bpi_index_begin_block). Views that were pinned keep what they have, and until bpi_index_publish views
 * that are pinned have it too: what is published stays published. After an error nothing is forgotten: BP_ERR_NO_MEMORY; BP_ERR_CORRUPT, BP_ERR_IO: a record that tells of a head cannot be read. */
bp_status bpi_index_truncate(bpi_index *index, uint64_t sequence, bp_error *error);

/* ---- rewritten segments: beside the writer, the keeper and readers ---- */

/* A segment that holds the events [first_sequence, first_sequence + count), which others held before. */
typedef struct bpi_exchange {
    bpi_segment *segment; /* sealed; held by the caller */
    uint64_t first_sequence;
    uint64_t count;
} bpi_exchange;

/* Maps the segments that hold these events now, so that views which were pinned before can read them when their files are gone. */
bp_status bpi_index_keep(bpi_index *index, uint64_t first_sequence, uint64_t count, bp_error *error);
/*
 * Blocks of the new segment in the place of those that cover its events, which are whole segments' (of the last one the rows that
 * there are). Blocks that reach beyond are made anew from their segments. In memory; bpi_folder_tend makes files of them. On
 * failure everything stays as it was: BP_ERR_NO_MEMORY, BP_ERR_CORRUPT. `unused` (may be NULL) is told the
 * names of files that no block uses any more.
 */
bp_status bpi_index_exchange(bpi_index *index, const bpi_exchange *exchange,
                             void (*unused)(void *argument, const char *file), void *argument, bp_error *error);
/* Is that event found in that very file? */
bool bpi_index_is_in(bpi_index *index, uint64_t sequence, uint32_t ordinal, uint32_t generation);
/* For each kind, how many of the events [first_sequence, first_sequence + count) are of it and not dropped. BP_ERR_NO_MEMORY, BP_ERR_IO,
 * BP_ERR_CORRUPT: the counts are worth nothing. */
enum { BPI_KINDS = 1 << 16 };
bp_status bpi_index_count_kinds(bpi_index *index, uint64_t first_sequence, uint64_t count, uint32_t *counts,
                                bp_error *error);
/* Lets go of what only who appends holds: the block that was appended to last, when others took its place. Before the next
 * append bpi_index_begin_block is called. True: it was let go. */
bool bpi_index_let_go(bpi_index *index);

/*
 * The writer looks at what is there now, and lets go of what it looked at before. With the writer's lock. Whoever replaced blocks
 * pins a view before and drops it after this: then what they take, mappings of whole segments too, is given back by him and
 * not within an append.
 */
void bpi_index_follow(bpi_index *index);

/* ---- mappings (log/segment.h) ---- */

/* Lets go of mappings, which begins a new epoch. Any thread. */
void bpi_index_spare(bpi_index *index, bpi_opener *opener);
/* The epoch of the oldest array of blocks that anybody holds. */
uint64_t bpi_index_oldest(bpi_index *index);

/* ---- counts ---- */

typedef struct bpi_index_counts {
    uint64_t entities; /* with at least one event */
    uint64_t scopes;
    uint64_t bytes; /* heap */
    uint64_t tile_count;
    uint64_t files; /* index files in use */
    uint64_t file_bytes;
    uint64_t mapped; /* bytes of them and of segments, as far as these are mapped */
} bpi_index_counts;
void bpi_index_count(bpi_index *index, bpi_index_counts *counts_out);

/* ---- readers ---- */

/* A pinned view: what was published when it was taken, for as long as it is held. */
typedef struct bpi_view {
    _Atomic uint32_t references;
    struct bpi_blocks *blocks; /* held */
    uint64_t end;
    uint32_t generation;
} bpi_view;
bpi_view *bpi_view_pin(bpi_index *index); /* NULL: no memory */
bpi_view *bpi_view_hold(bpi_view *view);
void bpi_view_drop(bpi_view *view);
/* The same blocks in an array of this moment's epoch: it keeps nothing mapped that was let go of before. NULL: no memory. */
bpi_view *bpi_view_again(const bpi_view *view);
/* The same in the caller's own memory, for one who does not share it: never held or dropped, but given back by leave. */
void bpi_view_take(bpi_index *index, bpi_view *view_out);
/* Such a view of what another has, or what it had, which need not be given back any more then. */
void bpi_view_share(const bpi_view *view, bpi_view *view_out);
void bpi_view_move(bpi_view *view, bpi_view *view_out);
void bpi_view_leave(bpi_view *view);
uint64_t bpi_view_end(const bpi_view *view); /* events below this sequence are in it */

/* BP_ERR_NOT_FOUND (without words in the error), BP_ERR_CORRUPT. */
bp_status bpi_view_find_id(const bpi_view *view, const bp_id *id, uint64_t *sequence_out, bp_error *error);

/* Reads the record of a sequence below the view's end: location, CRC and all, batch fields and tombstone included. */
bp_status bpi_view_event(const bpi_view *view, uint64_t sequence, bp_event *event_out, bp_error *error);
/* The first sequence of the view whose record lies at or behind that place in the log; the view's end: none. Where what knows that
 * cannot be read, an error without words, and a sequence that is not too high. */
bp_status bpi_view_below(const bpi_view *view, uint32_t ordinal, uint32_t offset, uint64_t *below_out);
/* Sequence of the entity's previous event, without reading the record; BP_NONE at genesis. */
bp_status bpi_view_previous(const bpi_view *view, uint64_t sequence, uint64_t *previous_out, bp_error *error);
/* What was said there turned out wrong. True: it was a file that said so, and it is worth asking again. */
bool bpi_view_doubt_previous(const bpi_view *view, uint64_t sequence);

/* Is it tombstoned by an event of the view? */
bool bpi_view_buried(const bpi_view *view, uint64_t sequence);
/* Visits the events below `next` that one of the view at or behind `next` tombstoned, in no order, until it is told false. False: it
 * was. */
bool bpi_view_buried_since(const bpi_view *view, uint64_t next, bool (*visit)(void *argument, uint64_t sequence),
                           void *argument);

/* The number of the entity of an event; BPI_NO_NUMBER: it is not in the view. */
bp_status bpi_view_entity(const bpi_view *view, uint64_t sequence, uint32_t *number_out, bp_error *error);
/* By number of the entity the clock that its next event would have, of very great ones no more than 2^32; from the allocator. */
bp_status bpi_view_heads(const bpi_view *view, const bp_allocator *allocator, uint64_t **heads_out, size_t *count_out,
                         bp_error *error);

/* Asks the memory for a record that will be read soon. */
void bpi_view_prefetch(const bpi_view *view, uint64_t sequence);
/* Writes into an error where the record of that sequence lies. */
void bpi_view_blame(const bpi_view *view, uint64_t sequence, bp_error *error);

/* A scan over a region: the plan, and the rows one by one. The region's texts are only used by begin. */
typedef struct bpi_scan bpi_scan;
bp_status bpi_scan_begin(bpi_view *view, const bp_region *region, const bp_query_options *options, bpi_scan **scan_out,
                         bp_error *error); /* holds the view */
/* BP_OK, BP_END. event_out NULL: the record is read only where a hash has to be confirmed. BP_ERR_CORRUPT: the next call goes on behind
 * that event. BP_ERR_NO_MEMORY, BP_ERR_IO: it tries the same again. */
bp_status bpi_scan_next(bpi_scan *scan, uint64_t *sequence_out, bp_event *event_out, bp_error *error);
/* Behind a BP_OK: the next call gives the same event once more. */
void bpi_scan_again(bpi_scan *scan);
/* Is it one of those behind which the same is tried again? */
static inline bool bpi_comes_again(bp_status status)
{
    return status == BP_ERR_NO_MEMORY || status == BP_ERR_IO;
}
/* For who decides by sequences alone: rows that an index file tells of are held against their records from now on, as they are
 * where events are read. */
void bpi_scan_confirm(bpi_scan *scan);
/* How many rows a scan that has just begun would yield. Records are only read where a hash has to be confirmed. */
bp_status bpi_scan_count(bpi_scan *scan, uint64_t *count_out, bp_error *error);
void bpi_scan_end(bpi_scan *scan);
/* What it looks at; held by the scan. */
const bpi_view *bpi_scan_view(const bpi_scan *scan);

#endif
