"""The models of the desk: which one plays, and which one is being loaded beside it.

Choosing another starts it in a process of its own. The one before goes on playing until the new one is ready,
and for good when the new one is refused.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress

from midi.errors import UserError
from models.sequence.plan import PlanRequest
from studio.live.messages import Input
from studio.live.planner import ModelHealth, ModelState, NoPlanner, Planner, PlannerLike, PlannerSpec

RULES = "none"
"""Name of the partner that is no model."""

Tell = Callable[[str, str], None]
StartPlanner = Callable[[str | None, str], Planner]


def start_planner(model: str | None, device: str) -> Planner:
    """A planner process for a bundle; no process for the rules. None is the current partner."""
    if model == RULES:
        return NoPlanner()
    from studio.live.worker import ModelProcess  # noqa: PLC0415 - only who starts processes needs them

    return ModelProcess(PlannerSpec("studio.live.deskmodel:load_planner", (model, device)))


def load_planner(model: str | None, device: str) -> PlannerLike:
    """What the model process runs.

    Raises:
        UserError: There is no such bundle, or none at all.
    """
    from studio.partners import load_partner  # noqa: PLC0415 - loads what only the model's process needs

    partner = load_partner(model, device, is_live=True)
    if partner.planner is None:
        raise UserError(
            "No partner is installed, so the partner plays by rules.", "`make train-starters` trains one."
        )
    return partner.planner


class StartingPlanner:
    """Stands in until the first model process has been started; answers nothing."""

    def submit(self, request: PlanRequest) -> None:
        """Drop the request."""

    def poll(self, now_s: float) -> list[Input]:  # noqa: ARG002 - the protocol's signature
        """Nothing has happened."""
        return []

    def health(self) -> ModelHealth:
        """Starting."""
        return ModelHealth(ModelState.STARTING)

    def close(self) -> None:
        """Nothing to end."""


class ModelShelf:
    """The model that plays and the one being loaded. Belongs to the desk's own thread.

    Args:
        first: The model that plays already.
        name: What was asked for.
        swap: Lets the engine plan with another model; the one before is nobody's then.
        tell: Takes a sentence and a hint for the person.
        start: Starts a model.

    Attributes:
        wanted: What was asked for last; None for the current partner.
    """

    def __init__(
        self,
        first: Planner,
        name: str | None,
        *,
        swap: Callable[[Planner], None],
        tell: Tell,
        start: Callable[[str | None], Planner],
    ) -> None:
        self.playing = first
        self.wanted = name
        self._swap, self._tell, self._start = swap, tell, start
        self._next: tuple[str | None, Planner] | None = None
        self._old: list[Planner] = []
        self._said = ""

    def choose(self, name: str | None) -> None:
        """Load another model; one that was still being loaded is dropped."""
        self._drop_next()
        planner = self._start(name)
        if planner.health().state is ModelState.CLOSED:  # the rules need no loading
            self._play(name, planner)
            return
        self._next = (name, planner)

    def begin(self, name: str | None) -> None:
        """The first model: it plays from the start, whatever becomes of it."""
        self._play(name, self._start(name))

    def poll(self) -> None:
        """Look how they are."""
        self._close_old()
        health = self.playing.health()
        if health.sentence and health.sentence != self._said and health.state is not ModelState.CLOSED:
            self._tell(health.sentence, health.hint)
        self._said = health.sentence
        if self._next is None:
            return
        name, planner = self._next
        state = planner.health().state
        if state is ModelState.READY:
            self._next = None
            self._play(name, planner)
        elif state in {ModelState.REFUSED, ModelState.CLOSED}:
            told = planner.health()
            sentence = told.sentence or f"The model {name} does not start."
            self._drop_next()
            self._tell(sentence, told.hint or "The partner before plays on.")

    def name(self) -> str:
        """What plays: ``name@version`` once it is known."""
        health = self.playing.health()
        if health.state is ModelState.CLOSED or self.wanted == RULES:
            return RULES
        return health.name or self.wanted or ""

    def loading(self) -> str:
        """What is being loaded; empty for nothing."""
        coming = self._next
        if coming is not None:
            return coming[0] or "partner"
        return (self.wanted or "partner") if self.playing.health().state is ModelState.STARTING else ""

    def close(self) -> None:
        """End every model."""
        self._drop_next()
        self._old.append(self.playing)
        self._close_old()

    def _play(self, name: str | None, planner: Planner) -> None:
        self._old.append(self.playing)
        self.playing, self.wanted, self._said = planner, name, ""
        self._swap(planner)

    def _drop_next(self) -> None:
        if self._next is not None:
            self._next[1].close()
            self._next = None

    def _close_old(self) -> None:
        while self._old:
            with suppress(Exception):  # whatever an old model does, the new one plays
                self._old.pop().close()
