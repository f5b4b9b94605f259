#!/usr/bin/env python3
"""What Pillow and torchvision make of images: vision.py decode|transforms FOLDER writes image files, and what they hold or become
as results.safetensors. Needs torch, torchvision, Pillow, numpy and safetensors."""
import os
import struct
import sys
import zlib

import numpy as np
import torch
from PIL import Image, PngImagePlugin
from safetensors.torch import save_file

# torchvision's own operators are built for one build of torch; nothing here needs them, but importing it does.
library = torch.library.Library("torchvision", "FRAGMENT")
for name in ("nms", "qnms"):
    if not torch._C._dispatch_has_kernel(f"torchvision::{name}"):
        library.define(f"{name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")


def picture(random, height, width, channels):
    """Waves with some noise, uint8 [height, width, channels]."""
    y, x = np.mgrid[0:height, 0:width]
    planes = [127 + 90 * np.sin(x / (3 + 4 * c) + y / (9 - 2 * c) + c) + random.normal(0, 12, (height, width)) for c in range(channels)]
    return np.clip(np.stack(planes, -1), 0, 255).astype(np.uint8)


def png(samples, bits, color, interlaced=False, extra=b""):
    """A PNG file of samples [height, width, channels], written out by hand: Pillow writes neither 16 bits nor interlaced ones."""
    height, width, _ = samples.shape
    dtype = ">u2" if bits == 16 else ">u1"
    passes = [(0, 0, 8, 8), (0, 4, 8, 8), (4, 0, 8, 4), (0, 2, 4, 4), (2, 0, 4, 2), (0, 1, 2, 2), (1, 0, 2, 1)] if interlaced else [(0, 0, 1, 1)]
    raw = b""
    for top, left, down, right in passes:
        part = samples[top::down, left::right]
        if part.size:
            raw += b"".join(b"\0" + row.astype(dtype).tobytes() for row in part)

    def chunk(name, data):
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    head = struct.pack(">IIBBBBB", width, height, bits, color, 0, 0, int(interlaced))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + extra + chunk(b"IDAT", zlib.compress(raw)) + chunk(b"IEND", b"")


def planes(array):
    array = np.array(array)
    return torch.from_numpy(np.ascontiguousarray(array[None] if array.ndim == 2 else array.transpose(2, 0, 1)))


def decode(folder, random):
    results = {}

    def expect(name, **modes):
        for mode, array in modes.items():
            results[f"{name}|{mode}"] = planes(array)

    def save(name, image, **options):
        image.save(os.path.join(folder, name), **options)

    def opened(name, mode, draft=False):
        image = Image.open(os.path.join(folder, name))
        if draft:
            image.draft(mode, image.size)
        return image.convert(mode)

    for name, (height, width), options in (
            ("444.jpg", (37, 50), dict(quality=95, subsampling=0)), ("420.jpg", (41, 67), dict(quality=75)),
            ("422.jpg", (16, 17), dict(quality=60, subsampling=1)), ("progressive.jpg", (65, 33), dict(progressive=True)),
            ("one.jpg", (1, 1), {}), ("rough.jpg", (120, 90), dict(quality=5)), ("turned.jpg", (20, 30), dict(exif=turned()))):
        save(name, Image.fromarray(picture(random, height, width, 3)), **options)
        expect(name, unchanged=opened(name, "RGB"), rgb=opened(name, "RGB"), gray=opened(name, "L", draft=True), rgba=opened(name, "RGBA"))
    save("gray.jpg", Image.fromarray(picture(random, 23, 31, 1)[..., 0]))
    expect("gray.jpg", unchanged=opened("gray.jpg", "L"), rgb=opened("gray.jpg", "RGB"), gray_alpha=opened("gray.jpg", "LA"))
    save("cmyk.jpg", Image.fromarray(picture(random, 23, 31, 4), mode="CMYK"), quality=90)
    expect("cmyk.jpg", unchanged=opened("cmyk.jpg", "RGB"), rgb=opened("cmyk.jpg", "RGB"))

    gamma = PngImagePlugin.PngInfo()
    gamma.add(b"gAMA", struct.pack(">I", 100000))
    gamma.add_text("comment", "x" * 5000, zip=True)
    for name, image, options in (
            ("rgb.png", Image.fromarray(picture(random, 21, 34, 3)), dict(pnginfo=gamma)),
            ("rgba.png", Image.fromarray(picture(random, 21, 34, 4)), {}),
            ("gray.png", Image.fromarray(picture(random, 30, 11, 1)[..., 0]), {}),
            ("gray_alpha.png", Image.fromarray(picture(random, 5, 9, 2), mode="LA"), {}),
            ("bits.png", Image.fromarray(picture(random, 19, 13, 1)[..., 0]).convert("1"), {}),
            ("palette.png", Image.fromarray(picture(random, 19, 13, 3)).quantize(11), {}),
            ("see_through.png", Image.fromarray(picture(random, 19, 13, 3)).quantize(200), dict(transparency=3))):
        save(name, image, **options)
        own = {"1": "L", "P": "RGBA" if "transparency" in options else "RGB"}.get(image.mode, image.mode)
        expect(name, unchanged=opened(name, own), rgb=opened(name, "RGB"), gray=opened(name, "L"), rgba=opened(name, "RGBA"))
    del results["see_through.png|gray"]
    for name, channels, color, interlaced, bits in (
            ("deep_rgb.png", 3, 2, False, 16), ("deep_gray.png", 1, 0, False, 16), ("deep_rgba.png", 4, 6, True, 16),
            ("interlaced.png", 3, 2, True, 8)):
        samples = random.integers(0, 1 << bits, (13, 11, channels))
        with open(os.path.join(folder, name), "wb") as file:
            file.write(png(samples, bits, color, interlaced))
        expect(name, unchanged=samples.astype(np.int32 if bits == 16 else np.uint8))
        if channels == 3:
            expect(name, rgb=opened(name, "RGB"))
    return results


def turned():
    exif = Image.Exif()
    exif[0x0112] = 6
    return exif


def transforms(folder, random):
    """Functions, and random transforms after `torch.manual_seed(k)`, on an image of bytes and on one of floats."""
    from torchvision.transforms import InterpolationMode
    from torchvision.transforms import v2 as T
    from torchvision.transforms.v2 import functional as F

    height, width = random.integers(30, 60, 2)
    image = planes(picture(random, height, width, 3))
    value = torch.rand(3, 5, 6)
    functions = {
        "resize": lambda x: F.resize(x, [17, 40]), "enlarge": lambda x: F.resize(x, [70, 95]), "shorter": lambda x: F.resize(x, [20]),
        "bicubic": lambda x: F.resize(x, [20, 31], InterpolationMode.BICUBIC),
        "nearest": lambda x: F.resize(x, [20, 31], InterpolationMode.NEAREST),
        "nearest_exact": lambda x: F.resize(x, [20, 31], InterpolationMode.NEAREST_EXACT),
        "plain": lambda x: F.resize(x, [20, 31], antialias=False),
        "center": lambda x: F.center_crop(x, [21, 16]), "center_pad": lambda x: F.center_crop(x, [71, 20]),
        "pad": lambda x: F.pad(x, [1, 2, 3, 4], fill=1), "reflect": lambda x: F.pad(x, [1, 2, 3, 4], padding_mode="reflect"),
        "edge": lambda x: F.pad(x, [1, 2, 3, 4], padding_mode="edge"),
        "hflip": F.horizontal_flip, "vflip": F.vertical_flip, "rotate": lambda x: F.rotate(x, 30.0),
        "rotate_smooth": lambda x: F.rotate(x, -75.0, InterpolationMode.BILINEAR), "gray": F.rgb_to_grayscale,
        "gray3": lambda x: F.rgb_to_grayscale(x, 3), "brightness": lambda x: F.adjust_brightness(x, 1.7),
        "contrast": lambda x: F.adjust_contrast(x, 0.4), "saturation": lambda x: F.adjust_saturation(x, 2.2),
        "hue": lambda x: F.adjust_hue(x, 0.3), "hue_back": lambda x: F.adjust_hue(x, -0.4),
        "blur": lambda x: F.gaussian_blur(x, [5, 5]), "blur_wide": lambda x: F.gaussian_blur(x, [7, 7], [1.3, 1.3]),
        "erase": lambda x: F.erase(x, 3, 4, 5, 6, value.to(x.dtype)),
    }
    transforms = {
        "RandomResizedCrop": T.RandomResizedCrop(24, antialias=True), "RandomCrop": T.RandomCrop(20, padding=2),
        "RandomHorizontalFlip": T.RandomHorizontalFlip(), "RandomVerticalFlip": T.RandomVerticalFlip(0.4),
        "RandomRotation": T.RandomRotation(40), "ColorJitter": T.ColorJitter(0.4, 0.3, 0.5, 0.2),
        "RandomErasing": T.RandomErasing(0.7), "Noise": T.RandomErasing(1.0, value="random"), "GaussianBlur": T.GaussianBlur(5),
        "Compose": T.Compose([T.RandomResizedCrop(24, scale=(0.5, 1.0)), T.RandomHorizontalFlip(), T.ToDtype(torch.float32, scale=True),
                              T.Normalize([0.485, 0.456, 0.406], [0.229, 0.224, 0.225])]),
    }
    results = {"input.uint8": image, "input.float32": image / 255, "value": value}
    for dtype in ("uint8", "float32"):
        x = results[f"input.{dtype}"]
        for name, function in functions.items():
            results[f"{name}|{dtype}"] = function(x)
        for name, transform in transforms.items():
            if name == "Noise" and dtype == "uint8":
                continue
            for seed in range(6):
                torch.manual_seed(seed)
                results[f"{name}|{dtype}|{seed}"] = transform(x)
    for mode in ("bilinear", "bicubic"):
        results[f"exact_{mode}|uint8"] = torch.nn.functional.interpolate(image[None], (19, 44), mode=mode, antialias=True)[0]
    return results


def main():
    what, folder = sys.argv[1:]
    seed = int.from_bytes(os.urandom(4), "little")
    random = np.random.default_rng(seed)
    torch.manual_seed(seed)
    results = {"decode": decode, "transforms": transforms}[what](folder, random)
    results["seed"] = torch.tensor(seed)
    save_file({name: value.clone(memory_format=torch.contiguous_format) for name, value in results.items()}, os.path.join(folder, "results.safetensors"))


if __name__ == "__main__":
    main()
