"""Makes the odd pictures beside it and their manifest: python tests/data/odd/make.py.

Each is a plain picture, which the manifest names, with something broken that does not bear on its pixels; or one that
must stay a failure, with words of the reason.
"""

from __future__ import annotations

import json
import struct
import zlib
from io import BytesIO
from pathlib import Path

import numpy as np
from PIL import Image

FOLDER = Path(__file__).parent
PNG_START = b"\x89PNG\r\n\x1a\n"
TURNED = struct.pack("<2sHIHHHIHHI", b"II", 42, 8, 1, 0x0112, 3, 1, 6, 0, 0)
MANY_ZEROS = zlib.compress(bytes(2**24))


def encoded(image: Image.Image, kind: str, **options: object) -> bytes:
    data = BytesIO()
    image.save(data, kind, **options)
    return data.getvalue()


def chunk(kind: bytes, content: bytes, wrong: int = 0) -> bytes:
    checksum = zlib.crc32(kind + content) ^ wrong
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", checksum)


def segment(marker: int, content: bytes) -> bytes:
    return struct.pack(">BBH", 0xFF, marker, len(content) + 2) + content


def grey_tiff(values: np.ndarray, order: str = "<", photometric: int = 1, declared: int = 0) -> bytes:
    """A TIFF of 16-bit grey; ``declared`` is its SMaxSampleValue."""
    height, width = values.shape
    pixels = values.astype(f"{order}u2").tobytes()
    tags = [(256, width), (257, height), (258, 16), (259, 1), (262, photometric), (273, 0), (277, 1), (278, height)]
    tags += [(279, len(pixels)), *([(341, declared)] if declared else [])]
    start = 8 + 2 + 12 * len(tags) + 4
    data = (b"II*\0" if order == "<" else b"MM\0*") + struct.pack(f"{order}IH", 8, len(tags))
    for tag, value in tags:
        data += struct.pack(f"{order}HHIHH", tag, 3, 1, start if tag == 273 else value, 0)
    return data + struct.pack(f"{order}I", 0) + pixels


def main() -> None:
    y, x = np.mgrid[0:18, 0:24]
    image = Image.fromarray(np.stack([x * 10, y * 14, (x + y) * 6], -1).astype(np.uint8))
    png, jpeg = encoded(image, "PNG"), encoded(image, "JPEG", quality=90)
    head, rest = png[:33], png[33:]
    app0 = jpeg[2 : 4 + int.from_bytes(jpeg[4:6], "big")]
    body = jpeg[2 + len(app0) :]
    full = (np.arange(432, dtype=np.uint16) * 151).reshape(18, 24)
    twelve = full >> 4
    files: dict[str, tuple[bytes, dict[str, str]]] = {
        "plain.png": (png, {}),
        "plain.jpg": (jpeg, {}),
        "turned.png": (head + chunk(b"eXIf", TURNED) + rest, {}),
        "turned.jpg": (jpeg[:2] + app0 + segment(0xE1, b"Exif\0\0" + TURNED) + body, {}),
        "grey.tif": (grey_tiff(full), {}),
    }
    for name, broken in {
        "text": chunk(b"tEXt", b"a\0b", 1),
        "size": chunk(b"pHYs", struct.pack(">IIB", 1, 1, 1), 1),
        "profile": chunk(b"iCCP", b"a\0\0" + zlib.compress(b"none"), 1),
        "exif": chunk(b"eXIf", b"II", 1),
        "short-size": chunk(b"pHYs", b"\0\0"),
        "short-gamma": chunk(b"gAMA", b"\0"),
        "long-text": chunk(b"zTXt", b"a\0\0" + MANY_ZEROS),
        "long-profile": chunk(b"iCCP", b"a\0\0" + MANY_ZEROS),
        "xmp": chunk(b"iTXt", b"XML:com.adobe.xmp\0\1\0\0\0" + MANY_ZEROS),
        "frames": chunk(b"acTL", b"\0"),
    }.items():
        files[f"{name}.png"] = (head + broken + rest, {"same_as": "plain.png"})
        files[f"turned-{name}.png"] = (head + chunk(b"eXIf", TURNED) + broken + rest, {"same_as": "turned.png"})
    files["text-behind.png"] = (png[:-12] + chunk(b"zTXt", b"a\0\0" + MANY_ZEROS) + png[-12:], {"same_as": "plain.png"})
    files["turned-checksum.png"] = (head + chunk(b"eXIf", TURNED, 1) + rest, {"same_as": "turned.png"})
    for name, broken in {
        "short-start": segment(0xE0, b"JFIF\0"),
        "short-adobe": app0 + segment(0xEE, b"Adobe"),
        "short-photoshop": app0 + segment(0xED, b"Photoshop 3.0\x008BIM\x04\x04\xff"),
        "short-frames": app0 + segment(0xE2, b"MPF\0"),
    }.items():
        turn = segment(0xE1, b"Exif\0\0" + TURNED)
        files[f"{name}.jpg"] = (jpeg[:2] + broken + body, {"same_as": "plain.jpg"})
        files[f"turned-{name}.jpg"] = (jpeg[:2] + turn + broken + body, {"same_as": "turned.jpg"})
    files |= {
        "header-checksum.png": (png[:32] + bytes([png[32] ^ 1]) + rest, {"fails": "IHDR"}),
        "half-and-text.png": (head + chunk(b"tEXt", b"a", 1) + rest[:-30], {"fails": "corrupt or truncated"}),
        "half-and-short.jpg": (jpeg[:2] + segment(0xE0, b"JFIF\0") + body[:-60], {"fails": "truncated"}),
        "no-end.jpg": (jpeg[:-2], {"fails": "no end marker"}),
        "half.jpg": (jpeg[: len(jpeg) - 60], {"fails": "no end marker"}),
        "white-is-zero.tif": (grey_tiff(65535 - full, photometric=0), {"same_as": "grey.tif"}),
        "white-is-zero-big.tif": (grey_tiff(65535 - full, ">", 0), {"same_as": "grey.tif"}),
        "grey-big.tif": (grey_tiff(full, ">"), {"same_as": "grey.tif"}),
        "twelve.tif": (grey_tiff(twelve), {"close_to": "grey.tif"}),
        "twelve-big.tif": (grey_tiff(twelve, ">"), {"close_to": "grey.tif"}),
        "twelve.png": (encoded(Image.fromarray(twelve), "PNG"), {"close_to": "grey.tif"}),
        "twelve-white-is-zero.tif": (grey_tiff(4095 - twelve, photometric=0), {"close_to": "grey.tif"}),
        "fourteen-declared.tif": (grey_tiff(full >> 2, declared=16383), {"close_to": "grey.tif"}),
    }
    for name, (data, _) in files.items():
        (FOLDER / name).write_bytes(data)
    manifest = {name: outcome for name, (_, outcome) in sorted(files.items()) if outcome}
    (FOLDER / "manifest.json").write_text(json.dumps(manifest, indent=1) + "\n")


if __name__ == "__main__":
    main()
