# SPDX-License-Identifier: MIT
"""hakmemd beside what is measured: with a bus and directories of its own; or a copy of one that learned."""

import glob
import json
import os
import shutil
import signal
import subprocess
import tempfile
import time

from . import allocators


class Beside(allocators.Allocator):
    """hakmem beside a daemon, to which its counters go; that they do is the proof of its use."""

    is_hakmem = False

    def __init__(self, name, library, runtime_dir):
        super().__init__(name, library)
        self.must_be_seen = False  # a short program may have ended by then
        self.directory = runtime_dir

    def variables(self, runtime_dir):
        return {"LD_PRELOAD": self.path, "HAKMEM_RUNTIME_DIR": self.directory}


class Daemon:
    """@state: a state directory to begin with, that of another daemon; @held: as hold() has it."""

    def __init__(self, build, state=None, held=None):
        self.build = build
        # On a disk fsync waits for the kernel's threads, which under chrt wait until the program has ended,
        # and whoever lives no longer than that is not seen.
        self.directory = tempfile.mkdtemp(prefix="hakbench-daemon-", dir="/dev/shm")
        os.chmod(self.directory, 0o755)
        self.runtime = os.path.join(self.directory, "run")
        self.state = os.path.join(self.directory, "state")
        if state:
            shutil.copytree(state, self.state)
            hold(self.state, held)
        else:
            os.mkdir(self.state)
        self.broker = subprocess.Popen(["dbus-daemon", "--session", "--nofork", "--print-address=1"],
                                       stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        self.bus = self.broker.stdout.readline().strip()
        self.log = open(os.path.join(self.directory, "log"), "w")
        self.process = None
        self.start()

    def start(self):
        self.process = subprocess.Popen(
            [os.path.join(self.build, "hakmemd"), "--bus=" + self.bus, "--runtime-dir=" + self.runtime,
             "--state-dir=" + self.state], stderr=self.log)
        if os.sched_getscheduler(0) == os.SCHED_FIFO:  # it would wait until the program does, on one core
            above = os.sched_param(os.sched_getparam(0).sched_priority + 1)
            os.sched_setscheduler(self.process.pid, os.SCHED_FIFO, above)
        while self.hakctl("status").returncode:
            if self.process.poll() is not None:
                raise SystemExit("hakmemd does not start")
            time.sleep(0.05)

    def stop(self):
        """What it knows is in its state directory then. Twice: nothing."""
        if self.process.poll() is None:
            self.process.terminate()
            self.process.wait()

    def rest(self):
        """Others are measured: it takes no time of theirs."""
        self.process.send_signal(signal.SIGSTOP)

    def wake(self):
        self.process.send_signal(signal.SIGCONT)

    def close(self):
        self.wake()  # one that has ended, too: nothing then
        self.stop()
        self.broker.terminate()
        self.broker.wait()
        self.log.close()
        shutil.rmtree(self.directory)

    def hakctl(self, *words):
        return subprocess.run([os.path.join(self.build, "hakctl"), "--bus=" + self.bus, *words],
                              capture_output=True, text=True, check=False)

    def contexts(self):
        """What was learned, of each context that has games or a decision."""
        return json.loads(self.hakctl("ratings", "--json").stdout)["contexts"]

    def context(self):
        """The one of which most is known."""
        return max(self.contexts(), key=lambda c: (c["strategy"] != "safe", c["games"]), default=None)

    def allocations(self):
        """Of all processes so far."""
        return int(json.loads(self.hakctl("stats", "--json").stdout)["totals"]["counters"]["alloc_count"])

    def await_collected(self):
        """Until what has ended is read; a second at most."""
        for _ in range(100):
            if not os.listdir(os.path.join(self.runtime, "clients")):
                return
            time.sleep(0.01)

    def freeze_all(self):
        """Of each context, those of which nothing was learned too, a file is in the state directory then."""
        answer = subprocess.run(
            ["busctl", "--address=" + self.bus, "--json=short", "call", "org.hakmem1", "/org/hakmem1",
             "org.hakmem1.Manager", "ListContexts", "a{sv}su", "0", "", "0"],
            capture_output=True, text=True, check=True)
        for context in json.loads(answer.stdout)["data"][0]:
            done = self.hakctl("freeze", context["context"]["data"])
            if done.returncode:
                raise SystemExit(done.stderr)


def hold(state, key_of):
    """In a daemon's state directory: in force in each context is the strategy with the key that it gives."""
    for path in glob.glob(os.path.join(state, "contexts", "*.json")):
        with open(path) as file:
            learned = json.load(file)
        learned["life"].update(phase="frozen", held=True,
                               winner=key_of(os.path.basename(path).removesuffix(".json")))
        with open(path, "w") as file:
            json.dump(learned, file)
