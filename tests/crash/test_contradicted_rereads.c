/*
 * test_contradicted_rereads.c: a sync fails, and what the recovery in the process (P6) then reads back is not what was written,
 * although its checksums are right. The heads in memory tell: the store stays failed, and says which event it was. What was
 * acknowledged is there at the next opening, once the medium tells the truth again.
 */
#include <errno.h>

#include "format/record.h"
#include "support/forge.h"

enum { LAST_OF_E = 2, ONLY_OF_F = 3, EVENTS = 5 };

/* What file_read gives where the segment lies: another image of it. One at a time. */
static struct {
    const bp_io *io;
    bpt_forge *forged;
    uint8_t *original;
    size_t size; /* reads are short from here on */
    bool lies;
} medium;

static int lying_read(void *context, bp_file *file, uint64_t offset, void *buffer, size_t size, size_t *got_out)
{
    int code = medium.io->file_read(context, file, offset, buffer, size, got_out);
    bool within = code == 0 && medium.lies && offset + *got_out <= medium.forged->size;
    if (within && memcmp(buffer, medium.original + offset, *got_out) == 0) {
        memcpy(buffer, medium.forged->data + offset, *got_out);
        size_t left = offset < medium.size ? medium.size - (size_t)offset : 0;
        *got_out = *got_out < left ? *got_out : left;
    }
    return code;
}

typedef void (*lie_fn)(bpt_forge *forge);

static uint8_t *payload_of(bpt_forge *forge, size_t record)
{
    uint8_t *bytes = bpt_forge_record(forge, record);
    uint8_t *payload = memmem(bytes, bpt_forge_length(forge, record), "words ", 6);
    assert_non_null(payload);
    return payload;
}

static void another_payload(bpt_forge *forge)
{
    payload_of(forge, 1)[0] = 'W';
}

static void another_payload_under_its_own_hash(bpt_forge *forge)
{
    bp_hash before = bpt_forge_hash_of(forge, 0);
    payload_of(forge, 1)[0] = 'W';
    bpt_forge_hash(forge, 1, &before);
}

static void another_head_under_its_own_hash(bpt_forge *forge)
{
    bp_hash before = bpt_forge_hash_of(forge, 1);
    payload_of(forge, LAST_OF_E)[0] = 'W';
    bpt_forge_hash(forge, LAST_OF_E, &before);
}

static void an_entity_that_nobody_knows(bpt_forge *forge)
{
    bpt_forge_record(forge, ONLY_OF_F)[BPI_RECORD_FIXED] = 'g';
    bpt_forge_hash(forge, ONLY_OF_F, NULL);
}

static void an_entity_whose_head_is_older(bpt_forge *forge)
{
    bpt_forge_record(forge, ONLY_OF_F)[BPI_RECORD_FIXED] = 'e';
    bpt_forge_hash(forge, ONLY_OF_F, NULL);
}

static void another_sequence(bpt_forge *forge)
{
    bpt_set64(bpt_forge_record(forge, 1) + BPI_RECORD_SEQUENCE, 9);
}

static void no_length(bpt_forge *forge)
{
    bpt_set32(bpt_forge_record(forge, 1) + BPI_RECORD_LENGTH, 0);
}

static void an_endless_length(bpt_forge *forge)
{
    bpt_set32(bpt_forge_record(forge, 1) + BPI_RECORD_LENGTH, UINT32_MAX);
}

static void a_length_beyond_the_file(bpt_forge *forge)
{
    bpt_set32(bpt_forge_record(forge, 1) + BPI_RECORD_LENGTH, BP_FRAME_MAX);
}

static void a_flipped_bit(bpt_forge *forge)
{
    bpt_forge_record(forge, ONLY_OF_F)[BPI_RECORD_TIME] ^= 4;
}

static void nothing(bpt_forge *forge)
{
    medium.size = forge->records[1];
}

static void half_a_record(bpt_forge *forge)
{
    medium.size = forge->records[1] + 64;
}

typedef struct lie {
    const char *name;
    lie_fn tell;
    const char *said;
    bool sums; /* checksums are made right */
} lie;

static const lie lies[] = {
    {"another payload", another_payload, "event 1 cannot be recovered: its hash does not match", true},
    {"another payload under its own hash", another_payload_under_its_own_hash,
     "event 2 cannot be recovered: its hash does not match", true},
    {"another head under its own hash", another_head_under_its_own_hash,
     "event 2 cannot be recovered: its chain does not end at the head in memory", true},
    {"an entity that nobody knows", an_entity_that_nobody_knows,
     "event 3 cannot be recovered: its chain does not end at the head in memory", true},
    {"an entity whose head is older", an_entity_whose_head_is_older,
     "event 3 cannot be recovered: its chain does not end at the head in memory", true},
    {"another sequence", another_sequence, "event 1 cannot be recovered: another record was read back", true},
    {"no length", no_length, "event 1 cannot be recovered: it cannot be read back", false},
    {"an endless length", an_endless_length, "event 1 cannot be recovered: it cannot be read back", false},
    {"a length beyond the file", a_length_beyond_the_file, "event 1 cannot be recovered: it cannot be read back",
     false},
    {"a flipped bit", a_flipped_bit, "event 3 cannot be recovered: ", false},
    {"nothing", nothing, "event 1 cannot be recovered: it cannot be read back", false},
    {"half a record", half_a_record, "event 1 cannot be recovered: it cannot be read back", false},
};

static void begin_lie(bpt_world *world, const lie *what)
{
    medium.forged = bpt_forge_begin(world, 0);
    medium.size = medium.forged->size;
    medium.original = malloc(medium.forged->size);
    assert_non_null(medium.original);
    memcpy(medium.original, medium.forged->data, medium.forged->size);
    what->tell(medium.forged);
    if (what->sums) {
        bpt_forge_fix(medium.forged);
    }
    medium.lies = true;
}

static void end_lie(void)
{
    medium.lies = false;
    free(medium.original);
    free(medium.forged->data);
    free(medium.forged);
}

static uint64_t count(bp_store *store)
{
    bp_error error = {0};
    uint64_t events = 0;
    CHECK_OK(bp_count(store, NULL, &events, &error), &error);
    return events;
}

static void one(const lie *what)
{
    static const char *const entities[] = {"e", "e", "e", "f", "f"};
    bpt_world world;
    bp_error error = {0};
    bp_append_options options;
    bpt_note("%s", what->name);
    bpt_world_fault(&world);
    medium.io = world.io;
    bp_io table = *world.io;
    table.file_read = lying_read;
    world.options.io = &table;
    world.options.durability = BP_BUFFERED;
    bp_store *store = bpt_open(&world);
    bpt_put(store, entities[0], "words of 0");
    CHECK_OK(bp_sync(store, &error), &error);
    for (unsigned i = 1; i < EVENTS - 1; i++) {
        bpt_put(store, entities[i], "words of more");
    }
    bpi_fault_set_plan(world.fault, &(bpi_fault_plan){.kind = BPI_FAULT_ERROR, .step = 1, .os_error = EIO});
    CHECK_STATUS(BP_ERR_FAILED, bp_sync(store, &error), &error);
    bpi_fault_set_plan(world.fault, &(bpi_fault_plan){0});

    begin_lie(&world, what);
    bp_append_options_init(&options);
    options.durability = BP_DURABLE;
    CHECK_STATUS(BP_ERR_FAILED, bp_append(store, bp_at("f", "s"), 0xf001, bp_raw("words", 5), &options, NULL, &error),
                 &error);
    CHECK_SAYS(&error, what->said);
    CHECK(bp_store_frontiers(store).failed, "it goes on");
    CHECK(count(store) == EVENTS - 1, "%llu events can be read", (unsigned long long)count(store));
    end_lie();

    (void)bp_close(store, NULL);
    store = bpt_open(&world);
    CHECK(count(store) == EVENTS - 1, "%llu events are left", (unsigned long long)count(store));
    bpt_put(store, entities[EVENTS - 1], "words");
    bpt_close(store);
    assert_int_equal(bpt_verify(&world), EVENTS);
    bpt_world_end(&world);
}

static void what_contradicts_memory_is_not_recovered(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof lies / sizeof *lies; i++) {
        one(&lies[i]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(what_contradicts_memory_is_not_recovered)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
