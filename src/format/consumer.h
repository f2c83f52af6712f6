/*
 * consumer.h: the file of a consumer (docs/format.md, section 14): where it stands, in which region, and what it parked.
 */
#ifndef BPI_FORMAT_CONSUMER_H
#define BPI_FORMAT_CONSUMER_H

#include <batpak/store.h>

enum {
    BPI_CONSUMER_VERSION = 1,
    BPI_CONSUMER_HEADER = 112,
    BPI_CONSUMER_SIZE_MAX = 32 << 20,
    BPI_CONSUMER_NAME_MAX = 255,
    BPI_CONSUMER_REGION_MAX = 16384,
    BPI_CONSUMER_PARKED_HEADER = 40,
    BPI_CONSUMER_REASON_MAX = 255,
    BPI_CONSUMER_PUBLISHED = 1 /* flag: also events that are not durable yet */
};

/* One event that was given up on for now. */
typedef struct bpi_parked {
    uint64_t sequence;
    bp_id id;
    int64_t time_us; /* when it was parked */
    uint32_t attempts;
    bool retry; /* to be delivered again */
    uint8_t reason_size;
    char reason[BPI_CONSUMER_REASON_MAX];
} bpi_parked;

/* All of it but the parked ones; texts are views. */
typedef struct bpi_consumer_file {
    bp_id store_id;
    bp_position position;
    uint32_t flags;
    int64_t updated_us;
    uint32_t partition;
    uint32_t partitions;
    uint32_t parked_count;
    bp_text name;
    bp_text region;
    const uint8_t *parked; /* of what was read: the first of them */
} bpi_consumer_file;

size_t bpi_consumer_size(const bpi_consumer_file *file, const bpi_parked *parked);
void bpi_consumer_put(const bpi_consumer_file *file, const bpi_parked *parked, uint8_t *bytes);

/* NULL when all is right, else what is wrong. BP_ERR_VERSION's case: *version_out is greater than ours. */
const char *bpi_consumer_get(const uint8_t *bytes, size_t size, bpi_consumer_file *file_out, uint32_t *version_out);
/* The next parked one of a file that was read; *at begins as file.parked. */
void bpi_consumer_next_parked(const uint8_t **at, bpi_parked *parked_out);

#endif
