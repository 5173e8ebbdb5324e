#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""A second reader of both files, made from docs/shm-protocol.md alone, checked against the golden files."""
import hashlib
import json
import struct
import sys


def load_dump(path):
    """A golden file: `size N`, then `OFFSET HEX` for what is not zero."""
    with open(path, encoding="ascii") as lines:
        data = bytearray(int(next(lines).split()[1]))
        for line in lines:
            offset, digits = line.split()
            data[int(offset):int(offset) + len(digits) // 2] = bytes.fromhex(digits)
    return bytes(data)


def crc32c(data):
    crc = 0xffffffff
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0x82f63b78 if crc & 1 else 0)
    return crc ^ 0xffffffff


def telemetry_key(name):
    digest = hashlib.sha256(b"hakmem telemetry 1:" + name.encode()).digest()
    key = struct.unpack("<QQ", digest[:16])
    return key if key != (0, 0) else (1, 0)


def read_header(data):
    assert data[:8] == b"\xffHAKTRL1", "magic"
    names = "abi_minor header_bytes state segment_id heartbeat serial policy_word pending".split()
    header = dict(zip(names, struct.unpack_from("<HHIQQQQQ", data, 8)))
    names = "total_bytes contexts_offset contexts_count processes_offset processes_count geometry_crc".split()
    header.update(zip(names, struct.unpack_from("<QIIIII", data, 64)))
    names = "fault_small_ns fault_huge_ns populate_page_ns madvise_page_ns syscall_ns".split()
    header.update(zip(names, struct.unpack_from("<5I", data, 128)))
    line = data[64:88] + bytes(4) + data[92:128]
    assert crc32c(line) == header["geometry_crc"], "geometry CRC"
    assert header["total_bytes"] == len(data), "total_bytes"
    return header


def find(data, offset, count, key):
    buckets = count // 8
    first, second = key[0] % buckets, key[1] % buckets
    if first == second:
        second = first ^ 1
    for bucket in (first, second):
        for index in range(8):
            entry = offset + (bucket * 8 + index) * 256
            sequence, = struct.unpack_from("<Q", data, entry)
            copy = entry + 16 + 120 * (sequence % 2)
            payload = data[copy:copy + 120]
            if struct.unpack_from("<QQ", payload) == key:
                assert crc32c(payload[:116]) == struct.unpack_from("<I", payload, 116)[0], "entry CRC"
                return payload
    return None


def read_process(payload):
    values = struct.unpack("<QQQQQQQBBBxI7IBBB21xI", payload)
    return {"context": values[2:4], "policy_word": values[4], "purge_request": values[5],
            "schedule": values[6:11], "slots_freed": values[11:18], "source": values[18],
            "part": values[19], "parts": values[20]}


def read_context(payload):
    values = struct.unpack("<QQQQ12HIiIIQBB34xI", payload)
    return {"policy_word": values[2], "strategy_key": values[3], "strategy": values[4:16],
            "epoch": values[16],
            "elo": values[17:20], "evidence_hash": values[20], "evolution": values[21], "source": values[22]}


def text(data):
    return data.split(b"\0")[0].decode()


def read_slot(data, index):
    at = 2048 * (index + 1)
    slot = dict(zip(("claims state pid parent_pid start_usec applied_serial policy_word pinned page_bytes"
                     " publishes purges_done log_written ranges_sequence filled_claims").split(),
                    struct.unpack_from("<IIIIQQQIIQQQQI", data, at)))
    slot["counter"] = struct.unpack_from("<64Q", data, at + 128)
    slot["gauge"] = struct.unpack_from("<16Q", data, at + 640)
    slot["range"] = [(word >> 24, word & 0xffffff) for word in struct.unpack_from("<96Q", data, at + 768)]
    slot["log"] = [(struct.unpack_from("<Q", data, line)[0], text(data[line + 8:line + 64]))
                   for line in range(at + 1536, at + 1920, 64)]
    slot["fatal"] = (*struct.unpack_from("<QQII", data, at + 1920), text(data[at + 1952:at + 2048]))
    return slot


def expected_slot(seed):
    """What tests/golden.c puts into a slot."""
    return {"claims": seed, "state": 1, "pid": seed + 1, "parent_pid": seed + 2, "start_usec": seed + 3,
            "applied_serial": seed + 4, "policy_word": 0x000000090081d552, "pinned": 129, "page_bytes": 16384,
            "publishes": seed + 6, "purges_done": seed + 7, "log_written": 2, "ranges_sequence": 8,
            "filled_claims": seed, "counter": tuple(range(seed + 100, seed + 164)),
            "gauge": tuple(range(seed + 200, seed + 216)),
            "range": [(seed + 300 + i, i + 1) for i in range(96)],
            "log": [(seed + 400 + i, f"line {i} of {seed}") for i in range(2)] + [(0, "")] * 4,
            "fatal": (seed + 500, 0xdead0000 + seed, 1, seed + 1, f"last words of {seed}")}


def same(what, found, expected):
    if found != expected:
        sys.exit(f"{what}: found {found}, expected {expected}")


def check_control(data):
    header = read_header(data)
    same("header", header, {
        "abi_minor": 0, "header_bytes": 4096, "state": 1, "segment_id": 0x0123456789abcdef, "heartbeat": 5,
        "serial": 1, "policy_word": 0x000000090081d552, "pending": 0, "total_bytes": 8392704,
        "contexts_offset": 4096, "contexts_count": 16384, "processes_offset": 4198400,
        "processes_count": 16384,
        "geometry_crc": header["geometry_crc"], "fault_small_ns": 21, "fault_huge_ns": 22,
        "populate_page_ns": 23,
        "madvise_page_ns": 24, "syscall_ns": 25})
    key = telemetry_key("00112233445566778899aabbccddeeff")
    process = read_process(find(data, header["processes_offset"], header["processes_count"], key))
    same("process", process, {
        "context": (0x1111, 0x2222), "policy_word": 0x0000000704801e66, "purge_request": 0x3333,
        "schedule": (0x4444, 0x55, 0x66, 1, 0x77777777), "slots_freed": tuple(range(10, 17)), "source": 5,
        "part": 0, "parts": 0})
    context = read_context(find(data, header["contexts_offset"], header["contexts_count"],
                                process["context"]))
    same("context", context, {
        "policy_word": 0x000000080581d552, "strategy_key": 0x8888, "strategy": tuple(range(1, 13)),
        "epoch": 0x9999, "elo": (-1500001, 0xaaaa, 0xbbbb), "evidence_hash": 0xcccc, "evolution": 3,
        "source": 3})
    same("absent key", find(data, header["contexts_offset"], header["contexts_count"], key), None)


def check_telemetry(data):
    same("size", len(data), 16384)
    same("magic", data[:8], b"\xffHAKLEM1")
    same("header", struct.unpack_from("<HHHHIIQQ", data, 8),
         (0, 2048, 7, 2048, 0x100, 1001, 0x0123456789abcdef, 3))
    for index, seed in ((0, 1000), (6, 7000)):
        slot = read_slot(data, index)
        for name, value in expected_slot(seed).items():
            same(f"slot {index} {name}", slot[name], value)
    same("slot 3", read_slot(data, 3)["claims"], 0)


def check_contexts(vectors):
    """The key of each context, from the parts that docs/design.md names."""
    for vector in vectors:
        program = vector["exe"].rsplit("/", 1)[-1].removesuffix(" (deleted)")
        parts = ("hakmem-context-1", vector["scope"], vector["normalised"], program)
        digest = hashlib.sha256("".join(part + "\0" for part in parts).encode()).hexdigest()
        same(f"context of {vector['cgroup']}", vector["context"], digest[:32])
    same("contexts that differ", len({vector["context"] for vector in vectors}) > len(vectors) - 4, True)


def main():
    if len(sys.argv) != 2:
        sys.exit(f"usage: {sys.argv[0]} DIRECTORY (with control.v1, telemetry.v1 and contexts.json)")
    check_control(load_dump(sys.argv[1] + "/control.v1"))
    check_telemetry(load_dump(sys.argv[1] + "/telemetry.v1"))
    with open(sys.argv[1] + "/contexts.json", encoding="ascii") as file:
        check_contexts(json.load(file))


if __name__ == "__main__":
    main()
