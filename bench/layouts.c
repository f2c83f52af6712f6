/*
 * layouts.c: batpak alone, the same history in each of its layouts of the index, side by side.
 */
#include "bench.h"

#include <batpak/store.h>

#include <stdlib.h>

static const struct {
    const char *name;
    bp_layout layout;
} layouts[] = {{"aos", BP_LAYOUT_AOS},         {"aosoa8", BP_LAYOUT_AOSOA8}, {"aosoa16", BP_LAYOUT_AOSOA16},
               {"aosoa64", BP_LAYOUT_AOSOA64}, {"soa", BP_LAYOUT_SOA},       {"soaos", BP_LAYOUT_SOAOS}};

enum { LAYOUTS = sizeof layouts / sizeof *layouts, PAYLOAD = 64 };

void bench_layouts(const struct settings *settings, struct results *results)
{
    struct subject subjects[LAYOUTS];
    struct workload workload;
    struct answers answers;
    if (!settings_want(settings, "layouts") || !settings_want_engine(settings, engines[0])) {
        return;
    }
    workload_begin(&workload, settings->layout_events, PAYLOAD);
    answers_begin(&answers, &workload);
    for (size_t index = 0; index < LAYOUTS; index++) {
        struct subject *subject = &subjects[index];
        *subject = (struct subject){.settings = settings,
                                    .workload = &workload,
                                    .answers = &answers,
                                    .engine = engines[0],
                                    .label = layouts[index].name,
                                    .results = results,
                                    .ids = memory_get(workload.events * sizeof(struct id))};
        folder_make(settings, layouts[index].name, subject->folder);
        double rate = subject_fill(subject, (unsigned)layouts[index].layout);
        results_keep_one(results, "layouts", "append in batches of 1000", subject->label, "events/s", rate);
    }
    folder_settle(subjects->folder);
    for (size_t index = 0; index < LAYOUTS; index++) {
        double begun = seconds_now();
        subject_open(&subjects[index]);
        results_keep_one(results, "layouts", "open after a clean close", layouts[index].name, "ms",
                         (seconds_now() - begun) * 1e3);
    }
    ask_questions(subjects, LAYOUTS, "layouts", settings->seconds / 10, true);
    for (size_t index = 0; index < LAYOUTS; index++) {
        subject_close(&subjects[index]);
        folder_remove(subjects[index].folder);
        free(subjects[index].ids);
    }
    answers_end(&answers);
    workload_end(&workload);
}
