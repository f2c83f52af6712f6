/*
 * test_verify.c: verify is red on every kind of tampering, forged checksums included, and lists all it finds; and says
 * what it proved when there is nothing.
 */
#include <errno.h>

#include "format/hashing.h"
#include "support/forge.h"

typedef struct found {
    uint64_t count;
    uint64_t sequences[64]; /* those named, in order */
    size_t sequence_count;
    char what[64][160];
    char file[64][96];
    bool stop;
} found;

static int collect(void *context, const bp_fault *fault)
{
    found *all = context;
    assert_non_null(fault->file);
    assert_true(fault->what != NULL && fault->what[0] != '\0');
    if (all->count < 64) {
        (void)snprintf(all->what[all->count], 160, "%s", fault->what);
        (void)snprintf(all->file[all->count], 96, "%s", fault->file);
    }
    if (fault->has_sequence && all->sequence_count < 64) {
        all->sequences[all->sequence_count++] = fault->sequence;
    }
    all->count++;
    return all->stop;
}

static bp_status verify(bpt_world *world, found *all, bp_verify_report *report)
{
    bp_error error = {0};
    bp_verify_options options;
    bool stop = all->stop;
    memset(all, 0, sizeof *all);
    memset(report, 0, sizeof *report);
    all->stop = stop;
    bp_verify_options_init(&options);
    options.io = world->io;
    options.fault = collect;
    options.fault_context = all;
    return bp_verify(world->path, &options, report, &error);
}

static bool names_sequence(const found *all, uint64_t sequence)
{
    for (size_t index = 0; index < all->sequence_count; index++) {
        if (all->sequences[index] == sequence) {
            return true;
        }
    }
    return false;
}

static void red(bpt_world *world, uint64_t sequence)
{
    found all = {0};
    bp_verify_report report;
    bp_status status = verify(world, &all, &report);
    CHECK(status == BP_ERR_CORRUPT, "verify is %s", bp_status_name(status));
    CHECK(all.count > 0 && report.faults == all.count, "%llu faults reported, %llu counted",
          (unsigned long long)all.count, (unsigned long long)report.faults);
    CHECK(sequence == BP_NONE || names_sequence(&all, sequence), "no fault names event %llu; the first: %s",
          (unsigned long long)sequence, all.what[0]);
}

/* Ten events of two entities in one open segment, closed: 0..4 single ones, 5..7 a batch, 8 with causes, 9. */
static void make(bpt_world *world)
{
    bp_error error = {0};
    bp_append_options options;
    bp_batch_item items[3];
    bp_receipt receipts[3];
    bpt_world_memory(world);
    bp_store *store = bpt_open(world);
    for (int index = 0; index < 5; index++) {
        (void)bpt_put(store, index % 2 == 0 ? "even" : "odd!", "payload");
    }
    for (int index = 0; index < 3; index++) {
        items[index] = (bp_batch_item){bp_at("even", "scope"), 0xf001, bp_json("{\"x\":1}"), NULL};
    }
    CHECK_OK(bp_append_batch(store, items, 3, NULL, receipts, &error), &error);
    bp_append_options_init(&options);
    options.causes = &receipts[1].id;
    options.cause_count = 1;
    options.correlation = receipts[0].id;
    (void)bpt_put_with(store, "odd!", "payload", &options);
    (void)bpt_put(store, "odd!", "last");
    bpt_close(store);
}

static void a_good_store_is_proven(void **state)
{
    bpt_world world;
    found all = {0};
    bp_verify_report report;
    bp_error error = {0};
    bpi_merkle merkle;
    bp_hash root;
    (void)state;
    make(&world);
    CHECK_OK(verify(&world, &all, &report), NULL);
    assert_int_equal(report.events, 10);
    assert_int_equal(report.entities, 2);
    assert_int_equal(report.segments, 1);
    assert_true(report.frames >= 8);
    assert_true(report.bytes > 10 * 136);
    assert_int_equal(report.stubs, 0);
    assert_int_equal(report.unsettled_bytes, 0);
    bpi_merkle_begin(&merkle);
    bp_store *store = bpt_open(&world);
    for (uint64_t sequence = 0; sequence < 10; sequence++) {
        const bp_event *event = NULL;
        CHECK_OK(bp_get_sequence(store, sequence, &event, &error), &error);
        bpi_merkle_add(&merkle, &event->event_hash);
        bp_event_release(event);
    }
    bpi_merkle_root(&merkle, &root);
    assert_true(bp_hash_equal(&root, &report.root));
    CHECK_OK(verify(&world, &all, &report), NULL); /* beside the writer */
    bpt_close(store);
    bpt_world_end(&world);
}

/* Flips one bit of a record's byte, with all checksums made right; the chain of hashes is what finds it. */
static void forged_byte(size_t record, size_t offset, uint8_t bit)
{
    bpt_world world;
    make(&world);
    bpt_note("forged: record %zu, offset %zu", record, offset);
    bpt_forge *forge = bpt_forge_begin(&world, 0);
    assert_int_equal(forge->record_count, 10);
    assert_true(offset < bpt_forge_length(forge, record));
    bpt_forge_record(forge, record)[offset] ^= bit;
    bpt_forge_fix(forge);
    bpt_forge_end(forge);
    red(&world, record);
    bpt_note("%s", "");
    bpt_world_end(&world);
}

static void forged_fields_are_found_by_their_hash(void **state)
{
    (void)state;
    static const size_t fields[] = {16 + 15, 40, 56, 58, 62, 80, 111, 112, 127};
    for (size_t record = 0; record < 10; record += 3) {
        for (size_t index = 0; index < sizeof fields / sizeof *fields; index++) {
            forged_byte(record, fields[index], 1);
        }
    }
}

static void forged_payloads_names_and_causes_are_found(void **state)
{
    (void)state;
    forged_byte(0, 128, 1);                  /* entity */
    forged_byte(1, 128 + 4, 1);              /* scope */
    forged_byte(0, 128 + 4 + 5, 1);          /* payload */
    forged_byte(6, 128 + 4 + 5 + 2, 1);      /* payload inside of a batch */
    forged_byte(8, 128 + 3, 1);              /* a cause */
    forged_byte(8, 128 + 16 + 4 + 5 + 4, 1); /* the correlation */
    forged_byte(9, 128 + 4 + 5 + 3, 1);      /* the last byte of all */
}

static void a_forged_event_breaks_the_chain_behind_it_too(void **state)
{
    bpt_world world;
    found all = {0};
    bp_verify_report report;
    (void)state;
    make(&world);
    bpt_forge *forge = bpt_forge_begin(&world, 0);
    bpt_forge_record(forge, 0)[128 + 4 + 5] ^= 1;
    bpt_forge_hash(forge, 0, NULL); /* its own hash is right again */
    bpt_forge_fix(forge);
    bpt_forge_end(forge);
    assert_int_equal(verify(&world, &all, &report), BP_ERR_CORRUPT);
    assert_false(names_sequence(&all, 0));
    assert_true(names_sequence(&all, 2)); /* the next of that entity */
    bpt_world_end(&world);
}

/* Payloads, names and causes of every size, so that some go side by side and some by themselves; 150 events. */
static void make_sizes(bpt_world *world)
{
    static char payload[6000];
    static char name[BP_NAME_MAX + 1];
    bp_id causes[BP_CAUSES_MAX];
    bpt_world_memory(world);
    world->options.segment_size = 4 << 20;
    bp_store *store = bpt_open(world);
    memset(payload, 'p', sizeof payload);
    memset(name, 'n', sizeof name);
    for (size_t i = 0; i < 150; i++) {
        bp_error error = {0};
        bp_append_options options;
        bp_receipt receipt;
        bp_append_options_init(&options);
        options.causes = causes;
        options.cause_count = i % 7 == 3 ? (i < BP_CAUSES_MAX ? i : BP_CAUSES_MAX) : 0;
        size_t name_size = i % 11 == 5 ? BP_NAME_MAX : 1 + i % 3;
        size_t size = i % 13 == 12 ? sizeof payload - i : i * 9;
        bp_coordinate at = {{name, name_size}, {name, 1 + i % 70}};
        CHECK_OK(bp_append(store, at, 0xf001, bp_raw(payload, size), &options, &receipt, &error), &error);
        causes[i % BP_CAUSES_MAX] = receipt.id;
    }
    bpt_close(store);
}

static void events_of_every_size_are_proven(void **state)
{
    bpt_world world;
    found all = {0};
    bp_verify_report report;
    (void)state;
    make_sizes(&world);
    CHECK_OK(verify(&world, &all, &report), NULL);
    assert_int_equal(report.events, 150);
    bpt_world_end(&world);
}

/* One event each time, wherever it stands among those that are judged together; and faults come in order. */
static void one_forged_event_among_many_is_found(void **state)
{
    (void)state;
    for (size_t record = 0; record < 150; record += 1 + record % 5) {
        bpt_world world;
        found all = {0};
        bp_verify_report report;
        make_sizes(&world);
        bpt_forge *forge = bpt_forge_begin(&world, 0);
        assert_int_equal(forge->record_count, 150);
        bpt_forge_record(forge, record)[40] ^= 1; /* its time */
        bpt_forge_fix(forge);
        bpt_forge_end(forge);
        assert_int_equal(verify(&world, &all, &report), BP_ERR_CORRUPT);
        assert_int_equal(all.count, 1);
        assert_int_equal(all.sequences[0], record);
        assert_string_equal(all.what[0], "event hash does not match what it binds");
        bpt_world_end(&world);
    }
}

static void faults_are_told_in_the_order_of_the_log(void **state)
{
    bpt_world world;
    found all = {0};
    bp_verify_report report;
    (void)state;
    make_sizes(&world);
    bpt_forge *forge = bpt_forge_begin(&world, 0);
    bpt_forge_record(forge, 20)[40] ^= 1;
    bpt_forge_record(forge, 90)[40] ^= 1;
    bpt_forge_fix(forge);
    bpt_forge_record(forge, 50)[100] ^= 1; /* without making its checksum right: the frame is refused */
    bpt_forge_end(forge);
    assert_int_equal(verify(&world, &all, &report), BP_ERR_CORRUPT);
    assert_true(all.sequence_count >= 3);
    assert_int_equal(all.sequences[0], 20);
    assert_int_equal(all.sequences[1], 50);
    assert_true(names_sequence(&all, 90));
    for (size_t i = 1; i < all.sequence_count; i++) {
        assert_true(all.sequences[i] >= all.sequences[i - 1]);
    }
    bpt_world_end(&world);
}

static void every_fault_is_listed(void **state)
{
    bpt_world world;
    found all = {0};
    bp_verify_report report;
    (void)state;
    make(&world);
    bpt_forge *forge = bpt_forge_begin(&world, 0);
    for (size_t record = 1; record < 10; record += 2) {
        bpt_forge_record(forge, record)[40] ^= 1;
    }
    bpt_forge_fix(forge);
    bpt_forge_end(forge);
    assert_int_equal(verify(&world, &all, &report), BP_ERR_CORRUPT);
    for (uint64_t sequence = 1; sequence < 10; sequence += 2) {
        CHECK(names_sequence(&all, sequence), "event %llu is not named", (unsigned long long)sequence);
    }
    all.stop = true;
    (void)verify(&world, &all, &report);
    assert_int_equal(all.count, 1); /* non-zero stops */
    bpt_world_end(&world);
}

static void swapped_records_are_found(void **state)
{
    bpt_world world;
    (void)state;
    make(&world);
    bpt_forge *forge = bpt_forge_begin(&world, 0);
    size_t length = bpt_forge_length(forge, 5);
    assert_int_equal(length, bpt_forge_length(forge, 6));
    uint8_t *copy = malloc(length);
    assert_non_null(copy);
    memcpy(copy, bpt_forge_record(forge, 5), length);
    memcpy(bpt_forge_record(forge, 5), bpt_forge_record(forge, 6), length);
    memcpy(bpt_forge_record(forge, 6), copy, length);
    free(copy);
    for (size_t record = 5; record < 7; record++) { /* sequence and clock as they should be there */
        bpt_set64(bpt_forge_record(forge, record) + 8, record);
        bpt_set64(bpt_forge_record(forge, record) + 48, record - 2);
        bpt_set64(bpt_forge_record(forge, record) + 32, bpt_get64(bpt_forge_record(forge, 4) + 32) + record - 4);
    }
    bpt_forge_fix(forge);
    bpt_forge_end(forge);
    red(&world, 5);
    bpt_world_end(&world);
}

/* The whole chain of hashes is made right again, so that only the rule itself is broken. */
static void rehash_all(bpt_forge *forge)
{
    bp_hash last[2];
    bool has[2] = {false, false};
    for (size_t record = 0; record < forge->record_count; record++) {
        const uint8_t *bytes = bpt_forge_record(forge, record);
        size_t causes = (size_t)bytes[72] * 16;
        size_t which = memcmp(bytes + 128 + causes, "even", 4) == 0 ? 0 : 1;
        bpt_forge_hash(forge, record, has[which] ? &last[which] : NULL);
        last[which] = bpt_forge_hash_of(forge, record);
        has[which] = true;
    }
    bpt_forge_fix(forge);
}

static void broken_rule(void (*breaks)(bpt_forge *forge), uint64_t sequence)
{
    bpt_world world;
    make(&world);
    bpt_forge *forge = bpt_forge_begin(&world, 0);
    breaks(forge);
    rehash_all(forge);
    bpt_forge_end(forge);
    red(&world, sequence);
    bpt_world_end(&world);
}

static void same_id(bpt_forge *forge)
{
    memcpy(bpt_forge_record(forge, 9) + 16, bpt_forge_record(forge, 1) + 16, 16);
}

static void cause_from_nowhere(bpt_forge *forge)
{
    bpt_forge_record(forge, 8)[128] ^= 0x55;
}

static void cause_of_itself(bpt_forge *forge)
{
    memcpy(bpt_forge_record(forge, 8) + 128, bpt_forge_record(forge, 8) + 16, 16);
}

static void cause_in_the_future(bpt_forge *forge)
{
    memcpy(bpt_forge_record(forge, 8) + 128, bpt_forge_record(forge, 9) + 16, 16);
}

static void clock_with_a_gap(bpt_forge *forge)
{
    bpt_set64(bpt_forge_record(forge, 9) + 48, 7);
}

static void hlc_going_back(bpt_forge *forge)
{
    bpt_set64(bpt_forge_record(forge, 9) + 32, 65536);
}

static void nothing(bpt_forge *forge)
{
    (void)forge;
}

static void rules_of_the_history_are_checked(void **state)
{
    bpt_world world;
    (void)state;
    make(&world);
    bpt_forge *forge = bpt_forge_begin(&world, 0);
    nothing(forge);
    rehash_all(forge); /* the forging itself is right */
    bpt_forge_end(forge);
    assert_int_equal(bpt_verify(&world), 10);
    bpt_world_end(&world);
    broken_rule(same_id, 9);
    broken_rule(cause_from_nowhere, 8);
    broken_rule(cause_of_itself, 8);
    broken_rule(cause_in_the_future, 8);
    broken_rule(clock_with_a_gap, 9);
    broken_rule(hlc_going_back, 9);
}

/* ---- what lies around the records ---- */

static void raw_flips_are_found_where_they_are(void **state)
{
    static const size_t offsets[] = {0, 8, 16, 40, 64, 64 + 8, 64 + 20, 64 + 52, 64 + 60, 64 + 64, 64 + 64 + 90};
    (void)state;
    for (size_t index = 0; index < sizeof offsets / sizeof *offsets; index++) {
        bpt_world world;
        size_t size = 0;
        make(&world);
        bpt_note("raw flip at %zu", offsets[index]);
        uint8_t *data = bpt_file_read(&world, "log/0000000000-1.seg", &size);
        data[offsets[index]] ^= 4;
        bpt_file_write(&world, "log/0000000000-1.seg", data, size);
        free(data);
        red(&world, BP_NONE);
        bpt_world_end(&world);
    }
    bpt_note("%s", "");
}

static void wrong_root(uint8_t *bytes, size_t size)
{
    assert_true(size > 64 + 128);
    bytes[64 + 64] ^= 1;
}

static void wrong_count(uint8_t *bytes, size_t size)
{
    (void)size;
    bytes[64 + 32] ^= 1;
}

static void wrong_last_hlc(uint8_t *bytes, size_t size)
{
    (void)size;
    bytes[64 + 56] ^= 1;
}

static void wrong_link(uint8_t *bytes, size_t size)
{
    (void)size;
    bytes[64 + 12] ^= 1;
}

static void what_the_list_says_of_sealed_segments_is_checked(void **state)
{
    static const bpt_change_fn changes[] = {wrong_root, wrong_count, wrong_last_hlc, wrong_link};
    (void)state;
    for (size_t index = 0; index < 4; index++) {
        bpt_world world;
        bp_error error = {0};
        bpt_world_memory(&world);
        bp_store *store = bpt_open(&world);
        bpt_put(store, "e", "one");
        bpt_put(store, "e", "two");
        CHECK_OK(bp_seal(store, &error), &error);
        bpt_put(store, "e", "three");
        bpt_close(store);
        (void)bpt_verify(&world);
        bpt_note("list change %zu", index);
        bpt_change_list(&world, changes[index]);
        red(&world, BP_NONE);
        bpt_world_end(&world);
    }
    bpt_note("%s", "");
}

static void a_missing_segment_is_a_fault(void **state)
{
    bpt_world world;
    (void)state;
    bpt_world_memory(&world);
    bp_store *store = bpt_open(&world);
    for (int index = 0; index < 40; index++) {
        (void)bpt_put_sized(store, "e", 5000);
    }
    bpt_close(store);
    bpt_file_remove(&world, "log/0000000001-1.seg");
    red(&world, BP_NONE);
    bpt_world_end(&world);
}

static void no_store_is_not_damage(void **state)
{
    bpt_world world;
    found all = {0};
    bp_verify_report report;
    (void)state;
    bpt_world_memory(&world);
    assert_int_equal(verify(&world, &all, &report), BP_ERR_NOT_FOUND);
    assert_int_equal(bp_verify(NULL, NULL, &report, NULL), BP_ERR_ARGUMENT);
    bpt_world_end(&world);
}

static void what_nothing_vouches_for_is_unsettled_not_a_fault(void **state)
{
    bpt_world world;
    found all = {0};
    bp_verify_report report;
    bp_append_options options;
    char text[3000];
    (void)state;
    bpt_world_fault(&world);
    bp_store *store = bpt_open(&world);
    bpt_put(store, "e", "kept");
    bp_append_options_init(&options);
    options.durability = BP_BUFFERED;
    memset(text, 'z', sizeof text);
    text[sizeof text - 1] = '\0';
    bpt_put_with(store, "e", text, &options);
    bpt_tear(&world, 1);
    (void)bp_close(store, NULL);
    bp_status status = verify(&world, &all, &report);
    CHECK(status == BP_OK, "verify is %s: %s", bp_status_name(status), all.what[0]);
    assert_int_equal(report.events, 1);
    assert_true(report.unsettled_bytes > 0);
    bpt_world_end(&world);
}

/* ---- a log that ends at the border of a frame ---- */

typedef enum ending { ENDS_CLOSED, ENDS_KILLED, ENDS_CUT } ending;

/* A sealed segment, and an open one with events that are durable and, behind them, some that are not. */
static void make_ending(bpt_world *world, ending how)
{
    bp_error error = {0};
    bp_append_options options;
    bpt_world_fault(world);
    bp_store *store = bpt_open(world);
    (void)bpt_put(store, "e", "sealed");
    CHECK_OK(bp_seal(store, &error), &error);
    for (int index = 0; index < 4; index++) {
        (void)bpt_put(store, "e", "kept");
    }
    bp_append_options_init(&options);
    options.durability = BP_BUFFERED;
    for (int index = 0; index < 3; index++) {
        (void)bpt_put_with(store, "e", "perhaps", &options);
    }
    if (how == ENDS_CLOSED) {
        bpt_close(store);
        return;
    }
    if (how == ENDS_KILLED) {
        bpi_fault_process_kill(world->fault);
    } else {
        (void)bpt_power_cut(world, BPT_KEEP_ALL, 0); /* another boot: nobody believes the live page */
    }
    (void)bp_close(store, NULL);
}

/* verify is red where an opening refuses, and nowhere else. True: they are. */
static bool red_as_an_opening(bpt_world *world, const char *name, const uint8_t *data, size_t size)
{
    bpt_world damaged;
    found all = {0};
    bp_verify_report report;
    bp_store *store = NULL;
    bpt_world_adopt(&damaged, bpi_fault_clone(world->fault));
    bpt_file_write(&damaged, name, data, size);
    bp_status verified = verify(&damaged, &all, &report);
    bp_status opened = bp_open(damaged.path, &damaged.options, &store, NULL);
    assert_true(opened == BP_OK || opened == BP_ERR_CORRUPT);
    CHECK(verified == opened, "verify is %s, an opening %s", bp_status_name(verified), bp_status_name(opened));
    if (opened == BP_ERR_CORRUPT) {
        assert_int_equal(all.count, 1);
        assert_string_equal(all.file[0], name);
        assert_non_null(strstr(all.what[0], "ends here"));
    }
    (void)bp_close(store, NULL);
    bpt_world_end(&damaged);
    return opened == BP_ERR_CORRUPT;
}

static void cut_at_every_border(ending how, bool vouched)
{
    bpt_world world;
    size_t refused = 0;
    make_ending(&world, how);
    (void)bpt_verify(&world);
    bpt_forge *forge = bpt_forge_begin(&world, 1);
    assert_true(forge->frame_count >= 7);
    for (size_t index = 0; index < forge->frame_count; index++) {
        bpt_note("ending %d, cut at %zu", (int)how, forge->frames[index].offset);
        refused += red_as_an_opening(&world, forge->name, forge->data, forge->frames[index].offset);
    }
    bpt_note("ending %d, cut at the end", (int)how);
    assert_false(red_as_an_opening(&world, forge->name, forge->data, forge->end));
    CHECK(refused == (vouched ? forge->frame_count : 0), "%zu of %zu are refused", refused, forge->frame_count);
    bpt_forge_end(forge);
    bpt_note("%s", "");
    bpt_world_end(&world);
}

static void a_log_that_ends_before_what_was_kept_is_found(void **state)
{
    (void)state;
    cut_at_every_border(ENDS_CLOSED, true);
    cut_at_every_border(ENDS_KILLED, true); /* the page vouches for what was shown */
    cut_at_every_border(ENDS_CUT, false);   /* what vouched was in the frames that are gone */
}

/* ---- calls that fail ---- */

/* A frame of which only what follows says that it was kept. */
static void damage_in_a_frame(bpt_world *world)
{
    bpt_forge *forge = bpt_forge_begin(world, 1);
    forge->data[forge->frames[2].offset + 8] ^= 1;
    bpt_forge_end(forge);
}

static void a_segment_that_no_list_names(bpt_world *world)
{
    size_t size = 0;
    uint8_t *data = bpt_file_read(world, "log/0000000001-1.seg", &size);
    assert_non_null(data);
    bpt_file_write(world, "log/0000000001-2.seg", data, size);
    free(data);
}

/* Each reading call fails once: what the only look at the damage would have shown is not passed over. */
static void damage_is_not_missed_because_a_call_fails(void **state)
{
    void (*const damages[])(bpt_world *) = {damage_in_a_frame, a_segment_that_no_list_names};
    (void)state;
    for (size_t index = 0; index < sizeof damages / sizeof *damages; index++) {
        bpt_world world;
        found all = {0};
        bp_verify_report report;
        make_ending(&world, ENDS_CUT);
        damages[index](&world);
        uint64_t before = bpi_fault_reads(world.fault);
        assert_int_equal(verify(&world, &all, &report), BP_ERR_CORRUPT);
        uint64_t calls = bpi_fault_reads(world.fault) - before;
        for (uint64_t call = 1; call <= calls; call++) {
            bpt_note("damage %zu, reading call %llu", index, (unsigned long long)call);
            bpi_fault_set_plan(world.fault, &(bpi_fault_plan){.read_call = call, .os_error = EIO});
            bp_status status = verify(&world, &all, &report);
            CHECK(status == BP_ERR_IO || status == BP_ERR_CORRUPT, "verify is %s", bp_status_name(status));
        }
        bpt_note("%s", "");
        bpt_world_end(&world);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_good_store_is_proven),
        cmocka_unit_test(forged_fields_are_found_by_their_hash),
        cmocka_unit_test(forged_payloads_names_and_causes_are_found),
        cmocka_unit_test(a_forged_event_breaks_the_chain_behind_it_too),
        cmocka_unit_test(events_of_every_size_are_proven),
        cmocka_unit_test(one_forged_event_among_many_is_found),
        cmocka_unit_test(faults_are_told_in_the_order_of_the_log),
        cmocka_unit_test(every_fault_is_listed),
        cmocka_unit_test(swapped_records_are_found),
        cmocka_unit_test(rules_of_the_history_are_checked),
        cmocka_unit_test(raw_flips_are_found_where_they_are),
        cmocka_unit_test(what_the_list_says_of_sealed_segments_is_checked),
        cmocka_unit_test(a_missing_segment_is_a_fault),
        cmocka_unit_test(no_store_is_not_damage),
        cmocka_unit_test(what_nothing_vouches_for_is_unsettled_not_a_fault),
        cmocka_unit_test(a_log_that_ends_before_what_was_kept_is_found),
        cmocka_unit_test(damage_is_not_missed_because_a_call_fails),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
