"""``antiphon perform``: a MIDI file plays in place of a person, through the live engine, off line."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from midi.clock import TempoMap
from midi.errors import UserError
from midi.events import GRID_PER_BEAT, BarGrid, Role
from midi.files import read, write_bytes
from midi.meter import settle
from midi.note import PPQ, NoteArray, Part, Score, TimeSignature
from models.sequence.harmony import harmony, notes_of_events
from models.sequence.memorization import PassageFilter
from models.sequence.parts import listed, part_names
from models.sequence.plan import Steering
from studio import settings
from studio.live.conductor import Conductor, ConductorConfig
from studio.live.feel import Feel
from studio.live.fileplayer import player_part
from studio.live.loose import AS_PLAYED
from studio.live.messages import Actions, Input, Mode, Steer
from studio.live.offline import OfflineRun, Recorder, play_offline
from studio.live.planner import InlinePlanner, NoPlanner, Planner
from studio.live.session import TAKE_NAME, TakeHeader, TakeWriter, load_take
from studio.live.take import event_lines
from studio.live.transport import MAX_BPM, MIN_BPM
from studio.partners import Partner, load_partner, plan_latency_ms
from studio.render import Performance, heard_notes, save
from studio.terminal import Progress

MELODY_NAMES = re.compile(r"melod|vocal|voice|lead|sing|solo", re.IGNORECASE)
"""Names that say that a part is the tune (POP909 has MELODY, karaoke files have Vocal or Lead)."""

ANSWER_BARS = 9
"""Bars that call-and-response may go on after the last note: the longest answer and the wait for it."""


STEPS_A_FLUSH = 256


@dataclass(frozen=True, kw_only=True)
class PerformOptions:
    """What ``antiphon perform`` was asked for.

    Attributes:
        file: MIDI file that plays.
        out: Folder of the results; it is made.
        mode: How the partner behaves.
        model: Bundle name or folder; None takes the current partner; ``none`` plays by rules alone.
        seed: Same file, seed and latency, same bytes.
        tempo_bpm: Steady tempo instead of the file's.
        plan_latency_ms: Musical time charged for each plan; None takes this machine's measured p95.
        part: Number (from 1) or name of the part that plays; None takes the melody.
        lookahead_beats: How far the partner plans ahead.
        commit_beats: Beats of the plan that are fixed; None leaves it to the conductor.
        device: Torch device of the model.
        bars: Play only so many bars; None plays all.
        parts: Instrument classes of the partner; None leaves it to ``Steering``.
        looseness: How far the partner's notes stray from the grid, 0–1 (:class:`~studio.live.feel.Feel`).
    """

    file: Path
    out: Path
    mode: str = Mode.ACCOMPANY.value
    model: str | None = None
    seed: int = 0
    tempo_bpm: float | None = None
    plan_latency_ms: float | None = None
    part: str | None = None
    lookahead_beats: float = 2.0
    commit_beats: float | None = None
    device: str = "auto"
    bars: int | None = None
    parts: tuple[int, ...] | None = None
    looseness: float = AS_PLAYED


def perform(options: PerformOptions, progress: Progress | None = None) -> dict[str, Any]:
    """Perform a file and write ``take.mid``, ``take.wav``, ``pianoroll.png`` and ``report.json``.

    Returns:
        The report (DESIGN section 10, ``perform --json``).

    Raises:
        UserError: The file has no music, the bundle can't be used, or the folder can't be written to.
    """
    piece = prepare(read(options.file), options.part, options.tempo_bpm)
    if options.bars is not None:
        piece = first_bars(piece, options.bars)
    latency_ms = options.plan_latency_ms
    if latency_ms is None:
        latency_ms = plan_latency_ms(options.model, options.device)
    partner = load_partner(options.model, options.device)
    settings.made_folder(options.out)
    conductor = Conductor(_config(options, piece), keeps_history=True)
    run, take = _record(conductor, piece, partner, latency_ms, options, progress)
    name = f"{options.mode}  ·  {piece.bpm:g} bpm  ·  seed {options.seed}  ·  {partner.name}"
    performance = Performance(load_take(take), options.file.stem, name, piece.time_signatures)
    report = {
        "input": str(options.file),
        "model": partner.name,
        "mode": options.mode,
        "seed": options.seed,
        "tempo_bpm": round(piece.bpm, 3),
        "plan_latency_ms": latency_ms,
        "part": piece.part.name,
        "parts": list(part_names(conductor.config.steering.instruments)),
        "meter_shift_ticks": piece.meter_shift_ticks,
        "repairs": list(piece.repairs),
    }
    report |= _figures(conductor, run, piece, partner.passages)
    try:
        report |= {"outputs": _write(performance, options.out, progress), "take": str(take)}
        write_bytes(options.out / "report.json", json.dumps(report, indent=2, ensure_ascii=False).encode())
    except UserError as fault:
        hint = f"{fault.hint} The take is whole in {take}, and `antiphon render` turns it into files."
        raise UserError(fault.message, hint) from fault
    return report


@dataclass(frozen=True)
class Piece:
    """What the file plays, from a bar line on, at 480 ticks a beat.

    Attributes:
        part: The part in the player's place.
        tempo_map: From the first bar on.
        time_signatures: From the first bar on.
        repairs: What reading the file had to mend, and how it was laid on the grid.
        meter_shift_ticks: How far the file was moved to lie on the grid, in its own ticks.
    """

    part: Part
    tempo_map: TempoMap
    time_signatures: tuple[TimeSignature, ...]
    repairs: tuple[str, ...] = ()
    meter_shift_ticks: int = 0

    @property
    def bpm(self) -> float:
        """Tempo at the start."""
        return self.tempo_map.bpm_at(0)

    @property
    def score(self) -> Score:
        """The piece as a score of one part."""
        return Score((self.part,), self.tempo_map, self.time_signatures)

    @property
    def grid(self) -> BarGrid:
        """Bar lines."""
        return BarGrid.from_score(self.score)

    def end_tick(self) -> int:
        """Grid tick of the bar line at which the last note has ended."""
        last = self.part.notes.end_ticks() * GRID_PER_BEAT // PPQ
        start, length = (int(x) for x in self.grid.start_and_length(max(last - 1, 0)))
        return start + length


def prepare(score: Score, part: str | None = None, bpm: float | None = None) -> Piece:
    """Choose the part that plays, and begin at the bar line before its first note.

    Before that the whole file is laid on the grid (``midi.meter.settle``), so that bar lines fall where the
    music has them.

    Args:
        score: The file.
        part: Number (from 1) or name of the part; None takes the melody.
        bpm: Steady tempo instead of the file's.

    Raises:
        UserError: There are no notes, or no such part.
    """
    settled = settle(score)
    score = settled.score
    chosen = choose_part(score, part)
    # Rounded, because a note a hair before a bar line belongs to the bar that it opens.
    first = round(int(chosen.notes.onset_ticks.min()) * GRID_PER_BEAT / score.ppq)
    start = int(BarGrid.from_score(score).start_and_length(first)[0])
    shift = start * score.ppq // GRID_PER_BEAT
    scale = PPQ / score.ppq

    def moved(ticks: int) -> int:
        return max(round((ticks - shift) * scale), 0)

    before = [s for s in score.time_signatures if s.ticks <= shift] or [TimeSignature()]
    metres = [replace(s, ticks=moved(s.ticks)) for s in score.time_signatures if s.ticks > shift]
    on = np.maximum(np.round((chosen.notes.onset_ticks - shift) * scale), 0).astype(np.int64)
    off = np.round((chosen.notes.onset_ticks + chosen.notes.duration_ticks - shift) * scale).astype(np.int64)
    controls = tuple(replace(c, ticks=moved(c.ticks)) for c in chosen.controls)
    notes = chosen.notes.with_ticks(on, np.maximum(off - on, 1))
    return Piece(
        replace(chosen, notes=notes, controls=controls),
        _steady(bpm) if bpm is not None else _moved_tempo(score.tempo_map, shift, scale),
        (replace(before[-1], ticks=0), *metres),
        score.repairs + settled.notes,
        settled.shift_ticks,
    )


def first_bars(piece: Piece, n_bars: int) -> Piece:
    """The beginning of a piece; notes that ring over the last bar line end there."""
    end = 0
    for _ in range(n_bars):
        end += int(piece.grid.start_and_length(end)[1])
    notes = piece.part.notes
    last = end * PPQ // GRID_PER_BEAT
    kept = NoteArray.from_notes(
        replace(note, duration_ticks=min(note.duration_ticks, last - note.onset_ticks))
        for note in notes
        if note.onset_ticks < last
    )
    controls = tuple(control for control in piece.part.controls if control.ticks < last)
    return replace(piece, part=replace(piece.part, notes=kept, controls=controls))


def choose_part(score: Score, wanted: str | None = None) -> Part:
    """The part asked for; else the one whose name says melody; else the highest on average.

    Raises:
        UserError: There are no notes, or no such part.
    """
    parts = [part for part in score.parts if len(part.notes)]
    if not parts:
        raise UserError("The MIDI file has no notes.", "Choose one with a melody in it.")
    if wanted is not None:
        return _named_part(parts, wanted)
    pitched = [part for part in parts if not part.is_drum] or parts
    tunes = [part for part in pitched if MELODY_NAMES.search(part.name)]
    return tunes[0] if tunes else max(pitched, key=lambda part: float(np.mean(part.notes.pitch)))


def _named_part(parts: list[Part], wanted: str) -> Part:
    if wanted.isdecimal() and 1 <= int(wanted) <= len(parts):
        return parts[int(wanted) - 1]
    found = [part for part in parts if wanted.casefold() in part.name.casefold()]
    if not found:
        names = ", ".join(f"{i} {part.name or 'unnamed'}" for i, part in enumerate(parts, start=1))
        raise UserError(f"The file has no part '{wanted}'.", f"It has {names}.")
    return found[0]


def _steady(bpm: float) -> TempoMap:
    return TempoMap(PPQ, ((0, min(max(bpm, MIN_BPM), MAX_BPM)),))


def _moved_tempo(tempo_map: TempoMap, shift: int, scale: float) -> TempoMap:
    """The tempo from a tick on, within what the conductor plays."""
    at = {0: tempo_map.bpm_at(shift)}
    at |= {round((tick - shift) * scale): bpm for tick, bpm in tempo_map.changes if tick > shift}
    return TempoMap(PPQ, tuple((tick, min(max(bpm, MIN_BPM), MAX_BPM)) for tick, bpm in sorted(at.items())))


def _config(options: PerformOptions, piece: Piece) -> ConductorConfig:
    config = ConductorConfig(
        bpm=piece.bpm,
        grid=piece.grid,
        lookahead_beats=options.lookahead_beats,
        mode=Mode(options.mode),
        seed=options.seed,
        starts_on_key=False,
        steering=Steering() if options.parts is None else Steering(instruments=options.parts),
        feel=Feel(looseness=options.looseness),
    )
    return config if options.commit_beats is None else replace(config, commit_beats=options.commit_beats)


def _play(
    conductor: Conductor,
    piece: Piece,
    partner: Partner,
    latency_ms: float,
    recorder: Recorder | None = None,
    progress: Progress | None = None,
) -> OfflineRun:
    end = piece.end_tick()
    if conductor.config.mode is Mode.RESPOND:
        end += ANSWER_BARS * int(piece.grid.start_and_length(end)[1])
    end_s = float(piece.tempo_map.seconds(end * PPQ / GRID_PER_BEAT))
    inputs = player_part(piece.score).inputs
    planner: Planner = NoPlanner()
    if partner.planner is not None:
        planner = InlinePlanner(partner.planner, latency_ms / 1e3, is_lazy=True)

    def advance(now_s: float) -> None:
        if progress is not None:
            progress("music", round(now_s), max(round(end_s), 1))

    return play_offline(conductor, planner, inputs, end_s, recorder=recorder, progress=advance)


def _record(
    conductor: Conductor,
    piece: Piece,
    partner: Partner,
    latency_ms: float,
    options: PerformOptions,
    progress: Progress | None,
) -> tuple[OfflineRun, Path]:
    """Play, and append everything heard to the take as it happens. Returns the run and the take's place."""
    metre = piece.time_signatures[0]
    header = TakeHeader(
        model=partner.name,
        mode=options.mode,
        seed=options.seed,
        bpm=piece.bpm,
        metre=(metre.numerator, metre.denominator),
    )
    recorder = _Recorder(TakeWriter(options.out / TAKE_NAME, header))
    opening = [Steer(0.0, "looseness", options.looseness)]
    if options.parts is not None:
        opening.append(Steer(0.0, "instruments", options.parts))
    recorder.record(0.0, opening, Actions())
    try:
        run = _play(conductor, piece, partner, latency_ms, recorder, progress)
    finally:
        take = recorder.writer.close(settings.takes_folder() / "rescued")
    return run, take


class _Recorder:
    """Writes a take in the caller's thread: here nothing has to hurry."""

    def __init__(self, writer: TakeWriter) -> None:
        self.writer = writer
        self._n_steps = 0

    def record(self, now_s: float, inputs: Sequence[Input], actions: Actions) -> None:
        """Take one step in, and write now and then."""
        self.writer.add(event_lines(now_s, inputs, actions))
        self._n_steps += 1
        if self._n_steps % STEPS_A_FLUSH == 0:
            self.writer.flush()


def _figures(
    conductor: Conductor, run: OfflineRun, piece: Piece, passages: PassageFilter | None
) -> dict[str, Any]:
    """The report's keys that are measured."""
    counts = conductor.counts
    _, n_hanging = heard_notes(run.sounds)
    compute_s = sum(plan.compute_s for plan in run.plans)
    events = conductor.performed()
    answered = notes_of_events(events, Role.PARTNER)
    fit = harmony(notes_of_events(events, Role.HUMAN), answered).json()
    copied = passages.copied(answered) if passages else None
    beats = float(piece.tempo_map.ticks(run.end_s)) / PPQ
    return {
        "beats": round(beats, 3),
        "player_notes": counts.player_notes,
        "partner_notes": counts.partner_notes,
        "fallback_notes": counts.fallback_notes,
        "ignored_keys": counts.ignored_keys,
        "isr": counts.isr if run.plans else None,
        "late_drops": counts.late_drops,
        "scheduled_in_past": counts.scheduled_in_past,
        "hanging_notes": n_hanging,
        "plans": len(run.plans),
        "plan_rows_per_s": round(sum(plan.rows for plan in run.plans) / compute_s, 1) if compute_s else None,
        "harmony": {key: fit[key] for key in ("consonance_rate", "unsupported_rate", "note_in_chord")},
        "copied": {"longest_notes": None, "ngram_overlap": None} if copied is None else asdict(copied),
    }


def _write(performance: Performance, out: Path, progress: Progress | None) -> dict[str, str]:
    paths = {"midi": out / "take.mid", "audio": out / "take.wav", "pianoroll": out / "pianoroll.png"}
    for path in paths.values():
        save(performance, path, progress)
    return {name: str(path) for name, path in paths.items()}


def summary(report: dict[str, Any]) -> list[str]:
    """The report for people."""
    fit = report["harmony"]["consonance_rate"]
    in_time = f"; plans in time: {report['isr']:.1%}" if report["plans"] else ""
    lines = [
        f"{report['player_notes']} notes played, {report['partner_notes']} answered by {report['model']}"
        f" on {listed(report['parts'])} over {report['beats']:g} beats{in_time}.",
    ]
    # Answers sound after the call, not with it.
    if fit is not None and report["mode"] == Mode.ACCOMPANY:
        lines.append(f"{fit:.0%} of the melody's time is consonant with the partner.")
    lines += report["repairs"]
    return [*lines, *(f"{name:<10} {path}" for name, path in report["outputs"].items())]
