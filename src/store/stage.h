/*
 * stage.h: from a request to records that wait for their place: checks, ids, salts, extensions, content hashes, and the
 * caller's part of the event hashes. All of it outside the commit lock, over the library's own copy.
 */
#ifndef BPI_STORE_STAGE_H
#define BPI_STORE_STAGE_H

#include "base/compiler.h"
#include "store/store.h"

/* A request as the store sees it: caller's items, or the library's own. */
typedef struct bpi_request {
    const bp_batch_item *items;
    size_t count;
    size_t lead;               /* so many items in front are system events of the library: kinds that get a name */
    const bp_kind_code *kinds; /* one per item, when names were resolved; NULL: the items' own */
    int64_t now_us;
    uint64_t *first_out; /* NULL, or where the sequence of the first item goes when it was appended */
} bpi_request;

/* Stages all items into the scratch: frame, items. error->index is set in batches, and counts the leading items. */
bp_status bpi_stage(bp_store *store, bpi_scratch *scratch, const bpi_request *request, bp_error *error);

/* Judges the guards of one item's options and keeps them for the commit (store/guard.c). BP_ERR_ARGUMENT. */
bp_status bpi_guards_stage(const bp_append_options *options, bpi_scratch *scratch, bpi_staged *staged, bp_error *error);

/* An item as an event: what the request says; `causes` are its own. */
void bpi_staged_event(const bpi_staged *staged, const bp_id *causes, bp_event *event_out);

/* Gathers the gates to be put on record with an item in scratch->names (store/decide.c). False: no memory. */
bool bpi_decision_gather(bp_store *store, bpi_scratch *scratch, const bpi_staged *staged,
                         const bp_append_options *options);

/* Is a staged payload, the library's own copy, the one that its decision is about? BP_ERR_ARGUMENT (store/decide.c). */
bp_status bpi_decision_check(const bpi_staged *staged, const bp_append_options *options, bp_error *error);

/* Of an item with a subject: is the subject a name, and can the payload be encrypted (store/encrypt.c)? */
bp_status bpi_subject_check(const bp_batch_item *item, bp_error *error);
/* Encrypts the payloads of all items that have a subject. The items' inputs point to the ciphertexts afterwards, `text` to
 * the library's copies of what they came from. With scratch->entered no key is destroyed until bpi_keys_leave. */
bp_status bpi_stage_encrypt(bp_store *store, bpi_scratch *scratch, size_t count, bp_error *error);

/* Hashes what was staged: contents and prefixes, side by side. The inputs' content hashes of stubs are kept. */
bp_status bpi_stage_hash(bp_store *store, bpi_scratch *scratch, size_t count, bp_error *error);
/* The event hashes of all items that are `alone`, whose last blocks lie behind their prefixes. */
void bpi_stage_hash_alone(bpi_scratch *scratch, size_t count);

/* Writes the records behind the frame header, and points the inputs into them. BP_ERR_TOO_LARGE: beyond BP_FRAME_MAX. */
bp_status bpi_stage_build(bp_store *store, bpi_scratch *scratch, size_t count, bp_error *error);

/* So many payloads before it is copied a payload is asked for. */
enum { BPI_PAYLOADS_AHEAD = 48 };

/* The first lines of a payload come meanwhile, where they are not near yet. */
static inline void bpi_expect_payload(const void *payload, size_t size)
{
    enum { LINE = 64, LINES_MOST = 8 };
    const uint8_t *bytes = payload;
    for (size_t line = 0; bytes != NULL && line < LINES_MOST && line * LINE < size; line++) {
        BPI_PREFETCH(bytes + line * LINE);
    }
}

#endif
