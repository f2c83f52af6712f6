/*
 * key_files.h: the files in keys/. The lock of the keys is held by all of these, but where they are called by an opening.
 *
 * A subject's key is keys/<hex>.key, <hex> being the first 16 bytes of BLAKE3 of the subject's name; <hex>.gone beside it
 * says which key is being destroyed, if the log says so too.
 */
#ifndef BPI_STORE_KEY_FILES_H
#define BPI_STORE_KEY_FILES_H

#include "store/keys.h"

/* Opens keys/, making it with `make`. BP_ERR_NOT_FOUND: it is not there. */
bp_status bpi_key_files_dir(bpi_keys *keys, bool make, bp_error *error);

/* Before the first key is used, and again after one was made: a name that a crash takes back would take payloads along. */
bp_status bpi_key_files_sync(bpi_keys *keys, bp_error *error);
/* Gives a subject's key its name anew, for the next sync to cover. */
bp_status bpi_key_files_renew(bpi_keys *keys, bp_text subject, bp_error *error);
/* Takes back a key that was just made, and the folder that was made for it. */
void bpi_key_files_withdraw(bpi_keys *keys, bp_text subject);

bp_status bpi_key_files_read(bpi_keys *keys, bp_text subject, bpi_secret *key_out, bp_error *error);
bp_status bpi_key_files_make(bpi_keys *keys, bp_text subject, bpi_secret *key_out, bp_error *error);

/* Says that a subject's key is about to be destroyed; its id. BP_ERR_NOT_FOUND: there is none. A wrapped key is destroyed
 * without being opened. */
bp_status bpi_key_files_intend(bpi_keys *keys, bp_text subject, bpi_secret *key_out, bp_error *error);
/* Overwrites and removes it, and what was intended. */
bp_status bpi_key_files_destroy(bpi_keys *keys, bp_text subject, bp_error *error);
/* Of each key that is to be destroyed: does so when it is gone, else forgets the intent. */
void bpi_key_files_settle(bpi_keys *keys);

bool bpi_keys_gone_locked(const bpi_keys *keys, const bp_id *key_id);

#endif
