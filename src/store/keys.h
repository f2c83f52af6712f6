/*
 * keys.h: the keys of subjects: their files, a table of those in use, and which were destroyed.
 *
 * Holds:
 *   - a key's file, and its name, are synced before anything is encrypted with it.
 *   - a key that an erasure record of the log names is not used any more, whatever lies in keys/: from the writing of the
 *     record on, which teaches the keys while the commit lock is held.
 *   - the file of such a key goes, and another takes its place, when the record is durable: what a crash takes back has
 *     cost no key.
 *   - no key is destroyed between the encryption of an append and its commit (bpi_keys_enter, bpi_keys_leave).
 *   - iterators may outlive their store: the keys live as long as the store's heap (store/heap.h).
 */
#ifndef BPI_STORE_KEYS_H
#define BPI_STORE_KEYS_H

#include <pthread.h>

#include <batpak/keys.h>

#include "base/memory.h"
#include "format/key_file.h"
#include "log/home.h"

enum { BPI_KEY_SLOTS = 4096, BPI_KEY_NAME_SIZE = 48 };

/* A key ready for use. */
typedef struct bpi_secret {
    bp_id id;
    uint8_t bytes[BPI_CIPHER_KEY];
} bpi_secret;

typedef struct bpi_key_slot {
    uint8_t subject[16]; /* of its hash */
    bpi_secret key;
    bool used;
    bool kept; /* no crash takes its file back */
} bpi_key_slot;

typedef struct bpi_keys {
    const bp_allocator *allocator; /* the caller's own: what is here is no part of the heap that it goes with */
    bpi_home home;                 /* of the tables; root is the store's and gone when the store is closed */
    bp_id store_id;
    bool writer;
    bool has_wrap;
    uint8_t wrap[BP_KEY_SIZE]; /* the key_encryption_key */
    pthread_mutex_t lock;      /* guards what follows; a leaf but for I/O in keys/, taken under the commit lock too */
    pthread_cond_t quiet;
    bp_dir *dir;   /* keys/; NULL: not there yet */
    bool synced;   /* the names in it, and its own, are on the medium */
    bool doubtful; /* a sync failed, and may have forgotten names: those of keys that are not `kept` are made anew */
    bool made;     /* this handle made keys/, and no sync has covered that yet */
    bpi_key_slot *slots;
    bp_id *gone; /* ids of destroyed keys: open addressing, nil is free */
    size_t gone_count;
    size_t gone_capacity; /* 0 or a power of two */
    uint64_t recorded;    /* the newest record of a destroyed key is below that sequence */
    uint32_t users;       /* appends between encryption and commit */
    bool destroying;
} bpi_keys;

/* NULL: no memory. `allocator` outlives it. */
bpi_keys *bpi_keys_new(const bp_allocator *allocator);
void bpi_keys_free(void *argument); /* the keys: a heap's last */

/* The store is open; home's directories are good until bpi_keys_close. wrap: 32 bytes or NULL. */
void bpi_keys_open(bpi_keys *keys, const bpi_home *home, const bp_id *store_id, bool writer);
void bpi_keys_wrap(bpi_keys *keys, const uint8_t *wrap);
void bpi_keys_close(bpi_keys *keys);
/* A writer, when the log was read: finishes what a crash left of destroying keys. What fails is said, and tried again by
 * the next opening. */
void bpi_keys_settle(bpi_keys *keys);

/* Takes in an erasure record's payload. BP_ERR_NO_MEMORY, but not for as many as there was room made for; false: no memory. */
bp_status bpi_keys_learn(bpi_keys *keys, const void *payload, size_t size, uint64_t sequence, bp_error *error);
bool bpi_keys_reserve(bpi_keys *keys, size_t more);
bool bpi_keys_is_gone(bpi_keys *keys, const bp_id *key_id);
/* What has to be durable before a key that is gone is destroyed: everything below this sequence. */
uint64_t bpi_keys_recorded(bpi_keys *keys);

/* Around the staging and committing of payloads for subjects. */
void bpi_keys_enter(bpi_keys *keys);
void bpi_keys_leave(bpi_keys *keys);

/* The key of a subject. BP_ERR_NOT_FOUND, BP_ERR_DENIED (wrapped otherwise), BP_ERR_CORRUPT, BP_ERR_IO, BP_ERR_NO_MEMORY.
 * A key that is gone is not found. */
bp_status bpi_keys_find(bpi_keys *keys, bp_text subject, bpi_secret *key_out, bp_error *error);
/* The same, and makes one where there is none; synced when this returns. BP_END: there is to be one, but the record of one
 * that was destroyed is not below `durable`, which is to be tried again when it is. */
bp_status bpi_keys_take(bpi_keys *keys, bp_text subject, uint64_t durable, bpi_secret *key_out, bp_error *error);

/* Destroying, in three steps: nobody encrypts from begin to end. The intent lies in keys/ before the record is written; the
 * record is durable before the file is destroyed. */
bp_status bpi_keys_destroy_begin(bpi_keys *keys, bp_text subject, bpi_secret *key_out, bp_error *error);
bp_status bpi_keys_destroy_file(bpi_keys *keys, bp_text subject, bp_error *error);
void bpi_keys_destroy_end(bpi_keys *keys);

/* Hands a stored event out: decrypted into *plain (grown as needed), or flagged. event->encryption is BP_ENCRYPTION_STORED.
 * BP_ERR_CORRUPT, BP_ERR_NO_MEMORY. */
bp_status bpi_keys_open_event(bpi_keys *keys, bpi_buffer *plain, bp_event *event, bp_error *error);

/* What an encrypted payload is bound to: id, payload type, payload version. */
enum { BPI_SEALED_BOUND = 20 };
void bpi_sealed_bound(const bp_id *id, uint8_t payload_type, uint16_t payload_version, uint8_t out[BPI_SEALED_BOUND]);

#endif
