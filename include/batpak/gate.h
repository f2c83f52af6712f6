/*
 * gate.h: gates say no. A gate is a named predicate over a context; a set of gates is asked in order; a denial says which
 * gate refused, why, and with what before its eyes.
 *
 * Two uses. By themselves: the application evaluates a set over a context of its own, most often through a pipeline
 * (pipeline.h). Bound: a set is bound to a region of a store (bind.h), and judges every append there, inside the commit.
 *
 * A gate is pure: the same context gives the same verdict; it changes nothing. A gate that fails itself denies, with the
 * code GATE_DEFECT: what cannot be judged does not pass.
 */
#ifndef BATPAK_GATE_H
#define BATPAK_GATE_H

#include <batpak/status.h>

#ifdef __cplusplus
extern "C" {
#endif

enum {
    BP_GATE_NAME_MAX = 63, /* bytes of a gate's name */
    BP_GATES_MAX = 64,     /* gates of one set */
    BP_DENIAL_PAIRS_MAX = 8
};

#define BP_GATE_DEFECT "GATE_DEFECT" /* the code of a gate that failed itself */

typedef struct bp_denial_pair {
    char key[32];
    char value[128];
} bp_denial_pair;

/*
 * Why it was refused. All texts are NUL-terminated and, when too long, cut behind a whole character. The caller's own
 * memory. A gate may fill it in by hand: what it left without an end, or counted too high, is put right when it answers.
 */
typedef struct bp_denial {
    char gate[BP_GATE_NAME_MAX + 1]; /* filled in by the library */
    char code[48];                   /* for programs: TOO_LARGE */
    char message[256];               /* for people */
    size_t pair_count;
    bp_denial_pair pairs[BP_DENIAL_PAIRS_MAX];
} bp_denial;

/* Anything else that a gate returns is a defect. */
typedef enum bp_verdict { BP_VERDICT_PASS = 1, BP_VERDICT_DENY = 2 } bp_verdict;

/*
 * Judges. `state` is the gate's own and must not be changed; `context` is what the set is evaluated over. On a denial
 * `denial` is filled in (bp_denial_say) and its answer returned. May be called by several threads at once.
 */
typedef bp_verdict (*bp_gate_fn)(const void *state, const void *context, bp_denial *denial);

typedef struct bp_gate {
    const char *name;        /* 1..63 bytes: an ASCII letter, then letters, digits, . _ - / (non-ASCII too) */
    const char *description; /* what it asks for, for people; NULL: nothing to say */
    bp_gate_fn evaluate;
    void *state;
    void (*release)(void *state); /* called when the set goes; NULL: the state is not the set's */
} bp_gate;

/* Sets code and message (format as printf's), forgets the pairs, and returns BP_VERDICT_DENY. */
BP_API bp_verdict bp_denial_say(bp_denial *denial, const char *code, const char *format, ...) BP_PRINTF(3, 4);
/* Adds a pair; one beyond BP_DENIAL_PAIRS_MAX is left out. */
BP_API void bp_denial_add(bp_denial *denial, const char *key, const char *format, ...) BP_PRINTF(3, 4);
/* The value of a pair; NULL: there is none. */
BP_API const char *bp_denial_find(const bp_denial *denial, const char *key);
/* Writes `[gate] message`, NUL-terminated, cut to size; returns the whole length. */
BP_API size_t bp_denial_format(const bp_denial *denial, char *buffer, size_t size);

/* ---- sets ---- */

typedef struct bp_gate_set bp_gate_set;

/* An empty set: it passes everything. BP_ERR_NO_MEMORY. */
BP_API BP_MUST_USE bp_status bp_gate_set_new(bp_gate_set **set_out, bp_error *error);

/*
 * Puts a gate behind the others; name and description are copied. From BP_OK on `state` is the set's, if there is a
 * `release`; after an error it is the caller's. A set belongs to one thread while gates are pushed.
 *   BP_ERR_ARGUMENT  no function, or the set is in use by a pipeline or a binding
 *   BP_ERR_NAME      the name is none; BP_ERR_EXISTS: a gate of the set has it
 *   BP_ERR_TOO_LARGE more than BP_GATES_MAX; BP_ERR_NO_MEMORY
 */
BP_API BP_MUST_USE bp_status bp_gate_set_push(bp_gate_set *set, const bp_gate *gate, bp_error *error);

BP_API size_t bp_gate_set_length(const bp_gate_set *set);
/* Name and description of gate `index`; NULL beyond the end. They live as long as the set. */
BP_API const char *bp_gate_set_name(const bp_gate_set *set, size_t index);
BP_API const char *bp_gate_set_description(const bp_gate_set *set, size_t index);

/*
 * Asks the gates in order until one denies. BP_OK: all pass. BP_ERR_DENIED: *denial_out (may be NULL) says why, and the
 * error reads `[gate] message`. Any thread; nothing blocks but the gates.
 */
BP_API BP_MUST_USE bp_status bp_gate_set_evaluate(const bp_gate_set *set, const void *context, bp_denial *denial_out,
                                                  bp_error *error);

/*
 * Asks every gate. BP_OK: all pass. BP_ERR_DENIED: *count_out gates denied; the first `capacity` denials lie in `denials`,
 * in the order of the gates; the error tells the first.
 */
BP_API BP_MUST_USE bp_status bp_gate_set_evaluate_all(const bp_gate_set *set, const void *context, bp_denial *denials,
                                                      size_t capacity, size_t *count_out, bp_error *error);

/* Lets go of the set. What uses it (a pipeline, a binding) keeps it until it is gone itself. NULL is allowed. */
BP_API void bp_gate_set_free(bp_gate_set *set);

#ifdef __cplusplus
}
#endif

#endif
