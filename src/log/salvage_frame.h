/*
 * salvage_frame.h: the records of one damaged frame whose places are proven (log/salvage.h).
 */
#ifndef BPI_LOG_SALVAGE_FRAME_H
#define BPI_LOG_SALVAGE_FRAME_H

#include "log/scan.h"

typedef struct bpi_frame_place {
    const bpi_home *home;
    bp_file *file;
    uint32_t ordinal;
    uint64_t offset; /* of the frame's header */
    uint32_t seed;   /* record CRC seed */
} bpi_frame_place;

/* A frame whose header is right; `available` bytes of it are there. The events told are views into `bytes`. */
bp_status bpi_salvage_body(const bpi_frame_place *place, const bp_frame *frame, size_t available, bpi_buffer *bytes,
                           bpi_record_fn take, void *argument, bp_error *error);

/* Records behind a header that cannot be read, or (if there may be any) fold entries, as long as they are right and have the sequences
 * from `first` on; where they end. */
bp_status bpi_salvage_headless(const bpi_frame_place *place, uint64_t limit, uint64_t first, bool folds,
                               bpi_buffer *bytes, uint64_t *end_out, bpi_record_fn take, void *argument,
                               bp_error *error);

#endif
