#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""stress.py [SECONDS]: checked contents under random sizes, threads, remote frees and forks: of a process
whose mode is switched all the time, and beside it of one that learns and one that goes on learning, which no
switch keeps from reaching the end of a contest, canaries and what comes after. People command meanwhile
whatever they can. What hangs leaves backtraces. An hour of it: make stress SECONDS=3600."""
import random
import subprocess
import sys
import threading

import hak
import sandbox

SWITCH_PERIOD_MSEC = 20
COMMAND_PERIOD_SECONDS = 0.2
THREADS = {None: 6, "learning": 3, "research": 3}
CONTEXT = "stress"
COMMANDS = [["purge", "--all"], ["purge", CONTEXT], ["freeze", CONTEXT], ["thaw", CONTEXT],
            ["rollback", CONTEXT], ["hold", "minimal", "true"], ["hold", "learning", "true"],
            ["set-mode", "learning", CONTEXT], ["set-mode", "default", CONTEXT], ["panic"], ["stats"],
            ["ratings"], ["verify"]]


def command(box, over, choice, done):
    """Some are refused: a context may not be known yet, or not be learned about."""
    while not over.wait(COMMAND_PERIOD_SECONDS):
        words = choice.choice(COMMANDS)
        done.append(words[0])
        box.ctl(*words)
        if words == ["panic"]:
            box.ctl("panic", "--off")


def backtraces(process):
    gdb = subprocess.run(["gdb", "-nx", "-batch", "-p", str(process.pid), "-ex", "thread apply all bt 12"],
                         capture_output=True, text=True, check=False)
    return gdb.stdout[-6000:]


def end(process, seconds):
    """What is wrong, or None; and what was done."""
    try:
        said, complaint = process.communicate(timeout=seconds)
    except subprocess.TimeoutExpired:
        where = backtraces(process)
        process.kill()
        process.communicate()
        return f"hangs:\n{where}", ""
    return (f"status {process.returncode}: {complaint[-600:]}" if process.returncode else None), said.strip()


def check(box, switches):
    slots = [slot for slot in box.keeper.slots() if slot.counter["alloc_count"]]
    wrong = next(filter(None, (slot.ledger() for slot in slots)), None)
    if not wrong and (not switches or max(slot.counter["policy_applied"] for slot in slots) < 2):
        wrong = f"{switches} switches, and no process applied a second policy"
    return wrong


def stress(box, seconds, seed):
    """What is wrong, or None; and what was done."""
    box.keeper.forget()
    over, commands = threading.Event(), []
    switcher = box.start_switching(SWITCH_PERIOD_MSEC)
    people = threading.Thread(target=command, args=(box, over, random.Random(seed), commands))
    people.start()
    started = {mode: box.spawn([hak.tool("tools/stress"), str(seconds), str(threads), str(seed)],
                               env=box.env(mode=mode), stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                               text=True) for mode, threads in THREADS.items()}
    ends = {mode: end(process, seconds * 3 + 10 * sandbox.PATIENCE_SECONDS)
            for mode, process in started.items()}
    over.set()
    people.join()
    switches = box.stop_switching(switcher)
    wrong = [f"{mode or 'switched'}: {wrong}" for mode, (wrong, _) in ends.items() if wrong]
    done = "; ".join(said for _, said in ends.values())
    return "\n".join(wrong) or check(box, switches), f"{done} switches {switches} commands {len(commands)}"


def main():
    seconds = int(sys.argv[1]) if len(sys.argv) > 1 else 10
    tap = hak.Tap()
    with sandbox.Sandbox() as box:
        wrong, done = stress(box, seconds, seed=seconds)
        tap.result(wrong, f"contents survive {seconds} s of everything at once ({done.strip()})")
    return tap.end()


if __name__ == "__main__":
    sys.exit(main())
