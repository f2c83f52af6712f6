/*
 * inspect.h: what opening a store would do, told without doing it.
 */
#ifndef BATPAK_INSPECT_H
#define BATPAK_INSPECT_H

#include <batpak/store.h>

#ifdef __cplusplus
extern "C" {
#endif

/* What bp_open with the same options would make of the directory. */
typedef enum bp_recovery_verdict {
    BP_RECOVERY_NOTHING = 0, /* it was closed cleanly; it is opened as it is */
    BP_RECOVERY_SETTLE = 1,  /* it was not closed; all that is there counts, and is claimed under a new epoch */
    BP_RECOVERY_CUT = 2,     /* so, and bytes behind the end that nothing vouches for are set aside */
    BP_RECOVERY_MAKE = 3,    /* no store is there (or one whose making was interrupted): a new, empty one is made */
    BP_RECOVERY_REFUSE = 4   /* it is not opened; `refusal` says why */
} bp_recovery_verdict;

typedef enum bp_recovery_step_kind {
    BP_STEP_FINISH = 0, /* a file of a segment that was rewritten: removed */
    BP_STEP_REMOVE = 1, /* a segment file without frames that no list names: removed */
    BP_STEP_READ = 2,   /* a sealed segment without an index file: read whole, and a file written for it */
    BP_STEP_REPLAY = 3, /* frames of an open segment: read again */
    BP_STEP_SEAL = 4,   /* a finished segment: sealed under its Merkle root, an index file written for it */
    BP_STEP_CUT = 5,    /* bytes behind the end of the log: copied into a .torn file, synced, zeroed */
    BP_STEP_DROP = 6,   /* an open segment that the log does not reach: taken off the list */
    BP_STEP_ERASE = 7,  /* the note of an erasure that is on record: it is finished, and the note removed */
    BP_STEP_FORGET = 8  /* the note of an erasure that never came on record: removed */
} bp_recovery_step_kind;

/* One thing that opening would do with one file, in that order. Strings live during the call. */
typedef struct bp_recovery_step {
    bp_recovery_step_kind kind;
    const char *file; /* relative to the store */
    uint64_t offset;  /* where what is said begins */
    uint64_t bytes;
    uint64_t frames; /* CUT: valid frame headers among the bytes */
    uint64_t events;
} bp_recovery_step;

typedef struct bp_inspection {
    bp_recovery_verdict verdict;
    bp_error refusal;         /* of REFUSE: what bp_open would answer, file and offset included; else holds nothing */
    uint64_t events;          /* in the store after opening; of REFUSE as far as they were read */
    uint64_t end;             /* LSN where the log would end: segment ordinal << 32 | offset. 0: it was not found */
    uint64_t vouched;         /* LSN up to which the log is known to have been kept */
    uint64_t replayed_frames; /* in open segments */
    uint64_t replayed_events;
    uint64_t cut_bytes;
    uint64_t cut_frames;    /* valid frame headers among them */
    uint32_t cut_files;     /* .torn files that would be made */
    uint32_t sealed;        /* sealed segments */
    uint32_t indexed;       /* of them answered for by index files, and so not read */
    uint32_t epoch;         /* after opening */
    uint32_t segment_files; /* to be removed: no list names them, or they were rewritten */
    uint32_t erasures;      /* that were interrupted, and would be finished; what they rewrite is not foreseen */
    uint32_t writer; /* process that said it had the store open when it was last heard of; 0: it was closed. While that
                               process runs, bp_open is BP_ERR_LOCKED */
} bp_inspection;

/* Called for each step, when all has been looked at. Non-zero: no more of them are told. */
typedef int (*bp_recovery_step_fn)(void *context, const bp_recovery_step *step);

/*
 * Finds out what bp_open(path, options) would do now, by the same code up to the first write; writes nothing, makes nothing, takes no
 * lock. options NULL: the defaults, which make what is missing. `step` may be NULL. Reads what an opening would read, with
 * as much memory. That a system call of the opening itself would fail (rights, space) is not foreseen.
 *
 * BP_OK: *inspection_out says it, a refusal too. Any thread; the store may be open elsewhere (then the answer is for the moment, and
 * what a writer changed meanwhile is looked at anew).
 *   BP_ERR_ARGUMENT   path or inspection_out is NULL, or an option out of range
 *   BP_ERR_IO, BP_ERR_NO_MEMORY   it could not be found out
 */
BP_API BP_MUST_USE bp_status bp_inspect_recovery(const char *path, const bp_options *options, bp_recovery_step_fn step,
                                                 void *context, bp_inspection *inspection_out, bp_error *error);

#ifdef __cplusplus
}
#endif

#endif
