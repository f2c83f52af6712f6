/*
 * test_dump.c: the fields of MANIFEST, segment lists, live and LOCK, what names mean, and a real store's files.
 */
#include "store/dump_seen.h"

#include "base/bytes.h"
#include "format/frame.h"
#include "format/live.h"
#include "format/manifest.h"

/* ---- MANIFEST ---- */

static bpi_manifest some_manifest(uint64_t generation)
{
    return (bpi_manifest){.generation = generation,
                          .store_id = store_id,
                          .epoch = 4,
                          .clean = true,
                          .durable = bpi_lsn(3, 4096),
                          .hlc_ceiling = BP_HLC_MIN_OF_MS(UINT64_C(1769860800000)) + 5,
                          .list_generation = 2,
                          .list_size = 192,
                          .segment_size = 1 << 20,
                          .layout = 4,
                          .cuts = 1,
                          .cut_lsn = bpi_lsn(2, 128),
                          .cut_bytes = 77};
}

static void put_slot(uint8_t *data, uint64_t generation)
{
    bpi_manifest manifest = some_manifest(generation);
    bpi_slot_put(&manifest, data + generation % 2 * BPI_SLOT_SIZE);
}

static void manifest_names_the_fields_of_both_slots(void **state)
{
    (void)state;
    uint8_t data[BPI_MANIFEST_SIZE] = {0};
    put_slot(data, 6);
    put_slot(data, 7);
    dump("MANIFEST", data, sizeof data);
    assert_int_equal(seen.bad, 0);
    assert_int_equal(seen.count, 2 * 23);
    says("slot 0", "generation", "6 (the one before)");
    says("slot 1", "generation", "7 (the manifest)");
    says("slot 1", "magic", "BATPAKMF");
    says("slot 1", "store id", "cafe0203-0405-7607-8809-0a0b0c0d0e0f");
    says("slot 1", "flags", "1 clean");
    says("slot 1", "durable LSN", "3:4096");
    says("slot 1", "HLC ceiling", "1769860800000.5 2026-01-31T12:00:00Z");
    says("slot 1", "layout", "4 SOA");
    says("slot 1", "last cut", "2:128");
    assert_non_null(strstr(find("slot 1", "crc")->value, "(right)"));
    assert_int_equal(find("slot 1", "segment size")->offset, BPI_SLOT_SIZE + BPI_SLOT_SEGMENT_SIZE);
    assert_int_equal(find("slot 1", "rest")->offset, BPI_SLOT_SIZE + BPI_SLOT_REST);
}

static void manifest_says_when_a_slot_was_never_written(void **state)
{
    (void)state;
    uint8_t data[BPI_MANIFEST_SIZE] = {0};
    put_slot(data, 1);
    dump("MANIFEST", data, sizeof data);
    assert_int_equal(seen.bad, 0);
    says("slot 0", "unused", "never written: 4096 zero bytes");
    data[BPI_SLOT_SIZE + BPI_SLOT_REST + 1] = 1;
    dump("MANIFEST", data, sizeof data);
    assert_true(find("slot 0", "unused")->bad);
    assert_true(find("slot 1", "crc")->bad && find("slot 1", "rest")->bad);
}

static void manifest_marks_each_field_out_of_range(void **state)
{
    (void)state;
    static const struct {
        size_t offset;
        const char *name;
        uint8_t value;
    } changes[] = {{BPI_SLOT_VERSION, "version", 2},
                   {BPI_SLOT_GENERATION, "generation", 6},
                   {BPI_SLOT_INCOMPAT, "incompat", 2},
                   {BPI_SLOT_EPOCH, "epoch", 0},
                   {BPI_SLOT_FLAGS, "flags", 4},
                   {BPI_SLOT_LIST_SIZE, "list size", 191},
                   {BPI_SLOT_SEGMENT_SIZE, "segment size", 1},
                   {BPI_SLOT_LAYOUT, "layout", 6},
                   {BPI_SLOT_ZERO1, "zero", 1},
                   {BPI_SLOT_REST, "rest", 1},
                   {BPI_SLOT_MAGIC, "magic", 'b'}};
    for (size_t i = 0; i < sizeof changes / sizeof changes[0]; i++) {
        uint8_t data[BPI_MANIFEST_SIZE] = {0};
        put_slot(data, 6);
        put_slot(data, 7);
        data[BPI_SLOT_SIZE + changes[i].offset] = changes[i].value;
        bpt_put_crc(data + BPI_SLOT_SIZE, BPI_SLOT_SIZE, BPI_SLOT_CRC);
        dump("MANIFEST", data, sizeof data);
        only_bad("slot 1", changes[i].name, "(");
    }
    uint8_t data[BPI_MANIFEST_SIZE] = {0};
    put_slot(data, 6);
    put_slot(data, 7);
    bpi_put64(data + BPI_SLOT_GENERATION, 0);
    bpt_put_crc(data, BPI_SLOT_SIZE, BPI_SLOT_CRC);
    dump("MANIFEST", data, sizeof data);
    only_bad("slot 0", "generation", "must not be 0");
}

static void manifest_of_any_length_is_covered(void **state)
{
    (void)state;
    uint8_t data[BPI_MANIFEST_SIZE + 9] = {0};
    put_slot(data, 6);
    put_slot(data, 7);
    for (size_t size = 0; size < BPI_MANIFEST_SIZE; size += size < 140 ? 1 : 997) {
        dump("MANIFEST", data, size);
        assert_true(seen.bad > 0);
    }
    dump("MANIFEST", data, sizeof data);
    only_bad("rest", "unreadable", "9 bytes");
}

/* ---- SEGMENTS ---- */

static size_t some_list(uint8_t *data, bpi_segment_entry entries[4])
{
    entries[0] = (bpi_segment_entry){
        .ordinal = 1, .generation = 1, .state = BPI_SEGMENT_SEALED, .link = 5, .salt = 9, .count = 10, .length = 640};
    entries[1] = entries[0];
    entries[1].generation = 2;
    entries[1].state = BPI_SEGMENT_RETIRED;
    entries[2] = entries[0];
    entries[2].ordinal = 2;
    entries[2].first_sequence = 10;
    entries[3] = (bpi_segment_entry){.ordinal = 3, .generation = 1, .state = BPI_SEGMENT_OPEN, .salt = 9};
    (void)bpi_list_put(data, &store_id, 12, entries, 4);
    return bpi_list_size(4);
}

static void list_names_header_and_entries(void **state)
{
    (void)state;
    uint8_t data[1024];
    bpi_segment_entry entries[4];
    size_t size = some_list(data, entries);
    dump("SEGMENTS-12", data, size);
    assert_int_equal(seen.bad, 0);
    assert_int_equal(seen.count, 8 + 4 * 14);
    says("header", "generation", "12");
    says("header", "entries", "4");
    says("entry 1", "state", "2 retired");
    says("entry 2", "first sequence", "10");
    says("entry 3", "state", "0 open");
    dump("SEGMENTS-13", data, size);
    only_bad("header", "generation", "not the one in the name");
}

static void change_entry(bpi_segment_entry *entries, unsigned which)
{
    switch (which) {
    case 0:
        entries[2].ordinal = 1;
        break;
    case 1:
        entries[2].first_sequence = 9;
        break;
    case 2:
        entries[2].length = 63;
        break;
    case 3:
        entries[2].salt = 0;
        break;
    case 4:
        entries[0].state = BPI_SEGMENT_OPEN;
        break;
    default:
        entries[3].state = 3;
        break;
    }
}

static void list_marks_what_does_not_join(void **state)
{
    (void)state;
    static const char *const bad[][2] = {{"entry 2", "ordinal"}, {"entry 2", "first sequence"}, {"entry 2", "length"},
                                         {"entry 2", "salt"},    {"entry 2", "state"},          {"entry 3", "state"}};
    for (unsigned i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        uint8_t data[1024];
        bpi_segment_entry entries[4];
        size_t size = some_list(data, entries);
        change_entry(entries, i);
        (void)bpi_list_put(data, &store_id, 12, entries, 4);
        dump("SEGMENTS-12", data, size);
        assert_true(find(bad[i][0], bad[i][1])->bad);
        assert_false(find("header", "crc")->bad);
    }
}

static void list_marks_a_wrong_header(void **state)
{
    (void)state;
    static const struct {
        size_t offset;
        uint8_t value;
        const char *group;
        const char *name;
        const char *part;
    } changes[] = {{40, 0, "header", "entries", "at least 1"},
                   {40, 3, "header", "entries", "not what the file holds"},
                   {44, 64, "header", "entry size", "must be 128"},
                   {63, 1, "header", "zero", "must be zero"},
                   {64 + 3 * 128 + 12, 1, "entry 3", "link", "must be zero while open"}};
    for (size_t i = 0; i < sizeof changes / sizeof changes[0]; i++) {
        uint8_t data[1024];
        bpi_segment_entry entries[4];
        size_t size = some_list(data, entries);
        data[changes[i].offset] = changes[i].value;
        bpt_put_crc(data, size, 12);
        dump("SEGMENTS-12", data, size);
        only_bad(changes[i].group, changes[i].name, changes[i].part);
    }
}

static void list_of_any_length_is_covered(void **state)
{
    (void)state;
    uint8_t data[1024];
    bpi_segment_entry entries[4];
    size_t whole = some_list(data, entries);
    for (size_t size = 0; size < whole; size++) {
        dump("SEGMENTS-12", data, size);
        assert_true(seen.bad > 0);
    }
}

/* ---- live and LOCK ---- */

static void live_names_its_fields(void **state)
{
    (void)state;
    bpi_live live;
    bp_io_place place = {.boot = {1, 2, 3}, .mount = 0x1234};
    uint8_t data[BPI_LIVE_SIZE + 1] = {0};
    bpi_live_put(&live, &store_id, &place, 4, 4711);
    memcpy(data, &live, sizeof live);
    bpi_put32(data + BPI_LIVE_STATE, BPI_LIVE_OPEN);
    bpi_put64(data + BPI_LIVE_PUBLISHED, bpi_lsn(1, 512));
    dump("live", data, BPI_LIVE_SIZE);
    assert_int_equal(seen.bad, 0);
    says("live", "pid", "4711");
    says("live", "state", "1 open");
    says("live", "published LSN", "1:512");
    data[BPI_LIVE_PID] ^= 1;
    dump("live", data, BPI_LIVE_SIZE);
    only_bad("live", "crc", "wrong");
    data[BPI_LIVE_PID] ^= 1;
    data[BPI_LIVE_STATE] = 0;
    dump("live", data, BPI_LIVE_SIZE);
    only_bad("live", "state", "unknown");
    data[BPI_LIVE_STATE] = BPI_LIVE_CLOSED;
    dump("live", data, sizeof data);
    only_bad("rest", "unreadable", "1 bytes");
    for (size_t size = 0; size < 120; size++) {
        dump("live", data, size);
        assert_true(seen.bad > 0);
    }
}

static void lock_shows_its_text(void **state)
{
    (void)state;
    dump("LOCK", (const uint8_t *)"815\n", 4);
    says("lock", "holder", "815");
    dump("LOCK", NULL, 0);
    says("lock", "holder", "nobody");
    dump("LOCK", (const uint8_t *)"\x1b[2J", 4);
    says("lock", "holder", "escaped: \\x1b[2J");
}

/* ---- the call ---- */

static void names_lead_nowhere_else(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        bp_status status;
    } names[] = {{"", BP_ERR_ARGUMENT},
                 {"..", BP_ERR_ARGUMENT},
                 {"../s/MANIFEST", BP_ERR_ARGUMENT},
                 {"/s/MANIFEST", BP_ERR_ARGUMENT},
                 {"log/../MANIFEST", BP_ERR_ARGUMENT},
                 {"log//0000000003-1.seg", BP_ERR_ARGUMENT},
                 {"./MANIFEST", BP_ERR_ARGUMENT},
                 {"log/x/0000000003-1.seg", BP_ERR_ARGUMENT},
                 {"text", BP_ERR_FORMAT},
                 {"log/", BP_ERR_FORMAT},
                 {"log/MANIFEST", BP_ERR_FORMAT},
                 {"0000000003-1.seg", BP_ERR_FORMAT},
                 {"SEGMENTS-", BP_ERR_FORMAT},
                 {"SEGMENTS-99999999999999999999", BP_ERR_FORMAT},
                 {"SEGMENTS-1x", BP_ERR_FORMAT},
                 {"log/3-1-64.torn", BP_ERR_FORMAT},
                 {"keys/1", BP_ERR_FORMAT},
                 {"MANIFEST", BP_ERR_NOT_FOUND},
                 {"SEGMENTS-1", BP_ERR_NOT_FOUND},
                 {"log/0000000009-1.seg", BP_ERR_NOT_FOUND}};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        bp_error error;
        bpt_note("%s", names[i].name);
        CHECK_STATUS(names[i].status, dump_status(names[i].name, &error), &error);
        assert_int_equal(seen.count, 0);
    }
    const bp_io *io = bpi_fault_io(world);
    CHECK_STATUS(BP_ERR_NOT_FOUND, bp_dump_file("none", "MANIFEST", io, take_field, &seen, NULL), NULL);
    CHECK_STATUS(BP_ERR_ARGUMENT, bp_dump_file(NULL, "MANIFEST", io, take_field, &seen, NULL), NULL);
    CHECK_STATUS(BP_ERR_ARGUMENT, bp_dump_file("s", NULL, io, take_field, &seen, NULL), NULL);
    CHECK_STATUS(BP_ERR_ARGUMENT, bp_dump_file("s", "MANIFEST", io, NULL, NULL, NULL), NULL);
}

typedef struct every {
    bpt_world *world;
    size_t files;
} every;

static void dump_one(void *argument, const char *name, const uint8_t *data, size_t size)
{
    every *e = argument;
    bp_error error;
    (void)data;
    if (strchr(name, '/') != NULL && strncmp(name, "log/", 4) != 0) {
        return; /* derived */
    }
    memset(&seen, 0, sizeof seen);
    CHECK_OK(bp_dump_file(e->world->path, name, e->world->io, take_field, &seen, &error), &error);
    CHECK(seen.bad == 0 && seen.covered == size, "%s: %zu bad fields, %llu of %zu bytes", name, seen.bad,
          (unsigned long long)seen.covered, size);
    e->files++;
}

static void files_of_a_real_store_have_no_bad_field(void **state)
{
    (void)state;
    bpt_world disk;
    bpt_world_disk(&disk);
    bp_store *store = bpt_open(&disk);
    for (unsigned i = 0; i < 2000; i++) {
        (void)bpt_put(store, i % 3 == 0 ? "order:1" : "order:2", "some words");
    }
    bpt_close(store);
    every e = {.world = &disk};
    bpt_file_each(&disk, dump_one, &e);
    assert_true(e.files >= 5);
    bpt_world_end(&disk);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(manifest_names_the_fields_of_both_slots),
        TEST(manifest_says_when_a_slot_was_never_written),
        TEST(manifest_marks_each_field_out_of_range),
        TEST(manifest_of_any_length_is_covered),
        TEST(list_names_header_and_entries),
        TEST(list_marks_what_does_not_join),
        TEST(list_marks_a_wrong_header),
        TEST(list_of_any_length_is_covered),
        TEST(live_names_its_fields),
        TEST(lock_shows_its_text),
        TEST(names_lead_nowhere_else),
        TEST(files_of_a_real_store_have_no_bad_field),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
