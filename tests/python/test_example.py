#!/usr/bin/env python3
"""The worked example of docs/format.md: its bytes are read by the second reader, and every sum and hash is right."""

import os
import pathlib
import re
import sys

SOURCE = pathlib.Path(os.environ.get("BATPAK_SOURCE", pathlib.Path(__file__).resolve().parents[2]))
sys.path.insert(0, str(SOURCE / "tools"))
sys.dont_write_bytecode = True

from read_format.frames import SIZE, Segment, header_at  # noqa: E402
from read_format.hashes import crc32c  # noqa: E402
from read_format.records import checked_record  # noqa: E402


def example():
    page = (SOURCE / "docs" / "format.md").read_text("utf-8")
    lines = re.search(r"```hex\n(.*?)```", page, re.S).group(1).splitlines()
    data = bytearray()
    for line in lines:
        offset, text = line.split(": ")
        assert int(offset, 16) == len(data), line
        data += bytes.fromhex(text)
    return bytes(data)


def main():
    data = example()
    store_id = data[16:32]
    assert data[:8] == b"BATPAKSG"
    assert crc32c(data[:12] + bytes(4) + data[16:64]) == int.from_bytes(data[12:16], "little") == 0xD15A0DB0
    segment = Segment("example", 0, int.from_bytes(data[40:48], "little"))
    frame = header_at(data, 64, segment)
    assert (frame.length, frame.records, frame.type, frame.first, frame.previous, frame.crc) == (232, 1, 1, 0, 0, 0x76213904)
    record = checked_record(data, 64 + SIZE, 64 + frame.length, store_id)
    assert not list(record.faults())
    assert crc32c(data[128:132]) == 0x176A4176
    assert bytes(record.payload) == b'{"x":10,"y":20}'
    assert record.computed_hash(bytes(32)) == data[208:240]
    close = header_at(data, 296, segment)
    assert (close.type, close.length, close.first, close.previous, close.frontier) == (4, 64, 1, frame.crc, 296)
    assert len(data) == 360
    print("the worked example is right")


if __name__ == "__main__":
    main()
