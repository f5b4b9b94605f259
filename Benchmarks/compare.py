#!/usr/bin/env python3
"""Flambeau beside torch eager on this machine, in one run: `python3 Benchmarks/compare.py` after `swift build -c release`.

Every workload is measured by one side and then the other, as often as --rounds says, each in a process of its own, because
machines drift by more than the differences that matter. The table shows the medians of the rounds; a ratio above 1 means that
Flambeau is ahead. "of limit" is how near Flambeau comes to what the machine's memory or arithmetic allow at most (above 1: the data
was in a cache). torch's allocator hands large blocks back to the system at every release; --tuned-malloc measures torch a
second time with MALLOC_MMAP_MAX_=0, which keeps them. --update keeps what is measured in results.json, workload by workload, and writes
README.md's table anew.
"""
import argparse
import importlib.util
import json
import os
import statistics
import subprocess
import sys

import report
from torch_workloads import UNITS

FOLDER = os.path.dirname(os.path.abspath(__file__))
FLAMBEAU = os.path.join(FOLDER, "..", ".build", "release", "flambeau")


def lines(command, environment=None):
    """What a side says, one JSON object a workload; None where it cannot run the workload."""
    done = subprocess.run(command, capture_output=True, text=True, env=os.environ | (environment or {}))
    objects = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
    if done.returncode != 0 or not objects:
        reason = (done.stderr.strip().splitlines() or ["no result"])[-1]
        print(f"{' '.join(map(os.path.basename, command))}: {reason}", file=sys.stderr)
        return None
    return objects[0]


def sides(options):
    """Column title → a function from a workload's name to its measurement."""
    threads = str(options.threads)
    pool = {variable: threads for variable in ("OMP_NUM_THREADS", "MKL_NUM_THREADS")}
    torch = [sys.executable, os.path.join(FOLDER, "torch_workloads.py")]
    found = {"Flambeau": lambda name: lines([options.flambeau, "bench", "--only", name, "--threads", threads, "--json"])}
    if importlib.util.find_spec("torch") is None:
        print("torch is not installed in this Python, so only Flambeau is measured (pip install torch==2.13.0 for both).\n")
        return found
    found["torch"] = lambda name: lines([*torch, name, "--threads", threads], pool)
    if options.tuned_malloc:
        tuned = pool | {"MALLOC_MMAP_MAX_": "0", "MALLOC_TRIM_THRESHOLD_": str(2**40)}
        found["torch, tuned malloc"] = lambda name: lines([*torch, name, "--threads", threads], tuned)
    return found


def compare(name, sides, rounds):
    """The median of each side's medians, and of Flambeau's share of the machine's limit; a side that fails once is not asked again."""
    values = {title: [] for title in sides}
    fractions = []
    for _ in range(rounds):
        for title, measure in sides.items():
            if values[title] is not None:
                result = measure(name)
                values[title] = None if result is None else values[title] + [result["median"]]
                if result is not None and result.get("fraction") is not None:
                    fractions.append(result["fraction"])
    medians = {title: statistics.median(found) if found else None for title, found in values.items()}
    return medians, statistics.median(fractions) if fractions else None


def row(name, medians, fraction):
    unit, ours = UNITS[name], medians["Flambeau"]
    peers = [median for title, median in medians.items() if title != "Flambeau"]
    cells = [name, unit] + [report.number(median) for median in medians.values()]
    for value in [*(report.ratio(unit, ours, peer) for peer in peers), fraction]:
        cells.append("–" if value is None else f"{value:.2f}")
    return f"| {' | '.join(cells)} |"


def main():
    parser = argparse.ArgumentParser(description="Flambeau beside torch eager")
    parser.add_argument("--only", default="", help="parts of workload names, separated by commas")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--tuned-malloc", action="store_true", help="torch with MALLOC_MMAP_MAX_=0 too")
    parser.add_argument("--update", action="store_true", help="keep the results, and write README.md's table anew")
    parser.add_argument("--flambeau", default=os.path.normpath(FLAMBEAU), help="the executable")
    options = parser.parse_args()
    if not os.access(options.flambeau, os.X_OK):
        parser.error(f"{options.flambeau} is missing: swift build -c release")
    names = [name for name in UNITS if any(part in name for part in options.only.split(","))]
    if not names:
        parser.error(f"no workload is called like {options.only}")
    columns = sides(options)
    titles = ["workload", "unit", *columns, *(f"ratio to {title}" for title in columns if title != "Flambeau"), "of limit"]
    print(f"| {' | '.join(titles)} |\n|{'---|' * len(titles)}")
    for name in names:
        medians, fraction = compare(name, columns, options.rounds)
        print(row(name, medians, fraction), flush=True)
        if options.update:
            report.record(name, options.threads, medians, fraction, options.rounds)
    if options.update:
        report.write()


if __name__ == "__main__":
    main()
