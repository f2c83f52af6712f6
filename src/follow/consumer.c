/*
 * consumer.c: opening, delivering, acknowledging, failing, closing. See consumer.h.
 */
#include "follow/consumer.h"

#include <inttypes.h>
#include <string.h>

#include "base/error.h"
#include "base/memory.h"
#include "store/read.h"

enum { RETRY_LEAST_NS = 1000000 /* what cannot be converted is not tried without a pause, whatever the options say */ };

void bp_consumer_options_default(bp_consumer_options *options, size_t size)
{
    bp_consumer_options defaults = {.size = size,
                                    .workers = 1,
                                    .partitions = 1,
                                    .window = 1024,
                                    .backoff_ms = 100,
                                    .backoff_max_ms = 10000,
                                    .parked_max = 1024,
                                    .save_every = 1000,
                                    .save_every_ms = 100};
    if (options != NULL && size >= sizeof(size_t)) {
        memset(options, 0, size);
        memcpy(options, &defaults, size < sizeof defaults ? size : sizeof defaults);
    }
}

static bp_status out_of_range(const char *field, const char *range, bp_error *error)
{
    return bpi_error_set(error, BP_ERR_ARGUMENT, "consumer option %s is out of range: %s", field, range);
}

static bp_status check_options(const bp_consumer_options *o, bp_error *error)
{
    if (o->workers < 1 || o->workers > 1024) {
        return out_of_range("workers", "1 to 1024", error);
    }
    if (o->partitions < 1 || o->partitions > 65536 || o->partition >= o->partitions) {
        return out_of_range("partition", "below partitions, which are 1 to 65536", error);
    }
    if (o->window < 1 || o->window > 65536) {
        return out_of_range("window", "1 to 65536", error);
    }
    if (o->parked_max < 1 || o->parked_max > 65536) {
        return out_of_range("parked_max", "1 to 65536", error);
    }
    if ((unsigned)o->on_failure > BP_ON_FAILURE_PARK) {
        return out_of_range("on_failure", "a bp_on_failure", error);
    }
    if (o->save_every < 1) {
        return out_of_range("save_every", "1 or more", error);
    }
    return BP_OK;
}

/* ---- opening ---- */

static void free_consumer(bp_consumer *consumer)
{
    const bp_allocator *allocator = consumer->hub->allocator;
    bp_cursor *cursor = consumer->cursor;
    if (bpi_hub_check(consumer->hub, NULL) == BP_OK) {
        (void)pthread_mutex_destroy(&consumer->lock);
    }
    for (size_t i = 0; i < consumer->count; i++) {
        bp_event_release(consumer->entries[consumer->first + i].event);
    }
    bpi_release(allocator, consumer->entries, consumer->capacity * sizeof *consumer->entries);
    bpi_release(allocator, consumer->parked, consumer->options.parked_max * sizeof *consumer->parked);
    bpi_release(allocator, consumer->streams, consumer->stream_slots * sizeof *consumer->streams);
    bpi_release(allocator, consumer->marks, consumer->stream_slots * sizeof *consumer->marks);
    bpi_release(allocator, (void *)consumer->nudges, consumer->options.workers * sizeof *consumer->nudges);
    if (consumer->region != NULL) {
        bpi_release(allocator, consumer->region, consumer->region_size + 1);
    }
    bpi_release(allocator, consumer, sizeof *consumer);
    bp_cursor_close(cursor);
}

static bool allocate_tables(bp_consumer *consumer)
{
    const bp_allocator *allocator = consumer->hub->allocator;
    const bp_consumer_options *o = &consumer->options;
    size_t most = (size_t)o->window + o->parked_max;
    consumer->capacity = most * 2;
    consumer->stream_slots = 64;
    while (consumer->stream_slots < most * 2) {
        consumer->stream_slots *= 2;
    }
    consumer->entries = bpi_allocate_array(allocator, consumer->capacity, sizeof *consumer->entries);
    consumer->parked = bpi_allocate_array(allocator, o->parked_max, sizeof *consumer->parked);
    consumer->streams = bpi_allocate_array(allocator, consumer->stream_slots, sizeof *consumer->streams);
    consumer->marks = bpi_allocate_array(allocator, consumer->stream_slots, sizeof *consumer->marks);
    consumer->nudges = bpi_allocate_array(allocator, o->workers, sizeof *consumer->nudges);
    return consumer->entries != NULL && consumer->parked != NULL && consumer->streams != NULL &&
           consumer->marks != NULL && consumer->nudges != NULL;
}

static bp_status new_consumer(bp_store *store, bp_text name, const bp_region *region,
                              const bp_consumer_options *options, bp_consumer **consumer_out, bp_error *error)
{
    bp_cursor_options how;
    bp_cursor *cursor = NULL;
    bp_cursor_options_init(&how);
    how.durable = !options->published;
    how.system = options->system;
    bp_status status = bp_cursor_open(store, region, &how, &cursor, error);
    if (cursor == NULL) {
        return status;
    }
    bpi_hub *hub = bpi_cursor_hub(cursor);
    bp_consumer *consumer = bpi_allocate_zero(hub->allocator, sizeof *consumer);
    if (consumer == NULL) {
        bp_cursor_close(cursor);
        return bpi_error_set(error, BP_ERR_NO_MEMORY, "no memory for a consumer");
    }
    consumer->hub = hub;
    consumer->cursor = cursor;
    consumer->options = *options;
    consumer->name_size = name.size;
    memcpy(consumer->name, name.data, name.size);
    (void)pthread_mutex_init(&consumer->lock, NULL);
    if (!allocate_tables(consumer)) {
        status = bpi_error_set(error, BP_ERR_NO_MEMORY, "no memory for a consumer");
    } else {
        status = bpi_region_text_of(hub->allocator, bpi_cursor_whole_region(cursor), &consumer->region,
                                    &consumer->region_size, error);
    }
    if (status != BP_OK) {
        free_consumer(consumer);
        return status;
    }
    *consumer_out = consumer;
    return BP_OK;
}

static bp_status diverged(const bp_consumer *consumer, bp_error *error)
{
    bpi_error_wrap(error, BP_ERR_DIVERGED, "consumer \"%s\"", consumer->name);
    bpi_error_hint(error, "batpak consumers DIR --forget %.64s, and let it begin anew", consumer->name);
    return BP_ERR_DIVERGED;
}

/* Is the position one of the same question? */
static bp_status check_binding(const bp_consumer *consumer, const bpi_consumer_file *file, bp_error *error)
{
    const bp_consumer_options *o = &consumer->options;
    bp_text region = {consumer->region, consumer->region_size};
    bool published = (file->flags & BPI_CONSUMER_PUBLISHED) != 0;
    if (o->rebind) {
        return BP_OK;
    }
    if (!bp_text_equal(file->region, region)) {
        bpi_error_set(error, BP_ERR_CONFLICT, "consumer \"%s\" was made for the region '%.*s', not '%.*s'",
                      consumer->name, (int)(file->region.size < 128 ? file->region.size : 128), file->region.data,
                      (int)(region.size < 128 ? region.size : 128), region.data);
    } else if (file->partitions != o->partitions) {
        return bpi_consumer_other_parts(consumer, file->partitions, error);
    } else if (published != o->published) {
        bpi_error_set(error, BP_ERR_CONFLICT, "consumer \"%s\" was made for %s events", consumer->name,
                      published ? "published" : "durable");
    } else {
        return BP_OK;
    }
    bpi_error_hint(error, "take another name, or set the option rebind to keep the position");
    return BP_ERR_CONFLICT;
}

/* Behind the position a power cut may have left another event in the place of one that is parked, or none. */
static bool is_there(const bp_consumer *consumer, const bpi_parked *parked)
{
    bp_id id;
    uint64_t stream = 0;
    if (parked->sequence < consumer->saved) {
        return true;
    }
    bp_status status = bpi_consumer_identify(consumer, parked->sequence, &id, &stream, NULL);
    return status == BP_OK ? bp_id_equal(&id, &parked->id) : status != BP_ERR_NOT_FOUND;
}

static bp_status take_parked(bp_consumer *consumer, const bpi_consumer_file *file, bp_error *error)
{
    const uint8_t *bytes = file->parked;
    if (file->parked_count > consumer->options.parked_max) {
        return out_of_range("parked_max", "more events are parked already", error);
    }
    bp_status status = BP_OK;
    for (uint32_t i = 0; i < file->parked_count && status == BP_OK; i++) {
        bpi_parked *parked = &consumer->parked[consumer->parked_count];
        bpi_consumer_next_parked(&bytes, parked);
        if (!is_there(consumer, parked)) {
            consumer->unsaved++;
            continue;
        }
        consumer->parked_count++;
        if (parked->sequence >= consumer->saved) { /* the cursor meets it */
            consumer->parked_end =
                parked->sequence < consumer->parked_end ? consumer->parked_end : parked->sequence + 1;
        } else if (parked->retry && bpi_consumer_find(consumer, parked->sequence) == NULL) {
            status = bpi_consumer_try_again(consumer, parked, error);
        }
    }
    return status;
}

/* Where it was, or where it begins. */
static bp_status restore(bp_consumer *consumer, bp_error *error)
{
    uint8_t *bytes = NULL;
    size_t size = 0;
    bpi_consumer_file file;
    bp_status status = bpi_keep_read(&consumer->keep, consumer->keep.name, &bytes, &size, &file, error);
    if (status == BP_ERR_NOT_FOUND) {
        status = consumer->options.rebind ? BP_OK : bpi_consumer_check_parts(consumer, error);
        if (status != BP_OK) {
            return status;
        }
        status = consumer->options.now ? bpi_cursor_to_end(consumer->cursor, error) : BP_OK;
        return status == BP_OK ? bpi_consumer_write(consumer, error) : status;
    }
    if (status != BP_OK) {
        return status;
    }
    if (!bp_id_equal(&file.store_id, &consumer->store_id)) {
        bpi_error_set(error, BP_ERR_DIVERGED, "its position is one of another store");
        status = diverged(consumer, error);
    }
    if (status == BP_OK) {
        status = check_binding(consumer, &file, error);
    }
    if (status == BP_OK) {
        status = bp_cursor_seek(consumer->cursor, &file.position, error);
        status = status == BP_ERR_DIVERGED ? diverged(consumer, error) : status;
    }
    if (status == BP_OK) {
        consumer->saved = file.position.next;
        consumer->saved_ns = bpi_consumer_now(consumer);
        status = take_parked(consumer, &file, error);
    }
    bpi_release(consumer->hub->allocator, bytes, size);
    return status;
}

/* The consumer ends, or its store does. */
static bp_status say_farewell(void *argument, bp_error *error)
{
    bp_status status = BP_OK;
    bp_consumer *consumer = argument;
    (void)pthread_mutex_lock(&consumer->lock);
    if (consumer->unsaved != 0 || bpi_consumer_watermark(consumer) != consumer->saved) {
        status = bpi_consumer_write(consumer, error);
    }
    bpi_keep_close(&consumer->keep);
    (void)pthread_mutex_unlock(&consumer->lock);
    return status;
}

bp_status bp_consumer_open(bp_store *store, const char *name, const bp_region *region,
                           const bp_consumer_options *options, bp_consumer **consumer_out, bp_error *error)
{
    bp_consumer_options taken;
    bp_text text;
    bp_consumer *consumer = NULL;
    if (consumer_out == NULL) {
        return bpi_error_set(error, BP_ERR_ARGUMENT, "consumer_out is NULL");
    }
    *consumer_out = NULL;
    bp_consumer_options_init(&taken);
    bp_status status = bpi_options_take(options, sizeof taken, &taken, sizeof taken, "bp_consumer_options", error);
    status = status == BP_OK ? check_options(&taken, error) : status;
    status = status == BP_OK ? bpi_consumer_name_check(name, &text, error) : status;
    status = status == BP_OK ? new_consumer(store, text, region, &taken, &consumer, error) : status;
    if (consumer == NULL) {
        return status;
    }
    status = bpi_hub_enter(consumer->hub, error);
    if (status != BP_OK) {
        free_consumer(consumer);
        return status;
    }
    consumer->store_id = bpi_store_id(store);
    status = bpi_keep_open(store, text, taken.partition, true, &consumer->keep, error);
    if (status == BP_OK) {
        status = restore(consumer, error);
    }
    if (status == BP_OK) {
        consumer->farewell = (bpi_farewell){.say = say_farewell, .argument = consumer};
        bpi_farewell_add(consumer->hub, &consumer->farewell);
        bpi_store_flow(store, "consumer-open", consumer->saved);
    } else {
        bpi_keep_close(&consumer->keep);
    }
    bpi_hub *hub = consumer->hub;
    bpi_hub_leave(hub);
    if (status != BP_OK) {
        free_consumer(consumer);
        return status;
    }
    *consumer_out = consumer;
    return BP_OK;
}

bp_status bp_consumer_close(bp_consumer *consumer, bp_error *error)
{
    if (consumer == NULL) {
        return BP_OK;
    }
    bp_status status = bpi_hub_enter(consumer->hub, error);
    if (status == BP_OK) {
        bpi_farewell_remove(consumer->hub, &consumer->farewell);
        status = say_farewell(consumer, error);
        bpi_hub_leave(consumer->hub);
    } else if (status == BP_ERR_CLOSED) { /* bp_close wrote the position, or waits for others and has not yet */
        status = bpi_farewell_say(consumer->hub, &consumer->farewell, error);
    }
    free_consumer(consumer);
    return status;
}

/* ---- failing ---- */

static void keep_reason(char *to, uint8_t *size_out, const char *reason)
{
    size_t size = reason != NULL ? strlen(reason) : 0;
    size = size < BPI_CONSUMER_REASON_MAX ? size : BPI_CONSUMER_REASON_MAX;
    if (size != 0) {
        memcpy(to, reason, size);
    }
    if (size_out != NULL) {
        *size_out = (uint8_t)size;
    } else {
        to[size] = '\0';
    }
}

/* On the list; again on it with another reason, if it was tried again. */
static bp_status park(bp_consumer *consumer, bpi_entry *entry, const bp_id *id, const char *reason, bp_error *error)
{
    const bp_clock *clock = consumer->hub->store->options.clock;
    bpi_parked *parked = entry->parked ? bpi_consumer_find_parked(consumer, entry->sequence)
                                       : &consumer->parked[consumer->parked_count++];
    uint32_t before = entry->parked ? parked->attempts : 0;
    memset(parked, 0, sizeof *parked);
    parked->sequence = entry->sequence;
    parked->id = *id;
    parked->time_us = clock->now_us(clock->context);
    parked->attempts = before + entry->attempts;
    keep_reason(parked->reason, &parked->reason_size, reason);
    bpi_consumer_remove(consumer, entry);
    consumer->unsaved++;
    return bpi_consumer_write(consumer, error);
}

static uint64_t backoff_ns(const bp_consumer_options *options, uint32_t attempts)
{
    uint64_t ms = options->backoff_ms;
    for (uint32_t i = 1; i < attempts && ms < options->backoff_max_ms; i++) {
        ms *= 2;
    }
    return (ms < options->backoff_max_ms ? ms : options->backoff_max_ms) * 1000000u;
}

/* What cannot be converted is a failure of the event like any other, but that stopping answers the error itself.
 * BP_OK: it is out of the way, and comes no more in this look, which is at `now`. */
static bp_status pass_over(bp_consumer *consumer, uint64_t now, bp_status status, bp_error *why)
{
    bp_id id;
    uint64_t stream = 0;
    bpi_entry *entry = bpi_consumer_find(consumer, consumer->stuck);
    const bp_consumer_options *options = &consumer->options;
    bpi_error_hint(why, "register a converter with bp_upcast_register, or let the consumer park what it cannot read");
    if (entry->attempts < UINT32_MAX) {
        entry->attempts++;
    }
    if (options->retries == UINT32_MAX || entry->attempts <= options->retries) {
        uint64_t pause = backoff_ns(options, entry->attempts);
        bpi_consumer_put_back(consumer, entry, now + (pause > RETRY_LEAST_NS ? pause : RETRY_LEAST_NS));
        return BP_OK;
    }
    if (options->on_failure != BP_ON_FAILURE_PARK ||
        (!entry->parked && consumer->parked_count >= options->parked_max)) {
        return status;
    }
    bp_error unread;
    bp_status found = bpi_consumer_identify(consumer, entry->sequence, &id, &stream, &unread);
    if (found != BP_OK) {
        *why = unread; /* the payload is not what is wrong */
        return found;
    }
    return park(consumer, entry, &id, why->message, why);
}

/* ---- delivering ---- */

void bpi_consumer_nudge(bp_consumer *consumer)
{
    if (atomic_load(&consumer->idle) != 0) {
        for (uint32_t i = 0; i < consumer->options.workers; i++) {
            atomic_store(&consumer->nudges[i], true);
        }
        bpi_hub_kick(consumer->hub);
    }
}

void bp_consumer_stop(bp_consumer *consumer)
{
    if (consumer != NULL && bpi_hub_check(consumer->hub, NULL) == BP_OK) {
        atomic_store(&consumer->stopped, true);
        bpi_consumer_nudge(consumer);
    }
}

/* One look. BP_END: nothing for this worker; *wait_ns is how long that may last at most; 0: there is more to look at. */
static bp_status look(bp_consumer *consumer, uint32_t worker, const bp_event **event_out, uint64_t *wait_ns,
                      bp_error *error)
{
    bp_error own;
    bp_error *told = error != NULL ? error : &own;
    uint64_t due = UINT64_MAX;
    uint64_t now = bpi_consumer_now(consumer);
    (void)pthread_mutex_lock(&consumer->lock);
    bp_status status = bpi_consumer_pick(consumer, worker, now, event_out, &due, told);
    bp_status passed = BP_OK;
    while (consumer->stuck != BP_NONE && passed == BP_OK) {
        passed = pass_over(consumer, now, status, told);
        status = passed == BP_OK ? bpi_consumer_pick(consumer, worker, now, event_out, &due, told) : passed;
    }
    *wait_ns = due == UINT64_MAX || due == 0 ? due : due > now ? due - now : 1;
    if ((status == BP_OK || status == BP_END) && bpi_consumer_write_due(consumer, now)) {
        bp_status written = bpi_consumer_write(consumer, error);
        if (written != BP_OK && status == BP_END) {
            status = written; /* else it is met again */
        }
    }
    if (consumer->unsaved != 0) {
        uint64_t later = (uint64_t)consumer->options.save_every_ms * 1000000u + 1;
        *wait_ns = *wait_ns < later ? *wait_ns : later;
    }
    (void)pthread_mutex_unlock(&consumer->lock);
    return status;
}

static bp_status timed_out(uint32_t timeout_ms, bp_error *error)
{
    return bpi_error_set(error, BP_ERR_TIMEOUT, "nothing to be delivered within %u ms", (unsigned)timeout_ms);
}

static uint64_t time_left(uint64_t timeout_ns, uint64_t passed)
{
    return timeout_ns == UINT64_MAX ? UINT64_MAX : passed < timeout_ns ? timeout_ns - passed : 0;
}

static bp_status await(bp_consumer *consumer, uint32_t worker, uint32_t timeout_ms, const bp_event **event_out,
                       bp_error *error)
{
    bpi_hub *hub = consumer->hub;
    uint64_t timeout_ns = timeout_ms == BP_FOREVER ? UINT64_MAX : (uint64_t)timeout_ms * 1000000u;
    uint64_t start = bpi_consumer_now(consumer);
    uint64_t slept = 0; /* by the hub's word: an injected clock may stand still */
    bpi_wish wish = {.wants = consumer->options.published ? BPI_WAKE_PUBLISHED : BPI_WAKE_DURABLE,
                     .stop = &consumer->nudges[worker]};
    for (;;) {
        uint64_t most = UINT64_MAX;
        atomic_store(&consumer->nudges[worker], false);
        if (atomic_load(&consumer->stopped)) {
            return BP_END;
        }
        wish.seen = bpi_bell_tide(hub->store);
        bp_status status = look(consumer, worker, event_out, &most, error);
        if (status != BP_END) {
            return status;
        }
        uint64_t passed = bpi_consumer_now(consumer) - start;
        uint64_t left = time_left(timeout_ns, passed > slept ? passed : slept);
        if (most == 0 && (left != 0 || timeout_ms == 0)) {
            continue;
        }
        if (left == 0) {
            return timed_out(timeout_ms, error);
        }
        wish.timeout_ns = most < left ? most : left;
        bpi_waited waited = bpi_hub_wait(hub, &wish);
        if (atomic_load(&hub->closing)) {
            return bpi_error_set(error, BP_ERR_CLOSED, "the store was closed");
        }
        slept += waited == BPI_WAITED_TIMEOUT ? wish.timeout_ns : 0;
    }
}

bp_status bp_consumer_next(bp_consumer *consumer, uint32_t worker, uint32_t timeout_ms, const bp_event **event_out,
                           bp_error *error)
{
    if (event_out != NULL) {
        *event_out = NULL;
    }
    if (consumer == NULL || event_out == NULL || worker >= consumer->options.workers) {
        return bpi_error_set(error, BP_ERR_ARGUMENT,
                             "a consumer, a place for the event, and a worker below %u, are needed",
                             consumer != NULL ? (unsigned)consumer->options.workers : 1);
    }
    bp_status status = bpi_hub_enter(consumer->hub, error);
    if (status != BP_OK) {
        return status;
    }
    (void)atomic_fetch_add(&consumer->idle, 1);
    status = await(consumer, worker, timeout_ms, event_out, error);
    (void)atomic_fetch_sub(&consumer->idle, 1);
    if (status == BP_OK) {
        bpi_store_flow(consumer->hub->store, "consume", (*event_out)->sequence);
    }
    bpi_hub_leave(consumer->hub);
    return status;
}

/* ---- afterwards ---- */

/* Enters the hub, takes the lock, finds what a worker holds. On failure neither is kept. */
static bp_status find_held(bp_consumer *consumer, uint64_t sequence, bpi_entry **entry_out, bp_error *error)
{
    if (consumer == NULL) {
        return bpi_error_set(error, BP_ERR_ARGUMENT, "consumer is NULL");
    }
    bp_status status = bpi_hub_enter(consumer->hub, error);
    if (status != BP_OK) {
        return status;
    }
    (void)pthread_mutex_lock(&consumer->lock);
    *entry_out = bpi_consumer_find(consumer, sequence);
    bool busy = *entry_out != NULL && (*entry_out)->busy;
    if (*entry_out != NULL && (*entry_out)->event != NULL && !busy) {
        return BP_OK;
    }
    (void)pthread_mutex_unlock(&consumer->lock);
    bpi_hub_leave(consumer->hub);
    if (busy) {
        bpi_error_set(error, BP_ERR_REENTRANT, "event %" PRIu64 " is the input of a reaction that is running",
                      sequence);
        bpi_error_hint(error, "the reaction acknowledges it: answer BP_OK, or an error to fail it");
        return BP_ERR_REENTRANT;
    }
    return bpi_error_set(error, BP_ERR_NOT_FOUND, "event %" PRIu64 " is not delivered and waiting to be acknowledged",
                         sequence);
}

static void done(bp_consumer *consumer)
{
    (void)pthread_mutex_unlock(&consumer->lock);
    bpi_consumer_nudge(consumer);
    bpi_hub_leave(consumer->hub);
}

bp_status bp_consumer_ack(bp_consumer *consumer, uint64_t sequence, bp_error *error)
{
    bpi_entry *entry = NULL;
    bp_status status = find_held(consumer, sequence, &entry, error);
    if (status != BP_OK) {
        return status;
    }
    bpi_consumer_finish(consumer, entry);
    if (bpi_consumer_write_due(consumer, bpi_consumer_now(consumer))) {
        status = bpi_consumer_write(consumer, error);
    }
    done(consumer);
    return status;
}

bp_status bp_consumer_fail(bp_consumer *consumer, uint64_t sequence, const char *reason, bp_error *error)
{
    bpi_entry *entry = NULL;
    bp_status status = find_held(consumer, sequence, &entry, error);
    if (status != BP_OK || entry == NULL) {
        return status;
    }
    const bp_consumer_options *options = &consumer->options;
    if (entry->attempts < UINT32_MAX) {
        entry->attempts++;
    }
    if (options->retries == UINT32_MAX || entry->attempts <= options->retries) {
        uint64_t due = bpi_consumer_now(consumer) + backoff_ns(options, entry->attempts);
        bpi_consumer_put_back(consumer, entry, due);
    } else if (options->on_failure == BP_ON_FAILURE_PARK &&
               (entry->parked || consumer->parked_count < options->parked_max)) {
        status = park(consumer, entry, &entry->event->id, reason, error);
    } else {
        bpi_consumer_put_back(consumer, entry, 0);
        if (!consumer->failed) { /* the first is why it ends */
            keep_reason(consumer->reason, NULL, reason);
        }
        consumer->failed = true;
        atomic_store(&consumer->stopped, true);
    }
    done(consumer);
    return status;
}

bp_status bp_consumer_save(bp_consumer *consumer, bp_error *error)
{
    if (consumer == NULL) {
        return bpi_error_set(error, BP_ERR_ARGUMENT, "consumer is NULL");
    }
    bp_status status = bpi_hub_enter(consumer->hub, error);
    if (status != BP_OK) {
        return status;
    }
    (void)pthread_mutex_lock(&consumer->lock);
    status = bpi_consumer_write(consumer, error);
    (void)pthread_mutex_unlock(&consumer->lock);
    bpi_hub_leave(consumer->hub);
    return status;
}

bp_status bp_consumer_retry(bp_consumer *consumer, uint64_t sequence, bp_error *error)
{
    if (consumer == NULL) {
        return bpi_error_set(error, BP_ERR_ARGUMENT, "consumer is NULL");
    }
    bp_status status = bpi_hub_enter(consumer->hub, error);
    if (status != BP_OK) {
        return status;
    }
    bool found = sequence == BP_NONE;
    (void)pthread_mutex_lock(&consumer->lock);
    for (uint32_t i = 0; i < consumer->parked_count && status == BP_OK; i++) {
        bpi_parked *parked = &consumer->parked[i];
        if (sequence != BP_NONE && parked->sequence != sequence) {
            continue;
        }
        found = true;
        if (bpi_consumer_find(consumer, parked->sequence) == NULL) {
            bool met = parked->sequence < bpi_cursor_next_sequence(consumer->cursor); /* else it will be */
            status = met ? bpi_consumer_try_again(consumer, parked, error) : BP_OK;
            parked->retry = status == BP_OK;
            consumer->unsaved++;
        }
    }
    (void)pthread_mutex_unlock(&consumer->lock);
    bpi_consumer_nudge(consumer);
    bpi_hub_leave(consumer->hub);
    if (!found) {
        return bpi_error_set(error, BP_ERR_NOT_FOUND, "event %" PRIu64 " is not parked", sequence);
    }
    return status;
}
