# SPDX-License-Identifier: MIT
"""What the figures share: measuring one command under one allocator."""
import os
import re
import statistics
import subprocess
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "process"))
import hak  # noqa: E402 (the path above finds it)

LOADER_CALLS = re.compile(r"^(\w+)\(")
PEERS = ["libmimalloc.so.2", "libjemalloc.so.2", "libtcmalloc_minimal.so.4"]


def env_for(library, runtime=None):
    """The environment with this library preloaded; None is glibc alone."""
    if library is None:
        return hak.plain_env()
    return hak.plain_env(LD_PRELOAD=library, HAKMEM_RUNTIME_DIR=runtime or "/nonexistent")


def known(library):
    """True where the loader finds the library."""
    done = subprocess.run(["/bin/true"], env=env_for(library), capture_output=True, text=True, check=False)
    return not done.stderr


def wall_usec(command, env, runs):
    """Microseconds of each run."""
    times = []
    for _ in range(runs):
        begin = time.perf_counter()
        subprocess.run(command, env=env, check=True, stdout=subprocess.DEVNULL)
        times.append((time.perf_counter() - begin) * 1e6)
    return times


def interleaved_usec(command, environments, rounds, each=20):
    """Medians of several environments, measured in turns, so that drift of the machine hits all alike."""
    times = {name: [] for name in environments}
    for _ in range(rounds):
        for name, env in environments.items():
            times[name] += wall_usec(command, env, each)
    return {name: statistics.median(values) for name, values in times.items()}


def peak_rss_kib(command, env, runs=5):
    """The median of the peak resident sizes. The command runs in an environment with LD_PRELOAD alone."""
    peaks = []
    for _ in range(runs):
        done = subprocess.run([hak.tool("tools/peak"), env.get("LD_PRELOAD", ""), *command], check=True,
                              stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        peaks.append(int(done.stderr))
    return int(statistics.median(peaks))


def system_calls(command, env):
    """The system calls of a command, as a list of lines."""
    done = subprocess.run(["strace", "-qq", "-o", "/dev/stdout", *command], env=env, capture_output=True,
                          text=True,
                          check=True)
    return [line for line in done.stdout.splitlines() if LOADER_CALLS.match(line)]


def instructions_per_pair(env):
    """Instructions of one malloc and free of 64 bytes in a hot loop, the loop's own included."""
    def count(pairs):
        done = subprocess.run(["valgrind", "--tool=callgrind", "--callgrind-out-file=/dev/null",
                               hak.tool("tools/pair"), str(pairs)], env=env, capture_output=True, text=True,
                              check=True)
        return int(re.search(r"Collected\s*:\s*(\d+)", done.stderr).group(1))
    few, many = 20000, 220000
    return (count(many) - count(few)) / (many - few)
