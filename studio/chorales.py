"""``antiphon eval chorales``, and the training of the chorale model that it loads."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from models.bundle import Bundle, read_bundle, write_bundle
from models.device import pick_device
from models.registry import find
from models.sequence.chorale import (
    ARCHITECTURE,
    N_OUT,
    ChoraleConfig,
    ChoraleModel,
    ChoraleTask,
    nll_per_note,
    read_pieces,
)
from models.sequence.choraleinputs import BAR_STEPS, NOTHING, REST, VOICES, Piece, inputs_of
from models.sequence.choralepupil import LessonConfig, Lessons, PupilTask, write_lessons
from models.sequence.network import TrunkConfig
from models.training.checkpoint import read_weights
from models.training.contract import FitResult, LoopConfig, Progress
from models.training.loop import fit
from studio.terminal import Progress as Advance

N_TEACHERS = 6
TEACHERS_SHARE = 2 / 3
"""Of the minutes; a teacher that gets no better any more ends earlier."""
LESSONS = "lessons"
PUPIL = ChoraleConfig(TrunkConfig(128, 3, 4, 1024, 0.1), omit=0.05, omit_pitches=0.1)


def eval_chorales(
    file: Path,
    *,
    split: str = "valid",
    model: str = "chorales",
    device: str = "auto",
    progress: Advance | None = None,
) -> dict[str, Any]:
    """Nats a note of a chorale model on one split of a file.

    The mean over all tokens (four voices a 16th step, held notes repeated) of -ln p(token | earlier
    tokens), in the original keys.

    Args:
        file: JSON of splits of pieces.
        split: Which split.
        model: Bundle name or folder.
        device: Where the model runs.
        progress: Told how far it is.

    Returns:
        ``nll_nats_per_note notes pieces split model``.

    Raises:
        UserError: The file, the split or the bundle cannot be used.
    """
    where = pick_device(device)
    pieces = read_pieces(file, split)
    bundle = read_bundle(find(model))
    network = load_chorale_model(bundle).to(where)
    # Windows this small gain nothing by threads, and on a busy machine threads wait for each other: eleven
    # seconds with one became 279 with two.
    torch.set_num_threads(1)
    tell = progress or (lambda _what, _done, _total: None)
    inputs = [inputs_of(piece) for piece in pieces]
    window = network.config.trunk.context
    nll, notes = nll_per_note(network, inputs, window, lambda i, n: tell("Pieces", i, n))
    return {
        "nll_nats_per_note": nll,
        "notes": notes,
        "pieces": len(pieces),
        "split": split,
        "model": f"{bundle.manifest.name}@{bundle.manifest.version}",
    }


def load_chorale_model(bundle: Bundle) -> ChoraleModel:
    """The network of a chorale bundle, in evaluation mode.

    Raises:
        UserError: The bundle holds something else.
    """
    bundle.require_architecture(ARCHITECTURE)
    with bundle.filling():
        network = ChoraleModel(ChoraleConfig.from_dict(bundle.manifest.config))
        network.load_state_dict(bundle.tensors())
    return network.eval()


def train_chorales(
    file: Path,
    run_dir: Path,
    *,
    minutes: float,
    device: str = "auto",
    config: ChoraleConfig | None = None,
    pupil: ChoraleConfig = PUPIL,
    lessons: LessonConfig | None = None,
    report: Callable[[Progress], None],
    advance: Advance | None = None,
) -> tuple[ChoraleModel, ChoraleConfig, dict[str, Any]] | None:
    """Train teachers on the file's ``train`` split and a pupil on their mean; None when interrupted.

    Of each the weights that are best on ``valid`` are kept. Running it again on the same folder goes on with
    the run.

    Args:
        file: JSON of splits of pieces.
        run_dir: Folder of all runs and of the pupil's lessons.
        minutes: Of training in all; making the lessons comes on top.
        device: Where to train.
        config: Of the teachers.
        pupil: Of the pupil.
        lessons: How its lessons are made.
        report: Told how far the trainings are.
        advance: Told how far the lessons are, minutes in which nothing is trained.

    Returns:
        The pupil, its configuration, and its figures.
    """
    train, valid = read_pieces(file, "train"), read_pieces(file, "valid")
    learned, unseen = ([inputs_of(piece) for piece in pieces] for pieces in (train, valid))
    share = TEACHERS_SHARE / N_TEACHERS
    teachers, runs = [], []
    for seed in range(N_TEACHERS):
        model = new_network(replace(config or ChoraleConfig(), seed=seed))
        task = ChoraleTask(model.config, model, learned, unseen)
        loop = loop_config(run_dir / f"teacher-{seed}", minutes * share, device)
        runs.append(fit(task, loop, resume=True, report=_part_of(report, seed * share, share)))
        if runs[-1].interrupted:
            return None
        teachers.append(at_its_best(model, runs[-1]))
    if not (run_dir / LESSONS).exists():
        tell = advance or (lambda _what, _done, _total: None)
        made = lessons or LessonConfig()
        write_lessons(run_dir / LESSONS, teachers, train, made, lambda i, n: tell("Lessons", i, n))
    model = new_network(pupil)
    lesson = PupilTask(pupil, model, Lessons(run_dir / LESSONS), unseen)
    loop = pupil_loop_config(run_dir / "pupil", minutes * (1 - TEACHERS_SHARE), device)
    runs.append(fit(lesson, loop, resume=True, report=_part_of(report, TEACHERS_SHARE, 1 - TEACHERS_SHARE)))
    if runs[-1].interrupted:
        return None
    at_its_best(model, runs[-1]).cpu()
    nll, notes = nll_per_note(model, unseen, pupil.trunk.context)
    figures = {
        "nll_nats_per_note": nll,
        "notes": notes,
        "split": "valid",
        "steps": runs[-1].step,
        "minutes": round(sum(run.elapsed_s for run in runs) / 60, 1),
        "teachers_nll": [run.best_metric for run in runs[:-1]],
        "copy_bigram_nll": copy_bigram_nll(train, valid),
    }
    return model, pupil, figures


def new_network(config: ChoraleConfig) -> ChoraleModel:
    """With weights drawn by its seed."""
    torch.manual_seed(config.seed)
    return ChoraleModel(config)


def at_its_best(model: ChoraleModel, fitted: FitResult) -> ChoraleModel:
    """The network with the weights that its run kept, in evaluation mode."""
    if fitted.best_weights is not None:
        model.load_state_dict(read_weights(fitted.best_weights)["model"])
    return model.eval()


def _part_of(report: Callable[[Progress], None], start: float, share: float) -> Callable[[Progress], None]:
    """Tell of a run as of a part of the whole."""
    return lambda progress: report(replace(progress, fraction=start + share * progress.fraction))


def loop_config(run_dir: Path, minutes: float, device: str) -> LoopConfig:
    """How a teacher is trained: the average of great steps overfits far later than small steps do."""
    return LoopConfig(
        run_dir, max_minutes=minutes, learning_rate=6e-3, weight_decay=0.5, betas=(0.9, 0.98),
        warmup_steps=50, ema_half_life_steps=200, eval_every_steps=60, patience_evals=6,
        checkpoint_every_s=120, device=device,
    )  # fmt: skip


def pupil_loop_config(run_dir: Path, minutes: float, device: str) -> LoopConfig:
    """How a pupil is trained: what it learns from hardly wears out, so it needs little regularization."""
    return LoopConfig(
        run_dir, max_minutes=minutes, learning_rate=3e-3, final_fraction=0.02, betas=(0.9, 0.98),
        warmup_steps=50, ema_half_life_steps=300, eval_every_steps=300, checkpoint_every_s=120,
        device=device,
    )  # fmt: skip


def write_chorale_bundle(
    folder: Path, model: ChoraleModel, config: ChoraleConfig, figures: dict[str, Any]
) -> Bundle:
    """The bundle with its generated card."""
    fields = {
        "name": "chorales",
        "version": folder.name,
        "kinds": {"in": "notes", "out": "notes"},
        "architecture": ARCHITECTURE,
        "config": asdict(config),
        "data": [
            {
                "name": "JSB chorales, 16th grid, separated voices",
                "licence": "music in the public domain, no licence stated for the encoding",
                "source": "Boulanger-Lewandowski et al. 2012; Huang et al. 2017",
            }
        ],
        "licence": "Apache-2.0",
        "metrics": figures,
    }
    parameters = sum(p.numel() for p in model.parameters())
    teachers = figures["teachers_nll"]
    card = "\n".join(
        [
            "# chorales",
            "",
            "Four-part chorales, one 16th after the other: a yardstick and a duet partner for later.",
            "Generated from measurements; do not edit.",
            "",
            f"- {parameters / 1e6:.2f} million parameters, {figures['minutes']} minutes with its teachers",
            f"- taught the mean of {len(teachers)} networks of its kind ({min(teachers):.4f} to "
            f"{max(teachers):.4f} nats each) on altered pieces, in {figures['steps']} steps",
            f"- {figures['nll_nats_per_note']:.4f} nats a note on `{figures['split']}` "
            f"({figures['notes']:,} notes: soprano to bass each 16th, held notes repeated, keys kept)",
            f"- a count of who moves when and from where to where: {figures['copy_bigram_nll']:.4f}",
            "",
            "Data: the train split of the JSB chorales (229 pieces), transposed by up to six semitones, for",
            "the pupil also spliced and with wrong notes.",
            "`valid` (76 pieces) chose the weights, so its figure is slightly flattering. Limits: four",
            "voices, 16th grid, no fermatas, and no difference between a held and a repeated note.",
            "",
            "Licence of the weights: Apache-2.0.",
            "",
        ]
    )
    return write_bundle(folder, fields, model.state_dict(), card, is_half=True)


def copy_bigram_nll(train: list[Piece], valid: list[Piece]) -> float:
    """A floor that needs no network, counted on ``train``.

    Whether a voice moves follows from its place in the bar and how many voices moved before it in the same
    step; where to, from its pitch.
    """
    gates = np.full((VOICES, BAR_STEPS, VOICES, 2), 0.5)
    leaps = np.full((VOICES, NOTHING + 1, N_OUT), 0.05)
    for piece in train:
        for index, pitch, before, moves in _moves(piece):
            gates[(*index, int(moves))] += 1
            leaps[index[0], before, pitch] += moves
    total, notes = 0.0, 0
    gates /= gates.sum(-1, keepdims=True)
    for piece in valid:
        for index, pitch, before, moves in _moves(piece):
            share = gates[(*index, int(moves))]
            if moves:
                shares = leaps[index[0], before]
                # It moves: to anything but where it is.
                share *= shares[pitch] / (shares.sum() - (shares[before] if before <= REST else 0))
            total -= float(np.log(share))
            notes += 1
    return total / notes


def _moves(piece: Piece) -> Iterator[tuple[tuple[int, int, int], int, int, bool]]:
    """Of every token: voice, place and number of moves before it; pitch; last pitch; whether it moves."""
    before = np.concatenate([np.full((1, VOICES), NOTHING), piece[:-1]])
    for step in range(len(piece)):
        moved = 0
        for voice in range(VOICES):
            pitch, last = int(piece[step, voice]), int(before[step, voice])
            yield (voice, step % BAR_STEPS, moved), pitch, last, pitch != last
            moved += pitch != last
