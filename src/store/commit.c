/*
 * commit.c: the core of an append, under the commit lock.
 *
 * Holds: nothing is changed before everything that can refuse has agreed and everything that can run out is reserved;
 * the frame is written before the index knows it; the index is complete before it is published. All answers see what
 * earlier commits wrote, published or not, because both happen under this lock.
 */
#include "store/commit.h"

#include <string.h>

#include "base/assert.h"
#include "base/bytes.h"
#include "base/checksum.h"
#include "base/compiler.h"
#include "base/error.h"
#include "base/plant.h"
#include "format/frame.h"
#include "store/burial.h"

static void name_item(bp_error *error, size_t index, size_t count)
{
    if (error != NULL && count > 1) {
        error->has_index = true;
        error->index = index;
    }
}

bp_status bpi_causes_check(bp_store *store, const bpi_scratch *scratch, size_t count, bp_error *error)
{
    for (size_t i = 0; i < count; i++) {
        const bpi_staged *staged = &scratch->items[i];
        for (uint32_t c = 0; c < staged->given_causes && !staged->external; c++) {
            const bp_id *cause = &staged->input.causes[c];
            uint64_t sequence = 0;
            bp_status known = bpi_index_find_id(store->index, cause, &sequence, error);
            bool found = known == BP_OK;
            if (!found && known != BP_ERR_NOT_FOUND) {
                return known;
            }
            for (size_t earlier = 0; !found && earlier < i; earlier++) {
                found = bp_id_equal(cause, &scratch->items[earlier].input.id);
            }
            if (found) {
                continue;
            }
            char text[BP_ID_TEXT_SIZE];
            bp_id_print(cause, text);
            bpi_error_set(error, BP_ERR_CAUSE, "cause %s is not in the store", text);
            bpi_error_hint(error, "append it first, or say that it is external");
            if (error != NULL) {
                error->has_id = true;
                error->id = *cause;
            }
            name_item(error, i, count);
            return BP_ERR_CAUSE;
        }
    }
    return BP_OK;
}

void bpi_entities_undo(bp_store *store, bpi_scratch *scratch, size_t count)
{
    for (size_t i = count; i-- > 0;) {
        if (scratch->items[i].entity_new) {
            bpi_index_undo_entity(store->index, scratch->items[i].entity);
            scratch->items[i].entity_new = false;
        }
    }
}

bp_status bpi_entities_resolve(bp_store *store, bpi_scratch *scratch, size_t count, bp_error *error)
{
    for (size_t i = 0; i < count; i++) {
        bpi_staged *staged = &scratch->items[i];
        bp_status status = bpi_index_take_entity(store->index, staged->input.entity, staged->expected, true,
                                                 &staged->entity, &staged->entity_new, error);
        staged->entity_new = staged->entity_new && status == BP_OK;
        if (status == BP_OK) {
            status = bpi_index_take_scope(store->index, staged->input.scope, &staged->scope, error);
        }
        if (status != BP_OK) {
            bpi_entities_undo(store, scratch, i + 1);
            return bpi_error_wrap(error, status, "nothing was appended");
        }
    }
    return BP_OK;
}

/* How many events of the same entity come before item i in this batch. */
static uint64_t earlier_of_entity(const bpi_scratch *scratch, size_t i)
{
    uint64_t earlier = 0;
    for (size_t j = 0; j < i; j++) {
        earlier += scratch->items[j].entity == scratch->items[i].entity;
    }
    return earlier;
}

static bp_status conflict(const bpi_staged *staged, uint64_t events, size_t i, size_t count, bp_error *error)
{
    char actual[32] = "no event";
    if (events != 0) {
        (void)snprintf(actual, sizeof actual, "clock %llu", (unsigned long long)(events - 1));
    }
    int shown = staged->input.entity.size < 128 ? (int)staged->input.entity.size : 128;
    const char *entity = staged->input.entity.data;
    if (staged->expect.kind == BP_EXPECT_NONE) {
        bpi_error_set(error, BP_ERR_CONFLICT, "entity \"%.*s\" should have no event, but has %s", shown, entity,
                      actual);
    } else {
        bpi_error_set(error, BP_ERR_CONFLICT, "entity \"%.*s\" should be at clock %llu, but has %s", shown, entity,
                      (unsigned long long)staged->expect.clock, actual);
    }
    bpi_error_hint(error, "read the entity again, decide again, append with what it has now");
    bpi_error_entity(error, staged->input.entity);
    if (error != NULL) {
        error->expected = staged->expect.kind == BP_EXPECT_NONE ? BP_NONE : staged->expect.clock;
        error->actual = events == 0 ? BP_NONE : events - 1;
    }
    name_item(error, i, count);
    return BP_ERR_CONFLICT;
}

static bp_status check_expectations(const bpi_scratch *scratch, size_t count, bp_error *error)
{
    for (size_t i = 0; i < count; i++) {
        const bpi_staged *staged = &scratch->items[i];
        if (staged->expect.kind == BP_EXPECT_ANY) {
            continue;
        }
        uint64_t events = staged->entity->head.events + earlier_of_entity(scratch, i);
        bool met =
            staged->expect.kind == BP_EXPECT_NONE ? events == 0 : events != 0 && events - 1 == staged->expect.clock;
        if (!met) {
            return conflict(staged, events, i, count, error);
        }
    }
    return BP_OK;
}

/* A block for a new segment, and the entities anew, which begin_block asks for. */
static bp_status begin_block(bp_store *store, bpi_scratch *scratch, size_t count, bp_error *error)
{
    bpi_open_segment *active = store->log.active;
    if (!bpi_index_begin_block(store->index, active->segment, store->log.next_sequence,
                               bpi_store_rows_max(active->capacity))) {
        return bpi_error_set(error, BP_ERR_NO_MEMORY, "no memory for the append; nothing was done");
    }
    store->block_segment = active->segment;
    if (store->log.threaded) {
        bpi_keeper_arm(&store->log); /* so that it sees when nothing is to be done */
    }
    for (size_t i = 0; i < count; i++) {
        scratch->items[i].entity_new = false;
    }
    return bpi_entities_resolve(store, scratch, count, error);
}

/* The index's block for the active segment, room for the rows, room to count the kinds, and for what the items teach. */
static bp_status reserve(bp_store *store, bpi_scratch *scratch, size_t count, bp_error *error)
{
    if (store->block_segment != store->log.active->segment) {
        bp_status status = begin_block(store, scratch, count, error);
        if (status != BP_OK) {
            return status;
        }
    }
    size_t buried = 0;
    size_t erased = 0;
    bool good = bpi_index_reserve(store->index, count);
    for (size_t i = 0; i < count && good; i++) {
        good = bpi_kinds_reserve_count(&store->kinds, scratch->items[i].input.kind);
        buried += scratch->items[i].input.kind == BP_KIND_TOMBSTONE ? BPI_BURIAL_MAX : 0;
        erased += scratch->items[i].input.kind == BP_KIND_ERASURE;
    }
    if (BPI_UNLIKELY(buried != 0)) {
        good = good && bpi_index_bury_reserve(store->index, buried);
    }
    if (BPI_UNLIKELY(erased != 0)) {
        good = good && bpi_keys_reserve(store->keys, erased);
    }
    return good ? BP_OK : bpi_error_set(error, BP_ERR_NO_MEMORY, "no memory for the append; nothing was done");
}

bp_hlc bpi_commit_next_hlc(bp_hlc last, int64_t now_us)
{
    bool sane = now_us > 0 && now_us / 1000 <= BPI_LAST_MS; /* a clock beyond the year 9999 stands still for us */
    bp_hlc wall = sane ? (bp_hlc)(now_us / 1000) << 16 : 0;
    return wall > last ? wall : last + 1;
}

/* `last`: the block that the commit knows. */
static void hash_event(bpi_staged *staged, const uint8_t last[BPI_HASH_BLOCK])
{
    bpi_record_assigned *assigned = &staged->assigned;
    if (staged->prefix_size <= BPI_HASH_PREFIX_MAX) {
        bpi_hash_prefix_end(BPI_HASH_EVENT, &staged->prefix, last, &assigned->event_hash);
        return;
    }
    /* Rare: names, causes and extensions over 900 bytes. */
    uint8_t head[BPI_EVENT_PREFIX_HEADER];
    static const uint8_t zeros[BPI_HASH_BLOCK];
    bpi_record_input bare = staged->input;
    bare.cause_count = 0;
    bare.entity.size = 0;
    bare.scope.size = 0;
    bare.public_size = 0;
    bpi_event_prefix(head, &bare, &staged->input.content_hash);
    head[21] = staged->input.cause_count;
    bpi_put16(head + 24, (uint16_t)staged->input.entity.size);
    bpi_put16(head + 26, (uint16_t)staged->input.scope.size);
    bpi_put16(head + 28, (uint16_t)staged->input.public_size);
    /* Causes, names and public extensions lie in the record as they are hashed, one behind the other. */
    size_t size = (size_t)staged->input.cause_count * sizeof(bp_id) + staged->input.entity.size +
                  staged->input.scope.size + staged->input.public_size;
    bpi_hash_stream stream;
    bpi_hash_stream_begin(&stream, BPI_HASH_EVENT);
    bpi_hash_stream_add(&stream, head, sizeof head);
    bpi_hash_stream_add(&stream, staged->input.causes, size);
    bpi_hash_stream_add(&stream, zeros, staged->prefix_size - sizeof head - size);
    bpi_hash_stream_add(&stream, last, BPI_HASH_BLOCK);
    bpi_hash_stream_end(&stream, &assigned->event_hash);
}

/* Assigns a place to one item, on top of its entity's head; and its hash, when later items may wait for it. */
static void assign(const bpi_scratch *scratch, bpi_staged *staged, uint64_t sequence, bp_hlc hlc, int64_t now_us)
{
    const bpi_head *head = &staged->entity->head;
    bpi_record_assigned *assigned = &staged->assigned;
    assigned->sequence = sequence;
    assigned->clock = head->events;
    assigned->hlc = hlc;
    assigned->time_us = staged->has_time ? staged->time_us : now_us;
    staged->previous = head->events == 0 ? BP_NONE : head->last;
    const bp_hash *previous = head->events == 0 || bpi_planted(BPI_PLANT_CHAIN_CUT) ? NULL : &head->hash;
    uint8_t block[BPI_HASH_BLOCK];
    uint8_t *last = staged->alone ? scratch->prefixes.data + staged->prefix_at + staged->prefix_size : block;
    bpi_event_last_block(last, previous, sequence, assigned->clock, hlc, assigned->time_us);
    if (!staged->alone) {
        hash_event(staged, last);
    }
}

static void move_head(const bpi_staged *staged)
{
    bpi_head *head = &staged->entity->head;
    head->events = staged->assigned.clock + 1;
    head->last = staged->assigned.sequence;
    head->hash = staged->assigned.event_hash;
}

/* A failed write: the heads as they were before this commit. */
static void restore_heads(bpi_scratch *scratch, const bpi_head *saved, size_t count)
{
    for (size_t i = count; i-- > 0;) {
        scratch->items[i].entity->head = saved[i];
    }
}

/* What the store itself learns, here and nowhere else, so that it knows if and only if the log has it. There is room, and it was checked. */
static void learn_item(bp_store *store, const bpi_staged *staged)
{
    const bpi_record_input *input = &staged->input;
    bp_event event = {
        .sequence = staged->assigned.sequence, .payload = input->payload, .payload_size = input->payload_size};
    if ((input->state & BPI_RECORD_STATE_STUB) != 0) {
        return; /* there is nothing to learn from: an opening passes over it, too */
    }
    if (input->kind == BP_KIND_NAME) {
        BPI_ASSERT(bpi_kinds_learn(&store->kinds, input->payload, input->payload_size, NULL) == BP_OK);
    } else if (input->kind == BP_KIND_TOMBSTONE) {
        BPI_ASSERT(bpi_burial_learn(store->index, &event, NULL) == BP_OK);
    } else if (input->kind == BP_KIND_ERASURE) {
        BPI_ASSERT(bpi_keys_learn(store->keys, input->payload, input->payload_size, event.sequence, NULL) == BP_OK);
    }
}

static void index_item(bp_store *store, const bpi_staged *staged, uint64_t record_offset, bool first)
{
    bpi_row row = {.id = staged->input.id,
                   .correlation = staged->correlation,
                   .causes = staged->input.causes,
                   .cause_count = staged->input.cause_count,
                   .clock = staged->assigned.clock,
                   .hlc = staged->assigned.hlc,
                   .time_us = staged->assigned.time_us,
                   .previous = staged->previous,
                   .offset = (uint32_t)record_offset,
                   .lane = staged->lane,
                   .kind = staged->input.kind,
                   .first_of_commit = first};
    bpi_index_append(store->index, staged->entity, staged->scope, &row);
    bpi_kinds_count_event(&store->kinds, staged->input.kind);
    if (BPI_UNLIKELY(staged->system)) {
        if (staged->input.payload_size != 0) {
            learn_item(store, staged);
        }
        atomic_fetch_add_explicit(&store->counters.system_events, 1, memory_order_relaxed);
    }
}

/* The records get their places and hashes. Returns the checksum over their checksums. */
static uint32_t finish_records(bpi_scratch *scratch, size_t count)
{
    enum { AT_ONCE = 64 };
    uint8_t sums[AT_ONCE * sizeof(uint32_t)];
    uint32_t crc = 0;
    for (size_t i = 0; i < count;) {
        size_t size = 0;
        for (; i < count && size < sizeof sums; i++, size += sizeof(uint32_t)) {
            const bpi_staged *staged = &scratch->items[i];
            bpi_put32(sums + size,
                      bpi_record_assign(scratch->frame.data + staged->offset, &staged->assigned, staged->tail_crc));
        }
        crc = bpi_crc32c(crc, sums, size);
    }
    return crc;
}

static uint32_t assign_all(bp_store *store, bpi_scratch *scratch, size_t count, int64_t now_us, bool exact,
                           bpi_head *saved)
{
    uint64_t sequence = store->log.next_sequence;
    bp_hlc hlc = store->log.last_hlc;
    bool waiting = false;
    for (size_t i = 0; i < count; i++, sequence++) {
        bpi_staged *staged = &scratch->items[i];
        saved[i] = staged->entity->head;
        if (exact) {
            staged->previous = staged->entity->head.events == 0 ? BP_NONE : staged->entity->head.last;
            staged->alone = false;
        } else {
            hlc = bpi_commit_next_hlc(hlc, now_us);
            assign(scratch, staged, sequence, hlc, now_us);
        }
        if (staged->alone) {
            waiting = true;
        } else {
            move_head(staged);
        }
    }
    if (waiting) {
        bpi_stage_hash_alone(scratch, count);
        for (size_t i = 0; i < count; i++) {
            if (scratch->items[i].alone) {
                move_head(&scratch->items[i]);
            }
        }
    }
    return finish_records(scratch, count);
}

/* A log in which somebody wrote the greatest HLC that there is (bp_append_exact takes none beyond the year 9999). */
static bp_status nothing_can_follow(bp_error *error)
{
    bpi_error_set(error, BP_ERR_CORRUPT,
                  "the newest event's HLC, or the manifest's, is the greatest there can be: nothing was appended");
    bpi_error_hint(error, "batpak verify and batpak dump show what was written; restore the store from a copy");
    return BP_ERR_CORRUPT;
}

bp_status bpi_commit_write(bp_store *store, bpi_scratch *scratch, size_t count, int64_t now_us, bool exact,
                           bpi_outcome *outcome_out, bp_error *error)
{
    bpi_log *log = &store->log;
    if (BPI_UNLIKELY(!exact && UINT64_MAX - log->last_hlc < count)) {
        return nothing_can_follow(error);
    }
    bpi_head one;
    bpi_head *saved = count == 1 ? &one : bpi_allocate(store->allocator, count * sizeof *saved);
    bp_status status = saved == NULL ? bpi_error_set(error, BP_ERR_NO_MEMORY, "no memory for the append")
                                     : reserve(store, scratch, count, error);
    if (status == BP_OK) {
        uint64_t start = log->active->end;
        uint32_t crc = assign_all(store, scratch, count, now_us, exact, saved);
        outcome_out->first = log->next_sequence;
        if (bpi_planted(BPI_PLANT_PUBLISHED_EARLY)) {
            atomic_store(&log->live->published, bpi_log_next_lsn(log) + scratch->frame.size);
        }
        status = bpi_log_write(log, scratch->frame.data, (uint32_t)scratch->frame.size, BP_FRAME_DATA, (uint32_t)count,
                               crc, scratch->items[count - 1].assigned.hlc, error);
        if (status != BP_OK) {
            restore_heads(scratch, saved, count);
        }
        for (size_t i = 0; status == BP_OK && i < count; i++) {
            if (i + 12 < count) {
                bpi_index_expect_id(store->index, &scratch->items[i + 12].input.id);
            }
            index_item(store, &scratch->items[i], start + scratch->items[i].offset, i == 0);
        }
    }
    if (count != 1) {
        bpi_release(store->allocator, saved, count * sizeof *saved);
    }
    if (status == BP_OK) {
        outcome_out->lsn = bpi_log_next_lsn(log);
        bpi_index_publish(store->index, log->next_sequence);
        bpi_log_publish(log);
    }
    return status;
}

/* Ids that a caller gave are looked up; ids the store drew are new by their 74 random bits. */
static bp_status look_for_duplicates(bp_store *store, bpi_scratch *scratch, size_t count, bpi_outcome *outcome,
                                     bp_error *error)
{
    return scratch->items[count - 1].id_given ? bpi_find_duplicates(store, scratch, count, outcome, error) : BP_OK;
}

bp_status bpi_commit(bp_store *store, bpi_scratch *scratch, size_t count, int64_t now_us, bpi_outcome *outcome_out,
                     bp_error *error)
{
    memset(outcome_out, 0, sizeof *outcome_out);
    if (BPI_UNLIKELY(atomic_load_explicit(&store->log.failed, memory_order_acquire))) {
        bp_status revived = bpi_store_revive(store, error);
        if (revived != BP_OK) {
            return revived;
        }
    }
    outcome_out->lsn = bpi_log_next_lsn(&store->log);
    bp_status status = look_for_duplicates(store, scratch, count, outcome_out, error);
    if (status != BP_OK || outcome_out->duplicate) {
        return status;
    }
    bpi_index_expect_id(store->index, &scratch->items[0].input.id);
    uint64_t before = store->log.next_sequence;
    if (bpi_planted(BPI_PLANT_EXPECTATION_UNJUDGED)) {
        scratch->items[0].expect.kind = BP_EXPECT_ANY;
    }
    status = bpi_log_room(&store->log, scratch->frame.size, error);
    if (status == BP_OK && store->log.next_sequence != before) {
        status = look_for_duplicates(store, scratch, count, outcome_out, error); /* making room let others in */
    }
    if (status != BP_OK || outcome_out->duplicate) {
        return status;
    }
    outcome_out->lsn = bpi_log_next_lsn(&store->log);
    status = bpi_causes_check(store, scratch, count, error);
    if (status == BP_OK) {
        status = bpi_entities_resolve(store, scratch, count, error);
    }
    if (status != BP_OK) {
        return status;
    }
    status = check_expectations(scratch, count, error);
    if (status == BP_OK && BPI_UNLIKELY(scratch->guarded)) {
        status = bpi_guards_check(store, scratch, count, error);
    }
    if (status == BP_OK && BPI_UNLIKELY(atomic_load_explicit(&store->before, memory_order_relaxed) != NULL)) {
        status = bpi_before_judge(store, scratch, count, now_us, error);
    }
    if (status == BP_OK) {
        status = bpi_commit_write(store, scratch, count, now_us, false, outcome_out, error);
    }
    if (status != BP_OK) {
        bpi_entities_undo(store, scratch, count);
    }
    return status;
}
