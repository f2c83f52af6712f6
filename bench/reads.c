/*
 * reads.c: how fast a store answers.
 *
 * A run asks one question again and again, each time of another target, until its time is over; then what was found is
 * compared with what the workload says must be found, down to the payload bytes: a wrong answer ends the program. A
 * first run is not counted, so everything is warm. Engines take turns, run by run.
 */
#include "bench.h"

#include <stdlib.h>
#include <string.h>

enum { WINDOWS = 4, CLOCK_EVERY = 64 };

/* What is counted. */
enum counting { EVENTS, TURNS, TURN_TIME };

struct asking {
    struct subject *subject;
    uint64_t windows[WINDOWS][2]; /* commit times, both inclusive */
};

struct question {
    const char *name;
    const char *unit;
    enum counting counting;
    bool quick; /* so short that the clock is read only now and then */
    bool layouts;
    const char *limit; /* what the limit does */
    bool (*ask)(const struct asking *asking, uint64_t turn, struct tally *tally);
    void (*expect)(const struct asking *asking, uint64_t turn, struct tally *tally);
};

static uint64_t pick(uint64_t turn, uint64_t among)
{
    uint64_t state = turn;
    return random_next(&state) % among;
}

static bool ask_scan(const struct asking *asking, uint64_t turn, struct tally *tally)
{
    (void)turn;
    return asking->subject->engine->scan(asking->subject->handle, tally);
}

static void expect_scan(const struct asking *asking, uint64_t turn, struct tally *tally)
{
    (void)turn;
    tally_join(tally, &asking->subject->answers->all);
}

static bool ask_present(const struct asking *asking, uint64_t turn, struct tally *tally)
{
    const struct subject *subject = asking->subject;
    return subject->engine->get(subject->handle, &subject->ids[pick(turn, subject->workload->events)], tally);
}

static void expect_present(const struct asking *asking, uint64_t turn, struct tally *tally)
{
    const struct workload *workload = asking->subject->workload;
    struct tally one = workload_tally(workload, pick(turn, workload->events), 1);
    tally_join(tally, &one);
}

/* An id of the store with other random bits: its time is one of the store's. */
static bool ask_absent(const struct asking *asking, uint64_t turn, struct tally *tally)
{
    const struct subject *subject = asking->subject;
    struct id id = subject->ids[pick(turn, subject->workload->events)];
    uint64_t state = ~turn;
    uint64_t random = random_next(&state);
    memcpy(id.bytes + 8, &random, sizeof random);
    return subject->engine->get(subject->handle, &id, tally);
}

static void expect_nothing(const struct asking *asking, uint64_t turn, struct tally *tally)
{
    (void)asking;
    (void)turn;
    (void)tally;
}

static bool ask_big_stream(const struct asking *asking, uint64_t turn, struct tally *tally)
{
    const struct subject *subject = asking->subject;
    const struct workload *workload = subject->workload;
    return subject->engine->stream(subject->handle, workload->entities[pick(turn, workload->big_entities)], tally);
}

static void expect_big(const struct asking *asking, uint64_t turn, struct tally *tally)
{
    tally_join(tally, &asking->subject->answers->entities[pick(turn, asking->subject->workload->big_entities)]);
}

static uint64_t small_entity(const struct workload *workload, uint64_t turn)
{
    return workload->big_entities + pick(turn, workload->small_entities);
}

static bool ask_small_stream(const struct asking *asking, uint64_t turn, struct tally *tally)
{
    const struct subject *subject = asking->subject;
    const struct workload *workload = subject->workload;
    return subject->engine->stream(subject->handle, workload->entities[small_entity(workload, turn)], tally);
}

static void expect_small_stream(const struct asking *asking, uint64_t turn, struct tally *tally)
{
    tally_join(tally, &asking->subject->answers->entities[small_entity(asking->subject->workload, turn)]);
}

static bool ask_scope(const struct asking *asking, uint64_t turn, struct tally *tally)
{
    const struct subject *subject = asking->subject;
    return subject->engine->scope(subject->handle, subject->workload->scopes[pick(turn, SCOPES)], tally);
}

static void expect_scope(const struct asking *asking, uint64_t turn, struct tally *tally)
{
    tally_join(tally, &asking->subject->answers->scopes[pick(turn, SCOPES)]);
}

static bool ask_kind(const struct asking *asking, uint64_t turn, struct tally *tally)
{
    return asking->subject->engine->kind(asking->subject->handle, (unsigned)pick(turn, KINDS), tally);
}

static void expect_kind(const struct asking *asking, uint64_t turn, struct tally *tally)
{
    tally_join(tally, &asking->subject->answers->kinds[pick(turn, KINDS)]);
}

static bool ask_prefix(const struct asking *asking, uint64_t turn, struct tally *tally)
{
    char prefix[NAME_SIZE];
    workload_prefix(turn % 2 == 0, (unsigned)pick(turn, GROUPS), prefix);
    return asking->subject->engine->prefix(asking->subject->handle, prefix, tally);
}

static void expect_prefix(const struct asking *asking, uint64_t turn, struct tally *tally)
{
    tally_join(tally, &asking->subject->answers->prefixes[turn % 2 == 0][pick(turn, GROUPS)]);
}

static uint64_t window_size(const struct workload *workload)
{
    return workload->events / 100;
}

static uint64_t window_first(const struct workload *workload, uint64_t window)
{
    return workload->events / (2 * (uint64_t)WINDOWS) * (2 * window + 1);
}

static bool ask_between(const struct asking *asking, uint64_t turn, struct tally *tally)
{
    const uint64_t *window = asking->windows[turn % WINDOWS];
    return asking->subject->engine->between(asking->subject->handle, window[0], window[1], tally);
}

static void expect_between(const struct asking *asking, uint64_t turn, struct tally *tally)
{
    const struct workload *workload = asking->subject->workload;
    struct tally one = workload_tally(workload, window_first(workload, turn % WINDOWS), window_size(workload));
    tally_join(tally, &one);
}

static bool ask_sequences(const struct asking *asking, uint64_t turn, struct tally *tally)
{
    return asking->subject->engine->kind_sequences(asking->subject->handle, (unsigned)pick(turn, KINDS), tally);
}

static void expect_sequences(const struct asking *asking, uint64_t turn, struct tally *tally)
{
    tally_join(tally, &asking->subject->answers->kind_sequences[pick(turn, KINDS)]);
}

/* From the last event of a big entity. */
static bool ask_walk(const struct asking *asking, uint64_t turn, struct tally *tally)
{
    const struct subject *subject = asking->subject;
    uint64_t entities = subject->workload->big_entities;
    uint64_t number = 2 * (pick(turn, entities) + (BIG_ENTITY - 1) * entities);
    return subject->engine->walk(subject->handle, &subject->ids[number], BIG_ENTITY, tally);
}

static const struct question questions[] = {
    {"full scan", "events/s", EVENTS, false, true, "payload bytes of a mapped file", ask_scan, expect_scan},
    {"get by id, present", "gets/s", TURNS, true, false, "one probe, one record", ask_present, expect_present},
    {"get by id, absent", "gets/s", TURNS, true, false, "one probe", ask_absent, expect_nothing},
    {"streams of 1000 events", "events/s", EVENTS, false, true, "records by number, 8 ahead", ask_big_stream,
     expect_big},
    {"streams of 10 events", "events/s", EVENTS, true, true, "records by number, 8 ahead", ask_small_stream,
     expect_small_stream},
    {"by scope, 1 %", "events/s", EVENTS, false, true, "records by number, 8 ahead", ask_scope, expect_scope},
    {"by kind, 1.6 %", "events/s", EVENTS, false, true, "records by number, 8 ahead", ask_kind, expect_kind},
    {"by prefix, 0.5 %", "events/s", EVENTS, false, true, "records by number, 8 ahead", ask_prefix, expect_prefix},
    {"by time, 1 %", "events/s", EVENTS, false, true, "payload bytes of a mapped file", ask_between, expect_between},
    {"by kind, sequences only", "events/s", EVENTS, false, true, "numbers in an array", ask_sequences,
     expect_sequences},
    {"walk of 1000 ancestors", "ms", TURN_TIME, false, false, "records by number, 8 ahead", ask_walk, expect_big},
};

/* One run; what it counts. */
static double run_question(const struct asking *asking, const struct question *question, double seconds)
{
    struct tally found = {0};
    struct tally wanted = {0};
    uint64_t turns = 0;
    bool good = true;
    double begun = seconds_now();
    double now = begun;
    while (good && now < begun + seconds) {
        good = question->ask(asking, turns++, &found);
        now = !question->quick || turns % CLOCK_EVERY == 0 ? seconds_now() : now;
    }
    double taken = seconds_now() - begun;
    for (uint64_t turn = 0; turn < turns; turn++) {
        question->expect(asking, turn, &wanted);
    }
    if (!good || found.events != wanted.events || found.sum != wanted.sum) {
        die("%s: %s: not the answer that the workload demands (%llu events instead of %llu)", asking->subject->label,
            question->name, (unsigned long long)found.events, (unsigned long long)wanted.events);
    }
    return question->counting == TURN_TIME ? taken * 1e3 / (double)turns
                                           : (double)(question->counting == TURNS ? turns : found.events) / taken;
}

static void prepare(struct asking *asking, struct subject *subject)
{
    asking->subject = subject;
    for (uint64_t window = 0; window < WINDOWS; window++) {
        uint64_t first = window_first(subject->workload, window);
        uint64_t last = first + window_size(subject->workload) - 1;
        if (!subject->engine->when(subject->handle, first, &asking->windows[window][0]) ||
            !subject->engine->when(subject->handle, last, &asking->windows[window][1])) {
            die("%s does not know when an event was committed", subject->label);
        }
    }
}

void ask_questions(struct subject *subjects, size_t count, const char *group, double seconds, bool only_layouts)
{
    enum { SUBJECTS_MOST = 8 };
    struct asking askings[SUBJECTS_MOST];
    const struct settings *settings = subjects->settings;
    for (size_t index = 0; index < count; index++) {
        prepare(&askings[index], &subjects[index]);
    }
    for (size_t which = 0; which < sizeof questions / sizeof *questions; which++) {
        const struct question *question = &questions[which];
        struct result kept[SUBJECTS_MOST] = {0};
        if (only_layouts && !question->layouts) {
            continue;
        }
        for (unsigned run = 0; run < settings->runs + 1; run++) {
            for (size_t index = 0; index < count; index++) {
                double value = run_question(&askings[index], question, seconds);
                if (run == 0) {
                    kept[index] = result_of(group, question->name, subjects[index].label, question->unit);
                    kept[index].remark = subjects[index].engine == &engine_limit ? question->limit : NULL;
                } else {
                    kept[index].values[kept[index].runs++] = value;
                }
            }
        }
        for (size_t index = 0; index < count; index++) {
            results_keep(subjects->results, kept[index]);
        }
    }
}

void ask_verify(struct subject *subject)
{
    struct result result = result_of("read", "verify everything, one core", subject->label, "events/s");
    for (unsigned run = 0; run < subject->settings->runs + 1; run++) {
        struct tally tally = {0};
        double begun = seconds_now();
        if (!subject->engine->verify(subject->folder, &tally) || tally.events != subject->answers->all.events) {
            die("%s: the store is not proven", subject->label);
        }
        if (run > 0) {
            result.values[result.runs++] = (double)tally.events / (seconds_now() - begun);
        }
    }
    results_keep(subject->results, result);
}
