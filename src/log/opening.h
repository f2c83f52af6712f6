/*
 * opening.h: the parts of opening and closing a log, between the files of this folder.
 */
#ifndef BPI_LOG_OPENING_H
#define BPI_LOG_OPENING_H

#include "log/log.h"

/* What stands before the reason why no store is made where segments without a manifest lie. */
#define BPI_NO_MANIFEST "there is no MANIFEST and no new store can be made"

/* Before anything is made in a directory: it is a store, or empty, or what an interrupted making left. */
bp_status bpi_log_check_place(const bpi_home *home, bool create, bool exclusive, bp_error *error);

/* May this library write beside what the manifest says, and is there a log? */
bp_status bpi_log_check_manifest(bpi_home *home, const bpi_manifest *manifest, bp_error *error);

void bpi_log_init_locks(bpi_log *log);

/* Reads the log, judges its end, cuts, claims it under a new epoch, and sets up what writing needs. */
bp_status bpi_log_settle(bpi_log *log, const bpi_log_options *options, bp_error *error);

/* Releases everything; the keeper is joined before. */
void bpi_log_release(bpi_log *log);

/* The Merkle root over the event hashes of a segment whose frames end at `end`, and how many frames and events these are.
 * False: no memory or not readable. */
bool bpi_segment_root(const bpi_segment *segment, uint64_t end, uint64_t *frames_out, uint64_t *count_out,
                      bp_hash *root_out);

#endif
