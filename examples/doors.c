/*
 * doors.c: a dungeon's doors. Each state of a door is a type of its own, so that to open a locked door is no mistake that
 * happens at night: it does not compile.
 *
 *   doors DIR DOOR              walks a door through its moves, from whatever state it is in
 *   doors DIR DOOR MOVE         one move by name, judged when it runs: the same machine as a table
 */
#include <batpak/batpak.h>

#include <inttypes.h>
#include <string.h>

#define DOOR(STATE, MOVE, m)                       \
    STATE(m, closed)                               \
    STATE(m, opened)                               \
    STATE(m, locked)                               \
    MOVE(m, push, closed, opened, BP_KIND(0xF, 1)) \
    MOVE(m, shut, opened, closed, BP_KIND(0xF, 2)) \
    MOVE(m, lock, closed, locked, BP_KIND(0xF, 3)) \
    MOVE(m, unlock, locked, closed, BP_KIND(0xF, 4))

struct keyhole {
    int key; /* what every state of a door carries along */
};

BP_TYPESTATE(door, DOOR, closed, struct keyhole);

static void say(const bp_stance *stance, const char *text)
{
    printf("%6" PRIu64 "  %s\n", stance->receipt.clock, text);
}

/* Through the door and locks it behind. Takes a closed door: no other compiles here. */
static bp_status pass_through(bp_store *store, door_closed closed, door_locked *locked_out, bp_error *error)
{
    bp_payload by = bp_json("{\"by\":\"alice\"}");
    door_opened opened;
    door_closed behind;
    bp_status status = door_push(store, closed, by, NULL, &opened, error);
    if (status != BP_OK) {
        return status;
    }
    say(&opened.stance, "pushed open");

    /* An open door has no lock to turn:
     *
     *     status = door_lock(store, opened, by, NULL, locked_out, error);
     *
     * error: incompatible type for argument 2 of 'door_lock'
     * note: expected 'door_closed' but argument is of type 'door_opened' */

    status = door_shut(store, opened, by, NULL, &behind, error);
    if (status == BP_OK) {
        say(&behind.stance, "shut");
        status = door_lock(store, behind, by, NULL, locked_out, error);
    }
    if (status == BP_OK) {
        say(&locked_out->stance, "locked");
    }
    return status;
}

static bp_status walk(bp_store *store, const char *name, bp_error *error)
{
    door_any door;
    door_closed closed;
    door_locked locked;
    bp_payload none = bp_raw(NULL, 0);
    bp_status status = door_load(store, bp_at(name, "dungeon"), (struct keyhole){.key = 42}, &door, error);
    if (status != BP_OK) {
        return status;
    }
    printf("%s is %s\n", name, door_state_name(door.state));
    switch (door.state) {
    case door_state_locked:
        status = door_unlock(store, door.as.locked, none, NULL, &closed, error);
        break;
    case door_state_opened:
        status = door_shut(store, door.as.opened, none, NULL, &closed, error);
        break;
    default:
        closed = door.as.closed;
        break;
    }
    if (status != BP_OK || (status = pass_through(store, closed, &locked, error)) != BP_OK) {
        return status;
    }

    /* A state is a value and can be kept, but not used twice: the store knows that the door has moved since. */
    bp_status again = pass_through(store, closed, &locked, NULL);
    printf("the same door once more: %s\n", bp_status_name(again));
    return BP_OK;
}

static bp_status move_by_name(bp_store *store, const char *name, const char *word, bp_error *error)
{
    const bp_machine *machine = door_machine();
    bp_stance stance;
    size_t move = 0;
    if (!bp_machine_find_move(machine, bp_text_of(word), &move)) {
        *error = (bp_error){.status = BP_ERR_ARGUMENT, .message = "a door is pushed, shut, locked or unlocked"};
        return BP_ERR_ARGUMENT;
    }
    bp_status status = bp_machine_load(store, machine, bp_at(name, "dungeon"), &stance, error);
    if (status == BP_OK) {
        status = bp_machine_apply(store, machine, move, &stance, bp_raw(NULL, 0), NULL, error);
    }
    if (status == BP_OK) {
        printf("%s is %s\n", name, machine->states[stance.state]);
    }
    return status;
}

int main(int argc, char **argv)
{
    if (argc != 3 && argc != 4) {
        fputs("usage: doors DIR DOOR [push|shut|lock|unlock]\n", stderr);
        return 2;
    }
    bp_error error = {0};
    bp_store *store = NULL;
    if (bp_open(argv[1], NULL, &store, &error) != BP_OK ||
        (argc == 3 ? walk(store, argv[2], &error) : move_by_name(store, argv[2], argv[3], &error)) != BP_OK) {
        bp_print_error(stderr, &error);
        bp_close(store, NULL);
        return 1;
    }
    return bp_close(store, &error) == BP_OK ? 0 : bp_print_error(stderr, &error);
}
