"""Batched augmentation: glyphs scaled, turned, shifted and laid on random backgrounds."""

from __future__ import annotations

import math

import torch
from torch.nn import functional

IMAGE_SIZE = 64
MEAN, STD = (0.5, 0.5, 0.5), (0.5, 0.5, 0.5)

# Shares of the kinds of background; the rest is low-frequency noise.
WHITE, BLACK, SOLID, GRADIENT = 0.3, 0.1, 0.25, 0.2
UNTOUCHED = 0.25  # share of pictures shown straight, full size and in their own colours


def random_backgrounds(count: int, size: int, generator: torch.Generator, *, plain: bool = True) -> torch.Tensor:
    """Draw backgrounds: white, black, solid colours, gradients and smooth noise.

    Args:
        count: How many.
        size: Edge in pixels.
        generator: Source of randomness.
        plain: Whether white and black are among them.

    Returns:
        A tensor of shape (count, 3, size, size) with values in 0..1.
    """

    def draw(*shape: int) -> torch.Tensor:
        return torch.rand(shape, generator=generator)

    kind = draw(count) if plain else WHITE + BLACK + (1 - WHITE - BLACK) * draw(count)
    start, end = draw(count, 3, 1, 1), draw(count, 3, 1, 1)
    start[kind < WHITE + BLACK] = 0.0
    start[kind < WHITE] = 1.0
    axis = torch.linspace(-1, 1, size)
    angle = draw(count, 1, 1) * (2 * math.pi)
    ramp = angle.cos() * axis.view(1, 1, size) + angle.sin() * axis.view(1, size, 1)
    ramp = ((ramp / math.sqrt(2) + 1) / 2).unsqueeze(1)
    even = (kind < WHITE + BLACK + SOLID).view(count, 1, 1, 1)
    backgrounds = torch.where(even, start, start + (end - start) * ramp)
    noisy = (kind >= WHITE + BLACK + SOLID + GRADIENT).nonzero().squeeze(1)
    if len(noisy):
        coarse = 0.2 + 0.6 * start[noisy] + 0.6 * (draw(len(noisy), 3, 6, 6) - 0.5)
        smooth = functional.interpolate(coarse, size=(size, size), mode="bilinear", align_corners=False)
        grain = (draw(len(noisy), 1, size, size) - 0.5) * 0.2
        backgrounds[noisy] = (smooth + grain).clamp(0, 1)
    return backgrounds


def augment(
    pictures: torch.Tensor, flippable: torch.Tensor, generator: torch.Generator, size: int = IMAGE_SIZE
) -> torch.Tensor:
    """Turn glyphs into training pictures.

    Args:
        pictures: uint8 RGBA pictures with colour multiplied by alpha, of shape (count, 4, edge, edge).
        flippable: Which of them may be mirrored without becoming another glyph.
        generator: Source of randomness.
        size: Edge of the result in pixels.

    Returns:
        A float tensor of shape (count, 3, size, size) with values in 0..1.
    """
    count = len(pictures)

    def draw(low: float, high: float) -> torch.Tensor:
        return low + (high - low) * torch.rand(count, generator=generator)

    touched = draw(0, 1) >= UNTOUCHED
    scale = torch.where(touched, draw(0.65, 1.1), 1.0)
    angle = torch.where(touched, draw(-0.25, 0.25), 0.0)
    mirror = torch.where(touched & flippable & (draw(0, 1) < 0.5), -1.0, 1.0)
    cos, sin = angle.cos() / scale, angle.sin() / scale
    # A glyph moves at most until a tenth of the picture's edge cuts it off.
    room = (1 - scale).clamp(min=0) + 0.1
    move_x, move_y = (torch.where(touched, draw(-1, 1) * room, 0.0) for _ in range(2))
    matrix = torch.stack(
        [
            torch.stack([cos * mirror, -sin * mirror, -(cos * move_x - sin * move_y) * mirror], dim=1),
            torch.stack([sin, cos, -(sin * move_x + cos * move_y)], dim=1),
        ],
        dim=1,
    )
    grid = functional.affine_grid(matrix, [count, 4, size, size], align_corners=False)
    warped = functional.grid_sample(pictures.float().div_(255), grid, padding_mode="zeros", align_corners=False)
    colour, alpha = warped[:, :3], warped[:, 3:]
    images = colour + (1 - alpha) * random_backgrounds(count, size, generator)
    contrast = torch.where(touched, draw(0.8, 1.2), 1.0).view(count, 1, 1, 1)
    brightness = torch.where(touched, draw(-0.1, 0.1), 0.0).view(count, 1, 1, 1)
    return ((images - 0.5) * contrast + 0.5 + brightness).clamp_(0, 1)


def normalize(images: torch.Tensor) -> torch.Tensor:
    """Scale pictures from 0..1 to what the model expects.

    Args:
        images: Pictures with values in 0..1.

    Returns:
        The normalized pictures.
    """
    mean = torch.tensor(MEAN).view(1, 3, 1, 1)
    std = torch.tensor(STD).view(1, 3, 1, 1)
    return (images - mean) / std
