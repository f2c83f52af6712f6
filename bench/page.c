/*
 * page.c: the tables of docs/performance.md. What stands between the two marks is replaced; the rest of the page is
 * left as it is, so that every figure between the marks came from one run.
 */
#include "bench.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static const char begin_mark[] = "<!-- bench:begin -->\n";
static const char end_mark[] = "<!-- bench:end -->";

static char *read_page(const char *path)
{
    FILE *file = fopen(path, "r");
    char *text = NULL;
    size_t size = 0;
    if (file == NULL) {
        fprintf(stderr, "batpak-bench: cannot read %s: %s\n", path, strerror(errno));
        return NULL;
    }
    while (!feof(file) && !ferror(file)) {
        enum { PIECE = 1 << 14 };
        char *more = realloc(text, size + PIECE + 1);
        if (more == NULL) {
            die("out of memory");
        }
        text = more;
        size += fread(text + size, 1, PIECE, file);
        text[size] = '\0';
    }
    fclose(file);
    return text;
}

static bool engine_has_group(const struct results *results, const char *engine, const char *group)
{
    for (size_t index = 0; index < results->count; index++) {
        if (strcmp(results->items[index].group, group) == 0 && strcmp(results->items[index].engine, engine) == 0) {
            return true;
        }
    }
    return false;
}

static void print_cell(FILE *file, const struct result *result, bool remark)
{
    char spread[80];
    if (result == NULL) {
        fputs(" |", file);
        return;
    }
    spread_print(spread, result);
    fprintf(file, " %s", spread);
    if (remark && result->remark != NULL) {
        fprintf(file, ": %s", result->remark);
    }
    fputs(" |", file);
}

static void print_group(FILE *file, const struct results *results, const char *group)
{
    bool limited = engine_has_group(results, "limit", group);
    fprintf(file, "\n### %c%s\n\n| | unit |", group[0] - 'a' + 'A', group + 1);
    for (const struct engine *const *engine = engines; *engine != NULL; engine++) {
        if (engine_has_group(results, (*engine)->name, group)) {
            fprintf(file, " %s |", (*engine)->name);
        }
    }
    fputs(limited ? " limit |\n|---|---|" : "\n|---|---|", file);
    for (const struct engine *const *engine = engines; *engine != NULL; engine++) {
        fputs(engine_has_group(results, (*engine)->name, group) ? "---|" : "", file);
    }
    fputs(limited ? "---|\n" : "\n", file);
    for (size_t index = 0; index < results->count; index++) {
        const struct result *shown = &results->items[index];
        if (strcmp(shown->group, group) != 0 || !result_begins_case(results, index)) {
            continue;
        }
        fprintf(file, "| %s | %s |", shown->name, shown->unit);
        for (const struct engine *const *engine = engines; *engine != NULL; engine++) {
            if (engine_has_group(results, (*engine)->name, group)) {
                print_cell(file, results_find(results, group, shown->name, (*engine)->name), false);
            }
        }
        if (limited) {
            print_cell(file, results_find(results, group, shown->name, "limit"), true);
        }
        fputc('\n', file);
    }
}

static void print_latencies(FILE *file, const struct results *results)
{
    fputs("\n### How long one append takes\n\n| | engine | p50 µs | p99 µs | p99.9 µs |\n|---|---|---|---|---|\n",
          file);
    for (size_t index = 0; index < results->count; index++) {
        const struct result *result = &results->items[index];
        if (result->has_latency) {
            fprintf(file, "| %s, %s | %s | %.1f | %.1f | %.1f |\n", result->group, result->name, result->engine,
                    result->p50_us, result->p99_us, result->p999_us);
        }
    }
}

static void print_tables(FILE *file, const struct settings *settings, const struct workload *workload,
                         const struct results *results)
{
    char machine[256];
    char date[32];
    time_t now = time(NULL);
    machine_describe(settings->folder, machine, sizeof machine);
    strftime(date, sizeof date, "%Y-%m-%d", gmtime(&now));
    fprintf(file, "%s\nMeasured on %s: %s; load average %.1f when it began.\n", begin_mark, date, machine,
            settings->load);
    fprintf(file, "%llu events, payloads of %u bytes; median (least .. most) of %u runs.\n",
            (unsigned long long)workload->events, workload->payload_size, settings->runs);
    fputs("\n| engine | settings |\n|---|---|\n", file);
    for (const struct engine *const *engine = engines; *engine != NULL; engine++) {
        fprintf(file, "| %s | %s |\n", (*engine)->name, (*engine)->settings());
    }
    for (size_t index = 0; index < results->count; index++) {
        if (result_begins_group(results, index)) {
            print_group(file, results, results->items[index].group);
        }
    }
    print_latencies(file, results);
    fputc('\n', file);
}

bool report_page(const char *path, const struct settings *settings, const struct workload *workload,
                 const struct results *results)
{
    char *text = read_page(path);
    char *begin = text == NULL ? NULL : strstr(text, begin_mark);
    char *end = begin == NULL ? NULL : strstr(begin, end_mark);
    bool good = false;
    if (end != NULL) {
        FILE *file = fopen(path, "w");
        if (file != NULL) {
            fwrite(text, 1, (size_t)(begin - text), file);
            print_tables(file, settings, workload, results);
            fputs(end, file);
            good = fclose(file) == 0;
        }
    }
    if (!good && text != NULL) {
        fprintf(stderr, "batpak-bench: cannot replace the tables of %s: %s\n", path,
                end == NULL ? "its marks bench:begin and bench:end are missing" : strerror(errno));
    }
    free(text);
    return good;
}
