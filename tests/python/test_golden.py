#!/usr/bin/env python3
"""The second reader over the golden stores: verify is clean, and the events are those that are kept beside them."""

import json
import os
import pathlib
import subprocess
import sys

SOURCE = pathlib.Path(os.environ.get("BATPAK_SOURCE", pathlib.Path(__file__).resolve().parents[2]))
STORES = ("plain", "buffered", "torn", "regrown", "rewritten")


def reader(*arguments):
    command = [sys.executable, "-B", str(SOURCE / "tools" / "read_format.py"), *arguments, "--boot", "00"]
    return subprocess.run(command, capture_output=True, check=False)


def check(name):
    folder = SOURCE / "tests" / "golden" / name
    proof = reader("verify", str(folder))
    if proof.returncode != 0:
        return f"{name}: verify ends with {proof.returncode}: {proof.stdout.decode()}{proof.stderr.decode()}"
    events = reader("events", "--all", str(folder))
    kept = (SOURCE / "tests" / "golden" / f"{name}.jsonl").read_bytes()
    if events.stdout != kept:
        got = events.stdout.splitlines()
        for number, line in enumerate(kept.splitlines()):
            if number >= len(got) or got[number] != line:
                return f"{name}: line {number + 1} differs from {name}.jsonl"
        return f"{name}: {len(got)} events, {len(kept.splitlines())} are kept"
    return None


def contents():
    """What the golden stores are for is really in them."""
    lines = [json.loads(line) for name in STORES
             for line in (SOURCE / "tests" / "golden" / f"{name}.jsonl").read_text("utf-8").splitlines()]
    wanted = {
        "causes": any(len(line["causes"]) > 1 for line in lines),
        "payload types": {0, 1, 2, 128, 255} <= {line["payload_type"] for line in lines},
        "non-ASCII names": any(not line["entity"].isascii() for line in lines),
        "system events": any(line["entity"] == "batpak:system" for line in lines),
        "extensions": {1, 2, 5} <= {extension["tag"] for line in lines for extension in line["extensions"]},
    }
    rewritten = [line for line in lines if line["state"] or line["prev_hash"] is None]
    wanted["stubs, tombstones, events behind a dropped one"] = ({0, 2, 3} <= {line["state"] for line in rewritten}
                                                               and any(line["prev_hash"] is None for line in rewritten))
    golden = SOURCE / "tests" / "golden"
    wanted["several segments"] = len(list((golden / "plain" / "log").glob("*.seg"))) >= 3
    wanted["evidence of a cut"] = len(list((golden / "regrown" / "log").glob("*.torn"))) == 1
    return [f"no {what} in the golden stores" for what, there in wanted.items() if not there]


def main():
    faults = [fault for fault in map(check, STORES) if fault] + contents()
    for fault in faults:
        print(fault)
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
