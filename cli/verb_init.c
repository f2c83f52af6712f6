/*
 * verb_init.c: makes a store.
 */
#include "session.h"
#include "verbs.h"

static const char *const layouts[] = {"aos", "aosoa8", "aosoa16", "aosoa64", "soa", "soaos", NULL};

static struct {
    uint64_t segment_size;
    int layout;
    bool json;
} given = {.layout = -1};

static const struct option options[] = {
    {"segment-size", 0, OPTION_SIZE, &given.segment_size, "SIZE",
     "size of a segment file, 64K to 1G, a multiple of\n4K (64M)", NULL},
    {"layout", 0, OPTION_CHOICE, &given.layout, "NAME",
     "how index rows lie in memory: aos, aosoa8,\naosoa16, aosoa64, soa or soaos", layouts},
    {"json", 0, OPTION_FLAG, &given.json, NULL, "JSON instead of words", NULL},
    {.name = NULL},
};

static int describe(bp_store *store, const char *path)
{
    bp_stats stats = {.size = sizeof stats};
    bp_error error = {0};
    struct text *text = out();

    if (bp_store_stats(store, &stats, &error) != BP_OK) {
        return fail(&error);
    }
    if (given.json) {
        text_add_char(text, '{');
        put_string(text, "path", path);
        put_id(text, "store_id", &stats.store_id);
        put_u64(text, "segment_size", stats.options.segment_size);
        text_add_string(text, "}\n");
    } else {
        text_add_format(text, "made %s, store ", path);
        text_add_id(text, &stats.store_id);
        text_add_string(text, ", segments of ");
        text_add_bytes(text, stats.options.segment_size);
        text_add_char(text, '\n');
    }
    return 0;
}

static int run(size_t count, char **arguments)
{
    bp_options open_options;
    bp_store *store = NULL;
    bp_error error = {0};

    (void)count;
    bp_options_init(&open_options);
    open_options.exclusive = true;
    if (given.segment_size > BP_SEGMENT_MAX) {
        return fail_usage("--segment-size is at most 1G");
    }
    if (given.segment_size > 0) {
        open_options.segment_size = (uint32_t)given.segment_size;
    }
    if (given.layout >= 0) {
        open_options.layout = (bp_layout)(given.layout + 1);
    }
    if (bp_open(arguments[0], &open_options, &store, &error) != BP_OK) {
        return fail(&error);
    }
    return close_store(store, describe(store, arguments[0]));
}

const struct verb verb_init = {
    .name = "init",
    .summary = "make a store",
    .arguments = "DIR",
    .about = "Makes DIR (not its parents) and an empty store in it. The options are stored and hold for all\n"
             "who write later. Durability is no such option: every opening, and every append, has its own.",
    .examples = "batpak init ./s\nbatpak init ./s --segment-size 16M",
    .exits =
        "0  made\n1  there is a store already, or other files\n2  the command line is wrong\n4  the system refused",
    .groups = {options},
    .least = 1,
    .most = 1,
    .run = run,
};
