#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Each verb's --json against its schema in docs/schema; set-mode, verify and metrics of some processes."""

import json
import os
import re
import shutil
import subprocess

import jsonschema
from prometheus_client.openmetrics.parser import text_string_to_metric_families

from hakbus import MODES, build, run_tests, wait_for, wait_until_equal

SCHEMAS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../docs/schema")
COMPLETION = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../completion/hakctl.bash")
# Verbs that print what another one prints, as the schemas' titles say.
SAME_AS = {"status": "stats", "disable": "enable", "thaw": "freeze", "rollback": "freeze"}
# What needs a booted systemd is checked there: enable.py, nightshift.py.
ELSEWHERE = {"enable", "disable", "launch"}


def schema_of(name):
    with open(os.path.join(SCHEMAS, name + ".json")) as file:
        return json.load(file)


def validated(world, *words, schema=None, code=frozenset({0})):
    result = world.hakctl(*words)
    assert result.returncode in code and not result.stderr, (words, result)
    document = json.loads(result.stdout)
    try:
        jsonschema.validate(document, schema_of(schema or SAME_AS.get(words[0], words[0])))
    except jsonschema.ValidationError as error:
        raise AssertionError("%s: %s at %s" % (words, error.message, list(error.absolute_path))) from None
    assert document["schema"] == 1
    return document


def all_schemas_are_schemas_and_strict(world):
    for name in sorted(os.listdir(SCHEMAS)):
        rules = json.load(open(os.path.join(SCHEMAS, name)))
        jsonschema.validators.validator_for(rules).check_schema(rules)
        assert "schema" in rules["required"] and rules["properties"]["schema"] == {"const": 1}, name
        if name != "monitor.json":  # events may have members that are not known yet
            assert rules["additionalProperties"] is False, name


def learned_context(world):
    """A context that has learned: two programs' games, of which one wins."""
    program = world.directory + "/winner"
    shutil.copy(build("tests/sim_client"), program)
    client = world.spawn([program, world.runtime, "plays", "7", "0", "12", "100"])
    wait_for(lambda: "frozen" in world.hakctl("ratings", "--json").stdout, "it freezes")
    return client.pid


def each_verb_with_json_follows_its_schema(world):
    world.write_config("[daemon]\nmode = learning\n")
    world.start_daemon()
    client = world.client("busy", 2000)
    pid = str(client.pid)
    learned = str(learned_context(world))
    world.wait_processes(2)
    context = world.stats(learned)["processes"][0]["context"]
    tallies = world.directory + "/tallies"
    assert world.hakctl("export", tallies).returncode == 0
    commands = [
        ["status"], ["stats"], ["stats", pid], ["get-mode"], ["list-modes"], ["verify"], ["verify", pid],
        ["set-mode", "fast"], ["set-mode", "learning", "--wait"], ["set-mode", "fast", pid, "--wait"],
        ["status"], ["set-mode", "default", pid], ["set-mode", "default"],
        ["ratings"], ["ratings", "winner"], ["explain", pid], ["explain", learned],
        ["freeze", "winner"], ["thaw", "winner"], ["rollback", learned], ["import", tallies],
        ["panic"], ["panic", "--off"], ["purge", "--all"], ["purge", pid], ["purge", context],
        ["help"], ["help", "status"], ["version"],
    ]
    for words in commands:
        if words[0] == "purge":  # simulated clients do not: they are lost, once they have had time to run
            wait_until_equal(lambda: world.hakctl(*words).returncode, 4, "%s: lost" % words)
        validated(world, *words, "--json", code={0, 4} if words[0] == "purge" else {0})
    validated(world, "explain", "winner", "--json", schema="ratings")
    validated(world, "doctor", "--json", "--runtime-dir=" + world.runtime, code={4})  # there is no helper
    table = validated(world, "help", "--json")["verbs"]
    assert [verb["verb"] for verb in validated(world, "help", "set-mode", "--json")["verbs"]] == ["set-mode"]
    missing = {verb["verb"] for verb in table if "json" in verb["options"]} - {words[0] for words in commands}
    assert missing == ELSEWHERE | {"doctor", "monitor"}, missing
    for words in (["version"], ["get-mode"], ["set-mode", "fast"], ["help"]):
        assert world.hakctl(*words, "--json=pretty").stdout.startswith('{\n  "schema": 1,\n')
    plain = {verb["verb"] for verb in table if "json" not in verb["options"]}
    # They print no document of their own, or one in a format of others.
    assert plain == {"top", "export", "metrics", "hold", "run", "crashed"}, plain


def set_mode_of_some_leaves_the_others(world):
    world.start_daemon()
    one, other = world.client("busy", 500), world.client("busy", 500)
    world.wait_processes(2)
    mode = lambda client: world.stats(str(client.pid))["processes"][0]["mode"]
    told = lambda *words: world.hakctl("set-mode", *words, "--wait").stdout
    one_obeys = "applied 1, asleep 0, stopped 0, pinned 0, lost 0\n"
    wait_until_equal(lambda: told("minimal", str(one.pid)), one_obeys, "one obeys")
    assert (mode(one), mode(other)) == ("minimal", "balanced")
    text = world.hakctl("status").stdout
    assert "for some    pid:%d: mode minimal\n" % one.pid in text, text
    context = world.stats(str(other.pid))["processes"][0]["context"]
    wait_until_equal(lambda: told("fast", context).split(",")[0], "applied 2", "both obey")
    assert (mode(one), mode(other)) == ("fast", "fast"), "both are of that context, and it was set last"
    for target in (context, str(one.pid)):
        assert world.hakctl("set-mode", "default", target).returncode == 0
    wait_for(lambda: (mode(one), mode(other)) == ("balanced", "balanced"), "both are taken back")
    result = world.hakctl("set-mode", "default", str(one.pid))
    assert result.returncode == 1 and "no mode was set" in result.stderr, result
    result = world.hakctl("set-mode", "fast", "4194000")
    assert result.returncode == 1 and "no process under hakmem" in result.stderr, result
    # A service need not run yet; its name gets its suffix.
    for words in ["redis-server"], ["redis-server", "--wait"], ["redis-server", "--json"]:
        result = world.hakctl("set-mode", "fast", *words)
        assert result.returncode == 0, result
        assert result.stderr == (
            "hakctl: no process of unit:redis-server.service runs; fast will apply when one starts\n"
        ), result
    assert json.loads(result.stdout)["runs"] is False
    result = world.hakctl("set-mode", "minimal", str(other.pid), "--json")
    assert json.loads(result.stdout)["runs"] is True and not result.stderr, result
    assert "unit:redis-server.service: mode fast" in world.hakctl("status").stdout
    one.kill()
    one.wait()
    world.wait_processes(1)
    assert "pid:%d" % one.pid not in world.hakctl("status").stdout, "a profile of a pid ends with its process"
    result = world.hakctl("set-mode", "default", "redis-server")
    assert result.returncode == 0 and not result.stderr, result


def verify_of_one_waits_for_no_other(world):
    world.start_daemon()
    busy = world.client("busy", 500)
    world.client("liar")
    world.wait_processes(2)
    assert world.hakctl("set-mode", "fast").returncode == 0
    wait_until_equal(lambda: world.hakctl("verify").returncode, 4, "the other is lost")
    verified = lambda: validated(world, "verify", str(busy.pid), "--json")
    wait_until_equal(lambda: verified()["summary"]["match"], 1, "the one obeys")
    assert len(verified()["processes"]) == 1, verified()
    result = world.hakctl("verify", "4194000")
    assert result.returncode == 1 and "no process under hakmem" in result.stderr, result


def unit_counters(world):
    text = world.hakctl("metrics").stdout
    return {(sample.name, sample.labels["unit"]): sample.value
            for family in text_string_to_metric_families(text) if family.type == "counter"
            for sample in family.samples if "unit" in sample.labels}


def completed(world, *words):
    """What bash offers after a command line on this world's bus; it breaks words at '=' and ':'."""
    line = "hakctl --bus=%s %s " % (world.address, " ".join(words))
    pieces = [piece for piece in re.split(r"(=|:|\s)", line) if piece.strip()]
    script = "COMP_WORDS=(%s ''); COMP_LINE='%s'; COMP_CWORD=%d; . %s; _hakctl; " % (
        " ".join(pieces), line, len(pieces), COMPLETION)
    script += "printf '%s\\n' ${COMPREPLY[@]}"
    environment = dict(os.environ, PATH=os.path.dirname(build("hakctl")) + ":" + os.environ["PATH"])
    result = subprocess.run(["bash", "-c", script], capture_output=True, text=True, env=environment)
    assert result.returncode == 0 and not result.stderr, result
    return result.stdout.split()


def completion_knows_processes_and_contexts(world):
    world.write_config("[daemon]\nmode = learning\n")
    world.start_daemon()
    pid = str(world.client("busy", 2000).pid)
    learned = str(learned_context(world))
    world.wait_processes(2)
    context = world.stats(learned)["processes"][0]["context"]
    assert sorted(completed(world, "stats")) == sorted([pid, learned])
    assert completed(world, "set-mode") == [*MODES, "default"]
    for words in (("purge",), ("set-mode", "fast"), ("set-mode", "--wait", "fast")):
        assert {pid, learned, context} <= set(completed(world, *words)), words
    for verb in ("ratings", "freeze", "thaw", "rollback"):
        assert sorted(completed(world, verb)) == sorted([context, "winner"]), verb
    assert sorted(completed(world, "explain")) == sorted([pid, learned, context, "winner"])


def counters_of_a_unit_never_fall(world):
    world.start_daemon()
    clients = [world.client("busy", 2000) for _ in range(3)]
    world.wait_processes(3)
    before = unit_counters(world)
    unit = next(unit for name, unit in before)
    allocations, faults = ("hakmem_unit_allocations_total", unit), ("hakmem_unit_faults_total", unit)
    wait_for(lambda: unit_counters(world)[allocations] > 1000, "they have allocated")

    def has_not_fallen():
        nonlocal before
        now = unit_counters(world)
        assert all(now.get(key, 0) >= value for key, value in before.items()), (before, now)
        assert now[allocations] > 1000 and now[faults] > 100
        before = now

    for client in clients[:2]:
        has_not_fallen()
        client.kill()
        client.wait()
    world.wait_processes(1)
    has_not_fallen()
    wait_for(lambda: len(world.files()) == 1, "what the others came to is written")
    world.stop_daemon(9)
    world.start_daemon()
    world.wait_processes(1)
    has_not_fallen()
    clients[2].kill()
    clients[2].wait()
    world.wait_processes(0)
    has_not_fallen()
    assert world.stats()["ended_units"][0]["processes"] == 3
    assert "hakmem_unit_processes{" not in world.hakctl("metrics").stdout, "no gauge of those that are gone"
    if os.geteuid() == 0:
        result = world.hakctl("stats", "--json", user=65534, group=65534, extra_groups=[])
        document = json.loads(result.stdout)
        assert document["ended_units"] == [] and document["daemon"]["profiles"] == []


run_tests(
    [
        all_schemas_are_schemas_and_strict,
        each_verb_with_json_follows_its_schema,
        set_mode_of_some_leaves_the_others,
        verify_of_one_waits_for_no_other,
        completion_knows_processes_and_contexts,
        counters_of_a_unit_never_fall,
    ]
)
