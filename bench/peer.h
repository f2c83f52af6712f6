/*
 * peer.h: what a program would have to keep beside a plain database to get an event store out of it, the same for
 * every peer: sequences, clocks, commit times, ids, the hash chain of each entity, and a record's bytes.
 *
 * The program is one that a careful author would write: the newest event of each entity that it has met stays in
 * memory, so that an append needs no lookup; content is hashed outside the lock; ids have the time in front (UUID
 * version 7, as batpak's own), so that an index over them grows at its end.
 */
#ifndef BATPAK_BENCH_PEER_H
#define BATPAK_BENCH_PEER_H

#include "bench.h"

#include <batpak/batpak.h>

#include <pthread.h>

/* What the commit gives an event. */
struct stamp {
    uint64_t sequence;
    uint64_t clock;
    uint64_t time_us; /* strictly increasing */
    struct id id;
    bp_hash content;
    bp_hash event; /* over all of the event and the entity's event before it */
};

/* The newest event of an entity. */
struct head {
    char entity[NAME_SIZE]; /* empty: a free place */
    uint64_t next_clock;
    bp_hash event;
};

/* Looks an entity's newest event up in the database; next_clock 0: it has none. */
typedef bool (*head_find_fn)(void *handle, const char *entity, struct head *head_out);

struct ledger {
    pthread_mutex_t lock; /* held from ledger_assign until what was assigned is written in this order */
    uint64_t next;        /* sequence */
    uint64_t last_us;
    uint64_t random;
    bool complete; /* every entity is among the heads: the store was empty when it was opened */
    struct head *heads;
    size_t room;
    size_t used;
};

void ledger_begin(struct ledger *ledger, uint64_t next, uint64_t last_us);
void ledger_end(struct ledger *ledger);
/* Outside the lock: the hashes of the contents. */
void stamp_contents(const struct fact *facts, size_t count, struct stamp *stamps);
/* Under the lock: all the rest. */
bool ledger_assign(struct ledger *ledger, head_find_fn find, void *handle, const struct fact *facts, size_t count,
                   struct stamp *stamps);

/* A record of a key-value store; names and payload follow. Its bytes are in this machine's order. */
struct record {
    uint64_t sequence;
    uint64_t clock;
    uint64_t time_us;
    uint8_t id[16];
    uint8_t content[32];
    uint8_t event[32];
    uint32_t payload_size;
    uint16_t kind;
    uint8_t entity_size;
    uint8_t scope_size;
};

enum { RECORD_MOST = sizeof(struct record) + 2 * NAME_SIZE + PAYLOAD_MOST };

size_t record_size(const struct fact *fact);
/* `bytes` has room for record_size bytes. */
void record_write(void *bytes, const struct stamp *stamp, const struct fact *fact);
/* False, with words, if it is none. */
bool record_read(const void *bytes, size_t size, struct record *record_out);
/* A record's payload goes into the tally. */
bool record_tally(const void *bytes, size_t size, struct tally *tally);
/* An entity's name, cut out of its record. */
bool record_entity(const void *bytes, size_t size, char entity_out[NAME_SIZE]);

/*
 * Keys of an ordered key-value store. A letter in front keeps the tables apart, numbers are big-endian:
 *
 *   e sequence          -> record
 *   i id                -> sequence
 *   n entity 0 clock    -> sequence
 *   s scope 0 sequence  -> nothing
 *   k kind sequence     -> nothing
 */
enum { KEY_MOST = 1 + NAME_SIZE + 1 + 8 };

struct key {
    size_t size;
    char bytes[KEY_MOST];
};

void number_write(void *bytes, uint64_t number);
uint64_t number_read(const void *bytes);

struct key key_event(uint64_t sequence);
struct key key_id(const struct id *id);
struct key key_entity(const char *entity, uint64_t clock);
struct key key_scope(const char *scope, uint64_t sequence);
struct key key_kind(unsigned kind, uint64_t sequence);
/* Does a key begin with the first so many bytes of another? */
bool key_begins(const char *key, size_t size, const struct key *start, size_t length);

#endif
