"""The networks of the training and inference workloads, in torch."""
import torch
from torch import nn
import torch.nn.functional as F


def mlp():
    return nn.Sequential(nn.Linear(784, 512), nn.ReLU(), nn.Linear(512, 512), nn.ReLU(), nn.Linear(512, 10))


def lenet():
    return nn.Sequential(
        nn.Conv2d(1, 6, 5, padding=2), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(6, 16, 5), nn.ReLU(), nn.MaxPool2d(2),
        nn.Flatten(), nn.Linear(400, 120), nn.ReLU(), nn.Linear(120, 84), nn.ReLU(), nn.Linear(84, 10))


class Residual(nn.Module):
    """ResNet's basic block; a projection where the shape changes."""

    def __init__(self, inputs, outputs, stride):
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(outputs)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(outputs)
        self.downsample = None
        if stride != 1 or inputs != outputs:
            self.downsample = nn.Sequential(nn.Conv2d(inputs, outputs, 1, stride, bias=False), nn.BatchNorm2d(outputs))

    def forward(self, x):
        shortcut = x if self.downsample is None else self.downsample(x)
        return F.relu(self.bn2(self.conv2(F.relu(self.bn1(self.conv1(x))))) + shortcut)


def resnet18():
    widths = [64, 64, 128, 256, 512]
    stages = []
    for inputs, outputs in zip(widths, widths[1:]):
        stages += [Residual(inputs, outputs, 1 if outputs == 64 else 2), Residual(outputs, outputs, 1)]
    return nn.Sequential(
        nn.Conv2d(3, 64, 7, 2, 3, bias=False), nn.BatchNorm2d(64), nn.ReLU(), nn.MaxPool2d(3, 2, 1), *stages,
        nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(512, 1000))


class Block(nn.Module):
    """A pre-norm transformer block with causal attention and a tanh-gelu."""

    def __init__(self, width, heads):
        super().__init__()
        self.heads = heads
        self.ln1, self.ln2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.qkv, self.proj = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.up, self.down = nn.Linear(width, 4 * width), nn.Linear(4 * width, width)

    def forward(self, x):
        batch, length, width = x.shape
        q, k, v = (
            part.view(batch, length, self.heads, width // self.heads).transpose(1, 2)
            for part in self.qkv(self.ln1(x)).split(width, 2))
        attended = F.scaled_dot_product_attention(q, k, v, is_causal=True)
        x = x + self.proj(attended.transpose(1, 2).reshape(batch, length, width))
        return x + self.down(F.gelu(self.up(self.ln2(x)), approximate="tanh"))


class GPT(nn.Module):
    """Six blocks of six heads, 384 wide, 256 tokens of 65 kinds; the head shares the embedding's weight."""

    def __init__(self, kinds=65, context=256, layers=6, heads=6, width=384):
        super().__init__()
        self.tokens, self.positions = nn.Embedding(kinds, width), nn.Embedding(context, width)
        self.blocks = nn.Sequential(*(Block(width, heads) for _ in range(layers)))
        self.norm = nn.LayerNorm(width)
        for parameter in self.parameters():
            if parameter.dim() > 1:
                nn.init.normal_(parameter, std=0.02)

    def forward(self, index):
        x = self.tokens(index) + self.positions(torch.arange(index.size(1)))
        return F.linear(self.norm(self.blocks(x)), self.tokens.weight)


class LanguageBlock(nn.Module):
    """A transformer block that may keep keys and values: GPT-2's with its norms before, BERT's with its norms after."""

    def __init__(self, width, heads, is_causal):
        super().__init__()
        self.heads, self.is_causal = heads, is_causal
        self.ln1, self.ln2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.qkv, self.proj = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.up, self.down = nn.Linear(width, 4 * width), nn.Linear(4 * width, width)

    def attend(self, x, cache, start):
        batch, length, width = x.shape
        q, k, v = (
            part.view(batch, length, self.heads, width // self.heads).transpose(1, 2) for part in self.qkv(x).split(width, 2))
        if cache is not None:
            cache[0][:, :, start:start + length], cache[1][:, :, start:start + length] = k, v
            k, v = cache[0][:, :, :start + length], cache[1][:, :, :start + length]
        y = F.scaled_dot_product_attention(q, k, v, is_causal=self.is_causal and length > 1)
        return self.proj(y.transpose(1, 2).reshape(batch, length, width))

    def forward(self, x, cache=None, start=0):
        if self.is_causal:
            x = x + self.attend(self.ln1(x), cache, start)
            return x + self.down(F.gelu(self.up(self.ln2(x)), approximate="tanh"))
        x = self.ln1(x + self.attend(x, None, 0))
        return self.ln2(x + self.down(F.gelu(self.up(x))))


class GPT2(nn.Module):
    """GPT-2 small with a cache of keys and values; logits of the last token."""

    def __init__(self, kinds=50257, context=1024, layers=12, heads=12, width=768):
        super().__init__()
        self.tokens, self.positions = nn.Embedding(kinds, width), nn.Embedding(context, width)
        self.blocks = nn.ModuleList(LanguageBlock(width, heads, True) for _ in range(layers))
        self.norm = nn.LayerNorm(width)
        self.cache = [torch.zeros(2, 1, heads, context, width // heads) for _ in range(layers)]
        for parameter in self.parameters():
            if parameter.dim() > 1:
                nn.init.normal_(parameter, std=0.02)

    def forward(self, index, start):
        x = self.tokens(index) + self.positions(torch.arange(start, start + index.size(1)))
        for block, cache in zip(self.blocks, self.cache):
            x = block(x, cache, start)
        return F.linear(self.norm(x[:, -1]), self.tokens.weight)


class Bert(nn.Module):
    """BERT base without its pooler."""

    def __init__(self, kinds=30522, context=512, layers=12, heads=12, width=768):
        super().__init__()
        self.tokens, self.positions = nn.Embedding(kinds, width), nn.Embedding(context, width)
        self.types, self.norm = nn.Embedding(2, width), nn.LayerNorm(width)
        self.blocks = nn.Sequential(*(LanguageBlock(width, heads, False) for _ in range(layers)))

    def forward(self, index):
        x = self.tokens(index) + self.positions(torch.arange(index.size(1))) + self.types.weight[0]
        return self.blocks(self.norm(x))
