/*
 * fault.h: the fault implementation of bp_io over a world in memory (tests only; not installed).
 *
 * The declared fault model. Every operation that changes something, or that could fail, is a numbered *step*:
 * dir_sync, dir_rename, dir_remove, file_open that creates, file_write, file_sync, file_allocate, map_store (each call
 * is one step; stores are steps of their own, so a crash can fall between two stores), and, counted apart as *calls*,
 * all the reading ones.
 *   - crash at step n: the step and everything after it fails with ESHUTDOWN and changes nothing more; then
 *     bpi_fault_power_cut or bpi_fault_process_kill makes the world that a restart finds.
 *   - power cut: for every file, each 512-byte sector written (or stored) since that file's last sync is kept or lost
 *     by the choice function, sector by sector in its latest version (a sector that was written twice keeps one of:
 *     the synced version, any later version - at least the first and the last must be choosable); file sizes: a
 *     growth since the last sync is kept or lost (lost sectors inside a kept growth read as zeros); names: each
 *     create, rename and remove since the directory's last sync is kept or lost, in order of a choice each.
 *   - process kill: everything written and stored is kept.
 *   - fail step n with a given errno, once or from then on; for file_write optionally after half of the bytes were
 *     written; for file_sync optionally "fsyncgate": it fails once, and the unsynced sectors covered are henceforth
 *     considered clean in memory although they never reach the disk.
 *   - a sync that lies (returns 0, does nothing) can be switched on.
 *   - reads: fail the n-th, short, or with one bit flipped.
 * Boot identity changes at a power cut (dir_place), not at a process kill. Locks vanish at both.
 *
 * What the model says beyond that:
 *   - Making a directory is a step too, and a name in its parent: until the parent is synced a power cut may take it
 *     back with all that is in it. The root, "", is there always; so a store's own directory needs a sync of the one
 *     above it.
 *   - Reading calls are dir_open, dir_open_at, dir_list, dir_place, file_open that does not create, file_size,
 *     file_read, map_open and file_lock.
 *   - HALF is half of a write and SYNC_DROPS a sync of a file or a directory; at any other step both are ERROR. A
 *     map_store has nobody to tell an error: only CRASH stops it.
 *   - Writing what is there already changes nothing and offers no choice. Of a sector that was written often the
 *     synced version, the first, the last and up to three before the last can be chosen.
 *   - A surviving change of a name is applied by its meaning, whatever became of those before it; a node has one name.
 *   - Choices are asked directory by directory, the upper ones first: the changes of its names, then its files by
 *     name; of a file its size, then its sectors. What is no longer reachable, or lies in a growth that was lost, offers none.
 *   - Stores that go past map_store are no steps. They are sectors like others (a power cut may take them back) in
 *     mappings of up to 64 KiB; beyond, a copy or a crash does not see them.
 *   - A restart (cut or kill) sets no plan; the counters go on.
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
int bpi_fault_remove_file(bpi_fault *fault, const char *path);

#endif
