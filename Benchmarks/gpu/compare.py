#!/usr/bin/env python3
"""Flambeau beside the torch of this Python on one GPU: all workloads by one side and then by the other, in processes of their own, three times
each; what torch has to compile first, once. The table has the medians; a ratio above 1 means that Flambeau is ahead. "of memory" is the least
that must be moved, in this time, beside what the GPU copies in the same run; "TFLOP/s" the least that must be computed, a second."""
import argparse
import json
import os
import statistics
import subprocess
import sys

FOLDER = os.path.dirname(os.path.abspath(__file__))


def asked(command):
    """By workload, what a process measured."""
    done = subprocess.run(command, capture_output=True, text=True)
    lines = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
    for line in lines:
        if "error" in line:
            print(f"{os.path.basename(command[0])}, {line['workload']}: {line['error']}", file=sys.stderr)
    if not lines:
        print(f"{os.path.basename(command[0])}: {(done.stderr.strip().splitlines() or ['no result'])[-1]}", file=sys.stderr)
    return {line["workload"]: line for line in lines if "error" not in line}


def median(rounds, name):
    """Of the rounds that have it: the time, and the last line."""
    lines = [found[name] for found in rounds if name in found]
    return (statistics.median(line["milliseconds"] for line in lines), lines[-1]) if lines else (None, None)


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
    from torch_workloads import COMPILED, WORKLOADS
    parts = [part for part in options.only.split(",") if part]
    names = [name for name in WORKLOADS if not parts or any(part in name for part in parts)]
    ours, theirs = [], []
    for number in range(options.rounds):
        ours.append(asked([options.flambeau, "bench", "--device", "cuda", "--only", ",".join(names), "--json", *small]))
        again = [name for name in names if number == 0 or name not in COMPILED]
        theirs.append(asked([sys.executable, os.path.join(FOLDER, "torch_workloads.py"), *again, "--device", options.torch_device, *small]))
    copied = None
    if median(ours, "copy_256M")[0]:
        time, line = median(ours, "copy_256M")
        copied = line["bytes"] / time
    print("| workload | ours, ms | torch, ms | ratio | of memory | TFLOP/s | peak memory, ours of torch's |")
    print("|---|---|---|---|---|---|---|")
    for name in names:
        time, line = median(ours, name)
        other, their_line = median(theirs, name)
        if not time:
            print(f"| {name} | no result | {f'{other:.4g}' if other else ''} | | | | |")
            continue
        memory = f"{line['bytes'] / time / copied:.2f}" if line["bytes"] and copied else ""
        arithmetic = f"{line['operations'] / time / 1e9:.1f}" if line["operations"] else ""
        peak = f"{line['peak'] / their_line['peak']:.2f}" if other and their_line["peak"] else ""
        print(f"| {name} | {time:.4g} | {f'{other:.4g}' if other else ''} | {f'{other / time:.2f}' if other else ''} "
              f"| {memory} | {arithmetic} | {peak} |", flush=True)


if __name__ == "__main__":
    main()
