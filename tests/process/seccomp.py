#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""After its constructor libhakmem makes no system call outside its list: a filter traps every other one.

The storm runs pinned to every mode and, not pinned, while modes are switched; the control run makes a
forbidden call, so that a filter that does nothing fails here.
"""
import subprocess
import sys

import hak
import sandbox

TRAPPED = 99
FEW_APPLIED = "it has not followed the switches"


def storm(box, tap, kind):
    name = f"allocation storm, {kind}"
    for seconds in (1, 5, 25):  # where there is much else to do few policies are applied in one
        problems = storm_for(seconds, box, kind)
        if problems != FEW_APPLIED:
            break
    if problems is None:
        tap.skip(name, "no seccomp here")
    else:
        tap.result(problems, name)


def storm_for(seconds, box, kind):
    """What is wrong, "" for nothing; None: it cannot be tried."""
    box.keeper.forget()
    switcher = box.start_switching()
    program = subprocess.Popen([hak.tool("tools/seccomp_storm"), str(seconds)], stderr=subprocess.PIPE,
                               text=True, env=box.env(mode=kind if kind in hak.MODES else None))
    try:
        said = program.communicate(timeout=sandbox.PATIENCE_SECONDS)[1]
    except subprocess.TimeoutExpired:
        program.kill()
        said = "not finished in time: " + program.communicate()[1]
    box.stop_switching(switcher)
    if program.returncode == 77:
        return None
    problems = []
    if program.returncode or said:
        problems.append(f"status {program.returncode}: {said}")
    slots = box.keeper.slots()
    mine = [slot for slot in slots if slot.pid == program.pid]
    problems += [slot.ledger() for slot in slots]
    if hak.is_hakmem() and not (mine and mine[0].counter["alloc_count"] > 10000):
        problems.append("hakmem counted no allocations")
    if hak.is_hakmem() and kind == "switched" and mine and mine[0].counter["policy_applied"] < 2:
        problems.append(FEW_APPLIED)
    return "\n".join(filter(None, problems))


def main():
    tap = hak.Tap()
    with sandbox.Sandbox() as box:
        done = subprocess.run([hak.tool("tools/seccomp_storm"), "control"], env=box.env(),
                              capture_output=True,
                              text=True, timeout=sandbox.PATIENCE_SECONDS, check=False)
        tap.result(None if done.returncode in (TRAPPED, 77) else f"status {done.returncode}",
                   "a forbidden system call is trapped")
        for kind in [*hak.MODES, "switched"]:
            storm(box, tap, kind)
    return tap.end()


if __name__ == "__main__":
    sys.exit(main())
