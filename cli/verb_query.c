/*
 * verb_query.c: the events of a region.
 */
#include <string.h>

#include "session.h"
#include "show.h"
#include "verbs.h"

static struct {
    bool backward;
    bool count;
    bool json;
    uint64_t limit;
    const char *after;
} given;

static const struct option options[] = {
    {"backward", 'b', OPTION_FLAG, &given.backward, NULL, "newest first", NULL},
    {"limit", 'n', OPTION_U64, &given.limit, "N", "at most N events", NULL},
    {"after", 0, OPTION_TEXT, &given.after, "SEQUENCE", "go on behind this event, in the query's direction", NULL},
    {"count", 'c', OPTION_FLAG, &given.count, NULL, "only how many there are", NULL},
    {"json", 0, OPTION_FLAG, &given.json, NULL, "one line of JSON for each event", NULL},
    {.name = NULL},
};

static int print_count(bp_store *store, const bp_region *region)
{
    bp_error error = {0};
    uint64_t count;

    if (bp_count(store, region, &count, &error) != BP_OK) {
        return fail(&error);
    }
    if (given.json) {
        text_add_char(out(), '{');
        put_u64(out(), "count", count);
        text_add_char(out(), '}');
    } else {
        text_add_u64(out(), count);
    }
    text_add_char(out(), '\n');
    return 0;
}

static int print_events(bp_store *store, const bp_region *region, const bp_query_options *query)
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
    bp_region_text *owner = NULL;
    int code;

    bp_query_options_init(&query);
    query.backward = given.backward;
    query.limit = given.limit;
    query.resume = given.after != NULL;
    if (given.after != NULL && !number_parse(given.after, strlen(given.after), &query.resume_after)) {
        return fail_usage("--after wants a sequence, not '%s'", given.after);
    }
    if (given.count && (given.limit > 0 || given.after != NULL)) {
        return fail_usage("--count counts the whole region; say sequence=A..B for a part of it");
    }
    code = open_reader(arguments[0], &store);
    if (code != 0) {
        return code;
    }
    code = region_read(store, count - 1, arguments + 1, &region, &owner);
    if (code == 0) {
        code = given.count ? print_count(store, &region) : print_events(store, &region, &query);
    }
    bp_region_text_free(owner);
    return close_store(store, code);
}

const struct verb verb_query = {
    .name = "query",
    .summary = "show the events of a region",
    .arguments = "DIR [FIELD=VALUE...]",
    .about = "Fields: entity=NAME entity=PREFIX:* scope=NAME kind=NAME|0xF001|15:1 category=0xF clock=A..B\n"
             "sequence=A..B lane=N time=A..B committed=A..B correlation=ID cause=ID system=yes tombstoned=no.\n"
             "All must hold; no field is every event. Ranges include both ends, either may be missing. Times are\n"
             "2026-01-31, 2026-01-31T12:00:00Z or microseconds since 1970. A value with spaces stands in double\n"
             "quotes.",
    .examples = "batpak query ./s 'entity=order:*' kind=order.placed\n"
                "batpak query ./s scope=eu time=2026-01-01.. --backward --limit 10\n"
                "batpak query ./s --entity 'my name' --json | jq .payload",
    .exits = exits_of_reading,
    .groups = {options, region_options},
    .least = 1,
    .most = SIZE_MAX,
    .run = run,
};
