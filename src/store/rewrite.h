/*
 * rewrite.h: sealed segments rewritten beside readers and writers: what compaction and erasure stand on.
 *
 * One rewrite at a time in a store; appends, the keeper and readers go on meanwhile. Segment by segment (or group of neighbours by
 * group) the new file is made, the manifest swapped, the index brought up to date, the old files removed: a stop between two
 * leaves a store that is right, with the rest still to do.
 */
#ifndef BPI_STORE_REWRITE_H
#define BPI_STORE_REWRITE_H

#include "log/rewrite.h"
#include "store/store.h"

/* Told how many bytes of how many are done; false: stop. */
typedef bool (*bpi_rewriting_fn)(void *argument, const char *what, uint64_t done, uint64_t total);

typedef struct bpi_rewriting {
    bpi_decide_fn decide; /* NULL: everything is kept. May be asked more than twice for an event */
    void *argument;
    uint64_t merge_size;       /* neighbours become one as long as that is not longer; 0: they stay apart */
    uint32_t min_segments;     /* so many at least; 2 or more */
    uint32_t first;            /* ordinals of the sealed segments it is about */
    uint32_t last;             /* UINT32_MAX: to the newest sealed one */
    bool tails;                /* also what has bytes behind its end (bpi_log_has_tail) */
    bool plan_only;            /* nothing is written */
    bpi_rewriting_fn progress; /* may be NULL */
    void *progress_argument;
} bpi_rewriting;

typedef struct bpi_rewritten {
    uint64_t segments;     /* sealed ones that were looked at */
    uint64_t sources;      /* of them those that were (would be) rewritten */
    uint64_t targets;      /* what they became */
    uint64_t bytes_before; /* of the sources' files */
    uint64_t bytes_after;
    uint64_t kept; /* events, over all segments that were looked at */
    uint64_t stubbed;
    uint64_t buried;
    uint64_t dropped;
    uint64_t folded; /* had been dropped before */
    uint64_t linked; /* of the sources, those that have other names too */
} bpi_rewritten;

/*
 * Rewrites what meets another fate than KEEP, and merges. BP_END: progress said stop; what was done is done. BP_ERR_CORRUPT: a
 * source is not whole; it, and what comes behind it, stays as it was. Others: BP_ERR_IO, BP_ERR_NO_SPACE, BP_ERR_NO_MEMORY,
 * BP_ERR_FAILED. The report says what was done in any case.
 */
bp_status bpi_store_rewrite(bp_store *store, const bpi_rewriting *rewriting, bpi_rewritten *report_out,
                            bp_error *error);

#endif
