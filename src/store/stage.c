/*
 * stage.c: checking a request and copying it.
 *
 * Causes and extensions of all items go into one arena that may move while it grows, so items keep offsets into it
 * until everything is there.
 */
#include "store/stage.h"

#include <string.h>

#include "base/bytes.h"
#include "base/compiler.h"
#include "base/error.h"
#include "base/ids.h"
#include "base/text.h"
#include "index/names.h"
#include "store/decision.h"

enum { EXTENSIONS_ROOM = 64 };

static const bp_append_options no_options = {.size = sizeof(bp_append_options)};

static bp_status check_payload(const bp_payload *payload, uint32_t most, bp_error *error)
{
    if (payload->data == NULL && payload->size != 0) {
        return bpi_error_set(error, BP_ERR_ARGUMENT, "payload is NULL but has a size");
    }
    if (payload->size > most) {
        bpi_error_set(error, BP_ERR_TOO_LARGE, "payload of %zu bytes is over the limit of %u", payload->size,
                      (unsigned)most);
        if (most < BP_PAYLOAD_MAX) {
            bpi_error_hint(error, "raise the option payload_max (at most %u), or store a reference", BP_PAYLOAD_MAX);
        } else {
            bpi_error_hint(error, "no event holds more; keep the bytes elsewhere and store a reference to them");
        }
        return BP_ERR_TOO_LARGE;
    }
    if (payload->type > BP_PAYLOAD_MSGPACK && payload->type < 128) {
        return bpi_error_set(error, BP_ERR_ARGUMENT, "payload type %u is none", (unsigned)payload->type);
    }
    return BP_OK;
}

static bp_status check_place(const bp_batch_item *item, bp_kind_code kind, bp_error *error)
{
    bp_status status = bpi_name_check(item->at.entity, "entity", BP_NAME_MAX, error);
    if (status == BP_OK) {
        status = bpi_name_check(item->at.scope, "scope", BP_NAME_MAX, error);
    }
    if (status != BP_OK) {
        return status;
    }
    if (!bp_kind_is_open(kind)) {
        bpi_error_set(error, BP_ERR_KIND, "kind 0x%04X is reserved", (unsigned)kind);
        bpi_error_hint(error, "use DATA, a kind of categories 1 to C, E or F, or one of the named effects");
        return BP_ERR_KIND;
    }
    if (bp_text_equal(item->at.entity, bp_text_of(BP_SYSTEM_ENTITY))) {
        bpi_error_set(error, BP_ERR_KIND, "entity %s is the library's own", BP_SYSTEM_ENTITY);
        return BP_ERR_KIND;
    }
    return BP_OK;
}

static bp_status check_options(const bp_append_options *options, size_t index, bp_error *error)
{
    if ((options->flags & ~BPI_RECORD_FLAGS_KNOWN) != 0) {
        return bpi_error_set(error, BP_ERR_ARGUMENT, "flags 0x%x are unknown", (unsigned)options->flags);
    }
    if ((unsigned)options->expect.kind > BP_EXPECT_AT) {
        return bpi_error_set(error, BP_ERR_ARGUMENT, "expect.kind %d is no bp_expect_kind (any, none or at)",
                             (int)options->expect.kind);
    }
    if ((unsigned)options->durability > BP_PERIODIC) {
        return bpi_error_set(error, BP_ERR_ARGUMENT, "durability %d is no bp_durability", (int)options->durability);
    }
    if (options->cause_count > BP_CAUSES_MAX || options->cause_item_count > BP_CAUSES_MAX ||
        options->cause_count + options->cause_item_count > BP_CAUSES_MAX) {
        return bpi_error_set(error, BP_ERR_TOO_LARGE, "%zu causes are over the limit of %u",
                             options->cause_count + options->cause_item_count, BP_CAUSES_MAX);
    }
    if (options->hops > BP_HOPS_MAX) {
        bpi_error_set(error, BP_ERR_TOO_LARGE, "more than %u reactions led to the event", BP_HOPS_MAX);
        bpi_error_hint(error, "look for reactions that answer each other without an end");
        return BP_ERR_TOO_LARGE;
    }
    if ((options->causes == NULL && options->cause_count != 0) ||
        (options->cause_items == NULL && options->cause_item_count != 0)) {
        return bpi_error_set(error, BP_ERR_ARGUMENT, "causes is NULL but has a count");
    }
    for (size_t i = 0; i < options->cause_count; i++) {
        if (bp_id_is_nil(&options->causes[i])) {
            return bpi_error_set(error, BP_ERR_ARGUMENT, "cause %zu is nil", i);
        }
    }
    for (size_t i = 0; i < options->cause_item_count; i++) {
        if (options->cause_items[i] >= index) {
            return bpi_error_set(error, BP_ERR_ARGUMENT, "cause item %u is not an earlier item of the batch",
                                 (unsigned)options->cause_items[i]);
        }
    }
    return BP_OK;
}

static bp_status no_memory(bp_error *error)
{
    return bpi_error_set(error, BP_ERR_NO_MEMORY, "no memory for the append; nothing was done");
}

/* Copies the causes into the arena: given ones first, then those of earlier items. */
static bool put_causes(bpi_scratch *scratch, bpi_staged *staged, const bp_append_options *options, size_t lead)
{
    staged->causes_at = scratch->arena.size;
    staged->given_causes = (uint32_t)options->cause_count;
    staged->input.cause_count = (uint8_t)(options->cause_count + options->cause_item_count);
    if (options->cause_count != 0 &&
        !bpi_buffer_append(&scratch->arena, options->causes, options->cause_count * sizeof(bp_id))) {
        return false;
    }
    for (size_t i = 0; i < options->cause_item_count; i++) {
        const bp_id *id = &scratch->items[lead + options->cause_items[i]].input.id;
        if (!bpi_buffer_append(&scratch->arena, id, sizeof *id)) {
            return false;
        }
    }
    return true;
}

static bool put_extensions(bp_store *store, bpi_scratch *scratch, bpi_staged *staged, const bp_append_options *options)
{
    if (!bpi_decision_gather(store, scratch, staged, options)) {
        return false;
    }
    size_t names = scratch->names.size;
    size_t bypass = options->decision == NULL ? 0 : options->decision->bypass_size;
    size_t subject = staged->subject.size;
    staged->extensions_at = scratch->arena.size;
    staged->input.public_size = 0;
    bool correlated = !bp_id_equal(&staged->correlation, &staged->input.id);
    bool external = options->external && staged->input.cause_count != 0;
    if (options->lane == 0 && options->depth == 0 && options->hops == 0 && !correlated && !external &&
        names + bypass + subject == 0) {
        return true;
    }
    if (!bpi_buffer_reserve(&scratch->arena, EXTENSIONS_ROOM + names + bypass + subject)) {
        return false;
    }
    uint8_t *bytes = scratch->arena.data + scratch->arena.size;
    size_t size = 0;
    if (options->lane != 0 || options->depth != 0) {
        uint8_t value[8];
        bpi_put32(value, options->lane);
        bpi_put32(value + 4, options->depth);
        size += bpi_extension_put(bytes + size, BP_TAG_LANE, value, sizeof value);
    }
    if (correlated) {
        size += bpi_extension_put(bytes + size, BP_TAG_CORRELATION, staged->correlation.bytes, sizeof(bp_id));
    }
    if (names != 0) {
        size += bpi_extension_put(bytes + size, BP_TAG_GATES, scratch->names.data, names);
    }
    if (options->hops != 0) {
        uint8_t value[4];
        bpi_put32(value, options->hops);
        size += bpi_extension_put(bytes + size, BP_TAG_HOPS, value, sizeof value);
    }
    if (external) {
        size += bpi_extension_put(bytes + size, BP_TAG_EXTERNAL, NULL, 0);
    }
    staged->input.public_size = size;
    if (bypass != 0) { /* private: right behind the public ones */
        size += bpi_extension_put(bytes + size, BP_TAG_BYPASS, options->decision->bypass, bypass);
    }
    if (subject != 0) {
        size += bpi_extension_put(bytes + size, BP_TAG_SUBJECT, staged->subject.data, subject);
    }
    staged->input.private_size = size - staged->input.public_size;
    scratch->arena.size += size;
    return true;
}

/* Id and salt. first_given: the batch's first given id, NULL when there is none. */
static bp_status put_identity(bp_store *store, bpi_scratch *scratch, bpi_staged *staged,
                              const bp_append_options *options, const bp_id *first_given, const bpi_request *request,
                              bp_error *error)
{
    /* Derived ids count the caller's items, so that a retry without a leading kind name gives the same ones. */
    size_t index = (size_t)(staged - scratch->items) - (staged->system ? 0 : request->lead);
    uint8_t random[26];
    int code = bpi_scratch_random(store, scratch, random, sizeof random);
    if (code != 0) {
        return bpi_error_system(error, code, "cannot draw random bytes");
    }
    memcpy(staged->input.salt, random + 10, sizeof staged->input.salt);
    staged->id_given = first_given != NULL && !staged->system;
    if (!bp_id_is_nil(&options->id)) {
        staged->input.id = options->id;
    } else if (staged->id_given) {
        staged->input.id = bpi_id_of_item(first_given, (uint32_t)index);
    } else {
        staged->input.id = bpi_id_v7((uint64_t)(request->now_us > 0 ? request->now_us / 1000 : 0), random);
    }
    staged->correlation = bp_id_is_nil(&options->correlation) ? staged->input.id : options->correlation;
    return BP_OK;
}

static bp_status stage_item(bp_store *store, bpi_scratch *scratch, const bpi_request *request, size_t index,
                            const bp_id *first_given, bp_error *error)
{
    const bp_batch_item *item = &request->items[index];
    const bp_append_options *options = item->options != NULL ? item->options : &no_options;
    bpi_staged *staged = &scratch->items[index];
    memset(staged, 0, sizeof *staged);
    staged->system = index < request->lead;
    size_t lead = staged->system ? 0 : request->lead;
    bp_kind_code kind = request->kinds != NULL ? request->kinds[index] : item->kind;
    bp_status status = staged->system ? BP_OK : check_place(item, kind, error);
    if (status == BP_OK) {
        status = check_payload(&item->payload, staged->system ? BP_PAYLOAD_MAX : store->options.payload_max, error);
    }
    if (status == BP_OK) {
        status = check_options(options, index - lead, error);
    }
    if (status == BP_OK && options->subject != NULL) {
        status = bpi_subject_check(item, error);
        staged->subject = bp_text_of(options->subject);
        scratch->encrypted = true;
    }
    if (status == BP_OK && options->guard_count != 0) {
        status = bpi_guards_stage(options, scratch, staged, error);
    }
    if (status == BP_OK) {
        status = put_identity(store, scratch, staged, options, first_given, request, error);
    }
    if (status != BP_OK) {
        return status;
    }
    bpi_record_input *input = &staged->input;
    input->kind = kind;
    input->flags = options->flags;
    input->payload_type = item->payload.type;
    input->payload_version = item->payload.version;
    input->entity = item->at.entity;
    input->scope = item->at.scope;
    input->payload = item->payload.data;
    input->payload_size = item->payload.size;
    staged->expect = options->expect;
    staged->external = options->external;
    staged->has_time = options->has_time;
    staged->time_us = options->time_us;
    staged->lane = options->lane;
    if (!put_causes(scratch, staged, options, lead) || !put_extensions(store, scratch, staged, options)) {
        return no_memory(error);
    }
    return BP_OK;
}

/* Over the records, when they are built: what is committed is compared, not what the caller may change meanwhile. */
static bp_status check_decisions(const bpi_scratch *scratch, const bpi_request *request, bp_error *error)
{
    bp_status status = BP_OK;
    for (size_t i = request->lead; status == BP_OK && i < request->count; i++) {
        status = bpi_decision_check(&scratch->items[i], request->items[i].options, error);
        if (status != BP_OK && error != NULL && request->count > 1) {
            error->has_index = true;
            error->index = i;
        }
    }
    return status;
}

static const bp_id *find_given(const bpi_request *request)
{
    for (size_t i = 0; i < request->count; i++) {
        const bp_append_options *options = request->items[i].options;
        if (options != NULL && !bp_id_is_nil(&options->id)) {
            return &options->id;
        }
    }
    return NULL;
}

/* From now on the input is what the record holds: what is hashed is the library's own copy. */
static void point_into_record(bpi_record_input *input, const uint8_t *record)
{
    const uint8_t *at = record + BPI_RECORD_FIXED;
    input->causes = (const bp_id *)at;
    at += (size_t)input->cause_count * sizeof(bp_id);
    input->entity.data = (const char *)at;
    at += input->entity.size;
    input->scope.data = (const char *)at;
    at += input->scope.size;
    input->public_extensions = at;
    at += input->public_size;
    if ((input->state & BPI_RECORD_STATE_STUB) == 0) {
        input->private_extensions = at;
        input->payload = at + input->private_size;
    }
}

bp_status bpi_stage(bp_store *store, bpi_scratch *scratch, const bpi_request *request, bp_error *error)
{
    scratch->frame.size = 0;
    scratch->arena.size = 0;
    scratch->guarded = false;
    scratch->encrypted = false;
    scratch->refused = false;
    scratch->rules = BPI_NO_RULES;
    if (!bpi_scratch_items(scratch, request->count)) {
        return no_memory(error);
    }
    const bp_id *first_given = find_given(request);
    for (size_t i = 0; i < request->count; i++) {
        bp_status status = stage_item(store, scratch, request, i, first_given, error);
        if (status != BP_OK) {
            if (error != NULL && request->count > 1) {
                error->has_index = true;
                error->index = i;
            }
            return status;
        }
    }
    for (size_t i = 0; i < request->count; i++) {
        bpi_staged *staged = &scratch->items[i];
        staged->input.causes = (const bp_id *)(const void *)(scratch->arena.data + staged->causes_at);
        staged->input.public_extensions = scratch->arena.data + staged->extensions_at;
        staged->input.private_extensions = staged->input.public_extensions + staged->input.public_size;
    }
    bp_status status = scratch->encrypted ? bpi_stage_encrypt(store, scratch, request->count, error) : BP_OK;
    if (status == BP_OK) {
        status = bpi_stage_build(store, scratch, request->count, error);
    }
    if (status == BP_OK) {
        status = check_decisions(scratch, request, error);
    }
    return status == BP_OK ? bpi_stage_hash(store, scratch, request->count, error) : status;
}

/* Places of the records in the frame; false when they do not fit, or would not when they are erased: a stub has a hash instead of what
 * goes, which may be less. */
static bool place_records(bpi_scratch *scratch, size_t count)
{
    uint64_t total = BPI_FRAME_HEADER;
    uint64_t growth = 0;
    for (size_t i = 0; i < count; i++) {
        bpi_staged *staged = &scratch->items[i];
        staged->offset = (size_t)total;
        staged->size = bpi_record_size(&staged->input);
        total += staged->size;
        growth += staged->input.payload_size < sizeof(bp_hash) ? sizeof(bp_hash) : 0;
        if (total + growth > BP_FRAME_MAX) {
            return false;
        }
    }
    scratch->frame.size = (size_t)total;
    return true;
}

/* Writes the records. The index is told of each entity as the record has it; what was asked for some records before has come. One
 * event has none before it: its hashing does the rest. */
static void build_records(bp_store *store, bpi_scratch *scratch, size_t count)
{
    const bpi_names *names = bpi_index_expect_begin(store->index);
    uint32_t seed = bpi_record_seed(&store->log.catalog.manifest.store_id);
    for (size_t i = 0; i < count + (count == 1 ? 0 : BPI_NAMES_BEHIND); i++) {
        if (i + BPI_PAYLOADS_AHEAD < count) {
            const bpi_record_input *later = &scratch->items[i + BPI_PAYLOADS_AHEAD].input;
            bpi_expect_payload(later->payload, later->payload_size);
        }
        if (i < count) {
            bpi_staged *staged = &scratch->items[i];
            uint8_t *record = scratch->frame.data + staged->offset;
            staged->tail_crc = bpi_record_build(record, &staged->input, seed);
            point_into_record(&staged->input, record);
            staged->expected = bpi_names_expect_slot(names, staged->input.entity);
        }
        if (i >= BPI_NAMES_BEHIND && i - BPI_NAMES_BEHIND < count) {
            bpi_names_expect_item(names, scratch->items[i - BPI_NAMES_BEHIND].expected);
        }
    }
    bpi_index_expect_end(store->index);
}

bp_status bpi_stage_build(bp_store *store, bpi_scratch *scratch, size_t count, bp_error *error)
{
    if (!place_records(scratch, count)) {
        return bpi_error_set(error, BP_ERR_TOO_LARGE, "the batch is over the limit of %u bytes for one commit",
                             BP_FRAME_MAX);
    }
    size_t size = scratch->frame.size;
    scratch->frame.size = 0; /* nothing of it is kept when it grows */
    if (!bpi_buffer_reserve(&scratch->frame, size)) {
        return no_memory(error);
    }
    scratch->frame.size = size;
    build_records(store, scratch, count);
    return BP_OK;
}
