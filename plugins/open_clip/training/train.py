"""Train a small CLIP on the demo gallery, from random weights, on a CPU.

Run from the repository root::

    python plugins/open_clip/training/train.py --shape emoji-s --out FOLDER
"""

from __future__ import annotations

import argparse
import math
import os
import time
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

# Threads that wait must sleep: the budget is CPU time, and spinning would use it up.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

import torch
from augment import augment, normalize
from card import model_card
from gallery import GALLERY, Glyph, HeldOutPairs, read_glyphs, read_pictures
from metrics import as_table, load_model, measure
from objective import contrastive_loss, encode_batch, learning_rate, make_optimizers
from prompts import JOINS, TEMPLATES, Prompts
from tokenizers import Tokenizer
from towers import SHAPES, build_model, model_config, save_checkpoint
from wordpieces import build_tokenizer

AVERAGE = 0.99  # decay of the running average of the weights
LAST_REPORT_SECONDS = 30.0  # part of the budget, kept for measuring the final weights
FLIPPABLE_GROUPS = ("Animals & Nature", "Food & Drink")


@dataclass(frozen=True)
class Settings:
    """What the command line says about the training.

    Attributes:
        shape: Which model.
        out: Where the checkpoint goes.
        data: The gallery.
        steps: Length of the schedule.
        batch: Glyphs per step.
        lr: Peak learning rate.
        optimizer: "muon" or "adamw".
        seed: Seed of everything random.
        threads: CPU threads.
        max_cpu_minutes: The training ends when the process has used this much CPU time.
        save_minutes: CPU minutes between checkpoints.
    """

    shape: str
    out: Path
    data: Path
    steps: int
    batch: int
    lr: float
    optimizer: str
    seed: int
    threads: int
    max_cpu_minutes: float
    save_minutes: float


def report(
    settings: Settings,
    *,
    glyphs: list[Glyph],
    held_out: HeldOutPairs,
    config: dict[str, Any],
    weights: dict[str, torch.Tensor],
    tokenizer: Tokenizer,
    steps: int,
    finished: bool,
) -> None:
    """Save a checkpoint, measure it as its users will load it, and note the figures on its card.

    Args:
        settings: The training's settings.
        glyphs: The gallery's metadata.
        held_out: The held-out pairs.
        config: The ``model_cfg``.
        weights: The averaged weights.
        tokenizer: The tokenizer.
        steps: Steps made so far.
        finished: Whether these are the final weights.
    """
    facts: dict[str, object] = {
        **vars(settings),
        "optimizer": {"muon": "Muon for the blocks' matrices and AdamW for the rest", "adamw": "AdamW"}[
            settings.optimizer
        ],
        "steps": steps,
        "parameters": sum(weight.numel() for weight in weights.values()) / 1e6,
        "pixels": config["vision_cfg"]["image_size"],
        "dimensions": config["embed_dim"],
        "glyphs": len(glyphs),
        "pairs": len(held_out.queries()),
        "state": "finished" if finished else "an intermediate checkpoint",
    }
    table = "Not measured yet."
    for _ in range(2):
        facts |= {"table": table, "minutes": time.process_time() / 60}
        save_checkpoint(settings.out, config=config, weights=weights, tokenizer=tokenizer, card=model_card(**facts))
        if table == "Not measured yet.":
            table = as_table(measure(load_model(settings.out), glyphs, held_out, settings.data))
    print(f"step {steps}, {time.process_time() / 60:.1f} CPU minutes\n{table}", flush=True)


def train(settings: Settings) -> None:
    """Train and save a model.

    Args:
        settings: The training's settings.
    """
    torch.set_num_threads(settings.threads)
    torch.manual_seed(settings.seed)
    generator = torch.Generator().manual_seed(settings.seed)
    glyphs = read_glyphs(settings.data)
    pictures = read_pictures(glyphs, settings.data)
    held_out = HeldOutPairs(glyphs)
    texts = [phrase for glyph in glyphs for phrase in (glyph.name, *glyph.keywords)]
    tokenizer = build_tokenizer([*texts, *TEMPLATES, *JOINS])
    prompts = Prompts(glyphs, held_out, tokenizer, settings.seed)
    flippable = torch.tensor(
        [g.group in FLIPPABLE_GROUPS and not {"left", "right"} & set(g.name.split()) for g in glyphs]
    )
    config = model_config(settings.shape, tokenizer)
    model = build_model(config)
    optimizers = make_optimizers(model, settings.optimizer, settings.lr)
    average = {key: value.detach().clone() for key, value in model.state_dict().items()}
    save = partial(
        report,
        settings,
        glyphs=glyphs,
        held_out=held_out,
        config=config,
        weights=average,
        tokenizer=tokenizer,
    )
    budget = settings.max_cpu_minutes * 60 - LAST_REPORT_SECONDS
    next_save = 5 * 60.0
    step, progress, order, losses = 0, 0.0, torch.empty(0, dtype=torch.long), 0.0
    while progress < 1:
        for optimizer in optimizers:
            for group in optimizer.param_groups:
                group["lr"] = learning_rate(progress, settings.lr)
        if len(order) < settings.batch:
            order = torch.randperm(len(glyphs), generator=generator)
        chosen, order = order[: settings.batch], order[settings.batch :]
        views = normalize(augment(pictures[chosen], flippable[chosen], generator))
        batch = prompts.draw(chosen)
        images = model.encode_image(views, normalize=True)
        loss = contrastive_loss(images, encode_batch(model, batch), batch.weights, model.logit_scale.exp())
        loss.backward()  # type: ignore[no-untyped-call]
        for optimizer in optimizers:
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)
        with torch.no_grad():
            model.logit_scale.clamp_(0, math.log(100))
            # The average must not remember the first steps for long.
            decay = min(AVERAGE, (1 + step) / (10 + step))
            for key, value in model.state_dict().items():
                average[key].lerp_(value, 1 - decay)
        step += 1
        losses += loss.item()
        if step % 50 == 0:
            used = time.process_time() / 60
            print(f"step {step} loss {losses / 50:.3f} CPU {used:.2f} min, progress {progress:.3f}", flush=True)
            losses = 0.0
        # On a slow machine CPU time, not the number of steps, brings the schedule to its end.
        progress = max(step / settings.steps, time.process_time() / budget)
        if progress < 1 and time.process_time() >= next_save:
            save(steps=step, finished=False)
            next_save = time.process_time() + settings.save_minutes * 60
    save(steps=step, finished=True)


def main() -> None:
    """Parse the command line and train."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--shape", choices=sorted(SHAPES), default="emoji-s")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--data", type=Path, default=GALLERY)
    parser.add_argument("--steps", type=int, default=2800)
    parser.add_argument("--batch", type=int, default=256)
    parser.add_argument("--lr", type=float, default=3e-3)
    parser.add_argument("--optimizer", choices=("muon", "adamw"), default="muon")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--max-cpu-minutes", type=float, default=60.0)
    parser.add_argument("--save-minutes", type=float, default=10.0)
    train(Settings(**vars(parser.parse_args())))


if __name__ == "__main__":
    main()
