/*
 * gate.c: sets of gates.
 */
#include "policy/gate.h"

#include <string.h>

#include <batpak/kinds.h>

#include "base/error.h"
#include "base/memory.h"

bp_status bp_gate_set_new(bp_gate_set **set_out, bp_error *error)
{
    if (set_out == NULL) {
        return bpi_error_set(error, BP_ERR_ARGUMENT, "set_out is NULL");
    }
    *set_out = bpi_allocate_zero(bp_allocator_system(), sizeof **set_out);
    if (*set_out == NULL) {
        return bpi_error_set(error, BP_ERR_NO_MEMORY, "no memory for a set of gates");
    }
    atomic_init(&(*set_out)->references, 1);
    return BP_OK;
}

static char *copy_text(const char *text)
{
    size_t size = strlen(text) + 1;
    char *copy = bpi_allocate(bp_allocator_system(), size);
    if (copy != NULL) {
        memcpy(copy, text, size);
    }
    return copy;
}

static void release_text(char *text)
{
    if (text != NULL) {
        bpi_release(bp_allocator_system(), text, strlen(text) + 1);
    }
}

static bp_status check_push(const bp_gate_set *set, const bp_gate *gate, bp_error *error)
{
    if (set == NULL || gate == NULL || gate->evaluate == NULL) {
        return bpi_error_set(error, BP_ERR_ARGUMENT, "%s is NULL",
                             set == NULL    ? "the set"
                             : gate == NULL ? "the gate"
                                            : "the gate's function");
    }
    if (atomic_load(&set->in_use)) {
        return bpi_error_set(error, BP_ERR_ARGUMENT, "the set is in use and takes no more gates");
    }
    if (gate->name == NULL || strlen(gate->name) > BP_GATE_NAME_MAX ||
        !bp_kind_name_valid(gate->name, strlen(gate->name))) {
        return bpi_error_set(error, BP_ERR_NAME,
                             "%.80s is no name for a gate: at most %d bytes, a letter, then letters, digits, . _ - /",
                             gate->name == NULL ? "NULL" : gate->name, BP_GATE_NAME_MAX);
    }
    for (size_t i = 0; i < set->count; i++) {
        if (strcmp(set->gates[i].name, gate->name) == 0) {
            return bpi_error_set(error, BP_ERR_EXISTS, "the set has a gate %s", gate->name);
        }
    }
    if (set->count == BP_GATES_MAX) {
        return bpi_error_set(error, BP_ERR_TOO_LARGE, "a set has at most %d gates", BP_GATES_MAX);
    }
    return BP_OK;
}

bp_status bp_gate_set_push(bp_gate_set *set, const bp_gate *gate, bp_error *error)
{
    bp_status status = check_push(set, gate, error);
    if (status != BP_OK) {
        return status;
    }
    bpi_gate *own = &set->gates[set->count];
    *own = (bpi_gate){.name = copy_text(gate->name),
                      .description = copy_text(gate->description != NULL ? gate->description : ""),
                      .evaluate = gate->evaluate,
                      .state = gate->state,
                      .release = gate->release};
    if (own->name == NULL || own->description == NULL) {
        release_text(own->name);
        release_text(own->description);
        return bpi_error_set(error, BP_ERR_NO_MEMORY, "no memory for a gate");
    }
    set->count++;
    return BP_OK;
}

size_t bp_gate_set_length(const bp_gate_set *set)
{
    return set == NULL ? 0 : set->count;
}

const char *bp_gate_set_name(const bp_gate_set *set, size_t index)
{
    return set == NULL || index >= set->count ? NULL : set->gates[index].name;
}

const char *bp_gate_set_description(const bp_gate_set *set, size_t index)
{
    return set == NULL || index >= set->count ? NULL : set->gates[index].description;
}

bool bpi_gate_ask(const bpi_gate *gate, const void *context, bp_denial *denial)
{
    bpi_denial_reset(denial);
    bp_verdict verdict = gate->evaluate(gate->state, context, denial);
    if (verdict == BP_VERDICT_PASS) {
        return true;
    }
    bpi_denial_repair(denial);
    if (verdict != BP_VERDICT_DENY) {
        char said[sizeof denial->message];
        memcpy(said, denial->message, sizeof said);
        (void)bp_denial_say(denial, BP_GATE_DEFECT, "the gate failed itself%s%s", said[0] == '\0' ? "" : ": ", said);
        bp_denial_add(denial, "verdict", "%d", (int)verdict);
    } else if (denial->message[0] == '\0') {
        (void)snprintf(denial->message, sizeof denial->message, "%s",
                       gate->description[0] != '\0' ? gate->description : "refused");
    }
    (void)snprintf(denial->gate, sizeof denial->gate, "%s", gate->name);
    if (denial->code[0] == '\0') {
        (void)snprintf(denial->code, sizeof denial->code, "DENIED");
    }
    return false;
}

bp_status bpi_denied(const bp_denial *denial, const char *description, bp_error *error)
{
    bpi_error_set(error, BP_ERR_DENIED, "[%s] %s", denial->gate, denial->message);
    bpi_error_hint(error, "%s asks for: %s", denial->gate,
                   description[0] != '\0' ? description : "see who set this gate");
    return BP_ERR_DENIED;
}

bp_status bp_gate_set_evaluate(const bp_gate_set *set, const void *context, bp_denial *denial_out, bp_error *error)
{
    bp_denial own;
    bp_denial *denial = denial_out != NULL ? denial_out : &own;
    if (set == NULL) {
        return bpi_error_set(error, BP_ERR_ARGUMENT, "the set is NULL");
    }
    for (size_t i = 0; i < set->count; i++) {
        if (!bpi_gate_ask(&set->gates[i], context, denial)) {
            return bpi_denied(denial, set->gates[i].description, error);
        }
    }
    return BP_OK;
}

bp_status bp_gate_set_evaluate_all(const bp_gate_set *set, const void *context, bp_denial *denials, size_t capacity,
                                   size_t *count_out, bp_error *error)
{
    size_t count = 0;
    bp_status status = BP_OK;
    if (set == NULL || count_out == NULL || (denials == NULL && capacity != 0)) {
        return bpi_error_set(error, BP_ERR_ARGUMENT, "the set, the denials or count_out is NULL");
    }
    for (size_t i = 0; i < set->count; i++) {
        bp_denial spare;
        bp_denial *denial = count < capacity ? &denials[count] : &spare;
        if (bpi_gate_ask(&set->gates[i], context, denial)) {
            continue;
        }
        if (count++ == 0) {
            status = bpi_denied(denial, set->gates[i].description, error);
        }
    }
    *count_out = count;
    return status;
}

void bpi_gate_set_use(bp_gate_set *set)
{
    atomic_store(&set->in_use, true);
    (void)atomic_fetch_add(&set->references, 1);
}

void bp_gate_set_free(bp_gate_set *set)
{
    if (set == NULL || atomic_fetch_sub(&set->references, 1) != 1) {
        return;
    }
    for (size_t i = set->count; i-- > 0;) {
        bpi_gate *gate = &set->gates[i];
        if (gate->release != NULL) {
            gate->release(gate->state);
        }
        release_text(gate->name);
        release_text(gate->description);
    }
    bpi_release(bp_allocator_system(), set, sizeof *set);
}
