"""The comparison of recipes: that its rows run, resume and are told apart; never who wins."""

import json

import pytest
import torch

from midi.errors import UserError
from tests.bench import dcgan
from tests.bench import pictures as program
from tests.bench.dcgan import DcganGenerator
from tests.models.image.conftest import one_thread  # noqa: F401
from tests.models.image.drawings import write_discs
from tests.models.image.gardens import plant

pytestmark = pytest.mark.usefixtures("one_thread")


def bench(tmp_path, base="garden/1.0.0", **more):
    program.bench(
        data=tmp_path / "discs", out=tmp_path / "out", size=16, minutes=1e-6, seeds=1, device="cpu", count=16,
        first=20, base=str(tmp_path / base), rows=("ours", "transfer", "dcgan"), **more,
    )  # fmt: skip


def test_rows_are_trained_once_and_compared(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(torch, "set_num_threads", lambda _n: None)
    write_discs(tmp_path / "discs", 32, 16)
    plant(tmp_path)
    bench(tmp_path, blind=True)
    assert "swd" not in capsys.readouterr().out
    key = json.loads((tmp_path / "out" / "key.json").read_text())
    assert sorted(key.values()) == ["dcgan", "ours", "transfer"]
    for name in key:
        assert (tmp_path / "out" / "blind" / f"{name}.png").exists()

    monkeypatch.setattr(program, "fit", None)
    bench(tmp_path)
    out = capsys.readouterr().out
    assert "ours over the best other row: swd" in out
    assert "transfer over the best other row: swd" in out
    report = json.loads((tmp_path / "out" / "bench-pictures.json").read_text())
    found = {row: ones[0]["swd"] for row, ones in report["rows"].items()}
    for row in ("ours", "transfer"):
        assert report["verdicts"][row]["swd"] == pytest.approx(found[row] / found["dcgan"])
    assert (report["learned"], report["unseen"]) == (20, 12)


def test_a_row_without_its_starter_is_left_out_of_the_table(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(torch, "set_num_threads", lambda _n: None)
    write_discs(tmp_path / "discs", 32, 16)
    bench(tmp_path, base="nowhere")
    out = capsys.readouterr().out
    assert "transfer: left out." in out
    assert "ours over the best other row: swd" in out
    report = json.loads((tmp_path / "out" / "bench-pictures.json").read_text())
    assert sorted(report["rows"]) == ["dcgan", "ours"]
    assert sorted(report["verdicts"]) == ["ours"]


def test_another_budget_is_another_comparison(tmp_path, monkeypatch):
    monkeypatch.setattr(torch, "set_num_threads", lambda _n: None)
    write_discs(tmp_path / "discs", 32, 16)
    plant(tmp_path)
    bench(tmp_path)
    sets = program.split(tmp_path / "discs", tmp_path / "out", 20, 16)
    plan = program.Bench(tmp_path / "discs", tmp_path / "out", 16, 2.0, "tiny", "cpu")
    with pytest.raises(UserError, match="begun with minutes"):
        program.result_of(plan, "ours", 0, *sets, program.load_judge("random-conv"), 16)


def test_marks_are_the_first_sheets_past_them(tmp_path):
    looks = [{"event": "evaluation", "step": step, "elapsed_s": step} for step in (30, 70, 500)]
    (tmp_path / "log.jsonl").write_text("\n".join(map(json.dumps, looks)))
    (tmp_path / "samples").mkdir()
    for step in (30, 70, 500):
        (tmp_path / "samples" / f"{step - 1:07d}.png").write_text(str(step))
    program.keep_marks(tmp_path)
    kept = {path.name: path.read_text() for path in tmp_path.glob("after-*")}
    assert kept == {"after-1min.png": "70", "after-5min.png": "500"}


@pytest.mark.parametrize("size", [16, 64])
def test_a_dcgan_centers_its_statistics(size, monkeypatch):
    monkeypatch.setattr(dcgan, "STATISTICS_BATCHES", 1)
    torch.manual_seed(0)
    generator = DcganGenerator(size)
    before = generator.layers[1].running_mean.clone()
    generator.center(1)
    assert not torch.equal(generator.layers[1].running_mean, before)
    made = generator(torch.randn(2, 64))
    assert made.shape == (2, 3, size, size)
