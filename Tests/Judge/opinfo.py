#!/usr/bin/env python3
"""Draws cases from torch's own operator database: opinfo.py FOLDER [--compact] reads FOLDER/names.json (names of `op_db`, variants
as `name.variant`) and writes FOLDER/cases.json and data.bin: sample inputs, what torch gives for them, gradients, and the
inputs that torch refuses. --compact keeps few and small ones, for a file that is committed.

A case:    {"name", "dtype", "input": ARG, "args": [ARG, …], "kwargs": {name: ARG}, "tensors": [TENSOR, …] and either
            "outputs": [OUTPUT, …], "grads": [{"of": tensor's number, "value": OUTPUT}, …]   or   "refused": torch's sentence}
An ARG:    {"tensor": number} | {"list": [ARG, …]} | {"tuple": [ARG, …]} | {"dtype": "float32"} | {"slice": [ARG, ARG, ARG]} | {"other": text} |
           {"int": n} | {"float": "repr"} | {"bool": b} | {"text": s} | {"ellipsis": true} | null
A TENSOR:  {"dtype", "shape", "strides", "offset", "at": byte offset of its storage in data.bin, "requires_grad"}
An OUTPUT: {"dtype", "shape", "at": byte offset, "exact": byte offset of the same in float64 (computed in float64 throughout),
           absent where that makes no sense}
"""
import argparse
import json
import os
import sys
import warnings

import torch
from torch.testing._internal import common_methods_invocations
from torch.testing._internal.common_methods_invocations import op_db

from judge import cotangent

FLOATS = (torch.float32, torch.float64, torch.float16, torch.bfloat16)
DTYPES = FLOATS + (torch.int64, torch.int32, torch.uint8, torch.bool)
PLAIN = DTYPES + (torch.int8, torch.int16)


# The database seeds its random operators anew at each call: here the case's seed holds.
common_methods_invocations.wrapper_set_seed = lambda op, *args, **kwargs: op(*args, **kwargs)


class Unusable(Exception):
    """A sample of something that has no counterpart: complex numbers, sparse layouts, objects."""


class Writer:
    def __init__(self):
        self.data = bytearray()
        self.cases = []

    def bytes(self, tensor):
        while len(self.data) % 8:
            self.data.append(0)
        at = len(self.data)
        dense = tensor.detach().contiguous()
        if dense.numel():
            self.data += dense.as_strided((dense.numel(),), (1,)).view(torch.uint8).numpy().tobytes()
        return at

    def tensor(self, tensor):
        if tensor.layout != torch.strided or tensor.dtype not in PLAIN or tensor.device.type != "cpu":
            raise Unusable
        reach = 0
        if tensor.numel():
            reach = 1 + sum((size - 1) * stride for size, stride in zip(tensor.shape, tensor.stride()))
        try:
            flat = tensor.detach().as_strided((reach,), (1,))
        except RuntimeError as error:
            raise Unusable from error
        return {"dtype": name_of(tensor.dtype), "shape": list(tensor.shape), "strides": list(tensor.stride()), "offset": 0,
                "at": self.bytes(flat), "requires_grad": tensor.requires_grad}

    def output(self, tensor, exact):
        if tensor.dtype not in PLAIN:
            raise Unusable
        written = {"dtype": name_of(tensor.dtype), "shape": list(tensor.shape), "at": self.bytes(tensor)}
        if exact is not None and exact.dtype == torch.float64 and tensor.dtype.is_floating_point and exact.shape == tensor.shape:
            written["exact"] = self.bytes(exact.double())
        return written

    def argument(self, value, tensors):
        """The ARG of `value`; its tensors join the list `tensors`."""
        if value is None:
            return None
        if isinstance(value, torch.Tensor):
            for number, known in enumerate(tensors):
                if known is value:
                    return {"tensor": number}
            tensors.append(value)
            return {"tensor": len(tensors) - 1}
        if isinstance(value, bool):
            return {"bool": value}
        if isinstance(value, int):
            return {"int": value}
        if isinstance(value, float):
            return {"float": repr(value)}
        if isinstance(value, str):
            return {"text": value}
        if isinstance(value, torch.dtype):
            return {"dtype": name_of(value)}
        if isinstance(value, slice):
            return {"slice": [self.argument(part, tensors) for part in (value.start, value.stop, value.step)]}
        if value is Ellipsis:
            return {"ellipsis": True}
        if isinstance(value, tuple) and not isinstance(value, torch.Size):
            return {"tuple": [self.argument(part, tensors) for part in value]}
        if isinstance(value, (list, torch.Size)):
            return {"list": [self.argument(part, tensors) for part in value]}
        if isinstance(value, complex):
            raise Unusable
        return {"other": str(value)}

    def sample(self, sample):
        tensors = []
        described = {"input": self.argument(sample.input, tensors),
                     "args": [self.argument(value, tensors) for value in sample.args],
                     "kwargs": {key: self.argument(value, tensors) for key, value in sample.kwargs.items()}}
        described["tensors"] = [self.tensor(tensor) for tensor in tensors]
        return described, tensors


def name_of(dtype):
    return str(dtype)[6:]


def flattened(value):
    if isinstance(value, torch.Tensor):
        return [value]
    if isinstance(value, (bool, int, float)):
        return [torch.tensor(value, dtype=torch.float64 if isinstance(value, float) else None)]
    if isinstance(value, (tuple, list)):
        return [tensor for part in value for tensor in flattened(part)]
    raise Unusable


def size(sample):
    return sum(tensor.numel() for tensor in tensors_of((sample.input, sample.args, tuple(sample.kwargs.values()))))


def tensors_of(value):
    if isinstance(value, torch.Tensor):
        yield value
    elif isinstance(value, (tuple, list)):
        for part in value:
            yield from tensors_of(part)


def widened(sample):
    """The sample in float64, leaves anew."""
    def wide(value):
        if not isinstance(value, torch.Tensor):
            return torch.float64 if isinstance(value, torch.dtype) and value.is_floating_point else value
        if not value.is_floating_point():
            return value
        return value.detach().double().requires_grad_(value.requires_grad)
    return sample.transform(wide)


def run(op, sample, seed):
    torch.manual_seed(seed)
    # In-place operators may write only what is no leaf.
    outputs = flattened(op(sample.input, *sample.args, **sample.kwargs))
    leaves = [tensor for tensor in tensors_of((sample.input, sample.args, tuple(sample.kwargs.values())))
              if tensor.requires_grad]
    roots = [tensor for tensor in outputs if tensor.requires_grad]
    grads = [None] * len(leaves)
    if leaves and roots:
        weights = [cotangent(root.shape, root.dtype) for root in roots]
        grads = torch.autograd.grad(roots, leaves, weights, allow_unused=True)
    return outputs, leaves, grads


def add_sample(writer, op, name, dtype, sample, seed):
    described, tensors = writer.sample(sample)
    outputs, leaves, grads = run(op, sample, seed)
    try:
        exact, _, exact_grads = run(op, widened(sample), seed)
    except Exception:
        exact, exact_grads = [], []
    if len(exact) != len(outputs):
        exact, exact_grads = [None] * len(outputs), [None] * len(grads)
    case = {"name": name, "dtype": name_of(dtype), "seed": seed, **described}
    case["outputs"] = [writer.output(tensor, wide) for tensor, wide in zip(outputs, exact)]
    numbers = {id(tensor): number for number, tensor in enumerate(tensors)}
    case["grads"] = [{"of": numbers[id(leaf)], "value": writer.output(grad, wide)}
                     for leaf, grad, wide in zip(leaves, grads, exact_grads) if grad is not None]
    writer.cases.append(case)


def add_refusals(writer, op, name):
    if op.error_inputs_func is None:
        return
    torch.manual_seed(0)
    for refused in op.error_inputs("cpu"):
        sample = refused.sample_input
        try:
            described, _ = writer.sample(sample)
        except Unusable:
            continue
        try:
            op(sample.input, *sample.args, **sample.kwargs)
        except Exception as error:
            writer.cases.append({"name": name, "dtype": "any", "seed": 0, **described, "refused": str(error).split("\n")[0]})


def draw(writer, op, name, compact):
    per_dtype = {torch.float32: 2 if compact else 60}
    for dtype in (torch.float32,) if compact else DTYPES:
        if dtype not in op.supported_dtypes("cpu"):
            continue
        has_gradient = op.supports_autograd and dtype in (torch.float32, torch.float64)
        torch.manual_seed(0)
        try:
            samples = list(op.sample_inputs("cpu", dtype, requires_grad=has_gradient))
        except Exception:
            continue
        usable = [sample for sample in samples if size(sample) <= (60 if compact else 20000)]
        if compact:
            usable.sort(key=size, reverse=True)
        added = 0
        for seed, sample in enumerate(usable):
            if added == per_dtype.get(dtype, 12):
                break
            before = len(writer.data)
            try:
                add_sample(writer, op, name, dtype, sample, seed)
                added += 1
            except Exception:
                del writer.data[before:]
    if not compact:
        add_refusals(writer, op, name)


def main():
    parser = argparse.ArgumentParser(description="cases from torch's operator database")
    parser.add_argument("folder")
    parser.add_argument("--compact", action="store_true")
    parser.add_argument("--list", action="store_true", help="print the names there are")
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    torch.set_num_threads(1)
    known = {op.name + (f".{op.variant_test_name}" if op.variant_test_name else ""): op for op in op_db}
    if options.list:
        print("\n".join(known))
        return
    with open(os.path.join(options.folder, "names.json")) as file:
        names = json.load(file)
    missing = [name for name in names if name not in known]
    if missing:
        sys.exit(f"torch's database has no {', '.join(missing)}")
    writer = Writer()
    for name in names:
        draw(writer, known[name], name, options.compact)
    with open(os.path.join(options.folder, "data.bin"), "wb") as file:
        file.write(writer.data)
    with open(os.path.join(options.folder, "cases.json"), "w") as file:
        json.dump({"torch": torch.__version__, "cases": writer.cases}, file, separators=(",", ":"))
    print(f"{len(writer.cases)} cases of {len(names)} names")


if __name__ == "__main__":
    main()
