/*
 * consumer.h: the inside of a consumer, as its files share it and reactions use it.
 *
 * What the cursor gave and nobody has acknowledged lies in `entries`, in sequence order; the position to be written is that of the
 * first of them, or the cursor's. Parked events that are tried again lie there too, but hold no position back; those that
 * the cursor has yet to meet again come there when it does.
 *
 * Holds, under `lock`: an entry is WAITING (for its stream, for its time) or HELD by one worker; of two of one entity that wait
 * the earlier is delivered first, and never does a worker get one while another has one, be it earlier or later.
 */
#ifndef BPI_FOLLOW_CONSUMER_H
#define BPI_FOLLOW_CONSUMER_H

#include <batpak/consumer.h>

#include "follow/cursor.h"
#include "follow/keep.h"

typedef struct bpi_entry {
    uint64_t sequence;
    uint64_t stream;       /* hash of the entity; two that collide merely wait for each other */
    uint64_t due_ns;       /* not before; 0: at once */
    const bp_event *event; /* HELD: what the worker has; else NULL */
    uint32_t worker;
    uint32_t attempts;
    bool alone;  /* HELD: requires acknowledgement before anything else of its stream */
    bool parked; /* tried again */
    bool busy;   /* HELD: a reaction's function is running on it */
} bpi_entry;

struct bp_consumer {
    bpi_hub *hub; /* the cursor's */
    bp_cursor *cursor;
    bp_consumer_options options;
    bpi_keep keep; /* closed with the store */
    bpi_farewell farewell;
    bp_id store_id;
    char name[BPI_CONSUMER_NAME_MAX + 1];
    size_t name_size;
    char *region; /* canonical text */
    size_t region_size;

    pthread_mutex_t lock; /* guards all below but atomics */
    bpi_entry *entries;   /* [first, first + count) */
    size_t capacity;
    size_t first;
    size_t count;
    size_t waiting;     /* of them, WAITING */
    size_t alone;       /* of them, HELD and alone */
    size_t retried;     /* of them, parked ones */
    bpi_parked *parked; /* in the order of parking; room for options.parked_max */
    uint32_t parked_count;
    uint64_t parked_end; /* below this the cursor may meet events that were parked when it was opened */
    uint64_t stuck;      /* what the last pick could not convert; BP_NONE: nothing */
    uint64_t *streams;   /* those met in one pass; a table of `stream_slots`, marked by `pass` */
    uint32_t *marks;
    size_t stream_slots;
    uint32_t pass;
    uint64_t saved;                                            /* the position that is written */
    uint32_t unsaved;                                          /* acknowledgements and changes since */
    uint64_t saved_ns;                                         /* when */
    bool failed;                                               /* a failure stopped it */
    char reason[BPI_CONSUMER_REASON_MAX + 1];                  /* why */
    bp_status (*before_save)(void *argument, bp_error *error); /* NULL: nothing to do */
    void *before_save_argument;

    _Atomic bool stopped;
    _Atomic uint32_t idle; /* workers that wait */
    _Atomic bool *nudges;  /* one per worker: look again */
};

/* consumer_window.c; the lock is held, the hub entered. */

/* The next deliverable event for a worker, at that time. BP_END: none now; *due_out is when one may be (UINT64_MAX:
 * unknown; 0: it has not looked to the end). */
bp_status bpi_consumer_pick(bp_consumer *consumer, uint32_t worker, uint64_t now, const bp_event **event_out,
                            uint64_t *due_out, bp_error *error);
bpi_entry *bpi_consumer_find(bp_consumer *consumer, uint64_t sequence);
void bpi_consumer_remove(bp_consumer *consumer, bpi_entry *entry);
/* It is done with: off the list of parked ones too. */
void bpi_consumer_finish(bp_consumer *consumer, bpi_entry *entry);
bpi_parked *bpi_consumer_find_parked(bp_consumer *consumer, uint64_t sequence);
/* A HELD entry waits again. */
void bpi_consumer_put_back(bp_consumer *consumer, bpi_entry *entry, uint64_t due_ns);
/* The id and the stream of an event, whatever its payload is. */
bp_status bpi_consumer_identify(const bp_consumer *consumer, uint64_t sequence, bp_id *id_out, uint64_t *stream_out,
                                bp_error *error);
/* Adds a parked event; there is room. */
bp_status bpi_consumer_try_again(bp_consumer *consumer, const bpi_parked *parked, bp_error *error);
uint64_t bpi_consumer_watermark(const bp_consumer *consumer);

/* consumer_save.c; the lock is held. */
bp_status bpi_consumer_write(bp_consumer *consumer, bp_error *error);
bool bpi_consumer_write_due(const bp_consumer *consumer, uint64_t now_ns);

uint64_t bpi_consumer_now(const bp_consumer *consumer);

/* Workers that wait look again. Inside the hub, without the lock. */
void bpi_consumer_nudge(bp_consumer *consumer);

/* Does another number of partitions have files of that name? Then their entities are divided otherwise. BP_ERR_CONFLICT. */
bp_status bpi_consumer_check_parts(const bp_consumer *consumer, bp_error *error);
bp_status bpi_consumer_other_parts(const bp_consumer *consumer, uint32_t partitions, bp_error *error);

/* consumer_run.c: it was stopped: BP_OK; or a failure did: BP_ERR_FAILED with the first reason. `what` it is called. */
bp_status bpi_consumer_how_it_ended(bp_consumer *consumer, const char *what, bp_error *error);
/* A function that failed and did not say why: what it answered is the reason. */
void bpi_consumer_give_reason(bp_status status, bp_error *why);

/* consumer_list.c: the region as a text, from the allocator with its NUL: *size_out bytes without it. */
bp_status bpi_region_text_of(const bp_allocator *allocator, const bp_region *region, char **text_out, size_t *size_out,
                             bp_error *error);
bp_status bpi_consumer_name_check(const char *name, bp_text *name_out, bp_error *error);

#endif
