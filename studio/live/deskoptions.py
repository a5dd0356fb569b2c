"""How a desk starts. Values only, so that they cross to the desk's process."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from midi.bars import BarGrid
from midi.note import PPQ, TimeSignature
from models.sequence.plan import Steering
from studio.live.config import ConductorConfig
from studio.live.feel import Feel
from studio.live.messages import Mode

_USUAL = ConductorConfig()

MAX_NUMERATOR = 32
DENOMINATORS = frozenset({1, 2, 4, 8, 16, 32})
"""Time signatures that can be chosen."""


@dataclass(frozen=True, slots=True)
class DeskOptions:
    """How a desk starts; everything may be changed by commands afterwards, except the last group.

    Attributes:
        in_port: Part of an input's name; ``none`` for none; None for the first that turns up.
        out_port: Part of an output's name; ``none`` or None for none.
        sound: ``default``, a part of a device's name, or ``none``.
        model: Bundle; None for the current partner; ``none`` for rules.
        mode: How the partner behaves.
        tempo_bpm: 20–400.
        meter: Numerator and denominator.
        steering: What the partner is asked.
        feel: How its notes are given out.
        is_metronome_on: Click along.
        is_recording: Keep what is played.
        player_instrument: Instrument class of the player's keys.
        volumes_db: Gain of the player, the partner and the metronome, −60 (silence) to 6.
        seed: Same seed, same random draws.
        takes: Folder of the takes; None is the user's.
        virtual: Name of a virtual port pair to create; None for none.
        grid: Bar lines; None makes them of ``meter``.
        lookahead_beats: How far ahead the partner plans.
        commit_beats: Beats of the plan that are fixed.
        follows_clock: Follow the MIDI clock of the input.
        device: Torch device of the model.
        is_strict: Ports that are named must be there, or the desk does not open; otherwise it waits for them.
        is_one_take: Stops do not end a take.
        keeps_learned: Controllers that were learned are read from the user's folder and kept there.
    """

    in_port: str | None = None
    out_port: str | None = None
    sound: str = "default"
    model: str | None = None
    mode: Mode = Mode.ACCOMPANY
    tempo_bpm: float = 120.0
    meter: tuple[int, int] = (4, 4)
    steering: Steering = field(default_factory=Steering)
    feel: Feel = field(default_factory=Feel)
    is_metronome_on: bool = False
    is_recording: bool = True
    player_instrument: int = 0
    volumes_db: tuple[float, float, float] = (0.0, 0.0, 0.0)
    seed: int = 0
    takes: Path | None = None
    virtual: str | None = None
    grid: BarGrid | None = None
    lookahead_beats: float = _USUAL.lookahead_beats
    commit_beats: float = _USUAL.commit_beats
    follows_clock: bool = False
    device: str = "cpu"
    is_strict: bool = False
    is_one_take: bool = False
    keeps_learned: bool = True

    def config(self) -> ConductorConfig:
        """The same for the conductor."""
        return ConductorConfig(
            bpm=self.tempo_bpm,
            grid=self.grid or bars_of(*self.meter),
            lookahead_beats=self.lookahead_beats,
            commit_beats=self.commit_beats,
            mode=self.mode,
            steering=self.steering,
            feel=self.feel,
            seed=self.seed,
            player_instrument=self.player_instrument,
        )


def bars_of(numerator: int, denominator: int) -> BarGrid:
    """Bar lines of a time signature; those of more than 8 beats are split."""
    return BarGrid.from_signatures((TimeSignature(0, numerator, denominator),), PPQ)
