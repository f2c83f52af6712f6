/*
 * typestate.c: state machines as data: judging a table, following an entity's events through it, appending moves.
 *
 * Holds: a stance that was loaded or moved on is a state of its machine, and what the next move expects is the newest
 * event that led to it. A machine's numbers are checked before they are used as indexes: tables may come from anywhere.
 */
#include <batpak/query.h>
#include <batpak/typestate.h>

#include <inttypes.h>
#include <string.h>

#include "base/error.h"
#include "base/options.h"
#include "store/items.h"

/* The fields in use are there and say something; for every function that takes a machine from outside. */
static bp_status given(const bp_machine *machine, bp_error *error)
{
    if (machine == NULL || !bpi_size_fits(machine, sizeof *machine, sizeof *machine)) {
        return bpi_error_set(error, BP_ERR_ARGUMENT, "machine is NULL or its size is not set");
    }
    if (machine->name == NULL || machine->states == NULL || machine->moves == NULL) {
        return bpi_error_set(error, BP_ERR_ARGUMENT, "the machine's name, states or moves are NULL");
    }
    if (machine->state_count == 0 || machine->state_count > UINT16_MAX || machine->initial >= machine->state_count) {
        return bpi_error_set(error, BP_ERR_ARGUMENT, "the machine '%s' has %zu states and begins in number %u",
                             machine->name, machine->state_count, machine->initial);
    }
    return BP_OK;
}

static bool empty(const char *text)
{
    return text == NULL || text[0] == '\0';
}

static bp_status check_states(const bp_machine *machine, bp_error *error)
{
    for (size_t index = 0; index < machine->state_count; index++) {
        if (empty(machine->states[index])) {
            return bpi_error_set(error, BP_ERR_ARGUMENT, "state %zu of the machine '%s' has no name", index,
                                 machine->name);
        }
        for (size_t other = 0; other < index; other++) {
            if (strcmp(machine->states[other], machine->states[index]) == 0) {
                return bpi_error_set(error, BP_ERR_ARGUMENT, "the machine '%s' has two states '%s'", machine->name,
                                     machine->states[index]);
            }
        }
    }
    return BP_OK;
}

static bp_status check_move(const bp_machine *machine, size_t index, bp_error *error)
{
    const bp_machine_move *move = &machine->moves[index];
    if (empty(move->name)) {
        return bpi_error_set(error, BP_ERR_ARGUMENT, "move %zu of the machine '%s' has no name", index, machine->name);
    }
    if (move->from >= machine->state_count || move->to >= machine->state_count) {
        return bpi_error_set(error, BP_ERR_ARGUMENT, "the move '%s' of '%s' leads from state %u to %u of %zu",
                             move->name, machine->name, move->from, move->to, machine->state_count);
    }
    if (!bp_kind_is_open(move->kind)) {
        return bpi_error_set(error, BP_ERR_ARGUMENT, "the move '%s' of '%s' has the reserved kind 0x%04X", move->name,
                             machine->name, move->kind);
    }
    for (size_t before = 0; before < index; before++) {
        const bp_machine_move *other = &machine->moves[before];
        if (strcmp(other->name, move->name) == 0) {
            return bpi_error_set(error, BP_ERR_ARGUMENT, "the machine '%s' has two moves '%s'", machine->name,
                                 move->name);
        }
        if (other->from == move->from && other->kind == move->kind) {
            return bpi_error_set(error, BP_ERR_ARGUMENT,
                                 "the moves '%s' and '%s' of '%s' leave the state '%s' with one kind", other->name,
                                 move->name, machine->name, machine->states[move->from]);
        }
    }
    return BP_OK;
}

bp_status bp_machine_check(const bp_machine *machine, bp_error *error)
{
    bp_status status = given(machine, error);
    if (status == BP_OK) {
        status = check_states(machine, error);
    }
    for (size_t index = 0; status == BP_OK && index < machine->move_count; index++) {
        status = check_move(machine, index, error);
    }
    return status;
}

bool bp_machine_has_kind(const bp_machine *machine, bp_kind_code kind)
{
    for (size_t index = 0; index < machine->move_count; index++) {
        if (machine->moves[index].kind == kind) {
            return true;
        }
    }
    return false;
}

bool bp_machine_next(const bp_machine *machine, uint16_t state, bp_kind_code kind, uint16_t *to_out)
{
    for (size_t index = 0; index < machine->move_count; index++) {
        const bp_machine_move *move = &machine->moves[index];
        if (move->from == state && move->kind == kind) {
            *to_out = move->to;
            return true;
        }
    }
    return false;
}

bool bp_machine_state_behind(const bp_machine *machine, bp_kind_code kind, uint16_t *state_out)
{
    bool found = false;
    uint16_t state = 0;
    for (size_t index = 0; index < machine->move_count; index++) {
        const bp_machine_move *move = &machine->moves[index];
        if (move->kind != kind) {
            continue;
        }
        if (found && move->to != state) {
            return false;
        }
        found = true;
        state = move->to;
    }
    if (found) {
        *state_out = state;
    }
    return found;
}

bool bp_machine_find_state(const bp_machine *machine, bp_text name, uint16_t *state_out)
{
    for (size_t index = 0; index < machine->state_count; index++) {
        if (bp_text_equal(bp_text_of(machine->states[index]), name)) {
            *state_out = (uint16_t)index;
            return true;
        }
    }
    return false;
}

bool bp_machine_find_move(const bp_machine *machine, bp_text name, size_t *move_out)
{
    for (size_t index = 0; index < machine->move_count; index++) {
        if (bp_text_equal(bp_text_of(machine->moves[index].name), name)) {
            *move_out = index;
            return true;
        }
    }
    return false;
}

bp_stance bp_machine_start(const bp_machine *machine, bp_coordinate at)
{
    bp_stance stance;
    memset(&stance, 0, sizeof(stance));
    stance.at = at;
    stance.seen.kind = BP_EXPECT_NONE;
    stance.state = machine->initial;
    return stance;
}

/* The state behind one more event. */
static bp_status follow(const bp_machine *machine, const bp_event *event, bp_stance *stance, bp_error *error)
{
    uint16_t to = 0;
    stance->seen = (bp_expectation){.kind = BP_EXPECT_AT, .clock = event->clock};
    if (!bp_machine_has_kind(machine, event->kind)) {
        return BP_OK;
    }
    if (!bp_machine_next(machine, stance->state, event->kind, &to) || to >= machine->state_count) {
        bpi_error_set(error, BP_ERR_FORMAT, "event %" PRIu64 " of kind 0x%04X is no move of '%s' from the state '%s'",
                      event->sequence, event->kind, machine->name, machine->states[stance->state]);
        bpi_error_entity(error, event->entity);
        if (error != NULL) {
            error->sequence = event->sequence;
            error->has_sequence = true;
        }
        return BP_ERR_FORMAT;
    }
    stance->state = to;
    return BP_OK;
}

bp_status bp_machine_load(bp_store *store, const bp_machine *machine, bp_coordinate at, bp_stance *stance_out,
                          bp_error *error)
{
    bp_iterator *iterator = NULL;
    const bp_event *event = NULL;
    bp_status status = given(machine, error);
    if (status != BP_OK) {
        return status;
    }
    if (store == NULL || stance_out == NULL) {
        return bpi_error_set(error, BP_ERR_ARGUMENT, "store or stance_out is NULL");
    }
    bp_region region = bp_region_all();
    bp_region_set_entity(&region, at.entity);
    bp_stance stance = bp_machine_start(machine, at);
    status = bp_query(store, &region, NULL, &iterator, error);
    while (status == BP_OK) {
        status = bp_next(iterator, &event, error);
        if (status == BP_OK) {
            status = follow(machine, event, &stance, error);
        }
    }
    bp_iterator_close(iterator);
    if (status != BP_END) {
        return status;
    }
    *stance_out = stance;
    return BP_OK;
}

bp_status bp_machine_apply(bp_store *store, const bp_machine *machine, size_t move, bp_stance *stance,
                           bp_payload payload, const bp_append_options *options, bp_error *error)
{
    bp_append_options own;
    bp_receipt receipt;
    bp_status status = given(machine, error);
    if (status != BP_OK) {
        return status;
    }
    if (stance == NULL || move >= machine->move_count || stance->state >= machine->state_count ||
        machine->moves[move].to >= machine->state_count) {
        return bpi_error_set(error, BP_ERR_ARGUMENT, "the machine '%s' has no such move or state", machine->name);
    }
    const bp_machine_move *row = &machine->moves[move];
    if (row->from != stance->state) {
        bpi_error_set(error, BP_ERR_DENIED, "the move '%s' of '%s' does not start in the state '%s'", row->name,
                      machine->name, machine->states[stance->state]);
        bpi_error_entity(error, stance->at.entity);
        return BP_ERR_DENIED;
    }
    status = bpi_append_options_take(options, &own, error);
    if (status != BP_OK) {
        return status;
    }
    if (own.kind_name != NULL) {
        return bpi_error_set(error, BP_ERR_ARGUMENT, "the options of a move name a kind, which is the move's to say");
    }
    own.expect = stance->seen;
    status = bp_append(store, stance->at, row->kind, payload, &own, &receipt, error);
    if (status != BP_OK) {
        return status;
    }
    stance->seen = (bp_expectation){.kind = BP_EXPECT_AT, .clock = receipt.clock};
    stance->state = row->to;
    stance->receipt = receipt;
    return BP_OK;
}
