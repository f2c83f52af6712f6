/*
 * sim.h: deterministic simulation. One seed gives a plan: what is done, by whom, what fails and when the process or the
 * power goes. It is run over the fault world (src/io/fault.h); every step of the run is a crash point, whose worlds are
 * opened and judged by a ledger that knows only what was acknowledged. See docs/testing.md.
 *
 *   plan.c    seed -> plan; the plan in words
 *   ops.c     the table of operations: a new one is a function and a line; appending, asking, other processes
 *   upkeep.c  of these compaction and erasure
 *   forget.c  of these tombstones, and keys that are destroyed
 *   copies.c  of these snapshots and restores; what a crash leaves of them
 *   salvage.c of these repairs, inspections, and stores that are rebuilt event by event
 *   ledger.c  what was acknowledged, and whether a store has it
 *   points.c  crash points: recording, cutting, recovering, crashing in the recovery, judging
 *   trouble.c reads, writes, syncs and allocations that fail or lie
 *   run.c     one plan, run
 *   hunt.c    many seeds in child processes; replay and shrinking of one that fails
 *
 * A failure ends the process (sim_fail): runs are made in children, so asserts, hangs and wild pointers are failures too.
 */
#ifndef BPT_SIM_H
#define BPT_SIM_H

#include "support/world.h"

enum {
    SIM_OPS_MAX = 48,
    SIM_ITEMS_MAX = 12,
    SIM_EVENTS_MAX = 600,
    SIM_ENTITIES = 5,
    SIM_SCOPES = 2,
    SIM_READERS = 2,
    SIM_COPIES = 2, /* snapshots at a time */
    SIM_SUBJECTS = 2,
    SIM_KEYS = 32,     /* destroyed in a run */
    SIM_DEPTH_MAX = 3, /* crashes in the recovery from a crash */
    SIM_PAYLOAD_MAX = 40000
};

/* ---- plans ---- */

typedef struct sim_run sim_run;

typedef struct sim_operation {
    const char *name;
    unsigned weight;
    void (*perform)(sim_run *run, bpt_random *random);
} sim_operation;

extern const sim_operation sim_operations[]; /* ends with a name that is NULL */

typedef struct sim_op {
    const sim_operation *operation;
    uint64_t seed;
} sim_op;

typedef struct sim_plan {
    uint64_t seed;
    uint64_t drop; /* a bit for each operation that is left out: what shrinking does */
    bool lazy;     /* no append asks to be durable by itself */
    bp_durability durability;
    bp_layout layout;
    unsigned subsets; /* random subsets of what was not synced, at each step */
    size_t count;
    sim_op ops[SIM_OPS_MAX];
} sim_plan;

void sim_plan_make(sim_plan *plan, uint64_t seed, uint64_t drop);
void sim_plan_print(const sim_plan *plan);

/* ---- the ledger ---- */

typedef struct sim_event {
    bp_hash hash;
    bp_id id;
    uint64_t clock;
    bp_hlc hlc;
    uint64_t batch;
    uint32_t batch_count;
    uint32_t payload_size;
    uint64_t payload_seed;
    bp_kind_code kind;
    uint8_t entity;
    uint8_t scope;
    uint8_t
        subject; /* from 1: whose its payload is, or (of the system's) whose key it says is destroyed; 0: nobody's */
    uint8_t key; /* of the ledger's keys, from 1, the one that it says is destroyed */
    bool system;
    bool keyed;         /* its id was given */
    bool blanked;       /* a compaction may have taken its payload */
    uint64_t buried_by; /* the TOMBSTONE that names it; BP_NONE */
} sim_event;

/* A key that was to be destroyed. */
typedef struct sim_key {
    bp_id id;
    uint8_t subject;
    uint8_t bytes[32];
} sim_key;

/* What became of an event. */
enum { SIM_STUB = 1, SIM_DROP = 2 };

/* Bits of each event: what must have happened to it, and what may have. An operation that was not acknowledged may have happened. */
typedef struct sim_fates {
    uint8_t least[SIM_EVENTS_MAX];
    uint8_t most[SIM_EVENTS_MAX];
    /* What was not acknowledged may have been done where the handle does not show it yet, and of an erasure it is on record:
     * until the next opening nobody knows. */
    uint8_t pending[SIM_EVENTS_MAX];
    bool locked;   /* of a copy: the keys are elsewhere */
    bool rebuilt;  /* of a rebuilt store: records say that they are tombstoned, the TOMBSTONE comes later */
    bool salvaged; /* of a repaired store: a commit of which something was dropped is several */
    bool lied;     /* a read that lied may have had the end cut: a key that is gone may have lost its record */
} sim_fates;

typedef struct sim_ledger {
    sim_event events[SIM_EVENTS_MAX]; /* all that were seen published */
    uint64_t count;
    uint64_t acked;   /* events below this were acknowledged: no kill loses them */
    uint64_t durable; /* and these as durable: no power cut loses them */
    sim_fates fates;
    sim_key keys[SIM_KEYS];
    size_t key_count;
    const bool *burying; /* events that are being tombstoned; NULL */
} sim_ledger;

/* What an append asks for. */
typedef struct sim_item {
    uint64_t payload_seed;
    uint32_t payload_size;
    bp_id id;
    bp_kind_code kind;
    uint8_t entity;
    uint8_t scope;
    uint8_t subject; /* from 1; 0: none */
    unsigned group;  /* items of one group are one commit */
    const char *name;
} sim_item;

const char *sim_entity(unsigned index);
const char *sim_scope(unsigned index);
const char *sim_subject(unsigned number); /* from 1 */
/* Fills the payload: no zeros, so that a lost sector never looks whole. */
void sim_payload(uint64_t seed, uint8_t *bytes, size_t size);

/* The number of events of an entity among the first `count`; the clock its next event gets. */
uint64_t sim_ledger_clock(const sim_ledger *ledger, unsigned entity, uint64_t count);
/* Is this a border between commits? */
bool sim_ledger_border(const sim_ledger *ledger, uint64_t count);
/* The first event that is none of the system's and was not dropped, at or behind `from`; BP_NONE. */
uint64_t sim_ledger_next_data(const sim_ledger *ledger, uint64_t from);
/* Is the key destroyed under which that event's payload lies, as far as the first `count` events tell? */
bool sim_ledger_shredded(const sim_ledger *ledger, uint64_t sequence, uint64_t count);
/* Is it tombstoned, as far as they tell? */
bool sim_ledger_buried(const sim_ledger *ledger, uint64_t sequence, uint64_t count);
/* Takes in what the store has published beyond what is known; it must be what `items` asked for. */
void sim_ledger_learn(sim_ledger *ledger, bp_store *store, const sim_item *items, size_t count);
/* The store must show exactly the first n events of the ledger, `least` <= n <= `most`, each with a fate that it may have; returns
 * n, and in `shown_out` (may be NULL) what it shows of each. */
uint64_t sim_ledger_compare(const sim_ledger *ledger, bp_store *store, const sim_fates *fates, uint64_t least,
                            uint64_t most, uint8_t *shown_out);
/* Some questions to the index: ids, streams, counts, the newest. `shown` as compare gave it. */
void sim_ledger_ask(const sim_ledger *ledger, bp_store *store, uint64_t count, const uint8_t *shown,
                    bpt_random *random);
/* It is so, and nothing else may be. */
void sim_fates_settle(sim_fates *fates, const uint8_t *shown);
/* What the payload of an event is, until it is forgotten. */
void sim_event_payload(const sim_event *event, uint8_t *bytes);
/* Has it this payload? */
bool sim_event_holds(const sim_event *event, const bp_event *found);

/* ---- runs ---- */

/* How much must be there. */
typedef struct sim_bounds {
    uint64_t acked;   /* after a kill */
    uint64_t durable; /* after a power cut */
    uint64_t most;
    const sim_fates *fates;
} sim_bounds;

/* A reader beside the writer: another process. */
typedef struct sim_reader {
    bp_store *store;
    uint64_t seen;
    bool noted; /* it saw something in the middle of an operation, to be compared behind it */
    uint64_t noted_count;
    bp_hash noted_hash;
} sim_reader;

typedef struct sim_watcher {
    bp_consumer *consumer;
    bool exists;
    uint64_t acked; /* the sequence behind the last event that was acknowledged to it */
    uint64_t saved; /* the same, when its position was last written for sure */
    uint64_t next;  /* the least sequence that may come next; known while it is open */
} sim_watcher;

/* A snapshot in another directory. */
typedef struct sim_copy {
    bool exists; /* it was acknowledged */
    bool begun;  /* in this operation: a crash may leave nothing, something that nothing opens, or all of it */
    uint64_t events;
    uint64_t least; /* while it is begun */
    bp_hash root;
    sim_fates fates;
} sim_copy;

typedef struct sim_snapshot {
    bpi_fault *fault; /* as it is before the step */
    uint64_t step;
} sim_snapshot;

struct sim_run {
    const sim_plan *plan;
    size_t op; /* the current one */
    bpt_world world;
    bp_store *store;
    sim_ledger ledger;
    sim_reader readers[SIM_READERS];
    sim_watcher watcher;
    uint64_t watcher_saved; /* as the operation began */
    sim_bounds bounds;      /* of a crash in this operation */
    sim_fates fates;        /* the same of events */
    sim_fates lied;         /* and these where a read has lied to an opening */
    uint64_t rewrites;      /* compactions and erasures begun */
    sim_copy copies[SIM_COPIES];
    int restoring;                 /* the copy of which a store is being made, else -1 */
    int repairing;                 /* the copy that is being repaired, else -1 */
    bool rebuilding;               /* the store is being made anew, event by event */
    sim_item items[SIM_ITEMS_MAX]; /* asked for by the current operation */
    size_t item_count;
    unsigned groups;
    bool cuts_in;   /* another caller appends while this one syncs */
    bool faulty;    /* a step was made to fail: operations may say so */
    bool forgets;   /* the next sync fails and forgets what it covered */
    uint64_t drops; /* the number of the step that does so; 0: none */
    bool misread;   /* in this operation a reading call fails, is short, or lies */
    bool starved;   /* in this one there is no memory */
    unsigned pauses;
    bpi_fault_plan reading;
    /* A step was made to fail in this run: a sync that forgot a name takes the consumers' directory with it, and they begin
     * anew. */
    bool spoiled;
    bool watching; /* inside of the watcher */
    bpt_random looks;
    uint32_t epoch;
    uint64_t opened;         /* events when the store was opened */
    sim_snapshot *snapshots; /* of this operation */
    size_t snapshot_count;
    size_t snapshot_capacity;
    uint64_t step; /* of the run */
    uint64_t keys;
};

/* What a child tells the one that made it. */
typedef struct sim_report {
    uint64_t points;     /* crash points: worlds after a crash that were recovered and judged */
    uint64_t nested[4];  /* of these, crashes in a recovery, by depth */
    uint64_t recoveries; /* openings judged, points and what followed them */
    uint64_t runs;
    uint64_t seed; /* being run */
    uint64_t trace;
    char where[256];
    char failure[1024];
} sim_report;

extern sim_report *sim_reporting;

/* Mixes a number into the trace. */
void sim_trace(uint64_t number);
/* Where the run is; part of every failure. */
void sim_where(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* Reports and ends the process. */
_Noreturn void sim_fail(const char *format, ...) __attribute__((format(printf, 1, 2)));
#define SIM_CHECK(condition, ...) ((condition) ? (void)0 : sim_fail(__VA_ARGS__))

/* One plan from beginning to end. */
void sim_run_plan(const sim_plan *plan);
/* Opens the run's store anew, after a close or a crash; `least` events must be there. */
void sim_run_open(sim_run *run, uint64_t least);
/* Closes the run's store, and learns what the closing wrote. */
bp_status sim_run_close(sim_run *run, bp_error *error);
/* The process ends here, by a kill or by a power cut; the next one begins. */
void sim_run_crash(sim_run *run, bool power, bpt_random *random);
/* What every operation ends with: learns what is there. */
void sim_run_learn(sim_run *run);
/* All readers look; in the middle of an operation what they see is compared behind it. */
void sim_readers_look(sim_run *run, bool settled);
void sim_readers_close(sim_run *run);
void sim_watcher_close(sim_run *run);
/* The consumer of that store goes on where it was: nothing is passed over. */
void sim_watcher_check(const sim_run *run, bp_store *store, uint64_t count);

/* Bounds of what begins now; to be completed by sim_run_judge when it has ended. */
void sim_run_begin(sim_run *run);
void sim_run_judge(sim_run *run);

/* ---- operations in files of their own ---- */

void sim_op_compact(sim_run *run, bpt_random *random);
void sim_op_erase(sim_run *run, bpt_random *random);
void sim_op_snapshot(sim_run *run, bpt_random *random);
void sim_op_restore(sim_run *run, bpt_random *random);
void sim_op_tombstone(sim_run *run, bpt_random *random);
void sim_op_destroy(sim_run *run, bpt_random *random);
void sim_op_fault(sim_run *run, bpt_random *random);
void sim_op_subject(sim_run *run, bpt_random *random);
void sim_op_repair(sim_run *run, bpt_random *random);
void sim_op_rebuild(sim_run *run, bpt_random *random);
/* The status is one that this may have; true: BP_OK. */
bool sim_done(const sim_run *run, bp_status status, const bp_error *error);
/* What was erased, and acknowledged, must not be in any file of the store; of `tries` events, drawn. */
void sim_check_erased(const sim_run *run, bpi_fault *fault, unsigned tries, bpt_random *random);
/* Asks for the same erasure once more in the world after a crash. */
void sim_erase_again(const sim_run *run, const bpt_world *world, bp_store *store, const uint8_t *shown,
                     bpt_random *random);
/* What a crash left of snapshots and restored stores. */
void sim_check_copies(const sim_run *run, const bpt_world *world, bpt_random *random);
/* No file of the store has the bytes of a key that the first `count` events say is destroyed. */
void sim_check_keys(const sim_run *run, bpi_fault *fault, uint64_t count);
/* What a crash left of repaired and rebuilt stores. */
void sim_check_salvaged(const sim_run *run, const bpt_world *world);

bp_region sim_some_region(bpt_random *random);
bool sim_lies_in(const sim_ledger *ledger, uint64_t sequence, const bp_region *region);
/* The first file whose path begins so, and does not end with `beside` (NULL), and has some of these bytes (24 or more). */
bool sim_find_bytes(bpi_fault *fault, const char *prefix, const char *beside, const uint8_t *bytes, size_t size,
                    char found_out[256]);
bool sim_has_file(bpi_fault *fault, const char *directory, const char *name);
/* Somebody removed it, and what lies beside it under a longer name, long ago. */
void sim_remove_tree(bpi_fault *fault, const char *directory);
const char *sim_copy_path(int copy);

/* What an opening is said to do, found out before it. */
typedef struct sim_inspection {
    bool asked;
    bp_inspection says;
    uint64_t unsettled; /* what verify calls so; BP_NONE: it takes the writer's page for that of one who lives */
    char gone[32][64];  /* files that are to go */
    size_t gone_count;
    char before[64][64]; /* segment files */
    size_t before_count;
} sim_inspection;

void sim_inspect(const bpt_world *world, bool cut, sim_inspection *out);
/* The opening has done that; `erases`: and may have finished an erasure. */
void sim_inspection_judge(const sim_inspection *inspection, const bpt_world *world, bp_store *store, uint64_t count,
                          bool erases);
/* What a repair has taken from a world, and what the opening does then. */
typedef struct sim_salvage {
    uint64_t count; /* BP_NONE: it was not asked, or nothing could be had */
    uint64_t unsettled;
} sim_salvage;

/* Repairs the store of that world into another one, and looks at that. */
void sim_repair_world(const sim_run *run, const bpt_world *world, const sim_bounds *in, uint64_t least,
                      sim_salvage *out);
void sim_salvage_judge(const sim_salvage *salvage, bp_store *store, uint64_t count);
/* Damages a copy of that world, and repairs it: nothing there is another than it was. */
void sim_repair_damaged(const sim_run *run, bpi_fault *fault, bpt_random *random);

/* ---- crash points ---- */

void sim_record(sim_run *run);    /* copies the world as it is now */
void sim_judge_all(sim_run *run); /* crashes at all snapshots, and forgets them */
/* An allocator that keeps great blocks for the next time; the same for all simulated stores. */
const bp_allocator *sim_allocator(void);

/* ---- trouble ---- */

/* One of the next operations, in which a reading call or an allocation fails. */
void sim_op_trouble(sim_run *run, bpt_random *random);
/* Between these nothing of that fails: the ledger looks. */
void sim_pause(sim_run *run);
void sim_resume(sim_run *run);
/* Opens the world after a crash, in which `least` events must be, once while something fails: BP_OK or an error with a name; and
 * ends that process. What it showed the next opening must show. */
void sim_open_in_trouble(const sim_run *run, const bpt_world *world, sim_bounds *in, uint64_t least,
                         bpt_random *random);

/* ---- hunting ---- */

typedef struct sim_hunt {
    uint64_t seed;   /* the first */
    uint64_t points; /* stop when so many crash points were judged */
    double seconds;  /* or after that long */
    unsigned jobs;   /* children side by side */
    bool quiet;
    bool shrinks;
    bool keeps; /* notes in BATPAK_LEDGER what passed, and leaves it out */
} sim_hunt;

/* True: nothing was found. The totals are in `total_out`. */
bool sim_hunt_run(const sim_hunt *hunt, sim_report *total_out);

#endif
