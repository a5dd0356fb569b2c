"""Bundles that play, and bundles that are refused."""

from __future__ import annotations

import shutil

import numpy as np
import pytest
import torch

from midi.errors import UserError
from midi.events import vocabulary_hash
from models.bundle import write_bundle
from models.sequence.loading import ARCHITECTURE
from models.sequence.player import Player
from tests.models.pieces import TINY, tiny_model
from tests.models.planrequests import BAR, CONFIG, request

FIELDS = {
    "name": "tiny", "version": "1.0.0", "kinds": {"in": "notes", "out": "notes"},
    "architecture": ARCHITECTURE, "config": CONFIG.to_dict(), "vocabulary_hash": vocabulary_hash(),
    "licence": "Apache-2.0",
}  # fmt: skip


HABIT = {"pitch": 57.0, "length_beats": 0.5, "notes_per_beat": 3.0, "songs": 9}


class TestLoad:
    def bundle(self, folder, **changes):
        write_bundle(folder, FIELDS | changes, tiny_model(0, CONFIG).state_dict(), "card")
        return folder

    @pytest.mark.parametrize("device", ["auto", "cpu"])
    def test_what_was_written_plays(self, tmp_path, device):
        loaded = Player.load(self.bundle(tmp_path / "b"), device=device)
        assert loaded.name == "tiny@1.0.0"
        assert next(loaded.model.parameters()).device.type == "cpu"
        assert loaded.plan(request()).notes == Player(tiny_model(0, CONFIG)).plan(request()).notes

    @pytest.mark.parametrize(
        ("changes", "message"),
        [
            ({"vocabulary_hash": "0123456789abcdef"}, "vocabulary"),
            ({"vocabulary_hash": None}, "vocabulary"),
            ({"architecture": "chorale"}, "holds a network 'chorale'"),
            ({"config": TINY.to_dict()}, "do not fit"),
            ({"config": {}}, "do not fit"),
            ({"config": {"trunk": 5}}, "do not fit"),
            ({"config": {"trunk": {"width": 16, "heads": 0}, "head_width": 16}}, "do not fit"),
            ({"config": {"trunk": {"size": 16}}}, "do not fit"),
            ({"metrics": {"habits": ["low"]}}, "habits"),
            ({"metrics": {"habits": {"kazoo": {}}}}, "habits"),
            ({"metrics": {"habits": {"piano": {"pitch": "low"}}}}, "habits"),
            ({"metrics": {"habits": {"piano": HABIT | {"notes_per_beat": 0.0}}}}, "habits"),
            ({"metrics": {"habits": {"piano": HABIT | {"pitch": None}}}}, "habits"),
            ({"metrics": {"habits": {"piano": HABIT | {"length_beats": "long"}}}}, "habits"),
        ],
    )
    def test_what_does_not_fit_is_refused_with_a_hint(self, tmp_path, changes, message):
        with pytest.raises(UserError, match=message) as caught:
            Player.load(self.bundle(tmp_path / "b", **changes))
        assert caught.value.hint

    def test_habits_steer_what_is_played(self, tmp_path):
        low = {"metrics": {"habits": {"piano": HABIT | {"pitch": 30.0}}}}
        wanted = request(until_tick=9 * BAR, low_pitch=0)
        pitches = [
            np.mean([note.pitch for note in Player.load(folder).plan(wanted).notes])
            for folder in (self.bundle(tmp_path / "any"), self.bundle(tmp_path / "low", **low))
        ]
        assert pitches[1] < pitches[0] - 3

    def test_damaged_weights_are_refused(self, tmp_path):
        folder = self.bundle(tmp_path / "b")
        weights = folder / "model.safetensors"
        damaged = bytearray(weights.read_bytes())
        damaged[-1] ^= 1
        weights.write_bytes(damaged)
        with pytest.raises(UserError) as caught:
            Player.load(folder)
        assert caught.value.hint

    def test_missing_bundles_are_refused(self, tmp_path):
        folder = self.bundle(tmp_path / "b")
        shutil.rmtree(folder)
        with pytest.raises(UserError):
            Player.load(folder)
        with pytest.raises(UserError, match="no bundle"):
            Player.load("nowhere")

    @pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has the device")
    def test_a_device_that_is_not_there_is_a_sentence(self, tmp_path):
        with pytest.raises(UserError, match="no device 'cuda'") as caught:
            Player.load(self.bundle(tmp_path / "b"), device="cuda")
        assert "auto" in caught.value.hint
