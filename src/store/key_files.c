/*
 * key_files.c: keys on disk.
 *
 * A key is made under another name, synced, renamed, and the folder synced, before anything is encrypted with it. Destroying
 * it overwrites the file in place (other names of the same file hold nothing then either), syncs, removes it and syncs
 * the folder.
 */
#include "store/key_files.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/bytes.h"
#include "base/checksum.h"
#include "base/error.h"
#include "base/ids.h"
#include "base/plant.h"

#define FOLDER "keys"

enum { HEX_SIZE = 32, SETTLE_MOST = 64, INTENT_SIZE = 20 /* the key's id, CRC-32C of that */ };

static void name_of(bp_text subject, const char *end, char name_out[BPI_KEY_NAME_SIZE])
{
    static const char digits[] = "0123456789abcdef";
    bp_hash hash = bp_hash_bytes(subject.data, subject.size);
    for (size_t i = 0; i < HEX_SIZE / 2; i++) {
        name_out[2 * i] = digits[hash.bytes[i] >> 4];
        name_out[2 * i + 1] = digits[hash.bytes[i] & 15];
    }
    (void)snprintf(name_out + HEX_SIZE, BPI_KEY_NAME_SIZE - HEX_SIZE, "%s", end);
}

static bp_status told(bp_error *error, int code, const char *what, const char *name)
{
    bp_status status = bpi_error_system(error, code, "%s", what);
    bpi_error_file(error, FOLDER "/%s", name);
    return status;
}

bp_status bpi_key_files_dir(bpi_keys *keys, bool make, bp_error *error)
{
    const bp_io *io = keys->home.io;
    if (keys->dir != NULL) {
        return BP_OK;
    }
    if (keys->home.root == NULL) {
        return bpi_error_set(error, BP_ERR_NOT_FOUND, "the store is closed and had no keys");
    }
    int code = io->dir_open_at(io->context, keys->home.root, FOLDER, false, &keys->dir);
    if (code == ENOENT && make) {
        code = io->dir_open_at(io->context, keys->home.root, FOLDER, true, &keys->dir);
        keys->made = code == 0;
    }
    if (code == ENOENT) {
        return bpi_error_set(error, BP_ERR_NOT_FOUND, "the store has no keys of subjects");
    }
    return code == 0 ? BP_OK : told(error, code, "cannot open the keys of the store", "");
}

bp_status bpi_key_files_sync(bpi_keys *keys, bp_error *error)
{
    const bp_io *io = keys->home.io;
    if (keys->synced || keys->dir == NULL || bpi_planted(BPI_PLANT_KEY_UNSYNCED)) {
        return BP_OK;
    }
    int code = io->dir_sync(io->context, keys->dir);
    code = code != 0 ? code : io->dir_sync(io->context, keys->home.root);
    keys->synced = code == 0;
    keys->made = keys->made && code != 0;
    keys->doubtful = keys->doubtful || code != 0;
    return code == 0 ? BP_OK : told(error, code, "cannot sync the keys of the store; nothing was appended", "");
}

/* ---- reading ---- */

static bp_status damaged(const char *name, const char *what, bp_error *error)
{
    bpi_error_set(error, BP_ERR_CORRUPT, "a key cannot be used: %s", what);
    bpi_error_file(error, FOLDER "/%s", name);
    bpi_error_hint(error, "put the key back from a copy of keys/; without it its payloads are lost");
    return BP_ERR_CORRUPT;
}

/* Reads and judges a file; the caller gives the bytes' memory. */
static bp_status read_file(bpi_keys *keys, const char *name, uint8_t bytes[BPI_KEY_FILE_MOST + 1],
                           bpi_key_file *file_out, bp_error *error)
{
    const bp_io *io = keys->home.io;
    bp_file *file = NULL;
    size_t got = 0;
    int code = io->file_open(io->context, keys->dir, name, BP_OPEN_READ, &file);
    if (code == ENOENT) {
        return bpi_error_set(error, BP_ERR_NOT_FOUND, "there is no key for this subject");
    }
    if (code != 0) {
        return told(error, code, "cannot open a key", name);
    }
    code = io->file_read(io->context, file, 0, bytes, BPI_KEY_FILE_MOST + 1, &got);
    io->file_close(io->context, file);
    if (code != 0) {
        return told(error, code, "cannot read a key", name);
    }
    const char *fault = got > BPI_KEY_FILE_MOST ? "it is too long" : bpi_key_file_get(bytes, got, file_out);
    return fault == NULL ? BP_OK : damaged(name, fault, error);
}

/* The key that was to be destroyed; false: nothing is told by that file. */
static bool read_intent(const bpi_keys *keys, const char *name, bp_id *key_id_out)
{
    const bp_io *io = keys->home.io;
    uint8_t bytes[INTENT_SIZE + 1];
    bp_file *file = NULL;
    size_t got = 0;
    if (io->file_open(io->context, keys->dir, name, BP_OPEN_READ, &file) != 0) {
        return false;
    }
    int code = io->file_read(io->context, file, 0, bytes, sizeof bytes, &got);
    io->file_close(io->context, file);
    memcpy(key_id_out->bytes, bytes, sizeof key_id_out->bytes);
    return code == 0 && got == INTENT_SIZE && bpi_get32(bytes + 16) == bpi_crc32c(0, bytes, 16);
}

/* Is the subject's key one that the log says is destroyed, whatever its file holds by now? */
static bool is_destroyed(const bpi_keys *keys, bp_text subject, bp_id *key_id_out)
{
    char intent[BPI_KEY_NAME_SIZE];
    name_of(subject, ".gone", intent);
    return read_intent(keys, intent, key_id_out) && bpi_keys_gone_locked(keys, key_id_out);
}

static bp_status unwrap(const bpi_keys *keys, const bpi_key_file *file, const char *name, bpi_secret *key_out,
                        bp_error *error)
{
    uint8_t bound[BPI_KEY_FILE_BOUND_SIZE];
    bpi_key_file_bound(file, bound);
    if (keys->has_wrap && bpi_cipher_available() &&
        bpi_cipher_decrypt(keys->wrap, file->nonce, bound, sizeof bound, file->key, BPI_CIPHER_KEY,
                           file->key + BPI_CIPHER_KEY, key_out->bytes)) {
        return BP_OK;
    }
    bpi_error_set(error, BP_ERR_DENIED, "the key is wrapped under %s key_encryption_key",
                  keys->has_wrap ? "another" : "a");
    bpi_error_file(error, FOLDER "/%s", name);
    bpi_error_hint(error, "open the store with the option key_encryption_key that it was written with");
    return BP_ERR_DENIED;
}

bp_status bpi_key_files_read(bpi_keys *keys, bp_text subject, bpi_secret *key_out, bp_error *error)
{
    uint8_t bytes[BPI_KEY_FILE_MOST + 1];
    char name[BPI_KEY_NAME_SIZE];
    bpi_key_file file;
    name_of(subject, ".key", name);
    bp_status status = bpi_key_files_dir(keys, false, error);
    if (status == BP_OK) {
        status = read_file(keys, name, bytes, &file, error);
    }
    if (status == BP_OK && !bp_text_equal(file.subject, subject)) {
        status = damaged(name, "it is another subject's", error);
    }
    if (status == BP_ERR_CORRUPT && is_destroyed(keys, subject, &key_out->id)) {
        status = bpi_error_set(error, BP_ERR_NOT_FOUND, "the key of this subject was destroyed");
    } else if (status == BP_OK) {
        key_out->id = file.key_id;
        if (file.wrapped) {
            status = unwrap(keys, &file, name, key_out, error);
        } else {
            memcpy(key_out->bytes, file.key, sizeof key_out->bytes);
        }
    }
    bpi_wipe(bytes, sizeof bytes);
    bpi_wipe(&file, sizeof file);
    return status;
}

/* ---- making ---- */

static int destroy_key(const bpi_keys *keys, const char *key, const char *fresh, const char *intent);

/* A key that is on record as destroyed, and whose file could not be: it goes before another takes its name. Else what was to be done to it
 * would be done to that one, as soon as a read of it lies. */
static int finish_destroying(const bpi_keys *keys, bp_text subject, const char *key, const char *fresh)
{
    char intent[BPI_KEY_NAME_SIZE];
    bp_id key_id;
    name_of(subject, ".gone", intent);
    return read_intent(keys, intent, &key_id) && bpi_keys_gone_locked(keys, &key_id)
               ? destroy_key(keys, key, fresh, intent)
               : 0;
}

static int write_synced(const bpi_keys *keys, const char *name, const void *bytes, size_t size)
{
    const bp_io *io = keys->home.io;
    bp_file *file = NULL;
    int code = io->dir_remove(io->context, keys->dir, name); /* what a crash left */
    if (code == 0 || code == ENOENT) {
        code = io->file_open(io->context, keys->dir, name, BP_OPEN_WRITE | BP_OPEN_CREATE | BP_OPEN_EXCLUSIVE, &file);
    }
    if (code == 0) {
        code = io->file_write(io->context, file, 0, bytes, size);
    }
    if (code == 0) {
        code = io->file_sync(io->context, file, BP_SYNC_ALL);
    }
    if (file != NULL) {
        io->file_close(io->context, file);
    }
    return code;
}

static int wrap_key(const bpi_keys *keys, bpi_key_file *file)
{
    const bp_random *random = keys->home.random;
    uint8_t bound[BPI_KEY_FILE_BOUND_SIZE];
    int code = random->fill(random->context, file->nonce, sizeof file->nonce);
    if (code == 0) {
        file->wrapped = true;
        bpi_key_file_bound(file, bound);
        bpi_cipher_encrypt(keys->wrap, file->nonce, bound, sizeof bound, file->key, BPI_CIPHER_KEY,
                           file->key + BPI_CIPHER_KEY);
    }
    return code;
}

bp_status bpi_key_files_make(bpi_keys *keys, bp_text subject, bpi_secret *key_out, bp_error *error)
{
    const bp_io *io = keys->home.io;
    const bp_random *random = keys->home.random;
    uint8_t bytes[BPI_KEY_FILE_MOST];
    char name[BPI_KEY_NAME_SIZE];
    char fresh[BPI_KEY_NAME_SIZE];
    bpi_key_file file = {
        .store_id = keys->store_id, .made_us = keys->home.clock->now_us(keys->home.clock->context), .subject = subject};
    bp_status status = bpi_key_files_dir(keys, true, error);
    if (status != BP_OK) {
        return status;
    }
    name_of(subject, ".key", name);
    name_of(subject, ".key.new", fresh);
    int code = finish_destroying(keys, subject, name, fresh);
    code = code != 0 ? code : random->fill(random->context, file.key, BPI_CIPHER_KEY);
    code = code != 0 ? code : random->fill(random->context, file.key_id.bytes, sizeof file.key_id.bytes);
    file.key_id.bytes[0] |= 1; /* never nil */
    key_out->id = file.key_id;
    memcpy(key_out->bytes, file.key, sizeof key_out->bytes);
    if (code == 0 && keys->has_wrap) {
        code = wrap_key(keys, &file);
    }
    keys->synced = false;
    code = code != 0 ? code : write_synced(keys, fresh, bytes, bpi_key_file_put(&file, bytes));
    code = code != 0 ? code : io->dir_rename(io->context, keys->dir, fresh, name);
    bpi_wipe(bytes, sizeof bytes);
    bpi_wipe(&file, sizeof file);
    if (code != 0) {
        bpi_wipe(key_out, sizeof *key_out);
        return told(error, code, "cannot make a key for the subject; nothing was appended", name);
    }
    return BP_OK;
}

bp_status bpi_key_files_renew(bpi_keys *keys, bp_text subject, bp_error *error)
{
    const bp_io *io = keys->home.io;
    uint8_t bytes[BPI_KEY_FILE_MOST + 1];
    char name[BPI_KEY_NAME_SIZE];
    char fresh[BPI_KEY_NAME_SIZE];
    bpi_key_file file;
    name_of(subject, ".key", name);
    name_of(subject, ".key.new", fresh);
    bp_status status = read_file(keys, name, bytes, &file, error);
    if (status == BP_OK) {
        keys->synced = false;
        int code = write_synced(keys, fresh, bytes, BPI_KEY_FILE_HEADER + file.subject.size);
        code = code != 0 ? code : io->dir_rename(io->context, keys->dir, fresh, name);
        status = code == 0 ? BP_OK : told(error, code, "cannot sync a key; nothing was appended", name);
    }
    bpi_wipe(bytes, sizeof bytes);
    bpi_wipe(&file, sizeof file);
    return status;
}

void bpi_key_files_withdraw(bpi_keys *keys, bp_text subject)
{
    const bp_io *io = keys->home.io;
    char name[BPI_KEY_NAME_SIZE];
    name_of(subject, ".key", name);
    /* Nothing was encrypted with it. Left there, the next process would find a name that the sync has forgotten, and believe it. */
    (void)io->dir_remove(io->context, keys->dir, name);
    if (!keys->made) {
        return;
    }
    io->dir_close(io->context, keys->dir);
    keys->dir = NULL;
    keys->made = false;
    (void)io->dir_remove(io->context, keys->home.root, FOLDER);
}

/* ---- destroying ---- */

bp_status bpi_key_files_intend(bpi_keys *keys, bp_text subject, bpi_secret *key_out, bp_error *error)
{
    const bp_io *io = keys->home.io;
    uint8_t bytes[BPI_KEY_FILE_MOST + 1];
    char name[BPI_KEY_NAME_SIZE];
    char intent[BPI_KEY_NAME_SIZE];
    char fresh[BPI_KEY_NAME_SIZE];
    bpi_key_file file;
    name_of(subject, ".key", name);
    name_of(subject, ".gone", intent);
    name_of(subject, ".gone.new", fresh);
    bp_status status = bpi_key_files_dir(keys, false, error);
    if (status == BP_OK) {
        status = read_file(keys, name, bytes, &file, error);
    }
    if (status == BP_ERR_CORRUPT && is_destroyed(keys, subject, &key_out->id)) {
        status = BP_OK; /* it was being overwritten */
    } else if (status == BP_OK) {
        uint8_t what[INTENT_SIZE];
        key_out->id = file.key_id;
        memcpy(what, file.key_id.bytes, 16);
        bpi_put32(what + 16, bpi_crc32c(0, what, 16));
        int code = 0;
        if (!bpi_planted(BPI_PLANT_KEY_INTENT_UNTOLD)) {
            /* An earlier one stays until this is there: the record may have been written since. */
            code = write_synced(keys, fresh, what, sizeof what);
            code = code != 0 ? code : io->dir_rename(io->context, keys->dir, fresh, intent);
        }
        code = code != 0 ? code : io->dir_sync(io->context, keys->dir);
        status = code == 0 ? BP_OK : told(error, code, "cannot begin to destroy a key; it is as before", intent);
    }
    bpi_wipe(bytes, sizeof bytes);
    bpi_wipe(&file, sizeof file);
    return status;
}

/* Overwrites, with bytes that the filesystem cannot leave out, and removes. ENOENT: it is not there. */
static int destroy_named(const bpi_keys *keys, const char *name)
{
    const bp_io *io = keys->home.io;
    uint8_t noise[BPI_KEY_FILE_MOST];
    uint64_t size = 0;
    bp_file *file = NULL;
    int code = io->file_open(io->context, keys->dir, name, BP_OPEN_WRITE, &file);
    if (code == 0) {
        code = io->file_size(io->context, file, &size);
        size = size < sizeof noise ? size : sizeof noise;
        code = code != 0 ? code : keys->home.random->fill(keys->home.random->context, noise, (size_t)size);
        code = code != 0 ? code : io->file_write(io->context, file, 0, noise, (size_t)size);
        code = code != 0 ? code : io->file_sync(io->context, file, BP_SYNC_ALL);
        io->file_close(io->context, file);
    }
    return code != 0 ? code : io->dir_remove(io->context, keys->dir, name);
}

static int destroy_key(const bpi_keys *keys, const char *key, const char *fresh, const char *intent)
{
    const bp_io *io = keys->home.io;
    int code = destroy_named(keys, fresh);
    code = code == 0 || code == ENOENT ? destroy_named(keys, key) : code;
    if (code == ENOENT) { /* a sync that failed may have forgotten that it went: it goes once more */
        code = write_synced(keys, key, "", 0);
        code = code != 0 ? code : io->dir_remove(io->context, keys->dir, key);
    }
    code = code != 0 ? code : io->dir_sync(io->context, keys->dir);
    if (code == 0) {
        code = io->dir_remove(io->context, keys->dir, intent);
        code = code == ENOENT ? 0 : code;
    }
    return code;
}

bp_status bpi_key_files_destroy(bpi_keys *keys, bp_text subject, bp_error *error)
{
    char name[BPI_KEY_NAME_SIZE];
    char fresh[BPI_KEY_NAME_SIZE];
    char intent[BPI_KEY_NAME_SIZE];
    name_of(subject, ".key", name);
    name_of(subject, ".key.new", fresh);
    name_of(subject, ".gone", intent);
    int code = destroy_key(keys, name, fresh, intent);
    return code == 0
               ? BP_OK
               : told(error, code, "a key is on record as destroyed, but its file is still there; ask again", name);
}

/* ---- after a crash ---- */

typedef struct intents {
    char names[SETTLE_MOST][BPI_KEY_NAME_SIZE];
    size_t count;
} intents;

static int note_intent(void *argument, const char *name, bool is_directory, uint64_t size)
{
    intents *found = argument;
    (void)size;
    if (!is_directory && strlen(name) == HEX_SIZE + 5 && strcmp(name + HEX_SIZE, ".gone") == 0 &&
        found->count < SETTLE_MOST) {
        memcpy(found->names[found->count++], name, HEX_SIZE + 6);
    }
    return 0;
}

static void settle_one(bpi_keys *keys, const char *intent)
{
    const bp_io *io = keys->home.io;
    uint8_t bytes[BPI_KEY_FILE_MOST + 1];
    char name[BPI_KEY_NAME_SIZE];
    char fresh[BPI_KEY_NAME_SIZE];
    bpi_key_file file;
    (void)snprintf(name, sizeof name, "%.*s.key", HEX_SIZE, intent);
    (void)snprintf(fresh, sizeof fresh, "%.*s.key.new", HEX_SIZE, intent);
    int code = 0;
    bp_id key_id;
    bp_status status = read_file(keys, name, bytes, &file, NULL);
    /* One whose bytes are gone was being overwritten, or a read lies: the intent says which it is. */
    bool gone = status == BP_ERR_NOT_FOUND || (status == BP_OK && bpi_keys_gone_locked(keys, &file.key_id)) ||
                (status == BP_ERR_CORRUPT && read_intent(keys, intent, &key_id) && bpi_keys_gone_locked(keys, &key_id));
    if (gone) {
        code = destroy_key(keys, name, fresh, intent);
    } else if (status == BP_OK) {
        code = io->dir_remove(io->context, keys->dir, intent);
    }
    if (status == BP_ERR_CORRUPT && !gone) {
        code = EIO;
    }
    if (gone || code != 0) {
        bpi_say_number(&keys->home, code == 0 ? BP_LOG_INFO : BP_LOG_WARN, "recovery",
                       code == 0 ? "key-destroyed" : "key-not-destroyed", "errno", code);
    }
    bpi_wipe(bytes, sizeof bytes);
    bpi_wipe(&file, sizeof file);
}

void bpi_key_files_settle(bpi_keys *keys)
{
    const bp_io *io = keys->home.io;
    intents found;
    found.count = 0;
    if (!keys->writer || keys->dir == NULL || io->dir_list(io->context, keys->dir, note_intent, &found) != 0) {
        return;
    }
    for (size_t i = 0; i < found.count; i++) {
        settle_one(keys, found.names[i]);
    }
}
