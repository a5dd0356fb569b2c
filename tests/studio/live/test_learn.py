"""MIDI learn: binding, scaling, buttons, and the file."""

import json

import pytest

from studio.live.controllers import controllers_file, load_controllers, save_controllers
from studio.live.deskview import Learned
from studio.live.feel import STEERABLE
from studio.live.learn import LEARNABLE, NOT_LEARNABLE, Learner
from studio.live.messages import ControllerMoved, Steer

DEVICE = "Knobs 28:0"


class Book:
    """A learner with what it pressed and how often it changed."""

    def __init__(self):
        self.pressed, self.changes = [], 0
        self.learner = Learner(self.pressed.append, self.changed)

    def changed(self):
        self.changes += 1

    def move(self, number, *values, device=DEVICE):
        return [
            item
            for value in values
            for item in self.learner.take(ControllerMoved(1.0, number, value, device))
        ]


@pytest.fixture
def book():
    return Book()


def test_the_next_controller_is_bound_and_steers_over_the_whole_range(book):
    book.learner.arm("swing")
    assert book.move(21, 64) == []
    assert book.learner.target is None
    assert book.learner.learned == (Learned("Knobs", 21, "swing"),)
    assert book.move(21, 0, 127) == [Steer(1.0, "swing", 0.0), Steer(1.0, "swing", 1.0)]
    # The same device in another socket, and another device.
    assert book.move(21, 127, device="Knobs 32:0") == [Steer(1.0, "swing", 1.0)]
    moved = ControllerMoved(1.0, 21, 5, "Other")
    assert book.learner.take(moved) == [moved]
    assert book.changes == 1


@pytest.mark.parametrize("name", STEERABLE)
def test_every_knob_reaches_both_ends(book, name):
    book.learner.arm(name)
    book.move(7, 1)
    low, high = book.move(7, 0, 127)
    assert (low.value, high.value) == (STEERABLE[name].low, STEERABLE[name].high)


def test_pedals_and_mode_messages_are_never_bound(book):
    book.learner.arm("swing")
    for number in NOT_LEARNABLE:
        assert book.move(number, 127) == [ControllerMoved(1.0, number, 127, DEVICE)]
    assert book.learner.target == "swing"
    assert {64, 123} <= NOT_LEARNABLE


def test_buttons_press_once_a_press(book):
    book.learner.arm("play")
    assert book.move(50, 127) == []
    assert book.pressed == []
    book.move(50, 0, 127, 0)
    assert book.pressed == ["play"]
    book.move(50, 70, 71, 72, 0)
    assert book.pressed == ["play"] * 2
    # A button without a release sends the same again.
    book.move(50, 127, 127, 127)
    assert book.pressed == ["play"] * 5


def test_learning_again_replaces_on_that_device_only(book):
    for device in ("A", "B"):
        book.learner.arm("density")
        book.move(1, 5, device=device)
    book.learner.arm("density")
    book.move(2, 5, device="A")
    assert book.learner.learned == (Learned("A", 2, "density"), Learned("B", 1, "density"))
    book.learner.forget("density")
    assert book.learner.learned == ()


def test_what_there_is_not_cannot_be_learned(book):
    with pytest.raises(ValueError, match="nonesuch"):
        book.learner.arm("nonesuch")
    book.learner.restore((Learned("A", 1, "nonesuch"), Learned("A", 2, "stop")))
    assert book.learner.learned == (Learned("A", 2, "stop"),)
    assert set(LEARNABLE) >= {"play", "stop", "record", "panic", "mode", "metronome"}


def test_the_file_comes_back():
    learned = (Learned("A", 2, "stop"), Learned("B", 3, "swing"))
    save_controllers(learned)
    assert load_controllers() == (learned, "")


@pytest.mark.parametrize("text", ["{", "[]", '{"devices": {"A": {"swing": 300}}}'])
def test_a_broken_file_is_set_aside_with_a_sentence(text):
    controllers_file().parent.mkdir(parents=True, exist_ok=True)
    controllers_file().write_text(text)
    learned, problem = load_controllers()
    assert learned == ()
    assert "set aside" in problem
    assert not controllers_file().exists()
    aside = next(controllers_file().parent.glob("controllers.json.broken*"))
    assert aside.read_text() == text
    save_controllers((Learned("A", 2, "stop"),))
    assert json.loads(controllers_file().read_text())["devices"] == {"A": {"stop": 2}}
