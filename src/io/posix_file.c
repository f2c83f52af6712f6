/*
 * posix_file.c: opening, reading, writing, syncing and reserving files.
 *
 * Holds: only regular files are opened, so that a pipe or a device put into the directory can neither block nor be
 * written to. Offsets that the system cannot express are EFBIG, not wrapped.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "io/posix.h"

enum { FILE_MODE = 0600, ZEROS_SIZE = 64 * 1024, OPEN_ATTEMPTS = 16 };

static int open_once(int parent, const char *name, int flags, int *fd_out)
{
    /* O_NONBLOCK: a pipe must not hold us up before we see that it is one; it means nothing for regular files */
    flags |= O_CLOEXEC | O_NOFOLLOW | O_NOCTTY | O_NONBLOCK;
    do {
        *fd_out = openat(parent, name, flags, FILE_MODE);
    } while (*fd_out < 0 && errno == EINTR);
    return *fd_out < 0 ? errno : 0;
}

/* Opens, or makes it with exactly our mode. Who creates is decided by O_EXCL, so that only the creator sets the mode;
 * when others create and remove the name at the same time it is tried again, but not for ever. */
static int open_descriptor(int parent, const char *name, unsigned flags, int *fd_out)
{
    int access = (flags & BP_OPEN_WRITE) != 0 ? O_RDWR : O_RDONLY;
    int result = ENOENT;
    for (unsigned attempt = 0; attempt < OPEN_ATTEMPTS; attempt++) {
        if ((flags & BP_OPEN_EXCLUSIVE) == 0) {
            result = open_once(parent, name, access, fd_out);
            if (result != ENOENT || (flags & BP_OPEN_CREATE) == 0) {
                return result;
            }
        }
        result = open_once(parent, name, access | O_CREAT | O_EXCL, fd_out);
        if (result == 0) {
            /* the umask may have taken bits away */
            if (fchmod(*fd_out, FILE_MODE) != 0) {
                result = errno;
                (void)close(*fd_out);
                (void)unlinkat(parent, name, 0);
            }
            return result;
        }
        if (result != EEXIST || (flags & BP_OPEN_EXCLUSIVE) != 0) {
            return result;
        }
    }
    return result;
}

static int check_regular(int fd)
{
    struct stat about;
    if (fstat(fd, &about) != 0) {
        return errno;
    }
    if (S_ISREG(about.st_mode)) {
        return 0;
    }
    return S_ISDIR(about.st_mode) ? EISDIR : EINVAL;
}

int bpi_posix_file_open(void *context, bp_dir *dir, const char *name, unsigned flags, bp_file **file_out)
{
    (void)context;
    *file_out = NULL;
    bool exclusive_alone = (flags & BP_OPEN_EXCLUSIVE) != 0 && (flags & BP_OPEN_CREATE) == 0;
    if (!bpi_posix_name_is_plain(name) || exclusive_alone) {
        return EINVAL;
    }
    bpi_posix_file *file = calloc(1, sizeof(*file));
    if (file == NULL) {
        return ENOMEM;
    }
    int result = open_descriptor(bpi_posix_dir_of(dir)->fd, name, flags, &file->fd);
    if (result != 0) {
        goto out;
    }
    file->writable = (flags & BP_OPEN_WRITE) != 0;
    result = check_regular(file->fd);
    if (result != 0) {
        (void)close(file->fd);
        goto out;
    }
    *file_out = (bp_file *)file;
    file = NULL;
out:
    free(file);
    return result;
}

void bpi_posix_file_close(void *context, bp_file *handle)
{
    (void)context;
    bpi_posix_file *file = bpi_posix_file_of(handle);
    if (file == NULL) {
        return;
    }
    if (file->listed) {
        bpi_posix_lock_close(file);
    } else if (file->fd >= 0) {
        (void)close(file->fd);
    }
    free(file);
}

/* A mapping needs no descriptor. */
void bpi_posix_file_rest(void *context, bp_file *handle)
{
    (void)context;
    bpi_posix_file *file = bpi_posix_file_of(handle);
    if (!file->listed && file->fd >= 0) {
        (void)close(file->fd);
        file->fd = -1;
    }
}

int bpi_posix_file_size(void *context, bp_file *file, uint64_t *size_out)
{
    (void)context;
    struct stat about;
    if (fstat(bpi_posix_file_of(file)->fd, &about) != 0) {
        return errno;
    }
    *size_out = (uint64_t)about.st_size;
    return 0;
}

static bool beyond_off_t(uint64_t offset, size_t size)
{
    return offset > INT64_MAX || size > (uint64_t)INT64_MAX - offset;
}

int bpi_posix_file_read(void *context, bp_file *file, uint64_t offset, void *buffer, size_t size, size_t *got_out)
{
    (void)context;
    int fd = bpi_posix_file_of(file)->fd;
    uint8_t *to = buffer;
    *got_out = 0;
    if (beyond_off_t(offset, size)) {
        return EFBIG;
    }
    while (*got_out < size) {
        ssize_t got = pread(fd, to + *got_out, size - *got_out, (off_t)(offset + *got_out));
        if (got == 0) {
            return 0;
        }
        if (got > 0) {
            *got_out += (size_t)got;
        } else if (errno != EINTR) {
            return errno;
        }
    }
    return 0;
}

int bpi_posix_file_write(void *context, bp_file *file, uint64_t offset, const void *data, size_t size)
{
    (void)context;
    int fd = bpi_posix_file_of(file)->fd;
    const uint8_t *from = data;
    size_t done = 0;
    if (beyond_off_t(offset, size)) {
        return EFBIG;
    }
    while (done < size) {
        ssize_t put = pwrite(fd, from + done, size - done, (off_t)(offset + done));
        if (put > 0) {
            done += (size_t)put;
        } else if (put == 0) {
            return EIO; /* a medium that takes nothing and gives no reason */
        } else if (errno != EINTR) {
            return errno;
        }
    }
    return 0;
}

int bpi_posix_file_sync(void *context, bp_file *file, bp_sync_mode mode)
{
    (void)context;
    int fd = bpi_posix_file_of(file)->fd;
    int result;
    do {
        result = (mode == BP_SYNC_DATA ? fdatasync(fd) : fsync(fd)) == 0 ? 0 : errno;
    } while (result == EINTR);
    return result;
}

void bpi_posix_file_begin_sync(void *context, bp_file *file, uint64_t offset, uint64_t size)
{
    (void)context;
#ifdef SYNC_FILE_RANGE_WRITE
    (void)sync_file_range(bpi_posix_file_of(file)->fd, (off_t)offset, (off_t)size, SYNC_FILE_RANGE_WRITE);
#else
    (void)file;
    (void)offset;
    (void)size;
#endif
}

/* For filesystems that cannot reserve: what lies behind the end is written. */
static int allocate_by_zeros(bp_file *file, uint64_t size)
{
    static const uint8_t zeros[ZEROS_SIZE];
    uint64_t at = 0;
    int result = bpi_posix_file_size(NULL, file, &at);
    while (result == 0 && at < size) {
        size_t part = size - at < ZEROS_SIZE ? (size_t)(size - at) : ZEROS_SIZE;
        result = bpi_posix_file_write(NULL, file, at, zeros, part);
        at += part;
    }
    return result;
}

/* Some filesystems hand out their very last blocks before they find that these were not enough, and keep them handed
 * out. So what can be known to fail is not tried. One that counts no blocks at all (a ramfs, a tmpfs without a limit) says nothing. */
static bool cannot_fit(int fd, uint64_t size)
{
    struct stat about;
    struct statvfs space;
    if (fstat(fd, &about) != 0 || fstatvfs(fd, &space) != 0 || space.f_frsize == 0 || space.f_blocks == 0) {
        return false;
    }
    uint64_t now = (uint64_t)about.st_size;
    return size > now && (size - now) / space.f_frsize > space.f_bfree;
}

int bpi_posix_file_allocate(void *context, bp_file *file, uint64_t size)
{
    (void)context;
    int fd = bpi_posix_file_of(file)->fd;
    int result;
    if (size == 0) {
        return 0;
    }
    if (size > INT64_MAX) {
        return EFBIG;
    }
    if (cannot_fit(fd, size)) {
        return ENOSPC;
    }
    do {
        result = fallocate(fd, 0, 0, (off_t)size) == 0 ? 0 : errno;
    } while (result == EINTR);
    if (result == EOPNOTSUPP || result == ENOSYS) {
        return allocate_by_zeros(file, size);
    }
    return result;
}

void bpi_posix_file_release(void *context, bp_file *file, uint64_t offset, uint64_t size)
{
    (void)context;
#ifdef FALLOC_FL_PUNCH_HOLE
    (void)fallocate(bpi_posix_file_of(file)->fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, (off_t)offset,
                    (off_t)size);
#else
    (void)file;
    (void)offset;
    (void)size;
#endif
}

int bpi_posix_file_reserved(void *context, bp_file *file, uint64_t offset, uint64_t *end_out)
{
    int result = bpi_posix_file_size(context, file, end_out);
#ifdef SEEK_HOLE
    if (result == 0 && offset < *end_out) {
        /* the place in the file that this moves is nobody's: all reads and writes say where */
        off_t hole = lseek(bpi_posix_file_of(file)->fd, (off_t)offset, SEEK_HOLE);
        result = hole < 0 ? errno : 0;
        *end_out = hole < 0 ? offset : (uint64_t)hole;
    }
#endif
    return result;
}
