#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Servers that fork: children beyond the slots of a telemetry file's first part are shown, counted and freed.

The server is tests/tools/brood under the real library.
"""

import json
import os
import signal
import subprocess

import jsonschema

from hakbus import PATIENCE_SECONDS, build, run_tests, wait_for

CHILDREN = 199  # status has lines for 200 processes
CHILD_BYTES = 1 << 20
PART_SLOTS = 7
SCHEMAS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../docs/schema")


class Brood:
    def __init__(self, world):
        self.process = world.spawn(
            [build("tests/tools/brood"), str(CHILD_BYTES)],
            env=dict(os.environ, LD_PRELOAD=build("libhakmem.so"), HAKMEM_RUNTIME_DIR=world.runtime),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def does(self, verb, count):
        self.process.stdin.write("%s %d\n" % (verb, count))
        self.process.stdin.flush()
        assert self.process.stdout.readline() == "done\n", "brood has failed at %s %d" % (verb, count)

    def ends(self):
        self.process.stdin.close()
        assert self.process.wait(timeout=PATIENCE_SECONDS) == 0


def family(world):
    return [p for p in world.stats()["processes"] if p["comm"] == "brood"]


def parts_open(world):
    """What the header of the only file says; see docs/shm-protocol.md."""
    (name,) = world.files()
    with open(world.runtime + "/clients/" + name, "rb") as file:
        file.seek(40)
        return int.from_bytes(file.read(4), "little")


def each_child_of_hundreds_is_shown_and_counted(world):
    world.start_daemon()
    brood = Brood(world)
    brood.does("fork", CHILDREN)
    world.wait_processes(1 + CHILDREN)
    document = world.stats()
    children = [p for p in document["processes"] if p["slot"]]
    assert len({p["pid"] for p in children}) == CHILDREN and len({p["slot"] for p in children}) == CHILDREN
    assert all(p["verified"] and p["comm"] == "brood" for p in children), children
    assert {p["unit"] for p in document["processes"]} == {document["processes"][0]["unit"]}
    for child in children:  # as of its last publish, which is at most half of its slow visits ago
        assert child["gauges"]["live_bytes"] >= CHILD_BYTES / 2, child
    totals = document["totals"]
    assert totals["forks_untracked"] == 0, totals
    assert totals["gauges"]["live_bytes"] == sum(p["gauges"]["live_bytes"] for p in document["processes"])
    for verb in ("status", "stats"):
        lines = world.hakctl(verb, "--no-pager").stdout.splitlines()
        assert sum("brood" in line for line in lines) == 1 + CHILDREN, lines
    for verb in ("stats", "verify"):
        with open("%s/%s.json" % (SCHEMAS, verb)) as schema:
            jsonschema.validate(json.loads(world.hakctl(verb, "--json").stdout), json.load(schema))
    # The unit's metrics are the sums of what stats tells.
    metrics = world.hakctl("metrics").stdout.splitlines()
    allocated = [int(line.split()[-1]) for line in metrics if line.startswith("hakmem_unit_allocated_bytes{")]
    assert sum(allocated) >= CHILDREN * CHILD_BYTES / 2, allocated
    # All obey, by the file's one entry.
    world.hakctl_until_good("set-mode", "fast", "--wait")
    brood.ends()
    wait_for(lambda: not world.files(), "the file is collected")
    totals = world.stats()["totals"]
    assert totals["ended_processes"] == 1 + CHILDREN, totals["ended_processes"]
    assert totals["counters"]["forks"] == CHILDREN and totals["forks_untracked"] == 0


def slots_of_children_that_ended_are_used_again(world):
    world.start_daemon()
    brood = Brood(world)
    brood.does("fork", 60)
    world.wait_processes(61)
    opened = parts_open(world)
    assert opened == -(-61 // PART_SLOTS), opened
    ended = 0
    for how in ("end", "kill", "end", "kill"):
        brood.does(how, 40)
        ended += 40
        wait_for(lambda: world.stats()["totals"]["ended_processes"] == ended, "they are known to have ended")
        brood.does("fork", 40)
        world.wait_processes(61)
    # A child looks at four parts before it opens another: some more than are needed.
    assert parts_open(world) <= 2 * opened, (parts_open(world), opened)
    brood.ends()
    wait_for(lambda: not world.files(), "the file is collected")
    totals = world.stats()["totals"]
    assert totals["ended_processes"] == 61 + ended and totals["forks_untracked"] == 0, totals
    assert totals["counters"]["forks"] == 60 + ended


def grandchildren_are_shown_beside_their_parents(world):
    world.start_daemon()
    brood = Brood(world)
    brood.does("fork", 10)
    brood.does("family", 20)
    world.wait_processes(31)
    assert len({p["slot"] for p in family(world)}) == 31
    os.kill(brood.process.pid, signal.SIGKILL)
    brood.process.wait()
    world.wait_processes(0)
    wait_for(lambda: not world.files(), "the file is collected")
    assert world.stats()["totals"]["ended_processes"] == 31


def children_of_a_server_older_than_the_daemon_are_shown(world):
    os.makedirs(world.runtime + "/clients")
    brood = Brood(world)
    brood.does("fork", 50)
    world.start_daemon()
    world.wait_processes(51)
    for how in (signal.SIGKILL, signal.SIGTERM):
        brood.does("kill", 20)  # some are folded by this daemon, some by the next
        world.stop_daemon(how)
        brood.does("kill", 5)
        world.start_daemon()
        world.wait_processes(26)
        brood.does("fork", 25)
        world.wait_processes(51)
    brood.ends()
    wait_for(lambda: not world.files(), "the file is collected")
    totals = world.stats()["totals"]
    assert totals["ended_processes"] + totals["forks_untracked"] == 101, totals
    assert totals["ended_processes"] == 101, totals


def storm_counts_each_child_and_leaves_one_file(world):
    world.start_daemon()
    brood = Brood(world)
    brood.does("fork", 20)
    brood.does("storm", 1500)
    assert len(world.files()) == 1
    world.wait_processes(21)
    brood.ends()
    wait_for(lambda: not world.files(), "the file is collected")
    totals = world.stats()["totals"]
    assert totals["ended_processes"] + totals["forks_untracked"] == 1521, totals
    print("# %d of 1521 tracked" % totals["ended_processes"])


def parts_count_as_files_of_their_user(world):
    world.write_config("[daemon]\nfiles-per-uid = 5\n")
    world.start_daemon()
    brood = Brood(world)
    brood.does("fork", 3)
    world.wait_processes(4)
    brood.does("fork", 57)
    wait_for(
        lambda: world.properties()["ProcessCount"] == 5 * PART_SLOTS, "as many as its parts have slots for"
    )
    missed = 1 + 60 - 5 * PART_SLOTS
    wait_for(lambda: world.stats()["totals"]["forks_untracked"] == missed, "the others are counted")
    brood.ends()
    wait_for(lambda: not world.files(), "the file is collected")
    totals = world.stats()["totals"]
    assert totals["ended_processes"] == 5 * PART_SLOTS and totals["forks_untracked"] == missed, totals


run_tests(
    [
        each_child_of_hundreds_is_shown_and_counted,
        slots_of_children_that_ended_are_used_again,
        grandchildren_are_shown_beside_their_parents,
        children_of_a_server_older_than_the_daemon_are_shown,
        storm_counts_each_child_and_leaves_one_file,
        parts_count_as_files_of_their_user,
    ]
)
