"""How a partner sounds, before it is chosen: the first bars of a shipped melody, performed once and kept."""

from __future__ import annotations

import hashlib
import json
import secrets
import shutil
from pathlib import Path

import assets
from midi.errors import UserError
from midi.files import write_bytes
from studio import settings
from studio.live.take import TAKE_NAME
from studio.partners import RULES, find_partner
from studio.parts import whole_band
from studio.perform import PerformOptions, perform
from studio.terminal import Progress

MELODY = "demos/harbor.mid"
BARS = 8
SEED = 1

LATENCY_MS = 60.0
"""Charged for every plan whatever the machine, so that a bundle sounds the same everywhere."""

LAYOUT = 2
"""Goes up when previews change; those kept before are made anew."""


def preview(model: str, out: Path | None = None, progress: Progress | None = None) -> dict[str, object]:
    """Perform the first bars of a shipped melody with a partner.

    A model that is told its parts plays all of them. What was performed before with the very same weights is
    not performed again.

    Args:
        model: Bundle name, ``name@version`` or folder; ``none`` plays by rules alone.
        out: WAV file to write as well.
        progress: Told how far it is.

    Returns:
        ``model audio take is_cached bars``; ``audio`` is ``out`` where that is given.

    Raises:
        UserError: There is no such bundle, it is no partner, or the files can't be written.
    """
    if out is not None and out.suffix.lower() != ".wav":
        raise UserError(f"'{out.name}' is no WAV file.", "Use a name that ends in .wav.")
    folder = settings.cache_folder() / "previews" / _key(model)
    is_cached = all((folder / name).is_file() for name in (TAKE_NAME, "take.wav"))
    if not is_cached:
        _make(model, folder, progress)
    audio = folder / "take.wav"
    if out is not None:
        write_bytes(out, audio.read_bytes())
    return {
        "model": model,
        "audio": str(out or audio),
        "take": str(folder / TAKE_NAME),
        "is_cached": is_cached,
        "bars": BARS,
    }


def _key(model: str) -> str:
    """Changes with the weights, and with what is played."""
    facts: list[object] = [LAYOUT, MELODY, BARS, SEED, LATENCY_MS]
    bundle = find_partner(model)
    if bundle is None:
        return f"{RULES}-{_digest(facts)}"
    from models.bundle import read_manifest  # noqa: PLC0415 - loads torch

    manifest = read_manifest(bundle)
    return f"{manifest.name}-{manifest.version}-{_digest([*facts, manifest.checksums])}"


def _digest(facts: list[object]) -> str:
    return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()[:16]


def _make(model: str, folder: Path, progress: Progress | None) -> None:
    """Perform into a folder beside the final one, which so is whole or not there."""
    draft = folder.with_name(f".{folder.name}.{secrets.token_hex(4)}")
    options = PerformOptions(
        file=assets.path(MELODY), out=draft, model=model, seed=SEED, plan_latency_ms=LATENCY_MS, bars=BARS,
        device="cpu", parts=whole_band(model),
    )  # fmt: skip
    try:
        perform(options, progress)
        shutil.rmtree(folder, ignore_errors=True)
        draft.rename(folder)
    except OSError as fault:
        # Another process may have been faster with the same preview.
        if not (folder / TAKE_NAME).is_file():
            sentence = f"The preview can't be kept in {folder}: {fault.strerror or fault}."
            raise UserError(sentence, "Free some space, or set ANTIPHON_HOME to another folder.") from fault
    finally:
        shutil.rmtree(draft, ignore_errors=True)
