"""Small random players, and requests for plans."""

from __future__ import annotations

import midi
from midi.events import GRID_PER_BEAT, BarGrid, Role, score_events
from midi.note import Note, NoteArray, Part, Score
from midi.stream import EventStream
from models.sequence.network import EventModelConfig, TrunkConfig
from models.sequence.plan import PlanRequest, Steering
from models.sequence.player import Player
from tests.models.pieces import tiny_model

BAR = 4 * GRID_PER_BEAT
CONFIG = EventModelConfig(TrunkConfig(16, 1, 2, 256, 0.0), head_width=16)
FIVE_METRES = BarGrid(((0, 72), (144, 96), (336, 60), (456, 192)))


def player(seed: int = 0, scale: float = 4.0) -> Player:
    return Player(tiny_model(seed, CONFIG, scale))


def request(
    from_tick: int = BAR,
    until_tick: int = 2 * BAR,
    *,
    grid: BarGrid | None = None,
    human: tuple[tuple[int, int], ...] = ((0, 60), (24, 64), (48, 67)),
    human_from_tick: int | None = None,
    number: int = 1,
    seed: int = 0,
    **steering: object,
) -> PlanRequest:
    """A request after some human notes ``(tick, pitch)`` before ``from_tick``."""
    grid = grid or BarGrid()
    stream = EventStream(grid)
    stream.advance(from_tick + 1)
    melody = NoteArray.from_notes(Note(tick, 12, pitch) for tick, pitch in human)
    events = score_events(Score((Part("m", melody),), midi.TempoMap(GRID_PER_BEAT)), [0])
    stream.insert(events[events["role"] == Role.HUMAN])
    heard_to = from_tick if human_from_tick is None else human_from_tick
    return PlanRequest(
        number, stream.rows(), 0, from_tick, until_tick, heard_to, grid, Steering(**steering), seed
    )
