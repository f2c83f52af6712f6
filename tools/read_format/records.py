"""Records: section 6 of the page, one record at a time."""

import re
import struct

from .hashes import crc32c, derive

FIXED = struct.Struct("<IIQ16sQqQHHBBHIHHBBHHH32s16s")
MAX_PAYLOAD = 64 << 20
STUB, TOMBSTONED = 1, 2
NIL = bytes(16)
SYSTEM_NAME = "batpak:system".encode()
SYSTEM_KINDS = {0x0001, 0x0002, 0x0003, 0x0004, 0x0005, 0x0010, 0x0011, 0x0012, 0x0013, 0x0FFE}
EFFECT_KINDS = {0xD001, 0xD002, 0xD004, 0xD005, 0xD006, 0xD007}
KIND_NAME, TOMBSTONE = 0x0010, 0x0FFE
LANE, CORRELATION, GATES, HOPS, OUTSIDE, BYPASS, SUBJECT = 1, 2, 3, 4, 5, 0x8001, 0x8002


TOMBSTONE_HEAD = re.compile(rb'\{"sequences":\[((?:0|[1-9][0-9]*)(?:,(?:0|[1-9][0-9]*))*)\]')


class Reject(Exception):
    """A frame is not accepted: what, and where in the segment. bad_sum: because a CRC is wrong."""

    def __init__(self, offset, what, bad_sum=False):
        super().__init__(what)
        self.offset = offset
        self.what = what
        self.bad_sum = bad_sum


class Record:
    """One record; parse() does not judge it, faults() does."""

    folded = False

    def __init__(self, data, offset):
        (self.crc, self.length, self.sequence, self.id, self.hlc, self.time, self.clock, self.kind, self.flags,
         self.payload_type, self.state, self.payload_version, self.payload_size, self.entity_size, self.scope_size,
         self.cause_count, self.zero1, self.public_size, self.private_size, self.zero2, self.event_hash,
         self.salt) = FIXED.unpack_from(data, offset)
        self.offset = offset
        self.data = data

    def split(self):
        """Cuts out the parts. False if they do not fill the length."""
        at = self.offset + FIXED.size
        end = self.offset + self.length
        causes, at = self._take(at, 16 * self.cause_count)
        self.entity, at = self._take(at, self.entity_size)
        self.scope, at = self._take(at, self.scope_size)
        self.public, at = self._take(at, self.public_size)
        self.private = self.payload = b""
        self.stub_hash = None
        if self.state & STUB:
            self.stub_hash, at = self._take(at, 32)
        else:
            self.private, at = self._take(at, self.private_size)
            self.payload, at = self._take(at, self.payload_size)
        self.causes = [causes[i:i + 16] for i in range(0, len(causes), 16)]
        return at <= end < at + 8 and end % 8 == 0 and not any(self.data[at:end])

    def _take(self, at, size):
        return self.data[at:at + size], at + size

    def faults(self):
        """(offset in the record, what) for every rule of section 6 that this record breaks by itself."""
        stub = self.state & STUB
        checks = ((self.id != NIL, 16, "nil id"),
                  (self.flags & ~0b1011 == 0, 58, f"flags {self.flags:#x}"),
                  (self.payload_type <= 2 or self.payload_type >= 128, 60, f"payload type {self.payload_type}"),
                  (self.state & ~3 == 0, 61, f"state {self.state:#x}"),
                  (self.payload_size <= (0 if stub else MAX_PAYLOAD), 64, f"payload size {self.payload_size}"),
                  (1 <= self.entity_size <= 1024, 68, f"entity size {self.entity_size}"),
                  (1 <= self.scope_size <= 1024, 70, f"scope size {self.scope_size}"),
                  (self.cause_count <= 64, 72, f"{self.cause_count} causes"),
                  (self.zero1 == 0 and self.zero2 == 0, 73, "zero fields are not zero"),
                  (not stub or self.private_size == 0, 76, "a stub with private extensions"),
                  (not stub or self.salt == NIL, 112, "a stub with a salt"))
        for right, offset, what in checks:
            if not right:
                yield offset, what
        if not self.split():
            yield 4, f"length {self.length} is not the parts' one"
            return
        if NIL in self.causes:
            yield 128, "a nil cause"
        if not good_name(self.entity):
            yield 128 + 16 * self.cause_count, "entity is not a name"
        if not good_name(self.scope):
            yield 128 + 16 * self.cause_count + self.entity_size, "scope is not a name"
        public = list(extension_faults(self.public, False, self))
        for what in public + list(extension_faults(self.private, True, self)):
            yield 74, what

    def extensions(self):
        return [*extensions(self.public), *extensions(self.private)]

    def extension(self, tag):
        return dict(self.extensions()).get(tag)

    def content_hash(self):
        if self.state & STUB:
            return self.stub_hash
        head = struct.pack("<QHxxxxxx16s", len(self.payload), len(self.private), self.salt)
        return derive("batpak 2026 v1 content", padded(head + self.private + self.payload))

    def computed_hash(self, previous):
        head = struct.pack("<16sHHBBHHHHH32s", self.id, self.kind, self.flags, self.payload_type, self.cause_count,
                           self.payload_version, self.entity_size, self.scope_size, self.public_size, 0,
                           self.content_hash())
        body = padded(head + b"".join(self.causes) + self.entity + self.scope + self.public)
        tail = struct.pack("<32sQQQq", previous, self.sequence, self.clock, self.hlc, self.time)
        return derive("batpak 2026 v1 event", body + tail)

    def is_system(self):
        return self.entity == SYSTEM_NAME


def padded(data):
    return data + bytes(-len(data) % 64)


def good_text(data):
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        return None


def good_name(data):
    text = good_text(data)
    return text is not None and not any(c < " " or "\x7f" <= c <= "\x9f" for c in text)


def extensions(data):
    """(tag, value) pairs; None as value if the bytes end within one."""
    at = 0
    while at < len(data):
        if at + 4 > len(data):
            yield 0, None
            return
        tag, size = struct.unpack_from("<HH", data, at)
        at += 4
        yield tag, data[at:at + size] if at + size <= len(data) else None
        at += size


def extension_faults(data, private, record):
    last = -1
    for tag, value in extensions(data):
        if value is None:
            yield "extensions end within one"
            return
        if tag <= last:
            yield f"extension {tag:#06x}: tags do not ascend"
        if bool(tag & 0x8000) != private:
            yield f"extension {tag:#06x} stands among the {'private' if private else 'public'} ones"
        if not good_extension(tag, value, record):
            yield f"extension {tag:#06x}: wrong value"
        last = tag


def good_extension(tag, value, record):
    if tag == LANE:
        return len(value) == 8 and any(value)
    if tag == CORRELATION:
        return len(value) == 16 and value not in (NIL, record.id)
    if tag == GATES:
        return good_gates(value)
    if tag == HOPS:
        return len(value) == 4 and any(value)
    if tag == OUTSIDE:
        return not value
    if tag in (BYPASS, SUBJECT):
        return good_text(value) is not None
    return True


def good_gates(value):
    at = 0
    while at < len(value):
        at += 1 + value[at]
    return at == len(value)


def kind_name(record):
    """(kind, name) of a kind-name event's payload, or what is wrong with it."""
    payload = record.payload
    if record.payload_type != 0 or record.payload_version != 1 or len(payload) < 3:
        return "a kind name that is not raw, version 1, kind and name"
    kind = int.from_bytes(payload[:2], "little")
    name = payload[2:]
    letters = set(b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ") | set(range(0x80, 0x100))
    others = set(name) - letters - set(b"0123456789._-/")
    if len(name) > 255 or good_text(name) is None or name[0] not in letters or others:
        return f"kind {kind:#06x}: not a kind name"
    return kind, name


def buried(record):
    """The sequences that a TOMBSTONE event names, or what is wrong with it."""
    match = TOMBSTONE_HEAD.match(record.payload)
    if record.payload_type != 1 or record.payload_version != 1 or not match:
        return "a TOMBSTONE that is not JSON, version 1, with sequences in front"
    sequences = [int(number) for number in match[1].split(b",")]
    ascend = all(a < b for a, b in zip(sequences, sequences[1:]))
    if len(sequences) > 64 or not ascend or sequences[-1] >= record.sequence:
        return "a TOMBSTONE whose sequences are not 1 to 64 earlier ones, ascending"
    return sequences


_sums = {}  # of records met while CRCs are remembered


def record_sum(raw, store_id):
    """CRC(store id, bytes 128..length, bytes 4..128)."""
    key = store_id, raw
    crc = _sums.get(key)
    if crc is None:
        crc = crc32c(raw[4:FIXED.size], crc32c(raw[FIXED.size:], crc32c(store_id)))
        if crc32c.remember:
            _sums[key] = crc
    return crc


def checked_record(data, offset, end, store_id):
    """The record at offset if its length is possible and its CRC right; else Reject."""
    if end - offset < FIXED.size:
        raise Reject(offset, "no room for a record")
    length = int.from_bytes(data[offset + 4:offset + 8], "little")
    if length < FIXED.size or length % 8 or offset + length > end:
        raise Reject(offset + 4, f"record length {length}")
    record = Record(data, offset)
    if record_sum(data[offset:offset + length], store_id) != record.crc:
        raise Reject(offset, "record CRC is wrong", bad_sum=True)
    return record
