/*
 * ready.c: ready-made gates over the request and the heads: size, kinds, cause, state machine.
 */
#include <string.h>

#include <batpak/policy.h>

#include "base/error.h"
#include "base/memory.h"
#include "policy/ready.h"

void bpi_ready_release(void *state)
{
    bpi_ready *ready = state;
    bpi_release(bp_allocator_system(), ready, ready->size);
}

void *bpi_ready_new(size_t size)
{
    bpi_ready *ready = bpi_allocate_zero(bp_allocator_system(), size);
    if (ready != NULL) {
        ready->size = size;
    }
    return ready;
}

bp_status bpi_ready_push(bp_gate_set *set, const char *name, const char *description, bp_gate_fn evaluate, void *state,
                         bp_error *error)
{
    if (state == NULL) {
        return bpi_error_set(error, BP_ERR_NO_MEMORY, "no memory for a gate");
    }
    bp_gate gate = {name, description, evaluate, state, bpi_ready_release};
    bp_status status = bp_gate_set_push(set, &gate, error);
    if (status != BP_OK) {
        bpi_ready_release(state);
    }
    return status;
}

/* ---- size ---- */

typedef struct size_gate {
    bpi_ready head;
    uint32_t most;
} size_gate;

static bp_verdict judge_size(const void *state, const void *context, bp_denial *denial)
{
    const size_gate *gate = state;
    const bp_event *event = bp_commit_event(context);
    if (event->payload_size <= gate->most) {
        return BP_VERDICT_PASS;
    }
    bp_verdict verdict = bp_denial_say(denial, "TOO_LARGE", "the payload has %zu bytes; %u are allowed",
                                       event->payload_size, (unsigned)gate->most);
    bp_denial_add(denial, "size", "%zu", event->payload_size);
    bp_denial_add(denial, "most", "%u", (unsigned)gate->most);
    return verdict;
}

bp_status bp_gate_push_size(bp_gate_set *set, const char *name, uint32_t most, bp_error *error)
{
    size_gate *gate = bpi_ready_new(sizeof *gate);
    if (gate != NULL) {
        gate->most = most;
    }
    return bpi_ready_push(set, name, "a payload that is not too large", judge_size, gate, error);
}

/* ---- kinds ---- */

typedef struct kinds_gate {
    bpi_ready head;
    size_t count;
    uint64_t allowed[65536 / 64];
} kinds_gate;

static bool has_kind(const kinds_gate *gate, bp_kind_code kind)
{
    return gate->allowed[kind / 64] >> kind % 64 & 1;
}

static kinds_gate *kinds_gate_new(const bp_kind_code *kinds, size_t count)
{
    kinds_gate *gate = bpi_ready_new(sizeof *gate);
    for (size_t i = 0; gate != NULL && i < count; i++) {
        gate->allowed[kinds[i] / 64] |= UINT64_C(1) << kinds[i] % 64;
    }
    if (gate != NULL) {
        gate->count = count;
    }
    return gate;
}

static bp_verdict judge_kind(const void *state, const void *context, bp_denial *denial)
{
    bp_kind_code kind = bp_commit_event(context)->kind;
    if (has_kind(state, kind)) {
        return BP_VERDICT_PASS;
    }
    bp_verdict verdict = bp_denial_say(denial, "KIND_NOT_ALLOWED", "kind 0x%04X is not allowed here", (unsigned)kind);
    bp_denial_add(denial, "kind", "0x%04X", (unsigned)kind);
    return verdict;
}

bp_status bp_gate_push_kinds(bp_gate_set *set, const char *name, const bp_kind_code *kinds, size_t count,
                             bp_error *error)
{
    if (kinds == NULL || count == 0) {
        return bpi_error_set(error, BP_ERR_ARGUMENT, "a gate of kinds needs at least one kind");
    }
    return bpi_ready_push(set, name, "one of the kinds allowed", judge_kind, kinds_gate_new(kinds, count), error);
}

/* ---- cause ---- */

static bp_verdict judge_cause(const void *state, const void *context, bp_denial *denial)
{
    const kinds_gate *gate = state;
    const bp_event *event = bp_commit_event(context);
    for (size_t i = 0; i < event->cause_count; i++) {
        bp_event cause;
        if (gate->count == 0 || (bp_commit_find(context, &event->causes[i], &cause) && has_kind(gate, cause.kind))) {
            return BP_VERDICT_PASS;
        }
    }
    bp_verdict verdict = bp_denial_say(denial, "CAUSE_MISSING", "%s",
                                       event->cause_count == 0 ? "it names no cause"
                                                               : "none of its causes is of a kind that is asked for");
    bp_denial_add(denial, "causes", "%u", (unsigned)event->cause_count);
    return verdict;
}

bp_status bp_gate_push_cause(bp_gate_set *set, const char *name, const bp_kind_code *kinds, size_t count,
                             bp_error *error)
{
    if (kinds == NULL && count != 0) {
        return bpi_error_set(error, BP_ERR_ARGUMENT, "kinds is NULL but has a count");
    }
    return bpi_ready_push(set, name, count == 0 ? "a cause" : "a cause of one of the kinds asked for", judge_cause,
                          kinds_gate_new(kinds, count), error);
}

/* ---- state machine ---- */

typedef struct machine_gate {
    bpi_ready head;
    size_t count;
    bp_kind_step steps[];
} machine_gate;

static bp_verdict judge_step(const void *state, const void *context, bp_denial *denial)
{
    const machine_gate *gate = state;
    const bp_event *event = bp_commit_event(context);
    bp_head head;
    if (bp_commit_head(context, event->entity, &head) != BP_OK) {
        (void)bp_denial_say(denial, "UNKNOWN", "the entity's newest event cannot be read");
        return (bp_verdict)0;
    }
    bool start = head.events == 0;
    for (size_t i = 0; i < gate->count; i++) {
        const bp_kind_step *step = &gate->steps[i];
        if (step->to == event->kind && step->start == start && (start || step->from == head.kind)) {
            return BP_VERDICT_PASS;
        }
    }
    bp_verdict verdict =
        start ? bp_denial_say(denial, "TRANSITION", "0x%04X is no kind to begin with", (unsigned)event->kind)
              : bp_denial_say(denial, "TRANSITION", "0x%04X does not follow 0x%04X", (unsigned)event->kind,
                              (unsigned)head.kind);
    bp_denial_add(denial, "to", "0x%04X", (unsigned)event->kind);
    bp_denial_add(denial, "clock", "%llu", (unsigned long long)event->clock);
    return verdict;
}

bp_status bp_gate_push_machine(bp_gate_set *set, const char *name, const bp_kind_step *steps, size_t count,
                               bp_error *error)
{
    if (steps == NULL || count == 0) {
        return bpi_error_set(error, BP_ERR_ARGUMENT, "a state machine needs at least one step");
    }
    if (count > 65536) {
        return bpi_error_set(error, BP_ERR_TOO_LARGE, "a state machine has at most 65536 steps");
    }
    machine_gate *gate = bpi_ready_new(sizeof *gate + count * sizeof *steps);
    if (gate != NULL) {
        gate->count = count;
        memcpy(gate->steps, steps, count * sizeof *steps);
    }
    return bpi_ready_push(set, name, "a step that the state machine has", judge_step, gate, error);
}
