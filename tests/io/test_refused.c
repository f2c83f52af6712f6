/*
 * test_refused.c: what this system never refuses here, refused: each call of the posix seam fails once with each error, or for
 * good, and is interrupted, by functions that stand in for the C library's.
 *
 * ctest: wrap=fstat,fstatat,fstatvfs,statx,fchmod,fallocate,fdatasync,fsync,fdopendir,readdir,pread,pwrite,read,write,readlink,mmap,getrandom,eventfd,openat,open,fcntl,ioctl,clock_nanosleep
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <time.h>
#include <unistd.h>

#include <batpak/io.h>

#include "io/signal.h"

/* ---- what is refused ---- */

static const char *refused_call; /* NULL: nothing */
static int refused_error;
static unsigned refused_after; /* so many calls are let through first */
static unsigned refused_times;
static unsigned refused_count;

static bool refused(const char *call)
{
    if (refused_call == NULL || strcmp(refused_call, call) != 0) {
        return false;
    }
    if (refused_after > 0) {
        refused_after--;
        return false;
    }
    if (refused_times == 0) {
        return false;
    }
    refused_times--;
    refused_count++;
    errno = refused_error;
    return true;
}

static void refuse(const char *call, int error, unsigned after, unsigned times)
{
    refused_call = call;
    refused_error = error;
    refused_after = after;
    refused_times = times;
    refused_count = 0;
}

/* Ends it; it must have been asked for. */
static void allow(void)
{
    assert_true(refused_call == NULL || refused_count > 0);
    refused_call = NULL;
}

int __real_fstat(int fd, struct stat *about);
int __wrap_fstat(int fd, struct stat *about);
int __wrap_fstat(int fd, struct stat *about)
{
    return refused("fstat") ? -1 : __real_fstat(fd, about);
}

int __real_fstatat(int fd, const char *name, struct stat *about, int flags);
int __wrap_fstatat(int fd, const char *name, struct stat *about, int flags);
int __wrap_fstatat(int fd, const char *name, struct stat *about, int flags)
{
    return refused("fstatat") ? -1 : __real_fstatat(fd, name, about, flags);
}

int __real_fstatvfs(int fd, struct statvfs *about);
int __wrap_fstatvfs(int fd, struct statvfs *about);
int __wrap_fstatvfs(int fd, struct statvfs *about)
{
    return refused("fstatvfs") ? -1 : __real_fstatvfs(fd, about);
}

int __real_statx(int fd, const char *name, int flags, unsigned mask, struct statx *about);
int __wrap_statx(int fd, const char *name, int flags, unsigned mask, struct statx *about);
int __wrap_statx(int fd, const char *name, int flags, unsigned mask, struct statx *about)
{
    return refused("statx") ? -1 : __real_statx(fd, name, flags, mask, about);
}

int __real_fchmod(int fd, mode_t mode);
int __wrap_fchmod(int fd, mode_t mode);
int __wrap_fchmod(int fd, mode_t mode)
{
    return refused("fchmod") ? -1 : __real_fchmod(fd, mode);
}

int __real_fallocate(int fd, int mode, off_t offset, off_t size);
int __wrap_fallocate(int fd, int mode, off_t offset, off_t size);
int __wrap_fallocate(int fd, int mode, off_t offset, off_t size)
{
    return refused("fallocate") ? -1 : __real_fallocate(fd, mode, offset, size);
}

int __real_fdatasync(int fd);
int __wrap_fdatasync(int fd);
int __wrap_fdatasync(int fd)
{
    return refused("fdatasync") ? -1 : __real_fdatasync(fd);
}

int __real_fsync(int fd);
int __wrap_fsync(int fd);
int __wrap_fsync(int fd)
{
    return refused("fsync") ? -1 : __real_fsync(fd);
}

DIR *__real_fdopendir(int fd);
DIR *__wrap_fdopendir(int fd);
DIR *__wrap_fdopendir(int fd)
{
    return refused("fdopendir") ? NULL : __real_fdopendir(fd);
}

struct dirent *__real_readdir(DIR *stream);
struct dirent *__wrap_readdir(DIR *stream);
struct dirent *__wrap_readdir(DIR *stream)
{
    return refused("readdir") ? NULL : __real_readdir(stream);
}

ssize_t __real_pread(int fd, void *bytes, size_t size, off_t at);
ssize_t __wrap_pread(int fd, void *bytes, size_t size, off_t at);
ssize_t __wrap_pread(int fd, void *bytes, size_t size, off_t at)
{
    return refused("pread") ? -1 : __real_pread(fd, bytes, size, at);
}

ssize_t __real_pwrite(int fd, const void *bytes, size_t size, off_t at);
ssize_t __wrap_pwrite(int fd, const void *bytes, size_t size, off_t at);
ssize_t __wrap_pwrite(int fd, const void *bytes, size_t size, off_t at)
{
    return refused("pwrite") ? -1 : __real_pwrite(fd, bytes, size, at);
}

ssize_t __real_read(int fd, void *bytes, size_t size);
ssize_t __wrap_read(int fd, void *bytes, size_t size);
ssize_t __wrap_read(int fd, void *bytes, size_t size)
{
    return refused("read") ? -1 : __real_read(fd, bytes, size);
}

ssize_t __real_write(int fd, const void *bytes, size_t size);
ssize_t __wrap_write(int fd, const void *bytes, size_t size);
ssize_t __wrap_write(int fd, const void *bytes, size_t size)
{
    return refused("write") ? -1 : __real_write(fd, bytes, size);
}

ssize_t __real_readlink(const char *name, char *text, size_t size);
ssize_t __wrap_readlink(const char *name, char *text, size_t size);
ssize_t __wrap_readlink(const char *name, char *text, size_t size)
{
    return refused("readlink") ? -1 : __real_readlink(name, text, size);
}

void *__real_mmap(void *wanted, size_t size, int rights, int flags, int fd, off_t at);
void *__wrap_mmap(void *wanted, size_t size, int rights, int flags, int fd, off_t at);
void *__wrap_mmap(void *wanted, size_t size, int rights, int flags, int fd, off_t at)
{
    return refused("mmap") ? MAP_FAILED : __real_mmap(wanted, size, rights, flags, fd, at);
}

ssize_t __real_getrandom(void *bytes, size_t size, unsigned flags);
ssize_t __wrap_getrandom(void *bytes, size_t size, unsigned flags);
ssize_t __wrap_getrandom(void *bytes, size_t size, unsigned flags)
{
    return refused("getrandom") ? -1 : __real_getrandom(bytes, size, flags);
}

int __real_eventfd(unsigned count, int flags);
int __wrap_eventfd(unsigned count, int flags);
int __wrap_eventfd(unsigned count, int flags)
{
    return refused("eventfd") ? -1 : __real_eventfd(count, flags);
}

/* Whether there is a mode: where the caller gave none, nobody looks at what stands in its place. */
int __real_openat(int fd, const char *name, int flags, mode_t mode);
int __wrap_openat(int fd, const char *name, int flags, mode_t mode);
int __wrap_openat(int fd, const char *name, int flags, mode_t mode)
{
    return refused((flags & O_CREAT) != 0 ? "openat new" : "openat") ? -1 : __real_openat(fd, name, flags, mode);
}

int __real_open(const char *name, int flags, mode_t mode);
int __wrap_open(const char *name, int flags, mode_t mode);
int __wrap_open(const char *name, int flags, mode_t mode)
{
    return refused("open") ? -1 : __real_open(name, flags, mode);
}

int __real_fcntl(int fd, int command, ...);
int __wrap_fcntl(int fd, int command, ...);
int __wrap_fcntl(int fd, int command, ...)
{
    va_list rest;
    va_start(rest, command);
    void *argument = va_arg(rest, void *); /* all that the library asks for have one */
    va_end(rest);
    return refused("fcntl") ? -1 : __real_fcntl(fd, command, argument);
}

int __real_ioctl(int fd, unsigned long command, ...);
int __wrap_ioctl(int fd, unsigned long command, ...);
int __wrap_ioctl(int fd, unsigned long command, ...)
{
    va_list rest;
    va_start(rest, command);
    void *argument = va_arg(rest, void *);
    va_end(rest);
    return refused("ioctl") ? -1 : __real_ioctl(fd, command, argument);
}

int __real_clock_nanosleep(clockid_t clock, int flags, const struct timespec *wanted, struct timespec *left);
int __wrap_clock_nanosleep(clockid_t clock, int flags, const struct timespec *wanted, struct timespec *left);
int __wrap_clock_nanosleep(clockid_t clock, int flags, const struct timespec *wanted, struct timespec *left)
{
    if (refused("clock_nanosleep")) {
        *left = *wanted;
        return refused_error;
    }
    return __real_clock_nanosleep(clock, flags, wanted, left);
}

/* ---- the calls of the seam ---- */

static const bp_io *io;
static bp_dir *dir;
static bp_file *file;
static char text[64];

static int setup(void **state)
{
    (void)state;
    bp_dir *below = NULL;
    io = bp_io_posix();
    refused_call = NULL;
    assert_int_equal(io->dir_open(io->context, "folder", true, &dir), 0);
    assert_int_equal(io->file_open(io->context, dir, "file", BP_OPEN_WRITE | BP_OPEN_CREATE, &file), 0);
    assert_int_equal(io->file_write(io->context, file, 0, "content", 7), 0);
    assert_int_equal(io->dir_open_at(io->context, dir, "below", true, &below), 0);
    io->dir_close(io->context, below);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    refused_call = NULL;
    io->file_close(io->context, file);
    (void)io->dir_remove(io->context, dir, "new");
    io->dir_close(io->context, dir);
    return 0;
}

static int call_open(void)
{
    bp_file *other = NULL;
    int result = io->file_open(io->context, dir, "file", BP_OPEN_READ, &other);
    assert_true((other == NULL) == (result != 0));
    io->file_close(io->context, other);
    return result;
}

static int call_create(void)
{
    bp_file *other = NULL;
    int result = io->file_open(io->context, dir, "new", BP_OPEN_WRITE | BP_OPEN_CREATE, &other);
    assert_true((other == NULL) == (result != 0));
    io->file_close(io->context, other);
    assert_true(result == 0 || io->dir_remove(io->context, dir, "new") == ENOENT);
    (void)io->dir_remove(io->context, dir, "new");
    return result;
}

static int call_open_at(void)
{
    bp_dir *below = NULL;
    int result = io->dir_open_at(io->context, dir, "below", false, &below);
    assert_true((below == NULL) == (result != 0));
    io->dir_close(io->context, below);
    return result;
}

static int see(void *argument, const char *name, bool is_directory, uint64_t size)
{
    (void)name;
    (void)is_directory;
    (void)size;
    ++*(unsigned *)argument;
    return 0;
}

static int call_list(void)
{
    unsigned count = 0;
    int result = io->dir_list(io->context, dir, see, &count);
    assert_true(result != 0 || count == 2);
    return result;
}

static int call_place(void)
{
    bp_io_place place;
    return io->dir_place(io->context, dir, &place);
}

static int call_dir_sync(void)
{
    return io->dir_sync(io->context, dir);
}

static int call_size(void)
{
    uint64_t size = 0;
    int result = io->file_size(io->context, file, &size);
    assert_true(result != 0 || size >= 7);
    return result;
}

static int call_read(void)
{
    size_t got = 0;
    memset(text, 0, sizeof text);
    int result = io->file_read(io->context, file, 0, text, 7, &got);
    assert_true(result != 0 || (got == 7 && memcmp(text, "content", 7) == 0));
    return result;
}

static int call_write(void)
{
    return io->file_write(io->context, file, 7, "more", 4);
}

static int call_sync_data(void)
{
    return io->file_sync(io->context, file, BP_SYNC_DATA);
}

static int call_sync_all(void)
{
    return io->file_sync(io->context, file, BP_SYNC_ALL);
}

static int call_allocate(void)
{
    return io->file_allocate(io->context, file, 200000);
}

static int call_map(void)
{
    void *address = NULL;
    int result = io->map_open(io->context, file, 4096, false, &address);
    assert_true((address == NULL) == (result != 0));
    io->map_close(io->context, file, address, 4096);
    return result;
}

static int call_map_large(void)
{
    void *address = NULL;
    size_t size = (size_t)4 << 20;
    int result = io->map_open(io->context, file, size, true, &address);
    assert_true((address == NULL) == (result != 0));
    io->map_close(io->context, file, address, size);
    return result;
}

static int call_clone(void)
{
    bp_file *other = NULL;
    assert_int_equal(io->file_open(io->context, dir, "new", BP_OPEN_WRITE | BP_OPEN_CREATE, &other), 0);
    int result = io->file_clone(io->context, file, other);
    io->file_close(io->context, other);
    return result == EOPNOTSUPP || result == ENOTTY || result == EXDEV ? 0 : result; /* most filesystems cannot */
}

static int call_links(void)
{
    uint64_t count = 0;
    int result = io->file_links(io->context, file, &count);
    assert_true(result != 0 || count == 1);
    return result;
}

static int call_within(void)
{
    bool within = true;
    bp_dir *below = NULL;
    assert_int_equal(io->dir_open(io->context, "folder/below", false, &below), 0);
    int result = io->dir_is_within(io->context, below, dir, &within);
    io->dir_close(io->context, below);
    assert_int_equal(within, result == 0);
    return result;
}

static int call_path(void)
{
    char path[4096];
    int result = io->dir_path(io->context, dir, path, sizeof path);
    assert_true(result == 0 ? path[0] == '/' : path[0] == '\0');
    return result;
}

static int call_lock(void)
{
    uint64_t holder = 0;
    return io->file_lock(io->context, file, &holder);
}

static int call_random(void)
{
    return bp_random_system()->fill(NULL, text, sizeof text);
}

static int call_sleep(void)
{
    bp_clock_system()->sleep_ns(NULL, 1000);
    return 0;
}

static int call_signal(void)
{
    int descriptor = -1;
    int result = bpi_signal_open(&descriptor);
    if (result == 0) {
        uint64_t count = 0;
        bpi_signal_set(descriptor);
        bpi_signal_clear(descriptor);
        assert_int_equal(__real_read(descriptor, &count, sizeof count), -1); /* cleared */
        bpi_signal_set(descriptor);
        assert_int_equal(__real_read(descriptor, &count, sizeof count), sizeof count);
        bpi_signal_close(descriptor);
    }
    return result;
}

/* ---- refusing ---- */

typedef struct refusal {
    int (*call)(void);
    const char *what;
    unsigned after; /* so many calls of that function come first */
} refusal;

static void an_error_is_handed_up_and_the_next_call_works(void **state)
{
    (void)state;
    static const refusal all[] = {
        {call_open, "openat", 0},       {call_open, "fstat", 0},
        {call_create, "openat new", 0}, {call_create, "fchmod", 0},
        {call_open_at, "openat", 0},    {call_list, "openat", 0},
        {call_list, "fdopendir", 0},    {call_list, "readdir", 0},
        {call_list, "readdir", 2},      {call_list, "fstatat", 0},
        {call_place, "statx", 0},       {call_dir_sync, "fsync", 0},
        {call_size, "fstat", 0},        {call_read, "pread", 0},
        {call_write, "pwrite", 0},      {call_sync_data, "fdatasync", 0},
        {call_sync_all, "fsync", 0},    {call_allocate, "fallocate", 0},
        {call_map, "mmap", 0},          {call_map_large, "mmap", 0},
        {call_map_large, "mmap", 1},    {call_clone, "ioctl", 0},
        {call_links, "fstat", 0},       {call_within, "fstat", 0},
        {call_within, "fstat", 1},      {call_within, "fstat", 2},
        {call_within, "openat", 0},     {call_within, "openat", 1},
        {call_path, "readlink", 0},     {call_lock, "fcntl", 0},
        {call_random, "getrandom", 0},  {call_signal, "eventfd", 0},
    };
    static const int errors[] = {EIO, EACCES, ENOMEM};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        for (size_t e = 0; e < sizeof errors / sizeof *errors; e++) {
            if (all[i].call == call_within && all[i].after == 0 && strcmp(all[i].what, "openat") == 0) {
                refuse("openat", errors[e], 1, 1); /* the first opens the directory to be asked about */
            } else {
                refuse(all[i].what, errors[e], all[i].after, 1);
            }
            int want = all[i].call == call_lock && errors[e] == EACCES ? EAGAIN : errors[e]; /* both mean: it is held */
            int got = all[i].call();
            if (got != want) {
                fail_msg("%s after %u: %d instead of %d", all[i].what, all[i].after, got, want);
            }
            allow();
            if (all[i].call != call_lock || e == 2) {
                assert_int_equal(all[i].call(), 0);
            }
        }
    }
}

static void interrupted_calls_are_made_again(void **state)
{
    (void)state;
    static const refusal all[] = {
        {call_list, "openat", 0},
        {call_open, "openat", 0},
        {call_create, "openat new", 0},
        {call_open_at, "openat", 0},
        {call_dir_sync, "fsync", 0},
        {call_read, "pread", 0},
        {call_write, "pwrite", 0},
        {call_sync_data, "fdatasync", 0},
        {call_sync_all, "fsync", 0},
        {call_allocate, "fallocate", 0},
        {call_clone, "ioctl", 0},
        {call_random, "getrandom", 0},
        {call_sleep, "clock_nanosleep", 0},
        {call_signal, "write", 0},
        {call_signal, "read", 0},
        {call_lock, "fcntl", 0},
        {call_place, "open", 0},
        {call_place, "read", 0},
    };
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        refuse(all[i].what, EINTR, 0, 3);
        int got = all[i].call();
        if (got != 0 || refused_times != 0) {
            fail_msg("%s: %d, %u interruptions are left", all[i].what, got, refused_times);
        }
        allow();
    }
}

/* Where space cannot be reserved, zeros are written. */
static void what_cannot_be_reserved_is_written(void **state)
{
    (void)state;
    static const int errors[] = {EOPNOTSUPP, ENOSYS};
    uint64_t size = 0;
    for (size_t i = 0; i < 2; i++) {
        uint64_t wanted = 100000 + i * 100000;
        refuse("fallocate", errors[i], 0, 1);
        assert_int_equal(io->file_allocate(io->context, file, wanted), 0);
        allow();
        assert_int_equal(io->file_size(io->context, file, &size), 0);
        assert_int_equal(size, wanted);
    }
    assert_int_equal(call_read(), 0); /* and what was there stays */
    refuse("fallocate", ENOSYS, 0, 1);
    assert_int_equal(io->file_allocate(io->context, file, 10), 0); /* it is longer already */
    allow();
    refuse("fstatvfs", EIO, 0, 1); /* how much is free is asked to be sure, no more */
    assert_int_equal(io->file_allocate(io->context, file, size + 4096), 0);
    allow();
}

/* A directory entry that goes while the directory is listed is no error. */
static void what_is_removed_while_it_is_listed_is_left_out(void **state)
{
    (void)state;
    unsigned count = 0;
    refuse("fstatat", ENOENT, 0, 1);
    assert_int_equal(io->dir_list(io->context, dir, see, &count), 0);
    allow();
    assert_int_equal(count, 1);
}

/* A system that does not tell which boot this is gives zeros, which match nothing. One that could not be asked says so. */
static void without_the_boots_number_nothing_matches(void **state)
{
    (void)state;
    static const uint8_t none[16];
    bp_io_place place;
    refuse("open", EACCES, 0, 1);
    assert_int_equal(io->dir_place(io->context, dir, &place), 0);
    allow();
    assert_memory_equal(place.boot, none, sizeof none);
    refuse("open", EMFILE, 0, 1);
    assert_int_equal(io->dir_place(io->context, dir, &place), EMFILE);
    allow();
    refuse("read", EIO, 0, 1);
    assert_int_equal(io->dir_place(io->context, dir, &place), EIO);
    allow();
    assert_int_equal(io->dir_place(io->context, dir, &place), 0);
    assert_memory_not_equal(place.boot, none, sizeof none);
}

/* A name that others make and remove all the time is tried so often, and no more. */
static void a_name_that_comes_and_goes_ends(void **state)
{
    (void)state;
    bp_file *other = NULL;
    refuse("openat new", EEXIST, 0, 1000);
    assert_int_equal(io->file_open(io->context, dir, "new", BP_OPEN_WRITE | BP_OPEN_CREATE, &other), EEXIST);
    assert_true(refused_count > 1 && refused_count < 100);
    assert_null(other);
    allow();
}

/* The lock's file is opened once more where no fork can be; without /proc it is locked as it is. */
static void a_lock_needs_neither_proc_nor_a_pid(void **state)
{
    (void)state;
    refuse("open", ENOENT, 0, 1);
    assert_int_equal(call_lock(), 0);
    allow();
    bp_file *other = NULL;
    uint64_t holder = 1;
    assert_int_equal(io->file_open(io->context, dir, "file", BP_OPEN_WRITE, &other), 0);
    refuse("pread", EIO, 0, 1);
    assert_int_equal(io->file_lock(io->context, other, &holder), EAGAIN);
    allow();
    assert_int_equal(holder, 0);
    assert_int_equal(io->file_lock(io->context, other, &holder), EAGAIN);
    assert_int_equal(holder, (uint64_t)getpid());
    io->file_close(io->context, other);
}

static void a_path_longer_than_its_room_is_refused(void **state)
{
    (void)state;
    char path[4] = "abc";
    assert_int_equal(io->dir_path(io->context, dir, path, 0), ENAMETOOLONG);
    assert_int_equal(io->dir_path(io->context, dir, path, sizeof path), ENAMETOOLONG);
    assert_string_equal(path, "");
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(an_error_is_handed_up_and_the_next_call_works),
        CASE(interrupted_calls_are_made_again),
        CASE(what_cannot_be_reserved_is_written),
        CASE(what_is_removed_while_it_is_listed_is_left_out),
        CASE(without_the_boots_number_nothing_matches),
        CASE(a_name_that_comes_and_goes_ends),
        CASE(a_lock_needs_neither_proc_nor_a_pid),
        CASE(a_path_longer_than_its_room_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
