from __future__ import annotations

import io
from dataclasses import replace

import pytest
from rich.console import Console

from midi.events import DRUMS
from models.sequence.plan import PlannedNote
from studio.live.display import LiveDisplay, Status, keyboard_strip, pitch_name, plan_roll, render
from studio.live.keyboard import HELP
from studio.live.messages import LiveCounts, Mode, Snapshot
from studio.live.meters import Percentiles

SNAPSHOT = Snapshot(
    time_s=0.0,
    is_playing=True,
    mode=Mode.ACCOMPANY,
    bpm=96.0,
    beat=17.3,
    beats_per_bar=4.0,
    held=(60, 64),
    partner_held=(48,),
    committed=(PlannedNote(420, 12, 48, 70, 0),),
    ghosts=(PlannedNote(480, 24, 60, 70, 0), PlannedNote(432, 6, 38, 70, DRUMS)),
    commit_ticks=24,
    lookahead_ticks=48,
    is_model_ready=True,
    plan_latency_s=0.05,
    counts=LiveCounts(player_notes=12, partner_notes=34, plan_steps=100, planned_steps=97, late_drops=2),
)
STATUS = Status(
    "Keystation", "none", "speakers", "partner: ready", Percentiles(9, 30.0, 80.0, 90.0, 95.0), underruns=3
)


def lines(snapshot: Snapshot, status: Status, width: int = 80) -> list[str]:
    console = Console(width=width, file=io.StringIO(), color_system=None)
    rendered = console.render_lines(render(snapshot, status, width), pad=False)
    return ["".join(segment.text for segment in line) for line in rendered]


@pytest.mark.parametrize("width", [80, 60, 132])
def test_fits_the_terminal(width: int) -> None:
    long = replace(STATUS, sentence="A long sentence. " * 20, input_name="Port " * 40)
    found = lines(SNAPSHOT, long, width)
    assert len(found) <= 22
    assert max(len(line) for line in found) <= width


def test_shows_where_it_is_and_what_is_wrong() -> None:
    text = "\n".join(lines(SNAPSHOT, STATUS))
    for part in ("5.2", "96.0 bpm", "accompany", "C4 E4", "C3", "97.0%", "2 dropped", "3 underruns", "80 ms"):
        assert part in text
    calm = "\n".join(lines(replace(SNAPSHOT, counts=LiveCounts()), replace(STATUS, underruns=0)))
    assert "dropped" not in calm
    assert "underruns" not in calm


def test_what_the_keys_do_fits_on_its_line() -> None:
    assert HELP in "\n".join(lines(SNAPSHOT, replace(STATUS, help=HELP)))


def test_rules_alone_have_no_plans_to_be_late() -> None:
    alone = replace(STATUS, plan_latency=Percentiles())
    text = "\n".join(lines(replace(SNAPSHOT, is_model_ready=False), alone))
    assert "in time" not in text
    assert "you 12  partner 34  late" in text


def test_keys_are_where_they_belong() -> None:
    strip = keyboard_strip((36, 60), (38, 200), 61)
    assert len(strip) == 61
    assert [i for i, char in enumerate(strip.plain) if char == "█"] == [0, 2, 24]


def test_plan_stands_in_time_and_height() -> None:
    rows = plan_roll(SNAPSHOT, 72)
    assert {len(row) for row in rows} == {72}
    # The picture begins at tick 414: the committed note 6 ticks on, the ghost 66 on, the drum 18 on.
    assert rows[-1].plain[3] == "▐"
    assert rows[0].plain[33] == "▐"
    assert rows[-1].plain[9] == "x"
    low = replace(SNAPSHOT, committed=(), ghosts=())
    assert all(set(row.plain) <= {" ", "┊"} for row in plan_roll(low))


def test_pitch_names_say_the_octave() -> None:
    assert [pitch_name(p) for p in (60, 61, 0, 127)] == ["C4", "C♯4", "C-1", "G9"]


def test_display_leaves_the_terminal_as_it_was() -> None:
    out = io.StringIO()
    console = Console(file=out, force_terminal=True, width=80, height=24)
    with LiveDisplay(console) as display:
        display.show(SNAPSHOT, STATUS)
        assert "96.0 bpm" in out.getvalue()
    # The cursor was hidden and is shown again.
    assert out.getvalue().count("\x1b[?25l") == out.getvalue().count("\x1b[?25h") == 1
