#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""hakmem's packages under a real systemd (machine.py): what an operator types on a server, from `systemctl
start hakmemd` to kill -9.

systemd.py [BUS [CHECK...]]: on dbus-daemon or dbus-broker; all checks, or those named, such as `boot`."""
import json
import sys
import time

import hak
import machine as machines
import sandbox
import telemetry

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


def prepare(staging):
    staging.service("cache", REDIS)
    staging.service("busy", BUSY)
    staging.copy(hak.tool("tools/system_call"), "/opt/system_call")


def segment(machine):
    """The control segment's header, as it lies in the machine."""
    return telemetry.read_control(f"/proc/{machine.pid}/root/run/hakmem")


def check_boot(machine, tap):
    bus = machine.says("sh", "-c", "tr '\\0' ' ' </proc/$(systemctl show -P MainPID dbus.service)/cmdline")
    tap.result(None if machine.bus in bus else bus, f"the bus is {machine.bus}")
    state = machine.says("systemctl", "is-system-running", "--wait")
    tap.result(None if state == "running" else state + machine.says("systemctl", "--failed"), "systemd boots")
    wanted = "hakmem hakmem 755 tmpfs"
    seen = machine.says("stat", "-c", "%U %G %a", "/run/hakmem") + " " + machine.says(
        "findmnt", "-n", "-o", "FSTYPE", "/run/hakmem")
    tap.result(None if seen == wanted else seen, "/run/hakmem is a tmpfs of its own, and hakmem's")
    machine.run("systemctl", "stop", "hakmemd")
    for verb, code in (("status", 3), ("stats", 3), ("get-mode", 3), ("verify", 3), ("doctor", 4)):
        answer = machine.run("hakctl", verb)
        tap.result(None if answer.returncode == code and not machine.is_active() else repr(answer),
                   f"{verb} does not start the daemon")
    # As a boot does it: a new segment, services, and the daemon last.
    machine.run("systemctl", "stop", "hakmem-helper.socket", "hakmem-helper", "hakmem-prepare",
                "run-hakmem.mount")
    machine.run("systemctl", "start", "hakmem-prepare", "hakmem-helper.socket")
    tap.result(None if segment(machine)["state"] == "DEFAULT" else repr(segment(machine)),
               "the segment is there before the daemon")
    machine.run("systemctl", "start", "busy")
    answer = machine.run("systemctl", "start", "hakmemd")
    tap.result(answer.stderr if answer.returncode else None, "systemctl start hakmemd")
    followed = sandbox.wait_until(lambda: machine.mode_of("busy"))
    tap.result(None if followed else repr(machine.stats())[:300],
               "a service that was started before the daemon is known to it")
    tap.result(None if machine.obeys("busy", "minimal") and machine.obeys("busy", "balanced") else "no",
               "and obeys it")


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
            and machine.mode_of("cache") == wanted)
        wrong = None if answer.returncode == 0 and followed else f"{answer.stderr} {machine.mode_of('cache')}"
        tap.result(wrong, f"hakctl set-mode {mode}: the server obeys")
    answer = machine.run("hakctl", "doctor")
    tap.result(None if "MISSING  hakmem-helper" not in answer.stdout else answer.stdout,
               "the helper is started by its socket")
    answer = machine.run("hakctl", "purge", "cache.service")
    tap.result(None if answer.returncode == 0 else answer.stderr, "hakctl purge by unit")


def check_disk(machine, tap):
    """What was answered was written, and by the thread: the sandbox lets it be."""
    sandbox.wait_until(lambda: contexts(machine))
    context = next(iter(contexts(machine)), "none")
    answer = machine.run("hakctl", "freeze", context)
    tap.result(answer.stderr if answer.returncode else None, "hakctl freeze")
    threads = machine.says("sh", "-c", "cd /proc/$(systemctl show -P MainPID hakmemd)/task && "
                           "for t in *; do echo $(cat $t/comm) $(sed -n 's/^wchar: //p' $t/io); done")
    wrote = dict(line.split() for line in threads.splitlines())
    tap.result(None if int(wrote.get("hakmemd-disk", 0)) > 0 else threads, "a thread beside its loop wrote")
    answer = machine.run("hakctl", "thaw", context)
    tap.result(answer.stderr if answer.returncode else None, "hakctl thaw")


def check_absent_units(machine, tap):
    for unit, is_there in ("hakmem-nobody.service", False), ("systemd-sysext.service", True):
        answer = machine.run("hakctl", "set-mode", "fast", unit)
        kept = answer.returncode == 0 and f"no process of unit:{unit} runs; fast will" in answer.stderr
        right = kept and ("no such unit" in answer.stderr) != is_there
        tap.result(None if right else repr(answer),
                   f"the mode of a service that {'sleeps' if is_there else 'is not'} is kept and remarked")
        machine.run("hakctl", "set-mode", "default", unit)


def contexts(machine):
    answer = machine.run("hakctl", "stats", "--json")
    processes = json.loads(answer.stdout)["processes"] if answer.returncode == 0 else []
    return sorted({process["context"] for process in processes if process.get("context")})


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
    machine.run("script", "-qec", " ".join(stranger) + " hakctl set-mode fast", "/dev/null")
    agent = machine.journal_has("polkit", "pkttyagent", "Unregistered Authentication Agent")
    gone = sandbox.wait_until(lambda: not machine.says("pgrep", "pkttyagent"))
    tap.result(None if agent and gone else machine.journal("polkit")[-600:],
               "on a terminal polkit's agent is there for the call, and no longer")
    machine.run("sh", "-c", f"cat >/etc/polkit-1/rules.d/10-test.rules <<'END'\n{RULE}END")
    machine.run("systemctl", "restart", "polkit")
    answer = machine.run(*stranger, "hakctl", "set-mode", "fast")
    mode = machine.says("hakctl", "get-mode")
    tap.result(None if answer.returncode == 0 and mode == "fast" else f"{answer} {mode}",
               "a rule for nobody and set-mode allows that")
    answer = machine.run(*stranger, "hakctl", "panic")
    tap.result(None if answer.returncode == 1 and "org.hakmem1.panic" in answer.stderr else repr(answer),
               "and nothing else")
    answer = machine.run(*stranger, "hakctl", "freeze", "redis-server")
    tap.result(None if answer.returncode == 1 and "org.hakmem1.learning" in answer.stderr else repr(answer),
               "nor what is about learning")
    told = sandbox.wait_until(lambda: "refused by uid 65534" in machine.says(
        "journalctl", "--no-pager", "-o", "cat", "-u", "hakmemd", "HAKMEM_CHANGE=org.hakmem1.panic",
        "HAKMEM_SENDER_UID=65534"))
    tap.result(None if told else machine.journal("hakmemd")[-600:], "the journal says so, in fields")
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
            sandbox.wait_until(lambda gone=old: machine.main_pid("hakmemd") not in (0, gone))
        back = sandbox.wait_until(lambda: machine.process_of("cache"))
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
    followed = sandbox.wait_until(lambda: machine.mode_of("busy") == "fast")
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


def check_helper(machine, tap):
    for signal in ("KILL", "SEGV"):
        old = machine.main_pid("hakmem-helper")
        machine.run("systemctl", "kill", "-s", signal, "hakmem-helper")
        back = sandbox.wait_until(lambda gone=old: machine.main_pid("hakmem-helper") not in (0, gone))
        known = sandbox.wait_until(lambda: "MISSING  hakmem-helper" not in machine.says("hakctl", "doctor"))
        tap.result(None if back and known else machine.journal("hakmem-helper")[-600:],
                   f"kill -{signal} of the helper: it comes back, and hakmemd finds it")


FORBIDDEN = ("ptrace", "process_vm_readv", "process_vm_writev", "pidfd_getfd", "kcmp", "bpf", "mount",
             "setuid")


def check_deny_list(machine, tap):
    """A program in the helper's place, with everything of its unit but the program."""
    unit = machine.says("cat", "/lib/systemd/system/hakmem-helper.service")
    kept = [line for line in unit.splitlines()
            if not line.startswith(("ExecStart=", "Type=", "Restart", "WatchdogSec=", "Also=", "Requires="))]
    text = "\n".join(kept).replace("[Service]", "[Service]\nType=oneshot\nExecStart=/opt/system_call %i")
    machine.write("/run/systemd/system/in-its-place@.service", text + "\n")
    machine.run("systemctl", "daemon-reload")
    for call in FORBIDDEN + ("process_madvise",):
        machine.run("systemctl", "start", f"in-its-place@{call}")
        ended = machine.says("systemctl", "show", "-P", "ExecMainStatus", f"in-its-place@{call}")
        if call == "process_madvise":
            tap.result(None if ended == "0" else ended, "the helper may call process_madvise")
        else:
            tap.result(None if ended == "31" else ended, f"{call} in the helper's place is killed by SIGSYS")


def check_reload(machine, tap):
    machine.run("hakctl", "set-mode", "default")
    machine.write("/etc/hakmem/hakmemd.conf", "[daemon]\nmode = fast\n")
    answer = machine.run("systemctl", "reload", "hakmemd")
    followed = sandbox.wait_until(lambda: machine.mode_of("busy") == "fast")
    tap.result(None if answer.returncode == 0 and followed else f"{answer} {machine.mode_of('busy')}",
               "systemctl reload: the configured mode is obeyed")
    machine.write("/etc/hakmem/hakmemd.conf", "[daemon]\nmode = fats\n")
    machine.run("systemctl", "reload", "hakmemd")
    said = sandbox.wait_until(lambda: "hakmemd.conf:2:" in machine.journal("hakmemd"))
    stays = machine.says("hakctl", "get-mode") == "fast"
    tap.result(None if said and stays else machine.journal("hakmemd")[-300:],
               "a wrong file is refused with its line, and what was in force stays")
    machine.run("rm", "/etc/hakmem/hakmemd.conf")
    machine.run("systemctl", "reload", "hakmemd")


def check_leaving(machine, tap):
    machine.write("/run/systemd/system/hakmemd.service.d/stay-away.conf", "[Service]\nRestart=no\n")
    machine.run("systemctl", "daemon-reload")
    machine.run("systemd-run", "--unit=holder", "hakctl", "hold", "minimal", "sleep", "1000")
    held = sandbox.wait_until(lambda: machine.mode_of("busy") == "minimal")
    machine.run("systemctl", "kill", "-s", "KILL", "hakmemd")
    gone = sandbox.wait_until(lambda: machine.says("systemctl", "is-active", "hakmemd") == "failed")
    state = segment(machine)
    tap.result(None if held and gone and state["state"] == "STOPPED" else f"{held} {gone} {state}",
               "killed for good: ExecStopPost= publishes STOPPED")
    tap.result(None if state["policy"]["mode"] == "balanced" else repr(state),
               "without the hold that was in force")
    machine.run("rm", "-r", "/run/systemd/system/hakmemd.service.d")
    machine.run("systemctl", "daemon-reload")
    machine.run("systemctl", "reset-failed", "hakmemd")
    machine.run("systemctl", "start", "hakmemd")
    sandbox.wait_until(lambda: machine.process_of("busy"))


CHECKS = (check_boot, check_use, check_disk, check_absent_units, check_strangers, check_exposure,
          check_deny_list, check_polkit, check_reload, check_helper, check_leaving, check_failures)


def main():
    bus, *chosen = sys.argv[1:] or ["dbus-daemon"]
    checks = [check for check in CHECKS if not chosen or check.__name__.removeprefix("check_") in chosen]
    return machines.main(checks, prepare=prepare, bus=bus)


if __name__ == "__main__":
    start = time.monotonic()
    status = main()
    print(f"# {time.monotonic() - start:.0f} s")
    sys.exit(status)
