"""Every check of the page over the whole store. Goes on behind a fault where the structure allows it."""

from .files import Fault, corrupt, lsn, lsn_text
from .folds import checked_fold
from .frames import DATA, FOLD, PAD, Segment, add_record, header_at, is_known, kind_fault, place_faults, record_faults, \
    type_fault, valid_headers
from .hashes import crc32c, derive
from .layout import MANIFEST_SIZE, SEALED, SEGMENT_HEADER, SLOT, check_segment, judge_manifest, parse_slot, \
    vouched_by_live
from .records import KIND_NAME, OUTSIDE, STUB, TOMBSTONE, Reject, buried, checked_record, kind_name
from .recovery import Cache, check_unlisted, choose_manifest, list_of, recover, sealed_fault


def merkle_root(hashes):
    if not hashes:
        return bytes(32)
    if len(hashes) == 1:
        return hashes[0]
    k = 1 << (len(hashes) - 1).bit_length() - 1
    return derive("batpak 2026 v1 node", merkle_root(hashes[:k]) + merkle_root(hashes[k:]))


class History:
    """What the log came to so far. `gaps` counts places where records were lost; what they said is not asked for."""

    def __init__(self):
        self.previous = self.epoch = self.sequence = self.frontier = self.frames = 0
        self.hlc = -1
        self.clocks = {}
        self.digest = b""
        self.chains = {}    # entity: (event hash, gaps when it was seen)
        self.ids = {}
        self.kinds = {}
        self.names = {}
        self.gaps = 0
        self.broken = False  # frames were lost before the next one

    def lose(self, frames):
        self.gaps += 1
        self.broken = self.broken or frames


class Verifier:
    def __init__(self, files, identity):
        self.files = files
        self.identity = identity
        self.faults = []
        self.notes = []
        self.history = History()
        self.segment = None
        self.tail = None

    def add(self, offset, what, sequence=None):
        self.faults.append(corrupt(self.segment.file, offset, what, sequence))

    def run(self):
        refused = self.recovered()
        try:
            self.structure()
        except Fault as fault:
            self.faults.append(fault)
        if refused and not any(fault.file == refused.file for fault in self.faults):
            self.faults.append(refused)

    def recovered(self):
        """What an opening comes to: the Fault, or None and where the log ends."""
        try:
            out = recover(self.files, self.identity, writing=False)
        except Fault as fault:
            return fault
        self.tail = out.p
        if out.torn_bytes:
            self.notes.append(f"an opening would cut {out.torn_bytes} bytes at {lsn_text(out.p)}")
        return None

    def structure(self):
        data = self.files.get("MANIFEST")
        if data is None:
            return
        self.manifest = choose_manifest(data, False, Cache())
        self.other_slot(data)
        self.list = list_of(self.files, self.manifest, Cache())
        try:
            check_unlisted(self.files, self.list, Cache())
        except Fault as fault:
            self.faults.append(fault)
        live = vouched_by_live(self.files.get("live"), self.manifest.store_id, self.identity)
        self.vouched = max([self.manifest.durable, *live])
        for entry in self.list.log:
            if not self.listed(entry):
                break

    def other_slot(self, data):
        if len(data) != MANIFEST_SIZE:
            self.faults.append(corrupt("MANIFEST", len(data), f"size {len(data)}"))
        index = 1 - self.manifest.index
        other = parse_slot(data, index)
        if other is None:
            if any(data[index * SLOT:(index + 1) * SLOT]):
                self.notes.append(f"MANIFEST offset {index * SLOT}: slot {index} is not valid (torn or damaged)")
            return
        try:
            judge_manifest(other, False)
            list_of(self.files, other, Cache())
        except Fault as fault:
            self.faults.append(fault)
        if other.generation != self.manifest.generation - 1:
            self.faults.append(corrupt("MANIFEST", other.offset + 16,
                                       f"generation {other.generation} of the older slot"))
        if other.store_id != self.manifest.store_id:
            self.faults.append(corrupt("MANIFEST", other.offset + 48, "store ids differ"))

    def listed(self, entry):
        """One segment. False: the log ends in it."""
        try:
            data = check_segment(self.files, entry, self.manifest.store_id)
        except Fault as fault:
            self.faults.append(fault)
            data = self.files.get(entry.file)
            if data is None:
                self.history.lose(frames=True)
                return True
        self.segment = Segment(entry.file, entry.ordinal, entry.salt, entry.rewritten)
        history = self.history
        frames, gaps, faults = history.frames, history.gaps, len(self.faults)
        self.hashes = []
        sealed = entry.state == SEALED
        end, goes_on = self.frames(data, entry.length if sealed else len(data), sealed)
        if sealed and gaps == history.gaps == 0 and len(self.faults) == faults:
            what = sealed_fault(entry, history, end, frames)
            if what:
                self.add(end, "sealed: " + what)
            if merkle_root(self.hashes) != entry.root:
                self.add(0, "Merkle root is not the listed one")
        if sealed and not history.broken:
            history.previous = entry.link
        return goes_on or sealed

    def frames(self, data, limit, sealed):
        """All frames of a segment. Returns (where they end, whether the log goes on in the next one)."""
        offset = SEGMENT_HEADER
        while offset < limit and (sealed or lsn(self.segment.ordinal, offset) != self.tail):
            header = header_at(data, offset, self.segment)
            if header is None:
                further = next(valid_headers(data, offset + 8, self.segment), None)
                if further is None and not sealed and lsn(self.segment.ordinal, offset) >= max(
                        self.vouched, self.history.frontier):
                    return offset, self.tail is None
                self.add(offset, "no valid frame header", self.history.sequence)
                self.history.lose(frames=True)
                if further is None:
                    return offset, True
                offset = further[0]
                continue
            self.frame(data, header, limit)
            offset += header.length if header.length % 8 == 0 and header.length >= 64 else 8
            if header.type == PAD:
                return offset, True
        return offset, lsn(self.segment.ordinal, offset) != self.tail

    def frame(self, data, header, limit):
        history = self.history
        offset = header.lsn & 0xFFFFFFFF
        if history.broken:
            if header.first != history.sequence:
                self.add(offset, f"sequences {history.sequence}..{header.first} are lost", history.sequence)
            history.previous, history.sequence, history.broken = header.previous, header.first, False
        for at, what in place_faults(header, history, limit, self.manifest.epoch):
            self.add(offset + at, what, header.first)
        fault = type_fault(header, self.segment)
        if fault:
            self.add(offset + fault[0], fault[1], header.first)
        history.previous, history.epoch = header.crc, header.epoch
        history.frontier = max(history.frontier, header.frontier)
        history.frames += 1
        history.sequence = header.first
        end = offset + header.length
        if end > len(data):
            history.lose(frames=True)
        elif header.type in (DATA, FOLD) and is_known(header, self.segment):
            self.body(data, header, offset, end)
        elif crc32c(data[offset + 64:end]) != header.body_crc:
            self.add(offset + 56, "body CRC is wrong", header.first)

    def body(self, data, header, offset, end):
        at, whole, sums = offset + 64, True, []
        for i in range(header.records):
            try:
                checked = checked_fold if header.type == FOLD else checked_record
                record = checked(data, at, end, self.manifest.store_id)
            except Reject as reject:
                whole = False
                self.history.lose(frames=False)
                self.add(reject.offset, reject.what, header.first + i)
                if not reject.bad_sum:
                    break
                at += int.from_bytes(data[at + 4:at + 8], "little")
                continue
            sums.append(data[at:at + 4])
            self.record(header, i, record)
            at += record.length
        self.history.sequence = header.first + header.records
        if whole and at != end:
            self.add(at, "records do not fill the body", header.first)
        elif whole and crc32c(b"".join(sums)) != header.body_crc:
            self.add(offset + 56, "body CRC is wrong", header.first)

    def record(self, header, i, record):
        history = self.history
        bad = False
        header_first, header.first = header.first, header.first + i
        for at, what, sequence in record_faults(header, [record]):
            self.add(at, what, sequence)
            bad = True
        header.first = header_first
        self.hashes.append(record.event_hash)
        if bad:
            history.lose(frames=False)
            return
        self.chain(record)
        fault = add_record(history, record)
        while fault:
            at, what = fault
            self.add(record.offset + at, what, record.sequence)
            if at == 48:
                history.clocks[record.entity] = record.clock
            elif at == 32:
                history.hlc = record.hlc - 1
            else:
                history.clocks[record.entity] = record.clock + 1
                break
            fault = add_record(history, record)
        history.hlc = record.hlc
        self.relations(record)
        if not record.folded and not kind_fault(record) and not record.state & STUB:
            self.taught(record)
        end = lsn(self.segment.ordinal, (header.lsn & 0xFFFFFFFF) + header.length)
        if end <= self.manifest.durable and record.hlc > self.manifest.ceiling:
            self.add(record.offset + 32, "HLC is beyond the manifest's ceiling", record.sequence)

    def chain(self, record):
        """The event hash, and the entity's chain. Behind a gap the chain starts anew with what is there."""
        history = self.history
        previous, gaps = history.chains.get(record.entity, (bytes(32), 0))
        lost = gaps != history.gaps and history.clocks.get(record.entity, 0) != record.clock
        if lost:
            history.clocks[record.entity] = record.clock
        elif not record.folded and record.computed_hash(previous) != record.event_hash:
            self.add(record.offset + 80, "event hash is wrong", record.sequence)
        history.chains[record.entity] = record.event_hash, history.gaps

    def relations(self, record):
        history = self.history
        if record.id in history.ids:
            self.add(record.offset + 16, f"id is that of sequence {history.ids[record.id]}", record.sequence)
        if not record.folded and record.extension(OUTSIDE) is None and not history.gaps:
            for i, cause in enumerate(record.causes):
                if cause not in history.ids:
                    self.add(record.offset + 128 + 16 * i, f"cause {cause.hex()} is no earlier event", record.sequence)
        history.ids[record.id] = record.sequence

    def taught(self, record):
        if record.kind == KIND_NAME:
            self.named(record)
        if record.kind == TOMBSTONE:
            found = buried(record)
            if isinstance(found, str):
                self.add(record.offset, found, record.sequence)

    def named(self, record):
        history = self.history
        found = kind_name(record)
        if isinstance(found, str):
            self.add(record.offset, found, record.sequence)
            return
        kind, name = found
        if kind in history.kinds or name in history.names:
            self.add(record.offset, f"kind {kind:#06x} or its name was named before", record.sequence)
        history.kinds[kind] = history.names[name] = record.sequence


def run(files, identity, write):
    verifier = Verifier(files, identity)
    verifier.run()
    for note in verifier.notes:
        write(f"note: {note}\n")
    for fault in verifier.faults:
        write(fault.line() + "\n")
    return 3 if verifier.faults else 0
