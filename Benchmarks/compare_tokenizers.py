#!/usr/bin/env python3
"""Flambeau's tokenizers beside Hugging Face's, on one thread, in turn: compare_tokenizers.py TOKENIZER.json… < LINES

Run with a Python that has `tokenizers`, after `swift build -c release`. The medians of the rounds' fastest passes over all lines;
a ratio above 1 means that Flambeau is ahead. Truncation and padding of the files hold on both sides.
"""
import argparse
import json
import os
import statistics
import subprocess
import sys
import time

os.environ["TOKENIZERS_PARALLELISM"] = "false"
from tokenizers import Tokenizer  # noqa: E402

FLAMBEAU = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", ".build", "release", "flambeau")


def ours(flambeau, path, text, passes):
    command = [flambeau, "tokenize", "--tokenizer", path, "--time", str(passes), "--json"]
    report = json.loads(subprocess.run(command, input=text, capture_output=True, text=True, check=True).stdout)
    return report["milliseconds"], report["tokens"]


def theirs(path, lines, passes):
    tokenizer = Tokenizer.from_file(path)
    fastest, count = float("inf"), 0
    for _ in range(passes):
        start = time.perf_counter()
        count = sum(len(tokenizer.encode(line).ids) for line in lines)
        fastest = min(fastest, time.perf_counter() - start)
    return fastest * 1e3, count


def main():
    parser = argparse.ArgumentParser(description="Flambeau's tokenizers beside Hugging Face's")
    parser.add_argument("files", nargs="+", help="tokenizer.json files")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--passes", type=int, default=3)
    parser.add_argument("--flambeau", default=os.path.normpath(FLAMBEAU), help="the executable")
    options = parser.parse_args()
    # Python ends lines at more characters than the tool does.
    text = sys.stdin.buffer.read().decode()
    lines = text.replace("\r\n", "\n").removesuffix("\n").split("\n")
    print("| tokenizer | tokens | Flambeau, ms | tokenizers, ms | ratio |\n|---|---|---|---|---|")
    for path in options.files:
        rounds = [(ours(options.flambeau, path, text, options.passes), theirs(path, lines, options.passes)) for _ in range(options.rounds)]
        if any(mine[1] != other[1] for mine, other in rounds):
            sys.exit(f"{path}: {rounds[0][0][1]} tokens beside {rounds[0][1][1]}")
        mine, other = (statistics.median(sides[index][0] for sides in rounds) for index in (0, 1))
        print(f"| {os.path.basename(path)} | {rounds[0][0][1]} | {mine:.1f} | {other:.1f} | {other / mine:.2f} |", flush=True)


if __name__ == "__main__":
    main()
