/*
 * encrypt.c: payloads for subjects, encrypted between the check of a request and the building of its records.
 *
 * Holds: what is encrypted is the library's own copy, which stays readable in the scratch until the append is answered:
 * gates and permits judge the text, not the ciphertext. Then it is wiped.
 */
#include "store/stage.h"

#include <string.h>

#include "base/bytes.h"
#include "base/error.h"
#include "base/text.h"

bp_status bpi_subject_check(const bp_batch_item *item, bp_error *error)
{
    const char *subject = item->options->subject;
    bp_status status = bpi_name_check(bp_text_of(subject), "subject", BP_SUBJECT_MAX, error);
    if (status == BP_OK && !bpi_cipher_available()) {
        bpi_error_set(error, BP_ERR_UNSUPPORTED, "this library was built without libsodium; it cannot encrypt");
        bpi_error_hint(error, "append without a subject, or build with libsodium-dev installed");
        return BP_ERR_UNSUPPORTED;
    }
    if (status == BP_OK && item->payload.size > BP_PAYLOAD_MAX - BPI_SEALED_MORE) {
        bpi_error_set(error, BP_ERR_TOO_LARGE, "payload of %zu bytes is over the limit of %u of an encrypted one",
                      item->payload.size, BP_PAYLOAD_MAX - BPI_SEALED_MORE);
        bpi_error_hint(error, "no event holds more; keep the bytes elsewhere and store a reference to them");
        return BP_ERR_TOO_LARGE;
    }
    return status;
}

/* An id that is there already is a retry: nothing new will be written, so that it is worth no key of its own. */
static bool is_known(bp_store *store, const bp_id *id)
{
    bpi_view *view = bpi_view_pin(store->index);
    uint64_t sequence = 0;
    bool known = view != NULL && bpi_view_find_id(view, id, &sequence, NULL) == BP_OK;
    bpi_view_drop(view);
    return known;
}

/* The subject's key; for a retry whose key was destroyed one that is used for nothing else. */
static bp_status key_for(bp_store *store, bpi_scratch *scratch, const bpi_staged *staged, bpi_secret *key_out,
                         bp_error *error)
{
    if (staged->id_given && is_known(store, &staged->input.id)) {
        bp_status status = bpi_keys_find(store->keys, staged->subject, key_out, error);
        if (status == BP_ERR_NOT_FOUND) {
            int code = bpi_scratch_random(store, scratch, key_out, sizeof *key_out);
            return code == 0 ? BP_OK : bpi_error_system(error, code, "cannot draw random bytes");
        }
        return status;
    }
    bp_status status = BP_END;
    while (status == BP_END) {
        uint64_t durable = atomic_load(&store->log.durable_sequence);
        status = bpi_keys_take(store->keys, staged->subject, durable, key_out, error);
        if (BPI_UNLIKELY(status == BP_END)) {
            bp_status settled = bpi_store_settle(store, bpi_keys_recorded(store->keys), error);
            status = settled == BP_OK ? BP_END : settled;
        }
    }
    return status;
}

/* Text and ciphertext of one item, in that order, in the room behind scratch->sealed.size. */
static bp_status encrypt_one(bp_store *store, bpi_scratch *scratch, bpi_staged *staged, bp_error *error)
{
    bpi_record_input *input = &staged->input;
    size_t size = input->payload_size;
    uint8_t *text = scratch->sealed.data + scratch->sealed.size;
    uint8_t *sealed = text + size;
    uint8_t bound[BPI_SEALED_BOUND];
    bpi_secret key;
    bp_status status = key_for(store, scratch, staged, &key, error);
    if (status == BP_OK) {
        bpi_copy(text, input->payload, size);
        bpi_copy(sealed + BPI_SEALED_BYTES, text, size);
        bpi_sealed_bound(&input->id, input->payload_type, input->payload_version, bound);
        memcpy(sealed + BPI_SEALED_KEY, key.id.bytes, sizeof key.id.bytes);
        bpi_cipher_nonce(key.bytes, bound, sizeof bound, text, size, sealed + BPI_SEALED_NONCE);
        bpi_cipher_encrypt(key.bytes, sealed + BPI_SEALED_NONCE, bound, sizeof bound, sealed + BPI_SEALED_BYTES, size,
                           sealed + BPI_SEALED_BYTES + size);
        staged->text = text;
        staged->text_size = size;
        input->payload = sealed;
        input->payload_size = size + BPI_SEALED_MORE;
        scratch->sealed.size += 2 * size + BPI_SEALED_MORE;
    }
    bpi_wipe(&key, sizeof key);
    return status;
}

bp_status bpi_stage_encrypt(bp_store *store, bpi_scratch *scratch, size_t count, bp_error *error)
{
    size_t total = 0;
    for (size_t i = 0; i < count; i++) {
        const bpi_staged *staged = &scratch->items[i];
        total += staged->subject.data != NULL ? 2 * staged->input.payload_size + BPI_SEALED_MORE : 0;
        if (total > 2u * (size_t)BP_FRAME_MAX) {
            return bpi_error_set(error, BP_ERR_TOO_LARGE, "the batch is over the limit of %u bytes for one commit",
                                 BP_FRAME_MAX);
        }
    }
    bpi_scratch_forget(scratch);
    bpi_keys_enter(store->keys);
    scratch->entered = true;
    if (!bpi_buffer_reserve(&scratch->sealed, total)) {
        return bpi_error_set(error, BP_ERR_NO_MEMORY, "no memory for the append; nothing was done");
    }
    bp_status status = BP_OK;
    for (size_t i = 0; status == BP_OK && i < count; i++) {
        if (scratch->items[i].subject.data != NULL) {
            status = encrypt_one(store, scratch, &scratch->items[i], error);
        }
        if (status != BP_OK && error != NULL && count > 1) {
            error->has_index = true;
            error->index = i;
        }
    }
    return status;
}
