#!/usr/bin/env python3
"""Training in torch: same_training.py gpt TEXT STEPS FOLDER trains nanoGPT's "baby GPT" on a text, same_training.py resnet18 - STEPS
FOLDER a ResNet-18 for small images. FOLDER/state.safetensors has the weights at first, FOLDER/results.safetensors the batches and the
losses."""
import math
import sys

import torch
import torch.nn.functional as F
from safetensors.torch import save_file
from torch import nn

import models


class Norm(nn.Module):
    """nanoGPT's norm without a bias."""

    def __init__(self, width):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(width))

    def forward(self, x):
        return F.layer_norm(x, self.weight.shape, self.weight, None, 1e-5)


class Block(nn.Module):
    def __init__(self, width, heads):
        super().__init__()
        self.heads = heads
        self.ln_1, self.ln_2 = Norm(width), Norm(width)
        self.attn = nn.ModuleDict(
            {"c_attn": nn.Linear(width, 3 * width, bias=False), "c_proj": nn.Linear(width, width, bias=False)})
        self.mlp = nn.ModuleDict(
            {"c_fc": nn.Linear(width, 4 * width, bias=False), "c_proj": nn.Linear(4 * width, width, bias=False)})

    def forward(self, x):
        batch, length, width = x.shape
        q, k, v = (
            part.view(batch, length, self.heads, -1).transpose(1, 2) for part in self.attn["c_attn"](self.ln_1(x)).split(width, 2))
        y = F.scaled_dot_product_attention(q, k, v, is_causal=True)
        x = x + self.attn["c_proj"](y.transpose(1, 2).reshape(batch, length, width))
        return x + self.mlp["c_proj"](F.gelu(self.mlp["c_fc"](self.ln_2(x))))


class BabyGPT(nn.Module):
    """nanoGPT's names, with its character model's sizes and no dropout."""

    def __init__(self, kinds, context=256, layers=6, heads=6, width=384):
        super().__init__()
        self.transformer = nn.ModuleDict({
            "wte": nn.Embedding(kinds, width), "wpe": nn.Embedding(context, width),
            "h": nn.ModuleList(Block(width, heads) for _ in range(layers)), "ln_f": Norm(width)})
        self.lm_head = nn.Linear(width, kinds, bias=False)
        self.lm_head.weight = self.transformer.wte.weight
        for name, parameter in self.named_parameters():
            if parameter.dim() > 1:
                nn.init.normal_(parameter, std=0.02 / math.sqrt(2 * layers) if name.endswith("c_proj.weight") else 0.02)

    def forward(self, tokens):
        x = self.transformer["wte"](tokens) + self.transformer["wpe"].weight[:tokens.size(1)]
        for block in self.transformer["h"]:
            x = block(x)
        return self.lm_head(self.transformer["ln_f"](x))


def save(model, folder):
    save_file({key: value.clone() for key, value in model.state_dict().items()}, f"{folder}/state.safetensors")


def gpt(text, steps, folder, batch=2, context=256):
    with open(text, encoding="utf-8") as file:
        text = file.read()
    place = {character: i for i, character in enumerate(sorted(set(text)))}
    data = torch.tensor([place[character] for character in text])
    model = BabyGPT(len(place))
    save(model, folder)
    wide = [parameter for parameter in model.parameters() if parameter.dim() > 1]
    other = [parameter for parameter in model.parameters() if parameter.dim() < 2]
    optimizer = torch.optim.AdamW(
        [{"params": wide, "weight_decay": 0.1}, {"params": other, "weight_decay": 0.0}], lr=1e-3, betas=(0.9, 0.99))
    batches, losses = [], []
    for step in range(steps):
        starts = torch.randint(len(data) - context - 1, (batch,))
        rows = torch.stack([data[start:start + context + 1] for start in starts])
        for group in optimizer.param_groups:
            group["lr"] = 1e-3 * (step + 1) / 101
        logits = model(rows[:, :-1])
        loss = F.cross_entropy(logits.reshape(-1, logits.size(-1)), rows[:, 1:].reshape(-1))
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        batches.append(rows)
        losses.append(loss.item())
    return {"batches": torch.stack(batches), "losses": torch.tensor(losses, dtype=torch.float64)}


def resnet18(_, steps, folder, batch=16):
    model = models.ResNet(models.Basic, [2, 2, 2, 2])
    model.conv1 = nn.Conv2d(3, 64, 3, 1, 1, bias=False)
    model.pools = False
    for module in model.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
    save(model, folder)
    # Faster, and torch's own losses in float32 and in float64 part within ten steps.
    optimizer = torch.optim.SGD(model.parameters(), lr=1e-4, momentum=0.9, weight_decay=5e-4)
    means = torch.randn(10, 3, 8, 8).repeat_interleave(4, 2).repeat_interleave(4, 3)
    labels = torch.randint(0, 10, (steps, batch))
    images = means[labels] + torch.randn(steps, batch, 3, 32, 32)
    losses = []
    for x, y in zip(images, labels):
        loss = F.cross_entropy(model(x), y)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return {"images": images, "labels": labels, "losses": torch.tensor(losses, dtype=torch.float64)}


def main():
    name, text, steps, folder = sys.argv[1:]
    torch.manual_seed(1337)
    results = {"gpt": gpt, "resnet18": resnet18}[name](text, int(steps), folder)
    save_file({key: value.contiguous() for key, value in results.items()}, f"{folder}/results.safetensors")


if __name__ == "__main__":
    main()
