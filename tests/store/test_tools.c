/*
 * test_tools.c: frame headers and records from bytes and back, as tools outside of the library use them.
 */
#include "support/check.h"

#include "base/bytes.h"
#include "format/frame.h"
#include "format/record.h"

enum { RECORD_ROOM = 1024 };

static const bp_id store_id = {{0x5a, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15}};

static bp_frame some_frame(void)
{
    return (bp_frame){.salt = UINT64_C(0x1122334455667788),
                      .length = 4096,
                      .record_count = 7,
                      .type = BP_FRAME_DATA,
                      .flags = 0x80,
                      .epoch = 3,
                      .lsn = UINT64_C(5) << 32 | 64,
                      .first_sequence = 1000,
                      .frontier = UINT64_C(4) << 32 | 128,
                      .origin = 9,
                      .previous_crc = 0xdeadbeef,
                      .body_crc = 0x01020304};
}

static size_t some_record(uint8_t bytes[RECORD_ROOM])
{
    static const bp_id cause = {{7}};
    bpi_record_input input = {.id = {{1, 2, 3}},
                              .kind = BP_KIND(1, 2),
                              .flags = BP_FLAG_REPLAY,
                              .payload_type = BP_PAYLOAD_JSON,
                              .payload_version = 4,
                              .cause_count = 1,
                              .causes = &cause,
                              .entity = bp_text_of("order:1"),
                              .scope = bp_text_of("shop"),
                              .payload = "{\"n\":1}",
                              .payload_size = 7,
                              .salt = {9}};
    bpi_record_assigned assigned = {.sequence = 11, .clock = 2, .hlc = BP_HLC_MIN_OF_MS(1000), .time_us = -5};
    uint32_t crc = bpi_record_build(bytes, &input, bpi_record_seed(&store_id));
    (void)bpi_record_assign(bytes, &assigned, crc);
    return bpi_record_size(&input);
}

static void frame_encode_then_decode_gives_the_same(void **state)
{
    (void)state;
    bp_frame frame = some_frame();
    bp_frame read = {0};
    uint8_t bytes[BP_FRAME_HEADER_SIZE];
    bp_error error;
    bp_frame_encode(&frame, bytes);
    CHECK_OK(bp_frame_decode(bytes, sizeof bytes, &read, &error), &error);
    frame.header_crc = read.header_crc;
    assert_memory_equal(&frame, &read, sizeof frame);
    uint8_t again[BP_FRAME_HEADER_SIZE];
    bp_frame_encode(&read, again);
    assert_memory_equal(bytes, again, sizeof bytes);
}

static void frame_decode_finds_every_flipped_bit_and_fills_the_fields(void **state)
{
    (void)state;
    bp_frame frame = some_frame();
    uint8_t bytes[BP_FRAME_HEADER_SIZE];
    bp_error error;
    bp_frame_encode(&frame, bytes);
    for (size_t bit = 0; bit < sizeof bytes * 8; bit++) {
        bp_frame read;
        bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
        CHECK_STATUS(BP_ERR_CORRUPT, bp_frame_decode(bytes, sizeof bytes, &read, &error), &error);
        if (bit / 8 >= 8) {
            assert_int_equal(read.salt, frame.salt);
        }
        bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
    }
}

static void frame_decode_refuses_short_bytes_and_null(void **state)
{
    (void)state;
    uint8_t bytes[BP_FRAME_HEADER_SIZE] = {0};
    bp_frame read;
    memset(&read, 0xff, sizeof read);
    for (size_t size = 0; size < sizeof bytes; size++) {
        CHECK_STATUS(BP_ERR_CORRUPT, bp_frame_decode(bytes, size, &read, NULL), NULL);
    }
    assert_int_equal(read.length, 0);
    CHECK_STATUS(BP_ERR_ARGUMENT, bp_frame_decode(NULL, 64, &read, NULL), NULL);
    CHECK_STATUS(BP_ERR_ARGUMENT, bp_frame_decode(bytes, 64, NULL, NULL), NULL);
}

static void record_decode_gives_a_view_into_the_bytes(void **state)
{
    (void)state;
    uint8_t bytes[RECORD_ROOM];
    size_t size = some_record(bytes);
    bp_event event;
    bp_error error;
    size_t length = 0;
    CHECK_OK(bp_record_decode(bytes, sizeof bytes, &store_id, &event, &length, &error), &error);
    assert_int_equal(length, size);
    assert_int_equal(event.sequence, 11);
    assert_int_equal(event.clock, 2);
    assert_int_equal(event.time_us, -5);
    assert_int_equal(event.flags, BP_FLAG_REPLAY);
    assert_true(bp_text_equal(event.entity, bp_text_of("order:1")));
    assert_true(bp_text_equal(event.scope, bp_text_of("shop")));
    assert_int_equal(event.cause_count, 1);
    assert_int_equal(event.causes[0].bytes[0], 7);
    assert_int_equal(event.payload_size, 7);
    assert_true((const uint8_t *)event.payload > bytes && (const uint8_t *)event.payload < bytes + size);
    assert_int_equal(event.position, 0);
    assert_int_equal(event.batch, 0);
}

static void record_decode_needs_the_store_id_it_was_written_for(void **state)
{
    (void)state;
    uint8_t bytes[RECORD_ROOM];
    size_t size = some_record(bytes);
    bp_id other = {{1}};
    bp_event event;
    bp_error error;
    size_t length = 0;
    CHECK_STATUS(BP_ERR_CORRUPT, bp_record_decode(bytes, size, &other, &event, &length, &error), &error);
    assert_non_null(strstr(error.message, "checksum"));
}

static void record_decode_finds_every_flipped_bit_and_every_cut(void **state)
{
    (void)state;
    uint8_t whole[RECORD_ROOM];
    size_t size = some_record(whole);
    bp_event event;
    size_t length = 0;
    for (size_t cut = 0; cut < size; cut++) {
        /* On the heap and no longer than given, so that a reading beyond it is seen. */
        uint8_t *bytes = malloc(cut + 1);
        assert_non_null(bytes);
        memcpy(bytes, whole, cut);
        CHECK_STATUS(BP_ERR_CORRUPT, bp_record_decode(bytes, cut, &store_id, &event, &length, NULL), NULL);
        free(bytes);
    }
    for (size_t bit = 0; bit < size * 8; bit++) {
        whole[bit / 8] ^= (uint8_t)(1u << bit % 8);
        CHECK_STATUS(BP_ERR_CORRUPT, bp_record_decode(whole, size, &store_id, &event, &length, NULL), NULL);
        whole[bit / 8] ^= (uint8_t)(1u << bit % 8);
    }
}

static void record_decode_of_random_bytes_is_safe(void **state)
{
    (void)state;
    bpt_random random = {bpt_seed(20)};
    uint64_t rounds = bpt_amount("BATPAK_ROUNDS", 20000, 1000000);
    for (uint64_t round = 0; round < rounds; round++) {
        uint64_t size = bpt_random_below(&random, 600);
        uint8_t *bytes = malloc(size + 1);
        assert_non_null(bytes);
        for (uint64_t i = 0; i < size; i++) {
            bytes[i] = (uint8_t)(bpt_random_chance(&random, 50) ? 0 : bpt_random_next(&random));
        }
        if (size >= 8) {
            bpi_put32(bytes + BPI_RECORD_LENGTH, (uint32_t)bpt_random_below(&random, size + 64));
        }
        bp_event event;
        size_t length = 0;
        CHECK_STATUS(BP_ERR_CORRUPT, bp_record_decode(bytes, size, &store_id, &event, &length, NULL), NULL);
        free(bytes);
    }
}

static void record_decode_refuses_null(void **state)
{
    (void)state;
    uint8_t bytes[RECORD_ROOM];
    bp_event event;
    size_t length = 0;
    size_t size = some_record(bytes);
    CHECK_STATUS(BP_ERR_ARGUMENT, bp_record_decode(NULL, size, &store_id, &event, &length, NULL), NULL);
    CHECK_STATUS(BP_ERR_ARGUMENT, bp_record_decode(bytes, size, NULL, &event, &length, NULL), NULL);
    CHECK_STATUS(BP_ERR_ARGUMENT, bp_record_decode(bytes, size, &store_id, NULL, &length, NULL), NULL);
    CHECK_STATUS(BP_ERR_ARGUMENT, bp_record_decode(bytes, size, &store_id, &event, NULL, NULL), NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(frame_encode_then_decode_gives_the_same),
        cmocka_unit_test(frame_decode_finds_every_flipped_bit_and_fills_the_fields),
        cmocka_unit_test(frame_decode_refuses_short_bytes_and_null),
        cmocka_unit_test(record_decode_gives_a_view_into_the_bytes),
        cmocka_unit_test(record_decode_needs_the_store_id_it_was_written_for),
        cmocka_unit_test(record_decode_finds_every_flipped_bit_and_every_cut),
        cmocka_unit_test(record_decode_of_random_bytes_is_safe),
        cmocka_unit_test(record_decode_refuses_null),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
