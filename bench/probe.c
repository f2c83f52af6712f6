/*
 * probe.c: batpak-probe-<engine>, the program that batpak-bench starts to see how a store opens in a process of its
 * own. Linked with one engine alone.
 *
 *   probe                     says that it is there
 *   probe get FOLDER ID       opens, gets that event, prints its resident KiB, closes
 *   probe write FOLDER N      opens, appends N events in batches, prints the last one's id, waits to be killed
 */
#include "bench.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

extern const struct engine PROBE_ENGINE;

enum { BATCH = 100 };

/* The most that this process held at a time. Not getrusage, whose figure begins with that of the process before exec. */
static long resident_kib(void)
{
    FILE *file = fopen("/proc/self/status", "r");
    char line[256];
    long kib = 0;
    while (file != NULL && fgets(line, sizeof line, file) != NULL) {
        if (strncmp(line, "VmHWM:", 6) == 0) {
            kib = strtol(line + 6, NULL, 10);
        }
    }
    if (file != NULL) {
        fclose(file);
    }
    return kib;
}

static int get(const char *folder, const char *id_text)
{
    const struct engine *engine = &PROBE_ENGINE;
    struct opening opening = {.mode = MODE_BUFFERED};
    struct tally tally = {0};
    struct id id;
    void *handle = NULL;
    if (!id_parse(id_text, &id)) {
        return 2;
    }
    if (!engine->open(folder, &opening, &handle) || !engine->get(handle, &id, &tally) || tally.events != 1) {
        return 1;
    }
    printf("%ld\n", resident_kib());
    fflush(stdout);
    return engine->close(handle) ? 0 : 1;
}

static int write_and_wait(const char *folder, uint64_t events)
{
    const struct engine *engine = &PROBE_ENGINE;
    struct opening opening = {.mode = MODE_BUFFERED};
    struct workload workload;
    struct fact facts[BATCH];
    struct id ids[BATCH] = {0};
    char text[33];
    void *handle = NULL;
    workload_begin(&workload, events, 256);
    if (!engine->open(folder, &opening, &handle)) {
        return 1;
    }
    for (uint64_t number = 0; number < events; number += BATCH) {
        for (size_t index = 0; index < BATCH; index++) {
            workload_fact(&workload, number + index, &facts[index]);
        }
        if (!engine->append(handle, facts, BATCH, ids)) {
            return 1;
        }
    }
    id_print(&ids[BATCH - 1], text);
    puts(text);
    fflush(stdout);
    pause();
    return 1; /* it was to be killed */
}

int main(int argc, char **argv)
{
    if (argc == 4 && strcmp(argv[1], "get") == 0) {
        return get(argv[2], argv[3]);
    }
    if (argc == 4 && strcmp(argv[1], "write") == 0) {
        return write_and_wait(argv[2], strtoull(argv[3], NULL, 10));
    }
    puts("0");
    return 0;
}
