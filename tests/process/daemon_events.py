#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""What the daemon tells as it happens (Subscribe, hakctl monitor), jobs and their output, and that a flood of
one user's starves nobody."""

import ctypes
import difflib
import itertools
import json
import os
import re
import select
import subprocess
import time

import jsonschema

from hakbus import (INTERFACE, NAME, PATH, PATIENCE_SECONDS, BusError, build, check, run_tests, sd, wait_for,
                    wait_until_equal)

SCHEMAS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../docs/schema")
GOLDEN = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../golden/org.hakmem1.xml")
ERROR = "org.hakmem1.Error."
NOBODY = 65534


class Monitor:
    """hakctl monitor --json; its lines as they come."""

    def __init__(self, world, *topics, wrap=()):
        self.process = world.spawn(
            [*wrap, build("hakctl"), "--bus=" + world.address, "monitor", "--json", *topics],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        self.seen, self.rest = [], b""
        assert self.next("hello")["version"]

    def next(self, topic, **members):
        """The first event from now on of that topic with those members."""
        end = time.monotonic() + PATIENCE_SECONDS
        while time.monotonic() < end:
            line, newline, rest = self.rest.partition(b"\n")
            if newline:
                self.rest = rest
                event = json.loads(line)
                self.seen.append(event)
                if event["topic"] == topic and all(event.get(k) == v for k, v in members.items()):
                    return event
            elif select.select([self.process.stdout], [], [], 0.05)[0]:
                more = os.read(self.process.stdout.fileno(), 65536)
                assert more, self.process.stderr.read().decode()
                self.rest += more
        raise AssertionError("no %s %s; came: %s" % (topic, members, self.seen))


class Connection:
    """One connection for many calls; World.sd_call() makes one for each."""

    def __init__(self, world):
        self.bus = ctypes.c_void_p()
        check(sd.sd_bus_new(ctypes.byref(self.bus)))
        check(sd.sd_bus_set_address(self.bus, world.address.encode()))
        check(sd.sd_bus_set_bus_client(self.bus, 1))
        check(sd.sd_bus_negotiate_fds(self.bus, 1))
        check(sd.sd_bus_start(self.bus))

    def call(self, member, signature, *arguments):
        """The error's name; None for an answer."""
        error, reply = BusError(), ctypes.c_void_p()
        r = sd.sd_bus_call_method(self.bus, NAME.encode(), PATH.encode(), INTERFACE.encode(), member,
                                  ctypes.byref(error), ctypes.byref(reply), signature, *arguments)
        name = (error.name or b"?").decode() if r < 0 else None
        sd.sd_bus_message_unref(reply)
        sd.sd_bus_error_free(ctypes.byref(error))
        return name


def as_nobody():
    return ["setpriv", "--reuid=%d" % NOBODY, "--clear-groups", "--"]


def subscribers_are_told_what_happens(world):
    world.start_daemon()
    monitor = Monitor(world)
    client = world.client("busy", 500)
    began = monitor.next("process", what="began", pid=client.pid)
    assert began["uid"] == os.getuid() and began["exe"].endswith("sim_client"), began
    world.hakctl("set-mode", "fast", "--reason=trial")
    change = monitor.next("change", what="mode")
    assert (change["before"], change["after"], change["why"]) == (None, "fast", "trial"), change
    assert change["uid"] == os.getuid() and change["serial"] > 0
    world.hakctl("purge", "--all", "--wait=1")
    monitor.next("change", what="purge")
    job = monitor.next("job")
    assert job["state"] == "done" and job["target"] == "*", job
    client.kill()
    client.wait()
    monitor.next("process", what="ended", pid=client.pid)
    sequence = [event["sequence"] for event in monitor.seen]
    assert sequence == sorted(sequence), sequence
    rules = json.load(open(SCHEMAS + "/monitor.json"))
    for event in monitor.seen:
        jsonschema.validate(event, rules)
    world.stop_daemon()
    assert monitor.process.wait(PATIENCE_SECONDS) == 3
    assert "has ended" in monitor.process.stderr.read().decode()


def topics_choose(world):
    world.start_daemon()
    monitor = Monitor(world, "job", "fatal")
    world.hakctl("set-mode", "fast")
    client = world.client("busy", 500)
    world.wait_processes(1)
    world.hakctl("purge", "--all", "--wait=1")
    monitor.next("job")
    assert {event["topic"] for event in monitor.seen} == {"hello", "job"}, monitor.seen
    result = world.hakctl("monitor", "proces")
    assert result.returncode == 2 and "did you mean 'process'" in result.stderr, result
    client.kill()


def monitor_reads_well(world):
    world.start_daemon()
    process = world.spawn(
        [build("hakctl"), "--bus=" + world.address, "monitor"], stdout=subprocess.PIPE, text=True
    )
    modes = itertools.cycle(["research", "fast"])

    def is_told():  # what happened before it was there is not
        world.hakctl("set-mode", next(modes), "--reason=why not")
        return select.select([process.stdout], [], [], 0.1)[0]

    wait_for(is_told, "it tells of a change")
    line = process.stdout.readline()
    assert re.search(r"change.*→ (research|fast) by uid %d \(why not\)" % os.getuid(), line), line


def strangers_are_told_hashes_alone(world):
    if os.getuid() != 0:
        return
    world.start_daemon()
    os.chmod(world.directory, 0o755)
    monitor = Monitor(world, wrap=as_nobody())
    client = world.client("busy", 500)
    began = monitor.next("process", what="began")
    assert len(began["context"]) == 32 and not {"pid", "uid", "exe", "unit"} & set(began), began
    world.hakctl("set-mode", "fast", "--reason=secret")
    change = monitor.next("change", what="mode")
    assert "why" not in change and "uid" not in change, change
    client.kill()


def reader_that_sleeps_is_told_what_it_missed(world):
    world.start_daemon()
    name, message, reply = world.sd_call("Subscribe", "asa{sv}", 0, 0)
    assert reply, message
    fd = ctypes.c_int()
    check(sd.sd_bus_message_read(reply[1], b"h", ctypes.byref(fd)))
    pipe = os.dup(fd.value)
    connection = Connection(world)
    for index in range(400):  # 64 KiB hold fewer
        mode = ["fast", "minimal"][index % 2].encode()
        assert connection.call(b"SetMode", b"sa{sv}", mode, 1, b"reason", b"s", b"x" * 120) is None
    text = os.read(pipe, 1 << 20).decode()
    world.hakctl("set-mode", "balanced")
    text += os.read(pipe, 1 << 20).decode()
    os.close(pipe)
    sd.sd_bus_message_unref(reply[1])
    sd.sd_bus_flush_close_unref(reply[0])
    events = [json.loads(line) for line in text.splitlines()]
    lost = [event for event in events if event["topic"] == "lost"]
    missed = sum(event["lines"] for event in lost)
    assert missed > 10, events[-3:]
    assert events[-1]["after"] == "balanced", events[-1]
    told = sum(event["topic"] == "change" for event in events)
    assert told + missed == 401, (told, lost)


def subscriptions_are_bounded(world):
    world.start_daemon()
    monitors = [Monitor(world) for _ in range(8)]
    result = world.hakctl("monitor")
    assert result.returncode == 1 and "too many" in result.stderr, result
    monitors[0].process.kill()
    monitors[0].process.wait()
    # hakmemd may hear of the next one before it sees that this one is gone.
    wait_for(lambda: world.sd_call("Subscribe", "asa{sv}", 0, 0)[2], "a place is free again")


def introspection_is_as_it_was(world):
    """Members are added and never change. HAK_GOLDEN=write makes the file anew, for a diff to look at."""
    world.start_daemon()
    xml = json.loads(world.busctl("--json=short", "call", NAME, PATH, "org.freedesktop.DBus.Introspectable",
                                  "Introspect").stdout)["data"][0]
    interface = re.search(r' <interface name="%s">\n.*? </interface>\n' % INTERFACE, xml, re.S).group()
    if os.environ.get("HAK_GOLDEN") == "write":
        open(GOLDEN, "w").write(interface)
    golden = open(GOLDEN).read()
    difference = difflib.unified_diff(golden.splitlines(True), interface.splitlines(True))
    assert interface == golden, "".join(difference)


def jobs_have_output(world):
    world.start_daemon()
    client = world.client("busy", 500)
    world.wait_processes(1)
    options = ["1", "timeout-usec", "t", "300000"]

    def output_of_a_job():
        job = world.call("StartJob", "ssa{sv}", "purge", "pid:%d" % client.pid, *options)[0]
        wait_for(lambda: world.call("GetJob", "t", str(job))[0]["state"]["data"] != "running", "it ends")
        return world.document("OpenJobOutput", "ta{sv}", job, 0)

    output = output_of_a_job()
    jsonschema.validate(output, json.load(open(SCHEMAS + "/job.json")))
    assert [one["pid"] for one in output["processes"]] == [client.pid], output
    assert output["state"] == "done" and output["processes"][0]["resident_after_bytes"] > 0, output
    verdict = lambda: output_of_a_job()["processes"][0]["verdict"]
    wait_until_equal(verdict, "lost", "it visits, and never purges")
    assert world.error_of("OpenJobOutput", "ta{sv}", 999, 0)[0] == ERROR + "NoSuchJob"
    assert world.error_of("StartJob", "ssa{sv}", "prune", "*", 0)[0] == ERROR + "NotSupported"
    not_a_file = world.error_of("ImportPriors", "ha{sv}", 0, 0)[0]
    assert not_a_file == "org.freedesktop.DBus.Error.InvalidArgs", not_a_file


def flood(world, gate):
    """A child that is nobody and asks for everything on end, until it has had both answers and refusals and
    the gate, a pipe, is closed: its pid, and a pipe of (answered, refused)."""
    end, other = os.pipe()
    child = os.fork()
    if child:
        os.close(other)
        return child, end
    os.close(gate[1])
    os.setgroups([])
    os.setuid(NOBODY)
    connection, answered, refused = Connection(world), 0, 0
    last = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < last:
        error = connection.call(b"DumpStats", b"a{sv}", 0)
        answered += error is None
        refused += error == ERROR + "RateLimited"
        if answered and refused and select.select([gate[0]], [], [], 0)[0]:
            break
    os.write(other, json.dumps([answered, refused]).encode())
    os._exit(0)


def flood_of_one_user_starves_nobody(world):
    """nobody asks for everything on end; root's commands are answered meanwhile, and so are its questions."""
    if os.getuid() != 0:
        return
    world.start_daemon()
    count = 300 if "address" in build("") else 1000  # an instrumented daemon takes as long for fewer
    world.client("swarm", 0, count, 0, 0, 0)
    world.wait_processes(count)
    gate = os.pipe()
    floods = [flood(world, gate) for _ in range(4)]
    slowest, end = 0, time.monotonic() + 5
    while time.monotonic() < end:  # a call that had to wait for the flood's end would fail by its own timeout
        before = time.monotonic()
        result = world.hakctl("set-mode", "fast")
        assert result.returncode == 0, result
        assert world.hakctl("get-mode").returncode == 0
        slowest = max(slowest, time.monotonic() - before)
    assert world.hakctl("stats", "--json").returncode == 0  # each user's account is its own
    os.close(gate[1])
    answered, refused = 0, 0
    for child, pipe in floods:
        os.waitpid(child, 0)
        counts = json.loads(os.read(pipe, 100))
        answered, refused = answered + counts[0], refused + counts[1]
    print("# two commands beside the flood: %.0f ms at most; the flood: %d answered, %d refused"
          % (slowest * 1000, answered, refused))
    assert answered and refused, (answered, refused)
    os.close(gate[0])


def list_of_processes_comes_in_pages(world):
    """Each whole and in order, with what the processes say now."""
    world.start_daemon()
    swarm = world.client("swarm", 0, 300, 0, 0, 0)
    assert swarm.stdout.readline() == "ready\n"
    world.wait_processes(300)
    pids, cursor, pages = [], "", []
    while not pages or cursor:
        page, cursor = world.call("ListProcesses", "a{sv}su", "0", cursor, "0")
        pids += [process["pid"]["data"] for process in page]
        pages.append(len(page))
    assert pages == [256, 44] and len(set(pids)) == 300, pages
    page, cursor = world.call("ListProcesses", "a{sv}su", "1", "target", "s", "pid:%d" % pids[299], "", "5")
    assert [process["pid"]["data"] for process in page] == pids[299:] and cursor == "", page
    assert page[0]["verified"]["data"] and page[0]["mode"]["data"] == "balanced", page
    assert world.error_of("ListProcesses", "a{sv}su", 0, "12x", 5)[0] == ERROR + "InvalidOption"


def name_of_a_stranger_forges_no_line_of_the_log(world):
    """As the journal reads them: '<0>' at a line's beginning is an emergency."""
    world.start_daemon()
    open(world.runtime + "/clients/x\n<0>kernel: forged\x1b[2J", "w").close()
    wait_for(lambda: "removed clients/x?<0>kernel: forged?[2J" in open(world.log).read(), "it is told")
    assert not world.files()


run_tests(
    [
        name_of_a_stranger_forges_no_line_of_the_log,
        list_of_processes_comes_in_pages,
        subscribers_are_told_what_happens,
        topics_choose,
        monitor_reads_well,
        strangers_are_told_hashes_alone,
        reader_that_sleeps_is_told_what_it_missed,
        subscriptions_are_bounded,
        introspection_is_as_it_was,
        jobs_have_output,
        flood_of_one_user_starves_nobody,
    ]
)
