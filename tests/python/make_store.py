#!/usr/bin/env python3
"""Builds stores by docs/format.md, for the tests of tools/read_format.py and without the library.

A Maker collects frames and events; files() gives the bytes by name. Every number that a test may want to get wrong can
be given.

  make_store.py DIR     writes a store with one of everything
  make_store.py         writes it somewhere and asks the reader to verify it
"""

import pathlib
import struct
import subprocess
import sys
import tempfile
import uuid

TOOLS = pathlib.Path(__file__).resolve().parents[2] / "tools"
sys.path.insert(0, str(TOOLS))

from read_format.hashes import crc32c, derive  # noqa: E402

DATA, PAD, MARK, CLOSE, FOLD = 1, 2, 3, 4, 5
BOOT = bytes.fromhex("0102030405060708090a0b0c0d0e0f10")
MOUNT = 77
SYSTEM = "batpak:system"
NIL = bytes(16)


def event_id(number):
    """Ids that repeat from run to run."""
    return struct.pack(">QQ", 0x0190_0000_0000_7000 | number >> 32, 0x8000_0000_0000_0000 | number)


def extension(tag, value):
    return struct.pack("<HH", tag, len(value)) + value


def pad64(data):
    return data + bytes(-len(data) % 64)


def root(hashes):
    if len(hashes) < 2:
        return hashes[0] if hashes else bytes(32)
    k = 1
    while k * 2 < len(hashes):
        k *= 2
    return derive("batpak 2026 v1 node", root(hashes[:k]) + root(hashes[k:]))


class Seg:
    def __init__(self, ordinal, generation, salt, epoch):
        self.ordinal, self.generation, self.salt, self.epoch = ordinal, generation, salt, epoch
        self.body = bytearray()
        self.sealed = None
        self.hashes = []
        self.frames = 0
        self.first = 0
        self.commits = []       # of each DATA frame the events
        self.last = 0           # CRC field of its last header, of a rewritten one
        self.rewritten = 0
        self.retired = False

    @property
    def end(self):
        return 64 + len(self.body)

    @property
    def name(self):
        return f"log/{self.ordinal:010d}-{self.generation}.seg"


class Maker:
    def __init__(self, store_id=b"STORE-ID-16BYTES", epoch=1, segment_size=65536, first_ordinal=0):
        self.store_id = store_id
        self.epoch = epoch
        self.segment_size = segment_size
        self.segments = []
        self.previous = 0
        self.sequence = 0
        self.hlc = 1_790_000_000_000 << 16
        self.chains = {}
        self.durable = 0
        self.events = []
        self.next_ordinal = first_ordinal
        self.flags = 0
        self.generation = 2
        self.live_state = None
        self.changes = {}       # of slot fields
        self.made = {}          # event by the bytes of its record
        self.segment()

    # -- positions

    @property
    def seg(self):
        return self.segments[-1]

    def end(self):
        return self.seg.ordinal << 32 | self.seg.end

    def segment(self):
        ordinal = self.next_ordinal
        self.next_ordinal += 1
        salt = 0xA1B2C3D4E5F60718 + ordinal * 0x0101010101010101 & 0xFFFFFFFFFFFFFFFF
        self.segments.append(Seg(ordinal, 1, salt, self.epoch))
        self.seg.first = self.sequence
        return self.seg

    def sync(self):
        """What was written is durable: frames from now on say so."""
        self.durable = self.end()

    # -- records

    def record(self, entity="order:1", kind=0x1001, payload=b"{}", scope="shop", causes=(), outside=False, flags=0,
               payload_type=0, payload_version=0, lane=0, depth=0, correlation=None, gates=None, hops=0, extra=b"",
               private=b"", stub=False, tombstoned=False, id=None, clock=None, hlc=None, time=None, sequence=None,
               salt=None):
        """The bytes of the next record."""
        entity, scope = (x.encode() if isinstance(x, str) else x for x in (entity, scope))
        id = id or event_id(self.sequence + 1)
        sequence = self.sequence if sequence is None else sequence
        last_clock, last_hash = self.chains.get(entity, (-1, bytes(32)))
        clock = last_clock + 1 if clock is None else clock
        hlc = self.hlc + 1 if hlc is None else hlc
        time = -5 + sequence * 1000 if time is None else time
        salt = struct.pack("<QQ", sequence + 1, 0x5A17) if salt is None else salt
        public = extension(1, struct.pack("<II", lane, depth)) if lane or depth else b""
        public += extension(2, correlation) if correlation else b""
        if gates:
            public += extension(3, b"".join(bytes([len(g)]) + g for g in gates))
        public += extension(4, struct.pack("<I", hops)) if hops else b""
        public += extension(5, b"") if outside else b""
        public += extra
        content = derive("batpak 2026 v1 content", pad64(struct.pack("<QHHI", len(payload), len(private), 0, 0) + salt
                                                         + private + payload))
        names = b"".join(causes) + entity + scope + public
        sizes = struct.pack("<HHH", len(entity), len(scope), len(public))
        what = struct.pack("<HHBBH", kind, flags, payload_type, len(causes), payload_version)
        event_hash = derive("batpak 2026 v1 event", pad64(id + what + sizes + bytes(2) + content + names) + last_hash
                            + struct.pack("<QQQq", sequence, clock, hlc, time))
        tail = names + (content if stub else private + payload)
        length = -(-(128 + len(tail)) // 8) * 8
        fixed = struct.pack("<IQ16sQqQHHBBHIHHBBHHH32s16s", length, sequence, id, hlc, time, clock, kind, flags,
                            payload_type, (1 if stub else 0) | (2 if tombstoned else 0), payload_version,
                            0 if stub else len(payload), len(entity), len(scope), len(causes), 0, len(public),
                            0 if stub else len(private), 0, event_hash, bytes(16) if stub else salt)
        rest = tail + bytes(length - 128 - len(tail))
        crc = crc32c(self.store_id + rest + fixed)
        self.chains[entity] = clock, event_hash
        self.hlc = max(hlc, self.hlc)
        self.sequence += 1
        self.seg.hashes.append(event_hash)
        event = {"id": id, "entity": entity, "payload": payload, "hash": event_hash, "sequence": sequence, "hlc": hlc,
                 "clock": clock, "scope": scope, "fixed": fixed, "names": names, "content": content}
        self.events.append(event)
        event["bytes"] = struct.pack("<I", crc) + fixed + rest
        self.made[event["bytes"]] = event
        return event["bytes"]

    def stub_of(self, event, state=1):
        """The record without its payload, which says in its state what it is."""
        tail = event["names"] + event["content"]
        length = -(-(128 + len(tail)) // 8) * 8
        f = event["fixed"]      # behind the CRC: every field lies 4 bytes before where the page has it
        fixed = (struct.pack("<I", length) + f[4:57] + bytes([state]) + f[58:60] + bytes(4) + f[64:72] + bytes(2) + f[74:108]
                 + bytes(16))
        rest = tail + bytes(length - 128 - len(tail))
        return struct.pack("<I", crc32c(self.store_id + rest + fixed)) + fixed + rest

    def fold_of(self, event, first, flags=None, zero=0):
        names = event["entity"] + event["scope"]
        length = -(-(88 + len(names)) // 8) * 8
        body = struct.pack("<IQ16sQQHHBBH32s", length, event["sequence"], event["id"], event["hlc"], event["clock"],
                           len(event["entity"]), len(event["scope"]), int(first) if flags is None else flags, zero, 0,
                           event["hash"]) + names
        body += bytes(length - 4 - len(body))
        return struct.pack("<I", crc32c(self.store_id + body)) + body

    # -- frames

    def frame(self, type, records=(), body=None, first=None, frontier=None, flags=128, epoch=None, previous=None,
              body_crc=None, lsn=None, length=None, zero=0, count=None, salt=None):
        body = b"".join(records) if body is None else body
        if body_crc is None:
            body_crc = crc32c(b"".join(r[:4] for r in records)) if records else crc32c(body) if body else 0
        first = self.sequence - len(records) if first is None else first
        head = struct.pack("<QIIBBHIQQQIII", self.seg.salt if salt is None else salt,
                           64 + len(body) if length is None else length,
                           len(records) if count is None else count, type, flags, zero,
                           self.epoch if epoch is None else epoch, self.end() if lsn is None else lsn, first,
                           self.durable if frontier is None else frontier, 0,
                           self.previous if previous is None else previous, body_crc)
        self.previous = crc32c(head)
        if type == DATA:
            self.seg.commits.append([self.made[r] for r in records if r in self.made])
        self.seg.body += head + struct.pack("<I", self.previous) + body
        self.seg.frames += 1

    def append(self, **fields):
        self.frame(DATA, [self.record(**fields)])

    def batch(self, *many):
        self.frame(DATA, [self.record(**fields) for fields in many])

    def mark(self):
        self.sync()
        self.frame(MARK)

    def roll(self, seal=False):
        """PAD and a new segment; seal: the one before gets its root into the list."""
        self.frame(PAD)
        if seal:
            self.seal()
        self.segment()

    def seal(self):
        seg = self.seg
        seg.sealed = (self.previous, seg.first, len(seg.hashes), seg.end, seg.frames,
                      self.hlc if self.events else 0, root(seg.hashes))

    def rewrite(self, first, count, fate, **wrong):
        """The sealed segments [first, first + count) become one. fate(event): "keep", "stub" or "drop"."""
        sources = self.segments[first:first + count]
        seg = Seg(sources[0].ordinal, sources[0].generation + 1, sources[0].salt ^ 0x5555, self.epoch)
        seg.first = sources[0].first
        seg.rewritten = 1
        before = next((s for s in reversed(self.segments[:first]) if not s.retired), None)
        kept = self.segments, self.previous, self.durable
        self.segments, self.previous, self.durable = [seg], before.sealed[0] if before else 0, 0
        run = None              # (type, flags, items) of the frame being filled
        for source in sources:
            seg.hashes += source.hashes
            for commit in source.commits:
                seg.commits.append(commit)
                for event in commit:
                    run = self._restate(run, event, event is commit[0], fate(event), wrong)
        self._end(run, wrong)
        self.frame(PAD, first=seg.first + len(seg.hashes))
        seg.last = self.previous
        self.segments, self.previous, self.durable = kept
        seg.sealed = (sources[-1].sealed[0], seg.first, len(seg.hashes), seg.end, seg.frames, sources[-1].sealed[5],
                      root(seg.hashes))
        self.segments[first:first + count] = [seg]
        self.changes = {"incompat": 1, **self.changes}
        return sources

    def _restate(self, run, event, begins, fate, wrong):
        type = FOLD if fate == "drop" else DATA
        fits = run and run[0] == type and (type == FOLD or not begins)
        if not fits:
            self._end(run, wrong)
            run = (type, 128 if begins or type == FOLD else 129, [], event["sequence"])
        item = {"keep": lambda: event["bytes"], "stub": lambda: self.stub_of(event),
                "drop": lambda: self.fold_of(event, begins, wrong.get("fold_flags"), wrong.get("fold_zero", 0))}[fate]()
        run[2].append(item)
        return run

    def _end(self, run, wrong):
        if run:
            flags = wrong.get("flags") if run[0] == FOLD and "flags" in wrong else run[1]
            commits = self.seg.commits
            self.seg.commits = []
            self.frame(run[0], run[2], first=run[3], flags=flags)
            self.seg.commits = commits

    def close(self):
        self.frame(CLOSE)
        self.sync()
        self.flags = 1
        self.live_state = 2

    # -- files

    def list_file(self, generation, entries):
        raw = b""
        for seg in entries:
            link, first, count, length, frames, hlc, merkle = seg.sealed or (0, 0, 0, 0, 0, 0, bytes(32))
            raw += struct.pack("<IIIIQQQQQQ32sII24x", seg.ordinal, seg.generation,
                               2 if seg.retired else 1 if seg.sealed else 0, link, seg.salt, first, count, length, frames,
                               hlc, merkle, seg.rewritten, seg.last)
        head = struct.pack("<Q16sII16x", generation, self.store_id, len(entries), 128)
        return self._sum(b"BATPAKSL" + struct.pack("<II", 1, 0) + head + raw)

    @staticmethod
    def _sum(data):
        return data[:12] + struct.pack("<I", crc32c(data[:12] + bytes(4) + data[16:])) + data[16:]

    def slot(self, generation, list_generation, list_file, **changes):
        fields = dict(magic=b"BATPAKMF", version=1, compat=0, ro_compat=0, incompat=0, epoch=self.epoch,
                      flags=self.flags, durable=self.durable, ceiling=self.hlc, segment_size=self.segment_size,
                      layout=2, cuts=0, last_cut=0, torn=0, store_id=self.store_id)
        fields.update(changes)
        f = fields
        raw = struct.pack("<8sIIQQQQ16sIIQQQIIIBBHIIQQ", f["magic"], f["version"], 0, generation, f["compat"],
                          f["ro_compat"], f["incompat"], f["store_id"], f["epoch"], f["flags"], f["durable"],
                          f["ceiling"], list_generation, len(list_file), crc32c(list_file), f["segment_size"],
                          f["layout"], 0, 0, f["cuts"], 0, f["last_cut"], f["torn"])
        return self._sum(raw + bytes(4096 - len(raw)))

    def segment_file(self, seg, full):
        head = b"BATPAKSG" + struct.pack("<II", 1, 0) + self.store_id + struct.pack(
            "<IIQI12x", seg.ordinal, seg.generation, seg.salt, seg.epoch)
        data = self._sum(head) + bytes(seg.body)
        return data + bytes(max(0, self.segment_size - len(data))) if full else data

    def live(self, published=None, durable=None, boot=BOOT, mount=MOUNT, state=1):
        ident = self.store_id + boot + struct.pack("<Q", mount)
        raw = ident + struct.pack("<II", self.epoch, 4242)
        data = b"BATPAKLV" + struct.pack("<II", 1, crc32c(raw)) + raw + struct.pack(
            "<QQQQIII", self.end() if published is None else published, self.sequence,
            self.durable if durable is None else durable, self.generation, 0, 0, state)
        return data + bytes(4096 - len(data))

    def files(self, full=True, live=None):
        """Name: bytes. The older slot is the one before the newest, with an older list of the same content."""
        g = self.generation
        new_list, old_list = (self.list_file(n, self.segments) for n in (g, g - 1))
        slots = {g % 2: self.slot(g, g, new_list, **self.changes)}
        slots[1 - g % 2] = self.slot(g - 1, g - 1, old_list, flags=0, durable=0,
                                         incompat=self.changes.get("incompat", 0) & 1) if g > 1 else bytes(4096)
        out = {"MANIFEST": slots[0] + slots[1], f"SEGMENTS-{g}": new_list}
        if g > 1:
            out[f"SEGMENTS-{g - 1}"] = old_list
        for seg in self.segments:
            out[seg.name] = self.segment_file(seg, full)
        if live is not None:
            out["live"] = live
        return out


def write(directory, files):
    root_path = pathlib.Path(directory)
    (root_path / "log").mkdir(parents=True, exist_ok=True)
    for name, data in files.items():
        (root_path / name).write_bytes(data)


def name_kind(maker, kind, name):
    """The fields of a kind-name event."""
    return dict(entity=SYSTEM, scope=SYSTEM, kind=0x0010, payload=struct.pack("<H", kind) + name.encode(),
                payload_version=1)


def everything(maker):
    """A history with one of everything."""
    maker.append(**name_kind(maker, 0x1001, "order.placed"))
    maker.append(entity="order:1", payload=b'{"a":1}', payload_type=1)
    maker.append(entity="bestellung:ä/日本", scope="büro", payload=b"\x81\xa1a\x01", payload_type=2,
                 payload_version=7)
    first = maker.events[1]["id"]
    maker.batch(dict(entity="order:1", causes=[first], correlation=first, lane=3, depth=2),
                dict(entity="order:2", payload=b"", payload_type=128, flags=1),
                dict(entity="order:1", payload=bytes(range(256)) * 3, payload_type=255, flags=2,
                     causes=[event_id(maker.sequence + 1), event_id(maker.sequence + 2)]))
    maker.append(entity="x", causes=[event_id(10 ** 9)], outside=True, hops=4, flags=8, gates=[b"limit", b"quota"])
    private = extension(0x8001, b"why not") + extension(0x8002, b"alice")
    maker.append(entity="secret", private=private, payload=b"\0" * 33)
    maker.append(entity="secret", stub=True, tombstoned=True, payload=b"gone", kind=0xD001)
    maker.append(entity="x", extra=extension(0x0777, b"unknown"), payload=uuid.UUID(int=5).bytes * 70)
    maker.mark()


def plain(maker, count, entity="order:1", size=20):
    for i in range(count):
        maker.append(entity=f"{entity}{i % 3}", payload=bytes([i % 251]) * (size + i % 9))


def example(directory):
    m = Maker()
    everything(m)
    m.roll(seal=True)
    plain(m, 30)
    m.roll()
    plain(m, 10)
    m.close()
    write(directory, m.files(live=m.live(state=2)))


def main():
    if len(sys.argv) > 1:
        example(sys.argv[1])
        return 0
    with tempfile.TemporaryDirectory() as directory:
        example(directory)
        return subprocess.run([sys.executable, TOOLS / "read_format.py", "verify", directory]).returncode


if __name__ == "__main__":
    sys.exit(main())
