#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""The library's environment variables: what each sets, what pins, what is warned of, and that AT_SECURE
ignores them all. What a process made of them is read from its telemetry."""
import os
import shutil
import subprocess
import sys
import tempfile

import hak
import sandbox
import steps

# variable, value, field of the policy word, what it must say, pin
OVERRIDES = [
    ("HAKMEM_THP", "off", "thp", "off", "THP"),
    ("HAKMEM_THP", "auto", "thp", "auto", "THP"),
    ("HAKMEM_THP", "on", "thp", "on", "THP"),
    ("HAKMEM_FREE_POLICY", "batch", "free_policy", "batch", "FREE_POLICY"),
    ("HAKMEM_FREE_POLICY", "adaptive", "free_policy", "adaptive", "FREE_POLICY"),
    ("HAKMEM_EVO_POLICY", "frozen", "evolution", "frozen", "EVOLUTION"),
    ("HAKMEM_EVO_POLICY", "learn", "evolution", "learn", "EVOLUTION"),
    ("HAKMEM_EVO_POLICY", "canary", "evolution", "canary", "EVOLUTION"),
    ("HAKMEM_BIGCACHE", "0", "bigcache", 0, "BIGCACHE"),
    ("HAKMEM_BIGCACHE", "1", "bigcache", 1, "BIGCACHE"),
    ("HAKMEM_BATCH", "0", "batch", 0, "BATCH"),
    ("HAKMEM_BATCH", "1", "batch", 1, "BATCH"),
    ("HAKMEM_TINY", "0", "thread_bins", 0, "THREAD_BINS"),
    ("HAKMEM_TINY", "1", "thread_bins", 1, "THREAD_BINS"),
]
# Values that exist, beside those above, and say nothing in the policy word.
ACCEPTED = [("HAKMEM_TINY_USE_SUPERSLAB", "0"), ("HAKMEM_TINY_USE_SUPERSLAB", "1"), ("HAKMEM_LOG", "off")]
UNKNOWN = ["HAKMEM_MODE", "HAKMEM_THP", "HAKMEM_FREE_POLICY", "HAKMEM_EVO_POLICY", "HAKMEM_BIGCACHE",
           "HAKMEM_BATCH", "HAKMEM_TINY", "HAKMEM_TINY_USE_SUPERSLAB", "HAKMEM_LOG"]


def run(box, mode=None, **settings):
    """(stderr, slot) of a process with these settings."""
    box.keeper.forget()
    stepper = steps.Stepper(box, mode=mode, **settings)
    steps.exercise(stepper)
    return stepper.end()


def check_override(box, mode, variable, value, field, wanted, pin):
    said, slot = run(box, mode, **{variable: value})
    if said:
        return f"stderr: {said}"
    if slot is None:
        return "no telemetry"
    if slot.policy[field] != wanted:
        return f"{field} is {slot.policy[field]}, not {wanted}"
    pins = {pin} | ({"MODE"} if mode else set())
    if slot.pins != pins:
        return f"pinned {slot.pins}, not {pins}"
    if mode and slot.policy["mode"] != mode:
        return f"mode is {slot.policy['mode']}, not {mode}"
    return slot.ledger()


def check_unknown(box, variable):
    said, slot = run(box, **{variable: "nonsense"})
    lines = said.splitlines()
    if len(lines) != 1 or variable not in lines[0] or "nonsense" not in lines[0]:
        return f"stderr: {said!r} instead of one line that names {variable} and its value"
    if slot is None:
        return "no telemetry"
    if slot.pins or slot.policy["mode"] != "balanced":
        return f"pinned {slot.pins} in {slot.policy['mode']} instead of balanced"
    return None


def check_override_moves_not(box):
    """One field is pinned, the rest follows the daemon."""
    stepper = steps.Stepper(box, HAKMEM_THP="on")
    stepper.do("pairs 1000")
    box.ctl("set-mode", "minimal")
    stepper.do("pairs 1000")
    slot = stepper.end()[1]
    box.ctl("set-mode", "balanced")
    if (slot.policy["mode"], slot.policy["thp"]) != ("minimal", "on"):
        return f"mode {slot.policy['mode']}, thp {slot.policy['thp']} instead of minimal, on"
    return None


def check_log_keeps_errno():
    """What cannot be written, for stderr is closed, leaves no mark in errno."""
    command = ["sh", "-c", 'exec 2>&-; exec "$1"', "sh", hak.tool("api/errno_kept")]
    done = subprocess.run(command, env=hak.preload_env(mode="learning", HAKMEM_LOG="stderr"), check=False)
    return f"status {done.returncode}" if done.returncode else None


def check_secure(tap):
    """A set-user-id program: LD_PRELOAD with a path is ld.so's to refuse, so it is linked with the
    library."""
    name = "AT_SECURE: the environment is ignored"
    if os.getuid() != 0:
        tap.skip(name, "needs root")
        return
    place = tempfile.mkdtemp(prefix="hakmem-secure.")
    try:
        os.chmod(place, 0o755)
        shutil.copy(hak.library(), os.path.join(place, "libhakmem.so.0"))
        program = os.path.join(place, "busy")
        subprocess.run(["gcc", "-O1", "-fno-builtin", "-Wl,--no-as-needed", "-o", program,
                        os.path.join(hak.TOP, "tests", "tools", "busy.c"),
                        os.path.join(place, "libhakmem.so.0"), "-Wl,-rpath," + place], check=True)
        env = hak.plain_env(HAKMEM_MODE="nonsense", HAKMEM_THP="nonsense")

        def said():
            done = subprocess.run([program, "steps"], input="pairs 100\nquit\n", env=env, capture_output=True,
                                  text=True, timeout=sandbox.PATIENCE_SECONDS, check=True)
            return done.stderr

        open_said = said()
        os.chown(program, 65534, 65534)
        os.chmod(program, 0o4755)
        if os.statvfs(place).f_flag & os.ST_NOSUID:
            tap.skip(name, "the temporary directory is mounted nosuid")
            return
        secure_said = said()
        wrong = None
        if len(open_said.splitlines()) != 2:
            wrong = f"not even the plain program warned of both values: {open_said!r}"
        elif secure_said:
            wrong = f"stderr under AT_SECURE: {secure_said!r}"
        tap.result(wrong, name)
    finally:
        shutil.rmtree(place)


def main():
    tap = hak.Tap()
    with sandbox.Sandbox() as box:
        for mode in [None, *hak.MODES]:
            for override in OVERRIDES:
                tap.result(check_override(box, mode, *override),
                           f"{override[0]}={override[1]}" + (f" with HAKMEM_MODE={mode}" if mode else ""))
        for variable, value in ACCEPTED:
            tap.result(run(box, **{variable: value})[0], f"{variable}={value} is accepted silently")
        for variable in UNKNOWN:
            tap.result(check_unknown(box, variable), f"{variable}=nonsense: one warning, default kept")
        tap.result(check_override_moves_not(box), "an override stays while the mode moves")
    tap.result(check_log_keeps_errno(), "HAKMEM_LOG=stderr, closed: free keeps errno")
    check_secure(tap)
    return tap.end()


if __name__ == "__main__":
    sys.exit(main())
