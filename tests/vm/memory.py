#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Real pressure on memory: limits of cgroups, swap, PSI, huge pages, overcommit. It sets what belongs to the
whole machine, so it runs in one that is thrown away (tests/vm/run)."""
import contextlib
import os
import platform
import subprocess
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "process"))
import hak  # noqa: E402 (the path above finds it)
import reclaim  # noqa: E402
import sandbox  # noqa: E402
import steps  # noqa: E402

MIB = 1 << 20
SECONDS = 20  # that anything may take, times hak.SLOWNESS
KEPT_BYTES = 500000 * 64
KEEP = f"keep {KEPT_BYTES // 64}"
THP = "/sys/kernel/mm/transparent_hugepage/enabled"
TOUCH = "import sys, time; m = bytearray({mib} << 20); print('ready', flush=True)\n"
TOUCH_ALWAYS = TOUCH + "while True:\n for i in range(0, len(m), 4096): m[i] = 1\n"


def read(path):
    with open(path, encoding="ascii") as file:
        return file.read()


def write(path, text):
    with open(path, "w", encoding="ascii") as file:
        file.write(str(text))


def number(path, field):
    """Of a file like /proc/meminfo or memory.events, as it stands there."""
    lines = (line.split() for line in read(path).splitlines())
    return next(int(words[1]) for words in lines if words[0].rstrip(":") == field)


def kib(pid, field, file="status"):
    return number(f"/proc/{pid}/{file}", field)


class Cgroup:
    def __init__(self, name):
        self.path = "/sys/fs/cgroup/" + name
        os.mkdir(self.path)

    def add(self, pid):
        write(self.path + "/cgroup.procs", pid)

    def limit(self, name, count):
        write(f"{self.path}/memory.{name}", count)

    def current(self):
        return int(read(self.path + "/memory.current"))

    def python(self, text):
        """A process that lives in it from its first page on."""
        enter = f"echo $$ >{self.path}/cgroup.procs && exec /usr/bin/python3 -c \"$0\""
        return subprocess.Popen(["sh", "-c", enter, text], stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                                text=True)


@contextlib.contextmanager
def filled(helper=True, keep=False):
    """(sandbox, a process that has much lazily free, its cgroup)"""
    filled.count += 1
    with sandbox.Sandbox() as box:
        process = reclaim.start_helper(box) if helper else None
        stepper = reclaim.watched_stepper(box)
        group = Cgroup(f"hakmem-{filled.count}")
        group.add(stepper.pid)
        if keep:
            stepper.do(KEEP)
        stepper.do(reclaim.FILL)
        yield box, stepper, group
        stepper.end()
        if process:
            reclaim.end_helper(box, process)


filled.count = 0


def check_limits(tap):
    for limit in ("max", "high"):
        with filled() as (box, stepper, group):
            before = group.current()
            group.limit(limit, before * 21 // 20)
            fell = reclaim.while_busy(stepper, lambda: group.current() < before // 2)
            why = "its cgroup is near its limit"
            told = sandbox.wait_until(lambda: reclaim.says_why(box, stepper, why), seconds=5)
            tap.result(None if fell and told else f"{before}, then {group.current()}\n{box.daemon_said()}",
                       f"near memory.{limit} lazily free memory is taken from who is busy")
            print(f"# memory.current {before >> 20} MiB, then {group.current() >> 20}")


def check_neighbour(tap):
    with filled(helper=False) as (_, stepper, group):
        group.limit("max", group.current() + 20 * MIB)
        neighbour = group.python(TOUCH.format(mib=100))
        said = neighbour.communicate()[0]
        killed = number(group.path + "/memory.events", "oom_kill")
        tap.result(None if neighbour.returncode == 0 and not killed else f"{said} {killed}",
                   "what is lazily free makes room for a neighbour in the cgroup, and nobody is killed")
        stepper.do(reclaim.FILL)
        tap.result(None if stepper.process.poll() is None else "it died", "and its owner goes on")


def check_swap(tap):
    subprocess.run(["mkswap", "/dev/vda"], check=True, stdout=subprocess.DEVNULL)
    subprocess.run(["swapon", "/dev/vda"], check=True)
    before = number("/proc/vmstat", "pswpout")
    with filled(keep=True) as (box, stepper, _):
        full = kib(stepper.pid, "VmRSS")
        most = (KEPT_BYTES >> 10) + full // 4
        fell = sandbox.wait_until(lambda: kib(stepper.pid, "VmRSS") < most, seconds=SECONDS)
        resident, swapped = kib(stepper.pid, "VmRSS"), kib(stepper.pid, "VmSwap")
        intact = resident * 1024 >= KEPT_BYTES and swapped == 0
        written = number("/proc/vmstat", "pswpout") - before
        tap.result(None if fell and intact and not written else
                   f"resident {full} KiB, then {resident}, swapped {swapped}, {written} pages written\n" +
                   box.daemon_said(),
                   "with swap on, what is lazily free is taken from a sleeper, and nothing is swapped")
        print(f"# resident {full >> 10} MiB, then {resident >> 10}; live {KEPT_BYTES >> 20}")
    with filled(helper=False, keep=True) as (_, stepper, group):
        group.limit("high", group.current() - 60 * MIB)
        swapped = kib(stepper.pid, "VmSwap")
        tap.result(None if swapped == 0 else f"{swapped} KiB",
                   "the kernel itself takes what is lazily free before it swaps what lives")


def check_swap_races(tap):
    before = number("/proc/vmstat", "pswpout")
    with sandbox.Sandbox() as box:
        helper = reclaim.start_helper(box)
        wrong, taken = reclaim.purge_waves(box)
        written = (number("/proc/vmstat", "pswpout") - before) * 4096
        tap.result(wrong, "contents survive with swap on, while memory is taken out of a busy process")
        tap.result(None if written <= taken // 10 else f"{written} of {taken}",
                   "of what is taken then, less than a tenth was in use again, and swapped")
        print(f"# taken {taken >> 20} MiB, swapped {written >> 10} KiB")
        reclaim.end_helper(box, helper)


def check_psi(tap):
    """One that stalls on its own cgroup's limit, while the machine has memory enough: what the kernel takes
    by itself, it takes there."""
    group = Cgroup("hog")
    group.limit("high", 48 * MIB)
    with filled() as (box, stepper, _):
        before = kib(stepper.pid, "VmRSS")
        hog = group.python(TOUCH_ALWAYS.format(mib=150))
        fell = reclaim.while_busy(stepper, lambda: kib(stepper.pid, "VmRSS") < before // 2)
        pressure = read("/proc/pressure/memory").split()[1]
        told = sandbox.wait_until(lambda: reclaim.says_why(box, stepper, "memory is short"), seconds=5)
        hog.kill()
        hog.wait()
        tap.result(None if fell and told else f"{before} KiB, {pressure}\n{box.daemon_said()}",
                   "while another stalls on memory, lazily free memory is taken from who is busy")
        print(f"# some {pressure}; resident {before >> 10} MiB, then {kib(stepper.pid, 'VmRSS') >> 10}")


def huge_kib(box, **settings):
    """(huge, resident) KiB of a process with 64 MB live, then of one with 64 KB"""
    seen = []
    for blocks in (1000000, 1000):
        stepper = steps.Stepper(box, **settings)
        stepper.do(f"keep {blocks}")
        seen += [kib(stepper.pid, "AnonHugePages", "smaps_rollup"), kib(stepper.pid, "Rss", "smaps_rollup")]
        stepper.end()
    return seen


def check_huge_pages(tap):
    small = {}
    with sandbox.Sandbox(daemon=False) as box:
        for setting in ("always", "madvise", "never"):
            write(THP, setting)
            huge, _, _, small[setting] = huge_kib(box, mode="balanced", HAKMEM_THP="on")
            expected = "none" if setting == "never" else "them"
            right = huge == 0 if setting == "never" else huge > 32 << 10
            tap.result(None if right else f"{huge} KiB", f"{setting}: on has {expected}")
            huge = huge_kib(box, mode="balanced", HAKMEM_THP="off")[0]
            tap.result(f"{huge} KiB" if huge else None, f"{setting}: off has none")
            huge, _, _, small[setting] = huge_kib(box, mode="balanced")
            print(f"# {setting}: auto has {huge >> 10} MiB of 64, and a small process {small[setting]} KiB")
    tap.result(None if small["always"] <= small["never"] + 256 else str(small),
               "always: a small process is no larger than with never")
    write(THP, "always")


def check_overcommit(tap):
    subprocess.run(["swapoff", "-a"], check=True)  # what may be promised is memory alone
    for program in ("caches_before_enomem", "address_limit"):
        for mode in hak.MODES:
            done = subprocess.run([hak.tool("api/" + program), "overcommit"], env=hak.preload_env(mode=mode),
                                  capture_output=True, text=True, check=False)
            write("/proc/sys/vm/overcommit_memory", 0)
            tap.result(None if done.returncode == 0 and not done.stderr else f"{done}",
                       f"overcommit=2: {program} in {mode}")


def main():
    if "HAK_IN_VM" not in os.environ:
        sys.exit("memory.py: not here, it sets limits of the whole machine: tests/vm/run tests/vm/memory.py")
    tap = hak.Tap()
    tap.result(None if platform.release().startswith("6.1.") else platform.release(), "this is Linux 6.1")
    start = time.monotonic()
    for check in (check_limits, check_neighbour, check_swap, check_swap_races, check_psi, check_huge_pages,
                  check_overcommit):
        check(tap)
        print(f"# {check.__name__}: until {time.monotonic() - start:.0f} s", flush=True)
    return tap.end()


if __name__ == "__main__":
    sys.exit(main())
