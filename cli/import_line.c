/*
 * import_line.c: reads one line of an import. See import_line.h.
 *
 * Nothing is allocated: the line is copied into the arena once, and names, payload and causes are made from it in
 * place, for none of them grows.
 */
#include "import_line.h"

#include <string.h>

#include "options.h"
#include "payload.h"
#include "session.h"
#include "times.h"

/* ---- fields ---- */

enum field {
    FIELD_SEQUENCE,
    FIELD_ID,
    FIELD_ENTITY,
    FIELD_SCOPE,
    FIELD_KIND,
    FIELD_KIND_NAME,
    FIELD_PAYLOAD,
    FIELD_PAYLOAD_BASE64,
    FIELD_PAYLOAD_TYPE,
    FIELD_PAYLOAD_VERSION,
    FIELD_CLOCK,
    FIELD_HLC,
    FIELD_TIME,
    FIELD_CORRELATION,
    FIELD_CAUSES,
    FIELD_LANE,
    FIELD_DEPTH,
    FIELD_FLAGS,
    FIELD_BATCH,
    FIELD_EXTERNAL,
    FIELD_EXTENSIONS,
    FIELD_SALT,
    FIELD_STATE,
    FIELD_PREV_HASH,
    FIELD_EVENT_HASH,
    FIELD_CONTENT_HASH,
    FIELD_EXPECT,
    FIELD_ENCRYPTION,
    FIELD_SUBJECT,
    FIELD_COUNT
};

/* In the order of an export: the next field is looked for behind the last one found. */
static const char *const field_names[FIELD_COUNT + 1] = {
    "sequence",       "id",           "entity",          "scope",      "kind",         "kind_name", "payload",
    "payload_base64", "payload_type", "payload_version", "clock",      "hlc",          "time",      "correlation",
    "causes",         "lane",         "depth",           "flags",      "batch",        "external",  "extensions",
    "salt",           "state",        "prev_hash",       "event_hash", "content_hash", "expect",    "encryption",
    "subject",        NULL,
};

/* Their lengths, so that most are told apart without looking. */
static const uint8_t field_sizes[FIELD_COUNT] = {8, 2, 6, 5, 4, 9,  7, 14, 12, 15, 5,  3, 4,  11, 6,
                                                 4, 5, 5, 5, 8, 10, 4, 5,  9,  10, 12, 6, 10, 7};

static const uint32_t needed_always = 1u << FIELD_ENTITY | 1u << FIELD_SCOPE;
static const uint32_t needed_exactly = 1u << FIELD_SEQUENCE | 1u << FIELD_ID | 1u << FIELD_KIND | 1u << FIELD_CLOCK |
                                       1u << FIELD_HLC | 1u << FIELD_TIME | 1u << FIELD_PAYLOAD_TYPE |
                                       1u << FIELD_EVENT_HASH | 1u << FIELD_BATCH;

/* A line that is being read. */
struct reading {
    struct import_line *line;
    struct arena *arena;
    bool exact;
    uint32_t seen;
    struct slice values[FIELD_COUNT];
};

static const char wants_string[] = "wants a string";
static const char wants_number[] = "wants a number";
static const char wants_id[] = "wants an id: a UUID or urn:NAMESPACE:TEXT";

/* A number, or the string of one. */
static bool read_u64(struct slice value, uint64_t most, uint64_t *number_out)
{
    if (value.size > 0 && value.data[0] == '"') {
        (void)slice_unquote(&value);
    }
    return number_parse(value.data, value.size, number_out) && *number_out <= most;
}

static const char *read_u32(const struct reading *reading, enum field field, uint32_t *number_out)
{
    uint64_t number;

    if ((reading->seen >> field & 1) == 0) {
        return NULL;
    }
    if (!read_u64(reading->values[field], UINT32_MAX, &number)) {
        return wants_number;
    }
    *number_out = (uint32_t)number;
    return NULL;
}

static const char *read_u16(const struct reading *reading, enum field field, uint16_t *number_out)
{
    uint64_t number;

    if ((reading->seen >> field & 1) == 0) {
        return NULL;
    }
    if (!read_u64(reading->values[field], UINT16_MAX, &number)) {
        return "wants a number up to 65535";
    }
    *number_out = (uint16_t)number;
    return NULL;
}

static bool read_id(struct slice value, bp_id *id_out)
{
    return slice_unquote(&value) && id_parse(value.data, value.size, id_out);
}

static bool read_hex(struct slice value, uint8_t *bytes, size_t size)
{
    if (!slice_unquote(&value) || value.size != size * 2) {
        return false;
    }
    for (size_t i = 0; i < value.size; i++) {
        char digit = value.data[i];
        int nibble = digit >= '0' && digit <= '9' ? digit - '0' : digit >= 'a' && digit <= 'f' ? digit - 'a' + 10 : -1;

        if (nibble < 0) {
            return false;
        }
        bytes[i / 2] = (uint8_t)(bytes[i / 2] << 4 | nibble);
    }
    return true;
}

static const char *read_base64(struct slice *value)
{
    size_t size;

    if (!slice_unquote(value) || !base64_decode(value->data, value->size, (uint8_t *)value->data, &size)) {
        return "wants base64 in a string";
    }
    value->size = size;
    return NULL;
}

static const char *read_causes(struct reading *reading)
{
    struct slice value = reading->values[FIELD_CAUSES];
    struct scan scan = {.text = value.data, .size = value.size};
    bp_event *event = &reading->line->event;
    bp_id *causes;
    size_t count = 0;

    if (!scan_array(&scan)) {
        return "wants an array of ids";
    }
    causes = arena_take(reading->arena, BP_CAUSES_MAX * sizeof *causes);
    while (scan_item(&scan, count == 0, &value) == 1) {
        if (count == BP_CAUSES_MAX) {
            return "has more than 64 causes";
        }
        if (!read_id(value, &causes[count++])) {
            return "wants an array of ids";
        }
    }
    event->causes = causes;
    event->cause_count = (uint16_t)count;
    return NULL;
}

static const char *read_kind(struct reading *reading)
{
    bp_event *event = &reading->line->event;
    struct slice value = reading->values[FIELD_KIND];
    bool named = (reading->seen >> FIELD_KIND_NAME & 1) != 0 && !reading->exact;
    uint64_t number;

    if (named) {
        /* An export gives both; in another store the name may stand for another number, so the name counts. */
        value = reading->values[FIELD_KIND_NAME];
    } else if ((reading->seen >> FIELD_KIND & 1) == 0) {
        event->kind = BP_KIND_DATA;
        return NULL;
    }
    if (value.size == 0 || value.data[0] != '"') {
        if (!read_u64(value, UINT16_MAX, &number)) {
            return "wants a name, 0xF001, 15:1 or a number";
        }
        event->kind = (bp_kind_code)number;
        return NULL;
    }
    (void)slice_unquote(&value);
    if (!named && bp_kind_parse_number(value.data, value.size, &event->kind)) {
        return NULL;
    }
    if (reading->exact || !bp_kind_name_valid(value.data, value.size)) {
        return "wants a name, 0xF001, 15:1 or a number";
    }
    value.data[value.size] = '\0'; /* where the closing quote stood, or before it */
    reading->line->kind_name = value.data;
    return NULL;
}

static const char *read_time(struct reading *reading)
{
    struct slice value = reading->values[FIELD_TIME];

    if ((reading->seen >> FIELD_TIME & 1) == 0) {
        return NULL;
    }
    (void)slice_unquote(&value);
    if (!time_parse(value.data, value.size, &reading->line->event.time_us)) {
        return "wants microseconds or a time such as 2026-01-31T12:00:00Z";
    }
    reading->line->has_time = true;
    return NULL;
}

static const char *read_expect(struct reading *reading)
{
    struct slice value = reading->values[FIELD_EXPECT];
    bp_expectation *expect = &reading->line->expect;

    if ((reading->seen >> FIELD_EXPECT & 1) == 0) {
        return NULL;
    }
    if (read_u64(value, UINT64_MAX, &expect->clock)) {
        expect->kind = BP_EXPECT_AT;
        return NULL;
    }
    if (!slice_unquote(&value) || (!slice_is(&value, "none") && !slice_is(&value, "any"))) {
        return "wants \"none\", \"any\" or a clock";
    }
    expect->kind = value.data[0] == 'n' ? BP_EXPECT_NONE : BP_EXPECT_ANY;
    return NULL;
}

static const char *read_name(struct reading *reading, enum field field, bp_text *name_out)
{
    struct slice value = reading->values[field];

    if (!slice_unquote(&value)) {
        return wants_string;
    }
    *name_out = (bp_text){value.data, value.size};
    return NULL;
}

/* The payload as it was, from `payload` or `payload_base64`, by payload_type. */
static const char *read_payload(struct reading *reading, enum field *field)
{
    bp_event *event = &reading->line->event;
    bool plain = (reading->seen >> FIELD_PAYLOAD & 1) != 0;
    bool coded = (reading->seen >> FIELD_PAYLOAD_BASE64 & 1) != 0;
    struct slice value = reading->values[FIELD_PAYLOAD_TYPE];

    *field = FIELD_PAYLOAD_TYPE;
    event->payload_type = plain ? BP_PAYLOAD_JSON : BP_PAYLOAD_RAW;
    if ((reading->seen >> FIELD_PAYLOAD_TYPE & 1) != 0) {
        (void)slice_unquote(&value);
        if (!payload_type_parse(value.data, value.size, &event->payload_type)) {
            return "wants \"json\", \"msgpack\", \"raw\" or 128 to 255";
        }
    }
    *field = coded ? FIELD_PAYLOAD_BASE64 : FIELD_PAYLOAD;
    if (plain && coded) {
        return "stands beside payload; one of them is enough";
    }
    value = reading->values[*field];
    if (coded) {
        const char *what = read_base64(&value);

        if (what != NULL) {
            return what;
        }
    } else if (plain && event->payload_type == BP_PAYLOAD_MSGPACK) {
        static struct text packed;
        const char *why;

        packed.size = 0;
        why = payload_to_msgpack(value.data, value.size, &packed);
        if (why != NULL) {
            return why;
        }
        value.data = arena_take(reading->arena, packed.size);
        value.size = packed.size;
        memcpy(value.data, packed.data, packed.size);
    } else if (plain && event->payload_type != BP_PAYLOAD_JSON) {
        return "goes with payload_type json or msgpack; other bytes go into payload_base64";
    } else if (plain) {
        slice_compact(&value);
    }
    event->payload = value.data;
    event->payload_size = value.size;
    return NULL;
}

/* ---- what only --exact reads ---- */

static const char *read_hlc(struct reading *reading)
{
    struct slice value = reading->values[FIELD_HLC];
    char *point;
    uint64_t ms;
    uint64_t counter;

    (void)slice_unquote(&value);
    point = memchr(value.data, '.', value.size);
    if (point == NULL || !number_parse(value.data, (size_t)(point - value.data), &ms) ||
        !number_parse(point + 1, value.size - (size_t)(point - value.data) - 1, &counter) || ms >> 48 != 0 ||
        counter > UINT16_MAX) {
        return "wants \"milliseconds.counter\"";
    }
    reading->line->event.hlc = ms << 16 | counter;
    return NULL;
}

static const char *read_extensions(struct reading *reading)
{
    struct slice value = reading->values[FIELD_EXTENSIONS];
    struct scan scan = {.text = value.data, .size = value.size};
    struct slice parts[2] = {{0}};
    struct slice name;
    bp_event *event = &reading->line->event;
    uint8_t *bytes;
    bool first = true;

    if (!scan_object(&scan)) {
        return "wants an object with \"public\" and \"private\"";
    }
    while (scan_member(&scan, first, &name, &value) == 1) {
        int part;

        (void)slice_unquote(&name);
        part = slice_is(&name, "public") ? 0 : slice_is(&name, "private") ? 1 : -1;
        if (part < 0 || read_base64(&value) != NULL) {
            return "wants an object with \"public\" and \"private\" in base64";
        }
        parts[part] = value;
        first = false;
    }
    bytes = arena_take(reading->arena, parts[0].size + parts[1].size);
    for (size_t i = 0, at = 0; i < 2; at += parts[i++].size) {
        if (parts[i].size > 0) {
            memcpy(bytes + at, parts[i].data, parts[i].size);
        }
    }
    event->extensions = bytes;
    event->public_extensions_size = parts[0].size;
    event->private_extensions_size = parts[1].size;
    return NULL;
}

static const char *read_hashes(struct reading *reading, enum field *field)
{
    bp_event *event = &reading->line->event;
    struct slice value = reading->values[FIELD_PREV_HASH];

    *field = FIELD_PREV_HASH;
    if ((reading->seen >> FIELD_PREV_HASH & 1) != 0) {
        reading->line->has_previous = true;
        if (!read_hex(value, reading->line->previous.bytes, sizeof reading->line->previous.bytes)) {
            return "wants a hash of 64 hex digits, or null";
        }
    }
    *field = FIELD_EVENT_HASH;
    if (!read_hex(reading->values[FIELD_EVENT_HASH], event->event_hash.bytes, sizeof event->event_hash.bytes)) {
        return "wants a hash of 64 hex digits";
    }
    *field = FIELD_CONTENT_HASH;
    if (event->payload_absent != ((reading->seen >> FIELD_CONTENT_HASH & 1) != 0)) {
        return "stands there if and only if the payload is gone";
    }
    if (event->payload_absent &&
        !read_hex(reading->values[FIELD_CONTENT_HASH], event->content_hash.bytes, sizeof event->content_hash.bytes)) {
        return "wants a hash of 64 hex digits";
    }
    *field = FIELD_SALT;
    if (!event->payload_absent && ((reading->seen >> FIELD_SALT & 1) == 0 ||
                                   !read_hex(reading->values[FIELD_SALT], event->salt, sizeof event->salt))) {
        return "wants 32 hex digits";
    }
    return NULL;
}

static uint32_t little_u32(const uint8_t *bytes)
{
    return (uint32_t)bytes[0] | (uint32_t)bytes[1] << 8 | (uint32_t)bytes[2] << 16 | (uint32_t)bytes[3] << 24;
}

/* The hashes cover the extensions; what stands beside them in plain text must say the same. */
static const char *compare_extensions(const bp_event *event)
{
    const uint8_t *value;
    size_t size;
    uint32_t lane = 0;
    uint32_t depth = 0;
    bp_id correlation = event->id;

    if (bp_event_extension(event, BP_TAG_LANE, &value, &size) && size == 8) {
        lane = little_u32(value);
        depth = little_u32(value + 4);
    }
    if (bp_event_extension(event, BP_TAG_CORRELATION, &value, &size) && size == sizeof correlation.bytes) {
        memcpy(correlation.bytes, value, size);
    }
    if (lane != event->lane || depth != event->depth || !bp_id_equal(&correlation, &event->correlation) ||
        event->external != bp_event_extension(event, BP_TAG_EXTERNAL, &value, &size)) {
        return "do not say what lane, depth, correlation and external say";
    }
    return NULL;
}

static const char *read_exact(struct reading *reading, enum field *field)
{
    bp_event *event = &reading->line->event;
    const char *what;

    *field = FIELD_STATE;
    if (event->payload_absent && event->payload_size > 0) {
        return "says that the payload is gone, but there is one";
    }
    *field = FIELD_SEQUENCE;
    if (!read_u64(reading->values[FIELD_SEQUENCE], UINT64_MAX - 1, &event->sequence)) {
        return wants_number;
    }
    *field = FIELD_CLOCK;
    if (!read_u64(reading->values[FIELD_CLOCK], UINT64_MAX - 1, &event->clock)) {
        return wants_number;
    }
    *field = FIELD_BATCH;
    if (!read_u64(reading->values[FIELD_BATCH], event->sequence, &event->batch)) {
        return "wants the sequence of the first event of its commit";
    }
    *field = FIELD_HLC;
    what = read_hlc(reading);
    if (what == NULL) {
        what = read_hashes(reading, field);
    }
    if (what == NULL && (reading->seen >> FIELD_EXTENSIONS & 1) != 0) {
        *field = FIELD_EXTENSIONS;
        what = read_extensions(reading);
    }
    if (what == NULL) {
        *field = FIELD_EXTENSIONS;
        what = compare_extensions(event);
    }
    return what;
}

/* ---- the line ---- */

static const char *read_flags(struct reading *reading, enum field *field)
{
    bp_event *event = &reading->line->event;
    struct slice value = reading->values[FIELD_EXTERNAL];
    uint64_t state = 0;
    const char *what;

    *field = FIELD_EXTERNAL;
    if ((reading->seen >> FIELD_EXTERNAL & 1) != 0) {
        event->external = slice_is(&value, "true");
        if (!event->external && !slice_is(&value, "false")) {
            return "wants true or false";
        }
    }
    *field = FIELD_STATE;
    if ((reading->seen >> FIELD_STATE & 1) != 0 && !read_u64(reading->values[FIELD_STATE], 3, &state)) {
        return "wants a number up to 3";
    }
    event->payload_absent = (state & 1) != 0;
    event->tombstoned = (state & 2) != 0;
    if (state != 0 && !reading->exact) {
        return "says that the event was erased or buried; only --exact can bring it back so";
    }
    *field = FIELD_LANE;
    what = read_u32(reading, FIELD_LANE, &event->lane);
    if (what == NULL) {
        *field = FIELD_DEPTH;
        what = read_u32(reading, FIELD_DEPTH, &event->depth);
    }
    if (what == NULL) {
        *field = FIELD_FLAGS;
        what = read_u16(reading, FIELD_FLAGS, &event->flags);
    }
    if (what == NULL) {
        *field = FIELD_PAYLOAD_VERSION;
        what = read_u16(reading, FIELD_PAYLOAD_VERSION, &event->payload_version);
    }
    return what;
}

/* An exact line brings the encrypted bytes along; any other says for whom its text is to be encrypted. */
static const char *read_subject(struct reading *reading, enum field *field)
{
    struct slice value = reading->values[FIELD_ENCRYPTION];
    char *copy;

    *field = FIELD_ENCRYPTION;
    if ((reading->seen >> FIELD_ENCRYPTION & 1) != 0 && slice_unquote(&value)) {
        if (reading->exact && slice_is(&value, "opened")) {
            return "says that the payload was decrypted; export it with --stored";
        }
        if (!reading->exact && slice_is(&value, "stored")) {
            return "says that the payload is still encrypted; only --exact can bring it back so";
        }
    }
    *field = FIELD_SUBJECT;
    if ((reading->seen >> FIELD_SUBJECT & 1) == 0 || reading->exact) {
        return NULL;
    }
    value = reading->values[FIELD_SUBJECT];
    if (!slice_unquote(&value) || memchr(value.data, '\0', value.size) != NULL) {
        return wants_string;
    }
    copy = arena_take(reading->arena, value.size + 1);
    memcpy(copy, value.data, value.size);
    copy[value.size] = '\0';
    reading->line->subject = copy;
    return NULL;
}

static const char *read_ids(struct reading *reading, enum field *field)
{
    bp_event *event = &reading->line->event;

    *field = FIELD_ID;
    if ((reading->seen >> FIELD_ID & 1) != 0 && !read_id(reading->values[FIELD_ID], &event->id)) {
        return wants_id;
    }
    event->correlation = event->id;
    *field = FIELD_CORRELATION;
    if ((reading->seen >> FIELD_CORRELATION & 1) != 0 &&
        !read_id(reading->values[FIELD_CORRELATION], &event->correlation)) {
        return wants_id;
    }
    *field = FIELD_CAUSES;
    return (reading->seen >> FIELD_CAUSES & 1) != 0 ? read_causes(reading) : NULL;
}

static const char *read_values(struct reading *reading, enum field *field)
{
    bp_event *event = &reading->line->event;
    const char *what;

    *field = FIELD_ENTITY;
    what = read_name(reading, FIELD_ENTITY, &event->entity);
    if (what == NULL) {
        *field = FIELD_SCOPE;
        what = read_name(reading, FIELD_SCOPE, &event->scope);
    }
    if (what == NULL) {
        *field = FIELD_KIND;
        what = read_kind(reading);
    }
    if (what == NULL) {
        what = read_flags(reading, field);
    }
    if (what == NULL) {
        what = read_ids(reading, field);
    }
    if (what == NULL) {
        *field = FIELD_TIME;
        what = read_time(reading);
    }
    if (what == NULL) {
        *field = FIELD_EXPECT;
        what = read_expect(reading);
    }
    if (what == NULL) {
        what = read_payload(reading, field);
    }
    if (what == NULL) {
        what = read_subject(reading, field);
    }
    return what == NULL && reading->exact ? read_exact(reading, field) : what;
}

static bool fault_set(struct import_fault *fault, size_t column, const char *what, const char *name)
{
    fault->what.size = 0;
    fault->column = column;
    if (name != NULL) {
        text_add_format(&fault->what, "%s ", name);
    }
    text_add_string(&fault->what, what);
    return false;
}

static enum field find_field(const struct slice *key, enum field expected)
{
    for (unsigned i = 0; i < FIELD_COUNT; i++) {
        unsigned field = ((unsigned)expected + i) % FIELD_COUNT;

        if (key->size == field_sizes[field] && memcmp(key->data, field_names[field], key->size) == 0) {
            return (enum field)field;
        }
    }
    return FIELD_COUNT;
}

static bool unknown_field(struct import_fault *fault, const struct slice *key, size_t column)
{
    char name[64] = {0};
    const char *near;

    memcpy(name, key->data, key->size < sizeof name ? key->size : sizeof name - 1);
    near = nearest_name(name, field_names);
    fault->what.size = 0;
    fault->column = column;
    text_add_string(&fault->what, "no field '");
    text_add_shown(&fault->what, key->data, key->size, 0);
    text_add_format(&fault->what, near != NULL ? "'; did you mean '%s'?" : "'", near);
    return false;
}

/* Finds the fields. The first fault counts; after one that is not of the grammar it goes on, for the batch's sake. */
static bool find_values(struct reading *reading, struct scan *scan, struct import_fault *fault)
{
    enum field expected = FIELD_SEQUENCE;
    struct slice key;
    struct slice value;
    bool good = true;
    bool first = true;
    int part = scan_object(scan) ? 1 : -1;

    while (part == 1 && (part = scan_member(scan, first, &key, &value)) == 1) {
        size_t column = (size_t)(key.data - scan->text);
        enum field field;

        first = false;
        (void)slice_unquote(&key);
        field = find_field(&key, expected);
        if (field == FIELD_COUNT) {
            good = good && unknown_field(fault, &key, scan_column(scan->text, column));
            continue;
        }
        expected = (enum field)((field + 1) % FIELD_COUNT);
        if ((reading->seen >> field & 1) != 0) {
            good = good && fault_set(fault, scan_column(scan->text, column), "stands there twice", field_names[field]);
        }
        if (field == FIELD_PAYLOAD || !slice_is(&value, "null")) {
            reading->seen |= 1u << field;
            reading->values[field] = value;
        } else if (field == FIELD_PREV_HASH) {
            reading->line->has_previous = true;
        }
    }
    if (part < 0 || !scan_end(scan)) {
        return fault_set(fault, scan_column(scan->text, scan->at), scan->wrong, NULL);
    }
    reading->line->batch_known = true;
    if ((reading->seen >> FIELD_BATCH & 1) != 0) {
        reading->line->batch = reading->values[FIELD_BATCH];
    }
    return good;
}

bool import_line_read(struct import_line *line, char *text, size_t size, bool exact, struct arena *arena,
                      struct import_fault *fault)
{
    struct reading reading;
    struct scan scan = {.size = size};
    enum field field = FIELD_ENTITY;
    const char *what;
    uint32_t missing;
    uint64_t number = line->number;

    memset(line, 0, sizeof *line);
    line->number = number;
    reading = (struct reading){.line = line, .arena = arena, .exact = exact};
    scan.text = arena_take(arena, size + 1);
    memcpy(scan.text, text, size);
    if (!find_values(&reading, &scan, fault)) {
        return false;
    }
    missing = (needed_always | (exact ? needed_exactly : 0)) & ~reading.seen;
    for (unsigned i = 0; i < FIELD_COUNT && missing != 0; i++) {
        if ((missing >> i & 1) != 0) {
            return fault_set(fault, 0, "is missing", field_names[i]);
        }
    }
    what = read_values(&reading, &field);
    if (what != NULL) {
        const char *at = reading.values[field].data;

        return fault_set(fault, at != NULL ? scan_column(scan.text, (size_t)(at - scan.text)) : 0, what,
                         field_names[field]);
    }
    return true;
}
