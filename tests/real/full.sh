#!/bin/bash
# ctest: labels=slow,campaign timeout=7200
# A filesystem that fills up: an import into a tmpfs of every size ends with a typed error, readers still answer, everything
# acknowledged is there, and with more room the repeated import completes it. One that counts no blocks is not full. Needs root to
# mount.
source "$BATPAK_SOURCE/tests/cli/lib.bash"

skip() {
    echo "SKIPPED: $*"
    exit 77
}
[ "$(id -u)" -eq 0 ] || skip "mounting a tmpfs needs root"
mkdir m
mount -t tmpfs -o size=1M none m 2>mount.log || skip "mount: $(cat mount.log)"
trap 'umount m 2>/dev/null || umount -l m || true' EXIT
umount m

awk 'BEGIN { for (i = 1; i <= 1500; i++) printf "{\"entity\":\"e:%d\",\"scope\":\"x\",\"id\":\"urn:a:%d\",\"payload\":{\"t\":\"%0*d\"}}\n", i % 5, i, i % 700 + 1, 0 }' >events.jsonl
# Filesystems that count no blocks are not full: a tmpfs without a limit, and one that cannot reserve either.
for kind in "tmpfs -o size=0" ramfs; do
    # shellcheck disable=SC2086
    mount -t $kind none m 2>mount.log || skip "mount: $(cat mount.log)"
    [ "$(stat -f -c %b m)" -eq 0 ] || fail "$kind counts its blocks"
    run 0 init m/s --segment-size 64K
    run 0 import m/s events.jsonl --durable
    run 0 verify m/s
    umount m
done

step=88
[ -z "${BATPAK_CAMPAIGN:-}" ] || step=4
options=("" "--durable" "--batch 30")
round=0
refused=0
for ((size = 12; size <= 1400; size += step)); do
    round=$((round + 1))
    mount -t tmpfs -o size=${size}K none m
    code=0
    : >acked
    "$BATPAK" init m/s --segment-size 64K >out 2>err || code=$?
    if [ "$code" -eq 0 ]; then
        # shellcheck disable=SC2086
        "$BATPAK" import m/s --ack ${options[round % 3]} <events.jsonl >acked 2>err || code=$?
    fi
    case $code in
        0) ;;
        4)
            refused=$((refused + 1))
            grep -qi 'no space left' err || fail "$size KiB: $(cat err)"
            ;;
        *) fail "$size KiB: ended with $code: $(cat err)" ;;
    esac
    # A reader beside the full disk.
    if [ -f m/s/MANIFEST ]; then
        run 0 verify m/s
        run 0 export m/s
        cp out before
    else
        : >before
    fi
    mount -o remount,size=32M m
    [ -f m/s/MANIFEST ] || run 0 init m/s --segment-size 64K
    # shellcheck disable=SC2086
    run 0 import m/s events.jsonl ${options[round % 3]}
    run 0 verify m/s
    run 0 export m/s
    python3 - <<'END' || fail "$size KiB: something acknowledged is not there, or something is there twice"
import json
there = [json.loads(line) for line in open("out")]
before = [json.loads(line) for line in open("before")]
acked = [json.loads(line) for line in open("acked").read().splitlines() if line.endswith("}")]
assert len(there) == 1500 and len({e["id"] for e in there}) == 1500
assert [e["event_hash"] for e in before] == [e["event_hash"] for e in there[: len(before)]]
assert all(a["ack"] < len(before) and there[a["ack"]]["id"] == a["id"] for a in acked)
END
    umount m
done
[ "$refused" -gt 3 ] || fail "only $refused of $round imports found no space"
echo "$round sizes from 12 KiB on, $refused imports found no space; everything acknowledged was there"
