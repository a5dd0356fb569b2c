"""Tiny networks, random rows and synthetic songs for the tests of the sequence models."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

import midi
from midi.clock import TempoMap
from midi.events import FIELD_SIZES, PREDICTED, Field, Role, Rows
from midi.note import DRUM_CHANNEL, Note, NoteArray, Part, Score, TimeSignature
from models.sequence.network import EventModel, EventModelConfig, TrunkConfig

TINY = EventModelConfig(TrunkConfig(width=16, layers=2, heads=2, context=64, dropout=0.0), head_width=16)


def tiny_model(seed: int = 0, config: EventModelConfig = TINY, scale: float = 1.0) -> EventModel:
    """A random network; ``scale`` above 1 makes its opinions stronger than fresh weights have them."""
    torch.manual_seed(seed)
    model = EventModel(config)
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.ndim > 1:
                parameter.mul_(scale)
    return model.eval()


def random_rows(rng: np.random.Generator, n: int) -> Rows:
    """Rows of any legal values; their music makes no sense."""
    rows = np.stack([rng.integers(0, size, n) for size in FIELD_SIZES], axis=1).astype(np.int16)
    rows[:, Field.ROLE] = rng.integers(Role.BAR, Role.PARTNER + 1, n)
    return rows


def zero_heads(model: EventModel) -> None:
    """Make a model say what its output biases say, whatever it reads."""
    with torch.no_grad():
        for head in PREDICTED:
            model.head_out[head].weight.zero_()
            model.head_out[head].bias.zero_()


def song(seed: int, bars: int = 16, *, numerator: int = 4, melody: str = "MELODY") -> Score:
    """A melody in quarters over block chords in halves, a bass, in a key of the seed's choice."""
    rng = np.random.default_rng(seed)
    tonic, beat = 60 + int(rng.integers(-5, 6)), 480
    lead, chords, bass = [], [], []
    for bar in range(bars):
        root = tonic + (0, -3, 5, 7)[bar % 4]
        at = bar * numerator * beat
        lead += [
            Note(at + i * beat, beat - 20, root + 12 + int(rng.choice([0, 4, 7])), 90)
            for i in range(numerator)
        ]
        chords += [Note(at, beat, root + step, 70) for step in (0, 4, 7)]
        bass.append(Note(at, numerator * beat, root - 24, 80))
    parts = (
        Part(melody, NoteArray.from_notes(lead), 0),
        Part("PIANO", NoteArray.from_notes(chords), 0),
        Part("BASS", NoteArray.from_notes(bass), 33),
    )
    return Score(parts, TempoMap(beat), (TimeSignature(0, numerator, 4),))


def write_songs(folder: Path, count: int, **settings: object) -> Path:
    """A folder of ``count`` different songs."""
    folder.mkdir(parents=True, exist_ok=True)
    for seed in range(count):
        midi.write(folder / f"song{seed}.mid", song(seed, **settings))
    return folder


def groove_set(folder: Path, splits: tuple[str, ...] = ("train", "validation", "test")) -> Path:
    """A folder like the Groove set: beats of four bars at several tempi, and some that nobody should play."""
    folder.mkdir(parents=True, exist_ok=True)
    rows = ["style,bpm,beat_type,time_signature,midi_filename,duration,split"]
    kinds = [
        *(("rock", bpm, "beat", "4-4", "beat", 12.0) for bpm in (60, 96, 104, 160)),
        ("rock", 100, "fill", "4-4", "fill", 12.0), ("rock", 100, "beat", "3-4", "waltz", 12.0),
        ("jazz/swing", 100, "beat", "4-4", "jazz", 12.0), ("rock", 100, "beat", "4-4", "short", 2.0),
    ]  # fmt: skip
    for split in splits:
        for style, bpm, beat_type, metre, word, seconds in kinds:
            name = f"{word}{bpm}_{split}.mid"
            rows.append(f"{style},{bpm},{beat_type},{metre},{name},{seconds},{split}")
            midi.write(folder / name, _beat(bpm))
    (folder / "info.csv").write_text("\n".join(rows) + "\n", encoding="utf-8")
    return folder


def _beat(bpm: int) -> Score:
    """Four bars: kick on one and three, snare on two and four, the kit's own closed hi-hat in eighths."""
    hits = []
    for beat in range(16):
        is_back = beat % 2
        hits.append(Note(beat * 480, 40, 38 if is_back else 36, 90 + beat // 8, DRUM_CHANNEL))
        hits += [Note(beat * 480 + half, 40, 22, 60, DRUM_CHANNEL) for half in (0, 240)]
        hits += [Note(beat * 480, 40, 44, 60, DRUM_CHANNEL), Note(beat * 480 + 120, 40, 38, 9, DRUM_CHANNEL)]
    part = Part("kit", NoteArray.from_notes(hits), 0, is_drum=True)
    return Score((part,), TempoMap(480, ((0, float(bpm)),)))
