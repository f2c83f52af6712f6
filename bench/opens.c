/*
 * opens.c: how fast a store opens, in a process of its own: from before the program is started to its first answer.
 *
 * The programs are batpak-probe-<engine>, each linked with one engine alone, so that none pays for another's
 * libraries. A kill is a kill: a program opens the store, appends, says so, and gets SIGKILL.
 */
#include "bench.h"

#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum { ANSWER_SIZE = 64, KILLED_EVENTS = 50000, KILLED_PART = 10 };

struct child {
    pid_t id;
    char answer[ANSWER_SIZE];
};

/* Starts a probe and waits for its first line. */
static struct child start(const struct settings *settings, const char *engine, char *const *arguments)
{
    struct child child = {0};
    posix_spawn_file_actions_t actions;
    char program[FOLDER_SIZE + 64];
    int ends[2];
    snprintf(program, sizeof program, "%s/batpak-probe-%s", settings->programs, engine);
    if (pipe(ends) != 0 || posix_spawn_file_actions_init(&actions) != 0 ||
        posix_spawn_file_actions_adddup2(&actions, ends[1], STDOUT_FILENO) != 0 ||
        posix_spawn_file_actions_addclose(&actions, ends[0]) != 0 ||
        posix_spawn_file_actions_addclose(&actions, ends[1]) != 0) {
        die("cannot make a pipe");
    }
    if (posix_spawn(&child.id, program, &actions, NULL, arguments, environ) != 0) {
        die("cannot start %s", program);
    }
    close(ends[1]);
    if (read(ends[0], child.answer, sizeof child.answer - 1) <= 0) {
        die("%s %s gave no answer", program, arguments[1]);
    }
    close(ends[0]);
    posix_spawn_file_actions_destroy(&actions);
    child.answer[strcspn(child.answer, "\n")] = '\0';
    return child;
}

double probe(const struct settings *settings, const char *engine, const char *folder, const struct id *id,
             double *resident_mib_out)
{
    char id_text[33] = "";
    char program[] = "probe";
    char verb[] = "get";
    char place[FOLDER_SIZE];
    int status = 0;
    snprintf(place, sizeof place, "%s", folder);
    if (id != NULL) {
        id_print(id, id_text);
    }
    char *arguments[] = {program, verb, place, id_text, NULL};
    if (id == NULL) {
        arguments[1] = NULL;
    }
    double begun = seconds_now();
    struct child child = start(settings, engine, arguments);
    double taken = seconds_now() - begun;
    if (waitpid(child.id, &status, 0) != child.id || status != 0) {
        die("%s cannot be opened by another process", engine);
    }
    *resident_mib_out = strtod(child.answer, NULL) / 1024;
    return taken;
}

struct id probe_kill(const struct settings *settings, const char *engine, const char *folder, uint64_t events)
{
    char program[] = "probe";
    char verb[] = "write";
    char place[FOLDER_SIZE];
    char number[32];
    char *arguments[] = {program, verb, place, number, NULL};
    struct id id;
    int status = 0;
    snprintf(place, sizeof place, "%s", folder);
    snprintf(number, sizeof number, "%llu", (unsigned long long)events);
    struct child child = start(settings, engine, arguments);
    kill(child.id, SIGKILL);
    if (waitpid(child.id, &status, 0) != child.id || !WIFSIGNALED(status) || !id_parse(child.answer, &id)) {
        die("%s was not killed while it waited: %s", engine, child.answer);
    }
    return id;
}

static double open_here(struct subject *subject, unsigned run)
{
    struct tally tally = {0};
    double begun = seconds_now();
    subject_open(subject);
    if (!subject->engine->get(subject->handle, &subject->ids[run], &tally) || tally.events != 1) {
        die("%s does not find what it holds", subject->label);
    }
    double taken = seconds_now() - begun;
    subject_close(subject);
    return taken * 1e3;
}

enum { SUBJECTS_MOST = 8 };

void measure_opens(struct subject *subjects, size_t count)
{
    const struct settings *settings = subjects->settings;
    struct result here[SUBJECTS_MOST];
    struct result answer[SUBJECTS_MOST];
    struct result resident[SUBJECTS_MOST];
    struct result limit = result_of("open", "exec to the first answer", "limit", "ms");
    limit.remark = "a program that opens nothing";
    for (size_t index = 0; index < count; index++) {
        const char *label = subjects[index].label;
        here[index] = result_of("open", "after a clean close, in the process", label, "ms");
        answer[index] = result_of("open", "exec to the first answer", label, "ms");
        resident[index] = result_of("size", "resident after the first answer", label, "MiB");
    }
    for (unsigned run = 0; run < settings->runs + 1; run++) { /* the first one warms the caches */
        double resident_mib = 0;
        double nothing = probe(settings, engines[0]->name, "", NULL, &resident_mib) * 1e3;
        for (size_t index = 0; index < count; index++) {
            struct subject *subject = &subjects[index];
            double opened = open_here(subject, run);
            double taken = probe(settings, subject->engine->name, subject->folder, &subject->ids[run], &resident_mib);
            if (run > 0) {
                here[index].values[here[index].runs++] = opened;
                answer[index].values[answer[index].runs++] = taken * 1e3;
                resident[index].values[resident[index].runs++] = resident_mib;
            }
        }
        if (run > 0) {
            limit.values[limit.runs++] = nothing;
        }
    }
    for (size_t index = 0; index < count; index++) {
        results_keep(subjects->results, here[index]);
        results_keep(subjects->results, answer[index]);
        results_keep(subjects->results, resident[index]);
    }
    results_keep(subjects->results, limit);
}

void measure_kills(struct subject *subjects, size_t count)
{
    const struct settings *settings = subjects->settings;
    uint64_t events = subjects->workload->events / KILLED_PART;
    events = events < KILLED_EVENTS ? events : KILLED_EVENTS;
    for (size_t index = 0; index < count; index++) {
        struct subject *subject = &subjects[index];
        struct result stripped = result_of("open", "without derived files, exec to answer", subject->label, "ms");
        struct result killed = result_of("open", "after a kill, exec to answer", subject->label, "ms");
        double resident_mib = 0;
        for (unsigned run = 0; run < settings->runs && subject->engine->strip != NULL; run++) {
            subject->engine->strip(subject->folder);
            stripped.values[stripped.runs++] =
                probe(settings, subject->engine->name, subject->folder, &subject->ids[run], &resident_mib) * 1e3;
        }
        for (unsigned run = 0; run < settings->runs; run++) {
            struct id id = probe_kill(settings, subject->engine->name, subject->folder, events);
            killed.values[killed.runs++] =
                probe(settings, subject->engine->name, subject->folder, &id, &resident_mib) * 1e3;
        }
        if (stripped.runs > 0) {
            results_keep(subjects->results, stripped);
        }
        results_keep(subjects->results, killed);
    }
}
