/*
 * wait.c: many threads wait for one page. See hub.h.
 *
 * Two things are rationed, so that followers slow nobody. A wake-up asked of the writer costs it a system call: a process
 * asks for at most one in RING_COST_NS over time; beyond its credit it looks by itself after RING_PAUSE_NS. And threads that
 * are let go compete with the writer for processors: of a crowd, one thread in RELEASE_COST_NS is let go over time, so that
 * a thousand which are all woken by every event come in waves. Neither is felt by few who wait for rare events.
 *
 * Rationing: `*_ns` is the moment up to which what was taken is paid for; it may run CREDIT_NS ahead of now.
 */
#include "follow/hub.h"

#include <errno.h>
#include <time.h>

enum {
    SLICE_NS = 100000000,  /* a sleep on the page ends after so long: writers die, pages are replaced */
    RING_COST_NS = 250000, /* 4000 a second at most */
    RING_PAUSE_NS = 100000,
    CREDIT_NS = 20000000,
    CROWD = 16,               /* threads; fewer are let go at once */
    RELEASE_COST_NS = 100000, /* 10,000 threads a second */
    PAUSE_MOST_NS = 20000000  /* a crowd's pause ends after so long, to look for a stop */
};

static uint64_t now_ns(const bpi_hub *hub)
{
    const bp_clock *clock = hub->store->options.clock;
    return clock->steady_ns(clock->context);
}

static void pay(uint64_t *paid_ns, uint64_t now, uint64_t cost)
{
    *paid_ns = (*paid_ns > now ? *paid_ns : now) + cost;
}

/* How long until there is credit again; 0: now. */
static uint64_t unpaid(uint64_t paid_ns, uint64_t now)
{
    return paid_ns > now + CREDIT_NS ? paid_ns - now - CREDIT_NS : 0;
}

/* One thread's wait: what it wished, and how far it is. */
typedef struct waiting {
    bpi_hub *hub;
    const bpi_wish *wish;
    uint64_t start_ns;
    uint64_t slept_ns; /* by the system's clock: an injected one may stand still */
    uint64_t wave;     /* of the hub when it began */
} waiting;

static uint64_t time_left(const waiting *w)
{
    if (w->wish->timeout_ns == UINT64_MAX) {
        return UINT64_MAX;
    }
    uint64_t passed = now_ns(w->hub) - w->start_ns;
    passed = passed > w->slept_ns ? passed : w->slept_ns;
    return passed < w->wish->timeout_ns ? w->wish->timeout_ns - passed : 0;
}

/* Lets all who sleep look, once a tide. */
static void send_wave(bpi_hub *hub, bpi_tide tide)
{
    if (tide.published != hub->tide.published || tide.durable != hub->tide.durable) {
        hub->tide = tide;
        hub->wave++;
        (void)pthread_cond_broadcast(&hub->moved);
    }
}

/* May a thread that has what it waited for leave? Of a crowd, those that slept through a wave, and who is paid for. */
static bool let_go(const waiting *w, bpi_tide tide, uint64_t now)
{
    bpi_hub *hub = w->hub;
    bool crowd = hub->sleepers > CROWD;
    if (crowd && hub->wave == w->wave && unpaid(hub->release_ns, now) != 0) {
        return false;
    }
    send_wave(hub, tide);
    if (crowd) {
        pay(&hub->release_ns, now, RELEASE_COST_NS);
    }
    return true;
}

/* The leader's sleep, without the lock. */
static void sleep_on_page(waiting *w, bpi_tide tide, uint32_t word, uint64_t left, uint64_t now)
{
    bpi_hub *hub = w->hub;
    uint32_t wants = (hub->durable != 0 ? BPI_WAKE_DURABLE : 0u) | (hub->published != 0 ? BPI_WAKE_PUBLISHED : 0u);
    uint64_t crowded = hub->sleepers > CROWD ? unpaid(hub->release_ns, now) : 0;
    if (crowded == 0) {
        send_wave(hub, tide); /* it may be what others wait for */
    }
    bool ring = crowded == 0 && unpaid(hub->ring_ns, now) == 0;
    uint64_t slice = ring ? SLICE_NS : crowded != 0 ? crowded : RING_PAUSE_NS;
    slice = !ring && slice > PAUSE_MOST_NS ? PAUSE_MOST_NS : slice;
    slice = slice < left ? slice : left;
    hub->led = true;
    (void)pthread_mutex_unlock(&hub->lock);
    bool whole = bpi_bell_wait(hub->store, &tide, word, wants, ring, slice);
    (void)pthread_mutex_lock(&hub->lock);
    hub->led = false;
    if (whole) {
        w->slept_ns += slice;
    } else if (ring) {
        pay(&hub->ring_ns, now_ns(hub), RING_COST_NS);
    }
}

/* Everybody else's: until a wave, or until the leader's place is free. */
static void sleep_on_condition(waiting *w, uint64_t left)
{
    if (left == UINT64_MAX) {
        (void)pthread_cond_wait(&w->hub->moved, &w->hub->lock);
        return;
    }
    struct timespec until = {0};
    (void)clock_gettime(CLOCK_MONOTONIC, &until);
    uint64_t ns = (uint64_t)until.tv_nsec + left % 1000000000u;
    until.tv_sec += (time_t)(left / 1000000000u + ns / 1000000000u);
    until.tv_nsec = (long)(ns % 1000000000u);
    if (pthread_cond_timedwait(&w->hub->moved, &w->hub->lock, &until) == ETIMEDOUT) {
        w->slept_ns += left;
    }
}

static bool stopped(const bpi_hub *hub, const bpi_wish *wish)
{
    return atomic_load(&hub->closing) || (wish->stop != NULL && atomic_load(wish->stop));
}

static bpi_waited wait_locked(waiting *w)
{
    bpi_hub *hub = w->hub;
    for (;;) {
        uint64_t now = now_ns(hub);
        uint64_t left = time_left(w);
        uint32_t word = bpi_bell_word(hub->store); /* before the look at the stop */
        bpi_tide tide = bpi_bell_tide(hub->store);
        if (stopped(hub, w->wish)) {
            return BPI_WAITED_STOPPED;
        }
        if (bpi_tide_differs(tide, w->wish->seen, w->wish->wants) && let_go(w, tide, now)) {
            return BPI_WAITED_MOVED;
        }
        if (left == 0) {
            return BPI_WAITED_TIMEOUT;
        }
        if (hub->led) {
            sleep_on_condition(w, left);
        } else {
            sleep_on_page(w, tide, word, left, now);
        }
    }
}

bpi_waited bpi_hub_wait(bpi_hub *hub, const bpi_wish *wish)
{
    waiting w = {.hub = hub, .wish = wish, .start_ns = now_ns(hub)};
    uint32_t published = (wish->wants & BPI_WAKE_PUBLISHED) != 0;
    uint32_t durable = (wish->wants & BPI_WAKE_DURABLE) != 0;
    (void)pthread_mutex_lock(&hub->lock);
    w.wave = hub->wave;
    bool new_want = (published > hub->published) || (durable > hub->durable);
    hub->sleepers++;
    hub->published += published;
    hub->durable += durable;
    if (hub->led && new_want) {
        bpi_bell_kick(hub->store); /* the leader did not ask for that */
    }
    bpi_waited waited = wait_locked(&w);
    hub->sleepers--;
    hub->published -= published;
    hub->durable -= durable;
    if (!hub->led && hub->sleepers != 0) {
        (void)pthread_cond_signal(&hub->moved); /* somebody else leads now */
    }
    (void)pthread_mutex_unlock(&hub->lock);
    return waited;
}

void bpi_hub_kick(bpi_hub *hub)
{
    (void)pthread_mutex_lock(&hub->lock);
    (void)pthread_cond_broadcast(&hub->moved);
    if (hub->led) {
        bpi_bell_kick(hub->store); /* the leader is inside, so that the store is there */
    }
    (void)pthread_mutex_unlock(&hub->lock);
}
