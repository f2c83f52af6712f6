/*
 * erase.c: payloads become stubs.
 *
 * Holds: the events that are meant are those below one sequence, found before the record is written; an event is meant or
 * not by what stays of it (id, names, times), or by the subject that goes with the payload, so that a second look at the
 * rest after a crash means the same ones.
 */
#include <batpak/erase.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "base/error.h"
#include "base/ids.h"
#include "base/options.h"
#include "base/plant.h"
#include "base/text.h"
#include "store/erase_files.h"
#include "store/erasure.h"
#include "store/intent.h"
#include "store/naming.h"
#include "store/read.h"
#include "store/rewrite.h"

enum { REGION_TEXT = 16384, ROUNDS = 16 };

typedef struct erasing {
    bp_store *store;
    bp_erase_options options;
    bp_erase_report *report;
    bp_id *ids;          /* sorted */
    uint64_t until;      /* events below this sequence are meant */
    uint64_t found;      /* meant, and still with a payload */
    uint64_t before;     /* meant, and stubs */
    bpi_buffer ordinals; /* of the segments that hold them; some twice */
    uint32_t first;      /* ordinals of the segments that hold them */
    uint32_t last;
    uint32_t newest; /* noted last */
    bp_id record;    /* of the erasure record */
    bool noted;      /* there is an intent of it */
    bool on_record;  /* what an earlier call put there is being finished */
} erasing;

void bp_erase_options_default(bp_erase_options *options, size_t size)
{
    bp_erase_options defaults = {.size = size};
    if (options != NULL && size >= sizeof(size_t)) {
        memset(options, 0, size);
        memcpy(options, &defaults, size < sizeof defaults ? size : sizeof defaults);
    }
}

/* ---- what is meant ---- */

static int compare_ids(const void *a, const void *b)
{
    return bp_id_compare(a, b);
}

static bool is_meant(const erasing *e, const bp_event *event)
{
    bp_text subject;
    if (event->sequence >= e->until || event->dropped || bp_text_equal(event->entity, bp_text_of(BP_SYSTEM_ENTITY))) {
        return false;
    }
    if (e->ids != NULL) {
        return bsearch(&event->id, e->ids, e->options.id_count, sizeof *e->ids, compare_ids) != NULL;
    }
    if (e->options.region != NULL) {
        bp_event flagged = *event; /* as readers see it, while the record in the log may not say so */
        flagged.tombstoned = event->tombstoned || bpi_index_buried_below(e->store->index, event->sequence, e->until);
        return bp_region_matches(e->options.region, &flagged);
    }
    return bpi_event_subject(event, &subject) && bp_text_equal(subject, bp_text_of(e->options.subject));
}

static bp_status decide(void *argument, const bp_event *event, unsigned *fate_out, bp_error *error)
{
    const erasing *e = argument;
    (void)error;
    *fate_out = !event->payload_absent && is_meant(e, event) ? BPI_FATE_STUB : BPI_FATE_KEEP;
    return BP_OK;
}

static bp_status note(erasing *e, const bp_event *event, bp_error *error)
{
    if (event->payload_absent) {
        e->before++;
        return BP_OK;
    }
    uint32_t ordinal = bpi_lsn_ordinal(event->position);
    bool new = e->found == 0 || ordinal != e->newest;
    if (new && !bpi_buffer_append(&e->ordinals, &ordinal, sizeof ordinal)) {
        return bpi_error_set(error, BP_ERR_NO_MEMORY, "no memory to erase; nothing was done");
    }
    e->newest = ordinal;
    e->first = e->found == 0 || ordinal < e->first ? ordinal : e->first;
    e->last = ordinal > e->last ? ordinal : e->last;
    e->found++;
    return BP_OK;
}

/* Each id must lead to an event that can be erased. */
static bp_status find_ids(erasing *e, bpi_view *view, bp_error *error)
{
    for (size_t i = 0; i < e->options.id_count; i++) {
        bp_event event;
        uint64_t sequence = 0;
        char text[BP_ID_TEXT_SIZE];
        bp_id_print(&e->ids[i], text);
        bp_status status = bpi_view_find_id(view, &e->ids[i], &sequence, error);
        if (status == BP_OK) {
            status = bpi_view_event(view, sequence, &event, error);
        }
        if (status == BP_OK && event.dropped && !e->on_record) {
            status = bpi_store_dropped(&event, error);
        } else if (status == BP_ERR_NOT_FOUND) {
            bpi_error_set(error, BP_ERR_NOT_FOUND, "no event with id %s; nothing was erased", text);
            bpi_error_hint(error, "leave it out, or look at it with batpak get");
        } else if (status == BP_OK && bp_text_equal(event.entity, bp_text_of(BP_SYSTEM_ENTITY))) {
            status = bpi_error_set(error, BP_ERR_KIND, "event %s is the library's own and cannot be erased", text);
        }
        if (status == BP_OK) {
            status = note(e, &event, error);
        }
        if (status != BP_OK) {
            return status;
        }
    }
    return BP_OK;
}

/* What lies in the region; for a subject everything is looked at. */
static bp_status find_in_region(erasing *e, bpi_view *view, bp_error *error)
{
    bp_region all = bp_region_all();
    bp_query_options query;
    bpi_scan *scan = NULL;
    bp_event event;
    uint64_t sequence = 0;
    bp_query_options_init(&query);
    bp_status status = bpi_scan_begin(view, e->options.region != NULL ? e->options.region : &all, &query, &scan, error);
    while (status == BP_OK) {
        status = bpi_scan_next(scan, &sequence, &event, error);
        if (status == BP_OK && is_meant(e, &event)) {
            status = note(e, &event, error);
        }
    }
    bpi_scan_end(scan);
    return status == BP_END ? BP_OK : status;
}

static bp_status find(erasing *e, bp_error *error)
{
    bpi_view *view = bpi_view_pin(e->store->index);
    if (view == NULL) {
        return bpi_error_set(error, BP_ERR_NO_MEMORY, "no memory for a view");
    }
    e->found = 0;
    e->before = 0;
    e->ordinals.size = 0;
    e->until = e->until == 0 ? bpi_view_end(view) : e->until;
    bp_status status = e->ids != NULL ? find_ids(e, view, error) : find_in_region(e, view, error);
    bpi_view_drop(view);
    return status;
}

/* ---- the record ---- */

static bool put_ids(const erasing *e, bpi_buffer *what)
{
    bool good = bpi_json_put_raw(what, ",\"ids\":[");
    for (size_t i = 0; good && i < e->options.id_count; i++) {
        char text[BP_ID_TEXT_SIZE];
        bp_id_print(&e->ids[i], text);
        good = (i == 0 || bpi_json_put_raw(what, ",")) && bpi_json_put_string(what, bp_text_of(text));
    }
    return good && bpi_json_put_raw(what, "]");
}

/* Names no subject, which is one of the things that go. */
static bool put_what(const erasing *e, bpi_buffer *what)
{
    bool good = bpi_json_put_raw(what, "{") && bpi_json_put_field(what, "what", bp_text_of("payload"));
    if (e->ids != NULL) {
        good = good && put_ids(e, what);
    } else if (e->options.region != NULL) {
        char text[REGION_TEXT];
        (void)bp_region_format(e->options.region, text, sizeof text);
        good = good && bpi_json_put_field(what, "region", bp_text_of(text));
    } else {
        good = good && bpi_json_put_raw(what, ",\"subject\":true");
    }
    return good && bpi_json_put_number(what, "below", e->until) &&
           bpi_json_put_number(what, "events", e->report->found);
}

/* What the next opening finishes, if this does not. */
static bp_status put_intent(erasing *e, bp_error *error)
{
    const bp_options *tables = &e->store->options;
    uint8_t bytes[10];
    char text[REGION_TEXT];
    bpi_intent intent = {.below = e->until, .kind = BPI_INTENT_IDS, .ids = e->ids, .id_count = e->options.id_count};
    int code = tables->random->fill(tables->random->context, bytes, sizeof bytes);
    if (code != 0) {
        return bpi_error_system(error, code, "cannot draw an id for an erasure record; nothing was done");
    }
    e->record = bpi_id_v7((uint64_t)(bpi_store_now_us(e->store) / 1000), bytes);
    intent.record = e->record;
    if (e->options.region != NULL) {
        (void)bp_region_format(e->options.region, text, sizeof text);
        intent.kind = BPI_INTENT_REGION;
        intent.text = bp_text_of(text);
    } else if (e->options.subject != NULL) {
        intent.kind = BPI_INTENT_SUBJECT;
        intent.text = bp_text_of(e->options.subject);
    }
    bp_status status = bpi_intent_put(&e->store->log.home, &intent, error);
    e->noted = status == BP_OK;
    return status;
}

/* Another thread's append may have recovered the store since the record's sync failed, and kept the record. */
static bool may_be_on_record(erasing *e)
{
    bpi_view view;
    uint64_t sequence = 0;
    if (atomic_load(&e->store->log.failed)) {
        return true; /* nobody knows */
    }
    bpi_view_take(e->store->index, &view);
    bp_status status = bpi_view_find_id(&view, &e->record, &sequence, NULL);
    bpi_view_leave(&view);
    return status != BP_ERR_NOT_FOUND;
}

static bp_status put_on_record(erasing *e, bp_error *error)
{
    bpi_buffer what;
    bp_status status = put_intent(e, error);
    if (status != BP_OK) {
        return status;
    }
    bpi_buffer_init(&what, e->store->allocator);
    status = put_what(e, &what) ? bpi_erasure_append(e->store, &what, &e->record, e->options.reason, e->options.by,
                                                     &e->report->sequence, error)
                                : bpi_error_set(error, BP_ERR_NO_MEMORY, "no memory to put an erasure on record");
    bpi_buffer_fini(&what);
    if (status != BP_OK && !may_be_on_record(e)) {
        e->noted = false;
        (void)bpi_intent_remove(&e->store->log.home, &e->record, NULL);
    }
    return status;
}

/* ---- doing it ---- */

static bp_status seal_if_needed(const erasing *e, bp_error *error)
{
    bpi_log *log = &e->store->log;
    (void)pthread_mutex_lock(&log->lock);
    bool open = e->last >= log->active->segment->ordinal;
    for (size_t i = 0; i < log->finished_count; i++) {
        open = open || e->last >= log->finished[i]->segment->ordinal;
    }
    (void)pthread_mutex_unlock(&log->lock);
    return open ? bp_seal(e->store, error) : BP_OK;
}

static bp_status rewrite(erasing *e, bp_error *error)
{
    bpi_rewritten done = {0};
    bpi_rewriting how = {.decide = decide,
                         .argument = e,
                         .min_segments = 2,
                         .first = e->first,
                         .last = e->last,
                         .tails = !bpi_planted(BPI_PLANT_STALE_COPY_LEFT),
                         .progress = e->options.progress,
                         .progress_argument = e->options.progress_context};
    bp_status status = bpi_store_rewrite(e->store, &how, &done, error);
    e->report->erased += done.stubbed;
    e->report->segments += done.targets;
    e->report->bytes += done.bytes_before > done.bytes_after ? done.bytes_before - done.bytes_after : 0;
    return status;
}

/*
 * Copies behind the ends of segments, and replaced segments that could not be removed: a recovery in the process leaves the one
 * (of events that it moved), a medium that failed, or a crash, the other.
 */
static bp_status rewrite_tails(erasing *e, bp_error *error)
{
    bpi_segment_entry *entries = NULL;
    size_t count = 0;
    bool any = false;
    (void)pthread_mutex_lock(&e->store->rewriting); /* no compaction takes the files away meanwhile */
    bp_status status = bpi_log_sealed(&e->store->log, &entries, &count, error);
    for (size_t i = 0; i < count && status == BP_OK; i++) {
        bool tail = false;
        status = bpi_log_has_tail(&e->store->log, &entries[i], &tail, error);
        if (tail && !bpi_planted(BPI_PLANT_STALE_COPY_LEFT)) {
            e->first = any ? e->first : entries[i].ordinal;
            e->last = entries[i].ordinal;
            any = true;
        }
    }
    (void)pthread_mutex_unlock(&e->store->rewriting);
    bpi_release(e->store->allocator, entries, entries == NULL ? 0 : (count + 1) * sizeof *entries);
    return status == BP_OK && any ? rewrite(e, error) : status;
}

static bp_status sweep(erasing *e, bp_error *error)
{
    bp_status status = rewrite_tails(e, error);
    if (status == BP_OK) {
        (void)pthread_mutex_lock(&e->store->rewriting);
        status = bpi_log_sweep(&e->store->log, error);
        (void)pthread_mutex_unlock(&e->store->rewriting);
    }
    return status == BP_OK ? bpi_erase_files(&e->store->log, &e->report->torn, &e->report->caches, error) : status;
}

static bp_status empty_caches(erasing *e, bp_error *error)
{
    bp_status status = BP_OK;
    for (size_t i = 0; status == BP_OK && i < e->options.cache_count; i++) {
        uint64_t unused = 0;
        bp_error own = {0};
        const bp_cache *cache = e->options.caches[i];
        status = cache->delete_prefix(cache->context, "", 0, &unused, &own);
        status = bpi_error_callback(&own, status, "the cache");
        if (status != BP_OK && error != NULL) {
            *error = own;
            bpi_error_wrap(error, status, "the events are erased, but a cache may hold states made from them");
        }
        e->report->caches += status == BP_OK;
    }
    return status;
}

/* What is cached, and the files beside the log. A fold that is under way may have the payloads before it still: it puts none of
 * them behind this, since the number is another; and one that puts now is waited for, and what it puts is emptied. */
static bp_status clear_away(erasing *e, bool files, bp_error *error)
{
    bp_store *store = e->store;
    (void)atomic_fetch_add(&store->erasures, 1);
    (void)pthread_rwlock_wrlock(&store->putting);
    (void)pthread_rwlock_unlock(&store->putting);
    bp_status status = files ? sweep(e, error) : BP_OK;
    if (status == BP_OK) {
        status = empty_caches(e, error);
    }
    (void)atomic_fetch_add(&store->erasures, 1);
    return status;
}

/* A compaction may have given segments other ordinals between the look and the rewriting, or a recovery in the process moved events to a new
 * segment, which is open: then everything is looked at, sealed before. */
static bp_status erase_rest(erasing *e, bp_error *error)
{
    bp_status status = find(e, error);
    for (unsigned round = 0; status == BP_OK && e->found != 0; round++) {
        if (round == ROUNDS) {
            bpi_error_set(error, BP_ERR_FAILED, "what is to be erased was moved by recoveries again and again");
            bpi_error_hint(error, "ask again");
            return BP_ERR_FAILED;
        }
        e->first = 0;
        e->last = UINT32_MAX;
        status = bp_seal(e->store, error);
        status = status == BP_OK ? rewrite(e, error) : status;
        status = status == BP_OK ? find(e, error) : status;
    }
    return status;
}

static bp_status erase_found(erasing *e, bp_error *error)
{
    bp_status status = bpi_store_settle(e->store, bpi_index_published(e->store->index), error);
    if (status == BP_OK) {
        status = seal_if_needed(e, error);
    }
    if (status == BP_OK && !e->on_record) {
        status = put_on_record(e, error);
    }
    if (status == BP_OK) {
        status = bpi_erase_count_links(&e->store->log, (const uint32_t *)(const void *)e->ordinals.data,
                                       e->ordinals.size / sizeof(uint32_t), &e->report->linked, error);
    }
    if (status == BP_OK) {
        status = rewrite(e, error);
    }
    return status == BP_OK ? erase_rest(e, error) : status;
}

/* Also when asked again: what a crash or a failure may have left lies beside events of which a stub does not say that they were meant. */
static bool wants_sweep(const erasing *e)
{
    return e->noted || e->options.subject != NULL || e->report->found + e->report->before != 0;
}

static bp_status erase(erasing *e, bp_error *error)
{
    bp_status status = find(e, error);
    e->report->found = e->found;
    e->report->before = e->before;
    if (status != BP_OK || e->options.plan_only) {
        return status;
    }
    if (e->found != 0) {
        status = erase_found(e, error);
    }
    if (status == BP_OK) {
        status = clear_away(e, wants_sweep(e), error);
    }
    return status == BP_OK && e->noted ? bpi_intent_remove(&e->store->log.home, &e->record, error) : status;
}

/* ---- what was interrupted ---- */

static bp_status take_ids(erasing *e, bp_error *error)
{
    size_t count = e->options.id_count;
    if (count == 0) {
        return BP_OK;
    }
    e->ids = bpi_allocate_array(e->store->allocator, count, sizeof *e->ids);
    if (e->ids == NULL) {
        return bpi_error_set(error, BP_ERR_NO_MEMORY, "no memory for the ids");
    }
    memcpy(e->ids, e->options.ids, count * sizeof *e->ids);
    qsort(e->ids, count, sizeof *e->ids, compare_ids);
    size_t kept = 1;
    for (size_t i = 1; i < count; i++) {
        if (!bp_id_equal(&e->ids[i], &e->ids[kept - 1])) {
            e->ids[kept++] = e->ids[i];
        }
    }
    e->options.id_count = kept;
    return BP_OK;
}

/* The options that it stands for; `text` keeps what they point to. BP_ERR_FORMAT: no erasure notes that. */
static bp_status read_intent(erasing *e, const bpi_intent *intent, char text[REGION_TEXT], bp_region *region,
                             bp_region_text **owner_out, bp_error *error)
{
    size_t size = intent->text.size;
    bp_erase_options_init(&e->options);
    if (intent->kind == BPI_INTENT_IDS) {
        e->options.ids = intent->ids;
        e->options.id_count = intent->id_count;
        return BP_OK;
    }
    if (size >= REGION_TEXT || memchr(intent->text.data, '\0', size) != NULL) {
        return bpi_error_set(error, BP_ERR_FORMAT, "%zu bytes that are neither region nor subject", size);
    }
    memcpy(text, intent->text.data, size);
    text[size] = '\0';
    if (intent->kind == BPI_INTENT_REGION) {
        e->options.region = region;
        return bp_region_parse(NULL, text, region, owner_out, error);
    }
    e->options.subject = text;
    bp_status status = bpi_name_check(intent->text, "subject", BP_SUBJECT_MAX, error);
    return status == BP_ERR_NAME ? BP_ERR_FORMAT : status;
}

/* Who finishes it: an opening, or a later erasure by the same handle, which may be stopped. */
typedef struct finishing {
    bp_store *store;
    const bp_erase_options *asked; /* NULL: an opening */
} finishing;

static bp_status finish(const finishing *f, const bpi_intent *intent, bp_error *error)
{
    bp_store *store = f->store;
    char text[REGION_TEXT];
    bp_erase_report report = {.sequence = BP_NONE};
    erasing e = {.store = store,
                 .report = &report,
                 .until = intent->below,
                 .record = intent->record,
                 .noted = true,
                 .on_record = true};
    bp_region region;
    bp_region_text *owner = NULL;
    bp_status status = read_intent(&e, intent, text, &region, &owner, error);
    bpi_buffer_init(&e.ordinals, store->allocator);
    if (f->asked != NULL) {
        e.options.progress = f->asked->progress;
        e.options.progress_context = f->asked->progress_context;
        e.options.caches = f->asked->caches;
        e.options.cache_count = f->asked->cache_count;
    }
    status = status == BP_OK ? take_ids(&e, error) : status;
    if (status == BP_OK) {
        status = erase(&e, error);
        bpi_store_flow(store, "erase", report.erased);
    }
    bpi_buffer_fini(&e.ordinals);
    if (e.ids != NULL) {
        bpi_release(store->allocator, e.ids, intent->id_count * sizeof *e.ids);
    }
    bp_region_text_free(owner);
    bool by_ids = intent->kind == BPI_INTENT_IDS;
    return by_ids && (status == BP_ERR_NOT_FOUND || status == BP_ERR_KIND) ? BP_ERR_FORMAT : status;
}

bp_status bpi_erasure_judge(bpi_view *view, const bpi_intent *intent, bool *on_record_out, bp_error *error)
{
    uint64_t sequence = 0;
    bp_event event;
    bp_status status = bpi_view_find_id(view, &intent->record, &sequence, error);
    *on_record_out = status == BP_OK;
    if (status != BP_OK) {
        return status == BP_ERR_NOT_FOUND ? BP_OK : status;
    }
    if (intent->kind == BPI_INTENT_TORN) {
        return BP_ERR_CORRUPT;
    }
    status = bpi_view_event(view, sequence, &event, error);
    if (status != BP_OK) {
        return status;
    }
    if (event.kind != BP_KIND_ERASURE || intent->below == 0 || intent->below > sequence) {
        return bpi_error_set(error, BP_ERR_FORMAT, "event %llu is not its erasure record",
                             (unsigned long long)sequence);
    }
    erasing unused;
    char text[REGION_TEXT];
    bp_region region;
    bp_region_text *owner = NULL;
    status = read_intent(&unused, intent, text, &region, &owner, error);
    bp_region_text_free(owner);
    for (size_t i = 0; status == BP_OK && i < intent->id_count; i++) {
        status = bpi_view_find_id(view, &intent->ids[i], &sequence, error);
    }
    return status == BP_ERR_NOT_FOUND ? BP_ERR_FORMAT : status;
}

/* Its sync may have failed, and been forgotten since. */
static bp_status make_durable(bp_store *store, bpi_view *view, const bp_id *record, bp_error *error)
{
    uint64_t sequence = 0;
    bp_status status = bpi_view_find_id(view, record, &sequence, error);
    return status == BP_OK ? bpi_store_settle(store, sequence + 1, error) : status;
}

/* A bpi_intent_fn. What is not on record was not begun. */
static bp_status settle(void *argument, const bpi_intent *intent, bp_error *error)
{
    const finishing *f = argument;
    bp_store *store = f->store;
    bool on_record = false;
    bpi_view *view = bpi_view_pin(store->index);
    if (view == NULL) {
        return bpi_error_set(error, BP_ERR_NO_MEMORY, "no memory for a view");
    }
    bp_status status = bpi_erasure_judge(view, intent, &on_record, error);
    if (status == BP_OK && on_record && f->asked != NULL) {
        status = make_durable(store, view, &intent->record, error);
    }
    bpi_view_drop(view);
    if (status == BP_OK && !on_record && atomic_load(&store->log.failed)) {
        return bpi_log_failed(&store->log, error); /* nobody knows whether it is there */
    }
    if (status == BP_OK && !on_record) {
        return bpi_intent_remove(&store->log.home, &intent->record, error);
    }
    return status == BP_OK ? finish(f, intent, error) : status;
}

bp_status bpi_erasures_finish(bp_store *store, bp_error *error)
{
    finishing f = {.store = store};
    bp_status status = bpi_intents(&store->log.home, settle, &f, error);
    if (status == BP_ERR_FAILED) { /* there is no handle yet that could be closed: what made it fail counts */
        status = store->log.failure.status == BP_ERR_NO_SPACE ? BP_ERR_NO_SPACE : BP_ERR_IO;
        bpi_error_hint(error, "open the store again when that is mended: the erasure is finished then");
    }
    return status == BP_OK ? BP_OK
                           : bpi_error_wrap(error, status, "an erasure that was interrupted cannot be finished");
}

/* One at a time; and what an earlier one could not do is done first: it may be this very one, asked again. */
static bp_status erase_in_turn(erasing *e, bp_error *error)
{
    finishing f = {.store = e->store, .asked = &e->options};
    (void)pthread_mutex_lock(&e->store->erasing);
    bp_status status = bpi_intents(&e->store->log.home, settle, &f, error);
    if (status == BP_OK) {
        status = erase(e, error);
    }
    (void)pthread_mutex_unlock(&e->store->erasing);
    return status;
}

/* ---- arguments ---- */

static bp_status check_options(const bp_erase_options *options, bp_error *error)
{
    bool by_id = options->id_count != 0;
    if ((int)by_id + (int)(options->region != NULL) + (int)(options->subject != NULL) != 1) {
        return bpi_error_set(error, BP_ERR_ARGUMENT, "an erasure is of ids, of a region or of a subject: one of them");
    }
    bool no_ids = by_id && options->ids == NULL;
    if (no_ids || (options->cache_count != 0 && options->caches == NULL)) {
        return bpi_error_set(error, BP_ERR_ARGUMENT, "bp_erase_options: %s is NULL", no_ids ? "ids" : "caches");
    }
    if (options->id_count > BP_ERASE_IDS_MAX) {
        bpi_error_set(error, BP_ERR_TOO_LARGE, "%zu ids are over the limit of %u", options->id_count, BP_ERASE_IDS_MAX);
        bpi_error_hint(error, "erase them in parts, or by a region");
        return BP_ERR_TOO_LARGE;
    }
    if (options->subject != NULL) {
        bp_status status = bpi_name_check(bp_text_of(options->subject), "subject", BP_SUBJECT_MAX, error);
        if (status != BP_OK) {
            return status;
        }
    }
    return options->plan_only ? BP_OK : bpi_reason_check("an erasure", options->reason, options->by, error);
}

bp_status bp_erase(bp_store *store, const bp_erase_options *options, bp_erase_report *report_out, bp_error *error)
{
    bp_erase_report report = {.sequence = BP_NONE};
    erasing e = {.store = store, .report = &report};
    bp_region region;
    size_t given = 0;
    bp_status status = bpi_store_check_writer(store, error);
    if (status == BP_OK) {
        bp_erase_options_init(&e.options);
        status = bpi_options_take(options, sizeof e.options, &e.options, sizeof e.options, "bp_erase_options", error);
    }
    if (status == BP_OK) {
        status = check_options(&e.options, error);
    }
    if (status == BP_OK && e.options.region != NULL) {
        status = bpi_region_take(e.options.region, &region, error);
        bp_region_set_system(&region, false);
        e.options.region = &region;
    }
    given = e.options.id_count;
    if (status != BP_OK) {
        if (report_out != NULL) {
            *report_out = report;
        }
        return status;
    }
    bpi_buffer_init(&e.ordinals, store->allocator);
    status = take_ids(&e, error);
    if (status == BP_OK) {
        status = e.options.plan_only ? erase(&e, error) : erase_in_turn(&e, error);
        bpi_store_flow(store, "erase", report.erased);
    }
    bpi_buffer_fini(&e.ordinals);
    if (e.ids != NULL) {
        bpi_release(store->allocator, e.ids, given * sizeof *e.ids);
    }
    if (report_out != NULL) {
        *report_out = report;
    }
    return status;
}
