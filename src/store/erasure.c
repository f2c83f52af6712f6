/*
 * erasure.c: putting erasures on record.
 */
#include "store/erasure.h"

#include <string.h>

#include "base/error.h"
#include "base/text.h"
#include "store/naming.h"

static bp_status check_text(const char *of, const char *text, const char *what, bp_error *error)
{
    if (text == NULL || text[0] == '\0') {
        bpi_error_set(error, BP_ERR_ARGUMENT, "%s needs its %s", of, what);
        bpi_error_hint(error, "it stays in the log as a proof: say why it had to be, and who decided");
        return BP_ERR_ARGUMENT;
    }
    return bpi_name_check(bp_text_of(text), what, BP_REASON_MAX, error);
}

bp_status bpi_reason_check(const char *what, const char *reason, const char *by, bp_error *error)
{
    bp_status status = check_text(what, reason, "reason", error);
    return status == BP_OK ? check_text(what, by, "author", error) : status;
}

bp_status bpi_erasure_append(bp_store *store, bpi_buffer *what, const bp_id *id, const char *reason, const char *by,
                             uint64_t *sequence_out, bp_error *error) /* NOLINT(readability-non-const-parameter) */
{
    static const bp_kind_code kinds[] = {BP_KIND_ERASURE};
    if (!bpi_json_put_field(what, "reason", bp_text_of(reason)) || !bpi_json_put_field(what, "by", bp_text_of(by)) ||
        !bpi_json_put_raw(what, "}")) {
        return bpi_error_set(error, BP_ERR_NO_MEMORY, "no memory to put an erasure on record; nothing was done");
    }
    bp_append_options options;
    bp_append_options_init(&options);
    if (id != NULL) {
        options.id = *id;
    }
    bp_batch_item item = {.at = bp_at(BP_SYSTEM_ENTITY, BP_SYSTEM_SCOPE),
                          .kind = BP_KIND_ERASURE,
                          .options = &options,
                          .payload = bp_payload_versioned(bp_json_bytes(what->data, what->size), 1)};
    bpi_request request = {.items = &item,
                           .count = 1,
                           .lead = 1,
                           .kinds = kinds,
                           .now_us = bpi_store_now_us(store),
                           .first_out = sequence_out};
    return bpi_store_run(store, &request, BP_DURABLE, NULL, error);
}
