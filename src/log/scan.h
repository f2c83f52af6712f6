/*
 * scan.h: reading frames one after another, accepting only what the format accepts (docs/format.md, section 5).
 *
 * The scanner reads with file_read, never through a mapping, so that a failing medium is an error and not a signal.
 * It knows nothing of entities: clocks and chains are judged by who takes the records.
 */
#ifndef BPI_LOG_SCAN_H
#define BPI_LOG_SCAN_H

#include "base/memory.h"
#include "format/fold.h"
#include "format/frame.h"
#include "log/home.h"

/* What goes on from frame to frame and from segment to segment. */
typedef struct bpi_chain {
    uint32_t link;      /* header CRC of the last accepted frame; 0 before the first */
    uint32_t epoch;     /* its epoch */
    uint32_t epoch_max; /* the manifest's */
    uint64_t next_sequence;
    uint64_t batch; /* sequence of the first event of the commit at hand */
    bp_hlc last_hlc;
    uint64_t frontier; /* the greatest of all accepted frames */
    uint32_t seed;     /* record CRC seed */
    uint8_t last_type; /* of the last accepted frame; 0 before the first */
} bpi_chain;

/* Told of every record of a frame before bpi_record_fn is told of the first: it may ask the memory for what that will look at. */
typedef void (*bpi_expect_fn)(void *argument, const bp_event *event);

typedef struct bpi_scanner {
    const bpi_home *home;
    bp_file *file;
    char name[BP_SEGMENT_NAME_SIZE + 4]; /* "log/..." */
    uint32_t ordinal;
    uint64_t salt;
    uint64_t limit;  /* the file's size or the listed length */
    uint64_t offset; /* where the next frame should be */
    uint64_t frames;
    bpi_chain *chain;
    bpi_expect_fn expect; /* may be NULL */
    void *expect_argument;
    bpi_buffer window; /* bytes [window_start, window_start + window.size) */
    uint64_t window_start;
    bool rewritten;        /* the segment was made from others: it may hold FOLD frames and commits in several frames */
    bool full;             /* records are judged by bpi_record_check, not just viewed */
    const char *fault;     /* after BP_END: why no frame was accepted; NULL: the limit is reached exactly */
    uint64_t fault_offset; /* where exactly: the frame's header or one of its records */
    bool header_good;      /* after BP_END: the header was right in its place, only the body was not */
} bpi_scanner;

/* One record of an accepted frame. The event is a view into the scanner's window: good until the next frame. */
typedef bp_status (*bpi_record_fn)(void *argument, const bp_event *event, bp_error *error);

void bpi_scanner_init(bpi_scanner *scanner, const bpi_home *home, bp_file *file, const bpi_segment_entry *entry,
                      uint64_t limit, bpi_chain *chain);
void bpi_scanner_fini(bpi_scanner *scanner);

/*
 * The next frame. BP_OK: it was accepted, `visit` (may be NULL) was called for each of its records, the chain is one frame
 * further. BP_END: nothing is accepted at scanner->offset; scanner->fault says why. BP_ERR_CORRUPT: the frame is whole but
 * contradicts the history. BP_ERR_VERSION: a frame that a newer version wrote and that must be understood. BP_ERR_IO.
 */
bp_status bpi_scanner_next(bpi_scanner *scanner, bp_frame *frame_out, bpi_record_fn visit, void *argument,
                           bp_error *error);

/* After BP_END or BP_ERR_CORRUPT with header_good: goes on behind that frame all the same, as verify does. The records that are
 * right by themselves are visited. */
bp_status bpi_scanner_force(bpi_scanner *scanner, const bp_frame *frame, bpi_record_fn visit, void *argument,
                            bp_error *error);

/* The next valid frame header behind the scanner's offset, before its limit; false when there is none. */
bp_status bpi_scanner_search(bpi_scanner *scanner, bool *found_out, bp_error *error);

/*
 * Looks for valid frame headers at multiples of 8 in [from, limit) of a file; gives the greatest frontier of them (0: none), the
 * number found, and the end of the last byte that is not zero (`from` when all are). salt 0: any.
 */
bp_status bpi_scan_headers(const bpi_home *home, bp_file *file, const char *name, uint32_t ordinal, uint64_t salt,
                           uint64_t from, uint64_t limit, uint64_t *frontier_out, uint64_t *found_out,
                           uint64_t *nonzero_end_out, bp_error *error);

#endif
