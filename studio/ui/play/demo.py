"""Music for the eye: views of a desk in the middle of a performance, for screenshots, tests and benchmarks.

Four chords, a melody above, a partner with piano, bass, strings and drums below. Everything follows from
the time that is asked for.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import assets
from midi.events import DRUMS, INSTRUMENT_NAMES, PIANO
from models.sequence.parts import BAND_PARTS
from models.sequence.plan import PlannedNote, Steering
from studio.live.deskview import DeskView, Devices, RollNote, TakeState
from studio.live.feel import Feel
from studio.live.messages import LiveCounts, Mode, Snapshot, Voice
from studio.live.meters import Meters, Percentiles
from studio.live.planner import ModelHealth, ModelState
from studio.ui.screens.models_shelf import read_shelf

PARTNER_NAME = "band"
"""Bundle that the demo plays with."""

BPM = 108.0
BASS, STRINGS = (INSTRUMENT_NAMES.index(name) for name in ("bass", "strings"))
STEERING = Steering(temperature=0.95, density=0.6, instruments=(PIANO, BASS, STRINGS, DRUMS))
COMMIT_TICKS, LOOKAHEAD_TICKS = 18, 66
_BAR = 96

_CHORDS = (("Am9", 45, (60, 64, 67, 71)), ("Fmaj7", 41, (60, 64, 65, 69)),
           ("C", 48, (60, 64, 67, 72)), ("G7sus4", 43, (60, 62, 65, 67)))  # fmt: skip
_PASSING = ("Am7", "F6", "C/E", "G7")
"""Names of the second halves of the bars."""
_MELODY = (
    (0, 18, 76), (18, 6, 79), (24, 24, 83), (48, 12, 81), (60, 12, 79), (72, 24, 76),
    (96, 36, 77), (132, 12, 76), (144, 12, 72), (156, 12, 74), (168, 24, 76),
    (192, 12, 79), (204, 12, 84), (216, 24, 83), (240, 12, 79), (252, 12, 76), (264, 24, 74),
    (288, 30, 72), (318, 6, 74), (324, 24, 76), (348, 12, 74), (360, 24, 71),
)  # fmt: skip


def melody(bar: int) -> Iterator[tuple[int, int, int, int]]:
    """The player's notes of a bar: onset, duration (ticks), pitch, velocity."""
    start = bar % 4 * _BAR
    for onset, duration, pitch in _MELODY:
        if start <= onset < start + _BAR:
            ticks = bar * _BAR + onset - start
            yield ticks, duration - 2, pitch, 62 + (onset * 7 + bar * 11) % 56
            if onset % 48 == 0:
                yield ticks, duration - 2, pitch - 9 + (onset // 48) % 2, 54


def accompaniment(bar: int) -> Iterator[PlannedNote]:
    """The partner's notes of a bar."""
    _, root, chord = _CHORDS[bar % 4]
    start = bar * _BAR
    for index in range(8):
        pitch = chord[(index * 3 + bar) % 4] - (12 if index % 4 == 0 else 0)
        yield PlannedNote(start + index * 12, 16, pitch, 54 + index * 13 % 40, PIANO)
    for onset, length in ((0, 34), (36, 10), (48, 22), (84, 10)):
        yield PlannedNote(start + onset, length, root - 12 + (7 if onset == 84 else 0), 88, BASS)
    for pitch in chord[::2]:
        yield PlannedNote(start, _BAR - 2, pitch + 12, 48, STRINGS)
    for index in range(16):
        if index in (0, 7, 8):
            yield PlannedNote(start + index * 6, 6, 36, 96, DRUMS)
        if index in (4, 12):
            yield PlannedNote(start + index * 6, 6, 38, 100, DRUMS)
        if index % 2 == 0:
            yield PlannedNote(start + index * 6, 6, 46 if index == 14 else 42, 60 + index * 5 % 30, DRUMS)


def busy_snapshot(time_s: float) -> Snapshot:
    """The conductor's look at ``time_s`` seconds after the start."""
    beat = time_s * BPM / 60.0
    now = beat * 24.0
    bar = int(now // _BAR)
    ahead = [note for b in range(max(0, bar - 1), bar + 3) for note in accompaniment(b)]
    sounding = [n for n in ahead if n.onset_ticks <= now < n.onset_ticks + n.duration_ticks]
    frontier = math.floor(now) + COMMIT_TICKS
    held = [(t, d, p) for b in (max(0, bar - 1), bar) for t, d, p, _ in melody(b)]
    return Snapshot(
        time_s=time_s,
        is_playing=True,
        mode=Mode.ACCOMPANY,
        bpm=BPM,
        beat=beat,
        beats_per_bar=4.0,
        held=tuple(sorted({p for t, d, p in held if t <= now < t + d})),
        partner_held=tuple(sorted({n.pitch for n in sounding})),
        committed=(*sounding, *(n for n in ahead if now < n.onset_ticks < frontier)),
        ghosts=tuple(n for n in ahead if frontier <= n.onset_ticks < math.floor(now) + LOOKAHEAD_TICKS),
        commit_ticks=COMMIT_TICKS,
        lookahead_ticks=LOOKAHEAD_TICKS,
        is_model_ready=True,
        plan_latency_s=0.041,
        steering=STEERING,
        feel=Feel(register=5, swing=0.35, velocity=-6),
        counts=LiveCounts(player_notes=212, partner_notes=871, plan_steps=804, planned_steps=803),
    )


def busy_roll(now_ticks: float, bars: int = 4) -> tuple[RollNote, ...]:
    """What was heard in the last bars, by onset."""
    last = int(now_ticks // _BAR)
    notes: list[RollNote] = []
    for bar in range(max(0, last - bars), last + 1):
        played = [(Voice.PLAYER, PlannedNote(t, d, p, v, PIANO)) for t, d, p, v in melody(bar)]
        for voice, note in (*played, *((Voice.PARTNER, n) for n in accompaniment(bar))):
            if note.onset_ticks <= now_ticks:
                end = note.onset_ticks + note.duration_ticks
                notes.append(
                    RollNote(
                        voice,
                        note.pitch,
                        note.velocity,
                        note.instrument,
                        note.onset_ticks,
                        end if end <= now_ticks else None,
                    )
                )
    return tuple(sorted(notes, key=lambda note: note.onset_ticks))


def busy_chords(now_ticks: float, bars: int = 8) -> tuple[tuple[int, str], ...]:
    """Chord names of the last bars: two a bar, with their ticks."""
    last = int(now_ticks // _BAR)
    names = [
        (bar * _BAR + at, name)
        for bar in range(max(0, last - bars), last + 1)
        for at, name in ((0, _CHORDS[bar % 4][0]), (_BAR // 2, _PASSING[bar % 4]))
    ]
    return tuple(each for each in names if each[0] <= now_ticks)


@cache
def shipped_partner() -> str:
    """The bundle that comes along, ``name@version`` as its manifest says; so the Models screen marks it."""
    found = [bundle for bundle in read_shelf(own=assets.path("nothing")) if bundle.name == PARTNER_NAME]
    return next((bundle.title for bundle in found if bundle.is_current), f"{PARTNER_NAME}@1.0.0")


def busy_view(time_s: float) -> DeskView:
    """All of the desk ``time_s`` seconds after the start, everything in use."""
    snapshot = busy_snapshot(time_s)
    chords = busy_chords(snapshot.beat * 24.0)
    return DeskView(
        snapshot=snapshot,
        roll=busy_roll(snapshot.beat * 24.0),
        chord=chords[-1][1],
        chords=chords,
        steering=STEERING,
        is_metronome_on=True,
        volumes_db=(0.0, -3.0, -12.0),
        peak_db=-9.0 - 4.0 * math.cos(snapshot.beat * math.tau),
        meters=Meters(
            plan_latency=Percentiles(804, 38.0, 61.0, 74.0, 96.0),
            lateness=Percentiles(4096, 0.02, 0.06, 0.31, 1.9),
            rows=15200,
            priority="real-time",
        ),
        model=ModelHealth(ModelState.READY, name=shipped_partner().replace("@", " "), parts=BAND_PARTS),
        model_name=shipped_partner(),
        devices=Devices(
            inputs=("Launchkey 49 MK3", "Digital Piano"),
            outputs=("IAC Driver Bus 1",),
            sounds=("Built-in Output", "Scarlett 2i2"),
            input="Launchkey 49 MK3",
            sound="Built-in Output",
            input_active_s=time_s,
        ),
        take=TakeState(is_recording=True, path=Path("take"), length_s=time_s),
    )


def idle_view() -> DeskView:
    """A desk at which nobody has played yet, its model still loading."""
    snapshot = Snapshot(
        time_s=0.0, is_playing=False, mode=Mode.ACCOMPANY, bpm=120.0, beat=0.0, beats_per_bar=4.0, held=(),
        partner_held=(), committed=(), ghosts=(), commit_ticks=0, lookahead_ticks=0, is_model_ready=False,
        plan_latency_s=0.0, counts=LiveCounts(), is_armed=True,
    )  # fmt: skip
    return DeskView(snapshot=snapshot, devices=Devices(sound="default", sounds=("default",)))
