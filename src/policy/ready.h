/*
 * ready.h: what the ready-made gates share: a state that begins with its size.
 */
#ifndef BPI_POLICY_READY_H
#define BPI_POLICY_READY_H

#include <batpak/gate.h>

#include "policy/json.h"

typedef struct bpi_ready {
    size_t size; /* of the whole state */
} bpi_ready;

void *bpi_ready_new(size_t size); /* zeroed; NULL: no memory */
void bpi_ready_release(void *state);
/* Pushes; takes the state, also when it fails. NULL state: BP_ERR_NO_MEMORY. */
bp_status bpi_ready_push(bp_gate_set *set, const char *name, const char *description, bp_gate_fn evaluate, void *state,
                         bp_error *error);

/* The value that a unique field of a payload has. False: *code_out and *what_out say why there is none. */
bool bpi_unique_value(const char *path, uint8_t payload_type, const void *payload, size_t size, char *value,
                      size_t *value_size_out, const char **code_out, const char **what_out);
enum { BPI_UNIQUE_VALUE_MOST = 4096 };

#define BPI_RATE_MS_MOST (UINT64_C(1) << 45) /* over a thousand years */

/* A path is 1..255 bytes of names between dots. */
bool bpi_field_path_valid(const char *path);
bool bpi_prefix_valid(const char *prefix);

#endif
