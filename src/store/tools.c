/*
 * tools.c: frame headers and records from bytes and back, for tools that hold the bytes themselves.
 *
 * Holds: whatever the bytes are, every field of what is given out is set; a view of a record never reaches beyond the
 * bytes given.
 */
#include <batpak/tools.h>

#include <string.h>

#include "base/error.h"
#include "format/frame.h"
#include "format/record.h"

bp_status bp_frame_decode(const void *bytes, size_t size, bp_frame *frame_out, bp_error *error)
{
    if (bytes == NULL || frame_out == NULL) {
        return bpi_error_set(error, BP_ERR_ARGUMENT, "a frame needs bytes and a place for its fields");
    }
    memset(frame_out, 0, sizeof *frame_out);
    if (size < BPI_FRAME_HEADER) {
        return bpi_error_set(error, BP_ERR_CORRUPT, "a frame header has %d bytes, there are %zu", BPI_FRAME_HEADER,
                             size);
    }
    if (!bpi_frame_get(bytes, frame_out)) {
        return bpi_error_set(error, BP_ERR_CORRUPT, "frame header checksum does not match");
    }
    return BP_OK;
}

void bp_frame_encode(const bp_frame *frame, uint8_t bytes_out[BP_FRAME_HEADER_SIZE])
{
    if (frame != NULL && bytes_out != NULL) {
        (void)bpi_frame_put(frame, bytes_out);
    }
}

/* What is not known from the bytes alone (the position, the commit) is left at zero. */
bp_status bp_record_decode(const void *bytes, size_t size, const bp_id *store_id, bp_event *event_out,
                           size_t *length_out, bp_error *error)
{
    if (bytes == NULL || store_id == NULL || event_out == NULL || length_out == NULL) {
        return bpi_error_set(error, BP_ERR_ARGUMENT, "a record needs bytes, a store id and a place for its fields");
    }
    memset(event_out, 0, sizeof *event_out);
    *length_out = 0;
    const char *fault = bpi_record_check(bytes, size, bpi_record_seed(store_id), event_out, length_out);
    if (fault != NULL) {
        return bpi_error_set(error, BP_ERR_CORRUPT, "%s", fault);
    }
    return BP_OK;
}
