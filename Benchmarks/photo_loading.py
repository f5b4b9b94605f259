#!/usr/bin/env python3
"""Photos a second, beside torchvision: photo_loading.py [PHOTOS]. Makes JPEG files of 500 × 375 pixels, and reads them with two
workers: decode, random resized crop to 224, flip, normalise, batches of 32. Needs torch, torchvision, Pillow and a release build."""
import os
import subprocess
import sys
import tempfile
import time

import numpy as np
import torch
from PIL import Image

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))

# torchvision's own operators are built for one build of torch; nothing here needs them, but importing it does.
library = torch.library.Library("torchvision", "FRAGMENT")
for name in ("nms", "qnms"):
    if not torch._C._dispatch_has_kernel(f"torchvision::{name}"):
        library.define(f"{name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")


def make(folder, count):
    random = np.random.default_rng(0)
    y, x = np.mgrid[0:375, 0:500]
    for i in range(count):
        planes = [127 + 80 * np.sin(x / random.uniform(5, 60) + y / random.uniform(5, 60)) * np.cos(y / random.uniform(9, 90))
                  + random.normal(0, 6, x.shape) for _ in range(3)]
        os.makedirs(f"{folder}/{i % 4}", exist_ok=True)
        Image.fromarray(np.clip(np.stack(planes, -1), 0, 255).astype(np.uint8)).save(f"{folder}/{i % 4}/{i}.jpg", quality=90)


def torchvision_epochs(folder):
    from torchvision import datasets, transforms as T

    transform = T.Compose([T.RandomResizedCrop(224), T.RandomHorizontalFlip(), T.ToTensor(),
                           T.Normalize([0.485, 0.456, 0.406], [0.229, 0.224, 0.225])])
    loader = torch.utils.data.DataLoader(
        datasets.ImageFolder(folder, transform), batch_size=32, shuffle=True, num_workers=2, persistent_workers=True)
    for epoch in range(1, 4):
        start, count = time.perf_counter(), 0
        for images, _ in loader:
            count += len(images)
        print(f"epoch {epoch}: {count} photos, {int(count / (time.perf_counter() - start))} photos/s", flush=True)


def main():
    with tempfile.TemporaryDirectory() as folder:
        make(folder, int(sys.argv[1]) if len(sys.argv) > 1 else 600)
        for _ in range(2):
            print("torchvision", torch.__version__, flush=True)
            torchvision_epochs(folder)
            print("flambeau", flush=True)
            subprocess.run([f"{ROOT}/.build/release/PhotoLoading", folder], check=True)


if __name__ == "__main__":
    main()
