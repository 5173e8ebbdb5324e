# SPDX-License-Identifier: MIT
"""A private world for a test: a bus, a runtime and a state directory, hakmemd, a process that switches modes.

Everything lives in one temporary directory and ends with the `with` block.
"""
import os
import shutil
import signal
import subprocess
import tempfile
import time

import hak
import telemetry

BUS_CONFIG = """<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-BUS Bus Configuration 1.0//EN"
 "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig>
 <type>session</type>
 <listen>unix:path={socket}</listen>
 <auth>EXTERNAL</auth>
 <policy context="default">
  <allow send_destination="*" eavesdrop="true"/>
  <allow eavesdrop="true"/>
  <allow own="*"/>
 </policy>
</busconfig>
"""
PATIENCE_SECONDS = 120  # how long a state may take to come, on a machine that has a lot else to do


def wait_until(condition, seconds=PATIENCE_SECONDS, step=0.01):
    """True as soon as the condition holds, False when the time (times hak.SLOWNESS) is over."""
    end = time.monotonic() + seconds * hak.SLOWNESS
    while True:
        if condition():
            return True
        if time.monotonic() > end:
            return False
        time.sleep(step)


class Sandbox:
    def __init__(self, daemon=True):
        self.want_daemon = daemon
        self.children = []
        self.daemon = None
        self.keeper = None
        self.daemon_output = None

    def __enter__(self):
        self.dir = tempfile.mkdtemp(prefix="hakmem-test.")
        os.chmod(self.dir, 0o755)
        self.runtime = os.path.join(self.dir, "run")
        self.state = os.path.join(self.dir, "state")
        self.work = os.path.join(self.dir, "work")
        for path in (self.runtime, self.state, self.work):
            os.mkdir(path)
        bus = os.path.join(self.dir, "bus")
        config = os.path.join(self.dir, "bus.conf")
        with open(config, "w", encoding="ascii") as out:
            out.write(BUS_CONFIG.format(socket=bus))
        self.bus = "unix:path=" + bus
        self.spawn(["dbus-daemon", "--nofork", "--config-file=" + config], env=hak.plain_env(),
                   stderr=subprocess.DEVNULL)
        if not wait_until(lambda: hak.listens(bus)):
            raise RuntimeError("dbus-daemon did not start")
        self.daemon_log = os.path.join(self.dir, "hakmemd.log")
        if self.want_daemon:
            self.start_daemon()
        self.keeper = telemetry.Keeper(self.runtime, os.path.join(self.dir, "keep"))
        return self

    def __exit__(self, *_):
        if self.keeper:
            self.keeper.close()
        for child in reversed(self.children):
            if child.poll() is None:
                child.terminate()
                try:
                    child.wait(20)
                except subprocess.TimeoutExpired:
                    child.kill()
                    child.wait()
        shutil.rmtree(self.dir, ignore_errors=True)

    def spawn(self, command, **options):
        """A child that ends with the sandbox at the latest."""
        options.setdefault("stdin", subprocess.DEVNULL)
        child = subprocess.Popen(command, **options)
        self.children.append(child)
        return child

    # ---- the daemon ---------------------------------------------------------------------------------------
    def daemon_command(self):
        return [hak.build("hakmemd"), "--bus=" + self.bus, "--runtime-dir", self.runtime, "--state-dir",
                self.state]

    def start_daemon(self):
        with open(self.daemon_log, "ab") as log:
            self.daemon = self.spawn(self.daemon_command(), env=hak.plain_env(), stdout=log, stderr=log)
        if not wait_until(lambda: self.daemon.poll() is not None or self.ctl("get-mode").returncode == 0):
            raise RuntimeError("hakmemd does not answer: " + self.daemon_said())
        if self.daemon.poll() is not None:
            raise RuntimeError(f"hakmemd ended with {self.daemon.returncode}: " + self.daemon_said())

    def all_said(self):
        with open(self.daemon_log, encoding="utf-8", errors="replace") as log:
            return log.read()

    def daemon_said(self):
        return self.all_said()[-2000:]

    def kill_daemon(self, number=signal.SIGKILL):
        self.daemon.send_signal(number)
        return self.daemon.wait(PATIENCE_SECONDS * hak.SLOWNESS)

    def ctl(self, *words, **options):
        """Runs hakctl against this sandbox."""
        options.setdefault("timeout", 60 * hak.SLOWNESS)
        return subprocess.run([hak.build("hakctl"), "--bus=" + self.bus, *words], capture_output=True,
                              text=True,
                              env=hak.plain_env(HAKMEM_RUNTIME_DIR=self.runtime), check=False, **options)

    def start_ctl(self, *words):
        """The same, and does not wait for it."""
        return self.spawn([hak.build("hakctl"), "--bus=" + self.bus, *words], stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, text=True,
                          env=hak.plain_env(HAKMEM_RUNTIME_DIR=self.runtime))

    def start_switching(self, period_msec=10):
        """Switches through the five modes until stop_switching(); the first switch has been made."""
        before = telemetry.read_control(self.runtime)["serial"]
        switcher = self.spawn([hak.tool("tools/switch_modes"), self.bus, str(period_msec)],
                              env=hak.plain_env(), stdout=subprocess.PIPE, text=True)
        wait_until(lambda: telemetry.read_control(self.runtime)["serial"] != before)
        return switcher

    @staticmethod
    def stop_switching(switcher):
        """Number of switches that the daemon accepted."""
        switcher.terminate()
        said = switcher.communicate(timeout=PATIENCE_SECONDS * hak.SLOWNESS)[0]
        return int(said.split()[0]) if said.split() else 0

    # ---- preloaded programs -------------------------------------------------------------------------------
    def env(self, mode=None, **settings):
        return hak.preload_env(mode=mode, runtime=self.runtime, **settings)

    def slots_of(self, pid):
        return [slot for slot in self.keeper.slots() if slot.pid == pid]
