/*
 * pace.c: see pace.h.
 */
#include "io/pace.h"

enum {
    CALLS_A_LOOK = 16, /* a look at the clock costs as much as a record's checksum */
    PIECE_NS =
        200000, /* what is shorter than a sync delays nobody by much; a sleep takes some 60 us more than it is asked for */
    MOST_NS = 100000000,  /* one pause; a piece that long was a wait for the medium, or for a lock */
    ABOUT_NS = 100000000, /* others who did nothing for so long are not about */
    WHOLE = 100
};

_Thread_local bpi_pace *bpi_paced;

void bpi_pace_begin(bpi_pace *pace)
{
    pace->outer = bpi_paced;
    pace->since_ns = pace->clock->steady_ns(pace->clock->context);
    pace->seen = atomic_load_explicit(pace->others, memory_order_relaxed);
    pace->seen_ns = 0;
    pace->calls = 0;
    bpi_paced = pace;
}

void bpi_pace_end(const bpi_pace *pace)
{
    bpi_paced = pace->outer;
}

void bpi_pace_look(bpi_pace *pace)
{
    if (++pace->calls % CALLS_A_LOOK == 0) {
        bpi_pace_pause(pace);
    }
}

static bool others_are_about(bpi_pace *pace, uint64_t now)
{
    uint64_t others = atomic_load_explicit(pace->others, memory_order_relaxed);
    if (others != pace->seen) {
        pace->seen = others;
        pace->seen_ns = now;
    }
    return pace->seen_ns != 0 && now - pace->seen_ns < ABOUT_NS;
}

void bpi_pace_pause(bpi_pace *pace)
{
    const bp_clock *clock = pace->clock;
    uint64_t now = clock->steady_ns(clock->context);
    if (now < pace->since_ns + PIECE_NS) {
        return;
    }
    uint64_t worked = now - pace->since_ns;
    if (pace->share < WHOLE && others_are_about(pace, now) && (pace->hurry == NULL || !pace->hurry(pace->argument))) {
        uint64_t pause = worked * (WHOLE - pace->share) / (pace->share == 0 ? 1 : pace->share);
        clock->sleep_ns(clock->context, pause < MOST_NS ? pause : MOST_NS);
        now = clock->steady_ns(clock->context);
    }
    pace->since_ns = now;
}
