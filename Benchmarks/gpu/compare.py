#!/usr/bin/env python3
"""Flambeau beside the torch of this Python on one GPU: each workload by one side and then the other, in processes of their own, three times
each. The table has the medians; a ratio above 1 means that Flambeau is ahead. "of memory" and "of arithmetic" are the least that must be
moved and computed in this time, beside what the GPU copies and multiplies in the same run."""
import argparse
import json
import os
import statistics
import subprocess
import sys

FOLDER = os.path.dirname(os.path.abspath(__file__))


def asked(command):
    done = subprocess.run(command, capture_output=True, text=True)
    lines = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
    if not lines:
        print(f"{' '.join(command[-3:])}: {(done.stderr.strip().splitlines() or ['no result'])[-1]}", file=sys.stderr)
    return lines


def measured(line):
    if "error" in line:
        print(f"{line['workload']}: {line['error']}", file=sys.stderr)
    return "error" not in line


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--flambeau", required=True, help="the executable")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only", default="", help="parts of names, separated by commas")
    parser.add_argument("--small", action="store_true", help="small sizes, to try the comparison itself")
    parser.add_argument("--torch-device", default="cuda")
    options = parser.parse_args()
    small = ["--small"] if options.small else []
    sys.path.insert(0, FOLDER)
    from torch_workloads import WORKLOADS
    parts = [part for part in options.only.split(",") if part]
    names = [name for name in WORKLOADS if not parts or any(part in name for part in parts)]
    rows = {}
    for name in names:
        ours, theirs = [], []
        for _ in range(options.rounds):
            ours += [line for line in asked([options.flambeau, "bench", "--device", "cuda", "--only", name, "--json", *small])
                     if line["workload"] == name and measured(line)]
            theirs += asked([sys.executable, os.path.join(FOLDER, "torch_workloads.py"), name, "--device", options.torch_device, *small])
        rows[name] = (ours, theirs)
    time = {name: statistics.median(line["milliseconds"] for line in ours) for name, (ours, _) in rows.items() if ours}
    copied = rows["copy_256M"][0][0]["bytes"] / time["copy_256M"] if "copy_256M" in time else None
    print("| workload | ours, ms | torch, ms | ratio | of memory | of arithmetic, TFLOP/s | memory, ours of torch's |")
    print("|---|---|---|---|---|---|---|")
    for name, (ours, theirs) in rows.items():
        if not ours:
            print(f"| {name} | no result | | | | | |")
            continue
        other = statistics.median(line["milliseconds"] for line in theirs) if theirs else None
        floor = ours[0]["bytes"]
        memory = f"{floor / time[name] / copied:.2f}" if floor and copied else ""
        arithmetic = f"{ours[0]['operations'] / time[name] / 1e9:.1f}" if ours[0]["operations"] else ""
        peak = f"{ours[0]['peak'] / theirs[0]['peak']:.2f}" if theirs and theirs[0]["peak"] else ""
        print(f"| {name} | {time[name]:.4g} | {f'{other:.4g}' if other else ''} | {f'{other / time[name]:.2f}' if other else ''} "
              f"| {memory} | {arithmetic} | {peak} |")


if __name__ == "__main__":
    main()
