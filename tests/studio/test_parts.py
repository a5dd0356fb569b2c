"""Parts by name, from the command line to what is played."""

import json
from pathlib import Path

import pytest

import midi
from midi.errors import UserError
from midi.events import DRUMS, vocabulary_hash
from midi.note import Note, NoteArray, Part, Score
from models.bundle import write_bundle
from models.registry import user_folder
from models.sequence.loading import ARCHITECTURE
from models.sequence.parts import BAND_PARTS
from studio import perform, render, retake
from studio.cli import run
from studio.live.take import load_take
from studio.parts import chosen_parts, parse_parts, who_plays, whole_band
from tests.models.pieces import TINY, tiny_model

PIANO, BASS, STRINGS = 0, 4, 5
BAND = tuple(sorted(BAND_PARTS))


def bundle(name: str, instruments: list[str], **config: object) -> None:
    fields = {
        "name": name, "version": "1.0.0", "kinds": {"in": "notes", "out": "notes"}, "licence": "MIT",
        "architecture": ARCHITECTURE, "config": TINY.to_dict() | config, "instruments": instruments,
        "vocabulary_hash": vocabulary_hash(),
    }  # fmt: skip
    write_bundle(user_folder() / name / "1.0.0", fields, tiny_model().state_dict(), "card")


@pytest.fixture
def shelf(monkeypatch, tmp_path):
    """A pianist and a trio, and nothing that was shipped."""
    monkeypatch.setattr("models.registry.shipped_folder", lambda: tmp_path / "nothing")
    bundle("solo", ["piano"])
    bundle("trio", ["piano", "bass", "drums"], tells_parts=True)


@pytest.fixture
def tune(tmp_path, monkeypatch) -> Path:
    monkeypatch.setattr(render, "audio_blocks", lambda *_: iter(()))
    monkeypatch.setattr(perform, "save", lambda *_: None)
    melody = NoteArray.from_notes(Note(480 * i, 400, 64 + i % 5, 80) for i in range(16))
    midi.write(tmp_path / "tune.mid", Score((Part("MELODY", melody),)))
    return tmp_path / "tune.mid"


def test_names_are_read_in_any_order_and_case():
    assert parse_parts("drums, Piano,,bass,piano") == (PIANO, BASS, DRUMS)


@pytest.mark.parametrize(
    ("text", "hint"), [("pano", "Did you mean piano"), ("", "piano,bass,drums"), ("all,piano", "piano")]
)
def test_wrong_names_are_refused_with_the_right_ones(text, hint):
    with pytest.raises(UserError) as fault:
        parse_parts(text)
    assert hint in fault.value.hint
    assert "strings" in fault.value.hint
    assert "all" in fault.value.hint


def test_nothing_asked_is_nothing_chosen():
    assert chosen_parts(None, "no-such-bundle") is None


def test_all_is_what_the_model_was_taught(shelf):
    assert chosen_parts("all", "trio") == (PIANO, BASS, DRUMS)
    assert chosen_parts(" ALL ", "solo") == (PIANO,)
    assert chosen_parts("all", "none") == BAND
    assert chosen_parts("guitar", "none") == (3,)


def test_a_model_that_was_not_taught_a_part_says_what_it_knows_and_who_knows_more(shelf):
    assert chosen_parts("bass,drums", "trio") == (BASS, DRUMS)
    with pytest.raises(UserError, match="solo was not taught bass and drums") as fault:
        chosen_parts("piano,bass,drums", "solo")
    assert fault.value.hint == "It knows piano; trio knows what you ask for: --model trio."
    with pytest.raises(UserError) as fault:
        chosen_parts("strings", "trio")
    assert fault.value.hint == "It knows piano, bass and drums."
    assert who_plays({PIANO}) == "solo"


def test_a_preview_lets_a_band_be_heard_as_one(shelf):
    assert whole_band("trio") == (PIANO, BASS, DRUMS)
    assert whole_band("solo") is None
    assert whole_band("none") is None


def test_perform_plays_the_parts_and_tells_them(tune, tmp_path, capsys):
    out = tmp_path / "out"
    told = ("--model", "none", "--out", str(out), "--json")
    assert run(["perform", str(tune), "--parts", "drums,bass", *told]) == 0
    report = json.loads(capsys.readouterr().out)
    assert report["parts"] == ["bass", "drums"]
    take = load_take(out / "take.jsonl")
    assert {s.instrument for s in take.sounds if s.voice == "partner"} == {BASS, DRUMS}
    assert retake.opening(take)[0].instruments == (BASS, DRUMS)
    assert run(["perform", str(tune), *told]) == 0
    assert json.loads(capsys.readouterr().out)["parts"] == ["piano"]


def test_a_part_that_is_not_known_stops_a_performance_before_it_begins(shelf, tune, tmp_path, capsys):
    command = ["perform", str(tune), "--model", "solo", "--parts", "drums", "--out", str(tmp_path / "out")]
    assert run(command) == 2
    assert "--model trio" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_play_tells_its_parts(tune, tmp_path, capsys):
    command = [
        "play", "--player", str(tune), "--model", "none", "--parts", "piano,drums", "--audio", "none",
        "--seconds", "0.3", "--takes", str(tmp_path / "takes"), "--in", "none", "--json",
    ]  # fmt: skip
    assert run(command) == 0
    assert json.loads(capsys.readouterr().out)["parts"] == ["piano", "drums"]


def test_try_again_with_other_parts(one_take, tmp_path):
    before = load_take(one_take)
    report = retake.try_again(one_take, from_bar=2, model="none", parts="bass,drums", folder=tmp_path)
    again = load_take(Path(report["path"]))
    from_s = before.origin_s() + retake.bar_start_s(before, 2) - retake.NEAR_S
    partner = [s for s in again.sounds if s.voice == "partner" and s.kind == "on"]
    assert {s.instrument for s in partner if s.planned_s >= from_s} == {BASS, DRUMS}
    old = [s for s in before.sounds if s.voice == "partner" and s.kind == "on" and s.planned_s < from_s]
    assert [s for s in partner if s.planned_s < from_s] == old
    last = [change.value for change in again.changes if getattr(change, "target", "") == "instruments"]
    assert last[-1] == (BASS, DRUMS)


@pytest.fixture
def one_take(tune, tmp_path) -> Path:
    assert run(["perform", str(tune), "--model", "none", "--out", str(tmp_path / "old"), "--quiet"]) == 0
    return tmp_path / "old" / "take.jsonl"
