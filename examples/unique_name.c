/*
 * unique_name.c: eight threads register users and fight for the same names; each name is given once.
 *
 *   unique_name DIR           prints who got what, and exits with 1 if a name was given twice
 *
 * A policy says that the field "name" of a registration is unique. With each registration bp_policy_append writes the
 * event of an entity named after the value, which must have none yet: the name is taken in the same commit, or not at all.
 */
#include <batpak/batpak.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

enum { THREADS = 8, NAMES = 25 };

static const char rules[] = "gate name {\n"
                            "    on kind=user.registered\n"
                            "    unique name in username\n"
                            "}\n";
static bp_store *store;
static bp_policy *policy;

typedef struct worker {
    pthread_t thread;
    unsigned number;
    unsigned given, taken;
    int failed;
} worker;

static void *work(void *argument)
{
    worker *self = argument;
    bp_error error = {0};
    bp_append_options options;
    bp_batch_options batch;

    bp_append_options_init(&options);
    options.kind_name = "user.registered";
    bp_batch_options_init(&batch);
    batch.durability = BP_BUFFERED;
    for (unsigned i = 0; i < NAMES; i++) {
        char entity[32], payload[64];

        snprintf(entity, sizeof entity, "user:%u-%u", self->number, i);
        snprintf(payload, sizeof payload, "{\"name\":\"name%u\"}", (i + self->number * 3) % NAMES);
        bp_batch_item item = {bp_at(entity, "site"), 0, bp_json(payload), &options};
        bp_status status = bp_policy_append(policy, store, &item, 1, &batch, NULL, &error);

        self->given += status == BP_OK;
        self->taken += status == BP_ERR_CONFLICT;
        if (status != BP_OK && status != BP_ERR_CONFLICT) {
            self->failed = bp_print_error(stderr, &error);
        }
    }
    return NULL;
}

/* Counts what the log has of each name. */
static int audit(bp_error *error)
{
    unsigned twice = 0, missing = 0;

    for (unsigned i = 0; i < NAMES; i++) {
        char value[32], entity[BP_RESERVATION_SIZE];
        uint64_t times = 0;

        snprintf(value, sizeof value, "name%u", i);
        bp_reservation_entity("username", value, strlen(value), false, entity);
        bp_region region = bp_region_stream(entity);
        if (bp_count(store, &region, &times, error) != BP_OK) {
            return bp_print_error(stderr, error);
        }
        twice += times > 1;
        missing += times == 0;
    }
    bp_kind_code kind;
    uint64_t registered = 0;
    if (bp_kind_find(store, "user.registered", &kind, error) != BP_OK) {
        return bp_print_error(stderr, error);
    }
    bp_region region = bp_region_by_kind(kind);
    if (bp_count(store, &region, &registered, error) != BP_OK) {
        return bp_print_error(stderr, error);
    }
    printf("%llu users, %u names given twice, %u not given\n", (unsigned long long)registered, twice, missing);
    return registered != NAMES || twice + missing != 0;
}

int main(int count, char **arguments)
{
    static worker workers[THREADS];
    bp_error error = {0};
    int failed = 0;

    if (count != 2) {
        fprintf(stderr, "usage: unique_name DIR\n");
        return 2;
    }
    if (bp_open(arguments[1], NULL, &store, &error) != BP_OK ||
        bp_policy_parse(store, rules, strlen(rules), &policy, &error) != BP_OK ||
        bp_policy_bind(policy, &error) != BP_OK) {
        return bp_print_error(stderr, &error);
    }
    for (unsigned i = 0; i < THREADS; i++) {
        workers[i].number = i;
        failed |= pthread_create(&workers[i].thread, NULL, work, &workers[i]) != 0;
    }
    for (unsigned i = 0; i < THREADS && !failed; i++) {
        failed |= pthread_join(workers[i].thread, NULL) != 0 || workers[i].failed;
        fprintf(stderr, "thread %u got %u names, %u were taken\n", i, workers[i].given, workers[i].taken);
    }
    failed |= audit(&error);
    bp_policy_free(policy);
    return bp_close(store, &error) == BP_OK ? failed : bp_print_error(stderr, &error);
}
