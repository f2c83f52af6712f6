/*
 * test_hygiene.c: who may read what a store makes, whatever the umask; and links in the place of its files and directories, which
 * are not followed.
 */
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "support/world.h"

enum { NAMES_MAX = 64 };

static bp_error error;

static const char *beside(const bpt_world *world, const char *name)
{
    static char paths[4][700];
    static unsigned next;
    char *path = paths[next++ % 4];
    (void)snprintf(path, sizeof paths[0], "%s/%s", world->root, name);
    return path;
}

static void fill(bp_store *store, unsigned events)
{
    for (unsigned i = 0; i < events; i++) {
        (void)bpt_put_sized(store, i % 2 == 0 ? "a:1" : "b:2", 3000);
    }
}

/* A process that goes without a word, an end that nothing vouches for, and an opening that cuts it. */
static void tear(bpt_world *world)
{
    char path[800];
    bp_append_options options;
    bp_stats stats = {.size = sizeof stats};
    bp_append_options_init(&options);
    options.durability = BP_BUFFERED;
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        bp_store *store = bpt_open(world);
        bpt_put(store, "a:1", "stays");
        bpt_put_with(store, "a:1", "goes", &options);
        _exit(0);
    }
    int ended = 0;
    assert_int_equal(waitpid(pid, &ended, 0), pid);
    assert_true(WIFEXITED(ended) && WEXITSTATUS(ended) == 0);
    bpt_file_remove(world, "live");
    size_t size = 0;
    uint8_t *log = bpt_file_read(world, "log/0000000000-1.seg", &size);
    assert_non_null(log);
    while (size > 0 && log[size - 1] == 0) {
        size--;
    }
    uint8_t other = (uint8_t)(log[size - 1] ^ 1u);
    free(log);
    (void)snprintf(path, sizeof path, "%s/log/0000000000-1.seg", world->path);
    int fd = open(path, O_WRONLY | O_CLOEXEC);
    assert_true(fd >= 0);
    assert_int_equal(pwrite(fd, &other, 1, (off_t)size - 1), 1);
    assert_int_equal(close(fd), 0);
    bp_store *store = bpt_open(world);
    CHECK_OK(bp_store_stats(store, &stats, &error), &error);
    assert_int_equal(stats.cuts, 1);
    bpt_close(store);
}

static bp_status fold_nothing(void *context, void *state, const bp_event *event, bp_error *told)
{
    (void)context;
    (void)event;
    (void)told;
    ++*(uint64_t *)state;
    return BP_OK;
}

static void keep_states(bp_store *store, bp_cache *cache)
{
    uint64_t folded = 0;
    bp_project_options options;
    bp_projection projection = {.size = sizeof projection,
                                .type = "folded",
                                .version = 1,
                                .flat = true,
                                .state_size = sizeof folded,
                                .apply = fold_nothing};
    bp_project_options_init(&options);
    options.cache = cache;
    CHECK_OK(bp_project(store, &projection, "a:1", &options, &folded, NULL, &error), &error);
    CHECK_OK(bp_cache_sync(cache, &error), &error);
    bp_cache_close(cache);
}

/* Files that other libraries write, and keys. */
static void use_engines(bp_store *store)
{
    bp_cache *cache = NULL;
    bp_append_options options;
    if (bp_cache_lmdb(store, NULL, &cache, &error) == BP_OK) {
        keep_states(store, cache);
    }
    if (bp_cache_sqlite(store, NULL, &cache, &error) == BP_OK) {
        keep_states(store, cache);
    }
    if (bp_encryption_available()) {
        bp_append_options_init(&options);
        options.subject = "person:1";
        bpt_put_with(store, "a:1", "a secret", &options);
    }
}

/* Everything that a store comes to have: segments, a torn end's copy, index files, caches, keys, consumers, notes of snapshots. */
static void use_all(bpt_world *world)
{
    tear(world);
    bp_consumer *consumer = NULL;
    bp_snapshot_options options;
    bp_snapshot_options_init(&options);
    options.consumers = true;
    bp_store *store = bpt_open(world);
    fill(store, 60);
    CHECK_OK(bp_seal(store, &error), &error);
    CHECK_OK(bp_consumer_open(store, "mailer", NULL, NULL, &consumer, &error), &error);
    CHECK_OK(bp_consumer_close(consumer, &error), &error);
    use_engines(store);
    CHECK_OK(bp_snapshot(store, beside(world, "snap"), &options, NULL, &error), &error);
    bpt_close(store);
    CHECK_OK(bp_restore(beside(world, "snap"), beside(world, "back"), NULL, NULL, &error), &error);
    bpt_close(bpt_open(world));
}

static unsigned seen;

static int check_mode(const char *path, const struct stat *about, int type, struct FTW *walk)
{
    (void)type;
    (void)walk;
    mode_t wanted = S_ISDIR(about->st_mode) ? 0700 : 0600;
    CHECK((about->st_mode & 07777) == wanted, "%s has mode %o", path, (unsigned)about->st_mode & 07777);
    CHECK(S_ISDIR(about->st_mode) || S_ISREG(about->st_mode), "%s is neither file nor directory", path);
    seen++;
    return 0;
}

static void modes_do_not_depend_on_the_umask(void **state)
{
    (void)state;
    static const mode_t masks[] = {0000, 0022, 0077, 0777};
    for (size_t i = 0; i < sizeof masks / sizeof masks[0]; i++) {
        bpt_world world;
        bpt_world_disk(&world);
        mode_t before = umask(masks[i]);
        bpt_note("umask %o", (unsigned)masks[i]);
        use_all(&world);
        (void)umask(before);
        seen = 0;
        assert_int_equal(nftw(world.root, check_mode, 16, FTW_PHYS), 0);
        CHECK(seen > 25, "only %u names", seen);
        bpt_world_end(&world);
    }
}

/* ---- links ---- */

static char names[NAMES_MAX][700];
static unsigned name_count;
static size_t root_length;

static int note_name(const char *path, const struct stat *about, int type, struct FTW *walk)
{
    (void)about;
    (void)type;
    if (walk->level > 0 && name_count < NAMES_MAX) {
        (void)snprintf(names[name_count++], sizeof names[0], "%s", path + root_length + 1);
    }
    return 0;
}

/* What the log consists of: a link in its place is refused, by everybody who needs it. */
static bool is_log(const char *name)
{
    return (strncmp(name, "log", 3) == 0 && strstr(name, ".torn") == NULL) || strcmp(name, "MANIFEST") == 0;
}

static void a_link_in_the_place_of_anything_is_not_followed(void **state)
{
    (void)state;
    bpt_world world;
    bpt_world_disk(&world);
    world.options.keeper = BP_KEEPER_INLINE; /* so that it is always the same files that are listed */
    use_all(&world);
    root_length = strlen(world.path);
    name_count = 0;
    assert_int_equal(nftw(world.path, note_name, 16, FTW_PHYS), 0);
    unsigned tried = 0;
    for (unsigned i = 0; i < name_count; i++) {
        char path[1500];
        const char *elsewhere = beside(&world, "elsewhere");
        struct stat before;
        struct stat after;
        bp_store *store = NULL;
        (void)snprintf(path, sizeof path, "%s/%s", world.path, names[i]);
        bpt_note("%s is a link", names[i]);
        if (rename(path, elsewhere) != 0) {
            assert_int_equal(errno, ENOENT); /* a list, or an index file, that was replaced by now */
            continue;
        }
        tried++;
        assert_int_equal(symlink(elsewhere, path), 0);
        assert_int_equal(lstat(elsewhere, &before), 0);
        bp_status reader = bp_open_reader(world.path, &world.options, &store, &error);
        if (reader == BP_OK) {
            bpt_close(store);
        }
        bp_status writer = bp_open(world.path, &world.options, &store, &error);
        if (writer == BP_OK) {
            fill(store, 1);
            (void)bp_close(store, &error);
        }
        if (is_log(names[i])) {
            CHECK(reader != BP_OK && writer != BP_OK, "it was followed");
            CHECK(bp_restore(world.path, beside(&world, "again"), NULL, NULL, &error) != BP_OK, "it was followed");
        }
        assert_int_equal(lstat(elsewhere, &after), 0);
        CHECK(before.st_size == after.st_size && before.st_mtim.tv_sec == after.st_mtim.tv_sec &&
                  before.st_mtim.tv_nsec == after.st_mtim.tv_nsec,
              "what it leads to was written");
        (void)unlink(path);
        assert_int_equal(rename(elsewhere, path), 0);
    }
    CHECK(tried > 10, "only %u names", tried);
    bpt_world_end(&world);
}

static unsigned count_in(const char *path)
{
    unsigned count = 0;
    const bp_io *io = bp_io_posix();
    bp_dir *dir = NULL;
    bp_file *file = NULL;
    static const char *const expected[] = {"MANIFEST", "INCOMPLETE", "SNAPSHOT", "SEGMENTS-1"};
    assert_int_equal(io->dir_open(io->context, path, false, &dir), 0);
    for (size_t i = 0; i < sizeof expected / sizeof expected[0]; i++) {
        if (io->file_open(io->context, dir, expected[i], BP_OPEN_READ, &file) == 0) {
            io->file_close(io->context, file);
            count++;
        }
    }
    io->dir_close(io->context, dir);
    return count;
}

static void links_at_the_target_and_beside_the_log(void **state)
{
    (void)state;
    bpt_world world;
    char path[1500];
    bp_snapshot_options options;
    bpt_world_disk(&world);
    bp_snapshot_options_init(&options);
    options.consumers = true;
    bp_store *store = bpt_open(&world);
    fill(store, 30);
    assert_int_equal(mkdir(beside(&world, "victim"), 0700), 0);
    assert_int_equal(symlink(beside(&world, "victim"), beside(&world, "link")), 0);
    CHECK_STATUS(BP_ERR_EXISTS, bp_snapshot(store, beside(&world, "link"), NULL, NULL, &error), &error);
    CHECK_SAYS(&error, "symbolic link");
    static const char *const folders[] = {"snapshots", "consumers"};
    for (size_t i = 0; i < 2; i++) {
        (void)snprintf(path, sizeof path, "%s/%s", world.path, folders[i]);
        bpt_note("%s is a link", folders[i]);
        (void)rename(path, beside(&world, "kept"));
        assert_int_equal(symlink(beside(&world, "victim"), path), 0);
        CHECK(bp_snapshot(store, beside(&world, "snap"), &options, NULL, &error) != BP_OK, "it was followed");
        assert_int_equal(access(beside(&world, "snap"), F_OK), -1); /* and what was made is gone */
        (void)unlink(path);
        (void)rename(beside(&world, "kept"), path);
    }
    CHECK_OK(bp_snapshot(store, beside(&world, "snap"), &options, NULL, &error), &error);
    assert_int_equal(symlink(beside(&world, "victim"), beside(&world, "back")), 0);
    CHECK_STATUS(BP_ERR_EXISTS, bp_restore(beside(&world, "snap"), beside(&world, "back"), NULL, NULL, &error), &error);
    assert_int_equal(count_in(beside(&world, "victim")), 0);
    bpt_close(store);
    bpt_world_end(&world);
}

static void a_repair_is_made_through_no_link(void **state)
{
    (void)state;
    static const char *const links[] = {"new", "new.repairing"};
    bpt_world world;
    bp_repair_report report;
    bpt_world_disk(&world);
    bp_store *store = bpt_open(&world);
    fill(store, 10);
    bpt_close(store);
    assert_int_equal(mkdir(beside(&world, "victim"), 0700), 0);
    for (size_t i = 0; i < 2; i++) {
        bpt_note("%s is a link", links[i]);
        assert_int_equal(symlink(beside(&world, "victim"), beside(&world, links[i])), 0);
        CHECK_STATUS(BP_ERR_EXISTS, bp_repair(world.path, beside(&world, "new"), NULL, &report, &error), &error);
        CHECK_SAYS(&error, "symbolic link");
        assert_int_equal(count_in(beside(&world, "victim")), 0);
        assert_int_equal(rmdir(beside(&world, "victim")), 0); /* it is still empty */
        CHECK(bp_repair(world.path, beside(&world, "new"), NULL, &report, &error) != BP_OK, "a link to nowhere");
        assert_int_equal(mkdir(beside(&world, "victim"), 0700), 0);
        assert_int_equal(unlink(beside(&world, links[i])), 0);
    }
    CHECK_OK(bp_repair(world.path, beside(&world, "new"), NULL, &report, &error), &error);
    bpt_world_end(&world);
}

/* bp_io_posix, but that somebody puts a link where a repair is about to make its directory, behind its look at the place. */
typedef struct ambush {
    bp_io table;
    const bpt_world *world;
    unsigned links;
} ambush;

static void lie_in_wait(ambush *set, const char *path)
{
    size_t size = strlen(path);
    if (size >= 10 && strcmp(path + size - 10, ".repairing") == 0 && set->links == 0) {
        set->links += symlink(beside(set->world, "victim"), beside(set->world, "new.repairing")) == 0;
    }
}

static int ambushed_open(void *context, const char *path, bool create, bp_dir **dir_out)
{
    ambush *set = context;
    if (create) {
        lie_in_wait(set, path);
    }
    return bp_io_posix()->dir_open(bp_io_posix()->context, path, create, dir_out);
}

static int ambushed_open_at(void *context, bp_dir *parent, const char *name, bool create, bp_dir **dir_out)
{
    ambush *set = context;
    if (create) {
        lie_in_wait(set, name);
    }
    return bp_io_posix()->dir_open_at(bp_io_posix()->context, parent, name, create, dir_out);
}

static void a_link_that_comes_behind_the_look_is_not_followed(void **state)
{
    bpt_world world;
    bp_repair_options options;
    (void)state;
    bpt_world_disk(&world);
    bp_store *store = bpt_open(&world);
    fill(store, 10);
    bpt_close(store);
    assert_int_equal(mkdir(beside(&world, "victim"), 0700), 0);
    ambush set = {.table = *bp_io_posix(), .world = &world};
    set.table.context = &set;
    set.table.dir_open = ambushed_open;
    set.table.dir_open_at = ambushed_open_at;
    bp_repair_options_init(&options);
    options.io = &set.table;
    CHECK_STATUS(BP_ERR_EXISTS, bp_repair(world.path, beside(&world, "new"), &options, NULL, &error), &error);
    CHECK_SAYS(&error, "symbolic link");
    assert_int_equal(set.links, 1);
    assert_int_equal(count_in(beside(&world, "victim")), 0);
    bpt_world_end(&world);
}

/* Somebody moves the half-made store away, and puts a link in its place. */
static void move_repaired(void *context, const char *what, uint64_t done, uint64_t total)
{
    ambush *set = context;
    (void)what;
    (void)done;
    (void)total;
    if (set->links == 0 && rename(beside(set->world, "new.repairing"), beside(set->world, "moved")) == 0) {
        set->links += symlink(beside(set->world, "victim"), beside(set->world, "new.repairing")) == 0;
    }
}

static void a_repair_stays_in_the_directory_it_has_made(void **state)
{
    bpt_world world;
    bp_repair_options options;
    bp_verify_report report;
    (void)state;
    bpt_world_disk(&world);
    bp_store *store = bpt_open(&world);
    fill(store, 10);
    bpt_close(store);
    assert_int_equal(mkdir(beside(&world, "victim"), 0700), 0);
    ambush set = {.world = &world};
    bp_repair_options_init(&options);
    options.progress = move_repaired;
    options.progress_context = &set;
    CHECK_STATUS(BP_ERR_EXISTS, bp_repair(world.path, beside(&world, "new"), &options, NULL, &error), &error);
    assert_int_equal(set.links, 1);
    assert_int_equal(count_in(beside(&world, "victim")), 0);
    assert_int_equal(access(beside(&world, "new"), F_OK), -1);
    CHECK_OK(bp_verify(beside(&world, "moved"), NULL, &report, &error), &error);
    assert_int_equal(report.events, 10);
    bpt_world_end(&world);
}

/* Puts a link to another directory in the place of the one that is being filled. */
typedef struct swapping {
    const bpt_world *world;
    bool done;
} swapping;

static void swap_target(void *context, const char *what, uint64_t done, uint64_t total)
{
    swapping *swap = context;
    (void)what;
    (void)done;
    (void)total;
    if (!swap->done && rename(beside(swap->world, "target"), beside(swap->world, "moved")) == 0) {
        assert_int_equal(symlink(beside(swap->world, "victim"), beside(swap->world, "target")), 0);
        swap->done = true;
    }
}

static void a_target_that_is_swapped_leads_nowhere_else(void **state)
{
    (void)state;
    for (int restores = 0; restores < 2; restores++) {
        bpt_world world;
        bpt_world_disk(&world);
        swapping swap = {.world = &world};
        bp_snapshot_options options;
        bp_restore_options restoring;
        bp_snapshot_options_init(&options);
        bp_restore_options_init(&restoring);
        options.progress = swap_target;
        options.progress_context = &swap;
        restoring.progress = swap_target;
        restoring.progress_context = &swap;
        bp_store *store = bpt_open(&world);
        fill(store, 30);
        assert_int_equal(mkdir(beside(&world, "victim"), 0700), 0);
        if (restores == 0) {
            CHECK_OK(bp_snapshot(store, beside(&world, "target"), &options, NULL, &error), &error);
        } else {
            CHECK_OK(bp_snapshot(store, beside(&world, "snap"), NULL, NULL, &error), &error);
            CHECK_OK(bp_restore(beside(&world, "snap"), beside(&world, "target"), &restoring, NULL, &error), &error);
        }
        assert_true(swap.done);
        assert_int_equal(count_in(beside(&world, "victim")), 0);
        bp_verify_report report;
        CHECK_OK(bp_verify(beside(&world, "moved"), NULL, &report, &error), &error);
        assert_int_equal(report.events, 30);
        bpt_close(store);
        bpt_world_end(&world);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(modes_do_not_depend_on_the_umask),
        cmocka_unit_test(a_link_in_the_place_of_anything_is_not_followed),
        cmocka_unit_test(links_at_the_target_and_beside_the_log),
        cmocka_unit_test(a_repair_is_made_through_no_link),
        cmocka_unit_test(a_link_that_comes_behind_the_look_is_not_followed),
        cmocka_unit_test(a_repair_stays_in_the_directory_it_has_made),
        cmocka_unit_test(a_target_that_is_swapped_leads_nowhere_else),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
