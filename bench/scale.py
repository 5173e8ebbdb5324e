#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""hakmemd with many processes: `make all test-programs && bench/scale.py [--processes N] [--churn SECONDS]`.

Simulated clients (tests/sim_client.c) on a private bus. The daemon may have 256 descriptors. What is reported
goes into docs/benchmarks.md.
"""

import argparse
import ctypes
import itertools
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../tests/process"))
import hakbus

DESCRIPTORS = 256


def cpu_seconds(pid):
    fields = open("/proc/%d/stat" % pid).read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def memory_mib(pid):
    """(all that is resident, what is its own) in MiB."""
    status = dict(line.split(":", 1) for line in open("/proc/%d/status" % pid))
    return tuple(int(status[key].split()[0]) / 1024 for key in ("VmRSS", "RssAnon"))


def spread(milliseconds):
    values = sorted(milliseconds)
    return "median %.1f, p99 %.1f, slowest %.1f ms" % (
        statistics.median(values),
        values[min(len(values) - 1, len(values) * 99 // 100)],
        values[-1],
    )


def within_share(action):
    """The result, and how many ms it took. Refusals (a user has a quarter of hakmemd's time) do not count."""
    while True:
        began = time.monotonic()
        result = action()
        took = (time.monotonic() - began) * 1000
        if result is None or result.returncode == 0:
            return result, took
        assert "share" in result.stderr, result.stderr
        time.sleep(2)


def timed(action, count):
    return [within_share(action)[1] for _ in range(count)]


class Connection:
    """One connection for many calls, so that only the call is timed."""

    def __init__(self, world):
        self.bus = ctypes.c_void_p()
        hakbus.check(hakbus.sd.sd_bus_new(ctypes.byref(self.bus)))
        hakbus.check(hakbus.sd.sd_bus_set_address(self.bus, world.address.encode()))
        hakbus.check(hakbus.sd.sd_bus_set_bus_client(self.bus, 1))
        hakbus.check(hakbus.sd.sd_bus_start(self.bus))

    def set_mode(self, mode):
        reply, error = ctypes.c_void_p(), hakbus.BusError()
        where = [word.encode() for word in (hakbus.NAME, hakbus.PATH, hakbus.INTERFACE, "SetMode")]
        hakbus.check(
            hakbus.sd.sd_bus_call_method(
                self.bus, *where, ctypes.byref(error), ctypes.byref(reply), b"sa{sv}", mode.encode(), 0
            )
        )
        hakbus.sd.sd_bus_message_unref(reply)


def meanwhile(world, connection, modes, *words):
    """SetMode's round trips while hakctl has hakmemd do something about all processes."""
    began = time.monotonic()
    process = world.spawn([hakbus.build("hakctl"), "--bus=" + world.address, *words],
                          stdout=subprocess.DEVNULL)
    took = []
    while process.poll() is None:
        took += timed(lambda: connection.set_mode(next(modes)), 1)
    print("  while 'hakctl %s' runs (%.2f s, exit %d): %s" % (
        " ".join(words), time.monotonic() - began, process.returncode, spread(took)))


def registered(world, count, limit=120):
    hakbus.wait_for(lambda: world.properties()["ProcessCount"] == count, "%d are known" % count, limit)


def register(world, count):
    before = cpu_seconds(world.daemon.pid)
    began = time.monotonic()
    swarm = world.client("swarm", 0, count, 0, 0, 0)
    assert swarm.stdout.readline() == "ready\n"
    ready = time.monotonic()
    median, most, slowest, cpu, slept = swarm.stdout.readline().split()
    registered(world, count)
    known = time.monotonic()
    print("registering %d at once: a client's own calls took median %s, p99 %s, slowest %s us" % (
        count, median, most, slowest))
    print("  at most %s us of CPU time each; %s of them slept in a system call" % (cpu, slept))
    print("  forked and registered in %.1f s, all known %.2f s after the last; daemon CPU %.2f s" % (
        ready - began, known - ready, cpu_seconds(world.daemon.pid) - before))
    return swarm


def idle(world, seconds):
    time.sleep(10)
    before = cpu_seconds(world.daemon.pid)
    time.sleep(seconds)
    used = cpu_seconds(world.daemon.pid) - before
    print("idle: %.2f %% of a core over %d s; %.1f MiB resident, %.1f MiB its own; %d descriptors" % (
        100 * used / seconds, seconds, *memory_mib(world.daemon.pid),
        len(os.listdir("/proc/%d/fd" % world.daemon.pid))))


def totals(world):
    return json.loads(within_share(lambda: world.hakctl("stats", "--json"))[0].stdout)["totals"]


def churn(world, rate, seconds):
    before = cpu_seconds(world.daemon.pid)
    resident = [memory_mib(world.daemon.pid)[1]]
    process = world.client("churn", rate, seconds)
    began = time.monotonic()
    while process.poll() is None:
        time.sleep(5)
        resident.append(memory_mib(world.daemon.pid)[1])
    took = time.monotonic() - began
    born = int(process.stdout.readline())
    used = cpu_seconds(world.daemon.pid) - before
    # The slope by least squares over the second half: the first fills the allocator's caches.
    half = resident[len(resident) // 2 :]
    mean = (len(half) - 1) / 2
    slope = sum((i - mean) * value for i, value in enumerate(half)) / max(
        1, sum((i - mean) ** 2 for i in range(len(half)))) / 5 * 3600
    print("churn: %d processes in %.0f s: %.2f %% of a core, %.0f us each" % (
        born, took, 100 * used / took, 1e6 * used / born))
    print("  own memory %s MiB by sixths of the time, slope of the second half %+.2f MiB/h" % (
        ", ".join("%.2f" % resident[(len(resident) - 1) * i // 6] for i in range(7)), slope))
    return born


def restart(world, count):
    world.stop_daemon(9)
    began = time.monotonic()
    world.start_daemon()
    serves = time.monotonic()
    registered(world, count)
    print("killed and started: answers after %.2f s, knows all %d after %.2f s" % (
        serves - began, count, time.monotonic() - began))


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--processes", type=int, default=10000)
    parser.add_argument("--idle", type=int, default=60, help="seconds")
    parser.add_argument("--churn", type=int, default=60, help="seconds")
    options = parser.parse_args()
    tempfile.tempdir = "/dev/shm"  # a tmpfs, as /run/hakmem is
    with hakbus.World() as world:
        world.write_config("[daemon]\nfiles-per-uid = 20000\n")
        world.daemon_arguments = lambda plain=world.daemon_arguments: [
            "prlimit", "--nofile=%d" % DESCRIPTORS, *plain()]
        world.start_daemon()
        swarm = register(world, options.processes)
        idle(world, options.idle)
        print("hakctl status: " + spread(timed(lambda: world.hakctl("status"), 20)))
        for words in (["stats"], ["metrics"], ["stats", "--json"]):
            print("hakctl %s: %s" % (" ".join(words), spread(timed(lambda: world.hakctl(*words), 3))))
        connection = Connection(world)
        modes = itertools.cycle(["fast", "balanced"])
        print("SetMode, round trip: " + spread(timed(lambda: connection.set_mode(next(modes)), 500)))
        for words in (["set-mode", "research", "--wait"], ["verify"], ["stats", "--json"],
                      ["purge", "--all"]):
            meanwhile(world, connection, modes, *words)
        ended = totals(world)["ended_processes"]
        born = churn(world, 100, options.churn)
        counted = lambda: totals(world)["ended_processes"] == ended + born
        hakbus.wait_for(counted, "all that ended are counted", 60)
        assert totals(world)["counters"]["alloc_count"] == 100 * born
        restart(world, options.processes)
        assert totals(world)["counters"]["alloc_count"] == 100 * born, "a tally was lost"
        print("tallies: %d ended, none lost by the kill" % born)
        swarm.terminate()
        swarm.wait()


main()
