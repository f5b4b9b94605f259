#!/usr/bin/env python3
"""Writes tokenizers.json: small tokenizers and what `tokenizers` makes of a few texts with them. Run with a Python that has it."""
import json
import os
import sys

FOLDER = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(FOLDER, "..", "Judge"))
import tokenize_text as judge  # noqa: E402

KINDS = ["gpt2", "llama2", "unigram", "wordpiece"]


def main():
    with open(os.path.join(FOLDER, "..", "..", "README.md"), encoding="utf-8") as file:
        training = [line for line in file.read().splitlines() if line][:60] + judge.ODD * 2
    cases = []
    for name, definition in judge.trained(training, divisor=5).items():
        if name in KINDS:
            tokenizer = judge.Tokenizer.from_str(json.dumps(definition))
            cases.append({"name": name, "definition": json.dumps(definition, ensure_ascii=False), "lines": judge.ODD,
                          "expected": judge.expected(tokenizer, judge.ODD)})
    with open(os.path.join(FOLDER, "tokenizers.json"), "w", encoding="utf-8") as file:
        json.dump({"cases": cases}, file, indent=1)


if __name__ == "__main__":
    main()
