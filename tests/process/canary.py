#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""What becomes of a decision: canaries that real processes play, a rollback, and games that rest while memory
is short. Its daemon sees a file of ours where the kernel tells how short memory is.
"""

import json
import os
import shutil
import subprocess
import time

from hakbus import build, run_tests, wait_for
from players import HOARD, games_of, named, play, said, start, strategy_of

PRESSED = ["unshare", "-m", "sh", "-c", 'mount --bind "$0" /proc/pressure/memory && exec "$@"']


def can_press():
    there = subprocess.run(["unshare", "-m", "test", "-e", "/proc/pressure/memory"], check=False)
    return there.returncode == 0


def say_pressure(world, percent):
    with open(world.directory + "/psi", "w") as file:
        file.write("some avg10=%d.00 avg60=0.00 avg300=0.00 total=1\n" % percent)


def freeze_hoard(world):
    start(world)
    process = play(world, "winner", HOARD, 0, 12, 100)
    wait_for(lambda: said(world, "froze-winner"), "it freezes")
    process.kill()
    process.wait()


def let_rest_pass(world):
    """Twenty minutes go by while no daemon runs: the clock is in the state."""
    world.stop_daemon()
    directory = world.state + "/contexts/"
    (name,) = [name for name in os.listdir(directory) if name.endswith(".json")]
    with open(directory + name) as file:
        document = json.load(file)
    document["life"]["since_usec"] = str(int(document["life"]["since_usec"]) - 1200 * 1000000)
    with open(directory + name, "w") as file:
        json.dump(document, file)
    world.start_daemon()


def spawn_real(world):
    """A program of that name that allocates and frees without pause, under libhakmem."""
    path = world.directory + "/winner"
    os.unlink(path)
    shutil.copy(build("tests/tools/busy"), path)
    environment = dict(os.environ, LD_PRELOAD=build("libhakmem.so"), HAKMEM_RUNTIME_DIR=world.runtime)
    return world.spawn([path, "spin"], env=environment, stdout=subprocess.DEVNULL)


def a_canary_is_played_by_a_real_process(world):
    """Sixteen pairs, and what it thinks of them; who is the same is not taken for worse."""
    freeze_hoard(world)
    games = games_of(world, "winner")
    let_rest_pass(world)
    process = spawn_real(world)
    wait_for(lambda: said(world, "began-canary"), "a canary begins")
    wait_for(lambda: said(world, "confirmed"), "it is confirmed")
    process.kill()
    context = strategy_of(world, "winner")
    assert (context["strategy"], context["phase"]) == ("hoard", "frozen"), context
    assert context["games"] >= games + 32, context
    assert "the canary confirmed hoard against safe" in context["why"], context


def a_canary_that_is_far_off_rolls_back_at_once(world):
    freeze_hoard(world)
    let_rest_pass(world)
    world.spawn([named(world, "winner"), world.runtime, "busy", "20000"])
    wait_for(lambda: said(world, "began-canary"), "a canary begins")
    play(world, "winner", HOARD, 0, 2, -400)
    wait_for(lambda: said(world, "rolled-back"), "it is rolled back")
    context = strategy_of(world, "winner")
    assert (context["strategy"], context["phase"], context["rollbacks"]) == ("safe", "learn", 1), context
    assert "hoard -> safe" in said(world, "rolled-back")[0]
    wait_for(
        lambda: all(p["policy"]["strategy"] == 0 for p in world.stats()["processes"]), "all run the safe one"
    )


def while_memory_is_short_nobody_plays(world):
    """The canary that is due does not begin before memory suffices."""
    if not can_press():
        print("# skipped: no mount namespaces, or no PSI in this kernel")
        return
    freeze_hoard(world)
    say_pressure(world, 25)
    arguments = world.daemon_arguments
    world.daemon_arguments = lambda: [*PRESSED, world.directory + "/psi", *arguments()]
    let_rest_pass(world)
    process = spawn_real(world)
    wait_for(lambda: said(world, "memory is short: no games"), "games rest")
    games = games_of(world, "winner")
    time.sleep(2.5)
    assert not said(world, "began-canary") and games_of(world, "winner") == games
    say_pressure(world, 0)
    wait_for(lambda: said(world, "games go on"), "games go on")
    wait_for(lambda: said(world, "began-canary"), "a canary begins")
    process.kill()


run_tests(
    [
        a_canary_is_played_by_a_real_process,
        a_canary_that_is_far_off_rolls_back_at_once,
        while_memory_is_short_nobody_plays,
    ]
)
