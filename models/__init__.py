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
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from models.bundle import Bundle
    from models.image.player import Pictures
    from models.registry import BundleInfo
    from models.sequence.player import Player

__all__ = ["list_bundles", "load", "train"]


def load(name: str | Path, device: str = "auto") -> Player | Pictures:
    """A partner or a maker of pictures, from a bundle's name, ``name@version``, or path.

    Raises:
        UserError: No such bundle, damaged, or of another kind.
    """
    from models.bundle import read_manifest  # noqa: PLC0415
    from models.registry import find  # noqa: PLC0415

    if read_manifest(find(name)).kinds.out == "image":
        from models.image.player import Pictures  # noqa: PLC0415

        return Pictures.load(name, device=device)
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
    media: Literal["music", "pictures"] = "music",
    parent: str | None = "auto",
    report: Callable[[Any], None] = lambda _: None,
    advance: Callable[[str, int, int], None] = lambda _what, _done, _total: None,
    **settings: Any,
) -> Bundle:
    """Train a partner on MIDI files or a generator on pictures; install it as the next version of ``name``.

    Args:
        folder: Searched with its subfolders.
        name: Name of the bundle.
        media: What the folder holds.
        parent: Bundle to start from. ``auto`` is a shipped starter (:mod:`models.training.parents`), ``none``
            or None are fresh weights.
        report: Told the training's progress after every step.
        advance: Told what else is being done, how many steps are done, and how many there are.
        settings: Further fields of :class:`models.sequence.recipe.MusicRun` or
            :class:`models.image.recipe.PictureRun`.

    Raises:
        UserError: The folder cannot be used, or the run belongs to other settings.
        KeyboardInterrupt: Interrupted; everything is saved, ``resume=True`` goes on.
    """
    from models.training.parents import resolve  # noqa: PLC0415
    from models.training.runs import run_folder  # noqa: PLC0415

    settings["parent"] = resolve(name, parent, media, settings)
    if media == "pictures":
        from models.image import recipe as pictures  # noqa: PLC0415

        picture_run = pictures.PictureRun(folder, run_folder(name), name, **settings)
        return pictures.train_bundle(picture_run, report, advance)
    from models.sequence import recipe  # noqa: PLC0415

    return recipe.train_bundle(recipe.MusicRun(folder, run_folder(name), name, **settings), report, advance)
