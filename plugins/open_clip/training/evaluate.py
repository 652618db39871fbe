"""Measure a checkpoint against the demo gallery, loaded as any open_clip user would load it.

Run from the repository root::

    python plugins/open_clip/training/evaluate.py --model FOLDER

The exit status is 1 when the dog is not among the three nearest pictures of one of its queries.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import torch
from gallery import GALLERY, Glyph, HeldOutPairs, on_white, read_glyphs
from metrics import LoadedModel, as_table, load_model, measure
from PIL import Image

DOG = "1f436.png"
DOG_TEXTS = ("dog", "dog face", "pet", "dogs", "a picture of a dog")
BACKGROUNDS = {"green": (60, 160, 80), "dark blue": (20, 30, 90), "black": (0, 0, 0), "pink": (240, 150, 190)}
TOP = 3


def on_colour(path: Path, colour: tuple[int, int, int]) -> Image.Image:
    """Lay a picture on a plain colour, smaller and off the centre.

    Args:
        path: The picture's file.
        colour: The background.

    Returns:
        An RGB picture that is wider than it is high.
    """
    with Image.open(path) as picture:
        glyph = picture.convert("RGBA")
    width, height = glyph.size
    canvas = Image.new("RGBA", (width + 20, height + 12), colour)
    canvas.alpha_composite(glyph, (14, 4))
    return canvas.convert("RGB")


def check_dog(loaded: LoadedModel, glyphs: list[Glyph], folder: Path) -> bool:
    """Print the nearest pictures of the dog's queries.

    Args:
        loaded: The model.
        glyphs: The gallery's metadata.
        folder: The gallery.

    Returns:
        Whether the dog is among the nearest three of each.
    """
    pictures = loaded.embed_pictures([on_white(folder / glyph.file_name) for glyph in glyphs])
    views = {f"its picture on {name}": on_colour(folder / DOG, rgb) for name, rgb in BACKGROUNDS.items()}
    queries = torch.cat([loaded.embed_texts(DOG_TEXTS), loaded.embed_pictures(list(views.values()))])
    nearest = (queries @ pictures.T).topk(TOP, dim=1).indices.tolist()
    found = True
    for label, row in zip([*(f'"{text}"' for text in DOG_TEXTS), *views], nearest, strict=True):
        hit = any(glyphs[index].file_name == DOG for index in row)
        found &= hit
        print(f"{'ok ' if hit else 'BAD'} {label}: {', '.join(glyphs[index].name for index in row)}")
    return found


def main() -> None:
    """Parse the command line, print the figures and check the dog."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=Path, required=True, help="the checkpoint's folder")
    parser.add_argument("--data", type=Path, default=GALLERY, help="the gallery's folder")
    parser.add_argument("--queries", nargs="*", default=[], help="texts whose nearest pictures to print")
    arguments = parser.parse_args()
    glyphs = read_glyphs(arguments.data)
    held_out = HeldOutPairs(glyphs)
    loaded = load_model(arguments.model)
    print(f"{len(glyphs)} glyphs, {len(held_out.queries())} keyword pairs held out of training\n")
    print(as_table(measure(loaded, glyphs, held_out, arguments.data)), end="\n\n")
    if arguments.queries:
        pictures = loaded.embed_pictures([on_white(arguments.data / glyph.file_name) for glyph in glyphs])
        nearest = (loaded.embed_texts(arguments.queries) @ pictures.T).topk(5, dim=1).indices.tolist()
        for query, row in zip(arguments.queries, nearest, strict=True):
            print(f'"{query}": {", ".join(glyphs[index].name for index in row)}')
        print()
    sys.exit(0 if check_dog(loaded, glyphs, arguments.data) else 1)


if __name__ == "__main__":
    main()
