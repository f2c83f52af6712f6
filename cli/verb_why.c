/*
 * verb_why.c: the story of an event: what it is, what it passed or went past, what led to it, where it stands in its chain; or
 * why there is no such event.
 */
#include <string.h>

#include "payload.h"
#include "session.h"
#include "show.h"
#include "times.h"
#include "verbs.h"

static struct {
    uint32_t depth;
    bool json;
} given;

static const struct option options[] = {
    {"depth", 'd', OPTION_U32, &given.depth, "N", "causes at most N steps away (all)", NULL},
    {"json", 0, OPTION_FLAG, &given.json, NULL, "as one object of JSON", NULL},
    {.name = NULL},
};

static void add_name(struct text *text, const bp_event *event)
{
    text_add_shown(text, event->entity.data, event->entity.size, 0);
    text_add_char(text, '@');
    text_add_shown(text, event->scope.data, event->scope.size, 0);
}

static void add_line(bp_store *store, const bp_event *event, uint32_t step)
{
    struct text *text = out();

    text_add_repeated(text, ' ', 2 + 2 * (size_t)(step < 20 ? step : 20));
    text_add_format(text, "%llu  ", (unsigned long long)event->sequence);
    add_name(text, event);
    text_add_string(text, "  ");
    text_add_kind(text, store, event->kind);
    text_add_string(text, "  ");
    text_add_payload(text, event, 60);
    text_add_char(text, '\n');
}

/* The gates on record, one by one: size, name. */
static void tell_gates(const bp_event *event)
{
    const uint8_t *value = NULL;
    size_t size = 0;
    bool first = true;
    struct text *text = out();

    if (!bp_event_extension(event, BP_TAG_GATES, &value, &size)) {
        return;
    }
    if (given.json) {
        put_open(text, "gates", '[');
    } else {
        text_add_string(text, "gates passed: ");
    }
    for (size_t at = 0; at < size && value[at] < size - at; at += 1 + (size_t)value[at]) {
        if (given.json) {
            put_text(text, NULL, (const char *)value + at + 1, value[at]);
        } else {
            text_add_string(text, first ? "" : ", ");
            text_add_shown(text, (const char *)value + at + 1, value[at], 0);
        }
        first = false;
    }
    if (given.json) {
        put_close(text, ']');
    } else {
        text_add_char(text, '\n');
    }
}

static void tell_bypass(const bp_event *event)
{
    const uint8_t *value = NULL;
    size_t size = 0;

    if (!bp_event_extension(event, BP_TAG_BYPASS, &value, &size)) {
        return;
    }
    if (given.json) {
        put_text(out(), "bypass", (const char *)value, size);
    } else {
        text_add_string(out(), "gates bypassed: ");
        text_add_shown(out(), (const char *)value, size, 0);
        text_add_char(out(), '\n');
    }
}

/* Its place in the entity's chain, and whether the link to the event before it holds. */
static int tell_chain(bp_store *store, const bp_event *event)
{
    bp_walk_options walk_options;
    bp_walk *walk = NULL;
    const bp_event *step = NULL;
    bp_error error = {0};
    uint64_t previous = BP_NONE;
    bp_status status;

    bp_walk_options_init(&walk_options);
    walk_options.kind = BP_WALK_CHAIN;
    walk_options.limit = 2;
    walk_options.verify = true;
    status = bp_walk_begin(store, &event->id, &walk_options, &walk, &error);
    while (status == BP_OK) {
        status = bp_walk_next(walk, &step, NULL, &error);
        previous = status == BP_OK && step->sequence != event->sequence ? step->sequence : previous;
    }
    bp_walk_end(walk);
    if (status != BP_END) {
        return fail(&error);
    }
    if (given.json) {
        put_open(out(), "chain", '{');
        put_u64(out(), "clock", event->clock);
        if (previous != BP_NONE) {
            put_u64(out(), "previous", previous);
        }
        put_bool(out(), "holds", true);
        put_close(out(), '}');
    } else if (previous == BP_NONE) {
        text_add_string(out(), "chain: the first event of its entity; its hash holds\n");
    } else {
        text_add_format(out(), "chain: clock %llu, follows event %llu; its hash holds\n",
                        (unsigned long long)event->clock, (unsigned long long)previous);
    }
    return 0;
}

static int tell_causes(bp_store *store, const bp_event *event)
{
    bp_walk_options walk_options;
    bp_walk *walk = NULL;
    const bp_event *cause = NULL;
    bp_error error = {0};
    uint32_t step = 0;
    bp_status status;

    if (event->cause_count == 0) {
        if (!given.json) {
            text_add_string(out(), "causes: none, it began something\n");
        }
        return 0;
    }
    bp_walk_options_init(&walk_options);
    walk_options.kind = BP_WALK_CAUSES;
    walk_options.depth = given.depth;
    if (given.json) {
        put_open(out(), "causes", '[');
    } else {
        text_add_string(out(), "causes:\n");
    }
    status = bp_walk_begin(store, &event->id, &walk_options, &walk, &error);
    while (status == BP_OK) {
        status = bp_walk_next(walk, &cause, &step, &error);
        if (status != BP_OK || step == 0) {
            continue;
        }
        if (given.json) {
            put_open(out(), NULL, '{');
            put_u64(out(), "step", step);
            status = put_event(out(), store, NULL, cause, &error);
            put_close(out(), '}');
        } else {
            add_line(store, cause, step);
        }
    }
    if (given.json) {
        put_close(out(), ']');
    }
    bp_walk_end(walk);
    return status == BP_END ? 0 : fail(&error);
}

/* Denials of what had this id: of the same request, had it been tried before. *count_out: how many. */
static int tell_denials(bp_store *store, const bp_id *id, uint64_t *count_out)
{
    bp_region region = bp_region_by_kind(BP_KIND_DENIAL);
    bp_iterator *iterator = NULL;
    const bp_event *event = NULL;
    bp_error error = {0};
    bp_status status;

    bp_region_set_system(&region, true);
    bp_region_set_correlation(&region, id);
    *count_out = 0;
    status = bp_query(store, &region, NULL, &iterator, &error);
    while (status == BP_OK) {
        status = bp_next(iterator, &event, &error);
        if (status != BP_OK) {
            continue;
        }
        if ((*count_out)++ == 0) {
            if (given.json) {
                put_open(out(), "denials", '[');
            } else {
                text_add_string(out(), "denied:\n");
            }
        }
        if (given.json) {
            put_open(out(), NULL, '{');
            status = put_event(out(), store, NULL, event, &error);
            put_close(out(), '}');
        } else {
            text_add_format(out(), "  %llu  ", (unsigned long long)event->sequence);
            text_add_time(out(), (int64_t)BP_HLC_MS(event->hlc) * 1000);
            text_add_string(out(), "  ");
            text_add_payload(out(), event, 0);
            text_add_char(out(), '\n');
        }
    }
    if (given.json && *count_out > 0) {
        put_close(out(), ']');
    }
    bp_iterator_close(iterator);
    return status == BP_END ? 0 : fail(&error);
}

static int tell_event(bp_store *store, const bp_event *event)
{
    bp_error error = {0};
    uint64_t denials = 0;
    int code;

    if (given.json) {
        put_open(out(), "event", '{');
        if (put_event(out(), store, NULL, event, &error) != BP_OK) {
            return fail(&error);
        }
        put_close(out(), '}');
    } else {
        text_add_format(out(), "event %llu  ", (unsigned long long)event->sequence);
        add_name(out(), event);
        text_add_string(out(), "  ");
        text_add_kind(out(), store, event->kind);
        text_add_string(out(), "\ncommitted ");
        text_add_time(out(), (int64_t)BP_HLC_MS(event->hlc) * 1000);
        text_add_string(out(), "  id ");
        text_add_id(out(), &event->id);
        text_add_string(out(), "\npayload: ");
        text_add_payload(out(), event, 0);
        text_add_char(out(), '\n');
    }
    tell_gates(event);
    tell_bypass(event);
    code = tell_chain(store, event);
    if (code == 0) {
        code = tell_causes(store, event);
    }
    return code != 0 ? code : tell_denials(store, &event->id, &denials);
}

/* No event of that id: it may have been asked for, and refused. */
static int tell_absent(bp_store *store, const bp_id *id)
{
    char text[BP_ID_TEXT_SIZE];
    uint64_t denials = 0;
    int code = tell_denials(store, id, &denials);

    bp_id_print(id, text);
    if (code == 0 && denials > 0) {
        say("there is no event %s: it was denied", text);
    } else if (code == 0) {
        say("there is no event %s, and no denial of it on record", text);
    }
    return code != 0 ? code : EXIT_NO;
}

static int run(size_t count, char **arguments)
{
    const bp_event *event = NULL;
    bp_store *store = NULL;
    bp_error error = {0};
    bp_status status;
    bp_id id;
    int code = open_reader(arguments[0], &store);

    (void)count;
    if (code != 0) {
        return code;
    }
    code = id_find(store, arguments[1], &id);
    if (code == 0) {
        if (given.json) {
            put_open(out(), NULL, '{');
        }
        status = bp_get(store, &id, &event, &error);
        code = status == BP_OK              ? tell_event(store, event)
               : status == BP_ERR_NOT_FOUND ? tell_absent(store, &id)
                                            : fail(&error);
        if (given.json) {
            put_close(out(), '}');
            text_add_char(out(), '\n');
        }
        bp_event_release(event);
    }
    return close_store(store, code);
}

const struct verb verb_why = {
    .name = "why",
    .summary = "the story of an event: gates, causes, chain, denials",
    .arguments = "DIR ID",
    .about =
        "Shows the event ID (a UUID, a sequence or urn:NAMESPACE:TEXT), the gates it passed or the reason why they\n"
        "were bypassed, its place in its chain, and what led to it. Of an id that was refused it shows the\n"
        "denials on record.",
    .examples = "batpak why ./s 12\nbatpak why ./s urn:order:7 --json",
    .exits = "0  shown\n1  no such event (denials are shown) or store\n2  the command line is wrong\n"
             "3  the store is damaged, or a link does not hold\n4  the system refused",
    .groups = {options},
    .least = 2,
    .most = 2,
    .run = run,
};
