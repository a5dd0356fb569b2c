"""From a folder of MIDI files to a bundle: corpus, training run, held-out figures, card."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from midi.corpus import Arrange, Corpus, build_corpus
from midi.events import DRUMS, PIANO, vocabulary_hash
from midi.note import DRUM_CHANNEL, NoteArray
from models.bundle import Bundle, read_bundle, read_manifest, write_bundle
from models.device import pick_device
from models.registry import find
from models.sequence.baselines import RepeatLastBar, baseline_figures
from models.sequence.card import music_card
from models.sequence.habits import habits_json, habits_of
from models.sequence.loading import ARCHITECTURE, PASSAGES, load_network
from models.sequence.memorization import PassageFilter
from models.sequence.network import EventModel, EventModelConfig, TrunkConfig
from models.sequence.parts import corpus_parts, part_names, told_parts
from models.sequence.task import (
    EVALUATION_LAG_TICKS,
    SequenceTask,
    SequenceTaskConfig,
    held_out_windows,
    nll_figures,
)
from models.sequence.windows import BAND, Draw, RoleMix, WindowConfig, places, window
from models.training.checkpoint import read_weights
from models.training.contract import FitResult, LoopConfig, Progress
from models.training.loop import fit
from models.training.runs import claim, conclude, write_settings

SMALL = EventModelConfig(TrunkConfig(width=256, layers=4, heads=4, context=512, dropout=0.1), head_width=192)
"""Size ``s``: 4.3 million parameters, the default on a CPU."""

CORPUS = "corpus"

BASELINE_WINDOWS = 400

Advance = Callable[[str, int, int], None]
"""Told what is being done, how many steps are done, and how many there are."""


@dataclass(frozen=True)
class MusicRun:
    """A training of the sequence model on a folder.

    Attributes:
        source: Folder of MIDI files.
        run_dir: Where corpus, checkpoints and log are kept.
        name: Name of the bundle.
        parent: Bundle to start from, or None for fresh weights.
        max_minutes: Time budget, or None.
        max_steps: Step budget, or None; with neither, early stop ends the run.
        resume: Go on where an interrupted run stopped.
        device: ``auto``, ``cpu``, ``cuda`` or ``mps``.
        seed: Of windows and fresh weights.
        data: What the bundle says of its data: dictionaries of name, licence and source.
        licence: Licence of the weights.
        arrange: Makes other parts of the files' music, see :func:`midi.corpus.build_corpus`; the model is
            then told which parts to play.
    """

    source: Path
    run_dir: Path
    name: str
    parent: str | None = None
    max_minutes: float | None = None
    max_steps: int | None = None
    resume: bool = False
    device: str = "auto"
    seed: int = 0
    data: tuple[dict[str, str], ...] = ()
    licence: str = "LicenseRef-unstated"
    arrange: Arrange | None = None


@dataclass(frozen=True)
class MusicResult:
    """What came of a run.

    Attributes:
        fitted: How the training ended.
        corpus: What it learned from.
        figures: Held-out nats a note of the model and the baselines; empty when interrupted.
        model: The best weights, on the CPU.
        config: Of the network.
    """

    fitted: FitResult
    corpus: Corpus
    figures: dict[str, Any]
    model: EventModel
    config: EventModelConfig


def train_music(run: MusicRun, report: Callable[[Progress], None], advance: Advance) -> MusicResult:
    """Read the folder, train, keep the best weights and measure them on held-out songs.

    Raises:
        UserError: The folder or the parent cannot be used, or the run belongs to other settings.
    """
    settings = _settings(run)
    claim(run.run_dir, settings, resume=run.resume)
    parent = load_network(read_bundle(find(run.parent)))[0] if run.parent else None
    corpus = build_corpus(
        run.source, run.run_dir / CORPUS, arrange=run.arrange,
        on_file=lambda i, n: advance("Reading files", i, n),
    )  # fmt: skip
    network = parent.config if parent else SMALL
    config = task_config(run, replace(network, tells_parts=network.tells_parts or run.arrange is not None))
    task = SequenceTask(config, corpus, parent.state_dict() if parent else None)
    write_settings(run.run_dir, settings)
    fitted = fit(task, loop_config(run), resume=run.resume, report=report)
    if fitted.best_weights is not None:
        task.model.load_state_dict(read_weights(fitted.best_weights)["model"])
    model = task.model.cpu().eval()
    figures = {} if fitted.interrupted else measure(model, corpus, advance)
    if figures and run.arrange is not None:
        figures["piano"] = piano_figures(model, parent, corpus, advance)
    return MusicResult(fitted, corpus, figures, model, config.model)


def train_bundle(run: MusicRun, report: Callable[[Progress], None], advance: Advance) -> Bundle:
    """Train and install the next version of the run's bundle.

    Raises:
        UserError: As :func:`train_music`.
        KeyboardInterrupt: Interrupted, after everything was saved.
    """
    result = train_music(run, report, advance)
    return conclude(
        run.run_dir, _settings(run), run.name, result.fitted, lambda to: write_music_bundle(run, result, to)
    )


def task_config(run: MusicRun, network: EventModelConfig) -> SequenceTaskConfig:
    """Windows as long as the network's context; larger batches where a GPU has room to fill."""
    roles = BAND if network.tells_parts else RoleMix()
    windows = WindowConfig(rows=network.trunk.context, roles=roles)
    return SequenceTaskConfig(network, windows, batch=32 if has_gpu(run.device) else 4, seed=run.seed)


def loop_config(run: MusicRun) -> LoopConfig:
    """Fresh weights learn fast and long; a parent's are moved gently and watched for overfitting."""
    patience = 0 if run.max_minutes or run.max_steps else 8
    config = LoopConfig(
        run.run_dir,
        max_steps=run.max_steps if run.max_steps or run.max_minutes else 20_000,
        max_minutes=run.max_minutes,
        learning_rate=1e-3,
        warmup_steps=200,
        final_fraction=0.02,
        ema_half_life_steps=150,
        eval_every_steps=400,
        checkpoint_every_s=120,
        patience_evals=patience,
        seed=run.seed,
        device=run.device,
    )
    if run.parent is None:
        return config
    if run.arrange is not None:  # the parent has new parts to learn, and the whole budget for it
        return replace(config, learning_rate=5e-4, eval_first=True)
    return replace(
        config, learning_rate=2e-4, warmup_steps=50, ema_half_life_steps=50, eval_every_steps=100,
        eval_first=True, patience_evals=8,
    )  # fmt: skip


def measure(model: EventModel, corpus: Corpus, advance: Advance) -> dict[str, Any]:
    """Nats a note on songs never trained on, beside the baselines on the same windows.

    A folder too small to have a ``test`` split is measured on ``valid``, which also chose the weights.
    """
    rows = model.config.trunk.context
    split = _measured_split(corpus)
    keep = BAND.keep if model.config.tells_parts else None
    windows = held_out_windows(corpus, split, rows, keep=keep)
    train = places(corpus, "train")
    step = max(1, len(train) // BASELINE_WINDOWS)
    draw, rng = Draw(lag_ticks=EVALUATION_LAG_TICKS, keep=keep), np.random.default_rng(0)
    repeat = RepeatLastBar([window(corpus, place, rows, draw, rng) for place in train[::step]])
    own = nll_figures(model, windows, on_batch=lambda i, n: advance("Measuring", i, n))
    return {
        "split": split,
        "windows": len(windows),
        "model": own,
        "unigram": baseline_figures(repeat.unigram, windows),
        "repeat_last_bar": baseline_figures(repeat, windows),
    }


def piano_figures(
    model: EventModel, parent: EventModel | None, corpus: Corpus, advance: Advance
) -> dict[str, Any]:
    """Nats a note where the piano plays alone: of a model of many parts, and of the parent that knew one.

    The windows are the same for both, so that the figures tell what the other parts have cost the piano.
    """
    rows = model.config.trunk.context
    windows = held_out_windows(corpus, _measured_split(corpus), rows, instruments=(PIANO,))
    found: dict[str, Any] = {"windows": len(windows)}
    for name, network in (("model", model), ("parent", parent)):
        if network is not None:
            found[name] = nll_figures(
                network.eval(), windows, on_batch=lambda i, n: advance("Measuring the piano", i, n)
            )
    return found


def _measured_split(corpus: Corpus) -> str:
    return "test" if corpus.split("test") else "valid"


def write_music_bundle(
    run: MusicRun, result: MusicResult, folder: Path, *, listening: dict[str, Any] | None = None
) -> Bundle:
    """Write the bundle, its card generated from the figures.

    Args:
        run: What was asked for.
        result: What came of it.
        folder: Folder of the bundle; its name is the version.
        listening: Figures of playing along, where they were measured.
    """
    report = result.corpus.report
    metrics = {"nll": result.figures, "habits": habits_json(habits_of(result.corpus))}
    if listening:
        metrics["listening"] = listening
    fields = {
        "name": run.name,
        "version": folder.name,
        "kinds": {"in": "notes", "out": "notes"},
        "architecture": ARCHITECTURE,
        "config": result.config.to_dict(),
        "vocabulary_hash": vocabulary_hash(),
        "instruments": list(part_names(_taught(run, result.corpus))),
        "parent": run.parent,
        "data_digest": report.digest,
        "data": [dict(entry) for entry in run.data]
        or [{"name": run.source.name, "licence": "unstated", "source": "the user's own files"}],
        "licence": run.licence,
        "metrics": metrics,
    }
    parameters = sum(p.numel() for p in result.model.parameters())
    card = music_card(fields, asdict(report), asdict(result.fitted), parameters)
    passages = PassageFilter.of(training_parts(result.corpus))
    tensors = {**result.model.state_dict(), PASSAGES: torch.from_numpy(passages.bits)}
    return write_bundle(folder, fields, tensors, card, is_half=True)


def _taught(run: MusicRun, corpus: Corpus) -> set[int]:
    """What the corpus teaches, and what the parent knew."""
    if run.parent is None:
        return set(corpus_parts(corpus))
    manifest = read_manifest(find(run.parent))
    return {*corpus_parts(corpus), *told_parts(manifest.instruments, manifest.config)}


def training_parts(corpus: Corpus) -> Iterator[NoteArray]:
    """Every part of every training song by itself, on the event grid."""
    for song in corpus.split("train"):
        notes = corpus.notes(song)
        for index, part in enumerate(song.parts):
            own = notes[notes["part"] == index]
            channel = np.full(len(own), DRUM_CHANNEL if part.instrument == DRUMS else 0, dtype=np.uint8)
            yield NoteArray(
                own["onset_ticks"].astype(np.int64), own["duration_ticks"].astype(np.int64), own["pitch"],
                own["velocity"], channel,
            )  # fmt: skip


def has_gpu(device: str) -> bool:
    """Whether training will run on a CUDA device."""
    return pick_device(device) == "cuda"


def _settings(run: MusicRun) -> dict[str, Any]:
    """What must not change when a run is resumed."""
    # Runs begun before there were arrangements have no such entry, which reads as None.
    is_arranged = True if run.arrange is not None else None
    return {
        "source": str(run.source.resolve()), "parent": run.parent, "seed": run.seed, "arranged": is_arranged,
    }  # fmt: skip
