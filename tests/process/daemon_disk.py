#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""hakmemd on a disk that takes its time: the loop goes on, and what is not durable is counted once."""

import glob
import json
import os
import signal
import subprocess

from hakbus import PATIENCE_SECONDS, build, run_tests, wait_for
from players import HOARD, games_of, play, start
from segment import entry_of, header


def slots_freed(world):
    return sum(claims > 0 for claims in entry_of(world)["slots_freed"])


def start_on_a_slow_disk(world):
    """Return: while this file is there, who waits for the disk waits on. The first snapshot is written."""
    def snapshots():  # another one is another file
        return [os.stat(path).st_ino for path in glob.glob(world.state + "/tallies.json")]

    before = snapshots()
    slow = world.directory + "/slow"
    world.write_config("[daemon]\nmode = learning\n")
    options = os.environ.get("ASAN_OPTIONS", "") + ":verify_asan_link_order=0"
    world.start_daemon(
        LD_PRELOAD=build("tests/tools/slow_disk.so"), HAK_SLOW_DISK=slow, ASAN_OPTIONS=options
    )
    wait_for(lambda: snapshots() not in ([], before), "the first snapshot is written")
    open(slow, "w").close()
    return slow


def while_the_disk_is_slow_the_loop_goes_on(world):
    """Of who ends meanwhile all is known, and nothing goes before it is durable."""
    slow = start_on_a_slow_disk(world)
    play(world, "first", HOARD, 0, 1, 30, end=True)
    wait_for(lambda: os.path.exists(slow + ".waits"), "the disk is waited for")
    play(world, "second", HOARD, 0, 2, 30, end=True)
    wait_for(lambda: games_of(world, "second") == 4, "a life that fell into the wait was seen")
    assert world.hakctl("status").returncode == 0
    assert os.path.exists(slow + ".waits") and len(world.files()) == 2
    os.unlink(slow)
    wait_for(lambda: not world.files(), "what they told is durable, their files go")
    world.stop_daemon(signal.SIGKILL)
    world.start_daemon()
    play(world, "first", HOARD, 0, 1, 30)
    play(world, "second", HOARD, 0, 1, 30)
    wait_for(lambda: (games_of(world, "first"), games_of(world, "second")) == (4, 6), "nothing is lost")


def who_is_killed_while_the_disk_is_slow_doubles_nothing(world):
    """And who is told to end does so when all is written."""
    slow = start_on_a_slow_disk(world)
    play(world, "program", HOARD, 0, 1, 30, end=True)
    wait_for(lambda: os.path.exists(slow + ".waits"), "the disk is waited for")
    world.stop_daemon(signal.SIGKILL)
    os.unlink(slow)
    os.unlink(slow + ".waits")
    start_on_a_slow_disk(world)
    play(world, "program", HOARD, 0, 1, 30, end=True)
    wait_for(lambda: games_of(world, "program") == 4, "what it told is read again, and another one's")
    wait_for(lambda: os.path.exists(slow + ".waits"), "the disk is waited for")
    world.daemon.terminate()
    wait_for(lambda: header(world)["state"] == "stopped", "it begins to end")
    assert world.daemon.poll() is None
    os.unlink(slow)
    assert world.daemon.wait(timeout=PATIENCE_SECONDS) == 0
    start(world)
    wait_for(lambda: not world.files(), "their files go")
    play(world, "program", HOARD, 0, 1, 30)
    wait_for(lambda: games_of(world, "program") == 6, "three pairs")
    world.stop_daemon(signal.SIGKILL)
    start(world)
    wait_for(lambda: games_of(world, "program") == 6, "three pairs and no more")


def phase_of(world, program):
    contexts = json.loads(world.hakctl("ratings", "--json").stdout)["contexts"]
    return [context["phase"] for context in contexts if context["program"] == program]


def who_changes_what_is_in_force_waits_for_the_disk_alone(world):
    """An answer says that it is durable; others are answered meanwhile."""
    slow = start_on_a_slow_disk(world)
    play(world, "program", HOARD, 0, 1, 30)
    wait_for(lambda: games_of(world, "program") == 2, "its games are told")
    exported = world.directory + "/exported"
    assert world.hakctl("export", exported).returncode == 0
    hakctl = [build("hakctl"), "--bus=" + world.address]
    calls = [world.spawn([*hakctl, "freeze", "program"], stdout=subprocess.DEVNULL)]
    wait_for(lambda: os.path.exists(slow + ".waits"), "the disk is waited for")
    calls.append(world.spawn([*hakctl, "thaw", "program"], stdout=subprocess.DEVNULL))
    for _ in range(3):
        world.stats()
        assert phase_of(world, "program") == ["learn"], "what is not durable is not in force"
    assert [call.poll() for call in calls] == [None] * 2
    os.unlink(slow)
    assert [call.wait(timeout=PATIENCE_SECONDS) for call in calls] == [0] * 2
    assert phase_of(world, "program") == ["learn"]  # frozen, then thawed
    for words in ["import"], ["import", "--priors"]:
        open(slow, "w").close()
        call = world.spawn([*hakctl, *words, exported], stdout=subprocess.DEVNULL)
        wait_for(lambda: os.path.exists(slow + ".waits"), "the disk is waited for")
        world.stats()
        assert call.poll() is None
        os.unlink(slow)
        assert call.wait(timeout=PATIENCE_SECONDS) == 0
    assert os.path.exists(world.state + "/priors.json")
    assert world.hakctl("freeze", "program").returncode == 0
    world.stop_daemon(signal.SIGKILL)
    start(world)
    play(world, "program", HOARD, 0, 1, 30)
    wait_for(lambda: phase_of(world, "program") == ["frozen"], "what was answered was durable")


def what_waits_for_the_disk_changes_nothing_after_a_panic(world):
    slow = start_on_a_slow_disk(world)
    play(world, "program", HOARD, 0, 1, 30)
    wait_for(lambda: games_of(world, "program") == 2, "its games are told")
    hakctl = [build("hakctl"), "--bus=" + world.address]
    freeze = world.spawn([*hakctl, "freeze", "program"], stdout=subprocess.DEVNULL)
    wait_for(lambda: os.path.exists(slow + ".waits"), "the disk is waited for")
    thaw = world.spawn([*hakctl, "thaw", "program"], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    for _ in range(3):
        world.stats()
    serial = header(world)["serial"]
    panic = world.spawn([*hakctl, "panic"], stdout=subprocess.DEVNULL)
    wait_for(lambda: header(world)["serial"] > serial, "it is in force, whatever the disk does")
    os.unlink(slow)
    assert freeze.wait(timeout=PATIENCE_SECONDS) == 0 and panic.wait(timeout=PATIENCE_SECONDS) == 0
    assert thaw.wait(timeout=PATIENCE_SECONDS) != 0
    told = thaw.stderr.read()
    assert b"kill switch" in told, told
    assert phase_of(world, "program") == ["frozen"]


def modes_and_panic_do_not_wait_for_the_disk(world):
    """They are in force at once. Who asked is told that it is not saved, and it is when the disk is back."""
    slow = start_on_a_slow_disk(world)
    clients = [world.client("busy"), world.client("busy")]
    world.wait_processes(2)

    def mode_of(client):
        return world.stats(str(client.pid))["processes"][0]["mode"]

    def begin(*words):
        command = [build("hakctl"), "--bus=" + world.address, *words]
        return world.spawn(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)

    calls = [begin("set-mode", "fast")]
    wait_for(lambda: [mode_of(client) for client in clients] == ["fast"] * 2, "all obey")
    calls.append(begin("set-mode", "research", str(clients[0].pid)))
    wait_for(lambda: [mode_of(client) for client in clients] == ["research", "fast"], "one obeys")
    calls.append(begin("panic"))
    wait_for(lambda: [mode_of(client) for client in clients] == ["minimal"] * 2, "all are in panic")
    assert os.path.exists(slow + ".waits"), "what is in force was not waited for"
    for call in calls:  # each after five seconds, which the first one's may be by now
        assert call.wait(timeout=PATIENCE_SECONDS) == 1
        told = call.stderr.read().decode()
        assert told.startswith("hakctl: in force, but not saved") and "does not answer" in told, told
    call = begin("panic", "--off")
    wait_for(lambda: not world.properties()["Panicked"], "and back")
    os.unlink(slow)
    assert call.wait(timeout=PATIENCE_SECONDS) == 0
    world.stop_daemon(signal.SIGKILL)
    world.start_daemon()
    assert world.properties()["Mode"] == "fast" and not world.properties()["Panicked"]


def snapshot_does_not_wait_for_the_disk(world):
    """The daemon begins with one."""
    world.start_daemon()
    world.stop_daemon()
    slow = world.directory + "/slow"
    open(slow, "w").close()
    options = os.environ.get("ASAN_OPTIONS", "") + ":verify_asan_link_order=0"
    world.start_daemon(
        LD_PRELOAD=build("tests/tools/slow_disk.so"), HAK_SLOW_DISK=slow, ASAN_OPTIONS=options
    )
    wait_for(lambda: os.path.exists(slow + ".waits"), "the disk is waited for")
    world.client("family")
    world.wait_processes(4)
    for child in [p["pid"] for p in world.stats()["processes"] if p["slot"]][:2]:
        os.kill(child, signal.SIGKILL)
    world.wait_processes(2)
    assert os.path.exists(slow + ".waits") and os.path.exists(world.state + "/tallies.json.new")
    world.stop_daemon(signal.SIGKILL)
    world.start_daemon()
    world.wait_processes(2)
    assert world.stats()["totals"]["ended_processes"] == 2, world.stats()["totals"]["ended_processes"]


def journal_does_not_wait_for_the_disk(world):
    """Who ended is counted when its line is written, and its slot is not free before that."""
    slow = start_on_a_slow_disk(world)
    world.client("family")
    world.wait_processes(4)
    for child in [p["pid"] for p in world.stats()["processes"] if p["slot"]][:2]:
        os.kill(child, signal.SIGKILL)
    world.wait_processes(2)
    wait_for(lambda: os.path.exists(slow + ".waits"), "the disk is waited for")
    assert world.stats()["totals"]["ended_processes"] == 2 and slots_freed(world) == 0
    os.unlink(slow)
    wait_for(lambda: slots_freed(world) == 2, "their lines are written, their slots are free")
    world.stop_daemon(signal.SIGKILL)
    world.start_daemon()
    world.wait_processes(2)
    assert world.stats()["totals"]["ended_processes"] == 2, world.stats()["totals"]["ended_processes"]


run_tests(
    [
        while_the_disk_is_slow_the_loop_goes_on,
        who_is_killed_while_the_disk_is_slow_doubles_nothing,
        who_changes_what_is_in_force_waits_for_the_disk_alone,
        what_waits_for_the_disk_changes_nothing_after_a_panic,
        modes_and_panic_do_not_wait_for_the_disk,
        snapshot_does_not_wait_for_the_disk,
        journal_does_not_wait_for_the_disk,
    ]
)
