/*
 * store.h: what a handle is made of.
 *
 * A writer's store owns a log; a reader's owns a walk that goes on where it stopped. Both own an index, the kind table
 * and a heap. The commit lock is log.lock: it guards the writer's half of the index, the heads and the kind counts.
 */
#ifndef BPI_STORE_STORE_H
#define BPI_STORE_STORE_H

#include <batpak/batpak.h>

#include "index/folder.h"
#include "index/index.h"
#include "io/lock.h"
#include "log/log.h"
#include "store/handout.h"
#include "store/heap.h"
#include "store/hooks.h"
#include "store/keys.h"
#include "store/kinds.h"
#include "store/scratch.h"
#include "store/tender.h"

enum { BPI_SCRATCHES = 16 };

typedef struct bpi_counters {
    _Atomic uint64_t appends;
    _Atomic uint64_t duplicates;
    _Atomic uint64_t conflicts;
    _Atomic uint64_t system_events;
    _Atomic uint32_t recoveries;
} bpi_counters;

/* A mapping of `live` (page.h). */
typedef struct bpi_page bpi_page;

/* A reader's place in the log. */
typedef struct bpi_follower {
    pthread_mutex_t lock; /* one refresh at a time */
    bpi_home home;
    bpi_catalog catalog;
    bpi_log_walk walk;
    bool walking;
    bpi_opener *opener;
    bool settled;    /* read without a believed live: shows what lies below p; the writer may come later */
    bpi_page *pages; /* all that were mapped */
    _Atomic(const uint8_t *) live; /* mapped; NULL: none */
    _Atomic(bpi_page *) bell;      /* mapped for writing, so that it can say that somebody sleeps; NULL: not yet */
    bool bell_refused;             /* the directory is read-only to us */
    _Atomic uint64_t looked_ns;    /* when the page was compared with the file of its name */
    _Atomic uint64_t published_lsn;
    _Atomic uint64_t durable_lsn;
    _Atomic uint64_t durable_sequence;
    _Atomic uint32_t epoch;      /* of the catalog */
    _Atomic uint64_t generation; /* of the manifest, as the live page gave it when all of it had been taken in */
    bool behind;                 /* the index may still lead to files that others took the place of */
    uint64_t known;              /* events below this were counted and learnt from */
    bool rejoining;              /* from a rejoin until all that was shown is read again */
    uint32_t known_ordinal;      /* of the segment at which it stood before */
    uint64_t least;              /* an LSN below which what was shown lies then */
} bpi_follower;

struct bp_store {
    bpi_heap *heap;
    const bp_allocator *allocator; /* &heap->table */
    bp_options options;            /* as in effect */
    char *path;
    bp_id id; /* as the manifest says */
    uint64_t fork_generation;
    bool reader;
    _Atomic bool closing;
    bpi_index *index;
    bpi_kinds kinds;
    bpi_counters counters;
    bpi_upcast_slot upcasts;
    bpi_keys *keys;            /* goes with the heap */
    bpi_log log;               /* writer */
    bpi_follower follower;     /* reader */
    pthread_mutex_t rewriting; /* held by who compacts or erases */
    pthread_mutex_t burying;   /* held by who tombstones, until it is durable */
    pthread_mutex_t erasing;   /* held by who erases, before all others */
    pthread_rwlock_t putting;  /* held, shared, by a fold that puts a state into a cache */
    _Atomic uint64_t
        erasures; /* odd while one empties caches; a fold that began before another number puts nothing. At a reader: twice
                                * the segments that it took in rewritten, whatever for */
    pthread_mutex_t files;  /* held by who copies sealed segments by their names, and by who removes old ones */
    bpi_folder folder;      /* of index files */
    bpi_tender tender;      /* who writes them */
    bpi_image *tail;        /* of the segment that will be loaded next; NULL */
    bool loading;           /* the log is being read for the first time */
    bool reindex;           /* index files are thrown away first */
    bool disbelieving;      /* they are left aside: an opening with what they say found damage */
    bool believed;          /* one was used */
    uint32_t unfiled;       /* while loading: blocks of sealed segments that were read and wait for their file */
    uint32_t unfiled_first; /* ordinal of the first of them */
    uint32_t read_last;     /* ordinal of the last sealed segment that was read, for want of a file, */
    bool read_any;          /* if there was one */
    uint32_t expected[BPI_NAMES_BEHIND]; /* while loading: fingerprints of the names that were expected last */
    uint32_t expected_at;                /* how many were */
    bpi_segment *block_segment;          /* [commit] the segment of the index's active block; not held */
    bpi_scratch *scratches[BPI_SCRATCHES];
    _Atomic bool scratch_taken[BPI_SCRATCHES];
    _Atomic size_t others_under_way;           /* appends that outlive their scratch, or have one of their own */
    uint64_t revive_times[8];                  /* [commit] steady clock of the last recoveries in this process */
    uint32_t revive_count;                     /* [commit] attempts so far */
    _Atomic(const bpi_before_append *) before; /* NULL: none; store/hooks.h */
    _Atomic(const bpi_after_publish *) after;
    _Atomic bool hooked; /* a thread is inside of a hook */
};

/* The options as they are in effect: the defaults in place of NULL and zero; out of range is BP_ERR_ARGUMENT. */
bp_status bpi_store_take_options(const bp_options *given, bp_options *options, bp_error *error);
/* A handle without a log, with options that were taken. */
bp_status bpi_store_new(const char *path, const bp_options *options, bool reader, bp_store **store_out,
                        bp_error *error);
void bpi_store_free(bp_store *store);

/* bp_open; `reindex`: without what index files say, which are removed first. `root`: the directory, which the caller closes behind the
 * store; NULL: it is opened by its path. */
bp_status bpi_store_open(const char *path, bp_dir *root, const bp_options *options, bool reindex, bp_store **store_out,
                         bp_error *error);

/* BP_OK, or why nothing can be done with this handle: NULL, forked, closing. */
bp_status bpi_store_check(const bp_store *store, bp_error *error);
/* The same, and it must be a writer. */
bp_status bpi_store_check_writer(const bp_store *store, bp_error *error);

/* Counts an event and takes in what the store itself learns from it; before it is in the index. After an error it did neither. */
bp_status bpi_store_teach(bp_store *store, const bp_event *event, bp_error *error);
/* Applies one record read from the log to index, heads and kinds. */
bp_status bpi_store_load_record(void *argument, const bp_event *event, bp_error *error);
bp_status bpi_store_load_segment(void *argument, bpi_segment *segment, uint64_t first_sequence, uint64_t capacity,
                                 bp_error *error);

/* What the store itself learns from a system event: names of kinds, keys that were destroyed, what is tombstoned. */
bp_status bpi_store_learn(bp_store *store, const bp_event *event, bp_error *error);

/* The index's part of that: for records that were counted before. */
bp_status bpi_store_index_record(bp_store *store, const bp_event *event, bp_error *error);

/* The index row of an event; causes stay the event's. */
void bpi_store_row_of(const bp_event *event, const bpi_entity *entity, bpi_row *row_out);

/* Rows that a segment of that size can have at most. */
size_t bpi_store_rows_max(uint64_t capacity);

/* After a failed write or sync, with the commit lock held: what the recovery policy allows. BP_OK: the store goes on. */
bp_status bpi_store_revive(bp_store *store, bp_error *error);

/* Everything below that sequence is durable, after a recovery if need be. No lock of the store is held. BP_ERR_FAILED and what a sync says. */
bp_status bpi_store_settle(bp_store *store, uint64_t end, bp_error *error);

/* Says "flow" through the log hook. */
void bpi_store_flow(const bp_store *store, const char *name, uint64_t number);

/* A reader: takes in what was published since. */
bp_status bpi_follower_open(bp_store *store, const char *path, bp_error *error);
bp_status bpi_follower_refresh(bp_store *store, bp_error *error);
void bpi_follower_close(bp_store *store);
/* A bpi_segment_begin_fn of a reader's walk; the argument is the store. */
bp_status bpi_follower_take(void *argument, const bp_event *event, bp_error *error); /* a bpi_record_fn */
bp_status bpi_follower_begin_segment(void *argument, const bpi_segment_entry *entry, uint64_t first_sequence,
                                     bp_error *error);
/* The tables of a reader, from its options. */
void bpi_follower_set_home(bp_store *store);

#endif
