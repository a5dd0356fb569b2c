"""Models behind a few public names; each loads what it needs only when it is called.

```python
import midi, models

partner = models.load("partner")
tune = midi.read("tune.mid")
duet = partner.accompany(tune, seed=7)
midi.write("duet.mid", duet)
```
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from models.bundle import Bundle
    from models.registry import BundleInfo
    from models.sequence.player import Player

__all__ = ["list_bundles", "load", "train"]


def load(name: str | Path, device: str = "auto") -> Player:
    """A partner from an installed bundle's name, ``name@version``, or a bundle's path.

    Raises:
        UserError: No such bundle, damaged, or not a partner.
    """
    from models.sequence.player import Player  # noqa: PLC0415

    return Player.load(name, device=device)


def list_bundles() -> list[BundleInfo]:
    """Every installed and shipped bundle, by name and rising version."""
    from models.registry import list_bundles as found  # noqa: PLC0415

    return found()


def train(
    folder: Path,
    name: str,
    *,
    report: Callable[[Any], None] = lambda _: None,
    advance: Callable[[str, int, int], None] = lambda _what, _done, _total: None,
    **settings: Any,
) -> Bundle:
    """Train a partner on a folder of MIDI files and install it as the next version of ``name``.

    Args:
        folder: Searched with its subfolders.
        name: Name of the bundle.
        report: Told the training's progress after every step.
        advance: Told what else is being done, how many steps are done, and how many there are.
        settings: Further fields of :class:`models.sequence.recipe.MusicRun`.

    Raises:
        UserError: The folder cannot be used, or the run belongs to other settings.
        KeyboardInterrupt: Interrupted; everything is saved, ``resume=True`` goes on.
    """
    from models.sequence import recipe  # noqa: PLC0415

    run = recipe.MusicRun(folder, recipe.run_folder(name), name, **settings)
    return recipe.train_bundle(run, report, advance)
