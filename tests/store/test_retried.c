/*
 * test_retried.c: memory that runs out at any place of a query or a walk costs nothing but the call: asked again and again it shows
 * all that one shows which nothing disturbs, in the same order, each once.
 */
#include "io/fault_memory.h"
#include "support/world.h"

enum { COUNT = 60, SIZE = 3000, SHOWN_MAX = 200, WAYS = 8 };

typedef struct shown {
    uint64_t sequences[SHOWN_MAX];
    unsigned count;
} shown;

typedef struct scene {
    bpt_world world;
    bp_store *reader;
    bpi_fault_memory memory;
    bp_id first;
    bp_id last;
    uint64_t failed;
} scene;

static bp_id id_of(unsigned number)
{
    return bp_id_from("retried", &number, sizeof number);
}

/* Each caused by the one before it and by one long before; all of one workflow; in several segments. */
static void fill(bp_store *store)
{
    static char bytes[SIZE];
    bp_error error = {0};
    for (unsigned i = 0; i < COUNT; i++) {
        bp_id causes[2] = {id_of(i - 1), id_of(i / 2)};
        bp_append_options options;
        bp_append_options_init(&options);
        options.id = id_of(i);
        options.causes = causes;
        options.cause_count = i < 2 ? 0 : i % 3 == 0 ? 2 : 1;
        options.correlation = id_of(0);
        options.external = true;
        CHECK_OK(bp_append(store, bp_at(i % 2 == 0 ? "a" : "b", "s"), bp_kind(15, 1), bp_raw(bytes, sizeof bytes),
                           &options, NULL, &error),
                 &error);
    }
}

static void begin(scene *s)
{
    memset(s, 0, sizeof *s);
    bpt_world_memory(&s->world);
    s->world.options.segment_size = BP_SEGMENT_MIN;
    s->world.options.durability = BP_BUFFERED;
    bp_store *store = bpt_open(&s->world);
    fill(store);
    bpt_close(store);
    bpi_fault_memory_init(&s->memory);
    s->world.options.allocator = &s->memory.table;
    s->reader = bpt_reader(&s->world);
    s->first = id_of(0);
    s->last = id_of(COUNT - 1);
}

static void end(scene *s)
{
    bpt_close(s->reader);
    bpt_world_end(&s->world);
}

/* One lack of memory behind another, each a little later. */
static bool memory_ran_out(scene *s, bp_status status, const bp_error *error, uint64_t *gap)
{
    if (status != BP_ERR_NO_MEMORY) {
        CHECK(status == BP_OK || status == BP_END, "%s: %s", bp_status_name(status), error->message);
        return false;
    }
    s->failed++;
    s->memory.fails_at = *gap == 0 ? 0 : s->memory.calls + ++*gap;
    return true;
}

static bp_status next(unsigned way, bp_walk *walk, bp_iterator *iterator, uint64_t *sequence, bp_error *error)
{
    const bp_event *event = NULL;
    bp_status status = walk != NULL ? bp_walk_next(walk, &event, NULL, error)
                       : way == 6   ? bp_next_sequence(iterator, sequence, error)
                                    : bp_next(iterator, &event, error);
    if (status == BP_OK && event != NULL) {
        *sequence = event->sequence;
    }
    return status;
}

static bp_status start(scene *s, unsigned way, bp_walk **walk, bp_iterator **iterator, bp_error *error)
{
    bp_walk_options options;
    bp_walk_options_init(&options);
    options.kind = way == 0   ? BP_WALK_CAUSES
                   : way == 1 ? BP_WALK_EFFECTS
                   : way == 2 ? BP_WALK_CORRELATION
                              : BP_WALK_CHAIN;
    options.verify = way == 4;
    bp_query_options query;
    bp_query_options_init(&query);
    query.backward = way == 7;
    bp_id second = id_of(1);
    bp_region region = bp_region_all();
    bp_region_set_correlation(&region, &s->first);
    return way < 5 ? bp_walk_begin(s->reader,
                                   way == 1   ? &second
                                   : way == 2 ? &s->first
                                              : &s->last,
                                   &options, walk, error)
                   : bp_query(s->reader, &region, &query, iterator, error);
}

/* gap 0: nothing fails. */
static void show(scene *s, unsigned way, uint64_t gap, shown *shown_out)
{
    bp_walk *walk = NULL;
    bp_iterator *iterator = NULL;
    bp_error error = {0};
    memset(shown_out, 0, sizeof *shown_out);
    s->memory.fails_at = gap == 0 ? 0 : s->memory.calls + gap;
    bp_status status = BP_OK;
    while (memory_ran_out(s, status = start(s, way, &walk, &iterator, &error), &error, &gap)) {
    }
    while (status != BP_END) {
        uint64_t sequence = 0;
        status = next(way, walk, iterator, &sequence, &error);
        if (!memory_ran_out(s, status, &error, &gap) && status == BP_OK) {
            assert_true(shown_out->count < SHOWN_MAX);
            shown_out->sequences[shown_out->count++] = sequence;
        }
    }
    s->memory.fails_at = 0;
    bp_walk_end(walk);
    bp_iterator_close(iterator);
}

static void nothing_is_passed_over(void **state)
{
    scene undisturbed;
    (void)state;
    begin(&undisturbed);
    for (unsigned way = 0; way < WAYS; way++) {
        shown wanted;
        shown got;
        uint64_t failed = 0;
        show(&undisturbed, way, 0, &wanted);
        CHECK(wanted.count >= 10, "way %u shows %u", way, wanted.count);
        for (uint64_t gap = 1; gap <= 40; gap++) {
            scene s;
            bpt_note("way %u, first failure at allocation %llu", way, (unsigned long long)gap);
            begin(&s); /* nothing is mapped or cached yet */
            show(&s, way, gap, &got);
            CHECK(got.count == wanted.count &&
                      memcmp(got.sequences, wanted.sequences, got.count * sizeof *got.sequences) == 0,
                  "%u events instead of %u", got.count, wanted.count);
            failed += s.failed;
            end(&s);
        }
        assert_true(failed > 0);
    }
    bpt_note("%s", "");
    end(&undisturbed);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_is_passed_over),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
