/*
 * naming.c: kinds by name, given a number in the same commit as their first event.
 *
 * A name that is unknown is defined by a system event in front of the commit that uses it. Who defines holds
 * `kinds.naming` from choosing a free kind until the commit is answered, so that no two names get one kind.
 */
#include "store/naming.h"

#include <string.h>

#include "base/bytes.h"
#include "base/error.h"

/* What a request with names comes to. */
typedef struct naming {
    bp_kind_code *kinds;   /* one per item */
    const char **fresh;    /* names to be defined, each once */
    bp_kind_code *numbers; /* theirs */
    size_t *first_user;    /* the item that names it first */
    size_t fresh_count;
    size_t count;
} naming;

static bp_status no_memory(bp_error *error)
{
    return bpi_error_set(error, BP_ERR_NO_MEMORY, "no memory for the append; nothing was done");
}

static bool naming_init(naming *n, const bp_store *store, size_t count)
{
    *n = (naming){.count = count};
    n->kinds = bpi_allocate_array(store->allocator, count, sizeof *n->kinds);
    n->fresh = bpi_allocate_array(store->allocator, count, sizeof *n->fresh);
    n->numbers = bpi_allocate_array(store->allocator, count, sizeof *n->numbers);
    n->first_user = bpi_allocate_array(store->allocator, count, sizeof *n->first_user);
    return n->kinds != NULL && n->fresh != NULL && n->numbers != NULL && n->first_user != NULL;
}

static void naming_fini(naming *n, const bp_store *store)
{
    bpi_release(store->allocator, n->kinds, n->count * sizeof *n->kinds);
    bpi_release(store->allocator, (void *)n->fresh, n->count * sizeof *n->fresh);
    bpi_release(store->allocator, n->numbers, n->count * sizeof *n->numbers);
    bpi_release(store->allocator, n->first_user, n->count * sizeof *n->first_user);
}

static bp_status unknown_name(const char *name, bp_error *error)
{
    bpi_error_set(error, BP_ERR_KIND, "kind name %s is unknown", name);
    bpi_error_hint(error, "batpak kinds shows the names; define it, or write 0xF001 or 15:1");
    return BP_ERR_KIND;
}

static bool known(bp_store *store, const char *name, size_t size, bp_kind_code *kind_out)
{
    return bp_kind_parse_number(name, size, kind_out) || bpi_kinds_find_name(&store->kinds, name, size, kind_out) ||
           bpi_kind_constant_find(name, size, kind_out);
}

/* A name that is not in the table: seen in this batch already, or the next free kind. */
static bp_status take_fresh(bp_store *store, naming *n, size_t item, const char *name, bp_error *error)
{
    for (size_t i = 0; i < n->fresh_count; i++) {
        if (strcmp(n->fresh[i], name) == 0) {
            n->kinds[item] = n->numbers[i];
            return BP_OK;
        }
    }
    unsigned from = n->fresh_count == 0 ? 1 : bp_kind_type(n->numbers[n->fresh_count - 1]) + 1;
    if (!bpi_kinds_free_kind(&store->kinds, from, &n->numbers[n->fresh_count])) {
        return bpi_error_set(error, BP_ERR_KIND, "all kinds of category 1 are taken; name a kind by number");
    }
    n->fresh[n->fresh_count] = name;
    n->first_user[n->fresh_count] = item;
    n->kinds[item] = n->numbers[n->fresh_count++];
    return BP_OK;
}

static bp_status resolve(bp_store *store, naming *n, const bp_batch_item *items, bp_error *error)
{
    n->fresh_count = 0;
    for (size_t i = 0; i < n->count; i++) {
        const char *name = items[i].options != NULL ? items[i].options->kind_name : NULL;
        bp_status status = BP_OK;
        if (name == NULL) {
            n->kinds[i] = items[i].kind;
            continue;
        }
        size_t size = strlen(name);
        if (known(store, name, size, &n->kinds[i])) {
            continue;
        }
        if (!bp_kind_name_valid(name, size)) {
            status =
                bpi_error_set(error, BP_ERR_KIND,
                              "kind_name '%.64s' is no name for a kind: a letter, then letters, digits, . _ - /", name);
        } else if (items[i].options->strict_kind) {
            status = unknown_name(name, error);
        } else {
            status = take_fresh(store, n, i, name, error);
        }
        if (status != BP_OK) {
            if (error != NULL && n->count > 1) {
                error->has_index = true;
                error->index = i;
            }
            return status;
        }
    }
    return BP_OK;
}

bp_status bpi_naming_foresee(bp_store *store, const bp_batch_item *items, size_t count, bp_kind_code *kinds_out,
                             bp_error *error)
{
    naming n;
    bp_status status = naming_init(&n, store, count) ? resolve(store, &n, items, error) : no_memory(error);
    if (status == BP_OK) {
        memcpy(kinds_out, n.kinds, count * sizeof *kinds_out);
    }
    naming_fini(&n, store);
    return status;
}

/* A batch item that gives `kind` a name. The payload bytes are the caller's. */
static bp_batch_item naming_item(uint8_t payload[BPI_KIND_PAYLOAD_MAX], bp_kind_code kind, const char *name)
{
    size_t size = bpi_kind_payload(payload, kind, name);
    return (bp_batch_item){.at = bp_at(BP_SYSTEM_ENTITY, BP_SYSTEM_SCOPE),
                           .kind = BP_KIND_NAME,
                           .payload = bp_payload_versioned(bp_raw(payload, size), 1)};
}

/* Appends the items behind the definitions of their new names. `naming` is held. */
static bp_status define_and_append(bp_store *store, naming *n, const bp_batch_item *items, bp_durability durability,
                                   bp_receipt *receipts, bp_error *error)
{
    size_t lead = n->fresh_count;
    size_t total = lead + n->count;
    if (total > BP_BATCH_MAX) {
        return bpi_error_set(error, BP_ERR_TOO_LARGE, "%zu events and %zu new kind names are over the limit of %u",
                             n->count, lead, BP_BATCH_MAX);
    }
    bp_batch_item *all = bpi_allocate_array(store->allocator, total, sizeof *all);
    bp_kind_code *kinds = bpi_allocate_array(store->allocator, total, sizeof *kinds);
    uint8_t(*payloads)[BPI_KIND_PAYLOAD_MAX] = bpi_allocate_array(store->allocator, lead, sizeof *payloads);
    bool room = all != NULL && kinds != NULL && payloads != NULL && bpi_kinds_reserve(&store->kinds, lead);
    bp_status status = room ? BP_OK : no_memory(error);
    if (room) {
        for (size_t i = 0; i < lead; i++) {
            all[i] = naming_item(payloads[i], n->numbers[i], n->fresh[i]);
            kinds[i] = BP_KIND_NAME;
        }
        bpi_copy(all + lead, items, n->count * sizeof *items);
        bpi_copy(kinds + lead, n->kinds, n->count * sizeof *kinds);
        bpi_request request = {
            .items = all, .count = total, .lead = lead, .kinds = kinds, .now_us = bpi_store_now_us(store)};
        status = bpi_store_run(store, &request, durability, receipts, error);
        if (status != BP_OK && error != NULL && error->has_index) {
            error->index -= error->index >= lead ? lead : error->index;
            error->has_index = n->count > 1;
        }
    }
    for (size_t i = 0; status == BP_OK && receipts != NULL && i < lead && n->count != 0; i++) {
        receipts[n->first_user[i]].kind_named = true;
    }
    bpi_release(store->allocator, all, total * sizeof *all);
    bpi_release(store->allocator, kinds, total * sizeof *kinds);
    bpi_release(store->allocator, payloads, lead * sizeof *payloads);
    return status;
}

static bp_status append_resolved(bp_store *store, naming *n, const bp_batch_item *items, bp_durability durability,
                                 bp_receipt *receipts, bp_error *error)
{
    bp_status status = resolve(store, n, items, error);
    if (status == BP_OK && n->fresh_count != 0) {
        (void)pthread_mutex_lock(&store->kinds.naming);
        status = resolve(store, n, items, error); /* somebody may have defined them meanwhile */
        if (status == BP_OK && n->fresh_count != 0) {
            status = define_and_append(store, n, items, durability, receipts, error);
            (void)pthread_mutex_unlock(&store->kinds.naming);
            return status;
        }
        (void)pthread_mutex_unlock(&store->kinds.naming);
    }
    if (status != BP_OK) {
        return status;
    }
    bpi_request request = {.items = items, .count = n->count, .kinds = n->kinds, .now_us = bpi_store_now_us(store)};
    return bpi_store_run(store, &request, durability, receipts, error);
}

bp_status bpi_append_named(bp_store *store, const bp_batch_item *items, size_t count, bp_durability durability,
                           bp_receipt *receipts, bp_error *error)
{
    naming n;
    (void)atomic_fetch_add(&store->others_under_way, 1);
    bp_status status = naming_init(&n, store, count) ? append_resolved(store, &n, items, durability, receipts, error)
                                                     : no_memory(error);
    naming_fini(&n, store);
    (void)atomic_fetch_sub(&store->others_under_way, 1);
    return status;
}

static bp_status check_definition(bp_store *store, bp_kind_code kind, const char *name, bool *known_out,
                                  bp_error *error)
{
    *known_out = false;
    if (name == NULL || !bp_kind_name_valid(name, strlen(name))) {
        return bpi_error_set(error, BP_ERR_NAME,
                             "%s%.64s%s is no name for a kind: a letter, then letters, digits, . _ - /",
                             name == NULL ? "" : "'", name == NULL ? "NULL" : name, name == NULL ? "" : "'");
    }
    if (!bp_kind_is_open(kind) || bpi_kind_constant_name(kind) != NULL) {
        return bpi_error_set(error, BP_ERR_KIND, "kind 0x%04X cannot be named", (unsigned)kind);
    }
    bp_kind_code taken = 0;
    if (bpi_kind_constant_find(name, strlen(name), &taken)) {
        return bpi_error_set(error, BP_ERR_EXISTS, "%s is the name of kind 0x%04X", name, (unsigned)taken);
    }
    if (bpi_kinds_find_name(&store->kinds, name, strlen(name), &taken)) {
        *known_out = taken == kind;
        return taken == kind
                   ? BP_OK
                   : bpi_error_set(error, BP_ERR_EXISTS, "%s is the name of kind 0x%04X", name, (unsigned)taken);
    }
    const char *other = bpi_kinds_name_of(&store->kinds, kind);
    if (other != NULL) {
        return bpi_error_set(error, BP_ERR_EXISTS, "kind 0x%04X is named %s", (unsigned)kind, other);
    }
    return BP_OK;
}

bp_status bp_kind_define(bp_store *store, bp_kind_code kind, const char *name, bp_error *error)
{
    bp_status status = bpi_store_check_writer(store, error);
    if (status != BP_OK) {
        return status;
    }
    bool there = false;
    (void)pthread_mutex_lock(&store->kinds.naming);
    status = check_definition(store, kind, name, &there, error);
    if (status == BP_OK && !there) {
        naming n = {.fresh = &name, .numbers = &kind, .fresh_count = 1};
        status = define_and_append(store, &n, NULL, store->options.durability, NULL, error);
    }
    (void)pthread_mutex_unlock(&store->kinds.naming);
    if (status == BP_OK && there && store->options.durability == BP_DURABLE) {
        status = bpi_log_sync(&store->log, error); /* the sync of who named it may have failed */
    }
    if (status == BP_OK) {
        bpi_store_flow(store, "kind-define", kind);
    }
    return status;
}
