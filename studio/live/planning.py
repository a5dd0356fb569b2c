"""The partner's side of a performance: what is settled, what is asked for, what is played. Pure.

The commit frontier runs ahead of now by the commit window. It stands still while a reply that fits it
is under way, moves on over the old plan when the reply is late, and never passes the end of what is
planned: where no plan covers a 16th that falls due, the rules play, or nobody.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np

from midi.events import GRID_PER_BEAT, BarGrid
from models.sequence.plan import Plan, PlannedNote, PlanRequest, Steering
from studio.live.config import ConductorConfig
from studio.live.context import KEPT_HEARD, Context, HeardNote
from studio.live.fallback import rule_notes
from studio.live.feel import Shaping
from studio.live.messages import Mode, Sound
from studio.live.partner import FOREVER, POLICIES, Policy, Span
from studio.live.planbook import PlanBook
from studio.live.playback import Playback
from studio.live.transport import Transport

STEP_TICKS = GRID_PER_BEAT // 4
"""A 16th: the unit in which plans are counted as there or missing."""

REPLY_S = 0.01
"""Seconds that a plan takes from the model to the conductor, at most, on a machine that is not overloaded."""

_EPS = 1e-6  # ticks; float noise must not decide about a whole tick


@dataclass(frozen=True, slots=True)
class Moment:
    """Now, and how far ahead sounds are given out."""

    now_s: float
    transport: Transport
    horizon_s: float
    held: int = 0

    @property
    def ticks(self) -> float:
        """Fractional grid tick of now."""
        return self.transport.ticks_at(self.now_s)

    @property
    def tick_s(self) -> float:
        """Length of a grid tick."""
        return 60.0 / (self.transport.bpm * GRID_PER_BEAT)

    @property
    def horizon_ticks(self) -> float:
        """Fractional grid tick up to which sounds are given out."""
        return self.transport.ticks_at(self.now_s + self.horizon_s)


class Planning:
    """Owns the frontier and everything on either side of it. Steps are made by the conductor.

    Args:
        config: The performance.
        context: What the model is told.
        playback: Where settled notes go.

    Attributes:
        steering: How the partner is asked to play.
        shaping: How its notes are given out.
        wants_plan: Something was heard or changed: ask at the end of this step.
        is_model_ready: Whether requests are answered.
        plan_steps: 16ths at which a plan was needed.
        planned_steps: Those at which one was there.
        late_notes: Planned notes that came too late.
        stale_plans: Plans older than one already received.
    """

    def __init__(self, config: ConductorConfig, context: Context, playback: Playback) -> None:
        self.config = config
        self.context = context
        self.playback = playback
        self.book = PlanBook()
        self.steering: Steering = config.steering
        self.shaping = Shaping(config.feel, config.seed)
        self.wants_plan = False
        self.is_model_ready = False
        self.plan_steps = self.planned_steps = self.late_notes = self.stale_plans = 0
        self.policy: Policy = POLICIES[config.mode](config.grid)
        self._span: Span | None = None
        self._next_step = 0
        self._number = 0

    # What happens.

    def enter(self, moment: Moment) -> None:
        """Musical time begins or jumps: open a fresh commit window there."""
        self.book.drop()
        self._settle(math.floor(moment.ticks + self._commit_ticks(moment) + _EPS), moment)
        self._next_step = math.ceil(moment.ticks / STEP_TICKS - _EPS)

    def set_mode(self, mode: Mode) -> None:
        """Begin anew with another policy, from the frontier on."""
        self.policy = POLICIES[mode](self.config.grid, self.book.frontier)

    def onset(self, tick: int) -> None:
        """The player pressed a key."""
        before = self.policy.span
        self.policy.onset(tick, self.book.frontier)
        after = self.policy.span
        if before and after and after.until_tick < before.until_tick:  # the partner yields
            self.book.drop()
            self.playback.cut(self.book.frontier)
        self.wants_plan |= self.steering.hears_human

    def release(self, tick: int, held: int, *, is_long: bool) -> None:
        """The player released a key; only releases of long notes are news to the model."""
        self.policy.release(tick, self.book.frontier, held)
        self.wants_plan |= is_long and self.steering.hears_human

    def hear(self, presses: list[HeardNote], releases: list[HeardNote]) -> None:
        """Tell the stream what the player did, as of the frontier."""
        self.context.hear(self.book.frontier, presses, releases)

    def accept(self, plan: Plan, now_s: float) -> None:
        """Take a plan in, as far as it is of use."""
        verdict = self.book.accept(plan, now_s)
        self.stale_plans += verdict.is_stale
        self.late_notes += verdict.late_notes

    def model_changed(self, *, is_ready: bool) -> None:
        """The model came or went; what was asked before is not answered any more."""
        self.is_model_ready = self.wants_plan = is_ready
        self.book.forget_requests()

    def silence(self, moment: Moment) -> list[Sound]:
        """End the partner's notes and take back what is settled but not yet given out."""
        sounds, forgotten = self.playback.clear(moment.now_s, moment.ticks)
        self.context.forget(forgotten)
        self.book.drop()
        return sounds

    # One step.

    def move_frontier(self, moment: Moment) -> None:
        """Settle what the passing of time settles."""
        tick = math.floor(moment.ticks)
        span = self.policy.update(tick, self.book.frontier, moment.held, moment.transport.bpm)
        if (span and span.from_tick) != (self._span and self._span.from_tick):
            self.book.drop()
        self._span = span
        target = math.floor(moment.ticks + self._commit_ticks(moment) + _EPS)
        asked = self.book.in_flight
        if asked:  # stand still, so that the reply fits seamlessly, as long as that is possible
            least = math.ceil(moment.ticks + self._min_commit(moment) - _EPS)
            target = min(target, max(asked.from_tick, least))
        self._settle(min(target, self._limit()), moment)

    def account(self, moment: Moment) -> None:
        """Count the 16ths that fall due, and fill those that no plan covers."""
        horizon = moment.horizon_ticks + _EPS
        while self._next_step * STEP_TICKS <= horizon:
            start = self._next_step * STEP_TICKS
            end = start + STEP_TICKS
            self._next_step += 1
            if self._span is None or not self._span.contains(start):
                continue
            self.plan_steps += 1
            needed = min(end, self._span.until_tick)
            if self.book.covered_to(max(start, self.book.frontier)) >= needed:
                self.planned_steps += 1
            else:
                self._fill(end, moment)

    def request(self, moment: Moment) -> PlanRequest | None:
        """A request when something was heard or the plan runs out."""
        wants, self.wants_plan = self.wants_plan, False
        span, book = self._span, self.book
        if not self.is_model_ready or span is None or book.frontier >= span.until_tick:
            return None
        if not (wants or self._needs_refill(span)):
            return None
        # The reply will come after the usual latency: ask for what is still open then.
        usable_s = moment.now_s + min(book.expected_latency_s, self._lookahead() * moment.tick_s)
        usable = math.ceil(moment.transport.ticks_at(usable_s) + self._min_commit(moment) - _EPS)
        self._settle(min(usable, self._limit()), moment)
        # Where nothing is planned until then, whole 16ths are left to the rules.
        from_tick = max(book.frontier, usable // STEP_TICKS * STEP_TICKS, span.from_tick)
        self.context.relate(self.policy.interplay, self.steering.instruments)
        rows, context_tick = self.context.rows(from_tick, hears_human=self.steering.hears_human)
        self._number += 1
        request = PlanRequest(
            number=self._number,
            context=rows,
            context_tick=context_tick,
            from_tick=from_tick,
            until_tick=from_tick + self._lookahead(),
            human_from_tick=math.ceil(moment.ticks - _EPS),
            grid=self.config.grid,
            steering=self.shaping.placed(self.steering),
            seed=_seed(self.config.seed, self._number),
            alternatives=self.config.alternatives,
            spare_s=self._spare_s(from_tick, moment),
        )
        book.requested(request, moment.now_s)
        return request

    def _spare_s(self, from_tick: int, moment: Moment) -> float:
        """Seconds until a reply must be here for the frontier to wait for it."""
        due_s = moment.transport.seconds_at(from_tick - self._min_commit(moment))
        return max(0.0, due_s - REPLY_S - moment.now_s)

    def deadline_s(self, moment: Moment) -> float:
        """When the next sound or 16th falls due."""
        step_s = moment.transport.seconds_at(self._next_step * STEP_TICKS)
        tick = self.playback.next_tick()
        sound_s = math.inf if tick is None else self.shaping.timing(moment.transport.seconds_at)(tick)
        return min(step_s, sound_s) - moment.horizon_s

    def give_out(self, moment: Moment) -> list[Sound]:
        """Sounds that fall due up to the dispatch horizon, with the feel that is asked for."""
        timing = self.shaping.timing(moment.transport.seconds_at)
        return self.shaping.shape(self.playback.due(moment.now_s, moment.horizon_s, timing))

    def steer_feel(self, target: str, value: object, moment: Moment) -> None:
        """Change how notes are given out; another register is another plan."""
        before = self.shaping.feel.register
        self.shaping.steer(target, value, moment.horizon_ticks)
        self.wants_plan |= self.shaping.feel.register != before

    def regrid(self, grid: BarGrid, tick: int) -> None:
        """Other bar lines from ``tick`` on, where nothing is settled yet."""
        self.config = replace(self.config, grid=grid)
        self.context.regrid(grid, tick)

    def renewal_s(self, moment: Moment) -> float:
        """When the plan must be renewed if nothing is heard before; infinity when that is not in sight."""
        if not self.is_model_ready or self._span is None:
            return math.inf
        renew = self.book.asked_to() - self._lookahead() + STEP_TICKS + 1 - self._commit_ticks(moment)
        renew_s = moment.transport.seconds_at(renew)
        return renew_s if renew_s > moment.now_s else math.inf

    # Parts of a step.

    def _min_commit(self, moment: Moment) -> int:
        """The smallest commit window: what is about to be given out must be settled."""
        return max(self.config.min_commit_ticks, math.ceil(moment.horizon_ticks - moment.ticks) + 1)

    def _commit_ticks(self, moment: Moment) -> float:
        return max(self.config.commit_beats * GRID_PER_BEAT, self._min_commit(moment))

    def _lookahead(self) -> int:
        return max(STEP_TICKS, round(self.config.lookahead_beats * GRID_PER_BEAT))

    def _limit(self) -> int:
        """How far the frontier may go: to the end of what is planned, where a plan is needed."""
        frontier, span = self.book.frontier, self._span
        if span is None or frontier >= span.until_tick:
            return FOREVER
        reach = self.book.covered_to(max(frontier, span.from_tick))
        return FOREVER if reach >= span.until_tick else reach

    def _needs_refill(self, span: Span) -> bool:
        asked = self.book.asked_to()
        start = max(self.book.frontier, span.from_tick)
        return asked - start < self._lookahead() - STEP_TICKS and asked < span.until_tick

    def _settle(self, tick: int, moment: Moment, rules: tuple[PlannedNote, ...] = ()) -> None:
        """Fix everything before ``tick``: the planned notes and, as fallback, those of the rules."""
        planned = self._at_level(self.book.settle(tick))
        filled = self._at_level(rules)
        for notes, is_fallback in ((planned, False), (filled, True)):
            moved = self.shaping.loosened(notes, moment.tick_s)
            self.playback.commit(notes, moved, is_fallback=is_fallback)
        self.context.stream.advance(self.book.frontier)
        self.context.settle((*planned, *filled))

    def _at_level(self, notes: tuple[PlannedNote, ...]) -> list[PlannedNote]:
        """Notes where the partner may play, as loud as the mode lets it."""
        heard = []
        for note in notes:
            level = self.policy.level(note.onset_ticks)
            if level > 0.0 and self._span and self._span.contains(note.onset_ticks):
                heard.append(replace(note, velocity=max(1, round(note.velocity * level))))
        return heard

    def _fill(self, end: int, moment: Moment) -> None:
        """Settle up to ``end`` without a plan; what lies in the past stays silent."""
        self._settle(min(end, self.book.covered_to(self.book.frontier)), moment)
        notes: tuple[PlannedNote, ...] = ()
        is_over = moment.transport.seconds_at(end) < moment.now_s
        if self.config.fallback == "rules" and self.policy.plays_without_model and not is_over:
            heard = self.context.heard_events(KEPT_HEARD)
            until = self.book.gap_end(self.book.frontier, end)
            steering = self.shaping.placed(self.steering)
            notes = rule_notes(heard, self.config.grid, self.book.frontier, until, steering)
        self._settle(end, moment, notes)


def _seed(seed: int, number: int) -> int:
    """Seed of a request: far apart for neighbouring numbers and performances."""
    sequence = np.random.SeedSequence([seed & 0xFFFF_FFFF_FFFF_FFFF, number])
    return int(sequence.generate_state(1, np.uint32)[0])
