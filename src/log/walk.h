/*
 * walk.h: going through the whole log, segment by segment, and going on later. Recovery, readers and verify stand on it.
 */
#ifndef BPI_LOG_WALK_H
#define BPI_LOG_WALK_H

#include "format/index_file.h"
#include "log/scan.h"

/* Called before the frames of a segment. */
typedef bp_status (*bpi_segment_begin_fn)(void *argument, const bpi_segment_entry *entry, uint64_t first_sequence,
                                          bp_error *error);

/* Are the frames of sealed segments from that entry on known otherwise? *count_out: of how many entries; 0: none. Their files
 * are looked for, but not read. */
typedef bp_status (*bpi_covered_fn)(void *argument, size_t index, size_t *count_out, bp_error *error);

/* Are the frames at the beginning of that open segment, whose file this is, known otherwise? tail_out->salt 0: no. Else the
 * walk goes on behind them, with the sequence *next_out. */
typedef bp_status (*bpi_tail_fn)(void *argument, size_t index, bp_file *file, bpi_index_tail *tail_out,
                                 uint64_t *next_out, bp_error *error);

typedef struct bpi_walk_calls {
    void *argument;
    bpi_tail_fn tail;             /* may be NULL */
    bpi_covered_fn covered;       /* may be NULL */
    bpi_segment_begin_fn segment; /* may be NULL */
    bpi_record_fn record;         /* may be NULL */
    bpi_expect_fn expect;         /* may be NULL; with the argument of `record` */
} bpi_walk_calls;

/* What was found in one listed segment. */
typedef struct bpi_tail {
    uint64_t first_sequence;
    uint64_t frames;
    uint64_t end; /* offset behind the last accepted frame */
    uint32_t link;
    bp_hlc last_hlc;
    bool visited;
    bool finished; /* its PAD was accepted */
} bpi_tail;

typedef struct bpi_log_walk {
    const bpi_home *home;
    bpi_catalog *catalog;
    bpi_walk_calls calls;
    void *record_argument; /* for calls.record; the same as calls.argument unless set otherwise */
    bpi_chain chain;
    uint64_t
        known; /* events below this were told before the segment that has them was rewritten, and are passed over */
    bp_hlc known_hlc; /* of the last of them; 0: it cannot be told */
    size_t index;     /* entry at hand */
    bool open;        /* its file and scanner are there */
    bp_file *file;
    bpi_scanner scanner;
    bpi_tail *tails; /* one per entry of the catalog it began with */
    size_t tail_count;
} bpi_log_walk;

/* catalog stays the caller's. BP_ERR_NO_MEMORY. */
bp_status bpi_log_walk_begin(bpi_log_walk *walk, const bpi_home *home, bpi_catalog *catalog,
                             const bpi_walk_calls *calls, bp_error *error);
void bpi_log_walk_end(bpi_log_walk *walk);

/*
 * Accepts frames that begin below `stop` (UINT64_MAX: all there are).
 *   BP_OK   the position is at or beyond stop
 *   BP_END  nothing more is accepted: bpi_log_walk_position is p, walk->scanner.fault says why (NULL: end of file)
 *   BP_ERR_CORRUPT  damage in a sealed segment, a segment header, a missing file, a contradiction
 */
bp_status bpi_log_walk_run(bpi_log_walk *walk, uint64_t stop, bp_error *error);

/* Does the log say what a tail says: at its end a CLOSE frame stands in its place, with that CRC, epoch and sequence? */
bool bpi_tail_confirmed(const bpi_home *home, bp_file *file, const bpi_segment_entry *entry, const bpi_index_tail *tail,
                        uint64_t next_sequence);

/* LSN of the next frame. */
uint64_t bpi_log_walk_position(const bpi_log_walk *walk);

/*
 * A reader whose catalog was loaded anew goes on in it: in the segment at hand, or, when that was rewritten, in the one that has
 * the next event now; what it told of that one before is passed over, and so is everything below `known`. On failure the walk stays as
 * it is. BP_ERR_DIVERGED: the list does not lead on from here. BP_ERR_CORRUPT, BP_ERR_IO: as bpi_open_listed, of the segment before.
 * BP_ERR_NO_MEMORY.
 */
bp_status bpi_log_walk_rebase(bpi_log_walk *walk, bpi_catalog *catalog, uint64_t known, bp_error *error);

/* Opens a listed segment's file and checks its header against the list. file_size_out may be NULL. */
bp_status bpi_open_listed(const bpi_home *home, const bpi_catalog *catalog, const bpi_segment_entry *entry,
                          unsigned flags, bp_file **file_out, uint64_t *file_size_out, bp_error *error);

/* What opening it for writing asks besides, without doing so. BP_ERR_UNSUPPORTED: the file has other names. */
bp_status bpi_check_own(const bpi_home *home, const bpi_catalog *catalog, const bpi_segment_entry *entry,
                        bp_error *error);

#endif
