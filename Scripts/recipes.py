#!/usr/bin/env python3
"""What `flambeau train` does by default, in torch: recipes.py digits|mnist [--data DIR] [--seeds 0,1,…] prints the test accuracy
and the seconds, to choose a recipe by and to compare with."""
import argparse
import os
import time

import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

import torch_data


def stage(inputs, outputs):
    return [nn.Conv2d(inputs, outputs, 3, padding=1), nn.BatchNorm2d(outputs), nn.ReLU()]


def digits_net():
    return nn.Sequential(
        *stage(1, 32), *stage(32, 64), nn.MaxPool2d(2), nn.Flatten(),
        nn.Dropout(0.5), nn.Linear(64 * 4 * 4, 128), nn.ReLU(), nn.Linear(128, 10))


def mnist_net():
    return nn.Sequential(
        *stage(1, 16), nn.MaxPool2d(2), *stage(16, 32), nn.MaxPool2d(2), nn.Flatten(),
        nn.Dropout(0.25), nn.Linear(32 * 7 * 7, 128), nn.ReLU(), nn.Linear(128, 10))


RECIPES = {
    "digits": {"net": digits_net, "epochs": 15, "batch_size": 64, "lr": 5e-3},
    "mnist": {"net": mnist_net, "epochs": 3, "batch_size": 128, "lr": 5e-3},
}


def train(recipe, data, seed, cycle_momentum):
    torch.manual_seed(seed)
    model = recipe["net"]()
    loader = DataLoader(TensorDataset(*data), batch_size=recipe["batch_size"], shuffle=True)
    optimizer = torch.optim.AdamW(model.parameters(), lr=recipe["lr"], weight_decay=0.01)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, max_lr=recipe["lr"], total_steps=recipe["epochs"] * len(loader), cycle_momentum=cycle_momentum)
    for _ in range(recipe["epochs"]):
        model.train()
        for images, labels in loader:
            optimizer.zero_grad()
            nn.functional.cross_entropy(model(images), labels).backward()
            optimizer.step()
            schedule.step()
    return model


def main():
    parser = argparse.ArgumentParser(description="the default recipes in torch")
    parser.add_argument("name", choices=RECIPES)
    parser.add_argument("--data", help="MNIST's folder")
    parser.add_argument("--seeds", default="0,1,2,3,4")
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--keep-momentum", action="store_true", help="the schedule leaves the first beta alone")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    fitting, test = torch_data.digits() if options.name == "digits" else torch_data.mnist(options.data)
    for seed in map(int, options.seeds.split(",")):
        start = time.perf_counter()
        model = train(RECIPES[options.name], fitting, seed, not options.keep_momentum)
        seconds = time.perf_counter() - start
        print(f"seed {seed}: {100 * torch_data.accuracy(model, *test):.2f} % in {seconds:.1f} s", flush=True)


if __name__ == "__main__":
    main()
