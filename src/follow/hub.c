/*
 * hub.c: making the hub, entering and leaving the store, and the store's end.
 */
#include "follow/hub.h"

#include <string.h>
#include <time.h>

#include "base/error.h"
#include "base/memory.h"
#include "follow/descriptor.h"
#include "io/lock.h"

/* Two threads may be the first followers of a store; making a hub is rare enough for one lock for all. */
static pthread_mutex_t making = PTHREAD_MUTEX_INITIALIZER;

static _Thread_local bpi_call_frame *called;

void bpi_call_begin(bpi_call_frame *frame, const bpi_hub *hub)
{
    frame->hub = hub;
    frame->outer = called;
    called = frame;
}

void bpi_call_end(const bpi_call_frame *frame)
{
    called = frame->outer;
}

static bool thread_is_called(const bpi_hub *hub)
{
    const bpi_call_frame *frame = called;
    while (frame != NULL && frame->hub != hub) {
        frame = frame->outer;
    }
    return frame != NULL;
}

static bool forked(const bpi_hub *hub)
{
    return hub->fork_generation != bpi_fork_generation();
}

static void say_farewells(bpi_hub *hub)
{
    for (bpi_farewell *farewell = hub->farewells; farewell != NULL; farewell = farewell->next) {
        (void)farewell->say(farewell->argument, NULL);
    }
    hub->farewells = NULL;
}

static bool hub_closing(void *context)
{
    bpi_hub *hub = context;
    if (thread_is_called(hub)) {
        return false;
    }
    atomic_store(&hub->closing, true);
    if (!forked(hub)) {
        bpi_hub_kick(hub);
        bpi_descriptors_end(hub);
        (void)pthread_mutex_lock(&hub->lock);
        while (atomic_load(&hub->inside) != 0) {
            (void)pthread_cond_wait(&hub->empty, &hub->lock);
        }
        say_farewells(hub);
        (void)pthread_mutex_unlock(&hub->lock);
        bpi_descriptors_stop(hub);
    }
    bpi_hub_drop(hub);
    return true;
}

static bpi_hub *hub_new(bp_store *store)
{
    bpi_hub *hub = bpi_allocate_zero(store->allocator, sizeof *hub);
    if (hub == NULL) {
        return NULL;
    }
    hub->hooks = (bpi_after_publish){.context = hub, .closing = hub_closing};
    hub->store = store;
    hub->allocator = store->allocator;
    hub->fork_generation = store->fork_generation;
    atomic_init(&hub->references, 1);
    pthread_condattr_t attributes;
    (void)pthread_condattr_init(&attributes);
    (void)pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    (void)pthread_cond_init(&hub->moved, &attributes);
    (void)pthread_cond_init(&hub->empty, NULL);
    (void)pthread_condattr_destroy(&attributes);
    (void)pthread_mutex_init(&hub->lock, NULL);
    return hub;
}

bp_status bpi_hub_of(bp_store *store, bpi_hub **hub_out, bp_error *error)
{
    *hub_out = NULL;
    bp_status status = bpi_store_check(store, error);
    if (status != BP_OK) {
        return status;
    }
    (void)pthread_mutex_lock(&making);
    const bpi_after_publish *table = atomic_load(&store->after);
    bpi_hub *hub = table != NULL ? table->context : hub_new(store);
    if (hub != NULL) {
        atomic_fetch_add(&hub->references, 1);
        if (table == NULL) {
            (void)bpi_store_set_after(store, &hub->hooks);
        }
    }
    (void)pthread_mutex_unlock(&making);
    *hub_out = hub;
    return hub != NULL ? BP_OK : bpi_error_set(error, BP_ERR_NO_MEMORY, "no memory to follow the store");
}

void bpi_hub_drop(bpi_hub *hub)
{
    if (hub == NULL || atomic_fetch_sub(&hub->references, 1) != 1) {
        return;
    }
    bpi_descriptors_free(hub, forked(hub));
    if (!forked(hub)) { /* else other threads' state is in these */
        (void)pthread_cond_destroy(&hub->moved);
        (void)pthread_cond_destroy(&hub->empty);
        (void)pthread_mutex_destroy(&hub->lock);
    }
    bpi_release(hub->allocator, hub, sizeof *hub);
}

bp_status bpi_hub_check(const bpi_hub *hub, bp_error *error)
{
    if (forked(hub)) {
        bpi_error_set(error, BP_ERR_FORKED, "the store was opened before a fork");
        bpi_error_hint(error, "open it anew in the child");
        return BP_ERR_FORKED;
    }
    return BP_OK;
}

bp_status bpi_hub_enter(bpi_hub *hub, bp_error *error)
{
    bp_status status = bpi_hub_check(hub, error);
    if (status != BP_OK) {
        return status;
    }
    (void)atomic_fetch_add(&hub->inside, 1);
    if (atomic_load(&hub->closing)) {
        bpi_hub_leave(hub);
        return bpi_error_set(error, BP_ERR_CLOSED, "the store was closed");
    }
    return BP_OK;
}

void bpi_hub_leave(bpi_hub *hub)
{
    /* Every caller holds a reference of its own, so the hub outlives this. */
    if (atomic_fetch_sub(&hub->inside, 1) == 1 && atomic_load(&hub->closing)) {
        (void)pthread_mutex_lock(&hub->lock); /* bp_close looked before, or waits now */
        (void)pthread_cond_broadcast(&hub->empty);
        (void)pthread_mutex_unlock(&hub->lock);
    }
}

void bpi_farewell_add(bpi_hub *hub, bpi_farewell *farewell)
{
    (void)pthread_mutex_lock(&hub->lock);
    farewell->next = hub->farewells;
    hub->farewells = farewell;
    (void)pthread_mutex_unlock(&hub->lock);
}

/* Was it still listed? The lock is held. */
static bool take_off(bpi_hub *hub, const bpi_farewell *farewell)
{
    for (bpi_farewell **at = &hub->farewells; *at != NULL; at = &(*at)->next) {
        if (*at == farewell) {
            *at = farewell->next;
            return true;
        }
    }
    return false;
}

void bpi_farewell_remove(bpi_hub *hub, bpi_farewell *farewell)
{
    (void)pthread_mutex_lock(&hub->lock);
    (void)take_off(hub, farewell);
    (void)pthread_mutex_unlock(&hub->lock);
}

bp_status bpi_farewell_say(bpi_hub *hub, bpi_farewell *farewell, bp_error *error)
{
    /* While one is listed, bp_close has yet to take the lock for it: until it is let go of, the store is there. */
    (void)pthread_mutex_lock(&hub->lock);
    bp_status status = take_off(hub, farewell) ? farewell->say(farewell->argument, error) : BP_OK;
    (void)pthread_mutex_unlock(&hub->lock);
    return status;
}
