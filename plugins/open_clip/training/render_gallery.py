"""Render the demo gallery: Noto Color Emoji's glyphs as PNG, with CLDR's names and keywords beside them.

Run from the repository root, with the Debian packages ``fonts-noto-color-emoji`` and ``unicode-cldr-core``
installed::

    python plugins/open_clip/training/render_gallery.py
"""

from __future__ import annotations

import argparse
import csv
from pathlib import Path

from cldr import CLDR_ROOT, Annotation, read_annotations, read_groups
from PIL import Image, ImageDraw, ImageFont

FONT = Path("/usr/share/fonts/truetype/noto/NotoColorEmoji.ttf")
LICENSES = {
    "LICENSE-OFL-1.1-noto-color-emoji.txt": Path("/usr/share/doc/fonts-noto-color-emoji/copyright"),
    "LICENSE-Unicode-DFS-2016-cldr.txt": Path("/usr/share/doc/unicode-cldr-core/copyright"),
}
BITMAP_SIZE = 109  # the one strike the font's bitmaps have, in pixels per em
CANVAS = (136, 128)  # what one glyph covers at that strike
SEPARATOR = " | "  # CLDR's own; one keyword has a comma in it

README = """\
Demo gallery: {count} emoji
===========================

*.png         {size} x {size} pixel RGBA pictures with a transparent background, named by lower-case
              hexadecimal code point (1f436.png is U+1F436).
metadata.csv  file_name, caption, keywords (separated by "{separator}"), group.

Sources
-------

Pictures      Noto Color Emoji 2.042, Debian package fonts-noto-color-emoji.
              SIL Open Font License 1.1; see LICENSE-OFL-1.1-noto-color-emoji.txt.
              The glyphs were scaled down and reduced to at most {colours} colours each.
Captions,     English annotations of Unicode CLDR 41, Debian package unicode-cldr-core.
keywords      Unicode-DFS-2016; see LICENSE-Unicode-DFS-2016-cldr.txt.
Groups        CLDR 41's properties/labels.txt (Emoji 11), with "Smileys & People" split in two and clothing
              moved to Objects as on today's emoji charts. Emoji 12 to 13.1 take the group of the labelled
              emoji before them in CLDR's emoji order; the few of Emoji 14 were assigned by hand.

Only single code points that have a glyph in the font and an English name are here. Left out: skin tone and
hair modifiers, regional indicator letters, and the characters "*" and "#", which are no pictures by
themselves.

Written by plugins/open_clip/training/render_gallery.py.
"""


def is_picture(character: str) -> bool:
    """Tell whether a code point stands for a picture of its own.

    Args:
        character: A string of length one.

    Returns:
        False for ASCII, skin tone and hair modifiers and regional indicator letters.
    """
    code = ord(character)
    modifier = 0x1F3FB <= code <= 0x1F3FF or 0x1F9B0 <= code <= 0x1F9B3
    return code > 0x7F and not modifier and not 0x1F1E6 <= code <= 0x1F1FF


def render(character: str, font: ImageFont.FreeTypeFont, size: int, colours: int) -> Image.Image | None:
    """Draw one glyph.

    Args:
        character: The code point to draw.
        font: The colour font, at its bitmap size.
        size: Edge of the square picture in pixels.
        colours: How many distinct colours (alpha included) the picture may have; fewer compress better.

    Returns:
        The RGBA picture, or None when the font has no glyph.
    """
    glyph = Image.new("RGBA", CANVAS)
    ImageDraw.Draw(glyph).text((0, 0), character, font=font, embedded_color=True)
    if glyph.getbbox() is None:
        return None
    edge = max(CANVAS)
    square = Image.new("RGBA", (edge, edge))
    square.alpha_composite(glyph, ((edge - CANVAS[0]) // 2, (edge - CANVAS[1]) // 2))
    square = square.resize((size, size), Image.Resampling.LANCZOS)
    reduced = square.quantize(colours, method=Image.Quantize.FASTOCTREE, dither=Image.Dither.NONE)
    picture = reduced.convert("RGBA")
    # Invisible pixels all become the same black, so that they cost nothing and decode predictably.
    picture.paste((0, 0, 0, 0), mask=picture.getchannel("A").point(lambda alpha: 255 * (alpha == 0)))
    return picture


def render_gallery(out: Path, *, font_path: Path, cldr: Path, size: int, colours: int) -> int:
    """Write the gallery's pictures, metadata, licences and README.

    Args:
        out: The gallery's folder; PNG files already in it are removed.
        font_path: Noto Color Emoji.
        cldr: CLDR's ``common`` folder.
        size: Edge of the pictures in pixels.
        colours: Colours per picture.

    Returns:
        How many pictures were written.
    """
    font = ImageFont.truetype(str(font_path), BITMAP_SIZE)
    groups = read_groups(cldr)
    out.mkdir(parents=True, exist_ok=True)
    for stale in out.glob("*.png"):
        stale.unlink()
    rows: list[tuple[str, Annotation]] = []
    for annotation in read_annotations(cldr):
        if not is_picture(annotation.character):
            continue
        picture = render(annotation.character, font, size, colours)
        if picture is None:
            continue
        file_name = f"{ord(annotation.character):x}.png"
        picture.save(out / file_name, optimize=True)
        rows.append((file_name, annotation))
    with (out / "metadata.csv").open("w", encoding="utf-8", newline="") as stream:
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow(("file_name", "caption", "keywords", "group"))
        for file_name, note in rows:
            writer.writerow((file_name, note.name, SEPARATOR.join(note.keywords), groups[note.character]))
    for name, source in LICENSES.items():
        # Without the first line, which tells the format of Debian's file: the licences begin below it.
        (out / name).write_text(source.read_text(encoding="utf-8").partition("\n")[2], encoding="utf-8")
    readme = README.format(count=len(rows), size=size, colours=colours, separator=SEPARATOR)
    (out / "README").write_text(readme, encoding="utf-8")
    return len(rows)


def main() -> None:
    """Parse the command line and render the gallery."""
    repository = Path(__file__).resolve().parents[3]
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=repository / "definitions" / "data" / "emoji")
    parser.add_argument("--font", type=Path, default=FONT)
    parser.add_argument("--cldr", type=Path, default=CLDR_ROOT)
    parser.add_argument("--size", type=int, default=72)
    parser.add_argument("--colours", type=int, default=64)
    arguments = parser.parse_args()
    count = render_gallery(
        arguments.out,
        font_path=arguments.font,
        cldr=arguments.cldr,
        size=arguments.size,
        colours=arguments.colours,
    )
    total = sum(path.stat().st_size for path in arguments.out.glob("*.png"))
    print(f"{count} pictures, {total / 1e6:.2f} MB, in {arguments.out}")


if __name__ == "__main__":
    main()
