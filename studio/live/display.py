"""The terminal while playing: transport, keys, the next beats of the plan, meters and the last words.

Everything fits 80 columns and 24 rows; a wider terminal gets a wider keyboard and plan.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import groupby
from types import TracebackType

from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from midi.events import DRUMS, GRID_PER_BEAT
from midi.theory import BLACK_KEYS
from models.sequence.plan import PlannedNote
from studio.live.messages import Snapshot
from studio.live.meters import Percentiles

REFRESH_S = 0.1
PLAYER_STYLE = "bold #6cc4ff"
PARTNER_STYLE = "bold #ffb454"
GHOST_STYLE = "#8a6a3a"
DIM_STYLE = "#7a7f87"
ALARM_STYLE = "bold #ff6b6b"

LOWEST_KEY = 36
TICKS_A_CELL = 2
ROLL_ROWS = 8
NAMES = ("C", "C♯", "D", "E♭", "E", "F", "F♯", "G", "A♭", "A", "B♭", "B")


@dataclass(frozen=True, slots=True)
class Status:
    """What the display shows beside the conductor's snapshot.

    Attributes:
        input_name: Where the player's notes come from, in words.
        output_name: Where the partner's notes go, in words.
        audio_name: The sound device, in words.
        model: The model's state, in words.
        plan_latency: From asking for a plan to having it.
        lateness: Of what went to the output port; of the engine's loop without one.
        underruns: Blocks that the sound card missed.
        restarts: How often the model was started again.
        sentence: The latest thing that a person should know; may be empty.
        help: What the keys do; empty where there are none.
    """

    input_name: str
    output_name: str
    audio_name: str
    model: str
    plan_latency: Percentiles = field(default_factory=Percentiles)
    lateness: Percentiles = field(default_factory=Percentiles)
    underruns: int = 0
    restarts: int = 0
    sentence: str = ""
    help: str = ""


def pitch_name(pitch: int) -> str:
    """Name and octave of a pitch, C4 being middle C (60)."""
    return f"{NAMES[pitch % 12]}{pitch // 12 - 1}"


def keyboard_strip(held: Iterable[int], partner_held: Iterable[int], n_keys: int = 61) -> Text:
    """One cell a key from C2 on; pressed keys in the color of who holds them, those outside left out."""
    mine, theirs = set(held), set(partner_held)
    strip = Text()
    for pitch in range(LOWEST_KEY, min(LOWEST_KEY + n_keys, 128)):
        is_black = pitch % 12 in BLACK_KEYS
        if pitch in mine:
            strip.append("█", PLAYER_STYLE)
        elif pitch in theirs:
            strip.append("█", PARTNER_STYLE)
        elif pitch == 60:
            strip.append("◆", DIM_STYLE)
        else:
            strip.append("▀" if is_black else "▁", "#3a3f46" if is_black else "#c8ccd2")
    return strip


def plan_roll(snapshot: Snapshot, n_cells: int = 72) -> list[Text]:
    """The next beats as ``ROLL_ROWS`` rows, 12 cells a beat: committed notes solid, ghosts dim, drums as x.

    Rows span the pitches that are there, at least an octave.
    """
    now = int(snapshot.beat * GRID_PER_BEAT)
    first = now - now % TICKS_A_CELL
    last = first + n_cells * TICKS_A_CELL
    layers = [(note, GHOST_STYLE) for note in snapshot.ghosts]
    layers += [(note, PARTNER_STYLE) for note in snapshot.committed]
    shown = [
        (note, style)
        for note, style in layers
        if note.onset_ticks < last and note.onset_ticks + note.duration_ticks > first
    ]
    pitched = [note.pitch for note, _ in shown if note.instrument != DRUMS]
    low = min(pitched, default=54)
    span = max(max(pitched, default=66) - low, ROLL_ROWS - 1)
    rows = [_empty_row(first, n_cells) for _ in range(ROLL_ROWS)]
    for note, style in shown:
        is_drum = note.instrument == DRUMS
        height = 0 if is_drum else round((note.pitch - low) * (ROLL_ROWS - 1) / span)
        _draw(rows[ROLL_ROWS - 1 - height], note, style, first, n_cells, is_drum=is_drum)
    return [_join(row) for row in rows]


def _empty_row(first: int, n_cells: int) -> list[tuple[str, str]]:
    ticks = range(first, first + n_cells * TICKS_A_CELL, TICKS_A_CELL)
    return [("┊" if tick % GRID_PER_BEAT == 0 else " ", "#30343a") for tick in ticks]


def _draw(
    row: list[tuple[str, str]], note: PlannedNote, style: str, first: int, n_cells: int, *, is_drum: bool
) -> None:
    start = (note.onset_ticks - first) // TICKS_A_CELL
    length = 1 if is_drum else max(1, round(note.duration_ticks / TICKS_A_CELL))
    for cell in range(max(start, 0), min(start + length, n_cells)):
        row[cell] = ("x" if is_drum else "▐" if cell == start else "█", style)


def _join(row: list[tuple[str, str]]) -> Text:
    """One span a run of cells of one style: far fewer of them to draw."""
    runs = groupby(row, key=lambda cell: cell[1])
    return Text.assemble(*(("".join(cell for cell, _ in run), style) for style, run in runs))


def transport_line(snapshot: Snapshot) -> Text:
    """Bar and beat, tempo, mode, and a lamp a beat."""
    bar, beat = divmod(max(snapshot.beat, 0.0), snapshot.beats_per_bar)
    lamps = "".join("●" if i == int(beat) else "○" for i in range(max(1, round(snapshot.beats_per_bar))))
    state = "▶" if snapshot.is_playing else "■"
    return Text.assemble(
        (f"{state} {int(bar) + 1:>3}.{int(beat) + 1}  ", "bold"),
        (f"{lamps}  ", PARTNER_STYLE),
        (f"{snapshot.bpm:.1f} bpm", "bold"),
        (f"   {snapshot.mode.value}", PARTNER_STYLE),
    )


def meter_line(snapshot: Snapshot, status: Status) -> Text:
    """Figures of the performance, those that are wrong in the color of alarm."""
    counts = snapshot.counts
    isr_style = "" if counts.isr >= 0.99 or not snapshot.is_model_ready else ALARM_STYLE
    plan, late = status.plan_latency, status.lateness
    # Where rules play alone no plan can be late.
    planned = [(f"  in time {counts.isr:.1%}", isr_style), (f"  plan {plan.p95_ms:.0f} ms", DIM_STYLE)]
    return Text.assemble(
        (f"you {counts.player_notes}", PLAYER_STYLE),
        (f"  partner {counts.partner_notes}", PARTNER_STYLE),
        *(planned if plan.count else []),
        (f"  late {late.p99_ms:.1f} ms", DIM_STYLE),
    )


def trouble_line(snapshot: Snapshot, status: Status) -> Text:
    """What went wrong so far; empty while nothing has."""
    counts = snapshot.counts
    troubles = (
        (counts.late_drops, "dropped"),
        (counts.ignored_keys, "keys ignored"),
        (status.underruns, "underruns"),
        (status.restarts, "model restarts"),
    )
    return Text("  ".join(f"{count} {name}" for count, name in troubles if count), ALARM_STYLE)


def _names(label: str, pitches: tuple[int, ...], style: str) -> Text:
    words = " ".join(pitch_name(p) for p in sorted(pitches)[:12])
    return Text.assemble((f"{label:<8}", DIM_STYLE), (words or "·", style))


def render(snapshot: Snapshot, status: Status, width: int = 80) -> Group:
    """Everything on at most 22 rows of ``width`` columns."""
    inner = max(width - 2, 40)
    wires = Table.grid(padding=(0, 1))
    wires.add_column(style=DIM_STYLE, width=7)
    wires.add_column(overflow="ellipsis", no_wrap=True, max_width=inner - 8)
    for label, name in (
        ("in", status.input_name),
        ("out", status.output_name),
        ("sound", status.audio_name),
        ("model", status.model),
    ):
        wires.add_row(label, Text(name))
    cells = (inner - 1) // 12 * 12
    rows: list[Text | Table] = [
        transport_line(snapshot),
        Text(),
        keyboard_strip(snapshot.held, snapshot.partner_held, min(inner, 88 - LOWEST_KEY + 21)),
        _names("you", snapshot.held, PLAYER_STYLE),
        _names("partner", snapshot.partner_held, PARTNER_STYLE),
        Text("┌" + "─" * cells, DIM_STYLE),
        *(Text("│", DIM_STYLE) + row for row in plan_roll(snapshot, cells)),
        meter_line(snapshot, status),
        trouble_line(snapshot, status),
        wires,
        Text(status.sentence, ALARM_STYLE),
        Text(status.help, DIM_STYLE),
    ]
    for row in rows:
        if isinstance(row, Text):
            row.no_wrap, row.overflow = True, "ellipsis"
    return Group(*rows)


class LiveDisplay:
    """Draws into a terminal until left; one thread only."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._live = Live(console=console, auto_refresh=False, transient=True)

    def __enter__(self) -> LiveDisplay:
        """Take over the lower part of the terminal."""
        self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Give it back, without a trace of the display."""
        self._live.stop()

    def show(self, snapshot: Snapshot, status: Status) -> None:
        """Draw one picture, some milliseconds of work."""
        self._live.update(render(snapshot, status, self._console.width), refresh=True)
