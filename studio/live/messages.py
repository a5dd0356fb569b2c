"""Values that go into and come out of the conductor. All frozen; nothing here does anything."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

from models.sequence.plan import Plan, PlannedNote, PlanRequest, Steering
from studio.live.feel import Feel


class Mode(StrEnum):
    """How the partner behaves."""

    ACCOMPANY = "accompany"
    RESPOND = "call-and-response"


# Inputs. Times are seconds of the engine's clock.


@dataclass(frozen=True, slots=True)
class KeyDown:
    """The player pressed a key; ``source`` is the port or device that sent it."""

    time_s: float
    pitch: int
    velocity: int
    source: str = "keys"


@dataclass(frozen=True, slots=True)
class KeyUp:
    """The player released a key."""

    time_s: float
    pitch: int
    source: str = "keys"


@dataclass(frozen=True, slots=True)
class ControllerMoved:
    """The player moved a controller (sustain pedal is 64)."""

    time_s: float
    number: int
    value: int
    source: str = "keys"


@dataclass(frozen=True, slots=True)
class SourceLost:
    """A port vanished: whatever it held is released."""

    time_s: float
    source: str


@dataclass(frozen=True, slots=True)
class PlanArrived:
    """The model answered."""

    time_s: float
    plan: Plan


@dataclass(frozen=True, slots=True)
class ModelChanged:
    """The model process came up, or died."""

    time_s: float
    is_ready: bool


@dataclass(frozen=True, slots=True)
class SetTempo:
    """A new tempo from now on; beats already passed stay where they are."""

    time_s: float
    bpm: float


@dataclass(frozen=True, slots=True)
class FollowClock:
    """What an external MIDI clock says: its beat at ``time_s`` and its tempo."""

    time_s: float
    beat: float
    bpm: float


@dataclass(frozen=True, slots=True)
class SetMode:
    """Another mode; sounding partner notes are ended properly."""

    time_s: float
    mode: Mode


@dataclass(frozen=True, slots=True)
class Steer:
    """Change one steering value: a field name of ``Steering`` or ``Feel`` and its new value."""

    time_s: float
    target: str
    value: float | int | bool | tuple[int, ...]


@dataclass(frozen=True, slots=True)
class SetPlaying:
    """Start or stop the transport; stopping ends every note."""

    time_s: float
    is_playing: bool


@dataclass(frozen=True, slots=True)
class Panic:
    """Silence everything now; plans are dropped."""

    time_s: float


Input = (
    KeyDown | KeyUp | ControllerMoved | SourceLost | PlanArrived | ModelChanged
    | SetTempo | FollowClock | SetMode | Steer | SetPlaying | Panic
)  # fmt: skip


# Outputs.

FIRST_FIXED_ID = 1 << 40
"""Sounds with ids from here on (clicks, takes played back) have times that were fixed long before."""


class Voice(StrEnum):
    """Who is heard."""

    PLAYER = "player"
    PARTNER = "partner"
    METRONOME = "metronome"


@dataclass(frozen=True, slots=True)
class Sound:
    """A note-on, note-off or controller change to be heard at ``time_s``.

    ``note_id`` is unique a performance; the on and the off of one note share it. ``kind`` is ``on``,
    ``off`` or ``control`` (then ``pitch`` is the controller and ``velocity`` its value). An on of the partner
    tells with ``moved_s`` how much later than planned it comes, so that a take knows the plan.
    """

    time_s: float
    kind: str
    voice: Voice
    pitch: int
    velocity: int = 0
    note_id: int = -1
    instrument: int = 0
    moved_s: float = 0.0

    @property
    def planned_s(self) -> float:
        """When it would have come without looseness."""
        return self.time_s - self.moved_s


@dataclass(frozen=True, slots=True)
class TempoMark:
    """From ``time_s`` on, where musical time stands at ``beat``, it runs at ``bpm``; for takes."""

    time_s: float
    beat: float
    bpm: float


@dataclass(frozen=True, slots=True)
class Actions:
    """Everything that one step wants done.

    Attributes:
        sounds: To be played, in time order. Partner notes come up to the dispatch horizon ahead;
            the player's own come with the time of the key press: play them in the next block.
        request: A new plan request; it replaces any request not yet begun.
        is_panic: Sinks silence everything first.
        tempo: Where musical time started or changed its pace.
    """

    sounds: tuple[Sound, ...] = ()
    request: PlanRequest | None = None
    is_panic: bool = False
    tempo: tuple[TempoMark, ...] = ()


@dataclass(frozen=True, slots=True)
class LiveCounts:
    """Running figures of a performance.

    Attributes:
        player_notes: Key presses.
        partner_notes: Partner notes played.
        plan_steps: 16th-note steps at which a plan was needed.
        planned_steps: Those at which one was there; ISR is their ratio.
        late_drops: Planned notes dropped because their time had passed when the plan came.
        scheduled_in_past: Partner notes given out with a time already gone (must stay 0).
        stale_plans: Plans dropped because a newer one was there.
        ignored_keys: Key presses beyond what can be held (see the conductor).
        fallback_notes: Partner notes that came from the rules and not from the model.
    """

    player_notes: int = 0
    partner_notes: int = 0
    plan_steps: int = 0
    planned_steps: int = 0
    late_drops: int = 0
    scheduled_in_past: int = 0
    stale_plans: int = 0
    ignored_keys: int = 0
    fallback_notes: int = 0

    @property
    def isr(self) -> float:
        """In-time share of plan steps (StreamMUSE's ISR); 1 when none was needed yet."""
        return self.planned_steps / self.plan_steps if self.plan_steps else 1.0


@dataclass(frozen=True, slots=True)
class Snapshot:
    """What a display may show; ticks are grid ticks (24 a beat) since the transport started.

    ``is_armed`` says that the transport stands and the next key starts it.
    """

    time_s: float
    is_playing: bool
    mode: Mode
    bpm: float
    beat: float
    beats_per_bar: float
    held: tuple[int, ...]
    partner_held: tuple[int, ...]
    committed: tuple[PlannedNote, ...]
    ghosts: tuple[PlannedNote, ...]
    commit_ticks: int
    lookahead_ticks: int
    is_model_ready: bool
    plan_latency_s: float
    counts: LiveCounts
    steering: Steering = field(default_factory=Steering)
    feel: Feel = field(default_factory=Feel)
    is_armed: bool = False
