# SPDX-License-Identifier: MIT
"""The control segment of a test's world, as any reader sees it."""

import os
import struct
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
import read_protocol

STATES = {0: "default", 1: "live", 2: "stopped"}


def header(world):
    """State, heartbeat and serial as any reader of the segment sees them."""
    with open(world.runtime + "/control.v1", "rb") as file:
        _, _, _, state, segment_id, heartbeat, serial = struct.unpack("<QHHIQQQ", file.read(40))
    return {"state": STATES[state], "id": segment_id, "heartbeat": heartbeat, "serial": serial}


def entry_of(world):
    """That of the only file, as its processes read it."""
    with open(world.runtime + "/control.v1", "rb") as file:
        data = file.read()
    header, [name] = read_protocol.read_header(data), world.files()
    key = read_protocol.telemetry_key(name)
    payload = read_protocol.find(data, header["processes_offset"], header["processes_count"], key)
    return payload and read_protocol.read_process(payload)
