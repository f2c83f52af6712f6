/*
 * kinds.h: the table name <-> kind of a store, and how many events each kind has.
 *
 * Names are only added. Readers of the table take a read lock; names live as long as the table.
 */
#ifndef BPI_STORE_KINDS_H
#define BPI_STORE_KINDS_H

#include <pthread.h>
#include <stdatomic.h>

#include <batpak/io.h>
#include <batpak/kinds.h>

typedef struct bpi_kind_entry {
    struct bpi_kind_entry *next; /* among the spare ones */
    bp_kind_code kind;
    char name[BP_KIND_NAME_MAX + 1];
} bpi_kind_entry;

enum { BPI_KIND_CATEGORIES = 16, BPI_KIND_TYPES = 4096 };

typedef struct bpi_kinds {
    const bp_allocator *allocator;
    pthread_rwlock_t lock;
    pthread_mutex_t naming;   /* before the commit lock: held from looking at the names until one is in the log */
    bpi_kind_entry **by_kind; /* sorted by kind */
    bpi_kind_entry **by_name; /* the same, sorted by name */
    bpi_kind_entry *spare;    /* made before a commit, for the names that it brings */
    size_t spare_count;
    size_t count;
    size_t capacity;
    _Atomic uint64_t
        *_Atomic events[BPI_KIND_CATEGORIES]; /* counts by type; a category has them from its first event on */
} bpi_kinds;

void bpi_kinds_init(bpi_kinds *kinds, const bp_allocator *allocator);
void bpi_kinds_fini(bpi_kinds *kinds);

/*
 * Room for so many more names, and for counting `kind`; afterwards learning them and counting cannot fail for memory. What is
 * in the log has to be in the table: a name that the table does not know would be given a second time.
 */
bool bpi_kinds_reserve(bpi_kinds *kinds, size_t more);
bool bpi_kinds_reserve_count(bpi_kinds *kinds, bp_kind_code kind);

/* Adds a pair from a KIND_NAME event's payload. BP_ERR_CORRUPT: not a pair, or one of them is named already. */
bp_status bpi_kinds_learn(bpi_kinds *kinds, const void *payload, size_t size, bp_error *error);
/* The answer that learning it would have. */
bp_status bpi_kinds_check(bpi_kinds *kinds, const void *payload, size_t size, bp_error *error);
void bpi_kinds_count_event(bpi_kinds *kinds, bp_kind_code kind);
void bpi_kinds_count_events(bpi_kinds *kinds, bp_kind_code kind, uint64_t more);
/* Retention took so many away. */
void bpi_kinds_uncount_events(bpi_kinds *kinds, bp_kind_code kind, uint64_t fewer);

bool bpi_kinds_find_name(bpi_kinds *kinds, const char *name, size_t size, bp_kind_code *kind_out);
const char *bpi_kinds_name_of(bpi_kinds *kinds, bp_kind_code kind); /* the table's; NULL */
/* The lowest kind of category 1 from type `from` on without a name and without events; false when there is none. */
bool bpi_kinds_free_kind(bpi_kinds *kinds, unsigned from, bp_kind_code *kind_out);

/* Built-in names: DATA, ERROR, ... NULL / false. */
const char *bpi_kind_constant_name(bp_kind_code kind);
bool bpi_kind_constant_find(const char *name, size_t size, bp_kind_code *kind_out);

/* Bytes of a KIND_NAME payload: kind (2), name. */
enum { BPI_KIND_PAYLOAD_MAX = 2 + BP_KIND_NAME_MAX };
size_t bpi_kind_payload(uint8_t *bytes, bp_kind_code kind, const char *name);

#endif
