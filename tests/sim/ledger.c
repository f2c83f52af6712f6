/*
 * ledger.c: what was acknowledged.
 *
 * The ledger knows of each event what its caller asked for, and what its receipt or the first reading told. From then on
 * every store that comes out of a crash must have the same, from the first event to some border between two commits.
 */
#include "sim/sim.h"

const char *sim_entity(unsigned index)
{
    static const char *const names[SIM_ENTITIES] = {"order:1", "order:10", "order", "spieler:älice", "x"};
    return names[index % SIM_ENTITIES];
}

const char *sim_scope(unsigned index)
{
    static const char *const names[SIM_SCOPES] = {"shop:eu", "räum"};
    return names[index % SIM_SCOPES];
}

const char *sim_subject(unsigned number)
{
    static const char *const names[SIM_SUBJECTS] = {"anna", "björn"};
    return names[(number - 1) % SIM_SUBJECTS];
}

void sim_payload(uint64_t seed, uint8_t *bytes, size_t size)
{
    bpt_random random = {seed};
    for (size_t at = 0; at < size; at += 8) {
        uint64_t word = bpt_random_next(&random) | UINT64_C(0x0101010101010101);
        memcpy(bytes + at, &word, size - at < 8 ? size - at : 8);
    }
}

uint64_t sim_ledger_clock(const sim_ledger *ledger, unsigned entity, uint64_t count)
{
    uint64_t events = 0;
    for (uint64_t at = 0; at < count; at++) {
        events += !ledger->events[at].system && ledger->events[at].entity == entity;
    }
    return events;
}

bool sim_ledger_border(const sim_ledger *ledger, uint64_t count)
{
    return count >= ledger->count || ledger->events[count].batch == count;
}

uint64_t sim_ledger_next_data(const sim_ledger *ledger, uint64_t from)
{
    while (from < ledger->count && (ledger->events[from].system || (ledger->fates.most[from] & SIM_DROP) != 0)) {
        from++;
    }
    return from < ledger->count ? from : BP_NONE;
}

bool sim_ledger_shredded(const sim_ledger *ledger, uint64_t sequence, uint64_t count)
{
    uint8_t subject = ledger->events[sequence].subject;
    for (uint64_t at = sequence + 1; subject != 0 && at < count && at < ledger->count; at++) {
        if (ledger->events[at].system && ledger->events[at].subject == subject) {
            return true;
        }
    }
    return false;
}

bool sim_ledger_buried(const sim_ledger *ledger, uint64_t sequence, uint64_t count)
{
    return ledger->events[sequence].buried_by < count;
}

/* ---- learning ---- */

static bool holds(const bp_event *event, uint64_t seed, uint32_t size)
{
    static uint8_t bytes[SIM_PAYLOAD_MAX + 8];
    sim_payload(seed, bytes, size);
    return event->payload_size == size && (size == 0 || memcmp(event->payload, bytes, size) == 0);
}

static void check_asked(const bp_event *event, const sim_item *item)
{
    SIM_CHECK(bp_text_equal(event->entity, bp_text_of(sim_entity(item->entity))) &&
                  bp_text_equal(event->scope, bp_text_of(sim_scope(item->scope))),
              "event %llu stands in another place than was asked for", (unsigned long long)event->sequence);
    SIM_CHECK(item->name != NULL || event->kind == item->kind, "event %llu has another kind",
              (unsigned long long)event->sequence);
    SIM_CHECK(bp_id_is_nil(&item->id) || bp_id_equal(&item->id, &event->id), "event %llu has another id",
              (unsigned long long)event->sequence);
    SIM_CHECK(holds(event, item->payload_seed, item->payload_size), "event %llu has another payload",
              (unsigned long long)event->sequence);
    SIM_CHECK(event->encryption == (item->subject != 0 ? BP_ENCRYPTION_OPENED : BP_ENCRYPTION_NONE),
              "event %llu is %s encrypted", (unsigned long long)event->sequence, item->subject != 0 ? "not" : "");
}

/* How many items of that group there are. */
static uint32_t group_size(const sim_item *items, size_t count, unsigned group)
{
    uint32_t size = 0;
    for (size_t index = 0; index < count; index++) {
        size += items[index].group == group;
    }
    return size;
}

/* Which key an erasure record says is destroyed, from 1; 0: it is about something else. */
static uint8_t read_destroyed(const sim_ledger *ledger, const bp_event *event)
{
    static const char head[] = "{\"what\":\"key\",\"key\":\"";
    bp_id id;
    size_t index = 0;
    const char *text = event->payload;
    if (event->kind != BP_KIND_ERASURE || event->payload_size < sizeof head + BP_ID_TEXT_SIZE ||
        memcmp(text, head, sizeof head - 1) != 0) {
        return 0;
    }
    SIM_CHECK(bp_id_parse(text + sizeof head - 1, BP_ID_TEXT_SIZE - 1, &id), "event %llu names no key",
              (unsigned long long)event->sequence);
    while (index < ledger->key_count && !bp_id_equal(&ledger->keys[index].id, &id)) {
        index++;
    }
    SIM_CHECK(index < ledger->key_count, "event %llu says that a key is destroyed, and nobody asked for that",
              (unsigned long long)event->sequence);
    return (uint8_t)(index + 1);
}

/* The events that a TOMBSTONE names. */
static void learn_buried(sim_ledger *ledger, const bp_event *event)
{
    SIM_CHECK(event->cause_count != 0, "event %llu buries nothing", (unsigned long long)event->sequence);
    for (size_t index = 0; index < event->cause_count; index++) {
        uint64_t at = 0;
        while (at < ledger->count && !bp_id_equal(&ledger->events[at].id, &event->causes[index])) {
            at++;
        }
        SIM_CHECK(at < ledger->count && ledger->burying != NULL && ledger->burying[at],
                  "event %llu buries event %llu, and nobody asked for that", (unsigned long long)event->sequence,
                  (unsigned long long)at);
        ledger->events[at].buried_by = event->sequence;
    }
}

static void check_system(const sim_event *known, const bp_event *event)
{
    static const bp_kind_code kinds[] = {BP_KIND_NAME, BP_KIND_DENIAL, BP_KIND_ERASURE, BP_KIND_TOMBSTONE};
    bool made = !known->system;
    for (size_t index = 0; index < sizeof kinds / sizeof kinds[0]; index++) {
        made = made || event->kind == kinds[index];
    }
    SIM_CHECK(made, "event %llu is one of the system's, of kind %x, and nothing here makes such",
              (unsigned long long)event->sequence, (unsigned)event->kind);
}

static void learn_one(sim_ledger *ledger, const bp_event *event, const sim_item *items, size_t count, size_t *item)
{
    SIM_CHECK(ledger->count < SIM_EVENTS_MAX, "the ledger is full");
    sim_event *known = &ledger->events[ledger->count];
    ledger->fates.least[ledger->count] = 0;
    ledger->fates.most[ledger->count] = 0;
    ledger->fates.pending[ledger->count] = 0;
    *known = (sim_event){.hash = event->event_hash,
                         .id = event->id,
                         .clock = event->clock,
                         .hlc = event->hlc,
                         .batch = event->batch,
                         .batch_count = event->batch_count,
                         .kind = event->kind,
                         .buried_by = BP_NONE,
                         .system = bp_text_equal(event->entity, bp_text_of(BP_SYSTEM_ENTITY))};
    SIM_CHECK(ledger->count == 0 || event->hlc > ledger->events[ledger->count - 1].hlc,
              "the HLC of event %llu does not increase", (unsigned long long)event->sequence);
    check_system(known, event);
    if (known->system) {
        known->key = read_destroyed(ledger, event);
        known->subject = known->key != 0 ? ledger->keys[known->key - 1].subject : 0;
    }
    if (event->kind == BP_KIND_TOMBSTONE) {
        learn_buried(ledger, event);
    }
    if (!known->system) {
        SIM_CHECK(*item < count, "event %llu was not asked for", (unsigned long long)event->sequence);
        const sim_item *asked = &items[(*item)++];
        check_asked(event, asked);
        uint64_t clock = sim_ledger_clock(ledger, asked->entity, ledger->count);
        SIM_CHECK(event->clock == clock, "event %llu has clock %llu, not %llu", (unsigned long long)event->sequence,
                  (unsigned long long)event->clock, (unsigned long long)clock);
        uint64_t leading = 0; /* names for kinds */
        while (event->batch + leading < ledger->count && ledger->events[event->batch + leading].system) {
            leading++;
        }
        SIM_CHECK(event->batch_count == leading + group_size(items, count, asked->group),
                  "P2: event %llu is in a commit of %u events", (unsigned long long)event->sequence,
                  (unsigned)event->batch_count);
        known->entity = asked->entity;
        known->scope = asked->scope;
        known->payload_seed = asked->payload_seed;
        known->payload_size = asked->payload_size;
        known->subject = asked->subject;
        known->keyed = !bp_id_is_nil(&asked->id);
    }
    sim_trace(event->hlc);
    ledger->count++;
}

void sim_ledger_learn(sim_ledger *ledger, bp_store *store, const sim_item *items, size_t count)
{
    uint64_t published = bp_store_frontiers(store).published;
    size_t item = 0;
    SIM_CHECK(published >= ledger->count, "%llu events are published, %llu were", (unsigned long long)published,
              (unsigned long long)ledger->count);
    for (uint64_t sequence = ledger->count; sequence < published; sequence++) {
        bp_error error = {0};
        const bp_event *event = NULL;
        bp_status status = bp_get_sequence(store, sequence, &event, &error);
        SIM_CHECK(status == BP_OK, "event %llu cannot be read: %s", (unsigned long long)sequence, error.message);
        SIM_CHECK(event->sequence == sequence, "event %llu says it is %llu", (unsigned long long)sequence,
                  (unsigned long long)event->sequence);
        learn_one(ledger, event, items, count, &item);
        bp_event_release(event);
    }
}

/* ---- comparing ---- */

void sim_event_payload(const sim_event *event, uint8_t *bytes)
{
    sim_payload(event->payload_seed, bytes, event->payload_size);
}

void sim_fates_settle(sim_fates *fates, const uint8_t *shown)
{
    memcpy(fates->least, shown, sizeof fates->least);
    memcpy(fates->most, shown, sizeof fates->most);
    memset(fates->pending, 0, sizeof fates->pending);
    fates->locked = false;
    fates->rebuilt = false;
    fates->salvaged = false;
    fates->lied = false;
}

/* Is all of its commit there for sure? Then the commit's size is what it was. */
static bool is_whole_commit(const sim_ledger *ledger, const sim_fates *fates, const sim_event *event)
{
    for (uint64_t at = event->batch; at < event->batch + event->batch_count && at < ledger->count; at++) {
        if ((fates->most[at] & SIM_DROP) != 0) {
            return false;
        }
    }
    return true;
}

bool sim_event_holds(const sim_event *event, const bp_event *found)
{
    return holds(found, event->payload_seed, event->payload_size);
}

/* The payload as it must be handed out, were it not erased. */
static void compare_payload(const sim_ledger *ledger, const sim_fates *fates, const bp_event *event, uint64_t count)
{
    const sim_event *known = &ledger->events[event->sequence];
    bp_encryption how = known->system || known->subject == 0                  ? BP_ENCRYPTION_NONE
                        : sim_ledger_shredded(ledger, event->sequence, count) ? BP_ENCRYPTION_SHREDDED
                        : fates->locked                                       ? BP_ENCRYPTION_LOCKED
                                                                              : BP_ENCRYPTION_OPENED;
    if (fates->lied && how == BP_ENCRYPTION_OPENED && event->encryption == BP_ENCRYPTION_LOCKED &&
        sim_ledger_shredded(ledger, event->sequence, ledger->count)) {
        how = BP_ENCRYPTION_LOCKED; /* the record that its key was destroyed is in what was cut */
    }
    bool absent = how == BP_ENCRYPTION_SHREDDED || how == BP_ENCRYPTION_LOCKED;
    SIM_CHECK(event->encryption == how, "P9: the payload of event %llu, for a subject, is %d, it should be %d",
              (unsigned long long)event->sequence, (int)event->encryption, (int)how);
    SIM_CHECK(event->payload_absent == absent &&
                  (absent ? event->payload_size == 0 : known->system || sim_event_holds(known, event)),
              "P3: event %llu has another payload", (unsigned long long)event->sequence);
}

/* What it shows: SIM_STUB or 0. `count`: the events that are there. */
static uint8_t compare_one(const sim_ledger *ledger, const sim_fates *fates, const bp_event *event, uint64_t count)
{
    uint64_t sequence = event->sequence;
    const sim_event *known = &ledger->events[sequence];
    SIM_CHECK((fates->least[sequence] & SIM_DROP) == 0, "P9: event %llu was dropped, and is there",
              (unsigned long long)sequence);
    SIM_CHECK(bp_hash_equal(&event->event_hash, &known->hash) && bp_id_equal(&event->id, &known->id) &&
                  event->clock == known->clock && event->hlc == known->hlc && event->kind == known->kind &&
                  (event->batch == known->batch || (fates->salvaged && !is_whole_commit(ledger, fates, known))),
              "P3: event %llu is another one", (unsigned long long)sequence);
    bool buried = sim_ledger_buried(ledger, sequence, fates->rebuilt ? ledger->count : count);
    SIM_CHECK(event->tombstoned == buried, "P3: event %llu is %stombstoned", (unsigned long long)sequence,
              event->tombstoned ? "" : "not ");
    SIM_CHECK(event->batch_count == known->batch_count || !is_whole_commit(ledger, fates, known),
              "P3: event %llu is in a commit of %u events", (unsigned long long)sequence, (unsigned)event->batch_count);
    if (event->payload_absent && event->encryption == BP_ENCRYPTION_NONE) {
        SIM_CHECK((fates->most[sequence] & SIM_STUB) != 0 && event->payload_size == 0,
                  "P9: the payload of event %llu is gone, and nobody asked for that", (unsigned long long)sequence);
        return SIM_STUB;
    }
    SIM_CHECK((fates->least[sequence] & SIM_STUB) == 0, "P9: event %llu was erased, and has a payload",
              (unsigned long long)sequence);
    compare_payload(ledger, fates, event, count);
    return 0;
}

/* Those from *seen up to `next` are not shown: they must have been dropped. */
static void pass_over(const sim_fates *fates, uint64_t *seen, uint64_t next, uint8_t *shown)
{
    for (; *seen < next; (*seen)++) {
        SIM_CHECK((fates->most[*seen] & SIM_DROP) != 0, "P3: event %llu is not shown", (unsigned long long)*seen);
        shown[*seen] = SIM_DROP;
    }
}

uint64_t sim_ledger_compare(const sim_ledger *ledger, bp_store *store, const sim_fates *fates, uint64_t least,
                            uint64_t most, uint8_t *shown_out)
{
    bp_error error = {0};
    bp_iterator *iterator = NULL;
    const bp_event *event = NULL;
    uint64_t seen = 0;
    uint8_t unused[SIM_EVENTS_MAX];
    uint8_t *shown = shown_out != NULL ? shown_out : unused;
    uint64_t count = bp_store_frontiers(store).published;
    bp_region region = bp_region_all();
    memset(shown, 0, SIM_EVENTS_MAX);
    SIM_CHECK(count >= least, "P1: %llu events are left, %llu were acknowledged", (unsigned long long)count,
              (unsigned long long)least);
    SIM_CHECK(count <= most, "P3: %llu events are there, %llu were tried", (unsigned long long)count,
              (unsigned long long)most);
    SIM_CHECK(sim_ledger_border(ledger, count), "P2: %llu events end inside of a commit", (unsigned long long)count);
    bp_region_set_system(&region, true);
    bp_status status = bp_query(store, &region, NULL, &iterator, &error);
    SIM_CHECK(status == BP_OK, "a query says %s", error.message);
    while ((status = bp_next(iterator, &event, &error)) == BP_OK) {
        SIM_CHECK(event->sequence >= seen && event->sequence < count, "P3: event %llu where %llu should be",
                  (unsigned long long)event->sequence, (unsigned long long)seen);
        pass_over(fates, &seen, event->sequence, shown);
        shown[seen++] = compare_one(ledger, fates, event, count);
    }
    bp_iterator_close(iterator);
    SIM_CHECK(status == BP_END, "P3: reading event %llu says %s", (unsigned long long)seen, error.message);
    pass_over(fates, &seen, count, shown);
    return count;
}

/* By its id, and by its number. */
static void ask_id(const sim_ledger *ledger, bp_store *store, uint64_t sequence, const uint8_t *shown)
{
    bp_error error = {0};
    const bp_event *event = NULL;
    bool dropped = (shown[sequence] & SIM_DROP) != 0;
    bp_status status = bp_get(store, &ledger->events[sequence].id, &event, &error);
    if (dropped) {
        SIM_CHECK(status == BP_ERR_DROPPED && error.has_sequence && error.sequence == sequence,
                  "P9: event %llu, which was dropped, is by its id: %s", (unsigned long long)sequence, error.message);
        status = bp_get_sequence(store, sequence, &event, &error);
        SIM_CHECK(status == BP_ERR_DROPPED, "P9: event %llu, which was dropped, is: %s", (unsigned long long)sequence,
                  error.message);
        return;
    }
    SIM_CHECK(status == BP_OK && event->sequence == sequence, "P4: event %llu is not found by its id: %s",
              (unsigned long long)sequence, error.message);
    bp_event_release(event);
}

/* Positions that left the process still match. */
static void ask_position(const sim_ledger *ledger, bp_store *store, uint64_t sequence)
{
    bp_error error = {0};
    bp_position position = {
        .next = sequence + 1, .epoch = bp_store_frontiers(store).epoch, .event_hash = ledger->events[sequence].hash};
    bp_status status = bp_position_check(store, &position, &error);
    SIM_CHECK(status == BP_OK, "P9: the position behind event %llu: %s", (unsigned long long)sequence, error.message);
}

static void ask_stream(const sim_ledger *ledger, bp_store *store, uint64_t count, const uint8_t *shown, unsigned entity)
{
    bp_error error = {0};
    uint64_t events = 0;
    uint64_t there = 0;
    uint64_t newest_clock = 0;
    for (uint64_t at = 0; at < count; at++) {
        const sim_event *event = &ledger->events[at];
        if (!event->system && event->entity == entity && (shown[at] & SIM_DROP) == 0) {
            there++;
            newest_clock = event->clock;
        }
    }
    bp_region region = bp_region_stream(sim_entity(entity));
    bp_status status = bp_count(store, &region, &events, &error);
    SIM_CHECK(status == BP_OK && events == there, "P4: %s has %llu events, not %llu", sim_entity(entity),
              (unsigned long long)events, (unsigned long long)there);
    if (events != 0) {
        const bp_event *newest = NULL;
        status = bp_newest(store, &region, &newest, &error);
        SIM_CHECK(status == BP_OK && newest->clock == newest_clock, "P4: the newest event of %s is another one: %s",
                  sim_entity(entity), error.message);
        bp_event_release(newest);
    }
}

void sim_ledger_ask(const sim_ledger *ledger, bp_store *store, uint64_t count, const uint8_t *shown, bpt_random *random)
{
    bp_error error = {0};
    unsigned entity = (unsigned)bpt_random_below(random, SIM_ENTITIES);
    if (count != 0) {
        uint64_t any = bpt_random_below(random, count);
        ask_id(ledger, store, any, shown);
        ask_id(ledger, store, count - 1, shown);
        ask_position(ledger, store, any);
    }
    if (count < ledger->count) {
        const bp_event *event = NULL;
        bp_status status = bp_get(store, &ledger->events[count].id, &event, &error);
        SIM_CHECK(status == BP_ERR_NOT_FOUND, "P4: event %llu, which is lost, is found by its id (%s)",
                  (unsigned long long)count, bp_status_name(status));
        bp_event_release(event);
    }
    ask_stream(ledger, store, count, shown, entity);
}
