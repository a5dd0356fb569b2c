"""``antiphon eval music --table streammuse`` and ``--listen``: the same performances, measured and shown."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from textwrap import fill
from typing import Any, Protocol, cast

import numpy as np

from midi.clock import TempoMap
from midi.corpus import Corpus
from midi.events import GRID_PER_BEAT
from midi.note import DRUM_CHANNEL, NoteArray, Part, Score, TimeSignature
from models.sequence.harmony import clip
from models.sequence.plan import Steering
from studio import copying, listening
from studio.delivery import delivery
from studio.listening import Excerpt
from studio.live.planner import PlannerSpec
from studio.phrasespace import PHRASE_BARS, PhraseSpace, frechet_rows, song_features
from studio.rehearsal import LiveRun, Performance, each_with_planner, perform_runs, process_planner
from studio.streammuse import REMARK_CHARS, cell, heard_until, streammuse_table, table_lines
from studio.terminal import table

Tell = Callable[[str, int, int], None]

LIVE_KINDS = ("live", "deaf", "rules")
"""Performances on the manual clock: as it is, hearing cut, and by rules."""

SCALE_SONGS = 200
"""Training songs on whose phrases features are standardized."""


class Accompanist(Protocol):
    """What the offline row needs; ``models.sequence.player.Player`` is one."""

    def accompany(self, score: Score, *, steering: Steering | None = None, seed: int = 0) -> Score:
        """The score's parts, then the partner's."""
        ...


@dataclass(frozen=True)
class Played:
    """Everything that was played to some held-out songs.

    Attributes:
        songs: The excerpts.
        runs: The partner's live run of each.
        live: Performances by kind (``live deaf rules``), one a song.
        offline: The partner without delay, one a song; empty where it was not asked for.
        plan_latency_ms: Musical time charged for every plan of the live rows.
    """

    songs: list[Excerpt]
    runs: list[LiveRun]
    live: dict[str, list[Performance]]
    offline: list[NoteArray]
    plan_latency_ms: float

    def rows(self, seed: int) -> dict[str, list[NoteArray]]:
        """Every row of a table, truth last; other songs' accompaniments are moved to the song's key."""
        rows = {"live": [done.notes for done in self.live["live"]]}
        if self.offline:
            rows["offline"] = self.offline
        rows |= {kind: [done.notes for done in self.live[kind]] for kind in LIVE_KINDS[1:]}
        others = [listening.other_accompaniments(i, self.songs, seed)[:1] for i in range(len(self.songs))]
        if all(others):
            rows["other_song"] = [found[0] for found in others]
        return rows | {"truth": [song.accompaniment for song in self.songs]}


def play_all(
    songs: list[Excerpt],
    spec: PlannerSpec,
    *,
    latency_ms: float,
    seed: int,
    jobs: int,
    with_offline: bool,
    tell: Tell,
) -> Played:
    """Play along with every song in every way.

    Args:
        songs: Held-out excerpts.
        spec: How each process builds the partner.
        latency_ms: Musical time charged for every plan.
        seed: Of the partner; song *i* gets ``seed + i``.
        jobs: Processes side by side; 1 is this one. Notes do not depend on it.
        with_offline: Also accompany without delay.
        tell: Told how far it is.
    """
    runs = [live_run(song, kind, seed + i) for i, song in enumerate(songs) for kind in LIVE_KINDS]
    done = perform_runs(
        runs, spec, latency_s=latency_ms / 1000, jobs=jobs,
        on_run=lambda at, total: tell("Playing along", at, total),
    )  # fmt: skip
    live = {kind: done[number :: len(LIVE_KINDS)] for number, kind in enumerate(LIVE_KINDS)}
    offline: list[NoteArray] = []
    if with_offline:
        seeds = [seed + i for i in range(len(songs))]
        for notes in each_with_planner(_accompany_in_process, songs, seeds, spec, jobs):
            offline.append(notes)
            tell("Playing without delay", len(offline), len(songs))
    return Played(songs, runs[:: len(LIVE_KINDS)], live, offline, latency_ms)


def live_run(song: Excerpt, kind: str, seed: int, melody: NoteArray | None = None) -> LiveRun:
    """A performance of an excerpt on the manual clock.

    Args:
        song: What the partner plays with.
        kind: ``deaf`` cuts its hearing, ``rules`` leaves it to the rules; any other name is the partner.
        seed: Of the partner.
        melody: In place of the song's own.
    """
    return LiveRun(
        kind=kind, melody=song.melody if melody is None else melody, grid=song.grid, bpm=song.bpm,
        until_tick=song.until_tick, instruments=song.instruments, hears_human=kind != "deaf",
        has_model=kind != "rules", seed=seed,
    )  # fmt: skip


def accompany_song(song: Excerpt, partner: Accompanist, seed: int) -> NoteArray:
    """What the partner plays to an excerpt when it hears every note as it falls; drums on channel 9."""
    melody = Part("melody", song.melody)
    score = Score((melody,), TempoMap(GRID_PER_BEAT, ((0, song.bpm),)), (_metre(song.bar_ticks),))
    made = partner.accompany(score, steering=Steering(instruments=song.instruments), seed=seed)
    return clip(NoteArray.concatenate([_grid_notes(part) for part in made.parts[1:]]), 0, song.until_tick)


def _metre(bar_ticks: int) -> TimeSignature:
    """The metre with the longest unit whose bars are so long."""
    units = [unit for unit in (4, 8, 16, 32) if bar_ticks * unit % (4 * GRID_PER_BEAT) == 0]
    unit = units[0] if units else 32
    return TimeSignature(0, max(bar_ticks * unit // (4 * GRID_PER_BEAT), 1), unit)


def _grid_notes(part: Part) -> NoteArray:
    notes = part.notes
    channel = np.full(len(notes), DRUM_CHANNEL if part.is_drum else 0, dtype=np.uint8)
    return NoteArray(notes.onset_ticks, notes.duration_ticks, notes.pitch, notes.velocity, channel)


def _accompany_in_process(song: Excerpt, seed: int) -> NoteArray:
    return accompany_song(song, cast("Accompanist", process_planner()), seed)


def quality_report(
    played: Played, corpus: Corpus, *, learned_from: str, seed: int, tell: Tell
) -> dict[str, Any]:
    """StreamMUSE's table, the Fréchet distance of phrases and the copying report of the same performances.

    Args:
        played: With the offline row.
        corpus: Its training split scales the features and is searched for copied passages.
        learned_from: Digest of the corpus that the bundle learned from; empty where it tells none.
        seed: Of bootstraps and samples.
        tell: Told how far it is.
    """
    rows = played.rows(seed)
    kept = [done.compute_s for done in played.live["live"]]
    plans_s = np.concatenate([np.asarray(times, dtype=np.float64) for times in kept])
    came = [delivery(run, times) for run, times in zip(played.runs, kept, strict=True)]
    tell("Comparing", 0, 3)
    streams = streammuse_table(
        played.songs, rows, {"isr": [d.isr for d in came], "isr_w": [d.isr_w for d in came]}, seed
    )
    tell("Comparing", 1, 3)
    phrases = _frechet(played.songs, rows, corpus, seed)
    tell("Comparing", 2, 3)
    copied = copying_of(corpus, played.songs, rows, learned_from=learned_from, seed=seed)
    tell("Comparing", 3, 3)
    live = streams["rows"]["live"]
    return {
        "songs": len(played.songs),
        "excerpts": [song.name for song in played.songs],
        "plan_latency_ms": played.plan_latency_ms,
        "plan_ms": {
            "plans": len(plans_s),
            "median": round(1e3 * float(np.median(plans_s)), 2) if len(plans_s) else None,
            "p95": round(1e3 * float(np.quantile(plans_s, 0.95)), 2) if len(plans_s) else None,
        },
        "harmony": {
            "consonance_rate": live["cr_time"]["mean"],
            "unsupported_rate": live["ur_time"]["mean"],
            "note_in_chord": _note_in_chord(played.songs, rows["live"]),
        },
        "streammuse": streams,
        "frechet": phrases,
        "copied": copied,
    }  # fmt: skip


def _note_in_chord(songs: Sequence[Excerpt], notes: Sequence[NoteArray]) -> float | None:
    values = [
        listening.figures(song, played)["note_in_chord"] for song, played in zip(songs, notes, strict=True)
    ]
    mean = float(np.nanmean(values))
    return None if np.isnan(mean) else round(mean, 5)


def _frechet(
    songs: Sequence[Excerpt], rows: Mapping[str, Sequence[NoteArray]], corpus: Corpus, seed: int
) -> dict[str, Any] | None:
    """None where the training split has too few excerpts to scale features by."""
    bars = max(song.bars for song in songs)
    learned = listening.excerpts(corpus, "train", songs=SCALE_SONGS, bars=bars, seed=seed)
    if len(learned) < 2:
        return None
    training = np.concatenate([song_features(s, s.accompaniment, heard_until(s)) for s in learned])
    features = {
        row: [
            song_features(song, notes, heard_until(song)) for song, notes in zip(songs, played, strict=True)
        ]
        for row, played in rows.items()
    }
    truth = features.pop("truth")
    return frechet_rows(PhraseSpace(training), truth, features, training, seed)


def copying_of(
    corpus: Corpus,
    songs: Sequence[Excerpt],
    rows: Mapping[str, Sequence[NoteArray]],
    *,
    learned_from: str,
    seed: int,
) -> dict[str, Any]:
    """The copying report against a corpus's training split.

    ``is_training_data`` tells whether the bundle says that it learned from this very corpus; None where
    it says nothing.
    """
    from models.sequence.recipe import training_parts  # noqa: PLC0415 - loads torch

    shown = {row: rows[row] for row in ("live", "offline", "rules", "truth") if row in rows}
    found = copying.copying_report(training_parts(corpus), shown, [song.bar_ticks for song in songs], seed)
    return {
        **found,
        "training_songs": len(corpus.split("train")),
        "is_training_data": learned_from == corpus.digest if learned_from else None,
    }


def report_lines(data: Mapping[str, Any]) -> list[str]:
    """What a person reads of the report."""
    spent = data["plan_ms"]
    lines = [
        f"{data['model']}, {data['split']} split, {data['bars']} bars a song; every plan charged "
        f"{data['plan_latency_ms']:g} ms, took {_ms(spent['median'])} (p95 {_ms(spent['p95'])})",
        "",
        *table_lines(data["streammuse"], data["songs"]),
    ]
    return [*lines, "", *_frechet_lines(data["frechet"]), "", *copied_lines(data["copied"])]


def _ms(value: float | None) -> str:
    return "no time" if value is None else f"{value:.0f} ms"


def _frechet_lines(data: Mapping[str, Any] | None) -> list[str]:
    if data is None:
        return ["No Fréchet distance: the training split has too few songs with steady bars."]
    body = [
        [row.replace("_", " "), cell(value) if value["low"] is not None else f"{value['mean']:.3f}"]
        for row, value in data["rows"].items()
    ]
    shifts = ", ".join(f"{name} {value:+.2f}" for name, value in data["largest_shifts"].items())
    head = [f"{data['phrases']} phrases of {PHRASE_BARS} bars", "Fréchet distance to the truth"]
    return [
        *table(head, body),
        f"In {len(data['features'])} features of our own, in squared standard deviations of training phrases;"
        " it is not FMD.",
        f"Furthest off live, in standard deviations: {shifts}.",
    ]


def copied_lines(data: Mapping[str, Any]) -> list[str]:
    """The copying report for people."""
    share = f"share of {data['ngram_notes']}-note passages"
    head = [f"copied from {data['training_songs']} training songs", "longest", share,
            "longest, any lengths", share]  # fmt: skip
    body = [
        [row, *_copied_cells(value), *_copied_cells(value["loose"])] for row, value in data["rows"].items()
    ]
    remark = (
        "Same intervals and onsets in any key, with and without the same lengths; the truth is people's"
        " music that was held out."
    )
    if data["is_training_data"] is False:
        remark += " The bundle says that it learned from other files than these."
    return [*table(head, body), fill(remark, REMARK_CHARS)]


def _copied_cells(found: Mapping[str, Any]) -> tuple[str, str]:
    longest = f"{found['longest_notes']} notes, {found['longest_bars']:.1f} bars"
    return longest, cell(found["ngram_overlap"])
