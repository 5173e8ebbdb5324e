#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""What hakctl export of one host tells another: tallies, which are evidence, or priors, which are none."""

import glob
import hashlib
import json
import os
import subprocess
import threading
import time

from hakbus import build, run_tests, wait_for
from players import HOARD, KEEP, games_of, play, said, start, strategy_of


def export_ten_games_of(world, program):
    play(world, program, HOARD, 0, 5, 50)
    wait_for(lambda: games_of(world, program) == 10, "ten games are known")
    file = world.directory + "/tallies.json"
    assert world.hakctl("export", file).returncode == 0
    return file


def export_and_import_double_nothing(world):
    start(world)
    file = export_ten_games_of(world, "told")
    for _ in range(3):
        result = world.hakctl("import", "--json", file)
        assert result.returncode == 0, result.stderr
        assert json.loads(result.stdout) == {"schema": 1, "tallies": 1, "news": 0}
    assert games_of(world, "told") == 10
    result = world.hakctl("import", "--json", "-", input=open(file).read())
    assert json.loads(result.stdout) == {"schema": 1, "tallies": 1, "news": 0}, result
    assert world.error_of("Freeze", "sa{sv}", "pid:12abc", 0)[0] == "org.hakmem1.Error.NoSuchTarget"
    result = world.hakctl("export", "/dev/full")
    assert result.returncode == 1 and "'/dev/full': No space left" in result.stderr, result
    with open("/dev/full", "w") as full:
        result = subprocess.run([build("hakctl"), "--bus=" + world.address, "export", "-"], stdout=full,
                                stderr=subprocess.PIPE, text=True)
    assert result.returncode == 1 and "No space left" in result.stderr, result
    result = world.hakctl("import", world.directory)
    assert result.returncode == 1 and "Is a directory" in result.stderr, result
    document = json.load(open(file))
    document["contexts"][0]["tallies"][0]["incarnation"] = "12345"
    json.dump(document, open(file, "w"))

    def tallied():  # what hakmemd decides by it comes when it comes
        return [(s["name"], s["games"], s["gain_percent"]) for s in strategy_of(world, "told")["strategies"]]

    assert games_of(world, "told") == 10
    assert json.loads(world.hakctl("import", "--json", file).stdout)["news"] == 1
    assert json.loads(world.hakctl("import", "--json", file).stdout)["news"] == 0
    assert games_of(world, "told") == 20
    after = tallied()
    document["contexts"][0]["tallies"][0]["plus"] = "99999999999"
    json.dump(document, open(file, "w"))
    assert world.hakctl("import", file).returncode == 1
    assert tallied() == after, (after, tallied())


def import_that_cannot_be_saved_says_so(world):
    start(world)
    file = export_ten_games_of(world, "told")
    document = json.load(open(file))
    document["contexts"][0]["tallies"][0]["incarnation"] = "12345"
    json.dump(document, open(file, "w"))
    [saved] = wait_for(lambda: glob.glob(world.state + "/contexts/*.json"), "its context is saved")
    os.mkdir(saved + ".new")  # what the daemon has to write first
    result = world.hakctl("import", file)
    assert result.returncode == 1 and "not saved yet" in result.stderr, result
    assert world.state in result.stderr, result
    assert games_of(world, "told") == 20
    os.rmdir(saved + ".new")


def name_of_two_contexts_is_refused_as_such(world):
    start(world)
    file = export_ten_games_of(world, "twin")
    document = json.load(open(file))
    document["contexts"][0]["context"] = "0123456789abcdef" * 2
    json.dump(document, open(file, "w"))
    assert world.hakctl("import", file).returncode == 0
    result = world.hakctl("freeze", "twin")
    assert result.returncode == 1 and "several contexts are called 'twin'" in result.stderr, result
    assert world.hakctl("freeze", "0123456789abcdef" * 2).returncode == 0


def refuses_what_is_no_export(world, file):
    text = open(file).read()
    incomplete = json.loads(text)
    del incomplete["contexts"][0]["tallies"][0]["week"]
    for wrong, why in ((text[:100], "no JSON from byte "), ("tallies", "no JSON from byte 0 on"),
                       ("{}", '"schema" must be 1'),
                       ('{"schema": 1}', '"contexts" must be an array'),
                       (text.replace('"context": "', '"context": "g'),
                        'context 1: "context" must be 32 hexadecimal digits'),
                       (json.dumps(incomplete), "context 1, tally 1: a number of it is missing")):
        open(file + ".wrong", "w").write(wrong)
        for words in ("import",), ("import", "--priors"):
            result = world.hakctl(*words, file + ".wrong")
            assert result.returncode == 1 and f"no export of tallies ({why}" in result.stderr, result
            assert "nothing was taken" in result.stderr, result


def priors_move_ratings_and_decide_nothing(world):
    start(world)
    play(world, "teacher", HOARD, 0, 12, 100)
    wait_for(lambda: said(world, "froze-winner"), "it freezes")
    file = world.directory + "/tallies.json"
    assert world.hakctl("export", file).returncode == 0
    document = json.load(open(file))
    for context in document["contexts"]:
        context["program"] = "pupil"
        for tally in context["tallies"]:
            tally["incarnation"] = "12345"
    json.dump(document, open(file, "w"))
    play(world, "pupil", KEEP, 0, 1, 30)
    wait_for(lambda: games_of(world, "pupil") == 2, "two games are known")
    assert strategy_of(world, "pupil")["prior"] == "all"
    for news in 1, 0:
        result = world.hakctl("import", "--priors", "--json", file)
        assert json.loads(result.stdout) == {"schema": 1, "tallies": 1, "news": news}, result

    def hoard_of_the_pupil():
        context = strategy_of(world, "pupil")
        assert context["phase"] == "learn" and context["epoch"] == 0 and context["games"] == 2, context
        hoard = [s for s in context["strategies"] if s["name"] == "hoard"][0]
        assert context["prior"] == "imported", context
        assert hoard["prior_games"] == 8 and hoard["games"] == 0 and hoard["elo"] > 1550, hoard
        return hoard

    hoard_of_the_pupil()
    text = world.hakctl("explain", "pupil").stdout
    assert "prior: of this program on other hosts" in text and "PRIOR" in text, text
    refuses_what_is_no_export(world, file)
    world.stop_daemon()
    world.start_daemon()
    wait_for(lambda: games_of(world, "pupil") == 2, "it is read again")
    hoard_of_the_pupil()
    assert strategy_of(world, "teacher")["games"] == 24  # which the import left alone


def answers_during(world, *command):
    """How many others are answered before hakctl has what it asked for."""
    asking = world.spawn([build("hakctl"), "--bus=" + world.address, *command], stdout=subprocess.PIPE)
    told, answered = [], 0
    reader = threading.Thread(target=lambda: told.append(asking.stdout.read()))
    reader.start()
    while reader.is_alive():
        world.properties()
        answered += 1
    return answered, told[0]


def descriptors_of(world):
    return len(os.listdir(f"/proc/{world.daemon.pid}/fd"))


def descriptors_at_rest(world):
    """The fewest within a second: some are open for a moment, as while a journal is written."""
    counts = []
    for _ in range(100):
        counts.append(descriptors_of(world))
        time.sleep(0.01)
    return min(counts)


def who_asks_for_all_contexts_keeps_nobody_waiting(world):
    """Some are written at a time: ratings take a millisecond each; tallies, also those on the disk alone."""
    count = 600
    start(world)
    file = export_ten_games_of(world, "told")
    document = json.load(open(file))
    [context] = document["contexts"]
    hashes = [hashlib.md5(b"%d" % i).hexdigest() for i in range(count)]
    context["tallies"] = [dict(context["tallies"][0], dimensions=str(i)) for i in range(100)]
    document["contexts"] = [dict(context, context=name, program="p" + name) for name in hashes]
    json.dump(document, open(file, "w"))
    assert world.hakctl("import", file).returncode == 0
    answered, told = answers_during(world, "ratings", "--json")
    assert len(json.loads(told)["contexts"]) == count + 1
    assert answered > 10, answered
    for _ in range(2):
        descriptors = descriptors_at_rest(world)
        answered, _ = answers_during(world, "export", file)
        wait_for(lambda: descriptors_of(world) == descriptors, "all are closed")
        exported = [context["context"] for context in json.load(open(file))["contexts"]]
        assert len(exported) == count + 1 and set(hashes) < set(exported), exported
        assert answered > 5, answered
        world.stop_daemon()
        world.start_daemon()


run_tests([export_and_import_double_nothing, import_that_cannot_be_saved_says_so,
           name_of_two_contexts_is_refused_as_such,
           priors_move_ratings_and_decide_nothing, who_asks_for_all_contexts_keeps_nobody_waiting])
