/*
 * dump_list.c: the fields of SEGMENTS-<generation> (docs/format.md, section 4).
 *
 * Whether the manifest names this list, with this size and CRC, is not asked here: the list of the other slot is a
 * good list too.
 */
#include "store/dump.h"

#include <inttypes.h>

#include "base/bytes.h"
#include "format/manifest.h"

typedef struct list_context {
    uint32_t crc;        /* the right one; first, for bpi_dump_judge_crc */
    uint64_t generation; /* as in the name */
    uint64_t entries;    /* whole ones, by the file's size */
    bool any;            /* an entry that is not retired came before: */
    uint32_t ordinal;    /*   its ordinal, */
    bool opened;         /*   and it was open */
    uint32_t state;      /* of the entry at hand */
    uint64_t next_sequence;
} list_context;

static bool judge_generation(bpi_dump *dump, void *context, const bpi_dump_row *row, const uint8_t *field)
{
    const list_context *list = context;
    return bpi_dump_bad(dump, bpi_dump_number(row, field) != list->generation, "not the one in the name");
}

static bool judge_count(bpi_dump *dump, void *context, const bpi_dump_row *row, const uint8_t *field)
{
    const list_context *list = context;
    uint64_t count = bpi_dump_number(row, field);
    return bpi_dump_bad(dump, count == 0, "at least 1") ||
           bpi_dump_bad(dump, count != list->entries, "not what the file holds");
}

static bool judge_entry_size(bpi_dump *dump, void *context, const bpi_dump_row *row, const uint8_t *field)
{
    (void)context;
    return bpi_dump_bad(dump, bpi_dump_number(row, field) != BPI_LIST_ENTRY, "must be 128");
}

static const bpi_dump_row header_rows[] = {
    {"magic", 8, BPI_FORM_MAGIC, .magic = BP_MAGIC_SEGMENTS},
    {"version", 4, BPI_FORM_VERSION, .judge = NULL},
    {"crc", 4, BPI_FORM_HEX, .judge = bpi_dump_judge_crc},
    {"generation", 8, BPI_FORM_NUMBER, .judge = judge_generation},
    {"store id", 16, BPI_FORM_ID, .judge = NULL},
    {"entries", 4, BPI_FORM_NUMBER, .judge = judge_count},
    {"entry size", 4, BPI_FORM_NUMBER, .judge = judge_entry_size},
    {"zero", 16, BPI_FORM_ZERO, .judge = NULL},
};

static bool judge_ordinal(bpi_dump *dump, void *context, const bpi_dump_row *row, const uint8_t *field)
{
    list_context *list = context;
    uint32_t ordinal = (uint32_t)bpi_dump_number(row, field);
    bool bad = bpi_dump_bad(dump, ordinal > BPI_COUNT_MOST, "out of range");
    if (list->state != BPI_SEGMENT_RETIRED) {
        bad = bpi_dump_bad(dump, list->any && ordinal <= list->ordinal, "not in order") || bad;
        list->ordinal = ordinal;
    }
    return bad;
}

static bool judge_entry_generation(bpi_dump *dump, void *context, const bpi_dump_row *row, const uint8_t *field)
{
    (void)context;
    return bpi_dump_bad(dump, bpi_dump_number(row, field) > BPI_COUNT_MOST, "out of range");
}

static bool judge_state(bpi_dump *dump, void *context, const bpi_dump_row *row, const uint8_t *field)
{
    list_context *list = context;
    (void)row;
    (void)field;
    bool bad = bpi_dump_bad(dump, list->state > BPI_SEGMENT_RETIRED, "unknown") ||
               bpi_dump_bad(dump, list->state == BPI_SEGMENT_SEALED && list->opened, "comes after an open one");
    list->any = list->any || list->state != BPI_SEGMENT_RETIRED;
    list->opened = list->opened || list->state == BPI_SEGMENT_OPEN;
    return bad;
}

static bool judge_salt(bpi_dump *dump, void *context, const bpi_dump_row *row, const uint8_t *field)
{
    (void)context;
    return bpi_dump_bad(dump, bpi_dump_number(row, field) == 0, "must not be 0");
}

static bool judge_sealed_only(bpi_dump *dump, void *context, const bpi_dump_row *row, const uint8_t *field)
{
    const list_context *list = context;
    return bpi_dump_bad(dump, list->state == BPI_SEGMENT_OPEN && !bpi_all_zero(field, row->size),
                        "must be zero while open");
}

static bool judge_first(bpi_dump *dump, void *context, const bpi_dump_row *row, const uint8_t *field)
{
    list_context *list = context;
    uint64_t first = bpi_dump_number(row, field);
    bool bad = judge_sealed_only(dump, context, row, field);
    if (list->state == BPI_SEGMENT_SEALED) {
        bad = bpi_dump_bad(dump, first != list->next_sequence, "does not join the segment before") || bad;
        list->next_sequence = first;
    }
    return bad;
}

static bool judge_events(bpi_dump *dump, void *context, const bpi_dump_row *row, const uint8_t *field)
{
    list_context *list = context;
    if (list->state == BPI_SEGMENT_SEALED) {
        list->next_sequence += bpi_dump_number(row, field);
    }
    return judge_sealed_only(dump, context, row, field);
}

static bool judge_length(bpi_dump *dump, void *context, const bpi_dump_row *row, const uint8_t *field)
{
    const list_context *list = context;
    uint64_t length = bpi_dump_number(row, field);
    return judge_sealed_only(dump, context, row, field) ||
           bpi_dump_bad(dump, list->state == BPI_SEGMENT_SEALED && (length < BPI_SEGMENT_HEADER || length > UINT32_MAX),
                        "out of range");
}

static bool judge_rewritten(bpi_dump *dump, void *context, const bpi_dump_row *row, const uint8_t *field)
{
    return judge_sealed_only(dump, context, row, field) ||
           bpi_dump_bad(dump, bpi_dump_number(row, field) > 1, "out of range");
}

static const bpi_dump_name states[] = {
    {BPI_SEGMENT_OPEN, "open"}, {BPI_SEGMENT_SEALED, "sealed"}, {BPI_SEGMENT_RETIRED, "retired"}, {0, NULL}};

static const bpi_dump_row entry_rows[] = {
    {"ordinal", 4, BPI_FORM_NUMBER, .judge = judge_ordinal},
    {"generation", 4, BPI_FORM_NUMBER, .judge = judge_entry_generation},
    {"state", 4, BPI_FORM_NAMED, .judge = judge_state, .names = states},
    {"link", 4, BPI_FORM_HEX, .judge = judge_sealed_only},
    {"salt", 8, BPI_FORM_HEX, .judge = judge_salt},
    {"first sequence", 8, BPI_FORM_NUMBER, .judge = judge_first},
    {"events", 8, BPI_FORM_NUMBER, .judge = judge_events},
    {"length", 8, BPI_FORM_NUMBER, .judge = judge_length},
    {"frames", 8, BPI_FORM_NUMBER, .judge = judge_sealed_only},
    {"last HLC", 8, BPI_FORM_HLC, .judge = judge_sealed_only},
    {"merkle root", 32, BPI_FORM_BYTES, .judge = judge_sealed_only},
    {"rewritten", 4, BPI_FORM_NUMBER, .judge = judge_rewritten},
    {"own link", 4, BPI_FORM_HEX, .judge = judge_sealed_only},
    {"zero", 24, BPI_FORM_ZERO, .judge = NULL},
};

enum {
    HEADER_ROWS = sizeof header_rows / sizeof header_rows[0],
    ENTRY_ROWS = sizeof entry_rows / sizeof entry_rows[0]
};

static bp_status dump_entry(bpi_dump *dump, list_context *list, uint64_t index, uint64_t offset)
{
    const uint8_t *bytes = NULL;
    size_t available = 0;
    bp_status status = bpi_dump_read(dump, offset, BPI_LIST_ENTRY, &bytes, &available);
    if (status != BP_OK || available == 0) {
        return status;
    }
    size_t size = available < BPI_LIST_ENTRY ? available : BPI_LIST_ENTRY;
    size_t state_at = bpi_dump_row_offset(entry_rows, "state");
    list->state = size >= state_at + 4 ? bpi_get32(bytes + state_at) : BPI_SEGMENT_RETIRED;
    bpi_dump_group(dump, "entry %" PRIu64, index);
    return bpi_dump_rows(dump, entry_rows, ENTRY_ROWS, offset, bytes, size, list);
}

bp_status bpi_dump_list(bpi_dump *dump, uint64_t generation)
{
    list_context list = {.generation = generation};
    uint64_t size = dump->size;
    list.entries = size < BPI_LIST_HEADER ? 0 : (size - BPI_LIST_HEADER) / BPI_LIST_ENTRY;
    size_t crc_at = bpi_dump_row_offset(header_rows, "crc");
    bp_status status = bpi_dump_sum_without(dump, 0, size, crc_at, &list.crc);
    const uint8_t *bytes = NULL;
    size_t available = 0;
    if (status == BP_OK) {
        status = bpi_dump_read(dump, 0, BPI_LIST_HEADER, &bytes, &available);
    }
    if (status == BP_OK) {
        bpi_dump_group(dump, "header");
        status = bpi_dump_rows(dump, header_rows, HEADER_ROWS, 0, bytes,
                               available < BPI_LIST_HEADER ? available : BPI_LIST_HEADER, &list);
    }
    uint64_t index = 0;
    for (uint64_t at = BPI_LIST_HEADER; at < dump->size && status == BP_OK; at += BPI_LIST_ENTRY) {
        status = dump_entry(dump, &list, index++, at);
    }
    return status;
}
