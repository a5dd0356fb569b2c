"""Choosing among several beginnings of a plan, by how each would fit what the player may play next.

What the player will play is not known, but every beginning that is drawn imagines it. A beginning is judged
against all melodies imagined for this request and the one before, not against its own alone, which it was
drawn to fit: the choice of the greatest expected fit under the model (minimum Bayes risk, Kumar and Byrne
2004). Measures of fit are StreamMUSE's consonance rate and the chord membership of ReaLchords, as in
:func:`models.sequence.harmony.harmony`, but only notes below the melody support it: doubling it would fit
best of all, and a partner that is chosen for that climbs into its register. The model's likelihood, the
density and copied passages count beside them.

Only beginnings are drawn several times, because the next key press renews the plan: half of all plans are
replaced within 7 ticks.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from midi.events import DRUMS, GRID_PER_BEAT, Field, Role, Rows, close_human_notes, decode
from midi.note import NoteArray
from models.sequence.draft import Draft
from models.sequence.harmony import CONSONANT, BoolRoll, notes_of_events, sounding
from models.sequence.memorization import PassageFilter
from models.sequence.plan import PlanRequest

HEAD_TICKS = GRID_PER_BEAT // 2
"""How far a beginning reaches."""

CONSONANCE = 1.0
"""Weight of the share of the melody's time with a consonant partner note."""

CHORD = 0.5
"""Weight of the share of the melody's time on a pitch class of the partner's chord."""

LIKELIHOOD = 0.05
"""Weight of the model's log-likelihood, nats a row; it decides between beginnings that fit alike."""

DENSITY = 0.05
"""Cost of every note by which a beginning has more or fewer than the beginnings have on average."""

COPIED = 0.5
"""Cost of passages of training music, as a share of the passages that end in the beginning."""

SAFETY = 1.5
"""How much longer than the slowest so far the next beginning, and the rest of the plan, may take."""

CPU_SHARE = 0.6
"""Share of one core that all plans may take together for more than one beginning to be drawn."""

BURST_S = 0.25
"""Seconds of computing by which that share may be exceeded for a moment."""

_TAIL_ROWS = 64

_Table = NDArray[np.float32]

_PITCH = np.arange(128)
_BELOW = _PITCH[:, None] < _PITCH
_CONSONANT_BELOW: _Table = (CONSONANT & _BELOW).astype(np.float32)
_OCTAVES_BELOW: _Table = ((_PITCH[:, None] % 12 == _PITCH % 12) & _BELOW).astype(np.float32)


@dataclass(frozen=True)
class Imagined:
    """What the player was imagined to play by the beginnings of one request."""

    number: int
    melodies: tuple[NoteArray, ...]


class Allowance:
    """How much of a core plans have taken of late: a bucket that drains at :data:`CPU_SHARE`.

    Times are seconds of a monotonic clock.
    """

    def __init__(self) -> None:
        self._debt_s = self._at_s = 0.0

    def spend(self, seconds: float, now_s: float) -> None:
        """Account for a plan that took so long."""
        self._debt_s = self._left(now_s) + seconds
        self._at_s = now_s

    def has(self, now_s: float) -> bool:
        """Whether there is something left for more than what must be."""
        return self._left(now_s) < BURST_S

    def _left(self, now_s: float) -> float:
        return max(0.0, self._debt_s - CPU_SHARE * max(0.0, now_s - self._at_s))


class Judge:
    """Hears the beginnings of one request and says which is best.

    Args:
        request: What is asked for.
        context: What was read, ``[rows, fields]``.
        tick: Stream tick of its last row.
        passages: What the training music holds; None where unknown.
        recent: What was imagined for the request before this one; older ones are left out.
    """

    def __init__(
        self, request: PlanRequest, context: Rows, tick: int, passages: PassageFilter | None = None,
        recent: Imagined | None = None,
    ) -> None:  # fmt: skip
        self._request, self._passages = request, passages
        self._is_pitched = any(instrument != DRUMS for instrument in request.steering.instruments)
        self._from = request.from_tick
        self._until = min(self._from + HEAD_TICKS, request.until_tick)
        self._context = context[-_TAIL_ROWS:]
        self._tick = tick - int(self._context[:, Field.DELTA].astype(np.int64).sum())
        self._melodies: list[NoteArray] = []
        self._tunes: list[_Table] = []
        self._fits: list[tuple[_Table, _Table]] = []
        self._costs: list[float] = []
        self._n_notes: list[int] = []
        is_next = recent is not None and recent.number == request.number - 1
        self._recent = recent.melodies if recent is not None and is_next else ()

    def hear(self, draft: Draft) -> None:
        """Take in a beginning."""
        rows = np.concatenate([self._context, draft.drawn()])
        events = close_human_notes(decode(rows, self._request.grid, self._tick))
        melody = notes_of_events(events, Role.HUMAN)
        partner = notes_of_events(events, Role.PARTNER)
        if not self._melodies:
            self._hear_again(melody.take(melody.onset_ticks < self._request.human_from_tick))
        self._melodies.append(melody)
        self._add_tune(melody)
        self._fits.append(_fit(partner, self._from, self._until))
        nats = draft.dice.nats / (len(draft.rows) + 1)
        self._n_notes.append(sum(row[Field.ROLE] == Role.PARTNER for row in draft.rows))
        self._costs.append(COPIED * self._copied(partner) - LIKELIHOOD * nats)

    @property
    def is_settled(self) -> bool:
        """Whether there is nothing to choose by: no melody is expected, or the partner has no pitches."""
        return not self._tunes

    def best(self) -> int:
        """Number of the best beginning, from 0; the first where there is nothing to choose by."""
        if not self._tunes:
            return 0
        return int(np.argmax(self.scores()))

    def scores(self) -> NDArray[np.float64]:
        """Expected fit less costs, ``[beginnings]``."""
        tunes = np.stack(self._tunes)
        n_notes = np.array(self._n_notes)
        found: NDArray[np.float64] = -np.array(self._costs) - DENSITY * np.abs(n_notes - n_notes.mean())
        for weight, column in ((CONSONANCE, 0), (CHORD, 1)):
            tables = np.stack([fit[column] for fit in self._fits])
            found += weight * (tables @ tunes.T).mean(axis=1, dtype=np.float64)
        return found

    def imagined(self) -> Imagined:
        """What to hand to the next request's judge."""
        return Imagined(self._request.number, tuple(self._melodies))

    def _hear_again(self, heard: NoteArray) -> None:
        """Melodies imagined for the request before, as far as they have not become past."""
        for melody in self._recent:
            ahead = melody.take(melody.onset_ticks >= self._request.human_from_tick)
            self._add_tune(NoteArray.concatenate([heard, ahead]))

    def _add_tune(self, melody: NoteArray) -> None:
        roll = sounding(melody, self._from, self._until).astype(np.float32).ravel()
        total = float(roll.sum())
        if total and self._is_pitched:
            self._tunes.append(roll / total)

    def _copied(self, partner: NoteArray) -> float:
        if self._passages is None:
            return 0.0
        n_new = int((partner.onset_ticks >= self._from).sum())
        if n_new == 0:
            return 0.0
        order = np.lexsort((partner.pitch, partner.onset_ticks))
        recent = partner.take(order[-n_new - PassageFilter.LENGTH :])
        return self._passages.copied(recent).ngram_overlap


def _fit(partner: NoteArray, from_tick: int, until_tick: int) -> tuple[_Table, _Table]:
    """For every tick and pitch whether the partner supports it: by consonance, and by its chord.

    Both ``[ticks * 128]``, 0 or 1; a chord is what sounds within a beat.
    """
    first = from_tick // GRID_PER_BEAT * GRID_PER_BEAT
    roll = sounding(partner, first, -(-until_tick // GRID_PER_BEAT) * GRID_PER_BEAT)
    span = slice(from_tick - first, until_tick - first)
    beats: BoolRoll = np.asarray(roll.reshape(-1, GRID_PER_BEAT, 128).any(axis=1))
    chords = beats[np.arange(span.start, span.stop) // GRID_PER_BEAT]
    consonant = roll[span].astype(np.float32) @ _CONSONANT_BELOW > 0
    in_chord = chords.astype(np.float32) @ _OCTAVES_BELOW > 0
    return consonant.astype(np.float32).ravel(), in_chord.astype(np.float32).ravel()
