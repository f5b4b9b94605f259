#!/usr/bin/env python3
"""Asks torch what a list of expressions give: judge.py FOLDER [--threads N] reads FOLDER/cases.json and data.bin and writes
results.json and results.bin. judge.py --selftest checks itself. Never stops at a case: what torch refuses is recorded.

A case:    {"id": any, "expr": "torch.add(a, b)", "inputs": [INPUT, …]}   and, where wanted,
           "grad_output": INPUT or [INPUT, …]   cotangents of the outputs that need a gradient (default: `cotangent`)
           "second": true                       also the gradient of Σ grad · second_cotangent
           "seed": n                            torch.manual_seed before the expression
An INPUT:  {"name": "a", "dtype": "float32", "shape": […], "strides": […], "offset": 0, "storage": byte offset in data.bin,
           "requires_grad": false}   strides and offset count elements; inputs with the same `storage` alias each other.
A result:  {"id", "outputs": [TENSOR, …], "grads": [TENSOR or null, …], "second": [...], "second_grad_output": [...],
           "error": {"stage": "inputs" | "forward" | "backward" | "second", "type", "message"}}, absent keys for what was not
           asked or not reached. Gradients are in the order of the inputs that require one.
A TENSOR:  {"dtype", "shape", "strides", "requires_grad", "at": byte offset in results.bin} with its elements row by row, little
           endian. The expression sees a, b, … by name, torch, F, nn, inf, nan, pi. Tuples and lists of outputs are flattened,
           plain numbers become 0-dim tensors.
"""
import argparse
import json
import logging
import math
import os
import sys
import warnings

import torch
import torch.nn.functional as F
from torch._subclasses.fake_tensor import FakeTensorMode

def cuda_autocast(dtype, body, *operands):
    """Zeros of the dtypes and shapes that `body` gives of such operands on a GPU under autocast. Needs no GPU: nothing is computed."""
    with FakeTensorMode(), torch.no_grad():
        there = [torch.empty_strided(x.shape, x.stride(), dtype=x.dtype, device="cuda") for x in operands]
        torch.set_autocast_dtype("cuda", dtype)
        torch.set_autocast_enabled("cuda", True)
        torch.autocast_increment_nesting()
        try:
            results = list(flattened(body(*there)))
        finally:
            torch.autocast_decrement_nesting()
            torch.clear_autocast_cache()
            torch.set_autocast_enabled("cuda", False)
    return [torch.zeros(result.shape, dtype=result.dtype) for result in results]


SCOPE = {"torch": torch, "F": F, "nn": torch.nn, "inf": math.inf, "nan": math.nan, "pi": math.pi, "cuda_autocast": cuda_autocast}


def ramp(shape, dtype, factor, start, modulus):
    """((factor·i + start) mod modulus − modulus/2) / 8 at element i: exact in every floating dtype, never zero everywhere."""
    index = torch.arange(math.prod(shape), dtype=torch.int64)
    return (((factor * index + start) % modulus - modulus // 2).to(torch.float64) / 8).to(dtype).reshape(shape)


def cotangent(shape, dtype):
    """What an output is weighted with when the case gives no grad_output: ((7i + 3) mod 11 − 5) / 8."""
    return ramp(shape, dtype, 7, 3, 11)


def second_cotangent(shape, dtype):
    """What a gradient is weighted with for the second order: ((5i + 2) mod 13 − 6) / 8."""
    return ramp(shape, dtype, 5, 2, 13)


class Judge:
    def __init__(self, data):
        self.data = data
        self.compiled = {}
        self.start_at(0)

    def start_at(self, base):
        """What is written next begins `base` bytes into results.bin."""
        self.base = base
        self.out = bytearray()

    def storage(self, specs):
        """The elements every INPUT of one storage can reach, as a flat tensor."""
        reach = 0
        for spec in specs:
            if 0 not in spec["shape"]:
                span = sum((size - 1) * stride for size, stride in zip(spec["shape"], spec["strides"]))
                reach = max(reach, spec.get("offset", 0) + span + 1)
        dtype, start = getattr(torch, specs[0]["dtype"]), specs[0]["storage"]
        raw = bytearray(self.data[start:start + reach * dtype.itemsize])
        if len(raw) != reach * dtype.itemsize:
            raise ValueError(f"data.bin ends inside the storage at {start}")
        return torch.frombuffer(raw, dtype=dtype) if raw else torch.empty(0, dtype=dtype)

    def tensors(self, specs):
        shared = {}
        for spec in specs:
            shared.setdefault((spec["storage"], spec["dtype"]), []).append(spec)
        flat = {key: self.storage(group) for key, group in shared.items()}
        made = []
        for spec in specs:
            offset = 0 if 0 in spec["shape"] else spec.get("offset", 0)
            tensor = flat[spec["storage"], spec["dtype"]].as_strided(spec["shape"], spec["strides"], offset)
            made.append(tensor.requires_grad_() if spec.get("requires_grad") else tensor)
        return made

    def written(self, tensor):
        if tensor is None:
            return None
        value = tensor.detach().resolve_conj().resolve_neg().contiguous()
        at = self.base + len(self.out)
        if value.numel():
            # A single element counts as contiguous with any stride, but only a stride of 1 can be seen as bytes.
            self.out += value.as_strided((value.numel(),), (1,)).view(torch.uint8).numpy().tobytes()
        return {"dtype": str(tensor.dtype)[6:], "shape": list(tensor.shape), "strides": list(tensor.stride()),
                "requires_grad": tensor.requires_grad, "at": at}

    def evaluate(self, expression, scope):
        code = self.compiled.get(expression)
        if code is None:
            code = self.compiled[expression] = compile(expression, "<case>", "eval")
        return list(flattened(eval(code, scope)))

    def run(self, case):
        result = {"id": case["id"]}
        stage = "inputs"
        try:
            inputs = self.tensors(case["inputs"])
            if "seed" in case:
                torch.manual_seed(case["seed"])
            stage = "forward"
            scope = dict(SCOPE)
            scope.update(zip((spec["name"] for spec in case["inputs"]), inputs))
            outputs = self.evaluate(case["expr"], scope)
            result["outputs"] = [self.written(tensor) for tensor in outputs]
            leaves = [tensor for tensor in inputs if tensor.requires_grad]
            roots = [tensor for tensor in outputs if tensor is not None and tensor.requires_grad]
            if leaves and roots:
                stage = "backward"
                second = case.get("second", False)
                weights = self.cotangents(case.get("grad_output"), roots, second)
                grads = torch.autograd.grad(roots, leaves, weights, create_graph=second, allow_unused=True)
                result["grads"] = [self.written(grad) for grad in grads]
                if second:
                    stage = "second"
                    self.differentiate_again(grads, leaves, weights, result)
        except Exception as error:
            result["error"] = {"stage": stage, "type": type(error).__name__, "message": str(error)}
        return result

    def cotangents(self, specs, roots, second):
        if specs is None:
            weights = [cotangent(root.shape, root.dtype) for root in roots]
        else:
            weights = self.tensors(specs if isinstance(specs, list) else [specs])
        return [weight.requires_grad_() for weight in weights] if second else weights

    def differentiate_again(self, grads, leaves, weights, result):
        deeper = [grad for grad in grads if grad is not None and grad.requires_grad]
        sums = [(grad * second_cotangent(grad.shape, grad.dtype)).sum() for grad in deeper]
        if sums:
            again = torch.autograd.grad(sums, leaves + weights, allow_unused=True)
        else:
            again = [None] * (len(leaves) + len(weights))
        result["second"] = [self.written(grad) for grad in again[:len(leaves)]]
        result["second_grad_output"] = [self.written(grad) for grad in again[len(leaves):]]


def flattened(value):
    if value is None or isinstance(value, torch.Tensor):
        yield value
    elif isinstance(value, (bool, int, float)):
        yield torch.tensor(value, dtype=torch.float64 if isinstance(value, float) else None)
    elif isinstance(value, (tuple, list)):
        for part in value:
            yield from flattened(part)
    else:
        raise TypeError(f"an output of type {type(value).__name__}")


def run_all(judge, cases, folder):
    """The results of all cases, in a child process: torch has calls that end it, which are results too."""
    lines, data = os.path.join(folder, "results.lines"), os.path.join(folder, "results.bin")
    open(lines, "w").close()
    open(data, "wb").close()
    done = 0
    while done < len(cases):
        child = os.fork()
        if child == 0:
            with open(lines, "a") as text, open(data, "ab") as binary:
                for case in cases[done:]:
                    judge.start_at(binary.tell())
                    line = json.dumps(judge.run(case), separators=(",", ":")) + "\n"
                    binary.write(judge.out)
                    text.write(line)
                    binary.flush()
                    text.flush()
            os._exit(0)
        status = os.waitpid(child, 0)[1]
        with open(lines) as text:
            done = sum(1 for _ in text)
        if done == len(cases):
            break
        crash = {"stage": "forward", "type": "Crash", "message": f"torch crashes: status {status}"}
        with open(lines, "a") as text:
            text.write(json.dumps({"id": cases[done]["id"], "error": crash}, separators=(",", ":")) + "\n")
        done += 1
    with open(lines) as text:
        return [json.loads(line) for line in text]


def judge(folder):
    with open(os.path.join(folder, "cases.json")) as file:
        cases = json.load(file)
    with open(os.path.join(folder, "data.bin"), "rb") as file:
        judge = Judge(file.read())
    results = run_all(judge, cases, folder)
    with open(os.path.join(folder, "results.json"), "w") as file:
        json.dump({"torch": torch.__version__, "results": results}, file, separators=(",", ":"))
    return results


def main():
    parser = argparse.ArgumentParser(description="what torch says about a list of expressions")
    parser.add_argument("folder", nargs="?")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--selftest", action="store_true")
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    logging.disable()
    torch.set_num_threads(options.threads)
    if options.selftest:
        import selftest
        return selftest.main()
    if options.folder is None:
        parser.error("a folder with cases.json and data.bin is needed")
    results = judge(options.folder)
    refused = sum("error" in result for result in results)
    print(f"{len(results)} cases, {refused} refused by torch {torch.__version__}")


if __name__ == "__main__":
    sys.exit(main())
