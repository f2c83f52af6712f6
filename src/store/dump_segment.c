/*
 * dump_segment.c: the fields of a segment file, frame after frame (docs/format.md, section 5), and of what was cut.
 *
 * Where no valid frame header lies at the expected place, the next one is looked for at multiples of 8; what lies
 * between is one field. Zeros to the end of the file are how the rest of a segment looks.
 */
#include "store/dump.h"

#include <inttypes.h>

#include "base/bytes.h"
#include "format/frame.h"
#include "format/manifest.h"
#include "format/record.h"

typedef struct segment_context {
    uint32_t crc; /* the right one; first, for bpi_dump_judge_crc */
    uint32_t ordinal;
    uint32_t generation;
} segment_context;

static bool judge_ordinal(bpi_dump *dump, void *context, const bpi_dump_row *row, const uint8_t *field)
{
    const segment_context *segment = context;
    return bpi_dump_bad(dump, bpi_dump_number(row, field) != segment->ordinal, "not the one in the name");
}

static bool judge_generation(bpi_dump *dump, void *context, const bpi_dump_row *row, const uint8_t *field)
{
    const segment_context *segment = context;
    return bpi_dump_bad(dump, bpi_dump_number(row, field) != segment->generation, "not the one in the name");
}

static bool judge_salt(bpi_dump *dump, void *context, const bpi_dump_row *row, const uint8_t *field)
{
    (void)context;
    return bpi_dump_bad(dump, bpi_dump_number(row, field) == 0, "must not be 0");
}

static const bpi_dump_row header_rows[] = {
    {"magic", 8, BPI_FORM_MAGIC, .magic = BP_MAGIC_SEGMENT},
    {"version", 4, BPI_FORM_VERSION, .judge = NULL},
    {"crc", 4, BPI_FORM_HEX, .judge = bpi_dump_judge_crc},
    {"store id", 16, BPI_FORM_ID, .judge = NULL},
    {"ordinal", 4, BPI_FORM_NUMBER, .judge = judge_ordinal},
    {"generation", 4, BPI_FORM_NUMBER, .judge = judge_generation},
    {"salt", 8, BPI_FORM_HEX, .judge = judge_salt},
    {"epoch", 4, BPI_FORM_NUMBER, .judge = NULL},
    {"zero", 12, BPI_FORM_ZERO, .judge = NULL},
};

/* Its fields, and what the frames need of them when the header is right by itself. */
static bp_status dump_header(bpi_dump *dump, bpi_dump_log *log, uint32_t generation)
{
    segment_context segment = {.ordinal = log->ordinal, .generation = generation};
    size_t crc_at = bpi_dump_row_offset(header_rows, "crc");
    const uint8_t *bytes = NULL;
    size_t available = 0;
    bp_status status = bpi_dump_sum_without(dump, 0, BPI_SEGMENT_HEADER, crc_at, &segment.crc);
    if (status == BP_OK) {
        status = bpi_dump_read(dump, 0, BPI_SEGMENT_HEADER, &bytes, &available);
    }
    if (status != BP_OK) {
        return status;
    }
    bpi_segment_header header;
    uint32_t version = 0;
    if (available >= BPI_SEGMENT_HEADER && bpi_segment_header_get(bytes, &header, &version) == NULL) {
        log->ordinal = header.ordinal;
        log->salt = header.salt;
        log->seed = bpi_record_seed(&header.store_id);
        log->seed_known = true;
    }
    bpi_dump_group(dump, "header");
    return bpi_dump_rows(dump, header_rows, sizeof header_rows / sizeof header_rows[0], 0, bytes,
                         available < BPI_SEGMENT_HEADER ? available : BPI_SEGMENT_HEADER, &segment);
}

/* ---- between frames ---- */

typedef struct gap {
    uint64_t next; /* where a valid frame header lies, or the end of the file */
    bool found;
    uint64_t nonzero_end; /* all from here to `next` is zero; a multiple of 8 unless it is the file's end */
} gap;

static bool header_at(const bpi_dump_log *log, const uint8_t *bytes, uint64_t offset)
{
    bp_frame frame;
    return bpi_frame_header_valid(bytes, log->salt, bpi_lsn(log->ordinal, log->base + offset), &frame);
}

/* Looks at what is in the window; how far it came. */
static size_t search_window(const bpi_dump_log *log, const uint8_t *bytes, size_t available, uint64_t offset,
                            gap *gap_out)
{
    size_t at = 0;
    for (; available - at >= BPI_FRAME_HEADER; at += BPI_FRAME_ALIGN) {
        if (bpi_get64(bytes + at) == 0) {
            continue;
        }
        if (header_at(log, bytes + at, offset + at)) {
            gap_out->found = true;
            break;
        }
        gap_out->nonzero_end = offset + at + BPI_FRAME_ALIGN;
    }
    return at;
}

static bp_status find_header(bpi_dump *dump, const bpi_dump_log *log, uint64_t from, gap *gap_out)
{
    *gap_out = (gap){.nonzero_end = from};
    uint64_t at = from;
    while (at < dump->size && !gap_out->found) {
        const uint8_t *bytes = NULL;
        size_t available = 0;
        bp_status status = bpi_dump_read(dump, at, BPI_FRAME_HEADER, &bytes, &available);
        if (status != BP_OK) {
            return status;
        }
        size_t done = search_window(log, bytes, available, at, gap_out);
        at += done;
        if (done == 0 && !gap_out->found) {
            /* Too short for a header: the end of the file. */
            size_t used = available;
            while (used > 0 && bytes[used - 1] == 0) {
                used--;
            }
            uint64_t end = at + bpi_round_up(used, BPI_FRAME_ALIGN);
            end = end < at + available ? end : at + available;
            gap_out->nonzero_end = used > 0 ? end : gap_out->nonzero_end;
            at += available;
            break;
        }
    }
    gap_out->next = at;
    return BP_OK;
}

static bp_status dump_bytes(bpi_dump *dump, const char *name, uint64_t from, uint64_t to, bool bad)
{
    const uint8_t *bytes = NULL;
    size_t available = 0;
    bp_status status = bpi_dump_read(dump, from, BPI_DUMP_HEX_PREVIEW, &bytes, &available);
    if (status != BP_OK) {
        return status;
    }
    bpi_dump_say(dump, "%" PRIu64 " bytes: ", to - from);
    bpi_dump_say_hex(dump, bytes, available < to - from ? available : (size_t)(to - from), BPI_DUMP_HEX_PREVIEW);
    return bpi_dump_field(dump, name, from, to - from, bad);
}

/* From a place where no valid header lies to the next one, or to the end. */
static bp_status dump_gap(bpi_dump *dump, bpi_dump_log *log, uint64_t from, uint64_t *next_out)
{
    gap g;
    bool torn = log->torn;
    bp_status status = find_header(dump, log, from, &g);
    *next_out = g.next;
    log->linked = false;
    if (status != BP_OK || g.next == from) {
        return status;
    }
    uint64_t zeros = g.nonzero_end;
    if (g.found && zeros > from) {
        zeros = g.next; /* zeros before the next header belong to what cannot be read */
    }
    if (zeros > from) {
        bpi_dump_group(dump, torn ? "cut" : "gap");
        status = dump_bytes(dump, torn ? "bytes" : "unreadable", from, zeros, !torn);
    }
    if (status == BP_OK && zeros < g.next) {
        bpi_dump_group(dump, g.found ? "gap" : "rest");
        bpi_dump_say(dump, "%" PRIu64 " bytes", g.next - zeros);
        bool bad = bpi_dump_bad(dump, g.found && !torn, "a frame comes after them");
        status = bpi_dump_field(dump, "zeros", zeros, g.next - zeros, bad);
    }
    return status;
}

static bool is_header(bpi_dump *dump, const bpi_dump_log *log, uint64_t offset, bp_status *status_out)
{
    const uint8_t *bytes = NULL;
    size_t available = 0;
    *status_out = bpi_dump_read(dump, offset, BPI_FRAME_HEADER, &bytes, &available);
    return *status_out == BP_OK && available >= BPI_FRAME_HEADER && header_at(log, bytes, offset);
}

static bp_status dump_frames(bpi_dump *dump, bpi_dump_log *log, uint64_t at)
{
    bp_status status = BP_OK;
    while (at < dump->size && status == BP_OK) {
        uint64_t next = at;
        if (is_header(dump, log, at, &status)) {
            status = bpi_dump_frame(dump, log, at, &next);
        } else if (status == BP_OK) {
            status = dump_gap(dump, log, at, &next);
        }
        at = next;
    }
    return status;
}

bp_status bpi_dump_segment(bpi_dump *dump, uint32_t ordinal, uint32_t generation)
{
    bpi_dump_log log = {.ordinal = ordinal, .rewritten = generation > 1};
    bp_status status = dump_header(dump, &log, generation);
    return status == BP_OK ? dump_frames(dump, &log, BPI_SEGMENT_HEADER) : status;
}

bp_status bpi_dump_torn(bpi_dump *dump, uint32_t ordinal, uint64_t offset)
{
    bpi_dump_log log = {.ordinal = ordinal, .base = offset, .torn = true};
    return dump_frames(dump, &log, 0);
}
