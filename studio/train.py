"""``antiphon train``: a partner from the user's own MIDI files, a generator from the user's own pictures."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from midi.corpus import Corpus
from midi.errors import UserError
from midi.events import INSTRUMENT_NAMES
from studio.terminal import Progress

MAX_NAMED = 8
"""Files and keys named in the printed report; ``--json`` has all."""


@dataclass(frozen=True)
class TrainMusicOptions:
    """What ``train music`` is asked to do; see the command for what each means."""

    folder: Path
    name: str
    parent: str | None = "auto"
    minutes: float | None = None
    steps: int | None = None
    resume: bool = False
    seed: int = 0
    is_quiet: bool = False
    device: str = "auto"


@dataclass(frozen=True)
class TrainPicturesOptions:
    """What ``train pictures`` is asked to do; see the command for what each means."""

    folder: Path
    name: str
    parent: str | None = "auto"
    minutes: float | None = None
    steps: int | None = None
    size: int | None = None
    fit: Literal["crop", "letterbox"] = "crop"
    ground: str = "3c3c44"
    preset: str | None = None
    frozen: int = 8
    mirror: bool = True
    judge: Literal["pixel", "projected"] = "pixel"
    loss: Literal["logistic", "relativistic", "hinge"] = "logistic"
    resume: bool = False
    pick: int | None = None
    seed: int = 0
    device: str = "auto"


def train_music(options: TrainMusicOptions, progress: Progress | None = None) -> dict[str, Any]:
    """Train, measure, and install the result as the next version of a bundle.

    Interrupting saves everything; the same command with ``--resume`` goes on.

    Returns:
        The bundle's name, version and path, its figures, and as ``corpus`` the health of the folder.

    Raises:
        UserError: A bad name, an unusable folder or parent, or a run that belongs to other settings.
        KeyboardInterrupt: The run was interrupted, after everything was saved.
    """
    if not options.folder.is_dir():
        raise UserError(f"There is no folder {options.folder}.", "Name a folder of MIDI files.")
    # torch takes seconds to import, which a wrong folder must not wait for.
    import models  # noqa: PLC0415
    from models.sequence.recipe import CORPUS  # noqa: PLC0415
    from models.training.runs import run_folder  # noqa: PLC0415

    _check_name(options.name)
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
        "parent": manifest.parent,
        "nll_nats_per_note": nll.get("partner"),
        **manifest.metrics,
        "corpus": asdict(Corpus(run_folder(options.name) / CORPUS).report),
    }


def train_pictures(options: TrainPicturesOptions, progress: Progress | None = None) -> dict[str, Any]:
    """Train, measure, and install the result as the next version of a picture bundle.

    Interrupting saves everything; the same command with ``--resume`` goes on. The run's folder holds
    ``sheet.png``, written anew at every evaluation.

    Returns:
        The bundle's name, version and path, its figures, the run's folder, and as ``corpus`` the health of
        the folder.

    Raises:
        UserError: A bad name, an unusable folder or parent, or a run that belongs to other settings.
        KeyboardInterrupt: The run was interrupted, after everything was saved.
    """
    if not options.folder.is_dir():
        raise UserError(f"There is no folder {options.folder}.", "Name a folder of pictures.")
    _check_name(options.name)
    import models  # noqa: PLC0415
    from models.image.decode import IntakeConfig  # noqa: PLC0415
    from models.image.pictures import PictureSet  # noqa: PLC0415
    from models.image.recipe import CORPUS  # noqa: PLC0415
    from models.training.runs import run_folder  # noqa: PLC0415

    advance = progress or (lambda _what, _done, _total: None)
    bundle = models.train(
        options.folder, options.name, media="pictures", report=report_to(advance), advance=advance,
        parent=options.parent, max_minutes=options.minutes, max_steps=options.steps, resume=options.resume,
        pick=options.pick, device=options.device, seed=options.seed, size=options.size,
        preset=options.preset, frozen_px=options.frozen, is_mirrored=options.mirror, judge=options.judge,
        loss=options.loss,
        intake=IntakeConfig(fit=options.fit, ground=_color(options.ground)),
    )  # fmt: skip
    run_dir = run_folder(options.name)
    return {
        "name": bundle.manifest.name,
        "version": bundle.manifest.version,
        "path": str(bundle.path),
        "parent": bundle.manifest.parent,
        "run": str(run_dir),
        **bundle.manifest.metrics,
        "corpus": asdict(PictureSet(run_dir / CORPUS).report),
    }


def _check_name(name: str) -> None:
    from models.bundle import is_name  # noqa: PLC0415

    if not is_name(name):
        raise UserError(
            f"'{name}' cannot be the name of a bundle.", "Use lower-case letters, digits, - and _."
        )


def _color(text: str) -> tuple[int, int, int]:
    """Red, green and blue of six hexadecimal digits, with or without a number sign."""
    digits = text.removeprefix("#")
    try:
        red, green, blue = bytes.fromhex(digits)
    except ValueError as error:
        raise UserError(f"'{text}' is not a color.", "Write six hexadecimal digits: 3c3c44.") from error
    return red, green, blue


def report_to(advance: Progress) -> Callable[[Any], None]:
    """Training progress for a progress bar, in thousandths of the run, with loss and held-out figure."""

    def report(progress: Any) -> None:
        figures = [f"{key.replace('/', ' ')} {v:.3f}" for key, v in progress.losses.items() if "loss" in key]
        if progress.best_metric is not None:
            figures.append(f"held out {progress.best_metric:.3f}")
        what = ": ".join(["Training", *filter(None, [", ".join(figures)])])
        advance(what, int(progress.fraction * 1000), 1000)

    return report


def lines(data: dict[str, Any]) -> list[str]:
    """The result of a training for people: the bundle, its figure, and how healthy the folder is."""
    nll = data["nll_nats_per_note"]
    baselines = [
        f"{name.replace('_', ' ')} {data['nll'][name]['partner']:.3f}"
        for name in ("repeat_last_bar", "unigram")
        if name in data.get("nll", {})
    ]
    return [
        f"{data['name']} {data['version']} is ready: {data['path']}",
        _begun(data),
        *([f"Held out: {nll:.3f} nats a note ({', '.join(baselines)})."] if nll is not None else []),
        "",
        *health_lines(data["corpus"]),
    ]


def _begun(data: dict[str, Any]) -> str:
    return f"Started from {data['parent'] or 'fresh weights'}."


def picture_lines(data: dict[str, Any]) -> list[str]:
    """The result of a training on pictures for people."""
    corpus = data["corpus"]
    found = [
        f"{data['name']} {data['version']} is ready: {data['path']}",
        _begun(data),
        f"Samples: {data['run']}/sheet.png",
    ]
    if "swd" in data:
        found.append(
            f"Sliced Wasserstein distance to {data['reference']} real pictures: {data['swd']:.3f} (real ones "
            f"among themselves {data['real']['swd']:.3f}); nearest-neighbor ratio {_ratio(data)}. "
            "Look at the samples: no figure says whether they are good."
        )
    found += ["", f"{corpus['used']} of {corpus['found']} pictures used, {corpus['held_out']} held out."]
    if corpus["enlarged"]:
        found.append(f"{corpus['enlarged']} are smaller than that and were enlarged.")
    for what, count in Counter(corpus["changed"].values()).most_common(MAX_NAMED):
        found.append(f"{count} read with a change: {what}.")
    return [*found, *_file_lines(corpus, ("refused", "duplicates"))]


def _ratio(data: dict[str, Any]) -> str:
    ratio = data["nearest_ratio"]
    return "unknown" if ratio is None else f"{ratio:.2f}, near-copies: {data['run']}/nearest.png"


def health_lines(corpus: dict[str, Any]) -> list[str]:
    """What became of the files of a folder; at most a few names of each kind."""
    low, middle, high = corpus["tempi_bpm"]
    splits = ", ".join(f"{count} {name}" for name, count in corpus["splits"].items())
    found = [
        f"{corpus['used']} files used ({splits}): {corpus['notes']:,} notes, {corpus['minutes']:.1f} min, "
        f"{low:.0f}-{high:.0f} bpm (median {middle:.0f})"
    ]
    instruments = sorted(corpus["instruments"].items(), key=lambda item: -item[1])
    found.append("Parts: " + ", ".join(f"{INSTRUMENT_NAMES[int(i)]} {count}" for i, count in instruments))
    if corpus.get("keys"):
        keys = sorted(corpus["keys"].items(), key=lambda item: -item[1])
        found.append("Keys: " + ", ".join(f"{name} {count}" for name, count in keys[:MAX_NAMED]))
    return [*found, *_file_lines(corpus, ("repaired", "settled", "refused", "duplicates"))]


def _file_lines(corpus: dict[str, Any], kinds: tuple[str, ...]) -> list[str]:
    """Files by what became of them; at most a few names of each kind."""
    found = []
    for kind in kinds:
        files = corpus[kind]
        if files:
            found.append(f"{len(files)} {kind}:")
            found += [f"  {name}: {why}" for name, why in list(files.items())[:MAX_NAMED]]
        if len(files) > MAX_NAMED:
            found.append(f"  and {len(files) - MAX_NAMED} more (--json lists all)")
    return found
