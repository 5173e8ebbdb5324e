#!/usr/bin/python3
# SPDX-License-Identifier: MIT
""""Is it hakmem?" on a booted systemd: last words in the journal, a service that crashes under hakmem is rid
of it, and /etc/hakmem/disabled."""
import json
import sys

import hak
import machine as machines
import sandbox

FATAL_ID = "2469e902d26c4ad791ce7deef7b2e9ad"
DISABLED_ID = "d00e3e432d9041e39bc9830a064d9dcc"
FAULTY = """[Service]
ExecStart=/usr/bin/python3 /opt/faulty.py
Environment=LD_PRELOAD=libhakmem.so.0
"""
DOUBLE_FREE = """import ctypes, time
libc = ctypes.CDLL(None)
libc.malloc.restype = ctypes.c_void_p
time.sleep(1)
block = ctypes.c_void_p(libc.malloc(ctypes.c_size_t(30000)))
libc.free(block)
libc.free(block)
"""
# Crashes wherever it runs under hakmem.
ALLERGIC = """[Unit]
StartLimitBurst=100
[Service]
ExecStart=/bin/sh -c 'grep -q libhakmem /proc/self/maps && kill -SEGV $$$$; exec sleep 1000'
Restart=always
RestartSec=50ms
"""
SERVER = "[Service]\nExecStart=/usr/bin/redis-server --port 0 --unixsocket /run/{name}.sock --save \"\"\n"


def prepare(staging):
    staging.write("/opt/faulty.py", DOUBLE_FREE)
    staging.service("faulty", FAULTY)
    staging.service("allergic", ALLERGIC)
    staging.service("quiet", SERVER.format(name="quiet"))


def records(machine, message_id):
    """What the journal has with that id, oldest first."""
    lines = machine.says("journalctl", "--no-pager", "-o", "json", "MESSAGE_ID=" + message_id).splitlines()
    return [json.loads(line) for line in lines]


def check_last_words(machine, tap):
    machine.run("systemctl", "start", "faulty")
    pid = machine.says("systemctl", "show", "-P", "ExecMainPID", "faulty")
    sandbox.wait_until(lambda: records(machine, FATAL_ID))
    found = records(machine, FATAL_ID)
    record = found[0] if found else {}
    names = ("HAKMEM_UNIT", "HAKMEM_UID", "PRIORITY", "HAKMEM_PID")
    right = [record.get(name) for name in names] == ["faulty.service", "0", "3", pid] and record[
        "HAKMEM_PROGRAM"].startswith("python3") and "double free" in record["HAKMEM_FAULT"]
    tap.result(None if right and len(found) == 1 else f"{pid} {found}",
               "a fatal error is journaled once, with unit, program, pid, uid and fault")
    said = machine.journal_has("faulty.service", "hakmem: free(")
    tap.result(None if said else machine.journal("faulty.service")[-400:],
               "and journalctl -u of the unit shows what the process said")


def drop_in(machine, unit):
    return machine.says("cat", f"/etc/systemd/system/{unit}.service.d/50-hakmem.conf")


def check_ordinary_ends(machine, tap):
    machine.run("systemctl", "start", "quiet")
    answer = machine.run("hakctl", "enable", "--now", "quiet")
    for _ in range(4):
        machine.run("systemctl", "restart", "quiet")
    for _ in range(4):
        machine.run("systemctl", "kill", "-s", "KILL", "quiet")
        machine.run("systemctl", "start", "quiet")
    tap.result(None if answer.returncode == 0 and drop_in(machine, "quiet") else repr(answer),
               "a service that is restarted and killed from outside stays enabled")
    for _ in range(2):
        machine.run("systemctl", "kill", "-s", "SEGV", "quiet")
        sandbox.wait_until(lambda: not machine.is_active("quiet"))
        machine.run("systemctl", "reset-failed", "quiet")
        machine.run("systemctl", "start", "quiet")
    tap.result(None if drop_in(machine, "quiet") else "it is gone", "and so it does after two crashes")


def check_crashes(machine, tap):
    machine.run("systemctl", "start", "allergic")
    first = machine.main_pid("allergic")
    answer = machine.run("hakctl", "enable", "allergic")
    watched = "crashed %n" in drop_in(machine, "allergic")
    tap.result(None if answer.returncode == 0 and watched else repr(answer),
               "enabling a service has its crashes counted")
    machine.run("systemctl", "restart", "allergic")
    sandbox.wait_until(lambda: records(machine, DISABLED_ID))
    found = records(machine, DISABLED_ID)
    told = [(record["HAKMEM_UNIT"], record["PRIORITY"]) for record in found]
    right = told == [("allergic.service", "2")]
    tap.result(None if right else repr(found), "the third crash disables it, and the journal says so")
    tap.result(drop_in(machine, "allergic") or None, "its drop-in is gone")
    steady = sandbox.wait_until(lambda: "sleep" in machine.says(
        "cat", f"/proc/{machine.main_pid('allergic')}/comm"))
    tap.result(None if steady and machine.main_pid("allergic") != first else machine.journal("allergic"),
               "and it runs without hakmem, which nobody had to come for")
    answer = machine.run("hakctl", "enable", "--json", "allergic")
    tap.result(None if '"changed":true' in answer.stdout else repr(answer), "it can be enabled anew")
    machine.run("hakctl", "disable", "allergic")


def check_disabled(machine, tap):
    answer = machine.run("touch", "/etc/hakmem/disabled")  # as the runbook has it
    tap.result(answer.stderr or None, "/etc/hakmem is there, so that the file can be made")
    machine.run("systemctl", "restart", "quiet")
    sandbox.wait_until(lambda: "libhakmem" in machine.says("cat", f"/proc/{machine.main_pid('quiet')}/maps"))
    served = sandbox.wait_until(lambda: machine.says("redis-cli", "-s", "/run/quiet.sock", "ping") == "PONG")
    maps = machine.says("cat", f"/proc/{machine.main_pid('quiet')}/maps")
    tap.result(None if "libhakmem" in maps and "/run/hakmem" not in maps else maps[-600:],
               "/etc/hakmem/disabled: a process maps no segment and no telemetry")
    tap.result(None if served and not machine.process_of("quiet") else machine.journal("quiet"),
               "works, and is not known to hakmemd")
    machine.run("rm", "/etc/hakmem/disabled")
    machine.run("systemctl", "restart", "quiet")
    tap.result(None if sandbox.wait_until(lambda: machine.process_of("quiet")) else "unknown",
               "without the file it is again")


if __name__ == "__main__":
    sys.exit(machines.main((check_last_words, check_ordinary_ends, check_crashes, check_disabled),
                           prepare=prepare))
