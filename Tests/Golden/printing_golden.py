"""What torch prints. A case gives the tensor (its bits, or `arange`: start + step·i computed in double, then cast) and the text;
`apply` names what is done to it first, so that the text shows a grad_fn."""
import math

import torch
from golden_io import bits, dtype_name, write

APPLY = {
    "mul": lambda x: x * 2, "add": lambda x: x + 1, "sum": lambda x: x.sum(), "transpose": lambda x: x.t(),
    "select": lambda x: x[0], "detach": lambda x: x.detach(), "exp": lambda x: x.exp(), "reshape": lambda x: x.reshape(-1),
}
inf, nan, pi = math.inf, math.nan, math.pi


def given(values, dtype=torch.float32, **more):
    tensor = torch.tensor(values, dtype=dtype)
    return tensor, {"shape": list(tensor.shape), "dtype": dtype_name(dtype), "bits": bits(tensor), **more}


def ranged(shape, dtype=torch.float32, start=0.0, step=1.0, **more):
    tensor = (start + step * torch.arange(math.prod(shape), dtype=torch.float64)).to(dtype).reshape(shape)
    return tensor, {"shape": shape, "dtype": dtype_name(dtype), "arange": [start, step], **more}


def inputs():
    f16, bf16, f64 = torch.float16, torch.bfloat16, torch.float64
    yield given(1.0)
    yield given(3.14159265, f64)
    yield given(7, torch.int64)
    yield given(True, torch.bool)
    yield given(nan)
    yield given(-inf)
    yield given(1e-9)
    yield given(123456789.0)
    yield given(2.5, requires_grad=True)
    yield given([])
    yield given([], torch.int64)
    yield ranged([2, 0, 3])
    yield given([1.0, 2.0, 3.0])
    yield given([1.0, -2.0, 3.0])
    yield given([0.1, 0.25, -3.5])
    yield given([0.5, nan, inf, -inf])
    yield given([1.0, nan, inf])
    yield given([nan, nan])
    yield given([0.0, -0.0])
    yield given([1e-5, 1.0])
    yield given([1e-4, 1.0])
    yield given([1e-3, 1001.5])
    yield given([1e8, 1.0])
    yield given([1e8, 1.5])
    yield given([99999999.0, 3.0])
    yield given([0.00012345, 5e-10])
    yield given([123456.789, 0.001])
    yield given([1e38, -1e-38])
    yield given([1e-45, 3e-39])
    yield given([1e300, 1e-300], f64)
    yield given([1 / 3, 2 / 3], f64)
    yield given([[1.5, -2.25], [1000.125, 0.0]])
    yield given([0.1, 65504.0, -2.0], f16)
    yield given([0.1, 3e38, -2.0], bf16)
    yield given([1.0, 2.0], bf16)
    yield given([[True, False], [False, True]], torch.bool)
    yield given([1, -20, 300], torch.int64)
    yield given([[1, 2], [-128, 127]], torch.int8)
    yield given([0, 255], torch.uint8)
    yield given([-32768, 5], torch.int16)
    yield given([2**31 - 1, -5], torch.int32)
    yield given([2**62, -1], torch.int64)
    yield given([[[1.0, 2.0], [3.0, 4.0]], [[5.0, 6.0], [7.0, 8.5]]])
    yield given([[1.0, 2.0]], requires_grad=True)
    for apply in APPLY:
        yield given([[1.0, 2.0], [3.0, 4.0]], requires_grad=True, apply=apply)
    yield given([[1.0, 2.0], [3.0, 4.0]], apply="transpose")
    yield given([[1.0, 2.0], [3.0, 4.0]], f64, requires_grad=True, apply="mul")
    yield ranged([20])
    yield ranged([20], start=-3.0, step=0.37)
    yield ranged([50], torch.int64, start=-25)
    yield ranged([3, 30], step=0.25)
    yield ranged([1000], step=0.5)
    yield ranged([1001], step=0.5)
    yield ranged([1001], torch.int64)
    yield ranged([1001], torch.float64, start=-1, step=1e-3)
    yield ranged([1200], torch.bool, start=0, step=1)
    yield ranged([40, 50], start=-1000, step=1.0)
    yield ranged([7, 200], step=pi / 100)
    yield ranged([200, 6], torch.int32, start=-600)
    yield ranged([5, 6, 50], torch.int64)
    yield ranged([12, 11, 10], step=1e-3)
    yield ranged([2, 3, 2, 100], step=1e5)
    yield ranged([1500, 0])
    yield ranged([1001], torch.float32, requires_grad=True)
    yield ranged([40, 50], torch.bfloat16)


def cases():
    for tensor, described in inputs():
        tensor.requires_grad_(described.get("requires_grad", False))
        if name := described.get("apply"):
            tensor = APPLY[name](tensor)
        yield described | {"text": repr(tensor)}


def main():
    write("printing.json", list(cases()), "repr of tensors")
