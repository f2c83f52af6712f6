/*
 * A program to start from: notes that are never lost.
 *
 *   notes write TEXT...
 *   notes list
 */
#include <batpak/batpak.h>

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static bp_status list(bp_store *store, bp_error *error)
{
    bp_iterator *iterator = NULL;
    const bp_event *event = NULL;
    bp_status status = bp_stream(store, "notes", NULL, &iterator, error);
    while (status == BP_OK && (status = bp_next(iterator, &event, error)) == BP_OK) {
        printf("%3" PRIu64 "  %.*s\n", event->clock + 1, (int)event->payload_size, (const char *)event->payload);
    }
    bp_iterator_close(iterator);
    return status == BP_END ? BP_OK : status;
}

static bp_status write_notes(bp_store *store, char **texts, bp_error *error)
{
    bp_status status = BP_OK;
    for (; *texts != NULL && status == BP_OK; texts++) {
        status =
            bp_append(store, bp_at("notes", "home"), bp_kind(1, 1), bp_raw(*texts, strlen(*texts)), NULL, NULL, error);
    }
    return status;
}

int main(int argc, char **argv)
{
    bp_error error = {0};
    bp_store *store = NULL;
    int lists = argc == 2 && strcmp(argv[1], "list") == 0;
    int writes = argc > 2 && strcmp(argv[1], "write") == 0;

    if (!lists && !writes) {
        fputs("usage: notes write TEXT... | notes list\n", stderr);
        return 2;
    }
    if (bp_open("./notes.batpak", NULL, &store, &error) != BP_OK ||
        (writes ? write_notes(store, argv + 2, &error) : list(store, &error)) != BP_OK) {
        bp_print_error(stderr, &error);
        bp_close(store, NULL);
        return 1;
    }
    return bp_close(store, &error) == BP_OK ? 0 : bp_print_error(stderr, &error);
}
