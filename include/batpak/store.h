/*
 * store.h: opening, closing, syncing a store, and its options.
 */
#ifndef BATPAK_STORE_H
#define BATPAK_STORE_H

#include <batpak/io.h>
#include <batpak/status.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct bp_store bp_store;

/* When an append is acknowledged. */
typedef enum bp_durability {
    BP_DURABILITY_DEFAULT = 0, /* as the store says; as a store's option: durable */
    BP_DURABLE = 1,            /* after the sync that covers it: survives power loss */
    BP_BUFFERED = 2,           /* once it is in the system's memory: survives the process, not the machine */
    BP_PERIODIC = 3            /* as buffered; the keeper syncs every n events or t ms */
} bp_durability;

/* How rows of the index lie in memory and in index files; answers are the same for all. */
typedef enum bp_layout {
    BP_LAYOUT_DEFAULT = 0,
    BP_LAYOUT_AOS = 1,
    BP_LAYOUT_AOSOA8 = 2,
    BP_LAYOUT_AOSOA16 = 3,
    BP_LAYOUT_AOSOA64 = 4,
    BP_LAYOUT_SOA = 5,
    BP_LAYOUT_SOAOS = 6
} bp_layout;

typedef enum bp_keeper_mode {
    BP_KEEPER_THREAD = 0, /* two background threads: from the first append, from the first seal on */
    BP_KEEPER_INLINE = 1  /* no threads: their work is done inside appends, syncs and close; no MARK when idle */
} bp_keeper_mode;

/* Progress of a long opening. done and total are bytes of log. */
typedef void (*bp_progress_fn)(void *context, const char *what, uint64_t done, uint64_t total);

/*
 * Options. Always start from bp_options_init. A value out of range is BP_ERR_ARGUMENT and the message names the
 * field. Fields marked S are stored when the store is made; later opens may leave them 0 (as stored), and a
 * different value takes effect for what is written from then on.
 */
typedef struct bp_options {
    size_t size;                 /* set by bp_options_init */
    bool create;                 /* make the store if it is missing; default true */
    bool exclusive;              /* with create: BP_ERR_EXISTS if it is there; default false */
    bp_durability durability;    /* of appends that do not say; default durable */
    uint32_t segment_size;       /* S bytes, multiple of 4096, BP_SEGMENT_MIN..BP_SEGMENT_MAX; default 64 MiB */
    bp_layout layout;            /* S; default what measures best */
    uint32_t sync_every_events;  /* periodic: a sync at the latest after so many events; default 1000 */
    uint32_t sync_every_ms;      /* periodic: and after so many milliseconds; default 100 */
    bp_sync_mode sync_mode;      /* default BP_SYNC_DATA */
    uint32_t commit_max_events;  /* durable appends waiting for one sync; more block before they write; default 4096 */
    uint64_t commit_max_bytes;   /* the same in bytes; default 64 MiB */
    uint32_t payload_max;        /* bytes of a caller's, up to BP_PAYLOAD_MAX; default BP_PAYLOAD_DEFAULT_MAX */
    uint32_t fd_budget;          /* descriptors the store may hold; default 64, least 8 */
    uint32_t recovery_attempts;  /* after a failed write or sync: recoveries in the process ...; default 1, 0 = never */
    uint32_t recovery_within_ms; /* ... within so many ms, at most 8 then; default 0 = over the handle's life */
    bp_keeper_mode keeper;       /* default BP_KEEPER_THREAD */
    size_t keeper_stack_size;    /* bytes, of each background thread, at least; default 256 KiB */
    const bp_io *io;             /* NULL: this machine */
    const bp_clock *clock;
    const bp_random *random;
    const bp_allocator *allocator;
    const bp_log_hook *log;  /* NULL: nothing is said */
    bp_progress_fn progress; /* NULL: none; called by the opening thread */
    void *progress_context;
    bool incremental_projection; /* cached states of incremental projections may be carried on; default false */
    /* BP_KEY_SIZE bytes that keys of subjects are wrapped under (keys.h), copied; NULL, the default: they lie in keys/ as they
     * are. Not stored: each opening gives it. Of a store that has such keys already, those keep the form they were made in. */
    const uint8_t *key_encryption_key;
} bp_options;

/* Fills in the defaults. Call bp_options_init; the other is what it calls, so that old programs keep working. */
BP_API void bp_options_default(bp_options *options, size_t size);
static inline void bp_options_init(bp_options *options)
{
    bp_options_default(options, sizeof *options);
}

/*
 * Opens a store for writing, making it first when it is missing (option `create`), and recovers what a crash left.
 * options NULL: the defaults. On success *store_out is to be given to bp_close; on failure it is NULL and nothing
 * was changed but what recovery completed.
 *
 * Blocks on the disk. Time: reading the log's index, and the tail after a crash; and what an erasure takes that was interrupted
 * after it was put on record, which is finished here (erase.h).
 *   BP_ERR_NOT_FOUND   no store there and create is false
 *   BP_ERR_EXISTS      there is one and exclusive is true
 *   BP_ERR_NOT_EMPTY   the directory holds other things and no store
 *   BP_ERR_LOCKED      another process (named) writes it
 *   BP_ERR_CORRUPT     damage in what the log vouches for; nothing was changed. Try bp_verify, `batpak verify`
 *   BP_ERR_VERSION     a newer format
 *   BP_ERR_ARGUMENT, BP_ERR_IO, BP_ERR_NO_SPACE, BP_ERR_NO_MEMORY
 */
BP_API BP_MUST_USE bp_status bp_open(const char *path, const bp_options *options, bp_store **store_out,
                                     bp_error *error);

/*
 * Opens a store for reading beside its writer, in this or another process, or with no writer at all, on read-only
 * media too. Writes nothing, but where a subscription waits a bit on the page `live`, and positions of consumers. Sees what is published at each call that starts a read (bp_get, bp_query, ...), and
 * what was dropped or erased by then it does not show any more; an iterator keeps the view it began with, and the files that it
 * needs. A call that finds segments rewritten reads those once, to make its part of the index anew, in memory. Options used: io, allocator, log, layout, fd_budget, progress.
 * Errors as bp_open; appending through it is BP_ERR_READ_ONLY.
 */
BP_API BP_MUST_USE bp_status bp_open_reader(const char *path, const bp_options *options, bp_store **store_out,
                                            bp_error *error);

/*
 * Closes: waits for appends that are under way, syncs, writes the clean mark, joins the keeper, releases. NULL is
 * BP_OK. The handle is gone whatever is answered; an error says what could not be made durable. No other call with
 * the handle may start once bp_close has begun. Iterators and events stay valid until they are closed.
 *   BP_ERR_FAILED, BP_ERR_IO, BP_ERR_NO_SPACE: the store will be recovered at the next opening
 *   BP_ERR_FORKED: in a forked child: memory is released, nothing is written
 *   BP_ERR_REENTRANT: called from a function of a follower or a hook; the store stays open. Followers that wait are ended
 *   with BP_ERR_CLOSED, and their functions that are running are waited for
 */
BP_API bp_status bp_close(bp_store *store, bp_error *error);

/*
 * Makes everything durable that was published before the call. Blocks until it is.
 *   BP_ERR_FAILED  a write or sync failed, now or before: what is durable is what bp_frontiers says
 */
BP_API BP_MUST_USE bp_status bp_sync(bp_store *store, bp_error *error);

/*
 * Waits until the event with that sequence is durable, at most timeout_ms (UINT32_MAX: for ever). Does not sync by
 * itself unless the store's keeper is inline. BP_ERR_TIMEOUT: not yet. BP_ERR_FAILED: it may never be.
 */
BP_API BP_MUST_USE bp_status bp_wait_durable(bp_store *store, uint64_t sequence, uint32_t timeout_ms, bp_error *error);

typedef struct bp_frontiers {
    uint64_t published;   /* events below this sequence are visible to readers */
    uint64_t durable;     /* events below this sequence survive power loss */
    uint64_t durable_lsn; /* the same as a position in the log */
    uint64_t published_lsn;
    uint32_t epoch;
    bool
        failed; /* a write or sync failed: an append recovers first if the options let it, else it gets BP_ERR_FAILED */
} bp_frontiers;

/* Never blocks. Any thread. */
BP_API bp_frontiers bp_store_frontiers(const bp_store *store);

/*
 * Closes the active segment and starts the next, even if it is not full: what came before is sealed under its Merkle
 * root when this returns. Nothing happens when the active segment is empty. Blocks on syncs.
 */
BP_API BP_MUST_USE bp_status bp_seal(bp_store *store, bp_error *error);

/* Where a process left off. Empty (all zero) matches every store. */
typedef struct bp_position {
    uint64_t next; /* events below this sequence were seen */
    uint32_t epoch;
    bp_hash event_hash; /* of the event next - 1 */
} bp_position;

/* The position behind the newest published event. */
BP_API BP_MUST_USE bp_status bp_store_position(bp_store *store, bp_position *position_out, bp_error *error);

/* BP_OK if this store holds the history the position comes from, BP_ERR_DIVERGED if not. */
BP_API BP_MUST_USE bp_status bp_position_check(bp_store *store, const bp_position *position, bp_error *error);

#ifdef __cplusplus
}
#endif

#endif
