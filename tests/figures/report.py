#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""report.py [LIBRARY...]: prints figures beside glibc, Debian's peers and other libraries given. Gates
nothing."""
import os
import statistics
import subprocess
import sys
import tempfile
import time

import limits
import measure
from measure import hak
import sandbox
import telemetry

SMALL = {"true": ["/bin/true"], "python3 -c pass": ["/usr/bin/python3", "-I", "-c", "pass"]}


def report_small(libraries, place):
    empty = limits.empty_library(place)
    environments = {name: measure.env_for(path) for name, path in libraries.items()}
    environments["empty library"] = measure.env_for(empty)
    usec = measure.interleaved_usec(["/bin/true"], environments, rounds=15)
    calls_plain = len(measure.system_calls(["/bin/true"], measure.env_for(empty)))
    small_heap = [hak.tool("tools/small_heap")]
    print("Start-up and footprint (median µs of `true`, extra system calls, median peak RSS in KiB)\n")
    print(f"{'':28}{'true µs':>9}{'over glibc':>12}{'calls':>7}{'true':>8}{'python3':>9}{'100 KiB':>9}")
    for name, env in environments.items():
        calls = len(measure.system_calls(["/bin/true"], env)) - calls_plain
        rss = [measure.peak_rss_kib(command, env) for command in [*SMALL.values(), small_heap]]
        print(f"{name:28}{usec[name]:9.0f}{usec[name] - usec['glibc']:12.0f}"
              f"{calls if name != 'glibc' else 0:7}{rss[0]:8}{rss[1]:9}{rss[2]:9}")


def report_pairs(libraries):
    print("\nInstructions of malloc + free, 64 bytes, hot (callgrind; loop and PLT included)\n")
    for name, path in libraries.items():
        print(f"{name:28}{measure.instructions_per_pair(measure.env_for(path)):9.1f}")


def switching_time(box):
    """Milliseconds from set-mode's return until the last process applied, for several switches."""
    waits = []
    for turn in range(40):
        box.ctl("set-mode", hak.MODES[turn % len(hak.MODES)])
        begin = time.perf_counter()
        serial = telemetry.read_control(box.runtime)["serial"]
        paths = [os.path.join(box.runtime, "clients", name)
                 for name in os.listdir(os.path.join(box.runtime, "clients"))]
        while any(slot.applied_serial < serial for path in paths for slot in telemetry.read_file(path)):
            if time.perf_counter() - begin > 5:
                return None
        waits.append((time.perf_counter() - begin) * 1e3)
    return waits


def report_switching():
    with sandbox.Sandbox() as box:
        for _ in range(2):
            box.spawn([hak.tool("tools/busy"), "spin"], env=box.env(), stdout=subprocess.DEVNULL)
        time.sleep(0.2)
        waits = switching_time(box)
        print("\nTwo busy processes, from set-mode's return until both applied (with the reading)\n")
        if waits is None:
            print("not applied after 5 s")
        else:
            print(f"median {statistics.median(waits):.2f} ms, largest of {len(waits)}: {max(waits):.2f} ms")


def main():
    libraries = {"glibc": None, "hakmem": hak.library()}
    for path in [*measure.PEERS, *sys.argv[1:]]:
        if measure.known(path):
            libraries[os.path.basename(path)] = path
        else:
            print(f"report.py: the loader finds no {path}; left out", file=sys.stderr)
    with tempfile.TemporaryDirectory(prefix="hakmem-figures.") as place:
        report_small(libraries, place)
    report_pairs(libraries)
    report_switching()


if __name__ == "__main__":
    main()
