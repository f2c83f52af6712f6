/*
 * ledger.c: money between accounts: both sides of a transfer in one batch, expectations, retries, proof.
 *
 *   ledger DIR open ACCOUNT CENTS | transfer ID FROM TO CENTS | balance ACCOUNT | audit
 *
 * A transfer is two events that exist together or not at all. Each side expects the account as it was when its balance
 * was judged, so no two transfers spend the same money. ID (any text) makes a retry safe: the second time, nothing
 * is written and the first receipts come back.
 */
#include <batpak/batpak.h>

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

enum { OPENED = BP_KIND(1, 1), SENT = BP_KIND(1, 2), RECEIVED = BP_KIND(1, 3) };

/* Names are for people: kinds are numbers, and the store keeps which is called what. Said again, it does nothing. */
static bool name_kinds(bp_store *store, bp_error *error)
{
    return bp_kind_define(store, OPENED, "account.opened", error) == BP_OK &&
           bp_kind_define(store, SENT, "transfer.sent", error) == BP_OK &&
           bp_kind_define(store, RECEIVED, "transfer.received", error) == BP_OK;
}

static bp_status read_balance(bp_store *store, const char *account, int64_t *cents_out, bp_expectation *seen_out,
                              bp_error *error)
{
    bp_iterator *iterator = NULL;
    const bp_event *event;
    *cents_out = 0;
    *seen_out = (bp_expectation){.kind = BP_EXPECT_NONE};
    bp_status status = bp_stream(store, account, NULL, &iterator, error);
    while (status == BP_OK && (status = bp_next(iterator, &event, error)) == BP_OK) {
        char text[24] = {0};
        memcpy(text, event->payload, event->payload_size < sizeof text ? event->payload_size : sizeof text - 1);
        *cents_out += strtoll(text, NULL, 10);
        *seen_out = (bp_expectation){.kind = BP_EXPECT_AT, .clock = event->clock};
    }
    bp_iterator_close(iterator);
    return status == BP_END ? BP_OK : status;
}

static int open_account(bp_store *store, const char *account, const char *cents, bp_error *error)
{
    bp_append_options options;
    bp_append_options_init(&options);
    options.expect.kind = BP_EXPECT_NONE;
    bp_status status = bp_append(store, bp_at(account, "bank"), OPENED, bp_json(cents), &options, NULL, error);
    return status == BP_OK ? 0 : bp_print_error(stderr, error);
}

static bool is_done(bp_store *store, const bp_id *id)
{
    const bp_event *event = NULL;
    bp_status status = bp_get(store, id, &event, NULL);
    bp_event_release(event);
    return status == BP_OK;
}

static int transfer(bp_store *store, const char *name, const char *const account[2], int64_t cents, bp_error *error)
{
    bp_id id = bp_id_from("ledger.transfer", name, strlen(name));
    bp_receipt receipts[2];
    bp_status status = BP_ERR_CONFLICT;
    while (status == BP_ERR_CONFLICT) { /* another transfer came between: judge the balances anew */
        bp_append_options options[2];
        bp_batch_item items[2];
        char text[2][24];
        int64_t balance[2];
        for (size_t side = 0; side < 2; side++) {
            bp_append_options_init(&options[side]);
            if (read_balance(store, account[side], &balance[side], &options[side].expect, error) != BP_OK) {
                return bp_print_error(stderr, error);
            }
            snprintf(text[side], sizeof text[side], "%" PRId64, side == 0 ? -cents : cents);
            options[side].correlation = id;
            items[side] = (bp_batch_item){
                .at = bp_at(account[side], "bank"), .payload = bp_json(text[side]), .options = &options[side]};
        }
        if (balance[0] < cents && !is_done(store, &id)) {
            fprintf(stderr, "%s has only %" PRId64 "\n", account[0], balance[0]);
            return 1;
        }
        options[0].id = id; /* the other's is derived from it */
        options[1].cause_items = (const uint32_t[]){0};
        options[1].cause_item_count = 1;
        status = bp_append_batch(store, items, 2, NULL, receipts, error);
    }
    if (status == BP_OK) {
        printf("%s: sequences %" PRIu64 " and %" PRIu64 "\n", receipts[0].duplicate ? "was done before" : "done",
               receipts[0].sequence, receipts[1].sequence);
    }
    return status == BP_OK ? 0 : bp_print_error(stderr, error);
}

static int print_fault(void *context, const bp_fault *fault)
{
    (void)context;
    printf("%s at %" PRIu64 ": %s\n", fault->file, fault->offset, fault->what);
    return 0;
}

static int audit(const char *path, bp_error *error)
{
    bp_verify_options options;
    bp_verify_report report;
    char root[BP_HASH_TEXT_SIZE];
    bp_verify_options_init(&options);
    options.fault = print_fault;
    if (bp_verify(path, &options, &report, error) != BP_OK) {
        bp_print_error(stderr, error);
        return 3;
    }
    bp_hash_print(&report.root, root);
    printf("%" PRIu64 " events of %" PRIu64 " entities proven, root %s\n", report.events, report.entities, root);
    return 0;
}

int main(int argc, char **argv)
{
    const char *verb = argc > 2 ? argv[2] : "";
    bool opens = strcmp(verb, "open") == 0 && argc == 5;
    bool transfers = strcmp(verb, "transfer") == 0 && argc == 7;
    bool asks = strcmp(verb, "balance") == 0 && argc == 4;
    bp_error error = {0};
    if (strcmp(verb, "audit") == 0 && argc == 3) {
        return audit(argv[1], &error);
    }
    if (!opens && !transfers && !asks) {
        fputs("usage: ledger DIR open ACCOUNT CENTS | transfer ID FROM TO CENTS | balance ACCOUNT | audit\n", stderr);
        return 2;
    }
    bp_store *store = NULL;
    int result = 0;
    if (bp_open(argv[1], NULL, &store, &error) != BP_OK || !name_kinds(store, &error)) {
        result = bp_print_error(stderr, &error);
    } else if (opens) {
        result = open_account(store, argv[3], argv[4], &error);
    } else if (transfers) {
        const char *account[2] = {argv[4], argv[5]};
        result = transfer(store, argv[3], account, strtoll(argv[6], NULL, 10), &error);
    } else {
        int64_t cents = 0;
        bp_expectation seen;
        result = read_balance(store, argv[3], &cents, &seen, &error) == BP_OK ? printf("%" PRId64 "\n", cents) < 0
                                                                              : bp_print_error(stderr, &error);
    }
    return bp_close(store, &error) == BP_OK ? result : bp_print_error(stderr, &error);
}
