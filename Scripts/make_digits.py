#!/usr/bin/env python3
"""Writes Sources/CKernels/data/digits.bin from scikit-learn's wheel: python3 Scripts/make_digits.py [WHEEL]

Without a wheel it asks pip to download one. A record is 64 pixels, 0...16, row by row, then the label.
"""
import glob
import gzip
import hashlib
import os
import subprocess
import sys
import tempfile
import zipfile

MEMBER = "sklearn/datasets/data/digits.csv.gz"
SHA256 = "68aea062d35a127749050fa0e52dca09d6569ac08092c925610e0954e172dde2"
TARGET = os.path.join(os.path.dirname(__file__), "..", "Sources", "CKernels", "data", "digits.bin")


def download(folder):
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--dest", folder, "scikit-learn"]
    subprocess.check_call(command)
    return glob.glob(os.path.join(folder, "*.whl"))[0]


def records(wheel):
    with zipfile.ZipFile(wheel) as archive:
        text = gzip.decompress(archive.read(MEMBER)).decode()
    rows = [bytes(int(float(cell)) for cell in line.split(",")) for line in text.split()]
    assert len(rows) == 1797 and all(len(row) == 65 and max(row[:64]) <= 16 and row[64] <= 9 for row in rows)
    return b"".join(rows)


def main():
    with tempfile.TemporaryDirectory() as folder:
        data = records(sys.argv[1] if len(sys.argv) > 1 else download(folder))
    digest = hashlib.sha256(data).hexdigest()
    if digest != SHA256:
        sys.exit(f"the wheel's digits differ from the expected ones: SHA-256 {digest}")
    with open(TARGET, "wb") as file:
        file.write(data)
    print(f"{os.path.normpath(TARGET)}: {len(data)} bytes, {len(data) // 65} images")


if __name__ == "__main__":
    main()
