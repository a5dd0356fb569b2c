from __future__ import annotations

import json
from types import SimpleNamespace

import pytest

from midi.errors import UserError
from models.sequence import recipe
from studio.cli import run
from studio.terminal import Common, progress
from studio.train import MAX_NAMED, TrainMusicOptions, health_lines, lines, report_to, train_music
from tests.models.pieces import TINY, write_songs


@pytest.fixture(autouse=True)
def tiny(monkeypatch):
    monkeypatch.setattr(recipe, "SMALL", TINY)


@pytest.fixture
def folder(tmp_path):
    songs = write_songs(tmp_path / "songs", 3, bars=6)
    (songs / "letter.mid").write_text("Dear musician")
    (songs / "copy.mid").write_bytes((songs / "song0.mid").read_bytes())
    return songs


def asked(folder, *more):
    fast = ["--parent", "none", "--steps", "1"]
    return run(["train", "music", str(folder), "--name", "mine", *fast, *more])


class TestTrainMusic:
    def test_tells_the_figures_and_the_health_of_the_folder(self, folder):
        told = []
        options = TrainMusicOptions(folder, "mine", steps=1, parent=None, device="cpu")
        data = train_music(options, lambda *step: told.append(step))
        assert (data["name"], data["version"]) == ("mine", "1.0.0")
        assert data["nll_nats_per_note"] == data["nll"]["model"]["partner"]
        corpus = data["corpus"]
        assert corpus["used"] == 3
        assert list(corpus["refused"]) == ["letter.mid"]
        assert list(corpus["duplicates"].values()) in (["copy.mid"], ["song0.mid"])
        assert corpus["notes"] > 100
        assert {"minutes", "tempi_bpm", "splits", "instruments", "repaired"} <= set(corpus)
        works = [what.partition(":")[0] for what, _, _ in told]
        assert list(dict.fromkeys(works)) == ["Reading files", "Training", "Measuring"]
        text = "\n".join(lines(data))
        assert "3 files used" in text
        assert "letter.mid: " in text
        assert f"{data['nll_nats_per_note']:.3f} nats a note (repeat last bar " in text

    def test_command_prints_one_object(self, folder, capsys):
        assert asked(folder, "--json") == 0
        data = json.loads(capsys.readouterr().out)
        assert data["corpus"]["used"] == 3
        assert data["path"].endswith("1.0.0")

    def test_command_prints_lines(self, folder, capsys):
        assert asked(folder) == 0
        out = capsys.readouterr().out
        assert out.startswith("mine 1.0.0 is ready: ")
        assert "1 refused:" in out
        assert "1 duplicates:" in out

    @pytest.mark.parametrize(
        ("name", "message"),
        [("../evil", "cannot be the name"), ("Mine", "cannot be the name"), ("", "cannot be")],
    )
    def test_bad_names(self, folder, name, message, antiphon_home):
        with pytest.raises(UserError, match=message) as caught:
            train_music(TrainMusicOptions(folder, name, steps=1))
        assert "lower-case" in caught.value.hint
        assert not (antiphon_home / "runs").exists()

    def test_no_folder(self, tmp_path):
        with pytest.raises(UserError, match="There is no folder"):
            train_music(TrainMusicOptions(tmp_path / "none", "mine", steps=1))

    def test_nothing_usable_says_why(self, tmp_path):
        (tmp_path / "letter.mid").write_text("Dear musician")
        with pytest.raises(UserError, match=r"None of the 1 MIDI files .* letter\.mid"):
            train_music(TrainMusicOptions(tmp_path, "mine", steps=1))

    def test_resume_with_other_settings(self, folder, capsys):
        def interrupt(_what: str, _done: int, _total: int) -> None:
            if _what.startswith("Training"):
                raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            train_music(TrainMusicOptions(folder, "mine", steps=3, parent=None, device="cpu"), interrupt)
        again = TrainMusicOptions(folder, "mine", steps=3, parent=None, device="cpu", resume=True, seed=1)
        with pytest.raises(UserError, match="begun with seed 0"):
            train_music(again)
        assert run(["train", "music", str(folder), "--name", "mine", "--steps", "3"]) == 2
        assert "--resume" in capsys.readouterr().err
        assert run(["train", "music", str(folder), "--name", "mine", "--steps", "3", "--resume"]) == 0


class TestProgress:
    def told(self, **state):
        calls = []
        report_to(lambda *step: calls.append(step))(
            SimpleNamespace(**{"fraction": 0.25, "losses": {}, "best_metric": None} | state)
        )
        return calls

    def test_says_what_is_known(self):
        assert self.told() == [("Training", 250, 1000)]
        assert self.told(losses={"loss": 2.0}) == [("Training: loss 2.000", 250, 1000)]
        assert self.told(losses={"loss": 2.0}, best_metric=3.5) == [
            ("Training: loss 2.000, held out 3.500", 250, 1000)
        ]

    def test_changing_figures_keep_one_bar(self, monkeypatch, capsys):
        monkeypatch.setattr("studio.terminal.Common.is_talkative", True)
        monkeypatch.setenv("TERM", "xterm")
        monkeypatch.setenv("FORCE_COLOR", "1")
        monkeypatch.setenv("COLUMNS", "100")
        with progress(Common()) as advance:
            assert advance is not None
            advance("Training: loss 2.000", 1, 3)
            advance("Training: loss 1.000", 2, 3)
        shown = capsys.readouterr().err
        between = shown[shown.rindex("loss 2.000") : shown.rindex("loss 1.000")]
        assert "\n" not in between, "a second bar would stand below the first"


CORPUS = {
    "used": 2, "splits": {"train": 1, "valid": 1}, "notes": 1234, "minutes": 3.25,
    "tempi_bpm": (60, 90, 120), "instruments": {"0": 3, "4": 1}, "keys": {"C major": 2}, "repaired": {},
    "settled": {}, "refused": {}, "duplicates": {},
}  # fmt: skip


class TestHealth:
    def test_healthy(self):
        assert health_lines(CORPUS) == [
            "2 files used (1 train, 1 valid): 1,234 notes, 3.2 min, 60-120 bpm (median 90)",
            "Parts: piano 3, bass 1",
            "Keys: C major 2",
        ]

    def test_many_refusals_are_counted(self):
        refused = {f"{i}.mid": "empty" for i in range(MAX_NAMED + 3)}
        got = health_lines(CORPUS | {"refused": refused, "keys": {}})
        assert f"{MAX_NAMED + 3} refused:" in got
        assert sum(line.endswith(": empty") for line in got) == MAX_NAMED
        assert got[-1] == "  and 3 more (--json lists all)"

    def test_without_figures(self):
        data = {
            "name": "a", "version": "1.0.0", "path": "/p", "nll_nats_per_note": None, "nll": {},
            "parent": None, "corpus": CORPUS,
        }  # fmt: skip
        assert lines(data)[:3] == ["a 1.0.0 is ready: /p", "Started from fresh weights.", ""]
