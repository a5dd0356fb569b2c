"""Mixing, blending, easing, layers by name, seeded numbers."""

import hashlib

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from midi.errors import UserError
from models.image.latent import BANDS, EASINGS, band, eased, gaussian, layers_named, mixed, slerp

NAMES = ("4.conv", "8.up", "16.up", "16.conv", "32.up", "32.conv")


def test_seeded_numbers_never_change():
    numbers = gaussian(7, 3, (2, 500))
    assert numbers.dtype == torch.float32
    assert numbers.shape == (2, 500)
    # Rounded: logarithms and cosines of other C libraries may differ in the last place.
    text = ",".join(f"{number:.4f}" for number in numbers.flatten().tolist())
    assert hashlib.sha256(text.encode()).hexdigest()[:16] == "92c2c3db3608cc31"
    assert abs(float(numbers.mean())) < 0.1
    assert abs(float(numbers.std()) - 1) < 0.1
    assert not torch.equal(numbers, gaussian(7, 4, (2, 500)))
    assert not torch.equal(numbers, gaussian(8, 3, (2, 500)))
    assert torch.equal(gaussian(7, 3, (3,)), numbers.flatten()[:3])


@pytest.mark.parametrize("seed", [-1, 2**32])
def test_what_is_no_seed_is_refused(seed):
    with pytest.raises(UserError, match="no seed"):
        gaussian(seed, 0, (1,))


@pytest.mark.parametrize("name", EASINGS)
def test_easings_rise_from_0_to_1(name):
    values = [eased(i / 50, name) for i in range(51)]
    assert values == sorted(values)
    assert (values[0], values[-1]) == (0, 1)
    assert values[25] == pytest.approx(0.5)
    assert (eased(-1, name), eased(2, name)) == (0, 1)
    if name != "linear":
        assert values[1] < 0.02


def test_an_unknown_easing_is_refused():
    with pytest.raises(UserError, match="wobbly"):
        eased(0.5, "wobbly")


@given(st.integers(0, 99), st.floats(0, 1))
def test_slerp_goes_along_the_arc(seed, t):
    a, b = gaussian(seed, 0, (8,)), gaussian(seed, 1, (8,)) * 2
    between = slerp(a, b, t)
    assert float(between.norm()) == pytest.approx(float(a.norm() * (1 - t) + b.norm() * t), rel=1e-4)
    angle = torch.arccos((a @ b / a.norm() / b.norm()).clamp(-1, 1))
    gone = torch.arccos((a @ between / a.norm() / between.norm()).clamp(-1, 1))
    assert float(gone) == pytest.approx(float(angle) * t, abs=2e-3)


def test_slerp_of_one_direction_is_a_straight_line():
    a = torch.tensor([[3.0, 4.0]])
    assert torch.allclose(slerp(a, 2 * a, 0.5), 1.5 * a)
    assert torch.allclose(slerp(a, a, 0.3), a)


def test_mixing_takes_whole_layers():
    ws, other = torch.zeros(2, 6, 3), torch.ones(1, 1, 3)
    result = mixed(ws, other, (1, 4))
    assert result.sum(2).tolist() == [[0, 3, 0, 0, 3, 0]] * 2
    assert ws.sum() == 0
    assert torch.equal(mixed(ws, other, ()), ws)


@pytest.mark.parametrize(
    ("text", "layers"),
    [
        ("all", range(6)), ("1", [0]), ("3-5", [2, 3, 4]), ("5-", [4, 5]), ("-2", [0, 1]),
        ("16.conv", [3]), ("coarse", [0, 1]), ("middle", [2, 3]), ("fine", [4, 5]), ("1/5-/FINE", [0, 4, 5]),
    ],
)  # fmt: skip
def test_layers_by_name(text, layers):
    assert layers_named(text, NAMES) == tuple(layers)


@pytest.mark.parametrize("text", ["", "0", "7", "5-3", "-", "64.conv", "two", "1//2", "9999999999"])
def test_layers_that_are_not_there_are_refused(text):
    with pytest.raises(UserError):
        layers_named(text, NAMES)


@given(st.integers(1, 20))
def test_bands_part_the_layers(n):
    assert [layer for name in BANDS for layer in band(name, n)] == list(range(n))
