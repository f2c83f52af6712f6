/*
 * dump_frame.c: the fields of one frame: its header, then its records.
 *
 * The header is valid (salt, CRC and LSN are right), so its length is believed as far as a length can be. The body is
 * walked once before the header is named, since the header says what the body must sum up to.
 */
#include "store/dump.h"

#include <inttypes.h>
#include <string.h>

#include "base/bytes.h"
#include "base/checksum.h"
#include "format/fold.h"
#include "format/frame.h"
#include "format/record.h"

typedef struct frame_context {
    uint32_t crc; /* the right one; first, for bpi_dump_judge_crc */
    const bpi_dump_log *log;
    bp_frame frame;
    uint64_t left;    /* of the file from the header on */
    uint64_t size;    /* of the frame that is there; no more than its header when the length is none */
    bool known;       /* a type of this version */
    bool empty;       /* one without body */
    bool entries;     /* FOLD, where it may be */
    uint64_t records; /* found in the body of DATA or FOLD */
    uint32_t body_crc;
    bool body_read; /* all of the body is there, and was walked through */
} frame_context;

static bool judge_length(bpi_dump *dump, void *context, const bpi_dump_row *row, const uint8_t *field)
{
    const frame_context *f = context;
    (void)row;
    (void)field;
    uint32_t length = f->frame.length;
    if (bpi_dump_bad(dump, length < BPI_FRAME_HEADER || length % BPI_FRAME_ALIGN != 0 || length > BP_FRAME_MAX,
                     "out of range") ||
        bpi_dump_bad(dump, f->empty && length != BPI_FRAME_HEADER, "must be 64")) {
        return true;
    }
    return bpi_dump_bad(dump, length > f->left, "beyond the end of the file") && !f->log->torn;
}

static bool judge_records(bpi_dump *dump, void *context, const bpi_dump_row *row, const uint8_t *field)
{
    const frame_context *f = context;
    (void)row;
    (void)field;
    uint32_t count = f->frame.record_count;
    if (bpi_dump_bad(dump, f->empty && count != 0, "must be 0")) {
        return true;
    }
    if (f->frame.type != BP_FRAME_DATA && !f->entries) {
        return false;
    }
    if (bpi_dump_bad(dump, count == 0 || count > BP_BATCH_MAX, "out of range")) {
        return true;
    }
    if (f->records != count && !f->log->torn) {
        bpi_dump_say(dump, " (%" PRIu64 " found)", f->records);
        return true;
    }
    return false;
}

static bool judge_type(bpi_dump *dump, void *context, const bpi_dump_row *row, const uint8_t *field)
{
    const frame_context *f = context;
    (void)row;
    (void)field;
    if (bpi_dump_bad(dump, f->log->padded, "nothing may follow a PAD")) {
        return true;
    }
    if (f->known) {
        return false;
    }
    bool must = (f->frame.flags & BPI_FRAME_MUST_UNDERSTAND) != 0;
    bpi_dump_say(dump, must ? " (needs a newer batpak)" : " (unknown, passed over)");
    return must;
}

static bool judge_flags(bpi_dump *dump, void *context, const bpi_dump_row *row, const uint8_t *field)
{
    const frame_context *f = context;
    (void)row;
    (void)field;
    bool may_continue = f->log->rewritten && f->frame.type == BP_FRAME_DATA;
    unsigned flags = f->frame.flags & ~(may_continue ? (unsigned)BPI_FRAME_CONTINUES : 0);
    return bpi_dump_bad(dump, f->known && flags != BPI_FRAME_MUST_UNDERSTAND, "must be 128");
}

static bool judge_epoch(bpi_dump *dump, void *context, const bpi_dump_row *row, const uint8_t *field)
{
    const frame_context *f = context;
    (void)row;
    (void)field;
    return bpi_dump_bad(dump, f->log->linked && f->frame.epoch < f->log->epoch, "less than in the frame before");
}

static bool judge_first_sequence(bpi_dump *dump, void *context, const bpi_dump_row *row, const uint8_t *field)
{
    const frame_context *f = context;
    (void)row;
    (void)field;
    if (f->log->linked && f->frame.first_sequence != f->log->next_sequence) {
        bpi_dump_say(dump, " (the next one is %" PRIu64 ")", f->log->next_sequence);
        return true;
    }
    return false;
}

static bool judge_frontier(bpi_dump *dump, void *context, const bpi_dump_row *row, const uint8_t *field)
{
    const frame_context *f = context;
    (void)row;
    (void)field;
    return bpi_dump_bad(dump, f->frame.frontier > f->frame.lsn, "beyond the frame's own position");
}

static bool judge_previous(bpi_dump *dump, void *context, const bpi_dump_row *row, const uint8_t *field)
{
    const frame_context *f = context;
    (void)row;
    (void)field;
    if (f->log->linked && f->frame.previous_crc != f->log->link) {
        bpi_dump_say(dump, " (the frame before has 0x%08" PRIx32 ")", f->log->link);
        return true;
    }
    return false;
}

static bool judge_body_crc(bpi_dump *dump, void *context, const bpi_dump_row *row, const uint8_t *field)
{
    frame_context *f = context;
    if (f->empty) {
        return bpi_dump_bad(dump, f->frame.body_crc != 0, "must be 0");
    }
    bool judged = f->frame.type == BP_FRAME_DATA || f->entries || (f->frame.flags & BPI_FRAME_MUST_UNDERSTAND) == 0;
    if (!judged || !f->body_read) {
        bpi_dump_say(dump, " (not judged)");
        return false;
    }
    return bpi_dump_judge_crc(dump, &f->body_crc, row, field);
}

static const bpi_dump_name types[] = {{BP_FRAME_DATA, "DATA"},
                                      {BP_FRAME_PAD, "PAD"},
                                      {BP_FRAME_MARK, "MARK"},
                                      {BP_FRAME_CLOSE, "CLOSE"},
                                      {BP_FRAME_FOLD, "FOLD"},
                                      {BP_FRAME_APPLIED, "APPLIED"},
                                      {BP_FRAME_SIGNED_ROOT, "SIGNED-ROOT"},
                                      {0, NULL}};
static const bpi_dump_name flag_bits[] = {
    {BPI_FRAME_CONTINUES, "continues"}, {BPI_FRAME_MUST_UNDERSTAND, "must-understand"}, {0, NULL}};

static const bpi_dump_row header_rows[] = {
    {"salt", 8, BPI_FORM_HEX, .judge = NULL},
    {"length", 4, BPI_FORM_NUMBER, .judge = judge_length},
    {"records", 4, BPI_FORM_NUMBER, .judge = judge_records},
    {"type", 1, BPI_FORM_NAMED, .judge = judge_type, .names = types},
    {"flags", 1, BPI_FORM_BITS, .judge = judge_flags, .names = flag_bits},
    {"zero", 2, BPI_FORM_ZERO, .judge = NULL},
    {"epoch", 4, BPI_FORM_NUMBER, .judge = judge_epoch},
    {"LSN", 8, BPI_FORM_LSN, .judge = NULL},
    {"first sequence", 8, BPI_FORM_NUMBER, .judge = judge_first_sequence},
    {"frontier", 8, BPI_FORM_LSN, .judge = judge_frontier},
    {"origin", 4, BPI_FORM_NUMBER, .judge = NULL},
    {"previous", 4, BPI_FORM_HEX, .judge = judge_previous},
    {"body crc", 4, BPI_FORM_HEX, .judge = judge_body_crc},
    {"crc", 4, BPI_FORM_HEX, .judge = bpi_dump_judge_crc},
};

/* The CRC over the CRC fields of the records, as far as one record leads to the next. */
static bp_status walk_records(bpi_dump *dump, frame_context *f, uint64_t offset)
{
    uint64_t at = BPI_FRAME_HEADER;
    uint64_t least = f->entries ? BPI_FOLD_MIN : BPI_RECORD_FIXED;
    while (f->records < f->frame.record_count && f->size - at >= least) {
        const uint8_t *bytes = NULL;
        size_t available = 0;
        bp_status status = bpi_dump_read(dump, offset + at, BPI_RECORD_LENGTH + 4, &bytes, &available);
        if (status != BP_OK || available < BPI_RECORD_LENGTH + 4) {
            return status;
        }
        uint64_t length = bpi_get32(bytes + BPI_RECORD_LENGTH);
        bool fits =
            f->entries ? length >= BPI_FOLD_MIN && length % BPI_RECORD_ALIGN == 0 : bpi_dump_record_length_fits(length);
        if (!fits || length > f->size - at) {
            return BP_OK;
        }
        f->body_crc = bpi_crc32c(f->body_crc, bytes + BPI_RECORD_CRC, 4);
        f->records++;
        at += length;
    }
    f->body_read = at == f->frame.length;
    return BP_OK;
}

static bp_status take_header(bpi_dump *dump, frame_context *f, uint64_t offset, uint8_t header[BPI_FRAME_HEADER])
{
    const uint8_t *bytes = NULL;
    size_t available = 0;
    bp_status status = bpi_dump_read(dump, offset, BPI_FRAME_HEADER, &bytes, &available);
    memset(header, 0, BPI_FRAME_HEADER);
    bpi_copy(header, bytes, available < BPI_FRAME_HEADER ? available : BPI_FRAME_HEADER);
    if (status != BP_OK) {
        return status;
    }
    (void)bpi_frame_get(header, &f->frame);
    uint32_t length = f->frame.length;
    bool believed = length >= BPI_FRAME_HEADER && length % BPI_FRAME_ALIGN == 0 && length <= BP_FRAME_MAX;
    f->crc = f->frame.header_crc;
    f->left = dump->size - offset;
    f->size = believed && !f->log->torn ? length : BPI_FRAME_HEADER;
    f->size = f->size < f->left ? f->size : f->left;
    f->empty = f->frame.type == BP_FRAME_PAD || f->frame.type == BP_FRAME_MARK || f->frame.type == BP_FRAME_CLOSE;
    f->entries = f->frame.type == BP_FRAME_FOLD && f->log->rewritten;
    f->known = f->empty || f->frame.type == BP_FRAME_DATA || f->entries;
    if (f->frame.type == BP_FRAME_DATA || f->entries) {
        return walk_records(dump, f, offset);
    }
    f->body_read = f->size == length;
    return bpi_dump_sum(dump, offset + BPI_FRAME_HEADER, offset + f->size, &f->body_crc);
}

/* What is left of a frame that no record claims, or the body of a type whose inside is not known here. */
static bp_status dump_body(bpi_dump *dump, const char *name, uint64_t from, uint64_t to, bool bad)
{
    const uint8_t *bytes = NULL;
    size_t available = 0;
    if (from >= to) {
        return BP_OK;
    }
    bp_status status = bpi_dump_read(dump, from, BPI_DUMP_HEX_PREVIEW, &bytes, &available);
    if (status != BP_OK) {
        return status;
    }
    bpi_dump_say(dump, "%" PRIu64 " bytes: ", to - from);
    bpi_dump_say_hex(dump, bytes, available < to - from ? available : (size_t)(to - from), BPI_DUMP_HEX_PREVIEW);
    return bpi_dump_field(dump, name, from, to - from, bad);
}

static bp_status dump_records(bpi_dump *dump, bpi_dump_log *log, const frame_context *f, uint64_t offset,
                              uint64_t number)
{
    uint64_t at = BPI_FRAME_HEADER;
    bool ends = true;
    for (uint64_t i = 0; i < f->frame.record_count && at < f->size && ends; i++) {
        uint64_t size = 0;
        bpi_dump_group(dump, "record %" PRIu64, log->records++);
        bp_status status =
            bpi_dump_record(dump, log, f->frame.first_sequence + i, offset + at, f->size - at, &size, &ends);
        if (status != BP_OK) {
            return status;
        }
        at += size;
    }
    bpi_dump_group(dump, "frame %" PRIu64 " DATA", number);
    return dump_body(dump, "unreadable", offset + at, offset + f->size, true);
}

static void step_over(bpi_dump_log *log, const frame_context *f)
{
    log->linked = f->size == f->frame.length;
    log->padded = !log->torn && (log->padded || f->frame.type == BP_FRAME_PAD);
    log->link = f->frame.header_crc;
    log->epoch = f->frame.epoch;
    log->next_sequence =
        f->frame.first_sequence + (f->frame.type == BP_FRAME_DATA || f->entries ? f->frame.record_count : 0);
}

bp_status bpi_dump_frame(bpi_dump *dump, bpi_dump_log *log, uint64_t offset, uint64_t *next_out)
{
    uint8_t header[BPI_FRAME_HEADER];
    frame_context f = {.log = log};
    uint64_t number = log->frames++;
    bp_status status = take_header(dump, &f, offset, header);
    if (status == BP_OK) {
        bpi_dump_group(dump, "frame %" PRIu64 " %s", number, bpi_frame_type_name(f.frame.type));
        status = bpi_dump_rows(dump, header_rows, sizeof header_rows / sizeof header_rows[0], offset, header,
                               BPI_FRAME_HEADER, &f);
    }
    if (status == BP_OK && f.frame.type == BP_FRAME_DATA && !log->torn) {
        status = dump_records(dump, log, &f, offset, number);
    } else if (status == BP_OK) {
        status = dump_body(dump, f.empty ? "unreadable" : "body", offset + BPI_FRAME_HEADER, offset + f.size, f.empty);
    }
    step_over(log, &f);
    *next_out = offset + f.size;
    return status;
}
