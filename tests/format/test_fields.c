/*
 * test_fields.c: every field of what lies on disk, with any value and the checksum made right again: what is read is in its
 * range and written as the same bytes, or it is refused with words. Also cut at every length, and longer.
 */
#include "base/bytes.h"
#include "base/checksum.h"
#include "format/consumer.h"
#include "format/fold.h"
#include "format/key_file.h"
#include "format/manifest.h"
#include "format/note.h"
#include "format/record.h"
#include "support/world.h"

enum { MOST = 4096, SEED = 77 };

typedef struct form {
    const char *name;
    size_t (*make)(uint8_t *bytes);
    void (*mend)(uint8_t *bytes, size_t size);
    /* NULL: it is right, and was written as the same bytes. Else why not. */
    const char *(*read)(const uint8_t *bytes, size_t size);
} form;

static const char not_the_same[] = "NOT THE SAME";
static uint8_t again[2 * MOST];

static const char *same(const uint8_t *bytes, size_t size, size_t written)
{
    return written == size && memcmp(bytes, again, size) == 0 ? NULL : not_the_same;
}

static void mend_at_12(uint8_t *bytes, size_t size)
{
    if (size >= 16) {
        bpt_put_crc(bytes, size, 12);
    }
}

/* ---- notes of snapshots ---- */

static size_t make_note(uint8_t *bytes)
{
    bpi_note note = {
        .time_us = 5, .frontier = 6, .events = 7, .epoch = 8, .flags = 1, .path_size = 6, .path = "/a/snp"};
    note.store_id.bytes[3] = 1;
    note.id.bytes[4] = 2;
    note.root.bytes[5] = 3;
    return bpi_note_put(&note, bytes);
}

static const char *read_note(const uint8_t *bytes, size_t size)
{
    bpi_note note;
    const char *fault = bpi_note_get(bytes, size, &note);
    /* what only a reader of versions looks at */
    return fault != NULL || bpi_get32(bytes + 8) != 1 ? fault : same(bytes, size, bpi_note_put(&note, again));
}

/* ---- keys ---- */

static size_t make_key(uint8_t *bytes)
{
    bpi_key_file file = {.made_us = 9, .wrapped = true, .subject = bp_text_of("person:1")};
    file.store_id.bytes[0] = 1;
    file.key_id.bytes[1] = 2;
    memset(file.nonce, 3, sizeof file.nonce);
    memset(file.key, 4, sizeof file.key);
    return bpi_key_file_put(&file, bytes);
}

static const char *read_key(const uint8_t *bytes, size_t size)
{
    bpi_key_file file;
    const char *fault = bpi_key_file_get(bytes, size, &file);
    return fault != NULL ? fault : same(bytes, size, bpi_key_file_put(&file, again));
}

/* ---- consumers ---- */

enum { PARKED = 2 };

static size_t make_consumer(uint8_t *bytes)
{
    bpi_parked parked[PARKED] = {
        {.sequence = 4, .time_us = 5, .attempts = 6, .retry = true, .reason_size = 3, .reason = "why"},
        {.sequence = 7, .attempts = 1}};
    bpi_consumer_file file = {.flags = BPI_CONSUMER_PUBLISHED,
                              .updated_us = 3,
                              .partition = 1,
                              .partitions = 4,
                              .parked_count = PARKED,
                              .name = bp_text_of("mailer"),
                              .region = bp_text_of("entity=a")};
    file.store_id.bytes[0] = 1;
    file.position.next = 9;
    file.position.epoch = 2;
    bpi_consumer_put(&file, parked, bytes);
    return bpi_consumer_size(&file, parked);
}

static const char *read_consumer(const uint8_t *bytes, size_t size)
{
    static bpi_parked parked[MOST];
    bpi_consumer_file file;
    uint32_t version = 0;
    const char *fault = bpi_consumer_get(bytes, size, &file, &version);
    if (fault != NULL) {
        return fault;
    }
    const uint8_t *at = file.parked;
    assert_true(file.parked_count < MOST);
    for (uint32_t i = 0; i < file.parked_count; i++) {
        bpi_consumer_next_parked(&at, &parked[i]);
    }
    bpi_consumer_put(&file, parked, again);
    return same(bytes, size, bpi_consumer_size(&file, parked));
}

/* ---- what retention leaves ---- */

static size_t make_fold(uint8_t *bytes)
{
    bp_event event = {
        .sequence = 3, .batch = 3, .hlc = 4, .clock = 5, .entity = bp_text_of("e"), .scope = bp_text_of("s")};
    event.id.bytes[0] = 1;
    (void)bpi_fold_put(bytes, &event, SEED);
    return bpi_fold_size(&event);
}

static void mend_fold(uint8_t *bytes, size_t size)
{
    size_t length = size < BPI_FOLD_MIN ? 0 : bpi_get32(bytes + BPI_FOLD_LENGTH);
    if (length >= BPI_FOLD_MIN && length <= size) {
        bpi_put32(bytes, bpi_crc32c(SEED, bytes + BPI_FOLD_LENGTH, length - BPI_FOLD_LENGTH));
    }
}

static const char *read_fold(const uint8_t *bytes, size_t size)
{
    bp_event event;
    bool first = false;
    size_t length = 0;
    const char *fault = bpi_fold_view(bytes, size, SEED, &event, &first, &length);
    if (fault != NULL) {
        return fault;
    }
    event.batch = first ? event.sequence : event.sequence + 1;
    (void)bpi_fold_put(again, &event, SEED);
    return length <= size ? same(bytes, length, bpi_fold_size(&event)) : not_the_same;
}

/* ---- records ---- */

static size_t extensions(uint8_t *bytes, bool private)
{
    static const uint8_t lane[8] = {1, 0, 0, 0, 2};
    static const uint8_t correlation[16] = {9};
    static const uint8_t hops[4] = {3};
    size_t size = 0;
    if (private) {
        return bpi_extension_put(bytes, BP_TAG_SUBJECT, "person:1", 8);
    }
    const struct {
        uint16_t tag;
        const void *value;
        size_t size;
    } all[] = {{BP_TAG_LANE, lane, 8},
               {BP_TAG_CORRELATION, correlation, 16},
               {BP_TAG_HOPS, hops, 4},
               {BP_TAG_EXTERNAL, "", 0}};
    for (unsigned tag = 0; tag < 0x8000; tag++) { /* in order */
        for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
            size += all[i].tag == tag ? bpi_extension_put(bytes + size, all[i].tag, all[i].value, all[i].size) : 0;
        }
    }
    return size;
}

static size_t put_record(uint8_t *bytes, const bp_event *event)
{
    bpi_record_input input = {.id = event->id,
                              .kind = event->kind,
                              .flags = event->flags,
                              .payload_type = event->payload_type,
                              .state = (uint8_t)((event->payload_absent ? BPI_RECORD_STATE_STUB : 0) |
                                                 (event->tombstoned ? BPI_RECORD_STATE_TOMBSTONED : 0)),
                              .payload_version = event->payload_version,
                              .cause_count = (uint8_t)event->cause_count,
                              .entity = event->entity,
                              .scope = event->scope,
                              .causes = event->causes,
                              .public_extensions = event->extensions,
                              .public_size = event->public_extensions_size,
                              .private_extensions = (const uint8_t *)event->extensions + event->public_extensions_size,
                              .private_size = event->private_extensions_size,
                              .payload = event->payload,
                              .payload_size = event->payload_size,
                              .content_hash = event->content_hash};
    memcpy(input.salt, event->salt, sizeof input.salt);
    bpi_record_assigned assigned = {event->sequence, event->clock, event->hlc, event->time_us, event->event_hash};
    uint32_t crc = bpi_record_build(bytes, &input, SEED);
    (void)bpi_record_assign(bytes, &assigned, crc);
    return bpi_record_size(&input);
}

static size_t make_record(uint8_t *bytes)
{
    uint8_t parts[256];
    bp_id causes[2];
    memset(causes, 5, sizeof causes);
    size_t public = extensions(parts, false);
    bp_event event = {.sequence = 3,
                      .clock = 2,
                      .hlc = 9,
                      .time_us = 8,
                      .kind = 0xf001,
                      .payload_type = BP_PAYLOAD_RAW,
                      .entity = bp_text_of("ent"),
                      .scope = bp_text_of("scope"),
                      .causes = causes,
                      .cause_count = 2,
                      .extensions = parts,
                      .public_extensions_size = public,
                      .private_extensions_size = extensions(parts + public, true),
                      .payload = "payload",
                      .payload_size = 7};
    memset(event.id.bytes, 1, sizeof event.id.bytes);
    return put_record(bytes, &event);
}

static size_t make_stub(uint8_t *bytes)
{
    bp_event event = {
        .sequence = 3, .entity = bp_text_of("e"), .scope = bp_text_of("s"), .payload_absent = true, .tombstoned = true};
    memset(event.id.bytes, 1, sizeof event.id.bytes);
    memset(event.content_hash.bytes, 7, sizeof event.content_hash.bytes);
    return put_record(bytes, &event);
}

static void mend_record(uint8_t *bytes, size_t size)
{
    size_t length = size < BPI_RECORD_MIN ? 0 : bpi_get32(bytes + BPI_RECORD_LENGTH);
    if (length >= BPI_RECORD_MIN && length <= size) {
        uint32_t crc = bpi_crc32c(SEED, bytes + BPI_RECORD_FIXED, length - BPI_RECORD_FIXED);
        bpi_put32(bytes, bpi_crc32c(crc, bytes + BPI_RECORD_LENGTH, BPI_RECORD_FIXED - BPI_RECORD_LENGTH));
    }
}

static const char *read_record(const uint8_t *bytes, size_t size)
{
    bp_event event;
    size_t length = 0;
    const char *fault = bpi_record_check(bytes, size, SEED, &event, &length);
    if (fault != NULL) {
        return fault;
    }
    (void)bpi_record_contradiction(&event);
    return length <= size ? same(bytes, length, put_record(again, &event)) : not_the_same;
}

/* ---- lists of segments ---- */

enum { ENTRIES = 4 };

static bpi_manifest list_manifest(void)
{
    bpi_manifest manifest = {
        .list_generation = 6, .list_size = (uint32_t)bpi_list_size(ENTRIES), .incompat = BPI_INCOMPAT_FOLD};
    manifest.store_id.bytes[0] = 1;
    return manifest;
}

static size_t make_list(uint8_t *bytes)
{
    bpi_manifest manifest = list_manifest();
    bpi_segment_entry entries[ENTRIES] = {{.ordinal = 0,
                                           .generation = 2,
                                           .state = BPI_SEGMENT_SEALED,
                                           .link = 5,
                                           .salt = 11,
                                           .count = 4,
                                           .length = 4096,
                                           .frames = 3,
                                           .rewritten = true,
                                           .own_link = 8},
                                          {.ordinal = 0,
                                           .generation = 1,
                                           .state = BPI_SEGMENT_RETIRED,
                                           .link = 5,
                                           .salt = 12,
                                           .count = 4,
                                           .length = 8192},
                                          {.ordinal = 1,
                                           .generation = 1,
                                           .state = BPI_SEGMENT_SEALED,
                                           .link = 6,
                                           .salt = 13,
                                           .first_sequence = 4,
                                           .count = 2,
                                           .length = 4096,
                                           .frames = 2},
                                          {.ordinal = 2, .generation = 1, .state = BPI_SEGMENT_OPEN, .salt = 14}};
    (void)bpi_list_put(bytes, &manifest.store_id, manifest.list_generation, entries, ENTRIES);
    return bpi_list_size(ENTRIES);
}

static const char *read_list(const uint8_t *bytes, size_t size)
{
    static bp_error error;
    bpi_manifest manifest = list_manifest();
    bpi_segment_entry entries[ENTRIES];
    manifest.list_crc = bpi_crc32c(0, bytes, size);
    if (bpi_list_get(bytes, size, &manifest, entries, ENTRIES, &error) != BP_OK) {
        return error.message;
    }
    (void)bpi_list_put(again, &manifest.store_id, manifest.list_generation, entries, ENTRIES);
    return same(bytes, size, bpi_list_size(ENTRIES));
}

/* A list that must be refused without a fold bit in the manifest, and one with no open segment. */
static void lists_say_what_the_manifest_says(void **state)
{
    (void)state;
    uint8_t bytes[MOST];
    bp_error error = {0};
    bpi_segment_entry entries[ENTRIES];
    size_t size = make_list(bytes);
    bpi_manifest manifest = list_manifest();
    manifest.list_crc = bpi_crc32c(0, bytes, size);
    CHECK_OK(bpi_list_get(bytes, size, &manifest, entries, ENTRIES, &error), &error);
    manifest.incompat = 0;
    CHECK_STATUS(BP_ERR_CORRUPT, bpi_list_get(bytes, size, &manifest, entries, ENTRIES, &error), &error);
    CHECK(strstr(error.message, "rewritten") != NULL, "%s", error.message);
    manifest.incompat = BPI_INCOMPAT_FOLD;
    (void)bpi_list_put(bytes, &manifest.store_id, manifest.list_generation, entries, ENTRIES - 1);
    manifest.list_size = (uint32_t)bpi_list_size(ENTRIES - 1);
    manifest.list_crc = bpi_crc32c(0, bytes, manifest.list_size);
    CHECK_STATUS(BP_ERR_CORRUPT, bpi_list_get(bytes, manifest.list_size, &manifest, entries, ENTRIES - 1, &error),
                 &error);
    CHECK(strstr(error.message, "open") != NULL, "%s", error.message);
}

/* ---- every field ---- */

static void judge(const form *f, uint8_t *bytes, size_t size, bool must_be_refused)
{
    uint8_t *tight = malloc(size + (size == 0)); /* so that a look beyond its end is seen */
    assert_non_null(tight);
    f->mend(bytes, size);
    memcpy(tight, bytes, size);
    const char *fault = f->read(tight, size);
    CHECK(fault != not_the_same, "what was read is written differently");
    CHECK(!must_be_refused || fault != NULL, "it was taken");
    CHECK(fault == NULL || fault[0] != '\0', "refused without words");
    free(tight);
}

static void every_field_with_any_value(void **state)
{
    (void)state;
    static const form forms[] = {{"note", make_note, mend_at_12, read_note},
                                 {"key", make_key, mend_at_12, read_key},
                                 {"consumer", make_consumer, mend_at_12, read_consumer},
                                 {"fold entry", make_fold, mend_fold, read_fold},
                                 {"record", make_record, mend_record, read_record},
                                 {"stub", make_stub, mend_record, read_record},
                                 {"list", make_list, mend_at_12, read_list}};
    static const uint8_t changes[] = {1, 2, 4, 8, 16, 32, 64, 128, 255};
    static const size_t runs[] = {2, 4, 8, 16};
    static uint8_t right[MOST];
    static uint8_t bytes[MOST];
    for (size_t i = 0; i < sizeof forms / sizeof *forms; i++) {
        const form *f = &forms[i];
        memset(right, 0, sizeof right);
        size_t size = f->make(right);
        assert_true(size < MOST - 64);
        bpt_note("%s", f->name);
        assert_null(f->read(right, size));
        for (size_t at = 0; at < size; at++) {
            for (size_t c = 0; c < sizeof changes; c++) {
                bpt_note("%s, byte %zu ^ %u", f->name, at, changes[c]);
                memcpy(bytes, right, size);
                bytes[at] ^= changes[c];
                judge(f, bytes, size, false);
            }
            for (size_t r = 0; r < sizeof runs / sizeof *runs && at + runs[r] <= size; r++) {
                bpt_note("%s, %zu zeros at %zu", f->name, runs[r], at);
                memcpy(bytes, right, size);
                memset(bytes + at, 0, runs[r]);
                judge(f, bytes, size, false);
            }
            bpt_note("%s, cut at %zu", f->name, at);
            memcpy(bytes, right, size);
            judge(f, bytes, at, true);
        }
        if (f->mend == mend_at_12) { /* the others say their length themselves */
            bpt_note("%s, longer", f->name);
            memcpy(bytes, right, sizeof bytes);
            judge(f, bytes, size + 8, true);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_field_with_any_value),
        cmocka_unit_test(lists_say_what_the_manifest_says),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
