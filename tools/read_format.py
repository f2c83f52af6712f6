#!/usr/bin/env python3
"""A second reader of the batpak format, written from docs/format.md alone. It writes nothing.

  read_format.py selftest                         hashes against published vectors
  read_format.py events DIR [--all] [--frames]    the events as JSON Lines; --all: system events too; --frames: a line
                                                  for every frame before its events
  read_format.py verify DIR                       everything, one line per fault; exit 0 clean, 3 damaged
  read_format.py recover DIR                      what an opening must come to, as JSON
  read_format.py expect DIR --flips --cuts [--xor 0x01] [--jobs N]
                                                  the same for every changed byte and every length of every file

--boot HEX and --mount N say against what `live` is believed: without --boot this machine's boot id; without --mount
only its durable LSN counts. Exit codes: 0, 1 selftest failed, 2 usage, 3 damaged or refused.

expect prints `flip|cut FILE OFFSET ANSWER` and `remove FILE - ANSWER`; OFFSET is n or, for a run, first..end (half
open), with cut the length left. ANSWER is `open EVENTS CUT`, `refuse STATUS`, `open-different`, or
`touched EVENTS CUT`: it opens, and the damage in a sealed segment, which is not read then, shows when it is touched.
"""

import argparse
import json
import os
import sys

from read_format import events, expect, recovery, selftest, verify
from read_format.files import Fault, load


def arguments():
    parser = argparse.ArgumentParser(prog="read_format.py", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("selftest")
    made = {}
    for name in ("events", "verify", "recover", "expect"):
        made[name] = commands.add_parser(name)
        made[name].add_argument("directory", metavar="DIR")
        made[name].add_argument("--boot", metavar="HEX")
        made[name].add_argument("--mount", type=lambda text: int(text, 0), metavar="N")
    made["events"].add_argument("--all", action="store_true")
    made["events"].add_argument("--frames", action="store_true")
    made["expect"].add_argument("--flips", action="store_true")
    made["expect"].add_argument("--cuts", action="store_true")
    made["expect"].add_argument("--xor", type=lambda text: int(text, 0), default=1)
    made["expect"].add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    return parser.parse_args()


def write(text):
    sys.stdout.buffer.write(text.encode("utf-8"))


def run(args):
    if args.command == "selftest":
        return selftest.run()
    identity = recovery.current_identity(args.boot, args.mount)
    files = load(args.directory)
    if args.command == "events":
        events.print_events(files, identity, write, args.all, args.frames)
        return 0
    if args.command == "verify":
        return verify.run(files, identity, write)
    if args.command == "expect":
        for line in expect.expect(files, identity, args.flips, args.cuts, args.xor, args.jobs):
            write(line + "\n")
        return 0
    write(json.dumps(recovery.recover(files, identity).as_json()) + "\n")
    return 0


def main():
    args = arguments()
    try:
        return run(args)
    except Fault as fault:
        if args.command == "recover":
            write(json.dumps(recovery.refusal(fault)) + "\n")
        else:
            print(f"refused: {fault.status}: {fault.line()}", file=sys.stderr)
        return 3
    except BrokenPipeError:
        return 3


if __name__ == "__main__":
    sys.exit(main())
