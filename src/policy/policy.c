/*
 * policy.c: policies: read, bound, appended under, kept in a store.
 */
#include "policy/policy.h"

#include <string.h>

#include "base/error.h"
#include "base/memory.h"
#include "policy/bind.h"
#include "policy/ready.h"
#include "store/naming.h"
#include "store/items.h"
#include "store/read.h"

static const bp_allocator *memory(void)
{
    return bp_allocator_system();
}

static void drop_rules(bp_policy *policy)
{
    for (size_t i = 0; i < policy->count; i++) {
        bp_gate_set_free(policy->rules[i].set);
        bp_region_text_free(policy->rules[i].owner);
        bpi_release(memory(), policy->rules[i].reserve, sizeof *policy->rules[i].reserve);
    }
    bpi_release(memory(), policy->rules, policy->capacity * sizeof *policy->rules);
    policy->rules = NULL;
    policy->count = 0;
    policy->capacity = 0;
}

bpi_rule *bpi_policy_add(bp_policy *policy)
{
    if (policy->count == policy->capacity) {
        size_t capacity = policy->capacity == 0 ? 8 : policy->capacity * 2;
        bpi_rule *rules =
            bpi_resize(memory(), policy->rules, policy->capacity * sizeof *rules, capacity * sizeof *rules);
        if (rules == NULL) {
            return NULL;
        }
        policy->rules = rules;
        policy->capacity = capacity;
    }
    bpi_rule *rule = &policy->rules[policy->count++];
    memset(rule, 0, sizeof *rule);
    return rule;
}

bp_status bp_policy_parse(bp_store *store, const char *text, size_t size, bp_policy **policy_out, bp_error *error)
{
    if (policy_out == NULL || (text == NULL && size != 0)) {
        return bpi_error_set(error, BP_ERR_ARGUMENT, "%s is NULL", policy_out == NULL ? "policy_out" : "the text");
    }
    *policy_out = NULL;
    bp_status status = bpi_store_check_writer(store, error);
    if (status != BP_OK) {
        return status;
    }
    bp_policy *policy = bpi_allocate_zero(memory(), sizeof *policy);
    if (policy == NULL) {
        return bpi_error_set(error, BP_ERR_NO_MEMORY, "no memory for a policy");
    }
    policy->store = store;
    const char *from = text != NULL ? text : "";
    for (unsigned pass = 0; status == BP_OK && pass < 2; pass++) {
        drop_rules(policy);
        bp_bind_options_init(&policy->options);
        status = bpi_policy_read(policy, from, size, pass == 0, error);
    }
    if (status != BP_OK) {
        bp_policy_free(policy);
        return status;
    }
    *policy_out = policy;
    return BP_OK;
}

size_t bp_policy_gate_count(const bp_policy *policy)
{
    return policy == NULL ? 0 : policy->count;
}

bp_status bp_policy_bind(bp_policy *policy, bp_error *error)
{
    if (policy == NULL) {
        return bpi_error_set(error, BP_ERR_ARGUMENT, "the policy is NULL");
    }
    for (; policy->bound < policy->count; policy->bound++) {
        const bpi_rule *rule = &policy->rules[policy->bound];
        bp_status status = bp_gate_bind(policy->store, &rule->region, rule->set, &policy->options, NULL, error);
        if (status != BP_OK) {
            return bpi_error_wrap(error, status, "gate %s", bp_gate_set_name(rule->set, 0));
        }
    }
    return BP_OK;
}

void bp_policy_free(bp_policy *policy)
{
    if (policy != NULL) {
        drop_rules(policy);
        bpi_release(memory(), policy, sizeof *policy);
    }
}

/* ---- appending with reservations ---- */

typedef struct reservations {
    const bp_policy *policy;
    bp_store *store;
    bp_batch_item *items; /* the caller's, then these */
    bp_kind_code *kinds;  /* of the caller's */
    size_t given;
    size_t count;
    size_t capacity;
    char (*names)[BP_RESERVATION_SIZE];
    bp_append_options options;
} reservations;

/* The item as a region sees it before it is committed. False: it cannot be appended; the append says why. */
static bool item_event(const bp_batch_item *item, bp_kind_code kind, bp_event *event_out)
{
    bp_append_options options;
    if (bpi_append_options_take(item->options, &options, NULL) != BP_OK ||
        (options.causes == NULL && options.cause_count != 0) || options.cause_count > UINT16_MAX ||
        (item->payload.data == NULL && item->payload.size != 0) || item->at.entity.data == NULL ||
        item->at.scope.data == NULL) {
        return false;
    }
    *event_out = (bp_event){.entity = item->at.entity,
                            .scope = item->at.scope,
                            .kind = kind,
                            .lane = options.lane,
                            .correlation = options.correlation,
                            .causes = options.causes,
                            .cause_count = (uint16_t)options.cause_count};
    return true;
}

/* One item's reservations. An item without its value gets none: the gate will say so. */
static void reserve_for(reservations *all, size_t index)
{
    const bp_batch_item *item = &all->items[index];
    bp_event event;
    if (!item_event(item, all->kinds[index], &event)) {
        return;
    }
    for (size_t r = 0; r < all->policy->count; r++) {
        const bpi_rule *rule = &all->policy->rules[r];
        char value[BPI_UNIQUE_VALUE_MOST];
        size_t size = 0;
        const char *why[2];
        if (rule->reserve == NULL || !bp_region_matches(&rule->region, &event) ||
            !bpi_unique_value(rule->reserve->path, item->payload.type, item->payload.data, item->payload.size, value,
                              &size, &why[0], &why[1])) {
            continue;
        }
        char *name = all->names[all->count];
        (void)bp_reservation_entity(rule->reserve->prefix, value, size, rule->reserve->hashed, name);
        all->items[all->given + all->count++] =
            (bp_batch_item){bp_at(name, rule->reserve->prefix), BP_KIND_DATA, bp_raw(NULL, 0), &all->options};
    }
}

static size_t reserving_rules(const bp_policy *policy)
{
    size_t count = 0;
    for (size_t i = 0; policy != NULL && i < policy->count; i++) {
        count += policy->rules[i].reserve != NULL;
    }
    return count;
}

static bp_status append_all(reservations *all, const bp_batch_options *options, bp_receipt *receipts_out,
                            bp_error *error)
{
    size_t total = all->given + all->count;
    bp_receipt *receipts = bpi_allocate_array(memory(), total, sizeof *receipts);
    if (receipts == NULL) {
        return bpi_error_set(error, BP_ERR_NO_MEMORY, "no memory for the append; nothing was done");
    }
    bp_status status = bp_append_batch(all->store, all->items, total, options, receipts, error);
    if (status == BP_OK && receipts_out != NULL) {
        memcpy(receipts_out, receipts, all->given * sizeof *receipts);
    }
    if (status == BP_ERR_CONFLICT && error != NULL && error->has_index && error->index >= all->given) {
        const char *name = all->names[error->index - all->given];
        bpi_error_set(error, BP_ERR_CONFLICT, "\"%s\" is taken", name);
        bpi_error_hint(error, "somebody has this value already; choose another one");
        bpi_error_entity(error, bp_text_of(name));
    }
    bpi_release(memory(), receipts, total * sizeof *receipts);
    return status;
}

/* The items and the reservations of each. Names for their kinds are resolved as the append will resolve them. */
static bp_status append_reserved(const bp_policy *policy, bp_store *store, const bpi_items *given, size_t count,
                                 const bp_batch_options *options, bp_receipt *receipts_out, bp_error *error)
{
    size_t most = count * reserving_rules(policy);
    reservations all = {.policy = policy, .store = store, .given = count, .capacity = count + most};
    all.items = bpi_allocate_array(memory(), all.capacity, sizeof *all.items);
    all.kinds = bpi_allocate_array(memory(), count, sizeof *all.kinds);
    all.names = bpi_allocate_array(memory(), most, sizeof *all.names);
    bool room = all.items != NULL && all.kinds != NULL && all.names != NULL;
    bp_status status = room ? bpi_naming_foresee(store, given->items, count, all.kinds, error)
                            : bpi_error_set(error, BP_ERR_NO_MEMORY, "no memory for the append; nothing was done");
    if (status == BP_OK) {
        bp_append_options_init(&all.options);
        all.options.expect.kind = BP_EXPECT_NONE;
        memcpy(all.items, given->items, count * sizeof *all.items);
        for (size_t i = 0; i < count; i++) {
            reserve_for(&all, i);
        }
        status = append_all(&all, options, receipts_out, error);
    }
    bpi_release(memory(), all.items, all.capacity * sizeof *all.items);
    bpi_release(memory(), all.kinds, count * sizeof *all.kinds);
    bpi_release(memory(), all.names, most * sizeof *all.names);
    return status;
}

bp_status bp_policy_append(bp_policy *policy, bp_store *store, const bp_batch_item *items, size_t count,
                           const bp_batch_options *options, bp_receipt *receipts_out, bp_error *error)
{
    if (reserving_rules(policy) == 0 || items == NULL || count == 0 || count > BP_BATCH_MAX) {
        return bp_append_batch(store, items, count, options, receipts_out, error);
    }
    bp_status status = bpi_store_check_writer(store, error);
    if (status != BP_OK) {
        return status;
    }
    bpi_items ours;
    status = bpi_items_take(memory(), items, count, &ours, error);
    if (status == BP_OK) {
        status = append_reserved(policy, store, &ours, count, options, receipts_out, error);
        bpi_items_give(&ours);
    }
    return status;
}

/* ---- in the store ---- */

bp_status bp_policy_store(bp_store *store, const char *text, size_t size, bp_error *error)
{
    static const bp_kind_code kinds[] = {BP_KIND_POLICY};
    bp_policy *policy = NULL;
    bp_status status = bp_policy_parse(store, text, size, &policy, error);
    if (status != BP_OK) {
        return status;
    }
    bp_policy_free(policy);
    bp_batch_item item = {.at = bp_at(BP_SYSTEM_ENTITY, BP_SYSTEM_SCOPE),
                          .kind = BP_KIND_POLICY,
                          .payload = bp_payload_versioned(bp_raw(text, size), 1)};
    bpi_request request = {.items = &item, .count = 1, .lead = 1, .kinds = kinds, .now_us = bpi_store_now_us(store)};
    return bpi_store_run(store, &request, store->options.durability, NULL, error);
}

bp_status bp_policy_stored(bp_store *store, const bp_event **event_out, bp_error *error)
{
    bp_region region = bp_region_by_kind(BP_KIND_POLICY);
    bp_region_set_system(&region, true);
    bp_status status = bp_newest(store, &region, event_out, error);
    if (status == BP_OK && ((*event_out)->payload_size == 0 || (*event_out)->payload_absent)) {
        bp_event_release(*event_out);
        *event_out = NULL;
        status = BP_ERR_NOT_FOUND;
    }
    if (status == BP_ERR_NOT_FOUND) {
        bpi_error_set(error, BP_ERR_NOT_FOUND, "the store carries no policy");
        bpi_error_hint(error, "batpak policy set DIR FILE");
    }
    return status;
}
