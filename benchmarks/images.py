"""Images a second of a whole embeddings run, beside the bare forward pass on pre-decoded tensors, in one process.

Run by hand, on a quiet machine:

    .venv/bin/python benchmarks/images.py                          # ViT-B-32 with random weights, 640x480 JPEGs
    .venv/bin/python benchmarks/images.py --name emoji-s --count 4000 --size 72x72 --format png
    .venv/bin/python benchmarks/images.py --backend onnx           # the first load exports the model

The run reads files, decodes, resizes, embeds, normalises and commits vectors; the forward pass does nothing but
the model's work on the same number of images. Both get the same batches, threads and device; the model's load is
timed apart.
"""

import argparse
import json
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

from embeddings_orch.embedding.step import EmbedStep
from embeddings_orch.pipeline import Pipeline
from embeddings_orch.pipeline.catalog.scan import scan_media
from embeddings_orch.pipeline.embeddings.embed import embed
from embeddings_orch.spec.pipeline import PipelineSpec
from embeddings_orch_plugins.open_clip.embedder import OpenClipEmbedder


def draw_pictures(folder: Path, count: int, size: tuple[int, int], kind: str) -> None:
    """Write ``count`` different pictures: smooth shapes with some noise, as a photograph has."""
    folder.mkdir(parents=True)
    random = np.random.default_rng(0)
    for number in range(count):
        coarse = random.integers(0, 256, (12, 16, 3), dtype=np.uint8)
        picture = np.asarray(Image.fromarray(coarse).resize(size, Image.Resampling.BICUBIC), dtype=np.int16)
        noisy = np.clip(picture + random.integers(-8, 9, picture.shape), 0, 255).astype(np.uint8)
        Image.fromarray(noisy).save(folder / f"{number:06}.{kind}", quality=88)


def save_random_model(name: str, folder: Path) -> str:
    """An architecture of open_clip with random weights, as a ``local-dir:`` model."""
    import open_clip
    from safetensors.torch import save_file

    torch.manual_seed(0)
    model = open_clip.create_model(name)
    folder.mkdir(parents=True)
    config: dict[str, Any] = {"model_cfg": open_clip.get_model_config(name), "preprocess_cfg": {}}
    visual = model.visual.preprocess_cfg
    config["preprocess_cfg"] = {key: visual[key] for key in ("mean", "std", "interpolation", "resize_mode")}
    (folder / "open_clip_config.json").write_text(json.dumps(config))
    save_file(model.state_dict(), folder / "open_clip_model.safetensors")
    return f"local-dir:{folder}"


def forward_rate(step: EmbedStep, count: int, batch: int) -> float:
    """Images a second of ``encode_image`` on normalised tensors that are there already."""
    embedder = step.embedder
    assert isinstance(embedder, OpenClipEmbedder)
    clip, _ = embedder._get_model()
    size = clip.preprocess_cfg["size"]
    height, width = (size, size) if isinstance(size, int) else size
    pixels = torch.rand(batch, 3, height, width, device=clip.device, dtype=clip.dtype)
    batches = max(1, count // batch)
    with torch.inference_mode():
        clip.model.encode_image(pixels).cpu()
        started = time.perf_counter()
        for _ in range(batches):
            clip.model.encode_image(pixels).float().cpu()
        return batches * batch / (time.perf_counter() - started)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--name", default="ViT-B-32", help="a bundled model, or an architecture for random weights")
    parser.add_argument("--count", type=int, default=512)
    parser.add_argument("--size", default="640x480")
    parser.add_argument("--format", default="jpg", choices=("jpg", "png"))
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--precision", default="fp32")
    parser.add_argument("--backend", default="torch", choices=("torch", "onnx"))
    asked = parser.parse_args()
    width, height = (int(side) for side in asked.size.split("x"))
    with tempfile.TemporaryDirectory() as temporary:
        root = Path(temporary)
        draw_pictures(root / "media", asked.count, (width, height), asked.format)
        name = asked.name if asked.name.startswith("emoji") else save_random_model(asked.name, root / "model")
        spec = PipelineSpec.model_validate(
            {
                "name": "bench",
                "store": {"uri": str(root / "store")},
                "media": {"path": str(root / "media")},
                "embeddings": {
                    "clip": {
                        "provider": "open-clip",
                        "name": name,
                        "batch_size": asked.batch,
                        "precision": asked.precision,
                        "backend": asked.backend,
                    }
                },
            }
        )
        pipeline = Pipeline(spec)
        started = time.perf_counter()
        scan_media(pipeline)
        scanned = time.perf_counter() - started
        step = EmbedStep(spec.embeddings["clip"].config)
        started = time.perf_counter()
        before = forward_rate(step, asked.count, asked.batch)
        first = time.perf_counter() - started
        report = embed(pipeline, "clip", step=step)
        again = EmbedStep(spec.embeddings["clip"].config)
        after = forward_rate(again, asked.count, asked.batch)
        run, forward = report.embedded / report.seconds, (before + after) / 2
        print(
            f"{asked.count} pictures of {asked.size} ({asked.format}), {asked.name} {asked.precision} {asked.backend}"
        )
        print(f"batch {asked.batch}, torch threads {torch.get_num_threads()}, cuda {torch.cuda.is_available()}")
        print(f"scan             {asked.count / scanned:8.0f} images/s")
        print(f"load and warm-up {first - asked.count / before:8.1f} s (not in the figures below)")
        print(f"bare forward     {forward:8.1f} images/s (before {before:.1f}, after {after:.1f})")
        print(f"run              {run:8.1f} images/s, {report.failed} failed")
        print(f"run / forward    {run / forward:8.2f}")


if __name__ == "__main__":
    main()
