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
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal

import numpy as np

from midi.events import GRID_PER_BEAT, LONG_NOTE_TICKS, BarGrid, Events, EventStream
from models.sequence.plan import PlannedNote, PlanRequest, Steering
from studio.live.context import Context, HeardNote
from studio.live.fallback import rule_notes
from studio.live.keys import MAX_PRESSES_A_STEP, Keys
from studio.live.messages import (
    Actions,
    ControllerMoved,
    FollowClock,
    Input,
    KeyDown,
    KeyUp,
    LiveCounts,
    Mode,
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
from studio.live.partner import FOREVER, POLICIES, Span, steer
from studio.live.planbook import PlanBook
from studio.live.playback import Playback
from studio.live.transport import LARGE_ERROR_BEATS, Transport

STEP_TICKS = GRID_PER_BEAT // 4
"""A 16th: the unit in which plans are counted as there or missing."""

MAX_SLACK_S = 0.1
"""Steps that come late widen the dispatch horizon, up to this."""

MARKED_TEMPO_CHANGE = 0.005
"""Tempo changes of an external clock below this share are jitter and not worth a mark."""

_SLACK_MEMORY_S = 10.0  # time constant with which a late step is forgotten
_EPS = 1e-6  # ticks; float noise must not decide about a whole tick
_HEARD_FOR_RULES = 256


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
        seed: Requests derive theirs from it.
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
    seed: int = 0
    starts_on_key: bool = True
    fallback: Literal["rules", "silence"] = "rules"
    player_instrument: int = 0


class Conductor:
    """Steps through a performance. Not thread-safe: one owner calls it, with times that never go back.

    The model counts as absent until :class:`~studio.live.messages.ModelChanged` says otherwise.
    """

    def __init__(self, config: ConductorConfig) -> None:
        self.config = config
        self._now_s = -math.inf
        self._previous_s = -math.inf
        self._last_key_s = -math.inf
        self._deadline_s = math.inf
        self._due_s = math.inf
        self._slack_s = 0.0
        self._transport = Transport().with_tempo(0.0, config.bpm)
        self._is_armed = True
        note_ids = itertools.count()
        self._keys = Keys(note_ids, config.player_instrument)
        self._playback = Playback(note_ids)
        self._context = Context(config.grid, config.player_instrument)
        self._book = PlanBook()
        self._mode = config.mode
        self._policy = POLICIES[config.mode](config.grid)
        self._steering = config.steering
        self._span: Span | None = None
        self._next_step = 0
        self._number = 0
        self._wants_plan = False
        self._is_model_ready = False
        self._tally: Counter[str] = Counter()
        self._sounds: list[Sound] = []
        self._marks: list[TempoMark] = []
        self._new_keys = 0
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
            self._move_frontier()
            self._hear()
            self._account_steps()
            horizon_s = self._horizon_s()
            self._sounds += self._playback.due(self._now_s, horizon_s, self._transport.seconds_at)
            request = self._request()
        self._find_due()
        return self._end_step(request, is_panic=any(isinstance(item, Panic) for item in inputs))

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
        late = self._tally["late_drops"] + self._playback.late_drops
        rules = self._playback.fallback_notes
        return LiveCounts(**{**self._tally, "late_drops": late, "fallback_notes": rules})

    @property
    def stream(self) -> EventStream:
        """The event rows that the model is told, shortened from time to time; read only."""
        return self._context.stream

    def performed(self) -> Events:
        """All that was played, as sorted grid events: bar lines, the player's notes, the partner's.

        ``ticks`` of a player's note is where the model learned of it; the duration of a key still
        down is 0. Partner notes have the durations with which they were really ended.
        """
        until = max(0, math.ceil(self._transport.ticks_at(self._now_s)))
        return self._context.performed(self._playback.played(), until)

    def snapshot(self, now_s: float) -> Snapshot:
        """What a display may show at ``now_s``."""
        ticks = self._transport.ticks_at(now_s)
        _, bar_ticks = self._policy.bar(math.floor(ticks))
        reach = self._book.covered_to(self._book.frontier)
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
            ghosts=self._book.notes,
            commit_ticks=max(0, self._book.frontier - math.floor(ticks)),
            lookahead_ticks=max(0, reach - math.floor(ticks)),
            is_model_ready=self._is_model_ready,
            plan_latency_s=self._book.latency_s,
            counts=self.counts,
        )

    # One step.

    def _begin_step(self, now_s: float) -> None:
        self._previous_s, self._now_s = self._now_s, max(now_s, self._now_s)
        self._sounds, self._marks, self._new_keys = [], [], 0
        late_s = min(max(0.0, self._now_s - self._deadline_s), MAX_SLACK_S)
        passed_s = min(self._now_s - self._previous_s, 1e6)
        self._slack_s = max(late_s, self._slack_s * math.exp(-passed_s / _SLACK_MEMORY_S))
        if self._is_armed and not self.config.starts_on_key:
            self._start(self._now_s)

    def _end_step(self, request: PlanRequest | None, *, is_panic: bool) -> Actions:
        sounds = tuple(sorted(self._sounds, key=lambda sound: sound.time_s))
        ons = [s for s in sounds if s.voice is Voice.PARTNER and s.kind == "on"]
        self._tally["partner_notes"] += len(ons)
        self._tally["scheduled_in_past"] += sum(s.time_s < self._now_s for s in ons)
        return Actions(sounds, request, is_panic, tuple(self._marks))

    def _horizon_s(self) -> float:
        return self.config.dispatch_s + self._slack_s

    def _ticks(self) -> float:
        return self._transport.ticks_at(self._now_s)

    def _min_commit(self) -> int:
        """The smallest commit window: what is about to be given out must be settled."""
        horizon = self._transport.ticks_at(self._now_s + self._horizon_s()) - self._ticks()
        return max(self.config.min_commit_ticks, math.ceil(horizon) + 1)

    def _commit_ticks(self) -> float:
        return max(self.config.commit_beats * GRID_PER_BEAT, self._min_commit())

    def _move_frontier(self) -> None:
        now = self._ticks()
        span = self._policy.update(math.floor(now), self._book.frontier, len(self._keys), self._transport.bpm)
        if (span and span.from_tick) != (self._span and self._span.from_tick):
            self._book.drop()
        self._span = span
        target = math.floor(now + self._commit_ticks() + _EPS)
        asked = self._book.in_flight
        if asked:  # hold still, so that the reply fits seamlessly, as long as that is possible
            target = min(target, max(asked.from_tick, math.ceil(now + self._min_commit() - _EPS)))
        self._settle(min(target, self._limit()))

    def _limit(self) -> int:
        """How far the frontier may go: to the end of what is planned, where a plan is needed."""
        frontier, span = self._book.frontier, self._span
        if span is None or frontier >= span.until_tick:
            return FOREVER
        reach = self._book.covered_to(max(frontier, span.from_tick))
        return FOREVER if reach >= span.until_tick else reach

    def _settle(self, tick: int, extra: tuple[PlannedNote, ...] = ()) -> None:
        """Fix everything before ``tick``: the planned notes and, as fallback, ``extra``."""
        planned = self._at_level(self._book.settle(tick))
        rules = self._at_level(extra)
        self._playback.commit(planned)
        self._playback.commit(rules, is_fallback=True)
        self._context.stream.advance(self._book.frontier)
        self._context.settle((*planned, *rules))

    def _at_level(self, notes: tuple[PlannedNote, ...]) -> list[PlannedNote]:
        """Notes where the partner may play, as loud as the mode lets it."""
        heard = []
        for note in notes:
            level = self._policy.level(note.onset_ticks)
            if level > 0.0 and self._span and self._span.contains(note.onset_ticks):
                heard.append(replace(note, velocity=max(1, round(note.velocity * level))))
        return heard

    def _hear(self) -> None:
        self._context.hear(self._book.frontier, self._presses, self._releases)
        self._presses, self._releases = [], []

    def _account_steps(self) -> None:
        """Count the 16ths that fall due, and fill those that no plan covers."""
        horizon = self._transport.ticks_at(self._now_s + self._horizon_s()) + _EPS
        while self._next_step * STEP_TICKS <= horizon:
            start = self._next_step * STEP_TICKS
            end = start + STEP_TICKS
            self._next_step += 1
            if self._span is None or not self._span.contains(start):
                continue
            self._tally["plan_steps"] += 1
            needed = min(end, self._span.until_tick)
            if self._book.covered_to(max(start, self._book.frontier)) >= needed:
                self._tally["planned_steps"] += 1
            else:
                self._fill(end)

    def _fill(self, end: int) -> None:
        """Settle up to ``end`` without a plan."""
        self._settle(min(end, self._book.covered_to(self._book.frontier)))
        is_over = self._transport.seconds_at(end) < self._now_s
        notes: tuple[PlannedNote, ...] = ()
        if self.config.fallback == "rules" and self._policy.plays_without_model and not is_over:
            heard = self._context.heard_events(_HEARD_FOR_RULES)
            notes = rule_notes(heard, self.config.grid, self._book.frontier, end, self._steering)
        self._settle(end, notes)

    def _request(self) -> PlanRequest | None:
        """A request when something was heard or the plan runs out."""
        wants, self._wants_plan = self._wants_plan, False
        span, book = self._span, self._book
        if not self._is_model_ready or span is None or book.frontier >= span.until_tick:
            return None
        if not (wants or self._needs_refill(span)):
            return None
        # The reply will come after the usual latency: ask for what is still open then.
        usable = self._now_s + min(book.expected_latency_s, self._lookahead() * self._tick_s())
        usable_tick = math.ceil(self._transport.ticks_at(usable) + self._min_commit() - _EPS)
        self._settle(min(usable_tick, self._limit()))
        from_tick = max(book.frontier, usable_tick, span.from_tick)
        rows, context_tick = self._context.rows(from_tick, hears_human=self._steering.hears_human)
        self._number += 1
        request = PlanRequest(
            number=self._number,
            context=rows,
            context_tick=context_tick,
            from_tick=from_tick,
            until_tick=from_tick + self._lookahead(),
            human_from_tick=math.ceil(self._ticks() - _EPS),
            grid=self.config.grid,
            steering=self._steering,
            seed=_seed(self.config.seed, self._number),
        )
        book.requested(request, self._now_s)
        return request

    def _needs_refill(self, span: Span) -> bool:
        asked = self._book.asked_to()
        start = max(self._book.frontier, span.from_tick)
        return asked - start < self._lookahead() - STEP_TICKS and asked < span.until_tick

    def _lookahead(self) -> int:
        return max(STEP_TICKS, round(self.config.lookahead_beats * GRID_PER_BEAT))

    def _tick_s(self) -> float:
        return 60.0 / (self._transport.bpm * GRID_PER_BEAT)

    def _find_due(self) -> None:
        """When the next sound or 16th falls due, and when the plan must be renewed."""
        self._deadline_s = self._due_s = math.inf
        if not self._transport.is_running:
            return
        sound = self._playback.next_tick()
        tick = self._next_step * STEP_TICKS if sound is None else min(sound, self._next_step * STEP_TICKS)
        self._deadline_s = self._due_s = self._transport.seconds_at(tick) - self._horizon_s()
        if self._is_model_ready and self._span:
            renew = self._book.asked_to() - self._lookahead() + STEP_TICKS + 1 - self._commit_ticks()
            renew_s = self._transport.seconds_at(renew)
            if renew_s > self._now_s:
                self._due_s = min(self._due_s, renew_s)

    # The player.

    def _key_time(self, time_s: float) -> float:
        """Time of a key: as stamped, but in order and not in the future."""
        self._last_key_s = min(max(time_s, self._last_key_s), self._now_s)
        return self._last_key_s

    def _key_down(self, item: KeyDown) -> None:
        if item.velocity <= 0:
            self._key_up(KeyUp(item.time_s, item.pitch, item.source))
            return
        if self._new_keys >= MAX_PRESSES_A_STEP or not 0 <= item.pitch <= 127:
            self._tally["ignored_keys"] += 1
            return
        at_s = self._key_time(item.time_s)
        self._new_keys += 1
        self._tally["player_notes"] += 1
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
            self._heard_onset(onset)

    def _heard_onset(self, onset: int) -> None:
        before = self._policy.span
        self._policy.onset(onset, self._book.frontier)
        after = self._policy.span
        if before and after and after.until_tick < before.until_tick:  # the partner yields
            self._book.drop()
            self._playback.cut(self._book.frontier)
        self._wants_plan |= self._steering.hears_human

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
            self._policy.release(end, self._book.frontier, len(self._keys))
            is_news = key.heard.duration_ticks > LONG_NOTE_TICKS
            self._wants_plan |= is_news and self._steering.hears_human

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
        verdict = self._book.accept(item.plan, self._now_s)
        self._tally["stale_plans"] += verdict.is_stale
        self._tally["late_drops"] += verdict.late_notes

    def _model_changed(self, item: ModelChanged) -> None:
        self._is_model_ready = item.is_ready
        self._book.forget_requests()
        self._wants_plan = item.is_ready

    # Time.

    def _event_s(self, time_s: float) -> float:
        """Time of an event since the last step; anything else is taken as now or as the last step."""
        return min(max(time_s, self._previous_s), self._now_s) if math.isfinite(time_s) else self._now_s

    def _start(self, at_s: float) -> None:
        """Begin at beat 0, or after a stop at the next bar line."""
        frontier = self._book.frontier
        tick, length = self._policy.bar(frontier)
        resume = 0 if frontier == 0 else tick + (length if tick < frontier else 0)
        self._transport = self._transport.start(at_s, resume / GRID_PER_BEAT)
        self._is_armed = False
        self._enter(at_s)
        self._policy = POLICIES[self._mode](self.config.grid, self._book.frontier)

    def _enter(self, at_s: float) -> None:
        """Musical time begins or jumps: open a fresh commit window there."""
        now = self._transport.ticks_at(at_s)
        self._mark(at_s)
        self._book.drop()
        self._settle(max(self._book.frontier, math.floor(now + self._commit_ticks() + _EPS)))
        self._next_step = math.ceil(now / STEP_TICKS - _EPS)

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
        start, length = self._policy.bar(math.floor(self._transport.ticks_at(at_s)))
        bar_beats = length / GRID_PER_BEAT
        error = self._transport.phase_error(at_s, item.beat, start / GRID_PER_BEAT, bar_beats)
        old_bpm = self._transport.bpm
        self._transport = self._transport.follow(at_s, item.bpm, error, bar_beats)
        if abs(error) > LARGE_ERROR_BEATS:
            self._enter(at_s)
        elif abs(self._transport.bpm - old_bpm) > MARKED_TEMPO_CHANGE * old_bpm:
            self._mark(at_s)

    # The desk.

    def _silence_partner(self) -> None:
        """End the partner's notes and take back what is settled but not yet given out."""
        sounds, forgotten = self._playback.clear(self._now_s, self._ticks())
        self._sounds += sounds
        self._context.forget(forgotten)
        self._book.drop()

    def _set_mode(self, item: SetMode) -> None:
        self._silence_partner()
        self._mode = item.mode
        self._policy = POLICIES[item.mode](self.config.grid, self._book.frontier)

    def _steer(self, item: Steer) -> None:
        steering = steer(self._steering, item.target, item.value)
        self._wants_plan |= steering != self._steering
        self._steering = steering

    def _set_playing(self, item: SetPlaying) -> None:
        if item.is_playing:
            if not self._transport.is_running and (self._is_armed or not self.config.starts_on_key):
                self._start(self._event_s(item.time_s))
            self._is_armed = not self._transport.is_running
            return
        self._release_all(None, self._now_s)
        self._hear()
        self._silence_partner()
        self._transport = self._transport.stop(self._now_s)
        self._is_armed = False

    def _panic(self, item: Panic) -> None:
        self._release_all(None, item.time_s)
        self._silence_partner()
        self._policy.rest()


def _seed(seed: int, number: int) -> int:
    """Seed of a request: far apart for neighbouring numbers and performances."""
    sequence = np.random.SeedSequence([seed & 0xFFFF_FFFF_FFFF_FFFF, number])
    return int(sequence.generate_state(1, np.uint32)[0])
