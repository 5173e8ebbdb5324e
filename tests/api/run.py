#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Runs every API program under the preload in every mode: it must exit 0 and print nothing."""
import concurrent.futures
import os
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "process"))
import hak  # noqa: E402 (the path above finds it)

LIMIT_SECONDS = 300 * hak.SLOWNESS
SKIPPED = 77


def run(program, mode):
    """(exit status, what it printed)"""
    try:
        done = subprocess.run([hak.tool("api/" + program)], env=hak.preload_env(mode=mode),
                              capture_output=True,
                              text=True, timeout=LIMIT_SECONDS, check=False)
    except subprocess.TimeoutExpired:
        return None, f"not finished after {LIMIT_SECONDS} s"
    return done.returncode, done.stdout + done.stderr


def main():
    tap = hak.Tap()
    programs = sorted(name.rsplit(".", 1)[0] for name in os.listdir(HERE)
                      if name.endswith((".c", ".cc")) and name != "plugin.c")
    arguments = sys.argv[1:]
    modes = [word for word in arguments if word in hak.MODES] or hak.MODES
    programs = [word for word in arguments if word not in hak.MODES] or programs
    # Two at a time: most of them wait for something half of the time.
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        runs = [(f"{program} in {mode}",
                 pool.submit(run, program, mode)) for program in programs for mode in modes]
        for name, future in runs:
            status, said = future.result()
            if status == SKIPPED:
                tap.skip(name, "not permitted here")
            else:
                tap.result(f"status {status}: {said}" if status or said else None, name)
    return tap.end()


if __name__ == "__main__":
    sys.exit(main())
