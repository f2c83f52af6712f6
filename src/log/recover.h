/*
 * recover.h: what an opening does about the end of the log (docs/format.md, section 9).
 */
#ifndef BPI_LOG_RECOVER_H
#define BPI_LOG_RECOVER_H

#include "format/live.h"
#include "log/walk.h"

typedef struct bpi_verdict {
    size_t index;      /* catalog entry of p's segment */
    uint64_t p;        /* the log ends here */
    uint64_t vouched;  /* V */
    uint64_t loose;    /* bytes at or beyond p, up to the last that is not zero, over all segments */
    const char *fault; /* why nothing is accepted at p; NULL: end of file */
} bpi_verdict;

/*
 * Reads `live`. *believed_out: it is there, and speaks of this store. That it cannot be read is an error (BP_ERR_IO,
 * BP_ERR_NO_MEMORY, BP_ERR_PERMISSION): what it alone vouches for would be cut, or missed by nobody.
 */
bp_status bpi_read_live(const bpi_home *home, const bp_id *store_id, bpi_live_word *word_out, bool *believed_out,
                        bp_error *error);

/* Steps 3 and 4, after bpi_log_walk_run gave BP_END. live NULL: none believed. BP_ERR_CORRUPT: p < V. */
bp_status bpi_judge(bpi_log_walk *walk, const bpi_live_word *live, bpi_verdict *verdict_out, bp_error *error);

/* Step 5: copies what is loose into .torn files, syncs them, zeroes it, syncs. bytes_out: how many were copied. */
bp_status bpi_cut(const bpi_home *home, const bpi_catalog *catalog, const bpi_verdict *verdict, uint64_t *bytes_out,
                  bp_error *error);

/*
 * Writes [from, end) of a file over itself; 0 or an errno. When the process before had a sync that failed, these bytes may
 * be in the system's memory alone and count as clean there: a sync by itself would not bring them to the medium.
 */
int bpi_write_again(const bpi_home *home, bp_file *file, uint64_t from, uint64_t end);

/*
 * Judges files in log/ that no list names: a segment with a valid frame header anywhere is BP_ERR_CORRUPT; others are removed
 * when `remove` is set. catalog NULL: there is no manifest, so nothing is named.
 */
bp_status bpi_check_unlisted(const bpi_home *home, const bpi_catalog *catalog, bool remove, bp_error *error);

/* The same beside a writer, removing nothing: a file that is not in this list may be in the next, which then takes the catalog's
 * place. */
bp_status bpi_check_unlisted_live(const bpi_home *home, bpi_catalog *catalog, bp_error *error);

/*
 * No MANIFEST was found. BP_ERR_NOT_FOUND: there is no store. BP_ERR_CORRUPT: segments hold events, so that it is lost. BP_OK: it is
 * there by now, and can be read: somebody made the store meanwhile.
 */
bp_status bpi_check_made(bpi_home *home, bp_error *error);

#endif
