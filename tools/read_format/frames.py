"""Frames: which are valid, which are accepted (section 5), and what the history asks of their records (section 6)."""

import hashlib
import struct

from .files import corrupt, lsn, newer
from .folds import checked_fold
from .hashes import crc32c
from .records import EFFECT_KINDS, SYSTEM_KINDS, SYSTEM_NAME, Reject, checked_record

DATA, PAD, MARK, CLOSE, FOLD, APPLIED, SIGNED_ROOT = 1, 2, 3, 4, 5, 6, 7
TYPE_NAMES = {1: "DATA", 2: "PAD", 3: "MARK", 4: "CLOSE", 5: "FOLD", 6: "APPLIED", 7: "SIGNED-ROOT"}
MUST_UNDERSTAND = 128
CONTINUES = 1
MAX_FRAME = 256 << 20
SIZE = 64
_HEADER = struct.Struct("<QIIBBHIQQQIIII")


class Header:
    def __init__(self, raw):
        (self.salt, self.length, self.records, self.type, self.flags, self.zero, self.epoch, self.lsn, self.first,
         self.frontier, self.origin, self.previous, self.body_crc, self.crc) = _HEADER.unpack(raw)


class Segment:
    """What frames need to know of the segment they are in. salt None: any but zero (its header is unreadable)."""

    def __init__(self, file, ordinal, salt, rewritten=False):
        self.rewritten = bool(rewritten)
        self.file = file
        self.ordinal = ordinal
        self.salt = salt
        self.salt_bytes = None if salt is None else salt.to_bytes(8, "little")


class State:
    """What the accepted frames came to. Compared by identity, never changed once another one was made from it."""

    __slots__ = ("previous", "epoch", "sequence", "frontier", "hlc", "clocks", "frames", "digest")

    def __init__(self):
        self.previous = 0       # CRC field of the last accepted header
        self.epoch = 0
        self.sequence = 0       # the next one
        self.frontier = 0       # the greatest of the accepted frames
        self.hlc = -1
        self.clocks = {}        # the next clock of each entity
        self.frames = 0
        self.digest = b""       # over all records, byte for byte

    def copy(self):
        other = State.__new__(State)
        for name in State.__slots__:
            setattr(other, name, getattr(self, name))
        other.clocks = dict(self.clocks)
        return other


def header_at(data, offset, segment):
    """The valid frame header at offset, or None. Offset must be a multiple of 8."""
    raw = data[offset:offset + SIZE]
    if len(raw) < SIZE:
        return None
    header = Header(raw)
    if header.lsn != lsn(segment.ordinal, offset) or header.salt == 0 or segment.salt not in (None, header.salt):
        return None
    return header if crc32c(raw[:60]) == header.crc else None


def valid_headers(data, start, segment):
    """(offset, header) of all valid frame headers at or beyond start."""
    if segment.salt is None:
        for offset in range(start, len(data) - SIZE + 1, 8):
            if int.from_bytes(data[offset + 24:offset + 32], "little") == lsn(segment.ordinal, offset):
                header = header_at(data, offset, segment)
                if header:
                    yield offset, header
        return
    at = data.find(segment.salt_bytes, start)
    while at >= 0:
        if at % 8 == 0:
            header = header_at(data, at, segment)
            if header:
                yield at, header
        at = data.find(segment.salt_bytes, at + 1)


def place_faults(header, state, limit, epoch):
    """(offset in the header, what) for everything that keeps a valid header from being the next frame's."""
    offset = header.lsn & 0xFFFFFFFF
    end = offset + header.length
    checks = ((header.length % 8 == 0 and SIZE <= header.length <= MAX_FRAME and end <= limit, 8,
               f"length {header.length}"),
              (header.zero == 0, 18, "zero field is not zero"),
              (header.previous == state.previous, 52, "previous is not the CRC of the frame before"),
              (max(1, state.epoch) <= header.epoch <= epoch, 20, f"epoch {header.epoch}"),
              (header.first == state.sequence, 32, f"first sequence {header.first}, not {state.sequence}"),
              (header.frontier <= header.lsn, 40, "frontier beyond its own position"))
    for right, at, what in checks:
        if not right:
            yield at, what


def is_known(header, segment):
    return header.type in (DATA, PAD, MARK, CLOSE) or header.type == FOLD and segment.rewritten


def type_fault(header, segment):
    """None, or (offset in the header, what, newer) about type, flags and what follows from the type."""
    if is_known(header, segment):
        allowed = CONTINUES if header.type == DATA and segment.rewritten else 0
        if header.flags & ~allowed != MUST_UNDERSTAND:
            return 17, f"flags {header.flags:#x}", False
        if header.type in (DATA, FOLD):
            return None if 1 <= header.records <= 4096 else (12, f"{header.records} records", False)
        if header.length != SIZE or header.records or header.body_crc:
            return 8, f"{TYPE_NAMES[header.type]} with a body", False
        return None
    if header.flags & MUST_UNDERSTAND:
        return 16, f"frame type {TYPE_NAMES.get(header.type, header.type)}", True
    if header.type in (FOLD, APPLIED) or header.flags:
        return 17, f"type {header.type} with flags {header.flags:#x}", False
    return None


def body(data, header, segment, store_id):
    """The records, or fold entries, of a frame whose CRCs are all right (none, if it is passed over). Raises Reject."""
    offset = header.lsn & 0xFFFFFFFF
    end = offset + header.length
    if header.type in (PAD, MARK, CLOSE):
        return []
    if not is_known(header, segment):
        if crc32c(data[offset + SIZE:end]) != header.body_crc:
            raise Reject(offset + 56, "body CRC is wrong", bad_sum=True)
        return []
    records, sums, at = [], [], offset + SIZE
    checked = checked_fold if header.type == FOLD else checked_record
    for _ in range(header.records):
        record = checked(data, at, end, store_id)
        records.append(record)
        sums.append(data[at:at + 4])
        at += record.length
    if at != end:
        raise Reject(at, "records do not fill the body")
    if crc32c(b"".join(sums)) != header.body_crc:
        raise Reject(offset + 56, "body CRC is wrong", bad_sum=True)
    return records


def record_faults(header, records):
    """(offset in the segment, what, sequence): rules that each record keeps by itself, and density."""
    for i, record in enumerate(records):
        if record.sequence != header.first + i:
            yield record.offset + 8, f"sequence {record.sequence}, not {header.first + i}", record.sequence
        for at, what in record.faults():
            yield record.offset + at, what, record.sequence


def kind_fault(record):
    if record.folded:
        return None
    system = record.kind in SYSTEM_KINDS
    category = record.kind >> 12
    if category == 0 and record.kind != 0 and not system or category == 0xD and record.kind not in EFFECT_KINDS:
        return f"reserved kind {record.kind:#06x}"
    if system != (record.entity == SYSTEM_NAME) or system and record.scope != SYSTEM_NAME:
        return f"kind {record.kind:#06x} with entity {record.entity!r} and scope {record.scope!r}"
    return None


def add_record(state, record):
    """Judges the record by the history so far and adds it. Returns (offset in the record, what) or None."""
    clock = state.clocks.get(record.entity, 0)
    if record.clock != clock:
        return 48, f"clock {record.clock}, not {clock}"
    if record.hlc <= state.hlc:
        return 32, f"HLC {record.hlc} is not beyond {state.hlc}"
    what = kind_fault(record)
    if what:
        return 56, what
    state.clocks[record.entity] = clock + 1
    state.hlc = record.hlc
    state.sequence += 1
    state.digest = hashlib.sha256(state.digest + record.data[record.offset:record.offset + record.length]).digest()
    return None


def accept(state, data, offset, limit, segment, store):
    """The next frame at offset, if it is accepted: (new state, header, records). Raises Reject, or Fault for damage.

    store: its store_id, the manifest's epoch and `copying`: whether states are kept.
    """
    header = header_at(data, offset, segment) if offset % 8 == 0 else None
    if header is None:
        raise Reject(offset, "no valid frame header")
    for at, what in place_faults(header, state, limit, store.epoch):
        raise Reject(offset + at, what)
    fault = type_fault(header, segment)
    if fault:
        at, what, is_newer = fault
        raise newer(segment.file, offset + at, what) if is_newer else Reject(offset + at, what)
    records = body(data, header, segment, store.store_id)
    for at, what, _ in record_faults(header, records):
        raise Reject(at, what)
    new = state.copy() if store.copying else state
    for record in records:
        fault = add_record(new, record)
        if fault:
            raise corrupt(segment.file, record.offset + fault[0], fault[1], record.sequence)
    new.previous = header.crc
    new.epoch = header.epoch
    new.frontier = max(new.frontier, header.frontier)
    new.frames += 1
    return new, header, records
