/*
 * ready_payload.c: ready-made gates over what the payload says: fields and their types, values that are unique.
 */
#include <string.h>

#include <batpak/policy.h>

#include "base/error.h"
#include "base/text.h"
#include "policy/bind.h"
#include "policy/ready.h"

enum { PATH_MOST = 255, FIELDS_MOST = 256, PREFIX_MOST = 64, VALUE_SHOWN = 200 };

bool bpi_field_path_valid(const char *path)
{
    size_t size = path == NULL ? 0 : strlen(path);
    return size > 0 && size <= PATH_MOST && path[0] != '.' && path[size - 1] != '.' && strstr(path, "..") == NULL &&
           bpi_name_valid((const uint8_t *)path, size, PATH_MOST);
}

bool bpi_prefix_valid(const char *prefix)
{
    size_t size = prefix == NULL ? 0 : strlen(prefix);
    return bpi_name_valid((const uint8_t *)prefix, size, PREFIX_MOST);
}

static bp_verdict deny_field(bp_denial *denial, const char *code, const char *path, const char *what)
{
    bp_verdict verdict = bp_denial_say(denial, code, "field %s %s", path, what);
    bp_denial_add(denial, "field", "%s", path);
    return verdict;
}

/* The payload as an object; false: the denial says why not. */
static bool object_of(const bp_event *event, bpi_json_value *object_out, bp_denial *denial)
{
    const char *wrong = "another type of payload";
    if (event->payload_type == BP_PAYLOAD_JSON) {
        wrong = bpi_json_check(event->payload, event->payload_size, object_out);
        wrong = wrong == NULL && object_out->type != BPI_JSON_OBJECT ? "a value that is no object" : wrong;
    }
    if (wrong != NULL) {
        (void)bp_denial_say(denial, "NOT_JSON", "the payload is no JSON object: %s", wrong);
    }
    return wrong == NULL;
}

/* ---- fields ---- */

typedef struct field_rule {
    char path[PATH_MOST + 1];
    bp_field_type type;
    bool optional;
} field_rule;

typedef struct fields_gate {
    bpi_ready head;
    size_t count;
    field_rule fields[];
} fields_gate;

static const char *const type_words[] = {"a value",   "a string",  "a number", "an integer",
                                         "a boolean", "an object", "an array"};

static bool type_fits(bp_field_type wanted, bpi_json_type type)
{
    switch (wanted) {
    case BP_FIELD_STRING:
        return type == BPI_JSON_STRING;
    case BP_FIELD_NUMBER:
        return type == BPI_JSON_NUMBER || type == BPI_JSON_INTEGER;
    case BP_FIELD_INTEGER:
        return type == BPI_JSON_INTEGER;
    case BP_FIELD_BOOLEAN:
        return type == BPI_JSON_BOOLEAN;
    case BP_FIELD_OBJECT:
        return type == BPI_JSON_OBJECT;
    case BP_FIELD_ARRAY:
        return type == BPI_JSON_ARRAY;
    case BP_FIELD_ANY:
    default:
        return true;
    }
}

static bp_verdict judge_fields(const void *state, const void *context, bp_denial *denial)
{
    const fields_gate *gate = state;
    bpi_json_value object;
    if (!object_of(bp_commit_event(context), &object, denial)) {
        return BP_VERDICT_DENY;
    }
    for (size_t i = 0; i < gate->count; i++) {
        const field_rule *rule = &gate->fields[i];
        bpi_json_value value;
        unsigned found = bpi_json_find(&object, rule->path, &value);
        if (found > 1) {
            return deny_field(denial, "FIELD_TWICE", rule->path, "stands there twice");
        }
        if (found == 0 || value.type == BPI_JSON_NULL) {
            if (rule->optional) {
                continue;
            }
            return deny_field(denial, "FIELD_MISSING", rule->path, "is missing");
        }
        if (!type_fits(rule->type, value.type)) {
            char what[64];
            (void)snprintf(what, sizeof what, "is not %s", type_words[rule->type]);
            return deny_field(denial, "FIELD_TYPE", rule->path, what);
        }
    }
    return BP_VERDICT_PASS;
}

bp_status bp_gate_push_fields(bp_gate_set *set, const char *name, const bp_payload_field *fields, size_t count,
                              bp_error *error)
{
    if (fields == NULL || count == 0 || count > FIELDS_MOST) {
        return bpi_error_set(error, BP_ERR_ARGUMENT, "a gate of fields needs 1 to %d fields", FIELDS_MOST);
    }
    for (size_t i = 0; i < count; i++) {
        if (!bpi_field_path_valid(fields[i].path) || (unsigned)fields[i].type > BP_FIELD_ARRAY) {
            return bpi_error_set(error, BP_ERR_ARGUMENT, "field %zu: a path such as customer.email, and a type", i);
        }
    }
    fields_gate *gate = bpi_ready_new(sizeof *gate + count * sizeof *gate->fields);
    for (size_t i = 0; gate != NULL && i < count; i++) {
        memcpy(gate->fields[i].path, fields[i].path, strlen(fields[i].path) + 1);
        gate->fields[i].type = fields[i].type;
        gate->fields[i].optional = fields[i].optional;
        gate->count++;
    }
    return bpi_ready_push(set, name, "a JSON object with the fields asked for", judge_fields, gate, error);
}

/* ---- unique ---- */

typedef struct unique_gate {
    bpi_ready head;
    char path[PATH_MOST + 1];
    char prefix[PREFIX_MOST + 1];
    bool hashed;
} unique_gate;

bool bp_reservation_entity(const char *prefix, const void *value, size_t size, bool hashed,
                           char entity_out[BP_RESERVATION_SIZE])
{
    if (!bpi_prefix_valid(prefix) || (value == NULL && size != 0)) {
        return false;
    }
    const char *text = value;
    if (!hashed && size <= VALUE_SHOWN && text != NULL && text[0] != '#' && bpi_name_valid(value, size, VALUE_SHOWN)) {
        (void)snprintf(entity_out, BP_RESERVATION_SIZE, "%s:%.*s", prefix, (int)size, text);
        return true;
    }
    char hex[BP_HASH_TEXT_SIZE];
    bp_hash hash = bp_hash_bytes(value, size);
    bp_hash_print(&hash, hex);
    (void)snprintf(entity_out, BP_RESERVATION_SIZE, "%s:#%s", prefix, hex);
    return true;
}

bool bpi_unique_value(const char *path, uint8_t payload_type, const void *payload, size_t size, char *value,
                      size_t *value_size_out, const char **code_out, const char **what_out)
{
    bpi_json_value object;
    bpi_json_value field;
    *code_out = "NOT_JSON";
    *what_out = "cannot be found: the payload is no JSON object";
    if (payload_type != BP_PAYLOAD_JSON || bpi_json_check(payload, size, &object) != NULL ||
        object.type != BPI_JSON_OBJECT) {
        return false;
    }
    *code_out = "FIELD_MISSING";
    *what_out = "is missing";
    unsigned found = bpi_json_find(&object, path, &field);
    if (found == 0) {
        return false;
    }
    *code_out = "FIELD_TYPE";
    *what_out = "is not one string or integer of at most 4096 bytes";
    if (found == 1 && field.type == BPI_JSON_INTEGER && field.size <= BPI_UNIQUE_VALUE_MOST) {
        bool minus_zero = field.size == 2 && memcmp(field.data, "-0", 2) == 0; /* the only integer with two spellings */
        *value_size_out = minus_zero ? 1 : field.size;
        memcpy(value, minus_zero ? "0" : field.data, *value_size_out);
        return true;
    }
    return found == 1 && bpi_json_string(&field, value, BPI_UNIQUE_VALUE_MOST, value_size_out);
}

/* The item that reserves the name: that nobody had it before is the business of its expectation, in this very commit. */
static bool is_reserved(const bp_commit_view *view, bp_text entity)
{
    for (size_t i = view->lead; i < view->count; i++) {
        const bpi_staged *item = &view->scratch->items[i];
        if (item->expect.kind == BP_EXPECT_NONE && bp_text_equal(item->input.entity, entity)) {
            return true;
        }
    }
    return false;
}

/* Could the payload hold this value? Cheap, for batches are compared item by item. */
static bool may_hold(const bp_event *event, const char *value, size_t size)
{
    const char *at = event->payload;
    const char *end = at + event->payload_size;
    if (size == 0 || event->payload_size < size || memchr(at, '\\', event->payload_size) != NULL) {
        return event->payload_size >= size;
    }
    for (; (size_t)(end - at) >= size; at++) {
        at = memchr(at, value[0], (size_t)(end - at) - size + 1);
        if (at == NULL) {
            return false;
        }
        if (memcmp(at, value, size) == 0) {
            return true;
        }
    }
    return false;
}

/* Has an earlier item of the commit this value already? One reservation is for one event. */
static bool is_claimed(const bp_commit_view *view, const unique_gate *gate, const char *value, size_t size)
{
    for (size_t i = view->lead; i < view->index; i++) {
        char other[BPI_UNIQUE_VALUE_MOST];
        size_t other_size = 0;
        const char *why[2];
        bp_event item;
        bpi_commit_view_item(view, i, &item);
        if (bpi_binding_applies(view->binding, &item) && may_hold(&item, value, size) &&
            bpi_unique_value(gate->path, item.payload_type, item.payload, item.payload_size, other, &other_size,
                             &why[0], &why[1]) &&
            other_size == size && memcmp(other, value, size) == 0) {
            return true;
        }
    }
    return false;
}

static bp_verdict judge_unique(const void *state, const void *context, bp_denial *denial)
{
    const unique_gate *gate = state;
    const bp_event *event = bp_commit_event(context);
    char value[BPI_UNIQUE_VALUE_MOST];
    char entity[BP_RESERVATION_SIZE];
    size_t size = 0;
    const char *code = NULL;
    const char *what = NULL;
    if (!bpi_unique_value(gate->path, event->payload_type, event->payload, event->payload_size, value, &size, &code,
                          &what)) {
        return deny_field(denial, code, gate->path, what);
    }
    (void)bp_reservation_entity(gate->prefix, value, size, gate->hashed, entity);
    bool reserved = is_reserved(context, bp_text_of(entity));
    if (reserved && !is_claimed(context, gate, value, size)) {
        return BP_VERDICT_PASS;
    }
    bp_verdict verdict =
        reserved ? deny_field(denial, "TAKEN", gate->path, "has the value of an earlier event of the same commit")
                 : deny_field(denial, "NOT_RESERVED", gate->path, "is not reserved in the same commit");
    bp_denial_add(denial, "reservation", "%s", entity);
    return verdict;
}

bp_status bp_gate_push_unique(bp_gate_set *set, const char *name, const char *path, const char *prefix, bool hashed,
                              bp_error *error)
{
    if (!bpi_field_path_valid(path) || !bpi_prefix_valid(prefix)) {
        return bpi_error_set(error, BP_ERR_ARGUMENT, "a unique field needs a path and a prefix of 1 to %d bytes",
                             PREFIX_MOST);
    }
    unique_gate *gate = bpi_ready_new(sizeof *gate);
    if (gate != NULL) {
        memcpy(gate->path, path, strlen(path) + 1);
        memcpy(gate->prefix, prefix, strlen(prefix) + 1);
        gate->hashed = hashed;
    }
    return bpi_ready_push(set, name, "a value that nobody has, reserved in the same commit", judge_unique, gate, error);
}
