#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""programs.py NAME...: a real program under hakmem, in every mode, while another process switches modes.

Each run's output must equal that of a run without hakmem. The five pinned runs must stay in their mode, the
"switched" run must follow the switches, in the "killed" run hakmemd is killed and restarted all the time.
After each run the ledgers of all processes that were seen must close, and the counters prove that hakmem ran.
"""
import sys
import threading
import time

import hak
import sandbox
import workloads

SWITCH_PERIOD_MSEC = 10
ENOUGH_ALLOCATIONS = 500
ENOUGH_BYTES = 4 << 20


class DaemonKiller:
    """Kills hakmemd and starts it again until stopped."""

    def __init__(self, box):
        self.box = box
        self.kills = 0
        self.wrong = None
        self.stopping = threading.Event()
        self.thread = threading.Thread(target=self._run, daemon=True)
        self.thread.start()

    def _run(self):
        try:
            while not self.stopping.wait(0.15):
                self.box.kill_daemon()
                self.kills += 1
                time.sleep(0.05)
                self.box.start_daemon()
        except RuntimeError as error:
            self.wrong = str(error)

    def stop(self):
        self.stopping.set()
        self.thread.join()
        return self.wrong


def ledger_of_hakctl(box):
    """What `hakctl stats --json` says of the live processes, while they rest; None where it adds up."""
    answer = box.ctl("stats", "--json")
    return None if answer.returncode == 0 else f"hakctl stats --json: {answer.stderr}"


def has_followed(slots):
    return max((slot.counter["policy_applied"] for slot in slots), default=0) >= 2


def judge(slots, kind):
    """What is wrong with the telemetry of one run, or None."""
    busy = [slot for slot in slots if slot.counter["alloc_count"] >= ENOUGH_ALLOCATIONS
            or slot.counter["alloc_bytes"] >= ENOUGH_BYTES]
    if not busy:
        return (f"none of {len(slots)} processes counted {ENOUGH_ALLOCATIONS} allocations "
                f"or {ENOUGH_BYTES} bytes")
    for slot in slots:
        wrong = slot.ledger() or (f"fatal: {slot.fatal}" if slot.fatal_written else None)
        if wrong:
            return wrong
    if kind in hak.MODES:
        for slot in busy:
            if slot.policy["mode"] != kind or "MODE" not in slot.pins:
                return f"pid {slot.pid} was pinned to {kind} and ended in {slot.policy['mode']}"
    elif not has_followed(slots):
        return "no process applied a second policy while modes were switched"
    return None


def one_run(box, name, kind, expected):
    """Runs the program once and says what is wrong, or None."""
    problems = []
    box.keeper.forget()
    box.before_stop = lambda: problems.append(ledger_of_hakctl(box)) if kind != "killed" else None
    switcher = box.start_switching(SWITCH_PERIOD_MSEC)
    killer = DaemonKiller(box) if kind == "killed" else None
    try:
        for _ in range(20):  # a short program may have ended before its daemon is killed, or a mode switched
            output = workloads.ALL[name](box, box.env(mode=kind if kind in hak.MODES else None))
            if output != expected:
                problems.append(f"output differs: {output[:300]!r} instead of {expected[:300]!r}")
            if any(problems) or killer and killer.wrong or kind in hak.MODES:
                break
            if has_followed(box.keeper.slots()) and not (killer and not killer.kills):
                break
    except RuntimeError as error:
        problems.append(str(error))
    finally:
        if killer:
            problems.append(killer.stop())
        switches = box.stop_switching(switcher)
    if switches == 0:
        problems.append("the daemon accepted no switch")
    problems.append(judge(box.keeper.slots(), kind))
    return "\n".join(problem for problem in problems if problem)


def main():
    tap = hak.Tap()
    names = sys.argv[1:]
    unknown = [name for name in names if name not in workloads.ALL]
    if unknown or not names:
        sys.exit(f"programs.py: {unknown or 'nothing'} is not of {', '.join(workloads.ALL)}")
    with sandbox.Sandbox() as box:
        box.plain = hak.plain_env()
        for name in names:
            box.before_stop = lambda: None
            expected = workloads.ALL[name](box, box.plain)
            for kind in [*hak.MODES, "switched", "killed"]:
                tap.result(one_run(box, name, kind, expected), f"{name}, {kind}")
    return tap.end()


if __name__ == "__main__":
    sys.exit(main())
