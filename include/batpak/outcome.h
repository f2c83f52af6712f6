/*
 * outcome.h: what came of an operation, when there is more to say than yes and no: it is done, it failed (and how, and
 * what would undo it), it should be tried again, it waits for something, it was cancelled; or many of these at once. Outcomes
 * are combined by functions and can be written down, as JSON or MessagePack, and read back.
 *
 * Ownership, in one rule: a bp_outcome * and a bp_value are moved. Whatever takes one (all functions below that take
 * `bp_outcome *` or `bp_value`) owns it from then on, whatever it answers; whatever gives one gives it to you, to be handed
 * on or freed. Functions that take `const bp_outcome *` or `const bp_value *` only look. What is passed as text, bytes, ids,
 * failures and conditions is copied; what is looked at lives as long as the outcome it was found in.
 *
 * No constructor and no combinator fails or gives NULL: where memory is missing, what was taken is freed and the answer is an
 * error outcome of kind internal, "out of memory", which needs no memory itself. A NULL outcome is taken for an error of kind
 * internal, "no outcome was given".
 *
 * All combinators reach through batches, at every depth, without recursion: how deep a batch nests is not the stack's
 * business. One thread at a time may own an outcome; several may look at one that nobody owns elsewhere.
 */
#ifndef BATPAK_OUTCOME_H
#define BATPAK_OUTCOME_H

#include <batpak/io.h>
#include <batpak/output.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct bp_outcome bp_outcome;

/* Written outcomes, and the conditions inside of them, nest at most so deep; values nest at most so deep by themselves. */
#define BP_OUTCOME_DEPTH_MAX 64u
#define BP_OUTCOME_SIZE_MAX (16u << 20) /* bytes of a written outcome */
#define BP_WAIT_MAX 4096u               /* conditions in one condition, itself included */

/* ---- values: what an ok carries ---- */

/*
 * What a program's own values can do. Any function may be NULL: without `destroy` nothing is released, without `copy` a value
 * cannot be in two places, without `encode` and `decode` it cannot be written and read. The table must outlive its values.
 */
typedef struct bp_value_type {
    size_t size; /* sizeof(bp_value_type) */
    const char *name;
    void (*destroy)(void *data);
    void *(*copy)(const void *data); /* NULL: no memory */
    /* Appends one JSON value, or one MessagePack object, other than null; `form` says which. */
    bp_status (*encode)(const void *data, bp_payload_type form, bp_output *output, bp_error *error);
    /* Makes a value of what encode wrote (or a stranger); `bytes.type` says which form. */
    bp_status (*decode)(bp_payload bytes, void **data_out, bp_error *error);
} bp_value_type;

/* A value, moved. `type` NULL: there is none. */
typedef struct bp_value {
    const bp_value_type *type;
    void *data;
} bp_value;

BP_API bp_value bp_value_none(void);
/* Stands for a value that could not be made for lack of memory; an ok made of it is the error "out of memory". */
BP_API bp_value bp_value_no_memory(void);
BP_API bp_value bp_value_of(const bp_value_type *type, void *data);
/*
 * A copy of bytes. JSON text is written in the JSON form as it is, a MessagePack object likewise in that form; the other way
 * round, and of raw bytes, there is no written form (BP_ERR_UNSUPPORTED).
 */
BP_API bp_value bp_value_of_payload(bp_payload payload);
/* The bytes; NULL if it is no such value. */
BP_API const bp_payload *bp_value_payload(const bp_value *value);
/* The caller's data, if the value is of that type; else NULL. */
BP_API void *bp_value_data(const bp_value *value, const bp_value_type *type);

/* Several values as one: what zip and join_all give. Takes the values, not the array. */
BP_API bp_value bp_value_list(const bp_value *values, size_t count);
BP_API bool bp_value_is_list(const bp_value *value);
BP_API size_t bp_value_list_count(const bp_value *value);                     /* 0 if it is no list */
BP_API const bp_value *bp_value_list_at(const bp_value *value, size_t index); /* NULL: there is none */
/* Moves one value out; none is left in its place. */
BP_API bp_value bp_value_list_take(bp_value *list, size_t index);

/* An outcome as a value, for bp_outcome_flatten. Nested by code, not by data: freeing and writing it is a nested call. */
BP_API bp_value bp_value_of_outcome(bp_outcome *outcome);

BP_API void bp_value_destroy(bp_value value);
/* BP_ERR_UNSUPPORTED: the type (named) cannot be copied. BP_ERR_NO_MEMORY. */
BP_API BP_MUST_USE bp_status bp_value_copy(const bp_value *value, bp_value *copy_out, bp_error *error);

/* ---- what the others carry ---- */

/* What would undo a part of what was done before it failed. Data: the program acts on it, the library carries it. */
typedef enum bp_compensation_type {
    BP_COMPENSATION_ROLLBACK = 0, /* these events are to be compensated: ids */
    BP_COMPENSATION_NOTIFY = 1,   /* tell `target` the `text` */
    BP_COMPENSATION_RELEASE = 2,  /* give these resources back: ids */
    BP_COMPENSATION_CUSTOM = 3    /* an action named `text`, with data */
} bp_compensation_type;

typedef struct bp_compensation {
    bp_compensation_type type;
    const bp_id *ids;
    size_t id_count;
    bp_id target;
    bp_text text;
    const void *data;
    size_t data_size;
} bp_compensation;

BP_API bp_compensation bp_compensation_rollback(const bp_id *event_ids, size_t count);
BP_API bp_compensation bp_compensation_notify(const bp_id *target, const char *message);
BP_API bp_compensation bp_compensation_release(const bp_id *resource_ids, size_t count);
BP_API bp_compensation bp_compensation_custom(const char *action, const void *data, size_t size);

typedef enum bp_failure_kind {
    BP_FAILURE_NOT_FOUND = 0,
    BP_FAILURE_CONFLICT = 1,
    BP_FAILURE_VALIDATION = 2,
    BP_FAILURE_POLICY_REJECTION = 3,
    BP_FAILURE_STORAGE = 4,
    BP_FAILURE_TIMEOUT = 5,
    BP_FAILURE_SERIALIZATION = 6,
    BP_FAILURE_INTERNAL = 7,
    BP_FAILURE_CUSTOM = 8 /* the program's own; `custom` says which */
} bp_failure_kind;

typedef struct bp_failure {
    bp_failure_kind kind;
    uint16_t custom;
    bool retryable; /* trying again may help; set by bp_failure_of from the kind, and the program's to change */
    bp_text message;
    const bp_compensation *compensation; /* NULL: none */
} bp_failure;

/* A failure without compensation, retryable as its kind is. */
BP_API bp_failure bp_failure_of(bp_failure_kind kind, const char *message);
BP_API bp_failure bp_failure_custom(uint16_t custom, const char *message);
BP_API const char *bp_failure_kind_name(bp_failure_kind kind);  /* "not-found"; "?" for a number that is none */
BP_API bool bp_failure_kind_is_retryable(bp_failure_kind kind); /* storage, timeout */
BP_API bool bp_failure_kind_is_domain(bp_failure_kind kind);    /* not-found, conflict, validation, policy-rejection */
BP_API bool bp_failure_kind_is_operational(bp_failure_kind kind); /* storage, timeout, serialization, internal */

typedef struct bp_retry {
    uint64_t after_ms;
    uint32_t attempt;
    uint32_t max_attempts;
    bp_text reason;
} bp_retry;

typedef enum bp_wait_type {
    BP_WAIT_UNTIL = 0, /* a time: until_ms since 1970 */
    BP_WAIT_EVENT = 1, /* an event with that id */
    BP_WAIT_ALL = 2,   /* every one of items */
    BP_WAIT_ANY = 3,   /* one of items */
    BP_WAIT_CUSTOM = 4 /* the program's own: tag and data */
} bp_wait_type;

/* What is waited for. Conditions point to others; bp_outcome_pending copies all of it. */
typedef struct bp_wait {
    bp_wait_type type;
    uint16_t tag;
    uint64_t until_ms;
    bp_id event;
    const struct bp_wait *items;
    size_t item_count;
    const void *data;
    size_t data_size;
} bp_wait;

BP_API bp_wait bp_wait_until(uint64_t ms_since_1970);
BP_API bp_wait bp_wait_event(const bp_id *event);
BP_API bp_wait bp_wait_all(const bp_wait *items, size_t count);
BP_API bp_wait bp_wait_any(const bp_wait *items, size_t count);
BP_API bp_wait bp_wait_custom(uint16_t tag, const void *data, size_t size);

/* Does it hold? `ask` is asked for events and for custom conditions; of nothing, all holds and any does not. */
typedef bool (*bp_wait_fn)(void *context, const bp_wait *condition);
BP_API bool bp_wait_holds(const bp_wait *condition, uint64_t now_ms, bp_wait_fn ask, void *context);

typedef struct bp_pending {
    bp_wait condition;
    bp_id resume_token;
} bp_pending;

/* ---- making ---- */

typedef enum bp_outcome_type {
    BP_OUTCOME_OK = 0,
    BP_OUTCOME_ERROR = 1,
    BP_OUTCOME_RETRY = 2,
    BP_OUTCOME_PENDING = 3,
    BP_OUTCOME_CANCELLED = 4,
    BP_OUTCOME_BATCH = 5
} bp_outcome_type;

BP_API bp_outcome *bp_outcome_ok(bp_value value);
BP_API bp_outcome *bp_outcome_error(const bp_failure *failure);
BP_API bp_outcome *bp_outcome_retry(uint64_t after_ms, uint32_t attempt, uint32_t max_attempts, const char *reason);
/* A condition of more than BP_WAIT_MAX parts, or deeper than BP_OUTCOME_DEPTH_MAX, gives an error of kind validation. */
BP_API bp_outcome *bp_outcome_pending(const bp_wait *condition, const bp_id *resume_token);
BP_API bp_outcome *bp_outcome_cancelled(const char *reason);
/* Takes the outcomes, not the array. The same outcome may not be given twice. */
BP_API bp_outcome *bp_outcome_batch(bp_outcome *const *items, size_t count);
/*
 * What a call of this library answered: BP_OK and BP_END give ok(value); any other status frees the value and gives an error
 * with the error's words: NOT_FOUND is not-found; CONFLICT, IDEMPOTENCY, EXISTS, DIVERGED, NOT_EMPTY are conflict; what
 * is wrong with the arguments is validation; DENIED is policy-rejection; TIMEOUT is timeout; FORMAT, HASH, VERSION are
 * serialization; IO, NO_SPACE, FAILED, LOCKED are storage, CORRUPT too, though trying again does not help it; all else
 * is internal.
 */
BP_API bp_outcome *bp_outcome_of_status(bp_status status, const bp_error *error, bp_value value);

BP_API void bp_outcome_free(bp_outcome *outcome); /* NULL is allowed */

/* ---- looking ---- */

BP_API bp_outcome_type bp_outcome_type_of(const bp_outcome *outcome);
BP_API const char *bp_outcome_type_name(bp_outcome_type type); /* "ok", "error", ...; "?" for a number that is none */
BP_API bool bp_outcome_is_ok(const bp_outcome *outcome);
BP_API bool bp_outcome_is_error(const bp_outcome *outcome);
BP_API bool bp_outcome_is_retry(const bp_outcome *outcome);
BP_API bool bp_outcome_is_pending(const bp_outcome *outcome);
BP_API bool bp_outcome_is_cancelled(const bp_outcome *outcome);
BP_API bool bp_outcome_is_batch(const bp_outcome *outcome);
BP_API bool bp_outcome_is_terminal(const bp_outcome *outcome); /* ok, error, cancelled */

/* What it carries, or NULL if it is another variant. */
BP_API const bp_value *bp_outcome_as_ok(const bp_outcome *outcome);
BP_API const bp_failure *bp_outcome_as_error(const bp_outcome *outcome);
BP_API const bp_retry *bp_outcome_as_retry(const bp_outcome *outcome);
BP_API const bp_pending *bp_outcome_as_pending(const bp_outcome *outcome);
BP_API const bp_text *bp_outcome_as_cancelled(const bp_outcome *outcome);
BP_API size_t bp_outcome_count(const bp_outcome *outcome); /* items of a batch; else 0 */
BP_API const bp_outcome *bp_outcome_at(const bp_outcome *outcome, size_t index);

/* ---- combining: each distributes over batches at every depth ---- */

typedef bp_value (*bp_outcome_map_fn)(void *context, bp_value value);
typedef bp_outcome *(*bp_outcome_then_fn)(void *context, bp_value value);
/* Changes the failure; texts and compensation that it points to are copied when the function has returned. */
typedef void (*bp_outcome_failure_fn)(void *context, bp_failure *failure);
typedef bp_outcome *(*bp_outcome_else_fn)(void *context, const bp_failure *failure);
typedef void (*bp_outcome_value_fn)(void *context, const bp_value *value);
typedef void (*bp_outcome_look_fn)(void *context, const bp_failure *failure);
typedef bool (*bp_outcome_test_fn)(void *context, const bp_value *value);
typedef bp_value (*bp_outcome_make_fn)(void *context);

/* ok(v) becomes ok(f(v)). */
BP_API bp_outcome *bp_outcome_map(bp_outcome *outcome, bp_outcome_map_fn map, void *context);
/* ok(v) becomes f(v). */
BP_API bp_outcome *bp_outcome_and_then(bp_outcome *outcome, bp_outcome_then_fn then, void *context);
/* ok(v) becomes f(v) where test(v), else it stays. */
BP_API bp_outcome *bp_outcome_and_then_if(bp_outcome *outcome, bp_outcome_test_fn test, bp_outcome_then_fn then,
                                          void *context);
/* error(e) becomes error(f(e)). */
BP_API bp_outcome *bp_outcome_map_err(bp_outcome *outcome, bp_outcome_failure_fn map, void *context);
/* error(e) becomes f(e). */
BP_API bp_outcome *bp_outcome_or_else(bp_outcome *outcome, bp_outcome_else_fn otherwise, void *context);
/* Looks at the value of each ok, or the failure of each error. */
BP_API bp_outcome *bp_outcome_inspect(bp_outcome *outcome, bp_outcome_value_fn look, void *context);
BP_API bp_outcome *bp_outcome_inspect_err(bp_outcome *outcome, bp_outcome_look_fn look, void *context);
/* ok(bp_value_of_outcome(o)) becomes o; an ok of another value stays. */
BP_API bp_outcome *bp_outcome_flatten(bp_outcome *outcome);

/*
 * Two as one. ok and ok: ok of a list of both values. Else by rank, error > cancelled > retry > pending > batch > ok, the first
 * on ties. Batch and batch: pairwise, to the shorter; batch and ok: the ok, copied, with each (a value that cannot be
 * copied gives an error of kind internal there).
 */
BP_API bp_outcome *bp_outcome_zip(bp_outcome *a, bp_outcome *b);
/* The first that is not ok, in order, batches taken for what is in them; if all are ok: ok of a list of all values. */
BP_API bp_outcome *bp_outcome_join_all(bp_outcome *const *items, size_t count);
/*
 * The first ok; before that a retry, pending, cancelled or batch ends the search and is the answer; else the last error; of
 * nothing an error of kind internal.
 */
BP_API bp_outcome *bp_outcome_join_any(bp_outcome *const *items, size_t count);

/* ---- ending ---- */

/*
 * True: *value_out is the value. False: *error_out is an error outcome: the error itself; of cancelled, pending and batch one
 * of kind internal, of retry one of kind timeout, with words that say what it was.
 */
BP_API BP_MUST_USE bool bp_outcome_into_result(bp_outcome *outcome, bp_value *value_out, bp_outcome **error_out);
/* The value, or the fallback, whichever is not given is destroyed. */
BP_API bp_value bp_outcome_unwrap_or(bp_outcome *outcome, bp_value fallback);
BP_API bp_value bp_outcome_unwrap_or_else(bp_outcome *outcome, bp_outcome_make_fn make, void *context);

/* ---- writing down: docs/guide/outcome.md has both forms ---- */

/*
 * Appends the outcome to `output`, as BP_PAYLOAD_JSON or BP_PAYLOAD_MSGPACK. After an error the output is as it was.
 *   BP_ERR_UNSUPPORTED  a value has no form of this kind (its type is named); another form than these two
 *   BP_ERR_FORMAT       a text is not UTF-8, or a value's own encode wrote no such value
 *   BP_ERR_TOO_LARGE    deeper than BP_OUTCOME_DEPTH_MAX, larger than BP_OUTCOME_SIZE_MAX
 *   BP_ERR_NO_MEMORY, and what a value's encode answers
 */
BP_API BP_MUST_USE bp_status bp_outcome_encode(const bp_outcome *outcome, bp_payload_type form, bp_output *output,
                                               bp_error *error);
/*
 * Reads what bp_outcome_encode wrote, or a stranger. `bytes.type` is the form. Values become values of `type`; with NULL they
 * are kept as the bytes they are (bp_value_payload). null is no value. Any bytes are safe: memory is bounded by a small
 * multiple of their size, time by some 130 passes over them.
 *   BP_ERR_FORMAT     not an outcome: the message says what is wrong at which byte
 *   BP_ERR_TOO_LARGE  larger than BP_OUTCOME_SIZE_MAX
 *   BP_ERR_UNSUPPORTED, BP_ERR_NO_MEMORY, and what the type's decode answers
 */
BP_API BP_MUST_USE bp_status bp_outcome_decode(bp_payload bytes, const bp_value_type *type, bp_outcome **outcome_out,
                                               bp_error *error);

/*
 * Where outcomes and the library's own values take memory from; NULL: this machine's. For the whole process: call it while
 * no outcome and no value lives and no other thread uses them.
 */
BP_API void bp_outcome_use_allocator(const bp_allocator *allocator);

#ifdef __cplusplus
}
#endif

#endif
