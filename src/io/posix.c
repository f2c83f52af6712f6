/*
 * posix.c: the table of this machine: openat and friends, pread and pwrite, OFD locks, shared mappings.
 *
 * Holds, over all its files: every descriptor is close-on-exec; what is created is 0700 or 0600 whatever the umask;
 * below the directory that was opened by path no symbolic link is followed; EINTR and short transfers are never seen
 * by the caller; an error is returned as the positive errno of the call that failed.
 */
#include "io/posix.h"

static const bp_io posix = {
    .size = sizeof(bp_io),
    .context = NULL,
    .dir_open = bpi_posix_dir_open,
    .dir_open_at = bpi_posix_dir_open_at,
    .dir_close = bpi_posix_dir_close,
    .dir_sync = bpi_posix_dir_sync,
    .dir_list = bpi_posix_dir_list,
    .dir_rename = bpi_posix_dir_rename,
    .dir_remove = bpi_posix_dir_remove,
    .dir_place = bpi_posix_dir_place,
    .file_open = bpi_posix_file_open,
    .file_close = bpi_posix_file_close,
    .file_size = bpi_posix_file_size,
    .file_read = bpi_posix_file_read,
    .file_write = bpi_posix_file_write,
    .file_sync = bpi_posix_file_sync,
    .file_begin_sync = bpi_posix_file_begin_sync,
    .file_allocate = bpi_posix_file_allocate,
    .map_open = bpi_posix_map_open,
    .map_close = bpi_posix_map_close,
    .map_store = bpi_posix_map_store,
    .map_wait = bpi_posix_map_wait,
    .map_wake = bpi_posix_map_wake,
    .file_rest = bpi_posix_file_rest,
    .file_lock = bpi_posix_file_lock,
    .file_link = bpi_posix_file_link,
    .file_clone = bpi_posix_file_clone,
    .file_links = bpi_posix_file_links,
    .dir_is_within = bpi_posix_dir_is_within,
    .dir_path = bpi_posix_dir_path,
    .map_sparse = bpi_posix_map_sparse,
    .file_release = bpi_posix_file_release,
    .file_reserved = bpi_posix_file_reserved,
};

const bp_io *bp_io_posix(void)
{
    return &posix;
}
