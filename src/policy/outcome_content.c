/*
 * outcome_content.c: failures, compensations and conditions: building the views that callers pass, and the outcomes that keep
 * copies of them.
 *
 * Holds: an error or a pending outcome is one allocation; everything its views point to lies in it. Conditions are copied breadth
 * first, so that no depth needs a stack: the items of each lie side by side.
 */
#include "policy/outcome.h"

#include <string.h>

#include "base/bytes.h"

/* ---- views ---- */

bp_compensation bp_compensation_rollback(const bp_id *event_ids, size_t count)
{
    return (bp_compensation){.type = BP_COMPENSATION_ROLLBACK, .ids = event_ids, .id_count = count};
}

bp_compensation bp_compensation_notify(const bp_id *target, const char *message)
{
    return (bp_compensation){.type = BP_COMPENSATION_NOTIFY, .target = *target, .text = bp_text_of(message)};
}

bp_compensation bp_compensation_release(const bp_id *resource_ids, size_t count)
{
    return (bp_compensation){.type = BP_COMPENSATION_RELEASE, .ids = resource_ids, .id_count = count};
}

bp_compensation bp_compensation_custom(const char *action, const void *data, size_t size)
{
    return (bp_compensation){
        .type = BP_COMPENSATION_CUSTOM, .text = bp_text_of(action), .data = data, .data_size = size};
}

bp_failure bp_failure_of(bp_failure_kind kind, const char *message)
{
    return (bp_failure){.kind = kind, .retryable = bp_failure_kind_is_retryable(kind), .message = bp_text_of(message)};
}

bp_failure bp_failure_custom(uint16_t custom, const char *message)
{
    bp_failure failure = bp_failure_of(BP_FAILURE_CUSTOM, message);
    failure.custom = custom;
    return failure;
}

const char *bp_failure_kind_name(bp_failure_kind kind)
{
    static const char *const names[] = {"not-found",        "conflict", "validation",
                                        "policy-rejection", "storage",  "timeout",
                                        "serialization",    "internal", "custom"};
    return (size_t)kind < sizeof(names) / sizeof(names[0]) ? names[kind] : "?";
}

bool bp_failure_kind_is_retryable(bp_failure_kind kind)
{
    return kind == BP_FAILURE_STORAGE || kind == BP_FAILURE_TIMEOUT;
}

bool bp_failure_kind_is_domain(bp_failure_kind kind)
{
    return kind == BP_FAILURE_NOT_FOUND || kind == BP_FAILURE_CONFLICT || kind == BP_FAILURE_VALIDATION ||
           kind == BP_FAILURE_POLICY_REJECTION;
}

bool bp_failure_kind_is_operational(bp_failure_kind kind)
{
    return kind == BP_FAILURE_STORAGE || kind == BP_FAILURE_TIMEOUT || kind == BP_FAILURE_SERIALIZATION ||
           kind == BP_FAILURE_INTERNAL;
}

bp_wait bp_wait_until(uint64_t ms_since_1970)
{
    return (bp_wait){.type = BP_WAIT_UNTIL, .until_ms = ms_since_1970};
}

bp_wait bp_wait_event(const bp_id *event)
{
    return (bp_wait){.type = BP_WAIT_EVENT, .event = *event};
}

bp_wait bp_wait_all(const bp_wait *items, size_t count)
{
    return (bp_wait){.type = BP_WAIT_ALL, .items = items, .item_count = count};
}

bp_wait bp_wait_any(const bp_wait *items, size_t count)
{
    return (bp_wait){.type = BP_WAIT_ANY, .items = items, .item_count = count};
}

bp_wait bp_wait_custom(uint16_t tag, const void *data, size_t size)
{
    return (bp_wait){.type = BP_WAIT_CUSTOM, .tag = tag, .data = data, .data_size = size};
}

/* ---- failures ---- */

static bool is_compensation(const bp_compensation *compensation)
{
    return (unsigned)compensation->type <= BP_COMPENSATION_CUSTOM;
}

/* Puts bytes behind *at, which moves on; the copy. */
static const void *keep(uint8_t **at, const void *data, size_t size)
{
    uint8_t *copy = *at;
    bpi_copy(copy, data, size);
    *at += size;
    return copy;
}

/* A text, and a NUL behind it for those who print. */
static bp_text keep_text(uint8_t **at, bp_text text)
{
    bp_text kept = {.data = keep(at, text.data, text.size), .size = text.size};
    *(*at)++ = '\0';
    return kept;
}

bp_outcome *bp_outcome_error(const bp_failure *failure)
{
    static const bp_compensation none = {.type = BP_COMPENSATION_ROLLBACK};
    if (failure == NULL) {
        return bpi_outcome_missing();
    }
    const bp_compensation *from = failure->compensation != NULL ? failure->compensation : &none;
    if ((unsigned)failure->kind > BP_FAILURE_CUSTOM || !is_compensation(from)) {
        return bpi_outcome_failed(BP_FAILURE_VALIDATION, "an error of kind %u with a compensation of type %u is none",
                                  (unsigned)failure->kind, (unsigned)from->type);
    }
    if (from->id_count > SIZE_MAX / 8 / sizeof(bp_id) || from->data_size > SIZE_MAX / 8 ||
        from->text.size > SIZE_MAX / 8 || failure->message.size > SIZE_MAX / 8) {
        return bpi_outcome_no_memory();
    }
    size_t extra = sizeof(*from) + from->id_count * sizeof(bp_id) + from->data_size + from->text.size + 1 +
                   failure->message.size + 1;
    bp_outcome *outcome = bpi_outcome_new(BP_OUTCOME_ERROR, extra);
    if (outcome == NULL) {
        return bpi_outcome_no_memory();
    }
    bp_compensation *own = (bp_compensation *)(void *)(outcome + 1);
    uint8_t *at = (uint8_t *)(own + 1);
    *own = *from;
    own->ids = keep(&at, from->ids, from->id_count * sizeof(bp_id));
    own->data = keep(&at, from->data, from->data_size);
    own->text = keep_text(&at, from->text);
    outcome->as.failure = *failure;
    outcome->as.failure.custom = failure->kind == BP_FAILURE_CUSTOM ? failure->custom : 0;
    outcome->as.failure.compensation = failure->compensation != NULL ? own : NULL;
    outcome->as.failure.message = keep_text(&at, failure->message);
    return outcome;
}

static bp_failure_kind kind_of_status(bp_status status)
{
    switch (status) {
    case BP_ERR_NOT_FOUND:
    case BP_ERR_DROPPED:
        return BP_FAILURE_NOT_FOUND;
    case BP_ERR_CONFLICT:
    case BP_ERR_IDEMPOTENCY:
    case BP_ERR_EXISTS:
    case BP_ERR_DIVERGED:
    case BP_ERR_NOT_EMPTY:
        return BP_FAILURE_CONFLICT;
    case BP_ERR_ARGUMENT:
    case BP_ERR_NAME:
    case BP_ERR_KIND:
    case BP_ERR_TOO_LARGE:
    case BP_ERR_CAUSE:
        return BP_FAILURE_VALIDATION;
    case BP_ERR_DENIED:
        return BP_FAILURE_POLICY_REJECTION;
    case BP_ERR_TIMEOUT:
        return BP_FAILURE_TIMEOUT;
    case BP_ERR_FORMAT:
    case BP_ERR_HASH:
    case BP_ERR_VERSION:
        return BP_FAILURE_SERIALIZATION;
    case BP_ERR_IO:
    case BP_ERR_NO_SPACE:
    case BP_ERR_FAILED:
    case BP_ERR_LOCKED:
    case BP_ERR_CORRUPT:
        return BP_FAILURE_STORAGE;
    default:
        return BP_FAILURE_INTERNAL;
    }
}

bp_outcome *bp_outcome_of_status(bp_status status, const bp_error *error, bp_value value)
{
    if (status == BP_OK || status == BP_END) {
        return bp_outcome_ok(value);
    }
    bp_value_destroy(value);
    if (status == BP_ERR_NO_MEMORY) {
        return bpi_outcome_no_memory();
    }
    bool told = error != NULL && error->message[0] != '\0';
    bp_failure failure = bp_failure_of(kind_of_status(status), told ? error->message : bp_status_text(status));
    failure.retryable = failure.retryable && status != BP_ERR_CORRUPT;
    return bp_outcome_error(&failure);
}

/* ---- conditions ---- */

/* What a condition is, measured before it is copied. */
typedef struct measure {
    const bp_wait **nodes; /* breadth first */
    size_t room;
    size_t count;
    size_t bytes;      /* of data */
    const char *wrong; /* why it cannot be kept, or NULL */
} measure;

static size_t items_of(const bp_wait *wait)
{
    return wait->type == BP_WAIT_ALL || wait->type == BP_WAIT_ANY ? wait->item_count : 0;
}

static size_t data_of(const bp_wait *wait)
{
    return wait->type == BP_WAIT_CUSTOM ? wait->data_size : 0;
}

static bool measure_room(measure *m, size_t more)
{
    if (m->room - m->count >= more) {
        return true;
    }
    size_t room = m->room * 2 > m->count + more ? m->room * 2 : m->count + more;
    const bp_wait **nodes =
        bpi_resize(bpi_outcome_allocator(), (void *)m->nodes, m->room * sizeof(*nodes), room * sizeof(*nodes));
    if (nodes == NULL) {
        return false;
    }
    m->nodes = nodes;
    m->room = room;
    return true;
}

/* False: no memory. What is wrong with the condition itself is told in m->wrong. */
static bool measure_wait(const bp_wait *root, measure *m)
{
    size_t depth = 1;
    size_t level_end = 1;
    if (!measure_room(m, 1)) {
        return false;
    }
    m->nodes[m->count++] = root;
    for (size_t index = 0; index < m->count; index++) {
        const bp_wait *wait = m->nodes[index];
        size_t items = items_of(wait);
        if (index == level_end) {
            depth++;
            level_end = m->count;
        }
        if (depth > BP_OUTCOME_DEPTH_MAX) {
            m->wrong = "a condition nests deeper than 64";
        } else if (items > BP_WAIT_MAX - m->count) {
            m->wrong = "a condition has more than 4096 parts";
        } else if ((unsigned)wait->type > BP_WAIT_CUSTOM || (items != 0 && wait->items == NULL)) {
            m->wrong = "a condition has a type or items that are none";
        } else if (data_of(wait) > SIZE_MAX / 8 - m->bytes) {
            return false;
        }
        if (m->wrong != NULL) {
            return true;
        }
        if (!measure_room(m, items)) {
            return false;
        }
        for (size_t item = 0; item < items; item++) {
            m->nodes[m->count++] = &wait->items[item];
        }
        m->bytes += data_of(wait);
    }
    return true;
}

/* The copy, into room that was measured: nodes first, then data. */
static void copy_wait(const measure *m, bp_wait *own)
{
    uint8_t *at = (uint8_t *)(own + m->count);
    size_t next = 1;
    for (size_t index = 0; index < m->count; index++) {
        const bp_wait *from = m->nodes[index];
        size_t items = items_of(from);
        own[index] = (bp_wait){
            .type = from->type,
            .tag = from->type == BP_WAIT_CUSTOM ? from->tag : 0,
            .until_ms = from->type == BP_WAIT_UNTIL ? from->until_ms : 0,
            .items = items != 0 ? own + next : NULL,
            .item_count = items,
            .data_size = data_of(from),
        };
        if (from->type == BP_WAIT_EVENT) {
            own[index].event = from->event;
        }
        if (from->type == BP_WAIT_CUSTOM) {
            own[index].data = keep(&at, from->data, from->data_size);
        }
        next += items;
    }
}

bp_outcome *bp_outcome_pending(const bp_wait *condition, const bp_id *resume_token)
{
    measure m = {.nodes = NULL};
    bp_outcome *outcome = NULL;
    if (condition == NULL || resume_token == NULL) {
        return bpi_outcome_missing();
    }
    if (!measure_wait(condition, &m)) {
        outcome = bpi_outcome_no_memory();
    } else if (m.wrong != NULL) {
        outcome = bpi_outcome_failed(BP_FAILURE_VALIDATION, "%s", m.wrong);
    } else {
        outcome = bpi_outcome_new(BP_OUTCOME_PENDING, m.count * sizeof(bp_wait) + m.bytes);
        if (outcome == NULL) {
            outcome = bpi_outcome_no_memory();
        } else {
            bp_wait *own = (bp_wait *)(void *)(outcome + 1);
            copy_wait(&m, own);
            outcome->as.pending.condition = own[0];
            outcome->as.pending.resume_token = *resume_token;
        }
    }
    bpi_release(bpi_outcome_allocator(), (void *)m.nodes, m.room * sizeof(*m.nodes));
    return outcome;
}

/* ---- does it hold? ---- */

static bool holds_alone(const bp_wait *wait, uint64_t now_ms, bp_wait_fn ask, void *context)
{
    if (wait->type == BP_WAIT_UNTIL) {
        return now_ms >= wait->until_ms;
    }
    return ask != NULL && ask(context, wait);
}

bool bp_wait_holds(const bp_wait *condition, uint64_t now_ms, bp_wait_fn ask, void *context)
{
    struct {
        const bp_wait *wait;
        size_t next;
    } stack[BP_OUTCOME_DEPTH_MAX];
    size_t depth = 0;
    const bp_wait *wait = condition;
    for (;;) {
        bool held = false;
        if (wait->type == BP_WAIT_ALL || wait->type == BP_WAIT_ANY) {
            if (wait->item_count != 0 && depth < BP_OUTCOME_DEPTH_MAX) {
                stack[depth].wait = wait;
                stack[depth++].next = 1;
                wait = &wait->items[0];
                continue;
            }
            held = wait->type == BP_WAIT_ALL && wait->item_count == 0; /* too deep: never */
        } else {
            held = holds_alone(wait, now_ms, ask, context);
        }
        /* Up, as long as what is known decides what is above. */
        while (depth != 0) {
            const bp_wait *above = stack[depth - 1].wait;
            bool decided = held == (above->type == BP_WAIT_ANY);
            if (!decided && stack[depth - 1].next < above->item_count) {
                break;
            }
            depth--;
        }
        if (depth == 0) {
            return held;
        }
        wait = &stack[depth - 1].wait->items[stack[depth - 1].next++];
    }
}
