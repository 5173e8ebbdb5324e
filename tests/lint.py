#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Checks what the compiler does not: style of the files, direction of includes and calls, scripts, analysis.

Prints FILE:LINE: what is wrong, then one closing line; ends 1 if anything was found.
"""
import glob
import os
import re
import subprocess
import sys

MAX_LINES = 500
MAX_COLUMNS = 110
CODE = (".c", ".h", ".cc", ".py", ".sh", ".mk", ".map", ".in", ".txt")
C_FAMILY = (".c", ".h", ".cc")
# Headers that would tie the preloaded library, or the protocol, to more than libc.
NOT_IN_LIBRARY = re.compile(r"(systemd/|cjson/|ini\.h|check\.h|math\.h|fenv\.h|complex\.h|tgmath\.h)")

problems = []


def complain(path, line, text):
    problems.append(f"{path}:{line}: {text}")


def tracked_files():
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard"]
    listing = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    return sorted(path for path in listing.splitlines() if os.path.isfile(path) and not os.path.islink(path))


def without_comments(text):
    """The text with comments, strings and character constants blanked; line breaks stay."""
    pattern = re.compile(r'//[^\n]*|/\*.*?\*/|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\'', re.DOTALL)
    return pattern.sub(lambda found: re.sub(r"[^\n]", " ", found.group()), text)


def is_script(path, text):
    return path.endswith(".sh") or text.startswith("#!")


def check_lines(path, text, local_paths):
    lines = text.split("\n")
    if not text.endswith("\n"):
        complain(path, len(lines), "no newline at the end")
    code = path.endswith(CODE) or path == "Makefile" or is_script(path, text)
    if code and len(lines) - 1 > MAX_LINES:
        complain(path, len(lines) - 1, f"longer than {MAX_LINES} lines")
    if code and not any("SPDX-License-Identifier: MIT" in line for line in lines[:3]):
        complain(path, 1, "no SPDX-License-Identifier: MIT in the first three lines")
    for number, line in enumerate(lines, 1):
        for local in local_paths:
            if local in line:
                complain(path, number, f"names a directory of this machine ({local})")
        if line.endswith((" ", "\t", "\r")) and not path.endswith(".md"):
            complain(path, number, "space at the end of the line")
        if code and path != "Makefile" and len(line.expandtabs(8)) > MAX_COLUMNS:
            complain(path, number, f"longer than {MAX_COLUMNS} columns")
        if path.endswith(C_FAMILY) and re.match(r" {8}|\t* +\t", line):
            complain(path, number, "indented with spaces")
        if path.endswith(".py") and "\t" in line:
            complain(path, number, "tab in Python")


def check_conditionals(path, text):
    """No #if within braces: the build picks the file, or an inline no-op hides the difference."""
    depth = 0
    for number, line in enumerate(without_comments(text).split("\n"), 1):
        if re.match(r"\s*#", line):
            if depth > 0 and re.match(r"\s*#\s*if", line):
                complain(path, number, "#if inside a function")
            continue
        depth += line.count("{") - line.count("}")


def read_layers(path="tests/layers.txt"):
    folders, levels = {}, {}
    with open(path, encoding="utf-8") as table:
        for number, line in enumerate(table, 1):
            words = line.split("#")[0].split()
            if not words:
                continue
            if words[0] == "folder":
                folders[words[1]] = set(words[2:])
            elif len(words) == 2 and words[1].isdigit():
                levels[words[0]] = int(words[1])
            else:
                complain(path, number, "is neither `folder NAME OTHER...` nor `PREFIX LEVEL`")
    return folders, levels


def level_of(path, levels):
    fitting = [prefix for prefix in levels if path.startswith(prefix)]
    return levels[max(fitting, key=len)] if fitting else None


def check_includes(path, text, known, folders, levels):
    folder = path.split("/")[0]
    if folder not in folders:
        return
    level = level_of(path, levels)
    if folder == "libhakmem" and level is None:
        complain(path, 1, "has no level in tests/layers.txt")
    for number, line in enumerate(text.split("\n"), 1):
        found = re.match(r'\s*#\s*include\s*([<"])([^>"]+)[>"]', line)
        if not found:
            continue
        name = found.group(2)
        if folder in ("libhakmem", "shm-protocol") and NOT_IN_LIBRARY.match(name):
            complain(path, number, f"{name} is not for {folder}: it may use libc only")
        if name.endswith(".c"):
            complain(path, number, f"includes a C file, {name}")
        if found.group(1) == "<":
            continue
        places = [f"{place}/{name}" for place in [folder, *sorted(folders)] if f"{place}/{name}" in known]
        if not places:
            complain(path, number, f"{name} is in no folder that {folder} could include from")
            continue
        target = places[0]
        target_folder = target.split("/")[0]
        if target_folder != folder:
            if target_folder not in folders[folder]:
                complain(path, number, f"{folder} may not include from {target_folder} ({name})")
            continue
        target_level = level_of(target, levels)
        if level is not None and target_level is not None and target_level > level:
            complain(path, number, f"includes {name} of level {target_level}, being of level {level}")


def check_circles(texts, folders):
    """C files of a folder do not call each other in a circle: each can be read before those that call it."""
    homes, calls = {}, {}
    for path, text in texts.items():
        for name in re.findall(r"^(?!static)\w[^;{}()=]*?\b(hak_\w+)\([^;{}]*\)\s*\{", text, re.MULTILINE):
            homes[path.split("/")[0], name] = path
    for path, text in texts.items():
        folder = path.split("/")[0]
        if folder in folders:
            calls[path] = {homes.get((folder, name)) for name in re.findall(r"hak_\w+", text)} - {None, path}
    ends = calls
    while ends:  # who calls nobody, or is called by nobody, is in no circle
        called = set().union(*calls.values())
        ends = {path for path in calls if not calls[path] or path not in called}
        calls = {path: calls[path] - ends for path in calls if path not in ends}
    for path, others in calls.items():
        complain(path, 1, f"calls in a circle, by way of {', '.join(sorted(others))}")


def run_tool(name, command):
    """A tool that prints FILE:LINE: lines and ends non-zero when it found something."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        problems.append(f"{name}: not installed")
        return
    if done.returncode:
        lines = (done.stdout + done.stderr).strip().splitlines()
        problems.extend(lines or [f"{name}: ended with {done.returncode} and said nothing"])


def advise_format(paths):
    """clang-format is advice only: it breaks tables that read better by hand."""
    try:
        differ = [path for path in paths
                  if subprocess.run(["clang-format", "--dry-run", "-Werror", path], capture_output=True,
                                    check=False).returncode]
    except FileNotFoundError:
        return
    if differ:
        print(f"advice: clang-format would change {len(differ)} of {len(paths)} C files")


def main():
    os.chdir(os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
    files = tracked_files()
    top = os.getcwd()
    # The checkout and the directory around it, unless that is one that every machine has.
    local_paths = [top + "/"]
    around = os.path.dirname(top)
    if around not in ("/", "/home", "/root", "/tmp", "/usr/src", "/src", "/opt", "/srv", "/mnt"):
        local_paths.append(around + "/")
    folders, levels = read_layers()
    known = set(files)
    scripts, c_texts = [], {}
    for path in files:
        with open(path, "rb") as source:
            raw = source.read()
        if b"\0" in raw:
            continue
        text = raw.decode("utf-8", errors="replace")
        check_lines(path, text, local_paths)
        if path.endswith(".c"):
            check_conditionals(path, text)
            c_texts[path] = without_comments(text)
        if path.endswith(C_FAMILY):
            check_includes(path, text, known, folders, levels)
        if path.endswith(".sh") or re.match(r"#!.*\b(sh|bash)\b", text):
            scripts.append(path)

    check_circles(c_texts, folders)
    sources = [path for path in files if path.endswith(".c")]
    product = [path for path in sources if path.split("/")[0] in folders]
    if scripts:
        run_tool("shellcheck", ["shellcheck", "-x", "-S", "warning", "-f", "gcc", *scripts])
    if product:
        run_tool("cppcheck", ["cppcheck", "-q", "--enable=warning,portability", "--inline-suppr", "-j2",
                              "--std=c11", "--error-exitcode=1", "--template=gcc",
                              "--suppress=unknownMacro",
                              "-D__GNUC__=12", "-D__x86_64__=1", "-D_GNU_SOURCE=1",
                              "-DHAK_VERSION=\"0\"", "-I/usr/include/cjson",
                              *[f"--include={header}"
                                for header in glob.glob("/usr/include/*-linux-*/sys/queue.h")],
                              *[f"-I{folder}" for folder in folders], *product])
    advise_format([path for path in files if path.endswith((".c", ".h"))])
    for problem in problems:
        print(problem)
    print(f"lint: {len(files)} files, {len(problems)} problems")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
