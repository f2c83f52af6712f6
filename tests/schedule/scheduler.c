/* scheduler.c: one thread at a time, and every choice written down. */
#include "schedule/scheduler.h"

#include <errno.h>
#include <semaphore.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { THREADS = 16, CHOICES = 1 << 20, POINTS_MOST = 2000000 };

typedef enum state { READY, WAITS_LOCK, WAITS_CONDITION, WAITS_WORD, SLEEPS, WAITS_THREAD, DONE } state;

typedef struct thread {
    pthread_t system;
    sem_t go;
    state state;
    const void *on;
    uint32_t bits;
    bool timed;
    bool timed_out;
    bool yielded;
    void *(*start)(void *argument);
    void *argument;
} thread;

/* What a replaced lock is: zero is free, for static ones too. */
typedef struct lock {
    int owner; /* thread + 1 */
    int readers;
} lock;

_Static_assert(sizeof(lock) <= sizeof(pthread_mutex_t) && sizeof(lock) <= sizeof(pthread_rwlock_t), "a lock fits");

typedef struct choice {
    uint8_t options;
    uint8_t taken;
} choice;

static thread threads[THREADS];
static int count;
static int current;
static bool running;
static bool paused;
static bps_plan plan;
static uint64_t random_state;
static unsigned preempted;
static choice path[CHOICES]; /* exhaustive: the run so far, and what it repeats of the one before */
static size_t path_size;
static size_t path_at;
static uint64_t points;
static uint64_t timeouts;
static uint64_t switches;

static uint64_t next_random(void)
{
    uint64_t z = (random_state += 0x9e3779b97f4a7c15u);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

/* One of `options` ways to go on. */
static unsigned choose(unsigned options)
{
    if (options < 2) {
        return 0;
    }
    if (!plan.exhaustive) {
        return (unsigned)(next_random() % options);
    }
    if (path_at == path_size) {
        if (path_size == CHOICES) {
            (void)fprintf(stderr, "schedule: a run with too many choices\n");
            abort();
        }
        path[path_size++] = (choice){(uint8_t)options, 0};
    }
    return path[path_at++].taken;
}

static void stuck(const char *what)
{
    static const char *const names[] = {"ready", "a lock", "a condition", "a word", "sleep", "a thread", "done"};
    (void)fprintf(stderr, "schedule: %s after %llu points, seed %llu\n", what, (unsigned long long)points,
                  (unsigned long long)plan.seed);
    for (int i = 0; i < count; i++) {
        (void)fprintf(stderr, "  thread %d waits for %s %p\n", i, names[threads[i].state], threads[i].on);
    }
    if (plan.quiet) {
        _Exit(86); /* a child that was to find just this */
    }
    abort();
}

static void hand_to(int next)
{
    int self = current;
    threads[next].yielded = false;
    if (next == self) {
        return;
    }
    switches++;
    current = next;
    (void)sem_post(&threads[next].go);
    if (threads[self].state != DONE) {
        while (sem_wait(&threads[self].go) != 0) {
        }
    }
}

/* Those that could run, `self` left out; who has yielded only when nobody else is there. */
static int others(int *list, bool with_self)
{
    int found = 0;
    for (int round = 0; round < 2 && found == 0; round++) {
        for (int i = 0; i < count; i++) {
            if (round == 1) {
                threads[i].yielded = false;
            }
            if (threads[i].state == READY && !threads[i].yielded && (with_self || i != current)) {
                list[found++] = i;
            }
        }
    }
    return found;
}

/* Somebody who waits with a time runs out of it. */
static void let_time_pass(void)
{
    int list[THREADS];
    int found = 0;
    for (int i = 0; i < count; i++) {
        if (threads[i].timed && threads[i].state != READY && threads[i].state != DONE) {
            list[found++] = i;
        }
    }
    if (found == 0) {
        stuck("deadlock");
    }
    thread *late = &threads[list[choose((unsigned)found)]];
    late->timed_out = true;
    late->state = READY;
    timeouts += late->on != NULL;
}

/* The thread at hand cannot go on, or should not: another one does. */
static void switch_away(void)
{
    int list[THREADS];
    int found = others(list, true);
    while (found == 0) {
        let_time_pass();
        found = others(list, true);
    }
    hand_to(list[choose((unsigned)found)]);
}

void bps_point(void)
{
    int list[THREADS];
    if (!running || paused) {
        return;
    }
    if (++points > POINTS_MOST) {
        stuck("no end");
    }
    if (plan.exhaustive ? preempted >= plan.preemptions : next_random() % plan.one_in != 0) {
        return;
    }
    int self = current;
    int found = 0;
    for (int i = 0; i < count; i++) {
        if (i != self && threads[i].state == READY && !threads[i].yielded) {
            list[found++] = i;
        }
    }
    unsigned taken = choose((unsigned)found + 1);
    if (taken > 0) {
        preempted++;
        hand_to(list[taken - 1]);
    }
}

int bps_yield(void)
{
    bool idle = !plan.exhaustive && plan.seed % 2 == 1 && points < POINTS_MOST / 2;
    bps_point();
    if (running && !paused && !idle) {
        threads[current].yielded = true;
        switch_away();
    }
    return 0;
}

/* Until `state` is READY again. */
static bool wait_for(state why, const void *on, uint32_t bits, bool timed)
{
    thread *self = &threads[current];
    self->state = why;
    self->on = on;
    self->bits = bits;
    self->timed = timed;
    self->timed_out = false;
    switch_away();
    self->timed = false;
    return !self->timed_out;
}

static void wake_waiting(state why, const void *on)
{
    for (int i = 0; i < count; i++) {
        if (threads[i].state == why && threads[i].on == on) {
            threads[i].state = READY;
        }
    }
}

void bps_sleep(void)
{
    if (running && !paused) {
        (void)wait_for(SLEEPS, NULL, 0, true);
    }
}

bool bps_word_wait(const void *word, uint32_t bits)
{
    return !running || paused || wait_for(WAITS_WORD, word, bits, true);
}

void bps_word_wake(const void *word, uint32_t bits)
{
    for (int i = 0; i < count; i++) {
        if (threads[i].state == WAITS_WORD && threads[i].on == word && (threads[i].bits & bits) != 0) {
            threads[i].state = READY;
        }
    }
    bps_point();
}

/* ---- locks ---- */

int bps_mutex_init(pthread_mutex_t *mutex)
{
    memset(mutex, 0, sizeof(pthread_mutex_t));
    return 0;
}

int bps_mutex_destroy(pthread_mutex_t *mutex)
{
    const lock *l = (const lock *)(const void *)mutex;
    if (running && l->owner != 0 && plan.bug != BPS_NO_LOCKS) {
        stuck("a mutex is destroyed that is held");
    }
    return 0;
}

int bps_mutex_lock(pthread_mutex_t *mutex)
{
    lock *l = (lock *)(void *)mutex;
    bps_point();
    if (plan.bug == BPS_NO_LOCKS && running) {
        return 0;
    }
    while (l->owner != 0) {
        if (l->owner == current + 1) {
            stuck("a mutex is taken twice");
        }
        (void)wait_for(WAITS_LOCK, mutex, 0, false);
    }
    l->owner = current + 1;
    return 0;
}

int bps_mutex_unlock(pthread_mutex_t *mutex)
{
    lock *l = (lock *)(void *)mutex;
    if (plan.bug != BPS_NO_LOCKS || !running) {
        if (l->owner != current + 1) {
            stuck("a mutex is given back by another");
        }
        l->owner = 0;
        wake_waiting(WAITS_LOCK, mutex);
    }
    bps_point();
    return 0;
}

int bps_rwlock_init(pthread_rwlock_t *rwlock)
{
    memset(rwlock, 0, sizeof(pthread_rwlock_t));
    return 0;
}

int bps_rwlock_destroy(pthread_rwlock_t *rwlock)
{
    (void)rwlock;
    return 0;
}

int bps_rwlock_read(pthread_rwlock_t *rwlock)
{
    lock *l = (lock *)(void *)rwlock;
    bps_point();
    while (l->owner != 0) {
        (void)wait_for(WAITS_LOCK, rwlock, 0, false);
    }
    l->readers++;
    return 0;
}

int bps_rwlock_write(pthread_rwlock_t *rwlock)
{
    lock *l = (lock *)(void *)rwlock;
    bps_point();
    while (l->owner != 0 || l->readers != 0) {
        (void)wait_for(WAITS_LOCK, rwlock, 0, false);
    }
    l->owner = current + 1;
    return 0;
}

int bps_rwlock_unlock(pthread_rwlock_t *rwlock)
{
    lock *l = (lock *)(void *)rwlock;
    if (l->owner != 0) {
        l->owner = 0;
    } else {
        l->readers--;
    }
    wake_waiting(WAITS_LOCK, rwlock);
    bps_point();
    return 0;
}

int bps_cond_init(pthread_cond_t *condition)
{
    memset(condition, 0, sizeof(pthread_cond_t));
    return 0;
}

int bps_cond_destroy(pthread_cond_t *condition)
{
    for (int i = 0; i < count && running; i++) {
        if (threads[i].state == WAITS_CONDITION && threads[i].on == condition) {
            stuck("a condition is destroyed that somebody waits for");
        }
    }
    return 0;
}

int bps_cond_wait(pthread_cond_t *condition, pthread_mutex_t *mutex, bool timed)
{
    lock *l = (lock *)(void *)mutex;
    l->owner = 0;
    wake_waiting(WAITS_LOCK, mutex);
    if (plan.bug == BPS_WAIT_LETS_GO_FIRST) {
        threads[current].yielded = true;
        switch_away();
    }
    bool woken = wait_for(WAITS_CONDITION, condition, 0, timed);
    (void)bps_mutex_lock(mutex);
    return woken ? 0 : ETIMEDOUT;
}

int bps_cond_wake(pthread_cond_t *condition, bool all)
{
    int list[THREADS];
    int found = 0;
    for (int i = 0; i < count && running; i++) {
        if (threads[i].state == WAITS_CONDITION && threads[i].on == condition) {
            list[found++] = i;
        }
    }
    if (found > 0 && !all) {
        threads[list[choose((unsigned)found)]].state = READY;
    } else {
        wake_waiting(WAITS_CONDITION, condition);
    }
    bps_point();
    return 0;
}

/* ---- threads ---- */

static void *begin_thread(void *argument)
{
    thread *self = argument;
    while (sem_wait(&self->go) != 0) {
    }
    (void)self->start(self->argument);
    self->state = DONE;
    wake_waiting(WAITS_THREAD, self);
    switch_away();
    return NULL;
}

int bps_thread_start(pthread_t *thread_out, void *(*start)(void *argument), void *argument)
{
    if (!running || count == THREADS) {
        return EAGAIN;
    }
    thread *made = &threads[count];
    memset(made, 0, sizeof *made);
    (void)sem_init(&made->go, 0, 0);
    made->start = start;
    made->argument = argument;
    int code = pthread_create(&made->system, NULL, begin_thread, made);
    if (code == 0) {
        *thread_out = made->system;
        count++;
        bps_point();
    }
    return code;
}

int bps_thread_join(pthread_t joined)
{
    for (int i = 0; i < count; i++) {
        if (i != 0 && pthread_equal(threads[i].system, joined)) {
            while (threads[i].state != DONE) {
                (void)wait_for(WAITS_THREAD, &threads[i], 0, false);
            }
        }
    }
    return pthread_join(joined, NULL);
}

/* ---- runs ---- */

void bps_begin(const bps_plan *chosen)
{
    plan = *chosen;
    random_state = plan.seed;
    count = 1;
    current = 0;
    preempted = 0;
    path_at = 0;
    points = 0;
    timeouts = 0;
    paused = false;
    memset(&threads[0], 0, sizeof threads[0]);
    (void)sem_init(&threads[0].go, 0, 0);
    running = true;
}

bool bps_end(void)
{
    running = false;
    plan.bug = BPS_NO_BUG;
    for (int i = 0; i < count; i++) {
        (void)sem_destroy(&threads[i].go);
    }
    count = 1;
    if (!plan.exhaustive) {
        return false;
    }
    while (path_size > 0 && path[path_size - 1].taken + 1u >= path[path_size - 1].options) {
        path_size--;
    }
    if (path_size > 0) {
        path[path_size - 1].taken++;
    }
    return path_size > 0;
}

void bps_restart(void)
{
    path_size = 0;
}

bool bps_bug_is(bps_bug bug)
{
    return plan.bug == bug;
}

void bps_pause(bool stop)
{
    paused = stop;
}

uint64_t bps_points(void)
{
    return points;
}

uint64_t bps_switches(void)
{
    return switches;
}

uint64_t bps_timeouts(void)
{
    return timeouts;
}
