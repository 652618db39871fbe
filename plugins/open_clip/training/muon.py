"""Muon: momentum whose matrix updates are made orthogonal, here in single precision for CPUs."""

from __future__ import annotations

from collections.abc import Iterable

import torch

_COEFFICIENTS = (3.4445, -4.7750, 2.0315)


def orthogonalize(matrices: torch.Tensor, steps: int = 5) -> torch.Tensor:
    """Bring the singular values of matrices close to one by Newton-Schulz iteration.

    Args:
        matrices: A batch of matrices with no more rows than columns.
        steps: Iterations.

    Returns:
        Matrices with the same singular vectors.
    """
    a, b, c = _COEFFICIENTS
    x: torch.Tensor = matrices / (matrices.norm(dim=(-2, -1), keepdim=True) + 1e-7)
    for _ in range(steps):
        gram = x @ x.mT
        x = a * x + torch.baddbmm(b * gram, gram, gram, alpha=c) @ x
    return x


class Muon(torch.optim.Optimizer):
    """Muon for the weight matrices of transformer blocks, with decoupled weight decay.

    Updates are scaled to the size AdamW's would have, so both optimizers share one learning rate.
    """

    def __init__(
        self,
        params: Iterable[torch.nn.Parameter],
        lr: float,
        momentum: float = 0.95,
        weight_decay: float = 0.1,
    ) -> None:
        """Set up the optimizer.

        Args:
            params: Matrices.
            lr: Learning rate.
            momentum: Decay of the running gradient.
            weight_decay: Decoupled weight decay.
        """
        super().__init__(params, {"lr": lr, "momentum": momentum, "weight_decay": weight_decay})

    @torch.no_grad()
    def step(self, closure: None = None) -> None:  # type: ignore[override]
        """Update the matrices.

        Args:
            closure: Not supported.
        """
        for group in self.param_groups:
            blocks: dict[tuple[int, int], list[tuple[torch.Tensor, torch.Tensor]]] = {}
            for parameter in group["params"]:
                if parameter.grad is None:
                    continue
                running = self.state[parameter].setdefault("running", torch.zeros_like(parameter))
                running.lerp_(parameter.grad, 1 - group["momentum"])
                update = parameter.grad.lerp(running, group["momentum"])
                # A fused query, key and value projection is three matrices to this method.
                parts = 3 if parameter.shape[0] == 3 * parameter.shape[1] else 1
                for weight, part in zip(parameter.chunk(parts), update.chunk(parts), strict=True):
                    shape = (int(part.shape[0]), int(part.shape[1]))
                    blocks.setdefault((min(shape), max(shape)), []).append((weight, part))
            for (_, longest), members in blocks.items():
                tall = [part.shape[0] > part.shape[1] for _, part in members]
                stacked = [part.mT if is_tall else part for (_, part), is_tall in zip(members, tall, strict=True)]
                directions = orthogonalize(torch.stack(stacked))
                for (weight, _), direction, is_tall in zip(members, directions, tall, strict=True):
                    weight.mul_(1 - group["lr"] * group["weight_decay"])
                    change = direction.mT if is_tall else direction
                    weight.add_(change, alpha=-group["lr"] * 0.2 * longest**0.5)
