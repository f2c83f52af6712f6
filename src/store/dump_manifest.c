/*
 * dump_manifest.c: the fields of MANIFEST (docs/format.md, section 3).
 *
 * A slot is valid if and only if magic and CRC are right and its generation lies where it belongs; the valid slot of
 * the greatest generation is the manifest. A slot of zeros was never written: that is how a new store looks, as
 * long as the other slot is valid.
 */
#include "store/dump.h"

#include <inttypes.h>

#include "base/bytes.h"
#include "format/manifest.h"

typedef struct slot_context {
    uint32_t crc; /* the right one; first, for bpi_dump_judge_crc */
    unsigned index;
    bool valid;
    uint64_t chosen; /* generation of the manifest, 0 when no slot is valid */
} slot_context;

static bool judge_generation(bpi_dump *dump, void *context, const bpi_dump_row *row, const uint8_t *field)
{
    const slot_context *slot = context;
    uint64_t generation = bpi_dump_number(row, field);
    if (bpi_dump_bad(dump, generation == 0, "must not be 0") ||
        bpi_dump_bad(dump, generation > BPI_GENERATION_MOST, "out of range") ||
        bpi_dump_bad(dump, generation % 2 != slot->index, "belongs to the other slot")) {
        return true;
    }
    if (slot->valid) {
        bpi_dump_say(dump, generation == slot->chosen ? " (the manifest)" : " (the one before)");
    }
    return false;
}

static bool judge_ro_compat(bpi_dump *dump, void *context, const bpi_dump_row *row, const uint8_t *field)
{
    (void)context;
    if (bpi_dump_number(row, field) != 0) {
        bpi_dump_say(dump, " (unknown: only for reading)");
    }
    return false;
}

static bool judge_incompat(bpi_dump *dump, void *context, const bpi_dump_row *row, const uint8_t *field)
{
    (void)context;
    return bpi_dump_bad(dump, (bpi_dump_number(row, field) & ~(uint64_t)BPI_INCOMPAT_FOLD) != 0,
                        "needs a newer batpak");
}

static bool judge_epoch(bpi_dump *dump, void *context, const bpi_dump_row *row, const uint8_t *field)
{
    (void)context;
    uint64_t epoch = bpi_dump_number(row, field);
    return bpi_dump_bad(dump, epoch == 0, "must not be 0") ||
           bpi_dump_bad(dump, epoch > BPI_COUNT_MOST, "out of range");
}

static bool judge_list_size(bpi_dump *dump, void *context, const bpi_dump_row *row, const uint8_t *field)
{
    (void)context;
    return bpi_dump_bad(dump, bpi_list_count((size_t)bpi_dump_number(row, field)) == 0, "no list has that size");
}

static bool judge_segment_size(bpi_dump *dump, void *context, const bpi_dump_row *row, const uint8_t *field)
{
    (void)context;
    uint64_t size = bpi_dump_number(row, field);
    return bpi_dump_bad(dump, size % 4096 != 0 || size < BP_SEGMENT_MIN || size > BP_SEGMENT_MAX, "out of range");
}

static bool judge_layout(bpi_dump *dump, void *context, const bpi_dump_row *row, const uint8_t *field)
{
    (void)context;
    return bpi_dump_bad(dump, bpi_dump_number(row, field) >= BPI_LAYOUTS, "out of range");
}

static const bpi_dump_name incompat_bits[] = {{BPI_INCOMPAT_FOLD, "FOLD"}, {2, "APPLIED"}, {0, NULL}};
static const bpi_dump_name flag_bits[] = {{BPI_MANIFEST_CLEAN, "clean"}, {0, NULL}};
static const bpi_dump_name layouts[] = {{0, "AOS"}, {1, "AOSOA8"}, {2, "AOSOA16"}, {3, "AOSOA64"},
                                        {4, "SOA"}, {5, "SOAOS"},  {0, NULL}};

static const bpi_dump_row slot_rows[] = {
    {"magic", 8, BPI_FORM_MAGIC, .magic = BP_MAGIC_MANIFEST},
    {"version", 4, BPI_FORM_VERSION, .judge = NULL},
    {"crc", 4, BPI_FORM_HEX, .judge = bpi_dump_judge_crc},
    {"generation", 8, BPI_FORM_NUMBER, .judge = judge_generation},
    {"compat", 8, BPI_FORM_HEX, .judge = NULL},
    {"ro-compat", 8, BPI_FORM_HEX, .judge = judge_ro_compat},
    {"incompat", 8, BPI_FORM_BITS, .judge = judge_incompat, .names = incompat_bits},
    {"store id", 16, BPI_FORM_ID, .judge = NULL},
    {"epoch", 4, BPI_FORM_NUMBER, .judge = judge_epoch},
    {"flags", 4, BPI_FORM_BITS, .names = flag_bits},
    {"durable LSN", 8, BPI_FORM_LSN, .judge = NULL},
    {"HLC ceiling", 8, BPI_FORM_HLC, .judge = NULL},
    {"list generation", 8, BPI_FORM_NUMBER, .judge = NULL},
    {"list size", 4, BPI_FORM_NUMBER, .judge = judge_list_size},
    {"list crc", 4, BPI_FORM_HEX, .judge = NULL},
    {"segment size", 4, BPI_FORM_NUMBER, .judge = judge_segment_size},
    {"layout", 1, BPI_FORM_NAMED, .judge = judge_layout, .names = layouts},
    {"zero", 3, BPI_FORM_ZERO, .judge = NULL},
    {"cuts", 4, BPI_FORM_NUMBER, .judge = NULL},
    {"zero", 4, BPI_FORM_ZERO, .judge = NULL},
    {"last cut", 8, BPI_FORM_LSN, .judge = NULL},
    {"last cut bytes", 8, BPI_FORM_NUMBER, .judge = NULL},
    {"rest", BPI_SLOT_SIZE - BPI_SLOT_REST, BPI_FORM_ZERO, .judge = NULL},
};

enum { SLOT_ROWS = sizeof slot_rows / sizeof slot_rows[0] };

/* Both slots lie in one window. */
static bp_status find_manifest(bpi_dump *dump, bool valid_out[2], uint64_t *chosen_out)
{
    *chosen_out = 0;
    const uint8_t *bytes = NULL;
    size_t available = 0;
    bp_status status = bpi_dump_read(dump, 0, BPI_MANIFEST_SIZE, &bytes, &available);
    for (unsigned index = 0; index < 2 && status == BP_OK; index++) {
        uint64_t generation = 0;
        valid_out[index] = available >= (size_t)(index + 1) * BPI_SLOT_SIZE &&
                           bpi_slot_valid(bytes + (size_t)index * BPI_SLOT_SIZE, index, &generation);
        if (valid_out[index] && generation > *chosen_out) {
            *chosen_out = generation;
        }
    }
    return status;
}

static bp_status dump_slot(bpi_dump *dump, slot_context *slot)
{
    uint64_t offset = (uint64_t)slot->index * BPI_SLOT_SIZE;
    const uint8_t *bytes = NULL;
    size_t available = 0;
    bpi_dump_group(dump, "slot %u", slot->index);
    bp_status status = bpi_dump_sum_without(dump, offset, offset + BPI_SLOT_SIZE, offset + BPI_SLOT_CRC, &slot->crc);
    if (status == BP_OK) {
        status = bpi_dump_read(dump, offset, BPI_SLOT_SIZE, &bytes, &available);
    }
    if (status != BP_OK) {
        return status;
    }
    if (available >= BPI_SLOT_SIZE && bpi_all_zero(bytes, BPI_SLOT_SIZE)) {
        bpi_dump_say(dump, "never written: %d zero bytes", BPI_SLOT_SIZE);
        bool bad = bpi_dump_bad(dump, slot->chosen == 0, "and the other slot is not valid");
        return bpi_dump_field(dump, "unused", offset, BPI_SLOT_SIZE, bad);
    }
    size_t size = available < BPI_SLOT_SIZE ? available : BPI_SLOT_SIZE;
    return bpi_dump_rows(dump, slot_rows, SLOT_ROWS, offset, bytes, size, slot);
}

bp_status bpi_dump_manifest(bpi_dump *dump)
{
    bool valid[2] = {false, false};
    uint64_t chosen = 0;
    bp_status status = find_manifest(dump, valid, &chosen);
    for (unsigned index = 0; index < 2 && status == BP_OK; index++) {
        slot_context slot = {.index = index, .valid = valid[index], .chosen = chosen};
        status = dump_slot(dump, &slot);
    }
    if (status == BP_OK && dump->size > BPI_MANIFEST_SIZE) {
        uint64_t more = dump->size - BPI_MANIFEST_SIZE;
        bpi_dump_group(dump, "rest");
        bpi_dump_say(dump, "%" PRIu64 " bytes behind the slots", more);
        status = bpi_dump_field(dump, "unreadable", BPI_MANIFEST_SIZE, more, true);
    }
    return status;
}
