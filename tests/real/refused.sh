#!/bin/bash
# ctest: labels=campaign,slow timeout=7200
# Systems that refuse: each of the calls that an import makes fails, by strace, as its nth call, once or from then on. And a
# directory that is read-only, rights that are taken away, few descriptors, files that may not grow, a second writer. Each ends with success
# or a typed error and exit code, never by a signal; what was acknowledged is there afterwards, and the repeated import completes it.
source "$BATPAK_SOURCE/tests/cli/lib.bash"

python3 - "$BATPAK" "${BATPAK_CAMPAIGN:+campaign}" <<'END' || fail "see above"
import json, os, random, resource, shutil, signal, subprocess, sys

command, campaign = sys.argv[1], len(sys.argv) > 2 and sys.argv[2] != ""
seed = int(os.environ.get("BATPAK_SEED", "0")) or (random.randrange(1 << 30) if campaign else 22)
draw = random.Random(seed)
print(f"seed {seed} (again: BATPAK_SEED={seed})")
LINES = 60


def lines():
    for n in range(LINES):
        yield {"entity": f"e:{n % 5}", "scope": "x", "id": f"urn:r:{n}", "payload": {"n": n, "t": "t" * (n * 97 % 3000)}}


with open("events.jsonl", "w") as file:
    for line in lines():
        file.write(json.dumps(line) + "\n")


def run(*arguments, **more):
    return subprocess.run([command, *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, check=False, **more)


def must(*arguments):
    done = run(*arguments)
    if done.returncode != 0:
        raise AssertionError(f"batpak {' '.join(arguments)} ended with {done.returncode}: {done.stderr}")
    return done.stdout


def fresh():
    """A store with sealed segments and an index, as a writer left it."""
    shutil.rmtree("s", ignore_errors=True)
    shutil.copytree("template", "s")


must("init", "template", "--segment-size", "64K")
first = [{"entity": f"e:{n % 5}", "scope": "x", "id": f"urn:f:{n}", "payload": {"t": "t" * 500}} for n in range(200)]
with open("first.jsonl", "w") as file:
    file.writelines(json.dumps(line) + "\n" for line in first)
must("import", "template", "first.jsonl")
BEFORE = len(first)


def judge(what, done, stdout, words=True):
    """After a call that may have been refused: no signal, a word, nothing acknowledged lost, and all can go on."""
    if done.returncode not in (0, 1, 2, 3, 4):
        raise AssertionError(f"{what}: ended with {done.returncode}: {done.stderr}")
    if words and done.returncode != 0 and "batpak import: " not in done.stderr:
        raise AssertionError(f"{what}: ended with {done.returncode} and said: {done.stderr!r}")
    acked = [json.loads(line) for line in stdout[: stdout.rfind("\n") + 1].splitlines()]
    must("seal", "s")
    must("verify", "s")
    there = [json.loads(line) for line in must("export", "s").splitlines()]
    wanted = [line["payload"] for line in first] + [line["payload"] for line in lines()]
    if [e["payload"] for e in there] != wanted[: len(there)]:
        raise AssertionError(f"{what}: what is there is not the beginning of the import")
    for line in acked:
        if line["ack"] >= len(there) or there[line["ack"]]["id"] != line["id"]:
            raise AssertionError(f"{what}: {line} was acknowledged and is not there")
    must("import", "s", "events.jsonl")
    if must("query", "s", "--count").strip() != str(BEFORE + LINES):
        raise AssertionError(f"{what}: the repeated import did not complete it")


def imported(*wrapper, options=(), **more):
    return subprocess.run([*wrapper, command, "import", "s", "events.jsonl", "--ack", *options], stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, text=True, check=False, timeout=120, **more)


# ---- calls that fail ----

CALLS = ["openat", "pread64", "read", "write", "pwrite64", "pwritev2", "fdatasync", "fsync", "ftruncate", "fallocate",
         "mmap", "munmap", "renameat", "rename", "unlinkat", "unlink", "mkdirat", "fstat", "newfstatat", "getdents64", "fcntl",
         "sync_file_range", "clone3", "getrandom"]
ERRORS = {"EIO": None, "EINTR": {"openat", "read", "pread64", "write", "pwrite64", "pwritev2", "fdatasync", "fsync", "fallocate"},
          "ENOSPC": {"openat", "write", "pwrite64", "pwritev2", "fallocate", "ftruncate", "mkdirat", "renameat", "fdatasync", "fsync"},
          "ENOMEM": {"mmap", "clone3", "openat"}, "EMFILE": {"openat"}}
OPTIONS = [(), ("--durable",), ("--batch", "7")]


def count_calls(*arguments):
    """How often the command makes each call."""
    counts = {}
    subprocess.run(["strace", "-f", "-qq", "-o", "trace", "-e", "trace=" + ",".join(CALLS), command, *arguments],
                   stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False)
    with open("trace") as file:
        for line in file:
            name = line.split(None, 1)[1].split("(", 1)[0] if "(" in line else ""
            counts[name] = counts.get(name, 0) + 1
    return counts


def strace_works():
    try:
        return count_calls("--version").get("openat", 0) > 0
    except FileNotFoundError:
        return False


refused = {}
if strace_works():
    loader = count_calls("--version")
    cases = []
    for way in OPTIONS:
        fresh()
        counts = count_calls("import", "s", "events.jsonl", "--ack", *way)
        for call in CALLS:
            for error, calls in ERRORS.items():
                if calls is not None and call not in calls:
                    continue
                for n in range(loader.get(call, 0) + 1, counts.get(call, 0) + 1):
                    cases.append((way, call, error, n, ""))
                    if error != "EINTR":  # interrupted for ever is waited for, for ever
                        cases.append((way, call, error, n, "+"))
    draw.shuffle(cases)
    if not campaign:
        cases = cases[:30]
    for way, call, error, n, on in cases[: int(os.environ.get("BATPAK_CASES", "100000000"))]:
        fresh()
        done = imported("strace", "-f", "-qq", "-o", "trace", "-e", f"trace={call}", "-e", f"inject={call}:error={error}:when={n}{on}",
                        options=way)
        what = f"{call} {n}{on} {error} {way}"
        if done.returncode == 127 and "shared librar" in done.stderr:
            continue  # the loader's own
        judge(what, done, done.stdout, words=call != "write")  # stderr is written to as well
        tally = refused.setdefault(call, [0, 0])
        tally[done.returncode != 0] += 1
    total = sum(map(sum, refused.values()))
    print(f"{total} injected failures, {sum(t[1] for t in refused.values())} ended in a typed error, the others were got over:",
          ", ".join(f"{call} {sum(t)}" for call, t in sorted(refused.items())))
else:
    print("SKIPPED: failing system calls: strace is missing or may not trace here")

# ---- descriptors, file sizes ----

tried = 0
for limit in list(range(3, 40)) if campaign else list(range(3, 40, 7)):
    fresh()
    done = imported(preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (limit, limit)))
    if done.returncode == 127:
        continue
    judge(f"{limit} descriptors", done, done.stdout)
    tried += 1
print(f"{tried} limits of descriptors")


def small_files(size):
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)  # else the system ends the process, as a kill does
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))


tried = 0
for size in range(4096, 140000, 4096 if campaign else 40000):
    fresh()
    done = imported(preexec_fn=lambda: small_files(size))
    judge(f"files of {size} bytes at most", done, done.stdout)
    tried += 1
print(f"{tried} limits of file sizes")

# ---- a second writer ----

fresh()
with subprocess.Popen([command, "import", "s", "--ack"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as holder:
    holder.stdin.write(json.dumps(next(lines())) + "\n")
    holder.stdin.flush()
    ack = holder.stdout.readline()
    done = imported()
    assert done.returncode == 4 and f"process {holder.pid}" in done.stderr, done.stderr
    holder.stdin.close()
    assert holder.wait() == 0
judge("a second writer", done, ack)
print("a second writer was refused with the pid")

# ---- rights ----


def nobody():
    os.setgid(65534)
    os.setuid(65534)


if os.getuid() == 0:
    kinds = {"root": "s", "log": "s/log", "index": "s/index"}
    here = os.getcwd()
    shutil.copy(command, "tool")
    os.chmod("tool", 0o755)
    reachable = all(os.stat(p).st_mode & 0o001 for p in [here] + [here[:i] for i in range(1, len(here)) if here[i] == "/"])
    os.chmod(here, 0o755)
    for name, path in kinds.items():
        for mode in (0o500, 0o000):
            fresh()
            for folder, folders, files in os.walk("s"):
                for entry in [folder] + [os.path.join(folder, f) for f in files]:
                    os.chown(entry, 65534, 65534)
            os.chmod(path, mode)
            done = subprocess.run(["./tool", "import", "s", "events.jsonl", "--ack"], stdout=subprocess.PIPE,
                                  stderr=subprocess.PIPE, text=True, check=False, preexec_fn=nobody)
            os.chmod(path, 0o700)
            for folder, folders, files in os.walk("s"):
                for entry in [folder] + [os.path.join(folder, f) for f in files]:
                    os.chown(entry, 0, 0)
            judge(f"{path} with mode {mode:o}", done, done.stdout)
            if path != "s/index" and mode == 0 and reachable:  # read-only may do: there are files that can be written
                assert done.returncode == 4, (path, mode, done.returncode, done.stderr)
    for file in ("MANIFEST", "LOCK", "log/0000000000-1.seg"):
        fresh()
        for folder, folders, files in os.walk("s"):
            for entry in [folder] + [os.path.join(folder, f) for f in files]:
                os.chown(entry, 65534, 65534)
        os.chmod("s/" + file, 0)
        done = subprocess.run(["./tool", "import", "s", "events.jsonl", "--ack"], stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE, text=True, check=False, preexec_fn=nobody)
        os.chmod("s/" + file, 0o600)
        judge(f"{file} without rights", done, done.stdout)
    print("rights that were taken away")
else:
    fresh()
    os.chmod("s/log", 0o500)
    done = imported()
    os.chmod("s/log", 0o700)
    judge("a read-only log", done, done.stdout)
    print("a read-only log")
END
