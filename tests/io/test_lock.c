/*
 * test_lock.c: the writer lock among processes, and what forks do to it.
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
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <batpak/io.h>

#include "io/lock.h"
#include "io/posix.h"

static const bp_io *io;
static bp_dir *dir;

static int setup(void **state)
{
    (void)state;
    io = bp_io_posix();
    return io->dir_open(io->context, ".", false, &dir);
}

static int teardown(void **state)
{
    (void)state;
    (void)io->dir_remove(io->context, dir, "LOCK");
    io->dir_close(io->context, dir);
    return 0;
}

static bp_file *open_lock(void)
{
    bp_file *file = NULL;
    assert_int_equal(io->file_open(io->context, dir, "LOCK", BP_OPEN_WRITE | BP_OPEN_CREATE, &file), 0);
    return file;
}

static int try_lock(bp_file *file, uint64_t *holder_out)
{
    return io->file_lock(io->context, file, holder_out);
}

static int ended(pid_t child)
{
    int status = -1;
    assert_int_equal(waitpid(child, &status, 0), child);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 1000 + WTERMSIG(status);
}

static void the_holder_is_named(void **state)
{
    char text[64] = "";
    size_t got = 0;
    uint64_t holder = 0;
    (void)state;
    bp_file *file = open_lock();
    /* a longer number from an earlier holder must not shine through */
    assert_int_equal(io->file_write(io->context, file, 0, "99999999999999\n", 15), 0);
    assert_int_equal(try_lock(file, &holder), 0);
    assert_int_equal(io->file_read(io->context, file, 0, text, sizeof(text) - 1, &got), 0);
    assert_int_equal(strtol(text, NULL, 10), getpid());
    pid_t child = fork();
    if (child == 0) {
        bp_file *mine = open_lock();
        int result = try_lock(mine, &holder);
        _exit(result == EAGAIN && holder == (uint64_t)getppid() ? 0 : 1);
    }
    assert_int_equal(ended(child), 0);
    io->file_close(io->context, file);
}

static void rubbish_in_the_lock_file_names_nobody(void **state)
{
    static const char *const texts[] = {"", "pid", "-5", "123456789012345678901234567890"};
    (void)state;
    for (size_t index = 0; index < 4; index++) {
        uint64_t holder = 77;
        bp_file *file = open_lock();
        assert_int_equal(try_lock(file, &holder), 0);
        bp_file *scribe = open_lock();
        assert_int_equal(truncate("LOCK", 0), 0);
        assert_int_equal(io->file_write(io->context, scribe, 0, texts[index], strlen(texts[index])), 0);
        assert_int_equal(try_lock(scribe, &holder), EAGAIN);
        assert_true(index == 3 || holder == 0);
        io->file_close(io->context, scribe);
        io->file_close(io->context, file);
    }
}

static void killing_the_holder_frees_the_lock(void **state)
{
    int ready[2];
    char byte;
    uint64_t holder;
    (void)state;
    assert_int_equal(pipe(ready), 0);
    pid_t child = fork();
    if (child == 0) {
        bp_file *mine = open_lock();
        if (try_lock(mine, &holder) != 0 || write(ready[1], "x", 1) != 1) {
            _exit(1);
        }
        for (;;) {
            (void)pause();
        }
    }
    assert_int_equal(read(ready[0], &byte, 1), 1);
    bp_file *file = open_lock();
    assert_int_equal(try_lock(file, &holder), EAGAIN);
    assert_int_equal(holder, (uint64_t)child);
    assert_int_equal(kill(child, SIGKILL), 0);
    assert_int_equal(ended(child), 1000 + SIGKILL);
    assert_int_equal(try_lock(file, &holder), 0);
    io->file_close(io->context, file);
    (void)close(ready[0]);
    (void)close(ready[1]);
}

static void a_child_does_not_keep_its_parents_lock(void **state)
{
    int stop[2];
    int ready[2];
    char byte;
    uint64_t holder;
    (void)state;
    assert_int_equal(pipe(stop), 0);
    assert_int_equal(pipe(ready), 0);
    bp_file *file = open_lock();
    assert_int_equal(try_lock(file, &holder), 0);
    pid_t child = fork();
    if (child == 0) {
        (void)close(stop[1]);
        _exit(write(ready[1], "x", 1) == 1 && read(stop[0], &byte, 1) == 0 ? 0 : 1);
    }
    assert_int_equal(read(ready[0], &byte, 1), 1); /* from here on the child has run its fork handler */
    /* the child lives on; closing ours must set the lock free */
    io->file_close(io->context, file);
    bp_file *again = open_lock();
    assert_int_equal(try_lock(again, &holder), 0);
    io->file_close(io->context, again);
    (void)close(stop[1]);
    assert_int_equal(ended(child), 0);
    (void)close(stop[0]);
    (void)close(ready[0]);
    (void)close(ready[1]);
}

static void the_parent_keeps_its_lock_when_a_child_closes(void **state)
{
    uint64_t holder;
    (void)state;
    bp_file *file = open_lock();
    assert_int_equal(try_lock(file, &holder), 0);
    pid_t child = fork();
    if (child == 0) {
        io->file_close(io->context, file);
        _exit(0);
    }
    assert_int_equal(ended(child), 0);
    bp_file *other = open_lock();
    assert_int_equal(try_lock(other, &holder), EAGAIN);
    io->file_close(io->context, other);
    io->file_close(io->context, file);
}

/* In the child the lock's descriptor is closed and its number may be somebody else's by now. */
static int close_after_reuse(bp_file *file)
{
    int fds[64];
    for (size_t index = 0; index < 64; index++) {
        fds[index] = open("/dev/null", O_RDONLY | O_CLOEXEC);
        if (fds[index] < 0) {
            return 1;
        }
    }
    io->file_close(io->context, file);
    for (size_t index = 0; index < 64; index++) {
        if (fcntl(fds[index], F_GETFD) < 0) {
            return 2;
        }
    }
    return 0;
}

static void a_child_closes_nobody_elses_descriptor(void **state)
{
    uint64_t holder;
    (void)state;
    bp_file *file = open_lock();
    bp_file *waiting = open_lock();
    assert_int_equal(try_lock(file, &holder), 0);
    assert_int_equal(try_lock(waiting, &holder), EAGAIN);
    pid_t child = fork();
    if (child == 0) {
        int result = close_after_reuse(file);
        _exit(result != 0 ? result : close_after_reuse(waiting));
    }
    assert_int_equal(ended(child), 0);
    io->file_close(io->context, waiting);
    io->file_close(io->context, file);
}

/* What a child has between its fork and its handler: the same description, by a descriptor of its own. */
static void closing_lets_go_whoever_shares_the_description(void **state)
{
    uint64_t holder = 0;
    (void)state;
    bp_file *first = open_lock();
    assert_int_equal(try_lock(first, &holder), 0);
    int shared = dup(bpi_posix_file_of(first)->fd);
    assert_true(shared >= 0);
    io->file_close(io->context, first);
    bp_file *second = open_lock();
    assert_int_equal(try_lock(second, &holder), 0);
    io->file_close(io->context, second);
    assert_int_equal(close(shared), 0);
}

static void the_generation_counts_forks(void **state)
{
    (void)state;
    uint64_t mine = bpi_fork_generation();
    assert_int_equal(bpi_fork_generation(), mine);
    pid_t child = fork();
    if (child == 0) {
        uint64_t its = bpi_fork_generation();
        pid_t grandchild = fork();
        if (grandchild == 0) {
            _exit(bpi_fork_generation() != its && bpi_fork_generation() != mine ? 0 : 1);
        }
        int status = -1;
        (void)waitpid(grandchild, &status, 0);
        _exit(its != mine && status == 0 ? 0 : 1);
    }
    assert_int_equal(ended(child), 0);
    assert_int_equal(bpi_fork_generation(), mine);
}

static void many_locks_end_in_any_order(void **state)
{
    enum { COUNT = 5 };
    bp_file *files[COUNT];
    uint64_t holder;
    (void)state;
    for (size_t index = 0; index < COUNT; index++) {
        files[index] = open_lock();
        assert_int_equal(try_lock(files[index], &holder), index == 0 ? 0 : EAGAIN);
    }
    static const size_t order[COUNT] = {2, 4, 0, 3, 1};
    for (size_t index = 0; index < COUNT; index++) {
        io->file_close(io->context, files[order[index]]);
    }
    bp_file *file = open_lock();
    assert_int_equal(try_lock(file, &holder), 0);
    io->file_close(io->context, file);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(the_holder_is_named, setup, teardown),
        cmocka_unit_test_setup_teardown(rubbish_in_the_lock_file_names_nobody, setup, teardown),
        cmocka_unit_test_setup_teardown(killing_the_holder_frees_the_lock, setup, teardown),
        cmocka_unit_test_setup_teardown(a_child_does_not_keep_its_parents_lock, setup, teardown),
        cmocka_unit_test_setup_teardown(the_parent_keeps_its_lock_when_a_child_closes, setup, teardown),
        cmocka_unit_test_setup_teardown(a_child_closes_nobody_elses_descriptor, setup, teardown),
        cmocka_unit_test_setup_teardown(closing_lets_go_whoever_shares_the_description, setup, teardown),
        cmocka_unit_test_setup_teardown(the_generation_counts_forks, setup, teardown),
        cmocka_unit_test_setup_teardown(many_locks_end_in_any_order, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
