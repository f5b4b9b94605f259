"""Checks judge.py against results worked out by hand."""
import json
import math
import os
import struct
import tempfile
import time

import judge

CODES = {"float32": "f", "float64": "d", "int64": "q", "bool": "?", "bfloat16": "H"}


def spec(name, shape, strides, storage, dtype="float32", offset=0, **more):
    return {"name": name, "dtype": dtype, "shape": shape, "strides": strides, "offset": offset, "storage": storage, **more}


# float32 1…6 at 0; float64 0.5, −2 at 24; bfloat16 1, 1.5 (0x3F80, 0x3FC0) at 40; int64 7 at 44.
DATA = struct.pack("<6f 2d 2H q", 1, 2, 3, 4, 5, 6, 0.5, -2, 0x3F80, 0x3FC0, 7)

ROWS, COLUMNS = spec("a", [2, 3], [3, 1], 0), spec("b", [2, 3], [1, 2], 0)
X = spec("x", [2], [1], 24, "float64", requires_grad=True)

CASES = [
    {"id": "transposed", "expr": "a + b", "inputs": [ROWS, COLUMNS]},
    {"id": "offset", "expr": "a", "inputs": [spec("a", [2], [2], 0, offset=1)]},
    {"id": "aliased", "expr": "(b.zero_(), a)", "inputs": [ROWS, spec("b", [3], [1], 0, offset=3)]},
    {"id": "refused", "expr": "a @ b", "inputs": [ROWS, spec("b", [2], [1], 0)]},
    {"id": "unknown", "expr": "nothing(a)", "inputs": [ROWS]},
    {"id": "cubed", "expr": "x ** 3", "inputs": [X], "second": True},
    {"id": "given", "expr": "x * x", "inputs": [X], "grad_output": spec("g", [2], [0], 24, "float64", offset=1)},
    {"id": "unused", "expr": "x + 0", "inputs": [X, spec("y", [1], [1], 24, "float64", requires_grad=True)], "second": True},
    {"id": "half", "expr": "a * 2", "inputs": [spec("a", [2], [1], 40, "bfloat16")]},
    {"id": "several", "expr": "(a.max(), [a > inf, a.dim()], 2.5)", "inputs": [spec("a", [], [], 44, "int64")]},
    {"id": "empty", "expr": "a.sum(0)", "inputs": [spec("a", [0, 2], [2, 1], 0)]},
    {"id": "past the end", "expr": "a", "inputs": [spec("a", [99], [1], 0)]},
]


def values(tensor, out):
    return list(struct.unpack_from(f"<{math.prod(tensor['shape'])}{CODES[tensor['dtype']]}", out, tensor["at"]))


def main():
    with tempfile.TemporaryDirectory() as folder:
        with open(os.path.join(folder, "cases.json"), "w") as file:
            json.dump(CASES, file)
        with open(os.path.join(folder, "data.bin"), "wb") as file:
            file.write(DATA)
        judge.judge(folder)
        with open(os.path.join(folder, "results.json")) as file:
            results = {result["id"]: result for result in json.load(file)["results"]}
        with open(os.path.join(folder, "results.bin"), "rb") as file:
            out = file.read()

    def outputs(case):
        return [values(tensor, out) for tensor in results[case]["outputs"]]

    def part(case, key):
        return [tensor and values(tensor, out) for tensor in results[case][key]]

    assert outputs("transposed") == [[2, 5, 8, 6, 9, 12]]
    assert outputs("offset") == [[2, 4]] and results["offset"]["outputs"][0]["strides"] == [2]
    assert outputs("aliased") == [[0, 0, 0], [1, 2, 3, 0, 0, 0]]
    assert results["refused"]["error"]["stage"] == "forward" and "size" in results["refused"]["error"]["message"]
    assert results["unknown"]["error"]["type"] == "NameError"
    # Weights (3−5)/8 and (10−5)/8; x³ has the derivatives 3x² and 6x; second weights (2−6)/8 and (7−6)/8.
    w, v, x = (-0.25, 0.625), (-0.5, 0.125), (0.5, -2)
    assert outputs("cubed") == [[0.125, -8]]
    assert part("cubed", "grads") == [[3 * x[i] ** 2 * w[i] for i in range(2)]]
    assert part("cubed", "second") == [[6 * x[i] * w[i] * v[i] for i in range(2)]]
    assert part("cubed", "second_grad_output") == [[3 * x[i] ** 2 * v[i] for i in range(2)]]
    assert part("given", "grads") == [[-2, 8]]
    assert part("unused", "grads") == [list(w), None] and part("unused", "second") == [None, None]
    assert outputs("half") == [[0x4000, 0x4040]]
    assert outputs("several") == [[7], [False], [0], [2.5]]
    assert outputs("empty") == [[0, 0]]
    assert results["past the end"]["error"]["stage"] == "inputs"

    many = [dict(CASES[i % 6]) for i in range(2000)]
    asked = judge.Judge(DATA)
    start = time.perf_counter()
    for case in many:
        asked.run(case)
    print(f"{len(CASES)} cases as expected; {(time.perf_counter() - start) / len(many) * 1e6:.0f} µs a case")


if __name__ == "__main__":
    main()
