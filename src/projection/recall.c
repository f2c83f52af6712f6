/*
 * recall.c: cached states, as far as they can be believed.
 *
 * Holds: a row whose position is not in the view's history is never served, not even stale; nor one with an event that was
 * tombstoned behind its position. And a state that may be made of what was erased since the fold began is never put, or, at a reader,
 * taken back at once.
 */
#include "projection/recall.h"

#include <string.h>

#include "base/bytes.h"
#include "base/error.h"

/* A fresh row is put anew when its position lies so many events back: the next look for news has less to look at. */
enum { BEHIND_MAX = 4096 };

/* ---- what is said ---- */

static void say(const bpi_fold *fold, const bpi_fold_item *item, bp_log_level level, const char *name, const char *why)
{
    const bp_log_hook *hook = fold->store->options.log;
    if (hook != NULL && level >= hook->level) {
        const bp_log_field fields[] = {
            {"cache", fold->options.cache->name, 0}, {"projection", item->projection->type, 0}, {"reason", why, 0}};
        hook->write(hook->context, level, "cache", name, fields, 3);
    }
}

static void warn(const bpi_fold *fold, const bpi_fold_item *item, const char *name, const bp_error *error)
{
    char text[BP_ERROR_MESSAGE_SIZE];
    (void)bp_error_format(error, text, sizeof text);
    say(fold, item, BP_LOG_WARN, name, text);
}

/* ---- taking ---- */

typedef struct burials {
    bpi_fold *fold;
    const bpi_fold_item *item;
} burials;

/* Is an event that was tombstoned none of the row's? What cannot be read counts as one of them. */
static bool concerns_others(void *argument, uint64_t sequence)
{
    const burials *asked = argument;
    const bp_projection *projection = asked->item->projection;
    bp_region region = *asked->fold->asked;
    bp_event event;
    bool relevant = projection->kind_count == 0;
    if (bpi_view_event(asked->fold->view, sequence, &event, NULL) != BP_OK) {
        return false;
    }
    for (size_t i = 0; i < projection->kind_count && !relevant; i++) {
        relevant = projection->kinds[i] == event.kind;
    }
    region.fields &= ~(uint32_t)BP_REGION_TOMBSTONED; /* it was in the row while it was not */
    return event.dropped || !relevant || !bp_region_matches(&region, &event);
}

/* The row of the item, or false: none, not whole, not the item's. */
static bool fetch(bpi_fold *fold, bpi_fold_item *item, bpi_state_row *row_out)
{
    const bp_cache *cache = fold->options.cache;
    const bpi_row_key *key = &item->owner.key;
    bp_error own = {0};
    bp_status status = cache->get(cache->context, key->bytes, key->size, &item->value, &own);
    if (status == BP_ERR_NOT_FOUND) {
        return false;
    }
    status = bpi_error_callback(&own, status, "the cache");
    if (status == BP_OK && item->value.failed) {
        status = bpi_error_set(&own, BP_ERR_NO_MEMORY, "no memory for a cached value");
    }
    if (status != BP_OK) {
        warn(fold, item, "get", &own);
        return false;
    }
    const char *why = bpi_state_row_read(&item->value, &item->owner, row_out);
    if (why == NULL && bpi_fold_check(fold, &row_out->position) != BP_OK) {
        why = "of another history";
    }
    burials asked = {fold, item};
    if (why == NULL && !bpi_view_buried_since(fold->view, row_out->position.next, concerns_others, &asked)) {
        why = "an event of it was tombstoned since";
    }
    if (why != NULL) {
        say(fold, item, BP_LOG_INFO, "ignored", why);
    }
    return why == NULL;
}

/* Does the row lie within what is asked for, when that is a moment of the past? */
static bool before_moment(bpi_fold *fold, const bpi_state_row *row)
{
    const bp_project_options *options = &fold->options;
    if (options->as_of == BP_AS_OF_SEQUENCE) {
        return row->position.next - 1 <= options->as_of_sequence;
    }
    if (options->as_of == BP_AS_OF_COMMITTED) {
        bp_event event;
        return bpi_view_event(fold->view, row->position.next - 1, &event, NULL) == BP_OK &&
               event.hlc <= options->as_of_committed;
    }
    return true;
}

static bool young_enough(const bpi_fold *fold, const bpi_state_row *row)
{
    int64_t now = fold->begun_us;
    return fold->options.max_stale_ms != 0 && fold->options.as_of == BP_AS_OF_NOW && now >= row->complete_us &&
           (uint64_t)now - (uint64_t)row->complete_us <= (uint64_t)fold->options.max_stale_ms * 1000;
}

static bp_status make_state(bpi_fold *fold, bpi_fold_item *item, const bpi_state_row *row)
{
    const bp_projection *projection = item->projection;
    if (projection->flat) {
        bpi_copy(item->state, row->state, projection->state_size); /* of that size: the row's type says so */
        item->made = true;
        return BP_OK;
    }
    bp_status status = projection->decode(projection->context, item->state, row->state, row->state_size, &fold->error);
    status = bpi_error_callback(&fold->error, status, "decode");
    if (status != BP_OK) {
        return bpi_error_wrap(&fold->error, status, "projection %s: a cached state", projection->type);
    }
    item->made = true;
    return BP_OK;
}

bp_status bpi_recall(bpi_fold *fold, bpi_fold_item *item)
{
    bpi_state_row row;
    bp_status status = bpi_row_key_make(item->projection, &fold->store->id, fold->asked, fold->store->allocator,
                                        &item->owner.key, &fold->error);
    if (status != BP_OK || !fetch(fold, item, &row) || !before_moment(fold, &row)) {
        return status;
    }
    bool stale = young_enough(fold, &row);
    bool goes_on = item->projection->incremental && fold->store->options.incremental_projection;
    if (!stale) {
        status = bpi_fold_news(fold, item, row.position.next);
        if (status == BP_OK && !goes_on) {
            return BP_OK; /* to be folded from its first event */
        }
        if (status != BP_OK && status != BP_END) {
            return status;
        }
        item->done = status == BP_END;
    }
    item->done = item->done || stale;
    item->stale = stale;
    item->cached = true;
    item->from = row.position.next;
    item->behind = fold->end - row.position.next;
    item->result->position = row.position;
    return make_state(fold, item, &row);
}

/* ---- putting ---- */

static bool encode(bpi_fold_item *item, bp_error *error)
{
    const bp_projection *projection = item->projection;
    bool room = bpi_row_begin(&item->value);
    bp_status status = BP_OK;
    if (room && projection->flat) {
        room = bp_output_append(&item->value, item->state, projection->state_size);
    } else if (room) {
        status = projection->encode(projection->context, item->state, &item->value, error);
    }
    if (!room || item->value.failed) {
        bpi_error_set(error, BP_ERR_NO_MEMORY, "no memory for a row");
        return false;
    }
    return bpi_error_callback(error, status, "encode") == BP_OK;
}

static bp_status put_row(bpi_fold *fold, bpi_fold_item *item, bp_error *error)
{
    const bpi_row_key *key = &item->owner.key;
    const bp_cache *cache = fold->options.cache;
    return cache->put(cache->context, key->bytes, key->size, bp_output_data(&item->value), bp_output_size(&item->value),
                      error);
}

/* Has the writer rewritten segments since the fold of a reader began? Who cannot tell says yes. */
static bool rewritten_since(const bpi_fold *fold)
{
    bp_store *store = fold->store;
    return bpi_follower_refresh(store, NULL) != BP_OK || atomic_load(&store->erasures) != fold->erasures;
}

/* A writer elsewhere swaps before it empties caches: who puts behind that sees the swap, and takes back what he put. */
static bp_status put_beside_writer(bpi_fold *fold, bpi_fold_item *item, bp_error *error)
{
    const bpi_row_key *key = &item->owner.key;
    const bp_cache *cache = fold->options.cache;
    uint64_t unused = 0;
    if (rewritten_since(fold)) {
        return BP_OK;
    }
    bp_status status = put_row(fold, item, error);
    return rewritten_since(fold) ? cache->delete_prefix(cache->context, key->bytes, key->size, &unused, error) : status;
}

/* Puts the row, unless an erasure empties caches, or has done so since the fold began. False: the cache failed. */
static bool put(bpi_fold *fold, bpi_fold_item *item, bp_error *error)
{
    bp_store *store = fold->store;
    bp_status status = BP_OK;
    if (store->reader) {
        return bpi_error_callback(error, put_beside_writer(fold, item, error), "the cache") == BP_OK;
    }
    if (atomic_load(&store->erasures) != fold->erasures) {
        return true; /* and the erasure need not wait for us */
    }
    (void)pthread_rwlock_rdlock(&store->putting);
    if (atomic_load(&store->erasures) == fold->erasures) {
        status = put_row(fold, item, error);
    }
    (void)pthread_rwlock_unlock(&store->putting);
    return bpi_error_callback(error, status, "the cache") == BP_OK;
}

void bpi_recall_put(bpi_fold *fold, bpi_fold_item *item, const bp_position *position)
{
    bool old = item->behind > BEHIND_MAX || fold->options.max_stale_ms != 0;
    bool news = item->result->applied > 0 || !item->cached;
    if (position->next == 0 || item->stale || !item->made || (!news && !old)) {
        return;
    }
    bp_error own = {0};
    if (news && !encode(item, &own)) {
        warn(fold, item, "encode", &own);
        return;
    }
    bpi_row_finish(&item->value, &item->owner, position, fold->begun_us);
    if (!put(fold, item, &own)) {
        warn(fold, item, "put", &own);
    }
}
