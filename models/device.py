"""Which device a model runs on."""

from __future__ import annotations

import torch

from midi.errors import UserError


def pick_device(device: str) -> str:
    """``auto`` becomes ``cuda``, ``mps`` or ``cpu``, in that order of what is there.

    Raises:
        UserError: The named device is not on this machine.
    """
    there = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available(), "cpu": True}
    if device == "auto":
        return next(name for name, is_there in there.items() if is_there)
    if not there.get(device, False):
        raise UserError(f"There is no device '{device}' here.", "Use --device auto, or run antiphon doctor.")
    return device
