"""What the golden files have in common: exact bits as little-endian hex, one case a line."""
import json
import os
import platform

import torch

FOLDER = os.path.dirname(os.path.abspath(__file__))
BITS = {1: torch.uint8, 2: torch.int16, 4: torch.int32, 8: torch.int64}


def dtype_name(dtype):
    return str(dtype).removeprefix("torch.")


def bits(tensor):
    """The elements in row-major order, each as its little-endian bytes."""
    dense = tensor.detach().contiguous().reshape(-1)
    return dense.view(torch.uint8).numpy().tobytes().hex() if dense.numel() else ""


def described(tensor):
    return {"dtype": dtype_name(tensor.dtype), "shape": list(tensor.shape), "bits": bits(tensor)}


def write(name, cases, about):
    head = {"about": about, "torch": torch.__version__, "machine": platform.machine()}
    lines = ",\n".join(json.dumps(case, separators=(",", ":")) for case in cases)
    path = os.path.join(FOLDER, name)
    with open(path, "w") as file:
        file.write(json.dumps(head)[:-1] + f',\n"cases": [\n{lines}\n]}}\n')
    print(f"{name}: {len(cases)} cases, {os.path.getsize(path)} bytes")
