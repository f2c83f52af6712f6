"""Recovery in memory: section 9, steps 1 to 4, and what steps 5 and 6 would do."""

import pathlib

from .files import Fault, corrupt, data_end, lsn, lsn_text
from .frames import MUST_UNDERSTAND, PAD, Segment, State, accept, valid_headers
from .index_files import covered
from .layout import (OPEN, SEGMENT_HEADER, SegmentHeader, check_segment, judge_manifest, parse_list, parse_slot,
                     vouched_by_live)
from .records import Reject


CLEAN_LOOK = 65536  # behind a clean end


class Cache:
    """Results of pure functions, so that many openings of almost the same store cost little.

    `steps` keeps accepted frames by the state before, the place and the bytes; `kept` whole results for contents that
    are the store's own (`own`), not mutated ones.
    """

    LIMIT = 400_000

    def __init__(self, files=None):
        self.on = files is not None
        self.own = {id(data) for data in files.data.values()} if files else set()
        self.keep_alive = files
        self.steps = {}
        self.kept = {}
        self.behind = {}  # the state behind each sealed segment of the undamaged store

    def call(self, data, function, *arguments):
        """function(data, *arguments), remembered if data is the store's own."""
        if id(data) not in self.own:
            return function(data, *arguments)
        key = (function, data, arguments)
        if key not in self.kept:
            self.kept[key] = function(data, *arguments)
        return self.kept[key]


class Store:
    """What the walk needs to know of the store."""

    def __init__(self, store_id, epoch, cache):
        self.store_id = store_id
        self.epoch = epoch
        self.cache = cache
        self.copying = cache.on
        self.start = State()


class Outcome:
    """An opening that succeeds."""

    def __init__(self):
        self.made = False       # there was nothing yet
        self.manifest = None
        self.list = None
        self.state = State()
        self.p = None
        self.stop = None        # the Reject at p
        self.vouched = 0
        self.torn_bytes = 0
        self.touched = None     # the Fault in a sealed segment that was not read: it shows when somebody does

    def as_json(self):
        cut = self.torn_bytes > 0
        clean = bool(self.manifest and self.manifest.clean and self.p == self.manifest.durable)
        epoch = self.manifest.epoch if self.manifest else 0
        answer = {"outcome": "open", "events": self.state.sequence, "next_sequence": self.state.sequence,
                  "p": None if self.p is None else lsn_text(self.p), "cut": cut, "torn_bytes": self.torn_bytes,
                  "clean": clean, "epoch_after": epoch if clean and not cut else epoch + 1}
        if self.made:
            answer["made"] = True
        return answer


def refusal(fault):
    return {"outcome": "refuse", "status": fault.status, "file": fault.file, "offset": fault.offset, "what": fault.what}


def current_identity(boot=None, mount=None):
    """(boot id as 16 bytes, mount or None)."""
    if boot is None:
        path = pathlib.Path("/proc/sys/kernel/random/boot_id")
        boot = path.read_text().strip() if path.exists() else "0" * 32
    return bytes.fromhex(boot.replace("-", "")), mount


def choose_manifest(data, writing, cache):
    """The valid slot with the greatest generation, judged."""
    slots = [m for m in (cache.call(data, parse_slot, index) for index in (0, 1)) if m]
    if not slots:
        raise corrupt("MANIFEST", 0, "no valid slot")
    manifest = max(slots, key=lambda m: m.generation)
    judge_manifest(manifest, writing)
    return manifest


def list_of(files, manifest, cache):
    name = files.lists.get(manifest.list_generation, f"SEGMENTS-{manifest.list_generation}")
    data = files.get(name)
    if data is None:
        return parse_list(data, name, manifest)
    return cache.call(data, parse_list, name, manifest)


def holds_frame(data, name, ordinal):
    """The offset of a valid frame header anywhere in a segment file, or None."""
    header = SegmentHeader(data)
    segment = Segment(name, ordinal, header.salt if header.readable else None)
    return next((offset for offset, _ in valid_headers(data, 0, segment)), None)


def check_without_manifest(files):
    for (ordinal, _), name in files.segments.items():
        offset = holds_frame(files.get(name), name, ordinal)
        if offset is not None:
            raise corrupt(name, offset, "a frame, but the store has no MANIFEST")


def check_unlisted(files, listed, cache):
    keys = {entry.key for entry in listed.entries}
    for key, name in files.segments.items():
        if key not in keys:
            offset = cache.call(files.get(name), holds_frame, name, key[0])
            if offset is not None:
                raise corrupt(name, offset, "a frame in a segment that no entry names")


def next_frame(state, data, offset, limit, segment, store):
    """accept(), from the cache if this very frame was accepted there after the same frames."""
    cache = store.cache
    if not cache.on:
        return accept(state, data, offset, limit, segment, store)
    end = offset + int.from_bytes(data[offset + 8:offset + 12], "little")
    if end > limit:
        return accept(state, data, offset, limit, segment, store)
    key = (state, segment.ordinal, segment.salt, offset, data[offset:end])
    found = cache.steps.get(key)
    if found is None:
        found = accept(state, data, offset, limit, segment, store)[:2] + (None,)
        if len(cache.steps) < cache.LIMIT:
            cache.steps[key] = found
    return found


def walk(data, state, limit, segment, store, sink=None):
    """Accepts frames from 64 on. Returns (state, position, Reject or None, whether a PAD ended it)."""
    offset = SEGMENT_HEADER
    while offset < limit:
        try:
            state, header, records = next_frame(state, data, offset, limit, segment, store)
        except Reject as reject:
            return state, offset, reject, False
        if sink:
            sink(segment, header, records)
        offset += header.length
        if header.type == PAD and header.flags == MUST_UNDERSTAND:
            return state, offset, None, True
    return state, offset, None, False


def greatest_frontier(data, start, segment):
    return max((header.frontier for _, header in valid_headers(data, start, segment)), default=0)


def sealed_fault(entry, state, position, before):
    """What differs from a sealed entry after its frames."""
    events = state.sequence - entry.first
    checks = ((position == entry.length, f"its frames end at {position}, not {entry.length}"),
              (events == entry.events, f"{events} events, not {entry.events}"),
              (state.frames - before == entry.frames, f"{state.frames - before} frames, not {entry.frames}"),
              (state.previous == entry.last, "link is not the last frame's"),
              (max(state.hlc, 0) == entry.hlc, "HLC is not the last event's"))
    return next((what for right, what in checks if not right), None)


class Recovery:
    """One opening. Everything that refuses it is raised as a Fault."""

    def __init__(self, files, identity, cache=None, sink=None, writing=True):
        self.files = files
        self.identity = identity
        self.cache = cache or Cache()
        self.sink = sink
        self.writing = writing
        self.out = Outcome()

    def run(self):
        manifest_data = self.files.get("MANIFEST")
        if manifest_data is None:
            check_without_manifest(self.files)
            self.out.made = True
            return self.out
        self.out.manifest = choose_manifest(manifest_data, self.writing, self.cache)
        self.out.list = list_of(self.files, self.out.manifest, self.cache)
        check_unlisted(self.files, self.out.list, self.cache)
        self.segments = self.listed_segments()
        key = ("store", self.out.manifest.store_id, self.out.manifest.epoch)
        self.store = self.cache.kept.get(key) or Store(*key[1:], self.cache)
        if self.cache.on:
            self.cache.kept[key] = self.store
        self.state = self.store.start
        self.sealed()
        self.rest()
        self.vouched()
        return self.out

    def listed_segments(self):
        found = []
        for entry in self.out.list.log:
            data = check_segment(self.files, entry, self.out.manifest.store_id)
            found.append((entry, data, self.cached_segment(entry)))
        return found

    def cached_segment(self, entry):
        """The same object for the same segment, as the cache compares arguments."""
        fields = entry.file, entry.ordinal, entry.salt, entry.rewritten
        if not self.cache.on:
            return Segment(*fields)
        return self.cache.kept.setdefault(fields, Segment(*fields))

    def walk(self, data, limit, segment):
        if self.sink or not self.cache.on:
            return walk(data, self.state, limit, segment, self.store, self.sink)
        return self.cache.call(data, walk, self.state, limit, segment, self.store)

    def sealed(self):
        """Step 1."""
        count = len(self.out.list.sealed)
        passed = covered(self.files, self.out.manifest, self.out.list)
        for entry, data, segment in self.segments[:count]:
            if len(data) < entry.length:
                raise corrupt(entry.file, len(data), f"ends before its listed length {entry.length}")
            try:
                self.read_sealed(entry, data, segment)
            except Fault as fault:
                if entry.ordinal not in passed or entry.ordinal not in self.cache.behind:
                    raise
                self.out.touched = fault
                self.state = self.cache.behind[entry.ordinal]
            if self.out.touched is None:
                self.cache.behind[entry.ordinal] = self.state
            self.end = (entry, entry.length)
        self.last = count - 1

    def read_sealed(self, entry, data, segment):
        before = self.state.frames
        self.state, position, reject, _ = self.walk(data, entry.length, segment)
        if reject:
            raise corrupt(entry.file, reject.offset, "sealed: " + reject.what, self.state.sequence)
        what = sealed_fault(entry, self.state, position, before)
        if what:
            raise corrupt(entry.file, position, "sealed: " + what)
        if entry.rewritten:
            self.carry_link(entry)

    def carry_link(self, entry):
        """What lies behind a rewritten segment follows the link that was carried over."""
        if not self.store.copying:
            self.state.previous = entry.link
            return
        carried = self.cache.kept.get(("carried", self.state, entry.link))
        if carried is None:
            carried = self.state.copy()
            carried.previous = entry.link
            self.cache.kept["carried", self.state, entry.link] = carried
        self.state = carried

    def rest(self):
        """Step 2."""
        self.stop = None
        for i in range(len(self.out.list.sealed), len(self.segments)):
            entry, data, segment = self.segments[i]
            self.state, position, self.stop, padded = self.walk(data, len(data), segment)
            self.last = i
            self.end = (entry, position)
            if not padded:
                break
        self.out.p = lsn(self.end[0].ordinal, self.end[1])
        self.out.stop = self.stop
        self.out.state = self.state

    def vouched(self):
        """Steps 3 and 4, and what step 5 would cut."""
        out = self.out
        entry, position = self.end
        voices = [("the manifest", out.manifest.durable), ("an accepted frame", self.state.frontier)]
        live = vouched_by_live(self.files.get("live"), out.manifest.store_id, self.identity)
        voices += [("live", value) for value in live]
        for i in range(max(self.last, 0), len(self.segments)):
            behind, data, segment = self.segments[i]
            if behind.state != OPEN:
                continue
            start = position if i == self.last else SEGMENT_HEADER
            if out.manifest.clean and out.p == out.manifest.durable:
                data = data[:start + CLEAN_LOOK] if len(data) > start + CLEAN_LOOK else data
            voices.append((f"a frame at or beyond {lsn_text(out.p)}",
                           self.cache.call(data, greatest_frontier, -start % 8 + start, segment)))
            out.torn_bytes += self.cache.call(data, data_end, start) - start
        who, out.vouched = max(voices, key=lambda voice: voice[1])
        if out.p < out.vouched:
            reject = out.stop
            why = f" ({reject.what})" if reject else ""
            raise corrupt(entry.file, position, f"the log ends here{why}, but {who} vouches for it to "
                          + lsn_text(out.vouched), self.state.sequence)


def recover(files, identity, cache=None, sink=None, writing=True):
    """The one recovery function: an Outcome, or a Fault raised."""
    return Recovery(files, identity, cache, sink, writing).run()
