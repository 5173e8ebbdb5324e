#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""hakmemd where its state cannot be written: no room, read-only, removed. It goes on, says so, and loses
nothing; all is written when it can be, without a restart."""

import contextlib
import os
import shutil
import signal
import subprocess
import time

from hakbus import PATIENCE_SECONDS, run_tests, wait_for
from players import HOARD, games_of, play, said, start, strategy_of


@contextlib.contextmanager
def small_disk(world):
    """64 KiB for the state. Yields None where we may not mount."""
    os.mkdir(world.state)
    mount = ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", world.state]
    if os.getuid() or subprocess.run(mount, stderr=subprocess.DEVNULL).returncode:
        yield None
        return
    try:
        yield world.state
    finally:
        world.stop_daemon(signal.SIGKILL)
        subprocess.run(["umount", world.state], check=True)


def fill(disk):
    with open(disk + "/ballast", "wb", buffering=0) as file:
        with contextlib.suppress(OSError):
            while True:
                file.write(bytes(4096))


def make_room(disk):
    os.unlink(disk + "/ballast")


def remount(disk, how):
    subprocess.run(["mount", "-o", "remount," + how, disk], check=True)


def ask_in_vain(world, program, why, exported):
    """Whatever is in force, whoever asks hears that it is not saved, where, and why."""
    for words, hint in (
        (["set-mode", "learning", "--reason=x"], "in force, but not saved"),
        (["freeze", program], "stays as it was"),
        (["import", exported], "not saved yet"),
        (["import", "--priors", exported], "not saved yet"),
        (["panic"], "in force, but not saved"),
        (["panic", "--off"], "in force, but not saved"),
    ):
        result = world.hakctl(*words)
        assert result.returncode == 1 and hint in result.stderr, (words, result)
        assert world.state in result.stderr and why in result.stderr, (words, result)
    assert strategy_of(world, program)["phase"] == "learn"


def lines_of(world):
    return open(world.log).read().splitlines()


def nothing_is_lost(world, why, breaks, mends):
    """@breaks and @mends: what makes the state directory such that nothing can be written, and back."""
    start(world)
    play(world, "program", HOARD, 0, 1, 30, end=True)
    wait_for(lambda: games_of(world, "program") == 2 and not world.files(), "its games are told, and saved")
    exported = world.directory + "/exported"
    assert world.hakctl("export", exported).returncode == 0
    breaks()
    before = len(lines_of(world))
    ask_in_vain(world, "program", why, exported)
    play(world, "other", HOARD, 0, 1, 30, end=True)
    wait_for(lambda: games_of(world, "other") == 2, "what it told is known")
    time.sleep(3.5)  # each second it is tried again
    assert len(world.files()) == 1, "what it told is not saved, so its file stays"
    told = [line for line in lines_of(world)[before:] if why in line]
    assert len(told) == 1 and "cannot write " in told[0] and world.state in told[0], told
    assert world.stop_daemon() == 0
    assert "ending without having written all to %s: %s" % (world.state, why) in lines_of(world)[-1]
    start(world)
    play(world, "other", HOARD, 0, 1, 30, end=True)
    wait_for(lambda: games_of(world, "other") == 4, "its file is read again, and another one's")
    ask_in_vain(world, "other", why, exported)
    mends()
    wait_for(lambda: said(world, "can be written again"), "it is noticed")
    wait_for(lambda: not world.files(), "what was told is saved, files go")
    assert world.hakctl("freeze", "program").returncode == 0
    world.stop_daemon(signal.SIGKILL)
    start(world)
    for program, games in ("program", 4), ("other", 6):
        play(world, program, HOARD, 0, 1, 30)
        wait_for(lambda name=program, told=games: games_of(world, name) == told, "once, and once more")
    assert strategy_of(world, "program")["phase"] == "frozen"
    assert world.properties()["ModeSource"] == "runtime" and os.path.exists(world.state + "/priors.json")


def disk_that_is_full(world):
    with small_disk(world) as disk:
        if disk:
            nothing_is_lost(world, "No space left", lambda: fill(disk), lambda: make_room(disk))


def disk_that_is_read_only(world):
    with small_disk(world) as disk:
        if disk:
            nothing_is_lost(world, "Read-only", lambda: remount(disk, "ro"), lambda: remount(disk, "rw"))


def directory_that_was_removed(world):
    """All that is in memory goes into the next one, which is made as soon as its parent allows it."""
    start(world)
    play(world, "program", HOARD, 0, 1, 30, end=True)
    wait_for(lambda: games_of(world, "program") == 2 and not world.files(), "its games are told, and saved")
    result = world.hakctl("set-mode", "fast")
    assert result.returncode == 0, result
    incarnation = open(world.state + "/incarnation").read()
    shutil.rmtree(world.state)
    with open(world.state, "w"):  # in the way
        result = world.hakctl("set-mode", "learning")
        assert "not saved" in result.stderr and "No such file" in result.stderr, result
    os.unlink(world.state)
    wait_for(lambda: said(world, "can be written again"), "another one is made")
    assert world.hakctl("freeze", "program").returncode == 0
    shutil.rmtree(world.state + "/contexts")
    assert "stays as it was" in world.hakctl("thaw", "program").stderr
    wait_for(lambda: os.path.exists(world.state + "/contexts"), "so it is where a part of it was removed")
    shutil.rmtree(world.state)
    assert world.stop_daemon() == 0
    assert "without having written" not in lines_of(world)[-1]
    assert open(world.state + "/incarnation").read() == incarnation
    start(world)
    assert world.properties()["ModeSource"] == "runtime"
    play(world, "program", HOARD, 0, 1, 30)
    wait_for(lambda: games_of(world, "program") == 4, "told once, and once more")
    assert strategy_of(world, "program")["phase"] == "frozen"


def beginning_without_room(world):
    """Where there is no state yet the daemon says why it cannot begin; damaged tallies need no room."""
    with small_disk(world) as disk:
        if not disk:
            return
        fill(disk)
        world.daemon = world.spawn(world.daemon_arguments(), stderr=open(world.log, "a"))
        assert world.daemon.wait(timeout=PATIENCE_SECONDS) == 1
        assert said(world, "cannot keep what is learned in %s: No space left" % disk), lines_of(world)
        make_room(disk)
        world.start_daemon()
        assert world.stop_daemon() == 0
        for how in ("rw", "ro"):
            with open(disk + "/tallies.json", "w") as file:
                file.write("{")
            remount(disk, how)
            if how == "rw":
                fill(disk)
            world.start_daemon()
            assert world.hakctl("set-mode", "fast").returncode == 1
            world.stop_daemon(signal.SIGKILL)
            if how == "rw":
                make_room(disk)


run_tests(
    [disk_that_is_full, disk_that_is_read_only, directory_that_was_removed, beginning_without_room]
)
