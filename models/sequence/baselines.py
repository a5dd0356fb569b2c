"""Two simple models of event rows, to see what a network's likelihood is worth.

Both are proper: for every row and column the probabilities of all values sum to one, given the rows
before and the columns of the same row before it. Masks that the live player adds are not counted,
neither for them nor for the network.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from midi.events import (
    DURATION_TICKS,
    FIELD_SIZES,
    GRID_PER_BEAT,
    MAX_BAR_TICKS,
    OPEN_DURATION,
    PREDICTED,
    Field,
    Role,
    Rows,
)

N_ROLES = len(Role)

_TICK_SHIFT = 16
"""Bits below the tick in a row's sort key: role, instrument (5) and pitch (8)."""

_EM_STEPS = 40

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


class Unigram:
    """Each column by itself: its frequency in training rows, given the row's role.

    Delta and role have one table; the other columns have one a role. Every value of the vocabulary
    is counted once more than it was seen (Laplace), so nothing is impossible.

    Args:
        windows: Training rows, each ``[rows, fields]`` with START; PAD rows are ignored.
    """

    def __init__(self, windows: Sequence[Rows]) -> None:
        rows = np.concatenate([_real(window)[1:] for window in windows]).astype(np.int64)
        self._log: dict[Field, Floats] = {}
        for column in PREDICTED:
            counts = np.ones((N_ROLES, FIELD_SIZES[column]))
            np.add.at(counts, (_condition(rows, column), rows[:, column]), 1)
            self._log[column] = np.log(counts / counts.sum(axis=1, keepdims=True))

    def nll(self, window: Rows) -> Floats:
        """Nats of each predicted column of every row after START; ``[rows - 1, columns]``."""
        rows = _real(window)[1:].astype(np.int64)
        columns = [-self._log[column][_condition(rows, column), rows[:, column]] for column in PREDICTED]
        return np.stack(columns, axis=1)


class RepeatLastBar:
    """The last bar again, mixed with a unigram: ``weight * [value is the copy] + (1 - weight) * unigram``.

    The copy is the next row, in canonical order, that stood one bar earlier than the place after the
    last row. Once columns of the row are known, it is the next one that agrees with them, so a
    wrong time does not spoil the pitch. Where there is none, the unigram stands alone. One weight
    for each column and role, fitted on training rows by expectation maximization.

    Args:
        windows: Training rows, as for :class:`Unigram`.
    """

    def __init__(self, windows: Sequence[Rows]) -> None:
        self.unigram = Unigram(windows)
        n_columns = len(PREDICTED)
        copies = np.concatenate([_copies(_real(window)) for window in windows])
        rows = np.concatenate([_real(window)[1:] for window in windows]).astype(np.int64)
        chance = np.exp(-np.concatenate([self.unigram.nll(window) for window in windows]))
        self.weights: Floats = np.zeros((n_columns, N_ROLES))
        for index, column in enumerate(PREDICTED):
            condition = _condition(rows, column)
            for role in range(N_ROLES):
                here = (condition == role) & (copies[:, index] >= 0)
                is_hit = copies[here, index] == rows[here, column]
                self.weights[index, role] = _fit_weight(is_hit, chance[here, index])

    def nll(self, window: Rows) -> Floats:
        """Nats of each predicted column of every row after START; ``[rows - 1, columns]``."""
        real = _real(window)
        rows, copies = real[1:].astype(np.int64), _copies(real)
        chance = np.exp(-self.unigram.nll(window))
        for index, column in enumerate(PREDICTED):
            weight = np.where(copies[:, index] >= 0, self.weights[index, _condition(rows, column)], 0.0)
            chance[:, index] = (
                weight * (copies[:, index] == rows[:, column]) + (1 - weight) * chance[:, index]
            )
        return np.asarray(-np.log(chance))


def baseline_figures(model: Unigram | RepeatLastBar, windows: Sequence[Rows]) -> dict[str, float]:
    """Nats a note over windows, summed as in :func:`models.sequence.task.nll_figures`.

    ``partner`` holds all columns of partner notes and of bar lines, ``human`` those of human notes
    and releases, each divided by its notes; ``partner_<column>`` one column of partner notes.
    """
    sums = {"partner": 0.0, "human": 0.0} | {f"partner_{column.name.lower()}": 0.0 for column in PREDICTED}
    counts = {"partner": 0, "human": 0}
    for window in windows:
        role = _real(window)[1:, Field.ROLE]
        nll = model.nll(window) * _is_predicted(role)
        is_partner, is_human = role == Role.PARTNER, (role == Role.HUMAN) | (role == Role.RELEASE)
        counts["partner"] += int(is_partner.sum())
        counts["human"] += int((role == Role.HUMAN).sum())
        sums["partner"] += float(nll[is_partner | (role == Role.BAR)].sum())
        sums["human"] += float(nll[is_human].sum())
        for index, column in enumerate(PREDICTED):
            sums[f"partner_{column.name.lower()}"] += float(nll[is_partner, index].sum())
    return {name: value / max(counts[name.split("_")[0]], 1) for name, value in sums.items()}


def _real(window: Rows) -> Rows:
    return window[window[:, Field.ROLE] > Role.PAD]


def _condition(rows: Ints, column: Field) -> Ints:
    """Which table a row uses: its role, once the role is known."""
    is_known = column not in {Field.DELTA, Field.ROLE}
    return rows[:, Field.ROLE] if is_known else np.zeros(len(rows), dtype=np.int64)


def _is_predicted(role: NDArray[np.int16]) -> NDArray[np.bool_]:
    """Columns that carry information for a role; ``[rows, columns]``, as in the training task."""
    is_note = (role == Role.HUMAN) | (role == Role.PARTNER)
    is_pitched = is_note | (role == Role.RELEASE)
    always = np.ones(len(role), dtype=bool)
    return np.stack([always, always, is_pitched, is_pitched, role == Role.PARTNER, is_note], axis=1)


def _fit_weight(is_hit: NDArray[np.bool_], chance: Floats) -> float:
    """Mixture weight of the copy that makes training rows likeliest (EM); 0 without rows."""
    if len(is_hit) == 0:
        return 0.0
    weight = 0.5
    for _ in range(_EM_STEPS):
        copied = weight * is_hit
        weight = float((copied / (copied + (1 - weight) * chance)).mean())
    # Never certain: a held-out row may differ where no training row did.
    return min(weight, 1 - 1 / (len(is_hit) + 2))


def _copies(rows: Rows) -> Ints:
    """Value that the copy proposes for each column of rows after START, or -1; ``[rows - 1, columns]``."""
    table = rows.astype(np.int64)
    role, instrument, pitch = (table[:, field] for field in (Field.ROLE, Field.INSTRUMENT, Field.PITCH))
    tick = np.cumsum(table[:, Field.DELTA]) - table[0, Field.DELTA]
    key = (tick << _TICK_SHIFT) + (role << 13) + (instrument << 8) + pitch
    period = _bar_ticks(table)[:-1]
    since, here = tick[:-1] - period, tick[1:] - period
    after_last = key[:-1] - (period << _TICK_SHIFT) + 1
    wanted = key[1:] - (period << _TICK_SHIFT)
    row_number = np.arange(1, len(table))
    copies = np.full((len(table) - 1, len(PREDICTED)), -1, dtype=np.int64)
    # Bits of the key that are known before each column is drawn: none, tick, + role, + instrument, all.
    for index, known_bits in enumerate((None, 16, 13, 8, 0, 0)):
        prefix = wanted if known_bits is None else wanted >> known_bits << known_bits
        bound = after_last if known_bits is None else np.maximum(after_last, prefix)
        place = np.searchsorted(key, bound)
        is_there = (since >= 0) & (place < row_number)
        place = np.minimum(place, len(key) - 1)
        if known_bits is not None:
            is_there &= key[place] >> known_bits == prefix >> known_bits
        value = table[place, PREDICTED[index]]
        if known_bits is None:
            value = np.minimum(tick[place] - since, MAX_BAR_TICKS)
        copies[:, index] = np.where(is_there & (here < tick[1:]), value, -1)
    return copies


def _bar_ticks(table: Ints) -> Ints:
    """Length of the bar in force at each row, from the bar lines' durations; 4/4 before the first."""
    is_bar = table[:, Field.ROLE] == Role.BAR
    length = DURATION_TICKS[np.minimum(table[:, Field.DURATION], OPEN_DURATION - 1)]
    last = np.maximum.accumulate(np.where(is_bar, np.arange(len(table)), -1))
    return np.where(last >= 0, length[np.maximum(last, 0)], 4 * GRID_PER_BEAT)
