/*
 * world.h: where a test's store lives: in memory, in the fault world, or on disk below TMPDIR; with a clock and random
 * bytes that are the same in every run, so that equal calls give equal bytes.
 */
#ifndef BPT_WORLD_H
#define BPT_WORLD_H

#include <stdatomic.h>

#include "io/fault.h"
#include "support/check.h"

/* A clock that a test sets; each look moves it by a step. Thread-safe. */
typedef struct bpt_clock {
    bp_clock table;
    _Atomic int64_t now_us;
    _Atomic int64_t step_us;
    _Atomic uint64_t steady_ns;
} bpt_clock;

void bpt_clock_init(bpt_clock *clock);

/* Random bytes from a seed. Thread-safe. */
typedef struct bpt_entropy {
    bp_random table;
    _Atomic uint64_t state;
} bpt_entropy;

void bpt_entropy_init(bpt_entropy *entropy, uint64_t seed);

typedef struct bpt_world {
    const bp_io *io;  /* NULL: this machine */
    bp_io *memory;    /* owned */
    bpi_fault *fault; /* owned */
    bpt_clock clock;
    bpt_entropy entropy;
    bp_options options; /* small segments; inline keeper unless on disk */
    char path[512];     /* of the store */
    char root[512];     /* of the folder made for it; on disk only */
} bpt_world;

void bpt_world_memory(bpt_world *world);
void bpt_world_fault(bpt_world *world);
void bpt_world_disk(bpt_world *world); /* the machine's own clock and random bytes, keeper thread */
void bpt_world_end(bpt_world *world);
/* Takes over a cloned world; the clock and the random bytes start as those of bpt_world_fault. */
void bpt_world_adopt(bpt_world *world, bpi_fault *fault);

bp_store *bpt_open(bpt_world *world);   /* must succeed */
bp_store *bpt_reader(bpt_world *world); /* must succeed */
void bpt_close(bp_store *store);        /* must succeed */
/* bp_verify must find nothing; the number of events. */
uint64_t bpt_verify(bpt_world *world);

/* One event of `size` payload bytes; must succeed. */
bp_receipt bpt_put(bp_store *store, const char *entity, const char *text);
bp_receipt bpt_put_with(bp_store *store, const char *entity, const char *text, const bp_append_options *options);
bp_receipt bpt_put_sized(bp_store *store, const char *entity, size_t size);

/* ---- files of a store, in any world: name relative to the store ("log/0000000000-1.seg") ---- */

uint8_t *bpt_file_read(bpt_world *world, const char *name, size_t *size_out); /* malloc'd; NULL when missing */
void bpt_file_write(bpt_world *world, const char *name, const void *data, size_t size); /* replaces */
void bpt_file_remove(bpt_world *world, const char *name);
/* Calls for every file of the store, in any order, with its relative name. */
typedef void (*bpt_file_fn)(void *argument, const char *name, const uint8_t *data, size_t size);
void bpt_file_each(bpt_world *world, bpt_file_fn visit, void *argument);

/* Puts the CRC-32C of `size` bytes, with these four taken as zero, at `offset`. */
void bpt_put_crc(uint8_t *bytes, size_t size, size_t offset);

/* ---- crashes of the fault world ---- */

typedef enum bpt_keep {
    BPT_KEEP_NONE,
    BPT_KEEP_ALL,
    BPT_KEEP_ONE,
    BPT_LOSE_ONE,
    BPT_KEEP_MASK,
    BPT_KEEP_RANDOM
} bpt_keep;

/* What a power cut keeps: a bpi_fault_choice_fn's argument. */
typedef struct bpt_choice {
    bpt_keep keep;
    uint64_t which; /* ONE: the number of the choice; MASK: a bit for each; RANDOM: the seed */
    uint64_t asked; /* choices so far */
    bpt_random random;
} bpt_choice;

unsigned bpt_choose(void *argument, unsigned options);
/* Cuts the power; the number of choices that were offered. */
uint64_t bpt_power_cut(bpt_world *world, bpt_keep keep, uint64_t which);

/* Cuts the power so that one sector is lost, all else kept, and recovery has to cut at exactly `events` events. */
void bpt_tear(bpt_world *world, uint64_t events);

#endif
