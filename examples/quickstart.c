/* quickstart.c: the first program of README.md, as printed there. It makes ./data and appends one event. */
/* clang-format off */
#include <batpak/batpak.h>
#include <stdio.h>

int main(void)
{
    bp_error error = {0};
    bp_store *store = NULL;
    bp_receipt receipt;

    if (bp_open("./data", NULL, &store, &error) != BP_OK ||
        bp_append(store, bp_at("player:alice", "room:dungeon"), bp_kind(0xF, 1),
                  bp_json("{\"x\":10,\"y\":20}"), NULL, &receipt, &error) != BP_OK) {
        return bp_print_error(stderr, &error);
    }
    printf("sequence %llu\n", (unsigned long long)receipt.sequence);
    return bp_close(store, &error) == BP_OK ? 0 : bp_print_error(stderr, &error);
}
