from __future__ import annotations

import json
import math
from dataclasses import asdict, replace

import numpy as np
import pytest
import torch

from midi.errors import UserError
from models.registry import user_folder
from models.sequence.chorale import ChoraleConfig, ChoraleModel, nll_per_note, read_pieces
from models.sequence.choraleinputs import inputs_of
from models.sequence.choralepupil import LessonConfig
from models.sequence.network import TrunkConfig
from studio import chorales
from studio.cli import run
from tests.models.test_chorale import random_piece, write_pieces

CONFIG = ChoraleConfig(TrunkConfig(16, 1, 2, 32, 0.0), head_width=16, head_layers=1, batch=2, window=16)
FIGURES = {
    "nll_nats_per_note": 1.5, "notes": 64, "split": "valid", "steps": 3, "minutes": 0.1,
    "teachers_nll": [1.75, 1.25], "copy_bigram_nll": 2.0,
}  # fmt: skip

SMALL = {"device": "cpu", "config": CONFIG, "pupil": CONFIG, "lessons": LessonConfig(count=3)}


@pytest.fixture
def file(tmp_path):
    return write_pieces(tmp_path / "pieces.json")


@pytest.fixture
def bundle():
    torch.manual_seed(0)
    model = ChoraleModel(CONFIG).eval()
    return chorales.write_chorale_bundle(user_folder() / "chorales" / "9.0.0", model, CONFIG, FIGURES)


class TestEvaluation:
    def test_is_that_of_the_bundle_on_the_split(self, file, bundle):
        told = []
        got = chorales.eval_chorales(
            file, split="train", model=str(bundle.path), progress=lambda *step: told.append(step)
        )
        pieces = [inputs_of(piece) for piece in read_pieces(file, "train")]
        want, notes = nll_per_note(chorales.load_chorale_model(bundle), pieces, 32)
        assert got == {
            "nll_nats_per_note": pytest.approx(want), "notes": notes, "pieces": 2, "split": "train",
            "model": "chorales@9.0.0",
        }  # fmt: skip
        assert notes == 21 * 4
        assert told == [("Pieces", 1, 2), ("Pieces", 2, 2)]

    def test_command_prints_one_object(self, file, bundle, capsys):
        assert run(["eval", "chorales", str(file), "--model", str(bundle.path), "--json"]) == 0
        data = json.loads(capsys.readouterr().out)
        assert set(data) == {"nll_nats_per_note", "notes", "pieces", "split", "model"}
        assert data["nll_nats_per_note"] == pytest.approx(math.log(129), rel=0.2)

    def test_refuses_what_it_cannot_use(self, file, bundle, tmp_path):
        with pytest.raises(UserError, match="no split called test"):
            chorales.eval_chorales(file, split="test", model=str(bundle.path))
        with pytest.raises(UserError, match="no bundle"):
            chorales.eval_chorales(file, model="nowhere")
        with pytest.raises(UserError, match="cannot be read"):
            chorales.eval_chorales(tmp_path / "none.json")

    @pytest.mark.parametrize("config", [replace(CONFIG, head_width=32), replace(CONFIG, head_layers=2)])
    def test_weights_that_do_not_fit(self, bundle, config):
        manifest = bundle.manifest.model_copy(update={"config": asdict(config)})
        with pytest.raises(UserError, match="do not fit") as caught:
            chorales.load_chorale_model(replace(bundle, manifest=manifest))
        assert caught.value.hint

    @pytest.mark.parametrize("config", [{"size": 3}, {"trunk": {"width": 16, "heads": 0}}])
    def test_configurations_that_make_no_sense(self, bundle, config):
        manifest = bundle.manifest.model_copy(update={"config": config})
        with pytest.raises(UserError, match="do not fit"):
            chorales.load_chorale_model(replace(bundle, manifest=manifest))

    def test_another_kind_of_bundle(self, bundle):
        manifest = bundle.manifest.model_copy(update={"architecture": "event-rows"})
        with pytest.raises(UserError, match="holds a network 'event-rows'"):
            chorales.load_chorale_model(replace(bundle, manifest=manifest))

    @pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has the device")
    def test_a_device_that_is_not_there_is_a_sentence(self, file, bundle):
        with pytest.raises(UserError, match="no device 'cuda'"):
            chorales.eval_chorales(file, model=str(bundle.path), device="cuda")


class TestTraining:
    def test_makes_a_pupil_with_figures(self, file, tmp_path):
        told, made = [], []
        trained = chorales.train_chorales(
            file,
            tmp_path / "run",
            minutes=0.002,
            **SMALL,
            report=lambda progress: told.append(progress.fraction),
            advance=lambda *step: made.append(step),
        )
        assert trained is not None
        model, config, figures = trained
        assert config == CONFIG
        assert told == sorted(told)
        assert told[-1] == pytest.approx(1)
        assert made == [("Lessons", 1, 3), ("Lessons", 2, 3), ("Lessons", 3, 3)]
        assert len(figures["teachers_nll"]) == chorales.N_TEACHERS
        assert len(set(figures["teachers_nll"])) > 1
        assert (
            figures["nll_nats_per_note"]
            == nll_per_note(model, [inputs_of(piece) for piece in read_pieces(file, "valid")], 32)[0]
        )
        assert figures["steps"] >= 1
        bundle = chorales.write_chorale_bundle(tmp_path / "1.0.0", model, config, figures)
        assert f"{figures['copy_bigram_nll']:.4f}" in bundle.card
        assert f"({min(figures['teachers_nll']):.4f} to " in bundle.card
        loaded = chorales.load_chorale_model(bundle)
        assert not loaded.training
        for name, weight in model.state_dict().items():
            torch.testing.assert_close(loaded.state_dict()[name], weight.half().float())

    def test_interrupted_it_is_nothing_yet_and_goes_on(self, file, tmp_path):
        steps = []

        def stop(progress) -> None:
            steps.append(progress.step)
            raise KeyboardInterrupt

        settings = {"minutes": 60.0, **SMALL}
        assert chorales.train_chorales(file, tmp_path / "run", **settings, report=stop) is None
        assert chorales.train_chorales(file, tmp_path / "run", **settings, report=stop) is None
        assert steps == [1, 2]


class TestCopyBigram:
    def test_by_hand(self):
        """Seen once: four first notes and eight held ones."""
        piece = np.full((3, 4), 60)
        gate, leap = 1.5 / 2, 1.05 / (1 + 129 * 0.05)
        want = (4 * -math.log(gate * leap) + 8 * -math.log(gate)) / 12
        assert chorales.copy_bigram_nll([piece], [piece]) == pytest.approx(want)

    def test_repetition_is_cheaper_than_change(self):
        train = [random_piece(seed, 40) for seed in range(4)]
        held, moving = np.repeat(train[0][:1], 20, axis=0), train[1][:20]
        assert chorales.copy_bigram_nll([held], [held]) < chorales.copy_bigram_nll([held], [moving])
