/*
 * bind.c: binding sets of gates to regions of a handle, and judging its appends.
 */
#include "policy/bind.h"

#include <string.h>

#include "base/compiler.h"
#include "base/error.h"
#include "store/decision.h"
#include "store/read.h"

enum {
    BINDABLE = BP_REGION_ENTITY | BP_REGION_PREFIX | BP_REGION_SCOPE | BP_REGION_KIND | BP_REGION_CATEGORY |
               BP_REGION_CORRELATION | BP_REGION_CAUSE | BP_REGION_LANE
};

/* Two handles may get their first binding at once; nothing slow is done under it. */
static pthread_mutex_t making = PTHREAD_MUTEX_INITIALIZER;

void bp_bind_options_default(bp_bind_options *options, size_t size)
{
    bp_bind_options defaults = {.size = size, .denials_per_second = 10};
    if (options != NULL && size >= sizeof(size_t)) {
        memset(options, 0, size);
        memcpy(options, &defaults, size < sizeof defaults ? size : sizeof defaults);
    }
}

/* ---- the hooks ---- */

bool bpi_binding_applies(const bp_binding *binding, const bp_event *event)
{
    return binding->region.fields == 0 || bp_region_matches(&binding->region, event);
}

static bool names_of(void *context, const bp_event *request, bpi_buffer *names, uint64_t *rules_out)
{
    bpi_registry *registry = context;
    bool good = true;
    *rules_out = atomic_load_explicit(&registry->rules, memory_order_acquire);
    if (!atomic_load_explicit(&registry->records, memory_order_acquire)) {
        return true;
    }
    (void)pthread_rwlock_rdlock(&registry->lock);
    *rules_out = atomic_load_explicit(&registry->rules, memory_order_relaxed);
    for (const bp_binding *b = registry->bindings; b != NULL && good; b = b->next) {
        if (!b->options.record_gates || !bpi_binding_applies(b, request)) {
            continue;
        }
        for (size_t i = 0; i < b->set->count && good; i++) {
            uint8_t size = (uint8_t)strlen(b->set->gates[i].name);
            good = bpi_buffer_append(names, &size, 1) && bpi_buffer_append(names, b->set->gates[i].name, size);
        }
    }
    (void)pthread_rwlock_unlock(&registry->lock);
    return good;
}

static bp_status refuse(const bp_binding *binding, const bpi_gate *gate, bp_commit_view *view, bpi_scratch *scratch,
                        bpi_refused *refused, bp_error *error)
{
    refused->index = view->index;
    refused->record = binding->options.record_denials;
    refused->per_second = binding->options.denials_per_second;
    scratch->names.size = 0;
    if (!bpi_buffer_append(&scratch->names, refused, sizeof *refused)) { /* a refusal that no record could tell of */
        return bpi_error_set(error, BP_ERR_NO_MEMORY, "no memory to say what gate %s refused; nothing was appended",
                             gate->name);
    }
    scratch->refused = true;
    bpi_denied(&refused->denial, gate->description, error);
    bpi_error_entity(error, view->event.entity);
    if (error != NULL && view->count > 1) {
        error->has_index = true;
        error->index = view->index;
    }
    return BP_ERR_DENIED;
}

static bp_status judge_item(const bpi_registry *registry, bp_commit_view *view, bpi_scratch *scratch, bp_error *error)
{
    bpi_refused refused;
    for (const bp_binding *b = registry->bindings; b != NULL; b = b->next) {
        if (!bpi_binding_applies(b, &view->event)) {
            continue;
        }
        view->binding = b;
        for (size_t i = 0; i < b->set->count; i++) {
            if (BPI_UNLIKELY(!bpi_gate_ask(&b->set->gates[i], view, &refused.denial))) {
                return refuse(b, &b->set->gates[i], view, scratch, &refused, error);
            }
        }
    }
    return BP_OK;
}

/* The clocks that the items will have. Once for all gates: they may ask for every item at every item. */
static void place_items(const bp_commit_view *view, bpi_scratch *scratch)
{
    for (size_t i = view->lead; i < view->count; i++) {
        bpi_staged *staged = &scratch->items[i];
        staged->assigned.clock = staged->entity->head.events;
        for (size_t j = i; j-- > view->lead;) {
            if (scratch->items[j].entity == staged->entity) {
                staged->assigned.clock = scratch->items[j].assigned.clock + 1;
                break;
            }
        }
    }
}

static bp_status judge(void *context, bpi_scratch *scratch, size_t count, int64_t now_us, bp_error *error)
{
    const bpi_registry *registry = context;
    bp_commit_view view = {.store = registry->store, .scratch = scratch, .count = count, .now_us = now_us};
    while (view.lead < count && scratch->items[view.lead].system) {
        view.lead++;
    }
    /* The library's own events went by no rules. */
    if (view.lead < count && scratch->rules != atomic_load_explicit(&registry->rules, memory_order_relaxed)) {
        return BP_END;
    }
    bp_status status = BP_OK;
    if (registry->bindings != NULL) {
        place_items(&view, scratch);
    }
    for (view.index = view.lead; status == BP_OK && view.index < count && registry->bindings != NULL; view.index++) {
        bpi_commit_view_item(&view, view.index, &view.event);
        status = judge_item(registry, &view, scratch, error);
    }
    return status;
}

static void on_refused(void *context, const bpi_scratch *scratch)
{
    bpi_registry *registry = context;
    bpi_refused refused;
    (void)pthread_mutex_lock(&registry->denials_lock);
    registry->counts.denied++;
    (void)pthread_mutex_unlock(&registry->denials_lock);
    memcpy(&refused, scratch->names.data, sizeof refused);
    if (refused.record) {
        bpi_record_refused(registry, scratch, &refused);
    }
}

static void binding_free(bpi_registry *registry, bp_binding *binding)
{
    bp_gate_set_free(binding->set);
    bpi_release(registry->store->allocator, binding, sizeof *binding);
}

static void on_closing(void *context)
{
    bpi_registry *registry = context;
    if (bpi_store_check_writer(registry->store, NULL) == BP_OK) {
        bpi_record_rest(registry);
    }
    while (registry->bindings != NULL) {
        bp_binding *binding = registry->bindings;
        registry->bindings = binding->next;
        binding_free(registry, binding);
    }
    (void)pthread_rwlock_destroy(&registry->lock);
    (void)pthread_mutex_destroy(&registry->denials_lock);
    bpi_release(registry->store->allocator, registry, sizeof *registry);
}

/* ---- binding ---- */

static bpi_registry *registry_new(bp_store *store)
{
    bpi_registry *registry = bpi_allocate_zero(store->allocator, sizeof *registry);
    if (registry != NULL) {
        registry->store = store;
        registry->table = (bpi_before_append){registry, names_of, judge, on_refused, on_closing};
        (void)pthread_rwlock_init(&registry->lock, NULL);
        (void)pthread_mutex_init(&registry->denials_lock, NULL);
        atomic_init(&registry->rules, 1);
        (void)bpi_store_set_before(store, &registry->table);
    }
    return registry;
}

bpi_registry *bpi_registry_of(bp_store *store, bool make, bp_error *error)
{
    (void)pthread_mutex_lock(&making);
    const bpi_before_append *table = atomic_load_explicit(&store->before, memory_order_acquire);
    bpi_registry *registry = table != NULL ? table->context : make ? registry_new(store) : NULL;
    (void)pthread_mutex_unlock(&making);
    if (registry == NULL && make) {
        (void)bpi_error_set(error, BP_ERR_NO_MEMORY, "no memory for a binding");
    }
    return registry;
}

static bp_text keep_text(char *to, bp_text text)
{
    if (text.size != 0) {
        memcpy(to, text.data, text.size);
    }
    return (bp_text){to, text.size};
}

bool bpi_region_bindable(const bp_region *region)
{
    return (region->fields & ~(uint32_t)BINDABLE) == 0;
}

static bp_status take_region(const bp_region *given, bp_binding *binding, bp_error *error)
{
    bp_region *region = &binding->region;
    bp_status status = bpi_region_take(given, region, error);
    if (status != BP_OK) {
        return status;
    }
    if (!bpi_region_bindable(region)) {
        bpi_error_set(error, BP_ERR_ARGUMENT, "a gate cannot be bound to a region with ranges or system events");
        bpi_error_hint(error,
                       "clock, sequence, time and committed are assigned by the commit: ask for them in the gate");
        return BP_ERR_ARGUMENT;
    }
    if (((region->fields & BP_REGION_ENTITY) && region->entity.size > BP_NAME_MAX) ||
        ((region->fields & BP_REGION_SCOPE) && region->scope.size > BP_NAME_MAX)) {
        return bpi_error_set(error, BP_ERR_ARGUMENT, "a name of the region is over %u bytes", BP_NAME_MAX);
    }
    if (region->fields & BP_REGION_ENTITY) {
        region->entity = keep_text(binding->texts, region->entity);
    }
    if (region->fields & BP_REGION_SCOPE) {
        region->scope = keep_text(binding->texts + BP_NAME_MAX, region->scope);
    }
    return BP_OK;
}

/* What the set's names take on record. */
static size_t names_size(const bp_binding *binding)
{
    size_t size = 0;
    for (size_t i = 0; binding->options.record_gates && i < binding->set->count; i++) {
        size += 1 + strlen(binding->set->gates[i].name);
    }
    return size;
}

/* Both locks are held: no append is being judged, none is asking for names. */
static void changed(bpi_registry *registry)
{
    bool records = false;
    for (const bp_binding *b = registry->bindings; b != NULL; b = b->next) {
        records = records || b->options.record_gates;
    }
    atomic_store_explicit(&registry->records, records, memory_order_release);
    (void)atomic_fetch_add_explicit(&registry->rules, 1, memory_order_release);
}

static bp_status put_binding(bpi_registry *registry, bp_binding *binding, bp_error *error)
{
    bp_status status = BP_OK;
    (void)pthread_mutex_lock(&registry->store->log.lock);
    (void)pthread_rwlock_wrlock(&registry->lock);
    if (registry->names_size + names_size(binding) > BPI_DECISION_MAX) {
        status = bpi_error_set(error, BP_ERR_TOO_LARGE, "the names of all gates on record are over %d bytes",
                               BPI_DECISION_MAX);
    } else {
        bp_binding **end = &registry->bindings;
        while (*end != NULL) {
            end = &(*end)->next;
        }
        *end = binding;
        registry->names_size += names_size(binding);
        changed(registry);
    }
    (void)pthread_rwlock_unlock(&registry->lock);
    (void)pthread_mutex_unlock(&registry->store->log.lock);
    return status;
}

bp_status bp_gate_bind(bp_store *store, const bp_region *region, bp_gate_set *set, const bp_bind_options *options,
                       bp_binding **binding_out, bp_error *error)
{
    if (binding_out != NULL) {
        *binding_out = NULL;
    }
    bp_status status = bpi_store_check_writer(store, error);
    if (status != BP_OK) {
        return status;
    }
    if (set == NULL || set->count == 0) {
        return bpi_error_set(error, BP_ERR_ARGUMENT, "a set without gates cannot be bound");
    }
    bpi_registry *registry = bpi_registry_of(store, true, error);
    bp_binding *binding = registry == NULL ? NULL : bpi_allocate_zero(store->allocator, sizeof *binding);
    if (binding == NULL) {
        return bpi_error_set(error, BP_ERR_NO_MEMORY, "no memory for a binding");
    }
    bp_bind_options_init(&binding->options);
    status = bpi_options_take(options, sizeof *options, &binding->options, sizeof binding->options, "bp_bind_options",
                              error);
    if (status == BP_OK) {
        status = take_region(region, binding, error);
    }
    if (status == BP_OK) {
        bpi_gate_set_use(set);
        binding->set = set;
        status = put_binding(registry, binding, error);
    }
    if (status != BP_OK) {
        binding_free(registry, binding);
        return status;
    }
    bpi_store_flow(store, "bind", set->count);
    if (binding_out != NULL) {
        *binding_out = binding;
    }
    return BP_OK;
}

bp_status bp_gate_unbind(bp_store *store, bp_binding *binding, bp_error *error)
{
    bp_status status = bpi_store_check_writer(store, error);
    if (status != BP_OK) {
        return status;
    }
    bpi_registry *registry = bpi_registry_of(store, false, NULL);
    bp_binding *found = NULL;
    if (registry != NULL && binding != NULL) {
        (void)pthread_mutex_lock(&store->log.lock);
        (void)pthread_rwlock_wrlock(&registry->lock);
        bp_binding **at = &registry->bindings;
        while (*at != NULL && *at != binding) {
            at = &(*at)->next;
        }
        found = *at;
        if (found != NULL) {
            *at = found->next;
            registry->names_size -= names_size(found);
            changed(registry);
        }
        (void)pthread_rwlock_unlock(&registry->lock);
        (void)pthread_mutex_unlock(&store->log.lock);
    }
    if (found == NULL) {
        return bpi_error_set(error, BP_ERR_NOT_FOUND, "the binding is not of this store");
    }
    binding_free(registry, found);
    bpi_store_flow(store, "unbind", 0);
    return BP_OK;
}

bp_denial_counts bp_gate_denial_counts(const bp_store *store)
{
    bp_denial_counts counts = {0};
    const bpi_before_append *table = store == NULL ? NULL : atomic_load_explicit(&store->before, memory_order_acquire);
    if (table != NULL) {
        bpi_registry *registry = table->context;
        (void)pthread_mutex_lock(&registry->denials_lock);
        counts = registry->counts;
        (void)pthread_mutex_unlock(&registry->denials_lock);
    }
    return counts;
}
