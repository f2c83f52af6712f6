/*
 * compact.h: taking events away, and making few segments of many, while the store is read and written.
 *
 * Sealed segments never change. Compaction writes their next generation, puts it in their place with one manifest write, and then
 * removes the old files. What is kept is kept byte for byte. Of an event that is dropped remain its sequence, id, entity, scope,
 * clock, HLC and event hash, so that the rest can still be proven, positions still match, ids stay taken, and entities go on
 * where they were. What it said is gone: kind, time, causes, payload.
 */
#ifndef BATPAK_COMPACT_H
#define BATPAK_COMPACT_H

#include <batpak/region.h>
#include <batpak/store.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Is this event to be dropped? Asked in sequence order, more than once for an event: the answer must stay the same during one
 * compaction. Must not call the store. */
typedef bool (*bp_drop_fn)(void *context, const bp_event *event);

/* Told bytes read and written so far, of how many; `what` is "surveying" or "rewriting". False stops: what was done is done. */
typedef bool (*bp_compact_progress_fn)(void *context, const char *what, uint64_t done, uint64_t total);

/*
 * What is to be dropped, and what merged. Retention is given by the four rules below; an event is dropped if it meets all that
 * are given. With none given nothing is dropped. System events are never dropped, nor what is not sealed yet
 * (bp_seal seals it).
 */
typedef struct bp_compact_options {
    size_t size;
    const bp_region *drop; /* rule 1: it is in one of these regions */
    size_t drop_count;
    int64_t committed_before_us; /* rule 2: it was committed before this time, µs since 1970; 0: no rule */
    uint64_t keep_last;          /* rule 3: so many newer events of its entity there are; 0: no rule */
    bp_drop_fn drop_if;          /* rule 4: this says so; NULL: no rule */
    void *drop_context;
    bool merge;            /* neighbours whose rest fits into one segment become one (default true) */
    uint32_t min_segments; /* so many at least become one (default 2, the least) */
    bool plan_only;        /* tell what would be done, and do nothing */
    bp_compact_progress_fn progress;
    void *progress_context;
    bool
        stub_tombstoned; /* of what is tombstoned (tombstone.h) and stays, the payload goes, and what goes with an erasure */
} bp_compact_options;

BP_API void bp_compact_options_default(bp_compact_options *options, size_t size);
static inline void bp_compact_options_init(bp_compact_options *options)
{
    bp_compact_options_default(options, sizeof *options);
}

typedef struct bp_compact_report {
    uint64_t segments;       /* sealed ones that were looked at */
    uint64_t rewritten;      /* of them those that were (would be) written anew */
    uint64_t written;        /* what they became */
    uint64_t bytes_before;   /* of those that were rewritten */
    uint64_t bytes_after;    /* of what they became */
    uint64_t events_dropped; /* now */
    uint64_t events_kept;    /* in the segments that were looked at; before, when nothing was written */
    uint64_t events_gone;    /* had been dropped before */
    uint64_t linked;         /* old segments with other names (hard links, as snapshots make them) */
    uint64_t events_stubbed; /* tombstoned ones, whose payload went now */
} bp_compact_report;

/*
 * Promise: reads, appends and followers of this process go on; each sees every event that is kept, in the same order, and none
 * twice. A reader (bp_open_reader, in this or another process) follows with its next call that begins a read: from then on it shows
 * what was dropped as dropped, and gives the old files back, but for what its iterators and events that are still held need. Who
 * opens, verifies or snapshots meanwhile is not told of damage because of it. A crash at any moment leaves each segment old or new,
 * whole. When this returns BP_OK the space is given back to the file system, but for files that a reader which has not looked since
 * still maps, or that have other names (hard links, snapshots).
 *
 * options NULL: only merges. report_out may be NULL; it is filled in on errors too. Any thread; one compaction (or erasure) runs at a
 * time, a second one waits. With a rule, or stub_tombstoned, it syncs the store first: what is decided by (newer events, tombstones) no
 * crash takes back. Blocks for as long as reading all sealed segments takes, and writing those that change twice
 * (once read more, once written). Needs room for one new segment at a time. It works in pieces of a fifth of a millisecond and
 * takes a third of the time as long as this process appends beside it (so it takes three times as long), all of it otherwise.
 *
 * Errors; in each case segments that were done stay done, the others are as they were, and calling it again goes on:
 *   BP_END             progress said stop, or the store is being closed
 *   BP_ERR_ARGUMENT    an option, or a region
 *   BP_ERR_CORRUPT     a segment that would be read is not whole; it was not touched
 *   BP_ERR_READ_ONLY, BP_ERR_CLOSED, BP_ERR_FORKED, BP_ERR_REENTRANT   nothing was done
 *   BP_ERR_NO_SPACE, BP_ERR_IO, BP_ERR_NO_MEMORY
 *   BP_ERR_FAILED      a sync, or writing the manifest, failed, now or before: the store has failed, as after any failed write
 */
BP_API BP_MUST_USE bp_status bp_compact(bp_store *store, const bp_compact_options *options,
                                        bp_compact_report *report_out, bp_error *error);

#ifdef __cplusplus
}
#endif

#endif
