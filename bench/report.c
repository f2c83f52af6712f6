/*
 * report.c: results for people on a terminal, and for machines as JSON.
 */
#include "bench.h"

#include <errno.h>
#include <string.h>
#include <sys/utsname.h>
#include <sys/vfs.h>
#include <time.h>
#include <unistd.h>

/* 1234567 as "1.23 M"; small values with the digits that count. */
void value_print(char text[24], double value)
{
    if (value >= 999500) {
        snprintf(text, 24, "%.*f M", value >= 9995000 ? 1 : 2, value / 1e6);
    } else if (value >= 9995) {
        snprintf(text, 24, "%.0f k", value / 1e3);
    } else if (value >= 999.5) {
        snprintf(text, 24, "%.1f k", value / 1e3);
    } else {
        snprintf(text, 24, "%.*f", value >= 99.95 ? 0 : value >= 9.995 ? 1 : 2, value);
    }
}

void result_print(char text[24], const struct result *result, double value)
{
    if (result_more_is_better(result) || value < 999.5) {
        value_print(text, value);
    } else {
        snprintf(text, 24, "%.0f", value); /* of milliseconds and bytes nobody wants thousands */
    }
}

void spread_print(char text[80], const struct result *result)
{
    char median[24];
    char least[24];
    char most[24];
    result_print(median, result, result_median(result));
    result_print(least, result, result->values[0]);
    result_print(most, result, result->values[result->runs - 1]);
    if (result->runs == 1) {
        snprintf(text, 80, "%s", median);
    } else {
        snprintf(text, 80, "%s (%s .. %s)", median, least, most);
    }
}

void report_progress(const struct result *result)
{
    static double begun;
    char spread[80];
    spread_print(spread, result);
    begun = begun > 0 ? begun : seconds_now();
    fprintf(stderr, "%4.0f s  %-8s %-16s %-58s %s %s\n", seconds_now() - begun, result->engine, result->group,
            result->name, spread, result->unit);
}

static void print_group(FILE *stream, const struct results *results, const char *group)
{
    fprintf(stream, "\n%s: median (least .. most)\n", group);
    for (size_t index = 0; index < results->count; index++) {
        const struct result *shown = &results->items[index];
        if (strcmp(shown->group, group) != 0 || !result_begins_case(results, index)) {
            continue;
        }
        fprintf(stream, "  %s, %s\n", shown->name, shown->unit);
        for (size_t other = 0; other < results->count; other++) {
            const struct result *result = &results->items[other];
            char spread[80];
            if (strcmp(result->group, group) != 0 || strcmp(result->name, shown->name) != 0) {
                continue;
            }
            spread_print(spread, result);
            fprintf(stream, "    %-8s %-34s", result->engine, spread);
            if (result->has_latency) {
                fprintf(stream, " p50 %.1f  p99 %.1f  p99.9 %.1f us", result->p50_us, result->p99_us, result->p999_us);
            }
            fprintf(stream, "%s\n", result->remark != NULL ? result->remark : "");
        }
    }
}

void report_table(FILE *stream, const struct results *results)
{
    for (size_t index = 0; index < results->count; index++) {
        if (result_begins_group(results, index)) {
            print_group(stream, results, results->items[index].group);
        }
    }
}

/* ---- the machine ---- */

static void read_line_of(const char *path, const char *key, char *text, size_t size)
{
    FILE *file = fopen(path, "r");
    char line[512];
    snprintf(text, size, "?");
    while (file != NULL && fgets(line, sizeof line, file) != NULL) {
        char *colon = strchr(line, ':');
        if (strncmp(line, key, strlen(key)) == 0 && colon != NULL) {
            colon += 1 + strspn(colon + 1, " \t");
            colon[strcspn(colon, "\n")] = '\0';
            snprintf(text, size, "%s", colon);
            break;
        }
    }
    if (file != NULL) {
        fclose(file);
    }
}

static const char *filesystem_of(const char *folder)
{
    static const struct {
        unsigned long magic;
        const char *name;
    } known[] = {{0xef53, "ext4"},        {0x58465342, "xfs"}, {0x9123683e, "btrfs"}, {0x01021994, "tmpfs"},
                 {0x794c7630, "overlay"}, {0x2fc12fc1, "zfs"}, {0x6969, "nfs"},       {0xf2f52010, "f2fs"}};
    struct statfs about;
    if (statfs(folder, &about) != 0) {
        return "unknown filesystem";
    }
    for (size_t index = 0; index < sizeof known / sizeof *known; index++) {
        if ((unsigned long)about.f_type == known[index].magic) {
            return known[index].name;
        }
    }
    return "another filesystem";
}

void machine_describe(const char *folder, char *text, size_t size)
{
    char processor[128];
    struct utsname system;
    double bytes = (double)sysconf(_SC_PHYS_PAGES) * (double)sysconf(_SC_PAGESIZE);
    read_line_of("/proc/cpuinfo", "model name", processor, sizeof processor);
    if (uname(&system) != 0) {
        system.release[0] = '\0';
    }
    snprintf(text, size, "%ld x %s, %.1f GiB, Linux %.40s, %s", sysconf(_SC_NPROCESSORS_ONLN), processor,
             bytes / (1 << 30), system.release, filesystem_of(folder));
}

/* ---- JSON ---- */

static void print_string(FILE *file, const char *key, const char *text)
{
    fprintf(file, "\"%s\":\"", key);
    for (; text != NULL && *text != '\0'; text++) {
        if (*text == '"' || *text == '\\') {
            fputc('\\', file);
        }
        fputc((unsigned char)*text < 0x20 ? ' ' : *text, file);
    }
    fputc('"', file);
}

static void print_result(FILE *file, const struct result *result)
{
    fputs("    {", file);
    print_string(file, "group", result->group);
    fputc(',', file);
    print_string(file, "case", result->name);
    fputc(',', file);
    print_string(file, "engine", result->engine);
    fputc(',', file);
    print_string(file, "unit", result->unit);
    if (result->remark != NULL) {
        fputc(',', file);
        print_string(file, "remark", result->remark);
    }
    fprintf(file, ",\"median\":%.6g,\"values\":[", result_median(result));
    for (unsigned run = 0; run < result->runs; run++) {
        fprintf(file, "%s%.6g", run == 0 ? "" : ",", result->values[run]);
    }
    fputc(']', file);
    if (result->has_latency) {
        fprintf(file, ",\"p50_us\":%.4g,\"p99_us\":%.4g,\"p999_us\":%.4g", result->p50_us, result->p99_us,
                result->p999_us);
    }
    fputc('}', file);
}

bool report_json(const char *path, const struct settings *settings, const struct workload *workload,
                 const struct results *results)
{
    FILE *file = fopen(path, "w");
    char machine[256];
    char date[32];
    time_t now = time(NULL);
    if (file == NULL) {
        fprintf(stderr, "batpak-bench: cannot write %s: %s\n", path, strerror(errno));
        return false;
    }
    machine_describe(settings->folder, machine, sizeof machine);
    strftime(date, sizeof date, "%Y-%m-%dT%H:%M:%SZ", gmtime(&now));
    fputs("{\n  ", file);
    print_string(file, "machine", machine);
    fputs(",\n  ", file);
    print_string(file, "date", date);
    fputs(",\n  ", file);
    print_string(file, "mode", settings->mode);
    fprintf(file, ",\n  \"load\":%.2f,\"runs\":%u,\"seconds\":%.3g,\n", settings->load, settings->runs,
            settings->seconds);
    fprintf(file,
            "  \"workload\":{\"events\":%llu,\"payload\":%u,\"record\":%u,\"big_entities\":%llu,"
            "\"small_entities\":%llu,\"scopes\":%d,\"kinds\":%d},\n  \"engines\":{",
            (unsigned long long)workload->events, workload->payload_size, workload_record_size(workload),
            (unsigned long long)workload->big_entities, (unsigned long long)workload->small_entities, SCOPES, KINDS);
    for (const struct engine *const *engine = engines; *engine != NULL; engine++) {
        fputs(engine == engines ? "" : ",", file);
        print_string(file, (*engine)->name, (*engine)->settings());
    }
    fputs("},\n  \"results\":[\n", file);
    for (size_t index = 0; index < results->count; index++) {
        print_result(file, &results->items[index]);
        fputs(index + 1 < results->count ? ",\n" : "\n", file);
    }
    fputs("  ]\n}\n", file);
    if (fclose(file) != 0) {
        fprintf(stderr, "batpak-bench: cannot write %s: %s\n", path, strerror(errno));
        return false;
    }
    return true;
}
