/*
 * keys.c: the table of keys in use and of those that are gone, and opening what was encrypted.
 */
#include "store/keys.h"

#include <inttypes.h>
#include <string.h>

#include "base/bytes.h"
#include "base/error.h"
#include "base/ids.h"
#include "store/key_files.h"

enum { GONE_FIRST = 16 };

bpi_keys *bpi_keys_new(const bp_allocator *allocator)
{
    bpi_keys *keys = bpi_allocate_zero(allocator, sizeof *keys);
    if (keys != NULL) {
        keys->allocator = allocator;
        (void)pthread_mutex_init(&keys->lock, NULL);
        (void)pthread_cond_init(&keys->quiet, NULL);
    }
    return keys;
}

void bpi_keys_free(void *argument)
{
    bpi_keys *keys = argument;
    const bp_allocator *allocator = keys->allocator;
    if (keys->dir != NULL) {
        keys->home.io->dir_close(keys->home.io->context, keys->dir);
    }
    for (size_t i = 0; keys->slots != NULL && i < BPI_KEY_SLOTS; i++) {
        if (keys->slots[i].used) {
            bpi_wipe(&keys->slots[i], sizeof keys->slots[i]);
        }
    }
    bpi_release(allocator, keys->slots, BPI_KEY_SLOTS * sizeof *keys->slots);
    bpi_release(allocator, keys->gone, keys->gone_capacity * sizeof *keys->gone);
    (void)pthread_mutex_destroy(&keys->lock);
    (void)pthread_cond_destroy(&keys->quiet);
    bpi_wipe(keys, sizeof *keys);
    bpi_release(allocator, keys, sizeof *keys);
}

void bpi_keys_wrap(bpi_keys *keys, const uint8_t *wrap)
{
    keys->has_wrap = wrap != NULL;
    bpi_copy(keys->wrap, wrap, wrap != NULL ? sizeof keys->wrap : 0);
}

void bpi_keys_open(bpi_keys *keys, const bpi_home *home, const bp_id *store_id, bool writer)
{
    keys->home = *home;
    keys->home.path = NULL;
    keys->home.allocator = keys->allocator;
    keys->store_id = *store_id;
    keys->writer = writer;
    (void)bpi_key_files_dir(keys, false, NULL); /* not there, or not ours to read: asked again when it is needed */
}

void bpi_keys_close(bpi_keys *keys)
{
    (void)pthread_mutex_lock(&keys->lock);
    keys->home.root = NULL;
    keys->home.log = NULL;
    (void)pthread_mutex_unlock(&keys->lock);
}

/* ---- keys that are gone ---- */

/* Key ids are random, so that any part of one is its hash. */
static size_t gone_place(const bp_id *gone, size_t capacity, const bp_id *key_id)
{
    size_t at = (size_t)bpi_get64(key_id->bytes + 8) & (capacity - 1);
    while (!bp_id_is_nil(&gone[at]) && !bp_id_equal(&gone[at], key_id)) {
        at = (at + 1) & (capacity - 1);
    }
    return at;
}

static bool gone_grow(bpi_keys *keys)
{
    size_t capacity = keys->gone_capacity == 0 ? GONE_FIRST : keys->gone_capacity * 2;
    bp_id *gone = bpi_allocate_array(keys->allocator, capacity, sizeof *gone);
    if (gone == NULL) {
        return false;
    }
    for (size_t i = 0; i < keys->gone_capacity; i++) {
        if (!bp_id_is_nil(&keys->gone[i])) {
            gone[gone_place(gone, capacity, &keys->gone[i])] = keys->gone[i];
        }
    }
    bpi_release(keys->allocator, keys->gone, keys->gone_capacity * sizeof *keys->gone);
    keys->gone = gone;
    keys->gone_capacity = capacity;
    return true;
}

static void forget_slot(bpi_keys *keys, const bp_id *key_id)
{
    for (size_t i = 0; keys->slots != NULL && i < BPI_KEY_SLOTS; i++) {
        if (keys->slots[i].used && bp_id_equal(&keys->slots[i].key.id, key_id)) {
            bpi_wipe(&keys->slots[i], sizeof keys->slots[i]);
        }
    }
}

static bool reserve_locked(bpi_keys *keys, size_t more)
{
    bool good = true;
    while (good && (keys->gone_count + more) * 2 > keys->gone_capacity) {
        good = gone_grow(keys);
    }
    return good;
}

bool bpi_keys_reserve(bpi_keys *keys, size_t more)
{
    (void)pthread_mutex_lock(&keys->lock);
    bool good = reserve_locked(keys, more);
    (void)pthread_mutex_unlock(&keys->lock);
    return good;
}

static bp_status note_gone(bpi_keys *keys, const bp_id *key_id, uint64_t sequence, bp_error *error)
{
    bp_status status = BP_OK;
    (void)pthread_mutex_lock(&keys->lock);
    if (!reserve_locked(keys, 1)) {
        status = bpi_error_set(error, BP_ERR_NO_MEMORY, "no memory to note that a key was destroyed");
    } else {
        size_t at = gone_place(keys->gone, keys->gone_capacity, key_id);
        keys->gone_count += bp_id_is_nil(&keys->gone[at]);
        keys->gone[at] = *key_id;
        keys->recorded = sequence >= keys->recorded ? sequence + 1 : keys->recorded;
        forget_slot(keys, key_id);
    }
    (void)pthread_mutex_unlock(&keys->lock);
    return status;
}

bool bpi_keys_gone_locked(const bpi_keys *keys, const bp_id *key_id)
{
    return keys->gone_count != 0 && !bp_id_is_nil(&keys->gone[gone_place(keys->gone, keys->gone_capacity, key_id)]);
}

bool bpi_keys_is_gone(bpi_keys *keys, const bp_id *key_id)
{
    (void)pthread_mutex_lock(&keys->lock);
    bool gone = bpi_keys_gone_locked(keys, key_id);
    (void)pthread_mutex_unlock(&keys->lock);
    return gone;
}

uint64_t bpi_keys_recorded(bpi_keys *keys)
{
    (void)pthread_mutex_lock(&keys->lock);
    uint64_t recorded = keys->recorded;
    (void)pthread_mutex_unlock(&keys->lock);
    return recorded;
}

bp_status bpi_keys_learn(bpi_keys *keys, const void *payload, size_t size, uint64_t sequence, bp_error *error)
{
    static const char head[] = "{\"what\":\"key\",\"key\":\"";
    const char *text = payload;
    bp_id key_id;
    if (size < sizeof head - 1 + BP_ID_TEXT_SIZE || memcmp(text, head, sizeof head - 1) != 0 ||
        !bp_id_parse(text + sizeof head - 1, BP_ID_TEXT_SIZE - 1, &key_id) || bp_id_is_nil(&key_id)) {
        return BP_OK; /* an erasure of something else */
    }
    return note_gone(keys, &key_id, sequence, error);
}

/* ---- who encrypts, and who destroys ---- */

void bpi_keys_enter(bpi_keys *keys)
{
    (void)pthread_mutex_lock(&keys->lock);
    while (keys->destroying) {
        (void)pthread_cond_wait(&keys->quiet, &keys->lock);
    }
    keys->users++;
    (void)pthread_mutex_unlock(&keys->lock);
}

void bpi_keys_leave(bpi_keys *keys)
{
    (void)pthread_mutex_lock(&keys->lock);
    keys->users--;
    (void)pthread_cond_broadcast(&keys->quiet);
    (void)pthread_mutex_unlock(&keys->lock);
}

bp_status bpi_keys_destroy_begin(bpi_keys *keys, bp_text subject, bpi_secret *key_out, bp_error *error)
{
    (void)pthread_mutex_lock(&keys->lock);
    while (keys->destroying) {
        (void)pthread_cond_wait(&keys->quiet, &keys->lock);
    }
    keys->destroying = true;
    while (keys->users != 0) {
        (void)pthread_cond_wait(&keys->quiet, &keys->lock);
    }
    bp_status status = bpi_key_files_intend(keys, subject, key_out, error);
    (void)pthread_mutex_unlock(&keys->lock);
    return status;
}

bp_status bpi_keys_destroy_file(bpi_keys *keys, bp_text subject, bp_error *error)
{
    (void)pthread_mutex_lock(&keys->lock);
    bp_status status = bpi_key_files_destroy(keys, subject, error);
    (void)pthread_mutex_unlock(&keys->lock);
    return status;
}

void bpi_keys_destroy_end(bpi_keys *keys)
{
    (void)pthread_mutex_lock(&keys->lock);
    keys->destroying = false;
    (void)pthread_cond_broadcast(&keys->quiet);
    (void)pthread_mutex_unlock(&keys->lock);
}

void bpi_keys_settle(bpi_keys *keys)
{
    (void)pthread_mutex_lock(&keys->lock);
    bpi_key_files_settle(keys);
    (void)pthread_mutex_unlock(&keys->lock);
}

/* ---- keys in use ---- */

/* The place where a subject's key would be kept; NULL: no memory for the table. */
static bpi_key_slot *slot_of(bpi_keys *keys, const bp_hash *hash)
{
    if (keys->slots == NULL) {
        keys->slots = bpi_allocate_array(keys->allocator, BPI_KEY_SLOTS, sizeof *keys->slots);
    }
    return keys->slots == NULL ? NULL : &keys->slots[bpi_get32(hash->bytes) % BPI_KEY_SLOTS];
}

/* A key is used when no crash takes it back any more. */
static bp_status keep_file(bpi_keys *keys, bp_text subject, bool made, bp_error *error)
{
    bp_status status = keys->doubtful && !made ? bpi_key_files_renew(keys, subject, error) : BP_OK;
    if (status == BP_OK) {
        status = bpi_key_files_sync(keys, error);
    }
    if (status != BP_OK && made) {
        bpi_key_files_withdraw(keys, subject);
    }
    return status;
}

static bp_status find_locked(bpi_keys *keys, bp_text subject, bool make, uint64_t durable, bpi_secret *key_out,
                             bp_error *error)
{
    bp_hash hash = bp_hash_bytes(subject.data, subject.size);
    bpi_key_slot *slot = slot_of(keys, &hash);
    if (slot == NULL) {
        return bpi_error_set(error, BP_ERR_NO_MEMORY, "no memory for the keys of subjects");
    }
    if (slot->used && memcmp(slot->subject, hash.bytes, sizeof slot->subject) == 0) {
        bp_status status = make && !slot->kept ? keep_file(keys, subject, false, error) : BP_OK;
        slot->kept = slot->kept || (make && status == BP_OK);
        *key_out = slot->key;
        return status;
    }
    bp_status status = bpi_key_files_read(keys, subject, key_out, error);
    if (status == BP_OK && bpi_keys_gone_locked(keys, &key_out->id)) {
        status = bpi_error_set(error, BP_ERR_NOT_FOUND, "the key of this subject was destroyed");
    }
    bool made = status == BP_ERR_NOT_FOUND && make;
    if (made && keys->recorded > durable) {
        return BP_END; /* it would take the place of one that a crash may need */
    }
    if (made) {
        status = bpi_key_files_make(keys, subject, key_out, error);
    }
    if (status == BP_OK && make) {
        status = keep_file(keys, subject, made, error);
    }
    if (status == BP_OK) {
        memcpy(slot->subject, hash.bytes, sizeof slot->subject);
        slot->key = *key_out;
        slot->used = true;
        slot->kept = make;
    }
    return status;
}

bp_status bpi_keys_find(bpi_keys *keys, bp_text subject, bpi_secret *key_out, bp_error *error)
{
    (void)pthread_mutex_lock(&keys->lock);
    bp_status status = find_locked(keys, subject, false, 0, key_out, error);
    (void)pthread_mutex_unlock(&keys->lock);
    return status;
}

bp_status bpi_keys_take(bpi_keys *keys, bp_text subject, uint64_t durable, bpi_secret *key_out, bp_error *error)
{
    (void)pthread_mutex_lock(&keys->lock);
    bp_status status = find_locked(keys, subject, true, durable, key_out, error);
    (void)pthread_mutex_unlock(&keys->lock);
    return status;
}

/* ---- opening ---- */

void bpi_sealed_bound(const bp_id *id, uint8_t payload_type, uint16_t payload_version, uint8_t out[BPI_SEALED_BOUND])
{
    memcpy(out, id->bytes, sizeof id->bytes);
    out[16] = payload_type;
    out[17] = 0;
    bpi_put16(out + 18, payload_version);
}

static bp_status sealed_wrong(const bp_event *event, const char *what, bp_error *error)
{
    bpi_error_set(error, BP_ERR_CORRUPT, "the encrypted payload of event %" PRIu64 " %s", event->sequence, what);
    bpi_error_entity(error, event->entity);
    if (error != NULL) {
        error->has_sequence = true;
        error->sequence = event->sequence;
    }
    return BP_ERR_CORRUPT;
}

/* Nobody reads it any more, or not here: as an erased one, with the hash of what is stored. */
static void hand_out_absent(bp_event *event, bp_encryption how)
{
    event->content_hash = bp_event_content_hash(event);
    event->encryption = (uint8_t)how;
    event->payload_absent = true;
    event->payload = (const uint8_t *)event->payload + event->payload_size;
    event->payload_size = 0;
}

bp_status bpi_keys_open_event(bpi_keys *keys, bpi_buffer *plain, bp_event *event, bp_error *error)
{
    const uint8_t *sealed = event->payload;
    bp_text subject;
    bpi_secret key;
    bp_id key_id;
    if (!bpi_event_subject(event, &subject) || event->payload_size < BPI_SEALED_MORE) {
        return sealed_wrong(event, "is too short to be one", error);
    }
    memcpy(key_id.bytes, sealed + BPI_SEALED_KEY, sizeof key_id.bytes);
    if (bpi_keys_is_gone(keys, &key_id)) {
        hand_out_absent(event, BP_ENCRYPTION_SHREDDED);
        return BP_OK;
    }
    bp_status status = bpi_cipher_available() ? bpi_keys_find(keys, subject, &key, error) : BP_ERR_NOT_FOUND;
    if (status == BP_ERR_NO_MEMORY) {
        return status;
    }
    if (status != BP_OK || !bp_id_equal(&key.id, &key_id)) {
        bpi_wipe(&key, sizeof key);
        hand_out_absent(event, BP_ENCRYPTION_LOCKED);
        return BP_OK;
    }
    size_t size = event->payload_size - BPI_SEALED_MORE;
    uint8_t bound[BPI_SEALED_BOUND];
    bpi_sealed_bound(&event->id, event->payload_type, event->payload_version, bound);
    plain->size = 0;
    if (!bpi_buffer_reserve(plain, size + 1)) {
        status = bpi_error_set(error, BP_ERR_NO_MEMORY, "no memory for a payload");
    } else if (!bpi_cipher_decrypt(key.bytes, sealed + BPI_SEALED_NONCE, bound, sizeof bound, sealed + BPI_SEALED_BYTES,
                                   size, sealed + BPI_SEALED_BYTES + size, plain->data)) {
        status = sealed_wrong(event, "does not open with its key", error);
    } else {
        plain->size = size;
        event->content_hash = bp_event_content_hash(event);
        event->encryption = BP_ENCRYPTION_OPENED;
        event->payload = plain->data;
        event->payload_size = size;
    }
    bpi_wipe(&key, sizeof key);
    return status;
}
