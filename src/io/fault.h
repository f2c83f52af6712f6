/*
 * fault.h: the fault implementation of bp_io over a world in memory (tests only; not installed).
 *
 * The declared fault model: what may happen, and what the store makes of it. S: it survives, everything acknowledged is
 * kept and nothing is said but what was cut. D: it detects it, a typed error, never a wrong answer. O: outside.
 *
 *   unsynced data   each 512-byte sector of a file written since its last sync is lost or kept, in any of its versions,
 *                   whatever becomes of others: so a write is torn at any sector, writes are reordered within a file
 *                   and between files, a growth is lost or reads as zeros                                      S
 *                   a sector torn in its middle, or with bytes nobody wrote                                    D, but for
 *                                               the unvouched end of the log, where it is a tear like others (S)
 *   unsynced names  each created, renamed or removed name is lost or kept, in any order                        S
 *   syncs           fail (EIO, ENOSPC), once or for good; and forget what they covered                         S, the store
 *                                               stops acknowledging until it is recovered or reopened
 *                   of a directory, and the process dies before it took back  O: the next process finds a name like any
 *                   what it had made                                          other, and no sync covers it once more
 *                   of the directory above a store that is being made         O for who makes it there again
 *                   lie: return 0 and do nothing                                  O while the power stays on; D afterwards
 *                                               where a frontier or the manifest vouches for what is gone
 *   reads           fail, are short where they should not be                                                   D
 *                   with a flipped bit                          D (the unvouched end of the log: cut, and kept in .torn)
 *   writes          fail (ENOSPC, EIO), with nothing or half of it done                                        S
 *                   short or interrupted (EINTR) without a failure: bp_io goes on by itself (io.h), so the store never
 *                                               sees it; src/io/posix_file.c is where, tests/io/test_posix.c shows it
 *   memory          the nth allocation gives nothing, once or from then on                  S, BP_ERR_NO_MEMORY
 *   time            the wall clock steps back, forward, stands still                        S, the HLC still increases
 *                   the steady clock steps back                                             O
 *   processes       die at any step (what they wrote and stored is kept; locks vanish)      S
 *
 * How it is made to happen. Every operation that changes something, or that could fail, is a numbered *step*: dir_sync,
 * dir_rename, dir_remove, file_open that creates, dir_open that creates, file_link, file_clone, file_write, file_sync, file_allocate, map_store
 * (stores are steps of their own, so that a crash can fall between two), and, counted apart as *calls*, all the reading
 * ones: dir_open, dir_open_at, dir_list, dir_place, file_open that does not create, file_size, file_read, map_open and
 * file_lock, file_links and dir_is_within.
 *   - A plan fails a step (ERROR, HALF of a write, SYNC_DROPS) or crashes at it: that step and all behind it fail with
 *     ESHUTDOWN and change nothing more; then bpi_fault_power_cut or bpi_fault_process_kill makes the world that a
 *     restart finds. At any other step HALF and SYNC_DROPS are ERROR. A map_store has nobody to tell an error: only
 *     CRASH stops it.
 *   - A watcher is shown each step before and after it, and may copy the world there: a recording of one run gives the
 *     worlds of a crash at every step.
 *   - A power cut asks a choice function, directory by directory, the upper ones first: the changes of its names in order,
 *     then its files by name; of a file its size, then its sectors. What is no longer reachable, or lies in a growth that was
 *     lost, offers no choice. Of a sector that was written often the synced version, the first, the last and up to three before
 *     the last can be chosen. A surviving change of a name is applied by its meaning, whatever became of those before it;
 *     a node has one name in a directory, but a file may have names in several. Writing what is there already changes nothing and offers no choice.
 *   - After SYNC_DROPS the sectors it covered count as clean, although they never reach the disk.
 *   - Boot identity changes at a power cut (dir_place), not at a process kill. Locks vanish at both.
 *   - Making a directory is a step too, and a name in its parent: until the parent is synced a power cut may take it
 *     back with all that is in it. The root, "", is there always; so a store's own directory needs a sync of the one
 *     above it.
 *   - Stores that go past map_store are no steps. They are sectors like others (a power cut may take them back) in
 *     mappings of up to 64 KiB; beyond, a copy or a crash does not see them.
 *   - A restart (cut or kill) sets no plan and no watcher; the counters go on.
 *   - Allocations fail through fault_memory.h; clocks are set by the tests' own (tests/support/world.h).
 */
#ifndef BPI_IO_FAULT_H
#define BPI_IO_FAULT_H

#include <batpak/io.h>

typedef struct bpi_fault bpi_fault;

/* Chooses among `options` (>= 2) possibilities; 0 = the synced state (lost), options-1 = the latest (kept). */
typedef unsigned (*bpi_fault_choice_fn)(void *argument, unsigned options);

typedef enum bpi_fault_kind {
    BPI_FAULT_NONE,
    BPI_FAULT_ERROR,      /* step fails with os_error */
    BPI_FAULT_HALF,       /* a write of which half is done, then os_error */
    BPI_FAULT_SYNC_DROPS, /* a sync that fails and forgets what was dirty */
    BPI_FAULT_CRASH       /* this step and all after it: ESHUTDOWN, nothing happens */
} bpi_fault_kind;

typedef struct bpi_fault_plan {
    bpi_fault_kind kind;
    uint64_t step;   /* the number of the step concerned, from 1; 0 = never */
    bool persistent; /* from that step on */
    int os_error;
    bool sync_lies;
    uint64_t read_call;  /* the number of the reading call concerned; 0 = never. Without os_error it is short: half */
    bool read_flips_bit; /* instead of failing with os_error, flip one bit in what it returns */
} bpi_fault_plan;

bpi_fault *bpi_fault_new(void); /* an empty world */
void bpi_fault_free(bpi_fault *fault);
const bp_io *bpi_fault_io(bpi_fault *fault);

/* Sets the plan and restarts both counters at 0. */
void bpi_fault_set_plan(bpi_fault *fault, const bpi_fault_plan *plan);
/* A step as a watcher sees it. */
typedef struct bpi_fault_step {
    uint64_t number;
    const char *what; /* "write", "sync", "store", ... */
    const char *name; /* of what is made, renamed or removed; else NULL */
    uint64_t offset;  /* of a write or store */
    uint64_t size;
    bool done; /* it is behind us, whatever became of it; else it has not begun */
} bpi_fault_step;

/*
 * Called by the thread that takes the step, without the world's mutex: it may look at the world, copy it and use it; steps
 * that it takes itself are shown too. For one thread at a time. NULL: nobody watches.
 */
typedef void (*bpi_fault_watch_fn)(void *argument, const bpi_fault_step *step);
void bpi_fault_watch(bpi_fault *fault, bpi_fault_watch_fn watch, void *argument);

uint64_t bpi_fault_steps(const bpi_fault *fault); /* steps since set_plan */
uint64_t bpi_fault_reads(const bpi_fault *fault);
bool bpi_fault_crashed(const bpi_fault *fault);

/* After a crash (all handles of the dead process are abandoned; they may still be closed without effect): the world
 * that the next start finds. Number of independent choices that were offered is returned, so that all subsets can be
 * enumerated by a choice function that counts in binary. */
uint64_t bpi_fault_power_cut(bpi_fault *fault, bpi_fault_choice_fn choice, void *argument);
void bpi_fault_process_kill(bpi_fault *fault);

/* A deep copy of the durable and current state, for trying many continuations; handles are not copied. */
bpi_fault *bpi_fault_clone(const bpi_fault *fault);

/* Looking at and changing the world directly (also for byte-flip tests): content of "dir/name" paths, from the root.
 * 0 or errno. The visitor must not call anything of this world; non-zero stops it and is returned. */
typedef int (*bpi_fault_file_fn)(void *argument, const char *path, const uint8_t *data, uint64_t size);
int bpi_fault_each_file(bpi_fault *fault, bpi_fault_file_fn visit, void *argument);
int bpi_fault_read_file(bpi_fault *fault, const char *path, uint8_t **data_out, uint64_t *size_out); /* malloc'd */
int bpi_fault_write_file(bpi_fault *fault, const char *path, const uint8_t *data, uint64_t size); /* synced at once */
/* How many sectors of a file, or changed names of a directory, a power cut may take back. */
uint64_t bpi_fault_unsynced(bpi_fault *fault, const char *path);
/* How many sectors of a file of which it may take back something below `end`. */
uint64_t bpi_fault_unsynced_below(bpi_fault *fault, const char *path, uint64_t end);
int bpi_fault_remove_file(bpi_fault *fault, const char *path);

#endif
