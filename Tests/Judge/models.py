#!/usr/bin/env python3
"""What torch's own networks compute: models.py FOLDER writes, of every network, FOLDER/NAME/state.safetensors (a random state dict
under the names of torchvision or Hugging Face) and FOLDER/NAME/results.safetensors (input, output, loss and grad.KEY of every
parameter)."""
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
    pools = True

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
        x = F.relu(self.bn1(self.conv1(x)))
        if self.pools:
            x = F.max_pool2d(x, 3, 2, 1)
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


class Residual(nn.Module):
    """MobileNet's inverted one."""

    def __init__(self, inputs, outputs, expansion, stride):
        super().__init__()
        hidden = inputs * expansion
        widening = [] if expansion == 1 else [mobile_step(inputs, hidden, 1)]
        self.conv = nn.Sequential(
            *widening, mobile_step(hidden, hidden, 3, stride, hidden), nn.Conv2d(hidden, outputs, 1, bias=False),
            nn.BatchNorm2d(outputs))
        self.keeps = stride == 1 and inputs == outputs

    def forward(self, x):
        return x + self.conv(x) if self.keeps else self.conv(x)


def mobile_step(inputs, outputs, kernel, stride=1, groups=1):
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, groups=groups, bias=False), nn.BatchNorm2d(outputs), nn.ReLU6())


class MobileNetV2(nn.Module):
    STAGES = [(1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2), (6, 96, 3, 1), (6, 160, 3, 2), (6, 320, 1, 1)]

    def __init__(self, classes=10):
        super().__init__()
        layers, inputs = [mobile_step(3, 32, 3, 2)], 32
        for expansion, outputs, count, stride in self.STAGES:
            for position in range(count):
                layers.append(Residual(inputs, outputs, expansion, 1 if position else stride))
                inputs = outputs
        self.features = nn.Sequential(*layers, mobile_step(inputs, 1280, 1))
        self.classifier = nn.Sequential(nn.Identity(), nn.Linear(1280, classes))

    def forward(self, x):
        return self.classifier(self.features(x).mean((2, 3)))


class VisionBlock(nn.Module):
    def __init__(self, width, heads, wide):
        super().__init__()
        self.ln_1, self.ln_2 = nn.LayerNorm(width, eps=1e-6), nn.LayerNorm(width, eps=1e-6)
        self.self_attention = nn.MultiheadAttention(width, heads, batch_first=True)
        self.mlp = nn.Sequential(
            nn.Linear(width, wide), nn.GELU(), nn.Identity(), nn.Linear(wide, width), nn.Identity())

    def forward(self, x):
        y = self.ln_1(x)
        x = x + self.self_attention(y, y, y, need_weights=False)[0]
        return x + self.mlp(self.ln_2(x))


class VisionTransformer(nn.Module):
    def __init__(self, size=64, patch=16, layers=3, heads=4, width=48, wide=80, classes=10):
        super().__init__()
        self.class_token = nn.Parameter(torch.empty(1, 1, width))
        self.conv_proj = nn.Conv2d(3, width, patch, patch)
        self.encoder = nn.Module()
        self.encoder.pos_embedding = nn.Parameter(torch.empty(1, (size // patch) ** 2 + 1, width))
        self.encoder.layers = nn.ModuleDict(
            {f"encoder_layer_{i}": VisionBlock(width, heads, wide) for i in range(layers)})
        self.encoder.ln = nn.LayerNorm(width, eps=1e-6)
        self.heads = nn.ModuleDict({"head": nn.Linear(width, classes)})

    def forward(self, x):
        x = self.conv_proj(x).flatten(2).transpose(1, 2)
        x = torch.cat([self.class_token.expand(len(x), -1, -1), x], 1) + self.encoder.pos_embedding
        for layer in self.encoder.layers.values():
            x = layer(x)
        return self.heads["head"](self.encoder.ln(x)[:, 0])


class DoubleConv(nn.Module):
    def __init__(self, inputs, outputs):
        super().__init__()
        parts = []
        for channels in (inputs, outputs):
            parts += [nn.Conv2d(channels, outputs, 3, padding=1, bias=False), nn.BatchNorm2d(outputs), nn.ReLU()]
        self.double_conv = nn.Sequential(*parts)

    def forward(self, x):
        return self.double_conv(x)


class Down(nn.Module):
    def __init__(self, inputs, outputs):
        super().__init__()
        self.maxpool_conv = nn.Sequential(nn.MaxPool2d(2), DoubleConv(inputs, outputs))

    def forward(self, x):
        return self.maxpool_conv(x)


class Up(nn.Module):
    def __init__(self, inputs, outputs):
        super().__init__()
        self.up, self.conv = nn.ConvTranspose2d(inputs, inputs // 2, 2, 2), DoubleConv(inputs, outputs)

    def forward(self, x, beside):
        x = self.up(x)
        rows, columns = beside.size(2) - x.size(2), beside.size(3) - x.size(3)
        x = F.pad(x, [columns // 2, columns - columns // 2, rows // 2, rows - rows // 2])
        return self.conv(torch.cat([beside, x], 1))


class UNet(nn.Module):
    def __init__(self, width=8, classes=3):
        super().__init__()
        self.inc = DoubleConv(3, width)
        for i in range(4):
            setattr(self, f"down{i + 1}", Down(width << i, width << (i + 1)))
            setattr(self, f"up{i + 1}", Up(width << (4 - i), width << (3 - i)))
        self.outc = nn.ModuleDict({"conv": nn.Conv2d(width, classes, 1)})

    def forward(self, x):
        seen = [self.inc(x)]
        for i in range(4):
            seen.append(getattr(self, f"down{i + 1}")(seen[-1]))
        x = seen.pop()
        for i in range(4):
            x = getattr(self, f"up{i + 1}")(x, seen.pop())
        return self.outc["conv"](x).movedim(1, -1)


class Recurrent(nn.Module):
    """The language model of torch's word_language_model example."""

    def __init__(self, kind, kinds=65, width=24, tied=False):
        super().__init__()
        self.encoder, self.decoder = nn.Embedding(kinds, width), nn.Linear(width, kinds)
        self.rnn = kind(width, width, 2, batch_first=True)
        if tied:
            self.decoder.weight = self.encoder.weight

    def forward(self, tokens):
        return self.decoder(self.rnn(self.encoder(tokens))[0])


class SequenceClassifier(nn.Module):
    LENGTHS = [9, 30, 1, 17]

    def __init__(self, kind):
        super().__init__()
        self.embedding, self.fc = nn.Embedding(65, 20), nn.Linear(48, 5)
        self.rnn = kind(20, 24, batch_first=True, bidirectional=True)

    def forward(self, tokens):
        packed = nn.utils.rnn.pack_padded_sequence(self.embedding(tokens), self.LENGTHS, True, False)
        state = self.rnn(packed)[1]
        hidden = state[0] if isinstance(state, tuple) else state
        return self.fc(torch.cat([hidden[0], hidden[1]], 1))


def images():
    return torch.randn(5, 3, 64, 64), torch.randint(0, 10, (5,))


def tokens():
    return torch.randint(0, 65, (2, 150)), torch.randint(0, 65, (300,))


def odd_images():
    return torch.randn(2, 3, 44, 39), torch.randint(0, 3, (2 * 44 * 39,))


def texts():
    return torch.randint(0, 65, (4, 30)), torch.randint(0, 5, (4,))


NETWORKS = {
    "resnet18": (lambda: ResNet(Basic, [2, 2, 2, 2]), images),
    "resnet34": (lambda: ResNet(Basic, [3, 4, 6, 3]), images),
    "resnet50": (lambda: ResNet(Bottleneck, [3, 4, 6, 3]), images),
    "gpt2": (GPT2, tokens),
    "mobilenet_v2": (MobileNetV2, images),
    "vit": (VisionTransformer, images),
    "unet": (UNet, odd_images),
    "lstm_lm": (lambda: Recurrent(nn.LSTM), tokens),
    "gru_lm": (lambda: Recurrent(nn.GRU, tied=True), tokens),
    "lstm_classifier": (lambda: SequenceClassifier(nn.LSTM), texts),
    "gru_classifier": (lambda: SequenceClassifier(nn.GRU), texts),
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
            tensor.normal_(std=0.1 if isinstance(network, (GPT2, VisionTransformer)) else (2 / tensor[0].numel()) ** 0.5)


def answer(name, folder, seed):
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


def main():
    for name in NETWORKS:
        folder = os.path.join(sys.argv[1], name)
        os.makedirs(folder)
        answer(name, folder, int.from_bytes(os.urandom(4), "little"))


if __name__ == "__main__":
    main()
