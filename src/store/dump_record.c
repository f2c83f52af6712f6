/*
 * dump_record.c: the fields of one record: the fixed ones, then the parts that they give sizes to (docs/format.md,
 * section 6).
 *
 * Holds: a record has a bad field if and only if bpi_record_check or bpi_record_contradiction find a fault, its
 * sequence is not the one of its place, or its HLC does not increase. A part that reaches beyond the record is cut there.
 */
#include "store/dump.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/bytes.h"
#include "base/checksum.h"
#include "base/text.h"
#include "format/record.h"

enum {
    RECORD_MAX = BPI_RECORD_FIXED + 255 * (int)sizeof(bp_id) + 5 * 65535 + (int)BP_PAYLOAD_MAX + (int)sizeof(bp_hash),
    PART_NAME_SIZE = 24
};

typedef struct record_context {
    uint32_t crc; /* the right one; first, for bpi_dump_judge_crc */
    const bpi_dump_log *log;
    const uint8_t *bytes;
    size_t size; /* of the record, as far as it is there */
    bool whole;  /* its length can be one, and it is there up to it */
    uint64_t sequence;
    uint64_t offset;
    size_t at; /* the part that comes next */
} record_context;

bool bpi_dump_record_length_fits(uint64_t length)
{
    return length >= BPI_RECORD_MIN && length % BPI_RECORD_ALIGN == 0 && length <= RECORD_MAX;
}

/* ---- fixed fields ---- */

static bool judge_crc(bpi_dump *dump, void *context, const bpi_dump_row *row, const uint8_t *field)
{
    record_context *r = context;
    if (!r->whole || !r->log->seed_known) {
        bpi_dump_say(dump, r->whole ? " (not judged: the store id is not known)" : " (not judged)");
        return false;
    }
    return bpi_dump_judge_crc(dump, &r->crc, row, field);
}

static bool judge_length(bpi_dump *dump, void *context, const bpi_dump_row *row, const uint8_t *field)
{
    const record_context *r = context;
    return bpi_dump_bad(dump, !bpi_dump_record_length_fits(bpi_dump_number(row, field)), "out of range") ||
           bpi_dump_bad(dump, !r->whole, "beyond the end of the frame");
}

static bool judge_sequence(bpi_dump *dump, void *context, const bpi_dump_row *row, const uint8_t *field)
{
    const record_context *r = context;
    if (bpi_dump_number(row, field) != r->sequence) {
        bpi_dump_say(dump, " (the next one is %" PRIu64 ")", r->sequence);
        return true;
    }
    return false;
}

static bool judge_id(bpi_dump *dump, void *context, const bpi_dump_row *row, const uint8_t *field)
{
    (void)context;
    return bpi_dump_bad(dump, bpi_all_zero(field, row->size), "must not be nil");
}

static bool judge_hlc(bpi_dump *dump, void *context, const bpi_dump_row *row, const uint8_t *field)
{
    const record_context *r = context;
    return bpi_dump_bad(dump, bpi_dump_number(row, field) <= r->log->last_hlc, "does not increase");
}

/* A text of the record as far as it is there. */
static bp_text part_text(const record_context *r, size_t at, size_t size)
{
    size_t start = at < r->size ? at : r->size;
    size_t left = r->size - start;
    return (bp_text){(const char *)r->bytes + start, size < left ? size : left};
}

static bool judge_kind(bpi_dump *dump, void *context, const bpi_dump_row *row, const uint8_t *field)
{
    const record_context *r = context;
    if (r->size < BPI_RECORD_FIXED) {
        return false;
    }
    size_t at = BPI_RECORD_FIXED + (size_t)r->bytes[BPI_RECORD_CAUSES] * sizeof(bp_id);
    size_t entity_size = bpi_get16(r->bytes + BPI_RECORD_ENTITY_SIZE);
    bp_event event = {.kind = (bp_kind_code)bpi_dump_number(row, field)};
    event.entity = part_text(r, at, entity_size);
    event.scope = part_text(r, at + entity_size, bpi_get16(r->bytes + BPI_RECORD_SCOPE_SIZE));
    const char *fault = bpi_record_contradiction(&event);
    return bpi_dump_bad(dump, fault != NULL, fault);
}

static bool judge_payload_type(bpi_dump *dump, void *context, const bpi_dump_row *row, const uint8_t *field)
{
    (void)context;
    uint64_t type = bpi_dump_number(row, field);
    if (type >= 128) {
        bpi_dump_say(dump, " the caller's own");
    }
    return bpi_dump_bad(dump, type > BP_PAYLOAD_MSGPACK && type < 128, "unknown");
}

static bool is_stub(const record_context *r)
{
    return (r->bytes[BPI_RECORD_STATE] & BPI_RECORD_STATE_STUB) != 0;
}

static bool judge_payload_size(bpi_dump *dump, void *context, const bpi_dump_row *row, const uint8_t *field)
{
    const record_context *r = context;
    uint64_t size = bpi_dump_number(row, field);
    return bpi_dump_bad(dump, size > BP_PAYLOAD_MAX, "out of range") ||
           bpi_dump_bad(dump, is_stub(r) && size != 0, "must be 0 in a stub");
}

static bool judge_name_size(bpi_dump *dump, void *context, const bpi_dump_row *row, const uint8_t *field)
{
    (void)context;
    uint64_t size = bpi_dump_number(row, field);
    return bpi_dump_bad(dump, size == 0 || size > BP_NAME_MAX, "out of range");
}

static bool judge_causes(bpi_dump *dump, void *context, const bpi_dump_row *row, const uint8_t *field)
{
    (void)context;
    return bpi_dump_bad(dump, bpi_dump_number(row, field) > BP_CAUSES_MAX, "out of range");
}

static bool judge_not_in_stub(bpi_dump *dump, void *context, const bpi_dump_row *row, const uint8_t *field)
{
    const record_context *r = context;
    return bpi_dump_bad(dump, is_stub(r) && !bpi_all_zero(field, row->size), "must be 0 in a stub");
}

static const bpi_dump_name flag_bits[] = {{BP_FLAG_REQUIRES_ACK, "requires-ack"},
                                          {BP_FLAG_TRANSACTIONAL, "transactional"},
                                          {BP_FLAG_REPLAY, "replay"},
                                          {0, NULL}};
static const bpi_dump_name state_bits[] = {
    {BPI_RECORD_STATE_STUB, "stub"}, {BPI_RECORD_STATE_TOMBSTONED, "tombstoned"}, {0, NULL}};
static const bpi_dump_name payload_types[] = {
    {BP_PAYLOAD_RAW, "raw"}, {BP_PAYLOAD_JSON, "JSON"}, {BP_PAYLOAD_MSGPACK, "MessagePack"}, {0, NULL}};

static const bpi_dump_row fixed_rows[] = {
    {"crc", 4, BPI_FORM_HEX, .judge = judge_crc},
    {"length", 4, BPI_FORM_NUMBER, .judge = judge_length},
    {"sequence", 8, BPI_FORM_NUMBER, .judge = judge_sequence},
    {"id", 16, BPI_FORM_ID, .judge = judge_id},
    {"HLC", 8, BPI_FORM_HLC, .judge = judge_hlc},
    {"time", 8, BPI_FORM_TIME, .judge = NULL},
    {"clock", 8, BPI_FORM_NUMBER, .judge = NULL},
    {"kind", 2, BPI_FORM_KIND, .judge = judge_kind},
    {"flags", 2, BPI_FORM_BITS, .names = flag_bits},
    {"payload type", 1, BPI_FORM_NAMED, .judge = judge_payload_type, .names = payload_types},
    {"state", 1, BPI_FORM_BITS, .names = state_bits},
    {"payload version", 2, BPI_FORM_NUMBER, .judge = NULL},
    {"payload size", 4, BPI_FORM_NUMBER, .judge = judge_payload_size},
    {"entity size", 2, BPI_FORM_NUMBER, .judge = judge_name_size},
    {"scope size", 2, BPI_FORM_NUMBER, .judge = judge_name_size},
    {"causes", 1, BPI_FORM_NUMBER, .judge = judge_causes},
    {"zero", 1, BPI_FORM_ZERO, .judge = NULL},
    {"public extensions size", 2, BPI_FORM_NUMBER, .judge = NULL},
    {"private extensions size", 2, BPI_FORM_NUMBER, .judge = judge_not_in_stub},
    {"zero", 2, BPI_FORM_ZERO, .judge = NULL},
    {"event hash", 32, BPI_FORM_BYTES, .judge = NULL},
    {"salt", 16, BPI_FORM_BYTES, .judge = judge_not_in_stub},
};

/* ---- parts ---- */

/* The next part, as much of it as is there; its value has been said. */
static bp_status part_field(bpi_dump *dump, record_context *r, const char *name, size_t size, bool bad)
{
    size_t left = r->size - r->at;
    size_t there = size < left ? size : left;
    if (there == 0 && size > 0) {
        bpi_dump_say(dump, "missing: the record ends here");
    }
    bad = bpi_dump_bad(dump, there > 0 && there < size, "cut short") || there < size || bad;
    uint64_t offset = r->offset + r->at;
    r->at += there;
    return bpi_dump_field(dump, name, offset, there, bad);
}

static size_t part_size(const record_context *r, size_t size)
{
    size_t left = r->size - r->at;
    return size < left ? size : left;
}

static bp_status dump_causes(bpi_dump *dump, record_context *r)
{
    bp_status status = BP_OK;
    bool more = true; /* one that is missing stands for all that follow */
    for (unsigned i = 0; i < r->bytes[BPI_RECORD_CAUSES] && more && status == BP_OK; i++) {
        more = r->at < r->size;
        char name[PART_NAME_SIZE];
        bp_id id = {{0}};
        size_t size = part_size(r, sizeof id);
        bpi_copy(id.bytes, r->bytes + r->at, size);
        bool bad = false;
        if (size == sizeof id) {
            char text[BP_ID_TEXT_SIZE];
            bp_id_print(&id, text);
            bpi_dump_say(dump, "%s", text);
            bad = bpi_dump_bad(dump, bp_id_is_nil(&id), "must not be nil");
        }
        (void)snprintf(name, sizeof name, "cause %u", i);
        status = part_field(dump, r, name, sizeof id, bad);
    }
    return status;
}

static bp_status dump_name(bpi_dump *dump, record_context *r, const char *name, size_t size)
{
    const uint8_t *bytes = r->bytes + r->at;
    size_t there = part_size(r, size);
    if (size == 0) {
        return BP_OK; /* the field of its size says so */
    }
    bpi_dump_say_text(dump, bytes, there, BP_NAME_MAX);
    bool bad = bpi_dump_bad(dump, there > 0 && !bpi_name_valid(bytes, there, BP_NAME_MAX), "not a valid name");
    return part_field(dump, r, name, size, bad);
}

static void say_content(bpi_dump *dump, const uint8_t *bytes, size_t size, bool text)
{
    bpi_dump_say(dump, "%zu bytes: ", size);
    if (text || bpi_dump_is_text(bytes, size, BPI_DUMP_PREVIEW)) {
        bpi_dump_say_text(dump, bytes, size, BPI_DUMP_PREVIEW);
    } else {
        bpi_dump_say_hex(dump, bytes, size, BPI_DUMP_HEX_PREVIEW);
    }
}

static bp_status dump_payload(bpi_dump *dump, record_context *r, size_t size)
{
    size_t there = part_size(r, size);
    if (size == 0) {
        return BP_OK;
    }
    if (there > 0) {
        say_content(dump, r->bytes + r->at, there, r->bytes[BPI_RECORD_PAYLOAD_TYPE] == BP_PAYLOAD_JSON);
    }
    return part_field(dump, r, "payload", size, false);
}

/* ---- extensions ---- */

typedef struct extension {
    uint16_t tag;
    const uint8_t *value;
    size_t size;
} extension;

static const bpi_dump_name tags[] = {{BP_TAG_LANE, "lane and depth"}, {BP_TAG_CORRELATION, "correlation"},
                                     {BP_TAG_GATES, "gates"},         {BP_TAG_HOPS, "hops"},
                                     {BP_TAG_EXTERNAL, "external"},   {BP_TAG_BYPASS, "bypass reason"},
                                     {BP_TAG_SUBJECT, "subject"},     {0, NULL}};

static void name_extension(uint16_t tag, char name_out[PART_NAME_SIZE])
{
    (void)snprintf(name_out, PART_NAME_SIZE, "extension 0x%04x", (unsigned)tag);
    for (const bpi_dump_name *known = tags; known->name != NULL; known++) {
        if (known->value == tag) {
            (void)snprintf(name_out, PART_NAME_SIZE, "%s", known->name);
        }
    }
}

static bool wrong_size(bpi_dump *dump, const extension *e, size_t size)
{
    if (e->size == size) {
        return false;
    }
    say_content(dump, e->value, e->size, false);
    return bpi_dump_bad(dump, true, "its size is not that of its tag");
}

static bool say_correlation(bpi_dump *dump, const record_context *r, const extension *e)
{
    bp_id id;
    char text[BP_ID_TEXT_SIZE];
    memcpy(id.bytes, e->value, sizeof id.bytes);
    bp_id_print(&id, text);
    bpi_dump_say(dump, "%s", text);
    return bpi_dump_bad(dump, bp_id_is_nil(&id), "must not be nil") ||
           bpi_dump_bad(dump, memcmp(id.bytes, r->bytes + BPI_RECORD_ID, sizeof id.bytes) == 0,
                        "the event's own id is not spelt out");
}

/* The value by its tag; true: it is not what the tag says. */
static bool say_extension(bpi_dump *dump, const record_context *r, const extension *e)
{
    switch (e->tag) {
    case BP_TAG_LANE:
        if (wrong_size(dump, e, 8)) {
            return true;
        }
        bpi_dump_say(dump, "lane %" PRIu32 ", depth %" PRIu32, bpi_get32(e->value), bpi_get32(e->value + 4));
        return bpi_dump_bad(dump, bpi_all_zero(e->value, 8), "must not both be 0");
    case BP_TAG_CORRELATION:
        return wrong_size(dump, e, sizeof(bp_id)) || say_correlation(dump, r, e);
    case BP_TAG_HOPS:
        if (wrong_size(dump, e, 4)) {
            return true;
        }
        bpi_dump_say(dump, "%" PRIu32, bpi_get32(e->value));
        return bpi_dump_bad(dump, bpi_all_zero(e->value, 4), "must not be 0");
    case BP_TAG_EXTERNAL:
        if (wrong_size(dump, e, 0)) {
            return true;
        }
        bpi_dump_say(dump, "causes may lie outside");
        return false;
    default:
        say_content(dump, e->value, e->size, false);
        return false;
    }
}

/* One run of extensions, `size` bytes; tags ascend, private ones have the top bit. */
static bp_status dump_extensions(bpi_dump *dump, record_context *r, size_t size, bool private)
{
    size_t there = part_size(r, size);
    size_t end = r->at + there;
    int32_t last = -1;
    bp_status status = BP_OK;
    while (r->at < end && status == BP_OK) {
        char name[PART_NAME_SIZE];
        const uint8_t *bytes = r->bytes + r->at;
        size_t left = end - r->at;
        size_t value_size = left < BPI_EXTENSION_HEADER ? 0 : bpi_get16(bytes + 2);
        if (left < BPI_EXTENSION_HEADER || value_size > left - BPI_EXTENSION_HEADER) {
            bpi_dump_say(dump, "%zu bytes: ", left);
            bpi_dump_say_hex(dump, bytes, left, BPI_DUMP_HEX_PREVIEW);
            (void)bpi_dump_bad(dump, true, "an extension cut short");
            return part_field(dump, r, "unreadable", left, true);
        }
        extension e = {bpi_get16(bytes), bytes + BPI_EXTENSION_HEADER, value_size};
        bool bad = say_extension(dump, r, &e);
        bad = bpi_dump_bad(dump, (int32_t)e.tag <= last, "tags must ascend") || bad;
        bad = bpi_dump_bad(dump, ((e.tag & 0x8000u) != 0) != private, "in the wrong half") || bad;
        last = e.tag;
        name_extension(e.tag, name);
        status = part_field(dump, r, name, BPI_EXTENSION_HEADER + value_size, bad);
    }
    if (status == BP_OK && there < size) {
        status = part_field(dump, r, private ? "private extensions" : "public extensions", size - there, true);
    }
    return status;
}

static bp_status dump_content_hash(bpi_dump *dump, record_context *r)
{
    bpi_dump_say_hex(dump, r->bytes + r->at, part_size(r, sizeof(bp_hash)), sizeof(bp_hash));
    return part_field(dump, r, "content hash", sizeof(bp_hash), false);
}

static bp_status dump_padding(bpi_dump *dump, record_context *r)
{
    size_t left = r->size - r->at;
    const uint8_t *bytes = r->bytes + r->at;
    if (left == 0) {
        return BP_OK;
    }
    bool zero = bpi_all_zero(bytes, left);
    if (zero) {
        bpi_dump_say(dump, "0");
    } else {
        bpi_dump_say_hex(dump, bytes, left, BPI_DUMP_HEX_PREVIEW);
    }
    bool bad = bpi_dump_bad(dump, left >= BPI_RECORD_ALIGN, "the parts do not fill the record") ||
               bpi_dump_bad(dump, !zero, "must be zero");
    return part_field(dump, r, "padding", left, bad);
}

static bp_status dump_parts(bpi_dump *dump, record_context *r)
{
    const uint8_t *bytes = r->bytes;
    r->at = BPI_RECORD_FIXED;
    bp_status status = dump_causes(dump, r);
    if (status == BP_OK) {
        status = dump_name(dump, r, "entity", bpi_get16(bytes + BPI_RECORD_ENTITY_SIZE));
    }
    if (status == BP_OK) {
        status = dump_name(dump, r, "scope", bpi_get16(bytes + BPI_RECORD_SCOPE_SIZE));
    }
    if (status == BP_OK) {
        status = dump_extensions(dump, r, bpi_get16(bytes + BPI_RECORD_PUBLIC_SIZE), false);
    }
    if (status == BP_OK && is_stub(r)) {
        status = dump_content_hash(dump, r);
    }
    if (status == BP_OK) {
        status = dump_extensions(dump, r, bpi_get16(bytes + BPI_RECORD_PRIVATE_SIZE), true);
    }
    if (status == BP_OK) {
        status = dump_payload(dump, r, bpi_get32(bytes + BPI_RECORD_PAYLOAD_SIZE));
    }
    return status == BP_OK ? dump_padding(dump, r) : status;
}

/* ---- the record ---- */

static void sum_record(record_context *r)
{
    r->crc = bpi_crc32c(r->log->seed, r->bytes + BPI_RECORD_FIXED, r->size - BPI_RECORD_FIXED);
    r->crc = bpi_crc32c(r->crc, r->bytes + BPI_RECORD_LENGTH, BPI_RECORD_FIXED - BPI_RECORD_LENGTH);
}

/* Reads as much of the record as there is and can be. */
static bp_status take_record(bpi_dump *dump, record_context *r, uint64_t left, bool *fits_out)
{
    size_t available = 0;
    bp_status status = bpi_dump_read(dump, r->offset, BPI_RECORD_LENGTH + 4, &r->bytes, &available);
    if (status != BP_OK) {
        return status;
    }
    uint64_t length = available < BPI_RECORD_LENGTH + 4 ? 0 : bpi_get32(r->bytes + BPI_RECORD_LENGTH);
    *fits_out = bpi_dump_record_length_fits(length);
    uint64_t size = *fits_out ? length : BPI_RECORD_FIXED;
    size = size < left ? size : left;
    status = bpi_dump_read(dump, r->offset, (size_t)size, &r->bytes, &available);
    r->size = available < size ? available : (size_t)size;
    r->whole = *fits_out && r->size == length;
    if (status == BP_OK && r->whole) {
        sum_record(r);
    }
    return status;
}

bp_status bpi_dump_record(bpi_dump *dump, bpi_dump_log *log, uint64_t sequence, uint64_t offset, uint64_t left,
                          uint64_t *size_out, bool *ends_out)
{
    record_context r = {.log = log, .sequence = sequence, .offset = offset};
    bool fits = false;
    bp_status status = take_record(dump, &r, left, &fits);
    if (status == BP_OK) {
        status = bpi_dump_rows(dump, fixed_rows, sizeof fixed_rows / sizeof fixed_rows[0], offset, r.bytes,
                               r.size < BPI_RECORD_FIXED ? r.size : BPI_RECORD_FIXED, &r);
    }
    if (status == BP_OK && fits && r.size > BPI_RECORD_FIXED) {
        status = dump_parts(dump, &r);
    }
    if (status == BP_OK && r.whole && log->seed_known && r.crc == bpi_get32(r.bytes + BPI_RECORD_CRC)) {
        log->last_hlc = bpi_get64(r.bytes + BPI_RECORD_HLC);
    }
    *size_out = r.size;
    *ends_out = r.whole;
    return status;
}
