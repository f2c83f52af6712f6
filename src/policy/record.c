/*
 * record.c: denials as system events.
 *
 * A denial on record has kind DENIAL, a JSON payload (docs/format.md), the correlation of what was asked (its id when it
 * had none of its own) and its causes, so that walks and `batpak why` find it. At most so many a second are written; the
 * next one that is, or closing, tells how many were not.
 */
#include <string.h>

#include "policy/bind.h"
#include "base/json_write.h"
#include "store/naming.h"

static const uint64_t SECOND_NS = 1000000000;

/* A place in this second's share; else it is counted. *untold_out: counted so far and not told. */
static bool take_share(bpi_registry *registry, uint32_t per_second, uint64_t *untold_out)
{
    const bp_clock *clock = registry->store->options.clock;
    uint64_t now = clock->steady_ns(clock->context);
    (void)pthread_mutex_lock(&registry->denials_lock);
    if (registry->window_ns == 0 || now - registry->window_ns >= SECOND_NS) {
        registry->window_ns = now == 0 ? 1 : now;
        registry->in_window = 0;
    }
    bool taken = registry->in_window < per_second;
    if (taken) {
        registry->in_window++;
        *untold_out = registry->counts.unrecorded - registry->unrecorded_told;
        registry->unrecorded_told += *untold_out;
    } else {
        registry->counts.unrecorded++;
    }
    (void)pthread_mutex_unlock(&registry->denials_lock);
    return taken;
}

static void count_written(bpi_registry *registry, bool written, bool is_denial, uint64_t untold)
{
    (void)pthread_mutex_lock(&registry->denials_lock);
    if (written) {
        registry->counts.recorded += is_denial;
    } else {
        registry->counts.unrecorded += is_denial;
        registry->unrecorded_told -= untold;
    }
    (void)pthread_mutex_unlock(&registry->denials_lock);
}

static bool put_pairs(bpi_buffer *payload, const bp_denial *denial)
{
    bool good = bpi_json_put_raw(payload, ",\"context\":{");
    for (size_t i = 0; good && i < denial->pair_count; i++) {
        good = bpi_json_put_field(payload, denial->pairs[i].key, bp_text_of(denial->pairs[i].value));
    }
    return good && bpi_json_put_raw(payload, "}");
}

static bool put_payload(bpi_buffer *payload, const bp_denial *denial, const bpi_staged *staged, uint64_t untold)
{
    char id[BP_ID_TEXT_SIZE];
    char kind[BP_KIND_TEXT_SIZE];
    bp_id_print(&staged->input.id, id);
    bp_kind_print(staged->input.kind, kind);
    bool good = bpi_json_put_raw(payload, "{") && bpi_json_put_field(payload, "gate", bp_text_of(denial->gate)) &&
                bpi_json_put_field(payload, "code", bp_text_of(denial->code)) &&
                bpi_json_put_field(payload, "message", bp_text_of(denial->message)) && put_pairs(payload, denial) &&
                bpi_json_put_field(payload, "entity", staged->input.entity) &&
                bpi_json_put_field(payload, "scope", staged->input.scope) &&
                bpi_json_put_field(payload, "kind", bp_text_of(kind)) &&
                bpi_json_put_field(payload, "id", bp_text_of(id));
    if (good && untold != 0) {
        good = bpi_json_put_number(payload, "unrecorded", untold);
    }
    return good && bpi_json_put_raw(payload, "}");
}

static bool append_denial(bp_store *store, const bpi_buffer *payload, const bp_append_options *options)
{
    static const bp_kind_code kinds[] = {BP_KIND_DENIAL};
    bp_batch_item item = {.at = bp_at(BP_SYSTEM_ENTITY, BP_SYSTEM_SCOPE),
                          .kind = BP_KIND_DENIAL,
                          .payload = bp_payload_versioned(bp_json_bytes(payload->data, payload->size), 1),
                          .options = options};
    bpi_request request = {.items = &item, .count = 1, .lead = 1, .kinds = kinds, .now_us = bpi_store_now_us(store)};
    return bpi_store_run(store, &request, BP_BUFFERED, NULL, NULL) == BP_OK;
}

static bool is_item(const bpi_scratch *scratch, size_t end, const bp_id *id)
{
    size_t i = 0;
    while (i < end && !bp_id_equal(&scratch->items[i].input.id, id)) {
        i++;
    }
    return i < end;
}

/* The causes that a denial can name: those that are earlier items of the batch came to nothing with it. */
static size_t causes_left(const bpi_scratch *scratch, size_t index, bp_id causes_out[BP_CAUSES_MAX])
{
    const bpi_staged *staged = &scratch->items[index];
    size_t count = 0;
    for (size_t i = 0; i < staged->given_causes; i++) {
        if (!is_item(scratch, index, &staged->input.causes[i])) {
            causes_out[count++] = staged->input.causes[i];
        }
    }
    return count;
}

void bpi_record_refused(bpi_registry *registry, const bpi_scratch *scratch, const bpi_refused *refused)
{
    bp_store *store = registry->store;
    const bpi_staged *staged = &scratch->items[refused->index];
    uint64_t untold = 0;
    if (!take_share(registry, refused->per_second, &untold)) {
        return;
    }
    bp_id causes[BP_CAUSES_MAX];
    bp_append_options options;
    bp_append_options_init(&options);
    options.correlation = staged->correlation;
    options.causes = causes;
    options.cause_count = causes_left(scratch, refused->index, causes);
    options.external = staged->external;
    bpi_buffer payload;
    bpi_buffer_init(&payload, store->allocator);
    bool written = put_payload(&payload, &refused->denial, staged, untold) && append_denial(store, &payload, &options);
    bpi_buffer_fini(&payload);
    count_written(registry, written, true, untold);
}

void bpi_record_rest(bpi_registry *registry)
{
    uint64_t untold = 0;
    if (registry->counts.unrecorded == registry->unrecorded_told || !take_share(registry, UINT32_MAX, &untold)) {
        return;
    }
    bpi_buffer payload;
    bpi_buffer_init(&payload, registry->store->allocator);
    bool written = bpi_json_put_raw(&payload, "{") && bpi_json_put_number(&payload, "unrecorded", untold) &&
                   bpi_json_put_raw(&payload, "}") && append_denial(registry->store, &payload, NULL);
    bpi_buffer_fini(&payload);
    count_written(registry, written, false, untold);
}
