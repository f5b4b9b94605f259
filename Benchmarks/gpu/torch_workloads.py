#!/usr/bin/env python3
"""What `flambeau bench --device cuda` measures, in torch on the same GPU: torch_workloads.py NAME… prints a JSON line a workload with the
median of seven repetitions between events, in milliseconds, and the peak of allocated memory. --small tries the workloads themselves, on
any device."""
import argparse
import json
import statistics
import time

import torch
import torch.nn.functional as F
from torch import nn

WORKLOADS = {}
# Workloads that torch compiles, which takes a minute.
COMPILED = {"gpt2_train_b16x1024_bf16_graph"}


def workload(function):
    WORKLOADS[function.__name__] = function
    return function


def numbers(shape, dtype=torch.float32):
    count = 1
    for size in shape:
        count *= size
    return ((torch.arange(count, device=DEVICE) % 1013).float() / 1013 - 0.5).to(dtype).reshape(shape)


def classes(count, kinds):
    return torch.arange(count, device=DEVICE) * 7919 % kinds


@workload
def copy_256M(small):
    x = numbers([1 << 10 if small else 1 << 28])
    return lambda: x.clone()


@workload
def add_64M(small):
    x, y = (numbers([1 << 10 if small else 1 << 26]) for _ in range(2))
    return lambda: x + y


@workload
def gelu_64M(small):
    x = numbers([1 << 10 if small else 1 << 26])
    return lambda: F.gelu(x)


@workload
def sum_64M(small):
    x = numbers([1 << 10 if small else 1 << 26])
    return lambda: x.sum()


def rows(function, small):
    shape = [8, 64] if small else [8192, 4096]
    x, g = numbers(shape).requires_grad_(), numbers(shape)
    return lambda: torch.autograd.grad(function(x), x, g)


@workload
def layernorm_8192x4096(small):
    return rows(lambda x: F.layer_norm(x, x.shape[1:]), small)


@workload
def softmax_8192x4096(small):
    return rows(lambda x: F.softmax(x, -1), small)


@workload
def xent_8192x50304(small):
    n, kinds = (8, 32) if small else (8192, 50304)
    x, target = numbers([n, kinds]).requires_grad_(), classes(n, kinds)

    def call():
        x.grad = None
        F.cross_entropy(x, target).backward()

    return call


@workload
def adamw_gpt2(small):
    model = gpt2(small)
    for parameter in model.parameters():
        parameter.grad = torch.ones_like(parameter)
    optimizer = torch.optim.AdamW(model.parameters(), fused=DEVICE == "cuda")
    return optimizer.step


@workload
def launch_add(small):
    x = numbers([16])
    return lambda: x + 1


def product(n, dtype, small):
    n = 32 if small else n
    a, b = numbers([n, n], dtype), numbers([n, n], dtype)
    return lambda: a @ b


@workload
def gemm_f32_4096(small):
    return product(4096, torch.float32, small)


@workload
def gemm_bf16_8192(small):
    return product(8192, torch.bfloat16, small)


@workload
def attention_b16h12t1024d64(small):
    n, heads, length, width = (2, 2, 40, 16) if small else (16, 12, 1024, 64)
    x = numbers([n, length, 3, heads, width], torch.bfloat16)
    g = numbers([n, length, heads, width], torch.bfloat16).transpose(1, 2)
    parts = [part.detach().requires_grad_() for part in x.transpose(1, 3).unbind(2)]
    return lambda: torch.autograd.grad(F.scaled_dot_product_attention(*parts, is_causal=True), parts, g)


class Block(nn.Module):
    def __init__(self, width, heads):
        super().__init__()
        self.heads = heads
        self.ln_1, self.ln_2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.c_attn, self.c_proj = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.c_fc, self.c_out = nn.Linear(width, 4 * width), nn.Linear(4 * width, width)

    def forward(self, x):
        n, t, width = x.shape
        q, k, v = (part.view(n, t, self.heads, -1).transpose(1, 2) for part in self.c_attn(self.ln_1(x)).split(width, 2))
        y = F.scaled_dot_product_attention(q, k, v, is_causal=True)
        x = x + self.c_proj(y.transpose(1, 2).reshape(n, t, width))
        return x + self.c_out(F.gelu(self.c_fc(self.ln_2(x)), approximate="tanh"))


class GPT2(nn.Module):
    def __init__(self, vocabulary, positions, width, layers, heads):
        super().__init__()
        self.wte, self.wpe = nn.Embedding(vocabulary, width), nn.Embedding(positions, width)
        self.blocks = nn.ModuleList(Block(width, heads) for _ in range(layers))
        self.ln_f = nn.LayerNorm(width)

    def forward(self, tokens):
        x = self.wte(tokens) + self.wpe(torch.arange(tokens.shape[1], device=tokens.device))
        for block in self.blocks:
            x = block(x)
        return F.linear(self.ln_f(x), self.wte.weight)


def gpt2(small):
    return GPT2(*((64, 16, 32, 1, 2) if small else (50257, 1024, 768, 12, 12))).to(DEVICE)


def training(parameters, loss):
    optimizer = torch.optim.AdamW(parameters, fused=DEVICE == "cuda")

    def step():
        optimizer.zero_grad()
        loss().backward()
        optimizer.step()

    return step


def gpt2_training(small, compiled):
    model = gpt2(small)
    if compiled and not small:
        model = torch.compile(model)
    n, length = (2, 16) if small else (16, 1024)
    tokens = classes(n * length, 64 if small else 50257)
    shaped = tokens.view(n, length)

    def loss():
        with torch.autocast(DEVICE, torch.bfloat16):
            logits = model(shaped)
            return F.cross_entropy(logits.view(n * length, -1), tokens)

    return training(model.parameters(), loss)


@workload
def gpt2_train_b16x1024_bf16(small):
    return gpt2_training(small, compiled=False)


# A graph of ours stands beside torch.compile.
@workload
def gpt2_train_b16x1024_bf16_graph(small):
    return gpt2_training(small, compiled=True)


@workload
def resnet50_train_b128_bf16(small):
    from torchvision.models import resnet50
    model = resnet50(num_classes=10 if small else 1000).to(DEVICE, memory_format=torch.channels_last)
    n, side = (2, 64) if small else (128, 224)
    x = numbers([n, 3, side, side]).to(memory_format=torch.channels_last)
    y = classes(n, 10 if small else 1000)

    def loss():
        with torch.autocast(DEVICE, torch.bfloat16):
            return F.cross_entropy(model(x), y)

    return training(model.parameters(), loss)


def synchronize():
    if DEVICE == "cuda":
        torch.cuda.synchronize()


def milliseconds(call, is_launch, small):
    for _ in range(1 if small else 3):
        call()
    synchronize()
    begun = time.perf_counter()
    call()
    synchronize()
    count = 1 if small else max(1, min(2000, int(0.1 / max(time.perf_counter() - begun, 1e-6))))
    samples = []
    for _ in range(1 if small else 7):
        synchronize()
        events = [torch.cuda.Event(enable_timing=True) for _ in range(2)] if DEVICE == "cuda" else None
        if events:
            events[0].record()
        begun = time.perf_counter()
        for _ in range(count):
            call()
        host = (time.perf_counter() - begun) * 1e3
        if events:
            events[1].record()
        synchronize()
        samples.append((host if is_launch or not events else events[0].elapsed_time(events[1])) / count)
    return statistics.median(samples)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("names", nargs="*", help="all by default")
    parser.add_argument("--small", action="store_true")
    parser.add_argument("--device", default="cuda")
    options = parser.parse_args()
    global DEVICE
    DEVICE = options.device
    for name in options.names or list(WORKLOADS):
        if DEVICE == "cuda":
            torch.cuda.empty_cache()
            torch.cuda.reset_peak_memory_stats()
        call = None
        try:
            call = WORKLOADS[name](options.small)
            time_of_a_call = milliseconds(call, name == "launch_add", options.small)
            peak = torch.cuda.max_memory_allocated() if DEVICE == "cuda" else 0
            print(json.dumps({"workload": name, "milliseconds": time_of_a_call, "peak": peak}), flush=True)
        except Exception as error:  # The others are measured all the same: an installation may lack what one needs.
            print(json.dumps({"workload": name, "error": f"{type(error).__name__}: {error}"}), flush=True)
        del call


if __name__ == "__main__":
    main()
