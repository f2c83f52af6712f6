/*
 * test_space_unsure.c: the space that is made ahead of what is written. In durable stores the keeper syncs it, in the file in
 * which frames may wait for a sync of their own: if that one fails, and forgets what was dirty, nothing of it may be
 * acknowledged by the next.
 */
#include "support/world.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <time.h>

enum { EVENTS_MOST = 400, BYTES = 900, LOOKS_MOST = 100000 };

typedef struct scene {
    bpt_world world;
    pthread_t caller;
    bool slow;           /* the keeper is, behind its sync */
    atomic_bool wrote;   /* the one before was a write of zeros */
    atomic_bool dropped; /* it was made to fail */
    atomic_bool answered;
} scene;

static void drop_the_sync_behind_zeros(void *argument, const bpi_fault_step *step)
{
    scene *s = argument;
    if (pthread_equal(pthread_self(), s->caller) != 0 || atomic_load(&s->answered)) {
        return;
    }
    if (step->done && atomic_load(&s->dropped)) {
        bpi_fault_set_plan(s->world.fault, &(bpi_fault_plan){0});
        atomic_store(&s->answered, true);
        if (s->slow) { /* the other's sync ends before this one's failure is known */
            (void)nanosleep(&(struct timespec){.tv_nsec = 100000000}, NULL);
        }
    } else if (step->done) {
        atomic_store(&s->wrote, strcmp(step->what, "write") == 0 && step->size >= 4096);
    } else if (atomic_load(&s->wrote) && strcmp(step->what, "sync") == 0) {
        bpi_fault_plan plan = {.kind = BPI_FAULT_SYNC_DROPS, .step = step->number, .os_error = EIO};
        bpi_fault_set_plan(s->world.fault, &plan);
        atomic_store(&s->dropped, true);
    }
}

/* Buffered appends to a durable store, until the sync of fresh space has failed. How many were published. */
static uint64_t append_until_dropped(scene *s, bp_store *store)
{
    static char text[BYTES];
    bp_error error = {0};
    bp_append_options lazy;
    uint64_t published = 0;
    unsigned looks = 0;
    memset(text, 'x', sizeof text);
    bp_append_options_init(&lazy);
    lazy.durability = BP_BUFFERED;
    while (!atomic_load(&s->answered)) {
        bp_status status = published < EVENTS_MOST
                               ? bp_append(store, bp_at("e", "s"), 0xf001, bp_raw(text, BYTES), &lazy, NULL, &error)
                               : BP_OK;
        CHECK(status == BP_OK || atomic_load(&s->dropped), "an append says %s: %s", bp_status_name(status),
              error.message);
        published += status == BP_OK && published < EVENTS_MOST;
        CHECK(looks++ < LOOKS_MOST, "the keeper made no space");
        (void)nanosleep(&(struct timespec){.tv_nsec = 200000}, NULL);
    }
    return published;
}

static void sync_is_not_believed(uint32_t attempts, bool slow)
{
    scene *s = calloc(1, sizeof *s);
    bp_error error = {0};
    assert_non_null(s);
    bpt_note("%u recoveries, the keeper is %s", attempts, slow ? "slow" : "quick");
    bpt_world_fault(&s->world);
    s->world.options.keeper = BP_KEEPER_THREAD;
    s->world.options.durability = BP_DURABLE;
    s->world.options.recovery_attempts = attempts;
    s->caller = pthread_self();
    s->slow = slow;
    bp_store *store = bpt_open(&s->world);
    bpt_put(store, "e", "so that there is a segment");
    bpi_fault_watch(s->world.fault, drop_the_sync_behind_zeros, s);
    uint64_t published = append_until_dropped(s, store);
    bp_status status = bp_sync(store, &error);
    CHECK(status == BP_OK || status == BP_ERR_FAILED, "a sync says %s: %s", bp_status_name(status), error.message);
    uint64_t durable = bp_store_frontiers(store).durable;
    CHECK(status != BP_OK || durable > published, "a sync is BP_OK, %llu of %llu are durable",
          (unsigned long long)durable, (unsigned long long)published + 1);
    bpi_fault_set_plan(s->world.fault, &(bpi_fault_plan){.kind = BPI_FAULT_CRASH, .step = 1});
    (void)bp_close(store, NULL);
    (void)bpt_power_cut(&s->world, BPT_KEEP_NONE, 0);
    store = bpt_open(&s->world);
    CHECK(bp_store_frontiers(store).published >= durable, "%llu were durable, %llu are there",
          (unsigned long long)durable, (unsigned long long)bp_store_frontiers(store).published);
    bpt_close(store);
    bpt_world_end(&s->world);
    free(s);
}

static void a_failed_sync_of_fresh_space_is_a_failed_sync(void **state)
{
    (void)state;
    for (uint32_t attempts = 0; attempts < 2; attempts++) {
        sync_is_not_believed(attempts, false);
        sync_is_not_believed(attempts, true);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_failed_sync_of_fresh_space_is_a_failed_sync),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
