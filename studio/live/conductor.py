"""The one owner of musical time: inputs in, sounds and plan requests out.

The conductor is pure: it knows no thread, device, model or wall clock. The live engine, offline
performances and tests step this same object. Three rules order everything in it:

* The player's own keys sound in the step that brings them, whatever else is going on.
* Everything before the *commit frontier* is settled; a plan changes only what lies beyond.
* Musical time is grid ticks until a sound is given out, so that a tempo change reaches every note.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from midi.events import GRID_PER_BEAT, LONG_NOTE_TICKS, BarGrid, Events
from midi.stream import EventStream
from studio.live.config import ConductorConfig
from studio.live.context import Context, HeardNote
from studio.live.feel import FEEL_TARGETS
from studio.live.keys import MAX_PRESSES_A_STEP, Keys
from studio.live.messages import (
    Actions,
    ControllerMoved,
    FollowClock,
    Input,
    KeyDown,
    KeyUp,
    LiveCounts,
    ModelChanged,
    Panic,
    PlanArrived,
    SetMode,
    SetPlaying,
    SetTempo,
    Snapshot,
    Sound,
    SourceLost,
    Steer,
    TempoMark,
    Voice,
)
from studio.live.partner import steer
from studio.live.planning import Moment, Planning
from studio.live.playback import Playback
from studio.live.transport import LARGE_ERROR_BEATS, Transport

__all__ = ["Conductor", "ConductorConfig"]

MAX_SLACK_S = 0.1
"""Steps that come late widen the dispatch horizon, up to this."""

MARKED_TEMPO_CHANGE = 0.005
"""Tempo changes of an external clock below this share are jitter and not worth a mark."""

_SLACK_MEMORY_S = 10.0  # time constant with which a late step is forgotten


class Conductor:
    """Steps through a performance. Not thread-safe: one owner calls it, with times that never go back.

    The model counts as absent until :class:`~studio.live.messages.ModelChanged` says otherwise.
    After a panic the partner rests until the next key press. After a stop, time goes on at the next
    bar line. A key that is ignored makes no sound: pitches outside 0–127, and presses beyond
    :data:`~studio.live.keys.MAX_PRESSES_A_STEP` in one step.

    Args:
        config: The performance.
        keeps_history: Keep every note, for :meth:`performed`. Otherwise only what the partner reads is kept,
            however long the performance.
    """

    def __init__(self, config: ConductorConfig, *, keeps_history: bool = False) -> None:
        self.config = config
        self._keeps_history = keeps_history
        self._now_s = self._previous_s = self._last_key_s = -math.inf
        self._deadline_s = self._due_s = math.inf
        self._slack_s = 0.0
        self._transport = Transport().with_tempo(0.0, config.bpm)
        self._is_armed = True
        self._next_bar_ticks: int | None = None
        self._mode = config.mode
        note_ids = itertools.count()
        self._keys = Keys(note_ids, config.player_instrument)
        self._playback = Playback(note_ids, keeps_history=keeps_history)
        self._context = Context(config.grid, config.player_instrument, keeps_history=keeps_history)
        self._planning = Planning(config, self._context, self._playback)
        self._player_notes = self._partner_notes = self._in_past = self._ignored_keys = 0
        self._new_keys = 0
        self._is_panic = False
        self._sounds: list[Sound] = []
        self._marks: list[TempoMark] = []
        self._presses: list[HeardNote] = []
        self._releases: list[HeardNote] = []
        self._handlers: dict[type, Callable[[Any], None]] = {
            KeyDown: self._key_down,
            KeyUp: self._key_up,
            ControllerMoved: self._controller,
            SourceLost: self._source_lost,
            PlanArrived: self._plan_arrived,
            ModelChanged: self._model_changed,
            SetTempo: self._set_tempo,
            FollowClock: self._follow_clock,
            SetMode: self._set_mode,
            Steer: self._steer,
            SetPlaying: self._set_playing,
            Panic: self._panic,
        }

    def step(self, now_s: float, inputs: Sequence[Input] = ()) -> Actions:
        """Take inputs in, in the order given, and say what is to be done up to the dispatch horizon.

        Args:
            now_s: Time of the engine's clock; a time before the last step's counts as that.
            inputs: What happened since the last step; its times may lie a little back.

        Returns:
            Sounds in time order (no partner note before ``now_s``), and perhaps a plan request.
        """
        self._begin_step(now_s)
        for item in inputs:
            self._handlers[type(item)](item)
        request = None
        if self._transport.is_running:
            moment = self._moment()
            self._planning.move_frontier(moment)
            self._hear()
            self._planning.account(moment)
            self._sounds += self._planning.give_out(moment)
            request = self._planning.request(moment)
        self._find_due()
        sounds = tuple(sorted(self._sounds, key=lambda sound: sound.time_s))
        ons = [s for s in sounds if s.voice is Voice.PARTNER and s.kind == "on"]
        self._partner_notes += len(ons)
        self._in_past += sum(s.time_s < self._now_s for s in ons)
        return Actions(sounds, request, self._is_panic, tuple(self._marks))

    def finish(self, now_s: float) -> Actions:
        """End every note and stop the transport. A second call has nothing left to end."""
        return self.step(now_s, (SetPlaying(now_s, is_playing=False),))

    def next_due_s(self, now_s: float) -> float:
        """When the next step has something to do if no input comes; infinity when nothing is due.

        Always after ``now_s``, so that an offline loop that steps from due to due gets on.
        """
        return max(self._due_s, now_s + 1e-4)

    @property
    def counts(self) -> LiveCounts:
        """Running figures."""
        planning = self._planning
        return LiveCounts(
            player_notes=self._player_notes,
            partner_notes=self._partner_notes,
            plan_steps=planning.plan_steps,
            planned_steps=planning.planned_steps,
            late_drops=planning.late_notes + self._playback.late_drops,
            scheduled_in_past=self._in_past,
            stale_plans=planning.stale_plans,
            ignored_keys=self._ignored_keys,
            fallback_notes=self._playback.fallback_notes,
        )

    @property
    def stream(self) -> EventStream:
        """The event rows that the model is told, shortened from time to time; read only."""
        return self._context.stream

    def performed(self) -> Events:
        """All that was played, as sorted grid events: bar lines, the player's notes, the partner's.

        ``ticks`` of a player's note is where the model learned of it; the duration of a key still
        down is 0. Partner notes have the durations with which they were really ended.

        Raises:
            ValueError: The conductor was not told to keep its history.
        """
        if not self._keeps_history:
            raise ValueError("a conductor without keeps_history has forgotten what was performed")
        until = max(0, math.ceil(self._transport.ticks_at(self._now_s)))
        return self._context.performed(self._playback.played(), until)

    def snapshot(self, now_s: float) -> Snapshot:
        """What a display may show at ``now_s``."""
        ticks = self._transport.ticks_at(now_s)
        book = self._planning.book
        _, bar_ticks = self._bar(ticks)
        sounding = self._playback.sounding()
        return Snapshot(
            time_s=now_s,
            is_playing=self._transport.is_running,
            mode=self._mode,
            bpm=self._transport.bpm,
            beat=ticks / GRID_PER_BEAT,
            beats_per_bar=bar_ticks / GRID_PER_BEAT,
            held=self._keys.pitches(),
            partner_held=tuple(sorted({note.pitch for note in sounding})),
            committed=(*sounding, *self._playback.queued()),
            ghosts=book.notes,
            commit_ticks=max(0, book.frontier - math.floor(ticks)),
            lookahead_ticks=max(0, book.covered_to(book.frontier) - math.floor(ticks)),
            is_model_ready=self._planning.is_model_ready,
            plan_latency_s=book.latency_s,
            counts=self.counts,
            steering=self._planning.steering,
            feel=self._planning.shaping.feel,
            is_armed=self._is_armed,
        )

    def choose_instrument(self, instrument: int) -> None:
        """Let the player's keys sound as another instrument class; keys already down keep theirs."""
        self._keys.instrument = instrument

    def choose_bars(self, bar_ticks: int) -> None:
        """Bars of another length, from the next start of the transport on."""
        self._next_bar_ticks = bar_ticks

    @property
    def awaits_bars(self) -> bool:
        """Whether bars of another length begin with the next start."""
        return self._next_bar_ticks is not None

    # One step.

    def _begin_step(self, now_s: float) -> None:
        self._previous_s, self._now_s = self._now_s, max(now_s, self._now_s)
        self._sounds, self._marks, self._new_keys, self._is_panic = [], [], 0, False
        late_s = min(max(0.0, self._now_s - self._deadline_s), MAX_SLACK_S)
        passed_s = self._now_s - self._previous_s
        self._slack_s = max(late_s, self._slack_s * math.exp(-passed_s / _SLACK_MEMORY_S))
        if self._is_armed and not self.config.starts_on_key:
            self._start(self._now_s)

    def _moment(self, at_s: float | None = None) -> Moment:
        now_s = self._now_s if at_s is None else at_s
        return Moment(now_s, self._transport, self.config.dispatch_s + self._slack_s, len(self._keys))

    def _hear(self) -> None:
        self._planning.hear(self._presses, self._releases)
        self._presses, self._releases = [], []

    def _find_due(self) -> None:
        self._deadline_s = self._due_s = math.inf
        if self._transport.is_running:
            moment = self._moment()
            self._deadline_s = self._planning.deadline_s(moment)
            self._due_s = min(self._deadline_s, self._planning.renewal_s(moment))

    def _bar(self, tick: float) -> tuple[int, int]:
        start, length = self.config.grid.start_and_length(math.floor(tick))
        return int(start), int(length)

    # The player.

    def _key_time(self, time_s: float) -> float:
        """Time of a key: as stamped, but in order and not in the future."""
        stamped_s = time_s if math.isfinite(time_s) else self._now_s
        self._last_key_s = min(max(stamped_s, self._last_key_s), self._now_s)
        return self._last_key_s

    def _key_down(self, item: KeyDown) -> None:
        if item.velocity <= 0:  # running status: a note-on of velocity 0 is a note-off
            self._key_up(KeyUp(item.time_s, item.pitch, item.source))
            return
        if self._new_keys >= MAX_PRESSES_A_STEP or not 0 <= item.pitch <= 127:
            self._ignored_keys += 1
            return
        at_s = self._key_time(item.time_s)
        self._new_keys += 1
        self._player_notes += 1
        self._planning.shaping.hear(at_s, min(item.velocity, 127))
        if self._is_armed:
            self._start(at_s)
        if self._keys.get(item.pitch):
            self._release(item.pitch, at_s)
        key, sound = self._keys.press(item.pitch, min(item.velocity, 127), item.source, at_s)
        self._sounds.append(sound)
        if self._transport.is_running:
            onset = max(0, round(self._transport.ticks_at(at_s)))
            key.heard = HeardNote(onset, onset, key.pitch, key.velocity)
            self._presses.append(key.heard)
            self._planning.onset(onset)

    def _key_up(self, item: KeyUp) -> None:
        held = self._keys.get(item.pitch)
        if held and held.source == item.source:
            self._release(item.pitch, self._key_time(item.time_s))

    def _release(self, pitch: int, at_s: float) -> None:
        key, sound = self._keys.release(pitch, at_s)
        self._sounds.append(sound)
        if key.heard:
            end = max(key.heard.onset_ticks + 1, round(self._transport.ticks_at(at_s)))
            key.heard.duration_ticks = end - key.heard.onset_ticks
            self._releases.append(key.heard)
            is_long = key.heard.duration_ticks > LONG_NOTE_TICKS
            self._planning.release(end, len(self._keys), is_long=is_long)

    def _release_all(self, source: str | None, time_s: float) -> None:
        at_s = self._key_time(time_s)
        for pitch in self._keys.of_source(source):
            self._release(pitch, at_s)
        self._sounds += self._keys.lift_pedals(source, at_s)

    def _controller(self, item: ControllerMoved) -> None:
        if 0 <= item.number <= 127 and 0 <= item.value <= 127:
            at_s = self._key_time(item.time_s)
            self._sounds.append(self._keys.control(item.number, item.value, item.source, at_s))

    def _source_lost(self, item: SourceLost) -> None:
        self._release_all(item.source, item.time_s)

    # The model.

    def _plan_arrived(self, item: PlanArrived) -> None:
        self._planning.accept(item.plan, self._now_s)

    def _model_changed(self, item: ModelChanged) -> None:
        self._planning.model_changed(is_ready=item.is_ready)

    # Time.

    def _event_s(self, time_s: float) -> float:
        """Time of an event since the last step; an earlier one counts as then, a later one as now."""
        stamped_s = time_s if math.isfinite(time_s) else self._now_s
        return min(max(stamped_s, self._previous_s), self._now_s)

    def _start(self, at_s: float) -> None:
        """Begin at beat 0, or after a stop at the next bar line."""
        frontier = self._planning.book.frontier
        line, length = self._bar(frontier)
        resume = 0 if frontier == 0 else line + (length if line < frontier else 0)
        self._regrid(resume)
        self._transport = self._transport.start(at_s, resume / GRID_PER_BEAT)
        self._is_armed = False
        self._enter(at_s)
        self._planning.set_mode(self._mode)

    def _regrid(self, tick: int) -> None:
        """Take up the time signature that was asked for, at a bar line."""
        bar_ticks, self._next_bar_ticks = self._next_bar_ticks, None
        if bar_ticks is not None and bar_ticks != self._bar(tick)[1]:
            before = (change for change in self.config.grid.changes if change[0] < tick)
            grid = BarGrid((*before, (tick, bar_ticks)))
            self.config = replace(self.config, grid=grid)
            self._planning.regrid(grid, tick)

    def _enter(self, at_s: float) -> None:
        self._mark(at_s)
        self._planning.enter(self._moment(at_s))

    def _mark(self, at_s: float) -> None:
        if self._transport.is_running:
            self._marks.append(TempoMark(at_s, self._transport.beat_at(at_s), self._transport.bpm))

    def _set_tempo(self, item: SetTempo) -> None:
        if math.isfinite(item.bpm):
            at_s = self._event_s(item.time_s)
            self._transport = self._transport.with_tempo(at_s, item.bpm)
            self._mark(at_s)

    def _follow_clock(self, item: FollowClock) -> None:
        is_standing = not (self._transport.is_running or self._is_armed)
        if is_standing or not (math.isfinite(item.bpm) and math.isfinite(item.beat)):
            return
        at_s = self._event_s(item.time_s)
        if self._is_armed:
            self._start(at_s)
        start, length = self._bar(self._transport.ticks_at(at_s))
        bar_beats = length / GRID_PER_BEAT
        error = self._transport.phase_error(at_s, item.beat, start / GRID_PER_BEAT, bar_beats)
        old_bpm = self._transport.bpm
        self._transport = self._transport.follow(at_s, item.bpm, error, bar_beats)
        if abs(error) > LARGE_ERROR_BEATS:
            self._enter(at_s)
        elif abs(self._transport.bpm - old_bpm) > MARKED_TEMPO_CHANGE * old_bpm:
            self._mark(at_s)

    # The desk.

    def _set_mode(self, item: SetMode) -> None:
        self._sounds += self._planning.silence(self._moment())
        self._mode = item.mode
        self._planning.set_mode(item.mode)

    def _steer(self, item: Steer) -> None:
        if item.target in FEEL_TARGETS:
            self._planning.steer_feel(item.target, item.value, self._moment())
            return
        steering = steer(self._planning.steering, item.target, item.value)
        self._planning.wants_plan |= steering != self._planning.steering
        self._planning.steering = steering

    def _set_playing(self, item: SetPlaying) -> None:
        if item.is_playing:
            self._play(self._event_s(item.time_s))
            return
        self._release_all(None, self._now_s)
        self._hear()
        self._sounds += self._planning.silence(self._moment())
        self._transport = self._transport.stop(self._now_s)
        self._is_armed = False

    def _play(self, at_s: float) -> None:
        """Start, or wait for the first key where the set-up says so; asked twice, start all the same."""
        if self._transport.is_running:
            return
        if self.config.starts_on_key and not self._is_armed:
            self._is_armed = True
        else:
            self._start(at_s)

    def _panic(self, item: Panic) -> None:
        self._is_panic = True
        self._release_all(None, item.time_s)
        self._sounds += self._planning.silence(self._moment())
        self._planning.policy.rest()
