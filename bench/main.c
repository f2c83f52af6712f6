/*
 * main.c: batpak-bench, this machine's figures. See bench.h for what is measured and docs/performance.md for how.
 */
#include "bench.h"

#include <getopt.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char usage[] =
    "usage: batpak-bench [OPTION]...\n"
    "Measures batpak beside the bare loops that bound it, and beside the stores that were found when it was built.\n\n"
    "  --quick          small stores, short single runs: shows the way, not the figures; leaves the page alone\n"
    "  --full           a million events, every combination of threads, batch and payload, five runs (an hour)\n"
    "  --smoke          a few thousand events, to see that everything works; leaves the page alone\n"
    "  --campaign       batpak alone, growing to 100 million events (25 GB of disk, many minutes); its own tables\n"
    "  --events N       events in the stores that are read\n"
    "  --growth N       events in the store that grows, 0 for none\n"
    "  --runs N         runs that count, 1..9; the median is shown\n"
    "  --only TEXT      only groups with this in their name (append buffered, append durable, open, read, size,\n"
    "                   layouts, growth, limits); leaves the page alone\n"
    "  --engine NAME    only this engine (batpak, sqlite, lmdb, rocksdb, leveldb); leaves the page alone\n"
    "  --dir DIR        where stores are made and removed again (build/bench)\n"
    "  --json FILE      results for machines (bench/results/latest.json; DIR/results.json when the page is left "
    "alone)\n"
    "  --page FILE      the page whose tables are replaced (docs/performance.md), - for none\n"
    "  --picture FILE   bars (docs/performance.svg; DIR/performance.svg when the page is left alone)\n";

struct arguments {
    struct settings settings;
    const char *json;
    const char *page;
    const char *picture;
    bool campaign;
};

enum {
    OPTION_QUICK = 1,
    OPTION_FULL,
    OPTION_SMOKE,
    OPTION_CAMPAIGN,
    OPTION_EVENTS,
    OPTION_GROWTH,
    OPTION_RUNS,
    OPTION_ONLY,
    OPTION_ENGINE,
    OPTION_DIR,
    OPTION_JSON,
    OPTION_PAGE,
    OPTION_PICTURE,
    OPTION_HELP
};

static const struct option options[] = {
    {"quick", no_argument, NULL, OPTION_QUICK},
    {"full", no_argument, NULL, OPTION_FULL},
    {"smoke", no_argument, NULL, OPTION_SMOKE},
    {"campaign", no_argument, NULL, OPTION_CAMPAIGN},
    {"events", required_argument, NULL, OPTION_EVENTS},
    {"growth", required_argument, NULL, OPTION_GROWTH},
    {"runs", required_argument, NULL, OPTION_RUNS},
    {"only", required_argument, NULL, OPTION_ONLY},
    {"engine", required_argument, NULL, OPTION_ENGINE},
    {"dir", required_argument, NULL, OPTION_DIR},
    {"json", required_argument, NULL, OPTION_JSON},
    {"page", required_argument, NULL, OPTION_PAGE},
    {"picture", required_argument, NULL, OPTION_PICTURE},
    {"help", no_argument, NULL, OPTION_HELP},
    {NULL, 0, NULL, 0},
};

static void set_mode(struct settings *settings, int mode)
{
    switch (mode) {
    case OPTION_QUICK:
        settings->mode = "quick";
        settings->events = 100000;
        settings->growth = 400000;
        settings->layout_events = 60000;
        settings->seconds = 0.2;
        settings->runs = 1;
        break;
    case OPTION_FULL:
        settings->mode = "full";
        settings->full = true;
        settings->events = 1000000;
        settings->layout_events = 1000000;
        settings->growth_payload = 256;
        settings->seconds = 2.5;
        settings->runs = 5;
        break;
    case OPTION_SMOKE:
        settings->mode = "smoke";
        settings->events = 4000;
        settings->growth = 20000;
        settings->layout_events = 2000;
        settings->seconds = 0.004;
        settings->runs = 1;
        settings->cold = true;
        break;
    default:
        settings->mode = "campaign";
        settings->engine = engines[0]->name;
        settings->growth = 100000000;
        settings->growth_payload = 16;
        settings->seconds = 4;
        break;
    }
}

/* Options with a text or a number. */
static bool set_value(struct arguments *arguments, int option, const char *value)
{
    struct settings *settings = &arguments->settings;
    switch (option) {
    case OPTION_EVENTS:
        settings->events = strtoull(value, NULL, 10);
        return true;
    case OPTION_GROWTH:
        settings->growth = strtoull(value, NULL, 10);
        return true;
    case OPTION_RUNS:
        settings->runs = (unsigned)strtoul(value, NULL, 10);
        return true;
    case OPTION_ONLY:
        settings->only = value;
        return true;
    case OPTION_ENGINE:
        settings->engine = value;
        return true;
    case OPTION_DIR:
        snprintf(settings->folder, FOLDER_SIZE, "%s", value);
        return true;
    case OPTION_JSON:
        arguments->json = value;
        return true;
    case OPTION_PAGE:
        arguments->page = value;
        return true;
    case OPTION_PICTURE:
        arguments->picture = value;
        return true;
    default:
        return false;
    }
}

static void check(const struct settings *settings)
{
    uint64_t grain = 2 * (uint64_t)BIG_ENTITY;
    uint64_t step = settings->growth < 10000000 ? 10 * grain : 1000000;
    bool known = settings->engine == NULL;
    for (const struct engine *const *engine = engines; *engine != NULL; engine++) {
        known = known || strcmp((*engine)->name, settings->engine) == 0;
    }
    if (!known) {
        die("there is no engine %s in this build", settings->engine);
    }
    if (settings->runs < 1 || settings->runs > RUNS_MOST || settings->events < grain || settings->events % grain != 0 ||
        settings->growth % step != 0) {
        die("runs are 1..%d, events a multiple of %d, growth one of %d, of 1000000 from 10000000 on", RUNS_MOST,
            2 * BIG_ENTITY, 20 * BIG_ENTITY);
    }
}

static void read_arguments(int argc, char **argv, struct arguments *arguments)
{
    bool whole = true; /* so that the results belong onto the page */
    for (int option; (option = getopt_long(argc, argv, "", options, NULL)) != -1;) {
        whole = whole && option != OPTION_QUICK && option != OPTION_SMOKE && option != OPTION_ONLY &&
                option != OPTION_ENGINE;
        arguments->campaign = arguments->campaign || option == OPTION_CAMPAIGN;
        if (option == OPTION_HELP) {
            fputs(usage, stdout);
            exit(0);
        }
        if (option >= OPTION_QUICK && option <= OPTION_CAMPAIGN) {
            set_mode(&arguments->settings, option);
        } else if (!set_value(arguments, option, optarg)) {
            fputs(usage, stderr);
            exit(2);
        }
    }
    if (optind != argc) {
        fputs(usage, stderr);
        exit(2);
    }
    check(&arguments->settings);
    if (arguments->page == NULL) {
        arguments->page = whole ? "docs/performance.md" : "-";
    }
    if (arguments->json == NULL && whole) {
        arguments->json = arguments->campaign ? "bench/results/campaign.json" : "bench/results/latest.json";
    }
    if (arguments->picture == NULL && whole) {
        arguments->picture = arguments->campaign ? "-" : "docs/performance.svg";
    }
}

/* What is not named lies beside the stores. */
static const char *or_beside(const struct settings *settings, const char *path, const char *name,
                             char room[FOLDER_SIZE + 32])
{
    snprintf(room, FOLDER_SIZE + 32, "%s/%s", settings->folder, name);
    return path != NULL ? path : room;
}

static bool write_results(const struct arguments *arguments, const struct workload *workload,
                          const struct results *results)
{
    const struct settings *settings = &arguments->settings;
    char room[FOLDER_SIZE + 32];
    const char *path = or_beside(settings, arguments->json, "results.json", room);
    bool good = report_json(path, settings, workload, results);
    if (good) {
        printf("\nFor machines: %s\n", path);
    }
    path = or_beside(settings, arguments->picture, "performance.svg", room);
    if (good && strcmp(path, "-") != 0) {
        good = report_picture(path, results);
        if (good) {
            printf("A picture: %s\n", path);
        }
    }
    if (good && strcmp(arguments->page, "-") != 0) {
        good = report_page(arguments->page, arguments->campaign ? "campaign" : "bench", settings, workload, results);
        if (good) {
            printf("Tables replaced in %s\n", arguments->page);
        }
    }
    return good;
}

static void find_programs(struct settings *settings)
{
    ssize_t size = readlink("/proc/self/exe", settings->programs, FOLDER_SIZE - 1);
    if (size <= 0) {
        die("cannot see where this program lies");
    }
    settings->programs[size] = '\0';
    *strrchr(settings->programs, '/') = '\0';
}

static void greet(struct settings *settings, const struct workload *workload)
{
    char machine[256];
    char folder[FOLDER_SIZE];
    folder_make(settings, "limits", folder);
    machine_describe(folder, machine, sizeof machine);
    folder_remove(folder);
    if (getloadavg(&settings->load, 1) == 1 && settings->load > 0.7) {
        fprintf(stderr, "Other programs are at work (load %.1f): the figures will be lower than this machine's.\n",
                settings->load);
    }
    printf("%s\n%llu events, payloads of %u bytes, medians of %u runs\n\n", machine,
           (unsigned long long)workload->events, workload->payload_size, settings->runs);
    fflush(stdout);
}

int main(int argc, char **argv)
{
    struct arguments arguments = {.settings = {.mode = "",
                                               .events = 300000,
                                               .growth = 10000000,
                                               .layout_events = 200000,
                                               .growth_payload = 64,
                                               .seconds = 0.5,
                                               .runs = 3,
                                               .folder = "build/bench"}};
    struct settings *settings = &arguments.settings;
    struct workload workload;
    struct results results = {0};
    read_arguments(argc, argv, &arguments);
    find_programs(settings);
    double begun = seconds_now();
    workload_begin(&workload, settings->events, 256);
    greet(settings, &workload);
    if (arguments.campaign) {
        bench_growth(settings, "campaign", &results);
    } else {
        bench_appends(settings, &workload, &results);
        bench_stores(settings, &workload, &results);
        bench_layouts(settings, &results);
        bench_growth(settings, "growth", &results);
        bench_limits(settings, &workload, &results);
    }
    report_table(stdout, &results);
    bool good = write_results(&arguments, &workload, &results);
    printf("%.0f s\n", seconds_now() - begun);
    workload_end(&workload);
    free(results.items);
    return good ? 0 : 1;
}
