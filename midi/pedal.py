"""The sustain pedal, as longer notes."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from midi.note import Control, NoteArray, Score

SUSTAIN = 64
"""Controller number of the sustain pedal; down from value 64 on (MIDI 1.0)."""


def apply_pedal(score: Score) -> Score:
    """Lengthen notes that the sustain pedal holds.

    A note released while the pedal of its channel is down lasts until the pedal comes up or the same key
    is struck again on that channel, whichever is first (Hawthorne et al. 2018, "Onsets and Frames", §3). A
    pedal that never comes up holds to the end of the score. Controllers stay in place; drums are left alone.
    """
    end = max((part.notes.end_ticks() for part in score.parts), default=0)
    controls = [control for part in score.parts for control in part.controls if control.number == SUSTAIN]
    everything = NoteArray.concatenate([part.notes for part in score.parts])
    parts = []
    for part in score.parts:
        ends = part.notes.onset_ticks + part.notes.duration_ticks
        for channel in np.unique(part.notes.channel).tolist() if not part.is_drum else []:
            here = part.notes.channel == channel
            spans = _pedal_spans([control for control in controls if control.channel == channel], end)
            held = _held_ends(part.notes.take(here), spans)
            struck = _next_strikes(part.notes.take(here), everything.take(everything.channel == channel))
            ends[here] = np.maximum(ends[here], np.minimum(held, struck))
        durations = ends - part.notes.onset_ticks
        parts.append(replace(part, notes=part.notes.with_ticks(part.notes.onset_ticks, durations)))
    return replace(score, parts=tuple(parts))


def _pedal_spans(controls: Iterable[Control], end: int) -> NDArray[np.int64]:
    """Rows ``(down tick, up tick)`` of one channel, ascending and apart."""
    spans: list[tuple[int, int]] = []
    down: int | None = None
    for control in sorted(controls, key=lambda control: control.ticks):
        if control.value >= 64:
            down = control.ticks if down is None else down
        elif down is not None:
            spans.append((down, control.ticks))
            down = None
    if down is not None:
        spans.append((down, max(end, down)))
    return np.array(spans, dtype=np.int64).reshape(-1, 2)


def _held_ends(notes: NoteArray, spans: NDArray[np.int64]) -> NDArray[np.int64]:
    """End of each note if it had its string to itself: its own, or that of the span it ends in."""
    ends = notes.onset_ticks + notes.duration_ticks
    if not len(spans):
        return ends
    i = np.searchsorted(spans[:, 0], ends, side="right") - 1
    inside = (i >= 0) & (ends < spans[i, 1])
    return np.where(inside, spans[i, 1], ends)


def _next_strikes(notes: NoteArray, everything: NoteArray) -> NDArray[np.int64]:
    """Onset of the next note of the same pitch after each note's own onset; far away if none."""
    far = np.iinfo(np.int64).max
    result = np.full(len(notes), far)
    for pitch in np.unique(notes.pitch).tolist():
        onsets = np.append(np.unique(everything.onset_ticks[everything.pitch == pitch]), far)
        here = notes.pitch == pitch
        result[here] = onsets[np.searchsorted(onsets, notes.onset_ticks[here], side="right")]
    return result
