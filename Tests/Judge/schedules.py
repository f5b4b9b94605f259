#!/usr/bin/env python3
"""torch's half of the schedule tests: schedules.py INPUT OUTPUT. INPUT is a list of expressions that make schedulers of an
optimizer `o`; OUTPUT gets the learning rate and momentum of each group after each of `steps` steps, as hexadecimal floats. Steps are
given `arguments` where there are any."""
import json
import sys
import warnings

import torch
from torch.optim.lr_scheduler import *
from torch.optim.swa_utils import SWALR

warnings.simplefilter("ignore")


def rates(optimizer):
    return [[group["lr"].hex(), (group["betas"][0] if "betas" in group else group["momentum"]).hex()]
            for group in optimizer.param_groups]


def main():
    with open(sys.argv[1]) as file:
        cases = json.load(file)
    results = []
    for case in cases:
        groups = [{"params": [torch.nn.Parameter(torch.ones(1))], "lr": lr} for lr in case["lrs"]]
        o = torch.optim.SGD(groups, momentum=0.5) if case["sgd"] else torch.optim.Adam(groups)
        schedules = eval(case["expression"])
        found = [rates(o)]
        for step in range(case["steps"]):
            for schedule in schedules:
                schedule.step(*case["arguments"][step:step + 1])
            found.append(rates(o))
        results.append(found)
    with open(sys.argv[2], "w") as file:
        json.dump(results, file)


main()
