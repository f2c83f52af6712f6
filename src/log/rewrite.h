/*
 * rewrite.h: sealed segments made anew: neighbours become one, records become stubs or fold entries (docs/format.md, section 17).
 *
 * Sealed files never change. What is to change is written into a file of the next generation, and one manifest write puts it in the
 * place of its sources. The order, each step of which may crash:
 *
 *   1. a list that names the new file as retired: whoever opens the store removes it, whatever it holds
 *   2. the file, synced, and its name, synced
 *   3. one list in which the new segment is sealed and its sources are retired
 *   4. the sources' files are removed; their entries go with the next list
 *
 * Holds: no name is used twice; the bytes of a record that is kept stay as they are; the frame behind the rewritten ones still
 * follows the header that it always followed, since the entry carries that link over.
 */
#ifndef BPI_LOG_REWRITE_H
#define BPI_LOG_REWRITE_H

#include "log/log.h"

/* What becomes of an event. Bits; DROP excludes the others. */
enum {
    BPI_FATE_KEEP = 0,
    BPI_FATE_STUB = 1, /* the payload, its salt and the private extensions go, the content hash stays */
    BPI_FATE_BURY = 2, /* it is flagged as tombstoned */
    BPI_FATE_DROP = 4  /* a fold entry stays of it */
};

/*
 * Asked for each event that is not dropped yet, in order, once while a segment is surveyed and once while it is written: the answer
 * must not change meanwhile. Must not touch the log.
 */
typedef bp_status (*bpi_decide_fn)(void *argument, const bp_event *event, unsigned *fate_out, bp_error *error);

/* What a survey finds out of one sealed segment. */
typedef struct bpi_survey {
    bpi_segment_entry entry;
    uint32_t epoch; /* of its last frame */
    bool changed;   /* something in it meets another fate than KEEP */
    uint64_t length_after;
    uint64_t kept;
    uint64_t stubbed;
    uint64_t buried;
    uint64_t dropped;
    uint64_t folded; /* had been dropped before */
    uint64_t links;  /* names that the file has in its filesystem; 1: only ours; 0: not known */
} bpi_survey;

/*
 * Reads one sealed segment whole and asks about its events. BP_ERR_CORRUPT: it is not what the list says, root included.
 * BP_ERR_UNSUPPORTED: it holds frames that cannot be carried over. decide NULL: everything is kept.
 */
bp_status bpi_log_survey(bpi_log *log, const bpi_segment_entry *entry, bpi_decide_fn decide, void *argument,
                         bpi_survey *survey_out, bp_error *error);

/* A segment that will take the place of others. */
typedef struct bpi_rewrite {
    const bpi_survey *sources; /* of neighbours in the list */
    size_t count;
    bpi_segment_entry entry; /* of the new one, as it will be listed */
    bool pending;            /* the list names it as retired */
    bool swapped;
} bpi_rewrite;

/* Told how many bytes of the sources were done; false: stop. */
typedef bool (*bpi_rewrite_progress_fn)(void *argument, uint64_t done);

typedef struct bpi_rewrite_calls {
    void *argument;
    bpi_decide_fn decide;             /* may be NULL */
    bpi_rewrite_progress_fn progress; /* may be NULL */
    void *progress_argument;
} bpi_rewrite_calls;

/*
 * Steps 1 and 2. Off the commit lock; one rewrite at a time in a store. On failure nothing has changed that a reader could see, and
 * bpi_log_rewrite_abandon was called. BP_END: progress said stop.
 */
bp_status bpi_log_rewrite(bpi_log *log, const bpi_survey *sources, size_t count, const bpi_rewrite_calls *calls,
                          bpi_rewrite *rewrite_out, bp_error *error);
/* Step 3. On failure the sources stand as they did, and it was abandoned; if it is not known which of the two the medium has, the
 * log has failed, and both files stay until the next opening. */
bp_status bpi_log_rewrite_swap(bpi_log *log, bpi_rewrite *rewrite, bp_error *error);
/* Step 4, when nobody of this process needs the sources by their names any more. On failure the new segment is in force, and the
 * old files, or some of them, are still there; bpi_log_sweep, or the next opening, removes them. */
bp_status bpi_log_rewrite_retire(bpi_log *log, const bpi_rewrite *rewrite, bp_error *error);
/* Takes back what was staged. */
void bpi_log_rewrite_abandon(bpi_log *log, bpi_rewrite *rewrite);

/*
 * sweep.c: what of events may still lie in the log's folder. No rewrite runs meanwhile. Files of retired segments go; until the
 * next list names them no more an opening finds them gone. BP_ERR_FAILED: which segments are in force is not known.
 */
bp_status bpi_log_sweep(bpi_log *log, bp_error *error);
/* Are there bytes behind the segment's end? They are no part of it; rewriting it leaves them behind. */
bp_status bpi_log_has_tail(bpi_log *log, const bpi_segment_entry *entry, bool *has_out, bp_error *error);

/* How many names the file has in its filesystem; 0: not known. */
uint64_t bpi_log_count_links(bpi_log *log, const bpi_segment_entry *entry);

/* A copy of the sealed entries, from the allocator. */
bp_status bpi_log_sealed(bpi_log *log, bpi_segment_entry **entries_out, size_t *count_out, bp_error *error);
/* Is that very file listed as sealed? Takes the catalog lock. */
bool bpi_log_is_listed(bpi_log *log, uint32_t ordinal, uint32_t generation);

#endif
