/*
 * test_planted.c: is a mistake found? Each of src/base/plant.h is put into the library, one at a time, and the simulation, or the
 * test that is named, must fail; without one they must not. BATPAK_PLANT=name tries that one alone.
 *
 * ctest: labels=slow timeout=900
 */
#include <sys/wait.h>
#include <unistd.h>

#include "base/plant.h"
#include "sim/planted.h"
#include "sim/sim.h"

/* A test program that has the mistake, or the simulation (NULL). */
typedef struct planted {
    bpi_plant plant;
    const char *name;
    const char *program;
    uint64_t
        seed; /* where the simulation begins, to be quick: the first that finds it when this was written; 0: at 1 */
} planted;

static const planted all[] = {
    {BPI_PLANT_SYNC_LEFT_OUT, "sync left out", NULL, 0},
    {BPI_PLANT_SYNC_RETRIED, "sync retried", NULL, 117},
    {BPI_PLANT_ACKNOWLEDGED_EARLY, "acknowledged early", NULL, 0},
    {BPI_PLANT_DURABLE_TOO_FAR, "durable too far", NULL, 36},
    {BPI_PLANT_RECEIPT_BOASTS, "receipt boasts", NULL, 0},
    {BPI_PLANT_BATCH_SPLIT, "batch split", NULL, 0},
    {BPI_PLANT_TORN_NOT_KEPT, "torn not kept", NULL, 0},
    {BPI_PLANT_TORN_UNSYNCED, "torn unsynced", NULL, 0},
    {BPI_PLANT_CUT_NOT_ZEROED, "cut not zeroed", NULL, 0},
    {BPI_PLANT_LIVE_IGNORED, "live ignored", "log_recovery", 0},
    {BPI_PLANT_FRONTIERS_IGNORED, "frontiers ignored", "log_recovery", 0},
    {BPI_PLANT_EPOCH_STAYS, "epoch stays", NULL, 0},
    {BPI_PLANT_CUT_NOT_TOLD, "cut not told", NULL, 0},
    {BPI_PLANT_TAIL_UNSYNCED, "tail unsynced", NULL, 0},
    {BPI_PLANT_TAIL_NOT_REWRITTEN, "tail not rewritten", "crash_failures", 0},
    {BPI_PLANT_SEQUENCE_REUSED, "sequence reused", NULL, 0},
    {BPI_PLANT_HLC_FORGOTTEN, "hlc forgotten", NULL, 0},
    {BPI_PLANT_SEGMENT_UNSYNCED, "segment unsynced", NULL, 0},
    {BPI_PLANT_SEGMENT_NAME_UNSYNCED, "segment name unsynced", NULL, 0},
    {BPI_PLANT_LIST_NAME_UNSYNCED, "list name unsynced", NULL, 0},
    {BPI_PLANT_LIST_UNSYNCED, "list unsynced", NULL, 0},
    {BPI_PLANT_SLOT_UNSYNCED, "slot unsynced", NULL, 0},
    {BPI_PLANT_MANIFEST_IN_PLACE, "manifest in place", NULL, 0},
    {BPI_PLANT_LIST_REMOVED_EARLY, "list removed early", NULL, 0},
    {BPI_PLANT_FRONTIER_TOO_HIGH, "frontier too high", NULL, 0},
    {BPI_PLANT_ROTATED_EARLY, "rotated early", "log_recovery", 0},
    {BPI_PLANT_SEALED_UNSYNCED, "sealed unsynced", NULL, 0},
    {BPI_PLANT_NO_MARK, "no mark", "log_recovery", 0},
    {BPI_PLANT_CLOSE_UNSYNCED, "close unsynced", NULL, 0},
    {BPI_PLANT_PUBLISHED_EARLY, "published early", NULL, 0},
    {BPI_PLANT_CHAIN_CUT, "chain cut", NULL, 0},
    {BPI_PLANT_EXPECTATION_UNJUDGED, "expectation unjudged", NULL, 0},
    {BPI_PLANT_OLD_ID_FORGOTTEN, "old id forgotten", NULL, 0},
    {BPI_PLANT_RETRY_UNWAITED, "retry unwaited", NULL, 0},
    {BPI_PLANT_RETRY_NOT_COMPARED, "retry not compared", NULL, 0},
    {BPI_PLANT_GUARD_SEES_DURABLE, "guard sees durable", NULL, 7},
    {BPI_PLANT_READER_AHEAD, "reader ahead", "store_process", 0},
    {BPI_PLANT_LINK_IGNORED, "link ignored", "log_recovery", 0},
    {BPI_PLANT_SALT_IGNORED, "salt ignored", "log_recovery", 0},
    {BPI_PLANT_POSITION_UNSYNCED, "position unsynced", NULL, 0},
    {BPI_PLANT_REWRITE_UNSYNCED, "rewrite unsynced", NULL, 0},
    {BPI_PLANT_REWRITE_NAME_UNSYNCED, "rewrite name unsynced", NULL, 0},
    {BPI_PLANT_SOURCES_REMOVED_EARLY, "sources removed early", NULL, 0},
    {BPI_PLANT_OLD_SEGMENT_LEFT, "old segment left", NULL, 0},
    {BPI_PLANT_REMOVAL_UNSYNCED, "removal unsynced", NULL, 0},
    {BPI_PLANT_SURVIVOR_DROPPED, "survivor dropped", NULL, 0},
    {BPI_PLANT_DROPPED_ID_FREE, "dropped id free", NULL, 0},
    {BPI_PLANT_STALE_COPY_LEFT, "stale copy left", "store_erase", 0},
    {BPI_PLANT_TORN_LEFT, "torn left", "store_erase", 0},
    {BPI_PLANT_OPEN_SEGMENT_SHARED, "open segment shared", NULL, 0},
    {BPI_PLANT_SNAPSHOT_UNSYNCED, "snapshot unsynced", NULL, 0},
    {BPI_PLANT_COMPLETION_UNSYNCED, "completion unsynced", NULL, 0},
    {BPI_PLANT_RESTORE_UNPROVEN, "restore unproven", "store_snapshot", 0},
    {BPI_PLANT_KEY_UNSYNCED, "key unsynced", NULL, 0},
    {BPI_PLANT_KEY_DESTROYED_EARLY, "key destroyed early", NULL, 35},
    {BPI_PLANT_KEY_INTENT_UNTOLD, "key intent untold", NULL, 35},
    {BPI_PLANT_TOMBSTONE_UNSYNCED, "tombstone unsynced", NULL, 0},
    {BPI_PLANT_REPLACED_BELIEVED, "replaced believed", NULL, 47},
    {BPI_PLANT_INSPECTION_BLIND, "inspection blind", NULL, 0},
    {BPI_PLANT_KEEPER_SILENT, "keeper silent", "store_space_unsure", 0},
    {BPI_PLANT_SYNCED_BESIDE, "synced beside", "store_space_unsure", 0},
};

enum { PLANTS = sizeof all / sizeof *all };

/* The simulation, silently; true: it found something, said in `failure`. */
static bool simulation_finds(uint64_t seed, uint64_t points, double seconds, sim_report *total)
{
    sim_hunt hunt = {.seed = seed != 0 ? seed : 1, .points = points, .seconds = seconds, .jobs = 1, .quiet = true};
    return !sim_hunt_run(&hunt, total);
}

/* The program of that name, with that mistake; true: it fails. */
static bool program_finds(const char *program, bpi_plant plant)
{
    char path[1024];
    char number[16];
    const char *build = getenv("BATPAK_BUILD");
    (void)snprintf(path, sizeof path, "%.900s/planted/%s", build == NULL ? "build/release" : build, program);
    (void)snprintf(number, sizeof number, "%d", (int)plant);
    (void)fflush(NULL);
    pid_t pid = fork();
    if (pid == 0) {
        (void)setenv(SIM_PLANT_VARIABLE, number, 1);
        if (freopen("/dev/null", "w", stderr) != NULL && freopen("/dev/null", "w", stdout) != NULL) {
            (void)execl(path, path, (char *)NULL);
        }
        _exit(127);
    }
    int status = 0;
    (void)waitpid(pid, &status, 0);
    assert_false(WIFEXITED(status) && WEXITSTATUS(status) == 127);
    return !WIFEXITED(status) || WEXITSTATUS(status) != 0;
}

static bool is_found(const planted *one)
{
    double start = bpt_seconds();
    sim_report total;
    if (one->program != NULL) {
        bool found = program_finds(one->program, one->plant);
        print_message("%-24s %s %s, %.1f s\n", one->name, found ? "fails" : "PASSES", one->program,
                      bpt_seconds() - start);
        return found;
    }
    bpi_plant_active = one->plant;
    bool found = simulation_finds(one->seed, 150000, 120, &total);
    bpi_plant_active = BPI_PLANT_NONE;
    print_message("%-24s %s: %.100s; seed %llu, %llu crash points, %.1f s\n", one->name, found ? "found" : "NOT FOUND",
                  found ? total.failure : "", (unsigned long long)total.seed, (unsigned long long)total.points,
                  bpt_seconds() - start);
    return found;
}

static void every_planted_mistake_is_found(void **state)
{
    const char *only = getenv("BATPAK_PLANT");
    unsigned missed = 0;
    (void)state;
    for (size_t index = 0; index < PLANTS; index++) {
        if (only == NULL || strcmp(only, all[index].name) == 0) {
            missed += !is_found(&all[index]);
        }
    }
    assert_int_equal(missed, 0);
}

static void all_mistakes_are_in_the_table(void **state)
{
    (void)state;
    assert_int_equal(PLANTS + 1, BPI_PLANT_COUNT);
    for (size_t index = 0; index < PLANTS; index++) {
        assert_int_equal(all[index].plant, index + 1);
    }
}

static void without_one_nothing_is_found(void **state)
{
    sim_report total;
    (void)state;
    bool found = simulation_finds(1, 8000, 30, &total);
    print_message("%llu crash points without a mistake: %s\n", (unsigned long long)total.points, total.failure);
    assert_false(found);
    assert_false(program_finds("log_recovery", BPI_PLANT_NONE));
    assert_false(program_finds("store_erase", BPI_PLANT_NONE));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_mistakes_are_in_the_table),
        cmocka_unit_test(without_one_nothing_is_found),
        cmocka_unit_test(every_planted_mistake_is_found),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
