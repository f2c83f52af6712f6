/*
 * peer.c: stamps, chains and records for the peers. See peer.h.
 */
#include "peer.h"

#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>

enum { HEADS_LEAST = 1 << 10 };

void ledger_begin(struct ledger *ledger, uint64_t next, uint64_t last_us)
{
    *ledger = (struct ledger){.next = next, .last_us = last_us, .complete = next == 0, .room = HEADS_LEAST};
    ledger->heads = memory_get(ledger->room * sizeof *ledger->heads);
    if (getrandom(&ledger->random, sizeof ledger->random, 0) != sizeof ledger->random ||
        pthread_mutex_init(&ledger->lock, NULL) != 0) {
        die("no random bytes or no lock");
    }
}

void ledger_end(struct ledger *ledger)
{
    pthread_mutex_destroy(&ledger->lock);
    free(ledger->heads);
    ledger->heads = NULL;
}

static uint64_t hash_of(const char *name)
{
    uint64_t hash = 0;
    size_t size = strlen(name);
    for (size_t offset = 0; offset < size; offset += sizeof(uint64_t)) {
        uint64_t word = 0;
        memcpy(&word, name + offset, size - offset < sizeof word ? size - offset : sizeof word);
        hash = (hash ^ word) * 0x9e3779b97f4a7c15u;
        hash ^= hash >> 32;
    }
    return hash;
}

static struct head *place_of(struct head *heads, size_t room, const char *entity)
{
    size_t place = (size_t)hash_of(entity) & (room - 1);
    while (heads[place].entity[0] != '\0' && strcmp(heads[place].entity, entity) != 0) {
        place = (place + 1) & (room - 1);
    }
    return &heads[place];
}

static void grow(struct ledger *ledger)
{
    size_t room = ledger->room * 2;
    struct head *heads = memory_get(room * sizeof *heads);
    for (size_t index = 0; index < ledger->room; index++) {
        if (ledger->heads[index].entity[0] != '\0') {
            *place_of(heads, room, ledger->heads[index].entity) = ledger->heads[index];
        }
    }
    free(ledger->heads);
    ledger->heads = heads;
    ledger->room = room;
}

static struct head *head_of(struct ledger *ledger, head_find_fn find, void *handle, const char *entity)
{
    struct head *head = place_of(ledger->heads, ledger->room, entity);
    if (head->entity[0] != '\0') {
        return head;
    }
    if (2 * (ledger->used + 1) > ledger->room) {
        grow(ledger);
        head = place_of(ledger->heads, ledger->room, entity);
    }
    if (!ledger->complete && !find(handle, entity, head)) {
        return NULL;
    }
    snprintf(head->entity, sizeof head->entity, "%s", entity);
    ledger->used++;
    return head;
}

void stamp_contents(const struct fact *facts, size_t count, struct stamp *stamps)
{
    for (size_t index = 0; index < count; index++) {
        stamps[index].content = bp_hash_bytes(facts[index].payload, facts[index].payload_size);
    }
}

static bp_hash event_hash(const struct stamp *stamp, const struct fact *fact, const bp_hash *previous)
{
    struct {
        uint8_t previous[32];
        uint8_t content[32];
        uint8_t id[16];
        uint64_t sequence;
        uint64_t clock;
        uint64_t time_us;
        uint64_t kind;
        char entity[NAME_SIZE];
        char scope[NAME_SIZE];
    } input;
    memset(&input, 0, sizeof input);
    memcpy(input.previous, previous->bytes, sizeof input.previous);
    memcpy(input.content, stamp->content.bytes, sizeof input.content);
    memcpy(input.id, stamp->id.bytes, sizeof input.id);
    input.sequence = stamp->sequence;
    input.clock = stamp->clock;
    input.time_us = stamp->time_us;
    input.kind = fact->kind;
    memcpy(input.entity, fact->entity, strlen(fact->entity));
    memcpy(input.scope, fact->scope, strlen(fact->scope));
    return bp_hash_bytes(&input, sizeof input);
}

static struct id make_id(struct ledger *ledger, uint64_t time_us)
{
    struct id id;
    uint64_t front = (time_us / 1000) << 16 | 0x7000u | (random_next(&ledger->random) & 0xfffu);
    uint64_t back = random_next(&ledger->random) >> 2 | (uint64_t)1 << 63;
    number_write(id.bytes, front);
    number_write(id.bytes + 8, back);
    return id;
}

bool ledger_assign(struct ledger *ledger, head_find_fn find, void *handle, const struct fact *facts, size_t count,
                   struct stamp *stamps)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    uint64_t time_us = (uint64_t)now.tv_sec * 1000000u + (uint64_t)now.tv_nsec / 1000u;
    for (size_t index = 0; index < count; index++) {
        struct stamp *stamp = &stamps[index];
        struct head *head = head_of(ledger, find, handle, facts[index].entity);
        if (head == NULL) {
            return false;
        }
        ledger->last_us = time_us > ledger->last_us ? time_us : ledger->last_us + 1;
        stamp->sequence = ledger->next++;
        stamp->clock = head->next_clock++;
        stamp->time_us = ledger->last_us;
        stamp->id = make_id(ledger, ledger->last_us);
        stamp->event = event_hash(stamp, &facts[index], &head->event);
        head->event = stamp->event;
    }
    return true;
}

/* ---- records ---- */

size_t record_size(const struct fact *fact)
{
    return sizeof(struct record) + strlen(fact->entity) + strlen(fact->scope) + fact->payload_size;
}

void record_write(void *bytes, const struct stamp *stamp, const struct fact *fact)
{
    uint8_t *to = bytes;
    struct record record = {.sequence = stamp->sequence,
                            .clock = stamp->clock,
                            .time_us = stamp->time_us,
                            .payload_size = (uint32_t)fact->payload_size,
                            .kind = (uint16_t)fact->kind,
                            .entity_size = (uint8_t)strlen(fact->entity),
                            .scope_size = (uint8_t)strlen(fact->scope)};
    memcpy(record.id, stamp->id.bytes, sizeof record.id);
    memcpy(record.content, stamp->content.bytes, sizeof record.content);
    memcpy(record.event, stamp->event.bytes, sizeof record.event);
    memcpy(to, &record, sizeof record);
    to += sizeof record;
    memcpy(to, fact->entity, record.entity_size);
    to += record.entity_size;
    memcpy(to, fact->scope, record.scope_size);
    to += record.scope_size;
    memcpy(to, fact->payload, fact->payload_size);
}

bool record_read(const void *bytes, size_t size, struct record *record_out)
{
    if (size < sizeof *record_out) {
        fprintf(stderr, "a record of %zu bytes\n", size);
        return false;
    }
    memcpy(record_out, bytes, sizeof *record_out);
    if (size !=
        sizeof *record_out + record_out->entity_size + record_out->scope_size + (size_t)record_out->payload_size) {
        fprintf(stderr, "a record of %zu bytes holds other sizes\n", size);
        return false;
    }
    return true;
}

bool record_tally(const void *bytes, size_t size, struct tally *tally)
{
    struct record record;
    if (!record_read(bytes, size, &record)) {
        return false;
    }
    tally_add(tally, (const char *)bytes + size - record.payload_size, record.payload_size);
    return true;
}

bool record_entity(const void *bytes, size_t size, char entity_out[NAME_SIZE])
{
    struct record record;
    if (!record_read(bytes, size, &record) || record.entity_size >= NAME_SIZE) {
        return false;
    }
    memcpy(entity_out, (const char *)bytes + sizeof record, record.entity_size);
    entity_out[record.entity_size] = '\0';
    return true;
}

/* ---- keys ---- */

void number_write(void *bytes, uint64_t number)
{
    uint64_t swapped = __builtin_bswap64(number);
    memcpy(bytes, &swapped, sizeof swapped);
}

uint64_t number_read(const void *bytes)
{
    uint64_t swapped;
    memcpy(&swapped, bytes, sizeof swapped);
    return __builtin_bswap64(swapped);
}

static void key_put(struct key *key, const void *bytes, size_t size)
{
    memcpy(key->bytes + key->size, bytes, size);
    key->size += size;
}

static void key_number(struct key *key, uint64_t number)
{
    number_write(key->bytes + key->size, number);
    key->size += sizeof number;
}

struct key key_event(uint64_t sequence)
{
    struct key key = {.size = 1, .bytes = {'e'}};
    key_number(&key, sequence);
    return key;
}

struct key key_id(const struct id *id)
{
    struct key key = {.size = 1, .bytes = {'i'}};
    key_put(&key, id->bytes, sizeof id->bytes);
    return key;
}

struct key key_entity(const char *entity, uint64_t clock)
{
    struct key key = {.size = 1, .bytes = {'n'}};
    key_put(&key, entity, strlen(entity) + 1);
    key_number(&key, clock);
    return key;
}

struct key key_scope(const char *scope, uint64_t sequence)
{
    struct key key = {.size = 1, .bytes = {'s'}};
    key_put(&key, scope, strlen(scope) + 1);
    key_number(&key, sequence);
    return key;
}

struct key key_kind(unsigned kind, uint64_t sequence)
{
    struct key key = {.size = 1, .bytes = {'k'}};
    char bytes[2] = {(char)(kind >> 8), (char)kind};
    key_put(&key, bytes, sizeof bytes);
    key_number(&key, sequence);
    return key;
}

bool key_begins(const char *key, size_t size, const struct key *start, size_t length)
{
    return size >= length && memcmp(key, start->bytes, length) == 0;
}
