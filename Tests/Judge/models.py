#!/usr/bin/env python3
"""What torch's own networks compute: models.py NAME FOLDER writes FOLDER/state.safetensors (a random state dict under the names
of torchvision or Hugging Face) and FOLDER/results.safetensors (input.*, output, loss and grad.NAME of every parameter)."""
import os
import sys

import torch
import torch.nn.functional as F
from safetensors.torch import save_file
from torch import nn


def downsample(inputs, outputs, stride):
    if stride == 1 and inputs == outputs:
        return None
    return nn.Sequential(nn.Conv2d(inputs, outputs, 1, stride, bias=False), nn.BatchNorm2d(outputs))


class Basic(nn.Module):
    expansion = 1

    def __init__(self, inputs, width, stride):
        super().__init__()
        self.conv1, self.bn1 = nn.Conv2d(inputs, width, 3, stride, 1, bias=False), nn.BatchNorm2d(width)
        self.conv2, self.bn2 = nn.Conv2d(width, width, 3, 1, 1, bias=False), nn.BatchNorm2d(width)
        self.downsample = downsample(inputs, width, stride)

    def forward(self, x):
        y = self.bn2(self.conv2(F.relu(self.bn1(self.conv1(x)))))
        return F.relu(y + (x if self.downsample is None else self.downsample(x)))


class Bottleneck(nn.Module):
    expansion = 4

    def __init__(self, inputs, width, stride):
        super().__init__()
        self.conv1, self.bn1 = nn.Conv2d(inputs, width, 1, bias=False), nn.BatchNorm2d(width)
        self.conv2, self.bn2 = nn.Conv2d(width, width, 3, stride, 1, bias=False), nn.BatchNorm2d(width)
        self.conv3, self.bn3 = nn.Conv2d(width, 4 * width, 1, bias=False), nn.BatchNorm2d(4 * width)
        self.downsample = downsample(inputs, 4 * width, stride)

    def forward(self, x):
        y = F.relu(self.bn2(self.conv2(F.relu(self.bn1(self.conv1(x))))))
        return F.relu(self.bn3(self.conv3(y)) + (x if self.downsample is None else self.downsample(x)))


class ResNet(nn.Module):
    def __init__(self, block, depths, classes=10):
        super().__init__()
        self.conv1, self.bn1 = nn.Conv2d(3, 64, 7, 2, 3, bias=False), nn.BatchNorm2d(64)
        inputs = 64
        for stage, depth in enumerate(depths):
            blocks = []
            for position in range(depth):
                blocks.append(block(inputs, 64 << stage, 2 if stage and not position else 1))
                inputs = (64 << stage) * block.expansion
            setattr(self, f"layer{stage + 1}", nn.Sequential(*blocks))
        self.fc = nn.Linear(inputs, classes)

    def forward(self, x):
        x = F.max_pool2d(F.relu(self.bn1(self.conv1(x))), 3, 2, 1)
        x = self.layer4(self.layer3(self.layer2(self.layer1(x))))
        return self.fc(x.mean((2, 3)))


class Conv1D(nn.Module):
    def __init__(self, outputs, inputs):
        super().__init__()
        self.weight, self.bias = nn.Parameter(torch.empty(inputs, outputs)), nn.Parameter(torch.empty(outputs))

    def forward(self, x):
        return x @ self.weight + self.bias


class Attention(nn.Module):
    def __init__(self, width, heads):
        super().__init__()
        self.heads, self.c_attn, self.c_proj = heads, Conv1D(3 * width, width), Conv1D(width, width)

    def forward(self, x):
        batch, length, width = x.shape
        q, k, v = (part.view(batch, length, self.heads, -1).transpose(1, 2) for part in self.c_attn(x).split(width, 2))
        scores = q @ k.mT / (width // self.heads) ** 0.5
        hidden = torch.ones(length, length, dtype=torch.bool).triu(1)
        y = scores.masked_fill(hidden, -torch.inf).softmax(-1) @ v
        return self.c_proj(y.transpose(1, 2).reshape(batch, length, width))


class MLP(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.c_fc, self.c_proj = Conv1D(4 * width, width), Conv1D(width, 4 * width)

    def forward(self, x):
        return self.c_proj(F.gelu(self.c_fc(x), approximate="tanh"))


class Block(nn.Module):
    def __init__(self, width, heads):
        super().__init__()
        self.ln_1, self.attn, self.ln_2, self.mlp = nn.LayerNorm(width), Attention(width, heads), nn.LayerNorm(width), MLP(width)

    def forward(self, x):
        x = x + self.attn(self.ln_1(x))
        return x + self.mlp(self.ln_2(x))


class GPT2(nn.Module):
    def __init__(self, kinds=65, context=160, width=48, layers=3, heads=4):
        super().__init__()
        self.transformer = nn.ModuleDict({
            "wte": nn.Embedding(kinds, width), "wpe": nn.Embedding(context, width),
            "h": nn.ModuleList(Block(width, heads) for _ in range(layers)), "ln_f": nn.LayerNorm(width)})
        self.lm_head = nn.Linear(width, kinds, bias=False)
        self.lm_head.weight = self.transformer.wte.weight

    def forward(self, tokens):
        x = self.transformer.wte(tokens) + self.transformer.wpe.weight[:tokens.size(1)]
        for block in self.transformer.h:
            x = block(x)
        return self.lm_head(self.transformer.ln_f(x))


def images():
    return torch.randn(5, 3, 64, 64), torch.randint(0, 10, (5,))


def tokens():
    return torch.randint(0, 65, (2, 150)), torch.randint(0, 65, (300,))


NETWORKS = {
    "resnet18": (lambda: ResNet(Basic, [2, 2, 2, 2]), images),
    "resnet34": (lambda: ResNet(Basic, [3, 4, 6, 3]), images),
    "resnet50": (lambda: ResNet(Bottleneck, [3, 4, 6, 3]), images),
    "gpt2": (GPT2, tokens),
}


def randomise(network):
    """Norms as if trained, weights that keep the variance, so that no gradient vanishes. Residuals count little beside what they
    are added to: random networks of many layers would make large differences of rounding."""
    last = "bn3.weight" if "layer1.0.bn3.weight" in network.state_dict() else "bn2.weight"
    for name, tensor in network.state_dict().items():
        if name.endswith("num_batches_tracked"):
            tensor.fill_(7)
        elif name.endswith(last):
            tensor.uniform_(0.1, 0.3)
        elif name.endswith("running_var") or ("weight" in name and tensor.dim() == 1):
            tensor.uniform_(0.5, 1.5)
        elif tensor.dim() < 2:
            tensor.normal_(std=0.2)
        else:
            tensor.normal_(std=0.1 if isinstance(network, GPT2) else (2 / tensor[0].numel()) ** 0.5)


def main():
    name, folder = sys.argv[1:]
    seed = int.from_bytes(os.urandom(4), "little")
    torch.manual_seed(seed)
    make, sample = NETWORKS[name]
    network, (x, y) = make(), sample()
    with torch.no_grad():
        randomise(network)
    save_file({key: value.clone() for key, value in network.state_dict().items()}, f"{folder}/state.safetensors")
    results = {"input": x, "target": y, "seed": torch.tensor(seed)}
    # The judge of the rounding: the same network in double precision.
    wide = network.double()
    results["evaluated"] = wide.eval()(x.double() if x.is_floating_point() else x).detach()
    output = wide.train()(x.double() if x.is_floating_point() else x)
    loss = F.cross_entropy(output.reshape(-1, output.size(-1)), y)
    loss.backward()
    results |= {"output": output.detach(), "loss": loss.detach()}
    results |= {f"grad.{key}": parameter.grad for key, parameter in wide.named_parameters()}
    results |= {f"after.{key}": buffer for key, buffer in wide.named_buffers()}
    save_file({key: value.clone().contiguous() for key, value in results.items()}, f"{folder}/results.safetensors")


if __name__ == "__main__":
    main()
