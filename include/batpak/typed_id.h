/*
 * typed_id.h: ids that the compiler tells apart. An order's id and a customer's id are 128 bits both, and mixing them up
 * is a mistake that no test finds for sure; as types of their own they do not compile in each other's place.
 *
 *   BP_TYPED_ID(order_id, "order")
 *
 * in a header or a source file declares the type `order_id` and, all `static inline`:
 *   bp_status order_id_new(order_id *id_out, bp_error *error)             a new UUIDv7
 *   order_id  order_id_of(bp_id id)          bp_id order_id_plain(order_id id)
 *   order_id  order_id_from_parts(uint64_t high, uint64_t low)            the 128 bits as two numbers, and back
 *   uint64_t  order_id_high(order_id id)     uint64_t order_id_low(order_id id)
 *   order_id  order_id_nil(void)             bool order_id_is_nil(order_id id)
 *   bool      order_id_equal(order_id a, order_id b)
 *   int       order_id_compare(order_id a, order_id b)                    as bp_id_compare
 *   size_t    order_id_print(order_id id, char *buffer, size_t size)      `order:0192f0c1...`, as snprintf
 *   bool      order_id_parse(const char *text, size_t size, order_id *id_out)
 *             the same, or without `order:`, or with a UUID's hyphens; any other prefix is no id of this type
 *
 * The name (a string without a colon) is part of the text only; what is stored is the plain id.
 * bp_event_id is there already, with the name "event".
 */
#ifndef BATPAK_TYPED_ID_H
#define BATPAK_TYPED_ID_H

#include <batpak/io.h>

#ifdef __cplusplus
extern "C" {
#endif

/*
 * A new UUIDv7 from a clock and random bytes (NULL: this machine's). Any thread. BP_ERR_IO: the source of random bytes
 * failed; *id_out is as it was.
 */
BP_API BP_MUST_USE bp_status bp_id_new(const bp_clock *clock, const bp_random *random, bp_id *id_out, bp_error *error);

/* The 128 bits as two numbers, and back. */
BP_API bp_id bp_id_from_parts(uint64_t high, uint64_t low);
BP_API uint64_t bp_id_high(const bp_id *id);
BP_API uint64_t bp_id_low(const bp_id *id);

/* `name:` and 32 hex digits, NUL-terminated, cut to `size` bytes; returns the length it would have had. */
BP_API size_t bp_id_print_named(const char *name, const bp_id *id, char *buffer, size_t size);
/* Reads that, or an id without any prefix, as bp_id_parse does. False if it is none, or another name stands there. */
BP_API bool bp_id_parse_named(const char *name, const char *text, size_t size, bp_id *id_out);

#if defined(__GNUC__) || defined(__clang__)
#define BP_MAYBE_UNUSED __attribute__((unused))
#else
#define BP_MAYBE_UNUSED
#endif

#define BP_TYPED_ID(type, name)                                                                          \
    struct type {                                                                                        \
        bp_id id;                                                                                        \
    };                                                                                                   \
    typedef struct type type;                                                                            \
    BP_MAYBE_UNUSED static inline type type##_of(bp_id id)                                               \
    {                                                                                                    \
        type typed;                                                                                      \
        typed.id = id;                                                                                   \
        return typed;                                                                                    \
    }                                                                                                    \
    BP_MAYBE_UNUSED static inline bp_id type##_plain(type id)                                            \
    {                                                                                                    \
        return id.id;                                                                                    \
    }                                                                                                    \
    BP_MAYBE_UNUSED BP_MUST_USE static inline bp_status type##_new(struct type *id_out, bp_error *error) \
    {                                                                                                    \
        return bp_id_new(NULL, NULL, &id_out->id, error);                                                \
    }                                                                                                    \
    BP_MAYBE_UNUSED static inline type type##_from_parts(uint64_t high, uint64_t low)                    \
    {                                                                                                    \
        return type##_of(bp_id_from_parts(high, low));                                                   \
    }                                                                                                    \
    BP_MAYBE_UNUSED static inline uint64_t type##_high(type id)                                          \
    {                                                                                                    \
        return bp_id_high(&id.id);                                                                       \
    }                                                                                                    \
    BP_MAYBE_UNUSED static inline uint64_t type##_low(type id)                                           \
    {                                                                                                    \
        return bp_id_low(&id.id);                                                                        \
    }                                                                                                    \
    BP_MAYBE_UNUSED static inline type type##_nil(void)                                                  \
    {                                                                                                    \
        return type##_from_parts(0, 0);                                                                  \
    }                                                                                                    \
    BP_MAYBE_UNUSED static inline bool type##_is_nil(type id)                                            \
    {                                                                                                    \
        return bp_id_is_nil(&id.id);                                                                     \
    }                                                                                                    \
    BP_MAYBE_UNUSED static inline bool type##_equal(type a, type b)                                      \
    {                                                                                                    \
        return bp_id_equal(&a.id, &b.id);                                                                \
    }                                                                                                    \
    BP_MAYBE_UNUSED static inline int type##_compare(type a, type b)                                     \
    {                                                                                                    \
        return bp_id_compare(&a.id, &b.id);                                                              \
    }                                                                                                    \
    BP_MAYBE_UNUSED static inline size_t type##_print(type id, char *buffer, size_t size)                \
    {                                                                                                    \
        return bp_id_print_named(name, &id.id, buffer, size);                                            \
    }                                                                                                    \
    BP_MAYBE_UNUSED static inline bool type##_parse(const char *text, size_t size, struct type *id_out)  \
    {                                                                                                    \
        return bp_id_parse_named(name, text, size, &id_out->id);                                         \
    }                                                                                                    \
    typedef type type##_declared

BP_TYPED_ID(bp_event_id, "event");

#ifdef __cplusplus
}
#endif

#endif
