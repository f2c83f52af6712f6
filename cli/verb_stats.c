/*
 * verb_stats.c: counts, sizes, frontiers, segments.
 */
#include "session.h"
#include "table.h"
#include "times.h"
#include "verbs.h"

static struct {
    bool json;
    bool prometheus;
    bool segments;
} given;

static const struct option options[] = {
    {"segments", 0, OPTION_FLAG, &given.segments, NULL, "the segments too", NULL},
    {"json", 0, OPTION_FLAG, &given.json, NULL, "one JSON object", NULL},
    {"prometheus", 0, OPTION_FLAG, &given.prometheus, NULL, "Prometheus text format", NULL},
    {.name = NULL},
};

static const struct column columns[] = {{"SEGMENT", false}, {"STATE", false}, {"FIRST", true}, {"EVENTS", true},
                                        {"BYTES", true},    {"FILE", true},   {"ROOT", false}};

static const char *const layout_names[] = {"default", "aos", "aosoa8", "aosoa16", "aosoa64", "soa", "soaos"};

static const char *layout_name(bp_layout layout)
{
    size_t index = (size_t)layout;

    return index < sizeof layout_names / sizeof layout_names[0] ? layout_names[index] : "?";
}

static int add_segment(void *argument, const bp_segment_info *segment)
{
    struct table *table = argument;

    table_add(table, segment->name);
    table_add(table, segment->sealed ? "sealed" : "active");
    text_add_u64(table_cell(table), segment->first_sequence);
    table_next(table);
    table_add_count(table, segment->events);
    table_add_count(table, segment->bytes);
    table_add_count(table, segment->file_bytes);
    if (segment->sealed) {
        text_add_hex(table_cell(table), segment->root.bytes, 8);
    }
    table_next(table);
    return 0;
}

static int put_segment(void *argument, const bp_segment_info *segment)
{
    struct text *text = argument;

    put_open(text, NULL, '{');
    put_string(text, "segment", segment->name);
    put_u64(text, "ordinal", segment->ordinal);
    put_u64(text, "generation", segment->generation);
    put_bool(text, "sealed", segment->sealed);
    put_u64(text, "first_sequence", segment->first_sequence);
    put_u64(text, "events", segment->events);
    put_u64(text, "bytes", segment->bytes);
    put_u64(text, "file_bytes", segment->file_bytes);
    if (segment->sealed) {
        put_hash(text, "root", &segment->root);
    }
    put_close(text, '}');
    return 0;
}

static void put_frontiers(struct text *text, const bp_frontiers *frontiers)
{
    put_open(text, "frontiers", '{');
    put_u64(text, "published", frontiers->published);
    put_u64(text, "durable", frontiers->durable);
    put_u64(text, "published_lsn", frontiers->published_lsn);
    put_u64(text, "durable_lsn", frontiers->durable_lsn);
    put_u64(text, "epoch", frontiers->epoch);
    put_bool(text, "failed", frontiers->failed);
    put_close(text, '}');
}

static int print_json(bp_store *store, const bp_stats *stats)
{
    struct text *text = out();
    bp_error error = {0};

    text_add_char(text, '{');
    put_string(text, "path", bp_store_path(store));
    put_id(text, "store_id", &stats->store_id);
    put_u64(text, "events", stats->events);
    put_u64(text, "system_events", stats->system_events);
    put_u64(text, "tombstoned", stats->tombstoned);
    put_u64(text, "entities", stats->entities);
    put_u64(text, "scopes", stats->scopes);
    put_u64(text, "kinds", stats->kinds);
    put_u64(text, "segments", stats->segments);
    put_u64(text, "sealed_segments", stats->sealed_segments);
    put_u64(text, "log_bytes", stats->log_bytes);
    put_u64(text, "file_bytes", stats->file_bytes);
    put_u64(text, "mapped_bytes", stats->mapped_bytes);
    put_u64(text, "heap_bytes", stats->heap_bytes);
    put_u64(text, "index_bytes", stats->index_bytes);
    put_u64(text, "index_files", stats->index_files);
    put_u64(text, "index_file_bytes", stats->index_file_bytes);
    put_hlc(text, "last_hlc", stats->last_hlc);
    put_frontiers(text, &stats->frontiers);
    put_u64(text, "cuts", stats->cuts);
    put_u64(text, "cut_lsn", stats->cut_lsn);
    put_u64(text, "cut_bytes", stats->cut_bytes);
    put_u64(text, "segment_size", stats->options.segment_size);
    put_string(text, "layout", layout_name(stats->options.layout));
    if (given.segments) {
        put_open(text, "segment_list", '[');
        if (bp_segments(store, put_segment, text, &error) != BP_OK) {
            return fail(&error);
        }
        put_close(text, ']');
    }
    text_add_string(text, "}\n");
    return 0;
}

static struct text *label(const char *name)
{
    text_add_style(out(), STYLE_DIM);
    text_add_format(out(), "%-12s", name);
    text_add_style(out(), STYLE_PLAIN);
    return out();
}

static void line_count(const char *name, uint64_t count)
{
    text_add_count(label(name), count);
    text_add_char(out(), '\n');
}

static void line_bytes(const char *name, uint64_t bytes, const char *words)
{
    text_add_bytes(label(name), bytes);
    text_add_format(out(), "%s\n", words);
}

static void print_counts(const bp_store *store, const bp_stats *stats)
{
    text_add_format(label("store"), "%s, ", bp_store_path(store));
    text_add_id(out(), &stats->store_id);
    text_add_count((text_add_char(out(), '\n'), label("events")), stats->events);
    if (stats->system_events > 0) {
        text_add_string(out(), ", of them ");
        text_add_count(out(), stats->system_events);
        text_add_string(out(), " of the system");
    }
    if (stats->tombstoned > 0) {
        text_add_string(out(), ", ");
        text_add_count(out(), stats->tombstoned);
        text_add_string(out(), " tombstoned");
    }
    text_add_char(out(), '\n');
    line_count("entities", stats->entities);
    line_count("scopes", stats->scopes);
    line_count("kinds", stats->kinds);
    text_add_count(label("segments"), stats->segments);
    text_add_string(out(), ", sealed ");
    text_add_count(out(), stats->sealed_segments);
    text_add_string(out(), ", new ones of ");
    text_add_bytes(out(), stats->options.segment_size);
    text_add_char(out(), '\n');
    text_add_format(label("layout"), "%s\n", layout_name(stats->options.layout));
    line_bytes("log", stats->log_bytes, "");
    line_bytes("files", stats->file_bytes, "");
    line_bytes("index", stats->index_bytes, " in memory, of this process");
    line_bytes("index files", stats->index_file_bytes, "");
}

static void print_state(const bp_stats *stats)
{
    const bp_frontiers *frontiers = &stats->frontiers;

    text_add_count(label("published"), frontiers->published);
    text_add_string(out(), frontiers->failed ? " events; a write failed, reopen the store\n" : " events\n");
    text_add_count(label("durable"), frontiers->durable);
    text_add_string(out(), " events\n");
    if (stats->last_hlc > 0) {
        text_add_time(label("last commit"), (int64_t)BP_HLC_MS(stats->last_hlc) * 1000);
        out()->size -= 3;
        text_add_char(out(), '\n');
    }
    text_add_format(label("epoch"), "%u\n", (unsigned)frontiers->epoch);
    if (stats->cuts > 0) {
        text_add_format(label("cuts"), "%u, the last at segment %llu, offset %llu, %llu bytes kept aside\n",
                        (unsigned)stats->cuts, (unsigned long long)(stats->cut_lsn >> 32),
                        (unsigned long long)(stats->cut_lsn & UINT32_MAX), (unsigned long long)stats->cut_bytes);
    }
}

static int print_human(bp_store *store, const bp_stats *stats)
{
    static struct table table;
    bp_error error = {0};
    int code = 0;

    print_counts(store, stats);
    print_state(stats);
    if (given.segments) {
        text_add_char(out(), '\n');
        table_begin(&table, columns, sizeof columns / sizeof columns[0]);
        if (bp_segments(store, add_segment, &table, &error) != BP_OK) {
            code = fail(&error);
        }
        table_end(&table);
    }
    return code;
}

static int run(size_t count, char **arguments)
{
    bp_store *store = NULL;
    bp_stats stats = {.size = sizeof stats};
    bp_error error = {0};
    int code;

    (void)count;
    if (given.prometheus && (given.json || given.segments)) {
        return fail_usage("--prometheus stands alone");
    }
    code = open_reader(arguments[0], &store);
    if (code != 0) {
        return code;
    }
    if (given.prometheus) {
        /* The library prints to a stream; nothing of ours is waiting in the buffer. */
        code = bp_metrics_write(store, stdout, &error) == BP_OK ? 0 : fail(&error);
        if (fflush(stdout) != 0) {
            code = EXIT_IO;
        }
    } else if (bp_store_stats(store, &stats, &error) != BP_OK) {
        code = fail(&error);
    } else {
        code = given.json ? print_json(store, &stats) : print_human(store, &stats);
    }
    return close_store(store, code);
}

const struct verb verb_stats = {
    .name = "stats",
    .summary = "show counts, sizes, frontiers and segments",
    .arguments = "DIR",
    .about = "Published events are visible to readers, durable ones survive a power cut. System events, which\n"
             "the store writes for itself, are counted with the others.",
    .examples = "batpak stats ./s\nbatpak stats ./s --segments\nbatpak stats ./s --json | jq .events",
    .exits = exits_of_reading,
    .groups = {options},
    .least = 1,
    .most = 1,
    .run = run,
};
