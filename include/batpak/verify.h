/*
 * verify.h: proving a store. Reads every byte with pread, writes nothing, needs no index, and works beside a writer
 * (up to what was published when it began).
 */
#ifndef BATPAK_VERIFY_H
#define BATPAK_VERIFY_H

#include <batpak/store.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct bp_fault {
    const char *file; /* relative to the store */
    uint64_t offset;
    bool has_sequence;
    uint64_t sequence;
    const char *entity; /* NULL when not known; lives during the call */
    const char *what;   /* "event hash does not match", ...; lives during the call */
} bp_fault;

/* Called for every fault. Non-zero stops verifying. */
typedef int (*bp_fault_fn)(void *context, const bp_fault *fault);

typedef struct bp_verify_options {
    size_t size;
    const bp_io *io; /* NULL: this machine */
    const bp_allocator *allocator;
    bp_fault_fn fault; /* NULL: only counted */
    void *fault_context;
    bp_progress_fn progress;
    void *progress_context;
    bp_fault_fn
        index_fault; /* told, with fault_context, of index files that are wrong and on which page; NULL: counted */
} bp_verify_options;

BP_API void bp_verify_options_default(bp_verify_options *options, size_t size);
static inline void bp_verify_options_init(bp_verify_options *options)
{
    bp_verify_options_default(options, sizeof *options);
}

typedef struct bp_verify_report {
    uint64_t faults;
    uint64_t events; /* events read and proven */
    uint64_t entities;
    uint64_t segments;
    uint64_t frames;
    uint64_t bytes;
    uint64_t stubs;   /* events whose payload was erased: chain proven, payload gone */
    uint64_t dropped; /* events that retention took away: their place in chain and order proven, not what they said */
    uint64_t unsettled_bytes; /* bytes behind the end that nothing vouches for; recovery would cut them */
    uint64_t index_files;
    /* Not of these segments, with a damaged page, or saying what the log does not: no fault, they are made anew. What they say is
     * only held against a log without a fault. */
    uint64_t index_files_wrong;
    bp_hash root; /* Merkle root over all event hashes in sequence order */
    /* Erasures that are on record and not finished (or going on): no fault, but what is to go may still be there. The next opening for
     * writing finishes them. */
    uint64_t unfinished_erasures;
} bp_verify_report;

/*
 * Beside a writer that compacts or erases, each event is proven in the file that had it when its turn came; of a file that took the
 * place of others in the midst, the events proven before are held against its checksums and its root.
 *
 * BP_OK: everything holds. BP_ERR_CORRUPT: faults were found; all of them were reported. Other errors: it could not be
 * read (no store, newer format, I/O).
 */
BP_API BP_MUST_USE bp_status bp_verify(const char *path, const bp_verify_options *options, bp_verify_report *report_out,
                                       bp_error *error);

#ifdef __cplusplus
}
#endif

#endif
