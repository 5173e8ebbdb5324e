#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""How a process follows the control segment: within 128 frees or one slow visit, from a daemon that was there
before it, started after it, was killed, or ended; and that garbage in the runtime directory harms nobody."""
import os
import signal
import stat
import subprocess
import sys
import time

import hak
import sandbox
import steps
import telemetry

FREES_TO_APPLY = 128


def follows(box, stepper, mode, what=f"pairs {FREES_TO_APPLY}"):
    """What is wrong with how a process takes a new mode in one step, or None."""
    answer = box.ctl("set-mode", mode)
    if answer.returncode:
        return f"set-mode {mode}: {answer.stderr}"
    serial = telemetry.read_control(box.runtime)["serial"]
    stepper.do(what)
    slot = stepper.slot()
    if slot is None:
        return "no telemetry"
    if slot.policy["mode"] != mode or slot.applied_serial < serial:
        return (f"after '{what}' in {slot.policy['mode']}, serial {slot.applied_serial}, not in {mode}, "
                f"serial {serial}")
    return None


def check_promptness(tap):
    with sandbox.Sandbox() as box:
        stepper = steps.Stepper(box)
        stepper.do("pairs 1000")
        for mode in [*hak.MODES, *reversed(hak.MODES[:-1])]:
            tap.result(follows(box, stepper, mode),
                       f"{mode} is applied within {FREES_TO_APPLY} frees of a class")
        for mode in hak.MODES:
            tap.result(follows(box, stepper, mode, "large 1"), f"{mode} is applied by one large block")
        before = stepper.slot().applied_serial
        box.ctl("set-mode", "fast")
        time.sleep(0.1)
        tap.result(None if stepper.slot().applied_serial == before else "it woke up",
                   "a process that does nothing is left alone")
        slot = stepper.end()[1]
        tap.result(slot.ledger(), "the ledger closes after all these modes")
        tap.result(None if slot.state == 2 else f"slot state {slot.state}",
                   "a process that exits says good-bye")


def check_pinned(tap):
    with sandbox.Sandbox() as box:
        stepper = steps.Stepper(box, mode="fast")
        box.ctl("set-mode", "minimal")
        stepper.do("pairs 1000")
        slot = stepper.slot()
        pinned = slot.policy["mode"] == "fast" and "MODE" in slot.pins
        tap.result(None if pinned else f"in {slot.policy['mode']}",
                   "set-mode does not move a pinned process")
        serial = telemetry.read_control(box.runtime)["serial"]
        tap.result(None if slot.applied_serial == serial else f"serial {slot.applied_serial} of {serial}",
                   "a pinned process acknowledges the serial all the same")


def check_kill(tap):
    """hakmemd dies by SIGKILL: same segment, same mode, and processes from before go on."""
    with sandbox.Sandbox() as box:
        segment = os.path.join(box.runtime, "control.v1")
        stepper = steps.Stepper(box)
        box.ctl("set-mode", "minimal")
        inode = os.stat(segment).st_ino
        identity = telemetry.read_control(box.runtime)["segment_id"]
        box.kill_daemon()
        stepper.do("pairs 1000")
        orphan = steps.Stepper(box)
        orphan.do("pairs 1000")
        slot = orphan.slot()
        tap.result(None if slot and slot.policy["mode"] == "minimal" else "not minimal",
                   "a process started while the daemon is dead takes the last policy")
        box.start_daemon()
        tap.result(None if box.ctl("get-mode").stdout == "minimal\n" else box.ctl("get-mode").stdout,
                   "the mode outlives SIGKILL")
        same = os.stat(segment).st_ino == inode
        same = same and telemetry.read_control(box.runtime)["segment_id"] == identity
        tap.result(None if same else "another file", "the segment keeps its inode and its id")
        for process, name in ((stepper, "older than the kill"), (orphan, "started without a daemon")):
            tap.result(follows(box, process, "fast") or follows(box, process, "research"),
                       f"a process {name} obeys the new daemon")
            tap.result(process.end()[1].ledger(), f"its ledger closes: {name}")


def check_stop(tap):
    """hakmemd ends by SIGTERM: STOPPED, no new telemetry, and the next one takes over."""
    with sandbox.Sandbox() as box:
        stepper = steps.Stepper(box)
        box.ctl("set-mode", "fast")
        stepper.do("pairs 1000")
        status = box.kill_daemon(signal.SIGTERM)
        state = telemetry.read_control(box.runtime)["state"]
        tap.result(None if (status, state) == (0, "STOPPED") else f"status {status}, state {state}",
                   "SIGTERM ends the daemon with state STOPPED")
        stepper.do("pairs 1000")
        tap.result(None if stepper.slot().policy["mode"] == "fast" else stepper.slot().policy["mode"],
                   "a stopped daemon leaves the last policy in force")
        late = steps.Stepper(box)
        late.do("pairs 1000")
        tap.result("made telemetry" if late.slot() else None, "after STOPPED nobody makes telemetry")
        late.end()
        box.start_daemon()
        tap.result(follows(box, stepper, "minimal"), "the next daemon is obeyed")
        tap.result(stepper.end()[1].ledger(), "the ledger closes")


def check_older_process(tap):
    """The directory and the segment (state DEFAULT) are there, as made at boot; the daemon comes later."""
    with sandbox.Sandbox(daemon=False) as box:
        subprocess.run([hak.tool("tools/make_segment"), box.runtime], timeout=sandbox.PATIENCE_SECONDS,
                       env=hak.plain_env(), check=True)
        state = telemetry.read_control(box.runtime)["state"]
        tap.result(None if state == "DEFAULT" else state, "the segment is made at boot, in state DEFAULT")
        stepper = steps.Stepper(box)
        stepper.do("pairs 1000")
        slot = stepper.slot()
        tap.result(None if slot and slot.policy["mode"] == "balanced" else "not in balanced",
                   "before any daemon ran the built-in policy holds")
        box.start_daemon()
        for mode in ("minimal", "research"):
            tap.result(follows(box, stepper, mode), f"a process older than the daemon obeys set-mode {mode}")
        tap.result(stepper.end()[1].ledger(), "its ledger closes")


def check_second_daemon(tap):
    with sandbox.Sandbox() as box:
        second = subprocess.run(box.daemon_command(), capture_output=True, text=True,
                                timeout=sandbox.PATIENCE_SECONDS, env=hak.plain_env(), check=False)
        lines = second.stderr.splitlines()
        tap.result(None if second.returncode and len(lines) == 1 and second.returncode > 0 else
                   f"status {second.returncode}, stderr {second.stderr!r}",
                   "a second instance says so in one line and exits")
        tap.result(None if box.ctl("get-mode").returncode == 0 else "it does not answer",
                   "the first one goes on")


FORKER = r"""
import os, sys
kept = [str(i) * 50 for i in range(5000)]
sys.stdin.readline()
reader, writer = os.pipe()
for n in range(3):
    pid = os.fork()
    if pid == 0:
        os.close(writer)
        more = [s + "x" for s in kept]
        os.write(1, b"%d\n" % os.getpid())
        os.read(reader,
                1)  # until the parent closes its end: a slot may be used again once its process is gone
        sys.exit(0)
sys.stdin.readline()
os.close(writer)
[os.wait() for n in range(3)]
kept += [s + "y" for s in kept]
"""


def check_fork(tap):
    with sandbox.Sandbox() as box:
        process = box.spawn(["/usr/bin/python3", "-I", "-c", FORKER], stdin=subprocess.PIPE,
                            stdout=subprocess.PIPE, text=True, bufsize=1, env=box.env())
        box.ctl("set-mode", "minimal")
        process.stdin.write("go\n")
        children = [int(process.stdout.readline()) for _ in range(3)]
        sandbox.wait_until(lambda: all(box.slots_of(child) for child in children))
        slots = [slot for child in children for slot in box.slots_of(child)]
        tap.result(None if len(slots) == 3 else f"{len(slots)} slots for {children}",
                   "each forked child has a slot of its own")
        tap.result(None if all(slot.policy["mode"] == "minimal" for slot in slots) else "another mode",
                   "children keep the parent's policy")
        process.communicate("end\n", timeout=sandbox.PATIENCE_SECONDS)
        slots = [slot for child in children for slot in box.slots_of(child)]
        own = box.slots_of(process.pid)[0]
        tap.result(None if own.counter["forks"] == 3 else own.counter["forks"], "the parent counts its forks")
        wrong = [slot.ledger() for slot in [own, *slots]]
        tap.result("\n".join(filter(None, wrong)), "the ledgers of parent and children close")


def check_garbage(tap):
    """What a runtime directory may hold instead of a segment: the program runs, silently."""
    def write(path, data, mode=0o644):
        with open(path, "wb") as out:
            out.write(data)
        os.chmod(path, mode)

    with sandbox.Sandbox() as good:
        good.ctl("set-mode", "minimal")
        with open(os.path.join(good.runtime, "control.v1"), "rb") as source:
            valid = source.read()
    short = valid[:5000]
    newer = valid[:8] + b"\xff\xff\xff\xff" + valid[12:]
    cases = {
        "nothing": lambda path: None,
        "an empty file": lambda path: write(path, b""),
        "a short file": lambda path: write(path, short),
        "zeroes": lambda path: write(path, bytes(len(valid))),
        "random bytes": lambda path: write(path, os.urandom(len(valid))),
        "another layout": lambda path: write(path, newer),
        "a directory": os.mkdir,
        "a symbolic link": lambda path: (write(path + ".x", valid), os.symlink(path + ".x", path)),
        "a file that others may write": lambda path: write(path, valid, 0o666),
        "a fifo": os.mkfifo,
    }
    for what, make in cases.items():
        with sandbox.Sandbox(daemon=False) as box:
            os.mkdir(os.path.join(box.runtime, "clients"))
            make(os.path.join(box.runtime, "control.v1"))
            wrong = None
            try:
                stepper = steps.Stepper(box)
                steps.exercise(stepper)
                said, slot = stepper.end()
                if said:
                    wrong = f"stderr: {said!r}"
                elif slot and slot.policy["mode"] != "balanced":
                    wrong = f"it took the mode {slot.policy['mode']} from there"
            except RuntimeError as error:
                wrong = str(error)
            tap.result(wrong, f"{what} in place of control.v1: the built-in policy, silently")


def check_closed_directory(tap):
    for what, mode in (("no clients directory", None), ("a clients directory that is closed", 0o700)):
        with sandbox.Sandbox(daemon=False) as box:
            if mode is not None:
                os.mkdir(os.path.join(box.runtime, "clients"), mode)
            stepper = steps.Stepper(box)
            steps.exercise(stepper)
            tap.result(stepper.end()[0], f"{what}: no telemetry, silently")


def check_descriptors(tap):
    """No descriptor stays open, and the mappings are those promised."""
    with sandbox.Sandbox() as box:
        stepper = steps.Stepper(box)
        stepper.do("pairs 1000")
        links = [os.readlink(f"/proc/{stepper.pid}/fd/{fd}") for fd in os.listdir(f"/proc/{stepper.pid}/fd")]
        tap.result([link for link in links if not link.startswith("pipe:")], "no descriptor stays open")
        tasks = os.listdir(f"/proc/{stepper.pid}/task")
        tap.result(None if len(tasks) == 1 else f"{len(tasks)} threads", "no thread is started")
        with open(f"/proc/{stepper.pid}/maps", encoding="ascii") as maps:
            lines = [line.split() for line in maps if box.runtime in line]
        rights = {os.path.basename(os.path.dirname(line[-1])): line[1] for line in lines}
        wanted = {"run": "r--s", "clients": "rw-s"}
        tap.result(None if rights == wanted else rights,
                   "the segment is mapped read-only, telemetry read-write")
        if stepper.slot():
            names = os.listdir(os.path.join(box.runtime, "clients"))
            info = os.stat(os.path.join(box.runtime, "clients", names[0]))
            tap.result(None if stat.S_IMODE(info.st_mode) == 0o644 else oct(info.st_mode),
                       "telemetry has mode 0644")


def main():
    tap = hak.Tap()
    for check in (check_promptness, check_pinned, check_kill, check_stop, check_older_process,
                  check_second_daemon, check_fork, check_garbage, check_closed_directory, check_descriptors):
        try:
            check(tap)
        except (RuntimeError, AttributeError, OSError, LookupError, ValueError,
                subprocess.SubprocessError) as error:
            tap.result(f"{type(error).__name__}: {error}", f"{check.__name__} came to its end")
    return tap.end()


if __name__ == "__main__":
    sys.exit(main())
