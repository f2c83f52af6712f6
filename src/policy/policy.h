/*
 * policy.h: a policy that was read: its gates, each a set of one with the region it is for.
 */
#ifndef BPI_POLICY_POLICY_H
#define BPI_POLICY_POLICY_H

#include <batpak/policy.h>

/* What a unique gate wants reserved. */
typedef struct bpi_reserve {
    char path[256];
    char prefix[65];
    bool hashed;
} bpi_reserve;

typedef struct bpi_rule {
    bp_gate_set *set; /* held; NULL while it is only being checked */
    char name[BP_GATE_NAME_MAX + 1];
    bp_region region;
    bp_region_text *owner; /* of the region's texts */
    bpi_reserve *reserve;  /* NULL: not a unique gate */
} bpi_rule;

struct bp_policy {
    bp_store *store;
    bpi_rule *rules;
    size_t count;
    size_t capacity;
    size_t bound; /* rules that are */
    bp_bind_options options;
};

/* A place for one more rule, zeroed; NULL: no memory. */
bpi_rule *bpi_policy_add(bp_policy *policy);

/* Reads the lines of a text into a policy. `dry`: only what is wrong with it is looked for; nothing is defined. */
bp_status bpi_policy_read(bp_policy *policy, const char *text, size_t size, bool dry, bp_error *error);

#endif
