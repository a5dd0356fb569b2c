"""What surrounds a training run: device, precision, processes, random generators, signals."""

import logging
import os
import random
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from lightning_fabric import Fabric

from models.device import multiplies_bfloat16, pick_device


def pick_precision(device: str) -> str:
    """``bf16-mixed`` where the hardware multiplies bfloat16 natively, else ``32-true``.

    That is CUDA from compute capability 8.0, and CPUs for which :func:`models.device.multiplies_bfloat16`.
    """
    if device == "cuda":
        is_native = torch.cuda.get_device_capability()[0] >= 8
    else:
        is_native = device == "cpu" and multiplies_bfloat16()
    return "bf16-mixed" if is_native else "32-true"


def make_fabric(device: str, precision: str) -> Fabric:
    """A launched Fabric for this process, one of ``WORLD_SIZE`` when ``torchrun`` started it.

    Args:
        device: ``auto``, ``cpu``, ``cuda`` or ``mps``.
        precision: ``auto``, ``32-true`` or ``bf16-mixed``.
    """
    logging.getLogger("lightning_fabric").setLevel(logging.WARNING)
    accelerator = pick_device(device)
    world_size = int(os.environ.get("WORLD_SIZE", "1"))
    local_size = int(os.environ.get("LOCAL_WORLD_SIZE", str(world_size)))
    fabric = Fabric(
        accelerator=accelerator,
        devices=local_size,
        num_nodes=world_size // local_size,
        strategy="ddp" if world_size > 1 else "auto",
        precision=pick_precision(accelerator) if precision == "auto" else precision,  # type: ignore[arg-type]
    )
    fabric.launch()
    return fabric


@contextmanager
def stop_on_signal() -> Iterator[threading.Event]:
    """An event that SIGINT or SIGTERM sets (seen in the main thread only); a second signal acts as usual."""
    flag = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield flag
        return
    before: dict[int, Any] = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}

    def on_signal(number: int, _frame: Any) -> None:
        flag.set()
        signal.signal(number, before[number] or signal.SIG_DFL)

    for number in before:
        signal.signal(number, on_signal)
    try:
        yield flag
    finally:
        for number, handler in before.items():
            signal.signal(number, handler or signal.SIG_DFL)


def seed_everything(*parts: int) -> None:
    """Seed the global generators of torch, numpy and Python from some non-negative integers."""
    low, high = (int(word) for word in np.random.SeedSequence(parts).generate_state(2))
    torch.manual_seed(high << 32 | low)
    random.seed(high)
    np.random.seed(low)  # noqa: NPY002 - tasks and libraries may still draw from the legacy generator
