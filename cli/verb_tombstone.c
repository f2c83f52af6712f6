/*
 * verb_tombstone.c: says in the log that events no longer count.
 */
#include <stdlib.h>
#include <string.h>

#include "session.h"
#include "verbs.h"

static struct {
    struct option_list ids;
    const char *region;
    const char *reason;
    const char *by;
    bool dry_run;
    bool json;
} given;

static const struct option options[] = {
    {"id", 0, OPTION_LIST, &given.ids, "ID", "this event, also by sequence; may be repeated", NULL},
    {"region", 0, OPTION_TEXT, &given.region, "REGION", "what lies in it now, such as 'entity=order:7'", NULL},
    {"reason", 0, OPTION_TEXT, &given.reason, "TEXT", "why; it stays in the log", NULL},
    {"by", 0, OPTION_TEXT, &given.by, "WHO", "who decided it", NULL},
    {"dry-run", 'n', OPTION_FLAG, &given.dry_run, NULL, "count, and do nothing", NULL},
    {"json", 0, OPTION_FLAG, &given.json, NULL, "JSON instead of words", NULL},
    {.name = NULL},
};

static void print_report(const bp_tombstone_report *report)
{
    struct text *text = out();

    if (given.json) {
        text_add_char(text, '{');
        put_u64(text, "found", report->found);
        put_u64(text, "before", report->before);
        put_u64(text, "tombstoned", report->buried);
        put_u64(text, "records", report->records);
        if (report->sequence != BP_NONE) {
            put_u64(text, "record", report->sequence);
        }
        text_add_string(text, "}\n");
        return;
    }
    text_add_format(
        text, "%s %llu events, %llu were tombstoned before\n", given.dry_run ? "would tombstone" : "tombstoned",
        (unsigned long long)(given.dry_run ? report->found : report->buried), (unsigned long long)report->before);
    if (report->sequence != BP_NONE) {
        text_add_format(text, "on record as event %llu", (unsigned long long)report->sequence);
        if (report->records > 1) {
            text_add_format(text, " and the %llu behind it", (unsigned long long)(report->records - 1));
        }
        text_add_char(text, '\n');
    }
}

static int bury(bp_store *store, const bp_tombstone_options *what)
{
    bp_tombstone_report report;
    bp_error error = {0};

    if (bp_tombstone(store, what, &report, &error) != BP_OK) {
        return fail(&error);
    }
    print_report(&report);
    return 0;
}

static int find_and_bury(bp_store *store)
{
    bp_tombstone_options what;
    bp_region region;
    bp_region_text *owner = NULL;
    bp_error error = {0};
    bp_id *ids = memory_resize(NULL, (given.ids.count + 1) * sizeof *ids);
    int code = 0;

    bp_tombstone_options_init(&what);
    what.ids = ids;
    what.id_count = given.ids.count;
    what.reason = given.reason;
    what.by = given.by;
    what.plan_only = given.dry_run;
    for (size_t i = 0; i < given.ids.count && code == 0; i++) {
        code = id_find(store, given.ids.items[i], &ids[i]);
    }
    if (code == 0 && given.region != NULL) {
        what.region = &region;
        code = bp_region_parse(store, given.region, &region, &owner, &error) == BP_OK ? 0 : fail(&error);
    }
    if (code == 0) {
        code = bury(store, &what);
    }
    bp_region_text_free(owner);
    free(ids);
    return code;
}

static int run(size_t count, char **arguments)
{
    bp_store *store = NULL;
    int code;

    (void)count;
    if ((given.ids.count > 0) == (given.region != NULL)) {
        return fail_usage("wants one of --id and --region");
    }
    if (given.region != NULL && given.region[strspn(given.region, " \t\r\n")] == '\0') {
        return fail_usage("'%s' is no region; to mean every event write sequence=0..", given.region);
    }
    if (!given.dry_run && (given.reason == NULL || given.by == NULL)) {
        return fail_usage("wants --reason and --by: they stay in the log");
    }
    code = open_writer(arguments[0], BP_DURABILITY_DEFAULT, 0, &store);
    if (code != 0) {
        return code;
    }
    code = find_and_bury(store);
    free(given.ids.items);
    return close_store(store, code);
}

const struct verb verb_tombstone = {
    .name = "tombstone",
    .summary = "say in the log that events no longer count",
    .arguments = "DIR (--id ID... | --region REGION) --reason TEXT --by WHO",
    .about =
        "Nothing is taken away: the events are shown as tombstoned from then on, by everybody. tombstoned=no in a\n"
        "region leaves them out. batpak compact --stub-tombstoned takes their payloads, batpak compact --drop\n"
        "tombstoned=yes the events; what must be forgotten is for batpak erase. There is no way back.",
    .examples =
        "batpak tombstone ./s --id 0192f0c1-2345-7abc-8def-0123456789ab --reason 'entered twice' --by 'clerk 7'\n"
        "batpak tombstone ./s --region 'entity=order:7' --dry-run\n"
        "batpak query ./s tombstoned=no",
    .exits = "0  tombstoned, or tombstoned before\n1  no such store or event\n2  the command line is wrong\n"
             "3  the store is damaged\n4  the system refused, or another process writes the store",
    .groups = {options},
    .least = 1,
    .most = 1,
    .run = run,
};
