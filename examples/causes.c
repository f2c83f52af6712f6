/*
 * causes.c: what followed from what. An order leads to a payment and to a picking, both together to a shipment; then
 * the graph is walked in both directions.
 *
 *   causes DIR
 */
#include <batpak/batpak.h>

#include <inttypes.h>

struct step {
    const char *entity;
    const char *kind;
    const char *payload;
    int causes[2]; /* indexes of earlier steps, -1 for none */
};

static const struct step steps[] = {
    {"order:1", "order.placed", "{\"item\":\"lamp\"}", {-1, -1}},
    {"payment:1", "payment.received", "{\"cents\":4200}", {0, -1}},
    {"picking:1", "picking.done", "{\"shelf\":\"B7\"}", {0, -1}},
    {"shipment:1", "shipment.sent", "{\"carrier\":\"post\"}", {1, 2}},
    {"order:1", "order.closed", "null", {3, -1}},
};

enum { STEPS = sizeof steps / sizeof *steps };

static bp_status append_steps(bp_store *store, bp_id ids[STEPS], bp_error *error)
{
    bp_id workflow = {0}; /* the first step's own id: what correlates all the others */
    for (size_t index = 0; index < STEPS; index++) {
        const struct step *step = &steps[index];
        bp_append_options options;
        bp_receipt receipt;
        bp_id causes[2];
        size_t count = 0;
        bp_status status;
        bp_append_options_init(&options);
        options.kind_name = step->kind;
        while (count < 2 && step->causes[count] >= 0) {
            causes[count] = ids[step->causes[count]];
            count++;
        }
        bp_coordinate at = bp_at(step->entity, "shop");
        if (count == 0) {
            status = bp_append(store, at, BP_KIND_DATA, bp_json(step->payload), &options, &receipt, error);
            workflow = status == BP_OK ? receipt.id : workflow;
        } else {
            status = bp_append_reaction(store, at, BP_KIND_DATA, bp_json(step->payload), &workflow, causes, count,
                                        &options, &receipt, error);
        }
        if (status != BP_OK) {
            return status;
        }
        ids[index] = receipt.id;
    }
    return BP_OK;
}

static bp_status show(bp_store *store, const char *title, const bp_id *id, bp_walk_kind kind, bp_error *error)
{
    bp_walk_options options;
    bp_walk *walk = NULL;
    const bp_event *event = NULL;
    uint32_t depth = 0;
    bp_walk_options_init(&options);
    options.kind = kind;
    bp_status status = bp_walk_begin(store, id, &options, &walk, error);
    if (status != BP_OK) {
        return status;
    }
    printf("%s\n", title);
    while ((status = bp_walk_next(walk, &event, &depth, error)) == BP_OK) {
        printf("  %*s%-18s %.*s\n", (int)(2 * depth), "", bp_kind_name(store, event->kind), (int)event->payload_size,
               (const char *)event->payload);
    }
    printf("  (%s)\n", bp_walk_stop_text(bp_walk_reason(walk)));
    bp_walk_end(walk);
    return status == BP_END ? BP_OK : status;
}

int main(int argc, char **argv)
{
    if (argc != 2) {
        fputs("usage: causes DIR\n", stderr);
        return 2;
    }
    bp_error error = {0};
    bp_store *store = NULL;
    bp_id ids[STEPS];
    if (bp_open(argv[1], NULL, &store, &error) != BP_OK || append_steps(store, ids, &error) != BP_OK ||
        show(store, "Why was it shipped?", &ids[3], BP_WALK_CAUSES, &error) != BP_OK ||
        show(store, "What came of the payment?", &ids[1], BP_WALK_EFFECTS, &error) != BP_OK ||
        show(store, "The whole order:", &ids[0], BP_WALK_CORRELATION, &error) != BP_OK) {
        bp_print_error(stderr, &error);
        bp_close(store, NULL);
        return 1;
    }
    return bp_close(store, &error) == BP_OK ? 0 : bp_print_error(stderr, &error);
}
