#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""hakctl enable and disable against services whose units are in the way of a preload, one for each directive.
Meanwhile polkit hangs, as waiting for it takes long.

enable.py [UNIT...]: those of UNITS alone, which is what tests/vm/check wants."""
import json
import os
import subprocess
import sys

import jsonschema

import hak
import machine as machines
import sandbox

with open(os.path.join(hak.TOP, "docs/schema/enable.json"), encoding="utf-8") as file:
    SCHEMA = json.load(file)
SERVER = "[Service]\nExecStart=/usr/bin/redis-server --port 0 --unixsocket {socket} --save \"\"\n"
STRICT = "ProtectSystem=strict\n"
# name: what its unit says beside a server; what hakctl enable finds; does it preload?
UNITS = {
    "plain": ("", None, True),
    "strict": (STRICT + "ReadWritePaths=/var/lib\n", "ProtectSystem=strict", True),
    "readonly": ("ReadOnlyPaths=/run\nReadWritePaths=/var/lib\n", "ReadOnlyPaths=", True),
    "hidden": ("TemporaryFileSystem=/run\n", "TemporaryFileSystem=", True),
    "inaccessible": ("InaccessiblePaths=/run/hakmem\n", "InaccessiblePaths=", False),
    "filtered": ("SystemCallFilter=@system-service\nSystemCallFilter=~madvise mremap fallocate ftruncate\n"
                 "SystemCallErrorNumber=EPERM\n", "SystemCallFilter=", True),
    "rooted": ("RootDirectory=/srv/root\nMountAPIVFS=yes\nBindReadOnlyPaths=/usr /etc\nBindPaths=/var/lib\n",
               "RootDirectory=", True),
    # Nothing but the image's own files, where an image can be mounted.
    "imaged": ("RootImage=/srv/image.ext4\nMountAPIVFS=yes\nBindPaths=/var/lib\n", "RootImage=",
               True if machines.has_loop_devices() else None),
    "unwritable": ("MemoryDenyWriteExecute=yes\n", None, True),
    "dynamic": ("DynamicUser=yes\nStateDirectory=dynamic\n", "ProtectSystem=strict", True),
    "mapped": ("PrivateUsers=yes\nUser=nobody\nStateDirectory=mapped\n", None, True),
    "locked": (STRICT + "DynamicUser=yes\nPrivateUsers=yes\nMemoryDenyWriteExecute=yes\nProtectHome=yes\n"
               "PrivateTmp=yes\nProtectProc=invisible\nProcSubset=pid\nSystemCallFilter=@system-service\n"
               "RestrictAddressFamilies=AF_UNIX\nStateDirectory=locked\n", "ProtectSystem=strict", True),
    "enviable": ("EnvironmentFile=/etc/default/enviable\n", "EnvironmentFile=", False),
}
CHOSEN = sys.argv[1:] or UNITS
# Their program is what is in the way, or they do not bear the preload.
PROGRAMS = {"static": "linked statically", "setuid": "setuid", "capable": "file capabilities"}
JEALOUS = "ExecStartPre=/bin/sh -c 'test -z \"$LD_PRELOAD\"'\n"


def closure(program):
    """It, the libraries that it loads, and the loader."""
    said = subprocess.run(["ldd", program], capture_output=True, text=True, check=True).stdout
    return [program] + [word for word in said.split() if word.startswith("/")]


def prepare(staging):
    for name, (text, _, _) in UNITS.items():
        place = name + "/" if "StateDirectory" in text else ""
        staging.service(name, SERVER.format(socket=f"/var/lib/{place}{name}.sock") + text)
    staging.service("jealous", SERVER.format(socket="/var/lib/jealous.sock") + JEALOUS)
    staging.copy(hak.tool("tools/peak"), "/opt/static")
    staging.copy("/bin/sleep", "/opt/setuid", 0o4755)
    staging.copy("/bin/sleep", "/opt/capable")
    for name in PROGRAMS:
        staging.service(name, f"[Service]\nExecStart=/opt/{name} 1000\n")
    staging.write("/etc/default/enviable", "LD_PRELOAD=libm.so.6\n")
    for link in ("bin", "lib", "lib64", "sbin"):
        staging.link("usr/" + link, "/srv/root/" + link)
    for root in ("/srv/root/", "/srv/image/"):
        staging.make(*(root + directory for directory in (
            "usr", "etc", "run", "var/lib", "proc", "sys", "dev", "tmp")))
    for file in closure("/usr/bin/redis-server"):
        staging.copy(file, "/srv/image" + file)


def enable(machine, name, *options):
    """What hakctl enable answers, and the directives that it found."""
    answer = machine.run("hakctl", "enable", "--json", *options, name)
    document = json.loads(answer.stdout)
    jsonschema.validate(document, SCHEMA)
    outcome = document["units"][0] if document["units"] else {"findings": [], "changed": None}
    return answer, outcome, [finding["directive"] for finding in outcome["findings"]]


def check_directives(machine, tap):
    machine.run("mke2fs", "-q", "-t", "ext4", "-d", "/srv/image", "/srv/image.ext4", "64M")
    for name in CHOSEN:
        _, directive, possible = UNITS[name]
        machine.run("systemctl", "start", name)
        answer, outcome, found = enable(machine, name, *(("--now",) if possible else ()))
        wrong = None if directive is None and not found or directive in found else repr(found)
        if possible is None:
            text = machine.says("cat", f"/etc/systemd/system/{name}.service.d/50-hakmem.conf")
            binds = "BindPaths=/run/hakmem" in text and "BindReadOnlyPaths=/" in text
            tap.result(wrong or (None if answer.returncode == 0 and binds else text + repr(answer)),
                       f"enable {name}: {directive} is mended")
        elif possible:
            known = sandbox.wait_until(lambda unit=name: machine.process_of(unit))
            wrong = wrong or (None if answer.returncode == 0 and outcome["changed"] and known else
                              f"{answer} {known}")
            tap.result(wrong, f"enable --now {name}: preloaded and known, {directive or 'nothing'} mended")
            again = enable(machine, name)[1]["changed"]
            tap.result(None if again is False else repr(again), f"enable {name} once more: no change")
        else:
            tap.result(wrong or (None if answer.returncode == 1 and not outcome["changed"] else repr(answer)),
                       f"enable {name}: {directive} is named, nothing is changed")
    sandboxed = [name for name in ("strict", "locked", "mapped", "rooted", "imaged")
                 if name in CHOSEN and UNITS[name][2]]
    obeyed = all(machine.obeys(name, "fast") for name in sandboxed)
    tap.result(None if obeyed else "one does not", "those obey set-mode from within their sandboxes")


def check_programs(machine, tap):
    machine.run("setcap", "cap_net_raw+ep", "/opt/capable")
    for name, hint in PROGRAMS.items():
        answer = machine.run("hakctl", "enable", name)
        tap.result(None if answer.returncode == 1 and hint in answer.stderr else repr(answer),
                   f"enable {name}: {hint}")
    machine.run("systemctl", "start", "jealous")
    answer = machine.run("hakctl", "enable", "--now", "jealous")
    again = machine.says("systemctl", "is-active", "jealous")
    tap.result(None if answer.returncode == 1 and "taken back" in answer.stderr and again == "active" else
               f"{answer} {again}",
               "a service that does not start any more gets its drop-in taken back, and runs")


def check_taking_back(machine, tap):
    machine.run("hakctl", "disable", "plain")
    machine.run("hakctl", "disable", "--now", "plain")
    clean = machine.main_pid("plain") and not machine.process_of("plain")
    tap.result(None if clean else "it is still preloaded", "disable, then disable --now: it is taken back")
    machine.run("hakctl", "enable", "plain")
    answer = machine.run("hakctl", "enable", "--now", "plain")
    known = sandbox.wait_until(lambda: machine.process_of("plain"))
    tap.result(None if answer.returncode == 0 and known else repr(answer),
               "enable, then enable --now: it is restarted, and known")
    machine.run("systemctl", "stop", "plain")
    answer = machine.run("hakctl", "disable", "--now", "plain")
    tap.result(None if answer.returncode == 0 and not machine.is_active("plain") else repr(answer),
               "disable --now does not start what was stopped")
    machine.run("systemctl", "start", "plain")
    answer = machine.run("hakctl", "disable", "--json", "plain")
    tap.result(None if '"changed":false' in answer.stdout else repr(answer), "disable once more: no change")
    for verb, name in (("enable", "plain"), ("disable", "strict")):
        before = machine.says("sh", "-c", "cat /etc/systemd/system/*.d/*hakmem*")
        answer = machine.run("hakctl", verb, "--check", "--json", name)
        after = machine.says("sh", "-c", "cat /etc/systemd/system/*.d/*hakmem*")
        tap.result(None if '"possible":true' in answer.stdout and before == after else repr(answer),
                   f"{verb} --check only tells")


def check_alias(machine, tap):
    machine.run("ln", "-s", "plain.service", "/etc/systemd/system/cache.plain.service")
    machine.run("systemctl", "daemon-reload")
    answer, outcome, _ = enable(machine, "cache.plain")
    named = machine.run("hakctl", "disable", "--json", "plain")
    same = outcome.get("unit") == "plain.service" and '"changed":true' in named.stdout
    tap.result(None if same else f"{answer} {named}", "an alias enables the unit that it means")


def check_deny_list(machine, tap):
    for name in ("dbus", "dbus-broker", "dbus-org.hakmem1", "procps", "systemd-journald",
                 "systemd-logind", "polkit", "hakmemd", "hakmem-helper", "hakmem-prepare", "getty@tty1",
                 "user@0", "init.scope"):
        answer = machine.run("hakctl", "enable", name)
        expected = (2, "no service") if name == "init.scope" else (1, "left alone")
        refused = answer.returncode == expected[0] and expected[1] in answer.stderr
        tap.result(None if refused else repr(answer), f"enable {name}: {expected[1]}")
    for name, code, hint in (("nobody", 1, "no unit"), ("run-hakmem.mount", 2, "no service")):
        answer = machine.run("hakctl", "enable", name)
        tap.result(None if answer.returncode == code and hint in answer.stderr else repr(answer),
                   f"enable {name}: {hint}")


def hang_polkit(machine):
    """Somebody who needs permission, and a polkit that does not answer."""
    machine.run("systemctl", "start", "polkit")
    machine.run("systemctl", "kill", "-s", "STOP", "polkit")
    return subprocess.Popen(["nsenter", "-t", str(machine.pid), "-a", "setpriv", "--reuid=65534",
                             "--clear-groups", "--", "hakctl", "set-mode", "research"],
                            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def check_hanging_polkit(machine, waiting, tap):
    said = waiting.communicate(timeout=2 * sandbox.PATIENCE_SECONDS * hak.SLOWNESS)[1]
    mode = machine.says("hakctl", "get-mode")
    refused = waiting.returncode == 1 and "polkit does not answer" in said and mode != "research"
    tap.result(None if refused else f"{waiting.returncode} {said} {mode}",
               "a polkit that hangs: refused after a while")


def check_all(machine, tap):
    waiting = hang_polkit(machine)
    for check in (check_directives, check_programs, check_taking_back, check_alias, check_deny_list):
        check(machine, tap)
    check_hanging_polkit(machine, waiting, tap)


if __name__ == "__main__":
    sys.exit(machines.main((check_directives,) if sys.argv[1:] else (check_all,), prepare=prepare))
