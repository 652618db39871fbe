"""The odd pictures of ``tests/data/odd``: broken metadata, rare grey, every orientation, other formats, halves."""

from __future__ import annotations

import struct
import zlib
from io import BytesIO

import numpy as np
from PIL import Image

PNG_START = b"\x89PNG\r\n\x1a\n"
MANY_ZEROS = zlib.compress(bytes(2**24))
HEIC = b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + bytes(40)


INVERSE = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_90,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_270,
}
"""How a picture is stored that an orientation of EXIF turns upright."""


def turn(orientation: int) -> bytes:
    """EXIF that says nothing but an orientation."""
    return struct.pack("<2sHIHHHIHHI", b"II", 42, 8, 1, 0x0112, 3, 1, orientation, 0, 0)


TURNED = turn(6)


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


def smooth() -> Image.Image:
    """A picture of many colours."""
    y, x = np.mgrid[0:18, 0:24]
    return Image.fromarray(np.stack([x * 10, y * 14, (x + y) * 6], -1).astype(np.uint8))


def make_pictures() -> dict[str, bytes]:
    """All of them, by name."""
    return {**spoilt_metadata(), **grey(), **halves(), **turned(), **kinds(), **shapes(), **not_pictures()}


def spoilt_metadata() -> dict[str, bytes]:
    """Plain pictures with something broken that does not bear on their pixels."""
    png, jpeg = encoded(smooth(), "PNG"), encoded(smooth(), "JPEG", quality=90)
    head, rest = png[:33], png[33:]
    app0 = jpeg[2 : 4 + int.from_bytes(jpeg[4:6], "big")]
    body = jpeg[2 + len(app0) :]
    turned_jpeg = segment(0xE1, b"Exif\0\0" + TURNED)
    files = {
        "plain.png": png,
        "plain.jpg": jpeg,
        "turned.png": head + chunk(b"eXIf", TURNED) + rest,
        "turned.jpg": jpeg[:2] + app0 + turned_jpeg + body,
        "text-behind.png": png[:-12] + chunk(b"zTXt", b"a\0\0" + MANY_ZEROS) + png[-12:],
        "turned-checksum.png": head + chunk(b"eXIf", TURNED, 1) + rest,
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
        files[f"{name}.png"] = head + broken + rest
        files[f"turned-{name}.png"] = head + chunk(b"eXIf", TURNED) + broken + rest
    for name, broken in {
        "short-start": segment(0xE0, b"JFIF\0"),
        "short-adobe": app0 + segment(0xEE, b"Adobe"),
        "short-photoshop": app0 + segment(0xED, b"Photoshop 3.0\x008BIM\x04\x04\xff"),
        "short-frames": app0 + segment(0xE2, b"MPF\0"),
    }.items():
        files[f"{name}.jpg"] = jpeg[:2] + broken + body
        files[f"turned-{name}.jpg"] = jpeg[:2] + turned_jpeg + broken + body
    return files


def halves() -> dict[str, bytes]:
    """Pictures that end too early, or whose header is wrong."""
    png, jpeg = encoded(smooth(), "PNG"), encoded(smooth(), "JPEG", quality=90)
    body = jpeg[4 + int.from_bytes(jpeg[4:6], "big") :]
    huge = struct.pack(">IIBBBBB", 60_000, 60_000, 8, 2, 0, 0, 0)
    return {
        "header-checksum.png": png[:32] + bytes([png[32] ^ 1]) + png[33:],
        "half-and-text.png": png[:33] + chunk(b"tEXt", b"a", 1) + png[33:-30],
        "half-and-short.jpg": jpeg[:2] + segment(0xE0, b"JFIF\0") + body[:-60],
        "no-end.jpg": jpeg[:-2],
        "half.jpg": jpeg[:-60],
        "half.gif": encoded(smooth(), "GIF")[:-200],
        "half.webp": encoded(smooth(), "WEBP", lossless=True)[:-12],
        "start-alone.png": png[:8],
        "before.jpg": b"\n" + jpeg,
        "behind.jpg": jpeg + b"\0\0\0\x18ftypmp42" + bytes(500),
        "behind.png": png + b"\n<!-- behind -->\n",
        "huge.png": PNG_START + chunk(b"IHDR", huge) + png[33:],
    }


def grey() -> dict[str, bytes]:
    """Grey of 8, 12, 14 and 16 bits, and of one."""
    full = (np.arange(432, dtype=np.uint16) * 151).reshape(18, 24)
    twelve = full >> 4
    eight = Image.fromarray((full >> 8).astype(np.uint8))
    bits = eight.point(lambda value: 255 if value > 127 else 0)
    return {
        "grey.tif": grey_tiff(full),
        "white-is-zero.tif": grey_tiff(65535 - full, photometric=0),
        "white-is-zero-big.tif": grey_tiff(65535 - full, ">", 0),
        "grey-big.tif": grey_tiff(full, ">"),
        "twelve.tif": grey_tiff(twelve),
        "twelve-big.tif": grey_tiff(twelve, ">"),
        "twelve.png": encoded(Image.fromarray(twelve), "PNG"),
        "twelve-white-is-zero.tif": grey_tiff(4095 - twelve, photometric=0),
        "fourteen-declared.tif": grey_tiff(full >> 2, declared=16383),
        "sixteen.png": encoded(Image.fromarray(full), "PNG"),
        "sixteen.pgm": encoded(Image.fromarray(full), "PPM"),
        "grey.png": encoded(eight, "PNG"),
        "grey-and-alpha.png": encoded(Image.merge("LA", (eight, Image.new("L", eight.size, 255))), "PNG"),
        "black-and-white.png": encoded(bits, "PNG"),
        "one-bit.png": encoded(bits.convert("1"), "PNG"),
        "one-bit.tif": encoded(bits.convert("1"), "TIFF", compression="group4"),
    }


def turned() -> dict[str, bytes]:
    """The plain picture in each of EXIF's orientations, without loss."""
    files = {}
    for orientation, stored in INVERSE.items():
        data = encoded(smooth().transpose(stored), "PNG")
        files[f"orientation-{orientation}.png"] = data[:33] + chunk(b"eXIf", turn(orientation)) + data[33:]
    png = encoded(smooth(), "PNG")
    return files | {f"orientation-{wrong}.png": png[:33] + chunk(b"eXIf", turn(wrong)) + png[33:] for wrong in (1, 9)}


def kinds() -> dict[str, bytes]:
    """One picture of few colours, white below, in many formats."""
    blocks = np.zeros((18, 24), np.uint8)
    blocks[:9, :8], blocks[:9, 8:16], blocks[:9, 16:], blocks[9:] = 0, 1, 2, 3
    colours = np.array([[200, 30, 40], [20, 160, 60], [30, 50, 190], [255, 255, 255]], np.uint8)
    pixels = colours[blocks]
    few = Image.fromarray(pixels)
    alpha = Image.fromarray(np.where(blocks == 3, 0, 255).astype(np.uint8))
    clear = Image.merge("RGBA", (*few.split()[:2], few.split()[2].point(lambda value: value % 255), alpha))
    palette = Image.fromarray(blocks)
    palette.putpalette([*colours[:3].ravel().tolist(), 0, 0, 0])
    whole = palette.copy()
    whole.putpalette(colours.ravel().tolist())
    other = Image.new("RGB", few.size, "black")
    deep = b"".join(b"\0" + row.astype(">u2").tobytes() for row in pixels.astype(np.uint16) * 257)
    header = struct.pack(">IIBBBBB", 24, 18, 16, 2, 0, 0, 0)
    return {
        "few.png": encoded(few, "PNG"),
        "rgba.png": encoded(clear, "PNG"),
        "rgba.webp": encoded(clear, "WEBP", lossless=True),
        "palette.png": encoded(whole, "PNG"),
        "palette-and-alpha.png": encoded(palette, "PNG", transparency=3),
        "palette-and-alpha.gif": encoded(palette, "GIF", transparency=3),
        "colour-key.png": encoded(few, "PNG", transparency=(255, 255, 255)),
        "deep.png": PNG_START + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(deep)) + chunk(b"IEND", b""),
        "interlaced.png": interlaced(pixels),
        "animated.gif": encoded(few, "GIF", save_all=True, append_images=[other], duration=100),
        "animated.webp": encoded(few, "WEBP", save_all=True, append_images=[other], lossless=True),
        "animated.png": encoded(few, "PNG", save_all=True, append_images=[other]),
        "pages.tif": encoded(few, "TIFF", save_all=True, append_images=[other]),
        "deflated.tif": encoded(few, "TIFF", compression="tiff_adobe_deflate"),
        "lzw.tif": encoded(few, "TIFF", compression="tiff_lzw"),
        "few.bmp": encoded(few, "BMP"),
        "palette.bmp": encoded(whole, "BMP"),
        "few.ppm": encoded(few, "PPM"),
        "png-called.jpg": encoded(few, "PNG"),
        "gif-called.png": encoded(few, "GIF"),
        "upper.PNG": encoded(few, "PNG"),
        "cmyk.jpg": encoded(few.convert("CMYK"), "JPEG", quality=100, subsampling=0),
        "few.jpg": encoded(few, "JPEG", quality=100, subsampling=0),
        "progressive.jpg": encoded(few, "JPEG", quality=100, subsampling=0, progressive=True),
        "pair.jpg": encoded(few, "MPO", save_all=True, append_images=[other], quality=100, subsampling=0),
        "pair.mpo": encoded(few, "MPO", save_all=True, append_images=[other], quality=100, subsampling=0),
        "few.ico": encoded(few, "ICO", sizes=[(16, 16)]),
    }


def interlaced(pixels: np.ndarray) -> bytes:
    """A PNG in Adam7's seven passes, which Pillow does not write."""
    height, width, _ = pixels.shape
    starts = [(0, 0), (0, 4), (4, 0), (0, 2), (2, 0), (0, 1), (1, 0)]
    steps = [(8, 8), (8, 8), (8, 4), (4, 4), (4, 2), (2, 2), (2, 1)]
    data = b""
    for (top, left), (down, right) in zip(starts, steps, strict=True):
        data += b"".join(b"\0" + row.tobytes() for row in pixels[top::down, left::right])
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 1)
    return PNG_START + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(data)) + chunk(b"IEND", b"")


def shapes() -> dict[str, bytes]:
    """The smallest picture, and lines."""
    return {
        "point.png": encoded(Image.new("RGB", (1, 1), "teal"), "PNG"),
        "line.png": encoded(Image.new("RGB", (10_000, 1), "teal"), "PNG"),
        "upright-line.png": encoded(Image.new("L", (1, 10_000), 90), "PNG"),
    }


def not_pictures() -> dict[str, bytes]:
    """What is called a picture and is none."""
    return {
        "empty.png": b"",
        "words.png": b"Dear diary, this is no picture.\n",
        "page.jpg": b"<!DOCTYPE html>\n<html><body>404 Not Found</body></html>\n",
        "drawing.png": b'<?xml version="1.0"?>\n<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"/>\n',
        "pointer.png": b"version https://git-lfs.github.com/spec/v1\noid sha256:%s\nsize 12345\n" % (b"0" * 64),
        "zeros.png": bytes(64),
        "drawing.svg": b'<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"/>\n',
        "silence.wav": b"RIFF\x24\0\0\0WAVEfmt \x10\0\0\0\1\0\1\0\x40\x1f\0\0\x80\x3e\0\0\2\0\x10\0data\0\0\0\0",
        "picture.txt": encoded(smooth(), "PNG"),
        "picture": encoded(smooth(), "PNG"),
        "README": b"a text without an extension\n",
        "half.png.part": encoded(smooth(), "PNG")[:-30],
        "photo.heic": HEIC,
        "photo.HEIF": HEIC,
        "heic-called.jpg": HEIC,
    }
