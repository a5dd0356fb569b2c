"""``antiphon train music``: a partner from a folder of the user's own MIDI files."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from midi.errors import UserError
from studio.terminal import Progress


@dataclass(frozen=True)
class TrainMusicOptions:
    """What ``train music`` is asked to do; see the command for what each means."""

    folder: Path
    name: str
    parent: str | None = None
    minutes: float | None = None
    steps: int | None = None
    resume: bool = False
    seed: int = 0
    is_quiet: bool = False
    device: str = "auto"


def train_music(options: TrainMusicOptions, progress: Progress | None = None) -> dict[str, Any]:
    """Train, measure, and install the result as the next version of a bundle.

    Interrupting saves everything; the same command with ``--resume`` goes on.

    Returns:
        The bundle's name, version and path, and its figures.

    Raises:
        UserError: A bad name, an unusable folder or parent, or a run that belongs to other settings.
        KeyboardInterrupt: The run was interrupted, after everything was saved.
    """
    if not options.folder.is_dir():
        raise UserError(f"There is no folder {options.folder}.", "Name a folder of MIDI files.")
    # torch takes seconds to import, which a wrong folder must not wait for.
    import models  # noqa: PLC0415
    from models.bundle import is_name  # noqa: PLC0415

    if not is_name(options.name):
        raise UserError(
            f"'{options.name}' cannot be the name of a bundle.", "Use lower-case letters, digits, - and _."
        )
    advance = progress or (lambda _what, _done, _total: None)
    bundle = models.train(
        options.folder, options.name, report=report_to(advance), advance=advance, parent=options.parent,
        max_minutes=options.minutes, max_steps=options.steps, resume=options.resume, device=options.device,
        seed=options.seed,
    )  # fmt: skip
    manifest = bundle.manifest
    nll = manifest.metrics.get("nll", {}).get("model", {})
    return {
        "name": manifest.name,
        "version": manifest.version,
        "path": str(bundle.path),
        "nll_nats_per_note": nll.get("partner"),
        **manifest.metrics,
    }


def report_to(advance: Progress) -> Callable[[Any], None]:
    """Training progress for a progress bar, in thousandths of the run."""
    return lambda progress: advance("Training", int(progress.fraction * 1000), 1000)
