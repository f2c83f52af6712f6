/*
 * page.c: the tables of docs/performance.md. What stands between two marks is replaced; the rest of the page is left as
 * it is, so that every figure between the marks came from one run.
 *
 * A group in which batpak stands beside others says for each case who the best peer is and how many times as good
 * batpak is, whichever way is better, and what share of the limit it reaches. In other groups (layouts, growth) each
 * kind of result has a column.
 */
#include "bench.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

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

static void print_median(FILE *file, const struct result *result)
{
    char text[24] = "";
    if (result != NULL) {
        result_print(text, result, result_median(result));
    }
    fprintf(file, " %s |", text);
}

static void print_ratio(FILE *file, double ratio)
{
    fprintf(file, " %.*f |", ratio_digits(ratio), ratio);
}

/* One case: every engine, then the best peer and the limit. */
static void print_compared(FILE *file, const struct results *results, const struct result *shown, bool limited)
{
    const char *group = shown->group;
    const struct result *own = results_find(results, group, shown->name, engines[0]->name);
    const struct result *limit = results_find(results, group, shown->name, "limit");
    const struct result *best = results_best_peer(results, group, shown->name);
    char spread[80] = "";
    if (own != NULL) {
        spread_print(spread, own);
    }
    fprintf(file, "| %s | %s | %s |", shown->name, shown->unit, spread);
    for (const struct engine *const *engine = engines + 1; *engine != NULL; engine++) {
        if (engine_has_group(results, (*engine)->name, group)) {
            print_median(file, results_find(results, group, shown->name, (*engine)->name));
        }
    }
    fprintf(file, " %s |", best != NULL ? best->engine : "");
    if (own != NULL && best != NULL) {
        print_ratio(file, result_ratio(own, best));
    } else {
        fputs(" |", file);
    }
    if (limited && limit != NULL) {
        char text[24];
        result_print(text, limit, result_median(limit));
        fprintf(file, " %s: %s |", text, limit->remark != NULL ? limit->remark : "");
        if (own != NULL) {
            print_ratio(file, result_ratio(own, limit));
        } else {
            fputs(" |", file);
        }
    } else if (limited) {
        fputs(" | |", file);
    }
    fputc('\n', file);
}

static void print_group_compared(FILE *file, const struct results *results, const char *group)
{
    bool limited = engine_has_group(results, "limit", group);
    unsigned columns = limited ? 7 : 5;
    fprintf(file, "| | unit | %s |", engines[0]->name);
    for (const struct engine *const *engine = engines + 1; *engine != NULL; engine++) {
        if (engine_has_group(results, (*engine)->name, group)) {
            fprintf(file, " %s |", (*engine)->name);
            columns++;
        }
    }
    fprintf(file, " best peer | times it |%s\n|", limited ? " limit | of it |" : "");
    for (unsigned column = 0; column < columns; column++) {
        fputs("---|", file);
    }
    fputc('\n', file);
    for (size_t index = 0; index < results->count; index++) {
        const struct result *shown = &results->items[index];
        if (strcmp(shown->group, group) == 0 && result_begins_case(results, index)) {
            print_compared(file, results, shown, limited);
        }
    }
}

/* Is it the first result of its group under that column? */
static bool begins_column(const struct results *results, size_t index)
{
    for (size_t before = 0; before < index; before++) {
        if (strcmp(results->items[before].group, results->items[index].group) == 0 &&
            strcmp(results->items[before].engine, results->items[index].engine) == 0) {
            return false;
        }
    }
    return true;
}

static void print_group_columns(FILE *file, const struct results *results, const char *group)
{
    unsigned columns = 2;
    fputs("| | unit |", file);
    for (size_t index = 0; index < results->count; index++) {
        if (strcmp(results->items[index].group, group) == 0 && begins_column(results, index)) {
            fprintf(file, " %s |", results->items[index].engine);
            columns++;
        }
    }
    fputs("\n|", file);
    for (unsigned column = 0; column < columns; column++) {
        fputs("---|", file);
    }
    fputc('\n', file);
    for (size_t index = 0; index < results->count; index++) {
        const struct result *shown = &results->items[index];
        if (strcmp(shown->group, group) != 0 || !result_begins_case(results, index)) {
            continue;
        }
        fprintf(file, "| %s | %s |", shown->name, shown->unit);
        for (size_t other = 0; other < results->count; other++) {
            if (strcmp(results->items[other].group, group) == 0 && begins_column(results, other)) {
                print_median(file, results_find(results, group, shown->name, results->items[other].engine));
            }
        }
        fputc('\n', file);
    }
}

static void print_group(FILE *file, const struct results *results, const char *group)
{
    fprintf(file, "\n### %c%s\n\n", group[0] - 'a' + 'A', group + 1);
    if (engine_has_group(results, engines[0]->name, group)) {
        print_group_compared(file, results, group);
    } else {
        print_group_columns(file, results, group);
    }
}

static bool has_latencies(const struct results *results)
{
    for (size_t index = 0; index < results->count; index++) {
        if (results->items[index].has_latency) {
            return true;
        }
    }
    return false;
}

static void print_latencies(FILE *file, const struct results *results)
{
    fputs("\n### How long one commit takes\n\np50 / p99 / p99.9 in microseconds.\n\n| |", file);
    for (const struct engine *const *engine = engines; *engine != NULL; engine++) {
        fprintf(file, " %s |", (*engine)->name);
    }
    fputs("\n|---|", file);
    for (const struct engine *const *engine = engines; *engine != NULL; engine++) {
        fputs("---|", file);
    }
    for (size_t index = 0; index < results->count; index++) {
        const struct result *shown = &results->items[index];
        if (!shown->has_latency || !result_begins_case(results, index)) {
            continue;
        }
        fprintf(file, "\n| %s, %s |", shown->group, shown->name);
        for (const struct engine *const *engine = engines; *engine != NULL; engine++) {
            const struct result *result = results_find(results, shown->group, shown->name, (*engine)->name);
            if (result != NULL) {
                fprintf(file, " %.*f / %.*f / %.0f |", result->p50_us < 9.95, result->p50_us, result->p99_us < 9.95,
                        result->p99_us, result->p999_us);
            } else {
                fputs(" |", file);
            }
        }
    }
    fputc('\n', file);
}

static void print_tables(FILE *file, const struct settings *settings, const struct workload *workload,
                         const struct results *results)
{
    char machine[256];
    char date[32];
    time_t now = time(NULL);
    machine_describe(settings->folder, machine, sizeof machine);
    strftime(date, sizeof date, "%Y-%m-%d", gmtime(&now));
    fprintf(file, "\nMeasured on %s: %s; load average %.1f when it began.\n", date, machine, settings->load);
    if (strcmp(settings->mode, "campaign") == 0) {
        fprintf(file, "One store that grows to %llu events, payloads of %u bytes; single runs.\n",
                (unsigned long long)settings->growth, settings->growth_payload);
    } else {
        fprintf(
            file,
            "%llu events in the stores that are read, payloads of %u bytes unless said; median (least .. most) of %u "
            "runs, of one run where no range stands.\n",
            (unsigned long long)workload->events, workload->payload_size, settings->runs);
    }
    fputs("\n| engine | settings |\n|---|---|\n", file);
    for (const struct engine *const *engine = engines; *engine != NULL; engine++) {
        if (settings_want_engine(settings, *engine)) {
            fprintf(file, "| %s | %s |\n", (*engine)->name, (*engine)->settings());
        }
    }
    for (size_t index = 0; index < results->count; index++) {
        if (result_begins_group(results, index)) {
            print_group(file, results, results->items[index].group);
        }
    }
    if (has_latencies(results)) {
        print_latencies(file, results);
    }
    fputc('\n', file);
}

bool report_page(const char *path, const char *mark, const struct settings *settings, const struct workload *workload,
                 const struct results *results)
{
    char begin_mark[64];
    char end_mark[64];
    char *text = read_page(path);
    snprintf(begin_mark, sizeof begin_mark, "<!-- %s:begin -->\n", mark);
    snprintf(end_mark, sizeof end_mark, "<!-- %s:end -->", mark);
    char *begin = text == NULL ? NULL : strstr(text, begin_mark);
    char *end = begin == NULL ? NULL : strstr(begin, end_mark);
    bool good = false;
    if (end != NULL) {
        FILE *file = fopen(path, "w");
        if (file != NULL) {
            fwrite(text, 1, (size_t)(begin - text) + strlen(begin_mark), file);
            print_tables(file, settings, workload, results);
            fputs(end, file);
            good = fclose(file) == 0;
        }
    }
    if (!good && text != NULL) {
        fprintf(stderr, "batpak-bench: cannot replace the tables of %s: %s\n", path,
                end == NULL ? "its marks are missing" : strerror(errno));
    }
    free(text);
    return good;
}
