/*
 * status.h: what a call answers, and what it tells a person when the answer is not BP_OK.
 *
 * Every fallible function returns a bp_status and takes a `bp_error *` last. The error belongs to the caller,
 * may be NULL, and is written only when the call fails. It prints as: what happened; where; what to try.
 */
#ifndef BATPAK_STATUS_H
#define BATPAK_STATUS_H

#include <stdint.h>
#include <stdio.h>

#include <batpak/types.h>

#ifdef __cplusplus
extern "C" {
#endif

/* The numbers are part of the ABI: they are never reused, new ones are added at the end. */
typedef enum bp_status {
    BP_OK = 0,
    BP_END = 1,              /* an iteration has no more; not a failure */
    BP_ERR_ARGUMENT = 2,     /* an argument or option is wrong; nothing was done */
    BP_ERR_NAME = 3,         /* an entity, scope or kind name is empty, too long or has bad bytes */
    BP_ERR_KIND = 4,         /* a reserved kind, or an unknown kind name */
    BP_ERR_TOO_LARGE = 5,    /* a stated limit is exceeded; the message names it */
    BP_ERR_NOT_FOUND = 6,    /* no such event, store or file */
    BP_ERR_EXISTS = 7,       /* what should be made is there already */
    BP_ERR_CONFLICT = 8,     /* the expectation does not hold: `expected` and `actual` say which clocks */
    BP_ERR_IDEMPOTENCY = 9,  /* the id is taken by another request */
    BP_ERR_CAUSE = 10,       /* a cause is not in the store and `external` was not given */
    BP_ERR_CORRUPT = 11,     /* damage in what the log vouches for; file and offset say where */
    BP_ERR_VERSION = 12,     /* written by a newer format; the message names it */
    BP_ERR_IO = 13,          /* the system refused; `os_error` says how */
    BP_ERR_NO_SPACE = 14,    /* no space left on the medium; nothing was appended */
    BP_ERR_NO_MEMORY = 15,   /* an allocation failed; nothing was done */
    BP_ERR_LOCKED = 16,      /* another process writes this store; the message names its pid */
    BP_ERR_FAILED = 17,      /* an earlier write or sync failed: outcome unknown until the store is reopened */
    BP_ERR_CLOSED = 18,      /* the store is closed or closing */
    BP_ERR_READ_ONLY = 19,   /* the store was opened for reading */
    BP_ERR_FORKED = 20,      /* the handle came through fork(); open the store anew in the child */
    BP_ERR_TIMEOUT = 21,     /* the time given has passed */
    BP_ERR_DIVERGED = 22,    /* the position belongs to a history this store does not have */
    BP_ERR_REENTRANT = 23,   /* a hook called back into the store */
    BP_ERR_DENIED = 24,      /* a gate refused */
    BP_ERR_UNSUPPORTED = 25, /* this build or this store cannot do that */
    BP_ERR_FORMAT = 26,      /* text or a payload could not be parsed */
    BP_ERR_HASH = 27,        /* a given hash does not match what it should bind */
    BP_ERR_NOT_EMPTY = 28,   /* an empty store or place was needed */
    BP_ERR_DROPPED = 29      /* the event was there; retention took it away */
} bp_status;

enum { BP_ERROR_MESSAGE_SIZE = 512, BP_ERROR_HINT_SIZE = 256, BP_ERROR_PATH_SIZE = 512, BP_ERROR_ENTITY_SIZE = 256 };

/*
 * What went wrong. All strings are NUL-terminated, cut when too long, empty when there is nothing to say.
 * `{0}` is an error that holds nothing.
 */
typedef struct bp_error {
    bp_status status;
    int os_error;      /* errno, 0 when none */
    uint64_t expected; /* BP_ERR_CONFLICT: the clock expected; UINT64_MAX stands for "none" */
    uint64_t actual;   /* BP_ERR_CONFLICT: the entity's clock; UINT64_MAX stands for "none" */
    uint64_t offset;   /* byte offset in `file`, when has_offset */
    uint64_t sequence; /* the event concerned, when has_sequence */
    size_t index;      /* item of a batch concerned, when has_index */
    bool has_offset;
    bool has_sequence;
    bool has_index;
    bool has_id;
    bp_id id;                            /* the event concerned, when has_id */
    char message[BP_ERROR_MESSAGE_SIZE]; /* what happened */
    char file[BP_ERROR_PATH_SIZE];       /* where */
    char hint[BP_ERROR_HINT_SIZE];       /* what to try */
    char entity[BP_ERROR_ENTITY_SIZE];   /* the entity concerned */
} bp_error;

/* The constant name of a status, "BP_ERR_CONFLICT"; "BP_ERR_?" for a number that is none. Never NULL. Any thread. */
BP_API const char *bp_status_name(bp_status status);

/* A few words for a status, "expectation not met". Never NULL. Any thread. */
BP_API const char *bp_status_text(bp_status status);

/*
 * Writes the error as one line, `what happened; where; try: what`, NUL-terminated, cut to `size` bytes, and
 * returns the length it would have had (like snprintf). NULL buffer with size 0 is allowed. Any thread.
 */
BP_API size_t bp_error_format(const bp_error *error, char *buffer, size_t size);

/*
 * Fills in an error from a function that a caller wrote (a converter, a projection, a gate): resets it, sets status and
 * message (printf's, cut when too long), returns the status. NULL error: only returns it. Any thread.
 */
BP_API bp_status bp_error_set(bp_error *error, bp_status status, const char *format, ...) BP_PRINTF(3, 4);

/* Prints that line to a stream and returns 1, so that `return bp_print_error(stderr, &error);` ends a main(). */
BP_API int bp_print_error(FILE *stream, const bp_error *error);

#ifdef __cplusplus
}
#endif

#endif
