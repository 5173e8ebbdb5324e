#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""hakctl's words, exit codes and documents."""

import json
import os
import re
import shutil
import signal
import subprocess

import jsonschema

from hak import listens
from hakbus import MODES, build, run_tests, wait_for, wait_until_equal

SCHEMA = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../docs/schema/stats.json")


def wrong_words_give_the_nearest_right_one(world):
    for words, hint in [
        (["stauts"], "'status'"),
        (["setmode", "fast"], "'set-mode'"),
        (["set-mode", "fsat"], "'fast'"),
        (["set-mode", "Balanced1"], "'balanced'"),
        (["hold", "reserch"], "'research'"),
        (["--jsno", "status"], "'--json'"),
        (["status", "--json=prety"], "'--json=pretty'"),
        (["help", "verfy"], "'verify'"),
    ]:
        result = world.hakctl(*words)
        assert result.returncode == 2 and "did you mean " + hint in result.stderr, (words, result)
        assert result.stderr.count("\n") == 1 and not result.stdout, (words, result)


def wrong_use_says_what_would_be_right(world):
    for words, part in [
        ([], "a verb is missing"),
        (["xyzzyx"], "hakctl help"),
        (["set-mode"], "MODE"),
        (["set-mode", "turbo"], "minimal, fast"),
        (["get-mode", "x"], "hakctl get-mode"),
        (["stats", "abc"], "no process id"),
        (["get-mode", "--wait"], "takes no --wait"),
        (["set-mode", "fast", "--wait=soon"], "seconds"),
        (["run"], "COMMAND"),
        (["enable", ""], "write its name"),
        (["disable", ""], "write its name"),
        (["--runtime-dir=x", "status"], "absolute"),
        (["--bus"], "needs a value"),
        (["metrics", "--output="], "write a file's name"),
    ]:
        result = world.hakctl(*words)
        assert result.returncode == 2 and part in result.stderr, (words, result)
        assert result.stderr.count("\n") == 1, result.stderr


def h_is_short_for_help(world):
    for words in ([], ["stats"], ["set-mode", "fast"]):
        short, long = world.hakctl(*words, "-h"), world.hakctl(*words, "--help")
        assert short.returncode == 0 and "hakctl" in short.stdout, (words, short)
        assert short.stdout == long.stdout, (words, short, long)


def a_word_that_names_nobody_changes_nothing(world):
    """As one that a script's variable was to be, or a number that no process can have."""
    world.start_daemon()
    world.client("busy")
    world.wait_processes(1)
    for words in (
        ["set-mode", "fast", ""],
        ["set-mode", "fast", "99999999999999999999"],
        ["set-mode", "fast", "0"],
        ["purge", ""],
        ["purge", "99999999999999999999"],
        ["thaw", ""],
        ["freeze", ""],
        ["rollback", ""],
        ["ratings", ""],
    ):
        result = world.hakctl(*words)
        assert result.returncode == 1 and result.stderr.count("\n") == 1, (words, result)
        assert "is no target" in result.stderr or "no context is called" in result.stderr, (words, result)
    for unit in "a b.service", "\u00e9.service", "a/b.service":
        result = world.hakctl("set-mode", "fast", unit)
        assert result.returncode == 1 and "can be no unit's name" in result.stderr, result
    result = world.hakctl("set-mode", "fast", b"\xff.service")
    assert result.returncode == 2 and "not UTF-8" in result.stderr, result
    assert "for some" not in world.hakctl("status").stdout


def hung_daemon_is_told_from_an_absent_one(world):
    world.start_daemon()
    world.daemon.send_signal(signal.SIGSTOP)
    result = world.hakctl("get-mode", env={**os.environ, "SYSTEMD_BUS_TIMEOUT": "1s"})
    world.daemon.send_signal(signal.SIGCONT)
    assert result.returncode == 1 and "did not answer in time, and may do" in result.stderr, result


def absent_daemon_gives_one_line_and_3(world):
    for words in (
        ["status"],
        ["get-mode"],
        ["stats"],
        ["verify"],
        ["set-mode", "fast"],
        ["panic"],
        ["hold", "fast", "true"],
    ):
        result = world.hakctl(*words)
        assert result.returncode == 3, (words, result)
        assert "not running" in result.stderr and "start it with 'hakmemd " in result.stderr, result.stderr
        assert result.stderr.count("\n") == 1 and not result.stdout, result
    result = subprocess.run(
        [build("hakctl"), "--bus=unix:path=/nonexistent/bus", "status"], capture_output=True, text=True
    )
    assert result.returncode == 3 and "cannot reach bus" in result.stderr, result
    result = subprocess.run([build("hakctl"), "--bus=nonsense", "status"], capture_output=True, text=True)
    assert result.returncode == 2 and "neither system" in result.stderr, result


def reading_does_not_activate(world):
    """A service file that would start something: reading verbs leave it alone, changing ones may use it."""
    services = world.directory + "/services"
    os.mkdir(services)
    with open(services + "/org.hakmem1.service", "w") as file:
        file.write("[D-BUS Service]\nName=org.hakmem1\nExec=/usr/bin/touch %s/activated\n" % world.directory)
    world.bus.terminate()
    world.bus.wait()
    if os.path.exists(world.directory + "/bus"):
        os.unlink(world.directory + "/bus")
    with open(world.directory + "/bus.conf") as file:
        text = file.read()
    with open(world.directory + "/bus.conf", "w") as file:
        file.write(text.replace("</type>", "</type><servicedir>%s</servicedir>" % services))
    world.spawn(
        ["dbus-daemon", "--config-file=" + world.directory + "/bus.conf", "--nofork"],
        stderr=subprocess.DEVNULL,
    )
    wait_for(lambda: listens(world.directory + "/bus"), "the bus is back")
    for words in (["status"], ["get-mode"], ["stats"], ["verify"]):
        assert world.hakctl(*words).returncode == 3
    assert not os.path.exists(world.directory + "/activated")
    world.hakctl("set-mode", "fast")
    wait_for(lambda: os.path.exists(world.directory + "/activated"), "a changing verb activates")


def modes_are_listed_and_printed_alone(world):
    result = world.hakctl("list-modes")
    assert result.returncode == 0 and [line.split()[0] for line in result.stdout.splitlines()[1:]] == MODES
    assert [row["mode"] for row in json.loads(world.hakctl("list-modes", "--json").stdout)["modes"]] == MODES
    world.start_daemon()
    for mode in MODES:
        result = world.hakctl("set-mode", mode)
        assert result.returncode == 0 and result.stdout == "" and result.stderr == "", result
        assert world.hakctl("get-mode").stdout == mode + "\n"
    assert json.loads(world.hakctl("get-mode", "--json").stdout) == {
        "schema": 1,
        "mode": "research",
        "source": "runtime",
    }
    # A wrong mode is refused by the daemon as well: hakctl of another version may not know better.
    assert world.hakctl("set-mode", "default").returncode == 0
    assert world.hakctl("get-mode").stdout == "balanced\n"


def stats_fit_their_schema(world):
    with open(SCHEMA) as file:
        schema = json.load(file)
    jsonschema.Draft202012Validator.check_schema(schema)
    validate = jsonschema.Draft202012Validator(schema).validate
    world.start_daemon()
    validate(world.stats())
    world.client("family")
    world.client("swarm", 3, 1, 1, 1, 1).stdout.readline()
    world.wait_processes(11)
    document = world.stats()
    validate(document)
    assert document["schema"] == 1 and len(document["processes"]) == 11
    fatal = world.client("fatal")
    wait_for(
        lambda: [p for p in world.stats()["processes"] if p["fatal"]]
        or world.stats()["daemon"]["last_fatal"],
        "last words",
    )
    validate(world.stats())
    fatal.wait()
    if os.geteuid() == 0:
        validate(json.loads(world.hakctl("stats", "--json", user=65534, group=65534, extra_groups=[]).stdout))
    short, pretty = (
        world.hakctl("stats", "--json=short").stdout,
        world.hakctl("stats", "--json=pretty").stdout,
    )
    assert short.count("\n") == 1 and pretty.count("\n") > 500
    assert json.loads(pretty)["processes"][0].keys() == json.loads(short)["processes"][0].keys()
    # The schema is not so wide that everything fits.
    document["daemon"]["mode"] = "turbo"
    try:
        validate(document)
    except jsonschema.ValidationError:
        return
    raise AssertionError("a wrong document is valid")


def stats_in_brief_leave_out_figures_alone(world):
    world.start_daemon()
    world.client("busy")
    world.wait_processes(1)
    (whole,) = world.document("DumpStats", "a{sv}", 0)["processes"]
    document = world.document("DumpStats", "a{sv}", 1, "brief", "b", 1)
    (brief,) = document["processes"]
    assert set(brief) == set(whole), brief
    for part in "counters", "gauges", "memory":
        assert set(brief[part]) < set(whole[part]) and brief[part], brief
    assert set(document["totals"]["counters"]) == set(whole["counters"]), document["totals"]


def stats_of_one_process(world):
    world.start_daemon()
    client = world.client("busy")
    world.wait_processes(1)
    result = world.hakctl("stats", str(client.pid))
    assert result.returncode == 0 and "alloc_count" in result.stdout and "sim_client" in result.stdout, result
    result = world.hakctl("stats", "999999")
    assert result.returncode == 1 and "no process under hakmem" in result.stderr, result


def people_get_columns(world):
    world.start_daemon()
    client = world.client("busy")
    world.wait_processes(1)
    lines = world.hakctl("status").stdout.splitlines()
    assert lines[1].split()[:2] == ["mode", "balanced"], lines
    heading = [line for line in lines if line.split()[:2] == ["PID", "COMMAND"]][0]
    row = [line for line in lines if str(client.pid) in line][0]
    assert row.index("sim_client") == heading.index("COMMAND"), lines
    for verb in ("status", "stats", "verify"):
        for line in world.hakctl(verb).stdout.splitlines():
            assert line == line.rstrip() and len(line) <= 110, line
    # On a terminal of 60 columns nothing is wider, and there is colour unless somebody minds.
    for environment, coloured in (
        ("TERM=xterm", True), ("TERM=dumb", False), ("TERM=xterm NO_COLOR=1", False)
    ):
        command = "stty cols 60; env %s PAGER=cat %s --bus=%s list-modes" % (
            environment, build("hakctl"), world.address)
        result = subprocess.run(["script", "-qec", command, "/dev/null"], capture_output=True)
        text = result.stdout.decode()
        assert ("\033[" in text) == coloured, (environment, text)
        plain = re.sub("\033\\[[0-9;]*m", "", text)
        assert "BIGCACHE" in plain and all(len(line) <= 60 for line in plain.splitlines()), plain
    assert "\033[" not in world.hakctl("list-modes").stdout


def names_of_strangers_do_not_speak_to_the_terminal(world):
    world.start_daemon()
    program = world.directory + "/\x1b]0;a\x07\u009b2J"
    shutil.copy(build("tests/sim_client"), program)
    client = world.spawn([program, world.runtime, "busy"], stdout=subprocess.DEVNULL)
    world.wait_processes(1)
    for words in (["status"], ["stats"], ["stats", str(client.pid)], ["explain", str(client.pid)],
                  ["stats", "--json"], ["doctor", str(client.pid)]):
        text = world.hakctl("--no-pager", *words).stdout
        assert "]0;a" in text, (words, text)
        assert not re.search("[\0-\x09\x0b-\x1f\x7f-\x9f]", text), (words, text)


def run_preloads_the_library(world):
    result = world.hakctl(
        "--runtime-dir=" + world.runtime, "run", "env", env={"PATH": os.environ["PATH"], "LD_PRELOAD": ""}
    )
    if not os.path.exists(build("libhakmem.so")):
        assert result.returncode == 1 and "no libhakmem.so" in result.stderr, result
        return
    lines = result.stdout.splitlines()
    assert "LD_PRELOAD=" + os.path.realpath(build("libhakmem.so")) in lines, lines
    assert "HAKMEM_RUNTIME_DIR=" + world.runtime in lines, lines
    user = {"PATH": os.environ["PATH"], "XDG_RUNTIME_DIR": "/x"}
    result = world.hakctl("--bus=user", "run", "env", env=user)
    assert "HAKMEM_RUNTIME_DIR=/x/hakmem" in result.stdout.splitlines(), "that of hakmemd --user"
    assert world.hakctl("run", "sh", "-c", "exit 9").returncode == 9
    assert world.hakctl("run", "/nonexistent/command").returncode == 127
    assert world.hakctl("run", "/etc/passwd").returncode == 126
    assert (
        world.hakctl("run", "echo", "--json", "--bus").stdout == "--json --bus\n"
    ), "options of the command are its own"


def real_programs_appear_and_obey(world):
    if not os.path.exists(build("libhakmem.so")):
        return
    world.start_daemon()
    program = "import time\nwhile True: x=[bytes(n) for n in range(2000)]; time.sleep(0.001)"
    python = world.spawn(
        [build("hakctl"), "--runtime-dir=" + world.runtime, "run", "/usr/bin/python3", "-c", program]
    )
    world.wait_processes(1)
    for mode in MODES:
        applied = lambda: world.hakctl("set-mode", mode, "--wait").stdout.split(",")[0]
        wait_until_equal(applied, "applied 1", mode)
        world.hakctl_until_good("verify")
    process = world.stats(str(python.pid))["processes"][0]
    assert process["exe"] == os.path.realpath("/usr/bin/python3"), process
    assert process["counters"]["alloc_count"] > 1000, process
    python.kill()
    python.wait()
    world.wait_processes(0)


run_tests(
    [
        wrong_words_give_the_nearest_right_one,
        wrong_use_says_what_would_be_right,
        h_is_short_for_help,
        a_word_that_names_nobody_changes_nothing,
        hung_daemon_is_told_from_an_absent_one,
        absent_daemon_gives_one_line_and_3,
        reading_does_not_activate,
        modes_are_listed_and_printed_alone,
        stats_fit_their_schema,
        stats_in_brief_leave_out_figures_alone,
        stats_of_one_process,
        people_get_columns,
        names_of_strangers_do_not_speak_to_the_terminal,
        run_preloads_the_library,
        real_programs_appear_and_obey,
    ]
)
