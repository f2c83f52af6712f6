/*
 * compact.c: what compaction drops and merges. How it is done: rewrite.c.
 */
#include <batpak/compact.h>

#include <stddef.h>
#include <string.h>

#include "base/error.h"
#include "store/read.h"
#include "store/rewrite.h"

void bp_compact_options_default(bp_compact_options *options, size_t size)
{
    bp_compact_options defaults = {.size = size, .merge = true, .min_segments = 2};
    if (options != NULL && size >= sizeof(size_t)) {
        memset(options, 0, size);
        memcpy(options, &defaults, size < sizeof defaults ? size : sizeof defaults);
    }
}

typedef struct compacting {
    bp_compact_options options;
    bpi_view *view;  /* for the heads */
    uint64_t *heads; /* keep_last: by number of the entity, the clock of its next event */
    size_t head_count;
    const bp_allocator *allocator;
    const bpi_index *index;
    uint64_t end; /* tombstones below this sequence count */
} compacting;

/* Is anything to be dropped? */
static bool has_rule(const bp_compact_options *options)
{
    return options->drop_count != 0 || options->committed_before_us != 0 || options->keep_last != 0 ||
           options->drop_if != NULL;
}

static bool decides(const bp_compact_options *options)
{
    return has_rule(options) || options->stub_tombstoned;
}

static bool in_regions(const compacting *c, const bp_event *event)
{
    for (size_t i = 0; i < c->options.drop_count; i++) {
        if (bp_region_matches(&c->options.drop[i], event)) {
            return true;
        }
    }
    return c->options.drop_count == 0;
}

/* Are there so many newer events of its entity? What cannot be said is kept. */
static bp_status behind_last(const compacting *c, const bp_event *event, bool *behind_out, bp_error *error)
{
    uint32_t number = 0;
    bp_status status = bpi_view_entity(c->view, event->sequence, &number, error);
    uint64_t next = status == BP_OK && number < c->head_count ? c->heads[number] : 0;
    *behind_out = next > event->clock && next - event->clock > c->options.keep_last;
    return status;
}

static bp_status decide_event(const compacting *c, const bp_event *event, unsigned *fate_out, bp_error *error)
{
    const bp_compact_options *options = &c->options;
    bool rules = has_rule(options);
    bool drop = rules && !bp_text_equal(event->entity, bp_text_of(BP_SYSTEM_ENTITY)) && in_regions(c, event);
    if (drop && options->committed_before_us != 0) {
        drop = (int64_t)(event->hlc >> 16) < options->committed_before_us / 1000;
    }
    bp_status status = BP_OK;
    if (drop && options->keep_last != 0) {
        status = behind_last(c, event, &drop, error);
    }
    if (drop && options->drop_if != NULL) {
        drop = options->drop_if(options->drop_context, event);
    }
    bool stub = options->stub_tombstoned && event->tombstoned && !event->payload_absent;
    *fate_out = drop ? BPI_FATE_DROP : stub ? (unsigned)BPI_FATE_STUB | BPI_FATE_BURY : BPI_FATE_KEEP;
    return status;
}

/* The rules see an event as readers do: flagged, if a tombstone of the moment that all is judged by names it. */
static bp_status decide(void *argument, const bp_event *event, unsigned *fate_out, bp_error *error)
{
    const compacting *c = argument;
    if (event->tombstoned || !bpi_index_buried_below(c->index, event->sequence, c->end)) {
        return decide_event(c, event, fate_out, error);
    }
    bp_event flagged = *event;
    flagged.tombstoned = true;
    return decide_event(c, &flagged, fate_out, error);
}

static bp_status take_options(const bp_compact_options *given, bp_compact_options *options, bp_error *error)
{
    bp_compact_options_init(options);
    bp_status status = bpi_options_take(given, offsetof(bp_compact_options, stub_tombstoned), options, sizeof *options,
                                        "bp_compact_options", error);
    if (status != BP_OK) {
        return status;
    }
    if (options->drop_count != 0 && options->drop == NULL) {
        return bpi_error_set(error, BP_ERR_ARGUMENT, "bp_compact_options: drop is NULL");
    }
    if (options->min_segments < 2 || options->committed_before_us < 0) {
        return bpi_error_set(error, BP_ERR_ARGUMENT, "option %s is out of range: %s",
                             options->min_segments < 2 ? "min_segments" : "committed_before_us",
                             options->min_segments < 2 ? "2 or more" : "0 or more");
    }
    for (size_t i = 0; i < options->drop_count && status == BP_OK; i++) {
        bp_region unused;
        status = bpi_region_take(&options->drop[i], &unused, error);
    }
    return status;
}

/* The clocks at which entities stand, for all events of one moment. */
static bp_status take_heads(compacting *c, bp_store *store, bp_error *error)
{
    if (c->options.keep_last == 0) {
        return BP_OK;
    }
    c->view = bpi_view_pin(store->index);
    if (c->view == NULL) {
        return bpi_error_set(error, BP_ERR_NO_MEMORY, "no memory for a view");
    }
    return bpi_view_heads(c->view, store->allocator, &c->heads, &c->head_count, error);
}

/* What is decided by is durable before it is acted on: newer events, and tombstones. */
static bp_status settle(const compacting *c, bp_store *store, bp_error *error)
{
    bool acts = decides(&c->options) && !c->options.plan_only;
    return acts ? bpi_store_settle(store, bpi_index_published(store->index), error) : BP_OK;
}

static void give_report(const bpi_rewritten *done, bp_compact_report *report_out)
{
    if (report_out != NULL) {
        *report_out = (bp_compact_report){.segments = done->segments,
                                          .rewritten = done->sources,
                                          .written = done->targets,
                                          .bytes_before = done->bytes_before,
                                          .bytes_after = done->bytes_after,
                                          .events_dropped = done->dropped,
                                          .events_kept = done->kept,
                                          .events_gone = done->folded,
                                          .events_stubbed = done->stubbed,
                                          .linked = done->linked};
    }
}

bp_status bp_compact(bp_store *store, const bp_compact_options *options, bp_compact_report *report_out, bp_error *error)
{
    bpi_rewritten done = {0};
    give_report(&done, report_out);
    bp_status status = bpi_store_check_writer(store, error);
    if (status != BP_OK) {
        return status;
    }
    compacting c = {.allocator = store->allocator, .index = store->index, .end = bpi_index_published(store->index)};
    status = take_options(options, &c.options, error);
    if (status == BP_OK) {
        status = take_heads(&c, store, error);
    }
    if (status == BP_OK) {
        status = settle(&c, store, error);
    }
    if (status == BP_OK) {
        bpi_rewriting how = {.decide = decides(&c.options) ? decide : NULL,
                             .argument = &c,
                             .merge_size = c.options.merge ? store->log.segment_size : 0,
                             .min_segments = c.options.min_segments,
                             .last = UINT32_MAX,
                             .tails = decides(&c.options), /* a recovery leaves there what it moved */
                             .plan_only = c.options.plan_only,
                             .progress = c.options.progress,
                             .progress_argument = c.options.progress_context};
        status = bpi_store_rewrite(store, &how, &done, error);
        give_report(&done, report_out);
        bpi_store_flow(store, "compact", done.dropped);
    }
    bpi_release(store->allocator, c.heads, c.head_count * sizeof *c.heads);
    bpi_view_drop(c.view);
    return status;
}
