"""The generator's benchmark: that it counts what is carried out and names who is missing; never who wins."""

import sys

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from models.image.generator import Generator, GeneratorConfig
from tests.bench import generator as program
from tests.bench.peer import Absent, imported
from tests.models.image.conftest import one_thread  # noqa: F401

pytestmark = pytest.mark.usefixtures("one_thread")
SMALL = GeneratorConfig(32, (12, 8, 8, 4), 8, 8)


def test_operations_are_those_of_the_generator():
    network = Generator(SMALL).eval().requires_grad_(False)
    ws = torch.randn(1, len(network.layer_names), 8)
    with FlopCounterMode(display=False) as counter:
        network(ws)
    counts = counter.get_flop_counts()["Global"]
    convolutions = sum(n for op, n in counts.items() if "convolution" in str(op))
    heads = sum(
        2 * 3 * width * side**2 for side, width in zip(SMALL.resolutions, SMALL.channels, strict=True)
    )
    assert program.operations(SMALL) == convolutions + heads


def test_a_missing_peer_is_named(monkeypatch):
    monkeypatch.setattr(torch, "set_num_threads", lambda _n: None)
    monkeypatch.setattr(program, "PEAK_SIDE", 64)
    monkeypatch.setattr(program, "PEAK_PX", 8)
    figures = program.generator_figures("/nowhere/python", rounds=1, config=SMALL)
    assert [figure.unit for figure in figures] == ["frames/s", "%", "ms", "ms"]
    assert all(figure.ok is None and figure.note.startswith("not there: ") for figure in figures[2:])
    assert figures[1].value == pytest.approx(100 * figures[0].value / figures[0].reference_value
                                             * figures[1].reference_value / 100)  # fmt: skip


def test_without_a_gpu_the_table_says_so(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    (figure,) = program.gpu_figures(rounds=1, config=SMALL)
    assert figure.note == "no GPU"
    assert figure.value > 0


def test_a_peers_import_is_told_of_cuda_only_while_it_lasts(tmp_path, monkeypatch):
    (tmp_path / "wants_cuda.py").write_text(
        "import torch, aim\nassert torch.cuda.is_available()\nfrom aim import Run\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    before = torch.cuda.is_available
    module = imported("wants_cuda")
    assert torch.cuda.is_available is before
    assert isinstance(module.aim, Absent)
    for name in ("wants_cuda", "torchvision", "fire", "aim", "vector_quantize_pytorch", "adabelief_pytorch"):
        if isinstance(sys.modules.get(name), Absent) or name == "wants_cuda":
            sys.modules.pop(name, None)
