# SPDX-License-Identifier: MIT
"""A booted systemd (boot.sh) with hakmem installed, as the tests use it. Needs root, for the namespaces.
In a virtual machine (tests/vm/run) it is the one that runs there."""
import glob
import json
import os
import shutil
import signal
import subprocess
import tempfile

import hak
import sandbox

BUSES = {"dbus-daemon": "dbus.service", "dbus-broker": "dbus-broker.service"}
NEXT_VERSION = "0.9.0"  # of the packages that are upgraded to


def is_virtual():
    return "HAK_IN_VM" in os.environ


def missing():
    """What this machine does not let us do; None where it does."""
    if os.geteuid() != 0:
        return "needs root, for namespaces"
    groups = "/sys/fs/cgroup/unified" if os.path.exists("/sys/fs/cgroup/unified") else "/sys/fs/cgroup"
    try:
        os.mkdir(groups + "/hakmem-trial")
        os.rmdir(groups + "/hakmem-trial")
    except OSError as error:
        return f"needs a cgroup of its own: {error}"
    trial = ("mount -t tmpfs x /tmp && mkdir /tmp/u /tmp/w /tmp/m && "
             "mount -t overlay -o lowerdir=/,upperdir=/tmp/u,workdir=/tmp/w x /tmp/m")
    answer = subprocess.run(["unshare", "-m", "-p", "-u", "-i", "-n", "-C", "--fork", "--kill-child",
                             "--propagation", "private", "sh", "-c", trial], capture_output=True, text=True,
                            check=False)
    return f"needs namespaces and overlays: {answer.stderr.strip()}" if answer.returncode else None


def has_loop_devices():
    """For images; the booted systemd sees the first eight."""
    free = subprocess.run(["losetup", "-f"], capture_output=True, text=True, check=False)
    return is_virtual() or free.stdout.strip() in [f"/dev/loop{i}" for i in range(8)]


def packages(version=None):
    """Directory of this tree's Debian packages, built if they are older than the sources, and not where that
    would take an hour."""
    directory = os.path.join(hak.TOP, "build", "packages", version or "now")
    if is_virtual():
        return directory
    subprocess.run([os.path.join(hak.TOP, "tests/build-packages.sh"), directory, version or ""],
                   check=True)
    return directory


class Staging:
    """Files that a machine boots with, beside those of this one."""

    def __init__(self, place):
        self.root = os.path.join(place, "staging")
        os.makedirs(self.root)

    def write(self, path, text, mode=0o644):
        path = os.path.join(self.root, path.lstrip("/"))
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "w", encoding="utf-8") as out:
            out.write(text)
        os.chmod(path, mode)

    def copy(self, source, path, mode=None):
        path = os.path.join(self.root, path.lstrip("/"))
        os.makedirs(os.path.dirname(path), exist_ok=True)
        shutil.copy(source, path)
        if mode is not None:
            os.chmod(path, mode)

    def link(self, target, path):
        path = os.path.join(self.root, path.lstrip("/"))
        os.makedirs(os.path.dirname(path), exist_ok=True)
        os.symlink(target, path)

    def make(self, *directories):
        for directory in directories:
            os.makedirs(os.path.join(self.root, directory.lstrip("/")), exist_ok=True)

    def service(self, name, text):
        self.write(f"/etc/systemd/system/{name}.service", text)


class Machine:
    """hakmem comes from its packages, which lie in /srv/packages/{now,next}."""

    def __init__(self, prepare=None, bus="dbus-daemon", upgrade=False, install=True):
        self.place = tempfile.mkdtemp(prefix="hakmem-boot.")
        self.pid = 0
        self.outer = None
        self.bus = bus
        try:
            self.boot(self.stage(prepare, upgrade))
            if install:
                # This machine's manual pages are indexed anew else, which takes minutes where all is slow.
                answer = self.run("sh", "-c", "rm -f /var/lib/man-db/auto-update; "
                                  "dpkg -i /srv/packages/now/*hakmem*.deb")
                if answer.returncode:
                    raise RuntimeError("the packages do not install: " + answer.stdout + answer.stderr)
        except BaseException:
            self.power_off()
            raise

    def stage(self, prepare, upgrade):
        """What it has beside the files of this machine."""
        staging = Staging(self.place)
        # Containers forbid their packages to start services; this machine does not.
        staging.write("/usr/sbin/policy-rc.d", "#!/bin/sh\nexit 0\n", 0o755)
        staging.link("/lib/systemd/system/" + BUSES[self.bus], "/etc/systemd/system/dbus.service")
        for name, version in (("now", None), ("next", NEXT_VERSION)) if upgrade else (("now", None),):
            for package in glob.glob(packages(version) + "/*hakmem*.deb"):
                if "dbgsym" not in package:
                    staging.copy(package, f"/srv/packages/{name}/" + os.path.basename(package))
        if prepare:
            prepare(staging)
        return staging

    def boot(self, staging):
        here = os.path.dirname(os.path.abspath(__file__))
        self.outer = subprocess.Popen([os.path.join(here, "boot.sh"), self.place, staging.root])
        pid_file = os.path.join(self.place, "pid")
        if not sandbox.wait_until(lambda: os.path.exists(pid_file) and os.path.getsize(pid_file)):
            raise RuntimeError("systemd did not boot: " + self.console())
        with open(pid_file, encoding="ascii") as file:
            self.pid = int(file.read())

    def console(self):
        with open(os.path.join(self.place, "console"), encoding="utf-8", errors="replace") as file:
            return file.read()[-2000:]

    def run(self, *command):
        return subprocess.run(["nsenter", "-t", str(self.pid), "-a", *command], capture_output=True,
                              text=True, check=False, timeout=2 * sandbox.PATIENCE_SECONDS * hak.SLOWNESS)

    def says(self, *command):
        return self.run(*command).stdout.strip()

    def write(self, path, text):
        """A file of the running machine."""
        path = f"/proc/{self.pid}/root{path}"
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "w", encoding="utf-8") as out:
            out.write(text)

    def is_active(self, unit="hakmemd"):
        return self.says("systemctl", "is-active", unit) == "active"

    def journal(self, unit):
        return self.says("journalctl", "--no-pager", "-o", "cat", "-u", unit)

    def journal_has(self, unit, *words):
        """Waits until its journal has all the words: what a process wrote gets there some time later."""
        return sandbox.wait_until(lambda: all(word in self.journal(unit) for word in words), step=0.1)

    def main_pid(self, unit):
        return int(self.says("systemctl", "show", "-P", "MainPID", unit) or 0)

    def stats(self):
        answer = self.run("hakctl", "stats", "--json")
        return json.loads(answer.stdout) if answer.returncode == 0 else {"processes": [], "daemon": {}}

    def process_of(self, unit):
        pid = self.main_pid(unit)
        return next((process for process in self.stats()["processes"] if process["pid"] == pid), None)

    def mode_of(self, unit):
        process = self.process_of(unit)
        return process and process["mode"]

    def obeys(self, unit, mode):
        """Sets the mode; does the unit's main process follow?"""
        return self.run("hakctl", "set-mode", mode).returncode == 0 and sandbox.wait_until(
            lambda: self.mode_of(unit) == mode)

    def power_off(self):
        try:
            if self.pid:
                os.kill(self.pid, signal.SIGKILL)
            elif self.outer:
                self.outer.terminate()
            if self.outer:
                self.outer.wait(sandbox.PATIENCE_SECONDS)
        finally:
            shutil.rmtree(self.place, ignore_errors=True)


class ThisMachine(Machine):
    """The virtual machine that the test itself runs in: it has booted, and is thrown away."""

    def boot(self, staging):
        subprocess.run(["cp", "-a", "--remove-destination", staging.root + "/.", "/"], check=True)
        subprocess.run(["systemctl", "daemon-reload"], check=True)
        self.pid = 1

    def power_off(self):
        shutil.rmtree(self.place, ignore_errors=True)


def main(checks, **options):
    """A test's main(): boot, run the checks, power off. Return: the exit status."""
    tap = hak.Tap()
    wanting = None if is_virtual() else missing()
    if wanting:
        tap.skip("systemd", wanting)
        return tap.end()
    machine = ThisMachine(**options) if is_virtual() else Machine(**options)
    try:
        for check in checks:
            check(machine, tap)
    finally:
        machine.power_off()
    return tap.end()
