#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""hakmem under a real systemd (boot.sh): what an operator types on a server, from `systemctl start
hakmemd` to kill -9. Needs root, for the namespaces."""
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time

import hak
import sandbox

REDIS = """[Unit]
Description=a preloaded server
[Service]
ExecStart=/usr/bin/redis-server --port 0 --unixsocket /run/cache.sock --save "" --daemonize no
Environment=LD_PRELOAD=libhakmem.so.0
"""
BUSY = """[Service]
ExecStart=/usr/bin/python3 -c "import time\\nwhile True: x = [bytes(99) for _ in range(999)]; time.sleep(.01)"
Environment=LD_PRELOAD=libhakmem.so.0 PYTHONMALLOC=malloc
"""


SERVER = "[Service]\nExecStart=/usr/bin/redis-server --port 0 --unixsocket {socket} --save \"\"\n"
# name: what its unit says beside a server; what hakctl enable finds; whether it can be enabled
UNITS = {
    "plain": ("", None, True),
    "strict": ("ProtectSystem=strict\nReadWritePaths=/var/lib\n", "ProtectSystem=strict", True),
    "readonly": ("ReadOnlyPaths=/run\nReadWritePaths=/var/lib\n", "ReadOnlyPaths=", True),
    "hidden": ("TemporaryFileSystem=/run\n", "TemporaryFileSystem=", True),
    "filtered": ("SystemCallFilter=@system-service\nSystemCallFilter=~madvise mremap fallocate\n"
                 "SystemCallErrorNumber=EPERM\n", "SystemCallFilter=", True),
    "rooted": ("RootDirectory=/srv/root\nMountAPIVFS=yes\nBindReadOnlyPaths=/usr /etc\nBindPaths=/var/lib\n",
               "RootDirectory=", True),
    "jealous": ("ExecStartPre=/bin/sh -c 'test -z \"$LD_PRELOAD\"'\n", None, True),
    "enviable": ("EnvironmentFile=/etc/default/enviable\n", "EnvironmentFile=", False),
    "inaccessible": ("InaccessiblePaths=/run/hakmem\n", "InaccessiblePaths=", False),
    "changed": ("MemoryDenyWriteExecute=yes\nDynamicUser=yes\nStateDirectory=changed\n", None, True),
}
PROGRAMS = {"static": "linked statically", "setuid": "setuid", "capable": "file capabilities"}


class Machine:
    """A booted systemd with hakmem installed."""

    def __init__(self):
        self.place = tempfile.mkdtemp(prefix="hakmem-boot.")
        staging = os.path.join(self.place, "staging")
        here = os.path.dirname(os.path.abspath(__file__))
        env = {key: value for key, value in os.environ.items() if key not in ("MAKEFLAGS", "MFLAGS")}
        subprocess.run(["make", "--no-print-directory", "-s", "-C", hak.TOP, "install", "DESTDIR=" + staging],
                       check=True, env=env, stdout=subprocess.DEVNULL)
        units = os.path.join(staging, "etc/systemd/system")
        os.makedirs(units)
        for name, text in (("cache.service", REDIS), ("busy.service", BUSY)):
            with open(os.path.join(units, name), "w", encoding="ascii") as out:
                out.write(text)
        for name, (text, _, _) in UNITS.items():
            socket = f"/var/lib/{'changed' if name == 'changed' else ''}/{name}.sock"
            with open(os.path.join(units, name + ".service"), "w", encoding="ascii") as out:
                out.write(SERVER.format(socket=socket) + text)
        os.makedirs(os.path.join(staging, "opt"))
        shutil.copy(hak.tool("tools/peak"), os.path.join(staging, "opt/static"))
        for name in ("setuid", "capable"):
            shutil.copy("/bin/sleep", os.path.join(staging, "opt", name))
        os.chmod(os.path.join(staging, "opt/setuid"), 0o4755)
        for name in PROGRAMS:
            with open(os.path.join(units, name + ".service"), "w", encoding="ascii") as out:
                out.write(f"[Service]\nExecStart=/opt/{name} 1000\n")
        os.makedirs(os.path.join(staging, "etc/default"))
        with open(os.path.join(staging, "etc/default/enviable"), "w", encoding="ascii") as out:
            out.write("LD_PRELOAD=libm.so.6\n")
        for link in ("bin", "lib", "lib64", "sbin"):
            os.makedirs(os.path.join(staging, "srv/root"), exist_ok=True)
            os.symlink("usr/" + link, os.path.join(staging, "srv/root", link))
        for directory in ("usr", "etc", "run", "var/lib", "proc", "sys", "dev", "tmp"):
            os.makedirs(os.path.join(staging, "srv/root", directory))
        self.outer = subprocess.Popen([os.path.join(here, "boot.sh"), self.place, staging])
        pid_file = os.path.join(self.place, "pid")
        if not sandbox.wait_until(lambda: os.path.exists(pid_file) and os.path.getsize(pid_file), seconds=60):
            raise RuntimeError("systemd did not boot: " + self.console())
        with open(pid_file, encoding="ascii") as file:
            self.pid = int(file.read())

    def console(self):
        with open(os.path.join(self.place, "console"), encoding="utf-8", errors="replace") as file:
            return file.read()[-2000:]

    def run(self, *command):
        return subprocess.run(["nsenter", "-t", str(self.pid), "-a", *command], capture_output=True,
                              text=True, check=False, timeout=120)

    def says(self, *command):
        return self.run(*command).stdout.strip()

    def is_active(self):
        return self.says("systemctl", "is-active", "hakmemd") == "active"

    def journal(self, unit):
        return self.says("journalctl", "--no-pager", "-o", "cat", "-u", unit)

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

    def power_off(self):
        try:
            os.kill(self.pid, signal.SIGKILL)
            self.outer.wait(20)
        finally:
            shutil.rmtree(self.place, ignore_errors=True)


def check_boot(machine, tap):
    state = machine.says("systemctl", "is-system-running", "--wait")
    tap.result(None if state == "running" else state + machine.says("systemctl", "--failed"), "systemd boots")
    answer = machine.run("hakctl", "status")
    tap.result(None if answer.returncode == 3 and not machine.is_active() else repr(answer),
               "a verb that reads does not start the daemon")
    machine.run("systemctl", "enable", "hakmemd")
    enabled = machine.says("systemctl", "is-enabled", "hakmem-prepare", "hakmem-helper.socket",
                           "run-hakmem.mount")
    tap.result(None if enabled.split() == ["enabled"] * 3 else enabled,
               "systemctl enable hakmemd enables what it needs at boot")
    machine.run("systemctl", "start", "hakmem-prepare")  # as booting with it enabled would
    machine.run("systemctl", "start", "busy")
    answer = machine.run("systemctl", "start", "hakmemd")
    tap.result(answer.stderr if answer.returncode else None, "systemctl start hakmemd")
    followed = sandbox.wait_until(lambda: machine.mode_of("busy"), seconds=20)
    tap.result(None if followed else repr(machine.stats())[:300],
               "a service that was started before the daemon is known to it")
    wanted = "hakmem hakmem 755 tmpfs"
    seen = machine.says("stat", "-c", "%U %G %a", "/run/hakmem") + " " + machine.says(
        "findmnt", "-n", "-o", "FSTYPE", "/run/hakmem")
    tap.result(None if seen == wanted else seen, "/run/hakmem is a tmpfs of its own, and hakmem's")


def check_use(machine, tap):
    answer = machine.run("systemctl", "start", "cache")
    tap.result(answer.stderr if answer.returncode else None, "a preloaded server starts")
    known = sandbox.wait_until(lambda: machine.process_of("cache"))
    process = machine.process_of("cache") or {}
    tap.result(None if known and process.get("unit") == "cache.service" else repr(process)[:300],
               "stats --json shows it under its unit")
    for mode in ("fast", "minimal", "balanced"):
        answer = machine.run("hakctl", "set-mode", mode)
        machine.run("redis-cli", "-s", "/run/cache.sock", "set", "key", "value" * 50)
        followed = sandbox.wait_until(lambda wanted=mode: machine.run(
            "redis-cli", "-s", "/run/cache.sock", "get", "key").returncode == 0
            and machine.mode_of("cache") == wanted, seconds=20)
        wrong = None if answer.returncode == 0 and followed else f"{answer.stderr} {machine.mode_of('cache')}"
        tap.result(wrong, f"hakctl set-mode {mode}: the server obeys")
    answer = machine.run("hakctl", "doctor")
    tap.result(None if "MISSING  hakmem-helper" not in answer.stdout else answer.stdout,
               "the helper is started by its socket")
    answer = machine.run("hakctl", "purge", "cache.service")
    tap.result(None if answer.returncode == 0 else answer.stderr, "hakctl purge by unit")


def check_enable(machine, tap):
    machine.run("setcap", "cap_net_raw+ep", "/opt/capable")
    for name, (_, directive, possible) in UNITS.items():
        machine.run("systemctl", "start", name)
        answer = machine.run("hakctl", "enable", "--now", "--json", name)
        outcome = json.loads(answer.stdout) if answer.stdout else {"findings": []}
        found = [finding["directive"] for finding in outcome["findings"]]
        known = possible and name != "jealous" and sandbox.wait_until(
            lambda unit=name: machine.process_of(unit), seconds=10)
        if name == "jealous":
            wrong = None if answer.returncode == 1 and "taken back" in answer.stderr else repr(answer)
            again = machine.says("systemctl", "is-active", name)
            tap.result(wrong or (None if again == "active" else again),
                       "a service that does not start any more gets its drop-in taken back, and runs")
        elif possible:
            wrong = None if answer.returncode == 0 and outcome["changed"] and known else f"{answer} {known}"
            tap.result(wrong or (None if directive is None or directive in found else found),
                       f"enable --now {name}: preloaded and known, {directive or 'nothing'} mended")
        else:
            tap.result(None if answer.returncode == 1 and directive in found and not outcome["changed"]
                       else repr(answer), f"enable {name}: {directive} is named, nothing is changed")
    for name, hint in PROGRAMS.items():
        answer = machine.run("hakctl", "enable", name)
        tap.result(None if answer.returncode == 1 and hint in answer.stderr else repr(answer),
                   f"enable {name}: {hint}")
    for name in ("plain", "filtered", "strict"):
        answer = machine.run("hakctl", "enable", "--json", name)
        tap.result(None if '"changed":false' in answer.stdout else repr(answer),
                   f"enable {name} once more: no change")
    machine.run("hakctl", "disable", "--now", "plain")
    clean = machine.main_pid("plain") and not machine.process_of("plain")
    tap.result(None if clean else "it is still preloaded", "disable --now takes it back")
    answer = machine.run("hakctl", "disable", "--json", "plain")
    tap.result(None if '"changed":false' in answer.stdout else repr(answer), "disable once more: no change")
    answer = machine.run("hakctl", "enable", "--check", "--json", "plain")
    left = machine.run("ls", "/etc/systemd/system/plain.service.d")
    tap.result(None if '"possible":true' in answer.stdout and left.returncode else repr(answer),
               "enable --check only tells")
    for name, code, hint in (("dbus", 1, "left alone"), ("nobody", 1, "no unit"),
                             ("run-hakmem.mount", 2, "no service")):
        answer = machine.run("hakctl", "enable", name)
        tap.result(None if answer.returncode == code and hint in answer.stderr else repr(answer),
                   f"enable {name}: {hint}")


def check_strangers(machine, tap):
    stranger = ("setpriv", "--reuid=65534", "--clear-groups", "--")
    answer = machine.run(*stranger, "hakctl", "set-mode", "fast")
    tap.result(None if answer.returncode == 1 and "only root" in answer.stderr else repr(answer),
               "an unprivileged user may not set the mode")
    answer = machine.run(*stranger, "hakctl", "stats", "--json")
    processes = json.loads(answer.stdout)["processes"] if answer.returncode == 0 else []
    redacted = processes and all(process["redacted"] for process in processes)
    tap.result(None if redacted else repr(answer)[:300], "and sees no details of others' processes")


RULE = """polkit.addRule(function(action, subject) {
    if (action.id == "org.hakmem1.set-mode" && subject.user == "nobody")
        return polkit.Result.YES;
});
"""


def check_polkit(machine, tap):
    stranger = ("setpriv", "--reuid=65534", "--clear-groups", "--")
    answer = machine.run(*stranger, "hakctl", "set-mode", "fast")
    tap.result(None if answer.returncode == 1 and "polkit" in answer.stderr else repr(answer),
               "without a rule polkit wants an administrator")
    machine.run("sh", "-c", f"cat >/etc/polkit-1/rules.d/10-test.rules <<'END'\n{RULE}END")
    machine.run("systemctl", "restart", "polkit")
    answer = machine.run(*stranger, "hakctl", "set-mode", "fast")
    mode = machine.says("hakctl", "get-mode")
    tap.result(None if answer.returncode == 0 and mode == "fast" else f"{answer} {mode}",
               "a rule for nobody and set-mode allows that")
    answer = machine.run(*stranger, "hakctl", "panic")
    tap.result(None if answer.returncode == 1 and "org.hakmem1.panic" in answer.stderr else repr(answer),
               "and nothing else")
    said = machine.journal("hakmemd")
    tap.result(None if "uid 65534 was refused org.hakmem1.panic" in said else said[-600:],
               "the journal says so")
    machine.run("systemctl", "mask", "--runtime", "--now", "polkit")
    answer = machine.run(*stranger, "hakctl", "set-mode", "minimal")
    mode = machine.says("hakctl", "get-mode")
    tap.result(None if answer.returncode == 1 and mode == "fast" else repr(answer), "without polkit: refused")
    answer = machine.run("hakctl", "set-mode", "balanced")
    tap.result(None if answer.returncode == 0 else repr(answer), "but to root, who needs none")
    machine.run("systemctl", "unmask", "--runtime", "polkit")
    many = machine.run("sh", "-c", "for i in $(seq 100); do "
                       "setpriv --reuid=65534 --clear-groups hakctl set-mode fast & done; "
                       "sleep .05; kill $(jobs -p); wait")
    alive = machine.run("hakctl", "set-mode", "balanced")
    tap.result(None if alive.returncode == 0 else f"{many} {alive}",
               "a hundred callers that go away while polkit is asked harm nothing")


def check_failures(machine, tap):
    before = machine.stats()["daemon"]
    counted = machine.process_of("cache")["counters"]["alloc_count"]
    for what, command in (("systemctl restart hakmemd", ("systemctl", "restart", "hakmemd")),
                          ("kill -9", ("systemctl", "kill", "-s", "KILL", "hakmemd")),
                          ("kill -SEGV", ("systemctl", "kill", "-s", "SEGV", "hakmemd")),
                          ("systemctl restart dbus", ("systemctl", "restart", "dbus"))):
        old = machine.main_pid("hakmemd")
        machine.run(*command)
        if not what.endswith("dbus"):
            sandbox.wait_until(lambda gone=old: machine.main_pid("hakmemd") not in (0, gone), seconds=20)
        back = sandbox.wait_until(lambda: machine.process_of("cache"), seconds=20)
        process = machine.process_of("cache") or {"counters": {"alloc_count": 0}}
        wrong = None if back and process["counters"]["alloc_count"] >= counted else repr(process)[:300]
        tap.result(wrong or (None if machine.stats()["daemon"]["mode"] == before["mode"] else "another mode"),
                   f"{what}: it comes back, knows the server, and nothing is lost")
    machine.run("hakctl", "disable", "--all")
    left = machine.says("find", "/etc/systemd/system", "-name", "*hakmem.conf")
    tap.result(left or None, "disable --all leaves no drop-in")
    machine.run("systemctl", "stop", "hakmemd")
    answer = machine.run("hakctl", "get-mode")
    tap.result(None if answer.returncode == 3 and not machine.is_active() else repr(answer),
               "after systemctl stop it stays stopped")
    tap.result(None if machine.says("redis-cli", "-s", "/run/cache.sock", "get", "key").startswith("value")
               else "no answer", "and the server serves on")
    machine.run("systemctl", "start", "hakmemd")
    machine.run("hakctl", "set-mode", "fast")
    followed = sandbox.wait_until(lambda: machine.mode_of("busy") == "fast", seconds=20)
    tap.result(None if followed else repr(machine.mode_of("busy")),
               "a service that was started before this daemon obeys it")


def check_exposure(machine, tap):
    for unit, most in (("hakmemd.service", 1.0), ("hakmem-helper.service", 2.0)):
        said = machine.says("systemd-analyze", "security", "--no-pager", unit)
        line = next((line for line in said.splitlines() if "Overall exposure" in line), "")
        exposure = float(line.split(":")[1].split()[0]) if line else 99.0
        tap.result(None if exposure <= most else line, f"exposure of {unit} is {exposure}, at most {most}")
    said = machine.journal("hakmemd") + machine.journal("hakmem-helper")
    tap.result(None if "cannot" not in said and "failed" not in said else said[-600:],
               "the journal tells of nothing that could not be done")
    verify = machine.run("systemd-analyze", "verify", "hakmemd.service", "hakmem-helper.service")
    tap.result(verify.stderr if "hakmem" in verify.stderr else None,
               "systemd-analyze verify has no complaint")


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


def main():
    tap = hak.Tap()
    wanting = missing()
    if wanting:
        tap.skip("systemd", wanting)
        return tap.end()
    machine = Machine()
    try:
        for check in (check_boot, check_use, check_enable, check_strangers, check_exposure, check_polkit,
                      check_failures):
            check(machine, tap)
    finally:
        machine.power_off()
    return tap.end()


if __name__ == "__main__":
    start = time.monotonic()
    status = main()
    print(f"# {time.monotonic() - start:.0f} s")
    sys.exit(status)
