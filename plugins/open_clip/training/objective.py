"""What training minimizes, and with which optimizers and learning rate."""

from __future__ import annotations

import math
from typing import Any

import torch
from muon import Muon
from prompts import TextBatch
from torch.nn import functional
from towers import encode_text

WARMUP = 0.03  # share of the training


def contrastive_loss(
    images: torch.Tensor, texts: torch.Tensor, weights: torch.Tensor, scale: torch.Tensor
) -> torch.Tensor:
    """Cross-entropy in both directions against every picture a text describes.

    Args:
        images: Unit vectors of the pictures.
        texts: Unit vectors of the texts.
        weights: How well each text (row) describes each picture (column).
        scale: Factor of the similarities.

    Returns:
        The loss.
    """
    logits = scale * texts @ images.T
    by_text = weights / weights.sum(1, keepdim=True)
    by_image = (weights / weights.sum(0, keepdim=True)).T
    return (functional.cross_entropy(logits, by_text) + functional.cross_entropy(logits.T, by_image)) / 2


def encode_batch(model: torch.nn.Module, batch: TextBatch) -> torch.Tensor:
    """Encode texts in two parts, short and long, so that few long ones do not pad all others.

    Args:
        model: The model.
        batch: The texts.

    Returns:
        Unit vectors in the batch's order.
    """
    order = batch.lengths.argsort(stable=True)
    cut = len(order) * 3 // 4
    parts = [
        encode_text(model, batch.ids[part, : int(batch.lengths[part].max())]) for part in (order[:cut], order[cut:])
    ]
    return functional.normalize(torch.cat(parts)[order.argsort()], dim=-1)


def make_optimizers(model: torch.nn.Module, kind: str, lr: float) -> list[torch.optim.Optimizer]:
    """Choose an optimizer for every parameter.

    Args:
        model: The model.
        kind: "muon" for Muon on the blocks' matrices and AdamW elsewhere, or "adamw".
        lr: Peak learning rate.

    Returns:
        The optimizers.
    """
    blocks, tables, others = [], [], []
    for name, parameter in model.named_parameters():
        if "resblocks" in name and parameter.ndim == 2:
            blocks.append(parameter)
        elif parameter.ndim < 2 or "embedding" in name:
            others.append(parameter)
        else:
            tables.append(parameter)
    groups: list[dict[str, Any]] = [
        {"params": tables, "weight_decay": 0.1},
        {"params": others, "weight_decay": 0.0},
    ]
    optimizers: list[torch.optim.Optimizer] = []
    if kind == "muon":
        optimizers.append(Muon(blocks, lr=lr))
    else:
        groups[0]["params"] = tables + blocks
    optimizers.append(torch.optim.AdamW(groups, lr=lr, betas=(0.9, 0.98), foreach=True))
    return optimizers


def learning_rate(progress: float, peak: float) -> float:
    """Follow the schedule: a short warm-up, then half a cosine down to nothing.

    Args:
        progress: Share of the training done, 0..1.
        peak: The highest learning rate.

    Returns:
        The learning rate.
    """
    if progress < WARMUP:
        return peak * (progress + 1e-3) / WARMUP
    return peak * 0.5 * (1 + math.cos(math.pi * min(1.0, (progress - WARMUP) / (1 - WARMUP))))
