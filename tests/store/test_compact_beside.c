/*
 * test_compact_beside.c: what a compaction costs those who append beside it: the old segments' mappings are given back by who
 * compacts, not by the append that comes next; it pauses while others append, and only then.
 */
#include "support/world.h"

enum { EVENTS = 300, PAYLOAD = 900, MAPPINGS = 256 };

/* The fault world's table, which notes what is mapped. */
typedef struct noting {
    bp_io table;
    const bp_io *io;
    void *mapped[MAPPINGS];
    size_t count;
} noting;

static noting notes;

static int note_map(void *context, bp_file *file, size_t size, bool writable, void **address_out)
{
    int code = notes.io->map_open(context, file, size, writable, address_out);
    if (code == 0) {
        assert_true(notes.count < MAPPINGS);
        notes.mapped[notes.count++] = *address_out;
    }
    return code;
}

static void note_unmap(void *context, bp_file *file, void *address, size_t size)
{
    for (size_t i = 0; i < notes.count; i++) {
        if (notes.mapped[i] == address) {
            notes.mapped[i] = notes.mapped[--notes.count];
            break;
        }
    }
    notes.io->map_close(context, file, address, size);
}

static bool odd(void *context, const bp_event *event)
{
    (void)context;
    return event->sequence % 2 == 1;
}

static bp_store *begin(bpt_world *world)
{
    bpt_world_fault(world);
    notes = (noting){.table = *world->io, .io = world->io};
    notes.table.map_open = note_map;
    notes.table.map_close = note_unmap;
    world->options.io = &notes.table;
    world->options.durability = BP_BUFFERED;
    bp_store *store = bpt_open(world);
    bp_error error = {0};
    for (unsigned i = 0; i < EVENTS; i++) {
        (void)bpt_put_sized(store, "entity:1", PAYLOAD);
    }
    CHECK_OK(bp_seal(store, &error), &error);
    return store;
}

/* An append between two segments that are rewritten, of a name that the blocks are asked for. */
static bool append(void *argument, const char *what, uint64_t done, uint64_t total)
{
    bp_store *store = argument;
    char name[32];
    (void)total;
    if (strcmp(what, "rewriting") == 0) {
        size_t before = notes.count;
        (void)snprintf(name, sizeof name, "entity:%llu", (unsigned long long)done);
        (void)bpt_put(store, name, "x");
        CHECK(notes.count >= before, "an append gave back %zu mappings", before - notes.count);
    }
    return true;
}

static void no_append_unmaps_what_was_rewritten(void **state)
{
    (void)state;
    bpt_world world;
    bp_store *store = begin(&world);
    bp_compact_options options;
    bp_compact_report report;
    bp_error error = {0};
    bp_compact_options_init(&options);
    options.drop_if = odd;
    options.progress = append;
    options.progress_context = store;
    CHECK_OK(bp_compact(store, &options, &report, &error), &error);
    assert_true(report.rewritten > 3);
    assert_true(append(store, "rewriting", 0, 0));
    bpt_close(store);
    assert_int_equal(notes.count, 0);
    (void)bpt_verify(&world);
    bpt_world_end(&world);
}

/* Each look at this clock is some work; what was slept is counted. */
typedef struct counting {
    bp_clock table;
    const bp_clock *clock;
    uint64_t looks;
    uint64_t slept_ns;
} counting;

enum { LOOK_NS = 50000 };

static int64_t count_now(void *context)
{
    const counting *c = context;
    return c->clock->now_us(c->clock->context);
}

static uint64_t count_steady(void *context)
{
    counting *c = context;
    return c->looks++ * LOOK_NS + c->slept_ns + LOOK_NS;
}

static void count_sleep(void *context, uint64_t duration_ns)
{
    counting *c = context;
    c->slept_ns += duration_ns;
}

static bool one_event(void *argument, const char *what, uint64_t done, uint64_t total)
{
    (void)what;
    (void)done;
    (void)total;
    (void)bpt_put(argument, "entity:2", "x");
    return true;
}

static void it_pauses_while_others_append_and_only_then(void **state)
{
    (void)state;
    for (unsigned beside = 0; beside < 2; beside++) {
        bpt_world world;
        bp_store *store = begin(&world);
        bpt_close(store);
        counting clock = {.clock = world.options.clock};
        clock.table = (bp_clock){sizeof(bp_clock), &clock, count_now, count_steady, count_sleep};
        world.options.clock = &clock.table;
        store = bpt_open(&world);
        bp_compact_options options;
        bp_compact_report report;
        bp_error error = {0};
        bp_compact_options_init(&options);
        options.drop_if = odd;
        options.progress = beside != 0 ? one_event : NULL;
        options.progress_context = store;
        clock.looks = 0;
        clock.slept_ns = 0;
        CHECK_OK(bp_compact(store, &options, &report, &error), &error);
        assert_true(report.rewritten > 3);
        uint64_t worked = clock.looks * LOOK_NS;
        CHECK((clock.slept_ns != 0) == (beside != 0), "slept %llu ns of %llu", (unsigned long long)clock.slept_ns,
              (unsigned long long)(worked + clock.slept_ns));
        CHECK(clock.slept_ns <= worked * 3, "slept %llu ns beside %llu of work", (unsigned long long)clock.slept_ns,
              (unsigned long long)worked);
        bpt_close(store);
        (void)bpt_verify(&world);
        bpt_world_end(&world);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(no_append_unmaps_what_was_rewritten),
                                       cmocka_unit_test(it_pauses_while_others_append_and_only_then)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
