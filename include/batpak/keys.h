/*
 * keys.h: forgetting by destroying a key. Payloads of an append with the option `subject` are encrypted under that
 * subject's own key, which lies in the store's folder keys/; without the key nobody reads them again, and the log, its
 * hashes and its proofs stay as they are, for they are over the encrypted bytes.
 *
 * What is encrypted is the payload. Entity, scope, kind, causes, times, and the subject's name are not: put nothing into
 * them that must be forgotten. bp_erase (erase.h) also takes the subject's name out of the log.
 *
 * Reading decrypts wherever the key can be read; bp_event says how an event was handed out (bp_encryption). What was
 * decrypted once (caches, read models, exports, backups, memory of other programs) is not called back by a destroyed key.
 */
#ifndef BATPAK_KEYS_H
#define BATPAK_KEYS_H

#include <batpak/event.h>
#include <batpak/store.h>

#ifdef __cplusplus
extern "C" {
#endif

#define BP_SUBJECT_MAX 1024u   /* bytes of a subject: a name like an entity's */
#define BP_KEY_SIZE 32u        /* bytes of the option key_encryption_key */
#define BP_ENCRYPTION_SIZE 56u /* bytes that an encrypted payload is longer: key id, nonce, tag */
#define BP_REASON_MAX 1024u    /* bytes of a reason, and of who gave it */

/* Was this library built with libsodium? Without it appends with a subject are BP_ERR_UNSUPPORTED, and encrypted payloads
 * are handed out as BP_ENCRYPTION_LOCKED. */
BP_API bool bp_encryption_available(void);

/* Why a key is destroyed, for the record that stays in the log. Start from bp_key_options_init. */
typedef struct bp_key_options {
    size_t size;
    const char *reason; /* UTF-8 without control characters, 1..BP_REASON_MAX bytes. Name no person in it: it stays */
    const char *by;     /* who decided it, the same */
} bp_key_options;

BP_API void bp_key_options_default(bp_key_options *options, size_t size);
static inline void bp_key_options_init(bp_key_options *options)
{
    bp_key_options_default(options, sizeof *options);
}

typedef struct bp_key_report {
    bool destroyed;    /* by this call; false: the subject had no key (any more) */
    bp_id key;         /* its id, as the erasure record names it; nil when there was none */
    uint64_t sequence; /* of the erasure record; BP_NONE when there was no key */
} bp_key_report;

/*
 * Destroys a subject's key: puts on record that it is destroyed (a durable system event: which key, who, why, when), then
 * overwrites the key, removes its file and syncs the folder. From the writing of the record on every handle, in every
 * process that has seen it, hands the payloads out as BP_ENCRYPTION_SHREDDED; a crash in the middle is finished by the
 * next opening for writing. Asking again is BP_OK with report->destroyed false. A later append for the subject makes a new
 * key, which opens nothing old. Waits for appends with a subject that are under way. report_out may be NULL. Any thread.
 *
 * A filesystem or a drive that writes elsewhere instead of over (copy on write, flash) may keep the old block for a while,
 * and copies of keys/ in backups are not reached: the option key_encryption_key makes such remains useless without it.
 *
 *   BP_ERR_ARGUMENT  a NULL, no reason, nobody who decides; BP_ERR_NAME: the subject is no name. Nothing was done
 *   BP_ERR_CORRUPT   the key's file is damaged; nothing was done
 *   BP_ERR_FAILED, BP_ERR_IO, BP_ERR_NO_SPACE  one of three, and the message says which. The intent or the record could not be
 *                    written: the key is as before (if the write of the record failed, the next opening may find it there, and
 *                    finish). The record is written and could not be synced: this handle uses the key no more, a power cut may
 *                    take the record back, and so the file stays; asking again, or an append for the subject, recovers the
 *                    store first (bp_options.recovery_attempts) and makes the record durable, or fails like this. The
 *                    record is durable and the file could not be removed: nobody uses it any more. In each of them ask
 *                    again: BP_OK says that the record is durable and the file is gone
 *   BP_ERR_READ_ONLY, BP_ERR_NO_MEMORY, BP_ERR_FORKED, BP_ERR_CLOSED, BP_ERR_REENTRANT
 */
BP_API BP_MUST_USE bp_status bp_key_destroy(bp_store *store, const char *subject, const bp_key_options *options,
                                            bp_key_report *report_out, bp_error *error);

/*
 * Is there a key for the subject that this handle can use? *key_out (may be NULL) is its id. BP_ERR_NOT_FOUND: there is
 * none. BP_ERR_DENIED: it is wrapped under another key_encryption_key, or none was given. Any thread; reads a file.
 */
BP_API BP_MUST_USE bp_status bp_key_find(bp_store *store, const char *subject, bp_id *key_out, bp_error *error);

#ifdef __cplusplus
}
#endif

#endif
