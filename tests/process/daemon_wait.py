#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""set-mode --wait and verify with many processes: each kind is told rightly, and both end."""

import itertools
import json
import re
import subprocess
import time

from hakbus import PATIENCE_SECONDS, build, run_tests, wait_for, wait_until_equal


def counts_of(text):
    return {name: int(number) for name, number in re.findall(r"(\w+) (\d+)", text)}


def applied(world, mode):
    return counts_of(world.hakctl("set-mode", mode, "--wait").stdout)["applied"]


def swarm(world, **kinds):
    order = ["busy", "asleep", "stopped", "pinned", "liar"]
    world.client("swarm", *[kinds.get(kind, 0) for kind in order]).stdout.readline()
    world.wait_processes(sum(kinds.values()))


def wait_tells_200_processes_by_kind(world):
    world.start_daemon()
    swarm(world, busy=150, asleep=25, stopped=15, pinned=9, liar=1)
    wanted = {"applied": 150, "asleep": 25, "stopped": 15, "pinned": 9, "lost": 1}
    for mode in ("fast", "research"):
        wait_until_equal(lambda: counts_of(world.hakctl("set-mode", mode, "--wait=2").stdout), wanted, mode)
    assert world.hakctl("set-mode", "research", "--wait=2").returncode == 4, "one is lost"


def wait_ends_early_where_nobody_is_lost(world):
    world.start_daemon()
    swarm(world, busy=50, asleep=40, stopped=5, pinned=5)
    wanted = {"applied": 50, "asleep": 40, "stopped": 5, "pinned": 5, "lost": 0}
    modes = itertools.cycle(["minimal", "fast"])
    told = lambda: counts_of(world.hakctl("set-mode", next(modes), "--wait=1000").stdout)
    wait_until_equal(told, wanted, "each by its kind")
    begin = time.monotonic()
    assert world.hakctl("set-mode", next(modes), "--wait=1000").returncode == 0
    seconds = time.monotonic() - begin
    assert seconds < 500, "it waited %g s for those that sleep" % seconds
    print("# 100 processes, some of which sleep: %.0f ms" % (seconds * 1000))


def wait_ends_at_once_where_all_are_busy(world):
    world.start_daemon()
    for _ in range(2):
        world.client("busy", 500)
    world.wait_processes(2)
    begin = time.monotonic()
    wait_until_equal(lambda: applied(world, "fast"), 2, "both obey")
    print("# two busy processes, hakctl's own start included: %.1f ms" % ((time.monotonic() - begin) * 1000))


def wait_answers_others_meanwhile(world):
    world.start_daemon()
    swarm(world, liar=1)
    waiting = world.spawn(
        [build("hakctl"), "--bus=" + world.address, "set-mode", "fast", "--wait=1000"],
        stdout=subprocess.PIPE,
        text=True,
    )
    wait_for(lambda: world.hakctl("get-mode").stdout == "fast\n", "the mode is set")
    time.sleep(0.3)  # it waits
    assert world.hakctl("get-mode").stdout == "fast\n"
    assert waiting.poll() is None
    # A waiter that goes away is forgotten, and hurts nobody.
    waiting.kill()
    waiting.wait()
    assert world.hakctl("set-mode", "minimal").returncode == 0
    assert world.daemon.poll() is None


def wait_counts_forked_children(world):
    world.start_daemon()
    world.client("family")
    world.wait_processes(4)
    wait_until_equal(lambda: applied(world, "fast"), 4, "all obey")
    assert sorted(p["slot"] for p in world.stats()["processes"]) == [0, 1, 2, 3]


def wait_leaves_out_who_ends_meanwhile(world):
    world.start_daemon()

    def kill_meanwhile():
        client = world.client("liar")
        world.wait_processes(1)
        waiting = world.spawn(
            [build("hakctl"), "--bus=" + world.address, "set-mode", "fast", "--wait=1000", "--json"],
            stdout=subprocess.PIPE,
            text=True,
        )
        time.sleep(0.3)  # a hakctl that takes longer to begin finds nobody
        client.kill()
        client.wait()
        answer = json.loads(waiting.communicate(timeout=PATIENCE_SECONDS)[0])
        world.wait_processes(0)
        return answer["ended"], answer["lost"], waiting.returncode

    wait_until_equal(kill_meanwhile, (1, 0, 0), "one ends, and is not lost")


def verify_finds_the_one_that_differs(world):
    world.start_daemon()
    swarm(world, busy=5, asleep=2, stopped=1, pinned=1)
    assert world.hakctl("set-mode", "fast").returncode == 0
    wanted = {"match": 5, "differs": 0, "pinned": 1, "asleep": 2, "stopped": 1, "lost": 0, "behind": 0}
    wait_until_equal(lambda: counts_of(world.hakctl("verify").stdout.splitlines()[-1]), wanted, "verify")
    world.hakctl_until_good("verify")
    wrong = world.client("wrong")
    world.wait_processes(10)
    verdict = lambda: json.loads(world.hakctl("verify", "--json", str(wrong.pid)).stdout)
    wait_until_equal(lambda: verdict()["summary"]["differs"], 1, "one differs")
    assert not verdict()["verified"], verdict()
    result = world.hakctl("verify")
    line = [line for line in result.stdout.splitlines() if "differs" in line][0]
    assert str(wrong.pid) in line and "fast" in line and "balanced" in line, result.stdout
    assert result.returncode == 4, result


def documents_are_whole_while_processes_come_and_go(world):
    """Written some at a time: each process that stays is in it once; askers that go away harm nobody."""
    world.start_daemon()
    swarm(world, asleep=300)
    staying = {p["pid"] for p in world.stats()["processes"]}
    assert len(staying) == 300
    world.client("churn", 100, 3)
    hasty = []
    for turn in range(12):
        for verb in ("stats", "verify"):
            hasty.append(world.spawn([build("hakctl"), "--bus=" + world.address, verb, "--json"],
                                     stdout=subprocess.DEVNULL))
        time.sleep(0.004 * turn)
        for process in hasty[-2:]:
            process.kill()
        pids = [p["pid"] for p in world.stats()["processes"]]
        assert staying <= set(pids) and len(pids) == len(set(pids)), len(pids)
    verified = json.loads(world.hakctl("verify", "--json").stdout)
    assert len(staying & {p["pid"] for p in verified["processes"]}) == 300
    assert sum(verified["summary"].values()) == len(verified["processes"])
    assert world.daemon.poll() is None
    many = [world.spawn([build("hakctl"), "--bus=" + world.address, "stats"], stdout=subprocess.DEVNULL)
            for _ in range(20)]
    codes = [process.wait(timeout=PATIENCE_SECONDS) for process in many]
    assert codes == [0] * 20, "root may ask as often as it likes"


def purge_of_a_thousand_looks_at_each(world):
    """In slices, before they are told and at the end; cancelled between them, too."""
    world.write_config("[daemon]\nfiles-per-uid = 2000\n")
    world.start_daemon()
    swarm(world, asleep=1000)
    purged = json.loads(world.hakctl("purge", "--all", "--json").stdout)
    assert purged["state"] == "done" and purged["asleep"] == 1000, purged
    assert purged["resident_after_bytes"] > 1000 * 4096, purged
    for _ in range(3):
        job = str(world.call("Purge", "sa{sv}", "*", "0")[0])
        world.call("CancelJob", "t", job)
        state = lambda: world.call("GetJob", "t", job)[0]["state"]["data"]
        wait_until_equal(state, "cancelled", "it ends once all were looked at")


def modes_that_change_all_the_time_lose_nobody(world):
    world.start_daemon()
    swarm(world, busy=20)
    begin = time.monotonic()
    switches = 0
    while time.monotonic() - begin < 2:
        world.call("SetMode", "sa{sv}", ["fast", "minimal"][switches % 2], "0")
        switches += 1
    wait_until_equal(lambda: applied(world, "balanced"), 20, "all obey")
    wait_for(lambda: all(p["mode"] == "balanced" for p in world.stats()["processes"]), "all run it")
    print("# %d switches in 2 s" % switches)


run_tests(
    [
        wait_tells_200_processes_by_kind,
        wait_ends_early_where_nobody_is_lost,
        wait_ends_at_once_where_all_are_busy,
        wait_answers_others_meanwhile,
        wait_counts_forked_children,
        wait_leaves_out_who_ends_meanwhile,
        verify_finds_the_one_that_differs,
        documents_are_whole_while_processes_come_and_go,
        purge_of_a_thousand_looks_at_each,
        modes_that_change_all_the_time_lose_nobody,
    ]
)
