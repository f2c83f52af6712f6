/*
 * erase.h: taking payloads out of the log, for good. Of an erased event its payload, its salt and its private extensions (a
 * bypass reason, a subject) are gone from every file of the store; a stub stays, with the content hash in their place, so that
 * chains, roots, receipts and positions hold as before. Without the salt nobody can try guesses against that hash.
 *
 * Not erasable: entity, scope, kind, times, causes, correlation, public extensions. Put nothing into them that must be forgotten.
 *
 * Sealed segments never change: their next generation is written, put in their place with one manifest write, and the old
 * files are removed (compact.h has the same beneath it). Appends and readers go on meanwhile.
 */
#ifndef BATPAK_ERASE_H
#define BATPAK_ERASE_H

#include <batpak/cache.h>
#include <batpak/region.h>
#include <batpak/store.h>

#ifdef __cplusplus
extern "C" {
#endif

#define BP_ERASE_IDS_MAX 4096u /* ids of one erasure */

/* Told bytes read and written so far, of how many. False stops: what was done is done, asking again goes on. */
typedef bool (*bp_erase_progress_fn)(void *context, const char *what, uint64_t done, uint64_t total);

/* What, why and by whom: exactly one of ids, region and subject. Start from bp_erase_options_init. */
typedef struct bp_erase_options {
    size_t size;
    const bp_id *ids; /* these events; all must be there */
    size_t id_count;
    const bp_region *region; /* what lies in it now; system events never do */
    const char *subject;     /* what is encrypted for it (keys.h), its name included. Reads the whole log */
    const char
        *reason;    /* for the record that stays: UTF-8 without control characters, 1..1024 bytes. Name nobody in it */
    const char *by; /* who decided it, the same */
    bp_cache *const *caches; /* emptied, since states in them were made from what goes; besides those in cache/ */
    size_t cache_count;
    bool plan_only; /* count, and do nothing */
    bp_erase_progress_fn progress;
    void *progress_context;
} bp_erase_options;

BP_API void bp_erase_options_default(bp_erase_options *options, size_t size);
static inline void bp_erase_options_init(bp_erase_options *options)
{
    bp_erase_options_default(options, sizeof *options);
}

typedef struct bp_erase_report {
    uint64_t found;    /* events that are meant and have a payload */
    uint64_t before;   /* events that are meant and are stubs already */
    uint64_t erased;   /* now */
    uint64_t segments; /* written anew */
    uint64_t bytes;    /* that the log is shorter; a stub is no shorter than a small payload */
    uint64_t torn;     /* .torn files removed: what recovery had cut may hold the same bytes */
    uint64_t caches;   /* files of cache/ removed, and caches of the options emptied */
    uint64_t linked;   /* old segments with other names (hard links, as snapshots make them), which keep the bytes */
    uint64_t sequence; /* of the erasure record; BP_NONE: nothing was to be erased */
} bp_erase_report;

/*
 * Erases. First the segment that is being written is sealed, if it holds one of the events; then the record (a durable system
 * event: what, who, why, when, how many) is written; then segments are rewritten, `.torn` files and cached states removed.
 * BP_OK: no file of the store holds the bytes any more. After anything else, a crash included, the record may be there and
 * some segments rewritten: the store is right in any case, and asking again with the same options goes on; asking for what is
 * erased already is BP_OK with `erased` 0. What is on record the next bp_erase of this handle finishes first, with its caches and its
 * progress, whatever it is asked for (so that it has nothing left to do when it is asked for the same), or the next bp_open by
 * itself, and until it has, it does not succeed; of caches it empties those in cache/ alone. What is not on record was not begun.
 *
 * Who else may have the bytes: iterators and events that are still held (old files stay mapped until they are closed), and a
 * reader (bp_open_reader) until its next call that begins a read, which gives the stub, as all after it; hard links to old
 * segments, as snapshots make them, and every other copy of the store; caches and read models that the library does not know; the medium itself, as with every removed file.
 * A projection that is under way at this handle puts nothing of it into a cache that was emptied. One at a reader's handle, here or in
 * another process, that puts a state made of the payloads sees what was done behind that, and takes it back at once; only a process that
 * is killed between the two leaves it: then empty the cache again (bp_cache_forget, or ask for the erasure again).
 * A retry of an erased event is a duplicate, marked unverifiable. report_out may be NULL. Any thread; one at a time, with
 * compaction.
 *
 *   BP_ERR_ARGUMENT  none or several of ids, region, subject; no reason; nobody who decides. BP_ERR_TOO_LARGE: too many ids
 *   BP_ERR_NOT_FOUND an id that is not there; BP_ERR_DROPPED: one that retention took away; BP_ERR_KIND: one of a system event.
 *                    Nothing was done
 *   BP_ERR_CORRUPT   a segment is damaged: it, and what comes behind it, stays as it was
 *   BP_END           progress said stop
 *   BP_ERR_LOCKED    the events are erased, but another connection is using an SQLite cache of `caches`, whose file may hold
 *                    states made from them still: ask again
 *   BP_ERR_IO, BP_ERR_NO_SPACE, BP_ERR_FAILED, BP_ERR_NO_MEMORY, BP_ERR_READ_ONLY, BP_ERR_FORKED, BP_ERR_CLOSED
 */
BP_API BP_MUST_USE bp_status bp_erase(bp_store *store, const bp_erase_options *options, bp_erase_report *report_out,
                                      bp_error *error);

#ifdef __cplusplus
}
#endif

#endif
