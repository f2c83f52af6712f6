/*
 * snapshot.h: a copy of a store as of one moment, and a store out of such a copy.
 *
 * A snapshot is a directory that holds a whole store: everything up to a *frontier*, an event that was durable when the
 * snapshot was asked for, and nothing behind it. It can be read (bp_open_reader), verified, and restored. While it is being made
 * it holds a file INCOMPLETE, and nothing opens it; when it is complete, that file has become SNAPSHOT.
 *
 * Sealed segments never change, so that a snapshot can have the store's very files under a second name: it then takes the
 * space of what is not sealed yet. Whoever writes never writes into such a file: what was open is a copy in the
 * snapshot, and a store whose open segments have several names is refused.
 *
 * The copy has the store's id, and the same history up to its frontier. Positions (bp_position) of the one are good in
 * the other as far as both have the same events. Where they go different ways afterwards the event hashes differ, since time,
 * HLC, id and salt are in them, and bp_position_check says BP_ERR_DIVERGED: it is the hash that tells them apart. The
 * epoch, which a copy raises when it is first written, tells frames apart and not histories.
 *
 * A snapshot that shares files with the store, or is a copy of its own, keeps what is erased in the store later. So the store
 * remembers where its snapshots are (bp_snapshots), and erasure can name them.
 */
#ifndef BATPAK_SNAPSHOT_H
#define BATPAK_SNAPSHOT_H

#include <batpak/store.h>

#ifdef __cplusplus
extern "C" {
#endif

/* How sealed segments come into the snapshot. What cannot be on this medium falls to the next. */
typedef enum bp_sharing {
    BP_SHARE_LINK = 0,   /* a second name for the same file (hard link) */
    BP_SHARE_CLONE = 1,  /* a file of its own on the same blocks (reflink) */
    BP_SHARE_NOTHING = 2 /* a copy */
} bp_sharing;

typedef struct bp_snapshot_options {
    size_t size;
    /* An earlier snapshot of the same store: sealed segments that it has already, byte for byte, are linked from there where they
     * cannot be linked from the store (it lies on another medium, say). NULL: none. */
    const char *since;
    bp_sharing sharing;
    bool consumers; /* with the positions of consumers; default false */
    bool keys;      /* with keys/: then what is encrypted in the snapshot can be read from it alone; default false */
    bp_progress_fn progress;
    void *progress_context;
} bp_snapshot_options;

BP_API void bp_snapshot_options_default(bp_snapshot_options *options, size_t size);
static inline void bp_snapshot_options_init(bp_snapshot_options *options)
{
    bp_snapshot_options_default(options, sizeof *options);
}

/* What was made. */
typedef struct bp_snapshot_report {
    bp_id id; /* of the snapshot; nil for a restore */
    bp_id store_id;
    uint64_t events;   /* all below this sequence are in it */
    uint64_t frontier; /* the same as a position in the log */
    uint32_t epoch;
    bp_hash root; /* Merkle root over all its event hashes, as bp_verify gives it: kept elsewhere it is an anchor */
    uint64_t segments;
    uint64_t linked; /* of them: files of the store */
    uint64_t reused; /* files of the earlier snapshot */
    uint64_t cloned;
    uint64_t copied;
    uint64_t shared_bytes; /* bytes of segments that take no space of their own */
    uint64_t copied_bytes;
    uint32_t consumers;
    uint32_t keys;
    bool recorded; /* the store has a note of it; false: it cannot be written to */
} bp_snapshot_report;

/*
 * Makes a snapshot in `directory`, which is missing or empty and not inside of the store; it is made 0700, its files 0600. Beside
 * writers, in this or another process: from a handle that writes, everything that was published before the call is in it (it is
 * synced first); from a reader's, everything that was durable. Appends go on meanwhile. options NULL: the defaults;
 * report_out may be NULL.
 *
 * The snapshot is proven whole before it is complete (as by bp_verify). After any error, and after a crash, there is either
 * nothing in the directory, or something that holds INCOMPLETE and is refused by every opening; remove it then. Only when the last
 * sync of all fails, and those that would mark it as unfinished again do, it stays whole as it is (BP_ERR_IO).
 *
 * Blocks for as long as copying and reading all of the log takes. Any thread.
 *   BP_ERR_NOT_FOUND   the directory above is not there; or `since` is not
 *   BP_ERR_NOT_EMPTY   the directory holds something
 *   BP_ERR_EXISTS      it is a file or a symbolic link
 *   BP_ERR_ARGUMENT    it lies inside of the store; `since` is of another store; options
 *   BP_ERR_CORRUPT     the store is damaged: error->file says where
 *   BP_ERR_CONFLICT    from a reader's handle: another process went on rewriting segments (compaction, erasure) for seconds; try again
 *   BP_ERR_FAILED      an earlier write or sync failed; a reader's snapshot still can be taken
 *   BP_ERR_NO_SPACE, BP_ERR_IO, BP_ERR_NO_MEMORY, BP_ERR_FORKED, BP_ERR_REENTRANT, BP_ERR_CLOSED
 */
BP_API BP_MUST_USE bp_status bp_snapshot(bp_store *store, const char *directory, const bp_snapshot_options *options,
                                         bp_snapshot_report *report_out, bp_error *error);

/* A snapshot that the store has a note of. Texts live during the call. */
typedef struct bp_snapshot_info {
    bp_id id;
    int64_t time_us; /* when it was made */
    uint64_t events;
    bp_hash root;
    bool shares;  /* files of it were files of the store */
    bool keys;    /* it has the keys */
    bool present; /* it is still where it was made */
    const char *path;
} bp_snapshot_info;

/* Non-zero stops. */
typedef int (*bp_snapshot_fn)(void *argument, const bp_snapshot_info *snapshot);

/*
 * Names the snapshots that were taken of the store, oldest first. That one is not `present` says nothing of copies made of it.
 * Any handle, any thread. BP_ERR_CORRUPT: a note is damaged; BP_ERR_VERSION, BP_ERR_IO, BP_ERR_NO_MEMORY: also
 * when it cannot be found out whether a snapshot is still there. All others were visited.
 */
BP_API BP_MUST_USE bp_status bp_snapshots(bp_store *store, bp_snapshot_fn visit, void *argument, bp_error *error);

/* Forgets a snapshot that is gone for good: the note alone goes. BP_ERR_NOT_FOUND: there is none of that id. */
BP_API BP_MUST_USE bp_status bp_snapshot_forget(bp_store *store, const bp_id *id, bp_error *error);

typedef struct bp_restore_options {
    size_t size;
    bool consumers;  /* with the positions of consumers that the snapshot has; default true */
    bool keys;       /* with its keys; default true */
    const bp_io *io; /* NULL: this machine */
    const bp_random *random;
    const bp_clock *clock;
    const bp_allocator *allocator;
    bp_progress_fn progress;
    void *progress_context;
} bp_restore_options;

BP_API void bp_restore_options_default(bp_restore_options *options, size_t size);
static inline void bp_restore_options_init(bp_restore_options *options)
{
    bp_restore_options_default(options, sizeof *options);
}

/*
 * Makes a store in `target` (missing or empty, as for bp_snapshot) out of the one in `snapshot`, a snapshot or any store that
 * nobody is writing. All of the snapshot is proven before anything is made; every file of the new store is its own, nothing is
 * linked; the new store is proven too. It has the next epoch. report_out may be NULL: `id` is nil in it.
 *
 * After any error, and after a crash, `target` holds nothing, or something with INCOMPLETE that is refused by every opening, or, when
 * the last syncs of all fail, the whole store.
 *   BP_ERR_NOT_FOUND   no snapshot there, or no directory above `target`
 *   BP_ERR_CORRUPT     the snapshot is damaged, or was not completed; nothing was made
 *   BP_ERR_LOCKED      it is a store that is being written: take a snapshot of it
 *   all else as bp_snapshot
 */
BP_API BP_MUST_USE bp_status bp_restore(const char *snapshot, const char *target, const bp_restore_options *options,
                                        bp_snapshot_report *report_out, bp_error *error);

#ifdef __cplusplus
}
#endif

#endif
