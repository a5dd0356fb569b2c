"""Which device a model runs on."""

from __future__ import annotations

from functools import cache
from pathlib import Path

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


def multiplies_bfloat16() -> bool:
    """Whether this machine's CPU multiplies bfloat16 natively: x86 with AMX or AVX-512 BF16.

    Plain AVX-512 and AVX2 emulate it and lose by it. Known on Linux only; elsewhere the answer is no.
    """
    return bool(cpu_flags() & {"amx_bf16", "avx512_bf16"})


@cache
def cpu_flags() -> frozenset[str]:
    """What the kernel says the CPU can do; nothing where it does not say."""
    try:
        text = Path("/proc/cpuinfo").read_text(encoding="ascii", errors="replace")
    except OSError:  # not Linux
        return frozenset()
    lines = (line.split(":", 1)[1] for line in text.splitlines() if line.startswith("flags"))
    return frozenset(next(lines, "").split())
