"""How a performance is set up."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from midi.events import BarGrid
from models.sequence.plan import Steering
from studio.live.feel import Feel
from studio.live.messages import Mode


@dataclass(frozen=True)
class ConductorConfig:
    """How a performance is set up.

    Attributes:
        bpm: Tempo at the start, 20–400.
        grid: Bar lines.
        lookahead_beats: How far a plan reaches.
        commit_beats: Commit window: how far ahead of now notes are fixed while replies are in time.
        min_commit_ticks: The window shrinks no further when replies are late.
        dispatch_s: How long before its time a partner note is given out.
        mode: How the partner behaves.
        steering: How it is asked to play.
        feel: How its notes are given out.
        seed: Requests derive theirs from it.
        alternatives: Most beginnings of a plan that the model may choose from; where time is short, fewer.
        starts_on_key: The first key press is beat 0; otherwise time runs from the first step.
        fallback: What is heard where no plan came in time: ``rules`` or ``silence``.
        player_instrument: Instrument class of the player.
    """

    bpm: float = 120.0
    grid: BarGrid = field(default_factory=BarGrid)
    lookahead_beats: float = 2.0
    commit_beats: float = 0.5
    min_commit_ticks: int = 3
    dispatch_s: float = 0.03
    mode: Mode = Mode.ACCOMPANY
    steering: Steering = field(default_factory=Steering)
    feel: Feel = field(default_factory=Feel)
    seed: int = 0
    alternatives: int = 4
    starts_on_key: bool = True
    fallback: Literal["rules", "silence"] = "rules"
    player_instrument: int = 0
