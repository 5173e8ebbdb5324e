#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Tables in Markdown and plots in SVG from the CSV files of bench/run or bench/bench_modes.sh."""

import argparse
import csv
import os
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
sys.dont_write_bytecode = True

from runner import stats, svg  # noqa: E402 (the path comes first)

COUNTERS = ("madvise_calls", "mmap_calls", "munmap_calls", "bigcache_hits", "bigcache_misses",
            "batch_flushes")


def number(text):
    try:
        return float(text)
    except ValueError:
        return None


def read(paths):
    """All counted runs; a warm-up has a negative number, a failed run a message instead of figures."""
    results = stats.Results()
    for path in paths:
        with open(path, newline="") as file:
            for row in csv.DictReader(file):
                if "scenario" not in row or "time_ns" not in row:
                    raise ValueError(f"{path} is no CSV file of bench/run: no scenario and time_ns columns")
                if int(row["run"]) < 0:
                    continue
                sample = {key: number(value) for key, value in row.items() if isinstance(value, str)}
                for pair in (row.get("counters") or "").split():
                    name, _, value = pair.partition("=")
                    sample["c_" + name] = number(value)
                results.add(row["scenario"], row["allocator"], None if row["error"] else sample)
    return results


def effect_table(results, baseline, names):
    """Each column's time as a ratio to the baseline, with its paired interval."""
    rows = []
    for scenario in results.scenarios():
        theirs = results.values(scenario, baseline, "time_ns")
        row = [scenario, stats.human(stats.median(theirs))]
        for name in names:
            ours = results.values(scenario, name, "time_ns")
            if not ours or not theirs:
                row.append("ERROR")
                continue
            low, high = stats.paired_interval(ours, theirs)
            interval = "" if low != low else f" [{low:.2f} {high:.2f}]"
            row.append(f"{stats.median(ours) / stats.median(theirs):.2f}{interval}")
        rows.append(row)
    return stats.table(["scenario", baseline] + names, rows)


def figure_table(results, names, figure, show):
    rows = [[scenario] + [show(results.median(scenario, name, figure)) for name in names]
            for scenario in results.scenarios()]
    return stats.table(["scenario"] + names, rows)


def plain(value):
    return "-" if value != value else f"{value:.4g}"


def write_tables(results, baseline, names, out):
    others = [name for name in names if name != baseline]
    out.write(f"Median time per operation; ratios to {baseline}, 95 % paired interval\n\n")
    out.write(effect_table(results, baseline, others) + "\n")
    for title, figure, show in (("p99, per operation", "p99_ns", stats.human),
                                ("CPU time per operation", "cpu_ns", stats.human),
                                ("Peak RSS, MiB", "peak_rss_kib", stats.mib),
                                ("Minor page faults", "minor_faults", plain)):
        out.write(f"\n{title}\n\n" + figure_table(results, names, figure, show) + "\n")
    for counter in COUNTERS:
        values = [v for s in results.scenarios() for n in names for v in results.values(s, n, "c_" + counter)]
        if any(values):
            out.write(f"\n{counter}\n\n" + figure_table(results, names, "c_" + counter, plain) + "\n")


def write_plots(results, names, directory):
    plots = (("time", "time_ns", "ns per operation", 1), ("rss", "peak_rss_kib", "peak RSS, MiB", 1024))
    for file_name, figure, unit, scale in plots:
        def value(scenario, name, figure=figure, scale=scale):
            found = sorted(v / scale for v in results.values(scenario, name, figure))
            return (stats.median(found), found[0], found[-1]) if found else None

        drawing = svg.bars("hakmem: " + file_name, results.scenarios(), names, value,
                           unit + ", lines: all runs")
        if drawing:
            with open(os.path.join(directory, f"modes-{file_name}.svg"), "w") as out:
                out.write(drawing)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("csv", nargs="+", metavar="CSV")
    parser.add_argument("--baseline", help="what the ratios are to (default: hakmem-minimal, else the first)")
    parser.add_argument("--svg", metavar="DIRECTORY", help="write modes-time.svg and modes-rss.svg there")
    options = parser.parse_args()
    try:
        results = read(options.csv)
        names = sorted(results.allocators(), key=lambda n: ("+" not in n and n != "hakmem-minimal", n))
        if not names:
            raise ValueError("no runs in " + ", ".join(options.csv))
        baseline = options.baseline or ("hakmem-minimal" if "hakmem-minimal" in names else names[0])
        if baseline not in names:
            raise ValueError(f"--baseline {baseline}: not in these files; one of: {', '.join(names)}")
        write_tables(results, baseline, names, sys.stdout)
        if options.svg:
            write_plots(results, names, options.svg)
    except (OSError, ValueError) as error:
        print(f"analyze_modes.py: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
