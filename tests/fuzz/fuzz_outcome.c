/*
 * fuzz_outcome.c: outcomes as JSON and as MessagePack; the first byte says which. Memory is bounded by the input. What is
 * read is written, read again, and written as the same bytes; and in the other form it says the same.
 */
#include "fuzz/fuzz.h"

#include "support/outcomes.h"

static bp_output *write_as(const bp_outcome *outcome, bp_payload_type form)
{
    bp_error error = {0};
    bp_output *output = bp_output_new(NULL);
    CHECK(output != NULL, "no memory");
    bp_status status = bp_outcome_encode(outcome, form, output, &error);
    if (status == BP_ERR_UNSUPPORTED) { /* a value that the other form has no word for */
        bp_output_free(output);
        return NULL;
    }
    CHECK_OK(status, &error);
    return output;
}

static bp_payload written(bp_output *output, bp_payload_type form)
{
    return (bp_payload){.data = bp_output_data(output), .size = bp_output_size(output), .type = (uint8_t)form};
}

/* Written, read, written: the same. */
static void again(const bp_outcome *outcome, bp_payload_type form)
{
    bp_error error = {0};
    bp_outcome *second = NULL;
    bp_output *first_text = write_as(outcome, form);
    if (first_text == NULL) {
        return;
    }
    CHECK_OK(bp_outcome_decode(written(first_text, form), NULL, &second, &error), &error);
    bp_output *second_text = write_as(second, form);
    CHECK(second_text != NULL && bp_output_size(first_text) == bp_output_size(second_text) &&
              memcmp(bp_output_data(first_text), bp_output_data(second_text), bp_output_size(first_text)) == 0,
          "an outcome reads and writes differently");
    bp_output_free(first_text);
    bp_output_free(second_text);
    bp_outcome_free(second);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    bp_error error = {0};
    bp_outcome *outcome = NULL;
    if (size == 0) {
        return 0;
    }
    bp_payload_type form = data[0] % 2 == 0 ? BP_PAYLOAD_JSON : BP_PAYLOAD_MSGPACK;
    bp_payload_type other = data[0] % 2 == 0 ? BP_PAYLOAD_MSGPACK : BP_PAYLOAD_JSON;
    const bp_value_type *type = data[0] / 2 % 2 == 0 ? NULL : &bpt_number_type;
    uint8_t *bytes = fuzz_copy(data + 1, size - 1);
    bpt_memory_begin(0);
    bpt_memory_mark();
    bp_status status =
        bp_outcome_decode((bp_payload){.data = bytes, .size = size - 1, .type = (uint8_t)form}, type, &outcome, &error);
    CHECK(bpt_memory_peak() <= 32 * (size - 1) + 8192, "%llu bytes of memory for %zu bytes",
          (unsigned long long)bpt_memory_peak(), size - 1);
    CHECK(status == BP_OK || (status == BP_ERR_FORMAT && error.message[0] != '\0'), "an outcome is answered %s: %s",
          bp_status_name(status), error.message);
    if (status == BP_OK && type == NULL) {
        again(outcome, form);
        again(outcome, other);
    }
    bp_outcome_free(outcome);
    (void)bpt_memory_end();
    free(bytes);
    return 0;
}

size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max, unsigned seed)
{
    (void)seed;
    return LLVMFuzzerMutate(data, size, max);
}

void fuzz_seeds(fuzz_emit_fn emit, void *argument)
{
    for (unsigned seed = 0; seed < 24; seed++) {
        char name[16];
        bp_payload_type form = seed % 2 == 0 ? BP_PAYLOAD_JSON : BP_PAYLOAD_MSGPACK;
        bp_outcome *outcome = bpt_random_outcome(seed);
        bp_output *output = write_as(outcome, form);
        CHECK(output != NULL, "a seed has no form");
        uint8_t *bytes = malloc(bp_output_size(output) + 1);
        CHECK(bytes != NULL, "no memory");
        bytes[0] = (uint8_t)(seed % 4);
        memcpy(bytes + 1, bp_output_data(output), bp_output_size(output));
        (void)snprintf(name, sizeof name, "seed-%u", seed);
        if (bp_output_size(output) < 2048) {
            emit(argument, name, bytes, bp_output_size(output) + 1);
        }
        free(bytes);
        bp_output_free(output);
        bp_outcome_free(outcome);
    }
}
