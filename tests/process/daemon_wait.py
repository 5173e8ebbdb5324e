#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""set-mode --wait and verify with many processes: each kind is told rightly, and both end."""

import json
import re
import subprocess
import time

from hakbus import build, run_tests, wait_for


def counts_of(text):
    return {name: int(number) for name, number in re.findall(r"(\w+) (\d+)", text)}


def swarm(world, **kinds):
    order = ["busy", "asleep", "stopped", "pinned", "liar"]
    world.client("swarm", *[kinds.get(kind, 0) for kind in order]).stdout.readline()
    world.wait_processes(sum(kinds.values()))


def wait_tells_200_processes_by_kind(world):
    world.start_daemon()
    swarm(world, busy=150, asleep=25, stopped=15, pinned=9, liar=1)
    for mode in ("fast", "research"):
        begin = time.monotonic()
        result = world.hakctl("set-mode", mode, "--wait=2")
        seconds = time.monotonic() - begin
        assert counts_of(result.stdout) == {
            "applied": 150,
            "asleep": 25,
            "stopped": 15,
            "pinned": 9,
            "lost": 1,
        }, result
        assert result.returncode == 4, "one is lost"
        assert seconds < 4, seconds


def wait_ends_early_where_nobody_is_lost(world):
    world.start_daemon()
    swarm(world, busy=50, asleep=40, stopped=5, pinned=5)
    begin = time.monotonic()
    result = world.hakctl("set-mode", "minimal", "--wait=60")
    seconds = time.monotonic() - begin
    assert counts_of(result.stdout) == {
        "applied": 50,
        "asleep": 40,
        "stopped": 5,
        "pinned": 5,
        "lost": 0,
    }, result
    assert result.returncode == 0
    assert seconds < 2, "it waited %g s for those that sleep" % seconds
    print("# 100 processes, some of which sleep: %.0f ms" % (seconds * 1000))


def wait_ends_at_once_where_all_are_busy(world):
    world.start_daemon()
    for _ in range(2):
        world.client("busy", 500)
    world.wait_processes(2)
    begin = time.monotonic()
    assert counts_of(world.hakctl("set-mode", "fast", "--wait").stdout)["applied"] == 2
    print("# two busy processes, hakctl's own start included: %.1f ms" % ((time.monotonic() - begin) * 1000))


def wait_answers_others_meanwhile(world):
    world.start_daemon()
    swarm(world, liar=1)
    waiting = world.spawn(
        [build("hakctl"), "--bus=" + world.address, "set-mode", "fast", "--wait=3"],
        stdout=subprocess.PIPE,
        text=True,
    )
    time.sleep(0.3)
    begin = time.monotonic()
    assert world.hakctl("get-mode").stdout == "fast\n"
    assert time.monotonic() - begin < 1
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
    assert counts_of(world.hakctl("set-mode", "fast", "--wait").stdout)["applied"] == 4
    assert sorted(p["slot"] for p in world.stats()["processes"]) == [0, 1, 2, 3]


def wait_leaves_out_who_ends_meanwhile(world):
    world.start_daemon()
    client = world.client("liar")
    world.wait_processes(1)
    waiting = world.spawn(
        [build("hakctl"), "--bus=" + world.address, "set-mode", "fast", "--wait=20", "--json"],
        stdout=subprocess.PIPE,
        text=True,
    )
    time.sleep(0.3)
    client.kill()
    client.wait()
    answer = json.loads(waiting.communicate(timeout=10)[0])
    assert answer["ended"] == 1 and answer["lost"] == 0, answer
    assert waiting.returncode == 0


def verify_finds_the_one_that_differs(world):
    world.start_daemon()
    swarm(world, busy=5, asleep=2, stopped=1, pinned=1)
    assert world.hakctl("set-mode", "fast").returncode == 0
    result = world.hakctl("verify")
    assert result.returncode == 0, result
    assert counts_of(result.stdout.splitlines()[-1]) == {
        "match": 5,
        "differs": 0,
        "pinned": 1,
        "asleep": 2,
        "stopped": 1,
        "lost": 0,
        "behind": 0,
    }, result.stdout
    wrong = world.client("wrong")
    world.wait_processes(10)
    result = world.hakctl("verify")
    assert result.returncode == 4, result
    line = [line for line in result.stdout.splitlines() if "differs" in line][0]
    assert str(wrong.pid) in line and "fast" in line and "balanced" in line, result.stdout
    document = json.loads(world.hakctl("verify", "--json", str(wrong.pid)).stdout)
    assert not document["verified"] and document["summary"]["differs"] == 1, document


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
    assert [process.wait(timeout=60) for process in many] == [0] * 20, "root may ask as often as it likes"


def modes_that_change_all_the_time_lose_nobody(world):
    world.start_daemon()
    swarm(world, busy=20)
    begin = time.monotonic()
    switches = 0
    while time.monotonic() - begin < 2:
        world.call("SetMode", "sa{sv}", ["fast", "minimal"][switches % 2], "0")
        switches += 1
    result = world.hakctl("set-mode", "balanced", "--wait")
    assert counts_of(result.stdout)["applied"] == 20, result
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
        modes_that_change_all_the_time_lose_nobody,
    ]
)
