/*
 * verb_stream.c: one entity's events.
 */
#include <string.h>

#include "session.h"
#include "show.h"
#include "verbs.h"

static struct {
    bool backward;
    bool json;
    uint64_t limit;
    const char *after;
} given;

static const struct option options[] = {
    {"backward", 'b', OPTION_FLAG, &given.backward, NULL, "newest first", NULL},
    {"limit", 'n', OPTION_U64, &given.limit, "N", "at most N events", NULL},
    {"after", 0, OPTION_TEXT, &given.after, "SEQUENCE", "go on behind this event, in the stream's direction", NULL},
    {"json", 0, OPTION_FLAG, &given.json, NULL, "one line of JSON for each event", NULL},
    {.name = NULL},
};

static int run(size_t count, char **arguments)
{
    bp_query_options query;
    bp_store *store = NULL;
    bp_iterator *iterator = NULL;
    bp_error error = {0};
    struct show show;
    int code;

    (void)count;
    bp_query_options_init(&query);
    query.backward = given.backward;
    query.limit = given.limit;
    query.resume = given.after != NULL;
    if (given.after != NULL && !number_parse(given.after, strlen(given.after), &query.resume_after)) {
        return fail_usage("--after wants a sequence, not '%s'", given.after);
    }
    code = open_reader(arguments[0], &store);
    if (code != 0) {
        return code;
    }
    if (bp_stream(store, arguments[1], &query, &iterator, &error) != BP_OK) {
        return close_store(store, fail(&error));
    }
    show_begin(&show, store, given.json, false);
    code = show_all(&show, iterator, NULL);
    show_end(&show);
    return close_store(store, code);
}

const struct verb verb_stream = {
    .name = "stream",
    .summary = "show one entity's events",
    .arguments = "DIR ENTITY",
    .about = "ENTITY is one name as it is, in all its scopes; for prefixes see batpak query.",
    .examples = "batpak stream ./s order:1\nbatpak stream ./s order:1 --backward --limit 1 --json",
    .exits = exits_of_reading,
    .groups = {options},
    .least = 2,
    .most = 2,
    .run = run,
};
