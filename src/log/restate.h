/*
 * restate.h: events into frames once more, each as its fate wants it; into a file, or only counted.
 *
 * A commit stays one: what is kept of it lies in DATA frames of which all but the first say that they go on with it.
 */
#ifndef BPI_LOG_RESTATE_H
#define BPI_LOG_RESTATE_H

#include "log/log.h"

/* Where the frames go. */
typedef struct bpi_restate_target {
    const bp_io *io;
    bp_file *file;
    uint32_t ordinal;
    uint64_t salt;
    uint32_t epoch;
    uint32_t link; /* what the first frame follows */
    uint32_t seed;
} bpi_restate_target;

typedef struct bpi_restate {
    const bpi_restate_target *target; /* NULL: frames are only counted */
    uint64_t end;                     /* offset behind the last whole frame */
    uint64_t written;                 /* offset up to which the file has them */
    uint64_t synced;                  /* as far as it was synced on the way */
    uint64_t frames;
    uint32_t link; /* CRC of the last header */
    uint64_t next_sequence;
    bool open; /* a frame is being filled */
    uint8_t type;
    uint8_t flags;
    uint32_t records;
    uint32_t body_crc;
    uint64_t first_sequence;
    uint64_t frame_size; /* with its header */
    bpi_buffer bytes;    /* whole frames that the file has not got, then the open one */
    size_t frame_at;     /* where that begins */
} bpi_restate;

/* A fate without what has happened before: an event that is gone stays gone, a stub is not made a stub again. */
unsigned bpi_fate_of(const bp_event *event, unsigned fate);

void bpi_restate_begin(bpi_restate *restate, const bp_allocator *allocator, const bpi_restate_target *target);
void bpi_restate_fini(bpi_restate *restate);
/* The event's bytes lie where bpi_event_bytes says. */
bp_status bpi_restate_add(bpi_restate *restate, const bp_event *event, unsigned fate, bp_error *error);
/* Ends the open frame; everything is in the file. */
bp_status bpi_restate_end(bpi_restate *restate, bp_error *error);
/* One frame without records behind all others. */
bp_status bpi_restate_pad(bpi_restate *restate, bp_error *error);

/* Reads the frames of a sealed segment, all of which must be accepted. `scanner` and `chain` tell afterwards how it ended. */
bp_status bpi_log_scan_sealed(bpi_log *log, const bpi_segment_entry *entry, bpi_record_fn record, void *argument,
                              bpi_scanner *scanner, bpi_chain *chain, bp_error *error);

#endif
