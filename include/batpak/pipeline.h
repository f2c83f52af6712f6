/*
 * pipeline.h: propose, evaluate, commit: a payload that has passed, and only that, goes on.
 *
 * A proposal owns a copy of a payload. Evaluating it over a set of gates gives a permit: the pipeline's word that this
 * payload, these bytes, passed these gates. Committing spends the permit, once. A bypass gives a permit without asking the
 * gates, for a name and a justification, which stay with it; it goes the same way from there.
 *
 * A permit is a number without meaning: payload and gates lie in the pipeline. So a copy of a permit is the same permit
 * and is spent with it, a permit made up or altered is none, and what passed cannot be changed afterwards.
 *
 * A pipeline may be used by any number of threads at once; a proposal by one.
 */
#ifndef BATPAK_PIPELINE_H
#define BATPAK_PIPELINE_H

#include <batpak/append.h>
#include <batpak/gate.h>
#include <batpak/output.h>

#ifdef __cplusplus
extern "C" {
#endif

/* ---- proposals ---- */

typedef struct bp_proposal bp_proposal;

/* Copies the payload. BP_ERR_ARGUMENT, BP_ERR_TOO_LARGE (BP_PAYLOAD_MAX), BP_ERR_NO_MEMORY. */
BP_API BP_MUST_USE bp_status bp_proposal_new(bp_payload payload, bp_proposal **proposal_out, bp_error *error);
/* Its payload; lives until the proposal is mapped, evaluated to a permit, or freed. */
BP_API bp_payload bp_proposal_payload(const bp_proposal *proposal);

/* Writes the mapped bytes to `mapped` and may change *type and *version. Any status but BP_OK is handed on. */
typedef bp_status (*bp_proposal_fn)(void *argument, bp_payload payload, bp_output *mapped, uint8_t *type,
                                    uint16_t *version, bp_error *error);
/* Puts what the function makes of the payload in its place. On failure the proposal is as before. */
BP_API BP_MUST_USE bp_status bp_proposal_map(bp_proposal *proposal, bp_proposal_fn map, void *argument,
                                             bp_error *error);
/* NULL is allowed. */
BP_API void bp_proposal_free(bp_proposal *proposal);

/* ---- permits ---- */

/* Opaque. All zero is no permit. */
typedef struct bp_permit {
    uint64_t number[3];
} bp_permit;

/*
 * What a permit stands for; lives until the permit is spent or dropped (in a commit: until the callback returns).
 *
 * The decision is for bp_append_options.decision, inside this permit's commit: it puts gates or bypass on record with one
 * event, which has this payload. Anywhere else, as in what bp_permit_look hands out, an append that is given it is
 * BP_ERR_DENIED; so is a second append of the same commit. With another payload (bytes, type, version) it is BP_ERR_ARGUMENT.
 */
typedef struct bp_permit_view {
    bp_payload payload;
    const char *const *gates; /* names of the gates passed, in order */
    size_t gate_count;
    const char *bypass_name;     /* NULL: nothing was bypassed */
    const char *bypass_reason;   /* the justification */
    const bp_decision *decision; /* for one append of this payload, inside the commit */
} bp_permit_view;

/* ---- pipelines ---- */

typedef struct bp_pipeline bp_pipeline;

/* Keeps the set, which takes no more gates. BP_ERR_ARGUMENT, BP_ERR_NO_MEMORY, BP_ERR_IO (no random bytes). */
BP_API BP_MUST_USE bp_status bp_pipeline_new(bp_gate_set *gates, bp_pipeline **pipeline_out, bp_error *error);
/* Frees it; unspent permits are void. No other call may be under way. NULL is allowed. */
BP_API void bp_pipeline_free(bp_pipeline *pipeline);

/*
 * BP_OK: the proposal has become the permit and is gone. BP_ERR_DENIED: the proposal is still the caller's;
 * *denial_out (may be NULL) says why. BP_ERR_ARGUMENT, BP_ERR_NO_MEMORY: likewise.
 */
BP_API BP_MUST_USE bp_status bp_pipeline_evaluate(bp_pipeline *pipeline, const void *context, bp_proposal *proposal,
                                                  bp_permit *permit_out, bp_denial *denial_out, bp_error *error);

/* A permit without asking the gates. Name (1..63 bytes, like a gate's) and justification (1..1024 bytes of UTF-8) must be
 * given. Errors as above, but for BP_ERR_DENIED. */
BP_API BP_MUST_USE bp_status bp_pipeline_bypass(bp_pipeline *pipeline, const char *name, const char *justification,
                                                bp_proposal *proposal, bp_permit *permit_out, bp_error *error);

/* What an unspent permit stands for; its decision opens no append. BP_ERR_DENIED: it is none of this pipeline, or it is spent. */
BP_API BP_MUST_USE bp_status bp_permit_look(bp_pipeline *pipeline, const bp_permit *permit, bp_permit_view *view_out,
                                            bp_error *error);
/* Gives a permit back unspent; one that is none, or spent, is left alone. */
BP_API void bp_permit_drop(bp_pipeline *pipeline, const bp_permit *permit);

/* What was committed. The payload is the caller's: bp_committed_free. */
typedef struct bp_committed {
    bp_payload payload;
    bp_id id;
    uint64_t sequence;
    bp_hash event_hash;
    void *owner;
} bp_committed;
BP_API void bp_committed_free(bp_committed *committed);

/*
 * Persists. The callback's status and error are its own: they are handed on as they are. It may call the store; it must
 * not use the same permit. On BP_OK it has filled in the receipt of what it appended.
 */
typedef bp_status (*bp_commit_fn)(void *argument, const bp_permit_view *permit, bp_receipt *receipt_out,
                                  bp_error *error);

/*
 * Spends the permit and calls `commit`. The permit is spent whatever the callback answers: who wants to try again
 * evaluates again. BP_ERR_DENIED: the permit is none of this pipeline, or was spent before; `commit` was not called.
 * *committed_out may be NULL.
 */
BP_API BP_MUST_USE bp_status bp_pipeline_commit(bp_pipeline *pipeline, bp_permit *permit, bp_commit_fn commit,
                                                void *argument, bp_committed *committed_out, bp_error *error);

/*
 * The same with the usual callback: one append of the permit's payload, with the gates passed, or the bypass, on record
 * with the event. `options` may be NULL. Errors of bp_append.
 */
BP_API BP_MUST_USE bp_status bp_pipeline_append(bp_pipeline *pipeline, bp_permit *permit, bp_store *store,
                                                bp_coordinate at, bp_kind_code kind, const bp_append_options *options,
                                                bp_committed *committed_out, bp_error *error);

#ifdef __cplusplus
}
#endif

#endif
