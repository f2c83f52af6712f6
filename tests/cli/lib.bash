# lib.bash: what the tests of the command share; sourced by them, no test itself.
#
#   run CODE ARGUMENT...     runs the command; stdout goes to the file `out`, stderr to `err`
#   says TEXT / shows TEXT   stderr / stdout of the last run has it
#   feed TEXT                what the next run reads on stdin

set -euo pipefail
: "${BATPAK:?the command to test}" "${BATPAK_SOURCE:?the source folder}"
unset NO_COLOR
export TERM=xterm LC_ALL=C.UTF-8
input=/dev/null

fail() {
    echo "FAIL: $*" >&2
    exit 1
}

run() {
    local expected=$1 code=0
    shift
    "$BATPAK" "$@" <"$input" >out 2>err || code=$?
    input=/dev/null
    if [ "$code" -ne "$expected" ]; then
        fail "batpak $* ended with $code, not $expected
--- stdout
$(head -c 2000 out | tr -d '\0')
--- stderr
$(head -c 2000 err)"
    fi
}

feed() {
    printf '%s\n' "$@" >input
    input=input
}

says() {
    grep -qF -- "$1" err || fail "stderr does not say '$1' but: $(cat err)"
}

shows() {
    grep -qF -- "$1" out || fail "stdout does not show '$1' but: $(head -c 2000 out)"
}

silent() {
    [ ! -s err ] || fail "stderr should be empty but says: $(cat err)"
}

empty() {
    [ ! -s out ] || fail "stdout should be empty but shows: $(head -c 2000 out)"
}

lines() {
    local count
    count=$(wc -l <out)
    [ "$count" -eq "$1" ] || fail "$count lines on stdout, not $1: $(head -c 2000 out)"
}

# One Python for the whole test reads what commands print: starting one for each question takes longer than all
# else. A question and its answer end with a zero byte; an answer begins with = or, when it cannot be given, with !.
coproc READER { exec python3 -c '
import json, sys
while True:
    question = bytearray()
    while (byte := sys.stdin.buffer.read(1)) not in (b"", b"\0"):
        question += byte
    if not byte:
        break
    path, expression = question.decode().split("\n", 1)
    try:
        with open(path, encoding="utf-8") as lines:
            o = [json.loads(line) for line in lines]
        answer = "=" + str(eval(expression, {"json": json, "o": o}))
    except Exception as e:
        answer = "!%s: %s" % (type(e).__name__, e)
    sys.stdout.buffer.write(answer.encode() + b"\0")
    sys.stdout.buffer.flush()
'; }
exec {ask}>&"${READER[1]}" {answers}<&"${READER[0]}" # of their own, since subshells do not get those of a coprocess

# field EXPRESSION: of the objects on stdout as the list `o`.
field() {
    local answer
    printf '%s\n%s\0' "$PWD/out" "$1" >&"$ask"
    IFS= read -r -d '' answer <&"$answers" || fail "the reader of JSON ended at: $1"
    [ "${answer:0:1}" = "=" ] || fail "$1: ${answer:1}, in: $(head -c 2000 out)"
    printf '%s\n' "${answer:1}"
}

# Each line of stdout is a JSON value.
json_lines() {
    field 'len(o)' >/dev/null || fail "stdout is not JSON Lines: $(head -c 2000 out)"
}

is() {
    local value
    value=$(field "$1")
    [ "$value" = "$2" ] || fail "$1 is '$value', not '$2', in: $(head -c 2000 out)"
}

# Three events of two entities: 0 and 2 of order:1, 1 of user:1; 2 is caused by 0 and 1.
small_store() {
    run 0 init "$1"
    run 0 append "$1" -e order:1 -s eu -k 0x2001 -p '{"total":42}'
    run 0 append "$1" -e user:1 -s us -k 0x2002 -p '"hello"'
    run 0 append "$1" -e order:1 -s eu -k 0x2003 -p '[1,2]' --cause 0 --cause 1
}
