from itertools import pairwise

import pygame
import pytest
from hypothesis import given
from hypothesis import strategies as st

from studio.ui.play.backdrop import Region, beat_lines, stretches
from studio.ui.play.geometry import HIGH_KEY, LOW_KEY, KeyboardGeometry, RollGeometry, is_black, pitch_span
from studio.ui.play.pitchrange import NARROW_AFTER_S, PitchRange

PLANE = pygame.Rect(44, 112, 932, 487)


def plane(now_ticks=1000.0, *, beat_px=96.0, low=36.0, lane_px=9.7):
    return RollGeometry(PLANE, beat_px, now_ticks, low, lane_px)


@given(tick=st.floats(-500, 5000), now=st.floats(0, 5000), beat_px=st.floats(40, 400))
def test_ticks_come_back_from_pixels_within_one(tick, now, beat_px):
    roll = plane(now, beat_px=beat_px)
    assert abs(roll.x_tick(roll.tick_x(tick)) - tick) * beat_px / 24 <= 1.01


@given(pitch=st.integers(0, 127), low=st.floats(0, 60), lane_px=st.floats(3, 40), share=st.floats(0.2, 0.8))
def test_a_height_within_a_lane_is_its_pitch(pitch, low, lane_px, share):
    roll = plane(low=low, lane_px=lane_px)
    top, bottom = roll.pitch_y(pitch), roll.pitch_y(pitch - 1)
    middle = top + share * (bottom - top)
    if top + 1 <= middle <= bottom - 1:
        assert roll.y_pitch(middle) == pitch


def test_higher_pitches_stand_higher_and_lanes_touch():
    roll = plane()
    tops = [roll.pitch_y(pitch) for pitch in range(30, 90)]
    assert tops == sorted(tops, reverse=True)
    assert roll.note_rect(0, 24, 60).bottom <= roll.note_rect(0, 24, 59).top


@given(now=st.floats(0, 10_000))
def test_scrolling_moves_notes_and_lines_as_one(now):
    still, moved = plane(500.0), plane(now)
    shift = moved.tick_x(0) - still.tick_x(0)
    assert all(moved.tick_x(tick) - still.tick_x(tick) == shift for tick in (1, 7, 24, 96, 511))


def test_the_now_line_is_right_of_the_middle():
    assert plane().tick_x(1000.0) == plane().now_x == PLANE.left + round(0.62 * PLANE.width)


def test_a_short_note_can_still_be_seen():
    assert plane().note_rect(10, 10, 60).width >= 3


@given(st.lists(st.integers(0, 127), max_size=8), st.integers(12, 60))
def test_the_span_holds_every_pitch_and_stays_on_the_piano_of_midi(pitches, least):
    low, high = pitch_span(pitches, least=least)
    assert 0 <= low < high <= 128
    assert all(low <= pitch and pitch + 1 <= high for pitch in pitches)
    if pitches:
        assert high - low >= least


def test_the_range_widens_at_once_and_narrows_late():
    shown = PitchRange()
    shown.step([60, 64], 10.0, 24)
    shown.step([30, 100], 10.0, 24)
    assert shown.low <= 30
    assert shown.high >= 101
    shown.step([60, 64], NARROW_AFTER_S / 2, 24)
    assert shown.high >= 101
    for _ in range(3):
        shown.step([60, 64], NARROW_AFTER_S / 2, 24)
    assert shown.high < 90


def test_the_range_glides():
    shown = PitchRange()
    shown.step([60], 10.0, 24)
    before = shown.high
    shown.step([100], 1 / 60, 24)
    assert before < shown.high < 90
    assert shown.is_moving


def test_regions_cover_the_plane_without_gaps():
    roll = plane()
    found = stretches(roll, 18.0, 66.0)
    assert [s.region for s in found] == list(Region)
    assert found[0].left == PLANE.left
    assert found[-1].right == PLANE.right
    assert all(a.right == b.left for a, b in pairwise(found))
    assert found[1].right == roll.tick_x(1018)


def test_a_plan_beyond_the_edge_leaves_no_open_region():
    assert [s.region for s in stretches(plane(), 50.0, 5000.0)][-1] is Region.PLANNED


def test_bars_are_numbered_from_one_and_nothing_stands_before_them():
    lines = list(beat_lines(plane(0.0), 4.0, 1.0))
    assert lines[0].x == plane(0.0).now_x
    assert lines[0].bar == 1
    assert [line.bar for line in lines[:4]] == [1, 0, 0, 0]


def test_six_eighths_have_six_lines_a_bar():
    lines = list(beat_lines(plane(960.0), 3.0, 0.5))
    bars = [index for index, line in enumerate(lines) if line.bar]
    assert bars[1] - bars[0] == 6
    assert lines[bars[1]].bar == lines[bars[0]].bar + 1


@pytest.mark.parametrize("width", [1008, 1264, 1904, 3824])
def test_every_key_is_hit_where_it_stands(width):
    keys = KeyboardGeometry(pygame.Rect(8, 600, width, 100))
    assert len(keys.keys) == 88
    for pitch, key in keys.keys.items():
        y = key.top + 3 if is_black(pitch) else key.bottom - 3
        assert keys.at(key.centerx, y) == pitch


def test_keys_fill_the_keyboard_from_a0_to_c8():
    rect = pygame.Rect(8, 600, 1264, 100)
    keys = KeyboardGeometry(rect)
    assert keys.keys[LOW_KEY].left == rect.left
    assert keys.keys[HIGH_KEY].right == rect.right
    assert keys.at(rect.left - 1, 650) is None
    assert keys.at(rect.right, 650) is None


@given(st.integers(0, 1263), st.integers(0, 99))
def test_no_place_on_the_keyboard_is_dead(x, y):
    keys = KeyboardGeometry(pygame.Rect(0, 0, 1264, 100))
    pitch = keys.at(x, y)
    assert pitch is not None
    assert keys.keys[pitch].collidepoint(x, y)


def test_keys_are_struck_harder_at_their_near_edge():
    keys = KeyboardGeometry(pygame.Rect(0, 0, 1264, 100))
    velocities = [keys.velocity(60, y) for y in range(0, 100, 10)]
    assert velocities == sorted(velocities)
    assert 1 <= velocities[0] < 50
    assert 100 < keys.velocity(60, 99) <= 127
