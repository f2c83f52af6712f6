/*
 * consumer_save.c: writing where a consumer is.
 */
#include "base/error.h"
#include "follow/consumer.h"

enum { FAR = 1 << 16 /* events that are not the consumer's: its position moves on behind so many of them */ };

uint64_t bpi_consumer_now(const bp_consumer *consumer)
{
    const bp_clock *clock = consumer->hub->store->options.clock;
    return clock->steady_ns(clock->context);
}

bool bpi_consumer_write_due(const bp_consumer *consumer, uint64_t now_ns)
{
    const bp_consumer_options *options = &consumer->options;
    return (consumer->unsaved != 0 && (consumer->unsaved >= options->save_every ||
                                       now_ns - consumer->saved_ns >= (uint64_t)options->save_every_ms * 1000000u)) ||
           bpi_consumer_watermark(consumer) - consumer->saved >= FAR;
}

bp_status bpi_consumer_write(bp_consumer *consumer, bp_error *error)
{
    bp_store *store = consumer->hub->store;
    const bp_clock *clock = store->options.clock;
    uint64_t watermark = bpi_consumer_watermark(consumer);
    bpi_consumer_file file = {.store_id = consumer->store_id,
                              .flags = consumer->options.published ? BPI_CONSUMER_PUBLISHED : 0,
                              .updated_us = clock->now_us(clock->context),
                              .partition = consumer->options.partition,
                              .partitions = consumer->options.partitions,
                              .parked_count = consumer->parked_count,
                              .name = {consumer->name, consumer->name_size},
                              .region = {consumer->region, consumer->region_size}};
    bp_status status =
        consumer->before_save == NULL ? BP_OK : consumer->before_save(consumer->before_save_argument, error);
    if (status == BP_OK) {
        status = bpi_store_position_at(store, watermark, &file.position, error);
    }
    if (status == BP_OK) {
        status = bpi_keep_write(&consumer->keep, &file, consumer->parked, error);
    }
    consumer->saved_ns = bpi_consumer_now(consumer); /* what failed is tried again, but not at once */
    if (status == BP_OK) {
        consumer->saved = watermark;
        consumer->unsaved = 0;
    }
    return status;
}
