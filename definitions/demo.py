"""The demo: materialize the emoji pipeline through Dagster, then search it by words, captions and a picture."""

import sys
from pathlib import Path

from PIL import Image

from embeddings_orch.cli.output import bars, terminal
from embeddings_orch.dagster.runs.local import execute
from embeddings_orch.media.scan import source_for
from embeddings_orch.search import Index
from embeddings_orch.search.contact_sheet import Strip, contact_sheet
from embeddings_orch.spec.deployment import open_store
from embeddings_orch.spec.project import load_declared, select

ROOT = Path(__file__).resolve().parent.parent
WORDS = ("dog", "red fruit")
MEANT = "feeling unwell"
"""No caption has these words, and emoji-s knows emoji only: the captions' own model finds what is meant."""


def query_picture(path: Path) -> Path:
    """A new picture to search by: the cat's face, smaller, turned, on another background."""
    face = Image.open(ROOT / "definitions" / "data" / "emoji" / "1f431.png").convert("RGBA")
    face = face.resize((112, 112)).rotate(12, expand=True, resample=Image.Resampling.BICUBIC)
    picture = Image.new("RGBA", (192, 192), (96, 158, 126, 255))
    picture.alpha_composite(face, (26, 34))
    path.parent.mkdir(parents=True, exist_ok=True)
    picture.convert("RGB").save(path, quality=90)
    return path


def main() -> int:
    """Run, search, draw the contact sheet; the exit status."""
    pipeline = select(load_declared(start=ROOT), "emoji")
    print("materializing the pipeline 'emoji' through Dagster", flush=True)
    with bars.progress():
        outcome = execute(pipeline)
    terminal.run_table(outcome)
    terminal.warnings(outcome)
    for line in outcome.errors:
        print(f"error: {line}", file=sys.stderr)
    if not outcome.success:
        return 1
    configs = [embedding.config for embedding in pipeline.spec.embeddings.values()]
    index = Index(open_store(pipeline.spec.store), "emoji", "emoji_search", configs)
    picture = query_picture(ROOT / "out" / "query.jpg")
    strips = [Strip(f"“{words}”", index.search(words)) for words in WORDS]
    strips.append(Strip(f"“{MEANT}”, by captions", index.search(MEANT, column="words")))
    strips.append(Strip("a picture", index.search(image=picture), picture.read_bytes()))
    for strip in strips:
        print(f"\nsearch: {strip.query}")
        terminal.hits_table(strip.results, limit=5)
    read = source_for(pipeline.spec.media.config).read
    print(f"\ncontact sheet: {contact_sheet(strips, read, ROOT / 'out' / 'demo.png')}")
    print("next: make serve, and search with your own words and pictures at http://127.0.0.1:8080")
    print("      make dev, and see the run in Dagster's UI at http://127.0.0.1:3000")
    return 0


if __name__ == "__main__":
    sys.exit(main())
