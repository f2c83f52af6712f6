/*
 * fuzz_record.c: bytes that may be a record. What the full check lets pass the views must read alike, and a record that
 * is built from what was read is the same bytes.
 */
#include "fuzz/fix.h"

#include "format/hashing.h"
#include "format/record.h"

static uint64_t looked; /* so that every byte is looked at */
static const bp_id store_id = {{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16}};

static void rebuild(const uint8_t *bytes, const bp_event *event, size_t length)
{
    bpi_record_input input;
    bpi_record_assigned assigned = {event->sequence, event->clock, event->hlc, event->time_us, event->event_hash};
    bpi_record_input_of(event, &input);
    if (input.state != 0) {
        return; /* a stub is not built, but made of what was there */
    }
    CHECK(bpi_record_size(&input) == length, "%zu bytes are built of %zu", bpi_record_size(&input), length);
    uint8_t *again = malloc(length);
    CHECK(again != NULL, "no memory");
    (void)bpi_record_assign(again, &assigned, bpi_record_build(again, &input, bpi_record_seed(&store_id)));
    CHECK(memcmp(again, bytes, length) == 0, "a record that is right reads and writes differently");
    free(again);
}

static uint64_t look_at(const bp_event *event)
{
    const uint8_t *value = NULL;
    size_t value_size = 0;
    uint64_t sum = bp_event_compute_hash(event, NULL).bytes[0] + bp_event_content_hash(event).bytes[0];
    for (uint16_t tag = 0; tag < 16; tag++) {
        for (unsigned top = 0; top < 2; top++) {
            uint16_t asked = (uint16_t)(tag | top << 15);
            if (bpi_extension_find(event->extensions, event->public_extensions_size + event->private_extensions_size,
                                   asked, &value, &value_size)) {
                sum += value_size + (value_size > 0 ? value[value_size - 1] : 0);
            }
        }
    }
    for (size_t i = 0; i < event->payload_size; i++) {
        sum += ((const uint8_t *)event->payload)[i];
    }
    return sum;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    bp_error error = {0};
    bp_event event;
    bp_event viewed;
    size_t length = 0;
    size_t viewed_length = 0;
    uint8_t *bytes = fuzz_copy(data, size);
    uint32_t seed = bpi_record_seed(&store_id);
    const char *wrong = bpi_record_check(bytes, size, seed, &event, &length);
    const char *unreadable = bpi_record_view(bytes, size, seed, &viewed, &viewed_length);
    CHECK(wrong != NULL || unreadable == NULL, "a record that is right cannot be viewed: %s", unreadable);
    bp_status status = bp_record_decode(bytes, size, &store_id, &viewed, &viewed_length, &error);
    CHECK(status == BP_OK || status == BP_ERR_CORRUPT || status == BP_ERR_ARGUMENT, "a record is answered %s",
          bp_status_name(status));
    if (unreadable == NULL) {
        looked += look_at(&viewed);
    }
    if (wrong == NULL) {
        CHECK(viewed_length == length && bpi_record_again(bytes, &viewed) == length, "lengths differ");
        looked += bpi_record_contradiction(&event) != NULL;
        looked += look_at(&event);
        rebuild(bytes, &event, length);
    }
    free(bytes);
    return 0;
}

size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max, unsigned seed)
{
    size = LLVMFuzzerMutate(data, size, max);
    if (seed % 8 == 0 || size < BPI_RECORD_MIN) {
        return size;
    }
    if (seed % 8 < 4) { /* the length fits */
        size = size / 8 * 8;
        for (unsigned byte = 0; byte < 4; byte++) {
            data[BPI_RECORD_LENGTH + byte] = (uint8_t)(size >> (8 * byte));
        }
    }
    (void)fuzz_fix_record(data, size, store_id.bytes);
    return size;
}

void fuzz_seeds(fuzz_emit_fn emit, void *argument)
{
    static const bp_id causes[2] = {{{7}}, {{8}}};
    uint8_t extensions[64];
    size_t public_size = bpi_extension_put(extensions, 1, "\1\0\0\0\0\0\0\0", 8);
    public_size += bpi_extension_put(extensions + public_size, 0x77, "abc", 3);
    for (unsigned shape = 0; shape < 4; shape++) {
        bpi_record_input input = {.id = {{9}},
                                  .kind = 0xf001,
                                  .payload_type = BP_PAYLOAD_JSON,
                                  .entity = {"player:alice", 12},
                                  .scope = {"room", 4},
                                  .payload = "{\"x\":10}",
                                  .payload_size = 8};
        bpi_record_assigned assigned = {
            .sequence = 5, .clock = 2, .hlc = 1767225600000u << 16, .time_us = 1767225600000000};
        uint8_t bytes[1024];
        char name[16];
        if (shape % 2 == 1) {
            input.causes = causes;
            input.cause_count = 2;
        }
        if (shape / 2 == 1) {
            input.public_extensions = extensions;
            input.public_size = public_size;
        }
        CHECK(bpi_record_size(&input) <= sizeof bytes, "a seed is too long");
        (void)bpi_record_assign(bytes, &assigned, bpi_record_build(bytes, &input, bpi_record_seed(&store_id)));
        (void)snprintf(name, sizeof name, "shape-%u", shape);
        emit(argument, name, bytes, bpi_record_size(&input));
    }
}
