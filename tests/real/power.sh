#!/bin/bash
# ctest: labels=campaign,slow serial timeout=7200
# Power cuts on real filesystems: an import is cut off by the ioctl that shuts a mounted filesystem down without writing its
# journal (FS_IOC_SHUTDOWN), which is unmounted and mounted again before anybody looks. Every line that was acknowledged before the
# cut is there, what is there is the beginning of the import, batches are whole, verify is clean, and the import repeated doubles nothing.
# What is acknowledged while the ioctl runs is counted, not judged: a machine without power would not have said it, and ext4 lets a
# sync that meets the ioctl succeed though it has not noted which blocks were written (docs/testing.md).
# Needs root, loop devices, mkfs.ext4 and mkfs.xfs; what cannot be done is said and skipped.
source "$BATPAK_SOURCE/tests/cli/lib.bash"

skip() {
    echo "SKIPPED: $*"
    exit 77
}
[ "$(id -u)" -eq 0 ] || skip "mounting a filesystem needs root"

mounted=
cleanup() {
    [ -z "$mounted" ] || umount "$mounted" 2>/dev/null || umount -l "$mounted" 2>/dev/null || true
}
trap cleanup EXIT

rounds=2
[ -z "${BATPAK_CAMPAIGN:-}" ] || rounds=${BATPAK_ROUNDS:-250}
lines=8000
[ -z "${BATPAK_CAMPAIGN:-}" ] || lines=30000
awk -v n="$lines" 'BEGIN { for (i = 1; i <= n; i++) printf "{\"entity\":\"e:%d\",\"scope\":\"x\",\"id\":\"urn:a:%d\",\"payload\":{\"n\":%d,\"t\":\"%0*d\"}}\n", i % 17, i, i, i % 400 + 1, 0 }' >plain.jsonl
awk '{ if (NR % 14 < 7) sub(/}$/, ",\"batch\":" int(NR / 14) "}"); print }' plain.jsonl >events.jsonl

# Shuts the filesystem down: nothing more of it reaches the device, not even its journal.
cut_power() {
    cp acked acked.before
    python3 -c 'import fcntl, os, struct, sys
fcntl.ioctl(os.open(sys.argv[1], os.O_RDONLY), 0x8004587d, struct.pack("I", 2))' "$1"
}

# What is there against what was acknowledged; prints how much.
judge() {
    python3 - <<'END'
import json
there = [json.loads(line) for line in open("out")]
lines = [json.loads(line) for line in open("events.jsonl")]
assert [e["sequence"] for e in there] == list(range(len(there))), "not dense"
assert [e["entity"] for e in there] == [e["entity"] for e in lines[: len(there)]], "not the beginning of the import"
assert [e["payload"] for e in there] == [e["payload"] for e in lines[: len(there)]], "other payloads"
def lines_of(name):
    text = open(name).read()
    return [json.loads(line) for line in text[: text.rfind("\n") + 1].splitlines()]
def is_there(a):
    return a["ack"] < len(there) and there[a["ack"]]["id"] == a["id"]
acked = lines_of("acked.before")
assert all(is_there(a) for a in acked), "an acknowledged line is lost"
late = sum(not is_there(a) for a in lines_of("acked"))
cut = len(there)
assert cut == len(lines) or cut == 0 or "batch" not in lines[cut] or lines[cut].get("batch") != lines[cut - 1].get("batch"), "half a batch"
print(len(acked), len(there), late)
END
}

one_round() { # FILESYSTEM ROUND
    local round=$2
    local options=("" "--durable" "--batch 20" "--batch 64 --durable")
    local chosen=${options[round % 4]}
    if [ "$((round % 8))" -eq 0 ] || [ ! -d m/s ]; then
        rm -rf m/s
        run 0 init m/s --segment-size 64K
        sync -f m
    fi
    # shellcheck disable=SC2086
    "$BATPAK" import m/s --ack $chosen <events.jsonl >acked 2>import.err &
    local importer=$!
    sleep "0.$(printf %03d $((RANDOM % 350 + 20)))"
    cut_power m
    local code=0
    wait "$importer" || code=$?
    # It had ended before, or it says what happened and with the right code.
    case $code in
        0) ;;
        4) grep -q '^batpak import: ' import.err || fail "round $round: no word of what happened" ;;
        135) ;; # SIGBUS: the medium failed under a mapping, which P10 names as its limit
        *) fail "round $round: import ended with $code: $(tail -n 3 import.err)" ;;
    esac
    umount m
    mount -o loop image m
    run 0 inspect-recovery m/s
    run 0 seal m/s # opens for writing: recovers
    run 0 verify m/s
    run 0 export m/s
    judge >judged || fail "$1, round $round ($chosen): $(cat judged)"
    read -r acked there late <judged
    total_late=$((total_late + late))
    total_acked=$((total_acked + acked))
    total_there=$((total_there + there))
    codes[code]=$((${codes[code]:-0} + 1))
    if [ "$((round % 8))" -eq 7 ]; then
        # shellcheck disable=SC2086
        run 0 import m/s events.jsonl $chosen
        run 0 query m/s --count
        [ "$(cat out)" = "$lines" ] || fail "$1, round $round: after the repeat there are $(cat out) events"
    fi
}

mkdir m
done_any=no
for filesystem in ext4 xfs; do
    if ! command -v "mkfs.$filesystem" >/dev/null; then
        echo "$filesystem: skipped, there is no mkfs.$filesystem"
        continue
    fi
    rm -f image
    truncate -s 400M image
    flag=-q
    [ "$filesystem" = ext4 ] || flag=-qf
    "mkfs.$filesystem" $flag image >mkfs.log 2>&1 || { echo "$filesystem: skipped, mkfs: $(tail -n 1 mkfs.log)"; continue; }
    if ! mount -o loop image m 2>mount.log; then
        echo "$filesystem: skipped, $(cat mount.log)"
        continue
    fi
    mounted=$PWD/m
    total_acked=0
    total_there=0
    total_late=0
    codes=()
    for round in $(seq "$rounds"); do
        one_round "$filesystem" "$round"
    done
    umount m
    mounted=
    done_any=yes
    echo "$filesystem: $rounds power cuts, $total_acked lines acknowledged before, all there; $total_there events found" \
        "($total_late lines acknowledged while it was cut are not there)" \
        "(${codes[4]:-0} imports were refused by the system, ${codes[0]:-0} had ended," \
        "${codes[135]:-0} died of a mapping without a medium)"
done
[ "$done_any" = yes ] || skip "no filesystem could be mounted"
