/*
 * decide.c: where the layers above have their say in an append: what goes on record with an event, and whether it may be.
 */
#include <string.h>

#include "base/error.h"
#include "store/commit.h"
#include "store/decision.h"

void bpi_staged_event(const bpi_staged *staged, const bp_id *causes, bp_event *event_out)
{
    const bpi_record_input *input = &staged->input;
    memset(event_out, 0, sizeof *event_out);
    event_out->id = input->id;
    event_out->time_us = staged->time_us;
    event_out->kind = input->kind;
    event_out->flags = input->flags;
    event_out->payload_type = input->payload_type;
    event_out->payload_version = input->payload_version;
    event_out->external = staged->external;
    event_out->cause_count = input->cause_count;
    event_out->causes = causes;
    event_out->lane = staged->lane;
    event_out->entity = input->entity;
    event_out->scope = input->scope;
    event_out->correlation = staged->correlation;
    event_out->payload = staged->text != NULL ? staged->text : input->payload;
    event_out->payload_size = staged->text != NULL ? staged->text_size : input->payload_size;
    event_out->encryption = staged->text != NULL ? BP_ENCRYPTION_OPENED : BP_ENCRYPTION_NONE;
    event_out->batch_count = 1;
}

/* All items of a commit go by one state of the rules: of more than one there is no number, and judging stages it anew. */
static void see_rules(bpi_scratch *scratch, const bpi_staged *staged, uint64_t rules)
{
    bool first = staged == scratch->items || staged[-1].system;
    scratch->rules = first || scratch->rules == rules ? rules : BPI_NO_RULES;
}

bool bpi_decision_gather(bp_store *store, bpi_scratch *scratch, const bpi_staged *staged,
                         const bp_append_options *options)
{
    const bpi_before_append *before = atomic_load_explicit(&store->before, memory_order_acquire);
    scratch->names.size = 0;
    if (staged->system || (before == NULL && options->decision == NULL)) {
        return true;
    }
    if (options->decision != NULL &&
        !bpi_buffer_append(&scratch->names, options->decision->gates, options->decision->gates_size)) {
        return false;
    }
    uint64_t rules = BPI_NO_RULES;
    bool good = true;
    if (before != NULL) {
        bp_event request;
        bpi_staged_event(staged, (const bp_id *)(const void *)(scratch->arena.data + staged->causes_at), &request);
        good = before->names(before->context, &request, &scratch->names, &rules);
    }
    see_rules(scratch, staged, rules);
    return good;
}

static const bp_decision *decision_of(const bp_batch_item *item)
{
    return item->options == NULL ? NULL : item->options->decision;
}

bp_status bpi_decisions_take(const bp_batch_item *items, size_t count, bp_error *error)
{
    for (size_t i = 0; i < count; i++) {
        const bp_decision *decision = decision_of(&items[i]);
        int state = BPI_DECISION_OPEN;
        if (decision == NULL || (decision->state != NULL &&
                                 atomic_compare_exchange_strong(decision->state, &state, (int)BPI_DECISION_TAKEN))) {
            continue;
        }
        bpi_decisions_give(items, i, BP_ERR_DENIED);
        if (decision->state != NULL && state == BPI_DECISION_TAKEN) {
            bpi_error_set(error, BP_ERR_DENIED, "the decision of this permit went with another append");
            bpi_error_hint(error, "a permit is for one event; evaluate a proposal for each");
        } else {
            bpi_error_set(error, BP_ERR_DENIED, "the decision of a permit is good only inside that permit's commit");
            bpi_error_hint(error, "append in the callback of bp_pipeline_commit, with the view it is given, or use "
                                  "bp_pipeline_append");
        }
        if (error != NULL && count > 1) {
            error->has_index = true;
            error->index = i;
        }
        return BP_ERR_DENIED;
    }
    return BP_OK;
}

void bpi_decisions_give(const bp_batch_item *items, size_t count, bp_status refused)
{
    bool nothing_appended = refused == BP_ERR_CONFLICT || refused == BP_ERR_CAUSE || refused == BP_ERR_IDEMPOTENCY ||
                            refused == BP_ERR_DIVERGED || refused == BP_ERR_DENIED || refused == BP_ERR_ARGUMENT ||
                            refused == BP_ERR_NAME || refused == BP_ERR_KIND || refused == BP_ERR_TOO_LARGE;
    for (size_t i = 0; nothing_appended && i < count; i++) {
        const bp_decision *decision = decision_of(&items[i]);
        int state = BPI_DECISION_TAKEN;
        if (decision != NULL) {
            (void)atomic_compare_exchange_strong(decision->state, &state, (int)BPI_DECISION_OPEN);
        }
    }
}

bp_status bpi_decision_check(const bpi_staged *staged, const bp_append_options *options, bp_error *error)
{
    const bpi_record_input *input = &staged->input;
    if (options == NULL || options->decision == NULL) {
        return BP_OK;
    }
    const bp_payload *permitted = &options->decision->payload;
    const void *bytes = staged->text != NULL ? staged->text : input->payload;
    size_t size = staged->text != NULL ? staged->text_size : input->payload_size;
    if (input->payload_type == permitted->type && input->payload_version == permitted->version &&
        size == permitted->size && (size == 0 || memcmp(bytes, permitted->data, size) == 0)) {
        return BP_OK;
    }
    bpi_error_set(error, BP_ERR_ARGUMENT, "the payload is not the one that the permit is for");
    bpi_error_hint(error,
                   "append the view's payload as it is: bytes, type and version; evaluate a proposal for another");
    return BP_ERR_ARGUMENT;
}

bp_status bpi_before_judge(bp_store *store, bpi_scratch *scratch, size_t count, int64_t now_us, bp_error *error)
{
    const bpi_before_append *before = atomic_load_explicit(&store->before, memory_order_acquire);
    if (before == NULL) {
        return BP_OK;
    }
    bpi_hook_frame frame;
    bpi_hook_enter(&frame, store);
    bp_status status = before->judge(before->context, scratch, count, now_us, error);
    bpi_hook_leave(&frame, store);
    return status;
}

void bpi_tell_refused(bp_store *store, const bpi_scratch *scratch)
{
    const bpi_before_append *before = atomic_load_explicit(&store->before, memory_order_acquire);
    if (before != NULL) {
        before->refused(before->context, scratch);
    }
}
