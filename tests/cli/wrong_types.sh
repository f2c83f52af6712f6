#!/bin/bash
# ctest: labels=slow
# What must not compile does not, in C and in C++, by gcc and by clang, and the compiler names the types that were mixed:
# a move from the wrong state, an id of another type, a format and what it prints. The right programs compile without a warning.
set -eu

fail() {
    echo "FAIL: $*" >&2
    exit 1
}

cat >before.c <<'END'
#include <batpak/batpak.h>
#define DOOR(STATE, MOVE, m) \
    STATE(m, closed) \
    STATE(m, opened) \
    STATE(m, locked) \
    MOVE(m, push, closed, opened, BP_KIND(0xF, 1)) \
    MOVE(m, shut, opened, closed, BP_KIND(0xF, 2)) \
    MOVE(m, lock, closed, locked, BP_KIND(0xF, 3))
struct door_data { int key; };
BP_TYPESTATE(door, DOOR, closed, struct door_data);
BP_TYPED_ID(order_id, "order");
BP_TYPED_ID(customer_id, "customer");
bp_status pay(bp_store *store, order_id order, customer_id customer);
bp_status run(bp_store *store, door_closed closed, order_id order, customer_id customer, bp_error *error);
bp_status pay(bp_store *store, order_id order, customer_id customer)
{
    return store != NULL && !order_id_is_nil(order) && !customer_id_is_nil(customer) ? BP_OK : BP_ERR_ARGUMENT;
}
bp_status run(bp_store *store, door_closed closed, order_id order, customer_id customer, bp_error *error)
{
    door_opened opened;
    door_locked locked;
    bp_payload none = bp_json("{}");
    bp_id plain = order_id_plain(order);
    bp_status status = door_push(store, closed, none, NULL, &opened, error);
    (void)plain;
    locked.data = closed.data;
    (void)locked;
END
echo '    return status == BP_OK ? pay(store, order, customer) : status; }' >after.c

compile() { # compiler
    local limit=-fmax-errors=0
    case $1 in clang*) limit=-ferror-limit=0 ;; esac
    case $1 in
        *++) "$1" -std=c++17 -Wall -Wextra -Wpedantic -Werror -fsyntax-only "$limit" -x c++ -I"$BATPAK_SOURCE/include" program.c ;;
        *) "$1" -std=c17 -Wall -Wextra -Wpedantic -Wshadow -Werror -fsyntax-only "$limit" -I"$BATPAK_SOURCE/include" program.c ;;
    esac
}

# Right lines, all in one program.
cat >right.lines <<'END'
if (status == BP_OK) { status = door_shut(store, opened, none, NULL, &closed, error); }
if (status == BP_OK) { status = door_lock(store, closed, none, NULL, &locked, error); }
END

# Wrong lines, each with the words that the compiler must say about it.
cat >wrong.lines <<'END'
status = door_lock(store, opened, none, NULL, &locked, error);    # door_opened door_closed
status = door_shut(store, locked, none, NULL, &closed, error);    # door_locked door_opened
status = door_push(store, closed, none, NULL, &locked, error);    # door_locked door_opened
closed = opened;                                                  # door_opened door_closed
status = door_unlock(store, locked, none, NULL, &closed, error);  # door_unlock
status = pay(store, customer, order);                             # customer_id order_id
order = customer;                                                 # customer_id order_id
order = plain;                                                    # bp_id order_id
if (order_id_equal(order, customer)) { status = BP_OK; }          # customer_id order_id
plain = order;                                                    # order_id bp_id
(void)bp_denial_say(NULL, "CODE", "%s", 7);                       # format
bp_denial_add(NULL, "key", "%d", "text");                         # format
END

# The errors and notes that belong to one line of the program: from its error to that of another line.
said_of() { # line
    awk -v wanted="^program.c:$1:" '/^program.c:[0-9]+:[0-9]+: error/ { inside = $0 ~ wanted; found = found || inside }
        inside { print } END { exit !found }' said
}

tried=0
for compiler in gcc clang g++ clang++; do
    command -v "$compiler" >/dev/null || continue
    tried=$((tried + 1))
    cat before.c right.lines after.c >program.c
    compile "$compiler" >said 2>&1 || fail "$compiler refuses what is right: $(cat said)"
    { cat before.c; sed 's/#.*//' wrong.lines; cat after.c; } >program.c
    if compile "$compiler" >said 2>&1; then fail "$compiler compiles what is wrong"; fi
    number=$(wc -l <before.c)
    while IFS='#' read -r code words; do
        number=$((number + 1))
        said_of "$number" >about || fail "$compiler compiles '$code'"
        for word in $words; do
            grep -q "$word" about || fail "$compiler on '$code' does not name $word: $(cat about)"
        done
    done <wrong.lines
done
[ "$tried" -gt 0 ] || fail "no compiler to try"
echo "what must not compile does not, by $tried compilers"
