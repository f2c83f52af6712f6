/*
 * verb_erase.c: takes payloads out of the log, for good.
 */
#include <stdlib.h>
#include <string.h>

#include "progress.h"
#include "session.h"
#include "verbs.h"

static struct {
    struct option_list ids;
    const char *region;
    const char *subject;
    const char *reason;
    const char *by;
    bool dry_run;
    bool json;
} given;

static const struct option options[] = {
    {"id", 0, OPTION_LIST, &given.ids, "ID", "this event, also by sequence; may be repeated", NULL},
    {"region", 0, OPTION_TEXT, &given.region, "REGION", "what lies in it now, such as 'entity=person:7:*'", NULL},
    {"subject", 0, OPTION_TEXT, &given.subject, "NAME",
     "what is encrypted for this subject, its key and its\nname included", NULL},
    {"reason", 0, OPTION_TEXT, &given.reason, "TEXT", "why, for the record that stays; name nobody in it", NULL},
    {"by", 0, OPTION_TEXT, &given.by, "WHO", "who decided it", NULL},
    {"dry-run", 'n', OPTION_FLAG, &given.dry_run, NULL, "count, and do nothing", NULL},
    {"json", 0, OPTION_FLAG, &given.json, NULL, "JSON instead of words", NULL},
    {.name = NULL},
};

static bool show_progress(void *context, const char *what, uint64_t done, uint64_t total)
{
    (void)what;
    progress_show(context, done, total);
    return true;
}

/* A snapshot that was taken of the store may hold what is erased now. */
static int name_snapshot(void *argument, const bp_snapshot_info *snapshot)
{
    (void)argument;
    if (given.json) {
        put_string(out(), NULL, snapshot->path);
    } else {
        say("the snapshot %s may still hold the bytes%s", snapshot->path,
            snapshot->present ? "" : ", wherever it is now");
    }
    return 0;
}

/* *error says why not all could be named. */
static bp_status name_snapshots(bp_store *store, bp_error *error)
{
    if (given.json) {
        put_open(out(), "snapshots", '[');
    }
    bp_status status = bp_snapshots(store, name_snapshot, NULL, error);
    if (given.json) {
        put_close(out(), ']');
    }
    return status;
}

static bp_status print_report(bp_store *store, const bp_erase_report *report, const bp_key_report *key, bool finished,
                              bp_error *error)
{
    struct text *text = out();
    bp_status status = BP_OK;

    if (given.json) {
        text_add_char(text, '{');
        put_u64(text, "found", report->found);
        put_u64(text, "before", report->before);
        put_u64(text, "erased", report->erased);
        put_u64(text, "segments", report->segments);
        put_u64(text, "bytes", report->bytes);
        put_u64(text, "torn", report->torn);
        put_u64(text, "caches", report->caches);
        put_u64(text, "linked", report->linked);
        put_bool(text, "finished", finished);
        put_bool(text, "key_destroyed", key->destroyed);
        if (key->sequence != BP_NONE) {
            put_u64(text, "key_record", key->sequence);
        }
        if (report->sequence != BP_NONE) {
            put_u64(text, "record", report->sequence);
        }
        status = name_snapshots(store, error);
        text_add_string(text, "}\n");
        return status;
    }
    text_add_format(text, "%s %llu events, %llu were erased before\n", given.dry_run ? "would erase" : "erased",
                    (unsigned long long)(given.dry_run ? report->found : report->erased),
                    (unsigned long long)report->before);
    if (given.dry_run) {
        return BP_OK;
    }
    text_add_format(text, "%llu segments rewritten, %llu .torn files and %llu cached files removed%s\n",
                    (unsigned long long)report->segments, (unsigned long long)report->torn,
                    (unsigned long long)report->caches, key->destroyed ? ", the subject's key destroyed" : "");
    if (key->sequence != BP_NONE) {
        text_add_format(text, "the key's destruction on record as event %llu\n", (unsigned long long)key->sequence);
    }
    if (report->sequence != BP_NONE) {
        text_add_format(text, "on record as event %llu\n", (unsigned long long)report->sequence);
    }
    if (report->linked > 0) {
        say("%llu old segments have other names (hard links, as snapshots make them), which keep the bytes",
            (unsigned long long)report->linked);
    }
    if (report->found > 0 || key->destroyed) {
        status = name_snapshots(store, error);
        say("copies that the store does not know of, backups, and caches and read models elsewhere may still hold the "
            "bytes");
    }
    return status;
}

/* It was stopped: what is done stays done, and what is on record is finished. */
static void print_rest(bp_store *store, const bp_erase_report *report, const bp_key_report *key)
{
    bp_error unused = {0};

    if (key->destroyed) {
        say("the subject's key is destroyed, on record as event %llu: what was encrypted with it is unreadable",
            (unsigned long long)key->sequence);
    }
    if (report->sequence == BP_NONE) {
        say("nothing is known to be on record, and no event was erased; ask again");
    } else {
        say("%llu of %llu events are erased; the rest is on record as event %llu and is erased by the next opening for "
            "writing, or by the same command",
            (unsigned long long)report->erased, (unsigned long long)report->found,
            (unsigned long long)report->sequence);
    }
    if (given.json) {
        (void)print_report(store, report, key, false, &unused);
    }
}

/* The subject's key goes first: from then on what a crash may leave behind is unreadable. */
static int destroy_key(bp_store *store, bp_key_report *report)
{
    bp_key_options why;
    bp_error error = {0};

    bp_key_options_init(&why);
    why.reason = given.reason;
    why.by = given.by;
    return bp_key_destroy(store, given.subject, &why, report, &error) == BP_OK ? 0 : fail(&error);
}

static int erase(bp_store *store, bp_erase_options *erase_options)
{
    struct progress progress;
    bp_erase_report report;
    bp_key_report key = {.sequence = BP_NONE};
    bp_error error = {0};
    bp_status status;

    int code = given.subject != NULL && !given.dry_run ? destroy_key(store, &key) : 0;
    if (code != 0) {
        return code;
    }
    progress_begin(&progress, "rewritten", "bytes");
    erase_options->progress = show_progress;
    erase_options->progress_context = &progress;
    status = bp_erase(store, erase_options, &report, &error);
    progress_end(&progress);
    if (status != BP_OK) {
        code = fail(&error);
        print_rest(store, &report, &key);
        return code;
    }
    return print_report(store, &report, &key, true, &error) == BP_OK ? 0 : fail(&error);
}

static int find_and_erase(bp_store *store)
{
    bp_erase_options what;
    bp_region region;
    bp_region_text *owner = NULL;
    bp_error error = {0};
    bp_id *ids = memory_resize(NULL, (given.ids.count + 1) * sizeof *ids);
    int code = 0;

    bp_erase_options_init(&what);
    what.ids = ids;
    what.id_count = given.ids.count;
    what.subject = given.subject;
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
        code = erase(store, &what);
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
    if ((given.ids.count > 0) + (given.region != NULL) + (given.subject != NULL) != 1) {
        return fail_usage("wants one of --id, --region and --subject");
    }
    if (given.region != NULL && given.region[strspn(given.region, " \t\r\n")] == '\0') {
        return fail_usage("'%s' is no region; to mean every event write sequence=0..", given.region);
    }
    if (!given.dry_run && (given.reason == NULL || given.by == NULL)) {
        return fail_usage("wants --reason and --by: they stay in the log as a proof");
    }
    code = open_writer(arguments[0], BP_DURABILITY_DEFAULT, 0, &store);
    if (code != 0) {
        return code;
    }
    code = find_and_erase(store);
    free(given.ids.items);
    return close_store(store, code);
}

const struct verb verb_erase = {
    .name = "erase",
    .summary = "take payloads out of the log, for good",
    .arguments = "DIR (--id ID... | --region REGION | --subject NAME) --reason TEXT --by WHO",
    .about = "The payloads are gone from every file of the store; stubs stay, so that everything still verifies.\n"
             "Entity, scope, kind, times and causes stay. Stopped in the middle, the same command goes on.",
    .examples =
        "batpak erase ./s --id 0192f0c1-2345-7abc-8def-0123456789ab --reason 'request 12' --by 'privacy office'\n"
        "batpak erase ./s --region 'entity=person:7:*' --dry-run\n"
        "batpak erase ./s --subject customer-4711 --reason 'request 13' --by 'privacy office'",
    .exits = "0  erased, or erased before\n1  no such store or event\n2  the command line is wrong\n"
             "3  the store is damaged\n4  the system refused, or another process writes the store",
    .groups = {options},
    .least = 1,
    .most = 1,
    .run = run,
};
