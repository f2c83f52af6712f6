/*
 * key_destroy.c: forgetting a subject.
 *
 * The order: the intent in keys/, synced; the record, written: the commit teaches the keys, so that nobody uses this one
 * from then on; the record, durable; the key's bytes. A crash before the record leaves everything as it was, one behind it
 * is finished by the next opening (bpi_keys_settle). A sync that fails leaves the record written and the key's file whole:
 * the recovery in the process keeps the record (store/revive.c), a power cut may take it back, and who asks again, or
 * appends for the subject, waits until it is durable.
 */
#include <string.h>

#include "base/error.h"
#include "base/options.h"
#include "base/plant.h"
#include "base/text.h"
#include "store/erasure.h"

bool bp_encryption_available(void)
{
    return bpi_cipher_available();
}

void bp_key_options_default(bp_key_options *options, size_t size)
{
    bp_key_options defaults = {.size = size};
    if (options != NULL && size >= sizeof(size_t)) {
        memset(options, 0, size);
        memcpy(options, &defaults, size < sizeof defaults ? size : sizeof defaults);
    }
}

static bp_status put_on_record(bp_store *store, const bpi_secret *key, const bp_key_options *options,
                               uint64_t *sequence_out, bp_error *error)
{
    char text[BP_ID_TEXT_SIZE];
    bpi_buffer what;
    bp_id_print(&key->id, text);
    bpi_buffer_init(&what, store->allocator);
    bp_status status = bpi_json_put_raw(&what, "{") && bpi_json_put_field(&what, "what", bp_text_of("key")) &&
                               bpi_json_put_field(&what, "key", bp_text_of(text))
                           ? bpi_erasure_append(store, &what, NULL, options->reason, options->by, sequence_out, error)
                           : bpi_error_set(error, BP_ERR_NO_MEMORY, "no memory to destroy a key; it is as before");
    bpi_buffer_fini(&what);
    return status;
}

/* The record may be there already: of an earlier call that could not finish. */
static bp_status record_durably(bp_store *store, const bpi_secret *key, const bp_key_options *options,
                                uint64_t *sequence_out, bp_error *error)
{
    bp_status status = bpi_keys_is_gone(store->keys, &key->id)
                           ? bpi_store_settle(store, bpi_keys_recorded(store->keys), error)
                           : put_on_record(store, key, options, sequence_out, error);
    if (status != BP_OK && bpi_keys_is_gone(store->keys, &key->id)) {
        bpi_error_wrap(error, status, "the key is on record as destroyed, but not known to be so for good; ask again");
    }
    return status;
}

static bp_status destroy(bp_store *store, bp_text subject, const bp_key_options *options, bp_key_report *report,
                         bp_error *error)
{
    bpi_secret key = {.id = {{0}}};
    bp_status status = bpi_keys_destroy_begin(store->keys, subject, &key, error);
    if (status == BP_OK) {
        report->key = key.id;
        if (bpi_planted(BPI_PLANT_KEY_DESTROYED_EARLY)) {
            (void)bpi_keys_destroy_file(store->keys, subject, NULL);
        }
        status = record_durably(store, &key, options, &report->sequence, error);
        if (status == BP_OK) {
            status = bpi_keys_destroy_file(store->keys, subject, error);
        }
        report->destroyed = status == BP_OK;
    } else if (status == BP_ERR_NOT_FOUND) {
        status = BP_OK;
    }
    bpi_keys_destroy_end(store->keys);
    return status;
}

bp_status bp_key_destroy(bp_store *store, const char *subject, const bp_key_options *options, bp_key_report *report_out,
                         bp_error *error)
{
    bp_key_report report = {.sequence = BP_NONE};
    bp_status status = bpi_store_check_writer(store, error);
    if (status != BP_OK) {
        return status;
    }
    bp_key_options taken;
    bp_key_options_init(&taken);
    status = bpi_options_take(options, sizeof taken, &taken, sizeof taken, "bp_key_options", error);
    if (status != BP_OK) {
        return status;
    }
    status = bpi_name_check(bp_text_of(subject), "subject", BP_SUBJECT_MAX, error);
    if (status == BP_OK) {
        status = bpi_reason_check("an erasure", taken.reason, taken.by, error);
    }
    if (status == BP_OK) {
        status = destroy(store, bp_text_of(subject), &taken, &report, error);
    }
    if (report_out != NULL) {
        *report_out = report;
    }
    if (status == BP_OK) {
        bpi_store_flow(store, "key-destroy", report.sequence);
    }
    return status;
}

bp_status bp_key_find(bp_store *store, const char *subject, bp_id *key_out, bp_error *error)
{
    bpi_secret key = {.id = {{0}}};
    bp_status status = bpi_store_check(store, error);
    if (status == BP_OK) {
        status = bpi_name_check(bp_text_of(subject), "subject", BP_SUBJECT_MAX, error);
    }
    if (status == BP_OK) {
        status = bpi_keys_find(store->keys, bp_text_of(subject), &key, error);
    }
    if (status == BP_OK && key_out != NULL) {
        *key_out = key.id;
    }
    bpi_wipe(&key, sizeof key);
    return status;
}
