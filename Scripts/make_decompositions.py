#!/usr/bin/env python3
"""Writes Sources/CUnicode/data/decompositions.bin from Python's unicodedata: python3 Scripts/make_decompositions.py

How characters decompose (UnicodeData.txt, field 5; Hangul is computed), as little-endian 32-bit numbers: the count of characters;
for each, in order, its code point and 256 × the position of its decomposition + 2 × its length + 1 if that is a compatibility
one; the count of the decompositions' characters and these; the count of the characters that are excluded from composition and these.
"""
import os
import struct
import unicodedata

TARGET = os.path.join(os.path.dirname(__file__), "..", "Sources", "CUnicode", "data", "decompositions.bin")


def main():
    entries, texts, excluded = [], [], []
    for code in range(0x110000):
        parts = unicodedata.decomposition(chr(code)).split()
        if not parts:
            continue
        compatibility = parts[0].startswith("<")
        points = [int(part, 16) for part in parts[compatibility:]]
        entries += [code, len(texts) << 8 | len(points) << 1 | compatibility]
        texts += points
        if not compatibility and unicodedata.normalize("NFC", chr(code)) != chr(code):
            excluded.append(code)
    words = [len(entries) // 2, *entries, len(texts), *texts, len(excluded), *excluded]
    with open(TARGET, "wb") as file:
        file.write(struct.pack(f"<{len(words)}I", *words))
    print(f"{os.path.normpath(TARGET)}: {4 * len(words)} bytes, {words[0]} characters, Unicode {unicodedata.unidata_version}")


if __name__ == "__main__":
    main()
