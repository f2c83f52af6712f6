/*
 * dump_intent.c: the fields of ERASING-<id>, an erasure that is not finished (docs/format.md, section 18).
 *
 * Whether the log has the record that it names is not asked here.
 */
#include "store/dump.h"

#include <inttypes.h>
#include <stdio.h>

#include "base/bytes.h"
#include "store/intent.h"

enum { TEXT_MOST = 1024, NAME_MOST = 24 };

typedef struct intent_context {
    uint32_t crc; /* the right one; first, for bpi_dump_judge_crc */
    bp_id record; /* as in the name */
    uint64_t body;
} intent_context;

static const bpi_dump_name kinds[] = {
    {BPI_INTENT_IDS, "ids"}, {BPI_INTENT_REGION, "region"}, {BPI_INTENT_SUBJECT, "subject"}, {0, NULL}};

static bool judge_version(bpi_dump *dump, void *context, const bpi_dump_row *row, const uint8_t *field)
{
    (void)context;
    return bpi_dump_bad(dump, bpi_dump_number(row, field) != BPI_INTENT_VERSION, "not the version that is read here");
}

static bool judge_record(bpi_dump *dump, void *context, const bpi_dump_row *row, const uint8_t *field)
{
    const intent_context *intent = context;
    bp_id id;
    bpi_copy(id.bytes, field, row->size);
    return bpi_dump_bad(dump, !bp_id_equal(&id, &intent->record), "not the one in the name");
}

static bool judge_kind(bpi_dump *dump, void *context, const bpi_dump_row *row, const uint8_t *field)
{
    (void)context;
    uint64_t kind = bpi_dump_number(row, field);
    return bpi_dump_bad(dump, kind < BPI_INTENT_IDS || kind > BPI_INTENT_SUBJECT, "unknown");
}

static bool judge_size(bpi_dump *dump, void *context, const bpi_dump_row *row, const uint8_t *field)
{
    const intent_context *intent = context;
    uint64_t size = bpi_dump_number(row, field);
    return bpi_dump_bad(dump, size != intent->body, "not what the file holds") ||
           bpi_dump_bad(dump, size == 0 || size > BPI_INTENT_BODY_MOST, "out of range");
}

static const bpi_dump_row header_rows[] = {
    {"magic", 8, BPI_FORM_MAGIC, .magic = BPI_INTENT_MAGIC},
    {"version", 4, BPI_FORM_NUMBER, .judge = judge_version},
    {"crc", 4, BPI_FORM_HEX, .judge = bpi_dump_judge_crc},
    {"erasure record", 16, BPI_FORM_ID, .judge = judge_record},
    {"below", 8, BPI_FORM_NUMBER, .judge = NULL},
    {"kind", 4, BPI_FORM_NAMED, .judge = judge_kind, .names = kinds},
    {"size", 4, BPI_FORM_NUMBER, .judge = judge_size},
};

enum { HEADER_ROWS = sizeof header_rows / sizeof header_rows[0] };

static bp_status dump_ids(bpi_dump *dump)
{
    bp_status status = BP_OK;
    uint64_t index = 0;
    for (uint64_t at = BPI_INTENT_HEADER; at < dump->size && status == BP_OK; at += sizeof(bp_id), index++) {
        const uint8_t *bytes = NULL;
        size_t available = 0;
        char name[NAME_MOST];
        status = bpi_dump_read(dump, at, sizeof(bp_id), &bytes, &available);
        if (status != BP_OK || available == 0) {
            return status;
        }
        bp_id id;
        char text[BP_ID_TEXT_SIZE];
        size_t size = available < sizeof id ? available : sizeof id;
        if (size == sizeof id) {
            bpi_copy(id.bytes, bytes, sizeof id);
            bp_id_print(&id, text);
            bpi_dump_say(dump, "%s", text);
        } else {
            bpi_dump_say_hex(dump, bytes, size, size);
        }
        bool bad = bpi_dump_bad(dump, size < sizeof id, "ends within an id");
        (void)snprintf(name, sizeof name, "id %" PRIu64, index);
        status = bpi_dump_field(dump, name, at, size, bad);
    }
    return status;
}

/* What is no list of ids: all of it, the beginning shown. */
static bp_status dump_text(bpi_dump *dump, const char *name)
{
    const uint8_t *bytes = NULL;
    size_t available = 0;
    bp_status status = bpi_dump_read(dump, BPI_INTENT_HEADER, TEXT_MOST + 1, &bytes, &available);
    if (status != BP_OK || available == 0) {
        return status;
    }
    bpi_dump_say_text(dump, bytes, available, TEXT_MOST);
    return bpi_dump_field(dump, name, BPI_INTENT_HEADER, dump->size - BPI_INTENT_HEADER, false);
}

bp_status bpi_dump_intent(bpi_dump *dump, const bp_id *record)
{
    intent_context intent = {.record = *record};
    const uint8_t *bytes = NULL;
    size_t available = 0;
    uint32_t kind = BPI_INTENT_TORN;
    size_t record_at = bpi_dump_row_offset(header_rows, "erasure record");
    size_t kind_at = bpi_dump_row_offset(header_rows, "kind");
    bp_status status = bpi_dump_sum(dump, record_at, dump->size, &intent.crc);
    if (status == BP_OK) {
        status = bpi_dump_read(dump, 0, BPI_INTENT_HEADER, &bytes, &available);
    }
    if (status == BP_OK) {
        size_t size = available < BPI_INTENT_HEADER ? available : BPI_INTENT_HEADER;
        kind = size == BPI_INTENT_HEADER ? bpi_get32(bytes + kind_at) : kind;
        intent.body = dump->size < BPI_INTENT_HEADER ? 0 : dump->size - BPI_INTENT_HEADER;
        bpi_dump_group(dump, "intent");
        status = bpi_dump_rows(dump, header_rows, HEADER_ROWS, 0, bytes, size, &intent);
    }
    if (status != BP_OK || dump->size <= BPI_INTENT_HEADER) {
        return status;
    }
    bpi_dump_group(dump, "what is erased");
    if (kind == BPI_INTENT_IDS) {
        return dump_ids(dump);
    }
    return dump_text(dump, kind == BPI_INTENT_REGION ? "region" : kind == BPI_INTENT_SUBJECT ? "subject" : "bytes");
}
