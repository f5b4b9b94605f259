#!/usr/bin/env python3
"""torch's half of the optimizer tests: optimizers.py INPUT OUTPUT. INPUT is a length (8 bytes), that many bytes of JSON and
float32 numbers: the parameters, then the gradients of every step. OUTPUT gets, for each case, the parameters and the state after
the last step, twice: with square roots rounded correctly, and with torch's own, which on some processors are not."""
import json
import sys

import numpy
import torch

torch.set_num_threads(1)
own_roots = torch.Tensor.sqrt, torch.Tensor.sqrt_


def exact_sqrt(tensor):
    return torch.from_numpy(numpy.sqrt(tensor.numpy()))


exact_roots = exact_sqrt, lambda tensor: tensor.copy_(exact_sqrt(tensor))


def run(case, plan, numbers):
    dtype = getattr(torch, case["dtype"])
    numbers = iter(numbers)

    def tensors():
        return [next(numbers).to(dtype).clone() for _ in plan["shapes"]]

    parameters = [torch.nn.Parameter(tensor) for tensor in tensors()]
    optimizer = getattr(torch.optim, case["optimizer"])(parameters[:-1], **case["arguments"])
    optimizer.add_param_group({"params": parameters[-1:], "lr": 0.5 * case["arguments"]["lr"]})
    for step in range(plan["steps"]):
        for i, (parameter, gradient) in enumerate(zip(parameters, tensors())):
            # The second parameter takes only every other step.
            parameter.grad = None if i == 1 and step % 2 else gradient
        if step == plan["steps"] // 2:
            optimizer.param_groups[0]["lr"] *= 0.3
        optimizer.step()
    for parameter in parameters:
        yield parameter.detach()
        state = optimizer.state[parameter]
        for name in case["state"]:
            yield state[name]


def main():
    with open(sys.argv[1], "rb") as file:
        plan = json.loads(file.read(int.from_bytes(file.read(8), "little")))
        flat = torch.from_numpy(numpy.frombuffer(file.read(), numpy.float32).copy())
    sizes = [int(numpy.prod(shape)) for shape in plan["shapes"]] * (plan["steps"] + 1)
    numbers = [part.reshape(shape) for part, shape in zip(flat.split(sizes), plan["shapes"] * (plan["steps"] + 1))]
    with open(sys.argv[2], "wb") as file:
        for case in plan["cases"]:
            for roots in (exact_roots, own_roots):
                torch.Tensor.sqrt, torch.Tensor.sqrt_ = roots
                for tensor in run(case, plan, numbers):
                    file.write(tensor.contiguous().numpy().tobytes())


main()
