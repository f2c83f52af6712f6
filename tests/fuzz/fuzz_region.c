/*
 * fuzz_region.c: the text form of regions. What parses is written in the canonical form, which parses again, to the same
 * text; and refusals have words.
 */
#include "fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static char first[8192];
    static char second[8192];
    bp_error error = {0};
    bp_region region;
    bp_region again;
    bp_region_text *owner = NULL;
    bp_region_text *owner_again = NULL;
    char *text = malloc(size + 1);
    CHECK(text != NULL, "no memory");
    memcpy(text, data, size);
    text[size] = '\0';
    bp_status status = bp_region_parse(NULL, text, &region, &owner, &error);
    CHECK(status == BP_OK || error.message[0] != '\0', "a region is answered %s without words", bp_status_name(status));
    if (status == BP_OK) {
        size_t length = bp_region_format(&region, first, sizeof first);
        CHECK(length < sizeof first, "the canonical form has %zu bytes", length);
        CHECK_OK(bp_region_parse(NULL, first, &again, &owner_again, &error), &error);
        CHECK(bp_region_format(&again, second, sizeof second) == length && strcmp(first, second) == 0,
              "\"%s\" becomes \"%s\"", first, second);
        bp_event event = {.entity = {"order:1", 7}, .scope = {"eu", 2}, .kind = 0xf001};
        CHECK(bp_region_matches(&region, &event) == bp_region_matches(&again, &event), "\"%s\" matches otherwise",
              first);
    }
    bp_region_text_free(owner);
    bp_region_text_free(owner_again);
    free(text);
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
        "all",
        "entity=order:1 scope=eu kind=0xF001",
        "entity=order:* category=0x1 lane=2 system=yes",
        "clock=3..9 sequence=..100 committed=2026-01-01.. time=2026-01-01T00:00:00Z..2026-02-01",
        "correlation=019b76da-a800-7708-890a-0b0c0d0e0f10 cause=019b76da-a800-7708-890a-0b0c0d0e0f10",
        "entity=\"a b\" scope='c\\'d'",
        "kind=15:1 clock=7",
    };
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        char name[16];
        (void)snprintf(name, sizeof name, "text-%zu", i);
        emit(argument, name, texts[i], strlen(texts[i]));
    }
}
