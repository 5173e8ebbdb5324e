# SPDX-License-Identifier: MIT
"""Which allocators are compared, and the proof that one was really in use."""

import glob
import os
import re
import struct

DEBIAN = {
    "mimalloc-deb": "libmimalloc.so.2",
    "jemalloc-deb": "libjemalloc.so.2",
    "tcmalloc-deb": "libtcmalloc_minimal.so.4",
}


class Allocator:
    """A name, the library to preload (None: the libc's own) and variables for the program."""

    def __init__(self, name, path=None, env=(), strategy=None):
        self.name = name
        self.path = path
        self.env = dict(env)
        self.must_be_seen = True  # mapped, while a batch program runs; False: it is proved otherwise
        self.strategy = strategy  # held fixed by a control segment; None: there is no segment

    @property
    def is_hakmem(self):
        return self.path is not None and os.path.basename(self.path).startswith("libhakmem")

    def variables(self, runtime_dir):
        """What the measured program gets in its environment."""
        env = dict(self.env)
        if self.path:
            env["LD_PRELOAD"] = self.path
        if self.is_hakmem:
            env["HAKMEM_RUNTIME_DIR"] = runtime_dir
        return env


def parse(word, build):
    """NAME, NAME=PATH or NAME=PATH,VARIABLE=VALUE,... from the command line; "strategy" is not passed on."""
    name, _, rest = word.partition("=")
    if name == "glibc" and not rest:
        return Allocator("glibc")
    path, *variables = rest.split(",") if rest else [""]
    if not path and name.startswith("hakmem"):
        path = os.path.join(build, "libhakmem.so")
    if not path and name in DEBIAN:
        path = debian_path(DEBIAN[name]) or ""
    if not path:
        raise ValueError(f"--alloc {word}: no library known by that name; write {name}=PATH")
    if not os.path.exists(path):
        raise ValueError(f"--alloc {word}: {path} does not exist")
    for variable in variables:
        if "=" not in variable:
            raise ValueError(f"--alloc {word}: '{variable}' should be VARIABLE=VALUE")
    env = dict(v.split("=", 1) for v in variables)
    strategy = env.pop("strategy", None)
    return Allocator(name, os.path.abspath(path), env, strategy)


def debian_path(soname):
    found = glob.glob(f"/usr/lib/*/{soname}") + glob.glob(f"/usr/lib/{soname}")
    return found[0] if found else None


def from_file(path, build):
    """One allocator a line: NAME PATH; # begins a comment."""
    with open(path) as lines:
        words = [line.split("#")[0].split() for line in lines]
    for word in words:
        if len(word) not in (0, 2):
            raise ValueError(f"{path}: '{' '.join(word)}' should be NAME PATH")
    return [parse("=".join(word), build) for word in words if word]


def defaults(build):
    found = [Allocator("glibc")]
    for name, soname in DEBIAN.items():
        path = debian_path(soname)
        if path:
            found.append(Allocator(name, path))
    path = os.path.join(build, "libhakmem.so")
    if os.path.exists(path):
        found.append(Allocator("hakmem", os.path.abspath(path)))
    return found


def expand_modes(allocators, modes):
    """hakmem once for each mode, the others as they are."""
    result = []
    for allocator in allocators:
        if not modes or not allocator.is_hakmem or "HAKMEM_MODE" in allocator.env:
            result.append(allocator)
            continue
        for mode in modes:
            env = dict(allocator.env, HAKMEM_MODE=mode)
            result.append(Allocator(f"{allocator.name}-{mode}", allocator.path, env, allocator.strategy))
    return result


def expand_strategies(allocators, strategies):
    """hakmem once for each strategy held fixed, the others as they are."""
    result = []
    for allocator in allocators:
        if not strategies or not allocator.is_hakmem or allocator.strategy is not None:
            result.append(allocator)
            continue
        for strategy in strategies:
            result.append(Allocator(f"{allocator.name}/{strategy}", allocator.path, allocator.env, strategy))
    return result


# ---- hakmem's own counters, from the telemetry files that a run leaves (shm-protocol/telemetry.h) ----------

MAGIC = 0x314D454C4B4148FF
HEADER = struct.Struct("<QHHHH")  # magic, minor, header bytes, slots, slot bytes
COUNTER_OFFSET, GAUGE_OFFSET, GAME_OFFSET = 128, 640, 96
GAME_FIELDS = ("g_phase", "g_strategy", "g_window_ticks", "g_operations", "g_scatter_permille", "g_pairs")


def table_names(header_text, table):
    """The names in one of the X tables of counters.h, so that this file need not repeat them."""
    body = re.search(rf"#define {table}\(X\)(.*?)\n\n", header_text, re.S).group(1)
    return re.findall(r"X\((\w+),", body)


class Telemetry:
    def __init__(self, source_dir):
        with open(os.path.join(source_dir, "shm-protocol", "counters.h")) as header:
            text = header.read()
        self.counters = table_names(text, "HAK_COUNTERS")
        self.gauges = table_names(text, "HAK_GAUGES")

    def game_of(self, runtime_dir):
        """What the process of a run that allocated most says of its learning (struct hak_game_report)."""
        best, most = {}, 0
        for path in glob.glob(os.path.join(runtime_dir, "clients", "*")):
            with open(path, "rb") as file:
                data = file.read()
            if len(data) < HEADER.size or HEADER.unpack_from(data)[0] != MAGIC:
                continue
            header_bytes, slots, slot_bytes = HEADER.unpack_from(data)[2:]
            for at in range(header_bytes, header_bytes + slots * slot_bytes, slot_bytes):
                allocated, = struct.unpack_from("<Q", data, at + COUNTER_OFFSET)
                if allocated > most:
                    most = allocated
                    words = struct.unpack_from("<6I", data, at + GAME_OFFSET)
                    best = dict(zip(GAME_FIELDS, (words[0], words[1] & 255, *words[2:])))
        return best

    def sum_of(self, runtime_dir):
        """Counters of all processes of a run added up; gauges too, as each process last published them."""
        total = {name: 0 for name in self.counters + self.gauges}
        for path in glob.glob(os.path.join(runtime_dir, "clients", "*")):
            with open(path, "rb") as file:
                self.add(total, file.read())
        return total

    def add(self, total, data):
        if len(data) < HEADER.size:
            return
        magic, _, header_bytes, slots, slot_bytes = HEADER.unpack_from(data)
        if magic != MAGIC or len(data) < header_bytes + slots * slot_bytes:
            return
        for slot in range(slots):
            at = header_bytes + slot * slot_bytes
            if not struct.unpack_from("<I", data, at)[0]:
                continue  # never claimed
            for names, offset in ((self.counters, COUNTER_OFFSET), (self.gauges, GAUGE_OFFSET)):
                values = struct.unpack_from(f"<{len(names)}Q", data, at + offset)
                for name, value in zip(names, values):
                    total[name] += value


def rates(counters):
    """Hit rates in percent, of what the run did."""
    refills = sum(value for name, value in counters.items()
                  if name.startswith("refill_") and name != "refill_blocks")
    large = counters["bigcache_hits"] + counters["bigcache_misses"]
    result = {}
    if counters["alloc_count"]:
        result["bin_hit_percent"] = 100.0 * (1 - refills / counters["alloc_count"])
    if large:
        result["bigcache_hit_percent"] = 100.0 * counters["bigcache_hits"] / large
    return result


# ---- is it mapped? -----------------------------------------------------------------------------------------

def descendants(pid):
    """pid and all processes below it, as far as /proc shows them now."""
    found, todo = [], [pid]
    while todo:
        at = todo.pop()
        found.append(at)
        try:
            with open(f"/proc/{at}/task/{at}/children") as children:
                todo += [int(word) for word in children.read().split()]
        except OSError:
            pass  # it has ended
    return found


def maps_library(pid, path):
    try:
        with open(f"/proc/{pid}/maps") as maps:
            return any(line.rstrip().endswith(os.path.realpath(path)) for line in maps)
    except OSError:
        return False  # it has ended, or is not ours to look at
