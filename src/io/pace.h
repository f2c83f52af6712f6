/*
 * pace.h: a thread that gives way: work which nobody waits for, in small pieces, with pauses between them.
 *
 * A compaction takes the processors and the medium from those who append beside it. What they notice is not how much it takes but for
 * how long at once: a commit that waits for one long piece makes all others wait. So the thread works for some tenths of a
 * millisecond and then sleeps until it has taken no more than its share, as long as others are about.
 *
 * The work is deep: reading and writing frames, building and writing index files. The pace is the thread's own, so that whoever
 * does a part of it only says where a pause may be (bpi_pace_point), and that costs nothing where no pace is set.
 *
 * Holds: no pause while a lock is held that appends need. Without `others` having moved there is no pause.
 */
#ifndef BPI_IO_PACE_H
#define BPI_IO_PACE_H

#include <stdatomic.h>

#include <batpak/io.h>

/* Is this waited for after all? Then there are no pauses. */
typedef bool (*bpi_hurry_fn)(void *argument);

typedef struct bpi_pace {
    /* set by who begins it */
    const bp_clock *clock;
    const _Atomic uint64_t *others; /* changes as long as others are about */
    uint32_t share;                 /* of the time, in percent, that it may take; 100: no pauses */
    bpi_hurry_fn hurry;             /* may be NULL */
    void *argument;
    /* its own */
    uint64_t since_ns; /* the end of the last pause */
    uint64_t seen;     /* of `others` */
    uint64_t seen_ns;  /* when it was last found changed */
    uint32_t calls;
    struct bpi_pace *outer;
} bpi_pace;

extern _Thread_local bpi_pace *bpi_paced;

/* From now until bpi_pace_end this thread has that pace. */
void bpi_pace_begin(bpi_pace *pace);
void bpi_pace_end(const bpi_pace *pace);

void bpi_pace_look(bpi_pace *pace);
void bpi_pace_pause(bpi_pace *pace);

/* A pause may be here. For loops of which one turn takes a microsecond. */
static inline void bpi_pace_point(void)
{
    if (bpi_paced != NULL) {
        bpi_pace_look(bpi_paced);
    }
}

/* The same behind something that takes long. */
static inline void bpi_pace_piece(void)
{
    if (bpi_paced != NULL) {
        bpi_pace_pause(bpi_paced);
    }
}

#endif
