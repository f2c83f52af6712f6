/*
 * gates.c: what gates and guards cost an append.
 *
 *   gates [EVENTS]     buffered appends of 256 bytes, in turns of the same run; nanoseconds of the thread each, and beyond
 *                    the plain append
 *
 * plain: nothing is asked. five gates: size, kinds, cause, state machine, and one of the application's own, bound to the
 * whole store. guards: over an entity that nobody has, over one that nobody writes to, over a scope and a kind that are quiet
 * while 100 other events came since the position, and over a scope whose position is 10,000 events old.
 */
#include <batpak/batpak.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { PAYLOAD = 256, ENTITIES = 100, TURN = 5000, CASES = 7 };

static bp_error error;

static void must(bp_status status)
{
    if (status != BP_OK) {
        (void)bp_print_error(stderr, &error);
        exit(1);
    }
}

static double now_ns(void)
{
    struct timespec t;
    (void)clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

static bp_verdict own_gate(const void *state, const void *context, bp_denial *denial)
{
    const bp_event *event = bp_commit_event(context);
    (void)state;
    return event->payload_size > 0 && ((const char *)event->payload)[0] == 'p'
               ? BP_VERDICT_PASS
               : bp_denial_say(denial, "FIRST_BYTE", "it does not begin with a p");
}

static bp_gate_set *five_gates(void)
{
    static const bp_kind_code kinds[] = {0xf001, 0xf002};
    static const bp_kind_step steps[] = {{true, 0, 0xf001}, {false, 0xf001, 0xf002}, {false, 0xf002, 0xf001}};
    static const bp_gate own = {"own", "a first byte", own_gate, NULL, NULL};
    bp_gate_set *set = NULL;
    must(bp_gate_set_new(&set, &error));
    must(bp_gate_push_size(set, "size", 4096, &error));
    must(bp_gate_push_kinds(set, "kinds", kinds, 2, &error));
    must(bp_gate_push_cause(set, "cause", NULL, 0, &error));
    must(bp_gate_push_machine(set, "machine", steps, 3, &error));
    must(bp_gate_set_push(set, &own, &error));
    return set;
}

/* One turn of appends; the kinds alternate so that the machine has something to say. Nanoseconds each. */
static double turn(bp_store *store, const bp_guard *guard, const bp_id *cause, unsigned *round)
{
    static char payload[PAYLOAD];
    bp_append_options options;
    bp_append_options_init(&options);
    options.causes = cause;
    options.cause_count = 1;
    options.guards = guard;
    options.guard_count = guard != NULL;
    memset(payload, 'p', sizeof payload);
    double start = now_ns();
    for (unsigned i = 0; i < TURN; i++) {
        char entity[16];
        unsigned number = i % ENTITIES;
        bp_kind_code kind = (*round + i / ENTITIES) % 2 == 0 ? 0xf001 : 0xf002;
        (void)snprintf(entity, sizeof entity, "entity:%u", number);
        must(bp_append(store, bp_at(entity, "busy"), kind, bp_raw(payload, sizeof payload), &options, NULL, &error));
    }
    *round += TURN / ENTITIES;
    return (now_ns() - start) / TURN;
}

/* A guard over a quiet region whose position is `back` events old at each append. */
static double guarded(bp_store *store, bp_region *region, uint64_t back, const bp_id *cause, unsigned *round)
{
    static char payload[PAYLOAD];
    enum { APPENDS = 500 };
    bp_guard guards[APPENDS];
    bp_append_options options;
    bp_append_options_init(&options);
    options.causes = cause;
    options.cause_count = 1;
    memset(payload, 'p', sizeof payload);
    uint64_t end = bp_store_frontiers(store).published;
    for (unsigned i = 0; i < APPENDS; i++) {
        const bp_event *event = NULL;
        uint64_t next = end > back ? end - back : 1;
        must(bp_get_sequence(store, next - 1, &event, &error));
        guards[i] = bp_guard_of(region, (bp_position){.next = next, .event_hash = event->event_hash});
        bp_event_release(event);
    }
    double start = now_ns();
    for (unsigned i = 0; i < APPENDS; i++) {
        char entity[16];
        bp_kind_code kind = (*round + i / ENTITIES) % 2 == 0 ? 0xf001 : 0xf002;
        (void)snprintf(entity, sizeof entity, "entity:%u", i % ENTITIES);
        options.guards = &guards[i];
        options.guard_count = 1;
        must(bp_append(store, bp_at(entity, "busy"), kind, bp_raw(payload, sizeof payload), &options, NULL, &error));
    }
    double each = (now_ns() - start) / APPENDS;
    *round += APPENDS / ENTITIES;
    return each;
}

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a;
    double y = *(const double *)b;
    return (x > y) - (x < y);
}

int main(int count, char **arguments)
{
    static const char *const names[CASES] = {"plain",
                                             "five gates",
                                             "guard, unknown entity, 1 back",
                                             "guard, quiet entity",
                                             "guard, quiet scope, 100 back",
                                             "guard, quiet kind, 100 back",
                                             "guard, quiet scope, 10000 back"};
    static double figures[CASES][4000];
    size_t rounds = (count > 1 ? (size_t)strtoull(arguments[1], NULL, 10) : 400000) / (2 * TURN);
    rounds = rounds < 3 ? 3 : rounds > 4000 ? 4000 : rounds;
    bp_options options;
    bp_store *store = NULL;
    bp_receipt first;
    bp_io *io = bp_io_memory_new();
    bp_options_init(&options);
    options.io = io;
    options.durability = BP_BUFFERED;
    must(bp_open("gates", &options, &store, &error));
    must(bp_append(store, bp_at("quiet", "quiet"), 0xe001, bp_raw("p", 1), NULL, &first, &error));
    bp_gate_set *set = five_gates();
    bp_region unknown = bp_region_stream("nobody");
    bp_region quiet = bp_region_stream("quiet");
    bp_region scope = bp_region_by_scope("quiet");
    bp_region kind = bp_region_by_kind(0xe001);
    unsigned round = 0;
    (void)turn(store, NULL, &first.id, &round);
    (void)turn(store, NULL, &first.id, &round);
    (void)turn(store, NULL, &first.id, &round);
    for (size_t r = 0; r < rounds; r++) {
        bp_binding *binding = NULL;
        figures[0][r] = turn(store, NULL, &first.id, &round);
        must(bp_gate_bind(store, NULL, set, NULL, &binding, &error));
        figures[1][r] = turn(store, NULL, &first.id, &round);
        must(bp_gate_unbind(store, binding, &error));
        figures[2][r] = guarded(store, &unknown, 1, &first.id, &round);
        figures[3][r] = guarded(store, &quiet, 100, &first.id, &round);
        figures[4][r] = guarded(store, &scope, 100, &first.id, &round);
        figures[5][r] = guarded(store, &kind, 100, &first.id, &round);
        figures[6][r] = guarded(store, &scope, 10000, &first.id, &round);
    }
    for (size_t c = 0; c < CASES; c++) {
        qsort(figures[c], rounds, sizeof figures[c][0], compare);
        double median = figures[c][rounds / 2];
        printf("%-32s %7.0f ns  %+7.0f\n", names[c], median, median - figures[0][rounds / 2]);
    }
    bp_gate_set_free(set);
    must(bp_close(store, &error));
    bp_io_memory_free(io);
    return 0;
}
