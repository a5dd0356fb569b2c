"""Loops that close, in musical time, at an even pace."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from midi.errors import UserError
from models.image.latent import gaussian
from models.image.walks import (
    LoopTime,
    closed_spline,
    closed_walk,
    evened_phases,
    path_evenness,
    picture_distance,
    step_distances,
    unevenness,
)
from tests.models.image.gardens import pictures


@given(st.floats(0.25, 16), st.floats(40, 240), st.integers(2, 7), st.floats(5, 60))
def test_a_loop_lasts_as_long_as_its_bars(bars, bpm, beats, fps):
    time = LoopTime(bars, bpm, beats, fps)
    assert time.duration_s == pytest.approx(bars * beats * 60 / bpm)
    durations = time.durations_ms()
    assert len(durations) == len(time.phases()) == time.n_frames
    assert abs(sum(durations) - time.duration_s * 1000) <= 5.001
    assert max(durations) - min(durations) <= 10
    assert time.phases()[0] == 0
    assert time.phases()[-1] < 1


def test_a_spline_passes_its_points_and_closes():
    points = gaussian(1, 0, (5, 12))
    assert torch.allclose(closed_spline(points, np.arange(5) / 5), points, atol=1e-6)
    assert torch.allclose(closed_spline(points, [0.0]), closed_spline(points, [1.0]))
    step = 1e-5
    before, at, after = closed_spline(points.double(), [1 - step, 0, step])
    assert torch.allclose(at - before, after - at, atol=1e-6), "the seam has one velocity"


def test_a_walk_rests_at_its_points():
    points = torch.tensor([[0.0], [1.0], [3.0]])
    walked = closed_walk(points, [0, 1 / 6, 1 / 3, 0.5, 2 / 3, 1.0], "smooth").flatten()
    assert torch.allclose(walked, torch.tensor([0, 0.5, 1, 2, 3, 0]), atol=1e-5)


def test_a_loop_of_one_point_is_refused():
    with pytest.raises(UserError, match="two pictures"):
        closed_spline(torch.zeros(1, 3), [0])


def shade(value, side=16):
    return np.full((side, side, 3), value, np.uint8)


def test_picture_distance():
    assert picture_distance(shade(0), shade(255)) == pytest.approx(1)
    assert picture_distance(shade(10), shade(10)) == 0
    board = shade(0)
    board[::2, ::2] = board[1::2, 1::2] = 255
    assert picture_distance(board, 255 - board) < picture_distance(shade(0), shade(255)), "grain weighs less"
    assert picture_distance(shade(0, 3), shade(255, 3)) == pytest.approx(1)


def test_steps_and_their_evenness():
    frames = [shade(value) for value in (0, 51, 102, 204)]
    assert step_distances(frames) * 5 == pytest.approx([1, 1, 2])
    assert step_distances(iter(frames), is_closed=True)[-1] == pytest.approx(0.8)
    assert unevenness([1, 1, 1]) == 0
    assert unevenness([0, 0]) == 0
    assert unevenness([1, 3]) == pytest.approx(0.5)


def test_an_uneven_walk_is_evened():
    n = 64
    shades = lambda phases: [shade(255 * phase**3) for phase in phases]  # noqa: E731
    even = np.linspace(0, 1, n + 1)
    phases = evened_phases(step_distances(shades(even)), even)
    assert (phases[0], phases[-1]) == (0, 1)
    assert np.all(np.diff(phases) > 0)
    assert unevenness(np.diff(phases**3)) < 0.1 * unevenness(np.diff(even**3))


def test_a_walk_that_stands_still_keeps_its_pace():
    assert evened_phases([0, 0, 0, 0], [0, 0.5, 1]) == pytest.approx([0, 0.5, 1])


def test_evenness_of_walks_between_seeds():
    model = pictures()
    in_w, in_z = (path_evenness(model, [(1, 2), (3, 4)], space=space, steps=6) for space in ("w", "z"))
    assert in_w.shape == in_z.shape == (2,)
    assert (in_w > 0).all()
    assert not np.allclose(in_w, in_z)
    still = path_evenness(model, [(1, 1)], steps=3)
    assert still == 0
    frames = model.render(model.styles(torch.lerp(*model.w([1, 2]), 0.5)[None], 1.0))
    middle = model.render(model.styles(model.w([1, 2]), 1.0))
    halves = step_distances([middle[0], frames[0], middle[1]])
    assert path_evenness(model, [(1, 2)], steps=2)[0] == pytest.approx(unevenness(halves))
