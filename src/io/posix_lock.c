/*
 * posix_lock.c: the writer lock, and what a fork does to it.
 *
 * The lock is an OFD lock: it belongs to the open file description, conflicts with every other one (in this process
 * too), and ends with the last descriptor that refers to it. A forked child inherits such a descriptor and would keep
 * the lock alive after its parent's death, so the child closes it first of all.
 *
 * Holds: every file that is or may become locked is in `locks`, guarded by `locks_mutex`; a fork takes the mutex
 * first, so that the child finds the list whole. What is locked is a description that was opened under that mutex, so
 * no child has inherited it unlisted. In the child the descriptor is -1 from then on, and closing the handle closes
 * nothing.
 */
#include "io/lock.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/compiler.h"
#include "io/posix.h"

static pthread_mutex_t locks_mutex = PTHREAD_MUTEX_INITIALIZER;
static bpi_posix_file *locks;

/* 0 until the fork handlers are registered; only ever changed by that and by a fork, in the child. */
static _Atomic uint64_t generation;
static pthread_once_t register_once = PTHREAD_ONCE_INIT;
static int register_result;

static void before_fork(void)
{
    (void)pthread_mutex_lock(&locks_mutex);
}

static void after_fork_parent(void)
{
    (void)pthread_mutex_unlock(&locks_mutex);
}

static void after_fork_child(void)
{
    for (bpi_posix_file *file = locks; file != NULL; file = file->lock_next) {
        (void)close(file->fd);
        file->fd = -1;
        file->listed = false;
        file->held = false;
    }
    locks = NULL;
    atomic_fetch_add_explicit(&generation, 1, memory_order_relaxed);
    (void)pthread_mutex_unlock(&locks_mutex);
}

static void register_handlers(void)
{
    register_result = pthread_atfork(before_fork, after_fork_parent, after_fork_child);
    atomic_store_explicit(&generation, 1, memory_order_release);
}

uint64_t bpi_fork_generation(void)
{
    uint64_t now = atomic_load_explicit(&generation, memory_order_acquire);
    if (BPI_UNLIKELY(now == 0)) {
        (void)pthread_once(&register_once, register_handlers);
        now = atomic_load_explicit(&generation, memory_order_acquire);
    }
    return now;
}

/* A fork between opening the file and locking it leaves the description in a child that knows nothing of it. So the
 * file is opened once more, where no fork can be; without /proc that small window stays. */
static void renew_descriptor(bpi_posix_file *file)
{
    char path[64];
    (void)snprintf(path, sizeof(path), "/proc/self/fd/%d", file->fd);
    int fd = open(path, (file->writable ? O_RDWR : O_RDONLY) | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    if (fd >= 0) {
        (void)close(file->fd);
        file->fd = fd;
    }
}

static void list_add(bpi_posix_file *file)
{
    (void)pthread_mutex_lock(&locks_mutex);
    renew_descriptor(file);
    file->listed = true;
    file->lock_previous = NULL;
    file->lock_next = locks;
    if (locks != NULL) {
        locks->lock_previous = file;
    }
    locks = file;
    (void)pthread_mutex_unlock(&locks_mutex);
}

/* Closes while the mutex is held: a fork in between would hand the child a descriptor that no list names. */
void bpi_posix_lock_close(bpi_posix_file *file)
{
    (void)pthread_mutex_lock(&locks_mutex);
    if (file->lock_previous != NULL) {
        file->lock_previous->lock_next = file->lock_next;
    } else {
        locks = file->lock_next;
    }
    if (file->lock_next != NULL) {
        file->lock_next->lock_previous = file->lock_previous;
    }
    if (file->held) {
        /* A child that was forked a moment ago may have the description until it has closed its own descriptor: the lock
         * itself is let go, so that nobody waits for that. */
        struct flock lock = {.l_type = F_UNLCK, .l_whence = SEEK_SET, .l_start = 0, .l_len = 0, .l_pid = 0};
        (void)fcntl(file->fd, F_OFD_SETLK, &lock);
    }
    (void)close(file->fd);
    file->fd = -1;
    file->listed = false;
    file->held = false;
    (void)pthread_mutex_unlock(&locks_mutex);
}

/* The pid is for a person to read; a lock whose file cannot be written is a lock all the same. */
static void write_holder(bp_file *file)
{
    char text[32];
    int length = snprintf(text, sizeof(text), "%ld\n", (long)getpid());
    if (bpi_posix_file_write(NULL, file, 0, text, (size_t)length) == 0) {
        int ignored = ftruncate(bpi_posix_file_of(file)->fd, length);
        (void)ignored;
    }
}

static uint64_t read_holder(bp_file *file)
{
    char text[32];
    size_t got = 0;
    uint64_t holder = 0;
    if (bpi_posix_file_read(NULL, file, 0, text, sizeof(text), &got) != 0) {
        return 0;
    }
    for (size_t index = 0; index < got && text[index] >= '0' && text[index] <= '9' && index < 18; index++) {
        holder = holder * 10 + (uint64_t)(text[index] - '0');
    }
    return holder;
}

int bpi_posix_file_lock(void *context, bp_file *handle, uint64_t *holder_out)
{
    (void)context;
    bpi_posix_file *file = bpi_posix_file_of(handle);
    *holder_out = 0;
    (void)bpi_fork_generation();
    if (register_result != 0) {
        return register_result;
    }
    if (file->held) {
        return 0;
    }
    if (!file->listed) {
        list_add(file);
    }
    struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = 0, .l_len = 0, .l_pid = 0};
    int result;
    do {
        result = fcntl(file->fd, F_OFD_SETLK, &lock) == 0 ? 0 : errno;
    } while (result == EINTR);
    if (result == 0) {
        file->held = true;
        write_holder(handle);
        return 0;
    }
    if (result == EACCES || result == EAGAIN) {
        *holder_out = read_holder(handle);
        return EAGAIN;
    }
    return result;
}
