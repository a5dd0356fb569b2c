"""What a chorale model is told of a token: categories and histograms, from earlier tokens only.

Beside pitches, everything is relative, so that it is the same in every key: intervals from the voice's own
last pitch, lengths, how often each pitch class sounded, and what followed when the piece was last where it
is now. Chorales repeat their phrases, and a lookup knows at once what attention would have to learn.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

import numpy as np
from numpy.typing import NDArray

VOICES = 4
REST = 128
NOTHING = 129
"""Pitch of a voice before the piece begins."""

BAR_STEPS = 16
BEAT_STEPS = 4
MAX_HELD = 32
MAX_BARS = 32
MAX_INTERVAL = 36
UNKNOWN = 2 * MAX_INTERVAL + 1
"""Interval from or to a rest, or before the beginning; others are shifted by ``MAX_INTERVAL``."""
N_INTERVALS = UNKNOWN + 1

LENGTHS = (1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64, 96)
"""Steps from which a match counts as longer."""

FADE = 0.97
"""By which the second histogram forgets with every step."""
N_HISTOGRAMS = 3
PITCH_CLASSES = 12

Piece = NDArray[np.int64]
"""Pitches ``[steps 4]``, soprano to bass; ``REST`` is a rest."""


class Told(IntEnum):
    """Columns of the categories."""

    OWN = 0
    """The voice's last pitch."""
    OTHER_1 = 1
    """Latest pitches of the other voices, upper ones first; of this step where they come before."""
    OTHER_2 = 2
    OTHER_3 = 3
    HELD = 4
    """For how many steps the last pitch has been held."""
    INTERVAL_1 = 5
    """The other voices' pitches from the own last one."""
    INTERVAL_2 = 6
    INTERVAL_3 = 7
    MOVED = 8
    """Which of the voices before it moved in this step, as bits."""
    PLACE = 9
    """In the bar."""
    LEAP_1 = 10
    """From the own note before the last, and from the one before that, to the last."""
    LEAP_2 = 11
    LENGTH_1 = 12
    """Of those notes."""
    LENGTH_2 = 13
    BAR = 14
    MATCH = 15
    """Interval that followed where all four voices were last as they are now."""
    MATCH_TRUST = 16
    """Stands after its guess. How long they had been, and whether the voices before it go on as they did."""
    OWN_MATCH = 17
    """The same of the own voice alone."""
    OWN_MATCH_TRUST = 18


PITCHES = (Told.OWN, Told.OTHER_1, Told.OTHER_2, Told.OTHER_3)
"""Columns that differ between keys."""

SIZES: dict[Told, int] = {
    **dict.fromkeys(PITCHES, NOTHING + 1),
    **dict.fromkeys(
        (Told.INTERVAL_1, Told.INTERVAL_2, Told.INTERVAL_3, Told.LEAP_1, Told.LEAP_2, Told.MATCH,
         Told.OWN_MATCH),
        N_INTERVALS,
    ),
    **dict.fromkeys((Told.HELD, Told.LENGTH_1, Told.LENGTH_2), MAX_HELD + 1),
    Told.MOVED: 1 << (VOICES - 1),
    Told.PLACE: BAR_STEPS,
    Told.BAR: MAX_BARS,
    Told.MATCH_TRUST: 2 * len(LENGTHS) + 1,
    Told.OWN_MATCH_TRUST: len(LENGTHS) + 1,
}  # fmt: skip
"""Values of each column."""


@dataclass(frozen=True, eq=False)
class Inputs:
    """Of a piece, with what comes.

    Attributes:
        categories: ``[steps 4 columns]``, integers from 0; see :class:`Told`.
        histograms: ``[steps 4 36]``: how often each pitch class sounded so far, lately, and in the bass,
            counted from the voice's last pitch; each of length about one.
        targets: ``[steps 4]``, the piece itself.
    """

    categories: NDArray[np.int64]
    histograms: NDArray[np.float32]
    targets: Piece


def inputs_of(piece: Piece) -> Inputs:
    """All of a piece; a token's depend on the tokens before it only."""
    before = np.concatenate([np.full((1, VOICES), NOTHING), piece[:-1]])
    steps = len(piece)
    table = np.zeros((steps, VOICES, len(Told)), dtype=np.int64)
    table[..., Told.OWN] = before
    table[..., Told.PLACE] = (np.arange(steps) % BAR_STEPS)[:, None]
    table[..., Told.BAR] = np.minimum(np.arange(steps) // BAR_STEPS, MAX_BARS - 1)[:, None]
    moved = piece != before
    found, length = _latest_match(piece)
    for voice in range(VOICES):
        own = table[:, voice]
        latest = np.where(np.arange(VOICES) < voice, piece, before)
        for column, other in enumerate(other for other in range(VOICES) if other != voice):
            own[:, Told.OTHER_1 + column] = latest[:, other]
            own[:, Told.INTERVAL_1 + column] = intervals(latest[:, other], before[:, voice])
        own[:, Told.MOVED] = moved[:, :voice] @ (1 << np.arange(voice))
        _tell_notes(own, piece[:, voice])
        goes_on = (piece[found, :voice] == piece[:, :voice]).all(1)
        own_found, own_length = _latest_match(piece[:, voice, None])
        for guess, at, trust in (
            (Told.MATCH, found, 2 * _longer_than(length) - 1 + goes_on),
            (Told.OWN_MATCH, own_found, _longer_than(own_length)),
        ):
            own[:, guess] = np.where(at >= 0, intervals(piece[at, voice], before[:, voice]), UNKNOWN)
            own[:, guess + 1] = np.where(at >= 0, trust, 0)
    return Inputs(table, _histograms(piece, before), piece)


def transposed(inputs: Inputs, semitones: int) -> Inputs:
    """As of the piece in another key; pitches stay from 0 to 127."""
    table = inputs.categories.copy()
    for column in PITCHES:
        table[..., column] = shifted(table[..., column], semitones)
    return Inputs(table, inputs.histograms, shifted(inputs.targets, semitones))


def shifted(pitches: Piece, semitones: int) -> Piece:
    """Pitches in another key; rests and the time before the beginning as they are."""
    return np.where(pitches < REST, np.clip(pitches + semitones, 0, REST - 1), pitches)


def intervals(pitch: Piece, origin: Piece) -> Piece:
    """Semitones from an origin as categories; ``UNKNOWN`` where one of both is no pitch."""
    known = (pitch < REST) & (origin < REST)
    return np.where(known, np.clip(pitch - origin, -MAX_INTERVAL, MAX_INTERVAL) + MAX_INTERVAL, UNKNOWN)


def _tell_notes(own: NDArray[np.int64], line: Piece) -> None:
    """Lengths and leaps of a voice's last notes, by the changes of its pitch."""
    starts = np.flatnonzero(np.concatenate([[True], line[1:] != line[:-1]]))
    lengths = np.minimum(np.diff(starts, append=len(line)), MAX_HELD)
    last = np.searchsorted(starts, np.arange(len(line)), side="left") - 1  # note that holds the step before
    own[:, Told.HELD] = np.where(last >= 0, np.minimum(np.arange(len(line)) - starts[last], MAX_HELD), 0)
    for back, leap, length in ((1, Told.LEAP_1, Told.LENGTH_1), (2, Told.LEAP_2, Told.LENGTH_2)):
        there = last - back >= 0
        note = np.maximum(last - back, 0)
        step = intervals(line[starts[np.maximum(last, 0)]], line[starts[note]])
        own[:, leap] = np.where(there, step, UNKNOWN)
        own[:, length] = np.where(there, lengths[note], 0)


def _latest_match(lines: Piece) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """For every step the latest one, whole beats ago, before which most steps were the same as before it.

    Returns:
        Its number, -1 for none, and how many steps were the same.
    """
    steps = len(lines)
    found, longest = np.full(steps, -1), np.zeros(steps, dtype=np.int64)
    same = np.zeros(steps, dtype=np.int64)  # steps that were the same before this one and each earlier one
    for step in range(1, steps):
        equal = (lines[: step - 1] == lines[step - 1]).all(1)
        same[1:step] = np.where(equal, same[: step - 1] + 1, 0)
        on_beat = same[step % BEAT_STEPS : step : BEAT_STEPS]
        if on_beat.any():
            place = len(on_beat) - 1 - int(on_beat[::-1].argmax())
            found[step] = step % BEAT_STEPS + place * BEAT_STEPS
            longest[step] = on_beat[place]
    return found, longest


def _longer_than(length: NDArray[np.int64]) -> NDArray[np.int64]:
    return np.searchsorted(LENGTHS, length, side="right").astype(np.int64)


def _histograms(piece: Piece, before: Piece) -> NDArray[np.float32]:
    steps = len(piece)
    counts = np.zeros((steps, N_HISTOGRAMS, PITCH_CLASSES))
    for step in range(1, steps):
        now = np.zeros((N_HISTOGRAMS, PITCH_CLASSES))
        sounding = piece[step - 1]
        for pitch in sounding[sounding < REST]:
            now[:2, pitch % PITCH_CLASSES] += 1
        if sounding[-1] < REST:
            now[2, sounding[-1] % PITCH_CLASSES] = 1
        counts[step] = counts[step - 1] * np.array([[1.0], [FADE], [1.0]]) + now
    shares = counts / np.maximum(counts.sum(2, keepdims=True), 1e-6) * PITCH_CLASSES**0.5
    from_own = (before[..., None] + np.arange(PITCH_CLASSES)) % PITCH_CLASSES
    turned = np.take_along_axis(shares[:, None], from_own[:, :, None], axis=3)
    turned = np.where(before[:, :, None, None] < REST, turned, 0.0)
    return turned.reshape(steps, VOICES, -1).astype(np.float32)
