#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""The gdb script on a real core: a program that aborted under hakmem, with blocks in every state."""
import os
import re
import resource
import subprocess
import sys
import tempfile

import hak

SCRIPT = os.path.join(hak.TOP, "libhakmem/gdb/hakmem.py")
# variable: what hak block has to say of it
BLOCKS = {
    "live": r"block 0x\w+ of 3072 bytes \(slab 0x\w+, block \d+ of \d+\): in the program's hands",
    "middle": r"block 0x\w+ of 3072 bytes, at its byte 1234 \(.*\): in the program's hands",
    "home": r"block 0x\w+ of 3072 bytes .*: free, on its slab",
    "waiting": r"block 0x\w+ of 112 bytes .*: free, in the bin of thread structure 0",
    "gone": r"block 0x\w+ of 112 bytes .*: free, in the bin of thread structure 0",
    "run": r"large block 0x\w+ of 327680 bytes, at its byte 0: in the program's hands",
    "(char *)run + 70000": r"large block 0x\w+ of 327680 bytes, at its byte 70000: in the program's hands",
    "mapping": r"large block 0x\w+ of 500\d{4} bytes, at its byte 0, in a mapping of its own: in the",
    "(char *)mapping + 4000000": r"large block 0x\w+ of .* at its byte 4000000, in a mapping of its own",
    "foreign": "not hakmem's: outside its window",
    "0": "not hakmem's: outside its window",
}


def dump(place):
    """A core of the aborted program; by the kernel where it writes one here, else by gdb."""
    program = hak.tool("tools/gdb_subject")
    core = os.path.join(place, "core")
    with open("/proc/sys/kernel/core_pattern", encoding="ascii") as pattern:
        kernel = pattern.read().strip() == "core"
    with open("/proc/sys/kernel/core_uses_pid", encoding="ascii") as flag:
        kernel = kernel and flag.read().strip() == "0"
    if kernel:
        subprocess.run([program], env=hak.preload_env(), cwd=place, check=False, stderr=subprocess.DEVNULL,
                       preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_CORE, (-1, -1)))
    if not os.path.exists(core):
        subprocess.run(["gdb", "-nx", "-batch", "-ex", f"set environment LD_PRELOAD {hak.library()}",
                        "-ex", "set environment HAKMEM_RUNTIME_DIR /nonexistent", "-ex", "run",
                        "-ex", f"generate-core-file {core}", program], check=True, env=hak.plain_env(),
                       capture_output=True)
    return program, core


def gdb(program, core, *commands):
    words = [word for command in commands for word in ("-ex", command)]
    return subprocess.run(["gdb", "-nx", "-batch", "-ex", "set debuginfod enabled off", "-x", SCRIPT,
                           program, core, *words], capture_output=True, text=True, check=False,
                          env=hak.plain_env())


def main():
    tap = hak.Tap()
    with tempfile.TemporaryDirectory() as place:
        program, core = dump(place)
        answer = gdb(program, core, *(f"hak block {what}" for what in BLOCKS), "hak heap")
        lines = [line for line in answer.stdout.splitlines() if re.match("0x[0-9a-f]+: ", line)]
        tap.result(None if len(lines) == len(BLOCKS) else answer.stdout + answer.stderr,
                   "every address has an answer")
        for (what, wanted), line in zip(BLOCKS.items(), lines):
            tap.result(None if re.search(wanted, line) else line, f"hak block {what}")
        row = re.search(r"^ +3072 +(\d+) +(\d+) +(\d+) +(\d+)$", answer.stdout, re.M)
        tap.result(None if row and row.group(2) == "1" and row.group(4) == "3072" else answer.stdout,
                   "hak heap counts the one block of 3,000 bytes that lives")
        tap.result(None if re.search(r"1 mappings, 500\d{4} bytes", answer.stdout) else answer.stdout,
                   "and the large ones")
        answer = gdb("/bin/true", "", "hak heap")
        tap.result(None if "no libhakmem" in answer.stderr else repr(answer),
                   "without the library it says so")
    return tap.end()


if __name__ == "__main__":
    sys.exit(main())
