"""Checkpoints: everything needed to go on, in one safetensors file, written whole or not at all."""

import contextlib
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.optim import Optimizer

from midi.errors import UserError


def write_tensors(path: Path, tensors: Mapping[str, Tensor], state: Mapping[str, Any]) -> None:
    """Write tensors and JSON-able state as one file, replacing an older one only when all is on disk.

    Args:
        path: Target, ending in ``.safetensors``.
        tensors: Any device; tied tensors are stored once each.
        state: Goes into the file's header.

    Raises:
        OSError: The disk refused; ``path`` is as it was before.
    """
    copies = {key: value.detach().to("cpu", copy=True).contiguous() for key, value in tensors.items()}
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        save_file(copies, temporary, metadata={"state": json.dumps(state)})
        with temporary.open("rb") as stream:
            os.fsync(stream.fileno())
        temporary.replace(path)
    except SafetensorError as error:  # the Rust writer reports a full disk this way
        raise OSError(str(error)) from error
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)


def read_tensors(path: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Read what ``write_tensors`` wrote, on the CPU.

    Raises:
        UserError: The file is missing, damaged or of another kind.
    """
    try:
        with safe_open(path, framework="pt") as stream:
            state = json.loads((stream.metadata() or {})["state"])
            return {key: stream.get_tensor(key) for key in stream.keys()}, state  # noqa: SIM118
    except (OSError, SafetensorError, KeyError, ValueError) as error:
        raise UserError(
            f"The checkpoint {path} cannot be read ({error}).", "Start the run anew in another folder."
        ) from error


def read_weights(path: Path) -> dict[str, dict[str, Tensor]]:
    """Weights of every module from ``best.safetensors`` (or any checkpoint), as state dictionaries by name.

    From a full checkpoint these are the raw weights, not the averaged ones.
    """
    modules: dict[str, dict[str, Tensor]] = {}
    for key, tensor in read_tensors(path)[0].items():
        part, name, entry = key.split("/", 2)
        if part == "weights":
            modules.setdefault(name, {})[entry] = tensor
    return modules


def module_tensors(modules: Mapping[str, nn.Module]) -> dict[str, Tensor]:
    """Every entry of every module's state dictionary as ``weights/<module>/<entry>``."""
    return {
        f"weights/{m}/{key}": t for m, module in modules.items() for key, t in module.state_dict().items()
    }


def load_modules(modules: Mapping[str, nn.Module], tensors: Mapping[str, Tensor]) -> None:
    """Fill modules in place from ``weights/…`` tensors.

    Raises:
        UserError: Names or shapes differ: the checkpoint belongs to another network.
    """
    for name, module in modules.items():
        prefix = f"weights/{name}/"
        try:
            module.load_state_dict({k[len(prefix) :]: t for k, t in tensors.items() if k.startswith(prefix)})
        except RuntimeError as error:
            raise UserError(
                f"The checkpoint does not fit the network '{name}'.",
                "Resume with the settings that the run was started with, or start a new run.",
            ) from error


def optimizer_tensors(optimizers: Mapping[str, Optimizer]) -> dict[str, Tensor]:
    """Per-parameter optimizer state as ``optimizer/<phase>/<parameter number>.<entry>``."""
    flat = {}
    for phase, optimizer in optimizers.items():
        for index, entries in optimizer.state_dict()["state"].items():
            for key, value in entries.items():
                flat[f"optimizer/{phase}/{index}.{key}"] = torch.as_tensor(value)
    return flat


def load_optimizers(optimizers: Mapping[str, Optimizer], tensors: Mapping[str, Tensor]) -> None:
    """Fill optimizers from ``optimizer/…`` tensors; hyper-parameters stay as they are."""
    for phase, optimizer in optimizers.items():
        prefix = f"optimizer/{phase}/"
        state: dict[int, dict[str, Tensor]] = {}
        for key, tensor in tensors.items():
            if key.startswith(prefix):
                index, entry = key[len(prefix) :].split(".", 1)
                state.setdefault(int(index), {})[entry] = tensor
        optimizer.load_state_dict({"state": state, "param_groups": optimizer.state_dict()["param_groups"]})
        for parameter, entries in optimizer.state.items():
            for key, value in entries.items():
                # Fused optimizers walk parameter and state by memory: both have to be laid out alike.
                if value.shape == parameter.shape:
                    entries[key] = torch.empty_like(parameter, dtype=value.dtype).copy_(value)
