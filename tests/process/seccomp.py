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
SECONDS = "1"


def storm(box, tap, kind):
    name = f"allocation storm, {kind}"
    box.keeper.forget()
    switcher = box.start_switching()
    program = subprocess.Popen([hak.tool("tools/seccomp_storm"), SECONDS], stderr=subprocess.PIPE, text=True,
                               env=box.env(mode=kind if kind in hak.MODES else None))
    try:
        said = program.communicate(timeout=60)[1]
    except subprocess.TimeoutExpired:
        program.kill()
        said = "not finished after 60 s: " + program.communicate()[1]
    switches = box.stop_switching(switcher)
    if program.returncode == 77:
        tap.skip(name, "no seccomp here")
        return
    problems = []
    if program.returncode or said:
        problems.append(f"status {program.returncode}: {said}")
    slots = box.keeper.slots()
    mine = [slot for slot in slots if slot.pid == program.pid]
    problems += [slot.ledger() for slot in slots]
    if hak.is_hakmem() and not (mine and mine[0].counter["alloc_count"] > 10000):
        problems.append("hakmem counted no allocations")
    if hak.is_hakmem() and kind == "switched" and mine and mine[0].counter["policy_applied"] < switches / 10:
        problems.append(f"{mine[0].counter['policy_applied']} policies applied of {switches} switches")
    tap.result("\n".join(filter(None, problems)), name)


def main():
    tap = hak.Tap()
    with sandbox.Sandbox() as box:
        done = subprocess.run([hak.tool("tools/seccomp_storm"), "control"], env=box.env(),
                              capture_output=True,
                              text=True, timeout=20, check=False)
        tap.result(None if done.returncode in (TRAPPED, 77) else f"status {done.returncode}",
                   "a forbidden system call is trapped")
        for kind in [*hak.MODES, "switched"]:
            storm(box, tap, kind)
    return tap.end()


if __name__ == "__main__":
    sys.exit(main())
