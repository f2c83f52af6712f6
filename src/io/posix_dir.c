/*
 * posix_dir.c: directories.
 *
 * Holds: the path given to dir_open may lead through symbolic links, since the user wrote it; below it none is
 * followed. A directory is opened before anything is done in it, so renaming its parents away changes nothing.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/bytes.h"
#include "io/posix.h"

enum { DIRECTORY_MODE = 0700 };

/*
 * Since Linux 6.8: the mount's number is not used again after an unmount. Older kernels ignore the bit and give a number that the next
 * mount may have: one that lost what was not written yet would pass for the one that has it. So theirs is not known.
 */
#ifndef STATX_MNT_ID_UNIQUE
#define STATX_MNT_ID_UNIQUE 0x00004000U
#endif

bool bpi_posix_name_is_plain(const char *name)
{
    return name[0] != '\0' && strcmp(name, ".") != 0 && strcmp(name, "..") != 0 && strchr(name, '/') == NULL;
}

static int directory_open(int parent, const char *path, bool create, int more_flags, bp_dir **dir_out)
{
    *dir_out = NULL;
    bpi_posix_dir *dir = malloc(sizeof(*dir));
    if (dir == NULL) {
        return ENOMEM;
    }
    int result = 0;
    if (create) {
        if (mkdirat(parent, path, DIRECTORY_MODE) == 0) {
            /* a umask may have taken the owner's bits, then the next line could not open it */
            (void)fchmodat(parent, path, DIRECTORY_MODE, AT_SYMLINK_NOFOLLOW);
        } else if (errno != EEXIST) {
            result = errno;
            goto out;
        }
    }
    do {
        dir->fd = openat(parent, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC | more_flags);
    } while (dir->fd < 0 && errno == EINTR);
    if (dir->fd < 0) {
        result = errno;
        goto out;
    }
    *dir_out = (bp_dir *)dir;
    dir = NULL;
out:
    free(dir);
    return result;
}

int bpi_posix_dir_open(void *context, const char *path, bool create, bp_dir **dir_out)
{
    (void)context;
    return directory_open(AT_FDCWD, path, create, 0, dir_out);
}

int bpi_posix_dir_open_at(void *context, bp_dir *parent, const char *name, bool create, bp_dir **dir_out)
{
    (void)context;
    *dir_out = NULL;
    if (!bpi_posix_name_is_plain(name)) {
        return EINVAL;
    }
    return directory_open(bpi_posix_dir_of(parent)->fd, name, create, O_NOFOLLOW, dir_out);
}

void bpi_posix_dir_close(void *context, bp_dir *dir)
{
    (void)context;
    if (dir != NULL) {
        (void)close(bpi_posix_dir_of(dir)->fd);
        free(bpi_posix_dir_of(dir));
    }
}

int bpi_posix_dir_sync(void *context, bp_dir *dir)
{
    (void)context;
    int result;
    do {
        result = fsync(bpi_posix_dir_of(dir)->fd) == 0 ? 0 : errno;
    } while (result == EINTR);
    return result;
}

static int list_entries(DIR *stream, bp_dir_entry_fn entry, void *argument)
{
    for (;;) {
        errno = 0;
        const struct dirent *item = readdir(stream);
        if (item == NULL) {
            return errno;
        }
        if (strcmp(item->d_name, ".") == 0 || strcmp(item->d_name, "..") == 0) {
            continue;
        }
        struct stat about;
        if (fstatat(dirfd(stream), item->d_name, &about, AT_SYMLINK_NOFOLLOW) != 0) {
            if (errno == ENOENT) { /* removed meanwhile */
                continue;
            }
            return errno;
        }
        bool is_directory = S_ISDIR(about.st_mode);
        int result = entry(argument, item->d_name, is_directory, is_directory ? 0 : (uint64_t)about.st_size);
        if (result != 0) {
            return result;
        }
    }
}

int bpi_posix_dir_list(void *context, bp_dir *dir, bp_dir_entry_fn entry, void *argument)
{
    (void)context;
    /* a descriptor of its own: a duplicate would share the reading position with other listings */
    int fd;
    do {
        fd = openat(bpi_posix_dir_of(dir)->fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    } while (fd < 0 && errno == EINTR);
    if (fd < 0) {
        return errno;
    }
    DIR *stream = fdopendir(fd);
    if (stream == NULL) {
        int result = errno;
        (void)close(fd);
        return result;
    }
    int result = list_entries(stream, entry, argument);
    (void)closedir(stream);
    return result;
}

int bpi_posix_dir_rename(void *context, bp_dir *dir, const char *from, const char *to)
{
    (void)context;
    if (!bpi_posix_name_is_plain(from) || !bpi_posix_name_is_plain(to)) {
        return EINVAL;
    }
    int fd = bpi_posix_dir_of(dir)->fd;
    return renameat(fd, from, fd, to) == 0 ? 0 : errno;
}

int bpi_posix_dir_remove(void *context, bp_dir *dir, const char *name)
{
    (void)context;
    if (!bpi_posix_name_is_plain(name)) {
        return EINVAL;
    }
    int fd = bpi_posix_dir_of(dir)->fd;
    if (unlinkat(fd, name, 0) == 0) {
        return 0;
    }
    if (errno == EISDIR) {
        return unlinkat(fd, name, AT_REMOVEDIR) == 0 ? 0 : errno;
    }
    return errno;
}

/*
 * The kernel's number of this boot; zeros, which match nothing that is believed, where it does not tell. That it could
 * not be asked just now (no descriptor, no memory) is an error.
 */
static int boot_identity(uint8_t boot_out[16])
{
    char text[64];
    bp_id id;
    memset(boot_out, 0, 16);
    int fd;
    do {
        fd = open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC);
    } while (fd < 0 && errno == EINTR);
    if (fd < 0) {
        return errno == EMFILE || errno == ENFILE || errno == ENOMEM || errno == EIO ? errno : 0;
    }
    ssize_t got;
    do {
        got = read(fd, text, sizeof(text));
    } while (got < 0 && errno == EINTR);
    int code = got < 0 ? errno : 0;
    (void)close(fd);
    while (got > 0 && text[got - 1] == '\n') {
        got--;
    }
    if (got > 0 && bp_id_parse(text, (size_t)got, &id)) {
        memcpy(boot_out, id.bytes, 16);
    }
    return code;
}

int bpi_posix_dir_place(void *context, bp_dir *dir, bp_io_place *place_out)
{
    (void)context;
    struct statx about;
    memset(place_out, 0, sizeof(*place_out));
    memset(&about, 0, sizeof(about));
    unsigned mask = STATX_BASIC_STATS | STATX_MNT_ID | STATX_MNT_ID_UNIQUE;
    if (statx(bpi_posix_dir_of(dir)->fd, "", AT_EMPTY_PATH, mask, &about) != 0) {
        return errno;
    }
    int code = boot_identity(place_out->boot);
    uint64_t device = (uint64_t)about.stx_dev_major << 32 | about.stx_dev_minor;
    bool unique = (about.stx_mask & STATX_MNT_ID_UNIQUE) != 0;
    place_out->mount = unique ? about.stx_mnt_id ^ device * UINT64_C(0x9e3779b97f4a7c15) : 0;
    return code;
}
