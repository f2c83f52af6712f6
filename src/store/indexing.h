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
/* While the log is read: the block of a segment has all its rows. A writer puts those of sealed segments into files. */
void bpi_indexing_loaded(bp_store *store, const bpi_segment *segment);
/* After the log was read: files for what had none, and without what nobody uses. The writer. */
void bpi_indexing_settle(bp_store *store);
/* A segment was sealed: a file for its block. The keeper. */
void bpi_indexing_sealed(bp_store *store, uint32_t ordinal);
void bpi_indexing_end(bp_store *store);

#endif
