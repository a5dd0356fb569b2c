"""Exponential moving average of weights."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import torch
from torch import Tensor, nn


class Ema:
    """A running fp32 average of every trainable parameter of some modules.

    ``average ← d·average + (1 − d)·parameter`` with ``d = 0.5 ** (1 / half_life_steps)``, capped at
    ``(1 + t) / (10 + t)`` after ``t`` updates so that early averages are not ruled by the initial weights
    (the ``num_updates`` rule of TensorFlow's ExponentialMovingAverage). Buffers are not averaged.

    Args:
        modules: Modules by name, already on their device.
        half_life_steps: Steps after which a weight's influence has halved; 0 means no averaging.
    """

    def __init__(self, modules: Mapping[str, nn.Module], half_life_steps: float) -> None:
        self._live = {
            f"{name}/{key}": parameter
            for name, module in modules.items()
            for key, parameter in module.named_parameters()
            if parameter.requires_grad
        }
        self.decay = 0.5 ** (1 / half_life_steps) if half_life_steps > 0 else 0.0
        self.n_updates = 0
        averaged = self._live if self.decay else {}
        self._average = {key: p.detach().to(torch.float32, copy=True) for key, p in averaged.items()}

    @torch.no_grad()
    def update(self) -> None:
        """Take the parameters' present values in."""
        self.n_updates += 1
        if not self.decay:
            return
        decay = min(self.decay, (1 + self.n_updates) / (10 + self.n_updates))
        live = [p.float() for p in self._live.values()]
        torch._foreach_lerp_(list(self._average.values()), live, 1.0 - decay)

    @contextmanager
    def swapped(self) -> Iterator[None]:
        """Within the block the modules hold the averaged weights; afterwards their own again, bit for bit."""
        kept = {key: self._live[key].detach().clone() for key in self._average}
        self._copy_in(self._average)
        try:
            yield
        finally:
            self._copy_in(kept)

    @torch.no_grad()
    def _copy_in(self, values: Mapping[str, Tensor]) -> None:
        for key, value in values.items():
            self._live[key].copy_(value)

    def state_dict(self) -> dict[str, Tensor]:
        """The averages by ``module/parameter`` name; empty without averaging."""
        return dict(self._average)

    def load_state_dict(self, state: Mapping[str, Tensor], n_updates: int) -> None:
        """Restore averages; one that ``state`` lacks starts at the parameter's present value."""
        self.n_updates = n_updates
        for key, average in self._average.items():
            average.copy_(state.get(key, self._live[key].detach()))
