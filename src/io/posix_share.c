/*
 * posix_share.c: one file under two names or on the same blocks, and where a directory lies.
 *
 * Holds: what gets a second name is the very file that was opened and looked at, whatever its name leads to by now.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <linux/fs.h>

#include "io/posix.h"

enum { DESCRIPTOR_PATH_SIZE = 40, DEPTH_MAX = 4096 };

static void descriptor_path(int fd, char path_out[DESCRIPTOR_PATH_SIZE])
{
    (void)snprintf(path_out, DESCRIPTOR_PATH_SIZE, "/proc/self/fd/%d", fd);
}

int bpi_posix_file_link(void *context, bp_file *file, bp_dir *dir, const char *name)
{
    (void)context;
    char path[DESCRIPTOR_PATH_SIZE];
    if (!bpi_posix_name_is_plain(name)) {
        return EINVAL;
    }
    descriptor_path(bpi_posix_file_of(file)->fd, path);
    return linkat(AT_FDCWD, path, bpi_posix_dir_of(dir)->fd, name, AT_SYMLINK_FOLLOW) == 0 ? 0 : errno;
}

int bpi_posix_file_clone(void *context, bp_file *from, bp_file *to)
{
    (void)context;
#ifdef FICLONE
    int result;
    do {
        result = ioctl(bpi_posix_file_of(to)->fd, FICLONE, bpi_posix_file_of(from)->fd) == 0 ? 0 : errno;
    } while (result == EINTR);
    return result;
#else
    (void)from;
    (void)to;
    return ENOSYS;
#endif
}

int bpi_posix_file_links(void *context, bp_file *file, uint64_t *count_out)
{
    (void)context;
    struct stat about;
    if (fstat(bpi_posix_file_of(file)->fd, &about) != 0) {
        return errno;
    }
    *count_out = (uint64_t)about.st_nlink;
    return 0;
}

static bool same(const struct stat *a, const struct stat *b)
{
    return a->st_dev == b->st_dev && a->st_ino == b->st_ino;
}

static int open_directory(int at, const char *name, int *fd_out)
{
    do {
        *fd_out = openat(at, name, O_PATH | O_DIRECTORY | O_CLOEXEC);
    } while (*fd_out < 0 && errno == EINTR);
    return *fd_out < 0 ? errno : 0;
}

/* Up from `fd`, which is closed, to the top. */
static int climb(int fd, const struct stat *wanted, bool *within_out)
{
    struct stat at;
    struct stat above;
    int result = fstat(fd, &at) == 0 ? 0 : errno;
    for (unsigned depth = 0; result == 0 && !same(&at, wanted); depth++) {
        int up = -1;
        result = depth < DEPTH_MAX ? open_directory(fd, "..", &up) : ELOOP;
        if (result != 0) {
            break;
        }
        (void)close(fd);
        fd = up;
        result = fstat(fd, &above) == 0 ? 0 : errno;
        if (result == 0 && same(&at, &above)) {
            break; /* the top is above itself */
        }
        at = above;
    }
    *within_out = result == 0 && same(&at, wanted);
    (void)close(fd);
    return result;
}

int bpi_posix_dir_is_within(void *context, bp_dir *inner, bp_dir *outer, bool *within_out)
{
    (void)context;
    struct stat wanted;
    *within_out = false;
    if (fstat(bpi_posix_dir_of(outer)->fd, &wanted) != 0) {
        return errno;
    }
    int fd = -1;
    int result = open_directory(bpi_posix_dir_of(inner)->fd, ".", &fd);
    return result != 0 ? result : climb(fd, &wanted, within_out);
}

int bpi_posix_dir_path(void *context, bp_dir *dir, char *path_out, size_t size)
{
    (void)context;
    char path[DESCRIPTOR_PATH_SIZE];
    if (size == 0) {
        return ENAMETOOLONG;
    }
    descriptor_path(bpi_posix_dir_of(dir)->fd, path);
    ssize_t length = readlink(path, path_out, size);
    if (length < 0 || (size_t)length >= size) {
        path_out[0] = '\0';
        return length < 0 ? errno : ENAMETOOLONG;
    }
    path_out[length] = '\0';
    return 0;
}
