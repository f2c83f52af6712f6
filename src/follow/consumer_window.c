/*
 * consumer_window.c: who may have which event now. See consumer.h.
 */
#include <string.h>

#include "base/bytes.h"
#include "base/error.h"
#include "base/memory.h"
#include "follow/consumer.h"
#include "store/read.h"

enum { LOOK_MOST = 1024 /* events that are not for this consumer, in one look: others want the lock */ };

/* FNV-1a: spreads names well enough for a table that one process keeps for a moment. */
static uint64_t stream_of(bp_text entity)
{
    uint64_t hash = UINT64_C(0xcbf29ce484222325);
    for (size_t i = 0; i < entity.size; i++) {
        hash = (hash ^ (uint8_t)entity.data[i]) * UINT64_C(0x100000001b3);
    }
    return hash;
}

/* Which partition an entity falls to: the same in every process and version (docs/format.md, section 14). */
static bool is_ours(const bp_consumer *consumer, bp_text entity)
{
    if (consumer->options.partitions == 1) {
        return true;
    }
    bp_hash hash = bp_hash_bytes(entity.data, entity.size);
    return bpi_get64(hash.bytes) % consumer->options.partitions == consumer->options.partition;
}

/* ---- the entries ---- */

static bpi_entry *at(const bp_consumer *consumer, size_t i)
{
    return &consumer->entries[consumer->first + i];
}

/* The place of the first entry at or behind a sequence. */
static size_t place_of(const bp_consumer *consumer, uint64_t sequence)
{
    size_t low = 0;
    size_t high = consumer->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (at(consumer, middle)->sequence < sequence) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

bpi_entry *bpi_consumer_find(bp_consumer *consumer, uint64_t sequence)
{
    size_t place = place_of(consumer, sequence);
    return place < consumer->count && at(consumer, place)->sequence == sequence ? at(consumer, place) : NULL;
}

/* There is room: capacity is twice what can be in. */
static bpi_entry *insert(bp_consumer *consumer, const bpi_entry *entry)
{
    if (consumer->first + consumer->count == consumer->capacity) {
        memmove(consumer->entries, at(consumer, 0), consumer->count * sizeof *entry);
        consumer->first = 0;
    }
    size_t place = place_of(consumer, entry->sequence);
    memmove(at(consumer, place + 1), at(consumer, place), (consumer->count - place) * sizeof *entry);
    *at(consumer, place) = *entry;
    consumer->count++;
    consumer->waiting++;
    consumer->retried += entry->parked;
    return at(consumer, place);
}

static void let_go(bp_consumer *consumer, bpi_entry *entry)
{
    if (entry->event != NULL) {
        bp_event_release(entry->event);
        entry->event = NULL;
        consumer->alone -= entry->alone;
        consumer->waiting++;
    }
}

void bpi_consumer_remove(bp_consumer *consumer, bpi_entry *entry)
{
    let_go(consumer, entry);
    consumer->waiting--;
    consumer->retried -= entry->parked;
    size_t place = (size_t)(entry - at(consumer, 0));
    if (place == 0) {
        consumer->first++;
    } else {
        memmove(entry, entry + 1, (consumer->count - place - 1) * sizeof *entry);
    }
    consumer->count--;
}

bpi_parked *bpi_consumer_find_parked(bp_consumer *consumer, uint64_t sequence)
{
    for (uint32_t i = 0; i < consumer->parked_count; i++) {
        if (consumer->parked[i].sequence == sequence) {
            return &consumer->parked[i];
        }
    }
    return NULL;
}

void bpi_consumer_finish(bp_consumer *consumer, bpi_entry *entry)
{
    if (entry->parked) {
        bpi_parked *parked = bpi_consumer_find_parked(consumer, entry->sequence);
        size_t behind = (size_t)(consumer->parked + consumer->parked_count - (parked + 1));
        memmove(parked, parked + 1, behind * sizeof *parked);
        consumer->parked_count--;
    }
    bpi_consumer_remove(consumer, entry);
    consumer->unsaved++;
}

void bpi_consumer_put_back(bp_consumer *consumer, bpi_entry *entry, uint64_t due_ns)
{
    let_go(consumer, entry);
    entry->due_ns = due_ns;
}

uint64_t bpi_consumer_watermark(const bp_consumer *consumer)
{
    for (size_t i = 0; i < consumer->count; i++) {
        if (!at(consumer, i)->parked) {
            return at(consumer, i)->sequence;
        }
    }
    return bpi_cursor_next_sequence(consumer->cursor);
}

/* ---- delivering ---- */

/* BP_ERR_DROPPED: retention took the event away since it was seen; its entry is gone, the next one is to be looked for. */
static bp_status deliver(bp_consumer *consumer, bpi_entry *entry, uint32_t worker, const bp_event **event_out,
                         bp_error *error)
{
    bp_status status = bp_get_sequence(consumer->hub->store, entry->sequence, &entry->event, error);
    if (status == BP_ERR_DROPPED) {
        bpi_consumer_finish(consumer, entry);
        return status;
    }
    if (status == BP_ERR_VERSION || status == BP_ERR_FORMAT) {
        consumer->stuck = entry->sequence;
    }
    if (status != BP_OK) {
        return status;
    }
    entry->worker = worker;
    entry->alone = (entry->event->flags & BP_FLAG_REQUIRES_ACK) != 0;
    consumer->alone += entry->alone;
    consumer->waiting--;
    *event_out = entry->event;
    return BP_OK;
}

/* Has this stream been marked in this pass? With `mark` it is afterwards. */
static bool marked(bp_consumer *consumer, uint64_t stream, bool mark)
{
    size_t slot = (size_t)(stream & (consumer->stream_slots - 1));
    while (consumer->marks[slot] == consumer->pass) {
        if (consumer->streams[slot] == stream) {
            return true;
        }
        slot = (slot + 1) & (consumer->stream_slots - 1);
    }
    if (mark) {
        consumer->marks[slot] = consumer->pass;
        consumer->streams[slot] = stream;
    }
    return false;
}

static void begin_pass(bp_consumer *consumer)
{
    if (++consumer->pass == 0) {
        memset(consumer->marks, 0, consumer->stream_slots * sizeof *consumer->marks);
        consumer->pass = 1;
    }
}

/* Marks what others hold, and what wants to be alone: what was put back may be earlier. */
static void mark_held(bp_consumer *consumer, uint32_t worker)
{
    for (size_t i = 0; consumer->waiting != consumer->count && i < consumer->count; i++) {
        const bpi_entry *entry = at(consumer, i);
        if (entry->event != NULL && (entry->worker != worker || entry->alone)) {
            (void)marked(consumer, entry->stream, true);
        }
    }
}

/* The first that waits and may go: nothing of its stream waits earlier, is another worker's, or wants to be alone. */
static bpi_entry *find_free(bp_consumer *consumer, uint32_t worker, uint64_t now, uint64_t *due_out)
{
    begin_pass(consumer);
    mark_held(consumer, worker);
    for (size_t i = 0; i < consumer->count; i++) {
        bpi_entry *entry = at(consumer, i);
        if (entry->event != NULL || marked(consumer, entry->stream, false)) {
            continue;
        }
        if (entry->due_ns <= now) {
            return entry;
        }
        *due_out = entry->due_ns < *due_out ? entry->due_ns : *due_out;
        (void)marked(consumer, entry->stream, true);
    }
    return NULL;
}

/* May an entry behind all others go? */
static bool is_free(const bp_consumer *consumer, const bpi_entry *entry, uint32_t worker)
{
    bool alone = consumer->waiting == 1 && consumer->alone == 0 && consumer->options.workers == 1;
    for (size_t i = 0; !alone && i + 1 < consumer->count; i++) {
        const bpi_entry *earlier = at(consumer, i);
        if (earlier->stream == entry->stream &&
            (earlier->event == NULL || earlier->worker != worker || earlier->alone)) {
            return false;
        }
    }
    return true;
}

bp_status bpi_consumer_pick(bp_consumer *consumer, uint32_t worker, uint64_t now, const bp_event **event_out,
                            uint64_t *due_out, bp_error *error)
{
    *due_out = UINT64_MAX;
    consumer->stuck = BP_NONE;
    while (consumer->waiting > 0) {
        bpi_entry *entry = find_free(consumer, worker, now, due_out);
        bp_status status = entry == NULL ? BP_END : deliver(consumer, entry, worker, event_out, error);
        if (status == BP_END) {
            break;
        }
        if (status != BP_ERR_DROPPED) {
            return status;
        }
    }
    uint32_t refused = 0;
    while (consumer->count - consumer->retried < consumer->options.window) {
        bp_event event;
        if (refused == LOOK_MOST) {
            *due_out = 0;
            return BP_END;
        }
        bp_status status = bpi_cursor_step(consumer->cursor, &event, NULL, error);
        if (status != BP_OK) {
            return status;
        }
        const bpi_parked *parked =
            event.sequence < consumer->parked_end ? bpi_consumer_find_parked(consumer, event.sequence) : NULL;
        if (!is_ours(consumer, event.entity) || (parked != NULL && !parked->retry)) {
            refused++;
            continue;
        }
        bpi_entry fresh = {.sequence = event.sequence, .stream = stream_of(event.entity), .parked = parked != NULL};
        bpi_entry *entry = insert(consumer, &fresh);
        if (!is_free(consumer, entry, worker)) {
            continue;
        }
        status = deliver(consumer, entry, worker, event_out, error);
        if (status != BP_ERR_DROPPED) {
            return status;
        }
    }
    return BP_END;
}

bp_status bpi_consumer_identify(const bp_consumer *consumer, uint64_t sequence, bp_id *id_out, uint64_t *stream_out,
                                bp_error *error)
{
    bp_event event;
    bp_error own;
    bp_error *told = error != NULL ? error : &own;
    bpi_index *index = bpi_store_read_begin(consumer->hub->store, "identify", told);
    if (index == NULL) {
        return told->status;
    }
    bpi_view *view = bpi_view_pin(index);
    if (view == NULL) {
        return bpi_error_set(error, BP_ERR_NO_MEMORY, "no memory for a view");
    }
    bp_status status = bpi_view_event(view, sequence, &event, error);
    if (status == BP_OK) {
        *id_out = event.id;
        *stream_out = stream_of(event.entity);
    }
    bpi_view_drop(view);
    return status;
}

bp_status bpi_consumer_try_again(bp_consumer *consumer, const bpi_parked *parked, bp_error *error)
{
    bp_id id;
    bpi_entry entry = {.sequence = parked->sequence, .parked = true};
    bp_status status = bpi_consumer_identify(consumer, parked->sequence, &id, &entry.stream, error);
    if (status == BP_OK) {
        (void)insert(consumer, &entry);
    }
    return status;
}
