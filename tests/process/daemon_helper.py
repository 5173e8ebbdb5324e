#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""hakmem-helper as hakmemd's partner: one that hangs, is stopped, or is killed in the middle of a request;
its words, and who may speak to it."""
import json
import os
import signal
import subprocess
import sys

import hak
import purge
import reclaim
import sandbox


def check_silent(tap):
    """A helper that does not answer (PATIENCE_SECONDS in hakmemd/helper_link.c)."""
    count, hangs = 300, "has not answered for 10 s"  # more than a job asks about at once
    with sandbox.Sandbox() as box:
        swarm = purge.start_lazy(box, count)
        helper = purge.LateHelper(box, hangs=True)
        waits = box.start_ctl("purge", "--all", "--json")
        sandbox.wait_until(lambda: helper.asked)
        switched = box.ctl("set-mode", "fast")
        runs = waits.poll() is None
        tap.result(purge.said(switched) or (None if runs else "the purge ended before"),
                   "while hakmem-helper hangs, and a purge waits for it, others are answered")
        outcome = json.loads(waits.communicate(timeout=60 * hak.SLOWNESS)[0])
        whole = (outcome["unanswered"], outcome["asleep"], outcome["taken_bytes"]) == (count, count, 0)
        tap.result(None if whole and waits.returncode == 4 and outcome["state"] == "done" else outcome,
                   "the purge ends, and says about how many there was no answer")
        answer = box.ctl("purge", "--all")
        told = f"hakmem-helper did not answer about {count}:" in answer.stdout and answer.returncode == 4
        tap.result(None if told and len(helper.asked) == 1 else repr(answer), "so does the next one, at once")
        log = box.all_said()
        tap.result(None if log.count(hangs) == 1 and "cannot take" not in log else log,
                   "which is journaled once")
        doctor = box.ctl("doctor").stdout
        mends = "systemctl restart hakmem-helper" in doctor and "refused" not in doctor
        tap.result(None if mends else doctor, "hakctl doctor says that it hangs")
        helper.answers.set()
        again = lambda: json.loads(box.ctl("purge", "--all", "--json").stdout)["taken_bytes"]
        taken = sandbox.wait_until(lambda: again() == count * purge.PAGE_BYTES, step=0.1)
        log = box.all_said()
        heard = log.count("answers again") == 1 and "our version" not in log
        tap.result(None if taken and heard else log[-2000:],
                   "and when it answers after all, it is asked again, and its late answer is nobody's")
        swarm.terminate()
        swarm.wait()


def check_stopped(box, tap):
    """A helper that is stopped in the middle of it, then one that is killed so."""
    sleeper = reclaim.watched_stepper(box)
    helper = reclaim.start_helper(box)
    told = lambda: json.loads(box.ctl("stats", "--json").stdout)["daemon"]["reclaim"]
    sandbox.wait_until(lambda: told()["helper"])
    helper.send_signal(signal.SIGSTOP)
    sleeper.do(reclaim.FILL)
    before = hak.anonymous_bytes(sleeper.pid)
    hangs = sandbox.wait_until(lambda: "has not answered" in box.daemon_said())
    helper.send_signal(signal.SIGCONT)
    fell = reclaim.falls_below(sleeper.pid, before // 2)
    tap.result(None if hangs and fell else f"{before}, then {hak.anonymous_bytes(sleeper.pid)}; " +
               box.daemon_said(),
               "what a helper that hung was asked to take of a sleeper is taken when it wakes")
    sleeper.end()
    sleeper = reclaim.watched_stepper(box)
    helper.send_signal(signal.SIGSTOP)
    sleeper.do(reclaim.FILL)
    before = hak.anonymous_bytes(sleeper.pid)
    requests = told()["requests"]
    asked = sandbox.wait_until(lambda: told()["requests"] > requests)
    helper.kill()
    helper.wait()
    helper = reclaim.start_helper(box)
    fell = reclaim.falls_below(sleeper.pid, before // 2)
    said = box.daemon_said()
    tap.result(None if asked and fell and "our version" not in said and "cannot take" not in said else
               f"{before}, then {hak.anonymous_bytes(sleeper.pid)}; " + said,
               "or by the next one, where it was killed")
    sleeper.end()
    reclaim.end_helper(box, helper)


def check_words(box, tap):
    cases = [(["--nonsense"], 2, "wrong option"), (["word"], 2, "nothing else is understood"),
             (["--runtime-dir=/nowhere"], 1, "/nowhere"), (["--version"], 0, "")]
    for words, code, hint in cases:
        answer = subprocess.run([hak.build("hakmem-helper"), *words], capture_output=True, text=True,
                                check=False)
        tap.result(None if answer.returncode == code and hint in answer.stderr else repr(answer),
                   f"hakmem-helper {' '.join(words)}")
    answer = box.ctl("doctor")
    missed = answer.returncode == 4 and "MISSING" in answer.stdout and "hakmem-helper" in answer.stdout
    tap.result(None if missed else repr(answer), "hakctl doctor misses the helper, and says what that costs")
    helper = reclaim.start_helper(box)
    answer = box.ctl("doctor")
    found = [line for line in answer.stdout.splitlines() if "hakmem-helper" in line and "ok" in line.split()]
    tap.result(None if found else repr(answer),
               "and finds it once it runs")
    connect = ("import socket; s = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET); "
               f"s.connect('{box.runtime}/helper.sock'); s.send(b'x'); print(s.recv(100))")
    answer = subprocess.run([reclaim.RUN, "--reuid=65534", "--clear-groups", "/usr/bin/python3", "-c",
                             connect], capture_output=True, text=True, check=False)
    tap.result(None if "PermissionError" in answer.stderr else repr(answer), "nobody else may even connect")
    answer = subprocess.run(["/usr/bin/python3", "-c", connect], capture_output=True, text=True,
                            check=False)
    tap.result(None if answer.returncode == 0 and "b''" not in answer.stdout else repr(answer),
               "garbage is answered with an error")
    reclaim.end_helper(box, helper)


def main():
    tap = hak.Tap()
    check_silent(tap)
    if os.geteuid() != 0:
        tap.skip("hakmem-helper", "needs root: CAP_SYS_NICE and CAP_SYS_PTRACE")
        return tap.end()
    with sandbox.Sandbox() as box:
        check_stopped(box, tap)
    with sandbox.Sandbox() as box:
        check_words(box, tap)
    return tap.end()


if __name__ == "__main__":
    sys.exit(main())
