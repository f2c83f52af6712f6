/*
 * ops.c: what a simulated program does.
 *
 * A new operation is a function and a line in the table at the end. It may use everything in the run; it asks for events
 * through run->items (so that the ledger knows what may come), and calls `answered` with what came of it. Its choices come
 * from its own random numbers alone: leaving another operation out must not change what this one does.
 */
#include <errno.h>

#include "sim/sim.h"

/* ---- requests ---- */

typedef struct ask {
    bp_append_options options[SIM_ITEMS_MAX];
    bp_batch_item items[SIM_ITEMS_MAX];
    size_t count;
    bp_durability durability;
} ask;

static uint8_t payloads[SIM_ITEMS_MAX * 3000 + SIM_PAYLOAD_MAX + 64];

static bp_durability some_durability(const sim_run *run, bpt_random *random)
{
    static const bp_durability lazy[] = {BP_DURABILITY_DEFAULT, BP_BUFFERED, BP_BUFFERED, BP_PERIODIC};
    uint64_t which = bpt_random_below(random, 4);
    return run->plan->lazy ? lazy[which] : (bp_durability)which;
}

static bool is_durable(const sim_run *run, bp_durability durability)
{
    return durability == BP_DURABLE || (durability == BP_DURABILITY_DEFAULT && run->plan->durability == BP_DURABLE);
}

static bp_id new_key(sim_run *run)
{
    uint64_t words[2] = {run->plan->seed, run->keys++};
    return bp_id_from("sim", words, sizeof words);
}

static sim_item *ask_for(sim_run *run, bpt_random *random, size_t size)
{
    sim_item *item = &run->items[run->item_count++];
    *item = (sim_item){.payload_seed = bpt_random_next(random),
                       .payload_size = (uint32_t)size,
                       .kind = bp_kind(0xF, 1 + (unsigned)bpt_random_below(random, 3)),
                       .entity = (uint8_t)bpt_random_below(random, SIM_ENTITIES),
                       .scope = (uint8_t)bpt_random_below(random, SIM_SCOPES),
                       .group = run->groups};
    return item;
}

static size_t some_size(bpt_random *random)
{
    return (size_t)bpt_random_below(random, bpt_random_chance(random, 85) ? 120 : 2800);
}

/* The request for the items from `first` on. */
static void build(const sim_run *run, size_t first, ask *request_out)
{
    size_t at = 0;
    request_out->count = run->item_count - first;
    for (size_t index = 0; index < request_out->count; index++) {
        const sim_item *asked = &run->items[first + index];
        bp_append_options *options = &request_out->options[index];
        bp_append_options_init(options);
        options->id = asked->id;
        options->kind_name = asked->name;
        options->subject = asked->subject != 0 ? sim_subject(asked->subject) : NULL;
        sim_payload(asked->payload_seed, payloads + at, asked->payload_size);
        request_out->items[index] = (bp_batch_item){bp_at(sim_entity(asked->entity), sim_scope(asked->scope)),
                                                    asked->kind, bp_raw(payloads + at, asked->payload_size), options};
        at += (asked->payload_size + 8) / 8 * 8;
    }
}

static bp_status send(sim_run *run, ask *request, bp_receipt *receipts, bp_error *error)
{
    bp_batch_options options;
    if (request->count == 1) {
        const bp_batch_item *item = &request->items[0];
        request->options[0].durability = request->durability;
        return bp_append(run->store, item->at, item->kind, item->payload, item->options, receipts, error);
    }
    bp_batch_options_init(&options);
    options.durability = request->durability;
    return bp_append_batch(run->store, request->items, request->count, &options, receipts, error);
}

static bool may_fail(const sim_run *run, bp_status status)
{
    bool io = status == BP_ERR_IO || status == BP_ERR_FAILED;
    return (run->faulty && (io || status == BP_ERR_NO_SPACE)) ||
           (run->misread && (io || status == BP_ERR_CORRUPT || status == BP_ERR_VERSION)) ||
           (run->starved && (status == BP_ERR_NO_MEMORY || status == BP_ERR_FAILED));
}

bool sim_done(const sim_run *run, bp_status status, const bp_error *error)
{
    sim_trace((uint64_t)status);
    SIM_CHECK(status == BP_OK || may_fail(run, status), "it says %s: %s", bp_status_name(status), error->message);
    return status == BP_OK;
}

/* Nothing new may come of the first items; what other callers asked for stays. */
static void withdraw(sim_run *run, size_t count)
{
    run->item_count -= count;
    memmove(run->items, run->items + count, run->item_count * sizeof *run->items);
}

/* What came of an append: the status must be the wanted one; what was acknowledged goes into the ledger. True: it was
 * done. `first`: the receipts' first sequence, BP_NONE when it is new. */
static bool answered(sim_run *run, bp_status status, bp_status wanted, const ask *request, const bp_receipt *receipts,
                     uint64_t first, const bp_error *error)
{
    sim_ledger *ledger = &run->ledger;
    uint64_t before = ledger->count;
    sim_trace((uint64_t)status);
    if (wanted != BP_OK || first != BP_NONE) {
        withdraw(run, request->count);
    }
    sim_run_learn(run);
    if (may_fail(run, status)) {
        return false;
    }
    SIM_CHECK(status == wanted, "it says %s (%s), not %s", bp_status_name(status), error->message,
              bp_status_name(wanted));
    if (status != BP_OK) {
        return false;
    }
    bool duplicate = first != BP_NONE;
    if (!duplicate) {
        for (first = before; first < ledger->count && ledger->events[first].system; first++) {
        }
    }
    for (size_t index = 0; index < request->count; index++) {
        const bp_receipt *receipt = &receipts[index];
        SIM_CHECK(receipt->sequence == first + index && receipt->sequence < ledger->count,
                  "P7: the receipt says event %llu, it is %llu of %llu", (unsigned long long)receipt->sequence,
                  (unsigned long long)(first + index), (unsigned long long)ledger->count);
        const sim_event *event = &ledger->events[receipt->sequence];
        SIM_CHECK(bp_hash_equal(&receipt->event_hash, &event->hash) && bp_id_equal(&receipt->id, &event->id) &&
                      receipt->clock == event->clock && receipt->hlc == event->hlc,
                  "the receipt of event %llu is another's", (unsigned long long)receipt->sequence);
        SIM_CHECK(receipt->duplicate == duplicate, "P7: event %llu is %s duplicate",
                  (unsigned long long)receipt->sequence, duplicate ? "a" : "no");
        SIM_CHECK(receipt->durable || !is_durable(run, request->durability),
                  "P1: event %llu was to be durable and is not", (unsigned long long)receipt->sequence);
        if (receipt->durable && receipt->sequence >= ledger->durable) {
            ledger->durable = receipt->sequence + 1;
        }
    }
    ledger->acked = ledger->count;
    return true;
}

static void append_items(sim_run *run, size_t first, bp_durability durability, bp_status wanted)
{
    ask request;
    bp_receipt receipts[SIM_ITEMS_MAX];
    bp_error error = {0};
    memset(receipts, 0, sizeof receipts);
    build(run, first, &request);
    request.durability = durability;
    bp_status status = send(run, &request, receipts, &error);
    (void)answered(run, status, wanted, &request, receipts, BP_NONE, &error);
}

/* ---- appending ---- */

static void op_append(sim_run *run, bpt_random *random)
{
    sim_item *item = ask_for(run, random, some_size(random));
    if (bpt_random_chance(random, 40)) {
        item->id = new_key(run);
    }
    append_items(run, 0, some_durability(run, random), BP_OK);
}

static void op_batch(sim_run *run, bpt_random *random)
{
    size_t count = 2 + (size_t)bpt_random_below(random, 4);
    bool keyed = bpt_random_chance(random, 50);
    for (size_t index = 0; index < count; index++) {
        sim_item *item = ask_for(run, random, some_size(random));
        if (keyed) {
            item->id = new_key(run);
        }
    }
    append_items(run, 0, some_durability(run, random), BP_OK);
}

/* For a subject, some of it. */
void sim_op_subject(sim_run *run, bpt_random *random)
{
    size_t count = 1 + (size_t)bpt_random_below(random, 3);
    for (size_t index = 0; index < count; index++) {
        sim_item *item = ask_for(run, random, some_size(random));
        bool private = bpt_random_chance(random, 80);
        item->subject = private ? 1 + (uint8_t)bpt_random_below(random, SIM_SUBJECTS) : 0;
        item->subject = bp_encryption_available() ? item->subject : 0;
        if (bpt_random_chance(random, 50) || index != 0) {
            item->id = new_key(run);
        }
    }
    run->items[0].id = count > 1 ? new_key(run) : run->items[0].id;
    append_items(run, 0, some_durability(run, random), BP_OK);
}

/* Too much for what is left of a segment. */
static void op_big(sim_run *run, bpt_random *random)
{
    (void)ask_for(run, random, 9000 + (size_t)bpt_random_below(random, SIM_PAYLOAD_MAX - 9000));
    append_items(run, 0, some_durability(run, random), BP_OK);
}

static void op_name(sim_run *run, bpt_random *random)
{
    static const char *const names[] = {"order.placed", "größe", "order.paid"};
    sim_item *item = ask_for(run, random, some_size(random));
    item->name = names[bpt_random_below(random, 3)];
    append_items(run, 0, some_durability(run, random), BP_OK);
}

static void op_expect(sim_run *run, bpt_random *random)
{
    ask request;
    bp_receipt receipt = {0};
    bp_error error = {0};
    const sim_item *item = ask_for(run, random, some_size(random));
    uint64_t events = sim_ledger_clock(&run->ledger, item->entity, run->ledger.count);
    bool right = bpt_random_chance(random, 50);
    build(run, 0, &request);
    request.durability = some_durability(run, random);
    if (right) {
        request.options[0].expect =
            (bp_expectation){events == 0 ? BP_EXPECT_NONE : BP_EXPECT_AT, events - (events != 0)};
    } else {
        request.options[0].expect = (bp_expectation){BP_EXPECT_AT, events + bpt_random_below(random, 3)};
    }
    bp_status status = send(run, &request, &receipt, &error);
    (void)answered(run, status, right ? BP_OK : BP_ERR_CONFLICT, &request, &receipt, BP_NONE, &error);
}

/* Asks that nothing came into a stream or a scope behind some event; it knows whether that is so. */
static void op_guard(sim_run *run, bpt_random *random)
{
    ask request;
    bp_receipt receipt = {0};
    bp_error error = {0};
    const sim_ledger *ledger = &run->ledger;
    unsigned entity = (unsigned)bpt_random_below(random, SIM_ENTITIES);
    unsigned scope = (unsigned)bpt_random_below(random, SIM_SCOPES);
    bool by_scope = bpt_random_chance(random, 50);
    uint64_t back = bpt_random_below(random, 5);
    uint64_t next = back > ledger->count ? 0 : ledger->count - back;
    bp_region region = by_scope ? bp_region_by_scope(sim_scope(scope)) : bp_region_stream(sim_entity(entity));
    bp_position after = {.next = next, .epoch = run->epoch};
    bool came = false;
    bool open = false; /* what came was dropped since, or may have been: it is said to have come, or not */
    for (uint64_t at = next; at < ledger->count; at++) {
        const sim_event *event = &ledger->events[at];
        bool meant = !event->system && (by_scope ? event->scope == scope : event->entity == entity);
        bool dropped = (ledger->fates.most[at] & SIM_DROP) != 0;
        came = came || (meant && !dropped);
        open = open || (meant && dropped);
    }
    if (next == 0) {
        after.epoch = 0;
    } else {
        after.event_hash = ledger->events[next - 1].hash;
    }
    bp_guard guard = bp_guard_of(&region, after);
    (void)ask_for(run, random, some_size(random));
    build(run, 0, &request);
    request.durability = some_durability(run, random);
    request.options[0].guards = &guard;
    request.options[0].guard_count = 1;
    bp_status status = send(run, &request, &receipt, &error);
    came = came || (open && status == BP_ERR_CONFLICT);
    (void)answered(run, status, came ? BP_ERR_CONFLICT : BP_OK, &request, &receipt, BP_NONE, &error);
}

static bp_verdict refuse(const void *state, const void *context, bp_denial *denial)
{
    (void)state;
    (void)context;
    return bp_denial_say(denial, "NEVER", "this gate is shut");
}

static void op_gate(sim_run *run, bpt_random *random)
{
    bp_error error = {0};
    bp_gate_set *set = NULL;
    bp_binding *binding = NULL;
    bp_bind_options options;
    bp_gate gate = {.name = "shut", .evaluate = refuse};
    bp_region region = bp_region_all();
    bp_bind_options_init(&options);
    options.record_denials = bpt_random_chance(random, 50);
    SIM_CHECK(bp_gate_set_new(&set, &error) == BP_OK && bp_gate_set_push(set, &gate, &error) == BP_OK &&
                  bp_gate_bind(run->store, &region, set, &options, &binding, &error) == BP_OK,
              "no gate can be bound: %s", error.message);
    (void)ask_for(run, random, some_size(random));
    append_items(run, 0, some_durability(run, random), BP_ERR_DENIED);
    SIM_CHECK(bp_gate_unbind(run->store, binding, &error) == BP_OK, "no gate can be unbound: %s", error.message);
    bp_gate_set_free(set);
}

/* ---- retries ---- */

/* Asks for a commit that is there once more; its first sequence, or BP_NONE: there is none. */
static uint64_t ask_again(sim_run *run, bpt_random *random)
{
    const sim_ledger *ledger = &run->ledger;
    if (ledger->count == 0) {
        return BP_NONE;
    }
    const sim_event *any = &ledger->events[bpt_random_below(random, ledger->count)];
    uint64_t first = any->batch;
    uint64_t end = any->batch + any->batch_count;
    while (first < end && ledger->events[first].system) {
        first++;
    }
    for (uint64_t at = first; at < end; at++) {
        const sim_event *event = &ledger->events[at];
        run->items[run->item_count++] = (sim_item){.payload_seed = event->payload_seed,
                                                   .payload_size = event->payload_size,
                                                   .id = event->id,
                                                   .kind = event->kind,
                                                   .entity = event->entity,
                                                   .subject = event->subject,
                                                   .scope = event->scope};
    }
    return first < end ? first : BP_NONE;
}

static void op_retry(sim_run *run, bpt_random *random)
{
    ask request;
    bp_receipt receipts[SIM_ITEMS_MAX];
    bp_error error = {0};
    uint64_t first = ask_again(run, random);
    if (first == BP_NONE) {
        return;
    }
    memset(receipts, 0, sizeof receipts);
    build(run, 0, &request);
    request.durability = some_durability(run, random);
    request.options[0].expect = (bp_expectation){BP_EXPECT_AT, 12345}; /* no part of the request */
    bp_status status = send(run, &request, receipts, &error);
    (void)answered(run, status, BP_OK, &request, receipts, first, &error);
}

static void op_alter(sim_run *run, bpt_random *random)
{
    ask request;
    bp_receipt receipts[SIM_ITEMS_MAX];
    bp_error error = {0};
    uint64_t first = ask_again(run, random);
    if (first == BP_NONE) {
        return;
    }
    uint64_t altered = bpt_random_below(random, run->item_count);
    run->items[altered].payload_size++;
    if (run->ledger.fates.most[first + altered] != 0 ||
        sim_ledger_shredded(&run->ledger, first + altered, run->ledger.count)) {
        return; /* what is gone cannot be compared */
    }
    memset(receipts, 0, sizeof receipts);
    build(run, 0, &request);
    request.durability = some_durability(run, random);
    bp_status status = send(run, &request, receipts, &error);
    (void)answered(run, status, BP_ERR_IDEMPOTENCY, &request, receipts, BP_NONE, &error);
}

/* ---- the store as a whole ---- */

static void op_sync(sim_run *run, bpt_random *random)
{
    bp_error error = {0};
    bool waits = bpt_random_chance(random, 30) && run->ledger.count != 0;
    bp_status status =
        waits ? bp_wait_durable(run->store, run->ledger.count - 1, UINT32_MAX, &error) : bp_sync(run->store, &error);
    sim_run_learn(run);
    if (sim_done(run, status, &error)) {
        SIM_CHECK(bp_store_frontiers(run->store).durable >= run->bounds.most, "P1: synced, but not durable");
        run->ledger.durable = run->bounds.most > run->ledger.durable ? run->bounds.most : run->ledger.durable;
        run->ledger.acked = run->ledger.count;
    }
}

static void op_seal(sim_run *run, bpt_random *random)
{
    bp_error error = {0};
    (void)random;
    (void)sim_done(run, bp_seal(run->store, &error), &error);
}

static void op_reopen(sim_run *run, bpt_random *random)
{
    bp_error error = {0};
    sim_watcher_close(run);
    bool closed = sim_done(run, sim_run_close(run, &error), &error);
    if (closed) {
        run->ledger.acked = run->ledger.count;
        run->ledger.durable = run->ledger.count;
    }
    run->faulty = false;
    run->forgets = false;
    run->drops = 0;
    bpi_fault_set_plan(run->world.fault, &(bpi_fault_plan){0});
    if (closed && bpt_random_chance(random, 15)) {
        (void)sim_done(run, bp_reindex(run->world.path, &run->world.options, NULL, &error), &error);
    }
    sim_run_open(run, run->ledger.acked);
}

static void op_ask(sim_run *run, bpt_random *random)
{
    uint8_t shown[SIM_EVENTS_MAX];
    uint64_t count = run->ledger.count;
    (void)sim_ledger_compare(&run->ledger, run->store, &run->ledger.fates, count, count, shown);
    sim_ledger_ask(&run->ledger, run->store, count, shown, random);
}

/* ---- other processes and callers ---- */

static void op_reader(sim_run *run, bpt_random *random)
{
    bp_error error = {0};
    sim_reader *reader = &run->readers[bpt_random_below(random, SIM_READERS)];
    if (run->faulty) {
        return;
    }
    if (reader->store != NULL) {
        (void)bp_close(reader->store, NULL);
        *reader = (sim_reader){0};
        return;
    }
    bp_status status = bp_open_reader(run->world.path, &run->world.options, &reader->store, &error);
    SIM_CHECK(status == BP_OK, "P8: no reader beside the writer: %s", error.message);
    *reader = (sim_reader){.store = reader->store};
}

/* From now on, while one caller waits for its sync, another one appends. */
static void op_callers(sim_run *run, bpt_random *random)
{
    run->cuts_in = bpt_random_chance(random, 75);
}

static bool open_watcher(sim_run *run, bpt_random *random)
{
    bp_error error = {0};
    bp_consumer_options options;
    bp_consumer_options_init(&options);
    options.save_every = 1 + (uint32_t)bpt_random_below(random, 3);
    sim_watcher *watcher = &run->watcher;
    bp_status status = bp_consumer_open(run->store, "worker", NULL, &options, &watcher->consumer, &error);
    watcher->exists = watcher->exists || status == BP_OK;
    watcher->next = watcher->saved;
    return sim_done(run, status, &error);
}

static void op_consume(sim_run *run, bpt_random *random)
{
    bp_error error = {0};
    sim_watcher *watcher = &run->watcher;
    if (watcher->consumer == NULL && !open_watcher(run, random)) {
        return;
    }
    for (uint64_t left = 1 + bpt_random_below(random, 4); left > 0; left--) {
        const bp_event *event = NULL;
        bp_status status = bp_consumer_next(watcher->consumer, 0, 0, &event, &error);
        if (status == BP_ERR_TIMEOUT || !sim_done(run, status, &error)) {
            return;
        }
        uint64_t furthest =
            sim_ledger_next_data(&run->ledger, watcher->acked > watcher->next ? watcher->acked : watcher->next);
        SIM_CHECK(event->sequence >= watcher->next && event->sequence <= furthest,
                  "the consumer is given event %llu, it may be %llu to %llu", (unsigned long long)event->sequence,
                  (unsigned long long)watcher->next, (unsigned long long)furthest);
        uint64_t sequence = event->sequence;
        watcher->next = sequence + 1;
        watcher->acked = sequence >= watcher->acked ? sequence + 1 : watcher->acked;
        (void)sim_done(run, bp_consumer_ack(watcher->consumer, sequence, &error), &error);
    }
    if (bpt_random_chance(random, 30) && sim_done(run, bp_consumer_save(watcher->consumer, &error), &error)) {
        watcher->saved = run->spoiled ? 0 : watcher->next;
    }
}

/* ---- what goes wrong ---- */

static void op_clock(sim_run *run, bpt_random *random)
{
    static const int64_t steps[] = {-3600000000, -5000, 0, 5000, 86400000000};
    bpt_clock *clock = &run->world.clock;
    (void)atomic_fetch_add(&clock->now_us, steps[bpt_random_below(random, 5)]);
    atomic_store(&clock->step_us, bpt_random_chance(random, 30) ? 0 : 7);
}

/* One of the next steps fails. What the store makes of it: the operations behind this one. */
void sim_op_fault(sim_run *run, bpt_random *random)
{
    bpi_fault_plan plan = {.kind = bpt_random_chance(random, 50) ? BPI_FAULT_ERROR : BPI_FAULT_HALF,
                           .step = 1 + bpt_random_below(random, 12),
                           .os_error = bpt_random_chance(random, 70) ? EIO : ENOSPC};
    run->forgets = bpt_random_chance(random, 40);
    run->drops = 0;
    bpi_fault_set_plan(run->world.fault, run->forgets ? &(bpi_fault_plan){0} : &plan);
    run->faulty = true;
    run->spoiled = true;
    run->watcher.saved = 0;
}

static void op_kill(sim_run *run, bpt_random *random)
{
    sim_run_crash(run, false, random);
}

static void op_power(sim_run *run, bpt_random *random)
{
    sim_run_crash(run, true, random);
}

const sim_operation sim_operations[] = {
    {"append", 26, op_append},
    {"batch", 12, op_batch},
    {"big", 5, op_big},
    {"name", 3, op_name},
    {"expect", 5, op_expect},
    {"guard", 6, op_guard},
    {"gate", 3, op_gate},
    {"retry", 8, op_retry},
    {"alter", 3, op_alter},
    {"sync", 5, op_sync},
    {"seal", 5, op_seal},
    {"reopen", 5, op_reopen},
    {"ask", 2, op_ask},
    {"reader", 4, op_reader},
    {"callers", 3, op_callers},
    {"consume", 5, op_consume},
    {"clock", 4, op_clock},
    {"fault", 6, sim_op_fault},
    {"kill", 3, op_kill},
    {"power", 4, op_power},
    {"compact", 5, sim_op_compact},
    {"erase", 5, sim_op_erase},
    {"snapshot", 3, sim_op_snapshot},
    {"restore", 4, sim_op_restore},
    {"trouble", 6, sim_op_trouble},
    {"subject", 8, sim_op_subject},
    {"destroy", 4, sim_op_destroy},
    {"tombstone", 5, sim_op_tombstone},
    {"repair", 2, sim_op_repair},
    {"rebuild", 1, sim_op_rebuild},
    {NULL, 0, NULL},
};
