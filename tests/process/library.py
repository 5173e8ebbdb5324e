#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""The library as a file: what it exports, needs and contains; that it can be linked, shared and static."""
import os
import re
import subprocess
import sys
import tempfile

import hak

STANDARD = set("""malloc free calloc realloc reallocarray memalign posix_memalign aligned_alloc valloc pvalloc
cfree malloc_usable_size malloc_trim mallinfo mallinfo2 mallopt malloc_stats malloc_info free_sized
free_aligned_sized __libc_malloc __libc_free __libc_calloc __libc_realloc __libc_memalign __libc_valloc
__libc_pvalloc dlopen _exit _Exit __register_atfork""".split())
# new and delete, scalar and array; plain, nothrow, aligned, both; delete also sized, and sized and aligned.
OPERATORS = {base + suffix for base in ("_Znwm", "_Znam")
             for suffix in ("", "RKSt9nothrow_t", "St11align_val_t", "St11align_val_tRKSt9nothrow_t")}
OPERATORS |= {base + suffix for base in ("_ZdlPv", "_ZdaPv")
              for suffix in ("", "RKSt9nothrow_t", "St11align_val_t", "St11align_val_tRKSt9nothrow_t", "m",
                             "mSt11align_val_t")}
# As objdump prints an instruction: tab, mnemonic, space.
FLOATING_POINT = re.compile(r"\t((?:add|sub|mul|div|sqrt)s[sd]|v?cvt\w*s[sd]\w*|v?u?comis[sd]"
                            r"|f(?:ld|st|add|mul|div)\w*)\s")


def output(*command):
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def check_symbols(tap):
    lines = output("nm", "-D", "--defined-only", hak.library()).splitlines()
    symbols = {line.split()[-1].split("@")[0] for line in lines}
    missing = (STANDARD | OPERATORS) - symbols
    tap.result(missing and f"missing: {sorted(missing)}", "the whole interface is exported")
    strange = {name for name in symbols - STANDARD - OPERATORS if not name.startswith("hak_")}
    tap.result(strange and f"strange: {sorted(strange)}", "nothing else is, but hak_*")
    twins = {"hak_" + name for name in ("malloc", "free", "calloc", "realloc")} - symbols
    tap.result(twins and f"missing: {sorted(twins)}", "the hak_ twins are exported")


def check_contents(tap):
    dynamic = output("readelf", "-d", hak.library())
    needed = re.findall(r"NEEDED.*\[(.*)\]", dynamic)
    strange = [name for name in needed if not re.match(r"(libc\.so|ld-linux)", name)]
    tap.result(strange and f"needs {strange}", "needs libc alone")
    tap.result(None if "BIND_NOW" in dynamic or "NOW" in dynamic else dynamic, "is bound at load")
    tap.result(None if "TEXTREL" not in dynamic else "has text relocations", "has no text relocations")
    code = output("objdump", "-d", "--no-show-raw-insn", hak.library())
    found = sorted({match.group(1) for match in FLOATING_POINT.finditer(code)})
    tap.result(found and f"contains {found}", "contains no floating point")
    # PT_TLS: glibc keeps little room for libraries that are opened late.
    header = [line.split() for line in output("readelf", "-lW", hak.library()).splitlines()
              if line.strip().startswith("TLS")]
    bytes_used = int(header[0][5], 16) if header else 0
    tap.result(None if bytes_used <= 256 else f"{bytes_used} bytes", "needs at most 256 bytes of static TLS")


PROGRAM = """#include "libhakmem/hakmem.h"
#include <stdio.h>
#include <stdlib.h>
int main(void)
{
    void *twin = hak_malloc(100);
    void *plain = malloc(100);
    if (twin == NULL || plain == NULL)
        return 1;
    hak_free(plain);
    free(twin);
    puts("fine");
    return 0;
}
"""


def check_linking(tap):
    with tempfile.TemporaryDirectory(prefix="hakmem-link.") as place:
        source = os.path.join(place, "program.c")
        with open(source, "w", encoding="ascii") as out:
            out.write(PROGRAM)
        os.symlink(hak.library(), os.path.join(place, "libhakmem.so.0"))
        kinds = {
            "shared": [os.path.join(place, "libhakmem.so.0"), "-Wl,-rpath," + place],
            "static library": [hak.build("libhakmem.a")],
            "wholly static": ["-static", hak.build("libhakmem.a")],
        }
        for kind, words in kinds.items():
            program = os.path.join(place, "program")
            built = subprocess.run(["gcc", "-Wall", "-Werror", "-I", hak.TOP, "-o", program, source,
                                    *words], capture_output=True, text=True, check=False)
            if built.returncode:
                tap.result(built.stderr, f"a program links, {kind}")
                continue
            done = subprocess.run([program], env=hak.plain_env(), capture_output=True, text=True,
                                  timeout=120 * hak.SLOWNESS, check=False)
            tap.result(None if (done.stdout, done.stderr, done.returncode) == ("fine\n", "",
                                                                               0) else repr(done),
                       f"a program links and runs, {kind}")


def main():
    tap = hak.Tap()
    check_symbols(tap)
    check_contents(tap)
    check_linking(tap)
    return tap.end()


if __name__ == "__main__":
    sys.exit(main())
