/*
 * log.h: the writer's end of the log: space, frames, rotation, syncs, seals, marks.
 *
 * Locks, in the order in which they are taken:
 *   `lock`      the commit lock: who holds it is the writer. Guards everything marked [commit]. Held for a commit, never
 *               during a sync (but when a rotation finds the segment before last unsynced, or with an inline keeper).
 *   `catalog_lock`  guards the catalog and its writing. May be taken with `lock` held; never the other way round.
 *   `sync_lock` guards the fields marked [sync]; a leaf: nothing is taken under it, no I/O is done under it.
 *
 * Holds:
 *   - durable <= published <= written, as LSNs; each only grows, but for a recovery in the process.
 *   - a frame is written into listed segments only, its header last; what is published never changes.
 *   - once `failed` is set nothing is written and durable stands still.
 */
#ifndef BPI_LOG_LOG_H
#define BPI_LOG_LOG_H

#include <pthread.h>
#include <stdatomic.h>

#include "format/live.h"
#include "log/recover.h"
#include "log/segment_file.h"

/* An unsealed segment the writer knows. [commit] */
typedef struct bpi_open_segment {
    bpi_segment *segment;
    uint64_t capacity; /* frames and the PAD end at or below it */
    uint64_t first_sequence;
    uint64_t end; /* offset behind the last frame */
    uint64_t frames;
    uint64_t allocated; /* bytes of file that may be written without asking for space */
    uint64_t base;      /* what was allocated above it this process asked for; steps grow with that */
    uint64_t begun;     /* mapped way: bytes whose writing to the medium was begun */
    uint32_t link;
    bp_hlc last_hlc;
    bool finished; /* has its PAD */
} bpi_open_segment;

enum {
    BPI_OPEN_SEGMENTS = 4,
    BPI_KEEPER_TICK_MS = 5,
    BPI_ZERO_CHUNK = 2 << 20 /* a page of the largest size: written at once, the cache holds it as one */
};

struct bpi_log;

/* Tells the owner that a segment was sealed; with `locked` the commit lock is held. */
typedef void (*bpi_sealed_fn)(void *argument, uint32_t ordinal, bool locked);

/* Tells the owner that nothing was written for a tick of the keeper, which calls it without a lock. */
typedef void (*bpi_idle_fn)(void *argument);

/* Tells the owner that the log ends with a CLOSE frame, synced, and where (not the HLC, which is the last event's). The commit lock is held, the keeper is gone. */
typedef void (*bpi_closing_fn)(void *argument, uint32_t ordinal, const bpi_index_tail *tail);

typedef struct bpi_log {
    bpi_home home;
    bp_file *lock_file;
    bool mapped;   /* buffered by default: frames are stored into a mapping */
    bool threaded; /* there is (or will be) a keeper thread */
    uint32_t segment_size;

    pthread_mutex_t lock;
    bpi_open_segment *active;                      /* [commit] */
    bpi_open_segment *next;                        /* [commit] prepared, listed, without frames; or NULL */
    bpi_open_segment *finished[BPI_OPEN_SEGMENTS]; /* [commit] waiting for their seal, oldest first */
    size_t finished_count;                         /* [commit] */
    bool filling;                                  /* [commit] the keeper zero-fills behind active->allocated */
    bool maintaining;                              /* [commit] the keeper makes `next` or seals, off the lock */
    pthread_cond_t maintained;                     /* with lock: filling or preparing ended, a seal was done */
    uint64_t next_sequence;                        /* [commit] */
    bp_hlc last_hlc;                               /* [commit] */
    uint32_t epoch;                                /* [commit] */
    uint8_t last_type;                             /* [commit] type of the newest frame; 0 none yet */
    bool clean;                                    /* [commit] the manifest on the medium says clean */
    bool data_unmarked;                            /* [commit] DATA was written that no later frontier vouches for */

    pthread_mutex_t catalog_lock;
    bpi_catalog catalog;

    pthread_mutex_t sync_lock;
    pthread_cond_t synced;
    bool syncing;             /* [sync] */
    uint32_t waiting;         /* [sync] appends that wait for a sync */
    uint64_t waiting_bytes;   /* [sync] */
    uint32_t syncs_under_way; /* [sync] of segments, and not yet judged */
    uint32_t syncs_awaiting;  /* [sync] that ended well and wait for those */
    uint32_t last_group;      /* [sync] how many the last sync served */

    _Atomic uint64_t written; /* LSN behind the newest frame */
    _Atomic uint64_t written_sequence;
    _Atomic uint64_t durable;
    _Atomic uint64_t durable_sequence;
    _Atomic bool failed;
    bp_error failure; /* [sync] the first one */
    bpi_live *live;   /* may be NULL: then readers poll the log */
    bp_file *live_file;

    bpi_opener *opener; /* of sealed segments */
    bpi_sealed_fn sealed;
    bpi_closing_fn closing;
    bpi_idle_fn idle;
    void *sealed_argument;

    _Atomic uint64_t syncs;
    _Atomic uint64_t seals;
    _Atomic uint64_t marks;
    uint32_t cuts_now; /* by this opening */

    /* the keeper */
    pthread_t keeper;
    bool forked;         /* released in a forked child */
    bool keeper_started; /* [commit] */
    pthread_mutex_t keeper_lock;
    pthread_cond_t keeper_wake;
    _Atomic bool keeper_due;   /* it was asked for work and has not begun */
    bool keeper_stop;          /* [keeper_lock] */
    _Atomic bool keeper_armed; /* it looks every 10 ms whether a MARK or a periodic sync is due */
    size_t keeper_stack_size;
    uint32_t sync_every_events; /* periodic; 0 when the store is not */
    uint32_t sync_every_ms;
    _Atomic uint32_t unsynced_events;
} bpi_log;

/* ---- opening and closing: src/log/open.c ---- */

/* Told while the log is read: each segment with its mapping (not held for the callee), then its records. */
typedef struct bpi_load_calls {
    void *argument;
    void (*begin)(void *argument); /* the manifest was read; may be NULL */
    bpi_covered_fn covered;        /* may be NULL */
    bpi_tail_fn tail;              /* may be NULL */
    bp_status (*segment)(void *argument, bpi_segment *segment, uint64_t first_sequence, uint64_t capacity,
                         bp_error *error);
    bpi_record_fn record;
    bpi_expect_fn expect;
    void (*end)(void *argument); /* the reading is over, well or not, and nothing was changed yet; may be NULL */
    bp_progress_fn progress;     /* may be NULL */
    void *progress_context;
} bpi_load_calls;

typedef struct bpi_log_options {
    bp_durability durability;
    uint32_t segment_size; /* 0: as stored */
    uint8_t layout;        /* bp_layout; 0: as stored */
    bool create;
    bool exclusive;
    bool threaded;
    size_t keeper_stack_size;
    uint32_t sync_every_events;
    uint32_t sync_every_ms;
    bpi_load_calls calls; /* what is told of the log while it is read */
} bpi_log_options;

/*
 * Opens the log for writing: lock, manifest, recovery. The tables in log->home and `sealed` are set before; all else is
 * zero. On failure everything is released.
 */
bp_status bpi_log_open(bpi_log *log, const char *path, const bpi_log_options *options, bp_error *error);

/* CLOSE, sync, clean manifest; joins the keeper; releases all. `write` false: releases only (a forked child). */
bp_status bpi_log_close(bpi_log *log, bool write, bp_error *error);

/* ---- writing: src/log/write.c; the commit lock is held ---- */

/*
 * Makes room for a frame of `length` bytes: may extend the file, may rotate. Refuses cleanly: BP_ERR_NO_SPACE and others leave
 * everything as it was. BP_ERR_FAILED when the log has failed.
 */
bp_status bpi_log_room(bpi_log *log, uint64_t length, bp_error *error);

/* Writes a frame whose body lies behind 64 bytes for its header. last_hlc: of its last record (or as before). On failure
 * the log has failed. */
bp_status bpi_log_write(bpi_log *log, uint8_t *frame, uint32_t length, uint8_t type, uint32_t record_count,
                        uint32_t body_crc, bp_hlc last_hlc, bp_error *error);

/* LSN where the next frame would go, after bpi_log_room. */
uint64_t bpi_log_next_lsn(const bpi_log *log);

/* Publishes what was written to other processes, and wakes who sleeps until something is. */
void bpi_log_publish(bpi_log *log);

/* Wakes who waits for one of BPI_WAKE_..., in any process, after the page was stored to. Any thread. One load when nobody
 * does. */
void bpi_log_ring(bpi_log *log, uint32_t bits);

/* Puts this writer, his epoch and how far the log goes on the page, and wakes all. */
void bpi_log_announce(bpi_log *log, uint32_t pid);

/* Ends the active segment with a PAD and goes on in the next. */
bp_status bpi_log_rotate(bpi_log *log, uint64_t needed, bp_error *error);

/* ---- syncing: src/log/sync.c; the commit lock is not held ---- */

/* Waits until everything below lsn is durable, syncing if nobody does. `count`, `bytes`: of the append that waits. */
bp_status bpi_log_wait(bpi_log *log, uint64_t lsn, uint64_t bytes, bp_error *error);
/* The same for what is written now. */
bp_status bpi_log_sync(bpi_log *log, bp_error *error);
/* With the commit lock held: rotation and inline keepers. */
bp_status bpi_log_sync_locked(bpi_log *log, bp_error *error);
/* The same for the finished segments alone. */
bp_status bpi_log_sync_finished(bpi_log *log, bp_error *error);
/* One finished segment, all before it being durable; `lsn` and `sequence` are where the next one begins. Not locked. */
bp_status bpi_log_sync_segment(bpi_log *log, bpi_segment *segment, uint64_t lsn, uint64_t sequence, bp_error *error);
/* Blocks while too many appends wait for a sync. */
void bpi_log_throttle(bpi_log *log, uint32_t max_count, uint64_t max_bytes);

/* Around each sync of a segment that may have frames, and what is to be said if it fails: no other is believed meanwhile. */
void bpi_log_sync_begins(bpi_log *log);
void bpi_log_sync_ended(bpi_log *log);

/* Notes a failure: nothing more is acknowledged. Returns BP_ERR_FAILED or the status given, error filled in. */
bp_status bpi_log_fail(bpi_log *log, bp_status status, bp_error *error);
/* BP_ERR_FAILED with the first failure's words. */
bp_status bpi_log_failed(bpi_log *log, bp_error *error);

/* What ties an index file to the sealed segments of these ordinals (docs/format.md, section 13); false: they are not all
 * listed and sealed. Takes the catalog lock. */
bool bpi_log_binding(bpi_log *log, uint32_t first, uint32_t last, bp_hash *binding_out);

/* ---- maintenance: src/log/seal.c, keeper.c ---- */

/* Makes and lists the next segment. */
bp_status bpi_log_prepare(bpi_log *log, bool locked, bp_error *error);
/* Seals the oldest finished segment; false in *done_out when there is none. */
bp_status bpi_log_seal_one(bpi_log *log, bool locked, bool *done_out, bp_error *error);
/* Writes and syncs a MARK if DATA is synced that nothing vouches for. */
bp_status bpi_log_mark(bpi_log *log, bp_error *error);
/* Asks the keeper for work; starts it. [commit] held. With an inline keeper does what is due at once. */
bp_status bpi_log_maintain(bpi_log *log, bp_error *error);
/* The owner is ready for what the keeper tells: an opening may have left it segments to seal. */
void bpi_log_resume(bpi_log *log);
/* Writes zeros over [from, to) of a file that is so long. 0 or an errno. */
int bpi_log_zero(bpi_log *log, const bpi_segment *segment, uint64_t from, uint64_t to);
/* Is too little of the active segment ready behind its end? [commit] */
bool bpi_log_wants_space(const bpi_log *log);
/* After a sync of DATA or a buffered append that wants a periodic sync. */
void bpi_keeper_arm(bpi_log *log);
void bpi_keeper_stop(bpi_log *log);

#endif
