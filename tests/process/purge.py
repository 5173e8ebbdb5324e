#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""hakctl purge: who runs gives back what its caches hold, who sleeps does it when it wakes, nothing live is
touched, and wrong words are refused by name."""
import json
import os
import signal
import socket
import struct
import subprocess
import sys
import threading
import time

import hak
import sandbox
import steps

FILLED_BYTES = 500000 * 64
PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")
# struct hak_helper_request and hak_helper_reply (hakmemd/helper_protocol.h)
REQUEST_BYTES_MOST, REQUEST, REPLY = 1 << 16, "=IIi", "=IiIIQQi4xQ512s20s4x"


def said(answer):
    return None if answer.returncode == 0 and not answer.stderr else repr(answer)


def check_sleeper(box, tap):
    sleeper = steps.Stepper(box)
    sleeper.wait_until_known()
    sleeper.do("fill 500000")
    before = hak.anonymous_bytes(sleeper.pid)
    answer = box.ctl("purge", str(sleeper.pid))
    tap.result(said(answer) or (None if "purged 0, asleep 1" in answer.stdout else answer.stdout),
               "a sleeping process is counted as asleep, and nobody waits for it")
    # The kernel may swap a few pages out.
    asleep = hak.anonymous_bytes(sleeper.pid)
    tap.result(None if before - asleep < FILLED_BYTES // 32 else f"{before} bytes, {asleep} in its sleep",
               "without the helper nothing happens to it meanwhile")
    tap.result(None if not sleeper.slot().purges_done else "purges_done moved", "nor does it say so")
    sleeper.do("pairs 200")
    after = hak.anonymous_bytes(sleeper.pid)
    tap.result(None if before - after > FILLED_BYTES // 8 else f"{before} bytes, then {after}",
               "when it wakes it gives back what it held")
    slot = sleeper.slot()
    tap.result(None if slot.purges_done else "purges_done is 0", "and its telemetry says so")
    sleeper.end()


def purge_until(box, wanted, target):
    """Purges until it comes out so: on a machine with a lot else to do, who is busy may not have run
    meanwhile. Return: what came out instead; None: nothing."""
    told = []

    def comes_out():
        answer = box.ctl("purge", target)
        told[:] = [said(answer) or answer.stdout]
        return answer.returncode == 0 and wanted in answer.stdout

    return None if sandbox.wait_until(comes_out) else told[0]


def check_busy(box, tap):
    spinning = [box.spawn([hak.tool("tools/busy"), "spin"], env=box.env(), stdout=subprocess.PIPE)
                for _ in range(2)]
    for process in spinning:
        process.stdout.readline()
    numbers = [str(process.pid) for process in spinning]
    sandbox.wait_until(lambda: all(number in box.ctl("stats", "--json").stdout for number in numbers))
    wrong = purge_until(box, "purged 2, asleep 0", "--all")
    tap.result(wrong, "two busy processes obey --all")
    wrong = purge_until(box, "purged 1, asleep 0", "pid:" + numbers[0])
    tap.result(wrong, "a target as the bus writes it means one of them alone")
    for process in spinning:
        process.send_signal(signal.SIGTERM)


def purge_stress(box, seconds):
    """Purges one process all the time, while it fills every block with its own byte and verifies them.
    Return: what it found wrong or did not obey, and how many purges it obeyed."""
    run = box.spawn([hak.tool("tools/stress"), str(seconds), "2", "7"], env=box.env(), stdout=subprocess.PIPE,
                    stderr=subprocess.PIPE, text=True)
    purges, wrong = 0, None
    while run.poll() is None:
        answer = box.ctl("purge", f"pid:{run.pid}", "--json")
        if answer.returncode == 0:
            purges += json.loads(answer.stdout)["obeyed"]
        elif answer.returncode == 4 and run.poll() is None:  # it was lost by ending, else something is wrong
            wrong = f"lost while it ran: {answer.stdout}"
    return (run.stderr.read() or f"it ended with {run.returncode}") if run.returncode else wrong, purges


def check_contents(box, tap):
    runs, purges, wrong = 0, 0, None
    while not wrong and purges <= 10 and runs < 20:  # a busy machine has time for fewer
        wrong, obeyed = purge_stress(box, 4)
        runs, purges = runs + 1, purges + obeyed
    tap.result(wrong or (None if purges > 10 else f"{runs} runs, {purges} purges"),
               "contents survive more than ten purges of a process that is never idle")


def check_signal(box, tap):
    spinning = box.spawn([hak.tool("tools/busy"), "spin"], env=box.env(), stdout=subprocess.PIPE)
    spinning.stdout.readline()
    sandbox.wait_until(lambda: str(spinning.pid) in box.ctl("stats", "--json").stdout)
    monitor = box.spawn(["dbus-monitor", "--address", box.bus, "type='signal',member='JobFinished'"],
                        stdout=subprocess.PIPE, text=True)
    sandbox.wait_until(lambda: "NameAcquired" in monitor.stdout.readline())
    box.ctl("purge", str(spinning.pid))
    lines = []
    while not lines or 'string "resident-after"' not in lines[-1]:
        lines.append(monitor.stdout.readline())
    text = "".join(lines)
    tap.result(None if 'string "done"' in text and "pid:" not in text else text,
               "JobFinished tells numbers, and nothing about whom")
    monitor.terminate()
    spinning.send_signal(signal.SIGTERM)


def check_wrong_words(box, tap):
    cases = [
        (["purge"], 2, "hakctl purge PID|UNIT|CONTEXT"),
        (["purge", "--all", "17"], 2, "not both"),
        (["purge", "999999999"], 1, "no process under hakmem"),
        (["purge", "nobody.service"], 1, "no process under hakmem"),
        (["purge", "context:zz"], 1, "context:32 HEX DIGITS"),
        (["stats", "--all"], 2, "'stats' takes no --all"),
    ]
    for words, code, hint in cases:
        answer = box.ctl(*words)
        tap.result(None if answer.returncode == code and hint in answer.stderr else repr(answer),
                   f"hakctl {' '.join(words)}: {hint}")
    box.ctl("panic")
    answer = box.ctl("purge", "--all")
    tap.result(None if answer.returncode == 1 and "panic --off" in answer.stderr else repr(answer),
               "the kill switch allows no purge")
    box.ctl("panic", "--off")


class LateHelper(threading.Thread):
    """In hakmem-helper's place: answers when all sleepers have had their verdict, or when it is told to, then
    at once, and remembers who it was asked about."""

    def __init__(self, box, hangs=False):
        super().__init__(daemon=True)
        self.asked = []
        self.answers = threading.Event()
        if not hangs:
            self.answers.set()
        self.listener = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.listener.bind(box.runtime + "/helper.sock")
        self.listener.listen()
        self.start()

    def run(self):
        connection = self.listener.accept()[0]
        while request := connection.recv(REQUEST_BYTES_MOST):
            version, _, pid = struct.unpack_from(REQUEST, request)
            if not self.asked:
                time.sleep(0.5)  # HAK_WAIT_SETTLE_USEC is 0.1
            self.asked.append(pid)
            self.answers.wait()
            connection.send(struct.pack(REPLY, version, 0, 0, 1, PAGE_BYTES, 0, 0, 0, b"", b""))


def start_lazy(box, count):
    """So many simulated processes, each with a page that is lazily free."""
    swarm = box.spawn([hak.tool("sim_client"), box.runtime, "swarm", "0", str(count), "0", "0", "0"],
                      env=hak.plain_env(HAK_SIM_LAZY="1"), stdout=subprocess.PIPE)
    swarm.stdout.readline()
    known = lambda: len(json.loads(box.ctl("stats", "--json").stdout)["processes"])
    sandbox.wait_until(lambda: known() == count)
    return swarm


def check_many(box, tap):
    """More than a job asks the helper about at once (ASKS_MOST in hakmemd/jobs.c)."""
    count = 700
    swarm = start_lazy(box, count)
    helper = LateHelper(box)
    outcome = json.loads(box.ctl("purge", "--all", "--json").stdout)
    tap.result(None if sorted(set(helper.asked)) == sorted(helper.asked) and len(helper.asked) == count
               else f"{len(helper.asked)} requests, about {len(set(helper.asked))} processes",
               "the helper is asked once about each of many processes")
    whole = outcome["taken_bytes"] == count * PAGE_BYTES and outcome["asleep"] == count
    tap.result(None if whole else outcome, "and what it took is told when it has been everywhere")
    swarm.terminate()
    swarm.wait()


def check_jobs(box, tap):
    def call(*words):
        return subprocess.run(["busctl", "--address=" + box.bus, "call", "org.hakmem1", "/org/hakmem1",
                               "org.hakmem1.Manager", *words], capture_output=True, text=True, check=False)

    sleeper = steps.Stepper(box)
    sleeper.wait_until_known()
    for _ in range(200):  # it ends once the process is seen to sleep: on a busy machine we may be late
        job = call("Purge", "sa{sv}", f"pid:{sleeper.pid}", "0").stdout.split()[-1]
        begun = call("GetJob", "t", job)
        cancelled = call("CancelJob", "t", job)
        if cancelled.returncode == 0:
            break
    tap.result(None if '"state" s "running"' in begun.stdout else repr(begun), "a job runs for a while")
    tap.result(None if cancelled.returncode == 0 else repr(cancelled), "and can be cancelled")
    answer = call("GetJob", "t", job)
    tap.result(None if '"state" s "cancelled"' in answer.stdout else repr(answer), "which it then says")
    sleeper.end()
    for member, number, hint in (("GetJob", "4711", "never begun"), ("CancelJob", "4711", "never begun"),
                                 ("CancelJob", job, "has ended")):
        answer = call(member, "t", number)
        tap.result(None if answer.returncode and hint in answer.stderr else repr(answer),
                   f"{member} {number}: {hint}")


def main():
    tap = hak.Tap()
    with sandbox.Sandbox() as box:
        check_sleeper(box, tap)
        check_busy(box, tap)
        check_contents(box, tap)
        check_signal(box, tap)
        check_wrong_words(box, tap)
        check_jobs(box, tap)
        check_many(box, tap)
    return tap.end()


if __name__ == "__main__":
    sys.exit(main())
