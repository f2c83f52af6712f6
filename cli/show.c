/*
 * show.c: events as JSON objects and as rows. See show.h.
 */
#include "show.h"

#include <string.h>

#include "output.h"
#include "payload.h"
#include "times.h"

/* Entities whose heads are kept in mind; beyond them the store is asked. */
enum { HEADS_MAX = 1 << 20, MEMBERS_MAX = 4096 };

static const struct column step_columns[] = {{"STEP", true},          {"SEQUENCE", true}, {"TIME (UTC)", false},
                                             {"ENTITY@SCOPE", false}, {"KIND", false},    {"PAYLOAD", false}};

void text_add_kind(struct text *text, bp_store *store, bp_kind_code kind)
{
    char number[BP_KIND_TEXT_SIZE];
    const char *name = bp_kind_name(store, kind);

    bp_kind_print(kind, number);
    text_add_string(text, number);
    if (name != NULL) {
        text_add_char(text, ' ');
        text_add_string(text, name);
    }
}

static void put_extensions(struct text *text, const bp_event *event)
{
    if (event->public_extensions_size + event->private_extensions_size == 0) {
        return;
    }
    put_open(text, "extensions", '{');
    put_key(text, "public");
    text_add_char(text, '"');
    text_add_base64(text, event->extensions, event->public_extensions_size);
    text_add_char(text, '"');
    if (event->private_extensions_size > 0) {
        put_key(text, "private");
        text_add_char(text, '"');
        text_add_base64(text, event->extensions + event->public_extensions_size, event->private_extensions_size);
        text_add_char(text, '"');
    }
    put_close(text, '}');
}

/* Of a payload that is encrypted for somebody: for whom, and how it is shown here. */
static void put_encryption(struct text *text, const bp_event *event)
{
    const uint8_t *subject;
    size_t size;

    if (event->encryption == BP_ENCRYPTION_NONE) {
        return;
    }
    put_string(text, "encryption", encryption_name(event));
    if (bp_event_extension(event, BP_TAG_SUBJECT, &subject, &size)) {
        put_text(text, "subject", (const char *)subject, size);
    }
}

static void put_causes(struct text *text, const bp_event *event)
{
    put_open(text, "causes", '[');
    for (size_t i = 0; i < event->cause_count; i++) {
        put_id(text, NULL, &event->causes[i]);
    }
    put_close(text, ']');
}

static void put_coordinate(struct text *text, bp_store *store, const bp_event *event)
{
    const char *name = bp_kind_name(store, event->kind);

    put_u64(text, "sequence", event->sequence);
    put_id(text, "id", &event->id);
    put_text(text, "entity", event->entity.data, event->entity.size);
    put_text(text, "scope", event->scope.data, event->scope.size);
    put_kind(text, "kind", event->kind);
    if (name != NULL) {
        put_string(text, "kind_name", name);
    }
}

/* What is not the stored payload, for want of a key or thanks to one, has a salt all the same. */
static void put_salt(struct text *text, const bp_event *event)
{
    if (!event->payload_absent) {
        put_key(text, "salt");
        text_add_char(text, '"');
        text_add_hex(text, event->salt, sizeof event->salt);
        text_add_char(text, '"');
    }
    if (event->payload_absent || event->tombstoned) {
        put_u64(text, "state", (event->payload_absent ? 1u : 0u) | (event->tombstoned ? 2u : 0u));
    }
}

bp_status put_event(struct text *text, bp_store *store, const struct heads *heads, const bp_event *event,
                    bp_error *error)
{
    bp_hash previous;
    bp_status status = heads_previous(heads, store, event, &previous, error);

    if (status != BP_OK && status != BP_END && status != BP_ERR_DROPPED) {
        return status;
    }
    (void)text_reserve(text, event->payload_size + MEMBERS_MAX);
    put_coordinate(text, store, event);
    put_payload(text, event);
    put_key(text, "payload_type");
    text_add_char(text, '"');
    text_add_payload_type(text, event->payload_type);
    text_add_char(text, '"');
    put_u64(text, "payload_version", event->payload_version);
    put_u64(text, "clock", event->clock);
    put_hlc(text, "hlc", event->hlc);
    put_i64(text, "time", event->time_us);
    put_id(text, "correlation", &event->correlation);
    put_causes(text, event);
    put_u64(text, "lane", event->lane);
    put_u64(text, "depth", event->depth);
    put_u64(text, "flags", event->flags);
    put_u64(text, "batch", event->batch);
    if (event->external) {
        put_bool(text, "external", true);
    }
    put_encryption(text, event);
    put_extensions(text, event);
    put_salt(text, event);
    if (status == BP_OK) {
        put_hash(text, "prev_hash", &previous);
    } else if (status == BP_END) {
        put_key(text, "prev_hash");
        text_add_string(text, "null");
    }
    put_hash(text, "event_hash", &event->event_hash);
    if (event->payload_absent) {
        put_hash(text, "content_hash", &event->content_hash);
    }
    return BP_OK;
}

void show_begin(struct show *show, bp_store *store, bool json, bool steps)
{
    size_t skipped = steps ? 0 : 1;

    memset(show, 0, sizeof *show);
    show->store = store;
    show->json = json;
    show->steps = steps;
    show->heads.most = HEADS_MAX;
    table_begin(&show->table, step_columns + skipped, sizeof step_columns / sizeof step_columns[0] - skipped);
}

static void add_row(struct show *show, const bp_event *event, uint32_t step)
{
    struct table *table = &show->table;
    const char *name = bp_kind_name(show->store, event->kind);
    char number[BP_KIND_TEXT_SIZE];
    struct text *cell = table_cell(table);

    if (show->steps) {
        text_add_u64(cell, step);
        table_next(table);
    }
    text_add_u64(cell, event->sequence);
    table_next(table);
    text_add_time(cell, event->time_us);
    cell->size -= 3; /* milliseconds are enough for a person */
    table_next(table);
    text_add_shown(cell, event->entity.data, event->entity.size, 0);
    text_add_char(cell, '@');
    text_add_shown(cell, event->scope.data, event->scope.size, 0);
    table_next(table);
    bp_kind_print(event->kind, number);
    table_add(table, name != NULL ? name : number);
    if (event->tombstoned) {
        text_add_string(cell, "(tombstoned) ");
    }
    text_add_payload(cell, event, output_columns());
    table_next(table);
}

bp_status show_event(struct show *show, const bp_event *event, uint32_t step, bp_error *error)
{
    struct text *text = out();
    size_t start = text->size;
    bp_status status;

    if (!show->json) {
        add_row(show, event, step);
        return BP_OK;
    }
    text_add_char(text, '{');
    if (show->steps) {
        put_u64(text, "step", step);
    }
    status = put_event(text, show->store, &show->heads, event, error);
    if (status != BP_OK) {
        text->size = start;
        return status;
    }
    text_add(text, "}\n", 2);
    heads_note(&show->heads, event);
    out_commit();
    return BP_OK;
}

void show_flush(struct show *show)
{
    table_flush(&show->table);
    out_flush();
}

void show_end(struct show *show)
{
    table_end(&show->table);
    heads_free(&show->heads);
}

int show_all(struct show *show, bp_iterator *iterator, uint64_t *count_out)
{
    const bp_event *event;
    bp_error error = {0};
    uint64_t count = 0;
    int code = 0;

    while (!out_closed()) {
        bp_status status = bp_next(iterator, &event, &error);

        if (status == BP_OK) {
            status = show_event(show, event, 0, &error);
        }
        if (status == BP_END) {
            break;
        }
        if (status != BP_OK) {
            table_flush(&show->table);
            code = fail(&error);
            /* Behind a damaged record there may be whole ones. */
            if (status != BP_ERR_CORRUPT) {
                break;
            }
            continue;
        }
        count++;
    }
    bp_iterator_close(iterator);
    if (count_out != NULL) {
        *count_out = count;
    }
    return code;
}
