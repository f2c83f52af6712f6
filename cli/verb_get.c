/*
 * verb_get.c: single events, all fields of them.
 */
#include <string.h>

#include "payload.h"
#include "session.h"
#include "show.h"
#include "times.h"
#include "verbs.h"

static struct {
    bool json;
    bool payload;
} given;

static const struct option options[] = {
    {"json", 0, OPTION_FLAG, &given.json, NULL, "one line of JSON for each event", NULL},
    {"payload", 0, OPTION_FLAG, &given.payload, NULL, "nothing but the payload's bytes, as they are", NULL},
    {.name = NULL},
};

static struct text *label(const char *name)
{
    text_add_style(out(), STYLE_DIM);
    text_add_format(out(), "%-13s", name);
    text_add_style(out(), STYLE_PLAIN);
    return out();
}

static void line_end(void)
{
    text_add_char(out(), '\n');
}

static void show_name(const char *name, bp_text value)
{
    text_add_shown(label(name), value.data, value.size, 0);
    line_end();
}

static void show_hash(const char *name, const uint8_t *bytes, size_t size)
{
    text_add_hex(label(name), bytes, size);
    line_end();
}

static void show_identity(bp_store *store, const bp_event *event)
{
    text_add_u64(label("sequence"), event->sequence);
    line_end();
    text_add_id(label("id"), &event->id);
    line_end();
    show_name("entity", event->entity);
    show_name("scope", event->scope);
    text_add_kind(label("kind"), store, event->kind);
    line_end();
    text_add_u64(label("clock"), event->clock);
    line_end();
    text_add_time(label("time"), event->time_us);
    text_add_string(out(), " UTC\n");
    text_add_time(label("committed"), (int64_t)BP_HLC_MS(event->hlc) * 1000);
    out()->size -= 3;
    text_add_format(out(), " UTC, counter %u\n", (unsigned)BP_HLC_COUNTER(event->hlc));
}

static void show_links(const bp_event *event)
{
    text_add_id(label("correlation"), &event->correlation);
    text_add_string(out(), bp_event_is_correlated(event) ? "\n" : " (its own)\n");
    for (size_t i = 0; i < event->cause_count; i++) {
        text_add_id(label(i == 0 ? "causes" : ""), &event->causes[i]);
        line_end();
    }
    if (event->external) {
        text_add_string(label("external"), "its causes may lie outside of this store\n");
    }
    if (event->lane != 0 || event->depth != 0) {
        text_add_format(label("lane, depth"), "%u, %u\n", (unsigned)event->lane, (unsigned)event->depth);
    }
    if (event->flags != 0) {
        text_add_format(label("flags"), "%u%s%s%s\n", (unsigned)event->flags,
                        (event->flags & BP_FLAG_REQUIRES_ACK) != 0 ? " requires-ack" : "",
                        (event->flags & BP_FLAG_TRANSACTIONAL) != 0 ? " transactional" : "",
                        (event->flags & BP_FLAG_REPLAY) != 0 ? " replay" : "");
    }
    if (event->batch_count > 1) {
        text_add_format(label("batch"), "one of the %u events from sequence %llu\n", (unsigned)event->batch_count,
                        (unsigned long long)event->batch);
    }
    if (event->tombstoned) {
        text_add_string(label("state"), "tombstoned\n");
    }
}

/* As bytes: tag, size, value. The lines above say what lane, depth, correlation and external mean. */
static void show_extensions(const bp_event *event)
{
    size_t size = event->public_extensions_size;

    if (size > 0) {
        show_hash("extensions", event->extensions, size);
    }
    if (event->private_extensions_size > 0) {
        show_hash("private", event->extensions + size, event->private_extensions_size);
    }
}

static void show_payload(const bp_event *event)
{
    text_add_payload_type(label("payload type"), event->payload_type);
    text_add_format(out(), ", version %u, %zu bytes\n", (unsigned)event->payload_version, event->payload_size);
    text_add_payload(label("payload"), event, 0);
    line_end();
}

static bp_status show_one(bp_store *store, const bp_event *event, bp_error *error)
{
    static const struct heads no_heads;
    bp_hash previous;
    bp_status status = heads_previous(&no_heads, store, event, &previous, error);

    if (status != BP_OK && status != BP_END && status != BP_ERR_DROPPED) {
        return status;
    }
    show_identity(store, event);
    show_links(event);
    show_payload(event);
    show_extensions(event);
    if (status == BP_OK) {
        show_hash("previous hash", previous.bytes, sizeof previous.bytes);
    }
    show_hash("event hash", event->event_hash.bytes, sizeof event->event_hash.bytes);
    if (event->payload_absent) {
        show_hash("content hash", event->content_hash.bytes, sizeof event->content_hash.bytes);
    } else {
        show_hash("salt", event->salt, sizeof event->salt);
    }
    text_add_format(label("position"), "segment %llu, offset %llu\n", (unsigned long long)(event->position >> 32),
                    (unsigned long long)(event->position & UINT32_MAX));
    return BP_OK;
}

static int get(bp_store *store, struct show *show, const char *name)
{
    const bp_event *event = NULL;
    bp_error error = {0};
    bp_status status;
    bp_id id;
    int code = id_find(store, name, &id);

    if (code != 0) {
        return code;
    }
    status = bp_get(store, &id, &event, &error);
    if (status == BP_OK && given.payload) {
        text_add(out(), event->payload, event->payload_size);
    } else if (status == BP_OK && given.json) {
        status = show_event(show, event, 0, &error);
    } else if (status == BP_OK) {
        status = show_one(store, event, &error);
    }
    bp_event_release(event);
    return status == BP_OK ? 0 : fail(&error);
}

static int run(size_t count, char **arguments)
{
    bp_store *store = NULL;
    struct show show;
    int code = open_reader(arguments[0], &store);

    if (code != 0) {
        return code;
    }
    show_begin(&show, store, true, false);
    for (size_t i = 1; i < count && code == 0; i++) {
        if (i > 1 && !given.json && !given.payload) {
            line_end();
        }
        code = get(store, &show, arguments[i]);
    }
    show_end(&show);
    return close_store(store, code);
}

const struct verb verb_get = {
    .name = "get",
    .summary = "show one event with all its fields",
    .arguments = "DIR ID...",
    .about = "An ID is a UUID, a sequence (12 or '#12'), or urn:NAMESPACE:TEXT for an id derived from a text.",
    .examples = "batpak get ./s 0\nbatpak get ./s 0192f0c1-7e2a-7b3c-9d4e-5f60718293a4 --json\n"
                "batpak get ./s 0 --payload > payload.json",
    .exits = "0  found\n1  no such event or store\n2  the command line is wrong\n3  the store is damaged\n"
             "4  the system refused",
    .groups = {options},
    .least = 2,
    .most = SIZE_MAX,
    .run = run,
};
