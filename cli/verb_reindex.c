/*
 * verb_reindex.c: builds what is derived anew from the log.
 */
#include <batpak/reindex.h>

#include "progress.h"
#include "session.h"
#include "verbs.h"

static bool json;

static const struct option options[] = {
    {"json", 0, OPTION_FLAG, &json, NULL, "JSON instead of words", NULL},
    {.name = NULL},
};

static void print_report(const bp_reindex_report *report)
{
    struct text *text = out();

    if (json) {
        text_add_char(text, '{');
        put_u64(text, "events", report->events);
        put_u64(text, "files", report->files);
        put_u64(text, "bytes", report->bytes);
        text_add_string(text, "}\n");
        return;
    }
    text_add_string(text, "indexed ");
    text_add_count(text, report->events);
    text_add_string(text, " events: ");
    text_add_count(text, report->files);
    text_add_string(text, report->files == 1 ? " file of " : " files of ");
    text_add_bytes(text, report->bytes);
    text_add_char(text, '\n');
}

static int run(size_t count, char **arguments)
{
    struct progress progress;
    bp_reindex_report report;
    bp_options store_options;
    bp_error error = {0};

    (void)count;
    bp_options_init(&store_options);
    store_options.create = false;
    store_options.progress = progress_callback;
    store_options.progress_context = &progress;
    progress_begin(&progress, "indexing", NULL);
    bp_status status = bp_reindex(arguments[0], &store_options, &report, &error);
    progress_end(&progress);
    if (status != BP_OK) {
        return fail(&error);
    }
    print_report(&report);
    return EXIT_DONE;
}

const struct verb verb_reindex = {
    .name = "reindex",
    .summary = "build the index anew from the log",
    .arguments = "DIR",
    .about = "Index files are derived: none of them is needed, and no answer depends on them. This throws them away,\n"
             "reads the whole log and writes new ones. The store must not be open for writing.",
    .examples = "batpak reindex ./s",
    .exits = "0  done\n1  no such store\n2  the command line is wrong\n3  the store is damaged\n"
             "4  the system refused, or another process writes the store",
    .groups = {options},
    .least = 1,
    .most = 1,
    .run = run,
};
