/*
 * fuzz_consumer.c: a consumer's file. Read by itself, then in the place of a store's own, with the store's id in it.
 */
#include "fuzz/fix.h"
#include "fuzz/store.h"

#include "format/consumer.h"

enum { CONSUMED = 5, STORE_AT = 16 };

static bpt_world *base;
static char place[128];
static uint8_t *original;
static size_t original_size;

static void find_file(void *argument, const char *name, const uint8_t *data, size_t size)
{
    (void)argument;
    if (strncmp(name, "consumers/", 10) == 0 && size >= BPI_CONSUMER_HEADER) {
        (void)snprintf(place, sizeof place, "%s", name);
        original = fuzz_copy(data, size);
        original_size = size;
    }
}

static void make_base(void)
{
    const char *name = NULL;
    base = calloc(1, sizeof *base);
    CHECK(base != NULL && fuzz_store_make(CONSUMED, base, &name), "no store");
    bpt_file_each(base, find_file, NULL);
    CHECK(original != NULL, "the store has no consumer");
}

static void read_alone(const uint8_t *bytes, size_t size)
{
    bpi_consumer_file file;
    uint32_t version = 0;
    if (bpi_consumer_get(bytes, size, &file, &version) != NULL) {
        return;
    }
    bpi_parked *parked = calloc(file.parked_count + 1, sizeof *parked);
    CHECK(parked != NULL && file.parked_count <= size / BPI_CONSUMER_PARKED_HEADER, "%u are parked in %zu bytes",
          file.parked_count, size);
    const uint8_t *at = file.parked;
    for (uint32_t i = 0; i < file.parked_count; i++) {
        bpi_consumer_next_parked(&at, &parked[i]);
    }
    CHECK(at == bytes + size && bpi_consumer_size(&file, parked) == size, "what was read has another size");
    uint8_t *again = malloc(size);
    CHECK(again != NULL, "no memory");
    bpi_consumer_put(&file, parked, again);
    CHECK(memcmp(again, bytes, size) == 0, "a file that is right reads and writes differently");
    free(again);
    free(parked);
}

static void read_in_store(const uint8_t *bytes, size_t size)
{
    bpt_world world;
    bp_error error = {0};
    bp_store *store = NULL;
    bp_consumer *consumer = NULL;
    bp_consumer_options options;
    const bp_event *event = NULL;
    bpt_world_adopt(&world, bpi_fault_clone(base->fault));
    bpt_file_write(&world, place, bytes, size);
    CHECK_OK(bp_open(world.path, &world.options, &store, &error), &error);
    bp_status status = bp_consumer_retry_later(store, "mailer", 0, BP_NONE, &error);
    CHECK(fuzz_is_answer(status), "a later retry is answered %s: %s", bp_status_name(status), error.message);
    bp_consumer_options_init(&options);
    options.published = true;
    status = bp_consumer_open(store, "mailer", NULL, &options, &consumer, &error);
    CHECK(fuzz_is_answer(status) || status == BP_ERR_CONFLICT, "a consumer is answered %s: %s", bp_status_name(status),
          error.message);
    for (int left = 8; left > 0 && status == BP_OK; left--) {
        status = bp_consumer_next(consumer, 0, 0, &event, &error);
        if (status == BP_OK) {
            status = bp_consumer_ack(consumer, event->sequence, &error);
        }
    }
    (void)bp_consumer_close(consumer, NULL);
    CHECK_OK(bp_close(store, &error), &error);
    bpt_world_end(&world);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (base == NULL) {
        make_base();
    }
    fuzz_file file = {.name = "consumers/x", .data = fuzz_copy(data, size), .size = size};
    read_alone(file.data, size);
    if (size >= BPI_CONSUMER_HEADER) {
        memcpy(file.data + STORE_AT, original + STORE_AT, sizeof(bp_id));
        fuzz_fix_file(&file);
    }
    read_in_store(file.data, size);
    free(file.data);
    return 0;
}

size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max, unsigned seed)
{
    fuzz_file file = {.name = "consumers/x", .data = data};
    file.size = LLVMFuzzerMutate(data, size, max);
    if (seed % 8 != 0) {
        fuzz_fix_file(&file);
    }
    return file.size;
}

void fuzz_seeds(fuzz_emit_fn emit, void *argument)
{
    make_base();
    emit(argument, "mailer", original, original_size);
}
