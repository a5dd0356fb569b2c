"""Expressions with named vectors."""

import contextlib

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from midi.errors import UserError
from models.image.arithmetic import Vector, combined, parse


@pytest.mark.parametrize(
    ("text", "terms"),
    [
        ("g:orchid - g:red + 0.5*g:blue", {"g:orchid": 1, "g:red": -1, "g:blue": 0.5}),
        ("g:orchid-g:red", {"g:orchid": 1, "g:red": -1}),
        ("g:deep-red", {"g:deep-red": 1}),
        ("my-garden:deep-red - my-garden:pale-blue", {"my-garden:deep-red": 1, "my-garden:pale-blue": -1}),
        ("2*(g:a - g:#7)/4", {"g:a": 0.5, "g:#7": -0.5}),
        ("-g:a", {"g:a": -1}),
        ("g:a \u2212 g:b", {"g:a": 1, "g:b": -1}),
        ("g:a + g:a*2", {"g:a": 3}),
        ("(1 + 2/4)*g:A", {"g:a": 1.5}),
        (".5 * g:a", {"g:a": 0.5}),
        ("g:a + 2 - 2", {"g:a": 1}),
    ],
)
def test_what_can_be_read(text, terms):
    assert parse(text) == pytest.approx(terms)


@pytest.mark.parametrize(
    "text",
    [
        "", " ", "3", "g:a*g:b", "g:a/0", "g:a/g:b", "g:a +", "(g:a", "g:a)", "orchid", "g:a g:b", "g:a 3",
        "g:a + 1", "1e5*g:a", "g:a; import os", "g:../x", "(" * 100 + "g:a", "-" * 300 + "g:a",
        "g:a+" * 300 + "g:a", "g:a ** 2", ":a", "g:", "\u0663*g:a",
    ],
)  # fmt: skip
def test_what_can_not_be_read_is_one_sentence(text):
    with pytest.raises(UserError) as caught:
        parse(text)
    assert "\n" not in caught.value.message
    assert caught.value.hint


@given(st.text(alphabet="abg:#-+*/().0123 ", max_size=40))
def test_nothing_but_a_user_error_comes_out(text):
    with contextlib.suppress(UserError):
        assert all(":" in name for name in parse(text))


@given(st.dictionaries(st.sampled_from("abcd"), st.integers(-9, 9), min_size=1))
def test_sums_come_back(factors):
    terms = parse(" + ".join(f"({factor}) * g:{name}" for name, factor in factors.items()))
    assert terms == {f"g:{name}": factor for name, factor in factors.items()}


MEAN = torch.tensor([10.0, 0.0])
KNOWN = {
    "g:a": Vector(torch.tensor([11.0, 0.0])),
    "g:b": Vector(torch.tensor([10.0, 4.0])),
    "g:layered": Vector(torch.tensor([[10.0, 1.0], [10.0, 2.0]])),
    "g:way": Vector(torch.tensor([0.0, 1.0]), is_direction=True),
}


def evaluate(text):
    return combined(parse(text), KNOWN.__getitem__, MEAN)


def test_places_that_add_up_to_one_are_plain_sums():
    result = evaluate("0.25*g:a + 0.75*g:b")
    assert result.values.tolist() == [10.25, 3]
    assert not result.is_direction


def test_other_sums_count_from_the_mean():
    assert evaluate("2*g:a").values.tolist() == [12, 0]
    assert evaluate("0.5*g:b").values.tolist() == [10, 2]
    assert evaluate("g:a - g:b + 0.5*g:b").values.tolist() == [11, -2]


def test_differences_are_directions():
    result = evaluate("g:a - g:b")
    assert (result.values.tolist(), result.is_direction) == ([1, -4], True)
    assert evaluate("3*g:way").is_direction
    assert evaluate("g:a + 3*g:way").values.tolist() == [11, 3]


def test_styles_of_layers_take_part():
    assert evaluate("g:layered + g:way").values.tolist() == [[10, 2], [10, 3]]
