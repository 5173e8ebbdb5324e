#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""clients/: hostile files, forks, counters of the ended counted once, quotas."""

import os
import random
import signal
import stat
import struct
import subprocess
import threading
import time

from hakbus import PATIENCE_SECONDS, build, run_tests, wait_for, wait_until_equal

FILE_BYTES, HEADER_BYTES, SLOT_BYTES = 16384, 2048, 2048


def name(number):
    return "%032x" % (0xABC0000 + number)


def path(world, number):
    return world.runtime + "/clients/" + name(number)


def telemetry(pid, claims=1, allocations=5, state=1):
    """A file such as libhakmem makes, with one slot in use."""
    data = bytearray(FILE_BYTES)
    struct.pack_into("<HHHHIIQQ", data, 8, 0, HEADER_BYTES, 7, SLOT_BYTES, 256, pid, 0, 0)
    struct.pack_into(
        "<IIIIQQQIIQQQQI", data, HEADER_BYTES, claims, state, pid, 0, 1, 1, 0, 0, 4096, 2, 0, 0, 0, claims
    )
    struct.pack_into(
        "<QQQQ", data, HEADER_BYTES + 128, allocations, allocations * 64, allocations, allocations * 64
    )
    struct.pack_into("<Q", data, 0, struct.unpack("<Q", b"\xffHAKLEM1")[0])
    return bytes(data)


def write(world, number, data):
    with open(path(world, number), "wb") as file:
        file.write(data)


def hostile_files_are_removed_and_harm_nothing(world):
    world.start_daemon()
    good = world.client("busy")
    world.wait_processes(1)
    random.seed(7)
    clients = world.runtime + "/clients/"
    write(world, 1, b"")
    write(world, 2, random.randbytes(FILE_BYTES))
    write(world, 3, telemetry(good.pid)[:5000])
    write(world, 4, telemetry(good.pid)[:-1] + b"x" * 100000)
    damaged = bytearray(telemetry(good.pid))
    struct.pack_into("<Q", damaged, HEADER_BYTES + 128, 1 << 63)
    write(world, 5, bytes(damaged))
    os.mkfifo(path(world, 6))
    os.symlink("/etc/passwd", path(world, 7))
    os.mkdir(path(world, 8))
    os.symlink("/dev/zero", path(world, 9))
    os.mknod(path(world, 10), stat.S_IFCHR | 0o666, os.makedev(1, 5)) if os.geteuid() == 0 else None
    open(clients + "not-a-name", "w").close()
    open(clients + "x" * 200, "w").close()
    write(world, 11, telemetry(os.getpid()))  # says that it is another process
    write(world, 12, telemetry(4194304))  # says that it is nobody
    write(world, 13, telemetry(good.pid))
    wait_for(lambda: len(world.files()) == 1, "all but the honest one are removed")
    assert world.properties()["ProcessCount"] == 1
    process = world.stats()["processes"]
    assert [p["pid"] for p in process] == [good.pid]
    world.hakctl_until_good("set-mode", "fast", "--wait")


def directory_that_is_not_empty_is_left_alone(world):
    world.start_daemon()
    os.mkdir(path(world, 1))
    open(path(world, 1) + "/inside", "w").close()
    world.client("busy")
    world.wait_processes(1)
    time.sleep(0.5)
    assert os.path.exists(path(world, 1) + "/inside")
    assert world.daemon.poll() is None


def file_truncated_while_it_is_read_is_harmless(world):
    world.start_daemon()
    client = world.client("busy")
    world.wait_processes(1)
    target = world.runtime + "/clients/" + world.files()[0]
    stop = threading.Event()

    def shrink_and_grow():
        while not stop.is_set():
            os.truncate(copy, 0)
            with open(copy, "r+b") as file:
                file.write(good)

    # A second, dishonest client: this test's own, mapped by nobody else.
    good = telemetry(os.getpid())
    copy = path(world, 1)
    write(world, 1, good)
    import mmap

    with open(copy, "r+b") as file:
        mapping = mmap.mmap(file.fileno(), FILE_BYTES)
    wait_for(lambda: world.properties()["ProcessCount"] == 2, "the dishonest one is known")
    thread = threading.Thread(target=shrink_and_grow)
    thread.start()
    try:
        for _ in range(30):
            assert world.hakctl("stats", "--json").returncode == 0
    finally:
        stop.set()
        thread.join()
        mapping.close()
    assert client.poll() is None and os.path.exists(target)
    assert world.daemon.poll() is None


def counters_that_fall_end_the_trust(world):
    world.start_daemon()
    client = world.client("fall", stdin=subprocess.PIPE)
    world.wait_processes(1)
    allocations = lambda: world.stats()["processes"][0]["counters"]["alloc_count"]
    wait_for(lambda: allocations() == 1000, "its counters are read")
    client.stdin.close()
    wait_for(
        lambda: world.stats() and "not believed any more" in open(world.log).read(), "the fall is noticed"
    )
    assert (
        world.stats()["processes"][0]["counters"]["alloc_count"] == 1000
    ), "the last sample that was believed stands"
    client.kill()
    client.wait()
    wait_for(lambda: not world.files(), "its file is collected")
    assert world.stats()["totals"]["counters"]["alloc_count"] == 1000


def ended_processes_count_once(world):
    world.start_daemon()
    for _ in range(40):
        world.client("once", 100)
    wait_for(lambda: world.stats()["totals"]["ended_processes"] == 40, "all have ended")
    wait_for(lambda: not world.files(), "all files are gone")
    for how in (signal.SIGTERM, signal.SIGKILL):
        world.stop_daemon(how)
        world.start_daemon()
        totals = world.stats()["totals"]
        assert totals["ended_processes"] == 40 and totals["counters"]["alloc_count"] == 4000, totals


def ended_processes_count_once_through_kills(world):
    """hakmemd is killed again and again while processes come and go, also while it collects."""
    world.start_daemon()
    clients = []
    for round_number in range(12):
        clients += [world.client("once", 100) for _ in range(15)]
        time.sleep(random.random() * 0.15)
        world.stop_daemon(signal.SIGKILL)
        clients += [world.client("once", 100) for _ in range(5)]
        world.start_daemon()
    for client in clients:
        client.wait()
    wait_for(lambda: not world.files(), "all files are collected")
    totals = world.stats()["totals"]
    assert totals["ended_processes"] == len(clients) == 240, totals["ended_processes"]
    assert totals["counters"]["alloc_count"] == 24000, totals["counters"]["alloc_count"]


def forks_recycle_their_slots(world):
    """2,000 children, one by one, through six slots: each claim counts once, none is lost in silence."""
    world.start_daemon()
    ended, counted, missed = 0, 0, 0
    for children, pause_usec in (2000, 2000), (1000, 10000), (500, 50000), (100, 500000):
        client = world.client("forks", children, pause_usec)
        out = client.communicate(timeout=PATIENCE_SECONDS)[0].split()
        claimed, untracked = int(out[1]), int(out[3])
        assert claimed + untracked == children, out
        ended, counted, missed = ended + claimed + 1, counted + claimed, missed + untracked
        wait_for(lambda: not world.files(), "the file is collected")
        totals = world.stats()["totals"]
        assert totals["ended_processes"] == ended, (totals["ended_processes"], ended)
        assert totals["counters"]["alloc_count"] == counted, (totals["counters"]["alloc_count"], counted)
        assert totals["forks_untracked"] == missed, (totals["forks_untracked"], missed)
        print("# %d of %d children tracked" % (claimed, children))
        if claimed >= children * 3 // 4:  # a slower machine has time for fewer
            return
    raise AssertionError("slots are not freed in time")


def forks_count_once_through_kills(world):
    world.start_daemon()
    client = world.client("forks", 1500, 3000)
    while client.poll() is None:
        time.sleep(0.3)
        world.stop_daemon(signal.SIGKILL)
        world.start_daemon()
    claimed = int(client.communicate()[0].split()[1])
    wait_for(lambda: not world.files(), "the file is collected")
    totals = world.stats()["totals"]
    assert totals["ended_processes"] == claimed + 1, (totals["ended_processes"], claimed)
    assert totals["counters"]["alloc_count"] == claimed, (totals["counters"]["alloc_count"], claimed)


def children_outlive_their_parent(world):
    world.start_daemon()
    parent = world.client("family")
    world.wait_processes(4)
    children = [p["pid"] for p in world.stats()["processes"] if p["slot"]]
    for child in children[:2]:
        os.kill(child, signal.SIGKILL)
    world.wait_processes(2)
    # The third child dies with its parent (PR_SET_PDEATHSIG).
    parent.kill()
    parent.wait()
    world.wait_processes(0)
    wait_for(lambda: not world.files(), "the family's file is collected")
    assert world.stats()["totals"]["ended_processes"] == 4


def process_that_execs_something_else_is_over(world):
    world.start_daemon()
    program = (
        "import mmap, os, sys\n"
        "sys.path.insert(0, sys.argv[1])\n"
        "file = open(sys.argv[2], 'x+b')\n"
        "file.truncate(16384)\n"
        "map = mmap.mmap(file.fileno(), 16384)\n"
        "map[:] = bytes.fromhex(sys.argv[3].replace('PPPPPPPP', os.getpid().to_bytes(4, 'little').hex()))\n"
        "file.close()\n"
        "sys.stdin.readline()\n"
        "os.execv('/bin/sleep', ['sleep', '60'])\n"
    )
    marker = 0x7E57AB1E
    content = telemetry(marker).hex().replace(struct.pack("<I", marker).hex(), "PPPPPPPP")
    process = world.spawn(
        ["/usr/bin/python3", "-c", program, os.path.dirname(__file__), path(world, 1), content],
        stdin=subprocess.PIPE,
    )
    world.wait_processes(1)
    process.stdin.close()
    wait_for(lambda: world.properties()["ProcessCount"] == 0, "it is not under hakmem any more")
    assert process.poll() is None
    wait_for(lambda: not world.files(), "its file is collected")


def user_with_too_many_files_loses_the_excess(world):
    world.write_config("[daemon]\nfiles-per-uid = 10\n")
    world.start_daemon()
    world.client("swarm", 0, 25, 0, 0, 0).stdout.readline()
    world.wait_processes(10)
    wait_for(lambda: len(world.files()) == 10, "the excess is unlinked")
    assert "too many telemetry files" in open(world.log).read()


def process_of_an_inner_pid_namespace_is_found(world):
    if os.geteuid() != 0:
        return
    world.start_daemon()
    world.spawn(
        ["unshare", "--pid", "--fork", "--kill-child", build("tests/sim_client"), world.runtime, "busy"]
    )
    world.wait_processes(1)
    process = world.stats()["processes"][0]
    assert process["comm"] == "sim_client" and process["verified"] and process["pid"] > 1, process
    applied = lambda: world.hakctl("set-mode", "fast", "--wait").stdout.split(",")[0]
    wait_until_equal(applied, "applied 1", "it obeys")


def start_as_nobody(world):
    """hakmemd as a user who may not look at what root's processes have mapped."""
    for directory in (world.runtime, world.state):
        os.mkdir(directory)
        os.chown(directory, 65534, 65534)
    world.daemon = world.spawn(
        world.daemon_arguments(), stderr=open(world.log, "a"), user=65534, group=65534, extra_groups=[]
    )
    wait_for(world.has_owner, "hakmemd owns its name")


def unverified_process_that_execs_is_counted_once(world):
    """As services that are started by shells: each program on the way has the library, and a file."""
    if os.geteuid() != 0 or not os.path.exists(build("libhakmem.so")):
        return
    start_as_nobody(world)
    environment = dict(os.environ, LD_PRELOAD=build("libhakmem.so"), HAKMEM_RUNTIME_DIR=world.runtime)
    chain = "sleep .3; exec sh -c 'sleep .3; exec sh -c \"exec sleep 60\"'"
    process = world.spawn(["/bin/sh", "-c", chain], env=environment)
    # By pid: the shells' own `sleep .3` is the only one known at times, where the machine is busy.
    known = lambda: [(p["pid"], p["comm"]) for p in world.stats()["processes"]]
    wait_for(lambda: known() == [(process.pid, "sleep")], "the last one is known")
    assert not world.stats()["processes"][0]["verified"]
    time.sleep(0.5)
    assert len(world.stats()["processes"]) == 1
    wait_for(lambda: len(world.files()) == 1, "and the others' files are collected")
    assert world.stats()["totals"]["ended_processes"] >= 3
    process.kill()
    process.wait()
    world.wait_processes(0)


def process_that_may_not_be_looked_at_is_unverified(world):
    """hakmemd as a user without rights over another's process: kept, and shown so."""
    if os.geteuid() != 0:
        return
    start_as_nobody(world)
    client = world.client("busy")
    world.wait_processes(1)
    process = world.document("DumpStats", "a{sv}", 0)["processes"][0]
    assert process["pid"] == client.pid and not process["verified"], process
    status = lambda: world.hakctl("status").stdout
    wait_for(lambda: "unverified" in status(), status)  # "behind" until it has followed
    client.kill()
    client.wait()
    world.wait_processes(0)


def helper_tells_who_a_process_is(world):
    """hakmemd without rights, and the helper that has them: also for a process of an inner pid namespace."""
    if os.geteuid() != 0:
        return
    start_as_nobody(world)
    client = world.client("busy")
    world.wait_processes(1)
    process = lambda: {p["pid"]: p for p in world.document("DumpStats", "a{sv}", 0)["processes"]}
    assert not process()[client.pid]["verified"] and not process()[client.pid]["exe"]
    helper = world.spawn([build("hakmem-helper"), "--runtime-dir=" + world.runtime])
    wait_for(lambda: process()[client.pid]["verified"], "a helper that comes later is asked")
    assert process()[client.pid]["exe"] == build("tests/sim_client"), process()
    second = world.client("busy")
    world.spawn(
        ["unshare", "--pid", "--fork", "--kill-child", build("tests/sim_client"), world.runtime, "busy"]
    )
    world.wait_processes(3)
    wait_for(lambda: all(p["verified"] for p in process().values()), "all are verified")
    assert len({p["context"] for p in process().values()}) == 1, process()
    assert {p["exe"] for p in process().values()} == {build("tests/sim_client")}, process()
    second.kill()
    second.wait()
    world.wait_processes(2)
    helper.terminate()
    helper.wait()
    assert client.poll() is None and world.daemon.poll() is None


def last_words_are_told(world):
    world.start_daemon()
    client = world.client("fatal")
    client.wait()
    wait_for(lambda: world.stats()["daemon"]["last_fatal"], "the record is read")
    words = world.stats()["daemon"]["last_fatal"]
    assert words["pid"] == client.pid and "not a pointer of ours" in words["text"], words
    assert "aborted itself: free(0xdead0)" in open(world.log).read()
    assert "last fatal" in world.hakctl("status").stdout


def lines_of_a_process_reach_the_log_and_are_limited(world):
    world.start_daemon()
    client = world.client("talks", 5)
    whose = "process %d " % client.pid
    told = lambda: [line for line in open(world.log).read().splitlines() if whose in line]
    world.wait_processes(1)
    wait_for(lambda: world.stats() and len(told()) == 5, "all lines are told")
    assert "sim_client" in told()[0] and told()[0].endswith("line 0? of many"), told()
    world.stop_daemon()
    world.start_daemon()
    world.wait_processes(1)
    world.stats()
    assert len(told()) == 5, "told once"
    began = time.monotonic()
    for _ in range(4):
        world.client("talks", 1000000)
    world.wait_processes(5)
    wait_for(lambda: world.stats() and "lines left out" in open(world.log).read(), "some are left out")
    for _ in range(20):
        world.stats()
    lines = open(world.log).read().count(" of many")
    assert lines <= 5 + 100 + 10 * (time.monotonic() - began), lines


def descriptors_do_not_grow_with_processes(world):
    world.start_daemon()
    world.client("busy")
    world.wait_processes(1)
    count = lambda: len(os.listdir("/proc/%d/fd" % world.daemon.pid))
    before = count()
    world.client("swarm", 0, 200, 0, 0, 0).stdout.readline()
    world.wait_processes(201)
    # While it looks at somebody it has some open for that.
    wait_for(lambda: count() <= before + 1, lambda: "%d descriptors, %d before" % (count(), before))


def process_whose_pid_is_used_again_is_told_from_the_next(world):
    """Inside a pid namespace of its own, where the next pid can be chosen."""
    if os.geteuid() != 0:
        return
    script = (
        "import os, subprocess, sys, time\n"
        "sim = [sys.argv[1], sys.argv[2], 'busy']\n"
        "def start():\n"
        "    open('/proc/sys/kernel/ns_last_pid', 'w').write('4999')\n"
        "    return subprocess.Popen(sim)\n"
        "first = start()\n"
        "print('first', flush=True)\n"
        "sys.stdin.readline()\n"
        "first.kill(); first.wait()\n"
        "second = start()\n"
        "assert first.pid == second.pid == 5000, (first.pid, second.pid)\n"
        "print('again', flush=True)\n"
        "time.sleep(60)\n"
    )
    world.start_daemon()
    space = world.spawn(
        ["unshare", "--pid", "--fork", "--kill-child", "--mount-proc", "/usr/bin/python3", "-c", script,
         build("tests/sim_client"), world.runtime],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert space.stdout.readline() == "first\n"
    world.wait_processes(1)
    space.stdin.close()
    assert space.stdout.readline() == "again\n"
    wait_for(lambda: world.stats()["totals"]["ended_processes"] == 1, "the first has ended")
    world.wait_processes(1)
    assert len(world.files()) == 1 or wait_for(lambda: len(world.files()) == 1, "one file is left")


def stopped_process_stays_and_zombie_goes(world):
    world.start_daemon()
    stopped, zombie = world.client("busy"), world.client("busy")
    world.wait_processes(2)
    stopped.send_signal(signal.SIGSTOP)
    zombie.kill()
    world.wait_processes(1)  # it was not waited for: a zombie
    assert world.stats()["processes"][0]["pid"] == stopped.pid
    told = lambda: world.hakctl("set-mode", "fast", "--wait=1").stdout
    wait_for(lambda: "stopped 1" in told(), told)
    stopped.send_signal(signal.SIGCONT)
    wait_for(lambda: world.stats()["processes"][0]["mode"] == "fast", "it goes on and obeys")


def container_with_its_own_namespaces_is_shown(world):
    """pid, mount, cgroup and user-visible /proc of its own; the runtime directory bind-mounted elsewhere."""
    if os.geteuid() != 0:
        return
    world.start_daemon()
    script = 'mount -t tmpfs none /mnt && mkdir /mnt/h && mount --bind "$1" /mnt/h && exec "$2" /mnt/h busy'
    world.spawn(
        ["unshare", "--pid", "--fork", "--kill-child", "--mount", "--cgroup", "--ipc", "--uts",
         "--mount-proc", "sh", "-c", script, "sh", world.runtime, build("tests/sim_client")]
    )
    world.wait_processes(1)
    process = world.stats()["processes"][0]
    assert process["comm"] == "sim_client" and process["verified"], process
    applied = lambda: world.hakctl("set-mode", "fast", "--wait").stdout.split(",")[0]
    wait_until_equal(applied, "applied 1", "it obeys")


def file_that_its_owner_takes_away_is_counted_as_seen(world):
    world.start_daemon()
    client = world.client("busy")
    world.wait_processes(1)
    world.stats()
    os.unlink(world.runtime + "/clients/" + world.files()[0])
    world.wait_processes(0)
    assert client.poll() is None
    assert world.stats()["totals"]["counters"]["alloc_count"] > 0


run_tests(
    [
        hostile_files_are_removed_and_harm_nothing,
        directory_that_is_not_empty_is_left_alone,
        file_truncated_while_it_is_read_is_harmless,
        counters_that_fall_end_the_trust,
        ended_processes_count_once,
        ended_processes_count_once_through_kills,
        forks_recycle_their_slots,
        forks_count_once_through_kills,
        children_outlive_their_parent,
        process_that_execs_something_else_is_over,
        user_with_too_many_files_loses_the_excess,
        process_of_an_inner_pid_namespace_is_found,
        process_that_may_not_be_looked_at_is_unverified,
        unverified_process_that_execs_is_counted_once,
        helper_tells_who_a_process_is,
        last_words_are_told,
        lines_of_a_process_reach_the_log_and_are_limited,
        descriptors_do_not_grow_with_processes,
        process_whose_pid_is_used_again_is_told_from_the_next,
        stopped_process_stays_and_zombie_goes,
        container_with_its_own_namespaces_is_shown,
        file_that_its_owner_takes_away_is_counted_as_seen,
    ]
)
