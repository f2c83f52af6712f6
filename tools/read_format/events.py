"""Events and frames as JSON Lines."""

import base64
import json
import struct
import uuid

from .files import lsn_text
from .frames import TYPE_NAMES
from .records import CORRELATION, LANE, STUB, TOMBSTONE, TOMBSTONED, buried
from .recovery import recover


def name_text(raw):
    return raw.decode("utf-8", "replace")


def event(record, previous):
    lane, depth = struct.unpack("<II", record.extension(LANE) or bytes(8))
    correlation = record.extension(CORRELATION) or record.id
    absent = record.state & STUB
    return {
        "sequence": record.sequence,
        "id": str(uuid.UUID(bytes=record.id)),
        "entity": name_text(record.entity),
        "scope": name_text(record.scope),
        "kind": record.kind,
        "clock": record.clock,
        "hlc": f"{record.hlc >> 16}.{record.hlc & 0xFFFF}",
        "time": record.time,
        "correlation": str(uuid.UUID(bytes=correlation)),
        "causes": [str(uuid.UUID(bytes=cause)) for cause in record.causes],
        "lane": lane,
        "depth": depth,
        "flags": record.flags,
        "payload_base64": None if absent else base64.b64encode(record.payload).decode(),
        "payload_type": record.payload_type,
        "payload_version": record.payload_version,
        "extensions": [{"tag": tag, "value": value.hex()} for tag, value in record.extensions()],
        "salt": record.salt.hex(),
        "state": record.state,
        "prev_hash": None if previous is None else previous.hex(),
        "event_hash": record.event_hash.hex(),
        "content_hash": record.content_hash().hex(),
    }


def frame(segment, header):
    return {
        "frame": TYPE_NAMES.get(header.type, header.type),
        "file": segment.file,
        "offset": header.lsn & 0xFFFFFFFF,
        "length": header.length,
        "records": header.records,
        "flags": header.flags,
        "epoch": header.epoch,
        "first": header.first,
        "frontier": lsn_text(header.frontier),
        "origin": header.origin,
        "previous": f"{header.previous:08x}",
        "crc": f"{header.crc:08x}",
    }


class Printer:
    def __init__(self, write, system, frames):
        self.write = write
        self.system = system
        self.frames = frames
        self.last = {}      # event hash of each entity's last event; None: retention dropped it
        self.lines = []
        self.by_sequence = {}

    def sink(self, segment, header, records):
        if self.frames:
            self.add(frame(segment, header))
        for record in records:
            previous = self.last.get(record.entity, bytes(32))
            self.last[record.entity] = None if record.folded else record.event_hash
            if record.folded:
                continue
            if record.kind == TOMBSTONE and not record.state & STUB:
                self.bury(buried(record))
            if record.is_system() and not self.system:
                continue
            line = event(record, previous)
            if self.frames:
                line["file"], line["offset"] = segment.file, record.offset
            self.by_sequence[record.sequence] = line
            self.add(line)

    def bury(self, sequences):
        if isinstance(sequences, str):
            return
        for sequence in sequences:
            if sequence in self.by_sequence:
                self.by_sequence[sequence]["state"] |= TOMBSTONED

    def add(self, line):
        self.lines.append(line)

    def flush(self):
        for line in self.lines:
            self.write(json.dumps(line, ensure_ascii=False) + "\n")


def print_events(files, identity, write, system=False, frames=False):
    """All events of the log as recovery leaves it; nothing, if it refuses (the Fault is raised)."""
    printer = Printer(write, system, frames)
    recover(files, identity, sink=printer.sink, writing=False)
    printer.flush()
