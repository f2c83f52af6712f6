/*
 * verb_export.c: a region as JSON Lines, complete.
 */
#include "progress.h"
#include "session.h"
#include "show.h"
#include "verbs.h"

enum { PROGRESS_EVERY = 4096 };

static struct {
    bool all;
    bool stored;
    bool json;
} given;

static const struct option options[] = {
    {"all", 'a', OPTION_FLAG, &given.all, NULL, "everything, system events too: what import --exact\nwants", NULL},
    {"stored", 0, OPTION_FLAG, &given.stored, NULL,
     "payloads that are encrypted for a subject stay encrypted;\n--all says so too", NULL},
    {"json", 0, OPTION_FLAG, &given.json, NULL, "JSON Lines, as always", NULL},
    {.name = NULL},
};

static int export_events(bp_store *store, const bp_region *region)
{
    bp_iterator *iterator = NULL;
    bp_query_options query;
    const bp_event *event;
    bp_error error = {0};
    struct progress progress;
    struct show show;
    uint64_t published = bp_store_frontiers(store).published;
    uint64_t count = 0;
    bp_status status;

    bp_query_options_init(&query);
    query.stored = given.stored || given.all;
    if (bp_query(store, region, &query, &iterator, &error) != BP_OK) {
        return fail(&error);
    }
    show_begin(&show, store, true, false);
    progress_begin(&progress, "exported", "events");
    while ((status = bp_next(iterator, &event, &error)) == BP_OK && !out_closed()) {
        status = show_event(&show, event, 0, &error);
        if (status != BP_OK) {
            break;
        }
        if (++count % PROGRESS_EVERY == 0) {
            progress_show(&progress, event->sequence, published);
        }
    }
    progress_end(&progress);
    if (given.all && status == BP_END && count < published) {
        say("%llu events were dropped by retention and are not in it; import --exact wants all",
            (unsigned long long)(published - count));
    }
    show_end(&show);
    bp_iterator_close(iterator);
    return status == BP_OK || status == BP_END ? 0 : fail(&error);
}

static int run(size_t count, char **arguments)
{
    bp_store *store = NULL;
    bp_region region;
    bp_region_text *owner = NULL;
    int code = open_reader(arguments[0], &store);

    if (code != 0) {
        return code;
    }
    code = region_read(store, count - 1, arguments + 1, &region, &owner);
    if (code == 0 && given.all) {
        bp_region_set_system(&region, true);
        if (region.fields != (uint32_t)BP_REGION_SYSTEM) {
            code = fail_usage("--all is everything; leave it out to export a region");
        }
    }
    if (code == 0) {
        code = export_events(store, &region);
    }
    bp_region_text_free(owner);
    return close_store(store, code);
}

const struct verb verb_export = {
    .name = "export",
    .summary = "write the events of a region as JSON Lines",
    .arguments = "DIR [FIELD=VALUE...]",
    .about = "One event a line, in sequence order, with all that the store knows of it; batpak(1) names the fields.\n"
             "The fields of the region are those of batpak query. `payload` is there when importing it gives the\n"
             "very same bytes, else `payload_base64`. It stops at a damaged record: nothing is left out silently.",
    .examples = "batpak export ./s --all > all.jsonl\n"
                "batpak export ./s --all | batpak import ./copy --exact\n"
                "batpak export ./s 'entity=order:*' --since 2026-01-01 | gzip > orders.jsonl.gz",
    .exits = exits_of_reading,
    .groups = {options, region_options},
    .least = 1,
    .most = SIZE_MAX,
    .run = run,
};
