/*
 * salvage.h: every record of a damaged log whose place is proven, in order.
 *
 * A record's place is proven by what no user can write: a frame header (it bears the segment's random salt, its own position
 * and a checksum) in front of it, and the records between. So it is taken if and only if its own checksum is right, it has the
 * sequence that its place asks for, and
 *   - its frame is whole; or
 *   - of its frame's body something is damaged, but the lengths lead through all records and the checksums of the records, the damaged
 *     ones too, give the body's checksum (one record whose checksum or length field alone is damaged is mended by it); or
 *   - it is one of the records from the frame's start up to the first damaged one; or
 *   - the frame's header is damaged, it lies where one frame ended, and the same holds.
 * The same is so of fold entries, in segments that are listed as rewritten or not listed at all. Nothing is ever searched for within payloads. Behind damage the search goes on at the next valid frame header.
 */
#ifndef BPI_LOG_SALVAGE_H
#define BPI_LOG_SALVAGE_H

#include "format/live.h"
#include "log/scan.h"
#include "log/sources.h"

typedef struct bpi_salvage_calls {
    void *argument;
    /* The records of one frame, or what is left of it: a commit, of one that retention split a part, or fold entries (dropped events).
     * They live during the call. */
    bp_status (*commit)(void *argument, const bp_event *events, size_t count, bool whole, bp_error *error);
    /* Bytes that nothing can be taken from. */
    void (*hole)(void *argument, const char *file, uint64_t from, uint64_t to, const char *what);
    bp_progress_fn progress; /* may be NULL */
    void *progress_context;
} bpi_salvage_calls;

typedef struct bpi_salvage_result {
    uint64_t known_next; /* events below this sequence were there, as far as anything says */
    uint64_t frames;
    uint64_t partial;   /* commits of which something is there and something missing */
    uint64_t unsettled; /* bytes behind the end that nothing vouches for: an opening would cut them */
} bpi_salvage_result;

/* live NULL: none believed. BP_ERR_VERSION: a frame that needs a newer version. BP_ERR_IO: a file
 * cannot be read. */
bp_status bpi_salvage_run(const bpi_sources *sources, const bpi_live_word *live, const bpi_salvage_calls *calls,
                          bpi_salvage_result *result_out, bp_error *error);

#endif
