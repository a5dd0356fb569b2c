"""The chorale benchmark: what its rows are told, what is counted, and that a run is taken up."""

import json
import math
from dataclasses import replace

import numpy as np
import pytest
import torch

from models.sequence.choraleinputs import VOICES, inputs_of
from models.sequence.choralepupil import LessonConfig
from models.sequence.network import Trunk, TrunkConfig
from tests.bench import chorales as program
from tests.models.test_chorale import CONFIG, random_piece, read_at_once, write_pieces


@pytest.fixture(autouse=True)
def leave_threads(monkeypatch):
    monkeypatch.setattr(torch, "set_num_threads", lambda _n: None)


@pytest.fixture
def file(tmp_path):
    return write_pieces(tmp_path / "pieces.json")


def tiny(row, seed):
    config = replace(CONFIG, seed=seed, batch=2, window=16)
    trunk = TrunkConfig(16, 1, 2, 128, 0.0)
    cores = {"gru": lambda: program.Recurrent(16, 0.0), "transformer": lambda: Trunk(trunk)}
    if row in cores:
        return program.Recipe(lambda _: program.TokenModel(16, 0.0, cores[row]()), config)
    return program.Recipe(program.ChoraleModel, config)


def test_every_row_is_trained_once_and_stands_in_the_table(tmp_path, file, monkeypatch, capsys):
    monkeypatch.setattr(program, "recipe_of", tiny)
    monkeypatch.setattr(program, "LESSONS", LessonConfig(count=3))
    arguments = {
        "data": file,
        "out": tmp_path / "out",
        "minutes": 0.002,
        "pupil_minutes": 0.002,
        "seeds": 2,
        "other_seeds": 2,
        "device": "cpu",
    }
    program.bench(**arguments)
    said = capsys.readouterr().out
    for name in (
        "unigram",
        "copy-bigram",
        "gru",
        "transformer",
        "steps",
        "ensemble",
        "pupil",
        "Music Transformer",
    ):
        assert name in said
    assert "goal 0.32: SHORT" in said
    rows = json.loads((tmp_path / "out" / "bench-chorales.json").read_text())["rows"]
    assert len(rows["gru"]["valid"]) == 2
    # The mean of probabilities is never worse than the mean of nats (Jensen).
    assert rows["ensemble"]["valid"][0] <= np.mean(rows["steps"]["valid"]) + 0.02  # bfloat16, while training
    monkeypatch.setattr(program, "fit", lambda *_args, **_named: pytest.fail("trained again"))
    program.bench(**arguments)
    assert capsys.readouterr().out == said


@pytest.mark.parametrize("row", ["gru", "transformer"])
@pytest.mark.parametrize("cut", [1, 6, 13, 30])
def test_later_tokens_change_no_earlier_logit(row, cut):
    recipe = tiny(row, 0)
    model, piece = recipe.build(recipe.config).eval(), random_piece(0, 8)
    changed = piece.reshape(-1).copy()
    changed[cut:] = random_piece(1, 8).reshape(-1)[cut:]
    with torch.no_grad():
        one, other = (model(*read_at_once(p)[:2]).flatten(1, 2) for p in (piece, changed.reshape(8, VOICES)))
    assert torch.allclose(one[:, : cut + 1], other[:, : cut + 1], atol=1e-6)
    assert not torch.allclose(one[:, cut + 1 :], other[:, cut + 1 :], atol=1e-6)


def test_the_curve_is_the_best_so_far(tmp_path):
    lines = [(10, None), (50, 0.9), (70, 0.5), (110, 0.6), (200, 0.4)]
    log = tmp_path / "log.jsonl"
    told = [json.dumps({"elapsed_s": at, "metric": metric}) for at, metric in lines]
    log.write_text("\n".join([*told, json.dumps({"event": "early", "elapsed_s": 200})]))
    assert program.curve_of(log) == {"1": 0.9, "2": 0.5, "3": 0.5}


def test_unigrams_by_hand():
    piece = np.full((3, VOICES), 60)
    assert program.unigram_nll([piece], [piece]) == pytest.approx(-math.log(3.5 / (3 + 129 / 2)))


def test_an_ensemble_of_one_is_that_one():
    model = program.ChoraleModel(CONFIG).eval()
    pieces = [inputs_of(random_piece(3, 12))]
    alone = program.nll_per_note(model, pieces, 32)[0]
    assert program.ensemble_nll([model, model], pieces) == pytest.approx(alone, rel=1e-5)
