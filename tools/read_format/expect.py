"""What recovery must come to for every single-byte change and every length of every authoritative file."""

import hashlib
import multiprocessing

from .files import Fault
from .hashes import crc32c
from .recovery import Cache, recover

PIECE = 4096  # mutations per task


class Judge:
    """Answers for mutations of one store. The undamaged store fills the caches first."""

    def __init__(self, files, identity):
        self.files = files
        self.identity = identity
        self.digests = self._digests()
        self.cache = Cache(files)
        crc32c.remember = True
        self.answer(files)
        crc32c.remember = False

    def _digests(self):
        """digests[n]: of the first n events of the undamaged store."""
        digests = {0: b""}

        def sink(_segment, _header, records):
            for record in records:
                raw = record.data[record.offset:record.offset + record.length]
                digests[len(digests)] = _extend(digests[len(digests) - 1], raw)

        try:
            recover(self.files, self.identity, sink=sink)
        except Fault:
            pass  # what was accepted before is the measure
        return digests

    def answer(self, files):
        try:
            out = recover(files, self.identity, self.cache)
        except Fault as fault:
            return "refuse " + fault.status
        events = out.state.sequence
        if self.digests.get(events) != out.state.digest:
            return "open-different"
        return f"{'touched' if out.touched else 'open'} {events} {int(out.torn_bytes > 0)}"


def _extend(digest, raw):
    return hashlib.sha256(digest + raw).digest()


def mutated(data, how, offset, xor):
    if how == "cut":
        return data[:offset]
    return b"".join((data[:offset], bytes((data[offset] ^ xor,)), data[offset + 1:]))


def runs(judge, how, name, start, end, xor):
    """[(first offset, end, answer)] with equal neighbours merged."""
    data = judge.files.get(name)
    found = []
    for offset in range(start, end):
        answer = judge.answer(judge.files.replaced(name, mutated(data, how, offset, xor)))
        if found and found[-1][2] == answer:
            found[-1][1] = offset + 1
        else:
            found.append([offset, offset + 1, answer])
    return found


_judge = None


def _task(task):
    how, name, start, end, xor = task
    return how, name, runs(_judge, how, name, start, end, xor)


def _tasks(files, flips, cuts, xor):
    for name, data in files.data.items():
        for how, wanted in (("flip", flips), ("cut", cuts)):
            if wanted:
                for start in range(0, len(data), PIECE):
                    yield how, name, start, min(start + PIECE, len(data)), xor


def _merged(results):
    """Lines of the results in order, runs joined over the borders of tasks."""
    held = None
    for how, name, found in results:
        for start, end, answer in found:
            if held and held[:2] == [how, name] and held[4] == answer:
                held[3] = end
                continue
            if held:
                yield _line(held)
            held = [how, name, start, end, answer]
    if held:
        yield _line(held)


def _line(held):
    how, name, start, end, answer = held
    return f"{how} {name} {start if end == start + 1 else f'{start}..{end}'} {answer}"


def expect(files, identity, flips, cuts, xor, jobs):
    """Yields the lines."""
    global _judge
    _judge = Judge(files, identity)
    tasks = list(_tasks(files, flips, cuts, xor))
    if jobs > 1:
        with multiprocessing.get_context("fork").Pool(jobs) as pool:
            yield from _merged(pool.imap(_task, tasks))
    else:
        yield from _merged(map(_task, tasks))
    if cuts:
        for name in files.data:
            yield f"remove {name} - {_judge.answer(files.replaced(name, None))}"
