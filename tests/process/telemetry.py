# SPDX-License-Identifier: MIT
"""Reads control.v1 and telemetry files as docs/shm-protocol.md describes them: a second reader, by other
hands.

The names of counters and gauges come from shm-protocol/counters.h; the offsets are written down here once
more, so that a layout that moves by accident fails the tests.
"""
import os
import re
import struct
import threading
import time

import hak

HEADER_BYTES = 2048
SLOT_BYTES = 2048
SLOTS = 7
PART_BYTES = HEADER_BYTES + SLOTS * SLOT_BYTES
MAGIC = 0x314D454C4B4148FF
CONTROL_MAGIC = 0x314C52544B4148FF
PINS = ["MODE", "THP", "FREE_POLICY", "EVOLUTION", "BIGCACHE", "BATCH", "THREAD_BINS", "LOG"]
STATES = ["DEFAULT", "LIVE", "STOPPED"]


def _names(table):
    with open(os.path.join(hak.TOP, "shm-protocol", "counters.h"), encoding="utf-8") as header:
        body = re.search(rf"#define {table}\(X\)(.*?)\n\n", header.read(), re.DOTALL).group(1)
    return re.findall(r"X\((\w+),", body)


COUNTERS = _names("HAK_COUNTERS")
GAUGES = _names("HAK_GAUGES")


def unpack_policy(word):
    """The fields of a policy word by name."""
    def pick(names, shift, bits):
        value = word >> shift & (1 << bits) - 1
        return names[value] if value < len(names) else f"?{value}"
    return {
        "valid": bool(word >> 23 & 1),
        "mode": pick(hak.MODES, 0, 4),
        "elo": pick(["off", "frozen", "learn"], 4, 2),
        "free_policy": pick(["batch", "adaptive"], 6, 2),
        "thp": pick(["off", "auto", "on"], 8, 2),
        "evolution": pick(["none", "frozen", "learn", "canary"], 10, 2),
        "log": pick(["off", "minimal", "verbose"], 12, 2),
        "bigcache": word >> 14 & 1,
        "batch": word >> 15 & 1,
        "thread_bins": word >> 16 & 1,
        "panic": word >> 17 & 1,
    }


class Slot:
    """One process: fields as attributes, counters and gauges as dictionaries."""

    def __init__(self, data, index):
        self.index = index
        (self.claims, self.state, self.pid, self.parent_pid, self.start_usec, self.applied_serial,
         self.policy_word, self.pinned, self.page_bytes, self.publishes, self.purges_done,
         self.log_written, self.ranges_sequence) = struct.unpack_from("<IIIIQQQIIQQQQ", data, 0)
        words = struct.unpack_from("<80Q", data, 128)
        self.counter = dict(zip(COUNTERS, words[:64]))
        self.gauge = dict(zip(GAUGES, words[64:]))
        self.policy = unpack_policy(self.policy_word)
        self.pins = {name for bit, name in enumerate(PINS) if self.pinned >> bit & 1}
        self.fatal_written, = struct.unpack_from("<I", data, 1936)
        self.fatal = data[1952:2048].split(b"\0")[0].decode("ascii", "replace")

    def ledger(self):
        """What does not add up, or None."""
        wrong = self._sums()
        kind = "child" if self.index else "process"
        return f"{kind} {self.pid}, slot state {self.state}: {wrong}" if wrong else None

    def _sums(self):
        if self.publishes % 2:
            return "died while it published"
        gauge, counter = self.gauge, self.counter
        if gauge["mapped_bytes"] != gauge["live_bytes"] + gauge["held_bytes"] + gauge["free_bytes"]:
            return (f"mapped {gauge['mapped_bytes']} != live {gauge['live_bytes']} + held "
                    f"{gauge['held_bytes']} + free {gauge['free_bytes']}")
        if counter["alloc_bytes"] != counter["free_bytes"] + gauge["live_bytes"]:
            return (f"allocated {counter['alloc_bytes']} != freed {counter['free_bytes']} + "
                    f"live {gauge['live_bytes']} bytes (off by "
                    f"{counter['alloc_bytes'] - counter['free_bytes'] - gauge['live_bytes']})")
        if counter["alloc_count"] < counter["free_count"]:
            return f"{counter['free_count']} frees of {counter['alloc_count']} allocations"
        return None


def read_file(path):
    """The claimed slots of a telemetry file's parts; none while it is being made."""
    slots = []
    with open(path, "rb") as source:
        parts = 1
        while len(slots) < parts * SLOTS:
            data = source.read(PART_BYTES)
            if len(data) != PART_BYTES or struct.unpack_from("<Q", data)[0] != MAGIC:
                return []
            if not slots:
                parts = max(1, struct.unpack_from("<I", data, 40)[0])
            slots += [Slot(data[at:at + SLOT_BYTES], len(slots) + at // SLOT_BYTES - 1)
                      for at in range(HEADER_BYTES, PART_BYTES, SLOT_BYTES)]
    return [slot for slot in slots if slot.claims]


def read_settled(path, tries=200):
    """The same, while its process runs: reads again where a publish was under way."""
    for _ in range(tries):
        slots = read_file(path)
        again = {slot.index: slot.publishes for slot in read_file(path)}
        if all(slot.publishes % 2 == 0 and again.get(slot.index) == slot.publishes for slot in slots):
            return slots
        time.sleep(0.001)
    return read_file(path)


def read_control(runtime):
    """Header fields of the control segment."""
    with open(os.path.join(runtime, "control.v1"), "rb") as source:
        data = source.read(4096)
    magic, minor, size, state, segment, heartbeat, serial, word = struct.unpack_from("<QHHIQQQQ", data)
    assert magic == CONTROL_MAGIC and size == 4096, "no control segment"
    return {"minor": minor, "state": STATES[state], "segment_id": segment, "heartbeat": heartbeat,
            "serial": serial, "policy_word": word, "policy": unpack_policy(word)}


class Keeper:
    """Keeps a hard link of each telemetry file, since the daemon removes those of processes that ended.

    The process goes on writing to the same inode, so what is read at the end is its last publish.
    """

    def __init__(self, runtime, keep):
        self.clients = os.path.join(runtime, "clients")
        self.keep = keep
        os.makedirs(keep, exist_ok=True)
        self.seen = set()
        self.stop = threading.Event()
        self.thread = threading.Thread(target=self._run, daemon=True)
        self.thread.start()

    def _scan(self):
        try:
            names = os.listdir(self.clients)
        except FileNotFoundError:
            return
        for name in set(names) - self.seen:
            try:
                os.link(os.path.join(self.clients, name), os.path.join(self.keep, name))
                self.seen.add(name)
            except FileExistsError:
                self.seen.add(name)
            except FileNotFoundError:
                pass

    def _run(self):
        while not self.stop.wait(0.004):
            self._scan()

    def forget(self):
        """Drops what was kept so far; what is known now is not kept again."""
        self._scan()
        for name in os.listdir(self.keep):
            os.unlink(os.path.join(self.keep, name))

    def slots(self):
        """Of all files kept since the last forget()."""
        self._scan()
        return [slot for name in sorted(os.listdir(self.keep))
                for slot in read_settled(os.path.join(self.keep, name))]

    def close(self):
        self.stop.set()
        self.thread.join()
