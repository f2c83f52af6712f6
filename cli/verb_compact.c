/*
 * verb_compact.c: takes events away by rules, and makes few segments of many.
 */
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "progress.h"
#include "session.h"
#include "times.h"
#include "verbs.h"

static struct {
    struct option_list drop;
    const char *older_than;
    uint64_t keep_last;
    uint32_t min_segments;
    bool stub_tombstoned;
    bool dry_run;
    bool json;
} given = {.keep_last = UINT64_MAX, .min_segments = 2};

static const struct option options[] = {
    {"drop", 0, OPTION_LIST, &given.drop, "REGION", "drop what lies in it, such as 'entity=log:*'; may be repeated",
     NULL},
    {"older-than", 0, OPTION_TEXT, &given.older_than, "WHEN",
     "drop what was committed before this time, or longer\nago than 90s, 15m, 12h, 30d, 8w", NULL},
    {"keep-last", 0, OPTION_U64, &given.keep_last, "NUMBER", "keep so many newest events of each entity", NULL},
    {"stub-tombstoned", 0, OPTION_FLAG, &given.stub_tombstoned, NULL, "take the payloads of what is tombstoned", NULL},
    {"min-segments", 0, OPTION_U32, &given.min_segments, "NUMBER",
     "make one segment only of so many neighbours or more\n(2)", NULL},
    {"dry-run", 'n', OPTION_FLAG, &given.dry_run, NULL, "tell what would be done, and do nothing", NULL},
    {"json", 0, OPTION_FLAG, &given.json, NULL, "JSON instead of words", NULL},
    {.name = NULL},
};

static bool show_progress(void *context, const char *what, uint64_t done, uint64_t total)
{
    progress_callback(context, what, done, total);
    return true;
}

static int64_t now_us(void)
{
    struct timespec now;

    (void)clock_gettime(CLOCK_REALTIME, &now);
    return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

static int read_older_than(int64_t *before_us_out)
{
    size_t size = strlen(given.older_than);
    int64_t span_us = 0;

    if (duration_parse(given.older_than, size, &span_us)) {
        *before_us_out = now_us() - span_us;
    } else if (!time_parse(given.older_than, size, before_us_out)) {
        return fail_usage("--older-than wants a time as 2026-01-31 or a span as 30d, not '%s'", given.older_than);
    }
    return *before_us_out > 0 ? 0 : fail_usage("--older-than %s: nothing is as old", given.older_than);
}

static void print_json(const bp_compact_report *report)
{
    struct text *text = out();

    text_add_char(text, '{');
    put_bool(text, "done", !given.dry_run);
    put_u64(text, "segments", report->segments);
    put_u64(text, "rewritten", report->rewritten);
    put_u64(text, "written", report->written);
    put_u64(text, "bytes_before", report->bytes_before);
    put_u64(text, "bytes_after", report->bytes_after);
    put_u64(text, "events_dropped", report->events_dropped);
    put_u64(text, "events_kept", report->events_kept);
    put_u64(text, "events_gone", report->events_gone);
    put_u64(text, "events_stubbed", report->events_stubbed);
    put_u64(text, "linked", report->linked);
    text_add_string(text, "}\n");
}

static void print_words(const bp_compact_report *report)
{
    struct text *text = out();

    text_add_string(text, given.dry_run ? "would drop " : "dropped ");
    text_add_count(text, report->events_dropped);
    text_add_string(text, " of ");
    text_add_count(text, report->events_kept + report->events_dropped);
    text_add_string(text, " events in sealed segments");
    if (report->events_gone > 0) {
        text_add_string(text, ", ");
        text_add_count(text, report->events_gone);
        text_add_string(text, " had been dropped before");
    }
    if (given.stub_tombstoned) {
        text_add_string(text, given.dry_run ? "; would take the payloads of " : "; took the payloads of ");
        text_add_count(text, report->events_stubbed);
        text_add_string(text, " tombstoned ones");
    }
    text_add_char(text, '\n');
    if (report->rewritten == 0) {
        text_add_string(text, "no segment is to be rewritten\n");
        return;
    }
    text_add_count(text, report->rewritten);
    text_add_string(text, " of ");
    text_add_count(text, report->segments);
    text_add_string(text, given.dry_run ? " segments would become " : " segments became ");
    text_add_count(text, report->written);
    text_add_string(text, ", ");
    text_add_bytes(text, report->bytes_before);
    text_add_string(text, given.dry_run ? " would become " : " became ");
    text_add_bytes(text, report->bytes_after);
    text_add_char(text, '\n');
}

static int compact(bp_store *store, bp_compact_options *how)
{
    struct progress progress;
    bp_compact_report report;
    bp_error error = {0};
    bp_status status;

    progress_begin(&progress, "surveying", NULL);
    how->progress = show_progress;
    how->progress_context = &progress;
    status = bp_compact(store, how, &report, &error);
    progress_end(&progress);
    if (status != BP_OK) {
        if (report.rewritten > 0) {
            say("%llu segments were done before that, and stay so; the same command goes on",
                (unsigned long long)report.rewritten);
        }
        return fail(&error);
    }
    if (given.json) {
        print_json(&report);
    } else {
        print_words(&report);
    }
    if (report.segments == 0) {
        say("no segment is sealed yet, and only sealed ones are compacted: batpak seal");
    } else if (report.linked > 0) {
        say("%llu of the old segments have other names (hard links, as snapshots make them), which keep the bytes",
            (unsigned long long)report.linked);
    }
    if (report.events_dropped + report.events_stubbed > 0 && !given.dry_run) {
        say("snapshots, hard links to old segments and readers that are open may still hold what was taken away");
    }
    return 0;
}

static int read_regions(bp_store *store, bp_region *regions, bp_region_text **owners)
{
    bp_error error = {0};

    for (size_t i = 0; i < given.drop.count; i++) {
        const char *text = given.drop.items[i];

        if (text[strspn(text, " \t\r\n")] == '\0') {
            return fail_usage("'%s' is no region; leave it out if any event may go", text);
        }
        if (bp_region_parse(store, text, &regions[i], &owners[i], &error) != BP_OK) {
            return fail(&error);
        }
    }
    return 0;
}

static int find_and_compact(bp_store *store, bp_compact_options *how)
{
    bp_region *regions = memory_resize(NULL, (given.drop.count + 1) * sizeof *regions);
    bp_region_text **owners = memory_resize(NULL, (given.drop.count + 1) * sizeof *owners);
    int code;

    memset(owners, 0, (given.drop.count + 1) * sizeof *owners);
    code = read_regions(store, regions, owners);
    if (code == 0) {
        how->drop = regions;
        how->drop_count = given.drop.count;
        code = compact(store, how);
    }
    for (size_t i = 0; i < given.drop.count; i++) {
        bp_region_text_free(owners[i]);
    }
    free(owners);
    free(regions);
    return code;
}

static int run(size_t count, char **arguments)
{
    bp_compact_options how;
    bp_store *store = NULL;
    int code = 0;

    (void)count;
    bp_compact_options_init(&how);
    if (given.keep_last == 0 || given.min_segments < 2) {
        return fail_usage(given.keep_last == 0 ? "--keep-last wants 1 or more; to keep none, leave it out"
                                               : "--min-segments wants 2 or more");
    }
    if (given.older_than != NULL) {
        code = read_older_than(&how.committed_before_us);
    }
    if (code == 0) {
        code = open_writer(arguments[0], BP_DURABILITY_DEFAULT, 0, &store);
    }
    if (code != 0) {
        return code;
    }
    how.keep_last = given.keep_last != UINT64_MAX ? given.keep_last : 0;
    how.min_segments = given.min_segments;
    how.plan_only = given.dry_run;
    how.stub_tombstoned = given.stub_tombstoned;
    code = find_and_compact(store, &how);
    free(given.drop.items);
    return close_store(store, code);
}

const struct verb verb_compact = {
    .name = "compact",
    .summary = "drop events by rules, and make few segments of many",
    .arguments = "DIR [--drop REGION...] [--older-than WHEN] [--keep-last NUMBER]",
    .about = "An event is dropped for good if it meets every rule that is given; with none, segments are only merged.\n"
             "System events, and what is not sealed yet (batpak seal), are kept. Heads, clocks, ids and proofs go on.\n"
             "Stopped in the middle, the same command goes on. More in docs/guide/compaction.md.",
    .examples = "batpak compact ./s\n"
                "batpak compact ./s --drop 'entity=log:*' --older-than 30d --dry-run\n"
                "batpak compact ./s --drop kind=sensor.read --drop scope=test --keep-last 100",
    .exits = "0  done, or nothing was to be done\n1  no such store\n2  the command line is wrong\n"
             "3  a segment is damaged; it was not touched\n4  the system refused, or another process writes the store",
    .groups = {options},
    .least = 1,
    .most = 1,
    .run = run,
};
