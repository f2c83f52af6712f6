/*
 * mix.c: keyed numbers for hash tables, from ids and names that a stranger may have chosen.
 *
 * Holds: without the key nobody can say which inputs collide. Names go through SipHash-1-3. Ids have a fixed length,
 * so two multiplications by secret factors do: no factor is ever a number that the input alone decides.
 */
#include "base/bytes.h"
#include "base/ids.h"

/* Spreads a key over 64 bits; another `step` gives another, unrelated number. */
static uint64_t spread(uint64_t key, uint64_t step)
{
    uint64_t z = key + step * UINT64_C(0x9e3779b97f4a7c15);
    z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
    return z ^ z >> 31;
}

bpi_id_mixer bpi_id_mixer_of(uint64_t key)
{
    return (bpi_id_mixer){spread(key, 1), spread(key, 2)};
}

uint64_t bpi_id_mix(const bp_id *id, uint64_t key)
{
    bpi_id_mixer mixer = bpi_id_mixer_of(key);
    return bpi_id_mixed(&mixer, id);
}

static inline uint64_t rotate(uint64_t value, unsigned bits)
{
    return value << bits | value >> (64 - bits);
}

typedef struct sip {
    uint64_t v0, v1, v2, v3;
} sip;

static inline void sip_round(sip *state)
{
    state->v0 += state->v1;
    state->v2 += state->v3;
    state->v1 = rotate(state->v1, 13) ^ state->v0;
    state->v3 = rotate(state->v3, 16) ^ state->v2;
    state->v0 = rotate(state->v0, 32);
    state->v2 += state->v1;
    state->v0 += state->v3;
    state->v1 = rotate(state->v1, 17) ^ state->v2;
    state->v3 = rotate(state->v3, 21) ^ state->v0;
    state->v2 = rotate(state->v2, 32);
}

static inline void sip_word(sip *state, uint64_t word)
{
    state->v3 ^= word;
    sip_round(state);
    state->v0 ^= word;
}

uint64_t bpi_name_mix(const void *bytes, size_t size, uint64_t key)
{
    const uint8_t *at = bytes;
    uint64_t second = spread(key, 1);
    sip state = {
        .v0 = key ^ UINT64_C(0x736f6d6570736575),
        .v1 = second ^ UINT64_C(0x646f72616e646f6d),
        .v2 = key ^ UINT64_C(0x6c7967656e657261),
        .v3 = second ^ UINT64_C(0x7465646279746573),
    };
    size_t left = size;
    for (; left >= 8; left -= 8, at += 8) {
        sip_word(&state, bpi_get64(at));
    }
    uint64_t last = (uint64_t)size << 56;
    if (left != 0 && size >= 8) { /* what is left, as the end of a whole word */
        last |= bpi_get64(at + left - 8) >> (64 - 8 * left);
    } else {
        for (size_t index = 0; index < left; index++) {
            last |= (uint64_t)at[index] << (8 * index);
        }
    }
    sip_word(&state, last);
    state.v2 ^= 0xffu;
    sip_round(&state);
    sip_round(&state);
    sip_round(&state);
    return state.v0 ^ state.v1 ^ state.v2 ^ state.v3;
}
