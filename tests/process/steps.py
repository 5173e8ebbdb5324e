# SPDX-License-Identifier: MIT
"""A preloaded process that does what it is told, step by step (tests/tools/busy.c)."""
import subprocess

import hak
import sandbox


class Stepper:
    def __init__(self, box, mode=None, program=None, **settings):
        self.box = box
        self.process = box.spawn([program or hak.tool("tools/busy"), "steps"], stdin=subprocess.PIPE,
                                 stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, bufsize=1,
                                 env=box.env(mode=mode, **settings))
        self.pid = self.process.pid
        line = self.process.stdout.readline()
        if line != "ready\n":
            raise RuntimeError(f"busy said {line!r} and {self.process.stderr.read()!r}")

    def do(self, what):
        self.process.stdin.write(what + "\n")
        self.process.stdin.flush()
        answer = self.process.stdout.readline()
        if answer != "ok\n":
            raise RuntimeError(f"busy ended at '{what}': {self.process.stderr.read()!r}")

    def wait_until_known(self):
        sandbox.wait_until(lambda: str(self.pid) in self.box.ctl("stats", "--json").stdout)

    def slot(self):
        """Its telemetry; None where it has none."""
        slots = self.box.slots_of(self.pid)
        return slots[0] if slots else None

    def end(self):
        """Ends it; returns what it wrote to stderr, and its telemetry after its last publish."""
        self.slot()
        said = self.process.communicate("quit\n", timeout=sandbox.PATIENCE_SECONDS * hak.SLOWNESS)[1]
        if self.process.returncode:
            raise RuntimeError(f"busy ended with {self.process.returncode}: {said}")
        return said, self.slot()


def exercise(stepper):
    """Something of everything that has a counter."""
    for what in ("pairs 2000", "fill 20000", "large 40", "pairs 2000"):
        stepper.do(what)
