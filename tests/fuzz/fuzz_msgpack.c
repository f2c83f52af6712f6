/*
 * fuzz_msgpack.c: payloads between JSON and MessagePack (cli/payload.h); the first byte says in which direction. What one
 * direction makes, the other gives back, or an export writes it as base64: never as another text.
 */
#include "fuzz/fuzz.h"

#include "../../cli/payload.h"
#include "../../cli/scan.h"

/* JSON that an import takes: its MessagePack, shown as JSON, is packed to the same bytes. */
static void pack(const char *json, size_t size)
{
    struct text packed = {0};
    struct text shown = {0};
    struct text again = {0};
    const char *wrong = payload_to_msgpack(json, size, &packed);
    if (wrong == NULL && payload_from_msgpack(packed.data, packed.size, &shown)) {
        CHECK(payload_to_msgpack(shown.data, shown.size, &again) == NULL, "what was shown cannot be packed: %.*s",
              (int)shown.size, shown.data);
        CHECK(again.size == packed.size && memcmp(again.data, packed.data, packed.size) == 0,
              "%.*s is packed otherwise when it is read back as %.*s", (int)size, json, (int)shown.size, shown.data);
    }
    CHECK(wrong == NULL || wrong[0] != '\0', "refused without words");
    text_free(&packed);
    text_free(&shown);
    text_free(&again);
}

/* An event whose payload is these bytes, as a line of an export: `payload` only if it packs to the very same. */
static void export_line(const uint8_t *data, size_t size, uint8_t type)
{
    struct text line = {0};
    struct text again = {0};
    bp_event event = {.payload = data, .payload_size = size, .payload_type = type};
    put_open(&line, NULL, '{');
    put_payload(&line, &event);
    put_close(&line, '}');
    struct scan scan = {.text = line.data, .size = line.size};
    struct slice key;
    struct slice value;
    CHECK(scan_object(&scan) && scan_member(&scan, true, &key, &value) == 1, "an exported line is no JSON: %.*s",
          (int)line.size, line.data);
    if (slice_is(&key, "\"payload\"") && type == BP_PAYLOAD_MSGPACK) {
        CHECK(payload_to_msgpack(value.data, value.size, &again) == NULL && again.size == size &&
                  memcmp(again.data, data, size) == 0,
              "an exported payload packs otherwise: %.*s", (int)value.size, value.data);
    } else if (slice_is(&key, "\"payload\"") && type == BP_PAYLOAD_JSON) {
        CHECK(value.size == size && memcmp(value.data, data, size) == 0, "an exported JSON payload differs");
    }
    text_free(&again);
    text_free(&line);
    text_add_payload(&again, &event, 40);
    text_free(&again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0) {
        return 0;
    }
    uint8_t *bytes = fuzz_copy(data + 1, size - 1);
    if (data[0] % 2 == 0) {
        pack((const char *)bytes, size - 1);
        export_line(bytes, size - 1, BP_PAYLOAD_JSON);
    } else {
        struct text shown = {0};
        (void)payload_from_msgpack(bytes, size - 1, &shown);
        text_free(&shown);
        export_line(bytes, size - 1, BP_PAYLOAD_MSGPACK);
    }
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
    static const char *const texts[] = {"{\"a\":[1,-1,1.5,true,null,\"\\u00e4\"],\"b\":{}}",
                                        "[18446744073709551615,-9223372036854775808,1e300,0.1]",
                                        "\"\\ud83d\\ude00 \\n\"", "{\"k\":1,\"k\":2}", "[[[[[]]]]]"};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        char name[16];
        struct text input = {0};
        text_add_char(&input, 0);
        text_add_string(&input, texts[i]);
        (void)snprintf(name, sizeof name, "json-%zu", i);
        emit(argument, name, input.data, input.size);
        input.size = 0;
        text_add_char(&input, 1);
        if (payload_to_msgpack(texts[i], strlen(texts[i]), &input) == NULL) {
            (void)snprintf(name, sizeof name, "msgpack-%zu", i);
            emit(argument, name, input.data, input.size);
        }
        text_free(&input);
    }
}
