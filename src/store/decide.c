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
    event_out->payload = input->payload;
    event_out->payload_size = input->payload_size;
    event_out->batch_count = 1;
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
    if (before == NULL) {
        return true;
    }
    bp_event request;
    bpi_staged_event(staged, (const bp_id *)(const void *)(scratch->arena.data + staged->causes_at), &request);
    return before->names(before->context, &request, &scratch->names, &scratch->rules);
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
