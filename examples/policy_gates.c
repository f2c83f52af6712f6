/*
 * policy_gates.c: payments that have to pass gates before they are facts.
 *
 *   policy_gates DIR AMOUNT COUNTRY    one payment; 1 and every reason when it is refused
 *
 * The gates here judge the application's own request, before the append. What passes becomes a permit for exactly these
 * bytes; committing spends it, and the event keeps the names of the gates that it passed.
 */
#include <batpak/batpak.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { PAID = 0xf001 };

typedef struct payment {
    long amount;
    const char *country;
} payment;

static bp_verdict at_most(const void *state, const void *context, bp_denial *denial)
{
    const payment *p = context;
    long most = *(const long *)state;

    if (p->amount <= most) {
        return BP_VERDICT_PASS;
    }
    bp_verdict verdict = bp_denial_say(denial, "OVER_LIMIT", "%ld is over the limit of %ld", p->amount, most);
    bp_denial_add(denial, "amount", "%ld", p->amount);
    return verdict;
}

static bp_verdict positive(const void *state, const void *context, bp_denial *denial)
{
    (void)state;
    return ((const payment *)context)->amount > 0 ? BP_VERDICT_PASS
                                                  : bp_denial_say(denial, "NOT_POSITIVE", "nothing is paid");
}

static bp_verdict served(const void *state, const void *context, bp_denial *denial)
{
    const payment *p = context;

    return strstr(state, p->country) != NULL ? BP_VERDICT_PASS
                                             : bp_denial_say(denial, "COUNTRY", "there is no paying to %s", p->country);
}

/* Every reason at once, for a person. */
static void explain(const bp_gate_set *gates, const payment *p)
{
    bp_denial denials[8];
    bp_error error = {0};
    size_t count = 0;

    if (bp_gate_set_evaluate_all(gates, p, denials, 8, &count, &error) == BP_ERR_DENIED) {
        for (size_t i = 0; i < count && i < 8; i++) {
            char text[512];

            bp_denial_format(&denials[i], text, sizeof text);
            printf("%s\n", text);
        }
    }
}

int main(int count, char **arguments)
{
    static long most = 1000;
    static char countries[] = "DE FR IT";
    const bp_gate all[] = {{"positive", "an amount above zero", positive, NULL, NULL},
                           {"limit", "at most 1000", at_most, &most, NULL},
                           {"country", "a country that is served", served, countries, NULL}};
    bp_gate_set *gates = NULL;
    bp_pipeline *pipeline = NULL;
    bp_proposal *proposal = NULL;
    bp_store *store = NULL;
    bp_permit permit;
    bp_committed committed = {0};
    bp_error error = {0};
    char text[128];
    int code = 0;

    if (count != 4 || strlen(arguments[3]) != 2) {
        fprintf(stderr, "usage: policy_gates DIR AMOUNT COUNTRY\n");
        return 2;
    }
    payment p = {atol(arguments[2]), arguments[3]};
    snprintf(text, sizeof text, "{\"amount\":%ld,\"country\":\"%s\"}", p.amount, p.country);

    if (bp_gate_set_new(&gates, &error) != BP_OK || bp_gate_set_push(gates, &all[0], &error) != BP_OK ||
        bp_gate_set_push(gates, &all[1], &error) != BP_OK || bp_gate_set_push(gates, &all[2], &error) != BP_OK ||
        bp_pipeline_new(gates, &pipeline, &error) != BP_OK ||
        bp_proposal_new(bp_json(text), &proposal, &error) != BP_OK ||
        bp_open(arguments[1], NULL, &store, &error) != BP_OK) {
        return bp_print_error(stderr, &error);
    }
    bp_status status = bp_pipeline_evaluate(pipeline, &p, proposal, &permit, NULL, &error);
    if (status == BP_ERR_DENIED) {
        explain(gates, &p);
        bp_proposal_free(proposal);
        code = 1;
    } else if (status != BP_OK || bp_pipeline_append(pipeline, &permit, store, bp_at("account:1", "bank"), PAID, NULL,
                                                     &committed, &error) != BP_OK) {
        code = bp_print_error(stderr, &error);
    } else {
        printf("paid, sequence %llu\n", (unsigned long long)committed.sequence);
    }
    bp_committed_free(&committed);
    bp_pipeline_free(pipeline);
    bp_gate_set_free(gates);
    return bp_close(store, &error) == BP_OK ? code : bp_print_error(stderr, &error);
}
