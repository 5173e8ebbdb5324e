# SPDX-License-Identifier: MIT
"""Simulated processes whose games are known to the pair, and what hakmemd says of their contexts."""

import json
import os
import shutil

from hakbus import PATIENCE_SECONDS, build

HOARD, KEEP = 7, 6  # numbers in the table of strategies


def ratings(world, *context):
    result = world.hakctl("ratings", "--json", *context)
    assert result.returncode == 0, result.stderr
    return json.loads(result.stdout)["contexts"]


def games_of(world, program):
    found = [c for c in ratings(world) if c["program"] == program]
    return found[0]["games"] if found else 0


def strategy_of(world, program):
    return [c for c in ratings(world) if c["program"] == program][0]


def named(world, program):
    """Another program: another context."""
    path = world.directory + "/" + program
    if not os.path.exists(path):
        shutil.copy(build("tests/sim_client"), path)
    return path


def play(world, program, a, b, pairs, permille, end=False, user=None):
    environment = dict(os.environ, **({"HAK_SIM_END": "1"} if end else {}))
    process = world.spawn(
        [named(world, program), world.runtime, "plays", str(a), str(b), str(pairs), str(permille)],
        env=environment,
        user=user,
    )
    if end:
        assert process.wait(timeout=PATIENCE_SECONDS) == 0
    return process


def said(world, text):
    return [line for line in open(world.log) if text in line]


def start(world):
    world.write_config("[daemon]\nmode = learning\n")
    world.start_daemon()
