import numpy as np
import pygame
import pytest

from studio.ui.play.demo import busy_view, idle_view
from studio.ui.play.visual import MAX_RINGS, Visual, chord_hue
from tests.studio.ui.play_fakes import replace, roll_note

SIZE = (288, 200)


def pixels(surface):
    return pygame.surfarray.array3d(surface).astype(int)


@pytest.mark.parametrize("size", [(288, 200), (260, 90), (700, 500), (40, 300)])
def test_the_picture_has_the_size_that_was_asked_for(size):
    assert Visual().surface(busy_view(9.0), size, 1.0).get_size() == size


def test_near_chords_have_near_hues():
    def distance(a, b):
        gap = abs(chord_hue(a) - chord_hue(b)) % 1
        return min(gap, 1 - gap)

    assert distance("C", "G") < distance("C", "D") < distance("C", "F#")
    assert chord_hue("C#m") == chord_hue("Db")
    assert chord_hue("") is None


def test_a_note_makes_a_ring_where_it_fell():
    quiet, struck = Visual(), Visual()
    view = idle_view()
    quiet.surface(view, SIZE, 1.0)
    struck.surface(view, SIZE, 1.0)
    before = pixels(quiet.surface(view, SIZE, 1.05))
    hit = replace(view, roll=(roll_note(60, 24, None),))
    after = pixels(struck.surface(hit, SIZE, 1.05))
    change = np.abs(after - before).sum(axis=(1, 2))
    place = int(np.argmax(change)) / SIZE[0]
    assert change.max() > 100
    assert 0.3 < place < 0.6
    assert not struck.is_calm


def test_rings_fade_and_the_picture_comes_to_rest():
    visual, view = Visual(), idle_view()
    view = replace(view, roll=(roll_note(60, 24, 30),))
    for frame in range(240):
        visual.surface(view, SIZE, frame / 60)
    assert visual.is_calm


def test_many_notes_at_once_cost_no_more_than_the_most_rings():
    visual = Visual()
    view = replace(idle_view(), roll=tuple(roll_note(p, 24, None) for p in range(30, 90)))
    visual.surface(view, SIZE, 1.0)
    assert len(visual._rings) <= MAX_RINGS


def test_the_picture_follows_the_harmony():
    visual = Visual()
    view = replace(busy_view(9.0), roll=())
    for frame in range(300):
        first = visual.surface(replace(view, chord="C"), SIZE, frame / 60)
    for frame in range(300, 600):
        second = visual.surface(replace(view, chord="F#"), SIZE, frame / 60)
    assert np.abs(pixels(first).mean(axis=(0, 1)) - pixels(second).mean(axis=(0, 1))).sum() > 40
