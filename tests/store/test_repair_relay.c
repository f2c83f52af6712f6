/*
 * test_repair_relay.c: repairs of stores whose writer died while it recovered in its process from a failed write or sync, and so
 * wrote events anew into another segment (P6): a repair has what an opening has, whichever of the two segments counts.
 */
#include <errno.h>

#include "support/world.h"

#include "format/frame.h"
#include "format/manifest.h"

enum { EVENTS_MAX = 16 };

typedef struct content {
    bp_hash hashes[EVENTS_MAX];
    uint64_t count;
} content;

static void put(bp_store *store, const char *entity, const char *text)
{
    bp_error error = {0};
    bp_append_options options;
    bp_append_options_init(&options);
    options.durability = BP_BUFFERED;
    CHECK_OK(bp_append(store, bp_at(entity, "s"), 0xf001, bp_raw(text, strlen(text)), &options, NULL, &error), &error);
}

/* A store with `synced` events that were synced and `more` that were not, its log failed. */
static bp_store *begin(bpt_world *world, unsigned synced, unsigned more, bpi_fault_kind kind)
{
    bpt_world_fault(world);
    world->options.recovery_attempts = 8;
    world->options.durability = BP_BUFFERED;
    bp_store *store = bpt_open(world);
    for (unsigned i = 0; i < synced; i++) {
        put(store, "e", "synced");
    }
    if (synced != 0) {
        CHECK_OK(bp_sync(store, NULL), NULL);
    }
    for (unsigned i = 0; i < more; i++) {
        put(store, i % 2 == 0 ? "e" : "f", "not synced");
    }
    bpi_fault_set_plan(world->fault, &(bpi_fault_plan){.kind = kind, .step = 1, .os_error = EIO});
    assert_true(bp_sync(store, NULL) != BP_OK);
    assert_true(bp_store_frontiers(store).failed);
    return store;
}

static content content_of(bp_store *store)
{
    content all = {.count = bp_store_frontiers(store).published};
    bp_error error = {0};
    assert_true(all.count <= EVENTS_MAX);
    for (uint64_t sequence = 0; sequence < all.count; sequence++) {
        const bp_event *event = NULL;
        CHECK_OK(bp_get_sequence(store, sequence, &event, &error), &error);
        all.hashes[sequence] = event->event_hash;
        bp_event_release(event);
    }
    return all;
}

static void adopt(bpt_world *world, const bpt_world *like)
{
    bpt_world_adopt(world, bpi_fault_clone(like->fault));
    world->options.durability = like->options.durability;
}

static bp_repair_report repair(const bpt_world *world)
{
    bp_repair_options options;
    bp_repair_report report;
    bp_error error = {0};
    bp_repair_options_init(&options);
    options.io = world->io;
    options.clock = world->options.clock;
    options.random = world->options.random;
    CHECK_OK(bp_repair(world->path, "repaired", &options, &report, &error), &error);
    return report;
}

static content content_of_repaired(const bpt_world *world)
{
    bp_store *store = NULL;
    bp_error error = {0};
    CHECK_OK(bp_open_reader("repaired", &world->options, &store, &error), &error);
    content all = content_of(store);
    bpt_close(store);
    return all;
}

/* What is there, as a restart finds it, for an opening and for a repair. */
static void compare(const bpt_world *crashed, bpt_keep keep, uint64_t which, const char *where)
{
    bpt_world restarted;
    bpt_world opened;
    adopt(&restarted, crashed);
    if (keep == BPT_KEEP_ALL) {
        bpi_fault_process_kill(restarted.fault);
    } else {
        (void)bpt_power_cut(&restarted, keep, which);
    }
    adopt(&opened, &restarted);
    bp_store *store = bpt_open(&opened);
    content want = content_of(store);
    bp_stats stats = {.size = sizeof stats};
    CHECK_OK(bp_store_stats(store, &stats, NULL), NULL);
    bpt_close(store);
    bp_verify_options verify;
    bp_verify_report verified;
    bp_error error = {0};
    bp_verify_options_init(&verify);
    verify.io = restarted.io;
    CHECK_OK(bp_verify(restarted.path, &verify, &verified, &error), &error);
    bp_repair_report report = repair(&restarted);
    assert_true(verified.unsettled_bytes == report.unsettled_bytes ||
                (keep == BPT_KEEP_ALL && verified.unsettled_bytes == 0)); /* the writer may be alive */
    CHECK(report.unsettled_bytes == (stats.cut_now ? stats.cut_bytes : 0),
          "%s: %llu bytes are said to be cut, %llu are", where, (unsigned long long)report.unsettled_bytes,
          (unsigned long long)stats.cut_bytes);
    CHECK(report.lost == 0 && report.rejected == 0 && report.events == want.count && report.unchanged == want.count,
          "%s, keep %d %llu: repaired: %llu events, %llu lost; opened: %llu", where, (int)keep,
          (unsigned long long)which, (unsigned long long)report.events, (unsigned long long)report.lost,
          (unsigned long long)want.count);
    content got = content_of_repaired(&restarted);
    assert_int_equal(got.count, want.count);
    assert_memory_equal(got.hashes, want.hashes, sizeof got.hashes);
    bpt_world_end(&opened);
    bpt_world_end(&restarted);
}

static void find_last(void *argument, const char *name, const uint8_t *data, size_t size)
{
    char *last = argument;
    (void)data;
    (void)size;
    if (strncmp(name, "log/", 4) == 0 && strstr(name, ".seg") != NULL && strcmp(name, last) > 0) {
        (void)snprintf(last, 64, "%s", name);
    }
}

/* The last segment, in which the log has perhaps no frame yet, is lost: verify calls that damage if an opening does. */
static bool loses_the_last(const bpt_world *crashed)
{
    bpt_world world;
    char last[64] = "";
    bp_verify_options options;
    bp_verify_report report;
    bp_error error = {0};
    bp_store *store = NULL;
    adopt(&world, crashed);
    (void)bpt_power_cut(&world, BPT_KEEP_ALL, 0);
    bpt_file_each(&world, find_last, last);
    bpt_file_remove(&world, last);
    bp_verify_options_init(&options);
    options.io = world.io;
    bp_status verified = bp_verify(world.path, &options, &report, &error);
    bp_status opened = bp_open(world.path, &world.options, &store, &error);
    CHECK(verified == opened && (opened == BP_OK || opened == BP_ERR_CORRUPT), "without %s: verify %s, opening %s",
          last, bp_status_name(verified), bp_status_name(opened));
    (void)bp_close(store, NULL);
    bpt_world_end(&world);
    return opened == BP_ERR_CORRUPT && strcmp(last, "log/0000000000-1.seg") > 0;
}

/* The process dies at a step of the recovery, or of the append that asked for it; whether it came that far. */
static bool dies_at(uint64_t step, unsigned synced, unsigned more, bpi_fault_kind kind, unsigned *missed)
{
    bpt_world world;
    char where[64];
    bp_error error = {0};
    bp_store *store = begin(&world, synced, more, kind);
    bpi_fault_set_plan(world.fault, &(bpi_fault_plan){.kind = BPI_FAULT_CRASH, .step = step});
    bp_status status = bp_append(store, bp_at("g", "s"), 0xf001, bp_raw("new", 3), NULL, NULL, &error);
    bool crashed = bpi_fault_crashed(world.fault);
    assert_true(crashed || status == BP_OK);
    (void)snprintf(where, sizeof where, "%u and %u events, step %llu", synced, more, (unsigned long long)step);
    compare(&world, BPT_KEEP_ALL, 0, where);
    compare(&world, BPT_KEEP_NONE, 0, where);
    for (uint64_t which = 0; which < 4; which++) {
        compare(&world, BPT_KEEP_RANDOM, which, where);
    }
    *missed += loses_the_last(&world);
    bpi_fault_process_kill(world.fault);
    (void)bp_close(store, NULL);
    bpt_world_end(&world);
    return crashed;
}

static void a_recovery_that_was_killed_at_any_step_costs_nothing(void **state)
{
    unsigned crashes = 0;
    unsigned missed = 0;
    (void)state;
    for (unsigned synced = 0; synced < 3; synced += 2) {
        for (unsigned more = 1; more < 4; more++) {
            bpi_fault_kind kind = more % 2 == 0 ? BPI_FAULT_ERROR : BPI_FAULT_SYNC_DROPS;
            for (uint64_t step = 1; dies_at(step, synced, more, kind, &missed); step++) {
                crashes++;
            }
        }
    }
    assert_true(crashes > 60 && missed > 20);
}

static void remove_lists(void *argument, const char *name, const uint8_t *data, size_t size)
{
    (void)data;
    (void)size;
    if (strncmp(name, "SEGMENTS", 8) == 0 || strcmp(name, "MANIFEST") == 0) {
        bpt_file_remove(argument, name);
    }
}

/*
 * Nothing tells that the log goes on in another segment, and of what had not been synced in the first one the power cut left nothing;
 * the new one has what was written anew, and perhaps no frame more.
 */
static void without_manifest_and_list_a_recovery_counts(void **state)
{
    (void)state;
    for (unsigned turn = 0; turn < 8; turn++) {
        bpt_world world;
        bool goes_on = turn % 2 == 1;
        bp_store *store = begin(&world, 2, 1 + turn / 2, BPI_FAULT_SYNC_DROPS);
        content want = content_of(store);
        bpi_fault_set_plan(world.fault, &(bpi_fault_plan){0});
        put(store, "g", "new");
        if (goes_on) {
            CHECK_OK(bp_sync(store, NULL), NULL);
            want = content_of(store);
        }
        (void)bpt_power_cut(&world, BPT_KEEP_NONE, 0);
        (void)bp_close(store, NULL);
        bpt_file_each(&world, remove_lists, &world);
        bp_repair_report report = repair(&world);
        CHECK(report.lost == 0 && report.events == want.count && !report.list_good,
              "turn %u: %llu events of %llu, %llu lost", turn, (unsigned long long)report.events,
              (unsigned long long)want.count, (unsigned long long)report.lost);
        content got = content_of_repaired(&world);
        assert_int_equal(got.count, want.count);
        assert_memory_equal(got.hashes, want.hashes, sizeof got.hashes);
        bpt_world_end(&world);
    }
}

/* Ends the first segment just before its PAD, as a power cut does that loses its last growth. */
static void lose_the_pad(bpt_world *world)
{
    size_t size = 0;
    size_t at = BPI_SEGMENT_HEADER;
    bp_frame frame = {0};
    uint8_t *bytes = bpt_file_read(world, "log/0000000000-1.seg", &size);
    while (at + BPI_FRAME_HEADER <= size && bpi_frame_get(bytes + at, &frame) && frame.type != BP_FRAME_PAD) {
        at += frame.length;
    }
    assert_int_equal(frame.type, BP_FRAME_PAD);
    bpt_file_write(world, "log/0000000000-1.seg", bytes, at);
    free(bytes);
}

/* What lies in the next segment then is cut by an opening, and so nothing to a repair. */
static void a_segment_that_ends_with_its_file_may_be_the_last(void **state)
{
    bpt_world world;
    (void)state;
    bpt_world_fault(&world);
    world.options.durability = BP_BUFFERED;
    bp_store *store = bpt_open(&world);
    for (unsigned i = 0; i < 3; i++) {
        (void)bpt_put_sized(store, "e", 30000);
    }
    bpi_fault_process_kill(world.fault);
    (void)bp_close(store, NULL);
    lose_the_pad(&world);
    bpt_file_remove(&world, "live");
    compare(&world, BPT_KEEP_ALL, 0, "without a PAD");
    bpt_world_end(&world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_segment_that_ends_with_its_file_may_be_the_last),
        cmocka_unit_test(without_manifest_and_list_a_recovery_counts),
        cmocka_unit_test(a_recovery_that_was_killed_at_any_step_costs_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
