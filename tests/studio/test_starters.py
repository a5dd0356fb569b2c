from __future__ import annotations

import shutil
from types import SimpleNamespace

import pytest
import torch

from midi.errors import UserError
from models.bundle import read_bundle, write_bundle
from studio import starters
from tests.models.pieces import groove_set, write_songs


@pytest.fixture(autouse=True)
def shipped(tmp_path, monkeypatch):
    """The shipped data of this test."""
    monkeypatch.setattr(starters.assets, "path", lambda name: tmp_path / "assets" / name)
    return tmp_path / "assets" / "weights" / "chorales" / "1.0.0"


def bundle(folder, metrics, version="1.0.0"):
    fields = {
        "name": "chorales", "version": version, "kinds": {"in": "notes", "out": "notes"},
        "architecture": "chorale", "licence": "Apache-2.0", "metrics": metrics,
    }  # fmt: skip
    return write_bundle(folder, fields, {"x": torch.zeros(1)}, "card")


def figure(folder) -> float:
    return starters.held_out_nll(read_bundle(folder))


class TestPlace:
    def test_the_first_is_shipped(self, tmp_path, shipped):
        said = starters._place(bundle(tmp_path / "new", {"nll_nats_per_note": 0.5}))
        assert said == "0.5000 nats a note: now shipped."
        assert figure(shipped) == 0.5

    @pytest.mark.parametrize(("new", "kept"), [(0.4, 0.4), (0.5, 0.5), (0.6, 0.5)])
    def test_the_better_one_stays(self, tmp_path, shipped, new, kept):
        bundle(shipped, {"nll_nats_per_note": 0.5})
        said = starters._place(bundle(tmp_path / "new", {"nll_nats_per_note": new}, "1.1.0"))
        assert ("now shipped" in said) == (new < 0.5)
        (left,) = shipped.parent.iterdir()
        assert left.name == ("1.1.0" if new < 0.5 else "1.0.0")
        assert figure(left) == kept

    def test_other_weights_have_another_version(self, tmp_path, shipped):
        assert starters._candidate(tmp_path, "chorales").name == "1.0.0"
        for version, following in (("1.9.0", "1.10.0"), ("1.10.3", "1.11.0")):
            bundle(shipped.with_name(version), {"nll_nats_per_note": 0.5}, version)
            assert starters._candidate(tmp_path, "chorales").name == following

    def test_a_damaged_one_is_replaced(self, tmp_path, shipped):
        bundle(shipped, {"nll_nats_per_note": 0.1})
        (shipped / "model.safetensors").write_bytes(b"broken")
        starters._place(bundle(tmp_path / "new", {"nll_nats_per_note": 0.5}))
        assert figure(shipped) == 0.5

    def test_a_failed_copy_leaves_the_old_one(self, tmp_path, shipped, monkeypatch):
        bundle(shipped, {"nll_nats_per_note": 0.5})
        candidate = bundle(tmp_path / "new", {"nll_nats_per_note": 0.4})

        def full(*_args: object) -> None:
            raise OSError(28, "No space left on device")

        monkeypatch.setattr(shutil, "copytree", full)
        with pytest.raises(OSError, match="No space"):
            starters._place(candidate)
        assert figure(shipped) == 0.5

    def test_partners_are_compared_by_their_notes(self, tmp_path):
        metrics = {"nll": {"model": {"partner": 6.5, "human": 1.0}}}
        assert starters.held_out_nll(bundle(tmp_path / "p", metrics)) == 6.5

    @pytest.mark.parametrize("metrics", [{}, {"nll": {}}, {"nll_nats_per_note": None}])
    def test_without_a_figure_nothing_is_shipped(self, tmp_path, shipped, metrics):
        with pytest.raises(UserError, match="no held-out figure"):
            starters._place(bundle(tmp_path / "new", metrics))
        assert not shipped.exists()


class TestTrainStarters:
    @pytest.fixture
    def asked(self, monkeypatch, tmp_path):
        calls = []

        def listened(run, advance):
            advance("Training", 1, 2)
            calls.append((run.name, run.run_dir.name, run.max_minutes, run.device, run.parent))
            return run.name

        def trained(run, folder, _advance):
            assert folder.parent == run.run_dir / "bundle"
            calls.append((run.name, run.run_dir.name, run.max_minutes, run.device, run.parent))
            return run.name

        def chorales(_data, run_dir, minutes, device, _advance):
            calls.append(("chorales", run_dir.name, minutes, device, None))
            return "chorales"

        groove_set(tmp_path / "groove")
        monkeypatch.setattr(starters, "_listened", listened)
        monkeypatch.setattr(starters, "_chorales", chorales)
        monkeypatch.setattr(starters.picturestarters, "train_starter", trained)
        monkeypatch.setattr(starters.picturestarters, "read_credits", lambda *_: {})
        monkeypatch.setattr(starters, "_place", lambda candidate, **_: f"placed {candidate}")
        return calls

    def test_all_by_their_budget(self, asked, tmp_path, capsys):
        starters.train_starters(data=tmp_path, runs=tmp_path, budget=0.5, device="cpu")
        halves = {name: budget.cpu / 2 for name, budget in starters.BUDGETS.items()}
        parents = {"band": "partner", "garden": "sunflowers", "flowers": "garden"}
        assert asked == [(name, name, halves[name], "cpu", parents.get(name)) for name in starters.BUDGETS]
        said = capsys.readouterr().out.splitlines()
        assert said[:3] == [f"{name}: placed {name}" for name in ("partner", "band", "chorales")]

    def test_pictures_alone(self, asked, tmp_path):
        starters.train_starters(only="pictures", data=tmp_path, runs=tmp_path, device="cpu")
        assert [call[0] for call in asked] == list(starters.picturestarters.STARTERS)

    def test_only_pictures_are_picked_by_eye(self, asked, tmp_path):
        for only in ("chorales", "pictures", None):
            with pytest.raises(UserError, match="one starter of pictures"):
                starters.train_starters(only=only, data=tmp_path, runs=tmp_path, pick=500)
        assert asked == []

    def test_one_alone(self, asked, tmp_path):
        starters.train_starters(only="chorales", data=tmp_path, runs=tmp_path, device="cpu")
        assert [call[0] for call in asked] == ["chorales"]

    def test_onward_starts_from_what_is_shipped(self, asked, tmp_path):
        for name, version in (("band", "1.2.0"), ("garden", "1.0.0")):
            (tmp_path / "assets" / "weights" / name / version).mkdir(parents=True)
            starters.train_starters(only=name, data=tmp_path, runs=tmp_path, device="cpu", onward=True)
            assert asked.pop()[-1] == f"{name}@{version}"
        for only in ("partner", "chorales", "pictures", None):  # the first is not shipped here
            with pytest.raises(UserError, match="one starter that is shipped"):
                starters.train_starters(only=only, data=tmp_path, runs=tmp_path, onward=True)
        assert asked == []

    def test_a_gpu_needs_less_time(self, monkeypatch):
        monkeypatch.setattr(starters, "pick_device", lambda device: "cuda" if device == "auto" else device)
        budget = starters.Budget(cpu=80, gpu=5)
        assert budget.minutes("auto", 1.0) == 5
        assert budget.minutes("cpu", 0.1) == 8


class TestBuilders:
    def test_partner_is_measured_and_written_twice(self, tmp_path, monkeypatch):
        """First for playing along, which loads the bundle; then with those figures in its card."""
        written = []
        result = SimpleNamespace(fitted=SimpleNamespace(interrupted=False))

        def write(run, got, folder, *, listening=None):
            assert got is result
            assert not folder.exists()
            folder.mkdir(parents=True)
            written.append((run.name, listening))
            return folder

        monkeypatch.setattr(starters.recipe, "train_music", lambda *_args: result)
        monkeypatch.setattr(starters.recipe, "write_music_bundle", write)
        monkeypatch.setattr(starters, "eval_music", lambda options, _advance: {"model": options.model})
        run = starters._partner(write_songs(tmp_path / "d", 0), tmp_path / "run", 1.0, "cpu")
        folder = starters._listened(run, print)
        assert folder == tmp_path / "run" / "bundle" / "1.0.0"
        assert written == [("partner", None), ("partner", {"model": str(folder)})]

    def test_band_begins_with_the_partner_and_names_its_drummers(self, tmp_path):
        groove_set(tmp_path / "groove")
        run = starters._band(tmp_path, tmp_path / "run", 1.0, "cpu")
        assert (run.name, run.parent, run.resume) == ("band", "partner", True)
        assert run.arrange is not None
        assert ("CC BY 4.0", True) in [(entry["licence"], "Gillick" in entry["source"]) for entry in run.data]
        with pytest.raises(UserError, match="Groove"):
            starters._band(tmp_path / "elsewhere", tmp_path / "run", 1.0, "cpu")

    def test_interruption_passes_on(self, tmp_path, monkeypatch):
        result = SimpleNamespace(fitted=SimpleNamespace(interrupted=True))
        monkeypatch.setattr(starters.recipe, "train_music", lambda *_args: result)
        with pytest.raises(KeyboardInterrupt):
            starters._listened(starters._partner(tmp_path, tmp_path / "run", 1.0, "cpu"), print)
        monkeypatch.setattr(starters.chorales, "train_chorales", lambda *_args, **_named: None)
        with pytest.raises(KeyboardInterrupt):
            starters._chorales(tmp_path, tmp_path / "run", 1.0, "cpu", print)

    def test_chorales_replace_an_earlier_candidate(self, tmp_path, monkeypatch):
        old = tmp_path / "run" / "bundle" / "1.0.0" / "old"
        old.mkdir(parents=True)
        seen = []
        monkeypatch.setattr(
            starters.chorales, "train_chorales", lambda *_args, **_named: ("model", "config", {})
        )
        monkeypatch.setattr(
            starters.chorales, "write_chorale_bundle", lambda folder, *rest: seen.append((folder, rest))
        )
        starters._chorales(tmp_path, tmp_path / "run", 1.0, "cpu", print)
        assert seen == [(old.parent, ("model", "config", {}))]
        assert not old.exists()


class TestMain:
    @pytest.mark.parametrize(
        ("fault", "code", "said"),
        [
            (UserError("No data.", "Get some."), 2, "No data.\nGet some."),
            (KeyboardInterrupt(), 130, "Interrupted"),
        ],
    )
    def test_ends_with_the_right_code(self, fault, code, said, monkeypatch, capsys):
        def broken() -> None:
            raise fault

        monkeypatch.setattr(starters, "app", broken)
        with pytest.raises(SystemExit) as caught:
            starters.main()
        assert caught.value.code == code
        assert said in capsys.readouterr().err
