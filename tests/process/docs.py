#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""The documentation tells all there is, and nothing that is not: verbs, options, members, keys, functions."""
import glob
import json
import os
import re
import subprocess
import sys
import tempfile

import hak
import sandbox

MAN = os.path.join(hak.TOP, "docs", "man")


def run(*command, **options):
    return subprocess.run(command, capture_output=True, text=True, check=False,
                          timeout=sandbox.PATIENCE_SECONDS, **options)


def read(*path):
    with open(os.path.join(hak.TOP, *path), encoding="utf-8") as source:
        return source.read()


def plain(page):
    """A manual page without its fonts and hyphens."""
    text = read("docs", "man", page)
    return re.sub(r"\\f[A-Z]", "", text).replace("\\-", "-").replace('"', "")


def check_lint(tap):
    for path in sorted(glob.glob(MAN + "/*")):
        name = os.path.basename(path)
        said = run("mandoc", "-Tlint", "-W", "warning", path).stdout
        said += run("groff", "-ww", "-man", "-Tutf8", "-z", path).stderr if has("groff") else ""
        tap.result(said, f"{name}: mandoc and groff have no complaint")
        wide = [line for line in run("mandoc", "-Tascii", "-O", "width=80", path).stdout.splitlines()
                if len(re.sub(".\b", "", line)) > 84]
        tap.result("\n".join(wide), f"{name}: fits 80 columns")


def has(program):
    return run("sh", "-c", f"command -v {program}").returncode == 0


def check_verbs(tap, listing):
    page, bash, zsh = plain("hakctl.1"), read("completion", "hakctl.bash"), read("completion", "_hakctl")
    for verb in listing["verbs"]:
        name = verb["verb"]
        head = re.search(rf"^\.(B|BR|BI) {name}( |$)", page, re.M)
        tap.result(None if head else "no paragraph", f"hakctl(1) has {name}")
        tap.result(None if re.search(rf"[\s']{name}[\s']", bash) else "missing", f"bash completes {name}")
        tap.result(None if f"'{name}:" in zsh else "missing", f"zsh completes {name}")
    for option in listing["options"]:
        name = "--" + option["option"]
        told = re.search(rf"^\.(B|BR|BI) {name}\b", page, re.M)
        places = {"hakctl(1)": told, "bash": name in bash, "zsh": name in zsh}
        missing = [place for place, there in places.items() if not there]
        tap.result(missing, f"{name} is in hakctl(1) and the completions")


def complete_bash(words, current):
    """What bash offers after `words`."""
    script = (f". {hak.TOP}/completion/hakctl.bash; COMP_WORDS=({' '.join(words)} {current or chr(39) * 2}); "
              f"COMP_CWORD={len(words)}; compopt() {{ :; }}; _hakctl; printf '%s\\n' \"${{COMPREPLY[@]}}\"")
    env = hak.plain_env()
    env["PATH"] = os.path.dirname(hak.build("hakctl")) + ":" + env["PATH"]
    return run("bash", "-c", script, env=env).stdout.split()


def check_completion(tap, listing):
    for verb in listing["verbs"]:
        wanted = {"--" + name for name in verb["options"]} | {"--bus", "--runtime-dir", "--no-pager"}
        offered = {word.rstrip("=") for word in complete_bash(["hakctl", verb["verb"]], "--")}
        if verb["verb"] in ("run", "launch", "hold"):
            offered |= {word.rstrip("=") for word in complete_bash(["hakctl", verb["verb"]], "-")}
        tap.result(sorted(wanted - offered) + sorted(offered - wanted - {"--help", "--version"}),
                   f"bash completes the options of {verb['verb']}, and no others")
    cases = [(["hakctl"], "set", ["set-mode"]), (["hakctl", "set-mode"], "", hak.MODES + ["default"]),
             (["hakctl", "hold"], "r", ["research"]), (["hakctl", "monitor"], "p", ["process"]),
             (["hakctl", "help"], "ver", ["verify", "version"]),
             (["hakctl", "--json", "="], "pre", ["pretty"]),
             (["hakctl", "metrics", "--format", "="], "", ["openmetrics", "prometheus"]),
             (["hakctl", "--bus", "=", "system", "set-mode"], "f", ["fast"])]
    for words, current, wanted in cases:
        offered = complete_bash(words, current)
        tap.result(None if sorted(offered) == sorted(wanted) else offered,
                   f"bash completes '{' '.join(words)} {current}'")
    syntax = run("zsh", "-n", os.path.join(hak.TOP, "completion", "_hakctl"))
    tap.result(syntax.stderr, "zsh can read its completion")


def check_zsh(tap):
    """zsh in a terminal of its own: types words and the tab key."""
    with tempfile.TemporaryDirectory(prefix="hakmem-zsh.") as place:
        def tmux(*words):
            return run("tmux", "-S", place + "/tmux", *words, env=hak.plain_env(TERM="xterm", LANG="C.UTF-8"))

        tmux("-f", "/dev/null", "new-session", "-d", "-x", "120", "-y", "30", "zsh -f")
        tmux("send-keys", f"fpath=({hak.TOP}/completion $fpath)", "Enter")
        tmux("send-keys", "autoload -U compinit; compinit -u -D; clear", "Enter")
        try:
            for typed, wanted in (("hakctl set-mode ", hak.MODES), ("hakctl mon", ["monitor"]),
                                  ("hakctl metrics --format=", ["openmetrics", "prometheus"])):
                tmux("send-keys", "C-u", "C-l", typed, "Tab", "Tab")
                seen = sandbox.wait_until(
                    lambda words=wanted: all(word in tmux("capture-pane", "-p").stdout for word in words))
                tap.result(None if seen else tmux("capture-pane", "-p").stdout, f"zsh completes '{typed}'")
        finally:
            tmux("kill-server")


def tracked_files():
    return set(run("git", "-C", hak.TOP, "ls-files").stdout.split())


def check_names(tap):
    """Files that the documents name in code's letters are there, and so is a test named after its file."""
    files = tracked_files()
    if not files:
        tap.skip("documents name what is there", "not a checkout of git")
        return
    known = files | {os.path.basename(path) for path in files}
    for document in sorted(path for path in files if path.endswith(".md")):
        missing = []
        for quoted in re.findall(r"`([^`\n]+)`", read(document)):
            path, _, rest = quoted.partition(" ")
            is_ours = path in files
            if re.fullmatch(r"(bench|docs|tests)/[\w./-]+", path) and not is_ours:
                folder = path.rstrip("/") + "/"
                if path + ".c" not in files and not any(name.startswith(folder) for name in files):
                    missing.append(path)
            elif re.fullmatch(r"[\w-]+\.(c|h|py|sh)", path) and path not in known:
                missing.append(path)
            if is_ours and re.fullmatch(r"[a-z]+(_[a-z0-9]+){2,}", rest) and rest not in read(path):
                missing.append(quoted)
        tap.result(sorted(missing), f"{document} names what is there")


def check_links(tap):
    """Links lead to a file, and to a heading of it."""
    for document in sorted(path for path in tracked_files() if path.endswith(".md")):
        folder, broken = os.path.dirname(document), []
        for link in re.findall(r"\]\(([^)#:\s]*(?:#[^)\s]*)?)\)", read(document)):
            path, _, anchor = link.partition("#")
            target = os.path.normpath(os.path.join(folder, path)) if path else document
            if not os.path.exists(os.path.join(hak.TOP, target)):
                broken.append(link)
            elif anchor:
                heads = re.findall(r"^#+ (.*)$", read(target), re.M)
                slugs = {re.sub(r"[^\w -]", "", head.lower()).replace(" ", "-") for head in heads}
                broken += [link] if anchor not in slugs else []
        tap.result(broken, f"{document}: its links lead somewhere")


def check_rest(tap):
    page = plain("org.hakmem1.5")
    source = read("hakmemd", "bus.c")
    for member in re.findall(r'SD_BUS_(?:METHOD_WITH_ARGS|PROPERTY|SIGNAL_WITH_ARGS)\("(\w+)"', source):
        tap.result(None if re.search(rf"\b{member}\b", page) else "missing", f"org.hakmem1(5) has {member}")
    sources = [name for name in os.listdir(os.path.join(hak.TOP, "hakmemd")) if name.endswith(".c")]
    errors = set(re.findall(r'HAK_BUS_ERROR\("(\w+)"\)', "".join(read("hakmemd", name) for name in sources)))
    tap.result([name for name in sorted(errors) if not re.search(rf"\b{name}\b", page)],
               "org.hakmem1(5) has every error")
    page = plain("hakmemd.conf.5")
    parser = read("hakmemd", "conf_parse.c")
    keys = set(re.findall(r'\{"(?:daemon|purge|learning|rule)", "([\w-]+)"[,}]', parser)) - {"purge"}
    tap.result([key for key in keys if f"{key} = " not in page] or (None if len(keys) > 5 else keys),
               f"hakmemd.conf(5) has {', '.join(sorted(keys))}")
    page = plain("hakmem.7")
    names = set(re.findall(r'"(HAKMEM_\w+)"', read("libhakmem", "config.c")))
    tap.result([name for name in sorted(names) if name not in page], f"hakmem(7) has {len(names)} variables")
    page = plain("libhakmem.3")
    names = set(re.findall(r"\b(hak_\w+)\(", read("libhakmem", "hakmem.h")))
    tap.result([name for name in sorted(names) if name not in page],
               f"libhakmem(3) has {len(names)} functions")
    page = plain("hakmemd.8")
    options = re.findall(r"^ +(?:-h, )?(--[\w-]+)", run(hak.build("hakmemd"), "--help").stdout, re.M)
    tap.result([name for name in options if name not in page], f"hakmemd(8) has {len(options)} options")


def check_dashboard(tap):
    names = [os.path.basename(path) for path in glob.glob(os.path.join(hak.TOP, "hakctl", "metrics*.c"))]
    sources = "".join(read("hakctl", name) for name in names)
    metrics = set(re.findall(r'"(hakmem_\w+)"', sources))
    known = metrics | {name + "_total" for name in metrics}
    for name in ("grafana-dashboard.json", "alerts.yml"):
        used = set(re.findall(r"\bhakmem_\w+", read("docs", name)))
        tap.result(sorted(used - known) or (None if used else "none"), f"docs/{name}: its metrics exist")
    with open(os.path.join(hak.TOP, "docs", "grafana-dashboard.json"), encoding="utf-8") as source:
        panels = json.load(source)["panels"]
    tap.result(None if len(panels) > 5 else panels, "the dashboard has panels")
    answer = run("promtool", "check", "rules", os.path.join(hak.TOP, "docs", "alerts.yml"))
    tap.result(None if answer.returncode == 0 else answer.stdout + answer.stderr,
               "promtool has no complaint about the alerts")
    answer = run("promtool", "test", "rules", os.path.join(hak.TOP, "tests", "alerts_test.yml"))
    tap.result(None if answer.returncode == 0 else answer.stdout + answer.stderr,
               "the alerts fire when they should")


def main():
    tap = hak.Tap()
    listing = json.loads(run(hak.build("hakctl"), "help", "--json").stdout)
    check_lint(tap)
    check_verbs(tap, listing)
    check_completion(tap, listing)
    check_zsh(tap)
    check_rest(tap)
    check_names(tap)
    check_links(tap)
    check_dashboard(tap)
    return tap.end()


if __name__ == "__main__":
    sys.exit(main())
