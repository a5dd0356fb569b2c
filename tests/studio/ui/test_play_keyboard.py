import pygame
import pytest

from models.sequence.plan import PlannedNote
from studio.live.messages import KeyDown, KeyUp
from studio.ui.play.geometry import KeyboardGeometry
from studio.ui.play.keyboard import SOURCE, Keyboard, partner_keys
from studio.ui.theme import PARTNER, PLAYER
from tests.studio.ui.play_fakes import FakeUi, at, drawn, playing, replace

SIZE = (1280, 104)


@pytest.fixture
def ui():
    return FakeUi()


@pytest.fixture
def keyboard(ui):
    board = Keyboard(ui)
    board.place(pygame.Rect((0, 0), SIZE))
    return board


def near(keyboard, pitch):
    key = keyboard.geometry.keys[pitch]
    return key.centerx, key.bottom - 2


def hanging(sent):
    held = []
    for command in sent:
        if isinstance(command, KeyDown):
            held.append(command.pitch)
        elif isinstance(command, KeyUp):
            held.remove(command.pitch)
    return held


def test_a_click_strikes_and_releases(ui, keyboard):
    x, y = near(keyboard, 60)
    assert keyboard.pointer(at("down", x, y))
    assert ui.captured is keyboard
    assert keyboard.pointer(at("up", x, y))
    down, up = ui.sent
    assert (down.pitch, down.source, up.pitch, up.source) == (60, SOURCE, 60, SOURCE)
    assert down.velocity > 100
    assert ui.captured is None


def test_dragging_is_a_glissando(ui, keyboard):
    left, right = near(keyboard, 60), near(keyboard, 72)
    keyboard.pointer(at("down", *left))
    for x in range(left[0], right[0] + 1, 4):
        keyboard.pointer(at("move", x, left[1]))
    assert [c.pitch for c in ui.sent if isinstance(c, KeyDown)] == [60, 62, 64, 65, 67, 69, 71, 72]
    assert hanging(ui.sent) == [72]
    keyboard.pointer(at("up", *right))
    assert hanging(ui.sent) == []


def test_the_key_is_released_wherever_the_mouse_lets_go(ui, keyboard):
    keyboard.pointer(at("down", *near(keyboard, 64)))
    keyboard.pointer(at("move", -50, 900))
    keyboard.pointer(at("up", -50, 900))
    assert hanging(ui.sent) == []
    assert keyboard.pressed is None


def test_leaving_the_screen_releases(ui, keyboard):
    keyboard.pointer(at("down", *near(keyboard, 64)))
    keyboard.release()
    keyboard.release()
    assert hanging(ui.sent) == []
    assert len(ui.sent) == 2


def test_moving_without_a_press_plays_nothing(ui, keyboard):
    assert not keyboard.pointer(at("move", *near(keyboard, 64)))
    assert not keyboard.pointer(at("down", *near(keyboard, 64), button=3))
    assert ui.sent == []


def color_of(surface, keyboard, pitch, share=0.5):
    key = keyboard.geometry.keys[pitch]
    return surface.get_at((round(key.left + key.width * share), key.bottom - 24))[:3]


def is_like(color, accent):
    return sum(abs(a - b) for a, b in zip(color, accent, strict=True)) < 90


def test_keys_light_in_the_accents_of_both(ui, keyboard):
    ui.view = replace(ui.view, snapshot=playing(1.0, held=(60, 64), partner_held=(64, 67)))
    surface = drawn(keyboard, ui, SIZE)
    assert is_like(color_of(surface, keyboard, 60), PLAYER)
    assert is_like(color_of(surface, keyboard, 67), PARTNER)
    assert is_like(color_of(surface, keyboard, 64, 0.25), PLAYER)
    assert is_like(color_of(surface, keyboard, 64, 0.7), PARTNER)
    assert not is_like(color_of(surface, keyboard, 62), PLAYER)


def test_a_lit_white_key_does_not_cover_its_black_neighbor(ui, keyboard):
    rest = drawn(keyboard, ui, SIZE)
    ui.view = replace(ui.view, snapshot=playing(1.0, held=(60, 62)))
    lit = drawn(keyboard, ui, SIZE)
    key = keyboard.geometry.keys[61]
    assert rest.get_at((key.left + 1, key.centery)) == lit.get_at((key.left + 1, key.centery))
    assert rest.get_at((key.right - 3, key.centery)) == lit.get_at((key.right - 3, key.centery))


def test_drums_of_the_partner_are_no_keys():
    drum, bass = PlannedNote(0, 12, 36, 90, 15), PlannedNote(0, 48, 40, 90, 4)
    snapshot = playing(0.2, partner_held=(36, 40), committed=(drum, bass))
    assert partner_keys(snapshot) == (40,)
    both = playing(0.2, partner_held=(36,), committed=(drum, replace(bass, pitch=36)))
    assert partner_keys(both) == (36,)


def test_letters_appear_where_the_computer_plays(ui, keyboard):
    plain = drawn(keyboard, ui, SIZE)
    letters = {60: "Z"}
    labeled = Keyboard(ui, lambda: letters)
    first = drawn(labeled, ui, SIZE)
    key = KeyboardGeometry(labeled.geometry.rect).keys[60]
    box = pygame.Rect(key.left + 2, key.bottom - 34, key.width - 4, 20)
    assert pygame.image.tobytes(plain.subsurface(box), "RGB") != pygame.image.tobytes(
        first.subsurface(box), "RGB"
    )
    letters.clear()
    letters[72] = "Z"
    labeled.is_dirty = False
    labeled.look(ui.view)
    assert labeled.is_dirty
