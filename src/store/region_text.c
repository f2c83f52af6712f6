/*
 * region_text.c: reading the text form of a region.
 *
 * A word is `field=value`. A bare value ends at white space; one in double quotes may hold anything, with \", \\ and \*
 * for ", \ and a star that is part of the name: `:*` at the end of an entity means a prefix unless that star is escaped.
 *
 * Holds: every word counts, a field stands once, and what cannot be read is told by field and column (from 1).
 */
#include <batpak/region.h>

#include <string.h>

#include <batpak/kinds.h>

#include "base/error.h"
#include "base/memory.h"
#include "base/text.h"
#include "store/read.h"
#include "store/region_time.h"

struct bp_region_text {
    const bp_allocator *allocator;
    size_t size;
    char bytes[];
};

/* A value as it was read: unescaped, NUL-terminated in the owner's bytes. */
typedef struct value {
    const char *text;
    size_t size;
    size_t column;
    bool quoted;
    bool literal_star; /* the star at its end was escaped */
} value;

typedef struct parser {
    bp_store *store;
    const char *text;
    size_t at;
    char *room; /* where the next value goes */
    bp_region *region;
    uint32_t seen; /* fields, by place in the table */
    bp_error *error;
} parser;

static bp_status fault(parser *p, const char *field, size_t column, const char *what, const char *hint)
{
    bp_status status = bpi_error_set(p->error, BP_ERR_FORMAT, "region, column %zu: %s%s%s", column, field,
                                     field[0] == '\0' ? "" : ": ", what);
    bpi_error_hint(p->error, "%s", hint);
    return status;
}

static bool blank(char c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

/* ---- numbers ---- */

/* Both ends of `A..B`, `A..`, `..B`; of `A` twice the same. An end that is missing has size 0. */
typedef struct ends {
    const char *low;
    size_t low_size;
    const char *high;
    size_t high_size;
} ends;

static ends split(const value *v)
{
    for (size_t i = 0; i + 1 < v->size; i++) {
        if (v->text[i] == '.' && v->text[i + 1] == '.') {
            return (ends){v->text, i, v->text + i + 2, v->size - i - 2};
        }
    }
    return (ends){v->text, v->size, v->text, v->size};
}

static bool number_range(const value *v, uint64_t *low_out, uint64_t *high_out)
{
    ends e = split(v);
    *low_out = 0;
    *high_out = UINT64_MAX;
    return (e.low_size == 0 || bpi_number_parse(e.low, e.low_size, low_out)) &&
           (e.high_size == 0 || bpi_number_parse(e.high, e.high_size, high_out));
}

/* ---- fields ---- */

static const char *read_entity(parser *p, const value *v)
{
    bp_text name = {v->text, v->size};
    bool prefix = v->size >= 2 && memcmp(v->text + v->size - 2, ":*", 2) == 0 && !v->literal_star;
    name.size -= prefix ? 2 : 0;
    if (!prefix && !v->quoted && v->size > 0 && v->text[v->size - 1] == '*') {
        return "a star alone makes no prefix";
    }
    if (!bpi_name_valid((const uint8_t *)name.data, name.size, BP_NAME_MAX)) {
        return "not a name (1 to 1024 bytes of UTF-8 without control characters)";
    }
    if (prefix) {
        bp_region_set_prefix(p->region, name);
    } else {
        bp_region_set_entity(p->region, name);
    }
    return NULL;
}

static const char *read_scope(parser *p, const value *v)
{
    if (!bpi_name_valid((const uint8_t *)v->text, v->size, BP_NAME_MAX)) {
        return "not a name (1 to 1024 bytes of UTF-8 without control characters)";
    }
    bp_region_set_scope(p->region, (bp_text){v->text, v->size});
    return NULL;
}

static const char *read_kind(parser *p, const value *v)
{
    bp_kind_code kind = 0;
    if (strlen(v->text) != v->size) {
        return "no such kind";
    }
    /* Through the public call a reader looks for names that are new. */
    bp_status status = p->store == NULL ? bpi_store_kind_find(NULL, v->text, &kind, NULL)
                                        : bp_kind_find(p->store, v->text, &kind, NULL);
    if (status != BP_OK) {
        return p->store == NULL ? "not a kind's number, 0xF001 or 15:1" : "no such kind";
    }
    bp_region_set_kind(p->region, kind);
    return NULL;
}

static const char *read_category(parser *p, const value *v)
{
    uint64_t number = 0;
    bp_kind_code hex = 0;
    bool good = bpi_number_parse(v->text, v->size, &number);
    if (!good && v->size == 3 && v->text[1] == 'x' && bp_kind_parse_number(v->text, v->size, &hex)) {
        number = hex;
        good = true;
    }
    if (!good || number > 0xf) {
        return "not a category, 0x0 to 0xF or 0 to 15";
    }
    bp_region_set_category(p->region, (unsigned)number);
    return NULL;
}

static const char *read_clock(parser *p, const value *v)
{
    uint64_t low = 0;
    uint64_t high = 0;
    if (!number_range(v, &low, &high)) {
        return "not a range of numbers, like 3..5";
    }
    bp_region_set_clock(p->region, low, high);
    return NULL;
}

static const char *read_sequence(parser *p, const value *v)
{
    uint64_t low = 0;
    uint64_t high = 0;
    if (!number_range(v, &low, &high)) {
        return "not a range of numbers, like 3..5";
    }
    bp_region_set_sequence(p->region, low, high);
    return NULL;
}

static const char *read_lane(parser *p, const value *v)
{
    uint64_t lane = 0;
    if (!bpi_number_parse(v->text, v->size, &lane) || lane > UINT32_MAX) {
        return "not a number up to 4294967295";
    }
    bp_region_set_lane(p->region, (uint32_t)lane);
    return NULL;
}

/* 1900 to 2199 alone: meant as a year, and taken for a number they would be some instant of 1970. */
static bool is_year(const char *text, size_t size)
{
    uint64_t number = 0;
    return size == 4 && bpi_number_parse(text, size, &number) && number >= 1900 && number < 2200;
}

static bool has_year(const ends *e)
{
    return is_year(e->low, e->low_size) || is_year(e->high, e->high_size);
}

static const char *read_time(parser *p, const value *v)
{
    ends e = split(v);
    if (has_year(&e)) {
        return "a year alone is no time";
    }
    int64_t low = INT64_MIN;
    int64_t high = INT64_MAX;
    int64_t unused = 0;
    if ((e.low_size != 0 && !bpi_instant_parse(e.low, e.low_size, &low, &unused)) ||
        (e.high_size != 0 && !bpi_instant_parse(e.high, e.high_size, &unused, &high))) {
        return "not a range of times, like 2026-01-31..2026-02-01T12:00:00Z, or microseconds";
    }
    bp_region_set_time_us(p->region, low, high);
    return NULL;
}

static const char *read_committed(parser *p, const value *v)
{
    ends e = split(v);
    if (has_year(&e)) {
        return "a year alone is no time";
    }
    bp_hlc low = 0;
    bp_hlc high = UINT64_MAX;
    bp_hlc unused = 0;
    if ((e.low_size != 0 && !bpi_moment_parse(e.low, e.low_size, &low, &unused)) ||
        (e.high_size != 0 && !bpi_moment_parse(e.high, e.high_size, &unused, &high))) {
        return "not a range of times since 1970, like 2026-01-31..2026-02-01T12:00:00Z, or milliseconds";
    }
    bp_region_set_committed(p->region, low, high);
    return NULL;
}

static const char *read_correlation(parser *p, const value *v)
{
    bp_id id;
    if (!bp_id_parse(v->text, v->size, &id)) {
        return "not an id";
    }
    bp_region_set_correlation(p->region, &id);
    return NULL;
}

static const char *read_cause(parser *p, const value *v)
{
    bp_id id;
    if (!bp_id_parse(v->text, v->size, &id)) {
        return "not an id";
    }
    bp_region_set_cause(p->region, &id);
    return NULL;
}

static const char *read_answer(const value *v, bool *yes_out)
{
    *yes_out = v->size == 3 && memcmp(v->text, "yes", 3) == 0;
    return *yes_out || (v->size == 2 && memcmp(v->text, "no", 2) == 0) ? NULL : "neither yes nor no";
}

static const char *read_system(parser *p, const value *v)
{
    bool yes = false;
    const char *what = read_answer(v, &yes);
    if (what == NULL) {
        bp_region_set_system(p->region, yes);
    }
    return what;
}

static const char *read_tombstoned(parser *p, const value *v)
{
    bool yes = false;
    const char *what = read_answer(v, &yes);
    if (what == NULL) {
        bp_region_set_tombstoned(p->region, yes);
    }
    return what;
}

#define TIMES_HINT \
    "write time=2026-01-01..2026-12-31, with T12:00:00Z behind a date if needed, or microseconds since 1970"
#define MOMENTS_HINT "write committed=2026-01-01.., with T12:00:00Z behind a date if needed, milliseconds or ms.counter"
#define RANGE_HINT "write one number, 3..5, 3.. or ..5"

static const struct field {
    const char *name;
    bool range;
    const char *(*read)(parser *p, const value *v); /* what is wrong, or NULL */
    const char *hint;
} fields[] = {
    {"entity", false, read_entity,
     "write entity=order:7 for one, entity=order:* for order and all below it; a name that ends in * stands in quotes"},
    {"scope", false, read_scope, "write scope=eu; a name with spaces stands in double quotes"},
    {"kind", false, read_kind, "batpak kinds shows the names; or write kind=0xF001 or kind=15:1"},
    {"category", false, read_category, "write category=0xF or category=15"},
    {"clock", true, read_clock, RANGE_HINT},
    {"sequence", true, read_sequence, RANGE_HINT},
    {"lane", false, read_lane, "write lane=0 for what has no lane of its own"},
    {"time", true, read_time, TIMES_HINT},
    {"committed", true, read_committed, MOMENTS_HINT},
    {"correlation", false, read_correlation, "write an id as batpak prints it, with or without hyphens"},
    {"cause", false, read_cause, "write an id as batpak prints it, with or without hyphens"},
    {"system", false, read_system, "write system=yes for the library's own events too"},
    {"tombstoned", false, read_tombstoned, "write tombstoned=no to leave out what is tombstoned, yes for nothing else"},
};

static const char *const all_fields =
    "fields are entity scope kind category clock sequence lane time committed correlation cause system tombstoned";

enum { FIELD_COUNT = sizeof fields / sizeof fields[0] };

/* ---- words ---- */

/* Reads a value in quotes; p->at is behind the first one. */
static const char *read_quoted(parser *p, value *v)
{
    for (;;) {
        char c = p->text[p->at];
        if (c == '\0') {
            return "the quotes are not closed";
        }
        p->at++;
        if (c == '"') {
            break;
        }
        v->literal_star = false;
        if (c == '\\') {
            c = p->text[p->at];
            if (c != '"' && c != '\\' && c != '*') {
                return "a backslash in quotes stands before \", \\ or * only";
            }
            v->literal_star = c == '*';
            p->at++;
        }
        p->room[v->size++] = c;
    }
    return p->text[p->at] == '\0' || blank(p->text[p->at]) ? NULL : "something follows the closing quotes";
}

static const char *read_value(parser *p, value *v)
{
    *v = (value){.text = p->room, .column = p->at + 1};
    if (p->text[p->at] == '"') {
        p->at++;
        v->quoted = true;
        const char *what = read_quoted(p, v);
        if (what != NULL) {
            return what;
        }
    } else {
        while (p->text[p->at] != '\0' && !blank(p->text[p->at])) {
            if (p->text[p->at] == '"') {
                return "quotes begin in the middle; put the whole value into them";
            }
            p->room[v->size++] = p->text[p->at++];
        }
    }
    if (v->size == 0) {
        return "has no value"; /* also in quotes: of a range it would be all */
    }
    p->room[v->size] = '\0';
    p->room += v->size + 1;
    return NULL;
}

static bp_status read_word(parser *p)
{
    size_t start = p->at;
    while (p->text[p->at] != '\0' && p->text[p->at] != '=' && !blank(p->text[p->at])) {
        p->at++;
    }
    size_t size = p->at - start;
    for (size_t i = 0; i < FIELD_COUNT; i++) {
        const struct field *field = &fields[i];
        if (strlen(field->name) != size || memcmp(field->name, p->text + start, size) != 0) {
            continue;
        }
        if (p->text[p->at] != '=') {
            return fault(p, field->name, start + 1, "has no value", field->hint);
        }
        if (p->seen & UINT32_C(1) << i) {
            return fault(p, field->name, start + 1, "is there twice",
                         "a field stands once; ask twice for either of two");
        }
        p->seen |= UINT32_C(1) << i;
        p->at++;
        value v;
        const char *what = read_value(p, &v);
        if (what == NULL && field->range && v.size == 2 && memcmp(v.text, "..", 2) == 0) {
            what = "a range needs an end";
        }
        if (what == NULL) {
            what = field->read(p, &v);
        }
        return what == NULL ? BP_OK : fault(p, field->name, v.column, what, field->hint);
    }
    char word[32];
    size_t shown = size < sizeof word ? size : sizeof word - 1;
    while (shown > 0 && shown < size && ((unsigned char)p->text[start + shown] & 0xc0u) == 0x80u) {
        shown--; /* no half of a character */
    }
    memcpy(word, p->text + start, shown);
    word[shown] = '\0';
    return fault(p, word, start + 1, size == 0 ? "a field's name is missing before =" : "no such field", all_fields);
}

bp_status bp_region_parse(bp_store *store, const char *text, bp_region *region_out, bp_region_text **owner_out,
                          bp_error *error)
{
    if (owner_out != NULL) {
        *owner_out = NULL;
    }
    if (text == NULL || region_out == NULL || owner_out == NULL) {
        return bpi_error_set(error, BP_ERR_ARGUMENT, "%s is NULL",
                             text == NULL         ? "text"
                             : region_out == NULL ? "region_out"
                                                  : "owner_out");
    }
    const bp_allocator *allocator = store == NULL ? bp_allocator_system() : bpi_store_allocator(store);
    bp_region region = bp_region_all();
    /* A value and its NUL are never longer than the word they come from, but for one behind the last. */
    size_t size = sizeof(bp_region_text) + strlen(text) + 1;
    bp_region_text *owner = bpi_allocate(allocator, size);
    if (owner == NULL) {
        return bpi_error_set(error, BP_ERR_NO_MEMORY, "no memory for a region");
    }
    owner->allocator = allocator;
    owner->size = size;
    parser p = {.store = store, .text = text, .room = owner->bytes, .region = &region, .error = error};
    for (;;) {
        while (blank(p.text[p.at])) {
            p.at++;
        }
        if (p.text[p.at] == '\0') {
            break;
        }
        bp_status status = read_word(&p);
        if (status != BP_OK) {
            bp_region_text_free(owner);
            return status;
        }
    }
    *region_out = region;
    *owner_out = owner;
    return BP_OK;
}

void bp_region_text_free(bp_region_text *owner)
{
    if (owner != NULL) {
        bpi_release(owner->allocator, owner, owner->size);
    }
}
