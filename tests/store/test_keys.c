/*
 * test_keys.c: payloads encrypted for a subject: what lies on disk, what readers see, retries, forgetting, crashes while a
 * key is made or destroyed.
 */
#include "support/world.h"

#include "format/key_file.h"

#define SECRET "the text that nobody else may read"

typedef struct looked {
    const char *text;
    size_t files;
} looked;

static void look(void *argument, const char *name, const uint8_t *data, size_t size)
{
    looked *found = argument;
    size_t length = strlen(found->text);
    (void)name;
    for (size_t at = 0; at + length <= size; at++) {
        if (memcmp(data + at, found->text, length) == 0) {
            found->files++;
            return;
        }
    }
}

static size_t files_with(bpt_world *world, const char *text)
{
    looked found = {.text = text};
    bpt_file_each(world, look, &found);
    return found.files;
}

static void count_keys(void *argument, const char *name, const uint8_t *data, size_t size)
{
    (void)data;
    (void)size;
    *(size_t *)argument += strncmp(name, "keys/", 5) == 0;
}

static size_t key_files(bpt_world *world)
{
    size_t count = 0;
    bpt_file_each(world, count_keys, &count);
    return count;
}

static bp_receipt put(bp_store *store, const char *subject, const char *text, const bp_id *id)
{
    bp_append_options options;
    bp_append_options_init(&options);
    options.subject = subject;
    if (id != NULL) {
        options.id = *id;
    }
    return bpt_put_with(store, "person:1", text, &options);
}

static void expect(bp_store *store, uint64_t sequence, bp_encryption how, const char *text)
{
    const bp_event *event = NULL;
    bp_error error = {0};
    CHECK_OK(bp_get_sequence(store, sequence, &event, &error), &error);
    CHECK(event->encryption == (uint8_t)how, "event %llu is handed out as %u, not %u", (unsigned long long)sequence,
          (unsigned)event->encryption, (unsigned)how);
    assert_int_equal(event->payload_absent, text == NULL);
    assert_int_equal(event->payload_size, text == NULL ? 0 : strlen(text));
    assert_true(text == NULL || memcmp(event->payload, text, strlen(text)) == 0);
    assert_true(bp_chain_verify(event, NULL) || event->clock != 0); /* hashes hold however it is handed out */
    bp_event_release(event);
}

static bp_key_report forget(bp_store *store, const char *subject)
{
    bp_key_options options;
    bp_key_report report;
    bp_error error = {0};
    bp_key_options_init(&options);
    options.reason = "asked to";
    options.by = "officer 7";
    CHECK_OK(bp_key_destroy(store, subject, &options, &report, &error), &error);
    return report;
}

static void skip_without_cipher(void)
{
    if (!bp_encryption_available()) {
        skip();
    }
}

static void what_is_on_disk_is_not_the_text(void **state)
{
    bpt_world world;
    (void)state;
    skip_without_cipher();
    bpt_world_memory(&world);
    bp_store *store = bpt_open(&world);
    bp_receipt first = put(store, "alice", SECRET, NULL);
    bpt_put(store, "person:2", "said to everybody");
    expect(store, first.sequence, BP_ENCRYPTION_OPENED, SECRET);
    expect(store, 1, BP_ENCRYPTION_NONE, "said to everybody");
    bp_store *reader = bpt_reader(&world);
    expect(reader, first.sequence, BP_ENCRYPTION_OPENED, SECRET);
    bpt_close(reader);
    bpt_close(store);
    assert_int_equal(files_with(&world, SECRET), 0);
    assert_int_equal(files_with(&world, "said to everybody"), 1);
    assert_int_equal(key_files(&world), 1);
    assert_int_equal(bpt_verify(&world), 2);
    store = bpt_open(&world);
    expect(store, first.sequence, BP_ENCRYPTION_OPENED, SECRET);
    bpt_close(store);
    bpt_world_end(&world);
}

static void a_query_shows_it_as_stored_when_asked(void **state)
{
    bpt_world world;
    bp_error error = {0};
    (void)state;
    skip_without_cipher();
    bpt_world_memory(&world);
    bp_store *store = bpt_open(&world);
    put(store, "alice", SECRET, NULL);
    for (int stored = 0; stored <= 1; stored++) {
        bp_query_options options;
        bp_iterator *iterator = NULL;
        const bp_event *event = NULL;
        bp_query_options_init(&options);
        options.stored = stored != 0;
        CHECK_OK(bp_query(store, NULL, &options, &iterator, &error), &error);
        if (stored != 0) {
            bpt_close(store); /* an iterator outlives its store, and so do the keys */
            store = NULL;
        }
        CHECK_OK(bp_next(iterator, &event, &error), &error);
        assert_int_equal(event->encryption, stored != 0 ? BP_ENCRYPTION_STORED : BP_ENCRYPTION_OPENED);
        assert_int_equal(event->payload_size, strlen(SECRET) + (stored != 0 ? BP_ENCRYPTION_SIZE : 0));
        assert_true(bp_chain_verify(event, NULL));
        bp_iterator_close(iterator);
    }
    bpt_world_end(&world);
}

static void an_iterator_decrypts_behind_its_store(void **state)
{
    bpt_world world;
    bp_iterator *iterator = NULL;
    const bp_event *event = NULL;
    bp_error error = {0};
    (void)state;
    skip_without_cipher();
    bpt_world_memory(&world);
    bp_store *store = bpt_open(&world);
    put(store, "alice", SECRET, NULL);
    put(store, "bob", "another text", NULL);
    CHECK_OK(bp_query(store, NULL, NULL, &iterator, &error), &error);
    bpt_close(store);
    CHECK_OK(bp_next(iterator, &event, &error), &error);
    assert_int_equal(event->encryption, BP_ENCRYPTION_OPENED);
    assert_memory_equal(event->payload, SECRET, strlen(SECRET));
    CHECK_OK(bp_next(iterator, &event, &error), &error);
    assert_memory_equal(event->payload, "another text", 12);
    bp_iterator_close(iterator);
    bpt_world_end(&world);
}

static void a_retry_is_the_same_request(void **state)
{
    bpt_world world;
    bp_error error = {0};
    bp_id id = bp_id_from("test", "retry", 5);
    bp_append_options options;
    bp_receipt receipt;
    (void)state;
    skip_without_cipher();
    bpt_world_memory(&world);
    bp_store *store = bpt_open(&world);
    bp_receipt first = put(store, "alice", SECRET, &id);
    receipt = put(store, "alice", SECRET, &id);
    assert_true(receipt.duplicate && !receipt.unverifiable);
    assert_int_equal(receipt.sequence, first.sequence);
    bp_append_options_init(&options);
    options.id = id;
    const char *subjects[] = {"alice", "bob", NULL};
    for (size_t i = 0; i < 3; i++) { /* another text, another subject, none */
        options.subject = subjects[i];
        CHECK_STATUS(BP_ERR_IDEMPOTENCY,
                     bp_append(store, bp_at("person:1", "scope"), bp_kind(0xF, 1),
                               i == 0 ? bp_raw("other", 5) : bp_raw(SECRET, strlen(SECRET)), &options, NULL, &error),
                     &error);
    }
    bpt_close(store);
    store = bpt_open(&world);
    receipt = put(store, "alice", SECRET, &id);
    assert_true(receipt.duplicate && !receipt.unverifiable);
    bpt_close(store);
    bpt_world_end(&world);
}

static void a_destroyed_key_is_forgotten_by_all(void **state)
{
    bpt_world world;
    bp_id id = bp_id_from("test", "forgotten", 9);
    bp_error error = {0};
    bp_id key;
    (void)state;
    skip_without_cipher();
    bpt_world_memory(&world);
    bp_store *store = bpt_open(&world);
    bp_receipt first = put(store, "alice", SECRET, &id);
    put(store, "bob", "stays", NULL);
    bp_store *reader = bpt_reader(&world);
    expect(reader, 0, BP_ENCRYPTION_OPENED, SECRET);
    CHECK_OK(bp_key_find(store, "alice", &key, &error), &error);
    bp_key_report report = forget(store, "alice");
    assert_true(report.destroyed && bp_id_equal(&report.key, &key));
    assert_int_equal(report.sequence, 2);
    bp_store *handles[] = {store, reader};
    for (size_t i = 0; i < 2; i++) {
        expect(handles[i], 0, BP_ENCRYPTION_SHREDDED, NULL);
        expect(handles[i], 1, BP_ENCRYPTION_OPENED, "stays");
    }
    CHECK_STATUS(BP_ERR_NOT_FOUND, bp_key_find(store, "alice", NULL, &error), &error);
    assert_int_equal(key_files(&world), 1);
    report = forget(store, "alice"); /* again: nothing to do */
    assert_true(!report.destroyed && bp_id_is_nil(&report.key) && report.sequence == BP_NONE);
    bp_receipt again = put(store, "alice", SECRET, &id);
    assert_true(again.duplicate && again.unverifiable && again.sequence == first.sequence);
    assert_int_equal(key_files(&world), 1); /* a retry is worth no key */
    bp_receipt fresh = put(store, "alice", "came back", NULL);
    expect(store, fresh.sequence, BP_ENCRYPTION_OPENED, "came back");
    expect(store, 0, BP_ENCRYPTION_SHREDDED, NULL);
    bpt_close(reader);
    CHECK_OK(bp_seal(store, &error), &error);
    bpt_close(store);
    assert_int_equal(bpt_verify(&world), 4);
    store = bpt_open(&world); /* what was destroyed is learnt from the index file's rows */
    expect(store, 0, BP_ENCRYPTION_SHREDDED, NULL);
    expect(store, fresh.sequence, BP_ENCRYPTION_OPENED, "came back");
    bpt_close(store);
    bpt_world_end(&world);
}

/* A copy of keys/ from before comes back: the log says that the key is destroyed. */
static void a_key_that_comes_back_opens_nothing(void **state)
{
    bpt_world world;
    size_t size = 0;
    char name[64] = "";
    (void)state;
    skip_without_cipher();
    bpt_world_memory(&world);
    bp_store *store = bpt_open(&world);
    put(store, "alice", SECRET, NULL);
    bp_hash hash = bp_hash_bytes("alice", 5);
    (void)snprintf(name, sizeof name, "keys/");
    for (size_t i = 0; i < 16; i++) {
        (void)snprintf(name + 5 + 2 * i, sizeof name - 5 - 2 * i, "%02x", hash.bytes[i]);
    }
    (void)snprintf(name + 37, sizeof name - 37, ".key");
    uint8_t *kept = bpt_file_read(&world, name, &size);
    assert_non_null(kept);
    forget(store, "alice");
    bpt_close(store);
    assert_null(bpt_file_read(&world, name, &(size_t){0}));
    bpt_file_write(&world, name, kept, size);
    store = bpt_open(&world);
    expect(store, 0, BP_ENCRYPTION_SHREDDED, NULL);
    bp_receipt fresh = put(store, "alice", "came back", NULL);
    expect(store, fresh.sequence, BP_ENCRYPTION_OPENED, "came back");
    bpt_close(store);

    /* Gone without a record: locked, and an append says what is wrong. */
    bp_error error = {0};
    bp_append_options options;
    bpt_file_remove(&world, name);
    store = bpt_open(&world);
    expect(store, fresh.sequence, BP_ENCRYPTION_LOCKED, NULL);
    bpt_close(store);
    kept[20] ^= 1;
    bpt_file_write(&world, name, kept, size);
    store = bpt_open(&world);
    expect(store, fresh.sequence, BP_ENCRYPTION_LOCKED, NULL);
    bp_append_options_init(&options);
    options.subject = "alice";
    CHECK_STATUS(BP_ERR_CORRUPT,
                 bp_append(store, bp_at("a", "b"), BP_KIND_DATA, bp_raw("x", 1), &options, NULL, &error), &error);
    CHECK_SAYS(&error, "its checksum does not match");
    bpt_close(store);
    free(kept);
    bpt_world_end(&world);
}

static void keys_can_be_wrapped(void **state)
{
    bpt_world world;
    bp_error error = {0};
    bp_append_options options;
    uint8_t wrap[BP_KEY_SIZE];
    (void)state;
    skip_without_cipher();
    memset(wrap, 7, sizeof wrap);
    bpt_world_memory(&world);
    world.options.key_encryption_key = wrap;
    bp_store *store = bpt_open(&world);
    put(store, "alice", SECRET, NULL);
    bpt_close(store);
    store = bpt_open(&world);
    expect(store, 0, BP_ENCRYPTION_OPENED, SECRET);
    bpt_close(store);
    wrap[0] = 8;
    bp_append_options_init(&options);
    options.subject = "alice";
    for (int given = 0; given <= 1; given++) {
        world.options.key_encryption_key = given != 0 ? wrap : NULL;
        store = bpt_open(&world);
        expect(store, 0, BP_ENCRYPTION_LOCKED, NULL);
        CHECK_STATUS(BP_ERR_DENIED,
                     bp_append(store, bp_at("a", "b"), BP_KIND_DATA, bp_raw("x", 1), &options, NULL, &error), &error);
        CHECK_SAYS(&error, "key_encryption_key");
        if (given != 0) {
            assert_true(forget(store, "alice").destroyed); /* destroying needs no opening */
            expect(store, 0, BP_ENCRYPTION_SHREDDED, NULL);
        }
        bpt_close(store);
    }
    bpt_world_end(&world);
}

static void arguments_that_are_wrong_are_told(void **state)
{
    bpt_world world;
    bp_error error = {0};
    bp_append_options options;
    bp_key_options destroy;
    char long_name[BP_SUBJECT_MAX + 2];
    (void)state;
    skip_without_cipher();
    memset(long_name, 'x', sizeof long_name);
    long_name[sizeof long_name - 1] = '\0';
    bpt_world_memory(&world);
    bp_store *store = bpt_open(&world);
    bp_append_options_init(&options);
    const char *bad[] = {"", "a\nb", "\xff", long_name};
    for (size_t i = 0; i < 4; i++) {
        options.subject = bad[i];
        CHECK_STATUS(BP_ERR_NAME,
                     bp_append(store, bp_at("a", "b"), BP_KIND_DATA, bp_raw("x", 1), &options, NULL, &error), &error);
        CHECK_SAYS(&error, "subject");
    }
    bp_key_options_init(&destroy);
    CHECK_STATUS(BP_ERR_ARGUMENT, bp_key_destroy(store, "alice", NULL, NULL, &error), &error);
    CHECK_SAYS(&error, "reason");
    destroy.reason = "asked to";
    CHECK_STATUS(BP_ERR_ARGUMENT, bp_key_destroy(store, "alice", &destroy, NULL, &error), &error);
    CHECK_SAYS(&error, "author");
    destroy.by = "somebody";
    CHECK_STATUS(BP_ERR_NAME, bp_key_destroy(store, NULL, &destroy, NULL, &error), &error);
    CHECK_STATUS(BP_ERR_NAME, bp_key_destroy(store, "", &destroy, NULL, &error), &error);
    destroy.reason = "two\nlines";
    CHECK_STATUS(BP_ERR_NAME, bp_key_destroy(store, "alice", &destroy, NULL, &error), &error);
    destroy.reason = "asked to";
    destroy.size = 3;
    CHECK_STATUS(BP_ERR_ARGUMENT, bp_key_destroy(store, "alice", &destroy, NULL, &error), &error);
    bp_key_options_init(&destroy);
    destroy.reason = destroy.by = "x";
    bp_store *reader = bpt_reader(&world);
    CHECK_STATUS(BP_ERR_READ_ONLY, bp_key_destroy(reader, "alice", &destroy, NULL, &error), &error);
    CHECK_STATUS(BP_ERR_NOT_FOUND, bp_key_find(reader, "alice", NULL, &error), &error);
    CHECK_STATUS(BP_ERR_NAME, bp_key_find(reader, "", NULL, &error), &error);
    CHECK_STATUS(BP_ERR_ARGUMENT, bp_key_find(NULL, "a", NULL, &error), &error);
    bpt_close(reader);
    assert_int_equal(key_files(&world), 0); /* nothing of it made one */
    bpt_close(store);
    bpt_world_end(&world);
}

static void a_batch_is_encrypted_item_by_item(void **state)
{
    bpt_world world;
    bp_error error = {0};
    bp_append_options options[3];
    bp_batch_item items[3];
    bp_receipt receipts[3];
    static const char *const subjects[] = {"alice", NULL, "bob"};
    static const char *const texts[] = {SECRET, "open", ""};
    (void)state;
    skip_without_cipher();
    bpt_world_memory(&world);
    bp_store *store = bpt_open(&world);
    for (size_t i = 0; i < 3; i++) {
        bp_append_options_init(&options[i]);
        options[i].subject = subjects[i];
        items[i] = (bp_batch_item){bp_at("person:1", "here"), BP_KIND_DATA, bp_json(texts[i]), &options[i]};
    }
    options[0].id = bp_id_from("test", "batch", 5);
    for (int i = 0; i < 2; i++) {
        CHECK_OK(bp_append_batch(store, items, 3, NULL, receipts, &error), &error);
        assert_int_equal(receipts[0].duplicate, i);
        assert_false(receipts[0].unverifiable);
    }
    expect(store, 0, BP_ENCRYPTION_OPENED, SECRET);
    expect(store, 1, BP_ENCRYPTION_NONE, "open");
    expect(store, 2, BP_ENCRYPTION_OPENED, "");
    forget(store, "bob");
    CHECK_OK(bp_append_batch(store, items, 3, NULL, receipts, &error), &error);
    assert_true(receipts[0].duplicate && receipts[2].unverifiable);
    bpt_close(store);
    assert_int_equal(bpt_verify(&world), 4);
    bpt_world_end(&world);
}

/* A rebuilt store takes ciphertexts and shredded events as they are. */
static void a_rebuilt_store_holds_what_was_stored(void **state)
{
    bpt_world from;
    bpt_world to;
    bp_error error = {0};
    bp_iterator *iterator = NULL;
    const bp_event *event = NULL;
    bp_query_options options;
    bp_region all = bp_region_all();
    (void)state;
    skip_without_cipher();
    bpt_world_memory(&from);
    bpt_world_memory(&to);
    bp_store *store = bpt_open(&from);
    bp_store *copy = bpt_open(&to);
    put(store, "alice", SECRET, NULL);
    put(store, "bob", "stays", NULL);
    forget(store, "alice");
    bp_region_set_system(&all, true);
    bp_query_options_init(&options);
    options.stored = true;
    CHECK_OK(bp_query(store, &all, &options, &iterator, &error), &error);
    for (size_t i = 0; i < 3; i++) {
        CHECK_OK(bp_next(iterator, &event, &error), &error);
        CHECK_OK(bp_append_exact(copy, event, 1, &error), &error);
    }
    bp_iterator_close(iterator);
    expect(copy, 0, BP_ENCRYPTION_SHREDDED, NULL);
    expect(copy, 1, BP_ENCRYPTION_LOCKED, NULL);
    bpt_close(copy);
    assert_int_equal(bpt_verify(&to), 3);
    bpt_close(store);
    bpt_world_end(&to);
    bpt_world_end(&from);
}

/* ---- crashes ---- */

typedef enum step { STEP_NONE, STEP_TRYING, STEP_DONE } step;

typedef struct script {
    step first; /* the event under alice's key */
    step gone;  /* her key */
    step back;  /* an event after it */
} script;

static step after(bp_status status)
{
    return status == BP_OK ? STEP_DONE : STEP_TRYING;
}

static bp_status try_put(bp_store *store, const char *text)
{
    bp_append_options options;
    bp_append_options_init(&options);
    options.subject = "alice";
    return bp_append(store, bp_at("person:1", "here"), BP_KIND_DATA, bp_raw(text, strlen(text)), &options, NULL, NULL);
}

static void run_script(bpt_world *world, script *done)
{
    bp_store *store = NULL;
    bp_key_options options;
    *done = (script){STEP_NONE, STEP_NONE, STEP_NONE};
    bp_key_options_init(&options);
    options.reason = "asked to";
    options.by = "officer 7";
    if (bp_open(world->path, &world->options, &store, NULL) != BP_OK) {
        return;
    }
    done->first = after(try_put(store, SECRET));
    if (done->first == STEP_DONE) {
        done->gone = after(bp_key_destroy(store, "alice", &options, NULL, NULL));
    }
    if (done->gone == STEP_DONE) {
        done->back = after(try_put(store, "came back"));
    }
    (void)bp_close(store, NULL);
}

/* What was acknowledged is readable until its key was said to be destroyed, and not readable from then on. */
static void judge(bpt_world *world, const script *done)
{
    bpi_fault_plan none = {0};
    bpi_fault_set_plan(world->fault, &none);
    bp_store *store = bpt_open(world);
    const bp_event *event = NULL;
    bp_error error = {0};
    bool there = bp_get_sequence(store, 0, &event, NULL) == BP_OK;
    CHECK(there || done->first != STEP_DONE, "an acknowledged event is gone");
    if (there) {
        unsigned how = event->encryption;
        bp_event_release(event);
        bool may_be_open = done->gone != STEP_DONE;
        bool may_be_gone = done->gone != STEP_NONE;
        CHECK((how == BP_ENCRYPTION_OPENED && may_be_open) || (how == BP_ENCRYPTION_SHREDDED && may_be_gone),
              "the event is handed out as %u", how);
        if (how == BP_ENCRYPTION_SHREDDED && done->back == STEP_NONE) {
            assert_int_equal(key_files(world), 0); /* the opening finished it */
            CHECK_STATUS(BP_ERR_NOT_FOUND, bp_key_find(store, "alice", NULL, &error), &error);
        }
        expect(store, 0, (bp_encryption)how, how == BP_ENCRYPTION_OPENED ? SECRET : NULL);
    }
    if (done->back == STEP_DONE) {
        expect(store, 2, BP_ENCRYPTION_OPENED, "came back");
    }
    assert_int_equal(try_put(store, "later"), BP_OK);
    bpt_close(store);
    (void)bpt_verify(world);
}

static void a_crash_at_every_step(void **state)
{
    bpt_world probe;
    script done;
    bpt_random random = {bpt_seed(5)};
    uint64_t points = 0;
    (void)state;
    skip_without_cipher();
    bpt_world_fault(&probe);
    run_script(&probe, &done);
    assert_int_equal(done.back, STEP_DONE);
    uint64_t steps = bpi_fault_steps(probe.fault);
    bpt_world_end(&probe);
    for (uint64_t at = 1; at <= steps; at++) {
        for (int cut = 0; cut < 5; cut++) {
            bpt_world world;
            bpi_fault_plan plan = {.kind = BPI_FAULT_CRASH, .step = at};
            bpt_note("step %llu of %llu, cut %d", (unsigned long long)at, (unsigned long long)steps, cut);
            bpt_world_fault(&world);
            bpi_fault_set_plan(world.fault, &plan);
            run_script(&world, &done);
            if (cut == 0) {
                bpi_fault_process_kill(world.fault);
            } else {
                (void)bpt_power_cut(&world,
                                    cut == 1   ? BPT_KEEP_NONE
                                    : cut == 2 ? BPT_KEEP_ALL
                                               : BPT_KEEP_RANDOM,
                                    bpt_random_next(&random));
            }
            judge(&world, &done);
            bpt_world_end(&world);
            points++;
        }
    }
    printf("%llu crashes at %llu steps\n", (unsigned long long)points, (unsigned long long)steps);
}

static void a_failure_at_every_step(void **state)
{
    bpt_world probe;
    script done;
    (void)state;
    skip_without_cipher();
    bpt_world_fault(&probe);
    run_script(&probe, &done);
    uint64_t steps = bpi_fault_steps(probe.fault);
    bpt_world_end(&probe);
    for (uint64_t at = 1; at <= steps; at++) {
        bpt_world world;
        bpi_fault_plan plan = {.kind = BPI_FAULT_ERROR, .step = at, .os_error = 5};
        bpt_note("failure at step %llu of %llu", (unsigned long long)at, (unsigned long long)steps);
        bpt_world_fault(&world);
        bpi_fault_set_plan(world.fault, &plan);
        run_script(&world, &done);
        judge(&world, &done);
        bpt_world_end(&world);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_on_disk_is_not_the_text),
        cmocka_unit_test(a_query_shows_it_as_stored_when_asked),
        cmocka_unit_test(an_iterator_decrypts_behind_its_store),
        cmocka_unit_test(a_retry_is_the_same_request),
        cmocka_unit_test(a_destroyed_key_is_forgotten_by_all),
        cmocka_unit_test(a_key_that_comes_back_opens_nothing),
        cmocka_unit_test(keys_can_be_wrapped),
        cmocka_unit_test(arguments_that_are_wrong_are_told),
        cmocka_unit_test(a_batch_is_encrypted_item_by_item),
        cmocka_unit_test(a_rebuilt_store_holds_what_was_stored),
        cmocka_unit_test(a_crash_at_every_step),
        cmocka_unit_test(a_failure_at_every_step),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
