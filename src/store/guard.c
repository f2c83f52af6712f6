/*
 * guard.c: has anything come into a region behind a position? Asked with the commit lock held.
 *
 * Holds: what is asked is everything committed, because publishing happens under the same lock. The cheap answers come
 * first: nothing at all is new; the entity's, or the scope's, newest event is older. Else the rows behind the position are looked at,
 * newest first, and the first match ends it.
 */
#include "store/commit.h"

#include "base/assert.h"
#include "base/error.h"
#include "base/plant.h"
#include "store/read.h"

enum { REGION_SHOWN = 200 };

bp_guard bp_guard_of(const bp_region *region, bp_position after)
{
    return (bp_guard){.region = region, .after = after};
}

bp_status bpi_guards_stage(const bp_append_options *options, bpi_scratch *scratch, bpi_staged *staged, bp_error *error)
{
    bp_region region;
    if (options->guards == NULL) {
        return bpi_error_set(error, BP_ERR_ARGUMENT, "guards is NULL but has a count");
    }
    for (size_t i = 0; i < options->guard_count; i++) {
        bp_status status = bpi_region_take(options->guards[i].region, &region, error);
        if (status != BP_OK) {
            return bpi_error_wrap(error, status, "guard %zu", i);
        }
    }
    staged->guards = options->guards;
    staged->guard_count = options->guard_count;
    scratch->guarded = true;
    return BP_OK;
}

static bp_status diverged(const bp_position *position, bp_error *error)
{
    bpi_error_set(error, BP_ERR_DIVERGED,
                  "the guard's position (event %llu of epoch %u) is not in this store's history; nothing was appended",
                  (unsigned long long)(position->next - 1), (unsigned)position->epoch);
    bpi_error_hint(error, "query again, decide again, and guard with the position of that query");
    return BP_ERR_DIVERGED;
}

/* Is the history the one that was decided upon? */
static bp_status check_position(bp_store *store, const bp_position *position, bp_error *error)
{
    bp_event event;
    if (position->next == 0) {
        return BP_OK;
    }
    if (position->next > store->log.next_sequence) {
        return diverged(position, error);
    }
    bp_status status = bpi_commit_event(store, position->next - 1, &event, error);
    if (status == BP_OK && !bp_hash_equal(&event.event_hash, &position->event_hash)) {
        status = diverged(position, error);
    }
    return status;
}

static bp_status conflict(bp_store *store, const bp_guard *guard, const bp_region *region, uint64_t sequence,
                          bp_error *error)
{
    bp_event event;
    bp_status status = bpi_commit_event(store, sequence, &event, error);
    if (status != BP_OK) {
        return status;
    }
    char text[REGION_SHOWN];
    char id[BP_ID_TEXT_SIZE];
    size_t shown = event.entity.size < 64 ? event.entity.size : 64;
    bp_id_print(&event.id, id);
    (void)bp_region_format(region, text, sizeof text);
    bpi_error_set(
        error, BP_ERR_CONFLICT, "event %llu (%s) of \"%.*s\" came into the guarded region \"%s\" behind position %llu",
        (unsigned long long)sequence, id, (int)shown, event.entity.data, text, (unsigned long long)guard->after.next);
    bpi_error_hint(error, "query again, decide again, and guard with the position of that query");
    bpi_error_entity(error, event.entity);
    if (error != NULL) {
        error->expected = BP_NONE;
        error->actual = event.clock;
        error->has_sequence = true;
        error->sequence = sequence;
        error->has_id = true;
        error->id = event.id;
    }
    return BP_ERR_CONFLICT;
}

/* The newest event of the region at or behind `first`; BP_NONE. */
static bp_status newest_behind(bp_store *store, bp_region *region, uint64_t first, uint64_t *sequence_out,
                               bp_error *error)
{
    bpi_scan *scan = NULL;
    bp_query_options options;
    bp_query_options_init(&options);
    options.backward = true;
    options.limit = 1;
    if (!(region->fields & BP_REGION_SEQUENCE)) {
        bp_region_set_sequence(region, first, UINT64_MAX);
    } else if (region->sequence_min < first) {
        region->sequence_min = first;
    }
    bpi_view *view = bpi_view_pin(store->index);
    if (view == NULL) {
        return bpi_error_set(error, BP_ERR_NO_MEMORY, "no memory to judge a guard; nothing was appended");
    }
    BPI_ASSERT(bpi_view_end(view) == store->log.next_sequence);
    bp_status status = bpi_scan_begin(view, region, &options, &scan, error);
    if (status == BP_OK) {
        bpi_scan_confirm(scan);
        status = bpi_scan_next(scan, sequence_out, NULL, error);
        bpi_scan_end(scan);
    }
    bpi_view_drop(view);
    if (status == BP_END) {
        *sequence_out = BP_NONE;
        status = BP_OK;
    }
    return status;
}

static bp_status check_guard(bp_store *store, const bp_guard *guard, bp_error *error)
{
    uint64_t first = guard->after.next;
    uint64_t found = BP_NONE;
    if (bpi_planted(BPI_PLANT_GUARD_SEES_DURABLE) && first >= atomic_load(&store->log.durable_sequence)) {
        return BP_OK;
    }
    bp_region region;
    bp_status status = bpi_region_take(guard->region, &region, error);
    if (status != BP_OK || first == store->log.next_sequence) {
        return status;
    }
    /* What is not known in memory has no event in the active block, but may have some in those before it. */
    bool recent = first >= bpi_index_active_first(store->index);
    if ((region.fields & (BP_REGION_ENTITY | BP_REGION_PREFIX)) == BP_REGION_ENTITY) {
        const bpi_entity *entity = bpi_index_find_entity(store->index, region.entity);
        if (entity == NULL ? recent : entity->head.events == 0 || entity->head.last < first) {
            return BP_OK;
        }
    }
    if (region.fields & BP_REGION_SCOPE) {
        uint64_t newest = bpi_index_scope_newest(store->index, region.scope);
        if (newest == BP_NONE ? recent : newest < first) {
            return BP_OK;
        }
    }
    bp_region narrowed = region;
    status = newest_behind(store, &narrowed, first, &found, error);
    return status != BP_OK || found == BP_NONE ? status : conflict(store, guard, &region, found, error);
}

bp_status bpi_guards_check(bp_store *store, const bpi_scratch *scratch, size_t count, bp_error *error)
{
    bp_position held = {0};
    for (size_t i = 0; i < count; i++) {
        const bpi_staged *staged = &scratch->items[i];
        for (size_t g = 0; g < staged->guard_count; g++) {
            const bp_guard *guard = &staged->guards[g];
            bp_status status = BP_OK;
            if (guard->after.next != held.next || !bp_hash_equal(&guard->after.event_hash, &held.event_hash)) {
                status = check_position(store, &guard->after, error);
                held = guard->after;
            }
            if (status == BP_OK) {
                status = check_guard(store, guard, error);
            }
            if (status != BP_OK) {
                if (error != NULL && count > 1) {
                    error->has_index = true;
                    error->index = i;
                }
                return status;
            }
        }
    }
    return BP_OK;
}
