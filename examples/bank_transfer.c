/*
 * bank_transfer.c: eight tellers move money between a few accounts at once; none is lost, none is made, none is overdrawn.
 *
 *   bank_transfer DIR         prints the balances, and exits with 1 if the sum is wrong or an account is below zero
 *
 * A transfer is one batch of two events, one for each account, each with the balance after it. Each expects its account to be
 * where the teller saw it: both are appended, or neither is, and a conflict is decided anew.
 */
#include <batpak/batpak.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { TELLERS = 8, ACCOUNTS = 5, TRANSFERS = 200, START = 100, MOVED = 0xf001 };

static bp_store *store;
static _Atomic unsigned conflicts;

typedef struct account {
    char name[32];
    int64_t balance;
    uint64_t clock;
} account;

static bp_status look(unsigned number, account *out, bp_error *error)
{
    const bp_event *event = NULL;
    char text[64] = "";
    bp_region region;
    bp_status status;
    snprintf(out->name, sizeof out->name, "account:%u", number);
    region = bp_region_stream(out->name);
    status = bp_newest(store, &region, &event, error);
    if (status != BP_OK) {
        return status;
    }
    memcpy(text, event->payload, event->payload_size < sizeof text ? event->payload_size : sizeof text - 1);
    out->clock = event->clock;
    out->balance = strtoll(text + strlen("{\"balance\":"), NULL, 10);
    bp_event_release(event);
    return BP_OK;
}

static bp_batch_item moved(const account *a, int64_t balance, char text[64], bp_append_options *options)
{
    bp_append_options_init(options);
    options->expect = (bp_expectation){BP_EXPECT_AT, a->clock};
    snprintf(text, 64, "{\"balance\":%" PRId64 "}", balance);
    return (bp_batch_item){bp_at(a->name, "bank"), MOVED, bp_json(text), options};
}

/* BP_ERR_DENIED: not enough there. */
static bp_status transfer(unsigned from, unsigned to, int64_t amount, bp_error *error)
{
    account a, b;
    bp_append_options options[2];
    bp_batch_options batch;
    char texts[2][64];
    bp_status status;
    bp_batch_options_init(&batch);
    batch.durability = BP_BUFFERED;
    do {
        if ((status = look(from, &a, error)) != BP_OK || (status = look(to, &b, error)) != BP_OK) {
            return status;
        }
        if (a.balance < amount) {
            return BP_ERR_DENIED;
        }
        bp_batch_item items[2] = {moved(&a, a.balance - amount, texts[0], &options[0]),
                                  moved(&b, b.balance + amount, texts[1], &options[1])};
        status = bp_append_batch(store, items, 2, &batch, NULL, error);
        conflicts += status == BP_ERR_CONFLICT;
    } while (status == BP_ERR_CONFLICT);
    return status;
}

static void *teller(void *argument)
{
    unsigned seed = *(unsigned *)argument;
    bp_error error = {0};
    for (unsigned i = 0; i < TRANSFERS; i++) {
        seed = seed * 1103515245u + 12345u;
        unsigned from = (seed >> 16) % ACCOUNTS;
        unsigned to = (from + 1 + (seed >> 20) % (ACCOUNTS - 1)) % ACCOUNTS;
        bp_status status = transfer(from, to, 1 + (seed >> 24) % 60, &error);

        if (status != BP_OK && status != BP_ERR_DENIED) {
            bp_print_error(stderr, &error);
            return argument;
        }
    }
    return NULL;
}

static int audit(bp_error *error)
{
    int64_t sum = 0;
    int below = 0;
    for (unsigned i = 0; i < ACCOUNTS; i++) {
        account a;
        if (look(i, &a, error) != BP_OK) {
            return bp_print_error(stderr, error);
        }
        printf("%s %" PRId64 "\n", a.name, a.balance);
        sum += a.balance;
        below += a.balance < 0;
    }
    printf("sum %" PRId64 "\n", sum);
    fprintf(stderr, "%u times another teller was faster\n", conflicts);
    return sum != (int64_t)ACCOUNTS * START || below != 0;
}

int main(int count, char **arguments)
{
    pthread_t threads[TELLERS];
    unsigned seeds[TELLERS];
    bp_error error = {0};
    int failed = 0;
    if (count != 2) {
        fprintf(stderr, "usage: bank_transfer DIR\n");
        return 2;
    }
    if (bp_open(arguments[1], NULL, &store, &error) != BP_OK) {
        return bp_print_error(stderr, &error);
    }
    for (unsigned i = 0; i < ACCOUNTS; i++) {
        account fresh = {.clock = BP_NONE};
        bp_append_options options;
        char text[64];
        snprintf(fresh.name, sizeof fresh.name, "account:%u", i);
        bp_batch_item item = moved(&fresh, START, text, &options);
        options.expect.kind = BP_EXPECT_NONE;
        if (bp_append(store, item.at, item.kind, item.payload, &options, NULL, &error) != BP_OK) {
            return bp_print_error(stderr, &error);
        }
    }
    for (unsigned i = 0; i < TELLERS; i++) {
        seeds[i] = i + 1;
        failed |= pthread_create(&threads[i], NULL, teller, &seeds[i]) != 0;
    }
    for (unsigned i = 0; i < TELLERS && !failed; i++) {
        void *trouble = NULL;
        failed |= pthread_join(threads[i], &trouble) != 0 || trouble != NULL;
    }
    failed |= audit(&error);
    return bp_close(store, &error) == BP_OK ? failed : bp_print_error(stderr, &error);
}
