/*
 * consumer_run.c: dealing with one event after the other, until it is stopped.
 */
#include "base/error.h"
#include "follow/consumer.h"

void bpi_consumer_give_reason(bp_status status, bp_error *why)
{
    if (status != BP_OK && why->message[0] == '\0') {
        bpi_error_set(why, status, "the function answered %s", bp_status_name(status));
    }
}

bp_status bpi_consumer_how_it_ended(bp_consumer *consumer, const char *what, bp_error *error)
{
    bp_status status = BP_OK;
    (void)pthread_mutex_lock(&consumer->lock); /* another worker may be failing it */
    if (consumer->failed) {
        status = bpi_error_set(error, BP_ERR_FAILED, "%s \"%s\" was stopped by a failure: %s", what, consumer->name,
                               consumer->reason);
    }
    (void)pthread_mutex_unlock(&consumer->lock);
    return status;
}

bp_status bp_consumer_run(bp_consumer *consumer, uint32_t worker, bp_consume_fn consume, void *context, bp_error *error)
{
    if (consumer == NULL || consume == NULL) {
        return bpi_error_set(error, BP_ERR_ARGUMENT, "%s is NULL", consumer == NULL ? "consumer" : "consume");
    }
    for (;;) {
        const bp_event *event = NULL;
        bp_error why = {0};
        bp_status status = bp_consumer_next(consumer, worker, BP_FOREVER, &event, error);
        if (status != BP_OK || event == NULL) {
            return status == BP_END ? bpi_consumer_how_it_ended(consumer, "consumer", error) : status;
        }
        uint64_t sequence = event->sequence;
        bpi_call_frame frame;
        bpi_call_begin(&frame, consumer->hub);
        status = consume(context, event, &why);
        bpi_call_end(&frame);
        bpi_consumer_give_reason(status, &why);
        status = status == BP_OK ? bp_consumer_ack(consumer, sequence, error)
                                 : bp_consumer_fail(consumer, sequence, why.message, error);
        if (status != BP_OK) {
            return status;
        }
    }
}
