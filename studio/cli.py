"""The program ``antiphon``: one command, its subcommands, and what becomes of faults.

Options and JSON keys are an interface (DESIGN section 10): add freely, rename nothing. Modules that load
torch, pygame or a MIDI system are imported inside the commands that need them, so that ``antiphon
--help`` and ``antiphon ports`` answer at once.
"""

from __future__ import annotations

import sys
import traceback
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, cast

from cyclopts import App, CycloptsError, Parameter, UnusedCliTokensError
from cyclopts.validators import Number

import assets
from midi.errors import UserError
from studio import settings, shelf, takeshelf, traincommands
from studio.gallery import commands as gallery_commands
from studio.terminal import USUAL, Common, Report, Switch, progress, show, show_fault

ModeName = Literal["accompany", "call-and-response"]
Positive = Parameter(validator=Number(gt=0))
NotNegative = Parameter(validator=Number(gte=0))
Looseness = Annotated[float, Parameter(validator=Number(gte=0, lte=1))]
Tempo = Annotated[float | None, Parameter(validator=Number(gte=20, lte=400))]

EXIT_FAILED = 1
EXIT_USAGE = 2
EXIT_INTERRUPTED = 130
"""128 + SIGINT, as shells have it."""

BUILT_IN_MELODY = "demos/harbor.mid"
BUILT_IN_PICTURES = "sunflowers"
WELCOME_PICTURES = 32

app = App(
    name="antiphon",
    help="Play, and a trained partner plays along.",
    version="0.1.0",
    result_action="return_value",
    exit_on_error=False,
    print_error=False,
    suppress_keyboard_interrupt=False,
)
evaluate = App(name="eval", help="Print a model's figures.")
app.command(traincommands.app)
app.command(evaluate)
app.command(shelf.app)
app.command(gallery_commands.gallery, name="gallery")
app.command(gallery_commands.latent)
app.command(takeshelf.app)


@app.default
def start(
    *,
    model: str | None = None,
    screenshot: Path | None = None,
    size: str = "1280x800",
    scale: Annotated[float, Parameter(validator=Number(gte=0.5, lte=4))] = 1.0,
    common: Common = USUAL,
) -> Report:
    """Open the window; without a display, perform a melody, make a gallery and say where they are.

    Args:
        model: Bundle to play with; the one that was chosen last by default.
        screenshot: Draw every screen with demo content into this folder instead.
        size: Width and height of the pictures in pixels, with an x between them.
        scale: Display pixels a logical pixel in the pictures.
        common: Options of every command.
    """
    from studio import desktop  # noqa: PLC0415

    if screenshot is not None:
        files = desktop.take_screenshots(screenshot, desktop.parsed_size(size), scale)
        return Report({"files": [str(file) for file in files]}, [str(file) for file in files])
    if desktop.has_display() and not common.json:
        try:
            code = desktop.open_window(desktop.WindowOptions(model=model, device=common.device))
        except desktop.NoWindowError as fault:
            show_fault(fault, is_json=False)
        else:
            return Report({}, (), code)
    return _welcome(common)


def _welcome(common: Common) -> Report:
    """What there is without a display: a performance of the built-in melody, and a gallery."""
    folder = settings.takes_folder() / "welcome"
    report = perform(assets.path(BUILT_IN_MELODY), out=folder, common=common)
    try:
        gallery = gallery_commands.gallery(
            BUILT_IN_PICTURES, out=folder / "gallery", count=WELCOME_PICTURES, resume=True, common=common
        )
    except UserError as fault:  # the music is there all the same
        gallery = Report({}, [f"No pictures: {fault.message}"])
    lines = (
        *report.lines,
        "",
        *gallery.lines,
        "",
        "There is no display for the window here, so a melody and pictures were made into files.",
        "Your own melody: antiphon perform FILE.mid. Play live: antiphon play. Pictures: antiphon gallery.",
    )
    data = {**cast("dict[str, Any]", report.data), "gallery": gallery.data}
    return Report(data, lines, report.exit_code)


@app.command(name="perform")
def perform(
    file: Path,
    /,
    *,
    mode: ModeName = "accompany",
    model: str | None = None,
    seed: int = 0,
    tempo: Tempo = None,
    plan_latency_ms: Annotated[float | None, NotNegative] = None,
    out: Path | None = None,
    part: str | None = None,
    lookahead: Annotated[float, Positive] = 2.0,
    commit: Annotated[float | None, NotNegative] = None,
    parts: str | None = None,
    looseness: Looseness = 1.0,
    common: Common = USUAL,
) -> Report:
    """Let a MIDI file play in place of a person: offline, faster than real time, repeatable.

    Args:
        file: The MIDI file that plays.
        mode: How the partner behaves.
        model: Bundle name or folder; `none` plays by rules alone.
        seed: Same file, seed and latency, same bytes.
        tempo: Quarter notes a minute; the file's own by default.
        plan_latency_ms: Musical time charged for each plan; by default this machine's measured p95.
        out: Folder of the results; one in the user's takes by default.
        part: Number (from 1) or name of the part that plays; the melody by default.
        lookahead: Beats that the partner plans ahead.
        commit: Beats of the plan that are fixed; the engine chooses by default.
        parts: What the partner plays, such as `piano,bass,drums`, or `all` that its model was taught; the
            piano by default.
        looseness: How far the partner's notes stray from the grid: 0 not at all, 1 as people's do.
        common: Options of every command.
    """
    from studio import perform as program  # noqa: PLC0415
    from studio.parts import chosen_parts  # noqa: PLC0415

    options = program.PerformOptions(
        file=file, mode=mode, model=model, seed=seed, tempo_bpm=tempo, plan_latency_ms=plan_latency_ms,
        out=out or settings.takes_folder() / file.stem, part=part, lookahead_beats=lookahead,
        commit_beats=commit, device=common.device, parts=chosen_parts(parts, model), looseness=looseness,
    )  # fmt: skip
    with progress(common) as advance:
        data = program.perform(options, advance)
    return Report(data, program.summary(data))


@app.command(name="play")
def play(
    *,
    in_: Annotated[str | None, Parameter(name="--in")] = None,
    out: str | None = None,
    virtual: str | None = None,
    player: Path | None = None,
    mode: ModeName = "accompany",
    model: str | None = None,
    tempo: Tempo = None,
    clock: Literal["internal", "midi"] = "internal",
    lookahead: Annotated[float, Positive] = 2.0,
    commit: Annotated[float | None, NotNegative] = None,
    seconds: Annotated[float | None, Positive] = None,
    seed: int = 0,
    audio: str = "default",
    metronome: Switch = False,
    takes: Path | None = None,
    parts: str | None = None,
    looseness: Looseness = 1.0,
    common: Common = USUAL,
) -> Report:
    """Play live in the terminal.

    Args:
        in_: Part of an input port's name; `none` opens none; by default the first, else the computer's keys.
        out: Part of an output port's name; `none` by default.
        virtual: Make ports of this name, for other programs to connect to.
        player: A MIDI file that plays in place of a person.
        mode: How the partner behaves.
        model: Bundle name or folder; `none` plays by rules alone.
        tempo: Quarter notes a minute; the player file's, or 120.
        clock: Follow the MIDI clock of the input port, or keep time inside.
        lookahead: Beats that the partner plans ahead.
        commit: Beats of the plan that are fixed; the engine chooses by default.
        seconds: Stop after this long.
        seed: Same seed, same random draws.
        audio: Part of a sound device's name, `default`, or `none`.
        metronome: Click on every beat.
        takes: Folder of the recorded takes.
        parts: What the partner plays, such as `piano,bass,drums`, or `all` that its model was taught; the
            piano by default.
        looseness: How far the partner's notes stray from the grid: 0 not at all, 1 as people's do.
        common: Options of every command.
    """
    from studio import play as program  # noqa: PLC0415
    from studio.live.messages import Mode  # noqa: PLC0415
    from studio.live.report import report_lines  # noqa: PLC0415
    from studio.parts import chosen_parts  # noqa: PLC0415

    options = program.PlayOptions(
        in_port=in_, out_port=out, virtual=virtual, player_file=player, mode=Mode(mode), model=model,
        tempo_bpm=tempo, clock=clock, lookahead_beats=lookahead, commit_beats=commit, seconds=seconds,
        seed=seed, audio=audio, metronome=metronome, out_dir=takes, is_json=common.json,
        is_quiet=common.quiet, device=common.device, parts=chosen_parts(parts, model), looseness=looseness,
    )  # fmt: skip
    data = program.play(options)
    code = {"interrupt": EXIT_INTERRUPTED, "fault": EXIT_FAILED}.get(str(data["stopped_by"]), 0)
    return Report(data, report_lines(data), code)


@app.command(name="ports")
def ports(*, common: Common = USUAL) -> Report:  # noqa: ARG001 - read by ``run``
    """List the MIDI ports there are."""
    from midi.ports import list_ports  # noqa: PLC0415

    found = list_ports()
    data: dict[str, object] = {"api": found.api, "inputs": list(found.inputs), "outputs": list(found.outputs)}
    if found.problem is not None:
        data |= {"problem": found.problem.message, "hint": found.problem.hint}
        return Report(data, [found.problem.message, found.problem.hint])
    lines = [f"in   {name}" for name in found.inputs] + [f"out  {name}" for name in found.outputs]
    return Report(data, lines or [f"No MIDI ports ({found.api} answers). Connect a keyboard and ask again."])


@app.command(name="doctor")
def doctor(*, common: Common = USUAL) -> Report:  # noqa: ARG001 - read by ``run``
    """Tell what works on this machine, and the fix for what does not."""
    from studio import doctor as program  # noqa: PLC0415

    checks = program.examine()
    lines: list[str] = []
    for each in checks:
        lines.append(f"{'ok' if each.ok else '--'}  {each.check:<19} {each.detail}")
        if each.fix:
            lines.append(f"{'':<24}{each.fix}")
    is_usable = all(each.ok for each in checks if each.needed)
    return Report(program.as_json(checks), lines, 0 if is_usable else 1)


@app.command(name="render")
def render(take: Path, /, *, out: Path, common: Common = USUAL) -> Report:
    """Turn a recorded take into MIDI, WAV or FLAC, by the ending of the file's name.

    Args:
        take: The take's file or folder.
        out: The file to write: .mid, .wav, .flac or .png.
        common: Options of every command.
    """
    from studio import render as program  # noqa: PLC0415

    with progress(common) as advance:
        data = program.render(take, out, advance)
    return Report(data, [f"{out}"])


@evaluate.command(name="music")
def eval_music(
    model: str,
    folder: Path,
    /,
    *,
    songs: Annotated[int | None, Positive] = None,
    bars: Annotated[int, Positive] = 16,
    repeats: Annotated[int, Positive] = 1,
    seed: int = 0,
    split: Literal["valid", "test"] = "test",
    jobs: Annotated[int, Positive] = 1,
    plan_latency_ms: Annotated[float | None, NotNegative] = None,
    table: Literal["listening", "streammuse"] = "listening",
    listen: Path | None = None,
    parts: str | None = None,
    grooves: Path | None = None,
    common: Common = USUAL,
) -> Report:
    """Measure how well a partner predicts held-out music, and whether it listens.

    Args:
        model: Bundle name or folder.
        folder: Folder of MIDI files.
        songs: Held-out songs that the partner plays with; 8, or 12 for a page.
        bars: Bars of each song.
        repeats: Times that the partner plays with each song, by other seeds; its figures are averaged.
        seed: Seed of the songs, the partner and the bootstrap.
        split: Which held-out songs.
        jobs: Processes that play songs side by side.
        plan_latency_ms: Musical time charged for each plan; by default this machine's measured p95.
        table: `streammuse` plays live and offline and prints that paper's table, Fréchet distances of phrases
            and copied passages instead.
        listen: Folder of a page to listen to: piano rolls and sound of every song beside the truth and the
            baselines; nothing else is measured then unless `--table` asks for it.
        parts: Measure each part by itself instead: such as `piano,bass,drums`, or `all` that were taught.
        grooves: Folder of the Groove set: POP909's songs are arranged for a band before.
        common: Options of every command.
    """
    from studio import evaluate as program  # noqa: PLC0415
    from studio.parts import chosen_parts  # noqa: PLC0415

    options = program.EvalMusicOptions(
        model=model, folder=folder, songs=songs or (12 if listen else 8), bars=bars, repeats=repeats,
        seed=seed, split=split, jobs=jobs, plan_latency_ms=plan_latency_ms, table=table, listen=listen,
        device=common.device, parts=chosen_parts(parts, model), grooves=grooves,
    )  # fmt: skip
    with progress(common) as advance:
        data = program.eval_music(options, advance)
    return Report(data, program.report_lines(data))


@evaluate.command(name="chorales")
def eval_chorales(
    file: Path,
    /,
    *,
    split: str = "valid",
    model: str = "chorales",
    common: Common = USUAL,
) -> Report:
    """Measure nats a note on four-part chorales.

    Args:
        file: JSON file of chorales: splits of pieces of 16th-note chords of four pitches.
        split: Which split of the file.
        model: Bundle name or folder.
        common: Options of every command.
    """
    from studio import chorales as program  # noqa: PLC0415

    with progress(common) as advance:
        data = program.eval_chorales(file, split=split, model=model, device=common.device, progress=advance)
    return Report(data, _figures(data))


@evaluate.command(name="pictures")
def eval_pictures(
    model: str,
    folder: Path,
    /,
    *,
    count: Annotated[int, Positive] = 512,
    seed: int = 0,
    psi: float = 1.0,
    features: Literal["st-vgg16", "random-conv"] | None = None,
    out: Path | None = None,
    common: Common = USUAL,
) -> Report:
    """Measure how near a model's pictures come to real ones, and whether it copies.

    Args:
        model: Bundle name or folder.
        folder: Folder of pictures: those it learned from, or others of their kind.
        count: Pictures made.
        seed: Seed of the first; the others follow.
        psi: Truncation; 1 is the model as it is.
        features: Where features are measured; the best that is installed by default.
        out: Folder of the sheet of near-copies.
        common: Options of every command.
    """
    from studio import picturescores as program  # noqa: PLC0415

    options = program.EvalPicturesOptions(
        model=model, folder=folder, count=count, seed=seed, psi=psi, features=features, out=out,
        device=common.device,
    )  # fmt: skip
    with progress(common) as advance:
        data = program.eval_pictures(options, advance)
    return Report(data, program.score_lines(data))


def _figures(data: dict[str, object], indent: str = "") -> list[str]:
    """A JSON object as indented lines, numbers rounded for reading."""
    lines: list[str] = []
    for key, value in data.items():
        if isinstance(value, dict):
            lines += [f"{indent}{key}", *_figures(value, indent + "  ")]
        else:
            lines.append(f"{indent}{key:<24} {f'{value:.4g}' if isinstance(value, float) else value}")
    return lines


def run(argv: Sequence[str]) -> int:
    """Run one command line (without the program's name) and return its exit code. Never raises."""
    is_json, is_debug = "--json" in argv, "--debug" in argv
    try:
        result = app(_globals_last(argv))
    except KeyboardInterrupt:
        show_fault(UserError("Interrupted.", "What was recorded or learned so far is saved."), is_json)
        return EXIT_INTERRUPTED
    except CycloptsError as fault:
        show_fault(_usage_fault(fault), is_json)
        return EXIT_USAGE
    except UserError as fault:
        if is_debug:
            traceback.print_exc()
        show_fault(fault, is_json)
        return fault.exit_code
    except Exception as fault:
        if is_debug:
            traceback.print_exc()
        sentence = f"Antiphon made a mistake of its own: {type(fault).__name__}: {fault}"
        show_fault(
            UserError(sentence, "Run the command again with --debug and report what it prints."), is_json
        )
        return EXIT_FAILED
    if not isinstance(result, Report):
        return 0
    show(result, Common(json=is_json, quiet="--quiet" in argv))
    return result.exit_code


def _globals_last(argv: Sequence[str]) -> list[str]:
    """Options of every command may stand before the command too."""
    tokens, leading = list(argv), []
    while tokens and tokens[0] in {"--json", "--quiet", "--debug", "--device"}:
        n_tokens = 2 if tokens[0] == "--device" else 1
        leading += tokens[:n_tokens]
        tokens = tokens[n_tokens:]
    return tokens + leading


def _usage_fault(fault: CycloptsError) -> UserError:
    """Wrong use as one sentence and where to read more."""
    chain = fault.command_chain or ()
    if isinstance(fault, UnusedCliTokensError) and fault.unused_tokens:
        sentence = f"antiphon {' '.join(chain)}".strip() + f" does not know '{fault.unused_tokens[0]}'."
    else:
        sentence = " ".join(str(fault).split())
    return UserError(sentence, f"`{' '.join(('antiphon', *chain, '--help'))}` lists what there is.")


def main() -> None:
    """Entry point of the installed program."""
    sys.exit(run(sys.argv[1:]))
