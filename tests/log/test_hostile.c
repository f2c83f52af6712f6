/*
 * test_hostile.c: files of any content yield a typed answer (P10): bytes overwritten, files cut and grown, fields forged
 * under right checksums. Opening, reading, all questions and verify are run on each; the sanitizers watch.
 *
 * ctest: labels=campaign timeout=7200
 */
#include "support/forge.h"

static bool is_answer(bp_status status)
{
    return status == BP_OK || status == BP_ERR_CORRUPT || status == BP_ERR_VERSION || status == BP_ERR_NOT_FOUND ||
           status == BP_ERR_NO_MEMORY || status == BP_ERR_READ_ONLY || status == BP_ERR_UNSUPPORTED;
}

static void make(bpt_world *world, bool killed)
{
    bp_error error = {0};
    bp_append_options options;
    bpt_world_fault(world);
    bp_store *store = bpt_open(world);
    bp_id causes[2] = {bpt_put(store, "one", "first").id, bpt_put(store, "two", "second").id};
    bp_append_options_init(&options);
    options.causes = causes;
    options.cause_count = 2;
    options.correlation = causes[0];
    options.lane = 3;
    options.kind_name = "a.name";
    for (int index = 0; index < 5; index++) {
        (void)bpt_put_with(store, "three", "with causes", &options);
    }
    CHECK_OK(bp_seal(store, &error), &error);
    for (int index = 0; index < 8; index++) {
        (void)bpt_put(store, index % 2 == 0 ? "one" : "four", "in the second segment");
    }
    if (killed) {
        bpi_fault_process_kill(world->fault);
        (void)bp_close(store, NULL);
    } else {
        bpt_close(store);
    }
}

/* ---- damage ---- */

static void forge_record(bpt_world *world, bpt_random *random)
{
    bpt_forge *forge = bpt_forge_begin(world, (unsigned)bpt_random_below(random, 2));
    for (uint64_t left = 1 + bpt_random_below(random, 3); left > 0 && forge->record_count > 0; left--) {
        size_t record = (size_t)bpt_random_below(random, forge->record_count);
        size_t length = bpt_forge_length(forge, record);
        size_t at = 8 + (size_t)bpt_random_below(random, bpt_random_chance(random, 80) ? 120 : length - 8);
        bpt_forge_record(forge, record)[at] = (uint8_t)(bpt_random_chance(random, 30) ? 0xff : bpt_random_next(random));
    }
    bpt_forge_fix(forge);
    bpt_forge_end(forge);
}

/* A frame header's field, its CRC made right; or a record's length, which moves all behind it. */
static void forge_header(bpt_world *world, bpt_random *random)
{
    bpt_forge *forge = bpt_forge_begin(world, (unsigned)bpt_random_below(random, 2));
    size_t frame = (size_t)bpt_random_below(random, forge->frame_count);
    uint8_t *header = forge->data + forge->frames[frame].offset;
    if (bpt_random_chance(random, 30) && forge->frames[frame].record_count > 0) {
        bpt_set32(header + 64 + 4, (uint32_t)bpt_random_next(random) & (bpt_random_chance(random, 50) ? 0x3f8 : ~0u));
    } else {
        header[8 + bpt_random_below(random, 52)] = (uint8_t)bpt_random_next(random);
    }
    bpt_put_crc(header, 60, 56); /* a body CRC of nonsense */
    uint8_t copy[64];
    memcpy(copy, header, 64);
    bpt_put_crc(copy, 60, 56);
    bpt_set32(header + 60, bpt_get32(copy + 56));
    bpt_forge_end(forge);
}

static bpt_random *change_random;

static void change_bytes(uint8_t *bytes, size_t size)
{
    for (uint64_t left = 1 + bpt_random_below(change_random, 4); left > 0; left--) {
        size_t room = size < 200 ? size : 200;
        bytes[16 + bpt_random_below(change_random, room - 16)] =
            (uint8_t)(bpt_random_chance(change_random, 30) ? 0xff : bpt_random_next(change_random));
    }
}

typedef struct pick {
    uint64_t left;
    char name[128];
} pick;

static void pick_file(void *argument, const char *name, const uint8_t *data, size_t size)
{
    pick *one = argument;
    (void)data;
    (void)size;
    if (one->left-- == 0) {
        (void)snprintf(one->name, sizeof one->name, "%s", name);
    }
}

static void overwrite(bpt_world *world, bpt_random *random)
{
    pick one = {.left = bpt_random_below(random, 7)};
    size_t size = 0;
    bpt_file_each(world, pick_file, &one);
    if (one.name[0] == '\0') {
        return;
    }
    uint8_t *data = bpt_file_read(world, one.name, &size);
    uint8_t *copy = calloc(1, size + 5000);
    CHECK(data != NULL && copy != NULL, "no memory");
    memcpy(copy, data, size);
    uint64_t how = bpt_random_below(random, 4);
    size_t used = size > 4096 && bpt_random_chance(random, 70) ? 4096 : size;
    if (how < 2 && used > 0) { /* a run of random bytes */
        size_t at = (size_t)bpt_random_below(random, used);
        size_t run = 1 + (size_t)bpt_random_below(random, how == 0 ? 8 : 512);
        for (size_t index = at; index < at + run && index < size; index++) {
            copy[index] = (uint8_t)bpt_random_next(random);
        }
    }
    size_t end = how == 2 ? (size_t)bpt_random_below(random, size + 1) : how == 3 ? size + 4999 : size;
    if (how == 3) {
        copy[size + 4000] = 7;
    }
    bpt_file_write(world, one.name, copy, end);
    free(copy);
    free(data);
}

static void damage(bpt_world *world, bpt_random *random)
{
    change_random = random;
    switch (bpt_random_below(random, 6)) {
    case 0:
        forge_record(world, random);
        break;
    case 1:
        forge_header(world, random);
        break;
    case 2:
        bpt_change_manifest(world, change_bytes);
        break;
    case 3:
        bpt_change_list(world, change_bytes);
        break;
    default:
        break;
    }
    for (uint64_t left = bpt_random_below(random, 3); left > 0; left--) {
        overwrite(world, random);
    }
}

/* ---- everything that can be asked ---- */

static void ask_walks(bp_store *store, const bp_id *id)
{
    for (int kind = BP_WALK_CHAIN; kind <= BP_WALK_CORRELATION; kind++) {
        bp_walk_options options;
        bp_walk *walk = NULL;
        const bp_event *event = NULL;
        uint32_t depth = 0;
        bp_walk_options_init(&options);
        options.kind = (bp_walk_kind)kind;
        options.verify = true;
        if (bp_walk_begin(store, id, &options, &walk, NULL) == BP_OK) {
            for (int left = 100; left > 0 && bp_walk_next(walk, &event, &depth, NULL) == BP_OK; left--) {
            }
            bp_walk_end(walk);
        }
    }
}

static uint64_t sum; /* so that every byte of an event is looked at */

static void ask(bp_store *store)
{
    bp_iterator *iterator = NULL;
    bp_region region = bp_region_all();
    const bp_event *event = NULL;
    bp_error error = {0};
    bp_region_set_system(&region, true);
    CHECK_OK(bp_query(store, &region, NULL, &iterator, &error), &error);
    for (int left = 200; left > 0; left--) {
        bp_status status = bp_next(iterator, &event, &error);
        if (status == BP_END) {
            break;
        }
        CHECK(is_answer(status), "bp_next is answered %s", bp_status_name(status));
        if (status == BP_OK) {
            bp_hash content = bp_event_content_hash(event);
            sum += content.bytes[0] + event->entity.size + event->scope.size;
            for (size_t index = 0; index < event->payload_size; index++) {
                sum += ((const uint8_t *)event->payload)[index];
            }
            bp_id id = event->id;
            ask_walks(store, &id);
        }
    }
    bp_iterator_close(iterator);
}

static void try_all(bpt_world *world, bool verifies)
{
    bp_error error = {0};
    bp_store *store = NULL;
    bp_verify_report report;
    bp_verify_options options;
    bp_verify_options_init(&options);
    options.io = world->io;
    if (verifies) { /* not each time: it looks again for a while before it says that something is damaged */
        bp_status proof = bp_verify(world->path, &options, &report, &error);
        CHECK(is_answer(proof), "verify is answered %s", bp_status_name(proof));
    }
    bp_status status = bp_open_reader(world->path, &world->options, &store, &error);
    CHECK(is_answer(status), "a reader is answered %s: %s", bp_status_name(status), error.message);
    if (status == BP_OK) {
        ask(store);
        (void)bp_close(store, NULL);
    }
    store = NULL;
    status = bp_open(world->path, &world->options, &store, &error);
    CHECK(is_answer(status), "a writer is answered %s: %s", bp_status_name(status), error.message);
    if (status != BP_OK) {
        return;
    }
    ask(store);
    status = bp_append(store, bp_at("afterwards", "s"), 0xf001, bp_raw("x", 1), NULL, NULL, &error);
    CHECK(is_answer(status), "an append is answered %s: %s", bp_status_name(status), error.message);
    status = bp_close(store, &error);
    CHECK(is_answer(status), "closing is answered %s: %s", bp_status_name(status), error.message);
}

static void hostile(bool killed, uint64_t seed)
{
    bpt_world base;
    uint64_t runs = bpt_amount("BATPAK_RUNS", 3000, 200000);
    double start = bpt_seconds();
    make(&base, killed);
    for (uint64_t run = 0; run < runs; run++) {
        bpt_world world;
        bpt_random random = {seed + run};
        bpt_note("seed %llu", (unsigned long long)random.state);
        bpt_world_adopt(&world, bpi_fault_clone(base.fault));
        damage(&world, &random);
        try_all(&world, run % 8 == 0);
        bpt_world_end(&world);
    }
    bpt_note("%s", "");
    print_message("%llu damaged stores in %.1f s\n", (unsigned long long)runs, bpt_seconds() - start);
    bpt_world_end(&base);
}

static void any_bytes_in_a_closed_store(void **state)
{
    (void)state;
    hostile(false, bpt_seed(1));
}

static void any_bytes_in_a_killed_store(void **state)
{
    (void)state;
    hostile(true, bpt_seed(1000001));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(any_bytes_in_a_closed_store),
        cmocka_unit_test(any_bytes_in_a_killed_store),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
