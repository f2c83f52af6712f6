/*
 * outcome_encode.c: an outcome as JSON or MessagePack.
 *
 * Every outcome, compensation and condition is a map of "type" and "data". docs/guide/outcome.md has what data is.
 *
 * Holds: what is written is read back by outcome_decode.c. What a caller's own function wrote is judged before it is believed.
 */
#include "policy/outcome.h"
#include "policy/outcome_read.h"
#include "policy/outcome_write.h"

#include "base/error.h"
#include "base/output.h"

typedef struct encoder {
    bpi_writer writer;
    bp_payload_type form;
    bp_error *error;
} encoder;

static void begin(bpi_writer *w, const char *type)
{
    bpi_write_map(w, 2);
    bpi_write_key(w, "type");
    bpi_write_text(w, bp_text_of(type));
    bpi_write_key(w, "data");
}

static const char *type_name(const bp_value *value)
{
    return value->type->name != NULL ? value->type->name : "?";
}

static bp_status write_value(encoder *e, const bp_value *value)
{
    bp_output *output = e->writer.output;
    if (value->type == NULL) {
        bpi_write_null(&e->writer);
        return BP_OK;
    }
    if (value->type->encode == NULL) {
        return bpi_error_set(e->error, BP_ERR_UNSUPPORTED, "a value of the type '%s' has no written form",
                             type_name(value));
    }
    bpi_write_own(&e->writer);
    size_t start = bp_output_size(output);
    bp_status status = value->type->encode(value->data, e->form, output, e->error);
    if (status != BP_OK || output->failed) {
        return status; /* no memory is told at the end */
    }
    size_t end = bp_output_size(output);
    const char *wrong = "no value at all";
    size_t at = 0;
    bpi_reader reader = {.msgpack = e->writer.msgpack};
    if (end > start) {
        reader.data = (const uint8_t *)bp_output_data(output) + start;
        reader.size = end - start;
    }
    if (end <= start || !bpi_read_skip(&reader, &at, BP_OUTCOME_DEPTH_MAX, &wrong) || at != reader.size) {
        return bpi_error_set(e->error, BP_ERR_FORMAT, "a value of the type '%s' was not written as one %s: %s",
                             type_name(value), e->writer.msgpack ? "MessagePack object" : "JSON value",
                             at != 0 && at != reader.size ? "more than one" : wrong);
    }
    return BP_OK;
}

static void write_ids(bpi_writer *w, const char *key, const bp_compensation *compensation)
{
    bpi_write_key(w, key);
    bpi_write_array(w, compensation->id_count);
    for (size_t index = 0; index < compensation->id_count; index++) {
        bpi_write_id(w, &compensation->ids[index]);
    }
    bpi_write_array_end(w);
}

static void write_compensation(bpi_writer *w, const bp_compensation *compensation)
{
    static const char *const names[] = {"rollback", "notify", "release", "custom"};
    bool ids = compensation->type == BP_COMPENSATION_ROLLBACK || compensation->type == BP_COMPENSATION_RELEASE;
    begin(w, names[compensation->type]);
    bpi_write_map(w, ids ? 1 : 2);
    switch (compensation->type) {
    case BP_COMPENSATION_ROLLBACK:
        write_ids(w, "event_ids", compensation);
        break;
    case BP_COMPENSATION_RELEASE:
        write_ids(w, "resource_ids", compensation);
        break;
    case BP_COMPENSATION_NOTIFY:
        bpi_write_key(w, "target_id");
        bpi_write_id(w, &compensation->target);
        bpi_write_key(w, "message");
        bpi_write_text(w, compensation->text);
        break;
    case BP_COMPENSATION_CUSTOM:
        bpi_write_key(w, "action_type");
        bpi_write_text(w, compensation->text);
        bpi_write_key(w, "data");
        bpi_write_bytes(w, compensation->data, compensation->data_size);
        break;
    }
    bpi_write_map_end(w);
    bpi_write_map_end(w);
}

static void write_failure(bpi_writer *w, const bp_failure *failure)
{
    bool custom = failure->kind == BP_FAILURE_CUSTOM;
    bpi_write_map(w, 3 + (size_t)custom + (size_t)(failure->compensation != NULL));
    bpi_write_key(w, "kind");
    bpi_write_text(w, bp_text_of(bp_failure_kind_name(failure->kind)));
    if (custom) {
        bpi_write_key(w, "code");
        bpi_write_uint(w, failure->custom);
    }
    bpi_write_key(w, "message");
    bpi_write_text(w, failure->message);
    bpi_write_key(w, "retryable");
    bpi_write_bool(w, failure->retryable);
    if (failure->compensation != NULL) {
        bpi_write_key(w, "compensation");
        write_compensation(w, failure->compensation);
    }
    bpi_write_map_end(w);
}

static void write_retry(bpi_writer *w, const bp_retry *retry)
{
    bpi_write_map(w, 4);
    bpi_write_key(w, "after_ms");
    bpi_write_uint(w, retry->after_ms);
    bpi_write_key(w, "attempt");
    bpi_write_uint(w, retry->attempt);
    bpi_write_key(w, "max_attempts");
    bpi_write_uint(w, retry->max_attempts);
    bpi_write_key(w, "reason");
    bpi_write_text(w, retry->reason);
    bpi_write_map_end(w);
}

/* A condition without items, whole. */
static void write_one_wait(bpi_writer *w, const bp_wait *wait)
{
    if (wait->type == BP_WAIT_UNTIL) {
        begin(w, "until");
        bpi_write_map(w, 1);
        bpi_write_key(w, "until_ms");
        bpi_write_uint(w, wait->until_ms);
    } else if (wait->type == BP_WAIT_EVENT) {
        begin(w, "event");
        bpi_write_map(w, 1);
        bpi_write_key(w, "event_id");
        bpi_write_id(w, &wait->event);
    } else {
        begin(w, "custom");
        bpi_write_map(w, 2);
        bpi_write_key(w, "tag");
        bpi_write_uint(w, wait->tag);
        bpi_write_key(w, "data");
        bpi_write_bytes(w, wait->data, wait->data_size);
    }
    bpi_write_map_end(w);
    bpi_write_map_end(w);
}

/* bp_outcome_pending has seen to it that it is not too deep. */
static void write_wait(bpi_writer *w, const bp_wait *root)
{
    struct {
        const bp_wait *wait;
        size_t next;
    } stack[BP_OUTCOME_DEPTH_MAX];
    size_t depth = 0;
    const bp_wait *wait = root;
    for (;;) {
        if (wait->type != BP_WAIT_ALL && wait->type != BP_WAIT_ANY) {
            write_one_wait(w, wait);
        } else {
            begin(w, wait->type == BP_WAIT_ALL ? "all" : "any");
            bpi_write_array(w, wait->item_count);
            stack[depth].wait = wait;
            stack[depth++].next = 0;
        }
        while (depth != 0 && stack[depth - 1].next == stack[depth - 1].wait->item_count) {
            bpi_write_array_end(w);
            bpi_write_map_end(w);
            depth--;
        }
        if (depth == 0) {
            return;
        }
        wait = &stack[depth - 1].wait->items[stack[depth - 1].next++];
    }
}

static bp_status write_leaf(encoder *e, const bp_outcome *outcome)
{
    bpi_writer *w = &e->writer;
    bp_status status = BP_OK;
    begin(w, bp_outcome_type_name(outcome->type));
    switch (outcome->type) {
    case BP_OUTCOME_OK:
        status = write_value(e, &outcome->as.value);
        break;
    case BP_OUTCOME_ERROR:
        write_failure(w, &outcome->as.failure);
        break;
    case BP_OUTCOME_RETRY:
        write_retry(w, &outcome->as.retry);
        break;
    case BP_OUTCOME_PENDING:
        bpi_write_map(w, 2);
        bpi_write_key(w, "condition");
        write_wait(w, &outcome->as.pending.condition);
        bpi_write_key(w, "resume_token");
        bpi_write_id(w, &outcome->as.pending.resume_token);
        bpi_write_map_end(w);
        break;
    default:
        bpi_write_map(w, 1);
        bpi_write_key(w, "reason");
        bpi_write_text(w, outcome->as.reason);
        bpi_write_map_end(w);
        break;
    }
    bpi_write_map_end(w);
    return status;
}

static bp_status write_tree(encoder *e, const bp_outcome *root)
{
    struct {
        const bpi_batch *batch;
        size_t next;
    } stack[BP_OUTCOME_DEPTH_MAX];
    size_t depth = 0;
    const bp_outcome *outcome = root;
    for (;;) {
        if (depth == BP_OUTCOME_DEPTH_MAX) {
            return bpi_error_set(e->error, BP_ERR_TOO_LARGE, "the outcome nests deeper than %u", BP_OUTCOME_DEPTH_MAX);
        }
        if (outcome->type == BP_OUTCOME_BATCH) {
            begin(&e->writer, "batch");
            bpi_write_array(&e->writer, outcome->as.batch.count);
            stack[depth].batch = &outcome->as.batch;
            stack[depth++].next = 0;
        } else {
            bp_status status = write_leaf(e, outcome);
            if (status != BP_OK) {
                return status;
            }
        }
        while (depth != 0 && stack[depth - 1].next == stack[depth - 1].batch->count) {
            bpi_write_array_end(&e->writer);
            bpi_write_map_end(&e->writer);
            depth--;
        }
        if (depth == 0) {
            return BP_OK;
        }
        outcome = stack[depth - 1].batch->items[stack[depth - 1].next++];
    }
}

bp_status bp_outcome_encode(const bp_outcome *outcome, bp_payload_type form, bp_output *output, bp_error *error)
{
    if (output == NULL) {
        return bpi_error_set(error, BP_ERR_ARGUMENT, "output is NULL");
    }
    if (form != BP_PAYLOAD_JSON && form != BP_PAYLOAD_MSGPACK) {
        return bpi_error_set(error, BP_ERR_UNSUPPORTED, "an outcome is written as JSON or MessagePack, not as %u",
                             (unsigned)form);
    }
    size_t start = bp_output_size(output);
    bool failed = output->failed;
    output->failed = false;
    encoder e = {.writer = {.output = output, .msgpack = form == BP_PAYLOAD_MSGPACK}, .form = form, .error = error};
    bp_status status = write_tree(&e, outcome != NULL ? outcome : bpi_outcome_missing());
    if (status == BP_OK && output->failed) {
        status = bpi_error_set(error, BP_ERR_NO_MEMORY, "no memory to write an outcome");
    }
    if (status == BP_OK && e.writer.bad_text) {
        status = bpi_error_set(error, BP_ERR_FORMAT, "a text of the outcome is not UTF-8");
    }
    if (status == BP_OK && bp_output_size(output) - start > BP_OUTCOME_SIZE_MAX) {
        status = bpi_error_set(error, BP_ERR_TOO_LARGE, "the outcome takes %zu bytes, more than %u",
                               bp_output_size(output) - start, BP_OUTCOME_SIZE_MAX);
    }
    if (status != BP_OK) {
        output->buffer.size = start;
        output->failed = failed;
    } else {
        output->failed = failed;
    }
    return status;
}
