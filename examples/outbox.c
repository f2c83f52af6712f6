/*
 * outbox.c: sending mail for events, at least once, without losing one and without being stopped by a bad one.
 *
 *   outbox DIR send ADDRESS TEXT    records that a mail is to be sent
 *   outbox DIR deliver              sends what has not been sent, and ends
 *   outbox DIR serve                sends, and goes on with what comes, from a process of its own
 *
 * The event is the outbox: it is durable with the rest of what happened, and the consumer "outbox" remembers how far the
 * mails are. After a crash the last ones come again, with the same event id, by which a mail server can tell. A mail
 * that cannot be sent is tried three times and then parked: batpak consumers DIR --parked, --retry outbox.
 */
#include <batpak/batpak.h>

#include <inttypes.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>

static const bp_kind_code mail_wanted = BP_KIND(0x2, 1);

/* Where a real program talks to a mail server. */
static bp_status send_mail(const bp_event *event, const char **why_out)
{
    char id[BP_ID_TEXT_SIZE];
    if (memchr(event->entity.data, '@', event->entity.size) == NULL) {
        *why_out = "the address has no @";
        return BP_ERR_FORMAT;
    }
    bp_id_print(&event->id, id);
    printf("to %.*s: %.*s (%s)\n", (int)event->entity.size, event->entity.data, (int)event->payload_size,
           (const char *)event->payload, id);
    return fflush(stdout) == 0 ? BP_OK : BP_ERR_IO;
}

static volatile sig_atomic_t interrupted;

static void on_signal(int number)
{
    (void)number;
    interrupted = 1;
}

/* Until nothing is left (once), or until a signal. */
static bp_status deliver(bp_consumer *consumer, bool once, bp_error *error)
{
    bp_status status = BP_OK;
    while (status == BP_OK && !interrupted) {
        const bp_event *event = NULL;
        const char *why = NULL;
        status = bp_consumer_next(consumer, 0, once ? 300 : 1000, &event, error);
        if (status == BP_ERR_TIMEOUT && !once) {
            status = BP_OK;
        } else if (status == BP_OK) {
            status = send_mail(event, &why) == BP_OK ? bp_consumer_ack(consumer, event->sequence, error)
                                                     : bp_consumer_fail(consumer, event->sequence, why, error);
        }
    }
    return status == BP_ERR_TIMEOUT ? BP_OK : status;
}

static bp_status run_consumer(const char *dir, bool once, bp_error *error)
{
    bp_store *store = NULL;
    bp_consumer *consumer = NULL;
    bp_consumer_options options;
    bp_region region = bp_region_by_kind(mail_wanted);
    bp_consumer_options_init(&options);
    options.on_failure = BP_ON_FAILURE_PARK;
    options.retries = 2;
    options.backoff_ms = 20;
    options.save_every = 1; /* fewer mails twice after a crash, for a sync each */
    bp_status status = bp_open_reader(dir, NULL, &store, error);
    if (status == BP_OK) {
        status = bp_consumer_open(store, "outbox", &region, &options, &consumer, error);
    }
    if (status == BP_OK) {
        status = deliver(consumer, once, error);
    }
    if (consumer != NULL && bp_consumer_close(consumer, status == BP_OK ? error : NULL) != BP_OK && status == BP_OK) {
        status = error->status;
    }
    bp_close(store, NULL);
    return status;
}

static bp_status record(const char *dir, const char *address, const char *text, bp_error *error)
{
    bp_store *store = NULL;
    bp_receipt receipt;
    bp_status status = bp_open(dir, NULL, &store, error);
    if (status == BP_OK) {
        status =
            bp_append(store, bp_at(address, "mail"), mail_wanted, bp_raw(text, strlen(text)), NULL, &receipt, error);
    }
    if (status == BP_OK) {
        printf("mail %" PRIu64 " is recorded\n", receipt.sequence);
        status = bp_close(store, error);
    } else {
        bp_close(store, NULL);
    }
    return status;
}

int main(int argc, char **argv)
{
    bp_error error = {0};
    bp_status status;
    signal(SIGINT, on_signal);
    signal(SIGTERM, on_signal);
    if (argc == 5 && strcmp(argv[2], "send") == 0) {
        status = record(argv[1], argv[3], argv[4], &error);
    } else if (argc == 3 && (strcmp(argv[2], "deliver") == 0 || strcmp(argv[2], "serve") == 0)) {
        status = run_consumer(argv[1], strcmp(argv[2], "deliver") == 0, &error);
    } else {
        fputs("usage: outbox DIR send ADDRESS TEXT | outbox DIR deliver | outbox DIR serve\n", stderr);
        return 2;
    }
    return status == BP_OK ? 0 : bp_print_error(stderr, &error);
}
