/*
 * descriptor.c: see descriptor.h.
 *
 * Holds: an armed descriptor is set once the tide differs from its own: who arms compares after arming, the thread compares all
 * after every tide it sees.
 */
#include "follow/descriptor.h"

#include <signal.h>

#include "base/error.h"
#include "base/memory.h"
#include "base/thread.h"
#include "io/signal.h"

enum { STACK_SIZE = 128 << 10 };

struct bpi_descriptors {
    pthread_mutex_t lock;
    pthread_cond_t some; /* one was armed, or it ends */
    bpi_descriptor *first;
    uint32_t armed;
    bool running;
    bool ending;
    pthread_t thread;
};

static bool passed(const bpi_descriptor *descriptor, bpi_tide now)
{
    return bpi_tide_differs(now, descriptor->seen, descriptor->wants);
}

/* Sets those whose tide has passed. Are there others? */
static bool serve(bpi_descriptors *all, bpi_tide now)
{
    for (bpi_descriptor *at = all->first; at != NULL; at = at->next) {
        if (at->armed && (all->ending || passed(at, now))) {
            at->armed = false;
            all->armed--;
            bpi_signal_set(at->fd);
        }
    }
    return all->armed != 0;
}

static void *thread_main(void *argument)
{
    bpi_hub *hub = argument;
    bpi_descriptors *all = hub->descriptors;
    while (bpi_hub_enter(hub, NULL) == BP_OK) {
        bpi_tide now = bpi_bell_tide(hub->store);
        (void)pthread_mutex_lock(&all->lock);
        bool some = serve(all, now);
        (void)pthread_mutex_unlock(&all->lock);
        if (some) {
            /* Whatever they want: another may be armed meanwhile. */
            bpi_wish wish = {.seen = now, .wants = BPI_WAKE_ANY, .timeout_ns = UINT64_MAX};
            (void)bpi_hub_wait(hub, &wish);
        }
        bpi_hub_leave(hub);
        (void)pthread_mutex_lock(&all->lock);
        while (all->armed == 0 && !all->ending) {
            (void)pthread_cond_wait(&all->some, &all->lock);
        }
        (void)pthread_mutex_unlock(&all->lock);
    }
    return NULL;
}

static bp_status start_thread(bpi_hub *hub, bp_error *error)
{
    bpi_descriptors *all = hub->descriptors;
    sigset_t none;
    sigset_t before;
    (void)sigfillset(&none); /* the program's signals are for the program's threads */
    (void)pthread_sigmask(SIG_SETMASK, &none, &before);
    int code = bpi_thread_start(&all->thread, STACK_SIZE, thread_main, hub);
    (void)pthread_sigmask(SIG_SETMASK, &before, NULL);
    all->running = code == 0;
    return code == 0 ? BP_OK : bpi_error_system(error, code, "cannot start the thread that waits for descriptors");
}

static bp_status have_descriptors(bpi_hub *hub, bp_error *error)
{
    bp_status status = BP_OK;
    (void)pthread_mutex_lock(&hub->lock);
    bpi_descriptors *all = hub->descriptors;
    if (all == NULL) {
        all = bpi_allocate_zero(hub->allocator, sizeof *all);
        if (all != NULL) {
            (void)pthread_mutex_init(&all->lock, NULL);
            (void)pthread_cond_init(&all->some, NULL);
            hub->descriptors = all;
        }
    }
    if (all == NULL) {
        status = bpi_error_set(error, BP_ERR_NO_MEMORY, "no memory for a descriptor");
    } else if (!all->running) {
        status = start_thread(hub, error);
    }
    (void)pthread_mutex_unlock(&hub->lock);
    return status;
}

bp_status bpi_descriptor_open(bpi_descriptor *descriptor, bpi_hub *hub, uint32_t wants, bp_error *error)
{
    bp_status status = have_descriptors(hub, error);
    if (status != BP_OK) {
        return status;
    }
    int fd = -1;
    int code = bpi_signal_open(&fd);
    if (code != 0) {
        return bpi_error_system(error, code, "cannot make a descriptor");
    }
    bpi_signal_set(fd);
    descriptor->hub = hub;
    descriptor->wants = wants;
    descriptor->armed = false;
    bpi_descriptors *all = hub->descriptors;
    (void)pthread_mutex_lock(&all->lock);
    descriptor->next = all->first;
    all->first = descriptor;
    atomic_store(&descriptor->fd, fd);
    (void)pthread_mutex_unlock(&all->lock);
    return BP_OK;
}

void bpi_descriptor_arm(bpi_descriptor *descriptor, bpi_tide seen, const _Atomic bool *stop)
{
    bpi_descriptors *all = descriptor->hub->descriptors;
    (void)pthread_mutex_lock(&all->lock);
    bpi_signal_clear(descriptor->fd);
    descriptor->seen = seen;
    /* What set it before it was cleared is seen here. */
    if (all->ending || atomic_load(stop) || passed(descriptor, bpi_bell_tide(descriptor->hub->store))) {
        bpi_signal_set(descriptor->fd);
    } else if (!descriptor->armed) {
        descriptor->armed = true;
        all->armed++;
        (void)pthread_cond_signal(&all->some);
    }
    (void)pthread_mutex_unlock(&all->lock);
}

void bpi_descriptor_wake(const bpi_descriptor *descriptor)
{
    if (descriptor->fd >= 0) {
        bpi_signal_set(descriptor->fd);
    }
}

void bpi_descriptor_close(bpi_descriptor *descriptor)
{
    if (descriptor->fd < 0) {
        return;
    }
    bpi_descriptors *all = descriptor->hub->descriptors;
    bool forked = bpi_hub_check(descriptor->hub, NULL) != BP_OK;
    if (!forked) {
        (void)pthread_mutex_lock(&all->lock);
        for (bpi_descriptor **at = &all->first; *at != NULL; at = &(*at)->next) {
            if (*at == descriptor) {
                *at = descriptor->next;
                all->armed -= descriptor->armed;
                break;
            }
        }
        (void)pthread_mutex_unlock(&all->lock);
    }
    bpi_signal_close(descriptor->fd);
    descriptor->fd = -1;
}

void bpi_descriptors_end(bpi_hub *hub)
{
    (void)pthread_mutex_lock(&hub->lock);
    bpi_descriptors *all = hub->descriptors;
    if (all != NULL) {
        (void)pthread_mutex_lock(&all->lock);
        all->ending = true;
        (void)pthread_cond_broadcast(&all->some);
        for (const bpi_descriptor *at = all->first; at != NULL; at = at->next) {
            bpi_signal_set(at->fd);
        }
        (void)pthread_mutex_unlock(&all->lock);
    }
    (void)pthread_mutex_unlock(&hub->lock);
}

void bpi_descriptors_stop(bpi_hub *hub)
{
    bpi_descriptors_end(hub); /* the first one may have been made since */
    bpi_descriptors *all = hub->descriptors;
    if (all != NULL && all->running) {
        (void)pthread_join(all->thread, NULL);
        all->running = false;
    }
}

void bpi_descriptors_free(bpi_hub *hub, bool forked)
{
    bpi_descriptors *all = hub->descriptors;
    if (all != NULL) {
        if (!forked) {
            (void)pthread_cond_destroy(&all->some);
            (void)pthread_mutex_destroy(&all->lock);
        }
        bpi_release(hub->allocator, all, sizeof *all);
        hub->descriptors = NULL;
    }
}
