/*
 * optional.h: the functions of a bp_io that need not be there. ENOSYS: this one has none.
 */
#ifndef BPI_IO_OPTIONAL_H
#define BPI_IO_OPTIONAL_H

#include <batpak/io.h>

/* The size of a table without any of them: the least that is taken. */
#define BPI_IO_LEAST offsetof(bp_io, file_link)

int bpi_io_link(const bp_io *io, bp_file *file, bp_dir *dir, const char *name);
int bpi_io_clone(const bp_io *io, bp_file *from, bp_file *to);
int bpi_io_links(const bp_io *io, bp_file *file, uint64_t *count_out);
int bpi_io_is_within(const bp_io *io, bp_dir *inner, bp_dir *outer, bool *within_out);
int bpi_io_path(const bp_io *io, bp_dir *dir, char *path_out, size_t size);
void bpi_io_sparse(const bp_io *io, bp_file *file, void *address, uint64_t offset, uint64_t size);
void bpi_io_release(const bp_io *io, bp_file *file, uint64_t offset, uint64_t size);
/* ENOSYS: not known, so to the file's end. */
int bpi_io_reserved(const bp_io *io, bp_file *file, uint64_t offset, uint64_t *end_out);

#endif
