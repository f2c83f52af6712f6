/*
 * test_snapshot_notes.c: a store remembers where its snapshots are, whatever became of them.
 */
#include "store/snapshot_fixture.h"

typedef struct remembered {
    unsigned count;
    unsigned present;
    unsigned shares;
    bp_id last;
    uint64_t events[4];
    char path[600];
} remembered;

static int remember(void *argument, const bp_snapshot_info *snapshot)
{
    remembered *r = argument;
    r->events[r->count++ % 4] = snapshot->events;
    r->present += snapshot->present;
    r->shares += snapshot->shares;
    r->last = snapshot->id;
    (void)snprintf(r->path, sizeof r->path, "%s", snapshot->path);
    return 0;
}

static void a_store_remembers_its_snapshots(void **state)
{
    (void)state;
    bpt_world world;
    bp_snapshot_options options;
    bp_snapshot_report report;
    bpt_world_memory(&world);
    bp_store *store = bpt_open(&world);
    remembered seen = {0};
    CHECK_OK(bp_snapshots(store, remember, &seen, &error), &error);
    assert_int_equal(seen.count, 0);
    fill(store, 60, 0);
    CHECK_OK(bp_snapshot(store, beside(&world, "one"), NULL, NULL, &error), &error);
    fill(store, 1, 0);
    bp_snapshot_options_init(&options);
    options.sharing = BP_SHARE_NOTHING;
    CHECK_OK(bp_snapshot(store, beside(&world, "two"), &options, &report, &error), &error);
    CHECK_OK(bp_snapshots(store, remember, &seen, &error), &error);
    CHECK(seen.count == 2 && seen.present == 2 && seen.shares == 1, "%u, %u present, %u share", seen.count,
          seen.present, seen.shares);
    CHECK(seen.events[0] == 60 && seen.events[1] == 61, "not the oldest first");
    assert_string_equal(seen.path, beside(&world, "two"));
    assert_true(bp_id_equal(&seen.last, &report.id));
    CHECK_OK(bp_snapshot_forget(store, &report.id, &error), &error);
    CHECK_STATUS(BP_ERR_NOT_FOUND, bp_snapshot_forget(store, &report.id, &error), &error);
    seen = (remembered){0};
    CHECK_OK(bp_snapshots(store, remember, &seen, &error), &error);
    assert_int_equal(seen.count, 1);
    bpt_file_write(&world, "snapshots/00112233445566778899aabbccddeeff", "nonsense", 8);
    seen = (remembered){0};
    CHECK_STATUS(BP_ERR_CORRUPT, bp_snapshots(store, remember, &seen, &error), &error);
    CHECK_SAYS(&error, "snapshots/00112233445566778899aabbccddeeff");
    assert_int_equal(seen.count, 1); /* a damaged note hides no other one */
    bpt_close(store);
    bpt_world_end(&world);
}

typedef struct pruning {
    bp_store *store;
    const bp_id *next; /* forgotten while the first one is shown */
    unsigned count;
} pruning;

static int forget_next(void *argument, const bp_snapshot_info *snapshot)
{
    pruning *p = argument;
    (void)snapshot;
    if (p->count++ == 0) {
        CHECK_OK(bp_snapshot_forget(p->store, p->next, &error), &error);
    }
    return 0;
}

static void one_that_is_forgotten_meanwhile_hides_no_other(void **state)
{
    (void)state;
    bpt_world world;
    bp_snapshot_report reports[3];
    static const char *const names[] = {"one", "two", "three"};
    bpt_world_memory(&world);
    bp_store *store = bpt_open(&world);
    for (size_t i = 0; i < 3; i++) {
        fill(store, 5, 0);
        CHECK_OK(bp_snapshot(store, beside(&world, names[i]), NULL, &reports[i], &error), &error);
    }
    pruning p = {.store = store, .next = &reports[1].id};
    CHECK_OK(bp_snapshots(store, forget_next, &p, &error), &error);
    assert_int_equal(p.count, 2);
    bpt_close(store);
    bpt_world_end(&world);
}

/* Whichever read fails: no snapshot is said to be gone because it could not be looked at. */
static void a_snapshot_that_cannot_be_looked_at_is_not_gone(void **state)
{
    (void)state;
    bpt_world world;
    bpt_world_fault(&world);
    bp_store *store = bpt_open(&world);
    fill(store, 10, 0);
    CHECK_OK(bp_snapshot(store, beside(&world, "snap"), NULL, NULL, &error), &error);
    bpi_fault_plan none = {0};
    bpi_fault_set_plan(world.fault, &none);
    remembered seen = {0};
    CHECK_OK(bp_snapshots(store, remember, &seen, &error), &error);
    uint64_t reads = bpi_fault_reads(world.fault);
    CHECK(reads >= 3, "the note twice, and what lies there: %llu reads", (unsigned long long)reads);
    for (uint64_t call = 1; call <= reads; call++) {
        bpi_fault_plan plan = {.read_call = call, .os_error = EIO};
        bpi_fault_set_plan(world.fault, &plan);
        seen = (remembered){0};
        CHECK_STATUS(BP_ERR_IO, bp_snapshots(store, remember, &seen, &error), &error);
        assert_int_equal(seen.count, 0);
    }
    CHECK_SAYS(&error, beside(&world, "snap"));
    bpi_fault_set_plan(world.fault, &none);
    bp_dir *dir = NULL;
    assert_int_equal(world.io->dir_open(world.io->context, beside(&world, "snap"), false, &dir), 0);
    assert_int_equal(world.io->dir_remove(world.io->context, dir, "SNAPSHOT"), 0);
    world.io->dir_close(world.io->context, dir);
    seen = (remembered){0};
    CHECK_OK(bp_snapshots(store, remember, &seen, &error), &error);
    CHECK(seen.count == 1 && seen.present == 0, "what is gone is said to be there");
    bpt_close(store);
    bpt_world_end(&world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_store_remembers_its_snapshots),
        cmocka_unit_test(one_that_is_forgotten_meanwhile_hides_no_other),
        cmocka_unit_test(a_snapshot_that_cannot_be_looked_at_is_not_gone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
