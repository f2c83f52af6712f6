/*
 * syncer.h: syncs of a store on a thread of their own, so that reading and appending go on meanwhile. One at a time.
 */
#ifndef BATPAK_CLI_SYNCER_H
#define BATPAK_CLI_SYNCER_H

#include <pthread.h>

#include <batpak/batpak.h>

struct syncer {
    bp_store *store;
    bool busy; /* one was begun and its outcome was not taken; the caller's own */

    pthread_t thread;
    bool started; /* the thread is there: from the first sync on */
    pthread_mutex_t mutex;
    pthread_cond_t changed;
    /* Guarded by the mutex: */
    bool wanted;
    bool done;
    bool stop;
    bp_status status;
    bp_error error;
};

void syncer_begin(struct syncer *syncer, bp_store *store);
/* Begins a sync of all that was appended before. It is not busy. */
void syncer_start(struct syncer *syncer);
/* Takes the outcome if there is one, or waits for it. False: it is busy still. */
bool syncer_take(struct syncer *syncer, bool wait, bp_status *status_out, bp_error *error);
void syncer_end(struct syncer *syncer);

#endif
