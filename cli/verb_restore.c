/*
 * verb_restore.c: a store out of a snapshot.
 */
#include "made.h"
#include "progress.h"
#include "session.h"
#include "verbs.h"

static bool without_keys;
static bool without_consumers;
static bool json;

static const struct option options[] = {
    {"without-consumers", 0, OPTION_FLAG, &without_consumers, NULL, "leave out positions of consumers", NULL},
    {"without-keys", 0, OPTION_FLAG, &without_keys, NULL, "leave out keys", NULL},
    {"json", 0, OPTION_FLAG, &json, NULL, "JSON instead of words", NULL},
    {.name = NULL},
};

static int run(size_t count, char **arguments)
{
    struct progress progress;
    bp_restore_options restoring;
    bp_snapshot_report report;
    bp_error error = {0};

    (void)count;
    bp_restore_options_init(&restoring);
    restoring.consumers = !without_consumers;
    restoring.keys = !without_keys;
    restoring.progress = progress_callback;
    restoring.progress_context = &progress;
    progress_begin(&progress, "proven and copied", NULL);
    bp_status status = bp_restore(arguments[0], arguments[1], &restoring, &report, &error);
    progress_end(&progress);
    if (status != BP_OK) {
        return fail(&error);
    }
    print_made("restored", arguments[1], &report, json);
    return EXIT_DONE;
}

const struct verb verb_restore = {
    .name = "restore",
    .summary = "make a store of a snapshot",
    .arguments = "SNAPSHOT TARGET",
    .about =
        "All of the snapshot is proven before anything is made. TARGET is missing or empty; every file in it is its\n"
        "own, and the snapshot is not changed. Consumers and keys come along if the snapshot has them.",
    .examples = "batpak restore ./backup/tuesday ./s",
    .exits = "0  done\n1  no such snapshot, or TARGET will not do\n2  the command line is wrong\n"
             "3  the snapshot is damaged or was never completed\n4  the system refused, or it is being written",
    .groups = {options},
    .least = 2,
    .most = 2,
    .run = run,
};
