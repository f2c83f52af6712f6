/*
 * test_posix.c: what only the real file system shows: modes, links, pipes, limits, two mappings of two opens.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/wait.h>
#include <unistd.h>

#include <batpak/io.h>

static const bp_io *io;
static bp_dir *dir;
static unsigned folder;
static char path[32];

static int setup(void **state)
{
    (void)state;
    io = bp_io_posix();
    (void)snprintf(path, sizeof(path), "folder%u", folder++);
    return io->dir_open(io->context, path, true, &dir);
}

static int teardown(void **state)
{
    (void)state;
    io->dir_close(io->context, dir);
    return 0;
}

static const char *below(const char *name)
{
    static char text[128];
    (void)snprintf(text, sizeof(text), "%s/%s", path, name);
    return text;
}

static mode_t mode_of(const char *name)
{
    struct stat about;
    assert_int_equal(lstat(name, &about), 0);
    return about.st_mode & 07777;
}

static bp_file *make(const char *name)
{
    bp_file *file = NULL;
    assert_int_equal(io->file_open(io->context, dir, name, BP_OPEN_WRITE | BP_OPEN_CREATE, &file), 0);
    return file;
}

static void modes_are_private_whatever_the_umask(void **state)
{
    static const mode_t masks[] = {0, 022, 077, 0277, 0777};
    (void)state;
    for (size_t index = 0; index < sizeof(masks) / sizeof(masks[0]); index++) {
        char name[16];
        char top[64];
        bp_dir *sub = NULL;
        bp_dir *other = NULL;
        mode_t before = umask(masks[index]);
        (void)snprintf(name, sizeof(name), "file%zu", index);
        io->file_close(io->context, make(name));
        mode_t file_mode = mode_of(below(name));
        (void)snprintf(name, sizeof(name), "dir%zu", index);
        int result = io->dir_open_at(io->context, dir, name, true, &sub);
        (void)snprintf(top, sizeof(top), "%s-top%zu", path, index);
        int top_result = io->dir_open(io->context, top, true, &other);
        (void)umask(before);
        assert_int_equal(result, 0);
        assert_int_equal(top_result, 0);
        assert_int_equal(file_mode, 0600);
        assert_int_equal(mode_of(below(name)), 0700);
        assert_int_equal(mode_of(top), 0700);
        io->dir_close(io->context, sub);
        io->dir_close(io->context, other);
    }
}

static void an_existing_file_keeps_its_mode(void **state)
{
    (void)state;
    io->file_close(io->context, make("a"));
    assert_int_equal(chmod(below("a"), 0640), 0);
    io->file_close(io->context, make("a"));
    assert_int_equal(mode_of(below("a")), 0640);
}

static uint64_t blocks_of(const char *name)
{
    struct stat about;
    assert_int_equal(stat(below(name), &about), 0);
    return (uint64_t)about.st_blocks * 512;
}

/* What is released reads as zeros, also in a mapping, and the file stays as long as it is. */
static void zeros_may_lose_their_space(void **state)
{
    enum { SIZE = 256 << 10, FROM = 64 << 10, PART = 128 << 10 };
    static uint8_t bytes[SIZE];
    uint64_t size = 0;
    uint64_t end = 0;
    void *address = NULL;
    (void)state;
    bp_file *file = make("released");
    memset(bytes, 0, sizeof bytes);
    bytes[0] = 1;
    bytes[FROM + PART] = 2;
    assert_int_equal(io->file_write(io->context, file, 0, bytes, sizeof bytes), 0);
    assert_int_equal(io->file_sync(io->context, file, BP_SYNC_ALL), 0);
    assert_int_equal(io->map_open(io->context, file, SIZE, false, &address), 0);
    assert_int_equal(io->file_reserved(io->context, file, 0, &end), 0);
    assert_int_equal(end, SIZE);
    uint64_t before = blocks_of("released");
    io->file_release(io->context, file, FROM, PART);
    assert_int_equal(io->file_size(io->context, file, &size), 0);
    assert_int_equal(size, SIZE);
    assert_memory_equal(address, bytes, SIZE);
    if (blocks_of("released") != before) { /* a filesystem that can */
        assert_true(blocks_of("released") <= before - PART);
        assert_int_equal(io->file_reserved(io->context, file, 0, &end), 0);
        assert_int_equal(end, FROM);
        assert_int_equal(io->file_reserved(io->context, file, FROM + 100, &end), 0);
        assert_int_equal(end, FROM + 100);
        assert_int_equal(io->file_reserved(io->context, file, FROM + PART, &end), 0);
        assert_int_equal(end, SIZE);
        assert_int_equal(io->file_allocate(io->context, file, SIZE), 0);
        assert_true(blocks_of("released") >= before - 4096);
    }
    assert_int_equal(io->file_reserved(io->context, file, SIZE + 1, &end), 0);
    assert_int_equal(end, SIZE);
    io->map_close(io->context, file, address, SIZE);
    io->file_close(io->context, file);
}

static void symbolic_links_are_not_followed(void **state)
{
    bp_file *file = NULL;
    bp_dir *sub = NULL;
    struct stat about;
    (void)state;
    io->file_close(io->context, make("target"));
    assert_int_equal(symlink("target", below("link")), 0);
    assert_int_equal(symlink("nowhere", below("dangling")), 0);
    assert_int_equal(symlink("/tmp", below("dirlink")), 0);
    assert_int_equal(io->file_open(io->context, dir, "link", BP_OPEN_READ, &file), ELOOP);
    assert_int_equal(io->file_open(io->context, dir, "link", BP_OPEN_WRITE | BP_OPEN_CREATE, &file), ELOOP);
    int result = io->file_open(io->context, dir, "dangling", BP_OPEN_WRITE | BP_OPEN_CREATE, &file);
    assert_int_equal(result, ELOOP);
    assert_int_equal(lstat(below("nowhere"), &about), -1);
    assert_int_equal(io->dir_open_at(io->context, dir, "dirlink", false, &sub), ENOTDIR);
    assert_int_equal(io->dir_open_at(io->context, dir, "dirlink", true, &sub), ENOTDIR);
}

static void the_path_itself_may_be_a_link(void **state)
{
    char name[64];
    bp_dir *same = NULL;
    (void)state;
    (void)snprintf(name, sizeof(name), "%s-link", path);
    assert_int_equal(symlink(path, name), 0);
    assert_int_equal(io->dir_open(io->context, name, false, &same), 0);
    io->dir_close(io->context, same);
}

static void a_pipe_neither_blocks_nor_opens(void **state)
{
    bp_file *file = NULL;
    (void)state;
    assert_int_equal(mkfifo(below("pipe"), 0600), 0);
    assert_int_not_equal(io->file_open(io->context, dir, "pipe", BP_OPEN_READ, &file), 0);
    assert_int_not_equal(io->file_open(io->context, dir, "pipe", BP_OPEN_WRITE | BP_OPEN_CREATE, &file), 0);
    assert_null(file);
}

static void parents_are_not_made(void **state)
{
    bp_dir *other = NULL;
    (void)state;
    assert_int_equal(io->dir_open(io->context, "none/at/all", true, &other), ENOENT);
    assert_null(other);
}

static void descriptors_are_closed_by_exec(void **state)
{
    (void)state;
    bp_file *file = make("a");
    for (int fd = 3; fd < 64; fd++) {
        char link[64];
        char target[256];
        (void)snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
        ssize_t size = readlink(link, target, sizeof(target) - 1);
        if (size > 0 && memmem(target, (size_t)size, path, strlen(path)) != NULL) {
            assert_true((fcntl(fd, F_GETFD) & FD_CLOEXEC) != 0);
        }
    }
    io->file_close(io->context, file);
}

/* Runs in a child, since limits cannot be raised again. */
static int write_beyond_limit(void)
{
    static uint8_t bytes[8192];
    struct rlimit limit = {.rlim_cur = 4096, .rlim_max = 4096};
    bp_file *file = make("limited");
    (void)signal(SIGXFSZ, SIG_IGN);
    if (setrlimit(RLIMIT_FSIZE, &limit) != 0) {
        return 1;
    }
    if (io->file_write(io->context, file, 0, bytes, sizeof(bytes)) != EFBIG) {
        return 2; /* a short transfer is followed by the error, never by success */
    }
    if (io->file_allocate(io->context, file, 1 << 20) != EFBIG) {
        return 3;
    }
    return io->file_write(io->context, file, 0, bytes, 4096) == 0 ? 0 : 4;
}

static void a_transfer_that_stops_half_way_is_an_error(void **state)
{
    int status = 0;
    (void)state;
    pid_t child = fork();
    if (child == 0) {
        _exit(write_beyond_limit());
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
}

/* More than the medium has: known to fail, so that not a block is taken for it. */
static void space_that_is_not_there_is_refused_when_reserved(void **state)
{
    struct statvfs space;
    struct stat about;
    (void)state;
    assert_int_equal(statvfs(path, &space), 0);
    bp_file *file = make("huge");
    uint64_t total = (uint64_t)space.f_blocks * space.f_frsize;
    assert_int_equal(io->file_allocate(io->context, file, 2 * total), ENOSPC);
    assert_int_equal(stat(below("huge"), &about), 0);
    assert_int_equal(about.st_size, 0);
    assert_int_equal(about.st_blocks, 0);
    io->file_close(io->context, file);
}

static void an_open_directory_follows_its_rename(void **state)
{
    char moved[64];
    struct stat about;
    (void)state;
    (void)snprintf(moved, sizeof(moved), "%s-moved", path);
    assert_int_equal(rename(path, moved), 0);
    io->file_close(io->context, make("late"));
    (void)strncat(moved, "/late", sizeof(moved) - strlen(moved) - 1);
    assert_int_equal(stat(moved, &about), 0);
}

static void the_place_names_this_boot(void **state)
{
    static const uint8_t zeros[16];
    char text[64] = "";
    bp_io_place place;
    bp_id id;
    bp_dir *proc = NULL;
    (void)state;
    assert_int_equal(io->dir_place(io->context, dir, &place), 0);
    FILE *file = fopen("/proc/sys/kernel/random/boot_id", "re");
    if (file == NULL) {
        assert_memory_equal(place.boot, zeros, 16);
        return;
    }
    assert_non_null(fgets(text, sizeof(text), file));
    (void)fclose(file);
    assert_true(bp_id_parse(text, strcspn(text, "\n"), &id));
    assert_memory_equal(place.boot, id.bytes, 16);
    bp_io_place elsewhere;
    assert_int_equal(io->dir_open(io->context, "/proc", false, &proc), 0);
    assert_int_equal(io->dir_place(io->context, proc, &elsewhere), 0);
    assert_int_not_equal(place.mount, elsewhere.mount);
    io->dir_close(io->context, proc);
}

static void stores_reach_another_process(void **state)
{
    void *address = NULL;
    int status = 0;
    (void)state;
    bp_file *file = make("shared");
    assert_int_equal(io->file_allocate(io->context, file, 4096), 0);
    assert_int_equal(io->map_open(io->context, file, 65536, true, &address), 0);
    pid_t child = fork();
    if (child == 0) {
        io->map_store(io->context, file, address, 10, "child", 5);
        _exit(0);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
    assert_memory_equal((uint8_t *)address + 10, "child", 5);
    io->map_close(io->context, file, address, 65536);
    io->file_close(io->context, file);
}

static void clocks_go_forward(void **state)
{
    const bp_clock *clock = bp_clock_system();
    (void)state;
    uint64_t start = clock->steady_ns(clock->context);
    int64_t wall = clock->now_us(clock->context);
    clock->sleep_ns(clock->context, 2000000);
    assert_true(clock->steady_ns(clock->context) - start >= 2000000);
    assert_true(wall > INT64_C(1600000000000000));
    assert_true(clock->now_us(clock->context) >= wall);
}

static void random_bytes_differ(void **state)
{
    uint8_t first[1000] = {0};
    uint8_t second[1000] = {0};
    const bp_random *random = bp_random_system();
    (void)state;
    assert_int_equal(random->fill(random->context, first, sizeof(first)), 0);
    assert_int_equal(random->fill(random->context, second, sizeof(second)), 0);
    assert_memory_not_equal(first, second, sizeof(first));
    assert_int_equal(random->fill(random->context, first, 0), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(modes_are_private_whatever_the_umask, setup, teardown),
        cmocka_unit_test_setup_teardown(an_existing_file_keeps_its_mode, setup, teardown),
        cmocka_unit_test_setup_teardown(symbolic_links_are_not_followed, setup, teardown),
        cmocka_unit_test_setup_teardown(zeros_may_lose_their_space, setup, teardown),
        cmocka_unit_test_setup_teardown(the_path_itself_may_be_a_link, setup, teardown),
        cmocka_unit_test_setup_teardown(a_pipe_neither_blocks_nor_opens, setup, teardown),
        cmocka_unit_test_setup_teardown(parents_are_not_made, setup, teardown),
        cmocka_unit_test_setup_teardown(descriptors_are_closed_by_exec, setup, teardown),
        cmocka_unit_test_setup_teardown(a_transfer_that_stops_half_way_is_an_error, setup, teardown),
        cmocka_unit_test_setup_teardown(space_that_is_not_there_is_refused_when_reserved, setup, teardown),
        cmocka_unit_test_setup_teardown(an_open_directory_follows_its_rename, setup, teardown),
        cmocka_unit_test_setup_teardown(the_place_names_this_boot, setup, teardown),
        cmocka_unit_test_setup_teardown(stores_reach_another_process, setup, teardown),
        cmocka_unit_test(clocks_go_forward),
        cmocka_unit_test(random_bytes_differ),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
