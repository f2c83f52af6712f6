/*
 * syncer.c: syncs on a thread of their own. See syncer.h.
 */
#include "syncer.h"

static void *work(void *argument)
{
    struct syncer *syncer = argument;

    (void)pthread_mutex_lock(&syncer->mutex);
    while (!syncer->stop) {
        bp_error error = {0};
        bp_status status;

        if (!syncer->wanted) {
            (void)pthread_cond_wait(&syncer->changed, &syncer->mutex);
            continue;
        }
        syncer->wanted = false;
        (void)pthread_mutex_unlock(&syncer->mutex);
        status = bp_sync(syncer->store, &error);
        (void)pthread_mutex_lock(&syncer->mutex);
        syncer->status = status;
        syncer->error = error;
        syncer->done = true;
        (void)pthread_cond_broadcast(&syncer->changed);
    }
    (void)pthread_mutex_unlock(&syncer->mutex);
    return NULL;
}

void syncer_begin(struct syncer *syncer, bp_store *store)
{
    *syncer = (struct syncer){.store = store};
    (void)pthread_mutex_init(&syncer->mutex, NULL);
    (void)pthread_cond_init(&syncer->changed, NULL);
}

void syncer_start(struct syncer *syncer)
{
    syncer->busy = true;
    if (!syncer->started) {
        syncer->started = pthread_create(&syncer->thread, NULL, work, syncer) == 0;
    }
    if (!syncer->started) {
        /* Without a thread it is done here and now. */
        syncer->status = bp_sync(syncer->store, &syncer->error);
        syncer->done = true;
        return;
    }
    (void)pthread_mutex_lock(&syncer->mutex);
    syncer->wanted = true;
    (void)pthread_cond_broadcast(&syncer->changed);
    (void)pthread_mutex_unlock(&syncer->mutex);
}

bool syncer_take(struct syncer *syncer, bool wait, bp_status *status_out, bp_error *error)
{
    bool done;

    (void)pthread_mutex_lock(&syncer->mutex);
    while (wait && !syncer->done) {
        (void)pthread_cond_wait(&syncer->changed, &syncer->mutex);
    }
    done = syncer->done;
    if (done) {
        *status_out = syncer->status;
        *error = syncer->error;
        syncer->done = false;
        syncer->busy = false;
    }
    (void)pthread_mutex_unlock(&syncer->mutex);
    return done;
}

void syncer_end(struct syncer *syncer)
{
    (void)pthread_mutex_lock(&syncer->mutex);
    syncer->stop = true;
    (void)pthread_cond_broadcast(&syncer->changed);
    (void)pthread_mutex_unlock(&syncer->mutex);
    if (syncer->started) {
        (void)pthread_join(syncer->thread, NULL);
    }
    (void)pthread_cond_destroy(&syncer->changed);
    (void)pthread_mutex_destroy(&syncer->mutex);
}
