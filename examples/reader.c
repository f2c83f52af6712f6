/*
 * reader.c: a second process follows a store while another writes it.
 *
 *   reader DIR [REGION [COUNT]]
 *
 * Prints the events of a region ("entity=order:* kind=order.placed", "" for all) as they appear; ends after COUNT of
 * them. It takes no lock, and the writer never waits for it. Each query sees what is published when it begins;
 * the next one resumes behind the last event that was seen.
 */
#include <batpak/batpak.h>

#include <inttypes.h>
#include <stdlib.h>
#include <threads.h>

struct follower {
    bp_store *store;
    const bp_region *region;
    bool begun;
    uint64_t last; /* the newest sequence that was seen, once begun */
    uint64_t seen;
    uint64_t wanted;
};

static bp_status print_new(struct follower *follower, bp_error *error)
{
    bp_query_options options;
    bp_iterator *iterator = NULL;
    const bp_event *event = NULL;
    bp_query_options_init(&options);
    options.resume = follower->begun;
    options.resume_after = follower->last;
    bp_status status = bp_query(follower->store, follower->region, &options, &iterator, error);
    while (status == BP_OK && follower->seen < follower->wanted &&
           (status = bp_next(iterator, &event, error)) == BP_OK) {
        const char *kind = bp_kind_name(follower->store, event->kind);
        printf("%" PRIu64 "  %.*s  %s  %zu bytes\n", event->sequence, (int)event->entity.size, event->entity.data,
               kind != NULL ? kind : "-", event->payload_size);
        follower->begun = true;
        follower->last = event->sequence;
        follower->seen++;
    }
    bp_iterator_close(iterator);
    fflush(stdout);
    return status == BP_END ? BP_OK : status;
}

int main(int argc, char **argv)
{
    if (argc < 2 || argc > 4) {
        fputs("usage: reader DIR [REGION [COUNT]]\n", stderr);
        return 2;
    }
    bp_error error = {0};
    bp_store *store = NULL;
    bp_region region;
    bp_region_text *texts = NULL;
    if (bp_open_reader(argv[1], NULL, &store, &error) != BP_OK ||
        bp_region_parse(store, argc > 2 ? argv[2] : "", &region, &texts, &error) != BP_OK) {
        bp_print_error(stderr, &error);
        bp_close(store, NULL);
        return 1;
    }
    struct follower follower = {
        .store = store, .region = &region, .wanted = argc > 3 ? strtoull(argv[3], NULL, 10) : UINT64_MAX};
    int result = 0;
    while (result == 0 && follower.seen < follower.wanted) {
        result = print_new(&follower, &error) == BP_OK ? 0 : bp_print_error(stderr, &error);
        thrd_sleep(&(struct timespec){.tv_nsec = 20000000L}, NULL);
    }
    bp_region_text_free(texts);
    bp_close(store, NULL);
    return result;
}
