/*
 * pipeline.c: permits and what they stand for.
 *
 * A permit is a place in the pipeline's table and 128 random bits. The table keeps payload, gates and bypass; what is
 * spent leaves its place, and the bits with it, so that no copy of it opens anything again.
 */
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>

#include <batpak/kinds.h>
#include <batpak/pipeline.h>

#include "base/error.h"
#include "store/items.h"
#include "base/memory.h"
#include "base/output.h"
#include "base/text.h"
#include "policy/gate.h"
#include "store/decision.h"

enum { REASON_MAX = 1024 };

struct bp_proposal {
    bp_payload payload; /* data owned */
};

/* What a look hands out in a decision's place: no append takes it, and it is there when the permit is gone. */
static const struct bp_decision outside_the_commit;

/* What a permit stands for. */
typedef struct grant {
    uint64_t token[2];
    bp_payload payload; /* owned */
    struct bp_decision decision;
    atomic_int decision_state; /* open while the commit's callback runs */
    char *bypass;              /* owned: name, ": ", reason, as it goes on record */
    bp_permit_view view;
    char name[BP_GATE_NAME_MAX + 1];
} grant;

struct bp_pipeline {
    pthread_mutex_t lock;
    bp_gate_set *gates;
    const char *names[BP_GATES_MAX];
    uint8_t *record; /* names as they go on record; made once */
    size_t record_size;
    grant **grants; /* each lives until it is spent */
    size_t capacity;
    size_t free_from; /* no place below is free */
};

static const bp_allocator *memory(void)
{
    return bp_allocator_system();
}

/* ---- proposals ---- */

bp_status bp_proposal_new(bp_payload payload, bp_proposal **proposal_out, bp_error *error)
{
    if (proposal_out == NULL || (payload.data == NULL && payload.size != 0)) {
        return bpi_error_set(error, BP_ERR_ARGUMENT, "proposal_out, or a payload with a size, is NULL");
    }
    *proposal_out = NULL;
    if (payload.size > BP_PAYLOAD_MAX) {
        return bpi_error_set(error, BP_ERR_TOO_LARGE, "payload of %zu bytes is over the limit of %u", payload.size,
                             BP_PAYLOAD_MAX);
    }
    bp_proposal *proposal = bpi_allocate_zero(memory(), sizeof *proposal);
    void *data = proposal == NULL ? NULL : bpi_allocate(memory(), payload.size);
    if (proposal == NULL || (data == NULL && payload.size != 0)) {
        bpi_release(memory(), proposal, sizeof *proposal);
        return bpi_error_set(error, BP_ERR_NO_MEMORY, "no memory for a proposal");
    }
    if (payload.size != 0) {
        memcpy(data, payload.data, payload.size);
    }
    proposal->payload = payload;
    proposal->payload.data = data;
    *proposal_out = proposal;
    return BP_OK;
}

bp_payload bp_proposal_payload(const bp_proposal *proposal)
{
    return proposal == NULL ? (bp_payload){0} : proposal->payload;
}

static void payload_free(const bp_payload *payload)
{
    union {
        const void *given;
        void *owned;
    } data = {payload->data};
    bpi_release(memory(), data.owned, payload->size);
}

bp_status bp_proposal_map(bp_proposal *proposal, bp_proposal_fn map, void *argument, bp_error *error)
{
    if (proposal == NULL || map == NULL) {
        return bpi_error_set(error, BP_ERR_ARGUMENT, "%s is NULL", proposal == NULL ? "the proposal" : "the function");
    }
    bp_output output;
    bp_proposal *mapped = NULL;
    bp_payload made = proposal->payload;
    bpi_output_init(&output, memory());
    bp_status status = map(argument, proposal->payload, &output, &made.type, &made.version, error);
    if (output.failed) { /* whatever the function answers */
        status = bpi_error_set(error, BP_ERR_NO_MEMORY, "no memory for the mapped payload");
    }
    if (status == BP_OK) {
        made.data = bp_output_data(&output);
        made.size = bp_output_size(&output);
        status = bp_proposal_new(made, &mapped, error);
    }
    if (status == BP_OK && mapped != NULL) {
        bp_payload old = proposal->payload;
        proposal->payload = mapped->payload;
        mapped->payload = old;
        bp_proposal_free(mapped);
    }
    bpi_output_fini(&output);
    return status;
}

void bp_proposal_free(bp_proposal *proposal)
{
    if (proposal != NULL) {
        payload_free(&proposal->payload);
        bpi_release(memory(), proposal, sizeof *proposal);
    }
}

/* ---- grants ---- */

static void grant_free(grant *g)
{
    if (g == NULL) {
        return;
    }
    payload_free(&g->payload);
    if (g->bypass != NULL) {
        bpi_release(memory(), g->bypass, g->decision.bypass_size + 1);
    }
    memset(g, 0, sizeof *g);
    bpi_release(memory(), g, sizeof *g);
}

/* The grant of a permit, with the lock held; NULL: there is none. */
static grant *find(bp_pipeline *pipeline, const bp_permit *permit)
{
    if (permit->number[0] == 0 || permit->number[0] > pipeline->capacity) {
        return NULL;
    }
    grant *g = pipeline->grants[permit->number[0] - 1];
    uint64_t different = g == NULL ? 1 : (g->token[0] ^ permit->number[1]) | (g->token[1] ^ permit->number[2]);
    return different == 0 ? g : NULL;
}

static bp_status no_permit(bp_error *error)
{
    bpi_error_set(error, BP_ERR_DENIED, "the permit is none of this pipeline, or it was spent");
    bpi_error_hint(error, "a permit is good for one commit; evaluate the proposal again");
    return BP_ERR_DENIED;
}

/* A place for one more grant, with the lock held. */
static bool place(bp_pipeline *pipeline, size_t *at_out)
{
    for (size_t i = pipeline->free_from; i < pipeline->capacity; i++) {
        if (pipeline->grants[i] == NULL) {
            *at_out = i;
            pipeline->free_from = i + 1;
            return true;
        }
    }
    size_t capacity = pipeline->capacity == 0 ? 8 : pipeline->capacity * 2;
    grant **grants =
        bpi_resize(memory(), (void *)pipeline->grants, pipeline->capacity * sizeof *grants, capacity * sizeof *grants);
    if (grants == NULL) {
        return false;
    }
    for (size_t i = pipeline->capacity; i < capacity; i++) {
        grants[i] = NULL;
    }
    *at_out = pipeline->capacity;
    pipeline->free_from = pipeline->capacity + 1;
    pipeline->grants = grants;
    pipeline->capacity = capacity;
    return true;
}

/* Makes the proposal a permit. */
static bp_status give(bp_pipeline *pipeline, grant *g, bp_proposal *proposal, bp_permit *permit_out, bp_error *error)
{
    const bp_random *random = bp_random_system();
    int code = random->fill(random->context, g->token, sizeof g->token);
    size_t at = 0;
    if (code != 0) {
        return bpi_error_system(error, code, "cannot draw random bytes");
    }
    (void)pthread_mutex_lock(&pipeline->lock);
    bool placed = place(pipeline, &at);
    if (placed) {
        g->payload = proposal->payload;
        g->view.payload = g->payload;
        g->view.decision = &g->decision;
        g->decision.payload = g->payload;
        g->decision.state = &g->decision_state;
        proposal->payload = (bp_payload){0};
        pipeline->grants[at] = g;
        *permit_out = (bp_permit){{at + 1, g->token[0], g->token[1]}};
    }
    (void)pthread_mutex_unlock(&pipeline->lock);
    if (!placed) {
        return bpi_error_set(error, BP_ERR_NO_MEMORY, "no memory for a permit");
    }
    bp_proposal_free(proposal);
    return BP_OK;
}

static bp_status check_request(const bp_pipeline *pipeline, const bp_proposal *proposal, bp_permit *permit_out,
                               bp_error *error)
{
    if (pipeline == NULL || proposal == NULL || permit_out == NULL) {
        return bpi_error_set(error, BP_ERR_ARGUMENT, "%s is NULL",
                             pipeline == NULL   ? "the pipeline"
                             : proposal == NULL ? "the proposal"
                                                : "permit_out");
    }
    *permit_out = (bp_permit){{0}};
    return BP_OK;
}

/* ---- pipelines ---- */

bp_status bp_pipeline_new(bp_gate_set *gates, bp_pipeline **pipeline_out, bp_error *error)
{
    if (gates == NULL || pipeline_out == NULL) {
        return bpi_error_set(error, BP_ERR_ARGUMENT, "%s is NULL", gates == NULL ? "the set" : "pipeline_out");
    }
    *pipeline_out = NULL;
    bp_pipeline *pipeline = bpi_allocate_zero(memory(), sizeof *pipeline);
    size_t size = gates->count * (1 + BP_GATE_NAME_MAX);
    uint8_t *record = pipeline == NULL ? NULL : bpi_allocate(memory(), size + 1);
    if (record == NULL) {
        bpi_release(memory(), pipeline, sizeof *pipeline);
        return bpi_error_set(error, BP_ERR_NO_MEMORY, "no memory for a pipeline");
    }
    bpi_gate_set_use(gates);
    pipeline->gates = gates;
    pipeline->record = record;
    for (size_t i = 0; i < gates->count; i++) {
        size_t length = strlen(gates->gates[i].name);
        pipeline->names[i] = gates->gates[i].name;
        record[pipeline->record_size] = (uint8_t)length;
        memcpy(record + pipeline->record_size + 1, gates->gates[i].name, length);
        pipeline->record_size += 1 + length;
    }
    (void)pthread_mutex_init(&pipeline->lock, NULL);
    *pipeline_out = pipeline;
    return BP_OK;
}

void bp_pipeline_free(bp_pipeline *pipeline)
{
    if (pipeline == NULL) {
        return;
    }
    for (size_t i = 0; i < pipeline->capacity; i++) {
        grant_free(pipeline->grants[i]);
    }
    bpi_release(memory(), (void *)pipeline->grants, pipeline->capacity * sizeof *pipeline->grants);
    bpi_release(memory(), pipeline->record, pipeline->gates->count * (1 + BP_GATE_NAME_MAX) + 1);
    bp_gate_set_free(pipeline->gates);
    (void)pthread_mutex_destroy(&pipeline->lock);
    bpi_release(memory(), pipeline, sizeof *pipeline);
}

bp_status bp_pipeline_evaluate(bp_pipeline *pipeline, const void *context, bp_proposal *proposal, bp_permit *permit_out,
                               bp_denial *denial_out, bp_error *error)
{
    bp_status status = check_request(pipeline, proposal, permit_out, error);
    if (status == BP_OK) {
        status = bp_gate_set_evaluate(pipeline->gates, context, denial_out, error);
    }
    if (status != BP_OK) {
        return status;
    }
    grant *g = bpi_allocate_zero(memory(), sizeof *g);
    if (g == NULL) {
        return bpi_error_set(error, BP_ERR_NO_MEMORY, "no memory for a permit");
    }
    g->view.gates = pipeline->names;
    g->view.gate_count = pipeline->gates->count;
    g->decision.gates = pipeline->record;
    g->decision.gates_size = pipeline->record_size;
    status = give(pipeline, g, proposal, permit_out, error);
    if (status != BP_OK) {
        grant_free(g);
    }
    return status;
}

static bp_status check_bypass(const char *name, const char *reason, bp_error *error)
{
    if (name == NULL || strlen(name) > BP_GATE_NAME_MAX || !bp_kind_name_valid(name, strlen(name))) {
        return bpi_error_set(error, BP_ERR_ARGUMENT, "a bypass needs a name: a letter, then letters, digits, . _ - /");
    }
    if (reason == NULL || !bpi_name_valid((const uint8_t *)reason, strlen(reason), REASON_MAX)) {
        return bpi_error_set(error, BP_ERR_ARGUMENT,
                             "a bypass needs a justification: 1 to %d bytes of UTF-8 on one line", REASON_MAX);
    }
    return BP_OK;
}

bp_status bp_pipeline_bypass(bp_pipeline *pipeline, const char *name, const char *justification, bp_proposal *proposal,
                             bp_permit *permit_out, bp_error *error)
{
    bp_status status = check_request(pipeline, proposal, permit_out, error);
    if (status == BP_OK) {
        status = check_bypass(name, justification, error);
    }
    if (status != BP_OK) {
        return status;
    }
    grant *g = bpi_allocate_zero(memory(), sizeof *g);
    size_t size = strlen(name) + 2 + strlen(justification);
    char *text = g == NULL ? NULL : bpi_allocate(memory(), size + 1);
    if (text == NULL) {
        bpi_release(memory(), g, sizeof *g);
        return bpi_error_set(error, BP_ERR_NO_MEMORY, "no memory for a permit");
    }
    (void)snprintf(text, size + 1, "%s: %s", name, justification);
    memcpy(g->name, name, strlen(name) + 1);
    g->bypass = text;
    g->decision.bypass = text;
    g->decision.bypass_size = size;
    g->view.bypass_name = g->name;
    g->view.bypass_reason = text + strlen(name) + 2;
    status = give(pipeline, g, proposal, permit_out, error);
    if (status != BP_OK) {
        grant_free(g);
    }
    return status;
}

bp_status bp_permit_look(bp_pipeline *pipeline, const bp_permit *permit, bp_permit_view *view_out, bp_error *error)
{
    if (pipeline == NULL || permit == NULL || view_out == NULL) {
        return bpi_error_set(error, BP_ERR_ARGUMENT, "the pipeline, the permit or view_out is NULL");
    }
    (void)pthread_mutex_lock(&pipeline->lock);
    const grant *g = find(pipeline, permit);
    if (g != NULL) {
        *view_out = g->view;
        view_out->decision = &outside_the_commit;
    }
    (void)pthread_mutex_unlock(&pipeline->lock);
    return g != NULL ? BP_OK : no_permit(error);
}

/* Takes the grant out: from here on nobody else finds it. */
static grant *take(bp_pipeline *pipeline, const bp_permit *permit)
{
    (void)pthread_mutex_lock(&pipeline->lock);
    grant *g = find(pipeline, permit);
    if (g != NULL) {
        size_t at = (size_t)permit->number[0] - 1;
        pipeline->grants[at] = NULL;
        pipeline->free_from = at < pipeline->free_from ? at : pipeline->free_from;
    }
    (void)pthread_mutex_unlock(&pipeline->lock);
    return g;
}

void bp_permit_drop(bp_pipeline *pipeline, const bp_permit *permit)
{
    if (pipeline != NULL && permit != NULL) {
        grant_free(take(pipeline, permit));
    }
}

void bp_committed_free(bp_committed *committed)
{
    if (committed != NULL) {
        grant_free(committed->owner);
        memset(committed, 0, sizeof *committed);
    }
}

bp_status bp_pipeline_commit(bp_pipeline *pipeline, bp_permit *permit, bp_commit_fn commit, void *argument,
                             bp_committed *committed_out, bp_error *error)
{
    if (committed_out != NULL) {
        memset(committed_out, 0, sizeof *committed_out);
    }
    if (pipeline == NULL || permit == NULL || commit == NULL) {
        return bpi_error_set(error, BP_ERR_ARGUMENT, "the pipeline, the permit or the callback is NULL");
    }
    grant *g = take(pipeline, permit);
    if (g == NULL) {
        return no_permit(error);
    }
    *permit = (bp_permit){{0}};
    bp_receipt receipt = {0};
    atomic_store(&g->decision_state, (int)BPI_DECISION_OPEN);
    bp_status status = commit(argument, &g->view, &receipt, error);
    atomic_store(&g->decision_state, (int)BPI_DECISION_CLOSED);
    if (status != BP_OK || committed_out == NULL) {
        grant_free(g);
        return status;
    }
    *committed_out = (bp_committed){.payload = g->payload,
                                    .id = receipt.id,
                                    .sequence = receipt.sequence,
                                    .event_hash = receipt.event_hash,
                                    .owner = g};
    return BP_OK;
}

typedef struct one_append {
    bp_store *store;
    bp_coordinate at;
    bp_kind_code kind;
    const bp_append_options *options;
} one_append;

static bp_status append_one(void *argument, const bp_permit_view *permit, bp_receipt *receipt_out, bp_error *error)
{
    const one_append *what = argument;
    bp_append_options options;
    bp_status status = bpi_append_options_take(what->options, &options, error);
    if (status != BP_OK) {
        return status;
    }
    options.decision = permit->decision;
    return bp_append(what->store, what->at, what->kind, permit->payload, &options, receipt_out, error);
}

bp_status bp_pipeline_append(bp_pipeline *pipeline, bp_permit *permit, bp_store *store, bp_coordinate at,
                             bp_kind_code kind, const bp_append_options *options, bp_committed *committed_out,
                             bp_error *error)
{
    one_append what = {store, at, kind, options};
    return bp_pipeline_commit(pipeline, permit, append_one, &what, committed_out, error);
}
