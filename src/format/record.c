/*
 * record.c: records to bytes and back.
 */
#include "format/record.h"

#include "base/bytes.h"
#include "base/checksum.h"
#include "base/ids.h"
#include "base/text.h"
#include "format/key_file.h"

size_t bpi_record_size(const bpi_record_input *input)
{
    size_t size = BPI_RECORD_FIXED + (size_t)input->cause_count * sizeof(bp_id) + input->entity.size +
                  input->scope.size + input->public_size;
    if (input->state & BPI_RECORD_STATE_STUB) {
        size += sizeof(bp_hash);
    } else {
        size += input->private_size + input->payload_size;
    }
    return (size_t)bpi_round_up(size, BPI_RECORD_ALIGN);
}

uint32_t bpi_record_seed(const bp_id *store_id)
{
    return bpi_crc32c(0, store_id->bytes, sizeof store_id->bytes);
}

static void build_fixed(uint8_t *bytes, const bpi_record_input *input, size_t length)
{
    bool stub = (input->state & BPI_RECORD_STATE_STUB) != 0;
    bpi_put32(bytes + BPI_RECORD_LENGTH, (uint32_t)length);
    memcpy(bytes + BPI_RECORD_ID, input->id.bytes, sizeof input->id.bytes);
    bpi_put16(bytes + BPI_RECORD_KIND, input->kind);
    bpi_put16(bytes + BPI_RECORD_FLAGS, input->flags);
    bytes[BPI_RECORD_PAYLOAD_TYPE] = input->payload_type;
    bytes[BPI_RECORD_STATE] = input->state;
    bpi_put16(bytes + BPI_RECORD_PAYLOAD_VERSION, input->payload_version);
    bpi_put32(bytes + BPI_RECORD_PAYLOAD_SIZE, stub ? 0 : (uint32_t)input->payload_size);
    bpi_put16(bytes + BPI_RECORD_ENTITY_SIZE, (uint16_t)input->entity.size);
    bpi_put16(bytes + BPI_RECORD_SCOPE_SIZE, (uint16_t)input->scope.size);
    bytes[BPI_RECORD_CAUSES] = input->cause_count;
    bytes[BPI_RECORD_ZERO1] = 0;
    bpi_put16(bytes + BPI_RECORD_PUBLIC_SIZE, (uint16_t)input->public_size);
    bpi_put16(bytes + BPI_RECORD_PRIVATE_SIZE, stub ? 0 : (uint16_t)input->private_size);
    bpi_put16(bytes + BPI_RECORD_ZERO2, 0);
    if (stub) {
        memset(bytes + BPI_RECORD_SALT, 0, sizeof input->salt);
    } else {
        memcpy(bytes + BPI_RECORD_SALT, input->salt, sizeof input->salt);
    }
}

uint32_t bpi_record_build(uint8_t *bytes, const bpi_record_input *input, uint32_t seed)
{
    size_t length = bpi_record_size(input);
    build_fixed(bytes, input, length);
    uint8_t *at = bytes + BPI_RECORD_FIXED;
    size_t causes_size = (size_t)input->cause_count * sizeof(bp_id);
    bpi_copy(at, input->causes, causes_size);
    at += causes_size;
    memcpy(at, input->entity.data, input->entity.size);
    at += input->entity.size;
    memcpy(at, input->scope.data, input->scope.size);
    at += input->scope.size;
    bpi_copy(at, input->public_extensions, input->public_size);
    at += input->public_size;
    if (input->state & BPI_RECORD_STATE_STUB) {
        memcpy(at, input->content_hash.bytes, sizeof input->content_hash.bytes);
        at += sizeof input->content_hash.bytes;
    } else {
        bpi_copy(at, input->private_extensions, input->private_size);
        at += input->private_size;
        bpi_copy(at, input->payload, input->payload_size);
        at += input->payload_size;
    }
    size_t used = (size_t)(at - bytes);
    memset(at, 0, length - used);
    return bpi_crc32c(seed, bytes + BPI_RECORD_FIXED, length - BPI_RECORD_FIXED);
}

uint32_t bpi_record_assign(uint8_t *bytes, const bpi_record_assigned *assigned, uint32_t tail_crc)
{
    bpi_put64(bytes + BPI_RECORD_SEQUENCE, assigned->sequence);
    bpi_put64(bytes + BPI_RECORD_HLC, assigned->hlc);
    bpi_put64(bytes + BPI_RECORD_TIME, (uint64_t)assigned->time_us);
    bpi_put64(bytes + BPI_RECORD_CLOCK, assigned->clock);
    memcpy(bytes + BPI_RECORD_EVENT_HASH, assigned->event_hash.bytes, sizeof assigned->event_hash.bytes);
    uint32_t crc = bpi_crc32c(tail_crc, bytes + BPI_RECORD_LENGTH, BPI_RECORD_FIXED - BPI_RECORD_LENGTH);
    bpi_put32(bytes + BPI_RECORD_CRC, crc);
    return crc;
}

/* Sizes of the parts; false when they do not fit the length. */
static bool parts_fit(const uint8_t *bytes, size_t length)
{
    size_t used = BPI_RECORD_FIXED + (size_t)bytes[BPI_RECORD_CAUSES] * sizeof(bp_id) +
                  bpi_get16(bytes + BPI_RECORD_ENTITY_SIZE) + bpi_get16(bytes + BPI_RECORD_SCOPE_SIZE) +
                  bpi_get16(bytes + BPI_RECORD_PUBLIC_SIZE) + bpi_get16(bytes + BPI_RECORD_PRIVATE_SIZE) +
                  (size_t)bpi_get32(bytes + BPI_RECORD_PAYLOAD_SIZE);
    if (bytes[BPI_RECORD_STATE] & BPI_RECORD_STATE_STUB) {
        used += sizeof(bp_hash);
    }
    return used <= length && length - used < BPI_RECORD_ALIGN;
}

bool bpi_extension_find(const uint8_t *extensions, size_t size, uint16_t tag, const uint8_t **value_out,
                        size_t *size_out)
{
    size_t at = 0;
    while (size - at >= BPI_EXTENSION_HEADER) {
        uint16_t found = bpi_get16(extensions + at);
        size_t value_size = bpi_get16(extensions + at + 2);
        at += BPI_EXTENSION_HEADER;
        if (value_size > size - at) {
            return false;
        }
        if (found == tag) {
            *value_out = extensions + at;
            *size_out = value_size;
            return true;
        }
        at += value_size;
    }
    return false;
}

size_t bpi_extension_put(uint8_t *bytes, uint16_t tag, const void *value, size_t size)
{
    bpi_put16(bytes, tag);
    bpi_put16(bytes + 2, (uint16_t)size);
    bpi_copy(bytes + BPI_EXTENSION_HEADER, value, size);
    return BPI_EXTENSION_HEADER + size;
}

/* What the public extensions say about fields of the event. */
static void read_extensions(bp_event *event)
{
    const uint8_t *value = NULL;
    size_t size = 0;
    event->lane = 0;
    event->depth = 0;
    event->external = false;
    event->correlation = event->id;
    if (event->public_extensions_size == 0) {
        return;
    }
    if (bpi_extension_find(event->extensions, event->public_extensions_size, BP_TAG_LANE, &value, &size) && size == 8) {
        event->lane = bpi_get32(value);
        event->depth = bpi_get32(value + 4);
    }
    if (bpi_extension_find(event->extensions, event->public_extensions_size, BP_TAG_CORRELATION, &value, &size) &&
        size == sizeof(bp_id)) {
        memcpy(event->correlation.bytes, value, sizeof event->correlation.bytes);
    }
    event->external =
        bpi_extension_find(event->extensions, event->public_extensions_size, BP_TAG_EXTERNAL, &value, &size);
}

static void read_fixed(const uint8_t *bytes, bp_event *event)
{
    event->dropped = false;
    event->sequence = bpi_get64(bytes + BPI_RECORD_SEQUENCE);
    memcpy(event->id.bytes, bytes + BPI_RECORD_ID, sizeof event->id.bytes);
    event->hlc = bpi_get64(bytes + BPI_RECORD_HLC);
    event->time_us = (int64_t)bpi_get64(bytes + BPI_RECORD_TIME);
    event->clock = bpi_get64(bytes + BPI_RECORD_CLOCK);
    event->kind = bpi_get16(bytes + BPI_RECORD_KIND);
    event->flags = bpi_get16(bytes + BPI_RECORD_FLAGS);
    event->payload_type = bytes[BPI_RECORD_PAYLOAD_TYPE];
    event->payload_absent = (bytes[BPI_RECORD_STATE] & BPI_RECORD_STATE_STUB) != 0;
    event->tombstoned = (bytes[BPI_RECORD_STATE] & BPI_RECORD_STATE_TOMBSTONED) != 0;
    event->payload_version = bpi_get16(bytes + BPI_RECORD_PAYLOAD_VERSION);
    event->cause_count = bytes[BPI_RECORD_CAUSES];
    memcpy(event->event_hash.bytes, bytes + BPI_RECORD_EVENT_HASH, sizeof event->event_hash.bytes);
    memcpy(event->salt, bytes + BPI_RECORD_SALT, sizeof event->salt);
}

static void read_parts(const uint8_t *bytes, bp_event *event)
{
    const uint8_t *at = bytes + BPI_RECORD_FIXED;
    event->causes = event->cause_count == 0 ? NULL : (const bp_id *)at;
    at += (size_t)event->cause_count * sizeof(bp_id);
    event->entity = (bp_text){(const char *)at, bpi_get16(bytes + BPI_RECORD_ENTITY_SIZE)};
    at += event->entity.size;
    event->scope = (bp_text){(const char *)at, bpi_get16(bytes + BPI_RECORD_SCOPE_SIZE)};
    at += event->scope.size;
    event->extensions = at;
    event->public_extensions_size = bpi_get16(bytes + BPI_RECORD_PUBLIC_SIZE);
    event->private_extensions_size = bpi_get16(bytes + BPI_RECORD_PRIVATE_SIZE);
    at += event->public_extensions_size;
    if (event->payload_absent) {
        memcpy(event->content_hash.bytes, at, sizeof event->content_hash.bytes);
        at += sizeof event->content_hash.bytes;
    } else {
        memset(event->content_hash.bytes, 0, sizeof event->content_hash.bytes);
        at += event->private_extensions_size;
    }
    event->payload = at;
    event->payload_size = bpi_get32(bytes + BPI_RECORD_PAYLOAD_SIZE);
    bp_text subject;
    bool encrypted = event->private_extensions_size != 0 && bpi_event_subject(event, &subject);
    event->encryption = encrypted ? BP_ENCRYPTION_STORED : BP_ENCRYPTION_NONE;
}

size_t bpi_record_again(const uint8_t *bytes, bp_event *event_out)
{
    read_fixed(bytes, event_out);
    read_parts(bytes, event_out);
    read_extensions(event_out);
    return bpi_get32(bytes + BPI_RECORD_LENGTH);
}

const char *bpi_record_view(const uint8_t *bytes, size_t available, uint32_t seed, bp_event *event_out,
                            size_t *length_out)
{
    if (available < BPI_RECORD_MIN) {
        return "record cut short";
    }
    size_t length = bpi_get32(bytes + BPI_RECORD_LENGTH);
    if (length < BPI_RECORD_MIN || length % BPI_RECORD_ALIGN != 0 || length > available) {
        return "record length out of range";
    }
    uint32_t crc = bpi_crc32c(seed, bytes + BPI_RECORD_FIXED, length - BPI_RECORD_FIXED);
    crc = bpi_crc32c(crc, bytes + BPI_RECORD_LENGTH, BPI_RECORD_FIXED - BPI_RECORD_LENGTH);
    if (crc != bpi_get32(bytes + BPI_RECORD_CRC)) {
        return "record checksum does not match";
    }
    if (!parts_fit(bytes, length)) {
        return "record parts do not fit its length";
    }
    *length_out = bpi_record_again(bytes, event_out);
    return NULL;
}

/* One run of extensions: well-formed, ascending from `least`, within one half of the tags. */
static const char *extensions_fault(const uint8_t *bytes, size_t size, bool private)
{
    size_t at = 0;
    int32_t last = -1;
    while (at < size) {
        if (size - at < BPI_EXTENSION_HEADER) {
            return "extension cut short";
        }
        uint16_t tag = bpi_get16(bytes + at);
        size_t value_size = bpi_get16(bytes + at + 2);
        const uint8_t *value = bytes + at + BPI_EXTENSION_HEADER;
        at += BPI_EXTENSION_HEADER;
        if (value_size > size - at) {
            return "extension longer than what is left";
        }
        if ((int32_t)tag <= last || ((tag & 0x8000u) != 0) != private) {
            return "extension tags out of order";
        }
        if ((tag == BP_TAG_LANE && (value_size != 8 || bpi_all_zero(value, 8))) ||
            (tag == BP_TAG_CORRELATION && (value_size != 16 || bpi_all_zero(value, 16))) ||
            (tag == BP_TAG_HOPS && (value_size != 4 || bpi_all_zero(value, 4))) ||
            (tag == BP_TAG_EXTERNAL && value_size != 0)) {
            return "extension value is not what its tag says";
        }
        last = tag;
        at += value_size;
    }
    return NULL;
}

static bool kind_known(bp_kind_code kind)
{
    return bp_kind_is_open(kind) || (kind >= BP_KIND_INIT && kind <= BP_KIND_CHECKPOINT) ||
           (kind >= BP_KIND_NAME && kind <= BP_KIND_POLICY) || kind == BP_KIND_TOMBSTONE;
}

static bool system_coordinate_right(const bp_event *event)
{
    bool system_kind = bp_kind_is_system(event->kind) && event->kind != BP_KIND_DATA;
    static const bp_text entity = {BP_SYSTEM_ENTITY, sizeof(BP_SYSTEM_ENTITY) - 1};
    static const bp_text scope = {BP_SYSTEM_SCOPE, sizeof(BP_SYSTEM_SCOPE) - 1};
    bool system_entity = bp_text_equal(event->entity, entity);
    if (!system_kind) {
        return !system_entity;
    }
    return system_entity && bp_text_equal(event->scope, scope);
}

static const char *fields_fault(const uint8_t *bytes, const bp_event *event)
{
    bool stub = event->payload_absent;
    if (bytes[BPI_RECORD_ZERO1] != 0 || bpi_get16(bytes + BPI_RECORD_ZERO2) != 0 ||
        (stub && (event->payload_size != 0 || event->private_extensions_size != 0 ||
                  !bpi_all_zero(event->salt, sizeof event->salt)))) {
        return "a field that must be zero is not";
    }
    if ((event->flags & ~BPI_RECORD_FLAGS_KNOWN) != 0 ||
        (bytes[BPI_RECORD_STATE] & ~(BPI_RECORD_STATE_STUB | BPI_RECORD_STATE_TOMBSTONED)) != 0 ||
        (event->payload_type > BP_PAYLOAD_MSGPACK && event->payload_type < 128)) {
        return "record flags, state or payload type unknown";
    }
    if (event->payload_size > BP_PAYLOAD_MAX || event->cause_count > BP_CAUSES_MAX) {
        return "record field beyond its limit";
    }
    if (bpi_id_none(&event->id)) {
        return "event id is nil";
    }
    for (size_t i = 0; i < event->cause_count; i++) {
        if (bpi_id_none(&event->causes[i])) {
            return "cause is nil";
        }
    }
    return NULL;
}

const char *bpi_record_check(const uint8_t *bytes, size_t available, uint32_t seed, bp_event *event_out,
                             size_t *length_out)
{
    const char *fault = bpi_record_view(bytes, available, seed, event_out, length_out);
    if (fault == NULL) {
        fault = fields_fault(bytes, event_out);
    }
    if (fault != NULL) {
        return fault;
    }
    const bp_event *event = event_out;
    if (!bpi_name_valid((const uint8_t *)event->entity.data, event->entity.size, BP_NAME_MAX) ||
        !bpi_name_valid((const uint8_t *)event->scope.data, event->scope.size, BP_NAME_MAX)) {
        return "entity or scope is not a valid name";
    }
    fault = extensions_fault(event->extensions, event->public_extensions_size, false);
    if (fault == NULL) {
        fault =
            extensions_fault(event->extensions + event->public_extensions_size, event->private_extensions_size, true);
    }
    const uint8_t *value = NULL;
    size_t size = 0;
    if (fault == NULL && event->public_extensions_size != 0 && bpi_id_same(&event->correlation, &event->id) &&
        bpi_extension_find(event->extensions, event->public_extensions_size, BP_TAG_CORRELATION, &value, &size)) {
        fault = "the correlation is spelt out although it is the event's id";
    }
    const uint8_t *end = (const uint8_t *)event->payload + event->payload_size;
    if (fault == NULL && !bpi_all_zero(end, (size_t)(bytes + *length_out - end))) {
        fault = "bytes behind the payload are not zero";
    }
    return fault;
}

const char *bpi_record_contradiction(const bp_event *event)
{
    if (!kind_known(event->kind)) {
        return "reserved kind unknown";
    }
    return system_coordinate_right(event) ? NULL : "system entity and kind do not go together";
}
