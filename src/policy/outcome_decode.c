/*
 * outcome_decode.c: an outcome from JSON or MessagePack, whoever wrote it.
 *
 * Holds: the whole input is judged first, so that all that comes after walks over something whole. What is not known, missing or
 * there twice is refused. Memory: every outcome that is made takes a dozen bytes of input at least; texts and bytes go
 * through a scratch that is as large as the input they come from.
 */
#include "policy/outcome.h"
#include "policy/outcome_read.h"

#include <string.h>

#include "base/error.h"

enum {
    FIELDS_MAX = 5,
    NOT_THERE = -1,
    SHORT_TEXT = 32,
    CONDITION_MIN = 16 /* bytes of a written condition: {type: any, data: []} */
};

typedef struct decoder {
    bpi_reader reader;
    const bp_value_type *type;
    bpi_buffer scratch;
    bp_error *error;
} decoder;

static bp_status wrong_at(decoder *d, size_t at, const char *what)
{
    return bpi_error_set(d->error, BP_ERR_FORMAT, "not an outcome: %s at byte %zu", what, at);
}

/* The index of the short text at `at` in `names`, or NOT_THERE. */
static int name_at(const decoder *d, size_t at, const char *const *names, size_t count)
{
    char text[SHORT_TEXT];
    size_t size = 0;
    if (!bpi_read_text(&d->reader, at, text, sizeof(text), &size)) {
        return NOT_THERE;
    }
    for (size_t index = 0; index < count; index++) {
        if (bp_text_equal(bp_text_of(names[index]), (bp_text){.data = text, .size = size})) {
            return (int)index;
        }
    }
    return NOT_THERE;
}

/* Behind the value at `at`: it was judged before, so it ends. */
static size_t behind(const decoder *d, size_t at)
{
    const char *wrong = NULL;
    (void)bpi_read_skip(&d->reader, &at, BPI_READ_DEPTH, &wrong);
    return at;
}

/*
 * The fields of the map at `at`: where each value stands, by `names`; SIZE_MAX where it is missing, which only the last
 * `optional` may be. *end_out: behind the map.
 */
static bp_status fields_of(decoder *d, size_t at, const char *const *names, size_t count, size_t optional,
                           size_t *values_out, size_t *end_out)
{
    if (bpi_read_item(&d->reader, at) != BPI_ITEM_MAP) {
        return wrong_at(d, at, "no map");
    }
    for (size_t index = 0; index < count; index++) {
        values_out[index] = SIZE_MAX;
    }
    bpi_steps steps = bpi_steps_begin(&d->reader, at);
    size_t key = 0;
    while (bpi_steps_next(&d->reader, &steps, &key)) {
        int index = name_at(d, key, names, count);
        if (index == NOT_THERE) {
            return wrong_at(d, key, "an unknown field");
        }
        if (values_out[index] != SIZE_MAX) {
            return wrong_at(d, key, "a field for the second time");
        }
        bpi_steps_past(&d->reader, &steps, behind(d, key));
        if (!bpi_steps_next(&d->reader, &steps, &values_out[index])) {
            return wrong_at(d, key, "a key without a value");
        }
        bpi_steps_past(&d->reader, &steps, behind(d, values_out[index]));
    }
    for (size_t index = 0; index < count - optional; index++) {
        if (values_out[index] == SIZE_MAX) {
            bpi_error_set(d->error, BP_ERR_FORMAT, "not an outcome: the field '%s' is missing at byte %zu",
                          names[index], at);
            return BP_ERR_FORMAT;
        }
    }
    *end_out = steps.at;
    return BP_OK;
}

/* The map of "type" and "data" at `at`. */
static bp_status typed_at(decoder *d, size_t at, const char *const *types, size_t count, int *type_out,
                          size_t *data_out, size_t *end_out)
{
    static const char *const names[] = {"type", "data"};
    size_t values[2] = {0};
    bp_status status = fields_of(d, at, names, 2, 0, values, end_out);
    if (status != BP_OK) {
        return status;
    }
    *type_out = name_at(d, values[0], types, count);
    *data_out = values[1];
    return *type_out == NOT_THERE ? wrong_at(d, values[0], "an unknown type") : BP_OK;
}

/* Makes room for all texts and bytes that [at, end) can hold; what was in the scratch is forgotten. */
static bp_status scratch_for(decoder *d, size_t at, size_t end)
{
    d->scratch.size = 0;
    if (!bpi_buffer_reserve(&d->scratch, end - at + 1)) {
        return bpi_error_set(d->error, BP_ERR_NO_MEMORY, "no memory to read an outcome");
    }
    return BP_OK;
}

static bp_status text_at(decoder *d, size_t at, bp_text *text_out)
{
    char *to = (char *)d->scratch.data + d->scratch.size;
    size_t size = 0;
    if (!bpi_read_text(&d->reader, at, to, d->scratch.capacity - d->scratch.size, &size)) {
        return wrong_at(d, at, "no text");
    }
    d->scratch.size += size;
    *text_out = (bp_text){.data = to, .size = size};
    return BP_OK;
}

static bp_status bytes_at(decoder *d, size_t at, const void **data_out, size_t *size_out)
{
    uint8_t *to = d->scratch.data + d->scratch.size;
    if (!bpi_read_bytes(&d->reader, at, to, d->scratch.capacity - d->scratch.size, size_out)) {
        return wrong_at(d, at, "no bytes");
    }
    d->scratch.size += *size_out;
    *data_out = to;
    return BP_OK;
}

static bp_status id_at(decoder *d, size_t at, bp_id *id_out)
{
    return bpi_read_id(&d->reader, at, id_out) ? BP_OK : wrong_at(d, at, "no id");
}

static bp_status uint_at(decoder *d, size_t at, uint64_t max, uint64_t *number_out)
{
    return bpi_read_uint(&d->reader, at, max, number_out) ? BP_OK : wrong_at(d, at, "no number that fits");
}

static bp_status ids_at(decoder *d, size_t at, bp_compensation *compensation)
{
    if (bpi_read_item(&d->reader, at) != BPI_ITEM_ARRAY) {
        return wrong_at(d, at, "no array of ids");
    }
    bpi_steps steps = bpi_steps_begin(&d->reader, at);
    bp_id *ids = (bp_id *)(void *)(d->scratch.data + d->scratch.size);
    size_t item = 0;
    while (bpi_steps_next(&d->reader, &steps, &item)) {
        bp_id id;
        if (id_at(d, item, &id) != BP_OK) {
            return BP_ERR_FORMAT;
        }
        ids[compensation->id_count++] = id; /* an id takes more than 16 bytes of the input */
        d->scratch.size += sizeof(id);
        bpi_steps_past(&d->reader, &steps, behind(d, item));
    }
    compensation->ids = ids;
    return BP_OK;
}

static bp_status compensation_at(decoder *d, size_t at, bp_compensation *out)
{
    static const char *const types[] = {"rollback", "notify", "release", "custom"};
    static const char *const events[] = {"event_ids"};
    static const char *const resources[] = {"resource_ids"};
    static const char *const notify[] = {"target_id", "message"};
    static const char *const custom[] = {"action_type", "data"};
    int type = 0;
    size_t data = 0;
    size_t end = 0;
    size_t values[2] = {0};
    memset(out, 0, sizeof(*out));
    bp_status status = typed_at(d, at, types, 4, &type, &data, &end);
    if (status != BP_OK) {
        return status;
    }
    out->type = (bp_compensation_type)type;
    if (out->type == BP_COMPENSATION_ROLLBACK || out->type == BP_COMPENSATION_RELEASE) {
        status = fields_of(d, data, out->type == BP_COMPENSATION_ROLLBACK ? events : resources, 1, 0, values, &end);
        return status == BP_OK ? ids_at(d, values[0], out) : status;
    }
    if (out->type == BP_COMPENSATION_NOTIFY) {
        status = fields_of(d, data, notify, 2, 0, values, &end);
        if (status == BP_OK) {
            status = id_at(d, values[0], &out->target);
        }
        return status == BP_OK ? text_at(d, values[1], &out->text) : status;
    }
    status = fields_of(d, data, custom, 2, 0, values, &end);
    if (status == BP_OK) {
        status = text_at(d, values[0], &out->text);
    }
    return status == BP_OK ? bytes_at(d, values[1], &out->data, &out->data_size) : status;
}

static bp_status error_at(decoder *d, size_t at, bp_outcome **outcome_out)
{
    static const char *const names[] = {"kind", "message", "retryable", "compensation", "code"};
    static const char *const kinds[] = {"not-found",        "conflict", "validation",
                                        "policy-rejection", "storage",  "timeout",
                                        "serialization",    "internal", "custom"};
    size_t values[FIELDS_MAX] = {0};
    size_t end = 0;
    uint64_t code = 0;
    bp_compensation compensation;
    bp_failure failure = {.kind = BP_FAILURE_NOT_FOUND};
    bp_status status = fields_of(d, at, names, 5, 2, values, &end);
    if (status == BP_OK) {
        status = scratch_for(d, at, end);
    }
    if (status != BP_OK) {
        return status;
    }
    int kind = name_at(d, values[0], kinds, 9);
    if (kind == NOT_THERE) {
        return wrong_at(d, values[0], "an unknown kind of error");
    }
    failure.kind = (bp_failure_kind)kind;
    if ((failure.kind == BP_FAILURE_CUSTOM) != (values[4] != SIZE_MAX)) {
        return wrong_at(d, at, "a custom error without a code, or a code without one,");
    }
    if (!bpi_read_bool(&d->reader, values[2], &failure.retryable)) {
        return wrong_at(d, values[2], "neither true nor false");
    }
    status = text_at(d, values[1], &failure.message);
    if (status == BP_OK && values[4] != SIZE_MAX) {
        status = uint_at(d, values[4], UINT16_MAX, &code);
        failure.custom = (uint16_t)code;
    }
    if (status == BP_OK && values[3] != SIZE_MAX && bpi_read_item(&d->reader, values[3]) != BPI_ITEM_NULL) {
        status = compensation_at(d, values[3], &compensation);
        failure.compensation = &compensation;
    }
    if (status == BP_OK) {
        *outcome_out = bp_outcome_error(&failure);
    }
    return status;
}

static bp_status retry_at(decoder *d, size_t at, bp_outcome **outcome_out)
{
    static const char *const names[] = {"after_ms", "attempt", "max_attempts", "reason"};
    size_t values[4] = {0};
    size_t end = 0;
    uint64_t after = 0;
    uint64_t attempt = 0;
    uint64_t most = 0;
    bp_text reason = {.data = NULL, .size = 0};
    bp_status status = fields_of(d, at, names, 4, 0, values, &end);
    if (status == BP_OK) {
        status = scratch_for(d, at, end);
    }
    if (status == BP_OK) {
        status = uint_at(d, values[0], UINT64_MAX, &after);
    }
    if (status == BP_OK) {
        status = uint_at(d, values[1], UINT32_MAX, &attempt);
    }
    if (status == BP_OK) {
        status = uint_at(d, values[2], UINT32_MAX, &most);
    }
    if (status == BP_OK) {
        status = text_at(d, values[3], &reason);
    }
    if (status == BP_OK) {
        *outcome_out = bpi_outcome_retry_text(after, (uint32_t)attempt, (uint32_t)most, reason);
    }
    return status;
}

static bp_status cancelled_at(decoder *d, size_t at, bp_outcome **outcome_out)
{
    static const char *const names[] = {"reason"};
    size_t value = 0;
    size_t end = 0;
    bp_text reason = {.data = NULL, .size = 0};
    bp_status status = fields_of(d, at, names, 1, 0, &value, &end);
    if (status == BP_OK) {
        status = scratch_for(d, at, end);
    }
    if (status == BP_OK) {
        status = text_at(d, value, &reason);
    }
    if (status == BP_OK) {
        *outcome_out = bpi_outcome_cancelled_text(reason);
    }
    return status;
}

/* ---- conditions ---- */

/* Breadth first: the items of each side by side, as they are kept. */
typedef struct conditions {
    bp_wait *nodes;
    size_t *places; /* where each stands in the input */
    size_t room;
    size_t count;
} conditions;

static bp_status items_at(decoder *d, size_t at, conditions *all, bp_wait *wait)
{
    if (bpi_read_item(&d->reader, at) != BPI_ITEM_ARRAY) {
        return wrong_at(d, at, "no array of conditions");
    }
    bpi_steps steps = bpi_steps_begin(&d->reader, at);
    size_t item = 0;
    wait->items = all->nodes + all->count;
    while (bpi_steps_next(&d->reader, &steps, &item)) {
        if (all->count == all->room) {
            return wrong_at(d, item, "more conditions than 4096");
        }
        all->places[all->count++] = item;
        wait->item_count++;
        bpi_steps_past(&d->reader, &steps, behind(d, item));
    }
    return BP_OK;
}

static bp_status condition_at(decoder *d, size_t at, conditions *all, bp_wait *wait)
{
    static const char *const types[] = {"until", "event", "all", "any", "custom"};
    static const char *const until[] = {"until_ms"};
    static const char *const event[] = {"event_id"};
    static const char *const custom[] = {"tag", "data"};
    int type = 0;
    size_t data = 0;
    size_t end = 0;
    size_t values[2] = {0};
    uint64_t tag = 0;
    memset(wait, 0, sizeof(*wait));
    bp_status status = typed_at(d, at, types, 5, &type, &data, &end);
    if (status != BP_OK) {
        return status;
    }
    wait->type = (bp_wait_type)type;
    switch (wait->type) {
    case BP_WAIT_UNTIL:
        status = fields_of(d, data, until, 1, 0, values, &end);
        return status == BP_OK ? uint_at(d, values[0], UINT64_MAX, &wait->until_ms) : status;
    case BP_WAIT_EVENT:
        status = fields_of(d, data, event, 1, 0, values, &end);
        return status == BP_OK ? id_at(d, values[0], &wait->event) : status;
    case BP_WAIT_CUSTOM:
        status = fields_of(d, data, custom, 2, 0, values, &end);
        if (status == BP_OK) {
            status = uint_at(d, values[0], UINT16_MAX, &tag);
            wait->tag = (uint16_t)tag;
        }
        return status == BP_OK ? bytes_at(d, values[1], &wait->data, &wait->data_size) : status;
    default:
        return items_at(d, data, all, wait);
    }
}

/* All conditions from the root at `at`, level by level. */
static bp_status conditions_at(decoder *d, size_t at, conditions *all)
{
    size_t depth = 1;
    size_t level_end = 1;
    all->places[0] = at;
    all->count = 1;
    for (size_t index = 0; index < all->count; index++) {
        if (index == level_end) {
            depth++;
            level_end = all->count;
        }
        if (depth > BP_OUTCOME_DEPTH_MAX) {
            return wrong_at(d, all->places[index], "a condition deeper than 64");
        }
        bp_status status = condition_at(d, all->places[index], all, &all->nodes[index]);
        if (status != BP_OK) {
            return status;
        }
    }
    return BP_OK;
}

static bp_status pending_at(decoder *d, size_t at, bp_outcome **outcome_out)
{
    static const char *const names[] = {"condition", "resume_token"};
    const bp_allocator *allocator = bpi_outcome_allocator();
    size_t values[2] = {0};
    size_t end = 0;
    bp_id token;
    bp_status status = fields_of(d, at, names, 2, 0, values, &end);
    if (status == BP_OK) {
        status = scratch_for(d, at, end);
    }
    if (status == BP_OK) {
        status = id_at(d, values[1], &token);
    }
    if (status != BP_OK) {
        return status;
    }
    size_t room = (end - at) / CONDITION_MIN + 1;
    conditions all = {.room = room < BP_WAIT_MAX ? room : BP_WAIT_MAX};
    all.nodes = bpi_allocate_array(allocator, all.room, sizeof(*all.nodes));
    all.places = bpi_allocate_array(allocator, all.room, sizeof(*all.places));
    if (all.nodes == NULL || all.places == NULL) {
        status = bpi_error_set(d->error, BP_ERR_NO_MEMORY, "no memory to read an outcome");
    } else {
        status = conditions_at(d, values[0], &all);
    }
    if (status == BP_OK) {
        *outcome_out = bp_outcome_pending(&all.nodes[0], &token);
    }
    bpi_release(allocator, all.nodes, all.room * sizeof(*all.nodes));
    bpi_release(allocator, all.places, all.room * sizeof(*all.places));
    return status;
}

/* ---- values ---- */

static bp_status ok_at(decoder *d, size_t at, bp_outcome **outcome_out)
{
    bp_payload_type form = d->reader.msgpack ? BP_PAYLOAD_MSGPACK : BP_PAYLOAD_JSON;
    const char *wrong = NULL;
    size_t end = at;
    bp_value value;
    if (!bpi_read_skip(&d->reader, &end, BP_OUTCOME_DEPTH_MAX, &wrong)) {
        return wrong_at(d, end, "a value deeper than 64");
    }
    while (!d->reader.msgpack && end > at && strchr(" \t\r\n", d->reader.data[end - 1]) != NULL) {
        end--;
    }
    bp_payload bytes = {.data = d->reader.data + at, .size = end - at, .type = (uint8_t)form};
    if (bpi_read_item(&d->reader, at) == BPI_ITEM_NULL) {
        value = bp_value_none();
    } else if (d->type == NULL) {
        value = bp_value_of_payload(bytes);
    } else {
        void *data = NULL;
        bp_status status = d->type->decode(bytes, &data, d->error);
        if (status != BP_OK) {
            return status;
        }
        value = bp_value_of(d->type, data);
    }
    *outcome_out = bp_outcome_ok(value);
    return BP_OK;
}

/* ---- outcomes ---- */

static bp_status leaf_at(decoder *d, int type, size_t at, bp_outcome **outcome_out)
{
    bp_status status = BP_OK;
    switch ((bp_outcome_type)type) {
    case BP_OUTCOME_OK:
        status = ok_at(d, at, outcome_out);
        break;
    case BP_OUTCOME_ERROR:
        status = error_at(d, at, outcome_out);
        break;
    case BP_OUTCOME_RETRY:
        status = retry_at(d, at, outcome_out);
        break;
    case BP_OUTCOME_PENDING:
        status = pending_at(d, at, outcome_out);
        break;
    default:
        status = cancelled_at(d, at, outcome_out);
        break;
    }
    if (status == BP_OK && *outcome_out == bpi_outcome_no_memory()) {
        status = bpi_error_set(d->error, BP_ERR_NO_MEMORY, "no memory to read an outcome");
    }
    return status;
}

static bp_status batch_at(decoder *d, size_t at, bp_outcome **outcome_out)
{
    size_t count = 0;
    size_t item = 0;
    if (bpi_read_item(&d->reader, at) != BPI_ITEM_ARRAY) {
        return wrong_at(d, at, "no array of outcomes");
    }
    bpi_steps steps = bpi_steps_begin(&d->reader, at);
    if (d->reader.msgpack) {
        count = steps.left;
    } else {
        while (bpi_steps_next(&d->reader, &steps, &item)) {
            bpi_steps_past(&d->reader, &steps, behind(d, item));
            count++;
        }
    }
    *outcome_out = bpi_outcome_new_batch(count);
    return *outcome_out != NULL ? BP_OK : bpi_error_set(d->error, BP_ERR_NO_MEMORY, "no memory to read an outcome");
}

/* *root_out holds what has been made so far, whatever is answered. */
static bp_status tree_at(decoder *d, size_t at, bp_outcome **root_out)
{
    static const char *const types[] = {"ok", "error", "retry", "pending", "cancelled", "batch"};
    struct {
        bpi_steps steps;
        size_t end; /* of the outcome whose items these are */
        bpi_batch *batch;
    } stack[BP_OUTCOME_DEPTH_MAX];
    size_t depth = 0;
    bp_outcome **slot = root_out;
    for (;;) {
        int type = 0;
        size_t data = 0;
        size_t end = 0;
        if (depth == BP_OUTCOME_DEPTH_MAX) {
            return wrong_at(d, at, "an outcome deeper than 64");
        }
        bp_status status = typed_at(d, at, types, 6, &type, &data, &end);
        if (status == BP_OK && type == BP_OUTCOME_BATCH) {
            status = batch_at(d, data, slot);
        } else if (status == BP_OK) {
            status = leaf_at(d, type, data, slot);
        }
        if (status != BP_OK) {
            return status;
        }
        if (type == BP_OUTCOME_BATCH) {
            stack[depth].steps = bpi_steps_begin(&d->reader, data);
            stack[depth].end = end;
            stack[depth++].batch = &(*slot)->as.batch;
        }
        bool past = type != BP_OUTCOME_BATCH; /* an item has ended */
        for (; depth != 0; depth--, past = true) {
            if (past) {
                bpi_steps_past(&d->reader, &stack[depth - 1].steps, end);
            }
            if (bpi_steps_next(&d->reader, &stack[depth - 1].steps, &at)) {
                break;
            }
            end = stack[depth - 1].end;
        }
        if (depth == 0) {
            return BP_OK;
        }
        slot = &stack[depth - 1].batch->items[stack[depth - 1].batch->at++];
    }
}

bp_status bp_outcome_decode(bp_payload bytes, const bp_value_type *type, bp_outcome **outcome_out, bp_error *error)
{
    const char *wrong = NULL;
    if (outcome_out == NULL || (bytes.data == NULL && bytes.size != 0)) {
        return bpi_error_set(error, BP_ERR_ARGUMENT, "outcome_out or the bytes are NULL");
    }
    *outcome_out = NULL;
    if (bytes.type != BP_PAYLOAD_JSON && bytes.type != BP_PAYLOAD_MSGPACK) {
        return bpi_error_set(error, BP_ERR_UNSUPPORTED, "an outcome is read from JSON or MessagePack, not from %u",
                             bytes.type);
    }
    if (type != NULL && type->decode == NULL) {
        return bpi_error_set(error, BP_ERR_UNSUPPORTED, "values of the type '%s' cannot be read",
                             type->name != NULL ? type->name : "?");
    }
    if (bytes.size > BP_OUTCOME_SIZE_MAX) {
        return bpi_error_set(error, BP_ERR_TOO_LARGE, "%zu bytes are more than the %u of an outcome", bytes.size,
                             BP_OUTCOME_SIZE_MAX);
    }
    decoder d = {
        .reader = {.data = bytes.data, .size = bytes.size, .msgpack = bytes.type == BP_PAYLOAD_MSGPACK},
        .type = type,
        .error = error,
    };
    bpi_buffer_init(&d.scratch, bpi_outcome_allocator());
    size_t end = 0;
    bp_outcome *root = NULL;
    bp_status status = BP_OK;
    if (!bpi_read_skip(&d.reader, &end, BPI_READ_DEPTH, &wrong)) {
        status = wrong_at(&d, end, wrong);
    } else if (end != bytes.size) {
        status = wrong_at(&d, end, "something behind it");
    } else {
        status = tree_at(&d, bpi_read_begin(&d.reader, 0), &root);
    }
    bpi_buffer_fini(&d.scratch);
    if (status != BP_OK) {
        bp_outcome_free(root);
        return status;
    }
    *outcome_out = root;
    return BP_OK;
}
