/*
 * tools.c: clocks, medians, folders: what every part of the benchmark needs.
 */
#include "bench.h"

#include <errno.h>
#include <ftw.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

void die(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    fputs("batpak-bench: ", stderr);
    vfprintf(stderr, format, arguments);
    fputc('\n', stderr);
    va_end(arguments);
    exit(1);
}

void *memory_get(size_t size)
{
    void *memory = calloc(1, size);
    if (memory == NULL) {
        die("out of memory (%zu bytes)", size);
    }
    return memory;
}

uint64_t nanoseconds_now(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

bool settings_want(const struct settings *settings, const char *group)
{
    return settings->only == NULL || strstr(group, settings->only) != NULL;
}

double seconds_now(void)
{
    return (double)nanoseconds_now() / 1e9;
}

uint64_t random_next(uint64_t *state)
{
    uint64_t mixed = *state += 0x9e3779b97f4a7c15u;
    mixed = (mixed ^ (mixed >> 30)) * 0xbf58476d1ce4e5b9u;
    mixed = (mixed ^ (mixed >> 27)) * 0x94d049bb133111ebu;
    return mixed ^ (mixed >> 31);
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

double result_median(const struct result *result)
{
    size_t middle = result->runs / 2;
    return result->runs % 2 == 1 ? result->values[middle] : (result->values[middle - 1] + result->values[middle]) / 2;
}

const struct result *results_find(const struct results *results, const char *group, const char *name,
                                  const char *engine)
{
    for (size_t index = 0; index < results->count; index++) {
        const struct result *result = &results->items[index];
        if (strcmp(result->group, group) == 0 && strcmp(result->name, name) == 0 &&
            strcmp(result->engine, engine) == 0) {
            return result;
        }
    }
    return NULL;
}

/* ---- folders ---- */

static int remove_one(const char *path, const struct stat *about, int type, struct FTW *where)
{
    (void)about;
    (void)type;
    (void)where;
    return remove(path);
}

void folder_remove(const char *path)
{
    if (nftw(path, remove_one, 16, FTW_DEPTH | FTW_PHYS) != 0 && errno != ENOENT) {
        die("cannot remove %s: %s", path, strerror(errno));
    }
}

void folder_make(const struct settings *settings, const char *name, char path_out[FOLDER_SIZE])
{
    if (snprintf(path_out, FOLDER_SIZE, "%s/%s", settings->folder, name) >= FOLDER_SIZE) {
        die("the path %s is too long", settings->folder);
    }
    folder_remove(path_out);
    for (char *slash = path_out + 1; (slash = strchr(slash, '/')) != NULL; slash++) {
        *slash = '\0';
        int result = mkdir(path_out, 0777);
        *slash = '/';
        if (result != 0 && errno != EEXIST) {
            die("cannot make the folders of %s: %s", path_out, strerror(errno));
        }
    }
    if (mkdir(path_out, 0700) != 0) {
        die("cannot make %s: %s", path_out, strerror(errno));
    }
}

static uint64_t disk_bytes;

static int add_one(const char *path, const struct stat *about, int type, struct FTW *where)
{
    enum { STAT_BLOCK = 512 };
    (void)path;
    (void)where;
    if (type == FTW_F) {
        disk_bytes += (uint64_t)about->st_blocks * STAT_BLOCK;
    }
    return 0;
}

uint64_t folder_disk(const char *path)
{
    disk_bytes = 0;
    if (nftw(path, add_one, 16, FTW_PHYS) != 0) {
        die("cannot look into %s: %s", path, strerror(errno));
    }
    return disk_bytes;
}
