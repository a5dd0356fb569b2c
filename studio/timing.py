"""How people's strokes scatter around the grid: measured, kept in ``assets/timing.json``, and compared.

``python -m studio.timing POP909 GROOVE`` measures on training performances, loosens held-out ones that were
put on the grid, and prints both beside what was really played; ``--write`` keeps the table, ``--model band``
adds what a partner strikes beside the shipped melodies.

Drums are the Groove set's. Of POP909's pianos nearly all stand on their sixteenths with chords struck to the
tick; the few that were played tell how chords spread. How onsets scatter around the pulse drummers tell for
everyone: they played to an exact click, as the partner does, while a pianist is measured against beats that
were estimated. Robust measures are used throughout, because ornaments and wrong beats are no scatter.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise, product
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

import assets
from midi.errors import UserError
from midi.events import DRUMS, GRID_PER_BEAT, INSTRUMENT_NAMES, PIANO
from midi.files import read, write_bytes
from midi.intake import beat_annotation, beat_of
from midi.note import PPQ
from models.sequence.band import Drummer, groove_hits
from models.sequence.plan import PlannedNote, Steering
from studio.live.conductor import Conductor, ConductorConfig
from studio.live.feel import Feel
from studio.live.fileplayer import player_part
from studio.live.loose import AS_PLAYED, BINS, PLACES, REST_TICKS, TABLE, Looseness, Timing
from studio.live.messages import Voice
from studio.live.offline import play_offline
from studio.live.planner import InlinePlanner
from studio.perform import first_bars, prepare
from studio.replay import ons
from studio.terminal import table

MOST_COINCIDING = 0.5
"""Share of notes less than a sixteenth of a beat apart that may coincide in a piano that was played."""

MOST_ALIKE = 0.2
"""Share of notes that may stand at the very same place of their sixteenth, to 1/480 of a beat."""

LEAST_ON_BEATS = 0.5
"""Mean resultant length of a piano's onsets on the sixteenths of its annotation, below which the annotation
does not fit it."""

AROUND = 16
"""Sixteenths on either side whose median is the pulse: slower drift is tempo, which the partner is given."""

GAPS = (1, 2, 4)
"""Sixteenths between onsets whose correlation is looked at."""

BARS = 24
"""Bars that a partner plays of each melody."""

PLAN_S = 0.06
"""Musical time of its plans."""

UNHEARD = 5.0
"""Hits that count as heard at every place before any is."""

FIT_EVERY = 4
"""One performance in so many is loosened while a hand is fitted."""

LEAST_PAIRS = 30
ROBUST = 1.4826  # median absolute deviation to standard deviation of a normal distribution

_Array = NDArray[np.float64]


@dataclass(frozen=True)
class Played:
    """A performance: where every note was struck.

    Attributes:
        ticks: Grid ticks with their fractions, by time.
        tick_ms: Length of a tick.
        instrument: Instrument class.
    """

    ticks: _Array
    tick_ms: float
    instrument: int

    @property
    def sixteenths(self) -> NDArray[np.int64]:
        """The nearest sixteenth of every note."""
        return np.round(self.ticks / PLACES).astype(np.int64)

    def on_grid(self) -> Played:
        """The same as the partner plans it: drums on the tick, hands on the sixteenth."""
        on = np.round(self.ticks) if self.instrument == DRUMS else self.sixteenths * float(PLACES)
        return Played(np.sort(on), self.tick_ms, self.instrument)

    def loosened(self, seed: int, timing: Timing) -> Played:
        """The same from the grid, as the partner strikes it."""
        grid = self.on_grid()
        notes = [PlannedNote(int(tick), 1, 60, 80, self.instrument) for tick in grid.ticks]
        moved = Looseness(seed, timing).ticks(notes, 1.0, self.tick_ms / 1e3)
        return Played(np.sort(grid.ticks + moved), self.tick_ms, self.instrument)


def drummers(grooves: Path, split: str) -> list[Played]:
    """Drum performances of a split of the Groove set."""
    found = []
    for one in Drummer(grooves).performances:
        if one.split == split:
            ticks = np.array(sorted(tick for tick, _, _ in groove_hits(one.file)))
            found.append(Played(ticks, _tick_ms(one.bpm), DRUMS))
    return found


def pianists(folder: Path) -> list[tuple[str, Played]]:
    """The pianos of POP909 that were played, with their split; none but of songs with annotated beats."""
    found = []
    for file in sorted(folder.glob("*/*.mid")):
        annotation = beat_annotation(file)
        score = read(file)
        parts = [part for part in score.parts if part.name.upper() == "PIANO"]
        if annotation is None or not parts or not _was_played(parts[0].notes.onset_ticks):
            continue
        beats_s = annotation[0]
        seconds = score.tempo_map.seconds(parts[0].notes.onset_ticks)
        ticks = np.sort(beat_of(seconds, beats_s) * GRID_PER_BEAT)
        turn = complex(np.exp(2j * np.pi * ticks / PLACES).mean())
        if abs(turn) >= LEAST_ON_BEATS:
            bpm = 60 * (len(beats_s) - 1) / float(beats_s[-1] - beats_s[0])
            ticks -= np.angle(turn) / (2 * np.pi) * PLACES
            found.append((file.stem, Played(ticks, _tick_ms(bpm), PIANO)))
    return found


def _tick_ms(bpm: float) -> float:
    return 60e3 / bpm / GRID_PER_BEAT


def _was_played(onset_ticks: NDArray[np.int64]) -> bool:
    """Whether onsets, 480 ticks a beat, are a person's and not a grid's."""
    gaps = np.diff(np.sort(onset_ticks))
    near = gaps < 30
    places = np.bincount(onset_ticks % 120)
    is_spread = bool(near.any()) and float((gaps[near] == 0).mean()) <= MOST_COINCIDING
    return is_spread and int(places.max()) <= MOST_ALIKE * len(onset_ticks)


def figures(one: Played) -> dict[str, float]:
    """Scatter of a performance around its sixteenths, in ms, and its correlations; NaN where too few tell.

    ``onset_ms`` and ``together_ms`` are robust standard deviations of onsets around the pulse, and of notes
    struck together; ``after_N``: correlation of onsets N sixteenths apart, from the spread of differences.
    """
    sixteenths = one.sixteenths
    off_ms = (one.ticks - sixteenths * PLACES) * one.tick_ms
    for place in range(4):  # swing is no scatter
        here = sixteenths % 4 == place
        off_ms[here] -= np.median(off_ms[here]) if here.any() else 0.0
    at, inverse, count = np.unique(sixteenths, return_inverse=True, return_counts=True)
    mean = np.bincount(inverse, off_ms) / count
    free = np.array(
        [off - np.median(mean[np.abs(at - k) <= AROUND]) for k, off in zip(at, mean, strict=True)]
    )
    spread = _spread(free)
    found = {"onset_ms": spread}
    # Neighbors of a group by pitch are its first and its last in time as often as not.
    chords = np.split(off_ms, np.cumsum(count)[:-1])
    apart = np.array([chord[-1] - chord[0] for chord in chords if len(chord) == 2])
    found["together_ms"] = _spread(np.concatenate([apart, -apart])) / np.sqrt(2)
    place_of = {int(k): i for i, k in enumerate(at)}
    for gap in GAPS:
        pairs = [(i, place_of[int(k) + gap]) for i, k in enumerate(at) if int(k) + gap in place_of]
        apart = np.array([free[b] - free[a] for a, b in pairs])
        found[f"after_{gap}"] = 1 - _spread(apart) ** 2 / (2 * spread**2) if spread else float("nan")
    return found


def _spread(values: _Array) -> float:
    """Robust standard deviation."""
    if len(values) < LEAST_PAIRS:
        return float("nan")
    return float(ROBUST * np.median(np.abs(values - np.median(values))))


def within_ticks(several: Iterable[Played]) -> dict[str, float]:
    """What the grid takes from performances: spread within the tick, and its correlations."""
    sizes, together, after = [], [], []
    for one in several:
        grid = np.round(one.ticks)
        rest = one.ticks - grid
        sizes.append(rest * one.tick_ms)
        for (tick, before), (next_tick, now) in pairwise(zip(grid, rest, strict=True)):
            if tick == next_tick:
                together += [(before, now), (now, before)]  # by time alone the later would be later
            elif next_tick - tick in {PLACES, 2 * PLACES}:
                after.append((before, now))
    return {
        "within_ms": float(np.concatenate(sizes).std()),
        "together": _correlation(together),
        "after_eighth": _correlation(after),
    }


def _correlation(pairs: Sequence[tuple[float, float]]) -> float:
    if len(pairs) < LEAST_PAIRS:
        return float("nan")
    a, b = np.array(pairs).T
    return float(np.corrcoef(a, b)[0, 1]) if a.std() and b.std() else float("nan")


def measure(drums: Sequence[Played], hands: Sequence[Played]) -> dict[str, Any]:
    """The table, as ``assets/timing.json`` keeps it."""
    return {"drums": _chain(drums), "hand": _hand(drums, hands)}


def _chain(drums: Sequence[Played]) -> dict[str, Any]:
    start = np.ones((PLACES, BINS))
    following = np.zeros((PLACES, PLACES, BINS, BINS))
    together = np.ones((BINS, BINS))
    for one in drums:
        grid = np.round(one.ticks).astype(np.int64)
        bins = ((one.ticks - grid + 0.5) * BINS).astype(np.int64).clip(0, BINS - 1)
        places, passed = grid % PLACES, np.diff(grid)
        np.add.at(start, (places, bins), 1)
        before, now = bins[:-1][passed == 0], bins[1:][passed == 0]
        np.add.at(together, (np.concatenate([before, now]), np.concatenate([now, before])), 1)
        near = (passed > 0) & (passed <= REST_TICKS)
        np.add.at(following, (places[:-1][near], places[1:][near], bins[:-1][near], bins[1:][near]), 1)
    start /= start.sum(axis=-1, keepdims=True)
    # Where little was heard, what is usual at the place counts most.
    following += UNHEARD * start[None, :, None, :]
    following /= following.sum(axis=-1, keepdims=True)
    together /= together.sum(axis=-1, keepdims=True)
    chances = {"start": start, "following": following, "together": together}
    return {"performances": len(drums)} | {name: kept.round(3).tolist() for name, kept in chances.items()}


def _hand(drums: Sequence[Played], hands: Sequence[Played]) -> dict[str, Any]:
    """A hand that, measured the same way, scatters as drummers do (method of simulated moments)."""
    wanted = average(figures(one) for one in drums)
    note_ms = average(figures(one) for one in hands)["together_ms"]
    as_hands = [replace(one, instrument=PIANO) for one in drums[::FIT_EVERY]]
    best: tuple[float, dict[str, float]] = (np.inf, {})
    for memory, beats in product(np.arange(0.4, 1.01, 0.1), (0.25, 0.5, 1.0, 2.0, 4.0)):
        hand = {"onset_ms": wanted["onset_ms"], "note_ms": note_ms, "memory": memory, "memory_beats": beats}
        for _ in range(2):  # what the estimate leaves out of the scatter, the scatter has to have more
            timing = Timing(*(np.ones(0),) * 3, **hand)
            found = average(figures(one.loosened(seed, timing)) for seed, one in enumerate(as_hands))
            hand["onset_ms"] *= wanted["onset_ms"] / found["onset_ms"]
        off = float(np.nansum([(found[f"after_{gap}"] - wanted[f"after_{gap}"]) ** 2 for gap in GAPS]))
        best = min(best, (off, hand), key=lambda one: one[0])
    return {"performances": len(hands)} | {name: round(float(value), 2) for name, value in best[1].items()}


def average(several: Iterable[dict[str, float]]) -> dict[str, float]:
    """The median of every figure over performances that tell it."""
    rows = list(several)
    told = {name: [row[name] for row in rows if not np.isnan(row[name])] for name in rows[0]}
    return {name: float(np.median(values)) if values else float("nan") for name, values in told.items()}


def compare(several: Sequence[Played], timing: Timing) -> dict[str, dict[str, float]]:
    """Figures of held-out performances as they are, on the grid, and loosened from there."""
    rows = {
        "played": list(several),
        "on the grid": [one.on_grid() for one in several],
        "loosened": [one.loosened(seed, timing) for seed, one in enumerate(several)],
    }
    if several[0].instrument == DRUMS:
        rows["as a hand"] = [
            replace(one, instrument=PIANO).loosened(seed, timing) for seed, one in enumerate(several)
        ]
    return {name: told(row, is_drums=several[0].instrument == DRUMS) for name, row in rows.items()}


def told(several: Sequence[Played], *, is_drums: bool) -> dict[str, float]:
    """Figures of several performances; of drums also what the grid takes from them."""
    found = average(figures(one) for one in several)
    if is_drums:
        found |= {f"tick {key}": value for key, value in within_ticks(several).items()}
    return found


def partner_plays(model: str) -> dict[int, list[Played]]:
    """What a partner strikes on drums and piano beside the shipped melodies, through the whole engine."""
    from studio.partners import load_partner  # noqa: PLC0415 - loads torch

    planner = load_partner(model, "cpu").planner
    found: dict[int, list[Played]] = {}
    if planner is None:
        return found
    for file in sorted(assets.path("demos").glob("*.mid")):
        piece = first_bars(prepare(read(file), None, None), BARS)
        config = ConductorConfig(
            bpm=piece.bpm, grid=piece.grid, starts_on_key=False,
            steering=Steering(instruments=(PIANO, DRUMS)), feel=Feel(looseness=AS_PLAYED),
        )  # fmt: skip
        inline = InlinePlanner(planner, PLAN_S, is_lazy=True)
        end_s = float(piece.tempo_map.seconds(piece.end_tick() * PPQ / GRID_PER_BEAT))
        run = play_offline(Conductor(config), inline, player_part(piece.score).inputs, end_s)
        struck = ons(run.sounds, Voice.PARTNER)
        tick_ms = _tick_ms(piece.bpm)
        for instrument in {sound.instrument for sound in struck}:
            ticks = np.array([1e3 * s.time_s / tick_ms for s in struck if s.instrument == instrument])
            found.setdefault(instrument, []).append(Played(np.sort(ticks), tick_ms, instrument))
    return found


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, compare, print; perhaps write."""
    parser = argparse.ArgumentParser(prog="python -m studio.timing", description=__doc__.split("\n", 1)[0])
    parser.add_argument("pop909", type=Path)
    parser.add_argument("grooves", type=Path)
    parser.add_argument("--model", help="a partner whose playing is measured, too")
    parser.add_argument("--write", action="store_true", help=f"keep the table as assets/{TABLE}")
    options = parser.parse_args(arguments)
    hands = pianists(options.pop909)
    # Too few for the corpus's one in twenty: every third is held out, and all that are held out elsewhere.
    held_out = {name for number, (name, _) in enumerate(hands) if number % 3 == 0}
    kept = measure(drummers(options.grooves, "train"), [one for name, one in hands if name not in held_out])
    timing = Timing.from_json(kept)
    others = {
        DRUMS: drummers(options.grooves, "validation"),
        PIANO: [one for name, one in hands if name in held_out],
    }
    partner = {} if options.model is None else partner_plays(options.model)
    for instrument, several in others.items():
        rows = compare(several, timing)
        if instrument in partner:
            rows[options.model] = told(partner[instrument], is_drums=instrument == DRUMS)
        title = INSTRUMENT_NAMES[instrument]
        head = [f"{title}, {len(several)} held out", *next(iter(rows.values()))]
        body = [[name, *(f"{value:.2f}" for value in row.values())] for name, row in rows.items()]
        print(*table(head, body), "", sep="\n")  # noqa: T201
    print(kept["hand"])  # noqa: T201
    if options.write:
        write_bytes(assets.path(TABLE), (json.dumps(kept) + "\n").encode())
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except UserError as fault:
        sys.exit(str(fault))
