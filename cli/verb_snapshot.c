/*
 * verb_snapshot.c: a copy of a store as of now, and what the store knows of its copies.
 */
#include <string.h>

#include "made.h"
#include "progress.h"
#include "session.h"
#include "times.h"
#include "verbs.h"

static const char *since;
static const char *forgotten;
static bool copy;
static bool with_keys;
static bool with_consumers;
static bool list;
static bool json;

static const struct option options[] = {
    {"since", 0, OPTION_TEXT, &since, "DIR", "an earlier snapshot: what it has already is linked from there", NULL},
    {"copy", 0, OPTION_FLAG, &copy, NULL, "share no files with the store", NULL},
    {"with-consumers", 0, OPTION_FLAG, &with_consumers, NULL, "with the positions of consumers", NULL},
    {"with-keys", 0, OPTION_FLAG, &with_keys, NULL, "with the keys: what is encrypted can be read from it alone", NULL},
    {"list", 0, OPTION_FLAG, &list, NULL, "show the snapshots that the store remembers, and make none", NULL},
    {"forget", 0, OPTION_TEXT, &forgotten, "ID", "forget a snapshot that is gone for good, and make none", NULL},
    {"json", 0, OPTION_FLAG, &json, NULL, "JSON instead of words", NULL},
    {.name = NULL},
};

static int show_one(void *argument, const bp_snapshot_info *snapshot)
{
    struct text *text = out();
    char id[BP_ID_TEXT_SIZE];

    (void)argument;
    if (json) {
        text_add_char(text, '{');
        put_id(text, "id", &snapshot->id);
        put_i64(text, "time", snapshot->time_us);
        put_u64(text, "events", snapshot->events);
        put_hash(text, "root", &snapshot->root);
        put_bool(text, "shares", snapshot->shares);
        put_bool(text, "keys", snapshot->keys);
        put_bool(text, "present", snapshot->present);
        put_string(text, "path", snapshot->path);
        text_add_string(text, "}\n");
        return 0;
    }
    bp_id_print(&snapshot->id, id);
    text_add_format(text, "%s  ", id);
    text_add_time(text, snapshot->time_us);
    text_add_string(text, "  ");
    text_add_count(text, snapshot->events);
    text_add_format(text, " events  %s%s%s\n", snapshot->path, snapshot->shares ? "  shares files" : "",
                    snapshot->present ? "" : "  gone from there");
    return 0;
}

static int forget(bp_store *store)
{
    bp_error error = {0};
    bp_id id;

    if (!bp_id_parse(forgotten, strlen(forgotten), &id)) {
        return fail_usage("'%s' is no id; batpak snapshot DIR --list shows them", forgotten);
    }
    return bp_snapshot_forget(store, &id, &error) == BP_OK ? EXIT_DONE : fail(&error);
}

static int make(bp_store *store, const char *path)
{
    struct progress progress;
    bp_snapshot_options making;
    bp_snapshot_report report;
    bp_error error = {0};

    bp_snapshot_options_init(&making);
    making.since = since;
    making.sharing = copy ? BP_SHARE_NOTHING : BP_SHARE_LINK;
    making.consumers = with_consumers;
    making.keys = with_keys;
    making.progress = progress_callback;
    making.progress_context = &progress;
    progress_begin(&progress, "copied and proven", NULL);
    bp_status status = bp_snapshot(store, path, &making, &report, &error);
    progress_end(&progress);
    if (status != BP_OK) {
        return fail(&error);
    }
    print_made("snapshot", path, &report, json);
    if (!report.recorded) {
        say("the store is read-only to you and has no note of this snapshot");
    }
    return EXIT_DONE;
}

static int run(size_t count, char **arguments)
{
    bp_store *store = NULL;
    bp_error error = {0};
    bool makes = !list && forgotten == NULL;

    if (makes != (count == 2) || (list && forgotten != NULL)) {
        return fail_usage(makes ? "where is the snapshot to be made?" : "--list and --forget make no snapshot");
    }
    int code = open_reader(arguments[0], &store);
    if (code != 0) {
        return code;
    }
    if (makes) {
        code = make(store, arguments[1]);
    } else if (forgotten != NULL) {
        code = forget(store);
    } else if (bp_snapshots(store, show_one, NULL, &error) != BP_OK) {
        code = fail(&error);
    }
    return close_store(store, code);
}

const struct verb verb_snapshot = {
    .name = "snapshot",
    .summary = "copy a store as of now into a new directory",
    .arguments = "DIR [TARGET]",
    .about =
        "Everything that is durable now, proven whole, while others go on writing. Sealed segments get a second name\n"
        "where that can be, so that they take no space; all else is copied. TARGET is missing or empty. It can be "
        "read\n"
        "and verified as it is; batpak restore makes a store of it. The root it prints, kept elsewhere, is what a\n"
        "later verify can be held against.",
    .examples = "batpak snapshot ./s ./backup/monday\n"
                "batpak snapshot ./s ./backup/tuesday --since ./backup/monday\n"
                "batpak snapshot ./s --list",
    .exits = "0  done\n1  no such store, or TARGET will not do\n2  the command line is wrong\n3  the store is damaged\n"
             "4  the system refused",
    .groups = {options},
    .least = 1,
    .most = 2,
    .run = run,
};
