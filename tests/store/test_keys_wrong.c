/*
 * test_keys_wrong.c: keys and encrypted payloads that are not what they should be, under right checksums; many destroyed keys;
 * who appends for a subject while its key is being destroyed.
 *
 * ctest: labels=threads
 */
#include <pthread.h>

#include "format/key_file.h"
#include "format/record.h"
#include "support/forge.h"

enum { SUBJECTS = 60 };

static void skip_without_cipher(void)
{
    if (!bp_encryption_available()) {
        skip();
    }
}

static bp_status try_put(bp_store *store, const char *subject, const char *text, bp_receipt *receipt_out,
                         bp_error *error)
{
    bp_append_options options;
    bp_append_options_init(&options);
    options.subject = subject;
    return bp_append(store, bp_at("person:1", "s"), BP_KIND_DATA, bp_raw(text, strlen(text)), &options, receipt_out,
                     error);
}

static bp_receipt put(bp_store *store, const char *subject, const char *text)
{
    bp_error error = {0};
    bp_receipt receipt = {0};
    CHECK_OK(try_put(store, subject, text, &receipt, &error), &error);
    return receipt;
}

static void expect(bp_store *store, uint64_t sequence, bp_encryption how)
{
    const bp_event *event = NULL;
    bp_error error = {0};
    CHECK_OK(bp_get_sequence(store, sequence, &event, &error), &error);
    CHECK(event->encryption == (uint8_t)how, "event %llu is handed out as %u, not %u", (unsigned long long)sequence,
          (unsigned)event->encryption, (unsigned)how);
    bp_event_release(event);
}

static bp_status destroy(bp_store *store, const char *subject, bp_error *error)
{
    bp_key_options options;
    bp_key_options_init(&options);
    options.reason = "asked to";
    options.by = "officer 7";
    return bp_key_destroy(store, subject, &options, NULL, error);
}

static void key_name(const char *subject, char name[64])
{
    bp_hash hash = bp_hash_bytes(subject, strlen(subject));
    (void)snprintf(name, 64, "keys/");
    for (size_t i = 0; i < 16; i++) {
        (void)snprintf(name + 5 + 2 * i, 64 - 5 - 2 * i, "%02x", hash.bytes[i]);
    }
    (void)snprintf(name + 37, 64 - 37, ".key");
}

static void expect_all(bp_store *store)
{
    for (unsigned i = 0; i < SUBJECTS; i++) {
        expect(store, i, i % 4 == 0 ? BP_ENCRYPTION_OPENED : BP_ENCRYPTION_SHREDDED);
    }
}

static void many_destroyed_keys_are_remembered(void **state)
{
    bpt_world world;
    bp_error error = {0};
    char subject[32];
    (void)state;
    skip_without_cipher();
    bpt_world_memory(&world);
    bp_store *store = bpt_open(&world);
    for (unsigned i = 0; i < SUBJECTS; i++) {
        (void)snprintf(subject, sizeof subject, "subject %u", i);
        assert_int_equal(put(store, subject, "a secret").sequence, i);
    }
    bp_store *reader = bpt_reader(&world);
    for (unsigned i = 0; i < SUBJECTS; i++) {
        (void)snprintf(subject, sizeof subject, "subject %u", i);
        if (i % 4 != 0) {
            CHECK_OK(destroy(store, subject, &error), &error);
        }
    }
    expect_all(store);
    expect_all(reader);
    bpt_close(reader);
    bpt_close(store);
    store = bpt_open(&world);
    expect_all(store);
    bpt_close(store);
    bpt_world_end(&world);
}

/* Key files in each other's place. */
static void anothers_key_opens_nothing(void **state)
{
    bpt_world world;
    bp_error error = {0};
    char names[2][64];
    size_t sizes[2];
    uint8_t *files[2];
    (void)state;
    skip_without_cipher();
    bpt_world_memory(&world);
    bp_store *store = bpt_open(&world);
    put(store, "alice", "hers");
    put(store, "bob", "his");
    bpt_close(store);
    key_name("alice", names[0]);
    key_name("bob", names[1]);
    for (size_t i = 0; i < 2; i++) {
        files[i] = bpt_file_read(&world, names[i], &sizes[i]);
        assert_non_null(files[i]);
    }
    for (size_t i = 0; i < 2; i++) {
        bpt_file_write(&world, names[i], files[1 - i], sizes[1 - i]);
    }
    store = bpt_open(&world);
    expect(store, 0, BP_ENCRYPTION_LOCKED);
    expect(store, 1, BP_ENCRYPTION_LOCKED);
    CHECK_STATUS(BP_ERR_CORRUPT, try_put(store, "alice", "more", NULL, &error), &error);
    CHECK_SAYS(&error, "it is another subject's");
    CHECK_STATUS(BP_ERR_CORRUPT, bp_key_find(store, "bob", NULL, &error), &error);
    assert_int_equal(bp_store_frontiers(store).published, 2);
    bpt_close(store);

    /* Too long, and then as they were. */
    uint8_t *longer = calloc(1, 64u << 10);
    assert_non_null(longer);
    memcpy(longer, files[0], sizes[0]);
    bpt_file_write(&world, names[0], longer, 64u << 10);
    bpt_file_write(&world, names[1], files[1], sizes[1]);
    store = bpt_open(&world);
    expect(store, 0, BP_ENCRYPTION_LOCKED);
    expect(store, 1, BP_ENCRYPTION_OPENED);
    CHECK_STATUS(BP_ERR_CORRUPT, try_put(store, "alice", "more", NULL, &error), &error);
    CHECK_SAYS(&error, "it is too long");
    bpt_close(store);
    bpt_file_write(&world, names[0], files[0], sizes[0]);
    store = bpt_open(&world);
    expect(store, 0, BP_ENCRYPTION_OPENED);
    bpt_close(store);
    for (size_t i = 0; i < 2; i++) {
        free(files[i]);
    }
    free(longer);
    bpt_world_end(&world);
}

/* Writes the only event, of the subject "alice", anew: its payload so much shorter, one bit of it flipped. */
static void forge_payload(bpt_world *world, uint32_t shorter, bool flip)
{
    bpt_forge *forge = bpt_forge_begin(world, 0);
    uint8_t *bytes = bpt_forge_record(forge, 0);
    uint32_t size = bpt_get32(bytes + BPI_RECORD_PAYLOAD_SIZE);
    uint8_t *payload = memmem(bytes, bpt_forge_length(forge, 0), "alice", 5);
    assert_non_null(payload);
    payload += 5;
    assert_true(size >= BPI_SEALED_MORE);
    memset(payload + size - shorter, 0, shorter);
    bpt_set32(bytes + BPI_RECORD_PAYLOAD_SIZE, size - shorter);
    if (flip) {
        payload[BPI_SEALED_BYTES] ^= 1;
    }
    bpt_forge_hash(forge, 0, NULL);
    bpt_forge_fix(forge);
    bpt_forge_end(forge);
}

static void a_forged_payload_is_told(void **state)
{
    (void)state;
    skip_without_cipher();
    for (int how = 0; how < 2; how++) {
        bpt_world world;
        bp_error error = {0};
        const bp_event *event = NULL;
        bp_iterator *iterator = NULL;
        bpt_world_memory(&world);
        bp_store *store = bpt_open(&world);
        put(store, "alice", how == 0 ? "" : "hers");
        bpt_close(store);
        forge_payload(&world, how == 0 ? 1 : 0, how == 1);
        store = bpt_open(&world);
        CHECK_STATUS(BP_ERR_CORRUPT, bp_get_sequence(store, 0, &event, &error), &error);
        CHECK_SAYS(&error, how == 0 ? "the encrypted payload of event 0 is too short to be one"
                                    : "the encrypted payload of event 0 does not open with its key");
        assert_true(error.has_sequence && error.sequence == 0);
        CHECK_STATUS(BP_ERR_CORRUPT, bp_get_sequence(store, 0, &event, NULL), NULL);
        CHECK_OK(bp_query(store, NULL, NULL, &iterator, &error), &error);
        CHECK_STATUS(BP_ERR_CORRUPT, bp_next(iterator, &event, &error), &error);
        bp_iterator_close(iterator);
        bpt_close(store);
        bpt_world_end(&world);
    }
}

/* What does not fit when it is encrypted, and an item of a batch whose subject's key is damaged. */
static void what_cannot_be_encrypted_is_told(void **state)
{
    bpt_world world;
    bp_error error = {0};
    char name[64];
    size_t size = 0;
    bp_append_options options[2];
    (void)state;
    skip_without_cipher();
    bpt_world_memory(&world);
    world.options.payload_max = BP_PAYLOAD_MAX;
    bp_store *store = bpt_open(&world);
    void *bytes = calloc(1, BP_PAYLOAD_MAX);
    assert_non_null(bytes);
    bp_append_options_init(&options[0]);
    options[0].subject = "alice";
    CHECK_STATUS(BP_ERR_TOO_LARGE,
                 bp_append(store, bp_at("a", "s"), BP_KIND_DATA, bp_raw(bytes, BP_PAYLOAD_MAX - BPI_SEALED_MORE + 1),
                           &options[0], NULL, &error),
                 &error);
    CHECK_SAYS(&error, "of an encrypted one");
    free(bytes);
    put(store, "bob", "his");
    bpt_close(store);

    key_name("bob", name);
    uint8_t *file = bpt_file_read(&world, name, &size);
    assert_non_null(file);
    file[size - 1] ^= 1;
    bpt_file_write(&world, name, file, size);
    free(file);
    store = bpt_open(&world);
    options[1] = options[0];
    options[1].subject = "bob";
    bp_batch_item items[2] = {{bp_at("a", "s"), BP_KIND_DATA, bp_raw("hers", 4), &options[0]},
                              {bp_at("b", "s"), BP_KIND_DATA, bp_raw("his", 3), &options[1]}};
    CHECK_STATUS(BP_ERR_CORRUPT, bp_append_batch(store, items, 2, NULL, NULL, &error), &error);
    assert_true(error.has_index && error.index == 1);
    CHECK_STATUS(BP_ERR_CORRUPT, bp_append_batch(store, items, 2, NULL, NULL, NULL), NULL);
    CHECK_STATUS(BP_ERR_CORRUPT, bp_append_batch(store, items + 1, 1, NULL, NULL, &error), &error);
    assert_int_equal(bp_store_frontiers(store).published, 1);
    bpt_close(store);
    bpt_world_end(&world);
}

/* ---- who appends beside a destruction ---- */

typedef struct beside {
    bp_io table;
    const bp_io *io;
    bp_store *store;
    pthread_t thread;
    bool armed;
    unsigned syncs_before; /* the one that it is armed for */
    bool at_removal;       /* armed for that, not for a sync */
    bool appends;          /* else the thread destroys the same key */
    bp_status status;
    bp_receipt receipt;
    bp_error error;
} beside;

static beside both;

static void *act_beside(void *argument)
{
    (void)argument;
    both.status = both.appends ? try_put(both.store, "alice", "came back", &both.receipt, &both.error)
                               : destroy(both.store, "alice", &both.error);
    return NULL;
}

/* From here on another thread wants the same key. */
static void begin_beside(void)
{
    struct timespec pause = {.tv_nsec = 20000000};
    both.armed = false;
    assert_int_equal(pthread_create(&both.thread, NULL, act_beside, NULL), 0);
    (void)nanosleep(&pause, NULL); /* it comes to its wait; if it does not, the answers are the same */
}

/* The first removal lies in the middle of the destruction. */
static int remove_beside(void *context, bp_dir *dir, const char *name)
{
    if (both.armed && both.at_removal) {
        begin_beside();
    }
    return both.io->dir_remove(context, dir, name);
}

/* The sync of an append that was encrypted already, or of the record that a key is destroyed. */
static int sync_beside(void *context, bp_file *file, bp_sync_mode mode)
{
    if (both.armed && !both.at_removal && both.syncs_before-- == 0) {
        begin_beside();
    }
    return both.io->file_sync(context, file, mode);
}

static void who_comes_beside_a_destruction_waits(void **state)
{
    (void)state;
    skip_without_cipher();
    for (int round = 0; round < 4; round++) {
        bpt_world world;
        bp_error error = {0};
        bpt_world_memory(&world);
        memset(&both, 0, sizeof both);
        both.io = world.io;
        both.table = *world.io;
        both.table.dir_remove = remove_beside;
        both.table.file_sync = sync_beside;
        both.appends = round % 2 == 0;
        both.at_removal = round < 2;
        both.syncs_before = 1; /* of what is intended */
        world.options.io = &both.table;
        both.store = bpt_open(&world);
        put(both.store, "alice", "hers");
        both.armed = true;
        CHECK_OK(destroy(both.store, "alice", &error), &error);
        assert_false(both.armed);
        assert_int_equal(pthread_join(both.thread, NULL), 0);
        CHECK_OK(both.status, &both.error); /* a key that is gone already is destroyed */
        expect(both.store, 0, BP_ENCRYPTION_SHREDDED);
        if (both.appends) { /* under a key of its own */
            expect(both.store, both.receipt.sequence, BP_ENCRYPTION_OPENED);
        }
        bpt_close(both.store);
        assert_int_equal(bpt_verify(&world), both.appends ? 3 : 2);
        bpt_world_end(&world);
    }
}

/* No key goes between the encryption of an append and its commit. */
static void a_destruction_waits_for_the_append(void **state)
{
    bpt_world world;
    (void)state;
    skip_without_cipher();
    bpt_world_memory(&world);
    memset(&both, 0, sizeof both);
    both.io = world.io;
    both.table = *world.io;
    both.table.file_sync = sync_beside;
    world.options.io = &both.table;
    both.store = bpt_open(&world);
    put(both.store, "alice", "hers");
    both.armed = true;
    bp_receipt receipt = put(both.store, "alice", "hers too");
    assert_false(both.armed);
    assert_int_equal(pthread_join(both.thread, NULL), 0);
    CHECK_OK(both.status, &both.error);
    assert_int_equal(receipt.sequence, 1);
    expect(both.store, 0, BP_ENCRYPTION_SHREDDED);
    expect(both.store, 1, BP_ENCRYPTION_SHREDDED);
    bpt_close(both.store);
    assert_int_equal(bpt_verify(&world), 3);
    bpt_world_end(&world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(many_destroyed_keys_are_remembered),
        cmocka_unit_test(anothers_key_opens_nothing),
        cmocka_unit_test(a_forged_payload_is_told),
        cmocka_unit_test(what_cannot_be_encrypted_is_told),
        cmocka_unit_test(who_comes_beside_a_destruction_waits),
        cmocka_unit_test(a_destruction_waits_for_the_append),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
