from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
import torch

import models
from midi.errors import UserError
from midi.events import BarGrid, start_row, vocabulary_hash
from models.bundle import read_bundle, write_bundle
from models.registry import user_folder
from models.sequence import recipe
from models.sequence.band import Arranger
from models.sequence.loading import ARCHITECTURE, load_network
from models.sequence.plan import PlanRequest, Steering
from models.sequence.player import Player
from models.sequence.recipe import MusicRun, train_bundle, train_music
from models.sequence.task import SequenceTask
from models.sequence.windows import BAND
from models.training import runs
from tests.models.pieces import TINY, groove_set, tiny_model, write_songs

OTHER = replace(TINY, trunk=replace(TINY.trunk, layers=1, context=48))


@pytest.fixture(autouse=True)
def tiny(monkeypatch):
    monkeypatch.setattr(recipe, "SMALL", TINY)


@pytest.fixture(scope="module")
def songs(tmp_path_factory):
    return write_songs(tmp_path_factory.mktemp("songs"), 3, bars=8)


def quiet(*_args: object) -> None:
    """For progress that nobody watches."""


def run_of(songs, tmp_path, **changes) -> MusicRun:
    return MusicRun(songs, tmp_path / "run", "mine", **{"max_steps": 2, "device": "cpu"} | changes)


def interrupt_at(step: int):
    def report(progress) -> None:
        if progress.step >= step:
            raise KeyboardInterrupt

    return report


def parent_bundle(name: str = "parent", **changes):
    fields = {
        "name": name, "version": "1.0.0", "kinds": {"in": "notes", "out": "notes"},
        "architecture": ARCHITECTURE, "config": OTHER.to_dict(), "vocabulary_hash": vocabulary_hash(),
        "licence": "Apache-2.0",
    }  # fmt: skip
    tensors = tiny_model(9, OTHER).state_dict()
    return write_bundle(user_folder() / name / "1.0.0", fields | changes, tensors, "card")


class TestWholeRun:
    def test_ends_in_a_bundle_that_plays(self, songs, tmp_path):
        told = []
        bundle = train_bundle(
            run_of(songs, tmp_path), quiet, lambda what, done, total: told.append((what, done, total))
        )
        assert bundle.path == user_folder() / "mine" / "1.0.0"
        manifest = read_bundle(bundle.path).manifest
        assert manifest.parent is None
        assert manifest.data[0].licence == "unstated"
        nll = manifest.metrics["nll"]
        assert nll["split"] == "valid"
        assert 5 < nll["model"]["partner"] < 50
        assert {"unigram", "repeat_last_bar"} < set(nll)
        assert "3 files used" in bundle.card
        assert {what for what, _, _ in told} == {"Reading files", "Measuring"}
        grid = BarGrid()
        asked = PlanRequest(1, start_row(grid, 0), 0, 0, 96, 0, grid, Steering(), 0)
        loaded = Player.load("mine")
        assert loaded.name == "mine@1.0.0"
        assert loaded.plan(asked).until_tick == 96

    def test_the_public_function_keeps_its_run_with_the_users_data(self, songs, antiphon_home):
        bundle = models.train(songs, "mine", parent=None, max_steps=1, device="cpu")
        assert (antiphon_home / "runs" / "mine" / "corpus" / "corpus.json").is_file()
        assert bundle.manifest.name == "mine"
        assert [info.name for info in models.list_bundles() if info.name == "mine"] == ["mine"]
        assert models.load("mine").name == "mine@1.0.0"

    def test_the_next_run_makes_the_next_version(self, songs, tmp_path):
        run = run_of(songs, tmp_path, max_steps=1)
        versions = [train_bundle(run, quiet, quiet).manifest.version for _ in range(2)]
        assert versions == ["1.0.0", "1.1.0"]
        assert sorted(path.name for path in tmp_path.iterdir()) == ["run", "run-1.0.0"]
        assert models.load("mine").name == "mine@1.1.0"


class TestInterruption:
    def test_is_saved_and_resumed(self, songs, tmp_path):
        run = run_of(songs, tmp_path, max_steps=4)
        with pytest.raises(KeyboardInterrupt):
            train_bundle(run, interrupt_at(2), quiet)
        assert not (user_folder() / "mine").exists()
        with pytest.raises(UserError, match="already holds a run") as caught:
            train_bundle(run, quiet, quiet)
        assert "--resume" in caught.value.hint
        steps = []
        bundle = train_bundle(replace(run, resume=True), lambda progress: steps.append(progress.step), quiet)
        assert steps == [3, 4]
        whole = train_music(replace(run, run_dir=tmp_path / "whole"), quiet, quiet)
        for name, weight in whole.model.state_dict().items():
            torch.testing.assert_close(bundle.tensors()[name], weight.half().float(), msg=name)

    def test_an_interrupted_run_is_not_measured(self, songs, tmp_path):
        result = train_music(run_of(songs, tmp_path, max_steps=4), interrupt_at(1), quiet)
        assert result.fitted.interrupted
        assert result.figures == {}

    @pytest.mark.parametrize("change", [{"seed": 5}, {"parent": "parent"}, {"source": True}])
    def test_other_settings_are_refused(self, songs, tmp_path, change):
        parent_bundle()
        run = run_of(songs, tmp_path, max_steps=4)
        with pytest.raises(KeyboardInterrupt):
            train_bundle(run, interrupt_at(1), quiet)
        if "source" in change:
            change = {"source": write_songs(tmp_path / "others", 2, bars=4)}
        before = (run.run_dir / "settings.json").read_text()
        with pytest.raises(UserError, match=f"was begun with {next(iter(change))}") as caught:
            train_bundle(replace(run, resume=True, **change), quiet, quiet)
        assert "same settings" in caught.value.hint
        assert (run.run_dir / "settings.json").read_text() == before

    @pytest.mark.parametrize("text", ["{", "7", ""])
    def test_damaged_settings_are_a_sentence(self, songs, tmp_path, text):
        run = run_of(songs, tmp_path, resume=True)
        run.run_dir.mkdir()
        (run.run_dir / "settings.json").write_text(text)
        with pytest.raises(UserError, match="cannot be read"):
            train_music(run, quiet, quiet)


class TestFolders:
    def test_without_midi_files(self, tmp_path):
        (tmp_path / "empty").mkdir()
        run = run_of(tmp_path / "empty", tmp_path)
        with pytest.raises(UserError, match="holds no MIDI files"):
            train_music(run, quiet, quiet)
        # What failed before it began is no run: with files, the same command works.
        write_songs(tmp_path / "empty", 2, bars=4)
        assert train_music(replace(run, max_steps=1), quiet, quiet).fitted.step == 1

    def test_with_one_song(self, tmp_path):
        with pytest.raises(UserError, match="not enough"):
            train_music(run_of(write_songs(tmp_path / "one", 1), tmp_path), quiet, quiet)

    def test_a_run_folder_that_cannot_be_written(self, songs, tmp_path):
        (tmp_path / "run").write_text("in the way")
        with pytest.raises(UserError, match="cannot be written"):
            train_music(run_of(songs, tmp_path), quiet, quiet)


class TestParent:
    def test_its_network_and_weights_are_kept(self, songs, tmp_path):
        parent = parent_bundle()
        result = train_music(run_of(songs, tmp_path, parent="parent", max_steps=1), quiet, quiet)
        assert result.config == OTHER
        assert result.model.config.trunk.context == 48
        name = "trunk.blocks.0.qkv.weight"
        moved = (result.model.state_dict()[name] - parent.tensors()[name]).abs().max()
        assert moved < 1e-3

    def test_a_fine_tune_never_ends_worse(self, songs, tmp_path):
        run = run_of(songs, tmp_path, parent="parent", max_steps=1)
        assert recipe.loop_config(run).eval_first
        assert (
            recipe.loop_config(run).learning_rate
            < recipe.loop_config(replace(run, parent=None)).learning_rate
        )

    @pytest.mark.parametrize(
        ("changes", "message"),
        [
            ({"architecture": "chorale"}, "holds a network"),
            ({"vocabulary_hash": "0123456789abcdef"}, "vocabulary"),
            ({"config": TINY.to_dict()}, "do not fit"),
        ],
    )
    def test_what_does_not_fit_is_refused_before_anything_is_read(self, songs, tmp_path, changes, message):
        parent_bundle(**changes)
        run = run_of(songs, tmp_path, parent="parent")
        with pytest.raises(UserError, match=message) as caught:
            train_music(run, quiet, quiet)
        assert caught.value.hint
        assert not run.run_dir.exists()

    def test_the_child_names_its_parent(self, songs, tmp_path):
        parent_bundle()
        bundle = train_bundle(run_of(songs, tmp_path, parent="parent", max_steps=1), quiet, quiet)
        assert bundle.manifest.parent == "parent"
        assert bundle.manifest.config == json.loads(json.dumps(OTHER.to_dict()))


class TestBand:
    @pytest.fixture
    def run(self, songs, tmp_path) -> MusicRun:
        parent_bundle()
        arranger = Arranger(groove_set(tmp_path / "groove"))
        return run_of(songs, tmp_path, parent="parent", arrange=arranger, max_steps=1)

    def test_is_told_its_parts_and_measured_beside_its_parent(self, run, tmp_path):
        result = train_music(run, quiet, quiet)
        assert result.config.tells_parts
        assert result.config.trunk == OTHER.trunk
        assert result.corpus.report.instruments["15"] == 3
        piano = result.figures["piano"]
        assert np.isfinite(piano["model"]["partner"])
        assert np.isfinite(piano["parent"]["partner"])
        bundle = recipe.write_music_bundle(run, result, tmp_path / "1.0.0")
        assert "drums 3" in bundle.card
        assert "With the piano alone" in bundle.card
        child, _ = load_network(bundle)
        assert child.config == result.config

    def test_begins_as_its_parent(self, run, monkeypatch):
        seen: list[SequenceTask] = []

        def stop(task: SequenceTask, *_args: object, **_settings: object) -> None:
            seen.append(task)
            raise KeyboardInterrupt

        monkeypatch.setattr(recipe, "fit", stop)
        with pytest.raises(KeyboardInterrupt):
            train_music(run, quiet, quiet)
        for name, weight in tiny_model(9, OTHER).state_dict().items():
            torch.testing.assert_close(seen[0].model.state_dict()[name], weight, msg=name)
        assert seen[0].config.windows.roles == BAND

    def test_has_its_whole_budget_and_is_no_other_run(self, run):
        config = recipe.loop_config(run)
        assert config.eval_first
        assert config.patience_evals == 0
        assert recipe.loop_config(replace(run, arrange=None)).learning_rate < config.learning_rate
        train_music(run, quiet, quiet)
        with pytest.raises(UserError, match="was begun with"):
            train_music(replace(run, arrange=None, resume=True), quiet, quiet)

    def test_a_child_of_a_band_is_told_its_parts(self, songs, tmp_path):
        parent_bundle(config=replace(OTHER, tells_parts=True).to_dict())
        result = train_music(run_of(songs, tmp_path, parent="parent", max_steps=1), quiet, quiet)
        assert result.config.tells_parts
        assert "piano" not in result.figures


class TestBudget:
    @pytest.mark.parametrize(
        ("changes", "steps", "patience"),
        [
            ({"max_steps": None}, 20_000, 8),
            ({"max_steps": 50}, 50, 0),
            ({"max_steps": None, "max_minutes": 3.0}, None, 0),
        ],
    )
    def test_early_stop_ends_what_nothing_else_does(self, songs, tmp_path, changes, steps, patience):
        config = recipe.loop_config(run_of(songs, tmp_path, **changes))
        assert (config.max_steps, config.patience_evals) == (steps, patience)

    @pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has the device")
    def test_a_device_that_is_not_there_is_a_sentence(self, songs, tmp_path):
        with pytest.raises(UserError, match="no device 'cuda'"):
            train_music(run_of(songs, tmp_path, device="cuda"), quiet, quiet)


@pytest.mark.parametrize(
    ("installed", "expected"),
    [
        ((), "1.0.0"),
        (("1.0.0",), "1.1.0"),
        (("1.2.0", "1.10.0", "0.9.0"), "1.11.0"),
        (("2.0.0-rc.1",), "2.1.0"),
    ],
)
def test_versions_rise(installed, expected, monkeypatch):
    from types import SimpleNamespace

    infos = [SimpleNamespace(name="mine", version=version) for version in installed]
    infos.append(SimpleNamespace(name="other", version="7.0.0"))
    monkeypatch.setattr(runs, "list_bundles", lambda: infos)
    assert runs.next_bundle_folder("mine") == user_folder() / "mine" / expected


class TestCard:
    def test_tells_data_figures_and_playing_along(self, songs, tmp_path):
        run = run_of(
            songs, tmp_path, max_steps=1,
            data=({"name": "Ours", "licence": "CC0-1.0", "source": "us"},), licence="CC0-1.0",
        )  # fmt: skip
        result = train_music(run, quiet, quiet)
        figure = {"mean": 0.5, "low": 0.25, "high": 0.75}
        names = ("consonance_rate", "unsupported_rate", "note_in_chord", "distance")
        row = dict.fromkeys(names, figure)
        passage = {"longest_notes": 7, "longest_bars": 1.25, "ngram_overlap": figure}
        copied = {"ngram_notes": 9, "training_songs": 21, "rows": {"live": passage | {"loose": passage}}}
        listening = {"songs": 4, "bars": 8, "repeats": 3, "rows": {"hearing_cut": row}, "copied": copied}
        bundle = recipe.write_music_bundle(run, result, tmp_path / "2.0.0", listening=listening)
        assert "Ours (CC0-1.0): us" in bundle.card
        assert "8 bars each, 3 times" in bundle.card
        assert "| hearing cut | 0.500 [0.250, 0.750] |" in bundle.card
        assert "one of 21 training songs" in bundle.card
        assert "| this model, live | 7 notes, 1.2 bars | 0.500 [0.250, 0.750] | 7 notes" in bundle.card
        partner = bundle.manifest.metrics["nll"]["model"]["partner"]
        assert np.isfinite(partner)
        assert f"| this model | {partner:.3f} |" in bundle.card
        bare = recipe.write_music_bundle(run, replace(result, figures={}), tmp_path / "3.0.0")
        assert "Not measured" in bare.card
        assert "Playing along" not in bare.card
        assert "Copied passages" not in bare.card
