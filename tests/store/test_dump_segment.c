/*
 * test_dump_segment.c: the fields of segments, good ones, damaged ones and any bytes.
 *
 * Held: a field is bad if and only if the scanner, which decides what a store accepts, does not accept all of it.
 * BATPAK_SEED replays a run; BATPAK_ROUNDS does more of them.
 */
#include "store/dump_seen.h"

#include <errno.h>

#include "base/bytes.h"
#include "base/checksum.h"
#include "format/frame.h"
#include "format/manifest.h"
#include "format/record.h"
#include "log/scan.h"

enum { ROOM = 1 << 20, FRAMES_MAX = 16, RECORDS_MAX = 64 };

static const char segment_name[] = "log/0000000003-1.seg";
static const bp_id other_id = {{0x42}};

/* ---- a segment from the format's own functions ---- */

typedef struct segment {
    uint8_t data[ROOM];
    size_t size; /* where the last frame ends */
    uint64_t sequence;
    bp_hlc hlc;
    uint32_t link;
    size_t frames;
    size_t frame_at[FRAMES_MAX];
    size_t records;
    size_t record_at[RECORDS_MAX];
    const void *payload; /* not NULL: that of the records to come */
    size_t payload_size;
} segment;

static segment seg;

static void begin_segment(void)
{
    memset(&seg, 0, sizeof seg);
    bpi_segment_header header = {store_id, 3, 1, UINT64_C(0x8877665544332211), 2};
    bpi_segment_header_put(&header, seg.data);
    seg.size = BPI_SEGMENT_HEADER;
    seg.sequence = 100;
    seg.hlc = BP_HLC_MIN_OF_MS(UINT64_C(1769860800000));
}

/* Records of five shapes, in turn: plain, with all that is public, with all that is private, a stub, a kind's name. */
static bpi_record_input input_of(unsigned shape, uint8_t public[64], uint8_t private[64])
{
    static const bp_id causes[2] = {{{1}}, {{2}}};
    static const uint8_t lane[8] = {1, 0, 0, 0, 2};
    static const uint8_t hops[4] = {3};
    bpi_record_input input = {.kind = BP_KIND(15, 1),
                              .payload_type = BP_PAYLOAD_JSON,
                              .entity = bp_text_of("order:1"),
                              .scope = bp_text_of("Geschäft"),
                              .payload = "{\"a\":\"\xc3\xa4\"}",
                              .payload_size = 10,
                              .salt = {1, 2, 3}};
    if (shape == 1) {
        input.causes = causes;
        input.cause_count = 2;
        input.flags = BP_FLAG_REQUIRES_ACK | BP_FLAG_REPLAY;
        input.public_extensions = public;
        input.public_size = bpi_extension_put(public, BP_TAG_LANE, lane, sizeof lane);
        input.public_size += bpi_extension_put(public + input.public_size, BP_TAG_CORRELATION, &other_id, 16);
        input.public_size += bpi_extension_put(public + input.public_size, BP_TAG_HOPS, hops, sizeof hops);
        input.public_size += bpi_extension_put(public + input.public_size, BP_TAG_EXTERNAL, NULL, 0);
    } else if (shape == 2) {
        input.private_extensions = private;
        input.private_size = bpi_extension_put(private, BP_TAG_BYPASS, "because", 7);
        input.private_size += bpi_extension_put(private + input.private_size, BP_TAG_SUBJECT, "who", 3);
        input.payload_type = BP_PAYLOAD_MSGPACK;
        input.payload = "\x81\xa1\x61\x01";
        input.payload_size = 4;
    } else if (shape == 3) {
        input.state = BPI_RECORD_STATE_STUB | BPI_RECORD_STATE_TOMBSTONED;
        input.payload_size = 0;
        input.content_hash = (bp_hash){{0xab}};
    } else if (shape == 4) {
        input.kind = BP_KIND_NAME;
        input.entity = bp_text_of(BP_SYSTEM_ENTITY);
        input.scope = bp_text_of(BP_SYSTEM_SCOPE);
        input.payload_type = BP_PAYLOAD_RAW;
    }
    return input;
}

static void put_record(unsigned shape)
{
    uint8_t public[64];
    uint8_t private[64];
    bpi_record_input input = input_of(shape, public, private);
    input.id = (bp_id){{0x01, 0x92, (uint8_t)seg.sequence, 4, 5, 6, 0x70, 8, 0x80}};
    if (seg.payload != NULL) {
        input.payload = seg.payload;
        input.payload_size = seg.payload_size;
    }
    seg.hlc++;
    bpi_record_assigned assigned = {
        .sequence = seg.sequence++, .clock = 7, .hlc = seg.hlc, .time_us = INT64_C(1769860800123456)};
    uint8_t *bytes = seg.data + seg.size;
    (void)bpi_record_assign(bytes, &assigned, bpi_record_build(bytes, &input, bpi_record_seed(&store_id)));
    seg.record_at[seg.records++] = seg.size;
    seg.size += bpi_record_size(&input);
}

static void fix_record(size_t at)
{
    uint8_t *bytes = seg.data + at;
    uint32_t length = bpi_get32(bytes + BPI_RECORD_LENGTH);
    uint32_t crc = bpi_crc32c(bpi_record_seed(&store_id), bytes + BPI_RECORD_FIXED, length - BPI_RECORD_FIXED);
    bpi_put32(bytes, bpi_crc32c(crc, bytes + BPI_RECORD_LENGTH, BPI_RECORD_FIXED - BPI_RECORD_LENGTH));
}

/* Makes body CRC, header CRC and all links that follow right. */
static void fix_frame(size_t index)
{
    uint32_t link = 0;
    for (size_t i = index; i < seg.frames; i++) {
        uint8_t *bytes = seg.data + seg.frame_at[i];
        bp_frame frame;
        (void)bpi_frame_get(bytes, &frame);
        if (i > index) {
            frame.previous_crc = link;
        }
        size_t end = i + 1 < seg.frames ? seg.frame_at[i + 1] : seg.size;
        frame.body_crc = 0;
        for (size_t r = 0; r < seg.records; r++) {
            if (seg.record_at[r] > seg.frame_at[i] && seg.record_at[r] < end) {
                frame.body_crc = bpi_crc32c(frame.body_crc, seg.data + seg.record_at[r], 4);
            }
        }
        uint16_t zero = bpi_get16(bytes + BPI_FRAME_ZERO);
        (void)bpi_frame_put(&frame, bytes);
        bpi_put16(bytes + BPI_FRAME_ZERO, zero);
        link = bpi_crc32c(0, bytes, BPI_FRAME_CRC);
        bpi_put32(bytes + BPI_FRAME_CRC, link);
    }
    seg.link = link;
}

static void put_frame(bp_frame_type type, unsigned count)
{
    size_t at = seg.size;
    bp_frame frame = {.salt = UINT64_C(0x8877665544332211),
                      .record_count = count,
                      .type = (uint8_t)type,
                      .flags = BPI_FRAME_MUST_UNDERSTAND,
                      .epoch = 2,
                      .lsn = bpi_lsn(3, at),
                      .first_sequence = seg.sequence,
                      .frontier = bpi_lsn(3, 64),
                      .previous_crc = seg.link};
    seg.frame_at[seg.frames++] = at;
    seg.size += BPI_FRAME_HEADER;
    for (unsigned i = 0; i < count; i++) {
        put_record((unsigned)seg.records % 5);
    }
    frame.length = (uint32_t)(seg.size - at);
    (void)bpi_frame_put(&frame, seg.data + at);
    fix_frame(seg.frames - 1);
}

/* Three commits of 1, 5 and 1 records, a mark, and a close; `zeros` behind them. */
static size_t whole_segment(size_t zeros)
{
    begin_segment();
    put_frame(BP_FRAME_DATA, 1);
    put_frame(BP_FRAME_DATA, 5);
    put_frame(BP_FRAME_MARK, 0);
    put_frame(BP_FRAME_DATA, 1);
    put_frame(BP_FRAME_CLOSE, 0);
    return seg.size + zeros;
}

/* ---- segments ---- */

static void segment_names_header_frames_and_records(void **state)
{
    (void)state;
    size_t size = whole_segment(4096);
    dump(segment_name, seg.data, size);
    assert_int_equal(seen.bad, 0);
    says("header", "ordinal", "3");
    says("header", "salt", "0x8877665544332211");
    says("frame 0 DATA", "records", "1");
    says("frame 1 DATA", "flags", "128 must-understand");
    says("frame 2 MARK", "type", "3 MARK");
    says("frame 3 DATA", "first sequence", "106");
    says("frame 4 CLOSE", "frontier", "3:64");
    says("record 0", "sequence", "100");
    says("record 0", "id", "01926404-0506-7008-8000-000000000000");
    says("record 0", "HLC", "1769860800000.1 2026-01-31T12:00:00Z");
    says("record 0", "time", "1769860800123456 2026-01-31T12:00:00.123456Z");
    says("record 0", "kind", "0xF001");
    says("record 0", "scope", "Geschäft");
    says("record 0", "payload", "10 bytes: {\"a\":\"\xc3\xa4\"}");
    says("record 1", "flags", "9 requires-ack replay");
    says("record 1", "cause 1", "02000000-0000-0000-0000-000000000000");
    says("record 1", "lane and depth", "lane 1, depth 2");
    says("record 1", "correlation", "42000000-0000-0000-0000-000000000000");
    says("record 1", "hops", "3");
    says("record 1", "external", "causes may lie outside");
    says("record 2", "bypass reason", "7 bytes: because");
    says("record 2", "payload type", "2 MessagePack");
    says("record 2", "payload", "4 bytes: 81a16101");
    says("record 3", "state", "3 stub tombstoned");
    assert_int_equal(find("record 3", "content hash")->size, 32);
    says("record 4", "entity", "batpak:system");
    says("rest", "zeros", "4096 bytes");
    assert_int_equal(find("record 5", "crc")->offset, seg.record_at[5]);
}

static void segment_shows_long_payloads_short_and_wild_ones_escaped(void **state)
{
    (void)state;
    static char big[300000];
    begin_segment();
    memset(big, 'x', sizeof big);
    memcpy(big, "\n\\\x01", 3);
    seg.payload = big;
    seg.payload_size = sizeof big;
    put_frame(BP_FRAME_DATA, 3);
    dump(segment_name, seg.data, seg.size);
    assert_int_equal(seen.bad, 0);
    const char *value = find("record 0", "payload")->value;
    CHECK(strncmp(value, "300000 bytes: escaped: \\n\\\\\\x01xxx", 34) == 0, "%s", value);
    assert_int_equal(find("record 0", "payload")->size, sizeof big);
    says("record 2", "payload",
         "300000 bytes: 0a5c01"
         "7878787878787878787878787878787878787878787878787878787878"
         "...");
}

static void segment_goes_on_behind_what_cannot_be_read(void **state)
{
    (void)state;
    size_t size = whole_segment(64);
    seg.data[seg.frame_at[1] + BPI_FRAME_LSN] ^= 8;
    dump(segment_name, seg.data, size);
    only_bad("gap", "unreadable", "bytes: 1122334455667788");
    assert_int_equal(find("gap", "unreadable")->offset, seg.frame_at[1]);
    assert_int_equal(find("gap", "unreadable")->size, seg.frame_at[2] - seg.frame_at[1]);
    says("frame 1 MARK", "type", "3 MARK");
    memset(seg.data + seg.frame_at[1], 0, seg.frame_at[2] - seg.frame_at[1]);
    dump(segment_name, seg.data, size);
    only_bad("gap", "zeros", "a frame comes after them");
    size = whole_segment(64);
    seg.data[seg.size + 9] = 1;
    dump(segment_name, seg.data, size);
    only_bad("gap", "unreadable", "16 bytes: 0000000000000000000100");
    says("rest", "zeros", "48 bytes");
}

static void segment_without_a_good_header_is_read_by_its_name(void **state)
{
    (void)state;
    size_t size = whole_segment(8);
    seg.data[48] ^= 1;
    dump(segment_name, seg.data, size);
    only_bad("header", "crc", "wrong");
    assert_non_null(strstr(find("record 0", "crc")->value, "not judged: the store id is not known"));
    seg.data[48] ^= 1;
    dump(segment_name, seg.data, size);
    memset(seg.data + find("header", "salt")->offset, 0, 8);
    bpt_put_crc(seg.data, BPI_SEGMENT_HEADER, (size_t)find("header", "crc")->offset);
    dump(segment_name, seg.data, size);
    only_bad("header", "salt", "must not be 0");
    size = whole_segment(8);
    dump("log/0000000004-2.seg", seg.data, size);
    assert_int_equal(seen.bad, 2);
    assert_true(find("header", "ordinal")->bad && find("header", "generation")->bad);
    says("record 6", "sequence", "106");
}

static void record_that_is_damaged_does_not_hide_the_next(void **state)
{
    (void)state;
    size_t size = whole_segment(8);
    seg.data[seg.record_at[2] + BPI_RECORD_CLOCK] ^= 1;
    dump(segment_name, seg.data, size);
    only_bad("record 2", "crc", "wrong");
    bpi_put32(seg.data + seg.record_at[2] + BPI_RECORD_LENGTH, 5);
    dump(segment_name, seg.data, size);
    assert_true(find("record 2", "length")->bad && find("frame 1 DATA", "unreadable")->bad);
    says("frame 1 DATA", "records", "5 (1 found)");
    says("frame 2 MARK", "type", "3 MARK");
}

static void frame_that_does_not_follow_is_marked(void **state)
{
    (void)state;
    static const struct {
        size_t offset;
        uint8_t value;
        const char *name;
    } changes[] = {{BPI_FRAME_EPOCH, 1, "epoch"},       {BPI_FRAME_SEQUENCE, 1, "first sequence"},
                   {BPI_FRAME_PREVIOUS, 1, "previous"}, {BPI_FRAME_FRONTIER + 4, 9, "frontier"},
                   {BPI_FRAME_FLAGS, 129, "flags"},     {BPI_FRAME_ZERO, 1, "zero"},
                   {BPI_FRAME_RECORDS, 1, "records"},   {BPI_FRAME_TYPE, BP_FRAME_FOLD, "type"}};
    for (size_t i = 0; i < sizeof changes / sizeof changes[0]; i++) {
        size_t size = whole_segment(8);
        seg.data[seg.frame_at[2] + changes[i].offset] = changes[i].value;
        fix_frame(2);
        dump(segment_name, seg.data, size);
        const char *group = changes[i].offset == BPI_FRAME_TYPE ? "frame 2 FOLD" : "frame 2 MARK";
        assert_true(find(group, changes[i].name)->bad);
        assert_false(find(group, "crc")->bad);
    }
    begin_segment();
    put_frame(BP_FRAME_PAD, 0);
    put_frame(BP_FRAME_MARK, 0);
    dump(segment_name, seg.data, seg.size);
    only_bad("frame 1 MARK", "type", "nothing may follow a PAD");
}

/* Each says which bytes of which field become which value, and what is then said where. */
static void record_marks_each_field_that_breaks_the_format(void **state)
{
    (void)state;
    static const struct {
        unsigned record;
        const char *field;
        size_t at;
        size_t size;
        uint8_t value;
        const char *bad;
        const char *part;
    } changes[] = {{0, "id", 0, 16, 0, "id", "nil"},
                   {0, "length", 0, 1, 5, "length", "out of range"},
                   {5, "length", 0, 1, 0xf8, "length", "beyond the end of the frame"},
                   {0, "payload size", 3, 1, 0x7f, "payload size", "out of range"},
                   {3, "payload size", 0, 1, 1, "payload size", "must be 0 in a stub"},
                   {0, "causes", 0, 1, 65, "causes", "out of range"},
                   {1, "cause 0", 0, 16, 0, "cause 0", "nil"},
                   {1, "correlation", 4, 16, 0, "correlation", "nil"},
                   {1, "lane and depth", 4, 8, 0, "lane and depth", "both be 0"},
                   {1, "hops", 4, 4, 0, "hops", "must not be 0"},
                   {1, "hops", 2, 1, 3, "hops", "not that of its tag"},
                   {1, "external", 2, 1, 9, "unreadable", "cut short"},
                   {0, "entity size", 0, 1, 3, "padding", "do not fill"},
                   {0, "scope size", 0, 1, 255, "scope", "cut short"},
                   {0, "entity size", 0, 1, 255, "scope", "missing"}};
    for (size_t i = 0; i < sizeof changes / sizeof changes[0]; i++) {
        char group[16];
        (void)snprintf(group, sizeof group, "record %u", changes[i].record);
        size_t size = whole_segment(8);
        dump(segment_name, seg.data, size);
        memset(seg.data + find(group, changes[i].field)->offset + changes[i].at, changes[i].value, changes[i].size);
        if (strcmp(changes[i].field, "length") != 0) {
            fix_record(seg.record_at[changes[i].record]);
            fix_frame(0);
        }
        dump(segment_name, seg.data, size);
        const field *f = find(group, changes[i].bad);
        CHECK(f->bad && strstr(f->value, changes[i].part) != NULL, "%s of %s is '%s'", f->name, group, f->value);
    }
    size_t size = whole_segment(8);
    dump(segment_name, seg.data, size);
    memcpy(seg.data + find("record 1", "correlation")->offset + 4, seg.data + seg.record_at[1] + BPI_RECORD_ID, 16);
    fix_record(seg.record_at[1]);
    fix_frame(0);
    dump(segment_name, seg.data, size);
    only_bad("record 1", "correlation", "not spelt out");
}

static void frame_marks_lengths_that_cannot_be(void **state)
{
    (void)state;
    static const struct {
        size_t frame;
        uint32_t length;
        const char *group;
        const char *part;
    } changes[] = {{2, 72, "frame 2 MARK", "must be 64"},
                   {2, 65, "frame 2 MARK", "out of range"},
                   {2, 56, "frame 2 MARK", "out of range"},
                   {2, 0x20000000, "frame 2 MARK", "out of range"},
                   {3, 1 << 20, "frame 3 DATA", "beyond the end of the file"}};
    for (size_t i = 0; i < sizeof changes / sizeof changes[0]; i++) {
        size_t size = whole_segment(8);
        bpi_put32(seg.data + seg.frame_at[changes[i].frame] + BPI_FRAME_LENGTH, changes[i].length);
        fix_frame(changes[i].frame);
        dump(segment_name, seg.data, size);
        const field *f = find(changes[i].group, "length");
        CHECK(f->bad && strstr(f->value, changes[i].part) != NULL, "length is '%s'", f->value);
    }
    size_t size = whole_segment(8);
    uint8_t *mark = seg.data + seg.frame_at[4];
    mark[BPI_FRAME_BODY_CRC] = 1;
    bpi_put32(mark + BPI_FRAME_CRC, bpi_crc32c(0, mark, BPI_FRAME_CRC));
    dump(segment_name, seg.data, size);
    only_bad("frame 4 CLOSE", "body crc", "must be 0");
}

static void torn_bytes_show_the_headers_in_them(void **state)
{
    (void)state;
    (void)whole_segment(0);
    char name[64];
    size_t from = seg.frame_at[1] - 16;
    (void)snprintf(name, sizeof name, "log/0000000003-1-%zu-1.torn", from);
    dump(name, seg.data + from, seg.frame_at[3] - from + 11);
    assert_int_equal(seen.bad, 0);
    assert_int_equal(find("cut", "bytes")->size, 16);
    says("frame 0 DATA", "records", "5");
    says("frame 1 MARK", "type", "3 MARK");
}

/* ---- any bytes ---- */

/* Does the scanner accept all of it, up to zeros? */
static bool scanner_accepts(size_t size)
{
    bpi_home home = {.io = bpi_fault_io(world), .allocator = bp_allocator_system()};
    bp_frame frame;
    bp_file *file = NULL;
    bool padded = false;
    assert_int_equal(bpi_home_open(&home, "s", false, NULL), BP_OK);
    assert_int_equal(home.io->file_open(home.io->context, home.log, segment_name + 4, BP_OPEN_READ, &file), 0);
    bpi_segment_entry entry = {.ordinal = 3, .generation = 1, .salt = UINT64_C(0x8877665544332211)};
    bpi_chain chain = {.epoch_max = UINT32_MAX, .next_sequence = 100, .seed = bpi_record_seed(&store_id)};
    bpi_scanner scanner;
    bpi_scanner_init(&scanner, &home, file, &entry, size, &chain);
    bp_status status = BP_OK;
    for (bool after = false; status == BP_OK && !padded; after = chain.last_type == BP_FRAME_PAD) {
        status = bpi_scanner_next(&scanner, &frame, NULL, NULL, NULL);
        padded = after && status == BP_OK;
    }
    bool accepted = status == BP_END && !padded && bpi_all_zero(seg.data + scanner.offset, size - scanner.offset);
    bpi_scanner_fini(&scanner);
    home.io->file_close(home.io->context, file);
    bpi_home_close(&home);
    return accepted;
}

/* Changes a field of a frame or a record, and the CRCs with it, so that only its meaning is wrong, if anything is. */
static void forge(bpt_random *random)
{
    static const uint8_t values[] = {0, 1, 2, 3, 4, 7, 8, 0x7f, 0x80, 0xff};
    uint8_t value = values[bpt_random_below(random, sizeof values)];
    if (bpt_random_chance(random, 30)) {
        static const uint8_t fields[] = {BPI_FRAME_LENGTH,   BPI_FRAME_LENGTH + 1, BPI_FRAME_LENGTH + 3,
                                         BPI_FRAME_RECORDS,  BPI_FRAME_TYPE,       BPI_FRAME_FLAGS,
                                         BPI_FRAME_ZERO,     BPI_FRAME_EPOCH,      BPI_FRAME_SEQUENCE,
                                         BPI_FRAME_FRONTIER, BPI_FRAME_PREVIOUS,   BPI_FRAME_ORIGIN};
        size_t index = 1 + bpt_random_below(random, seg.frames - 1);
        seg.data[seg.frame_at[index] + fields[bpt_random_below(random, sizeof fields)]] = value;
        fix_frame(index);
        return;
    }
    size_t which = bpt_random_below(random, seg.records);
    uint8_t *record = seg.data + seg.record_at[which];
    uint32_t length = bpi_get32(record + BPI_RECORD_LENGTH);
    size_t at = bpt_random_chance(random, 50) ? 16 + bpt_random_below(random, 64)
                                              : BPI_RECORD_SALT + bpt_random_below(random, length - BPI_RECORD_SALT);
    record[at] = value;
    fix_record(seg.record_at[which]);
    fix_frame(0);
}

static void segment_is_bad_where_the_scanner_does_not_accept(void **state)
{
    (void)state;
    bpt_random random = {bpt_seed(21)};
    uint64_t rounds = bpt_amount("BATPAK_ROUNDS", 6000, 200000);
    uint64_t accepted = 0;
    for (uint64_t round = 0; round < rounds; round++) {
        bpt_note("round %llu", (unsigned long long)round);
        size_t size = whole_segment(24);
        forge(&random);
        dump(segment_name, seg.data, size);
        bool fine = scanner_accepts(size);
        accepted += fine;
        CHECK(fine == (seen.bad == 0), "%zu bad fields, but the scanner says %d", seen.bad, fine);
    }
    assert_in_range(accepted, 1, rounds - 1);
}

static void any_bytes_and_any_length_are_covered(void **state)
{
    (void)state;
    static const char *const names[] = {"MANIFEST", "SEGMENTS-1",           "live",
                                        "LOCK",     "log/0000000003-1.seg", "log/0000000003-1-64-1.torn"};
    bpt_random random = {bpt_seed(22)};
    uint64_t rounds = bpt_amount("BATPAK_ROUNDS", 3000, 100000);
    for (uint64_t round = 0; round < rounds; round++) {
        bpt_note("round %llu", (unsigned long long)round);
        size_t size = whole_segment(bpt_random_below(&random, 200));
        for (uint64_t left = bpt_random_below(&random, 30); left > 0; left--) {
            seg.data[bpt_random_below(&random, size)] = (uint8_t)bpt_random_next(&random);
        }
        if (bpt_random_chance(&random, 20)) {
            for (size_t i = 0; i < size; i++) {
                seg.data[i] = (uint8_t)bpt_random_next(&random);
            }
        }
        fix_frame(bpt_random_below(&random, seg.frames));
        dump(names[round % 6], seg.data, bpt_random_chance(&random, 50) ? size : bpt_random_below(&random, size));
    }
    size_t whole = whole_segment(0);
    for (size_t size = 0; size < whole; size++) {
        dump(segment_name, seg.data, size);
    }
}

/* ---- readings and visitors ---- */

static void visitor_can_stop_at_any_field(void **state)
{
    (void)state;
    bp_error error;
    size_t size = whole_segment(8);
    dump(segment_name, seg.data, size);
    size_t all = seen.count;
    for (size_t stop = 1; stop <= all; stop++) {
        seen.stop_at = stop;
        CHECK_OK(dump_status(segment_name, &error), &error);
        assert_int_equal(seen.count, stop);
    }
}

static void reading_that_fails_is_told(void **state)
{
    (void)state;
    bp_error error;
    size_t size = whole_segment(200000);
    dump(segment_name, seg.data, size);
    bpi_fault_plan plan = {.os_error = EIO};
    bpi_fault_set_plan(world, &plan);
    CHECK_OK(dump_status(segment_name, &error), &error);
    uint64_t reads = bpi_fault_reads(world);
    assert_true(reads > 4);
    for (uint64_t call = 1; call <= reads; call++) {
        plan = (bpi_fault_plan){.read_call = call, .os_error = EIO};
        bpi_fault_set_plan(world, &plan);
        bp_status status = dump_status(segment_name, &error);
        assert_true(status == BP_ERR_IO || status == BP_OK); /* where the directory lies may stay unknown */
        plan.os_error = 0;                                   /* short instead, where that can be */
        bpi_fault_set_plan(world, &plan);
        status = dump_status(segment_name, &error);
        assert_true(status == BP_ERR_IO || status == BP_OK);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(segment_names_header_frames_and_records),
        TEST(segment_shows_long_payloads_short_and_wild_ones_escaped),
        TEST(segment_goes_on_behind_what_cannot_be_read),
        TEST(segment_without_a_good_header_is_read_by_its_name),
        TEST(record_that_is_damaged_does_not_hide_the_next),
        TEST(frame_that_does_not_follow_is_marked),
        TEST(record_marks_each_field_that_breaks_the_format),
        TEST(frame_marks_lengths_that_cannot_be),
        TEST(torn_bytes_show_the_headers_in_them),
        TEST(segment_is_bad_where_the_scanner_does_not_accept),
        TEST(any_bytes_and_any_length_are_covered),
        TEST(visitor_can_stop_at_any_field),
        TEST(reading_that_fails_is_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
