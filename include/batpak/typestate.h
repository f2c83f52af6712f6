/*
 * typestate.h: state machines whose states are types, so that a wrong transition does not compile; and the same
 * declaration as a table, for machines that are data.
 *
 *   #define DOOR(STATE, MOVE, m)                  a list: states, then moves from one to another with their kind
 *       STATE(m, closed)
 *       STATE(m, opened)
 *       STATE(m, locked)
 *       MOVE(m, push, closed, opened, BP_KIND(0xF, 1))
 *       MOVE(m, shut, opened, closed, BP_KIND(0xF, 2))
 *       MOVE(m, lock, closed, locked, BP_KIND(0xF, 3))
 *   struct door_data { int key; };                what each state carries along; the program's own
 *   BP_TYPESTATE(door, DOOR, closed, struct door_data);
 *
 * (each line of the list but the last ends in a backslash) declares, all `static inline`:
 *   door_closed, door_opened, door_locked         a type for each state: { bp_stance stance; struct door_data data; }
 *   door_any                                      whichever: { enum door_state state; union { door_closed closed; ... } as; }
 *   door_closed door_start(bp_coordinate at, struct door_data data)
 *                                                 the first state, of an entity without events
 *   bp_status door_load(bp_store *store, bp_coordinate at, struct door_data data, door_any *any_out, bp_error *error)
 *                                                 the state that the entity's events have led to
 *   bp_status door_lock(bp_store *store, door_closed from, bp_payload payload, const bp_append_options *options,
 *                       door_locked *to_out, bp_error *error)
 *                                                 one for each move: appends the event and gives the next state
 *   const bp_machine *door_machine(void)          the table
 *   const char *door_state_name(enum door_state state)   "closed", ...; "?" for a number that is none
 *   enum door_state { door_state_closed, ... }, enum door_move { door_move_push, ... }
 *
 * door_lock(store, some_opened_door, ...) does not compile; the compiler's message names door_closed and door_opened.
 * A state is a value: C cannot forbid to use one twice. The second use is refused when it runs: each move expects
 * the clock its state was seen at, so that an old state gets BP_ERR_CONFLICT and nothing is appended. A move and a state may
 * not have the same name. Names in a bp_coordinate are not copied: they must live as long as the states.
 */
#ifndef BATPAK_TYPESTATE_H
#define BATPAK_TYPESTATE_H

#include <batpak/append.h>
#include <batpak/typed_id.h>

#ifdef __cplusplus
extern "C" {
#endif

/* One transition: an event of `kind` leads from a state to a state; both are indexes of bp_machine.states. */
typedef struct bp_machine_move {
    const char *name;
    uint16_t from;
    uint16_t to;
    bp_kind_code kind;
} bp_machine_move;

/*
 * A machine as data. An entity without events of its kinds is in the state `initial`. Two moves from one state have different
 * kinds. Texts and arrays are not owned: they must live as long as the machine is used.
 */
typedef struct bp_machine {
    size_t size; /* sizeof(bp_machine) */
    const char *name;
    const char *const *states;
    size_t state_count;
    const bp_machine_move *moves;
    size_t move_count;
    uint16_t initial;
} bp_machine;

/* Is it a machine? BP_ERR_ARGUMENT: the message names the state or move that is wrong. */
BP_API BP_MUST_USE bp_status bp_machine_check(const bp_machine *machine, bp_error *error);

/* Does an event of that kind belong to the machine at all? */
BP_API bool bp_machine_has_kind(const bp_machine *machine, bp_kind_code kind);
/* Where an event of that kind leads from that state. False: nowhere, the move is wrong. */
BP_API bool bp_machine_next(const bp_machine *machine, uint16_t state, bp_kind_code kind, uint16_t *to_out);
/*
 * The state behind an event of that kind, whatever was before: true if all moves of that kind lead to one state. A machine
 * for which that holds of every kind can be judged by the newest event alone.
 */
BP_API bool bp_machine_state_behind(const bp_machine *machine, bp_kind_code kind, uint16_t *state_out);
/* The state or move of that name. */
BP_API bool bp_machine_find_state(const bp_machine *machine, bp_text name, uint16_t *state_out);
BP_API bool bp_machine_find_move(const bp_machine *machine, bp_text name, size_t *move_out);

/* Where one entity stands: what the next move is appended to, and what it expects. */
typedef struct bp_stance {
    bp_coordinate at;
    bp_expectation seen; /* the entity's newest event when the state was made or loaded */
    uint16_t state;
    bp_receipt receipt; /* of the move that led here; zeros when the state was loaded or is the first */
} bp_stance;

/* The initial state of an entity that has no event yet; a move from it expects none. */
BP_API bp_stance bp_machine_start(const bp_machine *machine, bp_coordinate at);

/*
 * The state that the entity's events have led to; events of other kinds are passed over. Reads the entity's stream.
 *   BP_ERR_FORMAT  an event of the machine's kinds is no move from the state before it: error->sequence, error->entity
 *   BP_ERR_ARGUMENT, BP_ERR_NAME, and as bp_query
 */
BP_API BP_MUST_USE bp_status bp_machine_load(bp_store *store, const bp_machine *machine, bp_coordinate at,
                                             bp_stance *stance_out, bp_error *error);

/*
 * Makes move number `move`: appends an event of its kind, expecting that the entity is as the stance saw it, and moves the
 * stance on. `options` (NULL: defaults) may say all but the expectation and the kind. A retry with the same id, from the same
 * stance, is answered by the first receipt and moves the stance as the first did. Blocks as bp_append.
 *   BP_ERR_DENIED    the move does not start in the stance's state; nothing appended
 *   BP_ERR_CONFLICT  the entity has moved since: load it anew
 *   BP_ERR_ARGUMENT, and as bp_append
 * After an error the stance is as it was.
 */
BP_API BP_MUST_USE bp_status bp_machine_apply(bp_store *store, const bp_machine *machine, size_t move,
                                              bp_stance *stance, bp_payload payload, const bp_append_options *options,
                                              bp_error *error);

/* ---- what BP_TYPESTATE is made of; each BP_MACHINE_... is handed to the list as STATE or MOVE ---- */

#define BP_MACHINE_NOTHING(...)
#define BP_MACHINE_STATE_NUMBER(m, state_name) m##_state_##state_name,
#define BP_MACHINE_STATE_TEXT(m, state_name) #state_name,
#define BP_MACHINE_STATE_TYPE(m, state_name) \
    typedef struct m##_##state_name {        \
        bp_stance stance;                    \
        m##_payload data;                    \
    } m##_##state_name;
#define BP_MACHINE_STATE_MEMBER(m, state_name) m##_##state_name state_name;
#define BP_MACHINE_STATE_CASE(m, state_name)    \
    case m##_state_##state_name:                \
        any_out->as.state_name.stance = stance; \
        any_out->as.state_name.data = data;     \
        break;
#define BP_MACHINE_MOVE_NUMBER(m, move_name, from_name, to_name, move_kind) m##_move_##move_name,
#define BP_MACHINE_MOVE_ROW(m, move_name, from_name, to_name, move_kind) \
    {#move_name, m##_state_##from_name, m##_state_##to_name, move_kind},
#define BP_MACHINE_MOVE_FUNCTION(m, move_name, from_name, to_name, move_kind)                               \
    BP_MAYBE_UNUSED BP_MUST_USE static inline bp_status m##_##move_name(                                    \
        bp_store *store, m##_##from_name from, bp_payload payload, const bp_append_options *options,        \
        m##_##to_name *to_out, bp_error *error)                                                             \
    {                                                                                                       \
        bp_stance stance = from.stance;                                                                     \
        bp_status status =                                                                                  \
            bp_machine_apply(store, m##_machine(), m##_move_##move_name, &stance, payload, options, error); \
        if (status == BP_OK && to_out != NULL) {                                                            \
            to_out->stance = stance;                                                                        \
            to_out->data = from.data;                                                                       \
        }                                                                                                   \
        return status;                                                                                      \
    }

#define BP_TYPESTATE(m, LIST, initial_name, data_type)                                                              \
    typedef data_type m##_payload;                                                                                  \
    enum m##_state{LIST(BP_MACHINE_STATE_NUMBER, BP_MACHINE_NOTHING, m) m##_state_count};                           \
    enum m##_move{LIST(BP_MACHINE_NOTHING, BP_MACHINE_MOVE_NUMBER, m) m##_move_count};                              \
    LIST(BP_MACHINE_STATE_TYPE, BP_MACHINE_NOTHING, m)                                                              \
    typedef struct m##_any {                                                                                        \
        enum m##_state state;                                                                                       \
        union {                                                                                                     \
            LIST(BP_MACHINE_STATE_MEMBER, BP_MACHINE_NOTHING, m)                                                    \
        } as;                                                                                                       \
    } m##_any;                                                                                                      \
    BP_MAYBE_UNUSED static inline const bp_machine *m##_machine(void)                                               \
    {                                                                                                               \
        static const char *const states[] = {LIST(BP_MACHINE_STATE_TEXT, BP_MACHINE_NOTHING, m)};                   \
        static const bp_machine_move moves[] = {LIST(BP_MACHINE_NOTHING, BP_MACHINE_MOVE_ROW, m)};                  \
        static const bp_machine machine = {                                                                         \
            sizeof(bp_machine), #m, states, m##_state_count, moves, m##_move_count, m##_state_##initial_name};      \
        return &machine;                                                                                            \
    }                                                                                                               \
    BP_MAYBE_UNUSED static inline const char *m##_state_name(enum m##_state state)                                  \
    {                                                                                                               \
        return (unsigned)state < m##_state_count ? m##_machine()->states[state] : "?";                              \
    }                                                                                                               \
    BP_MAYBE_UNUSED static inline m##_##initial_name m##_start(bp_coordinate at, data_type data)                    \
    {                                                                                                               \
        m##_##initial_name first;                                                                                   \
        first.stance = bp_machine_start(m##_machine(), at);                                                         \
        first.data = data;                                                                                          \
        return first;                                                                                               \
    }                                                                                                               \
    BP_MAYBE_UNUSED BP_MUST_USE static inline bp_status m##_load(bp_store *store, bp_coordinate at, data_type data, \
                                                                 m##_any *any_out, bp_error *error)                 \
    {                                                                                                               \
        bp_stance stance;                                                                                           \
        bp_status status = bp_machine_load(store, m##_machine(), at, &stance, error);                               \
        if (status == BP_OK) {                                                                                      \
            any_out->state = (enum m##_state)stance.state;                                                          \
            any_out->as.initial_name.stance = stance;                                                               \
            any_out->as.initial_name.data = data;                                                                   \
            switch (any_out->state) {                                                                               \
                LIST(BP_MACHINE_STATE_CASE, BP_MACHINE_NOTHING, m)                                                  \
            case m##_state_count:                                                                                   \
                break;                                                                                              \
            }                                                                                                       \
        }                                                                                                           \
        return status;                                                                                              \
    }                                                                                                               \
    LIST(BP_MACHINE_NOTHING, BP_MACHINE_MOVE_FUNCTION, m)                                                           \
    typedef m##_any m##_declared

#ifdef __cplusplus
}
#endif

#endif
