"""The fine-tuning benchmark: that its pictures are told apart and a run is taken up; never its figures."""

import json

import pytest
import torch

from midi.errors import UserError
from tests.bench import finetune as program
from tests.models.image.conftest import one_thread  # noqa: F401
from tests.models.image.drawings import write_discs
from tests.models.image.gardens import plant

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture(autouse=True)
def leave_threads(monkeypatch):
    monkeypatch.setattr(torch, "set_num_threads", lambda _n: None)


def finetune(tmp_path, **more):
    program.finetune(
        data=tmp_path / "discs", base=str(tmp_path / "garden" / "1.0.0"), out=tmp_path / "out", first=20,
        minutes=1e-6, count=16, **more,
    )  # fmt: skip


def test_a_run_is_measured_against_what_no_training_saw(tmp_path, capsys):
    write_discs(tmp_path / "discs", 32, 16)
    plant(tmp_path)
    finetune(tmp_path, threads=1)
    assert "after / before" in capsys.readouterr().out
    report = json.loads((tmp_path / "out" / "bench-finetune.json").read_text())
    assert report["unseen"] == 12
    assert report["learned"] <= 20
    assert report["ratio"] == pytest.approx(report["after"]["swd"] / report["before"]["swd"])
    for name in ("base", "made", "real", "nearest"):
        assert (tmp_path / "out" / f"{name}.png").exists()
    learned = {path.name for path in (tmp_path / "out" / "learned").iterdir()}
    assert learned == {f"disc{i:03d}.png" for i in range(20)}

    with pytest.raises(UserError, match="begun with threads 1"):
        finetune(tmp_path, threads=2)


def test_a_folder_that_keeps_nothing_back_is_refused(tmp_path):
    write_discs(tmp_path / "discs", 21, 16)
    plant(tmp_path)
    with pytest.raises(UserError, match="only 21 pictures"):
        finetune(tmp_path, threads=1)
