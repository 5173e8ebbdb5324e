#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""The one figure that is a limit: how many system calls the library adds to a process that does nothing. What
depends on the machine is reported by report.py and gates nothing.
"""
import os
import subprocess
import sys
import tempfile

import measure
from measure import hak
import sandbox

MAX_CALLS = 12


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


def main():
    tap = hak.Tap()
    with tempfile.TemporaryDirectory(prefix="hakmem-figures.") as place:
        check_calls(tap, place)
    return tap.end()


if __name__ == "__main__":
    sys.exit(main())
