"""One event row with a full context beside PyTorch, the peers, and reading its weights once.

Rounds go around all of them; peers live in an interpreter of their own (``--peers``) and are asked through a
pipe. CPU seconds of one thread, medians. Peers have random weights: what a row costs does not depend on them.
"""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np
import torch

from midi.events import FIELD_SIZES, PREDICTED
from models.sequence.decode import Reader
from models.sequence.fast import FastReader, open_reader
from models.sequence.network import EventModel
from models.sequence.player import Player
from models.sequence.products import has_half
from tests.bench.figures import Figure, alone, compared, higher, medians, timed
from tests.bench.rows import draw_row, random_rows

RUN = 16
"""Rows of a run: the last that fit the context."""
REPEATS = 8
"""Runs of ours in a round, so that a round of ours is not lost between those of the peers."""
ROUNDS = 7
LATE_ROWS = 4

TOKENS_PER_ROW = len(PREDICTED)
"""A peer that writes tokens needs one for each predicted column: the row says no more and no less."""
FEWEST_TOKENS = 4
"""What a note costs at the least in a token language (REMI: position, pitch, velocity, duration)."""

PIP = {
    "huggingface": "pip install torch transformers",
    "notochord": "pip install torch numpy pandas mido tqdm appdirs joblib && pip install --no-deps notochord",
    "stylegan2_pytorch": "pip install --no-deps stylegan2_pytorch kornia kornia_rs einops tqdm pillow",
    "lightweight_gan": "pip install --no-deps lightweight-gan kornia kornia_rs einops tqdm pillow",
}


class Peer:
    """A peer behind a pipe; ``missing`` says why it cannot be asked, and is empty where it can.

    Args:
        command: An interpreter, with its options.
        name: A key of :data:`PIP`.
        spec: What the peer is built by.
    """

    def __init__(self, command: Sequence[str], name: str, spec: dict[str, int]) -> None:
        self.name = name
        self.facts: dict[str, Any] = {}
        self.missing = ""
        self._process: subprocess.Popen[str] | None = None
        environment = {
            **os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "MKL_NUM_THREADS": "1",
            "HF_HUB_OFFLINE": "1", "CUDA_VISIBLE_DEVICES": "",
        }  # fmt: skip
        script = Path(__file__).with_name("peer.py")
        try:
            self._process = subprocess.Popen(
                [*command, "-I", str(script), name, json.dumps(spec)],
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment,
            )  # fmt: skip
            self.facts = self._answer()
        except OSError as error:
            self.missing = f"{command[0]}: {error.strerror}"
        except json.JSONDecodeError:
            self.missing = "it ended before it answered; what it wrote stands above"
        if "missing" in self.facts:
            self.missing = f"not installed ({self.facts['missing']}); {PIP[name]}"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._process is not None:
            self._process.communicate()

    def row_s(self, action: str) -> float:
        """CPU seconds a row of one run of an action."""
        assert self._process is not None
        assert self._process.stdin is not None
        self._process.stdin.write(action + "\n")
        self._process.stdin.flush()
        return float(self._answer()["row_s"])

    def _answer(self) -> dict[str, Any]:
        assert self._process is not None
        assert self._process.stdout is not None
        answer: dict[str, Any] = json.loads(self._process.stdout.readline())
        return answer


@dataclass(frozen=True)
class Rival:
    """One line of the table with a peer: which action of it, and what ours may cost beside it."""

    peer: Peer
    action: str
    title: str
    limit: float
    note: str

    def figure(self, name: str, row_s: float, peer_s: float | None) -> Figure:
        """Ours beside it; without a time of the peer, why."""
        goal = f"<= {self.limit:g}"
        if peer_s is None:
            return alone(name, row_s * 1e3, "ms", f"{self.title}: missing", goal, self.peer.missing)
        facts = self.peer.facts
        size = f"{facts['version']}, {facts['parameters'] / 1e6:.1f} M parameters, random weights"
        return compared(
            name, row_s * 1e3, "ms", self.title, peer_s * 1e3, goal, self.limit, f"{size}; {self.note}"
        )


def peer_figures(python: str) -> list[Figure]:
    """Our row beside PyTorch, the read limit, Hugging Face and Notochord; rows of a late note.

    Args:
        python: An interpreter that has the peers.
    """
    torch.set_num_threads(1)
    model = Player.load("partner").model
    count = sum(p.numel() for p in model.parameters())
    name = f"event row, {count / 1e6:.1f} M, context {model.config.trunk.context}"
    with ExitStack() as stack:
        rivals = rivals_of(model, python, stack)
        there = [r for r in rivals if not r.peer.missing]
        weights = weights_of_a_row(model)
        found = medians(
            *(run_of(reader) for reader in (FastReader(model), open_reader(model, "half"), Reader(model))),
            reading(weights),
            *(lambda r=r: r.peer.row_s(r.action) for r in there),
            rounds=ROUNDS,
        )
    row_s, half_s, eager_s, read_s, *peers_s = found
    times = dict(zip(map(id, there), peers_s, strict=True))
    speed = weights.nbytes / read_s / 1e9
    by_eager = ("the same by PyTorch, eager", eager_s * 1e3, "<= 0.4", 0.4)
    live = [compared(f"{name}, bfloat16", half_s * 1e3, "ms", *by_eager, "as it plays live here")]
    return [
        *(live if has_half() else []),
        compared(name, row_s * 1e3, "ms", *by_eager,
                 f"runs of {RUN} rows up to a full context, each read and the next one drawn"),
        *(rival.figure(name, row_s, times.get(id(rival))) for rival in rivals),
        compared(name, row_s * 1e3, "ms", "reading its weights once", read_s * 1e3, "", None,
                 f"{weights.nbytes / 1e6:.1f} MB of 32-bit weights at {speed:.1f} GB/s; a row also reads "
                 f"{cached_bytes(model) / 1e6:.1f} MB of keys and values"),
        late_figure(model),
    ]  # fmt: skip


def rivals_of(model: EventModel, python: str, stack: ExitStack) -> list[Rival]:
    """Peers that are open until the stack closes."""
    spec = {
        "rows": model.config.trunk.context, "run": RUN, "width": model.config.trunk.width,
        "layers": model.config.trunk.layers, "heads": model.config.trunk.heads,
        "parameters": sum(p.numel() for p in model.parameters()),
        "vocabulary": sum(FIELD_SIZES[field] for field in PREDICTED),
    }  # fmt: skip

    def start(name: str, tokens: int = 0) -> Peer:
        return stack.enter_context(Peer([python], name, {**spec, "tokens": tokens}))

    def generate(tokens: int, why: str) -> Rival:
        note = (
            f"transformers' GPT-2, {tokens} tokens a row ({why}), {tokens * spec['rows']} tokens of context"
        )
        return Rival(start("huggingface", tokens), "generate", f"HF generate, {tokens} tokens", 0.3, note)

    notochord = start("notochord")
    return [
        generate(TOKENS_PER_ROW, "one for each predicted column"),
        generate(FEWEST_TOKENS, "a note's position, pitch, velocity and duration in REMI"),
        Rival(notochord, "query_feed", "Notochord query + feed", 0.5, "an event; a note takes two"),
        Rival(notochord, "feed_query", "Notochord feed + query", 0.5,
              "a key is read and the pitch beside it drawn, the rest is given"),
    ]  # fmt: skip


def run_of(reader: Reader) -> Callable[[], float]:
    """CPU seconds a row of the last rows that fit the context, as a plan draws them."""
    rows = random_rows(reader.model.config.trunk.context)
    rng = np.random.default_rng(0)
    begin = len(rows) - RUN
    reader.read(rows[:begin])
    reader.next_row()

    def runs() -> None:
        for _ in range(REPEATS):
            reader.step_back(begin)
            for at in range(begin, len(rows)):
                reader.append(rows[at : at + 1])
                draw_row(reader, rng)

    measure = timed(runs)
    return lambda: measure() / (REPEATS * RUN)


def reading(weights: np.ndarray) -> Callable[[], float]:
    """CPU seconds of reading the weights once, as often in a row as rows are timed."""

    def read() -> None:
        for _ in range(REPEATS * RUN):
            weights.max()  # of numpy's and PyTorch's sums, dot products and maxima the fastest

    measure = timed(read)
    return lambda: measure() / (REPEATS * RUN)


def weights_of_a_row(model: EventModel) -> np.ndarray:
    """As many bytes as a row reads of the weights: all but the tables, and one line of each of those."""
    modules = model.modules()
    tables = [m.weight for m in modules if isinstance(m, torch.nn.Embedding)]
    known = {id(table) for table in tables}
    count = sum(p.numel() for p in model.parameters() if id(p) not in known)
    return np.ones(count + sum(table.shape[1] for table in tables), dtype=np.float32)


def cached_bytes(model: EventModel) -> int:
    """Keys and values of a full context, 32 bits each."""
    trunk = model.config.trunk
    return trunk.layers * 2 * trunk.context * trunk.width * 4


def late_figure(model: EventModel) -> Figure:
    """Rows through the network when a late note is put in before the end of a full context."""
    context = model.config.trunk.context
    return higher(
        "late note: rows through the network", late_rows(model), "rows", "reading the context again", context,
        f"<= {LATE_ROWS}", LATE_ROWS, less=True,
        note=f"counted: {LATE_ROWS - 1} rows taken back, one put in, those read again, the next row drawn",
    )  # fmt: skip


def late_rows(model: EventModel) -> int:
    """Rows that pass the trunk for a late note among the last of a full context, by the fast reader."""
    rows = random_rows(model.config.trunk.context)
    rng = np.random.default_rng(0)
    reader = FastReader(model)
    reader.read(rows[:-1])
    draw_row(reader, rng)
    at = len(rows) - LATE_ROWS
    changed = np.concatenate([rows[:at], rows[-1:], rows[at:-1]])
    with counted(reader) as passed:
        reader.read(changed)
        draw_row(reader, rng)
    return sum(passed)


@contextmanager
def counted(reader: FastReader) -> Iterator[list[int]]:
    """Numbers of rows that pass a reader's network, by its own way or PyTorch's, while it is open."""
    passed: list[int] = []
    step, run = reader.step, reader.step.run

    def counting(feeds: Sequence[tuple[FastReader, int]]) -> Any:
        passed.append(len(feeds))
        return run(feeds)

    step.run = counting  # type: ignore[method-assign]
    hook = reader.model.trunk.register_forward_pre_hook(lambda _, given: passed.append(given[0].shape[1]))
    try:
        yield passed
    finally:
        del step.run
        hook.remove()
