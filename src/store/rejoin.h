/* rejoin.h: a reader goes on behind the recovery of a writer that moved the tail of the log. */
#ifndef BPI_STORE_REJOIN_H
#define BPI_STORE_REJOIN_H

#include "store/store.h"

/* Does that list say that the log ends, or goes on elsewhere, before the place at which the reader stands, or that the segment there,
 * still empty, is going to be larger than the reader has room for? */
bool bpi_follower_is_cut(const bpi_follower *follower, const bpi_catalog *fresh);

/*
 * The follower's catalog is the new one, its walk is of the old one. Afterwards the walk begins where the two agree, and the index ends
 * there: whoever calls lets it run on. BP_ERR_DIVERGED, BP_ERR_NO_MEMORY, and what reading the log may say: nothing was
 * changed.
 */
bp_status bpi_follower_rejoin(bp_store *store, bp_error *error);

#endif
