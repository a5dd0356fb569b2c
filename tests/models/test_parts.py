"""What a partner was taught, and how a whole band finds room at one onset."""

import numpy as np
import pytest

from midi.corpus import build_corpus
from midi.errors import UserError
from midi.events import DRUMS, INSTRUMENT_NAMES, BarGrid, Field, Role, start_row
from models.bundle import read_manifest, write_bundle
from models.sequence import recipe
from models.sequence.crowd import Crowd
from models.sequence.decode import Dice
from models.sequence.draft import MAX_CHORD, Draft, allowed_instruments, allowed_roles
from models.sequence.habits import Strays
from models.sequence.loading import ARCHITECTURE
from models.sequence.parts import BAND_PARTS, corpus_parts, fitting, in_words, part_names, told_parts
from models.sequence.plan import PlanRequest, Steering
from models.sequence.player import Player
from models.training.contract import FitResult
from tests.models.pieces import TINY, tiny_model, write_songs

PIANO, BASS, STRINGS = 0, 4, 5


def test_a_bundle_tells_its_parts_and_older_ones_mean_what_they_were_taught():
    assert told_parts(["drums", "piano"], {}) == (PIANO, DRUMS)
    assert told_parts([], {}) == (PIANO, STRINGS)
    assert told_parts([], {"tells_parts": True}) == tuple(sorted(BAND_PARTS))


def test_parts_in_words():
    assert part_names([DRUMS, 2, PIANO]) == ("piano", "drums", "organ")
    assert in_words([DRUMS, BASS, PIANO]) == "piano, bass and drums"
    assert in_words([BASS]) == "bass"


def test_unknown_parts_are_left_out_and_something_stays():
    assert fitting((PIANO, DRUMS), (PIANO, STRINGS)) == (PIANO,)
    assert fitting((DRUMS,), (PIANO, STRINGS)) == (PIANO,)
    assert fitting((DRUMS,), ()) == (DRUMS,)
    assert fitting((), (PIANO,)) == ()


def test_a_corpus_teaches_what_accompanies_and_its_bundle_says_so(tmp_path):
    songs = write_songs(tmp_path / "songs", 3, bars=4)
    corpus = build_corpus(songs, tmp_path / "corpus")
    assert corpus_parts(corpus) == (PIANO, BASS)
    run = recipe.MusicRun(songs, tmp_path / "run", "mine")
    fitted = FitResult(1, 1.0, "finished", None, None, 1, None, None)
    result = recipe.MusicResult(fitted, corpus, {}, tiny_model(), TINY)
    bundle = recipe.write_music_bundle(run, result, tmp_path / "mine" / "1.0.0")
    assert bundle.manifest.instruments == ["piano", "bass"]
    assert Player.load(bundle.path).parts == (PIANO, BASS)
    child = recipe.MusicRun(songs, tmp_path / "run", "child", parent=str(bundle.path))
    bundle = recipe.write_music_bundle(child, result, tmp_path / "child" / "1.0.0")
    assert read_manifest(bundle.path).instruments == ["piano", "bass"]


def test_a_manifest_with_an_unknown_instrument_is_refused(tmp_path):
    fields = {
        "name": "odd", "version": "1.0.0", "kinds": {"in": "notes", "out": "notes"}, "licence": "MIT",
        "architecture": ARCHITECTURE, "instruments": ["kazoo"],
    }  # fmt: skip
    with pytest.raises(UserError, match="kazoo"):
        write_bundle(tmp_path / "odd", fields, tiny_model().state_dict(), "card")


def draft(instrument: int, pitch: int, chord: int) -> Draft:
    """A draft behind a note of the partner, the ``chord``-th of its part at this onset."""
    row = np.zeros(len(Field), dtype=np.int16)
    row[[Field.ROLE, Field.INSTRUMENT, Field.PITCH]] = Role.PARTNER, instrument, pitch
    crowd, strays = Crowd(row[None], 0, Steering()), Strays({}, row[None], Steering())
    return Draft(0, row, 96, 0, crowd, strays, Dice(1.0, 1.0, np.random.default_rng(0)), chord=chord)


def asked(*parts: int) -> PlanRequest:
    grid = BarGrid()
    return PlanRequest(0, start_row(grid, 0), 0, 0, 48, 0, grid, Steering(instruments=parts), 0)


@pytest.mark.parametrize(
    ("parts", "chord", "pitch", "offered"),
    [
        ((PIANO,), MAX_CHORD - 1, 60, ["piano"]),
        ((PIANO,), MAX_CHORD, 60, []),
        ((PIANO, BASS, DRUMS), MAX_CHORD - 1, 60, ["piano", "bass", "drums"]),
        ((PIANO, BASS, DRUMS), MAX_CHORD, 60, ["bass", "drums"]),
        ((PIANO, BASS, DRUMS), 1, Steering.high_pitch, ["bass", "drums"]),
    ],
)
def test_a_full_chord_leaves_room_for_the_parts_behind_it(parts, chord, pitch, offered):
    request, place = asked(*parts), draft(PIANO, pitch, chord)
    assert allowed_roles(request, place, 0)[Role.PARTNER] == bool(offered)
    allowed = allowed_instruments(request.steering, place, follows=True)
    assert [INSTRUMENT_NAMES[k] for k in np.flatnonzero(allowed)] == offered


def test_a_player_leaves_out_what_it_was_not_taught():
    player = Player(tiny_model(3, scale=3.0), parts=(PIANO, STRINGS))
    notes = [
        note
        for number in range(4)
        for note in player.plan(
            PlanRequest(number, asked().context, 0, 0, 96, 0, asked().grid,
                        Steering(instruments=(STRINGS, DRUMS), density=2.0), number)
        ).notes
    ]  # fmt: skip
    assert notes
    assert {note.instrument for note in notes} == {STRINGS}
