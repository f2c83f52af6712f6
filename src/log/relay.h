/*
 * relay.h: carrying what was published over a failed write into a new segment (docs/format.md, section 11).
 */
#ifndef BPI_LOG_RELAY_H
#define BPI_LOG_RELAY_H

#include "log/log.h"

/* One commit that was read back: `length` bytes at `at` in a buffer, the first 64 left for its header. */
typedef struct bpi_relay_frame {
    size_t at;
    uint32_t length;
    uint32_t record_count;
    uint32_t body_crc;
    bp_hlc last_hlc;
} bpi_relay_frame;

/* Waits until the keeper and syncs are at rest. [commit] held; it may be let go meanwhile. */
void bpi_log_quiesce(bpi_log *log);

/*
 * The segment that bpi_log_relay will write these frames into, and how much it will hold; not held, good until then. [commit] held,
 * the log at rest. On failure everything is as it was.
 */
bp_status bpi_log_relay_target(bpi_log *log, const bpi_relay_frame *frames, size_t count, bpi_segment **segment_out,
                               uint64_t *capacity_out, bp_error *error);

/*
 * Writes the frames behind the durable LSN into a new segment under the next epoch, syncs it, and switches the manifest: from
 * then on the log goes on there and has not failed. [commit] held, the log failed and at rest. On failure everything is as it
 * was, the log still failed.
 */
bp_status bpi_log_relay(bpi_log *log, uint8_t *bytes, const bpi_relay_frame *frames, size_t count,
                        uint64_t first_sequence, bp_error *error);

#endif
