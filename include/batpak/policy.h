/*
 * policy.h: gates that come ready-made, and policies: files of them.
 *
 * The ready-made gates judge the events of a store; they are for sets that will be bound (bind.h). Each function pushes one
 * gate onto a set; what it is given is copied. Errors: those of bp_gate_set_push, and BP_ERR_ARGUMENT, BP_ERR_TOO_LARGE,
 * BP_ERR_NAME for what cannot be meant.
 *
 * A policy is text (docs/guide/policy.md has its grammar). It can be checked, tried on events, bound to a handle, and kept in
 * the store itself, so that whoever opens the store next can demand the same.
 */
#ifndef BATPAK_POLICY_H
#define BATPAK_POLICY_H

#include <batpak/bind.h>

#ifdef __cplusplus
extern "C" {
#endif

/* The payload has at most so many bytes. Code TOO_LARGE. */
BP_API BP_MUST_USE bp_status bp_gate_push_size(bp_gate_set *set, const char *name, uint32_t most, bp_error *error);

/* The kind is one of these. Code KIND_NOT_ALLOWED. */
BP_API BP_MUST_USE bp_status bp_gate_push_kinds(bp_gate_set *set, const char *name, const bp_kind_code *kinds,
                                                size_t count, bp_error *error);

/* At least one cause is given, and (count > 0) one of them is an event of one of these kinds. Code CAUSE_MISSING. */
BP_API BP_MUST_USE bp_status bp_gate_push_cause(bp_gate_set *set, const char *name, const bp_kind_code *kinds,
                                                size_t count, bp_error *error);

/* An allowed step of an entity. */
typedef struct bp_kind_step {
    bool start;        /* the entity's first event of these kinds; `from` means nothing */
    bp_kind_code from; /* the entity's newest event */
    bp_kind_code to;
} bp_kind_step;

/*
 * A state machine over the kinds of an entity: its state is the kind of its newest event. Every step that is not listed is
 * refused, kinds that the table does not know included. Code TRANSITION.
 */
BP_API BP_MUST_USE bp_status bp_gate_push_machine(bp_gate_set *set, const char *name, const bp_kind_step *steps,
                                                  size_t count, bp_error *error);

typedef enum bp_field_type {
    BP_FIELD_ANY = 0,
    BP_FIELD_STRING,
    BP_FIELD_NUMBER,
    BP_FIELD_INTEGER,
    BP_FIELD_BOOLEAN,
    BP_FIELD_OBJECT,
    BP_FIELD_ARRAY
} bp_field_type;

typedef struct bp_payload_field {
    const char *path; /* `total`, or `customer.email` */
    bp_field_type type;
    bool optional; /* may be missing; null counts as missing */
} bp_payload_field;

/* The payload is a JSON object with these members. Codes NOT_JSON, FIELD_MISSING, FIELD_TYPE, FIELD_TWICE. */
BP_API BP_MUST_USE bp_status bp_gate_push_fields(bp_gate_set *set, const char *name, const bp_payload_field *fields,
                                                 size_t count, bp_error *error);

typedef enum bp_rate_by { BP_RATE_REGION = 0, BP_RATE_ENTITY = 1, BP_RATE_SCOPE = 2 } bp_rate_by;

/*
 * At most `most` (1 to BP_COMMIT_QUERY_MAX) events of the region are committed within any `within_ms`: of the whole
 * region, or of each entity or scope by itself. Counted in the log, so that a restart forgets nothing. Code RATE.
 */
BP_API BP_MUST_USE bp_status bp_gate_push_rate(bp_gate_set *set, const char *name, const bp_region *region,
                                               bp_rate_by by, uint32_t most, uint64_t within_ms, bp_error *error);

/*
 * A payload's field is unique: the commit must hold the reservation of its value too, an event of the entity
 * bp_reservation_entity(prefix, value) with expectation none. bp_policy_append puts it there. One reservation is for one
 * event: a second one of the same commit with this value is refused too. Codes NOT_RESERVED, TAKEN (and NOT_JSON,
 * FIELD_MISSING, FIELD_TYPE). Names cannot be erased: with `hashed` the entity holds a hash of the value.
 */
BP_API BP_MUST_USE bp_status bp_gate_push_unique(bp_gate_set *set, const char *name, const char *path,
                                                 const char *prefix, bool hashed, bp_error *error);

#define BP_RESERVATION_SIZE 320
/* `prefix:value`, or `prefix:#hash` when hashed, when the value is over 200 bytes, begins with # or has control characters.
 * False: no prefix of 1 to 64 bytes. */
BP_API bool bp_reservation_entity(const char *prefix, const void *value, size_t size, bool hashed,
                                  char entity_out[BP_RESERVATION_SIZE]);

/* ---- policies ---- */

typedef struct bp_policy bp_policy;

/*
 * Reads a policy. Kind names are resolved in the store: a name it does not know is given the next free kind of category 1
 * there and then. BP_ERR_FORMAT: the message begins with line and column, and `error->offset` is the byte.
 * BP_ERR_NO_MEMORY, and errors of bp_kind_define.
 */
BP_API BP_MUST_USE bp_status bp_policy_parse(bp_store *store, const char *text, size_t size, bp_policy **policy_out,
                                             bp_error *error);
BP_API size_t bp_policy_gate_count(const bp_policy *policy);
/* Binds every gate of the policy to the handle it was parsed with, for as long as that is open. Once: what
 * is bound is not bound again, and after an error the next call goes on where this one stopped. Errors of bp_gate_bind. */
BP_API BP_MUST_USE bp_status bp_policy_bind(bp_policy *policy, bp_error *error);
/* NULL is allowed; what was bound stays. */
BP_API void bp_policy_free(bp_policy *policy);

/*
 * Appends a batch (or one event) as bp_append_batch does, and behind it, in the same commit, the reservations that the
 * policy's unique gates ask for (kind DATA, no payload, the prefix as scope); receipts are those of the caller's items. A value that is taken is BP_ERR_CONFLICT, and
 * error->entity names the reservation. policy NULL: bp_append_batch.
 */
BP_API BP_MUST_USE bp_status bp_policy_append(bp_policy *policy, bp_store *store, const bp_batch_item *items,
                                              size_t count, const bp_batch_options *options, bp_receipt *receipts_out,
                                              bp_error *error);

/* Keeps a policy's text in the store, as a system event; an empty text takes it back. It is not bound: who opens the store
 * does that. BP_ERR_FORMAT and others as bp_policy_parse; errors of appends. */
BP_API BP_MUST_USE bp_status bp_policy_store(bp_store *store, const char *text, size_t size, bp_error *error);
/* The text the store carries. BP_ERR_NOT_FOUND: none. *event_out is given to bp_event_release; its payload is the text. */
BP_API BP_MUST_USE bp_status bp_policy_stored(bp_store *store, const bp_event **event_out, bp_error *error);

#ifdef __cplusplus
}
#endif

#endif
