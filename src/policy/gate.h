/*
 * gate.h: a set of gates from the inside. It is held by its maker, by pipelines and by bindings; once one of the latter
 * has it, it never changes, so that any thread may read it.
 */
#ifndef BPI_POLICY_GATE_H
#define BPI_POLICY_GATE_H

#include <stdatomic.h>

#include <batpak/gate.h>

typedef struct bpi_gate {
    char *name;
    char *description; /* "" when there is none */
    bp_gate_fn evaluate;
    void *state;
    void (*release)(void *state);
} bpi_gate;

struct bp_gate_set {
    _Atomic uint32_t references;
    _Atomic bool in_use;
    size_t count;
    bpi_gate gates[BP_GATES_MAX];
};

void bpi_denial_reset(bp_denial *denial);
/* Makes what a gate filled in by hand safe to read: every text ends, no more pairs than there are. */
void bpi_denial_repair(bp_denial *denial);

/* Holds the set for a user; it takes no more gates. */
void bpi_gate_set_use(bp_gate_set *set);

/* Asks one gate: true when it passes; else *denial says why, defects included. */
bool bpi_gate_ask(const bpi_gate *gate, const void *context, bp_denial *denial);

/* BP_ERR_DENIED, with `[gate] message` as the error's. */
bp_status bpi_denied(const bp_denial *denial, const char *description, bp_error *error);

#endif
