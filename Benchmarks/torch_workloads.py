#!/usr/bin/env python3
"""What `flambeau bench` measures, in torch eager: torch_workloads.py NAME [--threads N] prints one JSON line with the workload's
median and fastest repetition. Without a name it lists the workloads. compare.py runs the two sides in turn."""
import argparse
import json
import math
import os
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from typing import Callable

try:
    import torch
    import torch.nn.functional as F
except ImportError:
    torch = None

SECONDS = {"ms": 1e-3, "us": 1e-6, "ns": 1e-9}
MEGA = 1024 * 1024


@dataclass
class Workload:
    """`prepare` makes what is timed. For a rate, `amount` is what a call does, in the unit; for a time, how many a call times."""
    unit: str
    amount: float
    prepare: Callable

    def value(self, seconds):
        scale = SECONDS.get(self.unit)
        return self.amount / seconds if scale is None else seconds / self.amount / scale


def randn(*shape, **options):
    return torch.randn(*shape, **options)


def leaf(*shape):
    return torch.randn(*shape, requires_grad=True)


def without_grad(operation, *shapes):
    """Times operation(tensors of these shapes) with gradients off."""

    def prepare():
        tensors = [randn(*shape) for shape in shapes]

        def call():
            with torch.no_grad():
                operation(*tensors)

        return call

    return prepare


def recorded(operation, *shapes):
    """Times operation(tensors of these shapes) as it runs by default, gradients on."""

    def prepare():
        tensors = [randn(*shape) for shape in shapes]
        return lambda: operation(*tensors)

    return prepare


def gradients(operation, cotangent, *shapes):
    """Times operation and the gradients of all its operands, weighted with a cotangent."""

    def prepare():
        tensors, weight = [leaf(*shape) for shape in shapes], randn(*cotangent)
        return lambda: torch.autograd.grad(operation(*tensors), tensors, weight)

    return prepare


def gemm(size, half=False):
    def prepare():
        a, b = (randn(size, size).to(torch.bfloat16 if half else torch.float32) for _ in range(2))

        def call():
            with torch.no_grad():
                a @ b

        return call

    return Workload("GFLOP/s", 2 * size**3 / 1e9, prepare)


def chain(x):
    return F.gelu(x * 1.25 + 0.5, approximate="tanh") * 0.75


def gigabytes(floats):
    return 4 * floats / 1e9


def cross_entropy(rows, classes):
    def prepare():
        logits, labels = leaf(rows, classes), torch.randint(0, classes, (rows,))
        return lambda: torch.autograd.grad(F.cross_entropy(logits, labels), logits)

    return Workload("ms", 1, prepare)


def add_of_four(with_grad):
    def prepare():
        a, b = torch.randn(4, requires_grad=with_grad), randn(4)

        def call():
            for _ in range(200):
                a + b

        return call

    return Workload("ns", 200, prepare)


def hundred_operations():
    x, c = leaf(4), torch.full((4,), 1.001)

    def call():
        x.grad = None
        y = x
        for _ in range(50):
            y = y * c + c
        y.sum().backward()

    return call


def convolution(images, weight, **options):
    """Forward, and forward with all three gradients, counted as three times the operations."""
    count, _, height, width = images
    outputs, inputs, kernel_height, kernel_width = weight
    stride, padding = options.get("stride", 1), options.get("padding", 0)
    rows, columns = (height + 2 * padding - kernel_height) // stride + 1, (width + 2 * padding - kernel_width) // stride + 1
    size = [count, outputs, rows, columns]
    flops = 2 * math.prod(size) * inputs * kernel_height * kernel_width / 1e9
    shapes = [images, weight, (outputs,)]

    def run(x, w, b):
        return F.conv2d(x, w, b, **options)

    return {"_fwd": Workload("GFLOP/s", flops, without_grad(run, *shapes)),
            "_fwdbwd": Workload("GFLOP/s", 3 * flops, gradients(run, size, *shapes))}


def both_passes(name, operation, cotangent, *shapes, unit="ms", amount=1):
    """Forward, and forward with the gradients of all operands: three times the operations."""
    return {name + "_fwd": Workload(unit, amount, without_grad(operation, *shapes)),
            name + "_fwdbwd": Workload(unit, amount if unit in SECONDS else 3 * amount, gradients(operation, cotangent, *shapes))}


def recurrent(name, network):
    """64 steps of 32 sequences; gradients of the input and of all parameters."""
    shape = (64, 32, 256)

    def forward():
        model, x = getattr(torch.nn, network)(256, 256), randn(*shape)

        def call():
            with torch.no_grad():
                model(x)

        return call

    def both():
        model, x, weight = getattr(torch.nn, network)(256, 256), leaf(*shape), randn(*shape)
        operands = [x, *model.parameters()]
        return lambda: torch.autograd.grad(model(x)[0], operands, weight)

    return {name + "_fwd": Workload("ms", 1, forward), name + "_fwdbwd": Workload("ms", 1, both)}


def selection(operation, shape, places=(1,)):
    """`places` is the shape of random positions within the dimension that the operation goes along."""

    def prepare():
        x, index = randn(*shape), torch.randint(0, shape[len(places) - 1], places)

        def call():
            with torch.no_grad():
                operation(x, index)

        return call

    return Workload("ms", 1, prepare)


def training(network, inputs, labels, optimizer="Adam", steps=1):
    """Steps of cross entropy with torch's default optimizer; inputs and labels stay the same."""

    def prepare():
        import torch_models

        model = getattr(torch_models, network)().train()
        x, y = inputs(), labels()
        rule = getattr(torch.optim, optimizer)(model.parameters())

        def call():
            rule.zero_grad(set_to_none=True)
            logits = model(x)
            F.cross_entropy(logits.view(-1, logits.size(-1)), y.view(-1)).backward()
            rule.step()

        return call

    return Workload("steps/s", steps, prepare)


def inference(network, *shape):
    def prepare():
        import torch_models

        model, x = getattr(torch_models, network)().eval(), randn(*shape)

        def call():
            with torch.no_grad():
                model(x)

        return call

    return Workload("images/s", shape[0], prepare)


def prefill():
    import torch_models

    model, prompt = torch_models.GPT2().eval(), torch.randint(0, 50257, (1, 256))

    def call():
        with torch.no_grad():
            model(prompt, 0)

    return call


def decode():
    """16 tokens after 256."""
    import torch_models

    model = torch_models.GPT2().eval()
    with torch.no_grad():
        model(torch.randint(0, 50257, (1, 256)), 0)

    def call():
        token = torch.randint(0, 100, (1, 1))
        with torch.no_grad():
            for place in range(256, 272):
                token = model(token, place).argmax(-1, keepdim=True)

    return call


def bert():
    import torch_models

    model, texts = torch_models.Bert().eval(), torch.randint(0, 30522, (8, 128))

    def call():
        with torch.no_grad():
            model(texts)

    return call


def integers(high, *shape):
    return lambda: torch.randint(0, high, shape)


def floats(*shape):
    return lambda: randn(*shape)


SQUARE, ROWS = (4096, 4096), (4096, 1024)
NORM = [ROWS, (1024,), (1024,)]


def layer_norm(x, w, b):
    return F.layer_norm(x, (1024,), w, b)


def causal_attention(q, k, v):
    return F.scaled_dot_product_attention(q, k, v, is_causal=True)


def minilm():
    """Tensors of the shapes of all-MiniLM-L6-v2's."""
    shapes = {"word": (30522, 384), "position": (512, 384), "type": (2, 384), "norm.weight": (384,), "norm.bias": (384,)}
    for layer in range(6):
        for name in ("query", "key", "value", "output"):
            shapes |= {f"{layer}.{name}.weight": (384, 384), f"{layer}.{name}.bias": (384,)}
        shapes |= {f"{layer}.up.weight": (1536, 384), f"{layer}.up.bias": (1536,)}
        shapes |= {f"{layer}.down.weight": (384, 1536), f"{layer}.down.bias": (384,)}
        for name in ("norm1", "norm2"):
            shapes |= {f"{layer}.{name}.weight": (384,), f"{layer}.{name}.bias": (384,)}
    return {name: randn(*shape) for name, shape in shapes.items()}


def loading(ending):
    """Reads a file of 91 MB, and every element once."""

    def prepare():
        folder = tempfile.TemporaryDirectory()
        path = os.path.join(folder.name, "minilm." + ending)
        if ending == "pth":
            torch.save(minilm(), path)
            load = torch.load
        else:
            import safetensors.torch

            safetensors.torch.save_file(minilm(), path)
            load = safetensors.torch.load_file

        def call(folder=folder):
            return sum(tensor.sum().item() for tensor in load(path).values())

        return call

    return Workload("ms", 1, prepare)


def reduction(operation, *shape):
    amount = gigabytes(16 * MEGA)
    return Workload("GB/s", amount, without_grad(operation, shape))


WORKLOADS = {
    **{f"gemm_f32_{n}": gemm(n) for n in (256, 512, 1024, 2048)},
    "gemm_bf16_1024": gemm(1024, half=True),
    "gemv_1x4096x4096": Workload("GB/s", gigabytes(4096**2), without_grad(lambda x, w: x @ w, (1, 4096), SQUARE)),
    "gemv_linear_1x4096x4096": Workload("GB/s", gigabytes(4096**2), without_grad(lambda x, w: F.linear(x, w), (1, 4096), SQUARE)),
    "ew_add_16M": Workload("GB/s", gigabytes(48 * MEGA), recorded(lambda a, b: a + b, (16 * MEGA,), (16 * MEGA,))),
    "ew_add_out_16M": Workload(
        "GB/s", gigabytes(48 * MEGA), recorded(lambda a, b, c: torch.add(a, b, out=c), *[(16 * MEGA,)] * 3)),
    "ew_chain_1M": Workload("GB/s", gigabytes(2 * MEGA), recorded(chain, (MEGA,))),
    "ew_chain_16M": Workload("GB/s", gigabytes(32 * MEGA), recorded(chain, (16 * MEGA,))),
    "ew_exp_1M": Workload("GB/s", gigabytes(2 * MEGA), recorded(lambda x: torch.exp(x), (MEGA,))),
    "ew_tanh_1M": Workload("GB/s", gigabytes(2 * MEGA), recorded(lambda x: torch.tanh(x), (MEGA,))),
    "sum_all_16M": reduction(lambda x: x.sum(), 16 * MEGA),
    "sum_last_4096x4096": reduction(lambda x: x.sum(-1), *SQUARE),
    "mean_last_4096x4096": reduction(lambda x: x.mean(-1), *SQUARE),
    "sum_first_4096x4096": reduction(lambda x: x.sum(0), *SQUARE),
    "mean_first_4096x4096": reduction(lambda x: x.mean(0), *SQUARE),
    "max_last_4096x4096": reduction(lambda x: x.amax(-1), *SQUARE),
    "var_last_4096x4096": reduction(lambda x: x.var(-1), *SQUARE),
    "argmax_last_4096x4096": reduction(lambda x: x.argmax(-1), *SQUARE),
    "logsumexp_last_4096x4096": reduction(lambda x: x.logsumexp(-1), *SQUARE),
    "cumsum_last_4096x4096": reduction(lambda x: x.cumsum(-1), *SQUARE),
    "softmax_4096x1024": Workload("GB/s", gigabytes(8 * MEGA), without_grad(lambda x: F.softmax(x, -1), ROWS)),
    "layernorm_fwd_4096x1024": Workload("GB/s", gigabytes(8 * MEGA), without_grad(layer_norm, *NORM)),
    "layernorm_fwdbwd_4096x1024": Workload("ms", 1, gradients(layer_norm, ROWS, *NORM)),
    "xent_fwdbwd_1024x32000": cross_entropy(1024, 32000),
    "xent_fwdbwd_4096x32000": cross_entropy(4096, 32000),
    "overhead_add4": add_of_four(False),
    "overhead_add4_grad": add_of_four(True),
    "overhead_chain100_fwdbwd": Workload("us", 1, hundred_operations),
}
ATTENTIONS = {"sdpa_causal_8x6x256x64": ((8, 6, 256, 64), causal_attention),
              "sdpa_causal_1x12x1024x64": ((1, 12, 1024, 64), causal_attention),
              "sdpa_4x8x1024x64": ((4, 8, 1024, 64), lambda q, k, v: F.scaled_dot_product_attention(q, k, v))}
for name, (shape, operation) in ATTENTIONS.items():
    WORKLOADS |= both_passes(name, operation, shape, *[shape] * 3)
CONVOLUTIONS = {
    "conv3x3_32x64x56x56_64": convolution((32, 64, 56, 56), (64, 64, 3, 3), padding=1),
    "convdw3x3_32x128x28x28": convolution((32, 128, 28, 28), (128, 1, 3, 3), padding=1, groups=128),
    "conv7x7s2_8x3x224x224_64": convolution((8, 3, 224, 224), (64, 3, 7, 7), stride=2, padding=3),
}
WORKLOADS |= {name + part: workload for name, parts in CONVOLUTIONS.items() for part, workload in parts.items()}
WORKLOADS |= both_passes(
    "conv1d_16x128x1024_128", lambda x, w, b: F.conv1d(x, w, b, padding=2), (16, 128, 1024), (16, 128, 1024), (128, 128, 5), (128,),
    unit="GFLOP/s", amount=2.684354560)
WORKLOADS |= both_passes(
    "convt4x4s2_16x64x28x28_64", lambda x, w, b: F.conv_transpose2d(x, w, b, stride=2, padding=1), (16, 64, 56, 56),
    (16, 64, 28, 28), (64, 64, 4, 4), (64,), unit="GFLOP/s", amount=1.644167168)
WORKLOADS |= both_passes(
    "groupnorm_16x256x32x32", lambda x, w, b: F.group_norm(x, 32, w, b), (16, 256, 32, 32), (16, 256, 32, 32), (256,), (256,))
WORKLOADS |= both_passes(
    "bilinear2x_8x64x64x64", lambda x: F.interpolate(x, scale_factor=2, mode="bilinear"), (8, 64, 128, 128), (8, 64, 64, 64))
WORKLOADS |= recurrent("lstm_64x32x256", "LSTM") | recurrent("gru_64x32x256", "GRU")
WORKLOADS |= {
    "sort_1M": selection(lambda x, _: x.sort(), (MEGA,)),
    "topk100_1M": selection(lambda x, _: x.topk(100), (MEGA,)),
    "topk10_4096x1024": selection(lambda x, _: x.topk(10), ROWS),
    "gather_4096x1024": selection(lambda x, index: x.gather(1, index), ROWS, ROWS),
    "scatter_add_4096x1024": selection(lambda x, index: x.scatter_add(1, index, x), ROWS, ROWS),
    "index_select_65536x256": selection(lambda x, index: x.index_select(0, index), (65536, 256), (65536,)),
}
WORKLOADS |= {
    "mlp_train": training("mlp", floats(128, 784), integers(10, 128)),
    "lenet_train": training("lenet", floats(128, 1, 28, 28), integers(10, 128)),
    "resnet18_train_b8": training("resnet18", floats(8, 3, 224, 224), integers(1000, 8)),
    "gpt_baby_train": training("GPT", integers(65, 8, 256), integers(65, 8, 256), optimizer="AdamW"),
    "resnet18_infer_b1": inference("resnet18", 1, 3, 224, 224),
    "resnet18_infer_b16": inference("resnet18", 16, 3, 224, 224),
    "gpt2_prefill256": Workload("tok/s", 256, prefill),
    "gpt2_decode": Workload("tok/s", 16, decode),
    # Beside weights in bfloat16, torch's in float32: what its users run on a processor.
    "gpt2_decode_bf16": Workload("tok/s", 16, decode),
    "bert_base_infer_8x128": Workload("seq/s", 8, bert),
}
WORKLOADS |= {"load_minilm_safetensors": loading("safetensors"), "load_minilm_pth": loading("pth")}
# Peak resident memory of a process that runs only the workload named here.
PEAK_MEMORY = {f"rss_{name}": name for name in ("resnet18_train_b8", "gpt_baby_train")}
UNITS = {name: workload.unit for name, workload in WORKLOADS.items()} | dict.fromkeys(PEAK_MEMORY, "MB")


def repetitions(call, wanted=0.8, limit=12.0):
    """Seconds a call; short calls are grouped so that a sample takes at least 2 ms."""
    start = time.perf_counter()
    call()
    while time.perf_counter() - start < 0.2:
        call()
    begun = time.perf_counter()
    call()
    group = max(1, int(2e-3 / max(time.perf_counter() - begun, 1e-7)))
    samples, start = [], time.perf_counter()
    while True:
        begun = time.perf_counter()
        for _ in range(group):
            call()
        samples.append((time.perf_counter() - begun) / group)
        elapsed = time.perf_counter() - start
        if elapsed >= wanted and len(samples) >= 5 or elapsed >= limit and len(samples) >= 2:
            return samples


def peak_megabytes():
    with open("/proc/self/status") as status:
        return next(int(line.split()[1]) / 1024 for line in status if line.startswith("VmHWM"))


def measure(name, threads):
    if name in PEAK_MEMORY:
        command = [sys.executable, os.path.abspath(__file__), PEAK_MEMORY[name], "--threads", str(threads)]
        peak = json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)["peak_rss"]
        return {"workload": name, "median": peak, "min": peak, "unit": "MB", "threads": threads}
    torch.set_num_threads(threads)
    torch.manual_seed(0)
    workload = WORKLOADS[name]
    samples = repetitions(workload.prepare())
    return {"workload": name, "median": workload.value(statistics.median(samples)), "min": workload.value(min(samples)),
            "unit": workload.unit, "threads": threads, "peak_rss": peak_megabytes()}


def main():
    parser = argparse.ArgumentParser(description="the benchmark workloads in torch")
    parser.add_argument("name", nargs="?", choices=list(UNITS))
    parser.add_argument("--threads", type=int, default=2)
    options = parser.parse_args()
    print("\n".join(UNITS) if options.name is None else json.dumps(measure(options.name, options.threads)))


if __name__ == "__main__":
    main()
