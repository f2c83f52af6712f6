/*
 * workflow.c: an order that goes its way by reactions: placed, paid, packed, sent.
 *
 *   workflow DIR place ORDER AMOUNT   places an order
 *   workflow DIR run                  lets every order go on as far as it can
 *
 * Each step is a reaction: it sees one event and says what follows. Kill the program where you like and run it again: each
 * order is charged once and sent once, because what follows from an event has an id that is made of the event. All of an
 * order has one correlation: batpak walk DIR ID --correlation shows its whole way.
 */
#include <batpak/batpak.h>

#include <stdlib.h>
#include <string.h>

enum { LIMIT = 1000 };

static const bp_kind_code placed = BP_KIND(0x3, 1);
static const bp_kind_code charged = BP_KIND(0x3, 2);
static const bp_kind_code refused = BP_KIND(0x3, 3);
static const bp_kind_code packed = BP_KIND(0x3, 4);
static const bp_kind_code sent = BP_KIND(0x3, 5);

static bp_coordinate same_place(const bp_event *event)
{
    return (bp_coordinate){event->entity, event->scope};
}

static bp_status charge(void *context, const bp_event *event, bp_outputs *outputs, bp_error *error)
{
    char amount[32];
    (void)context;
    snprintf(amount, sizeof amount, "%.*s", (int)event->payload_size, (const char *)event->payload);
    bp_kind_code kind = atol(amount) <= LIMIT ? charged : refused;
    return bp_outputs_add(outputs, same_place(event), kind, bp_raw(amount, strlen(amount)), NULL, error);
}

/* Two outputs: the parcel, and a line in the warehouse's own book. Both are there, or neither. */
static bp_status pack(void *context, const bp_event *event, bp_outputs *outputs, bp_error *error)
{
    (void)context;
    bp_status status = bp_outputs_add(outputs, same_place(event), packed, bp_raw(NULL, 0), NULL, error);
    return status != BP_OK ? status
                           : bp_outputs_add(outputs, bp_at("warehouse", "shop"), packed,
                                            bp_raw(event->entity.data, event->entity.size), NULL, error);
}

static bp_status ship(void *context, const bp_event *event, bp_outputs *outputs, bp_error *error)
{
    (void)context;
    if (bp_text_equal(event->entity, bp_text_of("warehouse"))) {
        return BP_OK; /* nothing follows from that */
    }
    return bp_outputs_add(outputs, same_place(event), sent, bp_raw(NULL, 0), NULL, error);
}

static const struct step {
    const char *name;
    bp_kind_code input;
    bp_react_fn react;
} steps[] = {{"charge", BP_KIND(0x3, 1), charge}, {"pack", BP_KIND(0x3, 2), pack}, {"ship", BP_KIND(0x3, 4), ship}};

enum { STEPS = sizeof steps / sizeof steps[0] };

static bp_status run_step(bp_store *store, const struct step *step, bp_error *error)
{
    bp_reaction *reaction = NULL;
    bp_region region = bp_region_by_kind(step->input);
    bp_status status = bp_reaction_open(store, step->name, &region, step->react, NULL, NULL, &reaction, error);
    while (status == BP_OK) {
        status = bp_reaction_next(reaction, 0, 0, error);
    }
    bp_status closed = bp_reaction_close(reaction, status == BP_ERR_TIMEOUT ? error : NULL);
    return status == BP_ERR_TIMEOUT ? closed : status;
}

static bp_status work(bp_store *store, int argc, char **argv, bp_error *error)
{
    bp_status status = BP_OK;
    if (argc == 5) {
        bp_append_options once;
        bp_append_options_init(&once);
        once.expect.kind = BP_EXPECT_NONE;
        return bp_append(store, bp_at(argv[3], "shop"), placed, bp_raw(argv[4], strlen(argv[4])), &once, NULL, error);
    }
    for (size_t i = 0; i < STEPS && status == BP_OK; i++) {
        status = run_step(store, &steps[i], error);
    }
    return status;
}

int main(int argc, char **argv)
{
    bp_error error = {0};
    bp_store *store = NULL;
    bool place = argc == 5 && strcmp(argv[2], "place") == 0;
    if (!place && !(argc == 3 && strcmp(argv[2], "run") == 0)) {
        fputs("usage: workflow DIR place ORDER AMOUNT | workflow DIR run\n", stderr);
        return 2;
    }
    if (bp_open(argv[1], NULL, &store, &error) != BP_OK || work(store, argc, argv, &error) != BP_OK) {
        bp_close(store, NULL);
        return bp_print_error(stderr, &error);
    }
    return bp_close(store, &error) == BP_OK ? 0 : bp_print_error(stderr, &error);
}
