#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Modes over D-Bus: who decides, what is told, how wrong calls are answered."""

import json
import os
import signal
import subprocess
import time

from hakbus import INTERFACE, MODES, NAME, PATH, build, run_tests, wait_for


def listen(world):
    """From now on told() has the bus's PropertiesChanged."""
    world.spawn(
        ["busctl", "--address=" + world.address, "--json=short", "monitor", NAME],
        stdout=open(world.directory + "/monitor", "w"),
        stderr=subprocess.DEVNULL,
    )
    # It hears what is asked of hakmemd, too.
    wait_for(lambda: world.properties() and os.path.getsize(world.directory + "/monitor"), "it listens")


def told(world):
    messages = [json.loads(line) for line in open(world.directory + "/monitor") if line.endswith("}\n")]
    return [
        message["payload"]["data"][1] for message in messages if message.get("member") == "PropertiesChanged"
    ]


def modes_are_set_and_properties_change(world):
    world.start_daemon()
    before = world.properties()
    assert before["Mode"] == "balanced" and before["ModeSource"] == "built-in", before
    assert before["SegmentState"] == "live" and before["AbiMajors"] == [1], before
    listen(world)
    serials = [world.call("SetMode", "sa{sv}", mode, "0")[0] for mode in MODES]
    assert serials == sorted(set(serials)), serials
    assert world.properties()["Mode"] == "research"
    assert world.properties()["ModeSource"] == "runtime"

    seen = wait_for(lambda: told(world)[len(MODES) - 1 :] and told(world), "PropertiesChanged for each mode")
    assert [change["Mode"]["data"] for change in seen] == MODES, seen
    assert [change["Serial"]["data"] for change in seen] == serials, seen
    assert seen[0]["Thp"]["data"] == "off" and seen[4]["Thp"]["data"] == "on", seen


def each_property_that_changes_is_told(world):
    """After each change what was told last is what there is to be read; in the end each was told."""
    world.write_config("[daemon]\nmode = balanced\n")
    world.start_daemon()
    listing = world.busctl("introspect", NAME, PATH, INTERFACE).stdout
    emitting = {line.split()[0][1:] for line in listing.splitlines() if "emits-change" in line}
    assert emitting == {"Mode", "ModeSource", "ConfiguredMode", "Serial", "Thp", "Evolution", "SegmentState",
                        "Panicked"}, emitting
    known = {name: value for name, value in world.properties().items() if name in emitting}
    listen(world)

    def reload():
        world.write_config("[daemon]\nmode = minimal\n")
        world.call("Reload", "a{sv}", "0")

    holder = []
    for change in (
        lambda: world.call("SetMode", "sa{sv}", "learning", "0"),
        lambda: world.call("SetMode", "sa{sv}", "default", "0"),
        reload,
        lambda: holder.append(world.spawn([build("hakctl"), "--bus=" + world.address, "hold", "research"])),
        lambda: (holder[0].terminate(), holder[0].wait()),
        lambda: world.call("Panic", "bs", "true", "a test"),
        lambda: world.call("Panic", "bs", "false", "a test"),
    ):
        before = seen = len(told(world))
        change()

        def all_is_told():
            nonlocal seen
            for one in told(world)[seen:]:
                seen += 1
                assert all(known[name] != value["data"] for name, value in one.items()), (known, one)
                known.update({name: value["data"] for name, value in one.items()})
            now = world.properties()
            return seen > before and known == {name: now[name] for name in emitting}

        wait_for(all_is_told, "what is told is what there is to be read")
    world.stop_daemon()
    wait_for(lambda: told(world)[-1].get("SegmentState", {}).get("data") == "stopped", "the end is told")
    assert {name for one in told(world) for name in one} == emitting


def mode_that_is_in_force_already_moves_no_serial(world):
    world.start_daemon()
    first = world.call("SetMode", "sa{sv}", "fast", "0")
    assert world.call("SetMode", "sa{sv}", "fast", "0") == first


def mode_default_gives_the_decision_back(world):
    world.write_config("[daemon]\nmode = learning\n")
    world.start_daemon()
    assert world.properties()["Mode"] == "learning"
    world.call("SetMode", "sa{sv}", "fast", "0")
    assert world.properties()["ModeSource"] == "runtime"
    world.call("SetMode", "sa{sv}", "default", "0")
    assert world.properties()["Mode"] == "learning"
    assert world.properties()["ModeSource"] == "configured"


def errors_have_their_names(world):
    world.start_daemon()
    error = "org.hakmem1.Error."
    name, message = world.error_of("SetMode", "sa{sv}", "turbo", 0)
    assert name == error + "NoSuchMode" and "balanced" in message, (name, message)
    assert "did you mean 'fast'" in world.error_of("SetMode", "sa{sv}", "fsat", 0)[1]
    name, message = world.error_of("SetMode", "sa{sv}", "fast", 1, "resaon", "s", "x")
    assert name == error + "InvalidOption" and "did you mean 'reason'" in message, (name, message)
    name, message = world.error_of("SetMode", "sa{sv}", "fast", 1, "colour", "s", "x")
    assert name == error + "InvalidOption" and "there are reason and expected-serial" in message, message
    name, message = world.error_of("SetMode", "sa{sv}", "fast", 1, "reason", "t", 1)
    assert name == error + "InvalidOption" and "must be 's'" in message, (name, message)
    name, message = world.error_of("SetMode", "sa{sv}", "fast", 1, "expected-serial", "t", 99)
    assert name == error + "SerialMismatch" and "somebody else" in message, (name, message)
    assert world.properties()["Mode"] == "balanced"
    assert world.dbus_send_error("ReleaseMode", "uint64:7") == error + "NoSuchHold"
    assert world.error_of("Verify", "sa{sv}", "nonsense", 0)[0] == error + "NoSuchTarget"
    assert world.error_of("Verify", "sa{sv}", "pid:1", 0)[0] == error + "NoSuchTarget"
    assert world.error_of("WaitApplied", "tta{sv}", 999, 0, 0)[0] == error + "SerialMismatch"
    world.call("Panic", "bs", "true", "a test")
    assert world.error_of("SetMode", "sa{sv}", "fast", 0)[0] == error + "Panicked"
    assert world.error_of("HoldMode", "ssa{sv}", "fast", "x", 0)[0] == error + "Panicked"
    assert world.dbus_send_error("NoSuchCall") == "org.freedesktop.DBus.Error.UnknownMethod"


def others_may_read_and_not_change(world):
    if os.geteuid() != 0:
        return  # only root can become somebody else
    world.start_daemon()
    world.client("busy")
    world.wait_processes(1)

    def as_nobody(*words):
        return world.hakctl(*words, user=65534, group=65534, extra_groups=[])

    assert as_nobody("get-mode").stdout == "balanced\n"
    for words in (["set-mode", "fast"], ["panic"], ["hold", "fast", "true"]):
        result = as_nobody(*words)
        assert result.returncode == 1 and "only root" in result.stderr, (words, result)
    assert world.properties()["Mode"] == "balanced"
    process = json.loads(as_nobody("stats", "--json").stdout)["processes"][0]
    assert process["redacted"] and process["pid"] is None and process["comm"] is None, process
    assert process["counters"] is None and process["exe"] is None and process["uid"] is None, process
    assert process["mode"] == "balanced" and process["context"], process
    assert not world.stats()["processes"][0]["redacted"]


def state_that_cannot_be_written_is_in_force_and_written_later(world):
    """Who asked hears of it; the log has a line when it begins and one when it is over."""
    world.start_daemon()
    in_the_way = [world.state + "/" + name + ".new" for name in ("state.json", "profiles.json")]
    for path in in_the_way:
        os.mkdir(path)
    for answer in (
        world.error_of("SetMode", "sa{sv}", "fast", 0),
        world.error_of("SetProfile", "sa{sv}a{sv}", "unit:web.service", 1, "mode", "s", "minimal", 0),
    ):
        assert answer[0] == "org.hakmem1.Error.StateUnavailable", answer
        assert answer[1].startswith("in force, but not saved"), answer
        assert world.state in answer[1] and "Is a directory" in answer[1], answer
    assert world.properties()["Mode"] == "fast"
    time.sleep(2.5)  # heartbeats, each of which tries
    for path in in_the_way:
        os.rmdir(path)
    wait_for(lambda: "can be written again" in open(world.log).read(), "it is written when it can be")
    told = [line for line in open(world.log) if world.state in line]
    assert len(told) == 2 and "cannot write state.json in" in told[0], told
    world.stop_daemon(signal.SIGKILL)
    world.start_daemon()
    assert world.properties()["Mode"] == "fast"
    assert "web.service" in world.hakctl("status").stdout


def hold_beats_set_mode_and_dies_with_its_client(world):
    world.start_daemon()
    world.call("SetMode", "sa{sv}", "fast", "0")
    holder = world.spawn([build("hakctl"), "--bus=" + world.address, "hold", "minimal", "sleep", "100"])
    wait_for(lambda: world.properties()["Mode"] == "minimal", "the hold is in force")
    assert world.properties()["ModeSource"] == "hold"
    world.call("SetMode", "sa{sv}", "research", "0")
    assert world.properties()["Mode"] == "minimal"
    children = "/proc/%d/task/%d/children" % (holder.pid, holder.pid)
    sleeper = int(wait_for(lambda: open(children).read(), "the command runs"))
    holder.kill()
    wait_for(lambda: world.properties()["Mode"] == "research", "the hold died with its client")
    os.kill(sleeper, 15)
    for separator in ([], ["--"]):
        result = world.hakctl("hold", "minimal", *separator, "sh", "-c", "exit 7")
        assert result.returncode == 7, result
    wait_for(lambda: world.properties()["Mode"] == "research", "the hold ended with the command")


def panic_is_kept_over_a_restart(world):
    world.start_daemon()
    world.call("SetMode", "sa{sv}", "fast", "0")
    assert world.hakctl("panic", "--reason=fire").returncode == 0
    properties = world.properties()
    assert properties["Panicked"] and properties["Mode"] == "minimal" and properties["ModeSource"] == "panic"
    world.stop_daemon()
    world.start_daemon()
    assert world.properties()["Panicked"]
    assert world.hakctl("set-mode", "fast").returncode == 1
    assert world.hakctl("panic", "--off").returncode == 0
    assert world.properties()["Mode"] == "fast"


def rules_apply_to_their_programs_alone(world):
    world.write_config("[rule sim]\nprogram = sim_*\nmode = learning\n")
    world.start_daemon()
    client = world.client("busy")
    wait_for(lambda: [p for p in world.stats()["processes"] if p["mode"] == "learning"], "the rule is obeyed")
    process = world.stats(str(client.pid))["processes"][0]
    assert process["mode_source"] == "rule", process
    world.call("SetMode", "sa{sv}", "fast", "0")
    wait_for(lambda: world.stats()["processes"][0]["mode"] == "fast", "set-mode beats the rule")
    world.call("SetMode", "sa{sv}", "default", "0")
    wait_for(lambda: world.stats()["processes"][0]["mode"] == "learning", "the rule is back")
    world.hakctl_until_good("verify")


def reload_takes_a_good_file_and_refuses_a_bad_one(world):
    world.write_config("[daemon]\nmode = fast\n")
    world.start_daemon()
    world.write_config("[daemon]\nmode = minimal\n")
    world.call("Reload", "a{sv}", "0")
    assert world.properties()["ConfiguredMode"] == "minimal" == world.properties()["Mode"]
    world.write_config("[daemon]\n\nmoed = fast\n")
    name, message = world.error_of("Reload", "a{sv}", 0)
    assert name == "org.hakmem1.Error.ConfigInvalid" and ":3: " in message and "'mode'" in message, message
    assert world.properties()["Mode"] == "minimal"
    result = subprocess.run(
        [build("hakmemd"), "--check-config", "--config=" + world.config], capture_output=True, text=True
    )
    assert result.returncode == 1 and ":3: " in result.stderr, result


def check_config_wants_a_file_only_where_one_was_named(world):
    """As the daemon, which starts without the default file."""
    home = os.path.join(world.directory, "home")
    check = [build("hakmemd"), "--check-config", "--user"]
    env = dict(os.environ, XDG_RUNTIME_DIR=home, XDG_STATE_HOME=home, XDG_CONFIG_HOME=home)
    subprocess.run(check, env=env, check=True)
    named = os.path.join(home, "hakmem/hakmemd.conf")
    result = subprocess.run([*check, "--config=" + named], env=env, capture_output=True, text=True)
    assert result.returncode == 1 and named + ": No such file" in result.stderr, result
    os.makedirs(os.path.dirname(named))
    with open(named, "w") as file:
        file.write("[daemon]\nmoed = fast\n")
    result = subprocess.run(check, env=env, capture_output=True, text=True)
    assert result.returncode == 1 and ":2: " in result.stderr, result


def features_name_what_this_daemon_can(world):
    """A client asks here before it calls: each feature of the interface has its word."""
    world.start_daemon()
    features = world.properties()["Features"]
    assert len(features) == len(set(features)), features
    assert {"modes", "holds", "jobs", "purge", "profiles", "learning", "priors"} <= set(features), features


def explain_tells_the_order_and_the_choice(world):
    world.write_config("[daemon]\nmode = fast\n[rule sim]\nprogram = sim_*\nmode = learning\n")
    world.start_daemon()
    world.client("busy")
    world.wait_processes(1)
    document = world.document("Explain", "sa{sv}", "*", 0)
    chosen = [c["source"] for c in document["candidates"] if c["chosen"]]
    assert chosen == ["configured"], document["candidates"]
    process = document["processes"][0]
    assert [c["source"] for c in process["candidates"] if c["chosen"]] == ["rule"], process
    pinned = world.client("pinned", "minimal")
    world.wait_processes(2)
    process = world.document("Explain", "sa{sv}", "pid:%d" % pinned.pid, 0)["processes"][0]
    assert [(c["source"], c["mode"]) for c in process["candidates"] if c["chosen"]] == [
        ("environment", "minimal")], process


def drop_in_is_read_and_a_bad_one_refused_at_sighup(world):
    world.write_config("[daemon]\nmode = fast\n")
    os.mkdir(world.config + ".d")
    world.start_daemon()
    with open(world.config + ".d/10-local.conf", "w") as file:
        file.write("[daemon]\nmode = minimal\n")
    world.daemon.send_signal(signal.SIGHUP)
    wait_for(lambda: world.properties()["Mode"] == "minimal", "the drop-in is in force")
    with open(world.config + ".d/20-bad.conf", "w") as file:
        file.write("[purge]\nidel = 2s\n")
    world.daemon.send_signal(signal.SIGHUP)
    wait_for(lambda: "20-bad.conf:2: " in open(world.log).read(), "the refusal is in the log")
    assert "did you mean 'idle'" in open(world.log).read()
    assert world.properties()["Mode"] == "minimal"


def profile_applies_to_its_target_and_survives_a_restart(world):
    world.write_config("[rule sim]\nprogram = sim_*\nmode = minimal\n")
    world.start_daemon()
    one, other = world.client("busy"), world.client("busy")
    world.wait_processes(2)
    mode = lambda client: world.stats(str(client.pid))["processes"][0]["mode"]
    wait_for(lambda: mode(one) == "minimal" == mode(other), "the rule is obeyed")
    world.call("SetProfile", "sa{sv}a{sv}", "pid:%d" % one.pid, "1", "mode", "s", "research", "0")
    wait_for(lambda: mode(one) == "research", "the profile is obeyed")
    assert mode(other) == "minimal"
    context = world.stats(str(other.pid))["processes"][0]["context"]
    world.call("SetProfile", "sa{sv}a{sv}", "context:" + context, "1", "mode", "s", "fast", "0")
    wait_for(lambda: mode(one) == "fast" == mode(other), "the newest profile wins")
    world.call("SetMode", "sa{sv}", "balanced", "0")
    time.sleep(0.2)
    assert mode(other) == "fast", "what is set for some is not changed for all"
    process = world.document("Explain", "sa{sv}", "pid:%d" % other.pid, 0)["processes"][0]
    chosen = [c for c in process["candidates"] if c["chosen"]]
    assert len(chosen) == 1 and chosen[0]["evidence"] == "context:" + context, process["candidates"]
    world.hakctl_until_good("verify")
    world.stop_daemon()
    world.start_daemon()
    world.wait_processes(2)
    wait_for(lambda: mode(one) == "fast" == mode(other), "it is kept")
    world.call("ClearProfile", "sa{sv}", "context:" + context, "0")
    wait_for(lambda: mode(one) == "balanced", "set-mode is in force")
    name, _ = world.error_of("ClearProfile", "sa{sv}", "context:" + context, 0)
    assert name == "org.hakmem1.Error.NoSuchTarget", name
    for target, keys, error in (
        ("*", ("1", "mode", "s", "fast"), "some processes"),
        ("pid:4194000", ("1", "mode", "s", "fast"), "no process"),
        ("unit:a.service", ("0",), "needs"),
        ("unit:a.service", ("1", "mode", "s", "fsat"), "fast"),
        ("unit:a.service", ("1", "moed", "s", "fast"), "mode"),
    ):
        result = world.busctl("call", NAME, PATH, INTERFACE, "SetProfile", "sa{sv}a{sv}", target, *keys, "0")
        assert result.returncode and error in result.stderr, (target, keys, result.stderr)


def learning_that_is_off_freezes_what_would_learn(world):
    world.write_config("[daemon]\nmode = learning\n[rule sim]\nprogram = sim_*\nlearning = no\n")
    world.start_daemon()
    client = world.client("busy")
    policy = lambda: world.stats(str(client.pid))["processes"][0]["policy"]
    world.wait_processes(1)
    wait_for(lambda: policy() and policy()["evolution"] == "frozen", "it does not learn")
    assert policy()["mode"] == "learning"
    explained = world.document("Explain", "sa{sv}", "*", 0)["processes"][0]["learning"]
    assert explained == {"allowed": False, "source": "rule", "evidence": "sim"}, explained
    world.write_config("[daemon]\nmode = learning\n")
    world.call("Reload", "a{sv}", "0")
    wait_for(lambda: policy()["evolution"] == "learn", "it learns")


run_tests(
    [
        drop_in_is_read_and_a_bad_one_refused_at_sighup,
        profile_applies_to_its_target_and_survives_a_restart,
        learning_that_is_off_freezes_what_would_learn,
        modes_are_set_and_properties_change,
        each_property_that_changes_is_told,
        mode_that_is_in_force_already_moves_no_serial,
        mode_default_gives_the_decision_back,
        errors_have_their_names,
        others_may_read_and_not_change,
        state_that_cannot_be_written_is_in_force_and_written_later,
        hold_beats_set_mode_and_dies_with_its_client,
        panic_is_kept_over_a_restart,
        rules_apply_to_their_programs_alone,
        reload_takes_a_good_file_and_refuses_a_bad_one,
        check_config_wants_a_file_only_where_one_was_named,
        features_name_what_this_daemon_can,
        explain_tells_the_order_and_the_choice,
    ]
)
