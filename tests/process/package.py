#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""The Debian packages on a booted systemd: lintian, install, upgrade over themselves with live processes
(library and daemon of different versions, both ways round), remove, purge, install anew."""
import glob
import os
import re
import subprocess
import sys

import hak
import machine as machines
import sandbox

BUSY = """[Service]
ExecStart=/usr/bin/python3 -c "import time\\nwhile True: x = [bytes(99) for _ in range(999)]; time.sleep(.01)"
Environment=LD_PRELOAD=libhakmem.so.0 PYTHONMALLOC=malloc
"""
ALIKE = ["old", "new"]  # two services alike: started under different versions of the library
SEGMENT = "/run/hakmem/control.v1"


def prepare(staging):
    for name in ALIKE:
        staging.service(name, BUSY)
    staging.service("plain", BUSY.replace("LD_PRELOAD=libhakmem.so.0 ", ""))


def install(machine, *names):
    """dpkg -i of packages by glob below /srv/packages."""
    return machine.run("sh", "-c", "dpkg -i " + " ".join(f"/srv/packages/{name}" for name in names))


def failed(answer):
    return None if answer.returncode == 0 else answer.stdout[-500:] + answer.stderr[-500:]


def version_number(version):
    major, minor, patch = (int(part) for part in version.split("."))
    return major << 16 | minor << 8 | patch


def check_versions(_, tap):
    with open(os.path.join(hak.TOP, "Makefile"), encoding="utf-8") as file:
        version = re.search(r"^VERSION := (\S+)", file.read(), re.M).group(1)
    with open(os.path.join(hak.TOP, "debian/changelog"), encoding="utf-8") as file:
        packaged = re.match(r"hakmem \((\S+)\)", file.read()).group(1)
    with open(os.path.join(hak.TOP, "libhakmem/hakmem.h"), encoding="utf-8") as file:
        header = ".".join(re.findall(r"HAKMEM_VERSION_\w+ (\d+)", file.read()))
    tap.result(None if version == packaged == header else f"{version} {packaged} {header}",
               "Makefile, changelog and header name one version")


def check_lintian(_, tap):
    changes = glob.glob(machines.packages() + "/*.changes")[0]
    answer = subprocess.run(["lintian", "--allow-root", "--fail-on", "error,warning", changes],
                            capture_output=True, text=True, check=False)
    tap.result(None if answer.returncode == 0 else answer.stdout, "lintian has no error and no warning")
    answer = subprocess.run(["sh", "-c", "cat debian/*lintian-overrides debian/source/lintian-overrides"],
                            capture_output=True, text=True, check=False, cwd=hak.TOP)
    tap.result(answer.stdout or None, "and none is overridden")


def check_install(machine, tap):
    tap.result(failed(install(machine, "now/*.deb")), "the packages install")
    tap.result(None if machine.is_active() else machine.journal("hakmemd"), "which starts hakmemd")
    enabled = machine.says("systemctl", "is-enabled", "hakmemd", "run-hakmem.mount", "hakmem-prepare",
                           "hakmem-helper.socket").split()
    tap.result(None if enabled == ["enabled"] * 4 else repr(enabled), "and enables it at boot")
    machine.run("systemctl", "start", "old")
    obeys = machine.obeys("old", "fast")
    number = (machine.process_of("old") or {}).get("library_version")
    now = machine.says("dpkg-query", "-W", "-f", "${Version}", "hakmem")
    tap.result(None if obeys and number == version_number(now) else f"{obeys} {number} {now}",
               "a service obeys, library and daemon of this version")


class Before:
    """What an upgrade must not change."""

    def __init__(self, machine):
        self.pid = machine.main_pid("old")
        self.inode = machine.says("stat", "-c", "%i", SEGMENT)
        self.mount = machine.says("findmnt", "-n", "-o", "ID", "/run/hakmem")
        self.mode = machine.says("hakctl", "get-mode")
        self.allocations = machine.process_of("old")["counters"]["alloc_count"]

    def wrong(self, machine):
        after = Before(machine) if sandbox.wait_until(lambda: machine.process_of("old")) else None
        if after and after.allocations >= self.allocations and (
                (after.pid, after.inode, after.mount, after.mode) ==
                (self.pid, self.inode, self.mount, self.mode)):
            return None
        return f"{vars(self)} became {vars(after) if after else 'nothing'}"


def step(machine, tap, name, *packages):
    before = Before(machine)
    answer = install(machine, *packages)
    sandbox.wait_until(machine.is_active)
    tap.result(failed(answer) or before.wrong(machine),
               name + ": mount, segment, mode, live process and its counts are what they were")


def daemon_version(machine):
    return machine.stats()["daemon"].get("version")


def check_upgrade(machine, tap):
    now = daemon_version(machine)
    step(machine, tap, "the daemon alone is upgraded", "next/hakmem_*.deb")
    version = daemon_version(machine)
    obeys = machine.obeys("old", "minimal")
    tap.result(None if version == machines.NEXT_VERSION and obeys else f"{version} {obeys}",
               "the older library obeys the newer daemon")
    answer = machine.run("hakctl", "purge", "old.service")
    tap.result(failed(answer), "and gives back what it is asked for")
    step(machine, tap, "the daemon is taken back to this version", "now/hakmem_*.deb")
    step(machine, tap, "the library alone is upgraded", "next/libhakmem0_*.deb")
    machine.run("systemctl", "start", "new")
    obeys = machine.obeys("new", "balanced") and machine.obeys("old", "fast")
    number = (machine.process_of("new") or {}).get("library_version")
    wrong = None if daemon_version(machine) == now and obeys and number == version_number(
        machines.NEXT_VERSION) else f"{daemon_version(machine)} {obeys} {number}"
    tap.result(wrong, "the newer library obeys the older daemon, and the older one beside it does")
    step(machine, tap, "everything is upgraded", "next/*.deb")
    step(machine, tap, "and once more over itself", "next/*.deb")
    obey = machine.obeys("new", "balanced") and machine.obeys("old", "minimal")
    tap.result(None if obey else "one does not", "both obey still")
    machine.run("systemctl", "stop", "hakmemd")
    install(machine, "next/hakmem_*.deb")
    tap.result("it runs" if machine.is_active() else None, "a daemon that was stopped stays so in an upgrade")
    machine.run("systemctl", "start", "hakmemd")


def check_remove(machine, tap):
    answer = machine.run("hakctl", "enable", "--now", "plain")
    tap.result(failed(answer), "hakctl enable works from the package")
    answer = machine.run("dpkg", "-r", "hakmem")
    tap.result(failed(answer), "dpkg -r hakmem")
    left = machine.says("find", "/etc/systemd/system", "-name", "*hakmem*.conf")
    tap.result(left or None, "leaves no service that preloads")
    state = machine.run("systemctl", "restart", "plain")
    mapped = machine.run("grep", "-c", "libhakmem", f"/proc/{machine.main_pid('plain')}/maps").stdout.strip()
    tap.result(failed(state) or (None if mapped == "0" else mapped), "which then starts without the library")
    tap.result(None if machine.main_pid("old") and machine.is_active("old") else "it ended",
               "a process that maps the segment lives on")
    answer = machine.run("dpkg", "-r", "libhakmem-dev", "libhakmem0")
    tap.result(failed(answer) or (None if machine.is_active("old") else "it ended"),
               "and does without the library's package")
    answer = machine.run("dpkg", "-P", "hakmem", "libhakmem0")
    left = machine.says("sh", "-c", "find / -xdev \\( -name '*hakmem*' -o -name 'control.v1' \\) "
                        "-not -path '/srv/*' -not -path '/proc/*' -not -path '/tmp/*' 2>/dev/null "
                        "| grep -E '^/(etc|usr|lib|var/lib)/' | grep -v '^/var/lib/dpkg/\\|^/usr/local'")
    tap.result(failed(answer) or left or None, "a purge leaves no file")
    answer = install(machine, "now/*.deb")
    known = sandbox.wait_until(lambda: machine.process_of("old") and machine.process_of("new"))
    tap.result(failed(answer) or (None if known else repr(machine.stats())[:300]),
               "installed anew, it knows the processes that lived through all this")
    tap.result(None if machine.obeys("old", "fast") else "no", "and they obey it")


if __name__ == "__main__":
    sys.exit(machines.main((check_versions, check_lintian, check_install, check_upgrade, check_remove),
                           prepare=prepare, upgrade=True, install=False))
