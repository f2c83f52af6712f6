/*
 * repair.h: a new store from what is left of a damaged one. The damaged one is only read.
 */
#ifndef BATPAK_REPAIR_H
#define BATPAK_REPAIR_H

#include <batpak/store.h>

#ifdef __cplusplus
extern "C" {
#endif

/* What speaks for an event that is taken over. Of both: its record's checksum, its place behind a frame header that bears the
 * segment's secret salt, its clock and its HLC. */
typedef enum bp_proof {
    BP_PROOF_CHAIN = 0,   /* and its hash, computed anew over the event before it in its entity */
    BP_PROOF_CHECKSUM = 1 /* the event before it is lost, so that its hash cannot be computed */
} bp_proof;

typedef enum bp_repair_note_kind {
    BP_REPAIR_FILE = 0,     /* something is wrong with a file as a whole, or at one place of it: file, what */
    BP_REPAIR_DAMAGE = 1,   /* bytes of a segment that do not hold what they should: file, offset, bytes, what */
    BP_REPAIR_REJECTED = 2, /* a record that is whole and contradicts the history: first, entity, what */
    BP_REPAIR_LOST = 3,     /* sequences first..last: their events are lost */
    BP_REPAIR_RUN = 4,      /* sequences first..last were taken over: proof, changed */
    BP_REPAIR_ENTITY = 5    /* an entity of which events are known to be lost: entity, count */
} bp_repair_note_kind;

/* One thing that was found. Strings live during the call, those that do not apply are NULL. */
typedef struct bp_repair_note {
    bp_repair_note_kind kind;
    const char *file; /* relative to the store */
    bool has_offset;
    uint64_t offset;
    uint64_t bytes;
    uint64_t first;
    uint64_t last; /* inclusive */
    uint64_t count;
    bp_proof proof;
    bool changed; /* RUN: taken over with another clock or hash; the old ones are in the extension BP_TAG_SALVAGED */
    const char *entity;
    const char *what;
} bp_repair_note;

typedef void (*bp_repair_note_fn)(void *context, const bp_repair_note *note);

typedef struct bp_repair_options {
    size_t size;       /* set by bp_repair_options_init */
    bool dry_run;      /* only tell; target_dir may be NULL then */
    uint64_t lost_max; /* BP_ERR_TOO_LARGE if more events than that are lost: each takes a record. Default 50 million */
    uint32_t segment_size; /* of the new store; 0: as the old one's, or the default */
    const bp_io *io;       /* NULL: this machine, also below */
    const bp_clock *clock;
    const bp_random *random;
    const bp_allocator *allocator;
    bp_repair_note_fn note; /* NULL: not told */
    void *note_context;
    bp_progress_fn progress;
    void *progress_context;
} bp_repair_options;

BP_API void bp_repair_options_default(bp_repair_options *options, size_t size);
static inline void bp_repair_options_init(bp_repair_options *options)
{
    bp_repair_options_default(options, sizeof *options);
}

typedef struct bp_repair_report {
    bp_id source_id;      /* the old store's; the new one has an id of its own */
    bool manifest_good;   /* the old store's manifest and the list that it names could be read */
    bool list_good;       /* a segment list could be */
    uint64_t events;      /* taken over */
    uint64_t unchanged;   /* of them with every field and hash as they were */
    uint64_t checked;     /* of them by BP_PROOF_CHECKSUM; all others by BP_PROOF_CHAIN */
    uint64_t lost;        /* sequences without an event; each has a stand-in in the new store */
    uint64_t lost_ranges; /* runs of them */
    uint64_t next_sequence;
    uint64_t rejected;          /* records that contradict the history; they count as lost too */
    uint64_t entities;          /* of which events were taken over */
    uint64_t entities_affected; /* of which events are known to be lost */
    uint64_t causes_lost;       /* events that name a cause which is lost; they are marked external now */
    uint64_t partial_commits;   /* commits of which some records could be read and others not */
    uint64_t damages;           /* runs of damaged bytes */
    uint64_t damaged_bytes;
    uint64_t segments; /* files that were read */
    uint32_t segments_missing;
    uint32_t segments_foreign;
    uint32_t segments_superseded; /* other generations of the same segments */
    uint64_t unsettled_bytes;     /* behind the end; nothing vouches for them, and an opening would cut them too */
    uint64_t dropped;             /* events that retention had dropped, taken over as such; not among `events` */
} bp_repair_report;

/*
 * Takes every provable event of the store at source_dir over into a new store at target_dir, which must not exist or be an empty directory.
 * source_dir is only read, whatever its state: no byte and no time of change of it becomes another; nobody should be writing it.
 *
 * The new store keeps sequence, id, HLC, time, salt, payload and everything else of each event that is taken over. Where nothing
 * before it in its entity is lost, clock and hashes are kept too, so that receipts and positions hold. Else its clock and its
 * hash are other ones, and what they were stands in its public extension BP_TAG_SALVAGED: clock (8), event hash (32), bp_proof (1),
 * little-endian. In place of each lost event stands a system event of kind BP_KIND_INIT, so that sequences stay dense: a stand-in,
 * `{"lost":true}`. If anything was lost or changed, the last event is another of that kind and tells of the salvage:
 * `{"salvage":{"source":id, "lost":..., "ranges":[[first,last],...], ...}}`. Without loss the new store is the old one again, hash by hash.
 *
 * What retention had dropped (compact.h) stays dropped: its place is taken over, with id, clock, HLC and hash. Where an event before it is
 * lost, its clock is another one, its hash is not. A commit of which retention dropped a part is several commits in the new store.
 * Stubs and tombstones are taken over as they are; an event whose TOMBSTONE is lost is flagged only if its record says so, too.
 *
 * The store is made under the name target_dir with `.repairing` behind it, synced, verified, and renamed at the end: there is a whole
 * one at target_dir or none. Memory: about 100 bytes for each entity and 24 for each event.
 *
 * BP_OK: done, *report_out (may be NULL) says what; that something was lost is no error.
 *   BP_ERR_NOT_FOUND   there is nothing to be salvaged from
 *   BP_ERR_NOT_EMPTY   target_dir, or target_dir.repairing, is there and not empty
 *   BP_ERR_EXISTS      one of them is a file or a symbolic link, or something was put in its place meanwhile; it
 *                      is not gone into
 *   BP_ERR_CORRUPT     the id of the old store cannot be told from any file; or the new store did not verify (it is left at
 *                      target_dir.repairing)
 *   BP_ERR_VERSION     the old store is of a newer format, which is no damage
 *   BP_ERR_TOO_LARGE   lost_max
 *   BP_ERR_ARGUMENT, BP_ERR_IO, BP_ERR_NO_SPACE, BP_ERR_NO_MEMORY: nothing is at target_dir; what was made so far is left at
 *                      target_dir.repairing
 */
BP_API BP_MUST_USE bp_status bp_repair(const char *source_dir, const char *target_dir, const bp_repair_options *options,
                                       bp_repair_report *report_out, bp_error *error);

#ifdef __cplusplus
}
#endif

#endif
