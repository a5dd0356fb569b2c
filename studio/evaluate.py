"""``antiphon eval music``: how well a partner predicts, and whether it listens."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from midi.corpus import Corpus, build_corpus
from midi.errors import UserError
from midi.events import PREDICTED, Rows
from models.sequence.band import Arranger
from models.sequence.baselines import RepeatLastBar, baseline_figures
from studio import listening, listenpage, partfigures, quality
from studio.live.planner import PlannerSpec
from studio.partners import plan_latency_ms
from studio.rehearsal import LiveRun, Performance, perform_runs
from studio.settings import cache_folder
from studio.terminal import table

if TYPE_CHECKING:
    from midi.note import NoteArray

Progress = Callable[[str, int, int], None]
"""Called with what is being done, how many steps are done, and how many there are."""

PLAYER = "models.sequence.player:Player.load"
KINDS = ("partner", "deaf", "rules", "tritone")
"""Performances of an excerpt: as it is, hearing cut, by rules, and to a melody that moves by a tritone."""

HARMONIC = ("consonance_rate", "unsupported_rate", "note_in_chord")

WINDOW_ROWS = 512
BASELINE_WINDOWS = 400
"""Training windows on which the baselines are fitted."""


@dataclass(frozen=True, kw_only=True)
class EvalMusicOptions:
    """What to evaluate, and how thoroughly.

    Attributes:
        model: Bundle name or folder.
        folder: Folder of MIDI files (with POP909's annotations beside them, where there are any), or a
            corpus built from one.
        songs: Held-out songs that the partner plays with; 40 for the full experiment.
        bars: Bars of each song, from the first bar with melody; 32 for the full experiment.
        repeats: Times that the partner plays with each song, each by another seed; its figures are averaged
            before anything is said of songs, as those of several other songs are.
        seed: Seed of the choice of songs, of the partner and of the bootstrap.
        split: ``test`` or ``valid``.
        device: Where the NLL is computed (``auto`` picks one); the partner plays on the CPU.
        plan_latency_ms: Musical time charged for every plan; None is the measured p95.
        jobs: Processes that play songs side by side.
        windows: Most held-out windows on which NLL is measured.
        with_nll: Also measure the NLL per field and its baselines.
        with_listening: Also play the songs live and compare.
        with_copying: Also search what was played for passages of the training split.
        table: ``streammuse`` plays live and offline and reports StreamMUSE's table, Fréchet distances of
            phrases and copied passages instead of all of the above.
        listen: Folder of a page to listen to, made of the performances; nothing else is measured then
            unless ``table`` asks for it.
        parts: Instrument classes that the partner plays: figures of each by itself instead of all of the
            above.
        grooves: Folder of the Groove set: POP909's songs are arranged for a band with its drummers.
    """

    model: str
    folder: Path
    songs: int = 8
    bars: int = 16
    repeats: int = 1
    seed: int = 0
    split: str = "test"
    device: str = "cpu"
    plan_latency_ms: float | None = None
    jobs: int = 1
    windows: int = 96
    with_nll: bool = True
    with_listening: bool = True
    with_copying: bool = False
    table: Literal["listening", "streammuse"] = "listening"
    listen: Path | None = None
    parts: tuple[int, ...] | None = None
    grooves: Path | None = None


def eval_music(options: EvalMusicOptions, progress: Progress | None = None) -> dict[str, Any]:
    """Figures of a partner on held-out songs (DESIGN section 10, ``eval music --json``).

    Args:
        options: What to evaluate.
        progress: Told how far it is.

    Returns:
        A JSON object: ``nll_nats_per_note`` (partner notes) with ``nll_human``, ``fields`` and
        ``baselines``; ``harmony`` (the partner's rates), ``rows`` (all figures of the partner, of
        another song's accompaniment, of the deaf partner, of the rules and of the truth, with 95 %
        intervals over songs), ``verdicts``, ``adaptation``, ``live`` (ISR and other counts) and ``songs``.

    Raises:
        UserError: The folder or the bundle cannot be used, or too few songs are held out.
    """
    tell = progress or (lambda _what, _done, _total: None)
    has_page = options.table == "streammuse" or options.listen is not None
    if options.parts is not None and has_page:
        raise UserError(
            "Parts have a table of their own.", "Leave out --parts, or both --table streammuse and --listen."
        )
    corpus, source = open_corpus(options.folder, tell, options.grooves)
    found: dict[str, Any] = {
        "model": options.model, "split": options.split, "seed": options.seed, "bars": options.bars,
        "nll_nats_per_note": None, "fields": {}, "baselines": {}, "harmony": {}, "songs": 0,
    }  # fmt: skip
    if options.parts is not None:
        return found | measure_parts(options, corpus, source, tell)
    if has_page:
        return found | measure_quality(options, corpus, source, tell)
    if options.with_nll:
        found |= measure_nll(options, corpus, tell)
    if options.with_listening:
        found |= measure_listening(options, corpus, source, tell)
    return found


def open_corpus(folder: Path, tell: Progress, grooves: Path | None = None) -> tuple[Corpus, Path | None]:
    """The corpus in a folder, or that of its MIDI files, built once and kept in the cache.

    Args:
        folder: Of either.
        tell: Told how far it is.
        grooves: Folder of the Groove set; the files are arranged for a band with it.

    Returns:
        The corpus, and the folder of the files if it is known.

    Raises:
        UserError: The folder is none, or holds nothing that can be used.
    """
    if (folder / "corpus.json").is_file():
        if grooves is not None:
            raise UserError(f"{folder} is a corpus already.", "Only MIDI files can be arranged.")
        return Corpus(folder), None
    if not folder.is_dir():
        raise UserError(f"There is no folder {folder}.", "Name a folder of MIDI files.")
    arrange = Arranger(grooves) if grooves is not None else None
    drums = "" if grooves is None else "-" + hashlib.sha256(str(grooves.resolve()).encode()).hexdigest()[:8]
    built = cache_folder() / "corpora" / (_fingerprint(folder) + drums)
    if (built / "corpus.json").is_file():
        return Corpus(built), folder
    corpus = build_corpus(
        folder, built, arrange=arrange, on_file=lambda done, total: tell("Reading files", done, total)
    )
    return corpus, folder


def _fingerprint(folder: Path) -> str:
    """Digest of names, sizes and times of everything in a folder: changes when a file does."""
    stats = [(p.relative_to(folder).as_posix(), p.stat()) for p in sorted(folder.rglob("*")) if p.is_file()]
    text = repr([(name, stat.st_size, stat.st_mtime_ns) for name, stat in stats])
    return hashlib.sha256(f"{folder.resolve()} {text}".encode()).hexdigest()[:16]


def measure_nll(options: EvalMusicOptions, corpus: Corpus, tell: Progress) -> dict[str, Any]:
    """NLL of partner notes in all and by field, beside the baselines on the same windows."""
    # torch takes seconds to import; what needs no network must not wait for it.
    import torch  # noqa: PLC0415

    from models.device import pick_device  # noqa: PLC0415
    from models.sequence.player import Player  # noqa: PLC0415
    from models.sequence.task import held_out_windows, nll_figures  # noqa: PLC0415

    player = Player.load(options.model)
    model = player.model.to(pick_device(options.device))
    windows = held_out_windows(corpus, options.split, WINDOW_ROWS)[: options.windows]
    if not windows:
        raise UserError(
            f"No song of {options.folder} is held out for {options.split}.",
            "One song in twenty is; name a folder with more songs, or another split.",
        )
    with torch.inference_mode():
        figures = nll_figures(model, windows, on_batch=lambda done, total: tell("Likelihood", done, total))
    repeat = RepeatLastBar(_training_windows(corpus, options.seed))
    baselines = {
        name: _named(baseline_figures(baseline, windows))
        for name, baseline in (("unigram", repeat.unigram), ("repeat_last_bar", repeat))
    }
    own = _named(figures)
    return {**own, "baselines": baselines, "nll_windows": len(windows), "model": player.name}


def _training_windows(corpus: Corpus, seed: int) -> list[Rows]:
    from models.sequence.task import EVALUATION_LAG_TICKS  # noqa: PLC0415
    from models.sequence.windows import Draw, places, window  # noqa: PLC0415

    found = places(corpus, "train")
    picks = np.random.default_rng(seed).permutation(len(found))[:BASELINE_WINDOWS]
    draw = Draw(lag_ticks=EVALUATION_LAG_TICKS)
    return [window(corpus, found[i], WINDOW_ROWS, draw) for i in picks]


def _named(figures: dict[str, float]) -> dict[str, Any]:
    return {
        "nll_nats_per_note": round(figures["partner"], 5),
        "nll_human": round(figures["human"], 5),
        "fields": {
            column.name.lower(): round(figures[f"partner_{column.name.lower()}"], 5) for column in PREDICTED
        },
    }


def measure_listening(
    options: EvalMusicOptions, corpus: Corpus, source: Path | None, tell: Progress
) -> dict[str, Any]:
    """The partner plays with held-out songs, in all the ways that are compared."""
    songs = held_out_songs(options, corpus, source)
    change_bar = options.bars // 2
    runs = [run for i, song in enumerate(songs) for run in live_runs(song, change_bar, options.seed + i)]
    runs += _played_again(options, songs)
    latency_ms = _charged_ms(options)
    by_kind = _performed(options, runs, latency_ms, tell)
    notes = {kind: [performance.notes for performance in done] for kind, done in by_kind.items()}
    rows = compare(songs, notes, options.seed)
    notes["partner"] = notes["partner"][: len(songs)]
    figures = listening.summary(rows, options.seed)
    copied = _copied(options, corpus, songs, notes["partner"]) if options.with_copying else {}
    return {
        "songs": len(songs),
        "repeats": options.repeats,
        "plan_latency_ms": latency_ms,
        "excerpts": [song.name for song in songs],
        "harmony": {name: figures["partner"][name]["mean"] for name in HARMONIC},
        "rows": figures,
        "verdicts": listening.verdicts(rows, options.seed),
        "pooled": {
            kind: listening.pooled_divergences(songs, notes[kind], options.seed)
            for kind in ("partner", "deaf", "rules")
        },
        "adaptation": listening.adaptation(songs, notes["tritone"], notes["partner"], change_bar),
        "live": {kind: _live_counts(done) for kind, done in by_kind.items()},
        **copied,
    }


def _played_again(options: EvalMusicOptions, songs: list[listening.Excerpt]) -> list[LiveRun]:
    """The partner's further performances of every song, behind those of the first seeds."""
    return [
        quality.live_run(song, "partner", options.seed + repeat * len(songs) + i)
        for repeat in range(1, options.repeats)
        for i, song in enumerate(songs)
    ]


def _performed(
    options: EvalMusicOptions, runs: list[LiveRun], latency_ms: float, tell: Progress
) -> dict[str, list[Performance]]:
    """Play the runs live; the performances by their kind, each in the order of the runs."""
    played = perform_runs(
        [replace(run, is_timed=False) for run in runs], PlannerSpec(PLAYER, (options.model,)),
        latency_s=latency_ms / 1000, jobs=options.jobs,
        on_run=lambda done, total: tell("Playing along", done, total),
    )  # fmt: skip
    by_kind: dict[str, list[Performance]] = {}
    for run, performance in zip(runs, played, strict=True):
        by_kind.setdefault(run.kind, []).append(performance)
    return by_kind


def measure_parts(
    options: EvalMusicOptions, corpus: Corpus, source: Path | None, tell: Progress
) -> dict[str, Any]:
    """The chosen parts play along with held-out songs; each is measured by itself.

    Returns:
        ``model songs repeats excerpts plan_latency_ms harmony parts``; ``harmony`` is of all parts together.
    """
    songs = held_out_songs(options, corpus, source)
    runs = [
        quality.live_run(song, kind, options.seed + i)
        for i, song in enumerate(songs)
        for kind in partfigures.KINDS
    ]
    runs += _played_again(options, songs)
    latency_ms = _charged_ms(options)
    by_kind = _performed(options, runs, latency_ms, tell)
    whole = listening.each_song(songs, [done.notes for done in by_kind["partner"]], listening.figures)
    together = listening.summary({"partner": whole}, options.seed, HARMONIC)["partner"]
    return {
        "model": _learned_from(options.model)[0],
        "songs": len(songs),
        "repeats": options.repeats,
        "excerpts": [song.name for song in songs],
        "plan_latency_ms": latency_ms,
        "harmony": {name: figure["mean"] for name, figure in together.items()},
        "parts": partfigures.parts_report(songs, by_kind, options.seed),
    }


def held_out_songs(options: EvalMusicOptions, corpus: Corpus, source: Path | None) -> list[listening.Excerpt]:
    """The excerpts that the partner plays with.

    Raises:
        UserError: There are fewer than two.
    """
    songs = listening.excerpts(
        corpus, options.split, songs=options.songs, bars=options.bars, seed=options.seed, source=source,
        parts=options.parts,
    )  # fmt: skip
    if len(songs) < 2:
        raise UserError(
            f"Fewer than two held-out songs of {options.folder} have {options.bars} steady bars with melody.",
            "Ask for fewer bars, or name a folder with more songs.",
        )
    return songs


def _charged_ms(options: EvalMusicOptions) -> float:
    """Musical time of every plan: as asked for, or as measured here."""
    return plan_latency_ms(options.model) if options.plan_latency_ms is None else options.plan_latency_ms


def _copied(
    options: EvalMusicOptions, corpus: Corpus, songs: list[listening.Excerpt], live: list[NoteArray]
) -> dict[str, Any]:
    rows = {"live": live, "truth": [song.accompaniment for song in songs]}
    digest = _learned_from(options.model)[1]
    return {"copied": quality.copying_of(corpus, songs, rows, learned_from=digest, seed=options.seed)}


def measure_quality(
    options: EvalMusicOptions, corpus: Corpus, source: Path | None, tell: Progress
) -> dict[str, Any]:
    """One set of performances as StreamMUSE's table, as a page to listen to, or both.

    Returns:
        ``songs excerpts plan_latency_ms``; with the table ``harmony plan_ms streammuse frechet copied``;
        with a page ``page``, its path.
    """
    if options.listen is not None:
        listenpage.claim(options.listen)
    songs = held_out_songs(options, corpus, source)
    with_table = options.table == "streammuse"
    played = quality.play_all(
        songs, PlannerSpec(PLAYER, (options.model,)), latency_ms=_charged_ms(options), seed=options.seed,
        jobs=options.jobs, with_offline=with_table, tell=tell,
    )  # fmt: skip
    name, digest = _learned_from(options.model)
    found: dict[str, Any] = {
        "model": name, "songs": len(songs), "excerpts": [song.name for song in songs],
        "plan_latency_ms": played.plan_latency_ms,
    }  # fmt: skip
    if with_table:
        found |= quality.quality_report(played, corpus, learned_from=digest, seed=options.seed, tell=tell)
    if options.listen is not None:
        about = listenpage.About(name, options.folder.name, options.split, options.seed)
        page = listenpage.write_listening(options.listen, played, about, jobs=options.jobs, tell=tell)
        found["page"] = str(page)
    return found


def _learned_from(model: str) -> tuple[str, str]:
    """Name with version of a bundle, and the digest of the corpus that it learned from, if it tells one."""
    from models.bundle import read_manifest  # noqa: PLC0415
    from models.registry import find  # noqa: PLC0415

    manifest = read_manifest(find(model))
    return f"{manifest.name}@{manifest.version}", manifest.data_digest or ""


def live_runs(song: listening.Excerpt, change_bar: int, seed: int) -> list[LiveRun]:
    """Every performance of one excerpt: as it is, without hearing, by rules, and with a tritone change."""
    changed = listening.tritone_melody(song, change_bar)
    return [quality.live_run(song, kind, seed, changed if kind == "tritone" else None) for kind in KINDS]


def compare(
    songs: list[listening.Excerpt], notes: dict[str, list[NoteArray]], seed: int
) -> dict[str, list[listening.Figures]]:
    """Figures of every song in every row of the comparison; several performances of a song are averaged."""
    rows = {
        kind: listening.each_song(songs, notes[kind], listening.figures)
        for kind in ("partner", "deaf", "rules")
    }
    rows["other_song"] = [listening.other_song_figures(i, songs, seed) for i in range(len(songs))]
    rows["truth"] = [listening.figures(song, song.accompaniment) for song in songs]
    return rows


def report_lines(data: dict[str, Any]) -> list[str]:
    """What a person reads of the figures: likelihood, the comparison, its verdicts, the curve."""
    if "parts" in data:
        return partfigures.report_lines(data)
    if "streammuse" in data or "page" in data:
        lines = quality.report_lines(data) if "streammuse" in data else []
        return [*lines, *([f"Listen: {data['page']}"] if "page" in data else [])]
    lines = []
    if data["nll_nats_per_note"] is not None:
        rows = [
            ["model", data],
            *([name.replace("_", " "), values] for name, values in data["baselines"].items()),
        ]
        names = list(data["fields"])
        lines += table(
            ["nats a note", "all", *names],
            [[name, *(f"{v:.3f}" for v in (d["nll_nats_per_note"], *(d["fields"][n] for n in names)))]
             for name, d in rows],
        )  # fmt: skip
    if "rows" not in data:
        return lines
    shown = ("consonance_rate", "unsupported_rate", "note_in_chord", *listening.CLOSENESS)
    body = [
        [row.replace("_", " "), *(_cell(values[n]) for n in shown)] for row, values in data["rows"].items()
    ]
    times = f", {data['repeats']} times" if data["repeats"] > 1 else ""
    lines += ["", *table([f"{data['songs']} songs{times}", *(n.replace("_", " ") for n in shown)], body), ""]
    for row, figures in data["verdicts"].items():
        if isinstance(figures, dict):
            won = [name.replace("_", " ") for name, verdict in figures.items() if verdict["beats"]]
            lines.append(f"beats {row.replace('_', ' ')} on: {', '.join(won) or 'nothing'}")
    curve = data["adaptation"]
    values = " ".join("  - " if v is None else f"{v:.2f}" for v in curve["consonance"])
    bars = curve["bars_to_recover"]
    return [*lines, f"tritone after {-curve['bars'][0]} bars, consonance by bar: {values}",
            f"recovered {'never' if bars is None else f'within {bars + 1} bars'}"]  # fmt: skip


def _cell(interval: dict[str, float | None]) -> str:
    if interval["mean"] is None:
        return "-"
    return f"{interval['mean']:.3f} [{interval['low']:.3f} {interval['high']:.3f}]"


def _live_counts(performances: list[Performance]) -> dict[str, Any]:
    counts = [performance.counts for performance in performances]
    steps = sum(c.plan_steps for c in counts)
    totals = {
        name: sum(getattr(c, name) for c in counts)
        for name in ("player_notes", "partner_notes", "late_drops", "scheduled_in_past", "fallback_notes")
    }
    totals["plans"] = sum(len(performance.compute_s) for performance in performances)
    is_asked = totals["plans"] > 0 and steps > 0
    return {"isr": sum(c.planned_steps for c in counts) / steps if is_asked else None, **totals}
