#!/usr/bin/env python3
"""torch's half of the gradient scaler's tests: grad_scaler.py INPUT OUTPUT. INPUT is JSON: a scaler's arguments and, for each
iteration, the gradients of two optimizers' parameters, `null` for none, and whether the first is unscaled by hand. OUTPUT gets what
the iterations left behind, a line of JSON each."""
import json
import sys

import torch


def main():
    plan = json.load(open(sys.argv[1]))
    scaler = torch.amp.GradScaler("cpu", **plan["scaler"])
    dtypes = [getattr(torch, name) for name in plan["dtypes"]]
    parameters = [[torch.nn.Parameter(torch.ones(3, dtype=dtype)) for dtype in dtypes] for _ in range(2)]
    optimizers = [torch.optim.SGD(group, lr=0.5) for group in parameters]
    with open(sys.argv[2], "w") as output:
        for iteration in plan["iterations"]:
            for optimizer in optimizers:
                optimizer.zero_grad()
            losses = [
                (parameter * torch.tensor(slope, dtype=parameter.dtype)).sum()
                for group, slopes in zip(parameters, iteration["gradients"])
                for parameter, slope in zip(group, slopes) if slope is not None
            ]
            for loss in scaler.scale(losses):
                loss.backward()
            if iteration["unscales"]:
                scaler.unscale_(optimizers[0])
            for optimizer in optimizers:
                scaler.step(optimizer)
            scaler.update()
            flat = [parameter for group in parameters for parameter in group]
            print(json.dumps({
                "state": scaler.state_dict(),
                "parameters": [parameter.tolist() for parameter in flat],
                "gradients": [None if p.grad is None else [str(x) for x in p.grad.tolist()] for p in flat],
            }), file=output)


main()
