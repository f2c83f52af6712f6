/*
 * proof.c: events against the history before them.
 *
 * Two hash tables, both seeded with a random key: heads by entity name, and all ids seen. 16 bytes an id at most 70 % full.
 *
 * Up to BATCH events wait. When one is taken in, its hash inputs are laid out in the batch's room and the places of the
 * tables that it will need are asked for; a flush then settles them one after another against the tables, hashes
 * all contents and all events side by side, and compares. An event is hashed over the previous hash that is recorded, which
 * has been judged by itself, so that no hash waits for another.
 */
#include "store/proof.h"

#include <string.h>

#include "base/assert.h"
#include "base/compiler.h"
#include "base/error.h"
#include "base/ids.h"
#include "base/memory.h"
#include "format/hashing.h"
#include "store/burial.h"
#include "store/kinds.h"

enum {
    FIRST_SLOTS = 1024,
    SLOTS_MOST_AT_ONCE = 1 << 23, /* however many events are announced */
    BATCH = 64,
    LEAVES = 256,
    INPUT_MOST = 1024, /* what goes side by side */
    LINE = 64
};

#define NOBODY UINT32_MAX

/* In the order in which they are told. */
enum {
    FAULT_CLOCK = 1,
    FAULT_HASH = 2,
    FAULT_HLC = 4,
    FAULT_CAUSE = 8,
    FAULT_ID = 16,
    FAULT_KIND = 32,
    FAULT_BURIAL = 64,
    FAULTS = 7
};

static const char *const fault_text[FAULTS] = {
    "clock does not follow: an event of this entity before it is missing or damaged",
    "event hash does not match what it binds",
    "HLC does not increase",
    "a cause is not an earlier event",
    "id is not unique",
    "a kind-name event is wrong or names something twice",
    "a TOMBSTONE event does not say which earlier events it is about",
};

/* One line of the cache. */
typedef struct head {
    const char *name; /* owned; NULL: free */
    uint64_t events;
    uint64_t last; /* sequence of the newest event */
    uint32_t number;
    uint16_t name_size;
    uint16_t mark; /* of the name's mix: what most others of the same place differ in */
    bp_hash hash;
} head;

_Static_assert(sizeof(head) == LINE && BP_NAME_MAX <= UINT16_MAX, "a head is one line");

/* An event that waits. Its texts and causes lie in its hash input. */
typedef struct item {
    uint8_t *content; /* hash input; NULL: the content hash is known already */
    size_t content_size;
    uint8_t *input; /* of the event hash: prefix and last block */
    size_t prefix_size;
    uint64_t mixed;
    bp_id id;
    uint64_t id_mixed;
    uint64_t sequence;
    uint64_t clock;
    uint64_t position;
    bp_hlc hlc;
    bp_hash event_hash;
    bp_text entity;
    const bp_id *causes;
    size_t cause_count; /* 0 where they may be anything */
    unsigned faults;
    bool dropped; /* nothing is left that its hash could be held against */
} item;

/* A root over hashes that come one by one, taken in by whole subtrees. */
typedef struct leaves {
    bpi_merkle merkle;
    bp_hash waiting[LEAVES];
    size_t count;
} leaves;

struct bpi_proof {
    const bp_allocator *allocator;
    bpi_disproof_fn tell;
    void *argument;
    uint64_t key;
    bpi_id_mixer mixer;
    bp_id *ids; /* nil: free */
    size_t id_slots;
    size_t id_count;
    void *head_room; /* of the heads, which begin at a line */
    head *heads;
    size_t head_slots;
    size_t head_count;
    uint32_t system; /* number of the system's entity */
    bp_hlc last_hlc;
    leaves all;
    leaves segment;
    bpi_kinds kinds;
    item items[BATCH];
    bpi_met met[BATCH];
    size_t count;
    bool large_used;
    size_t used; /* of room */
    uint8_t room[2 * BATCH * INPUT_MOST];
    uint8_t large[BPI_EVENT_PREFIX_MAX + BPI_HASH_BLOCK]; /* an event that is too large for the room */
};

static void leaves_begin(leaves *some)
{
    bpi_merkle_begin(&some->merkle);
    some->count = 0;
}

static void leaves_flush(leaves *some)
{
    bpi_merkle_add_many(&some->merkle, some->waiting, some->count);
    some->count = 0;
}

static void leaves_add(leaves *some, const bp_hash *leaf)
{
    some->waiting[some->count++] = *leaf;
    if (some->count == LEAVES) {
        leaves_flush(some);
    }
}

static size_t heads_size(size_t slots)
{
    return slots * sizeof(head) + LINE;
}

/* NULL: no memory. */
static head *heads_new(const bp_allocator *allocator, size_t slots, void **room_out)
{
    *room_out = slots > (SIZE_MAX - LINE) / sizeof(head) ? NULL : bpi_allocate_zero(allocator, heads_size(slots));
    size_t beyond = (size_t)((uintptr_t)*room_out & (LINE - 1));
    return *room_out == NULL ? NULL : (head *)(void *)((uint8_t *)*room_out + (LINE - beyond));
}

static size_t slots_for(uint64_t events)
{
    size_t slots = FIRST_SLOTS;
    while (slots < SLOTS_MOST_AT_ONCE && slots / 10 * 7 < events) {
        slots *= 2;
    }
    return slots;
}

static bp_status no_memory(bp_error *error)
{
    return bpi_error_set(error, BP_ERR_NO_MEMORY, "no memory to verify the store");
}

bp_status bpi_proof_new(const bp_allocator *allocator, const bp_random *random, uint64_t events, bpi_disproof_fn tell,
                        void *argument, bpi_proof **proof_out, bp_error *error)
{
    *proof_out = NULL;
    bpi_proof *proof = bpi_allocate(allocator, sizeof *proof);
    if (proof == NULL) {
        return no_memory(error);
    }
    memset(proof, 0, offsetof(bpi_proof, items));
    proof->allocator = allocator;
    proof->tell = tell;
    proof->argument = argument;
    proof->count = 0;
    proof->large_used = false;
    proof->used = 0;
    proof->system = NOBODY;
    bpi_kinds_init(&proof->kinds, allocator);
    leaves_begin(&proof->all);
    leaves_begin(&proof->segment);
    proof->id_slots = slots_for(events);
    proof->head_slots = FIRST_SLOTS;
    proof->ids = bpi_allocate_array(allocator, proof->id_slots, sizeof *proof->ids);
    proof->heads = heads_new(allocator, proof->head_slots, &proof->head_room);
    int code = random->fill(random->context, &proof->key, sizeof proof->key);
    if (proof->ids == NULL || proof->heads == NULL || code != 0) {
        bpi_proof_free(proof);
        return code != 0 ? bpi_error_system(error, code, "cannot draw random bytes") : no_memory(error);
    }
    proof->mixer = bpi_id_mixer_of(proof->key);
    *proof_out = proof;
    return BP_OK;
}

void bpi_proof_free(bpi_proof *proof)
{
    if (proof == NULL) {
        return;
    }
    for (size_t i = 0; proof->heads != NULL && i < proof->head_slots; i++) {
        union {
            const char *text;
            void *memory;
        } owned = {.text = proof->heads[i].name};
        bpi_release(proof->allocator, owned.memory, (size_t)proof->heads[i].name_size + 1);
    }
    bpi_release(proof->allocator, proof->head_room, heads_size(proof->head_slots));
    bpi_release(proof->allocator, proof->ids, proof->id_slots * sizeof *proof->ids);
    bpi_kinds_fini(&proof->kinds);
    bpi_release(proof->allocator, proof, sizeof *proof);
}

/* ---- the tables ---- */

static bp_id *id_slot(bp_id *ids, size_t slots, const bp_id *id, uint64_t mixed)
{
    size_t at = (size_t)mixed & (slots - 1);
    while (!bpi_id_none(&ids[at]) && !bpi_id_same(&ids[at], id)) {
        at = (at + 1) & (slots - 1);
    }
    return &ids[at];
}

static bool grow_ids(bpi_proof *proof)
{
    if (proof->id_count * 10 < proof->id_slots * 7) {
        return true;
    }
    size_t slots = proof->id_slots * 2;
    bp_id *ids = bpi_allocate_array(proof->allocator, slots, sizeof *ids);
    if (ids == NULL) {
        return false;
    }
    for (size_t i = 0; i < proof->id_slots; i++) {
        const bp_id *id = &proof->ids[i];
        if (!bpi_id_none(id)) {
            *id_slot(ids, slots, id, bpi_id_mixed(&proof->mixer, id)) = *id;
        }
    }
    bpi_release(proof->allocator, proof->ids, proof->id_slots * sizeof *ids);
    proof->ids = ids;
    proof->id_slots = slots;
    return true;
}

static uint16_t mark_of(uint64_t mixed)
{
    return (uint16_t)(mixed >> 48);
}

static head *head_slot(head *heads, size_t slots, bp_text name, uint64_t mixed)
{
    size_t at = (size_t)mixed & (slots - 1);
    while (heads[at].name != NULL && (heads[at].mark != mark_of(mixed) || heads[at].name_size != name.size ||
                                      memcmp(heads[at].name, name.data, name.size) != 0)) {
        at = (at + 1) & (slots - 1);
    }
    return &heads[at];
}

static bool grow_heads(bpi_proof *proof)
{
    if (proof->head_count * 10 < proof->head_slots * 7) {
        return true;
    }
    void *room = NULL;
    size_t slots = proof->head_slots * 2;
    head *heads = heads_new(proof->allocator, slots, &room);
    if (heads == NULL) {
        return false;
    }
    for (size_t i = 0; i < proof->head_slots; i++) {
        const head *old = &proof->heads[i];
        if (old->name != NULL) {
            size_t at = (size_t)bpi_name_mix(old->name, old->name_size, proof->key) & (slots - 1);
            while (heads[at].name != NULL) {
                at = (at + 1) & (slots - 1);
            }
            heads[at] = *old;
        }
    }
    bpi_release(proof->allocator, proof->head_room, heads_size(proof->head_slots));
    proof->head_room = room;
    proof->heads = heads;
    proof->head_slots = slots;
    return true;
}

static head *find_head(bpi_proof *proof, bp_text name, uint64_t mixed)
{
    head *found = head_slot(proof->heads, proof->head_slots, name, mixed);
    if (found->name == NULL) {
        char *copy = bpi_allocate(proof->allocator, name.size + 1); /* a forged name may be empty */
        if (copy == NULL) {
            return NULL;
        }
        memcpy(copy, name.data, name.size);
        *found = (head){.name = copy,
                        .last = UINT64_MAX,
                        .number = (uint32_t)proof->head_count,
                        .name_size = (uint16_t)name.size,
                        .mark = mark_of(mixed)};
        proof->head_count++;
        if (bp_text_equal(name, bp_text_of(BP_SYSTEM_ENTITY))) {
            proof->system = found->number;
        }
    }
    return found;
}

static void ask_for_slots(const bpi_proof *proof, const item *one)
{
    BPI_PREFETCH(&proof->heads[(size_t)one->mixed & (proof->head_slots - 1)]);
    BPI_PREFETCH(&proof->ids[(size_t)one->id_mixed & (proof->id_slots - 1)]);
    for (size_t i = 0; i < one->cause_count; i++) {
        BPI_PREFETCH(&proof->ids[(size_t)bpi_id_mixed(&proof->mixer, &one->causes[i]) & (proof->id_slots - 1)]);
    }
}

/* ---- taking in ---- */

static uint8_t *take_room(bpi_proof *proof, size_t size)
{
    uint8_t *room = proof->room + proof->used;
    proof->used += size;
    return room;
}

/* Lays out the content's hash input, or hashes what is too large or has been hashed before. */
static void take_content(bpi_proof *proof, item *one, const bpi_record_input *input, const bp_event *event,
                         bp_hash *content_out)
{
    size_t size = bpi_content_input_size(input->private_size, input->payload_size);
    one->content = NULL;
    if (event->payload_absent || size > INPUT_MOST) {
        *content_out = bp_event_content_hash(event);
        return;
    }
    memset(content_out, 0, sizeof *content_out); /* set when it is known */
    one->content_size = size;
    one->content = take_room(proof, size);
    bpi_content_input(one->content, input->salt, input->private_extensions, input->private_size, input->payload,
                      input->payload_size);
}

static void take_input(bpi_proof *proof, item *one, const bpi_record_input *input, const bp_event *event,
                       const bp_hash *content)
{
    one->prefix_size = bpi_event_prefix_size(input);
    size_t size = one->prefix_size + BPI_HASH_BLOCK;
    proof->large_used = size > INPUT_MOST;
    one->input = proof->large_used ? proof->large : take_room(proof, size);
    bpi_event_prefix(one->input, input, content);
    bpi_event_last_block(one->input + one->prefix_size, NULL, event->sequence, event->clock, event->hlc,
                         event->time_us);
    one->causes = (const bp_id *)(const void *)(one->input + BPI_EVENT_PREFIX_HEADER);
    one->cause_count = event->external ? 0 : event->cause_count;
    const uint8_t *name = one->input + BPI_EVENT_PREFIX_HEADER + event->cause_count * sizeof(bp_id);
    one->entity = (bp_text){(const char *)name, event->entity.size};
}

/* What the store learns from system events. */
static unsigned learn(bpi_proof *proof, const bp_event *event)
{
    bpi_burial burial;
    if (event->kind == BP_KIND_TOMBSTONE && !event->payload_absent) {
        bool good = bpi_burial_read(event->payload, event->payload_size, event->sequence, &burial);
        return good && burial.count == event->cause_count ? 0
                                                          : FAULT_BURIAL; /* that its causes exist is looked at below */
    }
    if (event->kind != BP_KIND_NAME || event->payload_absent) {
        return 0;
    }
    bp_error unused;
    bp_status status = bpi_kinds_learn(&proof->kinds, event->payload, event->payload_size, &unused);
    return status == BP_ERR_CORRUPT ? FAULT_KIND : 0;
}

bool bpi_proof_room(const bpi_proof *proof)
{
    return proof->count < BATCH && !proof->large_used;
}

size_t bpi_proof_add(bpi_proof *proof, const bp_event *event)
{
    bpi_record_input input;
    bp_hash content;
    BPI_DEBUG_ASSERT(bpi_proof_room(proof));
    bpi_record_input_of(event, &input);
    item *one = &proof->items[proof->count];
    take_content(proof, one, &input, event, &content);
    take_input(proof, one, &input, event, &content);
    one->mixed = bpi_name_mix(event->entity.data, event->entity.size, proof->key);
    one->id = event->id;
    one->id_mixed = bpi_id_mixed(&proof->mixer, &event->id);
    one->sequence = event->sequence;
    one->clock = event->clock;
    one->position = event->position;
    one->hlc = event->hlc;
    one->event_hash = event->event_hash;
    one->faults = learn(proof, event);
    one->dropped = event->dropped;
    return proof->count++;
}

void bpi_proof_pass(bpi_proof *proof, const bp_event *event)
{
    leaves_add(&proof->segment, &event->event_hash);
}

/* ---- judging ---- */

static void check_causes(const bpi_proof *proof, item *one)
{
    for (size_t i = 0; i < one->cause_count; i++) {
        const bp_id *cause = &one->causes[i];
        if (bpi_id_none(id_slot(proof->ids, proof->id_slots, cause, bpi_id_mixed(&proof->mixer, cause)))) {
            one->faults |= FAULT_CAUSE;
            return;
        }
    }
}

/* Everything but the hash, which gets the previous one. */
static bool settle(bpi_proof *proof, item *one, bpi_met *met)
{
    uint32_t entities = (uint32_t)proof->head_count;
    head *entity = grow_ids(proof) && grow_heads(proof) ? find_head(proof, one->entity, one->mixed) : NULL;
    if (entity == NULL) {
        return false;
    }
    *met = (bpi_met){.entity = {entity->name, entity->name_size},
                     .previous = entity->last,
                     .number = entity->number,
                     .entities = entities,
                     .system = entity->number == proof->system};
    if (one->clock != entity->events) {
        one->faults |= FAULT_CLOCK;
    } else if (entity->events != 0) {
        memcpy(one->input + one->prefix_size, entity->hash.bytes, sizeof entity->hash.bytes);
    }
    if (one->hlc <= proof->last_hlc) {
        one->faults |= FAULT_HLC;
    }
    check_causes(proof, one);
    bp_id *slot = id_slot(proof->ids, proof->id_slots, &one->id, one->id_mixed);
    if (!bpi_id_none(slot)) {
        one->faults |= FAULT_ID;
    } else if (!bpi_id_none(&one->id)) {
        *slot = one->id;
        proof->id_count++;
    }
    entity->last = one->sequence;
    entity->events = one->clock + 1;
    entity->hash = one->event_hash;
    proof->last_hlc = one->hlc;
    return true;
}

static void hash_contents(bpi_proof *proof)
{
    const uint8_t *inputs[BATCH] = {NULL};
    size_t sizes[BATCH] = {0};
    bp_hash hashes[BATCH];
    item *owners[BATCH];
    size_t count = 0;
    for (size_t i = 0; i < proof->count; i++) {
        item *one = &proof->items[i];
        if (one->content != NULL) {
            inputs[count] = one->content;
            sizes[count] = one->content_size;
            owners[count++] = one;
        }
    }
    bpi_hash_many(BPI_HASH_CONTENT, inputs, sizes, count, hashes);
    for (size_t i = 0; i < count; i++) {
        memcpy(owners[i]->input + BPI_EVENT_PREFIX_HASH, hashes[i].bytes, sizeof hashes[i].bytes);
    }
}

static void compare_hashes(bpi_proof *proof)
{
    const uint8_t *inputs[BATCH] = {NULL};
    size_t sizes[BATCH] = {0};
    bp_hash hashes[BATCH];
    for (size_t i = 0; i < proof->count; i++) {
        inputs[i] = proof->items[i].input;
        sizes[i] = proof->items[i].prefix_size + BPI_HASH_BLOCK;
    }
    bpi_hash_many(BPI_HASH_EVENT, inputs, sizes, proof->count, hashes);
    for (size_t i = 0; i < proof->count; i++) {
        item *one = &proof->items[i];
        /* Without the event before it there is no saying what its hash should be. */
        if ((one->faults & FAULT_CLOCK) == 0 && !one->dropped && !bp_hash_equal(&hashes[i], &one->event_hash)) {
            one->faults |= FAULT_HASH;
        }
    }
}

static void tell_faults(bpi_proof *proof, const item *one)
{
    for (unsigned i = 0; i < FAULTS; i++) {
        if (one->faults >> i & 1) {
            bpi_disproof found = {one->position, one->sequence, one->entity, fault_text[i]};
            proof->tell(proof->argument, &found);
        }
    }
}

bp_status bpi_proof_flush(bpi_proof *proof, const bpi_met **met_out, bp_error *error)
{
    *met_out = proof->met;
    if (proof->count == 0) {
        return BP_OK;
    }
    for (size_t i = 0; i < proof->count; i++) {
        ask_for_slots(proof, &proof->items[i]);
    }
    for (size_t i = 0; i < proof->count; i++) {
        const item *one = &proof->items[i];
        const head *place = &proof->heads[(size_t)one->mixed & (proof->head_slots - 1)];
        if (place->name != NULL) {
            BPI_PREFETCH(place->name);
        }
    }
    for (size_t i = 0; i < proof->count; i++) {
        if (!settle(proof, &proof->items[i], &proof->met[i])) {
            return no_memory(error);
        }
    }
    hash_contents(proof);
    compare_hashes(proof);
    for (size_t i = 0; i < proof->count; i++) {
        const item *one = &proof->items[i];
        leaves_add(&proof->all, &one->event_hash);
        leaves_add(&proof->segment, &one->event_hash);
        if (BPI_UNLIKELY(one->faults != 0)) {
            tell_faults(proof, one);
        }
    }
    proof->count = 0;
    proof->large_used = false;
    proof->used = 0;
    return BP_OK;
}

/* ---- what came of it ---- */

void bpi_proof_segment_begin(bpi_proof *proof)
{
    leaves_begin(&proof->segment);
}

void bpi_proof_segment_root(bpi_proof *proof, bp_hash *root_out)
{
    leaves_flush(&proof->segment);
    bpi_merkle_root(&proof->segment.merkle, root_out);
}

void bpi_proof_root(bpi_proof *proof, bp_hash *root_out)
{
    leaves_flush(&proof->all);
    bpi_merkle_root(&proof->all.merkle, root_out);
}

uint64_t bpi_proof_entities(const bpi_proof *proof)
{
    return proof->head_count;
}

bool bpi_proof_has(const bpi_proof *proof, const bp_id *id)
{
    return !bpi_id_none(id_slot(proof->ids, proof->id_slots, id, bpi_id_mixed(&proof->mixer, id)));
}
