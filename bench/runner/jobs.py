# SPDX-License-Identifier: MIT
"""What can be run: the C scenarios of bench/scenarios and the real programs of bench/real/programs.ini."""

import configparser
import hashlib
import os
import re
import shlex
import shutil
import signal
import subprocess
import tempfile
import time

from . import allocators


class RowError(Exception):
    """This run does not count, and why."""


class Site:
    """Where things are, and how long a run may take."""

    def __init__(self, source_dir, build, timeout, part=1):
        self.bench_dir = os.path.join(source_dir, "bench")
        self.programs = os.path.join(os.path.abspath(build), "bench")
        self.telemetry = allocators.Telemetry(source_dir)
        self.timeout = timeout
        self.part = part  # of the real programs' inputs


class Measured:
    """One command under build/bench/measure, alone in a process group, in a private directory."""

    USAGE = ("wall_ns", "user_us", "sys_us", "rusage_peak_kib", "minor_faults", "major_faults", "switches",
             "status")

    def __init__(self, site, allocator, command, env=(), directory=None, stdin=None, stdout=None):
        self.site, self.allocator = site, allocator
        self.runtime_dir = tempfile.mkdtemp(prefix="hakbench-")
        os.chmod(self.runtime_dir, 0o755)  # servers that drop root use it as well
        os.mkdir(os.path.join(self.runtime_dir, "clients"))
        os.chmod(os.path.join(self.runtime_dir, "clients"), 0o1733)
        if allocator.strategy is not None:
            self.hold_strategy(site, allocator)
        self.usage_path = os.path.join(self.runtime_dir, "usage")
        variables = dict(env, **allocator.variables(self.runtime_dir))
        words = [f"{key}={value}" for key, value in variables.items()]
        self.errors = open(os.path.join(self.runtime_dir, "stderr"), "w+")
        self.process = subprocess.Popen(
            [os.path.join(site.programs, "measure"), self.usage_path, *words, "--", *command],
            stdin=stdin or subprocess.DEVNULL, stdout=stdout or subprocess.PIPE, stderr=self.errors,
            cwd=directory, start_new_session=True)
        self.seen_mapped = allocator.path is None

    def hold_strategy(self, site, allocator):
        """A control segment as a daemon leaves it, whose global policy names the strategy."""
        tool = os.path.join(os.path.dirname(site.programs), "tests", "tools", "make_segment")
        mode = allocator.env.get("HAKMEM_MODE", "balanced")
        subprocess.run([tool, self.runtime_dir, mode, allocator.strategy], check=True)

    def look(self):
        """Is the preloaded library mapped in the command or below it? True stays true."""
        if not self.seen_mapped:
            below = allocators.descendants(self.process.pid)[1:]
            self.seen_mapped = any(allocators.maps_library(pid, self.allocator.path) for pid in below)
        return self.seen_mapped

    def finish(self):
        """Wait; return the figures and standard output. Raises RowError for a failed or unproved run."""
        deadline = time.monotonic() + self.site.timeout
        delay = 0.001
        output = b""
        try:
            while self.process.poll() is None and not self.look():
                time.sleep(delay)
                delay = min(delay * 1.5, 0.05)
                if time.monotonic() > deadline:
                    break
            output, _ = self.process.communicate(timeout=max(deadline - time.monotonic(), 0.1))
        except subprocess.TimeoutExpired:
            raise RowError(f"did not end within {self.site.timeout} s") from None
        finally:
            self.kill()
        return self.figures(), (output or b"").decode(errors="replace")

    def figures(self):
        with open(self.usage_path) as file:
            usage = dict(zip(self.USAGE, map(int, file.read().split())))
        status = usage.pop("status")
        if status not in (0, 128 + signal.SIGTERM):  # TERM: how we end a server
            self.errors.seek(0)
            said = (self.errors.read().strip().splitlines() or ["no message"])[-1]
            how = f"killed by signal {status - 128}" if status > 128 else f"exit status {status}"
            raise RowError(f"{how}: {said}")
        if self.allocator.is_hakmem:
            usage.update(self.counters())
        return usage

    def counters(self):
        counters = self.site.telemetry.sum_of(self.runtime_dir)
        if not counters["alloc_count"]:
            raise RowError("hakmem's counters did not move: it was not in use")
        self.seen_mapped = True
        figures = {f"c_{name}": value for name, value in counters.items()}
        figures.update(allocators.rates(counters))
        figures.update(self.site.telemetry.game_of(self.runtime_dir))
        return figures

    def kill(self):
        """End what is left of the command's own process group; then it is empty."""
        if self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()

    def close(self):
        self.kill()
        self.errors.close()
        shutil.rmtree(self.runtime_dir, ignore_errors=True)


class Scenario:
    """A C workload, which reports for itself, the object that malloc was bound to included."""

    def __init__(self, name, program, arguments, by_default):
        self.name, self.program, self.arguments, self.by_default = name, program, arguments, by_default

    def missing(self, site):
        if os.path.exists(os.path.join(site.programs, self.program)):
            return None
        return f"{self.program} is not built; 'make bench-programs' builds it"

    def command(self, site):
        return [os.path.join(site.programs, self.program), f"name={self.name}", *self.arguments]

    def prepare(self, site):
        pass

    def finish(self):
        pass

    def run(self, site, allocator):
        measured = Measured(site, allocator, self.command(site))
        try:
            measured.seen_mapped = True  # the report says it
            figures, output = measured.finish()
        finally:
            measured.close()
        line = next((line for line in output.splitlines() if line.startswith("bench ")), None)
        if line is None:
            raise RowError("printed no report")
        report = dict(word.split("=", 1) for word in line.split()[1:])
        expected = os.path.basename(allocator.path) if allocator.path else "libc.so"
        if not report["allocator"].startswith(expected):
            raise RowError(f"malloc was bound to {report['allocator']}, not to {expected}")
        del report["scenario"], report["allocator"]
        figures.update({key: float(value) for key, value in report.items()})
        figures["time_ns"] = figures["ns_per_op"]
        figures["cpu_ns"] = 1000 * (figures["user_us"] + figures["sys_us"]) / max(figures["operations"], 1)
        return figures


class Program:
    """A real program: a batch command whose wall time counts, or a server whose load tells the figure."""

    by_default = False

    def __init__(self, name, section):
        self.name = "real/" + name
        self.section = section
        self.directory = None
        self.digest = None  # of the standard output of the first run: the others must print the same

    def missing(self, site):
        absent = [word for word in self.section["needs"].split() if not shutil.which(word)]
        probe = shlex.split(self.section.get("probe", "true"))
        if not absent and subprocess.run(probe, stderr=subprocess.DEVNULL, check=False).returncode:
            return f"'{self.section['probe']}' fails"
        return f"needs {', '.join(absent)}, not installed" if absent else None

    def words(self, site, key):
        return shlex.split(self.text(site, key))

    def text(self, site, key):
        text = self.section.get(key, "").replace("{dir}", self.directory).replace("{part}", str(site.part))
        return text.replace("{here}", os.path.join(site.bench_dir, "real"))

    def shell(self, site, key):
        return subprocess.run(["/bin/sh", "-ec", self.text(site, key)], cwd=self.directory, timeout=300,
                              stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                              text=True)

    def prepare(self, site):
        self.directory = tempfile.mkdtemp(prefix="hakbench-real-")
        os.chmod(self.directory, 0o755)
        if "prepare" in self.section:
            done = self.shell(site, "prepare")
            if done.returncode:
                raise RowError("prepare failed: " + (done.stdout.strip().splitlines() or ["no message"])[-1])

    def finish(self):
        if self.directory:
            shutil.rmtree(self.directory, ignore_errors=True)
        self.directory = None

    def run(self, site, allocator):
        if "before" in self.section:
            self.shell(site, "before")
        return self.serve(site, allocator) if "serve" in self.section else self.batch(site, allocator)

    def start(self, site, allocator, key, stdout):
        env = [word.split("=", 1) for word in self.words(site, "env")]
        stdin = open(self.text(site, "stdin"), "rb") if "stdin" in self.section else None
        try:
            return Measured(site, allocator, self.words(site, key), env, self.directory, stdin, stdout)
        finally:
            if stdin:
                stdin.close()

    def batch(self, site, allocator):
        out = os.path.join(self.directory, "stdout")
        with open(out, "wb") as stdout:
            measured = self.start(site, allocator, "run", stdout)
        try:
            figures, _ = measured.finish()
            if allocator.must_be_seen and not measured.seen_mapped:
                raise RowError("the preload was never seen mapped")
        finally:
            measured.close()
        self.compare(out)
        figures["time_ns"] = figures["wall_ns"]
        figures["cpu_ns"] = 1000 * (figures["user_us"] + figures["sys_us"])
        figures["peak_rss_kib"] = figures["rusage_peak_kib"]
        return figures

    def compare(self, path):
        """Every allocator must give the same output, except where the row says compare = no."""
        if self.section.get("compare", "yes") == "no":
            return
        with open(path, "rb") as file:
            digest = hashlib.sha256(file.read()).hexdigest()
        if self.digest is None:
            self.digest = digest
        elif digest != self.digest:
            raise RowError("printed something else than with the first allocator")

    def serve(self, site, allocator):
        with open(os.path.join(self.directory, "log"), "wb") as log:
            measured = self.start(site, allocator, "serve", log)
        try:
            self.await_ready(site, measured)
            if not measured.look():
                raise RowError("the preload is not mapped in the server")
            done = self.shell(site, "load")
            found = re.search(self.section["figure"], done.stdout)
            if done.returncode or not found:
                raise RowError("load failed: " + (done.stdout.strip().splitlines() or ["no message"])[-1])
            # The server alone; its children follow it.
            for pid in allocators.descendants(measured.process.pid)[1:2]:
                os.kill(pid, signal.SIGTERM)
            figures, _ = measured.finish()
        finally:
            measured.close()
        figures["time_ns"] = 1e9 / float(found.group(1))
        figures["cpu_ns"] = 1000 * (figures["user_us"] + figures["sys_us"])
        figures["peak_rss_kib"] = figures["rusage_peak_kib"]
        return figures

    def await_ready(self, site, measured):
        for _ in range(200):
            if measured.process.poll() is not None:
                raise RowError("the server ended at once")
            if self.shell(site, "ready").returncode == 0:
                return
            time.sleep(0.05)
        raise RowError("the server was not ready within 10 s")


def load_scenarios(site):
    jobs = []
    with open(os.path.join(site.bench_dir, "scenarios")) as lines:
        for line in lines:
            words = line.split("#")[0].split()
            by_default = words[:1] != ["-"]
            words = words if by_default else words[1:]
            if words:
                jobs.append(Scenario(words[0], words[1], words[2:], by_default))
    return jobs


def load_programs(site):
    table = configparser.ConfigParser(interpolation=None)
    table.read(os.path.join(site.bench_dir, "real", "programs.ini"))
    return [Program(name, table[name]) for name in table.sections()]
