#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""What people look at: top in a terminal (tmux types and reads), metrics as Prometheus reads them, doctor."""

import json
import os
import re
import shutil
import socket
import struct
import subprocess

import jsonschema
from prometheus_client.openmetrics.parser import text_string_to_metric_families

from hakbus import MODES, PATIENCE_SECONDS, build, run_tests, wait_for

SCHEMAS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../docs/schema")


class Terminal:
    """A screen of 100 x 20 in which a command runs."""

    def __init__(self, world, command):
        self.socket = world.directory + "/tmux"
        self.environment = {"PATH": os.environ["PATH"], "LANG": "C.UTF-8", "TERM": "xterm-256color"}
        self.environment.update({key: os.environ[key] for key in os.environ if key.endswith("SAN_OPTIONS")})
        self.tmux("-f", "/dev/null", "new-session", "-d", "-x", "100", "-y", "20",
                  command + "; echo ended with $?; exec sleep 1000")

    def tmux(self, *words):
        result = subprocess.run(["tmux", "-S", self.socket, *words], capture_output=True, text=True,
                                env=self.environment, timeout=PATIENCE_SECONDS)
        assert result.returncode == 0, result
        return result.stdout

    def type(self, *keys):
        self.tmux("send-keys", *keys)

    def screen(self):
        return self.tmux("capture-pane", "-p")

    def shows(self, pattern):
        """Waits until the screen matches; gives the match."""
        try:
            return wait_for(lambda: re.search(pattern, self.screen(), re.M), "the screen shows " + pattern)
        except AssertionError as error:
            raise AssertionError("%s; it shows:\n%s" % (error, self.screen()))

    def __enter__(self):
        return self

    def __exit__(self, kind, value, trace):
        self.tmux("kill-server")


def top_is_live(world):
    world.start_daemon()
    clients = [world.client("busy", 2000 * 10 ** i) for i in range(3)]
    world.wait_processes(3)
    with Terminal(world, "%s --bus=%s top --interval=0.2" % (build("hakctl"), world.address)) as terminal:
        terminal.shows(r"^hakmem  mode balanced \(built-in\)")
        terminal.shows(r"^3 processes  resident [1-9]")
        for client in clients:
            terminal.shows(r"^ +%d +[0-9.]+[KM] .*sim_client" % client.pid)
        terminal.type("a")  # by allocation rate: who visits most often is first
        terminal.shows(r"ALLOC/S .*\n +%d .* [0-9.]+[KM] +balanced" % clients[0].pid)
        terminal.type("2")
        terminal.shows(r"^hakmem  mode fast \(runtime\)")
        assert world.hakctl("get-mode").stdout == "fast\n"
        terminal.shows(r"^ +%d .* fast +sim_client" % clients[0].pid)
        terminal.type("0")
        terminal.shows(r"mode balanced \(built-in\)")
        terminal.type("p")
        terminal.shows(r"^(purging %d|purged 0)" % clients[0].pid)  # asleep, where it had no time to run
        terminal.type("h")
        terminal.shows(r"set the mode: minimal, fast")
        terminal.type("h")
        clients[2].kill()
        clients[2].wait()
        terminal.shows(r"^2 processes")
        terminal.tmux("resize-window", "-x", "40", "-y", "12")
        terminal.shows(r"^ +%d" % clients[0].pid)
        assert all(len(line) <= 40 for line in terminal.screen().splitlines()), terminal.screen()
        terminal.tmux("resize-window", "-x", "100", "-y", "20")
        world.stop_daemon()
        terminal.shows(r"hakmemd is not running")
        world.start_daemon()
        terminal.shows(r"^hakmem  mode balanced")
        terminal.type("q")
        terminal.shows(r"^ended with 0")
    result = world.hakctl("top")
    assert result.returncode == 2 and "needs a terminal" in result.stderr, result


def refusals_stand_in_the_last_line(world):
    if os.getuid() != 0:
        return
    world.start_daemon()
    command = "setpriv --reuid=65534 --clear-groups -- %s --bus=%s top --interval=0.2"
    with Terminal(world, command % (build("hakctl"), world.address)) as terminal:
        terminal.shows(r"no process runs under hakmem")
        terminal.type("3")
        terminal.shows(r"^only root and uid")
        terminal.type("q")
        terminal.shows(r"^ended with 0")


def metrics_are_openmetrics(world):
    world.start_daemon()
    world.client("busy", 2000)
    world.client("pinned", "minimal")
    world.wait_processes(2)
    text = world.hakctl("metrics").stdout
    assert text.endswith("# EOF\n")
    families = {family.name: family for family in text_string_to_metric_families(text)}
    samples = {(one.name, *sorted(one.labels.items())): one.value
               for family in families.values() for one in family.samples}
    assert samples[("hakmem_up",)] == 1 and samples[("hakmem_processes",)] == 2
    unit = ("unit", [dict(key[1:])["unit"] for key in samples if key[0] == "hakmem_unit_processes"][0])
    assert samples[("hakmem_unit_processes", unit)] == 2, samples
    assert samples[("hakmem_unit_pinned_processes", unit)] == 1
    assert samples[("hakmem_unit_mode_processes", ("mode", "minimal"), unit)] == 1
    assert samples[("hakmem_unit_resident_bytes", unit)] > 1 << 19
    assert samples[("hakmem_unit_faults_total", unit)] > 0
    assert samples[("hakmem_unit_allocations_total", unit)] > 0
    assert samples[("hakmem_pinned_ratio",)] == 0.5
    assert [samples[("hakmem_mode", ("mode", mode))] for mode in MODES] == [0, 0, 1, 0, 0]
    for name in ("allocated_bytes", "active_bytes", "pinned_bytes", "lazily_free_bytes", "held_bytes",
                 "purges"):
        assert "hakmem_unit_" + name in families, name
    for name in ("context_elo", "context_decisions", "context_rollbacks", "unregistered_preloads",
                 "stale_preloads", "purges_refused", "helper_up"):
        assert "hakmem_" + name in families, name


def promtool_has_no_complaint(world):
    world.start_daemon()
    world.client("busy", 2000)
    world.wait_processes(1)
    result = world.hakctl("metrics", "--format=prometheus")
    checked = subprocess.run(["promtool", "check", "metrics"], input=result.stdout, capture_output=True,
                             text=True)
    assert checked.returncode == 0 and not checked.stdout and not checked.stderr, checked


def node_exporter_collects_them(world):
    world.start_daemon()
    world.client("busy", 2000)
    world.wait_processes(1)
    place = world.directory + "/textfile"
    os.mkdir(place)
    result = world.hakctl("metrics", "--format=prometheus", "--output=%s/hakmem.prom" % place)
    assert (result.returncode, result.stdout) == (0, ""), result
    assert os.listdir(place) == ["hakmem.prom"]
    for _ in range(20):  # until a port that was free still is, a moment later
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        exporter = world.spawn(
            ["prometheus-node-exporter", "--collector.disable-defaults", "--collector.textfile",
             "--collector.textfile.directory=" + place, "--web.listen-address=127.0.0.1:%d" % port],
            stderr=open(world.directory + "/exporter", "w"))
        url = "http://127.0.0.1:%d/metrics" % port

        def fetch():
            script = ("import sys, urllib.request as u; opener = u.build_opener(u.ProxyHandler({})); "
                      "sys.stdout.write(opener.open(%r).read().decode())" % url)
            return subprocess.run(["/usr/bin/python3", "-I", "-c", script], capture_output=True,
                                  text=True).stdout

        wait_for(lambda: exporter.poll() is not None or fetch(), "node_exporter answers")
        if exporter.poll() is None:
            break
    text = fetch()
    assert "\nhakmem_up 1\n" in text, text + open(world.directory + "/exporter").read()
    assert re.search(r'^hakmem_unit_allocated_bytes\{unit="[^"]+"\} ', text, re.M), text
    assert 'node_textfile_scrape_error 0' in text, text
    exporter.kill()


def metrics_without_a_daemon_say_so(world):
    result = world.hakctl("metrics", "--format=prometheus", "--output=%s/m.prom" % world.directory)
    assert result.returncode == 3, result
    assert "\nhakmem_up 0\n" in open(world.directory + "/m.prom").read()
    result = world.hakctl("metrics", "--output=/nonexistent/m.prom")
    assert result.returncode == 1 and "/nonexistent/m.prom" in result.stderr, result
    result = world.hakctl("metrics", "--format=promethus")
    assert result.returncode == 2 and "did you mean '--format=prometheus'" in result.stderr, result


def doctor(world, *words):
    result = world.hakctl("doctor", "--json", "--runtime-dir=" + world.runtime, *words)
    answer = json.loads(result.stdout)
    jsonschema.validate(answer, json.load(open(SCHEMAS + "/doctor.json")))
    checks = {check["name"]: check for check in answer["checks"]}
    assert result.returncode == (0 if answer["healthy"] else 4), result
    assert answer["healthy"] == all(check["state"] != "missing" for check in checks.values())
    return checks


def doctor_names_what_is_amiss_and_how_to_mend_it(world):
    checks = doctor(world)
    assert checks["hakmemd"]["state"] == "missing" and "start it" in checks["hakmemd"]["text"], checks
    assert checks["segment"]["state"] == "missing" and checks["segment"]["mend"], checks
    world.start_daemon()
    checks = doctor(world)
    for name in ("hakmemd", "segment", "telemetry", "kill switch off", "pidfd"):
        assert checks[name]["state"] == "ok", checks[name]
    helper = checks["hakmem-helper"]
    assert helper["state"] == "missing" and "systemctl start" in helper["mend"], helper
    world.hakctl("panic")
    check = doctor(world)["kill switch off"]
    assert check["state"] == "missing" and check["mend"] == "hakctl panic --off", check
    world.hakctl("panic", "--off")
    os.chmod(world.runtime + "/clients", 0o755)
    assert "mode 755" in doctor(world)["telemetry"]["text"]
    # For people: the words are there, and nothing is wider than the terminal.
    text = world.hakctl("doctor", "--runtime-dir=" + world.runtime).stdout
    assert "MISSING  telemetry" in text and "→" in text
    assert all(len(line) <= 80 for line in text.splitlines()), text


def doctor_tells_whose_files_fill_the_directory(world):
    """And how to make room while it is in use."""
    runtime = world.directory + "/full"
    os.mkdir(runtime)
    mount = ["mount", "-t", "tmpfs", "-o", "nr_inodes=20", "tmpfs", runtime]
    if os.getuid() or subprocess.run(mount, stderr=subprocess.DEVNULL).returncode:
        return  # only root can mount
    try:
        os.mkdir(runtime + "/clients")
        os.chmod(runtime + "/clients", 0o1733)
        for i in range(17):
            open("%s/clients/%d" % (runtime, i), "w").close()
        answer = json.loads(world.hakctl("doctor", "--json", "--runtime-dir=" + runtime).stdout)
        [check] = [check for check in answer["checks"] if check["name"] == "telemetry"]
        assert check["state"] == "missing" and "nearly full" in check["text"], check
        assert "uniq -c" in check["mend"] and "mount -o remount" in check["mend"], check
    finally:
        subprocess.run(["umount", runtime])


def doctor_repeats_no_bytes_that_a_terminal_obeys(world):
    """Whoever looks at somebody's process is shown what that has in its environment."""
    strange = world.spawn(["/bin/sleep", "100"], env={b"LD_PRELOAD": b"/\x1b[31m\xff\xc2\x9b"},
                          stderr=subprocess.DEVNULL)
    command = [build("hakctl"), "--bus=" + world.address, "doctor", str(strange.pid)]
    answer = subprocess.run([*command, "--json"], capture_output=True).stdout
    [check] = [check for check in json.loads(answer)["checks"] if check["name"] == "preloaded"]
    assert "its LD_PRELOAD is /?[31m" in check["text"], check
    assert b"\x1b" not in subprocess.run([*command, "--no-pager"], capture_output=True).stdout
    strange.kill()


def doctor_explains_one_process(world):
    world.start_daemon()
    known = world.client("busy", 2000)
    world.wait_processes(1)
    checks = doctor(world, str(known.pid))
    assert checks["known to hakmemd"]["state"] == "ok" and "sim_client" in checks["known to hakmemd"]["text"]
    plain = {key: value for key, value in os.environ.items() if key != "LD_PRELOAD"}
    for environment, part in (
        ({}, "without LD_PRELOAD"),
        ({"LD_PRELOAD": "libm.so.6"}, "its LD_PRELOAD is libm.so.6"),
        ({"LD_PRELOAD": "/nowhere/libhakmem.so"}, "/nowhere/libhakmem.so is not in the file system"),
    ):
        other = world.spawn(["sleep", "1000"], env={**plain, **environment}, stderr=subprocess.DEVNULL)
        check = doctor(world, str(other.pid))["preloaded"]
        assert check["state"] == "missing" and part in check["text"] and check["mend"], check
    if os.getuid() == 0:
        setuid = world.directory + "/setuid"
        shutil.copy("/bin/sleep", setuid)
        os.chmod(setuid, 0o4755)
        other = world.spawn([setuid, "1000"])
        assert "setuid" in doctor(world, str(other.pid))["preloaded"]["text"]
    assert "no process 4194305" in doctor(world, "4194305")["process"]["text"]
    if not os.path.exists(build("libhakmem.so")):
        return
    # A library that was replaced while somebody runs it, and one that found no runtime directory.
    copy = world.directory + "/libhakmem.so"
    shutil.copy(build("libhakmem.so"), copy)
    environment = {**plain, "LD_PRELOAD": copy, "HAKMEM_RUNTIME_DIR": "/nowhere"}
    stale = world.spawn(["sleep", "1000"], env=environment)
    wait_for(lambda: copy in open("/proc/%d/maps" % stale.pid).read(), "it is preloaded")
    checks = doctor(world, str(stale.pid))
    assert checks["preloaded"]["state"] == "ok" and "/nowhere" in checks["runtime directory"]["text"], checks
    assert "/nowhere/clients is not in" in checks["known to hakmemd"]["text"], checks
    os.unlink(copy)
    assert "was replaced since" in doctor(world, str(stale.pid))["preloaded"]["text"]
    names = [check["name"] for check in json.loads(world.hakctl("doctor", "--json").stdout)["checks"]]
    assert "library of a unit" in names and "not shown" in names, names


def who_was_started_while_hakmemd_was_stopped_is_named(world):
    """It has no telemetry for ever; doctor alone knows of it."""
    world.start_daemon()
    plain = {key: value for key, value in os.environ.items() if not key.startswith("HAK")}
    settings = {**plain, "LD_PRELOAD": build("libhakmem.so"), "HAKMEM_RUNTIME_DIR": world.runtime}
    shown = world.spawn(["sleep", "1000"], env=settings)
    world.wait_processes(1)
    world.stop_daemon()
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    late = [world.spawn(["cat"], env=settings, **pipes) for _ in range(2)]
    for one in late:  # they run
        one.stdin.write(b"\n")
        one.stdin.flush()
        assert one.stdout.readline() == b"\n"
    world.start_daemon()
    world.wait_processes(1)
    checks = json.loads(world.hakctl("doctor", "--json").stdout)["checks"]
    named = " ".join(check["text"] for check in checks if check["name"] == "not shown")
    assert "while hakmemd was stopped" in named, checks
    cgroup = open("/proc/self/cgroup").read()
    if ".service" not in cgroup and ".scope" not in cgroup:
        assert all("pid %d" % one.pid in named for one in late) and str(shown.pid) not in named, named
    for one, state in ((shown, "ok"), (late[0], "missing")):
        check = doctor(world, str(one.pid))["known to hakmemd"]
        assert check["state"] == state and ("was stopped" in check["text"]) == (one is not shown), check


def write_go_program(path):
    """What makes a program Go's: a static ELF file with Go's note, here after a GNU one."""
    notes = struct.pack("<3I4s20s", 4, 20, 3, b"GNU\0", b"i" * 20)
    notes += struct.pack("<3I4s8s", 4, 8, 4, b"Go\0\0", b"build/id")
    header = struct.pack("<16sHHIQQQIHHHHHH", b"\x7fELF\2\1\1", 2, 62, 1, 0x400000, 64, 0, 0, 64, 56, 1,
                         0, 0, 0)
    segment = struct.pack("<IIQQQQQQ", 4, 4, 64 + 56, 0, 0, len(notes), len(notes), 4)
    with open(path, "wb") as out:
        out.write(header + segment + notes)
    os.chmod(path, 0o755)


def launch_refuses_what_cannot_be_preloaded(world):
    write_go_program(world.directory + "/go")
    for words, code, part in (
        (["launch", "/nonexistent"], 127, "cannot run '/nonexistent'"),
        (["launch", build("tests/tools/peak")], 1, "is linked statically: there is nothing"),
        (["launch", world.directory + "/go"], 1, "the program is Go's"),
        (["launch", "sleep", "1"], 1, "systemd"),
    ):
        if os.path.exists(words[1]) or words[1][0] != "/" or "nonexistent" in words[1]:
            result = world.hakctl(*words)
            expected = part in result.stderr or "no libhakmem.so" in result.stderr
            assert result.returncode == code and expected, (words, result)
    result = world.hakctl("launch", "/usr/bin/promtool")  # Go's with parts in C: those can be preloaded
    assert "systemd" in result.stderr or "no libhakmem.so" in result.stderr, result


run_tests(
    [
        top_is_live,
        refusals_stand_in_the_last_line,
        metrics_are_openmetrics,
        promtool_has_no_complaint,
        node_exporter_collects_them,
        metrics_without_a_daemon_say_so,
        doctor_names_what_is_amiss_and_how_to_mend_it,
        doctor_tells_whose_files_fill_the_directory,
        doctor_repeats_no_bytes_that_a_terminal_obeys,
        doctor_explains_one_process,
        who_was_started_while_hakmemd_was_stopped_is_named,
        launch_refuses_what_cannot_be_preloaded,
    ]
)
