/*
 * io.h: the one seam between batpak and the world, as tables of functions that a caller may replace.
 *
 * bp_io      files, directories, locks, mappings and syncs
 * bp_clock   wall time, steady time, sleeping
 * bp_random  random bytes
 * bp_allocator, bp_log_hook
 *
 * Every table starts with its size and a context that is passed first. Functions of bp_io return 0 or a positive
 * errno. A table must outlive every store that was opened with it. All functions may be called from any thread,
 * several at a time, except that one file's close comes after all else with it.
 *
 * The fault model that the store is built against (and that bp_io_fault makes happen) is this: until a sync of a
 * file returns 0, any subset of its written 512-byte sectors may be lost by a crash of the machine, in any order;
 * until a sync of a directory returns 0, any subset of its created, renamed and removed names may be lost. A crash
 * of the process loses nothing that was written or stored into a mapping. A sync that failed may have lost
 * anything that it covered, whatever later syncs return.
 */
#ifndef BATPAK_IO_H
#define BATPAK_IO_H

#include <batpak/status.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct bp_dir bp_dir;   /* an open directory; the implementation's own */
typedef struct bp_file bp_file; /* an open file; the implementation's own */

enum {
    BP_OPEN_READ = 0,
    BP_OPEN_WRITE = 1,    /* reading and writing */
    BP_OPEN_CREATE = 2,   /* make it when it is missing, mode 0600 */
    BP_OPEN_EXCLUSIVE = 4 /* with CREATE: EEXIST when it is there */
};

typedef enum bp_sync_mode {
    BP_SYNC_DATA = 0, /* fdatasync: bytes and what is needed to read them back */
    BP_SYNC_ALL = 1   /* fsync */
} bp_sync_mode;

/* Where a directory lives: what makes a `live` page believable. */
typedef struct bp_io_place {
    uint8_t boot[16]; /* changes whenever the machine starts */
    uint64_t mount;   /* changes whenever the filesystem is mounted, and is never used again; 0: not known */
} bp_io_place;

/* Called once a name, without "." and "..". `size` is 0 for directories. Non-zero stops the listing and is returned. */
typedef int (*bp_dir_entry_fn)(void *argument, const char *name, bool is_directory, uint64_t size);

typedef struct bp_io {
    size_t size; /* sizeof(bp_io) */
    void *context;

    /* Directories. Names never contain a slash; symbolic links are not followed below the opened path. */
    int (*dir_open)(void *context, const char *path, bool create,
                    bp_dir **dir_out); /* create: mode 0700, last part only */
    int (*dir_open_at)(void *context, bp_dir *parent, const char *name, bool create, bp_dir **dir_out);
    void (*dir_close)(void *context, bp_dir *dir);
    int (*dir_sync)(void *context, bp_dir *dir);
    int (*dir_list)(void *context, bp_dir *dir, bp_dir_entry_fn entry, void *argument);
    int (*dir_rename)(void *context, bp_dir *dir, const char *from, const char *to); /* replaces `to` */
    int (*dir_remove)(void *context, bp_dir *dir, const char *name);
    /* Zeros where the system does not tell, or ENOSYS: no `live` page is believed then. */
    int (*dir_place)(void *context, bp_dir *dir, bp_io_place *place_out);

    /* Files. Reads and writes are at an offset, go on after EINTR and short transfers; a read past the end is short. */
    int (*file_open)(void *context, bp_dir *dir, const char *name, unsigned flags, bp_file **file_out);
    void (*file_close)(void *context, bp_file *file);
    int (*file_size)(void *context, bp_file *file, uint64_t *size_out);
    int (*file_read)(void *context, bp_file *file, uint64_t offset, void *buffer, size_t size, size_t *got_out);
    int (*file_write)(void *context, bp_file *file, uint64_t offset, const void *data, size_t size);
    int (*file_sync)(void *context, bp_file *file, bp_sync_mode mode);
    /* A hint: these bytes will not change and be synced later; writing them may begin. Does not wait, promises nothing. */
    void (*file_begin_sync)(void *context, bp_file *file, uint64_t offset, uint64_t size);
    /* Makes the file at least `size` bytes long, zeros where nothing was; space is reserved (ENOSPC comes here). */
    int (*file_allocate)(void *context, bp_file *file, uint64_t size);

    /*
     * Maps [0, size) of a file, which may be longer than the file now is; the address stays while it is mapped,
     * and the part within the file reads what file_write and map_store put there, from any process.
     */
    int (*map_open)(void *context, bp_file *file, size_t size, bool writable, void **address_out);
    void (*map_close)(void *context, bp_file *file, void *address, size_t size);
    /* Copies into a writable mapping, within the file's size. The order of two stores is kept for readers. */
    void (*map_store)(void *context, bp_file *file, void *address, uint64_t offset, const void *data, size_t size);

    /*
     * Sleeping on the 32-bit word at `offset` of a mapping, between any processes that map the file. map_wait returns 0 when a
     * map_wake for one of `bits` comes or the word is not `expected`, ETIMEDOUT after timeout_ns, or for no reason.
     * A read-only mapping will do for waiting. Neither looks at the file's content otherwise.
     */
    int (*map_wait)(void *context, bp_file *file, void *address, uint64_t offset, uint32_t expected, uint32_t bits,
                    uint64_t timeout_ns);
    void (*map_wake)(void *context, bp_file *file, void *address, uint64_t offset, uint32_t bits);

    /* A mapping is all that will be used of this file until file_close: what else it takes (a descriptor) may go. NULL or
     * doing nothing will do. */
    void (*file_rest)(void *context, bp_file *file);

    /* The writer lock, kept until file_close. EAGAIN when another holds it; *holder_out is its pid or 0. */
    int (*file_lock)(void *context, bp_file *file, uint64_t *holder_out);

    /*
     * What snapshots do better with. All of it may be NULL, or missing from a table of an older size: then files are copied, and
     * what cannot be asked is not known.
     */
    /* Gives an open file a second name, in any directory; replaces nothing (EEXIST). EXDEV, EPERM, EMLINK, ENOSYS ... where it
     * cannot be. */
    int (*file_link)(void *context, bp_file *file, bp_dir *dir, const char *name);
    /* Fills the empty file `to` with the bytes of `from`, shared on the medium until one of them is changed. EOPNOTSUPP, EXDEV,
     * EINVAL, ENOSYS ... where it cannot be; `to` is empty then. */
    int (*file_clone)(void *context, bp_file *from, bp_file *to);
    /* How many names the file has. */
    int (*file_links)(void *context, bp_file *file, uint64_t *count_out);
    /* Is the one directory the other, or below it? */
    int (*dir_is_within)(void *context, bp_dir *inner, bp_dir *outer, bool *within_out);
    /* The directory's absolute path, for people and for records; ENAMETOOLONG. */
    int (*dir_path)(void *context, bp_dir *dir, char *path_out, size_t size);

    /* A hint; may be NULL or missing: of these bytes of a mapping few will be looked at, so that large pages would only make the
     * process look larger. Promises nothing. */
    void (*map_sparse)(void *context, bp_file *file, void *address, uint64_t offset, uint64_t size);

    /* A hint; may be NULL or missing: these bytes, which are zeros, will not be written soon. They stay zeros, also in mappings, and
     * the file as long as it is; the space under them may go. Promises nothing. */
    void (*file_release)(void *context, bp_file *file, uint64_t offset, uint64_t size);
    /* How far the file has its space from `offset` on: below *end_out, which is not beyond the file's end, nothing is without. NULL or
     * missing: all files have all of theirs. */
    int (*file_reserved)(void *context, bp_file *file, uint64_t offset, uint64_t *end_out);
} bp_io;

typedef struct bp_clock {
    size_t size;
    void *context;
    int64_t (*now_us)(void *context);     /* wall clock, microseconds since 1970 */
    uint64_t (*steady_ns)(void *context); /* never goes back, unrelated to the wall */
    void (*sleep_ns)(void *context, uint64_t duration_ns);
} bp_clock;

typedef struct bp_random {
    size_t size;
    void *context;
    int (*fill)(void *context, void *buffer, size_t size); /* 0 or errno */
} bp_random;

typedef struct bp_allocator {
    size_t size;
    void *context;
    void *(*allocate)(void *context, size_t size);                              /* NULL when there is none */
    void *(*resize)(void *context, void *memory, size_t old_size, size_t size); /* memory may be NULL */
    void (*release)(void *context, void *memory, size_t size);                  /* memory may be NULL */
} bp_allocator;

typedef enum bp_log_level { BP_LOG_DEBUG, BP_LOG_INFO, BP_LOG_WARN, BP_LOG_ERROR } bp_log_level;

typedef struct bp_log_field {
    const char *key;
    const char *text; /* NULL: the value is `number` */
    int64_t number;
} bp_log_field;

/*
 * What the library would like to say; it never prints. `target` is one of "flow", "recovery", "checkpoint", "cache",
 * "keeper"; `name` says what ("append", "cut", ...). The fields live during the call. It must not call the store.
 */
typedef struct bp_log_hook {
    size_t size;
    void *context;
    bp_log_level level; /* the least level that is delivered */
    void (*write)(void *context, bp_log_level level, const char *target, const char *name, const bp_log_field *fields,
                  size_t field_count);
} bp_log_hook;

/* The tables used when none is given: this machine. Never NULL, valid for ever. */
BP_API const bp_io *bp_io_posix(void);
BP_API const bp_clock *bp_clock_system(void);
BP_API const bp_random *bp_random_system(void);
BP_API const bp_allocator *bp_allocator_system(void);

/*
 * A world in memory: files, directories, mappings and locks that live until it is freed, for tests and for stores
 * that need no disk. Paths are plain strings. Thread-safe. NULL when there is no memory.
 */
BP_API bp_io *bp_io_memory_new(void);
BP_API void bp_io_memory_free(bp_io *io);

#ifdef __cplusplus
}
#endif

#endif
