/*
 * test_index_later.c: nobody waits for index files: an opening after a kill leaves them to the tender, a rebuild has them written
 * while the log is read on, a close gives a merge up, and statistics open no file.
 *
 * ctest: labels=threads
 */
#include <pthread.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "store/store.h"
#include "store/tender.h"
#include "support/world.h"

/* The world's own table, watched. */
static struct {
    bp_io table;
    const bp_io *below;
    pthread_t opener;
    _Atomic int opened;         /* files, by anybody */
    _Atomic uint64_t read;      /* bytes, by the opener: others go on when it has opened */
    _Atomic int made_by_opener; /* index files */
    _Atomic int made_by_others;
    _Atomic int made_before; /* of them before the opener last synced anything */
    _Atomic int merges;      /* that were begun */
    _Atomic bool hold;       /* a merge waits until its store is in a hurry */
    _Atomic bool holding;    /* it does */
    _Atomic(bp_store *) store;
} watch;

static bool is_merge(const char *name)
{
    return strncmp(name, name + 11, 10) != 0;
}

static int open_watched(void *context, bp_dir *dir, const char *name, unsigned flags, bp_file **file_out)
{
    atomic_fetch_add(&watch.opened, 1);
    if (strstr(name, ".idx.new") != NULL) {
        atomic_fetch_add(pthread_equal(pthread_self(), watch.opener) ? &watch.made_by_opener : &watch.made_by_others,
                         1);
        bool hold = is_merge(name) && atomic_load(&watch.hold);
        atomic_fetch_add(&watch.merges, is_merge(name));
        atomic_store(&watch.holding, hold);
        while (hold && atomic_load(&watch.hold) && !atomic_load(&atomic_load(&watch.store)->folder.hurry)) {
            const struct timespec pause = {0, 1000000};
            (void)nanosleep(&pause, NULL);
        }
        atomic_store(&watch.holding, false);
    }
    return watch.below->file_open(context, dir, name, flags, file_out);
}

static int read_watched(void *context, bp_file *file, uint64_t offset, void *data, size_t size, size_t *got_out)
{
    int code = watch.below->file_read(context, file, offset, data, size, got_out);
    atomic_fetch_add(&watch.read, code == 0 && pthread_equal(pthread_self(), watch.opener) ? *got_out : 0);
    return code;
}

static int sync_watched(void *context, bp_file *file, bp_sync_mode mode)
{
    if (pthread_equal(pthread_self(), watch.opener)) {
        atomic_store(&watch.made_before, atomic_load(&watch.made_by_others));
    }
    return watch.below->file_sync(context, file, mode);
}

static void watch_begin(bpt_world *world)
{
    memset(&watch, 0, sizeof watch);
    watch.below = world->options.io != NULL ? world->options.io : bp_io_posix();
    watch.table = *watch.below;
    watch.table.file_open = open_watched;
    watch.table.file_read = read_watched;
    watch.table.file_sync = sync_watched;
    watch.opener = pthread_self();
    world->options.io = &watch.table;
    world->options.segment_size = BP_SEGMENT_MIN;
    world->options.keeper = BP_KEEPER_THREAD;
    world->options.durability = BP_BUFFERED;
}

static bp_stats stats_of(bp_store *store)
{
    bp_error error = {0};
    bp_stats stats = {.size = sizeof stats};
    CHECK_OK(bp_store_stats(store, &stats, &error), &error);
    return stats;
}

static uint64_t fill(bp_store *store, uint64_t segments)
{
    uint64_t count = 0;
    for (; stats_of(store).segments < segments; count++) {
        (void)bpt_put_sized(store, count % 3 == 0 ? "a" : "b", 5000);
    }
    return count;
}

static void check_all(bp_store *store, uint64_t count)
{
    bp_error error = {0};
    uint64_t found = 0;
    bp_region region = bp_region_stream("a");
    assert_int_equal(stats_of(store).events, count);
    CHECK_OK(bp_count(store, &region, &found, &error), &error);
    assert_int_equal(found, (count + 2) / 3);
    for (uint64_t sequence = 0; sequence < count; sequence++) {
        const bp_event *event = NULL;
        const bp_event *again = NULL;
        CHECK_OK(bp_get_sequence(store, sequence, &event, &error), &error);
        CHECK_OK(bp_get(store, &event->id, &again, &error), &error);
        assert_int_equal(again->sequence, sequence);
        bp_event_release(event);
        bp_event_release(again);
    }
}

static void remove_index(bpt_world *world)
{
    char path[600];
    (void)snprintf(path, sizeof path, "rm -rf '%s/index'", world->path);
    assert_int_equal(system(path), 0);
}

static uint32_t waiting_for_files(bp_store *store)
{
    (void)pthread_mutex_lock(&store->tender.lock);
    uint32_t waiting = store->tender.to - store->tender.from;
    (void)pthread_mutex_unlock(&store->tender.lock);
    return waiting;
}

static uint32_t appended_to(bp_store *store)
{
    (void)pthread_mutex_lock(&store->log.lock);
    uint32_t ordinal = store->log.active->segment->ordinal;
    (void)pthread_mutex_unlock(&store->log.lock);
    return ordinal;
}

/* So many segments, and then more of which none gets its index file; the keeper seals one while there is room in the next, or an append
 * would wait for it and it for the tender. */
static uint64_t fill_behind(bp_store *store, uint64_t segments, uint32_t more)
{
    uint64_t count = fill(store, segments);
    assert_int_equal(bp_seal(store, NULL), BP_OK);
    bpi_tender_pause(store);
    for (uint32_t waiting = 1; waiting <= more; waiting++) {
        for (uint32_t begun = appended_to(store); appended_to(store) == begun; count++) {
            (void)bpt_put_sized(store, count % 3 == 0 ? "a" : "b", 5000);
        }
        while (waiting_for_files(store) < waiting) {
            const struct timespec pause = {0, 1000000};
            (void)nanosleep(&pause, NULL);
        }
    }
    return count;
}

/* A process that is killed: with so many segments that have their index files, or none has; and more that wait for theirs. */
static uint64_t killed(bpt_world *world, uint64_t segments, uint32_t more)
{
    int pipes[2];
    uint64_t count = 0;
    assert_int_equal(pipe(pipes), 0);
    pid_t child = fork();
    if (child == 0) {
        count = more == 0 ? fill(bpt_open(world), segments) : fill_behind(bpt_open(world), segments, more);
        _exit(write(pipes[1], &count, sizeof count) == (ssize_t)sizeof count ? 0 : 1);
    }
    int status = 1;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
    assert_int_equal(read(pipes[0], &count, sizeof count), sizeof count);
    (void)close(pipes[0]);
    (void)close(pipes[1]);
    if (more == 0) {
        remove_index(world);
    }
    return count;
}

/* What waits for its files is read, and the one that is written, the last of them once more where it is decided where the log ends; nothing
 * else, and nobody waits. */
static void only_what_waited_at_a_kill_is_read(void **state)
{
    enum { FILED = 24, WAITING = 3, MOST = 2 * (WAITING + 2) + 1 };
    bpt_world world;
    (void)state;
    bpt_world_disk(&world);
    watch_begin(&world);
    uint64_t count = killed(&world, FILED, WAITING);
    bp_store *store = bpt_open(&world);
    uint64_t read = watch.read;
    CHECK(read > (uint64_t)(WAITING - 1) * BP_SEGMENT_MIN / 2, "%llu bytes were read", (unsigned long long)read);
    CHECK(read < (uint64_t)MOST * BP_SEGMENT_MIN, "%llu bytes were read", (unsigned long long)read);
    assert_int_equal(watch.made_by_opener, 0);
    assert_int_equal(watch.made_before, 0); /* beside the reading it would only be in the way */
    check_all(store, count);
    assert_int_equal(bpt_put(store, "a", "x").clock, (count + 2) / 3);
    assert_int_equal(bpt_put(store, "b", "x").clock, count - (count + 2) / 3);
    assert_int_equal(bp_seal(store, NULL), BP_OK);
    assert_int_equal(watch.made_by_opener, 0);
    bpt_close(store);
    assert_int_equal(bpt_verify(&world), count + 2);
    bpt_world_end(&world);
}

static void opening_after_a_kill_waits_for_no_index_file(void **state)
{
    bpt_world world;
    (void)state;
    bpt_world_disk(&world);
    watch_begin(&world);
    uint64_t count = killed(&world, 4, 0);
    bp_store *store = bpt_open(&world);
    assert_int_equal(watch.made_by_opener, 0);
    check_all(store, count);
    assert_int_equal(bp_seal(store, NULL), BP_OK);
    assert_int_equal(watch.made_by_opener, 0);
    bp_stats stats = stats_of(store);
    assert_int_equal(stats.index_files, stats.sealed_segments); /* all the same they are there in the end */
    check_all(store, count);
    bpt_close(store);
    (void)bpt_verify(&world);
    bpt_world_end(&world);
}

static void a_rebuild_is_done_by_two(void **state)
{
    bpt_world world;
    bp_error error = {0};
    bp_reindex_report report;
    (void)state;
    bpt_world_disk(&world);
    watch_begin(&world);
    uint64_t count = killed(&world, 43, 0);
    bp_store *store = bpt_open(&world);
    assert_int_equal(watch.made_by_opener, 0);
    assert_true(watch.made_by_others >= 34); /* while the log was read: more than six never wait */
    check_all(store, count);
    bpt_close(store);
    watch.made_by_opener = 0; /* who closes seals what the keeper has not come to, and its file is made then */
    CHECK_OK(bp_reindex(world.path, &world.options, &report, &error), &error);
    assert_int_equal(report.events, count);
    assert_true(report.files < 43 / 4); /* eight are one when it returns */
    assert_int_equal(watch.made_by_opener, 0);
    store = bpt_open(&world);
    check_all(store, count);
    bpt_close(store);
    assert_int_equal(bpt_verify(&world), count);
    bpt_world_end(&world);
}

static int count_merges(void *argument, const char *name, bool is_directory, uint64_t size)
{
    (void)is_directory;
    (void)size;
    *(int *)argument += strstr(name, ".idx") != NULL && is_merge(name);
    return 0;
}

static int merges_of(bpt_world *world)
{
    bp_dir *root = NULL;
    bp_dir *dir = NULL;
    int merges = 0;
    const bp_io *io = world->options.io;
    assert_int_equal(io->dir_open(io->context, world->path, false, &root), 0);
    assert_int_equal(io->dir_open_at(io->context, root, "index", false, &dir), 0);
    assert_int_equal(io->dir_list(io->context, dir, count_merges, &merges), 0);
    io->dir_close(io->context, dir);
    io->dir_close(io->context, root);
    return merges;
}

static void wait_until(bool (*done)(bp_store *store), bp_store *store)
{
    enum { WAITS = 20000 };
    const struct timespec pause = {0, 1000000};
    for (int waits = 0; !done(store); waits++) {
        assert_true(waits < WAITS);
        (void)nanosleep(&pause, NULL);
    }
}

static bool merge_is_begun(bp_store *store)
{
    (void)store;
    return atomic_load(&watch.holding);
}

static void a_close_gives_a_merge_up(void **state)
{
    bpt_world world;
    (void)state;
    bpt_world_memory(&world);
    watch_begin(&world);
    bp_store *store = bpt_open(&world);
    atomic_store(&watch.store, store);
    atomic_store(&watch.hold, true);
    uint64_t count = fill(store, 10);
    wait_until(merge_is_begun, store);
    bpt_close(store);
    assert_int_equal(merges_of(&world), 0); /* no part of it, under whatever name */
    atomic_store(&watch.hold, false);
    store = bpt_open(&world);
    check_all(store, count);
    while (stats_of(store).segments < 12) {
        (void)bpt_put_sized(store, "c", 5000);
    }
    assert_int_equal(bp_seal(store, NULL), BP_OK);
    bpt_close(store);
    assert_int_equal(merges_of(&world), 1); /* the next seal does it */
    (void)bpt_verify(&world);
    bpt_world_end(&world);
}

static bool all_is_merged(bp_store *store)
{
    enum { EIGHT = 8 };
    bp_stats stats = stats_of(store);
    assert_true(stats.sealed_segments < (uint64_t)EIGHT * EIGHT);
    return stats.index_files == stats.sealed_segments / EIGHT + stats.sealed_segments % EIGHT;
}

/* False: it was made to its end, since a lull came between the hurry and its next look. */
static bool a_merge_is_given_up(void)
{
    bpt_world world;
    bpt_world_memory(&world);
    watch_begin(&world);
    bp_store *store = bpt_open(&world);
    atomic_store(&watch.store, store);
    atomic_store(&watch.hold, true);
    uint64_t count = fill(store, 10);
    wait_until(merge_is_begun, store);
    for (; atomic_load(&watch.holding); count++) { /* ends when the merge is let go: three segments wait behind it */
        (void)bpt_put_sized(store, count % 3 == 0 ? "a" : "b", 5000);
    }
    atomic_store(&watch.hold, false);
    wait_until(all_is_merged, store); /* in the lull */
    bool given_up = watch.merges > 1;
    check_all(store, count);
    bpt_close(store);
    (void)bpt_verify(&world);
    bpt_world_end(&world);
    return given_up;
}

/* Who appends waits for the files of the segments, if there are many to be written, but not for what makes one of eight. */
static void appends_give_a_merge_up(void **state)
{
    enum { TRIES = 20 };
    (void)state;
    int tries = 0;
    while (tries < TRIES && !a_merge_is_given_up()) {
        tries++;
    }
    assert_true(tries < TRIES);
}

static int sum_sizes(void *argument, const bp_segment_info *segment)
{
    assert_true(segment->file_bytes >= segment->bytes);
    *(uint64_t *)argument += segment->file_bytes;
    return 0;
}

static void statistics_open_no_file(void **state)
{
    bpt_world world;
    (void)state;
    bpt_world_disk(&world);
    watch_begin(&world);
    bp_store *store = bpt_open(&world);
    (void)fill(store, 12);
    assert_int_equal(bp_seal(store, NULL), BP_OK);
    int opened = watch.opened;
    uint64_t bytes = 0;
    for (int i = 0; i < 10; i++) {
        bytes = 0;
        assert_int_equal(bp_segments(store, sum_sizes, &bytes, NULL), BP_OK);
        assert_int_equal(stats_of(store).file_bytes, bytes);
    }
    assert_true(watch.opened < opened + 10); /* the keeper may have; that was 240 */
    bpt_close(store);
    bpt_world_end(&world);
}

static void seal_with(bp_store *store, const char *one, const char *other)
{
    bp_error error = {0};
    (void)bpt_put(store, one, "x");
    (void)bpt_put(store, other, "x");
    CHECK_OK(bp_seal(store, &error), &error);
}

/* The segment whose file is missing is read, those around it are not: what it alone knows of entities must not be forgotten. */
static void a_gap_among_the_files_forgets_nobody(void **state)
{
    (void)state;
    for (unsigned missing = 0; missing < 8; missing++) {
        bpt_world world;
        bp_error error = {0};
        bpt_world_disk(&world);
        world.options.keeper = BP_KEEPER_THREAD;
        bp_store *store = bpt_open(&world);
        seal_with(store, "in all", "in 0 and 1");
        seal_with(store, "in 0 and 1", "in 1 and behind");
        seal_with(store, "in all", "in 2");
        bpt_close(store);
        for (unsigned i = 0; i < 3; i++) {
            char path[700];
            (void)snprintf(path, sizeof path, "rm '%s/index/000000000%u-000000000%u-'*.idx", world.path, i, i);
            assert_int_equal((missing >> i & 1) == 0 ? 0 : system(path), 0);
        }
        bpt_note("missing files: %u", missing);
        store = bpt_open(&world);
        assert_int_equal(bpt_put(store, "in 0 and 1", "x").clock, 2);
        assert_int_equal(bpt_put(store, "in 1 and behind", "x").clock, 1);
        assert_int_equal(bpt_put(store, "in all", "x").clock, 2);
        assert_int_equal(bpt_put(store, "in 2", "x").clock, 1);
        CHECK_OK(bp_seal(store, &error), &error);
        bp_stats stats = stats_of(store);
        assert_int_equal(stats.index_files, stats.sealed_segments); /* the gap is filled */
        bpt_close(store);
        (void)bpt_verify(&world);
        store = bpt_open(&world);
        assert_int_equal(bpt_put(store, "in 1 and behind", "x").clock, 2);
        bpt_close(store);
        bpt_world_end(&world);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_gap_among_the_files_forgets_nobody),
        cmocka_unit_test(opening_after_a_kill_waits_for_no_index_file),
        cmocka_unit_test(only_what_waited_at_a_kill_is_read),
        cmocka_unit_test(a_rebuild_is_done_by_two),
        cmocka_unit_test(a_close_gives_a_merge_up),
        cmocka_unit_test(appends_give_a_merge_up),
        cmocka_unit_test(statistics_open_no_file),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
