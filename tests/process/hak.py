# SPDX-License-Identifier: MIT
"""What every process test needs: where the build is, the environment of a preloaded program, TAP lines.

HAK_BUILD names the build directory (default build). HAK_LIB preloads another library in libhakmem's place,
which shows whether a test of behaviour, not of hakmem, is itself right.
"""
import os
import socket
import sys

TOP = os.path.normpath(os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", ".."))
# An emulated processor (tests/vm/run) takes so many times as long for all that it computes.
SLOWNESS = 10 if "HAK_IN_VM" in os.environ else 1
MODES = ["minimal", "fast", "balanced", "learning", "research"]


def build(name):
    """Absolute path of a build product."""
    return os.path.join(TOP, os.environ.get("HAK_BUILD", "build"), name)


def tool(name):
    """Absolute path of a compiled test program."""
    return build("tests/" + name)


def library():
    return os.environ.get("HAK_LIB") or build("libhakmem.so")


def is_hakmem():
    return "HAK_LIB" not in os.environ


def plain_env(**settings):
    """The environment without any trace of hakmem, and with nothing that depends on the machine's locale."""
    env = {key: value for key, value in os.environ.items()
           if not key.startswith(("HAKMEM_", "HAK_")) and key != "LD_PRELOAD"}
    env.update({"LC_ALL": "C", "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"})
    env.update(settings)
    return env


def preload_env(mode=None, runtime=None, **settings):
    """The environment of a preloaded program. Without a runtime directory there is no daemon and no
    telemetry."""
    env = plain_env(LD_PRELOAD=library(), HAKMEM_RUNTIME_DIR=runtime or "/nonexistent")
    if mode:
        env["HAKMEM_MODE"] = mode
    env.update(settings)
    return env


def rollup_bytes(pid, field):
    """A sum over a process's memory, counted in its page tables. That of statm is kept in parts, one for each
    CPU, and has pages of files, which come and go as the kernel likes."""
    with open(f"/proc/{pid}/smaps_rollup", encoding="ascii") as rollup:
        return next(int(line.split()[1]) << 10 for line in rollup if line.startswith(field + ":"))


def anonymous_bytes(pid):
    """What is resident and no file's, lazily free memory included."""
    return rollup_bytes(pid, "Anonymous")


def huge_bytes(pid):
    return rollup_bytes(pid, "AnonHugePages")


def listens(path, kind=socket.SOCK_STREAM):
    """Is somebody to be reached there? The file is there a moment before."""
    with socket.socket(socket.AF_UNIX, kind) as link:
        return link.connect_ex(path) == 0


class Tap:
    """Test points as they come, the plan at the end."""

    def __init__(self):
        self.count = 0
        self.failed = 0

    def result(self, wrong, name):
        """One point: `wrong` says what is wrong, or is None (or empty) for a pass."""
        self.count += 1
        if wrong:
            self.failed += 1
        print(f"{'not ok' if wrong else 'ok'} {self.count} - {name}", flush=True)
        for line in str(wrong).splitlines() if wrong else []:
            print(f"  # {line}", flush=True)
        return not wrong

    def skip(self, name, reason):
        self.count += 1
        print(f"ok {self.count} - {name} # SKIP {reason}", flush=True)

    def end(self):
        print(f"1..{self.count}", flush=True)
        sys.stdout.flush()
        return 1 if self.failed or not self.count else 0
