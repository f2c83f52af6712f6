/*
 * dump_print.c: values as text, the window over the file, and tables of rows.
 *
 * Holds: a value is always valid UTF-8 without control characters, whatever the bytes are.
 */
#include "store/dump.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/bytes.h"
#include "base/checksum.h"
#include "base/error.h"
#include "base/text.h"
#include "format/frame.h"
#include "store/region_time.h"

#include <batpak/kinds.h>

void bpi_dump_group(bpi_dump *dump, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(dump->group, sizeof dump->group, format, arguments);
    va_end(arguments);
}

/* What does not fit is left out: a value is for people. */
void bpi_dump_say(bpi_dump *dump, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    size_t room = sizeof dump->value - dump->value_size;
    int size = vsnprintf(dump->value + dump->value_size, room, format, arguments);
    va_end(arguments);
    if (size > 0) {
        dump->value_size += (size_t)size < room ? (size_t)size : room - 1;
    }
}

bool bpi_dump_bad(bpi_dump *dump, bool bad, const char *what)
{
    if (bad) {
        bpi_dump_say(dump, " (%s)", what);
    }
    return bad;
}

bp_status bpi_dump_field(bpi_dump *dump, const char *name, uint64_t offset, uint64_t size, bool bad)
{
    bp_field field = {
        .group = dump->group, .name = name, .offset = offset, .size = size, .value = dump->value, .bad = bad};
    int stop = dump->visit(dump->argument, &field);
    dump->value[0] = '\0';
    dump->value_size = 0;
    return stop != 0 ? BP_END : BP_OK;
}

/* Cuts at `most` bytes, but not within a character. */
static size_t preview_size(const uint8_t *bytes, size_t size, size_t most)
{
    if (size <= most) {
        return size;
    }
    size_t shown = most;
    while (shown > most - 4 && (bytes[shown] & 0xc0) == 0x80) {
        shown--;
    }
    return shown;
}

bool bpi_dump_is_text(const uint8_t *bytes, size_t size, size_t most)
{
    return size == 0 || bpi_name_valid(bytes, preview_size(bytes, size, most), most);
}

static void say_escaped(bpi_dump *dump, const uint8_t *bytes, size_t size)
{
    for (size_t i = 0; i < size; i++) {
        if (bytes[i] == '\n') {
            bpi_dump_say(dump, "\\n");
        } else if (bytes[i] == '\t') {
            bpi_dump_say(dump, "\\t");
        } else if (bytes[i] == '\\') {
            bpi_dump_say(dump, "\\\\");
        } else if (bytes[i] < ' ' || bytes[i] > '~') {
            bpi_dump_say(dump, "\\x%02x", (unsigned)bytes[i]);
        } else {
            bpi_dump_say(dump, "%c", bytes[i]);
        }
    }
}

void bpi_dump_say_text(bpi_dump *dump, const uint8_t *bytes, size_t size, size_t most)
{
    size_t shown = preview_size(bytes, size, most);
    if (bpi_dump_is_text(bytes, size, most)) {
        bpi_dump_say(dump, "%.*s", (int)shown, (const char *)bytes);
    } else {
        bpi_dump_say(dump, "escaped: ");
        say_escaped(dump, bytes, shown);
    }
    bpi_dump_say(dump, "%s", shown < size ? "..." : "");
}

void bpi_dump_say_hex(bpi_dump *dump, const uint8_t *bytes, size_t size, size_t most)
{
    for (size_t i = 0; i < size && i < most; i++) {
        bpi_dump_say(dump, "%02x", (unsigned)bytes[i]);
    }
    bpi_dump_say(dump, "%s", size > most ? "..." : "");
}

bp_status bpi_dump_read(bpi_dump *dump, uint64_t offset, size_t size, const uint8_t **bytes_out, size_t *available_out)
{
    uint64_t left = offset < dump->size ? dump->size - offset : 0;
    uint64_t end = dump->window_start + dump->window.size;
    size_t needed = size < left ? size : (size_t)left;
    if (offset < dump->window_start || offset + needed > end) {
        size_t wanted = size > BPI_DUMP_WINDOW ? size : BPI_DUMP_WINDOW;
        wanted = wanted < left ? wanted : (size_t)left;
        dump->window.size = 0;
        if (!bpi_buffer_reserve(&dump->window, wanted)) {
            return bpi_error_set(dump->error, BP_ERR_NO_MEMORY, "no memory to read %zu bytes of %s", wanted,
                                 dump->name);
        }
        const bp_io *io = dump->home->io;
        size_t got = 0;
        int code = io->file_read(io->context, dump->file, offset, dump->window.data, wanted, &got);
        if (code != 0) {
            bp_status status = bpi_error_system(dump->error, code, "cannot read %s", dump->name);
            bpi_error_at(dump->error, offset, "%s", dump->name);
            return status;
        }
        if (got < wanted) {
            dump->size = offset + got;
        }
        dump->window_start = offset;
        dump->window.size = got;
        end = offset + got;
    }
    static const uint8_t nothing[1];
    *available_out = offset < end ? (size_t)(end - offset) : 0;
    *bytes_out = *available_out == 0 ? nothing : dump->window.data + (offset - dump->window_start);
    return BP_OK;
}

bp_status bpi_dump_sum(bpi_dump *dump, uint64_t from, uint64_t to, uint32_t *crc)
{
    while (from < to) {
        const uint8_t *bytes = NULL;
        size_t available = 0;
        bp_status status = bpi_dump_read(dump, from, 1, &bytes, &available);
        if (status != BP_OK || available == 0) {
            return status;
        }
        size_t size = available < to - from ? available : (size_t)(to - from);
        *crc = bpi_crc32c(*crc, bytes, size);
        from += size;
    }
    return BP_OK;
}

bp_status bpi_dump_sum_without(bpi_dump *dump, uint64_t from, uint64_t to, uint64_t hole, uint32_t *crc_out)
{
    static const uint8_t zero[4];
    *crc_out = 0;
    bp_status status = bpi_dump_sum(dump, from, hole < to ? hole : to, crc_out);
    if (status == BP_OK && hole < to) {
        *crc_out = bpi_crc32c(*crc_out, zero, sizeof zero);
        status = bpi_dump_sum(dump, hole + sizeof zero, to, crc_out);
    }
    return status;
}

/* ---- rows ---- */

uint64_t bpi_dump_number(const bpi_dump_row *row, const uint8_t *field)
{
    uint64_t number = 0;
    for (size_t i = 0; i < row->size && i < sizeof number; i++) {
        number |= (uint64_t)field[i] << (8 * i);
    }
    return number;
}

bool bpi_dump_judge_crc(bpi_dump *dump, void *context, const bpi_dump_row *row, const uint8_t *field)
{
    uint32_t right = *(const uint32_t *)context;
    if (bpi_dump_number(row, field) == right) {
        bpi_dump_say(dump, " (right)");
        return false;
    }
    bpi_dump_say(dump, " (wrong: of these bytes it is 0x%08" PRIx32 ")", right);
    return true;
}

size_t bpi_dump_row_offset(const bpi_dump_row *rows, const char *name)
{
    size_t offset = 0;
    for (; strcmp(rows->name, name) != 0; rows++) {
        offset += rows->size;
    }
    return offset;
}

static bool say_bits(bpi_dump *dump, const bpi_dump_row *row, uint64_t number)
{
    uint64_t known = 0;
    bpi_dump_say(dump, "%" PRIu64, number);
    for (const bpi_dump_name *name = row->names; name->name != NULL; name++) {
        known |= name->value;
        if (number & name->value) {
            bpi_dump_say(dump, " %s", name->name);
        }
    }
    return bpi_dump_bad(dump, (number & ~known) != 0, "unknown bits");
}

static void say_named(bpi_dump *dump, const bpi_dump_row *row, uint64_t number)
{
    bpi_dump_say(dump, "%" PRIu64, number);
    for (const bpi_dump_name *name = row->names; name->name != NULL; name++) {
        if (number == name->value) {
            bpi_dump_say(dump, " %s", name->name);
        }
    }
}

static bool say_zero(bpi_dump *dump, const uint8_t *field, size_t size)
{
    if (bpi_all_zero(field, size)) {
        bpi_dump_say(dump, "0");
        return false;
    }
    bpi_dump_say_hex(dump, field, size, BPI_DUMP_HEX_PREVIEW);
    return bpi_dump_bad(dump, true, "must be zero");
}

static void say_time(bpi_dump *dump, int64_t time_us)
{
    char text[BPI_TIME_TEXT_SIZE];
    bpi_time_print(time_us, false, text);
    bpi_dump_say(dump, " %s", text);
}

static void say_id(bpi_dump *dump, const uint8_t *field)
{
    bp_id id;
    char text[BP_ID_TEXT_SIZE];
    memcpy(id.bytes, field, sizeof id.bytes);
    bp_id_print(&id, text);
    bpi_dump_say(dump, "%s", text);
}

static void say_moment(bpi_dump *dump, bp_hlc hlc)
{
    bpi_dump_say(dump, "%" PRIu64 ".%" PRIu32, BP_HLC_MS(hlc), BP_HLC_COUNTER(hlc));
    if (hlc != 0) {
        say_time(dump, (int64_t)BP_HLC_MS(hlc) * 1000);
    }
}

static void say_kind(bpi_dump *dump, uint64_t number)
{
    char text[BP_KIND_TEXT_SIZE];
    bp_kind_print((bp_kind_code)number, text);
    bpi_dump_say(dump, "%s", text);
}

/* The value by its form; true: that alone breaks the format. */
static bool say_value(bpi_dump *dump, const bpi_dump_row *row, const uint8_t *field)
{
    uint64_t number = bpi_dump_number(row, field);
    switch (row->form) {
    case BPI_FORM_MAGIC:
        bpi_dump_say_text(dump, field, row->size, row->size);
        return bpi_dump_bad(dump, memcmp(field, row->magic, row->size) != 0, "not the magic of this file");
    case BPI_FORM_VERSION:
        bpi_dump_say(dump, "%" PRIu64, number);
        return bpi_dump_bad(dump, number != BP_FORMAT_VERSION, "not the version that is read here");
    case BPI_FORM_HEX:
        bpi_dump_say(dump, "0x%0*" PRIx64, 2 * (int)row->size, number);
        return false;
    case BPI_FORM_BYTES:
        bpi_dump_say_hex(dump, field, row->size, row->size);
        return false;
    case BPI_FORM_ID:
        say_id(dump, field);
        return false;
    case BPI_FORM_LSN:
        bpi_dump_say(dump, "%" PRIu32 ":%" PRIu64, bpi_lsn_ordinal(number), bpi_lsn_offset(number));
        return false;
    case BPI_FORM_HLC:
        say_moment(dump, number);
        return false;
    case BPI_FORM_TIME:
        bpi_dump_say(dump, "%" PRId64, (int64_t)number);
        say_time(dump, (int64_t)number);
        return false;
    case BPI_FORM_KIND:
        say_kind(dump, number);
        return false;
    case BPI_FORM_NAMED:
        say_named(dump, row, number);
        return false;
    case BPI_FORM_BITS:
        return say_bits(dump, row, number);
    case BPI_FORM_ZERO:
        return say_zero(dump, field, row->size);
    case BPI_FORM_NUMBER:
    default:
        bpi_dump_say(dump, "%" PRIu64, number);
        return false;
    }
}

bp_status bpi_dump_rows(bpi_dump *dump, const bpi_dump_row *rows, size_t count, uint64_t offset, const uint8_t *bytes,
                        size_t available, void *context)
{
    size_t at = 0;
    for (const bpi_dump_row *row = rows; row < rows + count; row++) {
        const uint8_t *field = bytes + at;
        if (row->size > available - at) {
            if (at == available) {
                bpi_dump_say(dump, "missing: the bytes end here");
            }
            bpi_dump_say_hex(dump, field, available - at, BPI_DUMP_HEX_PREVIEW);
            (void)bpi_dump_bad(dump, at < available, "cut short");
            return bpi_dump_field(dump, row->name, offset + at, available - at, true);
        }
        bool bad = say_value(dump, row, field);
        if (row->judge != NULL) {
            bad = row->judge(dump, context, row, field) || bad;
        }
        bp_status status = bpi_dump_field(dump, row->name, offset + at, row->size, bad);
        if (status != BP_OK) {
            return status;
        }
        at += row->size;
    }
    return BP_OK;
}
