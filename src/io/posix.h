/*
 * posix.h: what the files of the POSIX implementation of bp_io share: its handles, and its functions by table entry.
 */
#ifndef BPI_IO_POSIX_H
#define BPI_IO_POSIX_H

#include <batpak/io.h>

typedef struct bpi_posix_dir {
    int fd;
} bpi_posix_dir;

typedef struct bpi_posix_file {
    int fd; /* -1: a lock's descriptor that a fork has closed */
    bool writable;
    bool listed; /* in the list of what a forked child closes */
    bool held;   /* has the lock */
    struct bpi_posix_file *lock_previous;
    struct bpi_posix_file *lock_next;
} bpi_posix_file;

/* The handles of the public table are these. */
static inline bpi_posix_dir *bpi_posix_dir_of(bp_dir *dir)
{
    return (bpi_posix_dir *)dir;
}

static inline bpi_posix_file *bpi_posix_file_of(bp_file *file)
{
    return (bpi_posix_file *)file;
}

/* One part of a path: not empty, no slash, not "." or "..". */
bool bpi_posix_name_is_plain(const char *name);

int bpi_posix_dir_open(void *context, const char *path, bool create, bp_dir **dir_out);
int bpi_posix_dir_open_at(void *context, bp_dir *parent, const char *name, bool create, bp_dir **dir_out);
void bpi_posix_dir_close(void *context, bp_dir *dir);
int bpi_posix_dir_sync(void *context, bp_dir *dir);
int bpi_posix_dir_list(void *context, bp_dir *dir, bp_dir_entry_fn entry, void *argument);
int bpi_posix_dir_rename(void *context, bp_dir *dir, const char *from, const char *to);
int bpi_posix_dir_remove(void *context, bp_dir *dir, const char *name);
int bpi_posix_dir_place(void *context, bp_dir *dir, bp_io_place *place_out);

int bpi_posix_file_open(void *context, bp_dir *dir, const char *name, unsigned flags, bp_file **file_out);
void bpi_posix_file_close(void *context, bp_file *handle);
int bpi_posix_file_size(void *context, bp_file *file, uint64_t *size_out);
int bpi_posix_file_read(void *context, bp_file *file, uint64_t offset, void *buffer, size_t size, size_t *got_out);
int bpi_posix_file_write(void *context, bp_file *file, uint64_t offset, const void *data, size_t size);
int bpi_posix_file_sync(void *context, bp_file *file, bp_sync_mode mode);
void bpi_posix_file_begin_sync(void *context, bp_file *file, uint64_t offset, uint64_t size);
int bpi_posix_file_allocate(void *context, bp_file *file, uint64_t size);
void bpi_posix_file_release(void *context, bp_file *file, uint64_t offset, uint64_t size);
int bpi_posix_file_reserved(void *context, bp_file *file, uint64_t offset, uint64_t *end_out);

int bpi_posix_map_open(void *context, bp_file *file, size_t size, bool writable, void **address_out);
void bpi_posix_map_close(void *context, bp_file *file, void *address, size_t size);
void bpi_posix_map_sparse(void *context, bp_file *file, void *address, uint64_t offset, uint64_t size);
void bpi_posix_map_store(void *context, bp_file *file, void *address, uint64_t offset, const void *data, size_t size);

/* Good for every mapping in memory: the other worlds use them too. */
int bpi_posix_map_wait(void *context, bp_file *file, void *address, uint64_t offset, uint32_t expected, uint32_t bits,
                       uint64_t timeout_ns);
void bpi_posix_map_wake(void *context, bp_file *file, void *address, uint64_t offset, uint32_t bits);

int bpi_posix_file_link(void *context, bp_file *file, bp_dir *dir, const char *name);
int bpi_posix_file_clone(void *context, bp_file *from, bp_file *to);
int bpi_posix_file_links(void *context, bp_file *file, uint64_t *count_out);
int bpi_posix_dir_is_within(void *context, bp_dir *inner, bp_dir *outer, bool *within_out);
int bpi_posix_dir_path(void *context, bp_dir *dir, char *path_out, size_t size);

void bpi_posix_file_rest(void *context, bp_file *handle);

int bpi_posix_file_lock(void *context, bp_file *handle, uint64_t *holder_out);
/* Takes a listed file out of the list and closes its descriptor, and the lock with it. */
void bpi_posix_lock_close(bpi_posix_file *file);

#endif
