#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Beginning and end of hakmemd: restarts, kills, a second one, a lost bus."""

import json
import os
import signal
import subprocess
import time

from hakbus import PATIENCE_SECONDS, build, run_tests, wait_for, wait_until_equal
from segment import entry_of, header


def inode(world):
    return os.stat(world.runtime + "/control.v1").st_ino


def restart_keeps_mode_inode_and_serial(world):
    world.start_daemon()
    world.call("SetMode", "sa{sv}", "learning", "0")
    before, number = header(world), inode(world)
    assert world.stop_daemon() == 0
    world.start_daemon()
    after = header(world)
    assert world.properties()["Mode"] == "learning" and world.properties()["ModeSource"] == "runtime"
    assert (
        inode(world) == number and after["id"] == before["id"] and after["serial"] == before["serial"]
    ), after


def termination_leaves_the_segment_stopped(world):
    for how in (signal.SIGTERM, signal.SIGINT):
        world.start_daemon()
        assert header(world)["state"] == "live"
        assert world.stop_daemon(how) == 0
        assert header(world)["state"] == "stopped"


def kill_and_restart_find_the_clients_again(world):
    world.start_daemon()
    clients = [world.client("busy") for _ in range(5)]
    world.wait_processes(5)
    world.call("SetMode", "sa{sv}", "fast", "0")
    number, names = inode(world), sorted(world.files())
    world.stop_daemon(signal.SIGKILL)
    assert header(world)["state"] == "live"
    late = world.client("busy")  # begins while there is no daemon
    clients[0].kill()
    clients[0].wait()
    wait_for(lambda: len(world.files()) == 6, "a client makes its file without a daemon")
    world.start_daemon()
    world.wait_processes(5)
    assert inode(world) == number
    assert {p["pid"] for p in world.stats()["processes"]} == {c.pid for c in clients[1:] + [late]}
    wait_for(lambda: len(world.files()) == 5, "the ended one's file is collected")
    assert len(set(names) & set(world.files())) == 4
    # They were never restarted, and obey the new daemon.
    wait_until_equal(
        lambda: world.hakctl("set-mode", "research", "--wait").stdout,
        "applied 5, asleep 0, stopped 0, pinned 0, lost 0\n",
        "all obey",
    )


def end_as_under_systemd_counts_nothing_twice(world):
    """ExecStopPost= says after each end that no daemon runs: what was counted of files that stay is not
    forgotten by that."""
    world.start_daemon()
    world.client("family")
    world.wait_processes(4)
    for child in [p["pid"] for p in world.stats()["processes"] if p["slot"]][:2]:
        os.kill(child, signal.SIGKILL)
    world.wait_processes(2)
    for how in (signal.SIGTERM, signal.SIGKILL):
        world.stop_daemon(how)
        world.run(world.daemon_arguments() + ["--leave"])
        assert header(world)["state"] == "stopped"
        world.start_daemon()
        world.wait_processes(2)
        assert world.stats()["totals"]["ended_processes"] == 2, world.stats()["totals"]["ended_processes"]


def process_older_than_the_daemon_obeys(world):
    world.start_daemon()
    world.stop_daemon(signal.SIGKILL)
    client = world.client("busy")
    wait_for(world.files, "the client has begun")
    world.start_daemon()
    world.wait_processes(1)
    world.hakctl_until_good("set-mode", "minimal", "--wait")
    wait_for(lambda: world.stats(str(client.pid))["processes"][0]["mode"] == "minimal", "it obeys")


def closed_standard_files_are_not_those_that_it_writes(world):
    """A log line must not go to the journal of the tallies, as what was opened instead of stderr."""
    world.start_daemon()
    state = world.directory + "/other-state"
    arguments = [word for word in world.daemon_arguments() if "-dir=" not in word]
    arguments += ["--runtime-dir=" + world.directory + "/other", "--state-dir=" + state]
    result = subprocess.run(["sh", "-c", '"$@" <&- >&- 2>&-', "sh", *arguments], timeout=PATIENCE_SECONDS)
    assert result.returncode == 1, "another hakmemd owns the name"
    for name in os.listdir(state):
        if name.endswith(".journal"):
            assert os.path.getsize(state + "/" + name) == 0, open(state + "/" + name).read()




def purge_requests_never_go_down(world):
    """A process obeys those above the last one. They are the time, and a clock may be set back."""
    world.start_daemon()
    world.client("busy")
    world.wait_processes(1)
    world.hakctl("purge", "--all", "--wait=0")
    before = wait_for(lambda: entry_of(world)["purge_request"], "a request")
    world.stop_daemon(signal.SIGKILL)
    world.start_daemon()
    world.wait_processes(1)
    assert entry_of(world)["purge_request"] >= before


def second_daemon_says_so(world):
    world.start_daemon()
    result = subprocess.run(
        world.daemon_arguments(), capture_output=True, text=True, timeout=PATIENCE_SECONDS
    )
    assert (
        result.returncode == 1 and result.stderr == "hakmemd: another hakmemd serves %s\n" % world.runtime
    ), result
    other = [word for word in world.daemon_arguments() if "-dir=" not in word]
    other += [
        "--runtime-dir=" + world.directory + "/other",
        "--state-dir=" + world.directory + "/other-state",
    ]
    result = subprocess.run(other, capture_output=True, text=True, timeout=PATIENCE_SECONDS)
    assert result.returncode == 1 and "another hakmemd owns org.hakmem1" in result.stderr, result
    assert result.stderr.count("\n") == 1, result.stderr
    assert world.properties()["SegmentState"] == "live"


def lost_bus_ends_the_daemon_with_a_message(world):
    world.start_daemon()
    world.bus.terminate()
    assert world.daemon.wait(timeout=PATIENCE_SECONDS) == 1
    assert "the bus went away" in open(world.log).read()
    assert header(world)["state"] == "stopped"


def bus_that_is_not_there_is_named(world):
    arguments = [build("hakmemd"), "--runtime-dir=" + world.runtime, "--state-dir=" + world.state]
    result = subprocess.run(
        arguments + ["--bus=unix:path=/nonexistent/bus"],
        capture_output=True,
        text=True,
        timeout=PATIENCE_SECONDS,
    )
    assert result.returncode == 1 and "/nonexistent/bus" in result.stderr, result
    result = subprocess.run(
        arguments + ["--bus=sytem"], capture_output=True, text=True, timeout=PATIENCE_SECONDS
    )
    assert result.returncode == 1 and "neither system, session or user" in result.stderr, result


def runtime_directory_has_its_modes(world):
    os.umask(0o077)
    try:
        world.start_daemon()
    finally:
        os.umask(0o022)
    assert os.stat(world.runtime).st_mode & 0o7777 == 0o755, oct(os.stat(world.runtime).st_mode)
    assert os.stat(world.runtime + "/clients").st_mode & 0o7777 == 0o1733
    assert os.stat(world.runtime + "/control.v1").st_mode & 0o7777 == 0o644
    assert os.stat(world.state).st_mode & 0o077 == 0


def heartbeat_moves_while_it_is_useful(world):
    world.start_daemon()
    first = header(world)["heartbeat"]
    time.sleep(2.2)
    assert header(world)["heartbeat"] == first, "nobody watches it"
    began = time.monotonic()
    world.client("busy")
    world.wait_processes(1)
    wait_for(lambda: header(world)["heartbeat"] >= first + 3, "it moves each second")
    beats, seconds = header(world)["heartbeat"] - first, time.monotonic() - began
    assert beats <= seconds + 1, "%d beats in %.1f s: it made up for its rest" % (beats, seconds)


def idle_daemon_sleeps(world):
    world.start_daemon()

    def wakes():
        before = switches(world.daemon.pid)
        time.sleep(2)
        return switches(world.daemon.pid) - before

    wait_for(lambda: wakes() <= 2, lambda: "an idle daemon wakes %d times in two seconds" % wakes())


def switches(pid):
    for line in open("/proc/%d/status" % pid):
        if line.startswith("voluntary_ctxt_switches"):
            return int(line.split()[1])


def state_that_is_damaged_is_kept_aside(world):
    os.mkdir(world.state, 0o700)
    for name in ("state.json", "profiles.json"):
        with open(world.state + "/" + name, "w") as file:
            file.write('{"schema":1,"runtime_mode":"fa')
    world.start_daemon()
    assert world.properties()["Mode"] == "balanced"
    for name in ("state.json", "profiles.json"):
        assert os.path.exists(world.state + "/%s.bad" % name), name
        assert name + " is damaged" in open(world.log).read()


def readiness_and_end_are_notified(world):
    import socket

    path = world.directory + "/notify"
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    listener.bind(path)
    listener.settimeout(PATIENCE_SECONDS)
    world.daemon = world.spawn(
        world.daemon_arguments(),
        stderr=subprocess.DEVNULL,
        env={**os.environ, "NOTIFY_SOCKET": path, "WATCHDOG_USEC": "1000000"},
    )
    world.daemon_pid = world.daemon.pid
    messages = [listener.recv(4096).decode()]
    while "READY=1" not in messages[-1]:
        messages.append(listener.recv(4096).decode())
    while "WATCHDOG=1" not in messages[-1]:
        # WATCHDOG_PID is not set, so the daemon feels meant.
        messages.append(listener.recv(4096).decode())
    world.daemon.terminate()
    while "STOPPING=1" not in messages[-1]:
        messages.append(listener.recv(4096).decode())
    assert world.daemon.wait(timeout=PATIENCE_SECONDS) == 0


def user_mode_uses_private_directories(world):
    directory = world.directory
    os.mkdir(directory + "/xdg", 0o700)
    environment = {
        **os.environ,
        "XDG_RUNTIME_DIR": directory + "/xdg",
        "XDG_STATE_HOME": directory + "/xstate",
        "XDG_CONFIG_HOME": directory + "/xconfig",
    }
    os.symlink(directory + "/bus", directory + "/xdg/bus")
    daemon = world.spawn([build("hakmemd"), "--user"], env=environment, stderr=open(world.log, "a"))
    wait_for(world.has_owner, "it owns its name on the user's bus")
    assert os.path.exists(directory + "/xdg/hakmem/control.v1")
    assert os.path.isdir(directory + "/xstate/hakmem")
    result = subprocess.run(
        [build("hakctl"), "--bus=user", "get-mode"], env=environment, capture_output=True, text=True
    )
    assert result.stdout == "balanced\n", result
    daemon.terminate()
    assert daemon.wait(timeout=PATIENCE_SECONDS) == 0


run_tests(
    [
        restart_keeps_mode_inode_and_serial,
        termination_leaves_the_segment_stopped,
        kill_and_restart_find_the_clients_again,
        end_as_under_systemd_counts_nothing_twice,
        process_older_than_the_daemon_obeys,
        purge_requests_never_go_down,
        second_daemon_says_so,
        closed_standard_files_are_not_those_that_it_writes,
        lost_bus_ends_the_daemon_with_a_message,
        bus_that_is_not_there_is_named,
        runtime_directory_has_its_modes,
        heartbeat_moves_while_it_is_useful,
        idle_daemon_sleeps,
        state_that_is_damaged_is_kept_aside,
        readiness_and_end_are_notified,
        user_mode_uses_private_directories,
    ]
)
