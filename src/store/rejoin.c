/*
 * rejoin.c: a reader whose place in the log is gone, because the writer recovered from a failed write or sync.
 *
 * The writer then seals the old tail where it was durable, and puts what was published behind that into a new segment
 * (log/relay.c). A reader that had gone further than the old tail now reaches goes back to where both agree, and reads the
 * new segment from there.
 *
 * Holds: nothing is taken back before the new segment was found to hold, event hash for event hash, all that this reader
 * has shown; otherwise it stays as it is, and says BP_ERR_DIVERGED. What was taken back is shown until all of it is read in its
 * new place (bpi_index_truncate): nobody sees less meanwhile, nor when that fails half way.
 */
#include "store/rejoin.h"

#include "base/error.h"
#include "store/indexing.h"

typedef struct comparison {
    bp_store *store;
    const bpi_view *view; /* what is shown; beyond it there may be more in the index, that is not shown yet */
    uint64_t end;         /* behind the last event that was shown or read */
    uint64_t first;       /* of those that stand in another place now; BP_NONE: none */
    uint64_t stop;        /* an LSN behind which the log has all that were shown */
} comparison;

static const bpi_segment_entry *entry_of(const bpi_catalog *catalog, uint32_t ordinal)
{
    for (size_t i = 0; i < catalog->count; i++) {
        if (catalog->entries[i].ordinal == ordinal && catalog->entries[i].state != BPI_SEGMENT_RETIRED) {
            return &catalog->entries[i];
        }
    }
    return NULL;
}

/* A segment that nobody has written to takes the size of a later opening, and is mapped, and its block made, as short as it was. */
static bool outgrows(const bpi_follower *follower, const bpi_catalog *fresh)
{
    const bpi_log_walk *walk = &follower->walk;
    return walk->open && walk->scanner.frames == 0 &&
           fresh->manifest.segment_size > follower->catalog.manifest.segment_size;
}

bool bpi_follower_is_cut(const bpi_follower *follower, const bpi_catalog *fresh)
{
    const bpi_log_walk *walk = &follower->walk;
    uint64_t position = bpi_log_walk_position(walk);
    if (follower->rejoining || outgrows(follower, fresh)) {
        return true; /* or: that list is not compared yet with what is shown */
    }
    if (fresh->manifest.epoch <= follower->catalog.manifest.epoch || walk->chain.next_sequence == 0) {
        return false;
    }
    const bpi_segment_entry *entry = entry_of(fresh, bpi_lsn_ordinal(position));
    if (entry == NULL) {
        return true;
    }
    return entry->state == BPI_SEGMENT_SEALED &&
           (entry->first_sequence + entry->count < walk->chain.next_sequence ||
            (walk->open && entry->salt == walk->scanner.salt && entry->length < bpi_lsn_offset(position)));
}

/* A bpi_covered_fn: what was read and stands where it stood. */
static bp_status pass_known(void *argument, size_t index, size_t *count_out, bp_error *error)
{
    const bp_store *store = argument;
    const bpi_follower *follower = &store->follower;
    const bpi_segment_entry *entry = &follower->catalog.entries[index];
    (void)error;
    *count_out = entry->state == BPI_SEGMENT_SEALED && entry->ordinal <= follower->known_ordinal &&
                 entry->first_sequence + entry->count <= bpi_index_next(store->index);
    return BP_OK;
}

static bp_status diverged(uint64_t sequence, bp_error *error)
{
    return bpi_error_set(error, BP_ERR_DIVERGED,
                         "event %llu, which this reader has read, is not in the log any more; open it anew",
                         (unsigned long long)sequence);
}

static bp_status compare(void *argument, const bp_event *event, bp_error *error)
{
    comparison *with = argument;
    bp_event shown;
    with->first = with->first == BP_NONE ? event->sequence : with->first;
    if (event->sequence >= with->end) {
        return BP_OK;
    }
    with->stop = event->position + 1;
    bp_status status = event->sequence < bpi_view_end(with->view)
                           ? bpi_view_event(with->view, event->sequence, &shown, error)
                           : bpi_index_event(with->store->index, event->sequence, &shown, error);
    if (status == BP_OK && !bp_hash_equal(&shown.event_hash, &event->event_hash)) {
        status = diverged(event->sequence, error);
    }
    return status;
}

/* Reads the new list's tail without an index. */
static bp_status compare_all(bp_store *store, comparison *with, bp_error *error)
{
    bpi_follower *follower = &store->follower;
    bpi_walk_calls calls = {.argument = store, .covered = pass_known, .record = compare};
    bpi_log_walk walk;
    bp_status status = bpi_log_walk_begin(&walk, &follower->home, &follower->catalog, &calls, error);
    if (status != BP_OK) {
        return status;
    }
    walk.record_argument = with;
    status = bpi_log_walk_run(&walk, UINT64_MAX, error);
    if (status == BP_OK || status == BP_END) {
        status = walk.chain.next_sequence >= with->end ? BP_OK : diverged(walk.chain.next_sequence, error);
    }
    bpi_log_walk_end(&walk);
    return status;
}

/* Finds out what stands elsewhere, and proves it. */
static bp_status compare_shown(bp_store *store, comparison *with, bp_error *error)
{
    bpi_view *view = bpi_view_pin(store->index);
    if (view == NULL) {
        return bpi_error_set(error, BP_ERR_NO_MEMORY, "no memory to read the log");
    }
    uint64_t shown = bpi_view_end(view);
    uint64_t read = bpi_index_next(store->index);
    *with = (comparison){.store = store, .view = view, .end = shown < read ? read : shown, .first = BP_NONE};
    bp_status status = compare_all(store, with, error);
    bpi_view_drop(view);
    return status;
}

bp_status bpi_follower_rejoin(bp_store *store, bp_error *error)
{
    bpi_follower *follower = &store->follower;
    bpi_walk_calls calls = {store, NULL, pass_known, bpi_follower_begin_segment, bpi_follower_take, NULL};
    uint64_t read = bpi_index_next(store->index);
    uint32_t ordinal = bpi_lsn_ordinal(bpi_log_walk_position(&follower->walk));
    comparison with = {.first = BP_NONE};
    bpi_log_walk walk;
    follower->known = read > follower->known ? read : follower->known; /* with what index files covered */
    follower->known_ordinal =
        follower->rejoining && ordinal < follower->known_ordinal ? follower->known_ordinal : ordinal;
    bp_status status = compare_shown(store, &with, error);
    if (status == BP_OK) {
        status = bpi_log_walk_begin(&walk, &follower->home, &follower->catalog, &calls, error);
    }
    if (status != BP_OK) {
        return status;
    }
    status = bpi_index_truncate(store->index, with.first < read ? with.first : read, error);
    if (status != BP_OK) {
        bpi_log_walk_end(&walk);
        return status;
    }
    (void)bpi_index_seal_block(store->index, follower->known_ordinal);
    store->block_segment = NULL; /* its block may have gone */
    bpi_log_walk_end(&follower->walk);
    follower->walk = walk;
    follower->rejoining = true;
    (void)atomic_fetch_add(&store->erasures, 2); /* what is read anew may have been */
    follower->least = with.stop;
    bpi_say_number(&follower->home, BP_LOG_WARN, "recovery", "rejoined", "events",
                   (int64_t)(with.first < read ? read - with.first : 0));
    return BP_OK;
}
