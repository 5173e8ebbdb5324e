#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""hakctl as a user meets it: every verb, wrong words, an absent daemon, JSON against its schema."""
import itertools
import json
import os
import signal
import subprocess
import sys

import hak
import sandbox
import steps

SCHEMAS = os.path.join(hak.TOP, "docs", "schema")


def check_modes(box, tap):
    answer = box.ctl("get-mode")
    tap.result(None if answer.stdout == "balanced\n" else answer.stdout + answer.stderr,
               "get-mode prints the mode alone; balanced at first")
    for mode in hak.MODES:
        answer = box.ctl("set-mode", mode)
        tap.result(None if (answer.returncode, answer.stdout, answer.stderr) == (0, "", "") else repr(answer),
                   f"set-mode {mode} is silent")
        answer = box.ctl("get-mode")
        tap.result(None if answer.stdout == mode + "\n" else answer.stdout + answer.stderr,
                   f"get-mode: {mode}")
    answer = box.ctl("list-modes")
    missing = [mode for mode in hak.MODES if mode not in answer.stdout]
    tap.result(answer.stderr or (f"no {missing}" if missing else None), "list-modes names all five")


def check_wrong_words(box, tap):
    cases = [
        (["set-mode", "balnced"], "balanced"),
        (["set-mod", "fast"], "set-mode"),
        (["stauts"], "status"),
        (["set-mode"], "mode"),
        (["stats", "--jsn"], "--json"),
        (["set-mode", "fast", "1", "extra"], "set-mode MODE"),
    ]
    for words, hint in cases:
        answer = box.ctl(*words)
        good = answer.returncode and hint in answer.stderr and len(answer.stderr.splitlines()) <= 3
        tap.result(None if good and not answer.stdout else repr(answer),
                   f"hakctl {' '.join(words)}: hints at {hint}")


def check_status(box, tap):
    box.ctl("set-mode", "fast")
    stepper = steps.Stepper(box)
    pinned = steps.Stepper(box, mode="minimal")
    for one in (stepper, pinned):
        steps.exercise(one)
    sandbox.wait_until(lambda: str(pinned.pid) in box.ctl("stats", "--json").stdout)
    answer = box.ctl("status")
    tap.result(None if answer.returncode == 0 and "fast" in answer.stdout else repr(answer),
               "status tells the mode")
    answer = box.ctl("verify")
    good = answer.returncode == 0 and "pinned" in answer.stdout
    tap.result(None if good else repr(answer), "verify holds, and says that one is pinned")
    for words in (["stats"], ["stats", str(stepper.pid)]):
        answer = box.ctl(*words)
        tap.result(None if answer.returncode == 0 and answer.stdout else repr(answer),
                   f"{' '.join(words)} prints")
    answer = box.ctl("stats", "999999999")
    tap.result(None if answer.returncode and answer.stderr else repr(answer), "stats of no process fails")
    for one in (stepper, pinned):
        one.end()


def check_json(box, tap):
    try:
        import jsonschema
    except ImportError:
        tap.skip("JSON follows its schema", "no python3-jsonschema")
        return
    steppers = [steps.Stepper(box), steps.Stepper(box, mode="fast", HAKMEM_THP="off")]
    for stepper in steppers:
        steps.exercise(stepper)
    # status and stats print one document, at different length
    one_process = ["stats", str(steppers[0].pid)]
    for words, schema in ((["status"], "stats"), (["stats"], "stats"), (one_process, "stats"),
                          (["list-modes"], "list-modes"), (["get-mode"], "get-mode"), (["verify"], "verify"),
                          (["set-mode", "fast", "--wait=1"], "set-mode")):
        answer = box.ctl(*words, "--json")
        with open(os.path.join(SCHEMAS, schema + ".json"), encoding="utf-8") as source:
            rules = json.load(source)
        wrong = None
        try:
            jsonschema.validate(json.loads(answer.stdout), rules)
        except (ValueError, jsonschema.ValidationError) as error:
            wrong = f"{type(error).__name__}: {str(error)[:500]}\n{answer.stderr}"
        tap.result(wrong, f"{words[0]} --json follows its schema")
    for stepper in steppers:
        stepper.end()


def check_wait(box, tap):
    """200 processes: running, asleep, stopped, pinned. --wait tells them apart, and ends."""
    want = {"applied": 2, "asleep": 100, "stopped": 50, "pinned": 48}

    def start(what, mode=None):
        return box.spawn([hak.tool("tools/busy"), what], env=box.env(mode=mode), stdout=subprocess.DEVNULL)

    box.ctl("set-mode", "balanced")
    processes = [start("sleep") for _ in range(want["asleep"])]
    processes += [start("sleep", "fast") for _ in range(want["pinned"])]
    stopped = [start("sleep") for _ in range(want["stopped"])]
    processes += [start("spin") for _ in range(want["applied"])]
    seen = sandbox.wait_until(
        lambda: '"telemetry_files":200' in box.ctl("stats", "--json=short").stdout, step=0.2)
    tap.result(None if seen else box.ctl("status").stdout[:500], "hakmemd finds 200 processes")
    for one in stopped:
        one.send_signal(signal.SIGSTOP)
    modes = itertools.cycle(["research", "balanced"])
    told = []

    def counts_them():
        """Again where the machine had no time to run those that should."""
        answer = box.ctl("set-mode", next(modes), "--wait=3000", "--json")
        told[:] = [answer.stdout + answer.stderr]
        got = json.loads(answer.stdout) if answer.returncode == 0 else {}
        return all(got.get(kind) == want.get(kind, 0) for kind in [*want, "lost"])

    tap.result(None if sandbox.wait_until(counts_them) else told[0],
               "set-mode --wait counts applied, asleep, stopped and pinned, and ends before its limit")
    for one in stopped:
        one.send_signal(signal.SIGCONT)
    for one in processes + stopped:
        one.terminate()
    for one in processes + stopped:
        one.wait(sandbox.PATIENCE_SECONDS)


def check_run(box, tap):
    done = subprocess.run([hak.build("hakctl"), "--bus=" + box.bus, "run", "/usr/bin/python3", "-I", "-c",
                           "print('libhakmem' in open('/proc/self/maps').read()); raise SystemExit(7)"],
                          env=hak.plain_env(HAKMEM_RUNTIME_DIR=box.runtime), capture_output=True, text=True,
                          timeout=sandbox.PATIENCE_SECONDS, check=False)
    tap.result(None if (done.stdout, done.returncode) == ("True\n", 7) else repr(done),
               "run preloads the command and passes its status on")
    done = box.ctl("run", "/nonexistent/program")
    tap.result(None if done.returncode and "/nonexistent/program" in done.stderr else repr(done),
               "run names the command that it cannot start")


def main():
    tap = hak.Tap()
    with sandbox.Sandbox() as box:
        check_modes(box, tap)
        check_wrong_words(box, tap)
        check_status(box, tap)
        check_json(box, tap)
        check_wait(box, tap)
        check_run(box, tap)
        box.kill_daemon()
        for verb in (["get-mode"], ["status"], ["set-mode", "fast"]):
            answer = box.ctl(*verb)
            good = answer.returncode and "hakmemd" in answer.stderr and len(answer.stderr.splitlines()) == 1
            tap.result(None if good else repr(answer),
                       f"{verb[0]} without a daemon: one line that names hakmemd")
    return tap.end()


if __name__ == "__main__":
    sys.exit(main())
