#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""What hakmemd makes of what processes tell of their games: decisions, tallies, poisoning, verbs.

The processes are simulated: what they played is known to the pair.
"""

import json
import os
import shutil
import signal
import subprocess
import time

from hakbus import build, run_tests, wait_for
from players import HOARD, KEEP, games_of, named, play, ratings, said, start, strategy_of

def a_won_contest_is_frozen_and_published(world):
    start(world)
    play(world, "winner", HOARD, 0, 12, 100)
    wait_for(lambda: said(world, "froze-winner"), "it freezes")
    play(world, "winner", KEEP, 0, 12, -100)
    wait_for(lambda: games_of(world, "winner") == 48, "the other's games are known, too")
    context = strategy_of(world, "winner")
    assert context["strategy"] == "hoard" and context["epoch"] == 1, context
    by_name = {s["name"]: s for s in context["strategies"]}
    assert by_name["hoard"]["verdict"] == "in force", context
    assert by_name["keep"]["verdict"] == "worse than safe", context
    assert by_name["hoard"]["elo"] > 1600 and by_name["hoard"]["games"] == 24
    assert abs(by_name["hoard"]["gain_percent"] - 9.5) < 1, by_name["hoard"]
    assert 0 < by_name["hoard"]["stderr"] < 200
    assert by_name["bulk"]["verdict"] == "not played" and by_name["bulk"]["games"] == 0
    lines = said(world, "froze-winner")
    assert len(lines) == 1 and "safe -> hoard" in lines[0] and "cheaper than safe" in lines[0], lines
    # its processes are told in their entries
    world.hakctl_until_good("verify")


def a_small_difference_is_not_frozen(world):
    start(world)
    play(world, "same", HOARD, 0, 3, 100)
    wait_for(lambda: games_of(world, "same") == 6, "six games are known")
    time.sleep(1.5)
    assert strategy_of(world, "same")["phase"] == "learn"
    assert strategy_of(world, "same")["strategy"] == "safe"


def the_next_process_of_a_frozen_context_has_the_winner(world):
    start(world)
    play(world, "winner", HOARD, 0, 12, 100)
    wait_for(lambda: said(world, "froze-winner"), "it freezes")
    world.stop_daemon()
    world.start_daemon()  # from disk
    world.spawn([named(world, "winner"), world.runtime, "busy"])
    process = wait_for(
        lambda: [p for p in world.stats()["processes"] if p["policy"]["strategy"] == HOARD],
        "a process has it",
    )
    assert process[0]["policy"]["mode"] == "learning", process


def the_first_allocation_already_has_the_winner(world):
    """Before the daemon has seen the process: it is not even there."""
    start(world)
    environment = dict(os.environ, LD_PRELOAD=build("libhakmem.so"), HAKMEM_RUNTIME_DIR=world.runtime)
    play(world, "winner", HOARD, 0, 12, 100)
    wait_for(lambda: said(world, "froze-winner"), "it freezes")
    world.stop_daemon(signal.SIGKILL)
    before = set(world.files())
    path = world.directory + "/winner"
    os.unlink(path)
    shutil.copy(shutil.which("sleep"), path)
    for program, strategy in ((path, HOARD), (shutil.which("sleep"), 0)):
        process = world.spawn([program, "1000"], env=environment)
        name = wait_for(lambda: set(world.files()) - before, "its telemetry file")
        before |= name
        wait_for(lambda: applied(world, name), "it has a policy")
        assert applied(world, name) >> 24 & 0xff == strategy, hex(applied(world, name))
        process.kill()


def applied(world, names):
    """The policy word in force in slot 0 of the one file."""
    with open("%s/clients/%s" % (world.runtime, list(names)[0]), "rb") as file:
        return int.from_bytes(file.read(4096)[2048 + 32 : 2048 + 40], "little")


def nothing_is_lost_or_doubled_by_kill_9(world):
    """Whenever daemon and processes are killed: the sum of what was played."""
    start(world)
    played = 0
    for round in range(5):
        keeps = play(world, "kept", HOARD, 0, 1, 30)
        ends = play(world, "kept", KEEP, 0, 1, 30, end=True)
        played += 4
        is_killed = round % 3 == 1
        if round % 2 or is_killed:  # it may not have played yet
            wait_for(lambda: games_of(world, "kept") == played, "%d games" % played)
        world.stop_daemon(signal.SIGKILL)
        if is_killed:
            keeps.kill()
            keeps.wait()
        world.start_daemon()
        wait_for(lambda: games_of(world, "kept") == played, "%d games after kill -9" % played)
    world.stop_daemon()
    world.start_daemon()
    assert ratings(world) == [] or games_of(world, "kept") == played
    wait_for(lambda: games_of(world, "kept") == played, "%d games at the end" % played)


def hostile(world, how, user):
    """It lies once its standard input has ended."""
    return world.spawn(
        [named(world, "victim"), world.runtime, "hostile", how], user=user, stdin=subprocess.PIPE
    )


def a_hostile_writer_moves_nothing_but_its_own(world):
    """As another user, in a context that an honest one shares, and beside others."""
    start(world)
    user = 65534 if os.getuid() == 0 else None
    play(world, "other", HOARD, 0, 5, 50)
    if user:
        play(world, "victim", HOARD, 0, 5, 50)
    wait_for(lambda: games_of(world, "other") == 10, "ten games are known")
    before = strategy_of(world, "other")
    for how in ("huge", "fall", "inconsistent"):
        log, games = len(said(world, "is not believed any more")), games_of(world, "victim")
        process = hostile(world, how, user)
        wait_for(lambda: games_of(world, "victim") == games + 8, "it is believed so far")
        process.stdin.close()
        wait_for(lambda: len(said(world, "is not believed any more")) == log + 1, how + " is journaled")
        time.sleep(1.2)  # nor is it believed, or journaled, again
        assert len(said(world, "is not believed any more")) == log + 1, how
        process.kill()
        process.wait()
    assert strategy_of(world, "other") == before
    if user:
        assert strategy_of(world, "victim")["strategy"] == "safe"
        hoard = [s for s in strategy_of(world, "victim")["strategies"] if s["name"] == "hoard"][0]
        assert abs(hoard["gain_percent"] - 5) < 1, hoard


def of_two_users_who_share_a_context_one_alone_freezes_nothing(world):
    """The median of two is who claims less."""
    if os.getuid() != 0:
        return
    start(world)
    play(world, "shared", HOARD, 0, 6, 1)
    wait_for(lambda: games_of(world, "shared") == 12, "twelve games are known")
    play(world, "shared", HOARD, 0, 500, 400, user=65534)
    wait_for(lambda: games_of(world, "shared") == 1012, "a thousand more are known")
    time.sleep(1.5)
    assert strategy_of(world, "shared")["phase"] == "learn"


def people_freeze_thaw_and_roll_back(world):
    start(world)
    play(world, "mine", HOARD, 0, 3, 100)
    wait_for(lambda: games_of(world, "mine") == 6, "six games are known")
    assert world.hakctl("freeze", "mine").returncode == 0
    context = strategy_of(world, "mine")
    assert (context["phase"], context["held"], context["strategy"]) == ("frozen", True, "hoard"), context
    assert world.hakctl("rollback", context["context"]).returncode == 0
    assert strategy_of(world, "mine")["strategy"] == "safe"
    assert strategy_of(world, "mine")["rollbacks"] == 1
    assert world.hakctl("thaw", "mine").returncode == 0
    assert strategy_of(world, "mine")["phase"] == "learn"
    assert world.hakctl("thaw", "nobody").returncode == 1
    explained = world.hakctl("explain", "mine").stdout
    assert "why: uid" in explained and "what would change it" in explained, explained
    pid = world.started[-1].pid
    explained = lambda: world.hakctl("explain", str(pid)).stdout
    wait_for(lambda: "runs mode learning" in explained(), "it runs what is published")
    assert "hoard" in explained(), explained()
    assert len(said(world, "by-hand")) == 3


def contexts_are_listed_and_signalled(world):
    start(world)
    monitor = world.spawn(
        ["dbus-monitor", "--address", world.address, "interface='org.hakmem1.Manager'"],
        stdout=open(world.directory + "/signals", "w"),
    )
    wait_for(lambda: os.path.getsize(world.directory + "/signals"), "it listens")
    play(world, "mine", HOARD, 0, 3, 100)
    wait_for(lambda: games_of(world, "mine") == 6, "six games are known")
    contexts, following = world.call("ListContexts", "a{sv}su", "0", "", "10")
    assert following == "" and len(contexts) == 1
    assert contexts[0]["games"]["data"] == 6 and len(contexts[0]["context"]["data"]) == 32
    assert world.hakctl("freeze", "mine").returncode == 0
    text = wait_for(
        lambda: (lambda t: "frozen-by-hand" in t and "member=ContextChanged" in t and t)(
            open(world.directory + "/signals").read()
        ),
        "signals",
    )
    assert "member=Decision" in text and '"mine"' not in text.split("member=Decision")[1]
    monitor.kill()


def learn_and_stop(world):
    """Three pairs in the context "mine", and the daemon is stopped. Return: the file that tells of them."""
    start(world)
    play(world, "mine", HOARD, 0, 3, 100, end=True)
    directory = world.state + "/contexts/"
    name = wait_for(lambda: [n for n in os.listdir(directory) if n.endswith(".json")], "it is saved")[0]
    world.stop_daemon()
    return directory + name


def a_damaged_context_is_kept_aside(world):
    path = learn_and_stop(world)
    with open(path, "r+") as file:
        file.truncate(os.path.getsize(path) // 2)
    world.start_daemon()
    play(world, "mine", HOARD, 0, 2, 100)
    wait_for(lambda: games_of(world, "mine") == 4, "it counts anew")
    assert os.path.exists(path + ".bad")


def a_context_of_a_later_version_is_left_alone(world):
    """What it learned waits for that version; nothing is learned, or saved over it, meanwhile."""
    path = learn_and_stop(world)
    document = json.load(open(path))
    document["schema"] = 99
    text = json.dumps(document)
    open(path, "w").write(text)
    world.start_daemon()
    play(world, "mine", HOARD, 0, 2, 100, end=True)
    time.sleep(1.5)
    world.stop_daemon()
    assert open(path).read() == text
    assert os.listdir(os.path.dirname(path)) == [os.path.basename(path)]


def starts(world, program, a, b, children=()):
    """A process begins with a side of its trial and costs what is said of that: (CPU usec, KiB).
    Children: what that of A costs, and that of B."""
    path = world.directory + "/starts/" + program
    if not os.path.exists(path):
        os.makedirs(os.path.dirname(path), exist_ok=True)
        shutil.copy(build("tests/sim_start"), path)
    return world.run([path, world.runtime, *map(str, (*a, *b, *children))]).stdout.strip()


def open_trial(world, program, a, b, children=()):
    """That they are large is seen when they have ended. Return: the side of the first that has one."""
    return wait_for(lambda: starts(world, program, a, b, children).strip("-"), "a trial is open")


def try_until(world, program, a, b, word, most=120):
    """Starts processes until the journal has `word`. Return: how many began with A, and with B."""
    sides = open_trial(world, program, a, b)
    while not said(world, word):
        assert len(sides) < most, "%s after %s\n%s" % (word, sides, strategy_of(world, program))
        sides += starts(world, program, a, b)
        if sides.endswith("-"):  # who starts once it is decided; the journal may come a moment later
            wait_for(lambda: said(world, word), word)
    assert sides.count("-") <= 1, sides
    return [sides.count(side) for side in "AB"]


def a_layout_that_wins_across_processes_is_frozen(world):
    start(world)
    a, b = try_until(world, "large", (100000, 50000), (90000, 51000), "froze-winner")
    assert a and b, (a, b)
    context = strategy_of(world, "large")
    assert (context["strategy"], context["phase"], context["epoch"]) == ("huge", "frozen", 1), context
    huge = [s for s in context["strategies"] if s["name"] == "huge"][0]
    assert huge["verdict"] == "in force" and abs(huge["gain_percent"] - 10) < 1, huge
    assert "pairs of processes" in said(world, "froze-winner")[0]
    assert starts(world, "large", (1, 1), (1, 1)) == "-"  # it is over


def a_layout_that_takes_more_memory_loses(world):
    start(world)
    try_until(world, "greedy", (100000, 50000), (70000, 60000), "trial-over")
    context = strategy_of(world, "greedy")
    assert context["strategy"] == "safe", context
    assert "huge is not cheaper than safe" in context["why"], context


def what_children_cost_counts(world):
    """All that differs is theirs."""
    start(world)
    costs = (100000, 50000), (100000, 50000), (50000, 20000)
    open_trial(world, "server", *costs)
    wait_for(
        lambda: starts(world, "server", *costs) and games_of(world, "server") >= 4, "two pairs are played"
    )
    huge = [s for s in strategy_of(world, "server")["strategies"] if s["name"] == "huge"][0]
    assert abs(huge["gain_percent"] - 20) < 1, huge


def slot_of(file, number):
    """(trial, CPU usec, peak KiB) of a slot."""
    at = 2048 + 2048 * number
    words = [int.from_bytes(file[at + i : at + i + 4], "little") for i in (84, 120, 124)]
    return tuple(words)


def read_slots(world, name):
    with open("%s/clients/%s" % (world.runtime, name), "rb") as file:
        content = file.read(16384)
    return [slot_of(content, number) for number in (0, 1)]


WORK = "x = [str(i) for i in range(300000)]\n"
STAYS = "\nimport time\ntime.sleep(1000)"


def open_real_trial(world):
    """Of the context of a Python program. Return: a function that starts it with a script, and gives its
    telemetry file's name."""
    environment = dict(os.environ, LD_PRELOAD=build("libhakmem.so"), HAKMEM_RUNTIME_DIR=world.runtime)
    environment.update(PYTHONHOME="/usr", PYTHONMALLOC="malloc")
    program = world.directory + "/forking"
    shutil.copy("/usr/bin/python3", program)

    def spawn(script):
        before = set(world.files())
        world.spawn([program, "-S", "-c", script + STAYS], env=environment)
        return wait_for(lambda: set(world.files()) - before, "its telemetry file").pop()

    # That they are large is seen when they have ended.
    is_open = lambda: [c for c in ratings(world) if c["program"] == "forking" and c["trial"] == "huge"]
    wait_for(lambda: world.run([program, "-S", "-c", WORK], env=environment) and is_open(), "a trial is open")
    return spawn


def a_start_tells_its_own_memory_and_what_its_children_cost(world):
    """ru_maxrss is the parent's, where that is larger and starts others by vfork, as we do here."""
    start(world)
    ballast = b"x" * (160 << 20)
    # The child waits for the end of its parent, which is all that this test can end.
    script = (
        "import os\nends = os.pipe()\n" + WORK + "child = os.fork() == 0\n" + WORK +
        "if child:\n os.close(ends[1])\n os.read(ends[0], 1)\n os._exit(0)\n"
    )
    name = open_real_trial(world)(script)

    def both_have_told():
        (_, cpu, peak), (_, child_cpu, child_peak) = read_slots(world, name)
        return cpu > child_cpu > 10000 and peak > 20000 and child_peak > 20000

    wait_for(both_have_told, "both have worked, the parent twice")
    (trial, _, peak), (child_trial, _, child_peak) = read_slots(world, name)
    assert trial in (1, 9) and child_trial == trial, read_slots(world, name)
    assert peak < 100000 and child_peak < 100000 < len(ballast) >> 10, read_slots(world, name)


def a_child_that_ends_by_exit_tells_all_that_it_cost(world):
    """What it does last needs no allocation, so that nothing of it is published before."""
    start(world)
    spawn = open_real_trial(world)
    told = world.directory + "/told"
    script = (
        "import os, time\nblock = bytes(8 << 20)\nif os.fork() == 0:\n"
        " for i in range(40): block.count(b'x')\n"
        " open('%s.new', 'w').write(str(time.process_time()))\n os._exit(0)\n"
        "os.wait()\nos.rename('%s.new', '%s')\n" % (told, told, told)
    )

    def a_child_has_told():
        """A trial is over when a minute is: where all is slow another one has to be tried."""
        name = spawn(script)
        wait_for(lambda: os.path.exists(told), "the child has ended and said what it cost")
        seconds = float(open(told).read())
        os.remove(told)
        trial, usec, _ = read_slots(world, name)[1]
        return trial and usec >= seconds * 1e6 > 0

    wait_for(a_child_has_told, "its telemetry says so, too")


def no_trial_in_other_modes(world):
    start(world)
    open_trial(world, "large", (100000, 50000), (90000, 50000))
    assert "trial: half of the processes that start run huge" in world.hakctl("explain", "large").stdout
    assert world.hakctl("set-mode", "balanced").returncode == 0
    side = lambda: starts(world, "large", (100000, 50000), (90000, 50000))
    wait_for(lambda: side() == "-", "the first one tells the daemon that somebody started")
    sides = [side() for _ in range(5)]
    assert set(sides) == {"-"}, sides


def a_pair_of_processes_is_counted_once_whoever_is_killed(world):
    start(world)
    wait_for(
        lambda: starts(world, "large", (100000, 50000), (90000, 50000)) and games_of(world, "large") >= 4,
        "two pairs are played",
    )
    wait_for(lambda: not world.files(), "all results are known")
    games = games_of(world, "large")
    for _ in range(2):
        world.stop_daemon(signal.SIGKILL)
        world.start_daemon()
        client = world.spawn([named(world, "large"), world.runtime, "busy"])
        wait_for(lambda: games_of(world, "large"), "it is read from disk")
        assert games_of(world, "large") == games
        client.kill()
        client.wait()


def real_processes_run_the_layout_of_their_side(world):
    """Half of them have huge pages from the first superslab on; each tells what it cost."""
    start(world)
    environment = dict(os.environ, LD_PRELOAD=build("libhakmem.so"), HAKMEM_RUNTIME_DIR=world.runtime)
    program = world.directory + "/hungry"
    shutil.copy("/usr/bin/python3", program)
    environment["PYTHONHOME"] = "/usr"
    work = [program, "-S", "-c", "x = [str(i) for i in range(200000)]"]
    wait_for(
        lambda: world.run(work, env=environment) and games_of(world, "hungry") >= 4, "two pairs are played"
    )
    huge = [s for s in strategy_of(world, "hungry")["strategies"] if s["name"] == "huge"][0]
    assert huge["games"] >= 4 and huge["verdict"] != "not played", huge


def machine_costs_are_measured_once(world):
    start(world)
    header = open(world.runtime + "/control.v1", "rb").read(4096)[128:148]
    costs = [int.from_bytes(header[i : i + 4], "little") for i in range(0, 20, 4)]
    small, huge, populate, madvise, call = costs
    assert 50 < small < 1000000 and 10 < call < 100000 and 1 < madvise < small, costs
    world.stop_daemon()
    world.start_daemon()
    assert open(world.runtime + "/control.v1", "rb").read(4096)[128:148] == header


run_tests(
    [
        a_won_contest_is_frozen_and_published,
        a_small_difference_is_not_frozen,
        the_next_process_of_a_frozen_context_has_the_winner,
        the_first_allocation_already_has_the_winner,
        nothing_is_lost_or_doubled_by_kill_9,
        a_hostile_writer_moves_nothing_but_its_own,
        of_two_users_who_share_a_context_one_alone_freezes_nothing,
        people_freeze_thaw_and_roll_back,
        contexts_are_listed_and_signalled,
        a_damaged_context_is_kept_aside,
        a_context_of_a_later_version_is_left_alone,
        machine_costs_are_measured_once,
        a_layout_that_wins_across_processes_is_frozen,
        a_layout_that_takes_more_memory_loses,
        what_children_cost_counts,
        a_start_tells_its_own_memory_and_what_its_children_cost,
        a_child_that_ends_by_exit_tells_all_that_it_cost,
        no_trial_in_other_modes,
        a_pair_of_processes_is_counted_once_whoever_is_killed,
        real_processes_run_the_layout_of_their_side,
    ]
)
