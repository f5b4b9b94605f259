#!/usr/bin/env python3
"""Writes the golden files beside it, from torch 2.13.0 on the CPU: python3 Tests/Golden/make_golden.py

On Intel processors torch takes bernoulli_, and with it dropout, from MKL; these files hold what it gives on every other.
"""
import torch

import printing_golden
import random_golden


def main():
    if torch.__version__.split("+")[0] != "2.13.0":
        raise SystemExit(f"the goldens are torch 2.13.0's, this is {torch.__version__}")
    torch.set_num_threads(1)
    random_golden.main()
    printing_golden.main()


if __name__ == "__main__":
    main()
