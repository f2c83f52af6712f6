/*
 * test_repair.c: what a repair takes over from a damaged store, held against an oracle that knows where each record lies: exactly
 * the events whose bytes are whole, and behind a lost one of an entity those too, under new hashes. The new store verifies; the
 * old one is not touched.
 *
 * ctest: labels=campaign timeout=7200
 */
#include "support/forge.h"

enum { EVENTS = 400, ENTITIES = 7 };

/* Where the store's records lie, and what they are. */
typedef struct truth {
    bpt_world world;
    bool killed;
    uint64_t count; /* events */
    bp_id ids[EVENTS];
    bp_hash hashes[EVENTS];
    uint32_t segments[EVENTS]; /* ordinal of each */
    uint64_t starts[EVENTS];   /* offset of its record */
    uint64_t ends[EVENTS];
    unsigned entities[EVENTS];
    uint64_t commits[EVENTS]; /* first of its commit */
    uint64_t sizes[EVENTS];   /* events of its commit */
    unsigned segment_count;
} truth;

static const char *const entity_names[ENTITIES] = {"a:1", "a:2", "b:1", "b:2", "c", "d", "e:äöü"};

static void fill(bp_store *store, bpt_random *random, uint64_t below)
{
    bp_error error = {0};
    static uint8_t bytes[3000];
    memset(bytes, 'x', sizeof bytes);
    while (bp_store_frontiers(store).published < below) {
        bp_batch_item items[6];
        bp_append_options options[6];
        bp_receipt receipts[6];
        static bp_id last;
        size_t count = bpt_random_chance(random, 40) ? 1 + bpt_random_below(random, 6) : 1;
        for (size_t i = 0; i < count; i++) {
            bp_append_options_init(&options[i]);
            options[i].lane = (uint32_t)bpt_random_below(random, 3);
            if (bp_store_frontiers(store).published > 0 && bpt_random_chance(random, 30)) {
                options[i].causes = &last;
                options[i].cause_count = 1;
            }
            items[i] = (bp_batch_item){bp_at(entity_names[bpt_random_below(random, ENTITIES)], "s"), 0xf001,
                                       bp_raw(bytes, bpt_random_below(random, 2000)), &options[i]};
        }
        CHECK_OK(bp_append_batch(store, items, count, NULL, receipts, &error), &error);
        last = receipts[count - 1].id;
        if (bpt_random_chance(random, 3)) {
            CHECK_OK(bp_seal(store, &error), &error);
        }
    }
}

static unsigned entity_of(const bp_event *event)
{
    for (unsigned i = 0; i < ENTITIES; i++) {
        if (bp_text_equal(event->entity, bp_text_of(entity_names[i]))) {
            return i;
        }
    }
    return ENTITIES - 1;
}

static uint64_t record_length(truth *t, uint32_t ordinal, uint64_t offset)
{
    char name[64];
    size_t size = 0;
    (void)snprintf(name, sizeof name, "log/%010u-1.seg", ordinal);
    uint8_t *data = bpt_file_read(&t->world, name, &size);
    assert_non_null(data);
    uint64_t length = bpt_get32(data + offset + 4);
    free(data);
    return length;
}

static void learn(truth *t)
{
    bpt_world probe;
    bp_error error = {0};
    bpt_world_adopt(&probe, bpi_fault_clone(t->world.fault));
    bp_store *store = bpt_open(&probe);
    t->count = bp_store_frontiers(store).published;
    assert_true(t->count <= EVENTS);
    for (uint64_t i = 0; i < t->count; i++) {
        const bp_event *event = NULL;
        CHECK_OK(bp_get_sequence(store, i, &event, &error), &error);
        t->ids[i] = event->id;
        t->hashes[i] = event->event_hash;
        t->segments[i] = (uint32_t)(event->position >> 32);
        t->starts[i] = event->position & 0xffffffff;
        t->entities[i] = entity_of(event);
        t->commits[i] = event->batch;
        t->sizes[i] = event->batch_count;
        if (t->segments[i] + 1 > t->segment_count) {
            t->segment_count = t->segments[i] + 1;
        }
        bp_event_release(event);
    }
    bpt_close(store);
    bpt_world_end(&probe);
    for (uint64_t i = 0; i < t->count; i++) {
        t->ends[i] = t->starts[i] + record_length(t, t->segments[i], t->starts[i]);
    }
}

static void make(truth *t, uint64_t seed, bool killed)
{
    bpt_random random = {seed};
    memset(t, 0, sizeof *t);
    t->killed = killed;
    bpt_note("making the store");
    bpt_world_fault(&t->world);
    bp_store *store = bpt_open(&t->world);
    fill(store, &random, 200);
    if (killed) {
        bpi_fault_process_kill(t->world.fault);
        (void)bp_close(store, NULL);
    } else {
        bpt_close(store);
    }
    learn(t);
    assert_true(t->segment_count >= 3);
}

/* ---- repairing ---- */

typedef struct notes {
    uint64_t lost;
    uint64_t runs;
    uint64_t damages;
    unsigned entities;
    unsigned files;
} notes;

static void see_note(void *context, const bp_repair_note *note)
{
    notes *all = context;
    all->lost += note->kind == BP_REPAIR_LOST ? note->count : 0;
    all->runs += note->kind == BP_REPAIR_RUN ? note->count : 0;
    all->damages += note->kind == BP_REPAIR_DAMAGE;
    all->entities += note->kind == BP_REPAIR_ENTITY;
    all->files += note->kind == BP_REPAIR_FILE;
}

static bp_repair_options options_of(bpt_world *world)
{
    bp_repair_options options;
    bp_repair_options_init(&options);
    options.io = world->io;
    options.clock = world->options.clock;
    options.random = world->options.random;
    return options;
}

typedef struct picture {
    uint8_t sum[32];
    unsigned files;
} picture;

static void see_file(void *argument, const char *name, const uint8_t *data, size_t size)
{
    picture *all = argument;
    bp_hash names = bp_hash_bytes(name, strlen(name));
    bp_hash bytes = bp_hash_bytes(data, size);
    for (size_t i = 0; i < sizeof all->sum; i++) {
        all->sum[i] = (uint8_t)(all->sum[i] + (names.bytes[i] ^ (bytes.bytes[i] * 3)));
    }
    all->files++;
}

static picture picture_of(bpt_world *world)
{
    picture all = {{0}, 0};
    bpt_file_each(world, see_file, &all);
    return all;
}

/* The events that a repair must bring back, in the new store under the old sequences. */
static void check_events(const truth *t, bpt_world *world, const bool *lost)
{
    bp_error error = {0};
    bp_store *store = NULL;
    bool broken[ENTITIES] = {false};
    CHECK_OK(bp_open_reader("saved", &world->options, &store, &error), &error);
    for (uint64_t i = 0; i < t->count; i++) {
        const bp_event *event = NULL;
        const uint8_t *value = NULL;
        size_t size = 0;
        CHECK_OK(bp_get_sequence(store, i, &event, &error), &error);
        bool tagged = bp_event_extension(event, BP_TAG_SALVAGED, &value, &size);
        if (lost[i]) {
            CHECK(event->kind == BP_KIND_INIT && !bp_id_equal(&event->id, &t->ids[i]), "event %llu is there",
                  (unsigned long long)i);
            broken[t->entities[i]] = true;
        } else {
            CHECK(bp_id_equal(&event->id, &t->ids[i]), "event %llu is not taken over", (unsigned long long)i);
            bool same = bp_hash_equal(&event->event_hash, &t->hashes[i]);
            CHECK(same == !tagged, "event %llu: another hash without saying so", (unsigned long long)i);
            CHECK(!tagged || (size == 41 && memcmp(value + 8, t->hashes[i].bytes, 32) == 0),
                  "event %llu does not say its old hash", (unsigned long long)i);
            CHECK(same || broken[t->entities[i]] || event->external, "event %llu was changed for nothing",
                  (unsigned long long)i);
            CHECK(!same || !broken[t->entities[i]], "event %llu: its chain is broken and its hash the same",
                  (unsigned long long)i);
            broken[t->entities[i]] = broken[t->entities[i]] || !same;
        }
        bp_event_release(event);
    }
    CHECK_OK(bp_close(store, &error), &error);
}

/* Repairs a damaged copy; `lost` says which events must be missing. */
static void repair(const truth *t, bpt_world *world, const bool *lost)
{
    bp_error error = {0};
    bp_repair_report report;
    bp_repair_report dry;
    notes told = {0};
    bp_repair_options options = options_of(world);
    uint64_t missing = 0;
    for (uint64_t i = 0; i < t->count; i++) {
        missing += lost[i];
    }
    picture before = picture_of(world);
    options.dry_run = true;
    CHECK_OK(bp_repair(world->path, NULL, &options, &dry, &error), &error);
    options.dry_run = false;
    options.note = see_note;
    options.note_context = &told;
    CHECK_OK(bp_repair(world->path, "saved", &options, &report, &error), &error);
    picture after = picture_of(world);
    CHECK(memcmp(&before, &after, sizeof before) == 0, "the old store was touched");
    CHECK(dry.events == report.events && dry.unchanged == report.unchanged && dry.checked == report.checked &&
              dry.lost == report.lost && dry.lost_ranges == report.lost_ranges &&
              dry.next_sequence == report.next_sequence && dry.causes_lost == report.causes_lost &&
              dry.partial_commits == report.partial_commits && dry.damaged_bytes == report.damaged_bytes &&
              dry.entities_affected == report.entities_affected && dry.rejected == report.rejected,
          "a dry run says something else");
    CHECK(report.lost == missing && report.events == t->count - missing,
          "%llu lost and %llu taken over, not %llu and %llu", (unsigned long long)report.lost,
          (unsigned long long)report.events, (unsigned long long)missing, (unsigned long long)(t->count - missing));
    CHECK(told.lost == report.lost && told.runs == report.events && told.damages == report.damages &&
              told.entities == report.entities_affected,
          "the notes do not add up");
    check_events(t, world, lost);
    bp_verify_options verify;
    bp_verify_report verified;
    bp_verify_options_init(&verify);
    verify.io = world->io;
    CHECK_OK(bp_verify("saved", &verify, &verified, &error), &error);
    assert_int_equal(verified.events, t->count + (missing > 0));
}

static void copy_of(const truth *t, bpt_world *world)
{
    bpt_world_adopt(world, bpi_fault_clone(t->world.fault));
}

static void lose_segment(const truth *t, uint32_t ordinal, bool lost[EVENTS])
{
    for (uint64_t i = 0; i < t->count; i++) {
        lost[i] = lost[i] || t->segments[i] == ordinal;
    }
}

/* ---- nothing lost ---- */

static void check_same_export(const truth *t, bpt_world *world)
{
    bool lost[EVENTS] = {false};
    repair(t, world, lost);
    bp_error error = {0};
    bp_store *store = NULL;
    CHECK_OK(bp_open_reader("saved", &world->options, &store, &error), &error);
    for (uint64_t i = 0; i < t->count; i++) {
        const bp_event *event = NULL;
        CHECK_OK(bp_get_sequence(store, i, &event, &error), &error);
        CHECK(bp_hash_equal(&event->event_hash, &t->hashes[i]) && event->batch == t->commits[i] &&
                  event->batch_count == t->sizes[i],
              "event %llu is another", (unsigned long long)i);
        bp_event_release(event);
    }
    CHECK_OK(bp_close(store, &error), &error);
}

static void a_whole_store_comes_out_the_same(void **state)
{
    (void)state;
    for (unsigned killed = 0; killed < 2; killed++) {
        truth *t = calloc(1, sizeof *t);
        bpt_world world;
        make(t, 1, killed != 0);
        copy_of(t, &world);
        check_same_export(t, &world);
        bpt_world_end(&world);
        bpt_world_end(&t->world);
        free(t);
    }
}

static void remove_list(void *argument, const char *name, const uint8_t *data, size_t size)
{
    (void)data;
    (void)size;
    if (strncmp(name, "SEGMENTS-", 9) == 0) {
        bpt_file_remove(argument, name);
    }
}

static void without_manifest_or_lists_nothing_is_lost(void **state)
{
    (void)state;
    truth *t = calloc(1, sizeof *t);
    make(t, 2, false);
    for (unsigned what = 1; what < 16; what++) {
        bpt_world world;
        bpt_note("without %u", what);
        copy_of(t, &world);
        if (what & 1) {
            bpt_file_remove(&world, "MANIFEST");
        } else {
            static const uint8_t zeros[8192];
            bpt_file_write(&world, "MANIFEST", zeros, sizeof zeros);
        }
        if (what & 2) {
            bpt_file_each(&world, remove_list, &world);
        }
        if (what & 4) {
            bpt_file_remove(&world, "live");
        }
        if (what & 8) { /* one segment's header is unreadable too */
            size_t size = 0;
            uint8_t *data = bpt_file_read(&world, "log/0000000001-1.seg", &size);
            memset(data, 0x55, 64);
            bpt_file_write(&world, "log/0000000001-1.seg", data, size);
            free(data);
        }
        check_same_export(t, &world);
        bpt_world_end(&world);
    }
    bpt_world_end(&t->world);
    free(t);
}

static void swapped_and_foreign_segments_are_told_apart(void **state)
{
    (void)state;
    truth *t = calloc(1, sizeof *t);
    truth *other = calloc(1, sizeof *other);
    bpt_world world;
    size_t sizes[3];
    make(t, 3, false);
    make(other, 4, false);
    copy_of(t, &world);
    uint8_t *first = bpt_file_read(&world, "log/0000000000-1.seg", &sizes[0]);
    uint8_t *second = bpt_file_read(&world, "log/0000000001-1.seg", &sizes[1]);
    bpt_file_write(&world, "log/0000000000-1.seg", second, sizes[1]);
    bpt_file_write(&world, "log/0000000001-1.seg", first, sizes[0]);
    check_same_export(t, &world);
    bpt_world_end(&world);

    /* A segment of another store under a name of ours: what lay there is lost, what it holds is not taken. */
    bool lost[EVENTS] = {false};
    copy_of(t, &world);
    uint8_t *foreign = bpt_file_read(&other->world, "log/0000000001-1.seg", &sizes[2]);
    foreign[16] ^= 0x40; /* these worlds draw the same ids: make it another's */
    bpt_put_crc(foreign, 64, 12);
    bpt_file_write(&world, "log/0000000001-1.seg", foreign, sizes[2]);
    lose_segment(t, 1, lost);
    repair(t, &world, lost);
    bpt_world_end(&world);
    free(first);
    free(second);
    free(foreign);
    bpt_world_end(&t->world);
    bpt_world_end(&other->world);
    free(t);
    free(other);
}

/* ---- losses ---- */

static void missing_segments_are_gaps(void **state)
{
    (void)state;
    truth *t = calloc(1, sizeof *t);
    make(t, 5, false);
    for (uint32_t gone = 0; gone + 1 < t->segment_count; gone++) {
        for (unsigned listless = 0; listless < 2; listless++) {
            bpt_world world;
            bool lost[EVENTS] = {false};
            char name[64];
            bpt_note("segment %u gone, listless %u", gone, listless);
            copy_of(t, &world);
            (void)snprintf(name, sizeof name, "log/%010u-1.seg", gone);
            bpt_file_remove(&world, name);
            if (listless) {
                bpt_file_remove(&world, "MANIFEST");
                bpt_file_each(&world, remove_list, &world);
            }
            lose_segment(t, gone, lost);
            repair(t, &world, lost);
            bpt_world_end(&world);
        }
    }
    bpt_world_end(&t->world);
    free(t);
}

/* The record that holds that byte; -1: none does. */
static int64_t record_at(const truth *t, uint32_t ordinal, uint64_t offset)
{
    for (uint64_t i = 0; i < t->count; i++) {
        if (t->segments[i] == ordinal && offset >= t->starts[i] && offset < t->ends[i]) {
            return (int64_t)i;
        }
    }
    return -1;
}

static uint64_t segment_end(const truth *t, uint32_t ordinal)
{
    uint64_t end = 64;
    for (uint64_t i = 0; i < t->count; i++) {
        end = t->segments[i] == ordinal && t->ends[i] > end ? t->ends[i] : end;
    }
    return end;
}

/* Only a record's checksum field, or its length field, is damaged: the frame's checksum tells what they were. */
static bool is_mended(uint64_t offset, uint64_t start)
{
    return offset - start < 8;
}

static void flip_one(const truth *t, uint32_t ordinal, uint64_t offset, uint8_t *data, size_t size)
{
    bpt_world world;
    bool lost[EVENTS] = {false};
    char name[64];
    (void)snprintf(name, sizeof name, "log/%010u-1.seg", ordinal);
    bpt_note("flip %s at %llu", name, (unsigned long long)offset);
    copy_of(t, &world);
    data[offset] ^= 0x20;
    bpt_file_write(&world, name, data, size);
    data[offset] ^= 0x20;
    int64_t hit = record_at(t, ordinal, offset);
    if (hit >= 0 && !is_mended(offset, t->starts[hit])) {
        lost[hit] = true;
    }
    repair(t, &world, lost);
    bpt_world_end(&world);
}

/* At every KiB of every segment, and every byte of a few records with their frame's header. */
static void a_flipped_byte_costs_at_most_its_event(void **state)
{
    uint64_t stride = bpt_campaign() ? 64 : bpt_instrumented() ? 8192 : 1024;
    (void)state;
    for (unsigned killed = 0; killed < 2; killed++) {
        truth *t = calloc(1, sizeof *t);
        make(t, 6 + killed, killed != 0);
        for (uint32_t ordinal = 0; ordinal < t->segment_count; ordinal++) {
            char name[64];
            size_t size = 0;
            (void)snprintf(name, sizeof name, "log/%010u-1.seg", ordinal);
            uint8_t *data = bpt_file_read(&t->world, name, &size);
            uint64_t end = segment_end(t, ordinal);
            for (uint64_t offset = 0; offset < end; offset += stride) {
                flip_one(t, ordinal, offset, data, size);
            }
            for (uint64_t offset = 64; ordinal == 1 && offset < 64 + 64 + 160; offset += killed != 0 ? 7 : 3) {
                flip_one(t, ordinal, offset, data, size);
            }
            free(data);
        }
        bpt_world_end(&t->world);
        free(t);
    }
}

/* The segment ends early: what lies before stays, whole records of the last frame too. */
static void truncated_segments(void **state)
{
    (void)state;
    truth *t = calloc(1, sizeof *t);
    make(t, 8, false);
    uint64_t stride = bpt_campaign() ? 100 : bpt_instrumented() ? 6000 : 1500;
    size_t size = 0;
    uint8_t *data = bpt_file_read(&t->world, "log/0000000001-1.seg", &size);
    for (uint64_t cut = 0; cut < segment_end(t, 1); cut += stride) {
        bpt_world world;
        bool lost[EVENTS] = {false};
        bpt_note("cut at %llu", (unsigned long long)cut);
        copy_of(t, &world);
        bpt_file_write(&world, "log/0000000001-1.seg", data, cut);
        for (uint64_t i = 0; i < t->count; i++) {
            lost[i] = t->segments[i] == 1 && t->ends[i] > cut;
        }
        repair(t, &world, lost);
        bpt_world_end(&world);
    }
    free(data);
    bpt_world_end(&t->world);
    free(t);
}

/* Sectors of nothing, here and there: whatever else, the new store verifies and holds only true events. */
static void random_damage(void **state)
{
    uint64_t seed = bpt_seed(4711);
    uint64_t rounds = bpt_amount("BATPAK_ROUNDS", 40, 5000);
    uint64_t taken = 0;
    uint64_t lost = 0;
    (void)state;
    for (uint64_t round = 0; round < rounds; round++) {
        bpt_random random = {seed + round};
        truth *t = calloc(1, sizeof *t);
        bpt_world world;
        bp_error error = {0};
        bp_repair_report report;
        make(t, seed + round, round % 2 != 0);
        bpt_note("seed %llu round %llu", (unsigned long long)seed, (unsigned long long)round);
        copy_of(t, &world);
        for (uint64_t i = 0; i <= bpt_random_below(&random, 6); i++) {
            char name[64];
            size_t size = 0;
            (void)snprintf(name, sizeof name, "log/%010u-1.seg", (unsigned)bpt_random_below(&random, t->segment_count));
            uint8_t *data = bpt_file_read(&world, name, &size);
            size_t at = bpt_random_below(&random, size);
            size_t length = 1 + bpt_random_below(&random, 1024);
            for (size_t k = at; k < size && k < at + length; k++) {
                data[k] = bpt_random_chance(&random, 50) ? 0 : (uint8_t)bpt_random_next(&random);
            }
            bpt_file_write(&world, name, data, size);
            free(data);
        }
        bp_repair_options options = options_of(&world);
        CHECK_OK(bp_repair(world.path, "saved", &options, &report, &error), &error);
        bp_store *store = NULL;
        CHECK_OK(bp_open_reader("saved", &world.options, &store, &error), &error);
        for (uint64_t i = 0; i < t->count && i < report.next_sequence; i++) {
            const bp_event *event = NULL;
            CHECK_OK(bp_get_sequence(store, i, &event, &error), &error);
            CHECK(event->kind == BP_KIND_INIT || bp_id_equal(&event->id, &t->ids[i]), "event %llu is made up",
                  (unsigned long long)i);
            bp_event_release(event);
        }
        CHECK_OK(bp_close(store, &error), &error);
        taken += report.events;
        lost += report.lost;
        bpt_world_end(&world);
        bpt_world_end(&t->world);
        free(t);
    }
    print_message("%llu repairs: %llu events taken over, %llu lost\n", (unsigned long long)rounds,
                  (unsigned long long)taken, (unsigned long long)lost);
    assert_true(lost > 0 && taken > lost);
}

/* A payload that looks like a record of the store, checksum and all, is never taken for one. */
static void a_record_within_a_payload_is_bytes(void **state)
{
    (void)state;
    for (uint64_t offset = 0; offset < 4; offset++) {
        bpt_world world;
        bpt_world_fault(&world);
        bp_store *store = bpt_open(&world);
        (void)bpt_put(store, "victim", "one");
        (void)bpt_put(store, "victim", "two");
        bpt_forge *forge = bpt_forge_begin(&world, 0);
        /* What the attacker knows: the record as it would be with the next sequence, by the same store id. */
        uint8_t *record = bpt_forge_record(forge, 1);
        size_t length = bpt_forge_length(forge, 1);
        uint8_t forged[600] = {0};
        memcpy(forged + 8 * offset, record, length);
        bpt_set64(forged + 8 * offset + 8, 2);
        free(forge->data);
        free(forge);
        bp_error error = {0};
        CHECK_OK(bp_append(store, bp_at("attacker", "s"), 0xf001, bp_raw(forged, sizeof forged), NULL, NULL, &error),
                 &error);
        (void)bpt_put(store, "victim", "three");
        bpt_close(store);
        size_t size = 0;
        uint8_t *data = bpt_file_read(&world, "log/0000000000-1.seg", &size);
        forge = bpt_forge_begin(&world, 0);
        size_t at = forge->records[2];
        free(forge->data);
        free(forge);
        memset(data + at - 64, 0xee, 64 + 128); /* header and fixed fields of the attacker's event */
        bpt_file_write(&world, "log/0000000000-1.seg", data, size);
        bp_repair_report report;
        bp_repair_options options = options_of(&world);
        CHECK_OK(bp_repair(world.path, "saved", &options, &report, &error), &error);
        assert_int_equal(report.events, 3);
        assert_int_equal(report.lost, 1);
        assert_int_equal(report.unchanged, 3);
        free(data);
        bpt_world_end(&world);
    }
}

/* ---- the place, the arguments ---- */

static void the_place_must_be_empty(void **state)
{
    truth *t = calloc(1, sizeof *t);
    bpt_world world;
    bp_error error = {0};
    bool lost[EVENTS] = {false};
    (void)state;
    make(t, 9, false);
    copy_of(t, &world);
    bp_repair_options options = options_of(&world);
    repair(t, &world, lost);
    CHECK_STATUS(BP_ERR_NOT_EMPTY, bp_repair(world.path, "saved", &options, NULL, &error), &error);
    CHECK_SAYS(&error, "saved is there and not empty");
    CHECK_STATUS(BP_ERR_NOT_EMPTY, bp_repair(world.path, world.path, &options, NULL, &error), &error);
    CHECK_STATUS(BP_ERR_NOT_FOUND, bp_repair("nothing", "new", &options, NULL, &error), &error);
    CHECK_STATUS(BP_ERR_ARGUMENT, bp_repair(NULL, "new", &options, NULL, &error), &error);
    CHECK_STATUS(BP_ERR_ARGUMENT, bp_repair(world.path, NULL, &options, NULL, &error), &error);
    CHECK_STATUS(BP_ERR_ARGUMENT, bp_repair(world.path, "", &options, NULL, &error), &error);
    bp_dir *dir = NULL;
    assert_int_equal(world.io->dir_open(world.io->context, "there", true, &dir), 0);
    world.io->dir_close(world.io->context, dir);
    CHECK_STATUS(BP_ERR_ARGUMENT, bp_repair(world.path, "there/.", &options, NULL, &error), &error);
    options.lost_max = 0;
    bpt_file_remove(&world, "log/0000000000-1.seg");
    CHECK_STATUS(BP_ERR_TOO_LARGE, bp_repair(world.path, "new", &options, NULL, &error), &error);
    CHECK_SAYS(&error, "lost_max");
    options.lost_max = 1000000;
    CHECK_STATUS(BP_ERR_NOT_EMPTY, bp_repair(world.path, "new", &options, NULL, &error), &error);
    CHECK_SAYS(&error, "new.repairing");
    bpt_world_end(&world);
    bpt_world_end(&t->world);
    free(t);
}

/* A write of the new store fails, or the power goes: there is a whole one or none, and the old one is as it was. */
static void a_failed_repair_leaves_no_store(void **state)
{
    truth *t = calloc(1, sizeof *t);
    (void)state;
    make(t, 10, false);
    bpt_file_remove(&t->world, "log/0000000001-1.seg");
    uint64_t steps = 1;
    for (uint64_t step = 1; step <= steps; step += (bpt_campaign() ? 1 : bpt_instrumented() ? 40 : 9)) {
        bpt_world world;
        bp_error error = {0};
        bp_store *store = NULL;
        bpt_note("step %llu", (unsigned long long)step);
        bpt_world_adopt(&world, bpi_fault_clone(t->world.fault));
        bpi_fault_plan plan = {.kind = BPI_FAULT_CRASH, .step = step};
        bpi_fault_set_plan(world.fault, &plan);
        bp_repair_options options = options_of(&world);
        bp_status status = bp_repair(world.path, "saved", &options, NULL, &error);
        bool crashed = bpi_fault_crashed(world.fault);
        if (crashed) {
            steps = step + 64;
            (void)bpt_power_cut(&world, BPT_KEEP_RANDOM, step);
        }
        CHECK(crashed || status == BP_OK, "%s without a crash", error.message);
        world.options.create = false;
        bp_status opened = bp_open_reader("saved", &world.options, &store, &error);
        CHECK(opened == BP_OK || opened == BP_ERR_NOT_FOUND, "what is at the new place: %s", bp_status_name(opened));
        if (opened == BP_OK) {
            CHECK(bp_store_frontiers(store).published == t->count + 1, "a part of a store is there");
        }
        (void)bp_close(store, NULL);
        bpt_world_end(&world);
    }
    assert_true(steps > 20);
    bpt_world_end(&t->world);
    free(t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_whole_store_comes_out_the_same),
        cmocka_unit_test(without_manifest_or_lists_nothing_is_lost),
        cmocka_unit_test(swapped_and_foreign_segments_are_told_apart),
        cmocka_unit_test(missing_segments_are_gaps),
        cmocka_unit_test(a_flipped_byte_costs_at_most_its_event),
        cmocka_unit_test(truncated_segments),
        cmocka_unit_test(random_damage),
        cmocka_unit_test(a_record_within_a_payload_is_bytes),
        cmocka_unit_test(the_place_must_be_empty),
        cmocka_unit_test(a_failed_repair_leaves_no_store),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
