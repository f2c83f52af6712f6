/*
 * consumer_world.h: a consumer "mailer" of everything, and what is expected of it.
 */
#ifndef BPT_CONSUMER_WORLD_H
#define BPT_CONSUMER_WORLD_H

#include "support/world.h"

static inline bp_consumer *open_consumer(bp_store *store, const bp_consumer_options *options)
{
    bp_error error = {0};
    bp_consumer *consumer = NULL;
    CHECK_OK(bp_consumer_open(store, "mailer", NULL, options, &consumer, &error), &error);
    return consumer;
}

static inline bp_consumer_options published(void)
{
    bp_consumer_options options;
    bp_consumer_options_init(&options);
    options.published = true;
    return options;
}

static inline uint64_t next_of(bp_consumer *consumer, uint32_t worker, const char *text)
{
    bp_error error = {0};
    const bp_event *event = NULL;
    CHECK_OK(bp_consumer_next(consumer, worker, 0, &event, &error), &error);
    CHECK(event->payload_size == strlen(text) && memcmp(event->payload, text, strlen(text)) == 0, "%.*s is not %s",
          (int)event->payload_size, (const char *)event->payload, text);
    return event->sequence;
}

static inline void nothing_for(bp_consumer *consumer, uint32_t worker)
{
    bp_error error = {0};
    const bp_event *event = NULL;
    CHECK_STATUS(BP_ERR_TIMEOUT, bp_consumer_next(consumer, worker, 0, &event, &error), &error);
    assert_null(event);
}

static inline void ack(bp_consumer *consumer, uint64_t sequence)
{
    bp_error error = {0};
    CHECK_OK(bp_consumer_ack(consumer, sequence, &error), &error);
}

static inline void fail_it(bp_consumer *consumer, uint64_t sequence)
{
    bp_error error = {0};
    CHECK_OK(bp_consumer_fail(consumer, sequence, "it hurts", &error), &error);
}

static inline void close_consumer(bp_consumer *consumer)
{
    bp_error error = {0};
    CHECK_OK(bp_consumer_close(consumer, &error), &error);
}

#endif
