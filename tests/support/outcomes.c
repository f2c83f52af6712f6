/* outcomes.c: values, memory and random outcomes for tests. */
#include "support/outcomes.h"

#include <inttypes.h>

/* ---- memory ---- */

static struct {
    uint64_t calls;
    uint64_t fail_at;
    uint64_t live;
    uint64_t bytes;
    uint64_t peak;
} memory;

static bool fails(void)
{
    return ++memory.calls == memory.fail_at;
}

static void count_bytes(uint64_t more)
{
    memory.bytes += more;
    memory.peak = memory.bytes > memory.peak ? memory.bytes : memory.peak;
}

static void *counted_allocate(void *context, size_t size)
{
    (void)context;
    void *got = fails() ? NULL : malloc(size);
    if (got != NULL) {
        memory.live++;
        count_bytes(size);
    }
    return got;
}

static void *counted_resize(void *context, void *old, size_t old_size, size_t size)
{
    (void)context;
    void *got = fails() ? NULL : realloc(old, size);
    if (got != NULL) {
        memory.live += old == NULL;
        count_bytes(size - old_size);
    }
    return got;
}

static void counted_release(void *context, void *old, size_t size)
{
    (void)context;
    memory.live -= old != NULL;
    memory.bytes -= old != NULL ? size : 0;
    free(old);
}

static const bp_allocator counted = {.size = sizeof counted,
                                     .context = NULL,
                                     .allocate = counted_allocate,
                                     .resize = counted_resize,
                                     .release = counted_release};

void bpt_memory_begin(uint64_t fail_at)
{
    memset(&memory, 0, sizeof memory);
    memory.fail_at = fail_at;
    bp_outcome_use_allocator(&counted);
}

void bpt_memory_mark(void)
{
    memory.peak = memory.bytes;
}

uint64_t bpt_memory_peak(void)
{
    return memory.peak;
}

const bp_allocator *bpt_memory_allocator(void)
{
    return &counted;
}

uint64_t bpt_memory_end(void)
{
    CHECK(memory.live == 0 && memory.bytes == 0, "%" PRIu64 " pieces of %" PRIu64 " bytes are left", memory.live,
          memory.bytes);
    bp_outcome_use_allocator(NULL);
    return memory.calls;
}

/* ---- numbers ---- */

static void number_destroy(void *data)
{
    counted_release(NULL, data, sizeof(int64_t));
}

static void *number_new(int64_t number)
{
    int64_t *data = counted_allocate(NULL, sizeof *data);
    if (data != NULL) {
        *data = number;
    }
    return data;
}

static void *number_copy(const void *data)
{
    return number_new(*(const int64_t *)data);
}

static bp_status number_encode(const void *data, bp_payload_type form, bp_output *output, bp_error *error)
{
    char text[32];
    (void)error;
    if (form == BP_PAYLOAD_JSON) {
        (void)snprintf(text, sizeof text, "%" PRId64, *(const int64_t *)data);
        (void)bp_output_append(output, text, strlen(text));
    } else {
        uint8_t bytes[9] = {0xd3};
        for (unsigned index = 0; index < 8; index++) {
            bytes[1 + index] = (uint8_t)((uint64_t) * (const int64_t *)data >> (56 - 8 * index));
        }
        (void)bp_output_append(output, bytes, sizeof bytes);
    }
    return BP_OK;
}

static bp_status number_decode(bp_payload bytes, void **data_out, bp_error *error)
{
    int64_t number = 0;
    const uint8_t *data = bytes.data;
    if (bytes.type == BP_PAYLOAD_JSON) {
        char text[32] = {0};
        char *end = text;
        memcpy(text, data, bytes.size < sizeof text ? bytes.size : sizeof text - 1);
        number = strtoll(text, &end, 10);
        if (end == text || *end != '\0') {
            *error = (bp_error){.status = BP_ERR_FORMAT, .message = "not a number"};
            return BP_ERR_FORMAT;
        }
    } else {
        if (bytes.size != 9 || data[0] != 0xd3) {
            *error = (bp_error){.status = BP_ERR_FORMAT, .message = "not a number"};
            return BP_ERR_FORMAT;
        }
        uint64_t bits = 0;
        for (unsigned index = 1; index < 9; index++) {
            bits = bits << 8 | data[index];
        }
        number = (int64_t)bits;
    }
    *data_out = number_new(number);
    return *data_out != NULL ? BP_OK : BP_ERR_NO_MEMORY;
}

const bp_value_type bpt_number_type = {.size = sizeof(bp_value_type),
                                       .name = "number",
                                       .destroy = number_destroy,
                                       .copy = number_copy,
                                       .encode = number_encode,
                                       .decode = number_decode};
const bp_value_type bpt_single_type = {
    .size = sizeof(bp_value_type), .name = "single", .destroy = number_destroy, .encode = number_encode};

bp_value bpt_number(int64_t number)
{
    void *data = number_new(number);
    return data != NULL ? bp_value_of(&bpt_number_type, data) : bp_value_no_memory();
}

int64_t bpt_number_of(const bp_value *value)
{
    const int64_t *data = bp_value_data(value, &bpt_number_type);
    return data != NULL ? *data : INT64_MIN;
}

bp_outcome *bpt_ok(int64_t number)
{
    return bp_outcome_ok(bpt_number(number));
}

bp_outcome *bpt_error(bp_failure_kind kind, const char *message)
{
    bp_failure failure = bp_failure_of(kind, message);
    return bp_outcome_error(&failure);
}

bp_outcome *bpt_until(uint64_t ms)
{
    bp_wait wait = bp_wait_until(ms);
    bp_id token = bp_id_from_parts(0, ms);
    return bp_outcome_pending(&wait, &token);
}

/* ---- texts ---- */

char *bpt_text_of(const bp_outcome *outcome)
{
    bp_error error = {0};
    bp_output *output = bp_output_new(NULL);
    assert_non_null(output);
    CHECK_OK(bp_outcome_encode(outcome, BP_PAYLOAD_JSON, output, &error), &error);
    char *text = calloc(1, bp_output_size(output) + 1);
    assert_non_null(text);
    memcpy(text, bp_output_data(output), bp_output_size(output));
    bp_output_free(output);
    return text;
}

void bpt_is(bp_outcome *outcome, const char *text, const char *file, int line)
{
    char *got = bpt_text_of(outcome);
    bp_outcome_free(outcome);
    if (strcmp(got, text) != 0) {
        bpt_fail(file, line, "%s, not %s", got, text);
    }
    free(got);
}

void bpt_same(bp_outcome *a, bp_outcome *b, const char *file, int line)
{
    char *other = bpt_text_of(b);
    bp_outcome_free(b);
    bpt_is(a, other, file, line);
    free(other);
}

/* ---- at random ---- */

static bp_outcome *random_error(bpt_random *random)
{
    bp_id ids[3] = {bp_id_from_parts(1, bpt_random_next(random)), bp_id_from_parts(2, 2), bp_id_from_parts(3, 3)};
    const bp_compensation compensations[] = {
        bp_compensation_rollback(ids, (size_t)bpt_random_below(random, 4)),
        bp_compensation_notify(&ids[0], "tell \"them\"\n\xc3\xa4"),
        bp_compensation_release(ids, (size_t)bpt_random_below(random, 4)),
        bp_compensation_custom("refund", ids, (size_t)bpt_random_below(random, sizeof ids)),
    };
    bp_failure failure = bp_failure_of((bp_failure_kind)bpt_random_below(random, BP_FAILURE_CUSTOM),
                                       "it \x01 went \\wrong\xf0\x9f\x90\x98");
    if (bpt_random_chance(random, 20)) {
        failure = bp_failure_custom((uint16_t)bpt_random_next(random), "");
    }
    if (bpt_random_chance(random, 60)) {
        failure.compensation = &compensations[bpt_random_below(random, 4)];
    }
    failure.retryable = bpt_random_chance(random, 50);
    return bp_outcome_error(&failure);
}

static bp_outcome *random_pending(bpt_random *random)
{
    bp_wait waits[24];
    bp_id id = bp_id_from_parts(bpt_random_next(random), bpt_random_next(random));
    /* Each may point to those before it: a tree or a shared one, of any shape. */
    for (size_t index = 0; index < 24; index++) {
        size_t from = (size_t)bpt_random_below(random, index + 1);
        size_t count = index - from < 3 ? index - from : 3;
        switch (bpt_random_below(random, index < 4 ? 3 : 5)) {
        case 0:
            waits[index] = bp_wait_until(bpt_random_next(random) >> bpt_random_below(random, 64));
            break;
        case 1:
            waits[index] = bp_wait_event(&id);
            break;
        case 2:
            waits[index] = bp_wait_custom((uint16_t)bpt_random_next(random), &id, (size_t)bpt_random_below(random, 17));
            break;
        case 3:
            waits[index] = bp_wait_all(&waits[from], count);
            break;
        default:
            waits[index] = bp_wait_any(&waits[from], count);
            break;
        }
    }
    return bp_outcome_pending(&waits[bpt_random_below(random, 8)], &id);
}

static bp_outcome *random_leaf(bpt_random *random)
{
    switch (bpt_random_below(random, 8)) {
    case 0:
        return random_error(random);
    case 1:
        return bp_outcome_retry(bpt_random_next(random) >> bpt_random_below(random, 64),
                                (uint32_t)bpt_random_below(random, 9), UINT32_MAX, "busy");
    case 2:
        return random_pending(random);
    case 3:
        return bp_outcome_cancelled("enough");
    default:
        return bpt_ok((int64_t)bpt_random_below(random, 1000) - 500);
    }
}

bp_outcome *bpt_random_outcome(uint64_t seed)
{
    enum { STACK = 16 };
    bpt_random random = {seed};
    bp_outcome *stack[STACK];
    size_t count = 0;
    uint64_t steps = bpt_random_below(&random, 20);
    for (uint64_t step = 0; step < steps; step++) {
        if (count < STACK && bpt_random_chance(&random, 60)) {
            stack[count++] = random_leaf(&random);
        } else { /* the last few become a batch */
            size_t taken = (size_t)bpt_random_below(&random, (count < 4 ? count : 4) + 1);
            count -= taken;
            if (count < STACK) {
                bp_outcome *batch = bp_outcome_batch(&stack[count], taken);
                stack[count++] = batch;
            }
        }
    }
    if (count == 1) {
        return stack[0];
    }
    return count == 0 ? random_leaf(&random) : bp_outcome_batch(stack, count);
}
