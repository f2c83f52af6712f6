/*
 * dump_record.c: the fields of one record: the fixed ones, then the parts that they give sizes to (docs/format.md,
 * section 6).
 *
 * Holds: a record has a bad field if and only if bpi_record_check or bpi_record_contradiction find a fault, its
 * sequence is not the one of its place, or its HLC does not increase. A part that reaches beyond the record is cut there.
 */
#include "store/dump_record.h"

#include <inttypes.h>
#include <string.h>

#include "base/bytes.h"
#include "base/checksum.h"

enum {
    RECORD_MAX = BPI_RECORD_FIXED + 255 * (int)sizeof(bp_id) + 5 * 65535 + (int)BP_PAYLOAD_MAX + (int)sizeof(bp_hash)
};

bool bpi_dump_record_length_fits(uint64_t length)
{
    return length >= BPI_RECORD_MIN && length % BPI_RECORD_ALIGN == 0 && length <= RECORD_MAX;
}

/* ---- fixed fields ---- */

static bool judge_crc(bpi_dump *dump, void *context, const bpi_dump_row *row, const uint8_t *field)
{
    bpi_dump_record_context *r = context;
    if (!r->whole || !r->log->seed_known) {
        bpi_dump_say(dump, r->whole ? " (not judged: the store id is not known)" : " (not judged)");
        return false;
    }
    return bpi_dump_judge_crc(dump, &r->crc, row, field);
}

static bool judge_length(bpi_dump *dump, void *context, const bpi_dump_row *row, const uint8_t *field)
{
    const bpi_dump_record_context *r = context;
    return bpi_dump_bad(dump, !bpi_dump_record_length_fits(bpi_dump_number(row, field)), "out of range") ||
           bpi_dump_bad(dump, !r->whole, "beyond the end of the frame");
}

static bool judge_sequence(bpi_dump *dump, void *context, const bpi_dump_row *row, const uint8_t *field)
{
    const bpi_dump_record_context *r = context;
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
    const bpi_dump_record_context *r = context;
    return bpi_dump_bad(dump, bpi_dump_number(row, field) <= r->log->last_hlc, "does not increase");
}

/* A text of the record as far as it is there. */
static bp_text part_text(const bpi_dump_record_context *r, size_t at, size_t size)
{
    size_t start = at < r->size ? at : r->size;
    size_t left = r->size - start;
    return (bp_text){(const char *)r->bytes + start, size < left ? size : left};
}

static bool judge_kind(bpi_dump *dump, void *context, const bpi_dump_row *row, const uint8_t *field)
{
    const bpi_dump_record_context *r = context;
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

static bool judge_payload_size(bpi_dump *dump, void *context, const bpi_dump_row *row, const uint8_t *field)
{
    const bpi_dump_record_context *r = context;
    uint64_t size = bpi_dump_number(row, field);
    return bpi_dump_bad(dump, size > BP_PAYLOAD_MAX, "out of range") ||
           bpi_dump_bad(dump, bpi_dump_is_stub(r) && size != 0, "must be 0 in a stub");
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
    const bpi_dump_record_context *r = context;
    return bpi_dump_bad(dump, bpi_dump_is_stub(r) && !bpi_all_zero(field, row->size), "must be 0 in a stub");
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

/* ---- the record ---- */

static void sum_record(bpi_dump_record_context *r)
{
    r->crc = bpi_crc32c(r->log->seed, r->bytes + BPI_RECORD_FIXED, r->size - BPI_RECORD_FIXED);
    r->crc = bpi_crc32c(r->crc, r->bytes + BPI_RECORD_LENGTH, BPI_RECORD_FIXED - BPI_RECORD_LENGTH);
}

/* Reads as much of the record as there is and can be. */
static bp_status take_record(bpi_dump *dump, bpi_dump_record_context *r, uint64_t left, bool *fits_out)
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
    bpi_dump_record_context r = {.log = log, .sequence = sequence, .offset = offset};
    bool fits = false;
    bp_status status = take_record(dump, &r, left, &fits);
    if (status == BP_OK) {
        status = bpi_dump_rows(dump, fixed_rows, sizeof fixed_rows / sizeof fixed_rows[0], offset, r.bytes,
                               r.size < BPI_RECORD_FIXED ? r.size : BPI_RECORD_FIXED, &r);
    }
    if (status == BP_OK && fits && r.size > BPI_RECORD_FIXED) {
        status = bpi_dump_parts(dump, &r);
    }
    if (status == BP_OK && r.whole && log->seed_known && r.crc == bpi_get32(r.bytes + BPI_RECORD_CRC)) {
        log->last_hlc = bpi_get64(r.bytes + BPI_RECORD_HLC);
    }
    *size_out = r.size;
    *ends_out = r.whole;
    return status;
}
