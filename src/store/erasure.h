/*
 * erasure.h: erasure records: the system events that say what was forgotten, who decided it, why and when.
 *
 * A record is in the log, durable, before the first byte goes: what a crash interrupts is finished by what the log says.
 */
#ifndef BPI_STORE_ERASURE_H
#define BPI_STORE_ERASURE_H

#include "base/json_write.h"
#include "store/intent.h"

/* BP_ERR_ARGUMENT, BP_ERR_NAME: what is wrong with the reason for `what` ("an erasure"), or with who gave it. */
bp_status bpi_reason_check(const char *what, const char *reason, const char *by, bp_error *error);

/* Appends the record, durable: `what` are the fields that come first, an opening brace in front. `id`: it gets that one; NULL: any. The
 * sequence. */
bp_status bpi_erasure_append(bp_store *store, bpi_buffer *what, const bp_id *id, const char *reason, const char *by,
                             uint64_t *sequence_out, bp_error *error);

/*
 * What an opening makes of the note of an erasure: *on_record_out, it finishes it; else the note goes. BP_ERR_CORRUPT of one that is not whole,
 * BP_ERR_FORMAT of one that says what no erasure notes, both if it is on record (intent.h says them with the file).
 */
bp_status bpi_erasure_judge(bpi_view *view, const bpi_intent *intent, bool *on_record_out, bp_error *error);

/* A writer's opening finishes the erasures that are on record and were interrupted (intent.h). */
bp_status bpi_erasures_finish(bp_store *store, bp_error *error);

#endif
