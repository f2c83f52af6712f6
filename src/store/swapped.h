/* swapped.h: a reader's index follows segments that were rewritten. */
#ifndef BPI_STORE_SWAPPED_H
#define BPI_STORE_SWAPPED_H

#include "store/store.h"

/*
 * Every event that the follower's list has in a rewritten segment is shown from there afterwards; what was shown before is held by
 * views that were pinned before, and by nobody else. The follower's lock is held, or nobody reads yet.
 * BP_ERR_CORRUPT: a file is missing or damaged; if the list has moved on meanwhile, that one is to be taken in first.
 * BP_ERR_NO_MEMORY, BP_ERR_IO. After each, calling it again goes on.
 */
bp_status bpi_follower_exchange(bp_store *store, bp_error *error);

#endif
