"""Layer bending: what each operation does, text and back."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from midi.errors import UserError
from models.image.bending import KINDS, LIMITS, Bend, apply, bends_of, hooks
from models.image.latent import gaussian
from tests.models.image.gardens import pictures


def spot(row, column, side=9):
    x = torch.zeros(1, 2, side, side)
    x[..., row, column] = 1
    return x


@pytest.mark.parametrize(
    ("bend", "before", "after"),
    [
        ("rotate=90", (4, 7), (1, 4)),
        ("rotate=-90", (4, 7), (7, 4)),
        ("rotate=180", (1, 2), (7, 6)),
        ("scale=2", (4, 6), (4, 8)),
        (f"shift={2 / 9}", (4, 4), (4, 6)),
        (f"rise={2 / 9}", (4, 4), (2, 4)),
        ("shift=0", (3, 5), (3, 5)),
    ],
)
def test_where_things_go(bend, before, after):
    bent = apply(Bend.parse(bend), spot(*before))
    index = int(bent[0, 0].argmax())
    assert divmod(index, 9) == after


def test_wear_and_swelling():
    x = gaussian(1, 0, (1, 3, 8, 8))
    assert torch.equal(apply(Bend("dilate", 0), x), x)
    one, two = apply(Bend("dilate", 1), x), apply(Bend("dilate", 2), x)
    assert torch.equal(one, torch.nn.functional.max_pool2d(x, 3, 1, 1))
    assert torch.equal(apply(Bend("erode", 1), x), -apply(Bend("dilate", 1), -x))
    assert torch.allclose(apply(Bend("dilate", 1.25), x), torch.lerp(one, two, 0.25))
    assert torch.equal(apply(Bend("dilate", 20), x), x.amax((2, 3), keepdim=True).expand_as(x))


def test_noise_is_of_its_seed_and_layer():
    x = gaussian(1, 0, (2, 3, 8, 8)) * 5
    bend = Bend("noise", 0.5, seed=3)
    assert torch.equal(apply(bend, x, 1), apply(bend, x, 1))
    assert not torch.equal(apply(bend, x, 1), apply(bend, x, 2))
    assert not torch.equal(apply(bend, x, 1), apply(Bend("noise", 0.5, seed=4), x, 1))
    assert float((apply(bend, x, 1) - x).std()) == pytest.approx(2.5, rel=0.35)


def test_a_share_of_the_channels():
    x = gaussian(1, 0, (1, 10, 6, 6))
    bent = apply(Bend("rotate", 45, share=0.3, seed=2), x)
    changed = (bent != x).flatten(2).any(2)
    assert int(changed.sum()) == 3
    other = (apply(Bend("rotate", 45, share=0.3, seed=5), x) != x).flatten(2).any(2)
    assert not torch.equal(changed, other)


@given(
    st.sampled_from(sorted(KINDS)), st.floats(0, 1),
    st.sampled_from(["all", "2-3", "fine", "16.conv", "1/4"]), st.floats(0.01, 1), st.integers(0, 2**32 - 1),
)  # fmt: skip
def test_text_and_back(kind, position, layers, share, seed):
    low, high, _ = LIMITS[kind]
    bend = Bend(kind, float(f"{low + position * (high - low):.6g}"), layers, float(f"{share:.6g}"), seed)
    assert bends_of(f" {bend} , {bend}") == (bend, bend)


@pytest.mark.parametrize(
    "text",
    [
        "melt=3", "rotate", "rotate=", "rotate=x", "rotate=nan", "rotate=1e9", "scale=0", "scale=-1",
        "shift=2", "dilate=-1", "noise=1e400", "rotate=3@", "rotate=3@all:share=0", "rotate=3:share=2",
        "rotate=3:seed=-1", "rotate=3:seed=x", "rotate=3:speed=1", "rotate=3@all@all",
    ],
)  # fmt: skip
def test_what_is_no_bend_is_refused(text):
    with pytest.raises(UserError):
        bends_of(text)


def test_bends_of_a_picture():
    model = pictures()
    ws = model.styles(model.w([1]))
    plain = model.render(ws)

    def made(text):
        return model.render(ws, bend=hooks(bends_of(text), model.layer_names))

    assert (made("") == plain).all()
    assert (made("rotate=0@2") == plain).all()
    for kind, amount in {
        "rotate": 60,
        "scale": 2,
        "shift": 0.3,
        "rise": 0.3,
        "erode": 1,
        "dilate": 1,
        "noise": 1,
    }.items():
        assert (made(f"{kind}={amount}@2-") != plain).any(), kind
    assert (made("rotate=90@1,noise=1@1") != made("noise=1@1,rotate=90@1")).any(), "in their order"


def test_bends_of_layers_that_are_not_there_are_refused():
    with pytest.raises(UserError, match="layers 40"):
        hooks(bends_of("rotate=3@40"), pictures().layer_names)
