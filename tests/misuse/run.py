#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Runs every misuse program in every mode: it must die of SIGABRT after one of the lines that it
announced."""
import os
import signal
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "process"))
import hak  # noqa: E402 (the path above finds it)

LIMIT_SECONDS = 120


def check(program, mode):
    """What is wrong, or None."""
    done = subprocess.run([hak.tool("misuse/" + program)], env=hak.preload_env(mode=mode),
                          capture_output=True,
                          text=True, timeout=LIMIT_SECONDS, check=False)
    accepted = done.stdout.splitlines()
    if not accepted:
        return f"announced nothing; status {done.returncode}, stderr {done.stderr!r}"
    if done.returncode != -signal.SIGABRT:
        return f"ended with {done.returncode} instead of SIGABRT; stderr {done.stderr!r}"
    if done.stderr.splitlines() not in [[line] for line in accepted]:
        return f"stderr was {done.stderr!r}, expected {' or '.join(map(repr, accepted))}"
    return None


def main():
    tap = hak.Tap()
    programs = sorted(name[:-2] for name in os.listdir(HERE) if name.endswith(".c"))
    modes = sys.argv[1:] or hak.MODES
    for program in programs:
        for mode in modes:
            tap.result(check(program, mode), f"{program} in {mode}")
    return tap.end()


if __name__ == "__main__":
    sys.exit(main())
