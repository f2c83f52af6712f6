/*
 * region_print.c: writing the text form of a region.
 *
 * Holds: fields stand in one order, ranges that hold nothing back are left out, times are as short as they can be and
 * names are quoted only where they must be, so that equal regions give equal texts.
 */
#include <batpak/region.h>

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/compiler.h"
#include "store/read.h"
#include "store/region_time.h"

/* Counts everything, keeps what fits. */
typedef struct printer {
    char *buffer;
    size_t room; /* of it, the NUL included */
    size_t size;
} printer;

static void put(printer *p, const char *text, size_t size)
{
    for (size_t i = 0; i < size; i++) {
        if (p->size + 1 < p->room) {
            p->buffer[p->size] = text[i];
        }
        p->size++;
    }
}

static void say(printer *p, const char *format, ...) BPI_PRINTF(2, 3);

static void say(printer *p, const char *format, ...)
{
    char text[128];
    va_list arguments;
    va_start(arguments, format);
    int size = vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    put(p, text, size < 0 ? 0 : (size_t)size < sizeof text ? (size_t)size : sizeof text - 1);
}

static void begin_field(printer *p, const char *name)
{
    say(p, "%s%s=", p->size == 0 ? "" : " ", name);
}

static void put_name(printer *p, bp_text name, bool entity, bool prefix)
{
    bool star = entity && !prefix && name.size >= 2 && memcmp(name.data + name.size - 2, ":*", 2) == 0;
    bool quoted = star || name.size == 0 || (entity && !prefix && name.data[name.size - 1] == '*');
    for (size_t i = 0; i < name.size; i++) {
        quoted = quoted || (unsigned char)name.data[i] <= ' ' || name.data[i] == '"';
    }
    if (!quoted) {
        put(p, name.data, name.size);
    } else {
        put(p, "\"", 1);
        for (size_t i = 0; i < name.size; i++) {
            bool last = i + 1 == name.size;
            if (name.data[i] == '"' || name.data[i] == '\\' || (star && last)) {
                put(p, "\\", 1);
            }
            put(p, name.data + i, 1);
        }
    }
    put(p, ":*", prefix ? 2 : 0);
    put(p, "\"", quoted ? 1 : 0);
}

static void put_numbers(printer *p, const char *name, uint64_t low, uint64_t high)
{
    if (low == 0 && high == UINT64_MAX) {
        return;
    }
    begin_field(p, name);
    if (low != 0 || low == high) {
        say(p, "%" PRIu64, low);
    }
    if (low == high) {
        return;
    }
    put(p, "..", 2);
    if (high != UINT64_MAX) {
        say(p, "%" PRIu64, high);
    }
}

/* A range of times, or the one text that says both ends. */
static void put_times(printer *p, int64_t low, int64_t high)
{
    char texts[2][BPI_TIME_TEXT_SIZE];
    if (low == INT64_MIN && high == INT64_MAX) {
        return;
    }
    begin_field(p, "time");
    bpi_time_print(low, false, texts[0]);
    bpi_time_print(high, true, texts[1]);
    for (size_t i = 2; i > 0; i--) {
        int64_t first = 0;
        int64_t last = 0;
        const char *text = texts[i - 1];
        if (bpi_instant_parse(text, strlen(text), &first, &last) && first == low && last == high) {
            put(p, text, strlen(text));
            return;
        }
    }
    put(p, texts[0], low == INT64_MIN ? 0 : strlen(texts[0]));
    put(p, "..", 2);
    put(p, texts[1], high == INT64_MAX ? 0 : strlen(texts[1]));
}

static void put_moments(printer *p, bp_hlc low, bp_hlc high)
{
    char texts[2][BPI_TIME_TEXT_SIZE];
    if (low == 0 && high == UINT64_MAX) {
        return;
    }
    begin_field(p, "committed");
    bpi_moment_print(low, false, texts[0]);
    bpi_moment_print(high, true, texts[1]);
    for (size_t i = 2; i > 0; i--) {
        bp_hlc first = 0;
        bp_hlc last = 0;
        const char *text = texts[i - 1];
        if (bpi_moment_parse(text, strlen(text), &first, &last) && first == low && last == high) {
            put(p, text, strlen(text));
            return;
        }
    }
    put(p, texts[0], low == 0 ? 0 : strlen(texts[0]));
    put(p, "..", 2);
    put(p, texts[1], high == UINT64_MAX ? 0 : strlen(texts[1]));
}

static void put_id(printer *p, const char *name, const bp_id *id)
{
    char text[BP_ID_TEXT_SIZE];
    bp_id_print(id, text);
    begin_field(p, name);
    put(p, text, strlen(text));
}

static void put_fields(printer *p, const bp_region *region)
{
    uint32_t fields = region->fields;
    if (fields & BP_REGION_ENTITY) {
        begin_field(p, "entity");
        put_name(p, region->entity, true, (fields & BP_REGION_PREFIX) != 0);
    }
    if (fields & BP_REGION_SCOPE) {
        begin_field(p, "scope");
        put_name(p, region->scope, false, false);
    }
    if (fields & BP_REGION_KIND) {
        begin_field(p, "kind");
        say(p, "0x%04X", (unsigned)region->kind);
    }
    if (fields & BP_REGION_CATEGORY) {
        begin_field(p, "category");
        say(p, "0x%X", (unsigned)region->category);
    }
    if (fields & BP_REGION_CLOCK) {
        put_numbers(p, "clock", region->clock_min, region->clock_max);
    }
    if (fields & BP_REGION_SEQUENCE) {
        put_numbers(p, "sequence", region->sequence_min, region->sequence_max);
    }
    if (fields & BP_REGION_LANE) {
        begin_field(p, "lane");
        say(p, "%" PRIu32, region->lane);
    }
    if (fields & BP_REGION_TIME) {
        put_times(p, region->time_min_us, region->time_max_us);
    }
    if (fields & BP_REGION_COMMITTED) {
        put_moments(p, region->committed_min, region->committed_max);
    }
    if (fields & BP_REGION_CORRELATION) {
        put_id(p, "correlation", &region->correlation);
    }
    if (fields & BP_REGION_CAUSE) {
        put_id(p, "cause", &region->cause);
    }
    if (fields & BP_REGION_SYSTEM) {
        begin_field(p, "system");
        put(p, "yes", 3);
    }
    if (fields & BP_REGION_TOMBSTONED) {
        begin_field(p, "tombstoned");
        put(p, region->tombstoned ? "yes" : "no", region->tombstoned ? 3 : 2);
    }
}

size_t bp_region_format(const bp_region *region, char *buffer, size_t size)
{
    printer p = {.buffer = buffer, .room = buffer == NULL ? 0 : size};
    bp_region taken;
    if (bpi_region_take(region, &taken, NULL) == BP_OK) {
        put_fields(&p, &taken);
    }
    if (p.room > 0) {
        buffer[p.size < p.room ? p.size : p.room - 1] = '\0';
    }
    return p.size;
}
