#!/usr/bin/env python3
"""torch's half of the same run in torch and in Flambeau: trains an MLP and a CNN on the digits from given seeds and writes what
must agree to Tests/Golden/same_run.json: initial parameters (bit for bit, as a checksum and the first elements), the order of
batches, the first 200 losses (1e-4 relative), the test accuracy (0.3 points), the generator at the end.

A rounding error that carries one activation across ReLU's corner moves the losses by 1e-4 and more; seeds and rates are such that
none does. same_run.py --sensitivity shows it: how far the losses move when the run is computed in float64, on two threads, and
with every gradient off by about one part in 10⁶.
"""
import argparse
import json
import os

import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

import torch_data

GOLDEN = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "Tests", "Golden", "same_run.json")
RECORDED = 200


def mlp():
    return nn.Sequential(
        nn.Flatten(), nn.Linear(64, 128), nn.ReLU(), nn.Linear(128, 64), nn.ReLU(), nn.Linear(64, 10))


def cnn():
    return nn.Sequential(
        nn.Conv2d(1, 16, 3, padding=1), nn.ReLU(), nn.Conv2d(16, 32, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
        nn.Flatten(), nn.Dropout(0.25), nn.Linear(512, 64), nn.ReLU(), nn.Linear(64, 10))


RUNS = {
    "mlp": {"net": mlp, "seed": 3, "optimizer": "Adam", "arguments": {"lr": 1e-3}},
    "cnn": {"net": cnn, "seed": 32, "optimizer": "SGD", "arguments": {"lr": 0.01, "momentum": 0.9}},
}
SHARED = {"epochs": 20, "batch_size": 64}


def fnv1a(data):
    """The 64-bit FNV-1a hash of some bytes, as hex."""
    value = 0xCBF29CE484222325
    for byte in data:
        value = (value ^ byte) * 0x100000001B3 & 0xFFFFFFFFFFFFFFFF
    return f"{value:016x}"


def parameter(name, value):
    data = value.detach().numpy().tobytes()
    return {"name": name, "shape": list(value.shape), "fnv1a": fnv1a(data), "first": data[:32].hex()}


def train(run, dtype=torch.float32, noise=None):
    (images, labels), test = torch_data.digits()
    torch.manual_seed(run["seed"])
    model = run["net"]()
    initial = [parameter(*item) for item in model.named_parameters()]
    model.to(dtype)
    optimizer = getattr(torch.optim, run["optimizer"])(model.parameters(), **run["arguments"])
    loader = DataLoader(
        TensorDataset(images.to(dtype), labels, torch.arange(len(labels))), batch_size=SHARED["batch_size"], shuffle=True)
    losses, order = [], []
    for _ in range(SHARED["epochs"]):
        model.train()
        order.append([])
        for x, y, index in loader:
            loss = nn.functional.cross_entropy(model(x), y)
            optimizer.zero_grad()
            loss.backward()
            if noise:
                for weight in model.parameters():
                    weight.grad *= 1 + 1e-6 * torch.randn(weight.shape, dtype=dtype, generator=noise)
            optimizer.step()
            losses.append(loss.item())
            order[-1].append(index.tolist())
    accuracy = torch_data.accuracy(model, test[0].to(dtype), test[1])
    return {
        "initial": initial, "first_epoch": order[0][:3], "second_epoch": order[1][:1], "losses": losses[:RECORDED],
        "last_loss": losses[-1], "test_accuracy": accuracy, "after": torch.empty((), dtype=torch.int64).random_().item()}


def write():
    torch.set_num_threads(1)
    golden = {"torch": torch.__version__, **SHARED, "runs": {}}
    for name, run in RUNS.items():
        result = train(run)
        settings = {key: value for key, value in run.items() if key != "net"}
        golden["runs"][name] = settings | result
        first, last, accuracy = result["losses"][0], result["last_loss"], result["test_accuracy"]
        print(f"{name}: loss {first:.4f} → {last:.4f}, test accuracy {100 * accuracy:.2f} %")
    with open(GOLDEN, "w") as file:
        json.dump(golden, file, separators=(",", ":"))
        file.write("\n")


def sensitivity():
    for name, run in RUNS.items():
        torch.set_num_threads(1)
        base = train(run)
        variants = {"float64": {"dtype": torch.float64}, "two threads": {}}
        variants |= {f"noise {seed}": {"noise": torch.Generator().manual_seed(seed)} for seed in range(4)}
        for variant, arguments in variants.items():
            torch.set_num_threads(2 if variant == "two threads" else 1)
            other = train(run, **arguments)
            apart = max(abs(a / b - 1) for a, b in zip(base["losses"], other["losses"]))
            print(f"{name} {variant}: losses apart by {apart:.1e}, accuracy {100 * other['test_accuracy']:.2f} % "
                  f"({100 * base['test_accuracy']:.2f} %)", flush=True)


def main():
    parser = argparse.ArgumentParser(description="torch's half of the same run")
    parser.add_argument("--sensitivity", action="store_true")
    sensitivity() if parser.parse_args().sensitivity else write()


if __name__ == "__main__":
    main()
