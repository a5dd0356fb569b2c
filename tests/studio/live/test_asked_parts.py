"""Parts that a model was not taught go off while it plays, and come back with one that knows them."""

import pytest

from midi.events import DRUMS
from models.sequence.plan import Steering
from studio.live.deskparts import AskedParts
from studio.live.deskview import ChooseModel
from studio.live.messages import Steer
from studio.live.planner import ModelHealth, ModelState, NoPlanner
from tests.studio.live.desk_room import Room

PIANO, BASS, STRINGS = 0, 4, 5
SOLO = ModelHealth(ModelState.READY, name="solo@1.0.0", parts=(PIANO, STRINGS))
BAND = ModelHealth(ModelState.READY, name="band@1.0.0", parts=(PIANO, BASS, STRINGS, DRUMS))
STARTING, RULES = ModelHealth(ModelState.STARTING), ModelHealth(ModelState.CLOSED)


@pytest.fixture
def said():
    return []


@pytest.fixture
def steered():
    return []


@pytest.fixture
def parts(steered, said):
    return AskedParts((PIANO, DRUMS), steered.append, said.append)


def test_what_is_not_known_is_silent_as_long_as_that_model_plays(parts, steered, said):
    for health in (STARTING, SOLO, SOLO, STARTING, BAND, BAND, SOLO, RULES):
        parts.look(health)
    assert steered == [(PIANO,), (PIANO, DRUMS), (PIANO,), (PIANO, DRUMS)]
    assert said == ["solo was not taught drums, so it plays piano."] * 2


def test_a_person_may_ask_for_others_meanwhile(parts, steered, said):
    parts.look(SOLO)
    parts.ask((STRINGS,))
    parts.look(SOLO)
    assert steered == [(PIANO,)]
    parts.ask((BASS,))
    parts.look(SOLO)
    assert steered == [(PIANO,), (PIANO,)]
    assert len(said) == 1


class Taught(NoPlanner):
    """A model of few parts that is ready at once."""

    def health(self) -> ModelHealth:
        return SOLO


def test_the_desk_heeds_it(tmp_path):
    room = Room(tmp_path, steering=Steering(instruments=(PIANO, DRUMS)))
    assert room.view.steering.instruments == (PIANO, DRUMS)
    room.begin = lambda _name, _device: Taught()
    room.desk._models._start = lambda _name: Taught()
    room.do(ChooseModel("solo"))
    room.go(0.2)
    assert room.view.steering.instruments == (PIANO,)
    assert room.view.model.parts == (PIANO, STRINGS)
    assert any("drums" in notice.sentence and not notice.is_fault for notice in room.view.notices)
    room.do(Steer(0.0, "instruments", (STRINGS,)))
    room.go(0.2)
    assert room.view.steering.instruments == (STRINGS,)
    room.desk.close()
