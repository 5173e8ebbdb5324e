# SPDX-License-Identifier: MIT
"""What the daemon's process tests share: a private bus, hakmemd on it, hakctl, simulated clients, TAP lines.

Every test has a directory of its own. Only processes that were started here are
ended, each by its own handle.
"""

import ctypes
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import traceback

from hak import listens

BUILD = os.environ.get("HAK_BUILD", "build")
NAME, PATH, INTERFACE = "org.hakmem1", "/org/hakmem1", "org.hakmem1.Manager"
MODES = ["minimal", "fast", "balanced", "learning", "research"]
PATIENCE_SECONDS = 120  # how long a state may take to come, on a machine that has a lot else to do
BUS_CONFIG = """<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-BUS Bus Configuration 1.0//EN"
 "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig><type>session</type><listen>unix:path=%s</listen><auth>EXTERNAL</auth>
<policy context="default"><allow send_destination="*" eavesdrop="true"/><allow eavesdrop="true"/>
<allow own="*"/><allow user="*"/></policy></busconfig>
"""


sd = ctypes.CDLL("libsystemd.so.0")


class BusError(ctypes.Structure):
    _fields_ = [("name", ctypes.c_char_p), ("message", ctypes.c_char_p), ("need_free", ctypes.c_int)]


def check(r):
    assert r >= 0, os.strerror(-r)


def build(name):
    return os.path.abspath(os.path.join(BUILD, name))


def wait_for(condition, what, seconds=PATIENCE_SECONDS):
    """The condition's first true value; a test fails with `what`, or what that gives, where there is none in
    time."""
    end = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        assert time.monotonic() < end, "in vain for %g s: %s" % (seconds, what() if callable(what) else what)
        time.sleep(0.01)


def wait_until_equal(observe, wanted, what):
    """Observes again until it is as wanted. What a wait tells is of its moment: on a machine with a lot else
    to do, who should be busy may not have run in it."""
    end = time.monotonic() + PATIENCE_SECONDS
    seen = observe()
    while seen != wanted:
        assert time.monotonic() < end, "%s: %s instead of %s" % (what, seen, wanted)
        seen = observe()


class World:
    """One test's bus, directories and processes."""

    def __init__(self):
        self.directory = tempfile.mkdtemp(prefix="hakmem-test-")
        os.chmod(self.directory, 0o755)
        self.runtime = self.directory + "/run"
        self.state = self.directory + "/state"
        self.config = self.directory + "/hakmemd.conf"
        self.log = self.directory + "/log"
        self.address = "unix:path=%s/bus" % self.directory
        self.started = []
        self.bus = None
        self.daemon = None

    def __enter__(self):
        self.start_bus()
        return self

    def __exit__(self, kind, value, trace):
        if kind:
            print("  # hakmemd said:")
            for line in open(self.log) if os.path.exists(self.log) else []:
                print("  #   " + line.rstrip())
        for process in reversed(self.started):
            if process.poll() is None:
                process.kill()
            process.wait()
        shutil.rmtree(self.directory)

    def spawn(self, arguments, **options):
        process = subprocess.Popen(arguments, **options)
        self.started.append(process)
        return process

    def run(self, arguments, **options):
        """A program to its end, which has to be good."""
        done = subprocess.run(arguments, capture_output=True, text=True, timeout=PATIENCE_SECONDS, **options)
        assert done.returncode == 0, "%s: %s" % (arguments, done.stderr)
        return done

    def start_bus(self):
        with open(self.directory + "/bus.conf", "w") as file:
            file.write(BUS_CONFIG % (self.directory + "/bus"))
        self.bus = self.spawn(
            ["dbus-daemon", "--config-file=" + self.directory + "/bus.conf", "--nofork"],
            stderr=subprocess.DEVNULL,
        )
        wait_for(lambda: listens(self.directory + "/bus"), "the bus begins")

    def write_config(self, text):
        with open(self.config, "w") as file:
            file.write(text)

    def daemon_arguments(self):
        arguments = [
            build("hakmemd"),
            "--bus=" + self.address,
            "--runtime-dir=" + self.runtime,
            "--state-dir=" + self.state,
        ]
        if os.path.exists(self.config):
            arguments.append("--config=" + self.config)
        return arguments

    def start_daemon(self, **environment):
        self.daemon = self.spawn(
            self.daemon_arguments(), stderr=open(self.log, "a"), env=dict(os.environ, **environment)
        )
        wait_for(lambda: self.daemon.poll() is not None or self.has_owner(), "hakmemd owns its name")
        assert self.daemon.poll() is None, "hakmemd ended with %s" % self.daemon.returncode
        self.properties()  # it answers
        return self.daemon

    def stop_daemon(self, how=signal.SIGTERM):
        self.daemon.send_signal(how)
        return self.daemon.wait(timeout=PATIENCE_SECONDS)

    def has_owner(self):
        return (
            self.busctl(
                "call", "org.freedesktop.DBus", "/", "org.freedesktop.DBus", "NameHasOwner", "s", NAME
            ).stdout.strip()
            == "b true"
        )

    def busctl(self, *arguments):
        return subprocess.run(
            ["busctl", "--address=" + self.address, *arguments],
            capture_output=True,
            text=True,
            timeout=PATIENCE_SECONDS,
        )

    def call(self, member, *arguments):
        """A call's data, as JSON makes it. Fails the test where the call does."""
        result = self.busctl("--json=short", "call", NAME, PATH, INTERFACE, member, *arguments)
        assert result.returncode == 0, "%s: %s" % (member, result.stderr)
        return json.loads(result.stdout)["data"] if result.stdout.strip() else None

    def dbus_send_error(self, member, *arguments):
        """The error's name, as the bus carries it. dbus-send knows no variants: for calls without options."""
        result = subprocess.run(
            [
                "dbus-send",
                "--bus=" + self.address,
                "--print-reply",
                "--dest=" + NAME,
                PATH,
                INTERFACE + "." + member,
                *arguments,
            ],
            capture_output=True,
            text=True,
            timeout=PATIENCE_SECONDS,
        )
        assert result.returncode != 0, "%s%s did not fail: %s" % (member, arguments, result.stdout)
        return result.stderr.split(":")[0].replace("Error ", "").strip()

    def sd_call(self, member, signature, *arguments):
        """A call over sd-bus: (error's name, message, reply). busctl knows no names and no descriptors."""
        bus, reply, error = ctypes.c_void_p(), ctypes.c_void_p(), BusError()
        check(sd.sd_bus_new(ctypes.byref(bus)))
        check(sd.sd_bus_set_address(bus, self.address.encode()))
        check(sd.sd_bus_set_bus_client(bus, 1))
        check(sd.sd_bus_negotiate_fds(bus, 1))
        check(sd.sd_bus_start(bus))
        words = [word.encode() if isinstance(word, str) else ctypes.c_uint64(word) for word in arguments]
        r = sd.sd_bus_call_method(
            bus,
            NAME.encode(),
            PATH.encode(),
            INTERFACE.encode(),
            member.encode(),
            ctypes.byref(error),
            ctypes.byref(reply),
            signature.encode(),
            *words
        )
        if r < 0:
            sd.sd_bus_flush_close_unref(bus)
            return (error.name or b"").decode(), (error.message or b"").decode(), None
        return None, None, (bus, reply)

    def error_of(self, member, signature, *arguments):
        name, message, reply = self.sd_call(member, signature, *arguments)
        assert reply is None, "%s%s did not fail" % (member, arguments)
        return name, message

    def document(self, member, signature, *arguments):
        """The JSON behind the descriptor that a call gives."""
        name, message, reply = self.sd_call(member, signature, *arguments)
        assert reply, "%s: %s" % (name, message)
        fd = ctypes.c_int()
        check(sd.sd_bus_message_read(reply[1], b"h", ctypes.byref(fd)))
        text = os.pread(fd.value, 1 << 26, 0)
        sd.sd_bus_message_unref(reply[1])
        sd.sd_bus_flush_close_unref(reply[0])
        return json.loads(text)

    def properties(self):
        result = self.busctl(
            "--json=short", "call", NAME, PATH, "org.freedesktop.DBus.Properties", "GetAll", "s", INTERFACE
        )
        assert result.returncode == 0, result.stderr
        return {name: value["data"] for name, value in json.loads(result.stdout)["data"][0].items()}

    def hakctl(self, *arguments, **options):
        return subprocess.run(
            [build("hakctl"), "--bus=" + self.address, *arguments],
            capture_output=True,
            text=True,
            timeout=2 * PATIENCE_SECONDS,
            **options
        )

    def hakctl_until_good(self, *arguments):
        """Again where it says that somebody is lost: in a second of a busy machine one may not have run."""
        result = None

        def is_good():
            nonlocal result
            result = self.hakctl(*arguments)
            return result.returncode == 0

        wait_for(is_good, lambda: result)

    def stats(self, *arguments):
        result = self.hakctl("stats", "--json", *arguments)
        assert result.returncode == 0, result.stderr
        return json.loads(result.stdout)

    def client(self, *arguments, **options):
        return self.spawn(
            [build("tests/sim_client"), self.runtime, *[str(word) for word in arguments]],
            stdout=subprocess.PIPE,
            text=True,
            **options
        )

    def wait_processes(self, count):
        wait_for(lambda: self.properties()["ProcessCount"] == count, "%d processes are known" % count)

    def files(self):
        return os.listdir(self.runtime + "/clients")


def run_tests(tests):
    """Each test is a function of a World; prints TAP, exits non-zero where one fails."""
    failed = 0
    wanted = sys.argv[1:]
    for test in tests:
        if wanted and test.__name__ not in wanted:
            continue
        try:
            with World() as world:
                test(world)
            print("ok " + test.__name__)
        except Exception as error:  # a test fails in any way that it likes
            failed += 1
            print("not ok " + test.__name__)
            where = error.__traceback__.tb_next  # from the test on, with what its variables hold
            seen = traceback.TracebackException(type(error), error, where, capture_locals=True)
            for line in "".join(seen.format()).splitlines():
                print("  # " + line[:1000])
        sys.stdout.flush()
    sys.exit(1 if failed else 0)
