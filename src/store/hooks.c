/*
 * hooks.c: setting the tables, and knowing when a hook calls back.
 */
#include "store/hooks.h"

#include "io/lock.h"
#include "store/store.h"

/* The hooks this thread is inside of, innermost first. */
static _Thread_local bpi_hook_frame *inside;

void bpi_hook_enter(bpi_hook_frame *frame, bp_store *store)
{
    frame->store = store;
    frame->outer = inside;
    inside = frame;
    atomic_store_explicit(&store->hooked, true, memory_order_relaxed);
}

void bpi_hook_leave(bpi_hook_frame *frame, bp_store *store)
{
    inside = frame->outer;
    atomic_store_explicit(&store->hooked, false, memory_order_relaxed);
}

bool bpi_hook_inside(const bp_store *store)
{
    /* A thread sees what it stored itself; another one's hook is none of its business. */
    if (!atomic_load_explicit(&store->hooked, memory_order_relaxed)) {
        return false;
    }
    const bpi_hook_frame *frame = inside;
    while (frame != NULL && frame->store != store) {
        frame = frame->outer;
    }
    return frame != NULL;
}

/* A reader commits nothing; and whatever a forked child's lock says is not to be waited for. */
static bool has_lock(const bp_store *store)
{
    return !store->reader && store->fork_generation == bpi_fork_generation();
}

static void lock(bp_store *store)
{
    if (has_lock(store)) {
        (void)pthread_mutex_lock(&store->log.lock);
    }
}

static void unlock(bp_store *store)
{
    if (has_lock(store)) {
        (void)pthread_mutex_unlock(&store->log.lock);
    }
}

const bpi_before_append *bpi_store_set_before(bp_store *store, const bpi_before_append *table)
{
    lock(store);
    const bpi_before_append *old = atomic_exchange(&store->before, table);
    unlock(store);
    return old;
}

const bpi_after_publish *bpi_store_set_after(bp_store *store, const bpi_after_publish *table)
{
    lock(store);
    const bpi_after_publish *old = atomic_exchange(&store->after, table);
    unlock(store);
    return old;
}
