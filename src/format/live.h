/*
 * live.h: the page that says what is published (docs/format.md, section 8). Written through a mapping by the writer, one
 * atomic store a field; read by other processes and by the recovery after a kill.
 */
#ifndef BPI_FORMAT_LIVE_H
#define BPI_FORMAT_LIVE_H

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#include <batpak/io.h>

enum {
    BPI_LIVE_VERSION = 8,
    BPI_LIVE_CRC = 12,
    BPI_LIVE_STORE_ID = 16,
    BPI_LIVE_BOOT = 32,
    BPI_LIVE_MOUNT = 48,
    BPI_LIVE_EPOCH = 56,
    BPI_LIVE_PID = 60,
    BPI_LIVE_PUBLISHED = 64,
    BPI_LIVE_SEQUENCE = 72,
    BPI_LIVE_DURABLE = 80,
    BPI_LIVE_GENERATION = 88,
    BPI_LIVE_FUTEX = 96,
    BPI_LIVE_WAITERS = 100,
    BPI_LIVE_STATE = 104,
    BPI_LIVE_SIZE = 4096,
    BPI_LIVE_OPEN = 1,
    BPI_LIVE_CLOSED = 2,
    BPI_LIVE_FAILED = 3,
    /* What somebody who sleeps waits for; bits of `waiters`, and of the futex. */
    BPI_WAKE_PUBLISHED = 1,
    BPI_WAKE_DURABLE = 2,
    BPI_WAKE_ANY = 3,
    BPI_WAKE_KICK = 4, /* of the futex alone: a stop, a new writer */
    BPI_WAKE_ALL = 7
};

/* The same as a structure, for the atomic stores. Little-endian machines only, as everything mapped. */
typedef struct bpi_live {
    uint8_t magic[8];
    uint32_t version;
    uint32_t crc;
    uint8_t store_id[16];
    uint8_t boot[16];
    uint64_t mount;
    uint32_t epoch;
    uint32_t pid;
    _Atomic uint64_t published;
    _Atomic uint64_t sequence;
    _Atomic uint64_t durable;
    _Atomic uint64_t generation;
    _Atomic uint32_t futex;
    _Atomic uint32_t waiters;
    _Atomic uint32_t state;
    uint8_t zero[BPI_LIVE_SIZE - 108];
} bpi_live;

_Static_assert(offsetof(bpi_live, published) == BPI_LIVE_PUBLISHED, "published");
_Static_assert(offsetof(bpi_live, durable) == BPI_LIVE_DURABLE, "durable");
_Static_assert(offsetof(bpi_live, futex) == BPI_LIVE_FUTEX, "futex");
_Static_assert(offsetof(bpi_live, state) == BPI_LIVE_STATE, "state");
_Static_assert(sizeof(bpi_live) == BPI_LIVE_SIZE, "one page");

/* What a live page vouches for. */
typedef struct bpi_live_word {
    uint64_t published; /* 0 when that may be another mount: then it vouches for nothing beyond `durable` */
    uint64_t told;      /* what the page calls published, wherever it is */
    uint64_t durable;
    uint64_t sequence;
    uint64_t generation;
    uint32_t epoch;
    uint32_t state;
    uint32_t pid;
} bpi_live_word;

/* Fills in the unchanging part with its CRC. */
void bpi_live_put(bpi_live *live, const bp_id *store_id, const bp_io_place *place, uint32_t epoch, uint32_t pid);

/* Believed? Then what it says. `bytes` may be a mapping or a copy. */
bool bpi_live_get(const uint8_t *bytes, size_t size, const bp_id *store_id, const bp_io_place *place,
                  bpi_live_word *word_out);

#endif
