#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Lazily freed memory taken out of processes from outside, by hakmem-helper: of one that sleeps, of one that
is stopped, of one that is busy, of one that lies about where it is; and what happens without the helper or
its capabilities. Needs root (CAP_SYS_NICE, CAP_SYS_PTRACE)."""
import errno
import json
import mmap
import os
import signal
import socket
import struct
import subprocess
import sys
import time

import hak
import sandbox
import steps
import telemetry

SLOT_AT, PID_AT, RANGES_SEQUENCE_AT, GAUGES_AT, RANGES_AT, RANGES = 2048, 8, 72, 640, 768, 96
LAZY_GAUGE = 5
FILL = "fill 2000000"  # 64-byte blocks: 128 MB
FILLED_BYTES = 128000000
# What may stay beyond what lives (docs/status.md): runs 4 MiB, large blocks 4, free in slabs 4, bins 3.8, and
# descriptors of what is still mapped.
STAYS_BYTES = 16 << 20
# The most that two waves of 48 MiB can have lazily free: their peak, rounded up to size classes and slabs.
WAVES_BYTES = 2 * (48 << 20) * 5 // 4
RUN = "/usr/bin/setpriv"


def start_helper(box, *before):
    helper = box.spawn([*before, hak.build("hakmem-helper"), "--runtime-dir=" + box.runtime],
                       env=hak.plain_env(), stderr=subprocess.PIPE, text=True)
    if not sandbox.wait_until(lambda: hak.listens(box.runtime + "/helper.sock", socket.SOCK_SEQPACKET)):
        raise RuntimeError("no helper.sock: " + helper.stderr.read())
    return helper


def end_helper(box, helper):
    helper.terminate()
    helper.wait(sandbox.PATIENCE_SECONDS * hak.SLOWNESS)
    os.unlink(box.runtime + "/helper.sock")


def watched_stepper(box):
    """A process that has seen the daemon's heart beat, so that it may free lazily."""
    stepper = steps.Stepper(box)
    stepper.wait_until_known()
    first = telemetry.read_control(box.runtime)["heartbeat"]
    while telemetry.read_control(box.runtime)["heartbeat"] < first + 2:
        stepper.do("pairs 20000")
        time.sleep(0.1)
    stepper.do("pairs 20000")
    return stepper


def lazily_free_bytes(stepper):
    return stepper.slot().gauge["lazily_free_bytes"]


def falls_below(pid, most):
    return sandbox.wait_until(lambda: hak.anonymous_bytes(pid) < most, step=0.05)


def while_busy(stepper, condition):
    """Does the condition come true while the process never rests?"""
    def busy():
        stepper.do("pairs 50000")
        return condition()
    return sandbox.wait_until(busy)


def check_sleeper(box, tap):
    sleeper = watched_stepper(box)
    sleeper.do("keep 200000")  # 12 MB that live
    empty = hak.anonymous_bytes(sleeper.pid)
    sleeper.do(FILL)
    lazy = lazily_free_bytes(sleeper)
    before = hak.anonymous_bytes(sleeper.pid)
    tap.result(None if lazy > FILLED_BYTES // 2 else f"{lazy} bytes, resident {before}",
               "what was freed is lazily free, and told apart")
    memory = json.loads(box.ctl("stats", str(sleeper.pid), "--json").stdout)["processes"][0]["memory"]
    tap.result(None if "lazily free" in memory["finding"] and memory["resident_bytes"] > lazy else memory,
               "hakctl stats says that this is why it is large")
    helper = start_helper(box)
    fell = falls_below(sleeper.pid, before - lazy * 3 // 4)
    tap.result(None if fell else f"{before} bytes, then {hak.anonymous_bytes(sleeper.pid)}",
               "a process that sleeps loses it after two seconds, without waking")
    gone = falls_below(sleeper.pid, empty + STAYS_BYTES)
    after = hak.anonymous_bytes(sleeper.pid)
    lives = after >= before - lazy
    tap.result(None if gone and lives else f"{empty}, {before}, then {after}; lazy {lazy}",
               "no more stays than may, and of what was not lazily free nothing is gone")
    state = open(f"/proc/{sleeper.pid}/status", encoding="ascii").read()
    told = sandbox.wait_until(lambda: "idle" in box.daemon_said())
    tap.result(None if "State:\tS" in state and told else box.daemon_said(),
               "the journal says how much, of whom and why")
    sleeper.do(FILL)
    sleeper.do("pairs 20000")
    tap.result(sleeper.slot().ledger(), "it goes on, and its ledger closes")
    sleeper.end()
    end_helper(box, helper)


def check_stopped(box, tap):
    stopped = watched_stepper(box)
    stopped.do(FILL)
    lazy, before = lazily_free_bytes(stopped), hak.anonymous_bytes(stopped.pid)
    stopped.process.send_signal(signal.SIGSTOP)
    helper = start_helper(box)
    answer = box.ctl("purge", str(stopped.pid), "--json")
    outcome = json.loads(answer.stdout)
    tap.result(None if lazy // 2 < outcome["taken_bytes"] <= lazy and outcome["stopped"] == 1 else answer,
               "hakctl purge takes it out of a stopped process at once")
    after = hak.anonymous_bytes(stopped.pid)
    fits = lazy // 2 < before - after <= lazy
    tap.result(None if fits else f"{before} bytes, then {after}; lazy {lazy}",
               "the kernel agrees: that much, and nothing that lives")
    stopped.process.send_signal(signal.SIGCONT)
    stopped.end()
    end_helper(box, helper)


def purge_waves(box):
    """Takes memory out of a busy process as fast as it goes, until there was some that it did not want back
    first. Return: what the process or we found wrong, and how much was taken."""
    taken = runs = 0
    while taken < 16 << 20 and runs < 6:
        run = box.spawn([hak.tool("tools/waves"), "8", "2"], env=box.env(), stdout=subprocess.PIPE,
                        stderr=subprocess.PIPE, text=True)
        while run.poll() is None:
            answer = box.ctl("purge", str(run.pid), "--json", "--wait=1")
            if answer.returncode in (0, 4):
                once = json.loads(answer.stdout)["taken_bytes"]
                taken += once
                if once > WAVES_BYTES:
                    return f"{once} bytes at once, more than can be free", taken
            time.sleep(0.02)
        runs += 1
        if run.returncode:
            return run.stderr.read() or f"it ended with {run.returncode}", taken
    return None if taken >= 16 << 20 else f"{runs} runs gave {taken} bytes", taken


def check_contents(box, tap):
    helper = start_helper(box)
    tap.result(purge_waves(box)[0], "contents survive while memory is taken out of a busy process")
    end_helper(box, helper)


def mapping(pid, needle):
    """The words of its line in /proc/PID/maps."""
    with open(f"/proc/{pid}/maps", encoding="ascii") as maps:
        return next(line.split() for line in maps if needle in line)


class Forger:
    """A process of ours that writes into its own telemetry what it likes."""

    def __init__(self, box):
        self.stepper = watched_stepper(box)
        self.path = mapping(self.stepper.pid, "/clients/")[-1]
        self.page = os.sysconf("SC_PAGESIZE")

    def range_of(self, needle):
        start, end = (int(number, 16) for number in mapping(self.stepper.pid, needle)[0].split("-"))
        return start, end - start

    def claim(self, ranges, lazy=64 << 20):
        with open(self.path, "r+b") as file, mmap.mmap(file.fileno(), 0) as memory:
            for i, (start, length) in enumerate(ranges):
                struct.pack_into("<Q", memory, SLOT_AT + RANGES_AT + 8 * i,
                                 start // self.page << 24 | length // self.page)
            struct.pack_into("<Q", memory, SLOT_AT + GAUGES_AT + 8 * LAZY_GAUGE, lazy)
            struct.pack_into("<Q", memory, SLOT_AT + RANGES_SEQUENCE_AT, 1000)

    def claim_what_is_of(self, victim):
        """Its pid, and where its lazily free memory lies."""
        with open(mapping(victim.pid, "/clients/")[-1], "rb") as file:
            ranges = file.read()[SLOT_AT + RANGES_AT:][:8 * RANGES]
        with open(self.path, "r+b") as file, mmap.mmap(file.fileno(), 0) as memory:
            memory[SLOT_AT + RANGES_AT:SLOT_AT + RANGES_AT + len(ranges)] = ranges
            struct.pack_into("<I", memory, SLOT_AT + PID_AT, victim.pid)


def check_forger(box, tap):
    helper = start_helper(box)
    forger = Forger(box)
    pid = forger.stepper.pid
    stack, code, file = forger.range_of("[stack]"), forger.range_of("r-xp"), forger.range_of("/clients/")
    forger.claim([stack, code, file, (0x123450000000, 1 << 20)])
    answer = json.loads(box.ctl("purge", str(pid), "--json").stdout)
    said = box.daemon_said()
    tap.result(None if answer["taken_bytes"] == 0 and f"pid {pid} (uid 0) names 4 ranges" in said else said,
               "stack, code, files and nothing: all refused, and journaled")
    victim = watched_stepper(box)
    victim.do(FILL)
    forger.claim_what_is_of(victim)
    before = hak.anonymous_bytes(victim.pid)
    answer = json.loads(box.ctl("purge", str(pid), "--json").stdout)
    after = hak.anonymous_bytes(victim.pid)
    # A few the kernel may take by itself: that is what lazily free means.
    tap.result(None if answer["taken_bytes"] == 0 and before - after < FILLED_BYTES // 32 else
               f"{answer}, {before} bytes, then {after}",
               "a telemetry file that names another's pid purges nobody else")
    forger.stepper.process.kill()
    victim.end()
    end_helper(box, helper)


def check_mode(box, tap):
    helper = start_helper(box)
    stopped = watched_stepper(box)
    stopped.do(FILL)
    before = hak.anonymous_bytes(stopped.pid)
    stopped.process.send_signal(signal.SIGSTOP)
    box.ctl("set-mode", "minimal")
    fell = falls_below(stopped.pid, before // 2)
    told = sandbox.wait_until(lambda: says_why(box, stopped, "its mode keeps nothing"))
    tap.result(None if fell and told else f"{before} bytes, then {hak.anonymous_bytes(stopped.pid)}" +
               box.daemon_said(),
               "a mode that keeps nothing takes at once what was lazily free, of a stopped process, too")
    stopped.process.send_signal(signal.SIGCONT)
    stopped.do("pairs 2000")
    slot = stopped.slot()
    kept = slot.gauge["cache_bytes"] + slot.gauge["bins_bytes"]
    tap.result(slot.ledger() or (str(slot.gauge) if kept else None),
               "and at its next slow visits the process drops the rest")
    box.ctl("set-mode", "balanced")
    stopped.end()
    end_helper(box, helper)


def check_forked(box, tap):
    parent = watched_stepper(box)
    parent.do("fork")
    before = hak.anonymous_bytes(parent.pid)
    parent.do(FILL)
    after = hak.anonymous_bytes(parent.pid)
    lazy = lazily_free_bytes(parent)
    gone = lazy == 0 and after - before < FILLED_BYTES // 2  # what reuse has earned may stay
    tap.result(None if gone else f"lazily {lazy}, {before}, {after}",
               "a process that has forked gives back at once, and nothing lazily")
    parent.end()


def says_why(box, stepper, why):
    """Does the journal have a record of memory taken out of the process for that reason?"""
    about = f"out of pid {stepper.pid} by hakmemd"
    return any(about in line and line.endswith(f"({why})") for line in box.daemon_said().splitlines())


class PatientSandbox(sandbox.Sandbox):
    """Its daemon takes memory from nobody for being idle, and collapses, however slow the test is."""
    PURGE = "idle = 0\n"
    HUGE = "busy = 0\n"

    def daemon_command(self):
        config = os.path.join(self.dir, "hakmemd.conf")
        with open(config, "w", encoding="ascii") as file:
            file.write("[purge]\n" + self.PURGE + "[huge]\n" + self.HUGE)
        return [*super().daemon_command(), "--config=" + config]


class ThriftySandbox(PatientSandbox):
    """Processes may keep 16 MiB of free memory, all together; nothing else is a reason to take any."""
    PURGE = "idle = 0\npressure = 0\ncgroup = 0\nmemory-budget = 16M\n"


def check_budget(tap):
    with ThriftySandbox() as box:
        helper = start_helper(box)
        sleepers = [watched_stepper(box) for _ in range(2)]
        full = []
        for stepper in sleepers:
            stepper.do("fill 500000")  # 32 MB each
            full.append(hak.anonymous_bytes(stepper.pid))
        fell = sandbox.wait_until(lambda: sum(hak.anonymous_bytes(one.pid) for one in sleepers) <
                                  sum(full) - (32 << 20), step=0.1)
        told = sandbox.wait_until(lambda: all(says_why(box, one, "the memory budget is used up")
                                              for one in sleepers))
        tap.result(None if fell and told and "16 allowed" in box.daemon_said() else
                   f"{full}, then {[hak.anonymous_bytes(one.pid) for one in sleepers]}; " + box.daemon_said(),
                   "over the memory budget: taken from those who sleep, and the journal says why")
        end_helper(box, helper)
        box.kill_daemon(signal.SIGTERM)
        box.start_daemon()
        busy = watched_stepper(box)
        busy.do("fill 500000")
        before = hak.anonymous_bytes(busy.pid)
        fell = while_busy(busy, lambda: hak.anonymous_bytes(busy.pid) < before - (16 << 20))
        tap.result(None if fell else f"{before}, then {hak.anonymous_bytes(busy.pid)}; " + box.daemon_said(),
                   "without a helper those who run are asked, and do it themselves")
        for stepper in (*sleepers, busy):
            stepper.end()


def can_collapse():
    """MADV_COLLAPSE is of Linux 6.1, and of a system that allows huge pages."""
    with open("/sys/kernel/mm/transparent_hugepage/enabled", encoding="ascii") as file:
        if "[never]" in file.read():
            return False
    with mmap.mmap(-1, 4 << 20, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS) as memory:
        memory.write(b"x" * len(memory))
        try:
            memory.madvise(25)
        except OSError as error:
            return error.errno != errno.EINVAL
    return True


def make_small_pages(box):
    """A process with 64 MB in small pages, whose mode then becomes one with huge ones."""
    box.ctl("set-mode", "minimal")
    stepper = watched_stepper(box)
    stepper.do("keep 1000000")
    before = hak.huge_bytes(stepper.pid)
    box.ctl("set-mode", "research")
    stepper.do("pairs 2000")
    return stepper, before


def check_collapse(box, tap):
    if not can_collapse():
        tap.skip("huge pages from outside", "this kernel makes none when asked")
        return
    helper = start_helper(box)
    stepper, before = make_small_pages(box)
    huge = sandbox.wait_until(lambda: hak.huge_bytes(stepper.pid) - before > 40 << 20)
    tap.result(None if huge else (before, hak.huge_bytes(stepper.pid), box.daemon_said()[-300:]),
               "a policy with huge pages makes those of what was touched before, from outside")
    done = sandbox.wait_until(lambda: f"in pid {stepper.pid}: its policy" in box.daemon_said())
    collapse = json.loads(box.ctl("stats", "--json").stdout)["daemon"]["collapse"]
    bounded = collapse["calls"] >= 20 and collapse["requests"] == 1 and not collapse["failed"]
    tap.result(None if done and bounded and collapse["huge_bytes"] > 40 << 20 else collapse,
               "which the journal and hakctl stats tell")
    resident = hak.anonymous_bytes(stepper.pid)
    stepper.do("pairs 2000")
    tap.result(None if resident < 80 << 20 else str(resident), "and what is mostly free stays small")
    stepper.end()
    box.ctl("set-mode", "balanced")
    end_helper(box, helper)


class PressedSandbox(PatientSandbox):
    """Its daemon sees files of ours where the kernel tells how short memory is."""
    PRESSURE = "/proc/pressure/memory"

    def start_daemon(self):
        self.psi = os.path.join(self.dir, "psi")
        self.say(0)
        super().start_daemon()

    def say(self, percent):
        with open(self.psi, "w", encoding="ascii") as file:
            file.write(f"some avg10={percent}.00 avg60=0.00 avg300=0.00 total=1\n")

    def daemon_command(self):
        return ["unshare", "-m", "sh", "-c", f'mount --bind "$0" {self.PRESSURE} && exec "$@"', self.psi,
                *super().daemon_command()]

    @classmethod
    def is_possible(cls):
        there = subprocess.run(["unshare", "-m", "test", "-e", cls.PRESSURE], check=False)
        return there.returncode == 0


class BusySandbox(PressedSandbox):
    """How many wait for a CPU is what the test says."""
    PRESSURE = "/proc/pressure/cpu"
    HUGE = ""


def check_busy(tap):
    if not BusySandbox.is_possible() or not can_collapse():
        tap.skip("huge pages while CPUs are busy", "no mount namespaces, no PSI, or no huge pages when asked")
        return
    with BusySandbox() as box:
        def collapse():
            return json.loads(box.ctl("stats", "--json").stdout)["daemon"]["collapse"]

        helper = start_helper(box)
        box.say(25)
        bystander = watched_stepper(box)  # where there are no processes hakmemd looks at nothing
        noticed = sandbox.wait_until(lambda: collapse()["busy"])
        stepper, before = make_small_pages(box)
        left = collapse()["requests"] == 0 and "while so many wait" in box.ctl("doctor").stdout
        tap.result(None if noticed and left else (collapse(), box.daemon_said()[-300:]),
                   "while tasks wait for a CPU nobody's pages are made huge, and hakctl doctor says so")
        box.say(0)
        huge = sandbox.wait_until(lambda: hak.huge_bytes(stepper.pid) - before > 40 << 20)
        tap.result(None if huge else (collapse(), box.daemon_said()[-300:]), "but when CPUs are free again")
        for one in (stepper, bystander):
            one.end()
        end_helper(box, helper)


def check_pressure(tap):
    if not PressedSandbox.is_possible():
        tap.skip("memory pressure", "no mount namespaces, or no PSI in this kernel")
        return
    with PressedSandbox() as box:
        helper = start_helper(box)
        stepper = watched_stepper(box)
        stepper.do(FILL)
        before = hak.anonymous_bytes(stepper.pid)
        box.say(25)
        fell = while_busy(stepper, lambda: hak.anonymous_bytes(stepper.pid) < before // 2)
        told = sandbox.wait_until(lambda: says_why(box, stepper, "memory is short"))
        tap.result(None if fell and told else f"{before} bytes, then {hak.anonymous_bytes(stepper.pid)}; " +
                   box.daemon_said(),
                   "when PSI rises lazily free memory is taken from who is busy, and the journal says why")
        stepper.end()
        end_helper(box, helper)


def check_without(box, tap):
    sleeper = watched_stepper(box)
    sleeper.do(FILL)
    before = hak.anonymous_bytes(sleeper.pid)
    helper = start_helper(box, RUN, "--bounding-set", "-sys_nice", "--inh-caps", "-sys_nice", "--")
    answer = box.ctl("purge", str(sleeper.pid), "--json")
    outcome = json.loads(answer.stdout)
    said = box.daemon_said()
    refused = outcome["taken_bytes"] == 0 and "cannot take memory" in said and "not permitted" in said
    tap.result(None if refused else said, "a helper without CAP_SYS_NICE says so once")
    sleeper.do("pairs 2000")
    after = hak.anonymous_bytes(sleeper.pid)
    tap.result(None if after < before // 2 else f"{before} bytes, then {after}",
               "and the process does it itself when it wakes")
    sleeper.end()
    if not can_collapse():
        end_helper(box, helper)
        return
    stepper, _ = make_small_pages(box)
    asked = sandbox.wait_until(lambda: "cannot make huge pages" in box.daemon_said())
    collapse = json.loads(box.ctl("stats", "--json").stdout)["daemon"]["collapse"]
    refused = "refused by the kernel" in box.ctl("doctor").stdout and collapse["failed"] == 1
    tap.result(None if asked and refused else (collapse, box.daemon_said()[-300:]),
               "nor does it make huge pages; hakctl doctor says so")
    stepper.end()
    box.ctl("set-mode", "balanced")
    end_helper(box, helper)


def main():
    tap = hak.Tap()
    if os.geteuid() != 0:
        tap.skip("hakmem-helper", "needs root: CAP_SYS_NICE and CAP_SYS_PTRACE")
        return tap.end()
    with sandbox.Sandbox() as box:
        check_sleeper(box, tap)
    with PatientSandbox() as box:
        check_stopped(box, tap)
        check_contents(box, tap)
        check_forger(box, tap)
        check_mode(box, tap)
        check_collapse(box, tap)
        check_forked(box, tap)
        check_without(box, tap)
    check_pressure(tap)
    check_busy(tap)
    check_budget(tap)
    return tap.end()


if __name__ == "__main__":
    sys.exit(main())
