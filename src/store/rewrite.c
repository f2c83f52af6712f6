/*
 * rewrite.c: planning which segments become which, and each swap with the index behind it.
 */
#include "store/rewrite.h"

#include <string.h>

#include "base/error.h"
#include "format/frame.h"
#include "io/pace.h"
#include "store/indexing.h"

enum { KINDS = 1 << 16, SHARE = 33 /* percent of the time, beside appends */ };

typedef struct running {
    bp_store *store;
    const bpi_rewriting *how;
    bpi_rewritten *report;
    bpi_segment_entry *entries;
    size_t entry_count;
    bpi_survey *surveys;
    size_t count;         /* of them, those in range */
    uint64_t total;       /* bytes of what will be read: all once, sources twice */
    uint64_t done;        /* of them */
    uint32_t *kind_drops; /* of the group at hand, by kind */
} running;

static bool go_on(running *run, const char *what, uint64_t more)
{
    const bpi_rewriting *how = run->how;
    if (atomic_load(&run->store->closing)) {
        return false;
    }
    return how->progress == NULL || how->progress(how->progress_argument, what, run->done + more, run->total);
}

static bool while_writing(void *argument, uint64_t done)
{
    return go_on(argument, "rewriting", done);
}

/* ---- the plan ---- */

static bp_status survey_all(running *run, bp_error *error)
{
    const bpi_rewriting *how = run->how;
    bp_status status = BP_OK;
    for (size_t i = 0; i < run->entry_count; i++) {
        bool within = run->entries[i].ordinal >= how->first && run->entries[i].ordinal <= how->last;
        run->total += within ? run->entries[i].length : 0;
    }
    for (size_t i = 0; i < run->entry_count && status == BP_OK; i++) {
        const bpi_segment_entry *entry = &run->entries[i];
        if (entry->ordinal < how->first || entry->ordinal > how->last) {
            continue;
        }
        if (!go_on(run, "surveying", 0)) {
            return BP_END;
        }
        bpi_survey *survey = &run->surveys[run->count];
        bool tail = false;
        status = bpi_log_survey(&run->store->log, entry, how->decide, how->argument, survey, error);
        if (status == BP_OK && how->tails) {
            status = bpi_log_has_tail(&run->store->log, entry, &tail, error);
        }
        if (status == BP_OK) {
            survey->changed = survey->changed || tail;
            run->count++;
            run->done += entry->length;
            run->report->segments++;
            run->report->kept += survey->kept;
            run->report->folded += survey->folded;
        }
    }
    return status;
}

/* How many surveys from `i` on become one segment. */
static size_t group_at(const running *run, size_t i)
{
    const bpi_rewriting *how = run->how;
    uint64_t size = run->surveys[i].length_after;
    size_t end = i + 1;
    while (how->merge_size != 0 && end < run->count &&
           size + run->surveys[end].length_after - BPI_SEGMENT_HEADER - BPI_FRAME_HEADER <= how->merge_size) {
        size += run->surveys[end].length_after - BPI_SEGMENT_HEADER - BPI_FRAME_HEADER;
        end++;
    }
    size_t count = end - i;
    return count >= (how->min_segments > 2 ? how->min_segments : 2) ? count : 1;
}

static bool is_due(const running *run, size_t i, size_t count)
{
    return count > 1 || run->surveys[i].changed;
}

static void plan(running *run)
{
    size_t count = 0;
    for (size_t i = 0; i < run->count; i += count) {
        count = group_at(run, i);
        for (size_t n = i; is_due(run, i, count) && n < i + count; n++) {
            run->total += run->surveys[n].entry.length;
        }
    }
}

static void note(running *run, size_t i, size_t count, uint64_t length_after)
{
    bpi_rewritten *report = run->report;
    for (size_t n = i; n < i + count; n++) {
        const bpi_survey *survey = &run->surveys[n];
        report->bytes_before += survey->entry.length;
        report->stubbed += survey->stubbed;
        report->buried += survey->buried;
        report->dropped += survey->dropped;
        report->linked += survey->links > 1;
    }
    report->sources += count;
    report->targets++;
    report->bytes_after += length_after;
}

static void note_planned(running *run, size_t i, size_t count)
{
    uint64_t length = BPI_SEGMENT_HEADER + BPI_FRAME_HEADER;
    for (size_t n = i; n < i + count; n++) {
        length += run->surveys[n].length_after - BPI_SEGMENT_HEADER - BPI_FRAME_HEADER;
    }
    note(run, i, count, length);
}

/* ---- one group ---- */

/* What is written once more counts which kinds lose events. */
static bp_status decide(void *argument, const bp_event *event, unsigned *fate_out, bp_error *error)
{
    running *run = argument;
    bp_status status = run->how->decide(run->how->argument, event, fate_out, error);
    if (status == BP_OK && (*fate_out & BPI_FATE_DROP) != 0) {
        run->kind_drops[event->kind]++;
    }
    return status;
}

static void settle_kinds(running *run)
{
    (void)pthread_mutex_lock(&run->store->log.lock); /* one counts at a time */
    for (uint32_t kind = 0; kind < KINDS; kind++) {
        if (run->kind_drops[kind] != 0) {
            bpi_kinds_uncount_events(&run->store->kinds, (bp_kind_code)kind, run->kind_drops[kind]);
        }
    }
    (void)pthread_mutex_unlock(&run->store->log.lock);
}

static void remove_index_file(void *argument, const char *file)
{
    bpi_folder_remove(argument, file);
}

/* The index shows the new segment. */
static bp_status exchange(bp_store *store, const bpi_segment_entry *entry, bp_error *error)
{
    bpi_segment *segment = bpi_segment_lazy(store->log.opener, entry);
    if (segment == NULL) {
        return bpi_error_set(error, BP_ERR_NO_MEMORY, "no memory to open a segment");
    }
    bpi_exchange swap = {segment, entry->first_sequence, entry->count};
    bpi_tender_pause(store);
    bp_status status = bpi_index_exchange(store->index, &swap, remove_index_file, &store->folder, error);
    bpi_tender_resume(store);
    bpi_segment_drop(segment);
    return status;
}

/* What was rewritten before, when the index could not follow. */
static bp_status catch_up(const running *run, bp_error *error)
{
    bp_store *store = run->store;
    bpi_view seen;
    bp_status status = BP_OK;
    bpi_view_take(store->index, &seen);
    for (size_t i = 0; i < run->entry_count && status == BP_OK; i++) {
        const bpi_segment_entry *entry = &run->entries[i];
        if (entry->rewritten && entry->count != 0 &&
            !bpi_index_is_in(store->index, entry->first_sequence, entry->ordinal, entry->generation)) {
            status = exchange(store, entry, error);
        }
    }
    bpi_indexing_replaced(store, &seen);
    return status == BP_OK ? BP_OK
                           : bpi_error_wrap(error, status,
                                            "a segment was rewritten before, but this handle still shows the old one");
}

/* The swap is done: the index follows, and then nothing needs the old names. */
static bp_status follow_swap(running *run, const bpi_rewrite *rewrite, bp_error *error)
{
    bp_store *store = run->store;
    if (rewrite->entry.count == 0) {
        return bpi_log_rewrite_retire(&store->log, rewrite, error); /* the index knows nothing of it */
    }
    bpi_view seen;
    bpi_view_take(store->index, &seen);
    bp_status status = exchange(store, &rewrite->entry, error);
    settle_kinds(run);
    (void)pthread_mutex_lock(&store->files); /* a snapshot of this process has what it needs of them first */
    bp_status retired = bpi_log_rewrite_retire(&store->log, rewrite, status == BP_OK ? error : NULL);
    (void)pthread_mutex_unlock(&store->files);
    bpi_indexing_replaced(store, &seen);
    return status == BP_OK
               ? retired
               : bpi_error_wrap(error, status, "the segment was rewritten, but this handle still shows the old one");
}

static bp_status rewrite_group(running *run, size_t i, size_t count, bp_error *error)
{
    bp_store *store = run->store;
    const bpi_survey *sources = &run->surveys[i];
    uint64_t events = 0;
    for (size_t n = 0; n < count; n++) {
        events += sources[n].entry.count;
    }
    bpi_rewrite rewrite;
    bpi_rewrite_calls calls = {run, run->how->decide == NULL ? NULL : decide, while_writing, run};
    memset(run->kind_drops, 0, KINDS * sizeof run->kind_drops[0]);
    bp_status status = bpi_log_rewrite(&store->log, sources, count, &calls, &rewrite, error);
    if (status != BP_OK) {
        return status;
    }
    status = events == 0 ? BP_OK : bpi_index_keep(store->index, sources[0].entry.first_sequence, events, error);
    if (status != BP_OK) {
        bpi_log_rewrite_abandon(&store->log, &rewrite);
        return status;
    }
    status = bpi_log_rewrite_swap(&store->log, &rewrite, error);
    if (status != BP_OK) {
        return status;
    }
    for (size_t n = 0; n < count; n++) {
        run->done += sources[n].entry.length;
    }
    note(run, i, count, rewrite.entry.length);
    return follow_swap(run, &rewrite, error);
}

static bp_status rewrite_all(running *run, bp_error *error)
{
    bp_status status = run->how->plan_only ? BP_OK : catch_up(run, error);
    size_t count = 0;
    if (status == BP_OK) {
        status = survey_all(run, error);
    }
    if (status != BP_OK) {
        return status;
    }
    plan(run);
    for (size_t i = 0; i < run->count && status == BP_OK; i += count) {
        count = group_at(run, i);
        if (!is_due(run, i, count)) {
            continue;
        }
        if (run->how->plan_only) {
            note_planned(run, i, count);
        } else {
            status = go_on(run, "rewriting", 0) ? rewrite_group(run, i, count, error) : BP_END;
        }
    }
    return status;
}

/* The store is closed as soon as this stops, or appends wait for index files, which wait for this. */
static bool hurry(void *argument)
{
    bp_store *store = argument;
    return atomic_load(&store->closing) || bpi_tender_is_behind(store);
}

bp_status bpi_store_rewrite(bp_store *store, const bpi_rewriting *rewriting, bpi_rewritten *report_out, bp_error *error)
{
    running run = {.store = store, .how = rewriting, .report = report_out};
    memset(report_out, 0, sizeof *report_out);
    bpi_pace pace = {.clock = store->log.home.clock,
                     .others = &store->log.written_sequence,
                     .share = SHARE,
                     .hurry = hurry,
                     .argument = store};
    (void)pthread_mutex_lock(&store->rewriting);
    bpi_pace_begin(&pace);
    bp_status status = bpi_log_sealed(&store->log, &run.entries, &run.entry_count, error);
    if (status == BP_OK) {
        run.surveys = bpi_allocate_array(store->allocator, run.entry_count + 1, sizeof *run.surveys);
        run.kind_drops = bpi_allocate_array(store->allocator, KINDS, sizeof *run.kind_drops);
        status = run.surveys == NULL || run.kind_drops == NULL
                     ? bpi_error_set(error, BP_ERR_NO_MEMORY, "no memory to plan a rewriting")
                     : rewrite_all(&run, error);
        bpi_release(store->allocator, run.entries, (run.entry_count + 1) * sizeof *run.entries);
    }
    bpi_release(store->allocator, run.surveys, (run.entry_count + 1) * sizeof *run.surveys);
    bpi_release(store->allocator, run.kind_drops, KINDS * sizeof *run.kind_drops);
    if (report_out->targets != 0 && !rewriting->plan_only) {
        bpi_indexing_rewritten(store);
    }
    bpi_pace_end(&pace);
    (void)pthread_mutex_unlock(&store->rewriting);
    return status;
}
