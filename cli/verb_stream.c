/*
 * verb_stream.c: one entity's events.
 */
#include <string.h>

#include "history.h"
#include "show.h"
#include "verbs.h"

static struct {
    bool backward;
    bool json;
    uint64_t limit;
    const char *after;
    const char *as_of;
    bool diff;
    bool step;
} given;

static const struct option options[] = {
    {"backward", 'b', OPTION_FLAG, &given.backward, NULL, "newest first", NULL},
    {"limit", 'n', OPTION_U64, &given.limit, "N", "at most N events", NULL},
    {"after", 0, OPTION_TEXT, &given.after, "SEQUENCE", "go on behind this event, in the stream's direction", NULL},
    {"as-of", 0, OPTION_TEXT, &given.as_of, "POINT", "as it was then: a sequence, or a time of commit", NULL},
    {"diff", 0, OPTION_FLAG, &given.diff, NULL, "what came after point A, up to point B", NULL},
    {"step", 0, OPTION_FLAG, &given.step, NULL, "event by event, forward and back, payloads side by side", NULL},
    {"json", 0, OPTION_FLAG, &given.json, NULL, "one line of JSON for each event", NULL},
    {.name = NULL},
};

/* The stream, narrowed to the points in time that were given. */
static int find_region(size_t count, char **arguments, bp_region *region_out)
{
    *region_out = bp_region_stream(arguments[1]);
    if (given.diff != (count == 4) || count == 3) {
        return fail_usage(given.diff ? "--diff wants two points: batpak stream DIR ENTITY --diff A B"
                                     : "only DIR and ENTITY are wanted, and two points with --diff");
    }
    if (given.diff && given.as_of != NULL) {
        return fail_usage("--as-of and --diff do not go together");
    }
    if (given.diff) {
        return history_between(region_out, arguments[2], arguments[3]);
    }
    return given.as_of != NULL ? history_as_of(region_out, given.as_of) : 0;
}

static int show_stream(bp_store *store, const bp_region *region, const bp_query_options *query)
{
    bp_iterator *iterator = NULL;
    bp_error error = {0};
    struct show show;
    int code;

    if (bp_query(store, region, query, &iterator, &error) != BP_OK) {
        return fail(&error);
    }
    show_begin(&show, store, given.json, false);
    code = show_all(&show, iterator, NULL);
    show_end(&show);
    return code;
}

static int run(size_t count, char **arguments)
{
    bp_query_options query;
    bp_store *store = NULL;
    bp_region region;
    int code = find_region(count, arguments, &region);

    if (code != 0) {
        return code;
    }
    bp_query_options_init(&query);
    query.backward = given.backward;
    query.limit = given.limit;
    query.resume = given.after != NULL;
    if (given.after != NULL && !number_parse(given.after, strlen(given.after), &query.resume_after)) {
        return fail_usage("--after wants a sequence, not '%s'", given.after);
    }
    if (given.step && (given.json || given.backward || query.limit != 0 || query.resume)) {
        return fail_usage("--step goes with --as-of and --diff only");
    }
    code = open_reader(arguments[0], &store);
    if (code != 0) {
        return code;
    }
    code = given.step ? history_step(store, &region) : show_stream(store, &region, &query);
    return close_store(store, code);
}

const struct verb verb_stream = {
    .name = "stream",
    .summary = "show one entity's events",
    .arguments = "DIR ENTITY [A B]",
    .about =
        "ENTITY is one name as it is, in all its scopes; for prefixes see batpak query.\n"
        "A point in time is a sequence, or a time of commit: 2026-01-31, 2026-01-31T12:00:00Z; a date means its end.\n"
        "With --step: n or right goes on, p or left goes back, g and G to the ends, q quits.",
    .examples = "batpak stream ./s order:1\nbatpak stream ./s order:1 --backward --limit 1 --json\n"
                "batpak stream ./s order:1 --as-of 2026-01-31\nbatpak stream ./s order:1 --diff 10 20\n"
                "batpak stream ./s order:1 --step",
    .exits = exits_of_reading,
    .groups = {options},
    .least = 2,
    .most = 4,
    .run = run,
};
