#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Runs every API program under the preload in every mode: it must exit 0 and print nothing."""
import os
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "process"))
import hak  # noqa: E402 (the path above finds it)

LIMIT_SECONDS = 120
SKIPPED = 77


def main():
    tap = hak.Tap()
    programs = sorted(name.rsplit(".", 1)[0] for name in os.listdir(HERE)
                      if name.endswith((".c", ".cc")) and name != "plugin.c")
    arguments = sys.argv[1:]
    modes = [word for word in arguments if word in hak.MODES] or hak.MODES
    programs = [word for word in arguments if word not in hak.MODES] or programs
    for program in programs:
        for mode in modes:
            name = f"{program} in {mode}"
            try:
                done = subprocess.run([hak.tool("api/" + program)], env=hak.preload_env(mode=mode),
                                      capture_output=True, text=True, timeout=LIMIT_SECONDS, check=False)
            except subprocess.TimeoutExpired:
                tap.result(f"not finished after {LIMIT_SECONDS} s", name)
                continue
            if done.returncode == SKIPPED:
                tap.skip(name, "not permitted here")
            else:
                said = done.stdout + done.stderr
                tap.result(f"status {done.returncode}: {said}" if done.returncode or said else None, name)
    return tap.end()


if __name__ == "__main__":
    sys.exit(main())
