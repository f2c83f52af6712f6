/*
 * erase_files.h: what may hold erased bytes beside the segments.
 */
#ifndef BPI_STORE_ERASE_FILES_H
#define BPI_STORE_ERASE_FILES_H

#include "log/log.h"

/* Removes all .torn files and what lies in cache/, and syncs the directories; adds how many to the counts. Handles of caches
 * that are open go on with files that have no name any more. */
bp_status bpi_erase_files(bpi_log *log, uint64_t *torn, uint64_t *caches, bp_error *error);

#endif
