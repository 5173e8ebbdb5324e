# SPDX-License-Identifier: MIT
"""Medians, paired intervals and the tables of bench/run and bench/analyze_modes.py."""

import math
import random
import statistics

SENSITIVE_SPREAD = 1.15  # a row counts as sensitive where the slowest peer takes this many times the fastest
RESAMPLES = 2000


def median(values):
    return statistics.median(values) if values else math.nan


def geomean(values):
    values = [value for value in values if value > 0]
    return math.exp(sum(map(math.log, values)) / len(values)) if values else math.nan


def paired_interval(ours, theirs):
    """95 % bootstrap interval of the median of the round-by-round ratios ours / theirs."""
    ratios = [a / b for a, b in zip(ours, theirs) if b > 0]
    if len(ratios) < 2:
        return (math.nan, math.nan)
    rng = random.Random(1)
    medians = sorted(median(rng.choices(ratios, k=len(ratios))) for _ in range(RESAMPLES))
    return medians[int(0.025 * RESAMPLES)], medians[int(0.975 * RESAMPLES) - 1]


def human(nsec):
    """A time in three digits."""
    if math.isnan(nsec):
        return "-"
    for unit, size in (("s", 1e9), ("ms", 1e6), ("us", 1e3)):
        if nsec >= size:
            return f"{nsec / size:.3g} {unit}" if nsec < 1000 * size else f"{nsec / size:.0f} {unit}"
    return f"{nsec:.3g} ns"


def mib(kib):
    return "-" if math.isnan(kib) else f"{kib / 1024:.1f}"


class Results:
    """All samples of a session: scenario -> allocator -> one dict of figures a round (None: an error)."""

    def __init__(self):
        self.samples = {}

    def add(self, scenario, allocator, sample):
        self.samples.setdefault(scenario, {}).setdefault(allocator, []).append(sample)

    def scenarios(self):
        return list(self.samples)

    def allocators(self):
        seen = []
        for row in self.samples.values():
            seen += [name for name in row if name not in seen]
        return seen

    def values(self, scenario, allocator, figure):
        row = self.samples[scenario].get(allocator, [])
        return [s[figure] for s in row if s and s.get(figure) is not None]

    def median(self, scenario, allocator, figure):
        return median(self.values(scenario, allocator, figure))

    def best_peer(self, scenario, peers, figure="time_ns"):
        medians = {p: self.median(scenario, p, figure) for p in peers}
        medians = {p: m for p, m in medians.items() if not math.isnan(m)}
        return min(medians, key=medians.get) if medians else None

    def is_sensitive(self, scenario, peers):
        medians = [self.median(scenario, p, "time_ns") for p in peers]
        medians = [m for m in medians if not math.isnan(m)]
        return len(medians) > 1 and max(medians) >= SENSITIVE_SPREAD * min(medians)


def table(header, rows):
    """Markdown that is also readable as it stands."""
    rows = [header] + rows
    widths = [max(len(row[i]) for row in rows) for i in range(len(header))]
    lines = ["| " + " | ".join(cell.ljust(w) for cell, w in zip(row, widths)) + " |" for row in rows]
    lines.insert(1, "|" + "|".join("-" * (w + 2) for w in widths) + "|")
    return "\n".join(lines)


def time_table(results, peers, tested):
    """Median times of all, and for the tested ones the ratio to the best peer with its interval."""
    compared = tested if peers else []
    header = ["scenario"] + peers + tested + [f"{name} / best peer [95 %]" for name in compared]
    rows = []
    for scenario in results.scenarios():
        best = results.best_peer(scenario, peers)
        mark = " *" if results.is_sensitive(scenario, peers) else ""
        row = [scenario + mark]
        for name in peers + tested:
            value = results.median(scenario, name, "time_ns")
            failed = any(sample is None for sample in results.samples[scenario].get(name, []))
            row.append("ERROR" if failed else human(value) + (" <" if name == best else ""))
        for name in compared:
            row.append(ratio_cell(results, scenario, name, best))
        rows.append(row)
    return table(header, rows)


def ratio_cell(results, scenario, name, best):
    if best is None:
        return "-"
    ours, theirs = (results.values(scenario, n, "time_ns") for n in (name, best))
    if not ours or not theirs:
        return "-"
    low, high = paired_interval(ours, theirs)
    interval = "" if math.isnan(low) else f" [{low:.2f} {high:.2f}]"
    return f"{median(ours) / median(theirs):.2f} {best}{interval}"


def plain_table(results, peers, tested, figure):
    header = ["scenario"] + peers + tested
    show = mib if figure.endswith("_kib") else human
    rows = []
    for scenario in results.scenarios():
        rows.append([scenario] + [show(results.median(scenario, name, figure)) for name in peers + tested])
    return table(header, rows)


def ratios(results, ours, theirs, figure):
    """Of the medians of a figure, for each scenario that has both."""
    found = {}
    for scenario in results.scenarios():
        a, b = (results.median(scenario, name, figure) for name in (ours, theirs))
        if b and not math.isnan(a / b):
            found[scenario] = a / b
    return found


def summary(results, peers, tested):
    """Geometric means of the tested over each peer: time, on sensitive and other rows, CPU time, peak RSS."""
    header = ["ratio", "rows", "time, sensitive rows", "rows", "time, other rows", "CPU time", "peak RSS"]
    rows = []
    for name in tested:
        for peer in peers:
            times = {True: [], False: []}
            for scenario, ratio in ratios(results, name, peer, "time_ns").items():
                times[results.is_sensitive(scenario, peers)].append(ratio)
            cpu, memory = (geomean(list(ratios(results, name, peer, figure).values()))
                           for figure in ("cpu_ns", "peak_rss_kib"))
            rows.append([f"{name} / {peer}", str(len(times[True])), f"{geomean(times[True]):.3f}",
                         str(len(times[False])), f"{geomean(times[False]):.3f}", f"{cpu:.3f}",
                         f"{memory:.3f}"])
    return table(header, rows)
