#!/usr/bin/env python3
"""torch's half of the L-BFGS tests: lbfgs.py INPUT OUTPUT. INPUT is a list of {"arguments", "problem", "start", "steps"}; OUTPUT gets for
each the losses of the steps, the numbers of iterations and evaluations, and the parameters, numbers as hexadecimal floats."""
import json
import sys

import torch


def rosenbrock(a, b):
    x = torch.cat([a, b.flatten()])
    return (100 * (x[1:] - x[:-1] ** 2) ** 2 + (1 - x[:-1]) ** 2).sum()


def smooth(a, b):
    return ((a - 1) ** 4).sum() + a.exp().sum() + (b * b).sum() + (a.sum() * b.sum()).sin()


def main():
    with open(sys.argv[1]) as file:
        cases = json.load(file)
    results = []
    for case in cases:
        start = torch.tensor(case["start"], dtype=torch.float64)
        parameters = [start[:2].clone().requires_grad_(), start[2:].reshape(2, -1).clone().requires_grad_()]
        optimizer = torch.optim.LBFGS(parameters, **case["arguments"])

        def closure():
            optimizer.zero_grad()
            loss = globals()[case["problem"]](*parameters)
            loss.backward()
            return loss

        losses = [optimizer.step(closure).item().hex() for _ in range(case["steps"])]
        state = optimizer.state[parameters[0]]
        results.append({
            "losses": losses, "counts": [state["n_iter"], state["func_evals"]],
            "parameters": [x.hex() for p in parameters for x in p.flatten().tolist()],
        })
    with open(sys.argv[2], "w") as file:
        json.dump(results, file)


main()
