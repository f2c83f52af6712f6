/*
 * intent.h: what an erasure is about to do, in a file of the store's directory, so that the next opening by a writer finishes what a
 * crash, a full disk or a caller interrupted (docs/format.md, section 18).
 *
 * The order: the file, synced, and its name; the erasure record, durable, with the id that the file says; the rewriting; the
 * file goes, and its name is synced. So a file without the record means that nothing was done.
 */
#ifndef BPI_STORE_INTENT_H
#define BPI_STORE_INTENT_H

#include "store/store.h"

#define BPI_INTENT_MAGIC "BPERASE"
#define BPI_INTENT_PREFIX "ERASING-"

enum { BPI_INTENT_VERSION = 1, BPI_INTENT_HEADER = 48, BPI_INTENT_BODY_MOST = BP_ERASE_IDS_MAX * sizeof(bp_id) };

typedef enum bpi_intent_kind {
    BPI_INTENT_TORN = 0,
    BPI_INTENT_IDS = 1,
    BPI_INTENT_REGION = 2,
    BPI_INTENT_SUBJECT = 3
} bpi_intent_kind;

typedef struct bpi_intent {
    bp_id record;   /* of the erasure record */
    uint64_t below; /* events below this sequence are meant */
    bpi_intent_kind kind;
    const bp_id *ids;
    size_t id_count;
    bp_text text; /* the region's text form, or the subject */
} bpi_intent;

enum { BPI_INTENT_NAME = 48 }; /* room for a file's name */
void bpi_intent_name(const bp_id *record, char name_out[BPI_INTENT_NAME]);

/* "ERASING-" and the 32 digits of its record? */
bool bpi_intent_name_parse(const char *name, bp_id *record_out);
bool bpi_intent_named(const char *name);
/* Are these the bytes of a file of that name, as this version writes them? */
bool bpi_intent_whole(const char *name, const uint8_t *bytes, size_t size);
/* Writes it, synced. BP_ERR_NO_SPACE, BP_ERR_IO, BP_ERR_NO_MEMORY: there is none. */
bp_status bpi_intent_put(const bpi_home *home, const bpi_intent *intent, bp_error *error);
/* Removes it, synced. */
bp_status bpi_intent_remove(const bpi_home *home, const bp_id *record, bp_error *error);

/* Given each that there is (one that has gone meanwhile is not); what it points to lives during the call. BPI_INTENT_TORN: the file is not whole, and only its record is known, by the
 * file's name. Anything but BP_OK ends the listing, BP_ERR_CORRUPT of such a one with the words that it needs; BP_ERR_FORMAT, what it says makes no
 * sense, becomes BP_ERR_CORRUPT. */
typedef bp_status (*bpi_intent_fn)(void *argument, const bpi_intent *intent, bp_error *error);
/* BP_ERR_VERSION: one of a newer version. BP_ERR_IO, BP_ERR_NO_MEMORY; what the function returns. */
bp_status bpi_intents(const bpi_home *home, bpi_intent_fn visit, void *argument, bp_error *error);

#endif
