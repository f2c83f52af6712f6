"""MANIFEST, SEGMENTS lists, segment headers and `live`: sections 3, 4, 5 and 8 of the page."""

import struct

from .files import all_zero, corrupt, newer
from .hashes import crc32c

VERSION = 1
SLOT = 4096
MANIFEST_SIZE = 2 * SLOT
FOLDED = 1  # the incompat bit of stores with rewritten segments
INCOMPAT_NAMES = {1: "FOLD frames", 2: "APPLIED frames"}
OPEN, SEALED, RETIRED = 0, 1, 2
SEGMENT_HEADER = 64

_SLOT = struct.Struct("<8sIIQQQQ16sIIQQQIIIB3sIIQQ")
_LIST = struct.Struct("<8sIIQ16sII16s")
_ENTRY = struct.Struct("<IIIIQQQQQQ32sII24s")
_SEGMENT = struct.Struct("<8sII16sIIQI12s")
_LIVE = struct.Struct("<8sII16s16sQIIQQQQIII")
LIST_HEADER, ENTRY = _LIST.size, _ENTRY.size


def crc_without_own(data):
    """The CRC of data with the field at 12 taken as zero."""
    return crc32c(data[16:], crc32c(data[:12] + bytes(4)))


class Manifest:
    def __init__(self, slot, index):
        (self.magic, self.version, self.crc, self.generation, self.compat, self.ro_compat, self.incompat, self.store_id,
         self.epoch, self.flags, self.durable, self.ceiling, self.list_generation, self.list_size, self.list_crc,
         self.segment_size, self.layout, zero3, self.cuts, zero4, self.last_cut,
         self.torn_bytes) = _SLOT.unpack_from(slot)
        self.index = index
        self.offset = index * SLOT
        self.zeros = not any(zero3) and zero4 == 0 and all_zero(slot, _SLOT.size, SLOT)

    @property
    def clean(self):
        return bool(self.flags & 1)


COUNT_MOST = 0xfff00000  # of epochs, ordinals and generations of segments


def parse_slot(data, index):
    """The manifest in a slot, None if the slot is not valid."""
    slot = data[index * SLOT:(index + 1) * SLOT]
    if len(slot) < SLOT or slot[:8] != b"BATPAKMF":
        return None
    manifest = Manifest(slot, index)
    if manifest.crc != crc_without_own(slot) or manifest.generation % 2 != index:
        return None
    if manifest.generation == 0 or manifest.generation >= 1 << 63:
        return None
    return manifest


def judge_manifest(m, writing):
    """Version, then bits, then fields."""
    name = "MANIFEST"
    if m.version > VERSION:
        raise newer(name, m.offset + 8, f"format version {m.version}")
    if m.version != VERSION:
        raise corrupt(name, m.offset + 8, f"format version {m.version}")
    unknown = m.incompat & ~FOLDED
    if unknown:
        bits = [INCOMPAT_NAMES.get(1 << i, f"bit {i}") for i in range(64) if unknown >> i & 1]
        raise newer(name, m.offset + 40, "needs " + ", ".join(bits))
    if m.ro_compat and writing:
        raise newer(name, m.offset + 32, f"unknown ro-compat bits {m.ro_compat:#x} forbid writing")
    size = m.segment_size
    checks = ((m.zeros, 109, "zero fields are not zero"),
              (m.flags in (0, 1), 68, f"flags {m.flags:#x}"),
              (0 < m.epoch <= COUNT_MOST, 64, f"epoch {m.epoch}"),
              (m.layout <= 5, 108, f"layout {m.layout}"),
              (size % 4096 == 0 and 65536 <= size <= 1 << 30, 104, f"segment size {size}"))
    for right, offset, what in checks:
        if not right:
            raise corrupt(name, m.offset + offset, what)


class Entry:
    def __init__(self, raw):
        (self.ordinal, self.generation, self.state, self.link, self.salt, self.first, self.events, self.length,
         self.frames, self.hlc, self.root, self.rewritten, self.own_link, self.zeros) = _ENTRY.unpack(raw)
        self.key = (self.ordinal, self.generation)
        self.salt_bytes = raw[16:24]
        self.sealed_only = raw[12:16] + raw[24:104]
        self.file = f"log/{self.ordinal:010}-{self.generation}.seg"  # replaced by the name found

    @property
    def last(self):
        """The CRC field of the last frame header in the segment. `link` is what its successor's first frame follows."""
        return self.own_link if self.rewritten else self.link


class SegmentList:
    def __init__(self, entries):
        self.entries = entries
        self.log = [e for e in entries if e.state != RETIRED]
        self.sealed = [e for e in self.log if e.state == SEALED]
        self.open = [e for e in self.log if e.state == OPEN]


def parse_list(data, name, manifest):
    """The list a manifest names. Raises a Fault."""
    if data is None:
        raise corrupt(name, 0, f"the list of manifest generation {manifest.generation} is missing")
    if len(data) != manifest.list_size or crc32c(data) != manifest.list_crc:
        raise corrupt(name, 0, "size or CRC is not what the manifest says")
    if len(data) < LIST_HEADER:
        raise corrupt(name, 0, "too short")
    magic, version, crc, generation, store, count, size, zeros = _LIST.unpack_from(data)
    if magic != b"BATPAKSL" or crc != crc_without_own(data):
        raise corrupt(name, 0, "magic or CRC is wrong")
    if version > VERSION:
        raise newer(name, 8, f"format version {version}")
    checks = ((version == VERSION, 8, f"format version {version}"),
              (generation == manifest.list_generation, 16, "generation is not the name's"),
              (store == manifest.store_id, 24, "another store's id"),
              (count >= 1 and size == ENTRY and len(data) == LIST_HEADER + count * ENTRY, 40,
               "count and size of entries"),
              (not any(zeros), 48, "zero fields are not zero"))
    for right, offset, what in checks:
        if not right:
            raise corrupt(name, offset, what)
    entries = [Entry(data[at:at + ENTRY]) for at in range(LIST_HEADER, len(data), ENTRY)]
    for i in range(len(entries)):
        what = _entry_fault(entries, i, manifest)
        if what:
            raise corrupt(name, LIST_HEADER + i * ENTRY, what)
    found = SegmentList(entries)
    if not found.log or found.log[-1].state != OPEN:
        raise corrupt(name, 0, "the last segment is not open")
    return found


def _entry_fault(entries, i, manifest):
    e = entries[i]
    if e.state > RETIRED:
        return f"state {e.state}"
    if any(e.zeros):
        return "zero fields are not zero"
    if e.salt == 0:
        return "salt 0"
    if e.ordinal > COUNT_MOST or e.generation > COUNT_MOST:
        return "ordinal or generation is out of range"
    if e.rewritten > 1 or e.own_link and not e.rewritten:
        return "rewritten, or its own link, is out of range"
    log = [x for x in entries[:i] if x.state != RETIRED]
    if e.state != RETIRED and log and e.ordinal <= log[-1].ordinal:
        return "ordinals do not ascend"
    if e.state == OPEN and any(e.sealed_only):
        return "an open entry has fields of a sealed one"
    if e.state != SEALED:
        return None
    if log and log[-1].state != SEALED:
        return "a sealed entry behind an open one"
    if e.first != (log[-1].first + log[-1].events if log else 0):
        return f"first sequence {e.first} does not join"
    if e.length < SEGMENT_HEADER or e.length % 8:
        return f"length {e.length}"
    if e.rewritten and not manifest.incompat & FOLDED:
        return "rewritten, but the manifest has no incompat bit for it"
    return None


class SegmentHeader:
    """readable: magic, version and CRC are right."""

    def __init__(self, data):
        self.readable = False
        self.version = self.salt = self.epoch = 0
        if len(data) < SEGMENT_HEADER:
            return
        (magic, self.version, crc, self.store_id, self.ordinal, self.generation, self.salt, self.epoch,
         zeros) = _SEGMENT.unpack_from(data)
        self.readable = magic == b"BATPAKSG" and crc == crc_without_own(data[:SEGMENT_HEADER]) and self.salt != 0
        self.zeros = not any(zeros)


def check_segment(files, entry, store_id):
    """The bytes of a listed segment. Raises a Fault if it is missing or its header is wrong."""
    name = files.segments.get(entry.key)
    if name is None:
        raise corrupt(entry.file, 0, "a listed segment is missing")
    entry.file = name
    data = files.get(name)
    header = SegmentHeader(data)
    if not header.readable:
        raise corrupt(name, 0, "segment header: short, or magic, CRC or salt is wrong")
    if header.version > VERSION:
        raise newer(name, 8, f"format version {header.version}")
    checks = ((header.version == VERSION, 8, f"format version {header.version}"),
              (header.store_id == store_id, 16, "another store's id"),
              ((header.ordinal, header.generation) == entry.key, 32, "ordinal or generation is not the name's"),
              (header.salt == entry.salt, 40, "salt is not the listed one"),
              (header.zeros, 52, "zero fields are not zero"))
    for right, offset, what in checks:
        if not right:
            raise corrupt(name, offset, "segment header: " + what)
    return data


class Live:
    def __init__(self, data):
        (self.magic, self.version, self.crc, self.store_id, self.boot, self.mount, self.epoch, self.pid, self.published,
         self.published_sequence, self.durable, self.manifest_generation, self.futex, self.waiters,
         self.state) = _LIVE.unpack_from(data)


def vouched_by_live(data, store_id, identity):
    """The LSNs by which `live` vouches: none if it is not believed."""
    if data is None or len(data) != 4096:
        return []
    live = Live(data)
    boot, mount = identity
    if (live.magic != b"BATPAKLV" or live.version != VERSION or live.crc != crc32c(data[16:64])
            or live.store_id != store_id or live.boot != boot or not any(live.boot)):
        return []
    return [live.published, live.durable] if mount is not None and live.mount == mount else [live.durable]
