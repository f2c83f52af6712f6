/*
 * results.c: keeping, finding and comparing what was measured.
 */
#include "bench.h"

#include <stdlib.h>
#include <string.h>

bool settings_want(const struct settings *settings, const char *group)
{
    return settings->only == NULL || strstr(group, settings->only) != NULL;
}

bool settings_want_engine(const struct settings *settings, const struct engine *engine)
{
    return settings->engine == NULL || strcmp(engine->name, settings->engine) == 0;
}

static int compare_doubles(const void *a, const void *b)
{
    double left = *(const double *)a;
    double right = *(const double *)b;
    return (left > right) - (left < right);
}

double median_of(double *values, size_t count)
{
    qsort(values, count, sizeof *values, compare_doubles);
    return count % 2 == 1 ? values[count / 2] : (values[count / 2 - 1] + values[count / 2]) / 2;
}

static int compare_durations(const void *a, const void *b)
{
    uint32_t left = *(const uint32_t *)a;
    uint32_t right = *(const uint32_t *)b;
    return (left > right) - (left < right);
}

void percentiles_of(uint32_t *nanoseconds, size_t count, double out_us[3])
{
    static const double shares[3] = {0.5, 0.99, 0.999};
    qsort(nanoseconds, count, sizeof *nanoseconds, compare_durations);
    for (size_t index = 0; index < 3; index++) {
        size_t rank = (size_t)((double)count * shares[index]);
        out_us[index] = count == 0 ? 0 : nanoseconds[rank < count ? rank : count - 1] / 1e3;
    }
}

struct result result_of(const char *group, const char *name, const char *engine, const char *unit)
{
    struct result result = {.unit = unit};
    snprintf(result.group, sizeof result.group, "%s", group);
    snprintf(result.name, sizeof result.name, "%s", name);
    snprintf(result.engine, sizeof result.engine, "%s", engine);
    return result;
}

void results_keep(struct results *results, struct result result)
{
    struct result *items = realloc(results->items, (results->count + 1) * sizeof *items);
    if (items == NULL) {
        die("out of memory");
    }
    median_of(result.values, result.runs);
    items[results->count] = result;
    results->items = items;
    results->count++;
    report_progress(&items[results->count - 1]);
}

void results_keep_one(struct results *results, const char *group, const char *name, const char *engine,
                      const char *unit, double value)
{
    struct result result = result_of(group, name, engine, unit);
    result.values[result.runs++] = value;
    results_keep(results, result);
}

double result_median(const struct result *result)
{
    size_t middle = result->runs / 2;
    return result->runs % 2 == 1 ? result->values[middle] : (result->values[middle - 1] + result->values[middle]) / 2;
}

bool result_more_is_better(const struct result *result)
{
    size_t length = strlen(result->unit);
    return length >= 2 && strcmp(result->unit + length - 2, "/s") == 0;
}

double result_ratio(const struct result *result, const struct result *other)
{
    double mine = result_median(result);
    double theirs = result_median(other);
    return result_more_is_better(result) ? mine / theirs : theirs / mine;
}

int ratio_digits(double ratio)
{
    return ratio >= 9.95 ? 0 : ratio >= 0.995 ? 1 : ratio >= 0.095 ? 2 : ratio >= 0.0095 ? 3 : 4;
}

static bool is_case(const struct result *result, const char *group, const char *name)
{
    return strcmp(result->group, group) == 0 && strcmp(result->name, name) == 0;
}

const struct result *results_find(const struct results *results, const char *group, const char *name,
                                  const char *engine)
{
    for (size_t index = 0; index < results->count; index++) {
        const struct result *result = &results->items[index];
        if (is_case(result, group, name) && strcmp(result->engine, engine) == 0) {
            return result;
        }
    }
    return NULL;
}

const struct result *results_best_peer(const struct results *results, const char *group, const char *name)
{
    const struct result *best = NULL;
    for (const struct engine *const *engine = engines + 1; *engine != NULL; engine++) {
        const struct result *result = results_find(results, group, name, (*engine)->name);
        if (result != NULL && (best == NULL || result_ratio(result, best) > 1)) {
            best = result;
        }
    }
    return best;
}

bool result_begins_group(const struct results *results, size_t index)
{
    for (size_t before = 0; before < index; before++) {
        if (strcmp(results->items[before].group, results->items[index].group) == 0) {
            return false;
        }
    }
    return true;
}

bool result_begins_case(const struct results *results, size_t index)
{
    const struct result *result = &results->items[index];
    for (size_t before = 0; before < index; before++) {
        if (is_case(&results->items[before], result->group, result->name)) {
            return false;
        }
    }
    return true;
}
