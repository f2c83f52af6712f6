#!/bin/bash
# On a terminal: colours unless NO_COLOR is set, rows no wider than the terminal, progress of what takes long. In a pipe
# none of it.
source "$BATPAK_SOURCE/tests/cli/lib.bash"

run 0 init ./s
run 0 append ./s -e order:1 -s eu -p "{\"text\":\"$(head -c 300 /dev/zero | tr '\0' x)\"}"
run 0 append ./s -e 漢字 -s eu -p "{\"text\":\"$(printf '漢%.0s' $(seq 100))\"}"
run 0 append ./s -e a -s eu -p 1
run 0 query ./s
[ "$(wc -L <out)" -gt 300 ] || fail "a row was cut in a pipe"

cat >terminal.py <<'END'
# terminal.py COLUMNS COMMAND...: runs it on a terminal of that width and prints what it wrote there.
import fcntl, os, pty, struct, sys, termios
pid, master = pty.fork()
if pid == 0:
    fcntl.ioctl(1, termios.TIOCSWINSZ, struct.pack("HHHH", 24, int(sys.argv[1]), 0, 0))
    os.execv(sys.argv[2], sys.argv[2:])
text = b""
while True:
    try:
        piece = os.read(master, 65536)
    except OSError:
        break
    if not piece:
        break
    text += piece
sys.stdout.buffer.write(text.replace(b"\r\n", b"\n"))
sys.exit(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
END
on_terminal() { # COLUMNS ARGUMENT...
    local columns=$1
    shift
    python3 terminal.py "$columns" "$BATPAK" "$@" >out || fail "batpak $* on a terminal ended with $?"
}

for columns in 60 80 132; do
    on_terminal "$columns" query ./s
    grep -q $'\033\[1m' out || fail "no bold head on a terminal"
    sed 's/\x1b\[[0-9;]*m//g' out >plain
    lines 4
    [ "$(wc -L <plain)" -le "$columns" ] || fail "a row is wider than $columns columns: $(cat plain)"
    [ "$(tail -n +2 plain | grep -c '…')" -eq 2 ] || fail "long payloads are not shown as cut: $(cat plain)"
done
NO_COLOR=1 on_terminal 80 query ./s
! grep -q $'\033' out || fail "colours in spite of NO_COLOR"
NO_COLOR='' on_terminal 80 query ./s
grep -q $'\033' out || fail "an empty NO_COLOR counts as set"
TERM=dumb on_terminal 80 query ./s
! grep -q $'\033' out || fail "colours on a dumb terminal"
on_terminal 80 query ./s --json
! grep -q $'\033' out || fail "colours in JSON"
json_lines

# Progress, with rate and, where the end is known, time left. It goes away when the work is done.
count=400
[ -z "${BATPAK_INSTRUMENTED:-}" ] || count=40 # which takes as long
seq "${count}000" | sed 's/.*/{"entity":"e:&","scope":"x","payload":{"number":&}}/' >events.jsonl
on_terminal 80 import ./s events.jsonl --durable --batch 50
if grep -q $'\r' out; then
    grep -qE 'imported [0-9,]+ events \([0-9]+ %\), [0-9,]+/s' out || fail "progress: $(tr '\r' '\n' <out | head -n 5)"
    grep -qE ', [0-9.:]+( s)? left' out || fail "no time left in the progress"
    tail -n 1 out | tr '\r' '\n' | tail -n 1 >end
    grep -qE $'^\033\\[Kbatpak import: '"$count,000 events appended" end || fail "the line is not taken away: $(cat end)"
else
    echo "too fast for progress"
fi
