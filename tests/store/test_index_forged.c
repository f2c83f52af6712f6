/*
 * test_index_forged.c: index files whose checksums are right and whose words are anything: each field of the header, words of
 * each section, whole sections. Such a file may hide events from a query, and change what is counted without looking at records
 * (docs/format.md, section 13); it never does more. The store opens, nothing is called damage, what is handed out was asked for, once
 * and in order, chains lead where they led, heads are right, and the log verifies.
 */
#include "base/checksum.h"
#include "store/index_fixture.h"

enum { SUMS_OFFSET_AT = 112, SUMS_CRC_AT = 120, SECTIONS_AT = 160, SECTIONS = 25, FIELDS_AT = 16, FEW_SEALED = 4 };
enum { POSTINGS_AT = SECTIONS_AT + 7 * 16, KEYS_AT = POSTINGS_AT + 16, RARE = 20, WRITTEN = 600, STRANGER = 100 };
enum { ROWS_AT = 64, ROW_SIZE = 48, DISTANCE_AT = 20 };

static bool fits(uint64_t sums, size_t size)
{
    return sums % PAGE == 0 && sums >= PAGE && sums <= size && size - sums >= (sums / PAGE - 1) * 4;
}

/* All checksums as if the file had been written so, as far as its sizes allow. */
static void seal_forgery(uint8_t *data, size_t size)
{
    uint64_t sums = bpt_get64(data + SUMS_OFFSET_AT);
    if (fits(sums, size)) {
        for (size_t page = 1; page < sums / PAGE; page++) {
            bpt_set32(data + sums + (page - 1) * 4, bpi_crc32c(0, data + page * PAGE, PAGE));
        }
        bpt_set32(data + SUMS_CRC_AT, bpi_crc32c(0, data + sums, (sums / PAGE - 1) * 4));
    }
    bpt_put_crc(data, PAGE, CRC_AT);
}

static void answered(bp_status status, const bp_error *error)
{
    CHECK(status == BP_OK || status == BP_END || status == BP_ERR_NOT_FOUND, "%s: %s", bp_status_name(status),
          error->message);
}

static void count(bp_store *store, const bp_region *region)
{
    bp_error error = {0};
    bp_iterator *iterator = NULL;
    const bp_event *event = NULL;
    bp_query_options options;
    uint64_t found = 0;
    answered(bp_count(store, region, &found, &error), &error);
    bp_status newest = bp_newest(store, region, &event, &error);
    answered(newest, &error);
    if (newest == BP_OK) {
        CHECK(bp_region_matches(region, event), "the newest, %llu, was not asked for",
              (unsigned long long)event->sequence);
        bp_event_release(event);
    }
    bp_query_options_init(&options);
    options.backward = true;
    bp_status status = bp_query(store, region, &options, &iterator, &error);
    answered(status, &error);
    uint64_t last = UINT64_MAX;
    for (unsigned i = 0; status != BP_END && iterator != NULL && i < 200; i++) {
        status = bp_next(iterator, &event, &error);
        answered(status, &error);
        CHECK(status != BP_OK || event->sequence < last, "%llu behind %llu", (unsigned long long)event->sequence,
              (unsigned long long)last);
        CHECK(status != BP_OK || bp_region_matches(region, event), "event %llu was not asked for",
              (unsigned long long)event->sequence);
        last = status == BP_OK ? event->sequence : last;
    }
    bp_iterator_close(iterator);
}

/* Down to genesis, clock by clock. */
static void walk_chain(bp_store *store, const bpt_event *from)
{
    bp_error error = {0};
    bp_walk *walk = NULL;
    const bp_event *event = NULL;
    bp_walk_options options;
    bp_walk_options_init(&options);
    bp_status status = bp_walk_begin(store, &from->id, &options, &walk, &error);
    answered(status, &error);
    bp_text entity = {(const char *)from->entity.data, from->entity.size};
    uint64_t clock = from->clock + 1;
    while (status == BP_OK && (status = bp_walk_next(walk, &event, NULL, &error)) == BP_OK) {
        CHECK(event->clock + 1 == clock && bp_text_equal(event->entity, entity), "clock %llu, not %llu",
              (unsigned long long)event->clock, (unsigned long long)clock - 1);
        clock = event->clock;
    }
    answered(status, &error);
    CHECK(status == BP_ERR_NOT_FOUND || clock == 0, "the chain ends at clock %llu", (unsigned long long)clock);
    bp_walk_end(walk);
}

/* By everything that an index file helps with. */
static void ask(fixture *f, bp_store *store)
{
    bp_error error = {0};
    const bpt_model *model = &f->work->model;
    for (size_t i = 0; i < model->count; i += model->count / 3 + 1) {
        const bpt_event *sample = &model->events[i];
        const bp_event *event = NULL;
        bp_region regions[6];
        for (size_t r = 0; r < 6; r++) {
            regions[r] = bp_region_all();
        }
        bp_region_set_entity(&regions[0], (bp_text){(const char *)sample->entity.data, sample->entity.size});
        bp_region_set_prefix(&regions[1], (bp_text){(const char *)sample->entity.data, sample->entity.size});
        bp_region_set_scope(&regions[2], (bp_text){(const char *)sample->scope.data, sample->scope.size});
        bp_region_set_kind(&regions[3], sample->kind);
        bp_region_set_correlation(&regions[4], &sample->correlation);
        bp_region_set_cause(&regions[5], &sample->id);
        for (size_t r = 0; r < 6; r++) {
            count(store, &regions[r]);
        }
        bp_status status = bp_get(store, &sample->id, &event, &error);
        answered(status, &error);
        CHECK(status != BP_OK || event->sequence == i, "another event");
        bp_event_release(status == BP_OK ? event : NULL);
        walk_chain(store, sample);
    }
}

static void open_and_ask(fixture *f, bpt_world *world, bool write)
{
    bp_error error = {0};
    bp_store *store = NULL;
    bp_status status = write ? bp_open(world->path, &world->options, &store, &error)
                             : bp_open_reader(world->path, &world->options, &store, &error);
    CHECK_OK(status, &error);
    ask(f, store);
    if (write) {
        for (unsigned i = 0; i < 2; i++) {
            status = bp_append(store, i == 0 ? bp_at("a new one", "s") : bp_at("e:1", "s"), 0xf001, bp_raw("x", 1),
                               NULL, NULL, &error);
            CHECK_OK(status, &error);
        }
    }
    CHECK_OK(bp_close(store, &error), &error);
}

static void try_forgery(fixture *f, const index_file *file, uint8_t *data, bool write)
{
    bpt_world world;
    bp_verify_options options;
    bp_verify_report report;
    bp_error error = {0};
    seal_forgery(data, file->size);
    copy_of(f, &world);
    bpt_file_write(&world, file->name, data, file->size);
    open_and_ask(f, &world, write);
    bp_verify_options_init(&options);
    options.io = world.io;
    CHECK_OK(bp_verify(world.path, &options, &report, &error), &error);
    assert_int_equal(report.faults, 0);
    bpt_world_end(&world);
    memcpy(data, file->data, file->size);
}

static void forge_header(fixture *f, const index_file *file, uint8_t *data)
{
    static const uint32_t added[] = {1, (uint32_t)-1, (uint32_t)-16, 0x80000000u};
    for (size_t at = FIELDS_AT; at < SECTIONS_AT + SECTIONS * 16; at += 4) {
        for (size_t i = 0; i < sizeof added / sizeof *added; i++) {
            bpt_note("%s, header word at %zu + 0x%x", file->name, at, added[i]);
            bpt_set32(data + at, bpt_get32(data + at) + added[i]);
            try_forgery(f, file, data, i == 0);
        }
    }
}

static void forge_sections(fixture *f, const index_file *file, uint8_t *data, bpt_random *random)
{
    static const uint32_t values[] = {0, UINT32_MAX};
    for (unsigned section = 0; section < SECTIONS; section++) {
        size_t offset = (size_t)bpt_get64(file->data + SECTIONS_AT + section * 16);
        size_t size = (size_t)bpt_get64(file->data + SECTIONS_AT + section * 16 + 8) & ~(size_t)3;
        for (unsigned n = 0; n < 3 && size != 0; n++) {
            size_t word = n == 0 ? 0 : n == 1 ? size / 4 - 1 : (size_t)bpt_random_below(random, size / 4);
            for (size_t i = 0; i < 2; i++) {
                bpt_note("%s, section %u, word %zu: 0x%x", file->name, section, word, values[i]);
                bpt_set32(data + offset + word * 4, values[i]);
                try_forgery(f, file, data, n % 2 == 0);
            }
        }
        for (unsigned fill = 0; fill < 2 && size != 0; fill++) {
            bpt_note("%s, section %u filled with %u", file->name, section, fill);
            memset(data + offset, fill == 0 ? 0 : 0xff, size);
            try_forgery(f, file, data, true);
        }
    }
}

static void every_layout_survives(uint64_t seed)
{
    static const bp_layout layouts[] = {BP_LAYOUT_AOS, BP_LAYOUT_SOAOS};
    bpt_random random = {seed};
    for (size_t l = 0; l < sizeof layouts / sizeof *layouts; l++) {
        fixture f;
        make(&f, layouts[l], seed, FEW_SEALED);
        for (size_t n = 0; n < f.count; n += bpt_instrumented() ? f.count : f.count - 1) { /* the first, and the tail */
            uint8_t *data = malloc(f.files[n].size);
            assert_non_null(data);
            memcpy(data, f.files[n].data, f.files[n].size);
            forge_header(&f, &f.files[n], data);
            forge_sections(&f, &f.files[n], data, &random);
            free(data);
        }
        unmake(&f);
    }
}

static void forged_words_do_no_more_than_mislead(void **state)
{
    (void)state;
    every_layout_survives(bpt_seed(71));
}

/* Each event is said to follow the one before it in the log, or none. */
static void chains_are_held_against_the_log(void **state)
{
    static const uint32_t distances[] = {0, 1};
    fixture f;
    (void)state;
    make(&f, BP_LAYOUT_AOS, bpt_seed(72), FEW_SEALED);
    for (size_t n = 0; n < f.count; n++) {
        const index_file *file = &f.files[n];
        uint8_t *data = malloc(file->size);
        assert_non_null(data);
        memcpy(data, file->data, file->size);
        size_t rows = (size_t)bpt_get64(data + SECTIONS_AT);
        for (size_t i = 0; i < 2; i++) {
            bpt_note("%s, all distances %u", file->name, distances[i]);
            for (uint32_t row = 0; row < bpt_get32(data + ROWS_AT); row++) {
                bpt_set32(data + rows + (size_t)row * ROW_SIZE + DISTANCE_AT, distances[i]);
            }
            try_forgery(&f, file, data, i == 0);
        }
        free(data);
    }
    unmake(&f);
}

/* The first events of "rare" and "often", and where the store was behind them. */
static bp_position write_rare(fixture *f)
{
    bp_error error = {0};
    bp_position position = {0};
    memset(f, 0, sizeof *f);
    bpt_world_fault(&f->world);
    f->world.options.durability = BP_BUFFERED;
    bp_store *store = bpt_open(&f->world);
    for (unsigned i = 0; i < WRITTEN; i++) {
        (void)bpt_put(store, i % 2 == 1 && i < 2 * RARE ? "rare" : "often", "a payload");
        if (i == 2 * RARE) {
            CHECK_OK(bp_store_position(store, &position, &error), &error);
        }
    }
    CHECK_OK(bp_seal(store, &error), &error);
    bpt_close(store);
    bpt_file_each(&f->world, keep_file, f);
    return position;
}

/* The newest event of "rare" is said to be one of "often". */
static void forge_posting(index_file *file)
{
    uint8_t *data = file->data;
    const uint8_t *keys = data + bpt_get64(data + KEYS_AT);
    size_t count = (size_t)bpt_get64(data + KEYS_AT + 8) / 8;
    unsigned forged = 0;
    for (size_t i = 0; i + 1 < count; i++) {
        uint32_t from = bpt_get32(keys + 8 * i + 4);
        uint32_t to = bpt_get32(keys + 8 * (i + 1) + 4);
        if (to - from == RARE) {
            bpt_set32(data + bpt_get64(data + POSTINGS_AT) + (size_t)(to - 1) * 4, STRANGER);
            forged++;
        }
    }
    assert_int_equal(forged, 1);
    seal_forgery(data, file->size);
}

/* Passes what has nothing of "rare" behind its first events, by count. */
static bp_verdict none_is_later(const void *state, const void *context, bp_denial *denial)
{
    bp_region region = bp_region_stream("rare");
    uint64_t count = 0;
    (void)state;
    bp_region_set_sequence(&region, 2 * RARE, UINT64_MAX);
    return bp_commit_query(context, &region, 100, NULL, NULL, &count) == BP_OK && count == 0
               ? BP_VERDICT_PASS
               : bp_denial_say(denial, "LATER", "%llu events are later", (unsigned long long)count);
}

static void bind_none_is_later(bp_store *store)
{
    bp_error error = {0};
    bp_binding *binding = NULL;
    bp_gate_set *set = NULL;
    bp_gate gate = {"none-is-later", "nothing of rare is late", none_is_later, NULL, NULL};
    CHECK_OK(bp_gate_set_new(&set, &error), &error);
    CHECK_OK(bp_gate_set_push(set, &gate, &error), &error);
    CHECK_OK(bp_gate_bind(store, NULL, set, NULL, &binding, &error), &error);
    bp_gate_set_free(set);
}

/* What asks only whether there is an event, or how many, does not go by a row that no record confirms. */
static void no_answer_rests_on_a_forged_row(void **state)
{
    fixture f;
    bp_region rare = bp_region_stream("rare");
    (void)state;
    bp_position position = write_rare(&f);
    assert_true(f.count > 0);
    forge_posting(&f.files[0]);
    for (unsigned by = 0; by < 3; by++) {
        bpt_world world;
        bp_error error = {0};
        const bp_event *event = NULL;
        bp_append_options options;
        bp_guard guard = bp_guard_of(&rare, position);
        copy_of(&f, &world);
        bpt_file_write(&world, f.files[0].name, f.files[0].data, f.files[0].size);
        bp_store *store = bpt_open(&world);
        if (by == 0) {
            CHECK_OK(bp_newest(store, &rare, &event, &error), &error);
            assert_true(bp_region_matches(&rare, event));
            bp_event_release(event);
        } else if (by == 2) {
            bind_none_is_later(store);
        }
        bp_append_options_init(&options);
        options.guards = by == 1 ? &guard : NULL;
        options.guard_count = by == 1;
        CHECK_OK(bp_append(store, bp_at("other", "s"), 0xf001, bp_raw("x", 1), &options, NULL, &error), &error);
        bpt_close(store);
        bpt_world_end(&world);
    }
    forget_files(&f);
    bpt_world_end(&f.world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(no_answer_rests_on_a_forged_row),
        cmocka_unit_test(chains_are_held_against_the_log),
        cmocka_unit_test(forged_words_do_no_more_than_mislead),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
