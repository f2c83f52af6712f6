/*
 * erase_files.h: what may hold erased bytes beside the segments.
 */
#ifndef BPI_STORE_ERASE_FILES_H
#define BPI_STORE_ERASE_FILES_H

#include "log/log.h"

/* How many of the sealed segments with these ordinals have other names in their filesystem: hard links, as snapshots make
 * them, which keep the bytes. What cannot be asked counts as none. BP_ERR_NO_MEMORY. */
bp_status bpi_erase_count_links(bpi_log *log, const uint32_t *ordinals, size_t count, uint64_t *linked_out,
                                bp_error *error);

/* Removes all .torn files and what lies in cache/, and syncs the directories; adds how many to the counts. Handles of caches
 * that are open go on with files that have no name any more. */
bp_status bpi_erase_files(bpi_log *log, uint64_t *torn, uint64_t *caches, bp_error *error);

#endif
