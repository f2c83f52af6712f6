/*
 * watch.c: projecting again whenever something came.
 *
 * Holds: the tide is taken before the look, so that what is published in between ends the wait; the position moves over what
 * is not relevant, so that a look costs what is new.
 */
#include <batpak/watch.h>

#include <string.h>

#include "base/error.h"
#include "follow/hub.h"
#include "store/read.h"

struct bp_watch {
    bpi_hub *hub; /* held */
    const bp_projection *projection;
    bp_project_options options;
    bp_region region; /* its texts are ours */
    bool told;        /* the first answer was given, up to `position` */
    bp_position position;
    _Atomic bool stopped;
    size_t text_size;
    char texts[];
};

/* ---- opening and closing ---- */

static char *copy_text(char *at, bp_text *text)
{
    if (text->size > 0) {
        memcpy(at, text->data, text->size);
    }
    text->data = at;
    return at + text->size;
}

static bp_status check(const bp_projection *projection, const bp_project_options *options, bp_error *error)
{
    if (projection == NULL) {
        return bpi_error_set(error, BP_ERR_ARGUMENT, "projection is NULL");
    }
    if (options->as_of != BP_AS_OF_NOW || options->max_stale_ms != 0) {
        return bpi_error_set(error, BP_ERR_ARGUMENT, "a watch knows no %s",
                             options->as_of != BP_AS_OF_NOW ? "as_of" : "max_stale_ms");
    }
    return BP_OK;
}

bp_status bp_watch_open(bp_store *store, const bp_projection *projection, const bp_region *region,
                        const bp_project_options *options, bp_watch **watch_out, bp_error *error)
{
    bp_project_options taken;
    bp_region taken_region;
    bpi_hub *hub = NULL;
    if (watch_out == NULL) {
        return bpi_error_set(error, BP_ERR_ARGUMENT, "watch_out is NULL");
    }
    *watch_out = NULL;
    bp_project_options_init(&taken);
    bp_status status = bpi_options_take(options, sizeof taken, &taken, sizeof taken, "bp_project_options", error);
    if (status == BP_OK) {
        status = check(projection, &taken, error);
    }
    if (status == BP_OK) {
        status = bpi_region_take(region, &taken_region, error);
    }
    if (status == BP_OK) {
        status = bpi_hub_of(store, &hub, error);
    }
    if (status != BP_OK) {
        return status;
    }
    size_t text_size = taken_region.entity.size + taken_region.scope.size;
    bp_watch *watch = bpi_allocate_zero(hub->allocator, sizeof *watch + text_size);
    if (watch == NULL) {
        bpi_hub_drop(hub);
        return bpi_error_set(error, BP_ERR_NO_MEMORY, "no memory for a watch");
    }
    watch->hub = hub;
    watch->projection = projection;
    watch->options = taken;
    watch->region = taken_region;
    watch->text_size = text_size;
    char *at = copy_text(watch->texts, &watch->region.entity);
    (void)copy_text(at, &watch->region.scope);
    *watch_out = watch;
    return BP_OK;
}

void bp_watch_close(bp_watch *watch)
{
    if (watch != NULL) {
        bpi_hub *hub = watch->hub;
        bpi_release(hub->allocator, watch, sizeof *watch + watch->text_size);
        bpi_hub_drop(hub);
    }
}

void bp_watch_stop(bp_watch *watch)
{
    if (watch != NULL && bpi_hub_check(watch->hub, NULL) == BP_OK) {
        atomic_store(&watch->stopped, true);
        bpi_hub_kick(watch->hub);
    }
}

/* ---- answers ---- */

/* BP_END: nothing new. Inside the hub. */
static bp_status look(bp_watch *watch, void *state, bp_projected *result, bp_error *error)
{
    bpi_call_frame frame;
    bp_store *store = watch->hub->store;
    /* From here the projection's functions are called: none of them may close the store. */
    bpi_call_begin(&frame, watch->hub);
    bp_status status = bp_project_if_changed(store, watch->projection, &watch->region, &watch->position,
                                             &watch->options, state, result, error);
    bpi_call_end(&frame);
    if (status == BP_ERR_DIVERGED) {
        watch->position = (bp_position){0};
        watch->told = false;
    }
    if (status != BP_OK) {
        return status;
    }
    bool news = result->changed || !watch->told;
    watch->position = result->position;
    watch->told = true;
    result->changed = true;
    return news ? BP_OK : BP_END;
}

static bp_status await(bp_watch *watch, uint32_t timeout_ms, void *state, bp_projected *result, bp_error *error)
{
    bpi_hub *hub = watch->hub;
    const bp_clock *clock = hub->store->options.clock;
    uint64_t timeout_ns = timeout_ms == BP_FOREVER ? UINT64_MAX : (uint64_t)timeout_ms * 1000000u;
    uint64_t start = timeout_ms == 0 ? 0 : clock->steady_ns(clock->context);
    bpi_wish wish = {.wants = BPI_WAKE_PUBLISHED, .stop = &watch->stopped, .timeout_ns = timeout_ns};
    for (;;) {
        wish.seen = bpi_bell_tide(hub->store);
        bp_status status = look(watch, state, result, error);
        if (status != BP_END) {
            return status;
        }
        bpi_waited waited = timeout_ms == 0 ? BPI_WAITED_TIMEOUT : bpi_hub_wait(hub, &wish);
        if (waited == BPI_WAITED_STOPPED) {
            return BP_END;
        }
        if (waited == BPI_WAITED_TIMEOUT) {
            return bpi_error_set(error, BP_ERR_TIMEOUT, "nothing came within %u ms", (unsigned)timeout_ms);
        }
        if (timeout_ns != UINT64_MAX) {
            uint64_t passed = clock->steady_ns(clock->context) - start;
            wish.timeout_ns = passed < timeout_ns ? timeout_ns - passed : 0;
        }
    }
}

bp_status bp_watch_next(bp_watch *watch, uint32_t timeout_ms, void *state, bp_projected *result_out, bp_error *error)
{
    if (watch == NULL || result_out == NULL || state == NULL) {
        return bpi_error_set(error, BP_ERR_ARGUMENT, "%s is NULL",
                             watch == NULL        ? "watch"
                             : result_out == NULL ? "result_out"
                                                  : "state");
    }
    bp_status status = bpi_hub_enter(watch->hub, error);
    if (status != BP_OK) {
        return status == BP_ERR_CLOSED ? BP_END : status;
    }
    status = atomic_load(&watch->stopped) ? BP_END : await(watch, timeout_ms, state, result_out, error);
    bpi_hub_leave(watch->hub);
    return status;
}
