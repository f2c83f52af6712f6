/*
 * test_stats.c: counts and sizes say what is there; segments; Prometheus text; the log hook.
 */
#include <time.h>

#include "support/world.h"

static bp_stats stats_of(bp_store *store)
{
    bp_error error = {0};
    bp_stats stats = {.size = sizeof stats};
    CHECK_OK(bp_store_stats(store, &stats, &error), &error);
    return stats;
}

static void fill(bp_store *store)
{
    bp_error error = {0};
    CHECK_OK(bp_kind_define(store, 0x2001, "a", &error), &error);
    CHECK_OK(bp_append(store, bp_at("a", "s"), 0x2001, bp_raw("x", 1), NULL, NULL, &error), &error);
    CHECK_OK(bp_append(store, bp_at("a", "t"), 0x2002, bp_raw("x", 1), NULL, NULL, &error), &error);
    CHECK_OK(bp_append(store, bp_at("b", "t"), 0x2002, bp_raw("x", 1), NULL, NULL, &error), &error);
}

static void counts_are_right_now_and_after_reopening(void **state)
{
    bpt_world world;
    (void)state;
    bpt_world_memory(&world);
    bp_store *store = bpt_open(&world);
    fill(store);
    for (int round = 0; round < 2; round++) {
        bp_stats stats = stats_of(store);
        assert_int_equal(stats.events, 4);
        assert_int_equal(stats.system_events, 1);
        assert_int_equal(stats.entities, 3);
        assert_int_equal(stats.scopes, 3);
        assert_int_equal(stats.kinds, 3);
        assert_int_equal(stats.frontiers.published, 4);
        assert_int_equal(stats.frontiers.durable, 4);
        assert_true(stats.last_hlc > 0 && !bp_id_is_nil(&stats.store_id));
        assert_int_equal(stats.appends, round == 0 ? 4 : 0);
        assert_false(stats.read_only || stats.cut_now);
        assert_true(stats.heap_bytes > 0 && stats.log_bytes > 0 && stats.file_bytes >= stats.log_bytes);
        bpt_close(store);
        store = bpt_open(&world);
    }
    bp_store *reader = bpt_reader(&world);
    assert_true(stats_of(reader).read_only);
    bpt_close(reader);
    bpt_close(store);
    bpt_world_end(&world);
}

static void answers_are_counted(void **state)
{
    bpt_world world;
    bp_error error = {0};
    bp_append_options options;
    (void)state;
    bpt_world_memory(&world);
    bp_store *store = bpt_open(&world);
    bp_append_options_init(&options);
    options.id = bp_id_from("k", "x", 1);
    bpt_put_with(store, "e", "x", &options);
    bpt_put_with(store, "e", "x", &options);
    bp_append_options_init(&options);
    options.expect.kind = BP_EXPECT_NONE;
    CHECK_STATUS(BP_ERR_CONFLICT, bp_append(store, bp_at("e", "s"), 0xf001, bp_raw("", 0), &options, NULL, &error),
                 &error);
    bp_stats stats = stats_of(store);
    assert_int_equal(stats.appends, 1);
    assert_int_equal(stats.duplicates, 1);
    assert_int_equal(stats.conflicts, 1);
    assert_true(stats.syncs >= 1);
    bpt_close(store);
    bpt_world_end(&world);
}

static void a_cut_is_reported(void **state)
{
    bpt_world world;
    bp_append_options options;
    (void)state;
    bpt_world_fault(&world);
    bp_store *store = bpt_open(&world);
    bpt_put(store, "e", "kept");
    bp_append_options_init(&options);
    options.durability = BP_BUFFERED;
    char text[3000];
    memset(text, 'z', sizeof text);
    text[sizeof text - 1] = '\0';
    bpt_put_with(store, "e", text, &options);
    bpt_tear(&world, 1);
    (void)bp_close(store, NULL);
    store = bpt_open(&world);
    bp_stats stats = stats_of(store);
    assert_true(stats.cut_now);
    assert_int_equal(stats.cuts, 1);
    assert_true(stats.cut_bytes > 0 && stats.cut_lsn > 0);
    assert_int_equal(stats.events, 1);
    bpt_close(store);
    store = bpt_open(&world);
    stats = stats_of(store);
    assert_false(stats.cut_now);
    assert_int_equal(stats.cuts, 1);
    bpt_close(store);
    bpt_world_end(&world);
}

typedef struct chain {
    uint64_t next;
    uint32_t count;
    uint32_t sealed;
    uint64_t events;
} chain;

static int see_segment(void *argument, const bp_segment_info *segment)
{
    chain *all = argument;
    bp_hash zero = {{0}};
    assert_int_equal(segment->ordinal, all->count);
    assert_true(!segment->sealed || segment->first_sequence == all->next);
    assert_true(bp_hash_equal(&segment->root, &zero) == (!segment->sealed || segment->events == 0));
    assert_true(segment->bytes >= 64 && segment->file_bytes >= segment->bytes);
    assert_true(strncmp(segment->name, "log/", 4) == 0);
    all->next = segment->first_sequence + segment->events;
    all->events += segment->events;
    all->sealed += segment->sealed;
    all->count++;
    return 0;
}

static int stop_at_once(void *argument, const bp_segment_info *segment)
{
    (void)segment;
    (*(unsigned *)argument)++;
    return 1;
}

static void segments_join_without_a_gap(void **state)
{
    bpt_world world;
    bp_error error = {0};
    chain all = {0};
    unsigned calls = 0;
    (void)state;
    bpt_world_memory(&world);
    bp_store *store = bpt_open(&world);
    for (int index = 0; index < 60; index++) {
        (void)bpt_put_sized(store, "e", 5000);
    }
    CHECK_OK(bp_seal(store, &error), &error);
    bpt_put(store, "e", "x");
    CHECK_OK(bp_segments(store, see_segment, &all, &error), &error);
    bp_stats stats = stats_of(store);
    assert_int_equal(all.events, 61);
    assert_true(all.count >= 6 && all.sealed + 1 >= all.count - 1);
    assert_int_equal(stats.segments, all.count);
    assert_int_equal(stats.sealed_segments, all.sealed);
    CHECK_OK(bp_segments(store, stop_at_once, &calls, &error), &error);
    assert_int_equal(calls, 1);
    bpt_close(store);
    bpt_world_end(&world);
}

static void sealing_an_empty_segment_does_nothing(void **state)
{
    bpt_world world;
    bp_error error = {0};
    (void)state;
    bpt_world_memory(&world);
    bp_store *store = bpt_open(&world);
    bpt_put(store, "e", "x");
    CHECK_OK(bp_seal(store, &error), &error);
    bp_stats first = stats_of(store);
    for (int index = 0; index < 5; index++) {
        CHECK_OK(bp_seal(store, &error), &error);
    }
    assert_int_equal(stats_of(store).segments, first.segments);
    assert_int_equal(first.sealed_segments, 1);
    bpt_close(store);
    bpt_world_end(&world);
}

static void metrics_are_prometheus_text(void **state)
{
    bpt_world world;
    bp_error error = {0};
    char *text = NULL;
    size_t size = 0;
    (void)state;
    bpt_world_memory(&world);
    bp_store *store = bpt_open(&world);
    fill(store);
    FILE *stream = open_memstream(&text, &size);
    assert_non_null(stream);
    CHECK_OK(bp_metrics_write(store, stream, &error), &error);
    assert_int_equal(fclose(stream), 0);
    assert_non_null(strstr(text, "# TYPE batpak_"));
    assert_non_null(strstr(text, "# HELP batpak_"));
    for (char *line = strtok(text, "\n"); line != NULL; line = strtok(NULL, "\n")) {
        assert_true(line[0] == '#' || strncmp(line, "batpak_", 7) == 0);
        assert_true(line[0] == '#' || strchr(line, ' ') != NULL);
    }
    free(text);
    bpt_close(store);
    bpt_world_end(&world);
}

static void said(void *context, bp_log_level level, const char *target, const char *name, const bp_log_field *fields,
                 size_t field_count)
{
    (void)level;
    (void)fields;
    (void)field_count;
    unsigned *seen = context;
    static const char *const names[] = {"open", "append", "append-batch", "sync", "seal", "close"};
    if (strcmp(target, "flow") == 0) {
        for (unsigned index = 0; index < 6; index++) {
            *seen |= strcmp(name, names[index]) == 0 ? 1u << index : 0;
        }
    }
}

static void operations_report_their_flow(void **state)
{
    bpt_world world;
    bp_error error = {0};
    unsigned seen = 0;
    bp_log_hook hook = {sizeof hook, &seen, BP_LOG_DEBUG, said};
    bp_batch_item items[2] = {{bp_at("e", "s"), 0xf001, bp_raw("x", 1), NULL},
                              {bp_at("e", "s"), 0xf001, bp_raw("x", 1), NULL}};
    (void)state;
    bpt_world_memory(&world);
    world.options.log = &hook;
    bp_store *store = bpt_open(&world);
    bpt_put(store, "e", "x");
    CHECK_OK(bp_append_batch(store, items, 2, NULL, NULL, &error), &error);
    CHECK_OK(bp_sync(store, &error), &error);
    CHECK_OK(bp_seal(store, &error), &error);
    bpt_close(store);
    CHECK(seen == 0x3f, "operations that were not reported: 0x%02x", 0x3f & ~seen);
    bpt_world_end(&world);
}

static void heap_an_event_stays_small(void **state)
{
    enum { COUNT = 20000 };
    bpt_world world;
    bp_append_options options;
    (void)state;
    bpt_world_memory(&world);
    world.options.segment_size = 1 << 20;
    world.options.durability = BP_BUFFERED;
    bp_store *store = bpt_open(&world);
    bp_append_options_init(&options);
    for (int index = 0; index < COUNT; index++) {
        char entity[32];
        (void)snprintf(entity, sizeof entity, "order:%d", index % 2000);
        (void)bpt_put_with(store, entity, "a payload", &options);
    }
    uint64_t heap = stats_of(store).heap_bytes;
    CHECK(heap / COUNT < 160, "%llu bytes of heap an event", (unsigned long long)(heap / COUNT));
    bp_error error = {0};
    for (int index = 0; index < 1000; index++) { /* nothing grows per query */
        uint64_t count;
        bp_region region = bp_region_stream("order:7");
        CHECK_OK(bp_count(store, &region, &count, &error), &error);
    }
    CHECK(stats_of(store).heap_bytes <= heap + 65536, "queries grow the heap");
    bpt_close(store);
    bpt_world_end(&world);
}

/* A writer that has nothing to do keeps the rows that are not sealed yet, and of what is sealed no names and no heads. */
static void heap_at_rest(int entities)
{
    enum { COUNT = 60000 };
    bpt_world world;
    bp_append_options options;
    bpt_world_memory(&world);
    world.options.segment_size = 1 << 20;
    world.options.durability = BP_BUFFERED;
    world.options.keeper = BP_KEEPER_THREAD;
    bp_store *store = bpt_open(&world);
    uint64_t empty = stats_of(store).heap_bytes;
    bp_append_options_init(&options);
    for (int index = 0; index < COUNT; index++) {
        char entity[32];
        (void)snprintf(entity, sizeof entity, "order:%d", index * 7 % entities);
        (void)bpt_put_with(store, entity, "a payload", &options);
    }
    bp_stats stats = stats_of(store);
    uint64_t allowed = 0;
    for (int tries = 0; tries < 500; tries++) { /* the keeper has work to do first */
        stats = stats_of(store);
        uint64_t active = stats.segments == stats.sealed_segments ? 0 : (1 << 20) / (stats.log_bytes / stats.events);
        allowed = empty + active * 250 + (uint64_t)COUNT * 2; /* every active event may be of an entity of its own */
        if (stats.heap_bytes <= allowed) {
            break;
        }
        struct timespec pause = {0, 10000000};
        (void)nanosleep(&pause, NULL);
    }
    CHECK(stats.heap_bytes <= allowed, "%llu bytes of heap at rest, %llu expected at most",
          (unsigned long long)stats.heap_bytes, (unsigned long long)allowed);
    CHECK(stats.entities >= (uint64_t)entities, "%llu entities", (unsigned long long)stats.entities);
    /* What was forgotten is found: each entity goes on where it ended. */
    for (int index = 0; index < entities; index += 97) {
        char entity[32];
        (void)snprintf(entity, sizeof entity, "order:%d", index);
        bp_receipt receipt = bpt_put_with(store, entity, "a payload", &options);
        CHECK(receipt.clock == (uint64_t)(COUNT / entities), "clock %llu of %s", (unsigned long long)receipt.clock,
              entity);
    }
    bpt_close(store);
    bpt_world_end(&world);
}

/* More than the book of names of a segment may have, and fewer: then the book itself is made anew. */
static void heap_at_rest_forgets_what_is_sealed(void **state)
{
    (void)state;
    heap_at_rest(30000);
    heap_at_rest(1500);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(counts_are_right_now_and_after_reopening),
        cmocka_unit_test(answers_are_counted),
        cmocka_unit_test(a_cut_is_reported),
        cmocka_unit_test(segments_join_without_a_gap),
        cmocka_unit_test(sealing_an_empty_segment_does_nothing),
        cmocka_unit_test(metrics_are_prometheus_text),
        cmocka_unit_test(operations_report_their_flow),
        cmocka_unit_test(heap_an_event_stays_small),
        cmocka_unit_test(heap_at_rest_forgets_what_is_sealed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
