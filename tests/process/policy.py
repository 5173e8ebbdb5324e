#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Each cell of the feature matrix: what a mode's policy word says, and that the features that are on do
run, and those that are off do not. Once by HAKMEM_MODE, once by the daemon's set-mode."""
import re
import sys

import hak
import sandbox
import steps

ROWS = {
    "minimal": {"elo": "off", "bigcache": 0, "batch": 0, "thread_bins": 0, "free_policy": "batch",
                "thp": "off",
                "evolution": "none", "log": "off"},
    "fast": {"elo": "frozen", "bigcache": 1, "batch": 1, "thread_bins": 1, "free_policy": "adaptive",
             "thp": "auto", "evolution": "frozen", "log": "off"},
    "balanced": {"elo": "frozen", "bigcache": 1, "batch": 1, "thread_bins": 1, "free_policy": "adaptive",
                 "thp": "auto", "evolution": "frozen", "log": "off"},
    "learning": {"elo": "learn", "bigcache": 1, "batch": 1, "thread_bins": 0, "free_policy": "adaptive",
                 "thp": "auto", "evolution": "learn", "log": "minimal"},
    "research": {"elo": "learn", "bigcache": 1, "batch": 1, "thread_bins": 0, "free_policy": "adaptive",
                 "thp": "on", "evolution": "learn", "log": "verbose"},
}


def advice(pid):
    """(ranges advised to use huge pages, ranges advised not to) of anonymous memory."""
    with open(f"/proc/{pid}/smaps", encoding="ascii") as maps:
        text = maps.read()
    flags = [set(line.split()) for line in re.findall(r"^VmFlags:(.*)$", text, re.MULTILINE)]
    return sum("hg" in one for one in flags), sum("nh" in one for one in flags)


def check_cells(slot, mode, tap, how):
    for cell, wanted in ROWS[mode].items():
        got = slot.policy[cell]
        tap.result(None if got == wanted else f"{cell} is {got}, not {wanted}", f"{mode} by {how}: {cell}")


def check_running(slot, mode, tap, huge, small):
    """The counters of one process that was in the mode from its start."""
    row, counter = ROWS[mode], slot.counter
    moved = {
        "thread_bins": counter["free_tls_sll"] > 0 and counter["early_bins_off"] == 0,
        "bigcache": counter["bigcache_hits"] > 0,
        "batch": counter["batch_ranges"] > 0,
    }
    for feature, ran in moved.items():
        want = bool(row[feature])
        numbers = {name: value for name, value in counter.items()
                   if name.startswith((feature, "free_", "early_")) and value}
        tap.result(None if ran == want else f"{'idle' if want else 'active'}: {numbers}",
                   f"{mode}: {feature} {'runs' if want else 'is off'}")
    if row["thp"] == "off":
        tap.result(None if small and not huge else f"{huge} ranges advised huge, {small} not",
                   f"{mode}: ranges are advised against huge pages")
    elif row["thp"] == "on":
        tap.result(None if huge and not small else f"{huge} ranges advised huge, {small} not",
                   f"{mode}: ranges are advised to use huge pages")
    if row["log"] != "off":
        tap.result(None if slot.log_written else "no line was written", f"{mode}: log lines are written")
    else:
        tap.result(f"{slot.log_written} lines" if slot.log_written else None, f"{mode}: no log line")


def check_log(box, tap):
    """The serial moves whenever anybody's policy changes; a line tells of a policy, not of a serial."""
    box.ctl("set-mode", "balanced")
    stepper = steps.Stepper(box, HAKMEM_LOG="minimal")
    stepper.wait_until_known()
    stepper.do("pairs 1000")
    before = stepper.slot()
    for _ in range(3):
        box.ctl("purge", str(stepper.pid))
        stepper.do("pairs 1000")
    after = stepper.end()[1]
    moved = after.applied_serial - before.applied_serial
    tap.result(None if moved >= 3 else f"it moved by {moved}", "a process follows the serial")
    tap.result(None if before.log_written == after.log_written == 1 else f"{after.log_written} lines",
               "one log line for a policy, however often the serial moves")


def main():
    tap = hak.Tap()
    with sandbox.Sandbox() as box:
        for mode in hak.MODES:
            stepper = steps.Stepper(box, mode=mode)
            steps.exercise(stepper)
            huge, small = advice(stepper.pid)
            slot = stepper.end()[1]
            check_cells(slot, mode, tap, "HAKMEM_MODE")
            check_running(slot, mode, tap, huge, small)
            tap.result(slot.ledger(), f"{mode}: the ledger closes")
        for mode in hak.MODES:
            stepper = steps.Stepper(box)
            stepper.do("pairs 1000")
            answer = box.ctl("set-mode", mode)
            steps.exercise(stepper)
            slot = stepper.end()[1]
            check_cells(slot, mode, tap, "set-mode")
            tap.result(answer.stderr or slot.ledger(), f"{mode} by set-mode: the ledger closes")
        check_log(box, tap)
    return tap.end()


if __name__ == "__main__":
    sys.exit(main())
