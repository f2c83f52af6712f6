/*
 * verb_seal.c: closes the active segment under its root.
 */
#include "session.h"
#include "verbs.h"

static bool json;

static const struct option options[] = {
    {"json", 0, OPTION_FLAG, &json, NULL, "JSON instead of words", NULL},
    {.name = NULL},
};

/* The last sealed segment, and how many there are. */
struct found {
    bp_segment_info last;
    uint64_t sealed;
};

static int note_segment(void *argument, const bp_segment_info *segment)
{
    struct found *found = argument;

    if (segment->sealed) {
        found->last = *segment;
        found->sealed++;
    }
    return 0;
}

static void print_found(const struct found *found, bool new)
{
    const bp_segment_info *last = &found->last;
    struct text *text = out();

    if (json) {
        text_add_char(text, '{');
        put_bool(text, "sealed", new);
        if (found->sealed > 0) {
            put_string(text, "segment", last->name);
            put_u64(text, "first_sequence", last->first_sequence);
            put_u64(text, "events", last->events);
            put_u64(text, "bytes", last->bytes);
            put_hash(text, "root", &last->root);
        }
        text_add_string(text, "}\n");
        return;
    }
    if (!new) {
        say("the active segment is empty, there is nothing to seal");
        return;
    }
    text_add_format(text, "sealed %s: %llu events from sequence %llu, root ", last->name,
                    (unsigned long long)last->events, (unsigned long long)last->first_sequence);
    text_add_hex(text, last->root.bytes, sizeof last->root.bytes);
    text_add_char(text, '\n');
}

static int run(size_t count, char **arguments)
{
    struct found before = {0};
    struct found after = {0};
    bp_store *store = NULL;
    bp_error error = {0};
    int code = open_writer(arguments[0], BP_DURABILITY_DEFAULT, 0, &store);

    (void)count;
    if (code != 0) {
        return code;
    }
    if (bp_segments(store, note_segment, &before, &error) != BP_OK || bp_seal(store, &error) != BP_OK ||
        bp_segments(store, note_segment, &after, &error) != BP_OK) {
        code = fail(&error);
    } else {
        print_found(&after, after.sealed > before.sealed);
    }
    return close_store(store, code);
}

const struct verb verb_seal = {
    .name = "seal",
    .summary = "close the active segment and show its root",
    .arguments = "DIR",
    .about = "A sealed segment never changes again, and its Merkle root proves all its events.",
    .examples = "batpak seal ./s",
    .exits = "0  sealed, or nothing to seal\n1  no such store\n2  the command line is wrong\n3  the store is damaged\n"
             "4  the system refused",
    .groups = {options},
    .least = 1,
    .most = 1,
    .run = run,
};
