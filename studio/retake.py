"""Try again from here: the player's part as it was, the partner's anew from a bar on.

The player of a take plays again, key by key, into a conductor on a manual clock. Up to the bar the partner's
plans are what the take has, so that the model knows what was played; from there on the model answers, with
another seed. The new take holds the player's part and the partner's notes before the bar exactly as they
were: those lines are copied, not played again.
"""

from __future__ import annotations

import itertools
import random
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any

from midi.errors import UserError
from midi.files import write_bytes
from models.sequence.parts import part_names
from models.sequence.plan import Steering
from studio import settings
from studio.live.conductor import Conductor, ConductorConfig
from studio.live.feel import Feel, steer_feel
from studio.live.messages import Actions, Mode, Panic, SetMode, Sound, Steer, Voice
from studio.live.offline import play_offline
from studio.live.partner import steer
from studio.live.planner import NoPlanner, Planner, PlannerLike
from studio.live.session import new_session_folder
from studio.live.take import TAKE_NAME, Take, event_lines, header_line, load_take
from studio.replay import MusicalTime, Remembering, grid_of, ons, partner_notes, player_inputs
from studio.takefacts import bar_ticks
from studio.terminal import Progress

NEAR_S = 1e-6
"""A note this little before the bar line stands on it: float noise of tick times."""


def bar_start_s(take: Take, bar: int) -> float:
    """Where a bar (from 1) begins, in seconds from the take's beginning."""
    return float(take.tempo_map().seconds(round((bar - 1) * bar_ticks(take.header))))


def bar_at(take: Take, at_s: float) -> int:
    """The bar (from 1) that sounds at so many seconds from the take's beginning."""
    ticks = float(take.tempo_map().ticks(max(at_s, 0.0)))
    return int(ticks / bar_ticks(take.header) + 1e-3) + 1


@dataclass(frozen=True)
class Retake:
    """A take played again.

    Attributes:
        take: The player as before, the partner anew from the bar on.
        copied_notes: Partner notes taken over.
        new_notes: Partner notes played anew.
    """

    take: Take
    copied_notes: int
    new_notes: int


def play_again(
    take: Take,
    from_bar: int,
    seed: int,
    planner: PlannerLike | None,
    *,
    latency_s: float = 0.0,
    parts: tuple[int, ...] | None = None,
    progress: Progress | None = None,
) -> Retake:
    """Let a partner try again. Same arguments, same notes.

    Args:
        take: What was played.
        from_bar: Bar (from 1) from which the partner plays anew.
        seed: Of the partner.
        planner: The model; None plays by rules, which know no seed.
        latency_s: Musical time charged for each plan.
        parts: Instrument classes of the partner from the bar on; None leaves them as they were.
        progress: Told how far it is.

    Raises:
        UserError: The take has no notes or no such bar, or its mode isn't known.
    """
    last_bar = bar_at(take, max(take.duration_s() - 0.01, 0.0))
    if not take.sounds or not 1 <= from_bar <= last_bar:
        bars = f"It has bars 1 to {last_bar}." if take.sounds else "It has no notes at all."
        raise UserError(f"The take has no bar {from_bar}.", bars)
    from_s = take.origin_s() + bar_start_s(take, from_bar) - NEAR_S
    end_s = max(sound.time_s for sound in take.sounds)
    played, config = take, _config(take, seed)
    if parts is not None:
        # What is played before the bar is known by heart; only plans for later heed the parts.
        played = replace(take, changes=tuple(c for c in take.changes if not _chooses_parts(c)))
        config = replace(config, steering=replace(config.steering, instruments=parts))
        take = replace(take, changes=_with_parts(take, from_s, parts))
    time = MusicalTime(take)
    inputs = sorted([*time.inputs, *player_inputs(played)], key=lambda item: item.time_s)
    source: Planner = NoPlanner()
    if planner is not None:
        source = Remembering(partner_notes(take, from_s, time), time.tick(from_s), planner, latency_s)

    def advance(now_s: float) -> None:
        if progress is not None:
            passed_s = max(now_s - take.origin_s(), 0.0)
            progress("music", round(passed_s), max(1, round(take.duration_s())))

    run = play_offline(Conductor(config), source, inputs, end_s, progress=advance)
    kept = _kept(take, from_s)
    anew = _renumbered(run.sounds, from_s, take)
    n_kept, n_new = (len(ons(sounds, Voice.PARTNER)) for sounds in (kept, anew))
    header = replace(take.header, seed=seed, from_bar=from_bar)
    return Retake(replace(take, header=header, sounds=_joined(kept, anew), is_torn=False), n_kept, n_new)


def try_again(
    path: Path,
    *,
    from_bar: int,
    seed: int | None = None,
    model: str | None = None,
    parent: str | None = None,
    folder: Path | None = None,
    plan_latency_ms: float | None = None,
    parts: str | None = None,
    device: str = "auto",
    progress: Progress | None = None,
) -> dict[str, Any]:
    """Let the partner of a take try again from a bar on, and keep that as a new take.

    Args:
        path: The take's file or folder; it stays as it is.
        from_bar: Bar (from 1) from which the partner plays anew.
        seed: Of the partner; None draws one.
        model: Bundle name or folder; None takes the take's own, ``none`` plays by rules.
        parent: What the new take says of where it comes from; None for the path.
        folder: Takes folder in which the new one gets a folder of its own; None is the user's.
        plan_latency_ms: Musical time charged for each plan; None takes this machine's measured p95.
        parts: What the partner plays from the bar on, as :func:`studio.parts.chosen_parts` reads it; None
            leaves it as it was.
        device: Torch device of the model.
        progress: Told how far it is.

    Returns:
        ``path parent from_bar seed model parts copied_notes new_notes seconds``.

    Raises:
        UserError: The take can't be read or has no such bar, the model isn't there or was not taught the
            parts, or the disk is full.
    """
    from studio import partners  # noqa: PLC0415 - what it calls loads torch
    from studio.parts import chosen_parts  # noqa: PLC0415

    take = load_take(path)
    wanted = _own_model(take) if model is None else model
    chosen = chosen_parts(parts, wanted)
    if plan_latency_ms is None:
        plan_latency_ms = partners.plan_latency_ms(wanted, device)
    partner = partners.load_partner(wanted, device)
    seed = random.randrange(1, 1 << 31) if seed is None else seed
    again = play_again(
        take, from_bar, seed, partner.planner, latency_s=plan_latency_ms / 1e3, parts=chosen,
        progress=progress,
    )  # fmt: skip
    header = replace(
        again.take.header,
        created=datetime.now().isoformat(timespec="seconds"),
        model=partner.name,
        parent=str(path) if parent is None else parent,
    )
    return {
        "path": str(write_take(replace(again.take, header=header), folder or settings.takes_folder())),
        "parent": header.parent,
        "from_bar": from_bar,
        "seed": seed,
        "model": partner.name,
        "parts": list(part_names({sound.instrument for sound in ons(again.take.sounds, Voice.PARTNER)})),
        "copied_notes": again.copied_notes,
        "new_notes": again.new_notes,
        "seconds": round(take.duration_s(), 3),
    }


def _with_parts(take: Take, from_s: float, parts: tuple[int, ...]) -> tuple[SetMode | Steer | Panic, ...]:
    """The take's changes, but with other parts from a time on."""
    kept = [c for c in take.changes if not (_chooses_parts(c) and c.time_s >= from_s)]
    return tuple(sorted([*kept, Steer(from_s, "instruments", parts)], key=lambda change: change.time_s))


def _chooses_parts(change: SetMode | Steer | Panic) -> bool:
    return isinstance(change, Steer) and change.target == "instruments"


def write_take(take: Take, root: Path) -> Path:
    """Write a whole take into a new folder named by date and time; all of it or nothing.

    Returns:
        The take's file.

    Raises:
        UserError: It can't be written.
    """
    folder = new_session_folder(root, datetime.now())
    try:
        write_bytes(folder / TAKE_NAME, header_line(take.header) + b"".join(_lines(take)))
    except UserError:
        with suppress(OSError):
            folder.rmdir()
        raise
    return folder / TAKE_NAME


def _lines(take: Take) -> list[bytes]:
    """Every line but the first, by time."""
    timed = [(mark.time_s, event_lines(mark.time_s, (), Actions(tempo=(mark,)))) for mark in take.tempo]
    timed += [(change.time_s, _change_lines(change)) for change in take.changes]
    timed += [(sound.time_s, event_lines(sound.time_s, (), Actions((sound,)))) for sound in take.sounds]
    timed.sort(key=lambda entry: entry[0])
    return list(itertools.chain.from_iterable(lines for _, lines in timed))


def _change_lines(change: SetMode | Steer | Panic) -> list[bytes]:
    if isinstance(change, Panic):
        return event_lines(change.time_s, (), Actions(is_panic=True))
    return event_lines(change.time_s, (change,), Actions())


def _own_model(take: Take) -> str | None:
    """The bundle that the take names; None for the current partner where it names none."""
    return "none" if take.header.model == "rules" else take.header.model or None


def _config(take: Take, seed: int) -> ConductorConfig:
    try:
        mode = Mode(take.header.mode)
    except ValueError as fault:
        hint = f"This version knows {', '.join(Mode)}."
        raise UserError(f"The take's mode '{take.header.mode[:40]}' isn't known.", hint) from fault
    instrument = next((sound.instrument for sound in ons(take.sounds, Voice.PLAYER)), 0)
    bpm = take.tempo[0].bpm if take.tempo else take.header.bpm
    steering, feel = opening(take)
    return ConductorConfig(
        bpm=bpm, grid=grid_of(take), mode=mode, steering=steering, feel=feel, seed=seed,
        player_instrument=instrument, starts_on_key=True,
    )  # fmt: skip


def opening(take: Take) -> tuple[Steering, Feel]:
    """How the partner was asked to play at the take's beginning: plans are made before the first note."""
    begin_s = next((sound.time_s for sound in take.sounds if sound.kind == "on"), 0.0)
    steering, feel = Steering(), Feel()
    for change in take.changes:
        if isinstance(change, Steer) and change.time_s <= begin_s:
            steering = steer(steering, change.target, change.value)
            feel = steer_feel(feel, change.target, change.value)
    return steering, feel


def _kept(take: Take, from_s: float) -> list[Sound]:
    """All but the partner's notes from a time on; notes that ring over it keep their end."""
    before = {sound.note_id for sound in ons(take.sounds, Voice.PARTNER) if sound.planned_s < from_s}

    def stays(sound: Sound) -> bool:
        if sound.voice is not Voice.PARTNER:
            return True
        return sound.time_s < from_s if sound.kind == "control" else sound.note_id in before

    return [sound for sound in take.sounds if stays(sound)]


def _renumbered(sounds: Sequence[Sound], from_s: float, take: Take) -> list[Sound]:
    """The partner's notes from a time on, with ids that the take has not used."""
    free = itertools.count(max((sound.note_id for sound in take.sounds), default=-1) + 1)
    ids = {s.note_id: next(free) for s in ons(sounds, Voice.PARTNER) if s.planned_s >= from_s}
    mine = (s for s in sounds if s.voice is Voice.PARTNER and s.note_id in ids)
    return [replace(sound, note_id=ids[sound.note_id]) for sound in mine]


def _joined(kept: Sequence[Sound], anew: Sequence[Sound]) -> tuple[Sound, ...]:
    """Both by time; a kept note that is struck again ends there, so that every note sounds once."""
    strikes: dict[tuple[int, int], float] = {}
    for sound in anew:
        if sound.kind == "on":
            key = (sound.instrument, sound.pitch)
            strikes[key] = min(sound.time_s, strikes.get(key, sound.time_s))
    begun = {sound.note_id: sound.time_s for sound in kept if sound.kind == "on"}
    ended = []
    for sound in kept:
        struck_s = strikes.get((sound.instrument, sound.pitch), sound.time_s)
        is_cut = sound.voice is Voice.PARTNER and sound.kind == "off" and struck_s < sound.time_s
        # An early stroke may come before the one that it follows.
        end_s = max(struck_s, begun.get(sound.note_id, struck_s))
        ended.append(replace(sound, time_s=end_s) if is_cut else sound)
    return tuple(sorted([*ended, *anew], key=lambda sound: sound.time_s))
