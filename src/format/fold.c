/*
 * fold.c: fold entries to bytes and back.
 */
#include "format/fold.h"

#include <string.h>

#include "base/bytes.h"
#include "base/checksum.h"
#include "base/ids.h"
#include "base/text.h"

static size_t padded(size_t entity_size, size_t scope_size)
{
    return (size_t)bpi_round_up(BPI_FOLD_FIXED + entity_size + scope_size, BPI_RECORD_ALIGN);
}

size_t bpi_fold_size(const bp_event *event)
{
    return padded(event->entity.size, event->scope.size);
}

uint32_t bpi_fold_put(uint8_t *bytes, const bp_event *event, uint32_t seed)
{
    size_t length = bpi_fold_size(event);
    memset(bytes, 0, length);
    bpi_put32(bytes + BPI_FOLD_LENGTH, (uint32_t)length);
    bpi_put64(bytes + BPI_FOLD_SEQUENCE, event->sequence);
    memcpy(bytes + BPI_FOLD_ID, event->id.bytes, sizeof event->id.bytes);
    bpi_put64(bytes + BPI_FOLD_HLC, event->hlc);
    bpi_put64(bytes + BPI_FOLD_CLOCK, event->clock);
    bpi_put16(bytes + BPI_FOLD_ENTITY_SIZE, (uint16_t)event->entity.size);
    bpi_put16(bytes + BPI_FOLD_SCOPE_SIZE, (uint16_t)event->scope.size);
    bytes[BPI_FOLD_FLAGS] = event->batch == event->sequence ? BPI_FOLD_FIRST : 0;
    memcpy(bytes + BPI_FOLD_EVENT_HASH, event->event_hash.bytes, sizeof event->event_hash.bytes);
    memcpy(bytes + BPI_FOLD_FIXED, event->entity.data, event->entity.size);
    memcpy(bytes + BPI_FOLD_FIXED + event->entity.size, event->scope.data, event->scope.size);
    uint32_t crc = bpi_crc32c(seed, bytes + BPI_FOLD_LENGTH, length - BPI_FOLD_LENGTH);
    bpi_put32(bytes + BPI_FOLD_CRC, crc);
    return crc;
}

size_t bpi_fold_again(const uint8_t *bytes, bp_event *event_out, bool *first_out)
{
    memset(event_out, 0, sizeof *event_out);
    event_out->dropped = true;
    event_out->payload_absent = true;
    event_out->sequence = bpi_get64(bytes + BPI_FOLD_SEQUENCE);
    memcpy(event_out->id.bytes, bytes + BPI_FOLD_ID, sizeof event_out->id.bytes);
    event_out->correlation = event_out->id;
    event_out->hlc = bpi_get64(bytes + BPI_FOLD_HLC);
    event_out->time_us = (int64_t)(event_out->hlc >> 16) * 1000;
    event_out->clock = bpi_get64(bytes + BPI_FOLD_CLOCK);
    memcpy(event_out->event_hash.bytes, bytes + BPI_FOLD_EVENT_HASH, sizeof event_out->event_hash.bytes);
    const char *names = (const char *)bytes + BPI_FOLD_FIXED;
    event_out->entity = (bp_text){names, bpi_get16(bytes + BPI_FOLD_ENTITY_SIZE)};
    event_out->scope = (bp_text){names + event_out->entity.size, bpi_get16(bytes + BPI_FOLD_SCOPE_SIZE)};
    event_out->payload = event_out->scope.data + event_out->scope.size;
    event_out->extensions = event_out->payload;
    *first_out = (bytes[BPI_FOLD_FLAGS] & BPI_FOLD_FIRST) != 0;
    return bpi_get32(bytes + BPI_FOLD_LENGTH);
}

static const char *fields_fault(const uint8_t *bytes, size_t length, const bp_event *event)
{
    if (bp_id_is_nil(&event->id)) {
        return "event id is nil";
    }
    if (!bpi_name_valid((const uint8_t *)event->entity.data, event->entity.size, BP_NAME_MAX) ||
        !bpi_name_valid((const uint8_t *)event->scope.data, event->scope.size, BP_NAME_MAX)) {
        return "entity or scope is not a valid name";
    }
    const uint8_t *end = event->payload;
    if ((bytes[BPI_FOLD_FLAGS] & ~BPI_FOLD_FIRST) != 0 ||
        !bpi_all_zero(bytes + BPI_FOLD_ZERO, BPI_FOLD_EVENT_HASH - BPI_FOLD_ZERO) ||
        !bpi_all_zero(end, (size_t)(bytes + length - end))) {
        return "a field that must be zero is not";
    }
    return NULL;
}

const char *bpi_fold_view(const uint8_t *bytes, size_t available, uint32_t seed, bp_event *event_out, bool *first_out,
                          size_t *length_out)
{
    if (available < BPI_FOLD_MIN) {
        return "fold entry cut short";
    }
    size_t length = bpi_get32(bytes + BPI_FOLD_LENGTH);
    if (length < BPI_FOLD_MIN || length > available ||
        length != padded(bpi_get16(bytes + BPI_FOLD_ENTITY_SIZE), bpi_get16(bytes + BPI_FOLD_SCOPE_SIZE))) {
        return "fold entry length out of range";
    }
    if (bpi_crc32c(seed, bytes + BPI_FOLD_LENGTH, length - BPI_FOLD_LENGTH) != bpi_get32(bytes + BPI_FOLD_CRC)) {
        return "fold entry checksum does not match";
    }
    *length_out = bpi_fold_again(bytes, event_out, first_out);
    return fields_fault(bytes, length, event_out);
}
