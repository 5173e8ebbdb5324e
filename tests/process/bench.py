#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""bench/run believes no figure whose allocator was not in use, and says what is wrong with its arguments."""
import csv
import os
import subprocess
import sys
import tempfile

import hak

RUN = os.path.join(hak.TOP, "bench", "run")
BUILD = hak.build("")


def run(*words):
    return subprocess.run([RUN, "--build", BUILD, "--runs", "1", *words], env=hak.plain_env(),
                          capture_output=True, text=True, timeout=400, check=False)


def rows(path):
    with open(path, newline="", encoding="utf-8") as file:
        return {row["allocator"]: row for row in csv.DictReader(file)}


def check_preload_without_malloc(place):
    """A library that defines no malloc stands for a preload that was dropped."""
    other = os.path.join(place, "other.so")
    subprocess.run(["gcc", "-shared", "-fPIC", "-xc", "-o", other, "-"], input="int unused;", text=True,
                   check=True)
    path = os.path.join(place, "a.csv")
    done = run("--scenario", "false-alone", "--alloc", f"dropped={other}", "--alloc", "glibc", "--csv", path)
    found = rows(path)
    if done.returncode != 1 or "malloc was bound to" not in found["dropped"]["error"]:
        return f"status {done.returncode}, error {found['dropped']['error']!r}"
    if found["dropped"]["time_ns"] or found["glibc"]["error"] or not float(found["glibc"]["time_ns"]) > 0:
        return f"rows {found}"
    return None


def check_hakmem_counts(place):
    """The row carries the run's own counters: a pair of malloc and free for each operation."""
    path = os.path.join(place, "b.csv")
    done = run("--scenario", "false-alone", "--alloc", "hakmem", "--mode", "fast", "--csv", path)
    row = rows(path)["hakmem-fast"]
    counters = dict(pair.split("=") for pair in row["counters"].split())
    counted, wanted = float(counters.get("alloc_count", 0)), float(row["operations"] or 0)
    if done.returncode or not wanted or not wanted <= counted <= wanted + 1000:
        return (f"status {done.returncode}, {counted} allocations counted in {wanted} operations: "
                f"{row['error']}")
    return None


def check_counters_at_rest(place):
    """A library named like ours whose counters never move was not in use."""
    fake = os.path.join(place, "libhakmem.so")
    source = ("void *__libc_malloc(unsigned long); void *malloc(unsigned long n); "
              "void *malloc(unsigned long n) { return __libc_malloc(n); }")
    subprocess.run(["gcc", "-shared", "-fPIC", "-xc", "-o", fake, "-"], input=source, text=True, check=True)
    path = os.path.join(place, "c.csv")
    done = run("--scenario", "false-alone", "--alloc", f"fake={fake}", "--csv", path)
    if done.returncode != 1 or "counters did not move" not in rows(path)["fake"]["error"]:
        return f"status {done.returncode}, {rows(path)['fake']}"
    return None


def check_words(words, named):
    done = run(*words)
    if done.returncode != 2 or named not in done.stderr or "Traceback" in done.stderr:
        return f"status {done.returncode}, stderr {done.stderr!r}"
    return None


def main():
    tap = hak.Tap()
    with tempfile.TemporaryDirectory() as place:
        tap.result(check_preload_without_malloc(place), "a preload that malloc is not bound to is an error")
        tap.result(check_hakmem_counts(place), "hakmem's row carries its own counters")
        tap.result(check_counters_at_rest(place), "counters at rest are an error")
    tap.result(check_words(["--scenario", "nosuch"], "nosuch"), "an unknown scenario is named")
    tap.result(check_words(["--alloc", "nosuch"], "nosuch"), "an allocator without a library is named")
    tap.result(check_words(["--alloc", "glibc", "--alloc", "glibc"], "glibc"), "a name used twice is named")
    return tap.end()


if __name__ == "__main__":
    sys.exit(main())
