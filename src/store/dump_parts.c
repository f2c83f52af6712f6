/*
 * dump_parts.c: the fields of a record behind the fixed ones: causes, names, extensions, content, padding.
 *
 * Holds: a part that reaches beyond the record is cut there and bad; the parts and the padding end where the record
 * ends.
 */
#include "store/dump_record.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/bytes.h"
#include "base/text.h"

enum { PART_NAME_SIZE = 24 };

/* The next part, as much of it as is there; its value has been said. */
static bp_status part_field(bpi_dump *dump, bpi_dump_record_context *r, const char *name, size_t size, bool bad)
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

static size_t part_size(const bpi_dump_record_context *r, size_t size)
{
    size_t left = r->size - r->at;
    return size < left ? size : left;
}

static bp_status dump_causes(bpi_dump *dump, bpi_dump_record_context *r)
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

static bp_status dump_name(bpi_dump *dump, bpi_dump_record_context *r, const char *name, size_t size)
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

static bp_status dump_payload(bpi_dump *dump, bpi_dump_record_context *r, size_t size)
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

static bool say_correlation(bpi_dump *dump, const bpi_dump_record_context *r, const extension *e)
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
static bool say_extension(bpi_dump *dump, const bpi_dump_record_context *r, const extension *e)
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
static bp_status dump_extensions(bpi_dump *dump, bpi_dump_record_context *r, size_t size, bool private)
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

static bp_status dump_content_hash(bpi_dump *dump, bpi_dump_record_context *r)
{
    bpi_dump_say_hex(dump, r->bytes + r->at, part_size(r, sizeof(bp_hash)), sizeof(bp_hash));
    return part_field(dump, r, "content hash", sizeof(bp_hash), false);
}

static bp_status dump_padding(bpi_dump *dump, bpi_dump_record_context *r)
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

bp_status bpi_dump_parts(bpi_dump *dump, bpi_dump_record_context *r)
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
    if (status == BP_OK && bpi_dump_is_stub(r)) {
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
