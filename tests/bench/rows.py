"""Event rows: what one costs on the runtimes there are, beside its physical limit; guidance; late notes."""

from __future__ import annotations

import copy
import statistics
import time
from collections.abc import Callable

import numpy as np
import torch

from midi.events import EVENT_DTYPE, GRID_PER_BEAT, PREDICTED, BarGrid, Field, Role, start_row
from midi.stream import EventStream
from models.sequence.decode import Reader, draw
from models.sequence.fast import FastReader, Runtime, open_reader
from models.sequence.network import EventModel
from models.sequence.plan import PlanRequest, Steering
from models.sequence.player import Player
from models.sequence.products import has_half
from tests.bench.figures import ROUNDS, Figure, alone, compared, cpu_s

POSITION = 400
"""Rows already read when a row is timed."""

ROWS_OF_A_PLAN = 32
GUIDED_FROM_TICK = 24 * 4 * GRID_PER_BEAT
"""Where the plans with guidance begin: behind some 200 rows."""


def decode_figures() -> list[Figure]:
    """Event rows by the fast reader against PyTorch's, the trunk alone, and reading the weights.

    Where the CPU multiplies bfloat16 the reader of live playing, which does so, has lines of its own.
    """
    torch.set_num_threads(1)
    model = Player.load("partner").model
    rows = random_rows(POSITION)
    fast, eager, bare = FastReader(model), Reader(model), Reader(model)
    half = open_reader(model, "half")
    for reader in (fast, eager, bare, half):
        reader.read(rows)
        reader.next_row()
    vector = torch.zeros(1, 1, model.config.trunk.width)
    # What a row reads: all matrices but the tables, of which it takes one line each.
    weights = [p.detach().numpy() for name, p in model.named_parameters() if "embed" not in name and
               "seen" not in name]  # fmt: skip

    def read() -> None:
        for weight in weights:
            weight.max()

    def trunk() -> None:
        bare.step_back(POSITION - 1)
        with torch.inference_mode():
            model.trunk(vector, bare._cache)

    def step() -> None:
        fast.step_back(POSITION - 1)
        fast.append(rows[-1:])
        fast.next_row()

    def late() -> None:
        fast.step_back(POSITION - 4)
        fast.append(rows[-4:])
        fast.next_row()

    def again() -> None:
        fast.step_back(0)
        fast.append(rows)
        fast.next_row()

    actions = [read, trunk, step, late, row_of(fast, rows), row_of(half, rows), row_of(eager, rows)]
    found = cpu_s(*(in_a_row(action) for action in actions), rounds=7)
    read_s, trunk_s, step_s, late_s, row_s, half_s, eager_s = (seconds / ROWS_OF_A_PLAN for seconds in found)
    again_s = cpu_s(again, rounds=3)[0]
    name = f"event row, {sum(p.numel() for p in model.parameters()) / 1e6:.1f} M, position {POSITION}"

    def ms(name: str, value_s: float, reference: str, reference_s: float, limit: float) -> Figure:
        return compared(name, value_s * 1e3, "ms", reference, reference_s * 1e3, f"<= {limit:g}", limit)

    live = [ms(f"{name}, bfloat16", half_s, "the same by PyTorch, eager", eager_s, 0.4)] if has_half() else []
    return [
        *live,
        ms(name, row_s, "the same by PyTorch, eager", eager_s, 0.4),
        ms(name, row_s, "bare eager trunk step", trunk_s, 0.45),
        ms("a row through the network", step_s, "bare eager trunk step", trunk_s, 0.3),
        ms("a row through the network", step_s, "reading its weights once", read_s, 2.5),
        ms("late note: back and 4 rows", late_s, "one row", row_s, 2.0),
        ms("late note: back and 4 rows", late_s, f"reading {POSITION} rows again", again_s, 1.0),
        *guidance_figures(model),
        *gpu_figures(model, rows, row_s),
    ]


def in_a_row(action: Callable[[], object]) -> Callable[[], None]:
    """An action as often as a plan has rows: what it finds in the processor's caches is its own."""

    def act() -> None:
        for _ in range(ROWS_OF_A_PLAN):
            action()

    return act


def row_of(reader: Reader, rows: np.ndarray) -> Callable[[], None]:
    """A whole event row, the last of :data:`POSITION`: read it, draw the next."""
    rng = np.random.default_rng(0)

    def row() -> None:
        reader.step_back(POSITION - 1)
        reader.append(rows[-1:])
        draw_row(reader, rng)

    return row


def draw_row(reader: Reader, rng: np.random.Generator) -> None:
    """Draw all columns of the next row from everything that there is."""
    logits = reader.next_row()
    for field in PREDICTED:
        scores = logits.of(field)
        logits.row[field] = draw(scores, np.ones(len(scores), dtype=bool), 1.0, 0.95, rng)


def guidance_figures(model: EventModel) -> list[Figure]:
    """A row of a plan that hears the player twice, against one without, and both on PyTorch."""
    stream = EventStream(BarGrid())
    stream.advance(GUIDED_FROM_TICK + 1)
    human = np.zeros(GUIDED_FROM_TICK // 12, dtype=EVENT_DTYPE)
    human["ticks"], human["role"] = 12 * np.arange(len(human)), Role.HUMAN
    human["pitch"], human["velocity"] = 60 + np.arange(len(human)) * 5 % 12, 80
    stream.insert(human)
    until = GUIDED_FROM_TICK + 4 * GRID_PER_BEAT

    def plans(runtime: Runtime, follow: float) -> Callable[[], float]:
        player = Player(model, runtime=runtime)

        def act() -> float:
            """CPU seconds of a row."""
            seconds, count = 0.0, 0
            for number in range(4):
                request = PlanRequest(
                    number, stream.rows(), 0, GUIDED_FROM_TICK, until, GUIDED_FROM_TICK, BarGrid(),
                    Steering(follow=follow, density=1.0), 0,
                )  # fmt: skip
                began = time.process_time()
                count += player.plan(request).rows
                seconds += time.process_time() - began
            return seconds / count

        act()  # reads the context
        return act

    actions = [plans("half", 1.0), plans("fast", 1.0), plans("fast", 0.0), plans("eager", 1.0)]
    rounds = [[action() for action in actions] for _ in range(7)]
    half, guided, plain, eager = (statistics.median(column) * 1e3 for column in zip(*rounds, strict=True))
    by_eager = ("the same by PyTorch, eager", eager, "<= 0.4", 0.4)
    live = [compared("row of a plan with guidance, bfloat16", half, "ms", *by_eager)] if has_half() else []
    return [
        *live,
        compared("row of a plan with guidance", guided, "ms", "without", plain, "<= 1.5", 1.5),
        compared("row of a plan with guidance", guided, "ms", *by_eager),
    ]


def gpu_figures(model: EventModel, rows: np.ndarray, cpu_row_s: float) -> list[Figure]:
    """Milliseconds by the clock of a row on a GPU, captured and eager, beside the CPU's."""
    if not torch.cuda.is_available():
        return [alone("event row on the CPU", cpu_row_s * 1e3, "ms", "on a GPU", "", "no GPU")]
    there = copy.deepcopy(model).to("cuda")
    acts = []
    for runtime in ("auto", "eager"):
        reader = open_reader(there, runtime)  # type: ignore[arg-type]
        reader.read(rows)
        acts.append(row_of(reader, rows))
    times = []
    for _ in range(ROUNDS + 1):
        marks = [time.perf_counter()]
        for act in acts:
            act()  # drawing takes every logit to the CPU: nothing is left to wait for
            marks.append(time.perf_counter())
        times.append(np.diff(marks))
    captured_ms, eager_ms = (np.median(times[1:], axis=0) * 1e3).tolist()
    name = f"event row on {torch.cuda.get_device_name()}"
    return [
        compared(f"{name}, captured", captured_ms, "ms", "the same, eager", eager_ms, "", None),
        compared(f"{name}, captured", captured_ms, "ms", "the CPU row", cpu_row_s * 1e3, "", None),
    ]


def random_rows(count: int) -> np.ndarray:
    """Legal rows of no musical worth."""
    rng = np.random.default_rng(0)
    rows = np.repeat(start_row(BarGrid(), 0), count, axis=0)
    rows[1:, Field.ROLE] = Role.PARTNER
    rows[1:, Field.DELTA] = rng.integers(0, 7, count - 1)
    rows[1:, Field.PITCH] = rng.integers(40, 80, count - 1)
    return rows
