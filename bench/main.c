/*
 * main.c: batpak-bench, this machine's figures. See bench.h for what is measured and docs/performance.md for how.
 */
#include "bench.h"

#include <getopt.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

const struct engine *const engines[] = {&engine_batpak, NULL};

static const char usage[] =
    "usage: batpak-bench [OPTION]...\n"
    "Measures batpak beside the bare loops that bound it, and beside other stores where they are built in.\n\n"
    "  --quick          a tenth of the events, short runs; leaves the page alone\n"
    "  --events N       events in the store that is read (1000000)\n"
    "  --runs N         runs that count, 1..9; the median is shown (3)\n"
    "  --only TEXT      only groups with this in their name (append buffered, append durable, open, read, size,\n"
    "                   limits); leaves the page alone\n"
    "  --engine NAME    only this engine\n"
    "  --dir DIR        where stores are made and removed again (build/bench)\n"
    "  --json FILE      results for machines (DIR/results.json)\n"
    "  --page FILE      the page whose tables are replaced (docs/performance.md), - for none\n";

struct arguments {
    struct settings settings;
    const char *engine;
    const char *json;
    const char *page;
};

enum {
    OPTION_QUICK = 1,
    OPTION_EVENTS,
    OPTION_RUNS,
    OPTION_ONLY,
    OPTION_ENGINE,
    OPTION_DIR,
    OPTION_JSON,
    OPTION_PAGE,
    OPTION_HELP
};

static void set_quick(struct arguments *arguments)
{
    arguments->settings.quick = true;
    arguments->settings.events = 100000;
    arguments->settings.seconds = 0.5;
    arguments->page = "-";
}

static void read_arguments(int argc, char **argv, struct arguments *arguments)
{
    static const struct option options[] = {
        {"quick", no_argument, NULL, OPTION_QUICK},         {"events", required_argument, NULL, OPTION_EVENTS},
        {"runs", required_argument, NULL, OPTION_RUNS},     {"only", required_argument, NULL, OPTION_ONLY},
        {"engine", required_argument, NULL, OPTION_ENGINE}, {"dir", required_argument, NULL, OPTION_DIR},
        {"json", required_argument, NULL, OPTION_JSON},     {"page", required_argument, NULL, OPTION_PAGE},
        {"help", no_argument, NULL, OPTION_HELP},           {NULL, 0, NULL, 0},
    };
    struct settings *settings = &arguments->settings;
    for (int option; (option = getopt_long(argc, argv, "", options, NULL)) != -1;) {
        switch (option) {
        case OPTION_QUICK:
            set_quick(arguments);
            break;
        case OPTION_EVENTS:
            settings->events = strtoull(optarg, NULL, 10);
            break;
        case OPTION_RUNS:
            settings->runs = (unsigned)strtoul(optarg, NULL, 10);
            break;
        case OPTION_ONLY:
            settings->only = optarg;
            arguments->page = "-";
            break;
        case OPTION_ENGINE:
            arguments->engine = optarg;
            break;
        case OPTION_DIR:
            snprintf(settings->folder, FOLDER_SIZE, "%s", optarg);
            break;
        case OPTION_JSON:
            arguments->json = optarg;
            break;
        case OPTION_PAGE:
            arguments->page = optarg;
            break;
        case OPTION_HELP:
            fputs(usage, stdout);
            exit(0);
        default:
            fputs(usage, stderr);
            exit(2);
        }
    }
    if (optind != argc || settings->runs < 1 || settings->runs > RUNS_MOST || settings->events < 10 * BIG_ENTITY ||
        settings->events % (2 * BIG_ENTITY) != 0) {
        fprintf(stderr, "%s\nN events: a multiple of %d, at least %d\n", usage, 2 * BIG_ENTITY, 10 * BIG_ENTITY);
        exit(2);
    }
}

static const struct engine *engine_named(const char *name)
{
    for (const struct engine *const *engine = engines; *engine != NULL; engine++) {
        if (strcmp((*engine)->name, name) == 0) {
            return *engine;
        }
    }
    die("there is no engine %s in this build", name);
}

static bool write_results(const struct arguments *arguments, const struct workload *workload,
                          const struct results *results)
{
    char path[FOLDER_SIZE + 16];
    snprintf(path, sizeof path, "%s/results.json", arguments->settings.folder);
    const char *json = arguments->json != NULL ? arguments->json : path;
    bool good = report_json(json, &arguments->settings, workload, results);
    if (good) {
        printf("\nFor machines: %s\n", json);
    }
    if (good && strcmp(arguments->page, "-") != 0) {
        good = report_page(arguments->page, &arguments->settings, workload, results);
        if (good) {
            printf("Tables replaced in %s\n", arguments->page);
        }
    }
    return good;
}

int main(int argc, char **argv)
{
    if (argc == 5 && strcmp(argv[1], "--probe") == 0) {
        return bench_probe(engine_named(argv[2]), argv[3], argv[4]);
    }
    struct arguments arguments = {.settings = {.events = 1000000, .seconds = 2.5, .runs = 3, .folder = "build/bench"},
                                  .page = "docs/performance.md"};
    struct workload workload;
    struct results results = {0};
    char machine[256];
    read_arguments(argc, argv, &arguments);
    double begun = seconds_now();
    workload_begin(&workload, arguments.settings.events, 256);
    char folder[FOLDER_SIZE];
    folder_make(&arguments.settings, "limits", folder);
    machine_describe(folder, machine, sizeof machine);
    if (getloadavg(&arguments.settings.load, 1) == 1 && arguments.settings.load > 0.7) {
        fprintf(stderr, "Other programs are at work (load %.1f): the figures will be lower than this machine's.\n",
                arguments.settings.load);
    }
    printf("%s\n%llu events, payloads of %u bytes, medians of %u runs\n\n", machine,
           (unsigned long long)workload.events, workload.payload_size, arguments.settings.runs);
    for (const struct engine *const *engine = engines; *engine != NULL; engine++) {
        if (arguments.engine == NULL || *engine == engine_named(arguments.engine)) {
            bench_appends(&arguments.settings, &workload, *engine, &results);
            bench_reads(&arguments.settings, &workload, *engine, "/proc/self/exe", &results);
        }
    }
    bench_limits(&arguments.settings, &workload, &results);
    report_table(stdout, &results);
    bool good = write_results(&arguments, &workload, &results);
    printf("%.0f s\n", seconds_now() - begun);
    workload_end(&workload);
    free(results.items);
    return good ? 0 : 1;
}
