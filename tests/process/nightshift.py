#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""hakctl on a booted systemd: transient units, the metrics timer, monitor, doctor on a healthy machine."""
import glob
import json
import os
import sys
import time

import hak
import machine as machines
import sandbox

METRICS = "/var/lib/prometheus/node-exporter/hakmem.prom"


POSTGRES = max(glob.glob("/usr/lib/postgresql/*/bin"), default="/nowhere")
WEB = """worker_processes 4;
events {}
http { access_log off; server { listen unix:/run/web.sock; location / { return 200 "hello"; } } }
"""
SERVERS = {  # what serves, and how many of its processes there are to be seen
    "web": ("ExecStart=/usr/sbin/nginx -c /etc/web.conf -g 'daemon off; pid /run/web.pid;'\n", "nginx", 5),
    "db": (f"User=postgres\nStateDirectory=db\nExecStartPre={POSTGRES}/initdb -N -D /var/lib/db/data\n"
           f"ExecStart={POSTGRES}/postgres -D /var/lib/db/data -k /var/lib/db -c listen_addresses= "
           "-c autovacuum_naptime=1d\n",
           "postgres", 6),
}


def prepare(staging):
    staging.write("/etc/web.conf", WEB)
    for name, (lines, _, _) in SERVERS.items():
        staging.service(name, "[Service]\n" + lines)


def check_children(machine, tap):
    """Servers that fork theirs before there is work: each is shown under its unit, and obeys."""
    def of_unit(name):
        return [process for process in machine.stats()["processes"] if process["unit"] == name + ".service"]

    for name, (_, program, count) in SERVERS.items():
        answer = machine.run("hakctl", "enable", "--now", name)
        known = sandbox.wait_until(lambda unit=name, most=count: len(of_unit(unit)) == most)
        seen = of_unit(name)
        right = known and all(one["exe"].endswith("/" + program) and one["verified"] for one in seen)
        right = right and len({one["context"] for one in seen}) == 1
        tap.result(None if answer.returncode == 0 and right else f"{answer} {[one['comm'] for one in seen]}",
                   f"{program}: its {count} processes are shown under {name}.service, in one context")
        answer = machine.run("hakctl", "set-mode", "fast", name, "--wait", "--json")
        told = json.loads(answer.stdout)
        tap.result(None if sum(told[word] for word in ("applied", "asleep")) == count else answer,
                   f"set-mode fast {name}: all of them are reached, and nobody else")
    before = machine.stats()["totals"]["ended_processes"]
    answer = machine.run("setpriv", "--reuid=postgres", "--clear-groups", "--",
                         "psql", "-h", "/var/lib/db", "-c", "select 1")
    ended = sandbox.wait_until(lambda: machine.stats()["totals"]["ended_processes"] > before)
    known = [one for one in machine.stats()["ended_units"] if one["unit"] == "db.service"]
    tap.result(None if answer.returncode == 0 and ended and known else f"{answer} {known}",
               "a session's process comes, goes, and is counted for its unit")
    machine.run("hakctl", "disable", "--all")
    machine.run("systemctl", "stop", *SERVERS)


def check_launch(machine, tap):
    command = "import time\nwhile True: time.sleep(.01); x = [bytes(9999) for _ in range(999)]"
    answer = machine.run("hakctl", "launch", "/usr/bin/python3", "-c", command)
    unit = answer.stdout.strip()
    tap.result(None if answer.returncode == 0 and unit.endswith(".service") else repr(answer),
               "launch prints the name of a unit")
    known = sandbox.wait_until(lambda: (machine.process_of(unit) or {}).get("unit") == unit)
    tap.result(None if known else repr(machine.stats())[:300], "its process is known under that unit")
    tap.result(None if machine.obeys(unit, "minimal") and machine.obeys(unit, "balanced") else "no",
               "and obeys")
    answer = machine.run("hakctl", "metrics")
    counted = [line for line in answer.stdout.splitlines() if line.startswith("hakmem_unit_processes")]
    tap.result(None if f'hakmem_unit_processes{{unit="{unit}"}} 1' in counted else counted,
               "metrics tell of the unit")
    answer = machine.run("hakctl", "doctor", str(machine.main_pid(unit)))
    tap.result(None if answer.returncode == 0 else repr(answer), "doctor finds nothing amiss with it")
    answer = machine.run("hakctl", "purge", unit)
    tap.result(None if answer.returncode == 0 else repr(answer), "purge by its name")
    machine.run("systemctl", "stop", unit)
    gone = sandbox.wait_until(
        lambda: machine.says("systemctl", "show", "-P", "LoadState", unit) == "not-found")
    tap.result(None if gone else machine.says("systemctl", "status", unit), "nothing of it stays")
    answer = machine.run("hakctl", "launch", "--json", "--unit=calledthis", "/bin/sleep", "100")
    tap.result(None if answer.returncode == 0 and json.loads(answer.stdout)["unit"] == "calledthis.service"
               else repr(answer), "launch --unit --json")
    answer = machine.run("hakctl", "launch", "--unit=calledthis", "/bin/sleep", "100")
    tap.result(None if answer.returncode == 1 and "calledthis.service" in answer.stderr else repr(answer),
               "a unit that is there already is not taken over")
    shell = "cat /proc/self/cgroup; grep -c libhakmem /proc/self/maps; exit 7"
    answer = machine.run("hakctl", "launch", "--scope", "--unit=front", "sh", "-c", shell)
    lines = answer.stdout.split()
    tap.result(None if answer.returncode == 7 and "front.scope" in answer.stdout and int(lines[-1]) > 0
               else repr(answer), "launch --scope: in the foreground, in a scope, preloaded; its own code")
    stranger = ("setpriv", "--reuid=65534", "--clear-groups", "--")
    answer = machine.run(*stranger, "hakctl", "launch", "sleep", "1")
    tap.result(None if answer.returncode == 1 and "systemd does not start" in answer.stderr else repr(answer),
               "an unprivileged user is refused by systemd")


def check_metrics(machine, tap):
    machine.run("mkdir", "-p", os.path.dirname(METRICS))
    answer = machine.run("systemctl", "start", "hakmem-metrics.timer")
    tap.result(answer.stderr if answer.returncode else None, "the metrics timer starts")
    written = sandbox.wait_until(lambda: machine.run("test", "-s", METRICS).returncode == 0)
    text = machine.says("cat", METRICS)
    tap.result(None if written and "hakmem_up 1" in text and "hakmem_helper_up 1" in text
               else text[:300] + machine.journal("hakmem-metrics"), "and the file is there for node_exporter")
    machine.run("systemctl", "stop", "hakmemd")
    machine.run("systemctl", "start", "hakmem-metrics.service")
    text = machine.says("cat", METRICS)
    state = machine.says("systemctl", "is-failed", "hakmem-metrics.service")
    good = "hakmem_up 0" in text and state != "failed" and not machine.is_active()
    tap.result(None if good else text + state,
               "without hakmemd it says so, is no failure, and does not start it")
    machine.run("systemctl", "stop", "hakmem-metrics.timer")
    machine.run("systemctl", "start", "hakmemd")
    said = machine.says("systemd-analyze", "security", "--no-pager", "hakmem-metrics.service")
    line = next((line for line in said.splitlines() if "Overall exposure" in line), "")
    tap.result(None if line and float(line.split(":")[1].split()[0]) <= 3 else line,
               f"its exposure: {line.split(':')[-1].strip()}, at most 3")


def check_monitor(machine, tap):
    machine.run("sh", "-c", "hakctl monitor --json >/tmp/events 2>&1 & echo $! >/tmp/monitor")
    sandbox.wait_until(lambda: "hello" in machine.says("cat", "/tmp/events"))
    machine.run("hakctl", "set-mode", "fast", "--reason=night shift")
    told = sandbox.wait_until(lambda: '"night shift"' in machine.says("cat", "/tmp/events"))
    tap.result(None if told else machine.says("cat", "/tmp/events"),
               "monitor tells of a command and its reason")
    machine.run("hakctl", "launch", "--unit=seen", "/bin/sleep", "100")
    told = sandbox.wait_until(lambda: '"seen.service"' in machine.says("cat", "/tmp/events"))
    tap.result(None if told else machine.says("cat", "/tmp/events"), "and of a process, with its unit")
    machine.run("systemctl", "restart", "hakmemd")
    told = sandbox.wait_until(lambda: "hakmemd has ended" in machine.says("cat", "/tmp/events"))
    tap.result(None if told else machine.says("cat", "/tmp/events"), "and ends with hakmemd")


def check_doctor(machine, tap):
    answer = machine.run("hakctl", "doctor", "--json")
    checks = json.loads(answer.stdout)["checks"]
    missing = [check for check in checks if check["state"] == "missing"]
    tap.result(missing or None, "doctor: nothing is amiss on this machine")
    machine.run("systemctl", "stop", "hakmem-helper.socket", "hakmem-helper")
    machine.run("systemctl", "restart", "hakmemd")
    machine.run("systemctl", "stop", "hakmem-helper.socket", "hakmem-helper")
    answer = machine.run("hakctl", "doctor")
    tap.result(None if answer.returncode == 4 and "MISSING  hakmem-helper" in answer.stdout else repr(answer),
               "doctor misses the helper")
    for page in ("hakctl", "hakmemd", "hakmemd.conf", "hakmem", "libhakmem", "org.hakmem1"):
        answer = machine.run("man", "-w", page)
        tap.result(None if answer.returncode == 0 else repr(answer), f"man {page}")


if __name__ == "__main__":
    start = time.monotonic()
    status = machines.main((check_launch, check_children, check_metrics, check_monitor, check_doctor),
                           prepare=prepare)
    print(f"# {time.monotonic() - start:.0f} s")
    sys.exit(status)
