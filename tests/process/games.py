#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Learning inside a process: games are really played, decided and frozen; a schedule is obeyed; a strategy in
the policy word holds from the first allocation; modes that do not learn play nothing."""
import glob
import os
import struct
import subprocess
import sys

import hak
import sandbox
import telemetry

BIG = str(8 << 20)
PHASES = ["none", "watch", "play", "frozen", "canary"]


def strategies():
    done = subprocess.run([hak.tool("tools/make_segment"), "list"], capture_output=True, text=True,
                          check=True)
    return done.stdout.split()


class Game:
    """What a process said of its games in its telemetry file, by the offsets of docs/shm-protocol.md."""

    def __init__(self, path):
        with open(path, "rb") as source:
            data = source.read()
        self.slots = telemetry.read_file(path)
        self.slot = self.slots[0]
        self.counter = self.slot.counter
        self.game_id, phase, strategies_word, self.window_ticks, self.operations, self.scatter, self.pairs = \
            struct.unpack_from("<Q6I", data, telemetry.HEADER_BYTES + 88)
        self.phase = PHASES[phase]
        self.in_force = strategies_word & 255
        self.tallies = []
        for offset in range(64, telemetry.HEADER_BYTES, 64):
            key_a, key_b, *outcome, _, plus, minus, squares = struct.unpack_from("<2Q5II3Q", data, offset)
            if key_a:
                self.tallies.append({"keys": (key_a, key_b), "outcome": outcome, "plus": plus,
                                     "minus": minus, "squares": squares})

    def __str__(self):
        games = {name: value for name, value in self.counter.items() if name.startswith("game_")}
        return (f"phase {self.phase}, strategy {self.in_force}, {self.pairs} pairs, {self.operations} "
                f"operations, scatter {self.scatter} per mille, {games}, {self.tallies}")


def keys():
    done = subprocess.run([hak.tool("tools/make_segment"), "keys"], capture_output=True, text=True,
                          check=True)
    return {name: int(key) for name, key in (line.split() for line in done.stdout.splitlines())}


def run(box, program, *arguments, mode=None, **settings):
    """A preloaded program to its end; what it says of its games."""
    clients = os.path.join(box.runtime, "clients")
    os.makedirs(clients, exist_ok=True)
    for path in glob.glob(os.path.join(clients, "*")):
        os.unlink(path)
    done = subprocess.run([hak.tool(program), *arguments], env=box.env(mode=mode, **settings),
                          capture_output=True, text=True, timeout=sandbox.PATIENCE_SECONDS, check=False)
    files = glob.glob(os.path.join(clients, "*"))
    if done.returncode or len(files) != 1:
        raise RuntimeError(f"{program}: status {done.returncode}, {len(files)} files: {done.stderr}")
    return Game(files[0])


def run_until(good, box, program, *arguments, mode):
    """The first run that is good, or the last: each longer, as a slow or busy machine plays fewer games in a
    second, and measures them with more noise. Arguments: %s is how long, in seconds."""
    for seconds in (3, 10, 30, 60):
        game = run(box, program, *(word.replace("%s", str(seconds)) for word in arguments), mode=mode)
        if good(game):
            break
    return game


def is_frozen(game):
    return game.counter["game_freezes"] >= 1 and game.phase in ("frozen", "canary")


def learning_decides(box, tap):
    game = run_until(is_frozen, box, "tools/churn", BIG, "%s", mode="learning")
    said = str(game)
    counter = game.counter
    tap.result(None if counter["game_windows"] >= 4 and counter["game_pairs"] >= 1 else said,
               "learning: windows and pairs are played")
    tap.result(None if counter["game_switches"] >= 2 else said, "learning: strategies change")
    tallied = sum(sum(tally["outcome"]) for tally in game.tallies)
    tap.result(None if tallied == counter["game_pairs"] else said, "learning: every pair is in the tallies")
    tap.result(None if is_frozen(game) else said,
               "learning: it is decided and frozen")
    policy = game.slot.policy
    frozen = policy["evolution"] == "frozen" and policy["thread_bins"] and policy["mode"] == "learning"
    tap.result(None if frozen else f"{policy}, {said}", "learning: once frozen it has balanced's row")
    tap.result(game.slot.ledger(), "learning: the ledger closes")


def nothing_to_gain(box, tap):
    game = run_until(is_frozen, box, "tools/pair", "%s0000000", mode="learning")
    tap.result(None if is_frozen(game) and game.in_force == 0 else str(game),
               "learning: a program that never asks the kernel is frozen on the safe strategy")


def others_play_nothing(box, tap):
    for mode in ("minimal", "fast", "balanced"):
        game = run(box, "tools/churn", BIG, "0.5", mode=mode)
        played = {name: value for name, value in game.counter.items() if name.startswith("game_") and value}
        tap.result(str(game) if played or game.phase != "none" else None, f"{mode}: no games")
    game = run_until(lambda game: game.counter["game_windows"], box, "tools/churn", BIG, "%s",
                     mode="research")
    tap.result(None if game.counter["game_windows"] and game.slot.policy["evolution"] == "learn"
               and not game.slot.policy["thread_bins"] else str(game), "research: plays and never freezes")


def published_strategy_holds_from_the_start(box, tap, names):
    hits = {}
    for name in ("safe", "lean"):
        subprocess.run([hak.tool("tools/make_segment"), box.runtime, "balanced", name], check=True)
        game = run(box, "tools/churn", BIG, "0.5")
        hits[name] = game.counter["bigcache_hits"]
        got = game.slot.policy_word >> 24 & 255
        tap.result(None if got == names.index(name) else f"strategy {got}", f"strategy {name} is in force")
    tap.result(None if hits["lean"] == 0 and hits["safe"] > 10 else f"{hits}",
               "a strategy without a cache misses from the first allocation on")
    os.unlink(os.path.join(box.runtime, "control.v1"))


def has_none_but(game, mode, strategy):
    return game.slot.policy["mode"] == mode and game.phase == "none" and game.in_force == strategy


def other_modes_take_back_what_it_decided(box, tap, names):
    """Its own decision belongs to the mode that it learned in: other modes have their own strategy, and no
    canaries."""
    for path in glob.glob(os.path.join(box.runtime, "clients", "*")):
        os.unlink(path)
    publish = [hak.tool("tools/make_segment"), box.runtime]
    subprocess.run([*publish, "learning", "safe"], check=True)
    process = box.spawn([hak.tool("tools/churn"), BIG, "600"], env=box.env())
    sandbox.wait_until(lambda: glob.glob(os.path.join(box.runtime, "clients", "*")))
    path = glob.glob(os.path.join(box.runtime, "clients", "*"))[0]
    for mode, strategy in (("minimal", "lean"), ("fast", "swift"), ("balanced", "keep")):
        subprocess.run([*publish, "learning", "safe"], check=True)
        frozen = sandbox.wait_until(lambda: is_frozen(Game(path)))
        tap.result(None if frozen else str(Game(path)), "published learning: it is decided and frozen")
        subprocess.run([*publish, mode, strategy], check=True)
        obeyed = sandbox.wait_until(lambda: has_none_but(Game(path), mode, names.index(strategy)))
        tap.result(None if obeyed else str(Game(path)), f"{mode} after it: games end, strategy {strategy}")
    process.kill()
    process.wait()
    os.unlink(path)
    os.unlink(os.path.join(box.runtime, "control.v1"))


def play_schedule(box, seconds):
    clients = os.path.join(box.runtime, "clients")
    for path in glob.glob(os.path.join(clients, "*")):
        os.unlink(path)
    scheduler = box.spawn([hak.tool("tools/schedule"), box.runtime, "safe", "lean", "16"],
                          stdout=subprocess.PIPE, text=True)
    scheduler.stdout.readline()
    game = run_beside(box, "tools/churn", BIG, str(seconds))
    scheduler.wait(sandbox.PATIENCE_SECONDS)
    return game


def schedule_is_played(box, tap):
    """safe against lean, which has no cache: 8 MiB are faulted in each time."""
    for seconds in (4, 15, 60):
        game = play_schedule(box, seconds)
        if game.pairs >= 4:
            break
    known = keys()
    wanted = tuple(sorted([known["safe"], known["lean"]]))
    said = str(game)
    tap.result(None if game.game_id == 77 and game.phase == "play" and game.pairs >= 4 else said,
               "schedule: the game is played")
    tap.result(None if [tally["keys"] for tally in game.tallies] == [wanted] else said,
               "schedule: the pairs are tallied under the strategies' keys")
    if game.tallies:
        tally = game.tallies[0]
        first = tally["keys"][0] == known["safe"]
        won = tally["outcome"][4 if first else 0]
        tap.result(None if won > game.pairs / 2 else said, "schedule: the strategy with a cache wins")
    tap.result(None if game.counter["game_freezes"] == 0 else said, "schedule: the process decides nothing")


def run_beside(box, program, *arguments):
    done = subprocess.run([hak.tool(program), *arguments], env=box.env(), capture_output=True, text=True,
                          timeout=sandbox.PATIENCE_SECONDS, check=True)
    files = glob.glob(os.path.join(box.runtime, "clients", "*"))
    if len(files) != 1:
        raise RuntimeError(f"{len(files)} files: {done.stderr}")
    return Game(files[0])


def main():
    tap = hak.Tap()
    names = strategies()
    with sandbox.Sandbox(daemon=False) as box:
        learning_decides(box, tap)
        nothing_to_gain(box, tap)
        others_play_nothing(box, tap)
        published_strategy_holds_from_the_start(box, tap, names)
        other_modes_take_back_what_it_decided(box, tap, names)
    with sandbox.Sandbox(daemon=False) as box:
        os.makedirs(os.path.join(box.runtime, "clients"), exist_ok=True)
        schedule_is_played(box, tap)
    return tap.end()


if __name__ == "__main__":
    sys.exit(main())
