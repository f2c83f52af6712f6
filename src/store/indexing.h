/*
 * indexing.h: the store and its index files: which segments need not be read, and who writes the files.
 */
#ifndef BPI_STORE_INDEXING_H
#define BPI_STORE_INDEXING_H

#include "store/store.h"

/* Before the log is read: lists what there is. */
void bpi_indexing_begin(bp_store *store);
/* A bpi_covered_fn: attaches a block from a file that covers segments from that catalog entry on. */
bp_status bpi_indexing_covered(void *argument, size_t entry, size_t *count_out, bp_error *error);
/* A bpi_tail_fn: the file of the beginning of an open segment, kept until that segment is loaded. */
bp_status bpi_indexing_tail(void *argument, size_t entry, bp_file *file, bpi_index_tail *tail_out, uint64_t *next_out,
                            bp_error *error);
bp_status bpi_indexing_take_tail(bp_store *store, bpi_segment *segment, bp_error *error);
/* The log was closed with that end: a file for the open segment, where reading it again would take longer. */
void bpi_indexing_closing(bp_store *store, uint32_t ordinal, const bpi_index_tail *tail);
/* While the log is read: the block of a segment has all its rows. A writer puts those of sealed segments into files. */
void bpi_indexing_loaded(bp_store *store, const bpi_segment *segment);
/* The log was read, or could not be: nobody writes files any more, until it is settled. */
void bpi_indexing_read(bp_store *store);
/* After the log was read: files for what had none, and without what nobody uses. The writer, whose tender does it meanwhile. */
void bpi_indexing_settle(bp_store *store);
/* A recovery in the process has sealed what the log had finished: files for that. With the commit lock. */
void bpi_indexing_revived(bp_store *store);
/* A reader: takes files that the writer has made since. With the reader's lock. */
void bpi_indexing_follow(bp_store *store);
/* What is left to do about files. The tender, or while it is paused. */
void bpi_indexing_tend(bp_store *store);
/* A segment was sealed: a file for its block, and what else is left to do. The tender. */
void bpi_indexing_sealed(bp_store *store, uint32_t ordinal);
/*
 * Blocks were replaced since that view was taken: it is left here, and nothing that appends hold is older. To unmap a file whose
 * name is gone is to free its space, which takes tens of milliseconds: that is for who replaced it, not for the append that comes
 * next. Takes the commit lock.
 */
void bpi_indexing_replaced(bp_store *store, bpi_view *seen);
/* Segments were rewritten: files for their blocks. Any thread. */
void bpi_indexing_rewritten(bp_store *store);
void bpi_indexing_end(bp_store *store);
/* Bounds how many sealed segments a writing store keeps mapped. 0: not any more, it is being closed. */
void bpi_indexing_watch(bp_store *store, uint32_t most);

#endif
