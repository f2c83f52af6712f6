/* script.c: the fixed workload and the history it must leave. */
#include "support/script.h"

static const char *const entities[] = {"order:1", "order:2", "spieler:älice", "stock"};

static bp_id key_of(unsigned op)
{
    return bp_id_from("script", &op, sizeof op);
}

bool bpt_script_begin(bpt_script *script, bpt_world *world)
{
    memset(script, 0, sizeof *script);
    script->world = world;
    script->status = bp_open(world->path, &world->options, &script->store, &script->error);
    return script->status == BP_OK && !bpi_fault_crashed(world->fault);
}

static bp_payload payload_of(unsigned op, size_t size)
{
    static uint8_t bytes[32768];
    static bool filled;
    for (size_t index = 0; !filled && index < sizeof bytes; index++) {
        bytes[index] = (uint8_t)(1 + index % 251); /* no zeros: a lost sector cannot look whole */
    }
    filled = true;
    return bp_raw(bytes + op, size);
}

static bp_status append(bpt_script *script, size_t size, bp_durability durability, const char *kind_name)
{
    bp_append_options options;
    bp_append_options_init(&options);
    options.id = key_of(script->op);
    options.durability = durability;
    options.kind_name = kind_name;
    options.lane = script->op % 3;
    script->count = 1;
    script->tried += kind_name != NULL ? 2 : 1;
    return bp_append(script->store, bp_at(entities[script->op % 4], "scope"), bp_kind(0xF, 1),
                     payload_of(script->op, size), &options, script->receipts, &script->error);
}

static bp_status batch(bpt_script *script, size_t count, size_t size, bp_durability durability)
{
    static const uint32_t zero = 0;
    bp_batch_item items[BPT_SCRIPT_ITEMS];
    bp_append_options options[BPT_SCRIPT_ITEMS];
    bp_batch_options how;
    bp_batch_options_init(&how);
    how.durability = durability;
    for (size_t index = 0; index < count; index++) {
        bp_append_options_init(&options[index]);
        options[index].cause_items = index > 0 ? &zero : NULL;
        options[index].cause_item_count = index > 0 ? 1 : 0;
        items[index] = (bp_batch_item){bp_at(entities[(script->op + index) % 4], "scope"), bp_kind(0xF, 2),
                                       payload_of(script->op, size), &options[index]};
    }
    options[0].id = key_of(script->op);
    script->count = count;
    script->tried += count;
    return bp_append_batch(script->store, items, count, &how, script->receipts, &script->error);
}

static bp_status reopen(bpt_script *script)
{
    bp_store *store = script->store;
    script->store = NULL;
    bp_status status = bp_close(store, &script->error);
    if (status == BP_OK) {
        status = bp_open(script->world->path, &script->world->options, &script->store, &script->error);
    }
    return status;
}

static bp_status special(bpt_script *script)
{
    switch (script->op) {
    case 9:
        return bp_seal(script->store, &script->error);
    case 19:
        return reopen(script);
    case 29:
        return append(script, 9000, BP_DURABLE, NULL);
    default:
        return append(script, 50, BP_BUFFERED, NULL);
    }
}

static bp_status call(bpt_script *script)
{
    static const char *const names[] = {"one", "zwei-ä", "three", "four"};
    switch (script->op % 10) {
    case 0:
        return append(script, 20, BP_DURABLE, NULL);
    case 1:
        return append(script, 120, BP_BUFFERED, NULL);
    case 2:
        return batch(script, 3, 64, BP_DURABILITY_DEFAULT);
    case 3:
        return append(script, 7000, BP_DURABILITY_DEFAULT, NULL);
    case 4:
        return bp_sync(script->store, &script->error);
    case 5:
        return append(script, 700, BP_BUFFERED, NULL);
    case 6:
        return batch(script, 4, 5000, BP_BUFFERED);
    case 7:
        return append(script, 33, BP_DURABILITY_DEFAULT, names[script->op / 10]);
    case 8:
        return append(script, 400, BP_DURABLE, NULL);
    default:
        return special(script);
    }
}

bool bpt_script_step(bpt_script *script)
{
    script->count = 0;
    memset(&script->error, 0, sizeof script->error);
    memset(script->receipts, 0, sizeof script->receipts);
    script->status = call(script);
    if (script->status != BP_OK || bpi_fault_crashed(script->world->fault)) {
        return false; /* stores into a mapping do not fail: who crashed in one never answers */
    }
    for (size_t index = 0; index < script->count; index++) {
        uint64_t next = script->receipts[index].sequence + 1;
        script->acked = next > script->acked ? next : script->acked;
        if (script->receipts[index].durable && next > script->durable) {
            script->durable = next;
        }
    }
    if (script->op % 10 == 4 || script->op == 19) {
        script->durable = script->acked; /* synced, or closed */
    }
    script->op++;
    return true;
}

bool bpt_script_rest(bpt_script *script)
{
    while (script->op < BPT_SCRIPT_OPS) {
        if (!bpt_script_step(script)) {
            return false;
        }
    }
    bp_store *store = script->store;
    script->store = NULL;
    script->status = bp_close(store, &script->error);
    if (script->status != BP_OK || bpi_fault_crashed(script->world->fault)) {
        return false;
    }
    script->durable = script->acked;
    return true;
}

void bpt_script_abandon(bpt_script *script)
{
    if (script->store != NULL) {
        (void)bp_close(script->store, NULL);
        script->store = NULL;
    }
}

/* ---- the reference ---- */

static bp_iterator *everything(bp_store *store)
{
    bp_error error = {0};
    bp_iterator *iterator = NULL;
    bp_region region = bp_region_all();
    bp_region_set_system(&region, true);
    CHECK_OK(bp_query(store, &region, NULL, &iterator, &error), &error);
    return iterator;
}

void bpt_reference_make(bpt_reference *reference, bp_durability durability)
{
    bpt_world world;
    bpt_script script;
    bp_error error = {0};
    const bp_event *event = NULL;
    bpi_fault_plan none = {0};
    memset(reference, 0, sizeof *reference);
    bpt_note("the reference run");
    bpt_world_fault(&world);
    world.options.durability = durability;
    bpi_fault_set_plan(world.fault, &none);
    CHECK_OK(bpt_script_begin(&script, &world) ? BP_OK : script.status, &script.error);
    CHECK(bpt_script_rest(&script), "op %u: %s", script.op, script.error.message);
    reference->steps = bpi_fault_steps(world.fault);
    bp_store *store = bpt_open(&world);
    bp_iterator *iterator = everything(store);
    while (bp_next(iterator, &event, &error) == BP_OK) {
        assert_true(reference->count < BPT_SCRIPT_EVENTS);
        assert_int_equal(event->sequence, reference->count);
        reference->hashes[reference->count] = event->event_hash;
        reference->ids[reference->count] = event->id;
        reference->commits[reference->count] = event->batch;
        reference->count++;
    }
    bp_iterator_close(iterator);
    assert_int_equal(reference->count, script.tried);
    bpt_close(store);
    (void)bpt_verify(&world);
    bpt_world_end(&world);
}

uint64_t bpt_reference_check(const bpt_reference *reference, bp_store *store, uint64_t least, uint64_t most)
{
    bp_error error = {0};
    const bp_event *event = NULL;
    uint64_t count = bp_store_frontiers(store).published;
    uint64_t seen = 0;
    CHECK(count >= least, "P1: %llu events are left, %llu were acknowledged", (unsigned long long)count,
          (unsigned long long)least);
    CHECK(count <= most, "%llu events are there, %llu were tried", (unsigned long long)count, (unsigned long long)most);
    CHECK(count >= reference->count || reference->commits[count] == count, "P2: %llu events end inside of a commit",
          (unsigned long long)count);
    bp_iterator *iterator = everything(store);
    while (bp_next(iterator, &event, &error) == BP_OK) {
        CHECK(event->sequence == seen && seen < reference->count, "P3: event %llu where %llu should be",
              (unsigned long long)event->sequence, (unsigned long long)seen);
        CHECK(bp_hash_equal(&event->event_hash, &reference->hashes[seen]), "P3: event %llu is another one",
              (unsigned long long)seen);
        seen++;
    }
    bp_iterator_close(iterator);
    CHECK(seen == count, "%llu events are shown, %llu are published", (unsigned long long)seen,
          (unsigned long long)count);
    return count;
}
