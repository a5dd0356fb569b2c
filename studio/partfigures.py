"""``antiphon eval music --parts``: every part of a band by itself, beside the rules and the true part.

A part is measured as an accompaniment of its own: all figures are those of :mod:`studio.listening`, with the
song's true part in the place of the true accompaniment. Drums have none of pitch, but hits.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from midi.events import DRUMS, INSTRUMENT_NAMES
from midi.note import NoteArray
from models.sequence.parts import listed, part_names
from studio import listening
from studio.listening import CLOSENESS, FIGURES, Excerpt, Figures
from studio.rehearsal import Performance
from studio.streammuse import cell
from studio.terminal import table

KITS = {"kicks": (35, 36), "snares": (37, 38, 40), "hats": (42, 44, 46)}
"""General MIDI keys of what drums are counted by; snares with the side stick, hats with the pedal."""

HITS = tuple(f"{name}_per_bar" for name in KITS)

PITCHED = ("density", "consonance_rate", "note_in_chord", "chord_tone_rate", "register", "onset_jsd")
DRUMMED = ("density", *HITS, "onset_jsd")
"""Columns for people; ``density`` is notes a beat."""

TITLES = {"density": "notes a beat", "chord_tone_rate": "chord tones"}

KINDS = ("partner", "rules")


def parts_report(
    songs: Sequence[Excerpt], played: Mapping[str, Sequence[Performance]], seed: int
) -> dict[str, Any]:
    """Figures of every part in every row.

    Args:
        songs: Excerpts with the true parts.
        played: Performances of ``partner`` and ``rules``: of every song, then perhaps of every song again;
            those of one song are averaged.
        seed: Of the bootstrap.

    Returns:
        By name of the part: ``songs`` that have it, and ``rows`` (``partner rules truth``), each figure with
        its mean and 95 % interval over all songs; closeness, and the truth, over the songs that have it.
    """
    names = part_names({part for song in songs for part in song.instruments})
    return {name: _part_report(songs, played, INSTRUMENT_NAMES.index(name), seed) for name in names}


def _part_report(
    songs: Sequence[Excerpt], played: Mapping[str, Sequence[Performance]], part: int, seed: int
) -> dict[str, Any]:
    truths = [_alone(song, part) for song in songs]

    def figures_of(truth: Excerpt, done: Performance) -> Figures:
        return part_figures(truth, done.of_part(part), part)

    rows = {kind: listening.each_song(truths, several, figures_of) for kind, several in played.items()}
    rows["truth"] = [
        part_figures(truth, truth.accompaniment, part) for truth in truths if len(truth.accompaniment)
    ]
    names = FIGURES if part != DRUMS else (*(name for name in FIGURES if name in DRUMMED), *HITS)
    return {"songs": len(rows["truth"]), "rows": listening.summary(rows, seed, names)}


def _alone(song: Excerpt, part: int) -> Excerpt:
    """The song with one part for its accompaniment."""
    nothing = song.accompaniment.take(np.zeros(len(song.accompaniment), dtype=bool))
    return replace(song, accompaniment=song.by_part.get(part, nothing), instruments=(part,))


def part_figures(song: Excerpt, notes: NoteArray, part: int) -> Figures:
    """Figures of a part that was played to a song with the true part for its accompaniment.

    What would compare it with a true part that the song does not have is NaN.
    """
    found = listening.figures(song, notes)
    if len(song.accompaniment) == 0:
        found |= dict.fromkeys(CLOSENESS, float("nan"))
    if part == DRUMS:
        hits = {name: float(np.isin(notes.pitch, keys).sum()) / song.bars for name, keys in KITS.items()}
        found |= {f"{name}_per_bar": count for name, count in hits.items()}
    return found


def report_lines(data: Mapping[str, Any]) -> list[str]:
    """A table for each part; pitched parts share one."""
    reports = data["parts"]
    times = f", {data['repeats']} times" if data["repeats"] > 1 else ""
    lines = [
        f"{data['model']}, {data['split']} split, {data['songs']} songs of {data['bars']} bars{times}; every "
        f"plan charged {data['plan_latency_ms']:g} ms"
    ]
    drums = INSTRUMENT_NAMES[DRUMS]
    for columns, names in ((PITCHED, [n for n in reports if n != drums]), (DRUMMED, [drums])):
        body = [
            [f"{name}, {row}", *(cell(figures[column]) for column in columns)]
            for name in names
            if name in reports
            for row, figures in reports[name]["rows"].items()
        ]
        head = ["part", *(TITLES.get(column, column.replace("_", " ")) for column in columns)]
        lines += ["", *table(head, body)] if body else []
    missing = [name for name, report in reports.items() if report["songs"] == 0]
    if missing:
        lines += ["", f"No song has {listed(missing)} of its own to compare with; --grooves FOLDER arranges "
                      "POP909's songs for a band."]  # fmt: skip
    return lines
