#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""stress.py [SECONDS]: checked contents under random sizes, threads, remote frees and forks, while the mode
is switched all the time. An hour of it: make stress SECONDS=3600."""
import subprocess
import sys

import hak
import sandbox

SWITCH_PERIOD_MSEC = 20
THREADS = 6


def stress(box, seconds, seed):
    """What is wrong, or None; and what was done."""
    box.keeper.forget()
    switcher = box.start_switching(SWITCH_PERIOD_MSEC)
    run = subprocess.run([hak.tool("tools/stress"), str(seconds), str(THREADS), str(seed)], env=box.env(),
                         capture_output=True, text=True, timeout=seconds * 3 + 10 * sandbox.PATIENCE_SECONDS)
    switches = box.stop_switching(switcher)
    if run.returncode:
        return f"status {run.returncode}: {run.stderr[-600:]}", run.stdout
    slots = [slot for slot in box.keeper.slots() if slot.counter["alloc_count"]]
    wrong = next(filter(None, (slot.ledger() for slot in slots)), None)
    if not wrong and (not switches or max(slot.counter["policy_applied"] for slot in slots) < 2):
        wrong = f"{switches} switches, and no process applied a second policy"
    return wrong, f"{run.stdout.strip()} switches {switches}"


def main():
    seconds = int(sys.argv[1]) if len(sys.argv) > 1 else 10
    tap = hak.Tap()
    with sandbox.Sandbox() as box:
        wrong, done = stress(box, seconds, seed=seconds)
        tap.result(wrong, f"contents survive {seconds} s of everything at once ({done.strip()})")
    return tap.end()


if __name__ == "__main__":
    sys.exit(main())
