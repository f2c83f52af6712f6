/*
 * proof.c: an event against the history before it.
 *
 * Two hash tables, both seeded with a random key: heads by entity name, and all ids seen. 16 bytes an id at most 70 % full.
 */
#include "store/proof.h"

#include <string.h>

#include "base/error.h"
#include "base/ids.h"
#include "base/memory.h"
#include "format/hashing.h"
#include "store/kinds.h"

enum { FIRST_SLOTS = 1024 };

typedef struct head {
    uint64_t events;
    bp_hash hash;
    size_t name_size;
    char *name;
} head;

struct bpi_proof {
    const bp_allocator *allocator;
    uint64_t key;
    bp_id *ids; /* nil: free */
    size_t id_slots;
    size_t id_count;
    head *heads; /* name NULL: free */
    size_t head_slots;
    size_t head_count;
    bp_hlc last_hlc;
    bpi_merkle merkle;
    bpi_kinds kinds;
};

bpi_proof *bpi_proof_new(const bp_allocator *allocator, const bp_random *random)
{
    bpi_proof *proof = bpi_allocate_zero(allocator, sizeof *proof);
    if (proof == NULL) {
        return NULL;
    }
    proof->allocator = allocator;
    bpi_kinds_init(&proof->kinds, allocator);
    bpi_merkle_begin(&proof->merkle);
    proof->id_slots = FIRST_SLOTS;
    proof->head_slots = FIRST_SLOTS;
    proof->ids = bpi_allocate_array(allocator, proof->id_slots, sizeof *proof->ids);
    proof->heads = bpi_allocate_array(allocator, proof->head_slots, sizeof *proof->heads);
    if (proof->ids == NULL || proof->heads == NULL ||
        random->fill(random->context, &proof->key, sizeof proof->key) != 0) {
        bpi_proof_free(proof);
        return NULL;
    }
    return proof;
}

void bpi_proof_free(bpi_proof *proof)
{
    if (proof == NULL) {
        return;
    }
    for (size_t i = 0; proof->heads != NULL && i < proof->head_slots; i++) {
        bpi_release(proof->allocator, proof->heads[i].name, proof->heads[i].name_size);
    }
    bpi_release(proof->allocator, proof->heads, proof->head_slots * sizeof *proof->heads);
    bpi_release(proof->allocator, proof->ids, proof->id_slots * sizeof *proof->ids);
    bpi_kinds_fini(&proof->kinds);
    bpi_release(proof->allocator, proof, sizeof *proof);
}

static bp_id *id_slot(bp_id *ids, size_t slots, const bp_id *id, uint64_t key)
{
    size_t at = (size_t)bpi_id_mix(id, key) & (slots - 1);
    while (!bp_id_is_nil(&ids[at]) && !bp_id_equal(&ids[at], id)) {
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
        if (!bp_id_is_nil(&proof->ids[i])) {
            *id_slot(ids, slots, &proof->ids[i], proof->key) = proof->ids[i];
        }
    }
    bpi_release(proof->allocator, proof->ids, proof->id_slots * sizeof *ids);
    proof->ids = ids;
    proof->id_slots = slots;
    return true;
}

static head *head_slot(head *heads, size_t slots, const char *name, size_t size, uint64_t key)
{
    size_t at = (size_t)bpi_name_mix(name, size, key) & (slots - 1);
    while (heads[at].name != NULL && (heads[at].name_size != size || memcmp(heads[at].name, name, size) != 0)) {
        at = (at + 1) & (slots - 1);
    }
    return &heads[at];
}

static bool grow_heads(bpi_proof *proof)
{
    if (proof->head_count * 10 < proof->head_slots * 7) {
        return true;
    }
    size_t slots = proof->head_slots * 2;
    head *heads = bpi_allocate_array(proof->allocator, slots, sizeof *heads);
    if (heads == NULL) {
        return false;
    }
    for (size_t i = 0; i < proof->head_slots; i++) {
        const head *old = &proof->heads[i];
        if (old->name != NULL) {
            *head_slot(heads, slots, old->name, old->name_size, proof->key) = *old;
        }
    }
    bpi_release(proof->allocator, proof->heads, proof->head_slots * sizeof *heads);
    proof->heads = heads;
    proof->head_slots = slots;
    return true;
}

static head *find_head(bpi_proof *proof, bp_text name)
{
    head *found = head_slot(proof->heads, proof->head_slots, name.data, name.size, proof->key);
    if (found->name == NULL) {
        char *copy = bpi_allocate(proof->allocator, name.size);
        if (copy == NULL) {
            return NULL;
        }
        memcpy(copy, name.data, name.size);
        *found = (head){.name = copy, .name_size = name.size};
        proof->head_count++;
    }
    return found;
}

typedef struct fault_list {
    const char **faults;
    size_t count;
} fault_list;

static void note(fault_list *list, bool wrong, const char *what)
{
    if (wrong && list->count < BPI_PROOF_FAULTS) {
        list->faults[list->count++] = what;
    }
}

static void check_causes(bpi_proof *proof, const bp_event *event, fault_list *list)
{
    for (size_t i = 0; i < event->cause_count && !event->external; i++) {
        const bp_id *slot = id_slot(proof->ids, proof->id_slots, &event->causes[i], proof->key);
        if (bp_id_is_nil(slot)) {
            note(list, true, "a cause is not an earlier event");
            return;
        }
    }
}

static void check_chain(const head *entity, const bp_event *event, fault_list *list)
{
    if (event->clock != entity->events) {
        note(list, true, "clock does not follow: an event of this entity before it is missing or damaged");
        return;
    }
    bp_hash hash = bp_event_compute_hash(event, entity->events == 0 ? NULL : &entity->hash);
    note(list, !bp_hash_equal(&hash, &event->event_hash), "event hash does not match what it binds");
}

bp_status bpi_proof_add(bpi_proof *proof, const bp_event *event, const char *faults_out[BPI_PROOF_FAULTS],
                        size_t *count_out, bp_error *error)
{
    fault_list list = {faults_out, 0};
    head *entity = grow_ids(proof) && grow_heads(proof) ? find_head(proof, event->entity) : NULL;
    if (entity == NULL) {
        return bpi_error_set(error, BP_ERR_NO_MEMORY, "no memory to verify the store");
    }
    check_chain(entity, event, &list);
    note(&list, event->hlc <= proof->last_hlc, "HLC does not increase");
    check_causes(proof, event, &list);
    bp_id *slot = id_slot(proof->ids, proof->id_slots, &event->id, proof->key);
    note(&list, !bp_id_is_nil(slot), "id is not unique");
    if (bp_id_is_nil(slot) && !bp_id_is_nil(&event->id)) {
        *slot = event->id;
        proof->id_count++;
    }
    if (event->kind == BP_KIND_NAME && !event->payload_absent) {
        bp_error local;
        bp_status status = bpi_kinds_learn(&proof->kinds, event->payload, event->payload_size, &local);
        note(&list, status == BP_ERR_CORRUPT, "a kind-name event is wrong or names something twice");
    }
    entity->events = event->clock + 1;
    entity->hash = event->event_hash;
    proof->last_hlc = event->hlc;
    bpi_merkle_add(&proof->merkle, &event->event_hash);
    *count_out = list.count;
    return BP_OK;
}

uint64_t bpi_proof_entities(const bpi_proof *proof)
{
    return proof->head_count;
}

void bpi_proof_root(const bpi_proof *proof, bp_hash *root_out)
{
    bpi_merkle_root(&proof->merkle, root_out);
}
