/*
 * optional.c: see optional.h. Nothing beyond the size of a table is looked at.
 */
#include "io/optional.h"

#include <errno.h>

#include "base/options.h"

#define HAS(io, member) ((io)->size >= BPI_SIZE_WITH(bp_io, member) && (io)->member != NULL)

int bpi_io_link(const bp_io *io, bp_file *file, bp_dir *dir, const char *name)
{
    return HAS(io, file_link) ? io->file_link(io->context, file, dir, name) : ENOSYS;
}

int bpi_io_clone(const bp_io *io, bp_file *from, bp_file *to)
{
    return HAS(io, file_clone) ? io->file_clone(io->context, from, to) : ENOSYS;
}

int bpi_io_links(const bp_io *io, bp_file *file, uint64_t *count_out)
{
    return HAS(io, file_links) ? io->file_links(io->context, file, count_out) : ENOSYS;
}

int bpi_io_is_within(const bp_io *io, bp_dir *inner, bp_dir *outer, bool *within_out)
{
    *within_out = false;
    return HAS(io, dir_is_within) ? io->dir_is_within(io->context, inner, outer, within_out) : ENOSYS;
}

int bpi_io_path(const bp_io *io, bp_dir *dir, char *path_out, size_t size)
{
    return HAS(io, dir_path) ? io->dir_path(io->context, dir, path_out, size) : ENOSYS;
}

void bpi_io_sparse(const bp_io *io, bp_file *file, void *address, uint64_t offset, uint64_t size)
{
    if (HAS(io, map_sparse)) {
        io->map_sparse(io->context, file, address, offset, size);
    }
}

void bpi_io_release(const bp_io *io, bp_file *file, uint64_t offset, uint64_t size)
{
    if (HAS(io, file_release)) {
        io->file_release(io->context, file, offset, size);
    }
}

int bpi_io_reserved(const bp_io *io, bp_file *file, uint64_t offset, uint64_t *end_out)
{
    return HAS(io, file_reserved) ? io->file_reserved(io->context, file, offset, end_out) : ENOSYS;
}
