"""The data sets as the torch scripts see them: float32 images [n, 1, h, w] and int64 labels."""
import gzip
import os

import numpy
import torch

DIGITS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "Sources", "CKernels", "data", "digits.bin")


def digits():
    """(train, test) of the embedded digits, pixels over 16; images 4, 9, 14, … are the test set."""
    records = numpy.fromfile(DIGITS, dtype=numpy.uint8).reshape(-1, 65)
    images = torch.from_numpy(records[:, :64].astype(numpy.float32) / 16).reshape(-1, 1, 8, 8)
    labels = torch.from_numpy(records[:, 64].astype(numpy.int64))
    test = torch.arange(len(labels)) % 5 == 4
    return (images[~test], labels[~test]), (images[test], labels[test])


def mnist(folder):
    """(train, test) of MNIST's idx .gz files, pixels over 255, then normalised by mean 0.1307 and deviation 0.3081."""

    def read(name):
        with gzip.open(os.path.join(folder, name)) as file:
            data = file.read()
        dimensions = data[3]
        shape = [int.from_bytes(data[4 + 4 * d:8 + 4 * d], "big") for d in range(dimensions)]
        return torch.from_numpy(numpy.frombuffer(data, numpy.uint8, offset=4 + 4 * dimensions).reshape(shape).copy())

    def part(name):
        images = read(f"{name}-images-idx3-ubyte.gz").unsqueeze(1).float() / 255
        return (images - 0.1307) / 0.3081, read(f"{name}-labels-idx1-ubyte.gz").long()

    return part("train"), part("t10k")


def accuracy(model, images, labels):
    """The fraction of images whose largest logit is their label's, with the model in evaluation."""
    model.eval()
    with torch.no_grad():
        right = sum((model(x).argmax(1) == y).sum().item() for x, y in zip(images.split(1000), labels.split(1000)))
    return right / len(labels)
