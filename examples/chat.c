/*
 * chat.c: a chat room for several processes: one keeps it, any number look in.
 *
 *   chat DIR keep NAME [ROOM]     lines from stdin become messages; ends with stdin
 *   chat DIR watch [ROOM [COUNT]] prints the room from its beginning, then what is said; ends after COUNT messages
 *
 * One process writes a store; the others follow it, each in its own time, and see the same messages in the same order.
 * `watch` is woken when something is said: it does not look every so often, and costs nothing meanwhile.
 */
#include <batpak/batpak.h>

#include <stdlib.h>
#include <string.h>

static const bp_kind_code said = BP_KIND(0x2, 1);

enum { LINE_SIZE = 4096 };

static bp_status keep(const char *dir, const char *name, const char *room, bp_error *error)
{
    char line[LINE_SIZE];
    bp_store *store = NULL;
    bp_status status = bp_open(dir, NULL, &store, error);
    while (status == BP_OK && fgets(line, sizeof line, stdin) != NULL) {
        char message[LINE_SIZE + 300];
        line[strcspn(line, "\n")] = '\0';
        snprintf(message, sizeof message, "%.255s: %s", name, line);
        status = bp_append(store, bp_at(room, "chat"), said, bp_raw(message, strlen(message)), NULL, NULL, error);
    }
    if (status != BP_OK) {
        bp_close(store, NULL);
        return status;
    }
    return bp_close(store, error);
}

static bp_status watch(const char *dir, const char *room, unsigned long long count, bp_error *error)
{
    bp_store *store = NULL;
    bp_subscription *subscription = NULL;
    bp_subscription_options options;
    bp_region region = bp_region_stream(room);
    bp_region_set_kind(&region, said);
    bp_subscription_options_init(&options);
    options.replay = true;
    options.take = count; /* 0: for ever */
    bp_status status = bp_open_reader(dir, NULL, &store, error);
    if (status == BP_OK) {
        status = bp_subscribe(store, &region, &options, &subscription, error);
    }
    while (status == BP_OK) {
        bp_delivery delivery;
        status = bp_subscription_next(subscription, BP_FOREVER, &delivery, error);
        if (status == BP_OK) {
            printf("%.*s\n", (int)delivery.event.payload_size, (const char *)delivery.event.payload);
            fflush(stdout);
        }
    }
    bp_subscription_close(subscription);
    bp_close(store, NULL);
    return status == BP_END ? BP_OK : status;
}

int main(int argc, char **argv)
{
    bp_error error = {0};
    bp_status status;
    if (argc >= 4 && argc <= 5 && strcmp(argv[2], "keep") == 0) {
        status = keep(argv[1], argv[3], argc > 4 ? argv[4] : "room:lobby", &error);
    } else if (argc >= 3 && argc <= 5 && strcmp(argv[2], "watch") == 0) {
        status = watch(argv[1], argc > 3 ? argv[3] : "room:lobby", argc > 4 ? strtoull(argv[4], NULL, 10) : 0, &error);
    } else {
        fputs("usage: chat DIR keep NAME [ROOM] | chat DIR watch [ROOM [COUNT]]\n", stderr);
        return 2;
    }
    return status == BP_OK ? 0 : bp_print_error(stderr, &error);
}
