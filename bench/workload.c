/*
 * workload.c: the one definition of what is written and asked. Everything follows from the number of an event.
 *
 * Even numbers go to big entities, odd ones to small ones, each in turn over all of its kind, so that two events of
 * one entity lie far apart. An entity stays in one scope and in one group; names are "account:<group>:<number>".
 * Kinds are mixed by a hash of the number.
 */
#include "bench.h"

#include <stdlib.h>
#include <string.h>

enum { PAYLOAD_WINDOWS = 1 << 14, PAYLOAD_STEP = 64, LINE = 64, FRAME_HEADER = 64, RECORD_HEADER = 128, ALIGNMENT = 8 };

static const uint64_t golden = 0x9e3779b97f4a7c15u;

static const char *family_of(bool big)
{
    return big ? "account" : "order";
}

unsigned workload_group(uint64_t entity)
{
    return (unsigned)(((entity + 1) * golden >> 32) % GROUPS);
}

void workload_prefix(bool big, unsigned group, char prefix_out[NAME_SIZE])
{
    snprintf(prefix_out, NAME_SIZE, "%s:%02u", family_of(big), group);
}

void workload_begin(struct workload *workload, uint64_t events, uint32_t payload_size)
{
    uint64_t state = golden;
    size_t bytes = (size_t)PAYLOAD_WINDOWS * PAYLOAD_STEP + PAYLOAD_MOST;
    *workload = (struct workload){.events = events, .payload_size = payload_size};
    workload->big_entities = (events / 2 + BIG_ENTITY - 1) / BIG_ENTITY;
    workload->small_entities = (events / 2 + SMALL_ENTITY - 1) / SMALL_ENTITY;
    workload->entities = memory_get((workload->big_entities + workload->small_entities) * NAME_SIZE);
    workload->scopes = memory_get((size_t)SCOPES * NAME_SIZE);
    workload->payloads = memory_get(bytes + sizeof state);
    for (uint64_t index = 0; index < workload->big_entities + workload->small_entities; index++) {
        bool big = index < workload->big_entities;
        snprintf(workload->entities[index], NAME_SIZE, "%s:%02u:%08llu", family_of(big), workload_group(index),
                 (unsigned long long)(big ? index : index - workload->big_entities));
    }
    for (unsigned index = 0; index < SCOPES; index++) {
        snprintf(workload->scopes[index], NAME_SIZE, "region:%02u", index);
    }
    for (size_t offset = 0; offset < bytes; offset += sizeof state) {
        uint64_t word = random_next(&state);
        memcpy(workload->payloads + offset, &word, sizeof word);
    }
}

void workload_end(struct workload *workload)
{
    free(workload->entities);
    free(workload->scopes);
    free(workload->payloads);
    *workload = (struct workload){0};
}

uint32_t workload_record_size(const struct workload *workload)
{
    size_t names = strlen(workload->entities[0]) + strlen(workload->scopes[0]);
    size_t size = FRAME_HEADER + RECORD_HEADER + names + workload->payload_size;
    return (uint32_t)((size + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT);
}

uint64_t workload_entity(const struct workload *workload, uint64_t number)
{
    uint64_t turn = number / 2;
    return number % 2 == 0 ? turn % workload->big_entities : workload->big_entities + turn % workload->small_entities;
}

void workload_fact(const struct workload *workload, uint64_t number, struct fact *fact_out)
{
    uint64_t entity = workload_entity(workload, number);
    uint64_t mixed = (number + 1) * golden;
    fact_out->entity = workload->entities[entity];
    fact_out->scope = workload->scopes[entity % SCOPES];
    fact_out->kind = (unsigned)(mixed >> 58);
    fact_out->payload = workload->payloads + ((mixed >> 32) % PAYLOAD_WINDOWS) * PAYLOAD_STEP;
    fact_out->payload_size = workload->payload_size;
}

void workload_expect(const struct workload *workload, uint64_t number)
{
    struct fact fact;
    workload_fact(workload, number, &fact);
    __builtin_prefetch(fact.entity);
    __builtin_prefetch(fact.scope);
    for (size_t offset = 0; offset < fact.payload_size; offset += LINE) {
        __builtin_prefetch(fact.payload + offset);
    }
}

void tally_add(struct tally *tally, const void *payload, size_t size)
{
    const uint8_t *bytes = payload;
    uint64_t sum = 0;
    size_t offset = 0;
    for (; offset + sizeof(uint64_t) <= size; offset += sizeof(uint64_t)) {
        uint64_t word;
        memcpy(&word, bytes + offset, sizeof word);
        sum += word;
    }
    for (; offset < size; offset++) {
        sum += bytes[offset];
    }
    tally->events++;
    tally->sum += sum;
}

void tally_join(struct tally *tally, const struct tally *more)
{
    tally->events += more->events;
    tally->sum += more->sum;
}

struct tally workload_tally(const struct workload *workload, uint64_t first, uint64_t count)
{
    struct tally tally = {0};
    for (uint64_t number = first; number < first + count; number++) {
        struct fact fact;
        workload_fact(workload, number, &fact);
        tally_add(&tally, fact.payload, fact.payload_size);
    }
    return tally;
}

void answers_begin(struct answers *answers, const struct workload *workload)
{
    memset(answers, 0, sizeof *answers);
    answers->entities = memory_get((workload->big_entities + workload->small_entities) * sizeof *answers->entities);
    for (uint64_t number = 0; number < workload->events; number++) {
        uint64_t entity = workload_entity(workload, number);
        struct tally one = {0};
        struct fact fact;
        workload_fact(workload, number, &fact);
        tally_add(&one, fact.payload, fact.payload_size);
        tally_join(&answers->all, &one);
        tally_join(&answers->entities[entity], &one);
        tally_join(&answers->scopes[entity % SCOPES], &one);
        tally_join(&answers->kinds[fact.kind], &one);
        tally_join(&answers->prefixes[entity < workload->big_entities][workload_group(entity)], &one);
        answers->kind_sequences[fact.kind].events++;
        answers->kind_sequences[fact.kind].sum += number;
    }
}

void answers_end(struct answers *answers)
{
    free(answers->entities);
    answers->entities = NULL;
}
