/* scene.c: the world of a run under the scheduler, and its runs. */
#include "schedule/scene.h"

#include <errno.h>
#include <sys/wait.h>
#include <unistd.h>

enum { FREED = 1 << 16 };

bpt_world bps_world;
uint64_t bps_syncs_left;
bpi_plant bpi_plant_active;

/* ---- the world of a run ---- */

static const bp_io *below;
static bp_io table;

static int file_sync(void *context, bp_file *file, bp_sync_mode mode)
{
    bps_point();
    if (bps_syncs_left > 0 && --bps_syncs_left == 0) {
        return EIO;
    }
    int code = below->file_sync(context, file, mode);
    bps_point();
    return code;
}

static int file_write(void *context, bp_file *file, uint64_t offset, const void *data, size_t size)
{
    bps_point();
    return below->file_write(context, file, offset, data, size);
}

static void map_store(void *context, bp_file *file, void *address, uint64_t offset, const void *data, size_t size)
{
    bps_point();
    below->map_store(context, file, address, offset, data, size);
}

static int map_wait(void *context, bp_file *file, void *address, uint64_t offset, uint32_t expected, uint32_t bits,
                    uint64_t timeout_ns)
{
    const uint8_t *word = (const uint8_t *)address + offset;
    uint32_t now;
    (void)context;
    (void)file;
    (void)timeout_ns;
    bps_point();
    memcpy(&now, word, sizeof now);
    return (now != expected && !bps_bug_is(BPS_WORD_UNSEEN)) || bps_word_wait(word, bits) ? 0 : ETIMEDOUT;
}

static void map_wake(void *context, bp_file *file, void *address, uint64_t offset, uint32_t bits)
{
    (void)context;
    (void)file;
    bps_word_wake((const uint8_t *)address + offset, bits);
}

static uint64_t steady_ns(void *context)
{
    (void)context;
    return atomic_fetch_add(&bps_world.clock.steady_ns, 20000); /* so that lingering ends after a few looks */
}

static void sleep_ns(void *context, uint64_t duration_ns)
{
    (void)context;
    (void)atomic_fetch_add(&bps_world.clock.steady_ns, duration_ns);
    bps_sleep();
}

static struct {
    void *memory;
    size_t size;
} freed[FREED];
static size_t freed_count;

static void *allocate(void *context, size_t size)
{
    (void)context;
    return malloc(size);
}

static void release(void *context, void *memory, size_t size)
{
    (void)context;
    if (memory != NULL) {
        memset(memory, 0xdd, size);
        CHECK(freed_count < FREED, "too much is freed in one run");
        freed[freed_count].size = size;
        freed[freed_count++].memory = memory;
    }
}

static void *resize(void *context, void *memory, size_t old_size, size_t size)
{
    void *moved = malloc(size);
    if (moved != NULL && memory != NULL) {
        memcpy(moved, memory, old_size < size ? old_size : size);
        release(context, memory, old_size);
    }
    return moved;
}

static const bp_allocator keeping = {sizeof keeping, NULL, allocate, resize, release};

static void give_back(void)
{
    for (size_t i = 0; i < freed_count; i++) {
        const uint8_t *bytes = freed[i].memory;
        for (size_t at = 0; at < freed[i].size; at++) {
            CHECK(bytes[at] == 0xdd, "memory of %zu bytes was written to after it was freed", freed[i].size);
        }
        free(freed[i].memory);
    }
    freed_count = 0;
}

bp_store *bps_scene_begin(const bps_plan *plan, bp_durability durability, bp_keeper_mode keeper,
                          void (*also)(bp_options *options))
{
    bpt_world_fault(&bps_world);
    below = bps_world.io;
    table = *below;
    table.file_sync = file_sync;
    table.file_write = file_write;
    table.map_store = map_store;
    table.map_wait = map_wait;
    table.map_wake = map_wake;
    bps_world.clock.table.steady_ns = steady_ns;
    bps_world.clock.table.sleep_ns = sleep_ns;
    bps_world.options.io = &table;
    bps_world.options.allocator = &keeping;
    bps_world.options.durability = durability;
    bps_world.options.keeper = keeper;
    if (also != NULL) {
        also(&bps_world.options);
    }
    bps_syncs_left = 0;
    bps_begin(plan);
    bps_pause(true);
    bp_store *store = bpt_open(&bps_world);
    bps_pause(false);
    return store;
}

bool bps_scene_end(bp_store *store)
{
    if (store != NULL) {
        bpt_close(store);
    }
    bool more = bps_end();
    bps_world.options.io = below;
    CHECK(bpt_verify(&bps_world) < 1000, "verified");
    give_back();
    bpt_world_end(&bps_world);
    return more;
}

/* ---- runs ---- */

void bps_at_random(const char *name, bps_scenario run, uint64_t runs)
{
    uint64_t seed = bpt_seed(1);
    uint64_t points = 0;
    double start = bpt_seconds();
    for (uint64_t i = 0; i < runs; i++) {
        bps_plan plan = {.seed = seed + i, .one_in = 2u << ((seed + i) % 9)};
        bpt_note("%s: BATPAK_SEED=%llu BATPAK_RUNS=1", name, (unsigned long long)plan.seed);
        (void)run(&plan);
        points += bps_points();
    }
    bpt_note("%s", "");
    print_message("%s: %llu schedules, %llu points each, in %.1f s\n", name, (unsigned long long)runs,
                  (unsigned long long)(points / (runs > 0 ? runs : 1)), bpt_seconds() - start);
}

void bps_all_of(const char *name, bps_scenario run, unsigned preemptions, uint64_t most)
{
    uint64_t runs = 0;
    bool more = true;
    double start = bpt_seconds();
    bps_restart();
    while (more && runs < most) {
        bps_plan plan = {.exhaustive = true, .preemptions = preemptions};
        bpt_note("%s: run %llu with %u preemptions", name, (unsigned long long)runs, preemptions);
        more = run(&plan);
        runs++;
    }
    bpt_note("%s", "");
    print_message("%s: %s%llu schedules with at most %u preemptions, in %.1f s\n", name, more ? "the first " : "all ",
                  (unsigned long long)runs, preemptions, bpt_seconds() - start);
}

/* ---- planted bugs ---- */

bool bps_is_found(bps_scenario run, bps_bug bug, bpi_plant plant, uint64_t runs)
{
    pid_t child = fork();
    CHECK(child >= 0, "no process");
    if (child == 0) {
        (void)setenv("CMOCKA_TEST_ABORT", "1", 1);
        (void)freopen("/dev/null", "w", stderr);
        (void)freopen("/dev/null", "w", stdout);
        bpi_plant_active = plant;
        for (uint64_t i = 0; i < runs; i++) {
            bps_plan plan = {.seed = i, .one_in = 2u << (i % 9), .bug = bug, .quiet = true};
            (void)run(&plan);
        }
        _exit(0);
    }
    int status = 0;
    CHECK(waitpid(child, &status, 0) == child, "no child");
    return !(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}
