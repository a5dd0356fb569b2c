"""StreamMUSE's table on our own held-out songs: their definitions, their figures beside ours.

Definitions are those of the evaluator they published (StreamMUSE/eval, ``evaluate_accompaniment_metrics.py``
and ``compute_final_system_metric.py``, with its defaults), figures those of their table III. They differ
from :mod:`models.sequence.harmony` and :mod:`models.sequence.metrics` in what a note counts, so both are
reported: theirs to compare with theirs, ours because nothing in it is generous.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from textwrap import fill
from typing import Any

import numpy as np
from numpy.typing import NDArray

from midi.note import NoteArray
from midi.theory import CONSONANT_INTERVALS
from models.sequence.harmony import clip, harmony, pitched
from models.sequence.metrics import bootstrap_mean, jensen_shannon
from studio.listening import Excerpt, interval_json
from studio.terminal import table

ONSET_BINS = 64
"""Equal bins of the onset histogram over a whole piece."""

NATS_A_BIT = float(np.log(2.0))

COLUMNS = ("cr", "ur", "pitch_jsd", "onset_jsd")
"""Figures of one accompaniment by StreamMUSE's definitions."""

STRICT = ("cr_time", "ur_time")
"""CR and UR by sounding time, as ``antiphon eval music`` has them elsewhere."""

PAPER: dict[str, dict[str, float | None]] = {
    "offline": {"cr": 0.826, "ur": 0.051, "pitch_jsd": 0.196, "onset_jsd": 0.111, "isr_w": None},
    "live": {"cr": 0.821, "ur": 0.042, "pitch_jsd": 0.294, "onset_jsd": 0.168, "isr_w": 0.995},
}
"""Table III: offline, and live on one machine with an A6000 (a request every 16th for three 16ths)."""

LEAST_CR, MOST_UR, MOST_PITCH_JSD, MOST_ONSET_JSD = 0.82, 0.045, 0.294, 0.168
MOST_CR_GAP = 0.01
"""Goals of the live partner; the last one is on how far its CR falls below offline."""

REMARKS = (
    "CR and UR, theirs: a melody note counts whole. It is consonant when any accompaniment note that overlaps"
    " it, however shortly, lies 0, 3, 4, 7, 8 or 9 semitones below it modulo 12, and unsupported when none"
    " overlaps it. By time (ours) only the moments count in which that holds: lower CR, higher UR.",
    "JSD: of one song at a time, in nats (0 to 0.693), then the mean over songs. Pitch: onsets on each of 128"
    " pitches. Onset: onsets in 64 equal bins from the first tick to the end of the last note of either side."
    " The other JSDs of this program are of 12 pitch classes and of the 16ths of the bar, in bits.",
    "Silence: theirs leave silent pieces out of CR and UR; here they count as CR 0, UR 1, JSD 0.693.",
    "Not the same: their 64 test songs are 30 of AccoMontage and 34 of Pop1k7 with a skyline melody, ours are"
    " excerpts of held-out songs with the annotated melody and the arranger's piano as truth. The length of"
    " their pieces is not known here (a shorter piece has finer onset bins), and theirs may hold a prompt of"
    " true accompaniment; here the partner starts from nothing.",
    "Offline: the partner hears each note as it falls and nothing later, with no delay and no commit window.",
    "ISRw: mean over the 16ths at which a plan was needed of hit x (32 - age) / 32; age in 16ths from the one"
    " after the request to the one that is played. Plans took the times measured in this run, in order. A"
    " commit window of half a beat makes every plan two 16ths old before it is heard.",
)
"""What is comparable and what is not."""

REMARK_CHARS = 110
"""Width of prose below a table."""

_CONSONANT = np.isin(np.arange(12), tuple(CONSONANT_INTERVALS))


def note_support(melody: NoteArray, accompaniment: NoteArray) -> tuple[float, float]:
    """CR and UR with every melody note counted whole (StreamMUSE).

    Intervals are melody minus accompaniment modulo 12, so a fourth below the melody is dissonant and one
    above it, as a fifth turned over, is not.

    Returns:
        Both as shares (0-1) of the melody's summed durations; NaN when there is no melody. Silence has UR 1.
    """
    tune, played = pitched(melody), pitched(accompaniment)
    if len(tune) == 0:
        return float("nan"), float("nan")
    ends = played.onset_ticks + played.duration_ticks
    overlaps = (ends[None] > tune.onset_ticks[:, None]) & (
        played.onset_ticks[None] < (tune.onset_ticks + tune.duration_ticks)[:, None]
    )
    interval = (tune.pitch.astype(np.int64)[:, None] - played.pitch.astype(np.int64)[None]) % 12
    is_consonant = (overlaps & _CONSONANT[interval]).any(axis=1)
    total = tune.duration_ticks.sum()
    unsupported = tune.duration_ticks[~overlaps.any(axis=1)].sum()
    return float(tune.duration_ticks[is_consonant].sum() / total), float(unsupported / total)


def pitch_divergence(played: NoteArray, truth: NoteArray) -> float:
    """Jensen-Shannon divergence of onsets on the 128 pitches, in nats, 0-0.693."""
    counts = [np.bincount(pitched(notes).pitch, minlength=128) for notes in (played, truth)]
    return NATS_A_BIT * jensen_shannon(*counts)


def onset_divergence(played: NoteArray, truth: NoteArray) -> float:
    """Jensen-Shannon divergence of onsets in 64 equal bins over the piece, in nats, 0-0.693.

    The piece ends with the last note of either side; both are on the same clock from tick 0.
    """
    a, b = pitched(played), pitched(truth)
    end = max(a.end_ticks(), b.end_ticks(), 1)
    return NATS_A_BIT * jensen_shannon(*(_onset_bins(notes, end) for notes in (a, b)))


def _onset_bins(notes: NoteArray, end_tick: int) -> NDArray[np.int64]:
    bins = np.minimum(notes.onset_ticks * ONSET_BINS // end_tick, ONSET_BINS - 1)
    return np.bincount(bins, minlength=ONSET_BINS)


def heard_until(song: Excerpt) -> int:
    """End of the bar in which the last melody note begins: what every row is measured on.

    Offline the partner stops there, as it knows that nothing follows.
    """
    last = int(song.melody.onset_ticks.max())
    return min((last // song.bar_ticks + 1) * song.bar_ticks, song.until_tick)


def table_figures(song: Excerpt, accompaniment: NoteArray) -> dict[str, float]:
    """All columns of one accompaniment of a song, theirs and the strict ones."""
    end = heard_until(song)
    melody, played, truth = (
        clip(notes, 0, end) for notes in (song.melody, accompaniment, song.accompaniment)
    )
    consonant, unsupported = note_support(melody, played)
    fit = harmony(melody, played, until_tick=end)
    return {
        "cr": consonant,
        "ur": unsupported,
        "pitch_jsd": pitch_divergence(played, truth),
        "onset_jsd": onset_divergence(played, truth),
        "cr_time": fit.consonance_rate,
        "ur_time": fit.unsupported_rate,
    }


def streammuse_table(
    songs: Sequence[Excerpt],
    rows: Mapping[str, Sequence[NoteArray]],
    delivery: Mapping[str, Sequence[float]],
    seed: int,
) -> dict[str, Any]:
    """The table: means and 95 % bootstrap intervals over songs, the paper's figures, and the goals.

    Args:
        songs: Held-out excerpts.
        rows: What was played to each; ``live`` and ``offline`` must be among them.
        delivery: ``isr`` and ``isr_w`` of each song's live performance.
        seed: Of the bootstrap.

    Returns:
        ``rows`` (by row and column), ``paper``, ``cr_gap`` (offline minus live over the same songs),
        ``goals`` (each with ``value goal ok``), ``remarks``.
    """
    by_row = {
        row: [table_figures(song, notes) for song, notes in zip(songs, played, strict=True)]
        for row, played in rows.items()
    }
    found = {row: _intervals(figures, seed) for row, figures in by_row.items()}
    for name, values in delivery.items():
        found["live"][name] = interval_json(bootstrap_mean(values, seed=seed))
    gaps = [off["cr"] - on["cr"] for off, on in zip(by_row["offline"], by_row["live"], strict=True)]
    gap = interval_json(bootstrap_mean(gaps, seed=seed))
    return {
        "rows": found, "paper": PAPER, "cr_gap": gap, "goals": _goals(found["live"], gap),
        "remarks": list(REMARKS),
    }  # fmt: skip


def _intervals(figures: Sequence[Mapping[str, float]], seed: int) -> dict[str, dict[str, float | None]]:
    return {
        name: interval_json(bootstrap_mean([each[name] for each in figures], seed=seed))
        for name in COLUMNS + STRICT
    }


def _goals(live: Mapping[str, dict[str, float | None]], gap: Mapping[str, float | None]) -> dict[str, Any]:
    """Each goal: the figure, what it must reach, and whether its mean does."""
    limits = {
        "cr": (live["cr"]["mean"], LEAST_CR, 1),
        "ur": (live["ur"]["mean"], MOST_UR, -1),
        "pitch_jsd": (live["pitch_jsd"]["mean"], MOST_PITCH_JSD, -1),
        "onset_jsd": (live["onset_jsd"]["mean"], MOST_ONSET_JSD, -1),
        "cr_gap": (gap["mean"], MOST_CR_GAP, -1),
    }
    return {
        name: {"value": value, "goal": goal, "ok": value is not None and sign * (value - goal) >= 0}
        for name, (value, goal, sign) in limits.items()
    }


def table_lines(data: Mapping[str, Any], songs: int) -> list[str]:
    """The table for people: rows with intervals, the paper's rows, goals, remarks."""
    names = (*COLUMNS, "isr", "isr_w", *STRICT)
    body = [
        [row.replace("_", " "), *(cell(figures.get(name)) for name in names)]
        for row, figures in data["rows"].items()
    ]
    body += [
        [f"StreamMUSE {row}", *(_plain(figures.get(name)) for name in names)]
        for row, figures in data["paper"].items()
    ]
    lines = table([f"{songs} songs", *(_heading(name) for name in names)], body)
    said = {True: "reached", False: "missed"}
    goals = [
        f"{_heading(name)} {_plain(goal['value'])} (goal {goal['goal']:g}, {said[goal['ok']]})"
        for name, goal in data["goals"].items()
    ]
    said_goals = fill("Goals, live: " + "; ".join(goals) + ".", REMARK_CHARS)
    return [*lines, "", said_goals, "", *(fill(remark, REMARK_CHARS) for remark in data["remarks"])]


def _heading(name: str) -> str:
    return {
        "cr": "CR", "ur": "UR", "pitch_jsd": "pitch JSD", "onset_jsd": "onset JSD", "isr": "ISR",
        "isr_w": "ISRw",
        "cr_time": "CR by time", "ur_time": "UR by time", "cr_gap": "CR offline - live",
    }[name]  # fmt: skip


def cell(interval: Mapping[str, float | None] | None) -> str:
    """A figure with its interval, or a dash."""
    if interval is None or interval["mean"] is None:
        return "-"
    return f"{interval['mean']:.3f} [{interval['low']:.3f} {interval['high']:.3f}]"


def _plain(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"
