/* plan.c: from a seed to what is done. */
#include "sim/sim.h"

static const sim_operation *draw(bpt_random *random, const sim_operation *favourite)
{
    uint64_t total = 0;
    if (favourite != NULL && bpt_random_chance(random, 25)) {
        return favourite;
    }
    for (const sim_operation *each = sim_operations; each->name != NULL; each++) {
        total += each->weight;
    }
    uint64_t at = bpt_random_below(random, total);
    const sim_operation *chosen = sim_operations;
    while (at >= chosen->weight) {
        at -= chosen->weight;
        chosen++;
    }
    return chosen;
}

/* Most plans do one thing more than others: what needs several of a kind in a row would hardly come about otherwise. */
static const sim_operation *draw_favourite(bpt_random *random)
{
    size_t count = 0;
    while (sim_operations[count].name != NULL) {
        count++;
    }
    return bpt_random_chance(random, 75) ? &sim_operations[bpt_random_below(random, count)] : NULL;
}

void sim_plan_make(sim_plan *plan, uint64_t seed, uint64_t drop)
{
    bpt_random random = {seed};
    (void)bpt_random_next(&random);
    memset(plan, 0, sizeof *plan);
    plan->seed = seed;
    plan->drop = drop;
    plan->durability = (bp_durability)(1 + bpt_random_below(&random, 3));
    plan->layout = (bp_layout)(1 + bpt_random_below(&random, 6));
    plan->subsets = 2;
    plan->lazy = bpt_random_chance(&random, 30);
    const sim_operation *favourite = draw_favourite(&random);
    plan->count = 6 + (size_t)bpt_random_below(&random, 18);
    for (size_t index = 0; index < plan->count; index++) {
        plan->ops[index] = (sim_op){draw(&random, favourite), bpt_random_next(&random)};
    }
}

void sim_plan_print(const sim_plan *plan)
{
    static const char *const durabilities[] = {"", "durable", "buffered", "periodic"};
    printf("  a store that is %s, layout %d\n", durabilities[plan->durability], (int)plan->layout);
    for (size_t index = 0; index < plan->count; index++) {
        if ((plan->drop >> index & 1) == 0) {
            printf("  %2zu  %s\n", index, plan->ops[index].operation->name);
        }
    }
}
