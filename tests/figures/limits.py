#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Figures that are promised and do not depend on the machine's speed: system calls of the constructor,
footprint of small programs, instructions of a hot pair."""
import os
import subprocess
import sys
import tempfile

import measure
from measure import hak
import sandbox

MAX_CALLS = 12
MAX_INSTRUCTIONS = 30
FOOTPRINT_PERCENT = 5
# The loop, the calls through the PLT and the asm barrier of tests/tools/pair.c.
LOOP_INSTRUCTIONS = 10


def empty_library(place):
    """A shared library that does nothing: what loading costs, whatever the library is."""
    path = os.path.join(place, "empty.so")
    subprocess.run(["gcc", "-shared", "-o", path, "-x", "c", "/dev/null"], check=True)
    return path


def check_calls(tap, place):
    empty = len(measure.system_calls(["/bin/true"], measure.env_for(empty_library(place))))
    with sandbox.Sandbox() as box:
        for what, runtime in (("with a daemon", box.runtime), ("without a runtime directory", None)):
            lines = measure.system_calls(["/bin/true"], measure.env_for(hak.library(), runtime))
            ours = len(lines) - empty
            tap.result(f"{ours} calls:\n" + "\n".join(lines) if ours > MAX_CALLS else None,
                       f"true makes at most {MAX_CALLS} system calls more, {what} ({ours})")


def check_footprint(tap):
    for command in (["/bin/true"], ["/usr/bin/python3", "-I", "-c", "pass"], [hak.tool("tools/small_heap")]):
        plain = measure.peak_rss_kib(command, measure.env_for(None), 7)
        ours = measure.peak_rss_kib(command, measure.env_for(hak.library()), 7)
        percent = (ours - plain) * 100 / plain
        name = os.path.basename(command[0])
        tap.result(f"{percent:+.1f} %" if percent > FOOTPRINT_PERCENT else None,
                   f"peak RSS of {name}: {ours} KiB, glibc {plain} KiB")


def check_instructions(tap):
    got = measure.instructions_per_pair(measure.env_for(hak.library()))
    tap.result(f"{got:.1f}" if got > MAX_INSTRUCTIONS + LOOP_INSTRUCTIONS else None,
               f"a hot pair takes {got:.1f} instructions, loop and PLT included")


def main():
    tap = hak.Tap()
    with tempfile.TemporaryDirectory(prefix="hakmem-figures.") as place:
        check_calls(tap, place)
    check_footprint(tap)
    check_instructions(tap)
    return tap.end()


if __name__ == "__main__":
    sys.exit(main())
