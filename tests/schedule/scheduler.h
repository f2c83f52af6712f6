/*
 * scheduler.h: threads of which one runs at a time, and whoever decides which is a test: all that could be interrupted asks
 * bps_point, and goes on when it is chosen again. The same choices give the same run.
 *
 * How it chooses (bps_begin): at random from a seed, a preemption at one point in so many; or the numbered run of all runs with
 * at most so many preemptions, depth first (a switch away from a thread that could have gone on is a preemption; one
 * that blocks, yields or ends is none, but who comes then is tried in all ways too). In every other random run yielding does
 * nothing, as on a machine with many processors, so that those who look a few times before they sleep do sleep.
 *
 * Time stands still but for what sleeps: when nobody can run, one that waits with a time runs out of it. When nobody waits with a time
 * either, that is a deadlock: a lost wake, or locks taken crosswise. The run ends with words and what each thread waits for.
 */
#ifndef BPS_SCHEDULER_H
#define BPS_SCHEDULER_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

/* Bugs that are planted to see that they are found. */
typedef enum bps_bug {
    BPS_NO_BUG,
    BPS_WAIT_LETS_GO_FIRST, /* a wait gives its mutex back, and is slow to begin to wait */
    BPS_WORD_UNSEEN,        /* who sleeps on a word does not look at it first; see bps_bug_is */
    BPS_NO_LOCKS            /* a mutex excludes nobody */
} bps_bug;

typedef struct bps_plan {
    uint64_t seed;        /* random: of the choices */
    unsigned one_in;      /* random: a preemption at one of so many points */
    bool exhaustive;      /* else random */
    unsigned preemptions; /* exhaustive: at most so many */
    bps_bug bug;
    bool quiet; /* a deadlock ends the run as found instead of the process */
} bps_plan;

/* Everything from here to bps_end is one run; the caller is its first thread. */
void bps_begin(const bps_plan *chosen);
/* All threads it started have been joined. True: exhaustive, and there is another run. */
bool bps_end(void);
/* Forget the tree of runs: the next exhaustive run is the first. */
void bps_restart(void);

uint64_t bps_points(void);   /* of the last run */
uint64_t bps_switches(void); /* all since the start */
uint64_t bps_timeouts(void); /* waits of the run that ran out of time */

bool bps_bug_is(bps_bug bug);

/* What the run does from here on is not scheduled: checks, openings that are not the matter. */
void bps_pause(bool stop);

void bps_point(void);
int bps_yield(void);
void bps_sleep(void); /* like a yield; time passes when nobody else can run */

/* Sleeping on a word: true when somebody woke it, false when its time was up. */
bool bps_word_wait(const void *word, uint32_t bits);
void bps_word_wake(const void *word, uint32_t bits);

int bps_mutex_init(pthread_mutex_t *mutex);
int bps_mutex_destroy(pthread_mutex_t *mutex);
int bps_mutex_lock(pthread_mutex_t *mutex);
int bps_mutex_unlock(pthread_mutex_t *mutex);
int bps_rwlock_init(pthread_rwlock_t *lock);
int bps_rwlock_destroy(pthread_rwlock_t *lock);
int bps_rwlock_read(pthread_rwlock_t *lock);
int bps_rwlock_write(pthread_rwlock_t *lock);
int bps_rwlock_unlock(pthread_rwlock_t *lock);
int bps_cond_init(pthread_cond_t *condition);
int bps_cond_destroy(pthread_cond_t *condition);
int bps_cond_wait(pthread_cond_t *condition, pthread_mutex_t *mutex, bool timed);
int bps_cond_wake(pthread_cond_t *condition, bool all);
int bps_thread_start(pthread_t *thread_out, void *(*start)(void *argument), void *argument);
int bps_thread_join(pthread_t joined);

#endif
