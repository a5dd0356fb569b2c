"""How much of what was played stands in the training files, beside the same of true music held out."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from midi.note import NoteArray
from models.sequence.harmony import pitched
from models.sequence.memorization import PassageIndex
from models.sequence.metrics import bootstrap_mean
from studio.listening import interval_json

NGRAM = 8
"""Tokens of the passages whose share is told: nine notes."""

_GAP_TICKS = 1 << 20


@dataclass(frozen=True)
class Passage:
    """The longest passage of a performance that stands in the training files, in any key.

    Attributes:
        notes: Its notes; 0 when not even two in a row do.
        bars: How long it lasts, onset of the first to end of the last note; 0 without one.
        ngram_overlap: Share (0-1) of all passages of nine notes that stand there.
    """

    notes: int
    bars: float
    ngram_overlap: float


def longest_passages(
    index: PassageIndex, performances: Sequence[NoteArray], bar_ticks: Sequence[int]
) -> list[Passage]:
    """The longest copied passage of each performance.

    All are searched together, since one look into the index costs as much for many as for one.

    Args:
        index: The training files, part by part.
        performances: Grid notes.
        bar_ticks: Length of a bar of each.
    """
    search = _Search(index, [_in_order(notes) for notes in performances])
    return [search.passage(i, ticks) for i, ticks in enumerate(bar_ticks)]


def _in_order(notes: NoteArray) -> NoteArray:
    """Notes without drums in the order in which passages are counted."""
    kept = pitched(notes)
    return kept.take(np.lexsort((kept.pitch, kept.onset_ticks)))


class _Search:
    """Looks up all performances at once, laid end to end; remembers every length it looked for."""

    def __init__(self, index: PassageIndex, performances: Sequence[NoteArray]) -> None:
        self._index = index
        self._performances = performances
        self._starts = np.concatenate([[0], np.cumsum([len(notes) for notes in performances])])
        moved, at = [], 0
        for notes in performances:
            moved.append(notes.with_ticks(notes.onset_ticks + at, notes.duration_ticks))
            at += notes.end_ticks() + _GAP_TICKS
        self._all = NoteArray.concatenate(moved)
        self._known: dict[int, NDArray[np.bool_]] = {}

    def hits(self, i: int, n: int) -> NDArray[np.bool_]:
        """Which passages of ``n`` tokens of one performance are known, by start; none cross its end."""
        if n not in self._known:
            self._known[n] = self._index.found(self._all, n)
        count = max(len(self._performances[i]) - n, 0)
        start = int(self._starts[i])
        return self._known[n][start : start + count]

    def passage(self, i: int, bar_ticks: int) -> Passage:
        """The longest copied passage of a performance: double until none is known, then halve the rest."""
        low, high = 0, 1
        while self.hits(i, high).any():
            low, high = high, high * 2
        while low + 1 < high:
            middle = (low + high) // 2
            low, high = (middle, high) if self.hits(i, middle).any() else (low, middle)
        shares = self.hits(i, NGRAM)
        overlap = float(shares.mean()) if len(shares) else 0.0
        if low == 0:
            return Passage(0, 0.0, overlap)
        notes = self._performances[i]
        spans = [self._span(notes, int(start), low) for start in np.flatnonzero(self.hits(i, low))]
        return Passage(low + 1, round(max(spans) / bar_ticks, 3), overlap)

    @staticmethod
    def _span(notes: NoteArray, start: int, n: int) -> int:
        inside = slice(start, start + n + 1)
        ends = notes.onset_ticks[inside] + notes.duration_ticks[inside]
        return int(ends.max() - notes.onset_ticks[start])


def copying_report(
    training: Iterable[NoteArray],
    rows: Mapping[str, Sequence[NoteArray]],
    bar_ticks: Sequence[int],
    seed: int,
) -> dict[str, Any]:
    """Longest passage and n-gram overlap with the training files, row by row.

    Passages agree in pitch intervals, onsets and lengths; ``loose`` leaves the lengths out, so that nothing
    hides behind a note held shorter.

    Args:
        training: Grid notes of each part of each training file.
        rows: What was played in each song; ``truth`` is the reference: how much held-out music by people
            shares with the training files.
        bar_ticks: Length of a bar of each song.
        seed: Of the bootstrap.

    Returns:
        ``rows`` with ``longest_notes`` and ``longest_bars`` (of the song with the longest passage),
        ``mean_longest_notes`` and ``ngram_overlap`` (means over songs with 95 % intervals) and the same
        under ``loose``; and ``ngram_notes``.
    """
    files = list(training)
    exact = _by_row(PassageIndex(files), rows, bar_ticks, seed)
    loose = _by_row(PassageIndex(files, with_lengths=False), rows, bar_ticks, seed)
    return {
        "rows": {row: {**exact[row], "loose": loose[row]} for row in rows},
        "ngram_notes": NGRAM + 1,
    }  # fmt: skip


def _by_row(
    index: PassageIndex, rows: Mapping[str, Sequence[NoteArray]], bar_ticks: Sequence[int], seed: int
) -> dict[str, dict[str, Any]]:
    flat = [notes for played in rows.values() for notes in played]
    passages = longest_passages(index, flat, list(bar_ticks) * len(rows))
    found = {}
    for number, row in enumerate(rows):
        mine = passages[number * len(bar_ticks) : (number + 1) * len(bar_ticks)]
        worst = max(mine, key=lambda passage: passage.notes)
        found[row] = {
            "longest_notes": worst.notes,
            "longest_bars": worst.bars,
            "mean_longest_notes": interval_json(bootstrap_mean([p.notes for p in mine], seed=seed)),
            "ngram_overlap": interval_json(bootstrap_mean([p.ngram_overlap for p in mine], seed=seed)),
        }
    return found
