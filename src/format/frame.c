/*
 * frame.c: frame headers to bytes and back.
 */
#include "format/frame.h"

#include "base/bytes.h"
#include "base/checksum.h"
#include "base/plant.h"

#include <batpak/types.h>

static const char *const type_names[] = {"?", "DATA", "PAD", "MARK", "CLOSE", "FOLD", "APPLIED", "SIGNED-ROOT"};

uint32_t bpi_frame_put(const bp_frame *frame, uint8_t bytes[BPI_FRAME_HEADER])
{
    bpi_put64(bytes + BPI_FRAME_SALT, frame->salt);
    bpi_put32(bytes + BPI_FRAME_LENGTH, frame->length);
    bpi_put32(bytes + BPI_FRAME_RECORDS, frame->record_count);
    bytes[BPI_FRAME_TYPE] = frame->type;
    bytes[BPI_FRAME_FLAGS] = frame->flags;
    bpi_put16(bytes + BPI_FRAME_ZERO, 0);
    bpi_put32(bytes + BPI_FRAME_EPOCH, frame->epoch);
    bpi_put64(bytes + BPI_FRAME_LSN, frame->lsn);
    bpi_put64(bytes + BPI_FRAME_SEQUENCE, frame->first_sequence);
    bpi_put64(bytes + BPI_FRAME_FRONTIER, frame->frontier);
    bpi_put32(bytes + BPI_FRAME_ORIGIN, frame->origin);
    bpi_put32(bytes + BPI_FRAME_PREVIOUS, frame->previous_crc);
    bpi_put32(bytes + BPI_FRAME_BODY_CRC, frame->body_crc);
    uint32_t crc = bpi_crc32c(0, bytes, BPI_FRAME_CRC);
    bpi_put32(bytes + BPI_FRAME_CRC, crc);
    return crc;
}

bool bpi_frame_get(const uint8_t bytes[BPI_FRAME_HEADER], bp_frame *frame_out)
{
    frame_out->salt = bpi_get64(bytes + BPI_FRAME_SALT);
    frame_out->length = bpi_get32(bytes + BPI_FRAME_LENGTH);
    frame_out->record_count = bpi_get32(bytes + BPI_FRAME_RECORDS);
    frame_out->type = bytes[BPI_FRAME_TYPE];
    frame_out->flags = bytes[BPI_FRAME_FLAGS];
    frame_out->epoch = bpi_get32(bytes + BPI_FRAME_EPOCH);
    frame_out->lsn = bpi_get64(bytes + BPI_FRAME_LSN);
    frame_out->first_sequence = bpi_get64(bytes + BPI_FRAME_SEQUENCE);
    frame_out->frontier = bpi_get64(bytes + BPI_FRAME_FRONTIER);
    frame_out->origin = bpi_get32(bytes + BPI_FRAME_ORIGIN);
    frame_out->previous_crc = bpi_get32(bytes + BPI_FRAME_PREVIOUS);
    frame_out->body_crc = bpi_get32(bytes + BPI_FRAME_BODY_CRC);
    frame_out->header_crc = bpi_get32(bytes + BPI_FRAME_CRC);
    return bpi_crc32c(0, bytes, BPI_FRAME_CRC) == frame_out->header_crc;
}

bool bpi_frame_header_valid(const uint8_t bytes[BPI_FRAME_HEADER], uint64_t salt, uint64_t lsn, bp_frame *frame_out)
{
    uint64_t found = bpi_get64(bytes + BPI_FRAME_SALT);
    if (found == 0 || (salt != 0 && found != salt && !bpi_planted(BPI_PLANT_SALT_IGNORED)) ||
        bpi_get64(bytes + BPI_FRAME_LSN) != lsn) {
        return false;
    }
    return bpi_frame_get(bytes, frame_out);
}

static const char *empty_frame_fault(const bp_frame *frame)
{
    if (frame->length != BPI_FRAME_HEADER || frame->record_count != 0 || frame->body_crc != 0) {
        return "a frame without records has a body";
    }
    return NULL;
}

const char *bpi_frame_shape_fault(const uint8_t bytes[BPI_FRAME_HEADER], const bp_frame *frame, bool *unknown_out)
{
    *unknown_out = false;
    if (frame->length < BPI_FRAME_HEADER || frame->length % BPI_FRAME_ALIGN != 0 || frame->length > BP_FRAME_MAX) {
        return "frame length out of range";
    }
    if (bpi_get16(bytes + BPI_FRAME_ZERO) != 0) {
        return "a field that must be zero is not";
    }
    switch (frame->type) {
    case BP_FRAME_FOLD:
        if (frame->flags != BPI_FRAME_MUST_UNDERSTAND) {
            return "frame flags unknown";
        }
        return frame->record_count >= 1 && frame->record_count <= BP_BATCH_MAX ? NULL
                                                                               : "number of entries out of range";
    case BP_FRAME_DATA:
        if ((frame->flags & ~BPI_FRAME_CONTINUES) != BPI_FRAME_MUST_UNDERSTAND) {
            return "frame flags unknown";
        }
        return frame->record_count >= 1 && frame->record_count <= BP_BATCH_MAX ? NULL
                                                                               : "number of records out of range";
    case BP_FRAME_PAD:
    case BP_FRAME_MARK:
    case BP_FRAME_CLOSE:
        if (frame->flags != BPI_FRAME_MUST_UNDERSTAND) {
            return "frame flags unknown";
        }
        return empty_frame_fault(frame);
    case BP_FRAME_APPLIED:
        *unknown_out = true; /* as far as this version is concerned */
        return (frame->flags & BPI_FRAME_MUST_UNDERSTAND) != 0 ? NULL : "frame flags unknown";
    default:
        *unknown_out = true;
        return NULL;
    }
}

const char *bpi_frame_type_name(unsigned type)
{
    return type < sizeof type_names / sizeof type_names[0] ? type_names[type] : type_names[0];
}
