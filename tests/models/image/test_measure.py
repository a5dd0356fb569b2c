import numpy as np
import pytest
import torch

from midi.errors import UserError
from models.image import judge, measure
from models.image.decode import IntakeConfig
from models.image.judge import load_judge
from models.image.measure import MeasureConfig
from models.image.metrics import frechet_distance, half_sample_intervals, precision_recall
from models.image.pictures import build_pictures
from tests.models.image.drawings import disc, write_discs
from tests.models.image.gardens import pictures as garden


def rows(count, shift=0.0, size=6, seed=0):
    return (np.random.default_rng(seed).standard_normal((count, size)) + shift).astype(np.float32)


class TestFrechetDistance:
    def test_of_equal_samples_is_nothing(self):
        assert frechet_distance(rows(40), rows(40)) == pytest.approx(0, abs=1e-9)

    def test_of_shifted_samples_is_the_square_of_the_shift(self):
        assert frechet_distance(rows(50, 2.0), rows(50)) == pytest.approx(6 * 4, rel=1e-5)

    def test_agrees_with_the_root_of_the_covariances(self):
        a, b = rows(300), rows(200, 1.0, seed=1) * [1, 2, 3, 1, 1, 0.5]
        one, two = np.cov(a.T), np.cov(b.T)
        values = np.linalg.eigvals(one @ two).real.clip(0)
        shift = a.mean(0) - b.mean(0)
        expected = shift @ shift + np.trace(one) + np.trace(two) - 2 * np.sqrt(values).sum()
        assert frechet_distance(a, b.astype(np.float32)) == pytest.approx(expected, rel=1e-4)

    def test_fewer_rows_than_features_are_enough(self):
        assert np.isfinite(frechet_distance(rows(4, size=50), rows(6, size=50, seed=1)))


class TestPrecisionRecall:
    def test_of_one_kind_both_are_high(self):
        precision, recall = precision_recall(rows(200), rows(200, seed=1))
        assert min(precision, recall) > 0.7

    def test_far_away_both_are_nothing(self):
        assert precision_recall(rows(30, 100.0), rows(30)) == (0, 0)

    def test_a_narrow_model_is_precise_and_recalls_little(self):
        precision, recall = precision_recall(rows(100) * 0.05, rows(100, seed=1))
        assert precision > 0.9
        assert recall < 0.3


class TestHalfSampleIntervals:
    def test_hold_the_mean_about_as_wide_as_theory_says(self):
        x, y = rows(400, size=1), rows(100, size=1, seed=1)
        bounds = half_sample_intervals(
            lambda i, j: {"gap": float(x[i].mean() - y[j].mean())}, (400, 100), rounds=400
        )
        low, high = bounds["gap"]
        assert -low == pytest.approx(1.96 * np.sqrt(1 / 400 + 1 / 100), rel=0.25)
        assert high == pytest.approx(-low, rel=0.3)

    def test_take_no_row_twice(self):
        def check(i, j):
            assert len(set(i)) == len(i) == 5
            assert len(j) == 2
            return {"x": 0.0}

        half_sample_intervals(check, (10, 3), rounds=5)


class TestJudge:
    def test_the_random_space_is_these_numbers(self):
        found = load_judge("random-conv").rows(np.stack([disc(1, 64), disc(2, 64)]))
        assert found.shape == (2, 516)
        assert found[0, 300:303] == pytest.approx([0.3012, 0.7938, 0.2846], abs=1e-3)
        assert float(found.sum()) == pytest.approx(221.637, rel=1e-3)

    def test_sees_blur_and_color(self):
        space = load_judge("random-conv")
        real = np.stack([disc(i, 64) for i in range(24)])
        blurred = real[:, ::4, ::4].repeat(4, 1).repeat(4, 2)
        first, second = space.rows(real[:12]), space.rows(real[12:])
        usual = frechet_distance(first, second)
        assert frechet_distance(space.rows(blurred[:12]), second) > 1.2 * usual
        assert frechet_distance(space.rows(255 - real[:12]), second) > 1.2 * usual

    @pytest.mark.parametrize("side", [16, 64, 256])
    def test_pictures_of_any_size(self, side):
        assert np.isfinite(load_judge("random-conv").rows(np.stack([disc(1, side)]))).all()

    def test_foreign_weights_are_not_opened(self, tmp_path):
        (tmp_path / "weights.pth").write_bytes(b"\x80\x02anything")
        with pytest.raises(UserError, match="published"):
            judge.load_vgg(tmp_path / "weights.pth")

    def test_the_trunk_takes_the_names_of_the_weight_file(self, tmp_path, monkeypatch):
        torch.manual_seed(0)
        named = {
            "scaling_layer.shift": torch.zeros(1, 3, 1, 1),
            "scaling_layer.scale": torch.ones(1, 3, 1, 1),
        }
        for name, tensor in judge.VggFeatures().state_dict().items():
            if not name.startswith("scaling"):
                number, last = name.split("_")
                named[f"net.slice.{number}.{last}"] = torch.randn_like(tensor) * 0.05
        named["lin0.model.1.weight"] = torch.zeros(1)
        monkeypatch.setattr(judge, "read_published", lambda *_: named)
        found = judge.Judge("st-vgg16", judge.load_vgg(tmp_path)).rows(np.stack([disc(1), disc(2)]))
        assert found.shape == (2, 1024)
        assert not np.allclose(found[0], found[1])

    @pytest.mark.skipif(judge.find_weights() is None, reason="the measuring weights are not installed")
    def test_published_weights_load(self):
        assert load_judge().name == "st-vgg16"


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    monkeypatch.setattr(measure, "WALKS", 2)
    monkeypatch.setattr(measure, "PATCH_ROUNDS", 2)
    monkeypatch.setattr(measure, "FEATURE_ROUNDS", 4)


@pytest.fixture(scope="module")
def discs(tmp_path_factory):
    folder = write_discs(tmp_path_factory.mktemp("discs"), 40, 16)
    return build_pictures(folder, tmp_path_factory.mktemp("set"), IntakeConfig(16))


class TestMeasure:
    def measured(self, discs, **changes):
        config = MeasureConfig(count=12, **changes)
        return measure.measure(garden(), discs, load_judge("random-conv"), config, lambda *_: None)

    def test_every_figure_of_the_contract_is_there(self, discs):
        figures = self.measured(discs).figures
        for name in ("swd", "fd", "kd", "precision", "recall", "nearest_ratio", "path_evenness"):
            low, high = figures["intervals"][name]
            assert low <= figures[name] <= high
        assert (figures["count"], figures["features"]) == (12, "random-conv")
        for name in ("swd", "fd", "kd"):
            assert figures["real"][name] < figures[name]
        assert figures["real"]["recall"] > figures["recall"]

    def test_the_same_every_time(self, discs):
        assert self.measured(discs).figures == self.measured(discs).figures

    def test_few_held_out_pictures_bring_in_the_others(self, discs):
        assert self.measured(discs).figures["reference"] == 40

    def test_held_out_pictures_are_what_counts_where_there_are_enough(self, discs, monkeypatch):
        monkeypatch.setattr(measure, "FEWEST_HELD_OUT", 2)
        assert self.measured(discs).figures["reference"] == len(discs.held_out) < 20
        assert self.measured(discs, is_foreign=True).figures["reference"] == 40

    def test_the_sheet_shows_pairs(self, discs):
        found = self.measured(discs)
        assert found.sheet.width > 4 * 2 * 16 * 8
        copies = discs.images[discs.train[:3]]
        nearest = measure.nearest_ratio(copies, discs.images[discs.train], discs.images[discs.held_out])
        sheet = np.asarray(measure.pair_sheet(copies, discs.images[discs.train], nearest))
        first = sheet[8 : 8 + 128, 8 : 8 + 256]
        assert np.array_equal(first[:, :128], first[:, 128:])

    def test_too_few_pictures_are_not_measured(self, tmp_path):
        few = build_pictures(write_discs(tmp_path / "few", 4, 16), tmp_path / "set", IntakeConfig(16))
        found = self.measured(few)
        assert "swd" not in found.figures
        assert found.sheet is None
