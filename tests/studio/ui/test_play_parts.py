"""The parts' switches: what the model was taught, and nothing that is cut off or covers another."""

import itertools
import json

import pygame
import pytest

from midi.events import DRUMS, INSTRUMENT_NAMES
from models.sequence.parts import BAND_PARTS
from studio.live.planner import ModelHealth, ModelState
from studio.ui.play.steering import PARTS, offered_parts
from tests.studio.ui.play_fakes import click, look, replace

PIANO, STRINGS = 0, 5


def teach(ui, screen, *parts, state=ModelState.READY):
    ui.view = replace(ui.view, model=ModelHealth(state, parts=parts), model_name="solo@1.0.0")
    look(screen, ui)


def shown(screen):
    return [s for s in screen.parts.switches if s.is_visible]


def names(switches):
    return [INSTRUMENT_NAMES[switch.instrument] for switch in switches]


def test_a_band_is_offered_with_its_pad(screen):
    assert sorted(names(shown(screen))) == ["bass", "drums", "pad", "piano", "strings"]
    click(screen, "part-pad")
    assert screen.find("part-pad").is_on


def test_parts_that_were_not_taught_are_shown_and_off(ui, screen, antiphon_home):
    folder = antiphon_home / "models" / "a-trio" / "1.0.0"
    folder.mkdir(parents=True)
    manifest = {"name": "a-trio", "version": "1.0.0", "architecture": "event-rows", "instruments": ["drums"]}
    (folder / "bundle.json").write_text(json.dumps(manifest))
    teach(ui, screen, PIANO, STRINGS)
    drums = screen.find("part-drums")
    assert {s.instrument for s in shown(screen)} == set(BAND_PARTS)
    assert names([s for s in shown(screen) if s.is_enabled]) == ["piano", "strings"]
    assert drums.tooltip == "Drums: solo was not taught it, a-trio was"
    click(screen, "part-drums")
    assert ui.sent == []
    teach(ui, screen, PIANO, DRUMS)
    assert drums.is_enabled
    assert drums.tooltip == "Drums: play it or leave it out"


def test_while_a_model_loads_the_switches_stay(ui, screen):
    teach(ui, screen, PIANO, STRINGS)
    teach(ui, screen, state=ModelState.STARTING)
    assert not screen.find("part-drums").is_enabled


def test_the_rules_play_anything(ui, screen):
    teach(ui, screen, state=ModelState.CLOSED)
    assert {s.instrument for s in shown(screen)} == set(PARTS)
    assert all(s.is_enabled for s in shown(screen))


@pytest.mark.parametrize("size", [(1280, 800), (1024, 640)])
@pytest.mark.parametrize("parts", [(PIANO, STRINGS), BAND_PARTS, (*BAND_PARTS, 2), PARTS, range(16)])
def test_switches_lie_within_the_panel_and_beside_each_other(ui, screen, size, parts):
    screen.place(pygame.Rect((0, 0), size))
    teach(ui, screen, *parts)
    rects = [switch.rect for switch in shown(screen)]
    assert len(rects) >= len(BAND_PARTS)
    assert all(screen.parts.rect.contains(rect) and rect.width >= 48 and rect.height >= 24 for rect in rects)
    assert not any(a.colliderect(b) for a, b in itertools.combinations(rects, 2))


def test_what_else_was_taught_is_offered_behind_a_band():
    assert offered_parts((PIANO,), (PIANO, 2)) == (*BAND_PARTS, 2)
    assert offered_parts((9,), (PIANO, 1, 2, 3, 9)) == (*BAND_PARTS, 1, 2, 9)
