/*
 * test_chain.c: a chain of three reactions whose process is killed at random: each output is in the log exactly once.
 *
 * ctest: labels=campaign,slow timeout=3600
 */
#include <pthread.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "support/world.h"

enum { LINKS = 3, INPUTS_A_LIFE = 20, FIRST_KIND = 0xf100 };

/* Two outputs for each event of the kind before. */
static bp_status link_react(void *context, const bp_event *event, bp_outputs *outputs, bp_error *error)
{
    bp_kind_code kind = (bp_kind_code)(event->kind + 1);
    (void)context;
    bp_status status = BP_OK;
    for (int i = 0; i < 2 && status == BP_OK; i++) {
        bp_coordinate at = {event->entity, bp_text_of(i == 0 ? "left" : "right")};
        status = bp_outputs_add(outputs, at, kind, bp_raw(event->payload, event->payload_size), NULL, error);
    }
    return status;
}

static void *run_link(void *reaction)
{
    bp_error error = {0};
    bp_status status = bp_reaction_run(reaction, 0, &error);
    if (status != BP_OK && status != BP_ERR_CLOSED) {
        (void)bp_print_error(stderr, &error);
        _exit(50);
    }
    return NULL;
}

static bp_reaction *open_link(bp_store *store, unsigned i, bp_error *error)
{
    char name[16];
    bp_consumer_options options;
    bp_reaction *reaction = NULL;
    bp_region region = bp_region_by_kind((bp_kind_code)(FIRST_KIND + i));
    bp_consumer_options_init(&options);
    options.save_every = 1 + i * 3;
    (void)snprintf(name, sizeof name, "link %u", i);
    return bp_reaction_open(store, name, &region, link_react, NULL, &options, &reaction, error) == BP_OK ? reaction
                                                                                                         : NULL;
}

/* Reacts in three threads while the first thread appends inputs; until it is killed. */
static int live_and_die(const bpt_world *world)
{
    bp_store *store = NULL;
    bp_error error = {0};
    if (bp_open(world->path, &world->options, &store, &error) != BP_OK) {
        (void)bp_print_error(stderr, &error);
        return 51;
    }
    for (unsigned i = 0; i < LINKS; i++) {
        pthread_t thread;
        bp_reaction *reaction = open_link(store, i, &error);
        if (reaction == NULL || pthread_create(&thread, NULL, run_link, reaction) != 0) {
            (void)bp_print_error(stderr, &error);
            return 52;
        }
    }
    for (int i = 0; i < INPUTS_A_LIFE; i++) {
        char entity[8];
        (void)snprintf(entity, sizeof entity, "%d", i % 5);
        if (bp_append(store, bp_at(entity, "s"), FIRST_KIND, bp_raw("x", 1), NULL, NULL, &error) != BP_OK) {
            return 53;
        }
    }
    (void)pause();
    return 0;
}

/* No more inputs: until all three have nothing left. */
static void finish(bp_store *store)
{
    bp_error error = {0};
    bp_reaction *links[LINKS];
    for (unsigned i = 0; i < LINKS; i++) {
        links[i] = open_link(store, i, &error);
        CHECK(links[i] != NULL, "%s", error.message);
        bp_status status;
        while ((status = bp_reaction_next(links[i], 0, 0, &error)) == BP_OK) {
        }
        CHECK_STATUS(BP_ERR_TIMEOUT, status, &error);
    }
    for (unsigned i = 0; i < LINKS; i++) {
        CHECK_OK(bp_reaction_close(links[i], &error), &error);
    }
}

/* Every event of a kind has exactly two effects, of the next kind, one to the left and one to the right. */
static void check_effects(bp_store *store, unsigned i, uint64_t *count_out)
{
    bp_error error = {0};
    bp_iterator *iterator = NULL;
    const bp_event *event = NULL;
    bp_region region = bp_region_by_kind((bp_kind_code)(FIRST_KIND + i));
    CHECK_OK(bp_query(store, &region, NULL, &iterator, &error), &error);
    *count_out = 0;
    while (bp_next(iterator, &event, &error) == BP_OK) {
        bp_region effects = bp_region_effects_of(&event->id);
        bp_iterator *inner = NULL;
        const bp_event *effect = NULL;
        unsigned seen = 0;
        CHECK_OK(bp_query(store, &effects, NULL, &inner, &error), &error);
        while (bp_next(inner, &effect, &error) == BP_OK) {
            assert_int_equal(effect->kind, FIRST_KIND + i + 1);
            assert_int_equal(bp_event_hops(effect), i + 1);
            assert_true(bp_text_equal(effect->scope, bp_text_of(seen == 0 ? "left" : "right")));
            seen++;
        }
        bp_iterator_close(inner);
        CHECK(seen == 2, "event %llu has %u effects", (unsigned long long)event->sequence, seen);
        (*count_out)++;
    }
    bp_iterator_close(iterator);
}

static void each_output_is_there_exactly_once(void **state)
{
    bpt_world world;
    bpt_random random = {bpt_seed((uint64_t)(bpt_seconds() * 1e6))};
    uint64_t deaths = bpt_amount("BATPAK_DEATHS", 20, 500);
    (void)state;
    bpt_world_disk(&world);
    world.options.segment_size = 256u << 10;
    bpt_close(bpt_open(&world));
    for (uint64_t death = 0; death < deaths; death++) {
        int status = 0;
        pid_t pid = fork();
        assert_true(pid >= 0);
        if (pid == 0) {
            _exit(live_and_die(&world));
        }
        (void)usleep((useconds_t)bpt_random_below(&random, 60000));
        assert_int_equal(kill(pid, SIGKILL), 0);
        assert_int_equal(waitpid(pid, &status, 0), pid);
        CHECK(WIFSIGNALED(status), "it ended by itself with %d", WEXITSTATUS(status));
    }
    bp_store *store = bpt_open(&world);
    finish(store);
    uint64_t counts[LINKS] = {0};
    for (unsigned i = 0; i < LINKS; i++) {
        check_effects(store, i, &counts[i]);
        assert_int_equal(counts[i], counts[0] << i);
    }
    print_message("%llu deaths: %llu inputs, %llu outputs\n", (unsigned long long)deaths, (unsigned long long)counts[0],
                  (unsigned long long)counts[0] * 14);
    bpt_close(store);
    (void)bpt_verify(&world);
    bpt_world_end(&world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_output_is_there_exactly_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
