/*
 * fuzz_import.c: lines of an import, one behind the other; the first byte says whether they are read for --exact. A line that
 * is taken is appended; what the store then exports of it is a line again, and says the same.
 */
#include "fuzz/fuzz.h"

#include "../../cli/import_line.h"
#include "../../cli/payload.h"
#include "../../cli/show.h"
#include "support/world.h"

enum { LINES_MOST = 8 };

static void compare(const struct import_line *line, bp_store *store, const bp_event *event, struct arena *arena)
{
    bp_error error = {0};
    struct text out = {0};
    struct import_line again = {0};
    struct import_fault fault = {0};
    put_open(&out, NULL, '{');
    CHECK_OK(put_event(&out, store, NULL, event, &error), &error);
    put_close(&out, '}');
    CHECK(import_line_read(&again, out.data, out.size, true, arena, &fault), "an exported line is refused: %s: %.*s",
          text_string(&fault.what), (int)out.size, out.data);
    CHECK(bp_text_equal(again.event.entity, line->event.entity) &&
              bp_text_equal(again.event.scope, line->event.scope) &&
              again.event.payload_size == line->event.payload_size &&
              again.event.payload_type == line->event.payload_type &&
              (again.event.payload_size == 0 ||
               memcmp(again.event.payload, line->event.payload, again.event.payload_size) == 0) &&
              again.event.cause_count == line->event.cause_count,
          "an exported line says something else: %.*s", (int)out.size, out.data);
    text_free(&out);
    text_free(&fault.what);
}

static void append(bp_store *store, const struct import_line *line, struct arena *arena)
{
    bp_error error = {0};
    bp_receipt receipt;
    bp_append_options options;
    const bp_event *event = NULL;
    bp_append_options_init(&options);
    options.id = line->event.id;
    options.causes = line->event.causes;
    options.cause_count = line->event.cause_count;
    options.external = true;
    options.flags = line->event.flags;
    options.lane = line->event.lane;
    options.depth = line->event.depth;
    options.has_time = line->has_time;
    options.time_us = line->event.time_us;
    options.kind_name = line->kind_name;
    options.durability = BP_BUFFERED;
    bp_payload payload = {line->event.payload, line->event.payload_size, line->event.payload_type,
                          line->event.payload_version};
    bp_status status = bp_append(store, (bp_coordinate){line->event.entity, line->event.scope}, line->event.kind,
                                 payload, &options, &receipt, &error);
    CHECK(status == BP_OK || error.message[0] != '\0', "an append is answered %s without words",
          bp_status_name(status));
    if (status != BP_OK || receipt.duplicate) {
        return;
    }
    CHECK_OK(bp_get_sequence(store, receipt.sequence, &event, &error), &error);
    compare(line, store, event, arena);
    bp_event_release(event);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0) {
        return 0;
    }
    bpt_world world;
    struct arena arena = {0};
    bpt_world_memory(&world);
    bp_store *store = bpt_open(&world);
    bool exact = data[0] % 2 == 1;
    size_t at = 1;
    for (unsigned number = 1; at < size && number <= LINES_MOST; number++) {
        const uint8_t *end = memchr(data + at, '\n', size - at);
        size_t length = end == NULL ? size - at : (size_t)(end - data) - at;
        struct import_line line = {.number = number};
        struct import_fault fault = {0};
        char *text = (char *)fuzz_copy(data + at, length);
        bool good = import_line_read(&line, text, length, exact, &arena, &fault);
        CHECK(good || fault.what.size > 0, "a line is refused without words");
        if (good) {
            append(store, &line, &arena);
        }
        text_free(&fault.what);
        free(text);
        arena_reset(&arena);
        at += length + 1;
    }
    bpt_close(store);
    arena_free(&arena);
    bpt_world_end(&world);
    return 0;
}

size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max, unsigned seed)
{
    (void)seed;
    return LLVMFuzzerMutate(data, size, max);
}

void fuzz_seeds(fuzz_emit_fn emit, void *argument)
{
    static const char *const texts[] = {
        "0{\"entity\":\"order:1\",\"scope\":\"eu\",\"kind\":\"order.placed\",\"payload\":{\"total\":1}}\n"
        "{\"entity\":\"order:1\",\"scope\":\"eu\",\"kind\":\"15:1\",\"payload_base64\":\"AAEC\",\"expect\":\"any\"}",
        "0{\"entity\":\"a\",\"scope\":\"b\",\"kind\":\"0xF001\",\"payload\":[1,2.5,null],\"payload_type\":\"msgpack\","
        "\"id\":\"019b76da-a800-7708-890a-0b0c0d0e0f10\",\"correlation\":\"019b76da-a800-7708-890a-0b0c0d0e0f10\","
        "\"causes\":[\"019b76da-a800-7708-890a-0b0c0d0e0f10\"],\"time\":1767225600000000,\"lane\":1,\"depth\":2,"
        "\"flags\":1,\"batch\":\"x\",\"external\":true}",
        "1{\"sequence\":0,\"id\":\"019b76da-a800-7708-890a-0b0c0d0e0f10\",\"entity\":\"a\",\"scope\":\"b\","
        "\"kind\":\"0xF001\",\"clock\":0,\"hlc\":\"1767225600000.0\",\"time\":1767225600000000,\"payload\":\"x\"}",
        "0{\"entity\":\"\\u00e4\\ud83d\\ude00\",\"scope\":\"b\",\"payload\":\"\\n\",\"time\":\"2026-01-01T00:00:00Z\"}",
    };
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        char name[16];
        (void)snprintf(name, sizeof name, "lines-%zu", i);
        emit(argument, name, texts[i], strlen(texts[i]));
    }
}
