/* fuzz_frame.c: 64 bytes that may be a frame's header. What is read is written again as the very same bytes. */
#include "fuzz/fuzz.h"

#include "format/frame.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    bp_error error = {0};
    bp_frame frame = {0};
    uint8_t again[BPI_FRAME_HEADER];
    uint8_t *bytes = fuzz_copy(data, size);
    bp_status status = bp_frame_decode(bytes, size, &frame, &error);
    CHECK(status == BP_OK || status == BP_ERR_CORRUPT || status == BP_ERR_ARGUMENT || status == BP_ERR_FORMAT,
          "a frame is answered %s", bp_status_name(status));
    if (size >= BPI_FRAME_HEADER) {
        bp_frame other;
        bool unknown = false;
        CHECK(bpi_frame_get(bytes, &frame) == (status == BP_OK), "two answers to one frame");
        (void)bpi_frame_header_valid(bytes, 0, frame.lsn, &other);
        (void)bpi_frame_header_valid(bytes, frame.salt, frame.lsn, &other);
        const char *wrong = bpi_frame_shape_fault(bytes, &frame, &unknown);
        if (status == BP_OK && wrong == NULL && !unknown) {
            bp_frame_encode(&frame, again);
            CHECK(memcmp(again, bytes, sizeof again) == 0, "a frame that is right reads and writes differently");
            CHECK(bpi_frame_type_name(frame.type)[0] != '?', "a frame that is right has no name");
        }
    }
    free(bytes);
    return 0;
}

size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max, unsigned seed)
{
    size = LLVMFuzzerMutate(data, size, max);
    if (seed % 8 != 0 && size >= BPI_FRAME_HEADER) {
        bp_frame frame;
        (void)bpi_frame_get(data, &frame);
        uint8_t fixed[BPI_FRAME_HEADER];
        uint8_t zero[2] = {data[BPI_FRAME_ZERO], data[BPI_FRAME_ZERO + 1]};
        (void)bpi_frame_put(&frame, fixed);
        memcpy(data, fixed, sizeof fixed);
        if (seed % 8 == 1) { /* what the fields leave out */
            memcpy(data + BPI_FRAME_ZERO, zero, sizeof zero);
        }
    }
    return size;
}

void fuzz_seeds(fuzz_emit_fn emit, void *argument)
{
    for (uint8_t type = 0; type < 9; type++) {
        uint8_t bytes[BPI_FRAME_HEADER];
        char name[16];
        bp_frame frame = {.salt = 0x1234,
                          .length = type == BP_FRAME_DATA ? 232 : 64,
                          .record_count = type == BP_FRAME_DATA,
                          .type = type,
                          .flags = BPI_FRAME_MUST_UNDERSTAND,
                          .epoch = 1,
                          .lsn = 64,
                          .frontier = 64};
        bp_frame_encode(&frame, bytes);
        (void)snprintf(name, sizeof name, "type-%u", type);
        emit(argument, name, bytes, sizeof bytes);
    }
}
